"""Rules that cannot hold together: the fewest of them, by name, and how much they miss by."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from shared.errors import Infeasible
from tests.contract.evaluator import Raw, arms_of, limits, periods_of
from tests.plan.linear import least_miss
from tests.plan.requests import LOT, solved, tangled


def names_in(raw: Raw) -> set[str]:
    nothing = np.zeros((1, len(arms_of(raw)), periods_of(raw)))
    return {name for limit in limits(raw, nothing) for name in limit.names}


def check(raw: Raw) -> bool:
    """Whether the request cannot be met, and every claim about why."""
    missed = least_miss(raw, names_in(raw), LOT)[1]
    try:
        solved(raw)
    except Infeasible as found:
        names = [conflict.name for conflict in found.conflicts]
        assert missed > 1e-6, (raw, names)
        assert set(names) <= names_in(raw)
        rows_give, all_give = least_miss(raw, names, LOT)
        assert all_give > 1e-6, (raw, names)
        for name in names:
            rest = [other for other in names if other != name]
            assert least_miss(raw, rest, LOT)[1] <= 1e-6, (raw, names, name)
        # Two bounds of one arm miss by their distance in one period.
        constant = raw.get("horizon", {}).get("mode") == "constant"
        each = all_give / (1 if constant else periods_of(raw))
        smallest = rows_give if np.isfinite(rows_give) else each
        for conflict in found.conflicts:
            assert conflict.missed_by == pytest.approx(smallest, rel=1e-6, abs=1e-3), (raw, names)
        return True
    assert missed <= 1e-3, (raw, missed)
    return False


def test_the_smallest_conflict_is_minimal_and_misses_by_what_it_says() -> None:
    assert sum(check(tangled(seed)) for seed in range(30)) > 6


@pytest.mark.slow
def test_conflicts_are_minimal_two_thousand_times() -> None:
    for seed in range(1_000, 3_000):
        check(tangled(seed))


def test_a_ceiling_of_nothing_is_part_of_a_conflict_that_needs_it() -> None:
    """Scaled by a ceiling of zero, HiGHS could not see what leaving it out would change."""
    raw = tangled(0)
    plain = {"response": raw["channels"][0]["response"]}
    raw = {
        "channels": [
            {"channel": "a", "max_spend": 0.0, **plain},
            {"channel": "b", **plain},
        ],
        "budget": 5_000.0,
        "constraints": [{"name": "cap", "channels": ["b"], "max_spend": 600.0}],
    }
    with pytest.raises(Infeasible) as found:
        solved(raw)
    assert {c.name for c in found.value.conflicts} == {"a.max_spend", "budget", "cap"}
    assert found.value.conflicts[0].missed_by == pytest.approx(4_400.0)


@pytest.mark.parametrize("hair", [1e-3, 1e-5])
def test_infeasible_by_a_hair_is_named_and_feasible_by_a_hair_is_solved(hair: float) -> None:
    """A group's floor against the rest of the budget: one side too much, then one too little."""
    raw = tangled(0)
    plain = {"response": raw["channels"][0]["response"]}
    raw = {
        "channels": [
            {"channel": "a", "max_spend": 300.0, **plain},
            {"channel": "b", "max_spend": 200.0, **plain},
            {"channel": "c", **plain},
        ],
        "budget": 1_000.0,
        "constraints": [{"name": "floor", "channels": ["a", "b"], "min_share": 0.5}],
    }
    over, under = deepcopy(raw), deepcopy(raw)
    over["constraints"][0]["min_share"] = 0.5 * (1 + hair)
    under["constraints"][0]["min_share"] = 0.5 * (1 - hair)
    with pytest.raises(Infeasible) as found:
        solved(over)
    assert {c.name for c in found.value.conflicts} == {
        "a.max_spend",
        "b.max_spend",
        "budget",
        "floor",
    }
    assert found.value.conflicts[0].missed_by == pytest.approx(500.0 * hair, rel=1e-3)
    assert solved(under)["certificate"]["proven"]


def test_a_budget_that_nothing_may_take_is_named() -> None:
    """Where every ceiling is zero there is none to scale by."""
    raw = tangled(0)
    plain = {"response": raw["channels"][0]["response"]}
    raw = {
        "channels": [{"channel": n, "max_spend": 0.0, **plain} for n in "ab"],
        "constraints": [{"name": "few", "channels": ["a", "b"], "max_active": 2}],
        "budget": 5_000.0,
    }
    with pytest.raises(Infeasible) as found:
        solved(raw)
    assert {c.name for c in found.value.conflicts} == {"a.max_spend", "b.max_spend", "budget"}
    assert found.value.conflicts[0].missed_by == pytest.approx(5_000.0)


def test_a_ceiling_cut_by_one_periods_budget_is_that_budgets() -> None:
    """The channel's own ceiling is the same in every period: where it is lower, budgets say so."""
    assert check(tangled(1308))
