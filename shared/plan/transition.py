"""The way from today's plan to the recommended one, in steps of at most ``max_change`` a period.

Each step is the best plan (spend sustained) within ``max_change`` of the step before it, so
that what pays most moves first. On curves with a bend such steps may stop at a hill of their own:
where going straight for the recommended plan ends higher, that way is taken instead, and the answer
says which. What each period brings is told with carryover: today's spend still works when the first
step is made, and the last step works in full only later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Infeasible, InvalidInput
from shared.figures import plural
from shared.plan.narrate import of_transition
from shared.plan.optimize import make_plan, summary
from shared.plan.rows import by_arm, spends, warned
from shared.plan.score import Score, finite, interval, quotient, score
from shared.plan.words import gained, limits_data, limits_of, percent, say
from shared.plan.yardstick import Yardstick, broken_by, today_of, yardstick
from shared.problem.arms import arms_of, freed, on_arms, own_bounds
from shared.problem.carryover import periods_until
from shared.problem.lower import lower
from shared.problem.model import Channel, Goal, Horizon, Problem

__all__ = ["transition"]

Floats = NDArray[np.float64]

THERE = 0.99  # share of the gain from which on it counts as reached
STILL = 1e-9  # a step that moves less than this share of the money is none
MEMORY = 520  # most periods before the plan whose spend is looked back to
CARRIED = 1e-9  # of an arm's carryover, what may be left out


def transition(problem: Problem, max_change: float, periods: int) -> dict[str, Any]:
    """The answer to ``POST /transition``.

    Parameters
    ----------
    problem
        Of one period, with every current spend known.
    max_change
        Largest change of an arm from one period to the next, as a share of what it spends; an arm
        that spends nothing yet may rise by that share of what it is recommended.
    periods
        Steps to be made.

    Raises
    ------
    Infeasible, InvalidInput
        As solving ``problem`` would; a plan over time, or an unknown current spend.
    """
    start = today_of(
        problem,
        "A transition makes a plan for one period out of steps over time: give no horizon.",
        "Steps start from today's spend, which is not known of",
    )
    plan = make_plan(problem)
    measure = yardstick(problem)
    goal = plan.best.spend[:, 0]
    stepped, kept = _best_steps(problem, start, goal, max_change, periods)
    straight = _straight_steps(problem, start, goal, max_change, periods)
    way, hair = "best_steps", 1e-9 * abs(_sustained(measure, goal))
    ahead = _sustained(measure, straight[-1]) > _sustained(measure, stepped[-1]) + hair
    if ahead and _broken(measure, straight).keys() <= _broken(measure, stepped).keys():
        stepped, way = straight, "straight"
    base, best = _sustained(measure, start), _sustained(measure, goal)
    gains, broken = best - base > STILL * max(abs(best), 1e-12), broken_by(measure, start[:, None])
    if not (gains or broken):
        stepped = [start] * periods
    over = _over_time(problem, start, stepped)
    reached = [_sustained(measure, step) for step in stepped]
    shares = [quotient(own - base, best - base) if gains else None for own in reached]
    # Short of its limits, a step may be worth more than any plan that keeps them.
    unmet = _broken(measure, stepped)
    near = best - (1.0 - THERE) * abs(best - base)
    first = max(unmet.values(), default=0) + 1
    arrives = next((p for p in range(first, periods + 1) if reached[p - 1] >= near), None)
    brought = measure.score(start[:, None]).total
    # The first period that brings what the recommended plan will, carryover included.
    more, whole = over.outcome.sum(axis=0) - brought, plan.best.total
    there = np.flatnonzero(more >= THERE * (whole - brought))
    comes = whole - brought > STILL * max(abs(whole), 1e-12) and there.size > 0
    held = _held_by_lots(problem, stepped[-1], goal, max_change)
    answer = {
        "path": way,
        "path_reason": REASONS[way],
        "steps": _steps(problem, start, goal, stepped, over, shares),
        "current": {"spend": float(start.sum()), "outcome": brought},
        "recommended": summary(plan, by_arm(problem, plan.best.spend)),
        "gain": max(best - base, 0.0),
        "reached_share": shares[-1],
        "arrives_in": arrives,
        "outcome_arrives_in": int(there[0]) + 1 if comes else None,
        "outcome_gained": float(more.sum()),
        "warnings": warned(problem.warnings, _warnings(kept, held, unmet), plan.notes),
        "curves_version": problem.curves_version,
    }
    said = [_told(problem, shares, arrives, best - base, broken), *of_transition(problem, answer)]
    return {**answer, "explanation": said}


REASONS = {
    "best_steps": "Each step is the best plan within max_change of the step before; what a period "
    "brings is measured with carryover, which the choice of a step leaves aside.",
    "straight": "Steps that are best one by one end lower, for some curves have a bend: each step "
    "goes straight for the recommended plan, as far as max_change allows.",
}


def _reach(problem: Problem, now: Floats, goal: Floats, share: float) -> tuple[Floats, Floats]:
    """Least and most (A,) that each arm may spend in the next step."""
    low, high = np.zeros(now.size), np.zeros(now.size)
    for a, arm in enumerate(arms_of(problem)):
        channel, x = arm.channel, float(now[a])
        (least, _), (most, _) = own_bounds(channel)
        step = share * (x if x > 0.0 else float(goal[a]))
        down, up, on = max(x - step, 0.0), x + step, channel.minimum_if_active
        if channel.increment > 0.0:
            # Whole lots within the change; where there are none, an arm stays.
            lot = channel.increment
            down, up = np.ceil(down / lot - STILL) * lot, np.floor(up / lot + STILL) * lot
            down, up = (down, up) if down <= up else (x, x)
            on = float(np.ceil(on / lot - STILL) * lot)
        if on > 0.0:
            # On or off is one step, or it would never be made.
            down = 0.0 if down < on else down
            up = max(up, on) if goal[a] > 0.0 else up
        # From outside its limits an arm goes towards them as fast as it may.
        low[a] = min(max(down, least), max(up, 0.0)) if x < least else max(down, min(least, x))
        high[a] = max(min(up, most), down) if x > most else min(up, most)
        low[a], high[a] = min(low[a], high[a]), max(low[a], high[a])
    return low, high


def _best_steps(
    problem: Problem, start: Floats, goal: Floats, share: float, periods: int
) -> tuple[list[Floats], bool]:
    """The steps, and whether each of them is the best one (no limit was out of reach)."""
    now, steps, kept = start, [], True
    limit = problem.options.time_limit_s / periods
    options = replace(problem.options, time_limit_s=max(limit, 0.05))
    for _ in range(periods):
        low, high = _reach(problem, now, goal, share)
        try:
            task = replace(_within(problem, low, high), options=options)
            found = make_plan(task, now[:, None]).best.spend[:, 0]
        except (Infeasible, InvalidInput):
            found, kept = _towards(now, goal, low, high), False
        steps.append(found)
        if np.abs(found - now).sum() <= STILL * max(float(goal.sum()), 1e-12):
            steps += [found] * (periods - len(steps))
            break
        now = found
    return steps, kept


def _straight_steps(
    problem: Problem, start: Floats, goal: Floats, share: float, periods: int
) -> list[Floats]:
    now, steps = start, []
    for _ in range(periods):
        now = _towards(now, goal, *_reach(problem, now, goal, share))
        steps.append(now)
    return steps


def _towards(now: Floats, goal: Floats, low: Floats, high: Floats) -> Floats:
    """As far towards ``goal`` as the limits allow, without a total that overshoots its change."""
    move = np.clip(goal, low, high) - now
    wanted = float(goal.sum() - now.sum())
    up, down = float(move[move > 0].sum()), float(-move[move < 0].sum())
    # The side that is ahead waits for the other, so that the total goes where the goal's is.
    if up - down > max(wanted, 0.0) and up > 0.0:
        move = np.where(move > 0, move * (max(wanted, 0.0) + down) / up, move)
    elif down - up > max(-wanted, 0.0) and down > 0.0:
        move = np.where(move < 0, move * (max(-wanted, 0.0) + up) / down, move)
    return np.asarray(now + move)


def _within(problem: Problem, low: Floats, high: Floats) -> Problem:
    """The problem of one step: each arm within reach, and as near to the budget as that allows."""

    def held(a: int, arm: Channel) -> Channel:
        own = replace(arm, min_spend=float(low[a]), max_spend=float(high[a]))
        return replace(own, max_spend_is_default=False)

    channels = on_arms(problem, held)
    channels = tuple(replace(c, max_change=None, locked=False) for c in channels)
    budget = problem.budget
    if budget is not None:
        kept = 1.0 - problem.test_reserve
        budget = max(budget, float(low.sum()) / kept)
        if problem.spend_all:
            budget = min(budget, float(high.sum()) / kept)
    return replace(problem, channels=channels, budget=budget)


def _over_time(problem: Problem, start: Floats, steps: list[Floats]) -> Score:
    """What the steps bring period by period, after today's spend was sustained before them."""
    periods = len(steps)

    def stretched(channel: Channel, prior: tuple[float, ...]) -> Channel:
        weights = channel.period_weights
        weights = weights * periods if len(weights) == 1 else weights
        return freed(channel, prior_spend=prior, period_weights=weights)

    def sustained(a: int, arm: Channel) -> Channel:
        today, adstock = float(start[a]), arm.response.adstock
        if adstock is None or today <= 0.0:
            return stretched(arm, ())
        memory = min(periods_until(adstock, 1.0 - CARRIED, MEMORY) + 1, MEMORY)
        return stretched(arm, (today,) * memory)

    channels = on_arms(problem, sustained)
    spend = np.stack(steps, axis=1)
    alike = replace(
        problem,
        channels=tuple(stretched(c, ()) if c.campaigns else c for c in channels),
        constraints=(),
        goal=Goal(),
        horizon=Horizon(periods),
        budget=max(float(spend.sum()), 1e-9),
        spend_all=False,
        period_budgets=(),
        budget_min=None,
        test_reserve=0.0,
    )
    return score(lower(alike), spend)


