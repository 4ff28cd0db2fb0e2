"""Interactions on simulated markets whose truth is known, beside the simulation's own optimum."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Logarithmic, Saturation, Tabulated
from shared.problem.lower import lower
from shared.problem.model import Channel, Interaction, Problem, SolverOptions
from shared.solve.certify.certificate import certify
from shared.solve.solver import solve_program

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "visible_synth"
pytestmark = pytest.mark.skipif(
    not (DATA / "truth.py").exists(), reason=f"the simulated sets are not at {DATA}"
)


def scorer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("truth", DATA / "truth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def market() -> dict[str, Any]:
    known = json.loads((DATA / "dev_campaign_daily_4ch_14c" / "truth.json").read_text())
    return known | {"_idx": {arm["id"]: i for i, arm in enumerate(known["arms"])}}


def curve_of(curve: dict[str, Any], budget: float, *, paired: bool) -> Saturation:
    beta, k = float(curve["beta"]), float(curve["k"])
    if curve["type"] == "hill":
        return Hill(beta, k, float(curve["slope"]))
    if curve["type"] == "exp":
        return Exponential(beta, 1.0 / k)
    if not paired:
        return Logarithmic(beta, k)
    # A logarithm has no ceiling: what it reaches at the whole budget is one, from points on it.
    spend = np.concatenate(([0.0], k * np.expm1(np.linspace(0, np.log1p(budget / k), 601)[1:])))
    return Tabulated(tuple(spend), tuple(beta * np.log1p(spend / k)))


def problem_of(truth: dict[str, Any], budget: float) -> Problem:
    arms = {arm["id"]: arm["curve"] for arm in truth["arms"]}
    ends = {pair[end] for pair in truth["interactions"] for end in "ab"}
    curves = {name: curve_of(c, budget, paired=name in ends) for name, c in arms.items()}
    links = []
    for pair in truth["interactions"]:
        # The truth multiplies what curves are times beta; a level is what they are over the most.
        sizes = [float(curves[pair[end]].supremum()) / arms[pair[end]]["beta"] for end in "ab"]
        names = tuple(pair[end].replace("/", " ") for end in "ab")
        links.append(Interaction(names, pair["gamma"] * sizes[0] * sizes[1]))
    return Problem(
        tuple(Channel(name.replace("/", " "), Response(c)) for name, c in curves.items()),
        budget,
        interactions=tuple(links),
        options=SolverOptions(gap=1e-6, time_limit_s=1.0),
    )


@pytest.mark.parametrize("which", ["mean", "1.2x"])
@pytest.mark.parametrize("logs", ["as they are", "exponential"])
def test_the_simulation_s_own_optimum_is_met(which: str, logs: str) -> None:
    truth, known = scorer(), market()
    budget = known["optimum"][which]["budget"]
    if logs == "exponential":
        for arm in known["arms"]:
            arm["curve"]["type"] = arm["curve"]["type"].replace("log", "exp")
    program = lower(problem := problem_of(known, budget))
    assert len(program.pairs) == 3
    solved = solve_program(program, problem.options)
    certificate = certify(program, solved.u, solved.proof)
    ours = truth.response(known, solved.u[:, 0])
    if logs == "exponential":
        _, best = truth.solve(known, budget, n=400)
        assert ours == pytest.approx(certificate.objective, rel=1e-9)
        assert certificate.relative_gap <= 1e-6
        hair = 1e-9
    else:
        best = known["optimum"][which]["value"]
        assert truth.score(known, solved.u[:, 0], which)["regret_pct"] <= 1e-3
        hair = 1e-5  # chords between points lie below the curves
    assert ours >= best * (1.0 - 1e-5)
    assert certificate.upper_bound >= best * (1.0 - hair)
