"""Sentences about a history that a reader should see before believing any curve fitted to it.

``remarks`` says what the history can show, ``suspicions`` what is well formed and still looks wrong
(units, copies, spread-out spend, outages), ``Coverage`` where and how much was spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.history.association import Drivers, Together, alike, moving_channels
from shared.history.spec import Spec, outcome_unit
from shared.history.table import Finding, History

__all__ = [
    "Coverage",
    "coverage_of",
    "outlying_outcomes",
    "outlying_spend",
    "remarks",
    "suspicions",
]

_DRIVEN = 0.5  # adjusted R^2 from which spend follows something else
_ONE_OF = 0.25  # from which a single driver is named
_FOLLOWS = 0.2  # what the last outcome adds to that
_ALIKE = 0.95  # correlation with the outcome that no cause has

Floats = NDArray[np.float64]

_YEAR = {"day": (364, 365, 366), "week": (52, 53), "month": (12,)}
_COPIES = {"day": 7, "week": 4, "month": 2}
_UNITS = 1e4  # between the spends of two channels: dollars beside cents, or thousands
_FAR_ABOVE, _FAR_BELOW = 1e3, 1e5  # spend over an outcome in money, and the outcome over spend

# A tenth of the periods: a channel that starts or stops within it is as good as always there.
_EDGE = 0.1
_STILL = 0.02  # coefficient of variation under which spend never varied
# Robust standard deviations from the level around; of normal noise one in 500 million lies there.
_FAR = 6.0
_FAR_SPEND = 10.0
_RARE = 0.1
_AROUND = {"day": 15, "week": 9, "month": 5}


def remarks(
    history: History,
    spec: Mapping[str, Any],
    coverage: Sequence[Coverage],
    groups: Sequence[Together],
    drivers: Mapping[str, Drivers],
    outcomes: Sequence[int],
    spends: Mapping[str, Sequence[int]],
) -> list[Finding]:
    """Findings beyond those of reading the tables."""
    return [
        *_edges(history, coverage),
        *_groups(groups),
        *_drivers(history, drivers),
        *_controls(history),
        *_features(history, spec),
        *_outliers(history, outcomes, spends),
        *_unit(history, spec),
        *_money(history),
    ]


def _edges(history: History, coverage: Sequence[Coverage]) -> list[Finding]:
    out = []
    unit, rows = history.frequency, len(history.dates)
    for item in coverage:
        data = {"channel": item.channel}
        if item.live > 0 and not item.varied:
            text = f"Spend of '{item.channel}' never varied, so its effect cannot be seen."
            out.append(Finding("spend_never_varied", text, data))
        if item.late_start or item.early_stop:
            first, last = history.dates[item.first or 0], history.dates[item.last or 0]
            when = f"starts on {first}" if item.late_start else ""
            when += " and " if item.late_start and item.early_stop else ""
            when += f"ends on {last}" if item.early_stop else ""
            text = (
                f"Spend of '{item.channel}' {when}: whatever else changed then looks like its "
                "effect."
            )
            out.append(Finding("starts_late_or_stops_early", text, data))
        if item.longest_zero > 0.25 * rows:
            text = (
                f"Spend of '{item.channel}' pauses for {item.longest_zero} {unit}s on end, more "
                "than a quarter of the history."
            )
            out.append(Finding("long_pause", text, {**data, "periods": item.longest_zero}))
    return out


def _groups(groups: Sequence[Together]) -> list[Finding]:
    out = []
    for group in groups:
        names = ", ".join(f"'{name}'" for name in group.channels)
        how = f"correlation {group.correlation:.2f}"
        if group.condition is not None:
            how = f"they hardly moved apart in one direction, condition index {group.condition:.0f}"
        text = f"{names} cannot be told apart ({how}): only their sum can be learned."
        data = {"channels": list(group.channels), "correlation": group.correlation}
        out.append(Finding("cannot_be_told_apart", text, data))
    return out


def _drivers(history: History, drivers: Mapping[str, Drivers]) -> list[Finding]:
    out = []
    for name, item in drivers.items():
        if item.together >= _DRIVEN:
            own = sorted(item.by.items(), key=lambda pair: -pair[1])
            told = [f"{what} {share:.0%}" for what, share in own if share >= _ONE_OF][:3]
            alone = f" (each alone: {', '.join(told)})" if told else ""
            known = ", ".join(what for what, _ in own)
            text = (
                f"{item.together:.0%} of the ups and downs of '{name}' are foretold by {known}"
                f"{alone}. If they move the outcome too, its curve is mostly what is left of it; "
                f"some {history.frequency}s with spend against them would tell."
            )
            data = {"channel": name, "r2": item.together, "by": dict(item.by)}
            out.append(Finding("spend_follows_drivers", text, data))
        if item.outcome_before >= _FOLLOWS:
            text = (
                f"Spend of '{name}' follows the outcome of the {history.frequency} before "
                f"({item.outcome_before:.0%} of its ups and downs): budgets set by sales look "
                "effective even where they are not."
            )
            data = {"channel": name, "r2": item.outcome_before}
            out.append(Finding("spend_follows_outcome", text, data))
    return out


def _controls(history: History) -> list[Finding]:
    """Controls that are nearly the outcome: consequences, not causes."""
    seen = np.isfinite(history.outcome)
    out = []
    if int(seen.sum()) < 8 or not np.ptp(history.outcome[seen]) > 0:
        return []
    for place, name in enumerate(history.control_names):
        column = history.controls[seen, place]
        if not np.ptp(column) > 0:
            text = f"Control '{name}' never varied and is left out."
            out.append(Finding("control_never_varied", text, {"column": name}))
            continue
        both = alike(column, history.outcome[seen])
        if abs(both) >= _ALIKE:
            text = (
                f"Control '{name}' moves with '{history.outcome_name}' (correlation {both:.3f}). "
                "If it is a result of sales (orders, units, visits) rather than a cause, it takes "
                "the media's effect away: leave it out."
            )
            out.append(Finding("control_like_outcome", text, {"column": name, "correlation": both}))
    return out


def _features(history: History, spec: Mapping[str, Any]) -> list[Finding]:
    """Derived features made of the very spend that is to be judged."""
    names = {name: name for name in history.channels}
    for channel in spec.get("channels") or ():
        if channel.get("spend") and channel.get("channel") in names:
            names.setdefault(str(channel["spend"]), str(channel["channel"]))
    out = []
    for feature in spec.get("features") or ():
        used = [feature.get("column"), *(feature.get("of") or ())]
        media = list(dict.fromkeys(names[c] for c in used if c in names))
        if feature.get("kind") in ("share_of_voice", "spend_ratio") and used[0] is None:
            media = list(history.channels)
        if media:
            told = ", ".join(f"'{name}'" for name in media[:5])
            text = (
                f"Feature '{feature.get('name')}' is made of the spend of {told}: what it explains "
                "is taken away from their own effect. Its coefficient is held close to zero."
            )
            data = {"feature": feature.get("name"), "channels": media}
            out.append(Finding("feature_of_spend", text, data))
    return out


def _outliers(
    history: History, outcomes: Sequence[int], spends: Mapping[str, Sequence[int]]
) -> list[Finding]:
    out = []
    if outcomes:
        days = [history.dates[t].isoformat() for t in outcomes]
        text = (
            f"The outcome of {len(days)} {history.frequency}{'s' if len(days) > 1 else ''} is far "
            f"from that of those around: {', '.join(days[:6])}{' ...' if len(days) > 6 else ''}. "
            "Label them in an events column if something happened then."
        )
        out.append(Finding("outcome_outliers", text, {"periods": days[:100]}))
    for name, places in spends.items():
        days = [history.dates[t].isoformat() for t in places]
        text = (
            f"Spend of '{name}' is far above its usual on {', '.join(days[:6])}: if that is a "
            "booking of several periods at once, spread it over them."
        )
        out.append(Finding("spend_outliers", text, {"channel": name, "periods": days[:100]}))
    return out


def _unit(history: History, spec: Mapping[str, Any]) -> list[Finding]:
    """What the outcome was taken for, where nobody said."""
    found = outcome_unit(spec, history.outcome_name)
    if found.said:
        return []
    if found.money:
        text = (
            f"'{history.outcome_name}' is taken to be money in the currency of the spend, by its "
            'name: returns are believed to be about 1 beforehand. Say "outcome_unit": "count" '
            'in the spec if it counts something, or "money" to settle it.'
        )
    else:
        text = (
            f"'{history.outcome_name}' is taken to be a count (conversions, visits), by its name: "
            'nothing is known beforehand of what a unit of spend brings. Say "outcome_unit": '
            '"money" in the spec if it is money, or "count" to settle it.'
        )
    return [Finding("outcome_unit_assumed", text, {"outcome_unit": found.unit})]


def _money(history: History) -> list[Finding]:
    out = []
    if history.currency is None:
        text = "No currency was told; all amounts are taken to be in the same one."
        out.append(Finding("currency_unknown", text, {}))
    return out


def suspicions(history: History, spec: Spec) -> list[Finding]:
    """Findings about a whole history; see the functions below."""
    return [
        *_units(history, spec),
        *_copied_blocks(history),
        *_spread_out(history),
        *_alike(history),
        *_odd_outcome(history),
    ]


def _units(history: History, spec: Spec) -> list[Finding]:
    """Amounts so far apart that they may be in two units, as far as the spec does not tell."""
    told = {role.channel for role in spec.channels or () if role.scale is not None}
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


def _copied_blocks(history: History) -> list[Finding]:
    """Spend rows equal to those a year before: spend joined on the month's or week's number."""
    spend = history.spend
    moving = np.zeros(len(spend), dtype=bool)
    moving[1:] = np.any(np.abs(np.diff(spend, axis=0)) > 0, axis=1)
    telling = (np.sum(spend > 0, axis=1) >= min(2, spend.shape[1])) & moving
    for lag in _YEAR[history.frequency]:
        if lag >= len(spend):
            continue
        # at least 1e-9 of the row apart is not a copy: values may have been rounded on the way
        scale = np.maximum(np.max(spend[lag:], axis=1, initial=0.0), 1e-300)
        same = np.max(np.abs(spend[lag:] - spend[:-lag]), axis=1, initial=0.0) <= 1e-9 * scale
        copies = np.flatnonzero(same & telling[lag:])
        if copies.size >= _COPIES[history.frequency]:
            first, last = history.dates[lag + copies[0]], history.dates[lag + copies[-1]]
            unit = history.frequency
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
    return [
        Finding(
            "spread_out_spend",
            f"Spend is the same as in the {history.frequency} before in {share:.0%} of the "
            f"{history.frequency}s; there are only {distinct} different ones. It looks like the "
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
    # scaled first: variances of very large or very small amounts would over- or underflow
    scaled = spend[:, moving] / np.max(spend[:, moving], axis=0)
    scaled = scaled - scaled.mean(axis=0)
    norm = np.sqrt(np.sum(scaled**2, axis=0))
    usable = norm > 1e-9
    scaled = scaled[:, usable] / norm[usable]
    moving = [c for c, ok in zip(moving, usable, strict=True) if ok]
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
    unit = history.frequency + ("" if len(places) == 1 else "s")
    return f"{len(places)} {unit} ({shown}{', ...' if len(places) > 5 else ''})"


@dataclass(frozen=True, slots=True)
class Coverage:
    """One channel over T periods.

    Attributes
    ----------
    share
        Of the whole spend.
    live
        Share of the periods with spend.
    first, last
        Places of the first and last period with spend; None where there is none.
    longest_zero
        Longest run of periods without spend between the first and the last one with.
    variation
        Standard deviation of the spend over its mean; None without spend.
    """

    channel: str
    share: float
    live: float
    first: int | None
    last: int | None
    late_start: bool
    early_stop: bool
    longest_zero: int
    variation: float | None

    @property
    def varied(self) -> bool:
        """Whether the spend ever changed by enough to see anything."""
        return self.variation is not None and self.variation > _STILL


def coverage_of(history: History) -> tuple[Coverage, ...]:
    """One entry a channel, in their order."""
    rows = len(history.dates)
    sums = history.spend.sum(axis=0)
    total = float(sums.sum())
    out = []
    for c, channel in enumerate(history.channels):
        spend = history.spend[:, c]
        places = np.flatnonzero(spend > 0)
        if not places.size:
            out.append(Coverage(channel, 0.0, 0.0, None, None, False, False, 0, None))
            continue
        first, last = int(places[0]), int(places[-1])
        mean = float(spend.mean())
        out.append(
            Coverage(
                channel=channel,
                share=float(sums[c]) / total,
                live=places.size / rows,
                first=first,
                last=last,
                late_start=first > _EDGE * rows,
                early_stop=rows - 1 - last > _EDGE * rows,
                longest_zero=int(np.max(np.diff(places), initial=1)) - 1,
                variation=float(np.std(spend / mean)),
            )
        )
    return tuple(out)


def outlying_outcomes(history: History) -> list[int]:
    """Periods far from the median of those around them that no event explains."""
    known = np.flatnonzero(np.isfinite(history.outcome))
    values = history.outcome[known]
    width = _AROUND[history.frequency]
    if values.size < 2 * width:
        return []
    half = width // 2
    padded = np.pad(values, half, mode="reflect")
    level = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    places = [int(known[i]) for i in _far(values - level, _FAR)]
    # What is far off all the time is how this outcome is.
    often = len(places) > _RARE * values.size
    return [] if often else [t for t in places if not history.events[t]]


def outlying_spend(history: History) -> dict[str, list[int]]:
    """Periods of single channels with far more than the channel's usual spend."""
    out = {}
    for c, channel in enumerate(history.channels):
        live = np.flatnonzero(history.spend[:, c] > 0)
        spend = history.spend[live, c]
        if live.size < 8:
            continue
        usual = float(np.median(spend))
        places = [int(live[i]) for i in _far(spend - usual, _FAR_SPEND) if spend[i] > 4.0 * usual]
        # What comes often is how the channel is spent, in bursts.
        if places and len(places) <= max(1, 0.03 * live.size):
            out[channel] = places
    return out


def _far(distance: Floats, limit: float) -> list[int]:
    """Places more than ``limit`` robust standard deviations (1.4826 MAD) from zero."""
    spread = 1.4826 * float(np.median(np.abs(distance)))
    # Half of the values may be exactly at the level; then only the others say what is usual.
    spread = spread or float(np.std(distance))
    return np.flatnonzero(np.abs(distance) > limit * spread).tolist() if spread > 0 else []
