"""A client made by openapi-python-client from the kept document walks the README's tour."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from local.host import serve
from shared.api.endpoints import ENDPOINTS
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
SETTINGS = {"AzureWebJobsStorage": "memory", "REFIT_SCHEDULE": "0 0 2 * * *"}
PACKAGE = "generated_marginal"

Operation = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package as it is generated, on the path."""
    pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed")
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n", "utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    command += ["--path", str(ROOT / "docs/openapi.json"), "--config", str(config)]
    command += ["--output-path", str(folder / PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # What it cannot say it leaves out and warns of: tables are sent as bytes, pictures read so.
    left_out = [line for line in done.stdout.splitlines() if line.startswith("WARNING")]
    assert all(" /datasets/{dataset}/" in line for line in left_out), left_out
    sys.path.insert(0, str(folder))
    yield folder / PACKAGE
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def ask(made: Path) -> Iterator[Operation]:
    """Call an operation by its id; its whole response."""
    del made
    with serve(settings=SETTINGS, drain_s=30) as host:
        client = import_module(f"{PACKAGE}.client").Client(base_url=host.url, timeout=60)

        def asked(name: str, *route: Any, status: int = 200, **given: Any) -> Any:
            operation = import_module(f"{PACKAGE}.api.default.{name}")
            response = operation.sync_detailed(*route, client=client, **given)
            assert response.status_code == status, response.content
            return response

        with client:
            yield asked


def model(name: str, body: Any) -> Any:
    return getattr(import_module(f"{PACKAGE}.models"), name).from_dict(body)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text("utf-8"))


def test_the_client_has_few_files(made: Path) -> None:
    # Under 300 were asked for when there were 34 operations.
    assert len(list(made.rglob("*.py"))) < 8.8 * len(ENDPOINTS)


@pytest.mark.parametrize(
    ("name", "request_model"),
    [
        ("optimize", "OptimizeRequest"),
        ("scenarios", "ScenariosRequest"),
        ("evaluate", "EvaluateRequest"),
        ("transition", "TransitionRequest"),
        ("experiment", "ExperimentRequest"),
    ],
)
def test_each_planning_question(ask: Operation, name: str, request_model: str) -> None:
    raw = sample(f"requests/{name}.json")
    body = model(request_model, raw)
    assert body.to_dict() == raw
    response = ask(name, body=body)
    # Nothing that was answered is lost between the bytes and the typed answer.
    assert response.parsed.to_dict() == json.loads(response.content)


def test_a_history_is_sent_fitted_planned_on_and_drawn(ask: Operation) -> None:
    assert ask("health").parsed.status.value == "ok"
    ask("put_spec", "tour", body=model("Spec", sample("brand_spec.json")))
    rows = (SAMPLES / "brand.csv").read_bytes().splitlines(keepends=True)
    table = b"".join(rows[:1] + rows[-80:])  # few enough to be fitted quickly
    file = import_module(f"{PACKAGE}.types").File(payload=BytesIO(table))
    stored = ask("put_history", "tour", body=file)
    assert stored.parsed.read.spend.to_dict().keys() >= {"tv", "search"}
    run = ask("refit", "tour", status=202).parsed.run

    def ended() -> bool:
        return ask("get_run", "tour", run).parsed.state.value in ("promoted", "refused", "failed")

    until(ended)
    told = ask("get_run", "tour", run).parsed
    assert told.state.value == "promoted", told
    asked = {**sample("requests/optimize_dataset.json"), "dataset": "tour"}
    plan = ask("optimize", body=model("OptimizeRequest", asked)).parsed
    assert plan.status.value == "optimal"
    plot = import_module(f"{PACKAGE}.models").PlotPlot("responses")
    picture = ask("plot", "tour", plot)
    assert b"</svg>" in picture.content
    assert b"<html" in ask("report", "tour").content
    assert ask("get_history", "tour").content == table
    problem = ask("get_curves", "nobody", status=404).parsed
    assert problem.type_ == "urn:marginal:problem:not_found"
    ask("delete_dataset", "tour", status=204)
