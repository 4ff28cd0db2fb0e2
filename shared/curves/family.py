"""What a family of saturation curves is: one class that states all that is asked of one.

The formula with its slope, curvature, inverse and inflection; what its parameters are and may be,
from which ceilings and other units follow and requests are checked and documented; how far rounding
can put it off, which the certificate adds to its bounds; and, where it is :class:`Fittable`, how a
fit draws it. A class that leaves something unsaid cannot be defined.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CEILING",
    "EPS",
    "HALF",
    "LARGEST",
    "Array",
    "Concave",
    "Fittable",
    "Parameter",
    "Range",
    "Reaching",
    "Saturation",
    "Single",
    "checked",
    "expit",
    "within",
]

Array = NDArray[np.float64]
Parameter = float | Array
Unit = Literal["outcome", "intercept", "spend", "per spend", "number"]
"""Of a parameter. A curve is proportional to its one parameter in units of outcome, but for an
intercept, which is an outcome as well."""

EPS = 2.220446049250313e-16
"""Relative distance of neighbouring floats."""

LARGEST = 1e15
"""No amount of money and no outcome of a request is larger; it keeps sums and squares finite."""

_BEYOND = 1e300  # no adstocked spend is as large
_ROUNDED = 32.0 * EPS  # some operations, elementary functions right to 4 units in the last place
_FEW = 16  # so many curves are inverted faster one by one


@dataclass(frozen=True, slots=True)
class Range:
    """What a parameter is and may be: a number within ends, or a ``count`` of such numbers.

    A request may ask for ``most``; a curve itself for any number up to ``at_most``, if that is set.
    """

    unit: Unit
    text: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    most: float = LARGEST
    count: tuple[int, int] | None = None


def within(unit: Unit, text: str, **ends: Any) -> dict[str, Range]:
    """A parameter's :class:`Range` as the metadata of its field."""
    return {"range": Range(unit, text, **{"most": ends.get("at_most", LARGEST), **ends})}


CEILING = within("outcome", "Outcome per period that is never exceeded.", at_least=0)
HALF = within("spend", "Spend that brings half of max_response.", above=0)


class Single(Protocol):
    """A curve in plain floats, made from its family's parameters in their order.

    Numpy's fixed cost per call is what a search over few channels would otherwise consist of. What
    is asked is as in :class:`Saturation`, at spends and slopes above 0 (a value at 0 as well).
    """

    def value(self, x: float) -> float: ...
    def slope(self, x: float) -> float: ...
    def relative_curvature(self, x: float) -> float: ...
    def at_slope(self, slope: float) -> float: ...


