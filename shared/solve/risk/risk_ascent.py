"""A plan that is locally best for a concave risk measure: Newton on a smoothed measure.

The tail mean has kinks where draws change places. With a barrier of weight m on
``u_s >= max(0, eta - F_s)`` and u_s eliminated in closed form it becomes smooth in the outcomes,

    max over eta of eta - sum phi(eta - F_s),    phi'(v) = m / (u - v) in (0, c),

and tends to the tail mean (Rockafellar and Uryasev 2000) as m falls; ``phi'`` are the weights of
the draws. Bounds of the spends carry a primal-dual barrier of the same weight. Per step a dense
system of the size of the channels is solved, so a thousand draws cost little.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import DrawStack
from shared.problem.canonical import Canonical
from shared.problem.model import Risk
from shared.problem.risk import most_weight

__all__ = ["TAILS", "Ascent", "Smooth", "ascend", "smooth"]

Array = NDArray[np.float64]
_STEPS = 15
TAILS = ("cvar", "worst_case", "quantile")


@dataclass(frozen=True, slots=True, eq=False)
class Ascent:
    """A plan (n,), the weights (S,) over draws and the price of money around it."""

    spend: Array
    weights: Array
    price: float


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """Value, weights (S,), and minus the second derivative along columns of a Jacobian."""

    value: float
    weights: Array
    bend: Array  # (S,) diagonal part
    ones: Array  # (k, S) rank-one parts that are taken off the diagonal part

    def curvature(self, jacobian: Array) -> Array:
        """(n, n) second derivative of the measure through outcomes that move by (S, n)."""
        out = -(jacobian.T * self.bend) @ jacobian
        for row in self.ones:
            side = jacobian.T @ row
            out += np.outer(side, side)
        return np.asarray(out)


def ascend(
    canonical: Canonical,
    risk: Risk,
    start: Array,
    *,
    held: bool = False,
    deadline: float = math.inf,
) -> Ascent:
    """From a feasible plan (n,) to a locally best one; where curves are concave, the best.

    ``held`` keeps channels at the lower bound that are there at the start, and stays near it: with
    S-curves a channel that is pushed off 0 would only lose. After ``deadline``
    (``time.perf_counter``) the plan so far is taken.
    """
    full = float(canonical.upper.sum()) > canonical.budget * (1.0 + 1e-9)
    if not canonical.spend_all and full:
        # Money is rarely left: where its price is not negative, the cap might as well be exact.
        spent = replace(canonical, spend_all=True)
        filled = _to_budget(spent, start)
        found = ascend(spent, risk, filled, held=held, deadline=deadline)
        if found.price > 0.0:
            return found
    assert canonical.draws is not None
    draws = _Draws(canonical.draws)
    low, high = canonical.lower, canonical.upper
    room = high - low > 1e-12 * max(canonical.budget, 1e-300)
    if held:
        room &= start > low + 1e-6 * (high - low)
    free = np.flatnonzero(room)
    x = _inside(canonical, start, free, 1e-3 if held else 0.1)
    size = max(abs(float(draws.value(x).sum(axis=1).mean())), 1e-300)
    # From a smoothing that blurs a hundredth of the outcome to a gap of 1e-8 of it.
    mu = 1e-2 * size * (most_weight(risk, draws.draws) if risk.measure in TAILS else 1e-2)
    last = 1e-9 * size / draws.draws
    best = smooth(risk, draws.value(x).sum(axis=1), mu)
    tight = bool(np.any(x[free] <= low[free]) or np.any(x[free] >= high[free]))
    full = not canonical.spend_all and float(x.sum()) >= canonical.budget
    if free.size < 1 + canonical.spend_all or tight or full:  # nothing can move
        return Ascent(start, best.weights, 0.0)
    if held:
        mu *= 1e-2
    below, above = np.zeros(canonical.n), np.zeros(canonical.n)
    below[free], above[free] = mu / (x - low)[free], mu / (high - x)[free]
    price = 0.0
    while True:
        for _ in range(_STEPS):
            now = smooth(risk, draws.value(x).sum(axis=1), mu)
            slope, bend = draws.slope(x), _bend(draws, now.weights, x, high)
            part = now.curvature(slope[:, free])
            room_low, room_high = (x - low)[free], (high - x)[free]
            pull = below[free] / room_low + above[free] / room_high
            matrix = part + np.diag(np.minimum(bend[free], 0.0) - pull)
            matrix -= 1e-12 * np.diag(np.abs(np.diag(matrix)) + 1e-300)
            left = canonical.budget - float(x.sum())
            gain = now.weights @ slope[:, free] + mu / room_low - mu / room_high
            step, price = _newton(matrix, gain, left, mu, spend_all=canonical.spend_all)
            new_below = mu / room_low - below[free] - below[free] * step / room_low
            new_above = mu / room_high - above[free] + above[free] * step / room_high
            length = _reach(room_low, step), _reach(room_high, -step)
            scale = min(*length, 1.0 if canonical.spend_all else _reach1(left, float(step.sum())))
            value = _merit(now.value, room_low, room_high, mu, left, canonical.spend_all)
            promised = float(gain @ step) - (0.0 if canonical.spend_all else mu / left * step.sum())
            for _ in range(25):
                trial = x.copy()
                trial[free] += scale * step
                there = smooth(risk, draws.value(trial).sum(axis=1), mu).value
                rooms = (trial - low)[free], (high - trial)[free]
                rest = canonical.budget - float(trial.sum())
                merit = _merit(there, *rooms, mu, rest, canonical.spend_all)
                if merit >= value + 1e-4 * scale * promised - 1e-13 * abs(value):
                    break
                scale *= 0.5
            x = trial
            dual = min(_reach(below[free], new_below), _reach(above[free], new_above))
            below[free] += dual * new_below
            above[free] += dual * new_above
            if abs(promised) <= 0.1 * mu or time.perf_counter() >= deadline:
                break
        if mu <= last or time.perf_counter() >= deadline:
            break
        mu *= 0.2
    weights = smooth(risk, draws.value(x).sum(axis=1), mu).weights
    return Ascent(x, weights, max(price, 0.0))


def _to_budget(canonical: Canonical, start: Array) -> Array:
    """A plan stretched towards its upper bounds until the budget is spent."""
    room = canonical.upper - start
    missing = canonical.budget - float(start.sum())
    return np.asarray(start + room * min(max(missing / max(float(room.sum()), 1e-300), 0.0), 1.0))


def _inside(canonical: Canonical, start: Array, free: NDArray[np.intp], mix: float) -> Array:
    """A point strictly within the bounds of the ``free`` channels near a plan."""
    low, high = canonical.lower[free], canonical.upper[free]
    out = start.copy()
    spent = canonical.budget - (float(start.sum()) - float(start[free].sum()))
    room = float((high - low).sum())
    share = (spent - float(low.sum())) / room if room > 0.0 else 0.0
    share = min(max(share, 0.0), 1.0) * (1.0 if canonical.spend_all else 0.9)
    out[free] = (1.0 - mix) * start[free] + mix * (low + share * (high - low))
    return out


class _Draws:
    """Values and slopes (S, n) of the draws at one plan, tabulated channels all at once."""

    def __init__(self, draws: DrawStack) -> None:
        self.draws, self.n = draws.draws, draws.n
        self.plain = DrawStack(draws.draws, draws.n, draws.groups)
        self.tables: list[tuple[int, Array, Array, Array]] = []
        for column, curves, _ in draws.tables:
            knots = [curve.knots() for curve in curves]
            size = max(len(at) for at, _ in knots)
            at = np.stack([np.pad(a, (0, size - len(a)), constant_values=np.inf) for a, _ in knots])
            height = np.stack([np.pad(h, (0, size - len(h)), mode="edge") for _, h in knots])
            with np.errstate(invalid="ignore"):
                steps = np.diff(height, axis=1) / np.diff(at, axis=1)
            steps = np.where(np.isfinite(steps), steps, 0.0)
            self.tables.append((column, at, height, np.pad(steps, ((0, 0), (0, 1)))))

    def value(self, x: Array) -> Array:
        """Outcome by draw and channel."""
        out = self.plain.value(x)
        rows = np.arange(self.draws)
        for column, at, height, steps in self.tables:
            k = np.maximum((at <= x[column]).sum(axis=1) - 1, 0)
            out[:, column] = height[rows, k] + steps[rows, k] * (x[column] - at[rows, k])
        return out

    def slope(self, x: Array) -> Array:
        """Slope by draw and channel."""
        out = self.plain.slope(x)
        rows = np.arange(self.draws)
        for column, at, _, steps in self.tables:
            k = np.maximum((at <= x[column]).sum(axis=1) - 1, 0)
            out[:, column] = steps[rows, k]
        return out


def _newton(
    matrix: Array, gain: Array, left: float, mu: float, *, spend_all: bool
) -> tuple[Array, float]:
    """The step, and the budget's price: kept exactly, or by a barrier where it is a cap."""
    n = gain.size
    if spend_all:
        whole = np.zeros((n + 1, n + 1))
        whole[:n, :n], whole[:n, n], whole[n, :n] = matrix, -1.0, -1.0
        answer = np.linalg.lstsq(whole, np.append(-gain, -left), rcond=None)[0]
        return answer[:n], float(answer[n])
    pull = mu / left
    answer = np.linalg.lstsq(matrix - pull / left, -(gain - pull), rcond=None)[0]
    return answer, pull


