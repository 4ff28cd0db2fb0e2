"""Reach that counts each person once over channels and periods, from the request on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import InvalidInput
from shared.plan.optimize import answer, make_plan
from tests.contract.evaluator import outcomes, plan_of

Raw = dict[str, Any]
N = 10.0


def request(periods: int = 4, **changes: Any) -> Raw:
    curves: list[Raw] = [
        {"family": "exponential", "max_response": 9.0, "rate": 0.1},
        {"family": "hill", "max_response": 6.0, "half_saturation": 5.0, "shape": 1.6},
        {"family": "michaelis_menten", "max_response": 4.0, "half_saturation": 4.0},
    ]
    return {
        "channels": [
            {"channel": name, "current_spend": 4.0, "response": {"saturation": curve}}
            for name, curve in zip("abc", curves, strict=True)
        ],
        "budget": 12.0 * periods,
        "horizon": {"periods": periods},
        "objective": {"goal": "maximize_reach", "population": N},
        "solver": {"gap": 1e-5},
        **changes,
    }


def reached(raw: Raw, plans: np.ndarray) -> np.ndarray:
    """(N,) by the contract's formula; arms one by one from the contract's curves."""
    missed = np.ones(len(plans))
    for a in range(plans.shape[1]):
        alone = deepcopy(raw) | {"channels": [raw["channels"][a]]}
        missed = missed * np.prod(1.0 - outcomes(alone, plans[:, a : a + 1])[0] / N, axis=1)
    return np.asarray(N * (1.0 - missed))


@pytest.mark.parametrize("periods", [1, 2, 4])
def test_the_plan_reaches_most_and_never_more_than_there_are(periods: int) -> None:
    raw = request(periods)
    found = answer(make_plan(problem_of(read_optimize(deepcopy(raw)))))
    total, proof = found["totals"]["outcome"], found["certificate"]
    assert total == pytest.approx(reached(raw, plan_of(found))[0])
    assert proof["objective"] == pytest.approx(total)
    assert total <= proof["upper_bound"] <= N * (1 + 1e-12)
    assert proof["relative_gap"] <= 1e-4
    rng = np.random.default_rng(periods)
    tries = rng.dirichlet(np.full(3 * periods, 0.6), 20_000) * raw["budget"]
    assert reached(raw, tries.reshape(-1, 3, periods)).max() <= proof["upper_bound"] * (1 + 1e-9)
    for row in found["allocation"]:
        each = [p["outcome"] for p in row.get("periods") or [row]]
        assert row["outcome"] == pytest.approx(N * (1.0 - np.prod([1.0 - x / N for x in each])))
        assert row["outcome"] <= total * (1 + 1e-12)
    # Today's, by the same formula.
    now = found["totals"]["current_outcome"]
    assert now == pytest.approx(reached(raw, np.full((1, 3, periods), 4.0))[0])
    assert found["totals"]["uplift"] == pytest.approx(total - now)


def test_prices_and_returns_are_of_people_whom_nothing_else_reaches() -> None:
    raw = request(2)
    found = answer(make_plan(problem_of(read_optimize(deepcopy(raw)))))
    spends, more = plan_of(found), 1e-4
    richer = answer(make_plan(problem_of(read_optimize(request(2, budget=24.0 + 2 * more)))))
    gain = (richer["totals"]["outcome"] - found["totals"]["outcome"]) / (2 * more)
    assert found["shadow_prices"][0]["value"] == pytest.approx(gain, rel=0.02)
    for a, row in enumerate(found["allocation"]):
        up = spends.copy()
        up[0, a] += more * spends[0, a] / max(spends[0, a].sum(), 1e-9)
        slope = (reached(raw, up) - reached(raw, spends))[0] / more
        if row["spend"] > 0.0:
            assert row["marginal_return"] == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"objective": {"goal": "maximize_outcome", "population": N}}, "/objective/population"),
        (
            {"objective": {"goal": "maximize_reach", "population": 8.0}},
            "/channels/0/response/saturation",
        ),
        ({"interactions": [{"channels": ["a", "b"], "strength": 1.0}]}, "/interactions"),
        ({"horizon": {"periods": 4, "mode": "sequential"}}, "/horizon/mode"),
    ],
)
def test_what_does_not_go_with_it_is_told(change: Raw, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        problem_of(read_optimize(request(**change)))
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
