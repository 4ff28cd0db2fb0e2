"""Changes of a scenario to its base: a JSON merge patch (RFC 7396) that knows channels by name.

A merge patch replaces lists whole, which is of no use to a list of channels. So within a request's
``channels``, their ``campaigns`` and ``constraints`` a patch addresses entries by name: as a map
(``{"tv": {"max_spend": 20000}, "print": null}``) or as a list of objects that carry the name
(``[{"channel": "tv", "max_spend": 20000}]``). ``null`` drops what it stands for. A list of
``{"path": "/channels/tv/max_spend", "value": 20000}`` says the same in a form that strict function
calling can express.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import Fault, did_you_mean, pointer_to

__all__ = ["apply_changes", "located", "merge_patch"]

NAME_OF = {"channels": "channel", "campaigns": "channel", "constraints": "name"}
"""Lists whose entries are addressed by name, and the field that holds it."""

EXCLUDED = ("channels", "campaigns")
"""Lists of what can be left out of a question by ``exclude``."""

Path = tuple[str | int, ...]

MAX_PATH = 12
"""Deepest path of an edit; the contract itself needs six."""


def merge_patch(target: Any, patch: Any) -> Any:
    """``target`` after the RFC 7396 merge patch ``patch``; neither is changed.

    A curve of another family starts anew: the old family's parameters would mean nothing in it.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    if "family" in patch and patch["family"] != result.get("family"):
        result = {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def apply_changes(base: Mapping[str, Any], changes: Any) -> tuple[dict[str, Any], list[Fault]]:
    """The base request after ``changes``, and what is wrong with their form.

    Pointers of faults are relative to ``changes``.
    """
    faults: list[Fault] = []
    if isinstance(changes, list):
        changes = _from_edits(changes, faults)
    if not isinstance(changes, Mapping):
        text = "changes must be an object (a merge patch) or a list of path and value."
        return dict(base), [Fault("", "wrong_type", text)]
    stored = base.get("dataset") is not None
    return _with_lists(base, changes, ("channels", "constraints"), (), stored, faults), faults


def _with_lists(
    target: Mapping[str, Any],
    patch: Mapping[str, Any],
    lists: Sequence[str],
    path: Path,
    stored: bool,
    faults: list[Fault],
) -> dict[str, Any]:
    """``target`` after ``patch``, in which the entries of ``lists`` are addressed by name."""
    result: dict[str, Any] = merge_patch(target, {k: v for k, v in patch.items() if k not in lists})
    for key in lists:
        if key not in patch:
            continue
        if patch[key] is None:
            result.pop(key, None)
            continue
        patches = _by_name(patch[key], (*path, key), faults)
        result[key] = _patched(target.get(key), patches, (*path, key), stored, faults)
    return result


def _from_edits(edits: list[Any], faults: list[Fault]) -> dict[str, Any]:
    """The merge patch that a list of edits stands for."""
    patch: dict[str, Any] = {}
    for i, edit in enumerate(edits):
        if not isinstance(edit, dict) or "path" not in edit:
            text = 'Each change must be an object like {"path": "/budget", "value": 50000}.'
            faults.append(Fault(pointer_to(i), "wrong_type", text))
            continue
        path = edit["path"]
        if unknown := [key for key in edit if key not in ("path", "value")]:
            near = did_you_mean(unknown[0], ["path", "value"])
            text = f"{unknown[0]!r} is no field of a change.{near}"
            faults.append(Fault(pointer_to(i, unknown[0]), "unknown_field", text))
        deep = isinstance(path, str) and path.count("/") > MAX_PATH
        if not isinstance(path, str) or not path.startswith("/") or len(path) < 2 or deep:
            text = "path must be a pointer like /budget or /channels/tv/max_spend."
            faults.append(Fault(pointer_to(i, "path"), "invalid", text))
            continue
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in path[1:].split("/")]
        if not _place(patch, tokens, edit.get("value")):
            text = f"The change of {path} contradicts another one."
            faults.append(Fault(pointer_to(i, "path"), "conflict", text))
    return patch


def _place(patch: dict[str, Any], tokens: list[str], value: Any) -> bool:
    here = patch
    for token in tokens[:-1]:
        here = here.setdefault(token, {})
        if not isinstance(here, dict):
            return False
    if tokens[-1] in here:
        return False
    here[tokens[-1]] = value
    return True


def _by_name(patch: Any, path: Path, faults: list[Fault]) -> dict[str, Any]:
    """The patch of the named list at ``path`` as a map from name to patch."""
    if isinstance(patch, Mapping):
        return dict(patch)
    key = str(path[-1])
    name_field = NAME_OF[key]
    found: dict[str, Any] = {}
    if not isinstance(patch, list):
        text = f"{key} must be a map from name to changes, or a list of objects with {name_field}."
        faults.append(Fault(pointer_to(*path), "wrong_type", text))
        return found
    for i, entry in enumerate(patch):
        name = entry.get(name_field) if isinstance(entry, dict) else None
        if not isinstance(name, str):
            text = f"Each entry of {key} must be an object that names its {name_field}."
            faults.append(Fault(pointer_to(*path, i), "required", text))
        elif name in found:
            text = f"{name!r} is changed twice."
            faults.append(Fault(pointer_to(*path, i, name_field), "duplicate", text))
        else:
            found[name] = {k: v for k, v in entry.items() if k != name_field}
    return found


