"""A general program as search methods see it: rows kept by projection, choices made by the point.

A point is ``u`` flat, (A * K,). What a decision near 0 becomes under a minimum spend, and which
arms are left under a limit on how many spend, is read off the point before it is projected; lots
are left to the end. A point whose choices no plan can keep counts as minus infinity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.solve.named.polyhedron import EXACT, ROUGH, Polyhedron, centre
from shared.solve.named.space import Space

__all__ = ["ProgramSpace", "program_space"]

Array = NDArray[np.float64]
_TINY = 1e-9  # of the range: where a slope that is infinite at 0 is taken instead
_MISSED = 1e-9  # of a row's terms: what a plan may miss it by


def program_space(
    program: Program, deadline: float, plans: tuple[Array, ...] = ()
) -> ProgramSpace | None:
    """The space of a program; ``plans`` (A, K) are allowed. None where bounds and rows conflict."""
    lower, upper, rows = program.lower.ravel(), program.upper.ravel(), program.rows
    inside = centre(lower, upper, rows.matrix, rows.lower, rows.upper)
    if inside is None:
        return None
    walls = Polyhedron(lower, upper, rows.matrix, rows.lower, rows.upper, inside)
    return ProgramSpace(program, walls, deadline, plans)


class ProgramSpace(Space):
    """Points (k, A * K) of a program."""

    def __init__(
        self, program: Program, walls: Polyhedron, deadline: float, plans: tuple[Array, ...]
    ) -> None:
        super().__init__(walls.lower, walls.upper, deadline)
        self.program = program
        self.walls = walls
        self.plans = plans

    @property
    def toil(self) -> float:
        """Rows make points dear: each projection solves for their prices again and again."""
        rows = len(self.walls.row_lower)
        return float(self.n + (2000 + self.n * rows if rows else 0))

    def _value(self, points: Array) -> Array:
        return np.where(self._kept(points), self._objective(points), -np.inf)

    def _objective(self, points: Array) -> Array:
        program, u = self.program, self._decisions(points)
        outcome = (program.weight * self._curves(u)).sum(axis=(1, 2))
        if program.pairs:
            level = self._curves(u) / program.full()[:, None]
            for pair in program.pairs:
                both = level[:, pair.first] * level[:, pair.second]
                outcome += pair.strength * (both * program.pair_weight(pair)).sum(axis=1)
        money = np.einsum("atk,iak->i", program.spread, u)
        return np.asarray(program.value * outcome - program.cost * money, dtype=np.float64)

    def gradient(self, points: Array) -> Array:
        """Derivatives, interactions included; infinite slopes are taken a little above 0."""
        program, u = self.program, self._decisions(points)
        slope = self._slopes(u)
        inner = program.weight * slope
        if program.pairs:
            top = program.full()[:, None]
            level, rate = self._curves(u) / top, slope / top
            for pair in program.pairs:
                factor = pair.strength * program.pair_weight(pair)
                inner[:, pair.first] += factor * rate[:, pair.first] * level[:, pair.second]
                inner[:, pair.second] += factor * rate[:, pair.second] * level[:, pair.first]
        out = program.value * np.einsum("ahk,iah->iak", program.carry, inner)
        out -= program.cost * program.spread.sum(axis=1)
        return _finite(out.reshape(points.shape))

    def curvature(self, points: Array) -> Array:
        """Second derivatives decision by decision, by differences of the slopes."""
        program = self.program
        step = 1e-5 * np.maximum(self.range, 1e-300)
        u = self._decisions(np.minimum(points, self.upper - step))
        above = self._decisions(np.minimum(points, self.upper - step) + step)
        rise = self._slopes(above) - self._slopes(u)
        reach = np.einsum("ahk,iak->iah", program.carry, above - u)
        with np.errstate(divide="ignore", invalid="ignore"):
            bend = np.where(reach > 0.0, program.weight * rise / reach, 0.0)
        out = program.value * np.einsum("ahk,iah->iak", program.carry**2, bend)
        return _finite(out.reshape(points.shape))

    def project(self, points: Array, give: Array | None = None) -> Array:
        """Nearly the nearest points that keep box and rows, with the points' own choices made."""
        near = np.clip(points, self.lower - self.range, self.upper + self.range)
        ease = np.ones(points.shape) if give is None else give
        low, high = self._choices(near)
        return self.walls.nearest(near, ease, low, high, eases=ROUGH if give is None else EXACT)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Corners, near-corners and mixtures: shares of the ranges drawn and projected."""
        spread = rng.choice([0.2, 0.5, 1.0, 3.0], size=(count, 1))
        shares = rng.beta(np.broadcast_to(spread, (count, self.n)), spread)
        return self.project(self.lower + shares * self.range)

    def known(self) -> Array:
        rows = [self.walls.inside, 0.5 * (self.lower + self.upper)]
        flat = [np.asarray(plan, dtype=np.float64).ravel() for plan in self.plans]
        found = self.project(np.stack(rows))
        return np.concatenate((np.stack(flat), found)) if flat else found

    def linear(self) -> tuple[Array, Array, Array]:
        return self.walls.matrix, self.walls.row_lower, self.walls.row_upper

    def _decisions(self, points: Array) -> Array:
        return points.reshape(-1, self.program.arms, self.program.columns)

    def _curves(self, u: Array) -> Array:
        """(k, A, H) responses at the points, weights left aside."""
        return self._each(u, slopes=False)

    def _slopes(self, u: Array) -> Array:
        """(k, A, H) slopes in adstocked spend."""
        return self._each(u, slopes=True)

    def _each(self, u: Array, *, slopes: bool) -> Array:
        """Curves or slopes at all points at once, as the rows of one long table."""
        program = self.program
        z = np.einsum("ahk,iak->iah", program.carry, u) + program.carry_in
        count, arms, periods = z.shape
        rows = np.ascontiguousarray(z.transpose(0, 2, 1)).reshape(-1, arms)
        found = self._mean(rows, slopes)
        if slopes and not np.all(np.isfinite(found)):
            tiny = _TINY * max(float(rows.max(initial=0.0)), 1e-300)
            found = np.where(np.isfinite(found), found, self._mean(np.maximum(rows, tiny), slopes))
        return found.reshape(count, periods, arms).transpose(0, 2, 1)

    def _mean(self, rows: Array, slopes: bool) -> Array:
        """Values or slopes (r, A) of the curves at (r, A), draws averaged by their weights."""
        program = self.program
        draws, weights = program.draws, program.draw_weights
        if draws is None:
            return program.curves.slope(rows) if slopes else program.curves.value(rows)
        if weights is None:
            return draws.mean_slope(rows) if slopes else draws.mean_value(rows)
        each = [weights @ (draws.slope(row) if slopes else draws.value(row)) for row in rows]
        return np.asarray(each, dtype=np.float64)

    def _choices(self, points: Array) -> tuple[Array, Array]:
        """The box (k, n) of the points' own choices: off, or at the least that is allowed."""
        program = self.program
        shape = (len(points), program.arms, program.columns)
        low = np.broadcast_to(program.lower, shape).copy()
        high = np.broadcast_to(program.upper, shape).copy()
        if program.discrete:
            u = self._decisions(points)
            least = program.least_active
            off = (least > 0.0) & (u < 0.5 * least)
            low = np.where((least > 0.0) & ~off, np.maximum(low, least), low)
            high = np.where(off, 0.0, high)
            for rule in program.at_most:
                arms = list(dict.fromkeys(rule.arms))
                order = np.argsort(-u[:, arms].sum(axis=2), axis=1, kind="stable")
                for row, dropped in enumerate(order[:, rule.count :]):
                    idle = [arms[i] for i in dropped]
                    low[row, idle], high[row, idle] = 0.0, 0.0
        return low.reshape(points.shape), np.maximum(high, low).reshape(points.shape)

    def _kept(self, points: Array) -> NDArray[np.bool_]:
        """(k,) whether rows and choices (lots aside) hold."""
        kept = self.walls.missed(points) <= _MISSED
        program = self.program
        if program.discrete:
            u = self._decisions(points)
            hair = 1e-12 * np.maximum(program.upper, 1e-300)
            some = u > hair
            kept &= np.all(~some | (u >= program.least_active * (1 - 1e-12)), axis=(1, 2))
            for rule in program.at_most:
                arms = list(dict.fromkeys(rule.arms))
                kept &= np.any(some[:, arms], axis=2).sum(axis=1) <= rule.count
        return kept


def _finite(values: Array) -> Array:
    return np.asarray(np.nan_to_num(values, nan=0.0, posinf=1e300, neginf=-1e300), np.float64)
