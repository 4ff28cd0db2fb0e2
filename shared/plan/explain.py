"""Say the answer in plain sentences.

Every sentence carries a ``code`` and, under ``data``, the very figures that it states, so that a
program (or a test) can check the words against the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from shared.plan.score import quotient
from shared.plan.words import bound_name, gained, money, number, outcome_of, percent, span
from shared.problem.model import Problem

__all__ = ["explain"]

Row = Mapping[str, Any]

SAME_SPEND = 1e-6
"""A change below this share of the plan's total is not worth a sentence."""

OTHER_BUDGET = 0.005
"""Plans whose totals differ by more than this share are told with their difference in money."""

PROVEN_BEST = 1e-9
"""A relative gap below this is rounding: the plan is called the best."""

MOVES_TOLD = 4
"""Channels whose change is told one by one; the rest is in the table."""


def explain(
    problem: Problem,
    rows: Sequence[Row],
    totals: Row,
    certificate: Row,
    prices: Sequence[Row],
    slopes_now: Sequence[float | None],
) -> list[dict[str, Any]]:
    """Sentences for an optimize answer, most important first.

    Parameters
    ----------
    rows, totals, certificate, prices
        The answer's own ``allocation``, ``totals``, ``certificate`` and ``shadow_prices``.
    slopes_now
        Each channel's marginal return at today's spend, where it is known.
    """
    sentences = [_headline(problem, totals), _proof(problem, certificate)]
    sentences += _moves(problem, rows, totals, slopes_now)
    sentences += _bounds(problem, rows, prices)
    sentences += _budget(problem, rows, prices)
    sentences += _targets(problem, prices)
    return sentences


def _say(code: str, text: str, **data: Any) -> dict[str, Any]:
    return {"code": code, "text": text, "data": data}


def _headline(problem: Problem, totals: Row) -> dict[str, Any]:
    outcome, spend = totals["outcome"], totals["spend"]
    text = (
        f"Spending {money(problem, spend)} {span(problem)} this way should bring "
        f"{outcome_of(problem, outcome)}"
    )
    interval = totals["outcome_interval"]
    if interval is not None:
        text += f" (90 % interval {number(interval[0])} to {number(interval[1])})"
    now = totals["current_spend"]
    if totals["uplift_share"] is not None:
        text += (
            f", against {number(totals['current_outcome'])} from today's {money(problem, now)}: "
            f"{percent(totals['uplift_share'])}"
        )
        if now and abs(spend - now) > OTHER_BUDGET * now:
            text += f" for {percent(spend / now - 1.0)} of money"
        elif totals["probability_better"] is not None:
            text += (
                f"; it beats today's plan in {100 * totals['probability_better']:.0f} % of draws"
            )
    keys = ("spend", "outcome", "outcome_interval", "current_spend", "current_outcome")
    return _say(
        "headline",
        text + ".",
        **{k: totals[k] for k in (*keys, "uplift", "uplift_share", "probability_better")},
        spend_share=quotient(spend - now, now) if now is not None else None,
        periods=problem.horizon.periods,
    )


def _proof(problem: Problem, certificate: Row) -> dict[str, Any]:
    least = problem.goal.goal == "minimize_spend"
    key = "lower_bound" if least else "upper_bound"
    bound, gap = certificate[key], certificate["relative_gap"]
    data = {k: certificate[k] for k in ("objective", key, "relative_gap", "proven")}
    if not certificate["proven"] or bound is None or gap is None:
        return _say("not_proven", "How far this is from the best possible is not proven.", **data)
    verb = {
        "minimize_spend": f"reach the target for less than {money(problem, bound)}",
        "maximize_profit": f"earn more than {money(problem, bound)}",
        "weighted_sum": f"have a weighted sum above {number(bound)}",
    }
    claim = verb.get(problem.goal.goal, f"bring more than {outcome_of(problem, bound)}")
    text = f"No plan within the limits can {claim}{_as_read(problem)}"
    if problem.risk.measure != "expected":
        data |= {"aversion": problem.risk.aversion, "level": problem.risk.level}
    if gap <= PROVEN_BEST:
        return _say("proof", f"{text}: this is the best.", **data)
    # Rounded up: the sentence must not promise a smaller gap than was proven.
    digits = max(0, -floor(log10(100 * gap)))
    share = f"{100 * gap + 0.5 * 10.0**-digits:.{digits}f}"
    return _say("proof", f"{text}; this one is within {share} % of that.", **data)


