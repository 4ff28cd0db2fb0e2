"""The mixed-integer programme over pieces of the curves, as one of the methods by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.solve.named.space import Searched
from shared.solve.program.piecewise import solve_piecewise

__all__ = ["search_pieces"]

Array = NDArray[np.float64]


def search_pieces(
    program: Program, *, gap: float, deadline: float, start: Array | None
) -> Searched | None:
    """The best plan (flat) that the programme meets on its way; None where it meets none."""
    found = solve_piecewise(program, gap=gap, deadline=deadline, start=start)
    if found.u is None:
        return None
    return Searched(
        point=found.u.ravel(),
        value=found.value,
        evaluations=found.rounds,
        note=(
            "A mixed-integer programme over straight pieces of the curves, refined around its "
            f"plans in {found.rounds} rounds."
        ),
        finished=work.now() < deadline,
    )
