"""A monthly table in the layout of The Market Lens: read, or simulated in the same shape.

The layout is one row a month: ``Month_Year``, ``gmv`` (the outcome), ``Total Investment``, one
column a channel, empty where nothing was spent. Its own table is not in this repository; what is
(``monthly.csv``) is *simulated* here, with two of its traits: few months, and two channels that are
bought together. Its defects (copied months, an outcome that is no total) are not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SEVEN", "SIMULATED", "Table", "media", "read_table", "simulate_monthly"]

Floats = NDArray[np.float64]

#: The channels that all three approaches plan for; radio and other were bought in four months.
SEVEN = (
    "TV",
    "Digital",
    "Sponsorship",
    "Content Marketing",
    "Online marketing",
    "Affiliates",
    "SEM",
)
_RARE = ("Radio", "Other")

#: What is true of the simulated table: usual spend, the most that each channel can bring a month,
#: spend (in usual months) at which 63 % of it is reached, carryover.
SIMULATED: Mapping[str, tuple[float, float, float, float]] = {
    "TV": (4.3, 260.0, 1.4, 0.5),
    "Digital": (3.0, 70.0, 0.8, 0.2),
    "Sponsorship": (31.0, 300.0, 0.7, 0.4),
    "Content Marketing": (0.8, 90.0, 1.8, 0.3),
    "Online marketing": (17.5, 420.0, 0.9, 0.2),
    "Affiliates": (5.5, 120.0, 1.2, 0.2),
    "SEM": (7.2, 80.0, 0.5, 0.1),
    "Radio": (2.0, 20.0, 1.0, 0.2),
    "Other": (12.0, 60.0, 1.0, 0.2),
}
_BASE, _TREND, _NOISE = 1500.0, 8.0, 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """T months: outcome (T,), spend of the seven channels (T, 7), money of all channels (T,).

    ``called`` is the outcome's name in a history for the service. It is not ``gmv``: that would be
    taken for money in the unit of the spend, of which a return of about one is believed beforehand;
    but their units differ.
    """

    months: tuple[str, ...]
    outcome: Floats
    spend: Floats
    total: Floats
    called: str = "outcome"

    @property
    def budgets(self) -> Floats:
        """(T,) what the seven spent together."""
        return np.asarray(self.spend.sum(axis=1))

    def csv(self) -> bytes:
        """The same as a history for the service: date, outcome, seven channels."""
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(["date", self.called, *SEVEN])
        for month, y, x in zip(self.months, self.outcome, self.spend, strict=True):
            lines.writerow([f"{month}-01", float(y), *x.tolist()])
        return out.getvalue().encode()


def read_table(text: str, first: str = "", last: str = "") -> Table:
    """The rows of a table from month ``first`` to ``last`` (``2023-07``), both included.

    Raises
    ------
    ValueError
        A column that is not there, or no row in the range.
    """
    rows = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))]
    wanted = ("Month_Year", "gmv", "Total Investment", *SEVEN)
    missing = [name for name in wanted if not rows or name not in rows[0]]
    if missing:
        raise ValueError(f"the table has no column {', '.join(missing)}")
    rows = [
        row for row in rows if first <= row["Month_Year"] and row["Month_Year"] <= (last or "~")
    ]
    if not rows:
        raise ValueError("the table has no month in that range")
    number = [[float(row[name] or 0.0) for name in wanted[1:]] for row in rows]
    values = np.array(number)
    months = tuple(row["Month_Year"] for row in rows)
    return Table(months, values[:, 0], values[:, 2:], values[:, 1])


def media(spend: Mapping[str, Floats]) -> Floats:
    """(T,) what is true of the simulated table: outcome of ``spend`` (T,) by channel.

    alpha (1 - exp(-adstocked spend / scale)), with normalised geometric carryover; every channel
    spent its usual amount in all months before the first.
    """
    brings: Floats = np.zeros(len(next(iter(spend.values()))))
    for name, x in spend.items():
        usual, most, scale, decay = SIMULATED[name]
        level = usual if name not in _RARE else 0.0
        for t, money in enumerate(x):
            level = (1.0 - decay) * float(money) + decay * level
            brings[t] -= most * np.expm1(-level / (scale * usual))
    return brings


def simulate_monthly(months: int = 15, seed: int = 11) -> str:
    """The simulated table as CSV, from May 2023 on."""
    rng = np.random.default_rng(seed)
    wander = rng.lognormal(0.0, 0.45, months)
    spend: dict[str, Floats] = {}
    for name, (usual, *_) in SIMULATED.items():
        own = rng.lognormal(0.0, 0.05 if name == "Affiliates" else 0.35, months)
        level = spend["Online marketing"] / 17.5 if name == "Affiliates" else wander
        bought = np.ones(months) if name not in _RARE else rng.permutation(months) < 4
        spend[name] = np.round(usual * level * own * bought, 3)
    trend = _BASE + _TREND * np.arange(months)
    outcome = trend + media(spend) + rng.normal(0.0, _NOISE, months)
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["Month_Year", "gmv", "Total Investment", *spend])
    for t in range(months):
        year, month = divmod(4 + t, 12)
        amounts = [float(x[t]) for x in spend.values()]
        cells: list[Any] = [x if x > 0.0 else "" for x in amounts]
        total = round(sum(amounts), 3)
        lines.writerow(
            [f"{2023 + year}-{month + 1:02d}", round(float(outcome[t]), 2), total, *cells]
        )
    return out.getvalue()
