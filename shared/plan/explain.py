"""Say the answer in plain sentences.

Every sentence carries a ``code`` and, under ``data``, the very figures that it states, so that a
program (or a test) can check the words against the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import floor, log10
from typing import Any

from shared.plan.plan import Plan
from shared.plan.rows import by_channel, marginal_return
from shared.plan.score import quotient
from shared.plan.words import (
    bound_name,
    gained,
    largest,
    limits_data,
    limits_of,
    money,
    net,
    number,
    outcome_of,
    percent,
    say,
    span,
)
from shared.plan.yardstick import broken_by, yardstick
from shared.problem.aim import TARGETS, aim_of, is_target, later_of
from shared.problem.model import Channel, Problem

__all__ = ["explain"]

Row = Mapping[str, Any]

SAME_SPEND = 1e-6  # a change below this share of the plan's total is not worth a sentence

OTHER_BUDGET = 0.005
"""Plans whose totals differ by more than this share are told with their difference in money."""

PROVEN_BEST = 1e-9  # a relative gap below this is rounding: the plan is called the best
ONE_PRICE = 1e-3  # sides of a price that differ by less than this share are one
MOVES_TOLD = 4  # channels whose change is told one by one; the rest is in the table


def explain(plan: Plan, told: Row) -> list[dict[str, Any]]:
    """Sentences for an optimize answer, most important first.

    ``told`` has the answer's own ``allocation``, ``totals``, ``certificate``, ``today_scaled``.
    """
    problem, prices, rows, totals = plan.problem, plan.prices, told["allocation"], told["totals"]
    sentences = [_headline(plan, totals, told["certificate"]), _proof(plan, told["certificate"])]
    sentences += _mix(problem, told["today_scaled"])
    sentences += _not_allowed(plan, totals)
    sentences += _moves(plan, rows, totals)
    sentences += _ties(plan)
    sentences += _bounds(problem, rows, prices)
    sentences += _budget(problem, rows, prices)
    sentences += _targets(problem, prices)
    sentences += _ceilings(plan)
    return sentences


def _headline(plan: Plan, totals: Row, certificate: Row) -> dict[str, Any]:
    problem, current, later = plan.problem, plan.current, plan.best.later
    spend, now = totals["spend"], totals["current_spend"]
    whole, before = totals["outcome"] + later, totals["current_outcome"]
    keys = (
        *("spend", "outcome", "outcome_interval", "outcome_lost"),
        *("current_spend", "current_outcome"),
    )
    data = {k: totals[k] for k in (*keys, "uplift", "uplift_share", "probability_better")}
    text = (
        f"Spending {money(problem, spend)} {span(problem)} this way should bring "
        f"{outcome_of(problem, totals['outcome'])}"
    )
    interval = totals["outcome_interval"]
    if interval is not None:
        text += f" (90 % interval {number(interval[0])} to {number(interval[1])})"
    lost = [0.0 if s is None else s.lost for s in (plan.best, current)]
    if before is not None and any(lost):
        text += f", of which {number(whole - lost[0])} count" if lost[0] else ""
        before -= lost[1]
    goes_on = problem.horizon.then == "continue"
    if (later_of(problem.goal) > 0.0 or goes_on) and problem.horizon.periods > 1:
        # Headline and proof speak of the same: what counts, within the horizon and after it.
        weight = 1.0 if goes_on else later_of(problem.goal)
        counted = "" if weight == 1.0 else f" (each counted {number(weight)} times)"
        text += f" and {number(later)} more after that{counted}, {number(whole)} in all"
        if goes_on:
            text += " where spend goes on as in the last one"
        data |= {"outcome_after": later, "outcome_in_all": whole, "long_term_weight": weight}
        if current is not None:
            before = current.worth + current.later
            share = quotient(whole - lost[0] - before, before)
            data |= {"current_in_all": before, "uplift_share": share}
    text += " in present value" if problem.horizon.discount_rate > 0.0 else ""
    worth = certificate["objective"]
    if problem.goal.goal in ("maximize_profit", "weighted_sum"):
        profit = problem.goal.goal == "maximize_profit"
        text += f", {'a profit of' if profit else 'a weighted sum of'} "
        text += money(problem, worth) if profit else number(worth)
        text += net(problem) + _as_read(problem)
        data["objective"] = worth
    elif problem.risk.measure != "expected" and not plan.least:
        text += f", {number(worth)} as it is weighed{_as_read(problem)}"
        data["objective"] = worth
    data |= (
        {"aversion": problem.risk.aversion, "level": problem.risk.level}
        if "objective" in data
        else {}
    )
    if data["uplift_share"] is not None:
        text += (
            f", against {number(before)} from today's {money(problem, now)}: "
            f"{percent(data['uplift_share'])}"
        )
        if now and abs(spend - now) > OTHER_BUDGET * now:
            text += f" for {percent(spend / now - 1.0)} of money"
        elif totals["probability_better"] is not None:
            text += (
                f"; it beats today's plan in {100 * totals['probability_better']:.0f} % of draws"
            )
    data["spend_share"] = quotient(spend - now, now) if now is not None else None
    return say("headline", text + ".", **data, periods=problem.horizon.periods)


def _mix(problem: Problem, scaled: Row | None) -> list[dict[str, Any]]:
    """What today's mix would bring for the plan's money: the rest of the gain is more money's."""
    if scaled is None:
        return []
    text = (
        f"Today's mix at {money(problem, scaled['spend'])} would bring "
        f"{outcome_of(problem, scaled['outcome'])}"
    )
    text += " in present value" if problem.horizon.discount_rate > 0.0 else ""
    share = quotient(scaled["uplift"], scaled["outcome"])
    if share is not None and scaled["uplift"] >= 0.0:
        text += f": the mix itself is worth {percent(share)}"
    return [say("today_scaled", text + ".", **scaled, uplift_share=share)]


