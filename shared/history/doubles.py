"""What would count twice: totals among their parts, an outcome in every row, spend as outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.history.cells import UNNAMED, Cells
from shared.history.faults import FaultLog, cell_pointer
from shared.history.names import SPEND, called_total, same, tokens
from shared.history.reading import Table
from shared.history.spec import ChannelRole, Spec
from shared.history.table import Finding

__all__ = [
    "billed",
    "never_falls",
    "refuse_repeated",
    "refuse_two_columns",
    "total_channels",
    "total_columns",
    "total_geo",
]

Floats = NDArray[np.float64]

_OFTEN = "(in four rows of five or more)"
_MOST_PARTS, _ROWS = 60, 1000  # columns and rows beyond which no total of some is looked for


def total_columns(
    spec: Spec, spend: Floats, explicit: bool, faults: FaultLog
) -> tuple[list[int], list[Finding]]:
    """Columns (T, C) that add up others: faults where the spec insists on them, else left out."""
    roles = spec.channels or ()
    totals = _find_totals(spend, [called_total(role.channel) for role in roles])
    found = []
    for c in totals:
        text = f"Column '{roles[c].spend}' is the sum of other spend columns {_OFTEN}"
        if explicit:
            faults.add(
                f"/channels/{c}/spend",
                "total_column",
                f"{text}: it is a total, not a channel. Take '{roles[c].channel}' out of the spec.",
            )
        text += " and was not used as a channel: name the channels in the spec."
        found.append(Finding("total_column", text, {"column": roles[c].spend}, "channels"))
    return totals, found


def total_channels(
    cells: Cells, spec: Spec, faults: FaultLog
) -> tuple[set[tuple[str, str]], list[Finding]]:
    """Channels ("" as campaign) and campaigns that are totals of others, and what to say of them.

    A channel that the spec insists on is a fault where it adds up the others.
    """
    said = [role.channel for role in spec.channels or ()]
    arms: dict[str, list[int]] = {}
    for m, (name, _) in enumerate(cells.arms):
        arms.setdefault(name, []).append(m)
    channels = list(arms)
    spend = np.column_stack([cells.spend[:, own].sum(axis=1) for own in arms.values()])
    named = [called_total(name) for name in channels]
    sums = _find_totals(spend, named)
    out: set[tuple[str, str]] = set()
    found = []
    for c, name in enumerate(channels):
        how = f"is the sum of other channels {_OFTEN}" if c in sums else "is called a total"
        if c in sums and name in said:
            where = f"/channels/{said.index(name)}/channel"
            text = f"Channel '{name}' {how}: take it out of the spec."
            faults.add(where, "total_channel", text)
        elif c in sums or (named[c] and not all(named) and name not in said):
            out.add((name, ""))
            text = f"Channel '{name}' {how} and was not used: name the channels in the spec."
            if spec.channels is None:
                found.append(Finding("total_channel", text, {"channel": name}, "channels"))
    for name, own in arms.items():
        below = [cells.arms[m][1] for m in own]
        maybe = [called_total(campaign) or campaign == UNNAMED for campaign in below]
        for k in _find_totals(cells.spend[:, own], maybe) if len(own) > 1 else ():
            out.add((name, below[k]))
            arm = f"{name}/{below[k]}"
            text = f"Campaign '{arm}' is the sum of others {_OFTEN} and was not used."
            found.append(Finding("total_channel", text, {"channel": arm}, "rows"))
    return out, found


def total_geo(cells: Cells) -> str | None:
    """The geo that is the sum of the others, in outcome and spend, in four periods of five.

    Raises
    ------
    InvalidInput
        One is called a total, and is none.
    """
    days, time = np.unique(cells.days, return_inverse=True)
    values = np.column_stack([cells.outcome, cells.spend])
    grid = np.zeros((len(cells.geos), len(days), values.shape[1]))
    grid[cells.geo, time] = np.nan_to_num(values)
    whole = grid.sum(axis=0)
    for g, name in enumerate(cells.geos):
        others = whole - grid[g]
        live = grid[g].any(axis=1)
        size = np.abs(grid[g]) + np.abs(others)
        close = np.all(np.abs(grid[g] - others) <= 1e-3 * size, axis=1)
        named = called_total(name)
        enough = live.sum() >= 3 and (named or len(cells.geos) > 2)
        if enough and np.mean(close[live]) >= 0.8:
            return name
        if named:
            raise InvalidInput.at(
                "/geo",
                "total_geo",
                f"Geo '{name}' is called a total and is not the sum of the others: leave out its "
                "rows, or those of all others.",
            )
    return None


def refuse_two_columns(table: Table, roles: Sequence[ChannelRole], faults: FaultLog) -> None:
    """Add a fault for every column of spend whose name is another's, written differently."""
    first: dict[str, str] = {}
    for role in roles:
        column = str(role.spend)
        name = same(" ".join(word for word in tokens(column) if word not in SPEND)) or column
        other = first.setdefault(name, column)
        if other != column:
            faults.add(
                cell_pointer(table.root, 1, column),
                "same_name",
                f"Columns '{other}' and '{column}' may both be the spend of one channel: name the "
                "channels with their columns as 'channels' in the spec.",
            )


