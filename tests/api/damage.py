"""Sound requests with a few of their values replaced, for property tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

__all__ = ["damaged"]


@st.composite
def damaged(
    draw: st.DrawFn,
    examples: Mapping[str, dict[str, Any]],
    values: st.SearchStrategy[Any],
    of: Callable[[Any], bool] = lambda _: True,
) -> dict[str, Any]:
    """One of the examples, one to three of its values that are ``of`` a kind replaced."""
    raw = deepcopy(examples[draw(st.sampled_from(sorted(examples)))])
    at = [path for path, value in _places(raw) if of(value)]
    for path in draw(st.lists(st.sampled_from(at), min_size=1, max_size=3)):
        here: Any = raw
        for token in path[:-1]:
            inside = isinstance(here, dict) and token in here
            listed = isinstance(here, list) and isinstance(token, int) and token < len(here)
            here = here[token] if inside or listed else None
        if isinstance(here, dict) or (isinstance(here, list) and path[-1] in range(len(here))):
            here[path[-1]] = draw(values)
    return raw


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, child in inner:
        found.append(((*path, key), child))
        if isinstance(child, dict | list):
            found += _places(child, (*path, key))
    return found
