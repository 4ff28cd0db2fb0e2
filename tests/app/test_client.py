"""The client package: over real HTTP, from its wheel, on the command line, in the notebook."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from client.make_models import models_of
from client.marginal_client import Client, RefusedError, UnreachableError, frame
from client.marginal_client.commands import main
from local.config import HostConfig
from local.host import serve
from shared.store.memory import MemoryQueue
from tests.api.samples import optimize_request
from tests.app.client import Client as Bare

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client(api: Bare) -> Client:
    return Client(api.base, api.headers.get("x-functions-key", ""))


def test_the_types_are_those_of_the_kept_document() -> None:
    document = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
    kept = (ROOT / "client/marginal_client/models.py").read_text("utf-8")
    assert kept == models_of(document), "python -m client.make_models > the file"


def test_now_and_later_answer_the_same(client: Client) -> None:
    now = client.optimize(optimize_request())
    later = client.optimize(optimize_request(), later=True)
    assert now["allocation"] == later["allocation"]
    assert client.ask("evaluate", {"problem": optimize_request(), "plan": plan_of(now)})[
        "allocation"
    ]


def plan_of(answer: Any) -> list[dict[str, Any]]:
    return [{"channel": row["channel"], "spend": row["spend"]} for row in answer["allocation"]]


@pytest.mark.parametrize("later", [False, True])
def test_a_refusal_tells_every_fault(client: Client, later: bool) -> None:
    with pytest.raises(RefusedError, match="/budget") as caught:
        client.optimize(optimize_request(budget=-1), later=later)
    assert caught.value.status == 422


def test_a_job_that_fails_is_a_refusal(client: Client) -> None:
    request = optimize_request()
    for channel in request["channels"]:
        channel["min_spend"] = 50_000
        channel.pop("max_change", None)
    with pytest.raises(RefusedError, match="min_spend") as caught:
        client.optimize(request, later=True)
    assert caught.value.status == 422


def test_frames_go_in_and_come_out(client: Client, fitted: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    names = [channel["channel"] for channel in client.get(f"datasets/{fitted}")["channels"]]
    bounds = pandas.DataFrame({"channel": names, "max_spend": [50.0, None, None]})
    answer = client.optimize(bounds, dataset=fitted, budget=100)
    table = frame(answer)
    assert list(table.index) == names
    assert table.loc[names[0], "spend"] <= 50.0 + 1e-6
    assert table["spend"].sum() == pytest.approx(100.0)


# -- trouble --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moody() -> Iterator[str]:
    """A service that is busy twice before it answers; it tells the key that it was sent."""
    app = func.FunctionApp()
    calls: list[str] = []

    @app.route(route="busy", methods=["GET"])
    def busy(req: func.HttpRequest) -> func.HttpResponse:
        calls.append(req.method)
        if len(calls) % 3:
            return func.HttpResponse("{}", status_code=503, headers={"Retry-After": "7"})
        return func.HttpResponse(json.dumps({"key": req.headers.get("x-functions-key")}))

    @app.route(route="wrong", methods=["GET"])
    def wrong(req: func.HttpRequest) -> func.HttpResponse:
        calls.append(req.method)
        return func.HttpResponse(json.dumps({"detail": f"{len(calls)}"}), status_code=422)

    with serve(
        functions=app.get_functions(), config=HostConfig(), open_queue=lambda n: MemoryQueue(n)
    ) as host:
        yield host.url


def test_what_is_busy_is_asked_again_when_it_says(moody: str) -> None:
    slept: list[float] = []
    client = Client(moody, "secret", sleep=slept.append)
    assert client.get("busy") == {"key": "secret"}
    assert slept == [7.0, 7.0]
    with pytest.raises(RefusedError):
        replace(client, tries=2).get("busy")
    assert client.get("busy")  # the third call


def test_what_is_wrong_is_asked_once(moody: str) -> None:
    slept: list[float] = []
    with pytest.raises(RefusedError):
        Client(moody, sleep=slept.append).get("wrong")
    assert slept == []


def test_the_key_goes_to_the_service_alone(moody: str) -> None:
    client = Client("http://127.0.0.1:1/api/v1", "secret", sleep=lambda _: None)
    assert client.get(f"{moody}/busy") == {"key": None}


def test_nobody_there_is_tried_and_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    slept: list[float] = []
    with pytest.raises(UnreachableError, match="does not answer"):
        Client(f"http://127.0.0.1:{port}/api/v1", sleep=slept.append).get("health")
    assert slept == [0.5, 1.0, 2.0]


# -- the command line, the wheel, the notebook ----------------------------------------------------


def test_commands(
    client: Client, fitted: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, code: int = 0) -> str:
        assert main(["--url", client.base, *words]) == code
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    assert fitted in said("datasets")
    text = said("plan", fitted, "--budget", "0.1k")
    amounts = [float(line.split()[-1].replace(",", "")) for line in text.splitlines()[:3]]
    assert sum(amounts) == pytest.approx(100.0, abs=0.02)
    table = tmp_path / "history.csv"
    table.write_text("date,tv_spend,revenue\n2025-01-06,1,5\n2025-01-13,2,6\n2025-01-20,1,5\n")
    assert said("upload", name, str(table)).startswith("3 rows, 2025-01-06 to 2025-01-20")
    assert "There is no dataset" in said("plan", "nobody-has-this", "--budget", "1", code=1)
    assert said("upload", name, str(tmp_path / "none.csv"), code=1)


def test_the_wheel_works_in_a_clean_environment(client: Client, tmp_path: Path) -> None:
    """Built, installed where there is nothing else, and asked for a plan."""
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path)]
    built = subprocess.run([*build, str(ROOT / "client")], capture_output=True, text=True)
    if built.returncode:
        pytest.skip("the wheel's build backend (flit_core) cannot be fetched here")
    (wheel,) = tmp_path.glob("marginal_client-*.whl")
    venv.create(tmp_path / "clean", with_pip=False)
    python = tmp_path / "clean" / "bin" / "python"
    question = json.dumps(optimize_request())
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r})\n"
        "import json, marginal_client\n"
        f"client = marginal_client.Client({client.base!r}, {client.key!r})\n"
        f"print(json.dumps(client.optimize(json.loads({question!r}))['allocation']))\n"
    )
    bare = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path, env=bare
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == client.optimize(optimize_request())["allocation"]


def test_the_notebook_runs(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    text = (ROOT / "docs/notebook.md").read_text("utf-8")
    cells = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(cells) >= 5
    monkeypatch.setenv("MARGINAL_URL", client.base)
    monkeypatch.setenv("MARGINAL_KEY", client.key)
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, "marginal_client", sys.modules["client.marginal_client"])
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "docs/notebook.md", "exec"), names)
    assert names["plan"]["spend"].sum() == pytest.approx(names["budget"], rel=1e-6)
