"""Interactions as terms of single arms, for the bound of one region; for the certificate only.

The product of two levels of saturation is bounded in one of two ways, whatever its sign:

- on the region's levels by a mix of its two McCormick planes (Mathematical Programming 10, 1976);
- everywhere, around any two levels p and q and for any t > 0, by

      s r <= p r + q s - p q + (t (s - p)^2 + (r - q)^2 / t) / 2,

  since 2 |x y| <= t x^2 + y^2 / t. It is exact at the point itself, so a locally best plan is
  proven the best of all by one leaf wherever curves bend down more than the squares bend up: the
  separable form of "lambda diag(c'') - Gamma is positive semidefinite".

Planes only change the weights of the responses; squares add ``curve (s - centre)^2 / 2`` to an
arm's term, whose maximum over an interval is bounded piece by piece: on levels [l, h] a square is
at most its chord, which is linear in the response again, and pieces are cut until that is close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.problem.program import Program
from shared.problem.proof import Leaf
from shared.problem.region import Region
from shared.solve.certify.arm_maxima import ArmMaxima

__all__ = ["Squares", "Terms", "linearise", "tops_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

_ROUNDS = 16  # of cutting pieces in four
_PIECES = 4_000  # kept in all; what is left then is bounded as it is
_STEPS = 14  # pieces to either side of a centre at first, each four times as long as the one before


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """``curve (f / top - centre)^2 / 2``, arrays (A, H) but ``top`` (A, 1); ``near`` is where the
    level is about the centre, in adstocked spend."""

    curve: Array
    centre: Array
    near: Array
    top: Array
    rounds: int = _ROUNDS

    def over(self, maxima: ArmMaxima, z: Array) -> Array:
        """(A, H) their values at adstocked spend ``z``, rounded up."""
        low, high = _levels(maxima, z, z, self.top)
        far = np.maximum(np.abs(high - self.centre), np.abs(low - self.centre))
        return np.asarray(0.5 * self.curve * far * far * (1.0 + 16.0 * EPS))


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What takes the interactions' place.

    Attributes
    ----------
    weight
        (A, H) of the responses, of any sign.
    constant
        (n,) numbers to be added; their sizes sum to ``size``.
    squares
        None where only planes are used.
    extra
        To be added outright for rounding.
    """

    weight: Array
    constant: Array
    size: float
    extra: float
    squares: Squares | None


def linearise(program: Program, maxima: ArmMaxima, leaf: Leaf, region: Region) -> Terms:
    """The leaf's bound on every interaction over the region (``value`` is not multiplied in).

    Raises
    ------
    ValueError
        Where a leaf is not one of this program's, or levels have no meaning.
    """
    weight = program.weight
    if not program.pairs:
        return Terms(weight, np.zeros(0), 0.0, 0.0, None)
    if not maxima.rising:
        raise ValueError("Interactions under negative weights of draws are not bounded.")
    top = program.supremum()
    own = sorted({a for pair in program.pairs for a in (pair.first, pair.second)})
    if not np.all(np.isfinite(top[own]) & (top[own] > 0.0)):
        raise ValueError("An interaction of a curve without a ceiling.")
    top = program.full()[:, None]
    low, high = _levels(maxima, region.z_lower, region.z_upper, top)
    shape = (len(program.pairs), weight.shape[1])
    mixes = _checked(leaf.planes, shape, 0.5)
    shares = _checked(leaf.shares, shape, 0.0)
    centre, near = np.zeros(weight.shape), np.zeros(weight.shape)
    if leaf.centres is not None:
        near = np.clip(_checked(leaf.centres, weight.shape, 0.0), region.z_lower, region.z_upper)
        centre = np.clip(maxima.value_over(near) / top, 0.0, 1.0)
    weight, curve = weight.copy(), np.zeros(weight.shape)
    constants, size, extra = [], 0.0, 0.0
    for pair, mix, share in zip(program.pairs, mixes, shares, strict=True):
        a, b = pair.first, pair.second
        strength = pair.strength * program.pair_weight(pair)
        square = (share > 0.0) & (strength != 0.0)
        to_a, to_b, rest = _planes(strength, np.clip(mix, 0.0, 1.0), low, high, a, b)
        to_a, to_b = np.where(square, centre[b], to_a), np.where(square, centre[a], to_b)
        constants.append(np.where(square, -strength * centre[a] * centre[b], rest))
        size += float((np.abs(strength) * 8.0).sum())
        safe = np.where(square, share, 1.0)
        most = np.maximum(high[a], high[b]) * np.maximum(1.0, np.abs(to_a) + np.abs(to_b))
        extra += float(64.0 * EPS * (np.abs(strength) * most).sum())
        curve[a] += np.where(square, np.abs(strength) * safe, 0.0) * (1.0 + 8.0 * EPS)
        curve[b] += np.where(square, np.abs(strength) / safe, 0.0) * (1.0 + 8.0 * EPS)
        weight[a] += strength * to_a / top[a]
        weight[b] += strength * to_b / top[b]
    if not np.all(np.isfinite(curve)):
        raise ValueError("A share of an interaction is no number.")
    squares = Squares(curve, centre, near, top) if np.any(curve > 0.0) else None
    return Terms(weight, np.concatenate(constants), size, extra, squares)


