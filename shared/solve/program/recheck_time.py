"""How long the recheck of a proof will take: a search stops early enough to leave work for it."""

from __future__ import annotations

from shared import work
from shared.problem.program import Program

__all__ = ["seconds_per_node"]

_RESPONSES = 3.0  # as many as bounding half a leaf roughly costs


def seconds_per_node(program: Program) -> float:
    """What each node of a proof adds to its recheck: half the nodes are splits, half are leaves."""
    draws = 1 if program.draws is None else program.draws.draws
    return _RESPONSES * work.cost(program.weight.size * draws) + 2e-9 * program.carry.size
