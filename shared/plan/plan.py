"""A solved problem as the rest of the room uses it, whichever way it was solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.curves.family import EPS
from shared.plan.crumbs import swept
from shared.plan.moves import Moves
from shared.plan.prices import bindings, priced, ties
from shared.plan.score import Score, score, today_scaled
from shared.problem.model import Problem
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.search import Solution

__all__ = ["Plan", "planned"]

Floats = NDArray[np.float64]


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


def _told_in(program: Program, proof: Certificate) -> Certificate:
    """A certificate in the unit of the answer; of people counted once, in people."""
    if program.population is None:
        return proof
    reached = float(program.people(proof.objective))
    most = float(program.people(proof.upper_bound)) * (1.0 + 8.0 * EPS)
    gap = max(most - reached, 0.0)
    return replace(
        proof,
        objective=reached,
        upper_bound=most,
        gap=gap,
        relative_gap=gap / most if most > 0.0 else 0.0,
    )


def _told_prices(
    program: Program, prices: list[dict[str, Any]], objective: float
) -> list[dict[str, Any]]:
    """Shadow prices in the unit of the answer: of the logs of who is missed, times who is."""
    if program.population is None:
        return prices
    missed = program.population * float(np.exp(-objective))
    numbers = ("value", "value_more", "value_less")
    return [
        {**p, **{k: None if p[k] is None else missed * p[k] for k in numbers if k in p}}
        for p in prices
    ]


def planned(
    problem: Problem,
    program: Program,
    found: Solution,
    money: Program,
    *,
    ahead: Floats | None = None,
    moves: Callable[[], Moves] = Moves,
) -> Plan:
    """The plan of any problem: swept of crumbs, certified, scored and priced in one place.

    Parameters
    ----------
    program
        What was solved, with its targets and measure of risk.
    money
        The same with one decision a period.
    ahead
        The plan that sees the whole horizon, where ``found`` was decided in turn: prices are of
        that one, for nothing that is decided in turn is stationary.
    """
    u, certificate = found.plan, certify(program, found.plan, found.proof)
    clean = swept(program, u, certificate, problem.options.gap)
    if clean is not None:
        u, certificate = clean, certify(program, clean, found.proof)
    slopes = program
    if program.risk is not None:  # the draws weighed as the measure weighs them
        slopes = replace(program, risk=None, draw_weights=found.weights)
    kept = 1.0 - problem.test_reserve
    prices, notes = priced(slopes, u if ahead is None else ahead, goal=problem.goal.goal, kept=kept)
    best = score(money, program.spend(u))
    current = None if money.current is None else score(money, money.current)
    short = "time" if work.out_of_time() else "work"
    return Plan(
        problem=problem,
        program=program,
        best=best,
        current=current,
        scaled=partial(today_scaled, money, best, current),
        certificate=_told_in(program, certificate).told(),
        search=found,
        stopped_by="gap" if found.finished else short,
        held=bindings(program, u),
        prices=_told_prices(program, prices, certificate.objective),
        moves=moves,
        ties=() if ahead is not None else ties(program, u),
        notes=notes,
    )
