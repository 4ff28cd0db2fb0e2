"""What a solver hands over so that others can check its claim without trusting it.

A proof is a tree over the box of all allowed spends. Every region of the box ends in a ``Leaf`` or
in the outside of a ``Cut``, each with a price of money (the budget's Lagrange multiplier). For any
price ``p`` (not negative where the budget is only a cap) weak duality gives, for every plan in a
region,

    outcome <= p * budget + sum over channels of max over the region of (f(x) - p * x).

A region may also be limited in how many channels exceed a threshold of theirs. That is one more
constraint with a multiplier ``q`` of its own: what a channel earns above its threshold is lowered
by ``q``, and ``q`` times the count allowed is added (the largest count where ``q`` is positive, the
smallest where it is negative).

Nobody has to believe the boxes: a checker starts from the problem's own bounds and derives the box
of every node from the path to it, so that the leaves cover everything by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Count", "Cut", "Leaf", "Node", "Proof", "Split"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """The region ends here; its bound follows from ``price`` (and ``count_price``)."""

    price: float
    count_price: float = 0.0


@dataclass(frozen=True, slots=True)
class Split:
    """The region is the union of ``spend[channel] <= at`` (``below``) and ``>= at`` (``above``)."""

    channel: int
    at: float
    below: int
    above: int


@dataclass(frozen=True, slots=True)
class Count:
    """At most ``most`` channels exceed ``at`` (n,) in ``below``, more than that in ``above``.

    ``inf`` in ``at`` leaves a channel out of the count. A count inside another with the same
    thresholds narrows it; with others it takes its place.
    """

    at: NDArray[np.float64]
    most: int
    below: int
    above: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Spends of some channels are narrowed to ``lower .. upper`` in ``child``.

    What is cut away is bounded by ``price``, like a leaf: one slab for each side of each channel.
    """

    price: float
    channels: NDArray[np.intp]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    child: int
    count_price: float = 0.0


Node = Leaf | Split | Count | Cut


@dataclass(frozen=True, slots=True)
class Proof:
    """Nodes of the tree; number 0 is the root, children have larger numbers than their parents."""

    nodes: tuple[Node, ...]
