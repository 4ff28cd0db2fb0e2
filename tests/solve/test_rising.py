"""Media that get dearer beside carryover: bounds from any multipliers, and lines above them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.problem.lower import lower
from shared.problem.program import Program
from shared.problem.proof import Leaf, Node, Proof, SplitArgument, SplitDecision
from shared.solve.certify.certificate import certify
from shared.solve.rising import lines

Rng = np.random.Generator


def program(rng: Rng, **more: Any) -> Program:
    channels = []
    for name in "abc":
        curve = {
            "family": "hill",
            "max_response": float(rng.uniform(40, 120)),
            "half_saturation": float(rng.uniform(5, 40)),
            "shape": float(rng.choice([0.8, 1.0, 2.2])),
        }
        carry = {"family": "geometric", "decay": float(rng.uniform(0.1, 0.7))}
        channels.append(
            {
                "channel": name,
                "current_spend": float(rng.uniform(3, 30)),
                "max_spend": 40.0,
                "saturation": curve,
                "adstock": carry,
                **({"price_elasticity": float(rng.uniform(0.1, 0.9))} if name != "c" else {}),
            }
        )
    channels[0]["minimum_if_active"] = 8.0
    raw = {"channels": channels, "budget": 90.0, "horizon": {"periods": 3}, **more}
    return lower(problem_of(read_optimize(raw)))


def plans(task: Program, rng: Rng, count: int) -> list[np.ndarray]:
    """Allowed plans of all the money, near corners and in the middle."""
    out = []
    while len(out) < count:
        u = rng.gamma(rng.choice([0.2, 1.0, 4.0]), size=task.lower.shape)
        u[0] = np.where(rng.random(3) < 0.5, 0.0, u[0])
        u *= 90.0 / u.sum()
        if task.violation(u) <= 1e-9:
            out.append(u)
    return out


def tree(task: Program, rng: Rng) -> Proof:
    """A proof of two splits and three leaves with multipliers of no sense."""

    def leaf() -> Leaf:
        nu = rng.normal(size=task.weight.shape) * rng.choice([0.3, 3.0])
        return Leaf(rng.normal(size=len(task.rows.names)) * 3.0, nu)

    arm, at = int(rng.integers(3)), float(rng.uniform(1.0, 30.0))
    nodes: list[Node] = [
        SplitDecision(arm, int(rng.integers(3)), at, 1, 2),
        SplitArgument(int(rng.integers(3)), int(rng.integers(3)), at, 3, 4),
        leaf(),
        leaf(),
        leaf(),
    ]
    return Proof(tuple(nodes))


@pytest.mark.parametrize("seed", range(12))
def test_no_plan_is_above_the_bound_of_any_multipliers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [{"channels": ["a", "c"], "strength": float(rng.uniform(-60, 60))}]
    task = program(rng, interactions=pairs if seed % 3 == 0 else [])
    known = plans(task, rng, 40)
    best = max(task.objective(u) for u in known)
    for _ in range(5):
        found = certify(task, known[0], tree(task, rng))
        assert found.upper_bound >= best * (1.0 - 1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_lines_are_above_the_media_and_touch_where_they_should(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    task = program(rng)
    touched, *others = plans(task, rng, 30)
    straight = task.straight(lines(task, touched))
    assert straight.power is None
    for u in others:
        assert np.all(straight.adstocked(u) >= task.adstocked(u) * (1.0 - 1e-12))
    inside = np.maximum(touched, 9.0)
    near = task.straight(lines(task, inside))
    assert near.adstocked(inside) == pytest.approx(task.adstocked(inside), rel=1e-12)
    slopes = np.ones(task.weight.shape)
    assert near.through(inside, slopes) == pytest.approx(task.through(inside, slopes), rel=1e-9)
