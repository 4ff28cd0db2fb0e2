"""Lift tests and stated returns as rows of the regression: both are linear in media coefficients.

A lift test says what a change of spend brought, a stated return what all spend of the history
brought per unit of it; each is one more observation whose error is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.lift import Lift, read_lifts
from shared.fit.bayes.priors import return_prior
from shared.fit.design.design import Design
from shared.fit.interplay import Pairs
from shared.fit.ridge.space import Point, Space
from shared.history.table import History

__all__ = ["Known", "known_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Lift tests, and stated returns by channel as (channel, return, standard deviation)."""

    lifts: tuple[Lift, ...]
    returns: tuple[tuple[int, float, float], ...]

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        return bool(self.lifts or self.returns)

    def rows(
        self,
        space: Space,
        point: Point,
        design: Design,
        levels: Floats,
        pairs: Sequence[Pairs] = (),
    ) -> tuple[Floats, Floats] | None:
        """Matrix (P, Q, B) and right side (Q,), each row over its own error; None without any."""
        if not self.any:
            return None
        total = len(self.lifts) + len(self.returns)
        scale = design.outcome_scale[design.geo_of_arm]
        matrix = np.zeros((levels.shape[0], total, len(design.arms) + len(pairs)))
        side = np.zeros(total)
        for q, lift in enumerate(self.lifts):
            at = space.levels(point, design, lift.lags)
            matrix[:, q] = lift.row(at, design, pairs) / lift.error
            side[q] = lift.change / lift.error
        summed = levels[:, :, : design.train].sum(axis=2) * scale
        money = design.mean_spend * design.train
        for q, (channel, value, error) in enumerate(self.returns, start=len(self.lifts)):
            arms = np.flatnonzero(design.channel_of_arm == channel)
            matrix[:, q, arms] = summed[:, arms] / money[arms].sum() / error
            side[q] = value / error
        return matrix, side


def known_of(
    spec: Mapping[str, Any],
    history: History,
    design: Design,
    names: Sequence[str],
    total_outcome: float,
) -> Known:
    """Lift tests that are over, and the returns of ``spec["priors"]``.

    Raises
    ------
    InvalidInput
        As the Bayesian model does: unknown channels, impossible numbers.
    """
    money = float(design.mean_spend.sum()) * design.train
    prior = return_prior(spec, history.outcome_name, names, money, total_outcome)
    returns = []
    for c, given in enumerate(prior.given):
        if given:
            # Mean and standard deviation of the log-normal that the prior is.
            mean = float(np.exp(prior.log_median[c] + 0.5 * prior.log_sd[c] ** 2))
            error = mean * float(np.sqrt(np.expm1(prior.log_sd[c] ** 2)))
            returns.append((c, mean, error))
    return Known(read_lifts(spec, history, design), tuple(returns))
