"""Fields of the spec that settle what only a person can judge: currencies, kinds, names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.parse import parse
from shared.history.spec import read_spec
from tests.history.forms import OUTCOMES, WEEKS, text

DATES = [row[0] for row in WEEKS]
TV = np.array([row[2] for row in WEEKS])
SEARCH = np.array([row[3] for row in WEEKS])
TABLE = [
    {"currency": "EUR", "rate": 1.10},
    {"currency": "EUR", "rate": 1.05, "start": "2023-07-01"},
    {"currency": "EUR", "rate": 1.20, "start": "2024-01-01"},
]
RATE = np.array(
    [1.10 if f"{d}" < "2023-07-01" else 1.05 if f"{d}" < "2024-01-01" else 1.2 for d in DATES]
)


def wide(extra: dict[str, Any] | None = None, **spec: Any) -> tuple[dict[str, Any], bytes]:
    more = extra or {}
    rows = [["date", "revenue", "spend_tv", "spend_search", *more]]
    for t, (day, revenue, tv, search) in enumerate(WEEKS):
        cells = [cells[t % len(cells)] for cells in more.values()]
        rows.append([f"{day}", f"{revenue}", f"{tv}", f"{search}", *cells])
    return spec, text(rows)


def long(*names: str) -> bytes:
    rows = [["date", "channel", "spend"]]
    for day, _, tv, search in WEEKS:
        rows += [[f"{day}", names[0], f"{tv}"], [f"{day}", names[1], f"{search}"]]
    return text(rows)


def codes(caught: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


@pytest.mark.parametrize("layout", ["wide", "long"])
@pytest.mark.parametrize("scale", [None, "thousands"])
def test_a_channel_in_another_currency_by_a_table_of_rates(layout: str, scale: Any) -> None:
    roles: list[dict[str, Any]] = [{"channel": "tv"}, {"channel": "search", "currency": "EUR"}]
    if layout == "wide":
        roles = [{**role, "spend": f"spend_{role['channel']}"} for role in roles]
    roles[1] |= {"scale": scale} if scale else {}
    spec = {"currency": "USD", "channels": roles, "rates": TABLE}
    own = (wide()[1],) if layout == "wide" else (long("tv", "search"), OUTCOMES.encode())
    history = parse(spec, *own).history
    order = [history.channels.index(name) for name in ("tv", "search")]
    worth = RATE * (1000.0 if scale else 1.0)
    np.testing.assert_allclose(history.spend[:, order], np.column_stack([TV, SEARCH * worth]))


def test_rates_by_date_hold_for_rows_and_cells_too() -> None:
    rows = [["date", "channel", "spend", "currency"]]
    for t, (day, _, tv, _) in enumerate(WEEKS):
        rows.append([f"{day}", "tv", f"{tv}", "EUR" if t % 2 else "USD"])
    spec = {"currency": "USD", "rates": TABLE}
    history = parse(spec, text(rows), OUTCOMES.encode()).history
    mixed = np.where(np.arange(len(WEEKS)) % 2 == 1, TV * RATE, TV)
    np.testing.assert_allclose(history.spend[:, 0], mixed)


def test_rates_that_are_missing_or_there_twice() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_spec(
            {
                "currency": "USD",
                "channels": [
                    {"channel": "a", "currency": "EUR"},
                    {"channel": "b", "currency": "usd"},
                ],
                "rates": [{"currency": "GBP", "rate": 1.2}, {"currency": "gbp", "rate": 1.3}],
            }
        )
    assert codes(caught) == [("/rates/1", "conflict"), ("/channels/0/currency", "no_rate")]


@pytest.mark.parametrize(
    ("kind", "cells", "values"),
    [
        ("yes_no", ["ja", "0", "No", "TRUE"], [1.0, 0.0, 0.0, 1.0]),
        ("percent", ["12,5 %", "20%", "7", "3"], [12.5, 20.0, 7.0, 3.0]),
        ("number", ["1", "0", "1", "5"], [1.0, 0.0, 1.0, 5.0]),
        (None, ["12%", "20%", "7%", "3%"], [12.0, 20.0, 7.0, 3.0]),
    ],
)
def test_a_control_is_read_as_its_kind(kind: str | None, cells: list[str], values: Any) -> None:
    control = {"column": "weather"} | ({"kind": kind} if kind else {})
    spec, table = wide({"weather": cells}, controls=[control])
    parsed = parse(spec, table)
    assert parsed.history.control_names == ("weather",)
    np.testing.assert_allclose(parsed.history.controls[:, 0], values * (len(WEEKS) // 4))
    assert parse(parsed.spec, table).spec == parsed.spec


def test_labels_make_a_control_each_but_the_commonest() -> None:
    labels = ["dry", "rain", "dry", "snow", ""]
    spec, table = wide({"weather": labels}, controls=[{"column": "weather", "kind": "category"}])
    history = parse(spec, table).history
    assert history.control_names == ("weather: rain", "weather: snow")
    np.testing.assert_array_equal(history.controls[:4, 0], [0.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(history.controls[:4, 1], [0.0, 0.0, 0.0, 1.0])
    assert "filled_control" in {finding.code for finding in history.findings}
    beside = text(
        [["date", "revenue", "weather"]]
        + [[f"{day}", f"{revenue}", labels[t % 4]] for t, (day, revenue, _, _) in enumerate(WEEKS)]
    )
    assert parse(spec, long("tv", "search"), beside).history.control_names == history.control_names


@pytest.mark.parametrize(
    ("kind", "cells", "code"),
    [
        ("yes_no", ["yes", "maybe"], "not_a_number"),
        ("yes_no", ["yes", "7"], "not_yes_or_no"),
        ("number", ["yes", "no"], "not_a_number"),
        ("category", [f"label {k}" for k in range(20)], "too_many_labels"),
    ],
)
def test_cells_that_are_not_of_the_kind(kind: str, cells: list[str], code: str) -> None:
    spec, table = wide({"promo": cells}, controls=[{"column": "promo", "kind": kind}])
    with pytest.raises(InvalidInput) as caught:
        parse(spec, table)
    assert caught.value.faults[0].code == code


def test_the_outcomes_column_may_be_called_so() -> None:
    spec, table = wide(outcome_column="revenue")
    assert parse(spec, table).spec["outcome"] == "revenue"
    with pytest.raises(InvalidInput) as caught:
        read_spec({"outcome_column": "a", "outcome": "b"})
    assert codes(caught) == [("/outcome_column", "conflict")]


def test_a_geo_spelt_in_two_ways_is_settled() -> None:
    rows = [["date", "region", "revenue", "spend_tv"]]
    for t, (day, revenue, tv, _) in enumerate(WEEKS):
        rows.append([f"{day}", "North" if t % 3 else "north ", f"{revenue}", f"{tv}"])
        rows.append([f"{day}", "South", f"{2 * revenue + t % 5}", f"{tv}"])
    with pytest.raises(InvalidInput) as caught:
        parse({"geo": "region"}, text(rows))
    assert caught.value.faults[0].code == "same_name"
    assert "'geos' of the spec" in caught.value.faults[0].message
    spec = {"geo": "region", "geos": [{"geo": "North", "aliases": ["north"]}]}
    parsed = parse(spec, text(rows))
    assert parsed.history.panel().geos == ("North", "South")
    assert parse(parsed.spec, text(rows)).history.panel().geos == ("North", "South")
    with pytest.raises(InvalidInput) as caught:
        read_spec({"geos": [{"geo": "a", "aliases": ["b"]}, {"geo": "b", "aliases": []}]})
    assert codes(caught) == [("/geos/1", "duplicate_geo")]


def test_a_column_that_nobody_used_is_a_warning_until_it_is_settled() -> None:
    spec, table = wide({"stock": ["4", "5", "9"]})
    (found,) = [f for f in parse(spec, table).findings if f.code == "columns_left_out"]
    assert (found.settled_by, found.data["columns"]) == ("ignore", ["stock"])
    roles = [{"channel": "tv", "spend": "spend_tv"}, {"channel": "search", "spend": "spend_search"}]
    (found,) = [
        f
        for f in parse({"channels": roles, "controls": []}, table).findings
        if f.code == "columns_left_out"
    ]
    assert found.settled_by is None  # somebody said what has a role
    for settled in ({"ignore": ["stock"]}, {"controls": ["stock"]}):
        assert "columns_left_out" not in {f.code for f in parse(settled, table).findings}
