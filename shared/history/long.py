"""The long layout: rows of date, channel, spend[, campaign][, impressions][, clicks][, geo]."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.frequency import asked_name
from shared.history.amounts import (
    CODES,
    Amount,
    amounts_of_long,
    amounts_of_wide,
    one_currency,
    one_unit,
    worth_of,
)
from shared.history.cells import UNNAMED, Cells, added_up, sums
from shared.history.doubles import billed, refuse_repeated, total_channels
from shared.history.faults import FaultLog
from shared.history.formats import limit_cells
from shared.history.names import SPEND, plain_name, refuse_same, similar_names, tokens
from shared.history.numbers import is_empty, read_numbers
from shared.history.outcome_unit import outcome_unit
from shared.history.reading import Table
from shared.history.roles import (
    buys_media,
    columns_left_out,
    find_date,
    guess_roles,
    no_media,
    spend_like,
)
from shared.history.spec import ChannelRole, Spec, check_columns
from shared.history.table import Finding
from shared.history.tidy import add_duplicates, add_negative, telling_column
from shared.history.wide import (
    Dated,
    one_geo,
    outcome_of,
    read_controls,
    read_dated,
    read_frequency,
    read_geos,
    read_outcome,
    row_keys,
    several,
    stacked,
)

__all__ = [
    "CAMPAIGNS",
    "LongTable",
    "OutcomeTable",
    "columns_of",
    "is_long",
    "read_long",
    "read_outcomes",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LongTable:
    """A long table read and checked, one row a date and geo, one column an arm.

    The outcome of ``cells`` is the sum of an outcome column among the rows where ``has_outcome``.
    """

    cells: Cells
    has_outcome: bool
    frequency: str
    spec: Spec
    geos: tuple[str, ...]
    findings: tuple[Finding, ...]
    amounts: tuple[Amount, ...]

    @property
    def dates(self) -> tuple[date, ...]:
        """In order, each once."""
        return tuple(sorted(set(self.cells.dates)))


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Outcomes beside a long history, one row a date and geo, without arms."""

    cells: Cells
    frequency: str
    spec: Spec
    geos: tuple[str, ...]
    findings: tuple[Finding, ...]
    amounts: tuple[Amount, ...]


_CHANNELS = (
    *("platform", "publisher", "publisher platform", "network", "media", "media type", "medium"),
    *("source", "channel name", "media channel", "marketing channel", "channel group"),
    *("session default channel group", "session source medium", "advertising channel type"),
)
CAMPAIGNS = (
    *("campaign", "campaign name", "campaign group name", "insertion order", "line item"),
    *("ad group", "ad group name", "ad set name", "adset name", "advertiser"),
)
"""Columns whose cells are the channels of a platform's export that names none, the first first."""
_ATTRIBUTED = frozenset({"conv", "conversion"})
_EXPOSED = frozenset({"impressions", "impression", "impr", "imps"})
_MONEY = (
    *({"total", "media", "cost"}, {"total", "spent"}, {"amount", "spent"}),
    *({"advertiser", "cost"}, {"spend"}, {"cost"}, {"spent"}, {"costs"}),
)
"""Words of columns of spend, those first that hold what was paid in all."""
_BESIDE_MONEY = frozenset(
    [
        *("total", "media", "advertiser", "partner", "adv", "currency", "curr"),
        *("amount", "local", "net", "gross", "in", "advertising"),
    ]
)


def columns_of(table: Table, spec: Spec) -> dict[str, str]:
    """Fixed columns by role, whatever their letters' case; the spec may rename them."""
    folded = {name.casefold(): name for name in reversed(table.header)}
    out: dict[str, str] = {
        str(role): folded[role]
        for role in ("channel", "spend", "campaign", "impressions", "clicks", "geo")
        if role in folded
    }
    if "spend" not in out and "cost" in folded:
        out["spend"] = folded["cost"]
    said = {"channel": spec.channel_column or "", "campaign": spec.campaign_column or ""}
    out |= {role: column for role, column in said.items() if column in table}
    if "channel" not in out or "spend" not in out:
        out = {**_of_export(table, spec, out), **out}
    for key in ("spend", "impressions"):
        named = {getattr(role, key) for role in spec.channels or ()} - {None}
        if len(named) == 1 and (column := named.pop()) in table:
            out[key] = column
    if spec.geo and spec.geo in table:
        out["geo"] = spec.geo
    if out.get("campaign") == out.get("channel"):
        out.pop("campaign", None)
    return out


