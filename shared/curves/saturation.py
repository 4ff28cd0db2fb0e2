"""Saturation: diminishing (or first rising, then diminishing) returns on adstocked spend.

The families there are, by name. A new one is a class in a file of its own (``curves.family`` says
what it has to state) and its name in ``FAMILIES``: requests, documents, solver, certificate and fit
take the rest from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from shared.curves.concave import Exponential, Logarithmic, Logistic, Power
from shared.curves.derived import with_offset
from shared.curves.family import Array, Fittable, Parameter, Saturation
from shared.curves.hill import Hill, MichaelisMenten
from shared.curves.sigmoid import Sigmoid
from shared.curves.tabulated import Tabulated

__all__ = [
    "FAMILIES",
    "Array",
    "Exponential",
    "Fittable",
    "Hill",
    "Logarithmic",
    "Logistic",
    "MichaelisMenten",
    "Parameter",
    "Power",
    "Saturation",
    "Sigmoid",
    "Tabulated",
    "fittable",
    "saturation_from_dict",
]

FAMILIES: dict[str, type[Saturation]] = {
    cls.family: cls
    for cls in (
        Hill,
        Exponential,
        Logistic,
        MichaelisMenten,
        Sigmoid,
        Logarithmic,
        Power,
        Tabulated,
    )
}


def fittable() -> dict[str, type[Fittable]]:
    """The families that a fit can draw, by name."""
    return {name: cls for name, cls in FAMILIES.items() if issubclass(cls, Fittable)}


def saturation_from_dict(data: Mapping[str, Any]) -> Saturation:
    """Read ``{"family": ..., **parameters}``, and an ``offset`` where there is one.

    Raises
    ------
    ValueError
        With a sentence, for an unknown family, and a missing, unknown or impossible parameter.

    Examples
    --------
    >>> saturation_from_dict({"family": "exponential", "max_response": 9, "rate": 2})
    Exponential(max_response=9.0, rate=2.0)
    """
    if not isinstance(data, Mapping):
        raise ValueError("A saturation is an object with its parameters.")  # noqa: TRY004
    family = data.get("family")
    cls = FAMILIES.get(family) if isinstance(family, str) else None
    if cls is None:
        known = ", ".join(FAMILIES)
        raise ValueError(f"Unknown saturation family {family!r}; known are {known}.")
    given = {name: value for name, value in data.items() if name not in ("family", "offset")}
    unknown = [name for name in given if name not in cls.ranges()]
    if unknown:
        raise ValueError(f"{family}: unknown parameter {', '.join(map(repr, unknown))}.")
    needed = (item.name for item in fields(cls) if item.default is MISSING)  # type: ignore[arg-type]
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(f"{family}: {', '.join(missing)} is missing.")
    curve, offset = cls(**given), data.get("offset")
    return curve if offset is None else with_offset(curve, offset)
