"""Two objectives of a set of hyperparameters: error of forecasts and distance of decomposition.

*Error*: root mean squared error over rolling folds inside the training rows, each fitted to the
rows before it, in standard deviations of the outcome. *Distance*: the root of the sum of squared
differences between the arms' shares of effect and their shares of spend (Robyn's DECOMP.RSSD). The
second is no evidence: it prefers what was done before among models that forecast equally well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.ridge.known import Known
from shared.fit.ridge.regression import Sums, fit_media, segment_sums
from shared.fit.ridge.space import Space

__all__ = ["Objective", "Scored", "objective_of"]

Floats = NDArray[np.float64]
_FOLDS = 4
_FIRST = 0.4  # share of the rows that the first fold is trained on


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """P points: the cube (P, D), both objectives (P,), coefficients and returns of all rows."""

    cube: Floats
    error: Floats
    distance: Floats
    base: Floats  # (P, p)
    media: Floats  # (P, A)
    returns: Floats  # (P, A) outcome per unit of money

    def take(self, rows: NDArray[np.int64]) -> Scored:
        """Some of the points."""
        return Scored(
            self.cube[rows],
            self.error[rows],
            self.distance[rows],
            self.base[rows],
            self.media[rows],
            self.returns[rows],
        )

    @staticmethod
    def joined(parts: list[Scored]) -> Scored:
        """All points of several sets."""
        return Scored(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("cube", "error", "distance", "base", "media", "returns")
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """A design with its folds.

    Attributes
    ----------
    segments
        Rows (R,) of the first fold's training, then of each fold's test.
    weights
        (R,) of each row: less than one where it lies far outside.
    noise
        Variance of the residuals in model units, for what is known apart from the rows.
    """

    design: Design
    space: Space
    known: Known
    segments: tuple[NDArray[np.bool_], ...]
    weights: Floats
    noise: float

    @property
    def tested(self) -> float:
        """Weight of the rows that the error is measured on."""
        return float(sum(self.weights[rows].sum() for rows in self.segments[1:]))

    def levels(self, cube: Floats) -> Floats:
        """(P, A, R): saturation of each arm in the rows of its own geo, zero in the others'."""
        design = self.design
        own = self.space.levels(self.space.natural(cube), design)
        if len(design.geos) == 1:
            return own
        out = np.zeros((own.shape[0], own.shape[1], len(design.geos), design.periods))
        for a, arm in enumerate(design.arms):
            out[:, a, arm.geo] = own[:, a]
        return out.reshape(own.shape[0], own.shape[1], -1)

    def extra(self, cube: Floats, levels: Floats) -> tuple[Floats, Floats] | None:
        """What is known apart from the rows, as the quadratic's matrix and side."""
        design = self.design
        own = levels.reshape(*levels.shape[:2], len(design.geos), design.periods).sum(axis=2)
        rows = self.known.rows(self.space, self.space.natural(cube), design, own)
        if rows is None:
            return None
        matrix, side = rows
        turned = matrix.transpose(0, 2, 1)
        return self.noise * (turned @ matrix), self.noise * (turned @ side)

    def score(self, cube: Floats) -> Scored:
        """Both objectives at points (P, D) of the cube."""
        design, point = self.design, self.space.natural(cube)
        levels = self.levels(cube)
        known = self.extra(cube, levels)
        outcome = np.where(design.observed, design.outcome, 0.0)
        sums: list[Sums] = [
            segment_sums(design.baseline, levels, outcome, self.weights, rows)
            for rows in self.segments
        ]
        squared = np.zeros(cube.shape[0])
        so_far = sums[0]
        for test in sums[1:]:
            fitted = fit_media(so_far, point.extras[:, 0], point.extras[:, 1], known)
            squared += test.squared_error(*fitted)
            so_far = so_far + test
        base, media = fit_media(so_far, point.extras[:, 0], point.extras[:, 1], known)
        scale = design.outcome_scale[design.geo_of_arm]
        training = np.tile(np.arange(design.periods) < design.train, len(design.geos))
        effect = media * scale * levels[:, :, training].sum(axis=2)
        spend = design.mean_spend * design.train
        whole = np.maximum(effect.sum(axis=1, keepdims=True), 1e-300)
        gap = effect / whole - spend / spend.sum()
        # Without any effect there is no share: the farthest that shares can lie apart.
        distance = np.where(effect.sum(axis=1) > 0, np.sqrt(np.sum(gap**2, axis=1)), np.sqrt(2.0))
        error = np.sqrt(squared / max(self.tested, 1e-12))
        return Scored(cube, error, distance, base, media, effect / spend)

    def without_media(self) -> float:
        """The least error that any penalty reaches with the baseline alone."""
        design = self.design
        outcome = np.where(design.observed, design.outcome, 0.0)
        empty = np.zeros((1, 1, design.baseline.shape[0]))
        sums = [
            segment_sums(design.baseline, empty, outcome, self.weights, rows)
            for rows in self.segments
        ]
        best = np.inf
        for penalty in self.space.tables[-1][::40]:
            squared, so_far = 0.0, sums[0]
            for test in sums[1:]:
                fitted = fit_media(so_far, np.ones(1), np.array([10.0**penalty]))
                squared += float(test.squared_error(*fitted)[0])
                so_far = so_far + test
            best = min(best, squared)
        return float(np.sqrt(best / max(self.tested, 1e-12)))


def objective_of(design: Design, space: Space, known: Known) -> Objective:
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
    return Objective(
        design=design,
        space=space,
        known=known,
        segments=tuple(rows for rows in segments if rows.any()),
        weights=design.observed.astype(np.float64),
        noise=0.1,
    )
