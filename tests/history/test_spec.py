"""The spec's own form, and guesses of roles by name."""

from __future__ import annotations

import pytest

from shared.errors import InvalidInput
from shared.history.faults import near_misses
from shared.history.reading import read_table
from shared.history.roles import find_date, guess_roles
from shared.history.spec import Spec, read_spec


def faults(data):
    with pytest.raises(InvalidInput) as caught:
        read_spec(data)
    return [(fault.pointer, fault.code, fault.message) for fault in caught.value.faults]


def test_the_contracts_example_survives():
    data = {
        "date": "date",
        "outcome": "revenue",
        "frequency": "week",
        "currency": "USD",
        "channels": [
            {"channel": "tv", "spend": "spend_tv", "impressions": "grp_tv"},
            {"channel": "search", "spend": "spend_search", "scale": 1e-6},
        ],
        "controls": ["promo", "price_index"],
        "decimal": ",",
        "events": "holiday",
        "geo": None,
        "holidays_country": "US",
        "priors": [{"channel": "tv", "roi_median": 1.4, "roi_sd_log": 0.5}],
        "lift_tests": [
            {
                "channel": "tv",
                "start": "2025-03-03",
                "end": "2025-03-30",
                "spend_change": -100.0,
                "outcome_change": -90.0,
                "standard_error": 20.0,
            }
        ],
        "model": {"kind": "bayesian", "interactions": [["tv", "search"]]},
    }
    assert read_spec(data).to_dict() == data


def test_nothing_said_is_nothing_known():
    assert read_spec(None) == read_spec({}) == Spec()
    assert read_spec({}).to_dict() == {"currency": None}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"chanels": []}, ("/chanels", "unknown_field")),
        ({"frequency": "weekly"}, ("/frequency", "unknown_value")),
        ({"holidays_country": "USA"}, ("/holidays_country", "too_long")),
        ({"model": {"trend": "round"}}, ("/model/trend", "unknown_value")),
        ({"model": {"seasonality": ["week"]}}, ("/model/seasonality/0", "unknown_value")),
        ({"model": {"holidays_lead": 61}}, ("/model/holidays_lead", "out_of_range")),
        ({"features": [{"name": "f", "kind": "guess"}]}, ("/features/0/kind", "unknown_value")),
        ({"outcome_unit": "euro"}, ("/outcome_unit", "unknown_value")),
        ({"decimal": ";"}, ("/decimal", "unknown_value")),
        ({"decimal": ",", "thousands": ","}, ("/thousands", "conflict")),
        *(
            ({"channels": [{"channel": "a", "scale": x}]}, ("/channels/0/scale", code))
            for x, code in (
                (0, "out_of_range"),
                (-1, "out_of_range"),
                ("micro", "wrong_type"),
                (True, "wrong_type"),
                (float("inf"), "not_finite"),
                (float("nan"), "not_finite"),
            )
        ),
        ({"date": 5}, ("/date", "wrong_type")),
        ({"outcome": " "}, ("/outcome", "too_short")),
        ({"channels": []}, ("/channels", "too_short")),
        ({"channels": "tv"}, ("/channels", "wrong_type")),
        ({"channels": ["tv"]}, ("/channels/0", "wrong_type")),
        ({"channels": [{"spend": "a"}]}, ("/channels/0/channel", "required")),
        ({"channels": [{"channel": "a/b"}]}, ("/channels/0/channel", "bad_name")),
        ({"channels": [{"channel": "a", "cost": "b"}]}, ("/channels/0/cost", "unknown_field")),
        (
            {"channels": [{"channel": "a"}, {"channel": "a"}]},
            ("/channels/1/channel", "duplicate_channel"),
        ),
        ({"controls": "promo"}, ("/controls", "wrong_type")),
        ({"controls": ["promo", 5]}, ("/controls/1", "wrong_type")),
        ({"date": "a", "outcome": "a"}, ("/outcome", "column_used_twice")),
        ("spec", ("", "wrong_type")),
    ],
)
def test_faults_point_into_the_spec(data, expected):
    assert faults(data)[0][:2] == expected


def test_of_several_ways_to_say_it_the_nearest_is_meant_else_all_are_named():
    ((where, code, text),) = faults({"controls": [{"column": "a", "kind": "words"}]})
    assert (where, code) == ("/controls/0/kind", "unknown_value")
    ((where, _, text),) = faults({"channels": [{"channel": "a", "scale": "micro"}]})
    assert where == "/channels/0/scale"
    assert text.startswith("scale of a must be a number or one of 'micros',")
    assert text.endswith("it is 'micro'. Did you mean 'micros'?")


