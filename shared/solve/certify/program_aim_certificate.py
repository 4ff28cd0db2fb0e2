"""Bounds on goals with floors over a program, from multipliers and boxes; no solver imported."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.aim_proof import AimLeaf, AimProof, AimSplit, lifted, within
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, stated
from shared.solve.certify.program_certificate import (
    bound_program,
    certify_program,
)
from shared.solve.certify.rounding import EPS

__all__ = ["certify_program_aim"]

Array = NDArray[np.float64]


def certify_program_aim(program: Program, aim: Aim, u: Array, proof: AimProof) -> Certificate:
    """Recheck decisions (A, K) and bound what any others that meet the floors could be worth.

    In the sense of maximising: for the least spend minus the ``upper_bound`` is a lower bound.
    """
    brings, costs = program.outcome(np.maximum(u, 0.0)), float(program.spend(u).sum())
    worth = aim.worth(brings, costs)
    violation = max(program.violation(u), aim.missed(brings, costs))
    try:
        bound, residual = _bound(program, aim, u, proof, worth)
    except (ValueError, IndexError, TypeError):
        bound, residual = math.inf, math.inf
    return stated(worth, bound, violation, residual)


def _bound(
    program: Program, aim: Aim, u: Array, proof: AimProof, worth: float
) -> tuple[float, float]:
    """The largest bound of a leaf, and how far from stationary the plan is in its own.

    Raises
    ------
    ValueError, IndexError, TypeError
        For a tree that is none, or multipliers of another aim.
    """
    seen: set[int] = set()
    walk: list[tuple[int, Array, Array]] = [(0, program.lower, program.upper)]
    best, residual = -math.inf, math.inf
    while walk:
        at, lower, upper = walk.pop()
        if not 0 <= at < len(proof.nodes) or at in seen:
            raise IndexError("A node that is not there, or has two parents.")
        seen.add(at)
        node = proof.nodes[at]
        if isinstance(node, AimSplit):
            walk += _parts(program, node, lower, upper)
            continue
        if not isinstance(node, AimLeaf):
            raise TypeError("A node of no known kind.")
        task, less = lifted(within(program, lower, upper), aim, node.theta)
        if np.all(u >= lower) and np.all(u <= upper):
            found = certify_program(task, u, node.proof)
            residual = min(residual, found.kkt_residual)
            bound = found.upper_bound
        else:
            bound = bound_program(task, u, node.proof, max(best, worth) + less)
        size = abs(bound) + abs(less)
        # Where no plan is left in the region its bound is -inf, and stays so.
        best = max(best, bound - less + 16.0 * EPS * size if math.isfinite(size) else bound)
    return best, residual


def _parts(
    program: Program, node: AimSplit, lower: Array, upper: Array
) -> list[tuple[int, Array, Array]]:
    if not (0 <= node.arm < program.arms and 0 <= node.column < program.columns):
        raise IndexError("There is no such decision.")
    if math.isnan(node.at):
        raise ValueError("A split at no number.")
    at = (node.arm, node.column)
    below, above = upper.copy(), lower.copy()
    below[at] = min(max(node.at, lower[at]), upper[at])
    above[at] = below[at]
    return [(node.below, lower, below), (node.above, above, upper)]
