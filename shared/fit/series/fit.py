"""The time-series model as a fit: exponential curves with geometric adstock, learnt month by month.

The form is the seed's, alpha (1 - exp(-mu * adstocked spend)); what is different is that alpha is
estimated from the outcome and not from shares of spend, and that it may move: a curve is what a
channel does at the end of the history, ``over_time`` shows what it did before. Carryover, mu, the
noise and the size of the steps are drawn by Markov chains over the marginal likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.fit.bayes.lift import Lifted, read_lifts
from shared.fit.bayes.priors import ReturnPrior, return_prior
from shared.fit.drawn import Drawn
from shared.fit.fitted import Forecast
from shared.fit.regressed import Regressed, task_of
from shared.fit.ridge.objective import Scored
from shared.fit.ridge.search import search, spread_out
from shared.fit.ridge.space import narrowed, space_of
from shared.fit.series.walk import EXTRAS, Walk, WalkDraws, draw_walk, mean_of_logs, walk_of
from shared.history.table import History

__all__ = ["SeriesFit", "fit_series"]

Floats = NDArray[np.float64]
_DEGREES = 4.0
_FAR = 4.0  # of the variance's factor from which a row counts as an outlier
_FIRST = 200
_STEPS = 24
_SETTLED = 5.0  # log likelihood by which the last part of the search may better the first


@dataclass(frozen=True, slots=True, eq=False)
class SeriesFit(Regressed):
    """Points scored, chains' ends, and paths drawn for each."""

    walk: Walk
    prior: ReturnPrior
    scored: Scored
    ends: Scored
    accepted: float
    draws: WalkDraws
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
        return mean_of_logs(-self.scored.error[:_FIRST]) - self.without_media

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
                "saturation": self.drawn.saturations[0],
                "adstock": self.drawn.adstocks[0],
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


def fit_series(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    choice: Mapping[str, tuple[str, str]] | None = None,
    previous: CurveSet | None = None,
) -> SeriesFit:
    """Fit the first ``train`` periods (default all). The same seed gives the same draws.

    Parameters
    ----------
    choice
        (saturation, adstock) by channel name, settled already.
    previous
        The curves in use; the search keeps near to them where they are of this kind.
    """
    rng = np.random.default_rng([seed, 0 if train is None else train, 13])
    task = task_of(history, spec, train, choice, ("exponential", "geometric"))
    design, names, both = task.design, task.names, task.both
    prior = return_prior(
        spec,
        history.outcome_name,
        names,
        float(design.mean_spend.sum()) * design.train,
        task.total,
    )
    whole = space_of(design, task.saturations, task.adstocks, EXTRAS)
    space, refresh = narrowed(whole, design, names, previous, "time_series")
    lifts = read_lifts(spec, history, design)
    walk = walk_of(design, space, prior, np.ones(design.observed.size), lifts, both.arms)
    rough = search(walk.score, space.size, rng, first=_FIRST, each=10, generations=4)
    walk = walk_of(design, space, prior, _ease(walk, rough, rng), lifts, both.arms)
    length = 5 if refresh else 10
    scored = search(walk.score, space.size, rng, first=_FIRST, each=16, generations=length)
    best = np.argsort(scored.error)[: max(draws // 2, 20)]
    start = scored.take(rng.choice(best, size=draws))
    ends, accepted = spread_out(
        walk.score, lambda found: np.asarray(-found.error), start, rng, _STEPS
    )
    found = draw_walk(walk, ends.cube, rng)
    point = space.natural(ends.cube)
    last = int(walk.rows.month[-1])
    drawn = Drawn(
        design=design,
        names=names,
        saturations=space.saturations,
        adstocks=space.adstocks,
        first=point.first,
        second=point.second,
        half=point.half,
        shape=point.shape,
        tops=found.strength[:, last, : len(design.arms)] * design.outcome_scale[design.geo_of_arm],
        returns=found.returns,
        given=prior.given,
    )
    return SeriesFit(
        walk=walk,
        prior=prior,
        scored=scored,
        ends=ends,
        accepted=accepted,
        draws=found,
        drawn=drawn,
        base=found.base.mean(axis=0),
        media=found.media,
        strength=found.strength[:, 0, len(design.arms) :],
        without_media=walk.without_media(),
        refresh=refresh,
        both=both,
    )


def _ease(walk: Walk, rough: Scored, rng: np.random.Generator) -> Floats:
    """Factor (R,) of each row's variance, from a first fit, as a Student-t likelihood would."""
    best = rough.cube[[int(np.argmin(rough.error))]]
    design = walk.design
    residual = np.where(design.observed, design.outcome - draw_walk(walk, best, rng).signal[0], 0.0)
    of_rows = residual[design.observed]
    scale = max(1.4826 * float(np.median(np.abs(of_rows))), 1e-6)
    return np.maximum((_DEGREES + (residual / scale) ** 2) / (_DEGREES + 1.0), 1.0)
