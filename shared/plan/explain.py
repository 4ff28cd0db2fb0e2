"""Say the answer in plain sentences, and warn of what it does not know.

Every sentence carries a ``code`` and, under ``data``, the very figures that it states, so that a
program (or a test) can check the words against the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from shared.problem.model import Problem

__all__ = ["explain", "number", "percent", "warn"]

Row = Mapping[str, Any]

SAME_SPEND = 1e-6
"""A change below this share of the plan's total is not worth a sentence."""

MOVES_TOLD = 4
"""Channels whose change is told one by one; the rest is in the table."""

THIN_EVIDENCE = 0.8
"""Under this ``probability_better`` the evidence is called too thin to move (API.md)."""

LARGE_SHIFT = 0.3
"""Moving more than this share of the budget at once is called a large shift."""

WIDE_INTERVAL = 1.0
"""An interval wider than this share of its own expectation is called wide."""


def number(value: float) -> str:
    """A figure for reading: four significant digits, thousands separated.

    >>> number(123456.7), number(1.23456), number(0.00012345), number(0.0)
    ('123,457', '1.235', '0.0001234', '0')
    """
    if value == 0.0:
        return "0"
    digits = 3 - floor(log10(abs(value)))
    if digits <= 0:
        return f"{value:,.0f}"
    if digits > 12:
        return f"{value:.3e}"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share as a signed percentage; a small one keeps two digits rather than reading as none.

    >>> percent(0.1234), percent(-0.5), percent(0.000448), percent(0.0)
    ('+12.3 %', '-50.0 %', '+0.045 %', '0.0 %')
    """
    if abs(share) >= 1e-3:
        return f"{100 * share:+.1f} %"
    return "0.0 %" if abs(share) < 1e-9 else f"{100 * share:+.2g} %"


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
    unit = problem.outcome_unit or "units of outcome"
    sentences = [_headline(totals, unit), _proof(certificate)]
    sentences += _moves(rows, totals, slopes_now, unit)
    sentences += _bounds(rows, prices, unit)
    sentences += _budget(problem, prices, unit)
    return sentences


def _say(code: str, text: str, **data: Any) -> dict[str, Any]:
    return {"code": code, "text": text, "data": data}


def _headline(totals: Row, unit: str) -> dict[str, Any]:
    outcome, spend, uplift = totals["outcome"], totals["spend"], totals["uplift"]
    text = f"Spending {number(spend)} per period this way should bring {number(outcome)} {unit}"
    interval = totals["outcome_interval"]
    if interval is not None:
        text += f" (90 % interval {number(interval[0])} to {number(interval[1])})"
    if uplift is not None and totals["current_outcome"]:
        text += (
            f", against {number(totals['current_outcome'])} from today's "
            f"{number(totals['current_spend'])}: {percent(totals['uplift_share'])}"
        )
    if totals["probability_better"] is not None:
        text += f"; it beats today's plan in {100 * totals['probability_better']:.0f} % of draws"
    keys = ("spend", "outcome", "outcome_interval", "current_spend", "current_outcome")
    return _say(
        "headline",
        text + ".",
        **{k: totals[k] for k in (*keys, "uplift", "uplift_share", "probability_better")},
    )


def _proof(certificate: Row) -> dict[str, Any]:
    bound, gap = certificate["upper_bound"], certificate["relative_gap"]
    data = {k: certificate[k] for k in ("objective", "upper_bound", "relative_gap", "proven")}
    if not certificate["proven"] or bound is None or gap is None:
        return _say("not_proven", "How far this is from the best possible is not proven.", **data)
    if gap <= 1e-9:
        text = f"No plan within the limits can bring more than {number(bound)}: this is the best."
    else:
        # Rounded up: the sentence must not promise a smaller gap than was proven.
        digits = max(0, -floor(log10(100 * gap)))
        share = f"{100 * gap + 0.5 * 10.0**-digits:.{digits}f}"
        text = (
            f"No plan within the limits can bring more than {number(bound)}; "
            f"this one is within {share} % of that."
        )
    return _say("proof", text, **data)


def _moves(
    rows: Sequence[Row], totals: Row, slopes_now: Sequence[float | None], unit: str
) -> list[dict[str, Any]]:
    told: list[tuple[float, dict[str, Any]]] = []
    floor_of_change = SAME_SPEND * max(totals["spend"], 1e-12)
    known = [(row, slope) for row, slope in zip(rows, slopes_now, strict=True) if row["change"]]
    for row, slope in known:
        change = row["change"]
        if abs(change) <= floor_of_change:
            continue
        verb = "gets" if change > 0 else "gives up"
        share = "" if row["change_share"] is None else f" ({percent(row['change_share'])})"
        text = f"{row['channel']} {verb} {number(abs(change))}{share}"
        after = row["marginal_return"]
        if slope is not None and after is not None:
            text += (
                f": the next unit of money there brings {number(slope)} {unit} at today's spend "
                f"and {number(after)} at the recommended one"
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


def _bounds(rows: Sequence[Row], prices: Sequence[Row], unit: str) -> list[dict[str, Any]]:
    held = {price["name"]: price["value"] for price in prices}
    ranked: list[tuple[float, dict[str, Any]]] = []
    for row in rows:
        for name in row["binding"]:
            gain = held.get(f"{row['channel']}.{name}")
            if not gain:
                continue
            text = (
                f"{row['channel']} is held at {number(row['spend'])} by its {name}: "
                f"one unit of money of slack there would add {number(gain)} {unit}."
            )
            data = {"channel": row["channel"], "bound": name, "spend": row["spend"], "gain": gain}
            ranked.append((gain, _say("held", text, **data)))
    ranked.sort(key=lambda item: -item[0])
    return [sentence for _, sentence in ranked[:MOVES_TOLD]]


def _budget(problem: Problem, prices: Sequence[Row], unit: str) -> list[dict[str, Any]]:
    price = prices[0]["value"]
    if price is None:
        return []
    if price > 0:
        text = f"One more unit of budget would add {number(price)} {unit}."
    elif price < 0:
        text = f"The last unit of budget costs {number(-price)} {unit}: spending less brings more."
    else:
        text = "More budget would add nothing: what the channels can bring is used up."
    return [_say("budget", text, budget=problem.budget, value=price)]


def warn(
    problem: Problem, rows: Sequence[Row], totals: Row, certificate: Row
) -> list[dict[str, Any]]:
    """What a careful reader should know before acting on the answer."""
    warnings = [{"code": code, "message": message} for code, message in problem.warnings]

    def add(code: str, message: str) -> None:
        warnings.append({"code": code, "message": message})

    better = totals["probability_better"]
    if better is not None and better < THIN_EVIDENCE:
        add(
            "evidence_too_thin_to_move",
            f"The recommended plan beats today's in only {100 * better:.0f} % of draws: "
            "the evidence does not support a move yet.",
        )
    moved = sum(abs(row["change"]) for row in rows if row["change"] is not None) / 2
    if totals["spend"] > 0 and moved > LARGE_SHIFT * totals["spend"]:
        add(
            "large_shift",
            f"This moves {100 * moved / totals['spend']:.0f} % of the budget at once. Curves are "
            "best known near the spend that was observed: max_change moves in steps.",
        )
    for row in rows:
        if row["extrapolated"]:
            add(
                "extrapolation",
                f"{row['channel']} would spend {number(row['spend'])} per period, "
                "more than was ever observed: the curve is a guess there.",
            )
    for channel, row in zip(problem.channels, rows, strict=True):
        if channel.max_spend_is_default and "max_spend" in row["binding"]:
            add(
                "default_max_spend_binds",
                f"{channel.name} is held by the default ceiling of "
                f"{number(channel.max_spend or 0.0)} (1.5 times the highest observed spend); "
                "give a max_spend to allow more.",
            )
        if row["marginal_return"] is None:
            add(
                "marginal_return_unbounded",
                f"{channel.name}'s curve is infinitely steep at {number(row['spend'])}: "
                "its marginal return is not a number.",
            )
    interval = totals["outcome_interval"]
    if interval is not None and interval[1] - interval[0] > WIDE_INTERVAL * abs(totals["outcome"]):
        add(
            "wide_uncertainty",
            f"The 90 % interval of the outcome, {number(interval[0])} to {number(interval[1])}, "
            "is wider than the outcome itself.",
        )
    if not certificate["proven"]:
        add("bound_not_proven", "The upper bound was not proven: treat the gap as unknown.")
    return warnings
