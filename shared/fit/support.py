"""What this fit builds of the spec: everything else is refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import Fault, NotSupportedYet

__all__ = ["check_supported", "family_of"]

_ADSTOCK = ("auto", "geometric")
_SATURATION = ("auto", "hill", "exponential")


def check_supported(spec: Mapping[str, Any]) -> None:
    """Raise ``NotSupportedYet`` with a pointer for each thing asked that is not built yet."""
    faults: list[Fault] = []

    def refuse(pointer: str, what: str) -> None:
        faults.append(Fault(pointer, "not_supported_yet", f"{what} cannot be used in a fit yet."))

    model = spec.get("model") or {}
    if spec.get("lift_tests"):
        refuse("/lift_tests", "Calibration by lift tests")
    if spec.get("geo"):
        refuse("/geo", "A history by region (geo)")
    kind = model.get("kind")
    if kind not in (None, "bayesian"):
        refuse("/model/kind", f"The model {kind!r}")
    if model.get("interactions"):
        refuse("/model/interactions", "Interactions between channels")
    for where, holder in (("/model", model), *_channels(spec)):
        for key, known in (("adstock", _ADSTOCK), ("saturation", _SATURATION)):
            family = _family(holder.get(key))
            if family is not None and family not in known:
                refuse(f"{where}/{key}", f"The {key} {family!r}")
        if where != "/model" and _family(holder.get("saturation")) not in (None, "auto"):
            refuse(f"{where}/saturation", "A saturation chosen for one channel")
    if faults:
        raise NotSupportedYet(faults)


def family_of(spec: Mapping[str, Any]) -> str:
    """The saturation asked for: "auto" (chosen by evidence), "hill" or "exponential"."""
    return _family((spec.get("model") or {}).get("saturation")) or "auto"


def _channels(spec: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(f"/channels/{i}", channel) for i, channel in enumerate(spec.get("channels") or ())]


def _family(value: Any) -> str | None:
    """A family given as its name or as ``{"family": name}``."""
    if isinstance(value, Mapping):
        value = value.get("family")
    return None if value is None else str(value)
