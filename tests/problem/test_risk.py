"""Measures over draws against their definitions, and their weights against their sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.curves.saturation import Exponential, Tabulated
from shared.curves.stack import DrawStack, stack, stack_draws
from shared.errors import InvalidInput
from shared.problem.model import Risk
from shared.problem.risk import (
    admissible,
    measure,
    weights_at,
)
from shared.problem.risk_program import check_program_risk
from shared.solve.one_budget.form import OneBudget, one_budget

COHERENT = (
    Risk("expected"),
    Risk("cvar", level=0.1),
    Risk("cvar", level=0.37),
    Risk("cvar", level=0.01),
    Risk("worst_case"),
    Risk("mean_minus_sd", aversion=0.5),
    Risk("mean_minus_sd", aversion=2.0),
)
OUTCOMES = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30).map(np.array)


def task() -> OneBudget:
    draws = [
        [Exponential(top, 0.5) for top in (1.0, 2.0, 4.0)],
        [Tabulated((0.0, 1.0, 3.0), (0.0, top, 2 * top)) for top in (1.0, 0.5, 3.0)],
    ]
    return OneBudget(
        names=("a", "b"),
        curves=stack([d[0] for d in draws]),
        draws=stack_draws(draws),
        current=np.full(2, np.nan),
        lower=np.zeros(2),
        upper=np.full(2, 3.0),
        lower_by=("", ""),
        upper_by=("budget", "budget"),
        budget=3.0,
        spend_all=True,
    )


def test_measures_are_what_they_are_called() -> None:
    outcomes = np.arange(1.0, 21.0)
    assert measure(Risk("expected"), outcomes) == 10.5
    assert measure(Risk("worst_case"), outcomes) == 1.0
    assert measure(Risk("cvar", level=0.1), outcomes) == pytest.approx(1.5)
    assert measure(Risk("cvar", level=0.125), outcomes) == pytest.approx((1 + 2 + 3 / 2) / 2.5)
    assert measure(Risk("quantile", level=0.5), outcomes) == 10.5
    sd = np.sqrt(((outcomes - 10.5) ** 2).mean())
    assert measure(Risk("mean_minus_sd", aversion=2.0), outcomes) == pytest.approx(10.5 - 2 * sd)


@pytest.mark.parametrize("risk", COHERENT, ids=str)
@given(outcomes=OUTCOMES, other=st.integers(0, 10_000))
def test_weights_attain_the_measure_and_bound_it_elsewhere(
    risk: Risk, outcomes: np.ndarray, other: int
) -> None:
    weights = weights_at(risk, outcomes)
    size = max(float(outcomes.max()), 1.0)
    assert admissible(risk, weights, outcomes.size)
    assert weights @ outcomes == pytest.approx(measure(risk, outcomes), abs=1e-6 * size)
    elsewhere = np.random.default_rng(other).uniform(0.0, size, outcomes.size)
    assert measure(risk, elsewhere) <= weights @ elsewhere + 1e-9 * size


def test_weights_outside_the_set_are_refused() -> None:
    tail = Risk("cvar", level=0.5)
    assert admissible(tail, np.array([0.5, 0.5, 0.0, 0.0]), 4)
    for bad in ([0.6, 0.4, 0.0, 0.0], [0.5, 0.4, 0.0, 0.0], [0.5, 0.6, -0.1, 0.0], [1.0, 0.0]):
        assert not admissible(tail, np.array(bad), 4)
    assert not admissible(Risk("mean_minus_sd", aversion=1.0), np.array([1.5, -0.5]), 2)
    assert not admissible(Risk("expected"), np.array([0.6, 0.4]), 2)


def test_a_reweighted_mean_is_the_weighted_sum() -> None:
    weights = np.array([0.2, 0.0, 0.8])
    spend = np.array([1.3, 1.7])
    given_draws = task().draws
    assert given_draws is not None
    each = given_draws.value(spend)
    draws = given_draws.weighed(weights)
    assert draws.draws == 2
    np.testing.assert_allclose(draws.mean_value(spend), weights @ each, rtol=1e-14)
    np.testing.assert_allclose(given_draws.one(2).value(spend), each[2], rtol=1e-14)


def test_scaled_curves_and_draws_are_those_of_scaled_spend() -> None:
    by, spend = np.array([0.5, 2.0]), np.array([1.3, 0.7])
    known = task()
    assert known.draws is not None
    np.testing.assert_allclose(
        known.curves.scaled(by).value(spend), known.curves.value(by * spend), rtol=1e-14
    )
    np.testing.assert_allclose(
        known.draws.scaled(by).value(spend), known.draws.value(by * spend), rtol=1e-14
    )


def test_one_budget_is_the_same_in_either_form() -> None:
    back = one_budget(task().program())
    assert back is not None
    assert (back.budget, back.spend_all, back.names) == (3.0, True, ("a", "b"))
    spend = np.array([1.2, 1.8])
    assert isinstance(back.draws, DrawStack)
    known = task().draws
    assert known is not None
    np.testing.assert_array_equal(back.draws.value(spend), known.value(spend))


@pytest.mark.parametrize(
    ("risk", "pointer"),
    [
        (Risk("variance"), "/risk/measure"),
        (Risk("cvar", level=1.0), "/risk/level"),
        (Risk("mean_minus_sd", aversion=-1.0), "/risk/aversion"),
    ],
)
def test_faults_are_located(risk: Risk, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_program_risk(task().program(), risk)
    assert refused.value.faults[0].pointer == pointer


def test_no_draws_is_a_fault() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_program_risk(replace(task().program(), draws=None), Risk("cvar"))
    assert refused.value.faults[0].code == "no_draws"
