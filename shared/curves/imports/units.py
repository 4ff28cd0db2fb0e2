"""Units: the same curve in other money, in another unit of outcome, and at its middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.curves.saturation import Saturation, Tabulated, saturation_from_dict
from shared.curves.tabulated import mean_table

__all__ = ["middle", "rescaled"]

_OUTPUT = ("max_response", "coefficient")
"""Parameters in which a curve is linear; of a table it is all of ``response``."""


def rescaled(curve: Saturation, *, unit: float, outcome: float) -> Saturation:
    """``x -> outcome * curve(x / unit)``, of the same family.

    Parameters
    ----------
    unit
        Money per unit of what ``curve`` takes, above 0.
    outcome
        Units of outcome per unit of what ``curve`` answers, at least 0.
    """
    moved = curve if unit == 1.0 else curve.scaled(1.0 / unit)
    data = moved.to_dict()
    if isinstance(moved, Tabulated):
        data["response"] = [outcome * y for y in moved.response]
    for name in _OUTPUT:
        if name in data:
            data[name] = outcome * data[name]
    return saturation_from_dict(data)


def middle(draws: Sequence[Saturation], at: float) -> Saturation:
    """One curve for all draws: their median parameters, through their mean at spend ``at``.

    Of tables it is the mean, which is a table again.
    """
    tables = [draw for draw in draws if isinstance(draw, Tabulated)]
    if tables:
        return mean_table(tables)
    names = draws[0].parameters()
    data = {name: float(np.median([draw.parameters()[name] for draw in draws])) for name in names}
    curve = saturation_from_dict({"family": draws[0].family, **data})
    level = float(curve.value(at))
    mean = float(np.mean([float(draw.value(at)) for draw in draws]))
    return curve if level <= 0.0 else rescaled(curve, unit=1.0, outcome=mean / level)
