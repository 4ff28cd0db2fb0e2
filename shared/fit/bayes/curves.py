"""From posterior draws to the curves that are stored: money in, outcome units per period out.

Draw number s of every arm is one joint draw. Draws differ in their adstock as well, but a stored
draw is a saturation only: that loses nothing for sustained spend, because the adstock is normalised
(weights that sum to one leave a constant spend as it is), so the response to x a period, every
period, is the saturation at x whatever the carryover.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock
from shared.curves.curveset import Response
from shared.fit.bayes.carryover import adstock_of
from shared.fit.bayes.kernels import saturation_of
from shared.fit.bayes.posterior import Posterior
from shared.fit.bayes.priors import HALF_SD, SHAPE_BETWEEN

__all__ = ["responses", "unspent_response"]

Floats = NDArray[np.float64]


def responses(posterior: Posterior) -> tuple[Response, ...]:
    """One response per arm, in the design's order; see ``_response``."""
    design, choice = posterior.design, posterior.choice
    natural = posterior.model.unpack(posterior.draws)
    tops = posterior.model.coefficients(posterior.draws)
    out: list[Response] = []
    for a, arm in enumerate(design.arms):
        c = arm.channel
        out.append(
            _response(
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
    return _response(
        family=posterior.family,
        tops=returns * scale / np.asarray(unit),
        halves=halves,
        shapes=shapes,
        at=scale,
        adstock=next(o.adstock for o in others if o.adstock is not None),
    )


def _response(
    *, family: str, tops: Floats, halves: Floats, shapes: Floats, at: float, adstock: Adstock
) -> Response:
    """Draws, and the point curve that goes with them.

    The point curve has the draws' median half-saturation and shape, and the maximal response at
    which it agrees with the mean over the draws at spend ``at`` (the mean spend): what is shown for
    a channel and what is optimised (the mean over draws) are then the same where the money is.
    """
    half, shape = float(np.median(halves)), float(np.median(shapes))
    mean = float(np.mean(saturation_of(family, tops, halves, shapes).value(at)))
    level = float(saturation_of(family, 1.0, half, shape).value(at))
    return Response(
        saturation=saturation_of(family, mean / level, half, shape),
        adstock=adstock,
        draws=tuple(
            saturation_of(family, float(t), float(h), float(s))
            for t, h, s in zip(tops, halves, shapes, strict=True)
        ),
    )
