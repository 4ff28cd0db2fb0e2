"""Priors and lift tests of a spec: are they possible, and do they speak of what is there?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from shared.history.faults import FaultLog
from shared.history.table import History

__all__ = ["FAR_RETURN", "check_beliefs", "check_lift_tests", "far_returns", "objects"]

FAR_RETURN = "return_far_from_belief"
"""Code of the finding that a plain regression and the belief about a channel's return differ."""


def far_returns(history: History) -> dict[str, float]:
    """The returns by channel that a plain regression shows far from what is believed of them."""
    found = (item.data for item in history.findings if item.code == FAR_RETURN)
    return {str(data["channel"]): float(data["return"]) for data in found}


def check_beliefs(
    fit: Mapping[str, Any],
    channels: Collection[str],
    campaigns: Collection[tuple[str, str]],
    geos: Collection[str],
    left_out: Collection[str],
    faults: FaultLog,
) -> None:
    """Add a fault for every belief that is impossible, or of what nobody has.

    Parameters
    ----------
    fit
        What of the spec only the fit reads.
    channels, campaigns, geos, left_out
        See ``check_lift_tests``.
    """
    for index, item in objects(fit.get("priors")):
        _check_channel(f"/priors/{index}/channel", item.get("channel"), channels, faults)
    check_lift_tests(fit.get("lift_tests"), channels, campaigns, geos, left_out, faults)


def check_lift_tests(
    tests: Any,
    channels: Collection[str],
    campaigns: Collection[tuple[str, str]] | None,
    geos: Collection[str],
    left_out: Collection[str],
    faults: FaultLog,
) -> None:
    """Add a fault for every impossible date, and for every name that nobody has.

    Parameters
    ----------
    channels
        Of the spec and of the table.
    campaigns
        (channel, campaign) of the table, "" where a channel is not split; None: not to be checked.
    geos, left_out
        Of the table where it has several; those that were left out of the fit.
    """
    below: dict[str, list[str]] = {}
    for owner, campaign in campaigns or ():
        below.setdefault(owner, []).extend([campaign] if campaign else [])
    for index, test in objects(tests):
        at = f"/lift_tests/{index}"
        channel = test.get("channel")
        _check_channel(f"{at}/channel", channel, channels, faults)
        if channel in channels and campaigns is not None:
            _check_campaign(f"{at}/campaign", test, below, faults)
        _check_geo(f"{at}/geo", test.get("geo"), geos, left_out, faults)
        for k, geo in enumerate(test.get("geos") or ()):
            _check_geo(f"{at}/geos/{k}", geo, geos, left_out, faults)
        if test.get("geo") is not None and test.get("geos") is not None:
            faults.add(f"{at}/geos", "conflict", "Say geo or geos, not both.")
        start, end = (_day(test, key, at, faults) for key in ("start", "end"))
        if start is not None and end is not None and end < start:
            faults.add(f"{at}/end", "ends_before_start", "The test ends before it starts.")
        if test.get("measured_until") is not None:
            measured = _day(test, "measured_until", at, faults)
            if measured is not None and end is not None and measured < end:
                text = "The outcome is measured until the changed spend ends, or longer."
                faults.add(f"{at}/measured_until", "ends_before_start", text)
        _check_bursts(f"{at}/bursts", test, start, end, faults)


def _check_bursts(
    where: str, test: Mapping[str, Any], start: date | None, end: date | None, faults: FaultLog
) -> None:
    """They lie within the test, one after the other."""
    before: date | None = None
    for k, burst in objects(test.get("bursts")):
        at = f"{where}/{k}"
        first, last = (_day(burst, key, at, faults) for key in ("start", "end"))
        if first is None or last is None or start is None or end is None:
            continue
        if last < first:
            faults.add(f"{at}/end", "ends_before_start", "The burst ends before it starts.")
        elif first < start or last > end:
            text = "Bursts lie within the test's start and end."
            faults.add(at, "outside_the_test", text)
        elif before is not None and first <= before:
            faults.add(f"{at}/start", "out_of_order", "Bursts follow each other in time.")
        before = last


def _check_channel(where: str, name: Any, channels: Collection[str], faults: FaultLog) -> None:
    if name not in channels:
        text = f"There is no channel '{name}'."
        faults.add_unknown(where, "unknown_channel", text, str(name), channels)


def _check_campaign(
    where: str, test: Mapping[str, Any], below: Mapping[str, Sequence[str]], faults: FaultLog
) -> None:
    channel, name = test.get("channel"), test.get("campaign")
    if name is None:
        return
    known = below.get(str(channel), ())
    if not known:
        text = f"There is no campaign '{name}': the history does not split '{channel}'."
        faults.add(where, "unknown_campaign", text)
    elif name not in known:
        text = f"'{channel}' has no campaign '{name}'."
        faults.add_unknown(where, "unknown_campaign", text, str(name), known)


def _check_geo(
    where: str, geo: Any, geos: Collection[str], left_out: Collection[str], faults: FaultLog
) -> None:
    if geo is None or geo in geos:
        return
    if geo in left_out:
        text = f"The geo '{geo}' was left out of the fit, so no test can speak of it."
    elif not geos:
        text = f"There is no geo '{geo}': the history is national."
    else:
        text = f"There is no geo '{geo}'."
        faults.add_unknown(where, "unknown_geo", text, str(geo), geos)
        return
    faults.add(where, "unknown_geo", text)


def _day(test: Mapping[str, Any], key: str, at: str, faults: FaultLog) -> date | None:
    try:
        return date.fromisoformat(str(test.get(key)))
    except ValueError:
        faults.add(f"{at}/{key}", "not_a_date", f"{key} must be a date, YYYY-MM-DD.")
        return None


def objects(items: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a list, with their places."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        return []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, Mapping)]