def _patched(
    entries: Any, patches: Mapping[str, Any], path: Path, stored: bool, faults: list[Fault]
) -> list[Any]:
    """A named list after the patches of its entries; new names are added at the end.

    A channel (or campaign) that is dropped stays, excluded: rules over several channels may speak
    of it, and a stored curve set has it anyway.
    """
    key = str(path[-1])
    name_field, excludes = NAME_OF[key], key in EXCLUDED
    result: list[Any] = []
    left = dict(patches)
    for entry in entries if isinstance(entries, list) else ():
        name = entry.get(name_field) if isinstance(entry, dict) else None
        if name not in left:
            result.append(entry)
            continue
        patch = left.pop(name)
        if patch is not None:
            result.append(_merged(entry, patch, (*path, name), stored, faults))
        elif excludes:
            result.append({**entry, "exclude": True})
    for name, patch in left.items():
        if patch is not None:
            result.append(_merged({name_field: name}, patch, (*path, name), stored, faults))
        elif excludes and stored:
            result.append({name_field: name, "exclude": True})
        else:
            known = [e[name_field] for e in result if isinstance(e, dict) and name_field in e]
            near = did_you_mean(name, [k for k in known if isinstance(k, str)])
            text = f"There is no {key[:-1]} {name!r} to drop.{near}"
            faults.append(Fault(pointer_to(*path, name), f"unknown_{key[:-1]}", text))
    return result


def _merged(
    entry: Mapping[str, Any], patch: Any, path: Path, stored: bool, faults: list[Fault]
) -> Any:
    """An entry after its patch; a curve written in another way replaces the old one whole."""
    if not isinstance(patch, Mapping):
        return merge_patch(entry, patch)
    ways = {"response": ("saturation", "adstock"), "saturation": ("response",)}
    for way, others in ways.items():
        if patch.get(way) is not None:
            entry = {k: v for k, v in entry.items() if k not in others}
    return _with_lists(entry, patch, ("campaigns",), path, stored, faults)


def located(pointer: str, patched: Mapping[str, Any], changes: Any) -> str:
    """Where in ``changes`` the fault at ``pointer`` of the patched request comes from.

    Entries are found by their name; what the changes do not speak of is told at the deepest place
    that they do.
    """
    tokens: list[str | int] = [
        t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:]
    ]
    if isinstance(changes, list):
        return _edit_at(tokens, patched, changes)
    here: Any = changes
    path: list[str | int] = []
    for token in _named_tokens(tokens, patched):
        field = NAME_OF.get(str(path[-1])) if path else None
        if isinstance(here, list) and field is not None and not isinstance(token, int):
            found = [i for i, e in enumerate(here) if isinstance(e, dict) and e.get(field) == token]
            if not found:
                break
            token = found[0]
            here = here[token]
        elif isinstance(here, Mapping) and token in here:
            here = here[token]
        elif isinstance(here, list) and str(token).isdigit() and int(token) < len(here):
            here = here[int(token)]
        else:
            break
        path.append(token)
    return pointer_to(*path)


def _named_tokens(tokens: list[str | int], patched: Mapping[str, Any]) -> list[str | int]:
    """A pointer's tokens with each index into a named list replaced by the entry's name."""
    named: list[str | int] = []
    here: Any = patched
    for token in tokens:
        field = NAME_OF.get(str(named[-1])) if named else None
        inside: Any = None
        if isinstance(here, list) and str(token).isdigit() and int(token) < len(here):
            inside = here[int(token)]
        elif isinstance(here, Mapping):
            inside = here.get(str(token))
        name = inside.get(field) if field is not None and isinstance(inside, Mapping) else None
        named.append(name if isinstance(here, list) and isinstance(name, str) else token)
        here = inside
    return named


def _edit_at(tokens: list[str | int], patched: Mapping[str, Any], edits: list[Any]) -> str:
    """The edit whose path is the longest beginning of a fault's place (or begins with it)."""
    wanted = pointer_to(*_named_tokens(tokens, patched))
    best, depth = "", -1
    for i, edit in enumerate(edits):
        path = edit.get("path") if isinstance(edit, dict) else None
        if not isinstance(path, str):
            continue
        if (wanted + "/").startswith(path + "/") or (path + "/").startswith(wanted + "/"):
            shared = min(path.count("/"), wanted.count("/"))
            if shared > depth:
                best, depth = pointer_to(i), shared
    return best
