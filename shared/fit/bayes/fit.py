"""The Bayesian media model as a fit: what ``shared.fit.fitted`` asks of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.fit.bayes.curves import responses, unspent_response
from shared.fit.bayes.evidence import channel_evidence, collinear_groups, log_returns
from shared.fit.bayes.families import told, told_together
from shared.fit.bayes.interplay import told_pairs
from shared.fit.bayes.lift import Lifted
from shared.fit.bayes.posterior import Posterior, fit_posterior
from shared.fit.design.design import Design
from shared.fit.fitted import ChannelEvidence, Forecast, Group, LogReturns
from shared.fit.interplay import told_strengths
from shared.history.table import History

__all__ = ["BayesianFit", "fit_bayesian"]

Floats = NDArray[np.float64]
_LIGHT = 0.3  # weight under which a row counts as an outlier


@dataclass(frozen=True, slots=True, eq=False)
class BayesianFit:
    """A posterior, with the names of its active channels and the seed of what is drawn from it."""

    posterior: Posterior
    names: tuple[str, ...]
    seed: int

    @property
    def design(self) -> Design:
        return self.posterior.design

    @property
    def converged(self) -> bool:
        return self.posterior.converged

    @property
    def choice(self) -> Mapping[str, tuple[str, str]]:
        families = self.posterior.choice
        pairs = zip(families.saturations, families.adstocks, strict=True)
        return dict(zip(self.names, pairs, strict=True))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple((self.names[i], self.names[j]) for i, j in self.posterior.pairs)

    @property
    def media_evidence(self) -> float:
        return self.posterior.evidence["chosen"] - self.posterior.evidence["no_media"]

    def forecast(self, rng: np.random.Generator) -> Forecast:
        """Draws of signal and noise, added up over the geos."""
        design, draws = self.design, self.posterior.draws
        gamma, media = self.posterior.linear(rng)
        signal = gamma @ design.baseline.T + media
        noises = self.posterior.sample.noises
        scale = np.exp(draws[:, -1]) / np.sqrt(1.0 - noises.correlation**2)
        # A Student-t is a normal over the root of a gamma; of infinite degrees, a normal.
        half = 0.5 * np.where(np.isfinite(noises.degrees), noises.degrees, 1.0)[:, None]
        precision = rng.standard_gamma(np.broadcast_to(half, signal.shape)) / half
        precision[~np.isfinite(noises.degrees)] = 1.0
        noise = scale[:, None] * rng.standard_normal(signal.shape) / np.sqrt(precision)
        return Forecast(design.total(signal.mean(axis=0)), design.total(signal + noise))

    def over_time(self) -> Mapping[str, Floats]:
        design, model = self.design, self.posterior.model
        rng = np.random.default_rng([self.seed, 3])
        gamma = self.posterior.linear(rng)[0].mean(axis=0)
        out = design.baseline_by_group(gamma)
        media = model.media(self.posterior.draws).mean(axis=1)
        for arm, values in zip(design.arms, media, strict=True):
            out[f"media:{arm.name}"] = values * design.outcome_scale[arm.geo]
        if model.pairs:
            both = model.interplay(self.posterior.draws).mean(axis=1).sum(axis=0)
            out["interactions"] = design.total(both, centred=True)
        return out

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        return channel_evidence(self.posterior)

    def groups(self) -> tuple[Group, ...]:
        return collinear_groups(self.posterior, self.names)

    def responses(self) -> tuple[Response, ...]:
        return responses(self.posterior)

    def lifted(self) -> tuple[Lifted, ...]:
        return self.posterior.model.lifted(self.posterior.draws)

    def log_returns(self) -> LogReturns:
        return log_returns(self.posterior)

    def unspent(self, rng: np.random.Generator) -> Response:
        return unspent_response(self.posterior, rng)

    def interactions(self) -> tuple[Mapping[str, Any], ...]:
        design, model = self.design, self.posterior.model
        strength = model.unpack(self.posterior.draws).strength
        return told_strengths(design, model.pairs, strength)

    def diagnostics(self) -> Mapping[str, Any]:
        posterior, design, mode = self.posterior, self.design, self.posterior.mode
        light = np.flatnonzero(posterior.noise.weights < _LIGHT)
        rows = np.unique(np.flatnonzero(design.observed)[light] % design.periods)
        scale = float(np.median(np.exp(posterior.draws[:, -1])) * design.outcome_scale.mean())
        sample = posterior.sample
        tails = bool(np.isfinite(posterior.noise.degrees))
        return {
            "convergence": {
                "converged": posterior.converged,
                "newton_decrement": mode.decrement if np.isfinite(mode.decrement) else None,
                "starts": mode.starts,
                "starts_agreeing": mode.agreeing,
                "draws": len(posterior.draws),
                "r_hat": sample.r_hat if np.isfinite(sample.r_hat) else None,
                "ess": sample.ess,
                "divergences": sample.divergences,
                "chains": sample.chains,
                "trajectories": sample.trajectories,
                "acceptance": sample.acceptance,
            },
            "model": {
                "kind": "bayesian",
                "method": "laplace_hmc",
                "saturation": posterior.family,
                "adstock": posterior.carryover,
                "lags": int(design.lags.shape[2]),
                "log_evidence": dict(posterior.evidence),
                "baseline_columns": list(design.baseline_names),
            },
            "families": told(posterior.families, self.names),
            "families_together": told_together(posterior.families),
            "interactions": told_pairs(posterior.looked, self.names),
            "noise": {
                "distribution": "student_t" if tails else "gaussian",
                "degrees_of_freedom": posterior.noise.degrees if tails else None,
                "correlation": posterior.noise.correlation,
                "scale": scale,
                "outliers": rows.tolist(),
            },
            "priors": {"basis": posterior.prior.basis, "why": posterior.prior.why},
        }


def fit_bayesian(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    choice: Mapping[str, tuple[str, str]] | None = None,
) -> BayesianFit:
    """See :func:`shared.fit.bayes.posterior.fit_posterior`."""
    posterior = fit_posterior(history, spec, seed=seed, train=train, draws=draws, choice=choice)
    names = tuple(history.channels[c] for c in posterior.design.active)
    return BayesianFit(posterior, names, seed)
