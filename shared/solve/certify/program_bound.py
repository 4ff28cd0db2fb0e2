"""The bound that weak duality gives for one region of a program; for the certificate only.

See :mod:`shared.problem.program_proof` for the formula. What is better here than the formula: where
one decision per arm is all there is, u and z are one variable and their maximum is taken jointly,
over exactly the spends that are allowed; and where a count limits how many arms may be active, only
the arms that gain most by it are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.program_proof import ProgramLeaf
from shared.problem.region import Region
from shared.solve.certify.program_maxima import ArmMaxima
from shared.solve.certify.program_pairs import Squares, Terms, linearise, tops_of
from shared.solve.certify.rounding import EPS

__all__ = ["Bounder", "Task"]

Array = NDArray[np.float64]
NONE = -math.inf  # no plan at all
_CELLS = 60_000  # leaves times decisions and periods bounded together


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A leaf's region and its checked multipliers, (m,) and (A, H)."""

    leaf: ProgramLeaf
    region: Region
    mu: Array
    nu: Array


class Bounder:
    """Bounds of regions; ``size`` is the objective's, to say what is too small to matter."""

    def __init__(self, program: Program, root: Region, size: float) -> None:
        self.program, self.root = program, root
        self.maxima = ArmMaxima(program, root.z_lower, root.z_upper, size)
        self.money = program.spread.sum(axis=1)
        self.joint = program.columns == 1
        self.operations = float(sum(program.carry.shape[1:]) + len(program.rows.names) + 64)
        # With interactions every leaf has weights of its own, so each is bounded alone.
        cells = program.lower.size + program.weight.size
        self.together = 1 if program.pairs else max(_CELLS // max(cells, 1), 1)

    def bound(self, leaf: ProgramLeaf, region: Region, enough: float = NONE) -> float:
        """No plan of the region has more; ``inf`` where the multipliers prove nothing.

        It is bounded roughly first; that will do where it is at most ``enough``.
        """
        task = self.task(leaf, region)
        if enough > NONE:
            rough = float(self._bounds([task], loose=True)[0])
            if rough <= enough:
                return rough
        return float(self._bounds([task], loose=False)[0])

    def task(self, leaf: ProgramLeaf, region: Region) -> Task:
        """What is to be bounded.

        Raises
        ------
        ValueError
            Where the multipliers are another program's, or no numbers.
        """
        return Task(leaf, region, *self._multipliers(leaf))

    def largest(self, tasks: Sequence[Task], enough: float = NONE) -> float:
        """The largest bound of all tasks; no care is taken with those that are below ``enough``.

        All are bounded loosely first; only those whose loose bound exceeds the largest close one
        are looked at closely.
        """
        count, step = len(tasks), self.together
        if not count:
            return NONE
        if count == 1:
            return self.bound(tasks[0].leaf, tasks[0].region, enough)
        loose = [self._bounds(tasks[i : i + step], loose=True) for i in range(0, count, step)]
        crude = np.concatenate(loose)
        order = np.argsort(-crude, kind="stable")
        best, at, step = NONE, 0, 1
        while at < count and crude[order[at]] > max(best, enough):
            some = order[at : at + step]
            close = self._bounds([tasks[i] for i in some.tolist()], loose=False)
            best = max(best, float(np.fmin(close, crude[some]).max()))
            at, step = at + step, min(4 * step, self.together)
        return max(best, float(crude[order[at]])) if at < count else best

    def _bounds(self, tasks: Sequence[Task], *, loose: bool) -> Array:
        """(L,) bounds of tasks that share their responses' weights."""
        out = np.full(len(tasks), NONE)
        some = [i for i, each in enumerate(tasks) if self._meets_rows(each.region)]
        if not some:
            return out
        program = self.program
        terms = linearise(program, self.maxima, tasks[some[0]].leaf, tasks[some[0]].region)
        if loose and terms.squares is not None:
            terms = replace(terms, squares=replace(terms.squares, rounds=1))
        boxes = _Boxes.of([tasks[i].region for i in some])
        mu, nu = np.stack([tasks[i].mu for i in some]), np.stack([tasks[i].nu for i in some])
        side, best = self._added(terms, mu, nu, boxes, loose)
        chosen, size = self._choose(best, boxes)
        size = size + np.abs(side).sum(axis=1) + best.size.sum(axis=1)
        extra, fixed = 0.0, np.zeros(0)
        if program.pairs:
            fixed, extra = program.value * terms.constant, program.value * terms.extra
            size = size + program.value * terms.size
        rounding = self.operations * EPS * size + extra
        sums = [
            math.fsum((*fixed.tolist(), *one, *other)) if math.isfinite(large) else math.inf
            for one, other, large in zip(side.tolist(), chosen.tolist(), size.tolist(), strict=True)
        ]
        whole = np.array(sums) + rounding
        out[some] = np.where(np.isnan(whole), np.inf, whole)  # comparisons would pass over it
        return out

    def _added(
        self, terms: Terms, mu: Array, nu: Array, boxes: _Boxes, loose: bool
    ) -> tuple[Array, _Best]:
        """(L, m) what the rows' prices add, and what the arms do."""
        program, rows = self.program, self.program.rows
        side = mu * np.where(mu > 0.0, rows.upper, np.where(mu < 0.0, rows.lower, 0.0))
        money = program.cost * self.money
        price = money + (mu @ rows.matrix).reshape(len(mu), *program.lower.shape)
        price_size = np.abs(mu) @ np.abs(rows.matrix)
        price_size = money + price_size.reshape(price.shape)
        return side, self._arms(terms, nu, price, price_size, boxes, loose)

    def apart(self, tasks: Sequence[Task]) -> float:
        """The bound where each arm may be in any of the tasks' regions, whatever the others are.

        The tasks share their ``mu``; nothing but the rows may tie the arms to one another.
        """
        program, step = self.program, self.together
        if program.pairs or program.at_most or not tasks:
            raise ValueError("The arms cannot be told apart.")
        top = np.full(program.arms, -np.inf)
        terms = linearise(program, self.maxima, tasks[0].leaf, tasks[0].region)
        side = np.zeros((1, 0))
        for i in range(0, len(tasks), step):
            some = tasks[i : i + step]
            boxes = _Boxes.of([each.region for each in some])
            mu, nu = np.stack([tasks[0].mu] * len(some)), np.stack([each.nu for each in some])
            side, best = self._added(terms, mu, nu, boxes, loose=False)
            chosen, _ = self._choose(best, boxes)
            # Each leaf by its own size: the prices of one that hardly matters may be wild.
            chosen = chosen + self.operations * EPS * (best.size + np.abs(chosen))
            top = np.maximum(top, np.where(np.isnan(chosen), np.inf, chosen).max(axis=0))
        total = float(np.abs(top).sum() + np.abs(side[0]).sum())
        if not math.isfinite(total):
            return math.inf
        whole = math.fsum((*side[0].tolist(), *top.tolist()))
        return whole + self.operations * EPS * total

    def _multipliers(self, leaf: ProgramLeaf) -> tuple[Array, Array]:
        """Multipliers of the right signs: any are valid, so wrong ones are set to nothing."""
        rows, z = self.program.rows, self.program.carry_in
        mu, nu = np.asarray(leaf.mu, dtype=float), np.asarray(leaf.nu, dtype=float)
        if mu.shape != rows.lower.shape or nu.shape != z.shape:
            raise ValueError("Multipliers of another program.")
        if not (np.all(np.isfinite(mu)) and np.all(np.isfinite(nu))):
            raise ValueError("A multiplier is no number.")
        mu = np.where(np.isfinite(rows.upper), mu, np.minimum(mu, 0.0))
        return np.where(np.isfinite(rows.lower), mu, np.maximum(mu, 0.0)), nu

    def _meets_rows(self, region: Region) -> bool:
        """Whether any point of the box could meet each row, beyond any doubt of rounding."""
        matrix = self.program.rows.matrix
        low, high = region.u_lower.ravel(), region.u_upper.ravel()
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        at, reach = matrix @ middle, np.abs(matrix) @ half
        slack = (high.size + 16.0) * EPS * (np.abs(matrix) @ high) + 1e-300
        rows = self.program.rows
        over = at - reach - slack > rows.upper
        return not bool(np.any(over | (at + reach + slack < rows.lower)))

    def _arms(
        self, terms: Terms, nu: Array, price: Array, price_size: Array, boxes: _Boxes, loose: bool
    ) -> _Best:
        """By arm the most it can add, spending nothing, something, or either."""
        shape = boxes.active.shape
        on = np.full(shape, np.inf)
        can_on = boxes.active >= 0
        if self.joint:
            self._jointly(terms, price[:, :, 0], boxes, can_on, on, loose)
        # Where u and z are one variable and bounded as one, apart they can only be bounded worse.
        apart, size = self._apart(terms, nu, price, price_size, boxes, np.isfinite(on), loose)
        on = np.minimum(on, apart)
        return _Best(on, self._idle(terms, boxes), can_on, size)

    def _idle(self, terms: Terms, boxes: _Boxes) -> Array:
        """(L, A) what arms add that spend nothing; -inf where they must."""
        value, weight, still = self.program.value, terms.weight, self.program.carry_in
        idle = np.all(boxes.u_lower <= 0.0, axis=2) & (boxes.active <= 0)
        # More than what comes in cannot be met by spending nothing.
        idle &= np.all(boxes.z_lower <= still * (1.0 + 1e-9) + 1e-300, axis=2)
        if not np.any(idle):
            return np.full(idle.shape, -np.inf)
        over, under = self.maxima.at_rest()
        rest = value * np.where(weight >= 0.0, weight * over, weight * under)
        if terms.squares is not None:
            rest = rest + value * terms.squares.over(self.maxima, still)
        rest = rest + 8.0 * EPS * np.abs(rest)
        return np.where(idle, rest.sum(axis=1), -np.inf)

    def _apart(
        self,
        terms: Terms,
        nu: Array,
        price: Array,
        price_size: Array,
        boxes: _Boxes,
        known: NDArray[np.bool_],
        loose: bool,
    ) -> tuple[Array, Array]:
        """By arm (L, A) the maxima over u and over z, each on its own, joined by ``nu``.

        Arms that are ``known`` are left out (inf); and (L, A) the size of what was added up.
        """
        program, value = self.program, self.program.value
        inner = value * _inner(nu, program.carry)
        inner_size = value * _inner(np.abs(nu), program.carry)
        gain = inner - price
        size = ((inner_size + price_size) * boxes.u_upper).sum(axis=2)
        if np.all(known):
            return np.full(known.shape, np.inf), size
        over_u = np.maximum(gain * boxes.u_lower, gain * boxes.u_upper)
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
        top = tops_of(self.maxima, np.tile(weight, count), squares, *flat, loose=loose)
        return np.asarray(top.reshape(arms, count, periods).transpose(1, 0, 2))

    def _jointly(
        self,
        terms: Terms,
        p: Array,
        boxes: _Boxes,
        can_on: NDArray[np.bool_],
        on: Array,
        loose: bool,
    ) -> None:
        """One decision per arm, ``p`` (L, A): u and z are one variable; lowers ``on`` by that."""
        program, value, weight = self.program, self.program.value, terms.weight
        # Where squares are added, only their own way of bounding does.
        squared = np.zeros(program.arms, dtype=bool)
        if terms.squares is not None:
            squared = np.any(terms.squares.curve > 0.0, axis=1)
        first, high = boxes.u_lower[:, :, 0], boxes.u_upper[:, :, 0]
        # Spending something means at least the minimum or one lot; zero is the other case.
        least = np.maximum(program.least_active[:, 0], program.lot)
        low = np.where((first <= 0.0) & (least <= high), least, first)
        ask = can_on & ~squared & (high > 0.0)
        for a in np.flatnonzero(program.lot > 0.0).tolist():
            own = ask[:, a]
            if np.any(own):
                args = p[own, a], low[own, a], high[own, a]
                on[own, a] = self.maxima.over_lots(a, value * weight[a], *args)
        carry = program.carry[:, 0, 0]
        if program.carry.shape[1] == 1:
            if np.any(carry > 0.0):
                self._single(terms, p, carry, low, high, on, loose)
            return
        plain = self._concave() & np.all(weight >= 0.0, axis=1) & (low <= first)
        ask &= ~plain & ~np.isfinite(on)
        for a in np.flatnonzero(np.any(ask, axis=0)).tolist():
            own = ask[:, a]
            args = p[own, a], low[own, a], high[own, a]
            on[own, a] = self.maxima.along(a, value * weight[a], *args, loose=loose)

    def _single(
        self,
        terms: Terms,
        p: Array,
        carry: Array,
        low: Array,
        high: Array,
        on: Array,
        loose: bool,
    ) -> None:
        value, squares = self.program.value, terms.squares
        known = np.isfinite(on)
        moves = (carry > 0.0) & ~known
        safe = np.where(carry > 0.0, carry, 1.0)
        per_z, base = np.where(known, 0.0, p / safe), self.program.carry_in[:, 0]
        z_low = (safe * low + base) * (1.0 - 8.0 * EPS)
        z_high = (safe * high + base) * (1.0 + 8.0 * EPS)
        top = tops_of(
            self.maxima,
            np.tile(value * terms.weight, len(p)),
            None if squares is None else squares.scaled(value),
            per_z.T,
            z_low.T,
            np.maximum(z_high, z_low).T,
            loose=loose,
        ).T
        top = top + per_z * base + 16.0 * EPS * np.abs(per_z) * (z_high + base)
        on[moves] = top[moves]

    def _concave(self) -> NDArray[np.bool_]:
        draws = self.program.draws
        if draws is None:
            return np.asarray(self.program.curves.inflection() <= 0.0)
        return np.zeros(self.program.arms, dtype=bool)

    def _choose(self, best: _Best, boxes: _Boxes) -> tuple[Array, Array]:
        """What each arm adds (L, A) and the size of that (L,); of those a count limits, only so
        many may be active."""
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


@dataclass(frozen=True, slots=True)
class _Best:
    """(L, A) the most an arm adds while it spends something, and while it spends nothing.

    ``size`` (L, A) is that of all terms that were added up for it.
    """

    on: Array
    off: Array
    can_on: NDArray[np.bool_]
    size: Array


def _inner(nu: Array, carry: Array) -> Array:
    """(L, A, K) from (L, A, H) and (A, H, K)."""
    return np.asarray(np.matmul(nu.transpose(1, 0, 2), carry).transpose(1, 0, 2))


def _beside(x: Array) -> Array:
    """(A, L H) from (L, A, H)."""
    return np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(x.shape[1], -1)
