"""A curve set: what a fit leaves behind and what a stored optimisation starts from.

Plain, immutable data with a lossless JSON form. A set is written once under its version and never
changed; promoting one is a matter of the dataset's manifest, not of the set.

``by_analogy`` makes a curve for a channel without a history: another channel's, at another size,
and less sure. The size ``k`` of a channel is how much money it can take: ``f_k(x) = k f(x / k)``
has the same return on the first unit of money and ends at ``k`` times the outcome. What is not
known is how alike the two are, so each draw has a return and a size of its own, both log-normal.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared.curves.adstock import Adstock, adstock_from_dict
from shared.curves.saturation import Saturation, saturation_from_dict

__all__ = [
    "DRAWS",
    "NORMAL_95",
    "ChannelCurve",
    "CurveSet",
    "ObservedSpend",
    "Response",
    "ReturnOnInvestment",
    "by_analogy",
]

DRAWS = 200
"""Draws of a curve by analogy where no other channel says how many."""


NORMAL_95 = 1.6448536269514722
"""95 % quantile of the standard normal distribution: 90 % lie within as many sd of the mean."""


@dataclass(frozen=True, slots=True)
class Response:
    """``response = saturation(adstock(spend))``, in outcome units per period.

    ``draws`` are posterior (or bootstrap) samples of the saturation; draw number s of every channel
    of a set belongs together, so all channels carry equally many.
    """

    saturation: Saturation
    adstock: Adstock | None = None
    draws: tuple[Saturation, ...] = ()

    def to_dict(self, *, draws: bool = True) -> dict[str, Any]:
        """The JSON form of docs/contract.md: ``{"saturation", "adstock"?, "draws"?}``."""
        out: dict[str, Any] = {"saturation": self.saturation.to_dict()}
        if self.adstock is not None:
            out["adstock"] = self.adstock.to_dict()
        if draws and self.draws:
            out["draws"] = [draw.parameters() for draw in self.draws]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Response:
        curve, draws, adstock = data["saturation"], data.get("draws") or (), data.get("adstock")
        shared = {"family": curve.get("family")}
        if any("offset" in each for each in (curve, *draws)):  # in one of them, so in all
            shared["offset"] = curve.get("offset", 0.0)
        return cls(
            saturation=saturation_from_dict({**shared, **curve}),
            adstock=None if adstock is None else adstock_from_dict(adstock),
            draws=tuple(saturation_from_dict({**shared, **draw}) for draw in draws),
        )


@dataclass(frozen=True, slots=True)
class ObservedSpend:
    """Spend per period in the history. ``last`` is the mean of the last quarter."""

    min: float
    mean: float
    max: float
    last: float


@dataclass(frozen=True, slots=True)
class ReturnOnInvestment:
    """Outcome per unit of money over the history; the interval is 90 %, null without draws."""

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class ChannelCurve:
    """One channel (or ``channel/campaign``, or ``geo|channel``) of a curve set."""

    channel: str
    response: Response
    observed_spend: ObservedSpend
    roi: ReturnOnInvestment | None
    verdict: str

    def to_dict(self, *, draws: bool = True) -> dict[str, Any]:
        spend, roi = self.observed_spend, self.roi
        return {
            "channel": self.channel,
            "response": self.response.to_dict(draws=draws),
            "observed_spend": {
                "min": spend.min,
                "mean": spend.mean,
                "max": spend.max,
                "last": spend.last,
            },
            "roi": None
            if roi is None
            else {
                "mean": roi.mean,
                "interval": None if roi.interval is None else list(roi.interval),
            },
            "verdict": self.verdict,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChannelCurve:
        roi = data.get("roi")
        return cls(
            channel=data["channel"],
            response=Response.from_dict(data["response"]),
            observed_spend=ObservedSpend(**data["observed_spend"]),
            roi=None
            if roi is None
            else ReturnOnInvestment(
                mean=roi["mean"],
                interval=None if roi["interval"] is None else tuple(roi["interval"]),
            ),
            verdict=data["verdict"],
        )


@dataclass(frozen=True, slots=True)
class CurveSet:
    """Fitted curves of one dataset with what is needed to judge and to use them.

    ``version`` and ``created_at`` are given by whoever stores the set; a fresh fit leaves them "".
    ``baseline`` and ``diagnostics`` are JSON-ready mappings (finite numbers, strings, lists, null).
    """

    dataset: str
    version: str
    created_at: str
    spec: Mapping[str, Any]
    frequency: str
    currency: str | None
    outcome: str
    channels: tuple[ChannelCurve, ...]
    interactions: tuple[Mapping[str, Any], ...] = ()
    baseline: Mapping[str, Any] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self, *, draws: bool = True) -> dict[str, Any]:
        """The JSON form of docs/contract.md, ready for ``json.dumps(..., allow_nan=False)``; with
        or without the ``draws`` of the curves."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "created_at": self.created_at,
            "spec": dict(self.spec),
            "frequency": self.frequency,
            "currency": self.currency,
            "outcome": self.outcome,
            "channels": [channel.to_dict(draws=draws) for channel in self.channels],
            "interactions": [dict(pair) for pair in self.interactions],
            "baseline": dict(self.baseline),
            "diagnostics": dict(self.diagnostics),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CurveSet:
        return cls(
            dataset=data["dataset"],
            version=data["version"],
            created_at=data["created_at"],
            spec=data["spec"],
            frequency=data["frequency"],
            currency=data["currency"],
            outcome=data["outcome"],
            channels=tuple(ChannelCurve.from_dict(c) for c in data["channels"]),
            interactions=tuple(data.get("interactions") or ()),
            baseline=data.get("baseline") or {},
            diagnostics=data.get("diagnostics") or {},
        )


def by_analogy(
    known: Response, name: str, *, scale: float, uncertainty: float, draws: int, seed: int
) -> Response:
    """The response of channel ``name`` if it is like a ``known`` one.

    Parameters
    ----------
    scale
        Its size over the known channel's.
    uncertainty
        A factor of at least 1: in 90 % of the draws the return lies within it either way of the
        known channel's in that draw, and so does the size. The mean return is kept, so that being
        less sure does not look like being better.
    draws
        How many; the known channel's own are used, in their order, where it has them.
    seed
        Makes it reproducible; channels of other names are independent.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    spread = math.log(uncertainty) / NORMAL_95
    returns = np.exp(spread * rng.standard_normal(draws))
    returns /= returns.mean()
    sizes = scale * np.exp(spread * rng.standard_normal(draws))
    curves = known.draws or (known.saturation,) * draws

    def sized(curve: Saturation, size: float, gain: float) -> Saturation:
        return curve.scaled(1.0 / size).times(size * gain)

    return Response(
        saturation=sized(known.saturation, scale, 1.0),
        adstock=known.adstock,
        draws=tuple(
            sized(curve, size, gain)
            for curve, size, gain in zip(curves, sizes.tolist(), returns.tolist(), strict=True)
        ),
    )