def _proof(plan: Plan, certificate: Row) -> dict[str, Any]:
    problem = plan.problem
    key = "lower_bound" if plan.least else "upper_bound"
    bound, gap = certificate[key], certificate["relative_gap"]
    data = {k: certificate[k] for k in ("objective", key, "relative_gap", "proven")}
    if not certificate["proven"] or bound is None or gap is None:
        return say("not_proven", "How far this is from the best possible is not proven.", **data)
    verb = {
        "minimize_spend": f"reach the target for less than {money(problem, bound)}",
        "maximize_profit": f"earn more than {money(problem, bound)}",
        "weighted_sum": f"have a weighted sum above {number(bound)}",
    }
    claim = verb.get(problem.goal.goal, f"bring more than {outcome_of(problem, bound)}")
    claim += " that count" if plan.program.ceilings and claim.startswith("bring") else ""
    after = later_of(problem.goal) > 0.0 or problem.horizon.then == "continue"
    if after and problem.horizon.periods > 1 and not plan.least:
        claim += ", with what comes after the horizon"
    text = f"No plan within the limits can {claim}{net(problem)}{_as_read(problem)}"
    if problem.risk.measure != "expected":
        data |= {"aversion": problem.risk.aversion, "level": problem.risk.level}
    if gap <= PROVEN_BEST:
        return say("proof", f"{text}: this is the best.", **data)
    # Rounded up: the sentence must not promise a smaller gap than was proven.
    digits = max(0, -floor(log10(100 * gap)))
    share = f"{100 * gap + 0.5 * 10.0**-digits:.{digits}f}"
    return say("proof", f"{text}; this one is within {share} % of that.", **data)


def _not_allowed(plan: Plan, totals: Row) -> list[dict[str, Any]]:
    """Which limits today's plan breaks, where it would bring more than the one recommended."""
    problem, current, aim = plan.problem, plan.current, aim_of(plan.problem.goal)
    if current is None:
        return []
    then, now = (aim.worth(s.worth + s.later, s.counted) for s in (plan.best, current))
    if now <= then + SAME_SPEND * abs(then) and totals["uplift"] >= 0.0:
        return []
    broken = broken_by(yardstick(problem), current.spend)
    if not broken:
        return []
    text = f"Today's plan is not allowed: it breaks {limits_of(problem, broken)}."
    return [say("today_not_allowed", text, broken=limits_data(broken))]


