"""Rules of a request that span fields, told beside the faults of its shape.

They read the raw JSON and step over whatever has the wrong type (that is a fault of its shape and
told elsewhere), so that one answer names everything that is wrong.

Rules of one channel, and of the campaigns below it, that span fields.

Rules of the question itself: budgets, goal, horizon and risk against one another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from unicodedata import category

from shared.api.pointers import Json, named, number, numbers, objects, part, periods_of
from shared.api.rule_faults import (
    constraint_faults,
    curve_faults,
    draw_counts,
    has_curve,
    interaction_faults,
    unknown_names,
)
from shared.errors import Fault, did_you_mean, pointer_to
from shared.figures import number as figure

__all__ = ["no_draws", "optimize_faults", "plan_faults"]

Path = tuple[str | int, ...]

_SAME_MONEY = 1e-6
"""Amounts this close, relative to their size, are the same: sums of a caller's own are rounded."""

FIELD_OF_GOAL = {
    "maximize_profit": "value_per_outcome",
    "minimize_spend": "target_outcome",
    "maximize_reach": "max_frequency",
}
"""The one field that each goal cannot do without."""

EFFICIENCY = ("target_roas", "target_cpa")
"""Targets beside which every goal has a use for ``value_per_outcome``."""

MARGINAL = "target_marginal_return"

OF_PLAN = ("target_outcome", *EFFICIENCY, "max_outcome", "population")
"""What is said of the outcome of the horizon alone."""

LARGEST = 1e15
MAX_PRIOR = 520

OF_ONE = ("response", "saturation", "adstock", "campaigns", "like", "price_elasticity")
"""Of a channel, what speaks of one outcome."""

ONE_PERIOD = "with one period an allocation is spend sustained every period"


def optimize_faults(raw: Any) -> Iterator[Fault]:
    """All faults of an optimize request that no single field shows."""
    if not isinstance(raw, dict):
        return
    stored = raw.get("dataset") is not None
    channels, periods = raw.get("channels"), periods_of(raw)
    yield from _source_faults(raw, stored)
    yield from _budget_faults(raw)
    yield from _goal_faults(raw)
    yield from _duplicate_names(channels, "channels")
    for i, name, channel in named(channels):
        yield from _channel_faults(channel, name, ("channels", i), stored=stored, periods=periods)
    yield from draw_counts(channels)
    yield from _outcome_faults(raw)
    if not stored and isinstance(channels, list):
        yield from unknown_names(raw, [name for _, name, _ in named(channels)])
    yield from constraint_faults(raw.get("constraints"))
    yield from interaction_faults(raw.get("interactions"), channels)
    yield from _horizon_faults(raw)
    yield from _risk_faults(raw)


def _source_faults(raw: Json, stored: bool) -> Iterator[Fault]:
    """Where the curves come from: the request, or a stored set."""
    if not stored and raw.get("channels") in (None, []):
        message = "channels is required, with at least one channel, unless a dataset is named."
        yield Fault("/channels", "required", message)
    if raw.get("curves_version") is not None and not stored:
        message = "curves_version needs a dataset to take the version from."
        yield Fault("/curves_version", "needs_dataset", message)


def plan_faults(plan: Any, *path: str | int) -> Iterator[Fault]:
    """A plan says what every channel spends: per period, in each period, or by campaign."""
    yield from _duplicate_names(plan, *path)
    for i, name, row in named(plan):
        yield from _row_faults(row, name, *path, i)
        yield from _duplicate_names(row.get("campaigns"), *path, i, "campaigns")
        for j, campaign, inner in named(row.get("campaigns")):
            yield from _row_faults(inner, f"{name}/{campaign}", *path, i, "campaigns", j)


