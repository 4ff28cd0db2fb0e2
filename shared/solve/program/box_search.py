"""Branch and bound over boxes: programs with several decisions per arm, or several responses.

Best first over the interior point's relaxation (each response under its concave envelope). A region
is split at the adstocked spend of the response whose envelope errs most, or at a decision that is
on no lot or below its minimum. What a region's multipliers show cannot reach the best plan any more
is cut off first, piece by piece: the multipliers take the problem apart into single responses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.incumbent import allowed
from shared.problem.program import Program
from shared.problem.proof import Leaf, SplitActive, SplitArgument, SplitDecision
from shared.solve.engines.envelopes import Enveloper, ProgramBox, ProgramEnvelope, program_box
from shared.solve.program.box_branch import (
    count_choice,
    decision_split,
    middle_error,
    torn_decisions,
)
from shared.solve.program.box_cuts import cut
from shared.solve.program.box_primal import pulses, sides_of, snapped
from shared.solve.program.interior import RelaxedProgram, relax_program
from shared.solve.program.recheck_time import seconds_per_node
from shared.solve.search import MISS, Incumbent, Solution, best_first

__all__ = ["search_boxes"]

Array = NDArray[np.float64]
_CLIMB = 12
_LARGE = 20_000  # links up to which a relaxation may fall back on linear programmes


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    slot: int
    box: ProgramBox
    relaxed: RelaxedProgram
    on: frozenset[int]


@dataclass(slots=True, kw_only=True)
class _Search(Incumbent):
    enveloper: Enveloper
    whole: ProgramBox
    slowest: float = 0.0
    patient: bool = True
    per_node: float = 0.0
    raised: Program = field(init=False)

    def __post_init__(self) -> None:
        """Targets for plans lie a hair above those asked for: rounding may leave so much."""
        self.raised = self.program.raised(0.5 * MISS)

    def late(self) -> bool:
        """Whether there is no time for one more relaxation and for the recheck of the proof."""
        recheck = self.per_node * len(self.tree.nodes)
        return work.now() + self.slowest + recheck >= self.deadline

    def most_cuts(self) -> int:
        """How many cuts (two nodes of the proof each) half of the time left can recheck."""
        if self.per_node <= 0.0 or not np.isfinite(self.deadline):
            return len(self.program.names) * self.program.weight.size
        left = self.deadline - work.now() - self.per_node * len(self.tree.nodes)
        return int(max(0.25 * left / self.per_node, 0.0))

    def worth(self, relaxed: RelaxedProgram) -> float:
        """What an outcome counts for, targets included."""
        return self.program.value + float(relaxed.theta.sum())

    def relax(
        self,
        box: ProgramBox,
        gap: float,
        cutoff: float = -np.inf,
        program: Program | None = None,
        touching: Array | None = None,
    ) -> RelaxedProgram:
        began = work.now()
        found = relax_program(
            program or self.program,
            box,
            None,
            enveloper=self.enveloper,
            touching=touching,
            gap=gap,
            cutoff=cutoff,
            patient=self.patient and touching is None,
            deadline=self.deadline,
        )
        self.slowest = max(0.8 * self.slowest, work.now() - began)
        self.iterations += found.iterations
        return found

    def offer(self, u: Array, relaxed: RelaxedProgram | None) -> None:
        """Take a plan (A, K) that is better than the best, if it is allowed."""
        inside = np.clip(u, self.program.lower, self.program.upper)
        value = self.program.objective(inside)
        if value <= self.value or not allowed(self.program, inside):
            return
        if self.program.missed(inside) > MISS:
            return
        if relaxed is None:
            self.take(inside, value, None)
        else:
            self.take(inside, value, relaxed.mu, tuple(relaxed.theta.tolist()))

    def offer_sides(self, box: ProgramBox) -> None:
        """The best plan on a box that takes sides on every choice: its relaxation is the truth."""
        key = b"|".join(part.tobytes() for part in (box.z_lower, box.z_upper, box.u_upper))
        if key in self.tried or self.late():
            return
        self.tried.add(key)
        box = box.tightened(self.program)
        if box.empty:
            return
        found = self.relax(box, min(1e-9, 0.01 * self.gap), self.value, self.raised)
        if found.status != "infeasible":
            self.offer(np.clip(found.u, box.u_lower, box.u_upper), found)

    def climb(self, u: Array, steps: int = _CLIMB) -> None:
        """Uphill from a plan, each response on its side of the bend: convex parts are replaced by
        their tangents, again and again (the convex-concave procedure: Yuille and Rangarajan,
        Neural Computation 15, 2003), so that targets are kept on the way."""
        program = self.program
        worth, rise = -np.inf, np.inf
        for _ in range(steps):
            key = np.round(u / max(program.scale, 1e-300), 4).tobytes()
            if key in self.tried or program.discrete or self.late():
                return
            self.tried.add(key)
            box = sides_of(program, self.enveloper, self.whole, u).tightened(program)
            if box.empty:
                return
            at = program.adstocked(u)
            found = self.relax(box, 1e-7, program=self.raised, touching=at)
            if found.status not in ("optimal", "cut off"):
                return
            u = np.clip(found.u, box.u_lower, box.u_upper)
            self.offer(u, found)
            rise, worth = found.value - worth, found.value
            if rise <= 1e-7 * abs(worth) or worth + 4.0 * rise < self.value:
                return


def search_boxes(
    program: Program,
    *,
    gap: float,
    deadline: float,
    starts: tuple[Array, ...] = (),
    proposals: tuple[Array, ...] = (),
    node_limit: int = 100_000,
) -> Solution:
    """Solve a program without interactions to a relative ``gap``, or until ``deadline``.

    Parameters
    ----------
    deadline
        Of ``work.now``.
    starts
        Feasible plans (A, K): the answer is never worse than any of them.
    proposals
        Plans that need not be feasible: the best on the same sides is looked for.
    """
    search = _Search(
        program, gap, deadline, enveloper=Enveloper(program), whole=program_box(program)
    )
    search.per_node = seconds_per_node(program)
    search.patient = program.carry.size <= _LARGE and len(program.rows.names) <= 100
    for start in starts:
        search.offer(start, None)
    zero = np.zeros(len(program.rows.names))
    search.tree.leaf(zero, np.zeros(program.weight.shape))
    first = _solve(search, 0, search.whole, None, frozenset(), root=True)
    if first is not None:
        for plan in (*starts, *proposals):
            search.offer_sides(sides_of(program, search.enveloper, search.whole, plan))
            search.climb(plan)
        if program.floors:
            _reach(search, first.relaxed)
    left, nodes = best_first(
        search,
        first,
        lambda node: _split(search, node),
        lambda node: node.relaxed.bound,
        node_limit,
    )
    return search.solution(left, nodes, zero)


def _reach(search: _Search, root: RelaxedProgram) -> None:
    """Start from the best plans where targets have a price: what misses them is dear, or all."""
    program = search.program
    tasks = []
    for i, floor in enumerate(program.floors):
        theta = np.zeros(len(program.floors))
        tasks.append(replace(program, value=1.0, cost=floor.per_money, floors=()))
        for price in (root.theta[i], 4.0 * root.theta[i], 4.0 * program.value, program.value):
            theta[i] = price
            tasks.append(program.lifted(theta)[0])

    def near() -> bool:
        return search.best is not None and root.bound - search.value <= 0.05 * abs(search.value)

    for plan in () if near() else pulses(program):
        search.climb(plan)
    for task in tasks:
        if near():
            return
        now = work.now()
        share = now + 0.1 * (search.deadline - now)
        found = search_boxes(task, gap=1e-2, deadline=share)
        search.iterations += found.iterations
        if found.u is not None:
            search.offer(found.u, None)
            search.climb(found.u)


def _solve(
    search: _Search,
    slot: int,
    box: ProgramBox,
    start: RelaxedProgram | None,
    on: frozenset[int],
    *,
    root: bool = False,
) -> _Open | None:
    """Relax, look for plans, cut; the proof's ``slot`` is filled. None where nothing is left."""
    relaxed = start
    for _ in range(4 if root else 2):
        box = box.tightened(search.program)
        if box.empty or (search.late() and relaxed is not None):
            break
        exact = 1e-9 if root else max(1e-9, 0.1 * search.gap)
        found = search.relax(box, exact, search.cutoff())
        if found.status == "infeasible":
            _hopeless(search, slot, found, relaxed)
            return None
        if relaxed is None or found.bound <= relaxed.bound:
            search.tree.set(slot, Leaf(found.mu, found.nu, tuple(found.theta.tolist())))
            relaxed = found
        else:  # stopped early: the plan is this box's, the bound is the one before
            kept = {name: getattr(relaxed, name) for name in ("mu", "nu", "theta", "bound")}
            relaxed = replace(found, **kept)
        if relaxed.bound <= search.cutoff():
            return None
        envelope = search.enveloper.envelope(box)
        _look(search, envelope, relaxed, root=root)
        if relaxed.bound <= search.cutoff():
            return None
        smaller, slot = cut(
            search.tree,
            search.enveloper,
            slot,
            box,
            relaxed,
            search.cutoff(),
            search.worth(relaxed),
            allowed=search.most_cuts(),
            root=root,
        )
        if smaller is box:
            break
        box = smaller
        if not _narrower(search, envelope, relaxed, box):
            break
    if box.empty or relaxed is None:
        return None
    return _Open(slot, box, relaxed, on)


