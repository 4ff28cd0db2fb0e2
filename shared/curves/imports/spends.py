"""What was spent: the columns of a wide table, for scales, ranges and today's spend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.imports.imported import Observed
from shared.curves.imports.reading import Table, Trouble, number_of, read_table

__all__ = ["Spends"]

Floats = NDArray[np.float64]

_QUARTER = {"day": 91, "week": 13, "month": 3}


class Spends:
    """``spend_csv``, or the rows that Robyn's export holds itself; possibly neither."""

    def __init__(self, asked: Mapping[str, Any], trouble: Trouble) -> None:
        self._quarter = _QUARTER[asked.get("frequency") or "week"]
        self._table: Table | None = None
        self._rows: list[Mapping[str, Any]] = []
        self._pointer = "/spend_csv"
        extras = (asked.get("model") or {}).get("Extras")
        if asked.get("spend_csv"):
            self._table = read_table(asked, "spend_csv", (), trouble)
        elif isinstance(extras, Mapping) and isinstance(extras.get("raw_data"), list):
            self._pointer = "/model/Extras/raw_data"
            self._rows = [row for row in extras["raw_data"] if isinstance(row, Mapping)]

    def column(self, name: str, trouble: Trouble) -> Floats | None:
        """All periods of a column, oldest first; None where there is no such column."""
        if self._table is not None and name in self._table.columns:
            values = self._table.numbers(name, trouble)
        elif self._rows and name in self._rows[0]:
            cells = [number_of(row.get(name)) for row in self._rows]
            values = [np.nan if cell is None else cell for cell in cells]
        else:
            return None
        series = np.array(values)
        if not (np.isfinite(series).all() and (series >= 0.0).all()):
            text = f"{name} has cells that are no amounts: empty, negative or no numbers."
            trouble.add(f"{self._pointer}/{name}", "not_an_amount", text)
            return None
        return series

    def observed(self, name: str, trouble: Trouble, unit: float = 1.0) -> Observed | None:
        """The column's spend per period at ``unit`` of money each; None where there is none."""
        series = self.column(name, trouble)
        if series is None:
            return None
        money = unit * series
        return Observed(
            min=float(money.min()),
            mean=float(money.mean()),
            max=float(money.max()),
            last=float(money[-self._quarter :].mean()),
        )
