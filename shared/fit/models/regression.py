"""What the two regressions (ridge, time series) have in common: what they are asked, what they say.

Both have curves drawn by a search over carryover and saturation, a linear baseline, a coefficient
for each arm and for each interaction; all that is told of those is told alike.

A bootstrap and a state-space model both end in draws of carryover, saturation and strength. Their
verdicts rest on the width of the interval alone, because neither has a prior to compare with:
``good`` where the 90 % interval of a return stays within a factor of about two of its middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock
from shared.curves.curveset import Response
from shared.curves.saturation import fittable
from shared.fit.design.design import Design
from shared.fit.fitted import ChannelEvidence, Group, LogReturns, linked, middle_90
from shared.fit.media.asked import Asked
from shared.fit.media.interactions import Pairs, arm_pairs, told_strengths
from shared.fit.media.kernels import PARAMETERS, adstock_of, response_of, saturation_of

__all__ = ["Interactions", "Regressed", "families_of", "interactions_of"]

Floats = NDArray[np.float64]
_SETTLED = 4.0  # upper over lower end of a return's interval up to which a verdict is "good"
_CORRELATED = 0.9
_MOST = 6  # channels whose pairs are fitted where every pair is asked for


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """Channels by name, the arms of each pair of them that meet, and remarks on what is left."""

    names: tuple[tuple[str, str], ...]
    arms: tuple[Pairs, ...]
    not_used: tuple[str, ...]


def families_of(asked: Asked, usual: tuple[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Saturations and adstocks of the active channels; the ``usual`` where none was asked for."""
    known = [asked.families_of(name) for name in asked.names]
    return tuple(s or usual[0] for s, _ in known), tuple(a or usual[1] for _, a in known)


def interactions_of(design: Design, asked: Asked) -> Interactions:
    """The interactions that a spec asks a regression for.

    Where it asks for all there are, those of the channels with the most money are fitted: a
    regression with as many columns as rows would only spread what it cannot tell apart.
    """
    kept, names = asked.pairs(), asked.names
    left: tuple[str, ...] = ()
    if asked.model.shrunk and len(names) > _MOST:
        money = np.bincount(design.channel_of_arm, weights=design.mean_spend, minlength=len(names))
        large = {names[c] for c in np.argsort(-money)[:_MOST].tolist()}
        kept = tuple(pair for pair in kept if large >= {*pair})
        left = (f"/model/interactions: pairs beyond the {_MOST} channels with the most money",)
    elif asked.model.auto:
        left = ("/model/interactions: this kind looks for no pairs by itself; name them, or 'all'",)
    return Interactions(kept, arm_pairs(design, asked.places(kept)), left)


@dataclass(frozen=True, slots=True, eq=False)
class Regressed:
    """S joint draws of a regression with A arms of C channels and Q interactions, B columns in all.

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
    base
        (p,) mean coefficients of the baseline, in model units.
    media
        (B, R) mean of each column's part, in model units.
    strength
        (S, Q) of the interactions, in model units.
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
    both: Interactions
    base: Floats
    media: Floats
    strength: Floats

    @property
    def choice(self) -> Mapping[str, tuple[str, str]]:
        pairs = zip(self.saturations, self.adstocks, strict=True)
        return dict(zip(self.names, pairs, strict=True))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return self.both.names

    def over_time(self) -> Mapping[str, Floats]:
        design = self.design
        out = design.baseline_by_group(self.base)
        for arm, values in zip(design.arms, self.media, strict=False):
            out[f"media:{arm.name}"] = design.total(values, centred=True)
        if self.both.arms:
            joint = self.media[len(design.arms) :].sum(axis=0)
            out["interactions"] = design.total(joint, centred=True)
        return out

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        """One entry per arm."""
        out: list[ChannelEvidence] = []
        for a, arm in enumerate(self.design.arms):
            c = arm.channel
            low, _, high = middle_90(self.returns[:, a])
            values = (middle_90(self.first[:, c]), middle_90(self.second[:, c]))
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
                    half_saturation=middle_90(self.half[:, c] * float(self.design.spend_scale[a])),
                    shape=middle_90(self.shape[:, c])
                    if fittable()[self.saturations[c]].shaped()
                    else None,
                )
            )
        return tuple(out)

    def groups(self) -> tuple[Group, ...]:
        """Channels whose media, less what the baseline explains of them, go together.

        Pairs correlated beyond 0.9 in the training rows are merged into groups.
        """
        design = self.design
        whole = np.zeros((len(self.names), self.media.shape[1]))
        for a, arm in enumerate(design.arms):
            whole[arm.channel] += self.media[a]
        media, base = whole[:, design.observed], design.baseline[design.observed]
        media = media - media.mean(axis=1, keepdims=True)
        # With about as many rows as columns nothing would be left to correlate.
        if base.shape[1] < base.shape[0] // 2:
            media = media - (base @ np.linalg.lstsq(base, media.T, rcond=None)[0]).T
        length = np.linalg.norm(media, axis=1)
        unit = media / np.where(length > 1e-9, length, np.inf)[:, None]
        close = unit @ unit.T
        return linked(self.names, close > _CORRELATED, close)

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

    def interactions(self) -> tuple[Mapping[str, Any], ...]:
        return told_strengths(self.design, self.both.arms, self.strength)

    def _adstock(self, channel: int) -> Adstock:
        return adstock_of(
            self.adstocks[channel],
            float(np.median(self.first[:, channel])),
            float(np.median(self.second[:, channel])),
            self.design.lags.shape[2],
        )
