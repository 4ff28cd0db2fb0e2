"""The pictures of a plan: the split, response curves, other budgets, returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.figures import plural
from shared.report.material import Material
from shared.report.plot import (
    ACCENT,
    INK,
    NOW,
    PLAIN,
    SPAN,
    FigureTable,
    Missing,
    Plot,
    Share,
    amount,
    amounts_on,
    legend_above,
    percent,
    short,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["allocation", "budget", "responses", "returns"]

Row = Mapping[str, Any]

ALLOCATION_TITLE = "Allocation now and recommended"
MOST_ALLOCATION = 24
"""Channels with bars of their own."""

HAIR = 1e-9
"""A change of the whole, as a share of it, that is rounding."""


def allocation(material: Material) -> Plot | Missing:
    """Two bars a channel, with the range of the best spend over the draws."""
    rows = sorted(
        material.answer["allocation"], key=lambda row: -max(row["spend"], row["current_spend"] or 0)
    )
    bars = [arm for row in rows for arm in _campaigns(row) or [row]]
    shown = bars[:MOST_ALLOCATION]
    note = "The percentage is the change of a channel's spend."
    if any(row["spend_interval"] is not None for row in shown):
        note += (
            " The thin line is where the best spend itself lies in 90 % of the draws: where it is "
            "long, the recommendation could as well be another."
        )
    if len(bars) > len(shown):
        note += f" The last {len(bars) - len(shown)} are in the table only."
    return Plot(
        name="allocation",
        title=ALLOCATION_TITLE,
        alt=_alt_of_allocation(material, rows),
        note=note,
        size=(9.0, 1.0 + 0.46 * len(shown)),
        draw=lambda figure: _draw_allocation(figure, material, shown),
        tables=(_table_of_allocation(material, rows),),
    )


def _campaigns(row: Row) -> list[Row]:
    """The rows of a channel's campaigns under their whole names; none of a channel without."""
    name = row["channel"]
    return [
        {**inner, "channel": f"{name}/{inner['channel'].removeprefix(f'{name}/')}"}
        for inner in row.get("campaigns") or ()
    ]


def _alt_of_allocation(material: Material, rows: Sequence[Row]) -> str:
    moved = sorted(
        (row for row in rows if row["change"] is not None), key=lambda row: -abs(row["change"])
    )
    told = [
        f"{row['channel']} from {amount(row['current_spend'])} to {amount(row['spend'])}"
        for row in moved[:3]
    ]
    text = f"Bars of spend per {material.period} now and recommended, channel by channel."
    return f"{text} The largest moves: {', '.join(told)}." if told else text


def _draw_allocation(figure: Figure, material: Material, rows: Sequence[Row]) -> None:
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


def _table_of_allocation(material: Material, rows: Sequence[Row]) -> FigureTable:
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


RESPONSES_TITLE = "Response curves"
MOST_CURVES = 15
"""Curves in one picture, those with the most money; all are in the table."""


def responses(material: Material) -> Plot | Missing:
    """One panel a channel (or campaign)."""
    bands = sorted(material.bands, key=lambda band: -_money(band))
    shown = bands[:MOST_CURVES]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    left = len(bands) - len(shown)
    note = (
        f"Each curve is the expected {material.outcome} per {material.period} from spending so "
        f"much every {material.period}, carryover included; the band holds it with a "
        "probability of 90 %."
    )
    if any(material.observed(band["channel"]) is not None for band in shown):
        note += (
            f" A point is one {material.period}: across, its spend with what carried over from "
            f"before, as spend kept up every {material.period}; upwards, what the model "
            "attributes to it, moved by the same factor as the curve's return."
        )
    else:
        note += " No points: there is no history with its fit behind these curves."
    note += " Beyond the highest spend ever observed (shaded) the curve is extrapolated."
    if left:
        note += f" The {left} curves with the least money are in the table only."
    return Plot(
        name="responses",
        title=RESPONSES_TITLE,
        alt=_alt_of_responses(material, shown),
        note=note,
        size=(9.0, 0.75 + 2.15 * rows),
        draw=lambda figure: _draw_responses(figure, material, shown, rows, columns),
        tables=_tables_of_responses(material, bands),
    )


