"""Profit, least spend, targets, means over draws and cautious measures, beside peers."""

from __future__ import annotations

import time
from dataclasses import replace

from benchmarks.budget import solved
from benchmarks.classes import goal_of, risky
from benchmarks.compare import Answer, Case, enter, scipy_peers
from benchmarks.questions import (
    Question,
    arrays_of,
    question_of_aim,
    question_of_budget,
    question_of_risk,
)
from shared.plan.optimize import make_plan
from shared.problem.canonical import canonicalise
from shared.problem.model import Problem, Risk
from shared.problem.plain_program import as_program
from shared.solve.certify.certificate import certify
from shared.solve.solver import solve

__all__: list[str] = []


def _plan(problem: Problem) -> Answer:
    """All that an answer takes but for its words: arrays, solving, rechecking, scoring."""
    began = time.process_time()
    plan = make_plan(problem)
    return Answer(time.process_time() - began, 0.0, plan.certificate, plan.search.nodes)


def _mean(problem: Problem) -> Answer:
    began = time.process_time()
    canonical = canonicalise(problem)
    arrays = time.process_time() - began
    answer = solved(canonical, problem.options)
    return replace(answer, seconds=arrays + answer.seconds)


def _cautious(problem: Problem) -> Answer:
    began = time.process_time()
    canonical = canonicalise(problem)
    program = replace(as_program(canonical), risk=problem.risk)
    found = solve(program, problem.options)
    middle = time.process_time()
    certificate = certify(program, found.plan, found.proof)
    return Answer(middle - began, time.process_time() - middle, certificate, found.nodes)


def _ask_aim(problem: Problem) -> Question:
    canonical, aim = arrays_of(problem)
    return question_of_aim(canonical, aim)


def _ask_mean(problem: Problem) -> Question:
    return question_of_budget(canonicalise(problem))


def _ask_risk(problem: Problem) -> Question:
    return question_of_risk(canonicalise(problem), problem.risk)


def _goals() -> None:
    """Goals of spend and outcome over 20 channels; no time is set for these to reach."""
    for kind in ("profit", "least spend", "ROAS target"):
        for shape in ("concave", "S-shaped"):
            case = Case(
                name=f"{kind}, 20 {shape}",
                make=goal_of(kind, 20, shape, gap=1e-6, limit_s=5.0),
                warm=goal_of(kind, 4, shape, gap=1e-6, limit_s=1.0),
                instances=50,
                gap=1e-6,
                limit_s=None,
                answer=_plan,
                ask=_ask_aim,
                peers=scipy_peers(),
            )
            enter("goals", case)


def _means() -> None:
    for shape in ("concave", "S-shaped"):
        case = Case(
            name=f"mean over 1,000 draws x 20 {shape}",
            make=risky(20, 1_000, shape, Risk(), gap=1e-6, limit_s=5.0),
            warm=risky(4, 20, shape, Risk(), gap=1e-6, limit_s=1.0),
            instances=50,
            gap=1e-6,
            limit_s=1.0,
            answer=_mean,
            ask=_ask_mean,
            peers=scipy_peers(),
        )
        enter("uncertain", case)


def _risks() -> None:
    """Concave measures over 200 draws of 20 concave channels."""
    for risk in (Risk("mean_minus_sd"), Risk("cvar", level=0.1), Risk("worst_case")):
        case = Case(
            name=f"{risk.measure}, 200 draws x 20 concave",
            make=risky(20, 200, "concave", risk, gap=1e-5, limit_s=5.0),
            warm=risky(4, 20, "concave", risk, gap=1e-5, limit_s=1.0),
            instances=50,
            gap=1e-5,
            limit_s=5.0,
            answer=_cautious,
            ask=_ask_risk,
            peers=scipy_peers(),
        )
        enter("uncertain", case)


_goals()
_means()
_risks()
