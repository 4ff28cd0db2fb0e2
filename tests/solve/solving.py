"""Solving as tests like it: a plan beside its certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shared.problem.aim import Aim
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Proof
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.search import Solution
from shared.solve.solver import solve

__all__ = ["Solved", "solve_aim", "solve_risk"]


@dataclass(frozen=True)
class Solved:
    solution: Solution
    certificate: Certificate

    @property
    def u(self) -> np.ndarray:
        return self.solution.plan

    @property
    def proof(self) -> Proof:
        return self.solution.proof

    @property
    def thetas(self) -> tuple[float, ...]:
        return self.solution.thetas

    @property
    def method(self) -> str:
        return self.solution.method

    @property
    def why(self) -> str:
        return self.solution.why

    @property
    def nodes(self) -> int:
        return self.solution.nodes


def read_as(program: Program, aim: Aim, risk: Risk) -> Program:
    """The program with its aim and with how its outcome is read."""
    return replace(program.aimed(aim), risk=None if risk.measure == "expected" else risk)


def solve_risk(
    program: Program, aim: Aim, risk: Risk, options: SolverOptions, start: np.ndarray | None = None
) -> Solved:
    read = read_as(program, aim, risk)
    found = solve(read, options, start)
    return Solved(found, certify(read, found.plan, found.proof))


def solve_aim(
    program: Program, aim: Aim, options: SolverOptions, start: np.ndarray | None = None
) -> Solved:
    return solve_risk(program, aim, Risk(), options, start)
