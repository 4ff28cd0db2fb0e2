"""Period by period with what is known so far: the plan of somebody who cannot look ahead.

Each period is a problem of its own: the carryover of what was already spent comes in, and what is
still to be spent (a total over the horizon) is spread evenly over the periods that are left. The
gap to the plan that sees the whole horizon is what foresight would have added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible
from shared.plan.words import number
from shared.problem.aim import Floor
from shared.problem.incumbent import ALLOWED, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import AtMost, Program, Rows
from shared.problem.risk_program import brings_by, missed, objective
from shared.problem.switches import NONE
from shared.solve.search import Solution, Solver

__all__ = ["decide_in_turn", "draw_in_turn", "foresight", "in_turn", "step"]

Floats = NDArray[np.float64]


def _asked(program: Program, period: int, spent: Floats) -> tuple[Floor, ...]:
    """What is asked of one ``period`` (from 0), given what was ``spent`` (A, T) before it.

    An outcome still to be reached is asked for in even parts; an efficiency is asked of everything
    up to this period.
    """
    past = spent.copy()
    past[:, period:] = 0.0
    weight = program.weight.copy()
    weight[:, period:] = 0.0
    left = float(program.periods - period)
    every = (program.floors, replace(program, weight=weight).brought(past), program.asked_of(past))
    # What comes without the plan's money is asked for no earlier than it comes.
    coming = program.past()[:, period + 1 :].sum(axis=1)
    return tuple(
        replace(floor, constant=max(floor.constant - brought, 0.0) / left)
        if floor.per_money == 0.0
        else replace(
            floor,
            constant=max(floor.constant - float(floor.shares(program.arms) @ coming), 0.0)
            + floor.per_money * costs
            - brought,
        )
        for floor, brought, costs in zip(*every, strict=True)
    )


def in_turn(
    program: Program, options: SolverOptions, start: Floats | None, solver: Solver
) -> tuple[Solution, Floats, tuple[str, str]]:
    """The plan decided from the first period to the last, with the proof of the whole horizon's;
    the whole's plan; and what foresight is worth, as a warning.

    Half of the work goes to the whole, which says first what no plan can meet, and half to the
    steps, in even parts.

    Raises
    ------
    Infeasible
        Naming targets that cannot be met, or not period by period.
    """
    half = replace(options, time_limit_s=0.5 * options.time_limit_s)
    whole = solver(program, half, start)
    each = replace(half, time_limit_s=half.time_limit_s / program.periods)
    u = decide_in_turn(program, lambda task: _nearest(task, each, solver))
    today = known_plan(program)
    if today is not None and missed(program, today) <= ALLOWED:
        worse = objective(program, today) > objective(program, u)
        if worse or missed(program, u) > ALLOWED:
            u = today  # short sight can do worse than staying where one is
    if missed(program, u) > ALLOWED:
        raise _out_of_reach(program, u)
    note = foresight(objective(program, u), objective(program, whole.plan))
    return replace(whole, u=u), whole.plan, note


def draw_in_turn(program: Program, options: SolverOptions, solver: Solver) -> Floats | None:
    """The spend (A,) over the horizon decided in turn where the curves are known; None: no time.

    Without targets nothing but the steps is solved: nobody asks for a bound.
    """
    if program.floors:
        found, _, _ = in_turn(program, options, None, solver)
        return np.asarray(program.spend(found.plan).sum(axis=1)) if found.finished else None
    each = replace(options, time_limit_s=options.time_limit_s / program.periods)
    steps = list[Solution]()

    def decide(task: Program) -> Floats:
        steps.append(solver(task, each, None))
        return steps[-1].plan

    u = decide_in_turn(program, decide)
    done = all(step.finished for step in steps)
    return np.asarray(program.spend(u).sum(axis=1)) if done else None


def decide_in_turn(program: Program, decide: Callable[[Program], Floats]) -> Floats:
    """Spend (A, T) of a program with one decision a period, decided from the first to the last.

    Parameters
    ----------
    decide
        Answers the best decisions (A, 1) of a program of one period.
    """
    spent = np.zeros((program.arms, program.periods))
    for period in range(program.periods):
        now = replace(step(program, period, spent), floors=_asked(program, period, spent))
        spent[:, period] = decide(now)[:, 0]
    return spent


def _nearest(program: Program, options: SolverOptions, solver: Solver) -> Floats:
    """A plan that meets all targets; else efficiency with the most outcome; else what is next.

    A period that cannot bring its part of a target brings as much of it as it can: later ones,
    with its carryover, may make up for it.
    """
    try:
        return solver(program, options, None).plan
    except Infeasible:
        floors = program.floors
        if not floors:
            raise
    efficient = tuple(floor for floor in floors if floor.per_money > 0.0)
    if efficient and len(efficient) < len(floors):
        plain = replace(program, value=1.0, cost=0.0, fee=None, floors=efficient)
        return _nearest(plain, options, solver)
    dear = max(range(len(floors)), key=lambda i: floors[i].per_money)
    return solver(program.alone(dear), options, None).plan


def _out_of_reach(program: Program, u: Floats) -> Infeasible:
    every = zip(program.floors, brings_by(program, u), program.asked_of(u), strict=True)
    floor, best, costs = next(each for each in every if each[0].missed(*each[1:]) > ALLOWED)
    if floor.per_money > 0.0:
        best = best / costs if costs > 0.0 else 0.0
    own = floor.unmet(floor.stated(best), " by deciding period by period")
    mode = "Seeing the whole horizon (mode time_varying) would meet it."
    return Infeasible(
        f"{own.name} is not met by deciding period by period. {own.message} {mode}",
        [own, Conflict("horizon.sequential", mode, 0.0)],
    )


def foresight(reached: float, ahead: float) -> tuple[str, str]:
    """What deciding in turn gave away, as a warning."""
    message = (
        f"Decided period by period, this reaches an objective of {number(reached)}; seeing the "
        f"whole horizon would add {number(max(ahead - reached, 0.0))}."
    )
    return "foresight", message


def step(program: Program, period: int, spent: Floats) -> Program:
    """The problem of one ``period`` (from 0), given what was ``spent`` (A, T) before it."""
    past = spent.copy()
    past[:, period:] = 0.0
    now = slice(period, period + 1)
    return replace(
        program,
        lower=program.lower[:, now],
        upper=program.upper[:, now],
        least_active=program.least_active[:, now],
        rows=_rows(program, period, past),
        at_most=(
            *(_still_open(rule, past) for rule in program.at_most),
            *(
                AtMost(rule.name, rule.arms, rule.count)
                for rule in program.switches.counts
                if rule.column == period
            ),
        ),
        switches=NONE,
        spread=program.spread[:, now, now],
        carry=program.carry[:, now, now],
        carry_in=program.adstocked(past)[:, now],
        weight=program.weight[:, now],
        lower_by=tuple(program.floors_by(a)[period] for a in range(program.arms)),
        upper_by=tuple(program.roofs_by(a)[period] for a in range(program.arms)),
        discount=None if program.discount is None else program.discount[now],
        current=None if program.current is None else program.current[:, now],
    )


def _still_open(rule: AtMost, past: Floats) -> AtMost:
    """What was active before counts: the others have what it leaves."""
    idle = tuple(arm for arm in dict.fromkeys(rule.arms) if not np.any(past[arm] > 0.0))
    return replace(rule, arms=idle, count=rule.count - len(set(rule.arms)) + len(idle))


def _rows(program: Program, period: int, past: Floats) -> Rows:
    """The rows that bear on ``period``; totals are cut into even parts of what is left."""
    rows = program.rows
    cells = rows.matrix.reshape(-1, program.arms, program.periods)
    bears = np.any(cells[:, :, period] != 0.0, axis=1)
    goes_on = np.any(cells[:, :, period + 1 :] != 0.0, axis=(1, 2))
    # A pace between this period and the next holds when the next is decided.
    kept = bears & ~(goes_on & np.any(cells < 0.0, axis=(1, 2)))
    done = np.einsum("mat,at->m", cells, past)
    # Even parts of what is left, over the periods that the row is still about.
    touches = np.any(cells != 0.0, axis=1)
    last = program.periods - np.argmax(touches[:, ::-1], axis=1)
    parts = np.where(goes_on, np.maximum(last - period, 1).astype(np.float64), 1.0)
    return Rows(
        matrix=np.ascontiguousarray(cells[kept][:, :, period]),
        lower=((rows.lower - done) / parts)[kept],
        upper=((rows.upper - done) / parts)[kept],
        names=tuple(name for name, keep in zip(rows.names, kept, strict=True) if keep),
    )
