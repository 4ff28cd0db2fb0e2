"""What was spent per period: the range in which a curve was observed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import ObservedSpend
from shared.history.table import History

__all__ = ["observed_spend"]

Floats = NDArray[np.float64]
_LAST = {"day": 91, "week": 13, "month": 3}


def observed_spend(history: History, spend: Floats) -> ObservedSpend:
    """Of spend (T,) per period; ``last`` is the mean of the last 13 weeks (or a quarter)."""
    return ObservedSpend(
        min=float(spend.min()),
        mean=float(spend.mean()),
        max=float(spend.max()),
        last=float(spend[-_LAST[history.frequency] :].mean()),
    )
