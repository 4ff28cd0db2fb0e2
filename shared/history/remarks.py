"""Sentences about a history that a reader should see before believing any curve fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shared.figures import plural
from shared.frequency import word
from shared.history.association import Drivers, Together, alike
from shared.history.coverage import Coverage
from shared.history.outcome_unit import outcome_unit
from shared.history.table import Finding, History

__all__ = ["remarks"]

_DRIVEN = 0.5  # adjusted R^2 from which spend follows something else
_ONE_OF = 0.25  # from which a single driver is named
_FOLLOWS = 0.2  # what the last outcome adds to that
_ALIKE = 0.95  # correlation with the outcome that no cause has


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
                f"some {word(history.frequency)}s with spend against them would tell."
            )
            data = {"channel": name, "r2": item.together, "by": dict(item.by)}
            out.append(Finding("spend_follows_drivers", text, data))
        if item.outcome_before >= _FOLLOWS:
            text = (
                f"Spend of '{name}' follows the outcome of the {word(history.frequency)} before "
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
            f"The outcome of {plural(len(days), word(history.frequency))} is far "
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
