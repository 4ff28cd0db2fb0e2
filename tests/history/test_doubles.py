"""What would count twice is left out and said, or refused: never a channel, never an outcome."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from shared.errors import Fault, InvalidInput
from shared.history.parse import Parsed, parse

WEEKS = 12
RNG = np.random.default_rng(3)
TV, SEARCH, SOCIAL = np.round(RNG.uniform(100, 900, (3, WEEKS)), 2)
SOLD = np.round(RNG.uniform(9_000, 12_000, WEEKS), 2)
DAYS = [str(date(2024, 1, 1) + timedelta(weeks=t)) for t in range(WEEKS)]

Rows = list[list[Any]]
Maker = Callable[[Rows], Any]


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    return text.getvalue().encode()


def as_records(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


FORMATS = pytest.mark.parametrize("made", [as_csv, as_records])
OUTCOMES = as_csv([["date", "revenue"], *zip(DAYS, SOLD, strict=True)])


def wide(**columns: Sequence[float]) -> Rows:
    body = zip(DAYS, SOLD, *columns.values(), strict=True)
    return [["date", "revenue", *columns], *map(list, body)]


def long(*extra: str, **channels: Sequence[float]) -> Rows:
    """Rows of date, channel (its name's ``__`` a space) and spend; ``extra`` names more columns."""
    rows: Rows = [["date", "channel", "spend", *extra]]
    for t, day in enumerate(DAYS):
        rows += [
            [day, name.replace("__", " "), float(x[t]), *(SOLD[t] for _ in extra)]
            for name, x in channels.items()
        ]
    return rows


def faults(*tables: Any, spec: Any = None) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        parse(spec, *tables)
    return caught.value.faults


def unsettled(parsed: Parsed) -> list[tuple[str, str | None]]:
    return [(f.code, f.settled_by) for f in parsed.findings if f.settled_by]


# -- one channel in two spellings --------------------------------------------------------------


@FORMATS
@pytest.mark.parametrize(
    "names",
    [("TV", "tv"), ("Paid Social", "paid-social"), ("PaidSocial", "paid_social"), ("T.V.", "tv")],
)
def test_two_spellings_are_refused_unless_the_spec_names_both(
    names: tuple[str, str], made: Maker
) -> None:
    rows = long(tv=TV, search=SEARCH)
    for t, row in enumerate(rows[1:]):
        row[1] = names[t // 2 % 2] if row[1] == "tv" else row[1]
    (fault,) = faults(made(rows), OUTCOMES)
    assert (fault.pointer, fault.code) == ("/rows/4/channel", "same_name")
    assert f"'{names[1]}' is spelt '{names[0]}' in row 2" in fault.message
    assert "'channels' of the spec" in fault.message
    both = {"channels": [{"channel": name} for name in (*names, "search")]}
    assert len(parse(both, made(rows), OUTCOMES).history.channels) == 3


@pytest.mark.parametrize("names", [("ad 1-1", "ad 11"), ("C", "C++"), ("Search", "Search+")])
def test_marks_that_tell_things_apart(names: tuple[str, str]) -> None:
    rows = long(a=TV, b=SEARCH)
    for row in rows[1:]:
        row[1] = names["ab".index(row[1])]
    parsed = parse(None, as_csv(rows), OUTCOMES)
    assert set(parsed.history.channels) == set(names)
    assert unsettled(parsed) == [("similar_names", "channels")]
    named = {"channels": [{"channel": name} for name in names]}
    assert unsettled(parse(named, as_csv(rows), OUTCOMES)) == []


@FORMATS
def test_two_spellings_of_a_geo(made: Maker) -> None:
    rows: Rows = [["date", "region", "revenue", "spend_tv"]]
    for t, day in enumerate(DAYS):
        names = ("north", "South") if t % 2 else ("North", "South")
        rows += [[day, name, SOLD[t] * (g + 1), TV[t] * (2 - g)] for g, name in enumerate(names)]
    (fault,) = faults(made(rows))
    assert (fault.pointer, fault.code) == ("/rows/4/region", "same_name")


@pytest.mark.parametrize(
    ("first", "second"),
    [("spend_TV", "spend_tv"), ("tv_cost", "tv_spend"), ("spend_tv", "tv spend")],
)
def test_two_columns_of_one_channel(first: str, second: str) -> None:
    rows = wide(**{first: TV, second: SEARCH})
    (fault,) = faults(as_csv(rows))
    assert (fault.pointer, fault.code) == (f"/rows/1/{second}", "same_name")
    spec = {"channels": [{"channel": "tv", "spend": second}]}
    np.testing.assert_array_equal(parse(spec, as_csv(rows)).history.spend[:, 0], SEARCH)


# -- totals ------------------------------------------------------------------------------------


@FORMATS
@pytest.mark.parametrize("name", ["Total", "gesamt", "Grand__Total", "everything"])
def test_a_total_among_the_channels_of_a_long_table(name: str, made: Maker) -> None:
    rows = long(tv=TV, search=SEARCH, **{name: TV + SEARCH})
    parsed = parse(None, made(rows), OUTCOMES)
    assert parsed.history.channels == ("search", "tv")
    np.testing.assert_array_equal(parsed.history.spend, np.column_stack([SEARCH, TV]))
    assert unsettled(parsed) == [("total_channel", "channels")]
    chosen = {"channels": [{"channel": "tv"}, {"channel": "search"}]}
    assert unsettled(parse(chosen, made(rows), OUTCOMES)) == []
    chosen["channels"].append({"channel": name.replace("__", " ")})
    (fault,) = faults(made(rows), OUTCOMES, spec=chosen)
    assert (fault.pointer, fault.code) == ("/channels/2/channel", "total_channel")


def test_what_is_called_a_total_and_is_none_is_left_out_unless_the_spec_names_it() -> None:
    rows = as_csv(long(tv=TV, search=SEARCH, Total=3 * TV))
    parsed = parse(None, rows, OUTCOMES)
    assert parsed.history.channels == ("search", "tv")
    assert unsettled(parsed) == [("total_channel", "channels")]
    named = {"channels": [{"channel": name} for name in ("tv", "search", "Total")]}
    assert len(parse(named, rows, OUTCOMES).history.channels) == 3
    alone = parse(None, as_csv(long(Total=TV)), OUTCOMES)
    assert alone.history.channels == ("Total",)


@pytest.mark.parametrize("spec", [None, {"channels": [{"channel": "tv"}, {"channel": "search"}]}])
def test_the_outcome_of_the_rows_of_a_total_is_not_counted(spec: Any) -> None:
    rows = long("revenue", tv=TV, search=SEARCH, Total=TV + SEARCH)
    for row in rows[1:]:
        t = DAYS.index(row[0])
        row[3] = {"tv": SOLD[t], "search": 2 * SOLD[t], "Total": 3 * SOLD[t]}[row[1]]
    history = parse(spec, as_csv(rows)).history
    np.testing.assert_allclose(history.outcome, 3 * SOLD)
    np.testing.assert_allclose(history.spend.sum(axis=1), TV + SEARCH)


def test_an_outcome_that_only_the_rows_of_a_total_have_is_kept() -> None:
    rows = long("revenue", tv=TV, search=SEARCH, Total=TV + SEARCH)
    for row in rows[1:]:
        row[3] = row[3] if row[1] == "Total" else ""
    np.testing.assert_array_equal(parse(None, as_csv(rows)).history.outcome, SOLD)


def test_a_total_of_some_channels() -> None:
    for rows, tables in (
        (long(tv=TV, search=SEARCH, social=SOCIAL, digital=SEARCH + SOCIAL), (OUTCOMES,)),
        (wide(tv_spend=TV, a_spend=SEARCH, b_spend=SOCIAL, digital_spend=SEARCH + SOCIAL), ()),
    ):
        history = parse(None, as_csv(rows), *tables).history
        assert "digital" not in history.channels
        np.testing.assert_allclose(history.spend.sum(axis=1), TV + SEARCH + SOCIAL)
    both = long(a=TV, b=SEARCH, c=SOCIAL, ab=TV + SEARCH, abc=TV + SEARCH + SOCIAL)
    assert parse(None, as_csv(both), OUTCOMES).history.channels == ("a", "b", "c")


def test_no_total_where_columns_only_look_alike() -> None:
    steady = np.full(WEEKS, 100.0)
    rows = wide(a_spend=steady, b_spend=2 * steady, c_spend=3 * steady, d_spend=TV)
    assert len(parse(None, as_csv(rows)).history.channels) == 4


@pytest.mark.parametrize("name", ["Total", ""])
def test_a_total_among_the_campaigns_of_a_channel(name: str) -> None:
    rows: Rows = [["date", "channel", "campaign", "spend"]]
    for t, day in enumerate(DAYS):
        parts = {"brand": TV[t], "generic": SEARCH[t], name: TV[t] + SEARCH[t]}
        rows += [[day, "search", campaign, x] for campaign, x in parts.items()]
        rows += [[day, "tv", "spot", SOCIAL[t]], [day, "tv", name, SOCIAL[t]]]
    parsed = parse(None, as_csv(rows), OUTCOMES)
    np.testing.assert_allclose(parsed.history.spend, np.column_stack([TV + SEARCH, SOCIAL]))
    assert unsettled(parsed) == [("total_channel", "rows")] * 2


def test_every_column_called_total_is_no_total() -> None:
    rows = wide(total_tv_spend=TV, total_search_spend=SEARCH)
    assert len(parse(None, as_csv(rows)).history.channels) == 2


def by_geo(total: str, factor: float = 1.0) -> Rows:
    rows: Rows = [["date", "region", "revenue", "tv_spend", "search_spend"]]
    for t, day in enumerate(DAYS):
        north, south = (SOLD[t], TV[t], SEARCH[t]), (2 * SOLD[t], SEARCH[t], SOCIAL[t])
        rows += [[day, "North", *north], [day, "South", *south]]
        rows += [[day, total, *(factor * (a + b) for a, b in zip(north, south, strict=True))]]
    return rows


@FORMATS
@pytest.mark.parametrize("name", ["Total", "All regions", "Country"])
def test_a_total_among_the_geos(name: str, made: Maker) -> None:
    parsed = parse(None, made(by_geo(name)))
    np.testing.assert_allclose(parsed.history.outcome, 3 * SOLD)
    np.testing.assert_allclose(parsed.history.spend[:, 0], TV + SEARCH)
    assert unsettled(parsed) == [("total_geo", "rows")]


def test_a_geo_called_total_that_is_none() -> None:
    (fault,) = faults(as_csv(by_geo("Total", 1.7)))
    assert (fault.pointer, fault.code) == ("/geo", "total_geo")
    assert len(parse(None, as_csv(by_geo("West", 1.7))).history.panel().geos) == 3


# -- an outcome in every row -------------------------------------------------------------------


@FORMATS
def test_an_outcome_in_every_row_of_a_date(made: Maker) -> None:
    rows = made(long("revenue", tv=TV, search=SEARCH, social=SOCIAL))
    for spec in (None, {"outcome": "revenue"}):
        (fault,) = faults(rows, spec=spec)
        assert (fault.pointer, fault.code) == ("/rows/3/revenue", "outcome_repeated")
        assert "a table of their own" in fault.message
    np.testing.assert_array_equal(parse(None, rows, OUTCOMES).history.outcome, SOLD)


def test_an_outcome_in_every_campaign_of_a_channel() -> None:
    rows: Rows = [["date", "channel", "campaign", "spend", "revenue"]]
    for t, day in enumerate(DAYS):
        rows += [[day, "tv", c, x[t], SOLD[t]] for c, x in (("a", TV), ("b", SEARCH))]
        rows += [[day, "search", "c", SOCIAL[t], 2 * SOLD[t]]]
    (fault,) = faults(as_csv(rows))
    assert (fault.pointer, fault.code) == ("/rows/3/revenue", "outcome_repeated")


def test_the_nations_outcome_in_every_geo() -> None:
    rows: Rows = [["date", "geo", "revenue", "spend_tv"]]
    told: Rows = [["date", "geo", "revenue"]]
    spend: Rows = [["date", "geo", "channel", "spend"]]
    for t, day in enumerate(DAYS):
        for geo, money in (("north", TV), ("south", SEARCH)):
            rows.append([day, geo, SOLD[t], money[t]])
            told.append([day, geo, SOLD[t]])
            spend.append([day, geo, "tv", money[t]])
    (fault,) = faults(as_csv(rows))
    assert (fault.pointer, fault.code) == ("/rows/3/revenue", "outcome_repeated")
    (fault,) = faults(as_csv(spend), as_csv(told))
    assert (fault.pointer, fault.code) == ("/outcomes/rows/3/revenue", "outcome_repeated")
    np.testing.assert_array_equal(parse(None, as_csv(spend), OUTCOMES).history.outcome, SOLD)


def test_conversions_that_are_alike_by_chance_are_added_up() -> None:
    rows = long("conversions", tv=TV, search=SEARCH)
    for i, row in enumerate(rows[1:]):
        row[3] = 1 if i < 22 else 2
    assert parse(None, as_csv(rows)).history.outcome.tolist() == [2.0] * 11 + [4.0]


def test_equal_shares_of_spend_and_outcome_change_no_return() -> None:
    rows: Rows = [["date", "geo", "revenue", "spend_tv"]]
    for t, day in enumerate(DAYS):
        rows += [[day, geo, SOLD[t] / 2, TV[t] / 2] for geo in ("north", "south")]
    np.testing.assert_allclose(parse(None, as_csv(rows)).history.outcome, SOLD)


# -- an outcome that is spend ------------------------------------------------------------------


@FORMATS
def test_what_was_billed_is_no_outcome(made: Maker) -> None:
    billed = np.round(1.288 * TV, 2)
    rows = wide(**{"Media Cost (Adv Currency)": TV})
    for row, value in zip(rows[1:], billed, strict=True):
        row[1] = value
    (fault,) = faults(made(rows))
    assert (fault.pointer, fault.code) == ("/rows/1/revenue", "outcome_is_spend")
    assert "'outcome' in the spec" in fault.message
    assert unsettled(parse({"outcome": "revenue"}, made(rows))) == [("outcome_is_spend", "outcome")]
    lines = long("revenue", tv=TV, search=SEARCH)
    for row in lines[1:]:
        row[3] = 1.15 * row[2]
    assert faults(made(lines))[0].code == "outcome_is_spend"
