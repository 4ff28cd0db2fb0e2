"""One fit of one window: priors, noise weights, choice of saturation, mode, joint draws.

The saturation is chosen for the whole model: Hill for every channel or exponential for every
channel, whichever has the larger evidence on the training rows (Laplace's approximation to the
marginal likelihood, MacKay 2003, chapter 28). Both share the noise weights, so they are compared on
the same footing. Where the difference is below ``CLEAR`` the data do not tell them apart, and Hill
is used because it contains near-exponential shapes and S-shapes and so is less sure of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.laplace import (
    Mode,
    find_mode,
    fit_noise,
    null_evidence,
    starting_points,
)
from shared.fit.bayes.model import MediaModel, build_model
from shared.fit.bayes.noise import Noise
from shared.fit.bayes.priors import ReturnPrior, return_prior
from shared.fit.bayes.sampler import Sample, sample
from shared.fit.design.features import Design, build_design
from shared.history.table import History

__all__ = ["CLEAR", "Posterior", "fit_posterior"]

Floats = NDArray[np.float64]

#: Difference of log evidence beyond which one family is preferred to the other.
CLEAR = 2.0
_STARTS = 4
_DRIFT = 6.0  # standard errors that the largest of all coordinates' means may move


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A fitted window: the model at its final noise weights, its mode, joint draws (S, size)."""

    design: Design
    prior: ReturnPrior
    model: MediaModel
    mode: Mode
    noise: Noise
    sample: Sample
    family: str
    evidence: Mapping[str, float]  # of "hill", "exponential" (those tried) and "no_media"

    @property
    def draws(self) -> Floats:
        """Joint draws, shape (S, size)."""
        return self.sample.draws

    @property
    def converged(self) -> bool:
        """A maximum was found, and the chains from around it went where they belong and stayed."""
        chance = float(np.sqrt(2.0 / len(self.draws)))
        settled = self.sample.acceptance > 0.5 and self.sample.drift < _DRIFT * chance
        return self.mode.converged and settled


def fit_posterior(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    family: str = "auto",
) -> Posterior:
    """Fit the first ``train`` rows (default all). The same seed gives the same draws."""
    rng = np.random.default_rng([seed, 0 if train is None else train])
    country = spec.get("holidays_country") or None
    design = build_design(history, country, train)
    names = tuple(history.channels[c] for c in design.active)
    seen = history.outcome[design.observed]
    prior = return_prior(
        spec,
        history.outcome_name,
        names,
        float(design.mean_spend.sum()) * design.train,
        float(np.mean(seen)) * design.train,
    )
    channels = len(names)
    first = np.full(channels, family != "exponential")
    centre = starting_points(build_model(design, prior, first), 1, rng)[0]
    noise, warm = fit_noise(design, prior, first, centre)
    tried: dict[str, tuple[MediaModel, Mode]] = {}
    for name in ("hill", "exponential"):
        if family in ("auto", name):
            hill = np.full(channels, name == "hill")
            model = build_model(design, prior, hill, noise.weights, noise.correlation)
            starts = np.vstack([warm[None], starting_points(model, _STARTS - 1, rng)])
            tried[name] = (model, find_mode(model, starts))
    chosen = max(tried, key=lambda n: tried[n][1].log_evidence + (CLEAR if n == "hill" else 0.0))
    model, mode = tried[chosen]
    evidence = {name: found.log_evidence for name, (_, found) in tried.items()}
    return Posterior(
        design=design,
        prior=prior,
        model=model,
        mode=mode,
        noise=noise,
        sample=sample(model, mode, draws, rng),
        family=chosen,
        evidence={**evidence, "no_media": null_evidence(model)},
    )