def _row_faults(row: Json, name: str, *path: str | int) -> Iterator[Fault]:
    ways = [way for way in ("spend", "periods", "campaigns") if row.get(way) not in (None, [])]
    if not ways:
        message = f"The plan for {name} needs its spend."
        yield Fault(pointer_to(*path, "spend"), "required", message)
    for way in ways[1:]:
        message = f"The plan for {name} gives {ways[0]} and {way}: one of them says it all."
        yield Fault(pointer_to(*path, way), "conflict", message)


def _channel_faults(
    channel: Json, name: str, path: Path, *, stored: bool, periods: int | None
) -> Iterator[Fault]:
    """All faults of a channel and its campaigns that no single field shows.

    Parameters
    ----------
    stored
        Curve and current spend may come from a stored curve set.
    periods
        Of the horizon; None where it cannot be read.
    """
    if name and not name.strip():
        message = "A channel's name must not be blank."
        yield Fault(pointer_to(*path, "channel"), "invalid", message)
    elif any(category(character) == "Cc" for character in name):
        message = "A channel's name must not hold control characters, such as line breaks."
        yield Fault(pointer_to(*path, "channel"), "invalid", message)
    yield from _bound_faults(channel, name, path)
    yield from _lot_faults(channel, name, path)
    yield from _current_faults(channel, name, path, stored)
    yield from _weight_faults(channel, name, path, periods)
    if channel.get("flight") == {}:
        message = f"The flight of {name} says nothing: give min_on, min_off or max_flights."
        yield Fault(pointer_to(*path, "flight"), "required", message)
    if channel.get("campaigns"):
        yield from _campaign_faults(channel, name, path, stored=stored, periods=periods)
    else:
        yield from _missing_curve(channel, name, path, stored)
    yield from curve_faults(channel, name, path)


def _bound_faults(channel: Json, name: str, path: Path) -> Iterator[Fault]:
    for low, high in (("min_spend", "max_spend"), ("min_total", "max_total")):
        least, most = number(channel, low), number(channel, high)
        if least is not None and most is not None and least > most:
            message = f"{high} of {name} ({figure(most)}) is below its {low} ({figure(least)})."
            yield Fault(pointer_to(*path, high), "contradiction", message)


def _lot_faults(channel: Json, name: str, path: Path) -> Iterator[Fault]:
    """A lot or a minimum that nothing but 0 can satisfy, or that a commitment breaks."""
    most, now = number(channel, "max_spend"), number(channel, "current_spend")
    locked = channel.get("locked") is True and now is not None
    lot, least = number(channel, "increment"), number(channel, "minimum_if_active")
    for field, amount in (("increment", lot), ("minimum_if_active", least)):
        if amount is not None and most is not None and amount > most:
            message = (
                f"{field} of {name} ({figure(amount)}) is above its max_spend ({figure(most)})."
            )
            yield Fault(pointer_to(*path, field), "contradiction", message)
    if not locked or now is None:
        return
    if lot and lot > 0 and abs(math.remainder(now, lot)) > _SAME_MONEY * max(lot, now):
        message = (
            f"{name} is locked at {figure(now)}, which is no multiple of "
            f"its increment ({figure(lot)})."
        )
        yield Fault(pointer_to(*path, "increment"), "contradiction", message)
    if least is not None and 0 < now < least * (1 - _SAME_MONEY):
        message = (
            f"{name} is locked at {figure(now)}, below its minimum_if_active ({figure(least)})."
        )
        yield Fault(pointer_to(*path, "minimum_if_active"), "contradiction", message)


def _current_faults(channel: Json, name: str, path: Path, stored: bool) -> Iterator[Fault]:
    campaigns = [campaign for _, _, campaign in named(channel.get("campaigns"))]
    parts = [number(campaign, "current_spend") for campaign in campaigns]
    known = [x for x in parts if x is not None]
    whole = number(channel, "current_spend")
    if campaigns and len(known) == len(parts):
        total = sum(known)
        if whole is not None and abs(whole - total) > _SAME_MONEY * max(whole, total):
            message = (
                f"current_spend of {name} ({figure(whole)}) is not the sum of "
                f"its campaigns' ({figure(total)})."
            )
            yield Fault(pointer_to(*path, "current_spend"), "contradiction", message)
    elif channel.get("current_spend") is None and not stored:
        if channel.get("locked") is True:
            message = f"{name} is locked at its current spend: current_spend is required."
            yield Fault(pointer_to(*path, "current_spend"), "required", message)
        elif channel.get("max_change") is not None:
            message = (
                f"max_change of {name} is a share of its current spend: current_spend is required."
            )
            yield Fault(pointer_to(*path, "current_spend"), "required", message)


