"""Rules, lots, plans over time and interactions: the general program's rows, beside peers.

Times are from the caller's form of the problem to a certificate. A solve may take longer than its
limit where that is short, so that a row shows by how much it was missed; where the limit is seconds
it is also the time limit given, and the gap shows it.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks import conic
from benchmarks.classes import (
    RULES,
    Make,
    aimed,
    aimed_over_time,
    careful,
    flown,
    monthly,
    paired,
    planned,
    ruled,
)
from benchmarks.compare import Answer, Case, Peer, enter, scipy_peers
from benchmarks.questions import Question, question_of_program
from shared.problem.lower import lower
from shared.problem.model import Problem
from shared.solve.certify.certificate import certify
from shared.solve.solver import solve

__all__ = ["ask_program", "solve_as_program"]

Array = NDArray[np.float64]
CONTINUOUS = ("group", "share", "change")


def solve_as_program(problem: Problem) -> Answer:
    """From a problem to a certificate, as the service has it."""
    began = time.process_time()
    program = lower(problem)
    found = solve(program, problem.options)
    middle = time.process_time()
    certificate = certify(program, found.plan, found.proof)
    return Answer(middle - began, time.process_time() - middle, certificate, found.nodes)


def ask_program(problem: Problem) -> Question:
    """The same for peers."""
    return question_of_program(lower(problem))


def _conic(problem: Problem, _: Question, seconds: float) -> Array | None:
    return conic.clarabel(problem, lower(problem), seconds)


def _enter(
    section: str,
    name: str,
    make: Make,
    warm: Make,
    gap: float,
    limit: float,
    *,
    told: bool = False,
    large: bool = False,
) -> None:
    """``told``: a conic solver can be told; ``large``: too large for peers of dense algebra."""
    peers: tuple[Peer[Problem], ...] = () if large else scipy_peers()
    if told:
        peers = (*peers, conic.peer(_conic))
    case = Case(name, make, warm, 50, gap, limit, solve_as_program, ask_program, peers)
    enter(section, case)


def _rules(n: int, gap: float, limit: float, allowed: float) -> None:
    for rule in RULES:
        if (rule == "lots") != (gap == 1e-4):
            continue
        for shape in ("concave", "S-shaped"):
            _enter(
                "rules-500" if n == 500 else "rules",
                f"{rule}, {n} {shape}",
                ruled(rule, n, shape, gap=gap, limit_s=allowed),
                ruled(rule, 6, shape, gap=gap, limit_s=1.0),
                gap,
                limit,
                told=shape == "concave" and rule in CONTINUOUS,
            )


def _plans() -> None:
    # arms, periods, shape, mode, gap, limit, time allowed
    table = (
        (20, 52, "concave", "time_varying", 1e-8, 0.1, 10.0),
        (100, 104, "concave", "time_varying", 1e-8, 1.0, 10.0),
        (4, 6, "S-shaped", "time_varying", 1e-6, 2.0, 2.0),
        (6, 12, "S-shaped", "time_varying", 1e-6, 5.0, 5.0),
        (9, 12, "S-shaped", "time_varying", 1e-5, 10.0, 10.0),
        (20, 52, "S-shaped", "time_varying", 1e-3, 5.0, 5.0),
        (20, 52, "concave", "fixed_shares", 1e-6, 0.3, 2.0),
        (20, 52, "S-shaped", "fixed_shares", 1e-6, 0.3, 2.0),
    )
    for n, periods, shape, mode, gap, limit, allowed in table:
        what = "fixed shares" if mode == "fixed_shares" else "adstock plan"
        _enter(
            "plans",
            f"{what}, {shape}, {n} x {periods}",
            planned(n, periods, shape, mode, gap=gap, limit_s=allowed),
            planned(3, 4, shape, mode, gap=gap, limit_s=1.0),
            gap,
            limit,
            told=shape == "concave",
            large=n * periods > 5_000,
        )


def _monthly() -> None:
    for shape, gap, limit, allowed in (
        ("concave", 1e-8, 0.1, 10.0),
        ("S-shaped", 1e-3, 5.0, 5.0),
    ):
        _enter(
            "plans",
            f"monthly budgets and pauses, {shape}, 9 x 52",
            monthly(9, 52, shape, gap=gap, limit_s=allowed),
            monthly(3, 4, shape, gap=gap, limit_s=1.0),
            gap,
            limit,
        )


def _flights() -> None:
    for shape in ("concave", "S-shaped"):
        _enter(
            "plans",
            f"flights, {shape}, 9 x 26",
            flown(9, 26, shape, gap=1e-3, limit_s=5.0),
            flown(3, 6, shape, gap=1e-3, limit_s=1.0),
            1e-3,
            5.0,
        )


def _interactions() -> None:
    for n, shape, gap, limit, allowed in (
        (9, "concave", 1e-8, 0.05, 2.0),
        (4, "S-shaped", 1e-4, 3.0, 3.0),
        (6, "S-shaped", 1e-4, 3.0, 3.0),
        (9, "S-shaped", 1e-3, 10.0, 10.0),
    ):
        _enter(
            "interactions",
            f"interactions, {n} {shape}",
            paired(n, shape, gap=gap, limit_s=allowed),
            paired(3, shape, gap=gap, limit_s=1.0),
            gap,
            limit,
        )


def _targets() -> None:
    """Targets beside any rule, of one period and over time."""
    floors, ratios = ("least spend", "outcome target"), ("ROAS target", "CPA target")
    every = (*floors, *ratios)
    for shape in ("concave", "S-shaped"):
        for what, kinds in (("least spend or outcome", floors), ("ROAS or CPA", ratios)):
            _enter(
                "targets",
                f"{what} target beside a rule, 3 to 20 {shape}",
                aimed(kinds, (3, 20), shape, gap=1e-6, limit_s=2.0),
                aimed(kinds, (3, 3), shape, gap=1e-6, limit_s=1.0),
                1e-6,
                0.5,
            )
        for n, periods in ((3, 3), (8, 12)):
            _enter(
                "targets",
                f"targets over time beside a share, {n} x {periods} {shape}",
                aimed_over_time(every, n, periods, shape, gap=1e-4, limit_s=5.0),
                aimed_over_time(every, 3, 3, shape, gap=1e-4, limit_s=1.0),
                1e-4,
                5.0,
            )


def _careful() -> None:
    """Measures of risk beside whole choices and targets."""
    _enter(
        "targets",
        "measures beside lots, minima or targets, 2 to 10 S-shaped",
        careful((2, 10), 40, gap=1e-3, limit_s=5.0),
        careful((2, 3), 10, gap=1e-3, limit_s=1.0),
        1e-3,
        5.0,
    )


_rules(50, 1e-6, 0.5, 2.0)
_rules(50, 1e-4, 5.0, 5.0)
_rules(500, 1e-3, 20.0, 20.0)
_plans()
_monthly()
_flights()
_interactions()
_targets()
_careful()
