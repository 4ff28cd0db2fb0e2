"""How long the recheck of a proof will take: a search stops early enough to leave time for it."""

from __future__ import annotations

import time

import numpy as np

from shared.problem.program import Program
from shared.problem.proof import SplitDecision
from shared.problem.region import halves, root_region

__all__ = ["seconds_per_node"]

_ROUNDS = 4
_TAKEN = 2.0  # times what a split alone takes: the walk around it
_RESPONSES = 6.0  # as many as bounding a leaf roughly costs


def seconds_per_node(program: Program) -> float:
    """What each node of a proof adds to its recheck, in seconds, timed here and now.

    Half the nodes are splits and half are leaves. It decides when to stop, never what is proved.
    """
    try:
        root = root_region(program)
        if root is None:
            return 0.0
        widths = root.u_upper - root.u_lower
        arm, column = (int(i) for i in np.unravel_index(int(np.argmax(widths)), widths.shape))
        at = 0.5 * float(root.u_lower[arm, column] + root.u_upper[arm, column])
        split = leaf = 0.0
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            halves(program, root, SplitDecision(arm, column, at, 1, 2))
            middle = time.perf_counter()
            program.response(root.z_upper)
            split += (middle - began) / _ROUNDS
            leaf += (time.perf_counter() - middle) / _ROUNDS
    except (ValueError, IndexError):  # the certificate will say so
        return 0.0
    return 0.5 * (_TAKEN * split + _RESPONSES * leaf)