class Saturation(ABC):
    """A non-decreasing response curve, outcome per period over adstocked spend ``x >= 0``.

    A family is a frozen dataclass of parameters, each with a :class:`Range`. They may be floats or
    arrays that broadcast with ``x``, so that one object can stand for many channels (or draws) of
    one family. Every curve is convex up to ``inflection()`` and strictly concave, or a straight
    line, from there on. (``Tabulated`` is the exception: it is given by points and can have any
    shape that does not fall.)

    Attributes
    ----------
    family, formula
        Its name in the contract, and what it says of ``x`` there.
    bounded
        Whether the parameter in units of outcome is the ceiling; else it grows without limit.
    forgiving
        Whether the value takes no more of an argument's error than the share of the ceiling that it
        still lacks.
    single
        The same curve in plain floats; None where numpy is quick enough for every search.
    """

    __slots__ = ()
    family: ClassVar[str]
    formula: ClassVar[str]
    bounded: ClassVar[bool]
    forgiving: ClassVar[bool]
    single: ClassVar[Callable[..., Single] | None]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Refuse a family that leaves something unsaid, when it is defined."""
        super().__init_subclass__()
        if abstract:
            return
        each = (inspect.get_annotations(base).items() for base in cls.__mro__[1:])
        left = [name for own in each for name, kind in own if str(kind).startswith("ClassVar")]
        missing = [name for name in left if not hasattr(cls, name)]
        members = ((name, getattr(cls, name, None)) for name in dir(cls))
        missing += [n for n, own in members if getattr(own, "__isabstractmethod__", False)]
        if missing:
            raise TypeError(f"The family {cls.__name__} does not state {', '.join(missing)}.")
        if "__dataclass_fields__" in cls.__dict__:  # a class with slots is made twice
            cls.ranges()

    def __post_init__(self) -> None:
        for name, own in self.ranges().items():
            checked(self, name, above=own.above, at_least=own.at_least, at_most=own.at_most)

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
        """Spend at which the curve turns from convex to concave; 0 where it is concave, ``inf``
        where it is convex throughout."""

    @abstractmethod
    def argument_error(self, x: Array) -> Array:
        """What rounding can add to a relative error before the formula's last few operations.

        First-order error analysis of value and slope as they are computed, every constant rounded
        up: an argument's relative error is carried through (``exp(y)`` turns an absolute error in
        ``y`` into a relative one).
        """

    def slope_error(self, x: Array) -> Array:
        """A bound on the relative error of ``slope(x)``."""
        return np.asarray(_ROUNDED + self.argument_error(x))

    def value_error(self, x: Array, value: Array | None = None) -> Array:
        """A bound on the relative error of ``value(x)``, which is ``value`` where that is known:
        the truth lies between ``value (1 - error)`` and ``value (1 + error)``.

        A forgiving curve's truth is, whatever the argument, neither below nothing nor above the
        ceiling.
        """
        error = self.argument_error(x)
        if not self.forgiving:
            return np.asarray(_ROUNDED + error)
        known = self.value(x) if value is None else value
        share = np.minimum(known / np.maximum(self.supremum(), 1e-300), 1.0)
        with np.errstate(divide="ignore"):
            furthest = np.maximum(1.0 / share - 1.0, 1.0)
        return np.asarray(_ROUNDED + np.minimum(error * self.forgiven(x, share, error), furthest))

    def forgiven(self, x: Array, share: Array, error: Array) -> Array:
        """What of an argument's error is left in the value, at a ``share`` of the ceiling."""
        del x, error
        return np.asarray(np.minimum(1.0 - share + _ROUNDED, 1.0))

    @classmethod
    @cache
    def ranges(cls) -> dict[str, Range]:
        """What each parameter is and may be, in their order."""
        own = {item.name: item.metadata.get("range") for item in fields(cls) if item.init}  # type: ignore[arg-type]
        allowed = {name: given for name, given in own.items() if isinstance(given, Range)}
        units = [given.unit for given in allowed.values()]
        told = cls.scaled is not Saturation.scaled or "spend" in units or "per spend" in units
        if len(allowed) < len(own) or units.count("outcome") != 1 or not told:
            raise TypeError(f"The family {cls.__name__} does not state its parameters' units.")
        return allowed

    @classmethod
    @cache
    def closed_form(cls) -> bool:
        """Whether arrays of parameters can stand for many curves: none of them is a list."""
        return all(own.count is None for own in cls.ranges().values())

    def size(self) -> Any:
        """The parameter that the curve is proportional to."""
        return getattr(self, self._size())

    @classmethod
    @cache
    def _size(cls) -> str:
        return next(name for name, own in cls.ranges().items() if own.unit == "outcome")

    def supremum(self) -> Parameter:
        """The outcome approached as spend grows; ``inf`` where there is no ceiling."""
        size: Parameter = self.size()
        return size if self.bounded else self.inflection() + np.inf

    def concave_from(self) -> Array:
        """The inflection (beyond any spend where the curve is convex throughout), as a number;
        ``inf`` for a straight line, which a curve without effect is too."""
        bend = np.minimum(np.asarray(self.inflection(), dtype=float), _BEYOND)
        curved = np.not_equal(self.relative_curvature(2.0 * bend + 1.0), 0.0)
        return np.where(curved & np.not_equal(self.size(), 0.0), bend, np.inf)

    def scaled(self, input_scale: Parameter) -> Self:
        """The curve ``x -> self(input_scale * x)``, of the same family.

        With the total carryover weight as scale this is the response to spend sustained every
        period.
        """
        spend = {"spend": lambda p: p / input_scale, "per spend": lambda p: p * input_scale}
        return self._by_unit(spend)

    def times(self, factor: Parameter) -> Self:
        """The curve ``factor * f(x)``, of the same family."""
        return self._by_unit(dict.fromkeys(("outcome", "intercept"), lambda p: p * factor))

    def bought(self, reference: Parameter, power: Parameter) -> Saturation | None:
        """The curve ``x -> self(reference * (x / reference)^power)``, where a family has it."""
        del reference, power
        return None

    def each(self, of: Callable[[Any], Any]) -> Self:
        """The curve with ``of`` each parameter in its place."""
        return type(self)(*(of(getattr(self, name)) for name in self.ranges()))

    def _by_unit(self, of: dict[str, Callable[[Any], Any]]) -> Self:
        raw = ((getattr(self, name), of.get(own.unit)) for name, own in self.ranges().items())
        return type(self)(*(p if change is None else change(p) for p, change in raw))

    def alone(self, place: int) -> Single | None:
        """One of the curves that array parameters stand for, in plain floats; None without twin."""
        single = type(self).single
        if single is None:
            return None
        return single(*(float(getattr(self, name)[place]) for name in self.ranges()))

    def one_by_one(self, slope: Array) -> Array | None:
        """``at_slope`` in plain floats; None where arrays are the better way.

        That is where there are many, where shapes differ, and where slopes are 0 or infinite.
        """
        single, raw = type(self).single, [getattr(self, name) for name in self.ranges()]
        if single is None or slope.size > _FEW or any(np.shape(p) != slope.shape for p in raw):
            return None
        flat = slope.reshape(-1).tolist()
        if not all(0.0 < p < math.inf for p in flat):
            return None
        rows = zip(flat, *(np.reshape(p, -1).tolist() for p in raw), strict=True)
        return np.array([single(*own).at_slope(p) for p, *own in rows]).reshape(slope.shape)

    def parameters(self) -> dict[str, Any]:
        """The parameters under the contract's names, ready for JSON."""
        each = ((name, getattr(self, name)) for name in self.ranges())
        return {name: p.tolist() if isinstance(p, np.ndarray) else p for name, p in each}

    def to_dict(self) -> dict[str, Any]:
        """``{"family": ..., **parameters}``."""
        return {"family": self.family, **self.parameters()}


