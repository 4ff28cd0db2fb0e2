"""The ridge model as a fit: search, front, selection, and a bootstrap over what forecasts well.

*Selection.* Of all points scored, those whose error lies within one standard error of the least
(Hastie, Tibshirani and Friedman 2009, section 7.10) forecast equally well as far as anybody can
tell; of these the one whose shares of effect lie nearest to its shares of spend is the candidate
that is shown. *Draws.* Each draw takes a point with probability by its error on the rolling folds
(pseudo-model averaging, Yao et al. 2018) and refits it to its own fitted values plus resampled
blocks of residuals (Kunsch 1989), so that an interval knows both of what the data say loosely: the
hyperparameters and the coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.fit.bayes.lift import Lifted
from shared.fit.drawn import Drawn
from shared.fit.fitted import Forecast
from shared.fit.regressed import Regressed, task_of
from shared.fit.ridge.bootstrap import Bootstrap, bootstrap
from shared.fit.ridge.known import known_of
from shared.fit.ridge.objective import Objective, Scored, objective_of
from shared.fit.ridge.pooling import effects, splits
from shared.fit.ridge.search import clusters, front, search, settled
from shared.fit.ridge.space import narrowed, space_of
from shared.history.table import History

__all__ = ["RidgeFit", "fit_ridge"]

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


@dataclass(frozen=True, slots=True, eq=False)
class RidgeFit(Regressed):
    """The points scored, the one that was selected, and draws around all that forecast well."""

    objective: Objective
    scored: Scored
    selected: int
    boot: Bootstrap
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
                "saturation": self.drawn.saturations[0],
                "adstock": self.drawn.adstocks[0],
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
                "basis": "given" if any(self.drawn.given) else "none",
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


def fit_ridge(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    choice: Mapping[str, tuple[str, str]] | None = None,
    previous: CurveSet | None = None,
) -> RidgeFit:
    """Fit the first ``train`` periods (default all). The same seed gives the same draws.

    Parameters
    ----------
    choice
        (saturation, adstock) by channel name, settled already.
    previous
        The curves in use; the search keeps near to them where they are of this kind.
    """
    rng = np.random.default_rng([seed, 0 if train is None else train, 11])
    task = task_of(history, spec, train, choice, ("hill", "geometric"))
    design, names, both = task.design, task.names, task.both
    known = known_of(spec, history, design, names, task.total)
    roles = tuple(
        role
        for role in _EXTRAS
        if (role != "spread" or splits(design).size) and (role != "pairs" or both.arms)
    )
    extras = [_EXTRAS[role] for role in roles]
    whole = space_of(design, task.saturations, task.adstocks, extras)
    space, refresh = narrowed(whole, design, names, previous, "ridge")
    objective = objective_of(design, space, roles, both.arms, known)
    rough = search(objective.score, space.size, rng, first=256, each=24, generations=6)
    objective = _weighted(objective, rough)
    # A search that starts from the curves in use needs no more than half as long.
    length = 10 if refresh else 20
    scored = search(
        objective.score, space.size, rng, first=256, each=40, generations=length, most=60
    )
    boot = bootstrap(objective, scored, draws, rng)
    point = space.natural(boot.chosen.cube)
    scale = design.outcome_scale[design.geo_of_arm]
    drawn = Drawn(
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
        given=_given(spec, names),
    )
    return RidgeFit(
        objective=objective,
        scored=scored,
        selected=_selected(objective, scored),
        drawn=drawn,
        base=boot.base.mean(axis=0),
        media=boot.media,
        strength=boot.coefficients[:, len(design.arms) :],
        boot=boot,
        without_media=objective.without_media(),
        refresh=refresh,
        seed=seed,
        both=both,
    )


def _given(spec: Mapping[str, Any], names: tuple[str, ...]) -> tuple[bool, ...]:
    told = {str(p.get("channel")) for p in spec.get("priors") or ()}
    return tuple(name in told for name in names)


def _weighted(objective: Objective, rough: Scored) -> Objective:
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


def _selected(objective: Objective, scored: Scored) -> int:
    """The nearest decomposition among the points within one standard error of the least error."""
    least = float(scored.error.min())
    # The relative standard error of a mean square of n normal errors is sqrt(2 / n).
    reach = least * np.sqrt(1.0 + np.sqrt(2.0 / max(objective.tested, 2.0)))
    near = np.flatnonzero(scored.error <= reach)
    return int(near[np.argmin(scored.distance[near])])
