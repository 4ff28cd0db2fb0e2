"""What a search over plans with interactions knows, and the two steps that it repeats.

``climb`` linearises the products at a plan, solves the concave relaxation and searches along the
line to it on the true objective; ``leaf`` turns a plan into a bound of a region.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.proof import Leaf
from shared.problem.region import Region
from shared.problem.repair import repair
from shared.solve.certify.bounder import Bounder
from shared.solve.program.box_primal import allowed, sides_of, snapped
from shared.solve.program.interaction_terms import (
    arm_prices,
    best_along,
    linear_weights,
    planes_at,
    shares_at,
)
from shared.solve.program.interior import RelaxedProgram, relax_program
from shared.solve.program.program_box import ProgramBox
from shared.solve.program.program_envelope import Enveloper
from shared.solve.search import Tree

__all__ = ["Ascent", "ascend", "bent", "box_of"]

Array = NDArray[np.float64]

_CLIMBS = 40  # linearisations of one local ascent


@dataclass(slots=True)
class Ascent:
    program: Program
    plain: Program
    base: Enveloper
    bounder: Bounder
    gap: float
    deadline: float
    tree: Tree = field(default_factory=Tree)
    best: Array | None = None
    value: float = -np.inf
    prices: Array | None = None
    links: Array | None = None
    iterations: int = 0
    slowest: float = 0.0
    sized: bool = False
    # What rounding leaves of a bound: a plan that is worth nothing is not told from one of these.
    least: float = 0.0

    def __post_init__(self) -> None:
        top = self.program.supremum()
        reach = np.where(np.isfinite(top), top, 0.0)[:, None] * self.program.weight
        self.least = 1e-13 * self.program.value * float(reach.sum())

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""
        if not np.isfinite(self.value):
            return -np.inf
        return self.value + max(0.5 * self.gap * abs(self.value), self.least)

    def late(self) -> bool:
        """Whether there is no time for one more region."""
        return work.now() + self.slowest >= self.deadline

    def enveloper(self, z: Array) -> Enveloper:
        """Envelopes with the interactions linearised at adstocked spend ``z``."""
        other = copy.copy(self.base)
        other.weight = linear_weights(self.program, z)
        other._memory, other._hulls = [], {}
        return other

    def relax(self, box: ProgramBox, z: Array, gap: float) -> RelaxedProgram:
        found = relax_program(self.plain, box, None, enveloper=self.enveloper(z), gap=gap)
        self.iterations += found.iterations
        return found

    def offer(self, u: Array, mu: Array | None, nu: Array | None = None) -> bool:
        """Take a plan (A, K) that is better than the best, if it is allowed.

        ``mu`` and ``nu`` are prices of the rows and of adstocked spend around it, where known.
        """
        inside = np.clip(u, self.program.lower, self.program.upper)
        value = self.program.objective(inside)
        if value <= self.value:
            return False
        if not allowed(self.program, inside):
            mended = repair(self.program, inside)
            if mended is None or not allowed(self.program, mended):
                return False
            inside, value = mended, self.program.objective(mended)
            if value <= self.value:
                return False
        self.best, self.value = inside, value
        if mu is not None:
            self.prices = mu
        self.links = nu
        return True

    def climb(self, box: ProgramBox, u: Array, *, gap: float = 1e-9) -> tuple[Array, Array, Array]:
        """A locally best plan on the sides that ``u`` is on; prices (mu, nu) there."""
        program = self.program
        sides = sides_of(program, self.base, box, u).tightened(program)
        mu, nu = np.zeros(len(program.rows.names)), np.zeros(program.weight.shape)
        if sides.empty:
            return u, mu, nu
        for turn in range(_CLIMBS):
            found = self.relax(sides, program.adstocked(u), gap)
            if found.status == "infeasible":
                break
            mu, nu = found.mu, found.nu
            aim = np.clip(found.u, sides.u_lower, sides.u_upper)
            old = program.objective(u) if turn else -np.inf
            taken, value = aim, program.objective(aim)
            if turn:
                taken, value = best_along(program, u, aim, old, value)
            if value < old:
                break
            moved = float(np.abs(taken - u).max())
            u = taken
            if value - old <= 1e-13 * abs(value) or moved <= 1e-9 * float(np.abs(u).max()):
                break
            if work.now() >= self.deadline:
                break
        self.offer(u, mu, nu)
        return u, mu, nu

    def ascend(self, u: Array) -> None:
        """Look for the locally best plan around one."""
        ascend(self, box_of(self.bounder.root), u)

    def ask(self, leaf: Leaf, region: Region) -> float:
        """The certificate's bound of a leaf, no closer than the gap asks for."""
        if np.isfinite(self.value) and not self.sized:
            size = max(abs(self.value) / self.program.value, 1e-300)
            self.bounder = Bounder(self.program, self.bounder.root, size)
            self.sized = True
        return self.bounder.bound(leaf, region, self.cutoff())

    def leaf(self, region: Region, z: Array, mu: Array, nu: Array) -> tuple[Leaf, float]:
        """The better of squares around ``z`` and of planes, with its bound."""
        best = self.squares(region, z, mu, nu)
        bound = self.bounder.bound(best, region, self.cutoff())
        if bound > self.cutoff():
            other = Leaf(mu, nu, planes=planes_at(self.program, region, z))
            flat = self.bounder.bound(other, region, self.cutoff())
            if flat < bound:
                return other, flat
        return best, bound

    def squares(self, region: Region, z: Array, mu: Array, nu: Array) -> Leaf:
        """Squares around ``z``, shared out as the terms can bear them over the region."""
        price = arm_prices(self.program, mu, nu)
        shares = shares_at(self.program, self.enveloper(z), region, z, price)
        planes = planes_at(self.program, region, z)
        return Leaf(mu, nu, planes=planes, centres=z, shares=shares)

    def around_best(self, region: Region) -> tuple[Leaf, float] | None:
        """Squares around the best plan at its own prices; None where those are not known."""
        if self.best is None or self.prices is None or self.links is None:
            return None
        z = self.program.adstocked(self.best)
        leaf = self.squares(region, z, self.prices, self.links)
        return leaf, self.bounder.bound(leaf, region, self.cutoff())


def ascend(search: Ascent, box: ProgramBox, u: Array) -> None:
    program = search.program
    plan = u
    if program.discrete:
        near = repair(program, snapped(program, u))
        plan = u if near is None else near
    for _ in range(4):
        before = search.value
        plan, _, _ = search.climb(box, plan)
        if search.value <= before * (1.0 + 1e-9) or not bent(search, box):
            return


def box_of(region: Region) -> ProgramBox:
    return ProgramBox(region.u_lower, region.u_upper, region.z_lower, region.z_upper)


def bent(search: Ascent, box: ProgramBox) -> bool:
    bend = np.where(np.isfinite(search.base.bend), search.base.bend, 0.0)[:, None]
    return bool(np.any((bend > box.z_lower) & (box.z_upper > box.z_lower)))