def _sustained(measure: Yardstick, spend: Floats) -> float:
    return measure.objective(spend[:, None])


def _steps(
    problem: Problem,
    start: Floats,
    goal: Floats,
    steps: list[Floats],
    over: Score,
    shares: list[float | None],
) -> list[dict[str, Any]]:
    names, own = zip(*spends(problem), strict=True)
    draws = None if over.draws is None else over.draws.sum(axis=1)
    rows, before = [], start
    hair = STILL * max(float(goal.sum()), 1e-12)
    for p, spend in enumerate(steps):
        rows.append(
            {
                "period": p + 1,
                "spend": float(spend.sum()),
                "outcome": float(over.outcome[:, p].sum()),
                "outcome_interval": None if draws is None else interval(draws[:, p]),
                "reached_share": None if shares[p] is None else finite(float(shares[p] or 0.0)),
                "channels": [
                    {
                        "channel": name,
                        "spend": float(x),
                        "change": float(x - was),
                        "change_share": quotient(float(x - was), float(was)),
                        "recommended": float(end),
                        "there": bool(abs(x - end) <= max(1e-4 * abs(end), hair)),
                    }
                    for name, x, was, end in zip(
                        names, *(summed(own, each) for each in (spend, before, goal)), strict=True
                    )
                ],
            }
        )
        before = spend
    return rows


