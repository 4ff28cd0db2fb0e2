"""From a problem in the caller's names to the arrays of :class:`~shared.problem.program.Program`.

The modes of a plan over time differ in what is decided: spend of every period (``time_varying``),
one spend for all of them (``constant``), or one share of every period's budget (``fixed_shares``;
without ``period_budgets`` the budget is spread evenly). ``sequential`` is a sequence of problems
and is composed elsewhere; here it is lowered like ``time_varying``, which is its foresight.

One period means spend that is sustained: the carryover's total weight is part of the curves.

The level of a channel in an interaction is what its arms bring over the most that they could bring
together, so with campaigns i and j of the two channels, each with a ceiling,

    level level' = sum over i, j of (top_i / sum top) (top_j / sum top') s_i s_j :

every two campaigns are a pair, and the strengths of all of them add up to the interaction's.

A minimum if active, lots, or a limited number of active channels may speak of a sum of campaigns.
Such choices belong to arms, so the sum becomes one that spends nothing: rows tie its decisions to
those of the campaigns, and money and response stay theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.curves.derived import counted_once
from shared.curves.saturation import Exponential
from shared.curves.stack import CurveStack, DrawStack, Group, stack
from shared.errors import Conflict, Infeasible, InputTooLarge, InvalidInput, NotSupportedYet
from shared.problem.aim import (
    OF_GROUPS,
    Floor,
    aim_of,
    ceiling,
    group_target,
    of_volume,
    value_ratios,
)
from shared.problem.arms import (
    HAIR,
    Arm,
    Bound,
    arm_curves,
    arms_of,
    current_of,
    entries_of,
    members,
    own_bounds,
    sustained,
)
from shared.problem.bounds import (
    arm_bounds,
    bounds_by_period,
    budget_ceiling,
    free_ceiling,
    in_decisions,
    lot_of,
    provisional_ceiling,
    reach_cap,
    tightest,
    within_budget,
)
from shared.problem.carryover import Flow, flow
from shared.problem.linear_model import solve_linear
from shared.problem.model import Channel, Constraint, Problem, Risk, span_name
from shared.problem.program import AtMost, Names, Pair, Program, Rows
from shared.problem.risk_program import outcomes
from shared.problem.switches import Flight, PerPeriod, Switch, Switches

__all__ = ["THEN", "TIED", "by_period", "lower", "pairs_of"]

Array = NDArray[np.float64]
Curves = tuple[CurveStack, DrawStack | None]
Over = tuple[int, ...] | None
"""Periods (from 1) that a rule is about; None: all."""
TIED = ".responses"
"""Ends the name of rows that only say that several outcomes are of one spend."""

THEN = ".then"
"""Ends the name of the row that gives the last period its even part of a budget."""

FAINTEST = 1e-4
"""Of a period's mean budget, or a channel's lowest ceiling: what is on where no minimum says so."""
MOST_ENTRIES = 60_000_000  # of the rows' matrix: half a gigabyte
MOST_SHARES = 5_000_000  # of targets and ceilings by arm: the same


def lower(problem: Problem) -> Program:
    """The general form of any problem, with its targets and its measure of risk.

    Raises
    ------
    Infeasible
        Two bounds of one arm that contradict each other, or bounds and one budget that does.
        Everything else that takes more than one arm to contradict is left to
        ``shared.problem.feasibility``.
    InvalidInput
        Names that do not exist, figures that are missing, a free budget that nothing limits.
    NotSupportedYet
        A frequency cap on a curve of reach that is not concave.
    InputTooLarge
        More rules than fit into memory.
    """
    arms: Sequence[Arm] = arms_of(problem)
    if problem.horizon.periods == 1:
        arms = [replace(arm, channel=sustained(arm.channel)) for arm in arms]
    moved, curves = flow(problem, arms), arm_curves(arms)
    people = problem.goal.population
    if people is not None:  # what is added up of people counted once: the logs of who is missed
        curves = stack([counted_once(a.channel.response.saturation, people) for a in arms]), None
    if problem.horizon.periods == 1:
        moved, curves = _sustained(moved, curves)
    rows = _rows(problem, arms, moved.spread[0])
    box = _box(problem, arms, moved, rows, curves)
    program = _finished(problem, arms, _assembled(problem, arms, moved, rows, box, curves))
    return program if problem.risk.of == "outcome" else replace(program, shift=_shift(problem))


def _shift(problem: Problem) -> Array | None:
    """(S,) what today's plan brings in the mean less what it brings in each draw.

    Raises
    ------
    InvalidInput
        Today's spend is not known, or the curves have no draws.
    """
    program = by_period(replace(problem, risk=Risk()))
    if program.draws is None or program.current is None:
        text = "An uplift over today's plan needs draws, and the current_spend of every channel."
        raise InvalidInput.at("/risk/of", "required", text)
    each = outcomes(program, program.widened(program.current[: program.arms - len(program.sums)]))
    return np.asarray(each.mean() - each)


def by_period(problem: Problem, program: Program | None = None) -> Program:
    """The same with one decision a period; ``program`` is the problem's own where it is known."""
    if program is not None and program.columns == program.periods:
        return program
    return lower(replace(problem, horizon=replace(problem.horizon, mode="time_varying")))


