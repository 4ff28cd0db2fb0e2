"""What a solver of a :class:`~shared.problem.program.Program` hands over so others can check it.

A proof is a tree over all feasible plans. Every region ends in a ``ProgramLeaf`` with multipliers:
``mu`` for the rows, ``nu`` for the links from decisions to adstocked spend. Whatever they are, weak
duality gives, for every plan of the region,

    objective <= value * sum over a, h of max over z of (w f(z) - nu z)
               + sum over a, k of max over u of (value nu carry - cost spread - rows' mu) u
               + value * sum of nu carry_in + mu+ row_upper - mu- row_lower

with z and u in the region's box. An interaction is at most one of two planes in the two levels of
saturation (McCormick, 1976, "Computability of global solutions to factorable nonconvex programs"),
or any convex mix of them, so it only changes the weights w; or, around any levels p and q,

    s r <= p r + q s - p q + (t (s - p)^2 + (r - q)^2 / t) / 2,

which adds a square of the level to each arm's term, and is exact where the levels are p and q.

A region may also end in a ``ProgramArms``: with the rows priced by ``mu``, what is left of the sum
above is one problem for each arm, so every arm may have a tree of its own, and the bound adds up
the largest leaf of each. A few leaves per arm then say what the product of all of them would have
to say in one tree (Geoffrion, Mathematical Programming Study 2, 1974, "Lagrangean relaxation for
integer programming"). It holds where neither pairs nor counts tie the arms together.

Nobody has to believe the boxes: ``shared.problem.region`` derives them on the way down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ArmLeaf",
    "ArmNode",
    "ProgramArms",
    "ProgramLeaf",
    "ProgramNode",
    "ProgramProof",
    "SplitActive",
    "SplitArgument",
    "SplitDecision",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ProgramLeaf:
    """The region ends here.

    Attributes
    ----------
    mu
        (m,) price of each row: positive where its upper side binds, negative where its lower does.
        In the objective's unit per unit of the row.
    nu
        (A, H) price of adstocked spend, in outcome (``value`` not multiplied in).
    planes
        (P, H) in [0, 1]: how much of the first plane each interaction's bound takes; None: halves.
        The first plane touches where the first arm's level is lowest (for a negative strength:
        both levels are lowest).
    centres
        (A, H) adstocked spends whose levels are the p and q of squares.
    shares
        (P, H) the t of each interaction's squares; planes are taken where it is 0, or it is None.
    """

    mu: Array
    nu: Array
    planes: Array | None = None
    centres: Array | None = None
    shares: Array | None = None


@dataclass(frozen=True, slots=True)
class SplitDecision:
    """The region is the union of ``u[arm, column] <= at`` (``below``) and ``>= at`` (``above``)."""

    arm: int
    column: int
    at: float
    below: int
    above: int


@dataclass(frozen=True, slots=True)
class SplitArgument:
    """The union of ``z[arm, period] <= at`` (``below``) and ``>= at`` (``above``)."""

    arm: int
    period: int
    at: float
    below: int
    above: int


@dataclass(frozen=True, slots=True)
class SplitActive:
    """The union of "the arm spends nothing at all" (``off``) and "it spends something" (``on``)."""

    arm: int
    off: int
    on: int


@dataclass(frozen=True, slots=True, eq=False)
class ArmLeaf:
    """One arm's region ends here: ``nu`` (H,) prices its adstocked spend, in outcome."""

    nu: Array


ArmNode = ArmLeaf | SplitDecision | SplitArgument


@dataclass(frozen=True, slots=True, eq=False)
class ProgramArms:
    """The region ends in one tree for each arm.

    Attributes
    ----------
    mu
        (m,) price of each row, as in :class:`ProgramLeaf`.
    trees
        One for each arm; number 0 is its root. Splits speak of that arm alone and call it 0.
    """

    mu: Array
    trees: tuple[tuple[ArmNode, ...], ...]


ProgramNode = ProgramLeaf | ProgramArms | SplitDecision | SplitArgument | SplitActive


@dataclass(frozen=True, slots=True)
class ProgramProof:
    """Nodes of the tree; number 0 is the root, and every node has one parent."""

    nodes: tuple[ProgramNode, ...]
