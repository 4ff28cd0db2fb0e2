"""What a history can show, said before any fit: coverage, what cannot be told apart, a verdict.

A pure function of a history and its spec. The verdict is one word, with why and with what would
help:

==============  ==================================================================================
``enough``      rows for a fit and for checking it, and most of the money in channels that can be
                seen
``thin``        a fit can be made and checked, but leans on what was believed before
``not enough``  nothing could be held back to check a fit by
==============  ==================================================================================

A channel *can be seen* where a plain regression's standard error of its return is under half of the
return that it would have if media together made a quarter of the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.frequency import frequency, word
from shared.history.association import (
    Drivers,
    Precision,
    Together,
    condition_of,
    drivers_of,
    precision_of,
    together,
)
from shared.history.coverage import Coverage, coverage_of, outlying_outcomes, outlying_spend
from shared.history.enough import rows_needed, weekly_instead, yardstick_return
from shared.history.lift_tests import amount, lift_tests
from shared.history.remarks import remarks
from shared.history.table import History

__all__ = ["data_report"]

_SEEN = 2.0  # standard errors
_COMFORTABLE = 2.0  # times the rows needed
# Power 0.8 at a two-sided 0.05: 0.84 + 1.96 standard errors.
_POWER = 2.8
# The shortest of these for which the usual spend doubled, or nothing at all, is change enough.
_TEST_PERIODS = (
    {"day": 28, "week": 4, "month": 1},
    {"day": 56, "week": 8, "month": 2},
    {"day": 91, "week": 13, "month": 3},
)
_TESTS = 3  # advised at most
_SUSPECT = ("repeated_block", "spread_out_spend")  # rows that count for less than they seem to
_DEAR = 3.0  # times the usual spend: a change beyond it is no advice


@dataclass(frozen=True, slots=True)
class _Test:
    """A lift test that would show the yardstick's return: change of spend over some periods."""

    channel: str
    periods: int
    change: float
    of_usual: float


