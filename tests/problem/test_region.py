"""Regions: whatever is split, no allowed plan gets lost, and what follows is worked out."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Hill
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Flight, Horizon, Problem
from shared.problem.program import Program
from shared.problem.proof import SplitActive, SplitArgument, SplitDecision
from shared.problem.region import Region, halves, holds, root_region


def channel(name: str, **rest: object) -> Channel:
    return Channel(name, Response(Hill(100.0, 50.0, 1.7), Geometric(0.5)), **rest)  # type: ignore[arg-type]


def random_case(rng: np.random.Generator) -> tuple[Program, np.ndarray]:
    """A program and a plan that keeps its minima, lots, counts and budget."""
    periods = int(rng.choice([1, 3, 5]))
    u = 2.0 * rng.integers(0, 15, (3, periods)) * (rng.random((3, 1)) < 0.7)
    u = np.where((u < 6.0) | (rng.random(u.shape) < 0.3), 0.0, u)
    flies = periods > 1 and rng.random() < 0.7
    channels = tuple(
        channel(
            name,
            minimum_if_active=float(rng.choice([0.0, 6.0])),
            increment=float(rng.choice([0.0, 2.0])),
            max_spend=30.0,
            prior_spend=(5.0, 3.0) if rng.random() < 0.5 else (),
            flight=flown(row > 0.0) if flies and rng.random() < 0.7 else None,
        )
        for name, row in zip("abc", u, strict=True)
    )
    active = int(np.any(u > 0, axis=1).sum())
    at_once = int((u > 0).sum(axis=0).max())
    problem = Problem(
        channels,
        budget=float(u.sum()) + 1e-9,
        spend_all=False,
        horizon=Horizon(periods),
        constraints=(
            Constraint("few", ("a", "b", "c"), max_active=max(active, 1)),
            Constraint("at once", ("a", "b", "c"), max_active=at_once, per_period=flies),
        )[: 2 if flies else 1],
    )
    return lower(problem), u


def flown(on: np.ndarray) -> Flight:
    """The narrowest flight that a pattern keeps."""
    runs = [(value, len(list(each))) for value, each in groupby(on.tolist())]
    begun = [length for value, length in runs if value]
    pauses = [length for value, length in runs[1:-1] if not value]
    return Flight(min(begun, default=1), min(pauses, default=1), max(len(begun), 1))


def inside(program: Program, region: Region, u: np.ndarray) -> bool:
    z = program.adstocked(u)
    on = np.any(u > 0, axis=1)
    return bool(
        holds(region, u)
        and np.all(z >= region.z_lower * (1 - 1e-12))
        and np.all(z <= region.z_upper * (1 + 1e-12))
        and not np.any(on & (region.active == -1))
        and not np.any(~on & (region.active == 1))
    )


@pytest.mark.parametrize("seed", range(60))
def test_no_plan_is_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, u = random_case(rng)
    region = root_region(program)
    assert region is not None
    assert inside(program, region, u)
    z = program.adstocked(u)
    for _ in range(25):
        arm = int(rng.integers(3))
        pick = rng.random()
        if pick < 0.4:
            k = int(rng.integers(program.columns))
            at = float(rng.choice([rng.uniform(0, 30), u[arm, k]]))
            split: SplitDecision | SplitArgument | SplitActive = SplitDecision(arm, k, at, 1, 2)
            first = u[arm, k] <= at
        elif pick < 0.8:
            h = int(rng.integers(z.shape[1]))
            at = float(rng.choice([rng.uniform(0, 60), z[arm, h]]))
            split, first = SplitArgument(arm, h, at, 1, 2), z[arm, h] <= at
        else:
            split, first = SplitActive(arm, 1, 2), not np.any(u[arm] > 0)
        sides = halves(program, region, split)
        part = sides[0] if first else sides[1]
        assert part is not None, split
        assert inside(program, part, u), split
        region = part


def one_period(**rest: object) -> Program:
    return lower(Problem((channel("a", **rest), channel("b"), channel("c")), budget=100.0))


def test_a_minimum_rounds_both_sides() -> None:
    program = one_period(minimum_if_active=10.0)
    root = root_region(program)
    assert root is not None
    below, above = halves(program, root, SplitDecision(0, 0, 4.0, 1, 2))
    assert below is not None
    assert above is not None
    assert below.u_upper[0, 0] == 0.0
    assert below.active[0] == -1
    assert above.u_lower[0, 0] == 10.0
    assert above.active[0] == 1
    off, on = halves(program, root, SplitActive(0, 1, 2))
    assert off is not None
    assert on is not None
    assert off.z_upper[0, 0] == 0.0
    assert on.u_lower[0, 0] == 10.0


def test_a_cut_of_adstocked_spend_narrows_spend() -> None:
    program = one_period()
    program = replace(program, carry=2.0 * program.carry)
    root = root_region(program)
    assert root is not None
    below, above = halves(program, root, SplitArgument(0, 0, 40.0, 1, 2))
    assert below is not None
    assert above is not None
    assert below.u_upper[0, 0] == pytest.approx(20.0, rel=1e-12)
    assert above.u_lower[0, 0] == pytest.approx(20.0, rel=1e-12)


def test_a_count_that_is_used_up_switches_the_rest_off() -> None:
    program = lower(
        Problem(
            tuple(channel(n) for n in "abc"),
            budget=100.0,
            constraints=(Constraint("few", ("a", "b", "c"), max_active=1),),
        )
    )
    root = root_region(program)
    assert root is not None
    _, on = halves(program, root, SplitActive(1, 1, 2))
    assert on is not None
    assert on.active.tolist() == [-1, 1, -1]
    assert on.u_upper[[0, 2], 0].tolist() == [0.0, 0.0]
    assert halves(program, on, SplitActive(0, 1, 2))[1] is None


def test_a_budget_limits_carryover_of_spend_in_all_periods() -> None:
    program = lower(Problem((channel("a"),), budget=100.0, horizon=Horizon(4)))
    root = root_region(program)
    assert root is not None
    np.testing.assert_allclose(root.z_upper, 100.0, rtol=1e-10)  # not 187.5, as box by box


def test_arrays_that_promise_too_much_are_refused() -> None:
    program = one_period()
    for broken in (
        replace(program, carry=-program.carry),
        replace(program, upper=np.full((3, 1), np.inf)),
        replace(program, lower=np.full((3, 1), np.nan)),
    ):
        with pytest.raises(ValueError, match="bound"):
            root_region(broken)
    root = root_region(program)
    assert root is not None
    for split in (SplitDecision(3, 0, 1.0, 1, 2), SplitArgument(0, 5, 1.0, 1, 2)):
        with pytest.raises(IndexError):
            halves(program, root, split)
