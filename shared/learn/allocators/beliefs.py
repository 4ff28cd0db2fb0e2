"""What is believed of each arm at the beginning of a period, from the events before it.

A belief is a function of the set of events: counts are whole, sums of money are correctly rounded
whatever their order (``math.fsum``), and of an event that was corrected the last version counts.

The past is discounted towards the prior, every arm each period (``a <- a0 + f (a - a0)``), or cut
off where a generalised likelihood ratio tells that a rate has changed. Sources: Garivier and
Moulines, On upper-confidence bound policies for switching bandit problems (2011); Besson,
Kaufmann, Maillard and Seznec, Efficient change-point detection for bandits (2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from shared.learn.allocators.posteriors import Gamma, Normal, Posterior, delayed, valued
from shared.learn.allocators.spec import AllocatorSpec, Arm, Event

__all__ = ["Belief", "Cohorts", "beliefs", "changed_at", "cohorts_of", "kl", "likeliest_factor"]

Array = NDArray[np.float64]

FACTORS = (1.0, 0.999, 0.997, 0.99, 0.98, 0.95, 0.9)
"""Discounts to choose from by likelihood."""

_VALUE_PRIOR = 3.0  # conversions' worth of the pooled mean value, plus one
_FEW = 5  # cohorts from which on their scatter is looked at


@dataclass(frozen=True, slots=True)
class Cohorts:
    """An arm's events by the period of their trials, each array (C,)."""

    period: Array
    trials: Array
    outcomes: Array
    value: Array
    spend: Array

    def after(self, period: int) -> Cohorts:
        """Those of ``period`` and later."""
        kept = self.period >= period
        return Cohorts(*(getattr(self, name)[kept] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of an arm.

    Attributes
    ----------
    rate
        Of its outcome (or money) per trial; of an arm with a curve, of the curve's size.
    trials, outcomes, value, spend
        All that was seen of it, as it was told.
    seen
        The share of the outcomes of its trials that has come by now, as far as its delay tells.
    since
        The first period that counts, where a change was found.
    """

    arm: Arm
    rate: Posterior
    trials: int
    outcomes: int
    value: float
    spend: float
    seen: float
    since: int | None = None
    more_than_trials: bool = False


def cohorts_of(events: Sequence[Event], arm: str, period: int) -> Cohorts:
    """What was seen of an arm before ``period``; of what came later nothing is known then."""
    parts: dict[int, list[Event]] = {}
    for event in events:
        if event.arm == arm and event.period + event.lag < period:
            parts.setdefault(event.period, []).append(event)
    rows = [
        (
            float(cohort),
            float(sum(e.trials for e in own)),
            float(sum(e.outcomes for e in own)),
            math.fsum(e.value for e in own),
            math.fsum(e.spend or 0.0 for e in own),
        )
        for cohort, own in sorted(parts.items())
    ]
    return Cohorts(*np.array(rows, dtype=np.float64).reshape(-1, 5).T)


def beliefs(
    spec: AllocatorSpec, arms: Sequence[Arm], events: Sequence[Event], period: int
) -> tuple[list[Belief], float | None]:
    """The belief of each arm at the beginning of ``period``, and the discount that was used."""
    seen = {arm.arm: cohorts_of(events, arm.arm, period) for arm in arms}
    drift, factor, since = spec.drift, None, dict[str, int]()
    prior = _Priors(spec, arms, seen)
    if drift is not None and drift.method == "discount":
        factor = drift.factor
        if factor is None:
            factor = likeliest_factor([seen[a.arm] for a in arms], spec.outcome == "count")
    elif drift is not None:
        for arm in arms:
            at = changed_at(seen[arm.arm], spec.outcome == "count", drift.false_alarms)
            if at is not None:
                since[arm.arm] = at
    out = []
    for arm in arms:
        every = seen[arm.arm]
        own = every.after(since.get(arm.arm, 0))
        age = period - 1.0 - own.period
        weight = np.ones(age.size) if factor is None else factor**age
        delay = arm.delay or spec.delay
        come = np.array([1.0 if delay is None else delay.seen(int(a)) for a in age])
        rate = _on_curve if arm.curve is not None else _per_trial
        exposed = float(own.trials.sum()) or float(own.spend.sum())
        by = own.trials if float(own.trials.sum()) > 0.0 else own.spend
        out.append(
            Belief(
                arm,
                rate(spec, arm, own, weight, come, prior),
                int(every.trials.sum()),
                int(every.outcomes.sum()),
                math.fsum(every.value),
                math.fsum(every.spend),
                float((by * come).sum() / exposed) if exposed > 0.0 else 1.0,
                since.get(arm.arm),
                bool(np.any(own.outcomes > own.trials)) and arm.curve is None,
            )
        )
    return out, factor


class _Priors:
    """What is believed of an arm before anything is seen of it: of a late one, what its siblings
    have shown."""

    def __init__(
        self, spec: AllocatorSpec, arms: Sequence[Arm], seen: Mapping[str, Cohorts]
    ) -> None:
        self.spec = spec
        first = min(arm.start for arm in arms)
        self.late = {arm.arm for arm in arms if arm.start > first}
        count = spec.outcome == "count"
        totals = {
            arm.arm: (float(seen[arm.arm].outcomes.sum()), float(seen[arm.arm].trials.sum()))
            for arm in arms
            if arm.curve is None
        }
        early = [(s, n) for name, (s, n) in totals.items() if name not in self.late and n > 0.0]
        outcomes = math.fsum(s for s, _ in totals.values())
        trials = math.fsum(n for _, n in totals.values())
        self.pooled = (outcomes + 1.0) / (trials + (1.0 if count else 2.0))
        if early:
            each = [(s + 1.0) / (n + (1.0 if count else 2.0)) for s, n in early]
            self.mean = math.fsum(each) / len(each)
            spread = math.sqrt(math.fsum((r - self.mean) ** 2 for r in each) / len(each))
            self.spread = max(spread, 0.5 * self.mean)
        value = math.fsum(float(v) for arm in arms for v in seen[arm.arm].value)
        self.value = value / outcomes if value > 0.0 and outcomes > 0.0 else 1.0
        self.known = bool(early)

    def beta(self, arm: Arm) -> tuple[float, float]:
        """Both parameters of a share's prior; flat unless said otherwise."""
        if arm.prior is not None:
            return arm.prior.mean * arm.prior.trials, (1.0 - arm.prior.mean) * arm.prior.trials
        if arm.arm in self.late and self.known:
            mean = min(self.mean, 0.99)
            weight = max(mean * (1.0 - mean) / self.spread**2 - 1.0, 2.0)
            return mean * weight, (1.0 - mean) * weight
        return 1.0, 1.0

    def gamma(self, arm: Arm) -> tuple[float, float]:
        """Outcomes and exposure of a count's prior: one outcome at the pooled rate."""
        if arm.prior is not None:
            return arm.prior.mean * arm.prior.trials, arm.prior.trials
        if arm.arm in self.late and self.known:
            shape = (self.mean / self.spread) ** 2
            return shape, shape / self.mean
        return 1.0, 1.0 / self.pooled


def _per_trial(
    spec: AllocatorSpec, arm: Arm, own: Cohorts, weight: Array, come: Array, prior: _Priors
) -> Posterior:
    if spec.outcome == "count":
        a, rate = prior.gamma(arm)
        exposure = own.trials * come
        fade = weight / _scatter(own.outcomes, exposure, weight)
        return Gamma(a + float(fade @ own.outcomes), rate + float(fade @ exposure))
    # Outcomes may be told before the trials that they came from.
    trials = np.maximum(own.trials, own.outcomes)
    found = delayed(*prior.beta(arm), weight * trials, weight * own.outcomes, come)
    if spec.outcome == "binary":
        return found
    shape, a = spec.value_shape, _VALUE_PRIOR
    scale = prior.value * (a - 1.0) / shape + float(weight @ own.value)
    return valued(found, shape, a + shape * float(weight @ own.outcomes), scale)


def _on_curve(
    spec: AllocatorSpec, arm: Arm, own: Cohorts, weight: Array, come: Array, prior: _Priors
) -> Posterior:
    del prior
    assert arm.curve is not None
    if arm.curve.uncertainty == 0.0:
        return Normal(1.0, 0.0)
    promised = np.asarray(arm.curve.response.value(own.spend)) * come
    precision = arm.curve.uncertainty**-2
    if spec.outcome == "count":
        fade = weight / _scatter(own.outcomes, promised, weight)
        return Gamma(precision + float(fade @ own.outcomes), precision + float(fade @ promised))
    assert spec.noise_sd is not None
    told = promised / spec.noise_sd**2
    total = precision + float((weight * told) @ promised)
    middle = (precision + float((weight * told) @ own.value)) / total
    return Normal(middle, total**-0.5)


def _scatter(outcomes: Array, exposure: Array, weight: Array) -> float:
    """Pearson's dispersion of counts, at least 1: what their variance is over their mean."""
    used = exposure > 0.0
    if int(used.sum()) < _FEW:
        return 1.0
    s, e, w = outcomes[used], exposure[used], weight[used]
    total = float(w @ s)
    if total <= 0.0:
        return 1.0
    mean = e * total / float(w @ e)
    return max(float(((s - mean) ** 2 / mean).sum()) / (s.size - 1.0), 1.0)


def kl(p: Array, q: Array) -> Array:
    """Kullback and Leibler's divergence of Bernoulli(q) from Bernoulli(p)."""
    p, q = np.clip(p, 1e-12, 1.0 - 1e-12), np.clip(q, 1e-12, 1.0 - 1e-12)
    return np.asarray(p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q)))


