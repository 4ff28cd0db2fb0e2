"""Means over draws as tables of slopes, looked up for all arms and periods at once.

The knots carry the true mean; between them the slope is a straight line, so the response is C1 and
its curvature piecewise constant: what Newton steps need. An interior point asks for thousands of
values an iteration, each a mean over hundreds of draws: that is what the tables are for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.curves.saturation import Tabulated
from shared.problem.program import Program
from shared.solve.one_budget.table import CurveTable, table_of_function
from shared.solve.program.program_box import reach

__all__ = ["Means", "hull_lines"]

Array = NDArray[np.float64]
_LOOK_S, _POINT_S = 5e-5, 2e-7  # work of looking up slopes, and of each point


class Means:
    """Mean response of every arm over its draws, on the range that its adstocked spend can have.

    Attributes
    ----------
    bend
        (A,) adstocked spend after which the mean is concave; 0 where it is from the start.
    wavy
        (A,) whether the mean falls off before it rises once more: no line and one curve, then.
    cornered
        By arm, the means that are tables with corners: those are exact and not looked up here.
    """

    def __init__(self, program: Program) -> None:
        draws = program.draws
        if draws is None:
            raise ValueError("This program has no draws.")
        self.cornered: dict[int, Tabulated] = {}
        self.bend = np.zeros(program.arms)
        self.wavy = np.zeros(program.arms, dtype=bool)
        least, most = reach(program, program.lower, program.upper)
        means = {column: mean for column, _, mean in draws.tables}
        turns = draws.inflections()
        weights = program.draw_weights
        tables: list[CurveTable] = []
        for arm in range(program.arms):
            low, high = float(least[arm].min()), float(most[arm].max())
            if arm in means:
                self.cornered[arm] = means[arm]
                tables.append(_flat(low, high))
                continue
            table = _mean_table(draws.column(arm), weights, low, high, turns[:, arm])
            tables.append(table)
            self.bend[arm] = _bend(table, float(turns[:, arm].max()))
            self.wavy[arm] = _wavy(table, float(self.bend[arm]))
        self.tables = tables
        sizes = [len(t.spend) for t in tables]
        self.first = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
        self.last = self.first + np.array(sizes, dtype=np.intp) - 1
        self.spend = np.concatenate([t.spend for t in tables])
        self.level = np.concatenate([t.value for t in tables])
        self.slope = np.concatenate(
            [_falling(t, b) for t, b in zip(tables, self.bend, strict=True)]
        )
        self.rounds = max(1, int(np.ceil(np.log2(max(sizes)))) + 1)

    def at(self, z: Array) -> tuple[Array, Array, Array]:
        """Mean response, slope and size of the curvature at ``z`` (A, H); zeros where cornered."""
        arms = np.broadcast_to(np.arange(z.shape[0], dtype=np.intp)[:, None], z.shape)
        value, slope, bend = self._look(arms, z)
        for arm, table in self.cornered.items():
            value[arm], slope[arm], bend[arm] = table.value(z[arm]), table.slope(z[arm]), 0.0
        return value, slope, bend

    def values(self, arms: NDArray[np.intp], z: Array) -> Array:
        """Mean response of arms (k,) at ``z`` (k,)."""
        value = self._look(arms, z)[0]
        for arm, table in self.cornered.items():
            own = arms == arm
            value[own] = table.value(z[own])
        return value

    def knots(self, arm: int, low: float, high: float, most: int) -> Array:
        """At most so many of an arm's knots in a range, and both of its ends."""
        x = self.tables[arm].spend
        inside = x[(x > low) & (x < high)]
        if inside.size > most:
            inside = inside[np.unique(np.linspace(0, inside.size - 1, most).astype(np.intp))]
        return np.concatenate(([low], inside, [high]))

    def lines(self, arms: NDArray[np.intp], low: Array, high: Array) -> tuple[Array, Array]:
        """End and slope of each envelope's line from ``low``: the steepest chord to a knot."""
        end, slope = low.copy(), np.full(low.shape, np.inf)
        left, right = low.copy(), low.copy()
        for k, arm in enumerate(arms.tolist()):
            table = self.tables[arm]
            x = table.spend
            inside = (x > low[k]) & (x < high[k]) & (x >= self.bend[arm])
            to = np.append(x[inside], high[k])
            own = np.full(to.shape, arm, dtype=np.intp)
            rise = self.values(own, to) - self.values(own[:1], low[k : k + 1])
            with np.errstate(divide="ignore", invalid="ignore"):
                chords = rise / (to - low[k])
            best = int(np.argmax(chords))
            end[k], slope[k] = to[best], chords[best]
            left[k], right[k] = to[max(best - 1, 0)], to[min(best + 1, len(to) - 1)]
        # The tangent point lies between the knots around the best one: halve towards it.
        start = self.values(arms, low)
        for _ in range(30):
            middle = 0.5 * (left + right)
            value, steep, _ = self._look(arms, middle)
            rising = steep * (middle - low) > value - start
            left, right = np.where(rising, middle, left), np.where(rising, right, middle)
        with np.errstate(divide="ignore", invalid="ignore"):
            chord = (self.values(arms, right) - start) / (right - low)
        better = (right > low) & (chord > slope)
        return np.where(better, right, end), np.where(better, chord, slope)

    def _look(self, arms: NDArray[np.intp], z: Array) -> tuple[Array, Array, Array]:
        work.charge(_LOOK_S + _POINT_S * z.size)
        low, high = self.first[arms], np.maximum(self.last[arms] - 1, self.first[arms])
        for _ in range(self.rounds):
            middle = (low + high + 1) >> 1
            up = self.spend[middle] <= z
            low, high = np.where(up, middle, low), np.where(up, high, middle - 1)
            high = np.maximum(low, high)
        after = np.minimum(low + 1, self.last[arms])
        x0, p0 = self.spend[low], self.slope[low]
        run = self.spend[after] - x0
        with np.errstate(divide="ignore", invalid="ignore"):
            # A lone knot may be infinitely steep: it falls to nowhere.
            fall = np.where(run > 0.0, p0 - self.slope[after], 0.0)
            bend = np.where(run > 0.0, fall / run, 0.0)
        step = np.clip(z - x0, 0.0, run)
        slope = p0 - bend * step
        # The parabola of these slopes, tilted to meet the next knot's true value.
        rise = self.level[after] - self.level[low]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(run > 0.0, step / run, 0.0)
        value = self.level[low] + share * (rise + 0.5 * run * fall * (1.0 - share))
        return np.asarray(value), np.asarray(slope), np.asarray(np.maximum(bend, 0.0))


