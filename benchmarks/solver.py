"""The solver's rows: time to solve, time to recheck, the gap proven, and what peers lose.

Limits are those of the project; peers are SLSQP as planning tools call it (one start, the equal
split) and SLSQP from many random starts, on the same instances, with exact derivatives.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import EFFORT, Row, benchmark, measure, row, timing
from benchmarks.problems import SEED, concave, identical, over_draws, s_shaped
from shared.problem.canonical import Canonical, marginal, outcome
from shared.problem.model import SolverOptions
from shared.solve.certify.certificate import certify
from shared.solve.dispatch import Solved, solve

__all__: list[str] = []

INSTANCES = 50


@dataclass(frozen=True, slots=True)
class _Runs:
    """CPU seconds of solving and of rechecking, and the proven gaps, over instances."""

    solve: list[float]
    certify: list[float]
    gaps: list[float]
    nodes: list[int]
    answers: list[Solved]

    def note(self) -> str:
        p95 = np.quantile(self.solve, 0.95) * 1e3
        return (
            f"{len(self.solve)} instances, p95 {p95:.0f} ms, recheck "
            f"{np.median(self.certify) * 1e3:.1f} ms, gap at most {max(self.gaps):.1e}, "
            f"nodes {np.median(self.nodes):.0f} (most {max(self.nodes)})"
        )


def _run(problems: list[Canonical], options: SolverOptions) -> _Runs:
    runs = _Runs([], [], [], [], [])
    solve(problems[0], options)
    for problem in problems:
        began = time.process_time()
        answer = solve(problem, options)
        middle = time.process_time()
        check = certify(problem, answer.spend, answer.proof)
        runs.certify.append(time.process_time() - middle)
        runs.solve.append(middle - began)
        runs.gaps.append(check.relative_gap)
        runs.nodes.append(answer.nodes)
        runs.answers.append(answer)
    return runs


@benchmark("solver")
def concave_channels() -> list[Row]:
    """One budget, diminishing returns throughout."""
    rows = []
    for n, limit, repeats in ((1_000, 5e-3, 15), (100_000, 0.15, 5), (1_000_000, 1.5, 2)):
        problem = concave(np.random.default_rng(SEED), n)
        options = SolverOptions(gap=1e-12, time_limit_s=60)
        ours = measure(lambda p=problem, o=options: solve(p, o), repeats=repeats)  # type: ignore[misc]
        answer = solve(problem, options)
        recheck = measure(
            lambda p=problem, a=answer: certify(p, a.spend, a.proof),  # type: ignore[misc]
            repeats=min(repeats, 3),
            warm_up=0,
        )
        gap = certify(problem, answer.spend, answer.proof).relative_gap
        note = f"recheck {recheck.median * 1e3:.1f} ms, gap {gap:.1e}, reach 3 ms"
        if n > 1_000:
            note = note.rsplit(",", 1)[0]
        rows.append(row(f"{n:,} concave channels", ours, limit_s=limit, note=note))
    return rows


@benchmark("solver")
def s_shaped_channels() -> list[Row]:
    """S-curves: median over random instances against the median allowed, gap 1e-9."""
    rows = []
    for n in (3, 10, 20, 100, 1_000):
        rng = np.random.default_rng(SEED + n)
        problems = [s_shaped(rng, n) for _ in range(EFFORT.instances(INSTANCES))]
        runs = _run(problems, SolverOptions(gap=1e-9, time_limit_s=10))
        name = f"{n:,} S-shaped channels, 1e-9"
        rows.append(
            row(name, timing(runs.solve), limit_s=10e-3 if n <= 10 else 50e-3, note=runs.note())
        )
    return rows


@benchmark("solver")
def near_identical_channels() -> list[Row]:
    """S-curves that no bound of their own can tell apart, half a second allowed."""
    rows = []
    options = SolverOptions(gap=1e-4, time_limit_s=0.5)
    for n in (20, 1_000):
        runs = _run([identical(n)] * 3, options)
        name = f"{n:,} identical S-curves, 1e-4"
        rows.append(row(name, timing(runs.solve), limit_s=0.5, note=runs.note()))
    for n in (10, 20, 50, 100, 1_000):
        rng = np.random.default_rng(SEED + n)
        runs = _run([identical(n, rng) for _ in range(EFFORT.instances(INSTANCES))], options)
        name = f"{n:,} S-curves alike to 1 %, 1e-4"
        # Stopped by the clock, a time says nothing: how often the gap was reached counts as well.
        reached = sum(gap <= options.gap for gap in runs.gaps)
        note = f"gap reached in {reached} of {len(runs.gaps)}; {runs.note()}"
        rows.append(row(name, timing(runs.solve), limit_s=0.5, note=note))
    return rows


@benchmark("solver")
def means_over_draws() -> list[Row]:
    """The mean over draws as the objective, solve and recheck together."""
    rows = []
    for n, draws, limit, instances in ((8, 200, 1.0, INSTANCES), (20, 1_000, 5.0, 5)):
        rng = np.random.default_rng(SEED + draws)
        problems = [over_draws(rng, n, draws) for _ in range(EFFORT.instances(instances))]
        runs = _run(problems, SolverOptions(gap=1e-6, time_limit_s=20))
        both = timing(a + b for a, b in zip(runs.solve, runs.certify, strict=True))
        name = f"mean over {draws:,} draws x {n} S-shaped, 1e-6"
        rows.append(row(name, both, limit_s=limit, note=runs.note()))
    return rows


@benchmark("solver")
def peers() -> list[Row]:
    """SLSQP on the same instances: time, and outcome lost against the proven optimum."""
    rows = []
    for n, starts in ((9, 50), (20, 50)):
        rng = np.random.default_rng(SEED + n)
        problems = [s_shaped(rng, n) for _ in range(EFFORT.instances(INSTANCES))]
        runs = _run(problems, SolverOptions(gap=1e-9, time_limit_s=10))
        best = [
            float(outcome(p, a.spend).sum()) for p, a in zip(problems, runs.answers, strict=True)
        ]
        for label, peer, count in (
            ("SLSQP, equal split", _slsqp_once, INSTANCES),
            (f"SLSQP, {starts} starts", lambda p, s=starts: _slsqp_many(p, s), 10),
        ):
            seconds, losses = _peer(peer, problems[:count], best)
            note = (
                f"{len(losses)} instances: loses {100 * np.median(losses):.1f} % in the median, "
                f"{100 * max(losses):.1f} % at worst, {np.mean(np.array(losses) > 1e-4):.0%} missed"
            )
            name = f"{n} S-shaped channels, proven 1e-9"
            rows.append(
                row(
                    name, timing(runs.solve[:count]), peer=timing(seconds), against=label, note=note
                )
            )
    return rows


def _peer(
    peer: Callable[[Canonical], np.ndarray], problems: list[Canonical], best: list[float]
) -> tuple[list[float], list[float]]:
    seconds, losses = [], []
    for problem, value in zip(problems, best, strict=False):
        began = time.process_time()
        plan = peer(problem)
        seconds.append(time.process_time() - began)
        losses.append(max(0.0, 1.0 - float(outcome(problem, plan).sum()) / value))
    return seconds, losses


def _slsqp(problem: Canonical, start: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = minimize(  # type: ignore[call-overload]
            lambda x: -outcome(problem, np.maximum(x, 0.0)).sum(),
            start,
            jac=lambda x: -marginal(problem, np.maximum(x, 1e-12)),
            bounds=list(zip(problem.lower, problem.upper, strict=True)),
            constraints={
                "type": "eq",
                "fun": lambda x: x.sum() - problem.budget,
                "jac": lambda x: np.ones_like(x),
            },
            method="SLSQP",
            options={"maxiter": 1000, "ftol": 1e-9},
        )
    # Tools report what comes back; it is put on the budget so that the comparison is fair.
    plan = np.clip(found.x, 0.0, None)
    return np.asarray(plan * (problem.budget / plan.sum()))


def _slsqp_once(problem: Canonical) -> np.ndarray:
    return _slsqp(problem, np.full(problem.n, problem.budget / problem.n))


def _slsqp_many(problem: Canonical, starts: int) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    plans = [
        _slsqp(problem, problem.budget * rng.dirichlet(np.ones(problem.n))) for _ in range(starts)
    ]
    return max(plans, key=lambda plan: float(outcome(problem, plan).sum()))
