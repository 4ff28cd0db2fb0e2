"""The best allocation of a budget as an answer: solved, certified, scored and put into words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.curves.family import EPS
from shared.errors import Infeasible
from shared.plan.caution import doubts, low_trust, trust, warn
from shared.plan.conditions import conditions
from shared.plan.crumbs import swept
from shared.plan.explain import explain
from shared.plan.moves import Moves, known_draw, over_draws, shared_out
from shared.plan.plan import Plan
from shared.plan.prices import bindings, of_ceilings, priced, ties
from shared.plan.rows import allocation, warned
from shared.plan.score import finite, score, today_scaled, totals
from shared.plan.sequential import draw_in_turn, in_turn
from shared.plan.words import number, outcome_of, percent, say
from shared.problem.incumbent import ALLOWED, decisions
from shared.problem.lower import by_period, lower
from shared.problem.model import Problem, Risk, SolverOptions
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.one_budget.form import one_budget
from shared.solve.solver import solve

__all__ = [
    "answer",
    "certificate_of",
    "current_over",
    "levels_in_draws",
    "make_plan",
    "rows_of",
    "summary",
]

Floats = NDArray[np.float64]

_PART = 0.2  # of the time limit, for what caution costs
SMALL = 1e-4
"""A difference that interactions of means make, below this share of the outcome, goes unsaid."""


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """Solve ``problem`` and check the solution with code that shares nothing with the solver.

    Parameters
    ----------
    start
        (A, T) spend of a plan for nearly the same problem, to start from.

    Raises
    ------
    Infeasible
        No spend satisfies all limits; names the smallest conflicting set. Or none was found that
        keeps them all to 1e-6: no other plan leaves this room.
    InvalidInput, NotSupportedYet
        Parts of the problem that contradict each other, or are not built.
    """
    began = time.perf_counter()
    with work.limited(problem.options.time_limit_s):
        plan = _kept(problem, start)
    spent = 1e3 * (time.perf_counter() - began)
    return replace(plan, solve_ms=spent)


def _kept(problem: Problem, start: Floats | None) -> Plan:
    plan = _made(problem, start)
    if start is not None and plan.certificate.max_constraint_violation > ALLOWED:
        plan = _made(problem, None)
    if plan.certificate.max_constraint_violation > ALLOWED:
        raise Infeasible(
            "No plan that keeps every limit was found within the time limit; it was not proven "
            "that there is none. A longer solver.time_limit_s may find one.",
            [],
        )
    return plan


def _made(problem: Problem, start: Floats | None) -> Plan:
    """The plan of any problem: solved, swept of crumbs, certified, scored and priced."""
    options, deadline = shared_out(problem)
    program = lower(problem)
    money = by_period(problem, program)
    first = None if start is None else decisions(program, start)
    ahead, together, notes = None, None, list[tuple[str, str]]()
    if _in_turn(problem):
        found, ahead, note = in_turn(program, options, first, solve)
        notes.append(note)
    else:
        found = solve(program, options, first)
        together = _all_draws(program, float(found.prices[0]) if found.prices.size else 0.0)
    u, certificate = found.plan, certify(program, found.plan, found.proof)
    clean = swept(program, u, certificate, problem.options.gap)
    if clean is not None:
        u, certificate = clean, certify(program, clean, found.proof)
    slopes = program
    if program.risk is not None:  # the draws weighed as the measure weighs them
        slopes = replace(program, risk=None, draw_weights=found.weights)
    ceilings = tuple[float, ...]()
    if program.ceilings:
        theta = np.array(found.thetas)
        theta[: len(program.floors)] = 0.0
        counts = program.lift(theta).value / (program.value or 1.0)
        slopes = replace(slopes, ceilings=(), counts=counts)
        ceilings = tuple(theta[len(program.floors) :].tolist())
    # Nothing that is decided in turn is stationary: prices are of what sees the whole horizon.
    priced_at, kept = u if ahead is None else ahead, 1.0 - problem.test_reserve
    prices, more = priced(slopes, priced_at, goal=problem.goal.goal, kept=kept)
    prices = _told_prices(program, prices, certificate.objective)
    prices += of_ceilings(program, ceilings, goal=problem.goal.goal)
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
        prices=prices,
        moves=partial(over_draws, problem, deadline, _one_draw(problem, program), together),
        ties=() if ahead is not None else ties(program, u),
        notes=(*notes, *more, *levels_in_draws(money, best.spend)),
    )


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


def _in_turn(problem: Problem) -> bool:
    return problem.horizon.mode == "sequential" and problem.horizon.periods > 1


def _all_draws(
    program: Program, price: float
) -> Callable[[list[int], float], list[Floats | None]] | None:
    """The best spends (A,) of many draws at once, for one budget over boxes."""
    task = one_budget(program)
    if task is None or task.draws is None:
        return None
    from shared.solve.one_budget.draws import best_in_draws

    return lambda draws, gap: best_in_draws(task, draws, gap, price)


def _one_draw(problem: Problem, program: Program) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (A,) over the horizon where one draw is the truth."""
    free = problem.budget is None and not (problem.period_budgets or problem.windows)

    def best(draw: int, options: SolverOptions) -> Floats | None:
        if free:  # what a plan can be worth, and so spend, is another thing in every draw
            task = lower(known_draw(problem, draw))
        else:
            assert program.draws is not None
            one = program.draws.one(draw)
            # A curve that brings nothing in this draw has no level to interact with.
            lives = one.supremum() > 0.0
            pairs = tuple(p for p in program.pairs if lives[p.first] and lives[p.second])
            task = replace(program, curves=one, draws=None, risk=None, pairs=pairs)
        # Not from today's plan, nor from anybody's: see shared.plan.moves.
        task = replace(task, current=None)
        if _in_turn(problem):
            return draw_in_turn(task, options, solve)
        found = solve(task, options)
        return np.asarray(task.spend(found.plan).sum(axis=1)) if found.finished else None

    return best


