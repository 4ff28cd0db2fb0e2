"""The contract's meaning of a request, written out again from its tables, for many plans at once.

Shares nothing with ``shared``: requests are raw JSON, plans are arrays (N, A, T) of money by arm
(channels, or campaigns below them; what is excluded is left out) and period. Slow and plain on
purpose.
"""

from __future__ import annotations

import itertools
import json
import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, cast

import numpy as np

__all__ = [
    "Limit",
    "Raw",
    "affine_rows",
    "allowed",
    "arms_of",
    "beyond",
    "broken",
    "budget_of",
    "by_outcome",
    "channels_of",
    "columns_of",
    "counted",
    "discount",
    "every_plan",
    "faintest",
    "frequency",
    "limits",
    "mode_of",
    "money_of",
    "name_of",
    "objective",
    "outcomes",
    "periods_of",
    "plan_of",
    "spanned",
    "switched",
    "target_slacks",
    "today",
    "unit_plans",
    "when",
]

Raw = dict[str, Any]
HAIR = 1e-9
FAINT = 1e-40
"""What carryover is followed down to, after the horizon."""

LONG_AGO = 600
"""Periods for which an amount that was spent in every period before is followed back."""

NORMAL_95 = 1.6448536269514722
"""95 % quantile of the standard normal: a factor that holds 90 % is so many deviations wide."""


def periods_of(raw: Raw) -> int:
    return int((raw.get("horizon") or {}).get("periods", 1))


def mode_of(raw: Raw) -> str:
    mode = (raw.get("horizon") or {}).get("mode", "time_varying")
    return str(mode) if periods_of(raw) > 1 else "time_varying"


def _kept(items: list[Raw]) -> list[Raw]:
    return [item for item in items if not item.get("exclude")]


def channels_of(raw: Raw) -> list[tuple[int, Raw]]:
    """The channels that are left, with their places in the request."""
    return [(i, c) for i, c in enumerate(raw["channels"]) if not c.get("exclude")]


def arms_of(raw: Raw) -> list[tuple[int, Raw]]:
    """Each arm with the place of its channel in the request."""
    return [
        (i, arm)
        for i, channel in channels_of(raw)
        for arm in _kept(channel.get("campaigns") or [channel])
    ]


def name_of(raw: Raw, place: int, arm: Raw) -> str:
    """``tv``, or ``tv/brand`` for a campaign."""
    channel = raw["channels"][place]
    return f"{channel['channel']}/{arm['channel']}" if arm is not channel else channel["channel"]


def _of(raw: Raw, plans: np.ndarray, names: list[str]) -> np.ndarray:
    """(N, T) money of the named channels."""
    places = [a for a, (i, _) in enumerate(arms_of(raw)) if raw["channels"][i]["channel"] in names]
    return plans[:, places].sum(axis=1)


def today(raw: Raw) -> np.ndarray | None:
    """(1, A, T) what is spent now, kept up; None where it is not known."""
    each = [0.0 if "like" in arm else None for _, arm in arms_of(raw)]
    each = [arm.get("current_spend", x) for x, (_, arm) in zip(each, arms_of(raw), strict=True)]
    if None in each:
        return None
    return np.repeat(np.array(each, dtype=float)[None, :, None], periods_of(raw), axis=2)


def plan_of(answer: Raw) -> np.ndarray:
    """(1, A, T) an answer's plan."""
    rows = [arm for row in answer["allocation"] for arm in row.get("campaigns") or [row]]
    return np.array([[[p["spend"] for p in row.get("periods") or [row]] for row in rows]])


def when(raw: Raw, at: Any) -> int:
    """The place (from 0) of a period that is named by its number from 1, or by a date in it."""
    if isinstance(at, int):
        return at - 1
    horizon = raw["horizon"]
    day, first = date.fromisoformat(at), date.fromisoformat(horizon["start"])
    if horizon["frequency"] == "month":
        return 12 * (day.year - first.year) + day.month - first.month
    return (day - first).days // {"day": 1, "week": 7}[horizon["frequency"]]


def spanned(raw: Raw, item: Any) -> list[int]:
    """The places (from 0) of the periods that a number, a date or a span of them names."""
    if not isinstance(item, dict):
        return [when(raw, item)]
    return list(range(when(raw, item["from"]), when(raw, item.get("to", item["from"])) + 1))


def _entries(raw: Raw, item: Raw) -> list[Raw | None]:
    """What each period's last entry with limits says, of a channel or a campaign."""
    out: list[Raw | None] = [None] * periods_of(raw)
    for entry in item.get("periods") or []:
        if {"min_spend", "max_spend", "spend"} & entry.keys():
            for t in spanned(raw, entry):
                out[t] = {**(out[t] or {}), **entry} if "spend" not in entry else entry
                if "spend" not in entry:
                    out[t].pop("spend", None)
    return out


def _prices(raw: Raw, place: int, arm: Raw) -> np.ndarray:
    """(T,) what the media cost, beside what they cost in general."""
    out = np.ones(periods_of(raw))
    for level in [arm] if arm is raw["channels"][place] else [arm, raw["channels"][place]]:
        own = np.ones(periods_of(raw))
        for entry in level.get("periods") or []:
            if "price" in entry:
                own[spanned(raw, entry)] = entry["price"]
        out = out * own
    return out


def budget_of(raw: Raw) -> float | None:
    """The budget of the horizon, also where it is told by what is spent today."""
    if "budget_change" in raw:
        now = today(raw)
        assert now is not None
        return float(now.sum()) * (1.0 + raw["budget_change"])
    return raw.get("budget")


