"""What every search shares: result, incumbent, proof as it grows, and the best-first loop."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.incumbent import allowed
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Node, Proof, Split, SplitActive
from shared.problem.risk_program import missed

__all__ = [
    "MISS",
    "Incumbent",
    "Solution",
    "Solver",
    "Tree",
    "Unmet",
    "best_first",
    "nearest_that_meets",
    "seconds_per_node",
]

Array = NDArray[np.float64]
MISS = 1e-9
"""Relative, of a target: what rounding may leave."""
_RESPONSES = 3.0  # as many as bounding half a leaf roughly costs


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A plan with what is needed to check, price and explain it: what every solver answers.

    Attributes
    ----------
    u
        (A, K) decisions; None where a search found none.
    prices
        (m,) objective gained by one more unit on the row's binding side: positive where its upper
        side binds, negative where its lower does, 0 elsewhere; choices kept as they are.
    proof
        For :func:`shared.solve.certify.certificate.certify`.
    nodes, iterations
        Regions looked at, and steps of relaxations (or evaluations of a heuristic).
    finished
        Whether the search ended by itself, at the gap asked for.
    thetas
        What the objective gains when each target is relaxed by one outcome.
    weights
        (S,) of the draws, as a measure of risk weighs them at the plan.
    method, why
        What was run and the reason, a sentence.
    """

    u: Array | None
    prices: Array
    proof: Proof
    nodes: int
    iterations: int
    finished: bool
    thetas: tuple[float, ...] = ()
    weights: Array | None = None
    method: str = ""
    why: str = ""

    @property
    def spend(self) -> Array:
        """(A,) the only decision of each arm."""
        return self.plan[:, 0]

    @property
    def plan(self) -> Array:
        """(A, K) decisions of a search that found some."""
        assert self.u is not None
        return self.u


Solver = Callable[[Program, SolverOptions, Array | None], Solution]
"""Solves a program from a plan (A, K) known already, or from none."""


class Unmet(Exception):
    """No plan that meets the targets was found; ``exhausted``: there is none."""

    def __init__(self, *, exhausted: bool) -> None:
        super().__init__("No plan that meets the targets was found.")
        self.exhausted = exhausted


class _Searching(Protocol):
    """What a search says of its state between nodes."""

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""

    def late(self) -> bool:
        """Whether there is no time for one more region."""


Region = TypeVar("Region")


def best_first(
    search: _Searching,
    first: Region | None,
    split: Callable[[Region], Sequence[Region] | None],
    bound_of: Callable[[Region], float],
    node_limit: int = 100_000,
) -> tuple[float | None, int]:
    """Split the region that promises most until none is worth a look, or time or nodes run out.

    ``split`` answers the parts that are left of a region, None where it cannot be split further.
    The answer is the bound of the best region that is left open (None: there is none), and nodes in
    all.
    """
    heap: list[tuple[float, int, Region]] = []
    if first is not None:
        heapq.heappush(heap, (-bound_of(first), 0, first))
    nodes = 1
    while heap and not search.late() and nodes < node_limit:
        bound, _, node = heapq.heappop(heap)
        children = None if -bound <= search.cutoff() else split(node)
        if children is None:
            heapq.heappush(heap, (bound, -1, node))
            break
        for child in children:
            nodes += 1
            heapq.heappush(heap, (-bound_of(child), nodes, child))
    return (-heap[0][0] if heap else None), nodes


@dataclass(slots=True)
class Tree:
    """Nodes of a proof while it grows; number 0 is the root."""

    nodes: list[Node]

    def set(self, slot: int, node: Node) -> None:
        """Put another node in a leaf's place."""
        self.nodes[slot] = node

    def split(self, slot: int, how: Split) -> tuple[int, int]:
        """Split a leaf; the places of both sides, which keep what proved the whole until they are
        bounded themselves (first "off" and "below")."""
        first = len(self.nodes)
        second = first + 1
        self.nodes += [self.nodes[slot]] * 2
        if isinstance(how, SplitActive):
            self.nodes[slot] = replace(how, off=first, on=second)
        else:
            self.nodes[slot] = replace(how, below=first, above=second)
        return first, second

    def proof(self) -> Proof:
        """What has been written down."""
        return Proof(tuple(self.nodes))


@dataclass(slots=True)
class Incumbent:
    """What a search over a program knows: the best plan, prices around it, the proof as it grows.

    ``prices`` (m,) and ``thetas`` are multipliers of rows and targets at the plan; ``tried`` marks
    starts that need not be tried again. ``slowest`` and ``per_node`` are work that the next region
    and the recheck of each node may take.
    """

    program: Program
    gap: float
    deadline: float
    tree: Tree = field(init=False)
    best: Array | None = None
    value: float = -np.inf
    prices: Array | None = None
    thetas: tuple[float, ...] = ()
    iterations: int = 0
    tried: set[bytes] = field(default_factory=set)
    slowest: float = 0.0
    per_node: float = 0.0

    def __post_init__(self) -> None:
        """The proof begins with a leaf that prices nothing."""
        nothing = np.zeros(len(self.program.rows.names)), np.zeros(self.program.weight.shape)
        self.tree = Tree([Leaf(*nothing)])

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""
        return self.value + 0.5 * self.gap * abs(self.value) if np.isfinite(self.value) else -np.inf

    def late(self) -> bool:
        """Whether there is no time for one more region and for the recheck of the proof."""
        recheck = self.per_node * len(self.tree.nodes)
        return work.now() + self.slowest + recheck >= self.deadline

    def offer(
        self, u: Array, prices: Array | None = None, thetas: Sequence[float] | Array = ()
    ) -> bool:
        """Take a plan (A, K) that is better than the best, if it is allowed and meets the targets;
        prices are kept where it brings none."""
        inside = np.clip(u, self.program.lower, self.program.upper)
        value = self.program.objective(inside)
        if value <= self.value or not allowed(self.program, inside):
            return False
        if missed(self.program, inside) > MISS:
            return False
        self.best, self.value = inside, value
        if prices is not None:
            self.prices, self.thetas = prices, tuple(float(t) for t in thetas)
        return True

    def solution(self, left: float | None, nodes: int) -> Solution:
        """What was found, with ``left`` and ``nodes`` of :func:`best_first`."""
        nothing = np.zeros(len(self.program.rows.names))
        return Solution(
            u=self.best,
            prices=nothing if self.prices is None else self.prices,
            proof=self.tree.proof(),
            nodes=nodes,
            iterations=self.iterations,
            finished=bool(left is None or left <= self.cutoff()),
            thetas=self.thetas,
        )


def seconds_per_node(program: Program) -> float:
    """What each node of a proof adds to its recheck: half the nodes are splits, half are leaves."""
    draws = 1 if program.draws is None else program.draws.draws
    return _RESPONSES * work.cost(program.weight.size * draws) + 2e-9 * program.carry.size


def nearest_that_meets(meets: Callable[[Array], bool], good: Array, short: Array) -> Array | None:
    """The mix of two plans nearest to ``short`` that meets the targets, as ``good`` does.

    With concave curves it is better than ``good``; None where no other was found.
    """
    share, far = 0.5, 0.0
    for _ in range(48):
        if meets(good + (far + share) * (short - good)):
            far += share
        share *= 0.5
    return good + far * (short - good) if far > 0.0 else None
