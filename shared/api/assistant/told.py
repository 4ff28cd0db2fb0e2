"""What a tool answers: at most eight sentences, and figures at four digits in 1.5 KB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, log10
from typing import Any

from shared.api.json_body import dump_json

__all__ = ["MOST_BYTES", "MOST_SENTENCES", "Told", "rounded", "rows_told", "sentences"]

MOST_SENTENCES = 8
MOST_BYTES = 1500

LESS_WORTH = ("proof", "unsure_curve", "more_moves", "held", "constraint", "tie")
"""Sentences that go first where there are too many."""


@dataclass(frozen=True, slots=True)
class Told:
    """A tool's answer: sentences, figures, and (as base64) a picture."""

    text: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    picture: str | None = None


def rounded(value: Any) -> Any:
    """Figures at four digits, whole from a thousand on.

    >>> rounded({"a": 123456.7, "b": [0.123456, None, "x"], "c": 3})
    {'a': 123457, 'b': [0.1235, None, 'x'], 'c': 3}
    """
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    if not isinstance(value, float) or value == 0.0:
        return value
    digits = 3 - floor(log10(abs(value)))
    return round(value) if digits <= 0 else round(value, digits)


def rows_told(figures: dict[str, Any], key: str, by: str = "change") -> dict[str, Any]:
    """The figures with as many rows under ``key`` as there is room for, the largest first."""
    rows: Sequence[Mapping[str, Any]] = figures[key]
    out = rounded(figures)
    if len(dump_json(out)) <= MOST_BYTES:
        return dict(out)
    ranked = sorted(rows, key=lambda row: -abs(row.get(by) or 0.0))
    kept = len(ranked)
    while kept and len(dump_json(out)) > MOST_BYTES:
        kept = int(kept * 0.8)
        out = rounded({**figures, key: ranked[:kept], f"{key}_left_out": len(rows) - kept})
    return dict(out)


def sentences(found: Iterable[Mapping[str, Any] | str], most: int = MOST_SENTENCES) -> str:
    """At most so many sentences as one text, those that say least left out."""
    said = [({"code": "", "text": s} if isinstance(s, str) else s) for s in found]
    # One that is said twice, or of the same kind more than three times, is said once.
    kept: list[Mapping[str, Any]] = []
    for sentence in said:
        if sentence["text"] and sentence["text"] not in [k["text"] for k in kept]:
            kept.append(sentence)
    while len(kept) > most:
        spare = [s for code in LESS_WORTH for s in reversed(kept) if s["code"] == code]
        kept.remove(spare[0] if spare else kept[-1])
    return " ".join(str(sentence["text"]) for sentence in kept)
