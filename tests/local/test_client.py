"""The client's errors: what a person at the terminal reads."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import azure.functions as func
import pytest

from client.marginal_client import Client, RefusedError, UnreachableError
from local.config import HostConfig
from local.host import serve
from shared.store.memory import MemoryQueue
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    app = func.FunctionApp()

    @app.route(route="echo", methods=["POST", "PUT"])
    def echo(req: func.HttpRequest) -> func.HttpResponse:
        told = {"type": req.headers["content-type"], "body": req.get_body().decode()}
        return func.HttpResponse(json.dumps(told), mimetype="application/json")

    @app.route(route="gone", methods=["GET"])
    def gone(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(status_code=204, headers={"X": req.method})

    @app.route(route="bad", methods=["GET"])
    def bad(req: func.HttpRequest) -> func.HttpResponse:
        problem = {
            "title": req.method,
            "detail": "Two things are wrong.",
            "errors": [
                {"pointer": "/a", "message": "A is missing."},
                {"pointer": "", "message": "It is all too much."},
            ],
        }
        return func.HttpResponse(json.dumps(problem), status_code=422)

    @app.route(route="html", methods=["GET"])
    def html(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"<p>{req.method}</p>", status_code=502)

    @app.route(route="one", methods=["GET"])
    def one(req: func.HttpRequest) -> func.HttpResponse:
        fault = {"pointer": "/rows/8/tv", "message": "Row 8 is wrong."}
        problem = {"title": req.method, "detail": "Row 8 is wrong.", "errors": [fault]}
        return func.HttpResponse(json.dumps(problem), status_code=422)

    @app.route(route="limits", methods=["GET"])
    def limits(req: func.HttpRequest) -> func.HttpResponse:
        conflict = {"name": "tv.max_spend", "message": "At most 10.", "missed_by": 5}
        problem = {"title": req.method, "detail": "It does not fit.", "conflicts": [conflict]}
        return func.HttpResponse(json.dumps(problem), status_code=422)

    with serve(
        functions=app.get_functions(), config=HostConfig(), open_queue=lambda n: MemoryQueue(n)
    ) as host:
        yield Client(host.url, timeout_s=PATIENCE_S, tries=1)


def test_json_and_csv_are_sent_as_what_they_are(client: Client) -> None:
    assert client.post("echo", {"a": 1}) == {"type": "application/json", "body": '{"a": 1}'}
    assert client.put_json("echo", {"b": 2})["body"] == '{"b": 2}'
    assert client.put_csv("echo", b"a,b\n") == {"type": "text/csv", "body": "a,b\n"}
    assert client.post("echo")["body"] == ""


def test_no_content_is_none(client: Client) -> None:
    assert client.get("gone") is None


def test_every_fault_of_a_refusal_is_told(client: Client) -> None:
    with pytest.raises(RefusedError) as caught:
        client.get("bad")
    assert caught.value.status == 422
    assert str(caught.value).splitlines() == [
        "Two things are wrong.",
        "  /a: A is missing.",
        "  request: It is all too much.",
    ]


def test_a_single_fault_is_told_once(client: Client) -> None:
    with pytest.raises(RefusedError) as caught:
        client.get("one")
    assert str(caught.value).splitlines() == ["Row 8 is wrong.", "  (at /rows/8/tv)"]


def test_limits_that_contradict_are_told_by_name(client: Client) -> None:
    with pytest.raises(RefusedError, match=r"tv\.max_spend: At most 10\."):
        client.get("limits")


@pytest.mark.parametrize(("path", "status"), [("html", 502), ("nowhere", 404)])
def test_an_error_that_is_no_problem_document(client: Client, path: str, status: int) -> None:
    with pytest.raises(RefusedError, match=f"HTTP {status}"):
        client.get(path)


def test_a_proxy_of_the_environment_is_not_asked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert client.get("gone") is None


def test_nobody_there() -> None:
    with socket.socket() as silent:  # its port is taken, and nobody listens at it
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(UnreachableError, match="does not answer"):
            Client(f"http://127.0.0.1:{port}/api/v1", timeout_s=PATIENCE_S, tries=1).get("health")
