"""Attacks on the certificate of general programs: no plan beats a bound, no forged proof passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problems import curve
from programs import any_tree, climbed, keeps, random_program

from shared.curves.saturation import Exponential, Hill
from shared.curves.stack import stack
from shared.problem.program import AtMost, Pair, Program, Rows
from shared.problem.proof import Leaf, Proof, SplitArgument, SplitDecision
from shared.solve.certify.certificate import bound, certify


def attack(seed: int) -> float:
    """Climb among feasible plans; none of them may exceed the bound of any tree."""
    rng = np.random.default_rng(seed)
    program, plan = random_program(rng)
    assert keeps(program, plan)
    assert program.violation(plan) <= 1e-9
    met = climbed(rng, program, plan, 60)
    best = program.objective(met[-1])
    tightest = np.inf
    for size in (0, 1, int(rng.integers(2, 12))):
        proof = any_tree(rng, program, met[-1], size)
        certificate = certify(program, met[-1], proof)
        if np.isfinite(certificate.upper_bound):
            hair = 1e-12 * max(1.0, abs(best))  # the climb keeps rows to rounding
            assert certificate.upper_bound >= best - hair, (seed, size, certificate, best)
            assert certificate.proven
        tightest = min(tightest, certificate.relative_gap)
    return tightest


@pytest.mark.parametrize("block", range(5))
def test_no_plan_beats_any_bound(block: int) -> None:
    gaps = [attack(1_000 * block + i) for i in range(15)]
    assert np.median(gaps) < 1.0  # the bounds are about something


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_no_plan_beats_any_bound_ten_thousand_times(block: int) -> None:
    for i in range(100):
        attack(1_000_000 + 1_000 * block + i)


def test_optimal_multipliers_close_the_gap_of_a_concave_plan() -> None:
    """Adstock over time, one budget: at a stationary plan the root alone proves it."""
    program, plan, mu, nu = stationary()
    certificate = certify(program, plan, Proof((Leaf(mu, nu),)))
    assert certificate.relative_gap < 1e-9
    assert certificate.proven
    assert certificate.kkt_residual < 1e-6


def stationary() -> tuple[Program, np.ndarray, np.ndarray, np.ndarray]:
    """Exponential curves and no carryover left between periods have a closed-form best plan."""
    rate, top = np.array([0.5, 1.0, 2.0]), np.array([3.0, 4.0, 2.0])
    curves = stack([Exponential(float(m), float(r)) for m, r in zip(top, rate, strict=True)])
    columns, price = 4, 0.4
    u = np.repeat((np.log(top * rate / price) / rate)[:, None], columns, axis=1)
    ones = np.ones((3, columns))
    program = Program(
        names=("a", "b", "c"),
        lower=0 * ones,
        upper=50 * ones,
        least_active=0 * ones,
        lower_by=("",) * 3,
        upper_by=("",) * 3,
        lot=np.zeros(3),
        rows=Rows(np.ones((1, 12)), np.array([u.sum()]), np.array([u.sum()]), ("budget",)),
        spread=np.repeat(np.eye(columns)[None], 3, axis=0),
        carry=np.repeat(np.eye(columns)[None], 3, axis=0),
        carry_in=0 * ones,
        weight=ones,
        curves=curves,
        scale=float(u.sum()),
    )
    return program, u, np.array([price]), np.full((3, columns), price)


def test_forged_proofs_prove_nothing() -> None:
    program, plan, mu, nu = stationary()
    leaf = Leaf(mu, nu)
    forged = [
        (),
        (SplitDecision(0, 0, 1.0, 1, 1), leaf),  # both sides the same node
        (SplitDecision(0, 0, 1.0, 0, 1), leaf),  # a circle
        (SplitDecision(0, 0, 1.0, 1, 7), leaf),  # a side that is not there
        (SplitDecision(9, 0, 1.0, 1, 2), leaf, leaf),
        (SplitDecision(0, 9, 1.0, 1, 2), leaf, leaf),
        (SplitDecision(0, -1, 1.0, 1, 2), leaf, leaf),
        (SplitDecision(0, 0, np.nan, 1, 2), leaf, leaf),
        (SplitArgument(0, -1, 1.0, 1, 2), leaf, leaf),
        (Leaf(np.array([np.nan]), nu),),
        (Leaf(mu, np.full_like(nu, np.inf)),),
        (Leaf(np.zeros(3), nu),),
        (Leaf(mu, nu[:1]),),
    ]
    for nodes in forged:
        certificate = certify(program, plan, Proof(nodes))
        assert certificate.upper_bound == np.inf, nodes
        assert not certificate.proven


def test_a_plan_that_breaks_a_rule_is_never_proven() -> None:
    program, plan, mu, nu = stationary()
    proof = Proof((Leaf(mu, nu),))
    for wrong in (1.01 * plan, plan - 10.0, plan * np.nan, plan[:2]):
        if wrong.shape == plan.shape and np.all(np.isfinite(wrong)):
            assert not certify(program, wrong, proof).proven
        assert program.violation(wrong) > 1e-6
    lots = replace(program, lot=np.full(3, 0.5))
    assert lots.violation(plan) > 1e-3
    least = replace(program, least_active=np.full_like(plan, 5.0))
    assert least.violation(plan) > 1e-3
    few = replace(program, at_most=(AtMost("few", (0, 1, 2), 2),))
    assert few.violation(plan) == pytest.approx(plan[2, 0] / program.scale)


def test_prices_of_the_wrong_sign_cost_nothing() -> None:
    """A cap has no negative price: what a proof says against that is not believed."""
    program, plan, mu, nu = stationary()
    rows = replace(program.rows, lower=np.array([-np.inf]))
    capped = replace(program, rows=rows)
    good = certify(capped, plan, Proof((Leaf(mu, nu),)))
    bad = certify(capped, plan, Proof((Leaf(-mu, nu),)))
    assert good.relative_gap < 1e-9
    assert good.upper_bound < bad.upper_bound < np.inf


@pytest.mark.parametrize("seed", range(6))
def test_one_decision_each_is_bounded_jointly(seed: int) -> None:
    """At the best of all prices the root's bound is the concave envelope's: never below a grid."""
    rng = np.random.default_rng(seed)
    arms = 3
    curves = [curve(rng, str(rng.choice(["s_hill", "sigmoid", "exponential"]))) for _ in range(3)]
    least = np.where(rng.random((arms, 1)) < 0.5, 0.4, 0.0)
    lot = np.where(rng.random(arms) < 0.5, 0.125, 0.0)
    ones = np.ones((arms, 1))
    program = Program(
        names=("a", "b", "c"),
        lower=0 * ones,
        upper=2 * ones,
        least_active=least,
        lower_by=("",) * 3,
        upper_by=("",) * 3,
        lot=lot,
        rows=Rows(np.ones((1, 3)), np.array([-np.inf]), np.array([2.5]), ("budget",)),
        spread=np.ones((arms, 1, 1)),
        carry=rng.uniform(0.7, 2.0, (arms, 1, 1)),
        carry_in=0 * ones,
        weight=ones,
        curves=stack(curves),
        at_most=(AtMost("few", (0, 1, 2), 2),),
        scale=2.5,
    )
    grid = np.arange(0, 2.0001, 0.125)
    best, best_u = -np.inf, np.zeros((3, 1))
    for x in grid:
        for y in grid:
            z = np.array([[x], [y], [0.0]])
            for w in grid:
                z[2] = w
                if keeps(program, z) and program.objective(z) > best:
                    best, best_u = program.objective(z), z.copy()
    bounds = []
    for price in np.geomspace(0.05, 5.0, 60):
        leaf = Leaf(np.array([price]), np.zeros((arms, 1)))
        bounds.append(certify(program, best_u, Proof((leaf,))).upper_bound)
    assert min(bounds) >= best
    assert min(bounds) <= 1.5 * best


@pytest.mark.parametrize("seed", range(6))
def test_full_enumeration_of_lots_closes_the_gap(seed: int) -> None:
    """Splitting every arm down to single lots leaves the brute-force optimum, exactly."""
    rng = np.random.default_rng(seed)
    program, _, _, _ = stationary()
    curves = stack([curve(rng, "s_hill"), curve(rng, "sigmoid")])
    ones = np.ones((2, 2))
    program = replace(
        program,
        names=("a", "b"),
        lower=0 * ones,
        upper=1.5 * ones,
        least_active=0 * ones,
        lot=np.full(2, 0.5),
        rows=Rows(np.ones((1, 4)), np.array([2.0]), np.array([2.0]), ("budget",)),
        spread=np.repeat(np.eye(2)[None], 2, axis=0),
        carry=np.repeat(np.array([[1.0, 0.0], [0.5, 1.0]])[None], 2, axis=0),
        carry_in=0.1 * ones,
        weight=ones,
        curves=curves,
        scale=2.0,
    )
    best, best_u = -np.inf, 0 * ones
    for counts in np.ndindex(4, 4, 4, 4):
        u = 0.5 * np.array(counts, float).reshape(2, 2)
        if u.sum() == 2.0 and program.objective(u) > best:
            best, best_u = program.objective(u), u
    nodes: list = []

    def grow(spots: list[tuple[int, int, int]]) -> int:
        at = len(nodes)
        nodes.append(None)
        if not spots:
            nodes[at] = Leaf(np.zeros(1), 0 * ones)
            return at
        a, k, lot = spots[0]
        rest = spots[1:]
        below = grow(rest)
        above = grow([(a, k, lot + 1), *rest] if lot < 2 else rest)
        nodes[at] = SplitDecision(a, k, 0.5 * lot + 0.25, below, above)
        return at

    grow([(a, k, 0) for a in range(2) for k in range(2)])
    certificate = certify(program, best_u, Proof(tuple(nodes)))
    assert certificate.upper_bound >= best
    assert certificate.relative_gap < 1e-12


@pytest.mark.parametrize("strength", [1.5, -0.8])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_an_interaction_is_bounded_by_its_planes(strength: float, mix: float) -> None:
    """The bound written out by hand: McCormick's planes over the levels, maxima on a grid."""
    program, _, _, _ = stationary()
    tops, rates, ends = np.array([2.0, 3.0]), np.array([1.0, 0.7]), np.array([1.5, 2.0])
    ones = np.ones((2, 1))
    program = replace(
        program,
        names=("a", "b"),
        lower=0.2 * ones,
        upper=ends[:, None],
        least_active=0 * ones,
        lot=np.zeros(2),
        rows=Rows(np.ones((1, 2)), np.array([-np.inf]), np.array([4.0]), ("budget",)),
        spread=np.ones((2, 1, 1)),
        carry=np.ones((2, 1, 1)),
        carry_in=0 * ones,
        weight=ones,
        curves=stack([Exponential(2.0, 1.0), Exponential(3.0, 0.7)]),
        pairs=(Pair(0, 1, strength),),
        lower_by=("",) * 2,
        upper_by=("",) * 2,
    )
    price = 0.6
    leaf = Leaf(np.array([price]), 0 * ones, planes=np.array([[mix]]))
    plan = np.array([[1.0], [1.0]])
    found = bound(program, plan, Proof((leaf,)), -np.inf)
    low, high = -np.expm1(-rates * 0.2), -np.expm1(-rates * ends)
    near, far = (high[1], low[1]) if strength > 0 else (low[1], high[1])
    to_a = strength * (mix * near + (1 - mix) * far)
    to_b = strength * (mix * low[0] + (1 - mix) * high[0])
    expected = price * 4.0 - strength * (mix * low[0] * near + (1 - mix) * high[0] * far)
    for i, slope in enumerate((to_a, to_b)):
        x = np.linspace(0.2, ends[i], 200_001)
        level = -np.expm1(-rates[i] * x)
        expected += float(((tops[i] + slope) * level - price * x).max())
    assert found == pytest.approx(expected, rel=1e-7)


