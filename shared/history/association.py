"""What spend goes with: other channels (not to be told apart) and drivers (confounders).

Linear regressions, small and exact: enough to say what a history can show before any fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.frequency import frequency
from shared.history.table import History

__all__ = [
    "Drivers",
    "Precision",
    "Together",
    "alike",
    "condition_of",
    "drivers_of",
    "moving_channels",
    "precision_of",
    "standard",
    "together",
]

Floats = NDArray[np.float64]

_HARMONICS = 2
_SAME = 0.9  # correlation from which two channels cannot be told apart
# Belsley, Kuh and Welsch, Regression Diagnostics (1980), chapter 3: a condition index above 30, and
# two or more variables with over half of their coefficient's variance on it.
_INDEX = 30.0
_PROPORTION = 0.5
_MOST = 200  # channels, and labels of events, that are looked at: those with the most
_WORK = 2e7  # periods times the square of those: a decomposition takes some ten times as many steps


@dataclass(frozen=True, slots=True)
class Together:
    """Channels whose effects cannot be told apart.

    ``correlation`` is the strongest between any two of them; ``condition`` the index of the
    direction in which they hardly ever moved (None where two alone say it all).
    """

    channels: tuple[str, ...]
    correlation: float
    condition: float | None


@dataclass(frozen=True, slots=True)
class Drivers:
    """How much of a channel's ups and downs other things foretell: adjusted R^2, each 0 to 1.

    ``by`` holds controls (by name), "events", "seasonality" and "trend", each on its own;
    ``outcome_before`` is what the outcome of the last period adds to all of them and to the
    channel's and all other spend of that period.
    """

    channel: str
    together: float
    by: Mapping[str, float]
    outcome_before: float


@dataclass(frozen=True, slots=True)
class Precision:
    """What a plain regression of the outcome on everything could show.

    ``noise`` is the sd of what it leaves, per period; ``slope`` (C,) each channel's return, outcome
    per unit of money, and ``standard_error`` (C,) its error; inf where it cannot be told at all.
    """

    noise: float
    standard_error: Floats
    slope: Floats


def moving_channels(history: History) -> list[int]:
    """Channels whose spend moves, those with the most spend where there are very many."""
    moving = np.flatnonzero(np.ptp(history.spend, axis=0) > 0).tolist()
    most = _most(history)
    if len(moving) > most:
        sums = history.spend.sum(axis=0)
        moving = sorted(sorted(moving, key=lambda c: -float(sums[c]))[:most])
    return moving


def _most(history: History) -> int:
    """How many channels, or labels of events, there is time to compare."""
    return min(_MOST, int((_WORK / max(len(history.dates), 1)) ** 0.5))


def standard(columns: Floats) -> Floats:
    """Columns (T, p) centred and of length 1; those that do not move become zero."""
    peak = np.maximum(np.max(np.abs(columns), axis=0, initial=0.0), 1e-300)
    centred = columns / peak
    centred = centred - centred.mean(axis=0)
    length = np.sqrt(np.sum(centred**2, axis=0))
    usable = length > 1e-9
    return np.where(usable, centred / np.where(usable, length, 1.0), 0.0)


def alike(one: Floats, other: Floats) -> float:
    """Correlation of two columns (T,), whatever their size; 0 where one never moves."""
    pair = standard(np.column_stack([one, other]))
    return float(np.clip(pair[:, 0] @ pair[:, 1], -1.0, 1.0))


def condition_of(history: History) -> float | None:
    """Largest over smallest singular value of the standardised spend; None below two channels."""
    moving = moving_channels(history)
    if len(moving) < 2 or len(history.dates) <= len(moving):
        return None
    values = np.linalg.svd(standard(history.spend[:, moving]), compute_uv=False)
    return float(values[0] / max(float(values[-1]), 1e-9 * float(values[0])))


def together(history: History) -> tuple[Together, ...]:
    """Groups of channels that cannot be told apart: by pairs, and by sets that moved as one."""
    moving = moving_channels(history)
    if len(moving) < 2 or len(history.dates) < 6:
        return ()
    spend = standard(history.spend[:, moving])
    correlation = spend.T @ spend
    np.fill_diagonal(correlation, 0.0)
    groups = _linked(np.abs(correlation) >= _SAME)
    out = [_named(history, moving, group, correlation, None) for group in groups]
    if len(history.dates) > len(moving) + 2:
        _, values, directions = np.linalg.svd(spend, full_matrices=False)
        values = np.maximum(values, 1e-9 * values[0])
        share = (directions / values[:, None]) ** 2
        share = share / share.sum(axis=0)
        for k in np.flatnonzero(values[0] / values > _INDEX).tolist():
            members = np.flatnonzero(share[k] > _PROPORTION).tolist()
            known = any(set(members) <= set(group) for group in groups)
            if len(members) > 1 and not known:
                index = float(values[0] / values[k])
                out.append(_named(history, moving, members, correlation, index))
    return tuple(out)


def _linked(edges: NDArray[np.bool_]) -> list[list[int]]:
    """Connected components of two members or more."""
    left, groups = set(range(len(edges))), []
    while left:
        group, frontier = set(), {left.pop()}
        while frontier:
            node = frontier.pop()
            group.add(node)
            near = set(np.flatnonzero(edges[node]).tolist()) & left
            left -= near
            frontier |= near
        if len(group) > 1:
            groups.append(sorted(group))
    return sorted(groups)


def _named(
    history: History,
    moving: list[int],
    members: list[int],
    correlation: Floats,
    condition: float | None,
) -> Together:
    inner = correlation[np.ix_(members, members)]
    strongest = float(inner.flat[np.argmax(np.abs(inner))])
    names = tuple(history.channels[moving[m]] for m in members)
    return Together(names, float(np.clip(strongest, -1.0, 1.0)), condition)


def _surroundings(history: History) -> dict[str, Floats]:
    """Columns (T, k) of what may drive spend and outcome alike, by name; standardised."""
    rows = len(history.dates)
    out: dict[str, Floats] = {}
    for place, name in enumerate(history.control_names):
        out[name] = history.controls[:, place : place + 1]
    counts = Counter(label for label in history.events if label)
    often = [label for label, count in counts.most_common(_most(history)) if count >= 2]
    if often:
        events = np.array(history.events)
        out["events"] = np.column_stack([events == label for label in sorted(often)]).astype(float)
    if rows >= 0.9 * frequency(history.frequency).per_year:
        phase = 2.0 * np.pi * np.array([d.toordinal() for d in history.dates]) / 365.25
        waves = [wave(k * phase) for k in range(1, _HARMONICS + 1) for wave in (np.sin, np.cos)]
        out["seasonality"] = np.stack(waves, axis=1)
    if rows >= 8:
        out["trend"] = np.arange(rows, dtype=np.float64)[:, None]
    scaled = {name: standard(columns) for name, columns in out.items()}
    return {name: columns for name, columns in scaled.items() if np.any(columns)}


def _basis(columns: Floats) -> Floats:
    """(T, rank) an orthonormal basis of what columns (T, p) span."""
    basis, values, _ = np.linalg.svd(columns, full_matrices=False)
    rank = int(np.sum(values > 1e-9 * max(float(values[0]), 1e-300))) if values.size else 0
    return np.asarray(basis[:, :rank])


def _explained(target: Floats, basis: Floats) -> float:
    """Adjusted R^2 of a standardised target (T,); 0 where there are too few rows to say."""
    rows, rank = basis.shape
    if rank == 0 or rows - rank - 1 < 4:
        return 0.0
    # Clipped: rounding may take it past one, and an adjusted R^2 may be below zero.
    plain = float(np.sum((basis.T @ target) ** 2))
    return float(np.clip(1.0 - (1.0 - plain) * (rows - 1) / (rows - rank - 1), 0.0, 1.0))


def drivers_of(history: History) -> tuple[Drivers, ...]:
    """What foretells the spend of each channel that moves."""
    around = _surroundings(history)
    if len(history.dates) < 8:
        return ()
    whole = np.hstack(list(around.values())) if around else np.zeros((len(history.dates), 0))
    before, moving = _outcome_before(history), moving_channels(history)
    # Last period's spend made last period's outcome, and spend is like it was: that is no feedback.
    spent = standard(np.concatenate([history.spend[:1], history.spend[:-1]])[:, moving])
    room = len(history.dates) - whole.shape[1] - len(moving) >= 12
    each = {name: _basis(columns) for name, columns in around.items()}
    surroundings = _basis(whole)
    if room:
        without = _basis(np.hstack([whole, spent]))
        within = _basis(np.hstack([whole, spent, before]))
    out = []
    for c in moving:
        target = standard(history.spend[:, c : c + 1])[:, 0]
        all_of_them = _explained(target, surroundings)
        by = {name: _explained(target, basis) for name, basis in each.items()}
        more = _explained(target, within) - _explained(target, without) if room else 0.0
        out.append(Drivers(history.channels[c], all_of_them, by, max(more, 0.0)))
    return tuple(out)


def _outcome_before(history: History) -> Floats:
    """(T, 1) the last period's outcome, standardised; unknown ones are the mean."""
    known = np.isfinite(history.outcome)
    if not known.any():
        return np.zeros((len(history.dates), 1))
    filled = np.where(known, history.outcome, np.mean(history.outcome[known]))
    return standard(np.concatenate([filled[:1], filled[:-1]])[:, None])