def discount(raw: Raw, length: int) -> np.ndarray:
    """(length,) what money and outcome of a period count, of those of the first."""
    rate = (raw.get("horizon") or {}).get("discount_rate", 0.0) if periods_of(raw) > 1 else 0.0
    return (1.0 + rate) ** -np.arange(length, dtype=float)


# -- what a plan brings -------------------------------------------------------------------------


def _saturated(curve: Raw, x: np.ndarray) -> np.ndarray:
    return np.asarray(curve.get("offset", 0.0) + _added(curve, x))


def _added(curve: Raw, x: np.ndarray) -> np.ndarray:
    top = curve.get("max_response", 0.0)
    family = curve["family"]
    if family == "hill":
        half, shape = curve["half_saturation"], curve["shape"]
        return top * x**shape / (half**shape + x**shape)
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
    if family == "tabulated":
        spend, response = curve["spend"], curve["response"]
        if spend[0] > 0:
            spend, response = [0.0, *spend], [0.0, *response]
        return np.interp(x, spend, response)
    raise AssertionError(family)


def _first_slope(curve: Raw) -> float:
    """What the first unit of money brings; infinite for some."""
    family = curve["family"]
    top = curve.get("max_response", 0.0)
    if family == "exponential":
        return float(top * curve["rate"])
    if family == "logistic":
        return float(top * curve["rate"] / 2)
    if family in ("michaelis_menten", "hill"):
        shape = curve.get("shape", 1.0)
        return float(top / curve["half_saturation"]) if shape == 1.0 else math.inf
    if family == "logarithmic":
        return float(curve["coefficient"] / curve.get("scale", 1.0))
    if family == "power" and curve["exponent"] >= 1.0:
        return float(curve["coefficient"]) if curve["exponent"] == 1.0 else 0.0
    if family == "tabulated":
        first = 1 if curve["spend"][0] == 0 else 0
        rise = curve["response"][first] - (curve["response"][0] if first else 0.0)
        return float(rise / (curve["spend"][first] - (curve["spend"][0] if first else 0.0)))
    return math.inf


def _ceiling(curve: Raw) -> float:
    if curve["family"] == "tabulated":
        return float(curve["response"][-1])
    return float(curve.get("max_response", math.inf))


def _all_weights(adstock: Raw | None) -> np.ndarray:
    """Weights of the spend of so many periods ago; all of them sum to one where normalised."""
    if adstock is None:
        return np.array([1.0])
    length = adstock.get("length", 1)
    if adstock.get("decay") and "length" not in adstock:  # without an end: until nothing is left
        length = 1 + math.ceil(math.log(1e-45) / math.log(adstock["decay"]))
    ages = np.arange(length, dtype=float)
    family = adstock["family"]
    if family == "lag_weights":
        every = np.array(adstock["values"], dtype=float)
    elif family == "geometric":
        every = adstock["decay"] ** ages
    elif family == "delayed":
        every = adstock["decay"] ** ((ages - adstock["peak"]) ** 2)
    elif family == "weibull_pdf":
        k, s = adstock["shape"], adstock["scale"]
        t = ages + 1
        every = k / s * (t / s) ** (k - 1) * np.exp(-((t / s) ** k))
        every = every / every.max()
    elif family == "weibull_cdf":
        left = np.exp(-((ages / adstock["scale"]) ** adstock["shape"]))  # 1 - CDF
        every = np.cumprod(left)
    else:
        raise AssertionError(family)
    return every / every.sum() if adstock.get("normalised") else every


def by_outcome(raw: Raw) -> list[tuple[str, float, Raw]]:
    """Of several outcomes the name, what one counts, and the request of it alone."""
    found = []
    for item in (raw.get("objective") or {}).get("outcomes") or []:
        one = {**raw, "objective": {k: v for k, v in raw["objective"].items() if k != "outcomes"}}
        none = {"saturation": {"family": "exponential", "max_response": 0.0, "rate": 1.0}}
        one["channels"] = []
        for channel in raw["channels"]:
            own = [r for r in channel["responses"] if r["outcome"] == item["outcome"]]
            rest = {k: v for k, v in channel.items() if k != "responses"}
            one["channels"].append({**rest, "response": own[0] if own else none})
        found.append((item["outcome"], item.get("weight", 1.0), one))
    return found


def _tail(raw: Raw) -> int:
    """Periods after the horizon in which anything of its spend still works."""
    if several := by_outcome(raw):
        return max(_tail(one) for *_, one in several)
    weights = [_all_weights(_adstock(raw, arm)) for _, arm in arms_of(raw)]
    return max(int(np.flatnonzero(each > FAINT)[-1]) for each in weights)


def _carryover(adstock: Raw | None, length: int) -> np.ndarray:
    """The first ``length`` weights."""
    every = _all_weights(adstock)[:length]
    return np.concatenate((every, np.zeros(length - len(every))))


@dataclass(frozen=True)
class _Curve:
    """``top * f(x / width)`` of one draw."""

    top: float
    width: float
    curve: Raw

    def value(self, x: np.ndarray) -> np.ndarray:
        return self.top * _saturated(self.curve, x / self.width)

    @property
    def first_slope(self) -> float:
        return self.top / self.width * _first_slope(self.curve)

    @property
    def ceiling(self) -> float:
        return self.top * _ceiling(self.curve)


def _response(arm: Raw) -> Raw:
    """A channel's response, the short form included."""
    return arm.get("response") or {
        "saturation": arm["saturation"],
        **({"adstock": arm["adstock"]} if arm.get("adstock") else {}),
    }


