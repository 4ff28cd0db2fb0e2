"""Where the curves are guesses, and which of them are the least sure, in sentences with figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.plan.words import money, number, outcome_of, possessive, say
from shared.problem.model import Channel, Problem

__all__ = ["doubts"]

Row = Mapping[str, Any]

WIDE = 0.75
"""A 90 % interval wider than this share of what it is about is told."""

TOLD = 4

VERDICTS = {
    "prior": "the history says next to nothing of it, and its curve is what was believed before",
    "unspent": "nothing was ever spent on it, and its curve is what was believed before",
    "weak": "the history says little of it",
}


def doubts(problem: Problem, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Sentences about channels that the plan moves or rests on."""
    found = []
    for channel, row in zip(problem.channels, rows, strict=True):
        for part, own in _arms(channel, row):
            found += _of(problem, part, own)
    found.sort(key=lambda item: -item[0])
    return [sentence for _, sentence in found[:TOLD]] + _least_sure(problem, rows)


def _arms(channel: Channel, row: Row) -> list[tuple[Channel, Row]]:
    if not channel.campaigns:
        return [(channel, row)]
    return list(zip(channel.campaigns, row["campaigns"], strict=True))


def _of(problem: Problem, channel: Channel, row: Row) -> list[tuple[float, dict[str, Any]]]:
    spend, change, name = row["spend"], row["change"], row["channel"]
    said = []
    meaning = VERDICTS.get(channel.verdict or "")
    if meaning and (spend > 0.0 or change):
        text = f"{possessive(name)} part rests on little: {meaning}."
        said.append((spend, say("unsure_curve", text, channel=name, verdict=channel.verdict)))
    if row["extrapolated"] and channel.observed_max is not None:
        most = max((part["spend"] for part in row.get("periods") or ()), default=spend)
        text = (
            f"{name} would spend {money(problem, most)} in a period, and no more than "
            f"{money(problem, channel.observed_max)} was ever observed: beyond that its curve is "
            "a guess."
        )
        data = {"channel": name, "spend": most, "observed_max": channel.observed_max}
        said.append((spend, say("extrapolates", text, **data)))
    return said


def _least_sure(problem: Problem, rows: Sequence[Row]) -> list[dict[str, Any]]:
    known = [row for row in rows if row["outcome_interval"] is not None and row["outcome"] > 0.0]
    if not known:
        return []
    row = max(known, key=lambda r: r["outcome_interval"][1] - r["outcome_interval"][0])
    low, high = row["outcome_interval"]
    if high - low <= WIDE * row["outcome"]:
        return []
    text = (
        f"What {row['channel']} brings is the least sure: {outcome_of(problem, row['outcome'])} "
        f"are expected, with a 90 % interval of {number(low)} to {number(high)}."
    )
    data = {k: row[k] for k in ("channel", "outcome", "outcome_interval")}
    return [say("least_sure", text, **data)]
