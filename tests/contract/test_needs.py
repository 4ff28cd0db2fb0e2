"""Every need of "Plans as planners make them" in docs/contract.md is asked, and answers so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.api.changes import apply_changes
from tests.app.client import Client

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
PART = PAGE.split("## Plans as planners make them")[1].split("\n## ")[0]
BASE = json.loads(re.findall(r"```json\n(.*?)```", PART, re.DOTALL)[0])


def needs() -> list[tuple[str, str]]:
    """Each need's name, and its change with what the answer says."""
    out, name = [], ""
    for paragraph in PART.split("\n\n"):
        if paragraph.startswith("**"):
            name = paragraph.split("**")[1]
        elif paragraph.startswith("    "):
            out.append((name, " ".join(paragraph.split())))
    return out


NEEDS = needs()


def at(answer: Any, path: str) -> Any:
    for step in path.split("."):
        answer = answer[int(step) if step.isdigit() else step]
    return answer


def test_there_are_needs() -> None:
    assert len(NEEDS) >= 12


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need[0][:40])
def test_a_need_is_asked_as_the_contract_says(api: Client, need: tuple[str, str]) -> None:
    change, _, told = need[1].partition("=>")
    raw, faults = apply_changes(BASE, json.loads(change))
    assert not faults
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    for path, value in json.loads(told).items():
        found = at(answer.json, path)
        close = (
            pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, int | float) else value
        )
        assert found == close, path
    assert answer.json["certificate"]["relative_gap"] <= 1e-5
