"""Ranges of the decisions and of adstocked spend: what one region of a program's search is.

Carryover is never negative, so the range of adstocked spend ``z = carry u + carry_in`` follows from
that of ``u`` end by end, and a cut of ``z`` narrows ``u`` in turn: a period's spend is at most what
leaves the others at their least.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program

__all__ = ["ProgramBox", "program_box", "reach"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ProgramBox:
    """``u_lower``, ``u_upper`` (A, K) bound the decisions, ``z_lower``, ``z_upper`` (A, H) the
    adstocked spends."""

    u_lower: Array
    u_upper: Array
    z_lower: Array
    z_upper: Array

    @property
    def empty(self) -> bool:
        """Whether some range has crossed by more than rounding."""
        return _crossed(self.u_lower, self.u_upper) or _crossed(self.z_lower, self.z_upper)

    def with_decision(
        self, arm: int, column: int, *, lower: float | None = None, upper: float | None = None
    ) -> ProgramBox:
        """The part where one decision is at least ``lower`` and at most ``upper``."""
        low, high = _cut(self.u_lower, self.u_upper, arm, column, lower, upper)
        return replace(self, u_lower=low, u_upper=high)

    def with_argument(
        self, arm: int, period: int, *, lower: float | None = None, upper: float | None = None
    ) -> ProgramBox:
        """The part where one adstocked spend is at least ``lower`` and at most ``upper``."""
        low, high = _cut(self.z_lower, self.z_upper, arm, period, lower, upper)
        return replace(self, z_lower=low, z_upper=high)

    def tightened(self, program: Program, rounds: int = 2) -> ProgramBox:
        """The same region, its ranges narrowed by the links between ``u`` and ``z``.

        Each round is exact interval arithmetic up to rounding; a range that crosses (the region is
        empty) is left crossed, for ``empty`` to tell.
        """
        box = self
        for _ in range(rounds):
            least, most = reach(program, box.u_lower, box.u_upper)
            z_lower, z_upper = np.maximum(box.z_lower, least), np.minimum(box.z_upper, most)
            cut_above, cut_below = z_upper < most, z_lower > least
            if not (np.any(cut_above) or np.any(cut_below)):
                return replace(box, z_lower=z_lower, z_upper=z_upper)
            u_lower, u_upper = box.u_lower, box.u_upper
            carry = program.carry
            with np.errstate(divide="ignore", invalid="ignore"):
                # Others at their least (most) leave this much room (need) to one decision.
                room = np.where(cut_above, z_upper - least, np.inf)[:, :, None] / carry
                need = np.where(cut_below, most - z_lower, np.inf)[:, :, None] / carry
            room = np.where(carry > 0.0, room, np.inf).min(axis=1)
            need = np.where(carry > 0.0, need, np.inf).min(axis=1)
            new_upper = np.minimum(u_upper, u_lower + room)
            new_lower = np.maximum(u_lower, u_upper - need)
            same = np.array_equal(new_upper, u_upper) and np.array_equal(new_lower, u_lower)
            box = ProgramBox(new_lower, new_upper, z_lower, z_upper)
            if same:
                return box
        least, most = reach(program, box.u_lower, box.u_upper)
        return replace(
            box, z_lower=np.maximum(box.z_lower, least), z_upper=np.minimum(box.z_upper, most)
        )


def reach(program: Program, u_lower: Array, u_upper: Array) -> tuple[Array, Array]:
    """Least and largest adstocked spend (A, H) for decisions in a box: carryover is >= 0."""
    least = np.einsum("ahk,ak->ah", program.carry, u_lower) + program.carry_in
    most = np.einsum("ahk,ak->ah", program.carry, u_upper) + program.carry_in
    return least, most


def program_box(program: Program) -> ProgramBox:
    """The whole region of a program."""
    least, most = reach(program, program.lower, program.upper)
    return ProgramBox(program.lower, program.upper, least, most)


def _cut(
    low: Array, high: Array, row: int, column: int, lower: float | None, upper: float | None
) -> tuple[Array, Array]:
    if lower is not None and lower > low[row, column]:
        low = low.copy()
        low[row, column] = lower
    if upper is not None and upper < high[row, column]:
        high = high.copy()
        high[row, column] = upper
    return low, high


def _crossed(low: Array, high: Array) -> bool:
    hair = 1e-11 * np.maximum(np.abs(low), np.abs(high))
    return bool(np.any(low > high + hair))
