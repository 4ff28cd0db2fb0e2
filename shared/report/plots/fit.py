"""What was fitted beside what happened, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.plan.words import plural
from shared.report.material import Course, Material
from shared.report.plot import FigureTable, Missing, Plot, percent
from shared.report.style import (
    ACCENT,
    INK,
    MUTED,
    SPAN,
    amounts_on,
    dates_on,
    day_number,
    legend_above,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "fit"
TITLE = "Fit and what it leaves"
DAYS = {"day": 1, "week": 7, "month": 30}


def plot(material: Material) -> Plot | Missing:
    """Actual against fitted with its 90 % interval above, residuals below, the holdout shaded."""
    course = material.course
    if course is None:
        why = "These curves were not fitted here: there is no fit to look at."
        return Missing(NAME, TITLE, why)
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
        name=NAME,
        title=TITLE,
        alt=_alt(material, course),
        note=note,
        size=(9.0, 5.2),
        draw=lambda figure: _draw(figure, material, course, holdout),
        tables=(_table(material, course),),
    )


def _holdout(material: Material) -> tuple[date, date] | None:
    """First and last period that the last check held back."""
    folds = material.curves.diagnostics.get("folds") or ()
    if not folds:
        return None
    return date.fromisoformat(folds[-1]["first"]), date.fromisoformat(folds[-1]["last"])


def _alt(material: Material, course: Course) -> str:
    known = np.isfinite(course.actual)
    inside = (course.low <= course.actual) & (course.actual <= course.high)
    share = float(inside[known].mean()) if known.any() else None
    return (
        f"Two panels over {plural(len(course.dates), material.period)}. Above, {material.outcome} "
        f"as it happened and as it is fitted; {percent(share)} of the outcomes lie in the 90 % "
        "interval. Below, the differences."
    )


def _draw(
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
    step = DAYS.get(material.period, 7)
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
        last = day_number(holdout[1] + timedelta(days=step))
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


def _table(material: Material, course: Course) -> FigureTable:
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
