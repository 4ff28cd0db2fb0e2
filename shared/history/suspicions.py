"""What is well formed and still looks wrong: units, copies, spread-out spend, outages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.frequency import frequency, word
from shared.history.association import moving_channels, precision_of, standard
from shared.history.beliefs import FAR_RETURN
from shared.history.enough import yardstick_return
from shared.history.lift_tests import amount
from shared.history.outcome_unit import outcome_unit
from shared.history.spec import Spec
from shared.history.table import Finding, History

__all__ = ["suspicions"]

Floats = NDArray[np.float64]

_COPIES = {"day": 7, "week": 4, "month": 2}
_UNITS = 1e3  # between the spends of two channels: dollars beside cents, or thousands
_SURE = 3.0  # standard errors
_UNBELIEVED = 15.0  # three standard deviations of what is believed of a return: log-normal
_FAR_ABOVE, _FAR_BELOW = 10.0, 1e3  # spend over an outcome in money, and the outcome over spend


def suspicions(history: History, spec: Spec) -> list[Finding]:
    """Findings about a whole history; see the functions below."""
    return [
        *_units(history, spec),
        *_copied_blocks(history),
        *_spread_out(history),
        *_alike(history),
        *_odd_outcome(history),
        *_odd_returns(history, spec),
    ]


def _units(history: History, spec: Spec) -> list[Finding]:
    """Amounts so far apart that they may be in two units, as far as the spec does not tell."""
    told = {role.channel for role in spec.channels or () if role.priced}
    usual = {
        name: float(np.median(column[column > 0]))
        for name, column in zip(history.channels, history.spend.T, strict=True)
        if name not in told and np.any(column > 0)
    }
    found = []
    if len(usual) > 1:
        least, most = min(usual, key=lambda n: usual[n]), max(usual, key=lambda n: usual[n])
        if usual[most] >= _UNITS * usual[least]:
            ratio, pair = usual[most] / usual[least], [least, most]
            text = f"Spend of '{most}'", f"that of '{least}'"
            found.append(_apart(*text, ratio, "channels[].scale", {"channels": pair}))
    sold = history.outcome[np.isfinite(history.outcome) & (history.outcome > 0)]
    money = outcome_unit(spec.fit, history.outcome_name).money
    if money and spec.outcomes is None and usual and not told and sold.size:
        spent, brought = sum(usual.values()), float(np.median(sold))
        if spent >= _FAR_ABOVE * brought:
            text = "Spend in all", "the outcome"
            found.append(_apart(*text, spent / brought, "channels[].scale", {}))
        elif brought >= _FAR_BELOW * spent:
            text = "The outcome", "spend in all"
            found.append(_apart(*text, brought / spent, "outcomes[].value", {}))
    return found


def _apart(most: str, least: str, ratio: float, field: str, data: Mapping[str, Any]) -> Finding:
    return Finding(
        "units_differ",
        f"{most} is usually {ratio:,.0f} times {least}: are both in the same currency and unit? "
        f"Say in the spec what one unit is worth, as {field}: 0.000001 of millionths, 1 where all "
        "is right.",
        data,
        settled_by=field,
    )


def _odd_returns(history: History, spec: Spec) -> list[Finding]:
    """Returns that a plain regression shows and that nobody would have believed.

    What is believed of a return in money is about 1; else that media bring a quarter of the outcome
    in proportion to their spend. The belief about such a channel is widened until it holds both
    (``shared.history.beliefs.far_returns``).
    """
    money = outcome_unit(spec.fit, history.outcome_name).money
    believed = 1.0 if money else yardstick_return(history)
    precision = precision_of(history)
    if precision is None or believed is None:
        return []
    told = {prior.channel for prior in spec.priors or ()}
    found = []
    for c, channel in enumerate(history.channels):
        slope = float(precision.slope[c])
        least = slope - _SURE * float(precision.standard_error[c])
        if channel in told or least <= _UNBELIEVED * believed:
            continue
        factor = 10.0 ** max(2, round(np.log10(slope / believed)))
        unit = {1e2: "hundreds", 1e3: "thousands"}.get(factor, "another unit")
        text = (
            f"A plain regression shows a return of {amount(slope)} for '{channel}', and about "
            f"{amount(believed)} is believed beforehand: belief and data differ, so the belief was "
            f"widened. Is its spend in {unit}? Then its return is "
            f"{amount(slope / factor)}: give its 'scale'; else what you believe of it, as 'priors'."
        )
        data = {"channel": channel, "return": slope, "believed": believed, "factor": factor}
        found.append(Finding(FAR_RETURN, text, data, settled_by="priors"))
    return found


def _copied_blocks(history: History) -> list[Finding]:
    """Spend rows equal to those a year before: spend joined on the month's or week's number."""
    spend = history.spend
    moving = np.zeros(len(spend), dtype=bool)
    moving[1:] = np.any(np.abs(np.diff(spend, axis=0)) > 0, axis=1)
    telling = (np.sum(spend > 0, axis=1) >= min(2, spend.shape[1])) & moving
    every = frequency(history.frequency)
    longest = round(1.003 * every.per_year + 0.49)  # 366 days, 53 weeks
    for lag in range(every.season, longest + 1):
        if lag >= len(spend):
            continue
        # at least 1e-9 of the row apart is not a copy: values may have been rounded on the way
        scale = np.maximum(np.max(spend[lag:], axis=1, initial=0.0), 1e-300)
        same = np.max(np.abs(spend[lag:] - spend[:-lag]), axis=1, initial=0.0) <= 1e-9 * scale
        copies = np.flatnonzero(same & telling[lag:])
        if copies.size >= max(2, every.count(_COPIES)):
            first, last = history.dates[lag + copies[0]], history.dates[lag + copies[-1]]
            unit = every.word
            return [
                Finding(
                    "repeated_block",
                    f"Spend in {copies.size} {unit}s from {first} to {last} is exactly that of "
                    f"{lag} {unit}s before, in every channel: was spend joined on the "
                    f"{'date' if unit == 'day' else unit} without the year? Leave those rows out "
                    "unless it really was repeated.",
                    {
                        "lag": lag,
                        "count": int(copies.size),
                        "first": first.isoformat(),
                        "last": last.isoformat(),
                    },
                )
            ]
    return []


def _spread_out(history: History) -> list[Finding]:
    """Spend that stays put for periods on end: a month's money spread evenly over its weeks."""
    spend = history.spend
    if len(spend) < 12:
        return []
    live = np.sum(spend, axis=1) > 0
    still = np.all(spend[1:] == spend[:-1], axis=1) & live[1:]
    share = float(np.mean(still[live[1:]])) if live[1:].any() else 0.0
    if share < 0.5:
        return []
    distinct = len(np.unique(spend[live], axis=0))
    unit = word(history.frequency)
    return [
        Finding(
            "spread_out_spend",
            f"Spend is the same as in the {unit} before in {share:.0%} of the "
            f"{unit}s; there are only {distinct} different ones. It looks like the "
            "spend of longer periods spread evenly; what happens within them cannot be learned.",
            {"share": share, "distinct": distinct},
        )
    ]


