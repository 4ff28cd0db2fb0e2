"""The next split of an allocator: how much to each arm, how sure, what it may cost, and why.

A decision follows from what was told of the allocator, the set of events before its period, and
the budget; figures are rounded to nine digits, so that two platforms say the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.figures import number
from shared.learn.allocators.beliefs import Belief, beliefs
from shared.learn.allocators.linear import features_of, posterior, rates, sums
from shared.learn.allocators.posteriors import Normal, Posterior, Scaled, chances
from shared.learn.allocators.spec import AllocatorSpec, Arm, Event
from shared.learn.allocators.split import (
    CURVE_DRAWS,
    DRAWS,
    Limits,
    curves_of,
    filled,
    limits,
    lots,
    optimistic,
    splits,
)
from shared.learn.uniforms import uniforms

__all__ = ["decide", "digest", "latest", "rounded"]

Array = NDArray[np.float64]

_FEW_OUTCOMES, _FEW_TRIALS, _LATE, _CARRY = 5.0, 30.0, 0.5, 0.2
_MOST_CONTEXTS = 100
_BOUNDS = np.array([0.05, 0.95])


def rounded(value: float) -> float:
    """Nine significant digits.

    >>> rounded(1.0 / 3.0)
    0.333333333
    """
    return float(f"{value:.9g}")


def digest(document: Any) -> str:
    """A word for a JSON document, the same in whatever order its keys are."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def latest(events: Sequence[Event]) -> int:
    """The period after the last one of which something is known."""
    return max((event.period + event.lag for event in events), default=-1) + 1


def decide(
    spec: AllocatorSpec,
    arms: Sequence[Arm],
    events: Sequence[Event],
    period: int,
    budget: float,
    context: Mapping[str, str | float] | None = None,
) -> dict[str, Any]:
    """The split of ``budget`` in ``period``; ``context``: one to be answered beside those known.

    Raises
    ------
    InvalidInput
        No arm runs in that period.
    Infeasible
        The floors need more than the budget.
    """
    running = [arm for arm in arms if arm.runs(period)]
    if not running:
        text = f"No arm runs in period {period}: add one, or ask of another period."
        raise InvalidInput.at("/period", "no_active_arm", text)
    within = limits(spec, running, period, budget)
    before = [event for event in events if event.period + event.lag < period]
    if spec.kind == "contextual":
        return _in_contexts(spec, running, before, period, within, context)
    believed, factor = beliefs(spec, running, before, period)
    draws = _draws(spec, believed, period)
    each = splits(believed, draws, within)
    chosen = np.clip(_chosen(spec, believed, each, within, period), within.lower, within.upper)
    spend = lots(chosen, spec.lot, within)
    returns = _returns(believed, spend)
    best, top = chances(returns)
    curved = any(belief.arm.curve is not None for belief in believed)
    means = np.array([belief.rate.mean for belief in believed])
    expected = _brings(believed, means, spend)
    free = not curved and bool(np.all(within.upper >= within.budget) and not np.any(within.lower))
    if free:  # nothing limits the best arm: by quadrature, not by draws
        regret = top * within.budget - expected
    else:
        values = [
            _brings(believed, size, own) - _brings(believed, size, spend)
            for size, own in zip(draws, each, strict=True)
        ]
        regret = math.fsum(values) / len(values)
    told = {
        "period": period,
        "budget": rounded(budget),
        "spent": rounded(float(spend.sum())),
        "arms": [
            _row(belief, float(own), budget, chance, back)
            for belief, own, chance, back in zip(
                believed, spend.tolist(), best.tolist(), returns, strict=True
            )
        ],
        "expected_outcome": rounded(expected),
        "expected_regret": rounded(max(regret, 0.0)),
        "discount": factor,
        "contexts": [],
        "warnings": _warnings(spec, believed, before, budget, within),
    }
    told["why"] = _why(spec, told, curved)
    return told


# -- the split ------------------------------------------------------------------------------------


