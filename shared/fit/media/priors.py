"""What the model believes before it has seen the data, channel by channel.

The prior of the return on investment is the one that matters: where it is wrong, the curves are.
In money per money it is LogNormal(log 1.22, 0.9) [median e^0.2], and 1.2 in the Bayesian model, so
wide that idle channels and very good ones are possible. That only makes sense where the
outcome is money (``shared.history.spec``). Where it is not (conversions), or where that
prior would have media explain an absurd share of the outcome, every channel's prior is centred on
one common return at which media explain a quarter of the outcome, and is wider.
``ReturnPrior.basis`` says which was used.

What a regression calls an effect carries a systematic error besides its own: a driver of spend and
outcome that nobody recorded, demand that would have come anyway. It sees the return times exp(b),
and a plan uses the return alone. ``b`` is normal, wide where a channel captures demand that is
there (Chen et al. 2018, Zhang and Vaver 2017), less wide for others, and partly common to all
channels of a role: what a lift test says of one channel's ``b`` it says of the untested ones'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.frequency import frequency
from shared.history.outcome_unit import outcome_unit
from shared.history.purpose import ROLES, role_by_name, role_said

__all__ = [
    "BETWEEN",
    "HALF_SD",
    "PEAK",
    "SHAPE_BETWEEN",
    "SHAPE_LEVEL",
    "SHAPE_MEAN",
    "SPREAD",
    "SPREAD_SD",
    "STRENGTH",
    "SYSTEMATIC",
    "WEIBULL_SCALE",
    "WEIBULL_SHAPE",
    "ReturnPrior",
    "Systematic",
    "SystematicError",
    "carryover",
    "return_prior",
]

Floats = NDArray[np.float64]

#: Beta parameters of the decay per period: the same belief about carryover in calendar time.
_CARRYOVER = ({"day": 6.0, "week": 2.0, "month": 1.2}, {"day": 1.6, "week": 3.0, "month": 5.0})
#: Log half-saturation over mean spend ~ Normal(0, 0.6).
HALF_SD = 0.6
#: Log shape ~ Normal(level, 0.22) with a level ~ Normal(0.1, 0.27) that a brand's channels share:
#: where some have S-curves, others are likelier to.
SHAPE_MEAN = 0.1
SHAPE_LEVEL = 0.27
SHAPE_BETWEEN = 0.22
#: Logit of a delayed adstock's peak over the latest one ~ Normal: early, not at once.
PEAK = (-1.0, 1.0)
#: Log shape of a Weibull ~ Normal (mean, sd); log scale ~ Normal(log of these periods, 0.6).
WEIBULL_SHAPE = {"weibull_pdf": (0.4, 0.4), "weibull_cdf": (0.0, 0.4)}
WEIBULL_SCALE = {"day": 9.0, "week": 2.0, "month": 1.0}
#: Standard deviation of the log returns of a brand's channels around their common level. Of the 1.2
#: of a return in money, so that each is nearly on its own: less pulls the low and the high ones to
#: the middle.
BETWEEN = 1.185
#: Spread of log returns between geos or campaigns of one channel: LogNormal(log 0.3, 0.5).
SPREAD = 0.3
SPREAD_SD = 0.5
#: Prior sd of an interaction's strength, in standard deviations of the outcome.
STRENGTH = 0.3


@dataclass(frozen=True, slots=True)
class Systematic:
    """Of one role: mean of b, sd of the part that its channels share, and of each one's own."""

    mean: float
    common: float
    own: float


#: By role; chosen on worlds of another kind than the model's (``benchmarks/README.md``).
SYSTEMATIC = {
    "demand_capture": Systematic(1.2, 0.6, 0.8),
    "demand_creation": Systematic(0.0, 0.4, 0.57),
}

_ROI_LOG_MEDIAN = 0.2
_ROI_LOG_SD = 0.9
_WIDER = 4.0 / 3.0
_SHARE = 0.25
_SHARE_LOG_SD = 1.0
# Shares of the outcome that media may explain at the money prior's median before it is disbelieved.
_PLAUSIBLE = (0.01, 0.8)
# Of the variation of spend what follows demand: by chance, and from where demand buys it.
_FOLLOWS = (0.1, 0.3)
_FAR = 2.0  # standard deviations, from which a return that was seen widens its prior


def carryover(every: str) -> tuple[float, float]:
    """Parameters of the beta distribution of the decay from a period to the next."""
    first, second = (frequency(every).of(table) for table in _CARRYOVER)
    return first, second


