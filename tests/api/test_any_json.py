"""Whatever JSON comes, the rules step over what they cannot read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.api.reading import read_evaluate, read_optimize
from shared.errors import Fault, InvalidInput
from tests.api.damage import damaged
from tests.api.features import EXAMPLES

LEAF = st.sampled_from(
    [None, True, 0, -1, 2, 0.5, 1e16, "tv", "", [], {}, [1, 2], {"tv": 1}, ["tv"]]
)


def faults(read: Callable[[Any], object], document: Any) -> tuple[Fault, ...] | None:
    """What is told of a document; None where it is read."""
    try:
        read(document)
    except InvalidInput as error:
        return error.faults
    return None


@given(damaged(EXAMPLES, LEAF))
def test_a_damaged_request_is_refused_in_words_or_read(raw: dict[str, Any]) -> None:
    plan = raw.get("channels")
    for told in (faults(read_optimize, raw), faults(read_evaluate, {"problem": raw, "plan": plan})):
        assert told is None or told
        for fault in told or ():
            assert fault.message
            assert fault.pointer == "" or fault.pointer.startswith("/")
