"""Amounts in two currencies or units are refused, or stay a finding, until the spec tells them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.history.amounts import currency_sign, without_currency
from shared.history.parse import parse
from tests.history.test_doubles import (
    DAYS,
    FORMATS,
    OUTCOMES,
    SEARCH,
    SOLD,
    TV,
    Maker,
    Rows,
    as_csv,
    faults,
    long,
    unsettled,
    wide,
)


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("1,234 USD", ("", "1,234", "USD")),
        ("usd 1,234", ("", "1,234", "USD")),
        ("Rs. 1,23,456.00", ("", "1,23,456.00", "Rs.")),
        ("Rs.5", ("", "5", "Rs.")),
        ("-R$ 1.234,56", ("-", "1.234,56", "R$")),
        ("$-.5", ("-", ".5", "$")),
        ("5. kr", ("", "5.", "kr")),
        ("\u22129 €", ("-", "9", "€")),
        ("7", ("", "7", "")),
        ("7 pieces", ("", "7 pieces", "")),
        ("USD 7 $", ("", "USD 7 $", "")),
        ("--7", ("", "--7", "")),
    ],
)
def test_currency_beside_a_number(cell: str, parts: tuple[str, str, str]) -> None:
    assert without_currency(cell) == parts


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("revenue_usd", "USD"),
        ("Amount spent (USD)", "USD"),
        ("costEUR", "EUR"),
        ("Cost (US$)", "US$"),
        ("Revenue ($ USD)", "USD"),
        ("usd_eur", ""),
        ("spend_all_try_hards", "TRY"),
        ("spend_tv", ""),
    ],
)
def test_currency_in_a_name(name: str, sign: str) -> None:
    assert currency_sign(name) == sign


# -- two currencies ----------------------------------------------------------------------------


def renamed(rows: Rows, **names: str) -> Rows:
    return [[names.get(str(name), name) for name in rows[0]], *rows[1:]]


@FORMATS
def test_costs_in_one_currency_and_value_in_another(made: Maker) -> None:
    rows = renamed(wide(google_cost_sek=TV, meta_cost_sek=SEARCH), revenue="revenue_usd")
    (fault,) = faults(made(rows))
    assert (fault.pointer, fault.code) == ("/rows/1/revenue_usd", "mixed_currencies")
    assert "'scale'" in fault.message
    assert "'outcomes'" in fault.message
    worth = {"outcomes": [{"column": "revenue_usd", "value": 10.5}], "currency": "SEK"}
    np.testing.assert_allclose(parse(worth, made(rows)).history.outcome, 10.5 * SOLD)
    columns = {"google": "google_cost_sek", "meta": "meta_cost_sek"}
    scaled: dict[str, Any] = {
        "currency": "USD",
        "channels": [{"channel": n, "spend": c, "scale": 0.095} for n, c in columns.items()],
    }
    history = parse(scaled, made(rows)).history
    np.testing.assert_allclose(history.spend, 0.095 * np.column_stack([TV, SEARCH]))
    for spec in ({**worth, "currency": "USD"}, {**scaled, "currency": "SEK"}):
        assert faults(made(rows), spec=spec)[0].code == "mixed_currencies"
    scaled["channels"][1].pop("scale")
    assert faults(made(rows), spec=scaled)[0].pointer == "/rows/1/meta_cost_sek"


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ("$", "USD", True),
        ("US$", "CA$", False),
        ("$", "A$", True),
        ("kr", "SEK", True),
        ("€", "EUR", True),
        ("€", "£", False),
        ("Rs.", "INR", True),
        ("¥", "$", False),
    ],
)
def test_signs_and_codes_of_cells(first: str, second: str, fits: bool) -> None:
    rows = wide(spend_tv=TV, spend_search=SEARCH)
    for row in rows[1:]:
        row[2:] = f"{first}{row[2]}", f"{row[3]} {second}"
    if fits:
        np.testing.assert_array_equal(parse(None, as_csv(rows)).history.spend[:, 0], TV)
        return
    (fault,) = faults(as_csv(rows))
    assert (fault.pointer, fault.code) == ("/rows/2/spend_search", "mixed_currencies")


@FORMATS
@pytest.mark.parametrize("header", ["currency", "Currency code", "unit"])
def test_a_column_of_currencies(header: str, made: Maker) -> None:
    rows = long(header, tv=TV, search=SEARCH)
    for row in rows[1:]:
        row[3] = {"tv": "EUR", "search": "USD"}[row[1]]
    (fault,) = faults(made(rows), OUTCOMES)
    assert (fault.pointer, fault.code) == (f"/rows/3/{header}", "mixed_currencies")
    spec = {"channels": [{"channel": "tv"}, {"channel": "search", "scale": 0.9}]}
    history = parse(spec, made(rows), OUTCOMES).history
    np.testing.assert_allclose(history.spend, np.column_stack([TV, 0.9 * SEARCH]))
    rows[4][3] = "EUR"  # now search is in both, and no one scale makes it one
    assert faults(made(rows), OUTCOMES, spec=spec)[0].pointer == f"/rows/5/{header}"
    for row in rows[1:]:
        row[3] = "EUR"
    parse({"currency": "EUR"}, made(rows), OUTCOMES)
    (fault,) = faults(made(rows), OUTCOMES, spec={"currency": "USD"})
    assert (fault.pointer, fault.code) == (f"/rows/2/{header}", "mixed_currencies")


def test_a_scale_says_nothing_of_the_outcome_of_its_rows() -> None:
    rows = long("revenue", "currency", tv=TV, search=SEARCH)
    for i, row in enumerate(rows[1:]):
        row[3:] = [100.0 + i * i % 37, {"tv": "EUR", "search": "USD"}[row[1]]]
    spec = {"channels": [{"channel": "tv"}, {"channel": "search", "scale": 0.9}]}
    assert faults(as_csv(rows), spec=spec)[0].code == "mixed_currencies"


def test_currencies_of_spend_and_of_outcomes_in_tables_of_their_own() -> None:
    told = as_csv([["date", "revenue", "ccy"], *zip(DAYS, SOLD, ["USD"] * len(DAYS), strict=True)])
    spend = long("currency", tv=TV)
    euros = as_csv([spend[0], *([*row[:3], "EUR"] for row in spend[1:])])
    (fault,) = faults(euros, told)
    assert (fault.pointer, fault.code) == ("/outcomes/rows/2/ccy", "mixed_currencies")
    worth = {"outcomes": [{"column": "revenue", "value": 0.9}]}
    np.testing.assert_allclose(parse(worth, euros, told).history.outcome, 0.9 * SOLD)


# -- two units ---------------------------------------------------------------------------------


@FORMATS
@pytest.mark.parametrize("word", ["micros", "in_micro_dollar", "cents", "thousands"])
def test_a_unit_in_a_name_is_refused_until_the_spec_tells_its_worth(word: str, made: Maker) -> None:
    column = f"google_cost_{word}"
    rows = wide(**{column: TV, "bing_spend": SEARCH})
    (fault,) = faults(made(rows))
    assert (fault.pointer, fault.code) == (f"/rows/1/{column}", "unit_of_amounts")
    assert "'scale'" in fault.message
    roles: list[dict[str, Any]] = [{"channel": name, "spend": name} for name in rows[0][2:]]
    roles[0]["scale"] = 1e-6
    history = parse({"channels": roles}, made(rows)).history
    np.testing.assert_allclose(history.spend, np.column_stack([1e-6 * TV, SEARCH]))


def test_a_unit_in_the_name_of_the_outcome_and_of_a_long_tables_spend() -> None:
    rows = as_csv(renamed(wide(spend_tv=TV), revenue="revenue_micros"))
    (fault,) = faults(rows)
    assert (fault.pointer, fault.code) == ("/rows/1/revenue_micros", "unit_of_amounts")
    worth = {"outcomes": [{"column": "revenue_micros", "value": 1e-6}]}
    np.testing.assert_allclose(parse(worth, rows).history.outcome, 1e-6 * SOLD)
    table = as_csv(renamed(long(tv=TV, search=SEARCH), spend="cost_micros"))
    roles: list[dict[str, Any]] = [
        {"channel": name, "spend": "cost_micros"} for name in ("tv", "search")
    ]
    (fault,) = faults(table, OUTCOMES, spec={"channels": roles})
    assert (fault.pointer, fault.code) == ("/rows/1/cost_micros", "unit_of_amounts")
    roles = [{**role, "scale": 1e-6} for role in roles]
    history = parse({"channels": roles}, table, OUTCOMES).history
    np.testing.assert_allclose(history.spend, 1e-6 * np.column_stack([TV, SEARCH]))


@FORMATS
def test_millionths_that_no_name_tells_stay_a_finding_until_the_spec_does(made: Maker) -> None:
    for rows, tables in (
        (wide(google=1e6 * TV, bing=SEARCH), ()),
        (long(google=1e6 * TV, bing=SEARCH), (OUTCOMES,)),
    ):
        roles: list[dict[str, Any]] = [{"channel": name} for name in ("google", "bing")]
        if not tables:
            roles = [{**role, "spend": role["channel"]} for role in roles]
        before = parse({"channels": roles}, made(rows), *tables)
        assert ("units_differ", "channels[].scale") in unsettled(before)
        roles[0]["scale"] = 1e-6
        after = parse({"channels": roles}, made(rows), *tables)
        assert unsettled(after) == []
        np.testing.assert_allclose(after.history.spend, np.column_stack([TV, SEARCH]))


def test_spend_in_millionths_beside_an_outcome_in_money() -> None:
    rows = as_csv(wide(google_spend=1e6 * TV, bing_spend=1e6 * SEARCH))
    (finding,) = [f for f in parse(None, rows).findings if f.settled_by]
    assert (finding.code, finding.settled_by) == ("units_differ", "channels[].scale")
    assert "Spend in all" in finding.message
    count = {"outcome_unit": "count"}
    assert unsettled(parse(count, rows)) == []
    small = as_csv(wide(google_spend=1e-5 * TV))
    assert unsettled(parse(None, small)) == [("units_differ", "outcomes[].value")]
