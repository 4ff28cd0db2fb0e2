"""What more or less budget would bring, and what its next unit of money would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.report.material import Material
from shared.report.plot import FigureTable, Missing, Plot, amount
from shared.report.style import ACCENT, INK, NOW, amounts_on, legend_above, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "budget"
TITLE = "Budgets and what they bring"

Row = Mapping[str, Any]


def plot(material: Material) -> Plot | Missing:
    """Best outcome by budget above, marginal return below."""
    if material.problem.one_budget <= 0.0:
        why = "Nothing is spent today: give a budget (?budget=...) to see what others would bring."
        return Missing(NAME, TITLE, why)
    rows = [row for row in material.sweep if row["outcome"] is not None]
    if len(rows) < 2:
        return Missing(NAME, TITLE, "No other budget can be spent within the limits.")
    note = (
        f"Each budget is split as well as it can be. The marginal return is the {material.outcome} "
        f"that one more {material.unit} brings: hold it against what so much {material.outcome} is "
        "worth to you."
    )
    if any(row["marginal_return"] is None for row in rows):
        note += " Where it is not shown, it has no single value there."
    return Plot(
        name=NAME,
        title=TITLE,
        alt=_alt(material, rows),
        note=note,
        size=(9.0, 5.2),
        draw=lambda figure: _draw(figure, material, rows),
        tables=(_table(material, rows),),
    )


def _alt(material: Material, rows: Sequence[Row]) -> str:
    first, last = rows[0], rows[-1]
    return (
        f"Two panels by budget per {material.period}. Above, the best {material.outcome} with its "
        f"90 % band, from {amount(first['outcome'])} at {amount(first['budget'])} to "
        f"{amount(last['outcome'])} at {amount(last['budget'])}; below, the marginal return, from "
        f"{amount(first['marginal_return'])} to {amount(last['marginal_return'])}."
    )


def _draw(figure: Figure, material: Material, rows: Sequence[Row]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1.0])
    budgets = [row["budget"] for row in rows]
    upper.plot(budgets, [row["outcome"] for row in rows], color=ACCENT, marker="o", markersize=3.5)
    sure = [row for row in rows if row["outcome_interval"] is not None]
    upper.fill_between(
        [row["budget"] for row in sure],
        [row["outcome_interval"][0] for row in sure],
        [row["outcome_interval"][1] for row in sure],
        color=ACCENT,
        alpha=0.22,
        linewidth=0,
    )
    told = [row for row in rows if row["marginal_return"] is not None]
    lower.plot(
        [row["budget"] for row in told],
        [row["marginal_return"] for row in told],
        color=ACCENT,
        marker="o",
        markersize=3.5,
    )
    now = material.answer["totals"]["current_spend"]
    budget = material.problem.one_budget
    same = now is not None and abs(budget - now) <= 1e-3 * budget
    for axes in (upper, lower):
        if now is not None:
            axes.axvline(now, color=NOW, linewidth=1.6, linestyle=(0, (4, 2)), zorder=1)
        if not same:
            axes.axvline(budget, color=INK, linewidth=1.6, zorder=1)
        axes.set_ylim(bottom=0.0)
        amounts_on(axes.yaxis, 5)
        tidy(axes)
    upper.set_ylabel(f"{material.outcome_short} per {material.period}")
    lower.set_ylabel(f"marginal return\n({material.outcome_short} per {material.unit})")
    lower.set_xlabel(f"budget per {material.period} ({material.money})")
    lower.set_xlim(0.0, 1.03 * max(budgets))
    amounts_on(lower.xaxis, 8)
    handles: list[Any] = [Line2D([], [], color=ACCENT, marker="o", markersize=3.5)]
    labels = ["best plan of each budget"]
    if sure:
        handles.append(Patch(color=ACCENT, alpha=0.22, linewidth=0))
        labels.append("90 % band")
    if now is not None:
        handles.append(Line2D([], [], color=NOW, linewidth=1.6, linestyle=(0, (4, 2))))
        labels.append("spend now and this plan's budget" if same else "spend now")
    if not same:
        handles.append(Line2D([], [], color=INK, linewidth=1.6))
        labels.append("this plan's budget")
    legend_above(figure, handles, labels, 1)


def _table(material: Material, rows: Sequence[Row]) -> FigureTable:
    head = (
        f"budget ({material.money})",
        material.outcome,
        "90 % low",
        "90 % high",
        "marginal return",
        "status",
    )
    body = [
        (
            row["budget"],
            row["outcome"],
            *(row["outcome_interval"] or (None, None)),
            row["marginal_return"],
            row["status"],
        )
        for row in rows
    ]
    return FigureTable(f"Best plans by budget, per {material.period}", head, tuple(body))
