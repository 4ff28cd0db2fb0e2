"""Priors and lift tests of a spec, held against the history: do they speak of what is there?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from shared.history.faults import FaultLog
from shared.history.table import Finding, History

__all__ = ["check_beliefs", "unused_tests"]


def check_beliefs(
    fit: Mapping[str, Any],
    channels: Collection[str],
    campaigns: Collection[tuple[str, str]],
    geos: Collection[str],
    left_out: Collection[str],
    faults: FaultLog,
) -> None:
    """Add a fault for every channel, campaign or geo that a belief names and nobody has.

    Parameters
    ----------
    fit
        What of the spec only the fit reads.
    channels
        Of the spec and of the table.
    campaigns
        (channel, campaign) of the table, "" where a channel is not split.
    geos, left_out
        Of the table where it has several; those that were left out of the fit.
    """
    below: dict[str, list[str]] = {}
    for owner, campaign in campaigns:
        below.setdefault(owner, []).extend([campaign] if campaign else [])
    for index, item in _objects(fit.get("priors")):
        _check_channel(f"/priors/{index}/channel", item.get("channel"), channels, faults)
    for index, test in _objects(fit.get("lift_tests")):
        at = f"/lift_tests/{index}"
        _check_channel(f"{at}/channel", test.get("channel"), channels, faults)
        if test.get("channel") in channels:
            _check_campaign(f"{at}/campaign", test, below, faults)
        geo = test.get("geo")
        if geo is None or geo in geos:
            continue
        if geo in left_out:
            text = f"The geo '{geo}' was left out of the fit, so no test can speak of it."
        elif not geos:
            text = f"There is no geo '{geo}': the history is national."
        else:
            text = f"There is no geo '{geo}'."
            faults.add_unknown(f"{at}/geo", "unknown_geo", text, str(geo), geos)
            continue
        faults.add(f"{at}/geo", "unknown_geo", text)


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


def unused_tests(fit: Mapping[str, Any], history: History, end: date) -> list[Finding]:
    """Lift tests that the fit cannot use: they end after the history, or changed no known spend.

    Parameters
    ----------
    end
        The first day after the history.
    """
    found = []
    panel = history.panel()
    spent = panel.spend.any(axis=1)
    arms: dict[tuple[str, str | None], list[int]] = {}
    for m, (channel, arm) in enumerate(panel.arms):
        for key in ((channel, None), (channel, arm)):
            arms.setdefault(key, []).append(m)
    for index, test in _objects(fit.get("lift_tests")):
        name, campaign, geo = test.get("channel"), test.get("campaign"), test.get("geo")
        try:
            last = date.fromisoformat(str(test.get("end")))
        except ValueError:
            continue  # said by whoever reads the test's numbers
        places = arms.get((str(name), campaign), [])
        where = [g for g, known in enumerate(panel.geos) if geo in (None, known)]
        if last >= end:
            why = f"it ends on {last}, after the history does ({max(history.dates)})"
        elif campaign is not None and (str(name), "") in arms:
            why = "campaigns are added up in this fit"
        elif not spent[np.ix_(where, places)].any():
            why = "there is no spend in the history that it could speak of"
        else:
            continue
        found.append(
            Finding(
                "lift_test_unused",
                f"Lift test {index + 1}, of '{name}{f'/{campaign}' if campaign else ''}'"
                f"{f' in {geo}' if geo else ''}, is not used: {why}.",
                {"test": index, "channel": name},
            )
        )
    return found


def _objects(items: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a list, with their places."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        return []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, Mapping)]
