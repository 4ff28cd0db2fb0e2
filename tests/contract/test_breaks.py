"""A change of the contract that breaks a client is found, and has its line in the changelog."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.contract.breaks import breaks

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
SCHEMAS = ("components", "schemas")


def of(document: Any, *path: str) -> Any:
    for token in path:
        document = document[token]
    return document


def without(*path: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        of(document, *path[:-1]).pop(path[-1])

    return change


def put(value: Any, *path: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        of(document, *path[:-1])[path[-1]] = value

    return change


REQUEST = (*SCHEMAS, "OptimizeRequest")
ANSWER = (*SCHEMAS, "OptimizeAnswer")
SENT = {
    "a path is gone": (without("paths", "/optimize"), "POST /optimize: gone"),
    "a field is refused": (
        without(*REQUEST, "properties", "budget"),
        "POST /optimize/budget: is not taken",
    ),
    "a field is required": (put(["budget"], *REQUEST, "required"), "/budget: is required"),
    "a type is narrower": (
        put("integer", *REQUEST, "properties", "budget", "type"),
        "POST /optimize/budget: null, number is not taken",
    ),
    "a choice is gone": (
        lambda d: of(d, *SCHEMAS, "Solver", "properties", "method", "anyOf")[0]["enum"].pop(),
        "/solver/method: ",
    ),
    "a limit is lower": (
        put(9, *REQUEST, "properties", "channels", "maxItems"),
        "POST /optimize/channels: maxItems is 9",
    ),
    "an answer lacks a field": (
        without(*ANSWER, "properties", "totals"),
        "POST /optimize/totals: is not answered",
    ),
    "an answer may be null": (
        put(["string", "null"], *ANSWER, "properties", "request_id", "type"),
        "POST /optimize/request_id: may be null",
    ),
    "a parameter is gone": (
        lambda d: of(d, "paths", "/datasets/{dataset}/refit", "post")["parameters"].pop(1),
        "POST /datasets/{dataset}/refit: parameter force is gone",
    ),
    "a format is refused": (
        without("components", "requestBodies", "Table", "content", "text/csv"),
        "PUT /datasets/{dataset}/history: text/csv is not taken",
    ),
}


@pytest.mark.parametrize("name", SENT)
def test_what_breaks_a_client_is_found(name: str) -> None:
    change, told = SENT[name]
    changed = deepcopy(DOCUMENT)
    change(changed)
    assert any(told in found for found in breaks(DOCUMENT, changed)), breaks(DOCUMENT, changed)


def test_what_is_new_breaks_nobody() -> None:
    changed = deepcopy(DOCUMENT)
    changed["paths"]["/new"] = {"get": changed["paths"]["/health"]["get"]}
    of(changed, *REQUEST)["properties"]["more"] = {"type": "string"}
    of(changed, *ANSWER)["properties"]["more"] = {"type": "string"}
    of(changed, *ANSWER)["required"].append("more")
    assert breaks(DOCUMENT, changed) == []
    assert breaks(DOCUMENT, DOCUMENT) == []


def git(*arguments: str) -> str | None:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def test_a_break_since_the_last_commit_is_in_the_changelog() -> None:
    dirty = git("status", "--porcelain", "--", "docs/openapi.json", "CHANGELOG.md")
    last = "HEAD" if dirty else "HEAD^"
    kept, log = git("show", f"{last}:docs/openapi.json"), git("show", f"{last}:CHANGELOG.md")
    if kept is None or log is None:
        pytest.skip("not a checkout with a commit before this one")
    found = breaks(json.loads(kept), DOCUMENT)
    now = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert not found or now.count("**Break") > log.count("**Break"), found
