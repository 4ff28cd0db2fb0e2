"""Names that may be one name spelt in two ways: kept apart, and reported."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import combinations

from shared.history.table import Finding

__all__ = ["similar_names"]

_MOST = 300
"""Names that are compared pair by pair; longer lists are compared by their letters alone."""
_LONG = 6
"""Letters from which a single slip is no name of its own ("facebok", but "tv" and "tw")."""


def similar_names(names: Collection[str], kind: str) -> list[Finding]:
    """Pairs that differ in capitals, spaces and marks only, or by one slip in a longer word.

    Digits tell names apart: "campaign 1" and "campaign 2" are two.

    Parameters
    ----------
    kind
        What the names are of: "channels", "campaigns", "geos".

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
    if len(singles) <= _MOST:
        for first, second in combinations(singles, 2):
            if _one_word_slips(_words(first), _words(second)):
                found.append(_finding([first, second], "are one slip of the keys apart", kind))
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
