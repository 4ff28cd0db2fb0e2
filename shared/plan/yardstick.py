"""What any plan for a problem is measured by, however the best one was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.plan import separable
from shared.plan.score import Score, score
from shared.problem.aim import GOALS, Aim, aim_of
from shared.problem.arms import arms_of
from shared.problem.canonical import Canonical, canonicalise, own_bounds
from shared.problem.incumbent import ALLOWED
from shared.problem.model import Problem
from shared.problem.program import Program

__all__ = ["Amounts", "Yardstick", "spend_of", "violations", "yardstick"]

Floats = NDArray[np.float64]
Amounts = float | Sequence[float]
Broken = tuple[str, float, str]


class Yardstick(Protocol):
    """Measures plans of one problem; ``spend`` is (A, T)."""

    def score(self, spend: Floats) -> Score:
        """What the plan brings."""

    def objective(self, spend: Floats) -> float:
        """What is maximised (for the least spend: minus money)."""

    def held(self, spend: Floats) -> list[list[str]]:
        """Names of what holds each arm where it is."""

    def broken(self, spend: Floats) -> Iterator[Broken]:
        """Every limit that the plan breaks: its name, by how much money, a sentence."""


def yardstick(problem: Problem) -> Yardstick:
    """The measure of ``problem``.

    Raises
    ------
    Infeasible, InvalidInput, NotSupportedYet
        As solving it would.
    """
    if problem.separable:
        return _OfBoxes(problem, canonicalise(problem), Aim())
    from shared.problem.lower import lower

    alike = replace(problem, horizon=replace(problem.horizon, mode="time_varying"))
    return _OfPrograms(problem, lower(problem), lower(alike))


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


@dataclass(frozen=True, slots=True)
class _OfBoxes:
    """One period, one box, at most one budget."""

    problem: Problem
    canonical: Canonical
    aim: Aim

    def score(self, spend: Floats) -> Score:
        return score(self.canonical, spend[:, 0])

    def objective(self, spend: Floats) -> float:
        return self.aim.worth(self.score(spend).total, float(spend.sum()))

    def held(self, spend: Floats) -> list[list[str]]:
        return separable.bindings(self.canonical, spend[:, 0])

    def broken(self, spend: Floats) -> Iterator[Broken]:
        budget = self.problem.budget
        total = float(spend.sum())
        slack = ALLOWED * max(total if budget is None else budget, 1e-12)
        for channel, x in zip(self.problem.channels, spend[:, 0].tolist(), strict=True):
            (low, low_by), (high, high_by) = own_bounds(channel)
            name = channel.name
            if low - x > slack:
                limit = f"{name}.{low_by or 'min_spend'}"
                yield limit, low - x, f"{name} spends less than it must."
            if x - high > slack:
                yield f"{name}.{high_by}", x - high, f"{name} spends more than it may."
        if budget is not None and total - budget > slack:
            yield "budget", total - budget, "The plan spends more than the budget."
        elif budget is not None and self.canonical.spend_all and budget - total > slack:
            text = "The plan leaves part of the budget unspent (spend_all is true)."
            yield "budget", budget - total, text
        yield from _missed(self.aim, self.score(spend).total, total)


@dataclass(frozen=True, slots=True)
class _OfPrograms:
    """Everything else: ``program`` decides, ``by_period`` has one decision a period."""

    problem: Problem
    program: Program
    by_period: Program

    def score(self, spend: Floats) -> Score:
        from shared.plan.general import score_program

        return score_program(self.by_period, spend)

    def objective(self, spend: Floats) -> float:
        spend = self.by_period.widened(spend)
        if self.problem.risk.measure == "expected":
            return self.by_period.objective(spend)
        from shared.problem.risk_program import worth

        program = self.by_period
        aim = Aim(value=program.value, cost=program.cost)
        return worth(program, aim, self.problem.risk, spend)

    def held(self, spend: Floats) -> list[list[str]]:
        from shared.plan.general import bindings

        return bindings(self.by_period, self.by_period.widened(spend))

    def broken(self, spend: Floats) -> Iterator[Broken]:
        program, money = self.by_period, spend
        spend = program.widened(spend)
        slack = ALLOWED * max(program.scale, 1e-12)
        for a, name in enumerate(program.names):
            low = float((program.lower[a] - spend[a]).max())
            high = float((spend[a] - program.upper[a]).max())
            if low > slack:
                limit = f"{name}.{program.lower_by[a] or 'min_spend'}"
                yield limit, low, f"{name} spends less than it must."
            # A ceiling that only the budget sets is the budget's own violation, named below.
            if high > slack and program.upper_by[a] not in ("", "budget"):
                yield f"{name}.{program.upper_by[a]}", high, f"{name} spends more than it may."
        yield from self._rows(spend, slack)
        yield from self._choices(spend, slack)
        if self.problem.goal.goal in GOALS:
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
        aim, program, risk = aim_of(self.problem.goal), self.by_period, self.problem.risk
        if risk.measure == "expected" or not aim.floors:
            yield from _missed(aim, program.outcome(spend), float(program.spend(spend).sum()))
            return
        from shared.problem.risk_program import surplus

        over = surplus(program, aim, risk, spend)
        for floor, more in zip(aim.floors, over, strict=True):
            asked = floor.constant + floor.per_money * float(program.spend(spend).sum())
            if -more > ALLOWED * max(asked, asked + more):
                yield floor.name, -more, f"The plan misses its {floor.name} by so much outcome."

    def _rows(self, spend: Floats, slack: float) -> Iterator[Broken]:
        rows = self.by_period.rows
        product = rows.matrix @ spend.ravel()
        for m, name in enumerate(rows.names):
            below, above = float(rows.lower[m] - product[m]), float(product[m] - rows.upper[m])
            if below > slack:
                yield name, below, f"The plan falls short of {name}."
            if above > slack:
                yield name, above, f"The plan exceeds {name}."

    def _choices(self, spend: Floats, slack: float) -> Iterator[Broken]:
        program = self.by_period
        for a, name in enumerate(program.names):
            some = spend[a] > slack
            short = np.where(some, program.least_active[a] - spend[a], 0.0)
            if float(short.max()) > slack:
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


def _missed(aim: Aim, brings: float, costs: float) -> Iterator[Broken]:
    """The targets that an outcome and a spend miss."""
    for floor in aim.floors:
        if floor.missed(brings, costs) > ALLOWED:
            short = floor.constant + floor.per_money * costs - brings
            yield floor.name, short, f"The plan misses its {floor.name} by so much outcome."


def violations(measure: Yardstick, spend: Floats) -> list[dict[str, Any]]:
    """What a plan breaks, as an answer tells it."""
    return [
        {"name": name, "amount": amount, "message": message}
        for name, amount, message in measure.broken(spend)
    ]
