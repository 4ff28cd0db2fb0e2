"""Whether any plan keeps all the rules; if none does, the fewest rules that cannot hold together.

A conflict is found the way an irreducible infeasible subset is (Chinneck, 2008, "Feasibility and
Infeasibility in Optimization"): the multipliers of the elastic problem leave few candidates, and a
deletion filter keeps those without which the rest could hold. Names are the caller's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import Conflict, Infeasible, InputTooLarge
from shared.problem.linear_model import (
    ceiling_names,
    farkas_support,
    floor_names,
    limit_names,
    solve_linear,
)
from shared.problem.program import Program
from shared.problem.repair import repair, rounded

__all__ = ["feasible_point", "repair"]

Array = NDArray[np.float64]
_NAMING = 5.0  # seconds to name a conflict in, whatever the deadline


def feasible_point(program: Program, deadline: float = np.inf) -> Array:
    """Decisions (A, K) that keep every rule to rounding; what they are worth is not looked at.

    Parameters
    ----------
    deadline
        Of ``work.now``; a conflict is given some seconds more to be named.

    Raises
    ------
    Infeasible
        With the smallest conflict, by names, and what it misses by.
    InputTooLarge
        Where neither a plan nor its absence was found in time.
    """
    middle = 0.5 * (program.lower + program.upper)
    plan = rounded(program, middle)
    if plan is not None:
        return plan
    if program.discrete:
        # Rows alone first: choices are mostly there to be rounded from it.
        relaxed = solve_linear(program, discrete=False, deadline=deadline)
        plan = None if relaxed is None else rounded(program, relaxed.u)
        if plan is not None:
            return plan
    found = solve_linear(program, deadline=deadline)
    if found is not None:
        plan = repair(program, found.u, deadline)
        if plan is not None:
            return plan
    raise _infeasible(program, max(deadline, work.now() + _NAMING))


def _infeasible(program: Program, deadline: float) -> Infeasible:
    if not _holds(program, limit_names(program), deadline, discrete=False):
        candidates = farkas_support(program)
        if _holds(program, candidates, deadline, discrete=False):  # multipliers too small to see
            candidates = limit_names(program)
        kept = _filtered(program, candidates, deadline, discrete=False)
    elif not _holds(program, limit_names(program), deadline, discrete=True):
        kept = _filtered(program, limit_names(program), deadline, discrete=True)
    else:  # missed by less than HiGHS can see
        kept = farkas_support(program)
    try:
        elastic = solve_linear(program, kept, elastic=True)
    except InputTooLarge:
        elastic = None
    missed = 0.0 if elastic is None else elastic.missed
    conflicts = [Conflict(name, _asks(program, name), missed) for name in kept]
    if not kept:
        return Infeasible("No plan keeps all the rules at once.", [])
    by = f": they miss by {missed:,.2f}" if missed >= 0.005 else ""
    verb = "cannot hold together" if len(kept) > 1 else "cannot hold"
    return Infeasible(f"{_and(kept)} {verb}{by}.", conflicts)


def _holds(program: Program, names: Sequence[str], deadline: float, *, discrete: bool) -> bool:
    try:
        return solve_linear(program, names, discrete=discrete, deadline=deadline) is not None
    except InputTooLarge:  # not shown to be in conflict
        return True


def _filtered(
    program: Program, names: Sequence[str], deadline: float, *, discrete: bool
) -> tuple[str, ...]:
    """Leave out, in halves and then one by one, whatever the conflict does not need."""
    kept, chunk = list(names), max(len(names) // 2, 1)
    while True:
        at = 0
        while at < len(kept):
            trial = kept[:at] + kept[at + chunk :]
            if _holds(program, trial, deadline, discrete=discrete):
                at += chunk
            else:
                kept = trial
        if chunk == 1:
            return tuple(kept)
        chunk //= 2


def _asks(program: Program, name: str) -> str:
    """What one rule asks for, in a sentence."""
    for rule in program.at_most:
        if rule.name == name:
            return f"{name} allows at most {rule.count} active."
    for switch in program.switches:
        if switch.name == name:
            return f"{name} {switch.asks}."
    for i, found in enumerate(program.rows.names):
        if found == name:
            return _row_asks(name, float(program.rows.lower[i]), float(program.rows.upper[i]))
    for arm, own in enumerate(program.names):
        money = program.spread[arm].max()
        for k, (floor, roof) in enumerate(
            zip(floor_names(program, arm), ceiling_names(program, arm), strict=True)
        ):
            one = slice(None) if isinstance(program.lower_by[arm], str) else slice(k, k + 1)
            least, most = program.lower[arm, one].max(), program.upper[arm, one].max()
            if floor == name and floor == roof:
                return f"{name} asks for exactly {float(least) * money:,.2f}."
            if floor == name:
                return f"{name} asks for at least {float(least) * money:,.2f}."
            if roof == name:
                return f"{name} allows at most {float(most) * money:,.2f}."
        if name == f"{own}.minimum_if_active":
            least = float(program.least_active[arm].max()) * money
            return f"{name} asks for nothing, or at least {least:,.2f}."
        if name == f"{own}.increment":
            return f"{name} asks for multiples of {float(program.lot[arm]):,.2f}."
    return f"{name} asks for something."


def _row_asks(name: str, low: float, high: float) -> str:
    if low == high:
        return f"{name} asks for exactly {low:,.2f}."
    if name.startswith("pacing."):
        return f"{name} limits the change from the period before."
    if low in (0.0, -np.inf) and high in (0.0, np.inf):
        return f"{name} limits a share."
    if np.isfinite(low) and np.isfinite(high):
        return f"{name} asks for {low:,.2f} to {high:,.2f}."
    if np.isfinite(low):
        return f"{name} asks for at least {low:,.2f}."
    return f"{name} allows at most {high:,.2f}."


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