def _apart(p: Array, q: Array) -> Array:
    """The same of Poisson rates, per unit of exposure."""
    p, q = np.maximum(p, 1e-12), np.maximum(q, 1e-12)
    return np.asarray(p * np.log(p / q) - p + q)


def changed_at(own: Cohorts, count: bool, false_alarms: float) -> int | None:
    """The first period after the last change of a rate; None where none was found.

    Period by period the likelihood of two rates, before and after some period, is compared with
    that of one; beyond ``ln(3 n^1.5 / false_alarms)`` after n periods all before it is left aside.
    """
    apart = _apart if count else kl
    start = 0
    for end in range(1, own.period.size + 1):
        n, s = np.cumsum(own.trials[start:end]), np.cumsum(own.outcomes[start:end])
        if n.size < 2 or n[-1] <= 0.0:
            continue
        before, after = np.maximum(n[:-1], 1e-300), np.maximum(n[-1] - n[:-1], 1e-300)
        mean = s[-1:] / n[-1]
        gain = n[:-1] * apart(s[:-1] / before, mean)
        gain += (n[-1] - n[:-1]) * apart((s[-1] - s[:-1]) / after, mean)
        if float(gain.max()) > math.log(3.0 * n.size**1.5 / false_alarms):
            start += int(gain.argmax()) + 1
    return int(own.period[start]) if start else None


def likeliest_factor(arms: Sequence[Cohorts], count: bool) -> float:
    """The discount under which each period's outcomes were the least surprising, from those before.

    Predictive likelihoods are beta-binomial, or negative binomial of counts.
    """
    factors = np.array(FACTORS)
    score = np.zeros(factors.size)
    for own in arms:
        a, b = np.ones(factors.size), np.ones(factors.size)
        last: float | None = None
        for at, n, s in zip(own.period, own.trials, own.outcomes, strict=True):
            if last is not None:
                fade = factors ** (at - last)
                a, b = 1.0 + fade * (a - 1.0), 1.0 + fade * (b - 1.0)
                if count and n > 0.0:
                    score += gammaln(a + s) - gammaln(a)
                    score += a * np.log(b / (b + n)) + s * np.log(n / (b + n))
                elif not count:
                    score += betaln(a + s, b + max(n - s, 0.0)) - betaln(a, b)
            a, b = a + s, b + (n if count else max(n - s, 0.0))
            last = float(at)
    return float(factors[int(np.round(score, 9).argmax())])
