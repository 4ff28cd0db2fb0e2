"""The wrapper: what it reads, which status an error has, and what it never tells."""

from __future__ import annotations

import gzip
import json
import logging
from typing import Any

import azure.functions as func
import pytest

from shared import errors
from shared.api import http
from shared.api.endpoints import ENDPOINTS, Endpoint
from shared.api.http import Call, Reply, nothing_there
from shared.errors import Conflict, Fault, Infeasible, InvalidInput, MarginalError
from shared.errors import StorageUnavailable as Unavailable

JSON = ("application/json",)


def asked(body: bytes = b"{}", reads: tuple[str, ...] = JSON, **headers: str) -> func.HttpRequest:
    del reads
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return func.HttpRequest(
        "POST",
        "http://host/api/v1/x?y=1",
        headers={"content-type": "application/json", **named},
        params={"y": "1"},
        route_params={"dataset": "brand"},
        body=body,
    )


def answered(request: func.HttpRequest, endpoint: Any, reads: tuple[str, ...] = JSON) -> Any:
    return http.answered(request, of(endpoint, reads))


def of(handler: Any, reads: tuple[str, ...] = JSON) -> Endpoint:
    return Endpoint(
        name="x", method="POST", route="x", summary="", handler=handler, reads=reads, query=("y",)
    )


def raising(error: Exception) -> Any:
    def endpoint(_: Call) -> Reply:
        raise error

    return endpoint


def echo(call: Call) -> Reply:
    return Reply({"json": call.json, "path": call.path, "base": call.base_url}, stamped=True)


def body_of(response: func.HttpResponse) -> dict[str, Any]:
    return dict(json.loads(response.get_body()))


def test_an_answer_is_json_with_the_request_id_in_header_and_body() -> None:
    response = answered(asked(b'{"a": 1}', x_request_id="abc-1"), echo)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.headers["x-request-id"] == "abc-1"
    assert body_of(response) == {
        "json": {"a": 1},
        "path": "/api/v1/x",
        "base": "http://host",
        "request_id": "abc-1",
    }


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "a\nb", "<script>", "-x"])
def test_a_strange_request_id_is_replaced(given: str) -> None:
    response = answered(asked(x_request_id=given), echo)
    made = response.headers["x-request-id"]
    assert made != given
    assert len(made) == 32
    assert body_of(response)["request_id"] == made


STATUS: list[tuple[MarginalError, int]] = [
    (errors.MalformedInput.at("", "malformed", "No."), 400),
    (InvalidInput.at("/a", "x", "No."), 422),
    (errors.NotSupportedYet.at("/a", "x", "No."), 422),
    (Infeasible("No.", [Conflict("budget", "No.", 5.0)]), 422),
    (errors.InputTooLarge("No."), 413),
    (errors.UnsupportedContent("No."), 415),
    (errors.NotFound("No."), 404),
    (errors.WriteConflict("No."), 409),
    (errors.PreconditionFailed("No."), 412),
    (Unavailable("No.", retry_after_s=7), 503),
    (errors.TakesTooLong("No."), 504),
]


@pytest.mark.parametrize(("error", "status"), STATUS, ids=lambda x: type(x).__name__)
def test_every_error_has_its_status_and_is_a_problem(error: MarginalError, status: int) -> None:
    response = answered(asked(x_request_id="abc"), raising(error))
    problem = body_of(response)
    assert response.status_code == problem["status"] == status
    assert response.mimetype == "application/problem+json"
    assert problem["detail"] == "No."
    assert problem["type"].startswith("urn:marginal:problem:")
    assert problem["title"]
    assert problem["request_id"] == response.headers["x-request-id"] == "abc"


def test_the_table_knows_every_error() -> None:
    raised = {type(error) for error, _ in STATUS} | {MarginalError}
    known = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, MarginalError)
    }
    assert raised == known


