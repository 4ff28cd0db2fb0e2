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

from shared.plan.words import number
from shared.problem.aim import Aim
from shared.problem.program import AtMost, Program, Rows

__all__ = ["aim_in_turn", "decide_in_turn", "foresight", "step"]

Floats = NDArray[np.float64]


def aim_in_turn(program: Program, aim: Aim, period: int, spent: Floats) -> Aim:
    """What is asked of one ``period`` (from 0), given what was ``spent`` (A, T) before it.

    An outcome still to be reached is asked for in even parts; an efficiency is asked of everything
    up to this period.
    """
    past = spent.copy()
    past[:, period:] = 0.0
    weight = program.weight.copy()
    weight[:, period:] = 0.0
    brought = replace(program, weight=weight).outcome(past)
    costs, left = float(program.spend(past).sum()), float(program.periods - period)
    floors = tuple(
        replace(floor, constant=max(floor.constant - brought, 0.0) / left)
        if floor.per_money == 0.0
        else replace(floor, constant=floor.constant + floor.per_money * costs - brought)
        for floor in aim.floors
    )
    return replace(aim, floors=floors)


def decide_in_turn(program: Program, solve: Callable[[Program], Floats]) -> Floats:
    """Spend (A, T) of a program with one decision a period, decided from the first to the last.

    Parameters
    ----------
    solve
        Answers the best decisions (A, 1) of a program of one period.
    """
    spent = np.zeros((program.arms, program.periods))
    for period in range(program.periods):
        spent[:, period] = solve(step(program, period, spent))[:, 0]
    return spent


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
        at_most=tuple(_still_open(rule, past) for rule in program.at_most),
        spread=program.spread[:, now, now],
        carry=program.carry[:, now, now],
        carry_in=program.adstocked(past)[:, now],
        weight=program.weight[:, now],
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
    parts = np.where(goes_on, float(program.periods - period), 1.0)
    return Rows(
        matrix=np.ascontiguousarray(cells[kept][:, :, period]),
        lower=((rows.lower - done) / parts)[kept],
        upper=((rows.upper - done) / parts)[kept],
        names=tuple(name for name, keep in zip(rows.names, kept, strict=True) if keep),
    )
