"""From a validated message to the domain: names become channels, stored curves fill the gaps.

Every field of the contract has its place in the problem; what no method can solve yet is refused,
never silently left out of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shared.api.channels import (
    Given,
    Reading,
    inline_channels,
    limited,
    past_spend,
    stopped,
    stored_channels,
    stored_names,
    under_effects,
)
from shared.api.messages import AskedOutcome, Channel, Constraint, Objective, OptimizeRequest
from shared.api.messages import Horizon as HorizonMessage
from shared.api.messages import Weights as WeightsMessage
from shared.api.periods import (
    Calendar,
    budget_windows,
    calendar_of,
    own_periods,
    own_prices,
    past_of,
    rule_periods,
)
from shared.api.reading import CODE, first, refuse
from shared.api.rule_faults import no_ceiling, unknown_names
from shared.api.semantics import no_draws
from shared.api.unusual import unusual
from shared.curves.curveset import DRAWS, CurveSet, by_analogy
from shared.curves.derived import counted_once
from shared.errors import Fault, did_you_mean, pointer_to
from shared.problem.aim import TARGETS, Outcome
from shared.problem.arms import arms_of, current_of
from shared.problem.model import Channel as ProblemChannel
from shared.problem.model import Constraint as Rule
from shared.problem.model import (
    Goal,
    Horizon,
    Interaction,
    Problem,
    Risk,
    SolverOptions,
    Weights,
)

__all__ = ["problem_of"]

DOUBTFUL = {
    "prior": "the data said next to nothing; the curve is what was believed before.",
    "unspent": "there is no spend in the history; nothing was learned of the curve.",
}
"""Verdicts of a fit that a planner must hear of, in words."""

FAINT = 1e-6
"""What an outcome of no weight counts, of the largest weight."""

USUAL = 2.0
"""How unsure a curve by analogy is, unless the caller says: a factor of two either way."""

Channels = Mapping[str, ProblemChannel]
Warnings = list[tuple[str, str]]


def problem_of(
    message: OptimizeRequest,
    curves: CurveSet | None = None,
    sets: Mapping[str, CurveSet] | None = None,
) -> Problem:
    """The problem that ``message`` poses, over ``curves`` where it names a dataset.

    Parameters
    ----------
    message
        As ``read_optimize`` gives it.
    curves
        The stored curve set of ``message.dataset``. Its observed spends are the current spends and
        the ceilings (1.5 times the highest) of channels that do not say their own.
    sets
        By outcome the stored curves of several, ``curves`` among them.

    Raises
    ------
    InvalidInput
        Channels that the stored curve set does not have, curves that no family allows, or a
        question that the curves found cannot answer.
    """
    faults: list[Fault] = []
    asked = list(enumerate(message.channels or ()))
    given = [(i, channel) for i, channel in asked if channel.like is None]
    alike = [(i, channel) for i, channel in asked if channel.like is not None]
    warnings: list[tuple[str, str]] = []
    horizon = message.horizon or HorizonMessage()
    past = None if curves is None else past_of(message, curves, faults)
    if curves is None and message.current is not None:
        text = "current chooses periods of a stored history: name a dataset, or give current_spend."
        faults.append(Fault("/current", "needs_dataset", text))
    calendar = calendar_of(
        message,
        faults,
        after=None if past is None else past.after,
        every=None if curves is None else curves.frequency,
    )
    goal, prior = _goal(message), horizon.prior_spend or {}
    weights = {outcome.name: outcome.weight for outcome in goal.outcomes}
    fitted = sets or {}
    faults += _not_alike(message, curves, fitted)
    reading = Reading(prior, calendar, faults, message.keep_current, past, weights, fitted)
    names: list[str] = []
    if curves is None:
        made = inline_channels(given, reading)
    else:
        made = stored_channels(curves, given, reading)
        named = message.model_dump(
            exclude_none=True, include={"constraints", "interactions", "horizon"}
        )
        names = [*stored_names(curves), *(channel.channel for _, channel in alike)]
        faults += first(unknown_names(named, names))
        faults += _draw_faults(made, given)
    options = _options(message)
    channels = (*made, *_alike_channels(alike, made, reading, options.seed, warnings))
    faults += _unread(reading, names)
    if all(channel.excluded for channel in channels) and not faults:
        text = "Every channel is excluded: there is nothing to spend on."
        faults.append(Fault("/channels", "required", text))
    have = {channel.name: channel for channel in channels}
    risk = _risk(message)
    if risk.measure != "expected" and not any(_draws(channel) for channel in channels):
        faults.append(no_draws(risk.measure))
    warnings += [] if curves is None else list(_doubts(curves, channels))
    if curves is not None:
        warnings += _carried_in(reading, channels)
    budget = _budget(message, channels, horizon.periods, faults)
    warnings += unusual(message, channels, budget, horizon.periods)
    capped = _cap(message, warnings)
    problem = Problem(
        channels=channels,
        budget=budget,
        spend_all=message.spend_all and not capped,
        options=options,
        curves_version=None if curves is None else curves.version,
        outcome_unit=None if curves is None or fitted else curves.outcome,
        currency=None if curves is None else curves.currency,
        frequency=None if curves is None else curves.frequency,
        goal=goal,
        constraints=tuple(_rules(message, have, calendar)),
        interactions=_interactions_of(message, curves, have, faults, warnings),
        horizon=_horizon(message, calendar),
        risk=risk,
        period_budgets=tuple(message.period_budgets or ()),
        windows=budget_windows(message, calendar),
        budget_min=message.budget_min,
        test_reserve=message.test_reserve or 0.0,
        warnings=tuple(warnings),
        current_over=None if past is None else past.today,
        trust=_trust([] if curves is None else [curves, *fitted.values()]),
    )
    if problem.options.method == "lagrangian" and not problem.separable:
        faults.append(_not_lagrangian())
    faults += _not_counted_once(problem)
    refuse(faults)
    return problem


def _not_alike(
    message: OptimizeRequest, curves: CurveSet | None, sets: Mapping[str, CurveSet]
) -> Iterator[Fault]:
    """Stored sets of several outcomes that do not go together."""
    if curves is None:
        return
    for j, outcome in enumerate((message.objective or Objective()).outcomes or ()):
        own = sets.get(outcome.outcome)
        if own is None:
            continue
        where = pointer_to("objective", "outcomes", j, "dataset")
        if own.frequency != curves.frequency:
            text = f"{own.dataset} goes by {own.frequency}, {curves.dataset} by {curves.frequency}."
            yield Fault(where, "contradiction", text)
        elif own.currency != curves.currency:
            text = f"{own.dataset} is in {own.currency}, {curves.dataset} in {curves.currency}."
            yield Fault(where, "contradiction", text)
        elif any("/" in curve.channel for curve in own.channels):
            text = f"{own.dataset} has campaigns, which several outcomes do not go with yet."
            yield Fault(where, CODE, text)
        elif missing := set(stored_names(own)) - set(stored_names(curves)):
            text = (
                f"{curves.dataset} has no {', '.join(sorted(missing)[:5])}, and {own.dataset} has."
            )
            yield Fault(where, "unknown_channel", text)


def _trust(sets: Sequence[CurveSet]) -> Mapping[str, Any] | None:
    """How far the sets that a plan rests on are to be trusted: as far as the least of them."""
    known = [told for each in sets if (told := each.diagnostics.get("trust")) is not None]
    return min(known, key=lambda told: float(told["score"])) if known else None


def _not_counted_once(problem: Problem) -> Iterator[Fault]:
    """What speaks against counting people once."""
    goal = problem.goal
    if goal.population is None:
        return
    also = {
        "/interactions": problem.interactions,
        "/horizon/mode": problem.horizon.mode == "sequential",
        "/objective/long_term_weight": goal.long_term_weight,
        **{f"/objective/{name}": getattr(goal, name) is not None for name in TARGETS},
    }
    for pointer, asked in also.items():
        if asked:
            text = "This is not supported yet where a population is counted once."
            yield Fault(pointer, CODE, text)
    for arm in arms_of(problem):
        if arm.channel.response.draws or any(w != 1.0 for w in arm.channel.period_weights):
            text = f"{arm.name}: people are not counted once yet where there are draws or weights."
            yield Fault(arm.pointer, CODE, text)
        try:
            counted_once(arm.channel.response.saturation, goal.population)
        except ValueError as error:
            where = f"{arm.pointer}/response/saturation"
            yield Fault(where, "invalid_curve", f"{arm.name} cannot be counted once: {error}")


def _unread(reading: Reading, names: Sequence[str]) -> Iterator[Fault]:
    """Earlier spend of a channel in campaigns, or of none of them: no arm of the set has it."""
    for name in reading.prior:
        channel, _, campaign = name.partition("/")
        if channel in names and name not in reading.asked:
            text = f"{channel} has no campaign {campaign!r}."
            if not campaign:
                text = f"{name} has campaigns: tell their earlier spend one by one."
            code = "unknown_channel" if campaign else "conflict"
            yield Fault(pointer_to("horizon", "prior_spend", name), code, text)


def _options(message: OptimizeRequest) -> SolverOptions:
    solver = message.solver
    if solver is None:
        return SolverOptions()
    return SolverOptions(solver.method, solver.gap, solver.time_limit_s, solver.seed)


def _not_lagrangian() -> Fault:
    text = (
        "The method lagrangian is for one budget over one period, with limits of each channel "
        "alone: ask for auto, which says what it chose."
    )
    return Fault("/solver/method", "unfit_method", text)


def _goal(message: OptimizeRequest) -> Goal:
    objective = message.objective
    if objective is None:
        return Goal()
    return Goal(
        goal=objective.goal,
        value_per_outcome=objective.value_per_outcome,
        target_outcome=objective.target_outcome,
        max_outcome=objective.max_outcome,
        max_frequency=objective.max_frequency,
        population=objective.population,
        target_roas=objective.target_roas,
        target_cpa=objective.target_cpa,
        target_marginal_return=objective.target_marginal_return,
        efficiency_of=objective.efficiency_of,
        long_term_weight=objective.long_term_weight or 0.0,
        weights=_weights(objective.weights),
        outcomes=_outcomes(objective.outcomes or ()),
    )


def _outcomes(asked: Sequence[AskedOutcome]) -> tuple[Outcome, ...]:
    """Several outcomes; one that counts nothing breaks ties, so that its own figure is there."""
    least = FAINT * max((outcome.weight for outcome in asked), default=1.0)
    return tuple(Outcome(o.outcome, max(o.weight, least), o.min) for o in asked)


def _weights(message: WeightsMessage | None) -> Weights:
    if message is None:
        return Weights()
    return Weights(
        outcome=message.outcome or 0.0,
        profit=message.profit or 0.0,
        spend=message.spend or 0.0,
        reach=message.reach or 0.0,
        long_term=message.long_term or 0.0,
    )


def _budget(
    message: OptimizeRequest,
    channels: Sequence[ProblemChannel],
    periods: int,
    faults: list[Fault],
) -> float | None:
    """The budget, or so much more than is spent today."""
    if message.budget_change is None:
        return message.budget
    today = [current_of(channel) for channel in channels]
    for channel, spend in zip(channels, today, strict=True):
        if spend is None:
            text = f"budget_change is a share of today's spend: what {channel.name} has is unknown."
            places = [i for i, c in enumerate(message.channels or ()) if c.channel == channel.name]
            where = pointer_to("channels", *places[:1], "current_spend")
            faults.append(Fault(where, "required", text))
    known = sum(spend for spend in today if spend is not None)
    return known * periods * (1.0 + message.budget_change)


def _carried_in(reading: Reading, channels: Sequence[ProblemChannel]) -> Iterator[tuple[str, str]]:
    """Where the carryover comes from that a plan over time begins with."""
    calendar, past = reading.calendar, reading.past
    arms = [arm for channel in channels for arm in channel.campaigns or (channel,)]
    if calendar.periods == 1 or not any(arm.response.adstock for arm in arms):
        return
    if past is None or not reading.remembered:
        if not reading.prior:
            text = (
                "The stored curves do not remember what was spent before, so the plan begins "
                "without carryover: refit, or tell horizon.prior_spend."
            )
            yield "no_carry_in", text
        return
    text = (
        f"Carryover of what was spent until {past.last_day} comes in; horizon.prior_spend "
        "overrides it."
    )
    if calendar.start is not None and calendar.start > past.after:
        text += f" From then to {calendar.start} spend is taken to be today's."
    yield "carry_in_from_history", text


def _cap(message: OptimizeRequest, warnings: list[tuple[str, str]]) -> bool:
    """Whether a budget is a cap whatever ``spend_all`` says; of the least spend that is told."""
    objective = message.objective
    if message.budget_min is not None:
        return True
    if objective is not None and objective.target_marginal_return is not None:
        return True
    if objective is None or objective.goal != "minimize_spend":
        return False
    if message.spend_all and (message.budget is not None or message.period_budgets):
        text = "The goal is the least spend, so the budget is taken as a cap."
        warnings.append(("budget_is_a_cap", text))
    return True


def _horizon(message: OptimizeRequest, calendar: Calendar) -> Horizon:
    horizon = message.horizon
    if horizon is None or horizon.periods == 1:
        # With one period all modes are the same plan, and there is nothing to pace.
        return Horizon()
    pacing = None if horizon.pacing is None else horizon.pacing.max_change
    days = tuple(calendar.first_day(t + 1) for t in range(horizon.periods))
    known = tuple(day for day in days if day is not None)
    rate, then = horizon.discount_rate or 0.0, horizon.then or "stop"
    return Horizon(horizon.periods, horizon.mode, pacing, rate, then, known)


def _risk(message: OptimizeRequest) -> Risk:
    risk, usual = message.risk, Risk()
    if risk is None or risk.measure == "expected":
        return usual
    return Risk(
        measure=risk.measure,
        aversion=usual.aversion if risk.aversion is None else risk.aversion,
        level=usual.level if risk.level is None else risk.level,
        of=risk.of,
    )


def _rules(
    message: OptimizeRequest, have: dict[str, ProblemChannel], calendar: Calendar
) -> Iterator[Rule]:
    """The constraints over the channels that are left; an excluded one spends nothing."""
    faults = calendar.faults
    left = {name for name, channel in have.items() if not channel.excluded}
    for i, rule in enumerate(message.constraints or ()):
        channels = tuple(name for name in rule.channels or () if name in left)
        terms = tuple(
            (term.channel, term.coefficient)
            for term in rule.coefficients or ()
            if term.channel in left
        )
        if not channels and not terms:
            if _holds_at_nothing(rule):
                continue
            text = (
                f"The constraint {rule.name!r} asks for something, but all of its channels are "
                "excluded."
            )
            faults.append(Fault(pointer_to("constraints", i), "contradiction", text))
            continue
        yield Rule(
            name=rule.name,
            channels=channels,
            min_spend=rule.min_spend,
            max_spend=rule.max_spend,
            min_total=rule.min_total,
            max_total=rule.max_total,
            min_share=rule.min_share,
            max_share=rule.max_share,
            coefficients=terms,
            minimum=rule.min,
            maximum=rule.max,
            max_active=rule.max_active,
            per_period=rule.per_period,
            min_outcome=rule.min_outcome,
            min_roas=rule.min_roas,
            max_cpa=rule.max_cpa,
            max_outcome=rule.max_outcome,
            split=_split(rule, left),
            periods=rule_periods(rule, i, calendar),
        )


def _split(rule: Constraint, left: set[str]) -> tuple[float, ...]:
    """The shares of the channels that are left, which add up to 1 again."""
    named = zip(rule.channels or (), rule.split or (), strict=False)
    shares = [share for name, share in named if name in left]
    total = sum(shares)
    return tuple(share / total for share in shares) if total > 0.0 else ()


def _holds_at_nothing(rule: Constraint) -> bool:
    """Whether a rule is satisfied where its channels spend nothing."""
    least = (rule.min_spend, rule.min_total, rule.min_share, rule.min, rule.min_outcome)
    return all((x or 0.0) <= 0.0 for x in least) and (rule.max or 0.0) >= 0.0


def _draws(channel: ProblemChannel) -> int:
    """How many draws a channel's curves carry."""
    return len(channel.response.draws)


