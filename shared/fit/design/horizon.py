"""How far ahead a fit is asked to forecast when it is checked: nothing it uses may be fresher."""

from __future__ import annotations

from shared.fit.design.calendar import first_season

__all__ = ["horizon_of"]

_HORIZON = {"day": 91, "week": 13, "month": 6}


def horizon_of(rows: int, frequency: str) -> int:
    """Length of a fold in periods: a quarter, but never more than a fifth of the rows.

    About a year of rows is just enough to know its seasons. What is held back for two folds is then
    less, down to a tenth of the rows each, so that what remains knows them too: else another model
    than the one to be judged would be.

    >>> horizon_of(104, "week"), horizon_of(30, "week"), horizon_of(365, "day")
    (13, 6, 54)
    """
    usual = min(_HORIZON[frequency], rows // 5)
    spare = (rows - first_season(frequency)) // 2
    if 0 <= spare < usual:
        usual = max(spare, rows // 10)
    return max(1, usual)
