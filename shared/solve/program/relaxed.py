"""What every relaxer of programs returns, from an iterate in scaled units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.solve.program.interior_scale import Scaled

__all__ = ["INFEASIBLE", "OPTIMAL", "RelaxedProgram", "answer", "least_possible"]

Array = NDArray[np.float64]

OPTIMAL = "optimal"
INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True, eq=False)
class RelaxedProgram:
    """The relaxation's answer on a box.

    Attributes
    ----------
    u, z
        (A, K) and (A, H): decisions, and the adstocked spend that follows from them.
    mu
        (m,) prices of the rows in the objective's unit: positive at an upper side, negative at a
        lower one.
    nu
        (A, H) prices of adstocked spend, in outcomes (``value`` not counted): envelopes' slopes.
    theta
        (f,) multipliers of the targets: the objective gained where one is relaxed by an outcome.
    value
        Objective of the envelopes at ``u``.
    bound
        No feasible plan in the box has a higher objective, by these multipliers and the envelopes
        (in floating point, not rounded outward: the certificate does that).
    status
        "optimal", "infeasible" (``bound``, by ``mu`` and ``nu``, is below every objective that the
        box allows), "cut off" (``bound`` is at most the cutoff asked for) or "stopped" (short of
        the gap asked for: ``bound`` still holds).
    """

    u: Array
    z: Array
    mu: Array
    nu: Array
    value: float
    bound: float
    status: str
    iterations: int
    theta: Array


def answer(
    scaled: Scaled,
    unit: Array,
    pieces: Array,
    rise: Array,
    slope: Array,
    nu: Array,
    mu: Array,
    theta: Array,
    *,
    status: str = "stopped",
    iterations: int = 0,
) -> RelaxedProgram:
    """The answer in the program's units; ``rise`` and ``slope`` are the envelopes' at pieces."""
    mu = scaled.signed(mu)
    u = scaled.from_unit(unit)
    value = scaled.objective(unit, rise)
    lack = scaled.money * scaled.gap(unit, pieces, rise, slope, nu, mu, theta)
    return RelaxedProgram(
        u=u,
        z=scaled.program.adstocked(u),
        mu=scaled.mu_out(mu),
        nu=scaled.nu_out(nu, theta),
        value=value,
        bound=value + lack,
        status=status,
        iterations=iterations,
        theta=theta * (scaled.worth * scaled.money),
    )


def least_possible(scaled: Scaled) -> float:
    """An objective that no plan in the box falls short of: a bound below it proves there is none.

    Envelopes are concave, so least at an end of their range; the whole box is paid for.
    """
    whole = np.where(scaled.linked, scaled.envelope.evaluate(scaled.envelope.length)[0], 0.0)
    fall = float(np.minimum(whole, 0.0).sum())
    none = scaled.objective(np.zeros(scaled.u_shape), np.zeros(scaled.linked.shape))
    paid = scaled.money * float(np.maximum(scaled.cost, 0.0).sum())
    return none + scaled.program.value * fall - paid