def _sustained(moved: Flow, curves: Curves) -> tuple[Flow, Curves]:
    """The carryover of sustained spend as part of the curves."""
    total = moved.carry[:, 0, 0]
    by = np.where(total > 0.0, total, 1.0)
    if np.all(by == 1.0):
        return moved, curves
    known, draws = curves
    folded = known.scaled(by), None if draws is None else draws.scaled(by)
    return replace(moved, carry=moved.carry / by[:, None, None]), folded


def _assembled(
    problem: Problem, arms: Sequence[Arm], moved: Flow, rows: Rows, box: _Box, curves: Curves
) -> Program:
    _check_shares(problem, len(arms))
    places = _by_name(problem, arms)
    at_most = tuple(
        AtMost(rule.name, _arms_named(places, rule.channels), rule.max_active or 0)
        for rule in _counts(problem, moved.spread)
    )
    aim, ratios = (
        aim_of(problem.goal),
        value_ratios(problem.goal, [arm.channel.value_per_outcome for arm in arms]),
    )
    targets = (*aim.floors, *_group_targets(problem, arms))
    weight = moved.weight if ratios is None else moved.weight * ratios[:, None]
    today = [current_of(arm.channel) for arm in arms]
    known = [spend for spend in today if spend is not None]
    periods = problem.horizon.periods
    total = float((moved.spread.sum(axis=1) * box.upper).sum())
    budget = problem.money
    program = Program(
        names=tuple(arm.name for arm in arms),
        lower=box.lower,
        upper=box.upper,
        least_active=box.least,
        lower_by=box.lower_by,
        upper_by=box.upper_by,
        lot=box.lot,
        rows=rows,
        spread=moved.spread,
        carry=moved.carry,
        carry_in=moved.carry_in,
        power=moved.power,
        weight=weight,
        curves=curves[0],
        draws=curves[1],
        ratios=ratios,
        population=problem.goal.population,
        at_most=at_most,
        pairs=_valued(pairs_of(problem, arms), ratios),
        value=aim.value,
        cost=aim.cost,
        discount=_discount(problem),
        after=_after(problem, moved.weight.shape[1]),
        fee=_fees(arms),
        floors=targets if ratios is None else tuple(of_volume(f, ratios) for f in targets),
        ceilings=_ceilings(problem, arms),
        risk=None if problem.risk.measure == "expected" else problem.risk,
        current=np.repeat(np.array(known)[:, None], periods, axis=1)
        if len(known) == len(arms)
        else None,
        scale=budget if budget > 0.0 else max(min(total, sum(known) * periods or total), 1e-9),
    )
    if problem.goal.efficiency_of == "plan":
        program = replace(program, floors=_of_the_plan(program))
    return _without_the_hopeless(program)


def _counts(problem: Problem, spread: Array) -> list[Constraint]:
    """The counts of channels that spend anything at all, with ``spread`` (A, T, K) of decisions.

    Where one decision is for all periods, who runs in one of them that has money runs in all.
    """
    rules = [rule for rule in problem.constraints if rule.max_active is not None]
    one = spread.shape[2] == 1
    paid = {t + 1 for t in np.flatnonzero(spread[0, :, 0] > 0.0).tolist()} if one else set[int]()
    return [
        rule for rule in rules if not rule.per_period or (one and paid & set(rule.periods or paid))
    ]


def _of_the_plan(program: Program) -> tuple[Floor, ...]:
    """Efficiencies of the money still to be spent: what comes without it is taken off."""
    if not program.floors or not np.any(program.carry_in):
        return program.floors
    past, arms = program.past().sum(axis=1), program.arms
    return tuple(
        replace(f, constant=f.constant + float(f.shares(arms) @ past)) if f.per_money > 0.0 else f
        for f in program.floors
    )


def _without_the_hopeless(program: Program) -> Program:
    """Nothing for channels of which a target asks more than their best unit of money brings.

    Only spending nothing meets it then, so the target itself goes: no search finds a plan that
    nothing but one point allows.
    """
    asked = [f for f in program.floors if f.pays is not None and f.per_money > 0.0]
    if not asked or program.population is not None:
        return program
    best, now = _steepest(program), program.response(program.carry_in).sum(axis=1)
    kept, upper, by = list(program.floors), program.upper.copy(), list(program.upper_by)
    for floor in asked:
        own = np.flatnonzero(floor.pays_by(program.arms))
        if _breaks_even_nowhere(program, floor, own, best, now):
            kept.remove(floor)
            upper[own] = 0.0
            for arm in own:
                by[arm] = floor.name.rpartition(".")[0]
    return replace(program, floors=tuple(kept), upper=upper, upper_by=tuple(by))


def _breaks_even_nowhere(
    program: Program, floor: Floor, own: NDArray[np.intp], best: Array, now: Array
) -> bool:
    """Whether no unit of money of arms ``own`` brings what a target asks of it.

    ``best`` (A,) bounds the slopes of curves, ``now`` (A,) comes without any money.
    """
    shares, pays = floor.shares(program.arms), floor.pays_by(program.arms)
    if program.power is not None and np.any(program.power[own] < 1.0):
        return False  # the first unit of money buys without limit
    helped = floor.constant < (1.0 - 1e-12) * float(shares @ now)
    if helped or np.any(program.lower[own] > 0.0):
        return False
    brought = np.einsum("ahk,ah->ak", program.carry[own], program.weight[own]) * best[own, None]
    asked = floor.per_money * pays[own, None] * program.counted()[own]
    return bool(np.all(shares[own, None] * brought <= asked))


