"""Plans on curves with an intercept and at prices that rise with spend, from the request on."""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.curveset import Response
from shared.errors import Infeasible, InvalidInput, NotSupportedYet
from shared.plan.optimize import answer, make_plan
from shared.plan.sensitivity import sensitivity
from shared.problem.arms import sustained
from tests.api.samples import stored_curves
from tests.contract.evaluator import allowed, objective, outcomes, plan_of

Raw = dict[str, Any]

EXPONENTIAL = {"family": "exponential", "max_response": 90.0, "rate": 0.04}
S_SHAPED = {"family": "hill", "max_response": 70.0, "half_saturation": 20.0, "shape": 1.8}
LOGARITHMIC = {"family": "logarithmic", "coefficient": 20.0, "scale": 9.0}
CARRY = {"family": "geometric", "decay": 0.5}


def request(**changes: Any) -> Raw:
    return {
        "channels": [
            {"channel": name, "current_spend": now, "response": {"saturation": dict(curve)}}
            for name, now, curve in (
                ("a", 30.0, EXPONENTIAL),
                ("b", 40.0, S_SHAPED),
                ("c", 10.0, LOGARITHMIC),
            )
        ],
        "budget": 80.0,
        **changes,
    }


def answered(raw: Raw) -> Raw:
    found: Raw = answer(make_plan(problem_of(read_optimize(deepcopy(raw)))))
    assert found["certificate"]["proven"] is True
    assert found["certificate"]["relative_gap"] <= 1e-4
    return found


def spends(found: Raw) -> list[float]:
    return [row["spend"] for row in found["allocation"]]


# -- an intercept -------------------------------------------------------------------------------

OFFSETS = (5.0, 0.0, 12.0)


def shifted(raw: Raw) -> Raw:
    out = deepcopy(raw)
    for channel, offset in zip(out["channels"], OFFSETS, strict=True):
        channel["response"]["saturation"]["offset"] = offset
    return out


@pytest.mark.parametrize("draws", [False, True])
@pytest.mark.parametrize("periods", [1, 3])
def test_an_intercept_moves_the_outcome_and_nothing_else(draws: bool, periods: int) -> None:
    raw = request(solver={"gap": 1e-5})
    for channel in raw["channels"]:
        curve = channel["response"]["saturation"]
        channel["response"]["adstock"] = CARRY
        if draws:
            size = "max_response" if "max_response" in curve else "coefficient"
            own = {k: v for k, v in curve.items() if k != "family"}
            each = [{**own, size: own[size] * by} for by in np.linspace(0.8, 1.2, 21)]
            channel["response"]["draws"] = each
    if periods > 1:
        raw |= {"horizon": {"periods": periods}, "budget": 80.0 * periods}
    plain, moved = answered(raw), answered(shifted(raw))
    assert spends(moved) == pytest.approx(spends(plain), abs=0.5)
    more = sum(OFFSETS) * periods
    for name in ("outcome", "current_outcome"):
        assert moved["totals"][name] == pytest.approx(plain["totals"][name] + more, rel=1e-5)
    assert moved["totals"]["uplift"] == pytest.approx(plain["totals"]["uplift"], rel=1e-3)
    bound = plain["certificate"]["upper_bound"] + more
    assert moved["certificate"]["upper_bound"] == pytest.approx(bound, rel=2e-5)
    if draws:
        interval = [end + more for end in plain["totals"]["outcome_interval"]]
        assert moved["totals"]["outcome_interval"] == pytest.approx(interval, rel=1e-4)
    for one, other, offset in zip(plain["allocation"], moved["allocation"], OFFSETS, strict=True):
        assert other["outcome"] == pytest.approx(one["outcome"] + offset * periods, rel=1e-2)
        for name in ("average_return", "marginal_return", "saturation"):
            if one[name] is None:
                assert other[name] is None
            else:
                assert other[name] == pytest.approx(one[name], rel=2e-2)


def test_a_target_counts_what_comes_by_itself() -> None:
    goal = {"goal": "minimize_spend", "target_outcome": 80.0}
    raw = request(objective=goal)
    del raw["budget"]
    moved = answered(shifted(raw))
    goal["target_outcome"] -= sum(OFFSETS)
    assert moved["totals"]["spend"] == pytest.approx(answered(raw)["totals"]["spend"], rel=1e-4)


