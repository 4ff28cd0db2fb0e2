"""Where and how much was spent on each channel: shares, starts, stops, stretches of nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.frequency import frequency
from shared.history.table import History

__all__ = ["Coverage", "coverage_of", "outlying_outcomes", "outlying_spend"]

Floats = NDArray[np.float64]

# A tenth of the periods: a channel that starts or stops within it is as good as always there.
_EDGE = 0.1
_STILL = 0.02  # coefficient of variation under which spend never varied
# Robust standard deviations from the level around; of normal noise one in 500 million lies there.
_FAR = 6.0
_FAR_SPEND = 10.0
_RARE = 0.1
_AROUND = {"day": 15, "week": 9, "month": 5}


@dataclass(frozen=True, slots=True)
class Coverage:
    """One channel over T periods.

    Attributes
    ----------
    share
        Of the whole spend.
    live
        Share of the periods with spend.
    first, last
        Places of the first and last period with spend; None where there is none.
    longest_zero
        Longest run of periods without spend between the first and the last one with.
    variation
        Standard deviation of the spend over its mean; None without spend.
    """

    channel: str
    share: float
    live: float
    first: int | None
    last: int | None
    late_start: bool
    early_stop: bool
    longest_zero: int
    variation: float | None

    @property
    def varied(self) -> bool:
        """Whether the spend ever changed by enough to see anything."""
        return self.variation is not None and self.variation > _STILL


def coverage_of(history: History) -> tuple[Coverage, ...]:
    """One entry a channel, in their order."""
    rows = len(history.dates)
    sums = history.spend.sum(axis=0)
    total = float(sums.sum())
    out = []
    for c, channel in enumerate(history.channels):
        spend = history.spend[:, c]
        places = np.flatnonzero(spend > 0)
        if not places.size:
            out.append(Coverage(channel, 0.0, 0.0, None, None, False, False, 0, None))
            continue
        first, last = int(places[0]), int(places[-1])
        mean = float(spend.mean())
        out.append(
            Coverage(
                channel=channel,
                share=float(sums[c]) / total,
                live=places.size / rows,
                first=first,
                last=last,
                late_start=first > _EDGE * rows,
                early_stop=rows - 1 - last > _EDGE * rows,
                longest_zero=int(np.max(np.diff(places), initial=1)) - 1,
                variation=float(np.std(spend / mean)),
            )
        )
    return tuple(out)


def outlying_outcomes(history: History) -> list[int]:
    """Periods far from the median of those around them that no event explains."""
    known = np.flatnonzero(np.isfinite(history.outcome))
    values = history.outcome[known]
    width = frequency(history.frequency).count(_AROUND) | 1  # odd: as many before as after
    if values.size < 2 * width:
        return []
    half = width // 2
    padded = np.pad(values, half, mode="reflect")
    level = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    places = [int(known[i]) for i in _far(values - level, _FAR)]
    # What is far off all the time is how this outcome is.
    often = len(places) > _RARE * values.size
    return [] if often else [t for t in places if not history.events[t]]


def outlying_spend(history: History) -> dict[str, list[int]]:
    """Periods of single channels with far more than the channel's usual spend."""
    out = {}
    for c, channel in enumerate(history.channels):
        live = np.flatnonzero(history.spend[:, c] > 0)
        spend = history.spend[live, c]
        if live.size < 8:
            continue
        usual = float(np.median(spend))
        places = [int(live[i]) for i in _far(spend - usual, _FAR_SPEND) if spend[i] > 4.0 * usual]
        # What comes often is how the channel is spent, in bursts.
        if places and len(places) <= max(1, 0.03 * live.size):
            out[channel] = places
    return out


def _far(distance: Floats, limit: float) -> list[int]:
    """Places more than ``limit`` robust standard deviations (1.4826 MAD) from zero."""
    spread = 1.4826 * float(np.median(np.abs(distance)))
    # Half of the values may be exactly at the level; then only the others say what is usual.
    spread = spread or float(np.std(distance))
    return np.flatnonzero(np.abs(distance) > limit * spread).tolist() if spread > 0 else []
