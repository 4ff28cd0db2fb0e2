"""Off-policy evaluation: what a rule would have brought on a log of another's decisions.

Every row was chosen with a known probability mu; the rule to be judged would have chosen it with
pi, so that rows count with weight ``w = pi / mu``. Where the log has no say the question is refused
by name. Sources: Dudík, Langford and Li, Doubly robust policy evaluation and learning (2011);
Swaminathan and Joachims, The self-normalized estimator for counterfactual learning (2015). Logs of
a bandit are no independent draws: there scores are weighed by their steps' propensities (Hadad,
Hirshberg, Zhan, Wager and Athey, Confidence intervals for policy evaluation in adaptive
experiments, 2021), and nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from shared.curves.curveset import NORMAL_95
from shared.errors import MAX_FAULTS, Fault, InvalidInput, pointer_to
from shared.figures import number
from shared.shapes import WHOLE, Strict

__all__ = ["OffPolicy", "evaluate"]

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Probability = Annotated[float, Field(gt=0, le=1)]

_FOLDS = 5
_LEAST, _LEAST_SHARE, _MOST, _RARE = 100.0, 0.01, 0.05, 0.01


class LoggedRow(Strict):
    """One decision of the past: what was chosen, with what probability, and what came of it."""

    context: Name | None = Field(None, description="What was known before, as one word.")
    arm: Name
    reward: Annotated[float, Field(ge=-1e15, le=1e15)]
    propensity: Probability = Field(description="With which the arm was chosen then.")
    period: Annotated[int, Field(ge=0, le=10**7), WHOLE] = 0
    propensities: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None, description="Of all arms at that step; a log of a bandit needs them."
    )


class TargetRule(Strict):
    """With what probability the rule to be judged chooses an arm, in one context or in all."""

    context: Name | None = None
    arm: Name
    probability: Annotated[float, Field(ge=0, le=1)]


class OffPolicy(Strict):
    """A log, and a rule to be judged on it."""

    rows: list[LoggedRow] = Field(min_length=2, max_length=100_000)
    target: list[TargetRule] = Field(min_length=1, max_length=10_000)
    adaptive: bool = Field(False, description="Whether the log's probabilities followed from it.")


def evaluate(asked: OffPolicy) -> dict[str, Any]:
    """What the rule would have brought per row, with 90 % intervals, against what was done.

    Raises
    ------
    InvalidInput
        The rule is incomplete, or the log does not overlap with it, by name: ``pair_never_logged``,
        ``effective_size_too_small``, ``one_weight_dominates``, ``propensities_do_not_fit``,
        ``propensities_missing``.
    """
    log = _Log(asked)
    w, r = log.weight, log.reward
    diagnostics = log.overlap()
    n, average = r.size, float(w.mean())
    ips = float((w * r).mean())
    told: dict[str, Any] = {"inverse_propensity": None, "self_normalised": None}
    if asked.adaptive:
        scores, value, error = log.adaptive()
        logged_error = None
        gain, gain_error = log.weighed(scores - r)
    else:
        scores = log.doubly_robust()
        value, error = float(scores.mean()), _error(scores)
        snips = float((w * r).sum() / w.sum())
        told["inverse_propensity"] = _told(ips, _error(w * r))
        rest = float(np.sqrt(np.mean((w * (r - snips) / average) ** 2) / n))
        told["self_normalised"] = _told(snips, rest)
        logged_error = _error(r)
        gain, gain_error = float((scores - r).mean()), _error(scores - r)
    low, high = gain - NORMAL_95 * gain_error, gain + NORMAL_95 * gain_error
    if low > 0.0:
        say = "The rule would have brought more than what was done, beyond the error."
    elif high < 0.0:
        say = "The rule would have brought less than what was done, beyond the error."
    else:
        say = "The log does not tell whether the rule brings more or less than what was done."
    return {
        "rows": n,
        **told,
        "doubly_robust": _told(value, error),
        "logging_rule": {
            "value": float(r.mean()),
            "error": logged_error,
            "interval": None
            if logged_error is None
            else _told(float(r.mean()), logged_error)["interval"],
        },
        "difference": _told(gain, gain_error),
        "overlap": diagnostics,
        "verdict": say,
    }


class _Log:
    """A log as arrays: contexts and arms by number, target probabilities (X, A)."""

    def __init__(self, asked: OffPolicy) -> None:
        self.rows = asked.rows
        self.contexts = sorted({row.context or "" for row in asked.rows})
        self.arms = sorted({row.arm for row in asked.rows})
        context = {name: i for i, name in enumerate(self.contexts)}
        arm = {name: i for i, name in enumerate(self.arms)}
        self.x = np.array([context[row.context or ""] for row in asked.rows], dtype=np.intp)
        self.a = np.array([arm[row.arm] for row in asked.rows], dtype=np.intp)
        self.reward = np.array([row.reward for row in asked.rows])
        self.mu = np.array([row.propensity for row in asked.rows])
        self.period = np.array([row.period for row in asked.rows])
        self.logged = np.zeros((len(self.contexts), len(self.arms)), dtype=bool)
        self.logged[self.x, self.a] = True
        self.rare = np.ones(self.logged.shape)
        np.minimum.at(self.rare, (self.x, self.a), self.mu)
        self.target = self._target(asked.target, arm)
        self.weight = self.target[self.x, self.a] / self.mu

    def _target(self, rules: Sequence[TargetRule], arm: dict[str, int]) -> Array:
        """(X, A) target probabilities; what a context says goes before what is said of all."""
        out = np.zeros((len(self.contexts), len(self.arms)))
        missing: list[Fault] = []
        for i, name in enumerate(self.contexts):
            own = [rule for rule in rules if rule.context is not None and rule.context == name]
            own = own or [rule for rule in rules if rule.context is None]
            total = sum(rule.probability for rule in own)
            where = f"context {name!r}" if name else "rows without a context"
            if abs(total - 1.0) > 1e-6:
                text = f"The rule's probabilities in {where} add up to {number(total)}, not to 1."
                raise InvalidInput.at("/target", "contradiction", text)
            for rule in own:
                place = arm.get(rule.arm)
                if rule.probability > 0.0 and (place is None or not self.logged[i, place]):
                    text = (
                        f"The rule chooses {rule.arm} in {where} with probability "
                        f"{number(rule.probability)}, and the log has no such row: what it would "
                        "have brought is not known. Try it on a small share of traffic first."
                    )
                    missing.append(Fault("/target", "pair_never_logged", text))
                elif place is not None:
                    out[i, place] += rule.probability
        if missing:
            raise InvalidInput(missing[:MAX_FAULTS])
        return out

    def overlap(self) -> dict[str, Any]:
        """How far the log and the rule overlap; refused where it is not enough."""
        w = self.weight
        n, total = w.size, float(w.sum())
        size = total**2 / float((w**2).sum()) if total > 0.0 else 0.0
        largest = float(w.max()) / total if total > 0.0 else 1.0
        mean, error = float(w.mean()), _error(w)
        each = np.bincount(self.x, minlength=len(self.contexts)) / n
        rare = float((each[:, None] * self.target * (self.rare < _RARE)).sum())
        faults = []
        least = max(_LEAST, _LEAST_SHARE * n)
        if size < least:
            text = (
                f"The {n:,} rows are worth {number(size)} rows of the rule's own; at least "
                f"{number(least)} are needed. Log more, or judge a rule nearer to what was done."
            )
            faults.append(Fault("/rows", "effective_size_too_small", text))
        if largest > _MOST:
            text = f"One row alone has {largest:.0%} of all weight; at most {_MOST:.0%} is used."
            faults.append(Fault("/rows", "one_weight_dominates", text))
        if abs(mean - 1.0) > 3.0 * max(error, 1e-9):
            text = (
                f"Weights average {number(mean)} and not 1 within three errors of {number(error)}: "
                "the propensities are not those with which these rows were chosen."
            )
            faults.append(Fault("/rows", "propensities_do_not_fit", text))
        if faults:
            raise InvalidInput(faults)
        return {
            "effective_size": size,
            "largest_weight": largest,
            "mean_weight": mean,
            "mass_on_rare_pairs": rare,
        }

    def doubly_robust(self) -> Array:
        """(n,) scores, with a model of rewards that is fitted on other blocks of time."""
        order = np.argsort(self.period, kind="stable")
        scores = np.empty(self.reward.size)
        for held in np.array_split(order, _FOLDS):
            used = np.ones(self.reward.size, dtype=bool)
            used[held] = False
            scores[held] = self._scores(self._model(used), held)
        return scores

    def _model(self, used: NDArray[np.bool_]) -> Array:
        """(X, A) mean rewards of pairs, drawn to their arm's mean as by one row."""
        shape = self.logged.shape
        total, count = np.zeros(shape), np.zeros(shape)
        np.add.at(total, (self.x[used], self.a[used]), self.reward[used])
        np.add.at(count, (self.x[used], self.a[used]), 1.0)
        overall = float(self.reward[used].mean()) if used.any() else 0.0
        arm = (total.sum(axis=0) + overall) / (count.sum(axis=0) + 1.0)
        return np.asarray((total + arm) / (count + 1.0))

    def _scores(self, q: Array, rows: Ints) -> Array:
        x, a = self.x[rows], self.a[rows]
        direct = (self.target[x] * q[x]).sum(axis=1)
        return np.asarray(direct + self.weight[rows] * (self.reward[rows] - q[x, a]))

    def adaptive(self) -> tuple[Array, float, float]:
        """Scores (n,), whose model rests on earlier periods alone, and their weighed mean with its
        error."""
        faults = []
        every = np.zeros((self.reward.size, len(self.arms)))
        for i, row in enumerate(self.rows):
            given = row.propensities or {}
            every[i] = [given.get(name, 0.0) for name in self.arms]
            needed = self.target[self.x[i]] > 0.0
            if np.any(every[i][needed] <= 0.0):
                text = (
                    "A log of a bandit needs the propensities of all arms that the rule may "
                    "choose, above 0, at each step."
                )
                where = pointer_to("rows", i, "propensities")
                faults.append(Fault(where, "propensities_missing", text))
                if len(faults) == MAX_FAULTS:
                    break
        if faults:
            raise InvalidInput(faults)
        pi = self.target[self.x]
        spread = np.divide(pi**2, every, out=np.zeros(pi.shape), where=pi > 0.0).sum(axis=1)
        self.stable = spread**-0.5
        scores = np.empty(self.reward.size)
        for period in np.unique(self.period):
            now = np.flatnonzero(self.period == period)
            scores[now] = self._scores(self._model(self.period < period), now)
        value, error = self.weighed(scores)
        return scores, value, error

    def weighed(self, scores: Array) -> tuple[float, float]:
        """The mean of scores whose steps count by how well they tell, context by context."""
        n, value, variance, square = scores.size, 0.0, 0.0, 0.0
        for context in range(len(self.contexts)):
            own = self.x == context
            h, share = self.stable[own], float(own.sum()) / n
            mean = float((h * scores[own]).sum() / h.sum())
            variance += share**2 * float((h**2 * (scores[own] - mean) ** 2).sum() / h.sum() ** 2)
            value += share * mean
            square += share * mean**2
        return value, float(np.sqrt(variance + max(square - value**2, 0.0) / n))


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size))


def _told(value: float, error: float) -> dict[str, Any]:
    half = NORMAL_95 * error
    return {"value": value, "error": error, "interval": [value - half, value + half]}
