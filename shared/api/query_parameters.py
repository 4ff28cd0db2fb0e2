"""What may follow the question mark of an address, as the OpenAPI document tells it."""

from __future__ import annotations

from typing import Any

__all__ = ["QUERY_PARAMETERS", "query_parameter"]

QUERY_PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "force": (
        "Fit though nothing changed since the last fit.",
        {"type": "boolean", "default": False},
    ),
    "version": (
        "Version of the curves; latest is the current one.",
        {"type": "string", "default": "latest"},
    ),
    "budget": (
        "Money per period to plan; what is spent now unless given.",
        {"type": "number", "minimum": 0},
    ),
    "source": (
        "Name of one of several tables that make the history, each replaceable alone.",
        {"type": "string", "maxLength": 200},
    ),
    "format": ("The kind of picture.", {"type": "string", "enum": ["svg", "png"]}),
}


def query_parameter(name: str) -> dict[str, Any]:
    """The parameter as OpenAPI 3.0 has it."""
    description, schema = QUERY_PARAMETERS[name]
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
