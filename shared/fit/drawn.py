"""Joint draws of curves, whatever they come from, and all that can be read off them.

A bootstrap and a state-space model both end in draws of carryover, saturation and strength. Their
verdicts rest on the width of the interval alone, because neither has a prior to compare with:
``good`` where the 90 % interval of a return stays within a factor of about two of its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock
from shared.curves.curveset import Response
from shared.curves.saturation import fittable
from shared.fit.bayes.kernels import PARAMETERS, adstock_of, response_of, saturation_of
from shared.fit.design.design import Design
from shared.fit.fitted import ChannelEvidence, Group, LogReturns

__all__ = ["Drawn", "alike"]

Floats = NDArray[np.float64]
_SETTLED = 4.0  # upper over lower end of a return's interval up to which a verdict is "good"
_CORRELATED = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """S joint draws for A arms of C channels.

    Attributes
    ----------
    names
        Of the design's active channels.
    first, second, half, shape
        (S, C) natural parameters; ``half`` in units of each arm's spend scale.
    tops
        (S, A) outcome units per period of a level of one.
    returns
        (S, A) outcome per unit of money over the training periods.
    given
        (C,) whether something was known of a channel's return apart from the rows.
    """

    design: Design
    names: tuple[str, ...]
    saturations: tuple[str, ...]
    adstocks: tuple[str, ...]
    first: Floats
    second: Floats
    half: Floats
    shape: Floats
    tops: Floats
    returns: Floats
    given: tuple[bool, ...]

    def responses(self) -> tuple[Response, ...]:
        """One response per arm, each with S draws of its saturation."""
        design = self.design
        return tuple(
            response_of(
                family=self.saturations[arm.channel],
                tops=self.tops[:, a],
                halves=self.half[:, arm.channel] * design.spend_scale[a],
                shapes=self.shape[:, arm.channel],
                at=float(design.mean_spend[a]),
                adstock=self._adstock(arm.channel),
            )
            for a, arm in enumerate(design.arms)
        )

    def log_returns(self) -> LogReturns:
        """Of the arms; there is no prior to compare with."""
        with np.errstate(divide="ignore"):
            return LogReturns(np.log(np.maximum(self.returns, 0.0)))

    def unspent(self, rng: np.random.Generator) -> Response:
        """The curve of an arm without spend: as if it were one of the others, drawn at random."""
        design, count = self.design, len(self.tops)
        scale = float(np.median(design.spend_scale))
        arm = rng.integers(len(design.arms), size=count)
        channel = design.channel_of_arm[arm]
        each = np.arange(count)
        family = self.saturations[0]
        same = np.array([name == family for name in self.saturations])[channel]
        arm, channel = np.where(same, arm, 0), np.where(same, channel, design.arms[0].channel)
        halves, shapes = self.half[each, channel] * scale, self.shape[each, channel]
        unit = np.asarray(saturation_of(family, np.ones(count), halves, shapes).value(scale))
        return response_of(
            family=family,
            tops=self.returns[each, arm] * scale / unit,
            halves=halves,
            shapes=shapes,
            at=scale,
            adstock=self._adstock(design.arms[0].channel),
        )

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        """One entry per arm."""
        out: list[ChannelEvidence] = []
        for a, arm in enumerate(self.design.arms):
            c = arm.channel
            low, _, high = _range(self.returns[:, a])
            values = (_range(self.first[:, c]), _range(self.second[:, c]))
            out.append(
                ChannelEvidence(
                    verdict="good" if low > 0.0 and high <= _SETTLED * low else "weak",
                    contraction=None,
                    roi_mean=float(np.mean(self.returns[:, a])),
                    roi_interval=(low, high),
                    prior_roi=None,
                    prior_given=self.given[c],
                    saturation=self.saturations[c],
                    adstock=self.adstocks[c],
                    carryover=dict(zip(PARAMETERS[self.adstocks[c]], values, strict=False)),
                    half_saturation=_range(self.half[:, c] * float(self.design.spend_scale[a])),
                    shape=_range(self.shape[:, c])
                    if fittable()[self.saturations[c]].shaped()
                    else None,
                )
            )
        return tuple(out)

    def _adstock(self, channel: int) -> Adstock:
        return adstock_of(
            self.adstocks[channel],
            float(np.median(self.first[:, channel])),
            float(np.median(self.second[:, channel])),
            self.design.lags.shape[2],
        )


def _range(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def alike(design: Design, levels: Floats, names: tuple[str, ...]) -> tuple[Group, ...]:
    """Channels whose media (A, R), less what the baseline explains of them, go together.

    Pairs correlated beyond 0.9 in the training rows are merged into groups.
    """
    whole = np.zeros((len(names), levels.shape[1]))
    for a, arm in enumerate(design.arms):
        whole[arm.channel] += levels[a]
    media, base = whole[:, design.observed], design.baseline[design.observed]
    media = media - media.mean(axis=1, keepdims=True)
    # With about as many rows as columns nothing would be left to correlate.
    if base.shape[1] < base.shape[0] // 2:
        media = media - (base @ np.linalg.lstsq(base, media.T, rcond=None)[0]).T
    length = np.linalg.norm(media, axis=1)
    unit = media / np.where(length > 1e-9, length, np.inf)[:, None]
    close = unit @ unit.T
    linked = close > _CORRELATED
    groups: list[Group] = []
    left = set(range(len(names)))
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {j for i in edge for j in left if linked[i, j]} - group
        left -= group
        if len(group) > 1:
            members = sorted(group)
            pairs = [close[i, j] for i in members for j in members if i < j and linked[i, j]]
            groups.append((tuple(names[i] for i in members), min(float(max(pairs)), 1.0)))
    return tuple(groups)
