"""Which column is the outcome: one of several, several added up, and never one as a control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.parse import check_upload, parse

WIDE = b"""week,revenue,orders,signups,promo,promo_revenue,sales_price,spend_tv
2024-01-01,100,10,1,0,20,9.5,5
2024-01-08,110,11,,1,30,9.5,6
2024-01-15,120,12,3,0,40,8.5,7
"""
WORTH = [{"column": "orders", "value": 8}, {"column": "signups", "value": 2.5}]


def faults(spec: dict[str, Any], table: bytes = WIDE) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(spec, table)
    return {fault.pointer: fault.code for fault in caught.value.faults}


def test_several_outcomes_are_added_up_at_their_values() -> None:
    parsed = parse({"outcomes": WORTH}, WIDE)
    history = parsed.history
    # What is unknown of one of them is unknown of the sum.
    np.testing.assert_array_equal(history.outcome, [82.5, np.nan, 103.5])
    assert history.outcome_name == "combined value"
    assert parsed.spec["outcomes"] == WORTH
    assert "outcome" not in parsed.spec


def test_a_completed_spec_reads_the_same_again() -> None:
    first = parse({"outcomes": WORTH}, WIDE)
    again = parse(first.spec, WIDE)
    np.testing.assert_array_equal(again.history.outcome, first.history.outcome)
    assert again.spec == first.spec


@pytest.mark.parametrize("spec", [{}, {"outcome": "orders"}, {"outcomes": WORTH}])
def test_results_beside_the_outcome_are_no_controls_and_are_named(spec: dict[str, Any]) -> None:
    parsed = parse(spec, WIDE)
    assert parsed.history.control_names == ("promo", "sales_price")
    (finding,) = [f for f in parsed.findings if f.code == "other_outcomes"]
    used = {item["column"] for item in spec.get("outcomes", ())} | {spec.get("outcome", "revenue")}
    if "outcomes" in spec:
        used.discard("revenue")
    expected = {"revenue", "orders", "signups", "promo_revenue"} - used
    # Where nothing is said revenue is the outcome.
    assert set(finding.data["columns"]) == expected


def test_a_flag_is_no_result_whatever_its_name() -> None:
    table = WIDE.replace(b"promo_revenue", b"sales_promo").replace(b",20,", b",0,")
    table = table.replace(b",30,", b",1,").replace(b",40,", b",0,")
    assert "sales_promo" in parse({}, table).history.control_names


def test_a_long_history_takes_several_outcomes_from_their_own_table() -> None:
    long = b"date,channel,spend,orders\n2024-01-01,tv,5,1\n2024-01-08,tv,6,2\n2024-01-15,tv,7,3\n"
    told = b"date,orders,signups\n2024-01-01,10,1\n2024-01-08,11,2\n2024-01-15,12,3\n"
    parsed = parse({"outcomes": WORTH}, long, told)
    np.testing.assert_array_equal(parsed.history.outcome, [82.5, 93.0, 103.5])
    assert parse(parsed.spec, long, told).spec == parsed.spec
    waiting = check_upload({"outcomes": WORTH}, long)
    assert "outcomes_missing" in {finding.code for finding in waiting.findings}


def test_several_outcomes_among_the_rows_of_a_long_history() -> None:
    rows = b"date,channel,spend,orders,signups\n2024-01-01,tv,5,1,2\n2024-01-01,sem,5,3,4\n"
    rows += b"2024-01-08,tv,6,5,6\n2024-01-15,sem,7,7,8\n"
    parsed = parse({"outcomes": WORTH}, rows)
    np.testing.assert_array_equal(parsed.history.outcome, [47.0, 55.0, 76.0])
    found = {finding.code: finding.message for finding in parsed.findings}
    assert "'orders' and 'signups'" in found["outcome_from_rows"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"outcome": "revenue", "outcomes": WORTH}, {"/outcome": "conflict"}),
        ({"outcomes": []}, {"/outcomes": "too_short"}),
        ({"outcomes": "orders"}, {"/outcomes": "wrong_type"}),
        ({"outcomes": ["orders"]}, {"/outcomes/0": "wrong_type"}),
        (
            {"outcomes": [{"column": "orders", "worth": 2}]},
            {"/outcomes/0/worth": "unknown_field", "/outcomes/0/value": "required"},
        ),
        ({"outcomes": [{"column": "orders", "value": True}]}, {"/outcomes/0/value": "wrong_type"}),
        ({"outcomes": [{"column": "orders", "value": 0}]}, {"/outcomes/0/value": "no_value"}),
        ({"outcomes": [{"value": 1}]}, {"/outcomes/0/column": "required"}),
        (
            {"outcomes": [{"column": "ordres", "value": 1}]},
            {"/outcomes/0/column": "unknown_column"},
        ),
        (
            {"outcomes": [*WORTH, {"column": "orders", "value": 1}]},
            {"/outcomes/2/column": "column_used_twice"},
        ),
        (
            {"outcomes": WORTH, "controls": ["orders"]},
            {"/controls/0": "column_used_twice"},
        ),
    ],
)
def test_what_is_wrong_with_outcomes(spec: dict[str, Any], expected: dict[str, str]) -> None:
    assert faults(spec) == expected


def test_an_outcome_of_several_that_is_all_empty() -> None:
    table = b"week,orders,signups,spend_tv\n2024-01-01,1,,5\n2024-01-08,2,,6\n2024-01-15,3,,7\n"
    assert faults({"outcomes": WORTH}, table) == {"/rows/2/signups": "empty_outcome"}


def test_countries_whose_holidays_nobody_knows() -> None:
    for country in ("XX", "us", "USA"):
        code = "too_long" if len(country) > 2 else "unknown_value"
        assert faults({"holidays_country": country}) == {"/holidays_country": code}
    assert parse({"holidays_country": "DE"}, WIDE).spec["holidays_country"] == "DE"


def test_spend_and_outcomes_in_two_currencies() -> None:
    long = "date,channel,spend\n2024-01-01,tv,€5\n2024-01-08,tv,€6\n2024-01-15,tv,€7\n".encode()
    told = b"date,revenue\n2024-01-01,$50\n2024-01-08,$60\n2024-01-15,$70\n"
    with pytest.raises(InvalidInput) as caught:
        parse(None, long, told)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == ("/outcomes/rows/2/revenue", "mixed_currencies")
    assert "is in $, row 2, column 'spend', in €" in fault.message
    plain = told.replace(b"$", b"")
    np.testing.assert_array_equal(parse(None, long, plain).history.outcome, [50, 60, 70])


def test_an_outcome_that_is_a_product() -> None:
    """Conversions times the revenue of each: told as one product, kept as the spec has several."""
    rows = [
        f"2024-{1 + t // 4:02d}-{1 + 7 * (t % 4):02d},{10 + t % 3},{5 + t % 2},{t}"
        for t in range(4)
    ]
    table = "\n".join(["date,conversions,revenue_per_conversion,spend_tv", *rows]).encode()
    spec = {"outcome": {"product": ["conversions", "revenue_per_conversion"]}}
    parsed = parse(spec, table)
    np.testing.assert_array_equal(
        parsed.history.outcome, [(10 + t % 3) * (5 + t % 2) for t in range(4)]
    )
    assert parse(parsed.spec, table).spec == parsed.spec
    with pytest.raises(InvalidInput, match="no column 'margin'"):
        parse({"outcome": {"product": ["conversions", "margin"]}}, table)
