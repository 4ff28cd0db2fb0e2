"""The single best move: against every move counted out, over every feature of the contract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import MarginalError
from shared.plan.evaluate import best_move, evaluate
from shared.plan.yardstick import yardstick
from shared.problem.model import Goal, Problem
from tests.contract.evaluator import Raw, allowed, objective
from tests.plan.problems import closed_form, s_shaped_with_draws, two_michaelis_menten
from tests.plan.requests import LOT, mixed, solved
from tests.plan.requests import plan_of as spend_in


def moves_of(raw: Raw, plan: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N, A, T) each plan that one move leads to, written out: pairs, places and sizes."""
    arms, periods = plan.shape
    shapes = [plan[i] / plan[i].sum() if plan[i].sum() > 0 else None for i in range(arms)]
    total = plan.sum(axis=0) / plan.sum() if plan.sum() > 0 else np.full(periods, 1 / periods)
    out = []
    mode = raw.get("horizon", {}).get("mode", "time_varying")
    units = list(np.eye(periods)) if periods > 1 and mode == "time_varying" else []
    for source in range(arms + 1):
        for target in range(arms + 1):
            if source == target:
                continue
            whole = shapes[source] if source < arms else shapes[target]
            for shape in [total if whole is None else whole, *units]:
                for size in sizes:
                    moved = plan.copy()
                    if source < arms:
                        moved[source] -= size * shape
                    if target < arms:
                        moved[target] += size * shape
                    out.append(moved)
    return np.array([moved for moved in out if moved.min() >= -1e-9])


def best_by_counting(raw: Raw, plan: np.ndarray, sizes: np.ndarray) -> float:
    plans = np.maximum(moves_of(raw, plan, sizes), 0.0)
    fine = allowed(raw, plans)
    if not fine.any():
        return 0.0
    base = objective(raw, plan[None])[0]
    return max(float((objective(raw, plans[fine]) - base).max()), 0.0)


def posed(raw: Raw) -> Problem:
    return problem_of(read_optimize(raw))


def worse_plan(raw: Raw, seed: int) -> np.ndarray | None:
    """A plan that keeps every limit and is not the best one: one allowed lot move away from it."""
    best = spend_in(solved(raw))[0]
    moved = np.maximum(moves_of(raw, best, np.array([LOT])), 0.0)
    fine = moved[allowed(raw, moved)] if len(moved) else moved
    if not len(fine):
        return None
    return np.asarray(fine[np.random.default_rng(seed).integers(len(fine))])


SEEDS = range(26)


@pytest.fixture(scope="module")
def counted() -> dict[int, tuple[dict[str, Any] | None, float, float]]:
    """By seed: the move found, the best by counting lots, the plan's objective."""
    out = {}
    for seed in SEEDS:
        raw = mixed(seed, careful=seed % 5 == 0)
        raw["solver"] = {"gap": 1e-6, "time_limit_s": 0.5}
        try:
            plan = worse_plan(raw, seed)
        except MarginalError:
            continue
        if plan is None:
            continue
        problem = posed(raw)
        found = best_move(yardstick(problem), plan)
        sizes = LOT * np.arange(1, 9)
        out[seed] = (found, best_by_counting(raw, plan, sizes), objective(raw, plan[None])[0])
    return out


def test_no_counted_move_is_better(counted: dict[int, Any]) -> None:
    assert len(counted) > 15
    helped = 0
    for seed, (found, best, base) in counted.items():
        gain = 0.0 if found is None else found["gain"]
        assert gain >= best - 1e-6 * max(abs(base), 1.0), seed
        helped += gain > 0.0
    assert helped > 8


@pytest.mark.parametrize("seed", range(12))
def test_free_amounts_against_a_fine_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = mixed(seed)
    periods = int(raw.get("horizon", {}).get("periods", 1))
    arms = sum(len(c.get("campaigns") or [c]) for c in raw["channels"])
    kept = {
        "channels": [
            {
                "channel": channel["channel"],
                **(
                    {
                        "campaigns": [
                            {k: v for k, v in part.items() if k in ("channel", "response")}
                            for part in channel["campaigns"]
                        ]
                    }
                    if channel.get("campaigns")
                    else {"response": channel["response"]}
                ),
            }
            for channel in raw["channels"]
        ],
        "budget": 6000.0,
        "spend_all": bool(seed % 2),
    }
    if periods > 1:
        kept["horizon"] = {"periods": periods}
    plan = rng.uniform(0.2, 1.0, (arms, periods))
    plan *= 6000.0 / plan.sum()
    problem = posed(kept)
    found = best_move(yardstick(problem), plan)
    best = best_by_counting(kept, plan, np.linspace(0, 6000, 601)[1:])
    assert found is not None
    assert found["gain"] >= best * (1 - 1e-9)
    assert found["gain"] <= best * 1.02 + 1.0  # and it is one that the grid nearly finds