def _draws(spec: AllocatorSpec, believed: Sequence[Belief], period: int) -> Array:
    """(D, K) draws of rates and sizes, from numbers that depend on the allocator and the period."""
    count = CURVE_DRAWS if any(b.arm.curve is not None for b in believed) else DRAWS
    out = np.empty((count, len(believed)))
    for i, belief in enumerate(believed):
        # Of each arm its own, so that a new one does not change what the others draw.
        u = uniforms(f"{spec.allocator}/{spec.seed}/{belief.arm.arm}", period, count)
        out[:, i] = belief.rate.quantile(u)
    return out


def _chosen(
    spec: AllocatorSpec, believed: Sequence[Belief], each: Array, within: Limits, period: int
) -> Array:
    """(K,) the money of each arm before lots."""
    if spec.kind == "thompson":
        return np.asarray(each.mean(axis=0))
    if spec.kind == "ucb":
        # Of trials as many as there were; on a curve each period is one.
        rounds = float(max(sum(belief.trials for belief in believed), period + 1))
        sizes = optimistic(believed, rounds)
    else:
        sizes = np.array([belief.rate.mean for belief in believed])
    one = splits(believed, sizes[None], within)[0]
    if spec.kind != "epsilon_greedy":
        return np.asarray(one)
    room = np.clip(within.budget / len(believed), within.lower, within.upper)
    return np.asarray((1.0 - spec.epsilon) * one + spec.epsilon * _settled(room, within))


def _settled(plan: Array, within: Limits) -> Array:
    """A plan between its limits, moved to the budget in proportion to the room left."""
    left = within.budget - float(plan.sum())
    room = within.upper - plan if left > 0.0 else plan - within.lower
    total = float(room.sum())
    return plan if total <= 0.0 else np.asarray(plan + left * room / total)


def _returns(believed: Sequence[Belief], spend: Array) -> list[Posterior]:
    """What the next unit of money brings in each arm."""
    out: list[Posterior] = []
    for belief, x in zip(believed, spend.tolist(), strict=True):
        arm = belief.arm
        slope = 1.0 / arm.cost
        if arm.curve is not None:
            slope = min(float(arm.curve.response.slope(max(x, 1e-9))), 1e12)
        out.append(Scaled(belief.rate, max(slope, 1e-30)))
    return out


def _brings(believed: Sequence[Belief], sizes: Array, spend: Array) -> float:
    each = zip(curves_of(believed, sizes), spend.tolist(), strict=True)
    return math.fsum(float(curve.value(x)) for curve, x in each)


def _row(
    belief: Belief, spend: float, budget: float, chance: float, back: Posterior
) -> dict[str, Any]:
    low, high = back.quantile(_BOUNDS).tolist()
    return {
        "arm": belief.arm.arm,
        "spend": rounded(spend),
        "share": rounded(spend / budget),
        "probability_best": rounded(chance),
        "return": rounded(back.mean),
        "return_interval": [rounded(low), rounded(high)],
        "rate": rounded(belief.rate.mean),
        "trials": belief.trials,
        "outcomes": belief.outcomes,
        "seen": rounded(belief.seen),
        "changed_at": belief.since,
    }


# -- contexts -------------------------------------------------------------------------------------


