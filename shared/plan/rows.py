"""The rows of an answer: one a channel, with its periods and its campaigns below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain
from typing import Any

from shared.errors import Infeasible
from shared.plan.score import Floats, Score, finite, interval, one_outcome, quotient
from shared.problem.arms import arms_of, current_of, members
from shared.problem.model import Channel, Problem

__all__ = [
    "allocation",
    "by_arm",
    "by_channel",
    "by_part",
    "infeasible",
    "marginal_return",
    "spends",
    "warned",
]


def by_channel(problem: Problem) -> list[tuple[Channel, list[int]]]:
    """Each channel with the places of its arms: itself, or its campaigns in their order."""
    return list(zip(problem.channels, members(arms_of(problem)), strict=True))


def by_part(
    problem: Problem, rows: Iterable[Mapping[str, Any]]
) -> list[tuple[Channel, Mapping[str, Any]]]:
    """What money is given to, with its row of an ``allocation``: campaigns in place of the channel
    above them, but not the several outcomes of one spend."""
    return [
        pair
        for channel, row in zip(problem.channels, rows, strict=True)
        for pair in (
            zip(channel.campaigns, row["campaigns"], strict=True)
            if channel.campaigns and not channel.several
            else ((channel, row),)
        )
    ]


def spends(problem: Problem) -> list[tuple[str, list[int]]]:
    """What has a spend of its own, with the places of its arms: all outcomes of one spend."""
    told, arms = list[tuple[str, list[int]]](), arms_of(problem)
    for channel, own in by_channel(problem):
        told += [(channel.name, own)] if channel.several else [(arms[a].name, [a]) for a in own]
    return told


def by_arm(problem: Problem, spend: Floats) -> list[dict[str, Any]]:
    """What a plan (A, T) spends on each arm over its periods."""
    sums = spend.sum(axis=1)
    return [{"channel": n, "spend": float(sums[own].sum())} for n, own in spends(problem)]


def warned(*found: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """An answer's ``warnings``, of codes and messages."""
    return [{"code": code, "message": message} for code, message in chain(*found)]


def infeasible(error: Infeasible) -> dict[str, Any]:
    """What stands in an answer for a question among several that no plan can satisfy."""
    return {
        "status": "infeasible",
        "detail": str(error),
        "conflicts": [asdict(conflict) for conflict in error.conflicts],
        "allocation": None,
        "totals": None,
        "certificate": None,
        "difference": None,
    }


def allocation(
    problem: Problem,
    plan: Score,
    current: Score | None,
    held: Sequence[Sequence[str]],
    optima: Floats | None = None,
) -> list[dict[str, Any]]:
    """One row a channel, as docs/contract.md names them; what is unknown is None.

    Parameters
    ----------
    held
        Names of what holds each arm where it is.
    optima
        (R, A) the best spend of each arm over the horizon in single draws, for ``spend_interval``.
    """
    rows = []
    whole, before = _Whole.of(plan), None if current is None else _Whole.of(current)
    for channel, arms in by_channel(problem):
        names = list(dict.fromkeys(name for arm in arms for name in held[arm]))
        days = problem.horizon.days
        row = _row(channel, arms, whole, before, names, optima, days)
        if channel.several:
            row["outcomes"] = [
                one_outcome(arm.outcome, arm.weight, (place,), plan)
                for arm, place in zip(channel.campaigns, arms, strict=True)
            ]
        elif channel.campaigns:
            row["campaigns"] = [
                _row(campaign, [arm], whole, before, held[arm], optima, days)
                for campaign, arm in zip(channel.campaigns, arms, strict=True)
            ]
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True)
class _Whole:
    """A plan's figures (A,) over its horizon: summed once, as there may be a thousand rows."""

    plan: Score
    spend: Floats
    outcome: Floats
    alone: Floats
    idle: Floats
    ceiling: Floats

    @classmethod
    def of(cls, plan: Score) -> _Whole:
        alone = plan.outcome if plan.alone is None else plan.alone
        figures = (plan.spend, plan.outcome, alone, plan.idle, plan.ceiling)
        return cls(plan, *(figure.sum(axis=1) for figure in figures))

    def brings(self, at: list[int]) -> float:
        if self.plan.population is None:
            return _sum(self.outcome, at)
        return float(self.plan.together(self.plan.outcome[at]))


def _sum(figures: Floats, at: list[int]) -> float:
    """Of (A,) figures those of some arms; mostly of one."""
    return float(figures[at[0]] if len(at) == 1 else figures[at].sum())


def _row(
    channel: Channel,
    at: list[int],
    whole: _Whole,
    current: _Whole | None,
    held: Sequence[str],
    optima: Floats | None,
    days: Sequence[date] = (),
) -> dict[str, Any]:
    plan, spend, brings = whole.plan, _sum(whole.spend, at), whole.brings(at)
    alone, idle = _sum(whole.alone, at), _sum(whole.idle, at)
    periods = plan.spend.shape[1]
    known = current_of(channel)
    now = None if known is None else known * periods
    change = None if now is None else spend - now
    observed = channel.observed_max
    row = {
        "channel": channel.name,
        "spend": spend,
        "current_spend": now,
        "change": change,
        "change_share": quotient(change, now),
        "outcome": brings,
        "current_outcome": None if current is None else current.brings(at),
        "outcome_interval": None
        if plan.draws is None
        else interval(plan.draws[:, at].sum(axis=(1, 2))),
        "spend_interval": None if optima is None else interval(optima[:, at].sum(axis=1)),
        "marginal_return": marginal_return(at, plan, together=channel.several),
        "average_return": quotient(brings - idle, spend),
        "saturation": quotient(alone - idle, finite(_sum(whole.ceiling, at) - idle)),
        "binding": list(held),
        "extrapolated": None
        if observed is None
        else bool(plan.spend[at].sum(axis=0).max() > observed * (1 + 1e-9)),
    }
    return row if periods == 1 else {**row, "periods": _periods(at, plan, days)}


def marginal_return(at: list[int], plan: Score, *, together: bool = False) -> float | None:
    """Outcome from one more unit of money, spread over arms and periods as the plan's money is;
    ``together``: of one spend of all arms."""
    if len(at) == plan.spend.shape[1] == 1:
        return finite(float(plan.marginal[at[0], 0]))
    spend, slopes = plan.spend[at], plan.marginal[at]
    if together:
        spend, slopes = spend.mean(axis=0), slopes.mean(axis=0)
    total = float(spend.sum())
    if total <= 0.0:
        # The first unit goes where it brings most.
        return finite(float(slopes.max()))
    used = spend > 0.0
    return finite(float((slopes[used] * spend[used]).sum() / total))


def _periods(at: list[int], plan: Score, days: Sequence[date]) -> list[dict[str, Any]]:
    spend, brings = plan.spend[at].sum(axis=0), plan.together(plan.outcome[at], axis=0)
    intervals = None
    if plan.draws is not None:
        sums = plan.draws[:, at].sum(axis=1)
        intervals = [interval(sums[:, t]) for t in range(sums.shape[1])]
    return [
        {
            "period": t + 1,
            **({"start": days[t].isoformat()} if days else {}),
            "spend": float(spend[t]),
            "outcome": float(brings[t]),
            "outcome_interval": None if intervals is None else intervals[t],
        }
        for t in range(spend.size)
    ]
