"""The contract's features as changes of one small request, and which of them go together.

A request is built from the names of its features: ``build(("lots", "cvar"), seed)``. Figures are
chosen so that today's plan (30, 25, 25 and 20 of a budget of 100 a period) keeps as many rules as
it can, and targets are what today's plan reaches by the contract's own meaning; so most mixtures
can be met, and those that cannot are true conflicts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tests.contract.evaluator import (
    Raw,
    arms_of,
    by_outcome,
    counted,
    frequency,
    money_of,
    today,
)

__all__ = ["FEATURES", "REFUSED", "Refused", "build", "compatible", "pairs"]

BUDGET = 100.0
Rng = np.random.Generator
Change = Callable[[Raw, Rng], None]


# -- the request that is changed ----------------------------------------------------------------


def _base(rng: Rng) -> Raw:
    """Four concave channels with a finite slope at nothing, each with some carryover."""
    size = rng.uniform(0.7, 1.4, 4)
    top = rng.uniform(0.8, 1.25, 4) * (120, 90, 80, 60)
    curves: list[Raw] = [
        {"family": "hill", "half_saturation": 40 * size[0], "shape": 1.0},
        {"family": "exponential", "rate": 0.03 / size[1]},
        {"family": "michaelis_menten", "half_saturation": 30 * size[2]},
        {"family": "logistic", "rate": 0.05 / size[3]},
    ]
    carry: list[Raw] = [
        {"family": "geometric", "decay": 0.4},
        {"family": "delayed", "decay": 0.5, "peak": 1, "length": 4},
        {"family": "weibull_pdf", "shape": 1.5, "scale": 2.0, "length": 4},
        {"family": "weibull_cdf", "shape": 0.8, "scale": 1.5, "length": 3},
        {"family": "lag_weights", "values": [0.6, 0.4, 0.1]},
        {"family": "geometric", "decay": 0.2},
    ]
    kinds, normalised = rng.permutation(len(carry))[:4], rng.random(4) < 0.6
    return {
        "channels": [
            {
                "channel": name,
                "current_spend": now,
                "response": {
                    "saturation": {**curve, "max_response": float(most)},
                    "adstock": {**carry[kind], "normalised": bool(whole)},
                },
            }
            for name, now, curve, most, kind, whole in zip(
                "abcd", (30.0, 25.0, 25.0, 20.0), curves, top, kinds, normalised, strict=True
            )
        ],
        "budget": BUDGET,
        "solver": {"gap": 1e-4, "time_limit_s": 4},
    }


def _curve(raw: Raw, place: int) -> Raw:
    found: Raw = raw["channels"][place]["response"]["saturation"]
    return found


def _over_time(raw: Raw) -> None:
    """A horizon of two periods; the budget is for both."""
    raw["horizon"] = {"periods": 2}
    raw["budget"] *= 2


def _goal(raw: Raw, **fields: Any) -> Raw:
    goal: Raw = raw.setdefault("objective", {})
    goal.update(fields)
    return goal


def _rule(raw: Raw, name: str, **fields: Any) -> None:
    raw.setdefault("constraints", []).append({"name": name, **fields})


def _free_budget(raw: Raw) -> None:
    """A goal that weighs money: the budget is a cap where something needs it, else left out."""
    said = ("test_reserve", "period_budgets", "spend_all", "budget_min", "budget_change")
    needs = any(field in raw for field in said)
    if needs or (raw.get("horizon") or {}).get("mode") == "fixed_shares":
        if "budget_min" not in raw:
            raw["spend_all"] = False
    else:
        del raw["budget"]
        raw.pop("budget_windows", None)


# -- curves -------------------------------------------------------------------------------------


def _s_curves(raw: Raw, rng: Rng) -> None:
    _curve(raw, 0)["shape"] = float(rng.uniform(1.5, 2.5))
    most = _curve(raw, 1)["max_response"]
    sigmoid = {"family": "sigmoid", "midpoint": 18.0, "steepness": float(rng.uniform(0.1, 0.2))}
    raw["channels"][1]["response"]["saturation"] = {**sigmoid, "max_response": most}


def _tabulated(raw: Raw, rng: Rng) -> None:
    heights = np.cumsum([12.0, 11.0, 9.0, 6.0, 2.0]) * rng.uniform(1.0, 1.6)
    points = {"spend": [8.0, 20.0, 35.0, 60.0, 90.0], "response": heights.tolist()}
    raw["channels"][2]["response"]["saturation"] = {"family": "tabulated", **points}


def _no_ceiling(raw: Raw, rng: Rng) -> None:
    kinds: list[Raw] = [
        {"family": "power", "coefficient": 9.0, "exponent": float(rng.uniform(0.3, 0.6))},
        {"family": "logarithmic", "coefficient": 25.0, "scale": 12.0},
    ]
    raw["channels"][3]["response"]["saturation"] = kinds[0]
    extra = {"channel": "log", "current_spend": 0.0, "max_spend": 30.0}
    raw["channels"].append({**extra, "response": {"saturation": kinds[1]}})


def _convex(raw: Raw, rng: Rng) -> None:
    """One more channel, whose returns rise as far as it may go."""
    power = {"family": "power", "coefficient": 0.15, "exponent": float(rng.uniform(1.3, 1.7))}
    extra = {"channel": "rising", "current_spend": 0.0, "max_spend": 30.0}
    raw["channels"].append({**extra, "response": {"saturation": power}})


def _offset(raw: Raw, rng: Rng) -> None:
    _curve(raw, 3)["offset"] = float(rng.uniform(5.0, 15.0))


def _rising_price(raw: Raw, rng: Rng) -> None:
    raw["channels"][1]["price_elasticity"] = float(rng.uniform(0.1, 0.5))


def _draws(raw: Raw, rng: Rng) -> None:
    for channel in raw["channels"]:
        for arm in channel.get("campaigns") or [channel]:
            if "response" in arm and "draws" not in arm["response"]:
                curve = {k: v for k, v in arm["response"]["saturation"].items() if k != "family"}
                arm["response"]["draws"] = [_drawn(curve, rng) for _ in range(6)]


def _drawn(curve: Raw, rng: Rng) -> Raw:
    """One draw: another size, and parameters of money by a little."""
    size, money = rng.lognormal(0.0, 0.35), rng.lognormal(0.0, 0.15)
    out = dict(curve)
    for key in ("max_response", "coefficient"):
        if key in out:
            out[key] = float(out[key] * size)
    for key in ("half_saturation", "midpoint", "scale"):
        if key in out:
            out[key] = float(out[key] * money)
    if "response" in out:
        out["response"] = (size * np.array(out["response"])).tolist()
    return out


def _what_ifs(raw: Raw, rng: Rng) -> None:
    """One less (or more) effective, one dearer (or cheaper), one lost, of which rules speak on."""
    raw["channels"][0]["effectiveness"] = float(rng.uniform(0.7, 1.3))
    raw["channels"][1]["price"] = float(rng.uniform(0.8, 1.3))
    curve = {"family": "hill", "max_response": 50.0, "half_saturation": 20.0, "shape": 1.4}
    lost = {"channel": "lost", "exclude": True, "current_spend": 9.0}
    raw["channels"].append({**lost, "response": {"saturation": curve}})
    for rule in raw.get("constraints", []):
        if "coefficients" in rule:
            rule["coefficients"].append({"channel": "lost", "coefficient": 0.5})
        elif "max_active" not in rule:
            rule["channels"].append("lost")


def _like(raw: Raw, rng: Rng) -> None:
    new = {"channel": "new", "like": "a", "scale": float(rng.uniform(0.3, 0.6)), "max_spend": 20.0}
    raw["channels"].append({**new, "uncertainty": 1.5})


# -- limits of channels -------------------------------------------------------------------------


def _bounds(raw: Raw, rng: Rng) -> None:
    raw["channels"][0].update(min_spend=12.0, max_spend=float(rng.uniform(32, 45)))
    raw["channels"][2].update(max_change=0.4)


def _locked(raw: Raw, rng: Rng) -> None:
    del rng
    raw["channels"][1]["locked"] = True


def _minimum(raw: Raw, rng: Rng) -> None:
    raw["channels"][0]["minimum_if_active"] = float(rng.uniform(22, 29))
    for arm in raw["channels"][3].get("campaigns", [raw["channels"][3]])[-1:]:
        arm["minimum_if_active"] = 7.0


def _lots(raw: Raw, rng: Rng) -> None:
    raw["channels"][2]["increment"] = float(rng.choice([2.5, 5.0]))


def _campaigns(raw: Raw, rng: Rng) -> None:
    """The last of the four channels becomes two campaigns with limits on both levels."""
    channel = raw["channels"][3]
    response = channel.pop("response")
    other = deepcopy(response)
    curve = other["saturation"]
    for key in ("max_response", "coefficient"):
        if key in curve:
            curve[key] = float(curve[key] * rng.uniform(0.4, 0.9))
    channel["max_spend"] = 40.0
    channel["campaigns"] = [
        {"channel": "x", "current_spend": 12.0, "min_spend": 2.0, "response": response},
        {"channel": "y", "current_spend": 8.0, "max_spend": 25.0, "response": other},
    ]


# -- rules over channels ------------------------------------------------------------------------


def _group(raw: Raw, rng: Rng) -> None:
    _rule(raw, "group", channels=["a", "b"], max_spend=float(rng.uniform(55, 60)))
    _rule(raw, "other group", channels=["c", "d"], min_spend=float(rng.uniform(30, 40)))


def _shares(raw: Raw, rng: Rng) -> None:
    _rule(raw, "cap", channels=["a"], max_share=float(rng.uniform(0.3, 0.36)))
    _rule(raw, "floor", channels=["b", "d"], min_share=float(rng.uniform(0.35, 0.45)))


def _coefficients(raw: Raw, rng: Rng) -> None:
    carbon = {"a": 0.2, "b": 0.5, "c": 0.3, "d": 0.1}
    terms = [{"channel": n, "coefficient": c} for n, c in carbon.items()]
    _rule(raw, "carbon", coefficients=terms, max=float(rng.uniform(28.5, 31)))
    ratio = [{"channel": "a", "coefficient": 1.0}, {"channel": "d", "coefficient": -2.0}]
    _rule(raw, "ratio", coefficients=ratio, max=0.0)


def _max_active(raw: Raw, rng: Rng) -> None:
    _rule(raw, "count", channels=["a", "b", "c", "d"], max_active=int(rng.integers(2, 4)))


def _per_period(raw: Raw, rng: Rng) -> None:
    count = {"per_period": True, "max_active": int(rng.integers(2, 4))}
    _rule(raw, "at once", channels=["a", "b", "c", "d"], **count)
    _rule(raw, "second", channels=["b", "c"], per_period=True, max_active=1, periods=[2])


def _flight(raw: Raw, rng: Rng) -> None:
    """One channel that runs for two periods or not at all, one that starts once."""
    raw["channels"][0]["flight"] = {"min_on": 2, "min_off": int(rng.integers(1, 3))}
    raw["channels"][3]["flight"] = {"max_flights": 1}


def _group_targets(raw: Raw, rng: Rng) -> None:
    """Of what two channels bring today: a little less, and a return that one of them keeps."""
    now = _now(raw)
    _rule(raw, "brand", channels=["a", "b"], min_outcome=0.9 * _brought(raw, now, ["a", "b"]))
    spend = sum(30.0 for _ in range(now.shape[2]))
    least = float(rng.uniform(0.7, 0.95)) * _brought(raw, now, ["a"]) / spend
    worth = raw.get("objective", {}).get("value_per_outcome", 1.0)
    _rule(raw, "return", channels=["a"], min_roas=least * worth)


def _brought(raw: Raw, plan: np.ndarray, names: list[str]) -> float:
    """What channels bring, half of their interactions included."""
    return float(counted(raw, plan, careful=False, of=names)[0])


def _ceilings(raw: Raw, rng: Rng) -> None:
    """Of a channel less than it brings today, of it and another nearly what they bring together."""
    now = _now(raw)
    raw["channels"][1]["max_outcome"] = float(rng.uniform(0.7, 0.9)) * _brought(raw, now, ["b"])
    both = float(rng.uniform(0.85, 1.0)) * _brought(raw, now, ["b", "c"])
    _rule(raw, "stock", channels=["b", "c"], max_outcome=both)


def _split(raw: Raw, rng: Rng) -> None:
    """Two channels that keep their parts of what they spend together."""
    share = float(rng.uniform(0.45, 0.6))
    _rule(raw, "regions", channels=["c", "d"], split=[share, 1.0 - share])


def _margins(raw: Raw, rng: Rng) -> None:
    """Outcomes of two channels are worth more and less than the others."""
    raw["channels"][0]["value_per_outcome"] = float(rng.uniform(1.2, 1.6))
    raw["channels"][2]["value_per_outcome"] = float(rng.uniform(0.6, 0.9))
    _goal(raw, goal="maximize_profit", value_per_outcome=float(rng.uniform(0.9, 1.2)))
    _free_budget(raw)


def _penalty(raw: Raw, rng: Rng) -> None:
    raw["channels"][0]["penalty_per_unit"] = float(rng.uniform(0.1, 0.4))
    raw["channels"][3]["penalty_per_unit"] = float(rng.uniform(0.0, 0.2))


def _reserve(raw: Raw, rng: Rng) -> None:
    raw["test_reserve"] = float(rng.choice([0.05, 0.1]))


def _cap(raw: Raw, rng: Rng) -> None:
    del rng
    raw["spend_all"] = False


# -- over time ----------------------------------------------------------------------------------


def _mode(mode: str) -> Change:
    def change(raw: Raw, rng: Rng) -> None:
        del rng
        raw["horizon"]["mode"] = mode

    return change


def _prior(raw: Raw, rng: Rng) -> None:
    last = "d/x" if "campaigns" in raw["channels"][3] else "d"
    amounts = {"a": [float(rng.uniform(20, 60)), 10.0], "b": 25.0, last: [15.0]}
    raw["horizon"]["prior_spend"] = amounts


def _seasons(raw: Raw, rng: Rng) -> None:
    periods = raw["horizon"]["periods"]
    raw["channels"][0]["period_weights"] = rng.uniform(0.5, 1.8, periods).tolist()
    raw["channels"][3]["period_weights"] = rng.uniform(0.7, 1.3, periods).tolist()
    for campaign in raw["channels"][3].get("campaigns", [])[:1]:
        campaign["period_weights"] = rng.uniform(0.7, 1.3, periods).tolist()


def _long_term(raw: Raw, rng: Rng) -> None:
    weight = float(rng.uniform(0.3, 0.9))
    if raw.get("objective", {}).get("goal") == "weighted_sum":
        raw["objective"]["weights"]["long_term"] = weight
    else:
        _goal(raw, long_term_weight=weight)


def _pacing(raw: Raw, rng: Rng) -> None:
    raw["horizon"]["pacing"] = {"max_change": float(rng.uniform(0.15, 0.4))}


def _period_budgets(raw: Raw, rng: Rng) -> None:
    even = raw["horizon"].get("mode") == "constant"
    uneven = float(rng.uniform(5, 15))
    raw["period_budgets"] = [BUDGET, BUDGET] if even else [BUDGET - uneven, BUDGET + uneven]
    del raw["budget"]


def _totals(raw: Raw, rng: Rng) -> None:
    raw["channels"][0]["max_total"] = float(rng.uniform(60, 70))
    raw["channels"][2]["min_total"] = float(rng.uniform(40, 50))
    _rule(raw, "both", channels=["b", "d"], min_total=70.0, max_total=110.0)


def _by_period(raw: Raw, rng: Rng) -> None:
    """A channel that cannot run, spend that is booked, dearer media, a floor: in some periods."""
    raw["channels"][0]["periods"] = [{"from": 2, "to": 2, "max_spend": 0}]
    booked = {"from": 1, "spend": float(rng.uniform(18, 24)), "note": "booked"}
    raw["channels"][1]["periods"] = [{"from": 1, "to": 2, "max_spend": 60.0}, booked]
    dearer = {"from": 1, "to": 1, "price": float(rng.uniform(1.1, 1.4))}
    raw["channels"][2]["periods"] = [dearer]
    raw["channels"][3]["periods"] = [{"from": 2, "min_spend": 12.0}, {"from": 2, "price": 0.9}]


def _windows(raw: Raw, rng: Rng) -> None:
    """A third period; caps for the first two together and for the last."""
    raw["horizon"]["periods"] = 3
    raw["budget"] *= 1.5
    early = {"from": 1, "to": 2, "budget": 2 * BUDGET, "min": float(rng.uniform(120, 150))}
    raw["budget_windows"] = [early, {"from": 3, "budget": float(rng.uniform(105, 125))}]


def _rule_periods(raw: Raw, rng: Rng) -> None:
    _rule(raw, "early", channels=["a", "b"], max_spend=float(rng.uniform(45, 54)), periods=[1])
    late = [{"from": 2, "to": 2}]
    _rule(raw, "late", channels=["c", "d"], min_total=float(rng.uniform(46, 52)), periods=late)


def _discount(raw: Raw, rng: Rng) -> None:
    raw["horizon"]["discount_rate"] = float(rng.uniform(0.02, 0.2))


def _goes_on(raw: Raw, rng: Rng) -> None:
    del rng
    raw["horizon"]["then"] = "continue"


def _change(raw: Raw, rng: Rng) -> None:
    """The budget that is asked for, said by what is spent today."""
    del raw["budget"]
    raw["budget_change"] = float(rng.uniform(-0.05, 0.15))


def _least_budget(raw: Raw, rng: Rng) -> None:
    if "period_budgets" not in raw:
        raw["budget_min"] = 0.5 * BUDGET * float(rng.uniform(0.8, 1.0))


def _keep(raw: Raw, rng: Rng) -> None:
    """Only what comes on top of today is placed: there must be something."""
    more = float(rng.uniform(1.1, 1.3))
    for field in ("budget", "budget_change"):
        if field in raw:
            raw[field] = more * raw[field] if field == "budget" else raw[field] + 0.3
    if "period_budgets" in raw:
        raw["period_budgets"] = [1.3 * x for x in raw["period_budgets"]]
    for window in raw.get("budget_windows", []):
        window["budget"] *= 1.4
    raw["keep_current"] = True


# -- what is to be best -------------------------------------------------------------------------


def _interactions(raw: Raw, rng: Rng) -> None:
    both = float(rng.uniform(20, 40))
    raw["interactions"] = [
        {"channels": ["a", "b"], "strength": both},
        {"channels": ["c", "a"], "strength": -both / 2},
    ]


def _risk(measure: str, **fields: float | str) -> Change:
    def change(raw: Raw, rng: Rng) -> None:
        _draws(raw, rng)
        raw["risk"] = {"measure": measure, **fields}

    return change


def _profit(raw: Raw, rng: Rng) -> None:
    _goal(raw, goal="maximize_profit", value_per_outcome=float(rng.uniform(0.8, 1.2)))
    _free_budget(raw)


def _marginal(raw: Raw, rng: Rng) -> None:
    """As far as the next unit brings what today's average one brings, or less."""
    _goal(raw, target_marginal_return=float(rng.uniform(0.5, 1.0)) * _returned(raw))
    _free_budget(raw)
    raw.pop("spend_all", None)


