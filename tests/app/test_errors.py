"""Every kind of refusal over HTTP: status, problem details, pointer and message."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.api.samples import optimize_request
from tests.app.client import Answer, Client


def assert_problem(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.media == "application/problem+json"
    problem = dict(answer.json)
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["type"]
    assert problem["title"]
    assert problem["detail"]
    assert not re.search(r"Traceback|File \"|/work|/home|site-packages", answer.body.decode())
    return problem


@pytest.mark.parametrize("path", ["optimize", "evaluate", "scenarios", "fit"])
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "no body"),
        (b"{", 400, "not JSON"),
        (b'{"budget": \xff}', 400, "not UTF-8"),
        (b'{"budget": 1, "budget": 2}', 400, "'budget' is given twice"),
        (b'{"budget": NaN}', 400, "finite number"),
        (b'{"budget": -Infinity}', 400, "finite number"),
        (b'{"budget": 1e999}', 422, "finite number"),
        (b"[]", 422, "must be an object; it is a list"),
        (b'"text"', 422, "must be an object"),
        (b"null", 422, "must be an object"),
        (b"[" * 200 + b"]" * 200, 413, "nested"),
        (b'{"dataset": "' + b"x" * 20_000 + b'"}', 413, "10000 long"),
        (b'{"fit": "' + b"x" * 5_000_000 + b'"}', 413, "larger than 5 MB"),
    ],
    ids=lambda value: value[:16].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_bodies_that_cannot_be_read(
    api: Client, path: str, body: bytes, status: int, message: str
) -> None:
    problem = assert_problem(api.post(path, body), status)
    assert message in problem["detail"]


def test_nan_is_told_where_it_stands(api: Client) -> None:
    body = json.dumps(optimize_request()).replace("60000}", "NaN}").replace("40000", "Infinity")
    answer = api.post("optimize", body.encode())
    assert_problem(answer, 400)
    assert set(answer.errors()) == {
        "/budget",
        "/channels/0/response/saturation/half_saturation",
    }


@pytest.mark.parametrize("media", ["text/plain", "text/csv", "application/x-www-form-urlencoded"])
def test_other_content_types(api: Client, media: str) -> None:
    answer = api.send("POST", "optimize", b"{}", {"content-type": media})
    assert "application/json" in assert_problem(answer, 415)["detail"]


def test_too_many_channels_are_refused_at_once(api: Client) -> None:
    raw = {"budget": 1, "channels": [{"channel": str(i)} for i in range(10_001)]}
    assert "10001 channels" in assert_problem(api.post("optimize", raw), 413)["detail"]
    assert_problem(api.post("scenarios", {"base": raw}), 413)
    assert_problem(api.post("evaluate", {"problem": raw, "plan": []}), 413)


def test_all_faults_at_once_with_pointers(api: Client) -> None:
    raw = optimize_request(budget=-1, solver={"method": "magic"})
    raw["channels"][0]["min_spend"] = 70000
    raw["channels"][1]["max_spent"] = 1
    answer = api.post("optimize", raw)
    assert_problem(answer, 422)
    errors = answer.errors()
    assert set(errors) == {
        "/budget",
        "/solver/method",
        "/channels/0/max_spend",
        "/channels/1/max_spent",
    }
    assert errors["/channels/0/max_spend"][1] == (
        "max_spend of tv (60,000) is below its min_spend (70,000)."
    )
    assert "Did you mean 'max_spend'" in errors["/channels/1/max_spent"][1]


def test_an_impossible_request_names_its_smallest_conflict(api: Client) -> None:
    raw = optimize_request(budget=1000)
    raw["channels"][0]["locked"] = True
    problem = assert_problem(api.post("optimize", raw), 422)
    names = {conflict["name"] for conflict in problem["conflicts"]}
    # tv alone (locked at 30,000) already breaks a budget of 1,000.
    assert names == {"tv.locked", "budget"}
    assert all(conflict["missed_by"] == pytest.approx(29000) for conflict in problem["conflicts"])
    assert all(conflict["message"] for conflict in problem["conflicts"])


@pytest.mark.parametrize(
    ("raw", "errors"),
    [
        ({}, {"/base": "required"}),
        ({"base": optimize_request()}, {"/scenarios": "required"}),
        (
            {"base": optimize_request(budget=-1), "scenarios": [{"name": "a", "chnges": {}}]},
            {"/base/budget": "out_of_range", "/scenarios/0/chnges": "unknown_field"},
        ),
        (
            {"base": optimize_request(), "scenarios": [{"name": "a"}, {"name": "a"}]},
            {"/scenarios/1/name": "duplicate"},
        ),
        (
            {
                "base": optimize_request(),
                "scenarios": [
                    {"name": "a", "changes": {"budget": -1}},
                    {"name": "b", "changes": {"channels": {"search": {"max_spend": "x"}}}},
                    {"name": "c", "changes": [{"path": "/channels/tv/prise", "value": 1}]},
                    {"name": "d", "changes": {"channels": {"radio": None}}},
                    {"name": "e", "changes": {"channels": {"radio": {"max_spend": 5}}}},
                    {"name": "f", "plan": [{"channel": "tv", "spend": 1}]},
                    {"name": "g", "changes": {"budget": None}},
                    {"name": "h", "changes": {"horizon": {"periods": 0}}},
                ],
            },
            {
                "/scenarios/0/changes/budget": "out_of_range",
                "/scenarios/1/changes/channels/search/max_spend": "wrong_type",
                "/scenarios/2/changes/0": "unknown_field",
                "/scenarios/3/changes/channels/radio": "unknown_channel",
                "/scenarios/4/changes/channels/radio": "required",
                "/scenarios/5/plan": "missing_channel",
                "/scenarios/6/changes/budget": "required",
                "/scenarios/7/changes/horizon/periods": "out_of_range",
            },
        ),
        (
            {"base": optimize_request(), "frontier": {"points": 5}},
            {"/frontier/between": "required"},
        ),
        (
            {"base": optimize_request(), "sweep": {"budget": []}},
            {"/sweep/budget": "too_short"},
        ),
    ],
)
def test_faults_of_scenarios(api: Client, raw: dict[str, Any], errors: dict[str, str]) -> None:
    answer = api.post("scenarios", raw)
    assert_problem(answer, 422)
    assert {pointer: code for pointer, (code, _) in answer.errors().items()} == errors


def test_faults_of_an_evaluation(api: Client) -> None:
    plan = [{"channel": "tv", "spend": 1}, {"channel": "serch", "spend": 1}]
    answer = api.post("evaluate", {"problem": optimize_request(), "plan": plan})
    assert_problem(answer, 422)
    assert answer.errors() == {
        "/plan/1/channel": (
            "unknown_channel",
            "There is no channel 'serch'. Did you mean 'search'?",
        ),
        "/plan": (
            "missing_channel",
            "The plan leaves out search: say 0 where nothing is to be spent.",
        ),
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "datasets/nobody/history"),
        ("GET", "datasets/nobody/spec"),
        ("GET", "datasets/nobody/outcomes"),
        ("GET", "datasets/nobody/curves"),
        ("GET", "datasets/nobody/curves/versions"),
        ("GET", "datasets/nobody/curves/latest"),
        ("GET", "datasets/nobody/curves/v20250101T000000Z-abc"),
        ("GET", "datasets/nobody/runs/abc"),
        ("POST", "datasets/nobody/refit"),
        ("POST", "datasets/nobody/curves/v20250101T000000Z-abc/promote"),
        ("DELETE", "datasets/nobody"),
    ],
)
def test_what_is_not_there(api: Client, method: str, path: str) -> None:
    assert_problem(api.send(method, path, b"" if method == "POST" else None), 404)


def test_a_dataset_that_is_not_there(api: Client) -> None:
    assert_problem(api.post("optimize", {"dataset": "nobody", "budget": 1}), 404)
    raw = {"dataset": "nobody", "curves_version": "v20250101T000000Z-abc", "budget": 1}
    assert_problem(api.post("optimize", raw), 404)


@pytest.mark.parametrize("bad", ["Brand", "a%20b", "..%2Fother", "%2e%2e", "x" * 64, "a.b", "-a"])
def test_names_of_datasets_are_checked_at_the_edge(api: Client, bad: str) -> None:
    for method, path in (("GET", "curves"), ("GET", "history"), ("POST", "refit")):
        answer = api.send(method, f"datasets/{bad}/{path}", b"" if method == "POST" else None)
        # A host may resolve dots itself: then there is no such route.
        assert answer.status in (404, 422)
        if answer.body:
            assert_problem(answer, answer.status)
    answer = api.post("optimize", {"dataset": "../other", "budget": 1})
    assert_problem(answer, 422)
    assert "/dataset" in answer.errors()


@pytest.mark.parametrize("version", ["v1", "..%2F..%2Fspec", "x" * 300])
def test_versions_are_checked_at_the_edge(api: Client, fitted: str, version: str) -> None:
    assert api.get(f"datasets/{fitted}/curves/{version}").status == 404
    assert api.get(f"datasets/{fitted}/runs/{version}").status == 404
    raw = {"dataset": fitted, "curves_version": "../../spec", "budget": 1}
    assert_problem(api.post("optimize", raw), 404)


def test_a_request_id_is_echoed_in_errors_too(api: Client) -> None:
    answer = api.post("optimize", {}, x_request_id="mine-1")
    assert assert_problem(answer, 422)["request_id"] == "mine-1"


def test_a_flood_of_faults_is_cut_and_says_so(api: Client) -> None:
    raw = {"budget": 1, "channels": [{"channel": f"c{i}", "max_spent": 1} for i in range(5_000)]}
    problem = assert_problem(api.post("optimize", raw), 422)
    assert len(problem["errors"]) == 200
    assert problem["more_errors"] is True
    plan = [{"channel": f"x{i}", "spend": 1} for i in range(5_000)]
    problem = assert_problem(
        api.post("evaluate", {"problem": optimize_request(), "plan": plan}), 422
    )
    assert problem["more_errors"] is True