def _adstock(raw: Raw, arm: Raw) -> Raw | None:
    if "like" in arm:
        arm = next(c for c in raw["channels"] if c["channel"] == arm["like"])
    return _response(arm).get("adstock")


def _curves(raw: Raw, place: int, arm: Raw) -> list[_Curve]:
    """One curve for each draw, or the only one; what is less effective or dearer included."""
    if "like" in arm:
        found = _alike(raw, arm)
    else:
        curve = _response(arm)["saturation"]
        draws = _response(arm).get("draws") or [{}]
        found = [_Curve(1.0, 1.0, {**curve, **draw}) for draw in draws]
    levels = [arm] if arm is raw["channels"][place] else [arm, raw["channels"][place]]
    effect = math.prod(level.get("effectiveness", 1.0) for level in levels)
    price = math.prod(level.get("price", 1.0) for level in levels)
    return [_Curve(effect * c.top, price * c.width, c.curve) for c in found]


def _alike(raw: Raw, arm: Raw) -> list[_Curve]:
    """Another channel's curve k f(x / k) at k times its size, with a return and a size a draw."""
    places = {c["channel"]: i for i, c in enumerate(raw["channels"])}
    own = [(i, a) for i, a in arms_of(raw) if "like" not in a]
    count = max(len(_curves(raw, i, a)) for i, a in own)
    count = 200 if count == 1 and not any(_response(a).get("draws") for _, a in own) else count
    seed = (raw.get("solver") or {}).get("seed", 0)
    rng = np.random.default_rng([seed, zlib.crc32(arm["channel"].encode())])
    spread = math.log(arm.get("uncertainty", 2.0)) / NORMAL_95
    returns = np.exp(spread * rng.standard_normal(count))
    sizes = arm.get("scale", 1.0) * np.exp(spread * rng.standard_normal(count))
    known = _curves(raw, places[arm["like"]], raw["channels"][places[arm["like"]]])
    known = known * count if len(known) == 1 else known
    return [
        _Curve(float(size * gain) * c.top, float(size) * c.width, c.curve)
        for c, size, gain in zip(known, sizes, returns / returns.mean(), strict=True)
    ]


def _prior(raw: Raw, place: int, arm: Raw) -> np.ndarray:
    """Spend before the horizon, the last period first; one amount was spent in every period."""
    every = (raw.get("horizon") or {}).get("prior_spend") or {}
    prior = every.get(name_of(raw, place, arm), [])
    return np.array(prior[::-1] if isinstance(prior, list) else [prior] * LONG_AGO, dtype=float)


def _bought(arm: Raw, spend: np.ndarray) -> np.ndarray:
    """Media for the money, in units that cost one at the reference spend."""
    elasticity = arm.get("price_elasticity", 0.0)
    if not elasticity:
        return spend
    reference = arm.get("reference_spend", arm.get("current_spend"))
    return np.asarray(reference * (spend / reference) ** (1 - elasticity))


def _goes_on(raw: Raw) -> int:
    """How many copies of the last period follow: as long as a thousandth of any carryover lasts."""
    if (raw.get("horizon") or {}).get("then") != "continue":
        return 0
    if several := by_outcome(raw):
        return max(_goes_on(one) for *_, one in several)
    weights = [_all_weights(_adstock(raw, arm)) for _, arm in arms_of(raw)]
    return max(int(np.flatnonzero(each > 1e-3 * each.max())[-1]) for each in weights)


def _adstocked(raw: Raw, plans: np.ndarray, tail: int) -> np.ndarray:
    """(N, A, T + tail) adstocked spend; of media bought, where their price rises with spend."""
    count, arms, periods = plans.shape
    each = [_bought(arm, plans[:, a]) for a, (_, arm) in enumerate(arms_of(raw))]
    plans = np.stack(each, axis=1)
    if periods == 1:  # spend sustained every period
        whole = [_all_weights(_adstock(raw, arm)).sum() for _, arm in arms_of(raw)]
        return plans * np.array(whole)[:, None]
    out = np.zeros((count, arms, periods + tail))
    for a, (place, arm) in enumerate(arms_of(raw)):
        before = _bought(arm, _prior(raw, place, arm))
        weights = _carryover(_adstock(raw, arm), periods + tail + len(before))
        bought = plans[:, a] / _prices(raw, place, arm)
        if (raw.get("horizon") or {}).get("then") == "continue":
            bought = np.concatenate((bought, np.repeat(plans[:, a, -1:], tail, axis=1)), axis=1)
        for t in range(bought.shape[1]):
            out[:, a, t:] += bought[:, t, None] * weights[: periods + tail - t]
        for j, spend in enumerate(before, start=1):
            out[:, a] += weights[j : j + periods + tail] * spend
    return out


def _season(raw: Raw, place: int, arm: Raw, tail: int) -> np.ndarray:
    """(T + tail) multipliers of an arm's response; their mean after the horizon."""
    season = np.ones(periods_of(raw))
    for level in [arm] if arm is raw["channels"][place] else [arm, raw["channels"][place]]:
        season = season * np.array(level.get("period_weights") or 1.0)
    whole = np.concatenate((season, np.full(tail, season.mean())))
    return np.asarray(whole * discount(raw, len(whole)))


def _value(raw: Raw, place: int, arm: Raw) -> float:
    """What an outcome of an arm is worth of the objective's own value."""
    channel, usual = raw["channels"][place], (raw.get("objective") or {}).get("value_per_outcome")
    own = arm.get("value_per_outcome", channel.get("value_per_outcome", usual))
    return 1.0 if own is None else float(own) / float(usual or 1.0)


