"""One table from Azure SDK failures to the house's own; every SDK call goes through it.

==============================  =======================
what Azure answers              what the house raises
==============================  =======================
404                             ``NotFound``
409, 412                        ``WriteConflict``
400 PopReceiptMismatch          ``WriteConflict``
409 ...BeingDeleted             ``StorageUnavailable`` (half a minute)
401, 403, no credential         ``StorageUnavailable`` (a minute: a role or key must be put right)
408, 429, 5xx                   ``StorageUnavailable`` (``Retry-After``, or 5 s)
no or a broken connection       ``StorageUnavailable``
==============================  =======================

Anything else is a bug of ours and passes unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from shared.errors import MarginalError, NotFound, StorageUnavailable, WriteConflict

__all__ = ["retry_options", "translated", "with_place"]

T = TypeVar("T")

_AFTER_S = 5
_AFTER_DELETION_S = 30
_AFTER_REFUSAL_S = 60
_LONGEST_AFTER_S = 300


@contextmanager
def translated() -> Iterator[None]:
    """Run SDK calls; their errors leave as the house's, the original as ``__cause__``."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        translation = _translate(error)
        if translation is None:
            raise
        raise translation from error


def _code_of(error: BaseException) -> str:
    """Azure's own code (``ContainerNotFound``, ...) of an SDK error; "" where it has none."""
    code = getattr(error, "error_code", "")
    return str(getattr(code, "value", code) or "")


def retry_options() -> dict[str, Any]:
    """Client settings: give up on a connection after 5 s, on an answer after 30 s, retry twice.

    Built for each client: the SDK's retry policies keep state.
    """
    from azure.storage.blob import ExponentialRetry

    return {
        "connection_timeout": 5,
        "read_timeout": 30,
        "retry_policy": ExponentialRetry(
            initial_backoff=0, increment_base=2, retry_total=2, random_jitter_range=1
        ),
    }


def _translate(error: Exception) -> MarginalError | None:
    from azure.core.exceptions import (
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
        ServiceResponseError,
    )

    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return StorageUnavailable("Storage cannot be reached at the moment.", _AFTER_S)
    if not isinstance(error, HttpResponseError):
        return None
    status = error.status_code or 0
    if status == 404:
        return NotFound("There is no such object in storage.")
    if _code_of(error) in ("ContainerBeingDeleted", "QueueBeingDeleted"):
        return StorageUnavailable("Storage is being set up anew.", _AFTER_DELETION_S)
    if status in (409, 412) or _code_of(error) == "PopReceiptMismatch":
        return WriteConflict("The stored object was changed by somebody else.")
    if status in (401, 403) or isinstance(error, ClientAuthenticationError):
        return StorageUnavailable("Storage refused the app's credentials.", _AFTER_REFUSAL_S)
    if status in (0, 408, 429) or status >= 500:
        return StorageUnavailable("Storage did not answer in time.", _retry_after_s(error))
    return None


def _retry_after_s(error: Exception) -> int:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    value = str(headers.get("Retry-After", ""))
    return min(max(int(value), 1), _LONGEST_AFTER_S) if value.isdigit() else _AFTER_S


def with_place(call: Callable[[], T], create: Callable[[], Any], kind: str) -> T:
    """``call``; once more where its place (a "Container", a "Queue") had to be created first."""
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    try:
        return call()
    except ResourceNotFoundError as error:
        if _code_of(error) != f"{kind}NotFound":
            raise
    try:
        create()
    except ResourceExistsError as error:
        # Somebody else was faster. (A place that is being deleted answers 409 as well, and the call
        # below then says so.)
        if _code_of(error) != f"{kind}AlreadyExists":
            raise
    return call()
