"""Laplace draws made true: short Hamiltonian chains, one per draw, all in one batch.

A normal approximation is wrong in its tails where the posterior is skewed: a draw with a half-
saturation far beyond any spend seen explodes as soon as it is asked about a little more spend. So
each draw is the start of a chain of Hamiltonian Monte Carlo (Neal, MCMC using Hamiltonian dynamics,
2011) in the coordinates in which the Laplace approximation is a standard normal, where a handful of
trajectories of a few leapfrogs forget the start; the end of each chain is the draw that is kept.
Starts are chosen from twice as many Laplace draws by tempered importance weights, which drops the
wildest. The step is tuned in the first half of the trajectories only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.laplace import Mode, laplace_draws
from shared.fit.bayes.model import MediaModel

__all__ = ["Sample", "sample"]

Floats = NDArray[np.float64]
_TARGET = 0.85
_LEAPFROGS = 4
_TEMPER = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Points (S, size), the acceptance rate of the second half, and the drift between its ends.

    ``drift`` is the largest move of a coordinate's mean over the second half of the trajectories,
    in posterior standard deviations; with S chains it is about sqrt(2 / S) times 2 to 3 by chance.
    """

    draws: Floats
    acceptance: float
    drift: float


def sample(
    model: MediaModel, mode: Mode, count: int, rng: np.random.Generator, trajectories: int = 14
) -> Sample:
    """``count`` nearly independent posterior points; the same rng gives the same points."""
    x = _starts(model, mode, count, rng)
    value, gradient = _whitened(model, mode, x)
    step = 1.2 / mode.theta.size**0.25
    middle = x
    accepted: list[float] = []
    for trajectory in range(trajectories):
        tuning = trajectory < trajectories // 2
        if trajectory == trajectories // 2:
            middle = x
        length = step * rng.uniform(0.7, 1.3, size=(count, 1))
        momentum = rng.standard_normal(x.shape)
        energy = value - 0.5 * (momentum**2).sum(axis=1)
        new_x, new_gradient, new_value = x, gradient, value
        momentum = momentum + 0.5 * length * new_gradient
        for leap in range(_LEAPFROGS):
            new_x = new_x + length * momentum
            new_value, new_gradient = _whitened(model, mode, new_x)
            momentum = momentum + (0.5 if leap == _LEAPFROGS - 1 else 1.0) * length * new_gradient
        change = new_value - 0.5 * (momentum**2).sum(axis=1) - energy
        rate = np.exp(np.minimum(np.where(np.isfinite(change), change, -np.inf), 0.0))
        take = rng.uniform(size=count) < rate
        x = np.where(take[:, None], new_x, x)
        value = np.where(take, new_value, value)
        gradient = np.where(take[:, None], new_gradient, gradient)
        if tuning:
            step *= float(np.exp(1.0 * (rate.mean() - _TARGET)))
        else:
            accepted.append(float(rate.mean()))
    spread = np.maximum(x.std(axis=0), 1e-9)
    return Sample(
        draws=mode.theta + x @ mode.root.T,
        acceptance=float(np.mean(accepted)),
        drift=float(np.max(np.abs(x.mean(axis=0) - middle.mean(axis=0)) / spread)),
    )


def _whitened(model: MediaModel, mode: Mode, x: Floats) -> tuple[Floats, Floats]:
    """Log posterior and gradient in Laplace coordinates; a point out of range is impossible."""
    with np.errstate(all="ignore"):
        value, gradient = model.log_posterior(mode.theta + x @ mode.root.T)
    fine = (
        np.isfinite(value) & np.isfinite(gradient).all(axis=1) & (np.abs(gradient) < 1e100).all(1)
    )
    gradient = np.where(fine[:, None], gradient, 0.0)
    return np.where(fine, value, -np.inf), gradient @ mode.root


def _starts(model: MediaModel, mode: Mode, count: int, rng: np.random.Generator) -> Floats:
    """``count`` of twice as many Laplace draws, without replacement, by tempered weights."""
    points = laplace_draws(mode, 2 * count, rng)
    x = np.linalg.solve(mode.root, (points - mode.theta).T).T
    value, _ = _whitened(model, mode, x)
    log_weight = _TEMPER * (value + 0.5 * (x**2).sum(axis=1))
    # Gumbel's trick: the largest keys are a weighted sample without replacement.
    keys = log_weight + rng.gumbel(size=log_weight.size)
    return x[np.sort(np.argsort(-keys)[:count])]