def outcomes(
    raw: Raw,
    plans: np.ndarray,
    tail: int = 0,
    *,
    whole: bool = True,
    of: Collection[str] | None = None,
) -> np.ndarray:
    """(S, N, T + tail) of all arms together, in every draw; the mean season after the horizon.

    ``whole``: each outcome counts as one, not by what it is worth. ``of``: of these channels alone,
    to which half of what an interaction of theirs brings belongs.
    """
    if several := by_outcome(raw):
        each = [
            weight * outcomes(one, plans, tail, whole=whole, of=of) for _, weight, one in several
        ]
        return np.asarray(sum(each))
    z = _adstocked(raw, plans, tail)
    total = np.zeros((1, z.shape[0], z.shape[2]))
    # By channel: (its part of the channel's ceiling, level of saturation, season) of each arm.
    parts: dict[str, list[tuple[float, np.ndarray, np.ndarray]]] = {}
    worth: dict[str, float] = {}
    for a, (place, arm) in enumerate(arms_of(raw)):
        season = _season(raw, place, arm, tail)
        curves = _curves(raw, place, arm)
        each = np.stack([curve.value(z[:, a]) for curve in curves])
        name, value = raw["channels"][place]["channel"], _value(raw, place, arm)
        worth[name] = (1.0 if whole else value) * (of is None or name in of)
        total = total + worth[name] * season * each
        top = float(np.mean([curve.ceiling for curve in curves]))
        if math.isfinite(top):
            level = each.mean(axis=0) / top if top else np.zeros(z[:, a].shape)
            parts.setdefault(name, []).append((top, level, season))
    for pair in raw.get("interactions") or []:
        one, other = (parts.get(name, []) for name in pair["channels"])
        half = sum(0.5 * worth.get(name, 0.0) for name in pair["channels"])
        tops = sum(p[0] for p in one) * sum(p[0] for p in other)
        for (top, level, season), (top_, level_, season_) in itertools.product(one, other):
            if tops:
                share = top * top_ / tops * np.sqrt(season * season_)
                total = total + half * pair["strength"] * share * level * level_
    return total


@dataclass(frozen=True)
class _Worth:
    """What the objective counts: one outcome, one unit of money, an outcome after the horizon."""

    outcome: float
    spend: float
    later: float


def _worth(raw: Raw) -> _Worth:
    goal = raw.get("objective") or {}
    later, value = goal.get("long_term_weight", 0.0), goal.get("value_per_outcome", 0.0)
    if goal.get("goal") == "maximize_profit":
        return _Worth(value, 1.0, later)
    if goal.get("goal") == "minimize_spend":
        return _Worth(0.0, 1.0, later)
    if goal.get("goal") == "weighted_sum":
        weights = {"outcome": 0.0, "profit": 0.0, "spend": 0.0, "reach": 0.0, "long_term": 0.0}
        weights |= goal["weights"]
        outcome = weights["outcome"] + weights["reach"] + weights["profit"] * value
        spend = weights["spend"] + weights["profit"]
        return _Worth(outcome, spend, weights["long_term"] / outcome)
    if "target_marginal_return" in goal:
        return _Worth(1.0, goal["target_marginal_return"] / (value or 1.0), later)
    return _Worth(1.0, 0.0, later)


def money_of(raw: Raw, plans: np.ndarray) -> np.ndarray:
    """(N,) money as goal and targets count it."""
    return np.asarray((plans.sum(axis=1) * discount(raw, plans.shape[2])).sum(axis=1))


def _by_draw(
    raw: Raw, plans: np.ndarray, *, whole: bool, of: Collection[str] | None = None
) -> np.ndarray:
    """(S, N) outcome over the horizon, what comes later at its weight."""
    later, periods, copies = _worth(raw).later, plans.shape[2], _goes_on(raw)
    tail = copies or (_tail(raw) if later else 0)
    later = 1.0 if copies else later
    by_draw = outcomes(raw, plans, tail, whole=whole, of=of)
    return np.asarray(
        by_draw[:, :, :periods].sum(axis=2) + later * by_draw[:, :, periods:].sum(axis=2)
    )


def counted(
    raw: Raw,
    plans: np.ndarray,
    *,
    careful: bool,
    whole: bool = True,
    of: Collection[str] | None = None,
) -> np.ndarray:
    """(N,) outcome that goals and targets count: expected, or as the measure of risk reads it.

    Not ``whole``: each outcome by what it is worth of the usual one. ``of``: of some channels.
    """
    risk = (raw.get("risk") or {}) if careful else {}
    each = _by_draw(raw, plans, whole=whole, of=of)
    if risk.get("of") == "uplift":
        now = _by_draw(raw, cast("np.ndarray", today(raw)), whole=whole, of=of)
        each = each - now + now.mean(axis=0)
    return _measured(risk, each)


def beyond(raw: Raw, plans: np.ndarray) -> np.ndarray:
    """(N,) expected outcome beyond the ceilings, smaller groups first: it is worth nothing."""
    names = [channel["channel"] for _, channel in channels_of(raw)]
    ceilings = [
        ([c["channel"]], c["max_outcome"]) for _, c in channels_of(raw) if "max_outcome" in c
    ]
    rules = [rule for rule in raw.get("constraints") or [] if "max_outcome" in rule]
    ceilings += [(rule["channels"], rule["max_outcome"]) for rule in rules]
    if "max_outcome" in (raw.get("objective") or {}):
        ceilings.append((names, raw["objective"]["max_outcome"]))
    if not ceilings:
        return np.zeros(len(plans))
    left = {name: counted(raw, plans, careful=False, of=[name]) for name in names}
    whole = sum(left.values())
    for own, most in sorted(ceilings, key=lambda ceiling: len(ceiling[0])):
        kept = np.minimum(most / np.maximum(sum(left[n] for n in own if n in left), 1e-300), 1.0)
        left |= {n: kept * left[n] for n in own if n in left}
    return np.asarray(whole - sum(left.values()))