def test_a_plan_feasible_to_tolerance_only_never_exceeds_its_bound() -> None:
    """At most 0.9 of all money for the only arm: nothing. A root gains much by what it may miss."""
    one = np.ones((1, 1))
    program = Program(
        names=("a",),
        lower=0 * one,
        upper=100 * one,
        least_active=0 * one,
        lower_by=("",),
        upper_by=("budget",),
        lot=np.ones(1),
        rows=Rows(0.1 * one, np.array([-np.inf]), np.array([0.0]), ("share",)),
        spread=one[None],
        carry=one[None],
        carry_in=0 * one,
        weight=one,
        curves=stack([Hill(100.0, 20.0, 0.5)]),
        scale=100.0,
    )
    proof = Proof((SplitDecision(0, 0, 0.5, 1, 2), *[Leaf(np.ones(1), 0 * one)] * 2))
    for u in (0.0, 1e-9, 5e-5):
        found = certify(program, u * one, proof)
        assert found.proven
        assert found.upper_bound >= found.objective
        assert found.upper_bound == pytest.approx(program.objective(u * one), abs=1e-12)
    # One that counts as infeasible says nothing about the bound.
    found = certify(program, one, proof)
    assert not found.proven
    assert found.upper_bound < 1e-9 < found.objective


def test_a_plan_that_rounding_alone_makes_infeasible_is_proven() -> None:
    """Bounds that lock all money a hair above the budget leave no plan that keeps all exactly."""
    program, plan, mu, nu = stationary()
    locked = plan * (1 + 1e-11)
    program = replace(program, lower=locked, upper=locked)
    found = certify(program, locked, Proof((Leaf(mu, nu),)))
    assert found.proven
    assert found.upper_bound == pytest.approx(found.objective)
    # Where no plan holds by far, nothing is proven of one that does not either.
    locked = 1.5 * plan
    program = replace(program, lower=locked, upper=locked)
    found = certify(program, locked, Proof((Leaf(mu, nu),)))
    assert not found.proven
