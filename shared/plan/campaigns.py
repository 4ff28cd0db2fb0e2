"""Campaigns as a planner asks of them: which is worth most, what to move, what each will bring.

Money moves between the campaigns of one channel, the channel's total held in every period. With the
totals held, channels do not compete: each is a problem of its own, solved exactly and certified
like any other. What a move brings is then measured by the whole problem, interactions and all, from
today's spend. Splits are found for the expected outcome, whatever the base's goal: the money is the
same on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import MarginalError
from shared.plan.caution import THIN_EVIDENCE
from shared.plan.optimize import certificate_of, make_plan
from shared.plan.rows import allocation, by_channel, warned
from shared.plan.score import MIN_DRAWS, Floats, Score, interval, quotient, totals
from shared.plan.yardstick import Amounts, Yardstick, spend_of, violations, yardstick
from shared.problem.arms import freed
from shared.problem.model import Channel, Goal, Problem, Risk

__all__ = ["campaigns"]

Row = dict[str, Any]

_STEP = 1e-5  # of the spend, for slopes in single draws
_PLANS = ("current", "within", "recommended", "yours")

_MOST_MOVES = 10
"""Pairs of campaigns of one channel that are looked at."""

_LEAST = 1e-7  # of a channel's money: a smaller move is none
_SECONDS = 2.0  # for one pair


def campaigns(problem: Problem, plan: Mapping[str, Amounts] | None = None) -> dict[str, Any]:
    """The answer to ``POST /campaigns``.

    Four plans are predicted campaign by campaign: today's; today's totals by channel with the best
    split below each (``_splits``); the best plan of all; and the caller's own. Without current
    spend there is no today, and the ranking is at the best plan's spend.

    Parameters
    ----------
    plan
        The caller's, by arm ("tv", or "tv/brand" for a campaign).

    Raises
    ------
    InvalidInput
        The plan and the problem name different campaigns or periods.
    Infeasible
        The problem has no plan.
    """
    own = None if plan is None else spend_of(problem, plan)
    measure = yardstick(problem)
    best = make_plan(problem)
    now = best.current
    today = None if now is None else now.spend
    below = []
    if today is not None and now is not None:
        below = _splits(problem, measure, today, now, problem.options.time_limit_s)
    spends = {
        "current": today,
        "within": None if today is None else _together(today, below),
        "recommended": best.best.spend,
        "yours": own,
    }
    scores = {
        name: None if spend is None else measure.score(spend) for name, spend in spends.items()
    }
    rows = {
        name: None if found is None else _arm_rows(problem, found) for name, found in scores.items()
    }
    basis = "recommended" if now is None else "current"
    at = best.best if now is None else now
    told = {name: _plan(problem, measure, found, now) for name, found in scores.items()}
    recommended = told["recommended"]
    if recommended is not None:
        recommended["status"] = best.status
        recommended["certificate"] = certificate_of(best)
    names = [(row["channel"], row["campaign"]) for row in rows["recommended"] or ()]
    return {
        "ranked_at": basis,
        "ranking": _ranking(problem, measure, at, rows[basis] or []),
        "within": [_within(problem, split, names) for split in below if not split.refused],
        "predictions": [
            {
                "channel": channel,
                "campaign": campaign,
                **{name: _predicted(rows[name], a) for name in _PLANS},
            }
            for a, (channel, campaign) in enumerate(names)
        ],
        "plans": told,
        "warnings": warned(problem.warnings, _notes(problem, now is not None, below)),
        "curves_version": problem.curves_version,
    }


def _together(today: Floats, below: Sequence[_Split]) -> Floats:
    spend = today.copy()
    for split in below:
        spend[list(split.arms)] = split.spend
    return spend


def _arm_rows(problem: Problem, score: Score) -> list[Row]:
    """One row an arm, with ``campaign`` None where the channel has none."""
    found: list[Row] = []
    rows = allocation(problem, score, None, [[]] * len(score.spend))
    for row in rows:
        channel = row["channel"]
        for inner in row.get("campaigns") or (row,):
            campaign = None if inner is row else inner["channel"].removeprefix(f"{channel}/")
            found.append({**inner, "channel": channel, "campaign": campaign})
    return found


def _plan(
    problem: Problem, measure: Yardstick, found: Score | None, now: Score | None
) -> Row | None:
    if found is None:
        return None
    return {"totals": totals(problem, found, now), "violations": violations(measure, found.spend)}


def _predicted(rows: Sequence[Row] | None, arm: int) -> Row | None:
    if rows is None:
        return None
    kept = ("spend", "outcome", "outcome_interval", "marginal_return", "average_return")
    return {field: rows[arm][field] for field in kept}


def _ranking(problem: Problem, measure: Yardstick, at: Score, rows: Sequence[Row]) -> list[Row]:
    """All arms that are not left out, the highest marginal return first; ranks over the draws say
    how sure that is."""
    kept = [a for a, arm in enumerate(problem.arms) if not arm.excluded]
    rows = [rows[a] for a in kept]
    slopes, returns = (None if x is None else x[:, kept] for x in _draws_of(measure, at))
    least, most = _rank_ranges(slopes)
    # An infinitely steep curve (a power of nothing spent) comes first and has no number.
    steep = [np.inf if r["marginal_return"] is None else r["marginal_return"] for r in rows]
    order = sorted(range(len(rows)), key=lambda a: -steep[a])
    average = [-np.inf if r["average_return"] is None else r["average_return"] for r in rows]
    by_average = sorted(range(len(rows)), key=lambda a: -average[a])
    whole = at.total
    return [
        {
            "rank": rank + 1,
            "rank_interval": None if least is None or most is None else [least[a], most[a]],
            "average_rank": None if rows[a]["average_return"] is None else by_average.index(a) + 1,
            "channel": rows[a]["channel"],
            "campaign": rows[a]["campaign"],
            "spend": rows[a]["spend"],
            "outcome": rows[a]["outcome"],
            "outcome_share": quotient(rows[a]["outcome"], whole),
            "marginal_return": rows[a]["marginal_return"],
            "marginal_interval": None
            if slopes is None or rows[a]["marginal_return"] is None
            else interval(slopes[:, a]),
            "average_return": rows[a]["average_return"],
            "average_interval": None
            if returns is None or rows[a]["average_return"] is None
            else interval(returns[:, a]),
        }
        for rank, a in enumerate(order)
    ]


def _draws_of(measure: Yardstick, at: Score) -> tuple[Floats | None, Floats | None]:
    """(S, A) marginal and average returns in each draw; the next money is spread over periods as
    the plan's is, where it spends any."""
    if at.draws is None or at.draws.shape[0] < MIN_DRAWS:
        return None, None
    spend = at.spend
    sums = spend.sum(axis=1)
    scale = np.where(sums > 0.0, sums, max(float(sums.mean()), 1.0))
    share = np.where(sums[:, None] > 0.0, spend / scale[:, None], 1.0 / spend.shape[1])
    step = _STEP * scale
    before = at.draws.sum(axis=2)
    slopes = np.empty_like(before)
    # Arms do not touch one another but for interactions: then each is moved alone.
    groups = (
        [np.arange(len(sums))] if at.alone is None else [np.array([a]) for a in range(len(sums))]
    )
    for group in groups:
        moved = spend.copy()
        moved[group] += (step[:, None] * share)[group]
        after = measure.score(moved).draws
        assert after is not None
        change = after.sum(axis=2) - before
        slopes[:, group] = change[:, group] if at.alone is None else change.sum(axis=1)[:, None]
    slopes /= step
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.where(sums > 0.0, before / sums, 0.0)
    return slopes, np.asarray(returns)