def objective(raw: Raw, plans: np.ndarray) -> np.ndarray:
    """(N,) what is maximised (minus the money for the least spend)."""
    worth = _worth(raw)
    copies, periods = _goes_on(raw), plans.shape[2]
    after = float(discount(raw, periods + copies)[periods:].sum())
    lasting = {**raw, "horizon": {**(raw.get("horizon") or {}), "discount_rate": 0.0}}
    last = np.zeros_like(plans)
    last[:, :, -1] = after * plans[:, :, -1]
    paid = worth.spend * (money_of(raw, plans) + last.sum(axis=(1, 2)))
    paid = paid + _penalties(raw, plans) + (_penalties(lasting, last) if copies else 0.0)
    if worth.outcome == 0.0:
        return -paid
    brings = counted(raw, plans, careful=True, whole=False) - beyond(raw, plans)
    return worth.outcome * brings - paid


def _penalties(raw: Raw, plans: np.ndarray) -> np.ndarray:
    """(N,) what money costs beside itself."""
    fees = []
    for place, arm in arms_of(raw):
        channel = raw["channels"][place]
        levels = [arm] if arm is channel else [arm, channel]
        fees.append(sum(level.get("penalty_per_unit", 0.0) for level in levels))
    counted_money = plans * discount(raw, plans.shape[2])
    return np.asarray((counted_money * np.array(fees)[:, None]).sum(axis=(1, 2)))


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
    ok = np.ones(len(plans), dtype=bool)
    for _, kept in _rules(raw, plans, slack):
        ok &= kept
    return ok


def broken(raw: Raw, plan: np.ndarray, slack: float = HAIR) -> list[str]:
    """The names of the rules that one plan (1, A, T) breaks."""
    return [name for name, kept in _rules(raw, plan, slack) if not kept[0]]


def _rules(raw: Raw, plans: np.ndarray, slack: float) -> Iterator[tuple[str, np.ndarray]]:
    """Every rule and whether each plan keeps it, (N,)."""
    hair = slack * np.maximum(_stake(raw), plans.sum(axis=(1, 2)))[:, None]
    for rule in limits(raw, plans):
        below = np.any(rule.value < rule.low - hair, axis=1)
        above = np.any(rule.value > rule.high + hair, axis=1)
        yield rule.names[0], ~below
        yield rule.names[1], ~above
    for name, item, x in _chosen(raw, plans):
        if least := item.get("minimum_if_active"):
            yield (
                f"{name}.minimum_if_active",
                np.all((x <= hair) | (x >= least - hair), axis=1),
            )
        if lot := item.get("increment"):
            off = np.abs(x / lot - np.round(x / lot)) * lot
            yield f"{name}.increment", np.all(off <= hair, axis=1)
    for count in raw.get("constraints") or []:
        if count.get("per_period") and periods_of(raw) > 1:
            running = sum(_of(raw, plans, [n]) > hair for n in count["channels"])
            own = sorted({t for item in count.get("periods") or [] for t in spanned(raw, item)})
            running = running[:, own or list(range(periods_of(raw)))]
            yield count["name"], np.all(running <= count["max_active"], axis=1)
        elif "max_active" in count:
            active = [np.any(_of(raw, plans, [n]) > hair, axis=1) for n in count["channels"]]
            yield count["name"], np.sum(active, axis=0) <= count["max_active"]
    for channel, kept in switched(raw):
        x, name = _of(raw, plans, [channel["channel"]]), f"{channel['channel']}.flight"
        patterns, which = np.unique(x > hair, axis=0, return_inverse=True)
        yield name, np.array([tuple(p) in kept for p in patterns.tolist()])[which.ravel()]
        yield name, np.all((x <= hair) | (x >= faintest(raw, channel) - hair), axis=1)
    yield f"horizon.{mode_of(raw)}", _in_mode(raw, plans, hair)
    for name, size, more in target_slacks(raw, plans):
        yield name, more >= -slack * size


def _stake(raw: Raw) -> float:
    windows = [window["budget"] for window in raw.get("budget_windows") or []]
    money = raw.get("period_budgets") or [budget_of(raw) or sum(windows)]
    return float(sum(money))


def _chosen(raw: Raw, plans: np.ndarray) -> Iterator[tuple[str, Raw, np.ndarray]]:
    """Whatever has a minimum or comes in lots, with its money (N, T); not what is locked."""
    arms = [(name_of(raw, i, arm), arm, plans[:, a]) for a, (i, arm) in enumerate(arms_of(raw))]
    above = [
        (channel["channel"], channel, _of(raw, plans, [channel["channel"]]))
        for _, channel in channels_of(raw)
        if channel.get("campaigns")
    ]
    for name, item, x in arms + above:
        if not item.get("locked"):
            booked = [e is not None and "spend" in e for e in _entries(raw, item)]
            yield name, item, np.where(booked, 0.0, x)


def switched(raw: Raw) -> Iterator[tuple[Raw, set[tuple[bool, ...]]]]:
    """Channels that have flights or are counted by period, with the patterns that flights allow."""
    rules = [r for r in raw.get("constraints") or [] if r.get("per_period")]
    named = {name for rule in rules for name in rule["channels"]}
    for place, channel in channels_of(raw):
        if periods_of(raw) > 1 and ("flight" in channel or channel["channel"] in named):
            every = itertools.product((False, True), repeat=periods_of(raw))
            ran = _ran(raw, place, channel)
            yield channel, {p for p in every if _flies(channel.get("flight") or {}, p, ran)}


