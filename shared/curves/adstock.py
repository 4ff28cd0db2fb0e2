"""Adstock: how much of a period's spend still works in the periods after it.

``A_t = sum_k w_k x_{t-k}``. Each family is its weights ``w_0, w_1, ...``; ``normalised`` divides
them by their sum, so that sustained spend keeps its size.

Formulas: geometric ``w_k = decay^k``; delayed (Jin et al., 2017, "Bayesian Methods for Media Mix
Modeling with Carryover and Shape Effects") ``w_k = decay^((k - peak)^2)``; Weibull as in Robyn,
periods counted from 1: ``pdf`` is the density at ``k + 1``, divided by its largest value; ``cdf``
is the running product of ``1 - CDF`` at the periods before, starting at 1. ``lag_weights`` lists
them, for the carryover of another tool.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import Array, checked

__all__ = [
    "ADSTOCKS",
    "Adstock",
    "Delayed",
    "Geometric",
    "LagWeights",
    "WeibullCdf",
    "WeibullPdf",
    "adstock_from_dict",
]


class Adstock(ABC):
    """Carryover weights over the periods after the spend."""

    __slots__ = ()
    family: ClassVar[str]
    normalised: bool

    @abstractmethod
    def weights(self, n: int) -> Array:
        """The first ``n`` weights; zeros beyond a family's ``length``."""

    @abstractmethod
    def total_weight(self) -> float:
        """The sum of all weights: what a unit of spend sustained every period amounts to."""

    def apply(self, x: ArrayLike, prior: float = 0.0) -> Array:
        """Adstocked spend, periods on the first axis of ``x``.

        Parameters
        ----------
        x
            Spend, shape (periods,) or (periods, ...).
        prior
            Spend per period sustained in all periods before the first (0: the world began here).
        """
        x = np.asarray(x, float)
        periods = x.shape[0]
        w = self.weights(periods)
        out = np.zeros_like(x)
        for k in range(periods):
            if w[k] != 0.0:
                out[k:] += w[k] * x[: periods - k]
        if prior:
            before = np.maximum(self.total_weight() - np.cumsum(w), 0.0)
            out += prior * before.reshape((-1,) + (1,) * (x.ndim - 1))
        return out

    def to_dict(self) -> dict[str, Any]:
        """``{"family": ..., **parameters}``."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        return {"family": self.family, **values}


@dataclass(frozen=True, slots=True)
class Geometric(Adstock):
    """``A_t = x_t + decay * A_{t-1}``, decay in [0, 1).

    >>> Geometric(0.5).total_weight()
    2.0
    """

    decay: float
    normalised: bool = False
    family: ClassVar[str] = "geometric"

    def __post_init__(self) -> None:
        checked(self, "decay", at_least=0)
        if self.decay >= 1:
            raise ValueError("geometric: decay must be less than 1.")
        _check_flag(self)

    def weights(self, n: int) -> Array:
        w = self.decay ** np.arange(n, dtype=float)
        return w * (1.0 - self.decay) if self.normalised else w

    def total_weight(self) -> float:
        return 1.0 if self.normalised else 1.0 / (1.0 - self.decay)

    def apply(self, x: ArrayLike, prior: float = 0.0) -> Array:
        x = np.asarray(x, float)
        share = 1.0 - self.decay if self.normalised else 1.0
        level = np.full(x.shape[1:], prior * self.total_weight())
        out = np.empty_like(x)
        for t in range(x.shape[0]):
            level = share * x[t] + self.decay * level
            out[t] = level
        return out


class _Finite(Adstock):
    """A family whose weights end after ``length`` periods."""

    __slots__ = ()

    @abstractmethod
    def _raw(self) -> Array: ...

    def _all(self) -> Array:
        raw = self._raw()
        return raw / raw.sum() if self.normalised else raw

    def weights(self, n: int) -> Array:
        out = np.zeros(n)
        w = self._all()[:n]
        out[: w.size] = w
        return out

    def total_weight(self) -> float:
        return float(self._all().sum())


@dataclass(frozen=True, slots=True)
class Delayed(_Finite):
    """``w_k = decay^((k - peak)^2)`` for k = 0 .. length - 1: the effect builds up, then fades."""

    decay: float
    peak: float
    length: int
    normalised: bool = False
    family: ClassVar[str] = "delayed"

    def __post_init__(self) -> None:
        checked(self, "decay", above=0)
        if self.decay >= 1:
            raise ValueError("delayed: decay must be less than 1.")
        checked(self, "peak", at_least=0)
        _check_length(self)
        if self.peak > self.length - 1:
            raise ValueError("delayed: peak must lie within length.")
        _check_flag(self)

    def _raw(self) -> Array:
        return np.asarray(self.decay ** ((np.arange(self.length, dtype=float) - self.peak) ** 2))


@dataclass(frozen=True, slots=True)
class _Weibull(_Finite):
    """What the two Weibull families have in common: their parameters."""

    shape: float
    scale: float
    length: int
    normalised: bool = False

    def __post_init__(self) -> None:
        checked(self, "shape", above=0)
        checked(self, "scale", above=0)
        _check_length(self)
        _check_flag(self)


@dataclass(frozen=True, slots=True)
class WeibullPdf(_Weibull):
    """The Weibull density at periods 1 .. length, divided by its largest value there."""

    family: ClassVar[str] = "weibull_pdf"

    def _raw(self) -> Array:
        # In logs: a large shape would overflow a power long before the ratio does.
        log_t = np.log(np.arange(1, self.length + 1, dtype=float) / self.scale)
        with np.errstate(over="ignore"):
            log_density = (self.shape - 1.0) * log_t - np.exp(self.shape * log_t)
        return np.asarray(np.exp(log_density - log_density.max()))


@dataclass(frozen=True, slots=True)
class WeibullCdf(_Weibull):
    """The running product of ``1 - CDF`` of a Weibull: a decay whose rate changes with age."""

    family: ClassVar[str] = "weibull_cdf"

    def _raw(self) -> Array:
        ages = np.arange(1, self.length, dtype=float) / self.scale
        with np.errstate(over="ignore"):
            hazard = np.exp(self.shape * np.log(ages))
        return np.exp(-np.concatenate(([0.0], np.cumsum(hazard))))


@dataclass(frozen=True, slots=True)
class LagWeights(_Finite):
    """The weights themselves, from the period of the spend on: for curves of another tool.

    >>> LagWeights((1.0, 0.5)).total_weight()
    1.5
    """

    values: tuple[float, ...]
    normalised: bool = False
    family: ClassVar[str] = "lag_weights"

    def __post_init__(self) -> None:
        try:
            values = tuple(float(v) for v in self.values if not isinstance(v, (bool, str)))
        except (TypeError, ValueError):
            values = ()
        if not 1 <= len(values) <= 1000 or len(values) != len(self.values):
            raise ValueError("lag_weights: values must be a list of 1 to 1000 numbers.")
        if not all(math.isfinite(v) and v >= 0.0 for v in values):
            raise ValueError("lag_weights: values must be finite and not negative.")
        if not sum(values) > 0.0:
            raise ValueError("lag_weights: at least one of values must be above 0.")
        object.__setattr__(self, "values", values)
        _check_flag(self)

    @property
    def length(self) -> int:
        """Periods over which the carryover lasts."""
        return len(self.values)

    def _raw(self) -> Array:
        return np.array(self.values)

    def to_dict(self) -> dict[str, Any]:
        values = list(self.values)
        return {"family": self.family, "values": values, "normalised": self.normalised}


ADSTOCKS: dict[str, type[Adstock]] = {
    cls.family: cls for cls in (Geometric, Delayed, WeibullPdf, WeibullCdf, LagWeights)
}


def adstock_from_dict(data: Mapping[str, Any]) -> Adstock:
    """Read ``{"family": ..., **parameters}``.

    Raises
    ------
    ValueError
        With a sentence, for an unknown family, and a missing, unknown or impossible parameter.
    """
    if not isinstance(data, Mapping):
        raise ValueError("An adstock is an object with its parameters.")  # noqa: TRY004
    family = data.get("family")
    cls = ADSTOCKS.get(family) if isinstance(family, str) else None
    if cls is None:
        raise ValueError(f"Unknown adstock family {family!r}; known are {', '.join(ADSTOCKS)}.")
    given = {name: value for name, value in data.items() if name != "family"}
    wanted = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise ValueError(f"{family}: unknown parameter {', '.join(map(repr, unknown))}.")
    missing = [n for n, item in wanted.items() if item.default is MISSING and n not in given]
    if missing:
        raise ValueError(f"{family}: {', '.join(missing)} is missing.")
    return cls(**given)


def _check_flag(adstock: Adstock) -> None:
    if not isinstance(adstock.normalised, bool):
        raise ValueError(f"{adstock.family}: normalised is true or false.")  # noqa: TRY004


def _check_length(adstock: Delayed | _Weibull) -> None:
    length = adstock.length
    if isinstance(length, float) and length.is_integer():
        object.__setattr__(adstock, "length", int(length))
    elif isinstance(length, bool) or not isinstance(length, int):
        raise ValueError(f"{adstock.family}: length must be a whole number of periods.")
    if not 1 <= adstock.length <= 1000:
        raise ValueError(f"{adstock.family}: length must lie between 1 and 1000 periods.")
