"""Whether targets can be met at all, by which plan, and what is the best that can be reached."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.errors import Conflict, Infeasible
from shared.problem.aim import Floor
from shared.problem.program import Program
from shared.problem.risk_program import relaxed
from shared.solve.certify.certificate import bound
from shared.solve.program.target_search import Line, TargetSearch

__all__ = ["first_plan", "unmet"]

Array = NDArray[np.float64]
_ROUNDS = 12


def first_plan(search: TargetSearch) -> tuple[Line, ...]:
    """Lines of the plans with the largest surplus of each floor, and of mixes of floors.

    Raises
    ------
    Infeasible
        Where it is shown that no plan meets the floors.
    """
    program, count = search.program, len(search.counts)
    lines: list[Line] = []
    missed: list[int] = []
    for place, i in enumerate(search.counts):
        floor = search.aim.floors[i]
        line, bound = _most(search, np.eye(count)[place])
        lines.append(line)
        asked = abs(floor.constant) + floor.per_money * float(program.spend(line.u).sum())
        idle = float(program.spend(line.u).sum()) <= 1e-9 * program.scale
        idle = idle and floor.per_money > 0.0 and bound <= 1e-9 * program.scale
        if bound < -1e-12 * asked or idle:
            missed.append(i)
    if missed:
        raise unmet(search, missed)
    for one in lines:
        for other in lines:
            if search.best is None and one is not other:
                _mixed(search, one, other)
    if count > 1 and search.best is None:
        lines += _together(search, lines)
    return tuple(lines)


def _most(search: TargetSearch, share: Array) -> tuple[Line, float]:
    """The plan with the largest ``share . surplus``, and a bound on that."""
    nothing = replace(search.aim, value=0.0, cost=0.0)
    task, less = relaxed(search.program, nothing, search.theta(share))
    found = search.run(task)
    line = search.offer(search.measured(found.plan))
    return line, bound(task, found.plan, found.proof, -np.inf) - less


def _mixed(search: TargetSearch, one: Line, other: Line) -> None:
    """The mix of two plans whose smallest surplus, relative to its size, is largest."""
    size = np.maximum(np.maximum(np.abs(one.surplus), np.abs(other.surplus)), 1e-300)
    shares = np.linspace(0.0, 1.0, 33)[1:-1]
    mixes = [search.measured(one.u + s * (other.u - one.u)) for s in shares.tolist()]
    best = max(mixes, key=lambda line: float((line.surplus / size).min()))
    if not search.program.discrete:
        search.offer(best)


def _together(search: TargetSearch, known: list[Line]) -> list[Line]:
    """Plans that come ever nearer to all floors; raises where the nearest miss them.

    The least over shares of the most of ``share . surplus`` is approached from both sides by
    cutting planes; below zero it shows that no plan meets all floors.
    """
    lines = list(known)
    size = np.maximum(np.abs(np.stack([line.surplus for line in lines])).max(axis=0), 1e-300)
    for _ in range(_ROUNDS):
        if search.best is not None or search.late():
            break
        slopes = np.stack([line.surplus / size for line in lines])
        count = size.size
        out = highs.linprog(
            [0.0] * count + [1.0],
            A_ub=np.hstack((slopes, -np.ones((len(lines), 1)))),
            b_ub=np.zeros(len(lines)),
            A_eq=[[1.0] * count + [0.0]],
            b_eq=[1.0],
            bounds=[(0.0, 1.0)] * count + [(None, None)],
        )
        if out.x is None:
            break
        share = np.clip(out.x[:count], 0.0, 1.0)
        line, bound = _most(search, share / size)
        if bound < -1e-9:
            raise unmet(search, list(search.counts), together=True)
        lines.append(line)
        for other in lines[:-1]:
            _mixed(search, line, other)
        if bound - float(out.x[-1]) <= 1e-9:
            break
    return lines[len(known) :]


def unmet(
    search: TargetSearch,
    missed: list[int] | None = None,
    *,
    together: bool = False,
    timed_out: bool = False,
) -> Infeasible:
    """The targets that no plan meets, with the best that can be reached of each."""
    floors = [search.aim.floors[i] for i in (missed or range(len(search.aim.floors)))]
    names = " and ".join(floor.name for floor in floors)
    if timed_out:
        said = (
            f"No plan that meets {names} was found within the time limit; it was not proven that "
            "there is none. A longer solver.time_limit_s may find one."
        )
        asks = [f"{floor.name} is {floor.asked:,.6g}." for floor in floors]
        return Infeasible(
            said, [Conflict(f.name, ask, 0.0) for f, ask in zip(floors, asks, strict=True)]
        )
    conflicts: list[Conflict] = []
    for floor in floors:
        if together:
            text = f"{floor.name} is {floor.asked:,.6g}; alone it could be met."
            conflicts.append(Conflict(floor.name, text, 0.0))
            continue
        conflicts.append(floor.unmet(floor.stated(_best(search, floor))))
    said = " ".join(conflict.message for conflict in conflicts)
    conflicts += [] if together else _of_budget(search.program, floors)
    how = "cannot be met together" if together else "cannot be met"
    return Infeasible(f"{names} {how} by any plan. {said}", conflicts)


def _of_budget(program: Program, floors: list[Floor]) -> list[Conflict]:
    """The budget, where a target could be met without it, or with less spent."""
    rows = program.rows
    if "budget" not in rows.names:
        return []
    at = rows.names.index("budget")
    least, most = float(rows.lower[at]), float(rows.upper[at])
    held = np.array([by.startswith("budget") for by in program.upper_by])[:, None]
    z = program.adstocked(program.upper)
    top = np.broadcast_to(program.supremum()[:, None], z.shape)
    with np.errstate(invalid="ignore"):
        free = np.where(program.weight > 0.0, program.weight * top, 0.0)
    without = float(np.where(held, free, program.response(z)).sum())
    wanted = any(0.0 < floor.constant <= without for floor in floors)
    if not (wanted or least == most or most == 0.0):
        return []
    return [Conflict("budget", f"The budget is {most:,.2f}.", 0.0)]


def _best(search: TargetSearch, floor: Floor) -> float:
    """The largest outcome, or outcome per money; ratios by Dinkelbach's method."""
    program = search.program
    if floor.per_money == 0.0:
        return program.outcome(search.run(replace(program, value=1.0, cost=0.0)).plan)
    ratio = 0.0
    for _ in range(_ROUNDS):
        plan = search.run(replace(program, value=1.0, cost=ratio)).plan
        spend = float(program.spend(plan).sum())
        better = program.outcome(plan) / spend if spend > 0.0 else 0.0
        if better <= ratio * (1.0 + 1e-6):
            break
        ratio = better
    return ratio
