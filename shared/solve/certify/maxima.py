"""Largest values of one arm's terms over intervals, never too small; for the certificate only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.curves.saturation import Saturation, Tabulated
from shared.curves.stack import CurveStack
from shared.problem.program import Program
from shared.problem.region import HAIR

__all__ = ["ArmMaxima", "Mixture", "closed_form_maxima", "packed"]

Array = NDArray[np.float64]
_WORTH = 0.7  # of the questions: where more than that are left, all are asked
_PARTS = 4  # an interval that matters is cut into as many
_ROUNDS = 40
_STEP = 64  # questions answered together
_FEW = 64  # parts that are cut whether or not that helps
_MARKS = 1 << 14  # of a partition at most, and of its marks times terms
_TERMS = 1 << 25
_ROOM = 1 << 20  # numbers formed at once
_LOTS = 4_096  # multiples of a lot that are tried one by one
_CHUNK = 1 << 20  # of them times questions, at once
_LOOSE = 1e3


# Questions asked again and again are answered once: the leaves that a cut leaves behind differ from
# their neighbours in one arm.


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Where each question's answer is: ``first`` (A, n) places in what is asked, ``at`` (A, m) the
    questions that are."""

    first: NDArray[np.intp]
    at: NDArray[np.intp]

    def asked(self, values: Array) -> Array:
        """(A, m) of (A, n)."""
        return np.take_along_axis(values, self.at, axis=1)

    def answered(self, values: Array) -> Array:
        """(A, n) of (A, m)."""
        return np.take_along_axis(values, self.first, axis=1)


def packed(questions: tuple[Array, ...], period: int) -> Repeats | None:
    """What of (A, n) questions is to be asked, each compared with the one ``period`` places before;
    None where most are new."""
    arms, count = questions[0].shape
    if period <= 0 or count < 2 * period or count % period:
        return None
    new = np.zeros((arms, count), dtype=bool)
    new[:, :period] = True
    for values in questions:
        new[:, period:] |= values[:, period:] != values[:, :-period]
    sizes = new.sum(axis=1)
    largest = int(sizes.max(initial=0))
    if largest > _WORTH * count:
        return None
    places = np.where(new, np.arange(count), -1).reshape(arms, -1, period)
    last = np.maximum.accumulate(places, axis=1).reshape(arms, count)
    rank = np.cumsum(new, axis=1) - 1
    at = np.zeros((arms, largest), dtype=np.intp)
    arm, place = np.nonzero(new)
    at[arm, rank[arm, place]] = place
    return Repeats(np.take_along_axis(rank, last, axis=1), at)


# Largest values of ``f(x) - price x`` over intervals, never too small. A curve is convex up to its
# inflection, where the maximum is at an end, and concave from there, where any tangent lies above:
# for every ``z`` in a bracket ``[a, e]`` of the maximiser
#
#     max g <= g(z) + max(g'(z), 0) (e - z) + max(-g'(z), 0) (z - a).
#
# So no maximiser has to be found exactly. Signs of slopes count only where they exceed their
# rounding error, and every value is rounded up by its own.


def closed_form_maxima(
    curves: CurveStack, lower: Array, upper: Array, price: Array, near: Array, tolerance: Array
) -> Array:
    """Upper bounds (k, n) on the maxima over ``[lower, upper]`` (k, n) at ``price`` (k, 1).

    ``near`` (n,) or (k, n) is where to look first; ``tolerance`` (k, 1) or (k, n) how far above the
    maximum a bound may lie before it is improved.
    """
    k, n = lower.shape
    bend = np.broadcast_to(curves.inflection(), (k, n))
    knee = np.clip(bend, lower, upper)  # the concave part is [knee, upper]
    price = np.broadcast_to(price, (k, n))
    convex = knee > lower
    columns = np.broadcast_to(np.arange(n), (k, n)).reshape(-1)
    slack = np.broadcast_to(tolerance, (k, n)).reshape(-1)
    out = _concave(
        curves,
        None if k == 1 else columns,
        knee.reshape(-1),
        upper.reshape(-1),
        price.reshape(-1),
        np.clip(near, knee, upper).reshape(-1),
        slack,
    )
    out = out.reshape(k, n)
    if not np.any(convex):
        return out  # the concave part contains its own ends
    # The convex part has only its ends to offer.
    ends = np.maximum(_raised(curves, lower, price), _raised(curves, knee, price))
    return np.asarray(np.where(convex, np.maximum(ends, out), out))


