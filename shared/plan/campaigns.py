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
from shared.plan.score import MIN_DRAWS, Floats, Score, gained, interval, quotient, totals
from shared.plan.yardstick import Amounts, Yardstick, spend_of, violations, yardstick
from shared.problem.arms import freed
from shared.problem.model import Channel, Goal, Problem, Risk

__all__ = ["campaigns"]

Row = dict[str, Any]

_STEP = 1e-5  # of the spend, for slopes in single draws
_PLANS = ("current", "within", "recommended", "yours")
_TOLD = ("spend", "outcome", "outcome_interval", "marginal_return", "average_return")

_MOST_MOVES = 10  # pairs of campaigns of one channel that are looked at

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
    now, below = best.current, list[_Split]()
    scores = {"recommended": measure.score(best.best.spend)}
    if own is not None:
        scores["yours"] = measure.score(own)
    if now is not None:
        below = list(_splits(_Bench(problem, measure, now), problem.options.time_limit_s))
        within = now.spend.copy()
        for split in below:
            within[split.arms] = split.spend
        scores |= {"current": now, "within": measure.score(within)}
    rows = {name: _arm_rows(problem, found) for name, found in scores.items()}
    plans: dict[str, Row | None] = dict.fromkeys(_PLANS)
    for name, found in scores.items():
        broken = violations(measure, found.spend)
        told: Row = {"totals": totals(problem, found, now), "violations": broken}
        if name == "recommended":
            told |= {"status": best.status, "certificate": certificate_of(best)}
        plans[name] = told
    basis = "recommended" if now is None else "current"
    return {
        "ranked_at": basis,
        "ranking": _ranking(problem, measure, scores[basis], rows[basis]),
        "within": [split.told for split in below if split.told],
        "predictions": [
            {
                "channel": row["channel"],
                "campaign": row["campaign"],
                **{p: {k: rows[p][a][k] for k in _TOLD} if p in rows else None for p in _PLANS},
            }
            for a, row in enumerate(rows["recommended"])
        ],
        "plans": plans,
        "warnings": warned(problem.warnings, _notes(problem, now is not None, below)),
        "curves_version": problem.curves_version,
    }


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


