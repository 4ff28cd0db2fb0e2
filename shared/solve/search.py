"""What every search shares: result, incumbent, proof as it grows, and the best-first loop."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.proof import Leaf, Node, Proof

__all__ = ["MISS", "Incumbent", "Solution", "Tree", "best_first"]

Array = NDArray[np.float64]


MISS = 1e-9
"""Relative, of a target: what rounding may leave."""


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
    node_limit: int,
) -> tuple[float | None, int]:
    """Split the region that promises most until none is worth a look, or time or nodes run out.

    Parameters
    ----------
    split
        The parts that are left of a region; None where it cannot be split further.

    Returns
    -------
    tuple
        The bound of the best region that is left open (None: there is none), and nodes in all.
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

    nodes: list[Node] = field(default_factory=list)

    def leaf(self, mu: Array, nu: Array, theta: Sequence[float] = ()) -> int:
        """A new leaf; its number."""
        self.nodes.append(Leaf(mu, nu, tuple(theta)))
        return len(self.nodes) - 1

    def set(self, slot: int, node: Node) -> None:
        """Put another node in a leaf's place."""
        self.nodes[slot] = node

    def proof(self) -> Proof:
        """What has been written down."""
        return Proof(tuple(self.nodes))


@dataclass(slots=True)
class Incumbent:
    """What a search over a program knows: the best plan, prices around it, the proof as it grows.

    ``prices`` (m,) and ``thetas`` are multipliers of rows and targets at the plan; ``tried`` marks
    starts that need not be tried again.
    """

    program: Program
    gap: float
    deadline: float
    tree: Tree = field(default_factory=Tree)
    best: Array | None = None
    value: float = -np.inf
    prices: Array | None = None
    thetas: tuple[float, ...] = ()
    iterations: int = 0
    tried: set[bytes] = field(default_factory=set)

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""
        return self.value + 0.5 * self.gap * abs(self.value) if np.isfinite(self.value) else -np.inf

    def late(self) -> bool:
        """Whether the work that is allowed is done."""
        return work.now() >= self.deadline

    def take(
        self, u: Array, value: float, prices: Array | None, thetas: tuple[float, ...] = ()
    ) -> None:
        """Make an allowed plan that is better the best; prices are kept where it brings none."""
        self.best, self.value = u, value
        if prices is not None:
            self.prices, self.thetas = prices, thetas

    def solution(self, left: float | None, nodes: int, prices: Array) -> Solution:
        """What was found, with ``left`` and ``nodes`` of :func:`best_first`; ``prices`` (m,) where
        the plan has none of its own."""
        return Solution(
            u=self.best,
            prices=prices if self.prices is None else self.prices,
            proof=self.tree.proof(),
            nodes=nodes,
            iterations=self.iterations,
            finished=bool(left is None or left <= self.cutoff()),
            thetas=self.thetas,
        )