def hull_lines(x: Array, y: Array) -> tuple[Array, Array]:
    """Lengths and falling slopes of the upper hull of points with rising ``x`` (Andrew's chain)."""
    xs, ys = x.tolist(), y.tolist()
    kept: list[int] = []
    for i in range(len(xs)):
        while len(kept) >= 2:
            a, b = kept[-2], kept[-1]
            if (ys[b] - ys[a]) * (xs[i] - xs[b]) > (ys[i] - ys[b]) * (xs[b] - xs[a]):
                break
            kept.pop()
        kept.append(i)
    corners = np.array(kept, dtype=np.intp)
    run = np.diff(x[corners])
    return run, np.diff(y[corners]) / run


def _mean_table(
    curve: Any, weights: Array | None, low: float, high: float, turns: Array
) -> CurveTable:
    def both(points: Array) -> tuple[Array, Array]:
        at = points[:, None]
        value, slope = curve.value(at), curve.slope(at)
        if weights is None:
            return value.mean(axis=1), slope.mean(axis=1)
        with np.errstate(invalid="ignore"):
            return value @ weights, np.where(weights != 0.0, slope * weights, 0.0).sum(axis=1)

    return table_of_function(both, low, high, turns)


def _flat(low: float, high: float) -> CurveTable:
    x = np.array([low, high])
    return CurveTable(x, np.zeros(2), np.zeros(2), lambda p: (np.zeros(p.shape), np.zeros(p.shape)))


def _bend(table: CurveTable, latest: float) -> float:
    """After its last rising slope a mean is concave; never later than the last draw's bend."""
    x, p = table.spend, table.slope
    if p is None or len(x) < 2 or latest <= 0.0:
        return 0.0
    rises = np.flatnonzero(np.diff(p) > 1e-12 * np.max(np.abs(p)))
    return float(min(x[rises[-1] + 1], latest)) if rises.size else 0.0


def _wavy(table: CurveTable, bend: float) -> bool:
    """Whether the slope falls somewhere before the bend."""
    x, p = table.spend, table.slope
    if p is None or bend <= 0.0:
        return False
    before = p[x <= bend]
    return bool(np.any(np.diff(before) < -1e-9 * np.max(np.abs(p))))


def _falling(table: CurveTable, bend: float) -> Array:
    """The slopes at the knots, kept falling beyond the bend despite rounding."""
    p = np.zeros(len(table.spend)) if table.slope is None else table.slope.copy()
    own = table.spend >= bend
    p[own] = np.minimum.accumulate(p[own]) if np.any(own) else p[own]
    return p