def precision_of(history: History) -> Precision | None:
    """How precisely returns could be told; None where there are too few rows to say.

    Ordinary least squares on spend of the same period, controls, events, seasons and trend. It
    takes curves for lines and has no carryover: a yardstick, not an estimate.
    """
    around = _surroundings(history)
    seen = np.isfinite(history.outcome)
    rows = int(seen.sum())
    whole = np.hstack([np.ones((len(seen), 1)), *around.values()])[seen]
    spend = history.spend[seen]
    channels = spend.shape[1]
    if rows - whole.shape[1] - channels < 8 or channels > _most(history):
        return None
    scale = np.maximum(np.max(spend, axis=0, initial=0.0), 1e-300)
    columns = np.hstack([whole, spend / scale])
    left, values, right = np.linalg.svd(columns, full_matrices=False)
    kept = values > 1e-8 * values[0]
    outcome = history.outcome[seen]
    size = max(float(np.max(np.abs(outcome))), 1e-300)
    rest = outcome / size - left[:, kept] @ (left[:, kept].T @ (outcome / size))
    noise = float(np.sqrt(np.sum(rest**2) / (rows - int(kept.sum())))) * size
    variance = np.sum((right[kept] / values[kept, None]) ** 2, axis=0)[whole.shape[1] :]
    # A direction that never moved leaves the channels in it open altogether.
    open_ones = np.sum(right[~kept] ** 2, axis=0)[whole.shape[1] :] > 1e-6
    error = np.where(open_ones, np.inf, noise * np.sqrt(variance) / scale)
    weights = right[kept].T @ ((left[:, kept].T @ (outcome / size)) / values[kept])
    return Precision(noise, error, weights[whole.shape[1] :] * size / scale)