def _in_contexts(
    spec: AllocatorSpec,
    arms: Sequence[Arm],
    events: Sequence[Event],
    period: int,
    within: Limits,
    asked: Mapping[str, str | float] | None,
) -> dict[str, Any]:
    """A split in each context, and over all as often as each was met."""
    features = spec.features or []
    met: dict[str, float] = {}
    kept: dict[str, Mapping[str, str | float]] = {}
    for event in events:
        word = json.dumps(event.context or {}, sort_keys=True)
        met[word] = met.get(word, 0.0) + event.trials
        kept[word] = event.context or {}
    if asked is not None:
        kept.setdefault(json.dumps(dict(asked), sort_keys=True), asked)
    names = sorted(kept, key=lambda word: (-met.get(word, 0.0), word))
    shown = names[:_MOST_CONTEXTS] or ["{}"]
    if asked is not None and json.dumps(dict(asked), sort_keys=True) not in shown:
        shown.append(json.dumps(dict(asked), sort_keys=True))
    noise = _noise(spec, events)
    fitted = {arm.arm: posterior(*_told(spec, events, arm, period)) for arm in arms}
    costs = np.array([arm.cost for arm in arms])
    shares, rows, regret, brought = [], [], 0.0, 0.0
    weights = np.array([met.get(word, 0.0) for word in shown])
    weights = (
        weights / weights.sum() if weights.sum() > 0.0 else np.full(len(shown), 1 / len(shown))
    )
    best = np.zeros(len(arms))
    believed: list[list[Posterior]] = []
    for word, weight in zip(shown, weights.tolist(), strict=True):
        x = features_of(features, kept.get(word, {}))
        own: list[Posterior] = [
            Scaled(Normal(*map(float, rates(*fitted[arm.arm], x, noise))), 1.0 / arm.cost)
            for arm in arms
        ]
        draws = np.array(
            [
                back.quantile(
                    uniforms(f"{spec.allocator}/{spec.seed}/{arm.arm}/{word}", period, DRAWS)
                )
                for arm, back in zip(arms, own, strict=True)
            ]
        ).T
        share = filled(draws, within).mean(axis=0) / within.budget
        chance, top = chances(own)
        means = np.array([back.mean for back in own])
        regret += weight * within.budget * (top - float(means @ share))
        brought += weight * within.budget * float(means @ share)
        best += weight * chance
        shares.append(share)
        believed.append(own)
        rows.append(
            {
                "context": dict(kept.get(word, {})),
                "share": rounded(weight),
                "arms": [
                    {
                        "arm": arm.arm,
                        "share": rounded(part),
                        "probability_best": rounded(p),
                        "return": rounded(back.mean),
                    }
                    for arm, part, p, back in zip(
                        arms, share.tolist(), chance.tolist(), own, strict=True
                    )
                ],
            }
        )
    spend = lots(np.asarray(weights @ np.array(shares)) * within.budget, spec.lot, within)
    common = max(range(len(shown)), key=lambda i: weights[i])
    totals = {arm.arm: [e for e in events if e.arm == arm.arm] for arm in arms}
    told = {
        "period": period,
        "budget": rounded(within.budget),
        "spent": rounded(float(spend.sum())),
        "arms": [
            {
                "arm": arm.arm,
                "spend": rounded(x),
                "share": rounded(x / within.budget),
                "probability_best": rounded(p),
                "return": rounded(back.mean),
                "return_interval": [rounded(v) for v in back.quantile(_BOUNDS).tolist()],
                "rate": rounded(back.mean * cost),
                "trials": sum(e.trials for e in totals[arm.arm]),
                "outcomes": sum(e.outcomes for e in totals[arm.arm]),
                "seen": 1.0,
                "changed_at": None,
            }
            for arm, x, p, back, cost in zip(
                arms, spend.tolist(), best.tolist(), believed[common], costs.tolist(), strict=True
            )
        ],
        "expected_outcome": rounded(brought),
        "expected_regret": rounded(max(regret, 0.0)),
        "discount": None if spec.drift is None else spec.drift.factor,
        "contexts": rows,
        "warnings": _few_trials(spec, events, len(arms)),
    }
    told["why"] = (
        f"In each of {len(rows)} contexts money goes to an arm as often as it is the best there "
        "under what is believed; over all contexts by how often each was met."
    )
    return told


def _told(
    spec: AllocatorSpec, events: Sequence[Event], arm: Arm, period: int
) -> tuple[Array, Array]:
    own = sorted((e for e in events if e.arm == arm.arm), key=lambda e: e.id)
    factor = 1.0 if spec.drift is None or spec.drift.factor is None else spec.drift.factor
    weights = [factor ** (period - 1 - e.period) for e in own]
    delay = arm.delay or spec.delay
    come = [1.0 if delay is None else delay.seen(period - 1 - e.period) for e in own]
    return sums(spec.features or [], own, weights, come, spec.outcome == "money")


