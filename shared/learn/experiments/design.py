"""Designs of tests: in some geos, by switching, before and after, and by splitting people.

A design is plain data that results can be read by later. Series of totals that remember are tested
once, at the end: stopping rules are for people who are split at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from shared.errors import InvalidInput, did_you_mean
from shared.figures import number, plural
from shared.frequency import frequency, word
from shared.history.table import History
from shared.learn.experiments import stopping, switchback
from shared.learn.experiments.geo import LEAST_PAIRS, matched
from shared.learn.experiments.placebo import (
    LEAST_BEFORE,
    Noise,
    noise_of,
    pairs_of,
    placebos,
    power_of,
)
from shared.plan.experiment import PrecisionOfTest
from shared.plan.words import say

__all__ = ["EFFECTS", "AskedTrial", "geo", "off", "split", "switched"]

Floats = NDArray[np.float64]

TRIES = 200  # random sets of geos that are matched
EFFECTS = (0.02, 0.05, 0.1, 0.2)
_RECENT = 13  # periods whose mean spend counts as today's
_COINS = 400  # designs by which the error of a switchback is told
_POWER = 0.8


@dataclass(frozen=True, slots=True)
class AskedTrial:
    """What a test on a channel's spend is asked to be.

    Attributes
    ----------
    change
        Of spend while it is on, as a share: -1 for off, 0.5 for half as much again.
    periods
        Of changed spend; of a switchback all periods.
    lasting
        Periods that carryover lasts: washed in, or cooled down.
    start
        First day; None for the period after the history's last.
    treated, count
        Of a test in geos: which, or how many are to be matched.
    """

    channel: str
    change: float
    periods: int
    lasting: int = 0
    start: date | None = None
    treated: tuple[str, ...] = ()
    count: int = 0
    method: str = "time_based_regression"
    alpha: float = 0.1
    effects: tuple[float, ...] = EFFECTS
    seed: int = 0


def _spend(history: History, channel: str) -> Floats:
    """(T,) of a channel, everywhere."""
    if channel not in history.channels:
        text = f"There is no channel {channel!r}.{did_you_mean(channel, history.channels)}"
        raise InvalidInput.at("/channel", "unknown_channel", text)
    return np.asarray(history.spend[:, history.channels.index(channel)])


def _dated(history: History, asked: AskedTrial) -> dict[str, Any]:
    every = frequency(history.frequency)
    start = asked.start or every.after(history.dates[-1])
    if start <= history.dates[0]:
        raise InvalidInput.at("/start", "before_the_history", "The test starts with the history.")
    # A 4-4-5 calendar runs from the history's own first period.
    end = every.at(history.dates[0]).last_day(start, asked.periods)
    return {
        "channel": asked.channel,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "periods": asked.periods,
        "lasting": asked.lasting,
        "change": asked.change,
        "alpha": asked.alpha,
        "seed": asked.seed,
    }


def _before(history: History, day: date) -> int:
    """Rows of the history before a day."""
    return sum(one < day for one in history.dates)


def geo(history: History, asked: AskedTrial) -> dict[str, Any]:
    """A test in some geos, the others being what would have been.

    Raises
    ------
    InvalidInput
        A history of one place; too few geos or rows; names that are not there.
    """
    spend, panel = _spend(history, asked.channel), history.panel()
    names, dates = panel.geos, _dated(history, asked)
    n = _before(history, date.fromisoformat(dates["start"]))
    if len(names) < 4:
        text = "A test in geos takes a history of at least 4 of them: give a table with a geo."
        raise InvalidInput.at("/geo", "too_few_geos", text)
    outcome = panel.outcome[:, :n]
    outcome = outcome[:, ~np.isnan(outcome).any(axis=0)]
    if outcome.shape[1] < max(LEAST_BEFORE, asked.periods) + asked.periods:
        text = (
            f"{plural(outcome.shape[1], 'period')} before the test are too few to try one of "
            f"{plural(asked.periods, 'period')} on."
        )
        raise InvalidInput.at("/geo/periods", "too_few_periods", text)
    for i, name in enumerate(asked.treated):
        if name not in names:
            text = f"There is no geo {name!r}.{did_you_mean(name, names)}"
            raise InvalidInput.at(f"/geo/treated/{i}", "unknown_geo", text)
    count = len(asked.treated) or asked.count or len(names) // 2
    if not 1 <= count <= len(names) - 2:
        text = f"Of {len(names)} geos at most {len(names) - 2} are treated: two are to compare."
        raise InvalidInput.at("/geo/count", "out_of_range", text)
    others: list[int] | None = None
    if asked.method == "trimmed_match":
        count = len(names) // 2
        if count < LEAST_PAIRS:
            text = (
                f"{count} pairs are trimmed to too few: at least {LEAST_PAIRS} carry an interval."
            )
            raise InvalidInput.at("/geo/method", "too_few_pairs", text)
        drawn, partners = pairs_of(outcome, np.random.default_rng(asked.seed))
        chosen, others = drawn.tolist(), partners.tolist()
    elif asked.treated:
        chosen = [names.index(name) for name in asked.treated]
    else:
        chosen = matched(outcome, count, TRIES, asked.seed).tolist()
    null = placebos(outcome, count, asked.periods, asked.method, asked.seed)
    arms = [m for m, (channel, _) in enumerate(panel.arms) if channel == asked.channel]
    usual = panel.spend[chosen][:, max(n - _RECENT, 0) : n][:, :, arms].sum(axis=(0, 2)).mean()
    level = float(outcome[chosen][:, -_RECENT:].sum(axis=0).mean())
    if usual == 0.0 and spend.any():
        text = f"Nothing was spent on {asked.channel} there lately: a change of it is no money."
        raise InvalidInput.at("/geo/change", "no_spend", text)
    extra = asked.change * float(usual) * asked.periods
    error = float(np.median(null.share)) * null.scale
    least = float(ndtri(1.0 - asked.alpha / 2.0) + ndtri(_POWER)) * error
    told = {
        "kind": "geo",
        **dates,
        "method": asked.method,
        "treated": [names[g] for g in chosen],
        "controls": [names[g] for g in others or [g for g in range(len(names)) if g not in chosen]],
        "spend_change": extra,
        "standard_error": error * level * asked.periods,
        "minimum_detectable_effect": least,
        "minimum_detectable_lift": least * level * asked.periods,
        "minimum_detectable_return": least * level * asked.periods / abs(extra) if extra else None,
        "power": [power_of(null, effect, asked.alpha) for effect in asked.effects],
        "rejects_without_effect": power_of(null, 0.0, asked.alpha),
        "placebo_coverage": null.coverage,
        "placebo_windows": null.windows,
        "windows_apart": null.apart,
        "error_scale": null.scale,
    }
    text = (
        f"Change {asked.channel} by {100 * asked.change:+.4g} % in {', '.join(told['treated'])} "
        f"for {plural(asked.periods, word(history.frequency))}: an effect of "
        f"{100 * least:.3g} % of the outcome there is found four times in five."
    )
    rest = (
        f"On {plural(null.windows, 'past window')} of which {null.apart} do not overlap, 90 % "
        f"intervals held zero in {100 * null.coverage:.3g} % of placebos; errors are lengthened "
        f"{number(null.scale)} times."
    )
    return {
        **told,
        "explanation": [
            say("test", text, change=asked.change, effect=least),
            say("placebos", rest, coverage=null.coverage, scale=null.scale),
        ],
    }


def switched(history: History, asked: AskedTrial, noise: Noise | None) -> dict[str, Any]:
    """A test that switches a channel's change on and off by coin flips.

    Raises
    ------
    InvalidInput
        Fewer than four times the periods that effects last.
    """
    m = max(asked.lasting, 1)
    if asked.periods < 4 * m:
        text = f"Effects that last {plural(m, 'period')} take at least {4 * m} periods of test."
        raise InvalidInput.at("/switchback/periods", "too_few_periods", text)
    spend, dates = _spend(history, asked.channel), _dated(history, asked)
    rows = _before(history, date.fromisoformat(dates["start"]))
    noise = noise or noise_of(history.outcome[:rows])
    at = switchback.flips(asked.periods, asked.lasting)
    stretch = np.searchsorted(np.array(at), np.arange(1, asked.periods + 1), side="right") - 1
    rng = np.random.default_rng(asked.seed)
    lag = np.abs(np.subtract.outer(np.arange(asked.periods), np.arange(asked.periods)))
    cover = noise.sd**2 * noise.correlation**lag
    squares = []
    for _ in range(_COINS):
        w = switchback.weights(rng.random(len(at))[stretch] < 0.5, at, asked.lasting)
        squares.append(float(w @ cover @ w))
    # Of all coins that are worth flipping, some are of each kind.
    coins = np.zeros(len(at), dtype=bool)
    while coins.all() or not coins.any():
        coins = rng.random(len(at)) < 0.5
    on = coins[stretch]
    error = sqrt(float(np.mean(squares)))
    least = float(ndtri(1.0 - asked.alpha / 2.0) + ndtri(_POWER)) * error
    usual = float(spend[:rows][-_RECENT:].mean())
    text = (
        f"Switch {asked.channel} by {100 * asked.change:+.4g} % on and off by coins at periods "
        f"{', '.join(map(str, at))}: a lift of {number(least)} a period is found four times in "
        "five."
    )
    return {
        "kind": "switchback",
        **dates,
        "flips": at,
        "on": on.tolist(),
        "spend_change": asked.change * usual * float(on.sum()),
        "standard_error": error,
        "minimum_detectable_lift": least,
        "noise": noise.sd,
        "noise_correlation": noise.correlation,
        "explanation": [say("test", text, flips=at, lift=least)],
    }


def off(history: History, asked: AskedTrial, noise: Noise | None) -> dict[str, Any]:
    """A test that changes a channel's spend for a block, compared with as many periods before."""
    spend, dates = _spend(history, asked.channel), _dated(history, asked)
    if asked.periods <= asked.lasting:
        text = f"Of {plural(asked.periods, 'period')} none is left once carryover has settled."
        raise InvalidInput.at("/off/periods", "too_few_periods", text)
    length = asked.periods - asked.lasting
    rows = _before(history, date.fromisoformat(dates["start"]))
    if rows < length:
        text = f"There are {plural(rows, 'period')} before the test, and {length} to compare with."
        raise InvalidInput.at("/off/periods", "too_few_periods", text)
    noise = noise or noise_of(history.outcome[:rows])
    precision = PrecisionOfTest(noise.sd, noise.correlation, _POWER, asked.alpha, asked.lasting)
    usual = float(spend[:rows][-length:].mean())
    error = precision.error_in_all(length)
    extra = asked.change * usual * asked.periods
    least = (precision.critical + float(ndtri(_POWER))) * error
    text = (
        f"Change {asked.channel} by {100 * asked.change:+.4g} % for "
        f"{plural(asked.periods, word(history.frequency))} and compare with the {length} before: "
        f"a change of {number(least)} in all is found four times in five."
    )
    return {
        "kind": "off",
        **dates,
        "spend_change": extra,
        "standard_error": error,
        "minimum_detectable_lift": least,
        "minimum_detectable_return": least / abs(extra) if extra else None,
        "noise": noise.sd,
        "noise_correlation": noise.correlation,
        "explanation": [say("test", text, lift=least)],
    }


