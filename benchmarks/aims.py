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
from shared.problem.aim import aim_of
from shared.problem.lower import lower
from shared.problem.model import Problem, Risk

__all__: list[str] = []


def _plan(problem: Problem) -> Answer:
    """All that an answer takes but for its words: arrays, solving, rechecking, scoring."""
    began = time.process_time()
    plan = make_plan(problem)
    return Answer(time.process_time() - began, 0.0, plan.certificate, plan.search.nodes)


def _measured(problem: Problem) -> Answer:
    """The mean over draws, or a measure over them, from a problem to a certificate."""
    began = time.process_time()
    program = lower(problem)
    arrays = time.process_time() - began
    answer = solved(program, problem.options)
    return replace(answer, seconds=arrays + answer.seconds)


def _ask_aim(problem: Problem) -> Question:
    return question_of_aim(arrays_of(problem), aim_of(problem.goal))


def _ask_mean(problem: Problem) -> Question:
    return question_of_budget(arrays_of(problem))


def _ask_risk(problem: Problem) -> Question:
    return question_of_risk(arrays_of(problem), problem.risk)


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
            answer=_measured,
            ask=_ask_mean,
            peers=scipy_peers(),
        )
        enter("uncertain", case)


def _risks() -> None:
    """Measures over 200 draws of 20 channels."""
    table = (
        (Risk("mean_minus_sd"), "concave", 1e-5),
        (Risk("cvar", level=0.1), "concave", 1e-5),
        (Risk("worst_case"), "concave", 1e-5),
        (Risk("mean_minus_sd"), "S-shaped", 5e-3),
        (Risk("cvar", level=0.1), "S-shaped", 5e-3),
    )
    for risk, shape, gap in table:
        case = Case(
            name=f"{risk.measure}, 200 draws x 20 {shape}",
            make=risky(20, 200, shape, risk, gap=gap, limit_s=5.0),
            warm=risky(4, 20, shape, risk, gap=gap, limit_s=1.0),
            instances=50,
            gap=gap,
            limit_s=5.0,
            answer=_measured,
            ask=_ask_risk,
            peers=scipy_peers(),
        )
        enter("uncertain", case)


_goals()
_means()
_risks()
