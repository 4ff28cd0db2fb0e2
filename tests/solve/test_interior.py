"""The interior point: closed forms, a second method, and bounds that close."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import adstock_plan, bound, grouped, program, random_program, rows
from problems import ALL, CONCAVE, random_problem, solve
from scipy.optimize import minimize

from shared.curves.saturation import Exponential, Power
from shared.curves.stack import stack
from shared.problem.model import SolverOptions
from shared.problem.program import Program, Rows
from shared.problem.proof import Leaf, Proof
from shared.problem.region import root_region
from shared.solve.certify.certificate import certify
from shared.solve.engines.envelopes import Enveloper, ProgramBox, program_box
from shared.solve.engines.interior import relax_program
from shared.solve.engines.relaxation import RelaxedProgram, relax_by_lines, scale_program


def relaxed(p: Program, **options: object) -> RelaxedProgram:
    return relax_program(p, program_box(p), **options)  # type: ignore[arg-type]


def test_two_powers_share_a_budget_in_closed_form() -> None:
    """sqrt: spend goes with the square of the coefficient; the budget's price is its slope."""
    p = program(
        [Power(3.0, 0.5), Power(4.0, 0.5)], [[0.0], [0.0]], [[25.0], [25.0]], rows([[1, 1]], 25, 25)
    )
    found = relaxed(p)
    assert found.status == "optimal"
    assert found.u.ravel() == pytest.approx([9.0, 16.0], rel=1e-4)
    assert found.value == pytest.approx(25.0, rel=1e-9)
    assert found.mu[0] == pytest.approx(0.5, rel=1e-5)
    assert found.nu.ravel() == pytest.approx([0.5, 0.5], rel=1e-5)


