"""Posterior draws from a long table: one row a draw and channel, kept together across channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.curves.imports.reading import Table, Trouble

__all__ = ["USUAL_DRAWS", "Draws", "read_draws"]

USUAL_DRAWS = 200
"""As many draws as a fit of ours keeps."""

_KEYS = ("chain", "draw", "sample")


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
    table: Table,
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