def _narrower(
    search: _Search, envelope: ProgramEnvelope, relaxed: RelaxedProgram, box: ProgramBox
) -> bool:
    """Whether a box that was cut down is worth another relaxation.

    Where its envelopes reach as high at the plan as those before, that plan is its best as well.
    """
    program = search.program
    part = box.tightened(program)
    hair = 1e-9 * max(program.scale, 1e-300)
    z = np.clip(relaxed.z, envelope.box.z_lower, envelope.box.z_upper)
    inside = np.all((z >= part.z_lower - hair) & (z <= part.z_upper + hair))
    if part.empty or not inside:
        return True
    now = search.enveloper.envelope(part).at(np.clip(z, part.z_lower, part.z_upper))
    fall = search.worth(relaxed) * float((envelope.at(z) - now).sum())
    return fall > 0.05 * max(relaxed.bound - search.cutoff(), 0.0)


def _hopeless(
    search: _Search, slot: int, found: RelaxedProgram, before: RelaxedProgram | None
) -> None:
    """A region without plans: its multipliers, so large that the bound is below the best plan."""
    size = max(abs(search.value) if np.isfinite(search.value) else 0.0, 1.0)
    fall = abs(found.bound) if np.isfinite(found.bound) and found.bound < 0.0 else 1.0
    scale = max(1.0, 10.0 * size / max(fall, 1e-300)) if fall < size else 1.0
    mu, theta = scale * found.mu, scale * found.theta
    nu = scale * search.worth(found) * found.nu
    if before is not None:
        mu, theta = mu + before.mu, theta + before.theta
        nu = nu + search.worth(before) * before.nu
    whole = search.program.value + float(theta.sum())
    nu = nu / whole if whole > 0.0 else nu
    search.tree.set(slot, Leaf(mu, nu, tuple(theta.tolist())))


