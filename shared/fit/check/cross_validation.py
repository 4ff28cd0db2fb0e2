"""Errors of forecasts taken apart: bias, variance, coverage, and how rivals did on the same rows.

A mean squared error is the square of the mean error (bias), plus the variance of the folds' mean
errors about it (each fold off by its own level), plus the variance within folds. The three add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.check.rivals import Rival
from shared.fit.check.validate import INNER, Fold, score

__all__ = ["coverage", "cross_validation", "errors_apart", "standardised"]

Floats = NDArray[np.float64]

_Z90 = 1.6448536
_ELSEWHERE = ("rows", "coverage_90")


def standardised(folds: Sequence[Fold]) -> Floats:
    """Errors in units of the standard deviation that the 90 % intervals imply, either side."""
    out = []
    for fold in folds:
        error = fold.actual - fold.mean
        half = np.where(error >= 0, fold.high - fold.mean, fold.mean - fold.low)
        out.append(_Z90 * error / np.maximum(half, 1e-12 * np.maximum(np.abs(fold.actual), 1.0)))
    return np.concatenate(out) if out else np.zeros(0)


def coverage(folds: Sequence[Fold]) -> dict[str, float]:
    """Share of outcomes within the 50, 80 and 90 % intervals, each as it was forecast."""
    levels = [str(level) for level in (*INNER, 90)]
    inside: dict[str, list[NDArray[np.bool_]]] = {level: [] for level in levels}
    for fold in folds:
        for level, found in inside.items():
            low, high = (fold.low, fold.high) if level == "90" else fold.inner[level]
            found.append((low <= fold.actual) & (fold.actual <= high))
    return {level: float(np.mean(np.concatenate(found))) for level, found in inside.items()}


def errors_apart(folds: Sequence[Fold]) -> dict[str, Any]:
    """Bias, variance between folds and within, in outcome units (squared): they add to ``mse``."""
    errors = [fold.mean - fold.actual for fold in folds]
    every = np.concatenate(errors)
    bias = float(every.mean())
    share = np.array([e.size for e in errors]) / every.size
    means = np.array([e.mean() for e in errors])
    size = float(np.mean(np.abs(np.concatenate([fold.actual for fold in folds]))))
    return {
        "bias": bias,
        "bias_share": bias / size if size > 0 else None,
        "variance_between_folds": float(share @ (means - bias) ** 2),
        "variance_within_folds": float(share @ np.array([e.var() for e in errors])),
        "mse": float(np.mean(every**2)),
    }


def cross_validation(
    rolling: Sequence[Fold], blocks: Sequence[Fold], rival: Rival | None
) -> dict[str, Any]:
    """Rolling origin, blocks and the final holdout; a part without folds is None."""
    return {
        "rolling": _part(rolling, rival),
        "blocked": _part(blocks, None),
        "holdout": _part(rolling[-1:], None if rival is None else rival.last()),
    }


def _part(folds: Sequence[Fold], rival: Rival | None) -> dict[str, Any] | None:
    if not folds:
        return None
    actual = np.concatenate([fold.actual for fold in folds])
    mean = np.concatenate([fold.mean for fold in folds])
    beside = {
        name: score(actual, np.concatenate([getattr(fold, name) for fold in folds])).rmse
        for name in ("naive", "constant")
    }
    return {
        "folds": len(folds),
        "rows": int(actual.size),
        **{k: v for k, v in score(actual, mean).to_dict().items() if k not in _ELSEWHERE},
        **errors_apart(folds),
        "coverage": coverage(folds),
        "against": {**beside, "previous": None if rival is None else rival.to_dict()},
    }
