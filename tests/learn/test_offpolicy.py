"""Off-policy evaluation: exact errors, coverage, refusals by name, logs of bandits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.learn.offpolicy import OffPolicy, evaluate

MEANS = np.array([[0.10, 0.05, 0.20], [0.10, 0.15, 0.02]])
LOGGING = np.array([0.7, 0.2, 0.1])
TARGET = [
    {"context": "x0", "arm": "a2", "probability": 1.0},
    {"context": "x1", "arm": "a1", "probability": 1.0},
]
TRUTH = 0.175


def log(rng: np.random.Generator, n: int) -> list[dict[str, Any]]:
    x = rng.integers(0, 2, n)
    a = rng.choice(3, n, p=LOGGING)
    r = rng.random(n) < MEANS[x, a]
    rows = zip(x.tolist(), a.tolist(), r.tolist(), strict=True)
    return [
        {"context": f"x{x}", "arm": f"a{a}", "reward": float(r), "propensity": float(LOGGING[a])}
        for x, a, r in rows
    ]


def judged(rows: list[dict[str, Any]], target: Any = TARGET, **more: Any) -> dict[str, Any]:
    return evaluate(OffPolicy.model_validate({"rows": rows, "target": target, **more}))


def refused(rows: list[dict[str, Any]], target: Any = TARGET, **more: Any) -> set[str]:
    with pytest.raises(InvalidInput) as caught:
        judged(rows, target, **more)
    return {fault.code for fault in caught.value.faults}


def test_errors_are_those_of_the_example_and_intervals_cover() -> None:
    rng = np.random.default_rng(1)
    names = ("inverse_propensity", "self_normalised", "doubly_robust")
    values, inside, sizes = {n: [] for n in names}, dict.fromkeys(names, 0), []
    runs, unlucky = 60, 0
    for _ in range(runs):
        try:
            told = judged(log(rng, 2000))
        except InvalidInput:  # one in 400 logs has a mean weight beyond three errors
            unlucky += 1
            continue
        sizes.append(told["overlap"]["effective_size"])
        for name in names:
            own = told[name]
            values[name].append(own["value"])
            inside[name] += own["interval"][0] <= TRUTH <= own["interval"][1]
    assert unlucky <= 2
    assert np.mean(sizes) == pytest.approx(2000 / 7.5, rel=0.03)
    expected = {"inverse_propensity": 0.0259, "self_normalised": 0.0239, "doubly_robust": 0.0237}
    for name in names:
        sd = float(np.std(values[name]))
        assert sd == pytest.approx(expected[name], rel=0.3)  # three errors of a sd of 60
        assert np.mean(values[name]) == pytest.approx(TRUTH, abs=3 * sd / runs**0.5)
        assert inside[name] >= (runs - unlucky) * 0.9 - 3 * (runs * 0.09) ** 0.5


def test_the_difference_to_what_was_done_is_paired() -> None:
    told = judged(log(np.random.default_rng(2), 4000))
    assert told["difference"]["value"] == pytest.approx(
        told["doubly_robust"]["value"] - told["logging_rule"]["value"]
    )
    assert told["difference"]["interval"][0] > 0.0
    assert "more than what was done, beyond the error" in told["verdict"]
    same = [{"arm": f"a{i}", "probability": p} for i, p in enumerate(LOGGING.tolist())]
    own = judged(log(np.random.default_rng(3), 4000), same)
    assert own["inverse_propensity"]["value"] == pytest.approx(own["logging_rule"]["value"])
    assert "does not tell" in own["verdict"]


def test_what_the_log_cannot_tell_is_refused_by_name() -> None:
    rows = log(np.random.default_rng(4), 3000)
    never = [row for row in rows if (row["context"], row["arm"]) != ("x0", "a2")]
    assert refused(never) == {"pair_never_logged"}
    unknown = [{"arm": "a9", "probability": 1.0}]
    assert refused(rows, unknown) == {"pair_never_logged"}
    assert refused(rows[:300]) == {"effective_size_too_small"}
    rare = [{**row, "propensity": 0.0001} if i == 0 else row for i, row in enumerate(rows)]
    rare[0] |= {"context": "x0", "arm": "a2"}
    assert {"effective_size_too_small", "one_weight_dominates"} <= refused(rare)
    wrong = [{**row, "propensity": row["propensity"] / 1.5} for row in rows]
    assert refused(wrong) == {"propensities_do_not_fit"}
    half = [{"arm": "a0", "probability": 0.5}]
    assert refused(rows, half) == {"contradiction"}
    assert refused(rows, adaptive=True) == {"propensities_missing"}


def bandit(rng: np.random.Generator, steps: int) -> list[dict[str, Any]]:
    """Two equal arms at a half, Thompson sampling with each step's probability written down."""
    wins, tries = np.zeros(2), np.zeros(2)
    rows = []
    for t in range(steps):
        draws = rng.beta(1 + wins, 1 + tries - wins, size=(32, 2))
        share = min(max(float((draws[:, 0] > draws[:, 1]).mean()), 0.25), 0.75)
        chosen = int(rng.random() >= share)
        reward = float(rng.random() < 0.5)
        tries[chosen] += 1
        wins[chosen] += reward
        both = {"a0": share, "a1": 1.0 - share}
        rows.append(
            {
                "arm": f"a{chosen}",
                "reward": reward,
                "propensity": both[f"a{chosen}"],
                "propensities": both,
                "period": t,
            }
        )
    return rows


def test_a_bandits_log_is_weighed_by_its_steps() -> None:
    rng = np.random.default_rng(7)
    means, values, inside = [], [], 0
    target = [{"arm": "a0", "probability": 1.0}]
    for _ in range(24):
        rows = bandit(rng, 600)
        told = judged(rows, target, adaptive=True)
        means.append(np.mean([row["reward"] for row in rows if row["arm"] == "a0"]))
        values.append(told["doubly_robust"]["value"])
        low, high = told["doubly_robust"]["interval"]
        inside += low <= 0.5 <= high
        assert told["inverse_propensity"] is None
    assert np.mean(values) == pytest.approx(0.5, abs=3 * np.std(values) / len(values) ** 0.5)
    assert inside >= 24 * 0.9 - 3 * (24 * 0.09) ** 0.5
    assert np.mean(means) < np.mean(values)  # plain means are low