def _as_read(problem: Problem) -> str:
    """Which reading of an uncertain outcome the certificate's figures are; "" for the expected."""
    risk = problem.risk
    read = {
        "mean_minus_sd": f"the mean less {number(risk.aversion)} standard deviations",
        "quantile": f"in the {100 * risk.level:g} % quantile of the draws",
        "cvar": f"in the mean of the worst {100 * risk.level:g} % of draws",
        "worst_case": "in the worst draw",
    }.get(risk.measure)
    if read is None:
        return ""
    return f" ({read}{' of the uplift over today' if risk.of == 'uplift' else ''})"


def _moves(plan: Plan, rows: Sequence[Row], totals: Row) -> list[dict[str, Any]]:
    problem, told = plan.problem, list[tuple[float, str, Callable[[], dict[str, Any]]]]()
    still = SAME_SPEND * max(totals["spend"], 1e-12)
    for (channel, arms), row in zip(by_channel(problem), rows, strict=True):
        change, name = row["change"], row["channel"]
        if change is None:
            continue
        if abs(change) > still:
            told.append((abs(change), name, partial(_moved, plan, channel, arms, row)))
        else:
            told += [(size, name, partial(dict, s)) for size, s in _inside(problem, row, still)]
    told.sort(key=lambda item: -item[0])
    sentences = [sentence() for _, _, sentence in told[:MOVES_TOLD]]
    named = {name for _, name, _ in told[:MOVES_TOLD]}
    dropped = [
        name
        for row in rows
        for part in (row.get("campaigns") or (row,))
        if (name := _named(row, part)) not in named
        and part["spend"] <= 0.0 < still < (part["current_spend"] or 0.0)
    ]
    if dropped:
        verb = "gets" if len(dropped) == 1 else "get"
        text = f"{', '.join(dropped)} {verb} nothing any more."
        sentences.append(say("dropped", text, channels=dropped))
    if rest := [item for item in told[MOVES_TOLD:] if item[1] not in dropped]:
        verb = "move is" if len(rest) == 1 else "moves are"
        most = money(problem, rest[0][0])
        text = f"{len(rest)} smaller {verb} in the allocation, of {most} or less."
        sentences.append(say("more_moves", text, count=len(rest), largest=rest[0][0]))
    if not told and totals["current_outcome"] is not None:
        best = "is already the best one within the limits"
        if not plan.optimal:
            best = "is the best one that was found"
        sentences.append(say("keep", f"Today's plan {best}: nothing should move."))
    return sentences


def _named(row: Row, part: Row) -> str:
    """A channel, or a campaign below it."""
    return str(row["channel"] if part is row else f"{row['channel']}/{part['channel']}")


def _moved(plan: Plan, channel: Channel, arms: list[int], row: Row) -> dict[str, Any]:
    problem, change, slope = plan.problem, row["change"], None
    if plan.current is not None:
        slope = marginal_return(arms, plan.current, together=channel.several)
    verb = "gets" if change > 0 else "gives up"
    share = "" if row["change_share"] is None else f" ({percent(row['change_share'])})"
    text = f"{row['channel']} {verb} {money(problem, abs(change))}{share}"
    if row["spend"] <= 0.0:
        text += " and gets nothing any more"
    after = row["marginal_return"]
    if slope is not None and after is not None:
        text += (
            f": the next unit of money there brings {outcome_of(problem, slope)} at "
            f"today's spend and {number(after)} at the recommended one"
        )
    if row["saturation"] is not None and row["spend"] > 0.0:
        text += f"; it reaches {100 * row['saturation']:.0f} % of what it can ever bring"
    data = {
        k: row[k] for k in ("channel", "change", "change_share", "marginal_return", "saturation")
    }
    data["marginal_return_now"] = slope
    return say("increase" if change > 0 else "decrease", text + ".", **data)


