"""Saturation of many arms with its derivatives: the inner loop of the model.

What a family's level is, and its derivatives by spend, log half-saturation and log shape, is the
family's own (``curves.family.Fittable``); here arms of several families go their ways together.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock
from shared.curves.curveset import Response
from shared.curves.saturation import FAMILIES, Fittable, Saturation

__all__ = ["grouped", "response_of", "saturate", "saturation_of"]

Floats = NDArray[np.float64]


def saturate(
    families: tuple[str, ...], adstock: Floats, half: Floats, shape: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Level and derivatives of arms (first axis), each by its own family.

    Parameters
    ----------
    families
        A of them.
    adstock
        Shape (A, ...), in units of each arm's spend scale.
    half, shape
        Broadcast against ``adstock``.
    """
    groups = grouped(families)
    if len(groups) == 1:
        return _fittable(families[0]).level(adstock, half, shape)
    out = tuple(np.empty_like(adstock) for _ in range(4))
    for family, where in groups:
        values = _fittable(family).level(adstock[where], half[where], shape[where])
        for target, value in zip(out, values, strict=True):
            target[where] = value
    return out[0], out[1], out[2], out[3]


def _fittable(family: str) -> type[Fittable]:
    found = FAMILIES[family]
    assert issubclass(found, Fittable)
    return found


@cache
def grouped(families: tuple[str, ...]) -> tuple[tuple[str, slice | NDArray[np.int64]], ...]:
    """Each family with where it stands; everything as a slice where there is but one."""
    if len(set(families)) == 1:
        return ((families[0], slice(None)),)
    names = np.array(families)
    return tuple((family, np.flatnonzero(names == family)) for family in sorted(set(families)))


def saturation_of(
    family: str, top: float | Floats, half: float | Floats, shape: float | Floats
) -> Saturation:
    """The curve ``top * level`` in the form that is stored."""
    return _fittable(family).of_level(top, half, shape)


def response_of(
    *, family: str, tops: Floats, halves: Floats, shapes: Floats, at: float, adstock: Adstock
) -> Response:
    """Draws, and the point curve that goes with them.

    The point curve has the draws' median half-saturation and shape, and the maximal response at
    which it agrees with the mean over the draws at spend ``at`` (the mean spend): what is shown for
    a channel and what is optimised (the mean over draws) are then the same where the money is.
    """
    middle = saturation_of(family, 1.0, float(np.median(halves)), float(np.median(shapes)))
    mean = float(np.mean(saturation_of(family, tops, halves, shapes).value(at)))
    return Response(
        saturation=middle.times(mean / float(middle.value(at))),
        adstock=adstock,
        draws=tuple(
            saturation_of(family, float(t), float(h), float(s))
            for t, h, s in zip(tops, halves, shapes, strict=True)
        ),
    )
