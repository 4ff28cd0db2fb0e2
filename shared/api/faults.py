"""Say what is wrong with a message in plain words, all of it at once, each with a JSON pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.api.pointers import MAX_FAULTS, did_you_mean, pointer_to
from shared.errors import Fault
from shared.figures import number

__all__ = ["faults_of", "validated"]

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], data: Any) -> tuple[M | None, list[Fault]]:
    """``data`` as a ``model``, or None and every fault of its shape."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, faults_of(error, data, model)


def faults_of(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Fault]:
    """pydantic's errors with pointers into ``data``, in words that use the caller's names."""
    told = error.errors(include_url=False)[: MAX_FAULTS + 1]
    return list(_joined(_fault(details, data, model) for details in told))


def _joined(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Each fault once; of a value that may be of several types, what it may be in one sentence."""
    found: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        said = found.setdefault((fault.pointer, fault.code), [])
        said += [] if fault.message in said else [fault.message]
    for (pointer, code), said in found.items():
        kinds = [message.partition("; it is ") for message in said]
        if code == "wrong_type" and len(kinds) > 1 and len({rest for *_, rest in kinds}) == 1:
            subject = kinds[0][0].partition(" must be ")[0]
            either = " or ".join(head.partition(" must be ")[2] for head, *_ in kinds)
            said = [f"{subject} must be {either}; it is {kinds[0][2]}"]
        yield from (Fault(pointer, code, message) for message in said)


def _fault(details: ErrorDetails, data: Any, model: type[BaseModel]) -> Fault:
    loc, kind = details["loc"], details["type"]
    if kind.startswith("union_tag"):
        loc = (*loc, "family")
        if kind == "union_tag_invalid" and details["input"].get("family") is None:
            kind = "union_tag_not_found"  # null is "not given", here too
    path, owners = _walk(loc, data)
    code, phrase = _PHRASES.get(kind, ("invalid", _as_told))
    field = path[-1] if path else None
    if code == "unknown_field":
        message = f"{field!r} is no field of {_place(path[:-1], owners)}."
        message += did_you_mean(str(field), _siblings(details["loc"], model))
    else:
        subject = "The request" if field is None else _subject(path, owners)
        message = f"{subject} {phrase(details)}".rstrip(".")
        message += "" if message.endswith("?") else "."
    return Fault(pointer_to(*path), code, message)


def _walk(loc: tuple[int | str, ...], data: Any) -> tuple[list[int | str], list[Mapping[str, Any]]]:
    """The part of ``loc`` that is in ``data`` (without union tags), and the objects passed."""
    path: list[int | str] = []
    owners: list[Mapping[str, Any]] = []
    here = data
    for i, token in enumerate(loc):
        if isinstance(here, Mapping):
            owners.append(here)
            if token in here:
                here = here[token]
            elif i != len(loc) - 1:
                continue
        elif isinstance(here, list) and isinstance(token, int) and token < len(here):
            here = here[token]
        elif i != len(loc) - 1 or not isinstance(here, list):
            continue
        path.append(token)
    return path, owners


def _place(path: list[int | str], owners: list[Mapping[str, Any]]) -> str:
    """Where a field stands, in words."""
    family = owners[-1].get("family") if owners else None
    if isinstance(family, str) and path:
        kind = "carryover" if path[-1] == "adstock" else "curve"
        return f"{_article(family)} {kind}{_whose(owners)}"
    name = owners[-1].get("channel") if owners else None
    if isinstance(name, str):
        return f"channel {name!r}"
    names = [str(token) for token in path if isinstance(token, str)]
    return names[-1] if names else "the request"


def _subject(path: list[int | str], owners: list[Mapping[str, Any]]) -> str:
    field = str(path[-1])
    if isinstance(path[-1], int):
        listed = next((str(t) for t in reversed(path) if isinstance(t, str)), "the list")
        return f"Entry {path[-1] + 1} of {listed}{_whose(owners)}"
    family = owners[-1].get("family") if owners else None
    if isinstance(family, str) and field != "family":
        kind = "carryover" if len(path) > 1 and path[-2] == "adstock" else "curve"
        return f"{field} of {_article(family)} {kind}{_whose(owners)}"
    return "The name" if field == "channel" else f"{field}{_whose(owners)}"


def _whose(owners: list[Mapping[str, Any]]) -> str:
    for owner in reversed(owners):
        name = owner.get("channel")
        if isinstance(name, str) and name.strip():
            return f" of {_short(name)}"
    return ""


def _article(family: str) -> str:
    return f"{'an' if family[:1] in 'aeiou' else 'a'} {_short(family)}"


MOST_FRACTION = 10.0
"""Fields with such a limit, or a lower one, are shares."""


def _short(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        whole = abs(value) >= 1000.0 and value == int(value)
        return f"{value:,.0f}" if whole else repr(value).removesuffix(".0")
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _siblings(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Names of the fields that an unknown one stands among."""
    from shared.api.curve_messages import ADSTOCKS, FAMILIES

    here: type[BaseModel] | None = model
    for token in loc[:-1]:
        if isinstance(token, int) or here is None:
            continue
        if token in FAMILIES and token not in here.model_fields:
            here = FAMILIES[token]
        elif token in ADSTOCKS and token not in here.model_fields:
            here = ADSTOCKS[token]
        elif token in here.model_fields:
            here = _model_in(here.model_fields[token].annotation) or here
    return [] if here is None else list(here.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model inside an annotation such as ``list[Channel] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


Phrase = Callable[[ErrorDetails], str]


def _limit(words: str, key: str) -> Phrase:
    def phrase(details: ErrorDetails) -> str:
        limit, given = details["ctx"][key], details["input"]
        text = f"must be {words} {_short(limit)}; it is {_short(given)}"
        # Who writes per cent is told how a share is written.
        if key in ("lt", "le") and limit <= MOST_FRACTION and limit < given <= 100.0:
            text += f" (a fraction: {number(given / 100.0)} for {number(given)} %)"
        return text

    return phrase


def _must_be(what: str) -> Phrase:
    def phrase(details: ErrorDetails) -> str:
        return f"must be {what}; it is {_kind(details['input'])}"

    return phrase


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {_short(repr(value))}"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else _short(value)


def _one_of(details: ErrorDetails) -> str:
    ctx = details["ctx"]
    expected = str(ctx.get("expected", ctx.get("expected_tags", "")))
    given = str(ctx.get("tag", details["input"]))
    known = [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]
    return f"must be one of {expected}; it is {_short(given)!r}.{did_you_mean(given, known)}"


def _size(details: ErrorDetails) -> str:
    ctx = details["ctx"]
    if "min_length" in ctx:
        return f"must have at least {ctx['min_length']} {_parts(details)}"
    return f"may have at most {ctx['max_length']} {_parts(details)}"


def _parts(details: ErrorDetails) -> str:
    return "characters" if details["type"].startswith("string") else "entries"


def _as_told(details: ErrorDetails) -> str:
    return f"cannot be used: {details['msg'][:1].lower()}{details['msg'][1:]}"


_PHRASES: dict[str, tuple[str, Phrase]] = {
    "missing": ("required", lambda _: "is required"),
    "extra_forbidden": ("unknown_field", _as_told),
    "greater_than": ("out_of_range", _limit("greater than", "gt")),
    "greater_than_equal": ("out_of_range", _limit("at least", "ge")),
    "less_than": ("out_of_range", _limit("less than", "lt")),
    "less_than_equal": ("out_of_range", _limit("at most", "le")),
    "tiny": ("out_of_range", _limit("at least", "ge")),
    "finite_number": ("not_finite", lambda _: "must be a finite number"),
    "float_type": ("wrong_type", _must_be("a number")),
    "int_type": ("wrong_type", _must_be("a whole number")),
    "int_from_float": ("wrong_type", _must_be("a whole number")),
    "bool_type": ("wrong_type", _must_be("true or false")),
    "string_type": ("wrong_type", _must_be("text")),
    "string_unicode": ("wrong_type", lambda _: "must be valid Unicode text"),
    "list_type": ("wrong_type", _must_be("a list")),
    "dict_type": ("wrong_type", _must_be("an object")),
    "model_type": ("wrong_type", _must_be("an object")),
    "model_attributes_type": ("wrong_type", _must_be("an object")),
    "literal_error": ("unknown_value", _one_of),
    "union_tag_invalid": ("unknown_value", _one_of),
    "union_tag_not_found": ("required", lambda _: "is required"),
    "string_too_short": ("too_short", _size),
    "string_too_long": ("too_long", _size),
    "too_short": ("too_short", _size),
    "too_long": ("too_long", _size),
    "string_pattern_mismatch": (
        "invalid",
        lambda d: f"must be a date like 2025-03-31; it is {_short(repr(d['input']))}",
    ),
}