def _inside(problem: Problem, row: Row, still: float) -> Iterator[tuple[float, dict[str, Any]]]:
    """What moves below a channel whose total stays: between its campaigns, and its periods."""
    name = row["channel"]
    moved = [c for c in row.get("campaigns") or () if abs(c["change"] or 0.0) > still]
    if moved:
        each = [
            f"{_named(row, c)} {'gets' if c['change'] > 0 else 'gives up'} "
            f"{money(problem, abs(c['change']))}"
            for c in moved[:MOVES_TOLD]
        ]
        more = f" and {len(moved) - MOVES_TOLD} more move" if len(moved) > MOVES_TOLD else ""
        data = [{"channel": _named(row, c), "change": c["change"]} for c in moved]
        text = f"{name} keeps its total, and within it {', '.join(each)}{more}."
        size = 0.5 * sum(abs(c["change"]) for c in moved)
        yield size, say("within", text, channel=name, campaigns=data, more=len(moved) - MOVES_TOLD)
    periods = row.get("periods") or ()
    each_now = (row["current_spend"] or 0.0) / max(len(periods), 1)
    size = 0.5 * sum(abs(period["spend"] - each_now) for period in periods)
    if size > still:
        most, least = (f(periods, key=lambda p: p["spend"]) for f in (max, min))
        data = [{k: p[k] for k in ("period", "spend")} for p in (most, least)]
        text = (
            f"{name} keeps its total, but moves {money(problem, size)} between periods: from "
            f"{money(problem, each_now)} in each to {money(problem, most['spend'])} in period "
            f"{most['period']} and {money(problem, least['spend'])} in period {least['period']}."
        )
        yield size, say("between_periods", text, channel=name, moved=size, now=each_now, ends=data)


def _ties(plan: Plan) -> list[dict[str, Any]]:
    said = []
    for one, other, why in plan.ties[:MOVES_TOLD]:
        text = {
            "alike": f"{one} and {other} are alike: giving either what the other gets is as good.",
            "straight": f"{one} and {other} bring the same for the next unit of money and for the "
            "last: moving some between them is as good.",
        }[why]
        said.append(say("tie", text, channels=[one, other], why=why))
    return said


def _bounds(problem: Problem, rows: Sequence[Row], prices: Sequence[Row]) -> list[dict[str, Any]]:
    found = {price["name"]: price for price in prices}
    ranked: list[tuple[float, dict[str, Any]]] = []
    told: set[str] = set()
    for row in rows:
        for name in row["binding"]:
            own = found.get(f"{row['channel']}.{name}")
            if own and own["value"]:
                gain = own["value"]
                way = _way(own, row["change"])
                which = f", {way}wards," if row["change"] else ""
                slack = {
                    "max_change": f"one unit of money more of change{which} would",
                    "exclude": "one unit of money there would",
                }.get(name, f"one unit of money {'more' if way == 'up' else 'less'} there would")
                text = (
                    f"{row['channel']} is held at {money(problem, row['spend'])} by its "
                    f"{bound_name(name)}: {slack} {gained(problem, gain)}."
                )
                data = {"channel": row["channel"], "bound": name, "spend": row["spend"]}
                ranked.append((gain, say("held", text, **data, gain=gain, direction=way)))
            elif (own := found.get(name)) and own["value"] and name not in told:
                told.add(name)
                held = [r["channel"] for r in rows if name in r["binding"]]
                way = _way(own, None)
                text = (
                    f"The constraint {name} holds {', '.join(held)}: a limit "
                    f"{'higher' if way == 'up' else 'lower'} by one unit would "
                    f"{gained(problem, own['value'])}."
                )
                data = {"constraint": name, "channels": held, "gain": own["value"]}
                ranked.append((own["value"], say("constraint", text, **data, direction=way)))
    return largest(ranked, MOVES_TOLD)


def _way(price: Row, change: float | None) -> str:
    """Which way slack in a limit would move what it holds."""
    if price["name"].endswith("max_change") and change is not None:
        return "up" if change >= 0.0 else "down"
    return "up" if price["value_more"] is not None and price["value_more"] > 0.0 else "down"


