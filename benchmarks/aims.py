"""Profit, least spend, targets, means over draws and cautious measures, beside peers."""

from __future__ import annotations

import time

from benchmarks.classes import goal_of, risky
from benchmarks.compare import Answer, Case, evolution, many_starts, one_start, rows_of
from benchmarks.harness import Row, benchmark
from benchmarks.peers import Question, question_of_aim, question_of_risk
from shared.plan.optimize import make_plan
from shared.problem.canonical import canonicalise
from shared.problem.free_budget import canonicalise_goal
from shared.problem.model import Problem, Risk
from shared.solve.certify.certificate import certify
from shared.solve.certify.risk_certificate import certify_risk
from shared.solve.dispatch import solve
from shared.solve.risk.risk import solve_risk

__all__: list[str] = []


def _plan(problem: Problem) -> Answer:
    """All that an answer takes but for its words: arrays, solving, rechecking, scoring."""
    began = time.process_time()
    plan = make_plan(problem)
    return Answer(time.process_time() - began, 0.0, plan.certificate, plan.search.nodes)


def _mean(problem: Problem) -> Answer:
    began = time.process_time()
    canonical = canonicalise(problem)
    found = solve(canonical, problem.options)
    middle = time.process_time()
    certificate = certify(canonical, found.spend, found.proof)
    return Answer(middle - began, time.process_time() - middle, certificate, found.nodes)


def _cautious(problem: Problem) -> Answer:
    began = time.process_time()
    canonical = canonicalise(problem)
    found = solve_risk(canonical, problem.risk, problem.options)
    middle = time.process_time()
    certificate = certify_risk(canonical, problem.risk, found.spend, found.proof)
    return Answer(middle - began, time.process_time() - middle, certificate, found.nodes)


def _ask_aim(problem: Problem) -> Question:
    canonical, aim = canonicalise_goal(problem)
    return question_of_aim(canonical, aim)


def _ask_risk(problem: Problem) -> Question:
    return question_of_risk(canonicalise(problem), problem.risk)


@benchmark("goals")
def goals() -> list[Row]:
    """Goals of spend and outcome over 20 channels; no time is set for these to reach."""
    out: list[Row] = []
    for kind in ("profit", "least spend", "ROAS target"):
        for shape in ("concave", "S-shaped"):
            out += rows_of(
                Case(
                    name=f"{kind}, 20 {shape}",
                    make=goal_of(kind, 20, shape, gap=1e-6, limit_s=5.0),
                    instances=50,
                    limit_s=None,
                    warm=goal_of(kind, 4, shape, gap=1e-6, limit_s=1.0),
                    answer=_plan,
                    ask=_ask_aim,
                    peers=(one_start(50), many_starts(10), evolution(2)),
                )
            )
    return out


@benchmark("uncertain")
def means() -> list[Row]:
    """The mean over 1,000 draws of 20 channels."""
    out: list[Row] = []
    for shape in ("concave", "S-shaped"):
        out += rows_of(
            Case(
                name=f"mean over 1,000 draws x 20 {shape}",
                make=risky(20, 1_000, shape, Risk(), gap=1e-6, limit_s=10.0),
                instances=10,
                limit_s=1.0,
                warm=risky(4, 20, shape, Risk(), gap=1e-6, limit_s=1.0),
                answer=_mean,
                ask=_ask_risk,
                peers=(one_start(5), many_starts(1, 20.0), evolution(1)),
            )
        )
    return out


@benchmark("uncertain")
def cautious() -> list[Row]:
    """Concave measures over 200 draws of 20 concave channels."""
    out: list[Row] = []
    for risk in (Risk("mean_minus_sd"), Risk("cvar", level=0.1), Risk("worst_case")):
        out += rows_of(
            Case(
                name=f"{risk.measure}, 200 draws x 20 concave",
                make=risky(20, 200, "concave", risk, gap=1e-5, limit_s=10.0),
                instances=20,
                limit_s=5.0,
                warm=risky(4, 20, "concave", risk, gap=1e-5, limit_s=1.0),
                answer=_cautious,
                ask=_ask_risk,
                peers=(one_start(5), many_starts(1, 20.0), evolution(1)),
            )
        )
    return out
