"""What every kind of fit can be asked, whatever model it is: all that judging and storing needs.

An arm's verdict is one word. ``contraction`` is 1 - var(posterior) / var(expected) of its log
return, where expected is what the prior and the other channels' returns make of it: 0 where its own
rows said nothing, towards 1 where they said it all; None where a model has no prior.

==============  ===================================================================================
``good``        the data settle the return: its variance is under 0.3 of the prior's
``weak``        they narrow it or move it, but not by much
``prior``       contraction under 0.25, and the middle is within half a standard deviation of what
                was expected: the curve is what was believed of it, or of the others
``unspent``     no spend in the history: nothing to learn from, no return stated
==============  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.fit.design.design import Design
from shared.fit.media.lift import Lifted

__all__ = ["ChannelEvidence", "Fitted", "Forecast", "Group", "LogReturns", "linked", "middle_90"]

Floats = NDArray[np.float64]

#: Names of channels that the data cannot tell apart, and the correlation that says so.
Group = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class ChannelEvidence:
    """What is known of one arm; 90 % ranges with the median between, in natural units.

    What a model does not have is None: a prior, an interval, a half-saturation, a shape.
    """

    verdict: str
    contraction: float | None
    roi_mean: float
    roi_interval: tuple[float, float] | None
    prior_roi: tuple[float, float, float] | None
    prior_given: bool
    saturation: str
    adstock: str
    carryover: Mapping[str, tuple[float, float, float]]
    half_saturation: tuple[float, float, float] | None
    shape: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class LogReturns:
    """Joint draws (S, A) of the log returns of A arms.

    Attributes
    ----------
    draws
        As fitted, in the order of the draws of the responses; -inf where an arm returns nothing.
    truly
        Without the systematic error of a regression; None where a model has none.
    usual
        Mean and standard deviation (A,) of that error beforehand.
    """

    draws: Floats
    truly: Floats | None = None
    usual: tuple[Floats, Floats] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What a fit says of every period's outcome: the expected one (T,), and draws (S, T) of it."""

    mean: Floats
    draws: Floats

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """The ends (T,), (T,) of the interval that holds the share ``level`` of the draws.

        >>> Forecast(np.zeros(1), np.linspace(0.0, 1.0, 101)[:, None]).interval(0.9)
        (array([0.05]), array([0.95]))
        """
        low, high = np.quantile(self.draws, [0.5 - level / 2.0, 0.5 + level / 2.0], axis=0)
        return low, high


class Fitted(Protocol):
    """One model fitted to the first ``design.train`` periods of a history of T periods."""

    @property
    def design(self) -> Design:
        """The arrays that it was fitted to; arms in the order of all that follows."""

    @property
    def converged(self) -> bool:
        """Whether what was searched for was found."""

    @property
    def choice(self) -> Mapping[str, tuple[str, str]]:
        """(saturation, adstock) of each active channel, for folds to take over."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Channels whose interactions it has, for folds to take over."""

    @property
    def media_evidence(self) -> float | None:
        """Log Bayes factor of media with an effect against none; None where a model has none."""

    def forecast(self, rng: np.random.Generator) -> Forecast:
        """Of the outcome in every period, geos added up, noise included."""

    def over_time(self) -> Mapping[str, Floats]:
        """Mean of every part of the outcome in every period (T,), geos added up.

        Parts of the baseline are named by their group ("trend", "seasonality", ...; "intercept"
        holds the level), media by their arm, with "media:" before it.
        """

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        """One entry per arm."""

    def groups(self) -> tuple[Group, ...]:
        """Channels that cannot be told apart."""

    def responses(self) -> tuple[Response, ...]:
        """One response per arm, with joint draws where the model has them."""

    def log_returns(self) -> LogReturns | None:
        """Of the arms over the training periods; None where the model has no draws."""

    def lifted(self) -> tuple[Lifted, ...]:
        """The lift tests that it was fitted to, with draws of what it says that they changed."""

    def unspent(self, rng: np.random.Generator) -> Response:
        """The curve of an arm without any spend."""

    def interactions(self) -> tuple[Mapping[str, Any], ...]:
        """Pairs of arms with their strength and its 90 % interval, in outcome units per period."""

    def diagnostics(self) -> Mapping[str, Any]:
        """What is particular to the model: at least "convergence", "model", "noise", "priors".

        ``noise.outliers`` lists rows (numbers of periods) that count for little.
        """


def linked(names: Sequence[str], pairs: NDArray[np.bool_], strength: Floats) -> tuple[Group, ...]:
    """Groups of names that ``pairs`` (C, C) join, each with the largest ``strength`` (C, C)."""
    groups: list[Group] = []
    left = set(range(len(names)))
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {j for i in edge for j in left if pairs[i, j]} - group
        left -= group
        if len(group) > 1:
            members = sorted(group)
            most = max(
                float(strength[i, j]) for i in members for j in members if i < j and pairs[i, j]
            )
            groups.append((tuple(names[i] for i in members), min(most, 1.0)))
    return tuple(groups)


def middle_90(values: Floats) -> tuple[float, float, float]:
    """The ends of the 90 % interval of draws with their median between."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)
