"""Draws of coefficients: points by how well they forecast, refitted to resampled residuals.

Beside the residuals, the centre of the penalty is drawn (perturb and optimise, Papandreou and
Yuille 2010): for a linear model with normal errors that gives draws of the posterior for which the
penalty is the prior, which residuals alone do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.ridge.objective import Objective, Scored
from shared.fit.ridge.regression import fit_media, segment_sums
from shared.fit.ridge.search import spread_out

__all__ = ["Bootstrap", "bootstrap", "log_score"]

Floats = NDArray[np.float64]
_BLOCK = {"day": 14, "week": 4, "month": 2}
_STEPS = 30


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
        (S, p), (S, A), in model units.
    returns
        (S, A) outcome per unit of money.
    signal
        (S, R) fitted and forecast outcome, in model units.
    media
        (A, R) mean over the draws of each arm's part.
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


def log_score(objective: Objective, least: float, scored: Scored) -> Floats:
    """(P,) log score on the rolling folds, normal errors of size ``least``; at most 0 there."""
    ratio = (scored.error / max(least, 1e-12)) ** 2
    return np.asarray(-0.5 * objective.tested * (ratio - 1.0))


def bootstrap(
    objective: Objective, scored: Scored, draws: int, rng: np.random.Generator
) -> Bootstrap:
    """``draws`` of them, from points that were scored."""
    design, space = objective.design, objective.space
    least = float(scored.error.min())
    weight = np.exp(log_score(objective, least, scored))
    start = scored.take(rng.choice(weight.size, size=draws, p=weight / weight.sum()))
    chosen, accepted = spread_out(
        objective.score, lambda found: log_score(objective, least, found), start, rng, _STEPS
    )
    cube = chosen.cube
    point, levels = space.natural(cube), objective.levels(cube)
    known = objective.extra(cube, levels)
    observed = design.observed
    fitted = chosen.base @ design.baseline.T
    fitted += np.einsum("sa,sar->sr", chosen.media, levels, optimize=True)
    residual = np.where(observed, design.outcome, 0.0)[None] - fitted
    residual = residual[:, observed]
    count, columns = residual.shape[1], min(design.baseline.shape[1], residual.shape[1] // 2)
    # Residuals are smaller than errors by what the columns absorbed.
    residual = (residual - residual.mean(axis=1, keepdims=True)) * np.sqrt(
        count / max(count - columns, 1)
    )
    weights = objective.weights[observed]
    # A row that lies far outside must not be resampled as if it were ordinary.
    tame = residual * np.sqrt(weights)
    again = np.take_along_axis(tame, _blocks(draws, count, _BLOCK[design.frequency], rng), axis=1)
    outcome = np.zeros_like(fitted)
    outcome[:, observed] = fitted[:, observed] + again
    all_rows = segment_sums(
        design.baseline, levels, np.zeros(observed.size), observed.astype(np.float64), observed
    )
    # What a penalty takes for granted is uncertain too: its centre is moved by the spread that the
    # penalty stands for, which makes each refit a draw and not only an estimate.
    spread = np.std(tame, axis=1)[:, None]
    size = np.einsum("saa->sa", all_rows.xx) / max(all_rows.rows, 1.0)
    root = np.sqrt(point.extras[:, :1] * size)
    media_side = spread * root * rng.standard_normal(root.shape)
    base_side = np.sqrt(point.extras[:, 1:]) * spread
    base_side = base_side * rng.standard_normal((draws, design.baseline.shape[1]))
    base = np.empty_like(chosen.base)
    media = np.empty_like(chosen.media)
    for s in range(draws):
        y = outcome[s, observed]
        own = type(all_rows)(
            bb=all_rows.bb,
            by=design.baseline[observed].T @ y + base_side[s],
            yy=float(y @ y),
            rows=all_rows.rows,
            bx=all_rows.bx[s : s + 1],
            xx=all_rows.xx[s : s + 1],
            xy=(levels[s][:, observed] @ y + media_side[s])[None],
        )
        told = None if known is None else (known[0][s : s + 1], known[1][s : s + 1])
        found = fit_media(own, point.extras[s : s + 1, 0], point.extras[s : s + 1, 1], told)
        base[s], media[s] = found[0][0], found[1][0]
    parts = media[:, :, None] * levels
    training = np.tile(np.arange(design.periods) < design.train, len(design.geos))
    scale = design.outcome_scale[design.geo_of_arm]
    effect = parts[:, :, training].sum(axis=2) * scale
    pool = tame[rng.integers(draws, size=20)].ravel()
    least = max(float(np.std(pool)), 1e-12)
    errors = float(np.sqrt(np.mean(chosen.error**2)))
    return Bootstrap(
        chosen=chosen,
        accepted=accepted,
        base=base,
        coefficients=media,
        returns=effect / (design.mean_spend * design.train),
        signal=base @ design.baseline.T + parts.sum(axis=1),
        media=parts.mean(axis=0),
        noise=pool * max(1.0, errors / least),
    )


def _blocks(draws: int, count: int, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(S, count) places: blocks of neighbours, each begun anywhere, wrapped around the end."""
    starts = rng.integers(count, size=(draws, -(-count // length)))
    places = (starts[:, :, None] + np.arange(length)) % count
    return np.asarray(places.reshape(draws, -1)[:, :count], dtype=np.int64)
