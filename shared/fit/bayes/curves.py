"""From posterior draws to the curves that are stored: money in, outcome units per period out.

Draw number s of every arm is one joint draw. Draws differ in their adstock as well, but a stored
draw is a saturation only: that loses nothing for sustained spend, because the adstock is normalised
(weights that sum to one leave a constant spend as it is), so the response to x a period, every
period, is the saturation at x whatever the carryover.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.fit.bayes.carryover import adstock_of
from shared.fit.bayes.kernels import response_of, saturation_of
from shared.fit.bayes.posterior import Posterior
from shared.fit.bayes.priors import HALF_SD, SHAPE_BETWEEN

__all__ = ["responses", "unspent_response"]

Floats = NDArray[np.float64]


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