def refuse_repeated(
    table: Table,
    spec: Spec,
    parts: Sequence[NDArray[Any]],
    outcome: Floats,
    spend: Floats | None,
    remedy: str,
    faults: FaultLog,
) -> None:
    """Add a fault for an outcome that several rows repeat, and that would be added up.

    ``parts`` say of each row what it is of, its date first: rows of one date are compared, then
    those of one date and geo, and so on.
    """
    pair, key = None, np.zeros(len(outcome), dtype=np.intp)
    for part in parts:
        values, own = np.unique(part, return_inverse=True)
        key = np.unique(key * len(values) + own, return_inverse=True)[1]
        if (pair := _find_repeated(key, outcome, spend)) is not None:
            break
    else:
        return
    first, second = (table.lines[row] for row in pair)
    name = spec.outcome_columns[0][0]
    cell = table.cells(name)[pair[1]].strip()
    faults.add(
        table.pointer(pair[1], name),
        "outcome_repeated",
        f"Row {second}, column '{name}': '{cell}' is in row {first} too, and most dates repeat "
        f"their outcome likewise: added up it would be counted several times. {remedy}",
    )


def billed(
    table: Table,
    spec: Spec,
    pairs: Sequence[tuple[str, Floats]],
    outcome: Floats,
    explicit: bool,
    faults: FaultLog,
) -> list[Finding]:
    """An outcome that is some spend times a number (what a platform bills): a fault if guessed."""
    for what, values in pairs:
        ratio = _is_multiple(outcome, values)
        if ratio is None:
            continue
        said = f"'{spec.outcome_name}' is {ratio:.4g} times {what} in nearly every row"
        if explicit:
            text = f"{said}: is it what was billed, and not what was sold?"
            return [Finding("outcome_is_spend", text, {"ratio": ratio}, settled_by="outcome")]
        faults.add(
            cell_pointer(table.root, 1, spec.outcome_name),
            "outcome_is_spend",
            f"Column {said}: that is what was billed, not what was sold. Name the outcome as "
            "'outcome' in the spec.",
        )
        return []
    return []


def never_falls(spec: Spec, spend: Floats, days: NDArray[np.datetime64]) -> list[Finding]:
    """Columns of spend (R, C) that grow from every period to the next: sums to date, by content."""
    order = np.argsort(days, kind="stable")
    found = []
    for role, column in zip(spec.channels or (), spend.T, strict=True):
        values = column[order]
        if len(values) >= 12 and bool(np.all(np.diff(values) >= 0)) and values[-1] > 3 * values[0]:
            text = (
                f"Column '{role.spend}' never falls: if it is a sum to date, give what was spent "
                "in each period. Name the channels in the spec if it is right."
            )
            found.append(Finding("spend_never_falls", text, {"column": role.spend}, "channels"))
    return found