def _weighted(raw: Raw, rng: Rng) -> None:
    weights = {"outcome": float(rng.uniform(0.5, 1.0)), "profit": 0.5, "spend": 0.2}
    _goal(raw, goal="weighted_sum", weights=weights, value_per_outcome=0.9)
    _free_budget(raw)


def _reach(raw: Raw, rng: Rng) -> None:
    """A cap that today's plan keeps."""
    often = [
        frequency(raw, place, arm, float(spend))
        for (place, arm), spend in zip(arms_of(raw), _now(raw)[0, :, 0], strict=True)
    ]
    most = max([x for x in often if np.isfinite(x)], default=1.0)
    _goal(raw, goal="maximize_reach", max_frequency=most * float(rng.uniform(1.0, 1.2)))


def _now(raw: Raw) -> np.ndarray:
    now = today(raw)
    assert now is not None
    return now


def _least(raw: Raw, rng: Rng) -> None:
    _goal(raw, goal="minimize_spend")
    capped = raw.get("spend_all")
    _free_budget(raw)
    if capped is None:
        raw.pop("spend_all", None)  # a budget beside the least spend is a cap anyway
    _target_outcome(raw, rng)


def _target_outcome(raw: Raw, rng: Rng) -> None:
    careful = raw.get("objective", {}).get("goal") == "minimize_spend"
    reached = float(counted(raw, _now(raw), careful=careful)[0])
    _goal(raw, target_outcome=reached * float(rng.uniform(0.85, 0.97)))


