"""The time-series model's rows, likelihood and draws: from a design to paths of its media."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.lift import Lift
from shared.fit.bayes.priors import SPREAD, ReturnPrior
from shared.fit.design.design import Design
from shared.fit.interplay import Pairs, products
from shared.fit.ridge.objective import Scored
from shared.fit.ridge.space import Space
from shared.fit.series.state import Rows, filtered, paths

__all__ = ["EXTRAS", "Walk", "WalkDraws", "draw_walk", "mean_of_logs", "walk_of"]

Floats = NDArray[np.float64]

#: Decimal logarithms of the noise over the outcome's standard deviation, and of a month's step.
EXTRAS = ((-1.5, 0.1), (-2.5, -0.3))
_MONTH = {"day": 28, "week": 4, "month": 1}
_CHUNK = 25
_STRENGTH = 1.0  # sd of an interaction of two saturated channels, in outcome sd


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A design in the order of time, with what is believed of its arms beforehand.

    Attributes
    ----------
    rows
        The observed rows, and between them each lift test at the end of its last period.
    order
        (N,) the design's row of each, or -1 - q for lift test q.
    month
        (R,) number of every row's month.
    pairs
        Of each interaction the arms that meet: columns after the A arms, B in all.
    """

    design: Design
    space: Space
    rows: Rows
    order: NDArray[np.int64]
    month: NDArray[np.int64]
    lifts: tuple[Lift, ...]
    pairs: tuple[Pairs, ...] = ()

    def levels(self, cube: Floats) -> Floats:
        """(P, B, R) of the arms, zero outside each arm's geo, and of the interactions."""
        design = self.design
        own = self.space.levels(self.space.natural(cube), design)
        out = np.zeros((*own.shape[:2], len(design.geos), design.periods))
        for a, arm in enumerate(design.arms):
            out[:, a, arm.geo] = own[:, a]
        levels = out.reshape(*own.shape[:2], -1)
        if not self.pairs:
            return levels
        return np.concatenate([levels, products(levels, self.pairs)], axis=1)

    def observed(self, cube: Floats, levels: Floats) -> Floats:
        """(P, N, B) of levels (P, B, R): what multiplies the coefficients in each row."""
        out = np.ascontiguousarray(levels[:, :, np.maximum(self.order, 0)].transpose(0, 2, 1))
        for row in np.flatnonzero(self.order < 0):
            lift = self.lifts[-1 - int(self.order[row])]
            out[:, row] = self.of_lift(lift, cube) / lift.error
        return out

    def of_lift(self, lift: Lift, cube: Floats) -> Floats:
        """(P, B): what a test found is of the coefficients of its last month."""
        levels = self.space.levels(self.space.natural(cube), self.design, lift.lags)
        return lift.row(levels, self.design, self.pairs)

    def score(self, cube: Floats) -> Scored:
        """Minus the log marginal likelihood as the only error."""
        extras = self.space.natural(cube).extras
        seen = self.observed(cube, self.levels(cube))
        heights, _, _ = filtered(self.rows, seen, extras[:, 0], extras[:, 1])
        nothing = np.zeros((len(cube), 0))
        return Scored(
            cube, -heights, np.zeros(len(cube)), nothing, nothing, nothing, np.zeros(len(cube))
        )

    def without_media(self) -> float:
        """Log marginal likelihood of the baseline alone, averaged over the noise's range."""
        noise = 10.0 ** np.linspace(*EXTRAS[0], 41)
        empty = np.zeros((noise.size, self.order.size, 0))
        bare = Rows(
            month=self.rows.month,
            base=self.rows.base,
            outcome=self.rows.outcome,
            ease=self.rows.ease,
            own=self.rows.own,
            start=np.zeros(0),
            belief=np.zeros((0, 0)),
            step=np.zeros((0, 0)),
        )
        heights, _, _ = filtered(bare, empty, noise, np.zeros(noise.size))
        return mean_of_logs(heights)


@dataclass(frozen=True, slots=True, eq=False)
class WalkDraws:
    """S draws: paths (S, months, B), baseline (S, p), media (B, R) in the mean, signal (S, R).

    ``returns`` (S, A) are of the arms alone.
    """

    strength: Floats
    base: Floats
    media: Floats
    signal: Floats
    returns: Floats


def mean_of_logs(heights: Floats) -> float:
    """log of the mean of exp(heights)."""
    top = float(heights.max())
    return top + float(np.log(np.mean(np.exp(heights - top))))


