"""S-shaped plans over time: arms apart at the rows' prices, and proofs that say so."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from programs import random_program

from benchmarks.classes import planned
from shared import work
from shared.problem.lower import lower
from shared.problem.program import AtMost, Program, Rows
from shared.problem.proof import (
    ArmLeaf,
    ArmNode,
    Node,
    PerArm,
    Proof,
    Split,
    SplitActive,
    SplitArgument,
    SplitDecision,
    SplitSpend,
)
from shared.problem.region import halves, holds, root_region
from shared.solve.certify.certificate import certify
from shared.solve.engines.prices import ArmTrees, ascend, falls_apart, search_prices

pytest.importorskip("scipy")


def _plan(n: int, periods: int, seed: int) -> Program:
    make = planned(n, periods, "S-shaped", gap=1e-4, limit_s=20.0)
    return lower(make(np.random.default_rng(seed)))


def _random_tree(rng: np.random.Generator, program: Program, a: int) -> tuple[ArmNode, ...]:
    """Splits anywhere, prices of any sign: whatever a careless solver could write down."""

    def leaf() -> ArmLeaf:
        nu = np.asarray(rng.normal(0.3, 0.5, program.weight.shape[1]))
        return ArmLeaf(nu, float(rng.normal(0.0, 0.3)))

    nodes: list[ArmNode] = [leaf()]
    top = program.adstocked(program.upper)[a]
    for _ in range(int(rng.integers(0, 4))):
        slot = int(rng.choice([i for i, x in enumerate(nodes) if isinstance(x, ArmLeaf)]))
        first = len(nodes)
        nodes += [leaf(), leaf()]
        if rng.random() < 0.5:
            h = int(rng.integers(program.weight.shape[1]))
            nodes[slot] = SplitArgument(0, h, float(rng.uniform(0, top[h])), first, first + 1)
        else:
            k = int(rng.integers(program.columns))
            at = float(rng.uniform(0, program.upper[a, k]))
            nodes[slot] = SplitDecision(0, k, at, first, first + 1)
    return tuple(nodes)


def _attack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, plan = random_program(rng)
    tied = bool(program.pairs or program.at_most)

    def leaf() -> PerArm:
        trees = tuple(_random_tree(rng, program, a) for a in range(program.arms))
        return PerArm(rng.normal(0.0, 0.5, len(program.rows.names)), trees)

    nodes: list[Node] = [leaf()]
    while rng.random() < 0.6 and len(nodes) < 7:
        slot = int(rng.choice([i for i, node in enumerate(nodes) if isinstance(node, PerArm)]))
        a = int(rng.integers(program.arms))
        spent = float(program.spend(program.upper)[a].sum())
        at = float(rng.choice([rng.uniform(0.0, spent), program.spend(plan)[a].sum()]))
        nodes[slot] = SplitSpend(a, at, len(nodes), len(nodes) + 1)
        nodes += [leaf(), leaf()]
    found = certify(program, plan, Proof(tuple(nodes)))
    if tied:
        assert not found.proven
        return
    if found.proven:
        assert found.upper_bound >= program.objective(plan) - 1e-9 * abs(program.objective(plan))


@pytest.mark.parametrize("seed", range(120))
def test_no_tree_of_arms_proves_less_than_a_plan_is_worth(seed: int) -> None:
    _attack(seed)


@pytest.mark.slow
def test_no_tree_of_arms_proves_less_than_a_plan_is_worth_many_times() -> None:
    for seed in range(1_000, 6_000):
        _attack(seed)


@pytest.mark.parametrize("seed", range(60))
def test_no_plan_is_lost_where_regions_limit_what_an_arm_spends(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, plan = random_program(rng)
    region = root_region(program)
    assert region is not None
    z = program.adstocked(plan)
    for _ in range(8):
        a, h = int(rng.integers(program.arms)), int(rng.integers(z.shape[1]))
        money = float((program.spread.sum(axis=1) * plan)[a].sum())
        near = float(rng.choice([0.0, 1.0, rng.uniform(0.3, 3.0)]))
        if rng.random() < 0.7:
            split: Split = SplitSpend(a, near * money, 0, 0)
            below = money <= near * money
        else:
            split = SplitArgument(a, h, near * z[a, h], 0, 0)
            below = z[a, h] <= near * z[a, h]
        sides = halves(program, region, split)
        region = sides[0] if below else sides[1]
        assert region is not None
        assert holds(region, plan)
        hair = 1e-9 * (z + 1e-300)
        assert np.all(region.z_lower <= z + hair)
        assert np.all(region.z_upper >= z - hair)


def test_a_leaf_that_prices_spend_is_exact_where_the_limit_binds() -> None:
    # One arm, one period, no budget to speak of: at most half of what it would like to spend.
    program = _plan(1, 2, 5)
    root = root_region(program)
    assert root is not None
    wide = replace(program, rows=replace(program.rows, lower=np.array([-np.inf])))
    most = 0.4 * float(program.rows.upper[0])
    u = np.array([[0.0, most]])
    slope = float(wide.gradient(u)[0, 1])
    dear = ArmLeaf(wide.slopes(u)[0], slope)
    tree = PerArm(np.zeros(1), ((dear,),))
    free = PerArm(np.zeros(1), ((ArmLeaf(np.zeros(2)),),))
    split = SplitSpend(0, most, 1, 2)
    limited = certify(wide, u, Proof((split, tree, free))).upper_bound
    loose = certify(wide, u, Proof((split, free, free))).upper_bound
    assert program.objective(u) <= limited <= loose
    # The price is of no use where nothing limits what is spent.
    alone = certify(wide, u, Proof((tree,))).upper_bound
    plain = PerArm(np.zeros(1), ((ArmLeaf(dear.nu),),))
    assert alone == certify(wide, u, Proof((plain,))).upper_bound


def test_trees_below_a_split_bound_their_side_only() -> None:
    program = _plan(3, 4, 5)
    rng = np.random.default_rng(0)
    u = program.upper * rng.random(program.upper.shape)
    u *= program.rows.upper[0] / (program.rows.matrix @ u.ravel())[0]
    leaf = PerArm(np.array([0.5]), tuple((ArmLeaf(np.full(4, 0.4)),) for _ in range(3)))
    z = float(program.adstocked(u)[1, 2])
    split = SplitArgument(1, 2, 0.5 * z, 1, 2)
    whole = certify(program, u, Proof((leaf,)))
    parts = certify(program, u, Proof((split, leaf, leaf)))
    assert whole.proven
    assert program.objective(u) <= parts.upper_bound <= whole.upper_bound * (1.0 + 1e-12)


@pytest.mark.parametrize("fault", ["few", "loop", "far", "other arm", "active", "prices", "nan"])
def test_trees_that_are_none_prove_nothing(fault: str) -> None:
    program = _plan(3, 4, 5)
    leaf = ArmLeaf(np.full(4, 0.4))
    tree: tuple[object, ...] = (SplitArgument(0, 1, 0.5, 1, 2), leaf, leaf)
    if fault == "loop":
        tree = (SplitArgument(0, 1, 0.5, 0, 2), leaf, leaf)
    elif fault == "far":
        tree = (SplitArgument(0, 1, 0.5, 1, 7), leaf, leaf)
    elif fault == "other arm":
        tree = (SplitArgument(1, 1, 0.5, 1, 2), leaf, leaf)
    elif fault == "active":
        tree = (SplitActive(0, 1, 2), leaf, leaf)
    elif fault == "prices":
        tree = (SplitArgument(0, 1, 0.5, 1, 2), leaf, ArmLeaf(np.full(3, 0.4)))
    elif fault == "nan":
        tree = (SplitArgument(0, 1, 0.5, 1, 2), leaf, ArmLeaf(np.full(4, np.nan)))
    trees = ((leaf,), tree) if fault == "few" else ((leaf,), tree, (leaf,))
    node = PerArm(np.array([0.5]), trees)  # type: ignore[arg-type]
    u = np.full(program.lower.shape, program.rows.upper[0] / program.lower.size)
    assert not certify(program, u, Proof((node,))).proven


def test_counts_tie_arms_together() -> None:
    program = replace(_plan(3, 4, 5), at_most=(AtMost("few", (0, 1, 2), 1),))
    assert not falls_apart(program)


def _solved(program: Program, gap: float, seconds: float = np.inf) -> tuple[np.ndarray, float]:
    found = search_prices(program, gap=gap, deadline=work.now() + seconds)
    assert found is not None
    assert found.u is not None
    certificate = certify(program, found.u, found.proof)
    assert certificate.proven
    assert certificate.relative_gap <= gap
    assert program.violation(found.u) <= 1e-8
    return found.u, certificate.upper_bound


@pytest.mark.parametrize("seed", range(4))
def test_no_plan_of_a_grid_beats_two_channels_over_three_periods(seed: int) -> None:
    program = _plan(2, 3, seed)
    u, bound = _solved(program, 1e-4)
    parts = 7
    money = float(program.rows.upper[0])
    best = max(
        program.objective(np.array(each).reshape(2, 3) * money / parts)
        for each in product(range(parts + 1), repeat=6)
        if sum(each) == parts
    )
    assert best <= bound
    assert best <= program.objective(u) * (1.0 + 1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_many_climbs_never_beat_the_answer_by_more_than_its_gap(seed: int) -> None:
    program = _plan(4, 5, seed)
    u, bound = _solved(program, 1e-4)
    rng = np.random.default_rng(seed)
    money = float(program.rows.upper[0])
    for _ in range(12):
        on = rng.random(program.lower.shape) < rng.uniform(0.2, 0.9)
        start = rng.dirichlet(np.ones(u.size)).reshape(u.shape) * (on + 1e-3)
        climbed = ascend(program, start * money / start.sum(), np.zeros(1))
        if climbed is not None:
            other = program.objective(climbed[0])
            assert other <= bound
            assert other <= program.objective(u) * (1.0 + 1e-4)


def test_a_budget_of_the_first_half_has_a_price_of_its_own() -> None:
    program = _plan(8, 4, 1)
    half = np.zeros((8, 4))
    half[:, :2] = 1.0
    most = 0.4 * float(program.rows.upper[0])
    rows = Rows(
        np.vstack((program.rows.matrix, half.ravel())),
        np.append(program.rows.lower, -np.inf),
        np.append(program.rows.upper, most),
        (*program.rows.names, "first half"),
    )
    program = replace(program, rows=rows)
    assert falls_apart(program)
    u, _ = _solved(program, 1e-2)
    assert u[:, :2].sum() <= most * (1.0 + 1e-8)


def test_a_start_is_never_lost() -> None:
    program = _plan(4, 4, 2)
    start, _ = _solved(program, 1e-4)
    found = search_prices(program, gap=1e-4, deadline=work.now(), starts=(start,))
    assert found is not None
    assert found.u is not None
    assert program.objective(found.u) >= program.objective(start)
    assert certify(program, found.u, found.proof).upper_bound >= program.objective(start)


def test_wild_prices_of_a_leaf_that_hardly_matters_cost_nothing() -> None:
    program = _plan(3, 4, 5)
    u = np.full(program.lower.shape, program.rows.upper[0] / program.lower.size)
    calm, wild = ArmLeaf(np.full(4, 0.4)), ArmLeaf(np.array([1e11, 0.4, 0.4, 0.4]))
    split = SplitArgument(0, 0, 1e-9, 1, 2)
    tree = (split, calm, calm)
    plain = PerArm(np.array([0.5]), ((calm,), tree, (calm,)))
    # A leaf so thin that the wild price gains next to nothing, and where spending costs too much.
    top = float(program.adstocked(program.upper)[1, 0])
    dear = SplitArgument(0, 0, top * (1.0 - 1e-15), 1, 2)
    other = PerArm(np.array([0.5]), ((calm,), (dear, calm, wild), (calm,)))
    bounds = [certify(program, u, Proof((node,))).upper_bound for node in (plain, other)]
    assert all(bound >= program.objective(u) for bound in bounds)
    # Rounded by the size of all leaves together, the wild one alone would add a thousandth.
    assert bounds[1] <= bounds[0] * (1.0 + 1e-9)


def test_after_the_deadline_no_leaf_is_relaxed_and_prices_stay_valid() -> None:
    program = _plan(6, 8, 3)
    region = root_region(program)
    assert region is not None
    mu = np.array([0.4])
    nu = np.full(program.weight.shape, 0.4)
    trees = ArmTrees.planted(program, region, mu, nu, deadline=-np.inf)
    trees.relax([leaf for own in trees.leaves for leaf in own])
    assert trees.calls == 0
    late = trees.moved(0.9 * mu, 0.0)
    assert late.calls == 0
    assert late.deadline == trees.deadline
    u = np.full(program.lower.shape, program.rows.upper[0] / program.lower.size)
    node = PerArm(late.mu, tuple(tuple(own) for own in late.nodes))
    checked = certify(program, u, Proof((node,)))
    assert program.objective(u) <= checked.upper_bound < np.inf
    assert checked.upper_bound <= late.bound() * (1.0 + 1e-9)


@pytest.mark.parametrize("size", [1.0, 1e6, 1e14])
def test_what_trees_believe_of_wild_prices_is_what_the_certificate_says(size: float) -> None:
    program = _plan(3, 4, 5)
    region = root_region(program)
    assert region is not None
    rng = np.random.default_rng(1)
    nu = 0.4 * np.ones(program.weight.shape)
    trees = ArmTrees.planted(program, region, np.array([0.5]), nu)
    moved = trees.moved(np.array([0.5]), 0.0)
    for own in moved.leaves:
        for leaf in own:
            leaf.bound = np.inf
            moved._keep([leaf], [size * rng.uniform(0.0, 1.0, 4)], [0.0])
    u = np.full(program.lower.shape, program.rows.upper[0] / program.lower.size)
    node = PerArm(moved.mu, tuple(tuple(own) for own in moved.nodes))
    checked = certify(program, u, Proof((node,)))
    assert checked.upper_bound <= moved.bound() * (1.0 + 1e-6)