def _returned(raw: Raw) -> float:
    """Today's outcome for one unit of money."""
    return float(counted(raw, _now(raw), careful=False)[0] / money_of(raw, _now(raw))[0])


def _target_roas(raw: Raw, rng: Rng) -> None:
    worth = raw.get("objective", {}).get("value_per_outcome", 1.0)
    _goal(raw, target_roas=worth * _returned(raw) * float(rng.uniform(0.97, 1.03)))


def _target_cpa(raw: Raw, rng: Rng) -> None:
    _goal(raw, target_cpa=float(rng.uniform(0.97, 1.03)) / _returned(raw))


def _several(raw: Raw, rng: Rng) -> None:
    """Two outcomes of every spend, which add up to about the one that it had."""
    share, weight = float(rng.uniform(0.5, 0.7)), float(rng.uniform(0.3, 2.0))
    for channel in raw["channels"]:
        first = channel.pop("response", None)
        if first is None:  # campaigns, or the curve of another
            first = deepcopy(raw["channels"][0]["responses"][0])
            first.pop("outcome")
        other = deepcopy(first)
        for response, part in ((first, share), (other, (1.0 - share) / weight)):
            for curve in [response["saturation"], *response.get("draws", [])]:
                for key in ("max_response", "coefficient", "offset"):
                    if key in curve:
                        curve[key] *= part
                if "response" in curve:
                    curve["response"] = (part * np.array(curve["response"])).tolist()
        other.pop("adstock", None)
        both = ({"outcome": "new", **first}, {"outcome": "returning", **other})
        channel["responses"] = list(both)
    _goal(raw, outcomes=[{"outcome": "new"}, {"outcome": "returning", "weight": weight}])
    *_, one = by_outcome(raw)[1]
    reached = float(counted(one, _now(raw), careful=False)[0])
    raw["objective"]["outcomes"][1]["min"] = reached * float(rng.uniform(0.7, 0.9))


