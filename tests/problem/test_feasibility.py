"""Feasibility: a plan where there is one, the smallest conflict by name where there is none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Hill
from shared.errors import Infeasible
from shared.problem.feasibility import feasible_point, repair
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Horizon, Problem
from shared.problem.program import Program
from shared.problem.repair import rounded


def channel(name: str, **rest: object) -> Channel:
    return Channel(name, Response(Hill(100.0, 50.0, 1.7)), **rest)  # type: ignore[arg-type]


def holds(program: Program, u: np.ndarray, hair: float = 1e-9) -> bool:
    """Every rule, in the plainest way."""
    at = program.rows.matrix @ u.ravel()
    slack = hair * program.scale
    lots = all(
        np.allclose(u[a] / lot, np.round(u[a] / lot), rtol=0, atol=1e-9)
        for a, lot in enumerate(program.lot)
        if lot > 0
    )
    counts = all(
        sum(bool(np.any(u[a] > 0)) for a in rule.arms) <= rule.count for rule in program.at_most
    )
    return bool(
        np.all(u >= program.lower)
        and np.all(u <= program.upper)
        and np.all(at >= program.rows.lower - slack)
        and np.all(at <= program.rows.upper + slack)
        and not np.any((u > 0) & (u < program.least_active))
        and lots
        and counts
    )


def conflict(problem: Problem) -> tuple[set[str], float]:
    with pytest.raises(Infeasible) as caught:
        feasible_point(lower(problem))
    assert str(caught.value)
    missed = {c.missed_by for c in caught.value.conflicts}
    return {c.name for c in caught.value.conflicts}, missed.pop() if missed else 0.0


def random_problem(rng: np.random.Generator) -> Problem:
    """Any mix of rules; feasible or not."""
    names = "abcd"
    channels = tuple(
        channel(
            name,
            current_spend=20.0,
            min_spend=float(rng.choice([0.0, 0.0, 5.0, 20.0])),
            max_spend=float(rng.choice([25.0, 40.0, 80.0])),
            minimum_if_active=float(rng.choice([0.0, 0.0, 15.0])),
            increment=float(rng.choice([0.0, 0.0, 0.0, 5.0])),
        )
        for name in names
    )
    rules = []
    if rng.random() < 0.5:
        rules.append(Constraint("floor", ("a", "b"), min_spend=float(rng.uniform(10, 60))))
    if rng.random() < 0.5:
        rules.append(Constraint("share", ("c",), max_share=float(rng.uniform(0.05, 0.5))))
    if rng.random() < 0.5:
        rules.append(Constraint("cap", ("c", "d"), max_spend=float(rng.uniform(5, 60))))
    if rng.random() < 0.4:
        rules.append(Constraint("few", tuple(names), max_active=int(rng.integers(1, 4))))
    periods = int(rng.choice([1, 1, 3]))
    return Problem(
        channels,
        budget=periods * float(rng.choice([40.0, 70.0, 100.0, 140.0])),
        constraints=tuple(rules),
        horizon=Horizon(periods, max_change=0.3 if rng.random() < 0.3 else None),
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_that_holds_or_a_conflict_that_does_not(seed: int) -> None:
    """What is called a conflict stays one with all other rules gone, and is none without any."""
    problem = random_problem(np.random.default_rng(seed))
    program = lower(problem)
    try:
        assert holds(program, feasible_point(program))
        return
    except Infeasible as error:
        names = [c.name for c in error.conflicts]
    from shared.problem.linear_model import solve_linear

    assert names
    assert solve_linear(program, names) is None
    for name in names:
        assert solve_linear(program, [n for n in names if n != name]) is not None


def test_group_floor_against_budget() -> None:
    problem = Problem(
        (channel("a"), channel("b"), channel("c", min_spend=10.0)),
        budget=50.0,
        constraints=(
            Constraint("video", ("a", "b"), min_spend=60.0),
            Constraint("search", ("c",), max_share=0.9),
        ),
    )
    names, missed = conflict(problem)
    assert names == {"video", "budget"}
    assert missed == pytest.approx(10.0, rel=1e-6)


def test_ceilings_below_a_budget_that_is_to_be_spent() -> None:
    channels = (channel("a", max_spend=10.0), channel("b", max_spend=20.0))
    names, missed = conflict(Problem(channels, budget=50.0))
    assert names == {"budget", "a.max_spend", "b.max_spend"}
    assert missed == pytest.approx(20.0, rel=1e-6)
    feasible_point(lower(Problem(channels, budget=50.0, spend_all=False)))


def test_campaign_floors_against_their_channel() -> None:
    tv = Channel(
        "tv",
        Response(Hill(1.0, 1.0, 1.0)),
        max_spend=30.0,
        campaigns=(channel("brand", min_spend=20.0), channel("sale", min_spend=15.0)),
    )
    names, missed = conflict(Problem((tv, channel("search")), budget=100.0))
    assert names == {"tv.max_spend", "tv/brand.min_spend", "tv/sale.min_spend"}
    assert missed == pytest.approx(5.0, rel=1e-6)


def test_discrete_rules_conflict_by_name() -> None:
    lots = (channel("a", increment=7.0), channel("b", increment=7.0))
    assert conflict(Problem(lots, budget=50.0))[0] == {"budget", "a.increment", "b.increment"}
    few = (Constraint("few", ("a", "b", "c"), max_active=1),)
    several = tuple(channel(n, max_spend=20.0) for n in "abc")
    assert "few" in conflict(Problem(several, budget=50.0, constraints=few))[0]


def test_tiny_discrete_cases_against_enumeration() -> None:
    """Three channels on a grid of lots: feasible exactly where some grid point keeps the rules."""
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(25):
        channels = tuple(
            channel(
                name,
                increment=5.0,
                minimum_if_active=float(rng.choice([0.0, 10.0, 20.0])),
                max_spend=float(rng.choice([10.0, 20.0, 25.0])),
            )
            for name in "abc"
        )
        rules = (
            Constraint("few", ("a", "b", "c"), max_active=int(rng.integers(1, 4))),
            Constraint("pair", ("a", "b"), max_spend=float(rng.choice([10.0, 30.0]))),
        )
        budget = float(rng.choice([20.0, 33.0, 45.0, 60.0]))
        program = lower(Problem(channels, budget=budget, constraints=rules))
        grid = [5.0 * k for k in range(6)]  # up to the highest of the ceilings
        exists = any(
            holds(program, np.array(spend).reshape(3, 1))
            for spend in itertools.product(grid, repeat=3)
        )
        seen.add(exists)
        if exists:
            assert holds(program, feasible_point(program))
        else:
            with pytest.raises(Infeasible):
                feasible_point(program)
    assert seen == {True, False}


@pytest.mark.parametrize("seed", range(30))
def test_repair_moves_little(seed: int) -> None:
    """A plan shaken a little comes back as a plan that holds, about as near."""
    rng = np.random.default_rng(100 + seed)
    program = lower(random_problem(rng))
    try:
        plan = feasible_point(program)
    except Infeasible:
        assert repair(program, program.upper) is None
        return
    shaken = plan + rng.normal(0, 1e-5, plan.shape) * program.scale
    mended = repair(program, shaken)
    assert mended is not None
    assert holds(program, mended)
    assert np.abs(mended - plan).max() <= 1e-2 * program.scale
    exact = repair(program, plan)
    assert exact is not None
    np.testing.assert_allclose(exact, plan, rtol=0, atol=1e-9 * program.scale)


def test_repair_leaves_what_is_zero_alone() -> None:
    program = lower(Problem(tuple(channel(n) for n in "abc"), budget=90.0))
    mended = repair(program, np.array([[0.0], [30.0], [60.0 + 1e-6]]))
    assert mended is not None
    assert mended[0, 0] == 0.0
    assert mended.sum() == pytest.approx(90.0, abs=1e-9)


def test_nonsense_is_not_repaired() -> None:
    program = lower(Problem((channel("a"),), budget=9.0))
    assert repair(program, np.full((1, 1), np.nan)) is None
    assert repair(program, np.zeros((2, 1))) is None


def test_a_large_plan_is_found_quickly(capfd: pytest.CaptureFixture[str]) -> None:
    """Pacing over a year; and HiGHS prints nothing."""
    problem = Problem(
        tuple(channel(f"c{i}", current_spend=10.0, max_spend=30.0) for i in range(8)),
        budget=8 * 52 * 12.0,
        horizon=Horizon(52, max_change=0.1),
        constraints=(Constraint("g", ("c0", "c1"), max_share=0.3),),
    )
    program = lower(problem)
    assert holds(program, feasible_point(program))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("seed", range(8))
def test_lots_are_found_lot_by_lot_without_a_linear_problem(seed: int) -> None:
    """A budget that only whole lots of many sizes meet, and a floor for half of the channels."""
    rng = np.random.default_rng(seed)
    lots = rng.integers(3, 40, 30).astype(float)
    some = lots * rng.integers(0, 6, 30)
    names = tuple(f"c{i}" for i in range(30))
    program = lower(
        Problem(
            tuple(channel(n, increment=x) for n, x in zip(names, lots.tolist(), strict=True)),
            budget=float(some.sum()),
            constraints=(Constraint("half", names[:15], min_spend=float(some[:15].sum())),),
        )
    )
    plan = rounded(program, np.full((30, 1), some.mean()))
    assert plan is not None
    assert holds(program, plan)


def test_past_the_deadline_a_plan_that_needs_no_search_is_found_all_the_same() -> None:
    problem = Problem(tuple(channel(f"c{i}", increment=7.0) for i in range(20)), budget=7.0 * 41)
    assert holds(lower(problem), feasible_point(lower(problem), deadline=0.0))
