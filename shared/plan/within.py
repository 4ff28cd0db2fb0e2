"""Money moved between the campaigns of one channel, the channel's total held in every period.

With the totals held, channels do not compete: each is a problem of its own, solved exactly and
certified like any other. What a move brings is then measured by the whole problem, interactions
and all, from today's spend. Splits are found for the expected outcome, whatever the base's goal:
the money is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import MarginalError
from shared.plan.optimize import make_plan
from shared.plan.rows import arms_of
from shared.plan.score import MIN_DRAWS, Floats, Score
from shared.plan.yardstick import Yardstick
from shared.problem.model import Channel, Goal, Problem, Risk

__all__ = ["MOST_MOVES", "CampaignMove", "Split", "gain_of", "splits"]

MOST_MOVES = 10
"""Pairs of campaigns of one channel that are looked at."""

_LEAST = 1e-7  # of a channel's money: a smaller move is none
_SECONDS = 2.0  # for one pair


@dataclass(frozen=True, slots=True, eq=False)
class CampaignMove:
    """The best amount (over the horizon) to take from arm ``giver`` and give to arm ``taker``.

    ``gain`` (and ``draws`` (S,) of it) is what this move brings alone, from today's spend.
    """

    giver: int
    taker: int
    amount: float
    gain: float
    draws: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The best split of one channel's money among its campaigns.

    Attributes
    ----------
    channel, arms
        Number of the channel, and of its arms.
    spend
        (len(arms), T).
    gain, draws
        Outcome over today's split of the same money, and (S,) of it.
    relative_gap
        Proven distance from the best split there is; None where no bound is proven.
    moves
        Single moves that gain, the best first.
    left_out
        Pairs that were not looked at.
    refused
        Why there is no better split than today's to tell of; empty where there is.
    """

    channel: int
    arms: tuple[int, ...]
    spend: Floats
    gain: float
    draws: Floats | None
    relative_gap: float | None
    moves: tuple[CampaignMove, ...]
    left_out: int = 0
    refused: str = ""


def splits(
    problem: Problem, measure: Yardstick, today: Floats, now: Score, seconds: float
) -> list[Split]:
    """One split for every channel with at least two campaigns.

    Parameters
    ----------
    today
        (A, T) current spend, which ``now`` is the score of.
    seconds
        Shared out among the channels: for the split of each, and as much again for its pairs.
    """
    placed = [
        (i, arms)
        for i, (channel, arms) in enumerate(arms_of(problem.channels))
        if len(channel.campaigns) > 1
    ]
    each = seconds / max(len(placed), 1)
    return [_split(problem, measure, today, now, i, arms, each) for i, arms in placed]


def gain_of(measure: Yardstick, spend: Floats, now: Score) -> tuple[float, Floats | None]:
    """Outcome of ``spend`` (A, T) over that of ``now``: expected, and in each draw (S,)."""
    then = measure.score(spend)
    mine, before = then.total_draws(), now.total_draws()
    draws = None if mine is None or before is None or mine.size < MIN_DRAWS else mine - before
    return then.total - now.total, draws


def _split(
    problem: Problem,
    measure: Yardstick,
    today: Floats,
    now: Score,
    channel: int,
    arms: tuple[int, ...],
    seconds: float,
) -> Split:
    at = list(arms)
    kept = Split(channel, arms, today[at], 0.0, None, None, ())
    if float(today[at].sum()) <= 0.0:
        return replace(kept, refused="It spends nothing today.")
    part = _held(problem, problem.channels[channel], range(len(arms)), today[at], seconds)
    try:
        plan = make_plan(part, today[at])
    except MarginalError as error:
        return replace(kept, refused=f"Its limits allow no split of today's money: {error}")
    moved = today.copy()
    moved[at] = plan.best.spend
    gain, draws = gain_of(measure, moved, now)
    until = work.now() + seconds
    proof = plan.certificate
    gap = float(proof.relative_gap) if proof.proven else None
    moves, left_out = _moves(problem, measure, today, now, channel, arms, plan.best.spend, until)
    # Never worse than today: interactions, set aside in the split, may speak against it, or time
    # ran out before a better one was found.
    if gain < 0.0:
        moved, gain, gap = today, 0.0, None
        draws = None if draws is None else np.zeros_like(draws)
    return Split(channel, arms, moved[at], gain, draws, gap, moves, left_out)


