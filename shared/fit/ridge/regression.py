"""Ridge regression with non-negative media, for many hyperparameters and many folds at once.

With baseline columns B, media levels X and penalties, what is minimised over the rows is

    |y - B g - X b|^2 + p_base |g|^2 + p_media sum_a b_a^2 mean(X_a^2),    b >= 0

(Hoerl and Kennard 1970). g is eliminated by the eigenvectors of B'B, which leaves a quadratic of b
alone; that is solved by cyclic coordinate descent with projection (Friedman, Hastie and Tibshirani
2010). Everything is done with sums over segments of rows, so that rolling folds share their work:
fold j is trained on the segments before j and tested on segment j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "fit_media", "nonnegative", "segment_sums"]

Floats = NDArray[np.float64]
_SWEEPS = 300
_SETTLED = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Cross products over some rows: P points, A arms, p baseline columns."""

    bb: Floats  # (p, p)
    by: Floats  # (p,)
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
        whole = np.einsum("pi,ij,pj->p", base, self.bb, base, optimize=True)
        whole += np.einsum("pa,pab,pb->p", media, self.xx, media, optimize=True)
        whole += 2.0 * np.einsum("pi,pia,pa->p", base, self.bx, media, optimize=True)
        whole -= 2.0 * (base @ self.by + np.einsum("pa,pa->p", media, self.xy))
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
) -> tuple[Floats, Floats]:
    """Coefficients of the baseline (P, p) and of media (P, A).

    Parameters
    ----------
    media_penalty, base_penalty
        (P,).
    known
        What is known apart from the rows: added to the quadratic's matrix (P, A, A) and to its
        side (P, A).
    """
    values, vectors = np.linalg.eigh(sums.bb)
    shrink = 1.0 / (np.maximum(values, 0.0) + base_penalty[:, None])  # (P, p)
    turned = vectors.T @ sums.bx  # (P, p, A)
    side = vectors.T @ sums.by  # (p,)
    inner = turned * shrink[:, :, None]
    matrix = sums.xx - turned.transpose(0, 2, 1) @ inner
    vector = sums.xy - inner.transpose(0, 2, 1) @ side
    size = np.einsum("paa->pa", sums.xx) / max(sums.rows, 1.0)
    place = np.arange(matrix.shape[1])
    # The floor keeps an arm without any effect on these rows solvable; its coefficient is zero.
    matrix[:, place, place] += media_penalty[:, None] * size + 1e-9
    if known is not None:
        matrix, vector = matrix + known[0], vector + known[1]
    media = nonnegative(matrix, vector)
    left = side - (turned @ media[:, :, None])[:, :, 0]
    return (shrink * left) @ vectors.T, media


def nonnegative(matrix: Floats, side: Floats) -> Floats:
    """The b >= 0 that minimise b'Mb - 2 b's, for matrices (P, A, A) and sides (P, A)."""
    out = np.zeros_like(side)
    diagonal = np.einsum("paa->pa", matrix)
    root = np.sqrt(diagonal)
    for _ in range(_SWEEPS):
        moved = 0.0
        for a in range(side.shape[1]):
            pull = side[:, a] - np.einsum("pb,pb->p", matrix[:, a], out)
            new = np.maximum(out[:, a] + pull / diagonal[:, a], 0.0)
            moved = max(moved, float(np.max(np.abs(new - out[:, a]) * root[:, a])))
            out[:, a] = new
        if moved < _SETTLED * (1.0 + float(np.max(np.abs(side) / root, initial=0.0))):
            break
    return out
