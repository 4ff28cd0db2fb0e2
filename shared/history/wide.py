"""Tables of one row a period (and geo): a wide history, or outcomes beside a long one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.frequency import asked_name
from shared.history.amounts import amounts_of_wide, one_currency, one_unit, worth_of
from shared.history.cells import added_up, cells_of
from shared.history.doubles import (
    billed,
    never_falls,
    refuse_repeated,
    refuse_two_columns,
    total_columns,
)
from shared.history.faults import FaultLog
from shared.history.names import similar_names, tokens
from shared.history.reading import Table
from shared.history.roles import guess_roles
from shared.history.rows import (
    Read,
    add_duplicates,
    add_negative,
    one_geo,
    outcome_of,
    read_controls,
    read_dated,
    read_frequency,
    read_geos,
    read_outcome,
    row_keys,
    several,
    telling_column,
)
from shared.history.spec import Spec, check_columns
from shared.history.table import Finding

__all__ = ["read_outcomes", "read_wide"]

Floats = NDArray[np.float64]


def read_wide(table: Table, spec: Spec) -> Read:
    """Read a wide table.

    Raises
    ------
    InvalidInput
        Every fault of its cells, and columns of the spec that are not there.
    """
    faults = FaultLog()
    check_columns(spec, table.header, faults)
    faults.stop_if_any()
    dated = read_dated(table, spec, faults)
    given = spec
    spec, guesses = guess_roles(spec, table, dated.column, outcomes_only=False)
    spec = spec.but(date=dated.column)
    findings = [*dated.findings, *guesses]
    roles = spec.channels or ()
    if not roles:
        faults.add(
            "/channels",
            "no_channels",
            "No column looks like spend (spend_tv, tv_spend, tv_cost, ...): name them in the spec "
            f"as 'channels', or upload a table of outcomes as the outcomes. There are: "
            f"{', '.join(map(repr, table.header[:12]))}.",
        )
    for index, role in enumerate(roles):
        if role.spend is None:
            faults.add(
                f"/channels/{index}/spend",
                "missing",
                f"Channel '{role.channel}' needs its column of spend: the table is wide.",
            )
        elif not role.priced:
            one_unit(table, role.spend, f"'scale' of channel '{role.channel}'", faults)
    if given.channels is None:
        refuse_two_columns(table, roles, faults)
    spend_columns = [role.spend for role in roles if role.spend]
    exposure = [role.impressions for role in roles if role.impressions]
    numbers, labels, more = read_outcome(
        table, spec, dated.days, faults, [*spend_columns, *exposure]
    )
    findings += more
    for column in dict.fromkeys(spend_columns):
        if column in numbers:
            add_negative(table, column, numbers[column], "spend", faults)
    for column in exposure:
        add_negative(table, column, numbers[column], "impressions", faults)
    geos = read_geos(table, spec.geo, spec, faults)
    said = {role.channel for role in given.channels or ()}
    findings += similar_names([role.channel for role in roles], "channels", said)
    findings += similar_names(geos.categories, "geos", {item.geo for item in spec.geos or ()})
    one_currency(spec, amounts_of_wide(table, spec, dated.column), faults)
    if roles and spec.duplicates != "sum":
        keys = row_keys(dated, geos)
        taken = {*spend_columns, *exposure, *spec.control_kinds, *dict(spec.outcome_columns)}
        add_duplicates(table, dated.column, keys, faults, {*taken, spec.geo, spec.events})
    frequency = read_frequency(table, dated, spec, faults)
    faults.stop_if_any()

    spend = np.column_stack(
        [
            numbers[str(role.spend)]
            * worth_of(table, str(role.spend), spec, dated.days, [role] * len(table))
            for role in roles
        ]
    )
    totals, more = total_columns(spec, spend, given.channels is not None, faults)
    findings += more
    outcome = outcome_of(spec, numbers)
    pairs = [(f"column '{r.spend}'", values) for r, values in zip(roles, spend.T, strict=True)]
    pairs.append(("all spend", np.nansum(spend, axis=1)))
    findings += billed(table, spec, pairs, outcome, bool(given.outcome_columns), faults)
    if several(geos):
        remedy = "Give each geo its own, or one row a date for all geos together."
        refuse_repeated(table, spec, [dated.days], outcome, pairs[-1][1], remedy, faults)
    faults.stop_if_any()
    if given.channels is None:
        findings += never_falls(spec, spend, dated.days)
    if totals:
        kept = [c for c in range(len(roles)) if c not in totals]
        spend, roles = spend[:, kept], [roles[c] for c in kept]
        spec = spec.but(channels=roles)
    controls = read_controls(table, spec, numbers, faults)
    faults.stop_if_any()
    seen = [
        numbers[role.impressions] if role.impressions else np.full(len(spend), np.nan)
        for role in roles
    ]
    apart = several(geos)
    cells = cells_of(
        dated.days,
        geos if apart else None,
        [(role.channel, "") for role in roles],
        spend,
        np.column_stack(seen),
        outcome,
        controls,
        labels,
    )
    if spec.geo and not apart:
        findings.append(one_geo(spec.geo, geos))
        spec = spec.but(geo="")
    spec = spec.but(frequency=asked_name(frequency))
    found = tuple(findings)
    return Read(table, added_up(cells), frequency, "wide", spec, found, apart, complete=True)


def read_outcomes(table: Table, spec: Spec) -> Read:
    """Read a table of outcomes: date, outcome[, controls][, events][, geo].

    Raises
    ------
    InvalidInput
        Every fault of its cells, and columns of the spec that are not there.
    """
    faults = FaultLog()
    own = spec.but(channels=[], channel_column=None, campaign_column=None)
    if own.currency_column not in table:
        own = own.but(currency_column=None)
    # the spend history may call its dates and geos differently
    own = own.but(date=spec.date if spec.date in table else None)
    own = own.but(geo=spec.geo if spec.geo in table else None)
    check_columns(own, table.header, faults)
    faults.stop_if_any()
    dated = read_dated(table, own, faults)
    own, guesses = guess_roles(own, table, dated.column, outcomes_only=True)
    numbers, labels, more = read_outcome(table, own, dated.days, faults)
    geos = read_geos(table, own.geo, own, faults)
    amounts = tuple(amounts_of_wide(table, own, dated.column))
    one_currency(spec, amounts, faults)
    keys = row_keys(dated, geos)
    taken = {own.geo, own.events, *own.control_kinds, *dict(own.outcome_columns)}
    apart = telling_column(table, keys, {dated.column, *taken})
    moments = any(finding.code == "moments" for finding in table.findings)
    summed = spec.duplicates == "sum" or moments
    summed = summed or (apart is not None and spec.duplicates is None)
    if not summed:
        add_duplicates(table, dated.column, keys, faults, taken)
    frequency = read_frequency(table, dated, spec, faults)
    faults.stop_if_any()
    outcome = outcome_of(own, numbers)
    # orders may be equal, and what sessions brought may be spread evenly over where they came from
    if not moments and not any("session" in tokens(name) for name in table.header):
        remedy = "Leave the geos out, and give one row a date."
        refuse_repeated(table, own, [dated.days], outcome, None, remedy, faults)
    faults.stop_if_any()
    controls = read_controls(table, own, numbers, faults)
    faults.stop_if_any()
    found = [*dated.findings, *guesses, *more]
    if summed and apart is not None:
        text = f"Outcomes of one date, told apart by column '{apart}', were added up."
        found.append(Finding("outcomes_summed", text, {"column": apart}, "duplicates"))
    spend = np.empty((len(table), 0))
    where = geos if geos.categories[0] or several(geos) else None
    cells = cells_of(
        dated.days, where, (), spend, outcome=outcome, controls=controls, events=labels
    )
    own = own.but(date=dated.column, frequency=asked_name(frequency), channels=spec.channels)
    return Read(
        table,
        added_up(cells),
        frequency,
        "outcomes",
        own,
        tuple(found),
        several(geos),
        amounts,
    )
