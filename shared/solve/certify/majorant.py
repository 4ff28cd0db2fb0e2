"""Upper bounds on a mean of curves over intervals; for the certificate only.

The mean over draws of S-shaped curves has no closed-form maximum. On an interval every draw lies
under a straight line: its tangent in the middle where it is concave there, its chord where it is
convex, and the line through its left end with its steepest slope where it bends in between. The
mean of straight lines is a straight line, whose largest value over the interval is at an end. The
excess is of second order in the interval's width, so halving what still matters converges fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Saturation
from shared.solve.certify.rounding import EPS, slope_error, value_error

__all__ = ["Majorant"]

Array = NDArray[np.float64]
_PARTS = 4  # an interval that matters is cut into as many


class Majorant:
    """One channel: a partition of its range with a line above the mean on every part.

    ``curve`` has parameters (S,). The partition only grows, and serves every later question.
    """

    def __init__(self, curve: Saturation, marks: Array) -> None:
        self.curve = curve
        self.bend = np.asarray(curve.inflection(), dtype=float)
        at_bend = np.asarray(curve.slope(self.bend), dtype=float)
        self.steepest = np.where(self.bend > 0.0, at_bend, 0.0)
        self.marks = np.unique(marks)
        self.value = self._mean_value(self.marks)
        self.left_top, self.right_top = self._lines(self.marks[:-1], self.marks[1:])

    def maxima(self, lower: Array, upper: Array, price: Array, tolerance: Array) -> Array:
        """Upper bounds (k,) on the maxima over ``[lower, upper]`` (k,) at ``price`` (k,).

        All ends must be marks already (:meth:`add`). Parts are refined until no bound exceeds a
        value that is reached by more than ``tolerance`` (k,), or they are too narrow to matter.
        """
        out = np.empty(lower.size)
        step = 64
        for begin in range(0, lower.size, step):
            rows = slice(begin, begin + step)
            out[rows] = self._maxima(lower[rows], upper[rows], price[rows], tolerance[rows])
        return out

    def _maxima(self, lower: Array, upper: Array, price: Array, tolerance: Array) -> Array:
        for _ in range(40):
            a, b = self.marks[:-1], self.marks[1:]
            p = price[:, None]
            inside = (a >= lower[:, None]) & (b <= upper[:, None])
            top = np.maximum(self.left_top - p * a, self.right_top - p * b)
            top = np.where(inside, top, -np.inf)
            at = (self.marks >= lower[:, None]) & (self.marks <= upper[:, None])
            reached = np.where(at, self.value - p * self.marks, -np.inf).max(axis=1)
            matters = np.any(top > (reached + tolerance)[:, None], axis=0)
            matters &= b - a > 1e-11 * np.maximum(b, 1e-300)
            found = np.maximum(top.max(axis=1, initial=-np.inf), reached)
            if not np.any(matters):
                break
            shares = np.arange(1, _PARTS) / _PARTS
            self.add((a[matters, None] + (b - a)[matters, None] * shares).reshape(-1))
        # Points count too (a box can be one), and the subtraction of the cost rounds.
        scale = float(self.right_top.max(initial=0.0)) + price * upper
        return np.asarray(found + 16.0 * EPS * (scale + np.abs(found)))

    def add(self, points: Array) -> None:
        """Make ``points`` ends of parts."""
        new = np.setdiff1d(points, self.marks)
        if not new.size:
            return
        marks = np.union1d(self.marks, new)
        value = np.empty(marks.size)
        old = np.searchsorted(marks, self.marks)
        value[old] = self.value
        value[np.searchsorted(marks, new)] = self._mean_value(new)
        a, b = marks[:-1], marks[1:]
        # Parts that were there before keep their lines.
        place = np.searchsorted(self.marks, a, side="left")
        place = np.minimum(place, self.marks.size - 1)
        kept = (self.marks[place] == a) & (place + 1 < self.marks.size)
        kept &= self.marks[np.minimum(place + 1, self.marks.size - 1)] == b
        left, right = np.empty(a.size), np.empty(a.size)
        left[kept], right[kept] = self.left_top[place[kept]], self.right_top[place[kept]]
        left[~kept], right[~kept] = self._lines(a[~kept], b[~kept])
        self.marks, self.value, self.left_top, self.right_top = marks, value, left, right

    def _mean_value(self, x: Array) -> Array:
        """The mean of the draws, rounded up."""
        at = x[:, None]
        value = self.curve.value(at)
        error = value_error(self.curve, at, value)
        return np.asarray((value * (1.0 + error)).mean(axis=1) * (1.0 + 64.0 * EPS))

    def _lines(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Heights of the mean line at both ends of each part, rounded up."""
        if not a.size:
            return np.zeros(0), np.zeros(0)
        left, right, middle = a[:, None], b[:, None], 0.5 * (a + b)[:, None]
        concave, convex = self.bend <= left, self.bend >= right
        # Most parts end where the next one starts.
        ends, place = np.unique(np.concatenate((a, b)), return_inverse=True)
        at = ends[:, None]
        value = self.curve.value(at)
        error = value_error(self.curve, at, value)
        wobble = slope_error(self.curve, at)
        first, last = place[: a.size], place[a.size :]
        start, stop = value[first], value[last]
        height, slope = self.curve.value(middle), self.curve.slope(middle)
        half = 0.5 * (right - left)
        at_left = np.where(concave, height - slope * half, start)
        tangent = height + slope * half
        bent = start + self.steepest * 2.0 * half
        at_right = np.where(concave, tangent, np.where(convex, stop, bent))
        values = np.maximum(error[first], error[last])
        values = np.maximum(values, value_error(self.curve, middle, height))
        slopes = np.maximum(wobble[first], wobble[last])
        steep = np.where(concave, slope, self.steepest) * np.where(convex, 0.0, 2.0 * half)
        size = np.maximum(stop, height)
        margin = (values + 64.0 * EPS) * size + (slopes + 64.0 * EPS) * steep
        return (at_left + margin).mean(axis=1), (at_right + margin).mean(axis=1)
