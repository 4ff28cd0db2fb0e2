"""Floors under a measure of risk: for each the least multiplier at which the best plan meets it.

The target of the least spend holds in the measure itself; efficiency targets hold in expectation
(:mod:`shared.problem.risk_program`). As the outcome is concave in the mix of two plans where curves
are, the mix of a plan that misses a floor and one that meets it is offered where the floor just
holds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Infeasible
from shared.problem.risk_program import brings_by, in_measure, missed
from shared.solve.program.program_targets import solve_targets
from shared.solve.risk.program_risk_search import RiskSearch, search_plain
from shared.solve.risk.weights import nonnegative, tidy

__all__ = ["meet_floors"]

Array = NDArray[np.float64]
_ROUNDS = 24


def meet_floors(search: RiskSearch) -> None:
    """Find plans that meet the floors, and multipliers that bound all of them.

    Raises
    ------
    Infeasible
        Naming a floor that no plan meets.
    """
    theta = _begin(search)
    for _ in range(1 if len(theta) == 1 else 2):
        for floor in range(len(theta)):
            theta = _root(search, theta, floor)
            if search.done():
                return


def _begin(search: RiskSearch) -> tuple[float, ...]:
    """Offer a plan that meets all floors; multipliers to begin with."""
    program, aim, options = search.program, search.aim, search.options
    kinds = in_measure(aim)
    short = replace(options, time_limit_s=0.2 * options.time_limit_s)
    if any(kinds):
        own = aim.floors[kinds.index(True)]
        rich = RiskSearch(replace(program, value=1.0, cost=0.0, risk=search.risk), short)
        search_plain(rich)
        search.nodes, search.iterations = rich.nodes, rich.iterations
        assert rich.certificate is not None
        assert rich.u is not None
        if rich.certificate.upper_bound < own.constant * (1.0 - 1e-12):
            best = rich.value
            unmet = own.unmet(best, f", read by {search.risk.measure} over the draws,")
            raise Infeasible(f"{own.name} cannot be met by any plan. {unmet.message}", [unmet])
        search.offer(rich.u)
        if len(aim.floors) == 1:
            return (0.0,)
    found = solve_targets(program.aimed(aim), replace(short, method="auto", gap=1e-2), search.u)
    search.nodes += found.nodes
    search.offer(found.plan)
    return (0.0,) * len(aim.floors)


def _at(search: RiskSearch, theta: tuple[float, ...], floor: int) -> float:
    """Solve at these multipliers; the surplus of the best plan there over one floor."""
    limit = 0.15 * search.options.time_limit_s
    value, _ = search.lifted(theta)
    best = search.u if search.u is not None else search.short
    if best is None or (value == 0.0 and not search.program.pairs):
        best = search.prove(search.even, theta, limit)
    weights = search.own_weights(best)
    if value > 0.0 and search.risk.measure != "quantile":
        starts = [best] if search.short is None else [best, search.short]
        if not search.bent:
            starts = [max(starts, key=lambda u: search.reads(u, theta))]
        for start in starts:
            plan, there = search.rise(start, theta)
            if search.reads(plan, theta) >= search.reads(best, theta):
                best, weights = plan, there
        weights = tidy(search.risk, weights)
    relaxed = search.prove(weights, theta, limit)
    if np.any(weights < 0.0) and not search.done():
        search.prove(nonnegative(search.risk, weights), theta, limit)
    if search.reads(relaxed, theta) > search.reads(best, theta):
        best = relaxed
    search.offer(best)
    asked, costs = search.aim.floors[floor], float(search.program.spend(best).sum())
    found = brings_by(search.read, best)[floor] - asked.constant - asked.per_money * costs
    if found < 0.0:
        search.short = best
    _between(search)
    return found


def _between(search: RiskSearch) -> None:
    """Offer the mix of a plan that misses and the best that meets, where the floors just hold."""
    if search.short is None or search.u is None or search.program.discrete:
        return
    step, good, share = search.short - search.u, 0.0, 0.5
    for _ in range(40):
        trial = search.u + (good + share) * step
        if missed(search.read, trial) <= 0.0:
            good += share
        share *= 0.5
    if good > 0.0:
        search.offer(search.u + good * step)


def _root(search: RiskSearch, theta: tuple[float, ...], floor: int) -> tuple[float, ...]:
    """The least multiplier of one floor with a surplus: doubling, then halving by false position.

    See ``shared.solve.program.program_targets`` for the same without a measure.
    """

    def at(t: float) -> float:
        return _at(search, (*theta[:floor], t, *theta[floor + 1 :]), floor)

    low, short = 0.0, at(0.0)
    if short >= 0.0 or search.done():
        return (*theta[:floor], 0.0, *theta[floor + 1 :])
    program = search.program
    size = max(abs(program.outcome(program.upper)), 1e-300)
    money = max(float(program.spend(program.upper).sum()), 1e-300)
    unit = 1.0 if search.aim.value > 0.0 else money / size
    high = max(theta[floor], unit)
    held = at(high)
    while held < 0.0 and high < 1e9 * max(1.0, unit) and not search.done():
        low, short, high = high, held, 4.0 * high
        held = at(high)
    side = 0
    for turn in range(_ROUNDS):
        if search.done() or held < 0.0 or high - low <= 1e-12 * high:
            break
        share = -short / (held - short) if held > short and turn % 4 != 3 else 0.5
        t = low + min(max(share, 0.01), 0.99) * (high - low)
        over = at(t)
        if over < 0.0:
            low, short, held = t, over, 0.5 * held if side == -1 else held
            side = -1
        else:
            high, held, short = t, over, 0.5 * short if side == 1 else short
            side = 1
    return (*theta[:floor], high, *theta[floor + 1 :])