def _steepest(program: Program) -> Array:
    """(A,) no less than the curve of an arm, or the mean of its draws, rises anywhere."""
    known = program.known
    draws = [known.one(s) for s in range(known.draws)] if isinstance(known, DrawStack) else [known]
    total = np.zeros(program.arms)
    for curves in draws:
        turn = curves.inflection()
        with np.errstate(all="ignore"):
            slope = curves.slope(np.where(np.isfinite(turn), turn, 0.0))
        slope = np.where(np.isfinite(turn) & np.isfinite(slope), slope, math.inf)
        for column, table in curves.tables:
            at, height = table.knots()
            slope[column] = np.max(np.diff(height) / np.diff(at))
        total += slope
    return np.asarray(total / len(draws))


def _discount(problem: Problem) -> Array | None:
    """(T,) what money of each period counts; None where all counts the same."""
    rate, periods = problem.horizon.discount_rate, problem.horizon.periods
    return None if rate == 0.0 else (1.0 + rate) ** -np.arange(periods, dtype=np.float64)


def _after(problem: Problem, length: int) -> float:
    """How many periods' money comes after the plan, discounted, where spend goes on."""
    horizon = problem.horizon
    if horizon.then != "continue":
        return 0.0
    late = np.arange(horizon.periods, length, dtype=np.float64)
    return float(((1.0 + horizon.discount_rate) ** -late).sum())


def _fees(arms: Sequence[Arm]) -> Array | None:
    """(A,) what a unit of each arm's money costs in the objective beside itself."""
    fees = np.array([arm.channel.penalty for arm in arms])
    return fees if np.any(fees > 0.0) else None


def _group_targets(problem: Problem, arms: Sequence[Arm]) -> Iterator[Floor]:
    """Floors of outcome, return and cost an outcome of some channels."""
    places = _by_name(problem, arms)
    for rule in problem.constraints:
        asked = {name: getattr(rule, name) for name in OF_GROUPS}
        for name, level in asked.items():
            if level is None:
                continue
            mask = _mask(places, rule.channels, len(arms))
            yield group_target(f"{rule.name}.{name}", level, problem.goal, mask)
    for asked_of in problem.goal.outcomes:
        if asked_of.least is None:
            continue
        own = tuple(float(arm.channel.outcome == asked_of.name) for arm in arms)
        least, weight = asked_of.least, asked_of.weight
        name = f"{asked_of.name}.min_outcome"
        yield Floor(name, weight * least, 0.0, least, 1.0 / weight, own, own)


def _check_shares(problem: Problem, arms: int) -> None:
    """Refuse more targets of groups and ceilings, each with a share of every arm, than fit."""
    kinds = (*OF_GROUPS, "max_outcome")
    levels = [channel.max_outcome for channel in problem.channels]
    levels += [getattr(rule, kind) for rule in problem.constraints for kind in kinds]
    asked = sum(level is not None for level in levels)
    if asked * arms > MOST_SHARES:
        raise InputTooLarge(
            f"The plan has {asked:,} targets of groups and ceilings over {arms:,} channels and "
            f"campaigns, and at most {MOST_SHARES // arms:,} of them fit: fewer, or ceilings of "
            "whole groups, would."
        )


def _mask(
    places: Mapping[str, Sequence[int]], names: Sequence[str], arms: int
) -> tuple[float, ...]:
    """(A,) 1 for the arms of named channels."""
    mask = np.zeros(arms)
    mask[list(_arms_named(places, names))] = 1.0
    return tuple(mask.tolist())


def _valued(pairs: tuple[Pair, ...], ratios: Array | None) -> tuple[Pair, ...]:
    """Interactions by what their outcome is worth: the mean of what their two arms' is."""
    if ratios is None:
        return pairs
    both = [ratios[[pair.first, pair.second]] for pair in pairs]
    each = [float(r.mean() / np.sqrt(r.prod())) for r in both]  # the weight has the geometric one
    return tuple(replace(p, strength=p.strength * x) for p, x in zip(pairs, each, strict=True))


def _ceilings(problem: Problem, arms: Sequence[Arm]) -> tuple[Floor, ...]:
    """Outcome beyond which nothing counts, of channels, of groups and of the whole."""
    names, places = tuple(channel.name for channel in problem.channels), _by_name(problem, arms)
    asked: list[tuple[str, str, float | None, tuple[str, ...]]] = [
        (f"/channels/{i}/max_outcome", f"{c.name}.max_outcome", c.max_outcome, (c.name,))
        for i, c in enumerate(problem.channels)
    ]
    asked += [
        (f"/constraints/{i}/max_outcome", f"{r.name}.max_outcome", r.max_outcome, r.channels)
        for i, r in enumerate(problem.constraints)
    ]
    asked.append(("/objective/max_outcome", "max_outcome", problem.goal.max_outcome, names))
    worths = [arm.channel.value_per_outcome for arm in arms]
    beside = (
        ("a measure of risk", problem.risk.measure != "expected"),
        ("values per outcome that differ", any(worth is not None for worth in worths)),
        ("the mode sequential", problem.horizon.mode == "sequential"),
        ("people counted once", problem.goal.population is not None),
    )
    found: list[tuple[str, set[str], Floor]] = []
    for pointer, name, most, own in asked:
        if most is None:
            continue
        group = set(own)
        apart = any(group & it and not (group <= it or it <= group) for _, it, _ in found)
        for what, there in (*beside, ("a ceiling of some of its channels and others", apart)):
            if there:
                text = f"max_outcome does not go with {what} yet."
                raise NotSupportedYet.at(pointer, "not_supported_yet", text)
        found.append((pointer, group, ceiling(name, most, _mask(places, own, len(arms)))))
    return tuple(floor for *_, floor in found)