def _noise(spec: AllocatorSpec, events: Sequence[Event]) -> float:
    """The standard deviation of one trial's outcome: as stated, or by the kind of outcome."""
    if spec.noise_sd is not None:
        return spec.noise_sd
    trials, outcomes = sum(e.trials for e in events), sum(e.outcomes for e in events)
    rate = (outcomes + 1.0) / (trials + 2.0)
    return math.sqrt(rate if spec.outcome == "count" else max(rate * (1.0 - rate), 1e-6))


# -- what is said of it ---------------------------------------------------------------------------


def _warnings(
    spec: AllocatorSpec,
    believed: Sequence[Belief],
    events: Sequence[Event],
    budget: float,
    within: Limits,
) -> list[dict[str, str]]:
    out = []
    plain = [belief for belief in believed if belief.arm.curve is None]
    if plain:
        out += _few_trials(spec, events, len(plain))
    carried = [b.arm.arm for b in believed if b.arm.curve and b.arm.curve.carryover > _CARRY]
    if carried:
        out.append(
            _warning(
                "carryover_beyond_period",
                f"Of what {', '.join(carried)} bring, more than {_CARRY:.0%} comes after the "
                "period of the spend: a period's outcome is not its own. Plan over time instead.",
            )
        )
    late = [b.arm.arm for b in believed if b.seen < _LATE]
    if late:
        out.append(
            _warning(
                "outcomes_too_late",
                f"Less than half of what trials of {', '.join(late)} bring has come by now: "
                "the split rests on the stated delay. Decide less often, or on an earlier outcome.",
            )
        )
    if spec.kind == "ucb":
        out.append(
            _warning(
                "index_in_batches",
                "An upper confidence bound sends all that is free to one arm until the next "
                "observation; for batches use thompson.",
            )
        )
    more = [b.arm.arm for b in believed if b.more_than_trials and spec.outcome != "count"]
    if more:
        out.append(
            _warning(
                "more_outcomes_than_trials",
                f"{', '.join(more)} have periods with more outcomes than trials: trials are "
                "still to be told, and are taken to be as many as outcomes until then.",
            )
        )
    if within.budget < budget * (1.0 - 1e-9):
        out.append(
            _warning(
                "budget_not_spent",
                f"Ceilings (and ramps of new arms) leave {number(budget - within.budget)} of the "
                "budget unspent.",
            )
        )
    return out


def _few_trials(spec: AllocatorSpec, events: Sequence[Event], arms: int) -> list[dict[str, str]]:
    periods = {event.period for event in events}
    if len(periods) < 2:
        return []
    trials = sum(e.trials for e in events) / len(periods) / arms
    outcomes = sum(e.outcomes for e in events) / len(periods)
    if trials >= _FEW_TRIALS and (outcomes >= _FEW_OUTCOMES or spec.outcome == "money"):
        return []
    text = (
        f"{number(trials)} trials an arm and {number(outcomes)} outcomes a period are few to learn "
        f"from: under {_FEW_TRIALS:g} or {_FEW_OUTCOMES:g} a randomised test, or the fit's plan, "
        "is the better tool."
    )
    return [_warning("too_few_trials", text)]


def _warning(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _why(spec: AllocatorSpec, told: Mapping[str, Any], curved: bool) -> str:
    top = max(told["arms"], key=lambda row: row["spend"])
    chance = f"{100.0 * top['probability_best']:.0f} %"
    share = f"{100.0 * top['share']:.0f} %"
    if curved:
        how = (
            "the mean of the best splits under draws of what is believed of the curves"
            if spec.kind == "thompson"
            else "the best over the curves as this kind takes them to be"
        )
        return (
            f"{top['arm']} gets most, {share} of the budget: the split is {how}, and on each curve "
            "the next unit of money brings less than the one before."
        )
    how = {
        "thompson": "each arm gets the share of draws in which it is the best, within its limits",
        "ucb": "the arm that could still be the best gets all that is free",
        "epsilon_greedy": f"the best arm so far gets all but {spec.epsilon:.0%}, spread evenly",
    }[spec.kind]
    return (
        f"{top['arm']} gets most, {share} of the budget, and is the best with a probability of "
        f"{chance}: {how}."
    )
