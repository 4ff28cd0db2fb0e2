"""cvxpy with Clarabel on the same concave program; an optional peer (``requirements-bench.txt``).

Only curves that disciplined convex programming can state: Michaelis-Menten as a reciprocal,
exponential and logarithm as themselves. Time is that of building the model, compiling it and
solving it, for that is what one answer takes.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import Peer
from benchmarks.questions import Question
from shared.curves.saturation import Exponential, Logarithmic, MichaelisMenten, Saturation
from shared.problem.model import Problem
from shared.problem.program import Program

__all__ = ["clarabel", "installed", "peer"]

Array = NDArray[np.float64]
P = TypeVar("P")


def installed() -> bool:
    """Whether the optional dependencies are there."""
    return all(importlib.util.find_spec(name) for name in ("cvxpy", "clarabel"))


def peer(run: Callable[[P, Question, float], Array | None]) -> Peer[P]:
    """``run`` as a peer."""
    missing = "" if installed() else "not installed: pip install -r requirements-bench.txt"
    return Peer("cvxpy with Clarabel", 30.0, run, missing)


def clarabel(problem: Problem, program: Program, seconds: float = 30.0) -> Array | None:
    """The plan (A, K) found, None where Clarabel gives up.

    ``seconds`` are for Clarabel alone: cvxpy cannot be stopped while it builds the model.

    Raises
    ------
    TypeError
        A curve that is not one of the three families.
    """
    # Without types of its own that hold under --strict.
    cp: Any = importlib.import_module("cvxpy")

    curves = [c.response.saturation for c in problem.channels]
    u = cp.Variable((program.arms, program.columns))
    terms: list[Any] = []
    told = 0
    for family in (MichaelisMenten, Exponential, Logarithmic):
        own = [a for a, curve in enumerate(curves) if isinstance(curve, family)]
        told += len(own)
        if own:
            terms.append(_outcome(cp, program, u, own, [curves[a] for a in own]))
    if told != program.arms:
        raise TypeError("curves that a conic solver cannot be told")
    money = program.spread.sum(axis=1)
    product = program.rows.matrix @ cp.vec(u, order="C")
    low, high = program.rows.lower, program.rows.upper
    same, below, above = low == high, np.isfinite(low), np.isfinite(high)
    rules = [u >= program.lower, u <= program.upper]
    sides: tuple[tuple[NDArray[np.bool_], Callable[[NDArray[np.intp]], Any]], ...] = (
        (same, lambda at: product[at] == low[at]),
        (below & ~same, lambda at: product[at] >= low[at]),
        (above & ~same, lambda at: product[at] <= high[at]),
    )
    for rows, rule in sides:
        if np.any(rows):
            rules.append(rule(np.flatnonzero(rows)))
    worth = program.value * sum(terms)
    task = cp.Problem(cp.Maximize(worth - program.cost * cp.sum(cp.multiply(money, u))), rules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an answer cut short by its time is judged by its loss
        try:
            task.solve(solver=cp.CLARABEL, time_limit=seconds)
        except cp.SolverError:
            return None
    return None if u.value is None else np.asarray(u.value, dtype=np.float64)


def _outcome(cp: Any, program: Program, u: Any, own: list[int], curves: list[Saturation]) -> Any:
    """Weighted outcome of the arms of one family over the horizon, as one vector expression."""
    carry, carry_in = program.carry[own], program.carry_in[own]
    if carry.shape[1:] == (1, 1):
        z = cp.multiply(carry[:, 0], u[own]) + carry_in
    else:
        z = cp.vstack([carry[i] @ u[a] for i, a in enumerate(own)]) + carry_in

    def column(name: str) -> Array:
        # As large as z: cvxpy is slow to broadcast.
        each = np.array([float(getattr(curve, name)) for curve in curves])
        return np.repeat(each[:, None], carry.shape[1], axis=1)

    weight = program.weight[own]
    if isinstance(curves[0], MichaelisMenten):
        half = column("half_saturation")
        size = weight * column("max_response")
        return float(size.sum()) - cp.sum(cp.multiply(size * half, cp.inv_pos(z + half)))
    if isinstance(curves[0], Exponential):
        size = weight * column("max_response")
        left = cp.exp(-cp.multiply(column("rate"), z))
        return float(size.sum()) - cp.sum(cp.multiply(size, left))
    log = cp.log1p(cp.multiply(1.0 / column("scale"), z))
    return cp.sum(cp.multiply(weight * column("coefficient"), log))
