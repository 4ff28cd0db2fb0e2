"""Ridge regression with a searched carryover and saturation, in Robyn's manner.

*Error* of a set of hyperparameters: root mean squared error over rolling folds inside the training
rows, each fitted to the rows before it, in standard deviations of the outcome. *Distance*: the root
of the sum of squared differences between the arms' shares of effect and their shares of spend
(Robyn's DECOMP.RSSD); no evidence: it prefers what was done before among equal forecasts.

*Selection.* Of all points scored, those whose error lies within one standard error of the least
(Hastie, Tibshirani and Friedman 2009, section 7.10) forecast equally well as far as anybody can
tell; of these the one with the least distance is the candidate that is shown. *Draws.* Each takes a
point with probability by its error on the rolling folds (pseudo-model averaging, Yao et al. 2018)
and refits it to its own fitted values plus resampled blocks of residuals (Kunsch 1989). The centre
of the penalty is drawn as well (perturb and optimise, Papandreou and Yuille 2010): for a linear
model with normal errors that gives draws of the posterior for which the penalty is the prior.

Geos and campaigns of one channel lean on each other by a penalty on how far their returns differ.
With e_a the outcome per period that arm a brings, s_a its share of the money of its channel and E
what the channel brings by a first look, what is added to the sum of squares over the variance of
the noise is the sum of ((e_a - s_a sum e) / (E spread))^2 / s_a: nothing where all arms of a
channel bring the same per unit of money, about one where their returns differ by the ``spread``,
relatively; it is searched for like every other hyperparameter. Lift tests and stated returns are
rows of the regression, because both are linear in media coefficients.

``fit_media`` serves many hyperparameters and folds at once. With baseline columns B, media levels X
and penalties, what is minimised over the rows is

    |y - B g - X b|^2 + p_base |g|^2 + sum_a p_a b_a^2 mean(X_a^2),    b >= 0

(Hoerl and Kennard 1970); the last columns, of interactions, may have either sign. g is eliminated
by the eigenvectors of B'B, which leaves a quadratic of b alone; that is solved exactly. Everything
is done with sums over segments of rows: fold j is trained on the segments before j and tested on
segment j.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.fitted import Forecast
from shared.fit.media.asked import Asked
from shared.fit.media.interactions import Pairs, products
from shared.fit.media.lift import Lifted, LiftTerm
from shared.fit.media.search import (
    CurveSpace,
    Point,
    Scored,
    clusters,
    front,
    narrowed,
    search,
    settled,
    space_of,
    spread_out,
)
from shared.fit.models.regression import Regressed, families_of, interactions_of
from shared.frequency import frequency

__all__ = [
    "Known",
    "Objectives",
    "Ridge",
    "Sums",
    "departures",
    "effects",
    "fit_media",
    "joined",
    "known_of",
    "nonnegative",
    "objective_of",
    "segment_sums",
    "splits",
]

Floats = NDArray[np.float64]
_LIGHT = 0.3  # weight under which a row counts as an outlier
#: Decimal logarithms of the penalties on media, on the baseline and on interactions, and of the
#: spread of returns between the arms of a channel.
_EXTRAS = {
    "media": (-1.0, 2.0),
    "baseline": (-2.0, 0.5),
    "pairs": (-0.5, 3.0),
    "spread": (-1.0, 0.0),
}
_DEGREES = 4.0  # of the Student-t whose weights rows get
_CLUSTERS = 4
_SHOWN = 12  # candidates of the front that are listed
_BLOCK = {"day": 14, "week": 4, "month": 2}
_STEPS = 60
_FOLDS = 4
_AT_ONCE = 4e6  # numbers of one (point, column, row) array
_FIRST = 0.4  # share of the rows that the first fold is trained on
_LEAST = 0.1  # of what a channel would bring by its share of the money
_SETTLED = 1e-10
_PATIENCE = 3  # exchanges of all that is wrong that may be in vain before it goes one at a time
_MOST = 10  # exchanges a column; the pivoting needs a few in all


@dataclass(frozen=True, slots=True, eq=False)
class _RidgeFit(Regressed):
    """The points scored, the one that was selected, and draws around all that forecast well."""

    objective: Objectives
    scored: Scored
    selected: int
    boot: _Bootstrap
    without_media: float
    refresh: Mapping[str, Any] | None
    seed: int

    @property
    def converged(self) -> bool:
        """Whether the last part of the search hardly found better than the first."""
        return settled(self.scored.error)

    @property
    def media_evidence(self) -> float:
        """Log score on the rolling folds of the middle draw over the baseline alone.

        Not the best point's: the least of thousands of errors is too good to be true.
        """
        typical = float(np.median(self.boot.chosen.error))
        ratio = np.log(max(self.without_media, 1e-12) / max(typical, 1e-12))
        return float(self.objective.tested * ratio)

    def forecast(self, rng: np.random.Generator) -> Forecast:
        """Draws of signal with noise of the size that the rolling folds had."""
        signal = self.boot.signal
        noise = rng.choice(self.boot.noise, size=signal.shape)
        total = self.design.total
        return Forecast(total(signal.mean(axis=0)), total(signal + noise))

    def lifted(self) -> tuple[Lifted, ...]:
        space, design = self.objective.space, self.design
        point = space.natural(self.boot.chosen.cube)
        found = []
        for lift in self.objective.known.lifts:
            row = lift.row(space.levels(point, design, lift.lags), design, self.both.arms)
            found.append((lift, np.sum(row * self.boot.coefficients, axis=1)))
        return tuple(found)

    def diagnostics(self) -> Mapping[str, Any]:
        design, scored, objective = self.design, self.scored, self.objective
        best = front(scored.error, scored.distance)
        point = objective.space.natural(scored.cube[[self.selected]])
        light = np.flatnonzero(objective.weights[design.observed] < _LIGHT)
        rows = np.unique(np.flatnonzero(design.observed)[light] % design.periods)
        return {
            "convergence": {
                "converged": self.converged,
                "points": int(scored.error.size),
                "least_error": float(scored.error.min()),
                "draws": len(self.boot.base),
                "acceptance": self.boot.accepted,
            },
            "model": {
                "kind": "ridge",
                "method": "penalised_regression",
                "saturation": self.saturations[0],
                "adstock": self.adstocks[0],
                "lags": int(design.lags.shape[2]),
                "baseline_columns": list(design.baseline_names),
                "hyperparameters": dict(
                    zip(objective.roles, point.extras[0].tolist(), strict=True)
                ),
                "error": float(scored.error[self.selected]),
                "error_without_media": self.without_media,
                "decomposition_distance": float(scored.distance[self.selected]),
                "candidates": self._candidates(best),
                "refresh": None if self.refresh is None else dict(self.refresh),
                "not_used": list(self.both.not_used),
            },
            "noise": {
                "distribution": "resampled_residuals",
                "scale": float(np.std(self.boot.noise) * design.outcome_scale.mean()),
                "outliers": rows.tolist(),
            },
            "priors": {
                "basis": "given" if any(self.given) else "none",
                "why": "Returns stated in spec.priors and lift tests count as observations; "
                "nothing else is believed of returns beforehand.",
            },
        }

    def _candidates(self, best: NDArray[np.int64]) -> list[dict[str, Any]]:
        """The front with its clusters by return, as many as are worth reading."""
        step = max(1, -(-best.size // _SHOWN))
        shown = best[::step]
        scored = self.scored
        returns = np.log1p(scored.returns[shown])
        cluster = clusters(returns, _CLUSTERS, np.random.default_rng([self.seed, 7]))
        names = [arm.name for arm in self.design.arms]
        return [
            {
                "error": float(scored.error[i]),
                "decomposition_distance": float(scored.distance[i]),
                "cluster": int(k),
                "returns": dict(zip(names, scored.returns[i].tolist(), strict=True)),
            }
            for i, k in zip(shown, cluster, strict=True)
        ]


class Ridge:
    """Fits ``_RidgeFit``: ridge regression with non-negative media."""

    def fit(self, design: Design, asked: Asked) -> _RidgeFit:
        rng, names = asked.rng(11), asked.names
        saturations, adstocks = families_of(asked, ("hill", "geometric"))
        both = interactions_of(design, asked)
        roles = tuple(
            role
            for role in _EXTRAS
            if (role != "spread" or splits(design).size) and (role != "pairs" or both.arms)
        )
        extras = [_EXTRAS[role] for role in roles]
        whole = space_of(design, saturations, adstocks, extras)
        space, refresh = narrowed(whole, design, names, asked.previous, "ridge")
        objective = objective_of(design, space, roles, both.arms, known_of(asked))
        rough = search(objective.score, space.size, rng, first=256, each=24, generations=6)
        objective = _weighted(objective, rough)
        # A search that starts from the curves in use needs no more than half as long.
        length = 10 if refresh else 20
        scored = search(
            objective.score, space.size, rng, first=256, each=40, generations=length, most=60
        )
        boot = _bootstrap(objective, scored, asked.draws, rng)
        point = space.natural(boot.chosen.cube)
        scale = design.outcome_scale[design.geo_of_arm]
        return _RidgeFit(
            objective=objective,
            scored=scored,
            selected=_selected(objective, scored),
            design=design,
            names=names,
            saturations=space.saturations,
            adstocks=space.adstocks,
            first=point.first,
            second=point.second,
            half=point.half,
            shape=point.shape,
            tops=boot.coefficients[:, : len(design.arms)] * scale,
            returns=boot.returns,
            given=asked.prior.given,
            base=boot.base.mean(axis=0),
            media=boot.media,
            strength=boot.coefficients[:, len(design.arms) :],
            boot=boot,
            without_media=objective.without_media(),
            refresh=refresh,
            seed=asked.seed,
            both=both,
        )


def _weighted(objective: Objectives, rough: Scored) -> Objectives:
    """Rows weighted by how far they lie from a first fit, as a Student-t likelihood would."""
    design, best = objective.design, int(np.argmin(rough.error))
    levels = objective.levels(rough.cube[[best]])[0]
    fitted = design.baseline @ rough.base[best] + rough.media[best] @ levels
    residual = np.where(design.observed, design.outcome - fitted, 0.0)
    of_rows = residual[design.observed]
    scale = max(1.4826 * float(np.median(np.abs(of_rows))), 1e-6)
    weights = (_DEGREES + 1.0) / (_DEGREES + (residual / scale) ** 2)
    weights = np.minimum(weights, 1.0) * design.observed
    # Of the better half of the points, not of the best: what a channel brings hangs on the penalty.
    good = np.argsort(rough.error)[: max(1, rough.error.size // 2)]
    each = np.median(rough.returns[good], axis=0) * design.mean_spend
    found = np.bincount(design.channel_of_arm, weights=each, minlength=len(design.active))
    noise = float(rough.error[best]) ** 2
    return replace(objective, weights=weights, noise=noise, brings=effects(design, 0.0, found))


def _selected(objective: Objectives, scored: Scored) -> int:
    """The nearest decomposition among the points within one standard error of the least error."""
    least = float(scored.error.min())
    # The relative standard error of a mean square of n normal errors is sqrt(2 / n).
    reach = least * np.sqrt(1.0 + np.sqrt(2.0 / max(objective.tested, 2.0)))
    near = np.flatnonzero(scored.error <= reach)
    return int(near[np.argmin(scored.distance[near])])


@dataclass(frozen=True, slots=True, eq=False)
class _Bootstrap:
    """S draws.

    Attributes
    ----------
    chosen
        The S points.
    accepted
        Share of the moves accepted on the way to them.
    base, coefficients
        (S, p), (S, B), in model units; of arms, then of interactions.
    returns
        (S, A) outcome per unit of money.
    signal
        (S, R) fitted and forecast outcome, in model units.
    media
        (B, R) mean over the draws of each arm's and each interaction's part.
    noise
        Residuals to draw from, of the size of the errors on the rolling folds.
    """

    chosen: Scored
    accepted: float
    base: Floats
    coefficients: Floats
    returns: Floats
    signal: Floats
    media: Floats
    noise: Floats


def _log_score(rows: float, least: float, scored: Scored) -> Floats:
    """(P,) log score on so many rows, normal errors of size ``least``, and on what is known apart.

    Without the latter a penalty that forecasts well could overrule an experiment.
    """
    ratio = (scored.error / max(least, 1e-12)) ** 2
    return np.asarray(-0.5 * (rows * (ratio - 1.0) + scored.missed))


def _bootstrap(
    objective: Objectives, scored: Scored, draws: int, rng: np.random.Generator
) -> _Bootstrap:
    """``draws`` of them, from points that were scored."""
    design, space = objective.design, objective.space
    least = float(scored.error.min())
    # Errors that persist are fewer than they look: of an autoregression's squares, by this factor.
    lasting = objective.persistence(scored.cube[[int(np.argmin(scored.error))]]) ** 2
    rows = objective.tested * (1.0 - lasting) / (1.0 + lasting)
    height = _log_score(rows, least, scored)
    weight = np.exp(height - height.max())
    start = scored.take(rng.choice(weight.size, size=draws, p=weight / weight.sum()))
    chosen, accepted = spread_out(
        objective.score, lambda found: _log_score(rows, least, found), start, rng, _STEPS
    )
    point, levels = space.natural(chosen.cube), objective.levels(chosen.cube)
    fitted = chosen.base @ design.baseline.T
    fitted += (chosen.media[:, None, :] @ levels)[:, 0]
    errors = _errors(objective, chosen, fitted)
    base, media = _refitted(objective, point, levels, fitted, errors, rng)
    parts = media[:, :, None] * levels
    arms = slice(0, len(design.arms))
    scale = design.outcome_scale[design.geo_of_arm]
    effect = parts[:, arms][:, :, design.training].sum(axis=2) * scale
    return _Bootstrap(
        chosen=chosen,
        accepted=accepted,
        base=base,
        coefficients=media,
        returns=effect / (design.mean_spend * design.train),
        signal=base @ design.baseline.T + parts.sum(axis=1),
        media=parts.mean(axis=0),
        noise=errors[rng.integers(draws, size=20)].ravel(),
    )


def _errors(objective: Objectives, chosen: Scored, fitted: Floats) -> Floats:
    """(S, n) residuals, no smaller than what was missed on rows that were held back."""
    observed = objective.design.observed
    residual = (objective.outcome - fitted)[:, observed]
    count = residual.shape[1]
    # Residuals are smaller than errors by what the columns absorbed.
    columns = min(chosen.base.shape[1] + chosen.media.shape[1], count // 2)
    grown = np.sqrt(count / max(count - columns, 1))
    residual = grown * (residual - residual.mean(axis=1, keepdims=True))
    # A row that lies far outside must not be resampled as if it were ordinary.
    tame = residual * np.sqrt(objective.weights[observed])
    size = np.maximum(np.std(tame, axis=1), 1e-12)
    return np.asarray(tame * np.maximum(1.0, chosen.error / size)[:, None])


def _refitted(
    objective: Objectives,
    point: Point,
    levels: Floats,
    fitted: Floats,
    errors: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Coefficients (S, p) and (S, B) of each draw's own outcome.

    What a penalty takes for granted is uncertain too: its centre is moved by the spread that the
    penalty stands for, which makes each refit a draw and not only an estimate. So are a lift test's
    result and how alike the arms of one channel are.
    """
    design, observed = objective.design, objective.design.observed
    draws, count = errors.shape
    block = _blocks(draws, count, frequency(design.frequency).count(_BLOCK), rng)
    outcome = fitted[:, observed] + np.take_along_axis(errors, block, axis=1)
    columns, x = design.baseline[observed], levels[:, :, observed]
    spread = np.std(errors, axis=1)[:, None]
    on_media, on_base = objective.penalties(point)
    xx = x @ x.transpose(0, 2, 1)
    root = np.sqrt(on_media * np.einsum("saa->sa", xx) / count)
    of_base = np.sqrt(on_base)[:, None] * spread
    sums = Sums(
        bb=columns.T @ columns,
        by=outcome @ columns + of_base * rng.standard_normal((draws, columns.shape[1])),
        yy=0.0,
        rows=float(count),
        bx=(x @ columns).transpose(0, 2, 1),
        xx=xx,
        xy=(x @ outcome[:, :, None])[:, :, 0] + spread * root * rng.standard_normal(root.shape),
    )
    apart = objective.apart(point, levels)
    moved = [
        spread / np.sqrt(part.weight)[:, None] * rng.standard_normal(part.rows.shape[:2])
        for part in apart
    ]
    return objective.fitted(sums, point, joined(apart, moved))