class _Box:
    """Boxes and discrete domains of u."""

    def __init__(self, count: int, columns: int) -> None:
        self.lower = np.zeros((count, columns))
        self.upper = np.zeros((count, columns))
        self.least = np.zeros((count, columns))
        self.lot = np.zeros(count)
        self.lower_by: tuple[Names, ...] = ()
        self.upper_by: tuple[Names, ...] = ()


def _box(problem: Problem, arms: Sequence[Arm], moved: Flow, rows: Rows, curves: Curves) -> _Box:
    count, columns = len(arms), moved.spread.shape[2]
    periods = problem.horizon.periods
    box = _Box(count, columns)
    hair = HAIR * (problem.budget or 0.0)
    cap = problem.goal.max_frequency
    caps = [None if cap is None else reach_cap(arm, cap) for arm in arms]
    bounds = [
        _FREE if arm.channel.periods else arm_bounds(arm, periods, most, hair)
        for arm, most in zip(arms, caps, strict=True)
    ]
    floors: list[Names] = [low[1] for low, _ in bounds]
    roofs: list[Names] = [high[1] for _, high in bounds]
    booked = np.zeros((count, columns), dtype=bool)
    money = columns > 1 or bool(np.all(moved.spread == 1.0))  # decisions are spends themselves
    planned = bool(problem.period_budgets)
    if money:
        box.lower[:] = np.array([low[0] for low, _ in bounds])[:, None]
        box.upper[:] = np.array([high[0] for _, high in bounds])[:, None]
    for a, arm in enumerate(arms):
        channel = arm.channel
        if channel.periods and columns > 1:
            lows, highs, booked[a] = bounds_by_period(arm, caps[a], columns)
            box.lower[a], box.upper[a] = [x for x, _ in lows], [x for x, _ in highs]
            floors[a], roofs[a] = tuple(by for _, by in lows), tuple(by for _, by in highs)
        elif channel.periods:
            low, high, booked[a] = tightest(arm, caps[a], moved.spread[a, :, 0], planned)
            (box.lower[a], floors[a]), (box.upper[a], roofs[a]) = low, high
        elif not money:
            box.lower[a], box.upper[a] = in_decisions(arm, moved.spread[a], *bounds[a], planned)
        if channel.locked:
            continue
        if channel.minimum_if_active > 0.0:
            per_u = moved.spread[a].sum(axis=0)
            if columns == 1:
                per_u = np.min(moved.spread[a], axis=0, where=moved.spread[a] > 0, initial=np.inf)
            box.least[a] = channel.minimum_if_active / np.where(per_u > 0.0, per_u, 1.0)
        if channel.increment > 0.0:
            box.lot[a] = lot_of(arm, moved.spread[a])
    if _plain(problem, rows, box):
        names = [arm.name for arm in arms]
        bounds_by = [str(by) for by in floors], [str(by) for by in roofs]
        ends = within_budget(names, box.lower[:, 0], box.upper[:, 0], *bounds_by, rows)
        box.lower, box.upper = (end.reshape(count, 1) for end in ends)
    ceiling = budget_ceiling(rows, box.lower)
    if not np.all(np.isfinite(np.minimum(ceiling, box.upper))):
        cheap = _cheapest(problem, arms, moved, rows, box, curves)
        known = curves[1] or curves[0]
        free = free_ceiling(problem, arms, moved, known, rows, box.lower, box.upper, cheap)
        ceiling = np.minimum(ceiling, free)
    ceiling = np.maximum(ceiling, box.lower)
    by_budget = (ceiling < box.upper).tolist()
    box.lower_by, box.upper_by = tuple(floors), tuple(map(_capped, roofs, by_budget))
    box.upper = np.minimum(box.upper, ceiling)
    if not np.all(np.isfinite(box.upper)):
        raise InvalidInput.at(
            "/budget", "missing", "Without a budget or a max_spend, more money is always better."
        )
    # Where a floor already asks for the minimum, or a ceiling rules it out, there is no choice,
    # and none where spend is booked.
    box.least = np.where((box.lower >= box.least) | booked, 0.0, box.least)
    out = (box.least > box.upper * (1.0 + 1e-12)) & (box.lower <= 0.0)
    box.upper, box.least = np.where(out, 0.0, box.upper), np.where(out, 0.0, box.least)
    return box


_FREE: tuple[Bound, Bound] = ((0.0, ""), (math.inf, ""))


def _capped(by: Names, budget: list[bool]) -> Names:
    """What set the ceilings of an arm, once a budget may have set them lower."""
    if isinstance(by, str):
        return "budget" if all(budget) else by
    return tuple("budget" if low else name for low, name in zip(budget, by, strict=True))


def _plain(problem: Problem, rows: Rows, box: _Box) -> bool:
    """Whether one budget over boxes is all that holds the arms."""
    return (
        rows.names == ("budget",)
        and rows.matrix.shape[1] == len(box.lower)
        and bool(np.all(rows.matrix == 1.0))
        and not problem.constraints
        and not np.any(box.least)
        and not np.any(box.lot)
    )


