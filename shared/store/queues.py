"""A queue in Azure Queue Storage (or its emulator).

Bodies are base64, which is what the Functions host expects of a queue trigger's messages. A message
that somebody else put there unencoded is received as it stands: were it an error, one such message
would keep every other from being received. The queue is made when it is used and not there.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from shared.errors import NotFound, WriteConflict
from shared.store.azure_errors import translated, with_place
from shared.store.base import QueueMessage, each

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

__all__ = ["AzureQueue"]

T = TypeVar("T")


class AzureQueue:
    """A ``Queue`` over one storage queue; safe to share between threads.

    Parameters
    ----------
    make_client
        Gives the queue's client (plain text, no encoding policy); called once, at the first use.
    """

    def __init__(self, name: str, make_client: Callable[[], QueueClient]) -> None:
        self.name = name
        self._make_client = make_client
        self._made: QueueClient | None = None
        self._lock = threading.Lock()

    def send(self, body: str, *, delay_s: int = 0) -> None:
        def put() -> None:
            self._client.send_message(_encoded(body), visibility_timeout=delay_s or None)

        with translated():
            self._with_queue(put)

    def send_many(self, bodies: Iterable[str]) -> int:
        return sum(1 for _ in each(self.send, bodies))

    def receive(self, *, visibility_s: int, limit: int = 1) -> Sequence[QueueMessage]:
        def take() -> list[QueueMessage]:
            received = self._client.receive_messages(
                visibility_timeout=visibility_s, messages_per_page=limit, max_messages=limit
            )
            return [
                QueueMessage(
                    id=str(message.id),
                    receipt=str(message.pop_receipt),
                    body=_decoded(str(message.content)),
                    dequeue_count=int(message.dequeue_count or 0),
                )
                for message in received
            ]

        with translated():
            return self._with_queue(take)

    def delete(self, message: QueueMessage) -> None:
        try:
            with translated():
                self._client.delete_message(message.id, message.receipt)
        except NotFound as error:
            raise WriteConflict("The message is held by another receiver, or gone.") from error

    def extend(self, message: QueueMessage, *, visibility_s: int) -> QueueMessage:
        try:
            with translated():
                updated = self._client.update_message(
                    message.id, message.receipt, visibility_timeout=visibility_s
                )
        except NotFound as error:
            raise WriteConflict("The message is held by another receiver, or gone.") from error
        return replace(message, receipt=str(updated.pop_receipt))

    def length(self) -> int:
        def count() -> int:
            return int(self._client.get_queue_properties().approximate_message_count or 0)

        with translated():
            return self._with_queue(count)

    @property
    def _client(self) -> QueueClient:
        with self._lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    def _with_queue(self, call: Callable[[], T]) -> T:
        return with_place(call, lambda: self._client.create_queue(), "Queue")


def _encoded(body: str) -> str:
    return base64.b64encode(body.encode()).decode("ascii")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text