def _method(raw: Raw, rng: Rng) -> None:
    raw["solver"]["method"] = str(rng.choice(["slsqp", "gradient", "piecewise"]))


FEATURES: dict[str, Change] = {
    "s_curves": _s_curves,
    "tabulated": _tabulated,
    "no_ceiling": _no_ceiling,
    "convex": _convex,
    "offset": _offset,
    "rising_price": _rising_price,
    "campaigns": _campaigns,
    "bounds": _bounds,
    "locked": _locked,
    "minimum_if_active": _minimum,
    "increment": _lots,
    "like": _like,
    "group": _group,
    "shares": _shares,
    "coefficients": _coefficients,
    "max_active": _max_active,
    "per_period": _per_period,
    "flight": _flight,
    "test_reserve": _reserve,
    "cap": _cap,
    "time_varying": _mode("time_varying"),
    "constant": _mode("constant"),
    "fixed_shares": _mode("fixed_shares"),
    "sequential": _mode("sequential"),
    "windows": _windows,
    "prior_spend": _prior,
    "period_weights": _seasons,
    "pacing": _pacing,
    "period_budgets": _period_budgets,
    "totals": _totals,
    "by_period": _by_period,
    "rule_periods": _rule_periods,
    "discount": _discount,
    "then": _goes_on,
    "budget_change": _change,
    "budget_min": _least_budget,
    "keep_current": _keep,
    "what_ifs": _what_ifs,
    "interactions": _interactions,
    "draws": _draws,
    "mean_minus_sd": _risk("mean_minus_sd", aversion=0.8),
    "quantile": _risk("quantile", level=0.3),
    "cvar": _risk("cvar", level=0.4),
    "worst_case": _risk("worst_case"),
    "uplift": _risk("mean_minus_sd", aversion=0.8, of="uplift"),
    "marginal_return": _marginal,
    "maximize_profit": _profit,
    "margins": _margins,
    "weighted_sum": _weighted,
    "maximize_reach": _reach,
    "long_term": _long_term,
    "minimize_spend": _least,
    "target_outcome": _target_outcome,
    "target_roas": _target_roas,
    "target_cpa": _target_cpa,
    "group_targets": _group_targets,
    "ceilings": _ceilings,
    "penalty": _penalty,
    "split": _split,
    "method": _method,
    "responses": _several,
}
"""Changes by feature, in the order in which they are made."""

