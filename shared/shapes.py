"""Strict messages, and what is wrong with one in plain words: all at once, each with a pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import MAX_FAULTS, Fault, did_you_mean, pointer_to
from shared.figures import number

__all__ = ["WHOLE", "Strict", "faults_of", "validated"]

M = TypeVar("M", bound=BaseModel)


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 12.0 is as whole as 12."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Stands after the bounds of a whole number, so that its schema still shows them."""


class Strict(BaseModel):
    """Strict and closed: no unknown fields, no text for numbers, no NaN or Infinity."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        defer_build=True,
        protected_namespaces=(),
    )


def validated(model: type[M], data: Any) -> tuple[M | None, list[Fault]]:
    """``data`` as a ``model``, or None and every fault of its shape."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, faults_of(error, data, model)


def faults_of(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Fault]:
    """pydantic's errors with pointers into ``data``, in words that use the caller's names.

    Of several ways to say a thing the one that fits farthest is meant; where none fits at all, one
    fault names them all.
    """
    told: dict[str, list[_Told]] = {}
    for details in error.errors(include_url=False)[: MAX_FAULTS + 1]:
        own = _told(details, data, model)
        told.setdefault(own.pointer, []).append(own)
    above = {where[:at] for where in told for at, mark in enumerate(where) if mark == "/" and at}
    return [_fault(own) for where, own in told.items() if where not in above]


@dataclass(frozen=True, slots=True)
class _Told:
    """One of pydantic's errors: where, what is at fault, and what of it."""

    pointer: str
    code: str
    subject: str
    phrase: str


def _told(details: ErrorDetails, data: Any, model: type[BaseModel]) -> _Told:
    loc, kind = details["loc"], details["type"]
    if kind.startswith("union_tag"):
        loc = (*loc, "family")
        if kind == "union_tag_invalid" and details["input"].get("family") is None:
            kind = "union_tag_not_found"  # null is "not given", here too
    path, owners = _walk(loc, data, absent=kind == "missing" or kind.startswith("union_tag"))
    code, phrase = _PHRASES.get(kind, ("invalid", _as_told))
    field = path[-1] if path else None
    if code == "unknown_field":
        said = f"is no field of {_place(path[:-1], owners)}."
        said += did_you_mean(str(field), _siblings(details["loc"], model))
        return _Told(pointer_to(*path), code, repr(field), said)
    subject = "The request" if field is None else _subject(path, owners)
    return _Told(pointer_to(*path), code, subject, phrase(details))


def _fault(told: Sequence[_Told]) -> Fault:
    """The errors of one place as one fault."""
    phrases = list(dict.fromkeys(own.phrase for own in told))
    phrases[:-1] = [phrase.partition("; it is")[0] for phrase in phrases[:-1]]
    if all(phrase.startswith("must be ") for phrase in phrases):
        phrases[1:] = [phrase.removeprefix("must be ") for phrase in phrases[1:]]
    message = f"{told[0].subject} {' or '.join(dict.fromkeys(phrases))}".rstrip(".")
    message += "" if message.endswith("?") else "."
    return Fault(told[0].pointer, told[0].code, message)


def _walk(
    loc: tuple[int | str, ...], data: Any, *, absent: bool
) -> tuple[list[int | str], list[Mapping[str, Any]]]:
    """The part of ``loc`` that is in ``data`` (no names of unions' parts), and the objects passed.

    ``absent``: the last of it is a field that is missing.
    """
    path: list[int | str] = []
    owners: list[Mapping[str, Any]] = []
    here = data
    for i, token in enumerate(loc):
        if isinstance(here, Mapping):
            owners.append(here)
            if token in here:
                here = here[token]
            elif not absent or i != len(loc) - 1:
                continue
        elif isinstance(here, list) and isinstance(token, int) and token < len(here):
            here = here[token]
        else:
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
    maybe: list[type[BaseModel]] = [model]
    for token in loc[:-1]:
        if isinstance(token, int):
            continue
        if token in maybe[0].model_fields:
            maybe = list(_models_in(maybe[0].model_fields[token].annotation)) or maybe
        else:  # the tag of a union, or the name of one of its models
            maybe = [one for one in maybe if token in _tags(one)] or maybe
    return list(maybe[0].model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as ``list[Channel] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _tags(model: type[BaseModel]) -> set[Any]:
    """What may stand for a model where it is one of several."""
    family = model.model_fields.get("family")
    return {model.__name__, *(get_args(family.annotation) if family else ())}


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
    "value_error": ("invalid", lambda d: f"cannot be used: {d['ctx']['error']}"),
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
