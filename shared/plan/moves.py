"""How far the best plan itself moves over the draws: each is taken for the truth and solved again.

A draw's optimum is looked for afresh: starting from the recommended plan would end there wherever
it is nearly as good, and say that the evidence pins down what it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import MarginalError
from shared.plan.score import MIN_DRAWS
from shared.problem.arms import on_arms
from shared.problem.model import Channel, Problem, Risk, SolverOptions

__all__ = ["Moves", "known_draw", "over_draws", "shared_out"]

Floats = NDArray[np.float64]

DRAWS = 32  # draws solved again: enough for a 90 % interval, few enough to stay quick
GAP = 1e-3  # gap of those solves: where a draw's optimum lies, not what it is worth to nine digits
PLAN_SHARE = 0.7  # of the time limit, for the plan itself where there are draws to solve after it
WHOLE_SHARE = 0.95  # of the time limit, for the plan and the draws together
LEAST_S = 1e-3  # less time than this is none


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """``optima`` (R, A): best spend over the horizon by draw and arm; None: not known. And what
    should be said of them, (code, message)."""

    optima: Floats | None = None
    notes: tuple[tuple[str, str], ...] = ()


def known_draw(problem: Problem, draw: int) -> Problem:
    """The same problem where draw number ``draw`` of every curve is the truth."""

    def known(_: int, arm: Channel) -> Channel:
        own = arm.response
        if own.draws:
            own = replace(own, saturation=own.draws[draw], draws=())
        return replace(arm, response=own)

    return replace(problem, channels=on_arms(problem, known), risk=Risk())


def shared_out(problem: Problem) -> tuple[SolverOptions, float]:
    """How the plan itself is solved, and when the draws after it must be done (``work.now``)."""
    options, now = problem.options, work.now()
    if problem.draws >= MIN_DRAWS:
        options = replace(options, time_limit_s=PLAN_SHARE * options.time_limit_s)
    return options, now + WHOLE_SHARE * problem.options.time_limit_s


def over_draws(
    problem: Problem,
    deadline: float,
    solve: Callable[[int, SolverOptions], Floats | None],
    together: Callable[[list[int], float], list[Floats | None]] | None = None,
) -> Moves:
    """Optima of up to :data:`DRAWS` evenly spaced draws, as far as time allows.

    Parameters
    ----------
    solve
        Spend (A,) over the horizon that is best in one draw, under the same limits; None where it
        was not found to the gap asked for. Raises ``MarginalError`` where the draw allows no plan.
    together
        The same for many draws at once, to a gap; None for those that have to be solved alone.
    """
    count = problem.draws
    if count < MIN_DRAWS:
        return Moves()
    picked = np.unique(np.linspace(0, count - 1, min(count, DRAWS)).astype(int))
    # In an order in which those solved before time runs out are a fair sample of all.
    order = np.random.default_rng(problem.options.seed).permutation(picked)
    known: list[Floats | None] = [None] * order.size
    if together is not None and deadline - work.now() > LEAST_S:
        known = together(order.tolist(), GAP)
    found = [spend for spend in known if spend is not None]
    order = order[[spend is None for spend in known]]
    without = 0
    for done, draw in enumerate(order.tolist()):
        left = deadline - work.now()
        if left <= LEAST_S:
            break
        # The first may use what the later ones probably will not need.
        share = min(left, max(3.0 * left / (order.size - done), LEAST_S))
        options = replace(problem.options, method="auto", gap=GAP, time_limit_s=share)
        try:
            spend = solve(draw, options)
        except MarginalError:
            without += 1
            continue
        if spend is not None:
            found.append(spend)
    return _told(found, without, picked.size)


def _told(found: list[Floats], without: int, asked: int) -> Moves:
    notes: list[tuple[str, str]] = []
    if without:
        message = (
            f"In {without} of {asked} draws no plan keeps to all limits and targets: intervals of "
            "spend leave those out."
        )
        notes.append(("draws_without_a_plan", message))
    if len(found) < asked - without:
        known = "is left out" if len(found) < MIN_DRAWS else "rests on those"
        message = (
            f"The time limit left room for the best plans of {len(found)} of {asked} draws: "
            f"spend_interval {known}. A longer solver.time_limit_s gives all."
        )
        notes.append(("spend_interval_cut_short", message))
    return Moves(np.array(found) if len(found) >= MIN_DRAWS else None, tuple(notes))