OVER_TIME = {
    *("time_varying", "constant", "fixed_shares", "sequential"),
    *("prior_spend", "period_weights", "pacing", "period_budgets", "totals", "long_term"),
    *("windows", "by_period", "rule_periods", "discount", "per_period", "flight", "then"),
}
"""Features of plans over several periods."""

ONE_OF: tuple[tuple[str, ...], ...] = (
    ("time_varying", "constant", "fixed_shares", "sequential"),
    ("mean_minus_sd", "quantile", "cvar", "worst_case", "uplift"),
    (
        *("maximize_profit", "margins", "weighted_sum", "maximize_reach"),
        *("minimize_spend", "marginal_return"),
    ),
    ("period_budgets", "windows"),
    ("period_budgets", "budget_change"),
    ("period_budgets", "budget_min"),
    ("minimize_spend", "target_outcome"),  # whose own field it is
)
"""Values of one field: no request can have two of them."""


def compatible(names: Collection[str]) -> bool:
    """Whether the contract allows these features together."""
    apart = any(len(set(group) & set(names)) > 1 for group in ONE_OF)
    return not apart and not any(set(pair) <= set(names) for pair in REFUSED_PAIRS)


def pairs() -> list[tuple[str, str]]:
    """Every pair of features that go together."""
    return [pair for pair in combinations(FEATURES, 2) if compatible(pair)]


