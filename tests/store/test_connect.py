"""From settings to connections."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from local.azurite import Azurite
from shared.errors import StorageUnavailable
from shared.store.blobs import AzureBlobs
from shared.store.connect import CONTAINER, POISON_QUEUE, REFIT_QUEUE, connect
from shared.store.memory import MemoryBlobs
from shared.store.queues import AzureQueue


def test_memory_is_one_store_a_process() -> None:
    first, second = (
        connect({"AzureWebJobsStorage": "memory"}),
        connect({"AzureWebJobsStorage": " Memory ", "OTHER": "x"}),
    )
    assert first is second
    assert isinstance(first.blobs, MemoryBlobs)
    assert (first.refits.name, first.poison.name) == ("refits", "refits-poison")


@pytest.mark.azurite
def test_a_connection_string_reaches_the_emulator(azurite: Azurite) -> None:
    settings = {"AzureWebJobsStorage": azurite.connection_string}
    connections = connect(settings)
    assert connect(dict(settings)) is connections
    connections.blobs.ping()
    connections.blobs.create("connect/a", b"1")
    assert connections.blobs.read("connect/a").data == b"1"
    connections.poison.send("bad")
    assert [m.body for m in connections.poison.receive(visibility_s=10)] == ["bad"]


@pytest.mark.azurite
def test_bodies_are_base64_on_the_wire_and_plain_ones_are_received_as_they_are(
    azurite: Azurite,
) -> None:
    from azure.storage.queue import QueueClient

    ours = connect({"AzureWebJobsStorage": azurite.connection_string}).refits
    ours.send('{"run": "ü"}')
    raw = QueueClient.from_connection_string(azurite.connection_string, REFIT_QUEUE)
    (peeked,) = raw.peek_messages()
    assert base64.b64decode(peeked.content).decode() == '{"run": "ü"}'
    raw.send_message("not base64 at all!")
    bodies = {message.body for message in ours.receive(visibility_s=10, limit=5)}
    assert bodies == {'{"run": "ü"}', "not base64 at all!"}


def test_the_emulator_has_its_short_name() -> None:
    blobs = connect({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}).blobs
    assert isinstance(blobs, AzureBlobs)
    assert blobs._client.url == f"http://127.0.0.1:10000/devstoreaccount1/{CONTAINER}"


@pytest.mark.parametrize("client_id", ["", "11111111-2222-3333-4444-555555555555"])
@pytest.mark.parametrize(
    "where",
    [
        {
            "AzureWebJobsStorage__blobServiceUri": "https://acct.blob.core.windows.net",
            "AzureWebJobsStorage__queueServiceUri": "https://acct.queue.core.windows.net",
        },
        {"AzureWebJobsStorage__accountName": "acct"},
    ],
)
def test_in_the_cloud_an_identity_signs_in(where: dict[str, str], client_id: str) -> None:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    connections = connect({**where, "AzureWebJobsStorage__clientId": client_id})
    blobs, poison = connections.blobs, connections.poison
    assert isinstance(blobs, AzureBlobs)
    assert isinstance(poison, AzureQueue)
    assert blobs._client.url == f"https://acct.blob.core.windows.net/{CONTAINER}"
    assert poison._client.url == f"https://acct.queue.core.windows.net/{POISON_QUEUE}"
    expected = ManagedIdentityCredential if client_id else DefaultAzureCredential
    assert isinstance(blobs._client.credential, expected)
    assert blobs._client.credential is poison._client.credential


def test_no_settings_say_what_to_set() -> None:
    with pytest.raises(StorageUnavailable, match="set AzureWebJobsStorage"):
        connect({})
    with pytest.raises(StorageUnavailable):
        connect({"AzureWebJobsStorage__blobServiceUri": "https://acct.blob.core.windows.net"})


@pytest.mark.parametrize("value", ["nonsense", "AccountKey=c2VjcmV0"])
def test_a_bad_connection_string_is_named_but_never_shown(value: str) -> None:
    connections = connect({"AzureWebJobsStorage": value})
    with pytest.raises(StorageUnavailable) as blob_error:
        connections.blobs.ping()
    with pytest.raises(StorageUnavailable) as queue_error:
        connections.refits.length()
    for error in (blob_error.value, queue_error.value):
        assert "not a connection string" in str(error)
        assert value not in str(error)


def test_importing_the_store_loads_no_sdk() -> None:
    code = (
        "import sys; import shared.store.connect, shared.store.datasets; "
        "print([m for m in sys.modules if m.startswith(('azure', 'pandas', 'scipy'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
