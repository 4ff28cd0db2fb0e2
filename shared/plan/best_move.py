"""The single shift of money that would help a plan most, every limit kept.

Money moves from one arm to another, or between an arm and what is not spent. In a plan over time it
moves over the whole horizon (in proportion to what its source spends in each period, so that the
periods' totals and the shapes of ``constant`` and ``fixed_shares`` stay as they are) or within one
period. Each ordered pair is a search in one dimension: a grid over all that the limits leave, then
closer and closer grids around its best points, so that curves of any shape are searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.shifts import Shifts, all_shifts
from shared.plan.words import gained, money
from shared.plan.yardstick import Yardstick
from shared.problem.aim import GOALS, aim_of
from shared.problem.canonical import canonicalise
from shared.problem.lower import lower
from shared.problem.model import Problem
from shared.problem.plain_program import as_program
from shared.problem.program import Program

__all__ = ["best_move"]

Floats = NDArray[np.float64]

GRID = np.unique(np.concatenate([np.linspace(0.0, 1.0, 49)[1:], 0.5 ** np.arange(6.0, 20.0)]))
"""Shares of the largest shift that are looked at first."""

ROUNDS = 8
FINER = np.linspace(0.0, 1.0, 7)
"""Each round looks at so many points on either side of the best one: to 1e-6 of it and less."""

KEPT = 16
"""Shifts searched further."""

CHECKED = 200
"""Shifts held against every limit before the search is given up."""

WORTH_TELLING = 1e-9
"""A gain below this share of the objective is rounding."""

AT_ONCE = 1 << 21
"""Curve values formed at once."""

SCREENED = 1 << 23
"""Curve values formed for the first look; beyond it, a fair part of the draws is used there."""

SLOW = 400
"""Shifts measured where only the whole plan has a value (risk, interactions)."""


def best_move(problem: Problem, measure: Yardstick, spend: Floats) -> dict[str, Any] | None:
    """The move with its gain, in words and figures; None where no single move helps.

    A limit that the plan breaks already may stay broken, but not by more.

    Parameters
    ----------
    spend
        (A, T) the plan.
    """
    program = _program(problem)
    shifts = all_shifts(problem, program, spend)
    if shifts.count == 0:
        return None
    search = _ShiftSearch(problem, program, measure, spend)
    for gain, at, amount in search.ranked(shifts):
        return _told(problem, program, shifts, at, amount, gain)
    return None


def _program(problem: Problem) -> Program:
    """Money by arm and period; one budget over boxes has no need of the general form's rows."""
    if problem.separable:
        return as_program(canonicalise(problem))
    return lower(replace(problem, horizon=replace(problem.horizon, mode="time_varying")))


def _told(
    problem: Problem, program: Program, shifts: Shifts, at: int, amount: float, gain: float
) -> dict[str, Any]:
    names = (*program.names[: shifts.arms], "budget")
    source, target = names[shifts.source[at]], names[shifts.target[at]]
    period = int(shifts.period[at])
    when = f" in period {period + 1}" if period >= 0 else ""
    sum_of = money(problem, amount)
    if source == "budget" and shifts.source[at] == shifts.arms:
        text = f"Spending {sum_of} more on {target}{when}"
    elif shifts.target[at] == shifts.arms:
        text = f"Taking {sum_of} out of {source}{when}"
    else:
        text = f"Moving {sum_of} from {source} to {target}{when}"
    return {
        "from": source,
        "to": target,
        "amount": amount,
        "period": period + 1 if period >= 0 else None,
        "gain": gain,
        "text": f"{text} would {gained(problem, gain)}.",
    }