def _blocks(draws: int, count: int, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(S, count) places: blocks of neighbours, each begun anywhere, wrapped around the end."""
    starts = rng.integers(count, size=(draws, -(-count // length)))
    places = (starts[:, :, None] + np.arange(length)) % count
    return np.asarray(places.reshape(draws, -1)[:, :count], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Apart:
    """What is known apart from the data: rows (P, N, B), their targets (N,), their weight (P,)."""

    rows: Floats
    target: Floats
    weight: Floats

    def quadratic(self, moved: Floats | None = None) -> tuple[Floats, Floats]:
        """Matrix (P, B, B) and side (P, B), the targets ``moved`` by (P, N)."""
        turned = self.rows.transpose(0, 2, 1)
        target = self.target if moved is None else self.target + moved
        side = (turned @ np.broadcast_to(target, self.rows.shape[:2])[:, :, None])[:, :, 0]
        return self.weight[:, None, None] * (turned @ self.rows), self.weight[:, None] * side


@dataclass(frozen=True, slots=True, eq=False)
class Objectives:
    """A design with its folds. B columns are A arms and then Q interactions.

    Attributes
    ----------
    roles
        What each of the space's extras is: the penalty of "media", of "baseline" and of "pairs"
        where any is asked for, and the "spread" between a channel's arms where any is split.
    pairs
        Of each interaction the arms that meet.
    segments
        Rows (R,) of the first fold's training, then of each fold's test.
    weights
        (R,) of each row: less than one where it lies far outside.
    noise
        Variance of the residuals in model units, for what is known apart from the rows.
    brings
        (C,) outcome per period of each channel, for how far its arms depart from each other.
    """

    design: Design
    space: CurveSpace
    roles: tuple[str, ...]
    pairs: tuple[Pairs, ...]
    known: Known
    segments: tuple[NDArray[np.bool_], ...]
    weights: Floats
    noise: float
    brings: Floats

    @property
    def tested(self) -> float:
        """Weight of the rows that the error is measured on."""
        return float(sum(self.weights[rows].sum() for rows in self.segments[1:]))

    @property
    def outcome(self) -> Floats:
        """(R,), zero where it is not for fitting."""
        return np.where(self.design.observed, self.design.outcome, 0.0)

    def levels(self, cube: Floats) -> Floats:
        """(P, B, R): saturation of each arm in the rows of its own geo, zero in the others'."""
        design = self.design
        own = self.space.levels(self.space.natural(cube), design)
        if len(design.geos) > 1:
            out = np.zeros((own.shape[0], own.shape[1], len(design.geos), design.periods))
            for a, arm in enumerate(design.arms):
                out[:, a, arm.geo] = own[:, a]
            own = out.reshape(own.shape[0], own.shape[1], -1)
        if not self.pairs:
            return own
        return np.concatenate([own, products(own, self.pairs)], axis=1)

    def penalties(self, point: Point) -> tuple[Floats, Floats]:
        """Of the columns (P, B), and of the baseline (P,)."""
        arms, pairs = len(self.design.arms), len(self.pairs)
        of = [self._extra(point, "media")] * arms
        of += [self._extra(point, "pairs")] * pairs if pairs else []
        return np.stack(of, axis=1), self._extra(point, "baseline")

    def _extra(self, point: Point, role: str) -> Floats:
        out: Floats = point.extras[:, self.roles.index(role)]
        return out

    def apart(self, point: Point, levels: Floats) -> tuple[_Apart, ...]:
        """Lift tests and stated returns; arms of one channel that lean on each other."""
        design, count = self.design, len(levels)
        arms = len(design.arms)
        own = levels[:, :arms].reshape(count, arms, len(design.geos), design.periods).sum(axis=2)
        out: list[_Apart] = []
        rows = self.known.rows(self.space, point, design, own, self.pairs)
        if rows is not None:
            weight = np.full(count, self.noise)
            out.append(_Apart(*rows, weight))
        if "spread" in self.roles:
            matrix = self._wide(departures(design, own, self.brings))
            weight = self.noise / self._extra(point, "spread") ** 2
            out.append(_Apart(matrix, np.zeros(matrix.shape[1]), weight))
        return tuple(out)

    def _wide(self, rows: Floats) -> Floats:
        """(P, N, B) of (P, N, A): nothing of interactions."""
        empty = np.zeros((*rows.shape[:2], len(self.pairs)))
        return np.concatenate([rows, empty], axis=2) if self.pairs else rows

    def fitted(
        self, sums: Sums, point: Point, known: tuple[Floats, Floats] | None
    ) -> tuple[Floats, Floats]:
        """Coefficients of the baseline (P, p) and of the columns (P, B) from sums over rows."""
        return fit_media(sums, *self.penalties(point), known, len(self.pairs))

    def score(self, cube: Floats) -> Scored:
        """Both objectives at points (P, D) of the cube."""
        width = (len(self.design.arms) + len(self.pairs)) * self.design.baseline.shape[0]
        few = max(8, int(_AT_ONCE // width))
        return Scored.joined([self._score(cube[k : k + few]) for k in range(0, len(cube), few)])

    def _score(self, cube: Floats) -> Scored:
        design, point = self.design, self.space.natural(cube)
        levels = self.levels(cube)
        apart = self.apart(point, levels)
        known = joined(apart)
        outcome = self.outcome
        sums: list[Sums] = [
            segment_sums(design.baseline, levels, outcome, self.weights, rows)
            for rows in self.segments
        ]
        squared = np.zeros(cube.shape[0])
        so_far = sums[0]
        for test in sums[1:]:
            squared += test.squared_error(*self.fitted(so_far, point, known))
            so_far = so_far + test
        base, media = self.fitted(so_far, point, known)
        arms = slice(0, len(design.arms))
        scale = design.outcome_scale[design.geo_of_arm]
        effect = media[:, arms] * scale * levels[:, arms][:, :, design.training].sum(axis=2)
        spend = design.mean_spend * design.train
        whole = np.maximum(effect.sum(axis=1, keepdims=True), 1e-300)
        gap = effect / whole - spend / spend.sum()
        # Without any effect there is no share: the farthest that shares can lie apart.
        distance = np.where(effect.sum(axis=1) > 0, np.sqrt(np.sum(gap**2, axis=1)), np.sqrt(2.0))
        error = np.sqrt(squared / max(self.tested, 1e-12))
        missed = np.zeros(len(cube))
        if self.known.any:
            off = (apart[0].rows @ media[:, :, None])[:, :, 0] - apart[0].target
            missed = np.sum(off**2, axis=1)
        return Scored(cube, error, distance, base, media, effect / spend, missed)

    def persistence(self, cube: Floats) -> float:
        """Correlation of the forecast errors of one point (1, D) from one tested row to the next.

        Within folds; between 0 and 0.95.
        """
        design, point = self.design, self.space.natural(cube)
        levels = self.levels(cube)
        known = joined(self.apart(point, levels))
        outcome = self.outcome
        root = np.sqrt(self.weights)
        sums = segment_sums(design.baseline, levels, outcome, self.weights, self.segments[0])
        both, square = 0.0, 0.0
        for rows in self.segments[1:]:
            base, media = self.fitted(sums, point, known)
            error = (outcome - design.baseline @ base[0] - media[0] @ levels[0])[rows] * root[rows]
            both += float(error[1:] @ error[:-1])
            square += float(error @ error)
            sums = sums + segment_sums(design.baseline, levels, outcome, self.weights, rows)
        return float(np.clip(both / max(square, 1e-12), 0.0, 0.95))

    def without_media(self) -> float:
        """The least error that any penalty reaches with the baseline alone."""
        design = self.design
        outcome = self.outcome
        empty = np.zeros((1, 1, design.baseline.shape[0]))
        sums = [
            segment_sums(design.baseline, empty, outcome, self.weights, rows)
            for rows in self.segments
        ]
        best = np.inf
        of_base = self.space.size - self.space.extras + self.roles.index("baseline")
        for penalty in self.space.tables[of_base][::40]:
            squared, so_far = 0.0, sums[0]
            for test in sums[1:]:
                fitted = fit_media(so_far, np.ones((1, 1)), np.array([10.0**penalty]))
                squared += float(test.squared_error(*fitted)[0])
                so_far = so_far + test
            best = min(best, squared)
        return float(np.sqrt(best / max(self.tested, 1e-12)))


def joined(
    parts: Sequence[_Apart], moved: Sequence[Floats | None] | None = None
) -> tuple[Floats, Floats] | None:
    """The sum of what is known apart from the data, as the quadratic's matrix and side."""
    if not parts:
        return None
    found = [
        part.quadratic(by) for part, by in zip(parts, moved or [None] * len(parts), strict=True)
    ]
    return np.sum([m for m, _ in found], axis=0), np.sum([s for _, s in found], axis=0)


def objective_of(
    design: Design,
    space: CurveSpace,
    roles: tuple[str, ...],
    pairs: tuple[Pairs, ...],
    known: Known,
) -> Objectives:
    """Rolling folds of the training rows, all rows of full weight."""
    seen = np.flatnonzero(
        design.observed.reshape(len(design.geos), design.periods).any(axis=0)
    )  # periods
    cuts = np.linspace(_FIRST, 1.0, _FOLDS + 1) * seen.size
    edges = [0, *(int(seen[min(int(cut), seen.size - 1)]) for cut in cuts[:-1]), design.train]
    period = np.tile(np.arange(design.periods), len(design.geos))
    segments = tuple(
        design.observed & (period >= start) & (period < stop) for start, stop in pairwise(edges)
    )
    return Objectives(
        design=design,
        space=space,
        roles=roles,
        pairs=pairs,
        known=known,
        segments=tuple(rows for rows in segments if rows.any()),
        weights=design.observed.astype(np.float64),
        noise=0.1,
        brings=effects(design, 0.25 * float(np.abs(design.outcome_centre).sum())),
    )


def splits(design: Design) -> NDArray[np.int64]:
    """Arms of channels that have more than one."""
    channel = design.channel_of_arm
    count = np.bincount(channel, minlength=len(design.active))
    return np.flatnonzero(count[channel] > 1)


def effects(design: Design, total: float, found: Floats | None = None) -> Floats:
    """(C,) what each channel brings: ``found`` (C,), but hardly less than its part of the money.

    In the same unit as ``total``, which is shared by money where nothing was found yet.
    """
    money = np.bincount(
        design.channel_of_arm, weights=design.mean_spend, minlength=len(design.active)
    )
    whole = total if found is None else float(found.sum())
    by_money = max(whole, 1e-12) * money / money.sum()
    return by_money if found is None else np.maximum(found, _LEAST * by_money)


def departures(design: Design, levels: Floats, brings: Floats) -> Floats:
    """(P, N, A) rows that take coefficients to relative departures times the root of the share.

    Parameters
    ----------
    levels
        (P, A, T) of every arm in its own geo.
    brings
        (C,) of each channel, outcome per period.
    """
    arms, channel = splits(design), design.channel_of_arm
    money = design.mean_spend
    of_channel = np.bincount(channel, weights=money, minlength=len(design.active))
    share = (money / of_channel[channel])[arms]
    scale = design.outcome_scale[design.geo_of_arm]
    unit = levels[:, :, : design.train].mean(axis=2) * scale  # that a coefficient of one brings
    same = channel[arms][:, None] == channel[None, :]
    own = np.arange(len(design.arms))[None, :] == arms[:, None]
    rows = (own - share[:, None] * same) / (np.sqrt(share) * brings[channel[arms]])[:, None]
    return np.asarray(rows[None] * unit[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Lift tests, and stated returns by channel as (channel, return, standard deviation)."""

    lifts: tuple[LiftTerm, ...]
    returns: tuple[tuple[int, float, float], ...]

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        return bool(self.lifts or self.returns)

    def rows(
        self,
        space: CurveSpace,
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


def known_of(asked: Asked) -> Known:
    """Lift tests that are over, and the returns of ``spec["priors"]``."""
    prior = asked.prior
    returns = []
    for c, given in enumerate(prior.given):
        if given:
            # Mean and standard deviation of the log-normal that the prior is.
            mean = float(np.exp(prior.log_median[c] + 0.5 * prior.log_sd[c] ** 2))
            error = mean * float(np.sqrt(np.expm1(prior.log_sd[c] ** 2)))
            returns.append((c, mean, error))
    return Known(asked.lifts, tuple(returns))


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Cross products over some rows: P points, A arms, p baseline columns."""

    bb: Floats  # (p, p)
    by: Floats  # (p,), or (P, p) where each point has an outcome of its own
    yy: float
    rows: float
    bx: Floats  # (P, p, A)
    xx: Floats  # (P, A, A)
    xy: Floats  # (P, A)

    def __add__(self, other: Sums) -> Sums:
        names = (part.name for part in fields(self))
        return Sums(*(getattr(self, name) + getattr(other, name) for name in names))

    def squared_error(self, base: Floats, media: Floats) -> Floats:
        """(P,) sum of squared errors of coefficients (P, p) and (P, A)."""
        column = media[:, :, None]
        inner = (self.xx @ column)[:, :, 0] - 2.0 * self.xy
        whole = np.sum(media * inner, axis=1)
        inner = base @ self.bb + 2.0 * (self.bx @ column)[:, :, 0] - 2.0 * self.by
        whole += np.sum(base * inner, axis=1)
        return np.asarray(np.maximum(whole + self.yy, 0.0))


def segment_sums(
    base: Floats, levels: Floats, outcome: Floats, weights: Floats, rows: NDArray[np.bool_]
) -> Sums:
    """Sums over ``rows`` of (R, p), (P, A, R), (R,) with weights (R,)."""
    root = np.sqrt(weights[rows])
    b, y = base[rows] * root[:, None], outcome[rows] * root
    x = levels[:, :, rows] * root
    turned = x.transpose(0, 2, 1)
    return Sums(
        bb=b.T @ b,
        by=b.T @ y,
        yy=float(y @ y),
        rows=float(weights[rows].sum()),
        bx=(x @ b).transpose(0, 2, 1),
        xx=x @ turned,
        xy=x @ y,
    )


def fit_media(
    sums: Sums,
    media_penalty: Floats,
    base_penalty: Floats,
    known: tuple[Floats, Floats] | None = None,
    free: int = 0,
) -> tuple[Floats, Floats]:
    """Coefficients of the baseline (P, p) and of media (P, A).

    Parameters
    ----------
    media_penalty, base_penalty
        (P, A) and (P,).
    free
        How many of the last columns may have a negative coefficient.
    known
        What is known apart from the rows: added to the quadratic's matrix (P, A, A) and to its
        side (P, A).
    """
    values, vectors = np.linalg.eigh(sums.bb)
    shrink = 1.0 / (np.maximum(values, 0.0) + base_penalty[:, None])  # (P, p)
    turned = vectors.T @ sums.bx  # (P, p, A)
    side = np.broadcast_to(sums.by @ vectors, shrink.shape)  # (P, p)
    inner = turned * shrink[:, :, None]
    matrix = sums.xx - turned.transpose(0, 2, 1) @ inner
    vector = sums.xy - (inner.transpose(0, 2, 1) @ side[:, :, None])[:, :, 0]
    size = np.einsum("paa->pa", sums.xx) / max(sums.rows, 1.0)
    place = np.arange(matrix.shape[1])
    # The floor keeps an arm without any effect on these rows solvable; its coefficient is zero.
    matrix[:, place, place] += media_penalty * size + 1e-9
    if known is not None:
        matrix, vector = matrix + known[0], vector + known[1]
    media = nonnegative(matrix, vector, free)
    left = side - (turned @ media[:, :, None])[:, :, 0]
    return (shrink * left) @ vectors.T, media


def nonnegative(matrix: Floats, side: Floats, free: int = 0) -> Floats:
    """The b that minimise b'Mb - 2 b's, all but the last ``free`` of them >= 0.

    For matrices (P, A, A), positive definite, and sides (P, A). Block principal pivoting (Kim and
    Park, Fast nonnegative matrix factorization, 2011): guess which coefficients are zero, solve for
    the others, exchange all that are on the wrong side; one at a time where that goes in circles,
    which ends.
    """
    root = np.sqrt(np.maximum(np.einsum("paa->pa", matrix), 1e-300))
    # In units in which every column has length one.
    matrix, side = matrix / (root[:, :, None] * root[:, None, :]), side / root
    points, columns = side.shape
    out = np.zeros_like(side)
    used = np.ones(side.shape, dtype=bool)
    fewest, patience = np.full(points, columns + 1), np.full(points, _PATIENCE)
    slack = _SETTLED * (1.0 + np.abs(side).max(axis=1, initial=0.0))
    signed = np.arange(columns) < columns - free
    place = np.arange(columns)
    left = place[:0] if not points else np.arange(points)
    for _ in range(_MOST * (columns + 1)):
        if not left.size:
            break
        on = used[left]
        inner = matrix[left] * (on[:, :, None] & on[:, None, :])
        inner[:, place, place] += ~on
        found = np.linalg.solve(inner, (side[left] * on)[:, :, None])[:, :, 0]
        pull = (matrix[left] @ found[:, :, None])[:, :, 0] - side[left]
        limit = slack[left][:, None]
        wrong = signed & np.where(on, found < -limit, pull < -limit)
        out[left] = found
        count = wrong.sum(axis=1)
        fell = count < fewest[left]
        fewest[left] = np.where(fell, count, fewest[left])
        patience[left] = np.where(fell, _PATIENCE, patience[left] - 1)
        last = np.where(wrong, place, -1).max(axis=1)
        change = np.where(patience[left][:, None] >= 0, wrong, place == last[:, None])
        used[left] = on ^ (change & wrong)
        left = left[count > 0]
    out = np.where(signed, np.maximum(out, 0.0), out)
    return np.asarray(out / root)
