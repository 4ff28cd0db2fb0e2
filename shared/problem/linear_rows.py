"""Every linear rule of a problem as rows over the decisions, under the caller's own names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible, InputTooLarge, InvalidInput
from shared.problem.arms import Arm, current_of, members
from shared.problem.canonical import own_bounds
from shared.problem.model import Channel, Constraint, Problem
from shared.problem.program import Rows

__all__ = ["linear_rows"]

Array = NDArray[np.float64]
MOST_ENTRIES = 60_000_000  # of the rows' matrix: half a gigabyte


class _Builder:
    """Collects rows; ``spread`` (T, K) is the same for all arms."""

    def __init__(self, arms: Sequence[Arm], spread: Array) -> None:
        self.arms, self.spread, self.members = arms, spread, members(arms)
        self.matrix: list[Array] = []
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.names: list[str] = []
        # Periods in which the same rule would be the same row are one.
        _, first = np.unique(spread, axis=0, return_index=True)
        self.periods: list[int] = sorted(first.tolist())

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

    def each_period(self, name: str, by_arm: Array, low: float, high: float) -> None:
        for t in self.periods:
            self.add(name, by_arm, self.spread[t], low, high)

    def whole(self, name: str, by_arm: Array, low: float, high: float) -> None:
        self.add(name, by_arm, self.spread.sum(axis=0), low, high)

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


def linear_rows(problem: Problem, arms: Sequence[Arm], spread: Array) -> Rows:
    """All rows; ``spread`` is (T, K).

    Raises
    ------
    InvalidInput
        A constraint on a channel that is not there.
    InputTooLarge
        More rules times decisions than fit into memory.
    """
    build = _Builder(arms, spread)
    _budgets(problem, build)
    paced = problem.horizon.max_change is not None and problem.horizon.periods > 1
    for i, channel in enumerate(problem.channels):
        totals = channel.min_total > 0.0 or channel.max_total is not None
        if not (channel.campaigns or paced or totals):
            continue  # nothing is said of its sum: no row as long as there are channels is made
        own = build.pick(build.members[i])
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
        _constraint(build, problem, constraint, i)
    return build.rows()


def _budgets(problem: Problem, build: _Builder) -> None:
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
        floor = total if exact else -math.inf
        build.whole("budget", everyone, floor, total)


def _channel_over_campaigns(build: _Builder, channel: Channel, own: Array) -> None:
    """A channel's own limits, which hold for the sum of its campaigns."""
    today = current_of(channel)
    if channel.min_spend > 0.0:
        build.each_period(f"{channel.name}.min_spend", own, channel.min_spend, math.inf)
    if channel.max_spend is not None:
        ceiling = channel.max_spend
        if channel.max_spend_is_default:
            ceiling = max(ceiling, sum(own_bounds(c)[0][0] for c in channel.campaigns))
        build.each_period(f"{channel.name}.max_spend", own, -math.inf, ceiling)
    if channel.locked and today is not None:
        build.each_period(f"{channel.name}.locked", own, today, today)
    elif channel.max_change is not None and today is not None:
        low, high = today * (1.0 - channel.max_change), today * (1.0 + channel.max_change)
        build.each_period(f"{channel.name}.max_change", own, low, high)
    _totals(build, channel.name, channel, own)


def _totals(build: _Builder, name: str, channel: Channel, own: Array) -> None:
    if channel.min_total > 0.0:
        build.whole(f"{name}.min_total", own, channel.min_total, math.inf)
    if channel.max_total is not None:
        build.whole(f"{name}.max_total", own, -math.inf, channel.max_total)


def _pacing(build: _Builder, problem: Problem, channel: Channel, own: Array) -> None:
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


def _constraint(build: _Builder, problem: Problem, rule: Constraint, at: int) -> None:
    places = {channel.name: i for i, channel in enumerate(problem.channels)}
    wanted = [*rule.channels, *(name for name, _ in rule.coefficients)]
    for name in wanted:
        if name not in places:
            raise InvalidInput.at(
                f"/constraints/{at}", "unknown_channel", f"{rule.name}: no channel {name!r}."
            )
    group = build.pick([a for name in rule.channels for a in build.members[places[name]]])
    build.each_period(rule.name, group, *_sides(rule.min_spend, rule.max_spend))
    build.whole(rule.name, group, *_sides(rule.min_total, rule.max_total))
    # min_share <= group / everyone, multiplied out; with one column all periods say the same.
    biggest = int(np.argmax(build.spread.sum(axis=1)))
    periods = build.periods if build.spread.shape[1] > 1 else [biggest]
    for t in periods:
        if rule.min_share is not None:
            build.add(rule.name, group - rule.min_share, build.spread[t], 0.0, math.inf)
        if rule.max_share is not None:
            build.add(rule.name, group - rule.max_share, build.spread[t], -math.inf, 0.0)
    weights = np.zeros(len(build.arms))
    for name, coefficient in rule.coefficients:
        weights[build.members[places[name]]] += coefficient
    build.each_period(rule.name, weights, *_sides(rule.minimum, rule.maximum))


def _sides(low: float | None, high: float | None) -> tuple[float, float]:
    return (-math.inf if low is None else low, math.inf if high is None else high)