def walk_of(
    design: Design,
    space: Space,
    prior: ReturnPrior,
    ease: Floats,
    lifts: tuple[Lift, ...] = (),
    pairs: tuple[Pairs, ...] = (),
) -> Walk:
    """Lay out the observed rows; ``ease`` (R,) multiplies each one's variance of noise.

    A lift test is an observation of the coefficients of its last month.

    The believed returns become a normal belief about coefficients: the means and covariances of the
    log-normals, through the levels of a middling point of the space. Arms of one channel share most
    of their return, and walk together as far as they do; interactions are believed to be about
    none, and do not walk.
    """
    period = np.tile(np.arange(design.periods), len(design.geos))
    geo = np.repeat(np.arange(len(design.geos)), design.periods)
    length = _MONTH[design.frequency]
    month = period // length
    seen = np.flatnonzero(design.observed)
    tests = -1 - np.arange(len(lifts))
    ends = np.array([lift.last for lift in lifts], dtype=np.int64)
    order = np.concatenate([seen, tests])
    order = order[
        np.lexsort(
            (
                np.concatenate([geo[seen], np.full(tests.size, len(design.geos))]),
                np.concatenate([period[seen], ends]),
            )
        )
    ]
    rows = np.maximum(order, 0)
    is_row = order >= 0
    test = np.where(is_row, 0, -1 - order)
    changes = np.array([lift.change / lift.error for lift in lifts] or [0.0])
    test_month = np.array([lift.last // length for lift in lifts] or [0])
    middle = space.levels(space.natural(np.full((1, space.size), 0.5)), design)[0]
    summed = np.maximum(middle[:, : design.train].sum(axis=1), 1e-9)
    channel = design.channel_of_arm
    expected = np.exp(prior.log_median + 0.5 * prior.log_sd**2)[channel]
    unit = design.mean_spend * design.train / summed / design.outcome_scale[design.geo_of_arm]
    size = expected * unit
    belief = np.outer(size, size) * np.expm1(_shared(prior, channel))
    return Walk(
        design=design,
        space=space,
        rows=Rows(
            month=np.where(is_row, month[rows], test_month[test]),
            base=np.where(is_row[:, None], design.baseline[rows], 0.0),
            outcome=np.where(is_row, design.outcome[rows], changes[test]),
            ease=np.where(is_row, ease[rows], 0.0),
            own=np.where(is_row, 0.0, 1.0),
            start=np.concatenate([expected * unit, np.zeros(len(pairs))]),
            belief=_wide(belief, _STRENGTH**2, len(pairs)),
            step=_wide(belief, 0.0, len(pairs)),
        ),
        order=order,
        month=month,
        lifts=lifts,
        pairs=pairs,
    )


def _shared(prior: ReturnPrior, channel: NDArray[np.int64]) -> Floats:
    """(A, A) covariance of the arms' log returns: their channel's, but for what is an arm's own."""
    variance = prior.log_sd**2
    alone = np.bincount(channel, minlength=variance.size) == 1
    own = np.where(alone, 0.0, np.minimum(SPREAD**2, 0.5 * variance))
    same = channel[:, None] == channel
    return np.asarray(np.where(same, (variance - own)[channel], 0.0) + np.diag(own[channel]))


def _wide(matrix: Floats, variance: float, pairs: int) -> Floats:
    """(B, B) of (A, A) with a variance of its own for each interaction."""
    arms = len(matrix)
    out = np.diag(np.full(arms + pairs, variance))
    out[:arms, :arms] = matrix
    return out


def draw_walk(walk: Walk, cube: Floats, rng: np.random.Generator) -> WalkDraws:
    """Paths of each point's media, months to be forecast included, and baselines that go with them.

    A path is cut off at zero, and the baseline drawn anew given the media that this leaves (it is
    a linear regression then), so that signal and outcome still agree.
    """
    design, rows = walk.design, walk.rows
    months = int(walk.month.max()) + 1
    seen = np.unique(rows.month)
    draws, arms, columns = len(cube), len(design.arms), rows.start.size
    strength = np.empty((draws, months, columns))
    values, vectors = np.linalg.eigh(rows.step)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    base = np.empty((draws, rows.base.shape[1]))
    media = np.zeros((columns, walk.month.size))
    signal = np.empty((draws, walk.month.size))
    returns = np.empty((draws, arms))
    scale = design.outcome_scale[design.geo_of_arm]
    for first in range(0, draws, _CHUNK):
        part = slice(first, first + _CHUNK)
        extras = walk.space.natural(cube[part]).extras
        levels = walk.levels(cube[part])
        found = paths(rows, walk.observed(cube[part], levels), extras[:, 0], extras[:, 1], rng)
        # Months without any observed row keep the last path before them; later ones walk on.
        at = np.maximum(np.searchsorted(seen, np.arange(months), side="right") - 1, 0)
        whole = found[at].transpose(1, 0, 2)
        ahead = np.arange(months) > seen[-1]
        steps = rng.standard_normal((len(extras), int(ahead.sum()), columns)) @ root.T
        whole[:, ahead] += np.cumsum(steps, axis=1) * extras[:, 1][:, None, None]
        whole[:, :, :arms] = np.maximum(whole[:, :, :arms], 0.0)
        strength[part] = whole
        parts = whole.transpose(0, 2, 1)[:, :, walk.month] * levels
        for s in range(len(extras)):
            base[first + s] = _baseline(walk, parts[s].sum(axis=0), float(extras[s, 0]), rng)
        signal[part] = base[part] @ design.baseline.T + parts.sum(axis=1)
        media += parts.sum(axis=0) / draws
        returns[part] = parts[:, :arms][:, :, design.training].sum(axis=2) * scale
    returns /= design.mean_spend * design.train
    return WalkDraws(strength, base, media, signal, returns)


def _baseline(walk: Walk, media: Floats, noise: float, rng: np.random.Generator) -> Floats:
    """A draw of the baseline's coefficients given all media (R,)."""
    rows, real = walk.rows, walk.order >= 0
    root = 1.0 / (noise * np.sqrt(rows.ease[real]))
    columns = rows.base[real] * root[:, None]
    left = (rows.outcome[real] - media[walk.order[real]]) * root
    factor = np.linalg.cholesky(columns.T @ columns + np.eye(columns.shape[1]))
    inner = np.linalg.solve(factor, columns.T @ left) + rng.standard_normal(columns.shape[1])
    return np.linalg.solve(factor.T, inner)