def _reach(room: Array, step: Array) -> float:
    """The longest part of a step that stays inside, a little short of the edge; at most 1."""
    falling = step < 0.0
    return min(1.0, float(np.min(0.99 * room[falling] / -step[falling], initial=1.0)))


def _reach1(left: float, step: float) -> float:
    return min(1.0, 0.99 * left / step) if step > 0.0 else 1.0


def _merit(value: float, low: Array, high: Array, mu: float, left: float, spend_all: bool) -> float:
    rest = 0.0 if spend_all else math.log(max(left, 1e-300))
    return value + mu * (float(np.log(low).sum() + np.log(high).sum()) + rest)


def _bend(draws: _Draws, weights: Array, x: Array, high: Array) -> Array:
    """(n,) second derivative of the weighted sum, by differences of slopes."""
    at = np.maximum(x, 1e-9 * high + 1e-300)  # who is held at 0 needs none
    step = 1e-4 * at
    change = draws.slope(at + step) - draws.slope(at - step)
    return np.asarray(weights @ change / (2.0 * step))


def smooth(risk: Risk, outcomes: Array, mu: float) -> Smooth:
    count = outcomes.size
    if risk.measure in ("expected", "mean_minus_sd"):
        aversion = risk.aversion if risk.measure == "mean_minus_sd" else 0.0
        mean = float(outcomes.mean())
        away = outcomes - mean
        # Smoothed where all draws agree, so that there is a slope.
        spread = math.sqrt(float((away**2).mean()) + (1e-9 * mean) ** 2 + 1e-300)
        weights = (1.0 - aversion * away / spread) / count
        bend = np.full(count, aversion / (count * spread))
        rank = math.sqrt(aversion / spread) / count
        ones = np.stack([np.full(count, rank), rank * away / spread])
        return Smooth(mean - aversion * spread, weights, bend, ones)
    most = most_weight(risk, count)
    eta = _eta(outcomes, most, mu)
    over = eta - outcomes
    root = np.sqrt((most * over) ** 2 + 4.0 * mu**2)
    # u - v and u: the smaller of both without cancellation.
    small = (4.0 * mu**2 / (root + most * np.abs(over)) + 2.0 * mu) / (2.0 * most)
    gap = np.where(over > 0.0, small, small - over)
    slack = np.where(over > 0.0, small + over, small)
    weights = mu / gap
    bend = mu * (1.0 - most * over / root) / (2.0 * gap**2)
    bend = np.maximum(bend, 0.0)
    value = eta - float((most * slack - mu * np.log(gap) - mu * np.log(slack)).sum())
    total = max(float(bend.sum()), 1e-300)
    return Smooth(value, weights, bend, (bend / math.sqrt(total))[None, :])