def test_a_logarithm_with_an_intercept_is_a_known_optimum() -> None:
    """alpha + beta ln(1 + x / s): slopes are equal where (s + x) / beta is the same for all."""
    alpha, beta, scale = (3.0, 1.0, 8.0), np.array([4.0, 9.0, 7.0]), np.array([1.0, 2.0, 3.0])
    raw = request()
    for channel, a, b, s in zip(raw["channels"], alpha, beta, scale, strict=True):
        curve = {"family": "logarithmic", "coefficient": b, "scale": s, "offset": a}
        channel["response"]["saturation"] = curve
    found = answered(raw)
    want = beta * (80.0 + scale.sum()) / beta.sum() - scale
    assert spends(found) == pytest.approx(want.tolist(), rel=1e-5)
    most = sum(alpha) + float(beta @ np.log1p(want / scale))
    assert found["totals"]["outcome"] == pytest.approx(most)


def test_an_interaction_beside_an_intercept_is_refused() -> None:
    raw = request(interactions=[{"channels": ["a", "b"], "strength": 5.0}])
    raw["channels"][1]["response"]["saturation"]["offset"] = 2.0
    with pytest.raises(NotSupportedYet) as refused:
        answered(raw)
    assert [fault.pointer for fault in refused.value.faults] == ["/interactions/0/channels/1"]


def test_the_long_term_beside_an_intercept_is_refused() -> None:
    raw = request(horizon={"periods": 2}, objective={"long_term_weight": 0.5})
    raw["channels"][1]["response"]["saturation"]["offset"] = 2.0
    with pytest.raises(NotSupportedYet) as refused:
        answered(raw)
    pointer = "/channels/1/response/saturation/offset"
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


# -- a price that rises -------------------------------------------------------------------------


def dearer(raw: Raw, *elasticities: float, **more: Any) -> Raw:
    out = deepcopy(raw)
    for channel, elasticity in zip(out["channels"], elasticities, strict=True):
        channel.update(price_elasticity=elasticity, **more)
    return out


@pytest.mark.parametrize("carry", [False, True])
@pytest.mark.parametrize("elasticities", [(0.2, 0.2, 0.2), (0.5, 0.0, 0.9), (0.0, 0.4, 0.1)])
def test_the_plan_is_the_best_of_a_grid(elasticities: tuple[float, ...], carry: bool) -> None:
    raw = dearer(request(), *elasticities)
    raw["channels"][0]["price"] = 1.3
    if carry:
        for channel in raw["channels"]:
            channel["response"]["adstock"] = CARRY
    found = answered(raw)
    steps = [s for s in itertools.product(range(161), repeat=2) if sum(s) <= 160]
    first = np.array(steps) / 2.0
    plans = np.concatenate((first, 80.0 - first.sum(axis=1, keepdims=True)), axis=1)[:, :, None]
    best = float(outcomes(raw, plans)[0, :, 0].max())
    assert best <= found["certificate"]["upper_bound"] * (1.0 + 1e-9)
    assert found["totals"]["outcome"] >= best * (1.0 - 1e-5)
    mine = outcomes(raw, np.array([[[x] for x in spends(found)]]))[0, 0, 0]
    assert found["totals"]["outcome"] == pytest.approx(float(mine), rel=1e-9)


def test_powers_at_rising_prices_share_by_a_known_rule() -> None:
    """c x^p at price (x / r)^e is another power: with one exponent q for both, shares go by
    the 1 / (1 - q)th power of the sizes."""
    raw = request()
    del raw["channels"][2]
    for channel, size in zip(raw["channels"], (3.0, 5.0), strict=True):
        curve = {"family": "power", "coefficient": size, "exponent": 0.75}
        channel["response"]["saturation"] = curve
    raw = dearer(raw, 0.2, 0.2, reference_spend=10.0)
    weights = np.array([3.0, 5.0]) ** (1.0 / (1.0 - 0.6))
    assert spends(answered(raw)) == pytest.approx(
        (80.0 * weights / weights.sum()).tolist(), rel=1e-5
    )


def test_over_periods_without_carryover_spend_is_spread_evenly() -> None:
    """On a line only the price bends: the same in every period is best, in every channel."""
    raw = request(horizon={"periods": 3}, budget=90.0)
    del raw["channels"][1:]
    raw["channels"][0]["response"]["saturation"] = {
        "family": "power",
        "coefficient": 2.0,
        "exponent": 1.0,
    }
    found = answered(dearer(raw, 0.5))
    each = [period["spend"] for period in found["allocation"][0]["periods"]]
    assert each == pytest.approx([30.0] * 3, rel=1e-4)
    assert found["totals"]["outcome"] == pytest.approx(3 * 2.0 * 30.0, rel=1e-6)