def test_all_faults_at_once():
    assert len(faults({"chanels": [], "frequency": "weekly", "date": 5})) == 3


def test_near_misses():
    assert faults({"chanels": []})[0][2] == (
        "'chanels' is no field of the request. Did you mean 'channels'?"
    )
    assert near_misses("zzz", ["a", "b"]) == "There are: 'a', 'b'."
    assert near_misses("zzz", [f"a{i}" for i in range(20)]).endswith("'a11' and more.")


def guessed(header: str, row: str, **spec):
    table = read_table(f"{header}\n{row}\n".encode())
    date, _ = find_date(table, Spec())
    return date, *guess_roles(Spec(**spec), table, date, outcomes_only=False)


@pytest.mark.parametrize(
    ("columns", "channels"),
    [
        ("spend_tv,spend_search", {"tv": "spend_tv", "search": "spend_search"}),
        ("tv_spend,search_spend", {"tv": "tv_spend", "search": "search_spend"}),
        ("tv_S,search_S", {"tv": "tv_S", "search": "search_S"}),
        (
            "Channel0_spend,Channel1_spend",
            {"Channel0": "Channel0_spend", "Channel1": "Channel1_spend"},
        ),
        ("spend_cr_tv,spend_cr_sem", {"tv": "spend_cr_tv", "sem": "spend_cr_sem"}),
        ("Cost TV,Cost Paid Search", {"TV": "Cost TV", "Paid_Search": "Cost Paid Search"}),
        ("spend,other", {"spend": "spend"}),
        ("spend_tv,total_spend", {"tv": "spend_tv"}),
    ],
)
def test_spend_columns(columns, channels):
    _, spec, _ = guessed(f"date,{columns},revenue", "2024-01-01,1,2,3")
    assert {role.channel: role.spend for role in spec.channels} == channels


def test_impressions_find_their_channel():
    header = "date,tv_spend,tv_impressions,facebook_S,facebook_I,grp_radio,radio_spend,revenue"
    _, spec, _ = guessed(header, "2024-01-01,1,2,3,4,5,6,7")
    assert {role.channel: role.impressions for role in spec.channels} == {
        "tv": "tv_impressions",
        "facebook": "facebook_I",
        "radio": "grp_radio",
    }


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [
        ("revenue,conversions", "revenue"),
        ("platform_revenue,conversions", "conversions"),
        ("competitor_sales,y", "y"),
        ("revenue_per_conversion,orders", "orders"),
        ("total_revenue,units", "total_revenue"),
        ("mean_order_gmv,gmv", "gmv"),
        ("units,clicks", None),
    ],
)
def test_outcomes(columns, outcome):
    _, spec, _ = guessed(f"date,spend_tv,{columns}", "2024-01-01,1,2,3")
    assert spec.outcome == outcome


def test_only_telling_names_become_controls():
    header = "date,spend_tv,revenue,promo,price_index,competitor_sales,temperature,nps"
    _, spec, findings = guessed(header, "2024-01-01,1,2,3,4,5,6,7")
    assert spec.controls == ["promo", "price_index", "competitor_sales"]
    left = [f.data["columns"] for f in findings if f.code == "columns_left_out"]
    assert left == [["temperature", "nps"]]


def test_what_the_spec_says_is_not_guessed():
    header = "date,spend_tv,spend_radio,revenue,promo"
    said = read_spec({"channels": [{"channel": "tv", "spend": "spend_tv"}], "controls": []})
    table = read_table(f"{header}\n2024-01-01,1,2,3,4\n".encode())
    spec, findings = guess_roles(said, table, "date", outcomes_only=False)
    assert [role.channel for role in spec.channels] == ["tv"]
    assert spec.controls == []
    assert [f.data["columns"] for f in findings if f.code == "columns_left_out"] == [
        ["spend_radio", "promo"]
    ]


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ("week,week_start,revenue", "1,2024-01-01,5", "week_start"),
        ("order_date,Month_Year,revenue", "2024-01-05,2024-01,5", "Month_Year"),
        ("a,b,revenue", "x,2024-01-01,5", "b"),
        ("id,ds,revenue", "20240101,20240101,5", "ds"),
    ],
)
def test_date_columns(header, row, column):
    assert find_date(read_table(f"{header}\n{row}\n".encode()), Spec())[0] == column