@dataclass(frozen=True, slots=True, eq=False)
class SystematicError:
    """The logarithm b of how many times its return a regression sees of each channel: normal.

    ``roles`` of the channels, ``captures`` (C,) how far each counts as one that captures demand,
    ``mean`` (C,) and ``covariance`` (C, C).
    """

    roles: tuple[str, ...]
    captures: Floats
    mean: Floats
    covariance: Floats

    @property
    def sd(self) -> Floats:
        """Standard deviations (C,)."""
        return np.sqrt(np.diag(self.covariance))

    @classmethod
    def of(cls, roles: Sequence[str], captures: Floats | None = None) -> SystematicError:
        """By role; channels of one role share a part of it."""
        capturing = np.array([role == ROLES[1] for role in roles])
        if captures is None:
            captures = capturing.astype(np.float64)
        create, capture = (SYSTEMATIC[role] for role in ROLES)

        def mixed(part: str) -> Floats:
            low, high = float(getattr(create, part)), float(getattr(capture, part))
            return np.asarray(low + captures * (high - low))

        common = mixed("common")
        return cls(
            roles=tuple(roles),
            captures=captures,
            mean=mixed("mean"),
            covariance=np.outer(common, common) * np.equal.outer(capturing, capturing)
            + np.diag(mixed("own") ** 2),
        )

    @classmethod
    def none(cls, channels: int) -> SystematicError:
        """A regression that sees the return itself."""
        none = np.zeros(channels)
        return cls(("",) * channels, none, none, np.zeros((channels, channels)))


