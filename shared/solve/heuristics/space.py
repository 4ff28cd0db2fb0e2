"""A program as heuristics see it: points they may try, what they are worth, and a way back in.

Points are decisions laid flat, rows of a (k, n) array with n = A K, so that a whole population
costs a handful of numpy calls. Box and rows are kept by projection; what a decision near 0 becomes
under a minimum, and which arms are left under a limit on how many spend, is read off the point
before that; lots are left to the end. What a target is missed by costs a penalty, which is exact
once it exceeds the target's multiplier: nothing is gained by missing it (Han and Mangasarian, Math.
Programming 17, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.risk import measures, slope_weights
from shared.problem.risk_program import in_measure, shifted
from shared.solve.heuristics.polyhedron import Polyhedron

__all__ = ["SearchSpace", "Searched"]

Array = NDArray[np.float64]
_TINY = 1e-9  # of the largest adstocked spend: where a slope that is infinite at 0 is taken
_POINTS_S = 1.5e-4  # work of reading points, however few
_SHARP = 1e-12
_MISSED = 1e-9  # of a row's terms: what a point may miss it by
_CHUNK = 1 << 21  # numbers formed at once where draws are kept apart


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search came back with.

    Attributes
    ----------
    point
        (n,) the best point, allowed but for rounding and lots.
    note
        What was done, a sentence.
    finished
        Whether the search ended by itself rather than by the clock.
    """

    point: Array
    note: str
    finished: bool


