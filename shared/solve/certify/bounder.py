"""The bound that weak duality gives for one region of a program; for the certificate only.

See :mod:`shared.problem.proof` for the formula. Better than it: where one decision per arm is all
there is, u and z are one variable, maximised over exactly the spends that are allowed; and where a
count limits how many arms may be active, only those that gain most by it are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.problem.program import Program
from shared.problem.proof import Leaf
from shared.problem.region import Counted, Region
from shared.solve.certify.maxima import ArmMaxima

__all__ = ["Bounder", "LeafTask", "Sides"]

Array = NDArray[np.float64]
Integers = NDArray[np.intp]
_ROUNDS = 16  # of cutting pieces in four
_PIECES = 4_000  # kept in all; what is left then is bounded as it is
_STEPS = 14  # pieces to either side of a centre at first, each four times as long as the one before
NONE = -math.inf  # no plan at all
_CELLS = 60_000  # leaves times decisions and periods bounded together


# Interactions as terms of single arms, for the bound of one region. The product of two levels of
# saturation is bounded, whatever its sign, by a mix of its two McCormick planes on the region's
# levels, or around any two levels p and q and for any t > 0 by
#
#       s r <= p r + q s - p q + (t (s - p)^2 + (r - q)^2 / t) / 2,
#
# since 2 |x y| <= t x^2 + y^2 / t: exact at the point itself. Planes only change the weights of the
# responses; squares add ``curve (s - centre)^2 / 2`` to an arm's term, whose maximum is bounded
# piece by piece: on levels [l, h] a square is at most its chord, and pieces are cut until that is
# close.


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
    """What takes the interactions' place: ``weight`` (A, H) of the responses, of any sign;
    ``constant`` (n,) to be added, of sizes that sum to ``size``; ``squares``, None where only
    planes are used; ``extra`` to be added outright for rounding."""

    weight: Array
    constant: Array
    size: float
    extra: float
    squares: Squares | None


def _linearise(program: Program, maxima: ArmMaxima, leaf: Leaf, region: Region) -> Terms:
    """The leaf's bound on every interaction over the region (``value`` is not multiplied in);
    ``ValueError`` where a leaf is not one of this program's, or levels have no meaning."""
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