def levels_in_draws(program: Program, spend: Floats) -> tuple[tuple[str, str], ...]:
    """A warning where interactions at each draw's own levels would bring noticeably more or less.

    Interactions go by the levels of the mean curves, so that draws which move two channels up or
    down together are left out of their product. ``program`` decides spend itself, (A, T).
    """
    if not program.pairs or program.draws is None:
        return ()
    spend = program.widened(spend)
    z = program.adstocked(spend)
    draws, level = program.draws, program.saturation(z)
    own = np.stack([draws.value(row) for row in z.T])
    with np.errstate(divide="ignore", invalid="ignore"):
        own = own / np.stack([draws.one(s).supremum() for s in range(draws.draws)])
    own = np.where(np.isfinite(own), own, 0.0)
    share = np.full(draws.draws, 1.0 / draws.draws)
    if program.draw_weights is not None:
        share = program.draw_weights
    told = drawn = 0.0
    for pair in program.pairs:
        size = pair.strength * program.pair_weight(pair)
        told += float(size @ (level[pair.first] * level[pair.second]))
        both = own[:, :, pair.first] * own[:, :, pair.second]
        drawn += float(size @ (both @ share))
    if abs(drawn - told) <= SMALL * abs(program.outcome(spend)):
        return ()
    message = (
        f"Interactions go by the levels of the mean curves, where they bring {number(told)}; at "
        f"the levels of each draw they would bring {number(drawn)} in the mean."
    )
    return (("interaction_of_means", message),)


def rows_of(plan: Plan, optima: Floats | None = None) -> list[dict[str, Any]]:
    """The answer's ``allocation``; ``optima`` (R, A) are best plans of single draws."""
    return allocation(plan.problem, plan.best, plan.current, plan.held, optima)


def certificate_of(plan: Plan) -> dict[str, Any]:
    """The certificate's fields in the names of docs/contract.md."""
    proof, search = plan.certificate, plan.search
    sign = -1.0 if plan.least else 1.0
    bound = finite(sign * proof.upper_bound)
    return {
        "objective": sign * proof.objective,
        "upper_bound": None if plan.least else bound,
        **({"lower_bound": bound} if plan.least else {}),
        "gap": finite(proof.gap),
        "relative_gap": finite(proof.relative_gap),
        "proven": proof.proven,
        "method": search.method,
        "method_reason": search.why,
        "max_constraint_violation": proof.max_constraint_violation,
        "kkt_residual": finite(proof.kkt_residual),
        "iterations": search.iterations,
        "nodes": search.nodes,
        "stopped_by": plan.stopped_by,
        "solve_ms": plan.solve_ms,
    }


def summary(plan: Plan, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A plan among others in an answer; ``rows`` are its ``allocation``, long or short."""
    return {
        "status": plan.status,
        "allocation": rows,
        "totals": totals(plan.problem, plan.best, plan.current),
        "certificate": certificate_of(plan),
    }


def answer(plan: Plan, *, spend_interval: bool = True) -> dict[str, Any]:
    """The whole answer to ``POST /optimize`` but for the request's id.

    Without ``spend_interval`` no draw is solved again.
    """
    problem = plan.problem
    moves = plan.moves() if spend_interval else Moves()
    told = summary(plan, rows_of(plan, moves.optima))
    rows, sums, proof = told["allocation"], told["totals"], told["certificate"]
    told |= {"today_scaled": plan.scaled(), "current_over": current_over(problem)}
    said = (
        low_trust(problem),
        explain(plan, told),
        _cost_of_caution(plan),
        conditions(plan, rows, solve),
        doubts(problem, rows),
    )
    return {
        **told,
        "then": problem.horizon.then if problem.horizon.periods > 1 else None,
        "shadow_prices": plan.prices,
        "trust": trust(problem, sums),
        "explanation": list(chain(*said)),
        "warnings": warned(warn(problem, rows, sums, proof), plan.notes, moves.notes),
        "curves_version": problem.curves_version,
    }


def _cost_of_caution(plan: Plan) -> list[dict[str, Any]]:
    """What the best plan in expectation would bring beyond a plan of a careful uplift."""
    problem = plan.problem
    if problem.risk.of != "uplift":
        return []
    options = replace(problem.options, time_limit_s=_PART * problem.options.time_limit_s)
    other = make_plan(replace(problem, risk=Risk(), options=options), plan.best.spend)
    cost = max(other.best.total - plan.best.total, 0.0)
    text = (
        f"Caution costs {outcome_of(problem, cost)}: the best plan in expectation would bring "
        f"{outcome_of(problem, other.best.total)}"
    )
    data = {"cost": cost, "outcome_in_expectation": other.best.total}
    if plan.current is not None and other.best.total > plan.current.total:
        share = cost / (other.best.total - plan.current.total)
        text += f", so that {percent(share).removeprefix('+')} of its uplift is given up"
        data["share_of_uplift"] = share
    return [say("cost_of_caution", text + ".", **data)]


def current_over(problem: Problem) -> dict[str, Any] | None:
    """Which days of a stored history stand for today."""
    if problem.current_over is None:
        return None
    first, last, count = problem.current_over
    return {"from": first.isoformat(), "to": last.isoformat(), "periods": count}