def _ran(raw: Raw, place: int, channel: Raw) -> list[bool]:
    """Whether a channel ran in the periods before the horizon, the last one first."""
    arms = channel.get("campaigns") or [channel]
    each = [_prior(raw, place, arm) > 0.0 for arm in arms]
    longest = max(len(own) for own in each)
    return [any(i < len(own) and own[i] for own in each) for i in range(longest)]


def _flies(flight: Raw, pattern: tuple[bool, ...], ran: list[bool]) -> bool:
    """Whether every flight is long enough, far enough from the one before, and not one too many.

    One that ran before the horizon goes on; before what is told of nothing ran.
    """
    before = [False, *reversed(ran)]
    whole = [*before, *pattern]
    starts = [t for t in range(1, len(whole)) if whole[t] and not whole[t - 1]]
    begun = 0
    for i, start in enumerate(starts):
        end = start
        while end < len(whole) and whole[end]:
            end += 1
        ours = start >= len(before)
        begun += ours
        lasts = end < len(whole) or ours
        if end >= len(before) and lasts and end - start < flight.get("min_on", 1):
            return False
        gap = start - max((t for t in range(start) if whole[t]), default=-LONG_AGO) - 1
        if i and ours and gap < flight.get("min_off", 1):
            return False
    return begun <= flight.get("max_flights", len(pattern))


def faintest(raw: Raw, channel: Raw) -> float:
    """What a channel spends at least in a period in which it is on; 0 where that is not told."""
    if channel.get("minimum_if_active"):
        return 0.0
    roofs = [e.get("max_spend", math.inf) for e in _entries(raw, channel) if e]
    roofs += [channel.get("max_spend", math.inf)]
    mean = _stake(raw) / periods_of(raw)
    return 0.999 * 1e-4 * min(mean, *(roof for roof in roofs if roof > 0.0))


def columns_of(raw: Raw) -> np.ndarray:
    """(K, T) what one unit of each decision of an arm spends in the periods."""
    periods = periods_of(raw)
    if mode_of(raw) == "constant":
        return np.ones((1, periods))
    if mode_of(raw) == "fixed_shares":
        total = budget_of(raw) or 0.0
        whole = raw.get("period_budgets") or [total / periods] * periods
        return np.array([whole]) / max(np.mean(whole), 1e-300)
    return np.eye(periods)


def _in_mode(raw: Raw, plans: np.ndarray, hair: np.ndarray) -> np.ndarray:
    columns = columns_of(raw)
    if len(columns) == plans.shape[2]:
        return np.ones(len(plans), dtype=bool)
    shape = columns[0] / (columns[0] @ columns[0])
    alike = (plans @ shape)[:, :, None] * columns[0]
    return np.asarray(np.all(np.abs(plans - alike) <= hair[:, :, None], axis=(1, 2)))


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
    kept = 1.0 - (raw.get("test_reserve") or 0.0)
    goal = raw.get("objective") or {}
    exact = raw.get("spend_all", True) and goal.get("goal") != "minimize_spend"
    exact = exact and "budget_min" not in raw and "target_marginal_return" not in goal
    if (budget := budget_of(raw)) is not None:
        limit = kept * budget
        least = limit if exact else raw.get("budget_min", 0.0)
        yield Limit(("budget", "budget"), least, whole, limit)
        if not {"budget_windows", "period_budgets"} & raw.keys():
            yield from _last(raw, everything, least, limit, everything.shape[1])
    for window in raw.get("budget_windows") or []:
        own = spanned(raw, window)
        ends = dict.fromkeys((str(own[0] + 1), str(own[-1] + 1)))
        name = f"budget[{'-'.join(ends)}]"
        limit = kept * window["budget"]
        free = budget is not None or not exact
        least = window.get("min", 0.0 if free else limit)
        yield Limit((name, name), least, everything[:, own].sum(axis=1, keepdims=True), limit)
        if own[-1] == everything.shape[1] - 1:
            yield from _last(raw, everything, least, limit, len(own))
    for t, given in enumerate(raw.get("period_budgets") or []):
        limit, name = kept * given, f"budget[{t + 1}]"
        yield Limit((name, name), limit if exact else 0.0, everything[:, t : t + 1], limit)
    for a, (place, arm) in enumerate(arms_of(raw)):
        name = name_of(raw, place, arm)
        yield from _own(raw, name, arm, plans[:, a], arm is raw["channels"][place])
        if goal.get("max_frequency") is not None:
            cap = _frequency_cap(raw, a, goal["max_frequency"])
            capped = f"{name}.max_frequency"
            yield Limit((capped, capped), -math.inf, plans[:, a], cap)
    pace = ((raw.get("horizon") or {}).get("pacing") or {}).get("max_change")
    for _, channel in channels_of(raw):
        x = _of(raw, plans, [channel["channel"]])
        if channel.get("campaigns"):
            yield from _own(raw, channel["channel"], channel, x, keeps=True)
        if pace is not None and x.shape[1] > 1 and not channel.get("locked"):
            yield from _paced(channel, x, pace)
    for rule in raw.get("constraints") or []:
        for low, value, high in _ruled(raw, plans, rule):
            yield Limit((rule["name"], rule["name"]), low, value, high)


def _last(
    raw: Raw, everything: np.ndarray, least: float, most: float, periods: int
) -> Iterator[Limit]:
    """The last period has an even part of its budget, where it stands for those after the plan."""
    if _goes_on(raw) and mode_of(raw) == "time_varying" and periods > 1:
        name = f"budget[{everything.shape[1]}].then"
        yield Limit((name, name), least / periods, everything[:, -1:], most / periods)