def _look(
    search: _Search,
    envelope: ProgramEnvelope,
    relaxed: RelaxedProgram,
    *,
    root: bool,
) -> None:
    program, whole = search.program, search.whole
    search.offer(relaxed.u, relaxed)
    if program.discrete:
        near = snapped(program, relaxed.u)
        search.offer(near, relaxed)
        search.offer_sides(sides_of(program, search.enveloper, whole, near))
        return
    for share in (0.5, 0.2, 0.8) if root else (0.5,):
        if relaxed.bound <= search.cutoff():
            return
        search.offer_sides(
            sides_of(program, search.enveloper, whole, relaxed.u, envelope=envelope, share=share)
        )
    search.climb(relaxed.u)
    if search.best is not None and root:
        for _ in range(5):
            before = search.value
            search.offer_sides(sides_of(program, search.enveloper, whole, search.best))
            if search.value <= before * (1.0 + 1e-9):
                break


def _split(search: _Search, node: _Open) -> list[_Open] | None:
    """Two children; None where there is nothing to split."""
    program, box, relaxed = search.program, node.box, node.relaxed
    envelope = search.enveloper.envelope(box)
    z = np.clip(relaxed.z, box.z_lower, box.z_upper)
    value = search.worth(relaxed)
    excess = value * (envelope.at(z) - program.response(z))
    excess = np.where(box.z_upper - box.z_lower > 1e-9 * np.maximum(z, 1e-300), excess, 0.0)
    torn, at_u = torn_decisions(program, box, relaxed, value)
    small = 1e-3 * search.gap * max(abs(search.value), 1e-300) / excess.size
    small = small if np.isfinite(small) else 0.0
    leaf = search.tree.nodes[node.slot]
    first = len(search.tree.nodes)
    kids: list[tuple[ProgramBox, frozenset[int]]]
    count = count_choice(program, relaxed, node.on)
    if count is not None:
        off = box
        for k in range(program.columns):
            off = off.with_decision(count, k, upper=0.0)
        kids = [(off, node.on), (box, node.on | {count})]
        split: SplitActive | SplitDecision | SplitArgument = SplitActive(count, first, first + 1)
    elif torn.max(initial=0.0) > max(0.0, float(excess.max(initial=0.0))):
        a, k = (int(i) for i in np.unravel_index(int(np.argmax(torn)), torn.shape))
        at = float(at_u[a, k])
        split, parts = decision_split(program, box, a, k, at, first)
        kids = [(part, node.on) for part in parts]
    elif (
        excess.max(initial=0.0) <= small
        and (excess := middle_error(program, envelope, value)).max() <= small
    ):
        return None
    elif program.columns == 1:
        a = int(np.argmax(excess.sum(axis=1)))
        low, high = float(box.u_lower[a, 0]), float(box.u_upper[a, 0])
        margin = 0.1 * (high - low)
        at = float(np.clip(relaxed.u[a, 0], low + margin, high - margin))
        split, parts = decision_split(program, box, a, 0, at, first)
        kids = [(part, node.on) for part in parts]
    else:
        a, h = (int(i) for i in np.unravel_index(int(np.argmax(excess)), excess.shape))
        start = float(box.z_lower[a, h])
        stop = float(min(start + envelope.length[:-1, a, h].sum(), box.z_upper[a, h]))
        margin = 0.1 * (stop - start)
        if not start < stop:
            return None
        at = float(np.clip(z[a, h], start + margin, stop - margin))
        split = SplitArgument(a, h, at, first, first + 1)
        kids = [
            (box.with_argument(a, h, upper=at), node.on),
            (box.with_argument(a, h, lower=at), node.on),
        ]
    search.tree.nodes += [leaf, leaf]
    search.tree.set(node.slot, split)
    out = []
    for slot, (part, on) in zip((first, first + 1), kids, strict=True):
        child = _solve(search, slot, part, relaxed, on)
        if child is not None:
            out.append(child)
    return out
