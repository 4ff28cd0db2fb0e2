"""Attacks on the certificate: no plan may beat a bound, no forged proof may pass."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from problems import (
    ALL,
    boxes,
    certified,
    curve,
    cut,
    leaf,
    on_grid,
    random_plans,
    random_problem,
    shaken,
    solve,
    split,
    twins,
)

from shared.curves.saturation import Exponential, Hill, Power, Sigmoid, Tabulated
from shared.curves.stack import stack, stack_draws
from shared.problem.aim import Aim, Floor
from shared.problem.model import SolverOptions
from shared.problem.proof import Count, Leaf, Node, Proof
from shared.solve.certify import certificate
from shared.solve.certify.certificate import bound, stated
from shared.solve.certify.maxima import Mixture, closed_form_maxima
from shared.solve.one_budget.form import OneBudget


def climbed(problem: OneBudget, plan: np.ndarray, rng: np.random.Generator) -> float:
    """The value after moving money from channel to channel wherever that helps."""
    plan = plan.copy()
    value = problem.outcome(plan).sum()
    step = 0.3 * problem.budget
    for _ in range(40):
        a, b = rng.permutation(problem.n)[:2]
        move = min(step, problem.upper[b] - plan[b], plan[a] - problem.lower[a])
        trial = plan.copy()
        trial[a] -= move
        trial[b] += move
        trial = np.clip(trial, problem.lower, problem.upper)
        there = problem.outcome(trial).sum()
        if there > value:
            plan, value = trial, there
        else:
            step *= 0.85
    return float(value)


def any_proof(rng: np.random.Generator, problem: OneBudget, size: int) -> Proof:
    """A valid tree that no solver made: random splits, cuts and prices."""
    nodes: list[Node] = [leaf(0.0)]
    boxes = [(problem.lower.copy(), problem.upper.copy())]
    typical = problem.outcome(0.5 * (problem.lower + problem.upper)).sum() / problem.budget

    scale = typical * problem.budget / problem.n

    def price() -> float:
        return float(typical * rng.lognormal(0, 1.5)) if rng.random() < 0.95 else 0.0

    def any_leaf() -> Leaf:
        return leaf(price(), float(scale * rng.normal()) if rng.random() < 0.7 else 0.0)

    counts: list[np.ndarray] = []

    for at in range(size):
        if at >= len(nodes):
            break
        low, high = boxes[at]
        pick, c = rng.random(), int(rng.integers(problem.n))
        if pick < 0.25:
            # Old thresholds as often as new ones, and some of them exactly on an end.
            if not counts or rng.random() < 0.5:
                share = np.where(rng.random(problem.n) < 0.8, rng.random(problem.n), 1.0)
                counts.append(low + share * (high - low))
                counts[-1][rng.random(problem.n) < 0.2] = np.inf
            thresholds = counts[int(rng.integers(len(counts)))]
            most = int(rng.integers(-1, problem.n + 1))
            nodes[at] = Count(thresholds, most, len(nodes), len(nodes) + 1)
            nodes += [any_leaf(), any_leaf()]
            boxes += [(low, high), (low, high)]
        elif pick < 0.6:
            where = float(rng.uniform(low[c], high[c])) if rng.random() < 0.9 else float(high[c])
            nodes[at] = split(c, where, len(nodes), len(nodes) + 1)
            below, above = high.copy(), low.copy()
            below[c] = above[c] = where
            nodes += [any_leaf(), any_leaf()]
            boxes += [(low, below), (above, high)]
        elif pick < 0.8:
            channels = np.flatnonzero(rng.random(problem.n) < 0.5)
            a = rng.uniform(low[channels], high[channels])
            b = rng.uniform(a, high[channels])
            nodes[at] = cut(price(), channels, a, b, len(nodes), float(scale * rng.normal()))
            inner_low, inner_high = low.copy(), high.copy()
            inner_low[channels], inner_high[channels] = a, b
            nodes.append(any_leaf())
            boxes.append((inner_low, inner_high))
        else:
            nodes[at] = any_leaf()
    return Proof(tuple(nodes))


def attack(seed: int) -> None:
    """One random problem, one honest and one made-up proof, and everything thrown at both."""
    rng = np.random.default_rng(seed)
    draws = int(rng.integers(2, 12)) if rng.random() < 0.3 else 0
    n = int(rng.integers(1, 7))
    alike = rng.random() < 0.25
    problem = twins(rng, n, draws) if alike else random_problem(rng, n, draws=draws)
    if rng.random() < 0.3:
        problem = replace(problem, spend_all=False)
    plans = random_plans(rng, problem, 40)
    if not len(plans):
        return
    values = problem.outcome(plans).sum(axis=1)
    strong = float(values.max())
    if n > 1:
        strong = max(strong, climbed(problem, plans[int(values.argmax())], rng))
    answer = solve(problem, SolverOptions(gap=float(rng.choice([1e-2, 1e-6])), time_limit_s=5))
    honest = certified(problem, answer.spend, answer.proof)
    made_up = certified(problem, plans[0], any_proof(rng, problem, int(rng.integers(1, 12))))
    for check in (honest, made_up):
        assert check.proven, seed
        assert strong <= check.upper_bound, (seed, strong, check)
        assert honest.objective <= check.upper_bound, (seed, honest, made_up)


def test_150_random_attacks_on_the_bound() -> None:
    for seed in range(150):
        attack(seed)


@pytest.mark.slow
def test_10_000_random_attacks_on_the_bound() -> None:
    for seed in range(1_000, 11_000):
        attack(seed)


@pytest.mark.parametrize("seed", range(8))
def test_bounds_hold_against_dynamic_programming(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 4, ("s_hill", "sigmoid", "tabulated"))
    plans = random_plans(rng, problem, 1)
    check = certified(problem, plans[0], any_proof(rng, problem, 9))
    assert on_grid(problem, 150) <= check.upper_bound


@pytest.mark.parametrize("seed", range(20))
def test_one_dimensional_maxima_are_never_too_small_and_tight(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [k for k in ALL if k != "tabulated"]
    curves = stack([curve(rng, k) for k in kinds])
    k, n = 6, len(kinds)
    low = rng.uniform(0, 2, (k, n)) * (rng.random((k, n)) < 0.6)
    high = low + rng.exponential(1.5, (k, n)) * (rng.random((k, n)) < 0.9)
    price = np.exp(rng.normal(-1, 1.5, (k, 1)))
    near = rng.uniform(0, 3, n)
    tops = closed_form_maxima(curves, low, high, price, near, np.full((k, 1), 1e-13))
    x = low + (high - low) * np.linspace(0, 1, 4001)[:, None, None]
    grid = curves.value(x.reshape(-1, n)).reshape(x.shape) - price * x
    assert np.all(tops >= grid.max(axis=0))
    # On the grid the maximum is missed by at most a step's worth of curvature.
    assert np.all(tops <= grid.max(axis=0) + 2e-3)


@pytest.mark.parametrize("kind", ["hill", "s_hill", "sigmoid", "exponential", "power"])
def test_mean_majorants_are_never_too_small_and_tight(kind: str) -> None:
    rng = np.random.default_rng(4)
    base = curve(rng, kind)
    draws = stack_draws([[shaken(rng, base) for _ in range(25)]])
    low, high = np.array([0.0, 0.2, 0.5, 1.0]), np.array([4.0, 3.0, 0.9, 1.0])
    price = np.array([0.1, 0.4, 1.0, 0.3])
    mean = Mixture(draws.column(0), np.full(25, 1 / 25), np.ones(25), np.zeros(25), 0.0, 4.0)
    tops = mean.maxima(low, high, price, 1e-10)
    x = low + (high - low) * np.linspace(0, 1, 20001)[:, None]
    grid = (draws.mean_value(x.reshape(-1, 1)).reshape(x.shape) - price * x).max(axis=0)
    assert np.all(tops >= grid)
    assert np.all(tops <= grid + 1e-6)


def test_rounding_is_outward_on_a_problem_solved_by_hand() -> None:
    # 1 000 equal square roots: the exact optimum is sqrt(1000 B), the bound must not be below.
    problem = boxes([Power(1.0, 0.5)] * 1000, 3.0)
    answer = solve(problem, SolverOptions())
    check = certified(problem, answer.spend, answer.proof)
    assert check.upper_bound >= np.sqrt(np.longdouble(3000))
    assert check.relative_gap <= 1e-12


# -- forged proofs -----------------------------------------------------------------------------

FORGED: dict[str, tuple[Node, ...]] = {
    "nothing": (),
    "a price that is no number": (leaf(float("nan")),),
    "an infinite price": (leaf(float("inf")),),
    "a child that is missing": (split(0, 1.0, 1, 2), leaf(0.3)),
    "a child used twice": (split(0, 1.0, 1, 1), leaf(0.3)),
    "a circle": (split(0, 1.0, 0, 1), leaf(0.3)),
    "a negative index": (split(0, 1.0, 1, -1), leaf(0.3), leaf(0.3)),
    "no such channel": (split(9, 1.0, 1, 2), leaf(0.3), leaf(0.3)),
    "a split nowhere": (split(0, float("nan"), 1, 2), leaf(0.3), leaf(0.3)),
    "a count of too few thresholds": (Count(np.array([1.0]), 0, 1, 2), leaf(0.3), leaf(0.3)),
    "a count at no number": (Count(np.array([1.0, np.nan]), 0, 1, 2), leaf(0.3), leaf(0.3)),
    "a count whose child is missing": (Count(np.array([1.0, 1.0]), 0, 1, 9), leaf(0.3)),
    "a count's price that is no number": (
        Count(np.array([1.0, 1.0]), 0, 1, 2),
        leaf(0.3, float("nan")),
        leaf(0.3),
    ),
    "a count's price without end": (
        Count(np.array([1.0, 1.0]), 0, 1, 2),
        leaf(0.3),
        leaf(0.3, float("inf")),
    ),
    "a cut of no such channel": (
        cut(0.3, np.array([7]), np.array([0.0]), np.array([1.0]), 1),
        leaf(0.3),
    ),
    "a cut at no number": (
        cut(0.3, np.array([0]), np.array([np.nan]), np.array([1.0]), 1),
        leaf(0.3),
    ),
    "a cut of unequal lengths": (
        cut(0.3, np.array([0]), np.array([0.0, 0.0]), np.array([1.0]), 1),
        leaf(0.3),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_proof_proves_nothing(name: str) -> None:
    problem = boxes([Hill(1, 1, 2), Exponential(1, 1)], 2.0)
    check = certified(problem, np.array([1.0, 1.0]), Proof(FORGED[name]))
    assert not check.proven
    assert check.upper_bound == np.inf


def test_what_a_cut_removes_is_still_in_the_bound() -> None:
    # The optimum is at (2, 0); a cut that throws it away must not lower the bound under it.
    problem = boxes([Exponential(9, 1), Exponential(1, 1)], 2.0)
    best = problem.outcome(np.array([2.0, 0.0])).sum()
    removed = cut(1.0, np.array([0]), np.array([0.0]), np.array([0.1]), 1)
    check = certified(problem, np.array([0.1, 1.9]), Proof((removed, leaf(1.0))))
    assert check.upper_bound >= best


def two_equal(budget: float) -> OneBudget:
    return boxes([Exponential(1, 1), Exponential(1, 1)], budget)


@pytest.mark.parametrize("count_price", [-0.4, 0.0, 0.4])
def test_a_count_bounds_both_of_its_sides(count_price: float) -> None:
    # The best plan spends 1 on each. Below: at most one spends more than a half, so at best (1.5,
    # 0.5); above, both do. Whatever the multiplier, the bound covers the better side.
    problem = two_equal(2.0)
    best = float(2 * (1 - np.exp(-1)))
    halves = np.array([0.5, 0.5])
    price = float(np.exp(-1))
    tree = Proof((Count(halves, 1, 1, 2), leaf(price, count_price), leaf(price, count_price)))
    check = certified(problem, np.array([1.0, 1.0]), tree)
    assert check.proven
    assert check.upper_bound >= best


def test_a_count_is_one_more_multiplier() -> None:
    # At most one beyond a half. The best such plan is (1.5, 0.5), stationary within its sides.
    problem = two_equal(2.0)
    curve = Exponential(1, 1)
    price, top = float(np.exp(-0.7)), float(curve.value(0.7)) - 0.7 * float(np.exp(-0.7))
    low = float(curve.value(0.5)) - 0.5 * price
    lift = top - low
    inner = Count(np.array([0.5, 0.5]), 1, 2, 3)
    tree = (Count(np.array([0.5, 0.5]), 1, 1, 4), inner, leaf(price, lift), leaf(9.0), leaf(9.0))
    plan = np.array([1.5, 0.5])
    shown = bound(problem.program(), plan[:, None], Proof(tree), -np.inf)
    # The region above has a useless price, the one inside contradicts itself: worked out by hand.
    above = 9.0 * 2.0 + 2 * (float(curve.value(0.5)) - 9.0 * 0.5)
    assert shown == pytest.approx(max(2 * price + top + low, above))
    # All that there is, spent everywhere at once, is a ceiling of any bound.
    ceiling = 2 * float(curve.value(2.0))
    assert certified(problem, plan, Proof(tree)).upper_bound == pytest.approx(ceiling)


def test_a_bound_as_far_away_as_nothing_proves_nothing() -> None:
    # Least spend: no plan costs less than nothing, which is no news.
    problem = boxes([Exponential(1.0, 1.0)], 1.0, spend_all=False)
    aim = Aim("minimize_spend", 0.0, 1.0, (Floor("target_outcome", 0.5, 0.0, 0.5),))
    spend = np.array([np.log(2.0)])
    useless = certified(problem, spend, Proof((replace(leaf(0.0), theta=(1e9,)),)), aim)
    assert useless.upper_bound == pytest.approx(0.0, abs=1e-8)
    assert not useless.told().proven
    assert useless.told().upper_bound == np.inf
    best = certified(problem, spend, Proof((replace(leaf(0.0), theta=(2.0,)),)), aim)
    assert best.told() == best
    assert best.proven
    assert best.relative_gap <= 1e-9


def test_a_count_among_others_takes_their_place() -> None:
    # At least one beyond 0.1, then a count of other thresholds: the first is forgotten, which can
    # only loosen the bound.
    problem = two_equal(2.0)
    outer, other = np.array([0.1, 0.1]), np.array([0.2, 0.2])
    tree = (
        Count(outer, 0, 1, 2),
        leaf(0.4),
        Count(other, 0, 3, 4),
        leaf(0.4),
        leaf(0.4),
    )
    check = certified(problem, np.array([1.0, 1.0]), Proof(tree))
    assert check.proven
    assert check.upper_bound >= 2 * (1 - np.exp(-1))


def test_a_region_without_a_plan_is_left_out() -> None:
    # Under 1.5 in channel 0 there is no plan: the useless price there must not spoil the bound.
    curves = [Exponential(1, 1), Exponential(3, 1)]
    problem = boxes(curves, 2.0, upper=[2.0, 0.5])
    price = float(curves[0].slope(1.5))
    tree = Proof((split(0, 1.4, 1, 2), leaf(100.0), leaf(price)))
    check = certified(problem, np.array([1.5, 0.5]), tree)
    assert check.proven
    assert check.relative_gap <= 1e-12


def test_an_infeasible_plan_is_not_proven() -> None:
    problem = boxes([Hill(1, 1, 2), Exponential(1, 1)], 2.0)
    answer = solve(problem, SolverOptions())
    over = certified(problem, answer.spend + 0.1, answer.proof)
    assert not over.proven
    assert over.max_constraint_violation == pytest.approx(0.1)


def test_the_kkt_residual_sees_a_plan_that_can_be_improved() -> None:
    problem = boxes([Exponential(1, 1), Exponential(2, 1)], 2.0)
    plan = np.array([1.0, 1.0])
    slope = problem.marginal(plan)
    check = certified(problem, plan, Proof((leaf(0.5),)))
    # Moving a unit from 0 to 1 gains the difference of their slopes.
    want = 0.5 * (slope[1] - slope[0]) / slope[1]
    assert check.kkt_residual == pytest.approx(want)
    assert check.gap > 0


@pytest.mark.parametrize("unit", [1e-300, 1e-12, 1.0, 1e12, 1e150])
def test_the_kkt_residual_is_the_same_in_any_unit_of_money(unit: float) -> None:
    """The first curve's slope at 0 is infinite: it is taken over a billionth of the budget."""
    problem = boxes([Hill(1, unit, 0.5), Hill(1, unit, 1.0)], unit)
    none, all_ = np.array([0.0, unit]), np.array([unit, 0.0])
    first = 1e9 * float(Hill(1, unit, 0.5).value(1e-9 * unit))
    residuals = [
        certified(problem, plan, Proof((leaf(0.0),))).kkt_residual for plan in (none, all_)
    ]
    assert residuals[0] == pytest.approx(0.5 * (first - 0.25) / first, rel=1e-6)
    assert residuals[1] == pytest.approx(0.5 * (1.0 - 0.125), rel=1e-6)


