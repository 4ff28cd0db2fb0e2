"""A spec and tables -> a validated history, or every reason why not.

``parse`` is what a fit starts from; ``check_upload`` is what an upload of one table is judged by.
Both are pure: bytes or records in, a history or an exception out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from shared.errors import InvalidInput
from shared.history.amounts import one_currency
from shared.history.cells import Cells, national, over_arms, panel_of
from shared.history.doubles import total_geo
from shared.history.faults import FaultLog
from shared.history.findings import suspicions
from shared.history.lift_tests import check_beliefs, lift_tests
from shared.history.long import LongTable, OutcomeTable, is_long, read_long, read_outcomes
from shared.history.periods import period_number
from shared.history.reading import TextTable, read_table
from shared.history.report import data_report
from shared.history.spec import Spec, read_spec
from shared.history.table import Finding, History, Panel
from shared.history.tidy import to_history
from shared.history.wide import read_wide

__all__ = ["Parsed", "Upload", "check_upload", "parse"]

Source = bytes | Sequence[Any]

_FEWEST_PERIODS = 8
"""Periods with an outcome below which a geo says nothing about itself."""

_SHORT = 0.9  # of the longest geo's periods, below which a difference is worth reporting
_SHOWN = 10


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A history ready to be fitted.

    ``spec`` is in API.md's shape, completed with what was guessed; ``rows`` counts the rows of the
    spend table; ``layout`` is "wide" or "long".
    """

    history: History
    spec: dict[str, Any]
    findings: tuple[Finding, ...]
    rows: int
    layout: str


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """What is to be said about an uploaded table.

    ``layout`` is "wide", "long" or "outcomes"; ``periods`` counts those from ``first`` to ``last``,
    gaps included; ``spec`` is completed with what was guessed. ``data_report`` says what the
    history can show (``shared.history.report``); None where spend or outcomes are still missing.
    """

    rows: int
    periods: int
    first: date
    last: date
    frequency: str
    layout: str
    spec: dict[str, Any]
    findings: tuple[Finding, ...]
    data_report: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready report."""
        return {
            "rows": self.rows,
            "periods": self.periods,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "frequency": self.frequency,
            "layout": self.layout,
            "roles": self.spec,
            "findings": [
                {
                    "code": f.code,
                    "message": f.message,
                    "data": dict(f.data),
                    "settled_by": f.settled_by,
                }
                for f in self.findings
            ],
            "data_report": self.data_report,
        }


def parse(
    spec: Mapping[str, Any] | None, history: Source, outcomes: Source | None = None
) -> Parsed:
    """Read a history for a fit.

    Parameters
    ----------
    spec
        API.md's spec, or None: what it does not say is guessed and reported.
    history, outcomes
        CSV bytes or JSON records. ``outcomes`` belongs to a long history.

    Raises
    ------
    InvalidInput
        Every fault, pointers into the spec (``/channels/0/spend``), the spend table
        (``/rows/7/date``) and the outcomes (``/outcomes/rows/7/revenue``).
    """
    roles = read_spec(spec)
    table = read_table(history)
    if not is_long(table, roles):
        _no_outcomes_beside_wide(outcomes)
        wide = read_wide(table, roles)
        return _parsed(wide.cells, wide.frequency, wide.spec, wide.findings, table, "wide")
    beside = None if outcomes is None else read_table(outcomes, "/outcomes")
    long, result = _read_both(table, beside, roles)
    if result is None and not long.has_outcome:
        raise InvalidInput.at(
            "/outcomes",
            "no_outcomes",
            "A long history needs its outcomes: a table of date and outcome beside it.",
        )
    cells, frequency, merged, found = _combine(long, result)
    return _parsed(cells, frequency, merged, found, table, "long")


def check_upload(
    spec: Mapping[str, Any] | None, history: Source | None, outcomes: Source | None = None
) -> Upload:
    """Judge what was uploaded: a history alone, outcomes alone, or both together.

    A long history may wait for its outcomes, and tables of several geos are accepted here. With
    outcomes alone (``history=None``) pointers start at ``/rows``.

    Raises
    ------
    InvalidInput
        As ``parse``.
    """
    roles = read_spec(spec)
    if history is None:
        if outcomes is None:
            raise InvalidInput.at("", "missing", "There is neither a history nor outcomes.")
        own = read_outcomes(read_table(outcomes), roles)
        rows = len(own.dates)
        return _upload(rows, own.dates, own.frequency, "outcomes", own.spec, own.findings)
    table = read_table(history)
    rows = len(table.lines)
    if not is_long(table, roles):
        _no_outcomes_beside_wide(outcomes)
        wide = read_wide(table, roles)
        whole = _parsed(wide.cells, wide.frequency, wide.spec, wide.findings, table, "wide")
        days = wide.cells.dates
        return _upload(rows, days, wide.frequency, "wide", wide.spec, whole.findings, whole)
    beside = None if outcomes is None else read_table(outcomes, "/outcomes")
    long, result = _read_both(table, beside, roles)
    if result is not None or long.has_outcome:
        tidy, frequency, merged, found = _combine(long, result)
        whole = _parsed(tidy, frequency, merged, found, table, "long")
        return _upload(rows, tidy.dates, frequency, "long", merged, whole.findings, whole)
    next_step = "Upload the outcomes next: the rows of this history hold spend only."
    found = (*long.findings, Finding("outcomes_missing", next_step, {}))
    return _upload(rows, long.dates, long.frequency, "long", long.spec, found)


def _parsed(
    cells: Cells,
    frequency: str,
    spec: Spec,
    findings: Sequence[Finding],
    table: TextTable,
    layout: str,
) -> Parsed:
    everywhere = set(cells.geos)
    cells, uneven = _settle_geos(cells, frequency)
    geos = set(cells.geos) - {""}
    _check_sense(spec, cells, everywhere - geos)
    history = to_history(
        national(cells), frequency, spec, [*findings, *uneven], long=layout == "long"
    )
    exposed = {role.channel for role in spec.channels or () if role.exposure == "impressions"}
    split = (spec.fit.get("model") or {}).get("campaigns") is not False
    detail, more = panel_of(cells, history, exposed, split=split)
    if detail is not None and len(detail.geos) > 1:
        more += _unspent_in_geos(detail)
    whole = replace(history, detail=detail)
    more += [item for test in lift_tests(spec.to_dict(), whole) for item in test.findings()]
    found = (*history.findings, *suspicions(history, spec), *more)
    history = replace(whole, findings=found)
    return Parsed(history, spec.to_dict(), history.findings, len(table.lines), layout)


def _check_sense(spec: Spec, cells: Cells, left_out: set[str]) -> None:
    """Refuse beliefs about what is not there, and exposure that nobody counted."""
    faults = FaultLog()
    known = dict.fromkeys([*cells.channels, *(role.channel for role in spec.channels or ())])
    geos = dict.fromkeys(sorted(set(cells.geos) - {""}))
    check_beliefs(spec.fit, known, cells.arms, geos, left_out - {""}, faults)
    for index, role in enumerate(spec.channels or ()):
        if role.exposure == "impressions" and role.impressions is None:
            text = (
                f"'{role.channel}' is to work by its impressions, but no column holds them: name "
                "it as 'impressions', or leave 'exposure' out."
            )
            faults.add(f"/channels/{index}/exposure", "no_impressions", text)
    faults.stop_if_any()


def _upload(
    rows: int,
    dates: Sequence[date],
    frequency: str,
    layout: str,
    spec: Spec,
    findings: Sequence[Finding],
    whole: Parsed | None = None,
) -> Upload:
    first, last = min(dates), max(dates)
    periods = period_number(last, frequency) - period_number(first, frequency) + 1
    report = None if whole is None else data_report(whole.history, whole.spec)
    found = tuple(findings)
    return Upload(rows, periods, first, last, frequency, layout, spec.to_dict(), found, report)


def _no_outcomes_beside_wide(outcomes: Source | None) -> None:
    if outcomes is not None:
        raise InvalidInput.at(
            "/outcomes",
            "outcomes_beside_wide",
            "The history is wide (one spend column a channel) and holds its outcome itself; a "
            "table of outcomes belongs to a long one (rows of date, channel, spend).",
        )


def _read_both(
    table: TextTable, beside: TextTable | None, spec: Spec
) -> tuple[LongTable, OutcomeTable | None]:
    """Both tables, the faults of both at once."""
    faults: list[InvalidInput] = []
    long = result = None
    try:
        long = read_long(table, spec, outcomes_follow=beside is not None)
    except InvalidInput as error:
        faults.append(error)
    if beside is not None:
        try:
            result = read_outcomes(beside, spec)
        except InvalidInput as error:
            faults.append(error)
    if faults or long is None:
        raise InvalidInput(fault for error in faults for fault in error.faults)
    if result is not None and result.frequency != long.frequency:
        raise InvalidInput.at(
            "/outcomes",
            "frequency_mismatch",
            f"Spend is by {long.frequency}, outcomes are by {result.frequency}.",
        )
    if result is not None:
        log = FaultLog()
        one_currency(spec, (*long.amounts, *result.amounts), log)
        log.stop_if_any()
    return long, result


def _merge(long: Spec, outcomes: Spec) -> Spec:
    """The roles of both tables in one spec."""
    return replace(
        long,
        outcome=outcomes.outcome,
        outcomes=outcomes.outcomes,
        controls=outcomes.controls,
        events=outcomes.events,
    )


def _combine(
    long: LongTable, result: OutcomeTable | None
) -> tuple[Cells, str, Spec, tuple[Finding, ...]]:
    """A long history with its outcomes, or with the outcome among its own rows."""
    if result is not None:
        cells, more = _join(long, result)
        merged = _merge(long.spec, result.spec)
        return cells, long.frequency, merged, (*long.findings, *result.findings, *more)
    return long.cells, long.frequency, long.spec, long.findings


def _join(long: LongTable, result: OutcomeTable) -> tuple[Cells, list[Finding]]:
    """Both tables where their ranges of dates overlap; what falls outside is reported.

    Within the overlap a date without spend rows is a date without spend, and one without an
    outcome carries spend and is not fitted. Spend by geo beside a national outcome is added up.
    """
    faults = FaultLog()
    days = set(long.dates)
    first = max(min(days), min(result.dates))
    last = min(max(days), max(result.dates))
    spent = {day for day in days if first <= day <= last}
    told = {day for day in result.dates if first <= day <= last}
    if not spent & told:
        faults.add(
            "/outcomes",
            "no_common_dates",
            f"Spend ({min(days)} to {max(days)}) and outcomes ({min(result.dates)} to "
            f"{max(result.dates)}) have no date in common.",
        )
    if result.geos and set(result.geos) != set(long.geos):
        unknown = sorted(set(result.geos) ^ set(long.geos))
        faults.add(
            "/outcomes",
            "geos_differ",
            f"Spend and outcomes are not of the same geos: {', '.join(map(repr, unknown[:5]))}.",
        )
    faults.stop_if_any()
    found: list[Finding] = []
    by_geo = bool(result.geos)
    if long.geos and not by_geo:
        text = f"The outcome is national: spend of {len(long.geos)} geos was added up."
        found.append(Finding("geos_summed", text, {"geos": list(long.geos)[:100]}))
    found += _outside(len(days), len(set(result.dates)), len(spent & told), first, last)
    old = long.cells
    row_of = {
        (day, result.row_geos[t] if by_geo else ""): t
        for t, day in enumerate(result.dates)
        if day in told
    }
    spend_keys = {
        (day, geo if by_geo else "")
        for day, geo in zip(old.dates, old.geos, strict=True)
        if day in spent
    }
    keys = sorted(spend_keys | set(row_of))
    place = {key: t for t, key in enumerate(keys)}
    used = [row for row, day in enumerate(old.dates) if day in spent]
    at = np.array([place[old.dates[row], old.geos[row] if by_geo else ""] for row in used])
    shape, arms = (len(keys), len(old.arms)), np.arange(len(old.arms))
    spend = np.nan_to_num(over_arms(shape, (at,), arms, old.spend[used]), copy=False)
    impressions = over_arms(shape, (at,), arms, old.impressions[used])
    outcome = np.full(len(keys), np.nan)
    controls = np.full((len(keys), result.controls.shape[1]), np.nan)
    events = [""] * len(keys)
    for key, row in row_of.items():
        t = place[key]
        outcome[t], controls[t] = result.outcome[row], result.controls[row]
        events[t] = result.events[row]
    return (
        Cells(
            dates=[day for day, _ in keys],
            geos=[geo for _, geo in keys],
            arms=old.arms,
            spend=spend,
            impressions=impressions,
            outcome=outcome,
            control_names=result.spec.controls or (),
            controls=controls,
            events=events,
        ),
        found,
    )


def _outside(spent: int, told: int, common: int, first: date, last: date) -> list[Finding]:
    """How many dates only one of the tables has."""
    only_spend, only_outcome = spent - common, told - common
    if not (only_spend or only_outcome):
        return []
    return [
        Finding(
            "dates_differ",
            f"{only_spend} dates have spend and no outcome, {only_outcome} an outcome and no "
            f"spend. Used: {first} to {last}.",
            {
                "spend_only": only_spend,
                "outcome_only": only_outcome,
                "first": first.isoformat(),
                "last": last.isoformat(),
            },
        )
    ]


def _settle_geos(cells: Cells, frequency: str) -> tuple[Cells, list[Finding]]:
    """Leave out a total and geos that nothing can be learned of; report uneven lengths.

    A geo is left out where it has fewer than ``_FEWEST_PERIODS`` periods with an outcome or its
    outcome never moves, as long as another geo is left.

    Raises
    ------
    InvalidInput
        A geo that is called a total and is not the sum of the others; geos of enough periods each
        that hardly ever have an outcome in the same ones.
    """
    names = sorted(set(cells.geos))
    if len(names) < 2:
        return cells, []
    total = total_geo(cells, names)
    if total is not None:
        text = (
            f"Geo '{total}' is the sum of the others and was left out: it would count all of them "
            "twice. Leave its rows out."
        )
        rest, found = _settle_geos(_only(cells, [n for n in names if n != total]), frequency)
        return rest, [Finding("total_geo", text, {"geo": total}, settled_by="rows"), *found]
    known: dict[str, list[int]] = {name: [] for name in names}
    for t in np.flatnonzero(np.isfinite(cells.outcome)).tolist():
        known[cells.geos[t]].append(t)
    still = {name for name, at in known.items() if at and np.ptp(cells.outcome[at]) == 0}
    short = {name for name, at in known.items() if len(at) < _FEWEST_PERIODS}
    out = short | still
    kept = [name for name in names if name not in out]
    if not kept:
        return cells, []
    found = [
        Finding(
            "geo_left_out",
            f"'{name}' is left out with its spend: "
            + (
                f"it has an outcome in {len(known[name])} {frequency}s, and at least "
                f"{_FEWEST_PERIODS} are needed."
                if name in short
                else "its outcome is the same in every period."
            ),
            {"geo": name, "periods": len(known[name])},
        )
        for name in names
        if name in out
    ]
    common = set.intersection(*({cells.dates[t] for t in known[name]} for name in kept))
    if len(common) < _FEWEST_PERIODS:
        shown = ", ".join(f"'{name}' ({_range(cells, known[name])})" for name in kept[:_SHOWN])
        raise InvalidInput.at(
            "/geo",
            "geos_apart",
            f"Only {len(common)} {frequency}s have an outcome in all geos, and at least "
            f"{_FEWEST_PERIODS} are needed: {shown}. Give rows of the same {frequency}s, or leave "
            "geos out.",
        )
    most = max(len(known[name]) for name in kept)
    uneven = [name for name in kept if len(known[name]) < _SHORT * most]
    if uneven:
        shown = ", ".join(f"'{name}' ({_range(cells, known[name])})" for name in uneven[:_SHOWN])
        found.append(
            Finding(
                "geos_of_different_lengths",
                f"Not all geos have an outcome in all {most} {frequency}s: {shown}. Each is fitted "
                f"to what it has; forecasts are judged in the {len(common)} {frequency}s that all "
                "have.",
                {"geos": uneven[:200], "common": len(common)},
            )
        )
    if len(kept) == len(names):
        return cells, found
    return _only(cells, kept), found


def _range(cells: Cells, at: Sequence[int]) -> str:
    days = [cells.dates[t] for t in at]
    return f"{len(days)} from {min(days)} to {max(days)}"


def _only(cells: Cells, kept: Sequence[str]) -> Cells:
    """The rows of some geos; a single one is nameless, as in a national table."""
    names = set(kept)
    rows = [t for t, geo in enumerate(cells.geos) if geo in names]
    return replace(
        cells,
        dates=[cells.dates[t] for t in rows],
        geos=[cells.geos[t] if len(kept) > 1 else "" for t in rows],
        spend=cells.spend[rows],
        impressions=cells.impressions[rows],
        outcome=cells.outcome[rows],
        controls=cells.controls[rows],
        events=[cells.events[t] for t in rows],
    )


def _unspent_in_geos(panel: Panel) -> list[Finding]:
    """Channels and campaigns that have spend in some geos and none in others."""
    found = []
    spent = panel.spend.sum(axis=1) > 0  # (G, M)
    for m, (channel, campaign) in enumerate(panel.arms):
        without = [panel.geos[g] for g in np.flatnonzero(~spent[:, m])]
        if without and spent[:, m].any():
            name = f"{channel}/{campaign}" if campaign else channel
            shown = ", ".join(map(repr, without[:_SHOWN]))
            found.append(
                Finding(
                    "no_spend_in_geo",
                    f"'{name}' has no spend in {shown}{' and more' * (len(without) > _SHOWN)}: "
                    "its curve there is what was believed before.",
                    {"channel": name, "geos": without[:200]},
                )
            )
    return found