def data_report(history: History, spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The report, JSON-ready: no number in it is NaN or infinite.

    Parameters
    ----------
    spec
        What the fit will be asked for; read here: ``features``, ``outcome_unit``, ``lift_tests``
        and what says how they are read (``channels``, ``priors``).
    """
    coverage = coverage_of(history)
    groups = together(history)
    drivers = {d.channel: d for d in drivers_of(history)}
    precision = precision_of(history)
    yardstick = yardstick_return(history)
    seen = _seen(precision, yardstick, len(history.channels))
    tests = _tests(history, coverage, precision, yardstick)
    observed = int(np.isfinite(history.outcome).sum())
    active = sum(1 for c in coverage if c.live > 0)
    needed = rows_needed(history.frequency, active)
    verdict, why = _verdict(history, coverage, seen, observed, needed)
    outcomes, spends = outlying_outcomes(history), outlying_spend(history)
    condition = condition_of(history)
    return {
        "verdict": verdict,
        "why": why,
        "would_help": _advice(history, coverage, groups, seen, tests, observed, needed, verdict),
        "rows": {
            "periods": len(history.dates),
            "with_outcome": observed,
            "needed": needed,
            "comfortable": int(_COMFORTABLE * needed),
        },
        "currency": history.currency,
        "yardstick_return": yardstick,
        "channels": [
            _channel(history, c, item, drivers.get(item.channel), precision, seen, tests)
            for c, item in enumerate(coverage)
        ],
        "collinear": [
            {
                "channels": list(group.channels),
                "correlation": group.correlation,
                "condition_index": group.condition,
            }
            for group in groups
        ],
        "condition": condition,
        "lift_tests": [test.told() for test in lift_tests(spec or {}, history)],
        "outliers": {
            "outcome": [history.dates[t].isoformat() for t in outcomes],
            "spend": {
                name: [history.dates[t].isoformat() for t in places]
                for name, places in spends.items()
            },
        },
        "findings": [
            {"code": f.code, "message": f.message, "data": dict(f.data)}
            for f in remarks(history, spec or {}, coverage, groups, drivers, outcomes, spends)
        ],
    }


def _seen(
    precision: Precision | None, yardstick: float | None, channels: int
) -> tuple[bool | None, ...]:
    """Whether each channel can be seen; None where there is no yardstick."""
    if precision is None or yardstick is None:
        return (None,) * channels
    return tuple(bool(_SEEN * error <= yardstick) for error in precision.standard_error)


def _tests(
    history: History,
    coverage: Sequence[Coverage],
    precision: Precision | None,
    yardstick: float | None,
) -> dict[str, _Test]:
    """For each channel the change of spend that would show the yardstick's return.

    Some weeks with the change against the rest: the outcome's standard error is the noise of one
    period times the root of the number of periods. National; in some geos only, less is needed.
    """
    if precision is None or yardstick is None or not precision.noise > 0:
        return {}
    out = {}
    for c, item in enumerate(coverage):
        if item.live > 0:
            spend = history.spend[:, c]
            usual = float(spend[spend > 0].mean())
            once = _POWER * precision.noise / yardstick
            lengths = [frequency(history.frequency).count(length) for length in _TEST_PERIODS]
            periods = next((n for n in lengths if once <= usual * n**0.5), lengths[-1])
            change = once * float(np.sqrt(periods))
            out[item.channel] = _Test(item.channel, periods, change, change / (usual * periods))
    return out


def _verdict(
    history: History,
    coverage: Sequence[Coverage],
    seen: Sequence[bool | None],
    observed: int,
    needed: int,
) -> tuple[str, list[str]]:
    unit = word(history.frequency)
    active = [item for item in coverage if item.live > 0]
    suspect = [finding.message for finding in history.findings if finding.code in _SUSPECT]
    if not active:
        return "not enough", ["No channel has any spend."]
    if not any(item.varied for item in active):
        return "not enough", ["Spend never varied in any channel."]
    if observed < needed:
        text = (
            f"{observed} {unit}s with an outcome are not enough for {len(active)} "
            f"channel{'s' if len(active) > 1 else ''}: at least {needed} are needed to fit and to "
            "hold some back as a check."
        )
        return "not enough", [text, *suspect]
    why = list(suspect)
    if observed < _COMFORTABLE * needed:
        why.append(
            f"{observed} {unit}s with an outcome can be fitted and checked; {2 * needed} would be "
            f"comfortable for {len(active)} channels."
        )
    hidden = [item for item, can in zip(coverage, seen, strict=True) if can is False and item.live]
    lost = sum(item.share for item in hidden)
    if lost > 0.5:
        why.append(
            f"{lost:.0%} of the money is in channels whose effect the noise hides: "
            f"{_names([item.channel for item in hidden])}."
        )
    if why:
        return "thin", why
    text = (
        f"{observed} {unit}s with an outcome for {len(active)} channels, and most of the money is "
        "in channels whose effect can be seen."
    )
    return "enough", [text]


def _advice(
    history: History,
    coverage: Sequence[Coverage],
    groups: Sequence[Together],
    seen: Sequence[bool | None],
    tests: Mapping[str, _Test],
    observed: int,
    needed: int,
    verdict: str,
) -> list[str]:
    """What would help, the cheapest first."""
    out: list[str] = []
    unit = word(history.frequency)
    goal = needed if verdict == "not enough" else int(_COMFORTABLE * needed)
    if observed < goal:
        text = f"{goal - observed} more {unit}s (to {goal})."
        if weeks := weekly_instead(history.frequency, observed):
            text = f"{text[:-1]}, or {weeks}."
        out.append(text)
    out.extend(
        f"Vary '{item.channel}': its spend never changed, and no history of that kind can show an "
        "effect."
        for item in coverage
        if item.live > 0 and not item.varied
    )
    share = {item.channel: item.share for item in coverage}
    for group in groups[:_TESTS]:
        smallest = min(group.channels, key=lambda name: share[name])
        out.append(
            f"Vary {_names(group.channels)} separately (for instance only '{smallest}', up in some "
            f"{unit}s and down in others), or count them as one channel."
        )
    hidden = [item for item, can in zip(coverage, seen, strict=True) if can is False]
    for item in sorted(hidden, key=lambda item: -item.share)[:_TESTS]:
        test = tests.get(item.channel)
        if test is not None and test.of_usual <= _DEAR:
            down = f"less (its usual spend is {amount(test.change / test.of_usual)})"
            way = f"more or {down}" if test.of_usual <= 1 else "more"
            out.append(
                f"A lift test of '{item.channel}': {test.periods} {unit}"
                f"{'s' if test.periods > 1 else ''} with {amount(test.change)} {way}, "
                f"{test.of_usual:.0%} of the usual, would show a return of "
                f"{amount(yardstick_return(history) or 0.0)}; in some regions only, less."
            )
    if verdict != "enough":
        out.append("A return that is known from elsewhere (spec.priors) for the largest channels.")
    return out


def _channel(
    history: History,
    place: int,
    item: Coverage,
    drivers: Drivers | None,
    precision: Precision | None,
    seen: Sequence[bool | None],
    tests: Mapping[str, _Test],
) -> dict[str, Any]:
    error = None if precision is None else float(precision.standard_error[place])
    test = tests.get(item.channel)
    first, last = item.first, item.last
    return {
        "channel": item.channel,
        "share_of_spend": item.share,
        "periods_with_spend": item.live,
        "first": None if first is None else history.dates[first].isoformat(),
        "last": None if last is None else history.dates[last].isoformat(),
        "late_start": item.late_start,
        "early_stop": item.early_stop,
        "longest_zero_stretch": item.longest_zero,
        "variation": item.variation,
        "varied": item.varied,
        "foretold_by": None if drivers is None else {"all": drivers.together, **drivers.by},
        "smallest_visible_return": _SEEN * error if error is not None and error < np.inf else None,
        "can_be_seen": seen[place],
        "lift_test": None
        if test is None
        else {"periods": test.periods, "spend_change": test.change, "of_usual": test.of_usual},
    }


def _names(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:6]]
    if len(names) > 6:
        return ", ".join(shown) + f" and {len(names) - 6} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
