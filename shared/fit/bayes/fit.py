"""The Bayesian media model as a fit: what ``shared.fit.fitted`` asks of every kind.

That is what the data said about each arm beyond the prior, which channels they cannot tell apart,
and the curves that are stored: money in, outcome units per period out. Draw number s of every arm
is one joint draw. Draws differ in their adstock as well, but a stored draw is a saturation only:
that loses nothing for sustained spend, because the adstock is normalised (weights that sum to one
leave a constant spend as it is), so the response to x a period, every period, is the saturation at
x whatever the carryover.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.curves.saturation import fittable
from shared.fit.bayes.families import told, told_together
from shared.fit.bayes.interplay import told_pairs
from shared.fit.bayes.kernels import PARAMETERS, adstock_of, response_of, saturation_of
from shared.fit.bayes.lift import Lifted
from shared.fit.bayes.posterior import Posterior, fit_posterior
from shared.fit.bayes.priors import HALF_SD, SHAPE_BETWEEN, SPREAD
from shared.fit.design.design import Design
from shared.fit.fitted import ChannelEvidence, Forecast, Group, LogReturns, middle_90
from shared.fit.interplay import told_strengths
from shared.history.table import History

__all__ = [
    "BayesianFit",
    "channel_evidence",
    "collinear_groups",
    "fit_bayesian",
    "responses",
    "unspent_response",
]

Floats = NDArray[np.float64]
_LIGHT = 0.3  # weight under which a row counts as an outlier
_GOOD = 0.7
_PRIOR = 0.25
_MOVED = 0.5
_CORRELATED = 0.9
_TRADED = -0.6


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


def log_returns(posterior: Posterior) -> LogReturns:
    """Draws and prior; deviations of geos and campaigns are as wide as the fit found them."""
    layout, channel = posterior.model.layout, posterior.model.arms.channel
    mean = posterior.prior.log_median[channel]
    covariance = posterior.prior.covariance()[np.ix_(channel, channel)]
    for level in layout.levels:
        variance = float(np.exp(2.0 * posterior.draws[:, level.spread]).mean())
        member = level.member
        covariance += variance * ((member[:, None] == member) & (member >= 0))
    draws = np.log(posterior.model.unpack(posterior.draws).roi)
    return LogReturns(draws, mean, covariance)


def channel_evidence(posterior: Posterior) -> tuple[ChannelEvidence, ...]:
    """One entry per arm, in the design's order."""
    design, layout = posterior.design, posterior.model.layout
    natural = posterior.model.unpack(posterior.draws)
    expected, unsure = posterior.prior.by_the_others(posterior.draws[:, layout.roi])
    out: list[ChannelEvidence] = []
    for index, arm in enumerate(design.arms):
        place = arm.channel
        log_roi = np.log(natural.roi[:, index])
        centre = float(posterior.prior.log_median[place])
        # A geo or a campaign may deviate from its channel.
        deviates = (SPREAD * (len(layout.levels) > 0)) ** 2
        sd = float(np.sqrt(posterior.prior.log_sd[place] ** 2 + deviates))
        saturation, adstock = layout.choice.saturations[place], layout.choice.adstocks[place]
        # What was to be expected of it, had it no rows of its own.
        others = float(np.var(expected[:, place])) + deviates
        beforehand = float(np.sqrt(unsure[place] ** 2 + others))
        contraction = float(np.clip(1.0 - np.var(log_roi) / beforehand**2, 0.0, 1.0))
        shift = abs(float(np.mean(log_roi) - np.mean(expected[:, place]))) / beforehand
        settled = float(np.var(log_roi)) <= (1.0 - _GOOD) * sd**2
        low, _, high = middle_90(natural.roi[:, index])
        out.append(
            ChannelEvidence(
                verdict=_word(contraction, shift, settled=settled),
                contraction=contraction,
                roi_mean=float(np.mean(natural.roi[:, index])),
                roi_interval=(low, high),
                prior_roi=(
                    float(np.exp(centre - 1.645 * sd)),
                    float(np.exp(centre)),
                    float(np.exp(centre + 1.645 * sd)),
                ),
                prior_given=posterior.prior.given[place],
                saturation=saturation,
                adstock=adstock,
                carryover=dict(
                    zip(
                        PARAMETERS[adstock],
                        (middle_90(natural.first[:, place]), middle_90(natural.second[:, place])),
                        strict=False,
                    )
                ),
                half_saturation=middle_90(
                    natural.half[:, place] * float(design.spend_scale[index])
                ),
                shape=middle_90(natural.shape[:, place])
                if fittable()[saturation].shaped()
                else None,
            )
        )
    return tuple(out)


