"""What the tests of imports share: CSVs from columns, and a curve's answer to a series of spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import ChannelCurve, CurveSet
from shared.curves.imports import import_curves
from shared.curves.saturation import Saturation
from shared.errors import InvalidInput

__all__ = ["by_name", "codes", "over_time", "sustained", "to_csv"]

Floats = NDArray[np.float64]


def to_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """A CSV with these columns; floats in full."""
    lines = [",".join(columns)]
    lines += [",".join(map(repr_of, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def repr_of(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def by_name(curves: CurveSet) -> dict[str, ChannelCurve]:
    return {channel.channel: channel for channel in curves.channels}


def over_time(curve: ChannelCurve, spend: Floats, saturation: Saturation | None = None) -> Floats:
    """The response in every period; nothing was spent before the first."""
    adstock = curve.response.adstock
    worked = spend if adstock is None else adstock.apply(spend)
    return (saturation or curve.response.saturation).value(worked)


def sustained(curve: ChannelCurve, spend: Floats, saturation: Saturation | None = None) -> Floats:
    """The response per period to spend that was always the same, at many such spends."""
    adstock = curve.response.adstock
    reach = 1.0 if adstock is None else adstock.total_weight()
    return (saturation or curve.response.saturation).value(spend * reach)


def codes(asked: Mapping[str, Any]) -> dict[str, str]:
    """Faults of an import that must be refused: code by pointer."""
    try:
        import_curves(asked)
    except InvalidInput as error:
        return {fault.pointer: fault.code for fault in error.faults}
    raise AssertionError("the import was taken")
