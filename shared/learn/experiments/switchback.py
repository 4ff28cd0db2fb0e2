"""Tests on one market that switch between on and off by coin flips (switchback).

With effects that last m periods longer, each stretch's coin is flipped anew at periods 1, 2m+1,
3m+1, ... (n-2)m+1 of n m, the best design against the worst outcomes (I. Bojinov, D. Simchi-Levi,
J. Zhao, Management Science 69, 2023), and the lift is their estimate of Horvitz and Thompson's kind
over the periods whose last m + 1 were all on or all off.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["chances", "estimate", "flips", "variance", "weights"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def flips(periods: int, lasting: int) -> list[int]:
    """Periods (from 1) at which a coin is flipped; ``lasting`` m, of at least 4 m periods.

    >>> flips(12, 2), flips(8, 1)
    ([1, 5, 7, 9], [1, 3, 4, 5, 6, 7])
    """
    m = max(lasting, 1)
    n = periods // m
    return [1, *(k * m + 1 for k in range(2, n - 1))]


def chances(at: list[int], periods: int, lasting: int) -> tuple[Floats, list[int]]:
    """(R,) chance that each counted period's last m + 1 are all on, and the rows (from 0)."""
    stretch = np.searchsorted(np.array(at), np.arange(1, periods + 1), side="right") - 1
    rows = list(range(lasting, periods))
    each = [0.5 ** (stretch[r] - stretch[r - lasting] + 1) for r in rows]
    return np.array(each), rows


def weights(on: NDArray[np.bool_], at: list[int], lasting: int) -> Floats:
    """(T,) weights of the outcomes in the estimate, for the switches ``on`` (T,)."""
    chance, rows = chances(at, len(on), lasting)
    out = np.zeros(len(on))
    for p, r in zip(chance, rows, strict=True):
        window = on[r - lasting : r + 1]
        out[r] = (float(window.all()) - float(not window.any())) / p / len(rows)
    return out


def estimate(outcome: Floats, on: NDArray[np.bool_], at: list[int], lasting: int) -> float:
    """The lift of a period that is on, and so were those before it, over one that is off."""
    return float(weights(on, at, lasting) @ outcome)


def variance(outcome: Floats, at: list[int], lasting: int) -> float:
    """Of the estimate over all coins, where the switch changes nothing: by enumeration.

    The outcomes are taken less nothing: a level that is known is to be taken off beforehand.
    """
    periods = len(outcome)
    stretch = np.searchsorted(np.array(at), np.arange(1, periods + 1), side="right") - 1
    found = [
        estimate(outcome, np.array(coins)[stretch], at, lasting)
        for coins in itertools.product((False, True), repeat=len(at))
    ]
    return float(np.mean(np.square(found)) - np.mean(found) ** 2)
