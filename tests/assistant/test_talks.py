"""Scripted talks, replayed through the official client, with what every turn may cost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.api.assistant.told import MOST_BYTES, MOST_SENTENCES
from tests.assistant.tokens import tokens

TALKS = json.loads((Path(__file__).parent / "talks.json").read_text("utf-8"))
MOST_IN, MOST_OUT = 120, 700
"""Tokens of a call's arguments, and of its answer."""


def with_plans(value: Any, plans: list[str]) -> Any:
    """``$2`` is the id of the second turn's plan."""
    if isinstance(value, str) and re.fullmatch(r"\$\d+", value):
        return plans[int(value[1:]) - 1]
    if isinstance(value, dict):
        return {key: with_plans(inner, plans) for key, inner in value.items()}
    return [with_plans(inner, plans) for inner in value] if isinstance(value, list) else value


def test_there_are_enough() -> None:
    assert len(TALKS) >= 15
    assert sum(len(talk["turns"]) for talk in TALKS) >= 40
    tools = {turn["tool"] for talk in TALKS for turn in talk["turns"]}
    assert len(tools) == 11  # list_datasets is before every talk


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk["talk"])
def test_a_talk(talk: dict[str, Any], through: Callable[..., Any]) -> None:
    async def talks(client: Any) -> None:
        first = await client.call_tool("list_datasets", {})
        assert "brand" in first.content[0].text
        plans: list[str] = []
        for turn in talk["turns"]:
            arguments = with_plans(turn["arguments"], plans)
            assert tokens(arguments) <= MOST_IN, turn["says"]
            answer = await client.call_tool(turn["tool"], arguments)
            text, figures = answer.content[0].text, answer.structured_content or {}
            assert bool(answer.is_error) is bool(turn.get("refused")), (turn["says"], text)
            for words in turn["contains"]:
                assert words in text, (turn["says"], text)
            assert set(turn.get("figures", ())) <= set(figures), turn["says"]
            assert len(json.dumps(figures, separators=(",", ":"))) <= MOST_BYTES, turn["says"]
            assert len(re.findall(r"[.?](?= [A-Za-z]|$)", text)) <= MOST_SENTENCES + 4, text
            assert tokens(text) + tokens(figures) <= MOST_OUT, turn["says"]
            plans.append(figures.get("plan_id", ""))

    through(talks)


PRINTED = r"(?<![\d.])\d+(?:,\d{3})*(?:\.\d+)?e[+-]\d+"


def test_no_answer_has_money_in_powers_of_ten(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> None:
        asked = {"dataset": "brand", "budget": 123456789.0}
        answer = await client.call_tool("plan_budget", asked)
        assert re.search(PRINTED, answer.content[0].text) is None

    through(ask)
