"""The time-series model as a fit: exponential curves with geometric adstock, learnt month by month.

The form is the seed's, alpha (1 - exp(-mu * adstocked spend)); what is different is that alpha is
estimated from the outcome and not from shares of spend, and that it may move: a curve is what a
channel does at the end of the history, ``over_time`` shows what it did before. Carryover, mu, the
noise and the size of the steps are drawn by Markov chains over the marginal likelihood.

Media coefficients walk from month to month::

    outcome_r = base_r . g + level_r . b_m + noise_r,    b_m = b_(m-1) + step_m

for row r in month m, with g ~ Normal(0, 1) fixed over time, b_0 normal, and steps normal with
``walk`` squared times a covariance. Within a month the state stands still, so that its rows are
taken in together. The marginal likelihood is the product of the months' one-step forecasts'
(Kalman 1960; West and Harrison 1997, chapter 4), for many points at once; paths are drawn by
filtering forward and sampling backward (Carter and Kohn 1994).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.fitted import Forecast
from shared.fit.media.asked import Asked
from shared.fit.media.interactions import Pairs, products
from shared.fit.media.lift import Lifted, LiftTerm
from shared.fit.media.priors import SPREAD, ReturnPrior
from shared.fit.media.search import CurveSpace, Scored, narrowed, search, space_of, spread_out
from shared.fit.models.regression import Regressed, families_of, interactions_of
from shared.frequency import frequency

__all__ = ["Observations", "TimeSeries", "filtered", "paths"]

Floats = NDArray[np.float64]
_DEGREES = 4.0
_FAR = 4.0  # of the variance's factor from which a row counts as an outlier
_FIRST = 200
_STEPS = 24
_SETTLED = 5.0  # log likelihood by which the last part of the search may better the first

#: Decimal logarithms of the noise over the outcome's standard deviation, and of a month's step.
_EXTRAS = ((-1.5, 0.1), (-2.5, -0.3))
_MONTH = {"day": 28, "week": 4, "month": 1}
_CHUNK = 25
_STRENGTH = 1.0  # sd of an interaction of two saturated channels, in outcome sd
Ints = NDArray[np.int64]
_TOGETHER = 32  # rows taken in at once


@dataclass(frozen=True, slots=True, eq=False)
class _SeriesFit(Regressed):
    """Points scored, chains' ends, and paths drawn for each."""

    walk: _Walk
    prior: ReturnPrior
    scored: Scored
    ends: Scored
    accepted: float
    draws: _WalkDraws
    without_media: float
    refresh: Mapping[str, Any] | None

    @property
    def converged(self) -> bool:
        """Whether the search had found its likelihood early, and the chains moved."""
        error = self.scored.error
        early = float(error[: max(1, int(0.7 * error.size))].min())
        return bool(early <= float(error.min()) + _SETTLED and self.accepted > 0.02)

    @property
    def media_evidence(self) -> float:
        """Log Bayes factor from the evenly spread first points: a cautious estimate of it."""
        return _mean_of_logs(-self.scored.error[:_FIRST]) - self.without_media

    def forecast(self, rng: np.random.Generator) -> Forecast:
        """Draws of signal and noise; strengths walk on beyond the training months."""
        signal = self.draws.signal
        noise = self.walk.space.natural(self.ends.cube).extras[:, 0]
        noisy = signal + noise[:, None] * rng.standard_t(_DEGREES, size=signal.shape)
        return Forecast(self.design.total(signal.mean(axis=0)), self.design.total(noisy))

    def lifted(self) -> tuple[Lifted, ...]:
        """By the strengths of the last month, which the curves have."""
        walk = self.walk
        last = self.draws.strength[:, int(walk.rows.month[-1])]
        return tuple(
            (lift, np.sum(walk.of_lift(lift, self.ends.cube) * last, axis=1)) for lift in walk.lifts
        )

    def diagnostics(self) -> Mapping[str, Any]:
        design, extras = self.design, self.walk.space.natural(self.ends.cube).extras
        far = self.walk.order[self.walk.rows.ease > _FAR]
        noise = float(np.median(extras[:, 0]))
        return {
            "convergence": {
                "converged": self.converged,
                "points": int(self.scored.error.size),
                "log_likelihood": float(-self.scored.error.min()),
                "draws": len(self.draws.base),
                "acceptance": self.accepted,
            },
            "model": {
                "kind": "time_series",
                "method": "state_space",
                "saturation": self.saturations[0],
                "adstock": self.adstocks[0],
                "lags": int(design.lags.shape[2]),
                "baseline_columns": list(design.baseline_names),
                "log_evidence_without_media": self.without_media,
                "step": {
                    "per_month": float(np.median(extras[:, 1])),
                    "of": "the standard deviation of what is believed of a return beforehand",
                },
                "strength": self._strength(),
                "refresh": None if self.refresh is None else dict(self.refresh),
                "not_used": list(self.both.not_used),
            },
            "noise": {
                "distribution": "student_t",
                "degrees_of_freedom": _DEGREES,
                "scale": noise * float(design.outcome_scale.mean()),
                "outliers": np.unique(far % design.periods).tolist(),
            },
            "priors": {"basis": self.prior.basis, "why": self.prior.why},
        }

    def _strength(self) -> list[dict[str, Any]]:
        """Each arm's strength month by month over that of the first: how it moved."""
        months = int(self.walk.rows.month[-1]) + 1
        path = self.draws.strength[:, :months]
        out: list[dict[str, Any]] = []
        for a, arm in enumerate(self.design.arms):
            middle = np.median(path[:, :, a], axis=0) * self.design.outcome_scale[arm.geo]
            out.append({"channel": arm.name, "by_month": middle.tolist()})
        return out