def tops_of(
    maxima: ArmMaxima,
    weight: Array,
    squares: Squares | None,
    price: Array,
    z_lower: Array,
    z_upper: Array,
    *,
    loose: bool = False,
) -> Array:
    """(A, H) upper bounds on ``max of weight f(z) + squares(z) - price z`` over boxes."""
    if squares is None:
        return maxima.tops(weight, price, z_lower, z_upper, loose=loose)
    cells = _Cells(maxima, weight, squares, price)
    squared = squares.curve > 0.0
    near = np.where(squared, np.clip(squares.near, z_lower, z_upper), z_upper)
    start, end = _first_pieces(near, np.where(squared, z_lower, z_upper), z_upper)
    owner = np.repeat(np.arange(weight.shape[1]), start.shape[1] // weight.shape[1])
    top = _refined(cells, start, end, np.broadcast_to(owner, start.shape), z_upper)
    if np.all(squared):
        return top
    return np.where(squared, top, maxima.tops(weight, price, z_lower, z_upper))


def _refined(cells: _Cells, start: Array, end: Array, owner: Integers, z_upper: Array) -> Array:
    """(A, H) from pieces (A, n) of the periods ``owner``: the highest are cut until that is it."""
    rows = np.arange(start.shape[0])[:, None]
    bound, value = cells.pieces(start, end, owner)
    known = np.full(z_upper.shape, -np.inf)
    # A piece below this need not be looked at again: its cell's bound is there already.
    done = known.copy()
    slack = 1e-10 * cells.maxima.tolerance
    for turn in range(cells.squares.rounds + 1):
        np.maximum.at(known, (rows, owner), value)
        open_ = (bound > np.take_along_axis(known, owner, 1) + slack) & (end > start)
        open_ &= end - start > 1e-13 * end
        count = open_.sum(axis=1)
        most = int(count.max())
        if most == 0 or most * start.shape[0] > _PIECES or turn == cells.squares.rounds:
            break
        np.maximum.at(done, (rows, owner), np.where(open_, -np.inf, bound))
        # The open pieces come first in every row; short rows are filled with empty ones.
        order = np.argsort(~open_, axis=1, kind="stable")[:, :most]
        owner = np.take_along_axis(owner, order, 1)
        end_of_all = np.take_along_axis(z_upper, owner, 1)
        filled = np.arange(most) < count[:, None]
        left = np.where(filled, np.take_along_axis(start, order, 1), end_of_all)
        right = np.where(filled, np.take_along_axis(end, order, 1), end_of_all)
        cuts = [left, *(left + share * (right - left) for share in (0.25, 0.5, 0.75)), right]
        cuts = [np.minimum(np.maximum(cut, left), right) for cut in cuts]
        start, end = np.hstack(cuts[:-1]), np.hstack(cuts[1:])
        owner = np.hstack([owner] * 4)
        bound, value = cells.pieces(start, end, owner)
    np.maximum.at(done, (rows, owner), bound)
    return done


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Terms ``weight f(z) + squares(z) - price z`` of every arm and period, arrays (A, H)."""

    maxima: ArmMaxima
    weight: Array
    squares: Squares
    price: Array

    def pieces(self, start: Array, end: Array, owner: Integers) -> tuple[Array, Array]:
        """Upper bounds on each piece (A, n) of the periods ``owner``, and about its end's value."""
        top = self.squares.top
        curve = np.take_along_axis(self.squares.curve, owner, 1)
        centre = np.take_along_axis(self.squares.centre, owner, 1)
        weight = np.take_along_axis(self.weight, owner, 1)
        price = np.take_along_axis(self.price, owner, 1)
        low, high = _levels(self.maxima, start, end, top)
        # (s - l)(s - h) <= 0 on [l, h], so s^2 <= (l + h) s - l h.
        slope = low + high - 2.0 * centre
        rest = 0.5 * curve * (centre * centre - low * high)
        tilted = weight + 0.5 * curve * slope / top
        bound = self.maxima.tops(tilted, price, start, end) + rest
        bound += 32.0 * EPS * curve * (1.0 + high) * (1.0 + high)
        bound += 16.0 * EPS * np.abs(weight) * top * high
        value = weight * top * high + 0.5 * curve * (high - centre) ** 2 - price * end
        return np.asarray(bound), np.asarray(value)


def _first_pieces(near: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Starts and ends (A, H n) of pieces, period by period, that get shorter towards ``near``."""
    shares = np.concatenate(([0.0], 0.25 ** np.arange(_STEPS - 1.0, -1.0, -1.0)))
    below = near[..., None] - shares[::-1] * (near - low)[..., None]
    above = near[..., None] + shares * (high - near)[..., None]
    below[..., 0], above[..., -1] = low, high
    cuts = np.concatenate((below, above[..., 1:]), axis=2)
    cuts = np.clip(cuts, low[..., None], high[..., None])
    cuts = np.maximum.accumulate(cuts, axis=2)
    arms = near.shape[0]
    return cuts[..., :-1].reshape(arms, -1), cuts[..., 1:].reshape(arms, -1)


def _planes(
    strength: Array, mix: Array, low: Array, high: Array, a: int, b: int
) -> tuple[Array, Array, Array]:
    """Slopes in both levels, and constant, of a mix of the two planes above the product."""
    positive = strength >= 0.0
    # The far end of b goes with the near end of a where the product is held down.
    b_first = np.where(positive, high[b], low[b])
    b_second = np.where(positive, low[b], high[b])
    to_a = mix * b_first + (1.0 - mix) * b_second
    to_b = mix * low[a] + (1.0 - mix) * high[a]
    rest = -(mix * low[a] * b_first + (1.0 - mix) * high[a] * b_second)
    # A product less a plane is largest (or smallest) in a corner: never mind the formula.
    corners = [
        x * y - (to_a * x + to_b * y + rest) for x in (low[a], high[a]) for y in (low[b], high[b])
    ]
    short = np.maximum(0.0, np.max([strength * c for c in corners], axis=0))
    return to_a, to_b, strength * rest + short


def _levels(maxima: ArmMaxima, low: Array, high: Array, top: Array) -> tuple[Array, Array]:
    """Levels of saturation at the ends of intervals, rounded outward."""
    under = np.maximum(maxima.value_under(low), 0.0) / top * (1.0 - 4.0 * EPS)
    return under, maxima.value_over(high) / top * (1.0 + 4.0 * EPS)


def _checked(values: Array | None, shape: tuple[int, ...], default: float) -> Array:
    if values is None:
        return np.full(shape, default)
    values = np.asarray(values, dtype=np.float64)
    if values.shape != shape or np.any(np.isnan(values)):
        raise ValueError("Planes or centres of another program.")
    return values
