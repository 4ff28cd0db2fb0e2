"""The bound that weak duality gives for one region of a program; for the certificate only.

See :mod:`shared.problem.program_proof` for the formula. What is better here than the formula: where
one decision per arm is all there is, u and z are one variable and their maximum is taken jointly,
over exactly the spends that are allowed; and where a count limits how many arms may be active, only
the arms that gain most by it are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.program_proof import ProgramLeaf
from shared.problem.region import Region
from shared.solve.program_maxima import ArmMaxima
from shared.solve.program_pairs import Terms, linearise, tops_of
from shared.solve.rounding import EPS

__all__ = ["Bounder"]

Array = NDArray[np.float64]


@dataclass(slots=True)
class _Sum:
    """A sum that remembers how large its terms were."""

    terms: list[float]
    size: float = 0.0

    def add(self, values: Array, size: float | None = None) -> None:
        self.terms += np.ravel(values).tolist()
        self.size += float(np.abs(values).sum()) if size is None else size


class Bounder:
    """Bounds of regions; ``size`` is the objective's, to say what is too small to matter."""

    def __init__(self, program: Program, root: Region, size: float) -> None:
        self.program, self.root = program, root
        self.maxima = ArmMaxima(program, root.z_lower, root.z_upper, size)
        self.money = program.spread.sum(axis=1)
        self.joint = program.columns == 1
        self.operations = float(sum(program.carry.shape[1:]) + len(program.rows.names) + 64)

    def bound(self, leaf: ProgramLeaf, region: Region, enough: float = -math.inf) -> float:
        """No plan of the region has more; ``inf`` where the multipliers prove nothing.

        Squares of levels are bounded roughly first; that will do where it is at most ``enough``.
        """
        if leaf.shares is not None and enough > -math.inf:
            rough = self._bound(leaf, region, 1)
            if rough <= enough:
                return rough
        return self._bound(leaf, region, None)

    def _bound(self, leaf: ProgramLeaf, region: Region, rounds: int | None) -> float:
        program = self.program
        mu, nu = self._multipliers(leaf)
        if not self._meets_rows(region):
            return -math.inf
        total = _Sum([])
        terms, error = self._terms(leaf, region, total)
        if rounds is not None and terms.squares is not None:
            terms = replace(terms, squares=replace(terms.squares, rounds=rounds))
        rows = program.rows
        shape = program.lower.shape
        side = np.where(mu > 0.0, rows.upper, np.where(mu < 0.0, rows.lower, 0.0))
        total.add(mu * side)
        price = program.cost * self.money + (mu @ rows.matrix).reshape(shape)
        price_size = program.cost * self.money + (np.abs(mu) @ np.abs(rows.matrix)).reshape(shape)
        best = self._arms(terms, nu, price, price_size, region, error)
        self._choose(best, region, total)
        if not math.isfinite(total.size):
            return math.inf
        rounding = self.operations * EPS * (total.size + error.size) + error.extra
        return math.fsum(total.terms) + rounding

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

    def _terms(self, leaf: ProgramLeaf, region: Region, total: _Sum) -> tuple[Terms, _Error]:
        """Weights (A, H) of the responses and what else takes the interactions' place."""
        terms, error = linearise(self.program, self.maxima, leaf, region), _Error()
        if self.program.pairs:
            value = self.program.value
            total.add(value * terms.constant, value * terms.size)
            error.extra += value * terms.extra
        return terms, error

    def _arms(
        self,
        terms: Terms,
        nu: Array,
        price: Array,
        price_size: Array,
        region: Region,
        error: _Error,
    ) -> _Best:
        """By arm the most it can add, spending nothing, something, or either."""
        program, value, weight = self.program, self.program.value, terms.weight
        apart = self._apart(terms, nu, price, price_size, region.z_lower, region.z_upper, region)
        error.size += apart.size
        best = _Best(on=apart.arms, off=np.full(program.arms, -np.inf), can_on=region.active >= 0)
        idle = np.all(region.u_lower <= 0.0, axis=1) & (region.active <= 0)
        # More than what comes in cannot be met by spending nothing.
        idle &= np.all(region.z_lower <= program.carry_in * (1.0 + 1e-9) + 1e-300, axis=1)
        if np.any(idle):
            still = program.carry_in
            rest = value * np.where(
                weight >= 0.0,
                weight * self.maxima.value_over(still),
                weight * self.maxima.value_under(still),
            )
            if terms.squares is not None:
                rest = rest + value * terms.squares.over(self.maxima, still)
            rest = rest + 8.0 * EPS * np.abs(rest)
            best.off = np.where(idle, rest.sum(axis=1), -np.inf)
        if self.joint:
            self._jointly(terms, price, region, best)
        return best

    def _apart(
        self,
        terms: Terms,
        nu: Array,
        price: Array,
        price_size: Array,
        z_lower: Array,
        z_upper: Array,
        region: Region,
    ) -> _Apart:
        """By arm the maxima over u and over z, each on its own, joined by ``nu``."""
        program, value = self.program, self.program.value
        inner = value * np.einsum("ah,ahk->ak", nu, program.carry)
        inner_size = value * np.einsum("ah,ahk->ak", np.abs(nu), program.carry)
        gain = inner - price
        over_u = np.maximum(gain * region.u_lower, gain * region.u_upper)
        over_z = value * tops_of(self.maxima, terms.weight, terms.squares, nu, z_lower, z_upper)
        links = value * nu * program.carry_in
        size = float(((inner_size + price_size) * region.u_upper).sum())
        size += float(np.abs(over_z).sum() + np.abs(links).sum())
        size += float((value * np.abs(nu) * z_upper).sum())
        arms = over_u.sum(axis=1) + over_z.sum(axis=1) + links.sum(axis=1)
        return _Apart(arms, size)

    def _jointly(self, terms: Terms, price: Array, region: Region, best: _Best) -> None:
        """One decision per arm: u and z are one variable, so lower each arm's bound by that."""
        program, value, weight = self.program, self.program.value, terms.weight
        # Where squares are added, only their own way of bounding does.
        squared = np.zeros(program.arms, dtype=bool)
        if terms.squares is not None:
            squared = np.any(terms.squares.curve > 0.0, axis=1)
        low, high = region.u_lower[:, 0], region.u_upper[:, 0]
        # Spending something means at least the minimum or one lot; zero is the other case.
        least = np.maximum(program.least_active[:, 0], program.lot)
        low = np.where((low <= 0.0) & (least <= high), least, low)
        p = price[:, 0]
        lots = np.flatnonzero(program.lot > 0.0)
        tried: set[int] = set()
        for a in lots.tolist():
            if squared[a] or not best.can_on[a] or high[a] <= 0.0:
                continue
            found = self.maxima.over_lots(a, value * weight[a], p[a], low[a], high[a])
            if found is not None:
                best.on[a] = min(best.on[a], found)
                tried.add(a)
        single = program.carry.shape[1] == 1
        carry = program.carry[:, 0, 0]
        if single and np.any(carry > 0.0):
            self._single(terms, p, carry, low, high, best)
        elif not single:
            plain = self._concave() & np.all(weight >= 0.0, axis=1) & (low <= region.u_lower[:, 0])
            for a in np.flatnonzero(best.can_on & ~plain & ~squared).tolist():
                if a not in tried and high[a] > 0.0:
                    found = self.maxima.along(a, value * weight[a], p[a], low[a], high[a])
                    best.on[a] = min(best.on[a], found)

    def _single(
        self, terms: Terms, p: Array, carry: Array, low: Array, high: Array, best: _Best
    ) -> None:
        value, squares = self.program.value, terms.squares
        moves = carry > 0.0
        safe = np.where(moves, carry, 1.0)
        per_z, base = p / safe, self.program.carry_in[:, 0]
        z_low = (safe * low + base) * (1.0 - 8.0 * EPS)
        z_high = (safe * high + base) * (1.0 + 8.0 * EPS)
        top = tops_of(
            self.maxima,
            value * terms.weight,
            None if squares is None else squares.scaled(value),
            per_z[:, None],
            z_low[:, None],
            np.maximum(z_high, z_low)[:, None],
        )[:, 0]
        top = top + per_z * base + 16.0 * EPS * np.abs(per_z) * (z_high + base)
        best.on = np.where(moves, np.minimum(best.on, top), best.on)

    def _concave(self) -> NDArray[np.bool_]:
        draws = self.program.draws
        if draws is None:
            return np.asarray(self.program.curves.inflection() <= 0.0)
        return np.zeros(self.program.arms, dtype=bool)

    def _choose(self, best: _Best, region: Region, total: _Sum) -> None:
        """Add up the arms; of those a count limits, only so many may be active."""
        must = region.active == 1
        never = (region.active == -1) | ~best.can_on
        off = np.where(must, -np.inf, best.off)
        on = np.where(never, -np.inf, best.on)
        # An arm that may be idle need not be, but for a count: "on" holds for zero spend as well
        # where nothing keeps it from being small.
        free = np.maximum(on, off)
        free = np.where(np.isfinite(free), free, best.on)
        taken = np.zeros(free.size, dtype=bool)
        size = float(np.abs(free).sum())
        chosen = free.copy()
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
        total.add(chosen, size)


@dataclass(slots=True)
class _Error:
    """Sizes of terms whose rounding has to be covered, and what is to be added outright."""

    size: float = 0.0
    extra: float = 0.0


@dataclass(frozen=True, slots=True)
class _Apart:
    arms: Array
    size: float


@dataclass(slots=True)
class _Best:
    """(A,) the most an arm adds while it spends something, and while it spends nothing."""

    on: Array
    off: Array
    can_on: NDArray[np.bool_]
