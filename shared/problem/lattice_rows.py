"""Rows whose decisions all come in lots: their limits, rounded to what the lots can reach.

Where every coefficient times its lot is a whole multiple of one number g, so is the row's value
wherever the decisions are on their lots; a limit of 14,033 on lots of 250 is one of 14,000
(Chvatal, Discrete Mathematics 4, 1973). Bounds by multipliers gain exactly that.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program, Rows

__all__ = ["lattice_rows"]

Array = NDArray[np.float64]
_MISS = 1e-6  # of the money at stake: a limit missed by so little counts as met
_LARGEST = 10**9


def lattice_rows(program: Program) -> Rows:
    """The program's rows with limits rounded inwards where lots allow; the others as they are."""
    rows = program.rows
    if not np.any(program.lot > 0.0):
        return rows
    lower, upper = rows.lower.copy(), rows.upper.copy()
    per_lot = rows.matrix * np.repeat(program.lot, program.columns)
    for i, row in enumerate(per_lot):
        used = rows.matrix[i] != 0.0
        if not np.any(used) or np.any(row[used] == 0.0):
            continue
        unit = _common(np.unique(np.abs(row[used])))
        if unit is None:
            continue
        # What plans may miss a limit by is forgiven before anything is rounded.
        slack = _MISS * program.scale
        low, high = lower[i], upper[i]
        if math.isfinite(high):
            upper[i] = min(high, max(math.floor((high + slack) / unit) * unit, low))
        if math.isfinite(low):
            lower[i] = max(low, min(math.ceil((low - slack) / unit) * unit, upper[i]))
    return replace(rows, lower=lower, upper=upper)


def _common(sizes: Array) -> float | None:
    """The largest number that all sizes are whole multiples of, exactly; None if there is none."""
    parts = [Fraction(float(size)) for size in sizes]
    scale = math.lcm(*(part.denominator for part in parts))
    if scale > _LARGEST or max(parts) * scale > _LARGEST:
        return None
    return math.gcd(*(int(part * scale) for part in parts)) / scale
