"""Score a plan that the caller already has, beside today's and the best one.

``best_move`` is the single shift of money that would help a plan most, every limit kept. Money
moves from one arm to another, or between an arm and what is not spent. In a plan over time it moves
over the whole horizon (in proportion to what its source spends in each period, so that the periods'
totals and the shapes of ``constant`` and ``fixed_shares`` stay as they are) or within one period.
Each ordered pair is a search in one dimension: a grid over all that the limits leave, then closer
and closer grids around its best points, so that curves of any shape are searched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from sys import maxsize
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.narrate import of_evaluation
from shared.plan.optimize import make_plan, rows_of, summary
from shared.plan.rows import warned
from shared.plan.score import quotient
from shared.plan.words import gained, money
from shared.plan.yardstick import Amounts, Yardstick, spend_of, yardstick
from shared.problem.model import Problem
from shared.problem.program import Program

__all__ = ["best_move", "evaluate"]

Floats = NDArray[np.float64]

GRID = np.unique(np.concatenate([np.linspace(0.0, 1.0, 49)[1:], 0.5 ** np.arange(6.0, 20.0)]))
"""Shares of the largest shift that are looked at first."""

ROUNDS = 8
FINER = np.linspace(0.0, 1.0, 7)
"""Each round looks at so many points on either side of the best one: to 1e-6 of it and less."""

KEPT = 16  # shifts searched further
CHECKED = 200  # shifts held against every limit before the search is given up
WORTH_TELLING = 1e-9  # a gain below this share of the objective is rounding
AT_ONCE = 1 << 21  # curve values formed at once

SCREENED = 1 << 23
"""Curve values formed for the first look; beyond it, a fair part of the draws is used there."""

SLOW = 400  # shifts measured where only the whole plan has a value (risk, interactions)
Ints = NDArray[np.intp]

MOST_SHIFTS = 4_000
"""Beyond it, single periods are left out: a move over the whole horizon is still found."""

MOST_ARMS = 150
"""With more arms, money moves from so many whose last unit brings least to so many whose next one
brings most."""

FREE = 10.0
"""Where nothing limits a shift out of an open budget, so many times the plan's money at most."""


def evaluate(problem: Problem, plan: Mapping[str, Amounts]) -> dict[str, Any]:
    """The answer to ``POST /evaluate``: the plan scored, what it breaks, and its regret.

    ``regret`` is what the objective loses against the best plan within the limits (outcome; money
    for profit and the least spend), never below zero; a plan that breaks a limit may be worth more
    than the best allowed one (``beats_best_by``).

    Parameters
    ----------
    plan
        By arm ("tv", or "tv/brand" for a campaign): one amount, or one for each period.

    Raises
    ------
    InvalidInput
        The plan and the problem name different channels or periods.
    Infeasible
        The problem itself has no plan.
    """
    spend = spend_of(problem, plan)
    measure = yardstick(problem)
    best = make_plan(problem)
    current = best.current
    reached = measure.objective(best.best.spend)
    lost = reached - measure.objective(spend)
    answer: dict[str, Any] = {
        **measure.told(spend, current),
        "current": None if current is None else measure.told(current.spend, current),
        "best": summary(best, rows_of(best)),
        "regret": max(lost, 0.0),
        "regret_share": quotient(max(lost, 0.0), abs(reached)),
        "beats_best_by": max(-lost, 0.0),
        "best_move": best_move(measure, spend),
        "warnings": warned(problem.warnings),
        "curves_version": problem.curves_version,
    }
    return {**answer, "explanation": of_evaluation(problem, answer)}


