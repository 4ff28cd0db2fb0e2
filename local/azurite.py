"""Azurite, the Azure Storage emulator: found where it is installed, started on free ports, stopped.

Used by the local host, by ``./run`` and by the tests; nothing in ``shared/`` knows of it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Azurite",
    "AzuriteError",
    "find_azurite",
    "free_ports",
    "running_azurite",
    "start_azurite",
]

_ROOT = Path(__file__).resolve().parent.parent
_PLACES = (
    ".marginal/azurite/node_modules/.bin",
    ".marginal/node_modules/.bin",
    "node_modules/.bin",
)

# The emulator's account and key are public constants, the same on every machine.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class AzuriteError(RuntimeError):
    """Azurite is not installed, or did not start; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running emulator."""

    process: subprocess.Popen[bytes]
    blob_port: int
    queue_port: int

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{_ACCOUNT};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{_ACCOUNT}"
        )

    def stop(self) -> None:
        """Stop it and wait until it is gone; stopping twice is no error."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_azurite() -> Path | None:
    """The ``azurite`` command: ``MARGINAL_AZURITE``, the project's own, or one on PATH."""
    named = os.environ.get("MARGINAL_AZURITE")
    if named:
        return Path(named) if Path(named).is_file() else None
    path = os.pathsep.join(str(_ROOT / place) for place in _PLACES)
    found = shutil.which("azurite", path=path) or shutil.which("azurite")
    return Path(found) if found else None


def start_azurite(
    *, blob_port: int = 0, queue_port: int = 0, location: Path | None = None, wait_s: float = 120.0
) -> Azurite:
    """Start Azurite and return when it accepts connections.

    Parameters
    ----------
    blob_port, queue_port
        0 takes any free port.
    location
        Where to keep data between starts; without it everything is in memory.
    wait_s
        How long it may take to start.

    Raises
    ------
    AzuriteError
        Where it is not installed or does not start.
    """
    command = find_azurite()
    if command is None:
        raise AzuriteError(
            "Azurite is not installed: `npm install azurite@3.35.0` here, put `azurite` on PATH, "
            "or name the command in MARGINAL_AZURITE."
        )
    # A free port can be taken between asking for it and using it: then once more, with others.
    for _ in range(2):
        try:
            return _start(command, blob_port, queue_port, location, wait_s)
        except AzuriteError:
            if blob_port or queue_port:
                raise
    return _start(command, blob_port, queue_port, location, wait_s)


@contextmanager
def running_azurite(location: Path | None = None) -> Iterator[Azurite]:
    """``start_azurite`` on free ports for the length of a ``with`` block."""
    azurite = start_azurite(location=location)
    try:
        yield azurite
    finally:
        azurite.stop()


def _start(
    command: Path, blob_port: int, queue_port: int, location: Path | None, wait_s: float
) -> Azurite:
    blob, queue, table = free_ports(3)
    blob, queue = blob_port or blob, queue_port or queue
    arguments = [
        str(command),
        *("--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)),
        *("--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        *(("--location", str(location)) if location else ("--inMemoryPersistence",)),
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=location or tempfile.gettempdir(),
            # Ctrl-C belongs to whoever started it, who still has requests to finish.
            start_new_session=True,
        )
        azurite = Azurite(process, blob, queue)
        deadline = time.monotonic() + wait_s
        while not (_accepts(blob) and _accepts(queue)):
            if process.poll() is not None or time.monotonic() > deadline:
                azurite.stop()
                log.seek(0)
                said = log.read().decode(errors="replace").strip()[-500:]
                raise AzuriteError(f"Azurite did not start: {said or 'it said nothing'}")
            time.sleep(0.05)
        if process.poll() is not None:
            raise AzuriteError(f"The ports {blob} and {queue} are taken by another program.")
    return azurite


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens at, for a program that cannot look for itself."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
