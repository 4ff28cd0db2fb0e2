"""Starting storage and the app: ``./run serve``, and the process behind ``./run``."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from client.marginal_client import Client, RefusedError, UnreachableError
from local.azurite import AzuriteError, find_azurite, free_ports, running_azurite
from local.config import load_host_config, load_settings
from local.host import ROOT, HostRefusalError, serve

__all__ = ["CannotServeError", "Choice", "app_process", "own_log", "serve_until_told"]

DEFAULT_PORT = 7071  # that of func start
_PARENT = "MARGINAL_PARENT"
_START_S = 180.0  # func downloads its extension bundle at the first start


class _Told:
    """Whether we were told to stop; safe to set in a signal handler.

    ``threading.Event`` is not: its lock may be held by the thread that the handler interrupts, and
    a signal that comes just before the wait does not wake it.
    """

    def __init__(self) -> None:
        self._told = False

    def set(self) -> None:
        self._told = True

    def is_set(self) -> bool:
        return self._told

    def wait(self, timeout_s: float = float("inf")) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self._told and time.monotonic() < deadline:
            time.sleep(0.1)
        return self._told


class CannotServeError(Exception):
    """Storage or the app does not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for on the command line.

    ``storage`` is "auto", "azurite", "memory" or a connection string; ``port`` None takes 7071,
    or any free port where that is taken.
    """

    port: int | None = None
    storage: str = "auto"
    local_host: bool = False


def serve_until_told(choice: Choice) -> int:
    """Serve in this process until SIGTERM or Ctrl-C; held requests are finished first."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("azure").setLevel(logging.WARNING)
    told = _Told()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if told.is_set():  # asked twice: now
            os._exit(130)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if parent := os.environ.get(_PARENT):
        threading.Thread(target=_watch, args=(int(parent), told), daemon=True).start()
    with _storage(choice.storage) as setting:
        func = None if choice.local_host else shutil.which("func")
        if func and setting == "memory":
            print("func cannot use the in-process store: the project's own host serves instead")
            func = None
        if func:
            return _serve_by_func(func, _port(choice.port), setting, told)
        print("host: the project's own local host", flush=True)
        # 7071 may be taken by another start between looking and binding: then any free one.
        ports = [_port(None), 0] if choice.port is None else [choice.port]
        for port in ports:
            try:
                with serve(port, settings={"AzureWebJobsStorage": setting}) as host:
                    print(f"ready {host.url}", flush=True)
                    told.wait()
                    print("stopping: what has begun is finished first", flush=True)
                break
            except (HostRefusalError, ValueError) as error:
                raise CannotServeError(str(error)) from None
            except OSError as error:
                if port == ports[-1]:
                    raise CannotServeError(_port_help(port, error)) from None
    return 0


@contextmanager
def own_log(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """An empty log of one's own: at ``path``, or beside it where another start writes there.

    The lock goes with the open file to the process that writes, and is gone when that ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 100):
        place = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        with place.open("ab") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            log.truncate(0)
            yield place, log
            return
    raise CannotServeError(f"All logs in {path.parent} are in use: stop one of the many starts.")


@contextmanager
def app_process(choice: Choice, log_path: Path, log: BinaryIO) -> Iterator[str]:
    """The app in a process of its own; gives its base address when it is ready.

    What it prints before that is passed on; its log goes to ``log``, open at ``log_path``.
    """
    command = [sys.executable, "-P", "-m", "local", "serve", "--storage", choice.storage]
    if choice.port is not None:
        command += ["--port", str(choice.port)]
    if choice.local_host:
        command.append("--local-host")
    # One thread in numpy's linear algebra, as on an instance with one core: matrices are small.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    here = {_PARENT: str(os.getpid()), "PYTHONPATH": str(ROOT)}
    environment = {**threads, **os.environ, **here}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        # Ctrl-C is for us: the app is told after that, and finishes what it holds.
        start_new_session=True,
    )
    try:
        yield _until_ready(process, log_path)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _until_ready(process: subprocess.Popen[bytes], log_path: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        text = line.decode(errors="replace").rstrip()
        if text.startswith("ready "):
            # Nobody reads on; a full pipe would block the app.
            threading.Thread(target=_swallow, args=(process,), daemon=True).start()
            return text.removeprefix("ready ")
        print(f"  {text}", flush=True)
    process.wait()
    tail = log_path.read_text("utf-8", errors="replace").strip().splitlines()[-12:]
    raise CannotServeError("\n  ".join(["The app did not start:", *tail]))


def _swallow(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ValueError, OSError):
        while process.stdout and process.stdout.read(4096):
            pass


@contextmanager
def _storage(asked: str) -> Iterator[str]:
    """The setting AzureWebJobsStorage for what was asked; Azurite runs while the block does."""
    if asked == "memory" or (asked == "auto" and find_azurite() is None):
        why = "" if asked == "memory" else " (Azurite is not installed: it needs Node)"
        print(f"storage: in this process, gone when it stops{why}", flush=True)
        yield "memory"
    elif asked in {"auto", "azurite"}:
        with contextlib.ExitStack() as stack:
            try:
                azurite = stack.enter_context(running_azurite())
            except AzuriteError as error:
                if asked == "azurite":
                    raise CannotServeError(str(error)) from None
                print(f"storage: in this process, gone when it stops ({error})", flush=True)
                yield "memory"
                return
            print("storage: Azurite, the Azure Storage emulator, in memory", flush=True)
            yield azurite.connection_string
    elif "=" in asked:
        print("storage: the account of the connection string", flush=True)
        yield asked
    else:
        raise CannotServeError(
            f"--storage takes azurite, memory or a connection string, not '{asked}'."
        )


def _port(asked: int | None) -> int:
    if asked is not None:
        return asked
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port_help(port: int, error: OSError) -> str:
    return f"Port {port} cannot be used ({error.strerror}): give another with --port N."


def _serve_by_func(func: str, port: int, setting: str, told: _Told) -> int:
    """Run ``func start`` until told to stop; it drains by itself."""
    print(f"host: func start ({func})", flush=True)
    if port == 0:
        (port,) = free_ports(1)
    venv = Path(sys.prefix)
    values = load_settings(ROOT, {**os.environ, "AzureWebJobsStorage": setting})
    environment = {
        **values,
        "VIRTUAL_ENV": str(venv),
        "PATH": os.pathsep.join([str(venv / "bin"), values.get("PATH", "")]),
        "languageWorkers__python__defaultExecutablePath": sys.executable,
    }
    process = subprocess.Popen(
        [func, "start", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )
    prefix = load_host_config(ROOT / "host.json").route_prefix
    base = f"http://127.0.0.1:{port}/{prefix}"
    try:
        deadline = time.monotonic() + _START_S
        while not told.is_set() and not _healthy(base):
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotServeError(
                    "func start did not come up (its lines are above, or in the app's log). "
                    "The project's own host needs no func:  ./run --local-host"
                )
            time.sleep(0.5)
        if not told.is_set():
            print(f"ready {base}", flush=True)
        while not told.wait(0.5):
            if process.poll() is not None:
                raise CannotServeError("func start ended by itself; its lines say why.")
    finally:
        process.terminate()
        process.wait()
    return 0


def _healthy(base: str) -> bool:
    try:
        Client(base, timeout_s=2.0, tries=1).get("health")
    except RefusedError as error:
        return error.status == 503  # it answers; storage is another matter
    except UnreachableError:
        return False
    return True


def _watch(parent: int, told: _Told) -> None:
    """Stop when the process that started us is gone, however it went."""
    while os.getppid() == parent:
        if told.wait(1.0):
            return
    told.set()
