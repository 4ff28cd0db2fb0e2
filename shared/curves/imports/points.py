"""Plain tables: points of spend and response, or parameters by family; and curve sets of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.curves.adstock import ADSTOCKS, Adstock, adstock_from_dict
from shared.curves.curveset import Response
from shared.curves.imports.imported import Imported, Observed, Spends
from shared.curves.imports.reading import USUAL_DRAWS, Csv, Facts, Trouble, number_of, read_table
from shared.curves.saturation import FAMILIES, Saturation, Tabulated, saturation_from_dict

__all__ = ["read_curve_set", "read_points"]

_ADSTOCK = {
    "decay": "decay",
    "peak": "peak",
    "length": "length",
    "adstock_shape": "shape",
    "adstock_scale": "scale",
}
"""Columns of a table of parameters that are the adstock's, and what it calls them."""

_NAMES = {"channel", "family", "adstock", "normalised", "draw", *_ADSTOCK}


def read_points(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], spends: Spends, trouble: Trouble
) -> tuple[list[Imported], list[str]]:
    """``table_csv``: ``channel, spend, response[, draw]`` or ``channel, family, ...[, draw]``."""
    if not asked.get("table_csv"):
        trouble.missing("/table_csv", "Give table_csv: channel, spend, response.")
        return [], []
    table = read_table(asked, "table_csv", ("channel",), trouble)
    if table is None:
        return [], []
    rows: dict[str, dict[str, list[int]]] = {}
    draw = table.column("draw") if "draw" in table.columns else [""] * len(table.rows)
    for i, name in enumerate(table.column("channel")):
        if not name:
            trouble.missing(f"/table_csv/rows/{i + 2}/channel", f"Row {i + 2} names no channel.")
        rows.setdefault(name, {}).setdefault(draw[i], []).append(i)
    marks = list(next(iter(rows.values())))
    for name, mine in rows.items():
        if mine.keys() != set(marks):
            text = f"{name} has other draws than {next(iter(rows))}: they must be joint."
            trouble.add("/table_csv", "unequal_draws", text)
    if trouble.faults:
        return [], []
    count = min(len(marks), asked.get("most_draws") or USUAL_DRAWS)
    kept = [marks[(k * len(marks)) // count] for k in range(count)]
    make = _parameters if "family" in table.columns else _points
    read = []
    for name, mine in rows.items():
        made = make(table, name, [mine[mark] for mark in kept], trouble)
        if made is None:
            continue
        curves, adstock = made
        observed = spends.observed(name, trouble)
        if observed is None:
            tables = [curve for curve in curves if isinstance(curve, Tabulated)]
            observed = Observed(max=max(c.spend[-1] for c in tables)) if tables else Observed()
        pointer = facts[name].pointer if name in facts else "/table_csv"
        one = len(curves) == 1
        read.append(
            Imported(
                name,
                pointer,
                curve=curves[0] if one else None,
                draws=() if one else tuple(curves),
                adstock=adstock,
                observed=observed,
            )
        )
    return read, []


Made = tuple[list[Saturation], Adstock | None]


def _points(table: Csv, name: str, draws: list[list[int]], trouble: Trouble) -> Made | None:
    missing = [column for column in ("spend", "response") if column not in table.columns]
    for column in missing:
        text = f"table_csv has no column {column!r} (nor family, for a table of parameters)."
        trouble.add(f"/table_csv/columns/{column}", "missing_column", text)
    if missing:
        return None
    spend, response = table.numbers("spend", trouble), table.numbers("response", trouble)
    if trouble.faults:
        return None
    curves: list[Saturation] = []
    for rows in draws:
        rows.sort(key=lambda i: spend[i])
        try:
            curves.append(
                Tabulated(tuple(spend[i] for i in rows), tuple(response[i] for i in rows))
            )
        except ValueError as error:
            _refuse(rows[0], name, error, trouble)
            return None
    return curves, None


def _parameters(table: Csv, name: str, draws: list[list[int]], trouble: Trouble) -> Made | None:
    curves: list[Saturation] = []
    adstock: Adstock | None = None
    for rows in draws:
        if len(rows) > 1:
            text = f"Row {rows[1] + 2}: {name} has two rows of parameters for one draw."
            trouble.add(f"/table_csv/rows/{rows[1] + 2}", "duplicate", text)
            return None
        cells = dict(zip(table.columns, table.rows[rows[0]], strict=True))
        family = cells["family"]
        if family not in FAMILIES:
            text = f"Unknown family {family!r}; known are {', '.join(FAMILIES)}."
            trouble.add(f"/table_csv/rows/{rows[0] + 2}/family", "unknown_family", text)
            return None
        given = {c: number_of(v) for c, v in cells.items() if v and c not in _NAMES and c}
        try:
            curves.append(saturation_from_dict({"family": family, **given}))
            # The first draw's adstock stands for all: a stored draw is a saturation.
            adstock = _adstock(cells) if len(curves) == 1 else adstock
        except ValueError as error:
            _refuse(rows[0], name, error, trouble)
            return None
    if len({curve.family for curve in curves}) > 1:
        text = f"The draws of {name} are of several families."
        trouble.add("/table_csv", "mixed_families", text)
        return None
    return curves, adstock


def _adstock(cells: Mapping[str, str]) -> Adstock | None:
    family = cells.get("adstock") or "none"
    if family == "none":
        return None
    if family not in ADSTOCKS:
        raise ValueError(f"unknown adstock {family!r}; known are {', '.join(ADSTOCKS)}.")
    given: dict[str, Any] = {
        ours: number_of(cells[column]) for column, ours in _ADSTOCK.items() if cells.get(column)
    }
    normalised = cells.get("normalised", "").lower() in ("true", "1", "yes")
    return adstock_from_dict({"family": family, "normalised": normalised, **given})


def _refuse(row: int, name: str, error: ValueError, trouble: Trouble) -> None:
    text = f"The curve of {name} cannot be used: {error}"
    trouble.add(f"/table_csv/rows/{row + 2}", "invalid_curve", text)


def read_curve_set(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], trouble: Trouble
) -> list[Imported]:
    """``curve_set``: what ``GET .../curves`` answers, or as much of it as ``channels`` needs."""
    document = asked.get("curve_set")
    channels = document.get("channels") if isinstance(document, Mapping) else None
    if not isinstance(channels, list):
        text = "Give curve_set with its channels, as GET /datasets/{dataset}/curves answers it."
        trouble.missing("/curve_set/channels", text)
        return []
    read: list[Imported] = []
    for i, entry in enumerate(channels):
        place = f"/curve_set/channels/{i}"
        name = entry.get("channel") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name.strip():
            trouble.missing(f"{place}/channel", f"Entry {i + 1} of channels names no channel.")
            continue
        if any(item.channel == name for item in read):
            trouble.add(f"{place}/channel", "duplicate", f"The channel {name!r} is given twice.")
            continue
        try:
            response = Response.from_dict(entry["response"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"The curve of {name} cannot be used: {error}"
            trouble.add(f"{place}/response", "invalid_curve", text)
            continue
        seen = entry.get("observed_spend")
        known = seen if isinstance(seen, Mapping) else {}
        pointer = facts[name].pointer if name in facts else place
        read.append(
            Imported(
                name,
                pointer,
                curve=response.saturation,
                draws=response.draws,
                adstock=response.adstock,
                observed=Observed(
                    *(number_of(known.get(k)) for k in ("min", "mean", "max", "last"))
                ),
            )
        )
    return read
