"""A solved problem as the rest of the room uses it, whichever way it was solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.plan.moves import Moves
from shared.plan.score import Score
from shared.problem.model import Problem
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate
from shared.solve.search import Solution

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A solved problem: what to spend, how good it is, what today brings.

    Attributes
    ----------
    program
        What was solved, with its targets and measure of risk.
    search, stopped_by, solve_ms
        How the plan was found, and what ended that.
    held
        Names of what holds each arm where it is.
    prices
        The answer's ``shadow_prices``; ``budget_price`` is the value of the budget's own.
    moves
        Where the best plan lies in single draws; computed when asked for, since it costs many
        solves.
    notes
        More warnings, (code, message).
    ties
        Arms between which money could move without loss, two by two, and why.
    scaled
        The answer's ``today_scaled``, today's mix at the plan's money; scored when asked for.
    """

    problem: Problem
    program: Program
    best: Score
    current: Score | None
    certificate: Certificate
    search: Solution
    stopped_by: str
    held: list[list[str]]
    prices: list[dict[str, Any]]
    moves: Callable[[], Moves] = Moves
    notes: tuple[tuple[str, str], ...] = ()
    ties: tuple[tuple[str, str, str], ...] = ()
    scaled: Callable[[], dict[str, Any] | None] = lambda: None
    solve_ms: float = 0.0

    @property
    def least(self) -> bool:
        """Whether less is better: the certificate's bound is then a lower one, of money."""
        return self.problem.goal.goal == "minimize_spend"

    @property
    def status(self) -> str:
        """How answers call it: ``"optimal"`` or ``"feasible"``."""
        return "optimal" if self.optimal else "feasible"

    @property
    def optimal(self) -> bool:
        """Whether the gap is proven to be within the one that was asked for."""
        proof = self.certificate
        return bool(proof.proven and proof.relative_gap <= self.problem.options.gap)

    @property
    def budget_price(self) -> float | None:
        """Outcome gained per further unit of budget; None where there is none, or no number."""
        return next((p["value"] for p in self.prices if p["name"] == "budget"), None)
