"""The same question put in another way: another currency, another unit of outcome, another order.

Answers state an objective and a bound, between which the best of the request lies. Put the other
way, both intervals hold the same value once units are taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import numpy as np

from tests.contract.evaluator import Raw

__all__ = ["Ends", "ends_of", "in_other_money", "in_other_outcomes", "meet", "reordered"]

Ends = tuple[float, float]
"""The objective reached and the bound on every plan, as something to maximise."""

MONEY = (
    *(
        "current_spend",
        "reference_spend",
        "min_spend",
        "max_spend",
        "minimum_if_active",
        "increment",
    ),
    *("min_total", "max_total", "min", "max", "spend", "budget"),
)
OF_MONEY = ("half_saturation", "midpoint", "scale", "spend")
PER_MONEY = ("rate", "steepness")
OF_OUTCOME = ("max_response", "coefficient", "response", "offset")


def ends_of(answer: Raw) -> Ends | None:
    """The interval that an answer proves; None where it proves nothing."""
    proof = answer["certificate"]
    if proof.get("lower_bound") is not None:
        return -proof["objective"], -proof["lower_bound"]
    if proof["upper_bound"] is None:
        return None
    return proof["objective"], proof["upper_bound"]


def meet(one: Ends, other: Ends) -> bool:
    """Whether both intervals may hold the same value."""
    hair = 1e-7 * max(abs(one[1]), abs(other[1]), 1e-9)
    return one[0] <= other[1] + hair and other[0] <= one[1] + hair


def _times(item: Raw, fields: Iterable[str], factor: float) -> None:
    for field in fields:
        if item.get(field) is not None:
            item[field] = (factor * np.array(item[field])).tolist()


def _curves(raw: Raw) -> Iterable[Raw]:
    """Every curve of a request with its family: those of draws are put back by the caller."""
    for channel in raw["channels"]:
        for arm in channel.get("campaigns") or [channel]:
            for response in arm.get("responses") or [arm.get("response") or arm]:
                if curve := response.get("saturation"):
                    for draw in response.get("draws") or []:
                        draw["family"] = curve["family"]
                        yield draw
                        del draw["family"]
                    yield curve


def in_other_money(raw: Raw, by: float) -> tuple[Raw, float]:
    """The request with money in units ``by`` times smaller, and what its objective is worth in
    units of the old one's."""
    out = deepcopy(raw)
    _times(out, ("budget", "period_budgets", "budget_min"), by)
    for window in out.get("budget_windows") or []:
        _times(window, MONEY, by)
    prior = (out.get("horizon") or {}).get("prior_spend") or {}
    _times(prior, prior, by)
    for rule in out.get("constraints") or []:
        _times(rule, MONEY, by)
    for channel in out["channels"]:
        for item in [channel, *(channel.get("campaigns") or [])]:
            _times(item, MONEY, by)
            for entry in item.get("periods") or []:
                _times(entry, MONEY, by)
    for curve in _curves(out):
        if curve["family"] == "power":
            curve["coefficient"] *= by ** -curve["exponent"]
        elif curve["family"] == "logarithmic":
            curve.setdefault("scale", 1.0)
        _times(curve, OF_MONEY, by)
        _times(curve, PER_MONEY, 1 / by)
    goal = out.get("objective") or {}
    for rule in out.get("constraints") or []:
        _times(rule, ("max_cpa",), by)
        if "value_per_outcome" not in goal:
            _times(rule, ("min_roas",), 1 / by)
    if goal.get("goal") not in ("maximize_profit", "minimize_spend"):
        for channel in out["channels"]:
            for item in [channel, *(channel.get("campaigns") or [])]:
                _times(item, ("penalty_per_unit",), 1 / by)
    for channel in out["channels"]:
        _times(channel, ("value_per_outcome",), by)
    _times(goal, ("value_per_outcome", "target_cpa"), by)
    if "value_per_outcome" not in goal:
        _times(goal, ("target_roas", "target_marginal_return"), 1 / by)
    _times(goal.get("weights") or {}, ("profit", "spend"), 1 / by)
    money = goal.get("goal") in ("maximize_profit", "minimize_spend")
    return out, by if money else 1.0


def in_other_outcomes(raw: Raw, by: float) -> tuple[Raw, float]:
    """The request with ``by`` times as many outcomes, each worth as much less, and what its
    objective is worth in units of the old one's."""
    out = deepcopy(raw)
    for curve in _curves(out):
        _times(curve, OF_OUTCOME, by)
    for pair in out.get("interactions") or []:
        pair["strength"] *= by
    goal = out.get("objective") or {}
    for rule in out.get("constraints") or []:
        _times(rule, ("min_outcome", "max_outcome"), by)
        _times(rule, ("max_cpa",), 1 / by)
        if "value_per_outcome" not in goal:
            _times(rule, ("min_roas",), by)
    if goal.get("goal", "maximize_outcome") in ("maximize_outcome", "maximize_reach"):
        for channel in out["channels"]:
            for item in [channel, *(channel.get("campaigns") or [])]:
                _times(item, ("penalty_per_unit",), by)
    _times(goal, ("target_outcome", "max_outcome"), by)
    for item in goal.get("outcomes") or []:
        _times(item, ("min",), by)
    _times(goal, ("value_per_outcome", "target_cpa"), 1 / by)
    for channel in out["channels"]:
        _times(channel, ("value_per_outcome",), 1 / by)
        _times(channel, ("max_outcome",), by)
    if "value_per_outcome" not in goal:
        _times(goal, ("target_roas", "target_marginal_return"), by)
    _times(goal.get("weights") or {}, ("outcome", "reach", "long_term"), 1 / by)
    kinds = ("maximize_outcome", "maximize_reach")
    return out, by if goal.get("goal", "maximize_outcome") in kinds else 1.0


def reordered(raw: Raw) -> Raw:
    """Channels, campaigns, rules and pairs in the opposite order."""
    out = deepcopy(raw)
    out["channels"].reverse()
    for channel in out["channels"]:
        if channel.get("campaigns"):
            channel["campaigns"].reverse()
    for rule in out.get("constraints") or []:
        for field in ("channels", "coefficients", "split"):
            if field in rule:
                rule[field].reverse()
    out.get("constraints", []).reverse()
    for pair in out.get("interactions") or []:
        pair["channels"].reverse()
    return out