def _rank_ranges(slopes: Floats | None) -> tuple[list[int] | None, list[int] | None]:
    """The 90 % interval of each arm's rank by marginal return over the draws (S, A)."""
    if slopes is None:
        return None, None
    ranks = (-slopes).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") + 1
    low, high = np.quantile(ranks, (0.05, 0.95), axis=0, method="inverted_cdf")
    return low.astype(int).tolist(), high.astype(int).tolist()


def _better(draws: Floats | None) -> float | None:
    if draws is None:
        return None
    return float(np.mean(draws > 0) + 0.5 * np.mean(draws == 0))


def _within(problem: Problem, split: _Split, names: Sequence[tuple[str, str | None]]) -> Row:
    channel = problem.channels[split.channel]
    periods = problem.horizon.periods
    today = [periods * (c.current_spend or 0.0) for c in channel.campaigns]
    spends = split.spend.sum(axis=1).tolist()
    return {
        "channel": channel.name,
        "spend": float(sum(today)),
        "gain": split.gain,
        "gain_interval": interval(split.draws),
        "probability_better": _better(split.draws),
        "relative_gap": split.relative_gap,
        "campaigns": [
            {"campaign": names[a][1], "current_spend": now, "spend": then, "change": then - now}
            for a, now, then in zip(split.arms, today, spends, strict=True)
        ],
        "moves": [
            {
                "from_campaign": names[move.giver][1],
                "to_campaign": names[move.taker][1],
                "amount": move.amount,
                "gain": move.gain,
                "gain_interval": interval(move.draws),
                "probability_better": _better(move.draws),
            }
            for move in split.moves
        ],
        "pairs_left_out": split.left_out,
    }


