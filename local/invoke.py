"""Calling one function as the Python worker does: the same request objects, the same encoding.

Requests and answers go through the converters of ``azure.functions`` that the production worker
uses, so that a missing content type or a wrong return type behaves here as it does there.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import azure.functions as func
from azure.functions.decorators.function_app import Function
from azure.functions.http import HttpRequest, HttpResponseConverter
from azure.functions.queue import QueueMessage as QueueMessageArgument
from azure.functions.timer import TimerRequest

from shared.store.base import QueueMessage

__all__ = ["Answer", "call_http", "call_queue", "call_timer"]

_local = threading.local()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, ready for the wire."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class _Context(func.Context):
    """What a function sees that asks for ``context``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._id = str(uuid.uuid4())

    @property
    def invocation_id(self) -> str:
        return self._id

    @property
    def thread_local_storage(self) -> Any:
        return _local

    @property
    def function_name(self) -> str:
        return self._name

    @property
    def function_directory(self) -> str:
        return ""

    @property
    def trace_context(self) -> Any:
        return None

    @property
    def retry_context(self) -> Any:
        return None


def call_http(
    function: Function,
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    route_parameters: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer one request; whatever the function raises goes up to the caller.

    Raises
    ------
    TypeError
        Where the function returns neither an ``HttpResponse`` nor a string: the worker fails such
        an invocation and the host answers 500.
    """
    request = HttpRequest(
        method=method,
        url=url,
        headers=headers,
        params=query,
        route_params=route_parameters,
        body_type="bytes",
        body=body,
    )
    result = _call(function, request)
    try:
        encoded = HttpResponseConverter.encode(result, expected_type=None)
    except NotImplementedError:
        raise TypeError(f"an HTTP function returned {type(result).__name__}") from None
    if encoded.type == "string":
        text = (("content-type", "text/plain; charset=utf-8"),)
        return Answer(200, text, encoded.value.encode())
    value = encoded.value
    pairs = [(name, datum.value) for name, datum in value["headers"].items()]
    for cookie in value["cookies"] or ():
        pairs.extend(("set-cookie", morsel.OutputString()) for morsel in cookie.values())
    return Answer(int(value["status_code"].value), tuple(pairs), value["body"].value)


def call_queue(function: Function, message: QueueMessage) -> None:
    """Hand one message to its function; an exception means that it was not done."""
    make: Any = QueueMessageArgument  # untyped in some versions of azure.functions
    argument = make(
        id=message.id,
        body=message.body,
        dequeue_count=message.dequeue_count,
        pop_receipt=message.receipt,
    )
    _call(function, argument)


def call_timer(
    function: Function, *, past_due: bool, last: datetime | None, following: datetime | None
) -> None:
    """Run a timer function; ``last`` and ``following`` are its schedule's neighbours, UTC."""
    status = {
        "Last": last.isoformat() if last else None,
        "Next": following.isoformat() if following else None,
    }
    _call(
        function,
        TimerRequest(past_due=past_due, schedule_status=status, schedule={"AdjustForDST": True}),
    )


def _call(function: Function, argument: object) -> Any:
    trigger = function.get_trigger()
    assert trigger is not None  # rules.py: no function is served without one
    user_function = function.get_user_function()
    arguments: dict[str, object] = {trigger.name: argument}
    if "context" in inspect.signature(user_function).parameters and trigger.name != "context":
        arguments["context"] = _Context(str(function.get_function_name()))
    result = user_function(**arguments)
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    return result
