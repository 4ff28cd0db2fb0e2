"""Questions asked again and again are answered once; for the certificate only.

The leaves that a cut leaves behind differ from their neighbours in one arm, so what is asked about
every other arm is what was asked just before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Repeats", "packed"]

Array = NDArray[np.float64]
_WORTH = 0.7  # of the questions: where more than that are left, all are asked


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Where each question's answer is: ``first`` (A, n) places in what is asked, ``at`` (A, m) the
    questions that are."""

    first: NDArray[np.intp]
    at: NDArray[np.intp]

    def asked(self, values: Array) -> Array:
        """(A, m) of (A, n)."""
        return np.take_along_axis(values, self.at, axis=1)

    def answered(self, values: Array) -> Array:
        """(A, n) of (A, m)."""
        return np.take_along_axis(values, self.first, axis=1)


def packed(questions: tuple[Array, ...], period: int) -> Repeats | None:
    """What of (A, n) questions is to be asked, each compared with the one ``period`` places before.

    None where most are new.
    """
    arms, count = questions[0].shape
    if period <= 0 or count < 2 * period or count % period:
        return None
    new = np.zeros((arms, count), dtype=bool)
    new[:, :period] = True
    for values in questions:
        new[:, period:] |= values[:, period:] != values[:, :-period]
    sizes = new.sum(axis=1)
    largest = int(sizes.max(initial=0))
    if largest > _WORTH * count:
        return None
    places = np.where(new, np.arange(count), -1).reshape(arms, -1, period)
    last = np.maximum.accumulate(places, axis=1).reshape(arms, count)
    rank = np.cumsum(new, axis=1) - 1
    at = np.zeros((arms, largest), dtype=np.intp)
    arm, place = np.nonzero(new)
    at[arm, rank[arm, place]] = place
    return Repeats(np.take_along_axis(rank, last, axis=1), at)
