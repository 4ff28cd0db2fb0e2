"""One fit of one window: priors, noise weights, choice of families, mode, joint draws.

Where the saturation is left open it is chosen for all open channels at once: Hill or exponential,
whichever has the larger evidence on the training rows (Laplace's approximation to the marginal
likelihood, MacKay 2003, chapter 28). Both share the noise weights, so they are compared on the same
footing. Where the difference is below ``CLEAR`` the data do not tell them apart, and Hill is used
because it contains near-exponential shapes and S-shapes and so is less sure of itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.gibbs import marginal_of
from shared.fit.bayes.laplace import (
    Mode,
    find_mode,
    fit_noise,
    null_evidence,
    starting_points,
)
from shared.fit.bayes.layout import Choice
from shared.fit.bayes.lift import read_lifts
from shared.fit.bayes.model import MediaModel, build_model
from shared.fit.bayes.noise import Noise
from shared.fit.bayes.priors import ReturnPrior, return_prior
from shared.fit.bayes.sampler import Goal, Sample, sample
from shared.fit.design.design import Design
from shared.fit.design.leak import checked_design
from shared.fit.design.wishes import read_wishes
from shared.fit.support import Asked, asked_of
from shared.history.table import History

__all__ = ["CLEAR", "Posterior", "fit_posterior"]

Floats = NDArray[np.float64]

#: Difference of log evidence beyond which one family is preferred to the other.
CLEAR = 2.0
_STARTS = 2
_FEW = 16  # draws whose noises are decomposed at once
#: What every posterior that is kept must reach; a fold's needs a mean and an interval only.
_FULL = 200
_GOAL = Goal()


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A fitted window: the model at its final noise weights, its mode, joint draws (S, size)."""

    design: Design
    prior: ReturnPrior
    model: MediaModel
    mode: Mode
    noise: Noise
    sample: Sample
    evidence: Mapping[str, float]  # "chosen", "no_media", and of each family tried for the open

    @property
    def draws(self) -> Floats:
        """Joint draws, shape (S, size)."""
        return self.sample.draws

    @property
    def choice(self) -> Choice:
        """The families of each active channel."""
        return self.model.layout.choice

    @property
    def family(self) -> str:
        """The saturation of most channels."""
        return Counter(self.choice.saturations).most_common(1)[0][0]

    @property
    def carryover(self) -> str:
        """The adstock of most channels."""
        return Counter(self.choice.adstocks).most_common(1)[0][0]

    @property
    def converged(self) -> bool:
        """A maximum was found, and the chains from around it agree."""
        return self.mode.converged and self.sample.reached

    def linear(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """The baseline's coefficients (S, p), each under its draw's noise, and media (S, R)."""
        parts = []
        for k in range(0, len(self.draws), _FEW):
            some = np.arange(k, min(k + _FEW, len(self.draws)))
            under = marginal_of(self.model, self.sample.noises.take(some))
            parts.append(self.model.linear_draws(self.draws[some], rng, under))
        return np.concatenate([g for g, _ in parts]), np.concatenate([m for _, m in parts])


def fit_posterior(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    choice: Mapping[str, tuple[str, str]] | None = None,
) -> Posterior:
    """Fit the first ``train`` periods (default all). The same seed gives the same draws.

    Parameters
    ----------
    choice
        (saturation, adstock) by channel name, settled already (by the fit of all rows).
    """
    rng = np.random.default_rng([seed, 0 if train is None else train])
    asked = asked_of(spec, history.channels)
    design = checked_design(history, read_wishes(spec, history), train)
    names = tuple(history.channels[c] for c in design.active)
    prior = _returns(history, spec, design, names)
    lifts = read_lifts(spec, design, names, history.dates)
    pairs = tuple(
        (names.index(i), names.index(j)) for i, j in asked.interactions if i in names and j in names
    )

    def model_of(families: Choice, noise: Noise | None = None) -> MediaModel:
        weights, correlation = (None, 0.0) if noise is None else (noise.weights, noise.correlation)
        return build_model(
            design,
            prior,
            families,
            weights,
            correlation,
            pairs=pairs,
            shrunk=asked.shrunk,
            lifts=lifts,
        )

    options = _options(asked, names, choice or {})
    first = options[0][1]
    centre = starting_points(model_of(first), 1, rng)[0]
    noise, warm = fit_noise(
        lambda n: model_of(first, n), centre, int(design.observed.sum()), asked.noise
    )
    tried: dict[str, tuple[MediaModel, Mode]] = {}
    for name, families in options:
        model = model_of(families, noise)
        starts = starting_points(model, _STARTS, rng)
        starts[0] = _carried(warm, model_of(first).layout, model.layout, starts[0])
        tried[name] = (model, find_mode(model, starts))
    chosen = max(tried, key=lambda n: tried[n][1].log_evidence + (CLEAR if n == "hill" else 0.0))
    model, mode = tried[chosen]
    evidence = {name: found.log_evidence for name, (_, found) in tried.items()}
    drawn = sample(model, mode, draws, rng, noise=noise, goal=_goal(draws))
    return Posterior(
        design=design,
        prior=prior,
        model=model,
        mode=mode,
        noise=drawn.noises.mean(),
        sample=drawn,
        evidence={
            **evidence,
            "chosen": mode.log_evidence,
            "no_media": null_evidence(model),
        },
    )


def _goal(draws: int) -> Goal:
    return _GOAL if draws >= _FULL else Goal(r_hat=1.05, ess=min(2.0 * draws, _GOAL.ess), block=10)


def _returns(
    history: History, spec: Mapping[str, Any], design: Design, names: tuple[str, ...]
) -> ReturnPrior:
    """The prior of returns, from what was spent and seen in the training periods."""
    seen = history.outcome[: design.train]
    seen = seen[np.isfinite(seen)]
    return return_prior(
        spec,
        history.outcome_name,
        names,
        float(design.mean_spend.sum()) * design.train,
        float(np.mean(seen)) * design.train if seen.size else 0.0,
    )


def _options(
    asked: Asked, names: tuple[str, ...], settled: Mapping[str, tuple[str, str]]
) -> list[tuple[str, Choice]]:
    """The choices of families to compare, by name; the first is the one to begin with."""
    adstocks = tuple(
        settled[n][1] if n in settled else asked.adstock_of(n) or "geometric" for n in names
    )
    wished = [settled[n][0] if n in settled else asked.saturation_of(n) for n in names]
    if all(wished):
        return [("asked", Choice(tuple(str(w) for w in wished), adstocks))]
    return [
        (family, Choice(tuple(w or family for w in wished), adstocks))
        for family in ("hill", "exponential")
    ]


def _carried(theta: Floats, old: Any, new: Any, start: Floats) -> Floats:
    """A point of one layout in another: what both have is kept, the rest is ``start``'s."""
    out = start.copy()
    for role in ("roi", "first", "second", "half", "shape", "pairs"):
        before, now = getattr(old, role), getattr(new, role)
        both = (before >= 0) & (now >= 0)
        out[now[both]] = theta[before[both]]
    for was, level in zip(old.levels, new.levels, strict=True):
        out[level.spread] = theta[was.spread]
        has = level.member >= 0
        out[level.member[has]] = theta[was.member[has]]
    out[new.sigma] = theta[old.sigma]
    return out
