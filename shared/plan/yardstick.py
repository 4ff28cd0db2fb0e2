"""What any plan for a problem is measured by, however the best one was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.plan.prices import bindings
from shared.plan.rows import allocation
from shared.plan.score import Score, score, totals
from shared.problem.arms import arms_of, own_bounds
from shared.problem.incumbent import ALLOWED
from shared.problem.lower import by_period, lower
from shared.problem.model import Problem
from shared.problem.program import Program
from shared.problem.risk_program import brings_by, objective
from shared.problem.switches import Switches

__all__ = ["Amounts", "Yardstick", "broken_by", "spend_of", "today_of", "violations", "yardstick"]

Floats = NDArray[np.float64]
Amounts = float | Sequence[float]
Broken = tuple[str, float, str]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Measures plans of one problem; ``spend`` is (A, T).

    ``program`` decides, ``by_period`` has one decision a period.
    """

    problem: Problem
    program: Program
    by_period: Program

    def score(self, spend: Floats) -> Score:
        """What the plan brings."""
        return score(self.by_period, spend)

    def objective(self, spend: Floats) -> float:
        """What is maximised (for the least spend: minus money)."""
        return objective(self.by_period, self.by_period.widened(spend))

    def held(self, spend: Floats) -> list[list[str]]:
        """Names of what holds each arm where it is."""
        return bindings(self.by_period, self.by_period.widened(spend))

    def told(self, spend: Floats, current: Score | None) -> dict[str, Any]:
        """A plan that was not solved for, as answers tell it."""
        mine = self.score(spend)
        return {
            "allocation": allocation(self.problem, mine, current, self.held(spend)),
            "totals": totals(self.problem, mine, current),
            "violations": violations(self, spend),
        }

    def broken(self, spend: Floats) -> Iterator[Broken]:
        """Every limit that the plan breaks: its name, by how much money, a sentence."""
        program, money = self.by_period, spend
        spend = program.widened(spend)
        slack = ALLOWED * max(program.scale, 1e-12)
        channels = [arm.channel for arm in arms_of(self.problem)]
        for a, name in enumerate(program.names):
            floors, roofs = np.array(program.floors_by(a)), np.array(program.roofs_by(a))
            low, high = program.lower[a] - spend[a], spend[a] - program.upper[a]
            for by in dict.fromkeys(floors.tolist()):
                if (short := float(low[floors == by].max())) > slack:
                    limit = f"{name}.{by or 'min_spend'}"
                    yield limit, short, f"{name} spends less than it must."
            for by in dict.fromkeys(roofs.tolist()):
                over, limit = float(high[roofs == by].max()), by
                if by in ("", "budget") and a < len(channels):
                    # What only the budget sets is the budget's own violation, named below.
                    most, limit = own_bounds(channels[a])[1]
                    over = float(spend[a][roofs == by].max()) - most
                if over > slack and limit not in ("", "budget"):
                    yield f"{name}.{limit}", over, f"{name} spends more than it may."
        yield from self._rows(spend, slack)
        yield from self._choices(spend, slack)
        yield from self._targets(spend)
        if self.program.columns == 1 and program.periods > 1:
            spread = self.program.spread[: len(money), :, 0]
            size = np.maximum((spread * spread).sum(axis=1), 1e-300)
            alike = spread * ((spread * money).sum(axis=1) / size)[:, None]
            off = float(np.abs(money - alike).max())
            if off > slack:
                mode = self.problem.horizon.mode
                yield f"horizon.{mode}", off, f"The plan is not one of mode {mode}."

    def _targets(self, spend: Floats) -> Iterator[Broken]:
        program = self.by_period
        every = (program.floors, brings_by(program, spend), program.asked_of(spend))
        for floor, brings, costs in zip(*every, strict=True):
            if floor.missed(brings, costs) > ALLOWED:
                short = floor.constant + floor.per_money * costs - brings
                yield floor.name, short, f"The plan misses its {floor.name} by so much outcome."

    def _rows(self, spend: Floats, slack: float) -> Iterator[Broken]:
        rows = self.by_period.rows
        product = rows.matrix @ spend.ravel()
        for m, name in enumerate(rows.names):
            below, above = float(rows.lower[m] - product[m]), float(product[m] - rows.upper[m])
            if below > slack:
                text = f"The plan falls short of {name}."
                if name == "budget":
                    text = "The plan leaves part of the budget unspent (spend_all is true)."
                yield name, below, text
            if above > slack:
                what = "spends more than the budget" if name == "budget" else f"exceeds {name}"
                yield name, above, f"The plan {what}."

    def _choices(self, spend: Floats, slack: float) -> Iterator[Broken]:
        program = self.by_period
        for a, name in enumerate(program.names):
            some = spend[a] > slack
            short = np.where(some, program.least_active[a] - spend[a], 0.0)
            if a not in program.silent and float(short.max()) > slack:
                text = f"{name} spends something, but less than its minimum if active."
                yield f"{name}.minimum_if_active", float(short.max()), text
            lot = float(program.lot[a])
            if lot > 0.0:
                off = float(np.abs(spend[a] - lot * np.round(spend[a] / lot)).max())
                if off > slack:
                    yield f"{name}.increment", off, f"{name} is not spent in whole lots."
        for rule in program.at_most:
            active = [a for a in rule.arms if np.any(spend[a] > slack)]
            if len(active) > rule.count:
                least = sorted(float(spend[a].sum()) for a in active)[: len(active) - rule.count]
                text = f"{len(active)} channels are active where {rule.name} allows {rule.count}."
                yield rule.name, sum(least), text
        for switch in program.switches:
            off = Switches([switch]).misplaced(spend, program.least_active)
            if off > 0.0:
                yield switch.name, off, f"{switch.name} {switch.asks}: the plan does not keep that."


