"""Curves made from a family's curve: with an intercept, where media get dearer, as reach that adds.

Each is a class of its own for every family, so that many of them still stand side by side as one
object with arrays; its curve of the family is ``inner``, and its parameters come first.
"""

from __future__ import annotations

from dataclasses import field, make_dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import EPS, Array, Parameter, Reaching, Saturation, within

__all__ = ["OFFSET", "at_rising_price", "counted_once", "with_offset"]

_LOGS = (-690.0, 690.0)  # logarithms of the least and the largest spend that is looked at
_NOBODY = 1e-300  # as a share of all people
_BEGIN, _HALVINGS = 10, 80  # with halving alone; altogether

OFFSET = within("intercept", "Outcome per period that comes whatever is spent.", at_least=0)


class _Derived(Saturation, abstract=True):
    """A curve made from ``inner``, the curve of the family ``of`` with the same parameters."""

    __slots__ = ()
    of: ClassVar[type[Saturation]]
    single: ClassVar[None] = None
    inner: Saturation

    def __post_init__(self) -> None:
        super().__post_init__()
        own = (getattr(self, name) for name in self.of.ranges())
        object.__setattr__(self, "inner", self.of(*own))

    def argument_error(self, x: Array) -> Array:
        return self.inner.argument_error(x)

    def inflection(self) -> Parameter:
        return self.inner.inflection()

    def supremum(self) -> Parameter:
        return self.inner.supremum()


class _Offset(_Derived, abstract=True):
    """``offset + f(x)``: what comes whatever is spent, and what money adds."""

    __slots__ = ()
    offset: Parameter

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(self.offset + self.inner.value(x))

    def slope(self, x: ArrayLike) -> Array:
        return self.inner.slope(x)

    def relative_curvature(self, x: ArrayLike) -> Array:
        return self.inner.relative_curvature(x)

    def at_slope(self, slope: ArrayLike) -> Array:
        return self.inner.at_slope(slope)

    def supremum(self) -> Parameter:
        return self.offset + self.inner.supremum()

    def slope_error(self, x: Array) -> Array:
        return self.inner.slope_error(x)

    def scaled(self, input_scale: Parameter) -> Self:
        moved = self.inner.scaled(input_scale)
        own = (getattr(moved, name) for name in moved.ranges())
        return type(self)(*own, self.offset)  # type: ignore[call-arg]

    def value_error(self, x: Array, value: Array | None = None) -> Array:
        """The part that money adds is off by its own error, the sum rounds once."""
        del value
        added = self.inner.value(x)
        share = added / np.maximum(self.offset + added, 1e-300)
        return np.asarray(4.0 * EPS + self.inner.value_error(x, added) * share)


