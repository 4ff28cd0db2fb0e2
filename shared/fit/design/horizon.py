"""How far ahead a fit is asked to forecast when it is checked: nothing it uses may be fresher."""

from __future__ import annotations

__all__ = ["horizon_of"]

_HORIZON = {"day": 91, "week": 13, "month": 6}


def horizon_of(rows: int, frequency: str) -> int:
    """Length of a fold in periods: a quarter, but never more than a fifth of the rows.

    >>> horizon_of(104, "week"), horizon_of(30, "week")
    (13, 6)
    """
    return max(1, min(_HORIZON[frequency], rows // 5))