def split(
    mean: float,
    sd: float | None,
    effect: float,
    stop: str,
    shares: tuple[float, ...],
    alpha: float,
    power: float,
) -> dict[str, Any]:
    """A test of people split at random in two: how many, and when it may stop.

    Parameters
    ----------
    mean, sd
        Of one person's outcome; without ``sd`` it is a rate.
    effect
        The least difference of means that is to be found.
    shares
        Of the information at each look, the last 1; even but for stopping by "spending".
    """
    spread = sqrt(mean * (1.0 - mean)) if sd is None else sd
    fixed = 2.0 * (spread * float(ndtri(1.0 - alpha / 2.0) + ndtri(power)) / effect) ** 2
    told: dict[str, Any] = {"kind": "ab", "stopping": stop, "alpha": alpha, "power": power}
    if stop == "any_time":
        # Differences of pairs have the variance of both.
        rho2 = stopping.mixture_rho2(alpha, fixed)
        n, wide = fixed, sqrt(2.0) * spread
        for _ in range(200):
            half = float(stopping.any_time_half_width(n, wide, rho2, alpha))
            if half + float(ndtri(power)) * wide / sqrt(n) <= effect:
                break
            n *= 1.05
        told |= {"per_group": ceil(n), "rho2": rho2, "bounds": None, "inflation": n / fixed}
    else:
        t = np.array(shares)
        if stop == "spending":
            z = stopping.spending_bounds(shares, alpha)
        else:
            z = stopping.bounds(stop, len(shares), alpha)
        more = stopping.inflation(z.tolist(), t.tolist(), alpha, power)
        told |= {
            "per_group": ceil(fixed * more),
            "rho2": None,
            "bounds": [
                {"look": k + 1, "per_group": ceil(fixed * more * share), "z": float(bound)}
                for k, (share, bound) in enumerate(zip(t, z, strict=True))
            ],
            "inflation": more,
        }
    text = (
        f"{told['per_group']:,} people a group find a difference of {number(effect)} with a "
        f"probability of {100 * power:.4g} %; a test of one look takes {ceil(fixed):,}."
    )
    return {**told, "sd": spread, "effect": effect, "explanation": [say("test", text)]}
