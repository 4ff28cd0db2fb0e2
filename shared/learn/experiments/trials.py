"""Where to try next if there is no curve: a Gaussian process, and what a further trial is worth.

The knowledge gradient is by how much the largest posterior mean is expected to rise by one more
trial with its noise (P. Frazier, W. Powell, S. Dayanik, INFORMS Journal on Computing 21, 2009): the
mean of the largest of lines m + b Z, by their upper envelope. Expected improvement (D. Jones,
M. Schonlau, W. Welch, Journal of Global Optimization 13, 1998) takes a trial to show the truth: it
is for trials without noise alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.figures import number
from shared.learn.experiments.value import gain
from shared.plan.words import say

__all__ = ["expected_improvement", "knowledge_gradient", "next_trial", "posterior"]

Floats = NDArray[np.float64]

_RESTARTS = 4
_LENGTHS = (0.05, 5.0)  # of the range of each input


def expected_improvement(mean: Floats, sd: Floats) -> Floats:
    """(N,) expected rise above the best posterior mean by a trial that shows the truth."""
    best = float(mean.max())
    return np.array(
        [
            s * gain((m - best) / s) if s > 0.0 else 0.0
            for m, s in zip(mean.tolist(), sd.tolist(), strict=True)
        ]
    )


def knowledge_gradient(mean: Floats, covariance: Floats, noise: float) -> Floats:
    """(N,) expected rise of the largest posterior mean by one trial with ``noise`` at each."""
    out = np.zeros(len(mean))
    for x, column in enumerate(covariance.T):
        total = float(column[x]) + noise * noise
        if total > 0.0:
            out[x] = _largest(mean, column / np.sqrt(total)) - float(mean.max())
    return np.maximum(out, 0.0)


def _largest(a: Floats, b: Floats) -> float:
    """E max of a + b Z."""
    order = np.lexsort((a, b))
    a, b = a[order], b[order]
    last = np.append(np.diff(b) > 0.0, True)  # of lines of one slope the highest
    a, b = a[last], b[last]
    kept, cuts = [0], [-np.inf]
    for i in range(1, len(a)):
        while True:
            j = kept[-1]
            cut = (a[j] - a[i]) / (b[i] - b[j])
            if cut > cuts[-1]:
                break
            kept.pop()
            cuts.pop()
        kept.append(i)
        cuts.append(float(cut))
    steps = np.diff(b[kept])
    rise = sum(d * gain(-abs(c)) for d, c in zip(steps.tolist(), cuts[1:], strict=True))
    return float(a.max()) + rise if len(kept) > 1 else float(a[kept[0]])


def posterior(
    trials: Floats, outcomes: Floats, errors: Floats, candidates: Floats, seed: int
) -> tuple[Floats, Floats]:
    """Means (N,) and covariance (N, N) of the outcome at candidates (N, D).

    Parameters
    ----------
    trials, outcomes, errors
        (T, D) inputs, (T,) what came, and (T,) its standard errors: known, and no part of the
        function's own spread.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    both = np.vstack([trials, candidates])
    low, wide = both.min(axis=0), np.ptp(both, axis=0)
    wide = np.where(wide > 0.0, wide, 1.0)
    level, scale = float(outcomes.mean()), float(outcomes.std()) or 1.0
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
        np.full(both.shape[1], 0.5), [_LENGTHS] * both.shape[1], nu=2.5
    )
    process = GaussianProcessRegressor(
        kernel,
        alpha=np.maximum((errors / scale) ** 2, 1e-8),
        n_restarts_optimizer=_RESTARTS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # A length at its bound is what few trials say, no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit((trials - low) / wide, (outcomes - level) / scale)
        mean, covariance = process.predict((candidates - low) / wide, return_cov=True)
    return np.asarray(level + scale * mean), np.asarray(scale * scale * covariance)


def next_trial(
    tried: Sequence[Sequence[float]],
    outcomes: Sequence[float],
    errors: Sequence[float],
    candidates: Sequence[Sequence[float]],
    noise: float,
    by: str,
    seed: int,
) -> dict[str, Any]:
    """Which of the candidates to try next, and what is thought of all of them."""
    points = np.array(candidates, dtype=float)
    mean, covariance = posterior(
        np.array(tried, dtype=float), np.array(outcomes), np.array(errors), points, seed
    )
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if by == "expected_improvement":
        worth = expected_improvement(mean, sd)
    else:
        worth = knowledge_gradient(mean, covariance, noise)
    best, pick = int(mean.argmax()), int(worth.argmax())
    text = (
        f"Try {', '.join(map(number, points[pick].tolist()))} next: the best mean is expected to "
        f"rise by {number(float(worth[pick]))} from {number(float(mean[best]))}."
    )
    return {
        "kind": "trials",
        "by": by,
        "next": points[pick].tolist(),
        "best": points[best].tolist(),
        "candidates": [
            {"at": at, "mean": m, "sd": s, "worth": w}
            for at, m, s, w in zip(
                points.tolist(), mean.tolist(), sd.tolist(), worth.tolist(), strict=True
            )
        ],
        "explanation": [say("next", text, next=points[pick].tolist())],
    }