def yardstick(problem: Problem) -> Yardstick:
    """The measure of ``problem``.

    Raises
    ------
    Infeasible, InvalidInput, NotSupportedYet
        As solving it would.
    """
    program = lower(problem)
    return Yardstick(problem, program, by_period(problem, program))


def spend_of(problem: Problem, plan: Mapping[str, Amounts]) -> Floats:
    """A plan by arm ("tv", "tv/brand") as an array (A, T) in the problem's order.

    Raises
    ------
    InvalidInput
        An arm without a spend, a spend for an arm that there is not, another number of periods.
    """
    names = [arm.name for arm in arms_of(problem)]
    known, periods = set(names), problem.horizon.periods
    faults = [
        Fault("/plan", "missing_channel", f"The plan says nothing of channel '{name}'.")
        for name in names
        if name not in plan
    ]
    faults += [
        Fault("/plan", "unknown_channel", f"The problem has no channel '{name}'.")
        for name in plan
        if name not in known
    ]
    faults += [
        Fault("/plan", "wrong_length", f"The plan of '{name}' is not one of {periods} periods.")
        for name, amounts in plan.items()
        if not isinstance(amounts, int | float) and len(amounts) != periods
    ]
    if faults:
        raise InvalidInput(faults)
    rows = [np.broadcast_to(np.asarray(plan[name], np.float64), (periods,)) for name in names]
    return np.stack(rows)


def today_of(problem: Problem, no_horizon: str, unknown: str) -> Floats:
    """(A,) today's spend, for questions that begin with it and plan one period.

    Raises
    ------
    InvalidInput
        Saying ``no_horizon`` of a plan over time, or of which arms today's spend is ``unknown``.
    """
    if problem.horizon.periods > 1:
        raise InvalidInput.at("/horizon/periods", "conflict", no_horizon)
    arms = arms_of(problem)
    if missing := [arm for arm in arms if arm.channel.current_spend is None]:
        text = f"{unknown} {', '.join(arm.name for arm in missing[:5])}."
        raise InvalidInput.at(f"{missing[0].pointer}/current_spend", "required", text)
    return np.array([arm.channel.current_spend for arm in arms], dtype=float)


def broken_by(measure: Yardstick, spend: Floats) -> dict[str, float]:
    """Limits that a plan breaks, each with the most that it does so by."""
    found: dict[str, float] = {}
    for name, amount, _ in measure.broken(spend):
        found[name] = max(found.get(name, 0.0), amount)
    return found


def violations(measure: Yardstick, spend: Floats) -> list[dict[str, Any]]:
    """What a plan breaks, as an answer tells it."""
    return [
        {"name": name, "amount": amount, "message": message}
        for name, amount, message in measure.broken(spend)
    ]
