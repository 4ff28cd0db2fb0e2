"""What a search over a program's plans comes back with, and the tree it writes down on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.problem.program_proof import ProgramLeaf, ProgramNode, ProgramProof

__all__ = ["Found", "Tree"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best plan (None: none was found), its row prices (m,), and what shows how good it is.

    ``bound`` is what the search believes no plan exceeds; the proof is what counts.
    """

    u: Array | None
    prices: Array
    proof: ProgramProof
    nodes: int
    iterations: int
    bound: float
    finished: bool


@dataclass(slots=True)
class Tree:
    """Nodes of a proof while it grows; number 0 is the root."""

    nodes: list[ProgramNode] = field(default_factory=list)

    def leaf(self, mu: Array, nu: Array) -> int:
        """A new leaf; its number."""
        self.nodes.append(ProgramLeaf(mu, nu))
        return len(self.nodes) - 1

    def set(self, slot: int, node: ProgramNode) -> None:
        """Put another node in a leaf's place."""
        self.nodes[slot] = node

    def proof(self) -> ProgramProof:
        """What has been written down."""
        return ProgramProof(tuple(self.nodes))
