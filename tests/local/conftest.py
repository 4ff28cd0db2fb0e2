"""A small app with one of everything, hosted over in-process queues."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import azure.functions as func
import pytest

from local.config import HostConfig
from local.host import Host, serve
from shared.store.memory import MemoryQueue
from tests.waiting import PATIENCE_S, until

CONFIG = HostConfig(route_prefix="api/v1", batch_size=1, max_dequeue_count=3)
SETTINGS = {"AzureWebJobsStorage": "memory", "JOBS": "jobs", "SCHEDULE": "0 0 2 * * *"}


@dataclass
class Small:
    """The app, what it did, and the queues that it listens to."""

    app: func.FunctionApp = field(default_factory=func.FunctionApp)
    jobs: MemoryQueue = field(default_factory=lambda: MemoryQueue("jobs"))
    poison: MemoryQueue = field(default_factory=lambda: MemoryQueue("jobs-poison"))
    seen: list[tuple[str, int | None]] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)
    timers: list[func.TimerRequest] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    finished: list[str] = field(default_factory=list)

    def open_queue(self, name: str) -> MemoryQueue:
        return {"jobs": self.jobs, "jobs-poison": self.poison}[name]


def small_app() -> Small:
    small = Small()
    app = small.app

    @app.route(route="echo/{name?}", methods=["GET", "POST", "PUT"])
    def echo(req: func.HttpRequest) -> func.HttpResponse:
        import json

        told = {
            "method": req.method,
            "url": req.url,
            "query": dict(req.params),
            "route": dict(req.route_params),
            "headers": dict(req.headers),
            "body": req.get_body().decode("latin-1"),
        }
        return func.HttpResponse(json.dumps(told), mimetype="application/json")

    @app.route(route="things/{thing}", methods=["GET"])
    def one(req: func.HttpRequest) -> str:
        return f"one {req.route_params['thing']}"

    @app.route(route="things/all", methods=["GET"])
    def every(req: func.HttpRequest) -> str:
        return f"all, asked by {req.method}"

    @app.route(route="made", methods=["POST"])
    def made(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(
            req.get_body(),
            status_code=201,
            headers={"Location": "/made/1", "X-Thing": "a", "Set-Cookie": "k=v; Path=/"},
        )

    @app.route(route="nothing", methods=["DELETE"])
    def nothing(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(status_code=204, headers={"X-Asked": req.method})

    @app.route(route="broken", methods=["GET"])
    def broken(req: func.HttpRequest) -> str:
        raise RuntimeError(f"a secret in {req.url}")

    @app.route(route="number", methods=["GET"])
    def number(req: func.HttpRequest) -> str:
        return len(req.url)  # type: ignore[return-value]

    @app.route(route="later", methods=["GET"])
    async def later(req: func.HttpRequest, context: func.Context) -> str:
        return f"{context.function_name} {req.method}"

    @app.route(route="slow", methods=["GET"])
    def slow(req: func.HttpRequest) -> str:
        small.entered.set()
        assert small.release.wait(PATIENCE_S)
        small.finished.append(req.method)
        return "done"

    @app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%", run_on_startup=False)
    def nightly(timer: func.TimerRequest) -> None:
        small.timers.append(timer)

    @app.queue_trigger(arg_name="message", queue_name="%JOBS%", connection="AzureWebJobsStorage")
    def work(message: func.QueueMessage) -> None:
        body = message.get_body().decode()
        small.seen.append((body, message.dequeue_count))
        if body == "slow":
            small.entered.set()
            assert small.release.wait(PATIENCE_S)
        if body.startswith("bad"):
            raise ValueError(body)
        small.finished.append(body)

    @app.queue_trigger(
        arg_name="message", queue_name="jobs-poison", connection="AzureWebJobsStorage"
    )
    def bury(message: func.QueueMessage) -> None:
        small.poisoned.append(message.get_body().decode())

    return small


def release_when_stopping(small: Small, host: Host) -> None:
    """Let what is held go on once the host takes no more connections: it was told to stop."""
    address = ("127.0.0.1", urlsplit(host.origin).port or 0)

    def refused() -> bool:
        try:
            socket.create_connection(address, PATIENCE_S).close()
        except ConnectionRefusedError:
            return True
        return False

    def watch() -> None:
        until(refused)
        small.release.set()

    threading.Thread(target=watch, daemon=True).start()


@pytest.fixture
def small() -> Small:
    return small_app()


@pytest.fixture
def host(small: Small) -> Iterator[Host]:
    with serve(
        settings=SETTINGS,
        functions=small.app.get_functions(),
        config=CONFIG,
        open_queue=small.open_queue,
        drain_s=PATIENCE_S,
    ) as host:
        yield host
        small.release.set()