def test_faults_conflicts_and_retry_after() -> None:
    faults = [Fault("/a", "x", "One."), Fault("/b", "y", "Two.")]
    problem = body_of(answered(asked(), raising(InvalidInput(faults))))
    assert problem["errors"] == [
        {"pointer": "/a", "code": "x", "message": "One."},
        {"pointer": "/b", "code": "y", "message": "Two."},
    ]
    conflict = Conflict("tv.min_spend", "tv needs 5.", 3.0)
    problem = body_of(answered(asked(), raising(Infeasible("No plan.", [conflict]))))
    assert problem["conflicts"] == [
        {"name": "tv.min_spend", "message": "tv needs 5.", "missed_by": 3.0}
    ]
    response = answered(asked(), raising(Unavailable("Later.", retry_after_s=7)))
    assert response.headers["Retry-After"] == "7"


def test_a_flood_of_faults_is_cut_and_says_so() -> None:
    faults = [Fault(f"/{i}", "x", "No.") for i in range(1000)]
    problem = body_of(answered(asked(), raising(InvalidInput(faults))))
    assert len(problem["errors"]) == 200
    assert problem["more_errors"] is True
    assert body_of(answered(asked(), raising(InvalidInput(faults[:3]))))["more_errors"] is False


def test_what_is_unexpected_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    secret = "AccountKey=abc /srv/app/shared/store.py"
    with caplog.at_level(logging.ERROR, "marginal"):
        response = answered(asked(x_request_id="abc"), raising(RuntimeError(secret)))
    text = response.get_body().decode()
    assert response.status_code == 500
    assert "AccountKey" not in text
    assert "shared" not in text
    assert "Traceback" not in text
    assert body_of(response)["request_id"] == "abc"
    assert "abc" in caplog.text
    assert secret in caplog.text


def test_an_answer_that_is_no_json_is_an_error_of_ours() -> None:
    response = answered(asked(), lambda _: Reply({"x": float("nan")}))
    assert response.status_code == 500


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON; charset="UTF-8"', 200),
        ("application/merge-patch+json", 200),
        ("text/csv", 415),
        ("text/plain", 415),
        ("", 415),
        ("application/json; charset=latin-1", 415),
    ],
)
def test_content_types(content_type: str, status: int) -> None:
    request = func.HttpRequest(
        "POST", "http://host/x", headers={"content-type": content_type}, body=b"{}"
    )
    assert answered(request, echo).status_code == status


def test_a_packed_body_is_refused_as_such() -> None:
    response = answered(asked(content_encoding="gzip"), echo)
    assert response.status_code == 415
    assert "Send the body as it is; its encoding is 'gzip'." in body_of(response)["detail"]
    assert answered(asked(content_encoding="identity"), echo).status_code == 200


def test_five_megabytes_are_the_limit() -> None:
    fits = b'{"history_csv": "' + b"x" * (5_000_000 - 19) + b'"}'
    assert len(fits) == 5_000_000
    assert answered(asked(fits), lambda _: Reply({"ok": True})).status_code == 200
    response = answered(asked(fits + b" "), echo)
    assert response.status_code == 413
    assert body_of(response)["detail"] == "The body is larger than 5 MB."


@pytest.mark.parametrize("length", ["5000001", "9" * 5000])
def test_a_declared_length_is_enough_to_refuse(length: str) -> None:
    assert answered(asked(b"{}", content_length=length), echo).status_code == 413


def test_an_endpoint_that_reads_nothing_ignores_a_body() -> None:
    request = func.HttpRequest("GET", "http://host/x", headers={}, body=b"\xff")
    assert body_of(answered(request, echo, ()))["json"] is None


def test_bytes_go_out_as_they_are() -> None:
    reply = Reply(b"a,b\n1,2\n", content_type="text/csv", headers={"ETag": '"1"'})
    response = answered(asked(), lambda _: reply)
    assert response.get_body() == b"a,b\n1,2\n"
    assert response.mimetype == "text/csv"
    assert response.headers["ETag"] == '"1"'


# -- what clients of HTTP expect ------------------------------------------------------------------