@pytest.mark.parametrize("curve", [Hill(0.5, 1e-12, 1e-12), Power(1, 0.5)])
def test_where_there_is_no_money_none_can_be_moved(curve: Hill | Power) -> None:
    check = certified(boxes([curve, curve], 0.0), np.zeros(2), Proof((leaf(0.0),)))
    assert (check.kkt_residual, check.gap) == (0.0, 0.0)


def test_a_corner_of_a_table_is_stationary() -> None:
    problem = boxes([Tabulated((0, 1, 2), (0, 3, 4)), Power(2.0, 1.0)], 2.0)
    check = certified(problem, np.array([1.0, 1.0]), Proof((leaf(2.0),)))
    assert check.kkt_residual == 0.0
    assert check.relative_gap <= 1e-13


def test_nearly_discontinuous_curves_do_not_fool_the_bound() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        curves = [
            Hill(1, rng.uniform(0.5, 1.5), rng.uniform(30, 200)),
            Sigmoid(1, rng.uniform(0.5, 1.5), rng.uniform(100, 3000)),
            Exponential(1, rng.uniform(5, 500)),
        ]
        problem = boxes(curves, float(rng.uniform(0.5, 3)))
        answer = solve(problem, SolverOptions())
        check = certified(problem, answer.spend, answer.proof)
        plans = random_plans(rng, problem, 300)
        assert problem.outcome(plans).sum(axis=1).max() <= check.upper_bound
        assert check.relative_gap <= 1e-6


