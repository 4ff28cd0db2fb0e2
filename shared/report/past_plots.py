"""The pictures of the past: shares of the money, what the outcome was made of, the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.figures import plural
from shared.frequency import frequency
from shared.report.material import Course, Material
from shared.report.plot import (
    ACCENT,
    BASE,
    INK,
    MUTED,
    OTHER,
    SPAN,
    Cell,
    FigureTable,
    Missing,
    Plot,
    Share,
    Spell,
    amounts_on,
    dates_on,
    day_number,
    legend_above,
    percent,
    short,
    spells,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["decomposition", "fit", "shares"]

Floats = NDArray[np.float64]

SHARES_TITLE = "Shares of the money over time"


def shares(material: Material) -> Plot | Missing:
    """Stacked shares by month or quarter, with today's and the recommended split beside them."""
    history = material.history
    if history is None:
        why = "No spend history is stored for this dataset, so there are no shares over time."
        return Missing("shares", SHARES_TITLE, why)
    sums = material.by_channel(material.spend)
    spent = np.sum(list(sums.values()), axis=0) if sums else np.zeros(len(history.dates))
    if not float(np.sum(spent)) > 0.0:
        return Missing("shares", SHARES_TITLE, "Nothing was spent in the stored history.")
    each, found = spells(history.dates, history.frequency)
    columns = {name: _shares(values, spent, found) for name, values in sums.items()}
    now, then = _split(material, "current_spend"), _split(material, "spend")
    return Plot(
        name="shares",
        title=SHARES_TITLE,
        alt=_alt_of_shares(material, columns, then),
        note=f"Each bar is one {each}'s spend, split by channel; the two at the right are the "
        f"split today{f' (the mean of {over})' if (over := material.now) else ''} and the "
        "recommended one.",
        size=(9.0, 3.9),
        draw=lambda figure: _draw_shares(figure, material, found, columns, now, then),
        tables=(_table_of_shares(material, each, found, columns, now, then),),
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


def _alt_of_shares(
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


def _draw_shares(
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


def _table_of_shares(
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


DECOMPOSITION_TITLE = "What the outcome was made of"
LEVEL = "level"


def decomposition(material: Material) -> Plot | Missing:
    """Stacked bars, what lifts above zero and what lowers below it; dots are what happened."""
    course = material.course
    if course is None:
        why = "These curves were not fitted here: nothing says what the outcome was made of."
        return Missing("decomposition", DECOMPOSITION_TITLE, why)
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
        name="decomposition",
        title=DECOMPOSITION_TITLE,
        alt=_alt_of_decomposition(material, course, base, media),
        note=note,
        size=(9.0, 4.4),
        draw=lambda figure: _draw_decomposition(figure, material, course, found, base, media),
        tables=(
            _totals_of_decomposition(material, course, base, media),
            _table_of_decomposition(material, course, each, found, base, media),
        ),
    )


def _alt_of_decomposition(
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


def _draw_decomposition(
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


def _totals_of_decomposition(
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


def _table_of_decomposition(
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


FIT_TITLE = "Fit and what it leaves"


def fit(material: Material) -> Plot | Missing:
    """Actual against fitted with its 90 % interval above, residuals below, the holdout shaded."""
    course = material.course
    if course is None:
        why = "These curves were not fitted here: there is no fit to look at."
        return Missing("fit", FIT_TITLE, why)
    holdout = _holdout(material)
    note = "The line is the fit to all periods, the band holds 90 % of outcomes."
    if holdout is None:
        note += " No part of the history was long enough to be held back as a check."
    else:
        first, last = holdout
        note += (
            f" The shaded stretch ({first.isoformat()} to {last.isoformat()}) was held back once: "
            "how a fit without it forecast it is in the scores below, not in this line."
        )
    return Plot(
        name="fit",
        title=FIT_TITLE,
        alt=_alt_of_fit(material, course),
        note=note,
        size=(9.0, 5.2),
        draw=lambda figure: _draw_fit(figure, material, course, holdout),
        tables=(_table_of_fit(material, course),),
    )


def _holdout(material: Material) -> tuple[date, date] | None:
    """First and last period that the last check held back."""
    folds = material.curves.diagnostics.get("folds") or ()
    if not folds:
        return None
    return date.fromisoformat(folds[-1]["first"]), date.fromisoformat(folds[-1]["last"])


def _alt_of_fit(material: Material, course: Course) -> str:
    known = np.isfinite(course.actual)
    inside = (course.low <= course.actual) & (course.actual <= course.high)
    share = float(inside[known].mean()) if known.any() else None
    return (
        f"Two panels over {plural(len(course.dates), material.period)}. Above, {material.outcome} "
        f"as it happened and as it is fitted; {percent(share)} of the outcomes lie in the 90 % "
        "interval. Below, the differences."
    )


def _draw_fit(
    figure: Figure, material: Material, course: Course, holdout: tuple[date, date] | None
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, 1.0])
    days = [day_number(day) for day in course.dates]
    long = len(days) > 400
    upper.fill_between(days, course.low, course.high, color=ACCENT, alpha=0.22, linewidth=0)
    upper.plot(days, course.fitted, color=ACCENT, linewidth=1.0 if long else 1.5)
    upper.plot(
        days,
        course.actual,
        linestyle="",
        marker="o",
        markersize=1.6 if long else 2.8,
        color=INK,
        markeredgewidth=0,
    )
    every = frequency(material.curves.frequency)
    step = int(365.25 / every.per_year)
    lower.bar(days, course.actual - course.fitted, width=0.8 * step, color=MUTED, linewidth=0)
    lower.axhline(0.0, color=INK, linewidth=0.8)
    handles: list[Any] = [
        Line2D([], [], color=INK, marker="o", markersize=2.8, linestyle=""),
        Line2D([], [], color=ACCENT, linewidth=1.5),
        Patch(color=ACCENT, alpha=0.22, linewidth=0),
        Patch(color=MUTED),
    ]
    labels = ["what happened", "fitted", "90 % interval", "difference"]
    if holdout is not None:
        first = day_number(holdout[0])
        last = day_number(every.after(holdout[1]))
        for axes in (upper, lower):
            axes.axvspan(first, last, color=SPAN, linewidth=0, zorder=0)
        handles.append(Patch(color=SPAN))
        labels.append("held back once")
    upper.set_ylabel(f"{material.outcome_short} per {material.period}")
    lower.set_ylabel("difference")
    lower.set_xlabel("date")
    dates_on(lower.xaxis, course.dates[0], course.dates[-1])
    lower.set_xlim(days[0] - step, days[-1] + 2 * step)
    for axes in (upper, lower):
        amounts_on(axes.yaxis, 5)
        tidy(axes)
    legend_above(figure, handles, labels, 1)


def _table_of_fit(material: Material, course: Course) -> FigureTable:
    def known(values: Sequence[float]) -> list[float | None]:
        return [value if np.isfinite(value) else None for value in values]

    rows = zip(
        (day.isoformat() for day in course.dates),
        known(course.actual.tolist()),
        course.fitted.tolist(),
        course.low.tolist(),
        course.high.tolist(),
        known((course.actual - course.fitted).tolist()),
        strict=True,
    )
    head = (material.period, "actual", "fitted", "90 % low", "90 % high", "difference")
    caption = f"{material.outcome.capitalize()} per {material.period}"
    return FigureTable(caption, head, tuple(rows), folded=True)
