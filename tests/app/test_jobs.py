"""Questions as jobs over HTTP: the same answers, fetched where 202 says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest

from samples.simulate import simulate
from shared.api import http, jobs
from shared.api.endpoints import ENDPOINTS
from shared.api.job_messages import JobAnswer
from tests.api.samples import optimize_request
from tests.app.client import Answer, Client
from tests.waiting import until

BRAND = simulate(seed=5, weeks=60, channels=2)
BASE = optimize_request()
QUESTIONS: dict[str, dict[str, Any]] = {
    "optimize": BASE,
    "scenarios": {"base": BASE, "scenarios": [{"name": "more", "changes": {"budget": 70000}}]},
    "evaluate": {
        "problem": BASE,
        "plan": [{"channel": "tv", "spend": 1000}, {"channel": "search", "spend": 15000}],
    },
    "sensitivity": {"base": BASE},
    "campaigns": {"base": BASE},
    "transition": {"base": BASE, "max_change": 0.2, "periods": 3},
    "experiment": {"base": BASE, "noise": 2000},
    "policies": {"base": {**BASE, "horizon": {"periods": 4}}, "channel": "tv", "levels": 5},
    "fit": {"history_csv": BRAND.csv, "spec": BRAND.spec},
}


def later(api: Client, name: str, document: Any) -> Answer:
    return api.post(name, document, prefer="respond-async")


def ended(api: Client, answer: Answer) -> dict[str, Any]:
    """The job at its end; until then it is told with 202 and where to ask next."""
    told: list[Answer] = []

    def done() -> bool:
        told.append(api.get(answer.headers["location"]))
        return told[-1].status != 202

    until(done, pause_s=0.05)
    for status in told[:-1]:
        assert status.headers["location"] == answer.headers["location"]
        assert int(status.headers["retry-after"]) > 0
        assert status.json["runtime_status"] in ("Pending", "Running")
    JobAnswer.model_validate(told[-1].json)
    return dict(told[-1].json)


def test_these_are_all_the_questions() -> None:
    # A portfolio is of stored datasets alone: test_portfolio has it.
    asked = {*QUESTIONS, "portfolio"}
    assert asked == {endpoint.name for endpoint in ENDPOINTS if endpoint.long}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_job_answers_what_the_question_answers(api: Client, name: str) -> None:
    answer = later(api, name, QUESTIONS[name])
    assert answer.status == 202, answer.body
    assert answer.headers["preference-applied"] == "respond-async"
    assert int(answer.headers["retry-after"]) > 0
    assert (answer.json["question"], answer.json["runtime_status"]) == (name, "Pending")
    job = ended(api, answer)
    now = api.post(name, QUESTIONS[name])
    assert now.status == 200, now.body
    assert (job["runtime_status"], job["attempt"]) == ("Completed", 1)
    assert without_id(job["output"]) == without_id(now.json)


def without_id(answer: Any) -> Any:
    """An answer but for times and ids, at any depth."""
    if isinstance(answer, list):
        return [without_id(part) for part in answer]
    if not isinstance(answer, dict):
        return answer
    own = ("request_id", "solve_ms", "created_at", "version")
    return {key: without_id(part) for key, part in answer.items() if key not in own}


def test_what_cannot_be_asked_is_refused_at_once(api: Client) -> None:
    wrong = later(api, "optimize", {**BASE, "budget": -1})
    assert wrong.status == 422
    assert list(wrong.errors()) == ["/budget"]
    assert later(api, "optimize", {"dataset": "nobody-has-this", "budget": 1}).status == 404
    assert later(api, "transition", {"base": BASE, "max_change": 9}).status == 422
    assert later(api, "fit", {"history_csv": "a,b\n1,2\n"}).status == 422


def test_what_has_no_answer_fails_with_the_problem(api: Client) -> None:
    channels = [{**c, "max_change": None, "min_spend": 50000} for c in BASE["channels"]]
    impossible = {**BASE, "channels": channels}
    job = ended(api, later(api, "optimize", impossible))
    now = api.post("optimize", impossible)
    assert now.status == 422
    assert job["runtime_status"] == "Failed"
    assert without_id(job["output"]) == without_id(now.json)
    assert job["output"]["conflicts"]


def test_a_job_of_a_dataset_goes_with_it(api: Client, fitted: str) -> None:
    answer = later(api, "optimize", {"dataset": fitted, "budget": 100})
    assert fitted in answer.headers["location"]
    assert ended(api, answer)["output"]["curves_version"]


def test_no_such_job(api: Client) -> None:
    for method in ("GET", "DELETE"):
        assert api.send(method, "jobs/j0123456789abcdef").status == 404
        assert api.send(method, "jobs/x").status == 404


def test_a_job_that_is_done_stays_done(api: Client) -> None:
    answer = later(api, "optimize", BASE)
    job = ended(api, answer)
    cancelled = api.send("DELETE", answer.headers["location"])
    assert (cancelled.status, cancelled.json) == (200, job)


# -- in this process ------------------------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app without a host: queued jobs stay queued."""
    monkeypatch.setenv("AzureWebJobsStorage", "memory")
    http.service.cache_clear()
    yield
    http.service.cache_clear()


def asked(method: str, name: str, body: Any = None, **route: str) -> func.HttpResponse:
    return http.respond(
        func.HttpRequest(
            method,
            f"http://host/api/v1/{name}",
            headers={"content-type": "application/json"},
            route_params=route,
            body=b"" if body is None else json.dumps(body).encode(),
        ),
        name,
    )


@pytest.mark.usefixtures("alone")
def test_what_is_estimated_to_take_long_becomes_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked("POST", "optimize", BASE).status_code == 200
    monkeypatch.setattr(jobs, "LONGEST_NOW_S", 0.0)
    answer = asked("POST", "optimize", BASE)
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    assert answer.headers["Location"].startswith("http://host/api/v1/jobs/j")
    job = answer.headers["Location"].rpartition("/")[2]
    ended = json.loads(asked("DELETE", "cancel_job", job=job).get_body())
    assert (ended["runtime_status"], ended["output"]) == ("Terminated", None)
    # Cancelled, it is never asked.
    http.service().work_job(json.dumps({"dataset": "INLINE", "incarnation": "0" * 12, "run": job}))
    assert json.loads(asked("GET", "get_job", job=job).get_body()) == ended


@pytest.mark.usefixtures("alone")
def test_what_is_waited_for_ends_and_names_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_end(*_: Any, **__: Any) -> None:
        while True:
            pass

    monkeypatch.setattr(jobs, "_END_S", 0.05)
    monkeypatch.setattr(http.service(), "optimize", without_end)
    answer = asked("POST", "optimize", BASE)
    problem = json.loads(answer.get_body())
    assert (answer.status_code, problem["type"]) == (504, "urn:marginal:problem:takes_too_long")
    assert "Prefer: respond-async" in problem["detail"]


def test_a_worker_asks_questions_only() -> None:
    with pytest.raises(Exception, match="no question"):
        jobs.perform("delete_dataset", b"{}", 1.0)
