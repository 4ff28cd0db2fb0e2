"""A fit that was told everything but the heights: how good a decision these data allow at all.

It knows each arm's carryover and the shape of its saturation, and estimates their heights together
with a plain baseline (trend, two yearly modes, weekdays, controls, events) by least squares with
heights of at least 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit_sets import Known
from benchmarks.fit_truth import Truth
from shared.history.table import History

__all__ = ["told_shapes"]

Floats = NDArray[np.float64]


def told_shapes(item: Known) -> Truth:
    """The truth with estimated heights and strengths of pairs in place of the true ones."""
    from scipy.optimize import lsq_linear

    history, truth = item.parsed.history, item.truth
    panel = history.panel()
    spend = panel.spend.sum(axis=0)
    columns = ["/".join(filter(None, arm)) for arm in panel.arms]
    media = []
    for arm, level, weights in zip(truth.arms, truth.levels, item.weights, strict=True):
        money = spend[:, columns.index(arm)]
        # Before the first row the mean of the first periods was spent, as far as anyone knows.
        padded = np.concatenate([np.full(len(weights), money[:8].mean()), money])
        media.append(level(np.convolve(padded, weights)[len(weights) : padded.size]))
    joint = [media[i] * media[j] for i, j, _ in truth.pairs]
    columns_of_media = np.column_stack([*media, *joint])
    base = _baseline(history)
    design = np.column_stack([columns_of_media, base])
    seen = np.isfinite(history.outcome)
    scale = np.abs(design[seen]).max(axis=0)
    scale[scale == 0.0] = 1.0
    low = np.full(design.shape[1], -np.inf)
    low[: len(media)] = 0.0
    found = lsq_linear(design[seen] / scale, history.outcome[seen], bounds=(low, np.inf))
    solution = cast("Floats", found.x) / scale
    pairs = tuple(
        (i, j, float(strength))
        for (i, j, _), strength in zip(truth.pairs, solution[len(media) :], strict=False)
    )
    return replace(truth, heights=solution[: len(media)], pairs=pairs)


def _baseline(history: History) -> Floats:
    """Columns (T, K) of all that is not media."""
    rows = len(history.dates)
    day = np.array([d.toordinal() for d in history.dates], dtype=float)
    out = [np.ones(rows), np.linspace(-1.0, 1.0, rows), *history.controls.T]
    for mode in (1, 2):
        angle = 2 * np.pi * mode * day / 365.25
        out += [np.sin(angle), np.cos(angle)]
    for label in sorted(set(history.events) - {""}):
        out.append((np.array(history.events) == label).astype(float))
    if history.frequency == "day":
        out += [(day % 7 == k).astype(float) for k in range(1, 7)]
    return np.column_stack(out)
