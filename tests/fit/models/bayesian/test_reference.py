"""Posterior means against long runs of another sampler: the No-U-Turn sampler of nutpie.

Needs nutpie (requirements-bench.txt); slow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shared.fit.models.bayesian.laplace import Mode, find_mode, starting_points
from shared.fit.models.bayesian.model import MediaModel
from shared.fit.models.bayesian.noise import DEGREES, Noise
from shared.fit.models.bayesian.sampler import Agreement, Sample, sample
from shared.history.table import History
from tests.fit.histories import simulated
from tests.fit.models.bayesian.test_laplace import model_of

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
_LONG = Agreement(r_hat=1.01, ess=2500, blocks=40)


def zero_stretches() -> History:
    history, _ = simulated(seed=6, rows=104, channels=3, noise=0.05)
    spend = history.spend.copy()
    spend[:60, 0] = 0.0
    spend[30:70, 1] = 0.0
    return replace(history, spend=spend)


def collinear() -> History:
    """Two channels whose spend goes together: only their sum is known well."""
    history, truth = simulated(seed=3, rows=104, channels=3, noise=0.05)
    spend = history.spend.copy()
    own = np.exp(0.03 * np.random.default_rng(5).standard_normal(104))
    spend[:, 1] = 0.6 * spend[:, 0] * own
    gained = truth.response(1, spend[:, 1]) - truth.response(1, history.spend[:, 1])
    return replace(history, spend=spend, outcome=history.outcome + gained)


CASES: dict[str, Callable[[], History]] = {
    "collinear": collinear,
    "s_curves": lambda: simulated(seed=4, rows=104, channels=3, noise=0.05, shape=2.5)[0],
    "zero_stretches": zero_stretches,
    "short": lambda: simulated(seed=8, rows=30, channels=2, noise=0.05)[0],
}


def reference(
    centre: Floats,
    root: Floats,
    log_density: Callable[[Floats], tuple[float, Floats]],
    *,
    draws: int = 2000,
    tune: int = 300,
    seed: int = 1,
) -> Floats:
    """Draws (S, size) of two chains, in coordinates that make it nearly a standard normal."""
    nutpie = pytest.importorskip("nutpie", reason="nutpie is not installed")
    compiled: Any = pytest.importorskip("nutpie.compiled_pyfunc")
    size = centre.size

    def scaled(z: Floats) -> tuple[float, Floats]:
        with np.errstate(all="ignore"):  # far out the density is nought; its sampler rejects that
            value, gradient = log_density(centre + root @ np.asarray(z))
        return value, gradient @ root

    model = compiled.from_pyfunc(
        size,
        lambda: scaled,
        lambda *_: lambda x: {"theta": np.asarray(x)},
        [np.dtype("float64")],
        [(size,)],
        ["theta"],
        make_initial_point_fn=lambda _: np.zeros(size),
    )
    trace = nutpie.sample(
        model, draws=draws, tune=tune, chains=2, cores=1, seed=seed, progress_bar=False
    )
    return centre + np.asarray(trace.posterior["theta"]).reshape(-1, size) @ root.T


def mode_of(model: MediaModel) -> Mode:
    return find_mode(model, starting_points(model, 3, np.random.default_rng(0)))


def found(model: MediaModel, mode: Mode) -> Sample:
    out = sample(model, mode, 5000, np.random.default_rng(1), goal=_LONG)
    assert out.reached
    assert out.divergences < 0.01 * out.chains * out.trajectories
    return out


@pytest.mark.parametrize("case", sorted(CASES))
def test_means_are_those_of_a_long_reference_run(case: str) -> None:
    model = model_of(CASES[case]())

    def log_density(x: Floats) -> tuple[float, Floats]:
        value, gradient = model.log_posterior(np.asarray(x)[None])
        return float(value[0]), gradient[0]

    mode = mode_of(model)
    truth = reference(mode.theta, mode.root, log_density)
    draws = found(model, mode).draws
    off = (draws.mean(axis=0) - truth.mean(axis=0)) / truth.std(axis=0)
    assert np.abs(off).max() < 0.1
    np.testing.assert_allclose(draws.std(axis=0) / truth.std(axis=0), 1.0, atol=0.1)


def outliers() -> History:
    """One row in twelve is several standard deviations off."""
    history, _ = simulated(seed=2, rows=104, channels=2, noise=0.04)
    off = 0.3 * float(np.std(history.outcome)) * np.random.default_rng(9).standard_t(2, 9)
    outcome = history.outcome.copy()
    outcome[5::12] += 3.0 * off
    return replace(history, outcome=outcome)


def test_means_with_outliers_are_those_of_a_long_reference_run() -> None:
    """The reference knows no weights and no linear algebra of ours.

    It draws the baseline's coefficients along with all else, under a Student-t likelihood summed
    over the degrees of freedom, with the media's derivatives by differences.
    """
    model = model_of(outliers())
    design, size = model.design, model.size
    seen = design.observed
    rows, outcome = design.baseline[seen], design.outcome[seen]
    nu = np.array(DEGREES)[:, None]
    moves = 1e-5 * np.eye(size)[:-1]

    def log_density(x: Floats) -> tuple[float, Floats]:
        theta, gamma = x[:size], x[size:]
        value, gradient = model.prior.log_density(theta[None])
        media = model.signal(np.concatenate([theta[None], theta + moves, theta - moves]))[:, seen]
        slopes = (media[1:size] - media[size:]) / 2e-5
        sigma, error = np.exp(theta[-1]), outcome - media[0] - rows @ gamma
        square = error**2 / (nu * sigma**2)
        by_tails = (
            np.asarray(stats.t.logpdf(error / sigma, nu)).sum(axis=1) - error.size * theta[-1]
        )
        likely = np.exp(by_tails - by_tails.max())
        share = (likely / likely.sum())[:, None]
        pull = (share * (nu + 1.0) * error / (nu * sigma**2 * (1.0 + square))).sum(axis=0)
        by_sigma = float((share * ((nu + 1.0) * square / (1.0 + square) - 1.0)).sum())
        total = float(value[0]) + by_tails.max() + float(np.log(likely.sum())) - 0.5 * gamma @ gamma
        by_theta = gradient[0] + np.concatenate([slopes @ pull, [by_sigma]])
        return float(total), np.concatenate([by_theta, rows.T @ pull - gamma])

    mode = mode_of(model)
    middle = model.linear_moments(mode.theta[None])[0][0]
    precision = rows.T @ rows / np.exp(2.0 * mode.theta[-1]) + np.eye(middle.size)
    root = np.zeros((size + middle.size,) * 2)
    root[:size, :size] = mode.root
    root[size:, size:] = np.linalg.inv(np.linalg.cholesky(precision)).T
    centre = np.concatenate([mode.theta, middle])
    _agrees(log_density, centre)
    # Longer than the others: after 4,000 draws and half of the tuning its spread of a heavy-tailed
    # shape was still off by a seventh.
    truth = reference(centre, root, log_density, draws=2500, tune=600, seed=7)[:, :size]
    noise = Noise(np.ones(outcome.size), 0.0, 5.0)
    ours = sample(model, mode, 5000, np.random.default_rng(1), noise=noise, goal=_LONG)
    assert ours.reached
    off = (ours.draws.mean(axis=0) - truth.mean(axis=0)) / truth.std(axis=0)
    assert np.abs(off).max() < 0.1
    np.testing.assert_allclose(ours.draws.std(axis=0) / truth.std(axis=0), 1.0, atol=0.1)


def _agrees(log_density: Callable[[Floats], tuple[float, Floats]], x: Floats) -> None:
    """The reference's own gradient is right."""
    _, gradient = log_density(x)
    for place in range(x.size):
        move = np.zeros(x.size)
        move[place] = 1e-4
        slope = (log_density(x + move)[0] - log_density(x - move)[0]) / 2e-4
        assert gradient[place] == pytest.approx(slope, rel=1e-3, abs=1e-3)