def summed(own: Sequence[Sequence[int]], spend: Floats) -> list[float]:
    """What is spent on each of several groups of arms."""
    return [float(spend[list(arms)].sum()) for arms in own]


def _told(
    problem: Problem,
    shares: list[float | None],
    arrives: int | None,
    gain: float,
    broken: dict[str, float],
) -> dict[str, Any]:
    last, periods = shares[-1], len(shares)
    if last is None and not broken:
        text = "Today's plan is already as good as the recommended one: no steps are needed."
        return say("keep", text, gain=max(gain, 0.0))
    data: dict[str, Any] = {"gain": gain, "periods": periods, "reached_share": last}
    data |= {"arrives_in": arrives, "broken": limits_data(broken)}
    after = plural(periods if arrives is None else arrives, "step")
    if last is None:
        there = f"after {after} it is there" if arrives else f"{after} do not reach it"
        text = (
            f"Today's plan is not allowed: it breaks {limits_of(problem, broken)}. The recommended "
            f"plan is the best that keeps the limits; {there}."
        )
        return say("limits_first", text, **data)
    whole = f"The recommended plan would {gained(problem, gain)} a period once it is there"
    reached = last if arrives is None else shares[arrives - 1]
    assert reached is not None
    text = f"{whole}; after {after} {percent(reached).lstrip('+')} is reached."
    code = "on_the_way" if arrives is None else "arrives"
    return say(code, text, **{**data, "reached_share": reached})


def _broken(measure: Yardstick, steps: list[Floats]) -> dict[str, int]:
    """Limits that steps break, and the last step (from 1) that does."""
    return {
        name: p + 1 for p, step in enumerate(steps) for name, _, _ in measure.broken(step[:, None])
    }


def _held_by_lots(problem: Problem, now: Floats, goal: Floats, share: float) -> list[str]:
    """Arms short of the recommended plan that no whole lot within ``share`` leads on to."""
    low, high = _reach(problem, now, goal, share)
    hair = STILL * max(float(goal.sum()), 1e-12)
    return [
        arm.name
        for a, arm in enumerate(arms_of(problem))
        if arm.channel.increment > 0.0 and high[a] - low[a] <= hair < abs(goal[a] - now[a])
    ]


def _warnings(kept: bool, held: list[str], unmet: dict[str, int]) -> Iterator[tuple[str, str]]:
    if not kept:
        text = (
            "Some limits cannot be kept within max_change of the step before; those steps go "
            "towards the recommended plan as far as they may."
        )
        yield "steps_break_limits", text
    if held:
        text = (
            f"Lots are larger than what max_change allows in a period: {', '.join(held[:5])} "
            "cannot move on to the recommended plan. A larger max_change or smaller lots would "
            "let them."
        )
        yield "lots_forbid_steps", text
    if unmet:
        named = ", ".join(f"{name} (up to step {p})" for name, p in list(unmet.items())[:5])
        yield "limits_not_yet_met", f"On the way, limits are not yet met: {named}."
