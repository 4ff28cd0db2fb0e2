"""The nearest local best of a program without whole choices: augmented Lagrangian over L-BFGS-B.

S-shaped plans have many local bests; which one is the searches' business. From a pattern of quiet
and loud periods this finds the spends that suit it best (Conn, Gould and Toint, SIAM J. Numerical
Analysis 28, 1991; Byrd, Lu, Nocedal and Zhu, SIAM J. Scientific Computing 16, 1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.repair import repair

__all__ = ["ascend"]

Array = NDArray[np.float64]
_ROUNDS = 6
_EVALUATION_S = 1e-4
_STEEP = 1e6  # slopes in units of the money at stake: at nothing some curves are infinitely steep
_MOST = 1e300


def ascend(
    program: Program, u: Array, mu: Array, *, deadline: float = np.inf
) -> tuple[Array, Array] | None:
    """A plan (A, K) that keeps all rules, uphill from ``u``, and the rows' prices (m,) there.

    None where no plan is near.

    Parameters
    ----------
    u
        Where to begin; it need not keep the rows.
    mu
        (m,) prices of the rows to begin with.
    deadline
        Of ``work.now``.
    """
    from scipy.optimize import Bounds, minimize

    rows, unit = program.rows, max(program.scale, 1e-300)
    begin = np.clip(u, program.lower, program.upper)
    # From nearly nothing, the most there is tells what sizes matter.
    most = abs(program.objective(program.upper))
    money = max(abs(program.objective(begin)), 1e-3 * most) or 1.0
    # All in units of the money at stake and of the outcome that it brings.
    size = np.maximum(np.abs(rows.matrix).max(axis=1, initial=0.0), 1e-300)
    low, high = rows.lower / size / unit, rows.upper / size / unit
    price = mu * size * unit / money
    stiff = np.full(price.shape, 10.0)
    bounds = Bounds(program.lower.ravel() / unit, program.upper.ravel() / unit)
    x = begin.ravel() / unit

    def lack(product: Array) -> Array:
        """How far shifted row values are outside of their ends."""
        shifted = product + price / stiff
        return np.asarray(np.where(shifted > high, shifted - high, np.minimum(shifted - low, 0.0)))

    cost = program.cost * program.spread.sum(axis=1)

    def loss(x: Array) -> tuple[float, Array]:
        work.charge(_EVALUATION_S)
        plan = np.clip(x.reshape(u.shape) * unit, program.lower, program.upper)
        off = lack((rows.matrix @ x) / size)
        z = np.matmul(program.carry, plan[:, :, None])[:, :, 0] + program.carry_in
        gain = program.value * float(program.response(z).sum()) - float((cost * plan).sum())
        steep = np.minimum(program.slopes_at(z), _MOST)  # carried nowhere, inf would be no number
        with np.errstate(over="ignore"):
            rise = np.matmul(steep[:, None, :], program.carry)[:, 0, :]
            slope = (cost - program.value * rise).ravel() * (unit / money)
        slope = np.clip(slope, -_STEEP, _STEEP)
        penalty = 0.5 * float((stiff * off * off).sum())
        return penalty - gain / money, slope + ((stiff * off) / size) @ rows.matrix

    climb: Any = minimize
    before = np.inf
    for turn in range(_ROUNDS):
        options = {"maxiter": 150 if turn else 60, "maxcor": 15, "ftol": 1e-10, "gtol": 1e-8}
        found = climb(loss, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        x = np.asarray(found.x)
        product = (rows.matrix @ x) / size
        price = stiff * lack(product)
        miss = float(np.maximum(product - high, low - product).max(initial=0.0))
        if miss < 1e-6 or work.now() > deadline:
            break
        if miss > 0.25 * before:
            stiff = stiff * 5.0
        before = miss
    plan = repair(program, x.reshape(u.shape) * unit)
    return None if plan is None else (plan, price / size / unit * money)
