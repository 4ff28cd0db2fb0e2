"""Requests on which the service once fell short, each with what is right.

The inputs lie outside the repository; where they are not, the tests are skipped. Known plans are
held to the contract's meaning before an answer is held to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.app.client import Client
from tests.contract.checks import faults_of, without_times_and_ids
from tests.contract.evaluator import Raw, allowed, broken, objective, outcomes, plan_of

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "optimise"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not on this machine")

Case = Callable[[str], Raw]


def read(name: str) -> Raw:
    raw: Raw = json.loads((CASES / f"{name}.json").read_text())
    return raw


@pytest.fixture
def case() -> Case:
    """Reads a case by name."""
    return read


LIMIT_S = 4.0
"""Enough for each of the plans that are known, and a bound of it."""


def limited(name: str, seconds: float = LIMIT_S) -> Raw:
    raw = read(name)
    raw["solver"] = {**raw.get("solver", {}), "time_limit_s": seconds}
    return raw


@pytest.fixture(scope="module")
def optimized(api: Client) -> Case:
    """The optimum of a case by name; each is asked for once."""
    return cache(lambda name: answered(api, "optimize", limited(name)))


def answered(api: Client, question: str, raw: Raw) -> Raw:
    answer = api.post(question, raw)
    assert answer.status == 200, answer.body
    found: Raw = answer.json
    return found


def texts(answer: Raw, *codes: str) -> list[str]:
    """The sentences of an answer, all of them or of some codes."""
    every = [(s["code"], s["text"]) for s in answer["explanation"]]
    return [text for code, text in every if not codes or code in codes]


def numbers(text: str) -> list[float]:
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", text)]


# -- plans that are known -----------------------------------------------------------------------

KNOWN: dict[str, list[list[float]]] = {
    "p_01_minspend_ratio_3ch": [[23.785097], [11.8925485], [0.0]],
    "p_01c_minspend_ratio_concave": [[12.41268415], [6.20634207], [11.60425715]],
    "p_02_bound_worse_with_time": [
        [20.191898, 18.119984, 15.140434],
        [10.095949, 9.059992, 7.570217],
        [39.623488, 0.0, 0.0],
    ],
    "p_03_no_plan_found": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [68.8985228, 9.2119882, 0.0]],
    "p_04_roas_share": [
        [22.0186612, 0.0, 0.0],
        [53.827685, 4.0478986, 0.0],
        [27.3054784, 0.0, 0.0],
    ],
    "p_15_not_deterministic": [[3.1298256, 3.1298256], [1.5649128, 1.5649128], [42.2065, 1.295]],
    "s_q_10211": [[29.0076532], [31.31688595]],
    "s_q_10293": [[5628.78445], [0.0]],
    "s_q_20050": [[549.33], [406.364]],
}


@pytest.mark.parametrize("name", KNOWN)
def test_no_known_plan_is_better_than_the_answer(optimized: Case, case: Case, name: str) -> None:
    raw, known = case(name), np.array([KNOWN[name]])
    assert allowed(raw, known, 1e-6)[0], broken(raw, known, 1e-6)
    worth = float(objective(raw, known)[0])
    found = optimized(name)
    plan = plan_of(found)
    assert broken(raw, plan, 1e-6) == []
    reached = float(objective(raw, plan)[0])
    assert reached >= worth - 1e-5 * abs(worth), (reached, worth)
    if name == "s_q_20050":
        assert found["certificate"]["relative_gap"] <= 1e-2


P_01 = [name for name in KNOWN if name.startswith("p_01")]


@pytest.mark.parametrize("name", P_01, ids=lambda name: f"proven {name}")
def test_a_small_least_spend_is_proven(optimized: Case, name: str) -> None:
    found = optimized(name)
    assert found["status"] == "optimal"
    assert found["certificate"]["relative_gap"] <= 1e-6


def test_a_bound_never_gets_worse_with_time(api: Client, optimized: Case) -> None:
    name = "p_02_bound_worse_with_time"
    ends = []
    for found in (answered(api, "optimize", limited(name, 0.3 * LIMIT_S)), optimized(name)):
        proof = found["certificate"]
        if proof["lower_bound"] is None:
            assert not proof["proven"]
        ends.append(-np.inf if proof["lower_bound"] is None else proof["lower_bound"])
        # Spend is never under 0: what lies below says nothing and is not said.
        assert proof["lower_bound"] is None or proof["lower_bound"] >= 0.0
    assert ends[1] >= ends[0]


def test_the_same_request_has_the_same_bytes(api: Client, case: Case) -> None:
    raw = case("p_15_not_deterministic")
    first, again = (without_times_and_ids(api.post("optimize", raw)) for _ in range(2))
    assert json.dumps(first) == json.dumps(again)


# -- what a plan is said to be ------------------------------------------------------------------


def test_headline_and_proof_of_the_long_term_are_in_one_unit(api: Client, case: Case) -> None:
    raw = case("p_05_longterm_text")
    found = answered(api, "optimize", raw)
    within = outcomes(raw, plan_of(found)).sum()
    later = found["certificate"]["objective"] - float(within)
    (headline,) = texts(found, "headline")
    told = numbers(headline)
    assert any(n == pytest.approx(found["certificate"]["objective"], rel=1e-3) for n in told)
    assert any(n == pytest.approx(later, rel=1e-3) for t in texts(found) for n in numbers(t))


def test_what_moves_between_periods_is_said_to_move(api: Client, case: Case) -> None:
    found = answered(api, "optimize", case("p_06_keep_false"))
    (row,) = found["allocation"]
    assert {round(p["spend"]) for p in row["periods"]} != {40}
    assert not [text for text in texts(found) if "nothing should move" in text]
    moves = [t for t in texts(found) if re.search(r"tv\b.*period|period.*\btv\b", t)]
    assert moves, texts(found)


def test_a_smooth_profit_has_no_approximate_prices(api: Client, case: Case) -> None:
    found = answered(api, "optimize", case("p_07_profit_false_warning"))
    assert found["status"] == "optimal"
    assert "shadow_prices_approximate" not in {w["code"] for w in found["warnings"]}


def test_budget_left_is_explained_by_the_target_that_binds(api: Client, case: Case) -> None:
    found = answered(api, "optimize", case("p_08_cpa_budget_text"))
    assert found["totals"]["spend"] < 100_000
    (budget,) = texts(found, "budget")
    assert "target_cpa" in budget
    assert "used up" not in budget


def test_a_plan_below_todays_says_which_limit_todays_breaks(api: Client, case: Case) -> None:
    raw = case("p_11_worse_than_today_unexplained")
    found = answered(api, "optimize", raw)
    assert found["totals"]["outcome"] < found["totals"]["current_outcome"]
    excess = 0.2 * 40 + 0.5 * 30 + 2.0 * 50 - 90
    why = [t for t in texts(found) if "co2" in t and "today" in t.lower()]
    assert any(n == pytest.approx(excess, rel=1e-3) for t in why for n in numbers(t)), texts(found)


def test_money_in_a_period_of_no_weight_is_warned_of(api: Client, case: Case) -> None:
    found = answered(api, "optimize", case("p_12_blackout_trap"))
    second = found["allocation"][0]["periods"][1]["spend"]
    told = [w["message"] for w in found["warnings"] if "tv" in w["message"]]
    assert second == 0.0 or any("period 2" in t or "weight" in t for t in told), found["warnings"]


def test_a_price_at_a_corner_is_what_solving_again_says(api: Client, case: Case) -> None:
    raw = case("s_05_optimize_shadow_price_kink")
    found = answered(api, "optimize", raw)
    (price,) = [p for p in found["shadow_prices"] if p["name"] == "budget"]
    step, here = 0.1, found["certificate"]["objective"]
    more, less = (
        answered(api, "optimize", raw | {"budget": raw["budget"] + d})["certificate"]["objective"]
        for d in (step, -step)
    )
    assert price.get("value_more", price["value"]) == pytest.approx((more - here) / step, rel=5e-3)
    assert price.get("value_less", price["value"]) == pytest.approx((here - less) / step, rel=5e-3)


def test_a_conflict_names_the_budget_that_takes_part(api: Client, case: Case) -> None:
    raw = case("s_06_optimize_conflict_without_budget")
    answer = api.post("optimize", raw)
    assert answer.status == 422, answer.body
    assert {c["name"] for c in answer.json["conflicts"]} == {"b.min_spend", "r0", "budget"}
    # Minimal: without any one of them there is a plan.
    loose = [{**raw, "spend_all": False, "budget": 1e6}, {**raw, "constraints": []}]
    loose.append(json.loads(json.dumps(raw)))
    del loose[-1]["channels"][1]["min_spend"]
    for other in loose:
        assert api.post("optimize", other).status == 200


# -- other questions ----------------------------------------------------------------------------


def alone(api: Client, base: Raw, budget: float) -> Raw:
    """The problem solved by itself at a budget, sound by the contract's own meaning."""
    raw = base | {"budget": budget}
    answer = api.post("optimize", raw)
    assert [f for f in faults_of(raw, answer, starts=2) if f.kind != "gap"] == []
    found: Raw = answer.json
    return found


