"""The table: one row of cells for us or for a peer, in markdown, kept in a file while it grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

__all__ = ["ANEW", "OURS", "Row", "Sheet", "duration", "render"]

OURS = "ours"
BROKE = "BROKE"

ANEW = ("skipped: ", "summary: ")
"""A row whose note begins so is not read back: the next run may be able to, or know more."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a line, as text; ``README.md`` says what each column means."""

    name: str
    who: str = OURS
    instances: str = ""
    median: str = ""
    p95: str = ""
    solve: str = ""
    recheck: str = ""
    reached: str = ""
    middle: str = ""
    worst: str = ""
    limit: str = ""
    ratio: str = ""
    verdict: str = ""
    noise: str = ""
    note: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the limit was held; None where there is none."""
        return self.verdict.startswith("held") if self.verdict else None


HEAD = Row(
    name="class",
    who="who",
    instances="instances",
    median="median",
    p95="p95",
    solve="solving",
    recheck="recheck",
    reached="gap reached",
    middle="gap or loss, median",
    worst="at worst",
    limit="limit",
    ratio="ratio",
    verdict="limit was",
    noise="machine",
    note="note",
)


def duration(seconds: float) -> str:
    """CPU time in three figures."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"


def _line(row: Row) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in astuple(row)) + " |"


def render(rows: Iterable[Row]) -> str:
    """The table as markdown, its head included."""
    return "\n".join([_line(HEAD), "| --- " * len(fields(Row)) + "|", *map(_line, rows), ""])


class Sheet:
    """The rows so far; with a ``path`` they are read from it, and each new one is written at once.

    A row is known by its class and by who. Rows that broke, were skipped or sum up others are not
    read back: they run again. Text above the table stays as it is.

    Raises
    ------
    ValueError
        The file holds something else than such a table at its end.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._above = ""
        self.rows: list[Row] = []
        if path is not None and path.exists() and (text := path.read_text("utf-8")).strip():
            self._above, head, table = text.partition(_line(HEAD))
            if not head:
                raise ValueError(f"{path} has no table of this version; move it away")
            found = [_read(line) for line in table.splitlines()[2:] if line.strip()]
            self.rows = [
                row for row in found if row.verdict != BROKE and not row.note.startswith(ANEW)
            ]
        self._write()

    def has(self, name: str, who: str) -> bool:
        """Whether that row is known."""
        return any((row.name, row.who) == (name, who) for row in self.rows)

    def add(self, row: Row) -> None:
        """Append a row, after the other rows of its class."""
        own = [i for i, other in enumerate(self.rows) if other.name == row.name]
        self.rows.insert(own[-1] + 1 if own else len(self.rows), row)
        self._write()

    def broke(self, name: str, failure: Exception) -> None:
        """Say that a class failed; what was measured before is not thrown away."""
        self.add(replace(Row(name), verdict=BROKE, note=repr(failure).replace("\n", " ")))

    def _write(self) -> None:
        if self._path is not None:
            # Through a second file: stopped at any moment, what is there is whole.
            draft = self._path.with_name(self._path.name + ".part")
            draft.write_text(self._above + render(self.rows), "utf-8")
            draft.replace(self._path)


def _read(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != len(fields(Row)):
        raise ValueError(f"not a row of this table: {line[:80]}")
    return Row(*cells)
