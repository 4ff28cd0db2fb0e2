"""Shadow prices of a general program: the budget and every limit that holds the plan, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.multipliers import Prices, Relaxed, Tight
from shared.plan.score import finite
from shared.problem.aim import Floor
from shared.problem.program import Program
from shared.solve.program.interactions import linear_weights

__all__ = ["BINDING_TOLERANCE", "Priced", "money_per_unit", "priced", "tied_rows", "tight_rows"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINDING_TOLERANCE = 1e-7
"""A limit binds where the plan is within this share of the money at stake of it."""

LOOSER = (1e-7, 1e-6, 1e-5, 1e-4)
"""Tolerances tried in turn: a plan to a loose gap keeps a little away from what holds it."""

STATIONARY = 1e-4
"""Slopes accounted for to this share of the largest one make prices good to three digits."""

DOUBTFUL = 2e-2
"""Beyond this the plan is not yet stationary, and its prices are called approximate."""

UNITS = {"minimize_spend": "money", "maximize_profit": "profit", "weighted_sum": "weighted sum"}


@dataclass(frozen=True, slots=True)
class Priced:
    """The answer's ``shadow_prices``, and what should be known of them: (code, message)."""

    prices: list[dict[str, Any]]
    notes: tuple[tuple[str, str], ...]


def priced(
    program: Program,
    u: Floats,
    *,
    goal: str,
    floors: Sequence[Floor] = (),
    kept: float = 1.0,
    deadline: float = np.inf,
) -> Priced:
    """Gain in the objective per unit of relaxing the budget and each limit that binds, by name.

    A limit that holds several periods is relaxed in all of them by one unit of money; a share, by
    one unit of money beyond it in each; a target, by one of its own unit. Lots and what is switched
    off stay as they are. Where raising and lowering a limit differ, the price is of relaxing it.

    Parameters
    ----------
    u
        (A, K) decisions, stationary but for rounding.
    floors
        Efficiency targets of the goal.
    kept
        Share of the budget that is not held back for tests: a unit of budget is so much money.
    deadline
        Of ``work.now``: past it, prices that are not unique may be of either side.
    """
    names = [name for name, _ in _moves(program, u, floors, BINDING_TOLERANCE)]
    best: tuple[float, Prices, float] | None = None
    for tolerance in LOOSER:
        prices = Prices(_tight(program, u, floors, tolerance), deadline)
        if best is None or prices.residual < 0.5 * best[0]:
            best = (prices.residual, prices, tolerance)
        if best[0] <= STATIONARY:
            break
    assert best is not None
    residual, prices, tolerance = best
    unit = UNITS.get(goal, "outcome")
    worth = {name: prices.worth(move) for name, move in _moves(program, u, floors, tolerance)}
    out = []
    for name in dict.fromkeys([*names, *worth]):
        value = worth.get(name, 0.0)
        own = f"{unit} per unit of money"
        if any(name == floor.name for floor in floors):
            own = f"{unit} per unit of the target"
        elif _of_budget(name):
            value *= kept
            if name == "budget" and kept < 1.0:
                out.append(_price("test_reserve", value / kept, own))
        elif name not in names and not value > STATIONARY * abs(worth.get("budget", 0.0)):
            continue
        out.append(_price(name, value, own))
    if "budget" in program.rows.names and "budget" not in worth:
        out.insert(0, _price("budget", 0.0, f"{unit} per unit of money"))
    out.sort(key=lambda price: price["name"] != "budget")
    return Priced(out, _notes(residual, sided=prices.sided))


def _notes(residual: float, *, sided: bool) -> tuple[tuple[str, str], ...]:
    notes = []
    if residual > DOUBTFUL:
        message = (
            "The plan is not quite a best one nearby, so shadow prices are approximate: slopes "
            f"differ by up to {100 * min(residual, 1.0):.0f} % of the largest."
        )
        notes.append(("shadow_prices_approximate", message))
    if not sided:
        message = (
            "Several sets of shadow prices explain the plan and time ran out: some may be what "
            "tightening a limit costs rather than what relaxing it brings."
        )
        notes.append(("shadow_prices_either_side", message))
    return tuple(notes)


