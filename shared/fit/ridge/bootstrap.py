"""Draws of coefficients: points by how well they forecast, refitted to resampled residuals.

Beside the residuals, the centre of the penalty is drawn (perturb and optimise, Papandreou and
Yuille 2010): for a linear model with normal errors that gives draws of the posterior for which the
penalty is the prior, which residuals alone do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.ridge.objective import Objective, Scored, joined
from shared.fit.ridge.regression import Sums
from shared.fit.ridge.search import spread_out
from shared.fit.ridge.space import Point

__all__ = ["Bootstrap", "bootstrap", "log_score"]

Floats = NDArray[np.float64]
_BLOCK = {"day": 14, "week": 4, "month": 2}
_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
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


def log_score(rows: float, least: float, scored: Scored) -> Floats:
    """(P,) log score on so many rows, normal errors of size ``least``, and on what is known apart.

    Without the latter a penalty that forecasts well could overrule an experiment.
    """
    ratio = (scored.error / max(least, 1e-12)) ** 2
    return np.asarray(-0.5 * (rows * (ratio - 1.0) + scored.missed))


def bootstrap(
    objective: Objective, scored: Scored, draws: int, rng: np.random.Generator
) -> Bootstrap:
    """``draws`` of them, from points that were scored."""
    design, space = objective.design, objective.space
    least = float(scored.error.min())
    # Errors that persist are fewer than they look: of an autoregression's squares, by this factor.
    lasting = objective.persistence(scored.cube[[int(np.argmin(scored.error))]]) ** 2
    rows = objective.tested * (1.0 - lasting) / (1.0 + lasting)
    height = log_score(rows, least, scored)
    weight = np.exp(height - height.max())
    start = scored.take(rng.choice(weight.size, size=draws, p=weight / weight.sum()))
    chosen, accepted = spread_out(
        objective.score, lambda found: log_score(rows, least, found), start, rng, _STEPS
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
    return Bootstrap(
        chosen=chosen,
        accepted=accepted,
        base=base,
        coefficients=media,
        returns=effect / (design.mean_spend * design.train),
        signal=base @ design.baseline.T + parts.sum(axis=1),
        media=parts.mean(axis=0),
        noise=errors[rng.integers(draws, size=20)].ravel(),
    )


def _errors(objective: Objective, chosen: Scored, fitted: Floats) -> Floats:
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
    objective: Objective,
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