def _ranking(problem: Problem, measure: Yardstick, at: Score, rows: Sequence[Row]) -> list[Row]:
    """All arms that are not left out, the highest marginal return first; ranks over the draws say
    how sure that is."""
    kept = [a for a, arm in enumerate(problem.arms) if not arm.excluded]
    slopes, returns = (None if x is None else x[:, kept] for x in _draws_of(measure, at))
    ranges = None if slopes is None else _rank_ranges(slopes)
    rows = [rows[a] for a in kept]
    # An infinitely steep curve (a power of nothing spent) comes first and has no number.
    steep = [np.inf if r["marginal_return"] is None else r["marginal_return"] for r in rows]
    order = sorted(range(len(rows)), key=lambda a: -steep[a])
    average = [-np.inf if r["average_return"] is None else r["average_return"] for r in rows]
    by_average = sorted(range(len(rows)), key=lambda a: -average[a])

    def likely(draws: Floats | None, a: int, name: str) -> list[float] | None:
        return None if draws is None or rows[a][name] is None else interval(draws[:, a])

    told = ("channel", "campaign", "spend", "outcome", "marginal_return", "average_return")
    return [
        {
            "rank": rank,
            "rank_interval": None if ranges is None else ranges[a],
            "average_rank": None if rows[a]["average_return"] is None else by_average.index(a) + 1,
            **{k: rows[a][k] for k in told},
            "outcome_share": quotient(rows[a]["outcome"], at.total),
            "marginal_interval": likely(slopes, a, "marginal_return"),
            "average_interval": likely(returns, a, "average_return"),
        }
        for rank, a in enumerate(order, start=1)
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
    every = np.arange(len(sums))
    for group in [every] if at.alone is None else every[:, None]:
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


def _rank_ranges(slopes: Floats) -> list[list[int]]:
    """The 90 % interval of each arm's rank by marginal return over the draws (S, A)."""
    ranks = (-slopes).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") + 1
    ends = np.quantile(ranks, (0.05, 0.95), axis=0, method="inverted_cdf")
    return [[int(low), int(high)] for low, high in np.transpose(ends)]


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
    return notes + [note for split in below for note in split.notes]


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """The best split of one channel's money: ``spend`` (len(arms), T), the answer's row (none where
    there is no better split to tell of), and warnings."""

    arms: list[int]
    spend: Floats
    told: Row
    notes: list[tuple[str, str]]


def _splits(bench: _Bench, seconds: float) -> Iterator[_Split]:
    """One split for every channel with at least two campaigns.

    ``seconds`` are shared out among them: for the split of each, and as much again for its pairs.
    """
    several = [own for own in by_channel(bench.problem) if len(own[0].campaigns) > 1]
    for channel, arms in several:
        yield bench.split(channel, arms, seconds / len(several))


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Splits the money of channels among their campaigns, and measures it from today's plan."""

    problem: Problem
    measure: Yardstick
    now: Score

    def split(self, channel: Channel, arms: list[int], seconds: float) -> _Split:
        name, today = channel.name, self.now.spend[arms]
        refused = "It spends nothing today."
        if float(today.sum()) > 0.0:
            part = _held(self.problem, channel, range(len(arms)), today, seconds)
            try:
                plan, refused = make_plan(part, today), ""
            except MarginalError as error:
                refused = f"Its limits allow no split of today's money: {error}"
        if refused:
            return _Split(arms, today, {}, [("no_split", f"{name}: {refused}")])
        best, proof, until = plan.best.spend, plan.certificate, work.now() + seconds
        gap = float(proof.relative_gap) if proof.proven else None
        more = self._gained(arms, best)
        moves, left_out = self._moves(channel, arms, best, until)
        # Never worse than today: interactions, set aside in the split, may speak against it, or
        # time ran out before a better one was found.
        if more["gain"] < 0.0:
            best, gap, more = today, None, self._gained(arms, today)
        periods = self.problem.horizon.periods
        spent = [periods * (c.current_spend or 0.0) for c in channel.campaigns]
        told = {
            "channel": name,
            "spend": float(sum(spent)),
            **more,
            "relative_gap": gap,
            "campaigns": [
                {"campaign": c.name, "current_spend": now, "spend": then, "change": then - now}
                for c, now, then in zip(
                    channel.campaigns, spent, best.sum(axis=1).tolist(), strict=True
                )
            ],
            "moves": moves,
            "pairs_left_out": left_out,
        }
        return _Split(arms, best, told, list(_doubts(told)))

    def _gained(self, arms: list[int], spend: Floats) -> Row:
        """What other spend (len(arms), T) of some arms brings over today's."""
        moved = self.now.spend.copy()
        moved[arms] = spend
        gain, likely, better = gained(self.measure.score(moved), self.now)
        return {"gain": gain, "gain_interval": likely, "probability_better": better}

    def _moves(
        self, channel: Channel, arms: list[int], best: Floats, until: float
    ) -> tuple[list[Row], int]:
        """The best amounts (over the horizon) to move between two campaigns, each alone and from
        today's spend, and how many pairs were not looked at."""
        pairs = list(_pairs(arms, self.now.spend, best, self.now))
        names, whole = [c.name for c in channel.campaigns], float(self.now.spend[arms].sum())
        found, looked = list[Row](), 0
        for pair in pairs[:_MOST_MOVES]:
            if work.now() > until:
                break
            looked += 1
            both = [arms[i] for i in pair]
            today = self.now.spend[both]
            if float(today.sum()) <= 0.0:
                continue
            part = _held(self.problem, channel, pair, today, _SECONDS)
            try:
                spend = make_plan(part).best.spend
            except MarginalError:  # the two cannot share what they spend today; others may
                continue
            given = float((today[0] - spend[0]).sum())
            more = self._gained(both, spend)
            if more["gain"] <= 0.0 or abs(given) <= _LEAST * whole:
                continue
            giver, taker = (names[i] for i in (pair if given > 0.0 else pair[::-1]))
            move = {"from_campaign": giver, "to_campaign": taker, "amount": abs(given)}
            found.append({**move, **more})
        found.sort(key=lambda move: -move["gain"])
        return found, len(pairs) - looked


def _doubts(told: Row) -> Iterator[tuple[str, str]]:
    name, better, left_out = told["channel"], told["probability_better"], told["pairs_left_out"]
    if told["gain"] > 0.0 and better is not None and better < THIN_EVIDENCE:
        text = (
            f"{name}: moving money between its campaigns is better in {better:.0%} of the "
            f"draws only; under {THIN_EVIDENCE:.0%} the evidence does not support it."
        )
        yield "evidence_too_thin_to_move", text
    if left_out:
        yield "pairs_left_out", f"{name}: {left_out} pairs of its campaigns were not looked at."


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
