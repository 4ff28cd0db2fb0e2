"""Names of columns, channels and geos: their words, totals, and one name spelt in two ways."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence, Set
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from shared.history.faults import FaultLog
from shared.history.reading import Table
from shared.history.table import Finding

__all__ = [
    "SPEND",
    "TOTALS",
    "called_total",
    "plain_name",
    "refuse_same",
    "same",
    "says_total",
    "similar_names",
    "tokens",
    "words",
]

SPEND = frozenset(
    {"spend", "spends", "spending", "cost", "costs", "spent", "investment"}
    | {"kosten", "ausgaben", "gasto", "gastos", "coste", "depenses", "dépenses", "spesa"}
)
TOTALS = frozenset(
    {"total", "totals", "subtotal", "sum", "overall", "all"}
    | {"gesamt", "insgesamt", "summe", "gesamtsumme", "somme", "totale", "suma", "totaal"}
)


def words(text: str) -> tuple[str, ...]:
    """Words with spaces between them, in their order."""
    return tuple(text.split())


_BESIDE_TOTALS = SPEND | {"grand", "channel", "channels", "media", "campaigns", "geos", "regions"}

_MOST = 300
"""Names that are compared pair by pair; longer lists are compared by their letters alone."""
_LONG = 6
"""Letters from which a single slip is no name of its own ("facebok", but "tv" and "tw")."""


def tokens(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower case.

    >>> tokens("Channel0_spend"), tokens("spend_cr_tv"), tokens("OnlineMarketing cost")
    (('channel0', 'spend'), ('spend', 'cr', 'tv'), ('online', 'marketing', 'cost'))
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(word.casefold() for word in re.findall(r"[^\W_]+", split))


def called_total(name: str) -> bool:
    """Whether a name says "total" and nothing that it could be the total of.

    >>> called_total("Grand Total"), called_total("gesamt"), called_total("Total Wireless")
    (True, True, False)
    """
    words = set(tokens(name))
    return not words.isdisjoint(TOTALS) and words <= TOTALS | _BESIDE_TOTALS


_SAYS_TOTAL = re.compile(rf"\W*(?:(?:grand|sub)[ -]?)?(?:{'|'.join(sorted(TOTALS))})\b", re.I)


def says_total(cell: str) -> bool:
    """Whether a cell of a row without a date makes it a total: it begins with the word.

    >>> says_total("Total: Campaigns"), says_total("Grand total"), says_total("Allied Cars")
    (True, True, False)
    """
    return _SAYS_TOTAL.match(cell.strip()) is not None


def plain_name(name: str) -> str:
    """A platform's name without the marks that separate campaigns and geos here.

    >>> plain_name(" Brand | EN")
    'Brand _ EN'
    """
    return re.sub(r"[/|]+", "_", name.strip())


def same(name: str) -> str:
    """A key that two spellings of one name share: capitals, spaces and separators do not count.

    >>> same("Face-Book") == same("facebook "), same("ad 1-1") == same("ad 11")
    (True, False)
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"(?<!\d)[\s_.,:;'\"()/|-]+|[\s_.,:;'\"()/|-]+(?!\d)", "", folded) or folded


def refuse_same(
    table: Table,
    column: str,
    names: pd.Categorical,
    faults: FaultLog,
    apart: Collection[str],
    field: str = "channels",
) -> None:
    """Add a fault for every second spelling of a name in a column.

    One name in two spellings would be two channels, each with a part of the money. ``apart`` are
    names that the spec tells apart, in its ``field``.
    """
    remedy = f", or name both in '{field}' of the spec if they are two, one among the 'aliases' of"
    remedy += " the other if they are one"
    rows = dict(
        zip(names.categories, np.unique(names.codes, return_index=True)[1].tolist(), strict=True)
    )
    spelt: dict[str, str] = {}
    for name, row in rows.items():
        other = spelt.setdefault(same(name), name)
        if other != name and not (name in apart and other in apart):
            faults.add(
                table.pointer(row, column),
                "same_name",
                f"{table.place(row, column)}: '{name}' is spelt '{other}' in row "
                f"{table.lines[rows[other]]}: write it in one way{remedy}.",
            )


def similar_names(
    names: Collection[str],
    kind: str,
    said: Set[str] | None = None,
    *,
    among: int | None = None,
) -> list[Finding]:
    """Pairs that differ in capitals, spaces and marks only, or by one slip in a longer word.

    Digits tell names apart: "campaign 1" and "campaign 2" are two.

    Parameters
    ----------
    kind
        What the names are of: "channels", "campaigns", "geos".
    said
        The names that the spec tells apart, where it has a place for them: pairs that it does not
        name stay to be settled.
    among
        How many names there are in all, where others are compared on their own.

    Examples
    --------
    >>> [f.data["channels"] for f in similar_names(["Face Book", "facebook"], "channels")]
    [['Face Book', 'facebook']]
    """
    found = []
    bare: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        bare.setdefault(_bare(name), []).append(name)
    for group in bare.values():
        if len(group) > 1:
            same = len({name.casefold() for name in group}) == 1
            what = "capital letters only" if same else "capitals, spaces and marks only"
            found.append(_finding(group, f"differ in {what}", kind))
    singles = [group[0] for group in bare.values()]
    if (among or len(singles)) <= _MOST:
        words = {name: _words(name) for name in singles}
        for first, second in combinations(singles, 2):
            if _one_word_slips(words[first], words[second]):
                found.append(_finding([first, second], "are one slip of the keys apart", kind))
    if said is not None:
        found = [f if set(f.data[kind]) <= said else replace(f, settled_by=kind) for f in found]
    return found[:20]


def _finding(names: Sequence[str], how: str, kind: str) -> Finding:
    return Finding(
        "similar_names",
        f"{' and '.join(map(repr, names))} {how} and were kept apart.",
        {kind: list(names)},
    )


def _bare(name: str) -> str:
    """Letters and digits alone, folded; of a name without any of them the name itself."""
    return "".join(re.findall(r"[^\W_]", name.casefold())) or name


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", name.casefold())


def _one_word_slips(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether all words are the same but one long one, which is one slip from the other."""
    if len(first) != len(second):
        return False
    differ = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    if len(differ) != 1:
        return False
    a, b = differ[0]
    return not a.isdigit() and min(len(a), len(b)) >= _LONG and _one_slip(a, b)


def _one_slip(a: str, b: str) -> bool:
    """One letter more, less or other, or two neighbours swapped; the first letters agree."""
    if a[0] != b[0] or abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return len(a) != len(b)
    rest_a, rest_b = a[start:], b[start:]
    if len(a) == len(b):
        swapped = rest_a[1::-1] == rest_b[:2] and rest_a[2:] == rest_b[2:]
        return swapped or rest_a[1:] == rest_b[1:]
    longer, shorter = (rest_a, rest_b) if len(a) > len(b) else (rest_b, rest_a)
    return longer[1:] == shorter
