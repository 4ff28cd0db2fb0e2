"""The long layout: rows of date, channel, spend[, campaign][, impressions][, clicks][, geo]."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.frequency import asked_name
from shared.history.amounts import CODES, amounts_of_long, one_currency, one_unit, worth_of
from shared.history.cells import UNNAMED, Cells, cells_of, in_order, row_numbers, sums
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
from shared.history.rows import (
    Dated,
    Read,
    add_duplicates,
    add_negative,
    one_geo,
    outcome_of,
    read_dated,
    read_frequency,
    read_geos,
    row_keys,
    several,
)
from shared.history.spec import ChannelRole, Spec, check_columns
from shared.history.table import Finding

__all__ = ["CAMPAIGNS", "columns_of", "is_long", "read_long"]

Floats = NDArray[np.float64]


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
_SOLD = _ATTRIBUTED | {"purchase", "purchases", "order", "orders"}
"""Words of what platforms count; a column of their value is the outcome, not that of the count."""
_EXPOSED = frozenset({"impressions", "impression", "impr", "imps"})
_MONEY = (
    *({"total", "media", "cost"}, {"total", "spent"}, {"amount", "spent"}),
    *({"advertiser", "cost"}, {"spend"}, {"cost"}, {"spent"}, {"costs"}),
)
"""Words of columns of spend, those first that hold what was paid in all."""
_BESIDE_MONEY = frozenset(
    [
        *("total", "media", "advertiser", "partner", "adv", "currency", "curr"),
        *("amount", "local", "net", "gross", "in", "advertising", "account"),
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


def read_long(table: Table, spec: Spec, *, outcomes_follow: bool) -> Read:
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
        value = [n for n in table.header if _SOLD & set(tokens(n))]
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

    own_names = {name: role.channel for role in spec.channels or () for name in role.aliases or ()}
    guessed_column = columns["channel"].casefold() != "channel"
    plain = plain_name if guessed_column else str.strip

    def channel_of(cell: str) -> str:
        name = own_names.get(cell.strip(), cell.strip())
        return plain(name) or "(none)" if guessed_column else name

    names = table.named(columns["channel"], channel_of)
    if guessed_column:
        text = f"Column '{columns['channel']}' was read as the channel, '{columns['spend']}' as its"
        text += " spend: name others as 'channel_column' and in 'channels' of the spec."
        data = {"role": "channel", "column": columns["channel"]}
        findings.append(Finding("guessed_role", text, data))
    _check_names(table, columns["channel"], names, faults)
    said = {role.channel for role in spec.channels or ()}
    refuse_same(table, columns["channel"], names, faults, said)
    campaigns = table.named(columns.get("campaign"), plain)
    geos = read_geos(table, columns.get("geo"), spec, faults)
    if spec.duplicates != "sum":
        known = {*columns.values(), *wanted, spec.currency_column}
        keys = row_keys(dated, names, campaigns, geos)
        add_duplicates(table, dated.column, keys, faults, known)
    frequency = read_frequency(table, dated, spec, faults, whole=False)
    channels, left_out = _channels(spec, names.categories, faults)
    priced = {role.channel: role for role in spec.channels or () if role.priced}
    if not set(names.categories) <= set(priced):
        one_unit(table, columns["spend"], "'scale' of every channel in 'channels'", faults)
    amounts = tuple(amounts_of_long(table, own, columns, dated.column, names, priced))
    one_currency(spec, amounts, faults)
    has_outcome = bool(own.outcome_columns)
    outcome = outcome_of(own, numbers) if has_outcome else None
    if outcome is not None:
        spend = numbers[columns["spend"]]
        remedy = "Upload the outcomes as a table of their own, one row a date."
        if not _ATTRIBUTED & set(tokens(own.outcome_name)):  # told by campaign, however evenly
            refuse_repeated(
                table, own, [dated.days, geos.codes, names.codes], outcome, spend, remedy, faults
            )
        pairs = [(f"column '{columns['spend']}'", spend)]
        findings += billed(table, own, pairs, outcome, bool(spec.outcome_columns), faults)
    faults.stop_if_any()

    findings += left_out
    used = {dated.column, *columns.values(), *wanted, spec.currency_column}
    unused = [n for n in table.header if n not in used and not all(map(is_empty, table.text(n)))]
    if unused and not outcomes_follow:
        findings += columns_left_out(unused, spec, judged=spec.channels is not None)
    findings += similar_names(names.categories, "channels", said)
    findings += similar_names(geos.categories, "geos", {item.geo for item in spec.geos or ()})
    below: dict[str, set[str]] = defaultdict(set)
    split, pair = _pairs(names, campaigns)
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
    where = geos if apart else None
    roles = [priced.get(name) for name in names] if priced else []
    worth = worth_of(table, columns["spend"], spec, dated.days, roles)
    numbers[columns["spend"]] = numbers[columns["spend"]] * worth
    if own.outcome and outcome is not None and outcome_unit(spec.fit, own.outcome_name).money:
        outcome = outcome * worth_of(table, own.outcome_name, spec, dated.days)
    spend, seen = numbers[columns["spend"]], numbers.get(columns.get("impressions", ""))
    every = tuple(sorted(names.categories))
    cells = _cells(dated, where, split, pair, every, spend, seen, outcome)
    totals, more = total_channels(cells, spec, faults)
    faults.stop_if_any()
    findings += more
    channels = tuple(name for name in channels if (name, "") not in totals)
    if totals or channels != every:
        none = [bool(totals & {(name, ""), (name, below or UNNAMED)}) for name, below in split]
        split = [("", "") if out else own for own, out in zip(split, none, strict=True)]
        rows = np.array(none)[pair]  # of no channel
        if outcome is not None and np.isfinite(outcome[~rows]).any():
            outcome[rows] = np.nan  # that of others; where they have none it is the only one
        cells = _cells(dated, where, split, pair, channels, spend, seen, outcome)
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
        findings.append(one_geo(columns["geo"], geos))
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
    return Read(
        *(table, cells, frequency, "long", spec, tuple(findings)),
        *(apart, amounts, has_outcome),
    )


def _check_names(table: Table, column: str, names: pd.Categorical, faults: FaultLog) -> None:
    problems = {}
    for code, name in enumerate(names.categories):
        if not name:
            problems[code] = "the channel is missing"
        elif "/" in name or "|" in name:
            problems[code] = (
                f"'{name[:40]}': '/' and '|' separate campaigns and geos, not for a name"
            )
        elif len(name) > 200:
            problems[code] = "the name is longer than 200 characters"
    for row in np.flatnonzero(np.isin(names.codes, list(problems))).tolist():
        said = f"{table.place(row, column)}: {problems[names.codes[row]]}."
        faults.add(table.pointer(row, column), "bad_name", said)


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


def _pairs(
    names: pd.Categorical, campaigns: pd.Categorical
) -> tuple[list[tuple[str, str]], NDArray[np.intp]]:
    """The channels with their campaigns, and which of them each row is of."""
    below = len(campaigns.categories)
    pairs, of = np.unique(
        names.codes.astype(np.int64) * below + campaigns.codes, return_inverse=True
    )
    return [
        (names.categories[pair // below], campaigns.categories[pair % below])
        for pair in pairs.tolist()
    ], of


def _cells(
    dated: Dated,
    geos: pd.Categorical | None,
    split: Sequence[tuple[str, str]],
    pair: NDArray[np.intp],
    channels: Sequence[str],
    spend: Floats,
    impressions: Floats | None,
    told: Floats | None,
) -> Cells:
    """Rows of one date and geo brought together; rows of channels that are not used are left out.

    A channel is split where it has several campaigns; a single one is the channel itself. ``split``
    are channels with campaigns, and ``pair`` says which each row is of. ``told`` is the outcome of
    each row, (R,), where rows have one: it is added up.
    """
    own: dict[str, set[str]] = {channel: set() for channel in channels}
    for name, campaign in split:
        if name in own:
            own[name].add(campaign)
    # What of a channel has no campaign's name stands beside its campaigns under one of its own.
    arms = tuple(
        (channel, (campaign or UNNAMED) if len(own[channel]) > 1 else "")
        for channel in channels
        for campaign in sorted(own[channel])
    )
    column = {arm: m for m, arm in enumerate(arms)}
    place = [
        column[name, (campaign or UNNAMED) if len(own[name]) > 1 else ""] if name in own else -1
        for name, campaign in split
    ]
    geo = np.zeros(len(pair), dtype=np.intp) if geos is None else in_order(geos)
    first, at = row_numbers(dated.days, geo)
    shape = len(first), len(arms)
    limit_cells(f"{shape[0]:,} periods and geos of {shape[1]:,} channels and campaigns", *shape)
    of = np.array(place)[pair]
    used = of >= 0

    def laid(values: Floats) -> Floats:
        places = at[used] * shape[1] + of[used]
        return sums(shape[0] * shape[1], places, values[used, None]).reshape(shape)

    outcome = None if told is None else sums(shape[0], at, told[:, None])[:, 0]
    # In a long table a date without a row of an arm is a date without spend.
    spent = np.nan_to_num(laid(spend))
    seen = None if impressions is None else laid(impressions)
    return cells_of(
        dated.days[first], None if geos is None else geos[first], arms, spent, seen, outcome
    )
