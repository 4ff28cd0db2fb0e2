"""azure.yaml, the workflow and .funcignore: what is deployed, by whom, with which rights."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pathspec
import pytest
import yaml

from tests.infra.bicep import INFRA, read

ROOT = INFRA.parent
MAIN = read(INFRA / "main.bicep")
WORKFLOW_TEXT = (ROOT / ".github/workflows/deploy.yml").read_text()


def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(WORKFLOW_TEXT)
    return loaded


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow()["jobs"][job]["steps"]
    return found


def test_azd_deploys_one_function_service_from_this_folder() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    assert project["services"] == {
        "api": {"project": ".", "language": "python", "host": "function", "remoteBuild": True}
    }
    infra = project["infra"]
    template = ROOT / infra["path"] / f"{infra['module']}.bicep"
    assert template.is_file()
    assert template.with_suffix(".bicepparam").is_file()


def test_azd_finds_the_app_by_its_tag() -> None:
    tags = MAIN.modules["function"].body["params"]["tags"].text
    assert "'azd-service-name': 'api'" in tags
    assert "azd-env-name" in MAIN.variables["tags"]
    assert {"SERVICE_API_NAME", "SERVICE_API_URI"} <= set(MAIN.outputs)


# --- the workflow ----------------------------------------------------------------------------


def test_the_workflow_has_the_least_rights() -> None:
    jobs = workflow()["jobs"]
    assert workflow()["permissions"] == {}
    assert jobs["check"]["permissions"] == {"contents": "read"}
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}


def test_the_workflow_knows_no_secret() -> None:
    assert "secrets." not in WORKFLOW_TEXT
    (login,) = [s for s in steps("deploy") if s.get("uses", "").startswith("azure/login@")]
    assert set(login["with"]) == {"client-id", "tenant-id", "subscription-id"}
    for job in ("check", "deploy"):
        (checkout,) = [s for s in steps(job) if s.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"]["persist-credentials"] is False


def test_actions_are_pinned_to_a_major_version() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW_TEXT)
    assert used
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", action) for action in used)


def test_no_input_is_pasted_into_a_shell_script() -> None:
    # An expression in a script is text of the script: it goes through the environment instead.
    scripts = [s["run"] for job in ("check", "deploy") for s in steps(job) if "run" in s]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_nothing_is_deployed_that_was_not_checked() -> None:
    assert workflow()["jobs"]["deploy"]["needs"] == "check"
    assert [s["run"] for s in steps("check") if "run" in s] == ["./check"]
    scripts = [s.get("run", "") for s in steps("deploy")]
    order = ["az bicep build ", "group what-if", "group create", "config-zip", "/health"]
    found = [next(i for i, script in enumerate(scripts) if word in script) for word in order]
    assert found == sorted(found)


def test_only_main_deploys_by_itself_and_only_to_dev() -> None:
    # YAML 1.1 reads the key "on" as true.
    triggers = workflow()[True]
    assert triggers["push"] == {"branches": ["main"]}
    assert set(triggers) == {"push", "workflow_dispatch"}
    choices = triggers["workflow_dispatch"]["inputs"]["environment"]["options"]
    for choice in choices:
        given = read(INFRA / f"{choice}.bicepparam").variables
        assert given["environmentName"] == choice
    assert workflow()["jobs"]["deploy"]["environment"] == "${{ inputs.environment || 'dev' }}"


def test_the_workflow_asks_for_outputs_and_files_that_exist() -> None:
    outputs = set(re.findall(r"jq -r \.(\w+)\.value", WORKFLOW_TEXT))
    assert outputs
    assert outputs <= set(MAIN.outputs)
    for name in re.findall(r"infra/[\w/]+\.bicep\b", WORKFLOW_TEXT):
        assert (ROOT / name).is_file(), name


def test_the_workflow_packs_what_azd_packs() -> None:
    (script,) = [s["run"] for s in steps("deploy") if "app.zip function_app.py" in s.get("run", "")]
    named = script.partition("app.zip ")[2].partition(" --exclude")[0].split()
    assert {f.partition("/")[0] for f in packed()} - {"LICENSE"} == set(named)


# --- what is packed --------------------------------------------------------------------------


def packed() -> set[str]:
    lines = (ROOT / ".funcignore").read_text().splitlines()
    ignored = pathspec.GitIgnoreSpec.from_lines(lines)
    result = set()
    for folder, names, files in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        names[:] = [n for n in names if not ignored.match_file(f"{(here / n).as_posix()}/")]
        result |= {
            (here / f).as_posix() for f in files if not ignored.match_file((here / f).as_posix())
        }
    return result


def test_the_package_is_the_app_and_nothing_else() -> None:
    files = packed()
    assert {"function_app.py", "host.json", "requirements.txt"} <= files
    other = {f for f in files if not f.startswith("shared/")}
    assert other <= {"function_app.py", "host.json", "requirements.txt", "LICENSE"}


def test_all_of_the_code_is_in_the_package() -> None:
    files = packed()
    code = {p.relative_to(ROOT).as_posix() for p in (ROOT / "shared").rglob("*.py")}
    assert code <= files


@pytest.mark.parametrize("name", [".venv", ".git", "tests", "local", "infra", "samples", "docs"])
def test_what_stays_at_home(name: str) -> None:
    assert not {f for f in packed() if f.partition("/")[0] == name}
