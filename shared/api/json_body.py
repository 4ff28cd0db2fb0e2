"""JSON between bytes and values: read strictly, written canonically.

A request's JSON has no duplicate keys, no NaN, bounded depth and text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from shared.errors import Fault, InputTooLarge, InvalidInput, MalformedInput, pointer_to

__all__ = ["MAX_DEPTH", "MAX_TEXT", "dump_json", "parse_json"]

MAX_DEPTH = 32
"""Deepest nesting of objects and lists; the contract itself needs eight."""

MAX_TEXT = 10_000
"""Longest text, but for a history that travels inside JSON."""

CSV_FIELDS = frozenset(
    {
        "history_csv",
        "outcomes_csv",
        "spend_csv",
        "table_csv",
        "posterior_csv",
        "summary_csv",
        "response_curves_csv",
        "hyperparameters_csv",
        "aggregated_csv",
    }
)


class _DuplicateKeyError(ValueError):
    pass


def parse_json(body: bytes) -> Any:
    """The value that ``body`` writes down.

    Raises
    ------
    MalformedInput
        Empty, not UTF-8, not JSON, a key given twice, or NaN and Infinity, which are not JSON.
    InvalidInput
        A number beyond the range of floating point.
    InputTooLarge
        Nested too deep, or a text too long.
    """
    if not body.strip():
        raise MalformedInput.at("", "malformed", "The request has no body; it must be JSON.")
    not_json: list[str] = []

    def constant(token: str) -> float:
        not_json.append(token)
        return math.nan

    try:
        value = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=constant
        )
    except UnicodeDecodeError as error:
        raise MalformedInput.at(
            "", "malformed", f"The body is not UTF-8: byte {error.start + 1} cannot be read."
        ) from None
    except json.JSONDecodeError as error:
        raise MalformedInput.at(
            "",
            "malformed",
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
        ) from None
    except _DuplicateKeyError as error:
        raise MalformedInput.at("", "duplicate_key", str(error)) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # a whole number of thousands of digits
        raise MalformedInput.at(
            "", "malformed", "The body holds a number of too many digits."
        ) from None
    faults = list(_check(value, "NaN and Infinity" if not_json else ""))
    if faults:
        faults.reverse()  # the walk goes from the end
        raise MalformedInput(faults) if not_json else InvalidInput(faults)
    return value


def dump_json(value: Any) -> bytes:
    """Canonical bytes: keys in the order given, no spaces, never NaN.

    >>> dump_json({"spend": 1.5, "name": "é"}).decode()
    '{"spend":1.5,"name":"é"}'
    """
    return json.dumps(
        value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain
    ).encode()


def _plain(value: Any) -> Any:
    """numpy's scalars and arrays as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(f"The key {key[:60]!r} is given twice in one object.")
            seen.add(key)
    return found


def _too_deep() -> InputTooLarge:
    return InputTooLarge(f"The JSON is nested more than {MAX_DEPTH} levels deep.")


def _check(root: Any, not_json: str) -> Iterator[Fault]:
    """Bounds that the parser does not know; iterative, so that depth cannot hurt."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(root, ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, dict):
            children: Any = value.items()
        elif isinstance(value, list):
            children = enumerate(value)
        else:
            if isinstance(value, str):
                _check_text(value, path)
            elif isinstance(value, float) and not math.isfinite(value):
                yield _not_finite(path, not_json)
            elif isinstance(value, int) and value.bit_length() > 1000:
                yield _not_finite(path, "")
            continue
        if len(path) >= MAX_DEPTH:
            raise _too_deep()
        for key, child in children:
            # Numbers are most of a large body: they are looked at here, without a stack entry.
            if type(child) is float and math.isfinite(child):
                continue
            if isinstance(key, str):
                _check_text(key, path)
            stack.append((child, (*path, key)))


def _check_text(text: str, path: tuple[str | int, ...]) -> None:
    if len(text) > MAX_TEXT and not (path and path[-1] in CSV_FIELDS):
        raise InputTooLarge(f"A text at {pointer_to(*path)[:200] or '/'} is over {MAX_TEXT} long.")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise MalformedInput.at(
            pointer_to(*path), "malformed", "The body holds half a surrogate pair: no valid text."
        )


def _not_finite(path: tuple[str | int, ...], not_json: str) -> Fault:
    reason = f"{not_json} are not JSON" if not_json else "the number is too large"
    field = path[-1] if path and isinstance(path[-1], str) else "Each number"
    return Fault(pointer_to(*path), "not_finite", f"{field} must be a finite number: {reason}.")