def test_stored_curves_are_dearer_from_todays_spend() -> None:
    channels = [{"channel": "tv", "price_elasticity": 0.3}]
    raw: Raw = {"dataset": "shop", "budget": 60.0, "channels": channels}
    curves = stored_curves()
    plain = curves.channels[0]
    response = sustained(problem_of(read_optimize(raw), curves).channels[0]).response
    now, whole = plain.observed_spend.last, plain.response.adstock.total_weight()  # type: ignore[union-attr]
    assert response.adstock is None
    for curve, before in zip(response.draws, plain.response.draws, strict=True):
        assert float(curve.value(now)) == pytest.approx(float(before.value(whole * now)))
        media = 2.0**0.7 * now
        assert float(curve.value(2.0 * now)) == pytest.approx(float(before.value(whole * media)))


def test_their_own_numbers_are_assumptions_like_any_other() -> None:
    """An intercept's elasticity is its share of the outcome; that of a price is asked again."""
    problem = problem_of(read_optimize(dearer(shifted(request()), 0.3, 0.2, 0.0)))
    found, best = sensitivity(problem), answer(make_plan(problem))["totals"]["outcome"]
    told = {(p["channel"], p["parameter"]): p["outcome_elasticity"] for p in found["parameters"]}
    assert told["a", "offset"] == pytest.approx(OFFSETS[0] / best, rel=1e-4)
    for name in ("reference", "elasticity"):
        ends = []
        for factor in (0.999, 1.001):
            curve: Any = problem.channels[0].response.saturation
            other = replace(curve, **{name: factor * getattr(curve, name)})
            first = replace(problem.channels[0], response=Response(other))
            moved = replace(problem, channels=(first, *problem.channels[1:]))
            ends.append(answer(make_plan(moved))["totals"]["outcome"])
        assert told["a", name] == pytest.approx((ends[1] - ends[0]) / 0.002 / best, rel=1e-2)


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"price_elasticity": 0.95}, "price_elasticity", "out_of_range"),
        ({"price_elasticity": 0.2, "current_spend": 0}, "price_elasticity", "required"),
        ({"reference_spend": 5.0}, "price_elasticity", "required"),
        ({"price_elasticity": 0.2, "like": "b", "response": None}, "price_elasticity", "conflict"),
        (
            {
                "price_elasticity": 0.2,
                "response": {"saturation": {**EXPONENTIAL, "family": "sigmoid", "midpoint": 9}},
            },
            "price_elasticity",
            "invalid_curve",
        ),
    ],
)
def test_what_has_no_such_price_is_told(change: Raw, pointer: str, code: str) -> None:
    raw = request()
    raw["channels"][0].update(change)
    if code == "invalid_curve":
        curve = raw["channels"][0]["response"]["saturation"]
        curve["steepness"] = curve.pop("rate")
    with pytest.raises(InvalidInput) as refused:
        problem_of(read_optimize(raw))
    assert [fault.pointer for fault in refused.value.faults] == [f"/channels/0/{pointer}"]
    assert refused.value.faults[0].code == code


def test_above_campaigns_there_is_no_such_price() -> None:
    raw = request()
    curve = raw["channels"][0].pop("response")
    raw["channels"][0] |= {
        "price_elasticity": 0.2,
        "campaigns": [{"channel": "x", "current_spend": 30.0, "response": curve}],
    }
    with pytest.raises(InvalidInput, match="each of them its own price_elasticity"):
        problem_of(read_optimize(raw))


@pytest.mark.parametrize("elasticity", [0.15, 0.6, 0.9])
def test_on_a_line_with_carryover_money_goes_by_what_is_left_to_come(elasticity: float) -> None:
    """Outcome is the sum of W_t m(s_t), W_t the carryover that still arrives: s_t goes by the
    1 / e-th power of W_t."""
    raw = request(horizon={"periods": 4}, budget=90.0)
    del raw["channels"][1:]
    line = {"family": "power", "coefficient": 2.0, "exponent": 1.0}
    raw["channels"][0]["response"] = {"saturation": line, "adstock": CARRY}
    found = answered(dearer(raw, elasticity))
    left = np.array([sum(0.5**k for k in range(4 - t)) for t in range(4)])
    want = left ** (1.0 / elasticity)
    want *= 90.0 / want.sum()
    each = [period["spend"] for period in found["allocation"][0]["periods"]]
    assert each == pytest.approx(want.tolist(), abs=0.15)
    best = 2.0 * float(left @ (30.0 * (want / 30.0) ** (1.0 - elasticity)))
    assert found["totals"]["outcome"] == pytest.approx(best, rel=1e-6)
    assert found["certificate"]["upper_bound"] >= best * (1.0 - 1e-12)