def _cheapest(
    problem: Problem, arms: Sequence[Arm], moved: Flow, rows: Rows, box: _Box, curves: Curves
) -> float:
    """What the cheapest allowed plan costs; its floors where no rule asks for more."""
    money = moved.spread.sum(axis=1)
    rules = rows.names or np.any(box.least) or np.any(box.lot)
    if not rules:
        return float((money * box.lower).sum())
    wide = _Box(*box.lower.shape)
    wide.lower, wide.least, wide.lot = box.lower, box.least, box.lot
    wide.upper = np.maximum(provisional_ceiling(moved, rows, box.upper), box.lower)
    wide.lower_by = wide.upper_by = ("",) * len(arms)
    wide.least = np.where(wide.least > wide.upper, 0.0, wide.least)
    program = _finished(problem, arms, _assembled(problem, arms, moved, rows, wide, curves))
    found = solve_linear(program, cost=program.spread.sum(axis=1))
    cheapest = box.lower if found is None else found.u[: len(arms)]
    return float((money * cheapest).sum()) * (1.0 + 1e-6)


def _by_name(problem: Problem, arms: Sequence[Arm]) -> dict[str, list[int]]:
    """Places of each channel's arms."""
    names = (channel.name for channel in problem.channels)
    return dict(zip(names, members(arms), strict=True))


def _arms_named(
    places: Mapping[str, Sequence[int]], names: Sequence[str], at: str = ""
) -> tuple[int, ...]:
    for name in names:
        if name not in places:
            raise InvalidInput.at(at, "unknown_channel", f"There is no channel {name!r}.")
    return tuple(a for name in names for a in places[name])


class _RowBuilder:
    """Collects rows; ``spread`` (T, K) is the same for all arms."""

    def __init__(self, problem: Problem, arms: Sequence[Arm], spread: Array) -> None:
        self.problem, self.arms, self.spread = problem, arms, spread
        self.matrix: list[Array] = []
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.names: list[str] = []
        # Periods in which the same rule would be the same row are one.
        _, first = np.unique(spread, axis=0, return_index=True)
        self.periods: list[int] = sorted(first.tolist())

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """By channel, the places of its arms."""
        return _by_name(self.problem, self.arms)

    def add(self, name: str, by_arm: Array, over: Array, low: float, high: float) -> None:
        """``low <= sum of by_arm[a] * (over @ u[a]) <= high``; left out where it says nothing."""
        low, high = float(low), float(high)
        if low == -math.inf and high == math.inf:
            return
        row = np.multiply.outer(by_arm, over).ravel()
        if not np.any(row):
            if low > 0.0 or high < 0.0:
                missed = max(low, -high)
                text = f"{name} asks for {missed:,.2f} of no channel at all."
                raise Infeasible(text, [Conflict(name, text, missed)])
            return
        size = (len(self.matrix) + 1) * row.size
        if size > MOST_ENTRIES:
            raise InputTooLarge(
                f"The plan needs more than {len(self.matrix):,} rules over {row.size:,} decisions; "
                "fewer periods or channels, or no pacing, would fit."
            )
        self.matrix.append(row)
        self.lower.append(low)
        self.upper.append(high)
        self.names.append(name)

    def some(self, periods: Over) -> list[int]:
        """Places of periods (from 1; None: all), each rule there once."""
        if periods is None:
            return self.periods
        places = np.array(periods, dtype=np.intp) - 1
        _, first = np.unique(self.spread[places], axis=0, return_index=True)
        return sorted(places[first].tolist())

    def each_period(
        self, name: str, by_arm: Array, low: float, high: float, over: Over = None
    ) -> None:
        for t in self.some(over):
            self.add(name, by_arm, self.spread[t], low, high)

    def whole(self, name: str, by_arm: Array, low: float, high: float, over: Over = None) -> None:
        places = slice(None) if over is None else [t - 1 for t in over]
        self.add(name, by_arm, self.spread[places].sum(axis=0), low, high)

    def rows(self) -> Rows:
        width = len(self.arms) * self.spread.shape[1]
        return Rows(
            matrix=np.array(self.matrix).reshape(len(self.matrix), width),
            lower=np.array(self.lower),
            upper=np.array(self.upper),
            names=tuple(self.names),
        )

    def pick(self, chosen: Sequence[int]) -> Array:
        out = np.zeros(len(self.arms))
        out[list(chosen)] = 1.0
        return out


def _rows(problem: Problem, arms: Sequence[Arm], spread: Array) -> Rows:
    """Every linear rule over the decisions, under the caller's own names; ``spread`` is (T, K)."""
    build = _RowBuilder(problem, arms, spread)
    _budgets(problem, build)
    paced = problem.horizon.max_change is not None and problem.horizon.periods > 1
    for channel in problem.channels:
        totals = channel.min_total > 0.0 or channel.max_total is not None
        if not (channel.campaigns or paced or totals):
            continue  # nothing is said of its sum: no row as long as there are channels is made
        own = build.pick(build.places[channel.name])
        if channel.campaigns:
            _channel_over_campaigns(build, channel, own)
        elif problem.horizon.periods > 1:
            _totals(build, channel.name, channel, own)
        if paced:
            _pacing(build, problem, channel, own)
    if problem.horizon.periods > 1:
        for a, arm in enumerate(arms):
            if problem.channels[arm.parent].campaigns:
                _totals(build, arm.name, arm.channel, build.pick([a]))
    for i, constraint in enumerate(problem.constraints):
        _constraint(build, constraint, i)
    return build.rows()


