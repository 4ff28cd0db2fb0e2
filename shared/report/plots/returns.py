"""What each channel returns per unit of money: believed before, learned, and planned with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.report.material import Material
from shared.report.plot import FigureTable, Missing, Plot, amount, short
from shared.report.style import ACCENT, INK, NOW, PLAIN, amounts_on, legend_above, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NAME", "TITLE", "plot"]

NAME = "returns"
TITLE = "Returns: before, after, and planned with"
MOST = 20
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


def plot(material: Material) -> Plot | Missing:
    """Up to three intervals an arm."""
    found = _returns(material)
    known = [item for item in found if item.ends()]
    if not known:
        why = "These curves came without returns (outcome per unit of money over a history)."
        return Missing(NAME, TITLE, why)
    shown = known[:MOST]
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
        name=NAME,
        title=TITLE,
        alt=_alt(material, shown),
        note=note,
        size=(9.0, 1.0 + 0.48 * len(shown)),
        draw=lambda figure: _draw(figure, material, shown),
        tables=(_table(material, found),),
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


def _alt(material: Material, found: Sequence[_Return]) -> str:
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


def _draw(figure: Figure, material: Material, found: Sequence[_Return]) -> None:
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


def _table(material: Material, found: Sequence[_Return]) -> FigureTable:
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
