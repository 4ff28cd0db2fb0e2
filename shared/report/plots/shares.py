"""How the money was split over time, and how it should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared.report.material import Material
from shared.report.plot import FigureTable, Missing, Plot, Share, percent, short
from shared.report.style import OTHER, Spell, dates_on, day_number, legend_above, spells, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "shares"
TITLE = "Shares of the money over time"

Floats = NDArray[np.float64]


def plot(material: Material) -> Plot | Missing:
    """Stacked shares by month or quarter, with today's and the recommended split beside them."""
    history = material.history
    if history is None:
        why = "No spend history is stored for this dataset, so there are no shares over time."
        return Missing(NAME, TITLE, why)
    sums = material.by_channel(material.spend)
    spent = np.sum(list(sums.values()), axis=0) if sums else np.zeros(len(history.dates))
    if not float(np.sum(spent)) > 0.0:
        return Missing(NAME, TITLE, "Nothing was spent in the stored history.")
    each, found = spells(history.dates, history.frequency)
    columns = {name: _shares(values, spent, found) for name, values in sums.items()}
    now, then = _split(material, "current_spend"), _split(material, "spend")
    return Plot(
        name=NAME,
        title=TITLE,
        alt=_alt(material, columns, then),
        note=f"Each bar is one {each}'s spend, split by channel; the two at the right are the "
        "split today (the mean of the last quarter) and the recommended one.",
        size=(9.0, 3.9),
        draw=lambda figure: _draw(figure, material, found, columns, now, then),
        tables=(_table(material, each, found, columns, now, then),),
    )


def _shares(values: Floats, spent: Floats, found: Sequence[Spell]) -> list[float | None]:
    out: list[float | None] = []
    for spell in found:
        whole = float(spent[spell.start : spell.stop].sum())
        part = float(values[spell.start : spell.stop].sum())
        out.append(part / whole if whole > 0.0 else None)
    return out


def _split(material: Material, key: str) -> dict[str, float] | None:
    rows = material.answer["allocation"]
    spends = {row["channel"]: row[key] for row in rows}
    whole = sum(x or 0.0 for x in spends.values())
    if None in spends.values() or whole <= 0.0:
        return None
    return {name: spend / whole for name, spend in spends.items()}


def _alt(
    material: Material, columns: dict[str, list[float | None]], then: dict[str, float] | None
) -> str:
    told = []
    for name in list(columns)[:3]:
        shares = [x for x in columns[name] if x is not None]
        text = f"{name} between {percent(min(shares))} and {percent(max(shares))}"
        if then is not None and name in then:
            text += f" (recommended {percent(then[name])})"
        told.append(text)
    return (
        f"Stacked bars of each channel's share of the spend in {material.money} over time: "
        f"{', '.join(told)}."
    )


def _draw(
    figure: Figure,
    material: Material,
    found: Sequence[Spell],
    columns: dict[str, list[float | None]],
    now: dict[str, float] | None,
    then: dict[str, float] | None,
) -> None:
    from matplotlib.patches import Patch
    from matplotlib.ticker import PercentFormatter

    grid = figure.add_gridspec(1, 2, width_ratios=[6.2, 1.0])
    past = figure.add_subplot(grid[0, 0])
    plans = figure.add_subplot(grid[0, 1], sharey=past)
    left = [day_number(spell.first) for spell in found]
    width = [0.94 * spell.days for spell in found]
    _stack(past, left, width, {k: [x or 0.0 for x in v] for k, v in columns.items()}, material)
    dates_on(past.xaxis, found[0].first, found[-1].first)
    past.set_xlim(left[0], left[-1] + found[-1].days)
    past.set_ylabel(f"share of spend ({material.money})")
    past.set_xlabel("date")
    sides = [(label, split) for label, split in (("now", now), ("plan", then)) if split is not None]
    # Who was never in the history has a bar all the same.
    names = dict.fromkeys([*columns, *(name for _, split in sides for name in split)])
    heights = {name: [split.get(name, 0.0) for _, split in sides] for name in names}
    _stack(plans, [float(k) for k in range(len(sides))], [0.8] * len(sides), heights, material)
    plans.set_xticks([k + 0.4 for k in range(len(sides))], [label for label, _ in sides])
    plans.tick_params(axis="x", length=0)
    plans.tick_params(axis="y", labelleft=False, length=0)
    past.set_ylim(0.0, 1.0)
    past.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    tidy(past)
    tidy(plans)
    plans.spines["left"].set_visible(False)
    labels, handles = [], []
    for name in names:
        if material.colours.get(name, OTHER) != OTHER:
            labels.append(short(name))
            handles.append(Patch(color=material.colours[name]))
    if len(labels) < len(names):
        labels.append(f"other ({len(names) - len(labels)})")
        handles.append(Patch(color=OTHER))
    legend_above(figure, handles, labels, 1 if len(labels) <= 5 else 2)


def _stack(
    axes: Axes,
    left: Sequence[float],
    width: Sequence[float],
    heights: dict[str, list[float]],
    material: Material,
) -> None:
    bottom = np.zeros(len(left))
    for name, values in heights.items():
        colour = material.colours.get(name, OTHER)
        axes.bar(left, values, width, bottom, align="edge", color=colour, linewidth=0)
        bottom = bottom + np.asarray(values)


def _table(
    material: Material,
    each: str,
    found: Sequence[Spell],
    columns: dict[str, list[float | None]],
    now: dict[str, float] | None,
    then: dict[str, float] | None,
) -> FigureTable:
    names = list(dict.fromkeys([*columns, *(now or {}), *(then or {})]))
    rows: list[tuple[str | Share, ...]] = [
        (spell.first.isoformat(), *(Share(columns[n][k] if n in columns else None) for n in names))
        for k, spell in enumerate(found)
    ]
    rows += [
        (label, *(Share(split.get(name)) for name in names))
        for label, split in (("now", now), ("recommended", then))
        if split is not None
    ]
    caption = f"Shares of spend by {each}, in {material.money}"
    return FigureTable(caption, (f"{each} from", *names), tuple(rows), folded=True)
