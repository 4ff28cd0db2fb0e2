"""Random requests of every feature of the contract, small enough to count out all their plans."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.plan.optimize import answer, make_plan
from tests.contract.evaluator import Raw, arms_of, plan_of

__all__ = ["LOT", "lots", "mixed", "plan_of", "response", "solved", "tangled", "with_campaigns"]

LOT = 1000.0


def solved(raw: Raw) -> Raw:
    """The answer to a request."""
    return answer(make_plan(problem_of(read_optimize(raw))))


def curve(rng: np.random.Generator) -> Raw:
    top, size = float(rng.uniform(2_000, 10_000)), float(rng.uniform(800, 3_500))
    family = str(rng.choice(["hill", "exponential", "logistic", "michaelis_menten", "sigmoid"]))
    rest: Raw = {
        "hill": {"half_saturation": size, "shape": float(rng.choice([0.7, 1.0, 1.6, 2.5]))},
        "exponential": {"rate": 1 / size},
        "logistic": {"rate": 1 / size},
        "michaelis_menten": {"half_saturation": size},
        "sigmoid": {"midpoint": size, "steepness": float(rng.uniform(1, 4)) / size},
    }[family]
    return {"family": family, "max_response": top, **rest}


def adstock(rng: np.random.Generator) -> Raw | None:
    decay = float(rng.uniform(0.1, 0.7))
    kinds: list[Raw | None] = [
        None,
        {"family": "geometric", "decay": decay},
        {"family": "delayed", "decay": decay, "peak": 1, "length": 4},
        {"family": "weibull_pdf", "shape": 1.5, "scale": 2.0, "length": 5},
        {"family": "weibull_cdf", "shape": 0.8, "scale": 1.5, "length": 4},
    ]
    chosen = kinds[int(rng.integers(len(kinds)))]
    return chosen and {**chosen, "normalised": bool(rng.random() < 0.5)}


def response(rng: np.random.Generator, draws: int = 0) -> Raw:
    saturation, carry = curve(rng), adstock(rng)
    out: Raw = {"saturation": saturation}
    if carry:
        out["adstock"] = carry
    if draws:
        plain = {k: v for k, v in saturation.items() if k != "family"}
        out["draws"] = [
            {**plain, "max_response": plain["max_response"] * float(rng.lognormal(0, 0.4))}
            for _ in range(draws)
        ]
    return out


def lots(rng: np.random.Generator, count: int, money: float, draws: int = 0, **more: Any) -> Raw:
    """A request in whole lots, ``money`` of them."""
    channels = [
        {"channel": f"c{i}", "increment": LOT, "response": response(rng, draws)}
        for i in range(count)
    ]
    solver = {"gap": 1e-9, "time_limit_s": 20}
    return {"channels": channels, "budget": money * LOT, "solver": solver, **more}


def with_campaigns(rng: np.random.Generator, raw: Raw) -> None:
    """Two campaigns below the first channel."""
    first = raw["channels"][0]
    del first["response"], first["increment"]
    first["campaigns"] = [
        {
            "channel": f"part{j}",
            "increment": LOT,
            "current_spend": LOT * (j + 1),
            "max_spend": (3 + j) * LOT,
            "response": response(rng),
        }
        for j in range(2)
    ]


def mixed(seed: int, *, careful: bool = False) -> Raw:
    """Any features together, in lots; ``careful``: under a measure of risk."""
    rng = np.random.default_rng([seed, 77])
    periods = int(rng.choice([1, 1, 1, 2, 3]))
    count = {1: int(rng.integers(2, 5)), 2: int(rng.integers(2, 4)), 3: 2}[periods]
    draws = int(rng.integers(2, 6)) if careful or rng.random() < 0.2 else 0
    raw = lots(rng, count, int(rng.integers(3, 7 if periods == 1 else 6)), draws)
    if rng.random() < 0.25 and not draws and periods < 3:
        with_campaigns(rng, raw)
    if periods > 1:
        _over_time(rng, raw, periods)
    if rng.random() < 0.4:
        raw["spend_all"] = False
    for channel in raw["channels"]:
        _limited(rng, channel, periods)
    rules = [_rule(rng, raw, f"r{i}") for i in range(int(rng.choice([0, 0, 1, 2])))]
    if rules:
        raw["constraints"] = rules
    _valued(rng, raw, careful)
    if rng.random() < 0.15:
        raw["test_reserve"] = 0.25
        for field in ("budget", "period_budgets"):
            if field in raw:
                raw[field] = (np.array(raw[field]) / 0.75).tolist()
    return raw


def _over_time(rng: np.random.Generator, raw: Raw, periods: int) -> None:
    mode = str(rng.choice(["time_varying", "time_varying", "constant"]))
    horizon = raw["horizon"] = {"periods": periods, "mode": mode}
    if mode == "constant":
        raw["budget"] = periods * int(rng.integers(2, 6)) * LOT
    else:
        if rng.random() < 0.2:
            horizon["pacing"] = {"max_change": float(rng.choice([0.5, 1.0, 2.0]))}
        if rng.random() < 0.2:
            raw["period_budgets"] = [float(rng.integers(1, 4)) * LOT for _ in range(periods)]
            del raw["budget"]
    if rng.random() < 0.3 and not raw["channels"][0].get("campaigns"):
        horizon["prior_spend"] = {"c0": [4 * LOT, float(rng.integers(0, 5)) * LOT], "c1": [1500.0]}
    if rng.random() < 0.3:
        raw["objective"] = {"long_term_weight": 0.5}


def _limited(rng: np.random.Generator, channel: Raw, periods: int) -> None:
    if rng.random() < 0.2:
        channel["min_spend"] = float(rng.choice([500.0, 1000.0]))
    if rng.random() < 0.3:
        channel["max_spend"] = float(rng.choice([2000.0, 2200.0, 3000.0, 4400.0]))
    if rng.random() < 0.2:
        parts = channel.get("campaigns")
        channel["current_spend"] = 3 * LOT if parts else float(rng.integers(1, 4)) * LOT
        if rng.random() < 0.2:
            channel["locked"] = True
        elif rng.random() < 0.4:
            channel["max_change"] = float(rng.choice([0.4, 1.0]))
    if rng.random() < 0.2 and not channel.get("campaigns") and not channel.get("locked"):
        channel["minimum_if_active"] = float(rng.choice([1.5, 2.0])) * LOT
    if periods > 1 and rng.random() < 0.2:
        channel["max_total"] = float(rng.integers(2, 5)) * LOT
    if periods > 1 and rng.random() < 0.2:
        channel["min_total"] = float(rng.integers(1, 3)) * LOT
    if periods > 1 and rng.random() < 0.3:
        channel["period_weights"] = rng.uniform(0.3, 2, periods).round(2).tolist()


def _rule(rng: np.random.Generator, raw: Raw, name: str) -> Raw:
    names = [c["channel"] for c in raw["channels"]]
    size = int(rng.integers(1, len(names) + 1))
    group = [str(n) for n in rng.choice(names, size=size, replace=False)]
    weights = rng.choice([-2.0, -1.0, 1.0, 1.5], size=size).tolist()
    terms = [{"channel": n, "coefficient": w} for n, w in zip(group, weights, strict=True)]
    kinds: list[Raw] = [
        {"channels": group, "max_spend": float(rng.integers(1, 5)) * LOT},
        {"channels": group, "min_spend": float(rng.integers(0, 2)) * LOT},
        {"channels": group, "max_share": float(rng.choice([0.4, 0.5, 0.7]))},
        {"channels": group, "min_share": float(rng.choice([0.2, 0.34, 0.5]))},
        {"coefficients": terms, "max": float(rng.integers(0, 4)) * LOT},
        {"channels": group, "min_total": LOT, "max_total": float(rng.integers(2, 5)) * LOT},
    ]
    if not any(c.get("campaigns") for c in raw["channels"]):
        kinds.append({"channels": names, "max_active": int(rng.integers(1, len(names)))})
    return {"name": name, **kinds[int(rng.integers(len(kinds)))]}


def _valued(rng: np.random.Generator, raw: Raw, careful: bool) -> None:
    """A goal, a careful measure or an interaction."""
    risks: list[Raw] = [
        {"measure": "mean_minus_sd", "aversion": 1.0},
        {"measure": "cvar", "level": 0.3},
        {"measure": "worst_case"},
    ]
    pick = rng.random()
    if careful:
        raw["risk"] = risks[int(rng.integers(len(risks)))]
    elif pick < 0.15 and len(arms_of(raw)) == len(raw["channels"]):
        strength = float(rng.choice([-3000, 3000]))
        raw["interactions"] = [{"channels": ["c0", "c1"], "strength": strength}]
    elif pick < 0.3:
        goal = raw.setdefault("objective", {})
        goal.update(goal="maximize_profit", value_per_outcome=0.9)
        raw["spend_all"] = False


def tangled(seed: int) -> Raw:
    """Linear rules only, so many that they often cannot hold together."""
    rng = np.random.default_rng([seed, 5])
    raw = mixed(seed + 1_000_000)
    for field in ("interactions", "risk"):
        raw.pop(field, None)
    for channel in raw["channels"]:
        channel.pop("minimum_if_active", None)
        for arm in channel.get("campaigns") or [channel]:
            arm.pop("increment")
            if rng.random() < 0.4:
                arm["min_spend"] = float(rng.integers(0, 3)) * 700
            if rng.random() < 0.4 or "max_spend" in arm:
                arm["max_spend"] = arm.get("min_spend", 0.0) + float(rng.integers(0, 3)) * 700
    rules = [rule for rule in raw.get("constraints", []) if "max_active" not in rule]
    names = [c["channel"] for c in raw["channels"]]
    for i in range(int(rng.integers(0, 3))):
        size = int(rng.integers(1, len(names) + 1))
        group = [str(n) for n in rng.choice(names, size=size, replace=False)]
        kinds = [
            {"min_spend": float(rng.integers(1, 5)) * 800},
            {"min_share": 0.6},
            {"max_spend": float(rng.integers(0, 3)) * 600},
            {"max_share": 0.3},
        ]
        rules.append({"name": f"x{i}", "channels": group, **kinds[int(rng.integers(4))]})
    raw["constraints"] = rules or None
    raw["solver"] = {"gap": 1e-2, "time_limit_s": 0.3}
    return {key: value for key, value in raw.items() if value is not None}