def _of_export(table: Table, spec: Spec, known: Mapping[str, str]) -> dict[str, str]:
    """The columns of a platform's export: several rows a date, told apart by a name."""
    out: dict[str, str] = {}
    money = [
        name
        for name in table.header
        if spend_like(name)
        and {word for word in tokens(name) if word.upper() not in CODES} <= _BESIDE_MONEY | SPEND
    ]
    if not money and "spend" not in known:
        return {}
    ranks = {
        name: next((i for i, words in enumerate(_MONEY) if words <= set(tokens(name))), len(_MONEY))
        for name in money
    }
    if money:
        out["spend"] = min(money, key=lambda name: ranks[name])
    seen = [name for name in table.header if _EXPOSED & set(tokens(name))]
    if len(seen) == 1:
        out["impressions"] = seen[0]
    if "channel" in known:
        return out
    try:
        date_column, _ = find_date(table, spec)
    except InvalidInput:
        return {}
    keys = [name for name in (date_column, spec.geo) if name in table]
    if not table.frame.duplicated(keys).any() and not buys_media(table.header):
        return {}  # a row a date: wide
    words = {" ".join(tokens(n.rpartition(".")[2])): n for n in reversed(table.header)}
    channel = next((words[name] for name in _CHANNELS if name in words), None)
    campaign = next((words[name] for name in CAMPAIGNS if name in words), None)
    if channel is not None:
        out["channel"] = channel
        out |= {} if campaign is None else {"campaign": campaign}
    elif campaign is not None:
        out["channel"] = campaign
    return out


def is_long(table: Table, spec: Spec) -> bool:
    """Whether rows name their channel in a column, instead of one column a channel."""
    columns = columns_of(table, spec)
    of_channels = {role.spend for role in spec.channels or () if role.spend in table}
    return "channel" in columns and "spend" in columns and len(of_channels) < 2


