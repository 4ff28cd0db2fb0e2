"""What a picture of a report is made of, whatever it shows, and how amounts are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from shared.plan.words import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Cell",
    "FigureTable",
    "Missing",
    "Plot",
    "Share",
    "amount",
    "percent",
    "short",
]

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