class TimeSeries:
    """Fits ``_SeriesFit``: curves whose strength walks from month to month."""

    def fit(self, design: Design, asked: Asked) -> _SeriesFit:
        rng, names, prior, lifts = asked.rng(13), asked.names, asked.prior, asked.lifts
        saturations, adstocks = families_of(asked, ("exponential", "geometric"))
        both = interactions_of(design, asked)
        whole = space_of(design, saturations, adstocks, _EXTRAS)
        space, refresh = narrowed(whole, design, names, asked.previous, "time_series")
        walk = _walk_of(design, space, prior, np.ones(design.observed.size), lifts, both.arms)
        rough = search(walk.score, space.size, rng, first=_FIRST, each=10, generations=4)
        walk = _walk_of(design, space, prior, _ease(walk, rough, rng), lifts, both.arms)
        length = 5 if refresh else 10
        scored = search(walk.score, space.size, rng, first=_FIRST, each=16, generations=length)
        best = np.argsort(scored.error)[: max(asked.draws // 2, 20)]
        start = scored.take(rng.choice(best, size=asked.draws))
        ends, accepted = spread_out(
            walk.score, lambda found: np.asarray(-found.error), start, rng, _STEPS
        )
        found = _draw_walk(walk, ends.cube, rng)
        point = space.natural(ends.cube)
        last = int(walk.rows.month[-1])
        return _SeriesFit(
            walk=walk,
            prior=prior,
            scored=scored,
            ends=ends,
            accepted=accepted,
            draws=found,
            design=design,
            names=names,
            saturations=space.saturations,
            adstocks=space.adstocks,
            first=point.first,
            second=point.second,
            half=point.half,
            shape=point.shape,
            tops=found.strength[:, last, : len(design.arms)]
            * design.outcome_scale[design.geo_of_arm],
            returns=found.returns,
            given=prior.given,
            base=found.base.mean(axis=0),
            media=found.media,
            strength=found.strength[:, 0, len(design.arms) :],
            without_media=walk.without_media(),
            refresh=refresh,
            both=both,
        )


def _ease(walk: _Walk, rough: Scored, rng: np.random.Generator) -> Floats:
    """Factor (R,) of each row's variance, from a first fit, as a Student-t likelihood would."""
    best = rough.cube[[int(np.argmin(rough.error))]]
    design = walk.design
    residual = np.where(
        design.observed, design.outcome - _draw_walk(walk, best, rng).signal[0], 0.0
    )
    of_rows = residual[design.observed]
    scale = max(1.4826 * float(np.median(np.abs(of_rows))), 1e-6)
    return np.maximum((_DEGREES + (residual / scale) ** 2) / (_DEGREES + 1.0), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
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
    space: CurveSpace
    rows: Observations
    order: NDArray[np.int64]
    month: NDArray[np.int64]
    lifts: tuple[LiftTerm, ...]
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

    def of_lift(self, lift: LiftTerm, cube: Floats) -> Floats:
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
        noise = 10.0 ** np.linspace(*_EXTRAS[0], 41)
        empty = np.zeros((noise.size, self.order.size, 0))
        none = np.zeros((0, 0))
        bare = replace(self.rows, start=np.zeros(0), belief=none, step=none)
        heights, _, _ = filtered(bare, empty, noise, np.zeros(noise.size))
        return _mean_of_logs(heights)


@dataclass(frozen=True, slots=True, eq=False)
class _WalkDraws:
    """S draws: paths (S, months, B), baseline (S, p), media (B, R) in the mean, signal (S, R).

    ``returns`` (S, A) are of the arms alone.
    """

    strength: Floats
    base: Floats
    media: Floats
    signal: Floats
    returns: Floats


def _mean_of_logs(heights: Floats) -> float:
    """log of the mean of exp(heights)."""
    top = float(heights.max())
    return top + float(np.log(np.mean(np.exp(heights - top))))


def _walk_of(
    design: Design,
    space: CurveSpace,
    prior: ReturnPrior,
    ease: Floats,
    lifts: tuple[LiftTerm, ...] = (),
    pairs: tuple[Pairs, ...] = (),
) -> _Walk:
    """Lay out the observed rows; ``ease`` (R,) multiplies each one's variance of noise.

    A lift test is an observation of the coefficients of its last month.

    The believed returns become a normal belief about coefficients: the means and covariances of the
    log-normals, through the levels of a middling point of the space. Arms of one channel share most
    of their return, and walk together as far as they do; interactions are believed to be about
    none, and do not walk.
    """
    period = np.tile(np.arange(design.periods), len(design.geos))
    geo = np.repeat(np.arange(len(design.geos)), design.periods)
    length = frequency(design.frequency).count(_MONTH)
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
    return _Walk(
        design=design,
        space=space,
        rows=Observations(
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


def _draw_walk(walk: _Walk, cube: Floats, rng: np.random.Generator) -> _WalkDraws:
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
    return _WalkDraws(strength, base, media, signal, returns)


def _baseline(walk: _Walk, media: Floats, noise: float, rng: np.random.Generator) -> Floats:
    """A draw of the baseline's coefficients given all media (R,)."""
    rows, real = walk.rows, walk.order >= 0
    root = 1.0 / (noise * np.sqrt(rows.ease[real]))
    columns = rows.base[real] * root[:, None]
    left = (rows.outcome[real] - media[walk.order[real]]) * root
    factor = np.linalg.cholesky(columns.T @ columns + np.eye(columns.shape[1]))
    inner = np.linalg.solve(factor, columns.T @ left) + rng.standard_normal(columns.shape[1])
    return np.linalg.solve(factor.T, inner)


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What is observed, in the order of time: N rows.

    Attributes
    ----------
    month
        (N,) number of the month of each row, from 0, never falling.
    base
        (N, p) baseline columns.
    outcome
        (N,).
    ease
        (N,) what the noise's variance is multiplied by: more than 1 where a row lies far outside,
        0 where a row has an error of its own.
    own
        (N,) variance of that error.
    start, belief
        (B,) mean and (B, B) covariance of the coefficients in the first month.
    step
        (B, B) covariance of a month's step where ``walk`` is one; zero for what stands still.
    """

    month: Ints
    base: Floats
    outcome: Floats
    ease: Floats
    own: Floats
    start: Floats
    belief: Floats
    step: Floats


def filtered(
    rows: Observations, levels: Floats, noise: Floats, walk: Floats, *, keep: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Log marginal likelihood (P,), and the state's mean and covariance after each month.

    Parameters
    ----------
    levels
        (P, N, B) of every column in every row.
    noise, walk
        (P,) standard deviations of the noise and, over that of ``step``, of a month's step.
    keep
        Whether to return every month's state, (months, P, n) and (months, P, n, n) with n = p + B,
        or the last one's alone (1, ...).
    """
    points, count = levels.shape[0], rows.base.shape[1]
    size = count + levels.shape[2]
    moving = slice(count, size)
    mean = np.zeros((points, size))
    mean[:, moving] = rows.start
    covariance = np.zeros((points, size, size))
    covariance[:, np.arange(count), np.arange(count)] = 1.0
    covariance[:, moving, moving] = rows.belief
    heights = np.zeros(points)
    means: list[Floats] = []
    covariances: list[Floats] = []
    month = int(rows.month[0]) if rows.month.size else 0
    for part in _blocks(rows.month):
        passed = int(rows.month[part.start]) - month
        if passed:
            if keep:
                means.append(mean.copy())
                covariances.append(covariance.copy())
            covariance[:, moving, moving] += passed * walk[:, None, None] ** 2 * rows.step
            month += passed
        loads = np.empty((points, part.stop - part.start, size))
        loads[:, :, :count] = rows.base[part]
        loads[:, :, moving] = levels[:, part]
        cross = covariance @ loads.transpose(0, 2, 1)  # (P, n, m)
        spread = loads @ cross
        own = noise[:, None] ** 2 * rows.ease[part] + rows.own[part]
        place = np.arange(own.shape[1])
        spread[:, place, place] += own
        error = rows.outcome[part] - (loads @ mean[:, :, None])[:, :, 0]
        root = np.linalg.cholesky(spread)
        # Both in the units of the forecast's own errors.
        right = np.concatenate([error[:, :, None], cross.transpose(0, 2, 1)], axis=2)
        inner = np.linalg.solve(root, right)
        heights -= np.log(root[:, place, place]).sum(axis=1) + 0.5 * (
            np.log(2.0 * np.pi) * place.size + np.sum(inner[:, :, 0] ** 2, axis=1)
        )
        gain = inner[:, :, 1:].transpose(0, 2, 1)
        mean += (gain @ inner[:, :, :1])[:, :, 0]
        covariance -= gain @ gain.transpose(0, 2, 1)
    means.append(mean)
    covariances.append(covariance)
    return heights, np.stack(means), np.stack(covariances)


def _blocks(month: Ints) -> list[slice]:
    """Rows of one month each, at most ``_TOGETHER`` of them."""
    edges = [0, *(np.flatnonzero(np.diff(month)) + 1).tolist(), month.size]
    return [
        slice(k, min(k + _TOGETHER, stop))
        for start, stop in pairwise(edges)
        for k in range(start, stop, _TOGETHER)
    ]


def paths(
    rows: Observations, levels: Floats, noise: Floats, walk: Floats, rng: np.random.Generator
) -> Floats:
    """One path of the coefficients for each of P points, (months, P, B)."""
    _, means, covariances = filtered(rows, levels, noise, walk, keep=True)
    count, size = rows.base.shape[1], rows.base.shape[1] + levels.shape[2]
    months = np.unique(rows.month)
    out = np.empty((months.size, levels.shape[0], levels.shape[2]))
    state = _draw(means[-1], covariances[-1], rng)
    out[-1] = state[:, count:]
    place = np.arange(size)
    for at in range(months.size - 2, -1, -1):
        passed = float(months[at + 1] - months[at])
        mean, covariance = means[at], covariances[at]
        wider = covariance.copy()
        wider[:, count:, count:] += passed * walk[:, None, None] ** 2 * rows.step
        # What does not move must not make the matrix singular once it is known exactly.
        wider[:, place, place] += 1e-10
        gain = np.linalg.solve(wider, covariance).transpose(0, 2, 1)
        mean = mean + (gain @ (state - mean)[:, :, None])[:, :, 0]
        left = covariance - gain @ covariance
        state = _draw(mean, left, rng)
        out[at] = state[:, count:]
    return out


def _draw(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    """A normal draw for each point; directions without variance stay where they are."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.transpose(0, 2, 1)))
    noise = np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(mean.shape)
    return np.asarray(mean + (vectors @ noise[:, :, None])[:, :, 0])