def _weight_faults(channel: Json, name: str, path: Path, periods: int | None) -> Iterator[Fault]:
    weights = channel.get("period_weights")
    if not isinstance(weights, list) or not weights or periods is None or len(weights) == periods:
        return
    message = (
        f"period_weights of {name} must have one entry for each period of the horizon: it has "
        f"{len(weights)}, the horizon {periods}."
    )
    yield Fault(pointer_to(*path, "period_weights"), "length_mismatch", message)


def _campaign_faults(
    channel: Json, name: str, path: Path, *, stored: bool, periods: int | None
) -> Iterator[Fault]:
    for field in ("response", "saturation", "adstock"):
        if channel.get(field) is not None:
            message = f"{name} has campaigns: their responses add up to its own, so give it none."
            yield Fault(pointer_to(*path, field), "conflict", message)
    yield from _duplicate_names(channel.get("campaigns"), *path, "campaigns")
    for j, campaign_name, campaign in named(channel.get("campaigns")):
        yield from _channel_faults(
            campaign,
            f"{name}/{campaign_name}",
            (*path, "campaigns", j),
            stored=stored,
            periods=periods,
        )


def _outcome_faults(raw: Json) -> Iterator[Fault]:
    """Several outcomes that are not told of every channel, or that nobody asks for."""
    asked = [item for _, item in objects(part(raw, "objective").get("outcomes"))]
    names = [item["outcome"] for item in asked if isinstance(item.get("outcome"), str)]
    brought: set[str] = set()
    stored = raw.get("dataset") is not None
    for i, name, channel in named(raw.get("channels")):
        own = channel.get("responses")
        if own is None:
            if stored and names:
                for field in OF_ONE:
                    if channel.get(field) not in (None, []):
                        message = (
                            f"{name} has several outcomes: drop {field}, or give it responses."
                        )
                        yield Fault(pointer_to("channels", i, field), "conflict", message)
            elif names:
                message = f"Say which of the outcomes {name} brings: give it responses."
                yield Fault(pointer_to("channels", i, "responses"), "required", message)
            continue
        for field in OF_ONE:
            if channel.get(field) not in (None, []):
                message = f"{name} has responses of several outcomes: drop {field}."
                yield Fault(pointer_to("channels", i, field), "conflict", message)
        told: set[str] = set()
        for j, item in objects(own):
            outcome, where = (
                item.get("outcome"),
                pointer_to("channels", i, "responses", j, "outcome"),
            )
            if not isinstance(outcome, str):
                continue
            if outcome in told:
                yield Fault(where, "duplicate", f"{name} has two responses of {outcome}.")
            elif outcome not in names:
                message = f"objective.outcomes has no {outcome!r}.{did_you_mean(outcome, names)}"
                yield Fault(where, "unknown_outcome", message)
            told.add(outcome)
        brought |= told
    for j, name in enumerate(names):
        where = pointer_to("objective", "outcomes", j, "outcome")
        if name in names[:j]:
            yield Fault(where, "duplicate", f"The outcome {name!r} is there twice.")
        elif name not in brought and not stored:
            yield Fault(where, "not_used", f"No channel has a response of the outcome {name!r}.")
    if asked and not any(item.get("weight", 1) for item in asked):
        message = "At least one of the outcomes must have a weight above 0."
        yield Fault("/objective/outcomes", "nothing_wanted", message)
    sets = [item.get("dataset") for item in asked]
    for j, own in enumerate(sets):
        where = pointer_to("objective", "outcomes", j, "dataset")
        if own is not None and not stored:
            message = "Name the dataset of the request too: it says what today is."
            yield Fault(where, "needs_dataset", message)
        elif stored and (own or raw["dataset"]) in [s or raw["dataset"] for s in sets[:j]]:
            message = "A dataset has one outcome: name the one that this outcome was fitted in."
            yield Fault(where, "required" if own is None else "duplicate", message)
    if asked and raw.get("interactions"):
        message = "Interactions beside several outcomes are not supported yet."
        yield Fault("/interactions", "not_supported_yet", message)
    if asked and _goal(raw) == "maximize_reach":
        message = "People are reached once: several outcomes are for the other goals."
        yield Fault("/objective/outcomes", "not_used", message)


