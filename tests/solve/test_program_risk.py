"""Measures of risk on programs: attacks on the bound, grids, enumeration, a linear programme."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from problems import curve, shaken
from programs import BOUNDED, any_tree, climbed, keeps, random_program
from scipy.optimize import linprog
from solving import Solved, read_as, solve_risk

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.saturation import Exponential, Hill, Tabulated
from shared.curves.stack import stack, stack_draws
from shared.errors import Infeasible, InvalidInput
from shared.problem.aim import Aim, Floor
from shared.problem.lower import lower
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program, Rows
from shared.problem.proof import Leaf, Proof
from shared.problem.risk import weights_at
from shared.problem.risk_program import missed, objective, outcomes, relaxed
from shared.solve.certify.certificate import certify
from shared.solve.risk import tidy

RISKS = (
    Risk("cvar", level=0.3),
    Risk("worst_case"),
    Risk("mean_minus_sd", aversion=0.8),
    Risk("quantile", level=0.25),
)
COHERENT = RISKS[:3]
PLAIN = Aim()


def drawn_program(seed: int, count: int = 5) -> tuple[np.random.Generator, Program, np.ndarray]:
    rng = np.random.default_rng(seed)
    program, plan = random_program(rng)
    kinds = BOUNDED if program.pairs else ("hill", "exponential", "s_hill", "logistic")
    curves = [curve(rng, str(rng.choice(kinds))) for _ in range(program.arms)]
    draws = stack_draws([[shaken(rng, c) for _ in range(count)] for c in curves])
    return rng, replace(program, curves=stack(curves), draws=draws, draw_weights=None), plan


def any_weights(
    rng: np.random.Generator, risk: Risk, program: Program, u: np.ndarray
) -> np.ndarray:
    assert program.draws is not None
    count = program.draws.draws
    if program.pairs or rng.random() < 0.2:
        return np.full(count, 1.0 / count)
    if rng.random() < 0.6:
        return tidy(risk, weights_at(risk, outcomes(program, u)))
    return tidy(risk, rng.dirichlet(np.ones(count)))


def attack(seed: int) -> float:
    """No plan met on any way exceeds the bound of any proof; the gap of the best one."""
    rng, program, plan = drawn_program(seed)
    risk = RISKS[seed % 4]
    aim = Aim(value=program.value, cost=program.cost)
    met = [plan, *climbed(rng, program, plan, 8)]
    floors: tuple[Floor, ...] = ()
    theta: tuple[float, ...] = ()
    if rng.random() < 0.4:
        least = float(outcomes(program, plan).mean()) * float(rng.uniform(0.3, 0.9))
        floors = (Floor("target_outcome", least, 0.0, least),)
        theta = (float(rng.lognormal(0, 1)),)
        if rng.random() < 0.5:
            aim = Aim(value=0.0, cost=1.0)
    aim = replace(aim, floors=floors)
    weights = any_weights(rng, risk, program, met[-1])
    task, _ = relaxed(program, aim, theta, risk, weights)
    tree = any_tree(rng, task, met[-1], int(rng.integers(0, 6)))
    proof = replace(tree, weights=weights, theta=theta)
    found = certify(replace(program.aimed(aim), risk=risk), met[-1], proof)
    met += climbed(rng, task, met[-1], 8)
    for each in met:
        assert keeps(program, each)
        if missed(read_as(program, aim, risk), each) == 0.0:
            reached = objective(read_as(program, aim, risk), each)
            assert reached <= found.upper_bound, (seed, risk, reached, found.upper_bound)
    return found.relative_gap


@pytest.mark.parametrize("block", range(2))
def test_no_plan_beats_any_bound(block: int) -> None:
    gaps = [attack(1_000 * block + i) for i in range(30)]
    assert min(gaps) < 0.7  # some of the bounds say something


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_no_plan_beats_any_bound_ten_thousand_times(block: int) -> None:
    for i in range(100):
        attack(1_000_000 + 1_000 * block + i)


def test_forged_weights_prove_nothing() -> None:
    rng, program, plan = drawn_program(11)
    program = replace(program, pairs=())
    tree = any_tree(rng, program, plan, 0)
    for weights in ([0.9, 0.1, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.1], [np.nan] * 5, [0.25] * 4):
        forged = replace(tree, weights=np.array(weights))
        read = replace(program.aimed(PLAIN), risk=Risk("cvar", level=0.4))
        out = certify(read, plan, forged)
        assert out.upper_bound == np.inf
        assert not out.proven
    negative = replace(tree, weights=np.full(5, 0.2), theta=(-1.0,))
    aim = replace(PLAIN, floors=(Floor("target_outcome", 1.0, 0.0, 1.0),))
    read = replace(program.aimed(aim), risk=RISKS[0])
    assert not certify(read, plan, negative).proven


# -- against other methods ------------------------------------------------------------------------


def simple(
    curves: list[list[Exponential]] | list[list[Hill]] | list[list[Tabulated]],
    budget: float,
    upper: float,
    **changes: object,
) -> Program:
    """One period, one budget that is spent, draws by channel."""
    n = len(curves)
    ones, column = np.ones((n, 1, 1)), (n, 1)
    rows = Rows(np.ones((1, n)), np.array([budget]), np.array([budget]), ("budget",))
    base = Program(
        names=tuple(f"c{i}" for i in range(n)),
        lower=np.zeros(column),
        upper=np.full(column, upper),
        least_active=np.zeros(column),
        lower_by=("",) * n,
        upper_by=("",) * n,
        lot=np.zeros(n),
        rows=rows,
        spread=ones,
        carry=ones,
        carry_in=np.zeros(column),
        weight=np.ones(column),
        curves=stack([each[0] for each in curves]),
        draws=stack_draws(curves),
        scale=budget,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def three(kind: str) -> list[list[Exponential]] | list[list[Hill]]:
    rng = np.random.default_rng(5)
    if kind == "concave":
        return [
            [Exponential(t * rng.lognormal(0, 0.4), r * rng.lognormal(0, 0.3)) for _ in range(4)]
            for t, r in ((10.0, 0.3), (8.0, 0.5), (12.0, 0.2))
        ]
    return [
        [Hill(t * rng.lognormal(0, 0.4), h * rng.lognormal(0, 0.2), 2.5) for _ in range(4)]
        for t, h in ((10.0, 3.0), (8.0, 2.0), (12.0, 5.0))
    ]


def grid(program: Program, aim: Aim, risk: Risk, points: np.ndarray) -> float:
    assert program.draws is not None
    best = -np.inf
    for point in points:
        u = point[:, None]
        if missed(read_as(program, aim, risk), u) == 0.0:
            best = max(best, objective(read_as(program, aim, risk), u))
    return best


def on_budget(budget: float, upper: float, steps: int) -> np.ndarray:
    axis = np.linspace(0.0, upper, steps)
    pairs = np.array([(x, y, budget - x - y) for x, y in product(axis, axis)])
    return pairs[(pairs[:, 2] >= 0.0) & (pairs[:, 2] <= upper)]


def run(program: Program, aim: Aim, risk: Risk, gap: float = 1e-6) -> Solved:
    out = solve_risk(program, aim, risk, SolverOptions(gap=gap, time_limit_s=1.5))
    assert out.certificate.proven
    assert out.certificate.objective == pytest.approx(objective(read_as(program, aim, risk), out.u))
    assert out.certificate.objective <= out.certificate.upper_bound
    return out


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
@pytest.mark.parametrize("kind", ["concave", "s_shaped"])
def test_beats_a_grid_under_a_rule_and_a_price_of_money(kind: str, risk: Risk) -> None:
    program = simple(three(kind), 9.0, 6.0, cost=0.2)
    rows = program.rows
    rule = Rows(
        np.concatenate((rows.matrix, [[1.0, 1.0, 0.0]])),
        np.append(rows.lower, -np.inf),
        np.append(rows.upper, 5.0),
        ("budget", "both"),
    )
    program = replace(program, rows=rule)
    aim = Aim(value=1.0, cost=0.2)
    points = on_budget(9.0, 6.0, 21)
    best = grid(program, aim, risk, points[points[:, :2].sum(axis=1) <= 5.0])
    out = run(program, aim, risk, gap=1e-6 if kind == "concave" else 1e-4)
    # A quantile has many local peaks: a grid may meet a slightly better one.
    assert out.certificate.objective >= best * (1 - (1e-3 if risk.measure == "quantile" else 1e-7))
    assert out.certificate.upper_bound >= best
    if kind == "concave" and risk.measure != "quantile":
        assert out.certificate.relative_gap <= 1e-5


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
def test_lots_agree_with_full_enumeration(risk: Risk) -> None:
    program = simple(three("concave"), 9.0, 6.0, lot=np.full(3, 0.5))
    points = on_budget(9.0, 6.0, 13)
    best = grid(program, PLAIN, risk, points)
    out = run(program, PLAIN, risk)
    assert out.certificate.objective <= best * (1 + 1e-9)
    assert out.certificate.objective >= best * (1 - 0.01)
    assert out.certificate.upper_bound >= best


def test_tail_mean_over_two_periods_is_a_linear_programme() -> None:
    """Straight curves, carryover, a ceiling on a pair: Rockafellar and Uryasev's programme."""
    rng = np.random.default_rng(3)
    count, level, decay = 8, 0.25, 0.5
    rates = rng.uniform(0.5, 2.0, (3, count))
    curves = [[Tabulated((0.0, 99.0), (0.0, 99.0 * r)) for r in row] for row in rates]
    base = simple(curves, 6.0, 4.0)
    carry = np.repeat(np.array([[[1.0, 0.0], [decay, 1.0]]]), 3, axis=0)
    matrix = np.array([np.ones(6), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    program = replace(
        base,
        lower=np.zeros((3, 2)),
        upper=np.full((3, 2), 4.0),
        least_active=np.zeros((3, 2)),
        spread=np.repeat(np.eye(2)[None], 3, axis=0),
        carry=carry,
        carry_in=np.zeros((3, 2)),
        weight=np.ones((3, 2)),
        rows=Rows(matrix, np.array([6.0, -np.inf]), np.array([6.0, 2.5]), ("budget", "rule")),
    )
    gains = np.stack(
        [np.repeat(rates[:, s], 2) * np.tile([1.0 + decay, 1.0], 3) for s in range(count)]
    )
    cost = np.concatenate((np.zeros(6), [-1.0], np.full(count, 1 / (level * count))))
    tails = np.column_stack((-gains, np.ones(count), -np.eye(count)))
    rule = np.concatenate((matrix[1], np.zeros(count + 1)))[None, :]
    total = np.concatenate((np.ones(6), np.zeros(count + 1)))[None, :]
    bounds = [(0, 4)] * 6 + [(None, None)] + [(0, None)] * count
    limits = np.append(np.zeros(count), 2.5)
    exact = linprog(cost, np.concatenate((tails, rule)), limits, total, [6.0], bounds)
    out = run(program, PLAIN, Risk("cvar", level=level))
    assert out.certificate.objective == pytest.approx(-exact.fun, rel=1e-6)
    assert out.certificate.upper_bound == pytest.approx(-exact.fun, rel=2e-3)


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
def test_least_spend_reaches_its_target_in_the_measure(risk: Risk) -> None:
    program = simple(three("concave"), 9.0, 6.0, value=0.0, cost=1.0)
    free = Rows(program.rows.matrix, np.array([-np.inf]), np.array([15.0]), ("budget",))
    program = replace(program, rows=free)
    aim = Aim("minimize_spend", 0.0, 1.0, (Floor("target_outcome", 10.0, 0.0, 10.0),))
    axis = np.linspace(0.0, 6.0, 13)
    best = grid(program, aim, risk, np.array(list(product(axis, axis, axis))))
    out = run(program, aim, risk)
    assert missed(read_as(program, aim, risk), out.u) <= 1e-8
    assert out.certificate.objective >= best * (1 + 1e-7)
    assert out.certificate.upper_bound >= best
    if risk.measure != "quantile":
        assert out.certificate.relative_gap <= 1e-3


def test_an_efficiency_target_holds_in_expectation() -> None:
    program = simple(three("concave"), 15.0, 6.0)
    free = Rows(program.rows.matrix, np.array([-np.inf]), np.array([15.0]), ("budget",))
    program = replace(program, rows=free)
    aim = replace(PLAIN, floors=(Floor("target_roas", 0.0, 2.2, 2.2),))
    axis = np.linspace(0.0, 6.0, 13)
    best = grid(program, aim, RISKS[0], np.array(list(product(axis, axis, axis))))
    out = run(program, aim, RISKS[0])
    each, spent = outcomes(program, out.u), float(out.u.sum())
    assert float(each.mean()) >= 2.2 * spent * (1 - 1e-8)
    assert out.certificate.objective >= best * (1 - 1e-7)
    assert out.certificate.relative_gap <= 2e-2


def test_a_target_out_of_the_measures_reach_is_named() -> None:
    program = simple(three("concave"), 9.0, 6.0, value=0.0, cost=1.0)
    aim = Aim("minimize_spend", 0.0, 1.0, (Floor("target_outcome", 90.0, 0.0, 90.0),))
    with pytest.raises(Infeasible, match="worst_case") as refused:
        solve_risk(program, aim, Risk("worst_case"), SolverOptions(time_limit_s=2.0))
    assert refused.value.conflicts[0].name == "target_outcome"


def test_without_draws_there_is_nothing_to_weigh() -> None:
    program = replace(simple(three("concave"), 9.0, 6.0), draws=None)
    with pytest.raises(InvalidInput, match="draws"):
        solve_risk(program, PLAIN, RISKS[0], SolverOptions())


@pytest.mark.parametrize("kind", ["cvar", "worst_case", "mean_minus_sd"])
@pytest.mark.parametrize("seed", range(4))
def test_any_weights_bound_a_measure_beside_targets_of_some_channels(kind: str, seed: int) -> None:
    """Each arm's draws weigh as the measure and the targets read them."""
    rng = np.random.default_rng(seed)
    channels = []
    for name in "abc":
        curve = {"family": "exponential", "max_response": 90.0, "rate": 0.05}
        draws = [{"max_response": float(90 * rng.lognormal(0, 0.6)), "rate": 0.05} for _ in "12345"]
        response = {"saturation": curve, "draws": draws}
        channels.append({"channel": name, "response": response, "current_spend": 20.0})
    rules = [{"name": "g", "channels": ["a"], "min_outcome": 50.0}]
    rules.append({"name": "h", "channels": ["b", "c"], "max_cpa": 0.6})
    more = {"level": 0.4} if kind == "cvar" else {}
    raw = {"channels": channels, "constraints": rules, "risk": {"measure": kind, **more}}
    program = lower(problem_of(read_optimize({**raw, "budget": 60.0})))
    assert program.risk is not None
    plans = [60.0 * rng.dirichlet(np.ones(3))[:, None] for _ in range(400)]
    kept = [u for u in plans if missed(program, u) == 0.0]
    assert 20 < len(kept) < 400
    best = max(objective(program, u) for u in kept)
    for _ in range(5):
        weights = tidy(program.risk, np.maximum(rng.dirichlet(np.ones(5)), 0.0))
        theta = tuple(rng.uniform(0.0, 2.0, size=2).tolist())
        leaf = Leaf(rng.normal(size=1) * 2.0, rng.normal(size=program.weight.shape))
        found = certify(program, kept[0], Proof((leaf,), weights=weights, theta=theta))
        assert found.upper_bound >= best * (1.0 - 1e-12)
