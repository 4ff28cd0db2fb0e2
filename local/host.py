"""The local host: the app's own function objects behind HTTP, queues and timers.

It stands in for the Azure Functions host on machines without ``func`` and in tests, and it copies
that host's rules where a caller or a message can see them (routes, empty query values,
empty bodies, admin start, queue and poison handling; see the modules beside this one). Like
``func start`` it does not ask for keys: authorisation is the cloud's. It refuses at start what the
.NET host would refuse (``rules.py``).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from azure.functions.decorators.function_app import Function

from local.config import HostConfig, load_host_config, load_settings, resolve
from local.httpd import HttpServer, WireRequest
from local.invoke import Answer, call_http, call_queue, call_timer
from local.listeners import QueueListener, TimerRunner, is_poison_queue
from local.routes import match
from local.rules import faults, routes_of
from local.schedule import parse_schedule
from shared.store.base import Queue, QueueMessage

__all__ = ["ROOT", "Host", "HostRefusalError", "app_functions", "serve"]

ROOT = Path(__file__).resolve().parent.parent

log = logging.getLogger("marginal.host")

_EMPTY = Answer(404)
_ADMIN = "/admin/functions/"


class HostRefusalError(Exception):
    """The app cannot be hosted; ``faults`` says why, a sentence each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("The app cannot be hosted:\n  " + "\n  ".join(self.faults))