def _missing_curve(channel: Json, name: str, path: Path, stored: bool) -> Iterator[Fault]:
    if channel.get("responses") is not None:
        return
    curve, short = channel.get("response"), channel.get("saturation")
    if channel.get("like") is not None:
        if has_curve(channel):
            message = f"{name} has a curve of its own, so it is like no other: drop one of them."
            yield Fault(pointer_to(*path, "like"), "conflict", message)
        return
    for field in ("scale", "uncertainty"):
        if channel.get(field) is not None:
            message = f"{field} of {name} says how far it is like another channel: name that one."
            yield Fault(pointer_to(*path, "like"), "required", message)
    if curve is not None and (short is not None or channel.get("adstock") is not None):
        message = f"Give {name} a response, or saturation and adstock: not both."
        yield Fault(pointer_to(*path, "response"), "conflict", message)
    elif not has_curve(channel):
        if channel.get("adstock") is not None:
            message = f"adstock of {name} needs the saturation beside it."
            yield Fault(pointer_to(*path, "saturation"), "required", message)
        elif not stored:
            message = f"{name} needs a response: its curve."
            yield Fault(pointer_to(*path, "response"), "required", message)


def _duplicate_names(items: object, *path: str | int) -> Iterator[Fault]:
    """Names that stand for two things at once."""
    seen: dict[str, int] = {}
    kind = "campaign" if path[-1:] == ("campaigns",) else "channel"
    for i, name, _ in named(items):
        if name in seen:
            message = f"The {kind} {name!r} is there twice (entries {seen[name] + 1} and {i + 1})."
            yield Fault(pointer_to(*path, i, "channel"), "duplicate", message)
        seen.setdefault(name, i)


def _goal(raw: Json) -> Any:
    return part(raw, "objective").get("goal") or "maximize_outcome"


BUDGETS = ("budget", "period_budgets", "budget_windows", "budget_change")
"""Ways to say how much money there is."""


def _has_budget(raw: Json) -> bool:
    return any(raw.get(field) is not None for field in BUDGETS)


