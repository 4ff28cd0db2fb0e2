"""One door for every goal on one budget: solved, certified, and infeasible targets named.

What :func:`shared.solve.dispatch.solve` is for the most outcome, :func:`solve_goal` is for profit,
the least spend, and efficiency targets, with the budget fixed, capped or free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible, NotSupportedYet
from shared.problem.aim import Aim, Floor
from shared.problem.canonical import Canonical, marginal, outcome
from shared.problem.model import SolverOptions
from shared.problem.plain_program import as_program
from shared.problem.proof import Proof
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.goals.targets import AimSolved, solve_aim

__all__ = ["GoalSolved", "TargetPrice", "solve_goal"]

Array = NDArray[np.float64]
_METHODS = ("auto", "lagrangian", "branch_and_bound")


@dataclass(frozen=True, slots=True)
class TargetPrice:
    """How the objective moves when a target (or the budget) is relaxed by one of its own units."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class GoalSolved:
    """A plan for a goal with its certificate.

    Attributes
    ----------
    certificate
        In the sense of maximising; for the least spend ``objective`` and ``upper_bound`` are minus
        money, which :attr:`stated` turns round.
    prices
        Of the budget (0 where money is left) and of the targets that hold the plan.
    finished
        Whether the gap was reached before the time limit.
    """

    canonical: Canonical
    aim: Aim
    spend: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: Proof
    certificate: Certificate
    prices: tuple[TargetPrice, ...]
    finished: bool
    solve_ms: float

    @property
    def stated(self) -> tuple[float, float, str]:
        """Objective, bound, and the bound's name in the contract."""
        found = self.certificate
        if self.aim.value == 0.0:
            return -found.objective, -found.upper_bound, "lower_bound"
        return found.objective, found.upper_bound, "upper_bound"


def solve_goal(
    canonical: Canonical, aim: Aim, options: SolverOptions, start: Array | None = None
) -> GoalSolved:
    """Solve a goal; both arguments come from ``shared.problem.free_budget.canonicalise_goal``.

    Raises
    ------
    Infeasible
        Naming the targets that no plan meets and the best that can be reached.
    NotSupportedYet
        A method other than the exact ones.
    """
    if options.method not in _METHODS:
        raise NotSupportedYet.at(
            "/solver/method",
            "not_supported_yet",
            f"The method {options.method} is not built for this goal yet.",
        )
    found = solve_aim(canonical, aim, options, start)
    idle = found.spend is not None and float(found.spend.sum()) <= 1e-9 * canonical.budget
    if found.spend is None or idle:
        _refuse(canonical, aim, options, found)
    if found.spend is None:
        raise _unknown(aim)
    torn = found.nodes > 1
    return GoalSolved(
        canonical=canonical,
        aim=aim,
        spend=found.spend,
        method="branch_and_bound" if torn else "lagrangian",
        why=_why(aim, torn=torn, finished=found.finished),
        iterations=found.iterations,
        nodes=found.nodes,
        proof=found.proof,
        certificate=certify(as_program(canonical).aimed(aim), found.spend[:, None], found.proof),
        prices=_prices(canonical, aim, found.spend, _slope(canonical, found)),
        finished=found.finished,
        solve_ms=found.solve_ms,
    )


def _why(aim: Aim, *, torn: bool, finished: bool) -> str:
    what = {
        "maximize_profit": "Profit is decided by the price of money alone: one outcome's worth.",
        "minimize_spend": "The least spend is found through the price of the last outcome bought.",
    }.get(aim.goal, "The total is found where the target just holds.")
    if torn:
        what += (
            " Some curves are S-shaped, so many plans look locally best: concave envelopes bound "
            "them all and branch and bound closes the gap."
        )
    return what if finished else what + " The time limit came first, so a gap is left and stated."


