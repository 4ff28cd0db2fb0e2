"""Upper bounds on weighted sums of curves along one variable; for the certificate only.

    F(x) = sum over c of weight_c f_c(carry_c x + offset_c),     weights of any sign.

Draws of a curve, the periods that one decision works in, a response that an interaction has turned
over: all are such sums, and none has a closed-form maximum. On an interval every term with a
positive weight lies under a straight line (its tangent in the middle where it is concave there, its
chord where it is convex, its steepest slope from the left end or the constant at the right end
where it bends), and over one where the weight is negative (chord, tangent, and the constant at the
left end). The sum of straight lines is one, whose largest value is at an end; halving what still
matters converges fast. Where rounding is all that is left, it stops: no curve makes a partition
grow beyond a stated size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.curves.saturation import Saturation
from shared.curves.stack import DrawStack

__all__ = ["Mixture", "mean_of"]

Array = NDArray[np.float64]
_PARTS = 4  # an interval that matters is cut into as many
_ROUNDS = 40
_STEP = 64  # questions answered together
_FEW = 64  # parts that are cut whether or not that helps
_MARKS = 1 << 14  # of a partition at most, and of its marks times terms
_TERMS = 1 << 25
_ROOM = 1 << 20  # numbers formed at once


class Mixture:
    """The sum over one variable's range; the partition only grows, and serves every question.

    ``curve`` has parameters (C,) (or plain numbers), all other arrays are (C,).
    """

    def __init__(
        self, curve: Saturation, weight: Array, carry: Array, offset: Array, low: float, high: float
    ) -> None:
        self.curve, self.weight, self.carry, self.offset = curve, weight, carry, offset
        self.up, self.down = np.maximum(weight, 0.0), np.maximum(-weight, 0.0)
        turn = np.broadcast_to(np.asarray(curve.inflection(), dtype=float), weight.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Where a term does not depend on x at all it is as good as concave.
            self.bend = np.where(carry > 0.0, np.maximum(turn - offset, 0.0) / carry, 0.0)
            steepest = carry * np.asarray(curve.slope(np.maximum(turn, offset)), dtype=float)
        self.steepest = np.where(self.bend > 0.0, steepest, 0.0)
        self.low, self.high = low, high
        self.most = max(min(_MARKS, _TERMS // max(weight.size, 1)), 8 * _STEP)
        self._start()

    def _start(self) -> None:
        self.marks = np.unique(self._first_marks())
        self.value = self._value(self.marks)
        self.left_top, self.right_top = self._lines(self.marks[:-1], self.marks[1:])

    def maxima(self, lower: Array, upper: Array, price: Array, tolerance: float | Array) -> Array:
        """Upper bounds (k,) on the maxima of ``F(x) - price x`` over ``[lower, upper]`` (k,).

        Parts are refined until no bound exceeds a value that is reached by more than
        ``tolerance`` (one, or (k,)), rounding is all of it, or there are as many as there may be.
        """
        out = np.empty(lower.size)
        slack = np.broadcast_to(np.asarray(tolerance, dtype=float), lower.shape)
        for begin in range(0, lower.size, _STEP):
            rows = slice(begin, begin + _STEP)
            if self.marks.size + 4 * _STEP > self.most:  # no room to learn: forget
                self._start()
            self._add(np.concatenate((lower[rows], upper[rows])))
            out[rows] = self._maxima(lower[rows], upper[rows], price[rows], slack[rows])
        return out

    def at(self, x: Array) -> Array:
        """The sum itself at ``x`` (k,), rounded up."""
        return self._value(x)

    def _first_marks(self) -> Array:
        low, high = self.low, self.high
        marks = [np.linspace(low, high, 9)]
        inside = self.bend[(self.bend > low) & (self.bend < high)]
        if inside.size:
            marks.append(np.quantile(inside, np.linspace(0.0, 1.0, 9)))
        if high > low:
            marks.append(low + (high - low) * np.geomspace(1e-9, 0.05, 8))
        return np.clip(np.concatenate(marks), low, high)

    def _maxima(self, lower: Array, upper: Array, price: Array, tolerance: Array) -> Array:
        before = np.full(lower.shape, np.inf)
        for _ in range(_ROUNDS):
            a, b = self.marks[:-1], self.marks[1:]
            p = price[:, None]
            inside = (a >= lower[:, None]) & (b <= upper[:, None])
            top = np.maximum(self.left_top - p * a, self.right_top - p * b)
            top = np.where(inside, top, -np.inf)
            at = (self.marks >= lower[:, None]) & (self.marks <= upper[:, None])
            reached = np.where(at, self.value - p * self.marks, -np.inf).max(axis=1)
            found = np.maximum(top.max(axis=1, initial=-np.inf), reached)
            above, wide = (
                top > (reached + tolerance)[:, None],
                b - a > 1e-11 * np.maximum(b, 1e-300),
            )
            matters = np.any(above, axis=0) & wide
            if matters.sum() > _FEW:
                # Parts a quarter as wide lie four times as close, unless rounding is what is left.
                closer = found - reached <= 0.5 * before
                matters = np.any(above & closer[:, None], axis=0) & wide
            before = found - reached
            count = int(matters.sum())
            if not count or self.marks.size + (_PARTS - 1) * count > self.most:
                break
            shares = np.arange(1, _PARTS) / _PARTS
            self._add((a[matters, None] + (b - a)[matters, None] * shares).reshape(-1))
        # The subtraction of the cost rounds.
        scale = float(np.abs(self.right_top).max(initial=0.0)) + np.abs(price) * upper
        return np.asarray(found + 16.0 * EPS * (scale + np.abs(found)))

    def _add(self, points: Array) -> None:
        new = np.setdiff1d(points, self.marks)
        if not new.size:
            return
        marks = np.union1d(self.marks, new)
        value = np.empty(marks.size)
        value[np.searchsorted(marks, self.marks)] = self.value
        value[np.searchsorted(marks, new)] = self._value(new)
        a, b = marks[:-1], marks[1:]
        # Parts that were there before keep their lines.
        place = np.minimum(np.searchsorted(self.marks, a), self.marks.size - 1)
        after = np.minimum(place + 1, self.marks.size - 1)
        kept = (self.marks[place] == a) & (after > place) & (self.marks[after] == b)
        left, right = np.empty(a.size), np.empty(a.size)
        left[kept], right[kept] = self.left_top[place[kept]], self.right_top[place[kept]]
        left[~kept], right[~kept] = self._lines(a[~kept], b[~kept])
        self.marks, self.value, self.left_top, self.right_top = marks, value, left, right

    def _z(self, x: Array) -> Array:
        return np.asarray(x[:, None] * self.carry + self.offset)

    def _value(self, x: Array) -> Array:
        return self._by_rows(self._value_of, x)[0]

    def _by_rows(self, of: Callable[..., tuple[Array, ...]], *points: Array) -> list[Array]:
        """Arrays (n,) of points (n,), so many at once as there is room for all terms of."""
        step = max(1, _ROOM // max(self.weight.size, 1))
        starts = range(0, max(points[0].size, 1), step)
        parts = [of(*(p[i : i + step] for p in points)) for i in starts]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _value_of(self, x: Array) -> tuple[Array]:
        z = self._z(x)
        value = self.curve.value(z)
        error = self.curve.value_error(z, value)
        exact = value * self.weight
        wobble = (error + (64.0 + self.weight.size) * EPS) * np.abs(exact)
        return (np.asarray((exact + wobble).sum(axis=1)),)

    def _lines(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Heights of the line above the sum at both ends of each part, rounded up."""
        left, right = self._by_rows(self._lines_of, a, b)
        return left, right

    def _lines_of(self, a: Array, b: Array) -> tuple[Array, Array]:
        # Most parts end where the next one starts.
        ends, place = np.unique(np.concatenate((a, b)), return_inverse=True)
        z, z_mid = self._z(ends), self._z(0.5 * (a + b))
        value = self.curve.value(z)
        error, wobble = self.curve.value_error(z, value), self.curve.slope_error(z)
        first, last = place[: a.size], place[a.size :]
        half = 0.5 * (b - a)[:, None]
        concave, convex = self.bend <= a[:, None], self.bend >= b[:, None]
        start, stop = value[first], value[last]
        middle = self.curve.value(z_mid)
        # A slope without limit belongs to a term that does not move here.
        raw = np.asarray(self.curve.slope(z_mid), dtype=float)
        slope = np.where(self.carry > 0.0, self.carry * np.where(self.carry > 0.0, raw, 0.0), 0.0)
        rise = slope * half
        bent = start + self.steepest * 2.0 * half
        # A bend that is steep for the part's width is under the end that it rises to.
        level = ~concave & ~convex & (start + bent > 2.0 * stop)
        over_left = np.where(concave, middle - rise, np.where(level, stop, start))
        over_right = np.where(concave, middle + rise, np.where(convex | level, stop, bent))
        under_left = np.where(convex & ~concave, middle - rise, start)
        under_right = np.where(concave, stop, np.where(convex, middle + rise, start))
        values = np.maximum(error[first], error[last])
        values = np.maximum(values, self.curve.value_error(z_mid, middle))
        slopes = np.maximum(wobble[first], wobble[last])
        straight = np.where(concave | convex, slope, np.where(level, 0.0, self.steepest))
        steep = straight * 2.0 * half
        many = (64.0 + self.weight.size) * EPS
        margin = (values + many) * np.maximum(stop, middle) + (slopes + many) * steep
        size = self.up + self.down
        at_left = (self.up * over_left - self.down * under_left + size * margin).sum(axis=1)
        at_right = (self.up * over_right - self.down * under_right + size * margin).sum(axis=1)
        return np.asarray(at_left), np.asarray(at_right)


def mean_of(
    draws: DrawStack, channel: int, low: float, high: float, weights: Array | None = None
) -> Mixture:
    """One channel's mean over its draws on a range of spend; under ``weights`` (S,) of any sign."""
    count = draws.draws
    w = np.full(count, 1.0 / count) if weights is None else weights
    return Mixture(draws.column(channel), w, np.ones(count), np.zeros(count), low, high)
