"""The translation table, with the SDK's own exceptions; and a store that nobody answers for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core import exceptions as azure
from azure.core.pipeline.transport import HttpTransport, RequestsTransport

from shared.errors import MarginalError, NotFound, StorageUnavailable, WriteConflict
from shared.store.azure_errors import retry_options, translated
from shared.store.blobs import AzureBlobs


def answer(
    status: int | None, code: str = "", retry_after: str | None = None
) -> azure.HttpResponseError:
    error = azure.HttpResponseError(message="from storage, with account/secret in it")
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    error.response = SimpleNamespace(headers=headers)  # type: ignore[assignment]
    return error


def raised(error: Exception) -> Any:
    with pytest.raises(MarginalError) as caught, translated():
        raise error
    assert caught.value.__cause__ is error
    assert "secret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "BlobNotFound", NotFound),
        (404, "ContainerNotFound", NotFound),
        (409, "BlobAlreadyExists", WriteConflict),
        (412, "ConditionNotMet", WriteConflict),
        (400, "PopReceiptMismatch", WriteConflict),
        (409, "ContainerBeingDeleted", StorageUnavailable),
        (401, "NoAuthenticationInformation", StorageUnavailable),
        (403, "AuthorizationPermissionMismatch", StorageUnavailable),
        (408, "", StorageUnavailable),
        (429, "", StorageUnavailable),
        (500, "OperationTimedOut", StorageUnavailable),
        (503, "ServerBusy", StorageUnavailable),
        (None, "", StorageUnavailable),
    ],
)
def test_every_status_has_its_exception(
    status: int | None, code: str, expected: type[MarginalError]
) -> None:
    assert type(raised(answer(status, code))) is expected


def test_the_wait_that_storage_asks_for_is_passed_on_within_reason() -> None:
    assert raised(answer(503, retry_after="17")).retry_after_s == 17
    assert raised(answer(503, retry_after="86400")).retry_after_s == 300
    assert raised(answer(503, retry_after="0")).retry_after_s == 1
    assert raised(answer(503, retry_after="soon")).retry_after_s == 5
    assert raised(answer(403)).retry_after_s == 60


@pytest.mark.parametrize(
    "error",
    [azure.ServiceRequestError("refused"), azure.ServiceResponseError("cut off")],
)
def test_a_broken_connection_is_unavailable(error: azure.AzureError) -> None:
    assert raised(error).retry_after_s == 5


def test_a_missing_credential_is_unavailable() -> None:
    error = azure.ClientAuthenticationError("no token endpoint at http://secret")
    assert isinstance(raised(error), StorageUnavailable)


def test_a_bug_of_ours_passes_unchanged() -> None:
    error = answer(400, "InvalidHeaderValue")
    with pytest.raises(azure.HttpResponseError) as caught, translated():
        raise error
    assert caught.value is error
    with pytest.raises(ZeroDivisionError), translated():
        _ = 1 / 0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that is taken, and nobody listens at it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


def test_a_store_that_nobody_answers_for_is_unavailable_within_seconds(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.storage.blob import ContainerClient

    connection = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;"
        f"BlobEndpoint=http://127.0.0.1:{silent_port}/devstoreaccount1"
    )
    # How long each try may take to connect, and the waits between, which are told, not waited.
    given_s: list[float] = []
    waits_s: list[float] = []
    send = RequestsTransport.send

    def told(self: RequestsTransport, *request: Any, **options: Any) -> Any:
        given_s.append(self.connection_config.timeout)
        return send(self, *request, **options)

    monkeypatch.setattr(RequestsTransport, "send", told)
    monkeypatch.setattr(HttpTransport, "sleep", lambda _, seconds: waits_s.append(seconds))
    blobs = AzureBlobs(
        lambda: ContainerClient.from_connection_string(connection, "c", **retry_options())
    )
    for use, tries, longest_s in ((blobs.ping, 1, 5), (lambda: blobs.read("a"), 3, 25)):
        given_s.clear()
        waits_s.clear()
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            use()
        assert (len(given_s), len(waits_s)) == (tries, tries - 1)
        assert sum(given_s) + sum(waits_s) <= longest_s
