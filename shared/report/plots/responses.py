"""Response curves with their bands, what was observed, and where spend is and should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.plan.words import plural
from shared.report.material import Material
from shared.report.plot import FigureTable, Missing, Plot, amount, short
from shared.report.style import ACCENT, INK, NOW, SPAN, amounts_on, legend_above, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "responses"
TITLE = "Response curves"
MOST = 15
"""Curves in one picture, those with the most money; all are in the table."""


def plot(material: Material) -> Plot | Missing:
    """One panel a channel (or campaign)."""
    bands = sorted(material.bands, key=lambda band: -_money(band))
    shown = bands[:MOST]
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
        name=NAME,
        title=TITLE,
        alt=_alt(material, shown),
        note=note,
        size=(9.0, 0.75 + 2.15 * rows),
        draw=lambda figure: _draw(figure, material, shown, rows, columns),
        tables=_tables(material, bands),
    )


def _money(band: Mapping[str, Any]) -> float:
    return float(max(band["recommended_spend"], band["current_spend"] or 0.0))


def _alt(material: Material, bands: Sequence[Mapping[str, Any]]) -> str:
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


def _draw(
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


def _tables(material: Material, bands: Sequence[Mapping[str, Any]]) -> tuple[FigureTable, ...]:
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
