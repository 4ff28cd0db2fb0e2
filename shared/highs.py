"""Linear and mixed-integer programmes by HiGHS (through scipy), with their work counted.

HiGHS has a clock of its own: it gets a number of nodes in place of seconds, and the real time left
as its limit. Some of its remarks go to file descriptor 1 whatever it is told; here they do not.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared import work

__all__ = ["OPTIMAL", "STOPPED", "linprog", "milp"]

OPTIMAL, STOPPED = 0, 1
"""scipy's words for the end of a programme; the second is a limit of work or time."""

_NODES_REACHED = 4
_LP_S, _PIVOT_S, _ENTRY_S = 2e-3, 6e-5, 1e-7
_NODE_S = 1.2e-2
_LEAST_S = 0.05

_one_at_a_time = threading.Lock()


def linprog(cost: ArrayLike, *, exact: bool = False, dual: bool = False, **rules: Any) -> Any:
    """scipy's ``linprog``; ``exact`` is to 1e-10, ``dual`` by the dual simplex method."""
    from scipy.optimize import linprog as solve

    options = {"time_limit": seconds} if np.isfinite(seconds := _real_seconds()) else {}
    if exact:
        options |= {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    door: Any = solve
    found = door(cost, method="highs-ds" if dual else "highs", options=options, **rules)
    size = sum(_entries(rules[name]) for name in ("A_ub", "A_eq") if rules.get(name) is not None)
    work.charge(_LP_S + _PIVOT_S * int(found.nit) + _ENTRY_S * size)
    return found


def milp(
    cost: ArrayLike, *, deadline: float, gap: float, nodes: int | None = None, **rules: Any
) -> Any:
    """scipy's ``milp`` to a relative ``gap``, until ``deadline`` (``work.now``) or ``nodes``.

    Its ``status`` is :data:`STOPPED` where work or time ran out, not where ``nodes`` did.
    """
    from scipy.optimize import milp as solve

    constraints = rules.get("constraints") or []
    size = sum(_entries(one.A) for one in _listed(constraints))
    each = _NODE_S + _ENTRY_S * size
    left = max(round((deadline - work.now()) / each), 1) if np.isfinite(deadline) else 1 << 30
    allowed = left if nodes is None else min(nodes, left)
    options: dict[str, Any] = {
        "disp": False,
        "mip_rel_gap": gap,
        "node_limit": max(min(allowed, 1 << 30), 1),
    }
    if np.isfinite(seconds := _real_seconds()):
        options["time_limit"] = seconds
    door: Any = solve
    with _quiet():
        found = door(cost, options=options, **rules)
    work.charge(each * (1 + int(found.mip_node_count or 0)))
    if found.status == _NODES_REACHED and (nodes is None or left < nodes):
        found.status = STOPPED
    return found


def _real_seconds() -> float:
    return max(work.seconds_left(), _LEAST_S)


def _listed(constraints: Any) -> Any:
    return constraints if isinstance(constraints, (list, tuple)) else [constraints]


def _entries(matrix: Any) -> int:
    stored = getattr(matrix, "nnz", None)
    return int(np.size(matrix) if stored is None else stored)


@contextmanager
def _quiet() -> Iterator[None]:
    """Descriptor 1 leads nowhere inside; where it cannot be redirected, nothing is done."""
    with _one_at_a_time:
        try:
            sys.stdout.flush()
            kept = os.dup(1)
        except (OSError, ValueError):
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(nowhere)
            os.close(kept)