def _alike(history: History) -> list[Finding]:
    """Pairs of channels that move together so closely that their effects cannot be told apart."""
    spend = history.spend
    if len(spend) < 6:
        return []
    moving = moving_channels(history)
    if len(moving) < 2:
        return []
    scaled = standard(spend[:, moving])
    correlation = scaled.T @ scaled
    pairs = np.argwhere(np.triu(correlation, 1) >= 0.98)
    found = []
    for i, j in pairs[:10]:
        first, second = history.channels[moving[i]], history.channels[moving[j]]
        found.append(
            Finding(
                "channels_move_together",
                f"Spend of '{first}' and '{second}' moves together (correlation "
                f"{correlation[i, j]:.3f}): how their effect splits cannot be learned from this "
                "history.",
                {"channels": [first, second], "correlation": float(correlation[i, j])},
            )
        )
    return found


def _odd_outcome(history: History) -> list[Finding]:
    """Negative outcomes, an outcome that never moves, and periods that look like missing data."""
    known = np.flatnonzero(np.isfinite(history.outcome))
    values = history.outcome[known]
    found = []
    negative = known[values < 0]
    if negative.size:
        found.append(
            Finding(
                "negative_outcome",
                f"The outcome is negative in {_periods(history, negative)}.",
                {"periods": [history.dates[i].isoformat() for i in negative[:100]]},
            )
        )
    if values.size > 1 and float(np.min(values)) == float(np.max(values)):
        found.append(Finding("constant_outcome", "The outcome is the same in every period.", {}))
    median = float(np.median(values)) if values.size else 0.0
    low = known[(values >= 0) & (values < 0.05 * median)]
    if low.size and low.size <= 0.2 * known.size:
        found.append(
            Finding(
                "outage",
                f"The outcome is under a twentieth of its median in {_periods(history, low)}: "
                "that looks like missing data. Leave the cell empty if it is.",
                {"periods": [history.dates[i].isoformat() for i in low[:100]]},
            )
        )
    return found


def _periods(history: History, places: Sequence[int] | NDArray[np.intp]) -> str:
    shown = ", ".join(str(history.dates[i]) for i in places[:5])
    unit = word(history.frequency) + ("" if len(places) == 1 else "s")
    return f"{len(places)} {unit} ({shown}{', ...' if len(places) > 5 else ''})"
