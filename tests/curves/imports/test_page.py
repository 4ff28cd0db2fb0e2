"""docs/imports.md is true: each request in it is converted, and what it shows is compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.curves.imports import FORMATS, import_curves

PAGE = Path(__file__).parents[3] / "docs/imports.md"
BLOCKS = [
    json.loads(b) for b in re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
]
PAIRS = list(zip(BLOCKS[::2], BLOCKS[1::2], strict=True))


def compare(shown: Any, real: Any) -> None:
    if isinstance(shown, dict):
        for key, value in shown.items():
            compare(value, real[key])
    elif isinstance(shown, list):
        for value, found in zip(shown, real, strict=False):
            compare(value, found)
    elif isinstance(shown, float) or (isinstance(shown, int) and not isinstance(shown, bool)):
        assert real == pytest.approx(shown, rel=1e-6)
    else:
        assert real == shown


@pytest.mark.parametrize(("request_", "answer"), PAIRS)
def test_the_page_shows_what_comes_out(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    compare(answer, import_curves(request_).to_dict())


def test_the_page_has_an_example_of_every_tool() -> None:
    assert {request_["format"] for request_, _ in PAIRS} == set(FORMATS) - {"curve_set"}
