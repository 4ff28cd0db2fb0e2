"""Whatever JSON comes, the rules step over what they cannot read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.api.reading import read_evaluate, read_optimize
from shared.errors import Fault, InvalidInput
from tests.api.features import EXAMPLES

LEAF = st.sampled_from(
    [None, True, 0, -1, 2, 0.5, 1e16, "tv", "", [], {}, [1, 2], {"tv": 1}, ["tv"]]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, child in inner:
        found.append((*path, key))
        if isinstance(child, dict | list):
            found += places(child, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A sound request with a few of its values replaced by whatever comes."""
    raw = copy.deepcopy(EXAMPLES[draw(st.sampled_from(sorted(EXAMPLES)))].raw)
    for path in draw(st.lists(st.sampled_from(places(raw)), min_size=1, max_size=3)):
        here: Any = raw
        for token in path[:-1]:
            inside = isinstance(here, dict) and token in here
            listed = isinstance(here, list) and isinstance(token, int) and token < len(here)
            here = here[token] if inside or listed else None
        if isinstance(here, dict) or (isinstance(here, list) and path[-1] in range(len(here))):
            here[path[-1]] = draw(LEAF)
    return raw


def faults(read: Callable[[Any], object], document: Any) -> tuple[Fault, ...] | None:
    """What is told of a document; None where it is read."""
    try:
        read(document)
    except InvalidInput as error:
        return error.faults
    return None


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_damaged_request_is_refused_in_words_or_read(raw: dict[str, Any]) -> None:
    plan = raw.get("channels")
    for told in (faults(read_optimize, raw), faults(read_evaluate, {"problem": raw, "plan": plan})):
        assert told is None or told
        for fault in told or ():
            assert fault.message
            assert fault.pointer == "" or fault.pointer.startswith("/")