def _moves(
    problem: Problem,
    measure: Yardstick,
    today: Floats,
    now: Score,
    channel: int,
    arms: tuple[int, ...],
    best: Floats,
    until: float,
) -> tuple[tuple[CampaignMove, ...], int]:
    """Single moves between two campaigns that gain, and how many pairs were not looked at."""
    pairs = list(_pairs(arms, today, best, now))
    found: list[CampaignMove] = []
    looked = 0
    for i, j in pairs[:MOST_MOVES]:
        if work.now() > until:
            break
        looked += 1
        both = [arms[i], arms[j]]
        if float(today[both].sum()) <= 0.0:
            continue
        part = _held(problem, problem.channels[channel], (i, j), today[both], _SECONDS)
        try:
            spend = make_plan(part).best.spend
        except MarginalError:  # the two cannot share what they spend today; others may
            continue
        moved = today.copy()
        moved[both] = spend
        given = float((today[both[0]] - spend[0]).sum())
        gain, draws = gain_of(measure, moved, now)
        if gain <= 0.0 or abs(given) <= _LEAST * float(today[list(arms)].sum()):
            continue
        giver, taker = both if given > 0.0 else both[::-1]
        found.append(CampaignMove(giver, taker, abs(given), gain, draws))
    found.sort(key=lambda move: -move.gain)
    return tuple(found), len(pairs) - looked


def _pairs(
    arms: Sequence[int], today: Floats, best: Floats, now: Score
) -> Iterator[tuple[int, int]]:
    """Pairs (places in ``arms``), those first between which the best split moves most.

    Then by the difference of their marginal returns, from which a small move gains most.
    """
    at = list(arms)
    change = (best - today[at]).sum(axis=1)
    slopes = np.nan_to_num(now.marginal[at].max(axis=1), posinf=1e300)

    def order(pair: tuple[int, int]) -> tuple[float, float]:
        i, j = pair
        across = min(abs(change[i]), abs(change[j])) if change[i] * change[j] < 0.0 else 0.0
        return -across, -abs(slopes[i] - slopes[j])

    return iter(sorted(combinations(range(len(at)), 2), key=order))


def _held(
    problem: Problem,
    channel: Channel,
    chosen: Sequence[int],
    spend: NDArray[np.float64],
    seconds: float,
) -> Problem:
    """The campaigns ``chosen`` of a channel with the money (len, T) that they spend today."""
    below = tuple(channel.campaigns[k] for k in chosen)
    whole = replace(
        channel,
        campaigns=below,
        current_spend=None,
        min_spend=0.0,
        max_spend=None,
        max_change=None,
        locked=False,
        minimum_if_active=0.0,
        increment=0.0,
        min_total=0.0,
        max_total=None,
    )
    # Nothing of the channel's own but its campaigns: they are channels of a simpler problem.
    plain = not (channel.period_weights or channel.prior_spend)
    budgets = spend.sum(axis=0)
    reach = problem.goal.goal == "maximize_reach"
    return replace(
        problem,
        channels=below if plain else (whole,),
        budget=float(budgets.sum()),
        period_budgets=tuple(budgets.tolist()) if problem.horizon.periods > 1 else (),
        spend_all=True,
        goal=Goal(problem.goal.goal, max_frequency=problem.goal.max_frequency) if reach else Goal(),
        constraints=(),
        interactions=(),
        risk=Risk(),
        test_reserve=0.0,
        warnings=(),
        options=replace(
            problem.options,
            method="auto",
            time_limit_s=min(problem.options.time_limit_s, seconds),
        ),
    )