def _budget(problem: Problem, rows: Sequence[Row], prices: Sequence[Row]) -> list[dict[str, Any]]:
    own = next((p for p in prices if p["name"] == "budget"), None)
    if own is None or own["value"] is None or problem.budget is None:
        return []
    if problem.goal.goal == "minimize_spend":
        return []
    price, less = own["value"], own["value_less"]
    data = {"budget": problem.budget, "value": price}
    if price > 0 and problem.budget_min is not None and (own["value_more"] or 0.0) < 0.0:
        text = f"One unit less of budget_min would {gained(problem, price)}"
    elif price > 0:
        text = f"One more unit of budget would {gained(problem, price)}"
    elif price < 0:
        text = f"Spending one unit less of the budget would {gained(problem, -price)}"
    else:
        text = f"More budget would add nothing{_used_up(problem, rows, prices)}"
    if less is not None and less - price > ONE_PRICE * abs(less) and less > 0.0:
        # The value bends here: a price has two sides.
        costs = {"maximize_profit": money(problem, less), "weighted_sum": number(less)}
        text += "; one unit less would cost "
        text += costs.get(problem.goal.goal, outcome_of(problem, less))
        data["value_less"] = less
    return [say("budget", text + ".", **data)]


def _used_up(problem: Problem, rows: Sequence[Row], prices: Sequence[Row]) -> str:
    """Why money is left, or would bring nothing."""
    targets = [p["name"] for p in prices if is_target(p["name"]) and p["value"]]
    if not targets and any(p["name"].endswith("max_outcome") for p in prices):
        return ": what it would bring is beyond a max_outcome"
    if targets:
        verb = "holds" if len(targets) == 1 else "hold"
        return f": the {' and the '.join(targets)} {verb} the plan"
    if all(row["binding"] for row in rows):
        return " within these limits: they hold every channel"
    costs, least = aim_of(problem.goal).cost > 0.0, problem.goal.target_marginal_return
    rest = "the next unit would bring less than it costs"
    if least is not None:
        rest = f"the next unit would bring less than {number(least)}"
    elif not costs:
        rest = "what the channels can bring is used up"
    held = [row["channel"] for row in rows if row["binding"]]
    return f": {rest}" + (f" where no limit holds ({', '.join(held[:5])})" if held else "")


def _targets(problem: Problem, prices: Sequence[Row]) -> list[dict[str, Any]]:
    said = []
    for price in prices:
        name, value = price["name"], price["value"]
        asked = getattr(problem.goal, name) if name in TARGETS else None
        if asked is None or not value:
            continue
        way, eased = ("raised", 1.01 * asked) if name == "target_cpa" else ("lowered", 0.99 * asked)
        gain = 0.01 * asked * value
        text = (
            f"The {name} of {number(asked)} holds the plan: {way} to {number(eased)} it would "
            f"{gained(problem, gain)}."
        )
        said.append(say("target", text, target=name, asked=asked, eased=eased, gain=gain))
    return said


def _ceilings(plan: Plan) -> list[dict[str, Any]]:
    """Which ceilings the plan reaches, and what it brings beyond them."""
    problem, said = plan.problem, []
    prices = {price["name"]: price["value"] for price in plan.prices}
    for ceiling, brings in zip(plan.program.ceilings, plan.best.reached, strict=True):
        most, price = ceiling.asked, prices.get(ceiling.name)
        over = max(brings - most, 0.0)
        if over > SAME_SPEND * most:
            text = (
                f"{number(over)} of {outcome_of(problem, brings)} come beyond the {ceiling.name} "
                f"of {number(most)}, and are worth nothing"
            )
        elif price is not None:
            text = f"The {ceiling.name} of {number(most)} is reached, and more is worth nothing"
        else:
            continue
        if price is not None:
            text += (
                f": raised to {number(1.01 * most)} it would {gained(problem, 0.01 * most * price)}"
            )
        data = {"ceiling": ceiling.name, "max_outcome": most, "outcome": brings, "lost": over}
        said.append(say("ceiling", f"{text}.", **data, value=price))
    return said
