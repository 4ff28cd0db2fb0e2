"""What a solver hands over so that others can check its claim without trusting it.

A proof is a tree over the box of all allowed spends. Every region of the box ends in a ``Leaf`` or
in the outside of a ``Cut``, each with a price of money (the budget's Lagrange multiplier). For any
price ``p`` (not negative where the budget is only a cap) weak duality gives, for every plan in a
region,

    outcome <= p * budget + sum over channels of max over the region of (f(x) - p * x).

Nobody has to believe the boxes: a checker starts from the problem's own bounds and derives the box
of every node from the path to it, so that the leaves cover everything by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cut", "Leaf", "Node", "Proof", "Split"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """The region ends here; its bound follows from ``price``."""

    price: float


@dataclass(frozen=True, slots=True)
class Split:
    """The region is the union of ``spend[channel] <= at`` (``below``) and ``>= at`` (``above``)."""

    channel: int
    at: float
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


Node = Leaf | Split | Cut


@dataclass(frozen=True, slots=True)
class Proof:
    """Nodes of the tree; number 0 is the root, children have larger numbers than their parents."""

    nodes: tuple[Node, ...]