def frequency(raw: Raw, place: int, arm: Raw, spend: float) -> float:
    """How often a person is reached on average at a sustained spend: impressions over reach."""
    z = spend * float(_all_weights(_adstock(raw, arm)).sum())
    curves = _curves(raw, place, arm)
    bought = z * float(np.mean([curve.first_slope for curve in curves]))
    reach = float(np.mean([float(curve.value(np.array(z))) for curve in curves]))
    return bought / reach if reach > 0.0 else 1.0


def _frequency_cap(raw: Raw, a: int, most: float) -> float:
    """The most that arm number ``a`` may spend a period."""
    curves = {key: raw.get(key) for key in ("channels", "solver")}
    return _frequency_cap_of(json.dumps(curves), a, most)


@cache
def _frequency_cap_of(text: str, a: int, most: float) -> float:
    raw = json.loads(text)
    place, arm = arms_of(raw)[a]
    low, high = 0.0, 1e-3
    while frequency(raw, place, arm, high) <= most and high < 1e15:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        kept = frequency(raw, place, arm, middle) <= most
        low, high = (middle, high) if kept else (low, middle)
    return low


def _paced(channel: Raw, x: np.ndarray, pace: float) -> Iterator[Limit]:
    now = _today(channel)
    before = x[:, :-1]
    if now is not None:
        before = np.concatenate((np.full((len(x), 1), now), before), axis=1)
    for i in range(before.shape[1]):
        t = i + x.shape[1] - before.shape[1]
        name, last = f"pacing.{channel['channel']}[{t + 1}]", before[:, i : i + 1]
        yield Limit((name, name), last * (1 - pace), x[:, t : t + 1], last * (1 + pace))


def _ruled(raw: Raw, plans: np.ndarray, rule: Raw) -> Iterator[tuple[Any, np.ndarray, Any]]:
    everything = plans.sum(axis=1)
    if "periods" in rule:
        own = sorted({t for item in rule["periods"] for t in spanned(raw, item)})
        plans, everything = plans[:, :, own], everything[:, own]
    x = _of(raw, plans, rule.get("channels", []))
    yield rule.get("min_spend", -math.inf), x, rule.get("max_spend", math.inf)
    total = x.sum(axis=1, keepdims=True)
    yield rule.get("min_total", -math.inf), total, rule.get("max_total", math.inf)
    if "min_share" in rule:
        yield rule["min_share"] * everything, x, math.inf
    if "max_share" in rule:
        yield -math.inf, x, rule["max_share"] * everything
    for name, share in zip(rule.get("channels", []), rule.get("split", []), strict=False):
        own = _of(raw, plans, [name])
        yield share * x, own, share * x
    linear = np.zeros_like(everything)
    for term in rule.get("coefficients", []):
        linear += term["coefficient"] * _of(raw, plans, [term["channel"]])
    yield rule.get("min", -math.inf), linear, rule.get("max", math.inf)


def _today(channel: Raw) -> float | None:
    if not channel.get("campaigns"):
        return channel.get("current_spend", 0.0 if "like" in channel else None)
    each = [c.get("current_spend") for c in _kept(channel["campaigns"])]
    return channel.get("current_spend") if None in each else sum(each)


def _own(raw: Raw, name: str, channel: Raw, x: np.ndarray, keeps: bool) -> Iterator[Limit]:
    """The limits of a channel or a campaign of its own; ``x`` (N, T).

    What an entry says of some periods goes before all that is said in general: a floor above the
    general ceiling lifts it, a ceiling below the general floor lowers that.
    """
    now, entries = _today(channel), _entries(raw, channel)
    every: list[tuple[str, str, float, float]] = []
    if channel.get("locked"):
        every.append((f"{name}.locked", f"{name}.locked", now, now))
    low, high = channel.get("min_spend", 0.0), channel.get("max_spend", math.inf)
    every.append((f"{name}.min_spend", f"{name}.max_spend", low, high))
    if keeps and raw.get("keep_current") and now is not None:
        every.append((f"{name}.keep_current", f"{name}.keep_current", now, math.inf))
    if "max_change" in channel and now is not None:
        change, both = channel["max_change"], f"{name}.max_change"
        every.append((both, both, now * (1 - change), now * (1 + change)))
    for below, above, low, high in every:
        lows, highs = np.full(x.shape[1], low), np.full(x.shape[1], high)
        for t, entry in enumerate(entries):
            if entry is not None:
                own = entry.get("spend"), entry.get("spend")
                floor, roof = entry.get("min_spend", own[0]), entry.get("max_spend", own[1])
                lows[t] = -math.inf if floor is not None else min(lows[t], roof)
                highs[t] = math.inf if roof is not None else max(highs[t], floor)
        yield Limit((below, above), lows, x, highs)
    for t, entry in enumerate(entries):
        if entry is not None:
            low = entry.get("spend", entry.get("min_spend", 0.0))
            high = entry.get("spend", entry.get("max_spend", math.inf))
            yield Limit((f"{name}.periods", f"{name}.periods"), low, x[:, t : t + 1], high)
    total = x.sum(axis=1, keepdims=True)
    low, high = channel.get("min_total", 0.0), channel.get("max_total", math.inf)
    yield Limit((f"{name}.min_total", f"{name}.max_total"), low, total, high)