def read_long(table: Table, spec: Spec, *, outcomes_follow: bool) -> LongTable:
    """Read a long table.

    Parameters
    ----------
    outcomes_follow
        Outcomes have a table of their own, so none is looked for here.

    Raises
    ------
    InvalidInput
        Every fault of its cells.
    """
    faults = FaultLog()
    columns = columns_of(table, spec)
    own = spec.but(controls=[], events="")  # these are columns of the outcomes
    if outcomes_follow or not all(name in table for name, _ in spec.outcome_columns):
        own = own.but(outcome=None, outcomes=None)
    check_columns(own, table.header, faults)
    faults.stop_if_any()
    dated = read_dated(table, own, faults)
    findings = list(dated.findings)
    if not spec.outcome_columns and not outcomes_follow:
        taken = [*columns.values()]
        value = [n for n in table.header if {"conv", "conversion"} & set(tokens(n))]
        value = [n for n in value if "value" in tokens(n) and not no_media(n)]
        guessed, _ = guess_roles(own, table, dated.column, outcomes_only=True, taken=taken)
        own = own.but(outcome=value[0] if len(value) == 1 else guessed.outcome)
    wanted = [columns[key] for key in ("spend", "impressions", "clicks") if key in columns]
    wanted += [*dict(own.outcome_columns), *own.factors.values()]
    relative = [columns[key] for key in ("impressions", "clicks") if key in columns]
    wanted = list(dict.fromkeys(wanted))
    numbers, more = read_numbers(table, wanted, faults, spec.mark, relative)
    findings += more
    for key in ("spend", "impressions", "clicks"):
        if key in columns:
            add_negative(table, columns[key], numbers[columns[key]], key, faults)

    names = table.each(columns["channel"], str.strip)
    own_names = {name: role.channel for role in spec.channels or () for name in role.aliases or ()}
    names = [own_names.get(name, name) for name in names]
    if guessed_column := columns["channel"].casefold() != "channel":
        names = [plain_name(name) or "(none)" for name in names]
        text = f"Column '{columns['channel']}' was read as the channel, '{columns['spend']}' as its"
        text += " spend: name others as 'channel_column' and in 'channels' of the spec."
        data = {"role": "channel", "column": columns["channel"]}
        findings.append(Finding("guessed_role", text, data))
    _check_names(table, columns["channel"], names, faults)
    said = {role.channel for role in spec.channels or ()}
    refuse_same(table, columns["channel"], names, faults, said)
    campaigns = [""] * len(names)
    if "campaign" in columns:
        campaigns = table.each(columns["campaign"], str.strip)
        campaigns = [plain_name(name) for name in campaigns] if guessed_column else campaigns
    geos = read_geos(table, columns.get("geo"), spec, faults)
    if spec.duplicates != "sum":
        known = {*columns.values(), *wanted, spec.currency_column}
        keys = row_keys(dated, names, campaigns, geos)
        add_duplicates(table, dated.column, keys, faults, known)
    frequency = read_frequency(table, dated, spec, faults, whole=False)
    channels, left_out = _channels(spec, names, faults)
    priced = {role.channel: role for role in spec.channels or () if role.priced}
    if not set(names) <= set(priced):
        one_unit(table, columns["spend"], "'scale' of every channel in 'channels'", faults)
    amounts = tuple(amounts_of_long(table, own, columns, dated.column, names, priced))
    one_currency(spec, amounts, faults)
    has_outcome = bool(own.outcome_columns)
    outcome = outcome_of(own, numbers) if has_outcome else None
    if outcome is not None:
        spend = numbers[columns["spend"]]
        remedy = "Upload the outcomes as a table of their own, one row a date."
        if not _ATTRIBUTED & set(tokens(own.outcome_name)):  # told by campaign, however evenly
            refuse_repeated(table, own, [dated.dates, geos, names], outcome, spend, remedy, faults)
        pairs = [(f"column '{columns['spend']}'", spend)]
        findings += billed(table, own, pairs, outcome, bool(spec.outcome_columns), faults)
    faults.stop_if_any()

    findings += left_out
    used = {dated.column, *columns.values(), *wanted, spec.currency_column}
    unused = [n for n in table.header if n not in used and not all(map(is_empty, table.text(n)))]
    if unused and not outcomes_follow:
        findings += columns_left_out(unused, spec, judged=spec.channels is not None)
    findings += similar_names(names, "channels", said)
    findings += similar_names(geos, "geos", {item.geo for item in spec.geos or ()})
    below: dict[str, set[str]] = defaultdict(set)
    split = set(zip(names, campaigns, strict=True))
    for name, campaign in split:
        below[name].add(campaign)
    for name, some in below.items():
        of_it = [f"{name}/{campaign}" for campaign in some if campaign]
        findings += similar_names(of_it, "campaigns", among=len(split))
    empty = np.isnan(numbers[columns["spend"]])
    if empty.any():
        findings.append(
            Finding(
                "empty_spend",
                f"Spend is empty in {int(empty.sum())} of {len(names)} rows: taken as zero.",
                {"count": int(empty.sum())},
            )
        )
    apart = several(geos)
    where = geos if apart else [""] * len(geos)
    roles = [priced.get(name) for name in names] if priced else []
    worth = worth_of(table, columns["spend"], spec, dated.dates, roles)
    numbers[columns["spend"]] = numbers[columns["spend"]] * worth
    if outcome is not None and outcome_unit(spec.fit, own.outcome_name).money:
        outcome = (
            outcome * worth_of(table, own.outcome_name, spec, dated.dates)
            if own.outcome
            else outcome
        )
    every = tuple(sorted(set(names)))
    cells = _cells(dated, where, names, campaigns, every, numbers, columns, outcome)
    totals, more = total_channels(cells, spec, faults)
    faults.stop_if_any()
    findings += more
    channels = tuple(name for name in channels if (name, "") not in totals)
    if totals or channels != every:
        rows = [
            row
            for row, name in enumerate(names)
            if totals & {(name, ""), (name, campaigns[row] or UNNAMED)}
        ]
        for row in rows:
            names[row] = ""  # of no channel
        if outcome is not None and np.isfinite(np.delete(outcome, rows)).any():
            outcome[rows] = np.nan  # that of others; where they have none it is the only one
        cells = _cells(dated, where, names, campaigns, channels, numbers, columns, outcome)
    if has_outcome:
        sums = " and ".join(f"'{name}'" for name, _ in own.outcome_columns)
        findings.append(
            Finding(
                "outcome_from_rows",
                f"The outcome is the sum of column {sums} over the rows of a date: what "
                "platforms attribute to campaigns, not what the business sold. Upload outcomes to "
                "replace it.",
                {"column": own.outcome_columns[0][0]},
            )
        )
    if "geo" in columns and not apart:
        findings.append(one_geo(columns["geo"], geos[0]))
    given = {role.channel: role for role in spec.channels or ()}
    if guessed_column:
        spec = spec.but(channel_column=columns["channel"], campaign_column=columns.get("campaign"))
    spec = spec.but(
        date=dated.column,
        frequency=asked_name(frequency),
        outcome=spec.outcome or own.outcome,
        outcomes=spec.outcomes,
        channels=[
            given.get(name, ChannelRole(channel=name)).but(
                spend=columns["spend"],
                impressions=columns.get("impressions"),
            )
            for name in channels
        ],
        geo=columns["geo"] if apart else "",
    )
    return LongTable(cells, has_outcome, frequency, spec, apart, tuple(findings), amounts)


def _check_names(table: Table, column: str, names: Sequence[str], faults: FaultLog) -> None:
    for row, name in enumerate(names):
        if not name:
            problem = "the channel is missing"
        elif "/" in name or "|" in name:
            problem = f"'{name[:40]}': '/' and '|' separate campaigns and geos, not for a name"
        elif len(name) > 200:
            problem = "the name is longer than 200 characters"
        else:
            continue
        where = table.pointer(row, column)
        faults.add(where, "bad_name", f"{table.place(row, column)}: {problem}.")


