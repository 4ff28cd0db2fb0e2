"""The contract's meaning of a request, written out again from its tables, for many plans at once.

Shares nothing with ``shared``: requests are raw JSON, plans are arrays (N, A, T) of money by arm
(channels, or campaigns below them) and period. Slow and plain on purpose.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "Limit",
    "Raw",
    "allowed",
    "arms_of",
    "every_plan",
    "limits",
    "objective",
    "outcomes",
    "periods_of",
]

Raw = dict[str, Any]
HAIR = 1e-9


def periods_of(raw: Raw) -> int:
    return int(raw.get("horizon", {}).get("periods", 1))


def arms_of(raw: Raw) -> list[tuple[int, Raw]]:
    """Each arm with the place of its channel."""
    return [
        (i, arm)
        for i, channel in enumerate(raw["channels"])
        for arm in channel.get("campaigns") or [channel]
    ]


# -- what a plan brings -------------------------------------------------------------------------


def _saturated(curve: Raw, x: np.ndarray) -> np.ndarray:
    top = curve.get("max_response", 0.0)
    family = curve["family"]
    if family == "hill":
        return (
            top
            * x ** curve["shape"]
            / (curve["half_saturation"] ** curve["shape"] + x ** curve["shape"])
        )
    if family == "exponential":
        return top * (1 - np.exp(-curve["rate"] * x))
    if family == "logistic":
        return top * (1 - np.exp(-curve["rate"] * x)) / (1 + np.exp(-curve["rate"] * x))
    if family == "michaelis_menten":
        return top * x / (curve["half_saturation"] + x)
    if family == "sigmoid":
        steep, middle = curve["steepness"], curve["midpoint"]
        start = 1 / (1 + math.exp(steep * middle))
        return top * (1 / (1 + np.exp(-steep * (x - middle))) - start) / (1 - start)
    if family == "logarithmic":
        return curve["coefficient"] * np.log(1 + x / curve.get("scale", 1.0))
    if family == "power":
        return curve["coefficient"] * x ** curve["exponent"]
    raise AssertionError(family)


def _carryover(adstock: Raw | None, length: int) -> np.ndarray:
    """Weights of the spend of so many periods ago; all of them sum to one where normalised."""
    if adstock is None:
        return np.array([1.0] + [0.0] * (length - 1))
    ages = np.arange(length, dtype=float)
    ends = adstock.get("length", 10_000)
    each = np.arange(ends, dtype=float)
    if adstock["family"] == "geometric":
        every = adstock["decay"] ** each
    elif adstock["family"] == "delayed":
        every = adstock["decay"] ** ((each - adstock["peak"]) ** 2)
    elif adstock["family"] == "weibull_pdf":
        k, s = adstock["shape"], adstock["scale"]
        t = each + 1
        every = k / s * (t / s) ** (k - 1) * np.exp(-((t / s) ** k))
        every = every / every.max()
    else:
        left = np.exp(-((each / adstock["scale"]) ** adstock["shape"]))  # 1 - CDF
        every = np.cumprod(left)
    if adstock.get("normalised"):
        every = every / every.sum()
    out = np.zeros(length)
    out[: min(length, ends)] = every[:length]
    return out[ages.astype(int)]


def _prior(raw: Raw, place: int, arm: Raw) -> list[float]:
    channel = raw["channels"][place]
    prior = raw.get("horizon", {}).get("prior_spend", {}).get(channel["channel"], [])
    if not channel.get("campaigns"):
        return list(prior)
    today = sum(c.get("current_spend", 0.0) for c in channel["campaigns"])
    return [x * arm.get("current_spend", 0.0) / today for x in prior]


def _adstocked(raw: Raw, plans: np.ndarray, tail: int) -> np.ndarray:
    """(N, A, T + tail) adstocked spend."""
    count, arms, periods = plans.shape
    if periods == 1:  # spend sustained every period
        whole = [
            _carryover(arm["response"].get("adstock"), 10_000).sum() for _, arm in arms_of(raw)
        ]
        return plans * np.array(whole)[:, None]
    out = np.zeros((count, arms, periods + tail))
    for a, (place, arm) in enumerate(arms_of(raw)):
        before = _prior(raw, place, arm)
        weights = _carryover(arm["response"].get("adstock"), periods + tail + len(before))
        for h in range(periods + tail):
            for t in range(min(h + 1, periods)):
                out[:, a, h] += weights[h - t] * plans[:, a, t]
            for j, spend in enumerate(reversed(before), start=1):
                out[:, a, h] += weights[h + j] * spend
    return out


def _curves(arm: Raw) -> list[Raw]:
    curve = arm["response"]["saturation"]
    return [{"family": curve["family"], **d} for d in arm["response"].get("draws", [])] or [curve]


def outcomes(raw: Raw, plans: np.ndarray, tail: int = 0) -> np.ndarray:
    """(S, N, T + tail) of all arms together, in every draw; the mean season after the horizon."""
    z = _adstocked(raw, plans, tail)
    draws = max(len(_curves(arm)) for _, arm in arms_of(raw))
    total = np.zeros((draws, z.shape[0], z.shape[2]))
    level: dict[str, np.ndarray] = {}
    seasons: dict[str, np.ndarray] = {}
    for a, (place, arm) in enumerate(arms_of(raw)):
        own = arm.get("period_weights") or raw["channels"][place].get("period_weights")
        season = np.array(own or [1.0] * plans.shape[2])
        season = np.concatenate((season, np.full(tail, season.mean())))
        each = np.stack([_saturated(c, z[:, a]) for c in _curves(arm)])
        total += season * each
        tops = np.mean([c.get("max_response", math.inf) for c in _curves(arm)])
        level[arm["channel"]] = each.mean(axis=0) / tops
        seasons[arm["channel"]] = season
    for pair in raw.get("interactions", []):
        one, other = pair["channels"]
        both = np.sqrt(seasons[one] * seasons[other])
        total += pair["strength"] * both * level[one] * level[other]
    return total


def objective(raw: Raw, plans: np.ndarray, tail: int = 60) -> np.ndarray:
    """(N,) what is maximised (minus the money for the least spend)."""
    goal = raw.get("objective", {})
    long_term = goal.get("long_term_weight", 0.0)
    by_draw = outcomes(raw, plans, tail if long_term else 0)
    periods = plans.shape[2]
    each = by_draw[:, :, :periods].sum(axis=2) + long_term * by_draw[:, :, periods:].sum(axis=2)
    outcome = _measured(raw.get("risk", {}), each)
    spend = plans.sum(axis=(1, 2))
    if goal.get("goal") == "maximize_profit":
        return goal["value_per_outcome"] * outcome - spend
    return -spend if goal.get("goal") == "minimize_spend" else outcome


def _measured(risk: Raw, each: np.ndarray) -> np.ndarray:
    """(N,) from outcomes (S, N)."""
    kind, level = risk.get("measure", "expected"), risk.get("level", 0.1)
    if kind == "mean_minus_sd":
        return each.mean(axis=0) - risk.get("aversion", 1.0) * each.std(axis=0)
    if kind == "worst_case":
        return each.min(axis=0)
    if kind == "quantile":
        return np.quantile(each, level, axis=0)
    if kind == "cvar":
        ordered, mass = np.sort(each, axis=0), level * each.shape[0]
        parts = np.clip(mass - np.arange(each.shape[0]), 0.0, 1.0)
        return (parts[:, None] * ordered).sum(axis=0) / mass
    return each.mean(axis=0)


# -- what is allowed ----------------------------------------------------------------------------


def allowed(raw: Raw, plans: np.ndarray, slack: float = HAIR) -> np.ndarray:
    """(N,) whether each plan keeps every rule, to ``slack`` of the money at stake."""
    size = float(sum(raw.get("period_budgets", [raw.get("budget", 0.0)]))) or 1.0
    hair = slack * size
    ok = np.ones(len(plans), dtype=bool)
    for rule in limits(raw, plans):
        within = (rule.value >= rule.low - hair) & (rule.value <= rule.high + hair)
        ok &= np.all(within, axis=1)
    for a, (_, arm) in enumerate(arms_of(raw)):
        x = plans[:, a]
        if arm.get("locked"):
            continue
        least = arm.get("minimum_if_active", 0.0)
        ok &= np.all((x <= hair) | (x >= least - hair), axis=1)
        if lot := arm.get("increment", 0.0):
            ok &= np.all(np.abs(x / lot - np.round(x / lot)) * lot <= hair, axis=1)
    for count in raw.get("constraints", []):
        if "max_active" in count:
            active = [np.any(_of(raw, plans, [n]) > hair, axis=1) for n in count["channels"]]
            ok &= np.sum(active, axis=0) <= count["max_active"]
    return ok & _targets(raw, plans, slack)


def _of(raw: Raw, plans: np.ndarray, names: list[str]) -> np.ndarray:
    """(N, T) money of the named channels."""
    places = [a for a, (i, _) in enumerate(arms_of(raw)) if raw["channels"][i]["channel"] in names]
    return plans[:, places].sum(axis=1)


@dataclass(frozen=True)
class Limit:
    """``low <= value <= high``, each (N, .) or a number; ``names`` are those of the two sides."""

    names: tuple[str, str]
    low: Any
    value: np.ndarray
    high: Any


def limits(raw: Raw, plans: np.ndarray) -> Iterator[Limit]:
    """Every linear rule of a request, under the name that an answer has for it."""
    everything = plans.sum(axis=1)
    whole = everything.sum(axis=1, keepdims=True)
    kept = 1.0 - raw.get("test_reserve", 0.0)
    exact = raw.get("spend_all", True)
    if raw.get("objective", {}).get("goal") == "minimize_spend":
        exact = False
    if "budget" in raw:
        limit = kept * raw["budget"]
        yield Limit(("budget", "budget"), limit if exact else 0.0, whole, limit)
    for t, given in enumerate(raw.get("period_budgets", [])):
        limit, name = kept * given, f"budget[{t + 1}]"
        yield Limit((name, name), limit if exact else 0.0, everything[:, t : t + 1], limit)
    for a, (place, arm) in enumerate(arms_of(raw)):
        channel = raw["channels"][place]
        above = f"{channel['channel']}/" if channel.get("campaigns") else ""
        yield from _own(above + arm["channel"], arm, plans[:, a])
    for channel in raw["channels"]:
        x = _of(raw, plans, [channel["channel"]])
        if channel.get("campaigns"):
            yield from _own(channel["channel"], channel, x)
        pace = raw.get("horizon", {}).get("pacing", {}).get("max_change")
        if pace is not None and x.shape[1] > 1 and not channel.get("locked"):
            yield from _paced(channel, x, pace)
    for rule in raw.get("constraints", []):
        for low, value, high in _ruled(raw, plans, rule):
            yield Limit((rule["name"], rule["name"]), low, value, high)


def _paced(channel: Raw, x: np.ndarray, pace: float) -> Iterator[Limit]:
    today = _today(channel)
    before = x[:, :-1]
    if today is not None:
        before = np.concatenate((np.full((len(x), 1), today), before), axis=1)
    for i in range(before.shape[1]):
        t = i + x.shape[1] - before.shape[1]
        name, last = f"pacing.{channel['channel']}[{t + 1}]", before[:, i : i + 1]
        yield Limit((name, name), last * (1 - pace), x[:, t : t + 1], last * (1 + pace))


def _ruled(raw: Raw, plans: np.ndarray, rule: Raw) -> Iterator[tuple[Any, np.ndarray, Any]]:
    everything = plans.sum(axis=1)
    x = _of(raw, plans, rule.get("channels", []))
    yield rule.get("min_spend", -math.inf), x, rule.get("max_spend", math.inf)
    total = x.sum(axis=1, keepdims=True)
    yield rule.get("min_total", -math.inf), total, rule.get("max_total", math.inf)
    if "min_share" in rule:
        yield rule["min_share"] * everything, x, math.inf
    if "max_share" in rule:
        yield -math.inf, x, rule["max_share"] * everything
    linear = np.zeros_like(everything)
    for term in rule.get("coefficients", []):
        linear += term["coefficient"] * _of(raw, plans, [term["channel"]])
    yield rule.get("min", -math.inf), linear, rule.get("max", math.inf)


def _today(channel: Raw) -> float | None:
    if "current_spend" in channel or not channel.get("campaigns"):
        return channel.get("current_spend")
    each = [c.get("current_spend") for c in channel["campaigns"]]
    return None if None in each else sum(each)


def _own(name: str, channel: Raw, x: np.ndarray) -> Iterator[Limit]:
    """The limits of a channel or a campaign of its own; ``x`` (N, T)."""
    today = _today(channel)
    if channel.get("locked"):
        yield Limit((f"{name}.locked", f"{name}.locked"), today, x, today)
    low, high = channel.get("min_spend", 0.0), channel.get("max_spend", math.inf)
    yield Limit((f"{name}.min_spend", f"{name}.max_spend"), low, x, high)
    if "max_change" in channel:
        change, both = channel["max_change"], f"{name}.max_change"
        yield Limit((both, both), today * (1 - change), x, today * (1 + change))
    total = x.sum(axis=1, keepdims=True)
    low, high = channel.get("min_total", 0.0), channel.get("max_total", math.inf)
    yield Limit((f"{name}.min_total", f"{name}.max_total"), low, total, high)


def _targets(raw: Raw, plans: np.ndarray, slack: float) -> np.ndarray:
    goal = raw.get("objective", {})
    ok = np.ones(len(plans), dtype=bool)
    asked = {"target_outcome", "target_roas", "target_cpa"} & goal.keys()
    if not asked:
        return ok
    outcome = outcomes(raw, plans).mean(axis=0).sum(axis=1)
    spend = plans.sum(axis=(1, 2))
    floors = {
        "target_outcome": lambda target: target + 0.0 * spend,
        "target_roas": lambda target: target * spend,
        "target_cpa": lambda target: spend / target,
    }
    for name in asked:
        floor = floors[name](goal[name])
        ok &= outcome >= floor - slack * np.maximum(np.abs(floor), np.abs(outcome))
    return ok


# -- all there are ------------------------------------------------------------------------------


def every_plan(raw: Raw, steps: list[np.ndarray]) -> np.ndarray:
    """All plans (N, A, T) of amounts from ``steps``, one array for each arm, in the mode."""
    periods = periods_of(raw)
    mode = raw.get("horizon", {}).get("mode", "time_varying")
    if periods == 1 or mode in ("time_varying", "sequential"):
        cells = np.array(list(itertools.product(*[s for s in steps for _ in range(periods)])))
        return cells.reshape(len(cells), len(steps), periods)
    cells = np.array(list(itertools.product(*steps)))[:, :, None]
    if mode == "constant":
        return np.repeat(cells, periods, axis=2)
    whole = raw.get("period_budgets") or [raw["budget"] / periods] * periods
    kept = 1.0 - raw.get("test_reserve", 0.0)
    return cells * kept * np.array(whole)  # steps are shares