def _concave(
    curves: CurveStack,
    columns: NDArray[np.intp] | None,
    a: Array,
    e: Array,
    price: Array,
    z: Array,
    slack: Array,
) -> Array:
    """Tangent bounds over ``[a, e]`` where the curves are concave, all arguments (m,)."""
    part = curves if columns is None else curves.take(columns)
    best = np.full(z.shape, np.inf)
    todo = np.arange(z.size)
    p = price
    # A single region's bounds are added up: what one leaves of its tolerance is another's.
    excess, enough = np.full(z.shape, np.inf), float(slack.sum()) if columns is None else -1.0
    anchor: _Tangent | None = None
    for attempt in range(120):
        here = _tangent(part, z, p)
        # Where the slope's sign is beyond doubt, z closes the bracket from its side.
        a, e = np.where(here.down > 0.0, z, a), np.where(here.up < 0.0, z, e)
        anchor = here if anchor is None else anchor.flatter(here)
        with np.errstate(invalid="ignore"):  # an infinite slope over no distance
            rise = np.where(e > anchor.at, np.maximum(anchor.up, 0.0) * (e - anchor.at), 0.0)
            fall = np.where(anchor.at > a, np.maximum(-anchor.down, 0.0) * (anchor.at - a), 0.0)
        over = (rise + fall) * (1.0 + 8.0 * EPS)
        best[todo] = np.minimum(best[todo], anchor.height + over)
        excess[todo] = np.minimum(excess[todo], over)
        left = (over > slack) & (e - a > 4.0 * EPS * e)
        if not np.any(left) or float(excess.sum()) <= enough:
            break
        z = _next(part, z, a, e, p, here, anchor, rise > fall, attempt)
        if not np.all(left):
            todo = todo[left]
            a, e, p, z, slack = a[left], e[left], p[left], z[left], slack[left]
            anchor = anchor.take(left)
            part = curves.take(todo if columns is None else columns[todo])
    return best


@dataclass(frozen=True, slots=True)
class _Tangent:
    """A point, ``f - price x`` there rounded up, and its slope with the error on either side."""

    at: Array
    height: Array
    up: Array
    down: Array

    def flatter(self, other: _Tangent) -> _Tangent:
        """Elementwise the one whose slope is nearer to 0."""
        new = np.maximum(np.abs(other.up), np.abs(other.down)) < np.maximum(
            np.abs(self.up), np.abs(self.down)
        )
        return _Tangent(
            np.where(new, other.at, self.at),
            np.where(new, other.height, self.height),
            np.where(new, other.up, self.up),
            np.where(new, other.down, self.down),
        )

    def take(self, which: NDArray[np.bool_]) -> _Tangent:
        """Some of the elements."""
        return _Tangent(self.at[which], self.height[which], self.up[which], self.down[which])


def _tangent(part: CurveStack, z: Array, price: Array) -> _Tangent:
    error = part.slope_error(z)
    slope = part.slope(z)
    known = np.isfinite(slope)
    slope = np.where(known, slope, 0.0)
    wobble = error * slope + 4.0 * EPS * (slope + price)
    up = np.where(known, slope - price + wobble, np.inf)
    down = np.where(known, slope - price - wobble, np.inf)
    return _Tangent(z, _raised(part, z, price), up, down)


def _next(
    part: CurveStack,
    z: Array,
    a: Array,
    e: Array,
    price: Array,
    here: _Tangent,
    anchor: _Tangent,
    right: NDArray[np.bool_],
    attempt: int,
) -> Array:
    """The next tangent's place: where the slope is the price, Newton towards it, or the middle."""
    # From an infinite slope at 0 a maximiser may lie closer to it than halving gets in time.
    near = 0.5 if attempt % 2 else 2.0**-16
    middle = np.where(e > 4.0 * a, np.where(a > 0.0, np.sqrt(a * e), near * e), 0.5 * (a + e))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if attempt == 0:
            # What the curves themselves say, an end included: there the tangent is all it takes.
            out = np.clip(part.at_slope(np.maximum(price, 1e-300)), a, e)
            out = np.where(np.isnan(out), middle, out)
        else:
            slope = 0.5 * (here.up + here.down) + price
            newton = z - (np.log(slope) - np.log(price)) / part.relative_curvature(z)
            out = np.where((newton > a) & (newton < e) & (attempt < 30), newton, middle)
    # The anchor's slope is 0 up to rounding: only the bracket is too wide, so close in on it.
    unsure = (anchor.up >= 0.0) & (anchor.down <= 0.0)
    share = 1.0 / 4096.0 if attempt < 60 else 0.25
    aside = anchor.at + share * np.where(right, e - anchor.at, a - anchor.at)
    return np.where(unsure, aside, out)


