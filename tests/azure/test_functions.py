"""Every function of the app, indexed and invoked through the production worker's library."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.config import load_host_config, load_settings
from local.host import ROOT, app_functions
from local.rules import faults
from samples.simulate import simulate
from shared.api.endpoints import ENDPOINTS
from shared.store.connect import connect
from tests.azure.worker import Response, Worker, WorkerError

MEMORY = {"AzureWebJobsStorage": "memory", "REFIT_SCHEDULE": "0 0 2 * * *"}
DATASET = "through-the-worker"
HTTP = {
    endpoint.name: (
        endpoint.route,
        {endpoint.method, *(["HEAD"] if endpoint.method == "GET" else [])},
    )
    for endpoint in ENDPOINTS
}
HTTP["nothing"] = ("{*path}", {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUEUES = {
    "refit_dataset": "refits",
    "fail_poisoned_refit": "refits-poison",
    "do_job": "jobs",
    "fail_poisoned_job": "jobs-poison",
}
OTHERS = {"nightly_refit", *QUEUES}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    from shared.api.http import service

    patch = pytest.MonkeyPatch()
    for name, value in MEMORY.items():
        patch.setenv(name, value)
    patch.syspath_prepend(str(ROOT))
    service.cache_clear()
    try:
        yield Worker(ROOT)
    finally:
        service.cache_clear()
        patch.undo()


def call(
    worker: Worker, name: str, body: object = None, *, csv: bytes | None = None, **route: str
) -> Response:
    template, methods = HTTP[name]
    sent = csv if csv is not None else b"" if body is None else json.dumps(body).encode()
    kind = "text/csv" if csv is not None else "application/json"
    return worker.http(
        name,
        min(methods - {"HEAD"}),
        template.replace("*", "").format(**route),
        body=sent,
        headers={"content-type": kind, "content-length": str(len(sent))},
        route=route,
    )


def sample_request(name: str) -> dict[str, Any]:
    text = (ROOT / "samples" / "requests" / f"{name}.json").read_text("utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def test_all_functions_are_indexed_with_their_routes(worker: Worker) -> None:
    assert set(worker.functions) == set(HTTP) | OTHERS
    for name, (route, methods) in HTTP.items():
        trigger = worker.bindings(name)[0]
        assert (trigger["route"], set(trigger["methods"])) == (route, methods)


def test_a_key_is_asked_for_everywhere_but_for_health(worker: Worker) -> None:
    levels = {name: worker.bindings(name)[0]["authLevel"] for name in HTTP}
    open_ones = {name for name, level in levels.items() if level != "FUNCTION"}
    # What is nowhere tells nothing but that.
    assert open_ones == {"health", "nothing", "dashboard", "dashboard_file"}
    assert {levels[name] for name in open_ones} == {"ANONYMOUS"}


def test_the_timer_and_the_queues_are_bound_as_the_host_file_expects(worker: Worker) -> None:
    timer = worker.bindings("nightly_refit")[0]
    assert timer["schedule"] == "%REFIT_SCHEDULE%"
    assert (timer["useMonitor"], timer["runOnStartup"]) == (True, False)
    assert {n: worker.bindings(n)[0]["queueName"] for n in QUEUES} == QUEUES
    config = load_host_config(ROOT / "host.json")
    assert (config.route_prefix, config.batch_size, config.max_dequeue_count) == ("api/v1", 1, 3)


def test_the_dotnet_host_would_accept_the_app(worker: Worker) -> None:
    del worker
    settings = load_settings(ROOT, {})  # the sample file's own settings resolve everything
    assert faults(app_functions(), settings) == []


@pytest.mark.parametrize("name", ["optimize", "scenarios", "evaluate"])
def test_a_planning_question(worker: Worker, name: str) -> None:
    answer = call(worker, name, sample_request(name))
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sensitivity", {}),
        ("campaigns", {}),
        ("transition", {"max_change": 0.2, "periods": 3}),
        ("experiment", {"noise": 500.0}),
    ],
)
def test_a_question_about_a_plan(worker: Worker, name: str, more: dict[str, Any]) -> None:
    answer = call(worker, name, {"base": sample_request("optimize"), **more})
    assert answer.status == 200, answer.body


TABLE = {
    "format": "table",
    "table_csv": "channel,spend,response\ntv,0,0\ntv,20,31\nsearch,0,0\nsearch,15,22\n",
    "channels": [
        {"channel": "tv", "current_spend": 24},
        {"channel": "search", "current_spend": 9},
    ],
}


def test_curves_of_another_tool_and_a_report_of_them(worker: Worker) -> None:
    at = {"dataset": "tables"}
    assert call(worker, "import_curves", TABLE).status == 200
    stored = call(worker, "store_curves", {**TABLE, "promote": True}, **at)
    assert stored.status == 201, stored.body
    page = call(worker, "report", **at)
    assert page.status == 200, page.body
    assert page.headers["content-type"].startswith("text/html")
    assert call(worker, "plot", **at, plot="responses").status == 200
    assert call(worker, "responses", **at).json()["curves"]
    whole = call(worker, "portfolio", {"datasets": [at], "budget": 30})
    assert whole.status == 200, whole.body
    assert call(worker, "delete_dataset", **at).status == 204


def test_a_policy_and_the_loop_of_an_experiment(worker: Worker) -> None:
    base = sample_request("optimize")
    base |= {
        "channels": [base["channels"][1] | {"max_spend": 60_000}],
        "horizon": {"periods": 3},
        "objective": {"goal": "maximize_profit", "value_per_outcome": 1},
    }
    answer = call(worker, "policies", {"base": base})
    assert answer.status == 200, answer.body
    at = {"dataset": "tested"}
    brand = simulate(seed=5, weeks=60, channels=2)
    assert call(worker, "put_spec", brand.spec, **at).status == 200
    assert call(worker, "put_history", csv=brand.csv.encode(), **at).status == 200
    rows = brand.csv.splitlines()
    channel = brand.spec["channels"][0]["channel"]
    off = {"channel": channel, "change": -1, "periods": 6, "start": rows[-8].split(",")[0]}
    designed = call(worker, "experiments", {**at, "off": off})
    assert designed.status == 200, designed.body
    own = designed.json()["experiment"]
    found = call(worker, "results", {}, **at, experiment=own)
    assert found.status == 200, found.body
    (kept,) = call(worker, "list_experiments", **at).json()["experiments"]
    assert kept["lift_test"] == found.json()["lift_test"]
    assert call(worker, "delete_dataset", **at).status == 204


def test_a_bad_question_is_a_problem_not_a_failure(worker: Worker) -> None:
    answer = call(worker, "optimize", {"budget": -1})
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_is_nowhere_is_a_problem(worker: Worker) -> None:
    answer = call(worker, "nothing", path="nowhere")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_assistant_asks_for_the_tools(worker: Worker) -> None:
    answer = call(worker, "mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert answer.status == 200, answer.body
    assert answer.json()["result"]["tools"]


@pytest.mark.parametrize("name", ["openapi", "tools", "health"])
def test_a_question_about_the_service(worker: Worker, name: str) -> None:
    answer = call(worker, name)
    assert answer.status == 200, answer.body
    assert isinstance(answer.json(), dict | list)


def test_the_page_and_its_files(worker: Worker) -> None:
    page = call(worker, "dashboard")
    assert page.status == 200, page.body
    found = re.search(rb"dashboard/([\w.-]+\.js)", page.body)
    assert found is not None
    script = call(worker, "dashboard_file", file=found.group(1).decode())
    assert script.status == 200


def test_a_fit_in_the_request(worker: Worker) -> None:
    brand = simulate(seed=5, weeks=60, channels=2)
    answer = call(worker, "fit", {"spec": brand.spec, "history_csv": brand.csv, "seed": 1})
    assert answer.status == 200, answer.body
    assert len(answer.json()["channels"]) == 2


def test_an_allocator_from_its_making_to_its_night(worker: Worker) -> None:
    at, queues = {"dataset": "allocated"}, connect(MEMORY)
    assert call(worker, "put_spec", {}, **at).status == 200
    arms = {"arms": [{"arm": "a"}, {"arm": "b"}], "budget": 100}
    asked = {"allocator": "x", "kind": "thompson", "outcome": "binary", **arms}
    made = call(worker, "create_allocator", asked, **at)
    assert made.status == 201, made.body
    one = {**at, "allocator": "x"}
    events = {"events": [{"id": "1", "arm": "a", "period": 0, "trials": 50, "outcomes": 4}]}
    assert call(worker, "observe", events, **one).json()["added"] == 1
    drain(queues.refits)
    worker.timer("nightly_refit", past_due=False)
    nightly = [body for body in drain(queues.refits) if "allocated" in body]
    assert len(nightly) == 1
    worker.queue("refit_dataset", nightly[0])
    worker.queue("refit_dataset", nightly[0], dequeue_count=2)
    worker.queue("fail_poisoned_refit", nightly[0])
    split = call(worker, "next_split", **one).json()
    kept = call(worker, "get_allocator", **one).json()["decisions"]
    assert [row["decision"] for row in kept] == [split["decision"]]
    assert len(call(worker, "list_allocators", **at).json()["allocators"]) == 1
    assert call(worker, "delete_allocator", **one).status == 204
    assert call(worker, "delete_dataset", **at).status == 204
    worker.queue("refit_dataset", nightly[0])  # late: the dataset is gone


def test_learning_refuses_what_it_cannot_tell(worker: Worker) -> None:
    rows = [{"arm": "a", "reward": 1, "propensity": 0.5}] * 2
    target = [{"arm": "a", "probability": 1}]
    assert call(worker, "offpolicy", {"rows": rows, "target": target}).status == 422
    at = {"dataset": "nobody", "plan": "ab120101"}
    assert call(worker, "adopt_plan", {"start": "2025-01-06"}, **at).status == 404
    assert call(worker, "track_plan", **at).status == 404


def test_a_question_that_is_answered_later(worker: Worker) -> None:
    queue = connect(MEMORY).jobs
    drain(queue)
    body = json.dumps(sample_request("optimize")).encode()
    names = []
    for _ in range(3):
        queued = worker.http(
            "optimize",
            "POST",
            "optimize",
            body=body,
            headers={"content-type": "application/json", "prefer": "respond-async"},
        )
        assert queued.status == 202, queued.body
        names.append(queued.json()["job"])
    done, poisoned, cancelled = drain(queue)
    assert call(worker, "get_job", job=names[0]).status == 202
    worker.queue("do_job", done)
    worker.queue("do_job", done, dequeue_count=2)
    assert call(worker, "get_job", job=names[0]).json()["output"]["allocation"]
    worker.queue("fail_poisoned_job", poisoned)
    assert call(worker, "get_job", job=names[1]).json()["runtime_status"] == "Failed"
    assert call(worker, "cancel_job", job=names[2]).json()["runtime_status"] == "Terminated"
    worker.queue("do_job", cancelled)
    assert call(worker, "get_job", job=names[2]).json()["runtime_status"] == "Terminated"


def test_a_night_from_timer_to_promoted_curves(worker: Worker) -> None:
    """Store, list, refit by timer and by hand, read, promote, delete: the rest of the functions."""
    at = {"dataset": DATASET}
    queues = connect(MEMORY)
    brand = simulate(seed=4, weeks=130, channels=2)
    assert call(worker, "put_spec", brand.spec, **at).status == 200
    header, *lines = brand.csv.splitlines()
    early = "\n".join((header, *lines[:-4])).encode()
    assert call(worker, "put_history", csv=early, **at).status == 200
    late = "\n".join((header, *lines[-8:])).encode()
    grown = call(worker, "patch_history", csv=late, **at)
    assert grown.status == 200, grown.body
    assert len(call(worker, "get_history", **at).json()) == len(lines)
    assert call(worker, "put_history", csv=brand.csv.encode(), **at).status == 200
    assert call(worker, "get_spec", **at).json()["outcome"] == brand.spec["outcome"]
    assert call(worker, "get_history", **at).body == brand.csv.encode()
    listed = call(worker, "list_datasets").json()["datasets"]
    assert DATASET in {entry["dataset"] for entry in listed}

    # By hand: one message, worked twice as an at-least-once queue may deliver it.
    drain(queues.refits)
    queued = call(worker, "refit", **at)
    assert queued.status == 202
    run = queued.json()["run"]
    assert queued.headers["Location"].endswith(f"/datasets/{DATASET}/runs/{run}")
    (message,) = drain(queues.refits)
    worker.queue("refit_dataset", message)
    worker.queue("refit_dataset", message, dequeue_count=2)
    state = call(worker, "get_run", **at, run=run).json()
    assert state["state"] in {"promoted", "kept_previous"}, state
    assert state["reasons"]

    assert call(worker, "list_runs", **at).json()["runs"][0]["run"] == run
    assert call(worker, "get_dataset", **at).json()["last_run"]["run"] == run

    versions = call(worker, "list_curve_versions", **at).json()["versions"]
    assert [v["version"] for v in versions] == [state["curves_version"]]
    version = state["curves_version"]
    assert call(worker, "get_curve_version", **at, version=version).json()["version"] == version
    assert call(worker, "promote_curves", **at, version=version).status == 200
    assert call(worker, "get_curves", **at).json()["version"] == version

    # By the timer: the same dataset is queued; here its worker dies for good.
    worker.timer("nightly_refit", past_due=True)
    nightly = [body for body in drain(queues.refits) if DATASET in body]
    assert len(nightly) == 1
    worker.queue("fail_poisoned_refit", nightly[0])

    # Outcomes of a long history have their own table.
    long = "date,channel,spend\n2025-01-06,tv,1\n2025-01-13,tv,2\n"
    outcomes = "date,revenue\n2025-01-06,5\n2025-01-13,6\n"
    other = {"dataset": "long-" + DATASET}
    assert call(worker, "put_history", csv=long.encode(), **other).status == 200
    stored = call(worker, "put_outcomes", csv=outcomes.encode(), **other)
    assert stored.status == 200, stored.body
    assert call(worker, "get_outcomes", **other).body == outcomes.encode()

    for dataset in (at, other):
        assert call(worker, "delete_dataset", **dataset).status == 204
    assert call(worker, "get_curves", **at).status == 404


def test_a_failing_worker_leaves_the_message_to_the_host(worker: Worker) -> None:
    """What is no message of ours must not be swallowed: it has to end in the poison queue."""
    with pytest.raises(WorkerError):
        worker.queue("refit_dataset", "not a message of ours")


def test_nothing_was_left_out(worker: Worker) -> None:
    assert worker.invoked == set(worker.functions)


def drain(queue: Any) -> list[str]:
    """Everything on the queue, taken off it."""
    bodies: list[str] = []
    while messages := queue.receive(visibility_s=60, limit=32):
        for message in messages:
            bodies.append(message.body)
            queue.delete(message)
    return bodies