def _tops_of(
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


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Both sides (m,) of the rows."""

    lower: Array
    upper: Array


@dataclass(frozen=True, slots=True, eq=False)
class LeafTask:
    """What is to be bounded: a region by checked multipliers ``mu`` (m,) and ``nu`` (A, H), or what
    a cut takes of it.

    ``value``, ``cost`` (A,) are of an outcome and of money at the targets' multipliers, ``less`` is
    to be taken off. ``inner`` is the box (2, A) that a cut leaves (None for a leaf), ``money`` (A,)
    prices what each arm spends in all, beside the rows.
    """

    leaf: Leaf
    region: Region
    mu: Array
    nu: Array
    value: Array
    cost: Array
    less: float
    sides: Sides
    inner: Array | None = None
    money: Array | None = None


class Bounder:
    """Bounds of regions whose plans bring about ``size``: what is much smaller hardly matters.

    ``accuracy``, of that size: how far above the truth bounds on means over draws may lie in all.
    ``near`` (A, H): adstocked spends to look at first.
    """

    def __init__(
        self,
        program: Program,
        root: Region,
        size: float,
        accuracy: float = 1e-9,
        near: Array | None = None,
    ) -> None:
        self.program, self.root = program, root
        self.maxima = ArmMaxima(program, root.z_lower, root.z_upper, size, accuracy, near)
        self.money, self.counted = program.spread.sum(axis=1), program.counted()
        self.sides = Sides(program.rows.lower, program.rows.upper)
        self.joint = program.columns == 1
        self.operations = float(sum(program.carry.shape[1:]) + len(program.rows.names) + 64)
        # With interactions every leaf has weights of its own, so each is bounded alone.
        cells = program.lower.size + program.weight.size
        self.together = 1 if program.pairs else max(_CELLS // max(cells, 1), 1)

    def bound(self, leaf: Leaf, region: Region, enough: float = NONE) -> float:
        """No plan of the region has more, ``inf`` where the multipliers prove nothing; bounded
        roughly first, which will do where it is at most ``enough``."""
        task = self.task(leaf, region)
        if enough > NONE:
            rough = float(self.bounds([task], loose=True)[0])
            if rough <= enough:
                return rough
        return float(self.bounds([task], loose=False)[0])

    def task(
        self, leaf: Leaf, region: Region, inner: Region | None = None, sides: Sides | None = None
    ) -> LeafTask:
        """What is to be bounded; with ``inner``, what is cut away around it. ``ValueError`` where
        the multipliers are another program's, or no numbers."""
        program = self.program
        sides = self.sides if sides is None else sides
        lift = program.lift(leaf.theta)
        if not math.isfinite(leaf.count_price):
            raise ValueError("The price of a count is no number.")
        mu, nu = self._multipliers(leaf, sides)
        box = None
        if inner is not None:
            if program.pairs or program.at_most or not self.joint:
                raise ValueError("The arms cannot be told apart.")
            box = np.stack((inner.u_lower[:, 0], inner.u_upper[:, 0]))
        return LeafTask(leaf, region, mu, nu, lift.value, lift.cost, lift.less, sides, box)

    def largest(self, tasks: Sequence[LeafTask], enough: float = NONE) -> float:
        """The largest bound of all tasks, those below ``enough`` without care: all are bounded
        loosely first, and closely while the loose bound exceeds the largest close one."""
        count, step = len(tasks), self.together
        if not count:
            return NONE
        crude = np.full(count, np.inf)
        simple = self.joint and self.program.weight.shape[1] == 1 and not self.program.pairs
        if simple:  # as quickly bounded closely as loosely
            step = max(step, count if count * self.program.arms < _CELLS else 1)
        elif count > 1 or enough > NONE:
            loose = [self.bounds(tasks[i : i + step], loose=True) for i in range(0, count, step)]
            crude = np.concatenate(loose)
        order = np.argsort(-crude, kind="stable")
        best, at, step = NONE, 0, step if simple else 1
        while at < count and crude[order[at]] > max(best, enough):
            some = order[at : at + step]
            close = self.bounds([tasks[i] for i in some.tolist()], loose=False)
            best = max(best, float(np.fmin(close, crude[some]).max()))
            at, step = at + step, min(4 * step, max(step, self.together))
        return max(best, float(crude[order[at]])) if at < count else best

    def bounds(self, tasks: Sequence[LeafTask], *, loose: bool) -> Array:
        """(L,) bounds of tasks that share their responses' weights."""
        out = np.full(len(tasks), NONE)
        open_ = [i for i, each in enumerate(tasks) if self._meets_rows(each)]
        if not open_:
            return out
        some = [tasks[i] for i in open_]
        terms = _linearise(self.program, self.maxima, some[0].leaf, some[0].region)
        if loose and terms.squares is not None:
            terms = replace(terms, squares=replace(terms.squares, rounds=1))
        stack = _Stack.of(some)
        fixed = self._fixed(terms, stack)
        scores, size = self._scores(terms, stack, stack.boxes, loose)
        size = size + np.abs(fixed).sum(axis=1)
        rounding = self.operations * EPS * size + stack.worth * terms.extra
        if len(some) == 1 and np.all(np.isfinite(scores)) and np.all(np.isfinite(fixed)):
            whole = np.array([math.fsum((*fixed[0].tolist(), *scores[0].tolist()))]) + rounding
        else:
            whole = fixed.sum(axis=1) + scores.sum(axis=1) + rounding
        cuts = [i for i, each in enumerate(some) if each.inner is not None]
        if cuts:
            others = (whole + 4.0 * rounding)[cuts, None] - scores[cuts]
            whole[cuts] = self._cut_away(terms, stack.take(cuts), others, loose)
        # Comparisons would pass over what is no number.
        whole = np.where(np.isnan(whole) | np.isnan(scores).any(axis=1), np.inf, whole)
        out[open_] = whole
        return out

    def _cut_away(self, terms: Terms, stack: _Stack, others: Array, loose: bool) -> Array:
        """(C,) the most of all slabs that cuts take: each arm's own, beside what ``others`` add."""
        low, high = stack.boxes.u_lower[:, :, 0], stack.boxes.u_upper[:, :, 0]
        out = np.full(len(others), NONE)
        for a, b, cut in (
            (low, stack.inner[:, 0], stack.inner[:, 0] > low),
            (stack.inner[:, 1], high, stack.inner[:, 1] < high),
        ):
            if np.any(cut):
                slab, _ = self._scores(terms, stack, stack.boxes.narrowed(a, b), loose)
                out = np.maximum(out, np.where(cut, others + slab, NONE).max(axis=1))
        return out

    def _fixed(self, terms: Terms, stack: _Stack) -> Array:
        """(L, n) what does not depend on the plan: prices of rows, of the count, of targets."""
        mu = stack.mu
        side = mu * np.where(mu > 0.0, stack.row_upper, np.where(mu < 0.0, stack.row_lower, 0.0))
        parts = [side, -stack.less[:, None], stack.count_cost[:, None]]
        if self.program.pairs:
            parts.append(stack.worth[:, None] * terms.constant)
        return np.concatenate(parts, axis=1)

    def _scores(
        self, terms: Terms, stack: _Stack, boxes: _Boxes, loose: bool
    ) -> tuple[Array, Array]:
        """(L, A) what each arm adds at most, and (L,) the size of all that was added up."""
        if stack.at is None:
            best = self._arms(terms, stack, boxes, loose)
            chosen, size = self._choose(best, boxes)
            return chosen, size + best.size.sum(axis=1) + stack.worth * terms.size
        # Where an arm may be on either side of its threshold, the better side, which is priced.
        low, high = boxes.u_lower[:, :, 0], boxes.u_upper[:, :, 0]
        at = np.clip(stack.at, low, high)
        few = self._arms(terms, stack, boxes.narrowed(low, at), loose)
        below, size = self._choose(few, boxes)
        below = np.where(low <= stack.at, below, NONE)
        many = self._arms(terms, stack, boxes.narrowed(at, high), loose)
        above, other = self._choose(many, boxes)
        charge = stack.count_price[:, None]
        above = above - charge + 2.0 * EPS * (np.abs(above) + np.abs(charge))
        above = np.where(high > stack.at, above, NONE)
        total = size + np.where(np.isfinite(other), other, 0.0) + few.size.sum(axis=1)
        return np.maximum(below, above), total + np.abs(charge[:, 0])

    def apart(self, tasks: Sequence[LeafTask]) -> float:
        """The bound where each arm may be in any of the tasks' regions, whatever the others are;
        the tasks share ``mu`` and the targets' multipliers, and nothing but the rows may tie the
        arms."""
        program, step = self.program, self.together
        if program.pairs or program.at_most or not tasks:
            raise ValueError("The arms cannot be told apart.")
        top = np.full(program.arms, -np.inf)
        terms = _linearise(program, self.maxima, tasks[0].leaf, tasks[0].region)
        fixed = self._fixed(terms, _Stack.of(tasks[:1]))
        for i in range(0, len(tasks), step):
            stack = _Stack.of(tasks[i : i + step])
            best = self._arms(terms, stack, stack.boxes, loose=False)
            chosen, _ = self._choose(best, stack.boxes)
            side = np.where(stack.money > 0.0, stack.spent[:, 1], stack.spent[:, 0])
            side = np.multiply(stack.money, side, out=np.zeros_like(side), where=stack.money != 0.0)
            chosen = chosen + side + 4.0 * EPS * np.abs(side)
            # Each leaf by its own size: the prices of one that hardly matters may be wild.
            chosen = chosen + self.operations * EPS * (best.size + np.abs(chosen))
            top = np.maximum(top, np.where(np.isnan(chosen), np.inf, chosen).max(axis=0))
        total = float(np.abs(top).sum() + np.abs(fixed[0]).sum())
        if not math.isfinite(total):
            return math.inf
        whole = math.fsum((*fixed[0].tolist(), *top.tolist()))
        return whole + self.operations * EPS * total

    def _multipliers(self, leaf: Leaf, sides: Sides) -> tuple[Array, Array]:
        """Multipliers of the right signs: any are valid, so wrong ones are set to nothing."""
        shape = self.program.carry_in.shape
        mu = np.asarray(leaf.mu, dtype=float)
        nu = np.zeros(shape) if leaf.nu is None else np.asarray(leaf.nu, dtype=float)
        if mu.shape != sides.lower.shape or nu.shape != shape:
            raise ValueError("Multipliers of another program.")
        if not (np.all(np.isfinite(mu)) and np.all(np.isfinite(nu))):
            raise ValueError("A multiplier is no number.")
        mu = np.where(np.isfinite(sides.upper), mu, np.minimum(mu, 0.0))
        return np.where(np.isfinite(sides.lower), mu, np.maximum(mu, 0.0)), nu

    def _meets_rows(self, task: LeafTask) -> bool:
        """Whether any point of the box could meet each row, beyond any doubt of rounding."""
        matrix = self.program.rows.matrix
        low, high = task.region.u_lower.ravel(), task.region.u_upper.ravel()
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        at, reach = matrix @ middle, np.abs(matrix) @ half
        slack = (high.size + 16.0) * EPS * (np.abs(matrix) @ high) + 1e-300
        over = at - reach - slack > task.sides.upper
        return not bool(np.any(over | (at + reach + slack < task.sides.lower)))

    def _arms(self, terms: Terms, stack: _Stack, boxes: _Boxes, loose: bool) -> _Best:
        """By arm the most it can add, spending nothing, something, or either."""
        rows = self.program.rows
        money = stack.cost[:, :, None] * self.counted
        price = money + (stack.mu @ rows.matrix).reshape(-1, *self.program.lower.shape)
        price_size = money + (np.abs(stack.mu) @ np.abs(rows.matrix)).reshape(price.shape)
        if stack.money.any():
            price = price + stack.money[:, :, None] * self.money
            price_size = price_size + np.abs(stack.money)[:, :, None] * self.money
        on = np.full(boxes.active.shape, np.inf)
        can_on = boxes.active >= 0
        if self.joint:
            self._jointly(terms, stack.value, price[:, :, 0], boxes, can_on, on, loose)
        # Where u and z are one variable and bounded as one, apart they can only be bounded worse.
        known = np.isfinite(on)
        apart, size = self._apart(terms, stack, price, price_size, boxes, known, loose)
        on = np.minimum(on, apart)
        if not self.program.discrete:  # to spend nothing is one of the decisions
            return _Best(on, on, np.ones_like(can_on), size)
        return _Best(on, self._idle(terms, stack.value, boxes), can_on, size)

    def _idle(self, terms: Terms, value: Array, boxes: _Boxes) -> Array:
        """(L, A) what arms add that spend nothing; -inf where they must."""
        weight, still = terms.weight, self.program.carry_in
        idle = np.all(boxes.u_lower <= 0.0, axis=2) & (boxes.active <= 0)
        # More than what comes in cannot be met by spending nothing.
        idle &= np.all(boxes.z_lower <= still * (1.0 + 1e-9) + 1e-300, axis=2)
        if not np.any(idle):
            return np.full(idle.shape, -np.inf)
        over, under = self.maxima.at_rest()
        rest = np.where(weight >= 0.0, weight * over, weight * under)
        if terms.squares is not None:
            rest = rest + terms.squares.over(self.maxima, still)
        rest = rest + 8.0 * EPS * np.abs(rest)
        return np.where(idle, value * rest.sum(axis=1), -np.inf)

    def _apart(
        self,
        terms: Terms,
        stack: _Stack,
        price: Array,
        price_size: Array,
        boxes: _Boxes,
        known: NDArray[np.bool_],
        loose: bool,
    ) -> tuple[Array, Array]:
        """By arm (L, A) the maxima over u and over z, each on its own, joined by ``nu``; ``known``
        arms are left out (inf). And (L, A) the size of what was added up."""
        program, nu, value = self.program, stack.nu, stack.value[:, :, None]
        if known.all():  # their own rounding is in their bounds
            return np.full(known.shape, np.inf), np.zeros(known.shape)
        inner = value * _inner(nu, program.carry)
        inner_size = value * _inner(np.abs(nu), program.carry)
        gain = inner - price
        size = (inner_size * program.media(boxes.u_upper) + price_size * boxes.u_upper).sum(axis=2)
        over_u = np.maximum(gain * boxes.u_lower, gain * boxes.u_upper)
        if program.power is not None:
            own = _over_media(program, inner, price, boxes)
            over_u = np.where(program.power[:, None] < 1.0, own, over_u)
        # Those that are known are given no price: that takes no search.
        ask = np.where(known[:, :, None], 0.0, nu)
        over_z = value * self._tops(terms.weight, terms.squares, ask, boxes, loose)
        links = value * nu * program.carry_in
        sizes = np.abs(over_z) + np.abs(links) + value * np.abs(nu) * boxes.z_upper
        size = size + np.where(known[:, :, None], 0.0, sizes).sum(axis=2)
        arms = over_u.sum(axis=2) + over_z.sum(axis=2) + links.sum(axis=2)
        return np.where(known, np.inf, arms), size

    def _tops(
        self, weight: Array, squares: Squares | None, price: Array, boxes: _Boxes, loose: bool
    ) -> Array:
        """(L, A, H) maxima over z: leaves stand beside one another like periods."""
        count, arms, periods = price.shape
        flat = [_beside(x) for x in (price, boxes.z_lower, boxes.z_upper)]
        top = _tops_of(self.maxima, np.tile(weight, count), squares, *flat, loose=loose)
        return np.asarray(top.reshape(arms, count, periods).transpose(1, 0, 2))

    def _jointly(
        self,
        terms: Terms,
        value: Array,
        p: Array,
        boxes: _Boxes,
        can_on: NDArray[np.bool_],
        on: Array,
        loose: bool,
    ) -> None:
        """One decision per arm, ``p`` (L, A): u and z are one variable; lowers ``on`` by that."""
        program, weight = self.program, terms.weight
        # Where squares are added, only their own way of bounding does.
        squared = np.zeros(program.arms, dtype=bool)
        if terms.squares is not None:
            squared = np.any(terms.squares.curve > 0.0, axis=1)
        if program.power is not None:  # media are not a multiple of the decision
            squared |= program.power < 1.0
        first, high = boxes.u_lower[:, :, 0], boxes.u_upper[:, :, 0]
        low = first
        if np.any(program.least_active) or np.any(program.lot):
            # Spending something means at least the minimum or one lot; zero is the other case.
            least = np.maximum(program.least_active[:, 0], program.lot)
            low = np.where((first <= 0.0) & (least <= high), least, first)
        # Maxima are taken in outcome: prices are divided by what one is worth. Where it is worth
        # nothing, money is all that counts, and an end is best.
        worth, nothing = np.where(value > 0.0, value, 1.0), value <= 0.0
        on[nothing] = np.maximum(-p * low, -p * high)[nothing]
        per = p / worth
        ask = can_on & ~squared & (high > 0.0) & ~nothing

        def keep(own: NDArray[np.bool_], a: int, top: Array) -> None:
            size = 4.0 * EPS * (np.abs(p[own, a]) * high[own, a] + np.abs(worth[own, a] * top))
            on[own, a] = worth[own, a] * top + size

        for a in np.flatnonzero(program.lot > 0.0).tolist():
            own = ask[:, a]
            if np.any(own):
                args = per[own, a], low[own, a], high[own, a]
                keep(own, a, self.maxima.over_lots(a, weight[a], *args))
        carry = program.carry[:, 0, 0]
        if program.carry.shape[1] == 1:
            if np.any(carry > 0.0):
                self._single(terms, worth, per, carry, low, high, on, loose)
            return
        plain = self._concave() & np.all(weight >= 0.0, axis=1) & (low <= first)
        ask &= ~plain & ~np.isfinite(on)
        for a in np.flatnonzero(np.any(ask, axis=0)).tolist():
            own = ask[:, a]
            args = per[own, a], low[own, a], high[own, a]
            keep(own, a, self.maxima.along(a, weight[a], *args, loose=loose))

    def _single(
        self,
        terms: Terms,
        worth: Array,
        per: Array,
        carry: Array,
        low: Array,
        high: Array,
        on: Array,
        loose: bool,
    ) -> None:
        known = np.isfinite(on)
        if self.program.power is not None:
            known |= self.program.power < 1.0
        moves = (carry > 0.0) & ~known
        safe = np.where(carry > 0.0, carry, 1.0)
        per_z, base = np.where(known, 0.0, per / safe), self.program.carry_in[:, 0]
        # Where z is u itself, and an outcome worth one, nothing is rounded on the way.
        rounds = np.where((safe == 1.0) & (base == 0.0) & (worth == 1.0), 0.0, EPS)
        z_low = (safe * low + base) * (1.0 - 8.0 * rounds)
        z_high = (safe * high + base) * (1.0 + 8.0 * rounds)
        top = _tops_of(
            self.maxima,
            np.tile(terms.weight, len(per)),
            terms.squares,
            per_z.T,
            z_low.T,
            np.maximum(z_high, z_low).T,
            loose=loose,
        ).T
        top = top + per_z * base + 24.0 * rounds * np.abs(per_z) * (z_high + base)
        on[moves] = (worth * (top + 4.0 * rounds * np.abs(top)))[moves]

    def _concave(self) -> NDArray[np.bool_]:
        draws = self.program.draws
        if draws is None:
            return np.asarray(self.program.curves.inflection() <= 0.0)
        return np.zeros(self.program.arms, dtype=bool)

    def _choose(self, best: _Best, boxes: _Boxes) -> tuple[Array, Array]:
        """What each arm adds (L, A) and the size of that (L,); of those a count limits, only so
        many may be active."""
        if not self.program.discrete:
            return best.on, np.abs(best.on).sum(axis=1)
        must = boxes.active == 1
        never = (boxes.active == -1) | ~best.can_on
        off = np.where(must, -np.inf, best.off)
        on = np.where(never, -np.inf, best.on)
        # An arm that may be idle need not be, but for a count: "on" holds for zero spend as well
        # where nothing keeps it from being small.
        free = np.maximum(on, off)
        free = np.where(np.isfinite(free), free, best.on)
        size, chosen = np.abs(free).sum(axis=1), free.copy()
        for leaf in range(len(free)) if self.program.at_most else ():
            self._limit(must[leaf], free[leaf], off[leaf], chosen[leaf])
        return chosen, size

    def _limit(self, must: NDArray[np.bool_], free: Array, off: Array, chosen: Array) -> None:
        taken = np.zeros(free.size, dtype=bool)
        for rule in self.program.at_most:
            own = np.array([a for a in dict.fromkeys(rule.arms) if not taken[a]], dtype=np.intp)
            others_on = [a for a in dict.fromkeys(rule.arms) if taken[a] and must[a]]
            taken[own] = True
            left = rule.count - int(must[own].sum()) - len(others_on)
            open_ = own[~must[own] & np.isfinite(off[own])]
            gain = np.maximum(free[open_] - off[open_], 0.0)
            order = np.argsort(-gain, kind="stable")
            idle = open_[order[max(left, 0) :]]
            chosen[idle] = off[idle]


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Regions side by side: u (L, A, K), z (L, A, H), and active (L, A)."""

    u_lower: Array
    u_upper: Array
    z_lower: Array
    z_upper: Array
    active: NDArray[np.int8]

    @classmethod
    def of(cls, regions: list[Region]) -> _Boxes:
        return cls(
            np.stack([each.u_lower for each in regions]),
            np.stack([each.u_upper for each in regions]),
            np.stack([each.z_lower for each in regions]),
            np.stack([each.z_upper for each in regions]),
            np.stack([each.active for each in regions]),
        )

    def narrowed(self, lower: Array, upper: Array) -> _Boxes:
        """With other bounds (L, A) of the arms' one decision, within these."""
        return replace(self, u_lower=lower[:, :, None], u_upper=upper[:, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Tasks side by side: ``at``, ``count_price``, ``count_cost`` of counts (L, A), (L,), (L,),
    ``at`` None where nothing is counted; ``inner`` (C, 2, A) where all are cuts; ``money`` (L, A)
    prices what arms spend, from and to ``spent`` (L, 2, A)."""

    boxes: _Boxes
    mu: Array
    nu: Array
    value: Array
    cost: Array
    less: Array
    row_lower: Array
    row_upper: Array
    at: Array | None
    count_price: Array
    count_cost: Array
    inner: Array
    money: Array
    spent: Array

    @classmethod
    def of(cls, tasks: Sequence[LeafTask]) -> _Stack:
        counts = [each.region.counted for each in tasks]
        price = np.zeros(len(tasks))
        most = np.zeros(len(tasks))
        at = None
        if any(count is not None for count in counts):
            none = Counted(np.full(len(tasks[0].region.u_lower), np.inf), 0, 0)
            known = [none if count is None else count for count in counts]
            at = np.stack([count.at for count in known])
            price = np.array([each.leaf.count_price for each in tasks])
            price = np.where([count is None for count in counts], 0.0, price)
            most = np.array(
                [c.most if p > 0.0 else c.least for c, p in zip(known, price, strict=True)]
            )
        size = tasks[0].region.u_lower.shape[0]
        inner = [np.zeros((2, size)) if each.inner is None else each.inner for each in tasks]
        every = np.tile([[0.0], [np.inf]], size)
        spent = np.stack([every if t.region.spent is None else t.region.spent for t in tasks])
        money = np.stack([np.zeros(size) if t.money is None else t.money for t in tasks])
        if not np.all(np.isfinite(money)):
            raise ValueError("A multiplier is no number.")
        # Of the right sign, as those of rows: any are valid, so wrong ones are set to nothing.
        money = np.where(np.isfinite(spent[:, 1]), money, np.minimum(money, 0.0))
        return cls(
            boxes=_Boxes.of([each.region for each in tasks]),
            mu=np.stack([each.mu for each in tasks]),
            nu=np.stack([each.nu for each in tasks]),
            value=np.stack([each.value for each in tasks]),
            cost=np.stack([each.cost for each in tasks]),
            less=np.array([each.less for each in tasks]),
            row_lower=np.stack([each.sides.lower for each in tasks]),
            row_upper=np.stack([each.sides.upper for each in tasks]),
            at=at,
            count_price=price,
            count_cost=price * most,
            inner=np.stack(inner),
            money=money,
            spent=spent,
        )

    @property
    def worth(self) -> Array:
        """(L,) what an outcome of an interaction counts: its arms' outcomes all count alike."""
        return np.asarray(self.value.max(axis=1))

    def take(self, which: list[int]) -> _Stack:
        """Some of the tasks."""
        own: dict[str, Any] = {
            item.name: None if (x := getattr(self, item.name)) is None else x[which]
            for item in fields(self)
            if item.name != "boxes"
        }
        boxes = _Boxes(*(getattr(self.boxes, item.name)[which] for item in fields(self.boxes)))
        return _Stack(boxes=boxes, **own)


@dataclass(frozen=True, slots=True)
class _Best:
    """(L, A) the most an arm adds while it spends something, and while it spends nothing; ``size``
    is that of all terms that were added up for it."""

    on: Array
    off: Array
    can_on: NDArray[np.bool_]
    size: Array


def _over_media(program: Program, inner: Array, price: Array, boxes: _Boxes) -> Array:
    """(L, A, K) most of ``inner u^p - price u`` of allowed decisions in boxes, p the power.

    Concave where ``inner`` is positive, so best where its slope is nothing; else at an end.
    """
    assert program.power is not None
    p = np.minimum(program.power, 0.999)[:, None]  # where it is one, nobody asks
    low, high = boxes.u_lower, boxes.u_upper
    least = np.minimum(program.least_active, high)
    low = np.where(low <= 0.0, least, low)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        best = (p * inner / price) ** (1.0 / (1.0 - p))
    best = np.where(price > 0.0, np.where(np.isfinite(best), best, high), high)
    tops = [inner * u**p - price * u for u in (low, high, np.clip(best, low, high))]
    nothing = np.where(boxes.u_lower <= 0.0, 0.0, -np.inf)
    return np.asarray(np.maximum(np.maximum.reduce(tops), nothing))


def _inner(nu: Array, carry: Array) -> Array:
    """(L, A, K) from (L, A, H) and (A, H, K)."""
    return np.asarray(np.matmul(nu.transpose(1, 0, 2), carry).transpose(1, 0, 2))


def _beside(x: Array) -> Array:
    """(A, L H) from (L, A, H)."""
    return np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(x.shape[1], -1)