def _draw_faults(
    channels: Sequence[ProblemChannel], given: Sequence[tuple[int, Channel]]
) -> Iterator[Fault]:
    """A curve that replaces a stored one must bring as many draws as the others have."""
    counts = {channel.name: _draws(channel) for channel in channels}
    own = {c.channel: i for i, c in given if c.response is not None or c.saturation is not None}
    stored = {count for name, count in counts.items() if name not in own}
    if len(stored) != 1:
        return
    (wanted,) = stored
    for name, i in own.items():
        if counts.get(name, wanted) != wanted:
            text = (
                f"All channels must carry equally many draws: {name} has {counts[name]}, the "
                f"stored curves have {wanted}."
            )
            yield Fault(pointer_to("channels", i, "response", "draws"), "unequal_draws", text)


def _doubts(curves: CurveSet, channels: Sequence[ProblemChannel]) -> Iterator[tuple[str, str]]:
    """What the fit itself, and the history it rests on, said against resting a plan on it."""
    if curves.diagnostics.get("promote") is False:
        reasons = " ".join(curves.diagnostics.get("reasons") or ())
        yield "weak_fit", f"These curves did not pass the checks of a refit. {reasons}".rstrip()
    for item in curves.diagnostics.get("warnings") or ():
        if item.get("settled_by") or item["code"] == "forecast_doubtful":
            yield item["code"], item["message"]
    used = {channel.name for channel in channels}
    verdicts = {
        c.channel: c.verdict for c in curves.channels if c.channel.partition("/")[0] in used
    }
    for verdict, meaning in DOUBTFUL.items():
        names = [name for name, found in verdicts.items() if found == verdict]
        if names:
            yield "weak_fit", f"{', '.join(names)}: {meaning}"