def _budget_faults(raw: Json) -> Iterator[Fault]:
    """Budgets that are missing, of the wrong length, or that contradict what else is asked for."""
    objective = part(raw, "objective")
    targets = [number(objective, key) for key in EFFICIENCY]
    if not _says_how_much(objective, _goal(raw)) and not any(targets) and not _has_budget(raw):
        message = "budget is required: without one, the best outcome has no limit."
        yield Fault("/budget", "required", message)
    by_period = raw.get("period_budgets")
    if (
        raw.get("budget") is not None
        and by_period is not None
        and raw.get("spend_all") is not False
    ):
        message = "Give budget or period_budgets; both only as caps, with spend_all false."
        yield Fault("/period_budgets", "conflict", message)
    for field, others in (
        ("budget_windows", ("period_budgets",)),
        ("budget_change", ("budget", "period_budgets")),
        ("budget_min", ("period_budgets",)),
    ):
        for other in others:
            if raw.get(field) is not None and raw.get(other) is not None:
                message = (
                    f"Give {field} or {other}: together they say how much money there is twice."
                )
                yield Fault(f"/{field}", "conflict", message)
    if raw.get("budget_min") is not None:
        yield from _least_faults(raw)
    periods = periods_of(raw)
    if raw.get("budget_windows") is not None:
        if periods == 1:
            message = "budget_windows needs a horizon of 2 periods or more."
            yield Fault("/budget_windows", "needs_periods", message)
        elif part(raw, "horizon").get("mode") == "fixed_shares":
            message = "The mode fixed_shares divides budgets of periods: give period_budgets."
            yield Fault("/budget_windows", "conflict", message)
    if isinstance(by_period, list) and periods is not None and len(by_period) != periods:
        message = (
            "period_budgets must have one entry for each period of the horizon: it has "
            f"{len(by_period)}, the horizon {periods}."
        )
        yield Fault("/period_budgets", "length_mismatch", message)
    if number(raw, "test_reserve") and not _has_budget(raw):
        message = "test_reserve is a share of the budget: it needs budget or period_budgets."
        yield Fault("/test_reserve", "needs_budget", message)


def _least_faults(raw: Json) -> Iterator[Fault]:
    """A least spend without a budget, above it, or beside a budget that is spent to the cent."""
    least, most = number(raw, "budget_min"), number(raw, "budget")
    if raw.get("budget") is None and raw.get("budget_change") is None:
        message = "budget_min is the least of a budget: give budget or budget_change beside it."
        yield Fault("/budget", "required", message)
    if least is not None and most is not None and least > most:
        message = f"budget_min ({figure(least)}) is above the budget ({figure(most)})."
        yield Fault("/budget_min", "contradiction", message)
    if raw.get("spend_all") is True:
        message = "With budget_min the budget is a cap: leave spend_all out."
        yield Fault("/spend_all", "contradiction", message)


def _says_how_much(objective: Json, goal: Any) -> bool:
    """Whether the goal itself limits what is worth spending."""
    if objective.get("target_marginal_return") is not None:
        return True
    weights = part(objective, "weights")
    costs = goal == "weighted_sum" and (number(weights, "profit") or number(weights, "spend"))
    return goal in ("maximize_profit", "minimize_spend") or bool(costs)


def _goal_faults(raw: Json) -> Iterator[Fault]:
    """A goal without what it needs, or fields that another goal would need."""
    objective, goal = part(raw, "objective"), _goal(raw)
    weighted = goal == "weighted_sum"
    returns = any(objective.get(key) is not None for key in (*EFFICIENCY, MARGINAL))
    yield from _marginal_faults(raw, objective, goal)
    yield from _ceiling_faults(raw, objective, goal)
    yield from _value_faults(raw, goal)
    yield from _objective_weights(objective, weighted=weighted)
    for other, field in FIELD_OF_GOAL.items():
        if weighted and field != "target_outcome":
            continue
        once = field == "max_frequency" and objective.get("population") is not None
        if goal == other and objective.get(field) is None and not once:
            message = f"The goal {goal} needs {field}."
            yield Fault(pointer_to("objective", field), "required", message)
        elif field == "target_outcome" or (field == "value_per_outcome" and returns):
            continue
        elif goal != other and objective.get(field) is not None and isinstance(goal, str):
            message = f"{field} is for the goal {other}; the goal here is {goal}."
            yield Fault(pointer_to("objective", field), "not_used", message)
    if goal != "maximize_reach" and objective.get("population") is not None:
        message = f"population is for the goal maximize_reach; the goal here is {goal}."
        yield Fault("/objective/population", "not_used", message)
    if goal == "minimize_spend" and raw.get("spend_all") is True and _has_budget(raw):
        message = (
            "spend_all true leaves nothing to minimise: leave it out, and the budget is a cap."
        )
        yield Fault("/spend_all", "contradiction", message)
    later = {
        "long_term_weight": not weighted and number(objective, "long_term_weight"),
        "weights/long_term": number(part(objective, "weights"), "long_term"),
    }
    for field, weight in later.items():
        if weight and periods_of(raw) == 1:
            message = (
                f"{field.rpartition('/')[2]} needs a horizon of 2 periods or more: {ONE_PERIOD}, "
                "so all its carryover counts already."
            )
            yield Fault(f"/objective/{field}", "needs_periods", message)