class _RisingPrice(_Derived, abstract=True):
    """``f(m(x))``: a unit of media costs ``(x / reference)^elasticity`` at a spend of ``x``.

    So ``m(x) = reference (x / reference)^(1 - elasticity)`` units are bought. Of a concave ``f``
    that is concave, with a slope without limit at no spend.
    """

    __slots__ = ()
    reference: Parameter
    elasticity: Parameter

    def _bought(self, x: ArrayLike) -> tuple[Array, Array]:
        """Media bought, and how much of it the next unit of money buys."""
        power = 1.0 - np.asarray(self.elasticity)
        ratio = np.asarray(x, float) / self.reference
        with np.errstate(divide="ignore"):
            return self.reference * ratio**power, power * ratio**-self.elasticity

    def value(self, x: ArrayLike) -> Array:
        return self.inner.value(self._bought(x)[0])

    def slope(self, x: ArrayLike) -> Array:
        media, per_money = self._bought(x)
        each = self.inner.slope(media)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(each > 0.0, each * per_money, 0.0)

    def relative_curvature(self, x: ArrayLike) -> Array:
        media, per_money = self._bought(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            dearer = self.elasticity / np.asarray(x, float)
            return np.asarray(self.inner.relative_curvature(media) * per_money - dearer)

    def at_slope(self, slope: ArrayLike) -> Array:
        return _where_steep(self, slope)

    def _media_error(self, x: Array) -> Array:
        """A bound on the relative error of the media bought."""
        ratio = np.maximum(x / self.reference, 1e-300)
        return np.asarray(8.0 * EPS * (1.0 + np.abs(np.log(ratio))))

    def value_error(self, x: Array, value: Array | None = None) -> Array:
        """A concave curve takes no more than its argument's relative error."""
        media = self._bought(x)[0]
        return np.asarray(self.inner.value_error(media, value) + self._media_error(x))

    def slope_error(self, x: Array) -> Array:
        media = self._bought(x)[0]
        with np.errstate(invalid="ignore"):
            turns = np.nan_to_num(np.abs(media * self.inner.relative_curvature(media)))
        off = (2.0 + turns) * self._media_error(x)
        return np.asarray(self.inner.slope_error(media) + off)


class _CountedOnce(_Derived, abstract=True):
    """``-log(1 - f(x) / population)``: what a reach of ``f`` adds to the log of the unreached.

    Where it is chance who is reached, ``1 - f / population`` is the part of the population that is
    missed, and parts of several channels and periods multiply: these curves add up.
    """

    __slots__ = ()
    population: Parameter
    inner: Reaching

    def _missed(self, x: ArrayLike) -> Array:
        """How many are not reached, without cancellation; of nobody there is no logarithm."""
        missed = (self.population - self.inner.size()) + self.inner.left(x)
        return np.asarray(np.maximum(missed, _NOBODY * self.population))

    def value(self, x: ArrayLike) -> Array:
        reached = self.inner.value(x) / self.population
        few = -np.log1p(-np.minimum(reached, 0.5))
        return np.asarray(np.where(reached < 0.5, few, -np.log(self._missed(x) / self.population)))

    def slope(self, x: ArrayLike) -> Array:
        return np.asarray(self.inner.slope(x) / self._missed(x))

    def relative_curvature(self, x: ArrayLike) -> Array:
        return np.asarray(self.inner.relative_curvature(x) + self.slope(x))

    def at_slope(self, slope: ArrayLike) -> Array:
        return _where_steep(self, slope)

    def inflection(self) -> Parameter:
        return self.inner.bend_of_log(self.population)

    def supremum(self) -> Parameter:
        with np.errstate(divide="ignore"):
            return -np.log1p(-np.asarray(self.inner.size() / self.population))

    def times(self, factor: Parameter) -> Self:
        """Refused: a multiple of it is no reach."""
        del factor
        raise TypeError("Reach that is counted once is no multiple of another.")

    def value_error(self, x: Array, value: Array | None = None) -> Array:
        """Below a half that of the reach, less than doubled; above it that of who is missed, whose
        relative error is an absolute one of the logarithm, which is then above 0.69."""
        del value
        return np.asarray(
            2.0 * (self.inner.value_error(x) + self.inner.argument_error(x)) + 8 * EPS
        )

    def slope_error(self, x: Array) -> Array:
        return np.asarray(self.inner.slope_error(x) + self.inner.argument_error(x) + 40.0 * EPS)


def with_offset(curve: Saturation, offset: Parameter) -> Saturation:
    """The curve ``offset + f(x)``: an intercept, which money does not move.

    >>> from shared.curves.concave import Exponential
    >>> float(with_offset(Exponential(100.0, 0.5), 7.0).value(0.0))
    7.0

    Raises
    ------
    ValueError
        An intercept below 0, or one of a curve given by points, which say theirs themselves.
    """
    return _of(_Offset, curve, f"offset + {curve.formula}", bounded=curve.bounded, offset=offset)


def at_rising_price(curve: Saturation, reference: float, elasticity: float) -> Saturation:
    """The curve over money of a ``curve`` over media whose price rises with spend.

    A unit of media costs one of money at the ``reference`` spend, ``(x / reference)^elasticity`` at
    a spend of x. Hill curves and powers stay what they are.

    Raises
    ------
    ValueError
        A sigmoid with a midpoint above 0, which would turn twice, and a curve given by points.
    """
    if elasticity == 0.0:
        return curve
    if isinstance(curve, _Offset):
        return with_offset(at_rising_price(curve.inner, reference, elasticity), curve.offset)
    known = curve.bought(reference, 1.0 - elasticity)
    if known is not None:
        return known
    if np.any(np.greater(curve.inflection(), 0.0)):
        raise ValueError(f"{curve.family}: a price that rises with spend needs a concave curve.")
    dearer = {"reference": reference, "elasticity": elasticity}
    formula = f"{curve.formula}; x stands for reference * (x / reference)^(1 - elasticity)"
    return _of(_RisingPrice, curve, formula, bounded=curve.bounded, **dearer)


def counted_once(curve: Saturation, population: float) -> Saturation:
    """The curve ``-log(1 - f(x) / population)``, whose sums tell how many are reached at all.

    ``population * (1 - exp(-sum))`` is the reach of several curves, each person counted once, where
    chance decides who is reached by which.

    >>> from shared.curves.concave import Exponential
    >>> one, other = (counted_once(Exponential(6.0, 0.5), 10.0) for _ in range(2))
    >>> reach = 10.0 * -np.expm1(-(one.value(1e3) + other.value(1e3)))
    >>> round(float(reach), 9)  # 6 and 4 tenths of 6
    8.4

    Raises
    ------
    ValueError
        A curve without a ceiling, with one above the population, or of another kind than reach.
    """
    if not isinstance(curve, Reaching):
        raise ValueError(f"{curve.family}: a curve of this kind is no reach that is counted once.")  # noqa: TRY004
    if curve.size() > population:
        raise ValueError(f"{curve.family}: it reaches more people than there are.")
    line = curve.line_of_log(population)
    if line is not None:
        return line
    formula = f"-log(1 - {curve.formula} / population)"
    return _of(_CountedOnce, curve, formula, bounded=False, population=population)


_MORE: dict[str, Any] = {
    "offset": OFFSET,
    "reference": within("spend", "Spend at which a unit of media costs one of money.", above=0),
    "elasticity": within(
        "number", "Percent of price per percent of spend.", at_least=0, at_most=0.9
    ),
    "population": within("number", "How many people there are.", above=0),
}


def _of(
    kind: type[_Derived], curve: Saturation, formula: str, *, bounded: bool, **more: Parameter
) -> Saturation:
    """The curve of this kind that is made from ``curve``."""
    if not curve.closed_form():
        raise ValueError(f"{curve.family}: the points of the curve have to say this themselves.")
    made = _class(kind, type(curve), formula, bounded, tuple(more))
    return made(*(getattr(curve, name) for name in curve.ranges()), *more.values())


@cache
def _class(
    kind: type[_Derived],
    family: type[Saturation],
    formula: str,
    bounded: bool,
    more: tuple[str, ...],
) -> type[Saturation]:
    parameters = [
        *(
            (name, Parameter, field(metadata={"range": own}))
            for name, own in family.ranges().items()
        ),
        *((name, Parameter, field(metadata=_MORE[name])) for name in more),
        ("inner", Saturation, field(init=False, repr=False, compare=False)),
    ]
    said = {
        "of": family,
        "family": family.family,
        "formula": formula,
        "bounded": bounded,
        "forgiving": False,
    }
    name = f"{family.__name__}{kind.__name__}"
    return make_dataclass(name, parameters, bases=(kind,), namespace=said, frozen=True, slots=True)


def _where_steep(curve: Saturation, slope: ArrayLike) -> Array:
    """``at_slope`` by halving and Newton in the logarithm of spend, beyond the inflection."""
    bend = np.asarray(curve.inflection(), float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        target = np.log(np.asarray(slope, float))
        left = np.maximum(np.log(bend), _LOGS[0]) + 0.0 * np.minimum(target, 0.0)
        right = np.full(left.shape, _LOGS[1])
        nowhere = ~(np.log(curve.slope(np.exp(left))) > target)
        t = 0.5 * (left + right)
        for halving in range(_HALVINGS):
            x = np.exp(t)
            over = np.log(curve.slope(x)) - target
            left, right = np.where(over > 0.0, t, left), np.where(over > 0.0, right, t)
            following = t - over / (x * curve.relative_curvature(x))
            inside = (following > left) & (following < right) & (halving > _BEGIN)
            following = np.where(inside, following, 0.5 * (left + right))
            moved, t = np.abs(following - t), following
            if not np.any((moved > 1e-14 * np.maximum(np.abs(t), 1.0)) & ~nowhere):
                break
    return np.where(nowhere | np.isinf(bend), bend, np.exp(t))
