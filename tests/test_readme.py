"""The README's tour is true: every request in it is sent, every answer in it is compared.

A fenced ``sh`` block that holds a ``curl`` command is a request; the fenced ``json`` block after it
is (part of) the answer: every field it shows must be there, numbers within a tolerance. ``RUN``
stands for the run that the refit before it answered.
"""

from __future__ import annotations

import json
import re
import shlex
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.host import serve
from tests.waiting import until

ROOT = Path(__file__).parent.parent
BASE = "http://127.0.0.1:7071/api/v1"
# Curves fitted on another machine or Python differ in the last digits of a long computation.
TOLERANCE = 1e-2
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One request of the tour and the answer that the README shows."""

    command: str
    shown: Any


def tour() -> list[Step]:
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    steps = []
    for i, (language, text) in enumerate(blocks):
        if language == "sh" and text.startswith("curl"):
            follows = blocks[i + 1] if i + 1 < len(blocks) else ("", "")
            shown = json.loads(follows[1]) if follows[0] == "json" else None
            steps.append(Step(text.replace("\\\n", " "), shown))
    return steps


def send(command: str, base_url: str) -> tuple[int, Any]:
    words = shlex.split(command)[1:]
    method, body, headers, url = None, None, {}, ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(":")
            headers[name] = value.strip()
        elif word in ("-d", "--data-binary"):
            text = words.pop(0)
            body = (ROOT / text[1:]).read_bytes() if text.startswith("@") else text.encode()
        elif word == "-o":
            words.pop(0)
        elif word.startswith("-"):
            assert word == "-s", f"the tour uses an option that this test does not know: {word}"
        else:
            url = word
    assert url.startswith(BASE), url
    request = urllib.request.Request(
        url.replace(BASE, base_url),
        data=body,
        headers=headers,
        method=method or ("POST" if body is not None else "GET"),
    )
    try:
        with urllib.request.urlopen(request) as response:
            text = response.read()
            if response.headers.get_content_type() != "application/json":
                return response.status, text.decode()
            return response.status, json.loads(text or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def compare(shown: Any, real: Any, at: str = "") -> None:
    """Every field shown is real; a list shown must be as long as the real one is or its start."""
    if isinstance(shown, dict):
        assert isinstance(real, dict), at
        for key, value in shown.items():
            assert key in real, f"{at}/{key} is not in the answer"
            if not (isinstance(value, str) and value == "..."):
                compare(value, real[key], f"{at}/{key}")
    elif isinstance(shown, list):
        assert isinstance(real, list), at
        assert len(shown) <= len(real), at
        for i, value in enumerate(shown):
            compare(value, real[i], f"{at}/{i}")
    elif isinstance(shown, float) or (isinstance(shown, int) and not isinstance(shown, bool)):
        assert real == pytest.approx(shown, rel=TOLERANCE, abs=1e-6), at
    elif isinstance(shown, str) and re.search(r"\d\.\d|\d,\d", shown):
        # A sentence with figures: the words must agree, the figures within the tolerance.
        figures = re.compile(r"-?\d[\d,]*\.?\d*")
        assert figures.sub("#", real) == figures.sub("#", shown), at
    else:
        assert real == shown, at


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serve(settings={"AzureWebJobsStorage": "memory"}) as host:
        yield host.url


def at_its_end(command: str, base_url: str) -> Any:
    """The answer of a run that is neither queued nor running any more."""
    answers: list[Any] = []

    def ended() -> bool:
        answers.append(send(command, base_url)[1])
        return answers[-1]["state"] not in ("queued", "running")

    until(ended, pause_s=0.2)
    return answers[-1]


def test_the_tour_is_true(base_url: str) -> None:
    steps = tour()
    assert len(steps) >= 8
    assert sum(step.shown is not None for step in steps) >= 6
    run = ""
    for step in steps:
        command = step.command.replace("RUN", run)
        status, answer = send(command, base_url)
        if "-o" in shlex.split(command):
            assert status == 200, answer
            assert str(answer).startswith("<!doctype html>")
        if run and f"/runs/{run}" in command:
            answer = at_its_end(command, base_url)
        if isinstance(answer, dict) and "run" in answer:
            run = answer["run"]
        if step.shown is not None:
            compare(step.shown, answer)


def test_every_file_that_the_readme_names_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert named
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing
