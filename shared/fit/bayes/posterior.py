"""One fit of one window: priors, noise, families, interactions, mode, joint draws.

Whether the level drifts is settled by evidence: slow waves in the baseline against noise that
remembers. A level that wanders off makes the errors of a fit with a straight trend follow each
other; only where they do is a baseline with slow waves tried. It is taken where its evidence
(Laplace's approximation to the marginal likelihood, MacKay 2003, chapter 28) is clearly larger,
each with the noise that suits it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.families import Chosen, Open, choose
from shared.fit.bayes.interplay import Pair, WithPairs, interacting
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
from shared.fit.bayes.sampler import Agreement, Sample, marginal_of, sample
from shared.fit.design.design import Design, build_design
from shared.fit.design.leak import checked_design
from shared.fit.design.wishes import read_wishes
from shared.fit.support import AskedModel, asked_of
from shared.history.table import History

__all__ = ["Posterior", "fit_posterior"]

Floats = NDArray[np.float64]

_STARTS = 2
_MOVED = 0.15  # of the noise's correlation; of a row's weight twice that
_FEW = 16  # draws whose noises are decomposed at once
#: What every posterior that is kept must reach; a fold's needs a mean and an interval only.
_FULL = 200
_GOAL = Agreement()

#: Correlation of neighbouring errors from which a drift is looked for.
_CORRELATED = 0.1
_CLEAR = 2.0  # difference of log evidence


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A fitted window: the model at its final noise weights, its mode, joint draws (S, size)."""

    design: Design
    prior: ReturnPrior
    model: MediaModel
    mode: Mode
    noise: Noise
    sample: Sample
    evidence: Mapping[str, float]  # "first" families, those "chosen", "no_media"
    families: Chosen
    pairs: tuple[Pair, ...]  # of channels, in the order of the model's strengths
    looked: WithPairs | None  # what a search for interactions found; None where none was made

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
    wishes = read_wishes(spec, history)
    design = checked_design(history, wishes, train)
    names = tuple(history.channels[c] for c in design.active)
    prior = _returns(history, spec, design, names)
    lifts = read_lifts(spec, history, design)
    pairs = tuple(
        (names.index(i), names.index(j)) for i, j in asked.interactions if i in names and j in names
    )

    def model_of(
        families: Choice,
        noise: Noise | None = None,
        on: Design | None = None,
        pairs: tuple[Pair, ...] = pairs,
    ) -> MediaModel:
        weights, correlation = (None, 0.0) if noise is None else (noise.weights, noise.correlation)
        return build_model(
            on or design,
            prior,
            families,
            weights,
            correlation,
            pairs=pairs,
            shrunk=asked.shrunk,
            lifts=lifts,
        )

    first, free = _families(asked, names, choice or {})
    centre = starting_points(model_of(first), 1, rng)[0]
    rows = int(design.observed.sum())
    noise, warm = fit_noise(lambda n: model_of(first, n), centre, rows, asked.noise)
    model = model_of(first, noise)
    starts = starting_points(model, _STARTS, rng)
    starts[0] = warm
    mode = find_mode(model, starts)
    begun = mode.log_evidence
    chosen = choose(lambda f: model_of(f, noise), model, mode, free, rng)
    # A carryover that is wrong leaves errors that follow each other and stand out: what the noise
    # is, and whether the level drifts, is asked of the families chosen, and they once more then.
    families, warm, now = chosen.model.layout.choice, chosen.mode.theta, noise
    if families != first:
        now, warm = fit_noise(lambda n: model_of(families, n), warm, rows, asked.noise)
    gained: dict[str, float] = {}
    again = _differ(noise, now)
    if wishes.wander is None and now.correlation > _CORRELATED:
        wavy = build_design(history, replace(wishes, wander=True), train)
        drift = _with_waves(
            model_of(families, now), lambda n: model_of(families, n, wavy), warm, rows, asked.noise
        )
        gained = {"drift": drift.gain}
        if drift.found:
            design, now, warm, again = wavy, drift.noise, drift.start, True
    if again:
        noise = now
        model = model_of(families, noise)
        mode = find_mode(model, warm[None])
        chosen = chosen.then(choose(lambda f: model_of(f, noise), model, mode, free, rng))
    model, mode = chosen.model, chosen.mode
    looked = None
    if asked.search:
        families = model.layout.choice
        looked = interacting(lambda some: model_of(families, noise, pairs=some), model, mode)
        model, mode, pairs = looked.model, looked.mode, looked.pairs
    drawn = sample(model, mode, draws, rng, noise=noise, goal=_goal(draws))
    return Posterior(
        design=design,
        prior=prior,
        model=model,
        mode=mode,
        noise=drawn.noises.mean(),
        sample=drawn,
        evidence={
            "first": begun,
            **gained,
            "chosen": mode.log_evidence,
            "no_media": null_evidence(model),
        },
        families=chosen,
        pairs=pairs,
        looked=looked,
    )


def _differ(one: Noise, other: Noise) -> bool:
    """Whether families chosen under one noise might be others under the other."""
    if abs(one.correlation - other.correlation) > _MOVED:
        return True
    return float(np.abs(one.weights - other.weights).max()) > 2.0 * _MOVED


def _goal(draws: int) -> Agreement:
    if draws >= _FULL:
        return _GOAL
    return Agreement(r_hat=1.1, ess=min(2.0 * draws, _GOAL.ess), block=8, warm_up=(10, 14, 8))


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


def _families(
    asked: AskedModel, names: tuple[str, ...], settled: Mapping[str, tuple[str, str]]
) -> tuple[Choice, Open]:
    """The families to begin with, and which of them are to be chosen."""
    known = [settled.get(n, (asked.saturation_of(n), asked.adstock_of(n))) for n in names]
    return (
        Choice(tuple(s or "hill" for s, _ in known), tuple(a or "geometric" for _, a in known)),
        Open(tuple(s is None for s, _ in known), tuple(a is None for _, a in known)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Drift:
    """The noise and a point near the mode of a baseline with waves, and what it gains in evidence.

    ``found`` says whether that is clearly more than the straight trend's.
    """

    gain: float
    noise: Noise
    start: Floats

    @property
    def found(self) -> bool:
        """Whether the level drifts."""
        return self.gain > _CLEAR


def _with_waves(
    straight: MediaModel,
    waves: Callable[[Noise], MediaModel],
    start: Floats,
    rows: int,
    kind: str,
) -> _Drift:
    """Fit a baseline with waves and compare it with ``straight``, a model at its own noise.

    Parameters
    ----------
    waves
        The same model over a baseline with waves, at a given noise.
    start
        Near the straight model's mode, (size,).
    rows, kind
        As for ``fit_noise``.
    """
    noise, point = fit_noise(waves, start, rows, kind)
    gain = find_mode(waves(noise), point[None]).log_evidence
    gain -= find_mode(straight, start[None]).log_evidence
    return _Drift(gain, noise, point)