def target_slacks(raw: Raw, plans: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each target, its size (N,) in outcome, and by how much outcome it is exceeded (N,).

    They hold in expectation, but that of the least spend under a measure of risk: there the
    measure reads the outcome. A return is of money where an outcome is worth some.
    """
    goal = raw.get("objective") or {}
    yield from _group_slacks(raw, plans)
    for item, (name, _, one) in zip(goal.get("outcomes") or [], by_outcome(raw), strict=True):
        if "min" in item:
            brings = counted(one, plans, careful=False)
            size = np.maximum(item["min"], np.abs(brings))
            yield f"{name}.min_outcome", size, brings - item["min"]
    if not {"target_outcome", "target_roas", "target_cpa"} & goal.keys():
        return
    spend, outcome = money_of(raw, plans), counted(raw, plans, careful=False)
    valued = counted(raw, plans, careful=False, whole=False)
    if goal.get("efficiency_of", "plan") == "plan":
        outcome = outcome - _left_over(raw, plans)
        valued = valued - _left_over(raw, plans, whole=False)
    if "target_outcome" in goal:
        careful = goal.get("goal") == "minimize_spend"
        read = counted(raw, plans, careful=careful)
        size = np.maximum(goal["target_outcome"], np.abs(read))
        yield "target_outcome", size, read - goal["target_outcome"]
    if "target_roas" in goal:
        floor = goal["target_roas"] / goal.get("value_per_outcome", 1.0) * spend
        yield "target_roas", np.maximum(floor, np.abs(valued)), valued - floor
    if "target_cpa" in goal:
        floor = spend / goal["target_cpa"]
        yield "target_cpa", np.maximum(floor, np.abs(outcome)), outcome - floor


def _left_over(
    raw: Raw, plans: np.ndarray, *, whole: bool = True, of: Collection[str] | None = None
) -> float:
    """What earlier spend brings of all that comes without any more money."""
    if not _LEFT or _LEFT[0][0] is not raw:
        _LEFT[:] = [(raw, {})]
    key, known = (plans.shape[1:], whole, None if of is None else tuple(of)), _LEFT[0][1]
    if key not in known:
        nothing = np.zeros((1, *plans.shape[1:]))
        forgotten = {**raw, "horizon": {**(raw.get("horizon") or {}), "prior_spend": {}}}
        both = (counted(r, nothing, careful=False, whole=whole, of=of)[0] for r in (raw, forgotten))
        with_it, without = both
        known[key] = float(with_it - without)
    return known[key]


_LEFT: list[tuple[Raw, dict[Any, float]]] = []
"""The last request with what is left over in it: it is the same for all plans of a search."""


def _group_slacks(raw: Raw, plans: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The same of targets of some channels, whose own outcome and money count."""
    value = (raw.get("objective") or {}).get("value_per_outcome", 1.0)
    for rule in raw.get("constraints") or []:
        asked = {"min_outcome", "min_roas", "max_cpa"} & rule.keys()
        if not asked:
            continue
        outside = [
            a
            for a, (i, _) in enumerate(arms_of(raw))
            if raw["channels"][i]["channel"] not in rule["channels"]
        ]
        own = np.delete(plans, outside, axis=1).sum(axis=1)
        spend = (own * discount(raw, plans.shape[2])).sum(axis=1)
        efficient = (raw.get("objective") or {}).get("efficiency_of", "plan") == "all"
        floors = {
            "min_outcome": rule.get("min_outcome", 0.0) + 0.0 * spend,
            "min_roas": rule.get("min_roas", 0.0) / value * spend,
            "max_cpa": spend / rule.get("max_cpa", 1.0),
        }
        for kind in sorted(asked):
            whole = kind != "min_roas"  # a return is of what outcomes are worth
            brings = counted(raw, plans, careful=False, whole=whole, of=rule["channels"])
            if not efficient and kind != "min_outcome":
                brings = brings - _left_over(raw, plans, whole=whole, of=rule["channels"])
            size = np.maximum(np.abs(floors[kind]), np.abs(brings))
            yield f"{rule['name']}.{kind}", size, brings - floors[kind]


# -- all there are ------------------------------------------------------------------------------


def unit_plans(raw: Raw, unit: float = 1.0) -> np.ndarray:
    """(1 + n, A, T) no money at all, then ``unit`` of every decision, those of an arm together."""
    arms, columns = len(arms_of(raw)), columns_of(raw)
    each = np.einsum("ab,kt->akbt", np.eye(arms), unit * columns)
    return np.concatenate(
        (np.zeros((1, arms, columns.shape[1])), each.reshape(-1, *each.shape[2:]))
    )


def affine_rows(raw: Raw, basis: np.ndarray) -> Iterator[tuple[str, np.ndarray, float]]:
    """Every linear rule as ``coefficients @ decisions <= right``, under its name.

    Every rule is affine in the plan, so its coefficients are what it says of no money and of one
    unit of every decision (``unit_plans``). An equality is two rows.
    """
    for limit in limits(raw, basis):
        for name, sign, side in zip(limit.names, (-1.0, 1.0), (limit.low, limit.high), strict=True):
            if np.all(np.isinf(side)):
                continue
            gap = sign * (limit.value - np.broadcast_to(side, limit.value.shape))
            for column in gap.T:  # <= 0, for every column of the limit
                if np.all(np.isfinite(column)):
                    yield name, column[1:] - column[0], -column[0]


def every_plan(raw: Raw, steps: list[np.ndarray]) -> np.ndarray:
    """All plans (N, A, T) of amounts from ``steps``, one array for each arm, in the mode."""
    columns = columns_of(raw)
    cells = np.array(list(itertools.product(*[s for s in steps for _ in columns])))
    return cells.reshape(len(cells), len(steps), len(columns)) @ columns
