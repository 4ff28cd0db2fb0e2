"""Two objectives of a set of hyperparameters: error of forecasts and distance of decomposition.

*Error*: root mean squared error over rolling folds inside the training rows, each fitted to the
rows before it, in standard deviations of the outcome. *Distance*: the root of the sum of squared
differences between the arms' shares of effect and their shares of spend (Robyn's DECOMP.RSSD). The
second is no evidence: it prefers what was done before among models that forecast equally well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.interplay import Pairs, products
from shared.fit.ridge.known import Known
from shared.fit.ridge.pooling import departures, effects
from shared.fit.ridge.regression import Sums, fit_media, segment_sums
from shared.fit.ridge.space import Point, Space

__all__ = ["Apart", "Objective", "Scored", "joined", "objective_of"]

Floats = NDArray[np.float64]
_FOLDS = 4
_AT_ONCE = 4e6  # numbers of one (point, column, row) array
_FIRST = 0.4  # share of the rows that the first fold is trained on


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """P points: the cube (P, D), both objectives (P,), coefficients and returns of all rows."""

    cube: Floats
    error: Floats
    distance: Floats
    base: Floats  # (P, p)
    media: Floats  # (P, B): arms, then interactions
    returns: Floats  # (P, A) outcome per unit of money
    missed: Floats  # (P,) squared errors of what is known apart, each over its own variance

    def take(self, rows: NDArray[np.int64]) -> Scored:
        """Some of the points."""
        return Scored(
            self.cube[rows],
            self.error[rows],
            self.distance[rows],
            self.base[rows],
            self.media[rows],
            self.returns[rows],
            self.missed[rows],
        )

    @staticmethod
    def joined(parts: list[Scored]) -> Scored:
        """All points of several sets."""
        return Scored(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("cube", "error", "distance", "base", "media", "returns", "missed")
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
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
class Objective:
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
    space: Space
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

    def apart(self, point: Point, levels: Floats) -> tuple[Apart, ...]:
        """Lift tests and stated returns; arms of one channel that lean on each other."""
        design, count = self.design, len(levels)
        arms = len(design.arms)
        own = levels[:, :arms].reshape(count, arms, len(design.geos), design.periods).sum(axis=2)
        out: list[Apart] = []
        rows = self.known.rows(self.space, point, design, own, self.pairs)
        if rows is not None:
            weight = np.full(count, self.noise)
            out.append(Apart(*rows, weight))
        if "spread" in self.roles:
            matrix = self._wide(departures(design, own, self.brings))
            weight = self.noise / self._extra(point, "spread") ** 2
            out.append(Apart(matrix, np.zeros(matrix.shape[1]), weight))
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
    parts: Sequence[Apart], moved: Sequence[Floats | None] | None = None
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
    space: Space,
    roles: tuple[str, ...],
    pairs: tuple[Pairs, ...],
    known: Known,
) -> Objective:
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
        roles=roles,
        pairs=pairs,
        known=known,
        segments=tuple(rows for rows in segments if rows.any()),
        weights=design.observed.astype(np.float64),
        noise=0.1,
        brings=effects(design, 0.25 * float(np.abs(design.outcome_centre).sum())),
    )