def _alike_channels(
    given: Given,
    made: Sequence[ProblemChannel],
    reading: Reading,
    seed: int,
    warnings: list[tuple[str, str]],
) -> list[ProblemChannel]:
    """The channels of ``given`` with a ``like``, after those that have curves of their own."""
    known = {channel.name: channel for channel in made}
    found: list[ProblemChannel] = []
    for i, channel in given:
        before = reading.before(channel.channel)
        if channel.like is None or (channel.exclude and not before):
            continue
        fault = _fault(channel, known)
        if fault is not None:
            field, code, text = fault
            reading.faults.append(Fault(pointer_to("channels", i, field), code, text))
            continue
        scale = 1.0 if channel.scale is None else channel.scale
        unsure = USUAL if channel.uncertainty is None else channel.uncertainty
        alike = _channel(channel, known[channel.like], made, scale, unsure, seed)
        alike = replace(
            alike,
            prior_spend=past_spend(before, alike.response),
            periods=own_periods(channel, channel.channel, ("channels", i), reading.calendar),
            period_prices=own_prices(channel, reading.calendar),
            keeps=reading.keep,
        )
        found.append(stopped(alike) if channel.exclude else alike)
        text = (
            f"{channel.channel} has no history: its curve is that of {channel.like} at {scale:g} "
            f"of the size, its return and its size uncertain by a factor of {unsure:g} either way."
        )
        text += "" if channel.exclude else " Start small and test it."
        warnings.append(("curve_by_analogy", text))
    return found


