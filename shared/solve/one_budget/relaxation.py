"""The separable relaxation: every curve replaced by its concave envelope on the current box.

Closed-form curves are handled all at once; tabulated curves and means over draws as tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.curves.family import Single
from shared.curves.saturation import Saturation, Tabulated
from shared.curves.stack import CurveStack
from shared.problem.region import alike
from shared.solve.one_budget.envelope import line, lines
from shared.solve.one_budget.form import OneBudget
from shared.solve.one_budget.table import (
    CLOSE,
    CurveTable,
    Hull,
    table_of_function,
    table_of_points,
)

__all__ = ["BestSpends", "Box", "Relaxation"]

Array = NDArray[np.float64]
_FEW = 24  # so many lines are found faster one by one


@dataclass(frozen=True, slots=True)
class Box:
    """Bounds (n,), the envelope's first straight part (its end and slope), hulls of the tables."""

    lower: Array
    upper: Array
    end: Array
    slope: Array
    hulls: tuple[Hull, ...]


@dataclass(frozen=True, slots=True)
class BestSpends:
    """Least and largest best spends (n,) at a price, and ``-d spend / d ln price`` (n,)."""

    least: Array
    most: Array
    give: Array


class Relaxation:
    """Envelopes and best responses of one problem. After ``deadline`` (``work.now``) nothing is
    refined any more. Where it is not ``exact``, tables of smooth curves are only ``close``."""

    def __init__(
        self, task: OneBudget, deadline: float = math.inf, *, close: float = CLOSE
    ) -> None:
        self.close = close
        self._begin(task, deadline)
        draws = task.draws
        self.exact = draws is None
        if draws is None:
            tabulated = {column for column, _ in task.curves.tables}
            closed = [c for c in range(self.n) if c not in tabulated] if tabulated else None
            self.columns: Any = slice(None) if closed is None else np.array(closed, dtype=np.intp)
            self.curves = task.curves if closed is None else task.curves.take(closed)
            self.bend = np.zeros(self.n)
            began = work.now()
            self.bend[self.columns] = self.curves.concave_from()
            # A last price, its plan and its bound cost some ten times as much: kept for the end.
            self.deadline -= 10.0 * (work.now() - began)
            for column, table in task.curves.tables:
                self._add_points(column, table)
        else:
            self.columns = np.zeros(0, dtype=np.intp)
            self.curves = CurveStack(0, ())
            turns = draws.inflections()
            self.bend = np.zeros(self.n)
            means = {column: mean for column, _, mean in draws.tables}
            for column in range(self.n):
                if column in means:
                    self._add_points(column, means[column])
                else:
                    self._add_mean(column, draws.column(column), turns[:, column])
        self._index()

    def _begin(self, task: OneBudget, deadline: float) -> None:
        self.task = task
        self.deadline = deadline
        self.n = task.n
        self.tables: list[tuple[int, CurveTable]] = []

    def _index(self) -> None:
        self.pairs = dict(self.tables)
        self._place = {column: k for k, (column, _) in enumerate(self.tables)}
        self._singles: dict[int, CurveStack] = {}
        self._plain: dict[int, Single | None] = {}

    def twins(self) -> tuple[NDArray[np.intp], ...]:
        """Groups of channels that nothing tells apart."""
        return alike(self.task.program())

    def _add_points(self, column: int, curve: Tabulated) -> None:
        low, high = self.task.lower[column], self.task.upper[column]
        self._add(column, table_of_points(curve, float(low), float(high)))

    def _add_mean(self, column: int, curve: Saturation, turns: Array) -> None:
        low, high = self.task.lower[column], self.task.upper[column]

        def both(points: Array) -> tuple[Array, Array]:
            at = points[:, None]
            return curve.value(at).mean(axis=1), curve.slope(at).mean(axis=1)

        rounds = 0 if self.late() else 6
        table = table_of_function(both, float(low), float(high), turns, rounds, close=self.close)
        self._add(column, table)

    def _add(self, column: int, table: CurveTable) -> None:
        self.tables.append((column, table))
        self.bend[column] = self._table_bend(column)

    def _table_bend(self, column: int) -> float:
        """Spend after which a table is concave; its upper end where a straight part comes last."""
        table = self.tables[-1][1]
        x, y, p = table.spend, table.value, table.slope
        if len(x) < 2:
            return 0.0
        steps = np.diff(y) / np.diff(x) if p is None else p
        rises = np.flatnonzero(np.diff(steps) > 1e-9 * np.max(np.abs(steps)))
        return float(x[rises[-1] + 1]) if rises.size else float(self.task.lower[column])

    def late(self) -> bool:
        """Whether the time is up."""
        return work.now() >= self.deadline

    def concave(self) -> bool:
        """Whether every curve is concave on its whole range (straight lines count)."""
        low, high = self.task.lower, self.task.upper
        curved = np.isfinite(self.bend) & (low < high)
        return not bool(np.any(self.bend[curved] > low[curved]))

    def mark(self, lower: Array, upper: Array) -> None:
        """Make the bounds knots of the tables, as every box needs."""
        for i, table in self.tables:
            table.add(np.array([lower[i], upper[i]]))

    def box(self, lower: Array, upper: Array) -> Box:
        """The envelope on a box from scratch."""
        end, slope = lower.copy(), np.full(self.n, np.inf)
        c = self.columns
        if self.curves.n > _FEW:
            end[c], slope[c] = lines(self.curves, self.bend[c], lower[c], upper[c], self.deadline)
        elif self.curves.n:
            for i in np.flatnonzero((lower < self.bend) & (lower < upper)).tolist():
                if i not in self.pairs:
                    end[i], slope[i] = self._line(i, float(lower[i]), float(upper[i]))
        hulls = tuple(t.hull(float(lower[i]), float(upper[i])) for i, t in self.tables)
        return Box(lower, upper, end, slope, hulls)

    def narrowed(self, box: Box, lower: Array, upper: Array) -> Box:
        """The envelope on a box of which few channels have changed."""
        changed = np.flatnonzero((lower != box.lower) | (upper != box.upper))
        if changed.size > 8:
            return self.box(lower, upper)
        end, slope = box.end.copy(), box.slope.copy()
        hulls = list(box.hulls)
        for i in changed.tolist():
            if i in self.pairs:
                hulls[self._place[i]] = self.pairs[i].hull(float(lower[i]), float(upper[i]))
            else:
                end[i], slope[i] = self._line(i, float(lower[i]), float(upper[i]))
        return Box(lower, upper, end, slope, tuple(hulls))

    def respond(self, box: Box, price: float) -> BestSpends:
        """Best spends on the envelope where a unit of money costs ``price`` (>= 0)."""
        least, give = np.empty(self.n), np.zeros(self.n)
        most = least
        c = self.columns
        if self.curves.n:
            end, upper, slope = box.end[c], box.upper[c], box.slope[c]
            # A curve without any effect has every spend at a slope of 0, so none in particular.
            at = self.curves.at_slope(np.full(end.shape, max(price, 1e-300)))
            curved = np.minimum(np.maximum(at, end), upper)
            least[c] = np.where(price < slope, curved, box.lower[c])
            inside = (curved > end) & (curved < upper) & (price < slope)
            with np.errstate(divide="ignore", invalid="ignore"):
                rate = -1.0 / self.curves.relative_curvature(curved)
            give[c] = np.where(inside & np.isfinite(rate), rate, 0.0)
            tied = price == slope
            if np.any(tied):
                most = least.copy()
                most[c] = np.where(tied, curved, least[c])
        if self.tables:
            most = least.copy() if most is least else most
            for (i, _), hull in zip(self.tables, box.hulls, strict=True):
                least[i], most[i], give[i] = hull.respond(price)
        return BestSpends(least, most, give)

    def ties(self, box: Box) -> Array:
        """Sorted prices at which some channel's best spend jumps."""
        slopes = [box.slope[np.isfinite(box.slope) & (box.slope > 0.0)]]
        slopes += [hull.ties() for hull in box.hulls]
        return np.unique(np.concatenate(slopes))

    def surface(self, x: Array) -> Array:
        """The curves themselves at ``x`` (n,), means over draws by their tables."""
        out = np.empty(self.n)
        if self.curves.n:
            out[self.columns] = self.curves.value(x[self.columns])
        for i, table in self.tables:
            out[i] = table.at(float(x[i]))
        return out

    def torn(self, box: Box, x: Array) -> list[int]:
        """Channels whose relaxed spend lies strictly inside a straight part that is not the
        curve."""
        inside = (x > box.lower) & (x < box.end) & np.isfinite(self.bend)
        out = np.flatnonzero(inside).tolist()
        for (i, table), hull in zip(self.tables, box.hulls, strict=True):
            ends = hull.straight_at(float(x[i]))
            if ends is not None:
                at = table.knots(*ends)[0]
                if len(at) > 2:
                    out.append(i)
        return out

    def envelope_at(self, box: Box, x: Array, channels: list[int]) -> Array:
        """The envelope at ``x`` for torn channels: on the line between its ends."""
        out = np.empty(len(channels))
        for k, i in enumerate(channels):
            if i in self.pairs:
                a, b = self.line_at(box, i, float(x[i]))
                low, high = self.pairs[i].at(a), self.pairs[i].at(b)
                out[k] = low + (high - low) * ((x[i] - a) / (b - a)) if b > a else low
            else:
                start = float(self._single(i).value(box.lower[i : i + 1])[0])
                out[k] = start + box.slope[i] * (x[i] - box.lower[i])
        return out

    def line_at(self, box: Box, channel: int, x: float) -> tuple[float, float]:
        """Both ends of the straight part of a torn channel's envelope around ``x``."""
        if channel in self.pairs:
            return box.hulls[self._place[channel]].straight_at(x) or (x, x)
        return float(box.lower[channel]), float(box.end[channel])

    def knot_near(self, channel: int, x: float, start: float, stop: float) -> float:
        """A knot of a table near ``x`` inside ``start`` to ``stop``; a new one where the curve is
        smooth."""
        table = self.pairs[channel]
        if table.slope is not None:
            table.add(np.array([x]))
            return x
        knots = table.knots(start, stop)[0][1:-1]
        return float(knots[np.argmin(np.abs(knots - x))]) if knots.size else start

    def value(self, x: Array) -> Array:
        """The true objective per channel."""
        return self.task.outcome(x)

    def marginal(self, x: Array) -> Array:
        """The true slope per channel."""
        return self.task.marginal(x)

    def curvature(self, x: Array) -> Array:
        """The true second derivative per channel, for ``x > 0``."""
        draws, curves = self.task.draws, self.task.curves
        if draws is not None:
            return draws.mean_curvature(x)
        with np.errstate(over="ignore", invalid="ignore"):  # at 0 it may be no number
            return curves.slope(x) * curves.relative_curvature(x)

    def single(self, channel: int) -> Single | None:
        """The curve of a channel in plain floats; None where its family has none."""
        if channel not in self._plain:
            self._plain[channel] = self.task.curves.alone(channel)
        return self._plain[channel]

    def _line(self, channel: int, lower: float, upper: float) -> tuple[float, float]:
        curve, bend = self.single(channel), float(self.bend[channel])
        if curve is not None and bend < np.inf:
            return line(curve, bend, lower, upper)
        one = slice(channel, channel + 1)
        ends = np.array([lower]), np.array([upper])
        end, slope = lines(self._single(channel), self.bend[one], *ends)
        return float(end[0]), float(slope[0])

    def _single(self, channel: int) -> CurveStack:
        found = self._singles.get(channel)
        if found is None:
            found = self._singles[channel] = self.task.curves.take([channel])
        return found
