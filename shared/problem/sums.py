"""Choices about a channel above its campaigns: an arm that spends nothing and stands for their sum.

A minimum if active, lots, or a limited number of active channels speak of a sum of campaigns. In a
program such choices belong to arms, so the sum becomes one: rows tie its decisions to those of the
campaigns, and money and response stay theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Exponential
from shared.curves.stack import stack, stack_draws
from shared.problem.arms import Arm, members
from shared.problem.model import Problem
from shared.problem.program import Program, Rows

__all__ = ["with_sums"]

Array = NDArray[np.float64]


def with_sums(
    problem: Problem, arms: Sequence[Arm], program: Program, lot: Callable[[Arm, Array], float]
) -> Program:
    """The program with an arm for each channel above campaigns that choices are made about.

    ``lot`` is the step of a decision for an arm's increment and the (T, K) spread.
    """
    counted = {
        name
        for rule in problem.constraints
        if rule.max_active is not None
        for name in rule.channels
    }
    chosen = [
        i
        for i, channel in enumerate(problem.channels)
        if channel.campaigns
        and (
            channel.name in counted
            or (not channel.locked and (channel.minimum_if_active or channel.increment))
        )
    ]
    if not chosen:
        return program
    by_channel = members(arms)
    parts = [by_channel[i] for i in chosen]
    a, k, n = program.arms, program.columns, len(chosen)
    matrix = np.zeros((n * k, a + n, k))
    for i, own in enumerate(parts):
        for column in range(k):
            matrix[i * k + column, own, column] = 1.0
            matrix[i * k + column, a + i, column] = -1.0
    old = program.rows.matrix.reshape(-1, a, k)
    wide = np.concatenate((old, np.zeros((old.shape[0], n, k))), axis=1)
    names = tuple(problem.channels[i].name for i in chosen)
    place = {name: a + i for i, name in enumerate(names)}
    zero = np.zeros(n * k)
    per_u = np.min(program.spread[0], axis=0, where=program.spread[0] > 0.0, initial=np.inf)
    per_u = np.where(np.isfinite(per_u), per_u, 1.0)
    least = np.array(
        [
            0.0 if problem.channels[i].locked else problem.channels[i].minimum_if_active
            for i in chosen
        ]
    )
    upper = np.array([program.upper[own].sum(axis=0) for own in parts])
    minimum = np.broadcast_to(least[:, None] / per_u, (n, k))
    lots = np.array(
        [
            0.0
            if (c := problem.channels[i]).locked
            else lot(Arm(c.name, c, i, f"/channels/{i}"), program.spread[0])
            for i in chosen
        ]
    )
    unit = Exponential(1.0, 1.0)
    curves = stack([arm.channel.response.saturation for arm in arms] + [unit] * n)
    draws = None
    if program.draws is not None:
        count = program.draws.draws
        responses = [arm.channel.response for arm in arms]
        draws = stack_draws(
            [*(list(r.draws) or [r.saturation] * count for r in responses), *([[unit] * count] * n)]
        )

    def more(array: Array) -> Array:
        return np.concatenate((array, np.zeros((n, *array.shape[1:]))))

    numbers = {channel.name: i for i, channel in enumerate(problem.channels)}

    def counts(names: Sequence[str]) -> tuple[int, ...]:
        each = ((place[m],) if m in place else by_channel[numbers[m]] for m in names)
        return tuple(dict.fromkeys(arm for own in each for arm in own))

    rules = (rule for rule in problem.constraints if rule.max_active is not None)
    at_most = tuple(
        replace(limit, arms=counts(rule.channels))
        for limit, rule in zip(program.at_most, rules, strict=True)
    )
    return replace(
        program,
        names=(*program.names, *names),
        lower=more(program.lower),
        upper=np.concatenate((program.upper, upper)),
        least_active=np.concatenate((program.least_active, minimum)),
        lower_by=(*program.lower_by, *[""] * n),
        upper_by=(*program.upper_by, *[""] * n),
        lot=np.concatenate((program.lot, lots)),
        rows=Rows(
            matrix=np.concatenate((wide, matrix)).reshape(-1, (a + n) * k),
            lower=np.concatenate((program.rows.lower, zero)),
            upper=np.concatenate((program.rows.upper, zero)),
            names=(*program.rows.names, *(f"{name}.campaigns" for name in names for _ in range(k))),
        ),
        spread=more(program.spread),
        carry=more(program.carry),
        carry_in=more(program.carry_in),
        weight=more(program.weight),
        curves=curves,
        draws=draws,
        at_most=at_most,
        sums=tuple(tuple(own) for own in parts),
        current=None if program.current is None else more(program.current),
    )
