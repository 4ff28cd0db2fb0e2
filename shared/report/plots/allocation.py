"""What each channel gets now and should get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.report.material import Material
from shared.report.plot import FigureTable, Missing, Plot, Share, amount, percent, short
from shared.report.style import ACCENT, INK, NOW, amounts_on, legend_above, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "allocation"
TITLE = "Allocation now and recommended"
MOST = 24
"""Channels with bars of their own."""

HAIR = 1e-9
"""A change of the whole, as a share of it, that is rounding."""

Row = Mapping[str, Any]


def plot(material: Material) -> Plot | Missing:
    """Two bars a channel, with the range of the best spend over the draws."""
    rows = sorted(
        material.answer["allocation"], key=lambda row: -max(row["spend"], row["current_spend"] or 0)
    )
    bars = [arm for row in rows for arm in _campaigns(row) or [row]]
    shown = bars[:MOST]
    note = "The percentage is the change of a channel's spend."
    if any(row["spend_interval"] is not None for row in shown):
        note += (
            " The thin line is where the best spend itself lies in 90 % of the draws: where it is "
            "long, the recommendation could as well be another."
        )
    if len(bars) > len(shown):
        note += f" The last {len(bars) - len(shown)} are in the table only."
    return Plot(
        name=NAME,
        title=TITLE,
        alt=_alt(material, rows),
        note=note,
        size=(9.0, 1.0 + 0.46 * len(shown)),
        draw=lambda figure: _draw(figure, material, shown),
        tables=(_table(material, rows),),
    )


def _campaigns(row: Row) -> list[Row]:
    """The rows of a channel's campaigns under their whole names; none of a channel without."""
    name = row["channel"]
    return [
        {**inner, "channel": f"{name}/{inner['channel'].removeprefix(f'{name}/')}"}
        for inner in row.get("campaigns") or ()
    ]


def _alt(material: Material, rows: Sequence[Row]) -> str:
    moved = sorted(
        (row for row in rows if row["change"] is not None), key=lambda row: -abs(row["change"])
    )
    told = [
        f"{row['channel']} from {amount(row['current_spend'])} to {amount(row['spend'])}"
        for row in moved[:3]
    ]
    text = f"Bars of spend per {material.period} now and recommended, channel by channel."
    return f"{text} The largest moves: {', '.join(told)}." if told else text


def _draw(figure: Figure, material: Material, rows: Sequence[Row]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes = figure.subplots()
    places = [float(k) for k in range(len(rows))]
    now = [row["current_spend"] for row in rows]
    axes.barh(
        [y - 0.19 for y in places], [x or 0.0 for x in now], height=0.36, color=NOW, linewidth=0
    )
    spends = [row["spend"] for row in rows]
    axes.barh([y + 0.19 for y in places], spends, height=0.36, color=ACCENT, linewidth=0)
    ends = list(spends)
    for k, row in enumerate(rows):
        span = row["spend_interval"]
        if span is not None:
            axes.plot(span, [places[k] + 0.19] * 2, color=INK, linewidth=1.4, solid_capstyle="butt")
            ends[k] = max(ends[k], span[1])
        ends[k] = max(ends[k], row["current_spend"] or 0.0)
    reach = max(ends, default=0.0) or 1.0
    for place, row, end in zip(places, rows, ends, strict=True):
        share = row["change_share"]
        if share is not None:
            text = percent(share, signed=True)
        else:
            text = "" if row["current_spend"] is None or not row["spend"] else "new"
        axes.text(end + 0.012 * reach, place, text, va="center", ha="left", fontsize=8.5)
    axes.set_yticks(places, [short(row["channel"]) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.12 * reach)
    axes.set_xlabel(f"spend per {material.period} ({material.money})")
    axes.tick_params(axis="y", length=0)
    amounts_on(axes.xaxis)
    tidy(axes, grid="x")
    handles: list[Any] = [Patch(color=NOW), Patch(color=ACCENT)]
    labels = ["now", "recommended"]
    if any(row["spend_interval"] is not None for row in rows):
        handles.append(Line2D([], [], color=INK, linewidth=1.4))
        labels.append("best spend in 90 % of draws")
    legend_above(figure, handles, labels, 1)


def _table(material: Material, rows: Sequence[Row]) -> FigureTable:
    per = f"per {material.period}"
    head = (
        "channel",
        f"spend now ({material.money})",
        "recommended",
        "change",
        "change in %",
        "best, low",
        "best, high",
        material.outcome,
        "90 % low",
        "90 % high",
        "marginal return",
        "held by",
    )
    body = []
    lines = [line for row in rows for line in (row, *_campaigns(row))]
    for row in lines:
        best, span = row["spend_interval"] or (None, None), row["outcome_interval"] or (None, None)
        body.append(
            (
                row["channel"],
                row["current_spend"],
                row["spend"],
                row["change"],
                Share(row["change_share"], signed=True),
                *best,
                row["outcome"],
                *span,
                row["marginal_return"],
                ", ".join(row["binding"]),
            )
        )
    totals = material.answer["totals"]
    spent, now = totals["spend"], totals["current_spend"]
    change = None if now is None else spent - now
    if change is not None and abs(change) <= HAIR * max(spent, 1.0):
        change = 0.0  # what is left of adding up is no change
    body.append(
        (
            "total",
            now,
            spent,
            change,
            Share(change / now if now and change is not None else None, signed=True),
            None,
            None,
            totals["outcome"],
            *(totals["outcome_interval"] or (None, None)),
            None,
            "",
        )
    )
    return FigureTable(f"The plan, {per}; low and high: 90 %", head, tuple(body))