def _as_read(problem: Problem) -> str:
    """Which reading of an uncertain outcome the certificate's figures are; "" for the expected."""
    risk = problem.risk
    return {
        "mean_minus_sd": f" (the mean less {number(risk.aversion)} standard deviations)",
        "quantile": f" (in the {100 * risk.level:g} % quantile of the draws)",
        "cvar": f" (in the mean of the worst {100 * risk.level:g} % of draws)",
        "worst_case": " (in the worst draw)",
    }.get(risk.measure, "")


def _moves(
    problem: Problem, rows: Sequence[Row], totals: Row, slopes_now: Sequence[float | None]
) -> list[dict[str, Any]]:
    told: list[tuple[float, dict[str, Any]]] = []
    floor_of_change = SAME_SPEND * max(totals["spend"], 1e-12)
    for row, slope in zip(rows, slopes_now, strict=True):
        change = row["change"]
        if change is None or abs(change) <= floor_of_change:
            continue
        verb = "gets" if change > 0 else "gives up"
        share = "" if row["change_share"] is None else f" ({percent(row['change_share'])})"
        text = f"{row['channel']} {verb} {money(problem, abs(change))}{share}"
        after = row["marginal_return"]
        if slope is not None and after is not None:
            text += (
                f": the next unit of money there brings {outcome_of(problem, slope)} at "
                f"today's spend and {number(after)} at the recommended one"
            )
        if row["saturation"] is not None:
            text += f"; it reaches {100 * row['saturation']:.0f} % of what it can ever bring"
        data = {
            "channel": row["channel"],
            "change": change,
            "change_share": row["change_share"],
            "marginal_return_now": slope,
            "marginal_return": after,
            "saturation": row["saturation"],
        }
        code = "increase" if change > 0 else "decrease"
        told.append((abs(change), _say(code, text + ".", **data)))
    told.sort(key=lambda item: -item[0])
    sentences = [sentence for _, sentence in told[:MOVES_TOLD]]
    if not told and totals["current_outcome"] is not None:
        text = "Today's plan is already the best one within the limits: nothing should move."
        sentences.append(_say("keep", text))
    return sentences


def _bounds(problem: Problem, rows: Sequence[Row], prices: Sequence[Row]) -> list[dict[str, Any]]:
    worth = {price["name"]: price["value"] for price in prices}
    ranked: list[tuple[float, dict[str, Any]]] = []
    told: set[str] = set()
    for row in rows:
        for name in row["binding"]:
            gain = worth.get(f"{row['channel']}.{name}")
            if gain:
                text = (
                    f"{row['channel']} is held at {money(problem, row['spend'])} by its "
                    f"{bound_name(name)}: one unit of money of slack there would "
                    f"{gained(problem, gain)}."
                )
                data = {"channel": row["channel"], "bound": name, "spend": row["spend"]}
                ranked.append((gain, _say("held", text, **data, gain=gain)))
            elif worth.get(name) and name not in told:
                told.add(name)
                held = [r["channel"] for r in rows if name in r["binding"]]
                text = (
                    f"The constraint {name} holds {', '.join(held)}: relaxing it by one unit "
                    f"would {gained(problem, worth[name])}."
                )
                data = {"constraint": name, "channels": held, "gain": worth[name]}
                ranked.append((worth[name], _say("constraint", text, **data)))
    ranked.sort(key=lambda item: -item[0])
    return [sentence for _, sentence in ranked[:MOVES_TOLD]]


def _budget(problem: Problem, rows: Sequence[Row], prices: Sequence[Row]) -> list[dict[str, Any]]:
    price = next((p["value"] for p in prices if p["name"] == "budget"), None)
    if price is None or problem.budget is None or problem.goal.goal == "minimize_spend":
        return []
    if price > 0:
        text = f"One more unit of budget would {gained(problem, price)}."
    elif price < 0:
        text = f"Spending one unit less of the budget would {gained(problem, -price)}."
    elif any(row["binding"] for row in rows):
        text = "More budget would add nothing within these limits: they hold every channel."
    else:
        text = "More budget would add nothing: what the channels can bring is used up."
    return [_say("budget", text, budget=problem.budget, value=price)]


TARGETS = ("target_outcome", "target_roas", "target_cpa")


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
        said.append(_say("target", text, target=name, asked=asked, eased=eased, gain=gain))
    return said