def test_profit_with_a_free_budget_spends_until_the_slope_is_the_cost() -> None:
    p = program([Exponential(10.0, 1.0)], [[0.0]], [[1e6]], rows(width=1), value=2.0, cost=1.0)
    found = relaxed(p)
    assert found.status == "optimal"
    assert found.u[0, 0] == pytest.approx(np.log(20.0), rel=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_one_budget_agrees_with_the_dual(seed: int) -> None:
    rng = np.random.default_rng(seed)
    task = random_problem(rng, 8, CONCAVE)
    exact = solve(task, SolverOptions(gap=1e-10))
    p = Program(
        names=task.names,
        lower=task.lower[:, None],
        upper=task.upper[:, None],
        least_active=np.zeros((8, 1)),
        lower_by=task.lower_by,
        upper_by=task.upper_by,
        lot=np.zeros(8),
        rows=rows([np.ones(8)], task.budget, task.budget),
        spread=np.ones((8, 1, 1)),
        carry=np.ones((8, 1, 1)),
        carry_in=np.zeros((8, 1)),
        weight=np.ones((8, 1)),
        curves=task.curves,
    )
    found = relaxed(p)
    best = p.objective(exact.spend[:, None])
    assert found.status == "optimal"
    assert found.value == pytest.approx(best, rel=1e-8)
    assert found.bound >= best * (1 - 1e-12)
    inside = (exact.spend > 1e-6) & (exact.spend < task.upper - 1e-6)
    assert found.mu[0] == pytest.approx(task.marginal(exact.spend)[inside].max(), rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kinds", [CONCAVE, ALL])
def test_the_bound_of_the_multipliers_closes(seed: int, kinds: tuple[str, ...]) -> None:
    """Recomputed on a grid, hence from below: it must not be above what was promised."""
    rng = np.random.default_rng(seed)
    for p in (grouped(rng, 12, kinds), adstock_plan(rng, 3, 5, kinds)):
        found = relaxed(p)
        assert found.status == "optimal"
        assert p.violation(found.u) < 1e-9
        grid = bound(p, program_box(p), found.mu, found.nu, 400)
        assert grid <= found.bound + 1e-9 * abs(found.bound)
        assert p.objective(found.u) <= found.bound * (1 + 1e-12)
        if kinds is CONCAVE:
            assert p.objective(found.u) == pytest.approx(found.bound, rel=2e-9)


@pytest.mark.parametrize("decades", [0.0, 9.0])
@pytest.mark.parametrize("periods", [1, 4])
@pytest.mark.parametrize("seed", range(6))
def test_random_rows_twins_fixed_decisions_and_nine_decades(
    seed: int, periods: int, decades: float
) -> None:
    rng = np.random.default_rng(seed)
    p = random_program(rng, 6, periods, ALL if seed % 2 else CONCAVE, decades)
    found = relaxed(p)
    assert found.status == "optimal"
    assert p.violation(found.u) <= 1e-8 * max(1.0, float(np.abs(found.u).max()))
    assert found.value <= found.bound + 1e-9 * abs(found.bound)
    assert found.bound - found.value <= 1e-9 * abs(found.bound)
    if seed % 2 == 0:
        assert p.objective(found.u) == pytest.approx(found.bound, rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_linear_programs_find_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = random_program(rng, 5, 3, ALL if seed % 2 else CONCAVE)
    found = relaxed(p)
    scaled = scale_program(p, Enveloper(p).envelope(program_box(p).tightened(p)))
    other = relax_by_lines(scaled)
    assert other.bound == pytest.approx(found.bound, rel=3e-6)
    assert other.bound >= found.value * (1 - 1e-7)
    grid = bound(p, program_box(p), other.mu, other.nu, 400)
    assert found.value * (1 - 1e-4) <= grid <= found.value * (1 + 1e-4)


THREE = [Exponential(1, 1), Exponential(2, 1), Exponential(1.5, 0.5)]
LOW, HIGH = [[0.5], [0.5], [0.1]], [[3.0], [3.0], [3.0]]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (rows([[1, 1, 0], [1, 1, 1]], [-np.inf, 2], [1, 2]), [0.5, 0.5, 1.0]),
        (rows([[1, 1, 1]], 1.1, 1.1), [0.5, 0.5, 0.1]),
        (rows([[1, 1, 1]], -np.inf, 1.1), [0.5, 0.5, 0.1]),
        (rows([[1, 0, 0], [-1, 0, 0], [1, 1, 1]], [-np.inf, -0.5, 9], [0.5, np.inf, 9]), None),
    ],
)
def test_regions_without_an_interior(limits: Rows, expected: list[float] | None) -> None:
    p = program(THREE, LOW, HIGH, limits)
    found = relaxed(p)
    if expected is None:  # 0.5 and 3 and 3 are all there is
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    assert found.u.ravel() == pytest.approx(expected, abs=1e-6)
    truth = p.objective(np.array(expected)[:, None])
    assert found.bound == pytest.approx(truth, rel=1e-6)
    assert bound(p, program_box(p), found.mu, found.nu, 400) == pytest.approx(truth, rel=1e-5)


@pytest.mark.parametrize(
    "limits",
    [
        rows([[1, 1, 1]], 0.5, 1.0999),
        rows([[1, 1, 1]], 9.001, np.inf),
        rows([[1, 1, 0], [0, 0, 1], [1, 1, 1]], [-np.inf, -np.inf, 4], [2, 1.9, 5]),
        rows([[1, -1, 0], [1, 1, 0], [0, 1, 0]], [0, 4, -np.inf], [0, 4, 1.9]),
    ],
)
def test_the_multipliers_prove_that_there_is_no_plan(limits: Rows) -> None:
    """Their bound is below anything the box allows."""
    p = program(THREE, LOW, HIGH, limits)
    found = relaxed(p)
    assert found.status == "infeasible"
    least = p.objective(np.array(LOW))
    assert bound(p, program_box(p), found.mu, found.nu, 400) < least
    assert found.bound < least


def test_everything_fixed() -> None:
    p = program(THREE, np.ones((3, 1)), np.ones((3, 1)), rows([[1, 1, 1]], 3, 3))
    assert relaxed(p).bound == pytest.approx(p.objective(np.ones((3, 1))), rel=1e-12)
    wrong = program(THREE, np.ones((3, 1)), np.ones((3, 1)), rows([[1, 1, 1]], 3.1, 3.3))
    assert relaxed(wrong).status == "infeasible"


def test_least_spend_is_a_linear_program() -> None:
    p = program(
        THREE, np.zeros((3, 1)), np.ones((3, 1)), rows([[1, 1, 1]], 1.5, 3), value=0.0, cost=1.0
    )
    found = relaxed(p)
    assert found.value == pytest.approx(-1.5, rel=1e-8)
    assert found.mu[0] == pytest.approx(-1.0, rel=1e-6)


def test_a_cutoff_ends_the_search_early() -> None:
    p = adstock_plan(np.random.default_rng(0), 3, 5)
    full = relaxed(p)
    cut = relaxed(p, cutoff=full.bound + 0.2 * abs(full.bound))
    assert cut.status == "cut off"
    assert full.bound <= cut.bound <= full.bound * 1.2 + 1e-12
    assert cut.iterations < full.iterations


@pytest.mark.parametrize("seed", range(5))
def test_cuts_of_adstocked_spend_need_no_linear_program(seed: int) -> None:
    """The first guess lies outside a cut; both sides' bounds are still below the whole's."""
    rng = np.random.default_rng(seed)
    p = adstock_plan(rng, 9, 12, ("s_hill", "sigmoid", "hill"))
    box = program_box(p)
    source = Enveloper(p)
    whole = relax_program(p, box, enveloper=source)
    torn = source.envelope(box).at(whole.z) - p.response(whole.z)
    arm, period = np.unravel_index(np.argmax(torn), torn.shape)
    at = float(whole.z[arm, period])
    for part in (
        box.with_argument(int(arm), int(period), upper=at),
        box.with_argument(int(arm), int(period), lower=at),
    ):
        found = relax_program(p, part, enveloper=source)
        fresh = relax_program(p, part)
        assert found.status == "optimal"
        assert 3 < found.iterations < 40
        assert found.bound - found.value <= 1e-9 * found.bound
        assert found.bound <= whole.bound * (1 + 1e-9)
        assert fresh.bound == pytest.approx(found.bound, rel=1e-12)
        assert part.z_lower[arm, period] - 1e-9 <= found.z[arm, period]
        assert found.z[arm, period] <= part.z_upper[arm, period] + 1e-9


@pytest.mark.parametrize("periods", [4, 30])
def test_limits_from_period_to_period_stay_inside_an_arm(periods: int) -> None:
    """The blocks take them in; SLSQP agrees where it is small enough for that."""
    rng = np.random.default_rng(periods)
    p = adstock_plan(rng, 2, periods)
    change, size = 0.2, p.lower.size
    limits = [p.rows.matrix[0]]
    for arm in range(2):
        for t in range(1, periods):
            for factor in (1 + change, 1 - change):
                row = np.zeros((2, periods))
                row[arm, t], row[arm, t - 1] = 1.0, -factor
                limits.append(row.ravel() * (1 if factor > 1 else -1))
    top = np.zeros(len(limits))
    top[0] = p.rows.upper[0]
    low = np.full(len(limits), -np.inf)
    low[0] = top[0]
    p = replace(p, rows=rows(np.array(limits), low, top))
    found = relaxed(p)
    assert found.status == "optimal"
    assert p.violation(found.u) < 1e-9
    proof = Proof((Leaf(found.mu, found.nu),))
    assert certify(p, found.u, proof).relative_gap < 2e-9
    if periods > 4:
        return
    other = minimize(
        lambda u: -p.objective(u.reshape(p.lower.shape)),
        np.full(size, top[0] / size),
        jac=lambda u: -p.gradient(u.reshape(p.lower.shape)).ravel(),
        bounds=list(zip(p.lower.ravel(), p.upper.ravel(), strict=True)),
        constraints=[
            {"type": "eq", "fun": lambda u: u.sum() - top[0]},
            {"type": "ineq", "fun": lambda u: -p.rows.matrix[1:] @ u},
        ],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert -other.fun <= found.bound * (1 + 1e-7)
    assert -other.fun == pytest.approx(found.value, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("draws", [0, 12])
def test_the_certificate_agrees(seed: int, draws: int) -> None:
    """Recomputed with everything rounded outward, on the region that it derives itself."""
    rng = np.random.default_rng(seed)
    for p in (
        adstock_plan(rng, 3, 4, CONCAVE, draws=draws),
        adstock_plan(rng, 3, 4, ALL, draws=draws),
        random_program(rng, 5, 3, CONCAVE, 6.0),
    ):
        region = root_region(p)
        assert region is not None
        box = ProgramBox(region.u_lower, region.u_upper, region.z_lower, region.z_upper)
        found = relax_program(p, box)
        proof = Proof((Leaf(found.mu, found.nu),))
        shown = certify(p, found.u, proof)
        assert shown.upper_bound >= shown.objective
        assert shown.upper_bound == pytest.approx(found.bound, rel=1e-6 if draws else 1e-8)
        concave = not (p.draws is not None or np.any(p.curves.inflection() > 0))
        if concave and not p.curves.tables:
            assert shown.relative_gap < 1e-8


@pytest.mark.parametrize("seed", range(4))
def test_draws_weighed_unevenly(seed: int) -> None:
    """One draw that has all the weight is that curve alone."""
    rng = np.random.default_rng(seed)
    p = adstock_plan(rng, 3, 3, ("exponential", "hill", "s_hill"), draws=4)
    assert p.draws is not None
    weighed = replace(p, draw_weights=np.array([0.0, 1.0, 0.0, 0.0]))
    alone = [p.draws.column(i) for i in range(3)]
    curves = [
        type(c)(**{k: float(np.asarray(v)[1]) for k, v in c.parameters().items()}) for c in alone
    ]
    single = replace(p, draws=None, curves=stack(curves))
    assert relaxed(weighed).bound == pytest.approx(relaxed(single).bound, rel=1e-6)


def test_past_the_deadline_there_is_still_a_bound() -> None:
    p = adstock_plan(np.random.default_rng(2), 3, 6)
    best = relaxed(p).value
    late = relaxed(p, deadline=0.0)
    assert late.status == "stopped"
    assert late.iterations == 0
    assert late.bound >= best
    scaled = scale_program(p, Enveloper(p).envelope(program_box(p)))
    lines = relax_by_lines(scaled, deadline=0.0)
    assert lines.iterations == 1
    assert lines.bound >= best * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_thin_boxes_deep_in_a_search_need_no_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = adstock_plan(rng, 4, 6, ("s_hill", "sigmoid", "hill"))
    source, box = Enveloper(p), program_box(p)
    for _ in range(20):
        found = relax_program(p, box, enveloper=source, gap=1e-7, patient=False)
        assert found.status in ("optimal", "infeasible")
        if found.status == "infeasible":
            box = program_box(p)
            continue
        arm, at = int(rng.integers(4)), int(rng.integers(6))
        z = float(np.clip(found.z[arm, at], box.z_lower[arm, at], box.z_upper[arm, at]))
        above = rng.random() < 0.5
        box = box.with_argument(
            arm, at, lower=z if above else None, upper=None if above else z
        ).tightened(p)
        if box.empty:
            box = program_box(p)
