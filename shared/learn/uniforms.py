"""Uniform numbers that are the same on every machine: Philox integers, keyed by what they are for.

numpy promises the integers of a bit generator, not what its samplers make of them; so samples are
taken here by inverse distribution functions, and rounded before they are stored.
Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["uniforms"]


def uniforms(purpose: str, step: int, *shape: int) -> NDArray[np.float64]:
    """Numbers strictly between 0 and 1, in the given shape, from ``purpose`` and ``step`` alone.

    >>> uniforms("a", 3, 2).tolist() == uniforms("a", 3, 4)[:2].tolist()
    True
    """
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    raw = np.random.Philox(key=np.array([word, step], dtype=np.uint64)).random_raw(
        int(np.prod(shape))
    )
    # 52 bits: with 53 the largest, plus a half, would round to 1.
    whole = np.asarray(raw, dtype=np.uint64) >> np.uint64(12)
    return np.asarray((whole + 0.5).reshape(shape) * 2.0**-52, dtype=np.float64)