def _value_faults(raw: Json, goal: Any) -> Iterator[Fault]:
    """A channel's own value is for profit, and for returns; the others need one too."""
    valued = list[tuple[int, str]]()
    for i, name, channel in named(raw.get("channels")):
        below = [c for _, _, c in named(channel.get("campaigns"))]
        if any(item.get("value_per_outcome") is not None for item in (channel, *below)):
            valued.append((i, name))
    if valued and goal != "maximize_profit" and isinstance(goal, str):
        i, name = valued[0]
        message = f"value_per_outcome of {name} is for the goal maximize_profit; here it is {goal}."
        yield Fault(pointer_to("channels", i, "value_per_outcome"), "not_used", message)


def _ceiling_faults(raw: Json, objective: Json, goal: Any) -> Iterator[Fault]:
    """A ceiling of outcome where outcome is worth nothing anyway, or below what is asked for."""
    asked: list[Path] = []
    if objective.get("max_outcome") is not None:
        asked.append(("objective", "max_outcome"))
    for kind in ("channels", "constraints"):
        asked += [
            (kind, i, "max_outcome")
            for i, item in objects(raw.get(kind))
            if item.get("max_outcome") is not None
        ]
    if goal == "minimize_spend":
        for path in asked:
            message = "max_outcome is what outcome is worth: for the least spend it is worth none."
            yield Fault(pointer_to(*path), "not_used", message)
    least, most = number(objective, "target_outcome"), number(objective, "max_outcome")
    if goal != "minimize_spend" and least is not None and most is not None and least > most:
        message = f"max_outcome ({most:g}) is below the target_outcome ({least:g})."
        yield Fault("/objective/max_outcome", "contradiction", message)


def _marginal_faults(raw: Json, objective: Json, goal: Any) -> Iterator[Fault]:
    if objective.get(MARGINAL) is None:
        return
    if goal != "maximize_outcome" and isinstance(goal, str):
        message = f"{MARGINAL} is for the goal maximize_outcome; the goal here is {goal}."
        yield Fault(pointer_to("objective", MARGINAL), "not_used", message)
    if raw.get("spend_all") is True:
        message = f"With {MARGINAL} the budget is a cap: leave spend_all out."
        yield Fault("/spend_all", "contradiction", message)


def _objective_weights(objective: Json, *, weighted: bool) -> Iterator[Fault]:
    """Weights without their goal, a goal without its weights, and weights of nothing."""
    if not weighted:
        if objective.get("weights") is not None:
            message = "weights are for the goal weighted_sum."
            yield Fault("/objective/weights", "not_used", message)
        return
    if objective.get("weights") is None:
        yield Fault("/objective/weights", "required", "The goal weighted_sum needs weights.")
        return
    weights = part(objective, "weights")
    have = {name: number(weights, name) for name in ("outcome", "profit", "reach")}
    if not any(have.values()) and all(weights.get(name) in (None, 0) for name in have):
        message = "At least one of the weights outcome, profit and reach must be above 0."
        yield Fault("/objective/weights", "nothing_wanted", message)
    if have["reach"] and (have["outcome"] or have["profit"]):
        message = "A curve is one of reach or of outcome: weigh reach, or outcome and profit."
        yield Fault("/objective/weights/reach", "conflict", message)
    for field, weight, why in (
        ("value_per_outcome", "profit", "profit is value_per_outcome times the outcome less spend"),
        ("max_frequency", "reach", "reach is counted under a frequency cap"),
    ):
        if have[weight] and objective.get(field) is None:
            message = f"A weight of {weight} needs {field}: {why}."
            yield Fault(pointer_to("objective", field), "required", message)
        elif not have[weight] and objective.get(field) is not None:
            if field == "value_per_outcome" and any(objective.get(key) for key in EFFICIENCY):
                continue
            message = f"{field} is for a weight of {weight}, and there is none."
            yield Fault(pointer_to("objective", field), "not_used", message)
    if objective.get("long_term_weight") is not None:
        message = "In a weighted sum the long term has its weight in weights.long_term."
        yield Fault("/objective/long_term_weight", "not_used", message)


