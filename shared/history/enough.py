"""How many rows a fit needs before it can be checked by forecasts."""

from __future__ import annotations

__all__ = ["rows_needed"]

_LEAST = {"day": 90, "week": 39, "month": 24}


def rows_needed(frequency: str, active_channels: int) -> int:
    """Observed rows under which a fit cannot be validated honestly: four a channel and a dozen."""
    return max(_LEAST[frequency], 4 * active_channels + 12)
