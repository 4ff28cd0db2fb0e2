"""The one door to the methods that callers ask for by name: searches that prove nothing themselves.

None of them is ever chosen by ``auto``. Each looks for a good point in the program's space; what it
comes back with is repaired to rounding (lots included), held against every plan that was known
before, and only then answered. How good it is is for a proof to say that they have no part in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputTooLarge
from shared.problem.feasibility import feasible_point
from shared.problem.incumbent import incumbent, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.repair import repair, rounded
from shared.problem.risk import weights_at
from shared.problem.risk_program import outcomes, relaxed
from shared.solve.heuristics.bayesian import explore
from shared.solve.heuristics.gradient import ascend, ascended
from shared.solve.heuristics.populations import evolve, swarm
from shared.solve.heuristics.slsqp import quadratic_programming
from shared.solve.heuristics.space import Searched, Space
from shared.solve.program.piecewise import solve_piecewise
from shared.solve.search import MISS

__all__ = ["BY_NAME", "SEARCHES", "Heuristic", "heuristic"]

Array = NDArray[np.float64]

SEARCHES: dict[str, Callable[[Space, int], Searched]] = {
    "gradient": ascend,
    "slsqp": quadratic_programming,
    "genetic": evolve,
    "particle_swarm": swarm,
    "bayesian": explore,
}

BY_NAME = (*SEARCHES, "piecewise")
"""All methods that a caller has to ask for; the last one needs more than a space."""

_DEARER = 3.0  # times the multipliers: what missing a target costs a search
_RAISED = 10.0  # how much more it costs where a search missed it
_RAISES = 3
_NEARLY = 1e-3  # of a target: a miss that mixing with a plan that meets it mends


@dataclass(frozen=True, slots=True, eq=False)
class Heuristic:
    """The best plan (A, K) known after a search, with what was done.

    ``why`` is a sentence or two; ``finished`` says whether the clock let the search end.
    """

    u: Array
    why: str
    evaluations: int
    finished: bool


def heuristic(
    program: Program,
    options: SolverOptions,
    start: Array | None = None,
    *,
    deadline: float,
    multipliers: Sequence[float] = (),
) -> Heuristic:
    """Search by ``options.method`` until it ends, or until ``deadline`` (of ``work.now``).

    Parameters
    ----------
    start
        A plan (A, K) known already, moved to the nearest that is allowed; like today's, where it is
        allowed the answer is never worse.
    multipliers
        What one outcome more of each target is worth, where a bound has told.

    Raises
    ------
    Infeasible
        With the smallest conflict, where no plan exists.
    """
    known = [known_plan(program), incumbent(program, start)]
    if start is not None and known[1] is None:
        known.append(rounded(program, start))
    plans = [plan for plan in known if plan is not None] or [feasible_point(program, deadline)]
    space = Space(program, deadline, plans)
    rank = partial(_rank, space)
    prices = _prices(program, max(plans, key=rank), multipliers)
    rounds = 0
    for _ in range(_RAISES if program.floors else 1):
        space.penalties, best = _DEARER * prices, max(plans, key=rank)
        done, count = _searched(space, options, best, prices)
        rounds, found = rounds + count, None
        with suppress(InputTooLarge):  # not mended in time: what is known already is answered
            found = repair(program, done.point.reshape(best.shape))
        if found is not None:
            plans += [found, *_mixed(space, found, best)]
            if rank(found)[0] >= -_NEARLY and max(map(rank, plans))[0] == 0.0:
                break
        prices = _RAISED * prices
    why = f"Asked for by name. {done.note}"
    why += " Missing a target costs it a penalty." if program.floors else ""
    why += "" if done.finished else " The time limit cut the search short."
    return Heuristic(max(plans, key=rank), why, space.evaluations + rounds, done.finished)


def _searched(
    space: Space, options: SolverOptions, best: Array, prices: Array
) -> tuple[Searched, int]:
    """What the method finds, and rounds of its own beside the space's evaluations.

    The integer programme over pieces knows sums only, so targets join its objective at their
    multipliers, draws are weighed as the measure weighs them at the best plan known, and an ascent
    from its plan makes up for what it leaves out.
    """
    if not np.any(space.range > 0.0):
        return Searched(space.lower, "Only one plan is allowed.", True), 0
    if options.method in SEARCHES:
        return SEARCHES[options.method](space, options.seed), 0
    program, risk, weights = space.program, space.program.risk, None
    if risk is not None:
        each = outcomes(program, best)
        weights = np.full(each.size, 1.0 / each.size) if program.pairs else weights_at(risk, each)
    task, _ = relaxed(program, program.aim, tuple(prices.tolist()), risk, weights)
    found = solve_piecewise(task, gap=options.gap, deadline=space.deadline, start=best)
    if found.u is None:
        return Searched(best.ravel(), "It found no plan of its own.", True), found.rounds
    point, finished = ascended(space, found.u.reshape(1, -1))
    note = (
        "A mixed-integer programme over straight pieces of the curves, refined around its plans in "
        f"{found.rounds} rounds, and an ascent from the best of them."
    )
    return Searched(point, note, finished), found.rounds


def _prices(program: Program, plan: Array, told: Sequence[float]) -> Array:
    """(m,) what one outcome more of each target is worth: as told, never nothing; else a guess."""
    costs = program.cost * float(program.spend(plan).sum())
    unit = max(told, default=0.0) or costs / max(abs(program.outcome(plan)), 1e-300)
    least = 0.1 * max(program.value, unit)
    return np.array([max(theta, least) for theta in told or [unit] * len(program.floors)])


def _rank(space: Space, plan: Array) -> tuple[float, float]:
    """What makes a plan better than another: missing targets by less, and then what it is worth."""
    worth, surplus = space.figures(plan.reshape(1, -1))
    asked = np.abs(space.constant) + space.per_money * float(space.money @ plan.ravel())
    short = float(np.max(-surplus[0] / np.maximum(asked, 1e-300), initial=0.0))
    return (-short if short > MISS else 0.0), float(worth[0])


def _mixed(space: Space, short: Array, good: Array) -> list[Array]:
    """The mix of two plans nearest to the one that misses a target which meets all of them."""
    if _rank(space, short)[0] == 0.0 or _rank(space, good)[0] < 0.0:
        return []
    share, far = 0.5, 0.0
    for _ in range(48):
        mixed = good + (far + share) * (short - good)
        far += share * bool(np.all(space.figures(mixed.reshape(1, -1))[1] >= 0.0))
        share *= 0.5
    plan = incumbent(space.program, good + far * (short - good))
    return [] if plan is None else [plan]
