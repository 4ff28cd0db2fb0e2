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

from shared.errors import InvalidInput, NotSupportedYet
from shared.history.faults import FaultLog
from shared.history.long import LongTable, OutcomeTable, is_long, read_long, read_outcomes
from shared.history.periods import period_number
from shared.history.reading import Table, read_table
from shared.history.spec import Spec, read_spec
from shared.history.suspicions import suspicions
from shared.history.table import Finding, History
from shared.history.tidy import Rows, to_history
from shared.history.wide import read_wide

__all__ = ["Parsed", "Upload", "check_upload", "parse"]

Source = bytes | Sequence[Any]


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
    gaps included; ``spec`` is completed with what was guessed.
    """

    rows: int
    periods: int
    first: date
    last: date
    frequency: str
    layout: str
    spec: dict[str, Any]
    findings: tuple[Finding, ...]

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
                {"code": f.code, "message": f.message, "data": dict(f.data)} for f in self.findings
            ],
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
    NotSupportedYet
        Several geos: they can be stored, not fitted.
    """
    roles = read_spec(spec)
    table = read_table(history)
    if not is_long(table, roles):
        _no_outcomes_beside_wide(outcomes)
        wide = read_wide(table, roles)
        _refuse_geos(wide.geos)
        return _parsed(wide.rows, wide.frequency, wide.spec, wide.findings, table, "wide")
    beside = None if outcomes is None else read_table(outcomes, "/outcomes")
    long, result = _read_both(table, beside, roles)
    _refuse_geos(long.geos or (result.geos if result else ()))
    if result is None and long.outcome is None:
        raise InvalidInput.at(
            "/outcomes",
            "no_outcomes",
            "A long history needs its outcomes: a table of date and outcome beside it.",
        )
    rows, frequency, merged, found = _combine(long, result)
    return _parsed(rows, frequency, merged, found, table, "long")


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
        found = wide.findings
        if not wide.geos:
            found = _parsed(
                wide.rows, wide.frequency, wide.spec, wide.findings, table, "wide"
            ).findings
        return _upload(rows, wide.rows.dates, wide.frequency, "wide", wide.spec, found)
    beside = None if outcomes is None else read_table(outcomes, "/outcomes")
    long, result = _read_both(table, beside, roles)
    geos = long.geos or (result.geos if result else ())
    if not geos and (result is not None or long.outcome is not None):
        tidy, frequency, merged, found = _combine(long, result)
        found = _parsed(tidy, frequency, merged, found, table, "long").findings
        return _upload(rows, tidy.dates, frequency, "long", merged, found)
    merged, found = long.spec, long.findings
    if result is not None:
        merged, found = _merge(long.spec, result.spec), (*found, *result.findings)
    elif long.outcome is None:
        next_step = "Upload the outcomes next: the rows of this history hold spend only."
        found = (*found, Finding("outcomes_missing", next_step, {}))
    return _upload(rows, long.dates, long.frequency, "long", merged, found)


def _parsed(
    rows: Rows,
    frequency: str,
    spec: Spec,
    findings: Sequence[Finding],
    table: Table,
    layout: str,
) -> Parsed:
    history = to_history(rows, frequency, spec, findings, long=layout == "long")
    history = replace(history, findings=(*history.findings, *suspicions(history)))
    return Parsed(history, spec.to_dict(), history.findings, len(table.lines), layout)


def _upload(
    rows: int,
    dates: Sequence[date],
    frequency: str,
    layout: str,
    spec: Spec,
    findings: Sequence[Finding],
) -> Upload:
    first, last = min(dates), max(dates)
    periods = period_number(last, frequency) - period_number(first, frequency) + 1
    return Upload(rows, periods, first, last, frequency, layout, spec.to_dict(), tuple(findings))


def _no_outcomes_beside_wide(outcomes: Source | None) -> None:
    if outcomes is not None:
        raise InvalidInput.at(
            "/outcomes",
            "outcomes_beside_wide",
            "The history is wide (one spend column a channel) and holds its outcome itself; a "
            "table of outcomes belongs to a long one (rows of date, channel, spend).",
        )


def _refuse_geos(geos: Sequence[str]) -> None:
    if geos:
        raise NotSupportedYet.at(
            "/geo",
            "not_supported_yet",
            f"The history has {len(geos)} geos ({', '.join(geos[:5])}"
            f"{', ...' if len(geos) > 5 else ''}); it can be stored, but fits by geo are not built "
            "yet.",
        )


def _read_both(
    table: Table, beside: Table | None, spec: Spec
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
    return long, result


def _merge(long: Spec, outcomes: Spec) -> Spec:
    """The roles of both tables in one spec."""
    return replace(
        long, outcome=outcomes.outcome, controls=outcomes.controls, events=outcomes.events
    )


def _combine(
    long: LongTable, result: OutcomeTable | None
) -> tuple[Rows, str, Spec, tuple[Finding, ...]]:
    """A long history with its outcomes, or with the outcome among its own rows."""
    if result is not None:
        rows, more = _join(long, result)
        merged = _merge(long.spec, result.spec)
        return rows, long.frequency, merged, (*long.findings, *result.findings, *more)
    outcome = np.full(len(long.dates), np.nan) if long.outcome is None else long.outcome
    nothing = np.empty((len(long.dates), 0))
    events = [""] * len(long.dates)
    rows = Rows(long.dates, outcome, long.channels, long.spend, (), nothing, events)
    return rows, long.frequency, long.spec, long.findings


def _join(long: LongTable, result: OutcomeTable) -> tuple[Rows, list[Finding]]:
    """Both tables where their ranges of dates overlap; what falls outside is reported.

    Within the overlap a date without spend rows is a date without spend, and one without an
    outcome carries spend and is not fitted.
    """
    faults = FaultLog()
    first = max(min(long.dates), min(result.dates))
    last = min(max(long.dates), max(result.dates))
    spend_of = {day: t for t, day in enumerate(long.dates) if first <= day <= last}
    outcome_of = {day: t for t, day in enumerate(result.dates) if first <= day <= last}
    if not set(spend_of) & set(outcome_of):
        faults.add(
            "/outcomes",
            "no_common_dates",
            f"Spend ({min(long.dates)} to {max(long.dates)}) and outcomes ({min(result.dates)} to "
            f"{max(result.dates)}) have no date in common.",
        )
    faults.stop_if_any()
    days = sorted(set(spend_of) | set(outcome_of))
    spend = np.zeros((len(days), len(long.channels)))
    outcome = np.full(len(days), np.nan)
    controls = np.full((len(days), result.controls.shape[1]), np.nan)
    events = [""] * len(days)
    for t, day in enumerate(days):
        if day in spend_of:
            spend[t] = long.spend[spend_of[day]]
        if day in outcome_of:
            outcome[t] = result.outcome[outcome_of[day]]
            controls[t] = result.controls[outcome_of[day]]
            events[t] = result.events[outcome_of[day]]
    found = []
    only_spend = len(long.dates) - len(set(spend_of) & set(outcome_of))
    only_outcome = len(result.dates) - len(set(spend_of) & set(outcome_of))
    if only_spend or only_outcome:
        found.append(
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
        )
    names = result.spec.controls or ()
    return Rows(days, outcome, long.channels, spend, names, controls, events), found