def _raised(curves: CurveStack, x: Array, price: Array) -> Array:
    over, cost = curves.gather(_value_over, x), price * x
    return np.asarray(over - cost + 4.0 * EPS * (over + cost))


def _value_over(curve: Saturation, x: Array) -> Array:
    """The value rounded up, but for the rounding of this very sum."""
    value = curve.value(x)
    return np.asarray(value + curve.value_error(x, value) * value)


# Upper bounds on weighted sums of curves along one variable,
#
#     F(x) = sum over c of weight_c f_c(carry_c x + offset_c),     weights of any sign:
#
# draws of a curve, periods of one decision, a response that an interaction has turned over. On an
# interval every term with a positive weight lies under a straight line (its tangent in the middle
# where it is concave, its chord where it is convex, its steepest slope from the left end or the
# constant at the right end where it bends), and over one where the weight is negative. The sum of
# lines is largest at an end; halving what still matters converges fast, until rounding is all that
# is left.


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
        self.value = self.at(self.marks)
        self.left_top, self.right_top = self._lines(self.marks[:-1], self.marks[1:])

    def maxima(self, lower: Array, upper: Array, price: Array, tolerance: float | Array) -> Array:
        """Upper bounds (k,) on the maxima of ``F(x) - price x`` over ``[lower, upper]`` (k,),
        refined to within ``tolerance`` of a value that is reached, to rounding, or until there are
        as many parts as may be."""
        out = np.empty(lower.size)
        slack = np.broadcast_to(np.asarray(tolerance, dtype=float), lower.shape)
        for begin in range(0, lower.size, _STEP):
            rows = slice(begin, begin + _STEP)
            if self.marks.size + 4 * _STEP > self.most:  # no room to learn: forget
                self._start()
            self._add(np.concatenate((lower[rows], upper[rows])))
            out[rows] = self._maxima(lower[rows], upper[rows], price[rows], slack[rows])
        return out

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
        value[np.searchsorted(marks, new)] = self.at(new)
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

    def at(self, x: Array) -> Array:
        """The sum itself at ``x`` (k,), rounded up."""
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


