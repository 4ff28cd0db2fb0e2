"""Simulation-based calibration: truths drawn from the prior, fits that must be as unsure as right.

Talts, Betancourt, Simpson, Vehtari and Gelman (Validating Bayesian inference algorithms with
simulation-based calibration, 2018): the rank of the truth among posterior draws is uniform, and
90 % intervals hold it in 90 % of fits. 300 fits of each kind of noise, on demand (``-m slow``);
their table is shown with ``-s``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from shared.fit.design.design import Design, build_design
from shared.fit.media.priors import return_prior
from shared.fit.models.bayesian.laplace import find_mode, fit_noise, starting_points
from shared.fit.models.bayesian.layout import Choice
from shared.fit.models.bayesian.model import MediaModel, build_model
from shared.fit.models.bayesian.noise import DEGREES, MOST, Noise
from shared.fit.models.bayesian.sampler import Agreement, sample
from tests.fit.histories import simulated

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
FITS = 300
DRAWS = 99


def setting() -> tuple[Design, MediaModel]:
    history, _ = simulated(seed=0, rows=104, channels=3)
    design = build_design(history, None)
    total = float(np.nansum(history.outcome))
    prior = return_prior({}, "revenue", history.channels, history.spend.sum(), total)
    return design, build_model(design, prior, Choice.same(3, "hill"))


def from_the_prior(model: MediaModel, rng: np.random.Generator) -> Floats:
    """One point (1, size)."""
    prior = model.prior
    theta = prior.centre + prior.sd * rng.standard_normal(model.size)
    normal = np.diag(prior.precision) > 0
    covariance = np.linalg.inv(prior.precision[np.ix_(normal, normal)])
    theta[normal] = rng.multivariate_normal(prior.centre[normal], covariance)
    decay = rng.beta(prior.alpha, prior.beta, prior.decay.size)
    theta[prior.decay] = np.log(decay) - np.log1p(-decay)
    theta[-1] = np.log(abs(rng.standard_normal()))
    return theta[None]


def noise_of(kind: str, rows: int, rng: np.random.Generator) -> Floats:
    if kind == "gaussian":
        return rng.standard_normal(rows)
    memory = min(abs(0.3 * rng.standard_normal()), MOST)
    innovations = rng.standard_t(rng.choice(DEGREES), rows)
    innovations[0] /= np.sqrt(1 - memory**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -memory], innovations))


def one(kind: str, seed: int) -> tuple[Floats, Mapping[str, Floats]]:
    """Ranks (size + C,) of the truth among DRAWS draws; and the places of each role."""
    rng = np.random.default_rng([seed, 7])
    design, model = setting()
    truth = from_the_prior(model, rng)
    while np.exp(truth[0, -1]) < 0.05:  # under the floor of the noise, which is not the prior's
        truth = from_the_prior(model, rng)
    gamma = rng.standard_normal(design.baseline.shape[1])
    error = float(np.exp(truth[0, -1])) * noise_of(kind, design.outcome.size, rng)
    design.outcome[:] = model.signal(truth)[0] + design.baseline @ gamma + error

    def under(noise: Noise | None) -> MediaModel:
        weights, memory = (None, 0.0) if noise is None else (noise.weights, noise.correlation)
        return build_model(design, model.returns, model.layout.choice, weights, memory)

    start = starting_points(model, 1, rng)[0]
    noise, warm = fit_noise(under, start, design.outcome.size, kind)
    fitted = under(noise)
    mode = find_mode(fitted, np.stack([warm, start]))
    goal = Agreement(r_hat=1.05, ess=200)
    draws = sample(fitted, mode, DRAWS, rng, noise=noise, goal=goal).draws
    doubled = [_doubled(model, t) for t in (truth, draws)]
    ranks = np.concatenate([(draws < truth).sum(axis=0), (doubled[1] < doubled[0]).sum(axis=0)])
    layout = model.layout
    return ranks.astype(np.float64), {
        "log return": layout.roi,
        "decay": layout.first,
        "half-saturation": layout.half,
        "shape": layout.shape,
        "sigma": np.array([layout.sigma]),
        "gain of doubling": np.arange(model.size, model.size + 3),
    }


def _doubled(model: MediaModel, theta: Floats) -> Floats:
    """(K, C): what twice the mean spend would bring more, sustained: what decisions rest on."""
    natural, tops = model.unpack(theta), model.coefficients(theta)
    at = model.design.mean_spend / model.design.spend_scale

    def level(spend: Floats) -> Floats:
        power = (spend / natural.half) ** natural.shape
        return np.asarray(power / (1.0 + power))

    return np.asarray(tops * (level(2.0 * at) - level(at)))


@pytest.mark.parametrize("kind", ["gaussian", "student_t"])
def test_ranks_are_uniform_and_intervals_hold(kind: str) -> None:
    found = [one(kind, seed) for seed in range(FITS)]
    ranks, roles = np.array([r for r, _ in found]), found[0][1]
    faults = []
    for role, places in roles.items():
        share = (ranks[:, places].ravel() + 0.5) / (DRAWS + 1)
        covered = float(((share > 0.05) & (share < 0.95)).mean())
        counts = np.histogram(share, bins=10, range=(0, 1))[0]
        p = float(stats.chisquare(counts).pvalue)
        sys.stdout.write(
            f"{kind:10s} {role:18s} coverage {covered:.3f}  ranks p {p:.3f}  {counts.tolist()}\n"
        )
        # Three standard deviations of the coverage of so many ranks: of a dozen roles none is
        # beyond by chance. Measured: 0.878 to 0.910.
        slack = 3.0 * float(np.sqrt(0.09 / share.size))
        if abs(covered - 0.90) > slack or p < 0.001:
            faults.append(role)
    assert not faults
