"""Blobs in Azure Blob Storage (or its emulator): a ``BlobStore`` over one container.

The SDK is imported with the first call and the client kept. The container is made when something
is written and it is not there; reading an absent container reads an empty one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from shared.store.azure_errors import translated, with_place
from shared.store.base import Blob
from shared.store.keys import check_key, check_prefix

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

__all__ = ["AzureBlobs"]


class AzureBlobs:
    """A ``BlobStore`` in one container; safe to share between threads.

    Parameters
    ----------
    make_client
        Gives the container's client; called once, at the first use.
    page_size
        Keys fetched in one listing request (5000 is Azure's most).
    """

    def __init__(self, make_client: Callable[[], ContainerClient], page_size: int = 5000) -> None:
        self._make_client = make_client
        self._page_size = page_size
        self._made: ContainerClient | None = None
        self._lock = threading.Lock()

    def read(self, key: str) -> Blob:
        check_key(key)
        with translated():
            downloader = self._client.download_blob(key)
            data = downloader.readall()
        return Blob(data, str(downloader.properties.etag))

    def create(self, key: str, data: bytes) -> str:
        check_key(key)

        def upload() -> str:
            written = self._client.get_blob_client(key).upload_blob(data, overwrite=False)
            return str(written["etag"])

        with translated():
            return self._with_container(upload)

    def replace(self, key: str, data: bytes, etag: str) -> str:
        from azure.core import MatchConditions

        check_key(key)

        def upload() -> str:
            written = self._client.get_blob_client(key).upload_blob(
                data, overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified
            )
            return str(written["etag"])

        with translated():
            return self._with_container(upload)

    def delete(self, key: str, etag: str | None = None) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        check_key(key)
        only: dict[str, Any] = {}
        if etag is not None:
            only = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        with translated():
            try:
                self._client.delete_blob(key, **only)
            except ResourceNotFoundError:
                return  # deleting nothing is no error
            except ResourceModifiedError:
                # An ETag that matches nothing because nothing is there: the emulator's answer.
                if self._client.get_blob_client(key).exists():
                    raise

    def keys(self, prefix: str) -> Iterator[str]:
        from azure.core.exceptions import ResourceNotFoundError

        check_prefix(prefix)
        with translated():
            try:
                yield from self._client.list_blob_names(
                    name_starts_with=prefix or None, results_per_page=self._page_size
                )
            except ResourceNotFoundError:
                return  # no container yet: nothing in it

    def folders(self, prefix: str) -> Iterator[str]:
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.blob import BlobPrefix

        check_prefix(prefix)
        with translated():
            try:
                for item in self._client.walk_blobs(
                    name_starts_with=prefix or None,
                    delimiter="/",
                    results_per_page=self._page_size,
                ):
                    if isinstance(item, BlobPrefix):
                        yield str(item.name)[len(prefix) : -1]
            except ResourceNotFoundError:
                return

    def ping(self) -> None:
        # An absent container is no fault: whoever answered that is alive.
        with translated():
            self._client.exists(timeout=5, retry_total=0)

    @property
    def _client(self) -> ContainerClient:
        with self._lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    def _with_container(self, write: Callable[[], str]) -> str:
        return with_place(write, lambda: self._client.create_container(), "Container")
