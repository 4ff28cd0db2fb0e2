"""What every import reads: tables in text, facts beside an export, and faults with their place.

Posterior draws come in a long table, one row a draw and channel, and are kept together across
channels.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.errors import Fault, InvalidInput

__all__ = [
    "USUAL_DRAWS",
    "Csv",
    "Draws",
    "Facts",
    "Trouble",
    "facts_of",
    "number_of",
    "read_draws",
    "read_table",
]

_MOST_FAULTS = 50
_MOST_ROWS = 500_000

USUAL_DRAWS = 200
"""As many draws as a fit of ours keeps."""

_KEYS = ("chain", "draw", "sample")


@dataclass(slots=True)
class Trouble:
    """Every fault found so far; an import is refused with all of them."""

    faults: list[Fault] = field(default_factory=list)

    def add(self, pointer: str, code: str, message: str) -> None:
        """Note a fault; beyond the first fifty nobody reads on."""
        if len(self.faults) <= _MOST_FAULTS:
            self.faults.append(Fault(pointer, code, message))

    def missing(self, pointer: str, message: str) -> None:
        """Note that something must be given."""
        self.add(pointer, "required", message)

    def stop(self) -> None:
        """Raise what was noted, if anything was."""
        if self.faults:
            raise InvalidInput(dict.fromkeys(self.faults))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a caller says of one channel beside the export; ``pointer`` is where.

    ``spend_per_unit`` is money per unit of what the tool's curve takes (1 where it takes money),
    ``scale`` is what the tool divides those units by, ``inflexion`` is Robyn's.
    """

    channel: str
    pointer: str
    current_spend: float | None = None
    observed_max: float | None = None
    spend_per_unit: float | None = None
    scale: float | None = None
    inflexion: float | None = None


def facts_of(asked: Mapping[str, Any], trouble: Trouble) -> dict[str, Facts]:
    """The request's ``channels`` by name; a name given twice is a fault."""
    found: dict[str, Facts] = {}
    for i, entry in enumerate(asked.get("channels") or ()):
        given = {key: value for key, value in entry.items() if value is not None}
        facts = Facts(pointer=f"/channels/{i}", **given)
        if facts.channel in found:
            text = f"The channel {facts.channel!r} is given twice."
            trouble.add(f"/channels/{i}/channel", "duplicate", text)
        found[facts.channel] = facts
    return found


@dataclass(frozen=True, slots=True)
class Csv:
    """A CSV: its columns, and its rows as they stand, the header being row 1."""

    pointer: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """All cells of a column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def numbers(self, name: str, trouble: Trouble) -> list[float]:
        """A column as finite numbers; a fault (and NaN in its place) for every other cell."""
        out: list[float] = []
        for i, cell in enumerate(self.column(name)):
            value = number_of(cell)
            if value is None:
                text = f"Row {i + 2}, column {name}: {cell[:40]!r} is no finite number."
                trouble.add(f"{self.pointer}/rows/{i + 2}/{name}", "not_a_number", text)
            out.append(math.nan if value is None else value)
        return out

    def first_of(self, names: Iterable[str]) -> str | None:
        """The first of ``names`` that is a column."""
        return next((name for name in names if name in self.columns), None)


def number_of(cell: Any) -> float | None:
    """A finite number, or None. Unlike a history's cells these were written by a program."""
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        return None
    try:
        value = float(cell)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def read_table(
    asked: Mapping[str, Any], key: str, needed: Sequence[str], trouble: Trouble
) -> Csv | None:
    """The CSV under ``key``, with at least the columns ``needed``; None and faults otherwise."""
    pointer = f"/{key}"
    try:
        lines = list(csv.reader(io.StringIO(asked[key].lstrip("\ufeff")), strict=True))
    except csv.Error as error:
        trouble.add(pointer, "malformed_csv", f"{key} is no CSV: {error}.")
        return None
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        trouble.add(pointer, "no_rows", f"{key} has no rows below its header.")
        return None
    if len(lines) > _MOST_ROWS:
        trouble.add(pointer, "too_many_rows", f"{key} has more than {_MOST_ROWS:,} rows.")
        return None
    columns = tuple(name.strip() for name in lines[0])
    # R writes the row's number under a column without a name.
    doubled = {name for name in columns if name and columns.count(name) > 1}
    for name in sorted(doubled):
        trouble.add(pointer, "duplicate_column", f"{key} has the column {name!r} twice.")
    for name in needed:
        if name not in columns:
            known = ", ".join(c for c in columns if c)[:300]
            text = f"{key} has no column {name!r}; it has {known}."
            trouble.add(f"{pointer}/columns/{name}", "missing_column", text)
    for i, line in enumerate(lines[1:]):
        if len(line) != len(columns):
            text = f"Row {i + 2} has {len(line)} cells; the header has {len(columns)}."
            trouble.add(f"{pointer}/rows/{i + 2}", "ragged_row", text)
    if trouble.faults:
        return None
    return Csv(pointer, columns, tuple(tuple(c.strip() for c in line) for line in lines[1:]))


@dataclass(frozen=True, slots=True)
class Draws:
    """Parameters by channel: ``values[channel][parameter]`` are as many numbers as draws.

    Without draws in the table there is one number each, and ``drawn`` is false.
    """

    values: Mapping[str, Mapping[str, Sequence[float]]]
    drawn: bool

    @property
    def count(self) -> int:
        return next((len(next(iter(v.values()))) for v in self.values.values()), 0)


def read_draws(
    table: Csv,
    channel_columns: Sequence[str],
    parameters: Mapping[str, str],
    most: int,
    trouble: Trouble,
) -> Draws | None:
    """Collect ``parameters`` (ours -> column) by channel, at most ``most`` draws.

    Draws are thinned evenly, the same ones of every channel, so that they stay joint.

    Parameters
    ----------
    channel_columns
        Columns that together name a channel (``geo`` and ``channel``), joined by ``|``.
    """
    keys = [name for name in _KEYS if name in table.columns]
    numbers = {ours: table.numbers(column, trouble) for ours, column in parameters.items()}
    names = [table.column(column) for column in channel_columns]
    marks = [table.column(key) for key in keys]
    if trouble.faults:
        return None
    rows: dict[str, dict[tuple[str, ...], int]] = {}
    for i in range(len(table.rows)):
        channel = "|".join(column[i] for column in names)
        mark = tuple(column[i] for column in marks)
        if not channel.strip("|"):
            text = f"Row {i + 2} names no channel."
            trouble.add(f"{table.pointer}/rows/{i + 2}/{channel_columns[-1]}", "required", text)
        elif mark in rows.setdefault(channel, {}):
            text = (
                f"Row {i + 2}: {channel} has this draw twice."
                if keys
                else (f"Row {i + 2}: {channel} has two rows and there is no column for the draw.")
            )
            trouble.add(f"{table.pointer}/rows/{i + 2}", "duplicate", text)
        rows[channel][mark] = i
    order = list(next(iter(rows.values()), {}))
    for channel, found in rows.items():
        if found.keys() != set(order):
            text = f"{channel} has other draws than {next(iter(rows))}: they must be joint."
            trouble.add(table.pointer, "unequal_draws", text)
    if trouble.faults:
        return None
    count = min(len(order), most)
    kept = [order[(k * len(order)) // count] for k in range(count)]
    values = {
        channel: {name: [column[found[mark]] for mark in kept] for name, column in numbers.items()}
        for channel, found in rows.items()
    }
    return Draws(values, drawn=bool(keys) and len(order) > 1)
