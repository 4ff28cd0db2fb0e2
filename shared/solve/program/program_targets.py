"""Targets on programs: multipliers for every floor, and branch and bound where plans jump.

A target joins the objective at a price (:mod:`shared.solve.program.target_dual`). Where the best
plan moves smoothly with the price, the root leaves no gap; where it jumps from one that misses a
target to one that meets it (S-curves, whole choices), the decision in which the two differ most is
split halfway between them, so that each half holds one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.incumbent import incumbent, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Node, Proof, SplitDecision, grafted
from shared.solve.certify.certificate import certify
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.program.program_search import Unmet, solve_program
from shared.solve.program.target_dual import Descended, descend, first_guess
from shared.solve.program.target_reach import first_plan, unmet
from shared.solve.program.target_search import Line, Part, TargetSearch
from shared.solve.search import Solution, best_first

__all__ = ["solve_targets"]

Array = NDArray[np.float64]
_MOST = 5_000  # nodes: what a proof may weigh


@dataclass(slots=True)
class _Node:
    slot: int
    part: Part
    found: Descended


def solve_targets(program: Program, options: SolverOptions, start: Array | None = None) -> Solution:
    """Solve a program with targets, to ``options.gap`` within the limit of work.

    Raises
    ------
    Infeasible
        Naming the targets and the best that can be reached, or a conflict of the constraints.
    """
    exhausted = False
    if not program.pairs:
        try:
            found = solve_program(program, options, start)
            if not _idle(program, found.plan):
                return found
        except Unmet as error:
            exhausted = error.exhausted
    deadline = work.now() + 0.8 * options.time_limit_s
    search = TargetSearch(replace(program, floors=()), program.aim, options, deadline)
    for plan in (known_plan(program), incumbent(program, start)):
        if plan is not None:
            search.offer(search.measured(plan))
    lines = first_plan(search)
    if exhausted and search.best is None:
        raise unmet(search, list(search.counts), together=True)
    if options.method in BY_NAME and search.best is not None:
        return _by_name(search, lines)
    proof, top = branch(search, lines)
    if search.best is None:
        raise unmet(search, timed_out=True)
    why = "Each target joins the objective at the least price at which the best plan meets it."
    if len(proof.nodes) > 1:
        why += " The best plan jumps there, so the plans are split and each part has prices."
    method = "branch_and_bound" if len(proof.nodes) > 1 else top.solved.method
    return _answer(search, proof, top, method, why)


def _idle(program: Program, u: Array) -> bool:
    """Whether a plan meets an efficiency only by spending nothing at all."""
    costs = float(program.spend(u).sum())
    return costs <= 1e-9 * program.scale and any(floor.per_money > 0.0 for floor in program.floors)


def _by_name(search: TargetSearch, lines: tuple[Line, ...]) -> Solution:
    """The plan that a search found, and beside it the proof of the exact solver's root."""
    assert search.best is not None
    program, now = search.program, work.now()
    exact = replace(search, deadline=now + 0.35 * (search.deadline - now))
    root = descend(exact, Part(program.lower, program.upper), first_guess(search), lines)
    found = heuristic(
        program.aimed(search.aim),
        search.options,
        search.best.u,
        deadline=search.deadline,
        multipliers=root.thetas,
    )
    search.offer(search.measured(found.u))
    search.iterations += found.evaluations + exact.iterations
    search.nodes += 1
    why = f"{found.why} The bound is that of the exact solver's root."
    return _answer(search, root.proof, root, search.options.method, why)


def _answer(search: TargetSearch, proof: Proof, top: Descended, method: str, why: str) -> Solution:
    assert search.best is not None
    certificate = certify(search.program.aimed(search.aim), search.best.u, proof)
    finished = certificate.relative_gap <= search.options.gap
    if not finished and method not in BY_NAME:
        why += " The limit of work came first, so a gap is stated."
    return Solution(
        u=search.best.u,
        prices=top.solved.prices,
        proof=proof,
        nodes=search.nodes,
        iterations=search.iterations,
        finished=finished,
        thetas=top.thetas,
        method=method,
        why=why,
    )


def branch(
    search: TargetSearch, lines: tuple[Line, ...], most: int = _MOST
) -> tuple[Proof, Descended]:
    """Best-first search for the best plan that meets the floors; a tree that bounds them all.

    Also what is known of the part that holds the best plan.
    """
    whole = Part(search.program.lower, search.program.upper)
    root = descend(search, whole, first_guess(search), lines)
    nodes: list[Node] = [root.proof.nodes[0]]
    trees = {0: root.proof}
    parts = [(whole, root)]

    def split(node: _Node) -> list[_Node]:
        jump = _jump(search, node)
        if jump is None:
            return []
        arm, column, at = jump
        slots = (len(nodes), len(nodes) + 1)
        nodes[node.slot] = SplitDecision(arm, column, at, *slots)
        del trees[node.slot]
        kids = []
        for slot, part in zip(slots, _halves(node.part, arm, column, at), strict=True):
            found = descend(search, part, node.found.theta, node.found.lines)
            nodes.append(found.proof.nodes[0])
            trees[slot] = found.proof
            parts.append((part, found))
            kids.append(_Node(slot, part, found))
        return kids

    best_first(search, _Node(0, whole, root), split, lambda node: node.found.bound, most)
    held = [found for part, found in parts if search.best is not None and part.holds(search.best.u)]
    return grafted(nodes, trees), held[-1] if held else root


def _halves(part: Part, arm: int, column: int, at: float) -> tuple[Part, Part]:
    below, above = part.upper.copy(), part.lower.copy()
    below[arm, column] = above[arm, column] = at
    return Part(part.lower, below), Part(above, part.upper)


def _jump(search: TargetSearch, node: _Node) -> tuple[int, int, float] | None:
    """The decision in which two plans that are as good as each other differ most, and halfway."""
    theta, lines = node.found.theta, node.found.lines
    order = sorted(lines, key=lambda line: -line.at(theta))
    first = next(iter(order), None)
    if first is None:
        return None
    other = next((line for line in order if line.meets != first.meets), None)
    money = np.abs(search.program.spread).sum(axis=1)
    for one in (other, *order[1:]):
        if one is None:
            continue
        apart = np.abs(one.u - first.u) * money
        arm, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
        low, high = sorted((float(one.u[arm, column]), float(first.u[arm, column])))
        at = 0.5 * (low + high)
        if low < at < high and apart.max() > 1e-7 * search.program.scale:
            return int(arm), int(column), at
    return None