def test_the_closed_form_is_met() -> None:
    found = evaluate(two_michaelis_menten(), {"tv": 70.0, "search": 30.0})["best_move"]
    assert (found["from"], found["to"]) == ("tv", "search")
    assert found["amount"] == pytest.approx(70.0 - closed_form()[0], rel=1e-4)


def test_the_best_plan_has_none() -> None:
    tv, search = closed_form()
    assert evaluate(two_michaelis_menten(), {"tv": tv, "search": search})["best_move"] is None


def test_a_budget_with_room_takes_the_money_from_there() -> None:
    problem = two_michaelis_menten(spend_all=False)
    found = evaluate(problem, {"tv": 40.0, "search": 30.0})["best_move"]
    assert found["from"] == "budget"
    assert found["amount"] == pytest.approx(30.0)
    assert "more on" in found["text"]


def test_profit_is_raised_by_spending_less() -> None:
    goal = Goal("maximize_profit", value_per_outcome=0.2)
    problem = two_michaelis_menten(spend_all=False, goal=goal)
    found = evaluate(problem, {"tv": 80.0, "search": 20.0})["best_move"]
    assert found["to"] == "budget"
    # Where its slope meets the price of money: 0.2 * 400 * 50 / (50 + x)^2 = 1.
    assert found["amount"] == pytest.approx(80.0 - (np.sqrt(0.2 * 400 * 50) - 50), rel=1e-4)
    assert "earn" in found["text"]


def test_the_least_spend_stops_at_the_target() -> None:
    goal = Goal("minimize_spend", target_outcome=250.0)
    problem = Problem(two_michaelis_menten().channels, None, spend_all=False, goal=goal)
    found = evaluate(problem, {"tv": 60.0, "search": 40.0})["best_move"]
    assert found["to"] == "budget"
    after = {"tv": 60.0, "search": 40.0}
    after[found["from"]] -= found["amount"]
    scored = evaluate(problem, after)
    assert scored["totals"]["outcome"] == pytest.approx(250.0, rel=1e-5)
    assert scored["violations"] == []
    assert found["gain"] == pytest.approx(found["amount"])


def test_draws_and_a_bend_are_searched_whole() -> None:
    problem = s_shaped_with_draws()
    measure, plan = yardstick(problem), np.array([[0.0], [60.0], [40.0]])
    found = best_move(measure, plan)
    assert found is not None
    best = 0.0
    for i in range(3):
        for j in range(3):
            for size in np.linspace(0, plan[i, 0], 400):
                moved = plan.copy()
                moved[i] -= size
                moved[j] += size
                if i != j and moved[j] <= 90.0:
                    best = max(best, measure.objective(moved) - measure.objective(plan))
    assert best * (1 - 1e-9) <= found["gain"] <= best * 1.001


def test_a_broken_limit_is_not_broken_further() -> None:
    problem = two_michaelis_menten()
    channels = (replace(problem.channels[0], max_spend=50.0), problem.channels[1])
    found = evaluate(replace(problem, channels=channels), {"tv": 55.0, "search": 45.0})
    move = found["best_move"]
    assert move is None or move["to"] != "tv"


def test_many_channels_are_searched() -> None:
    rng = np.random.default_rng(3)
    raw = {
        "channels": [
            {
                "channel": f"c{i}",
                "response": {
                    "saturation": {
                        "family": "hill",
                        "max_response": float(rng.uniform(1, 9)),
                        "half_saturation": 5.0,
                        "shape": 1.5,
                    }
                },
            }
            for i in range(2000)
        ],
        "budget": 8000.0,
    }
    problem = posed(raw)
    plan = np.full((2000, 1), 4.0)
    found = best_move(yardstick(problem), plan)
    assert found is not None
    assert found["gain"] > 0.0
