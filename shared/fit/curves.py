"""From posterior draws to the curves that are stored: money in, outcome units per period out.

Draw number s of every channel is one joint draw. Draws differ in their decay as well, but a stored
draw is a saturation only: that loses nothing for sustained spend, because the adstock is normalised
(weights that sum to one leave a constant spend as it is), so the response to x a period, every
period, is the saturation at x whatever the decay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Geometric
from shared.curves.curveset import ObservedSpend, Response
from shared.curves.saturation import Exponential, Hill, Saturation
from shared.fit.posterior import Posterior
from shared.fit.priors import HALF_SD, SHAPE_MEAN, SHAPE_SD
from shared.history.table import History

__all__ = ["observed_spend", "responses", "unspent_response"]

Floats = NDArray[np.float64]
_LAST = {"day": 91, "week": 13, "month": 3}


def responses(posterior: Posterior) -> tuple[Response, ...]:
    """One response per active channel.

    The point curve has the draws' median half-saturation and shape, and the maximal response at
    which it agrees with the mean over the draws at the mean spend: what is shown for a channel and
    what is optimised (the mean over draws) are then the same where the money is.
    """
    design = posterior.design
    natural = posterior.model.unpack(posterior.draws)
    tops = posterior.model.coefficients(posterior.draws)
    decay = posterior.model.unpack(posterior.mode.theta[None]).decay[0]
    out: list[Response] = []
    for c in range(len(design.active)):
        half = natural.half[:, c] * design.spend_scale[c]
        shape = natural.shape[:, c]
        at = float(design.mean_spend[c])
        hill = bool(posterior.model.hill[c])
        draws = tuple(
            _saturation(hill, float(t), float(h), float(s))
            for t, h, s in zip(tops[:, c], half, shape, strict=True)
        )
        middle = float(np.median(half)), float(np.median(shape))
        level = float(_saturation(hill, 1.0, *middle).value(at))
        mean = float(np.mean([draw.value(at) for draw in draws]))
        out.append(
            Response(
                saturation=_saturation(hill, mean / level, *middle),
                adstock=Geometric(decay=float(decay[c]), normalised=True),
                draws=draws,
            )
        )
    return tuple(out)


def _saturation(hill: bool, top: float, half: float, shape: float) -> Saturation:
    if hill:
        return Hill(max_response=top, half_saturation=half, shape=shape)
    return Exponential(max_response=top, rate=1.0 / half)


def unspent_response(posterior: Posterior, rng: np.random.Generator) -> Response:
    """The curve of a channel without any spend: nothing but the prior, on the others' scale.

    Its spend scale is the median of the other channels'. It is there so that the channel does not
    vanish; its observed maximum of zero keeps an optimiser away from it unless it is told otherwise.
    """
    scale = float(np.median(posterior.design.spend_scale))
    count = len(posterior.draws)
    roi = np.exp(
        np.median(posterior.prior.log_median)
        + np.median(posterior.prior.log_sd) * rng.standard_normal(count)
    )
    half = scale * np.exp(HALF_SD * rng.standard_normal(count))
    shape = np.exp(SHAPE_MEAN + SHAPE_SD * rng.standard_normal(count))
    hill = posterior.family == "hill"
    draws = []
    for r, h, s in zip(roi, half, shape, strict=True):
        unit = _saturation(hill, 1.0, float(h), float(s))
        top = float(r) * scale / float(unit.value(scale))
        draws.append(_saturation(hill, top, float(h), float(s)))
    middle = float(np.median(half)), float(np.median(shape))
    level = float(_saturation(hill, 1.0, *middle).value(scale))
    mean = float(np.mean([draw.value(scale) for draw in draws]))
    decay = float(np.median(posterior.model.unpack(posterior.mode.theta[None]).decay[0]))
    return Response(
        saturation=_saturation(hill, mean / level, *middle),
        adstock=Geometric(decay=decay, normalised=True),
        draws=tuple(draws),
    )


def observed_spend(history: History, channel: int) -> ObservedSpend:
    """Spend per period; ``last`` is the mean of the last 13 weeks (or a quarter)."""
    spend = history.spend[:, channel]
    return ObservedSpend(
        min=float(spend.min()),
        mean=float(spend.mean()),
        max=float(spend.max()),
        last=float(spend[-_LAST[history.frequency] :].mean()),
    )
