"""Bounds on measures of risk over general programs; no solver is imported.

Weights over draws and multipliers of floors make a program of expected outcome whose bound is one
for the measure (:mod:`shared.problem.risk_program` has the formula). The weights are checked to
belong to the measure's set; what they may miss it by is added, as is the rounding.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.model import Risk
from shared.problem.program import Program
from shared.problem.risk import admissible
from shared.problem.risk_program import RiskProgramProof, missed, relaxed, worth
from shared.solve.certify.certificate import Certificate, stated
from shared.solve.certify.program_certificate import certify_program
from shared.solve.certify.rounding import EPS

__all__ = ["certify_risk_program"]

Array = NDArray[np.float64]
_HAIR = 1e-12  # what weights may miss their set by, and more


def certify_risk_program(
    program: Program, aim: Aim, risk: Risk, u: Array, proof: RiskProgramProof
) -> Certificate:
    """Recheck decisions (A, K) and bound what the measure of any others could be.

    In the sense of maximising: for the least spend minus the ``upper_bound`` is a lower bound.
    """
    violation = program.violation(u)
    objective = math.nan
    if math.isfinite(violation):
        objective = worth(program, aim, risk, u)
        violation = max(violation, missed(program, aim, risk, u))
    try:
        bound, residual = _bound(program, aim, risk, u, proof)
    except (ValueError, IndexError, TypeError):
        bound, residual = math.inf, math.inf
    return stated(objective, bound, violation, residual)


def _bound(
    program: Program, aim: Aim, risk: Risk, u: Array, proof: RiskProgramProof
) -> tuple[float, float]:
    """What no plan exceeds, and how far from stationary this one is in the proof's program.

    Raises
    ------
    ValueError, IndexError, TypeError
        For weights outside the set, or a proof of another program.
    """
    if program.draws is None:
        raise ValueError("A risk measure needs draws.")
    weights, count = np.asarray(proof.weights, dtype=np.float64), program.draws.draws
    if risk.measure == "quantile":
        weights = np.full(count, 1.0 / count)
    elif not admissible(risk, weights, count):
        raise ValueError("These weights are not of the measure's set.")
    task, less = relaxed(program, aim, risk, weights, proof.theta)
    found = certify_program(task, u, proof.proof)
    # Weights that miss their set by a hair change the outcome by no more than this.
    hair = _HAIR * task.value * _most(program, weights)
    wide = 4.0 * hair + 16.0 * EPS * (abs(found.upper_bound) + abs(less))
    return found.upper_bound - less + wide, found.kkt_residual


def _most(program: Program, weights: Array) -> float:
    """More than the sizes of all weighed draws can add up to, whatever the plan."""
    draws = program.draws
    assert draws is not None
    reach = program.adstocked(np.maximum(program.upper, 0.0))
    whole = replace(program, weight=np.abs(program.weight))
    each = whole.response_draws(reach)
    assert each is not None
    share = np.abs(weights) * draws.draws + 1.0
    pairs = sum(
        abs(p.strength) * float(np.abs(program.pair_weight(p)).sum()) for p in program.pairs
    )
    return float((each.sum(axis=(1, 2)) * share).mean()) + pairs + draws.draws * 1e-300
