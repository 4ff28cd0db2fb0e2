"""The ridge model as a fit: search, front, selection, and a bootstrap over what forecasts well.

*Selection.* Of all points scored, those whose error lies within one standard error of the least
(Hastie, Tibshirani and Friedman 2009, section 7.10) forecast equally well as far as anybody can
tell; of these the one whose shares of effect lie nearest to its shares of spend is the candidate
that is shown. *Draws.* Each draw takes a point with probability by its error on the rolling folds
(pseudo-model averaging, Yao et al. 2018) and refits it to its own fitted values plus resampled
blocks of residuals (Kunsch 1989), so that an interval knows both of what the data say loosely: the
hyperparameters and the coefficients.
Beside the residuals, the centre of the penalty is drawn (perturb and optimise, Papandreou and
Yuille 2010): for a linear model with normal errors that gives draws of the posterior for which the
penalty is the prior, which residuals alone do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.fitted import Forecast
from shared.fit.media.asked import Asked
from shared.fit.media.lift import Lifted
from shared.fit.media.search import (
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
from shared.fit.models.ridge.objective import (
    Objectives,
    Sums,
    effects,
    joined,
    known_of,
    objective_of,
    splits,
)

__all__ = ["Ridge"]

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
    block = _blocks(draws, count, _BLOCK[design.frequency], rng)
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
