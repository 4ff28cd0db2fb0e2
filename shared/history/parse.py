"""A spec and tables -> a validated history, or every reason why not.

``parse`` is what a fit starts from; ``check_upload`` is what an upload of one table is judged by.
Both are pure: bytes or records in, a history or an exception out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from shared.errors import InvalidInput
from shared.frequency import frequency, word
from shared.history.amounts import one_currency
from shared.history.beliefs import check_beliefs
from shared.history.cells import Cells, added_up, national, panel_of
from shared.history.faults import FaultLog
from shared.history.formats import Source
from shared.history.layout import table_of
from shared.history.lift_tests import lift_tests
from shared.history.long import is_long, read_long
from shared.history.periods import common_frequency
from shared.history.reading import Table
from shared.history.report import data_report
from shared.history.rows import Read
from shared.history.spec import Spec, read_spec
from shared.history.suspicions import suspicions
from shared.history.table import Finding, History
from shared.history.tidy import settle_geos, to_history, unspent_in_geos
from shared.history.wide import read_outcomes, read_wide

__all__ = ["Parsed", "Upload", "check_upload", "parse"]


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A history ready to be fitted.

    ``spec`` is completed with what was guessed; ``rows`` counts the rows of the
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
    ``read`` are the sums of what was read, by which a person sees an error at a glance.
    """

    rows: int
    periods: int
    first: date
    last: date
    frequency: str
    layout: str
    spec: dict[str, Any]
    findings: tuple[Finding, ...]
    read: dict[str, Any]
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
            "read": self.read,
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
        The contract's spec, or None: what it does not say is guessed and reported.
    history, outcomes
        CSV bytes or JSON records. ``outcomes`` belongs to a long history.

    Raises
    ------
    InvalidInput
        Every fault, pointers into the spec (``/channels/0/spend``), the spend table
        (``/rows/7/date``) and the outcomes (``/outcomes/rows/7/revenue``).
    """
    read = _read_all(read_spec(spec), history, outcomes)
    if not read.complete:
        raise InvalidInput.at(
            "/outcomes",
            "no_outcomes",
            "A long history needs its outcomes: a table of date and outcome beside it.",
        )
    return _parsed(read)


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
    if history is not None:
        read = _read_all(roles, history, outcomes)
        return _upload(read, _parsed(read) if read.complete else None)
    if outcomes is None:
        raise InvalidInput.at("", "missing", "There is neither a history nor outcomes.")
    return _upload(read_outcomes(table_of(outcomes, roles, moments=True), roles))


def _read_all(spec: Spec, history: Source, outcomes: Source | None) -> Read:
    """A history and the outcomes beside it, where there are any."""
    table = table_of(history, spec)
    if not is_long(table, spec):
        if outcomes is not None:
            raise InvalidInput.at(
                "/outcomes",
                "outcomes_beside_wide",
                "The history is wide (one spend column a channel) and holds its outcome itself; a "
                "table of outcomes belongs to a long one (rows of date, channel, spend).",
            )
        return read_wide(table, spec)
    beside = None if outcomes is None else table_of(outcomes, spec, "/outcomes", moments=True)
    long, result = _read_both(table, beside, spec)
    if result is not None:
        cells, more = _join(long, result)
        merged = long.spec.but(
            outcome=result.spec.outcome,
            outcomes=result.spec.outcomes,
            controls=result.spec.controls,
            events=result.spec.events,
            frequency=result.spec.frequency,
        )
        found = (*long.findings, *result.findings, *more)
        return replace(long, cells=cells, spec=merged, findings=found, complete=True)
    if not long.complete:
        text = "Upload the outcomes next: the rows of this history hold spend only."
        found = (*long.findings, Finding("outcomes_missing", text, {}))
        return replace(long, findings=found)
    return long


def _parsed(read: Read) -> Parsed:
    cells, frequency, spec = read.cells, read.frequency, read.spec
    everywhere = set(cells.geos)
    cells, uneven = settle_geos(cells, word(frequency))
    geos = set(cells.geos) - {""}
    _check_sense(spec, cells, everywhere - geos)
    history = to_history(
        national(cells), frequency, spec, [*read.findings, *uneven], long=read.layout == "long"
    )
    exposed = {role.channel for role in spec.channels or () if role.exposure == "impressions"}
    split = (spec.fit.get("model") or {}).get("campaigns") is not False
    detail, more = panel_of(cells, history, exposed, split=split)
    if detail is not None and len(detail.geos) > 1:
        more += unspent_in_geos(detail)
    whole = replace(history, detail=detail)
    more += [item for test in lift_tests(spec.to_dict(), whole) for item in test.findings()]
    found = (*history.findings, *suspicions(history, spec), *more)
    history = replace(whole, findings=found)
    rows = len(read.table)
    return Parsed(history, spec.to_dict(), history.findings, rows, read.layout)


def _check_sense(spec: Spec, cells: Cells, left_out: set[str]) -> None:
    """Refuse beliefs about what is not there, and exposure that nobody counted."""
    faults = FaultLog()
    known = dict.fromkeys([*cells.channels, *(role.channel for role in spec.channels or ())])
    geos = dict.fromkeys(name for name in cells.geos if name)
    check_beliefs(spec.fit, known, cells.arms, geos, left_out - {""}, faults)
    for index, role in enumerate(spec.channels or ()):
        if role.exposure == "impressions" and role.impressions is None:
            text = (
                f"'{role.channel}' is to work by its impressions, but no column holds them: name "
                "it as 'impressions', or leave 'exposure' out."
            )
            faults.add(f"/channels/{index}/exposure", "no_impressions", text)
    faults.stop_if_any()


def _upload(read: Read, whole: Parsed | None = None) -> Upload:
    first, last = min(read.cells.dates), max(read.cells.dates)
    unit = read.frequency
    return Upload(
        rows=len(read.table),
        periods=len(frequency(unit).grid(read.cells.dates)),
        first=first,
        last=last,
        frequency=unit,
        layout=read.layout,
        spec=read.spec.to_dict(),
        findings=read.findings if whole is None else whole.findings,
        read=_sums(read, whole),
        data_report=None if whole is None else data_report(whole.history, whole.spec),
    )


def _sums(read: Read, whole: Parsed | None) -> dict[str, Any]:
    """What was read, in all: of the outcome and of each channel."""
    cells = read.cells
    if whole is not None:
        outcome, spend = whole.history.outcome, whole.history.spend.sum(axis=0)
        by = dict(zip(whole.history.channels, spend.tolist(), strict=True))
    else:
        outcome, by = cells.outcome, dict.fromkeys(cells.channels, 0.0)
        for (channel, _), column in zip(cells.arms, cells.spend.T, strict=True):
            by[channel] += float(np.nansum(column))
    known = bool(np.isfinite(outcome).any())
    return {
        "outcome": {read.spec.outcome_name: float(np.nansum(outcome))} if known else {},
        "spend": by,
        "rows": len(read.table),
        "rows_left_out": read.table.left_out,
    }


def _read_both(table: Table, beside: Table | None, spec: Spec) -> tuple[Read, Read | None]:
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
    if result is not None:
        every = common_frequency(long.frequency, result.frequency, sorted(set(long.cells.dates)))
        if every is None:
            raise InvalidInput.at(
                "/outcomes",
                "frequency_mismatch",
                f"Spend is by {word(long.frequency)}, outcomes are by {word(result.frequency)}.",
            )
        long = replace(long, frequency=every)
        log = FaultLog()
        one_currency(spec, (*long.amounts, *result.amounts), log)
        log.stop_if_any()
    return long, result


def _join(long: Read, result: Read) -> tuple[Cells, list[Finding]]:
    """Both tables where their ranges of dates overlap; what falls outside is reported.

    Within the overlap a date without spend rows is a date without spend, and one without an
    outcome carries spend and is not fitted. Spend by geo beside a national outcome is added up.
    """
    faults = FaultLog()
    spend, own = long.cells, result.cells
    days = set(spend.dates)
    first = max(min(days), min(own.dates))
    last = min(max(days), max(own.dates))
    spent = {day for day in days if first <= day <= last}
    told = {day for day in own.dates if first <= day <= last}
    if not spent & told:
        faults.add(
            "/outcomes",
            "no_common_dates",
            f"Spend ({min(days)} to {max(days)}) and outcomes ({min(own.dates)} to "
            f"{max(own.dates)}) have no date in common.",
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
    found += _outside(len(days), len(set(own.dates)), len(spent & told), first, last)
    paid = spend.only(np.isin(spend.days, np.array([*spent], dtype=spend.days.dtype)))
    if not by_geo:
        paid = paid.without_geos()
    sold = own.only(np.isin(own.days, np.array([*told], dtype=own.days.dtype)))
    return added_up(paid.beside(sold)), found


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
