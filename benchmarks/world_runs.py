"""One history of a world that is not the model's: the product's fit and plan, and what is true.

What is kept of it are plain figures (``Run``), so that a run of hours can be stopped and goes on,
and every table is made of what is kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from benchmarks.fit_plans import LOW_HIGH, plan_over
from samples.worlds.world import Test, World
from shared.fit.pipeline import fit_history
from shared.history.parse import parse

__all__ = ["CASES", "Channel", "Run", "best_of", "kept", "lift_tests_of", "run"]

Floats = NDArray[np.float64]

CASES = ("plain", "untold", "told", "every")
"""Without lift tests; two inside the history, untold and told; every channel, outside it."""

THIN = "evidence_too_thin_to_move"
_STARTS = 4


@dataclass(frozen=True, slots=True)
class Channel:
    """What was stated of a channel's return over the history (90 %), and what is true."""

    name: str
    captures: bool
    true: float
    low: float
    mean: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Run:
    """A plan for one history: uplifts are a week's outcome over keeping the history's means.

    ``low`` and ``high`` are its 90 % interval as stated; ``possible`` is the best plan's uplift.
    """

    kind: str
    seed: int
    case: str
    true: float
    possible: float
    stated: float
    low: float
    high: float
    probability: float
    promoted: bool
    warned: bool
    channels: tuple[Channel, ...]
    cpu_s: float


def lift_tests_of(world: World, case: str) -> tuple[Test, ...]:
    """The lift tests of a case: half more spend for eight weeks, errors a quarter of the effect.

    Inside the history the two largest channels are tested one after the other.
    """
    if case == "plain":
        return ()
    order = [world.arms[c] for c in np.argsort(-world.spend.sum(axis=0))]
    if case == "every":
        return tuple(Test(name, first=10 + 8 * i, in_history=False) for i, name in enumerate(order))
    return tuple(Test(name, first=world.weeks - 40 + 14 * i) for i, name in enumerate(order[:2]))


def best_of(world: World, low: Floats, high: Floats, also: Floats | None = None) -> Floats:
    """The best plan of the history's money within bounds, as far as an ascent from many finds.

    Sequential quadratic programming from the history, from random plans and from ``also``. Worlds
    are smooth, and their plans few-dimensional: a grid agrees (tests).
    """
    mean, money = world.mean, float(world.mean.sum())
    rng = np.random.default_rng(world.seed)
    starts = [np.ones(mean.size), *rng.uniform(low / mean, high / mean, (_STARTS - 1, mean.size))]
    if also is not None:
        starts.append(also / mean)
    kept = world.value(mean)
    step = 1e-5

    def fall(x: Floats) -> tuple[float, Floats]:
        values = world.values(np.stack([x, *(x + step * np.eye(x.size))]) * mean)
        return -100.0 * (values[0] / kept - 1.0), -100.0 * (values[1:] - values[0]) / step / kept

    rule = LinearConstraint(mean / money, 1.0, 1.0)
    bounds = list(zip(low / mean, high / mean, strict=True))
    plans = [mean] if also is None else [mean, also]
    for start in starts:
        found = minimize(
            fall,
            start,
            jac=True,
            method="SLSQP",
            bounds=bounds,
            constraints=rule,
            options={"maxiter": 60, "ftol": 1e-7},
        )
        plan = np.clip(found.x, low / mean, high / mean) * mean
        if abs(plan.sum() / money - 1.0) < 1e-6:
            plans.append(plan)
    return np.asarray(plans[int(np.argmax(world.values(np.stack(plans))))])


def run(kind: str, seed: int, case: str, fit: Callable[..., Any] = fit_history) -> Run:
    """Upload, fit, plan; then ask the world."""
    world = World(kind, seed)
    if tests := lift_tests_of(world, case):
        world = World(kind, seed, tests)
    spec = world.spec
    if case == "untold":
        spec.pop("lift_tests")
    parsed = parse(spec, world.csv.encode())
    began = time.process_time()
    result = fit(parsed.history, parsed.spec)
    cpu_s = time.process_time() - began
    plan, told = plan_over(world, result.curve_set)
    low, high = (share * world.mean for share in LOW_HIGH)
    kept, totals = world.value(world.mean), told["totals"]
    best = world.value(best_of(world, low, high, plan))
    ends = totals["uplift_interval"]
    by_name = {curve.channel: curve for curve in result.curve_set.channels}
    channels = []
    for channel, true in zip(world.channels, world.returns, strict=True):
        curve = by_name[channel.name]
        if curve.roi is not None and curve.roi.interval is not None:
            around = curve.roi.interval
            channels.append(
                Channel(
                    name=channel.name,
                    captures=channel.captures,
                    true=float(true),
                    low=around[0],
                    mean=curve.roi.mean,
                    high=around[1],
                    verdict=curve.verdict,
                )
            )
    return Run(
        kind=kind,
        seed=seed,
        case=case,
        true=world.value(plan) - kept,
        possible=best - kept,
        stated=totals["uplift"],
        low=ends[0],
        high=ends[1],
        probability=totals["probability_better"],
        promoted=bool(result.promote),
        warned=any(item["code"] == THIN for item in told["warnings"]),
        channels=tuple(channels),
        cpu_s=cpu_s,
    )


def kept(folder: Path | None, kind: str, seed: int, case: str) -> Run:
    """The run that ``folder`` has, or one made now and put there."""
    place = None if folder is None else folder / f"world-{kind}-{seed}-{case}.json"
    if place is not None and place.exists():
        told = json.loads(place.read_text("utf-8"))
        told["channels"] = tuple(Channel(**item) for item in told["channels"])
        return Run(**told)
    made = run(kind, seed, case)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(asdict(made)), "utf-8")
    return made