@pytest.mark.parametrize(
    "name", ["s_01_scenarios_overspend_risk", "s_01d_scenarios_overspend_target_interaction"]
)
def test_a_scenario_is_the_problem_solved_alone(api: Client, case: Case, name: str) -> None:
    raw = case(name)
    (row,) = answered(api, "scenarios", raw)["scenarios"]
    right, proof = alone(api, raw["base"], 80.0), row["certificate"]
    assert row["totals"]["spend"] == pytest.approx(80.0, rel=1e-6)
    assert proof["max_constraint_violation"] <= 1e-6
    assert proof["objective"] <= proof["upper_bound"] * (1 + 1e-9)
    assert proof["objective"] == pytest.approx(right["certificate"]["objective"], rel=1e-5)


def test_a_sweep_spends_its_budgets(api: Client, case: Case) -> None:
    raw = case("s_01b_scenarios_sweep_overspend_risk")
    for row in answered(api, "scenarios", raw)["sweep"]:
        assert row["spend"] == pytest.approx(row["budget"], rel=1e-6)
        right = alone(api, raw["base"], row["budget"])
        assert row["outcome"] == pytest.approx(right["totals"]["outcome"], rel=1e-3)


@pytest.mark.parametrize("name", ["s_02_transition_stuck_risk", "s_03_transition_500_risk"])
def test_steps_under_a_measure_of_risk_go_as_without(api: Client, case: Case, name: str) -> None:
    raw = case(name)
    plain = raw | {"base": {k: v for k, v in raw["base"].items() if k != "risk"}}
    found, right = (answered(api, "transition", r)["steps"] for r in (raw, plain))
    assert [s["spend"] for s in found] == pytest.approx([s["spend"] for s in right], rel=1e-6)
    today = sum(c["current_spend"] for c in raw["base"]["channels"])
    assert abs(found[0]["spend"] - today) == pytest.approx(0.1 * today, rel=1e-6)


def test_lag_weights_have_a_sensitivity_or_are_said_to_have_none(api: Client, case: Case) -> None:
    found = answered(api, "sensitivity", case("s_04_sensitivity_500_lag_weights"))
    of_lags = [p for p in found["parameters"] if "values" in p["parameter"]]
    said = [w for w in found["warnings"] if "lag" in w["message"]]
    assert of_lags or said


def test_steps_in_lots_keep_the_largest_change_or_say_why_not(api: Client, case: Case) -> None:
    raw = case("s_07_transition_lots_exceed_max_change")
    found = answered(api, "transition", raw)
    changes = [c["change_share"] for step in found["steps"] for c in step["channels"]]
    within = all(abs(change) <= raw["max_change"] * (1 + 1e-6) for change in changes)
    said = [
        w["message"] for w in found["warnings"] if re.search(r"increment|lots?\b", w["message"])
    ]
    assert within or said, changes