def _channels(
    spec: Spec, names: Sequence[str], faults: FaultLog
) -> tuple[tuple[str, ...], list[Finding]]:
    """The channels to use: the spec's, else all in order of their name."""
    present = dict.fromkeys(sorted(set(names)))
    if spec.channels is None:
        return tuple(present), []
    for index, role in enumerate(spec.channels):
        if role.channel not in present:
            where, text = f"/channels/{index}/channel", f"No row is of channel '{role.channel}'."
            faults.add_unknown(where, "unknown_channel", text, role.channel, present)
    chosen = dict.fromkeys(role.channel for role in spec.channels)
    left = [name for name in present if name not in chosen]
    if not left:
        return tuple(chosen), []
    return tuple(chosen), [
        Finding(
            "channels_left_out",
            f"Not in the spec, so their spend is not used: {', '.join(map(repr, left[:20]))}.",
            {"channels": left[:200]},
        )
    ]


def _cells(
    dated: Dated,
    geos: Sequence[str],
    names: Sequence[str],
    campaigns: Sequence[str],
    channels: Sequence[str],
    numbers: dict[str, Floats],
    columns: dict[str, str],
    told: Floats | None,
) -> Cells:
    """Rows of one date and geo brought together; rows of channels that are not used are left out.

    A channel is split where it has several campaigns; a single one is the channel itself. ``told``
    is the outcome of each row, (R,), where rows have one: it is added up.
    """
    own: dict[str, set[str]] = {channel: set() for channel in channels}
    for name, campaign in zip(names, campaigns, strict=True):
        if name in own:
            own[name].add(campaign)
    arms = tuple(
        (channel, campaign if len(own[channel]) > 1 else "")
        for channel in channels
        for campaign in sorted(own[channel])
    )
    # What of a channel has no campaign's name stands beside its campaigns under one of its own.
    arms = tuple((c, campaign or (UNNAMED if len(own[c]) > 1 else "")) for c, campaign in arms)
    column = {arm: m for m, arm in enumerate(arms)}
    days = [day for day in dated.dates if day is not None]
    keys = sorted(set(zip(days, geos, strict=True)))
    place = {key: t for t, key in enumerate(keys)}
    at = np.array([place[key] for key in zip(days, geos, strict=True)])
    of = np.array(
        [
            column[name, (campaign or UNNAMED) if len(own[name]) > 1 else ""] if name in own else -1
            for name, campaign in zip(names, campaigns, strict=True)
        ]
    )

    shape = (len(keys), len(arms))
    limit_cells(f"{shape[0]:,} periods and geos of {shape[1]:,} channels and campaigns", *shape)

    def added_up(values: Floats) -> Floats:
        rows = of >= 0
        return sums(shape, (at[rows], of[rows]), values[rows])

    spend = added_up(numbers[columns["spend"]])
    impressions = np.full_like(spend, np.nan)
    if "impressions" in columns:
        impressions = added_up(numbers[columns["impressions"]])
    outcome = np.full(len(keys), np.nan) if told is None else sums(shape[:1], (at,), told)
    # In a long table a date without a row of an arm is a date without spend.
    return Cells(
        dates=[day for day, _ in keys],
        geos=[geo for _, geo in keys],
        arms=arms,
        spend=np.nan_to_num(spend, copy=False),
        impressions=impressions,
        outcome=outcome,
        control_names=(),
        controls=np.empty((len(keys), 0)),
        events=[""] * len(keys),
    )


def read_outcomes(table: Table, spec: Spec) -> OutcomeTable:
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
    numbers, labels, more = read_outcome(table, own, dated.dates, faults)
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
        refuse_repeated(table, own, [dated.dates], outcome, None, remedy, faults)
    faults.stop_if_any()
    controls = read_controls(table, own, numbers, faults)
    faults.stop_if_any()
    found = [*dated.findings, *guesses, *more]
    if summed and apart is not None:
        text = f"Outcomes of one date, told apart by column '{apart}', were added up."
        found.append(Finding("outcomes_summed", text, {"column": apart}, "duplicates"))
    cells = added_up(
        Cells(
            dates=[day for day in dated.dates if day is not None],
            geos=geos,
            arms=(),
            spend=np.empty((len(labels), 0)),
            impressions=np.empty((len(labels), 0)),
            outcome=outcome,
            control_names=tuple(controls),
            controls=stacked(controls, len(labels)),
            events=labels,
        )
    )
    return OutcomeTable(
        cells=cells,
        frequency=frequency,
        spec=own.but(date=dated.column, frequency=asked_name(frequency), channels=spec.channels),
        geos=several(geos),
        findings=tuple(found),
        amounts=amounts,
    )