def _money(band: Mapping[str, Any]) -> float:
    return float(max(band["recommended_spend"], band["current_spend"] or 0.0))


def _alt_of_responses(material: Material, bands: Sequence[Mapping[str, Any]]) -> str:
    told = [
        f"{band['channel']} from {amount(band['current_spend'])} to "
        f"{amount(band['recommended_spend'])}"
        for band in bands[:4]
    ]
    return (
        f"Response curves of {plural(len(bands), 'channel')} with their 90 % bands, current and "
        f"recommended spend per {material.period} marked: {', '.join(told)}"
        f"{', and more' if len(bands) > len(told) else ''}."
    )


def _draw_responses(
    figure: Figure,
    material: Material,
    bands: Sequence[Mapping[str, Any]],
    rows: int,
    columns: int,
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, band in zip(panels, bands, strict=False):
        _panel(axes, material, band)
    for axes in panels[len(bands) :]:
        axes.set_axis_off()
    figure.supxlabel(f"spend per {material.period} ({material.money})", fontsize=9.5)
    figure.supylabel(f"{material.outcome_short} per {material.period}", fontsize=9.5)
    handles: list[Any] = [
        Line2D([], [], color=ACCENT, linewidth=1.8),
        Patch(color=ACCENT, alpha=0.22, linewidth=0),
        Line2D([], [], color=NOW, linewidth=1.6, linestyle=(0, (4, 2))),
        Line2D([], [], color=INK, linewidth=1.6),
        Patch(color=SPAN, linewidth=0),
    ]
    labels = ["expected", "90 % band", "spend now", "recommended", "never observed"]
    if any(material.observed(band["channel"]) is not None for band in bands):
        handles.append(Line2D([], [], color=INK, marker="o", markersize=3, linestyle="", alpha=0.5))
        labels.append(f"one {material.period} of history")
    legend_above(figure, handles, labels, 1)


def _panel(axes: Axes, material: Material, band: Mapping[str, Any]) -> None:
    points = band["points"]
    spend = [point["spend"] for point in points]
    middle = [point["outcome"] for point in points]
    limit, top = spend[-1], max(middle)
    if points[0]["low"] is not None:
        high = [point["high"] for point in points]
        axes.fill_between(
            spend,
            [point["low"] for point in points],
            high,
            color=ACCENT,
            alpha=0.22,
            linewidth=0,
        )
        top = max(high)
    observed = material.observed(band["channel"])
    if observed is not None:
        axes.scatter(*observed, s=6, color=INK, alpha=0.3, linewidths=0, zorder=3.5)
        top = max(top, float(observed[1].max()))
    seen = band["observed_max"]
    if seen is not None and seen < limit:
        axes.axvspan(seen, limit, color=SPAN, linewidth=0, zorder=0)
    axes.plot(spend, middle, color=ACCENT, linewidth=1.8, zorder=3)
    axes.axvline(band["recommended_spend"], color=INK, linewidth=1.6, zorder=4)
    if band["current_spend"] is not None:
        # Above the other, with gaps: where both are the same, both are seen.
        axes.axvline(
            band["current_spend"], color=NOW, linewidth=1.8, linestyle=(0, (4, 3)), zorder=5
        )
    axes.set_xlim(-0.025 * limit, limit)
    axes.set_ylim(0.0, 1.06 * top if top > 0.0 else 1.0)
    axes.set_title(short(band["channel"]))
    amounts_on(axes.xaxis, 3)
    amounts_on(axes.yaxis, 4)
    tidy(axes)


def _tables_of_responses(
    material: Material, bands: Sequence[Mapping[str, Any]]
) -> tuple[FigureTable, ...]:
    per = f"per {material.period}"
    best, now = material.plan.best, material.plan.current
    place = {arm.name: a for a, arm in enumerate(material.arms)}
    rows = []
    for band in bands:
        a = place[band["channel"]]
        rows.append(
            (
                band["channel"],
                band["current_spend"],
                None if now is None else float(now.outcome[a].sum()),
                band["recommended_spend"],
                float(best.outcome[a].sum()),
                band["observed_max"],
                material.return_factor(band["channel"]),
            )
        )
    head = (
        "channel",
        f"spend now ({material.money} {per})",
        f"{material.outcome} now",
        "recommended spend",
        f"{material.outcome} then",
        "highest spend observed",
        "points moved by",
    )
    grid = tuple(
        (
            band["channel"],
            point["spend"],
            point["outcome"],
            point["low"],
            point["high"],
            point["marginal_return"],
        )
        for band in bands
        for point in band["points"][::2]
    )
    return (
        FigureTable(f"Where spend is on each curve, {per}", head, tuple(rows)),
        FigureTable(
            f"The curves, every other point, {per}",
            (
                "channel",
                f"spend ({material.money})",
                material.outcome,
                "90 % low",
                "90 % high",
                "marginal return",
            ),
            grid,
            folded=True,
        ),
    )


BUDGET_TITLE = "Budgets and what they bring"


def budget(material: Material) -> Plot | Missing:
    """Best outcome by budget above, marginal return below."""
    if material.problem.one_budget <= 0.0:
        why = "Nothing is spent today: give a budget (?budget=...) to see what others would bring."
        return Missing("budget", BUDGET_TITLE, why)
    rows = [row for row in material.sweep if row["outcome"] is not None]
    if len(rows) < 2:
        return Missing("budget", BUDGET_TITLE, "No other budget can be spent within the limits.")
    note = (
        f"Each budget is split as well as it can be. The marginal return is the {material.outcome} "
        f"that one more {material.unit} brings: hold it against what so much {material.outcome} is "
        "worth to you."
    )
    if any(row["marginal_return"] is None for row in rows):
        note += " Where it is not shown, it has no single value there."
    return Plot(
        name="budget",
        title=BUDGET_TITLE,
        alt=_alt_of_budget(material, rows),
        note=note,
        size=(9.0, 5.2),
        draw=lambda figure: _draw_budget(figure, material, rows),
        tables=(_table_of_budget(material, rows),),
    )


def _alt_of_budget(material: Material, rows: Sequence[Row]) -> str:
    first, last = rows[0], rows[-1]
    return (
        f"Two panels by budget per {material.period}. Above, the best {material.outcome} with its "
        f"90 % band, from {amount(first['outcome'])} at {amount(first['budget'])} to "
        f"{amount(last['outcome'])} at {amount(last['budget'])}; below, the marginal return, from "
        f"{amount(first['marginal_return'])} to {amount(last['marginal_return'])}."
    )


def _draw_budget(figure: Figure, material: Material, rows: Sequence[Row]) -> None:
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


def _table_of_budget(material: Material, rows: Sequence[Row]) -> FigureTable:
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


RETURNS_TITLE = "Returns: before, after, and planned with"
MOST_RETURNS = 20
"""Arms in one picture."""

WIDE = 30.0
"""Ratio of the ends from which the axis is logarithmic."""

Range = tuple[float | None, float | None, float | None]
NONE: Range = (None, None, None)


@dataclass(frozen=True, slots=True)
class _Return:
    """90 % low, middle and 90 % high of a return, three times."""

    arm: str
    prior: Range
    learned: Range
    planned: Range
    verdict: str

    def ends(self) -> list[float]:
        return [
            x for part in (self.prior, self.learned, self.planned) for x in part if x is not None
        ]


def returns(material: Material) -> Plot | Missing:
    """Up to three intervals an arm."""
    found = _returns(material)
    known = [item for item in found if item.ends()]
    if not known:
        why = "These curves came without returns (outcome per unit of money over a history)."
        return Missing("returns", RETURNS_TITLE, why)
    shown = known[:MOST_RETURNS]
    note = (
        f"{material.outcome.capitalize()} per {material.unit} over the history, with 90 % "
        "intervals. Grey is what was believed before the data (the median in its middle), blue "
        "what the model read off them, orange what plans use: a history alone misleads more than "
        "its model knows, so returns are widened and moved towards the prior, but for channels "
        "with a lift test."
    )
    if len(known) > len(shown):
        note += f" The {len(known) - len(shown)} with the least spend are in the table only."
    return Plot(
        name="returns",
        title=RETURNS_TITLE,
        alt=_alt_of_returns(material, shown),
        note=note,
        size=(9.0, 1.0 + 0.48 * len(shown)),
        draw=lambda figure: _draw_returns(figure, material, shown),
        tables=(_table_of_returns(material, found),),
    )


def _returns(material: Material) -> list[_Return]:
    told = {
        row["channel"]: row
        for row in material.curves.diagnostics.get("channels") or ()
        if isinstance(row, dict) and "channel" in row
    }
    curves = sorted(material.curves.channels, key=lambda curve: -curve.observed_spend.mean)
    out = []
    for curve in curves:
        row = told.get(curve.channel) or {}
        planned: Range = NONE
        if curve.roi is not None:
            low, high = curve.roi.interval or (None, None)
            planned = (low, curve.roi.mean, high)
        out.append(
            _Return(
                curve.channel,
                _three(row.get("prior_roi")),
                _three(row.get("posterior_roi")),
                planned,
                curve.verdict,
            )
        )
    return out


def _three(values: Sequence[float | None] | None) -> Range:
    if values is None or len(values) != 3:
        return NONE
    return values[0], values[1], values[2]


def _alt_of_returns(material: Material, found: Sequence[_Return]) -> str:
    told = [
        f"{item.arm} {amount(item.planned[1])} ({amount(item.planned[0])} to "
        f"{amount(item.planned[2])})"
        for item in found[:4]
        if item.planned[1] is not None
    ]
    return (
        f"Intervals of {material.outcome} per {material.unit} by channel, prior, as "
        f"learned and as planned with: {', '.join(told)}."
    )


def _draw_returns(figure: Figure, material: Material, found: Sequence[_Return]) -> None:
    from matplotlib.lines import Line2D

    axes = figure.subplots()
    marks = (("prior", PLAIN, "|"), ("learned", ACCENT, "o"), ("planned", NOW, "D"))
    for k, item in enumerate(found):
        for (part, colour, marker), shift in zip(marks, (-0.24, 0.0, 0.24), strict=True):
            low, middle, high = getattr(item, part)
            if low is not None and high is not None:
                axes.plot([low, high], [k + shift] * 2, color=colour, linewidth=2.2)
            if middle is not None:
                axes.plot(
                    [middle],
                    [k + shift],
                    marker=marker,
                    color=INK if marker == "|" else colour,
                    markersize=6,
                    markeredgewidth=1.6 if marker == "|" else 0.0,
                )
    ends = [x for item in found for x in item.ends()]
    axes.set_xlabel(f"{material.outcome_short} per {material.unit}")
    if min(ends) > 0.0 and max(ends) / min(ends) > WIDE:
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_decades(min(ends), max(ends))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: amount(float(x))))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{axes.get_xlabel()}, logarithmic")
    else:
        axes.set_xlim(left=min(0.0, *ends))
        amounts_on(axes.xaxis, 8)
    axes.set_yticks(list(range(len(found))), [short(item.arm) for item in found])
    axes.set_ylim(len(found) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    tidy(axes, grid="x")
    handles: list[Any] = []
    labels: list[str] = []
    words = {"prior": "believed before", "learned": "learned", "planned": "planned with"}
    for part, colour, marker in marks:
        if any(getattr(item, part) != NONE for item in found):
            handles.append(Line2D([], [], color=colour, marker=marker, linewidth=2.2, markersize=5))
            labels.append(words[part])
    legend_above(figure, handles, labels, 1)


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within the range; the powers alone where it is long.

    >>> _decades(0.3, 6.0)
    [0.5, 1.0, 2.0, 5.0]
    """
    steps = (1.0, 2.0, 5.0) if high / low < 2000.0 else (1.0,)
    marks = [float(f"{step}e{power}") for power in range(-12, 13) for step in steps]
    return [mark for mark in marks if low <= mark <= high]


def _table_of_returns(material: Material, found: Sequence[_Return]) -> FigureTable:
    head = (
        "channel",
        "prior low",
        "prior median",
        "prior high",
        "learned low",
        "learned mean",
        "learned high",
        "planned low",
        "planned mean",
        "planned high",
        "verdict",
    )
    rows = tuple(
        (item.arm, *item.prior, *item.learned, *item.planned, item.verdict) for item in found
    )
    caption = f"{material.outcome.capitalize()} per {material.unit}, with 90 % intervals"
    return FigureTable(caption, head, rows)
