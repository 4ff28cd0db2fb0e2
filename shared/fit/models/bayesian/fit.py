"""The Bayesian media model as a fit: priors, noise, families, interactions, mode, joint draws.

Whether the level drifts is settled by evidence: slow waves in the baseline against noise that
remembers. Only where the errors of a fit with a straight trend follow each other are waves tried,
and they are taken where Laplace's evidence (MacKay 2003, chapter 28) is clearly larger, each with
the noise that suits it.

The curves that are stored take money in and give outcome units per period out. Draw number s of
every arm is one joint draw. Draws differ in their adstock as well, but a stored draw is a
saturation only: that loses nothing for sustained spend, because the adstock is normalised (weights
that sum to one leave a constant spend as it is).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.curves.saturation import fittable
from shared.fit.design.design import Design
from shared.fit.fitted import ChannelEvidence, Forecast, Group, LogReturns, linked, middle_90
from shared.fit.media.asked import Asked
from shared.fit.media.interactions import told_strengths
from shared.fit.media.kernels import PARAMETERS, adstock_of, response_of, saturation_of
from shared.fit.media.lift import Lifted
from shared.fit.media.priors import HALF_SD, SHAPE_BETWEEN, SPREAD, ReturnPrior
from shared.fit.models.bayesian.families import (
    Chosen,
    Open,
    Pair,
    WithPairs,
    choose,
    interacting,
    told,
    told_pairs,
    told_together,
)
from shared.fit.models.bayesian.laplace import (
    Mode,
    find_mode,
    fit_noise,
    null_evidence,
    starting_points,
)
from shared.fit.models.bayesian.layout import Choice, prior_of
from shared.fit.models.bayesian.model import MediaModel, build_model
from shared.fit.models.bayesian.noise import Noise
from shared.fit.models.bayesian.sampler import Agreement, Sample, marginal_of, sample

__all__ = ["Bayesian", "BayesianFit"]

Floats = NDArray[np.float64]
_LIGHT = 0.3  # weight under which a row counts as an outlier
_GOOD = 0.7
_PRIOR = 0.25
_MOVED = 0.5
_CORRELATED = 0.9
_TRADED = -0.6
_STARTS = 2
_CHANGED = 0.15  # of the noise's correlation; of a row's weight twice that
_FEW = 16  # draws whose noises are decomposed at once
_FULL = 200  # draws of a posterior that is kept; a fold's needs a mean and an interval only
_DRIFTING = 0.1  # correlation of neighbouring errors from which a drift is looked for
_CLEAR = 2.0  # difference of log evidence
_AGAINST = 1.0  # log evidence by which rows speak against what the spec believes of returns
_OFF = 1.5  # standard deviations between a belief and the rows, from which it may be what is wrong


@dataclass(frozen=True, slots=True, eq=False)
class BayesianFit:
    """A fitted window: the model at its final noise weights, its mode, joint draws (S, size)."""

    design: Design
    names: tuple[str, ...]
    seed: int
    prior: ReturnPrior
    model: MediaModel
    mode: Mode
    noise: Noise
    sample: Sample
    errors: Floats  # (S, C) systematic errors of the log returns, drawn with each draw
    log_evidence: Mapping[str, float]  # "first" families, those "chosen", "no_media"
    chosen: Chosen
    places: tuple[Pair, ...]  # of interacting channels, in the order of the model's strengths
    looked: WithPairs | None  # what a search for interactions found; None where none was made
    contradicted: Sequence[Mapping[str, Any]]  # beliefs of the spec that were set aside

    @property
    def draws(self) -> Floats:
        """Joint draws, shape (S, size)."""
        return self.sample.draws

    @property
    def returns(self) -> Floats:
        """Returns of the channels without the systematic error, shape (S, C)."""
        return np.asarray(np.exp(self.draws[:, self.model.layout.roi] - self.errors))

    @property
    def families(self) -> Choice:
        """Those of each active channel."""
        return self.model.layout.choice

    @property
    def converged(self) -> bool:
        """A maximum was found, and the chains from around it agree."""
        return self.mode.converged and self.sample.reached

    @property
    def choice(self) -> Mapping[str, tuple[str, str]]:
        families = zip(self.families.saturations, self.families.adstocks, strict=True)
        return dict(zip(self.names, families, strict=True))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple((self.names[i], self.names[j]) for i, j in self.places)

    @property
    def media_evidence(self) -> float:
        return self.log_evidence["chosen"] - self.log_evidence["no_media"]

    def linear(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """The baseline's coefficients (S, p), each under its draw's noise, and media (S, R)."""
        parts = []
        for k in range(0, len(self.draws), _FEW):
            some = np.arange(k, min(k + _FEW, len(self.draws)))
            under = marginal_of(self.model, self.sample.noises.take(some))
            parts.append(self.model.linear_draws(self.draws[some], rng, under))
        return np.concatenate([g for g, _ in parts]), np.concatenate([m for _, m in parts])

    def forecast(self, rng: np.random.Generator) -> Forecast:
        """Draws of signal and noise, added up over the geos."""
        design, draws = self.design, self.draws
        gamma, media = self.linear(rng)
        signal = gamma @ design.baseline.T + media
        noises = self.sample.noises
        scale = np.exp(draws[:, -1]) / np.sqrt(1.0 - noises.correlation**2)
        # A Student-t is a normal over the root of a gamma; of infinite degrees, a normal.
        half = 0.5 * np.where(np.isfinite(noises.degrees), noises.degrees, 1.0)[:, None]
        precision = rng.standard_gamma(np.broadcast_to(half, signal.shape)) / half
        precision[~np.isfinite(noises.degrees)] = 1.0
        noise = scale[:, None] * rng.standard_normal(signal.shape) / np.sqrt(precision)
        return Forecast(design.total(signal.mean(axis=0)), design.total(signal + noise))

    def over_time(self) -> Mapping[str, Floats]:
        design, model = self.design, self.model
        rng = np.random.default_rng([self.seed, 3])
        gamma = self.linear(rng)[0].mean(axis=0)
        out = design.baseline_by_group(gamma)
        media = model.media(self.draws).mean(axis=1)
        for arm, values in zip(design.arms, media, strict=True):
            out[f"media:{arm.name}"] = values * design.outcome_scale[arm.geo]
        if model.pairs:
            both = model.interplay(self.draws).mean(axis=1).sum(axis=0)
            out["interactions"] = design.total(both, centred=True)
        return out

    def lifted(self) -> tuple[Lifted, ...]:
        return self.model.lifted(self.draws)

    def interactions(self) -> tuple[Mapping[str, Any], ...]:
        design, model = self.design, self.model
        strength = model.unpack(self.draws).strength
        return told_strengths(design, model.pairs, strength)

    def diagnostics(self) -> Mapping[str, Any]:
        design, mode = self.design, self.mode
        light = np.flatnonzero(self.noise.weights < _LIGHT)
        rows = np.unique(np.flatnonzero(design.observed)[light] % design.periods)
        scale = float(np.median(np.exp(self.draws[:, -1])) * design.outcome_scale.mean())
        sample = self.sample
        least = self.model.layout.channel_of(sample.worst)
        tails = bool(np.isfinite(self.noise.degrees))
        return {
            "convergence": {
                "converged": self.converged,
                "newton_decrement": mode.decrement if np.isfinite(mode.decrement) else None,
                "starts": mode.starts,
                "starts_agreeing": mode.agreeing,
                "draws": len(self.draws),
                "r_hat": sample.r_hat if np.isfinite(sample.r_hat) else None,
                "ess": sample.ess,
                "least_settled": None if least is None else self.names[least],
                "divergences": sample.divergences,
                "chains": sample.chains,
                "trajectories": sample.trajectories,
                "acceptance": sample.acceptance,
            },
            "model": {
                "kind": "bayesian",
                "method": "laplace_hmc",
                "saturation": _most(self.families.saturations),
                "adstock": _most(self.families.adstocks),
                "lags": int(design.lags.shape[2]),
                "log_evidence": dict(self.log_evidence),
                "baseline_columns": list(design.baseline_names),
            },
            "families": told(self.chosen, self.names),
            "families_together": told_together(self.chosen),
            "interactions": told_pairs(self.looked, self.names),
            "noise": {
                "distribution": "student_t" if tails else "gaussian",
                "degrees_of_freedom": self.noise.degrees if tails else None,
                "correlation": self.noise.correlation,
                "scale": scale,
                "outliers": rows.tolist(),
            },
            "priors": {
                "basis": self.prior.basis,
                "why": self.prior.why,
                "systematic": [
                    {
                        "channel": name,
                        "role": role,
                        "captures": float(captures),
                        "mean_log": float(mean),
                        "sd_log": float(sd),
                    }
                    for name, role, captures, mean, sd in zip(
                        self.names,
                        self.prior.error.roles,
                        self.prior.error.captures,
                        self.prior.error.mean,
                        self.prior.error.sd,
                        strict=True,
                    )
                ],
                "contradicted": list(self.contradicted),
            },
        }

    def log_returns(self) -> LogReturns:
        """As the regression sees them, and less the error, which all arms of a channel share."""
        channel, error = self.model.arms.channel, self.prior.error
        seen = np.log(self.model.unpack(self.draws).roi)
        usual = error.mean[channel], error.sd[channel]
        return LogReturns(seen, seen - self.errors[:, channel], usual)

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        """One entry per arm, in the design's order."""
        design, layout = self.design, self.model.layout
        natural = self.model.unpack(self.draws)
        expected, unsure = self.prior.by_the_others(np.log(self.returns))
        returns = natural.roi * np.exp(-self.errors[:, self.model.arms.channel])
        out: list[ChannelEvidence] = []
        for index, arm in enumerate(design.arms):
            place = arm.channel
            log_roi = np.log(returns[:, index])
            centre = float(self.prior.log_median[place])
            # A geo or a campaign may deviate from its channel.
            deviates = (SPREAD * (len(layout.levels) > 0)) ** 2
            sd = float(np.sqrt(self.prior.sd[place] ** 2 + deviates))
            saturation, adstock = layout.choice.saturations[place], layout.choice.adstocks[place]
            # What was to be expected of it, had it no rows of its own.
            others = float(np.var(expected[:, place])) + deviates
            beforehand = float(np.sqrt(unsure[place] ** 2 + others))
            contraction = float(np.clip(1.0 - np.var(log_roi) / beforehand**2, 0.0, 1.0))
            shift = abs(float(np.mean(log_roi) - np.mean(expected[:, place]))) / beforehand
            settled = float(np.var(log_roi)) <= (1.0 - _GOOD) * sd**2
            low, _, high = middle_90(returns[:, index])
            out.append(
                ChannelEvidence(
                    verdict=_word(contraction, shift, settled=settled),
                    contraction=contraction,
                    roi_mean=float(np.mean(returns[:, index])),
                    roi_interval=(low, high),
                    prior_roi=(
                        float(np.exp(centre - 1.645 * sd)),
                        float(np.exp(centre)),
                        float(np.exp(centre + 1.645 * sd)),
                    ),
                    prior_given=self.prior.given[place],
                    saturation=saturation,
                    adstock=adstock,
                    carryover=dict(
                        zip(
                            PARAMETERS[adstock],
                            (
                                middle_90(natural.first[:, place]),
                                middle_90(natural.second[:, place]),
                            ),
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

    def groups(self) -> tuple[Group, ...]:
        """Channels that the data cannot tell apart, by name, with the correlation that says so.

        Two channels belong together where their media in the training rows, less what the
        baseline explains of them, are correlated beyond 0.9, or where the posterior trades one's
        return against the other's (correlation of log returns under -0.6).
        """
        count = len(self.names)
        if count < 2:
            return ()
        marginal, design = self.model.marginal, self.design
        by_arm = self.model.media(self.mode.theta[None])[:, 0]
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
        log_roi = self.draws[:, self.model.layout.roi]
        deviation = log_roi - log_roi.mean(axis=0)
        sd = np.maximum(np.sqrt((deviation**2).mean(axis=0)), 1e-12)
        traded = (deviation.T @ deviation) / len(log_roi) / np.outer(sd, sd)
        joined = (alike > _CORRELATED) | (traded < _TRADED)
        return linked(self.names, joined, np.maximum(alike, -traded))

    def responses(self) -> tuple[Response, ...]:
        """One response per arm, in the design's order; see ``response_of``."""
        design, choice = self.design, self.families
        natural = self.model.unpack(self.draws)
        tops = self.model.coefficients(self.draws)
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

    def unspent(self, rng: np.random.Generator) -> Response:
        """The curve of a channel without any spend: what is believed, given what the others return.

        Its spend scale is the median of the other channels'. It is there so that the channel does
        not vanish; its observed maximum of zero keeps an optimiser away unless told otherwise.
        """
        scale = float(np.median(self.design.spend_scale))
        count = len(self.draws)
        prior = self.prior
        noise = rng.standard_normal((3, count))
        mean, sd = prior.of_another(np.log(self.returns))
        returns = np.exp(mean + sd * noise[0])
        halves = scale * np.exp(HALF_SD * noise[1])
        shaped = self.model.layout.shape[self.model.layout.shape >= 0]
        level = self.draws[:, shaped].mean(axis=1) if shaped.size else np.zeros(count)
        shapes = np.exp(level + SHAPE_BETWEEN * noise[2])
        family = _most(self.families.saturations)
        unit = saturation_of(family, np.ones(count), halves, shapes).value(scale)
        others = self.responses()
        return response_of(
            family=family,
            tops=returns * scale / np.asarray(unit),
            halves=halves,
            shapes=shapes,
            at=scale,
            adstock=next(o.adstock for o in others if o.adstock is not None),
        )


class Bayesian:
    """Fits ``BayesianFit``."""

    def fit(self, design: Design, asked: Asked) -> BayesianFit:
        rng, wishes, names = asked.rng(), asked.model, asked.names
        pairs, prior = asked.places(asked.pairs()), asked.prior

        def model_of(
            families: Choice,
            noise: Noise | None = None,
            on: Design | None = None,
            pairs: tuple[Pair, ...] = pairs,
        ) -> MediaModel:
            return build_model(
                on or design,
                prior,
                families,
                None if noise is None else noise.weights,
                0.0 if noise is None else noise.correlation,
                pairs=pairs,
                shrunk=wishes.shrunk,
                lifts=asked.lifts,
            )

        first, free = _families(asked)
        centre = starting_points(model_of(first), 1, rng)[0]
        rows = int(design.observed.sum())
        noise, warm = fit_noise(lambda n: model_of(first, n), centre, rows, wishes.noise)
        model = model_of(first, noise)
        starts = starting_points(model, _STARTS, rng)
        starts[0] = warm
        mode = find_mode(model, starts)
        contradicted: list[dict[str, Any]] = []
        if any(prior.given):
            prior, contradicted = _believable(model, mode, names, shrunk=wishes.shrunk)
        if contradicted:
            model = model_of(first, noise)
            mode = find_mode(model, np.stack([mode.theta, *starts[1:]]))
        begun = mode.log_evidence
        chosen = choose(lambda f: model_of(f, noise), model, mode, free, rng)
        # A carryover that is wrong leaves errors that follow each other and stand out: what the
        # noise is, and whether the level drifts, is asked of the families chosen, and they once
        # more then.
        families, warm, now = chosen.model.layout.choice, chosen.mode.theta, noise
        if families != first:
            now, warm = fit_noise(lambda n: model_of(families, n), warm, rows, wishes.noise)
        gained: dict[str, float] = {}
        again = _differ(noise, now)
        if asked.drifting is not None and now.correlation > _DRIFTING:
            wavy = asked.drifting()
            drift = _with_waves(
                model_of(families, now),
                lambda n: model_of(families, n, wavy),
                warm,
                rows,
                wishes.noise,
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
        if wishes.search:
            families = model.layout.choice
            looked = interacting(lambda some: model_of(families, noise, pairs=some), model, mode)
            model, mode, pairs = looked.model, looked.mode, looked.pairs
        drawn = sample(model, mode, asked.draws, rng, noise=noise, goal=_goal(asked.draws))
        return BayesianFit(
            design=design,
            names=names,
            seed=asked.seed,
            prior=prior,
            model=model,
            mode=mode,
            noise=drawn.noises.mean(),
            sample=drawn,
            errors=_errors(model, drawn.draws, rng),
            log_evidence={
                "first": begun,
                **gained,
                "chosen": mode.log_evidence,
                "no_media": null_evidence(model),
            },
            chosen=chosen,
            places=pairs,
            looked=looked,
            contradicted=contradicted,
        )


def _believable(
    model: MediaModel, mode: Mode, names: Sequence[str], *, shrunk: bool
) -> tuple[ReturnPrior, list[dict[str, Any]]]:
    """The prior without what the rows contradict, and a row for each belief that is set aside.

    Beliefs stand unless the rows are clearly more probable without them (log evidence of Laplace's
    approximation). Then those that are far from what the rows alone show go (the posterior less
    the prior, both taken as normal), or all, where those alone do not explain it.
    """
    prior, places = model.returns, model.layout.roi
    said = np.flatnonzero(prior.given).tolist()

    def evidence(without: Sequence[int]) -> float:
        other = prior.without(without)
        told = prior_of(model.layout, other, model.design.frequency, shrunk=shrunk)
        return find_mode(replace(model, returns=other, prior=told), mode.theta[None]).log_evidence

    without = evidence(said)
    if without - mode.log_evidence <= _AGAINST:
        return prior, []
    mean, covariance = prior.seen
    after = (mode.root @ mode.root.T)[places, places]
    before = np.diag(covariance)
    added = np.maximum(1.0 / after - 1.0 / before, 1e-3 / before)
    away = (mode.theta[places] - mean) / (after * added)
    off = away / np.sqrt(1.0 / added + before)
    far = [c for c in said if abs(off[c]) > _OFF]
    if not far or without - evidence(far) > _AGAINST:
        far = said
    rows = [
        {
            "channel": names[c],
            "believed": float(np.exp(prior.log_median[c])),
            "shown": float(np.exp(prior.log_median[c] + away[c])),
            "off": float(off[c]),
        }
        for c in far
    ]
    return prior.without(far), rows


def _errors(model: MediaModel, draws: Floats, rng: np.random.Generator) -> Floats:
    """(S, C): those that a test tells of as sampled, the others given them and all returns seen."""
    layout = model.layout
    known = np.where(layout.error >= 0, draws[:, layout.error], np.nan)
    return model.returns.errors(draws[:, layout.roi], known, rng)


def _differ(one: Noise, other: Noise) -> bool:
    """Whether families chosen under one noise might be others under the other."""
    if abs(one.correlation - other.correlation) > _CHANGED:
        return True
    return float(np.abs(one.weights - other.weights).max()) > 2.0 * _CHANGED


def _goal(draws: int) -> Agreement:
    if draws >= _FULL:
        return Agreement()
    return Agreement(r_hat=1.1, ess=min(2.0 * draws, Agreement().ess), block=8, warm_up=(10, 14, 8))


def _families(asked: Asked) -> tuple[Choice, Open]:
    """The families to begin with, and which of them are to be chosen."""
    known = [asked.families_of(name) for name in asked.names]
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


def _word(contraction: float, shift: float, *, settled: bool) -> str:
    if contraction < _PRIOR and shift < _MOVED:
        return "prior"
    return "good" if settled else "weak"


def _most(names: tuple[str, ...]) -> str:
    return Counter(names).most_common(1)[0][0]