def _refuse(canonical: Canonical, aim: Aim, options: SolverOptions, found: AimSolved) -> None:
    """Raise where no plan meets the floors, or none but to spend nothing at all."""
    unmet = [floor for floor in aim.floors if not _reachable(canonical, floor, options)]
    chosen = unmet or (list(aim.floors) if found.spend is None and found.finished else [])
    if not chosen:
        return
    conflicts: list[Conflict] = []
    for floor in chosen:
        alone = f"{floor.name} is {floor.asked:,.6g}; alone it could be met."
        own = Conflict(floor.name, alone, 0.0)
        if unmet:
            own = floor.unmet(floor.stated(_best(canonical, floor, options)))
        conflicts.append(own)
    said = " ".join(conflict.message for conflict in conflicts)
    budget = canonical.spend_all or canonical.budget == 0.0
    budget = budget or any(floor.constant > 0.0 for floor in chosen)
    if budget and not aim.free:
        conflicts.append(Conflict("budget", f"The budget is {canonical.budget:,.2f}.", 0.0))
    together = "cannot be met" if unmet else "cannot be met together"
    names = " and ".join(floor.name for floor in chosen)
    raise Infeasible(f"{names} {together} by any plan. {said}", conflicts)


def _unknown(aim: Aim) -> Infeasible:
    names = " and ".join(floor.name for floor in aim.floors) or "the bounds"
    return Infeasible(
        f"No plan that meets {names} was found within the time limit; it was not proven that there "
        "is none. A longer solver.time_limit_s may find one.",
        [Conflict(floor.name, f"{floor.name} is {floor.asked:,.6g}.", 0.0) for floor in aim.floors],
    )


def _reachable(canonical: Canonical, floor: Floor, options: SolverOptions) -> bool:
    """Whether some plan that spends anything meets one floor by itself."""
    return _best(canonical, floor, options) >= (floor.constant or floor.per_money) * (1.0 - 1e-9)


def _best(canonical: Canonical, floor: Floor, options: SolverOptions) -> float:
    """The largest outcome, or outcome per money, that any plan reaches (to solver accuracy).

    A best ratio is found by Dinkelbach's method: maximise ``F - r S`` with r the best ratio so far.
    """
    if floor.per_money == 0.0:
        found = solve_aim(canonical, Aim(), options).spend
        return 0.0 if found is None else float(outcome(canonical, found).sum())
    ratio = 0.0
    for _ in range(40):
        found = solve_aim(canonical, Aim("maximize_profit", 1.0, ratio), options).spend
        if found is None or float(found.sum()) <= 0.0:
            break
        spend = float(found.sum())
        better = float(outcome(canonical, found).sum()) / spend
        if better <= ratio * (1.0 + 1e-9):
            break
        ratio = better
    return ratio


def _prices(canonical: Canonical, aim: Aim, spend: Array, price: float) -> tuple[TargetPrice, ...]:
    """Stationarity: ``price (value + theta) = cost + theta per_money + the budget's own price``."""
    brings, costs = float(outcome(canonical, spend).sum()), float(spend.sum())
    unit = {
        "minimize_spend": "money",
        "maximize_profit": "profit",
        "weighted_sum": "weighted sum",
    }.get(aim.goal, "outcome")
    out: list[TargetPrice] = []
    free = 0.0
    held = [f for f in aim.floors if _binds(f, brings, costs) and price != f.per_money]
    full = canonical.spend_all or costs >= canonical.budget * (1.0 - 1e-9)
    if held and not canonical.spend_all:
        floor = held[0]
        theta = (aim.value * price - aim.cost) / (floor.per_money - price)
        gain = max(theta, 0.0) * abs(floor.per_unit(costs))
        out.append(TargetPrice(floor.name, gain, f"{unit} per unit of the target"))
    elif full and aim.value > 0.0:
        free = aim.value * price - aim.cost
    out.insert(0, TargetPrice("budget", free, f"{unit} per unit of money"))
    return tuple(out)


def _slope(canonical: Canonical, found: AimSolved) -> float:
    """Outcome gained by one more unit of money where it does most from the plan."""
    assert found.spend is not None
    tiny = 1e-9 * canonical.budget
    widens = np.array([by == "budget" for by in canonical.upper_by], dtype=bool)
    slopes = marginal(canonical, found.spend)
    takes = ((found.spend < canonical.upper - tiny) | widens) & np.isfinite(slopes)
    return float(slopes[takes].max()) if np.any(takes) else found.price


def _binds(floor: Floor, brings: float, costs: float) -> bool:
    asked = floor.constant + floor.per_money * costs
    return abs(brings - asked) <= 1e-7 * max(abs(asked), abs(brings))
