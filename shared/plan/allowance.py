"""Time for the many problems of one request: each its own limit, all of them together no more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shared import work
from shared.problem.model import Problem

__all__ = ["TOTAL_S", "Allowance"]

TOTAL_S = 150.0
"""Seconds for all problems of a request: a caller's connection is held no longer than 230."""

LEAST_S = 0.05
"""What a problem gets at least: enough for a plan and a bound, however far apart."""


@dataclass(slots=True)
class Allowance:
    """Shares out :data:`TOTAL_S` from now on; what a quick problem leaves is for the others."""

    left: int
    until: float = field(default_factory=lambda: work.now() + TOTAL_S)

    def next(self, problem: Problem) -> Problem:
        """The problem with a time limit that leaves the others theirs."""
        share = (self.until - work.now()) / max(self.left, 1)
        self.left -= 1
        limit = min(problem.options.time_limit_s, max(share, LEAST_S))
        return replace(problem, options=replace(problem.options, time_limit_s=limit))