def _fault(channel: Channel, known: dict[str, ProblemChannel]) -> tuple[str, str, str] | None:
    """What keeps a channel from being like another: field, code, message."""
    name, other = channel.channel, channel.like or ""
    if name in known:
        return "like", "contradiction", f"{name} has a curve of its own, so it is like no other."
    if channel.campaigns:
        return "campaigns", "contradiction", f"{name} is like {other}: it has no campaigns."
    if other not in known:
        text = f"There is no channel {other!r} with a curve to be like.{did_you_mean(other, known)}"
        return "like", "unknown_channel", text
    if known[other].campaigns:
        return "like", "invalid", f"{other} has campaigns, each with a curve of its own."
    return None


def _channel(
    channel: Channel,
    known: ProblemChannel,
    made: Sequence[ProblemChannel],
    scale: float,
    unsure: float,
    seed: int,
) -> ProblemChannel:
    arms = [arm for each in made for arm in each.campaigns or (each,)]
    count = max((len(arm.response.draws) for arm in arms), default=0) or DRAWS
    response = by_analogy(
        known.response, channel.channel, scale=scale, uncertainty=unsure, draws=count, seed=seed
    )
    ceiling = channel.max_spend
    by_default = ceiling is None and known.max_spend_is_default and known.max_spend is not None
    if by_default and known.max_spend is not None:
        ceiling = max(scale * known.max_spend, channel.min_spend, channel.current_spend or 0.0)
    return limited(
        channel,
        name=channel.channel,
        response=under_effects(channel, response),
        period_weights=tuple(channel.period_weights or ()),
        current_spend=channel.current_spend or 0.0,
        max_spend=ceiling,
        max_spend_is_default=by_default,
        observed_max=channel.current_spend or 0.0,
    )