def test_the_certificate_imports_no_solver() -> None:
    files = sorted(Path(certificate.__file__).parent.glob("*.py"))
    own = {file.stem for file in files}
    assert {"certificate", "bounder", "maxima"} <= own
    for file in files:
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared.solve"):
                assert (node.module or "").rsplit(".", 1)[-1] in own
            if isinstance(node, ast.Import):
                assert all(not alias.name.startswith("shared.solve") for alias in node.names)


def test_the_bound_beside_a_plan_is_never_below_it() -> None:
    assert stated(2.0, 1.0, 1e-7, 0.0).upper_bound == 2.0
    assert stated(2.0, 1.0, 1e-5, 0.0).upper_bound == 1.0
    assert stated(2.0, 3.0, 0.0, 0.0).upper_bound == 3.0


@pytest.mark.parametrize("shape", [0.9999, 0.999, 0.9, 0.5])
def test_a_maximum_against_an_infinite_slope_at_zero_is_bounded_closely(shape: float) -> None:
    """The slope is infinite at 0 only, and under the price from a spend on that may underflow."""
    curves = stack([Hill(1.0, 2.0, shape)])
    one = np.ones((1, 1))
    price = 1.2 * 0.5 * one  # steeper than the curve of shape 1 is anywhere
    at = 10.0 * one[0]
    top = closed_form_maxima(curves, 0.0 * one, 10.0 * one, price, at, 1e-12 * one)[0, 0]
    x = np.concatenate(([0.0], np.geomspace(1e-300, 10.0, 200_001)))
    best = float((Hill(1.0, 2.0, shape).value(x) - price[0, 0] * x).max())
    assert best <= top <= best + 2e-9


def test_very_many_channels_are_bounded_as_closely_as_few() -> None:
    """Sums are pairwise and the first price is a sample's: neither may be seen in the gap."""
    rng = np.random.default_rng(5)
    n = 30_000
    top, half = rng.lognormal(0, 1, (2, n // 2))
    curves = [Exponential(a, 1 / b) for a, b in zip(top.tolist(), half.tolist(), strict=True)]
    hills = [Hill(a, b, 0.8) for a, b in zip(top.tolist(), half.tolist(), strict=True)]
    problem = boxes([*curves, *hills], budget=0.4 * n)
    found = solve(problem, SolverOptions(gap=1e-12, time_limit_s=60.0))
    checked = certified(problem, found.spend, found.proof)
    assert checked.proven
    assert checked.relative_gap <= 1e-12
    assert abs(float(found.spend.sum()) - problem.budget) <= 1e-12 * problem.budget