def _find_totals(spend: Floats, named: Sequence[bool]) -> list[int]:
    """The columns that are sums of two or more others in four rows of five.

    Of all the others, or (where eight rows and more tell them apart) of some of them, found by
    regression on the columns of less money that are no totals themselves.

    Parameters
    ----------
    spend
        Shape (T, C), NaN for empty.
    named
        Of each column whether it calls itself a total: it may then be the sum of a single other.
    """
    values = np.nan_to_num(spend, nan=0.0)
    ascending = np.lexsort((values.sum(axis=0), np.array(named))).tolist()  # those named come last
    parts: list[int] = []
    found = []
    for c in ascending:
        whole = len(parts) >= 1 if named[c] else len(parts) >= 2 and c == ascending[-1]
        few = 2 <= len(parts) <= _MOST_PARTS
        if (whole and _adds_up(values[:, c], values[:, parts])) or (
            few and _adds_up_some(values[:, c], values[:, parts])
        ):
            found.append(c)
        elif values[:, c].any():
            parts.append(c)
    return found


def _adds_up_some(column: Floats, others: Floats) -> bool:
    """Whether a column is the sum of some of others that no sum of the rest could stand in for."""
    many = others.shape[1]
    if int(np.sum(column > 0)) < max(8, 2 * many):
        return False
    step = max(1, len(column) // _ROWS)
    weights, _, rank, _ = np.linalg.lstsq(others[::step], column[::step], rcond=1e-9)
    some = weights > 0.5
    return bool(rank == many and some.sum() >= 2) and _adds_up(column, others[:, some])


def _adds_up(column: Floats, others: Floats) -> bool:
    summed = others.sum(axis=1)
    live = column + summed > 0
    close = np.abs(column - summed) <= 1e-3 * (column + summed)
    return int(live.sum()) >= 3 and float(np.mean(close[live])) >= 0.8


def _find_repeated(
    key: NDArray[np.intp], outcome: Floats, spend: Floats | None = None
) -> tuple[int, int] | None:
    """Two rows of one key with one outcome, where that is so of four keys in five.

    None where outcomes are so few (a conversion or two) that half would be alike by chance, and
    where spend repeats too: copies of rows, or equal shares, change no return.

    Parameters
    ----------
    key
        Shape (R,): the number of what each row is of, a date, say. Those of one row do not count.
    outcome, spend
        Shape (R,), NaN for empty; zeros do not count.
    """
    count = int(key.max()) + 1
    live = np.flatnonzero(np.isfinite(outcome) & (outcome != 0))
    least, most = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(least, key[live], outcome[live])
    np.maximum.at(most, key[live], outcome[live])
    several = np.bincount(key[live], minlength=count) > 1
    alike = np.flatnonzero(several & (least == most))
    if several.sum() < 3 or len(alike) < 0.8 * several.sum():
        return None
    counts = np.unique(least[several], return_counts=True)[1]
    if float(np.sum((counts / counts.sum()) ** 2)) > 0.5:
        return None
    if spend is not None and _find_repeated(key, spend) is not None:
        return None
    first, second = live[key[live] == alike[0]][:2].tolist()
    return first, second


def _is_multiple(outcome: Floats, spend: Floats) -> float | None:
    """By what an outcome is a fixed multiple of spend, row by row; None where it is none."""
    live = np.isfinite(outcome) & (outcome > 0) & (spend > 0)
    if np.unique(spend[live]).size < 8:
        return None  # spend that hardly moves is a multiple of anything that does not
    ratios = outcome[live] / spend[live]
    usual = float(np.median(ratios))
    return usual if float(np.mean(np.abs(ratios - usual) <= 1e-3 * usual)) >= 0.95 else None
