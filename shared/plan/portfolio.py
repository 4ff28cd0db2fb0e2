"""One budget over several datasets (brands, countries), as one problem over all of their channels.

Datasets share nothing but the money, so the sum of their outcomes, each counted at its weight, is
the objective of one problem: the best split between them and within each is one plan, with one
certificate. What a dataset gets in it is also its own best plan for that money: anything better
would better the sum.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.plan.optimize import answer, current_over, make_plan
from shared.plan.rows import marginal_return
from shared.plan.score import quotient, totals
from shared.plan.words import largest, money, say
from shared.problem.arms import on_arms
from shared.problem.model import Channel, Constraint, Interaction, Problem

__all__ = ["Part", "draws_together", "merged", "portfolio"]

_TOLD = 5  # datasets that get more or less, in sentences
_NOTHING = 1e-6  # of all money: a smaller change of a dataset's is none


@dataclass(frozen=True, slots=True)
class Part:
    """One dataset: the problem of its own channels, and what is asked of it.

    ``min_spend`` and ``max_spend`` are of all its channels, money per period; ``weight`` is what
    one of its outcomes counts.
    """

    dataset: str
    problem: Problem
    min_spend: float | None = None
    max_spend: float | None = None
    weight: float = 1.0


def draws_together(parts: Sequence[Part]) -> int:
    """How many draws all parts can be given: the most of one; 0 where none has any."""
    return max(part.problem.draws for part in parts)


def merged(parts: Sequence[Part], budget: float, *, spend_all: bool, unit: str | None) -> Problem:
    """The one problem of all ``parts``; channels are called ``dataset/channel``.

    Draws of different fits are independent, so they are paired at random (by the datasets' names);
    a part with fewer has each as often as the others, one without has its curves in every draw.
    Means over draws stay what they are in each part.

    Parameters
    ----------
    parts
        In one currency and one length of periods; the draws of each a divisor of the most.
    budget
        Money per period for all of them.
    unit
        What outcomes are counted in, once they are weighed.
    """
    count = draws_together(parts)
    weighed = [_weighed(part, count) for part in parts]
    channels = tuple(channel for own in weighed for channel in own)
    rules = tuple(
        Constraint(
            name=part.dataset,
            channels=tuple(c.name for c in own if not c.excluded),
            min_spend=part.min_spend,
            max_spend=part.max_spend,
        )
        for part, own in zip(parts, weighed, strict=True)
        if part.min_spend or part.max_spend is not None
    )
    pairs = tuple(
        Interaction((_in(part, first), _in(part, second)), part.weight * pair.strength)
        for part in parts
        for pair in part.problem.interactions
        for first, second in (pair.channels,)
    )
    known = [part.problem.trust for part in parts if part.problem.trust is not None]
    return Problem(
        channels=channels,
        budget=budget,
        spend_all=spend_all,
        currency=parts[0].problem.currency,
        frequency=parts[0].problem.frequency,
        outcome_unit=unit,
        constraints=rules,
        interactions=pairs,
        warnings=tuple(_warnings(parts, count)),
        trust=min(known, key=lambda told: float(told["score"])) if known else None,
    )


def _in(part: Part, name: str) -> str:
    return f"{part.dataset}/{name}"


def _weighed(part: Part, count: int) -> tuple[Channel, ...]:
    """A part's channels under their names in the whole, outcomes at their weight."""
    at = np.random.default_rng(zlib.crc32(part.dataset.encode())).permutation(count).tolist()

    def weigh(_: int, arm: Channel) -> Channel:
        own = arm.response
        draws = [draw.times(part.weight) for draw in own.draws or (own.saturation,)]
        paired = tuple(draws[i % len(draws)] for i in at)
        curve = own.saturation.times(part.weight)
        return replace(arm, response=replace(own, saturation=curve, draws=paired))

    return tuple(
        replace(channel, name=_in(part, channel.name)) for channel in on_arms(part.problem, weigh)
    )


def _warnings(parts: Sequence[Part], count: int) -> Iterator[tuple[str, str]]:
    for part in parts:
        for code, text in part.problem.warnings:
            yield code, f"{part.dataset}: {text}"
    certain = [part.dataset for part in parts if not part.problem.draws]
    if count and certain:
        text = f"Curves without draws are taken as known exactly in intervals: {certain[0]}"
        yield "no_draws", text + (f" and {len(certain) - 1} more." if certain[1:] else ".")


def portfolio(problem: Problem, parts: Sequence[Part]) -> dict[str, Any]:
    """The answer to ``POST /portfolio`` but for the request's id.

    Parameters
    ----------
    problem
        ``merged`` of ``parts``.

    Raises
    ------
    Infeasible
        No plan keeps every limit; names the smallest conflicting set.
    """
    plan = make_plan(problem)
    told = answer(plan)
    rows, datasets, row, arm = told.pop("allocation"), list[dict[str, Any]](), 0, 0
    for part in parts:
        own = rows[row : (row := row + len(part.problem.channels))]
        at = list(range(arm, arm := arm + len(part.problem.arms)))
        now = None if plan.current is None else plan.current.of(at)
        sums = totals(part.problem, plan.best.of(at), now)
        datasets.append(
            {
                "dataset": part.dataset,
                "curves_version": part.problem.curves_version,
                "current_over": current_over(part.problem),
                "weight": part.weight,
                "outcome_unit": part.problem.outcome_unit,
                "unweighted_outcome": sums["outcome"] / part.weight,
                "share": quotient(sums["spend"], plan.best.money),
                "marginal_return": marginal_return(at, plan.best),
                "totals": sums,
                "allocation": [
                    {**line, "channel": channel.name}
                    for line, channel in zip(own, part.problem.channels, strict=True)
                ],
            }
        )
    kept = ("status", "totals", "today_scaled", "certificate", "shadow_prices", "trust")
    return {
        **{name: told[name] for name in kept},
        "datasets": datasets,
        "explanation": [*told["explanation"], *_moved(problem, datasets)],
        "warnings": told["warnings"],
    }


def _moved(problem: Problem, datasets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sentences about the datasets that get more or less than they have today."""
    ranked = []
    for each in datasets:
        now, spend = each["totals"]["current_spend"], each["totals"]["spend"]
        if now is None or abs(spend - now) <= _NOTHING * problem.one_budget:
            continue
        way = "more" if spend > now else "less"
        text = (
            f"{each['dataset']} gets {money(problem, spend)}, {money(problem, abs(spend - now))} "
            f"{way} than today's {money(problem, now)}."
        )
        data = {"dataset": each["dataset"], "spend": spend, "current_spend": now}
        ranked.append((abs(spend - now), say("dataset", text, **data)))
    return largest(ranked, _TOLD)
