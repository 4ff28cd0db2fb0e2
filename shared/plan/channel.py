"""Why one channel gets what it gets: returns with intervals, saturation, carryover, history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.curves.curveset import CurveSet, Response
from shared.errors import NotFound
from shared.frequency import word
from shared.plan.caution import VERDICTS
from shared.plan.score import interval
from shared.plan.words import money, number, outcome_of
from shared.problem.carryover import periods_until
from shared.problem.model import Problem

__all__ = ["channel_in_words"]

LONGEST = 104
"""Periods that carryover is followed over."""

MOST = 0.9
"""The share of an effect after which it is called to have arrived."""

CHANGES = ("entry", "slack", "loss", "held", "constraint", "extrapolates")
"""Sentences of an answer that say what would change a channel's part."""


def channel_in_words(
    problem: Problem, curves: CurveSet, answer: Mapping[str, Any], channel: str
) -> tuple[list[str], dict[str, Any]]:
    """Sentences about one channel of an optimize answer, and their figures.

    Raises
    ------
    NotFound
        The plan has no such channel.
    """
    row = next((r for r in answer["allocation"] if r["channel"] == channel), None)
    if row is None:
        raise NotFound(f"The plan has no channel {channel!r}.")
    periods, each = problem.horizon.periods, word(problem.frequency)
    spend, now = row["spend"] / periods, (row["current_spend"] or 0.0) / periods
    said = [
        f"{channel} gets {money(problem, spend)} per {each}, against {money(problem, now)} today."
    ]
    figures: dict[str, Any] = {"spend": spend, "current_spend": now}
    arm = next(c for c in problem.channels if c.name == channel)
    at, where = (spend, "in the plan") if spend > 0.0 else (now, "today")
    if not arm.campaigns and at > 0.0:
        returns = _returns(arm.response, at)
        figures |= returns | {"returns_at": at}
        average = outcome_of(problem, returns["average"]) + _both(returns["average_interval"])
        text = f"A unit of money there brings {average} on average at {money(problem, at)} {where}"
        if returns["next"] is not None:
            text += f", the next one {number(returns['next'])}{_both(returns['next_interval'])}"
        said.append(f"{text}.")
        price = next((p["value"] for p in answer["shadow_prices"] if p["name"] == "budget"), None)
        if price:
            said.append(f"Money's worth elsewhere in the plan is {number(price)} a unit.")
            figures["elsewhere"] = price
        said += _works(arm.response, each, at, figures)
    curve = next((c for c in curves.channels if c.channel == channel), None)
    if curve is not None:
        figures["verdict"] = curve.verdict
        meaning = VERDICTS.get(curve.verdict, "the history can tell its effect")
        most = money(problem, curve.observed_spend.max)
        said.append(f"Of it {meaning}; at most {most} was ever spent in a {each}.")
    said += [
        sentence["text"]
        for sentence in answer["explanation"]
        if sentence["code"] in CHANGES and sentence["data"].get("channel") == channel
    ]
    return said, figures


def _both(found: list[float] | None) -> str:
    return f" (90 % interval {number(found[0])} to {number(found[1])})" if found else ""


def _returns(response: Response, spend: float) -> dict[str, Any]:
    """Return on average and on the next unit at a sustained spend: means and 90 % intervals."""
    carry = 1.0 if response.adstock is None else response.adstock.total_weight()
    curves = response.draws or (response.saturation,)
    at, nothing = np.array([spend * carry]), np.zeros(1)
    brings = np.array([float((c.value(at) - c.value(nothing))[0]) for c in curves]) / spend
    following = np.array([float(c.slope(at)[0]) * carry for c in curves])
    sure = bool(np.isfinite(following).all())
    drawn = bool(response.draws)
    return {
        "average": float(brings.mean()),
        "average_interval": interval(brings) if drawn else None,
        "next": float(following.mean()) if sure else None,
        "next_interval": interval(following) if drawn and sure else None,
    }


def _works(response: Response, each: str, at: float, figures: dict[str, Any]) -> list[str]:
    """How far it is saturated, and how long its effect takes to arrive."""
    said = []
    carry = 1.0 if response.adstock is None else response.adstock.total_weight()
    curves = response.draws or (response.saturation,)
    top = float(np.mean([float(np.max(c.supremum())) for c in curves]))
    if np.isfinite(top) and top > 0.0:
        level = float(np.mean([float(c.value(np.array([at * carry]))[0]) for c in curves])) / top
        figures["saturation"] = level
        said.append(f"That is {100 * level:.0f} % of all it can ever bring.")
    if response.adstock is not None:
        at_once = float(response.adstock.weights(1)[0]) / max(carry, 1e-300)
        figures["arrives_at_once"] = at_once
        text = f"{100 * at_once:.0f} % of its effect comes in the same {each}"
        within = periods_until(response.adstock, MOST, LONGEST) + 1
        if within <= LONGEST:
            text += f", {100 * MOST:.0f} % within {within}"
            figures["arrived_within"] = within
        said.append(f"{text}.")
    return said