def tight_rows(program: Program, u: Floats, tolerance: float) -> tuple[Flags, Flags]:
    """(m,) rows that hold at their lower and at their upper side."""
    slack = tolerance * max(program.scale, 1e-12)
    product = program.rows.matrix @ u.ravel()
    return np.abs(product - program.rows.lower) <= slack, np.abs(
        program.rows.upper - product
    ) <= slack


def _price(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": finite(value), "unit": unit}


def _of_budget(name: str) -> bool:
    return name.partition("[")[0] == "budget"


def money_per_unit(program: Program) -> Floats:
    """(A, K) money of all periods per unit of a decision; of a sum of arms, what they spend."""
    money = np.abs(program.spread).sum(axis=1)
    return np.asarray(np.where(money > 0.0, money, money.max(initial=1e-300)))


def tied_rows(program: Program) -> Flags:
    """(m,) rows that only say that an arm is the sum of others."""
    cells = program.rows.matrix.reshape(-1, program.arms, program.columns)
    return np.asarray(np.any(cells[:, program.arms - len(program.sums) :] != 0.0, axis=(1, 2)))


def _sides(program: Program, u: Floats, tolerance: float) -> tuple[Flags, Flags, Flags]:
    """(A, K) at the floor, at the roof, and free to move at all."""
    slack = tolerance * max(program.scale, 1e-12)
    per_unit = money_per_unit(program)
    used = u * per_unit > slack
    least = np.where(used, program.least_active, 0.0)
    floor = (u - np.maximum(program.lower, least)) * per_unit <= slack
    roof = (program.upper - u) * per_unit <= slack
    roof &= ~_only_by_budget(program)
    free = np.repeat((program.lot <= 0.0)[:, None], program.columns, axis=1)
    free &= used | (program.least_active <= 0.0)
    for limit in program.at_most:
        arms = list(dict.fromkeys(limit.arms))
        active = used[arms].any(axis=1)
        if int(active.sum()) >= limit.count:
            free[[a for a, on in zip(arms, active, strict=True) if not on]] = False
    return floor, roof, free


def _only_by_budget(program: Program) -> Flags:
    """(A, K) ceilings that are no limit of their own: what a budget leaves, and no more.

    A channel's own ceiling is the same in every period, so one below it is the budget's.
    """
    own = np.array([by not in ("", "budget") for by in program.upper_by])[:, None]
    most = program.upper.max(axis=1, keepdims=True)
    return np.asarray(~own | (program.upper < most * (1.0 - 1e-12)))


def _tight(program: Program, u: Floats, floors: Sequence[Floor], tolerance: float) -> Tight:
    floor, roof, free = _sides(program, u, tolerance)
    gradient, brings = _gradients(program, u)
    low, high = tight_rows(program, u, tolerance)
    matrix = program.rows.matrix
    equal = low & high
    money = program.spread.sum(axis=1)
    targets = [(t.per_money * money - brings).reshape(1, -1) for t in _holding(program, u, floors)]
    stacked = np.concatenate((matrix[high | equal], -matrix[low & ~equal], *targets))
    upper = int(np.sum(high | equal))
    both = np.concatenate((equal[high | equal], np.zeros(len(stacked) - upper, bool)))
    room = np.minimum(u - program.lower, program.upper - u) * money_per_unit(program)
    trust = np.clip(room / (1e-4 * max(program.scale, 1e-12)), 0.0, 1.0)
    trust = np.where(floor | roof, 1.0, np.maximum(trust, 1e-3))
    return Tight(
        gradient=gradient.ravel(),
        rows=np.where(np.isfinite(stacked), stacked, 0.0),
        equal=both,
        floor=floor.ravel(),
        roof=roof.ravel(),
        free=free.ravel(),
        trust=trust.ravel(),
    )


def _gradients(program: Program, u: Floats) -> tuple[Floats, Floats]:
    """(A, K) slopes of the objective and of the outcome, interactions included; inf where steep."""
    z = program.adstocked(u)
    slopes = program.slopes(u)
    if program.pairs:
        weight = program.weight
        mixed = linear_weights(program, z)
        slopes = slopes * np.divide(mixed, weight, out=np.ones_like(weight), where=weight > 0.0)
    steep = ~np.isfinite(slopes)
    brings = np.einsum("ahk,ah->ak", program.carry, np.where(steep, 0.0, slopes))
    touched = np.einsum("ahk,ah->ak", program.carry, steep.astype(np.float64)) > 0.0
    brings = np.where(touched, np.inf, brings)
    value = program.value * brings if program.value > 0.0 else np.zeros_like(brings)
    return value - program.cost * program.spread.sum(axis=1), brings


def _holding(program: Program, u: Floats, floors: Sequence[Floor]) -> list[Floor]:
    """Targets that the plan only just meets."""
    brings, costs = program.outcome(u), float(program.spend(u).sum())
    return [
        f
        for f in floors
        if abs(brings - f.constant - f.per_money * costs)
        <= 1e-6 * max(abs(f.constant) + f.per_money * costs, abs(brings))
    ]


def _moves(
    program: Program, u: Floats, floors: Sequence[Floor], tolerance: float
) -> Iterator[tuple[str, Relaxed]]:
    """Every limit that is tight, by name, with what relaxing it by one unit moves."""
    low, high = tight_rows(program, u, tolerance)
    equal = low & high
    order = [*np.flatnonzero(high | equal).tolist(), *np.flatnonzero(low & ~equal).tolist()]
    targets = _holding(program, u, floors)
    count, cells = len(order) + len(targets), u.size
    none = np.zeros(cells)
    by_name: dict[str, Floats] = {}
    tied = tied_rows(program)
    for i, row in enumerate(order):
        if tied[row]:
            continue
        by_name.setdefault(program.rows.names[row], np.zeros(count))[i] = 1.0
    for name, moved in by_name.items():
        yield name, Relaxed(moved, none, none, shift=_of_budget(name))
    for name, down, up in _bound_moves(program, u, tolerance):
        yield name, Relaxed(np.zeros(count), down.ravel(), up.ravel(), shift=False)
    costs = float(program.spend(u).sum())
    for i, target in enumerate(targets):
        moved = np.zeros(count)
        moved[len(order) + i] = {"target_outcome": 1.0, "target_roas": costs}.get(
            target.name, costs / target.asked**2
        )
        yield target.name, Relaxed(moved, none, none, shift=False)


def _bound_moves(
    program: Program, u: Floats, tolerance: float
) -> Iterator[tuple[str, Floats, Floats]]:
    """Bounds of the arms: (A, K) by how much a decision's floor falls and its roof rises."""
    floor, roof, _ = _sides(program, u, tolerance)
    slack = tolerance * max(program.scale, 1e-12)
    per_unit = money_per_unit(program)
    spends = program.spread > 0.0
    spends[program.arms - len(program.sums) :] = spends[0]
    spread = np.where(spends, np.maximum(program.spread, program.spread[0]), program.spread)
    # One unit of money in each period is so much of a share: by the smallest budget for floors.
    least = np.min(spread, axis=1, where=spends, initial=np.inf)
    most = np.max(spread, axis=1, where=spends, initial=0.0)
    down = np.where(np.isfinite(least), 1.0 / np.where(np.isfinite(least), least, 1.0), 0.0)
    up = np.where(most > 0.0, 1.0 / np.where(most > 0.0, most, 1.0), 0.0)
    for a in range(program.arms):
        by_name: dict[str, tuple[Floats, Floats]] = {}

        def at(
            name: str, found: dict[str, tuple[Floats, Floats]] = by_name
        ) -> tuple[Floats, Floats]:
            return found.setdefault(name, (np.zeros(u.shape), np.zeros(u.shape)))

        minimum = program.least_active[a] > 0.0
        here = floor[a] & ~minimum
        if program.lower_by[a] and np.any(here):
            at(program.lower_by[a])[0][a] = np.where(here, down[a], 0.0)
        here = floor[a] & minimum & (u[a] * per_unit[a] > slack)
        if np.any(here):
            at("minimum_if_active")[0][a] = np.where(here, down[a], 0.0)
        if program.upper_by[a] and np.any(roof[a]):
            at(program.upper_by[a])[1][a] = np.where(roof[a], up[a], 0.0)
        for name, (falls, rises) in by_name.items():
            yield f"{program.names[a]}.{name}", falls, rises
