"""What the .NET host rejects at start although the Python worker accepts it.

The worker library indexes an app happily with a binding called ``my_timer``; the host behind it
does not load the function. These checks stand in for that host: the local host refuses to start,
and a test holds the real app to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from azure.functions.decorators.function_app import Function

from local.config import resolve
from local.routes import Route, parse_route
from local.schedule import parse_schedule

__all__ = ["ALL_METHODS", "faults", "routes_of"]

ALL_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")

_TRIGGERS = {"httpTrigger", "timerTrigger", "queueTrigger"}
_FUNCTION_NAME = re.compile(r"[A-Za-z][\w-]{0,127}", re.ASCII)
_BINDING_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,127}|\$return")
_QUEUE_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])+")
_RESERVED_ROUTES = ("admin", "runtime")


def faults(functions: Sequence[Function], settings: Mapping[str, str]) -> list[str]:
    """Every reason, as a sentence, why a host would not serve these functions; empty if none.

    Parameters
    ----------
    functions
        As ``FunctionApp.get_functions()`` gives them.
    settings
        App settings, for ``%NAME%`` and for connections.
    """
    found: list[str] = []
    names: set[str] = set()
    for function in functions:
        name = str(function.get_function_name())
        if not _FUNCTION_NAME.fullmatch(name) or name.lower() == "host":
            found.append(f"{name}: a function's name is a letter, then letters, digits, '_' or '-'")
        if name.lower() in names:
            found.append(f"{name}: two functions have this name")
        names.add(name.lower())
        found.extend(f"{name}: {fault}" for fault in _binding_faults(function, settings))
    found.extend(_route_conflicts(functions))
    return found


def routes_of(functions: Sequence[Function]) -> list[Route]:
    """The HTTP routes of the app, prefix not included; ValueError on a template that is none."""
    routes = []
    for function in functions:
        trigger = _trigger(function)
        if trigger["type"] == "httpTrigger":
            methods = [str(method) for method in trigger.get("methods") or ALL_METHODS]
            name = str(function.get_function_name())
            routes.append(parse_route(trigger.get("route") or name, methods, name))
    return routes


def _trigger(function: Function) -> dict[str, Any]:
    trigger = function.get_trigger()
    if trigger is None:  # FunctionApp.get_functions() raises before this can be
        raise ValueError(f"{function.get_function_name()} has no trigger")
    return dict(trigger.get_dict_repr())


def _binding_faults(function: Function, settings: Mapping[str, str]) -> Iterator[str]:
    for binding in function.get_bindings():
        if not _BINDING_NAME.fullmatch(binding.name):
            yield (
                f"the binding name '{binding.name}' is not accepted: a letter, then letters and "
                "digits only (no underscore)"
            )
    trigger = _trigger(function)
    kind = trigger["type"]
    if kind not in _TRIGGERS:
        yield f"this host serves HTTP, timer and queue triggers, not '{kind}'"
    others = [
        str(binding.type)
        for binding in function.get_bindings()
        if binding is not function.get_trigger() and binding.type != "http"
    ]
    if others:
        yield f"this host does not serve the bindings {', '.join(others)}"
    try:
        if kind == "httpTrigger":
            _check_route(trigger.get("route") or str(function.get_function_name()))
        elif kind == "timerTrigger":
            parse_schedule(resolve(trigger["schedule"], settings))
        elif kind == "queueTrigger":
            _check_queue(resolve(trigger["queueName"], settings))
            _check_connection(trigger["connection"], settings)
    except ValueError as error:
        yield str(error)


def _check_route(template: str) -> None:
    if template.strip("/").lower().startswith(_RESERVED_ROUTES):
        raise ValueError(f"the route '{template}' begins with 'admin' or 'runtime', the host's own")
    parse_route(template, (), "")


def _check_queue(name: str) -> None:
    if not (3 <= len(name) <= 63 and _QUEUE_NAME.fullmatch(name)):
        raise ValueError(
            f"'{name}' is no queue name: 3 to 63 lower-case letters, digits and single dashes"
        )


def _check_connection(name: str, settings: Mapping[str, str]) -> None:
    keys = (name, f"{name}__queueServiceUri", f"{name}__serviceUri", f"{name}__accountName")
    if not any(settings.get(key) for key in keys):
        raise ValueError(f"the connection '{name}' has no app setting of that name")


def _route_conflicts(functions: Sequence[Function]) -> Iterator[str]:
    seen: list[Route] = []
    for function in functions:
        try:
            routes = routes_of([function])
        except ValueError:
            continue  # reported with its function already
        for route in routes:
            for other in seen:
                shared = route.methods & other.methods
                if shared and route.shape == other.shape:
                    yield (
                        f"{route.function}: {'/'.join(sorted(shared))} '{route.template}' is "
                        f"served by {other.function} already"
                    )
            seen.append(route)
