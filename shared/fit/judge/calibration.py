"""Draws made as unsure as decisions taken by them turn out to be.

A posterior is as sure as its model allows; what no model of a history contains (a driver of both
spend and outcome that nobody recorded, demand that would have come anyway, a form of carryover that
is not in the list) is in none of its draws. Whoever then picks the best plan picks the largest of
these errors, and promises more than the plan brings.

The Bayesian model has such a systematic error of its own (``media.priors``): its draws move from
what the regression sees to what is left without it, and joint draws stay joint. Other models have
their draws spread around each arm's mean by an error of standard deviation ``SYSTEMATIC`` of the
log return, and by as much as forecasts of rows that were held back missed more than their intervals
allow. There an arm with a lift test keeps its draws: an experiment has no hidden driver.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response, ReturnOnInvestment
from shared.fit.fitted import ChannelEvidence, LogReturns
from shared.fit.judge.validate import Fold, standardised

__all__ = ["SYSTEMATIC", "Calibration", "calibrate", "calibrated", "error_ratio", "told"]

Floats = NDArray[np.float64]

#: Standard deviation of the systematic error of a log return that is read off a history.
SYSTEMATIC = 0.2
_PRIOR_ROWS = 30.0  # rows that the intervals are believed for before any forecast was checked
_FAR = 9.0  # square beyond which a standardised error counts no more


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Log returns of S draws of A arms before and after, both (S, A)."""

    before: Floats
    after: Floats

    def factors(self, arm: int) -> Floats:
        """(S,) by which the arm's response is multiplied in each draw."""
        out: Floats = np.exp(self.after[:, arm] - self.before[:, arm])
        return out


def error_ratio(folds: Sequence[Fold]) -> float:
    """Typical size of forecast errors over that which their intervals imply, at least 1."""
    far = np.minimum(standardised(folds) ** 2, _FAR)
    square = (_PRIOR_ROWS + float(far.sum())) / (_PRIOR_ROWS + far.size)
    return float(np.sqrt(max(square, 1.0)))


def calibrate(returns: LogReturns, ratio: float, tested: Sequence[bool]) -> Calibration:
    """Where every draw of every arm goes.

    Parameters
    ----------
    ratio
        See :func:`error_ratio`.
    tested
        For each arm, whether a lift test of it is in the likelihood.
    """
    if returns.truly is not None:
        return Calibration(returns.draws, returns.truly)
    before, after = returns.draws, returns.draws.copy()
    doubted = np.isfinite(before).all(axis=0)
    if doubted.any() and len(before) > 1:
        draws = before[:, doubted]
        experiment = np.array(tested, dtype=bool)[doubted]
        after[:, doubted] = np.where(experiment, draws, _spread(draws, ratio))
    return Calibration(before, after)


def _spread(draws: Floats, ratio: float) -> Floats:
    """Around each arm's own mean."""
    mean, variance = draws.mean(axis=0), np.maximum(draws.var(axis=0), 1e-12)
    out: Floats = mean + (draws - mean) * np.sqrt(ratio**2 + SYSTEMATIC**2 / variance)
    return out


def calibrated(
    response: Response, item: ChannelEvidence, at: float, found: Calibration | None, arm: int
) -> tuple[Response, ReturnOnInvestment]:
    """An arm's curve and return after calibration.

    The point curve is scaled so that it agrees with the mean of the draws at spend ``at``, as it
    did before.
    """
    as_fitted = ReturnOnInvestment(mean=item.roi_mean, interval=item.roi_interval)
    if found is None or not response.draws or not at > 0:
        return response, as_fitted
    factors = found.factors(arm) if np.isfinite(found.after[:, arm]).all() else None
    if factors is None or (factors == 1.0).all():
        return response, as_fitted
    level = float(response.saturation.value(at))
    values = np.array([float(draw.value(at)) for draw in response.draws])
    mean = float(np.mean(factors * values))
    returns = np.exp(found.after[:, arm])
    low, high = np.quantile(returns, [0.05, 0.95])
    return (
        replace(
            response,
            saturation=response.saturation.times(mean / level if level > 0 else 1.0),
            draws=tuple(
                draw.times(float(f)) for draw, f in zip(response.draws, factors, strict=True)
            ),
        ),
        ReturnOnInvestment(mean=float(returns.mean()), interval=(float(low), float(high))),
    )


def told(
    names: Sequence[str], found: Calibration | None, ratio: float, tested: Collection[str]
) -> dict[str, Any]:
    """``diagnostics.calibration``."""
    rows: list[dict[str, Any]] = []
    for arm, name in enumerate(names):
        factor: float | None = None
        spread: float | None = None
        if found is not None and np.isfinite(found.before[:, arm]).all():
            before, after = found.before[:, arm], found.after[:, arm]
            factor = float(np.mean(np.exp(after)) / np.mean(np.exp(before)))
            wide = float(np.std(before))
            spread = float(np.std(after)) / wide if wide > 0 else None
        rows.append({"channel": name, "return_factor": factor, "spread": spread})
    return {
        "systematic_sd_log": SYSTEMATIC,
        "error_ratio": ratio,
        "lift_tested": sorted(tested),
        "channels": rows,
    }
