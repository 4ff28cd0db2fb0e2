"""What a picture is made of, whatever it shows: its parts, its looks, and how it is drawn.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008). Ink, grid and paper
have codes of their own, so that a page can put its own in their place by day and by night.

A plot is drawn as SVG or PNG, the same bytes for the same figures. matplotlib is loaded when the
first picture is asked for, without a display. Its settings belong to the whole process, so pictures
are drawn one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from math import isfinite
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.frequency import frequency, word
from shared.plan.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "BASE",
    "GRID",
    "INK",
    "MUTED",
    "NOW",
    "OTHER",
    "PAPER",
    "PLAIN",
    "SPAN",
    "Cell",
    "FigureTable",
    "Missing",
    "Plot",
    "Share",
    "Spell",
    "amount",
    "amounts_on",
    "colours_of",
    "dates_on",
    "day_number",
    "legend_above",
    "percent",
    "png",
    "short",
    "spells",
    "svg",
    "tidy",
]

Floats = NDArray[np.float64]

LONGEST = 22
"""Characters of a name that fit beside an axis."""


@dataclass(frozen=True, slots=True)
class Share:
    """A cell that reads as a percentage; ``signed`` for a change."""

    value: float | None
    signed: bool = False


Cell = str | float | Share | None
"""A cell of a table; None is an amount that is not known."""


@dataclass(frozen=True, slots=True)
class FigureTable:
    """Figures below a picture. ``folded``: long, shown when asked for."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: ``size`` is (width, height) in inches, ``draw`` fills an empty figure.

    ``alt`` says in words what is to be seen, ``note`` how to read it.
    """

    name: str
    title: str
    alt: str
    note: str
    size: tuple[float, float]
    draw: Callable[[Figure], None]
    tables: tuple[FigureTable, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A picture that cannot be drawn, and why."""

    name: str
    title: str
    why: str


def amount(value: float | None) -> str:
    """An amount for reading: no decimals from a thousand up, four digits below.

    >>> amount(1234567.8), amount(-12.3456), amount(None), amount(0.0), amount(999.96)
    ('1,234,568', '-12.35', '–', '0', '1,000')
    """
    if value is None or not isfinite(value):
        return "–"
    if abs(value) >= 999.95:
        return f"{value:,.0f}"
    return number(value)


def percent(share: float | None, *, signed: bool = False) -> str:
    """A share as a percentage with one decimal.

    >>> percent(0.1234), percent(0.5, signed=True), percent(None), percent(-0.0001, signed=True)
    ('12.3 %', '+50.0 %', '–', '0.0 %')
    """
    if share is None or not isfinite(share):
        return "–"
    text = f"{100 * share:+,.1f} %" if signed else f"{100 * share:,.1f} %"
    return "0.0 %" if text in ("-0.0 %", "+0.0 %") else text


def short(name: str) -> str:
    """A name for a picture: one line, not too long, never read as a command to leave it out.

    >>> short("a very long name of a channel"), short("_hidden")
    ('a very long name of a…', ' _hidden')
    """
    line = "".join(c if c.isprintable() else " " for c in name)
    if len(line) > LONGEST:
        line = line[: LONGEST - 1] + "…"
    # matplotlib leaves what begins with an underscore out of its legends.
    return f" {line}" if line.startswith("_") else line


_PIXELS = 200
"""Pixels of a PNG for each inch."""

_one_at_a_time = Lock()


def svg(plot: Plot) -> str:
    """The picture as an SVG document of its own."""
    return _drawn(plot, "svg", {"Date": None, "Creator": "Marginal", "Title": plot.title}).decode()


def png(plot: Plot) -> bytes:
    """The picture as a PNG, ``_PIXELS`` to the inch."""
    return _drawn(plot, "png", {"Software": None, "Title": plot.title})


def _drawn(plot: Plot, kind: str, metadata: dict[str, str | None]) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {**SETTINGS, "svg.hashsalt": plot.name}
    # The salt names what pictures refer to within themselves: several stand in one page.
    with _one_at_a_time, rc_context(settings):
        figure = Figure(figsize=plot.size, layout="constrained")
        FigureCanvasAgg(figure)
        plot.draw(figure)
        out = BytesIO()
        figure.savefig(out, format=kind, dpi=_PIXELS if kind == "png" else 72, metadata=metadata)
    return out.getvalue()


INK = "#1f2430"
MUTED = "#5b6472"
GRID = "#dde1e7"
PAPER = "#fefefe"
SPAN = "#e3e7ee"  # a shaded stretch of an axis
OTHER = "#a3a9b3"
ACCENT = "#0072b2"
NOW = "#e69f00"
PLAIN = "#8a93a1"  # what stands behind: a prior, a level
CHANNELS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#f0e442",
    INK,
)
BASE = ("#c3c9d2", "#98a1ae", "#6e7886", "#b3a894", "#857a68")
"""Parts of the baseline: greys, and two warm ones."""

DATES = 8
"""Dates written on an axis."""

SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.6,
    # A channel may be called "$x$": names are names, not formulas.
    "text.parse_math": False,
    "text.usetex": False,
    # Text stays text: small files, and words that can be searched and read aloud.
    "svg.fonttype": "none",
    "path.simplify": True,
}

MOST = 62
"""Spells that stand side by side in a picture."""


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour by name: the first eight have their own; of more, seven, and the rest share one."""
    own = names if len(names) <= len(CHANNELS) else names[: len(CHANNELS) - 1]
    return {
        name: CHANNELS[place] if place < len(own) else OTHER for place, name in enumerate(names)
    }


def tidy(axes: Axes, *, grid: str = "y") -> None:
    """Only the axes that say something, with a grid behind what is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid in ("x", "both"):
        axes.grid(axis="x")
    if grid in ("y", "both"):
        axes.grid(axis="y")


def amounts_on(axis: Axis, most: int = 6) -> None:
    """Round ticks written with thousands separators."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(float(value))))


def _tick(value: float) -> str:
    """
    >>> _tick(1250000.0), _tick(12500000.0), _tick(0.25), _tick(0.0), _tick(2e-7), _tick(-1500.0)
    ('1,250,000', '12.5M', '0.25', '0', '2e-07', '-1,500')
    """
    if value == 0.0:
        return "0"
    if abs(value) >= 1e13:
        return f"{value:.3g}"
    if abs(value) >= 1e10:
        return f"{value / 1e9:,.10g}bn"
    if abs(value) >= 1e7:
        return f"{value / 1e6:,.10g}M"
    if abs(value) >= 1e-4:
        return f"{value:,.10g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.3g}"


def dates_on(axis: Axis, first: date, last: date) -> None:
    """At most ``DATES`` months written out, or days where a year is not even half full."""
    days = _marks(first, last)
    form = "%b %Y" if all(day.day == 1 for day in days) else "%d %b %Y"
    axis.set_ticks([day_number(day) for day in days], [day.strftime(form) for day in days])


def day_number(day: date) -> float:
    """A date's place on an axis."""
    return float(day.toordinal())


def _marks(first: date, last: date) -> list[date]:
    """
    >>> [day.isoformat() for day in _marks(date(2022, 1, 3), date(2023, 12, 25))][:3]
    ['2022-04-01', '2022-07-01', '2022-10-01']
    >>> [day.isoformat() for day in _marks(date(2022, 1, 3), date(2022, 2, 28))][:2]
    ['2022-01-03', '2022-01-11']
    """
    span = (last - first).days
    if span < 120:
        step = max(1, -(-span // (DATES - 1)))
        return [first + timedelta(days=step * k) for k in range(span // step + 1)]
    months = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    for step in (1, 3, 6, 12, 24, 60, 120, 600):
        days = [date(m // 12, m % 12 + 1, 1) for m in months if m % step == 0]
        days = [day for day in days if first <= day <= last]
        if len(days) <= DATES:
            break
    return days


def legend_above(figure: Figure, handles: Sequence[Any], labels: Sequence[str], rows: int) -> None:
    """A legend over the whole width, in the free stretch at the top of the figure."""
    columns = -(-len(labels) // max(rows, 1))
    figure.legend(
        list(handles),
        list(labels),
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.4,
        handlelength=1.5,
        borderaxespad=0.2,
    )


@dataclass(frozen=True, slots=True)
class Spell:
    """Neighbouring periods: the index of the first, one past the last, and when they start."""

    start: int
    stop: int
    first: date
    days: int

    @property
    def middle(self) -> date:
        """The day in its middle, where it is drawn."""
        return self.first + timedelta(days=self.days // 2)

    def mean(self, values: Floats) -> float | None:
        """Mean per period of ``values`` (T,) over what is known; None where nothing is."""
        part = values[self.start : self.stop]
        known = part[np.isfinite(part)]
        return float(known.mean()) if known.size else None


def spells(dates: Sequence[date], every: str) -> tuple[str, list[Spell]]:
    """What the periods are put together to ("week" itself, "month", "quarter", "year"), and how.

    >>> days = [date(2024, 1, 1) + timedelta(days=7 * t) for t in range(104)]
    >>> name, found = spells(days, "week")
    >>> name, len(found), found[1].first.isoformat(), found[1].start
    ('month', 24, '2024-02-05', 5)
    """
    keys: dict[str, Callable[[date], tuple[int, ...]]] = {
        word(every): lambda day: (day.toordinal(),),
        "month": lambda day: (day.year, day.month),
        "quarter": lambda day: (day.year, (day.month - 1) // 3),
        "year": lambda day: (day.year,),
    }
    for name, key in keys.items():
        starts = [t for t in range(len(dates)) if t == 0 or key(dates[t]) != key(dates[t - 1])]
        if len(starts) <= MOST or name == "year":
            break
    stops = [*starts[1:], len(dates)]
    last = frequency(every).after(dates[-1]) if dates else None
    made = []
    for start, stop in zip(starts, stops, strict=True):
        end = dates[stop] if stop < len(dates) else last
        assert end is not None
        made.append(Spell(start, stop, dates[start], (end - dates[start]).days))
    return name, made
