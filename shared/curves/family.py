"""What every saturation curve can say about itself, and how its parameters are checked."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Parameter", "Saturation", "checked"]

Array = NDArray[np.float64]
Parameter = float | Array


class Saturation(ABC):
    """A non-decreasing response curve, outcome per period over adstocked spend ``x >= 0``.

    Parameters may be floats or arrays that broadcast with ``x``, so that one object can stand for
    many channels (or draws) of one family. Every curve is convex up to ``inflection()`` and concave
    from there on; a concave family has its inflection at 0. (``Tabulated`` is the exception: it can
    have any shape that does not fall.)
    """

    __slots__ = ()
    family: ClassVar[str]

    @abstractmethod
    def value(self, x: ArrayLike) -> Array:
        """Outcome per period at adstocked spend ``x`` (elementwise)."""

    @abstractmethod
    def slope(self, x: ArrayLike) -> Array:
        """Outcome gained per further unit of money at ``x``; ``inf`` at 0 on some curves."""

    @abstractmethod
    def relative_curvature(self, x: ArrayLike) -> Array:
        """``f''(x) / f'(x)``: change of the log of the slope per unit of money, for ``x > 0``."""

    @abstractmethod
    def at_slope(self, slope: ArrayLike) -> Array:
        """The spend at or above the inflection at which the curve's slope is ``slope`` (> 0).

        The inflection itself where the curve is nowhere that steep.
        """

    @abstractmethod
    def inflection(self) -> Parameter:
        """Spend at which the curve turns from convex to concave; 0 where it is concave."""

    @abstractmethod
    def supremum(self) -> Parameter:
        """The outcome approached as spend grows; ``inf`` for ``logarithmic`` and ``power``."""

    @abstractmethod
    def scaled(self, input_scale: Parameter) -> Self:
        """The curve ``x -> self(input_scale * x)``, of the same family.

        With the total carryover weight as scale this is the response to spend sustained every
        period.
        """

    def parameters(self) -> dict[str, Any]:
        """The parameters under the contract's names, ready for JSON."""
        out: dict[str, Any] = {}
        for item in fields(self):  # type: ignore[arg-type]
            raw = getattr(self, item.name)
            out[item.name] = raw.tolist() if isinstance(raw, np.ndarray) else raw
        return out

    def to_dict(self) -> dict[str, Any]:
        """``{"family": ..., **parameters}``."""
        return {"family": self.family, **self.parameters()}


def checked(
    curve: object,
    name: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    """Coerce a frozen dataclass's field to float (or float array) and check its range.

    Raises
    ------
    ValueError
        With a sentence that names the family, the parameter and what it has to be.
    """
    family = getattr(curve, "family", type(curve).__name__)
    raw = getattr(curve, name)
    if raw is None or isinstance(raw, (bool, str, bytes)):
        raise ValueError(f"{family}: {name} must be a number.")
    try:
        number: Parameter = (
            np.asarray(raw, dtype=np.float64)
            if isinstance(raw, (np.ndarray, list, tuple)) and np.ndim(raw) > 0
            else float(raw)
        )
    except (TypeError, ValueError):
        raise ValueError(f"{family}: {name} must be a number.") from None
    # A curve set has thousands of draws: plain floats do not go through numpy.
    finite = math.isfinite(number) if isinstance(number, float) else np.isfinite(number).all()
    if not finite:
        raise ValueError(f"{family}: {name} must be finite.")
    if above is not None and not _everywhere(number > above):
        raise ValueError(f"{family}: {name} must be greater than {above:g}.")
    if at_least is not None and not _everywhere(number >= at_least):
        raise ValueError(f"{family}: {name} must be at least {at_least:g}.")
    if at_most is not None and not _everywhere(number <= at_most):
        raise ValueError(f"{family}: {name} must be at most {at_most:g}.")
    object.__setattr__(curve, name, number)


def _everywhere(holds: bool | NDArray[np.bool_]) -> bool:
    return holds if isinstance(holds, bool) else bool(holds.all())