NO_FLIGHTS = {
    "constant": "it spends the same in every period",
    "fixed_shares": "its share is the same in every period",
    "sequential": "whoever does not look ahead cannot know how long one will last",
}
"""Why a mode has no flights."""


def _horizon_faults(raw: Json) -> Iterator[Fault]:
    """Modes that do not go with the budgets, and spend before the plan that cannot be read."""
    horizon, periods = part(raw, "horizon"), periods_of(raw)
    mode, by_period = horizon.get("mode"), raw.get("period_budgets")
    several = periods is not None and periods > 1
    if number(horizon, "discount_rate") and periods == 1:
        message = f"discount_rate needs a horizon of 2 periods or more: {ONE_PERIOD}."
        yield Fault("/horizon/discount_rate", "needs_periods", message)
    for i, own, each in named(raw.get("channels")):
        if each.get("flight") is not None and periods == 1:
            message = f"The flight of {own} needs a horizon of 2 periods or more: {ONE_PERIOD}."
            yield Fault(pointer_to("channels", i, "flight"), "needs_periods", message)
        elif each.get("flight") is not None and mode in NO_FLIGHTS:
            message = f"{own} cannot have flights in mode {mode}: {NO_FLIGHTS[mode]}."
            yield Fault(pointer_to("channels", i, "flight"), "conflict", message)
    yield from _then_faults(raw, horizon, periods)
    unequal = numbers(by_period) and len(set(by_period)) > 1
    if several and mode == "constant" and unequal and raw.get("spend_all") is not False:
        message = (
            "A constant plan spends the same in every period, which period_budgets that differ "
            "do not allow: give equal ones, or spend_all false, or the mode fixed_shares."
        )
        yield Fault("/period_budgets", "contradiction", message)
    if several and mode == "fixed_shares" and not _has_budget(raw):
        message = "Fixed shares are shares of a budget: give budget or period_budgets."
        yield Fault("/horizon/mode", "needs_budget", message)
    prior = part(horizon, "prior_spend")
    if prior and periods == 1:
        message = f"prior_spend needs a horizon of 2 periods or more: {ONE_PERIOD}, earlier too."
        yield Fault("/horizon/prior_spend", "needs_periods", message)
    campaigns = {
        name: [campaign for _, campaign, _ in named(channel.get("campaigns"))]
        for _, name, channel in named(raw.get("channels"))
    }
    for name, spend in prior.items():
        yield from _prior_faults(name, spend)
        if campaigns.get(name):
            message = (
                f"{name} has campaigns: tell their earlier spend one by one, as "
                f"'{name}/{campaigns[name][0]}'."
            )
            yield Fault(pointer_to("horizon", "prior_spend", name), "conflict", message)
        channel, slash, campaign = name.partition("/")
        if slash and name not in campaigns and campaign not in campaigns.get(channel, (campaign,)):
            message = f"{channel} has no campaign {campaign!r}."
            yield Fault(pointer_to("horizon", "prior_spend", name), "unknown_channel", message)