def build(names: Collection[str], seed: int = 0) -> Raw:
    """The request with these features; another seed has other figures.

    A feature has the same figures whatever stands beside it, so that a mixture can be taken apart.
    """
    raw = _base(np.random.default_rng(seed))
    if OVER_TIME & set(names):
        _over_time(raw)
    for name, change in FEATURES.items():
        if name in names:
            change(raw, np.random.default_rng([seed, zlib.crc32(name.encode())]))
    if "what_ifs" in names and "draws" not in raw["channels"][1].get("response", {"draws": []}):
        raw["channels"][1].update(raw["channels"][1].pop("response"))  # the short form
    return raw


# -- what the contract refuses ------------------------------------------------------------------

REFUSED_PAIRS: dict[tuple[str, str], str] = {
    ("maximize_reach", "s_curves"): "/channels/0/response/saturation",
    ("maximize_reach", "no_ceiling"): "/channels/3/response/saturation",
    ("fixed_shares", "windows"): "/budget_windows",
    ("constant", "flight"): "/channels/0/flight",
    ("fixed_shares", "flight"): "/channels/3/flight",
    ("sequential", "flight"): "/channels/0/flight",
    ("then", "sequential"): "/horizon/then",
    ("then", "long_term"): "/horizon/then",
    ("then", "offset"): "/channels/3/response/saturation/offset",
    ("then", "minimize_spend"): "/objective/target_outcome",
    ("then", "target_outcome"): "/objective/target_outcome",
    ("then", "target_roas"): "/objective/target_roas",
    ("then", "target_cpa"): "/objective/target_cpa",
    ("then", "group_targets"): "/constraints/0/min_outcome",
    ("then", "ceilings"): "/channels/1/max_outcome",
    ("then", "responses"): "/objective/outcomes/1/min",
    ("responses", "campaigns"): "/channels/3/campaigns",
    ("responses", "like"): "/channels/4/like",
    ("responses", "interactions"): "/interactions",
    ("responses", "rising_price"): "/channels/1/price_elasticity",
    ("responses", "maximize_reach"): "/objective/outcomes",
    ("ceilings", "minimize_spend"): "/channels/1/max_outcome",
    ("ceilings", "margins"): "/channels/1/max_outcome",
    ("ceilings", "sequential"): "/channels/1/max_outcome",
    **{
        ("ceilings", measure): "/channels/1/max_outcome"
        for measure in ("mean_minus_sd", "quantile", "cvar", "worst_case", "uplift")
    },
    ("sequential", "uplift"): "/risk/of",
    ("maximize_reach", "convex"): "/channels/4/response/saturation",
    ("maximize_reach", "rising_price"): "/channels/1/response/saturation",
    ("s_curves", "rising_price"): "/channels/1/price_elasticity",
    ("offset", "long_term"): "/channels/3/response/saturation/offset",
}
"""Features that exclude each other, and where the refusal points: reach needs concave curves of
which the first unit of money buys so many impressions and no more, and a sigmoid at a price that
rises would turn twice."""


