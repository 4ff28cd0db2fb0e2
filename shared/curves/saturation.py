"""Saturation: diminishing (or first rising, then diminishing) returns on adstocked spend.

One class a family, each of which knows its name, its formula and how to write itself down:
``hill``, ``exponential``, ``logistic``, ``michaelis_menten``, ``sigmoid``, ``logarithmic``,
``power`` and ``tabulated``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from shared.curves.concave import Exponential, Logarithmic, Logistic, MichaelisMenten, Power
from shared.curves.family import Array, Parameter, Saturation
from shared.curves.sshaped import Hill, Sigmoid
from shared.curves.tabulated import Tabulated

__all__ = [
    "FAMILIES",
    "Array",
    "Exponential",
    "Hill",
    "Logarithmic",
    "Logistic",
    "MichaelisMenten",
    "Parameter",
    "Power",
    "Saturation",
    "Sigmoid",
    "Tabulated",
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


def saturation_from_dict(data: Mapping[str, Any]) -> Saturation:
    """Read ``{"family": ..., **parameters}``.

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
    given = {name: value for name, value in data.items() if name != "family"}
    wanted = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise ValueError(f"{family}: unknown parameter {', '.join(map(repr, unknown))}.")
    missing = [n for n, item in wanted.items() if item.default is MISSING and n not in given]
    if missing:
        raise ValueError(f"{family}: {', '.join(missing)} is missing.")
    return cls(**given)
