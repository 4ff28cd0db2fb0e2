"""Tests that fail today because of known faults of the optimiser, each with its reason.

By the name of the test, or of the case where a test has several. Strict: whoever mends a fault
takes its line out. The table is to be empty.
"""

from __future__ import annotations

__all__ = ["KNOWN_FAULTS", "known"]

_LIMIT = "stops by the clock, far from the best"

KNOWN_FAULTS: dict[str, str] = {
    "s_q_10211": _LIMIT,
    "s_q_10293": _LIMIT,
    "s_q_20050": _LIMIT,
    (
        "coefficients+sequential+pacing+interactions+worst_case+maximize_profit+target_outcome"
    ): "a sequence with a measure and a target is not built",
}


def known(test: str) -> str | None:
    """The reason for which a test (by pytest's name for it) is known to fail."""
    return KNOWN_FAULTS.get(test.partition("[")[2].removesuffix("]") or test)