@dataclass(frozen=True, slots=True, eq=False)
class ReturnPrior:
    """Log return per unit of money ~ Normal(``log_median``, ``log_sd``), arrays of shape (C,).

    ``usual`` is the median and the standard deviation of a channel of which the spec says nothing.
    Returns whose prior was not ``given`` depend on each other through their common level; those
    whose prior was ``widened``, because the data speak clearly against it, do not. What a
    regression sees of them is that and the ``error``.
    """

    log_median: Floats
    log_sd: Floats
    basis: str
    why: str
    given: tuple[bool, ...]
    usual: tuple[float, float]
    error: SystematicError
    widened: tuple[bool, ...] = ()

    def without(self, beliefs: Collection[int]) -> ReturnPrior:
        """As if the spec said nothing of the channels at these places."""
        aside = np.isin(np.arange(len(self.given)), list(beliefs))
        median, sd = self.usual
        return replace(
            self,
            log_median=np.where(aside, median, self.log_median),
            log_sd=np.where(aside, sd, self.log_sd),
            given=tuple((np.array(self.given) & ~aside).tolist()),
        )

    @property
    def seen(self) -> tuple[Floats, Floats]:
        """Mean (C,) and covariance (C, C) of the log return that a regression sees."""
        return self.log_median + self.error.mean, self.covariance() + self.error.covariance

    @property
    def sd(self) -> Floats:
        """(C,) wider where none was given: what a model with a systematic error believes."""
        return np.where(np.array(self.given, dtype=bool), self.log_sd, _WIDER * self.log_sd)

    @property
    def common(self) -> Floats:
        """(C,) standard deviation of the level that a channel shares; 0 where a prior was given."""
        shared = np.sqrt(np.maximum(self.sd**2 - BETWEEN**2, 0.0))
        alone = np.array(self.given, dtype=bool)
        return np.where(alone | np.array(self.widened or alone, dtype=bool), 0.0, shared)

    def covariance(self) -> Floats:
        """Of the log returns, shape (C, C)."""
        out: Floats = np.outer(self.common, self.common)
        np.fill_diagonal(out, self.sd**2)
        return out

    def by_the_others(self, log_returns: Floats) -> tuple[Floats, Floats]:
        """What the other channels' returns say of each.

        Parameters
        ----------
        log_returns
            (S, C) points.

        Returns
        -------
        tuple
            (S, C) mean and (C,) standard deviation of each channel given all the others.
        """
        return _by_the_others(log_returns, self.log_median, self.covariance())

    def seen_by_the_others(self, log_returns: Floats) -> tuple[Floats, Floats]:
        """The same of the returns as a regression sees them."""
        mean, covariance = self.seen
        return _by_the_others(log_returns, mean, covariance)

    def errors(self, seen: Floats, known: Floats, rng: np.random.Generator) -> Floats:
        """Draws (S, C) of the errors given what a regression saw and those that are known.

        Parameters
        ----------
        seen
            (S, C) log returns as a regression sees them.
        known
            (S, C) errors, NaN where nothing but ``seen`` tells of them.
        """
        mean, total = self.seen
        told = np.isfinite(known).all(axis=0)
        count, own = len(mean), self.error.covariance
        # All are jointly normal: (seen, known errors), and the errors asked for.
        given = np.block([[total, own[:, told]], [own[told], own[np.ix_(told, told)]]])
        across = np.concatenate([own[:, ~told], own[np.ix_(told, ~told)]])
        away = np.concatenate([seen - mean, known[:, told] - self.error.mean[told]], axis=1)
        pull = np.linalg.solve(given, across)
        left = own[np.ix_(~told, ~told)] - across.T @ pull
        values, vectors = np.linalg.eigh(left)
        noise = rng.standard_normal((len(seen), count))[:, ~told]
        out = known.copy()
        out[:, ~told] = self.error.mean[~told] + away @ pull
        out[:, ~told] += (noise * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        return out

    def of_another(self, log_returns: Floats) -> tuple[Floats, float]:
        """Mean (S,) and standard deviation of the log return of a channel that is not among them.

        Parameters
        ----------
        log_returns
            (S, C) points.
        """
        median, sd = float(np.median(self.log_median)), float(np.median(self.sd))
        level = float(np.sqrt(max(sd**2 - BETWEEN**2, 0.0))) * self.common
        pull = np.linalg.solve(self.covariance(), level)
        mean = median + (log_returns - self.log_median) @ pull
        return mean, float(np.sqrt(sd**2 - level @ pull))


def _by_the_others(values: Floats, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Conditional mean (S, C) and sd (C,) of each coordinate of a normal given all the others."""
    precision = np.linalg.inv(covariance)
    own = np.diag(precision)
    return values - ((values - mean) @ precision) / own, 1.0 / np.sqrt(own)


def return_prior(
    spec: Mapping[str, Any],
    outcome_name: str,
    channels: Sequence[str],
    total_spend: float,
    total_outcome: float,
    far: Mapping[str, float] | None = None,
    follows: Floats | None = None,
) -> ReturnPrior:
    """The prior of each channel's return, ``spec["priors"]`` first.

    A channel of ``far`` (``shared.history.beliefs.far_returns``) has one that is wide enough to
    hold the return there and what would be believed otherwise, each one standard deviation away.
    ``follows`` (C,) is how closely each channel's spend follows demand (``demand.following``): one
    whose name alone says that it captures demand does so as far as its spend follows it.

    Raises
    ------
    InvalidInput
        For priors of unknown channels or with impossible numbers.
    """
    unit = outcome_unit(spec, outcome_name)
    money = unit.money
    share = float(np.exp(_ROI_LOG_MEDIAN)) * total_spend / total_outcome if total_outcome > 0 else 0
    if money and (_PLAUSIBLE[0] <= share <= _PLAUSIBLE[1] or total_outcome <= 0):
        median, sd, basis = _ROI_LOG_MEDIAN, _ROI_LOG_SD, "money"
        why = (
            f"{outcome_name!r} is {'' if unit.said else 'taken to be '}money: returns ~ "
            f"LogNormal({_ROI_LOG_MEDIAN}, {_ROI_LOG_SD}), median {np.exp(_ROI_LOG_MEDIAN):.2f} "
            "per unit of spend."
        )
    else:
        level = abs(total_outcome) if total_outcome else total_spend
        median = float(np.log(_SHARE * level / total_spend))
        sd, basis = _SHARE_LOG_SD, "share"
        because = (
            f"at a money prior's median return media would explain {share:.1%} of it"
            if money
            else "spec.outcome_unit says that it is a count"
            if unit.said
            else "its name does not look like money, and spec.outcome_unit does not say"
        )
        why = (
            f"{outcome_name!r} has no natural return per unit of spend ({because}): the prior is "
            f"centred where all channels together explain {_SHARE:.0%} of the outcome, each "
            f"returning {np.exp(median):.4g} per unit of spend. Give spec.priors to do better."
        )
    log_median = np.full(len(channels), median)
    log_sd = np.full(len(channels), sd)
    given = [False] * len(channels)
    faults: list[Fault] = []
    declared = {str(c.get("channel")) for c in spec.get("channels") or ()} | set(channels)
    for index, prior in enumerate(spec.get("priors") or ()):
        at = f"/priors/{index}"
        name = prior.get("channel")
        if name not in declared:
            faults.append(
                Fault(f"{at}/channel", "unknown_channel", f"No channel is called {name!r}.")
            )
            continue
        roi, spread = prior.get("roi_median"), prior.get("roi_sd_log")
        for key, number in (("roi_median", roi), ("roi_sd_log", spread)):
            if number is not None and not (np.isfinite(number) and number > 0):
                faults.append(
                    Fault(f"{at}/{key}", "not_positive", f"{key} must be above 0, not {number}.")
                )
        if name in channels and not faults:
            place = list(channels).index(name)
            given[place] = True
            if roi is not None:
                log_median[place] = float(np.log(roi))
                log_sd[place] = 0.5
            if spread is not None:
                log_sd[place] = float(spread)
    if faults:
        raise InvalidInput(faults)
    seen = [(far or {}).get(name.partition("/")[0], 0.0) for name in channels]
    with np.errstate(divide="ignore"):
        away = np.where(np.array(given, dtype=bool), -np.inf, np.log(seen))
    widened = away > log_median + _FAR * log_sd
    half = np.where(widened, (away - log_median) / 2.0, 0.0)
    return ReturnPrior(
        log_median + half,
        np.where(widened, half, log_sd),
        basis,
        why,
        tuple(given),
        (median, sd),
        _systematic(spec, channels, follows),
        tuple(widened.tolist()),
    )


def _systematic(
    spec: Mapping[str, Any], channels: Sequence[str], follows: Floats | None
) -> SystematicError:
    said = [role_said(name, spec) for name in channels]
    roles = [role or role_by_name(name) for role, name in zip(said, channels, strict=True)]
    captures = np.array([float(role == ROLES[1]) for role in roles])
    if follows is not None:
        share = np.nan_to_num(np.interp(follows, _FOLLOWS, (0.0, 1.0)), nan=1.0)
        captures *= np.where([role is None for role in said], share, 1.0)
    return SystematicError.of(roles, captures)
