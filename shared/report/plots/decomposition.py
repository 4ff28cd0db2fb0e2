"""What the outcome was made of over time: the baseline's parts, then media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.report.material import Course, Material
from shared.report.plot import Cell, FigureTable, Missing, Plot, Share, percent, short
from shared.report.style import (
    BASE,
    INK,
    OTHER,
    Spell,
    amounts_on,
    dates_on,
    day_number,
    legend_above,
    spells,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "decomposition"
TITLE = "What the outcome was made of"
LEVEL = "level"

Floats = NDArray[np.float64]


def plot(material: Material) -> Plot | Missing:
    """Stacked bars, what lifts above zero and what lowers below it; dots are what happened."""
    course = material.course
    if course is None:
        why = "These curves were not fitted here: nothing says what the outcome was made of."
        return Missing(NAME, TITLE, why)
    each, found = spells(course.dates, material.period)
    base = {
        LEVEL if name == "intercept" else name: values
        for name, values in course.base.items()
        if np.any(values != 0.0)
    }
    media = material.by_channel(course.media)
    note = (
        f"Means per {material.period} over each {each}. Parts below zero lower the outcome: the "
        "line across a bar is what all its parts come to, the dot is what happened. The parts "
        "are the model's own, before its returns were calibrated for planning."
    )
    return Plot(
        name=NAME,
        title=TITLE,
        alt=_alt(material, course, base, media),
        note=note,
        size=(9.0, 4.4),
        draw=lambda figure: _draw(figure, material, course, found, base, media),
        tables=(
            _totals(material, course, base, media),
            _table(material, course, each, found, base, media),
        ),
    )


def _alt(
    material: Material, course: Course, base: Mapping[str, Floats], media: Mapping[str, Floats]
) -> str:
    whole = float(course.fitted.sum())
    text = f"Stacked bars of {material.outcome} per {material.period} over time by its parts."
    if whole <= 0.0:
        return text
    share = sum(float(values.sum()) for values in base.values()) / whole
    parts = sorted(media, key=lambda name: -float(media[name].sum()))[:3]
    told = [f"{name} {percent(float(media[name].sum()) / whole)}" for name in parts]
    return f"{text} The baseline is {percent(share)} of it; of media, {', '.join(told)}."


def _draw(
    figure: Figure,
    material: Material,
    course: Course,
    found: Sequence[Spell],
    base: Mapping[str, Floats],
    media: Mapping[str, Floats],
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes = figure.subplots()
    left = [day_number(spell.first) for spell in found]
    width = [0.94 * spell.days for spell in found]
    up, down = np.zeros(len(found)), np.zeros(len(found))
    handles: list[Any] = []
    labels: list[str] = []
    for name, colour, parts in _layers(material, base, media):
        values = np.array([spell.mean(parts) or 0.0 for spell in found])
        bottom = np.where(values >= 0.0, up, down)
        axes.bar(left, values, width, bottom, align="edge", color=colour, linewidth=0)
        up, down = up + np.maximum(values, 0.0), down + np.minimum(values, 0.0)
        handles.append(Patch(color=colour))
        labels.append(name)
    middle = [day_number(spell.middle) for spell in found]
    actual = [spell.mean(course.actual) for spell in found]
    axes.plot(
        middle,
        [np.nan if x is None else x for x in actual],
        linestyle="",
        marker="o",
        markersize=3.4,
        color=INK,
        markeredgewidth=0,
    )
    handles.append(Line2D([], [], color=INK, marker="o", markersize=3.4, linestyle=""))
    labels.append("what happened")
    fitted = [spell.mean(course.fitted) or 0.0 for spell in found]
    axes.hlines(fitted, left, [a + b for a, b in zip(left, width, strict=True)], INK, linewidth=1.5)
    handles.insert(-1, Line2D([], [], color=INK, linewidth=1.5))
    labels.insert(-1, "all parts together")
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_xlim(left[0], left[-1] + found[-1].days)
    axes.set_ylabel(f"{material.outcome_short} per {material.period}")
    axes.set_xlabel("date")
    dates_on(axes.xaxis, found[0].first, found[-1].first)
    amounts_on(axes.yaxis)
    tidy(axes)
    legend_above(figure, handles, labels, -(-len(labels) // 6))


def _layers(
    material: Material, base: Mapping[str, Floats], media: Mapping[str, Floats]
) -> list[tuple[str, str, Floats]]:
    """Name, colour and values of every layer from the bottom up; small ones put together."""
    own = list(base)[: len(BASE) - (len(base) > len(BASE))]
    layers = [(short(name), BASE[k], base[name]) for k, name in enumerate(own)]
    rest = [values for name, values in base.items() if name not in own]
    if rest:
        layers.append((f"other baseline ({len(rest)})", BASE[-1], np.sum(rest, axis=0)))
    for name, values in media.items():
        if material.colours.get(name, OTHER) != OTHER:
            layers.append((short(name), material.colours[name], values))
    small = [v for name, v in media.items() if material.colours.get(name, OTHER) == OTHER]
    if small:
        layers.append((f"other media ({len(small)})", OTHER, np.sum(small, axis=0)))
    return layers


def _totals(
    material: Material,
    course: Course,
    base: Mapping[str, Floats],
    media: Mapping[str, Floats],
) -> FigureTable:
    whole = float(course.fitted.sum())
    rows = [
        (kind, name, float(values.sum()), Share(float(values.sum()) / whole if whole > 0 else None))
        for kind, parts in (("baseline", base), ("media", media))
        for name, values in parts.items()
    ]
    rows.append(("", "all, as fitted", whole, Share(1.0 if whole > 0 else None)))
    caption = f"{material.outcome.capitalize()} by part, whole history"
    return FigureTable(caption, ("", "part", material.outcome, "share"), tuple(rows))


def _table(
    material: Material,
    course: Course,
    each: str,
    found: Sequence[Spell],
    base: Mapping[str, Floats],
    media: Mapping[str, Floats],
) -> FigureTable:
    parts = {**base, **{f"media: {n}": media[n] for n in media}}
    rows: list[tuple[Cell, ...]] = [
        (
            spell.first.isoformat(),
            spell.mean(course.actual),
            spell.mean(course.fitted),
            *(spell.mean(values) for values in parts.values()),
        )
        for spell in found
    ]
    caption = f"Mean {material.outcome} per {material.period} by {each}"
    return FigureTable(
        caption, (f"{each} from", "actual", "fitted", *parts), tuple(rows), folded=True
    )
