"""Random problems of every class of the contract, in the caller's form; the seed is stated.

Sizes and scales of spend are lognormal and budgets run from tight to half of what saturates, so
that some channels stay out, some saturate, and rules bind. ``draw`` gives the instances of a class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from shared.curves.adstock import Adstock, Delayed, Geometric, WeibullPdf
from shared.curves.curveset import Response
from shared.curves.saturation import (
    Exponential,
    Hill,
    Logarithmic,
    MichaelisMenten,
    Saturation,
    Sigmoid,
)
from shared.problem.lower import lower
from shared.problem.model import (
    Channel,
    Constraint,
    Flight,
    Goal,
    Horizon,
    Interaction,
    PeriodLimits,
    Problem,
    Risk,
    SolverOptions,
    Window,
)
from shared.problem.risk_program import objective
from shared.solve.solver import solve

__all__ = [
    "RULES",
    "SEED",
    "Draw",
    "Make",
    "aimed",
    "aimed_over_time",
    "careful",
    "draw",
    "flown",
    "goal_of",
    "monthly",
    "paired",
    "plain",
    "planned",
    "risky",
    "ruled",
]

SEED = 20_240_607
RULES = ("group", "share", "change", "zero or minimum", "at most k", "lots")

P = TypeVar("P")

Draw = Callable[[np.random.Generator], P]
"""Makes one random problem, in whatever form it is asked."""

Make = Draw[Problem]


@dataclass(frozen=True, slots=True)
class _Size:
    """Money scale of a channel: what a typical spend is, and how much it can bring."""

    top: float
    half: float


def draw(make: Draw[P], count: int, *, seed: int = SEED) -> list[P]:
    """``count`` instances; the first ones are the same whatever the count."""
    return [make(np.random.default_rng((seed, i))) for i in range(count)]


def _size(rng: np.random.Generator) -> _Size:
    return _Size(float(rng.lognormal(0, 0.7)), float(rng.lognormal(0, 0.7)))


def _concave(rng: np.random.Generator, i: int, size: _Size) -> Saturation:
    """Three concave families in turn: those that a conic solver can be told as well."""
    del rng
    if i % 3 == 0:
        return MichaelisMenten(size.top, size.half)
    if i % 3 == 1:
        return Exponential(size.top, 1.0 / size.half)
    return Logarithmic(0.5 * size.top, size.half)


def _s_shaped(rng: np.random.Generator, i: int, size: _Size) -> Saturation:
    if i % 2:
        return Hill(size.top, size.half, float(rng.uniform(1.2, 4.0)))
    return Sigmoid(size.top, size.half, float(rng.uniform(2.0, 8.0)) / size.half)


def _adstock(rng: np.random.Generator, i: int) -> Adstock:
    """Three families of carryover in turn, scaled so that sustained spend counts once."""
    if i % 3 == 0:
        return Geometric(float(rng.uniform(0.1, 0.8)), normalised=True)
    if i % 3 == 1:
        return Delayed(float(rng.uniform(0.3, 0.8)), float(rng.uniform(0, 3)), 8, normalised=True)
    return WeibullPdf(float(rng.uniform(1.2, 3)), float(rng.uniform(1, 4)), 8, normalised=True)


def _channels(
    rng: np.random.Generator, n: int, shape: str, *, carryover: bool = False
) -> tuple[Channel, ...]:
    make = _concave if shape == "concave" else _s_shaped
    return tuple(
        Channel(
            name=f"channel {i}",
            response=Response(make(rng, i, _size(rng)), _adstock(rng, i) if carryover else None),
        )
        for i in range(n)
    )


def _plain(rng: np.random.Generator, n: int, shape: str, gap: float, limit_s: float) -> Problem:
    channels = _channels(rng, n, shape)
    budget = float(rng.uniform(0.2, 0.6)) * n
    return Problem(channels, budget, options=SolverOptions(gap=gap, time_limit_s=limit_s))


def plain(n: int, shape: str, *, gap: float, limit_s: float) -> Make:
    """One budget over ``n`` channels and no rule."""
    return lambda rng: _plain(rng, n, shape, gap, limit_s)


def ruled(rule: str, n: int, shape: str, *, gap: float, limit_s: float) -> Make:
    """One budget over ``n`` channels and one kind of rule (one of :data:`RULES`)."""

    def make(rng: np.random.Generator) -> Problem:
        problem = _plain(rng, n, shape, gap, limit_s)
        share = problem.one_budget / n
        each = problem.channels
        if rule == "change":
            now = share * rng.dirichlet(np.full(n, 3.0)) * n
            change = float(rng.uniform(0.2, 0.5))
            each = tuple(
                replace(c, current_spend=float(x), max_change=change)
                for c, x in zip(each, now, strict=True)
            )
        elif rule == "zero or minimum":
            least = share * rng.uniform(0.5, 2.0, n)
            each = tuple(
                replace(c, minimum_if_active=float(x)) for c, x in zip(each, least, strict=True)
            )
        elif rule == "lots":
            lots = np.round(share * rng.uniform(0.1, 0.4, n), 3)
            each = tuple(replace(c, increment=float(x)) for c, x in zip(each, lots, strict=True))
        problem = replace(problem, channels=each, spend_all=rule != "lots")
        return replace(problem, constraints=_constraints(rng, rule, problem))

    return make


def _constraints(rng: np.random.Generator, rule: str, problem: Problem) -> tuple[Constraint, ...]:
    names = np.array([c.name for c in problem.channels])
    if rule == "at most k":
        return (Constraint("few", tuple(names.tolist()), max_active=max(len(names) // 3, 1)),)
    if rule not in ("group", "share"):
        return ()
    # Five groups that overlap, each held below or above the share it would have if all were alike.
    out = []
    for g in range(5):
        members = rng.choice(len(names), size=max(len(names) // 3, 1), replace=False)
        group = tuple(names[np.sort(members)].tolist())
        even = len(group) / len(names)
        # Where all of a budget is spent both rules say the same: shares are the tighter ones here.
        low, high = (0.9 * even, 1.05 * even) if rule == "share" else (0.8 * even, 1.1 * even)
        if rule == "share":
            rule_of = Constraint(f"group {g}", group, min_share=low)
            if g % 2 == 0:
                rule_of = Constraint(f"group {g}", group, max_share=high)
        else:
            money = problem.one_budget
            rule_of = Constraint(f"group {g}", group, min_spend=low * money)
            if g % 2 == 0:
                rule_of = Constraint(f"group {g}", group, max_spend=high * money)
        out.append(rule_of)
    return tuple(out)


def planned(
    n: int, periods: int, shape: str, mode: str = "time_varying", *, gap: float, limit_s: float
) -> Make:
    """A plan over time: carryover of three families, one budget, a season in half the channels."""

    def make(rng: np.random.Generator) -> Problem:
        channels = _channels(rng, n, shape, carryover=True)
        season = 1.0 + 0.3 * np.sin(2 * np.pi * np.arange(periods) / periods)
        channels = tuple(
            replace(c, period_weights=tuple(season.tolist())) if i % 2 else c
            for i, c in enumerate(channels)
        )
        return Problem(
            channels,
            budget=float(rng.uniform(0.2, 0.6)) * n * periods,
            horizon=Horizon(periods, mode),
            options=SolverOptions(gap=gap, time_limit_s=limit_s),
        )

    return make


def monthly(n: int, periods: int, shape: str, *, gap: float, limit_s: float) -> Make:
    """A plan over time with a budget for every four periods; a third of the channels pause once."""
    whole = planned(n, periods, shape, gap=gap, limit_s=limit_s)

    def make(rng: np.random.Generator) -> Problem:
        problem = whole(rng)
        at = [int(t) for t in rng.integers(2, max(periods - 2, 3), n)]
        channels = tuple(
            replace(c, periods=(PeriodLimits(t, min(t + 2, periods), max_spend=0.0),))
            if i % 3 == 0
            else c
            for i, (c, t) in enumerate(zip(problem.channels, at, strict=True))
        )
        each = problem.one_budget / periods
        windows = tuple(
            Window(t + 1, min(t + 4, periods), float(rng.uniform(0.8, 1.2)) * each * 4)
            for t in range(0, periods, 4)
        )
        return replace(problem, channels=channels, budget=None, windows=windows)

    return make


def flown(n: int, periods: int, shape: str, *, gap: float, limit_s: float) -> Make:
    """A plan over time in flights: two thirds of the channels spend a minimum for two to four
    periods in a row or nothing, at most three times, and two thirds of all run at once."""
    whole = planned(n, periods, shape, gap=gap, limit_s=limit_s)

    def make(rng: np.random.Generator) -> Problem:
        problem = whole(rng)
        share = problem.one_budget / n / periods
        least, runs = share * rng.uniform(0.7, 1.5, n), rng.integers(2, 5, (n, 2)).tolist()
        channels = tuple(
            replace(c, minimum_if_active=float(x), flight=Flight(on, off, 3)) if i % 3 else c
            for i, (c, x, (on, off)) in enumerate(zip(problem.channels, least, runs, strict=True))
        )
        names = tuple(c.name for c in channels)
        count = Constraint("at once", names, max_active=2 * n // 3, per_period=True)
        return replace(problem, channels=channels, constraints=(count,))

    return make


def paired(n: int, shape: str, *, gap: float, limit_s: float) -> Make:
    """Interactions: about as many pairs as channels, synergy twice as often as cannibalisation."""

    def make(rng: np.random.Generator) -> Problem:
        problem = _plain(rng, n, shape, gap, limit_s)
        kept = tuple(
            c
            if np.isfinite(c.response.saturation.supremum())
            else replace(c, response=Response(MichaelisMenten(*_pair_size(rng))))
            for c in problem.channels
        )
        links = []
        for _ in range(n):
            first, second = rng.choice(n, size=2, replace=False).tolist()
            strength = float(rng.uniform(0.05, 0.3)) * (1.0 if rng.random() < 2 / 3 else -1.0)
            links.append(Interaction((f"channel {first}", f"channel {second}"), strength))
        return replace(problem, channels=kept, interactions=tuple(links))

    return make


def _pair_size(rng: np.random.Generator) -> tuple[float, float]:
    size = _size(rng)
    return size.top, size.half


def risky(n: int, draws: int, shape: str, risk: Risk, *, gap: float, limit_s: float) -> Make:
    """Curves known only up to about 30 % in size and scale, weighed by ``risk``."""

    return lambda rng: with_draws(rng, _plain(rng, n, shape, gap, limit_s), draws, risk)


def _draws(rng: np.random.Generator, response: Response, count: int) -> tuple[Saturation, ...]:
    curve = response.saturation
    top, scale = np.exp(0.3 * rng.standard_normal((2, count)))
    out: list[Saturation] = []
    for a, b in zip(top.tolist(), scale.tolist(), strict=True):
        if isinstance(curve, MichaelisMenten):
            out.append(MichaelisMenten(curve.max_response * a, curve.half_saturation * b))
        elif isinstance(curve, Exponential):
            out.append(Exponential(curve.max_response * a, curve.rate * b))
        elif isinstance(curve, Logarithmic):
            out.append(Logarithmic(curve.coefficient * a, curve.scale * b))
        elif isinstance(curve, Hill):
            out.append(Hill(curve.max_response * a, curve.half_saturation * b, curve.shape))
        elif isinstance(curve, Sigmoid):
            out.append(Sigmoid(curve.max_response * a, curve.midpoint * b, curve.steepness / b))
        else:
            raise TypeError(f"no draws of {curve.family}")
    return tuple(out)


def goal_of(kind: str, n: int, shape: str, *, gap: float, limit_s: float) -> Make:
    """Profit with a free budget, the least spend for a target, or outcome under a ROAS target."""

    def make(rng: np.random.Generator) -> Problem:
        problem = _plain(rng, n, shape, gap, limit_s)
        spread = problem.one_budget / n
        reached = sum(float(c.response.saturation.value(spread)) for c in problem.channels)
        if kind == "profit":
            price = float(rng.uniform(1.0, 3.0)) * problem.one_budget / reached
            goal = Goal("maximize_profit", value_per_outcome=price)
            return replace(problem, goal=goal, budget=None)
        if kind == "least spend":
            goal = Goal("minimize_spend", target_outcome=reached)
            return replace(problem, goal=goal, budget=None)
        # What an even spread of two thirds of the budget returns per unit of money.
        some = sum(float(c.response.saturation.value(spread / 1.5)) for c in problem.channels)
        target = 1.5 * some / problem.one_budget
        goal = Goal("maximize_outcome", target_roas=target)
        return replace(problem, goal=goal, spend_all=False)

    return make


def _aimed(rng: np.random.Generator, kinds: Sequence[str], problem: Problem) -> Problem:
    """A target that a plan of the problem meets: eight tenths of its outcome, or its return.

    A target of return comes with half more money, so that it is what binds.
    """
    kind = str(rng.choice(kinds))
    program = lower(problem)
    plan = solve(program, SolverOptions(gap=1e-2, time_limit_s=1.0)).plan
    brings, money = program.outcome(plan), float(program.spend(plan).sum())
    if program.risk is not None:
        brings = min(brings, objective(program, plan))
    problem = replace(problem, spend_all=False)
    if kind == "least spend":
        return replace(problem, goal=Goal("minimize_spend", target_outcome=0.8 * brings))
    if kind == "outcome target":
        value = float(rng.uniform(0.5, 2.0)) * money / brings
        goal = Goal("maximize_profit", value_per_outcome=value, target_outcome=0.8 * brings)
        return replace(problem, goal=goal)
    goal = Goal("maximize_outcome", target_roas=brings / money)
    if kind == "CPA target":
        goal = Goal("maximize_outcome", target_cpa=money / brings)
    return replace(problem, goal=goal, budget=1.5 * problem.one_budget)


def aimed(
    kinds: tuple[str, ...], sizes: tuple[int, int], shape: str, *, gap: float, limit_s: float
) -> Make:
    """A target beside one kind of rule at random, over a random number of channels of one period.

    ``kinds`` in turn of "least spend", "outcome target", "ROAS target", "CPA target".
    """

    def make(rng: np.random.Generator) -> Problem:
        rule, n = str(rng.choice(RULES)), int(rng.integers(sizes[0], sizes[1] + 1))
        return _aimed(rng, kinds, ruled(rule, n, shape, gap=gap, limit_s=limit_s)(rng))

    return make


def aimed_over_time(
    kinds: tuple[str, ...], n: int, periods: int, shape: str, *, gap: float, limit_s: float
) -> Make:
    """A target over several periods with carryover, beside a share and a pause."""
    whole = planned(n, periods, shape, gap=gap, limit_s=limit_s)

    def make(rng: np.random.Generator) -> Problem:
        problem = whole(rng)
        names = tuple(c.name for c in problem.channels[: max(n // 2, 1)])
        rule = Constraint("group", names, max_share=float(rng.uniform(0.4, 0.7)))
        at = int(rng.integers(1, periods + 1))
        first = replace(problem.channels[-1], periods=(PeriodLimits(at, at, max_spend=0.0),))
        channels = (*problem.channels[:-1], first)
        return _aimed(rng, kinds, replace(problem, channels=channels, constraints=(rule,)))

    return make


def careful(sizes: tuple[int, int], draws: int, *, gap: float, limit_s: float) -> Make:
    """Any measure of risk beside lots, minima or a target, over a few S-shaped channels."""
    measures = (
        Risk("mean_minus_sd"),
        Risk("quantile", level=0.2),
        Risk("cvar", level=0.2),
        Risk("worst_case"),
    )

    def make(rng: np.random.Generator) -> Problem:
        n = int(rng.integers(sizes[0], sizes[1] + 1))
        beside = str(rng.choice(["lots", "zero or minimum", "least spend", "ROAS target"]))
        rule = beside if beside in RULES else "none"
        problem = ruled(rule, n, "S-shaped", gap=gap, limit_s=limit_s)(rng)
        risk = measures[int(rng.integers(len(measures)))]
        problem = with_draws(rng, problem, draws, risk)
        return problem if beside in RULES else _aimed(rng, (beside,), problem)

    return make


def with_draws(rng: np.random.Generator, problem: Problem, draws: int, risk: Risk) -> Problem:
    """The problem with curves known up to about 30 % in size and scale, weighed by ``risk``."""
    channels = tuple(
        replace(c, response=replace(c.response, draws=_draws(rng, c.response, draws)))
        for c in problem.channels
    )
    return replace(problem, channels=channels, risk=risk)