def _budgets(problem: Problem, build: _RowBuilder) -> None:
    everyone = np.ones(len(build.arms))
    kept = 1.0 - problem.test_reserve
    # For the least spend a budget can only be a cap: otherwise nothing would be left to minimise.
    exact = problem.spend_all and problem.goal.goal != "minimize_spend"
    fixed = problem.horizon.mode == "fixed_shares" and problem.horizon.periods > 1
    if problem.period_budgets and not fixed:
        for t, amount in enumerate(problem.period_budgets):
            name = f"budget[{t + 1}]"
            floor = kept * amount if exact else -math.inf
            build.add(name, everyone, build.spread[t], floor, kept * amount)
    total = problem.budget
    if fixed:
        # Shares of each period's budget: all of them add up where their sum over time does.
        shared_out = float(build.spread.sum())
        total = shared_out if total is None else min(kept * total, shared_out)
    elif total is not None:
        total = kept * total
    if total is not None and (fixed or not (problem.period_budgets and exact)):
        floor = total if exact else -math.inf if problem.budget_min is None else problem.budget_min
        build.whole("budget", everyone, floor, total)
    for window in problem.windows:
        name = f"budget{span_name(window.first, window.last)}"
        cap, floor = kept * window.budget, -math.inf if window.least is None else window.least
        if window.least is None and exact and problem.budget is None:
            floor = cap
        build.whole(name, everyone, floor, cap, tuple(range(window.first, window.last + 1)))
        if window.last == problem.horizon.periods:
            _last_period(problem, build, floor, cap, window.last - window.first + 1)
    if total is not None and not problem.period_budgets and not problem.windows:
        floor = total if exact else -math.inf if problem.budget_min is None else problem.budget_min
        _last_period(problem, build, floor, total, problem.horizon.periods)


def _last_period(
    problem: Problem, build: _RowBuilder, floor: float, most: float, periods: int
) -> None:
    """An even part of the budget for the last period, where it stands for those after the plan."""
    last = problem.horizon.periods
    if problem.horizon.then == "continue" and build.spread.shape[1] > 1 and periods > 1:
        everyone, name = np.ones(len(build.arms)), f"budget[{last}]{THEN}"
        build.add(name, everyone, build.spread[last - 1], floor / periods, most / periods)


def _channel_over_campaigns(build: _RowBuilder, channel: Channel, own: Array) -> None:
    """A channel's own limits, which hold for the sum of its campaigns."""
    first, *others = np.flatnonzero(own).tolist() if channel.several else (0,)
    for other in others:  # one spend
        same = build.pick([first]) - build.pick([other])
        build.each_period(f"{channel.name}{TIED}", same, 0.0, 0.0)
    today = current_of(channel)
    ceiling = math.inf if channel.max_spend is None else channel.max_spend
    if channel.max_spend_is_default:
        ceiling = max(ceiling, sum(own_bounds(c)[0][0] for c in channel.campaigns))
    general = [("min_spend", channel.min_spend, math.inf), ("max_spend", -math.inf, ceiling)]
    if channel.keeps and today is not None:
        general.append(("keep_current", today, math.inf))
    if channel.locked and today is not None:
        general.append(("locked", today, today))
    elif channel.max_change is not None and today is not None:
        least, most = today * (1.0 - channel.max_change), today * (1.0 + channel.max_change)
        general.append(("max_change", least, most))
    entries = entries_of(channel, build.spread.shape[0])
    usual = tuple(t + 1 for t, entry in enumerate(entries) if entry is None)
    for name, low, high in general:
        low = low if low > 0.0 else -math.inf
        if usual:
            over = usual if channel.periods else None
            build.each_period(f"{channel.name}.{name}", own, low, high, over)
        for t, entry in enumerate(entries):
            if entry is not None:
                build.add(f"{channel.name}.{name}", own, build.spread[t], *entry.lets(low, high))
    for t, entry in enumerate(entries):
        if entry is not None:
            for name, low, high in entry.asks():
                build.add(f"{channel.name}.{name}", own, build.spread[t], low, high)
    _totals(build, channel.name, channel, own)


def _totals(build: _RowBuilder, name: str, channel: Channel, own: Array) -> None:
    if channel.min_total > 0.0:
        build.whole(f"{name}.min_total", own, channel.min_total, math.inf)
    if channel.max_total is not None:
        build.whole(f"{name}.max_total", own, -math.inf, channel.max_total)


def _pacing(build: _RowBuilder, problem: Problem, channel: Channel, own: Array) -> None:
    """``|x_t - x_(t-1)| <= change * x_(t-1)``; the first period is paced against today's spend."""
    change = problem.horizon.max_change
    assert change is not None
    spread, today = build.spread, current_of(channel)
    if channel.locked:
        return
    if today is not None:
        low, high = today * (1.0 - change), today * (1.0 + change)
        build.add(f"pacing.{channel.name}[1]", own, spread[0], low, high)
    for t in range(1, spread.shape[0]):
        name = f"pacing.{channel.name}[{t + 1}]"
        up = spread[t] - (1.0 + change) * spread[t - 1]
        down = spread[t] - (1.0 - change) * spread[t - 1]
        if np.any(up > 0.0):
            build.add(name, own, up, -math.inf, 0.0)
        if np.any(down < 0.0):
            build.add(name, own, down, 0.0, math.inf)