class Concave(Saturation, abstract=True):
    """A family with diminishing returns from the first unit of money, whatever its parameters."""

    __slots__ = ()
    single: ClassVar[Callable[..., Single] | None] = None

    def inflection(self) -> Parameter:
        shape = np.broadcast_shapes(*(np.shape(getattr(self, name)) for name in self.ranges()))
        return np.zeros(shape) if shape else 0.0


class Fittable(Saturation, abstract=True):
    """A family that a fit can draw: a level in spend, its own scale of spend and maybe a shape.

    The level is what the curve of size one says. ``half`` is the parameter in units of spend, or
    one over that per unit of spend, and a shape is the parameter without a unit.
    """

    __slots__ = ()

    @staticmethod
    @abstractmethod
    def level(adstock: Array, half: Array, shape: Array, /) -> tuple[Array, Array, Array, Array]:
        """The level and its derivatives by spend, log ``half`` and log ``shape``.

        The inner loop of a fit: ``adstock`` has any shape and precision, the others broadcast.
        """

    @classmethod
    def of_level(cls, top: Parameter, half: Parameter, shape: Parameter) -> Self:
        """The curve ``top * level``."""
        by = {"outcome": top, "spend": half, "per spend": 1.0 / half, "number": shape}
        return cls(*(by[own.unit] for own in cls.ranges().values()))

    @classmethod
    def shaped(cls) -> bool:
        """Whether the level depends on a shape."""
        return any(own.unit == "number" for own in cls.ranges().values())


class Reaching(Saturation, abstract=True):
    """A family with a ceiling that can say how many people are reached, each counted once."""

    __slots__ = ()

    @abstractmethod
    def left(self, x: ArrayLike) -> Array:
        """``size - value(x)``, what is missing of the ceiling, without cancellation.

        Off by no more than a few roundings and ``argument_error(x)``.
        """

    @abstractmethod
    def bend_of_log(self, whole: Parameter) -> Parameter:
        """Inflection of ``-log(1 - f(x) / whole)``, for a ``whole`` at or above the ceiling.

        It is where ``f''/f'`` falls to ``-f' / (whole - f)``; ``inf`` where it never does.
        """

    def line_of_log(self, whole: Parameter) -> Saturation | None:
        """``-log(1 - f(x) / whole)`` where that is a straight line."""
        del whole
        return None


def expit(z: Array) -> Array:
    """``1 / (1 + e^-z)`` without overflow."""
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0.0, 1.0, e) / (1.0 + e))


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
