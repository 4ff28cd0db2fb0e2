"""How many rows a fit needs before it can be checked, and what return it is to show."""

from __future__ import annotations

import numpy as np

from shared.frequency import FREQUENCIES, frequency
from shared.history.table import History

__all__ = ["rows_needed", "weekly_instead", "yardstick_return"]

_LEAST = {"day": 90, "week": 39, "month": 24}
_SHARE = 0.25  # of the outcome that media are taken to make


def rows_needed(every: str, active_channels: int) -> int:
    """Observed rows under which a fit cannot be validated honestly: four a channel and a dozen."""
    return max(frequency(every).count(_LEAST), 4 * active_channels + 12)


def weekly_instead(every: str, observed: int) -> str:
    """What the same time would be by the week, where periods are longer; else ""."""
    per_year, weeks = frequency(every).per_year, FREQUENCIES["week"].per_year
    rows = round(observed * weeks / per_year)
    return f"the same period week by week ({rows} rows)" if per_year < weeks else ""


def yardstick_return(history: History) -> float | None:
    """Return of every channel if media made a quarter of the outcome in proportion to spend."""
    seen = history.outcome[np.isfinite(history.outcome)]
    spent = float(history.spend.mean(axis=0).sum()) if len(history.spend) else 0.0
    if not seen.size or spent <= 0 or float(seen.mean()) <= 0:
        return None
    return _SHARE * float(seen.mean()) / spent
