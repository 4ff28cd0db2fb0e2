"""A program's outcome by draw with its derivatives, as the ascent on a measure needs them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program

__all__ = ["DrawnProgram"]

Array = NDArray[np.float64]
_TINY = 1e-9  # of the largest adstocked spend: where a slope that is infinite at 0 is taken


class DrawnProgram:
    """Outcomes (S,) of decisions ``u`` flat, (A K,), their slopes, and how they bend."""

    def __init__(self, program: Program) -> None:
        if program.draws is None:
            raise ValueError("A risk measure needs draws.")
        self.program, self.draws = program, program.draws
        self.shape = program.lower.shape
        reach = program.adstocked(np.maximum(program.upper, 0.0))
        self.least = _TINY * max(float(reach.max(initial=0.0)), 1e-300)

    def outcomes(self, u: Array) -> Array:
        """(S,) with interactions."""
        z = self.program.adstocked(u.reshape(self.shape))
        each = np.zeros(self.draws.draws)
        for h, row in enumerate(z.T):
            weight = self.program.weight[:, h]
            if np.any(weight != 0.0):
                each += self.draws.value(row) @ weight
        return each + self.program.between(z)

    def slopes(self, u: Array) -> Array:
        """(S, A K) derivative of each draw's outcome, interactions included."""
        program = self.program
        z = np.maximum(program.adstocked(u.reshape(self.shape)), self.least)
        count = self.draws.draws
        out = np.zeros((count, *self.shape))
        for h, row in enumerate(z.T):
            weight = program.weight[:, h]
            if np.any(weight != 0.0):
                slope = np.where(weight != 0.0, self.draws.slope(row) * weight, 0.0)
                out += slope[:, :, None] * program.carry[None, :, h, :]
        if program.pairs:
            out += np.einsum("ah,ahk->ak", program.between_slopes(z), program.carry)
        return out.reshape(count, -1)

    def bend(self, u: Array, weights: Array) -> Array:
        """(A K, A K) second derivative of the weighted outcome, arm by arm; by differences."""
        program = self.program
        arms, columns = self.shape
        z = np.maximum(program.adstocked(u.reshape(self.shape)), self.least)
        step = 1e-4 * z
        out = np.zeros((arms, columns, arms, columns))
        own = np.arange(arms)
        for h, (row, by) in enumerate(zip(z.T, step.T, strict=True)):
            weight = program.weight[:, h]
            if np.any(weight != 0.0):
                rise = weights @ (self.draws.slope(row + by) - self.draws.slope(row - by))
                size = np.where(weight != 0.0, weight * rise / (2.0 * by), 0.0)
                carry = program.carry[:, h, :]
                out[own, :, own, :] += size[:, None, None] * carry[:, :, None] * carry[:, None, :]
        return out.reshape(arms * columns, arms * columns)