def _constraint(build: _RowBuilder, rule: Constraint, at: int) -> None:
    places, over, where = build.places, rule.periods, f"/constraints/{at}"
    group = build.pick(_arms_named(places, rule.channels, where))
    _arms_named(places, [name for name, _ in rule.coefficients], where)
    build.each_period(rule.name, group, *_sides(rule.min_spend, rule.max_spend), over)
    build.whole(rule.name, group, *_sides(rule.min_total, rule.max_total), over)
    # min_share <= group / everyone, multiplied out; with one column all periods say the same.
    periods = build.some(over)
    if build.spread.shape[1] == 1:
        periods = sorted(periods, key=lambda t: -float(build.spread[t, 0]))[:1]
    for t in periods:
        if rule.min_share is not None:
            build.add(rule.name, group - rule.min_share, build.spread[t], 0.0, math.inf)
        if rule.max_share is not None:
            build.add(rule.name, group - rule.max_share, build.spread[t], -math.inf, 0.0)
    for name, share in list(zip(rule.channels, rule.split, strict=False))[:-1]:
        own = build.pick(places[name])
        for t in periods:  # the last share follows from the others
            build.add(rule.name, own - share * group, build.spread[t], 0.0, 0.0)
    weights = np.zeros(len(build.arms))
    for name, coefficient in rule.coefficients:
        weights[places[name]] += coefficient
    build.each_period(rule.name, weights, *_sides(rule.minimum, rule.maximum), over)


def _sides(low: float | None, high: float | None) -> tuple[float, float]:
    return (-math.inf if low is None else low, math.inf if high is None else high)


def pairs_of(problem: Problem, arms: Sequence[Arm]) -> tuple[Pair, ...]:
    """The pairs of all interactions; two that join the same arms are one.

    An interaction may also name single campaigns ("tv/brand"): their own levels count then.

    Raises
    ------
    InvalidInput
        Names that do not exist, curves without a ceiling.
    """
    if not problem.interactions:
        return ()
    places = {arm.name: [a] for a, arm in enumerate(arms)}
    places |= _by_name(problem, arms)
    strengths: dict[tuple[int, int], float] = {}
    for i, link in enumerate(problem.interactions):
        _arms_named(places, link.channels)
        first, second = (places[name] for name in link.channels)
        for (a, part), (b, other) in (
            (one, two) for one in _parts(arms, first, i) for two in _parts(arms, second, i)
        ):
            strength = link.strength * part * other
            if strength:
                strengths[a, b] = strengths.get((a, b), 0.0) + strength
    return tuple(Pair(a, b, strength) for (a, b), strength in strengths.items())


def _parts(arms: Sequence[Arm], own: Sequence[int], place: int) -> list[tuple[int, float]]:
    """Arms of one channel with their parts of its ceiling; none where it brings nothing."""
    tops = [_ceiling(arms[a], place) for a in own]
    total = sum(tops)
    if total <= 0.0:
        return []
    return [(a, top / total) for a, top in zip(own, tops, strict=True)]


def _ceiling(arm: Arm, place: int) -> float:
    """The most an arm can bring in a period, in the mean over its draws."""
    response = arm.channel.response
    tops = [float(curve.supremum()) for curve in (response.saturation, *response.draws)]
    if not np.all(np.isfinite(tops)):
        raise InvalidInput.at(
            f"/interactions/{place}",
            "no_ceiling",
            f"{arm.name}: an interaction needs levels of saturation, and a "
            f"{response.saturation.family} curve has no ceiling.",
        )
    return float(np.mean(tops[1:] or tops))


def _finished(problem: Problem, arms: Sequence[Arm], program: Program) -> Program:
    """The program with its sums and with its rules on when decisions are on."""
    program = _with_sums(problem, arms, program)
    if program.columns == 1:
        return program
    place = {name: a for a, name in enumerate(program.names)}
    switches: list[Switch] = []
    for channel in problem.channels:
        flight = channel.flight
        if flight is not None and not channel.excluded:
            runs = (flight.min_on, flight.min_off, flight.most, flight.before)
            name = f"{channel.name}.flight"
            switches.append(Flight(name, place[channel.name], program.columns, *runs))
    for rule in problem.constraints:
        if rule.per_period and rule.max_active is not None:
            own = tuple(place[name] for name in rule.channels)
            periods = rule.periods or range(1, program.columns + 1)
            switches += [PerPeriod(rule.name, own, t - 1, rule.max_active) for t in periods]
    if not switches:
        return program
    program = replace(program, switches=Switches(switches))
    lower, upper = _ends_of_sums(program)
    met = (lower > 0.0) & (program.least_active <= lower)  # then there is no choice
    least = np.where(met, 0.0, program.least_active)
    silent = program.switched & (lower <= 0.0) & (least <= 0.0) & (upper > 0.0)
    asked = np.any(program.least_active > 0.0, axis=1)
    least = np.where(silent, _faintest(problem, program)[:, None], least)
    return replace(
        program,
        lower=lower,
        upper=upper,
        least_active=least,
        silent=tuple(np.flatnonzero(silent.any(axis=1) & ~asked).tolist()),
    )


def _ends_of_sums(program: Program) -> tuple[Array, Array]:
    """The box, sums of arms in what their parts and the rows over just these leave."""
    lower, upper, rows = program.lower.copy(), program.upper.copy(), program.rows
    cells = rows.matrix.reshape(-1, program.arms, program.columns)
    for arm, parts in enumerate(program.sums, program.arms - len(program.sums)):
        own = list(parts)
        lower[arm] = program.lower[own].sum(axis=0)
        alike = np.all(cells[:, own] == cells[:, own[:1]], axis=1)
        alone = np.count_nonzero(cells, axis=(1, 2)) == len(own)
        for m, k in np.argwhere(alike & alone[:, None] & (cells[:, own[0]] == 1.0)).tolist():
            lower[arm, k] = max(lower[arm, k], rows.lower[m])
            upper[arm, k] = min(upper[arm, k], rows.upper[m])
    lower = np.where(program.switched, np.clip(lower, 0.0, upper), program.lower)
    return lower, np.where(program.switched, np.maximum(upper, 0.0), program.upper)


