"""The proof of a bound: what a solver hands over so that others can check its claim.

A proof is a tree over all feasible plans. Every region ends in a ``Leaf`` with multipliers: ``mu``
for the rows, ``nu`` for the links from decisions to adstocked spend, ``theta`` for the targets.
Weak duality gives, for every plan of the region that meets the targets ``F >= constant + per_money
S``,

    value F - cost S <= lambda * sum over a, h of max over z of (w f(z) - nu z)
                      + sum over a, k of max over u of (lambda nu carry - kappa spread - rows' mu) u
                      + lambda * sum of nu carry_in + mu+ row_upper - mu- row_lower
                      - sum of theta constant

with ``lambda = value + sum of theta``, ``kappa = cost + sum of theta per_money``, and z and u in
the region's box. Where one decision per arm has one response, u and z are one variable, and ``nu``
is not needed. An interaction is at most any convex mix of two planes in the two levels of
saturation (McCormick, Mathematical Programming 10, 1976), which only changes the weights w; or,
around any levels p and q,

    s r <= p r + q s - p q + (t (s - p)^2 + (r - q)^2 / t) / 2,

which adds a square of the level to each arm's term, and is exact where the levels are p and q.

A count of arms that decide for more than a threshold of theirs (``Count``) has a multiplier ``q``:
what an arm earns above its threshold is lowered by ``q``, and ``q`` times the count allowed is
added.

A region may also end in ``PerArm``: with the rows priced by ``mu``, what is left is one problem for
each arm, so every arm may have a tree of its own, and the bound adds up the largest leaf of each
(Geoffrion, Mathematical Programming Study 2, 1974). It holds where neither pairs nor counts tie the
arms together. Where a region limits what an arm spends in all (``SplitSpend``), leaves may price
that.

Nobody has to believe the boxes: :mod:`shared.problem.region` derives them on the way down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ArmLeaf",
    "ArmNode",
    "Count",
    "Cut",
    "Leaf",
    "Node",
    "PerArm",
    "Proof",
    "Split",
    "SplitActive",
    "SplitArgument",
    "SplitDecision",
    "SplitSpend",
    "grafted",
    "with_targets",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """The region ends here.

    Attributes
    ----------
    mu
        (m,) price of each row: positive where its upper side binds, negative where its lower does.
        In the objective's unit per unit of the row.
    nu
        (A, H) price of adstocked spend, in outcome; None: nothing, where nothing needs it.
    theta
        One multiplier a target of the program, none negative; empty: all zero.
    count_price
        The multiplier of the region's count.
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
    nu: Array | None = None
    theta: tuple[float, ...] = ()
    count_price: float = 0.0
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
class SplitSpend:
    """The union of "the arm spends at most ``at`` in all" (``below``) and "at least" that."""

    arm: int
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
class Count:
    """At most ``most`` arms decide for more than ``at`` (A,) in ``below``, more in ``above``; of
    one decision per arm. ``inf`` leaves an arm out. A count inside another with the same thresholds
    narrows it; with others it takes its place."""

    at: Array
    most: int
    below: int
    above: int


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Decisions of some arms are narrowed to ``lower .. upper`` (c,) in ``child``; what is cut away
    is bounded by ``leaf``, one slab for each side of each arm. For programs with one decision per
    arm whose arms only rows (and a count of the region) tie together."""

    leaf: Leaf
    arms: NDArray[np.intp]
    lower: Array
    upper: Array
    child: int


@dataclass(frozen=True, slots=True, eq=False)
class ArmLeaf:
    """One arm's region ends here: ``nu`` (H,) prices its adstocked spend, in outcome, ``money`` all
    that the arm spends (positive where the region's most binds, negative where its least does)."""

    nu: Array
    money: float = 0.0


ArmNode = ArmLeaf | SplitDecision | SplitArgument


@dataclass(frozen=True, slots=True, eq=False)
class PerArm:
    """The region ends in one tree for each arm, number 0 its root; splits speak of that arm alone
    and call it 0. ``mu`` (m,) and ``theta`` as in :class:`Leaf`."""

    mu: Array
    trees: tuple[tuple[ArmNode, ...], ...]
    theta: tuple[float, ...] = ()


Split = SplitDecision | SplitArgument | SplitSpend | SplitActive | Count
Node = Leaf | PerArm | Cut | Split


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """A tree, and for a measure of risk the weights of the draws that it is of.

    Attributes
    ----------
    nodes
        Number 0 is the root, and every node has one parent.
    weights
        (S,) in the measure's set (:mod:`shared.problem.risk_program`); None: the plain mean, as for
        a quantile.
    theta
        A multiplier of each target, where the tree is of the program that these and the weights
        make; its leaves have none of their own then.
    alone
        (S, m) prices of the rows that bound each draw by itself, for a quantile.
    """

    nodes: tuple[Node, ...]
    weights: Array | None = None
    theta: tuple[float, ...] = ()
    alone: Array | None = None


def with_targets(proof: Proof, theta: tuple[float, ...], scale: Array) -> Proof:
    """The proof of a program whose objective holds targets at ``theta``, as one of the program.

    ``scale`` (A,) is by how much an outcome of each arm counts for less there than the most does.
    """

    def own(node: ArmNode, arm: int) -> ArmNode:
        return replace(node, nu=node.nu * scale[arm]) if isinstance(node, ArmLeaf) else node

    def leaf(node: Leaf) -> Leaf:
        nu = None if node.nu is None else node.nu * scale[:, None]
        return replace(node, theta=theta, nu=nu)

    def marked(node: Node) -> Node:
        if isinstance(node, Cut):
            return replace(node, leaf=leaf(node.leaf))
        if isinstance(node, Leaf):
            return leaf(node)
        if isinstance(node, PerArm):
            trees = enumerate(node.trees)
            own_trees = tuple(tuple(own(part, a) for part in tree) for a, tree in trees)
            return replace(node, theta=theta, trees=own_trees)
        return node

    return Proof(tuple(marked(node) for node in proof.nodes))


def grafted(nodes: Sequence[Node], trees: dict[int, Proof]) -> Proof:
    """A tree whose nodes at some places end in trees of their own."""
    out = list(nodes)
    for place, tree in trees.items():
        # A tree's root takes the place; its other nodes are put at the end.
        first = len(out) - 1
        moved = [_shifted(node, first) for node in tree.nodes]
        out[place] = moved[0]
        out += moved[1:]
    return Proof(tuple(out))


def _shifted(node: Node, by: int) -> Node:
    if isinstance(node, SplitActive):
        return replace(node, off=node.off + by, on=node.on + by)
    if isinstance(node, SplitDecision | SplitArgument | SplitSpend | Count):
        return replace(node, below=node.below + by, above=node.above + by)
    return replace(node, child=node.child + by) if isinstance(node, Cut) else node
