"""The smallest concave function above every weighted response of a program, on a box.

For an arm a and a period h it is written as pieces of ``z`` laid end to end from ``z_lower``:

    E(z) = E(z_lower) + max { sum over g of phi_g(s_g) : sum s_g = z - z_lower, 0 <= s_g <= L_g },

straight lines first, then at most one curve. Slopes fall from piece to piece, so the maximum fills
them in order and is the envelope; to a solver each ``s_g`` is one more variable with a smooth
objective, and corners (between the points of a table, or where a plan is zero or at least so much)
need no care of their own.

A curve that is first convex, then concave has the line to the tangent point, then itself. A
negative weight turns it over: the chord where it is concave, the hull of samples otherwise. The
mean over draws is a table of slopes. What is proposed from here is judged by the certificate, which
uses none of this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.curves.saturation import Tabulated
from shared.curves.stack import CurveStack
from shared.problem.program import Program
from shared.problem.region import narrowed
from shared.solve.one_budget.envelope import lines
from shared.solve.one_budget.table import CurveTable, table_of_function, upper_hull

__all__ = [
    "Enveloper",
    "Means",
    "ProgramBox",
    "ProgramEnvelope",
    "hull_lines",
    "program_box",
    "sides_of",
    "snapped",
]

Array = NDArray[np.float64]
_LOOK_S, _POINT_S = 5e-5, 2e-7  # work of looking up slopes, and of each point
_KEPT = 20_000  # hulls remembered
_KNOTS = 96  # of a mean over draws that rises, falls off and rises again
_SAMPLES = 33  # of a response with a negative weight that is not concave


# Ranges of the decisions and of adstocked spend: what one region of a program's search is.
#
# Carryover is never negative, so the range of adstocked spend ``z = carry u + carry_in`` follows
# from that of ``u`` end by end, and a cut of ``z`` narrows ``u`` in turn: a period's spend is at
# most what leaves the others at their least.


@dataclass(frozen=True, slots=True, eq=False)
class ProgramBox:
    """``u_lower``, ``u_upper`` (A, K) bound the decisions, ``z_lower``, ``z_upper`` (A, H) the
    adstocked spends."""

    u_lower: Array
    u_upper: Array
    z_lower: Array
    z_upper: Array

    @property
    def empty(self) -> bool:
        """Whether some range has crossed by more than rounding."""
        return _crossed(self.u_lower, self.u_upper) or _crossed(self.z_lower, self.z_upper)

    def with_decision(
        self, arm: int, column: int, *, lower: float | None = None, upper: float | None = None
    ) -> ProgramBox:
        """The part where one decision is at least ``lower`` and at most ``upper``."""
        low, high = _cut(self.u_lower, self.u_upper, arm, column, lower, upper)
        return replace(self, u_lower=low, u_upper=high)

    def with_argument(
        self, arm: int, period: int, *, lower: float | None = None, upper: float | None = None
    ) -> ProgramBox:
        """The part where one adstocked spend is at least ``lower`` and at most ``upper``."""
        low, high = _cut(self.z_lower, self.z_upper, arm, period, lower, upper)
        return replace(self, z_lower=low, z_upper=high)

    def tightened(self, program: Program) -> ProgramBox:
        """The same region, its ranges narrowed by the links between ``u`` and ``z`` and by what
        is on and off.

        Each round is exact interval arithmetic up to rounding; a range that crosses (the region is
        empty) is left crossed, for ``empty`` to tell.
        """
        box = self._linked(program)
        while program.switches:
            found = narrowed(program, box.u_lower, box.u_upper)
            if found is None:  # left crossed
                return replace(box, u_lower=box.u_upper + program.scale)
            if np.array_equal(found[0], box.u_lower) and np.array_equal(found[1], box.u_upper):
                break
            box = replace(box, u_lower=found[0], u_upper=found[1])._linked(program)
        return box

    def _linked(self, program: Program) -> ProgramBox:
        """Narrowed by the links alone."""
        box = self
        for _ in range(2):
            least, most = _reach(program, box.u_lower, box.u_upper)
            z_lower, z_upper = np.maximum(box.z_lower, least), np.minimum(box.z_upper, most)
            cut_above, cut_below = z_upper < most, z_lower > least
            if not (np.any(cut_above) or np.any(cut_below)):
                return replace(box, z_lower=z_lower, z_upper=z_upper)
            u_lower, u_upper = box.u_lower, box.u_upper
            carry = program.carry
            with np.errstate(divide="ignore", invalid="ignore"):
                # Others at their least (most) leave this much room (need) to one decision.
                room = np.where(cut_above, z_upper - least, np.inf)[:, :, None] / carry
                need = np.where(cut_below, most - z_lower, np.inf)[:, :, None] / carry
            room = np.where(carry > 0.0, room, np.inf).min(axis=1)
            need = np.where(carry > 0.0, need, np.inf).min(axis=1)
            new_upper = np.minimum(u_upper, u_lower + room)
            new_lower = np.maximum(u_lower, u_upper - need)
            same = np.array_equal(new_upper, u_upper) and np.array_equal(new_lower, u_lower)
            box = ProgramBox(new_lower, new_upper, z_lower, z_upper)
            if same:
                return box
        least, most = _reach(program, box.u_lower, box.u_upper)
        return replace(
            box, z_lower=np.maximum(box.z_lower, least), z_upper=np.minimum(box.z_upper, most)
        )


def _reach(program: Program, u_lower: Array, u_upper: Array) -> tuple[Array, Array]:
    """Least and largest adstocked spend (A, H) for decisions in a box: carryover is >= 0."""
    least = np.einsum("ahk,ak->ah", program.carry, u_lower) + program.carry_in
    most = np.einsum("ahk,ak->ah", program.carry, u_upper) + program.carry_in
    return least, most


def program_box(program: Program) -> ProgramBox:
    """The whole region of a program."""
    least, most = _reach(program, program.lower, program.upper)
    return ProgramBox(program.lower, program.upper, least, most)


def _cut(
    low: Array, high: Array, row: int, column: int, lower: float | None, upper: float | None
) -> tuple[Array, Array]:
    if lower is not None and lower > low[row, column]:
        low = low.copy()
        low[row, column] = lower
    if upper is not None and upper < high[row, column]:
        high = high.copy()
        high[row, column] = upper
    return low, high


def _crossed(low: Array, high: Array) -> bool:
    hair = 1e-11 * np.maximum(np.abs(low), np.abs(high))
    return bool(np.any(low > high + hair))


# Means over draws as tables of slopes, looked up for all arms and periods at once.
#
# The knots carry the true mean; between them the slope is a straight line, so the response is C1
# and its curvature piecewise constant: what Newton steps need. An interior point asks for
# thousands of values an iteration, each a mean over hundreds of draws: that is what the tables
# are for.


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
        least, most = _reach(program, program.lower, program.upper)
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
    """Lengths and falling slopes of the upper hull of points with rising ``x``."""
    corners = upper_hull(x, y)
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


@dataclass(frozen=True, slots=True, eq=False)
class ProgramEnvelope:
    """Envelopes on one box.

    Attributes
    ----------
    box
        What they are taken on (after zero-or-minimum decisions had their say).
    base
        (A, H) weighted response at ``z_lower``.
    length
        (G, A, H) of the pieces; the last is the curve.
    steep
        (G - 1, A, H) slopes of the straight pieces; 0 where their length is 0.
    weight
        (A, H) of the curves.
    curved_from, curved_base
        (A, H) adstocked spend where the curve's piece starts, and its weighted response there.
    """

    source: Enveloper
    box: ProgramBox
    base: Array
    length: Array
    steep: Array
    weight: Array
    curved_from: Array
    curved_base: Array

    def split(self, z: Array) -> Array:
        """(G, A, H) pieces filled in order up to ``z``."""
        left = np.maximum(z - self.box.z_lower, 0.0)
        out = np.empty_like(self.length)
        for g, length in enumerate(self.length):
            out[g] = np.minimum(left, length)
            left = left - out[g]
        return out

    def evaluate(self, pieces: Array) -> tuple[Array, Array, Array]:
        """Rise above ``base`` (A, H), slopes, and sizes of the (negative) curvature (G, A, H)."""
        slope, bend = np.empty_like(pieces), np.zeros_like(pieces)
        slope[:-1] = self.steep
        value, last, curvature = self.source.curve(self.curved_from + pieces[-1], self.weight)
        there = self.length[-1] > 0.0
        slope[-1] = np.where(there, last, 0.0)
        bend[-1] = np.where(there, curvature, 0.0)
        rise = np.where(there, value - self.curved_base, 0.0)
        return rise + (self.steep * pieces[:-1]).sum(axis=0), slope, bend

    def at(self, z: Array) -> Array:
        """(A, H) envelope at adstocked spend ``z``."""
        return np.asarray(self.base + self.evaluate(self.split(z))[0])


class Enveloper:
    """Envelopes of one program on any box; keeps what does not depend on the box.

    Parameters
    ----------
    program
        The program.
    weight
        (A, H) weights in place of the program's own: interactions on a box only change these.
    """

    def __init__(self, program: Program, weight: Array | None = None) -> None:
        self.program = program
        self.weight = program.weight if weight is None else np.asarray(weight, dtype=float)
        self.shape = self.weight.shape
        tabulated = {column for column, _ in program.curves.tables}
        self.means: Means | None = None
        if program.draws is not None:
            self.means = Means(program)
            tabulated = set(self.means.cornered)
        self.tabulated = sorted(tabulated)
        if program.draws is None:
            self.bend = program.curves.concave_from()
            self.effect = program.curves.supremum() > 0.0
        else:
            assert self.means is not None
            self.bend = self.means.bend
            self.effect = program.draws.mean_supremum() > 0.0
        self._curves: CurveStack = program.curves
        self._memory: list[tuple[Any, ...]] = []  # of the first box and of the last one
        self._hulls: dict[tuple[float, ...], tuple[Array, Array]] = {}

    def curve(self, z: Array, weight: Array) -> tuple[Array, Array, Array]:
        """Weighted response, slope, and size of the curvature at ``z`` (A, H)."""
        if self.means is not None:
            value, slope, bend = self.means.at(z)
        else:
            points = np.ascontiguousarray(z.T)
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                value = self._curves.value(points).T
                slope = self._curves.slope(points).T
                bend = -(slope * self._curves.relative_curvature(points).T)
        with np.errstate(invalid="ignore"):
            slope, bend = weight * slope, weight * bend
        off = weight == 0.0
        bend = np.where(np.isfinite(bend) & (bend > 0.0), bend, 0.0)
        return (
            np.asarray(weight * value),
            np.asarray(np.where(off, 0.0, slope)),
            np.asarray(np.where(off, 0.0, bend)),
        )

    def envelope(self, box: ProgramBox) -> ProgramEnvelope:
        """The envelopes on a box."""
        low = np.maximum(box.z_lower, 0.0)
        high = np.maximum(box.z_upper, low)
        box = ProgramBox(box.u_lower, box.u_upper, low, high)
        arms, periods = self.shape
        weight = np.where(self.effect[:, None] & (high > low), self.weight, 0.0)
        base = self._value(low)
        jump = self.jump(box)
        smooth = np.ones(arms, dtype=bool)
        smooth[self.tabulated] = False
        wavy = np.zeros(self.shape, dtype=bool)
        if self.means is not None:
            wavy = self.means.wavy[:, None] & (low < self.bend[:, None])
        bent = (weight > 0.0) & (low < np.maximum(self.bend[:, None], jump)) & smooth[:, None]
        bent &= ~wavy
        to, slope = self._first(bent, low, high, jump)
        end = np.where(bent, to, low)
        steep = np.where(bent & (to > low), weight * slope, 0.0)
        cornered = (weight < 0.0) | ((weight > 0.0) & (wavy | ~smooth[:, None]))
        pieces = {
            (a, h): self._corners(a, *(float(part[a, h]) for part in (weight, low, high, jump)))
            for a, h in np.argwhere(cornered).tolist()
        }
        most = max((len(run) for run, _ in pieces.values()), default=1)
        length = np.zeros((most + 1, arms, periods))
        slopes = np.zeros((most, arms, periods))
        length[0], slopes[0] = end - low, steep
        length[-1] = np.where(weight == 0.0, 0.0, high - end)
        length[0] = np.where(weight == 0.0, 0.0, length[0])
        for (a, h), (run, rise) in pieces.items():
            length[:, a, h], slopes[:, a, h] = 0.0, 0.0
            length[: len(run), a, h], slopes[: len(run), a, h] = run, rise
        if most == 1 and not np.any(length[0] > 0.0):
            length, slopes = length[1:], slopes[:0]
        start = low + length[:-1].sum(axis=0)
        curved = self.curve(start, weight)[0]
        return ProgramEnvelope(self, box, base, length, slopes, weight, start, curved)

    def touching(self, box: ProgramBox, z: Array) -> ProgramEnvelope:
        """The same, but convex parts are their tangents at ``z``: nowhere above the curves there,
        where the box lies on one side of every bend."""
        found = self.envelope(box)
        if len(found.length) == 1:
            return found
        smooth = np.ones((self.shape[0], 1), dtype=bool)
        smooth[self.tabulated] = False
        line = (found.length[:-1].sum(axis=0) > 0.0) & (found.length[-1] <= 0.0) & smooth
        low, high = found.box.z_lower, found.box.z_upper
        at = np.clip(z, low, high)
        value, slope, _ = self.curve(at, np.where(line, found.weight, 0.0))
        length, steep = np.where(line, 0.0, found.length), np.where(line, 0.0, found.steep)
        length[0], steep[0] = np.where(line, high - low, length[0]), np.where(line, slope, steep[0])
        base = np.where(line, value - slope * (at - low), found.base)
        return replace(found, base=base, length=length, steep=steep)

    def _first(
        self, bent: NDArray[np.bool_], low: Array, high: Array, jump: Array
    ) -> tuple[Array, Array]:
        """End and slope (not weighted) of the first straight piece, (A, H), where ``bent``.

        A search changes a range or two from box to box: what the last box and the first one have
        in common with this one is not worked out again.
        """
        end, slope = low.copy(), np.zeros(self.shape)
        left = bent.copy()
        for known, *ranges, known_end, known_slope in self._memory:
            same = left & known
            for one, other in zip(ranges, (low, high, jump), strict=True):
                same &= one == other
            end[same], slope[same] = known_end[same], known_slope[same]
            left &= ~same
        rows = np.nonzero(left)[0]
        if rows.size:
            start, stop, gap = low[left], high[left], jump[left]
            to, steep = self._lines(rows, start, stop)
            # Zero or at least so much: the line goes on to where the domain does.
            to = np.minimum(np.maximum(to, gap), stop)
            rise = self._values(rows, to) - self._values(rows, start)
            with np.errstate(divide="ignore", invalid="ignore"):
                chord = np.where(to > start, rise / (to - start), 0.0)
            end[left] = to
            slope[left] = np.where((to < stop) & (gap < to), steep, chord)
        del self._memory[1:]
        self._memory.append((bent, low, high, jump, end, slope))
        return end, slope

    def _value(self, z: Array) -> Array:
        if self.means is not None:
            return np.asarray(self.weight * self.means.at(z)[0])
        return np.asarray(self.weight * self._curves.value(np.ascontiguousarray(z.T)).T)

    def _values(self, arms: NDArray[np.intp], z: Array) -> Array:
        """Unweighted response of arms (k,) at z (k,)."""
        if self.means is not None:
            return self.means.values(arms, z)
        return self._curves.take(arms).value(z)

    def _lines(self, arms: NDArray[np.intp], low: Array, high: Array) -> tuple[Array, Array]:
        if self.means is not None:
            return self.means.lines(arms, low, high)
        return lines(self._curves.take(arms), self.bend[arms], low, high)

    def jump(self, box: ProgramBox) -> Array:
        """(A, H) where the domain goes on after 0, in a one-period program with a minimum."""
        program = self.program
        out = np.zeros(self.shape)
        if program.columns != 1 or self.shape[1] != 1 or not np.any(program.least_active > 0.0):
            return out
        carry = program.carry[:, 0, 0]
        least = program.least_active[:, 0]
        gap = (carry > 0.0) & (least > 0.0) & (box.u_lower[:, 0] < least)
        at = carry * np.minimum(least, box.u_upper[:, 0]) + program.carry_in[:, 0]
        out[:, 0] = np.where(gap, np.minimum(at, box.z_upper[:, 0]), 0.0)
        return out

    def _corners(
        self, arm: int, weight: float, low: float, high: float, jump: float
    ) -> tuple[Array, Array]:
        """Lengths and weighted slopes of an envelope that is (taken for) a polyline."""
        key = (arm, weight, low, high, jump)
        found = self._hulls.get(key)
        if found is None:
            if len(self._hulls) >= _KEPT:
                self._hulls.clear()
            found = self._hulls[key] = self._hull(arm, weight, low, high, jump)
        return found

    def _hull(
        self, arm: int, weight: float, low: float, high: float, jump: float
    ) -> tuple[Array, Array]:
        if arm in self.tabulated:
            table = (
                dict(self._curves.tables)[arm] if self.means is None else self.means.cornered[arm]
            )
            at = table.knots()[0]
            x = np.unique(np.concatenate(([low, high], at[(at > low) & (at < high)])))
        elif weight < 0.0 and low >= self.bend[arm]:
            x = np.array([low, high])  # turned over it is convex: its chord
        elif self.means is not None and weight > 0.0:
            x = self.means.knots(arm, low, high, _KNOTS)
        else:
            x = np.linspace(low, high, _SAMPLES)
        if jump > low:  # nothing between zero and the minimum
            x = np.unique(np.concatenate(([low, min(jump, high)], x[x >= jump])))
        y = weight * self._values(np.full(len(x), arm, dtype=np.intp), x)
        return hull_lines(x, y)


# Plans from a relaxation: near values that are allowed, and the part of a box on their side of
# every choice, which is concave.


def snapped(program: Program, u: Array, gain: Array | None = None) -> Array:
    """The values the decisions may take nearest to ``u``; at most so many arms keep anything.

    ``gain`` is what decisions are worth where they are on, as for :meth:`Program.pattern`.
    """
    out = np.clip(u, program.lower, program.upper)
    lot = np.where(program.lot > 0.0, program.lot, 1.0)[:, None]
    out = np.where((program.lot > 0.0)[:, None], np.round(out / lot) * lot, out)
    least = program.least_active
    low = (least > 0.0) & (out < least)
    out = np.where(low, np.where(out > 0.5 * least, least, 0.0), out)
    out = np.where(out <= 1e-7 * max(program.scale, 1e-300), np.maximum(program.lower, 0.0), out)
    total = out.sum(axis=1)
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        order = np.argsort(-total[arms], kind="stable")
        out[arms[order[limit.count :]]] = 0.0
    on = program.pattern(out, gain=gain) if program.switches else None
    if on is not None:
        out = np.where(program.switched & on, np.maximum(out, least), out)
        out = np.where(program.switched & ~on, 0.0, out)
    return out


def sides_of(
    program: Program,
    enveloper: Enveloper,
    box: ProgramBox,
    u: Array,
    *,
    envelope: ProgramEnvelope | None = None,
    share: float = 0.0,
) -> ProgramBox:
    """The part of a box on a plan's side of every choice.

    Responses at or beyond their bend stay there; all others stay below it. With an ``envelope``
    those on its line are put beyond the bend from ``share`` of the line on. Decisions keep to 0, to
    at least their minimum, and to the lot they are nearest to.
    """
    z = program.adstocked(u)
    bend = np.where(np.isfinite(enveloper.bend), enveloper.bend, 0.0)[:, None]
    high_side = z >= bend
    if envelope is not None:
        line = envelope.length[:-1].sum(axis=0)
        start = envelope.box.z_lower
        high_side = z >= np.where(line > 0.0, start + share * line, bend)
    z_lower = np.where(high_side, np.maximum(box.z_lower, bend), box.z_lower)
    z_upper = np.where(high_side, box.z_upper, np.minimum(box.z_upper, bend))
    z_lower, z_upper = np.minimum(z_lower, box.z_upper), np.maximum(z_upper, box.z_lower)
    u_lower, u_upper = box.u_lower, box.u_upper
    if program.discrete:
        near = snapped(program, u)
        active = (near > 0.0).any(axis=1)
        off = (program.limited & ~active)[:, None] | ((program.least_active > 0.0) & (near <= 0.0))
        u_upper = np.where(off, np.minimum(u_upper, 0.0), u_upper)
        on = ~off & (program.least_active > 0.0)
        u_lower = np.where(on, np.maximum(u_lower, program.least_active), u_lower)
        on_lots = np.broadcast_to((program.lot > 0.0)[:, None], near.shape)
        u_lower, u_upper = np.where(on_lots, near, u_lower), np.where(on_lots, near, u_upper)
    return ProgramBox(u_lower, np.maximum(u_lower, u_upper), z_lower, z_upper)
