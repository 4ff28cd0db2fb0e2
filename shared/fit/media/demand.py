"""How closely spend moves with demand, as far as what was recorded predicts demand.

Where planners and auctions buy more when more is sold anyway, spend follows season, promotions and
prices as sales do, and what follows the recorded part of demand follows the rest as well. Spend
that does not move with it at all was not bought by demand, whatever the channel's name.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design

__all__ = ["following"]

Floats = NDArray[np.float64]
_NOISE = 0.5  # of the outcome's standard deviation, beside the baseline's own prior
_ON = 0.1  # of a channel's mean spend; below it the channel is off
_FEWEST = 26  # rows of a channel from which a share is told


def following(design: Design) -> Floats:
    """Share (C,) of the variation of log spend that moves with predicted demand; NaN: not known.

    Demand is the baseline (trend, season, controls, events) fitted to the outcome alone; the share
    is the squared correlation over the periods in which a channel was on, 0 where it is negative.
    """
    seen = design.observed
    columns = design.baseline[seen]
    held = columns.T @ columns / _NOISE**2 + np.eye(columns.shape[1])
    weights = np.linalg.solve(held, columns.T @ design.outcome[seen] / _NOISE**2)
    demand = design.total(design.baseline @ weights)[: design.train]
    spend = np.zeros((len(design.active), design.train))
    np.add.at(
        spend,
        design.channel_of_arm,
        design.lags[:, : design.train, 0] * design.spend_scale[:, None],
    )
    return np.array([_share(row, demand) for row in spend])


def _share(spend: Floats, demand: Floats) -> float:
    on = spend > _ON * spend.mean()
    if on.sum() < _FEWEST:
        return float("nan")
    moved, along = np.log(spend[on]), demand[on]
    moved, along = moved - moved.mean(), along - along.mean()
    size = float(np.sqrt((moved @ moved) * (along @ along)))
    return max(float(moved @ along) / size, 0.0) ** 2 if size > 0.0 else 0.0
