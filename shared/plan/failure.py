"""What stands in an answer for a question among several that no plan can satisfy."""

from __future__ import annotations

from typing import Any

from shared.errors import Infeasible

__all__ = ["infeasible"]


def infeasible(error: Infeasible) -> dict[str, Any]:
    """Its status, why, the smallest conflict by name, and nothing else."""
    return {
        "status": "infeasible",
        "detail": str(error),
        "conflicts": [
            {"name": c.name, "message": c.message, "missed_by": c.missed_by}
            for c in error.conflicts
        ],
        "allocation": None,
        "totals": None,
        "certificate": None,
        "difference": None,
    }