def _faintest(problem: Problem, program: Program) -> Array:
    """(A,) what counts as on where no minimum says so: a small part of what a period has."""
    periods, budget = program.periods, problem.money
    roof = np.min(program.upper, axis=1, where=program.upper > 0.0, initial=np.inf)
    mean = budget / periods if budget > 0.0 else np.inf
    return np.asarray(FAINTEST * np.minimum(roof, mean))


def _with_sums(problem: Problem, arms: Sequence[Arm], program: Program) -> Program:
    """The program with an arm for each channel above campaigns that choices are made about."""
    rules = [rule for rule in problem.constraints if rule.max_active is not None]
    counted = {name for rule in rules for name in rule.channels}
    chosen = [
        i
        for i, c in enumerate(problem.channels)
        if c.campaigns
        and (
            c.name in counted
            or (c.flight is not None and program.columns > 1)
            or (not c.locked and (c.minimum_if_active or c.increment))
        )
    ]
    if not chosen:
        return program
    above = [problem.channels[i] for i in chosen]
    places = _by_name(problem, arms)
    parts = [places[channel.name] for channel in above]
    a, k, n = program.arms, program.columns, len(chosen)
    tied = np.zeros((n, k, a + n, k))
    every = np.arange(k)
    for i, own in enumerate(parts):
        for arm, sign in (*((arm, 1.0) for arm in own), (a + i, -1.0)):
            tied[i, every, arm, every] = sign
    wide = np.zeros((len(program.rows.names), a + n, k))
    wide[:, :a] = program.rows.matrix.reshape(-1, a, k)
    names = tuple(channel.name for channel in above)
    zero = np.zeros(n * k)
    per_u = np.min(program.spread[0], axis=0, where=program.spread[0] > 0.0, initial=np.inf)
    per_u = np.where(np.isfinite(per_u), per_u, 1.0)
    upper = np.array([program.upper[own].sum(axis=0) for own in parts])
    least = np.array([0.0 if c.locked else c.minimum_if_active for c in above])
    minimum = np.array(np.broadcast_to(least[:, None] / per_u, (n, k)))
    for row, channel in enumerate(above):
        entries = entries_of(channel, program.periods)
        booked = np.array([entry is not None and entry.booked for entry in entries])
        minimum[row, booked if k > 1 else np.array([booked.any()])] = 0.0
    wholes = [Arm(c.name, c, i, f"/channels/{i}") for i, c in zip(chosen, above, strict=True)]
    lots = [0.0 if w.channel.locked else lot_of(w, program.spread[0]) for w in wholes]
    draws = program.draws

    def more(array: Array, new: Array | float = 0.0) -> Array:
        shape = (n, *array.shape[1:])
        return np.concatenate((array, np.broadcast_to(new, shape)))

    counted_by = places | {name: [a + i] for i, name in enumerate(names)}
    at_most = tuple(
        replace(limit, arms=tuple(dict.fromkeys(_arms_named(counted_by, rule.channels))))
        for limit, rule in zip(program.at_most, _counts(problem, program.spread), strict=True)
    )
    return replace(
        program,
        names=(*program.names, *names),
        fee=None if program.fee is None else more(program.fee),
        ratios=None if program.ratios is None else more(program.ratios, 1.0),
        floors=tuple(floor.with_more(n) for floor in program.floors),
        ceilings=tuple(floor.with_more(n) for floor in program.ceilings),
        lower=more(program.lower),
        upper=more(program.upper, upper),
        least_active=more(program.least_active, minimum),
        lower_by=(*program.lower_by, *[""] * n),
        upper_by=(*program.upper_by, *[""] * n),
        lot=more(program.lot, np.array(lots)),
        rows=Rows(
            matrix=np.concatenate((wide, tied.reshape(n * k, a + n, k))).reshape(-1, (a + n) * k),
            lower=np.concatenate((program.rows.lower, zero)),
            upper=np.concatenate((program.rows.upper, zero)),
            names=(*program.rows.names, *(f"{name}.campaigns" for name in names for _ in range(k))),
        ),
        spread=more(program.spread),
        carry=more(program.carry),
        carry_in=more(program.carry_in),
        power=None if program.power is None else more(program.power, 1.0),
        weight=more(program.weight),
        curves=CurveStack(a + n, _with_units(program.curves, n), program.curves.tables),
        draws=draws and DrawStack(draws.draws, a + n, _with_units(draws, n), draws.tables),
        at_most=at_most,
        sums=tuple(tuple(own) for own in parts),
        current=None if program.current is None else more(program.current),
    )


def _with_units(source: CurveStack | DrawStack, more: int) -> tuple[Group, ...]:
    """The groups of a stack with a curve each for arms that have no response of their own."""
    ones = np.ones(more if isinstance(source, CurveStack) else (source.draws, more))
    own = [Group(np.arange(source.n)[group.columns], group.curve) for group in source.groups]
    return (*own, Group(np.arange(source.n, source.n + more), Exponential(ones, ones)))