def best_move(measure: Yardstick, spend: Floats) -> dict[str, Any] | None:
    """The move with its gain, in words and figures; None where no single move helps.

    A limit that the plan breaks already may stay broken, but not by more.

    Parameters
    ----------
    spend
        (A, T) the plan.
    """
    problem, program = measure.problem, measure.by_period
    shifts = _all_shifts(problem, program, spend)
    found = _ShiftSearch(program, measure, spend).best(shifts) if shifts.count else None
    if found is None:
        return None
    gain, at, amount = found
    names, period = (*program.names[: shifts.arms], "budget"), int(shifts.period[at])
    source, target = (int(ends[at]) for ends in (shifts.source, shifts.target))
    some, when = money(problem, amount), f" in period {period + 1}" if period >= 0 else ""
    text = f"Moving {some} from {names[source]} to {names[target]}"
    if source == shifts.arms:
        text = f"Spending {some} more on {names[target]}"
    elif target == shifts.arms:
        text = f"Taking {some} out of {names[source]}"
    return {
        "from": names[source],
        "to": names[target],
        "amount": amount,
        "period": period + 1 if period >= 0 else None,
        "gain": gain,
        "text": f"{text}{when} would {gained(problem, gain)}.",
    }


@dataclass(frozen=True, slots=True, eq=False)
class _ShiftSearch:
    program: Program
    measure: Yardstick
    spend: Floats

    def best(self, shifts: _Shifts) -> tuple[float, int, float] | None:
        """(gain, shift, amount) of the shift that gains most and keeps every limit."""
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
            rest = np.argsort(-gains, axis=None, kind="stable")[: 10 * CHECKED]
        else:
            rest = tops[KEPT:CHECKED]
            rest = rest * gains.shape[1] + gains[rest].argmax(axis=1)
        rows, columns = np.unravel_index(rest, gains.shape)
        more = gains[rows, columns], picked[rows], amounts[rows, columns]
        candidates += zip(*(column.tolist() for column in more), strict=True)
        candidates.sort(key=lambda item: -item[0])
        for guess, shift, amount in candidates[: 10 * CHECKED]:
            if not guess > enough:
                break
            moved = shifts.applied(self.spend, shift, amount)
            if self._allowed(moved, before):
                gain = self.measure.objective(moved) - base
                if gain > enough:
                    return gain, shift, amount
        return None

    @property
    def _whole(self) -> bool:
        """Whether only the whole plan has a value, or money is not worth the same everywhere."""
        program = self.program
        uneven = (
            program.power is not None
            or program.fee is not None
            or program.discount is not None
            or program.after > 0.0
        )
        shared = any(floor.share is not None for floor in program.floors)
        return bool(program.pairs) or program.risk is not None or uneven or shared

    def _allowed(self, moved: Floats, before: dict[str, float]) -> bool:
        slack = 1e-7 * max(self.program.scale, 1e-12)
        if float(moved.min()) < -slack:
            return False
        return all(
            amount <= before.get(name, 0.0) + slack
            for name, amount, _ in self.measure.broken(np.maximum(moved, 0.0))
        )

    def _finer(
        self, shifts: _Shifts, picked: NDArray[np.intp], amounts: Floats, gains: Floats
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
            gains = self._gains(shifts, picked, amounts)
        at = gains.argmax(axis=1)
        better = gains[rows, at] >= best
        return np.where(better, gains[rows, at], best), np.where(better, amounts[rows, at], kept)

    def _gains(
        self, shifts: _Shifts, picked: NDArray[np.intp], amounts: Floats, cap: int = maxsize
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
        self, shifts: _Shifts, picked: NDArray[np.intp], amounts: Floats, cap: int
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
                value = _own_curve(program, arm, max(cap // max(heavy, 1), 1))
                points = z[arm] + amounts[rows][:, :, None] * step[:, None, :]
                gain = value(np.maximum(points, 0.0)) - value(z[arm][None, None, :])
                brought[rows] += (gain * program.weight[arm]).sum(axis=2)
        into, out_of = (ends[picked] == shifts.arms for ends in (shifts.target, shifts.source))
        spent = (out_of.astype(float) - into)[:, None] * amounts
        gains = program.value * brought - program.cost * spent
        if program.floors:
            brings, costs = program.outcome(u), float(self.spend.sum())
            for floor in program.floors:
                over = floor.surplus(brings + brought, costs + spent)
                least = min(floor.surplus(brings, costs), 0.0)
                gains = np.where(over >= least - 1e-9 * abs(brings), gains, -np.inf)
        return np.asarray(gains)


def _grid(shifts: _Shifts, picked: NDArray[np.intp]) -> Floats:
    """(m, K) amounts to look at, ascending; whole lots where an end has them."""
    most = shifts.most[picked][:, None]
    amounts = GRID * most
    lot = shifts.lot[picked][:, None]
    stepped = np.floor(amounts / np.where(lot > 0.0, lot, 1.0) + 1e-9) * lot
    amounts = np.where(lot > 0.0, stepped, amounts)
    special = np.clip(shifts.special[picked], 0.0, most)
    return np.sort(np.concatenate([amounts, special], axis=1), axis=1)


def _own_curve(program: Program, arm: int, most: int) -> Callable[[Floats], Floats]:
    """The expected response of one arm at any points, by no more than ``most`` of its draws."""
    curve: Any = program.curves.take([arm])
    count = 1
    if program.draws is not None:
        curve, count = program.draws.column(arm), program.draws.draws
        if most < count and curve.closed_form():
            few = np.linspace(0, count - 1, most).astype(int)
            curve, count = curve.each(lambda own: own[few]), most
    step = max(1, AT_ONCE // count)

    def at(points: Floats) -> Floats:
        flat = points.reshape(-1, 1)
        parts = [curve.value(flat[i : i + step]).mean(axis=1) for i in range(0, len(flat), step)]
        return np.asarray(np.concatenate(parts).reshape(points.shape))

    return at


@dataclass(frozen=True, slots=True, eq=False)
class _Shifts:
    """M shifts between ``arms`` arms and what is not spent (which is number ``arms``).

    ``source``, ``target`` (M,); ``period`` (M,) from 0, or -1 for the whole horizon; ``shape``
    (M, T) which part of the amount moves in each period; ``most`` (M,) the largest amount that
    bounds and rows allow; ``lot`` (M,) its steps, 0 for none; ``special`` (M, 3) amounts at which
    a minimum if active is met, kept, or given up.
    """

    arms: int
    source: Ints
    target: Ints
    period: Ints
    shape: Floats
    most: Floats
    lot: Floats
    special: Floats

    @property
    def count(self) -> int:
        """M."""
        return int(self.source.size)

    def applied(self, spend: Floats, shift: int, amount: float) -> Floats:
        """(A, T) the plan after a shift."""
        moved = spend.copy()
        source, target = int(self.source[shift]), int(self.target[shift])
        if source < self.arms:
            moved[source] -= amount * self.shape[shift]
        if target < self.arms:
            moved[target] += amount * self.shape[shift]
        return moved


def _all_shifts(problem: Problem, program: Program, spend: Floats) -> _Shifts:
    """Every shift that may go some way; ``program`` decides money by arm and period."""
    arms, periods = spend.shape
    source, target = _pairs(program, spend)
    ends = np.stack([source, target], axis=1)
    shape, period = _profiles(spend, source, target), np.full(len(ends), -1)
    free = problem.horizon.mode in ("time_varying", "sequential")
    if periods > 1 and free and len(ends) * periods <= MOST_SHIFTS:
        each = np.repeat(np.eye(periods)[None], len(ends), axis=0).reshape(-1, periods)
        shape = np.concatenate([shape, each])
        period = np.concatenate([period, np.tile(np.arange(periods), len(ends))])
        source = np.concatenate([source, np.repeat(source, periods)])
        target = np.concatenate([target, np.repeat(target, periods)])
    most = _room(program, spend, source, target, shape)
    keep = most > 1e-9 * max(program.scale, 1e-12)
    source, target, period = source[keep], target[keep], period[keep]
    shape, most = shape[keep], most[keep]
    lots = np.concatenate([program.lot[:arms], [0.0]])
    lot = np.maximum(lots[source], lots[target])
    special = _special(program, spend, source, target, shape)
    return _Shifts(arms, source, target, period, shape, most, lot, special)


def _pairs(program: Program, spend: Floats) -> tuple[Ints, Ints]:
    """All ordered pairs of places; of many arms, those that give least up and take most up."""
    arms = spend.shape[0]
    places = np.arange(arms + 1)
    gives = takes = places
    if arms > MOST_ARMS:
        slopes = program.gradient(program.widened(spend))[:arms].max(axis=1)
        order = np.argsort(slopes, kind="stable")
        some = order[spend[order].sum(axis=1) > 0.0]
        gives = np.concatenate([some[:MOST_ARMS], [arms]])
        takes = np.concatenate([order[-MOST_ARMS:], [arms]])
    source, target = np.repeat(gives, takes.size), np.tile(takes, gives.size)
    return source[source != target], target[source != target]


def _profiles(spend: Floats, source: Ints, target: Ints) -> Floats:
    """(M, T) the part of the amount that moves in each period, over the whole horizon."""
    arms, periods = spend.shape
    whole = spend.sum(axis=0)
    usual = whole / whole.sum() if whole.sum() > 0.0 else np.full(periods, 1.0 / periods)
    sums = spend.sum(axis=1, keepdims=True)
    own = np.where(sums > 0.0, spend / np.where(sums > 0.0, sums, 1.0), usual)
    own = np.concatenate([own, usual[None]])
    return np.asarray(own[np.where(source < arms, source, target)])


def _room(program: Program, spend: Floats, source: Ints, target: Ints, shape: Floats) -> Floats:
    """(M,) the largest amount; a limit that is broken already lets nothing pass that worsens it."""
    arms, periods = spend.shape
    u = program.widened(spend)
    hair = 1e-9 * max(program.scale, 1e-12)
    most = np.full(source.size, FREE * max(float(spend.sum()), program.scale))
    cells = program.rows.matrix.reshape(-1, program.arms, periods)
    own = np.concatenate([cells[:, :arms], np.zeros((len(cells), 1, periods))], axis=1)
    ends = np.unique(np.concatenate([source, target]))
    boxes: list[tuple[int, tuple[int, ...]]] = [(a, (a,)) for a in ends[ends < arms].tolist()]
    for arm, parts in enumerate(program.sums, arms):
        for part in parts:
            own[:, part] += cells[:, arm]
        boxes.append((arm, parts))
    # How much one unit moves each row and box, and how far it is from either end.
    level = program.rows.matrix @ u.ravel()
    for row, low, here, high in zip(
        own, program.rows.lower, level, program.rows.upper, strict=True
    ):
        moved = (shape * (row[target] - row[source])).sum(axis=1)
        most = _within(most, moved, high - here, here - low, hair)
    for arm, parts in boxes:
        way = np.isin(target, parts).astype(float) - np.isin(source, parts)
        for t in range(periods):
            room = (program.upper[arm, t] - u[arm, t], u[arm, t] - program.lower[arm, t])
            most = _within(most, way * shape[:, t], *room, hair)
    return most


def _within(most: Floats, moved: Floats, above: float, below: float, hair: float) -> Floats:
    """``most`` where a quantity moves by ``moved`` (M,) a unit and has so much room either way."""
    above = 0.0 if above <= hair else above
    below = 0.0 if below <= hair else below
    size = np.abs(moved)
    room = np.where(moved > 0.0, above, below)
    return np.where(size > 1e-12, np.minimum(most, room / np.where(size > 1e-12, size, 1.0)), most)


def _special(program: Program, spend: Floats, source: Ints, target: Ints, shape: Floats) -> Floats:
    """(M, 3) amounts: all of the source, down to its minimum if active, up to the target's."""
    arms = spend.shape[0]
    least = np.concatenate([program.least_active[:arms], np.zeros((1, spend.shape[1]))])
    here = np.concatenate([spend, np.zeros((1, spend.shape[1]))])
    active = shape > 0.0
    per = np.where(active, shape, 1.0)

    def until(amounts: Floats) -> Floats:
        """The amount that gives the first period reached so much."""
        each = np.where(active, amounts / per, np.inf)
        return np.asarray(np.maximum(each.min(axis=1), 0.0))

    all_of = until(here[source])
    down = until(here[source] - least[source])
    missing = np.where(active, np.maximum(least[target] - here[target], 0.0) / per, 0.0)
    found = np.stack([all_of, down, missing.max(axis=1)], axis=1)
    return np.asarray(np.where(np.isfinite(found), found, 0.0))
