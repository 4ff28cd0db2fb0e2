"""A small HTTP/1.1 server that drains: every request that has begun is answered before it stops.

Only the wire is here (keep-alive, bodies, chunks); what a request means is the host's business.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.invoke import Answer

__all__ = ["HttpServer", "WireRequest"]

log = logging.getLogger("marginal.host")

# The .NET host's own limit (FunctionsRequestBodySizeLimit); the app's is much lower.
_LARGEST_BODY = 104_857_600
# How long a connection that was accepted but has not asked anything may still do so on stopping.
_FRESH_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as read; ``target`` is still percent-encoded, header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class _BadRequestError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Marginal-local-host"
    sys_version = ""
    timeout = 130  # Kestrel's keep-alive
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: HttpServer

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def parse_request(self) -> bool:
        # Called as soon as the request line is there: from now on the request is held.
        self.server.began(self.connection)
        return super().parse_request()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the caller went away
            self.close_connection = True
        finally:
            self.server.ended(self.connection)
        if self.server.draining:
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()  # the caller holds its body back until it reads this
        return go_on

    def _serve(self) -> None:
        started = time.perf_counter()
        try:
            body = self._read_body()
        except _BadRequestError as error:
            self.close_connection = True
            self._write(
                Answer(error.status, (("content-type", "text/plain"),), str(error).encode())
            )
            return
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        answer = self.server.respond(WireRequest(self.command, self.path, headers, body))
        self._write(answer)
        took = (time.perf_counter() - started) * 1000
        log.info("%s %s %d %.0f ms", self.command, self.path, answer.status, took)

    def __getattr__(self, name: str) -> Any:
        # The standard library looks for do_GET and so on: here every method goes the same way.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _read_body(self) -> bytes:
        """Neither Content-Length nor chunks means an empty body, as the .NET host has it."""
        encoding = self.headers.get("Transfer-Encoding")
        length = self.headers.get("Content-Length")
        if encoding is not None:
            if encoding.strip().lower() != "chunked":
                raise _BadRequestError(501, f"Transfer-Encoding '{encoding}' is not read.")
            return self._read_chunks()
        if length is None:
            return b""
        if not length.isascii() or not length.isdecimal():
            raise _BadRequestError(400, "Content-Length is no number.")
        if int(length) > _LARGEST_BODY:
            raise _BadRequestError(413, "The request body is too large.")
        return self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            size_text = self.rfile.readline(1024).split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise _BadRequestError(400, "A chunk has no size.") from None
            total += size
            if size < 0 or total > _LARGEST_BODY:
                raise _BadRequestError(413, "The request body is too large.")
            if size == 0:
                while self.rfile.readline(65536).strip():
                    pass  # trailers
                return b"".join(parts)
            parts.append(self._read_exactly(size))
            self.rfile.readline(3)

    def _read_exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise _BadRequestError(400, "The request body ended early.")
        return body

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        if self.server.draining or self.close_connection:
            self.close_connection = True
            self.send_header("Connection", "close")
        bodiless = answer.status in {204, 304} or 100 <= answer.status < 200
        if not bodiless:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


class HttpServer(ThreadingHTTPServer):
    """Threaded server on ``127.0.0.1``; ``port`` 0 takes any free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, respond: Callable[[WireRequest], Answer]) -> None:
        self.respond = respond
        self.draining = False
        self._state = threading.Condition()
        self._fresh: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._backlog_empty = False
        super().__init__(("127.0.0.1", port), _Handler)
        self._loop = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="http", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._loop.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        # Counted before its thread starts: one that is accepted is never overlooked by drain().
        with self._state:
            self._open.add(request)
            self._fresh.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._state:
            for group in (self._open, self._fresh, self._busy):
                group.discard(request)
            self._state.notify_all()

    def began(self, connection: socket.socket) -> None:
        with self._state:
            self._fresh.discard(connection)
            self._busy.add(connection)

    def ended(self, connection: socket.socket) -> None:
        with self._state:
            self._busy.discard(connection)
            self._state.notify_all()

    def handle_timeout(self) -> None:
        self._backlog_empty = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        log.exception("a connection failed")

    def drain(self, timeout_s: float) -> bool:
        """Take no new connections, answer what was asked, then close; whether all was answered."""
        self.draining = True
        self.shutdown()
        # The kernel has accepted connections that the loop has not: closing now would reset them.
        self.timeout = 0
        while not self._backlog_empty:
            self.handle_request()
        self.server_close()
        started = time.monotonic()
        with self._state:
            while True:
                waited = time.monotonic() - started
                fresh = bool(self._fresh) and waited < _FRESH_GRACE_S
                if not self._busy and not fresh:
                    finished = True
                    break
                if waited >= timeout_s:
                    finished = False
                    break
                self._state.wait(0.1)
            idle = list(self._open)
        for connection in idle:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return finished
