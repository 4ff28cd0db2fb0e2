"""A solved problem as the rest of the room uses it, whichever way it was solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.plan.moves import Moves
from shared.plan.score import Score
from shared.problem.model import Problem
from shared.solve.certify.certificate import Certificate

__all__ = ["Plan", "Search"]


@dataclass(frozen=True, slots=True)
class Search:
    """How a plan was found."""

    method: str
    why: str
    iterations: int
    nodes: int
    solve_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A solved problem: what to spend, how good it is, what today brings.

    Attributes
    ----------
    held
        Names of what holds each arm where it is.
    prices
        The answer's ``shadow_prices``; ``budget_price`` is the value of the budget's own.
    moves
        Where the best plan lies in single draws; computed when asked for, since it costs many
        solves.
    notes
        More warnings, (code, message).
    """

    problem: Problem
    best: Score
    current: Score | None
    certificate: Certificate
    search: Search
    held: list[list[str]]
    prices: list[dict[str, Any]]
    moves: Callable[[], Moves] = Moves
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def least(self) -> bool:
        """Whether less is better: the certificate's bound is then a lower one, of money."""
        return self.problem.goal.goal == "minimize_spend"

    @property
    def names(self) -> tuple[str, ...]:
        """The channels, in the order of the rows."""
        return tuple(channel.name for channel in self.problem.channels)

    @property
    def optimal(self) -> bool:
        """Whether the gap is proven to be within the one that was asked for."""
        proof = self.certificate
        return bool(proof.proven and proof.relative_gap <= self.problem.options.gap)

    @property
    def budget_price(self) -> float | None:
        """Outcome gained per further unit of budget; None where there is none, or no number."""
        return next((p["value"] for p in self.prices if p["name"] == "budget"), None)
