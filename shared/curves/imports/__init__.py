"""Curves of other tools: read from their exports, mapped exactly to the families here.

``import_curves`` is the one door to all formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.curves.curveset import CurveSet
from shared.curves.imports.imported import Spends, curve_set_of
from shared.curves.imports.meridian import read_meridian
from shared.curves.imports.points import read_curve_set, read_points
from shared.curves.imports.pymc_marketing import read_pymc
from shared.curves.imports.reading import Trouble, facts_of
from shared.curves.imports.robyn import read_robyn

__all__ = ["FORMATS", "import_curves"]

FORMATS = ("robyn", "meridian", "pymc_marketing", "table", "curve_set")

_READERS = {
    "robyn": read_robyn,
    "meridian": read_meridian,
    "pymc_marketing": read_pymc,
    "table": read_points,
}


def import_curves(asked: Mapping[str, Any]) -> CurveSet:
    """The curves of another tool's export as a curve set, without dataset and version.

    Parameters
    ----------
    asked
        The body of ``POST /curves/import``: ``format`` and what that format needs
        (``docs/imports.md``).

    Raises
    ------
    InvalidInput
        With every fault found, by JSON pointer into ``asked``: an unknown family, a scale that the
        export does not hold and nobody gave, draws that do not belong together, a falling table.
    """
    trouble = Trouble()
    facts = facts_of(asked, trouble)
    if asked["format"] != "curve_set":
        spends = Spends(asked, trouble)
        read, notes = _READERS[asked["format"]](asked, facts, spends, trouble)
        return curve_set_of(read, asked, facts, notes, trouble)
    made = curve_set_of(read_curve_set(asked, facts, trouble), asked, facts, (), trouble)
    document = asked["curve_set"]
    # What the set said of itself and nobody says otherwise.
    return replace(
        made,
        frequency=str(asked.get("frequency") or document.get("frequency") or made.frequency),
        currency=asked.get("currency") or document.get("currency"),
        outcome=str(asked.get("outcome") or document.get("outcome") or made.outcome),
    )