def _word(contraction: float, shift: float, *, settled: bool) -> str:
    if contraction < _PRIOR and shift < _MOVED:
        return "prior"
    return "good" if settled else "weak"


def collinear_groups(posterior: Posterior, names: tuple[str, ...]) -> tuple[Group, ...]:
    """Channels that the data cannot tell apart, by name, with the correlation that says so.

    Two channels belong together where their media in the training rows, less what the baseline
    explains of them, are correlated beyond 0.9, or where the posterior trades one's return against
    the other's (correlation of log returns under -0.6). Pairs are merged into groups.
    """
    count = len(names)
    if count < 2:
        return ()
    marginal, design = posterior.model.marginal, posterior.design
    by_arm = posterior.model.media(posterior.mode.theta[None])[:, 0]
    whole = np.zeros((count, len(design.geos), design.periods))
    for a, arm in enumerate(design.arms):
        whole[arm.channel, arm.geo] += by_arm[a]
    media = marginal.whitener.apply(whole.reshape(count, -1)[:, design.observed])
    seen = marginal.square > 1e-16 * marginal.square.max()
    left = marginal.rotated[:, seen] / np.sqrt(marginal.square[seen])
    # With about as many rows as baseline columns nothing would be left to correlate.
    if left.shape[1] < media.shape[1] // 2:
        media = media - (media @ left) @ left.T
    spread = np.linalg.norm(media, axis=1)
    safe = np.where(spread > 0, spread, 1.0)
    alike = (media / safe[:, None]) @ (media / safe[:, None]).T
    log_roi = posterior.draws[:, posterior.model.layout.roi]
    deviation = log_roi - log_roi.mean(axis=0)
    sd = np.maximum(np.sqrt((deviation**2).mean(axis=0)), 1e-12)
    traded = (deviation.T @ deviation) / len(log_roi) / np.outer(sd, sd)
    linked = (alike > _CORRELATED) | (traded < _TRADED)
    groups: list[Group] = []
    left_over = set(range(count))
    while left_over:
        group, edge = set(), {min(left_over)}
        while edge:
            group |= edge
            edge = {j for i in edge for j in range(count) if linked[i, j]} - group
        left_over -= group
        if len(group) > 1:
            members = sorted(group)
            strongest = max(
                max(float(alike[i, j]), float(-traded[i, j]))
                for i in members
                for j in members
                if i < j and linked[i, j]
            )
            groups.append((tuple(names[i] for i in members), min(strongest, 1.0)))
    return tuple(groups)


def responses(posterior: Posterior) -> tuple[Response, ...]:
    """One response per arm, in the design's order; see ``response_of``."""
    design, choice = posterior.design, posterior.choice
    natural = posterior.model.unpack(posterior.draws)
    tops = posterior.model.coefficients(posterior.draws)
    out: list[Response] = []
    for a, arm in enumerate(design.arms):
        c = arm.channel
        out.append(
            response_of(
                family=choice.saturations[c],
                tops=tops[:, a],
                halves=natural.half[:, c] * design.spend_scale[a],
                shapes=natural.shape[:, c],
                at=float(design.mean_spend[a]),
                adstock=adstock_of(
                    choice.adstocks[c],
                    float(np.median(natural.first[:, c])),
                    float(np.median(natural.second[:, c])),
                    design.lags.shape[2],
                ),
            )
        )
    return tuple(out)


def unspent_response(posterior: Posterior, rng: np.random.Generator) -> Response:
    """The curve of a channel without any spend: what is believed, given what the others return.

    Its spend scale is the median of the other channels'. It is there so that the channel does not
    vanish; its observed maximum of zero keeps an optimiser away unless told otherwise.
    """
    scale = float(np.median(posterior.design.spend_scale))
    count = len(posterior.draws)
    prior = posterior.prior
    noise = rng.standard_normal((3, count))
    mean, sd = prior.of_another(posterior.draws[:, posterior.model.layout.roi])
    returns = np.exp(mean + sd * noise[0])
    halves = scale * np.exp(HALF_SD * noise[1])
    shaped = posterior.model.layout.shape[posterior.model.layout.shape >= 0]
    level = posterior.draws[:, shaped].mean(axis=1) if shaped.size else np.zeros(count)
    shapes = np.exp(level + SHAPE_BETWEEN * noise[2])
    unit = saturation_of(posterior.family, np.ones(count), halves, shapes).value(scale)
    others = responses(posterior)
    return response_of(
        family=posterior.family,
        tops=returns * scale / np.asarray(unit),
        halves=halves,
        shapes=shapes,
        at=scale,
        adstock=next(o.adstock for o in others if o.adstock is not None),
    )
