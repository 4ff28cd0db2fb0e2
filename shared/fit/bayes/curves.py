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
from shared.fit.bayes.posterior import Posterior
from shared.fit.bayes.priors import HALF_SD, SHAPE_MEAN, SHAPE_SD
from shared.history.table import History

__all__ = ["observed_spend", "responses", "unspent_response"]

Floats = NDArray[np.float64]
_LAST = {"day": 91, "week": 13, "month": 3}


def responses(posterior: Posterior) -> tuple[Response, ...]:
    """One response per active channel, in the design's order; see ``_response``."""
    design = posterior.design
    natural = posterior.model.unpack(posterior.draws)
    tops = posterior.model.coefficients(posterior.draws)
    decay = np.median(natural.decay, axis=0)
    return tuple(
        _response(
            hill=bool(posterior.model.hill[c]),
            tops=tops[:, c],
            halves=natural.half[:, c] * design.spend_scale[c],
            shapes=natural.shape[:, c],
            at=float(design.mean_spend[c]),
            decay=float(decay[c]),
        )
        for c in range(len(design.active))
    )


def unspent_response(posterior: Posterior, rng: np.random.Generator) -> Response:
    """The curve of a channel without any spend: nothing but the prior, on the others' scale.

    Its spend scale is the median of the other channels'. It is there so that the channel does not
    vanish; its observed maximum of zero keeps an optimiser away unless told otherwise.
    """
    scale = float(np.median(posterior.design.spend_scale))
    count = len(posterior.draws)
    prior = posterior.prior
    noise = rng.standard_normal((3, count))
    returns = np.exp(np.median(prior.log_median) + np.median(prior.log_sd) * noise[0])
    halves = scale * np.exp(HALF_SD * noise[1])
    shapes = np.exp(SHAPE_MEAN + SHAPE_SD * noise[2])
    hill = posterior.family == "hill"
    unit = np.asarray(_saturation(hill, np.ones(count), halves, shapes).value(scale))
    natural = posterior.model.unpack(posterior.draws)
    return _response(
        hill=hill,
        tops=returns * scale / unit,
        halves=halves,
        shapes=shapes,
        at=scale,
        decay=float(np.median(natural.decay)),
    )


def _response(
    *, hill: bool, tops: Floats, halves: Floats, shapes: Floats, at: float, decay: float
) -> Response:
    """Draws, and the point curve that goes with them.

    The point curve has the draws' median half-saturation and shape, and the maximal response at
    which it agrees with the mean over the draws at spend ``at`` (the mean spend): what is shown for
    a channel and what is optimised (the mean over draws) are then the same where the money is.
    """
    half, shape = float(np.median(halves)), float(np.median(shapes))
    mean = float(np.mean(_saturation(hill, tops, halves, shapes).value(at)))
    level = float(_saturation(hill, 1.0, half, shape).value(at))
    return Response(
        saturation=_saturation(hill, mean / level, half, shape),
        adstock=Geometric(decay=decay, normalised=True),
        draws=tuple(
            _saturation(hill, float(t), float(h), float(s))
            for t, h, s in zip(tops, halves, shapes, strict=True)
        ),
    )


def _saturation(
    hill: bool, top: float | Floats, half: float | Floats, shape: float | Floats
) -> Saturation:
    if hill:
        return Hill(max_response=top, half_saturation=half, shape=shape)
    return Exponential(max_response=top, rate=1.0 / half)


def observed_spend(history: History, channel: int) -> ObservedSpend:
    """Spend per period; ``last`` is the mean of the last 13 weeks (or a quarter)."""
    spend = history.spend[:, channel]
    return ObservedSpend(
        min=float(spend.min()),
        mean=float(spend.mean()),
        max=float(spend.max()),
        last=float(spend[-_LAST[history.frequency] :].mean()),
    )
