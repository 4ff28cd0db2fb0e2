"""``./run serve`` as a process: ready, requests, signals, and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from client.marginal_client import Client, UnreachableError
from local.azurite import find_azurite
from local.host import ROOT
from local.serving import own_log
from tests.waiting import PATIENCE_S, until

NO_ACCOUNT = "AccountName=nobody;AccountKey=bm8=;BlobEndpoint=http://127.0.0.1:1/nobody"


def start(*arguments: str, path: str | None = None, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "local", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path or os.environ["PATH"]}
        | environment,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(*arguments: str, path: str | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving process, its lines before ``ready`` kept in ``said``; killed if it outlives."""
    process = start("serve", *arguments, path=path)
    try:
        said: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip())
            if line.startswith("ready "):
                break
        else:
            raise AssertionError(process.communicate()[1])
        yield process, "\n".join(said)
    finally:
        process.kill()
        process.communicate()


def base_of(said: str) -> str:
    return said.splitlines()[-1].removeprefix("ready ")


def test_it_serves_until_sigterm() -> None:
    with served("--port", "0", "--storage", "memory", "--local-host") as (process, said):
        base = base_of(said)
        assert base.endswith("/api/v1")
        assert "storage: in this process" in said
        assert "host: the project's own local host" in said
        assert Client(base).get("health")["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert "finished first" in rest
        with pytest.raises(UnreachableError):
            Client(base, timeout_s=PATIENCE_S, tries=1).get("health")


def test_a_request_that_has_begun_is_answered_after_sigterm() -> None:
    with served("--port", "0", "--storage", "memory", "--local-host") as (process, said):
        port = urlsplit(base_of(said)).port or 0
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as wire:
            wire.sendall(
                b"PUT /api/v1/datasets/half/spec HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
            )
            # It is held: its head was read, which it says, and its body is not there yet.
            assert wire.recv(65536).startswith(b"HTTP/1.1 100")
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.0)
            wire.sendall(b"[]")
            answer = wire.recv(65536)
        assert answer.startswith(b"HTTP/1.1 4")
        assert b"problem+json" in answer
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.azurite
def test_azurite_is_started_and_stopped_with_it() -> None:
    if find_azurite() is None:
        pytest.skip("Azurite is not installed: it comes by npm, and there is no Node here")
    with served("--port", "0", "--storage", "azurite", "--local-host") as (process, said):
        client = Client(base_of(said))
        assert "storage: Azurite" in said
        assert client.get("health") == client.get("health") | {"storage": "reachable"}
        client.put_csv(
            "datasets/kept/history", b"date,revenue,spend_tv\n2025-01-06,10,1\n2025-01-13,11,2\n"
        )
        assert [d["dataset"] for d in client.get("datasets")["datasets"]] == ["kept"]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


def test_func_is_used_where_it_is_on_the_path(tmp_path: Path) -> None:
    # A func that starts the app on the port it is told, as the real one does.
    func = tmp_path / "func"
    func.write_text(
        '#!/bin/sh\n[ "$1 $2" = "start --port" ] || exit 9\n'
        'cd / && echo "func ran in $VIRTUAL_ENV"\n'
        f'exec "{sys.executable}" -P -m local serve --local-host --storage memory --port "$3"\n'
    )
    func.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    with served("--port", "0", "--storage", NO_ACCOUNT, path=path) as (process, said):
        assert f"host: func start ({func})" in said
        assert Client(base_of(said)).get("health")["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert f"func ran in {sys.prefix}" in log  # its lines are in the log, not in the way


def test_func_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    func = tmp_path / "func"
    func.write_text("#!/bin/sh\necho no bundle\nexit 1\n")
    func.chmod(0o755)
    process = start("serve", "--port", "0", "--storage", NO_ACCOUNT, path=str(tmp_path))
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "func start did not come up" in told
    assert "./run --local-host" in told


def test_the_in_process_store_is_not_given_to_func(tmp_path: Path) -> None:
    func = tmp_path / "func"
    func.write_text("#!/bin/sh\nexit 9\n")
    func.chmod(0o755)
    with served("--port", "0", "--storage", "memory", path=str(tmp_path)) as (_, said):
        assert "func cannot use the in-process store" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serve", "--storage", "cloud"), "--storage takes azurite, memory or a connection string"),
        (("--history", "/nowhere/a.csv"), "/nowhere/a.csv cannot be read"),
        (("--spec", "a.json"), "belong to --history"),
        (("--port", "99999"), "a port is between"),
        (("--budget", "-1"), "an amount of money"),
        (("--budget", "nan"), "an amount of money"),
        (("--budget", "much"), "'much' is no budget: write an amount of money"),
        (("--port", "http"), "'http' is no port"),
        (("serve", "--once", "--budget", "5"), "--once, --budget would have no effect"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(arguments: tuple[str, ...], says: str) -> None:
    process = start(*arguments)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert says in told
    assert "Traceback" not in told


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start("serve", "--storage", "memory", "--local-host", "--port", port)
        _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert f"Port {port} cannot be used" in told
    assert "--port N" in told


def test_two_that_start_at_once_get_a_port_each() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        code = f"""
            from local import serving
            serving._port = lambda asked: {port}  # free when looked at, taken when bound
            serving.serve_until_told(serving.Choice(None, "memory", True))
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        base = [process.stdout.readline().strip() for _ in range(3)][-1].removeprefix("ready ")
        assert urlsplit(base).port not in (None, port)
        assert Client(base).get("health")["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0


def test_every_start_has_a_log_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "app.log"
    with own_log(path) as (first, log):
        log.write(b"first\n")
        log.flush()
        with own_log(path) as (second, other):
            other.write(b"second\n")
        assert (first.name, second.name) == ("app.log", "app-2.log")
        assert first.read_bytes() == b"first\n"
        assert second.read_bytes() == b"second\n"
    with own_log(path) as (again, _):
        assert again == path
        assert again.read_bytes() == b""


def test_the_app_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from local.serving import Choice, app_process, own_log
        with (
            own_log(Path({str(tmp_path)!r}) / "log") as (path, log),
            app_process(Choice(0, "memory", True), path, log) as base,
        ):
            print(base, flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    base = [process.stdout.readline().strip() for _ in range(3)][-1]
    assert Client(base).get("health")["status"] == "ok"
    process.kill()
    process.communicate()

    def gone() -> bool:
        try:
            Client(base, timeout_s=PATIENCE_S, tries=1).get("health")
        except UnreachableError:
            return True
        return False

    until(gone)