CONCAVE = {"family": "hill", "max_response": 70.0, "half_saturation": 20.0, "shape": 0.9}
OVER_TIME: dict[str, Raw] = {
    "outcome": {"budget": 60.0},
    "prior": {"budget": 60.0, "horizon": {"periods": 2, "prior_spend": {"a": 25.0, "b": [9, 50]}}},
    "goes on": {"budget": 60.0, "horizon": {"periods": 2, "then": "continue"}},
    "profit": {"objective": {"goal": "maximize_profit", "value_per_outcome": 1.4}},
    "least": {"objective": {"goal": "minimize_spend", "target_outcome": 150.0}},
    "roas": {"objective": {"target_roas": 3.0}, "spend_all": False},
    "group": {
        "budget": 60.0,
        "constraints": [{"name": "g", "channels": ["a"], "min_outcome": 110.0}],
    },
    "minimum": {"budget": 60.0, "least": 45.0},
    "s shaped": {"budget": 60.0, "curve": S_SHAPED},
}


@pytest.mark.parametrize("case", OVER_TIME)
def test_with_carryover_over_periods_no_plan_of_a_grid_is_better(case: str) -> None:
    change = deepcopy(OVER_TIME[case])
    raw = request(horizon={"periods": 2})
    del raw["budget"]
    del raw["channels"][2]
    raw = dearer(raw, 0.3, 0.5)
    raw["channels"][1]["response"]["saturation"] = change.pop("curve", CONCAVE)
    raw["channels"][1]["periods"] = [{"from": 2, "price": 1.5}]
    if "least" in change:
        raw["channels"][0]["minimum_if_active"] = change.pop("least")
    raw |= change
    for channel in raw["channels"]:
        channel["response"]["adstock"] = CARRY
    found = answer(make_plan(problem_of(read_optimize(deepcopy(raw)))))
    proof = found["certificate"]
    assert proof["proven"] is True
    assert proof["relative_gap"] <= {"s shaped": 0.2, "minimum": 0.05}.get(case, 1e-5)
    mine = plan_of(found)
    assert float(objective(raw, mine)[0]) == pytest.approx(_signed(found), rel=1e-9)
    steps = np.array(list(itertools.product(np.arange(0.0, 61.0, 3.0), repeat=4)))
    plans = np.concatenate((steps.reshape(-1, 2, 2), mine))
    kept = allowed(raw, plans, slack=1e-6)
    assert kept[-1]
    worth = objective(raw, plans)[kept]
    bound = -proof["lower_bound"] if "lower_bound" in proof else proof["upper_bound"]
    assert float(worth.max()) <= bound + 1e-7 * abs(bound)
    assert worth[-1] >= float(worth.max()) - 1e-9 * abs(bound)


def _signed(found: Raw) -> float:
    proof = found["certificate"]
    return float(-proof["objective"] if "lower_bound" in proof else proof["objective"])


def test_without_carryover_such_a_price_is_in_the_curve() -> None:
    raw = dearer(request(horizon={"periods": 2}), 0.2, 0.0, 0.0)
    raw["channels"][0]["response"]["adstock"] = {"family": "lag_weights", "values": [0.5]}
    assert answered(raw)["totals"]["outcome"] > 0.0


def test_a_target_out_of_reach_is_told_beside_such_a_price() -> None:
    raw = dearer(request(horizon={"periods": 2}, budget=60.0), 0.3, 0.0, 0.0)
    raw["channels"][0]["response"]["adstock"] = CARRY
    raw["channels"][1]["response"]["saturation"] = CONCAVE
    best = answered(raw)["totals"]["outcome"]
    raw["objective"] = {"target_outcome": best + 1.0}
    with pytest.raises(Infeasible, match=f"best reachable is {best:.4g}"):
        answer(make_plan(problem_of(read_optimize(raw))))
