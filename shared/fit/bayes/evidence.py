"""What the data said about each arm beyond the prior, and which channels they cannot tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import fittable
from shared.fit.bayes.carryover import PARAMETERS
from shared.fit.bayes.posterior import Posterior
from shared.fit.bayes.priors import SPREAD
from shared.fit.fitted import ChannelEvidence, Group, LogReturns

__all__ = ["channel_evidence", "collinear_groups", "log_returns"]

Floats = NDArray[np.float64]
_GOOD = 0.7
_PRIOR = 0.25
_MOVED = 0.5
_CORRELATED = 0.9
_TRADED = -0.6


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
        low, _, high = _range(natural.roi[:, index])
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
                        (_range(natural.first[:, place]), _range(natural.second[:, place])),
                        strict=False,
                    )
                ),
                half_saturation=_range(natural.half[:, place] * float(design.spend_scale[index])),
                shape=_range(natural.shape[:, place]) if fittable()[saturation].shaped() else None,
            )
        )
    return tuple(out)


def _word(contraction: float, shift: float, *, settled: bool) -> str:
    if contraction < _PRIOR and shift < _MOVED:
        return "prior"
    return "good" if settled else "weak"


def _range(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


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
