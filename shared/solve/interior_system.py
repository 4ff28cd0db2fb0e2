"""The linear algebra of one interior point step, by arms.

Eliminating the pieces of adstocked spend leaves, per arm, a positive definite K x K block

    M_a = diag(theta_a) + carry_a^T diag(d_a) carry_a,

and the arms only meet in the rows: their multipliers solve the Schur complement

    (sum over a of R_a M_a^-1 R_a^T + diag(slack)) dmu = right side,

one small dense matrix whatever the number of arms. Where an arm has one column the blocks are
numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blocks"]

Array = NDArray[np.float64]

_SMALL = 24  # columns up to which stacked routines beat LAPACK arm by arm


class Blocks:
    """Factored blocks and Schur complement of one iteration.

    Parameters
    ----------
    carry
        (A, H, K), scaled.
    rows
        (A, m, K): each arm's part of the rows, scaled.
    """

    def __init__(self, carry: Array, rows: Array) -> None:
        self.arms, _, self.columns = carry.shape
        self.carry = carry
        self.rows = rows
        self.m = rows.shape[1]
        self.scalar = self.columns == 1
        self.small = 1 < self.columns <= _SMALL
        self.carry_square = carry[:, :, 0] ** 2 if self.scalar else None
        self.row_flat = np.ascontiguousarray(rows[:, :, 0].T) if self.scalar else None
        # Rows of periods or of a few arms leave most of an arm's part of the matrix empty.
        self.touched = [np.flatnonzero(np.any(part != 0.0, axis=1)) for part in rows]
        self.parts: list[Any] = [
            np.asfortranarray(part[own].T) for part, own in zip(rows, self.touched, strict=True)
        ]
        self.diagonal: Array = np.zeros(0)
        self.factors: list[Any] = []
        self.schur: Any = None
        self.inverse: Array = np.zeros(0)
        self.rows_across = np.ascontiguousarray(rows.transpose(0, 2, 1))
        self.carry_across = carry.transpose(0, 2, 1)

    def factor(self, theta: Array, d: Array, slack: Array) -> None:
        """Blocks from ``theta`` (A, K) and ``d`` (A, H), Schur complement with ``slack`` (m,)."""
        schur = np.diag(slack)
        if self.scalar:
            assert self.carry_square is not None
            assert self.row_flat is not None
            self.diagonal = theta[:, 0] + (self.carry_square * d).sum(axis=1)
            schur += (self.row_flat / self.diagonal) @ self.row_flat.T
        elif not (self.small and self._stacked(theta, d, schur)):
            self._by_arm(theta, d, schur)
        if self.m:
            self.schur = _cholesky(np.asfortranarray(schur))

    def _stacked(self, theta: Array, d: Array, schur: Array) -> bool:
        """Numpy's stacked routines: a loop over arms would cost more than the arithmetic.

        False where rounding has eaten some block's diagonal.
        """
        block = np.matmul(self.carry_across * d[:, None, :], self.carry)
        at = np.arange(self.columns)
        block[:, at, at] += theta
        try:
            self.inverse = np.linalg.inv(np.linalg.cholesky(block))
        except np.linalg.LinAlgError:
            return False
        halves = np.matmul(self.inverse, self.rows_across)
        schur += np.tensordot(halves, halves, axes=((0, 1), (0, 1)))
        self.factors = []
        return True

    def _by_arm(self, theta: Array, d: Array, schur: Array) -> None:
        from scipy.linalg.blas import dsyrk
        from scipy.linalg.lapack import dtrtrs

        root = np.sqrt(d)
        self.factors = []
        for a in range(self.arms):
            half = root[a][:, None] * self.carry[a]
            block = dsyrk(1.0, half.T, lower=1)
            block[np.diag_indices(self.columns)] += theta[a]
            lower = _cholesky(block)
            self.factors.append(lower)
            own = self.touched[a]
            if not own.size:
                continue
            part = dtrtrs(lower, self.parts[a], lower=1)[0]
            if own.size == self.m:
                schur += part.T @ part
            else:
                schur[np.ix_(own, own)] += part.T @ part

    def solve(self, right: Array, row_right: Array) -> tuple[Array, Array]:
        """``du`` (A, K) and ``dmu`` (m,) with ``M du + R^T dmu = right`` and
        ``R du - slack dmu = row_right``."""
        if not self.m:
            return self._block(right), np.zeros(0)
        from scipy.linalg.lapack import dpotrs

        first = self._block(right)
        pull = self._times(first) - row_right
        dmu = np.asarray(dpotrs(self.schur, pull, lower=1)[0])
        return self._block(right - self._back(dmu)), dmu

    def _block(self, right: Array) -> Array:
        if self.scalar:
            return np.asarray(right / self.diagonal[:, None])
        if not self.factors:
            half = np.matmul(self.inverse, right[:, :, None])
            return np.asarray(np.matmul(half.transpose(0, 2, 1), self.inverse)[:, 0, :])
        from scipy.linalg.lapack import dpotrs

        out = np.empty_like(right)
        for a, lower in enumerate(self.factors):
            out[a] = dpotrs(lower, right[a], lower=1)[0]
        return out

    def _times(self, u: Array) -> Array:
        if self.row_flat is not None:
            return np.asarray(self.row_flat @ u[:, 0])
        return np.asarray(np.einsum("amk,ak->m", self.rows, u))

    def _back(self, mu: Array) -> Array:
        if self.row_flat is not None:
            return np.asarray((mu @ self.row_flat)[:, None])
        return np.asarray(np.tensordot(self.rows, mu, axes=(1, 0)))


def _cholesky(matrix: Any) -> Any:
    """Lower factor; a diagonal that rounding has eaten is lifted (rows that say the same twice)."""
    from scipy.linalg.lapack import dpotrf

    diagonal = np.diag(matrix).copy()
    lift = 0.0
    for _ in range(12):
        factor, info = dpotrf(matrix, lower=1)
        if info == 0 and np.all(np.isfinite(np.diag(factor))):
            return factor
        lift = max(1e-13, 10.0 * lift)
        matrix = matrix.copy(order="F")
        matrix[np.diag_indices(len(diagonal))] = diagonal * (1.0 + lift) + 1e-300
    raise np.linalg.LinAlgError("a block of the interior point is not positive definite")