def _then_faults(raw: Json, horizon: Json, periods: int | None) -> Iterator[Fault]:
    """Spend that goes on after the plan: of several periods decided together, without targets."""
    if horizon.get("then") is None:
        return
    if periods == 1:
        message = f"then needs a horizon of 2 periods or more: {ONE_PERIOD}."
        yield Fault("/horizon/then", "needs_periods", message)
    if horizon["then"] != "continue":
        return
    objective = part(raw, "objective")
    weights = part(objective, "weights")
    if number(objective, "long_term_weight") or number(weights, "long_term"):
        message = "With then continue, all that comes after the horizon counts: drop its weight."
        yield Fault("/horizon/then", "conflict", message)
    asked = [pointer_to("objective", key) for key in OF_PLAN if objective.get(key) is not None]
    for i, item in objects(objective.get("outcomes")):
        if item.get("min") is not None:
            asked.append(pointer_to("objective", "outcomes", i, "min"))
    for kind in ("channels", "constraints"):
        for i, item in objects(raw.get(kind)):
            keys = ("min_outcome", "min_roas", "max_cpa", "max_outcome")
            asked += [pointer_to(kind, i, key) for key in keys if item.get(key) is not None]
    if horizon.get("mode") == "sequential":
        message = "Who decides period by period does not look beyond the horizon: drop then."
        yield Fault("/horizon/then", "conflict", message)
    for pointer in asked:
        message = "This is of the horizon alone, and does not go with then continue yet."
        yield Fault(pointer, "not_supported_yet", message)


def _prior_faults(name: str, spend: Any) -> Iterator[Fault]:
    path = ("horizon", "prior_spend", name)
    amounts = spend if isinstance(spend, list) else [spend]
    if len(amounts) > MAX_PRIOR:
        message = f"prior_spend of {name} may have at most {MAX_PRIOR} periods."
        yield Fault(pointer_to(*path), "too_long", message)
        return
    for i, amount in enumerate(amounts):
        where = pointer_to(*path, i) if isinstance(spend, list) else pointer_to(*path)
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            message = f"prior_spend of {name} must be an amount, or a list of amounts."
            yield Fault(where, "wrong_type", message)
        elif not 0 <= amount <= LARGEST:
            message = (
                f"prior_spend of {name} must be from 0 to {figure(LARGEST)}; it "
                f"is {figure(amount)}."
            )
            yield Fault(where, "out_of_range", message)


def _risk_faults(raw: Json) -> Iterator[Fault]:
    """A measure of risk without draws to weigh, or with another measure's figure."""
    risk = part(raw, "risk")
    measure = risk.get("measure") or "expected"
    if not isinstance(measure, str):
        return
    for field, measures in (("aversion", ("mean_minus_sd",)), ("level", ("quantile", "cvar"))):
        if risk.get(field) is not None and measure not in measures:
            message = f"{field} is for {' and '.join(measures)}; the measure here is {measure}."
            yield Fault(pointer_to("risk", field), "not_used", message)
    if risk.get("of") == "uplift":
        if measure in ("expected", "quantile"):
            message = f"An uplift is not weighed by {measure}: use mean_minus_sd, cvar, worst_case."
            yield Fault(pointer_to("risk", "of"), "not_used", message)
        elif part(raw, "horizon").get("mode") == "sequential":
            message = "Decided period by period there is no one uplift to weigh."
            yield Fault(pointer_to("risk", "of"), "conflict", message)
    if measure != "expected" and raw.get("dataset") is None and not _any_draws(raw.get("channels")):
        yield no_draws(measure)


def _any_draws(channels: Any) -> bool:
    for _, _, channel in named(channels):
        if part(channel, "response").get("draws") or _any_draws(channel.get("campaigns")):
            return True
        if any(own.get("draws") for _, own in objects(channel.get("responses"))):
            return True
    return False


def no_draws(measure: str) -> Fault:
    """A measure of risk where nothing says how uncertain the curves are."""
    message = (
        f"The measure {measure} weighs draws of the curves, and there are none: give each channel "
        "response.draws, use a stored dataset, or ask for expected."
    )
    return Fault("/risk/measure", "needs_draws", message)
