"""What a plan of a general program is worth and how far from the best it can be, rechecked.

No solver is imported and nothing it says is believed: of a proof only multipliers and the tree's
splits are read, regions are derived from the program's own box, and for each leaf weak duality
gives a bound from one-dimensional maxima. Everything is rounded outward.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.lattice_rows import lattice_rows
from shared.problem.program import Program
from shared.problem.program_proof import ProgramArms, ProgramLeaf, ProgramProof, SplitActive
from shared.problem.region import HAIR, Region, halves, holds, root_region
from shared.solve.certify.certificate import Certificate, stated
from shared.solve.certify.program_arms import bound_arms
from shared.solve.certify.program_bound import Bounder, Task

__all__ = ["bound_program", "certify_program"]

Array = NDArray[np.float64]
_CELLS = 2_000_000  # leaves times arms and periods that are kept until they are bounded together


def certify_program(program: Program, u: Array, proof: ProgramProof) -> Certificate:
    """Recheck decisions (A, K) and bound what any others could reach.

    The certificate's figures are in the objective's own unit (money for profit; for the least
    spend, minus the money, so ``-upper_bound`` is a lower bound on it).
    """
    violation = program.violation(u)
    u = np.maximum(u, 0.0)  # below zero there are no curves; the violation above has said so
    objective = program.objective(u)
    # Limits on what comes in lots are as tight as the lots make them.
    held = replace(program, rows=lattice_rows(program))
    bound, prices = _bound(held, u, proof, objective)
    residual = _kkt(program, u, prices)
    if bound == -math.inf and violation <= HAIR:
        bound = objective  # no plan keeps every rule exactly, and this one does to rounding
    return stated(objective, bound, violation, residual)


def bound_program(program: Program, u: Array, proof: ProgramProof, enough: float) -> float:
    """A bound alone, in the objective's own unit: no plan is worth more.

    ``-inf`` where no plan is left, ``inf`` where nothing is proved; ``u`` (A, K) tells what sizes
    matter, and no care is taken with what is at most ``enough``.
    """
    held = replace(program, rows=lattice_rows(program))
    try:
        if root_region(held) is None:
            return -math.inf
    except (ValueError, IndexError, TypeError):
        return math.inf
    bound, _ = _bound(held, u, proof, held.objective(np.maximum(u, 0.0)), enough)
    return math.inf if bound is None else bound


def _bound(
    program: Program, u: Array, proof: ProgramProof, objective: float, enough: float | None = None
) -> tuple[float | None, list[Array]]:
    """The largest leaf bound (None: nothing is proved), and the rows' prices around the plan."""
    enough = objective if enough is None else enough
    prices: list[Array] = []
    nodes = proof.nodes
    try:
        root = root_region(program)
        if root is None:
            return -math.inf, prices
        bounder = Bounder(program, root, _size(program, u, objective))
        seen: set[int] = set()
        walk: list[tuple[int, Region]] = [(0, root)]
        best, tasks = -math.inf, list[Task]()
        while walk:
            at, region = walk.pop()
            if not 0 <= at < len(nodes) or at in seen:
                return None, prices
            seen.add(at)
            node = nodes[at]
            if isinstance(node, ProgramLeaf):
                tasks.append(bounder.task(node, region))
                if len(tasks) * program.weight.size >= _CELLS:
                    best, tasks = max(best, bounder.largest(tasks, max(best, enough))), []
                if holds(region, u):
                    prices.append(np.asarray(node.mu, dtype=float))
                continue
            if isinstance(node, ProgramArms):
                best = max(best, bound_arms(bounder, node, region))
                if holds(region, u):
                    prices.append(np.asarray(node.mu, dtype=float))
                continue
            children = (
                (node.off, node.on) if isinstance(node, SplitActive) else (node.below, node.above)
            )
            for child, part in zip(children, halves(program, region, node), strict=True):
                if part is not None:
                    walk.append((child, part))
        best = max(best, bounder.largest(tasks, max(best, enough)))
    except (ValueError, IndexError, TypeError):
        return None, prices
    return (None if math.isnan(best) else best), prices


def _size(program: Program, u: Array, objective: float) -> float:
    """How large the objective's terms are: a tiny part of it is too small to matter."""
    money = program.cost * float(np.abs(program.spend(u)).sum())
    return max(abs(objective) + money, 1e-300)


def _kkt(program: Program, u: Array, prices: list[Array]) -> float:
    """How far the plan is from stationary, relative to its steepest slope; 0 where it is.

    At the rows' prices every decision inside its box gains nothing by moving, one at its lower end
    nothing by rising, one at its upper end nothing by falling. Of what a move gains (relative to
    the steepest slope) and how far it could go (relative to the largest decision) the smaller
    counts. Decisions that may only take some values, or are zero by choice, are left aside. The
    best of the leaves around the plan counts.
    """
    tiny = 1e-9 * max(float(np.max(u, initial=0.0)), 1e-300)
    up = _gradient(program, u)
    steps = np.maximum(u - tiny, program.lower)
    down = _gradient(program, steps)
    fixed = (program.lot[:, None] > 0.0) | ((program.least_active > 0.0) & (u <= tiny))
    for rule in program.at_most:
        fixed[list(rule.arms)] |= u[list(rule.arms)] <= tiny
    # At a minimum a decision could still go to zero: only its rise counts.
    at_floor = (u <= program.lower + tiny) | (np.abs(u - program.least_active) <= tiny)
    span = max(float(np.max(u, initial=0.0)), 1e-300)
    rises = np.where(fixed | ~np.isfinite(up), 0.0, np.maximum(program.upper - u, 0.0) / span)
    falls = np.where(
        fixed | at_floor | ~np.isfinite(down), 0.0, np.maximum(u - program.lower, 0.0) / span
    )
    best = math.inf
    for mu in prices:
        push = (mu @ program.rows.matrix).reshape(u.shape)
        steep = max(float(np.abs(push).max()), float(np.abs(down[falls > 0.0]).max(initial=0.0)))
        if steep == 0.0:
            steep = float(np.abs(up[rises > 0.0]).max(initial=0.0)) or 1.0
        gain = np.minimum(np.where(rises > 0.0, np.maximum(up - push, 0.0), 0.0) / steep, rises)
        loss = np.minimum(np.where(falls > 0.0, np.maximum(push - down, 0.0), 0.0) / steep, falls)
        best = min(best, max(float(gain.max(initial=0.0)), float(loss.max(initial=0.0))))
    return best if math.isfinite(best) else 1.0


def _gradient(program: Program, u: Array) -> Array:
    """(A, K) derivative of the objective, interactions included; inf at 0 on some curves."""
    with np.errstate(invalid="ignore", over="ignore"):
        out = program.gradient(u)
        if not program.pairs:
            return out
        z = program.adstocked(u)
        level = program.saturation(z)
        slope = np.where(program.weight > 0.0, program.slopes(u), 0.0)
        safe = np.where(program.weight > 0.0, program.weight, 1.0)
        rate = slope / safe / program.full()[:, None]
        for pair in program.pairs:
            size = program.value * pair.strength * program.pair_weight(pair)
            for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
                out[one] += (size * rate[one] * level[other]) @ program.carry[one]
    return out