class SearchSpace:
    """Points (k, n) of a program; counts what it evaluates.

    Parameters
    ----------
    deadline
        Of ``work.now``; methods look at it between rounds and never draw random numbers
        by it, so that it can cut a search short but not change its course.
    plans
        (A, K) each, known to be allowed.
    penalties
        Of one outcome that a target is missed by, one a floor of the program.
    """

    def __init__(
        self,
        program: Program,
        deadline: float = math.inf,
        plans: Sequence[Array] = (),
        penalties: Sequence[float] = (),
    ) -> None:
        rows, floors = program.rows, program.floors
        self.program, self.deadline, self.plans = program, deadline, plans
        self.lower, self.upper = program.lower.ravel(), program.upper.ravel()
        self.walls = Polyhedron(self.lower, self.upper, rows.matrix, rows.lower, rows.upper)
        self.n, self.range = int(self.lower.size), self.upper - self.lower
        self.evaluations = 0
        self.penalties = np.array(penalties or [0.0] * len(floors))
        self.costs = program.costs().ravel()
        self.constant = np.array([floor.constant for floor in floors])
        # (m, n) what a unit of each decision takes from a target's surplus, (m, A) what adds.
        sold = [f.per_money * f.pays_by(program.arms)[:, None] * program.counted() for f in floors]
        self.sold = np.array(sold).reshape(len(floors), self.n)
        self.shares = np.array([f.shares(program.arms) for f in floors])
        self.shares = self.shares.reshape(len(floors), program.arms)
        # Of an outcome that is asked for: a penalty sets in smoothly over that much.
        self.bend = _SHARP
        self.asked = np.maximum(self.constant + self.sold @ self.upper, 1e-300)
        self.in_measure = np.array(in_measure(program), dtype=bool)
        reach = program.adstocked(np.maximum(program.upper, 0.0))
        self.least = _TINY * max(float(reach.max(initial=0.0)), 1e-300)

    @property
    def toil(self) -> float:
        """Work that one point is, in coordinates: what methods measure their effort by.

        Rows make points dear (each projection solves for their prices again and again), and under
        a measure all of the draws do.
        """
        draws, rows = self.program.draws, len(self.walls.row_lower)
        work = self.n if self.walls.budget is not None or not rows else 2000 + self.n * (1 + rows)
        if self.program.risk is not None and draws is not None:
            return work + 0.1 * self.n * draws.draws
        return float(work)

    def late(self) -> bool:
        """Whether the clock has run out."""
        return work.now() >= self.deadline

    def value(self, points: Array) -> Array:
        """(k,) what points are worth less penalties; minus infinity where they are not allowed."""
        self.evaluations += len(points)
        worth, surplus = self.figures(points)
        short, bend = np.maximum(-surplus, 0.0), self.bend * self.asked
        cost = np.where(short < bend, 0.5 * short * short / bend, short - 0.5 * bend)
        worth = worth - cost @ self.penalties
        return np.where(self._kept(points), worth, -np.inf)

    def figures(self, points: Array) -> tuple[Array, Array]:
        """(k,) what points are worth, whatever they break; (k, m) outcome beyond each target."""
        work.charge(_POINTS_S)
        program, z = self.program, self._adstocked(points)
        read, mean, _ = self._read(z)
        brings = np.where(self.in_measure, read[:, None], mean[:, None])
        if any(floor.share is not None for floor in program.floors):
            brings = program.response(z).sum(axis=2) @ self.shares.T
        surplus = brings - self.constant - points @ self.sold.T
        return program.value * read - points @ self.costs, surplus

    def gradient(self, points: Array, theta: Array | None = None) -> Array:
        """(k, n) derivatives of worth plus ``theta`` (k, m) times surplus, finite.

        Without ``theta`` those of the value: where a target just holds, of the side that meets it.
        """
        program, z = self.program, np.maximum(self._adstocked(points), self.least)
        theta = self._missed(points) if theta is None else theta
        by_arm, factor = program.value + theta @ self.shares, program.value + theta.sum(axis=1)
        if program.risk is None:
            inner = by_arm[:, :, None] * program.weight * program.mean_slope(z)
        else:
            even = (theta @ ~self.in_measure)[:, None]
            each = self._read(z)[2]
            if any(floor.share is not None for floor in program.floors):
                read = program.value + theta @ self.in_measure
                inner = self._weighed(z, read[:, None] * slope_weights(program.risk, each))
                plain = (theta * ~self.in_measure) @ self.shares
                inner = program.weight * (inner + plain[:, :, None] * program.mean_slope(z))
            else:
                weights = (factor[:, None] - even) * slope_weights(program.risk, each)
                inner = program.weight * self._weighed(z, weights + even / each.shape[1])
        inner += factor[:, None, None] * program.between_slopes(z)
        out = np.einsum("ahk,iah->iak", program.carry, inner).reshape(points.shape)
        if program.power is not None:
            out = out * self._buys(points)[0]
        return _finite(out - self.costs - theta @ self.sold)

    def curvature(self, points: Array) -> Array:
        """(k, n) second derivatives of the mean decision by decision, interactions left aside."""
        program, z = self.program, np.maximum(self._adstocked(points), self.least)
        rows = np.swapaxes(z, 1, 2).reshape(-1, program.arms)
        with np.errstate(over="ignore", invalid="ignore"):
            if program.draws is None:
                bends = program.curves.slope(rows) * program.curves.relative_curvature(rows)
            else:
                bends = program.draws.mean_curvature(rows)
        bends = np.swapaxes(bends.reshape(len(z), -1, program.arms), 1, 2) * program.weight
        out = np.einsum("ahk,iah->iak", program.carry**2, _finite(bends)).reshape(points.shape)
        if program.power is not None:
            slope, bend = self._buys(points)
            inner = program.weight * program.mean_slope(z)
            each = np.einsum("ahk,iah->iak", program.carry, inner).reshape(points.shape)
            out = out * slope * slope + each * bend
        factor = program.value + self._missed(points) @ self.shares
        return _finite(np.repeat(factor, program.columns, axis=1) * out)

    def project(self, points: Array, give: Array | None = None, like: Array | None = None) -> Array:
        """Nearly the nearest points that keep box and rows, with choices made.

        ``give`` (k, n) > 0 is how readily coordinates move; choices are those of ``like``, or of
        the points themselves.
        """
        box = self.box(points if like is None else like)
        if self.walls.budget is None:  # far away, the general way would not settle
            points = np.clip(points, self.lower - self.range, self.upper + self.range)
        return self.walls.nearest(points, give, *box)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """(count, n) allowed points, from near corners to the middle."""
        if self.walls.budget is not None and np.isfinite(self.walls.budget[1]):
            shape = rng.choice([0.1, 0.3, 1.0, 3.0], size=(count, 1))
            # A gamma variate of a small shape may underflow to 0 in every decision.
            shares = rng.gamma(np.broadcast_to(shape, (count, self.n))) + 1e-300
            shares /= shares.sum(axis=1, keepdims=True)
            left = max(self.walls.budget[1] - float(self.lower.sum()), 0.0)
            return self.project(self.lower + left * shares)
        shape = rng.choice([0.2, 0.5, 1.0, 3.0], size=(count, 1))
        shares = rng.beta(np.broadcast_to(shape, (count, self.n)), shape)
        return self.project(self.lower + shares * self.range)

    def known(self) -> Array:
        """(k, n) points to begin with: the plans known, and middles of what is allowed."""
        middles = self.project(np.stack((self.walls.inside, 0.5 * (self.lower + self.upper))))
        return np.concatenate((*(plan.reshape(1, -1) for plan in self.plans), middles))

    def _adstocked(self, points: Array) -> Array:
        """(k, A, H) adstocked spend."""
        program = self.program
        return program.adstocked(points.reshape(-1, program.arms, program.columns))

    def _buys(self, points: Array) -> tuple[Array, Array]:
        """(k, n) first and second derivatives of the media bought, finite."""
        program = self.program
        assert program.power is not None
        p = np.repeat(program.power, program.columns)
        u = np.maximum(points, _TINY * np.maximum(self.upper, 1e-300))
        slope = p * u ** (p - 1.0)
        return slope, (p - 1.0) * slope / u

    def _read(self, z: Array) -> tuple[Array, Array, Array]:
        """By point the outcome as it is read, its mean (k,), and that of each draw (k, S)."""
        program = self.program
        if program.risk is None or program.draws is None:
            mean = program.response(z).sum(axis=(1, 2)) + program.between(z)
            return mean, mean, mean[:, None]
        each = np.zeros((len(z), program.draws.draws))
        for part in self._parts(len(z)):
            for h, weight in enumerate(program.weight.T):
                if np.any(weight != 0.0):
                    each[part] += program.draws.value(z[part, :, h]) @ weight
        each = shifted(program, each + program.between(z)[:, None])
        return measures(program.risk, each), each.mean(axis=1), each

    def _weighed(self, z: Array, weights: Array) -> Array:
        """(k, A, H) slopes of the draws, weighed by (k, S)."""
        out, draws = np.zeros(z.shape), self.program.draws
        assert draws is not None
        for part in self._parts(len(z)):
            for h in range(z.shape[2]):
                each = np.swapaxes(draws.slope(z[part, :, h]), 1, 2)
                out[part, :, h] = (each @ weights[part, :, None])[:, :, 0]
        return out

    def _parts(self, count: int) -> list[slice]:
        """Points by so many that their draws are no more than memory is for."""
        draws = self.program.draws
        step = max(1, _CHUNK // max(1, self.n * (1 if draws is None else draws.draws)))
        return [slice(i, i + step) for i in range(0, count, step)]

    def _missed(self, points: Array) -> Array:
        """(k, m) penalties of the targets that are missed, of others 0; less within the bend."""
        if not self.penalties.size:
            return np.zeros((len(points), 0))
        short = -self.figures(points)[1]
        return self.penalties * np.clip(short / (self.bend * self.asked), 0.0, 1.0)

    def box(self, points: Array) -> tuple[Array, Array]:
        """The box, (n,) or (k, n), of the points' choices: off, or at least what is allowed."""
        program = self.program
        if not program.discrete:
            return self.lower, self.upper
        u = points.reshape(-1, program.arms, program.columns)
        least = program.least_active
        idle = (least > 0.0) & (u < 0.5 * least)
        money = (u * program.spread.sum(axis=1)).sum(axis=2)
        money[:, np.any(program.lower > 0.0, axis=1)] = np.inf
        for rule in program.at_most:
            arms = np.array(list(dict.fromkeys(rule.arms)), dtype=np.intp)
            order = np.argsort(-money[:, arms], axis=1, kind="stable")
            np.put_along_axis(idle, arms[order[:, rule.count :], None], values=True, axis=1)
        for i in np.flatnonzero(~self._in_pattern(~idle & (program.upper > 0.0))).tolist():
            on = program.pattern(np.where(idle[i], 0.0, u[i]))
            idle[i] = idle[i] if on is None else np.where(program.switched, ~on, idle[i])
        low = np.where(idle, program.lower, np.maximum(program.lower, least))
        high = np.maximum(np.where(idle, 0.0, program.upper), low)
        return low.reshape(points.shape), high.reshape(points.shape)

    def _kept(self, points: Array) -> NDArray[np.bool_]:
        """(k,) whether rows and choices (lots aside) hold."""
        program, kept = self.program, self.walls.missed(points) <= _MISSED
        if program.discrete:
            u = points.reshape(-1, program.arms, program.columns)
            some = u > 1e-12 * np.maximum(program.upper, 1e-300)
            kept &= np.all(~some | (u >= program.least_active * (1 - 1e-12)), axis=(1, 2))
            for rule in program.at_most:
                active = np.any(some[:, list(dict.fromkeys(rule.arms))], axis=2)
                kept &= active.sum(axis=1) <= rule.count
            kept &= self._in_pattern(some)
        return kept

    def _in_pattern(self, on: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(k,) whether patterns (k, A, K) of what is on are allowed."""
        kept = np.ones(len(on), dtype=bool)
        for switch in self.program.switches:
            arms, columns = switch.cells
            kept &= switch.keeps(on[:, arms, columns])
        return kept


def _finite(values: Array) -> Array:
    return np.asarray(np.nan_to_num(values, nan=0.0, posinf=1e300, neginf=-1e300), np.float64)