def _interactions_of(
    message: OptimizeRequest,
    curves: CurveSet | None,
    have: Channels,
    faults: list[Fault],
    warnings: Warnings,
) -> tuple[Interaction, ...]:
    """The pairs that add or cost anything between channels that are left and bring anything.

    Parameters
    ----------
    curves
        The stored set: its interactions count where the request does not tell any. An empty list
        in the request tells that there are none.
    have
        The problem's channels by name.
    """
    if message.interactions is None and (message.objective or Objective()).outcomes:
        return ()
    if message.interactions is None and curves is not None:
        return tuple(_stored(curves, have, warnings))
    return tuple(_told(message, have, faults, warnings))


def _told(
    message: OptimizeRequest, have: Channels, faults: list[Fault], warnings: Warnings
) -> Iterator[Interaction]:
    for i, pair in enumerate(message.interactions or ()):
        first, second = pair.channels
        for j, name in enumerate(pair.channels):
            for part in _parts(have[name]) if name in have else ():
                curve = part.response.saturation
                if not np.isfinite(curve.supremum()):
                    faults.append(no_ceiling(i, j, part.name, curve.family))
                elif "offset" in curve.ranges():
                    where = pointer_to("interactions", i, "channels", j)
                    text = f"An interaction of {part.name}, whose curve has an offset, is not "
                    faults.append(Fault(where, CODE, f"{text}supported yet."))
        if not pair.strength or first not in have or second not in have:
            continue
        nothing = [name for name in pair.channels if _brings_nothing(_parts(have[name]))]
        if nothing:
            warnings.append(_idle(nothing[0]))
        else:
            yield Interaction((first, second), pair.strength)


