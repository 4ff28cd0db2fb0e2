"""The local host over real sockets: what a caller sees, against the rules of the .NET host."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.host import Host, serve
from tests.local.conftest import CONFIG, SETTINGS, Small, release_when_stopping, small_app
from tests.waiting import PATIENCE_S, until


def ask(
    host: Host, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    port = urlsplit(host.origin).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def raw(host: Host, sent: bytes) -> bytes:
    """Send bytes as they are and read until the host closes."""
    with socket.create_connection(
        ("127.0.0.1", urlsplit(host.origin).port or 0), PATIENCE_S
    ) as wire:
        wire.sendall(sent)
        received = b""
        while part := wire.recv(65536):
            received += part
    return received


def told(answer: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    assert answer[0] == 200
    return json.loads(answer[2])  # type: ignore[no-any-return]


def test_a_request_as_the_function_sees_it(host: Host) -> None:
    seen = told(
        ask(
            host, "POST", "/api/v1/echo/a%20b?x=1&empty=&y=%C3%A4&x=2&flag", b"\x00\xff", Accept="q"
        )
    )
    assert seen["method"] == "POST"
    assert seen["url"] == f"{host.origin}/api/v1/echo/a%20b?x=1&empty=&y=%C3%A4&x=2&flag"
    assert seen["query"] == {"x": "1,2", "y": "ä"}  # empty values are dropped
    assert seen["route"] == {"name": "a b"}
    assert seen["headers"]["accept"] == "q"
    assert seen["body"] == "\x00\xff"


def test_an_optional_parameter_left_out(host: Host) -> None:
    assert told(ask(host, "GET", "/api/v1/echo"))["route"] == {}


def test_a_literal_segment_wins_over_a_parameter(host: Host) -> None:
    assert ask(host, "GET", "/api/v1/things/all")[2] == b"all, asked by GET"
    assert ask(host, "GET", "/api/v1/things/7")[2] == b"one 7"


def test_a_string_is_a_text_answer(host: Host) -> None:
    status, headers, _ = ask(host, "GET", "/api/v1/things/7")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")


def test_status_headers_cookie_and_bytes_come_through(host: Host) -> None:
    status, headers, body = ask(host, "POST", "/api/v1/made", b"{}")
    assert (status, body) == (201, b"{}")
    assert headers["location"] == "/made/1"
    assert headers["x-thing"] == "a"
    assert headers["set-cookie"] == "k=v; Path=/"
    assert headers["content-type"] == "text/plain; charset=utf-8"


def test_no_content_has_no_body_and_no_length(host: Host) -> None:
    status, headers, body = ask(host, "DELETE", "/api/v1/nothing")
    assert (status, body, headers["x-asked"]) == (204, b"", "DELETE")
    assert "content-length" not in headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/things/7"),  # another method is no match at all: 404, not 405
        ("PROPFIND", "/api/v1/things/7"),
        ("GET", "/api/v1/elsewhere"),
        ("GET", "/api/v1"),
        ("GET", "/api/v10/things/7"),
        ("GET", "/things/7"),
        ("GET", "/admin/functions/nightly"),
        ("POST", "/admin/functions/nobody"),
    ],
)
def test_what_matches_nothing_is_a_404_without_a_body(host: Host, method: str, path: str) -> None:
    status, _, body = ask(host, method, path)
    assert (status, body) == (404, b"")


def test_an_exception_is_a_bare_500(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = ask(host, "GET", "/api/v1/broken")
    assert (status, body) == (500, b"")
    assert "a secret" in caplog.text  # in the log, where the developer looks


def test_a_result_that_is_no_response_is_a_500(host: Host) -> None:
    assert ask(host, "GET", "/api/v1/number")[0] == 500


def test_an_async_function_with_a_context(host: Host) -> None:
    assert ask(host, "GET", "/api/v1/later")[2] == b"later GET"


def test_the_root_says_that_it_is_up(host: Host) -> None:
    status, _, body = ask(host, "GET", "/")
    assert status == 200
    assert host.url.encode() in body


def test_chunks_are_put_together(host: Host) -> None:
    answer = raw(
        host,
        b"POST /api/v1/echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
    )
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == "abc0123456789"


def test_neither_length_nor_chunks_is_an_empty_body(host: Host) -> None:
    answer = raw(
        host, b"POST /api/v1/echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nnot a body"
    )
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == ""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: ten", b"400"),
        (b"Content-Length: -1", b"400"),
        (b"Content-Length: 104857601", b"413"),
        (b"Transfer-Encoding: gzip", b"501"),
        (b"Transfer-Encoding: chunked", b"400"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_and_the_connection_closed(
    host: Host, head: bytes, status: bytes
) -> None:
    answer = raw(host, b"POST /api/v1/echo HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\nzz\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_a_connection_serves_several_requests(host: Host) -> None:
    connection = http.client.HTTPConnection(
        "127.0.0.1", urlsplit(host.origin).port, timeout=PATIENCE_S
    )
    for body in (b"one", b"", b"three"):
        connection.request("POST", "/api/v1/echo", body)
        assert json.loads(connection.getresponse().read())["body"] == body.decode()
    connection.close()


def test_a_timer_is_started_by_hand(host: Host, small: Small) -> None:
    status, _, body = ask(host, "POST", "/admin/functions/nightly", b"{}")
    assert (status, body) == (202, b"")
    until(lambda: len(small.timers) == 1)
    assert small.timers[0].past_due is False
    assert small.timers[0].schedule_status["Next"].endswith("02:00:00+00:00")


def test_a_queue_function_is_started_by_hand(host: Host, small: Small) -> None:
    assert ask(host, "POST", "/admin/functions/work", b'{"input": "by hand"}')[0] == 202
    until(lambda: small.finished == ["by hand"])


def test_an_http_function_is_not_started_by_hand(host: Host) -> None:
    assert ask(host, "POST", "/admin/functions/echo", b"{}")[0] == 400


def test_settings_are_the_environment_only_while_the_host_runs(small: Small) -> None:
    assert "JOBS" not in os.environ
    with serve(
        settings=SETTINGS,
        functions=small.app.get_functions(),
        config=CONFIG,
        open_queue=small.open_queue,
    ):
        assert os.environ["JOBS"] == "jobs"
    assert "JOBS" not in os.environ


def test_many_hosts_one_after_another() -> None:
    ports = set()
    for _ in range(5):
        small = small_app()
        with serve(
            settings=SETTINGS,
            functions=small.app.get_functions(),
            config=CONFIG,
            open_queue=small.open_queue,
        ) as host:
            assert ask(host, "GET", "/api/v1/things/7")[0] == 200
            ports.add(host.origin)
            origin = urlsplit(host.origin)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", origin.port or 0), 1)
    assert ports


def test_stopping_answers_a_held_request_and_then_closes(small: Small) -> None:
    answers: list[tuple[int, dict[str, str], bytes]] = []
    with serve(
        settings=SETTINGS,
        functions=small.app.get_functions(),
        config=CONFIG,
        open_queue=small.open_queue,
    ) as host:
        idle = http.client.HTTPConnection(
            "127.0.0.1", urlsplit(host.origin).port, timeout=PATIENCE_S
        )
        idle.request("GET", "/api/v1/things/7")
        idle.getresponse().read()
        asking = threading.Thread(target=lambda: answers.append(ask(host, "GET", "/api/v1/slow")))
        asking.start()
        assert small.entered.wait(PATIENCE_S)
        release_when_stopping(small, host)
    # The block has ended: the host has stopped, and what it held was answered before.
    assert small.finished == ["GET"]
    asking.join(PATIENCE_S)
    status, headers, body = answers[0]
    assert (status, body, headers["connection"]) == (200, b"done", "close")
    idle.sock.settimeout(PATIENCE_S)
    assert idle.sock.recv(1) == b""  # an idle keep-alive connection does not hold the host up
    idle.close()


def test_stopping_gives_up_on_what_does_not_end(small: Small) -> None:
    with serve(
        settings=SETTINGS,
        functions=small.app.get_functions(),
        config=CONFIG,
        open_queue=small.open_queue,
        drain_s=0.2,
    ) as host:
        wire = socket.create_connection(("127.0.0.1", urlsplit(host.origin).port or 0), PATIENCE_S)
        wire.sendall(b"GET /api/v1/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        assert small.entered.wait(PATIENCE_S)
        assert host.stop(0.2) is False
        assert wire.recv(1) == b""  # cut off: the caller knows that there is no answer
        wire.close()
    small.release.set()
    until(lambda: small.finished == ["GET"])
