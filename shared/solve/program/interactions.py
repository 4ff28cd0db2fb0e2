"""Programs with interactions: synergy and cannibalisation between pairs of arms.

In levels of saturation the objective is linear plus products of two levels. Around a plan the
products are linearised, which only changes the weights of the responses, and the concave relaxation
does the rest; repeated with a line search on the true objective this climbs to a locally best plan.
Around that plan each product is at most a sum of squares
(:mod:`shared.solve.certify.interactions`): where
the curves bend down more than the squares bend up, one leaf proves the plan the best of all.
Otherwise regions are split at the adstocked spend whose term errs most, best first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, SplitActive, SplitArgument, SplitDecision
from shared.problem.region import Region, halves, root_region
from shared.solve.certify.bounder import Bounder
from shared.solve.program.interaction_ascent import Ascent, ascend, bent, box_of
from shared.solve.program.interaction_levels import Regions, fits
from shared.solve.program.interaction_newton import Levels
from shared.solve.program.interaction_terms import (
    whole_split,
    widest_cell,
)
from shared.solve.program.interior import RelaxedProgram
from shared.solve.program.program_box import ProgramBox
from shared.solve.program.program_envelope import Enveloper
from shared.solve.search import Solution, Tree

__all__ = ["search_interactions"]

Array = NDArray[np.float64]
Split = SplitDecision | SplitArgument | SplitActive

_NODES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    slot: int
    region: Region
    leaf: Leaf
    u: Array
    z: Array
    bound: float


def search_interactions(
    program: Program,
    options: SolverOptions,
    deadline: float,
    starts: tuple[Array, ...] = (),
) -> Solution:
    """Solve a program with interactions to ``options.gap``, or until ``deadline``.

    Parameters
    ----------
    deadline
        Of ``work.now``.
    starts
        Feasible plans (A, K): the answer is never worse than any of them.
    """
    nothing = Solution(
        None, np.zeros(len(program.rows.names)), Tree().proof(), 0, 0, np.inf, False
    )  # fmt: skip
    root = root_region(program)
    if root is None:
        return nothing
    plain = replace(program, pairs=())
    enveloper = Enveloper(plain)
    search = Ascent(
        program, plain, enveloper, Bounder(program, root, 1.0), options.gap, deadline
    )  # fmt: skip
    for start in starts:
        search.offer(start, None)
    slot = search.tree.leaf(nothing.prices, np.zeros(program.weight.shape))
    box = box_of(root)
    if fits(program):
        return _over_levels(search, root, starts)
    _first_plans(search, box, starts)
    size = abs(search.value) / program.value if np.isfinite(search.value) else 1.0
    size = max(size, 1e-300)
    # A search may leave a hundredth of the gap to rounding; the certificate does not.
    search.bounder = Bounder(program, root, size * max(1e8 * options.gap, 1.0))
    first = _solve(search, slot, root, None)
    heap: list[tuple[float, int, _Node]] = []
    if first is not None:
        heapq.heappush(heap, (-first.bound, 0, first))
    nodes, best_bound = 1, np.inf
    while heap and not search.late() and nodes < _NODES:
        best_bound = -heap[0][0]
        if best_bound <= search.cutoff():
            break
        _, _, node = heapq.heappop(heap)
        children = _split(search, node)
        if children is None:
            heapq.heappush(heap, (-node.bound, -1, node))
            break
        for child in children:
            nodes += 1
            heapq.heappush(heap, (-child.bound, nodes, child))
    bound = -heap[0][0] if heap else search.cutoff()
    return Solution(
        u=search.best,
        prices=nothing.prices if search.prices is None else search.prices,
        proof=search.tree.proof(),
        nodes=nodes,
        iterations=search.iterations,
        bound=max(bound, search.value),
        finished=not heap or bound <= search.cutoff(),
    )


def _over_levels(search: Ascent, root: Region, starts: tuple[Array, ...]) -> Solution:
    """The search for one budget; leaves are judged as the certificate will judge them."""
    program = search.program
    levels = Levels.of(program, search.base)
    regions = Regions(levels, search, search.tree, search.ask)
    low, high = root.u_lower[:, 0], root.u_upper[:, 0]
    even = levels.even(low, high)
    for plan in (*([] if even is None else [even]), *(start[:, 0] for start in starts)):
        regions.climb(plan, low, high)
    bound, nodes = regions.run(low, high, _NODES)
    return Solution(
        u=search.best,
        prices=levels.prices(0.0) if search.prices is None else search.prices,
        proof=search.tree.proof(),
        nodes=nodes,
        iterations=regions.climbs,
        bound=max(bound, search.value),
        finished=bool(bound <= search.cutoff()),
    )


def _first_plans(search: Ascent, box: ProgramBox, starts: tuple[Array, ...]) -> None:
    """Local ascents from the relaxation at low, middling and high levels, and from known plans."""
    program = search.program
    for share in (0.5, 0.0, 1.0):
        if work.now() >= search.deadline:
            return
        z = box.z_lower + share * (box.z_upper - box.z_lower)
        for _ in range(2):
            found = search.relax(box, z, 1e-6)
            if found.status == "infeasible":
                return
            z = found.z
        ascend(search, box, found.u)
        simple = share == 0.5 and not bent(search, box) and not program.discrete
        if simple and _first_is_best(search, box):
            return
    for start in starts:
        if work.now() < search.deadline:
            ascend(search, box, start)


def _first_is_best(search: Ascent, box: ProgramBox) -> bool:
    """Whether squares around the best plan already prove it: no more starts are needed then."""
    root = search.bounder.root
    if search.best is None or search.prices is None:
        return False
    z = search.program.adstocked(search.best)
    nu = search.relax(box, z, 1e-9)
    size = max(abs(search.value) / search.program.value, 1e-300)
    search.bounder = Bounder(search.program, root, size)
    _, bound = search.leaf(root, z, nu.mu, nu.nu)
    return bound <= search.cutoff()


def _solve(search: Ascent, slot: int, region: Region, parent: _Node | None) -> _Node | None:
    """Bound a region and look for plans in it; None where nothing better can be there."""
    began = work.now()
    program, box = search.program, box_of(region)
    if search.best is not None and parent is None:
        z = program.adstocked(search.best)
    elif parent is not None:
        z = np.clip(parent.z, box.z_lower, box.z_upper)
    else:
        z = 0.5 * (box.z_lower + box.z_upper)
    known = search.around_best(region)
    if known is not None and known[1] <= search.cutoff():
        search.tree.set(slot, known[0])
        return None
    node: _Node | None = None
    for _ in range(3):
        found = search.relax(box, z, max(1e-9, 0.01 * search.gap))
        if found.status == "infeasible":
            return _hopeless(search, slot, region, found, z, parent)
        moved = float(np.abs(found.z - z).max())
        centre = np.clip(found.z, box.z_lower, box.z_upper)
        leaf, bound = search.leaf(region, z, found.mu, found.nu)
        if known is not None and known[1] < bound:
            leaf, bound = known
        if node is None or bound < node.bound:
            node = _Node(slot, region, leaf, found.u, centre, bound)
        search.offer(found.u, found.mu)
        if bound <= search.cutoff() or moved <= 1e-3 * float(np.abs(z).max()):
            break
        z = centre
    assert node is not None
    search.tree.set(slot, node.leaf)
    if parent is None or program.discrete:
        ascend(search, box, node.u)
    search.slowest = max(0.8 * search.slowest, work.now() - began)
    if parent is not None and parent.bound < node.bound:
        node = replace(node, bound=parent.bound)
        search.tree.set(slot, parent.leaf)
        node = replace(node, leaf=parent.leaf)
    return None if node.bound <= search.cutoff() else node


def _hopeless(
    search: Ascent,
    slot: int,
    region: Region,
    found: RelaxedProgram,
    z: Array,
    parent: _Node | None,
) -> _Node | None:
    """A region that seems to hold no plan: multipliers so large that its bound says so."""
    for scale in (1.0, 10.0, 1e3, 1e6):
        leaf = Leaf(scale * found.mu, scale * found.nu)
        bound = search.bounder.bound(leaf, region)
        if bound <= search.cutoff():
            search.tree.set(slot, leaf)
            return None
    if parent is None:
        return None
    search.tree.set(slot, parent.leaf)
    return _Node(slot, region, parent.leaf, found.u, z, parent.bound)


def _split(search: Ascent, node: _Node) -> list[_Node] | None:
    """Both halves of a region; None where there is nothing left to split."""
    split = whole_split(search.program, node.region, node.u)
    if split is None:
        split = _term(search, node)
    if split is None:
        return None
    first = len(search.tree.nodes)
    second = first + 1
    search.tree.nodes += [node.leaf, node.leaf]
    if isinstance(split, SplitActive):
        split = replace(split, off=first, on=second)
    else:
        split = replace(split, below=first, above=second)
    search.tree.set(node.slot, split)
    out = []
    for slot, part in zip((first, second), halves(search.program, node.region, split), strict=True):
        if part is None:
            continue
        found = _solve(search, slot, part, node)
        if found is not None:
            out.append(found)
    return out


def _term(search: Ascent, node: _Node) -> Split | None:
    """A split at the adstocked spend whose term errs most."""
    region = node.region
    found = widest_cell(
        search.program, node.leaf, search.enveloper(node.z), region.z_lower, region.z_upper,
        node.z,
    )  # fmt: skip
    if found is None:
        return None
    a, h, at = found
    if search.program.columns == 1 and search.program.weight.shape[1] == 1:
        carry = float(search.program.carry[a, h, 0])
        u = (at - float(search.program.carry_in[a, h])) / carry
        return SplitDecision(a, 0, u, 0, 0)
    return SplitArgument(a, h, at, 0, 0)
