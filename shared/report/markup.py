"""Small pieces of HTML: everything that is not markup of this module is escaped here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from shared.report.plot import Cell, Plot, Share, Table, amount, percent
from shared.report.style import ACCENT, BASE, GRID, INK, MUTED, PAPER, SPAN

__all__ = ["anchored", "bullets", "embedded", "facts", "table"]

TEXT = ' class="text"'
THEMED = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    SPAN: "span",
    ACCENT: "accent",
    BASE[0]: "base",
}
"""Colours of a picture that the page decides: other ones by day and by night."""


def anchored(name: str, title: str, body: str) -> str:
    """A section that can be linked to; ``body`` is HTML."""
    return f'<section id="{escape(name)}"><h2>{escape(title)}</h2>{body}</section>'


def bullets(sentences: Sequence[str]) -> str:
    """A list of plain sentences; nothing of none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in sentences)
    return f"<ul>{items}</ul>" if items else ""


def facts(known: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are."""
    pairs = "".join(
        f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in known if text
    )
    return f"<dl>{pairs}</dl>"


def table(told: Table) -> str:
    """Amounts for reading, each with its exact value in ``<data value>``."""
    # A column that says nothing in any row is left out.
    used = [k for k in range(len(told.head)) if any(row[k] not in ("", None) for row in told.rows)]
    words = [k for k in used if all(isinstance(row[k], str) for row in told.rows)]
    head = "".join(
        f'<th scope="col"{TEXT if k in words else ""}>{escape(told.head[k])}</th>' for k in used
    )
    rows = []
    for full in told.rows:
        row = [full[k] for k in used]
        first, *rest = row
        cells = f'<th scope="row">{_cell(first)}</th>'
        cells += "".join(f"<td{_kind(cell)}>{_cell(cell)}</td>" for cell in rest)
        rows.append(f"<tr>{cells}</tr>")
    caption = escape(told.caption)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    if told.folded:
        summary = f"<summary>{caption}: {len(told.rows):,} rows</summary>"
        return (
            f'<details>{summary}<div class="table"><table aria-label="{caption}">{inner}</details>'
        )
    return f'<div class="table"><table><caption>{caption}</caption>{inner}'


def _kind(cell: Cell) -> str:
    return TEXT if isinstance(cell, str) else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    if isinstance(cell, Share):
        text = percent(cell.value, signed=cell.signed)
        return text if cell.value is None else f'<data value="{cell.value!r}">{text}</data>'
    return amount(None) if cell is None else f'<data value="{cell!r}">{amount(cell)}</data>'


def embedded(document: str, plot: Plot) -> str:
    """An SVG document as an element of a page, in the page's colours, with its words for others."""
    start = document.index("<svg")
    opening, rest = document[start:].split(">", 1)
    # What is no picture stays out: metadata names the licence of no one and the day of drawing.
    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    rest = re.sub(r"<title>.*?</title>", "", rest, count=1, flags=re.DOTALL)
    for colour, name in THEMED.items():
        rest = rest.replace(colour, f"var(--{name})")
    names = f"{plot.name}-title {plot.name}-alt"
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    return (
        f'{opening} role="img" aria-labelledby="{names}">'
        f'<title id="{plot.name}-title">{escape(plot.title)}</title>'
        f'<desc id="{plot.name}-alt">{escape(plot.alt)}</desc>{rest}'
    )