def _stored(curves: CurveSet, have: Channels, warnings: Warnings) -> Iterator[Interaction]:
    """Those of a stored set, whose ends may be campaigns ("tv/brand") as well."""
    for pair in curves.interactions:
        first, second = (str(name) for name in pair["channels"])
        parts = [_named(name, have) for name in (first, second)]
        strength = float(pair["strength"])
        if not strength or not all(parts):
            continue
        endless = [p.name for below in parts for p in below if not _limited(p)]
        ends = zip((first, second), parts, strict=True)
        nothing = [name for name, below in ends if _brings_nothing(below)]
        if endless:
            text = (
                f"The stored interaction of {first} and {second} is left out: the curve of "
                f"{endless[0]} has no ceiling, so no level of saturation to go by."
            )
            warnings.append(("interaction_left_out", text))
        elif nothing:
            warnings.append(_idle(nothing[0]))
        else:
            yield Interaction((first, second), strength)


def _idle(name: str) -> tuple[str, str]:
    text = f"{name} brings nothing: its interaction with another channel is left out."
    return "idle_interaction", text


def _named(name: str, have: Channels) -> tuple[ProblemChannel, ...]:
    """The curves of a channel, or of the campaign below one; () where it is not in the problem."""
    if name in have:
        return _parts(have[name])
    above, _, campaign = name.partition("/")
    below = have[above].campaigns if above in have else ()
    return tuple(part for part in below if part.name == campaign)


def _parts(channel: ProblemChannel) -> tuple[ProblemChannel, ...]:
    """The channel's campaigns, or the channel itself where it has none."""
    return channel.campaigns or (channel,)


def _limited(part: ProblemChannel) -> bool:
    response = part.response
    curves = (response.saturation, *response.draws)
    return all(bool(np.isfinite(curve.supremum())) for curve in curves)


def _brings_nothing(parts: tuple[ProblemChannel, ...]) -> bool:
    """Whether all curves are flat at zero, so that there is no level of saturation."""
    curves = [c for part in parts for c in part.response.draws or (part.response.saturation,)]
    return all(float(curve.supremum()) <= 0.0 for curve in curves)
