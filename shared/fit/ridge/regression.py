"""Ridge regression with non-negative media, for many hyperparameters and many folds at once.

With baseline columns B, media levels X and penalties, what is minimised over the rows is

    |y - B g - X b|^2 + p_base |g|^2 + sum_a p_a b_a^2 mean(X_a^2),    b >= 0

(Hoerl and Kennard 1970); the last columns, of interactions, may have either sign. g is eliminated
by the eigenvectors of B'B, which leaves a quadratic of b alone; that is solved exactly, by
exchanging coefficients between zero and free. Everything is done with sums over segments of rows,
so that rolling folds share their work: fold j is trained on the segments before j and tested on
segment j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "fit_media", "nonnegative", "segment_sums"]

Floats = NDArray[np.float64]
_SETTLED = 1e-10
_PATIENCE = 3  # exchanges of all that is wrong that may be in vain before it goes one at a time
_MOST = 10  # exchanges a column; the pivoting needs a few in all


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
        return Sums(
            self.bb + other.bb,
            self.by + other.by,
            self.yy + other.yy,
            self.rows + other.rows,
            self.bx + other.bx,
            self.xx + other.xx,
            self.xy + other.xy,
        )

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
