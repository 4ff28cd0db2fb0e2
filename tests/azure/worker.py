"""The production Python worker, driven in this process.

``azure-functions-runtime`` is the library that the worker in Azure (Python 3.13) runs: it indexes
the app, converts requests and results, and reports mistakes. Between it and the host there is gRPC;
here plain objects with the same fields take the messages' place. They hold data only: everything
that decides is the library's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from azure.functions import FunctionRegister

__all__ = ["Done", "Response", "Worker", "WorkerError"]


class WorkerError(Exception):
    """The worker refused the app, or a function failed; the message is the worker's own."""


class _Message(SimpleNamespace):
    """Any protobuf message: fields by keyword."""


class _OneOf(_Message):
    """A message that is one of several things, as ``TypedData`` is."""

    def WhichOneof(self, group: str) -> str | None:
        del group
        return next(iter(vars(self)), None)


class _BindingInfo(_Message):
    # Enumerations of FunctionRpc.proto.
    undefined = None
    out = 1
    inout = 2


class _StatusResult(_Message):
    Failure = 0
    Success = 1


class _SameSite:
    Lax, Strict, ExplicitNone = 1, 2, 3


setattr(_SameSite, "None", 0)


class _Cookie(_Message):
    SameSite = _SameSite


class _Parameter(_Message):
    def WhichOneof(self, group: str) -> str:
        del group
        return "data"


PROTOS = SimpleNamespace(
    BindingInfo=_BindingInfo,
    FunctionLoadResponse=_Message,
    FunctionMetadataResponse=_Message,
    InvocationResponse=_Message,
    NullableBool=_Message,
    NullableDouble=_Message,
    NullableString=_Message,
    NullableTimestamp=_Message,
    ParameterBinding=_Message,
    RpcException=_Message,
    RpcFunctionMetadata=_Message,
    RpcHttp=_Message,
    RpcHttpCookie=_Cookie,
    RpcRetryOptions=_Message,
    StatusResult=_StatusResult,
    TypedData=_OneOf,
    WorkerInitResponse=_Message,
    WorkerMetadata=_Message,
)


@dataclass(frozen=True, slots=True)
class Response:
    """What an HTTP function answered, after the worker's encoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Done:
    """A timer or queue function ended without an error."""


class Worker:
    """One worker with one indexed app.

    Parameters
    ----------
    directory
        Where the app's script is; it has to be importable from ``sys.path``.

    Raises
    ------
    WorkerError
        With the worker's message where it refuses the app.
    """

    def __init__(self, directory: Path) -> None:
        from azure_functions_runtime import handle_event
        from azure_functions_runtime.functions import Registry

        # A process has one worker and indexes once; each Worker here starts as if it had not.
        for module in list(sys.modules.values()):
            for app in list(vars(module).values()):
                # By its type: some objects of compiled modules do not bear being asked for theirs.
                if issubclass(type(app), FunctionRegister):
                    app.functions_bindings = None
        handle_event._functions = Registry()
        handle_event._metadata_result = None
        self._events = handle_event
        request = SimpleNamespace(
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(
                    capabilities={}, function_app_directory=str(directory)
                )
            ),
            properties={"host": "127.0.0.1", "protos": PROTOS},
        )
        _succeeded(asyncio.run(handle_event.worker_init_request(request)))
        answer = asyncio.run(handle_event.functions_metadata_request(request))
        _succeeded(answer)
        self.functions: dict[str, Any] = {f.name: f for f in answer.function_metadata_results or ()}
        self.invoked: set[str] = set()

    def bindings(self, name: str) -> list[dict[str, Any]]:
        """The bindings as the host gets them."""
        return [json.loads(raw) for raw in self.functions[name].raw_bindings]

    def http(
        self,
        name: str,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        route: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Response:
        """Invoke an HTTP function; WorkerError where it fails rather than answers."""
        data = _OneOf(
            http=_Message(
                method=method,
                url=f"https://app.example/api/v1/{path}",
                headers=dict(headers or {}),
                params=dict(route or {}),
                query=dict(query or {}),
                body=_OneOf(bytes=body),
            )
        )
        encoded = self._invoke(name, data, {}).return_value
        if encoded is None or encoded.WhichOneof("data") == "string":
            return Response(200, {}, b"" if encoded is None else encoded.string.encode())
        answered = encoded.http
        return Response(int(answered.status_code), answered.headers, answered.body.bytes)

    def timer(self, name: str, *, past_due: bool = False) -> Done:
        """Invoke a timer function as the host does when it is due."""
        info = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {"Last": "2025-05-05T02:00:00", "Next": "2025-05-06T02:00:00"},
            "IsPastDue": past_due,
        }
        self._invoke(name, _OneOf(json=json.dumps(info)), {})
        return Done()

    def queue(self, name: str, body: str, *, dequeue_count: int = 1) -> Done:
        """Invoke a queue function with one message."""
        metadata = {
            "Id": _OneOf(string=str(uuid.uuid4())),
            "DequeueCount": _OneOf(json=str(dequeue_count)),
            "PopReceipt": _OneOf(string="receipt"),
            "InsertionTime": _OneOf(json='"2025-05-05T02:00:00+00:00"'),
            "ExpirationTime": _OneOf(json='"2025-05-12T02:00:00+00:00"'),
            "NextVisibleTime": _OneOf(json='"2025-05-05T02:10:00+00:00"'),
        }
        self._invoke(name, _OneOf(string=body), metadata)
        return Done()

    def _invoke(self, name: str, data: _OneOf, metadata: Mapping[str, Any]) -> Any:
        trigger = next(b for b in self.bindings(name) if b["type"].endswith("Trigger"))
        request = SimpleNamespace(
            request=SimpleNamespace(
                invocation_request=SimpleNamespace(
                    invocation_id=str(uuid.uuid4()),
                    function_id=self.functions[name].function_id,
                    input_data=[_Parameter(name=trigger["name"], data=data)],
                    trigger_metadata=dict(metadata),
                    trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
                    retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
                )
            )
        )
        self.invoked.add(name)
        response = asyncio.run(self._events.invocation_request(request))
        _succeeded(response)
        return response


def _succeeded(response: Any) -> None:
    if response.result.status != _StatusResult.Success:
        raise WorkerError(response.result.exception.message)