def got(handler: Any, method: str = "GET", query: str = "", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = dict(part.split("=") for part in query.split("&")) if query else {}
    request = func.HttpRequest(method, "http://host/x", headers=named, params=given, body=b"")
    return http.answered(request, of(handler, ()))


def tagged(_: Call) -> Reply:
    return Reply({"a": "b" * 3000}, headers={"ETag": '"7"'})


@pytest.mark.parametrize(
    ("known", "status"),
    [('"7"', 304), ('W/"7"', 304), ('"6", "7"', 304), ("*", 304), ('"6"', 200), ("7", 200)],
)
def test_what_the_caller_has_is_not_sent_again(known: str, status: int) -> None:
    response = got(tagged, if_none_match=known)
    assert response.status_code == status
    assert response.headers["ETag"] == '"7"'
    assert bool(response.get_body()) == (status == 200)
    assert got(lambda _: Reply({}), if_none_match="*").status_code == 200  # it has no tag


def test_head_is_the_answer_without_its_body() -> None:
    full, head = got(tagged), got(tagged, "HEAD")
    assert head.get_body() == b""
    assert head.headers["ETag"] == full.headers["ETag"]
    assert head.status_code == full.status_code


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("", False),
    ],
)
def test_an_answer_is_packed_for_who_can_unpack_it(accepted: str, packed: bool) -> None:
    response = got(tagged, accept_encoding=accepted)
    assert (response.headers.get("Content-Encoding") == "gzip") is packed
    body = response.get_body()
    assert json.loads(gzip.decompress(body) if packed else body) == {"a": "b" * 3000}
    assert response.headers["Vary"] == "Accept-Encoding"
    small = got(lambda _: Reply({"a": 1}), accept_encoding="gzip")
    assert "Content-Encoding" not in small.headers


def test_a_query_parameter_that_nobody_reads_is_refused() -> None:
    response = got(tagged, query="z=1")
    assert response.status_code == 422
    (fault,) = body_of(response)["errors"]
    assert (fault["pointer"], fault["code"]) == ("/z", "unknown_parameter")
    # A key may come in the address: the platform's own parameters are none of ours.
    assert got(tagged, query="code=KEY&clientId=default&y=1").status_code == 200


def test_a_host_that_is_none_is_the_callers_fault(caplog: pytest.LogCaptureFixture) -> None:
    request = func.HttpRequest("POST", "http://[::1/x", headers={}, body=b"")
    response = http.answered(request, of(echo, ()))
    assert response.status_code == 400
    assert not caplog.records


def missed(path: str, method: str = "GET", **headers: str) -> func.HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return nothing_there(
        func.HttpRequest(
            method, "http://host/y", headers=named, route_params={"path": path}, body=b""
        )
    )


def test_a_path_that_is_none_is_a_problem() -> None:
    response = missed("datasets/brand/specs")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert body_of(response)["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_a_method_that_a_path_has_not_names_those_that_it_has(endpoint: Endpoint) -> None:
    path = endpoint.route.replace("{", "").replace("}", "")
    response = missed(path.upper(), "TRACE")
    assert response.status_code == 405
    assert endpoint.method in response.headers["Allow"].split(", ")


def test_pages_elsewhere_are_answered_by_the_setting_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page, other = "https://page.example", "https://other.example"
    assert "Access-Control-Allow-Origin" not in got(tagged, origin=page).headers
    monkeypatch.setenv("CORS_ORIGINS", f"{page}, https://second.example")
    response = got(tagged, origin=page)
    assert response.headers["Access-Control-Allow-Origin"] == page
    assert response.headers["Vary"] == "Accept-Encoding, Origin"
    assert "Access-Control-Allow-Origin" not in got(tagged, origin=other).headers
    early = {"access_control_request_headers": "content-type, x-functions-key"}
    preflight = missed("optimize", "OPTIONS", origin=page, **early)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type, x-functions-key"
    assert "Access-Control-Allow-Methods" not in missed("optimize", "OPTIONS", origin=other).headers
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert got(tagged, origin=other).headers["Access-Control-Allow-Origin"] == "*"
