"""One channel's spend over time as decisions in turn: goodwill, market and budget left.

The state before a period is what earlier spend left behind (adstocked spend, on a grid), how the
market is (a Markov chain of multipliers of the outcome, seen before each decision), and how many
steps of the budget are left. Spend u moves goodwill z to ``decay * z + weight * u``, which falls
between two points of the grid: the chance of either is such that the mean is kept, which is linear
interpolation of every value (J. Rust, Handbook of Computational Economics 1, 1996, section 5).

Everything else (seasons, discounting, the worth of an outcome, what carryover brings after the
plan) is read off the very program that the optimiser solves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Geometric
from shared.errors import Fault, InputTooLarge, InvalidInput, NotSupportedYet, did_you_mean
from shared.learn.policies.decisions import Decisions
from shared.problem.arms import own_bounds
from shared.problem.lower import lower
from shared.problem.model import Channel, Problem
from shared.problem.program import Program

__all__ = [
    "POINTS",
    "Asked",
    "Market",
    "Spending",
    "alone",
    "check",
    "expected_factors",
    "spending_of",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POINTS = 101  # of the goodwill's grid
MOST_CELLS = 6_000_000  # states times actions times next states
MOST_WORK = 300_000_000  # the same times periods

_CODE = "not_supported_yet"


@dataclass(frozen=True, slots=True)
class Market:
    """What the market may be: multipliers of the outcome, and the chance that it stays as it is.

    ``now`` is the one of today (an index); None: each is as likely.
    """

    factors: tuple[float, ...] = (1.0,)
    stays: float = 1.0
    now: int | None = None

    def chain(self) -> Floats:
        """(F, F) chances of the next period's; where it does not stay, all others are as likely."""
        f = len(self.factors)
        if f == 1:
            return np.ones((1, 1))
        moves = np.full((f, f), (1.0 - self.stays) / (f - 1))
        np.fill_diagonal(moves, self.stays)
        return moves

    def start(self) -> Floats:
        """(F,) chances of the first period's."""
        f = len(self.factors)
        return np.full(f, 1.0 / f) if self.now is None else np.eye(f)[self.now]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy is asked to be.

    ``levels`` are how many spends there are from the least to the most, evenly.
    """

    levels: int = 9
    market: Market = Market()
    learners: tuple[str, ...] = ()
    endless: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Spending:
    """The decisions with what their states and actions mean.

    Attributes
    ----------
    start
        (N,) chances of the first state.
    goodwill
        (G,) the grid.
    goodwills, markets, left
        (N,) indices of the state's goodwill and market, and steps of money left.
    step
        Money of a step; 0 where the budget never binds, and is no part of the state.
    """

    decisions: Decisions
    start: Floats
    goodwill: Floats
    goodwills: Ints
    markets: Ints
    left: Ints
    step: float
    decay: float

    def features(self) -> Floats:
        """(N, 3) of each state: goodwill, multiplier of the market, money left."""
        return np.column_stack(
            [self.goodwill[self.goodwills], self.decisions.factor, self.step * self.left]
        )


def alone(problem: Problem, name: str | None) -> Problem:
    """The problem of one channel of several, whose budget is the channel's own.

    Raises
    ------
    InvalidInput
        At ``/channel``: there is no such channel, or there are several and none is named.
    """
    channels = {channel.name: channel for channel in problem.channels}
    if name is None and len(channels) > 1:
        text = f"A policy is for one channel: say which, of {', '.join(list(channels)[:10])}."
        raise InvalidInput.at("/channel", "required", text)
    name = name or problem.channels[0].name
    if name not in channels:
        text = f"There is no channel {name!r}.{did_you_mean(name, channels)}"
        raise InvalidInput.at("/channel", "unknown_channel", text)
    # How the budget compares with what all channels spend says nothing of the one.
    warnings = tuple(told for told in problem.warnings if told[0] != "budget_far_from_today")
    return replace(problem, channels=(channels[name],), trust=None, warnings=warnings)


def check(problem: Problem, asked: Asked) -> None:
    """Raise what a policy has no room for, of a problem of one channel (``alone``).

    Raises
    ------
    InvalidInput
        No periods, no end of the spend, or an end where there is none.
    NotSupportedYet
        Rules and curves that need more of a state than this one has.
    """
    _refuse_rules(problem)
    _refuse_channel(problem.channels[0])
    if problem.horizon.periods == 1 and not asked.endless:
        text = "A policy is over periods: say how many, as horizon.periods."
        raise InvalidInput.at("/horizon/periods", "required", text)
    if not asked.endless:
        return
    if problem.horizon.discount_rate == 0.0:
        text = "For ever counts by a discount: give horizon.discount_rate, or leave out endless."
        raise InvalidInput.at("/horizon/discount_rate", "required", text)
    if problem.budget is not None:
        text = "A budget is of a horizon, which an endless policy has not: leave it out."
        raise InvalidInput.at("/budget", "conflict", text)
    if problem.goal.goal != "maximize_profit":
        text = "Without a budget only profit has an optimum: ask an endless policy for that."
        raise InvalidInput.at("/objective/goal", "conflict", text)
    if problem.channels[0].period_weights:
        text = "An endless policy has no seasons: leave out period_weights."
        raise InvalidInput.at("/channels/0/period_weights", "conflict", text)


def _refuse_rules(problem: Problem) -> None:
    held: dict[str, Any] = {
        "/constraints": problem.constraints,
        "/interactions": problem.interactions,
        "/period_budgets": problem.period_budgets,
        "/budgets": problem.windows,
        "/budget_min": problem.budget_min,
        "/objective/max_outcome": problem.goal.max_outcome,
        "/objective/population": problem.goal.population,
        "/objective/max_frequency": problem.goal.max_frequency,
        "/horizon/pacing": problem.horizon.max_change,
        "/test_reserve": problem.test_reserve,
        "/horizon/then": problem.horizon.then == "continue",
        "/horizon/mode": problem.horizon.mode != "time_varying",
        "/risk": problem.risk.measure != "expected",
    }
    goal = problem.goal.goal
    faults = [
        Fault(
            pointer, _CODE, f"A policy has no room for {pointer.rpartition('/')[2]}: leave it out."
        )
        for pointer, given in held.items()
        if given
    ]
    if goal not in ("maximize_profit", "maximize_outcome"):
        text = f"A policy is for maximize_profit or maximize_outcome as yet, not {goal}."
        faults.append(Fault("/objective/goal", _CODE, text))
    if faults:
        raise NotSupportedYet(faults)


def _refuse_channel(channel: Channel) -> None:
    adstock, name = channel.response.adstock, channel.name
    several = "is split into campaigns or outcomes, each with a goodwill of its own"
    text = None
    if channel.campaigns:
        text = several
    elif adstock is not None and not isinstance(adstock, Geometric):
        family = adstock.to_dict()["family"]
        text = f"has {family} carryover, whose state is every period's spend"
    elif channel.flight or channel.max_outcome is not None or channel.periods:
        text = "has limits of some periods, flights or a ceiling of the outcome"
    elif channel.rising is not None:
        text = "has a price that rises with spend, of which carryover is no sum"
    elif channel.period_prices or channel.min_total or channel.max_total is not None:
        text = "has prices by period, or limits over the horizon beside the budget"
    if text is not None:
        text = f"{name} {text}: ask optimize for a plan over time, which has them exactly."
        raise NotSupportedYet.at("/channels/0", _CODE, text)
    if own_bounds(channel)[1][0] == inf:
        text = f"Say the most that {name} may spend a period: the levels of spend end there."
        raise InvalidInput.at("/channels/0/max_spend", "required", text)


def _levels(channel: Channel, asked: Asked, most: float) -> Floats:
    """(M,) spends to choose from: evenly from the least to the most (no more than ``most``),
    or lots."""
    (low, _), (high, _) = own_bounds(channel)
    high = max(min(high, most), low)
    spend = np.linspace(low, high, asked.levels) if high > low else np.array([low])
    if channel.increment > 0.0:
        first, last = -(-low // channel.increment), high // channel.increment
        count = int(last - first) + 1
        if count < 1:
            raise InvalidInput.at(
                "/channels/0/increment", "contradiction", "No multiple is within the limits."
            )
        every = max(-(-count // asked.levels), 1)
        spend = channel.increment * np.arange(first, last + 0.5, every)
    return np.asarray(spend[(spend == 0.0) | (spend >= channel.minimum_if_active)])


def spending_of(
    problem: Problem, asked: Asked, points: int = POINTS, most: float = inf
) -> Spending:
    """The decisions of a problem of one channel (``check``).

    Parameters
    ----------
    points
        Of goodwill.
    most
        Spend that no period needs more than, beside the channel's own limits.

    Raises
    ------
    InputTooLarge
        More states and actions than are solved in one answer.
    """
    if asked.endless and problem.horizon.periods == 1:
        # One period means spend sustained: two have the carryover from one to the next.
        problem = replace(problem, horizon=replace(problem.horizon, periods=2))
    channel, program = problem.channels[0], lower(problem)
    spend = _levels(channel, asked, most)
    periods = 1 if asked.endless else problem.horizon.periods
    steps, step, budget = _budget(problem, spend, periods)
    market = asked.market
    shape = (len(market.factors), budget + 1, points)
    ways = 2 * len(market.factors)
    cells = int(np.prod(shape)) * len(spend) * ways
    if cells > MOST_CELLS or cells * periods > MOST_WORK:
        raise InputTooLarge(
            f"{np.prod(shape):,} states, {len(spend)} levels and {periods} periods are more than "
            "one answer solves: fewer levels, periods or factors of the market are solved."
        )
    adstock = channel.response.adstock
    decay = adstock.decay if isinstance(adstock, Geometric) else 0.0
    weight = float(program.carry[0, 0, 0])
    first = float(program.carry_in[0, 0]) / decay if decay > 0.0 else 0.0
    top = max(weight * spend[-1] / (1.0 - decay), first, 1e-12)
    goodwill = np.linspace(0.0, top, points)
    markets, left, goodwills = (index.ravel() for index in np.indices(shape))
    low, share = _between(goodwill, decay * goodwill[:, None] + weight * spend)
    affords = steps[None] <= left[:, None]
    then = np.maximum(left[:, None] - steps, 0)
    after, chance = list[Ints](), list[Floats]()
    for m, moves in enumerate(market.chain().T):  # into market m, from each
        for up in (0, 1):
            after.append((m * shape[1] + then) * points + (low[goodwills] + up))
            part = share[goodwills] if up else 1.0 - share[goodwills]
            chance.append(moves[markets][:, None] * part)
    factor = np.array(market.factors)[markets]
    at, part = _between(goodwill, np.array([first]))
    start = np.zeros(shape)
    opening = market.start()
    start[:, budget, at[0]] += (1.0 - part[0]) * opening
    start[:, budget, at[0] + 1] += part[0] * opening
    pays = program.cost + (0.0 if program.fee is None else float(program.fee[0]))
    discount = np.ones(periods) if program.discount is None else program.discount[:periods]
    decisions = Decisions(
        after=np.stack(after, axis=2),
        chance=np.stack(chance, axis=2),
        allowed=affords,
        spend=spend,
        brings=_brought(program, goodwill),
        place=goodwills,
        factor=factor,
        gain=program.value * program.weight[0, :periods],
        pays=pays * discount,
        end=np.zeros(len(factor)) if asked.endless else _left(program, goodwill, decay)[goodwills],
        discount=1.0 / (1.0 + problem.horizon.discount_rate) if asked.endless else 1.0,
        endless=asked.endless,
    )
    return Spending(decisions, start.ravel(), goodwill, goodwills, markets, left, step, decay)


def _budget(problem: Problem, spend: Floats, periods: int) -> tuple[Ints, float, int]:
    """(M,) steps of money that each level takes, what one is, and how many there are in all.

    The least that every period spends is set aside; a budget that never binds is no part of it.
    """
    free = (np.zeros(len(spend), dtype=np.int64), 0.0, 0)
    if problem.budget is None or len(spend) == 1:
        return free
    step = float(np.diff(spend).min())
    steps = np.ceil((spend - spend[0]) / step - 1e-9).astype(np.int64)
    most = floor((problem.budget - periods * spend[0]) / step + 1e-9)
    if most < 0:
        text = (
            f"A budget of {problem.budget:,.0f} is less than min_spend takes in {periods} periods."
        )
        raise InvalidInput.at("/budget", "contradiction", text)
    return free if most >= periods * int(steps[-1]) else (steps, step, most)


def _between(grid: Floats, values: Floats) -> tuple[Ints, Floats]:
    """The point of an even grid below each value, and how far it is on the way to the next."""
    at = np.clip(values, grid[0], grid[-1]) / (grid[1] - grid[0])
    low = np.minimum(at.astype(np.int64), len(grid) - 2)
    return low, at - low


def _brought(program: Program, goodwill: Floats) -> Floats:
    """(D, G) outcome at each goodwill in each draw; one row without draws."""
    points = goodwill[:, None]
    if program.draws is None:
        return np.asarray(program.curves.value(points).T)
    own = program.draws.column(0).value(points)
    if program.draw_weights is not None:
        return np.asarray((own @ program.draw_weights)[None])
    return np.asarray(own.T)


def _left(program: Program, goodwill: Floats, decay: float) -> Floats:
    """(G,) what carryover is worth after the last period: where the long term has a weight."""
    periods = program.spread.shape[1]
    out = np.zeros(len(goodwill))
    for k, weight in enumerate(program.weight[0, periods:], start=1):
        out += weight * _brought(program, decay**k * goodwill).mean(axis=0)
    return program.value * out


def expected_factors(market: Market, periods: int) -> Floats:
    """(T,) mean multiplier of each period, as it is expected today."""
    chance, moves, out = market.start(), market.chain(), []
    for _ in range(periods):
        out.append(float(chance @ np.array(market.factors)))
        chance = chance @ moves
    return np.array(out)
