"""The linear algebra of one interior point step, by arms.

Eliminating the pieces of adstocked spend leaves, per arm, a positive definite K x K block

    M_a = diag(theta_a) + carry_a^T diag(d_a) carry_a + own_a^T diag(1 / slack) own_a,

where ``own_a`` are the inequalities that no other arm has a part in (limits on changes from period
to period). The arms only meet in the other rows, whose multipliers solve the Schur complement

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

_STEP_S, _CELL_S, _ENTRY_S = 5e-4, 7e-7, 3e-10  # work of a step, by decision, by entry of blocks
_SMALL = 24  # columns up to which stacked routines beat LAPACK arm by arm


class Blocks:
    """Factored blocks and Schur complement of one iteration.

    Parameters
    ----------
    carry
        (A, H, K), scaled.
    rows
        (m, A K), scaled; an array or a sparse one.
    equal
        (m,) which rows are equations.
    """

    def __init__(self, carry: Array, rows: Any, equal: NDArray[np.bool_]) -> None:
        self.arms, self.periods, self.columns = carry.shape
        self.cost = (
            _STEP_S + _CELL_S * self.arms * self.columns + _ENTRY_S * carry.size * self.columns
        )
        line, arm, column, entry = _entries(rows, self.columns)
        parts = np.zeros((self.arms, len(equal)), dtype=bool)
        parts[arm, line] = True
        alone = (parts.sum(axis=0) == 1) & ~equal
        self.shared = np.flatnonzero(~alone)
        self.m = len(self.shared)
        number = np.zeros(len(equal), dtype=np.intp)
        number[self.shared] = np.arange(self.m)
        meet = ~alone[line]
        across = np.zeros((self.arms, self.columns, self.m))
        across[arm[meet], column[meet], number[line[meet]]] = entry[meet]
        # Each arm's own inequalities are laid below its carryover.
        self.own = np.flatnonzero(alone)
        self.owner = np.argmax(parts[:, self.own], axis=0)
        counts = np.bincount(self.owner, minlength=self.arms) if self.own.size else np.zeros(1)
        self.place = np.zeros(len(self.own), dtype=np.intp)
        for a in np.unique(self.owner).tolist():
            mine = self.owner == a
            self.place[mine] = self.periods + np.arange(int(mine.sum()))
        number[self.own] = np.arange(self.own.size)
        self.links = np.zeros((self.arms, self.periods + int(counts.max()), self.columns))
        self.links[:, : self.periods] = carry
        lone = alone[line]
        self.links[arm[lone], self.place[number[line[lone]]], column[lone]] = entry[lone]
        self.across = across
        self.links_across = self.links.transpose(0, 2, 1)
        self.scalar = self.columns == 1
        self.small = 1 < self.columns <= _SMALL
        self.flat = np.ascontiguousarray(across.reshape(self.arms * self.columns, self.m).T)
        self.square = self.links[:, :, 0] ** 2 if self.scalar else np.zeros(0)
        # Rows of periods or of a few arms leave most of an arm's part of the matrix empty.
        self.touched = [np.flatnonzero(np.any(part != 0.0, axis=0)) for part in across]
        self.parts: list[Any] = [
            np.asfortranarray(part[:, mine])
            for part, mine in zip(across, self.touched, strict=True)
        ]
        self.diagonal: Array = np.zeros(0)
        self.inverse: Array = np.zeros(0)
        self.factors: list[Any] = []
        self.schur: Any = None
        self.slack: Array = np.zeros(0)
        self.own_weight: Array = np.zeros(0)

    def factor(self, theta: Array, d: Array, slack: Array) -> None:
        """Blocks from ``theta`` (A, K) and ``d`` (A, H); ``slack`` (m,) of the rows."""
        weights = np.zeros(self.links.shape[:2])
        weights[:, : self.periods] = d
        self.own_weight = 1.0 / slack[self.own]
        weights[self.owner, self.place] = self.own_weight
        self.slack = slack
        schur = np.diag(slack[self.shared])
        if self.scalar:
            self.diagonal = theta[:, 0] + (self.square * weights).sum(axis=1)
            schur += (self.flat / self.diagonal) @ self.flat.T
        elif not (self.small and self._stacked(theta, weights, schur)):
            self._by_arm(theta, weights, schur)
        if self.m:
            self.schur = _cholesky(np.asfortranarray(schur))

    def solve(self, right: Array, row_right: Array) -> tuple[Array, Array]:
        """``du`` (A, K) and ``dmu`` (m,) with ``M du + R^T dmu = right`` and
        ``R du - slack dmu = row_right``."""
        from scipy.linalg.lapack import dpotrs

        dmu = np.zeros(len(row_right))
        if self.own.size:
            lift = np.zeros(self.links.shape[:2])
            lift[self.owner, self.place] = row_right[self.own] * self.own_weight
            right = right + np.matmul(lift[:, None, :], self.links)[:, 0, :]
        du = self._block(right)
        if self.m:
            pull = self.flat @ du.ravel() - row_right[self.shared]
            dmu[self.shared] = dpotrs(self.schur, pull, lower=1)[0]
            du = self._block(right - (dmu[self.shared] @ self.flat).reshape(right.shape))
        if self.own.size:
            moved = np.matmul(self.links, du[:, :, None])[self.owner, self.place, 0]
            dmu[self.own] = (moved - row_right[self.own]) * self.own_weight
        return du, dmu

    def _stacked(self, theta: Array, weights: Array, schur: Array) -> bool:
        """Numpy's stacked routines: a loop over arms would cost more than the arithmetic.

        False where rounding has eaten some block's diagonal.
        """
        block = np.matmul(self.links_across * weights[:, None, :], self.links)
        at = np.arange(self.columns)
        block[:, at, at] += theta
        try:
            self.inverse = np.linalg.inv(np.linalg.cholesky(block))
        except np.linalg.LinAlgError:
            return False
        halves = np.matmul(self.inverse, self.across)
        schur += np.tensordot(halves, halves, axes=((0, 1), (0, 1)))
        self.factors = []
        return True

    def _by_arm(self, theta: Array, weights: Array, schur: Array) -> None:
        from scipy.linalg.blas import dsyrk
        from scipy.linalg.lapack import dtrtrs

        root = np.sqrt(weights)
        self.factors = []
        for a in range(self.arms):
            half = root[a][:, None] * self.links[a]
            block = dsyrk(1.0, half.T, lower=1)
            block[np.diag_indices(self.columns)] += theta[a]
            lower = _cholesky(block)
            self.factors.append(lower)
            mine = self.touched[a]
            if not mine.size:
                continue
            part = dtrtrs(lower, self.parts[a], lower=1)[0]
            if mine.size == self.m:
                schur += part.T @ part
            else:
                schur[np.ix_(mine, mine)] += part.T @ part

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


def _entries(rows: Any, columns: int) -> tuple[Any, Any, Any, Array]:
    """Row, arm, column and size of every entry that is not zero."""
    if isinstance(rows, np.ndarray):
        line, at = np.nonzero(rows)
        entry = rows[line, at]
    else:
        stored = rows.tocoo()
        line, at = stored.coords
        entry = stored.data
    return line, at // columns, at % columns, np.asarray(entry, dtype=np.float64)


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
