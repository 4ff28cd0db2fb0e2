"""The committed brand is what the generator writes, and it is no flattery."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import samples
from samples.simulate import simulate
from samples.truth import steady_state
from shared.curves.curveset import Response
from shared.history.parse import parse
from shared.problem.lower import lower
from shared.problem.model import Channel, Problem, SolverOptions
from shared.solve.certify.certificate import certify
from shared.solve.solver import solve

HERE = Path(samples.__file__).parent
TRUTH = json.loads((HERE / "brand_truth.json").read_text())
SPEC = json.loads((HERE / "brand_spec.json").read_text())


@pytest.fixture(scope="module")
def brand():
    return simulate()


def same(ours, committed, path=""):
    """Equal structure and text, numbers equal to 1e-9."""
    if isinstance(ours, dict):
        assert list(ours) == list(committed), path
        for key, value in ours.items():
            same(value, committed[key], f"{path}/{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(committed), path
        for index, value in enumerate(ours):
            same(value, committed[index], f"{path}/{index}")
    elif isinstance(ours, float):
        # a flat optimum: the last bit of a value may move its allocation by a step of the search
        rel, abs_ = (1e-5, 0.1) if "/allocation/" in path else (1e-9, 1e-9)
        assert ours == pytest.approx(committed, rel=rel, abs=abs_), path
    else:
        assert ours == committed, path


def test_the_committed_table_is_what_the_generator_writes(brand):
    ours = list(csv.reader(brand.csv.splitlines()))
    committed = list(csv.reader((HERE / "brand.csv").read_text().splitlines()))
    assert len(ours) == len(committed) == 209
    assert ours[0] == committed[0]
    for row, other in zip(ours[1:], committed[1:], strict=True):
        assert (row[0], row[-1]) == (other[0], other[-1])
        np.testing.assert_allclose(
            np.array(row[1:-1], dtype=float), np.array(other[1:-1], dtype=float), rtol=1e-9
        )


def test_the_committed_spec_and_truth_are_what_the_generator_writes(brand):
    assert brand.spec == SPEC
    same(json.loads(json.dumps(brand.truth, allow_nan=False)), TRUTH)


@pytest.mark.parametrize("spec", [SPEC, None])
def test_the_brand_is_a_history(spec):
    parsed = parse(spec, (HERE / "brand.csv").read_bytes())
    history = parsed.history
    assert history.spend.shape == (208, 8)
    assert history.frequency == "week"
    assert history.control_names == ("promo", "price_index")
    assert {"black_friday", "christmas", "easter", "new_year"} == set(history.events) - {""}
    for c, channel in enumerate(TRUTH["channels"]):
        assert history.channels[c] == channel["channel"]
        assert history.spend[:, c].mean() == pytest.approx(channel["mean_spend"], rel=1e-12)
        assert history.spend[:, c].max() == channel["max_spend"]
    codes = [f.code for f in parsed.findings]
    assert "late_start" in codes  # online video
    assert "zero_spend" in codes  # bursts, and the pause of radio


def test_the_files_say_that_they_are_simulated():
    assert TRUTH["simulated"] is True
    assert TRUTH["options"]["seed"] == 7
    assert "**Everything here is simulated.**" in (HERE / "README.md").read_text()


@pytest.mark.parametrize("which", ["history_mean", "last_year_mean"])
def test_there_is_something_to_gain_but_no_miracle(which):
    best = TRUTH["optimum"][which]
    assert 0.10 < best["lift"] < 0.25
    assert best["value"] == pytest.approx(steady_state(TRUTH, best["allocation"]), rel=1e-12)
    assert best["current_value"] == pytest.approx(
        steady_state(TRUTH, best["current_allocation"]), rel=1e-12
    )
    moved = sum(
        abs(best["allocation"][name] - spend) for name, spend in best["current_allocation"].items()
    )
    assert moved > 0.3 * best["budget"]


@pytest.mark.parametrize("which", ["history_mean", "last_year_mean"])
def test_brute_force_and_the_products_solver_agree(which):
    best, upper = TRUTH["optimum"][which], TRUTH["optimum"]["upper"]
    channels = tuple(
        Channel(
            c["channel"],
            Response.from_dict({"saturation": c["saturation"], "adstock": c["adstock"]}),
            max_spend=upper[c["channel"]],
        )
        for c in TRUTH["channels"]
    )
    program = lower(Problem(channels, best["budget"]))
    solved = solve(program, SolverOptions())
    certificate = certify(program, solved.plan, solved.proof)
    assert certificate.objective == pytest.approx(best["value"], rel=1e-9)
    assert best["value"] <= certificate.upper_bound * (1 + 1e-9)
    assert certificate.objective <= best["upper_bound"]


def test_sales_and_spend_are_confounded_by_what_the_table_shows():
    history = parse(SPEC, (HERE / "brand.csv").read_bytes()).history
    promo = history.controls[:, 0]
    affiliates = history.spend[:, history.channels.index("affiliates")]
    assert np.corrcoef(promo, affiliates)[0, 1] > 0.5
    assert np.corrcoef(promo, history.outcome)[0, 1] > 0.3
    assert 0.15 < TRUTH["media_share"] < 0.4


def test_requests_are_json_in_the_contracts_names():
    paths = [p for p in sorted((HERE / "requests").glob("*.json")) if "_spec" not in p.stem]
    assert len(paths) >= 4
    for path in paths:
        body = json.loads(path.read_text())
        problem = body.get("problem") or body.get("base") or body
        assert problem.get("budget") or sum(problem["period_budgets"]) > 0, path
        assert problem.get("dataset") or all("response" in c for c in problem["channels"]), path
