"""A test is designed, run, pasted into the spec and fitted: the loop that the contract promises."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.fit.pipeline import fit_history
from shared.history.spec import LiftTest
from shared.history.table import History
from shared.plan.experiment import AskedTest, experiment
from tests.fit.histories import table, weekly_dates
from tests.fit.test_lift_tests import media

Floats = NDArray[np.float64]
ROWS, MORE = 90, 40
SPEC: dict[str, Any] = {"model": {"saturation": "michaelis_menten"}, "outcome_unit": "money"}


def test_a_designed_test_is_pasted_and_narrows_the_return_to_the_truth() -> None:
    rng = np.random.default_rng(2)
    # Spend that hardly varies: what it brings is not in the rows.
    spend = np.array([6000.0, 4000.0]) * np.exp(0.06 * rng.standard_normal((ROWS + MORE, 2)))
    noise = 400.0 * rng.standard_normal(ROWS + MORE)

    def outcome(of: Floats) -> Floats:
        return 30_000.0 + media(of[:, 0], 7200.0, 33_000.0) + media(of[:, 1], 5e3, 6e3) + noise

    def history(of: Floats, rows: int) -> History:
        return table(outcome(of)[:rows], of[:rows], dates=weekly_dates(rows))

    before = history(spend, ROWS)
    curves = fit_history(before, SPEC, draws=60).curve_set
    now = {curve.channel: curve.observed_spend.last for curve in curves.channels}
    base = {
        "dataset": "brand",
        "budget": sum(now.values()),
        "channels": [{"channel": name, "current_spend": spent} for name, spent in now.items()],
    }
    start = before.dates[-1] + timedelta(weeks=16)
    asked = AskedTest(curves.diagnostics["noise"]["scale"], channels=("a",), start=start)
    (design,) = experiment(problem_of(read_optimize(base), curves), asked)["designs"]
    test = design["lift_test"]
    assert set(test) == set(LiftTest.model_fields)

    length, changed = design["periods"], design["periods"] + design["wash_in_periods"]
    row = weekly_dates(ROWS + MORE).index(start)
    assert test["end"] == (start + timedelta(7 * changed - 1)).isoformat()
    run = spend.copy()
    run[row - length : row, 0] = design["current_spend"]
    run[row : row + changed, 0] = design["test_spend"]
    seen = outcome(run)
    block = float(seen[row - length : row].sum())
    test["outcome_change"] = float(seen[row : row + changed].sum()) - changed / length * block
    LiftTest.model_validate(test)
    assert test["spend_change"] == pytest.approx(changed * design["spend_change_per_period"])

    # What the recipe measures is what the changed spend brought, to the error that it promised.
    kept = run.copy()
    kept[row : row + changed, 0] = design["current_spend"]
    brought = media(run[:, 0], 7200.0, 33_000.0) - media(kept[:, 0], 7200.0, 33_000.0)
    off = test["outcome_change"] - float(brought[row : row + changed].sum())
    assert abs(off) < 2.5 * test["standard_error"]

    after = history(run, row + changed)
    true = float(media(run[:, 0], 7200.0, 33_000.0)[: row + changed].sum())
    true /= float(run[: row + changed, 0].sum())
    free = curves.channels[0].roi
    found = fit_history(after, {**SPEC, "lift_tests": [test]}, draws=60).curve_set
    told = found.channels[0].roi
    (read,) = found.diagnostics["lift_tests"]
    assert (read["used"], read["doubts"], read["periods"]) == (True, [], changed)
    assert free is not None
    assert told is not None
    assert free.interval is not None
    assert told.interval is not None
    assert told.interval[0] < true < told.interval[1]
    assert np.diff(np.log(told.interval)) < 0.8 * np.diff(np.log(free.interval))
