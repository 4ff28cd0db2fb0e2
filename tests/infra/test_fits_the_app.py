"""The templates and the app agree: settings, containers, queues, functions, what alerts count."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.store.blobs import AzureBlobs
from shared.store.connect import (
    CONTAINER,
    JOB_POISON_QUEUE,
    JOB_QUEUE,
    POISON_QUEUE,
    REFIT_QUEUE,
    connect,
)
from shared.store.queues import AzureQueue
from tests.infra.bicep import INFRA, Expression, read

ROOT = INFRA.parent
MAIN = read(INFRA / "main.bicep")
ALERTS = read(INFRA / "modules/alerts.bicep")


def settings() -> dict[str, str]:
    """The settings of the deployed app, with a plausible value where Azure would make one."""
    site = read(INFRA / "modules/function.bicep").resources["app"].body["properties"]
    made = {
        "blobEndpoint": "https://stmarginal.blob.core.windows.net/",
        "queueEndpoint": "https://stmarginal.queue.core.windows.net/",
        "identityClientId": "11111111-2222-3333-4444-555555555555",
        "refitSchedule": MAIN.parameters["refitSchedule"].default,
    }
    result = {}
    for setting in site["siteConfig"]["appSettings"]:
        value = setting["value"]
        result[setting["name"]] = (
            made.get(value.text, value.text) if isinstance(value, Expression) else value
        )
    return result


def functions() -> dict[str, list[dict[str, Any]]]:
    """The app's functions with their bindings, as the app itself declares them."""
    tree = ast.parse((ROOT / "function_app.py").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            calls = [d for d in node.decorator_list if isinstance(d, ast.Call)]
            bindings: list[dict[str, Any]] = [
                {str(k.arg): k.value.value for k in c.keywords if isinstance(k.value, ast.Constant)}
                | {"decorator": c.func.attr if isinstance(c.func, ast.Attribute) else ""}
                for c in calls
            ]
            names = [
                c.args[0].value
                for c, b in zip(calls, bindings, strict=True)
                if b["decorator"] == "function_name" and isinstance(c.args[0], ast.Constant)
            ]
            found[str(names[0]) if names else node.name] = bindings
    return found


def bindings(decorator: str) -> dict[str, dict[str, Any]]:
    return {
        name: binding
        for name, several in functions().items()
        for binding in several
        if binding["decorator"] == decorator
    }


def test_the_app_connects_with_the_settings_that_are_deployed() -> None:
    connections = connect(settings())
    assert isinstance(connections.blobs, AzureBlobs)
    assert isinstance(connections.refits, AzureQueue)
    assert (connections.refits.name, connections.poison.name) == (REFIT_QUEUE, POISON_QUEUE)


def test_the_identity_is_the_only_way_in() -> None:
    deployed = settings()
    assert deployed["AzureWebJobsStorage__credential"] == "managedidentity"
    assert "AzureWebJobsStorage" not in deployed
    assert "Authorization=AAD" in deployed["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]


def test_containers_and_queues_are_those_of_the_code() -> None:
    assert MAIN.variables["dataContainerName"] == CONTAINER
    assert MAIN.variables["refitQueueName"] == REFIT_QUEUE
    assert MAIN.variables["poisonQueueName"] == POISON_QUEUE
    assert MAIN.variables["jobQueueName"] == JOB_QUEUE
    assert MAIN.variables["jobPoisonQueueName"] == JOB_POISON_QUEUE
    given = MAIN.modules["storage"].body["params"]
    assert {"dataContainerName", "deploymentContainerName"} == {
        name.text for name in given["containerNames"]
    }
    assert {"refitQueueName", "poisonQueueName", "jobQueueName", "jobPoisonQueueName"} == {
        name.text for name in given["queueNames"]
    }
    # What is deployed must not land among what is stored.
    assert MAIN.variables["deploymentContainerName"] != CONTAINER


def test_the_queue_triggers_listen_to_the_queues_that_are_deployed() -> None:
    triggers = bindings("queue_trigger")
    queues = {REFIT_QUEUE, POISON_QUEUE, JOB_QUEUE, JOB_POISON_QUEUE}
    assert {t["queue_name"] for t in triggers.values()} == queues
    for trigger in triggers.values():
        assert any(name.startswith(f"{trigger['connection']}__") for name in settings())


def test_every_setting_that_a_binding_names_is_deployed() -> None:
    named = set(re.findall(r"%(\w+)%", (ROOT / "function_app.py").read_text()))
    assert named == {"REFIT_SCHEDULE"}
    assert named <= set(settings())


def environment_names(path: Path) -> Iterator[str]:
    """Names that the code reads from the environment as literals."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case (
                ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(str(name)))
                | ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                    args=[ast.Constant(str(name)), *_],
                )
                | ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(str(name)), *_])
            ):
                yield name


def test_every_setting_that_the_code_reads_is_deployed_or_made_by_azure() -> None:
    paths = [ROOT / "function_app.py", *(ROOT / "shared").rglob("*.py")]
    read_names = {name for path in paths for name in environment_names(path)}
    made_by_azure = {name for name in read_names if name.startswith(("WEBSITE_", "FUNCTIONS_"))}
    assert read_names - made_by_azure <= set(settings())


def test_the_reader_of_environment_names_finds_them(tmp_path: Path) -> None:
    code = tmp_path / "x.py"
    code.write_text("import os\nos.environ['A']\nos.environ.get('B', '')\nos.getenv('C')\n")
    assert set(environment_names(code)) == {"A", "B", "C"}


def test_the_schedule_is_a_six_field_ncrontab() -> None:
    for source in (MAIN, *(read(p) for p in INFRA.glob("*.bicepparam"))):
        value = source.variables.get("refitSchedule")
        if isinstance(value, str):
            assert len(value.split()) == 6
    assert len(str(MAIN.parameters["refitSchedule"].default).split()) == 6


# --- alerts ----------------------------------------------------------------------------------


def queries() -> dict[str, str]:
    return {rule["name"]: rule["query"].text for rule in ALERTS.variables["rules"]}


def test_alerts_ask_for_functions_that_exist() -> None:
    asked = set(re.findall(r'OperationName == "(\w+)"', " ".join(queries().values())))
    assert asked <= set(functions())
    queued = {"refit_dataset", "fail_poisoned_refit", "do_job", "fail_poisoned_job"}
    assert asked == {*queued, "nightly_refit"}


def test_a_poison_message_alerts_through_the_function_that_takes_it() -> None:
    poisoned = {
        name
        for name, trigger in bindings("queue_trigger").items()
        if trigger["queue_name"] in (POISON_QUEUE, JOB_POISON_QUEUE)
    }
    assert poisoned == {"fail_poisoned_refit", "fail_poisoned_job"}
    for name in poisoned:
        assert f'OperationName == "{name}"' in queries()["refit-poisoned"]


@pytest.mark.parametrize("name", ["refit-failed", "refit-poisoned", "server-errors"])
def test_alerts_count_what_is_never_sampled_away(name: str) -> None:
    host = json.loads((ROOT / "host.json").read_text())
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Request" in sampling["excludedTypes"].split(";")
    assert "AppRequests" in queries()[name]


def test_the_worker_logs_a_failed_run_as_the_error_that_the_alert_looks_for() -> None:
    # A run that ends as failed is no failed execution: only its log line tells.
    logged = {
        node.args[0].value
        for node in ast.walk(ast.parse((ROOT / "shared/fit/night/refit.py").read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("error", "exception")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert any(re.search(r"\bfailed\b", str(line)) for line in logged)
    error = 3  # Application Insights' severity of Python's ERROR
    assert f"SeverityLevel >= {error}" in queries()["refit-failed"]


def test_every_alert_looks_at_this_app_only_and_reaches_people() -> None:
    for name, query in queries().items():
        assert "ofThisApp" in query, name
    people = [Expression("people.id")]
    rule = ALERTS.resources["logAlerts"].body["properties"]
    assert rule["actions"]["actionGroups"] == people
    assert rule["enabled"] == Expression("enabled")
    metric = ALERTS.resources["backlogAlert"].body["properties"]
    assert [action["actionGroupId"] for action in metric["actions"]] == people


def test_durations_are_such_that_azure_takes_them() -> None:
    minutes = {"PT5M": 5, "PT15M": 15, "PT6H": 360, "P2D": 2880}
    for rule in ALERTS.variables["rules"]:
        # A window shorter than the pause between two looks would miss what falls between.
        assert minutes[rule["every"]] <= minutes[rule["window"]], rule["name"]
        assert rule["severity"] in range(5)
