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

from shared.fit.bayes.laplace import Mode, find_mode, starting_points
from shared.fit.bayes.model import MediaModel
from shared.fit.bayes.sampler import Goal, Sample, sample
from shared.history.table import History
from tests.fit.bayes.test_laplace import model_of
from tests.fit.histories import simulated

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
_LONG = Goal(r_hat=1.01, ess=2500, blocks=40)


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
    centre: Floats, root: Floats, log_density: Callable[[Floats], tuple[float, Floats]]
) -> Floats:
    """4,000 draws (S, size), in coordinates in which the posterior is nearly a standard normal."""
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
        model, draws=2000, tune=300, chains=2, cores=1, seed=1, progress_bar=False
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
