"""Every search by name over HTTP: named in the certificate, allowed, and the same again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.api.answers import OptimizeAnswer
from shared.solve.heuristics.heuristic import BY_NAME
from tests.api.samples import optimize_request
from tests.app.client import Client


@pytest.mark.parametrize("method", BY_NAME)
def test_a_method_by_name(api: Client, method: str) -> None:
    raw: dict[str, Any] = optimize_request(solver={"method": method, "seed": 3, "time_limit_s": 60})
    answers = [api.post("optimize", raw) for _ in range(2)]
    assert answers[0].status == 200, answers[0].body
    found = OptimizeAnswer.model_validate_json(answers[0].body)
    assert found.certificate.method == method
    assert found.certificate.proven
    assert found.certificate.upper_bound is not None
    assert found.certificate.objective <= found.certificate.upper_bound
    assert found.certificate.max_constraint_violation <= 1e-9
    # To the cent, within the bounds of the request, and never worse than today's plan.
    assert sum(row.spend for row in found.allocation) == pytest.approx(60000, abs=0.005)
    assert 10000 - 0.01 <= found.allocation[1].spend <= 30000 + 0.01
    assert found.totals.current_outcome is not None
    assert found.certificate.objective >= found.totals.current_outcome
    assert (found.status == "optimal") == (found.certificate.relative_gap <= 1e-6)

    def timeless(body: Any) -> str:
        del body["request_id"], body["certificate"]["solve_ms"]
        return json.dumps(body)

    assert timeless(answers[0].json) == timeless(answers[1].json)


@pytest.mark.parametrize("method", ["gradient", "piecewise"])
def test_a_method_by_name_under_a_rule(api: Client, method: str) -> None:
    rule = {"name": "both", "channels": ["tv", "search"], "min_spend": 30000}
    raw = optimize_request(constraints=[rule], solver={"method": method})
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    found = OptimizeAnswer.model_validate_json(answer.body)
    assert found.certificate.method == method
    assert found.certificate.proven
    assert found.certificate.max_constraint_violation <= 1e-9
    assert sum(row.spend for row in found.allocation) == pytest.approx(60000, abs=0.005)
