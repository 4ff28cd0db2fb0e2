"""Bounds on goals with a floor over a program, from multipliers and boxes; no solver imported."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.aim_proof import AimProof, lifted
from shared.problem.program import Program
from shared.solve.certify.certificate import ALLOWED, Certificate, covering
from shared.solve.certify.program_certificate import certify_program, program_violation
from shared.solve.certify.rounding import EPS

__all__ = ["certify_program_aim"]


def certify_program_aim(
    program: Program, aim: Aim, u: NDArray[np.float64], proof: AimProof
) -> Certificate:
    """Recheck decisions (A, K) and bound what any others that meet the floors could be worth.

    In the sense of maximising: for the least spend minus the ``upper_bound`` is a lower bound.
    """
    brings, costs = program.outcome(np.maximum(u, 0.0)), float(program.spend(u).sum())
    worth = aim.worth(brings, costs)
    violation = max(program_violation(program, u), aim.missed(brings, costs))
    try:
        task, less = lifted(program, aim, proof.theta)
    except ValueError:
        return Certificate(worth, math.inf, math.inf, math.inf, False, violation, math.inf)
    found = certify_program(task, u, proof.proof)
    bound = found.upper_bound - less
    bound += 16.0 * EPS * (abs(found.upper_bound) + abs(less)) if math.isfinite(bound) else 0.0
    if not math.isfinite(bound) or not math.isfinite(worth):
        inf = math.inf
        return Certificate(worth, inf, inf, inf, False, violation, found.kkt_residual)
    bound = covering(bound, worth, violation)
    gap = max(bound - worth, 0.0)
    scale = max(abs(bound), abs(worth))
    return Certificate(
        objective=worth,
        upper_bound=bound,
        gap=gap,
        relative_gap=gap / scale if scale > 0.0 else 0.0,
        proven=violation <= ALLOWED,
        max_constraint_violation=violation,
        kkt_residual=found.kkt_residual,
    )
