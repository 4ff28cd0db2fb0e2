"""A curve given by points: from another tool, or from a model that is no formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import Array, Parameter, Saturation, within

__all__ = ["Tabulated", "mean_table"]

_POINTS = (2, 10_000)  # how many there may be


@dataclass(frozen=True, slots=True)
class Tabulated(Saturation):
    """Straight lines between the points, constant after the last.

    Piecewise linear, not a spline: it adds nothing that the points do not say, never overshoots,
    and its concave envelope is a convex hull, so the solver stays exact. Where the first point is
    not at zero spend, a line from zero spend and zero response leads to it.

    >>> float(Tabulated((0.0, 10.0, 20.0), (0.0, 8.0, 10.0)).value(15.0))
    9.0
    """

    spend: tuple[float, ...] = field(
        metadata=within(
            "spend", "Increasing amounts of spend per period.", at_least=0, count=_POINTS
        )
    )
    response: tuple[float, ...] = field(
        metadata=within(
            "outcome", "The outcome at each spend, never falling.", at_least=0, count=_POINTS
        )
    )
    family: ClassVar[str] = "tabulated"
    formula: ClassVar[str] = (
        "Straight lines through the points (spend, response), constant after the last"
    )
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = False
    single: ClassVar[None] = None

    def __post_init__(self) -> None:
        for name in ("spend", "response"):
            raw = getattr(self, name)
            try:
                column = tuple(float(v) for v in raw if not isinstance(v, (bool, str)))
            except (TypeError, ValueError):
                raise ValueError(f"tabulated: {name} must be a list of numbers.") from None
            if len(column) != len(raw):
                raise ValueError(f"tabulated: {name} must be a list of numbers.")
            if not np.all(np.isfinite(column)):
                raise ValueError(f"tabulated: {name} must be finite.")
            object.__setattr__(self, name, column)
        if len(self.spend) != len(self.response):
            raise ValueError("tabulated: spend and response must be equally long.")
        if len(self.spend) < 2:
            raise ValueError("tabulated: at least two points are needed.")
        if self.spend[0] < 0 or self.response[0] < 0:
            raise ValueError("tabulated: spend and response must not be negative.")
        if np.any(np.diff(self.spend) <= 0):
            raise ValueError("tabulated: spend must increase from point to point.")
        if np.any(np.diff(self.response) < 0):
            raise ValueError("tabulated: response must not fall as spend rises.")

    def knots(self) -> tuple[Array, Array]:
        """Spend and response of all corners, the one at zero spend included; two (k,) arrays."""
        x, y = np.array(self.spend), np.array(self.response)
        if x[0] > 0.0:
            x, y = np.concatenate(([0.0], x)), np.concatenate(([0.0], y))
        return x, y

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(np.interp(np.asarray(x, float), *self.knots()))

    def slope(self, x: ArrayLike) -> Array:
        """The slope to the right of ``x``: what the next unit of money brings."""
        at, height = self.knots()
        steps = np.append(np.diff(height) / np.diff(at), 0.0)
        return np.asarray(steps[np.searchsorted(at, np.asarray(x, float), side="right") - 1])

    def relative_curvature(self, x: ArrayLike) -> Array:
        """0: the pieces are straight."""
        return np.zeros(np.shape(np.asarray(x, float)))

    def at_slope(self, slope: ArrayLike) -> Array:
        """The largest corner before which the curve is steeper than ``slope``."""
        at, height = self.knots()
        steps = np.diff(height) / np.diff(at)
        steeper = steps[None, :] > np.asarray(slope, float).reshape(-1, 1)
        last = steeper.shape[1] - np.argmax(steeper[:, ::-1], axis=1)
        found = np.where(steeper.any(axis=1), at[np.minimum(last, len(at) - 1)], 0.0)
        return np.asarray(np.maximum(found.reshape(np.shape(slope)), self.inflection()))

    def inflection(self) -> float:
        """The corner after which the slopes only fall; 0 for a concave table."""
        at, height = self.knots()
        steps = np.diff(height) / np.diff(at)
        rises = np.flatnonzero(np.diff(steps) > 1e-12 * np.abs(steps[1:]))
        return float(at[rises[-1] + 1]) if rises.size else 0.0

    def concave_from(self) -> Array:
        return np.asarray(self.inflection() if self.response[-1] > 0.0 else np.inf)

    def supremum(self) -> float:
        return self.response[-1]

    def scaled(self, input_scale: Parameter) -> Tabulated:
        by = float(input_scale)
        return Tabulated(tuple(v / by for v in self.spend), self.response)

    def argument_error(self, x: Array) -> Array:
        return np.zeros(np.shape(x))

    def times(self, factor: Parameter) -> Tabulated:
        return Tabulated(self.spend, tuple(np.multiply(self.response, factor).tolist()))

    def parameters(self) -> dict[str, Any]:
        return {"spend": list(self.spend), "response": list(self.response)}


def mean_table(tables: Sequence[Tabulated]) -> Tabulated:
    """The mean of piecewise linear curves, exactly: piecewise linear on all their corners."""
    if len(tables) == 1:
        return tables[0]
    at = np.unique(np.concatenate([table.knots()[0] for table in tables]))
    height = np.mean([table.value(at) for table in tables], axis=0)
    return Tabulated(tuple(at.tolist()), tuple(np.maximum.accumulate(height).tolist()))