def _eta(outcomes: Array, most: float, mu: float) -> float:
    """The level at which the weights sum to one; they rise with it."""
    reach = 4.0 * mu * outcomes.size + 1e-300
    low, high = float(outcomes.min()) - reach, float(outcomes.max()) + reach
    if most * outcomes.size <= 1.0 + 1e-12:
        return high
    eta = float(np.quantile(outcomes, min(1.0 / (most * outcomes.size), 1.0)))
    for _ in range(100):
        over = eta - outcomes
        root = np.sqrt((most * over) ** 2 + 4.0 * mu**2)
        small = (4.0 * mu**2 / (root + most * np.abs(over)) + 2.0 * mu) / (2.0 * most)
        gap = np.where(over > 0.0, small, small - over)
        total = float((mu / gap).sum())
        if total > 1.0:
            high = eta
        else:
            low = eta
        if high - low <= 1e-15 * max(abs(high), abs(low)) or abs(total - 1.0) <= 1e-15:
            break
        # Newton on the logarithm, which bends less; halving where that leaves the bracket.
        rise = float((mu * np.maximum(1.0 - most * over / root, 0.0) / (2.0 * gap**2)).sum())
        step = math.log(total) * total / rise if rise > 0.0 else math.inf
        before, eta = eta, eta - step
        if not low < eta < high:
            eta = 0.5 * (low + high)
        if abs(eta - before) <= 1e-16 * abs(before):
            break
    return eta
