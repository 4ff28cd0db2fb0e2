"""How a figure is written in a sentence, whoever says it."""

from __future__ import annotations

from math import floor, log10

__all__ = ["number", "plural"]


def number(value: float) -> str:
    """A figure for reading: four significant digits, thousands separated.

    >>> number(123456.7), number(1.23456), number(0.00012345), number(0.0)
    ('123,457', '1.235', '0.0001234', '0')
    """
    if value == 0.0:
        return "0"
    digits = 3 - floor(log10(abs(value)))
    if digits <= 0:
        return f"{value:,.0f}"
    if digits > 12:
        return f"{value:.3e}"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "step"), plural(3, "step")
    ('1 step', '3 steps')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