@dataclass(frozen=True, slots=True, eq=False)
class _ShiftSearch:
    problem: Problem
    program: Program
    measure: Yardstick
    spend: Floats

    def ranked(self, shifts: Shifts) -> Iterator[tuple[float, int, float]]:
        """(gain, shift, amount) that keep every limit, the best first."""
        base = self.measure.objective(self.spend)
        enough = WORTH_TELLING * max(abs(base), 1e-12)
        before = {name: amount for name, amount, _ in self.measure.broken(self.spend)}
        picked = np.arange(shifts.count)
        if self._whole and shifts.count > SLOW:
            rough = self._separable(shifts, picked, _grid(shifts, picked), SCREENED)
            picked = np.argsort(-rough.max(axis=1), kind="stable")[:SLOW]
        amounts = _grid(shifts, picked)
        gains = self._gains(shifts, picked, amounts, SCREENED)
        tops = np.argsort(-gains.max(axis=1), kind="stable")
        finer = tops[:KEPT]
        best, where = self._finer(shifts, picked[finer], amounts[finer], gains[finer])
        candidates = list(zip(best.tolist(), picked[finer].tolist(), where.tolist(), strict=True))
        if self.program.discrete:
            # What is only allowed at steps: every point of the grid may be the best allowed one.
            flat = np.argsort(-gains, axis=None, kind="stable")[: 10 * CHECKED]
            rows, columns = np.unravel_index(flat, gains.shape)
            candidates += zip(
                gains[rows, columns].tolist(),
                picked[rows].tolist(),
                amounts[rows, columns].tolist(),
                strict=True,
            )
        else:
            rest = tops[KEPT:CHECKED]
            at = gains[rest].argmax(axis=1)
            candidates += zip(
                gains[rest, at].tolist(),
                picked[rest].tolist(),
                amounts[rest, at].tolist(),
                strict=True,
            )
        candidates.sort(key=lambda item: -item[0])
        for guess, shift, amount in candidates[: 10 * CHECKED]:
            if not guess > enough:
                return
            moved = shifts.applied(self.spend, shift, amount)
            if self._allowed(moved, before):
                gain = self.measure.objective(moved) - base
                if gain > enough:
                    yield gain, shift, amount

    @property
    def _whole(self) -> bool:
        """Whether only the whole plan has a value."""
        return bool(self.program.pairs) or self.problem.risk.measure != "expected"

    def _allowed(self, moved: Floats, before: dict[str, float]) -> bool:
        slack = 1e-7 * max(self.program.scale, 1e-12)
        if float(moved.min()) < -slack:
            return False
        return all(
            amount <= before.get(name, 0.0) + slack
            for name, amount, _ in self.measure.broken(np.maximum(moved, 0.0))
        )

    def _finer(
        self, shifts: Shifts, picked: NDArray[np.intp], amounts: Floats, gains: Floats
    ) -> tuple[Floats, Floats]:
        """Best gain (m,) and amount (m,) of each shift, by closer and closer grids."""
        rows = np.arange(picked.size)
        for _ in range(ROUNDS):
            at = gains.argmax(axis=1)
            low = np.where(at > 0, amounts[rows, np.maximum(at - 1, 0)], 0.0)
            high = amounts[rows, np.minimum(at + 1, amounts.shape[1] - 1)]
            kept, best = amounts[rows, at], gains[rows, at]
            # The best point so far stays among them, for a refinement must not lose it.
            below = low[:, None] + (kept - low)[:, None] * FINER
            above = kept[:, None] + (high - kept)[:, None] * FINER[1:]
            amounts = np.concatenate([below, above], axis=1)
            gains = self._gains(shifts, picked, amounts, None)
        at = gains.argmax(axis=1)
        better = gains[rows, at] >= best
        return np.where(better, gains[rows, at], best), np.where(better, amounts[rows, at], kept)

    def _gains(
        self, shifts: Shifts, picked: NDArray[np.intp], amounts: Floats, cap: int | None
    ) -> Floats:
        """(m, K) gain in the objective of shifts ``picked`` by ``amounts``; -inf if not allowed."""
        if not self._whole:
            return self._separable(shifts, picked, amounts, cap)
        base = self.measure.objective(self.spend)
        out = np.empty(amounts.shape)
        for row, shift in enumerate(picked.tolist()):
            for k, amount in enumerate(amounts[row].tolist()):
                moved = np.maximum(shifts.applied(self.spend, shift, amount), 0.0)
                out[row, k] = self.measure.objective(moved) - base
        return out

    def _separable(
        self, shifts: Shifts, picked: NDArray[np.intp], amounts: Floats, cap: int | None
    ) -> Floats:
        program = self.program
        u = program.widened(self.spend)
        z = program.adstocked(u)
        brought = np.zeros(amounts.shape)
        shape = shifts.shape[picked]
        heavy = 2 * amounts.size * z.shape[1]
        for sign, ends in ((1.0, shifts.target[picked]), (-1.0, shifts.source[picked])):
            for arm in np.unique(ends[ends < shifts.arms]).tolist():
                rows = np.flatnonzero(ends == arm)
                step = sign * (shape[rows] @ program.carry[arm].T)  # (m, H)
                value = _Own(program, arm, None if cap is None else max(cap // max(heavy, 1), 1))
                points = z[arm] + amounts[rows][:, :, None] * step[:, None, :]
                gain = value.at(np.maximum(points, 0.0)) - value.at(z[arm][None, None, :])
                brought[rows] += (gain * program.weight[arm]).sum(axis=2)
        spent = np.zeros(amounts.shape)
        spent += np.where(shifts.source[picked] == shifts.arms, 1.0, 0.0)[:, None] * amounts
        spent -= np.where(shifts.target[picked] == shifts.arms, 1.0, 0.0)[:, None] * amounts
        gains = program.value * brought - program.cost * spent
        if self.problem.goal.goal in GOALS:
            brings, costs = program.outcome(u), float(self.spend.sum())
            for floor in aim_of(self.problem.goal).floors:
                over = brings + brought - floor.constant - floor.per_money * (costs + spent)
                least = min(brings - floor.constant - floor.per_money * costs, 0.0)
                gains = np.where(over >= least - 1e-9 * abs(brings), gains, -np.inf)
        return np.asarray(gains)


def _grid(shifts: Shifts, picked: NDArray[np.intp]) -> Floats:
    """(m, K) amounts to look at, ascending; whole lots where an end has them."""
    most = shifts.most[picked][:, None]
    amounts = GRID * most
    lot = shifts.lot[picked][:, None]
    stepped = np.floor(amounts / np.where(lot > 0.0, lot, 1.0) + 1e-9) * lot
    amounts = np.where(lot > 0.0, stepped, amounts)
    special = np.clip(shifts.special[picked], 0.0, most)
    return np.sort(np.concatenate([amounts, special], axis=1), axis=1)


class _Own:
    """The expected response of one arm at any points."""

    def __init__(self, program: Program, arm: int, draws: int | None) -> None:
        self._curve: Any
        if program.draws is None:
            self._curve = program.curves.take([arm])
            self._count = 1
            return
        self._curve = program.draws.column(arm)
        self._count = program.draws.draws
        if draws is not None and draws < self._count and self._curve.closed_form():
            few = np.linspace(0, self._count - 1, draws).astype(int)
            self._curve = self._curve.each(lambda own: own[few])
            self._count = draws

    def at(self, points: Floats) -> Floats:
        """The mean over the draws; the shape of ``points``."""
        flat = points.reshape(-1, 1)
        step = max(1, AT_ONCE // self._count)
        parts = [
            np.asarray(self._curve.value(flat[i : i + step])).mean(axis=1)
            for i in range(0, flat.shape[0], step)
        ]
        return np.asarray(np.concatenate(parts).reshape(points.shape))