class Host:
    """One running host.

    Parameters
    ----------
    functions
        As ``FunctionApp.get_functions()`` gives them.
    open_queue
        The queue of a name; KeyError where there is none.
    port
        0 takes any free port.
    hold_s
        How long a queue message is hidden at a time.

    Raises
    ------
    HostRefusalError
        With everything that the .NET host would reject.
    OSError
        Where the port is taken.
    """

    def __init__(
        self,
        functions: Sequence[Function],
        *,
        config: HostConfig,
        settings: Mapping[str, str],
        open_queue: Callable[[str], Queue],
        port: int = 0,
        hold_s: int = 60,
    ) -> None:
        found = faults(functions, settings)
        if found:
            raise HostRefusalError(found)
        self._config = config
        self._functions = {str(f.get_function_name()): f for f in functions}
        self._routes = routes_of(functions)
        self._timers: dict[str, TimerRunner] = {}
        self._listeners: list[QueueListener] = []
        self._started_by_hand: list[threading.Thread] = []
        for name, function in self._functions.items():
            trigger = function.get_trigger()
            assert trigger is not None
            described = trigger.get_dict_repr()
            if described["type"] == "timerTrigger":
                self._timers[name] = self._timer(name, function, described, settings)
            elif described["type"] == "queueTrigger":
                queue_name = resolve(described["queueName"], settings)
                self._listeners.extend(self._queue(function, queue_name, open_queue, hold_s))
        self._server = HttpServer(port, self._respond)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def url(self) -> str:
        """Where the app's own routes begin: origin and route prefix."""
        prefix = self._config.route_prefix.strip("/")
        return f"{self.origin}/{prefix}" if prefix else self.origin

    @property
    def _parts(self) -> tuple[QueueListener | TimerRunner, ...]:
        return (*self._listeners, *self._timers.values())

    def start(self) -> None:
        for part in self._parts:
            part.start()
        self._server.start()

    def stop(self, timeout_s: float = 1800.0) -> bool:
        """Drain: no new work; held requests and the running queue message are finished.

        Returns
        -------
        bool
            Whether all was finished within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        for part in self._parts:
            part.stop()
        finished = self._server.drain(timeout_s)
        for part in self._parts:
            finished &= part.join(max(0.0, deadline - time.monotonic()))
        for thread in self._started_by_hand:
            thread.join(max(0.0, deadline - time.monotonic()))
            finished &= not thread.is_alive()
        return finished

    def _timer(
        self,
        name: str,
        function: Function,
        described: Mapping[str, object],
        settings: Mapping[str, str],
    ) -> TimerRunner:
        def run(past_due: bool, last: datetime | None, following: datetime | None) -> None:
            log.info("timer %s", name)
            call_timer(function, past_due=past_due, last=last, following=following)

        schedule = parse_schedule(resolve(str(described["schedule"]), settings))
        at_start = bool(described.get("runOnStartup"))
        return TimerRunner(name, schedule, run, run_on_startup=at_start)

    def _queue(
        self, function: Function, name: str, open_queue: Callable[[str], Queue], hold_s: int
    ) -> Iterator[QueueListener]:
        try:
            queue = open_queue(name)
            poison = None if is_poison_queue(name) else open_queue(f"{name}-poison")
        except KeyError as error:
            raise HostRefusalError([f"{function.get_function_name()}: no queue {error}"]) from None
        for _ in range(max(1, self._config.batch_size)):
            run = partial(call_queue, function)
            yield QueueListener(queue, poison, run, self._config, hold_s=hold_s)

    def _respond(self, request: WireRequest) -> Answer:
        try:
            return self._route(request)
        except Exception:
            # As the host: the fault is in the log, the caller sees a bare 500.
            log.exception("%s %s failed", request.method, request.target)
            return Answer(500)

    def _route(self, request: WireRequest) -> Answer:
        target = urlsplit(request.target)
        path = target.path
        if path.lower().startswith(_ADMIN):
            return self._admin(request, path[len(_ADMIN) :].strip("/"))
        if path in {"", "/"} and request.method == "GET":
            text = f"The local host is up; the app is at {self.url}\n"
            return Answer(200, (("content-type", "text/plain; charset=utf-8"),), text.encode())
        prefix = "/" + self._config.route_prefix.strip("/")
        below = path[len(prefix) :] if prefix != "/" else path
        if not path.lower().startswith(prefix.lower()) or (below and not below.startswith("/")):
            return _EMPTY
        found = match(self._routes, request.method, below)
        if found is None:
            return _EMPTY
        route, parameters = found
        query: dict[str, str] = {}
        for name, value in parse_qsl(target.query):  # drops empty values, as the host does
            query[name] = f"{query[name]},{value}" if name in query else value
        host = request.headers.get("host") or f"127.0.0.1:{self._server.port}"
        return call_http(
            self._functions[route.function],
            method=request.method,
            url=f"http://{host}{request.target}",
            headers=request.headers,
            query=query,
            route_parameters=parameters,
            body=request.body,
        )

    def _admin(self, request: WireRequest, name: str) -> Answer:
        """``POST /admin/functions/NAME`` starts a timer or queue function: 202, no waiting."""
        function = self._functions.get(name)
        if request.method != "POST" or function is None:
            return _EMPTY
        trigger = function.get_trigger()
        kind = trigger.get_dict_repr()["type"] if trigger else ""
        run: Callable[[], None]
        if kind == "timerTrigger":
            run = self._timers[name].fire
        elif kind == "queueTrigger":
            message = QueueMessage(
                id="admin", receipt="", body=_input(request.body), dequeue_count=1
            )
            run = partial(_logged, name, partial(call_queue, function, message))
        else:
            return Answer(400)
        thread = threading.Thread(target=run, name=f"admin {name}", daemon=True)
        self._started_by_hand = [t for t in self._started_by_hand if t.is_alive()] + [thread]
        thread.start()
        return Answer(202)


def _input(body: bytes) -> str:
    try:
        return str(json.loads(body or b"{}").get("input", ""))
    except (ValueError, AttributeError):
        return ""


def _logged(name: str, run: Callable[[], None]) -> None:
    try:
        run()
    except Exception:
        log.exception("%s failed", name)


def app_functions() -> list[Function]:
    """The app's functions, from ``function_app.py``, over the storage of today's settings."""
    import function_app
    from shared.api.http import service

    service.cache_clear()  # an earlier host of this process may have served another storage
    # azure.functions takes a second look at an app for a second set of functions of those names.
    function_app.app.functions_bindings = None
    return list(function_app.app.get_functions())


@contextmanager
def serve(
    port: int = 0,
    *,
    settings: Mapping[str, str] | None = None,
    functions: Sequence[Function] | None = None,
    config: HostConfig | None = None,
    open_queue: Callable[[str], Queue] | None = None,
    hold_s: int = 60,
    drain_s: float = 1800.0,
) -> Iterator[Host]:
    """Host the app (or ``functions``) while the block runs; drains at its end.

    Parameters
    ----------
    settings
        App settings on top of the environment and ``local.settings.json``. They are the process's
        environment for as long as the block runs, which is where a function finds them.

    Examples
    --------
    ``with serve(settings={"AzureWebJobsStorage": "memory"}) as host: ... host.url ...``
    """
    before = dict(os.environ)
    os.environ.update(load_settings(ROOT, {**before, **(settings or {})}))
    try:
        host = Host(
            app_functions() if functions is None else functions,
            config=load_host_config(ROOT / "host.json") if config is None else config,
            settings=os.environ,
            open_queue=_connected_queues() if open_queue is None else open_queue,
            port=port,
            hold_s=hold_s,
        )
        host.start()
        try:
            yield host
        finally:
            host.stop(drain_s)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _connected_queues() -> Callable[[str], Queue]:
    """The queues of the app's own storage: Azure's, the emulator's or the in-process ones."""
    from shared.store.connect import connect

    connections = connect(os.environ)
    queues: dict[str, Queue] = {q.name: q for q in connections.queues}
    return queues.__getitem__
