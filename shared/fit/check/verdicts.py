"""What the data said about each channel, beyond what was believed before.

A channel's verdict is one word. ``contraction`` is 1 - var(posterior) / var(prior) of its log
return: 0 where the data said nothing, towards 1 where they said it all.

==============  ===================================================================================
``good``        the data settle the return: contraction of at least 0.7
``weak``        they narrow it or move it, but not by much
``prior``       contraction under 0.25, and the middle moved by less than half the prior's sd:
                the curve is what was believed before
``unspent``     no spend in the history: nothing to learn from, no return stated
==============  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.carryover import PARAMETERS
from shared.fit.bayes.posterior import Posterior
from shared.fit.bayes.priors import SPREAD

__all__ = ["ChannelEvidence", "channel_evidence", "collinear_groups"]

Floats = NDArray[np.float64]
_GOOD = 0.7
_PRIOR = 0.25
_MOVED = 0.5
_CORRELATED = 0.9
_TRADED = -0.6


@dataclass(frozen=True, slots=True)
class ChannelEvidence:
    """Prior against posterior of one arm; 90 % ranges with the median between, natural units."""

    verdict: str
    contraction: float
    roi_mean: float
    roi_interval: tuple[float, float]
    prior_roi: tuple[float, float, float]
    saturation: str
    adstock: str
    carryover: Mapping[str, tuple[float, float, float]]
    half_saturation: tuple[float, float, float]
    shape: tuple[float, float, float] | None


def channel_evidence(posterior: Posterior) -> tuple[ChannelEvidence, ...]:
    """One entry per arm, in the design's order."""
    design, layout = posterior.design, posterior.model.layout
    natural = posterior.model.unpack(posterior.draws)
    out: list[ChannelEvidence] = []
    for index, arm in enumerate(design.arms):
        place = arm.channel
        log_roi = np.log(natural.roi[:, index])
        centre = float(posterior.prior.log_median[place])
        # A geo or a campaign may deviate from its channel.
        sd = float(np.hypot(posterior.prior.log_sd[place], SPREAD * (len(layout.levels) > 0)))
        saturation, adstock = layout.choice.saturations[place], layout.choice.adstocks[place]
        contraction = float(np.clip(1.0 - np.var(log_roi) / sd**2, 0.0, 1.0))
        shift = abs(float(np.mean(log_roi)) - centre) / sd
        low, _, high = _range(natural.roi[:, index])
        out.append(
            ChannelEvidence(
                verdict=_word(contraction, shift),
                contraction=contraction,
                roi_mean=float(np.mean(natural.roi[:, index])),
                roi_interval=(low, high),
                prior_roi=(
                    float(np.exp(centre - 1.645 * sd)),
                    float(np.exp(centre)),
                    float(np.exp(centre + 1.645 * sd)),
                ),
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
                shape=_range(natural.shape[:, place]) if saturation == "hill" else None,
            )
        )
    return tuple(out)


def _word(contraction: float, shift: float) -> str:
    if contraction >= _GOOD:
        return "good"
    return "weak" if contraction >= _PRIOR or shift >= _MOVED else "prior"


def _range(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def collinear_groups(
    posterior: Posterior, names: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], float], ...]:
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
    left, singular = marginal.left, marginal.singular
    left = left[:, singular > 1e-8 * singular.max()]
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
    groups: list[tuple[tuple[str, ...], float]] = []
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
