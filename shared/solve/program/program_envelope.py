"""The smallest concave function above every weighted response of a program, on a box.

For an arm a and a period h it is written as pieces of ``z`` laid end to end from ``z_lower``:

    E(z) = E(z_lower) + max { sum over g of phi_g(s_g) : sum s_g = z - z_lower, 0 <= s_g <= L_g },

straight lines first, then at most one curve. Slopes fall from piece to piece, so the maximum fills
them in order and is the envelope; to a solver each ``s_g`` is one more variable with a smooth
objective, and corners (between the points of a table, or where a plan is zero or at least so much)
need no care of their own.

A curve that is first convex, then concave has the line to the tangent point, then itself. A
negative weight turns it over: the chord where it is concave, the hull of samples otherwise. The
mean over draws is a table. What is proposed from here is judged by the certificate, which uses
none of this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack
from shared.problem.program import Program
from shared.solve.one_budget.envelope import lines
from shared.solve.program.program_box import ProgramBox
from shared.solve.program.program_tables import Means, hull_lines

__all__ = ["Enveloper", "ProgramEnvelope"]

Array = NDArray[np.float64]

_KEPT = 20_000  # hulls remembered
_KNOTS = 96  # of a mean over draws that rises, falls off and rises again
_SAMPLES = 33  # of a response with a negative weight that is not concave


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

    def slope_at(self, z: Array) -> Array:
        """(A, H) slope at ``z``: where ``z`` is at a corner, that of the piece before."""
        pieces = self.split(z)
        slope = self.evaluate(pieces)[1]
        out = slope[0]
        for g in range(1, len(slope)):
            out = np.where(pieces[g] > 0.0, slope[g], out)
        return np.asarray(out)


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