def _as_it_is(raw: Raw) -> None:
    del raw


@dataclass(frozen=True)
class Refused:
    """A request of ``features``, changed so that the contract refuses it at ``pointer``."""

    features: tuple[str, ...]
    pointer: str
    change: Callable[[Raw], None] = _as_it_is


def _put(*path: str | int, value: Any) -> Callable[[Raw], None]:
    def change(raw: Raw) -> None:
        inner: Any = raw
        for step in path[:-1]:
            inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
        inner[path[-1]] = value

    return change


def _drop(*names: str) -> Callable[[Raw], None]:
    def change(raw: Raw) -> None:
        for name in names:
            raw.pop(name, None)

    return change


def _one_period(raw: Raw) -> None:
    raw["horizon"]["periods"] = 1


REFUSED: dict[str, Refused] = {
    **{" and ".join(pair): Refused(pair, where) for pair, where in REFUSED_PAIRS.items()},
    "interaction of a curve without a ceiling": Refused(
        ("interactions", "no_ceiling"),
        "/interactions/0/channels/1",
        _put("interactions", 0, "channels", value=["a", "d"]),
    ),
    "interaction of a curve with an offset": Refused(
        ("interactions", "offset"),
        "/interactions/0/channels/1",
        _put("interactions", 0, "channels", value=["a", "d"]),
    ),
    "flight of one period": Refused(("flight",), "/channels/0/flight", _one_period),
    "flight of nothing": Refused(
        ("flight",), "/channels/3/flight", _put("channels", 3, "flight", value={})
    ),
    "flight of a campaign": Refused(
        ("flight", "campaigns"),
        "/channels/3/campaigns/0/flight",
        _put("channels", 3, "campaigns", 0, "flight", value={"min_on": 2}),
    ),
    "by period without a count": Refused(
        ("group", "time_varying"),
        "/constraints/0/max_active",
        _put("constraints", 0, "per_period", value=True),
    ),
    "a count of some periods together": Refused(
        ("max_active", "time_varying"),
        "/constraints/0/max_active",
        _put("constraints", 0, "periods", value=[1]),
    ),
    "prior spend of one period": Refused(("prior_spend",), "/horizon/prior_spend", _one_period),
    "long term of one period": Refused(("long_term",), "/objective/long_term_weight", _one_period),
    "long term in a sum of one period": Refused(
        ("weighted_sum", "long_term"), "/objective/weights/long_term", _one_period
    ),
    "long_term_weight beside weights": Refused(
        ("weighted_sum", "time_varying"),
        "/objective/long_term_weight",
        _put("objective", "long_term_weight", value=0.5),
    ),
    "two budgets to the cent": Refused(
        ("period_budgets",), "/period_budgets", _put("budget", value=200.0)
    ),
    "constant under uneven budgets": Refused(
        ("constant", "period_budgets"),
        "/period_budgets",
        _put("period_budgets", value=[90.0, 110.0]),
    ),
    "period budgets of fewer periods": Refused(
        ("period_budgets",), "/period_budgets", _put("period_budgets", value=[90.0])
    ),
    "fixed shares of nothing": Refused(
        ("fixed_shares", "maximize_profit"), "/horizon/mode", _drop("budget")
    ),
    "reserve of nothing": Refused(
        ("test_reserve", "maximize_profit"), "/test_reserve", _drop("budget")
    ),
    "outcome without a budget": Refused((), "/budget", _drop("budget")),
    "reach without a budget": Refused(("maximize_reach",), "/budget", _drop("budget")),
    "least spend that is all of it": Refused(
        ("minimize_spend", "test_reserve"), "/spend_all", _put("spend_all", value=True)
    ),
    "least spend of nothing": Refused(
        ("minimize_spend",),
        "/objective/target_outcome",
        lambda raw: raw["objective"].pop("target_outcome"),
    ),
    "a measure without draws": Refused((), "/risk/measure", _put("risk", "measure", value="cvar")),
    "a level of the worst case": Refused(
        ("worst_case",), "/risk/level", _put("risk", "level", value=0.1)
    ),
    "a frequency of no reach": Refused(
        (), "/objective/max_frequency", _put("objective", "max_frequency", value=2.0)
    ),
    "weights of no sum": Refused(
        (), "/objective/weights", _put("objective", "weights", value={"outcome": 1.0})
    ),
    "a worth that nothing counts": Refused(
        (), "/objective/value_per_outcome", _put("objective", "value_per_outcome", value=2.0)
    ),
    "a curve above campaigns": Refused(
        ("campaigns",),
        "/channels/3/saturation",
        _put(
            "channels",
            3,
            "saturation",
            value={"family": "power", "coefficient": 1.0, "exponent": 0.5},
        ),
    ),
    "earlier spend above campaigns": Refused(
        ("campaigns", "prior_spend"),
        "/horizon/prior_spend/d",
        _put("horizon", "prior_spend", "d", value=[3.0]),
    ),
    "like campaigns": Refused(
        ("like", "campaigns"), "/channels/4/like", _put("channels", 4, "like", value="d")
    ),
    "a rule called budget": Refused(
        ("group",), "/constraints/0/name", _put("constraints", 0, "name", value="budget")
    ),
    "sum and linear rule in one": Refused(
        ("coefficients",),
        "/constraints/0/max_spend",
        _put("constraints", 0, "max_spend", value=9.0),
    ),
    "a lot above the ceiling": Refused(
        ("bounds", "increment"),
        "/channels/2/increment",
        _put("channels", 2, "max_spend", value=2.0),
    ),
    "locked between lots": Refused(
        ("locked", "increment"),
        "/channels/1/increment",
        _put("channels", 1, "increment", value=7.0),
    ),
    "locked at an unknown spend": Refused(
        ("locked",),
        "/channels/1/current_spend",
        lambda raw: raw["channels"][1].pop("current_spend"),
    ),
    "weights of other periods": Refused(
        ("period_weights",), "/channels/0/period_weights", _put("horizon", "periods", value=3)
    ),
    "multipliers of many rules": Refused(
        ("shares",), "/solver/method", _put("solver", "method", value="lagrangian")
    ),
    "draws of some": Refused(
        ("draws",),
        "/channels/0/response/draws",
        lambda raw: raw["channels"][0]["response"].pop("draws"),
    ),
}
"""What the contract says cannot be asked, each the smallest request that asks it."""
