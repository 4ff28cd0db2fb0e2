"""Scenarios: each equals the same problem solved on its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.errors import Infeasible
from shared.plan.evaluate import evaluate
from shared.plan.optimize import make_plan
from shared.plan.scenarios import Variant, compare
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten


def test_a_scenario_is_what_a_separate_solve_gives() -> None:
    base = s_shaped_with_draws()
    more = replace(base, budget=130.0)
    (scenario,) = compare(base, [Variant("more", more)])["scenarios"]
    alone, reference = make_plan(more), make_plan(base)
    assert scenario["totals"]["outcome"] == pytest.approx(alone.best.total, rel=1e-6)
    assert scenario["difference"]["outcome"] == pytest.approx(
        alone.best.total - reference.best.total, rel=1e-4
    )
    assert scenario["difference"]["spend"] == pytest.approx(30.0)
    by_channel = [row["outcome"] for row in scenario["difference"]["channels"]]
    assert sum(by_channel) == pytest.approx(scenario["difference"]["outcome"])


def test_a_lost_channel_counts_as_nothing_in_the_difference() -> None:
    base = two_michaelis_menten()
    lost = replace(base, channels=base.channels[:1])
    (scenario,) = compare(base, [Variant("without search", lost)])["scenarios"]
    rows = {row["channel"]: row for row in scenario["difference"]["channels"]}
    search = make_plan(base).best.spend[1, 0]
    assert rows["search"]["spend"] == pytest.approx(-search)
    assert rows["tv"]["spend"] == pytest.approx(search)


def test_a_callers_mix_is_scored_like_evaluate() -> None:
    base = two_michaelis_menten()
    mix = {"tv": 50.0, "search": 50.0}
    (scenario,) = compare(base, [Variant("half and half", base, mix)])["scenarios"]
    scored = evaluate(base, mix)
    assert scenario["status"] == "scored"
    assert scenario["totals"]["outcome"] == pytest.approx(scored["totals"]["outcome"])
    assert scenario["regret"] == pytest.approx(scored["regret"])


def test_an_infeasible_scenario_does_not_spoil_the_others() -> None:
    base = two_michaelis_menten()
    broken = replace(base, channels=tuple(replace(c, max_spend=10.0) for c in base.channels))
    bad, good = compare(base, [Variant("bad", broken), Variant("good", base)])["scenarios"]
    assert bad["status"] == "infeasible"
    assert {c["name"] for c in bad["conflicts"]} == {"tv.max_spend", "search.max_spend", "budget"}
    assert good["status"] == "optimal"
    assert good["difference"]["outcome"] == pytest.approx(0.0, abs=1e-9)


def test_an_infeasible_base_is_an_error() -> None:
    base = two_michaelis_menten()
    broken = replace(base, channels=tuple(replace(c, max_spend=10.0) for c in base.channels))
    with pytest.raises(Infeasible):
        compare(broken, [])


def test_a_sweep_is_each_budget_solved_and_its_slope() -> None:
    budgets = [50.0, 80.0, 100.0, 150.0]
    swept = compare(two_michaelis_menten(), [], budgets)["sweep"]
    alone = [make_plan(two_michaelis_menten(b)).best.total for b in budgets]
    assert [point["outcome"] for point in swept] == pytest.approx(alone, rel=1e-9)
    marginal = [point["marginal_return"] for point in swept]
    assert np.all(np.diff(marginal) < 0)
    step = 1e-3
    slope = (make_plan(two_michaelis_menten(80.0 + step)).best.total - alone[1]) / step
    assert marginal[1] == pytest.approx(slope, rel=1e-4)
