"""Tests that fail today because of known faults of the optimiser, each with its reason.

By the name of the test, or of the case where a test has several. Strict: whoever mends a fault
takes its line out. The table is to be empty.
"""

from __future__ import annotations

__all__ = ["KNOWN_FAULTS", "known"]


KNOWN_FAULTS: dict[str, str] = {}


def known(test: str) -> str | None:
    """The reason for which a test (by pytest's name for it) is known to fail."""
    return KNOWN_FAULTS.get(test.partition("[")[2].removesuffix("]") or test)
