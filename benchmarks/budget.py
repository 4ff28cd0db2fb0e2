"""One budget over boxes: concave, S-shaped and near-identical curves.

Solved straight from arrays, which is where the service has them once a request is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks import conic
from benchmarks.classes import plain
from benchmarks.compare import Answer, Case, Peer, enter, evolution, many_starts, one_start
from benchmarks.problems import alike, concave, identical, s_shaped
from benchmarks.questions import Question, arrays_of, question_of_budget
from shared.problem.lower import lower
from shared.problem.model import Problem, SolverOptions
from shared.problem.program import Program
from shared.solve.certify.certificate import certify
from shared.solve.one_budget.form import OneBudget
from shared.solve.solver import solve

__all__ = ["solved"]

Array = NDArray[np.float64]
Told = tuple[Problem, OneBudget]
"""A problem in the caller's form, for peers that are told of it so, and as arrays."""

SECTION = "one-budget"
LARGE = 5_000
"""From so many channels on, SLSQP (n^3 a step) and evolution (15 n plans a generation) are out."""


def solved(program: Program, options: SolverOptions) -> Answer:
    """Ours, from arrays to a certificate."""
    began = time.process_time()
    found = solve(program, options)
    middle = time.process_time()
    certificate = certify(program, found.plan, found.proof)
    return Answer(middle - began, time.process_time() - middle, certificate, found.nodes)


def _peers(n: int) -> tuple[Peer[OneBudget], ...]:
    return () if n > LARGE else (one_start(), many_starts(), evolution())


def _case(
    name: str,
    make: Callable[[np.random.Generator, int], OneBudget],
    n: int,
    gap: float,
    limits: tuple[float, float | None],
    allowed: float,
) -> None:
    case: Case[OneBudget] = Case(
        name=f"{name}, {n:,}",
        make=lambda rng: make(rng, n),
        warm=lambda rng: make(rng, min(n, 20)),
        instances=50,
        gap=gap,
        limit_s=limits[0],
        p95_s=limits[1],
        answer=lambda problem: solved(
            problem.program(), SolverOptions(gap=gap, time_limit_s=allowed)
        ),
        ask=question_of_budget,
        peers=_peers(n),
    )
    enter(SECTION, case)


def _conic(told: Told, _: Question, seconds: float) -> Array | None:
    return conic.clarabel(told[0], lower(told[0]), seconds)


def _told(n: int) -> Callable[[np.random.Generator], Told]:
    make = plain(n, "concave", gap=1e-12, limit_s=10.0)

    def both(rng: np.random.Generator) -> Told:
        problem = make(rng)
        return problem, arrays_of(problem)

    return both


def _conic_case(n: int, limit: float | None) -> None:
    options = SolverOptions(gap=1e-12, time_limit_s=10.0)
    case: Case[Told] = Case(
        name=f"concave of three families, {n:,}",
        make=_told(n),
        warm=_told(9),
        instances=50,
        gap=options.gap,
        limit_s=limit,
        answer=lambda told: solved(told[1].program(), options),
        ask=lambda told: question_of_budget(told[1]),
        peers=(conic.peer(_conic),),
    )
    enter(SECTION, case)


_case("concave", concave, 1_000, 1e-12, (3e-3, None), 10.0)
_case("concave", concave, 1_000_000, 1e-12, (1.5, None), 60.0)
for _n, _limit in ((20, None), (1_000, 3e-3)):
    _conic_case(_n, _limit)
for _n in (3, 9, 20, 100, 1_000):
    _case("S-shaped", s_shaped, _n, 1e-9, (50e-3, 150e-3), 10.0)
_case("S-shaped", s_shaped, 100_000, 1e-9, (1.0, None), 10.0)
for _n in (20, 100, 1_000):
    _case("S-curves alike to 1 %", alike, _n, 1e-4, (0.5, None), 0.5)
_case("identical S-curves", identical, 1_000, 1e-4, (0.5, None), 0.5)