def _notes(problem: Problem, known: bool, below: Sequence[_Split]) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []
    if not any(channel.campaigns for channel in problem.channels):
        text = "No channel has campaigns: channels are ranked, and nothing can move within one."
        notes.append(("no_campaigns", text))
    if not known:
        text = (
            "The current spend of some channel or campaign is unknown: the ranking is at the best "
            "plan's spend, and moves from today cannot be told."
        )
        notes.append(("no_current_spend", text))
    for split in below:
        name = problem.channels[split.channel].name
        if split.refused:
            notes.append(("no_split", f"{name}: {split.refused}"))
            continue
        better = _better(split.draws)
        if split.gain > 0.0 and better is not None and better < THIN_EVIDENCE:
            text = (
                f"{name}: moving money between its campaigns is better in {better:.0%} of the "
                f"draws only; under {THIN_EVIDENCE:.0%} the evidence does not support it."
            )
            notes.append(("evidence_too_thin_to_move", text))
        if split.left_out:
            text = f"{name}: {split.left_out} pairs of its campaigns were not looked at."
            notes.append(("pairs_left_out", text))
    return notes


@dataclass(frozen=True, slots=True, eq=False)
class _CampaignMove:
    """The best amount (over the horizon) to take from arm ``giver`` and give to arm ``taker``.

    ``gain`` (and ``draws`` (S,) of it) is what this move brings alone, from today's spend.
    """

    giver: int
    taker: int
    amount: float
    gain: float
    draws: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
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
    moves: tuple[_CampaignMove, ...]
    left_out: int = 0
    refused: str = ""


def _splits(
    problem: Problem, measure: Yardstick, today: Floats, now: Score, seconds: float
) -> list[_Split]:
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
        for i, (channel, arms) in enumerate(by_channel(problem))
        if len(channel.campaigns) > 1
    ]
    each = seconds / max(len(placed), 1)
    return [_split(problem, measure, today, now, i, tuple(arms), each) for i, arms in placed]


def _gain_of(measure: Yardstick, spend: Floats, now: Score) -> tuple[float, Floats | None]:
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
) -> _Split:
    at = list(arms)
    kept = _Split(channel, arms, today[at], 0.0, None, None, ())
    if float(today[at].sum()) <= 0.0:
        return replace(kept, refused="It spends nothing today.")
    part = _held(problem, problem.channels[channel], range(len(arms)), today[at], seconds)
    try:
        plan = make_plan(part, today[at])
    except MarginalError as error:
        return replace(kept, refused=f"Its limits allow no split of today's money: {error}")
    moved = today.copy()
    moved[at] = plan.best.spend
    gain, draws = _gain_of(measure, moved, now)
    until = work.now() + seconds
    proof = plan.certificate
    gap = float(proof.relative_gap) if proof.proven else None
    moves, left_out = _moves(problem, measure, today, now, channel, arms, plan.best.spend, until)
    # Never worse than today: interactions, set aside in the split, may speak against it, or time
    # ran out before a better one was found.
    if gain < 0.0:
        moved, gain, gap = today, 0.0, None
        draws = None if draws is None else np.zeros_like(draws)
    return _Split(channel, arms, moved[at], gain, draws, gap, moves, left_out)


def _moves(
    problem: Problem,
    measure: Yardstick,
    today: Floats,
    now: Score,
    channel: int,
    arms: tuple[int, ...],
    best: Floats,
    until: float,
) -> tuple[tuple[_CampaignMove, ...], int]:
    """Single moves between two campaigns that gain, and how many pairs were not looked at."""
    pairs = list(_pairs(arms, today, best, now))
    found: list[_CampaignMove] = []
    looked = 0
    for i, j in pairs[:_MOST_MOVES]:
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
        gain, draws = _gain_of(measure, moved, now)
        if gain <= 0.0 or abs(given) <= _LEAST * float(today[list(arms)].sum()):
            continue
        giver, taker = both if given > 0.0 else both[::-1]
        found.append(_CampaignMove(giver, taker, abs(given), gain, draws))
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
    whole = freed(channel, campaigns=below, current_spend=None)
    # Nothing of the channel's own but its campaigns: they are channels of a simpler problem.
    plain = not (channel.period_weights or channel.prior_spend or channel.period_prices)
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
        windows=(),
        budget_min=None,
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