class ArmMaxima:
    """One-dimensional maxima of a program's responses; keeps what it learns from leaf to leaf.

    ``z_lower``, ``z_upper`` (A, H) are the widest ranges that will be asked about; bounds may be
    loose by a tiny part of ``size``, those on means over draws by ``accuracy`` of it in all.
    """

    def __init__(
        self,
        program: Program,
        z_lower: Array,
        z_upper: Array,
        size: float,
        accuracy: float = 1e-9,
        near: Array | None = None,
    ) -> None:
        self.program, self.accuracy, self.near = program, accuracy, near
        self.tolerance = size / max(program.weight.size, 1)
        self.z_lower, self.z_upper = z_lower, z_upper
        draws = program.draws
        self.weights: Array | None = None
        self.tables: dict[int, tuple[Tabulated, ...]] = {}
        if draws is not None:
            self.weights = (
                np.full(draws.draws, 1.0 / draws.draws)
                if program.draw_weights is None
                else program.draw_weights
            )
            self.tables = {c: each for c, each, _ in draws.tables}
        else:
            self.tables = {c: (table,) for c, table in program.curves.tables}
        self.closed = np.ones(program.arms, dtype=bool)
        self.closed[list(self.tables)] = False
        if draws is not None:
            self.closed[:] = False
        self.rising = self.weights is None or bool(np.all(self.weights >= 0.0))
        self._mixtures: dict[tuple[int, bool], Mixture] = {}
        self._along: dict[int, tuple[Array, Mixture]] = {}
        self._lots: dict[int, tuple[int, Array, Array]] = {}
        self._rest: tuple[Array, Array] | None = None

    def value_over(self, z: Array) -> Array:
        """(A, H) each arm's (mean) response at ``z``, rounded up."""
        return self._rounded(z, 1.0)

    def value_under(self, z: Array) -> Array:
        """(A, H) each arm's (mean) response at ``z``, rounded down."""
        return self._rounded(z, -1.0)

    def at_rest(self) -> tuple[Array, Array]:
        """(A, H) responses to what comes in from before, rounded up and down."""
        if self._rest is None:
            still = self.program.carry_in
            self._rest = self.value_over(still), self.value_under(still)
        return self._rest

    def tops(
        self, weight: Array, price: Array, z_lower: Array, z_upper: Array, *, loose: bool = False
    ) -> Array:
        """(A, n) upper bounds on the maxima of ``weight f(z) - price z``, any signs, over boxes.

        ``n`` is whatever number of questions about each arm; ``loose`` bounds are rougher by a
        small part of the objective in all, and take less time.
        """
        rough = _LOOSE if loose else 1.0
        period, near = self.program.weight.shape[1], None
        if self.near is not None and weight.shape[1] % period == 0:
            near = np.tile(self.near, weight.shape[1] // period)
        repeats = packed((weight, price, z_lower, z_upper), period)
        if repeats is None:
            return self._tops(weight, price, z_lower, z_upper, near, rough)
        few = repeats.asked
        near = None if near is None else few(near)
        top = self._tops(few(weight), few(price), few(z_lower), few(z_upper), near, rough)
        return repeats.answered(top)

    def _tops(
        self,
        weight: Array,
        price: Array,
        z_lower: Array,
        z_upper: Array,
        near: Array | None,
        rough: float,
    ) -> Array:
        out = np.maximum(-price * z_lower, -price * z_upper)
        negative = weight < 0.0
        easy_up = (weight > 0.0) & (price <= 0.0)
        easy_down = negative & (price >= 0.0)
        hard = (weight != 0.0) & ~(easy_up | easy_down)
        if not self.rising:
            easy_up, easy_down, hard = easy_up & False, easy_down & False, weight != 0.0
        table = np.zeros(weight.shape, dtype=bool)
        table[list(self.tables)] = True
        table &= weight != 0.0
        easy_up, easy_down, hard = easy_up & ~table, easy_down & ~table, hard & ~table
        if np.any(easy_up):
            top = weight * self.value_over(z_upper) - price * z_upper
            out = np.where(easy_up, top, out)
        if np.any(easy_down):
            top = weight * self.value_under(z_lower) - price * z_lower
            out = np.where(easy_down, top, out)
        smooth = hard & self.closed[:, None] & ~negative
        if np.any(smooth):
            out[smooth] = self._closed(smooth, weight, price, z_lower, z_upper, near, rough)
        for arm in np.flatnonzero(np.any(hard & ~smooth, axis=1)):
            for sign in (True, False):
                own = hard[arm] & ~smooth[arm] & (negative[arm] != sign)
                if np.any(own):
                    size = np.abs(weight[arm, own])
                    with np.errstate(over="ignore"):
                        slope = price[arm, own] / size
                    low, high = z_lower[arm, own], z_upper[arm, own]
                    slack = self.tolerance * self.accuracy * rough / float(size.max())
                    top = size * self._mixture(int(arm), sign).maxima(low, high, slope, slack)
                    crude = size * self._largest(int(arm), sign, high) - np.minimum(
                        price[arm, own] * low, price[arm, own] * high
                    )
                    out[arm, own] = np.where(np.isfinite(slope), np.minimum(top, crude), crude)
        for arm in np.flatnonzero(np.any(table, axis=1)):
            own = table[arm]
            out[arm, own] = self._table(
                int(arm), weight[arm, own], price[arm, own], z_lower[arm, own], z_upper[arm, own]
            )
        # Dividing by a weight and multiplying by it again rounds, and so do all the products.
        far = np.where(smooth, 0.0, np.abs(price) * z_upper)
        return np.asarray(out + 8.0 * EPS * (far + np.abs(out)))

    def along(
        self, arm: int, weight: Array, price: Array, low: Array, high: Array, *, loose: bool = False
    ) -> Array:
        """Bounds on ``sum over h of weight_h f(carry_h u + carry_in_h) - price u`` on intervals.

        ``weight`` is (H,), all others (k,).
        """
        if arm in self.tables:
            each = zip(price.tolist(), low.tolist(), high.tolist(), strict=True)
            return np.array([self._along_table(arm, weight, *one) for one in each])
        known = self._along.get(arm)
        if known is None or not np.array_equal(known[0], weight):
            known = weight, self._joined(arm, weight, float(low.min()), float(high.max()))
            self._along[arm] = known
        slack = self.tolerance * self.accuracy * (_LOOSE if loose else 1.0)
        return known[1].maxima(low, np.maximum(high, low), price, slack)

    def _joined(self, arm: int, weight: Array, low: float, high: float) -> Mixture:
        """All periods of an arm as a sum along its one decision."""
        curve, draws = self._curve(arm)
        return Mixture(
            curve.each(lambda p: np.tile(np.atleast_1d(np.asarray(p, float)), weight.size)),
            np.repeat(weight, draws.size) * np.tile(draws, weight.size),
            np.repeat(self.program.carry[arm, :, 0], draws.size),
            np.repeat(self.program.carry_in[arm], draws.size),
            low,
            max(high, low),
        )

    def over_lots(self, arm: int, weight: Array, price: Array, low: Array, high: Array) -> Array:
        """The same (k,) over the multiples of the arm's lot; inf where none or too many."""
        lot = float(self.program.lot[arm])
        # A lot missed by a hair counts as met; a minimum between two lots is met by the next.
        first, last = np.ceil(low / lot - HAIR), np.floor(high / lot + HAIR)
        asked = np.stack((price, first, last))  # most leaves ask what the one before them did
        new = np.ones(price.size, dtype=bool)
        new[1:] = np.any(asked[:, 1:] != asked[:, :-1], axis=0)
        top = self._over_lots(arm, lot, weight, price[new], first[new], last[new])
        return np.asarray(top[np.cumsum(new) - 1])

    def _over_lots(
        self, arm: int, lot: float, weight: Array, price: Array, first: Array, last: Array
    ) -> Array:
        out = np.full(price.shape, np.inf)
        asked = np.flatnonzero((last >= first) & (last - first < _LOTS))
        at = 0
        while at < asked.size:
            own = asked[at : at + max(_CHUNK // _LOTS, 1)]
            lowest, count = first[own].min(), last[own].max() - first[own].min() + 1.0
            if count > _LOTS:  # far apart: one by one
                own = own[:1]
                lowest, count = first[own[0]], last[own[0]] - first[own[0]] + 1.0
            at += own.size
            begin, over, under = self._multiples(arm, int(lowest), int(count))
            number = np.arange(begin, begin + len(over))
            u = lot * number
            rows = np.where(weight >= 0.0, weight * over, weight * under)
            value, size = rows.sum(axis=1), np.abs(rows).sum(axis=1)
            p = price[own, None]
            wobble = (weight.size + 16.0) * EPS * (size + np.abs(p) * u)
            inside = (number >= first[own, None]) & (number <= last[own, None])
            out[own] = np.where(inside, value - p * u + wobble, -np.inf).max(axis=1)
        return out

    def _multiples(self, arm: int, first: int, count: int) -> tuple[int, Array, Array]:
        """Responses (n, H) to multiples of a lot, rounded up and down, from some first on."""
        known = self._lots.get(arm)
        if known is None or first < known[0] or first + count > known[0] + len(known[1]):
            u = float(self.program.lot[arm]) * np.arange(first, first + count)
            z = u[:, None] * self.program.carry[arm, :, 0] + self.program.carry_in[arm]
            over, under = self._at(arm, z.ravel())
            known = first, over.reshape(z.shape), under.reshape(z.shape)
            self._lots[arm] = known
        return known

    def _closed(
        self,
        which: NDArray[np.bool_],
        weight: Array,
        price: Array,
        z_lower: Array,
        z_upper: Array,
        near: Array | None,
        rough: float,
    ) -> Array:
        if np.all(which):
            # Arms side by side, questions below one another: no curve has to be taken twice.
            part = self.program.curves
            w, p, low, high = (x.T for x in (weight, price, z_lower, z_upper))
        else:
            part = self.program.curves.take(np.nonzero(which)[0])
            w, p, low, high = (x[which][None, :] for x in (weight, price, z_lower, z_upper))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slope = p / w
            usable = np.isfinite(slope) & (slope > 0.0)
            safe = np.where(usable, slope, 1.0)
            # A single region is bounded to rounding; trees are stopped at gaps far above theirs.
            many = which.shape[1] > self.program.weight.shape[1]
            slack = (1e-11 if many else 1e-13) * rough * rough * self.tolerance / w
            if near is None:
                near = np.nan_to_num(np.asarray(part.at_slope(safe)), nan=0.0)
            else:
                near = near.T if np.all(which) else near[which][None, :]
        near = np.clip(near, low, high)
        top = w * closed_form_maxima(part, low, high, safe, near, slack)
        if np.any(w != 1.0):  # the slope is rounded
            top = top + 8.0 * EPS * np.abs(p) * high
        if not np.all(usable):
            crude = w * self._over(part, high) - p * low
            top = np.where(usable, np.minimum(top, crude), crude)
        return np.asarray(top.T.reshape(-1) if np.all(which) else top[0])

    def _over(self, part: Any, z: Array) -> Array:
        value, error = part.value(z), part.value_error(z)
        return np.asarray(value * (1.0 + error + 8.0 * EPS))

    def _rounded(self, z: Array, sign: float) -> Array:
        out = np.empty(z.shape)
        if np.all(self.closed):
            points = np.ascontiguousarray(z.T)
            value = self.program.curves.value(points)
            error = self.program.curves.value_error(points) + 8.0 * EPS
            return np.asarray((value * (1.0 + sign * error)).T)
        for arm in range(z.shape[0]):
            over, under = self._at(arm, z[arm])
            out[arm] = over if sign > 0.0 else under
        return out

    def _at(self, arm: int, z: Array) -> tuple[Array, Array]:
        """An arm's (mean) response at ``z`` (k,), rounded up and down."""
        if arm in self.tables:
            value = self._mean_table(arm, z)
            size = 32.0 * EPS * np.abs(value)
            return value + size, value - size
        curve, draws = self._curve(arm)
        value = curve.value(z[:, None]) * draws
        error = (curve.value_error(z[:, None]) + (16.0 + draws.size) * EPS) * np.abs(value)
        error = np.broadcast_to(error, value.shape)
        return value.sum(axis=1) + error.sum(axis=1), value.sum(axis=1) - error.sum(axis=1)

    def _curve(self, arm: int) -> tuple[Saturation, Array]:
        """One arm's draws as one curve with parameters (S,), and their weights (S,)."""
        draws = self.program.draws
        if draws is not None:
            assert self.weights is not None
            return draws.column(arm), self.weights
        part = self.program.curves.take([arm])
        return part.groups[0].curve, np.ones(1)

    def _mixture(self, arm: int, positive: bool) -> Mixture:
        key = (arm, positive)
        if key not in self._mixtures:
            curve, draws = self._curve(arm)
            self._mixtures[key] = Mixture(
                curve,
                draws if positive else -draws,
                np.ones(draws.size),
                np.zeros(draws.size),
                float(self.z_lower[arm].min()),
                float(self.z_upper[arm].max()),
            )
        return self._mixtures[key]

    def _largest(self, arm: int, positive: bool, z: Array) -> Array:
        """A crude bound on plus or minus the response up to ``z``."""
        if not self.rising:
            return np.full(z.shape, np.inf)
        return self._at(arm, z)[0] if positive else np.zeros(z.shape)

    def _mean_table(self, arm: int, z: Array) -> Array:
        each = self.tables[arm]
        weights = np.ones(1) if self.weights is None or len(each) == 1 else self.weights
        return np.asarray(sum(w * t.value(z) for w, t in zip(weights, each, strict=True)))

    def _corners(self, arm: int) -> Array:
        return np.unique(np.concatenate([table.knots()[0] for table in self.tables[arm]]))

    def _table(self, arm: int, weight: Array, price: Array, low: Array, high: Array) -> Array:
        """Piecewise linear whatever the weights: the corners and the ends decide."""
        at = self._corners(arm)
        height = self._mean_table(arm, at)
        inside = (at > low[:, None]) & (at < high[:, None])
        gain = weight[:, None] * height - price[:, None] * at
        best = np.where(inside, gain, -np.inf).max(axis=1)
        for end in (low, high):
            best = np.maximum(best, weight * self._mean_table(arm, end) - price * end)
        size = np.abs(weight) * np.abs(height).max() + np.abs(price) * high
        return np.asarray(best + 64.0 * EPS * size)

    def _along_table(self, arm: int, weight: Array, price: float, low: float, high: float) -> float:
        carry, offset = self.program.carry[arm, :, 0], self.program.carry_in[arm]
        moves = carry > 0.0
        corners = (self._corners(arm)[:, None] - offset[moves]) / carry[moves]
        u = np.unique(np.clip(np.append(corners.ravel(), (low, high)), low, high))
        z = u[:, None] * carry + offset
        value = self._mean_table(arm, z.ravel()).reshape(z.shape)
        total = value @ weight - price * u
        # Rounding moves a corner by a few units in the last place: that much of the steepest slope.
        size = np.abs(value) @ np.abs(weight) + np.abs(price) * u
        steep = max(float(np.max(t.slope(t.knots()[0]))) for t in self.tables[arm])
        move = 64.0 * EPS * steep * float((np.abs(weight) * (carry * high + offset)).sum())
        return float((total + (weight.size + 64.0) * EPS * size).max()) + move
