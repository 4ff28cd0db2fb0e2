"""The data report: what is wrong with a history is named, what is fine is left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.history.parse import check_upload, parse
from shared.history.report import data_report
from shared.history.table import History
from tests.fit.histories import simulated, table

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
public = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not here")


def found(report: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [f["data"] | {"message": f["message"]} for f in report["findings"] if f["code"] == code]


def spending(seed: int = 0, rows: int = 120, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(3.0, 0.5, (rows, channels))


def sales(spend: np.ndarray, noise: float = 1.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 300 + spend.sum(axis=1) + noise * rng.normal(size=len(spend))


def test_a_good_history_is_enough_and_nothing_is_found() -> None:
    report = data_report(simulated(rows=156)[0], {"outcome_unit": "money"})
    assert report["verdict"] == "enough"
    assert report["findings"] == report["would_help"] == report["collinear"] == []
    assert report["currency"] == "EUR"
    assert [c["can_be_seen"] for c in report["channels"]] == [True] * 3
    assert sum(c["share_of_spend"] for c in report["channels"]) == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "unit"), [("gmv", "money"), ("signups", "count")])
def test_an_assumed_unit_of_the_outcome_is_told_and_how_to_say_it(name: str, unit: str) -> None:
    history = replace(simulated(rows=156)[0], outcome_name=name)
    (finding,) = found(data_report(history), "outcome_unit_assumed")
    assert finding["outcome_unit"] == unit
    assert f"'{name}' is taken to be" in finding["message"]
    other = {"money": "count", "count": "money"}[unit]
    assert f'"outcome_unit": "{other}"' in finding["message"]
    for said in ({"outcome_unit": other}, {"outcome_unit": unit}):
        assert found(data_report(history, said), "outcome_unit_assumed") == []


def test_outcomes_added_up_at_their_values_are_money() -> None:
    history = replace(simulated(rows=156)[0], outcome_name="combined value")
    spec = {"outcomes": [{"column": "orders", "value": 40.0}]}
    assert found(data_report(history, spec), "outcome_unit_assumed") == []


def test_the_visible_return_is_two_standard_errors_of_least_squares() -> None:
    """Against a textbook regression, written out, on data without season."""
    spend = spending(rows=40)
    history = table(sales(spend, 9.0), spend)
    told = [c["smallest_visible_return"] for c in data_report(history)["channels"]]
    columns = np.column_stack([np.ones(40), np.arange(40), spend])
    inverse = np.linalg.inv(columns.T @ columns)
    rest = history.outcome - columns @ (inverse @ columns.T @ history.outcome)
    variance = rest @ rest / (40 - 5) * np.diag(inverse)
    assert told == pytest.approx((2 * np.sqrt(variance))[2:].tolist(), rel=1e-6)


def test_noise_makes_it_thin_and_advises_tests_of_the_right_size() -> None:
    spend = spending()
    report = data_report(table(sales(spend, 100.0), spend))
    assert report["verdict"] == "thin"
    assert "noise hides" in report["why"][0]
    advised = [text for text in report["would_help"] if text.startswith("A lift test of")]
    assert advised
    for channel in report["channels"]:
        test = channel["lift_test"]
        effect = report["yardstick_return"] * test["spend_change"]
        error = 100.0 * np.sqrt(test["periods"])
        assert effect / error == pytest.approx(2.8, rel=0.25)


@pytest.mark.slow
def test_a_test_of_the_advised_size_shows_the_effect_four_times_in_five() -> None:
    spend, rng = spending(rows=200), np.random.default_rng(4)
    shown = []
    for seed in range(300):
        history = table(sales(spend, 100.0, seed), spend)
        report = data_report(history)
        test = report["channels"][0]["lift_test"]
        lift = report["yardstick_return"] * test["spend_change"]
        weeks = rng.normal(0, 100.0, test["periods"]).sum() + lift
        shown.append(abs(weeks) > 1.96 * 100.0 * np.sqrt(test["periods"]))
    assert 0.70 < np.mean(shown) < 0.90


def test_few_rows_are_not_enough_and_it_says_how_many_more() -> None:
    spend = spending(rows=30)
    report = data_report(table(sales(spend), spend))
    assert report["verdict"] == "not enough"
    assert report["rows"]["needed"] == 39
    assert report["would_help"][0] == "9 more weeks (to 39)."
    monthly = data_report(table(sales(spend[:12]), spend[:12], frequency="month"))
    assert "week by week (52 rows)" in monthly["would_help"][0]


def test_coverage_names_late_starts_early_stops_and_pauses() -> None:
    spend = spending(channels=4)
    spend[:30, 0] = 0.0
    spend[90:, 1] = 0.0
    spend[20:70, 2] = 0.0
    report = data_report(table(sales(spend), spend))
    a, b, c, d = report["channels"]
    assert (a["late_start"], a["early_stop"], a["periods_with_spend"]) == (True, False, 0.75)
    assert (b["late_start"], b["early_stop"]) == (False, True)
    assert c["longest_zero_stretch"] == 50
    assert not d["late_start"]
    assert d["longest_zero_stretch"] == 0
    assert [f["channel"] for f in found(report, "starts_late_or_stops_early")] == ["a", "b"]
    assert [f["channel"] for f in found(report, "long_pause")] == ["c"]
    assert a["first"] == "2021-08-02"


def test_spend_that_never_varied_and_none_at_all() -> None:
    spend = spending()
    spend[:, 1] = 50.0
    spend[:, 2] = 0.0
    report = data_report(table(sales(spend), spend))
    assert [f["channel"] for f in found(report, "spend_never_varied")] == ["b"]
    assert any(text.startswith("Vary 'b'") for text in report["would_help"])
    assert report["channels"][1]["smallest_visible_return"] is None
    assert report["channels"][1]["can_be_seen"] is False
    assert report["channels"][2]["first"] is None
    constant = np.full((120, 2), 7.0)
    varied = np.random.default_rng(0).normal(100, 1, 120)
    still = data_report(table(varied, constant))
    assert (still["verdict"], still["why"]) == (
        "not enough",
        ["Spend never varied in any channel."],
    )
    nothing = data_report(table(varied, 0.0 * constant))
    assert nothing["verdict"] == "not enough"


def test_channels_that_cannot_be_told_apart_are_named() -> None:
    rng = np.random.default_rng(2)
    spend = spending(channels=5)
    spend[:, 1] = 2.0 * spend[:, 0] + rng.normal(0, 0.5, 120)
    report = data_report(table(sales(spend), spend))
    (group,) = report["collinear"]
    assert group["channels"] == ["a", "b"]
    assert group["correlation"] > 0.99
    assert group["condition_index"] is None
    assert any("Vary 'a' and 'b' separately" in text for text in report["would_help"])


def test_three_channels_that_only_add_up_are_found_by_condition() -> None:
    """No pair is alike, and still one is the sum of the others."""
    rng = np.random.default_rng(3)
    spend = spending(channels=4)
    spend[:, 2] = spend[:, 0] + spend[:, 1] + rng.normal(0, 0.05, 120)
    report = data_report(table(sales(spend), spend))
    (group,) = report["collinear"]
    assert group["channels"] == ["a", "b", "c"]
    assert abs(group["correlation"]) < 0.9
    assert group["condition_index"] > 30
    assert report["condition"] == pytest.approx(group["condition_index"])


def test_drivers_that_foretell_spend_are_named() -> None:
    rng = np.random.default_rng(5)
    promo = (rng.uniform(size=156) < 0.2).astype(float)
    spend = spending(rows=156)
    spend[:, 0] = 20 + 40 * promo + rng.normal(0, 3, 156)
    history = table(sales(spend), spend, controls=promo[:, None])
    (told,) = found(data_report(history), "spend_follows_drivers")
    assert told["channel"] == "a"
    assert told["r2"] == pytest.approx(np.corrcoef(promo, spend[:, 0])[0, 1] ** 2, abs=0.03)
    assert "control_0 9" in told["message"]


def test_budgets_set_by_sales_are_seen_and_mere_persistence_is_not() -> None:
    rng = np.random.default_rng(6)
    spend = spending(rows=156, channels=2)
    outcome = np.zeros(156)
    for t in range(156):
        if t:
            spend[t, 0] = 0.2 * outcome[t - 1] + rng.normal(0, 4)
        outcome[t] = 200 + spend[t].sum() + rng.normal(0, 40)
    spend = np.maximum(spend, 0.0)
    assert [
        f["channel"] for f in found(data_report(table(outcome, spend)), "spend_follows_outcome")
    ] == ["a"]
    slow = spending(rows=156, channels=2)
    for t in range(1, 156):
        slow[t] = 0.9 * slow[t - 1] + 0.1 * slow[t]
    lasting = 100 + 5 * slow.sum(axis=1) + rng.normal(0, 3, 156)
    assert not found(data_report(table(lasting, slow)), "spend_follows_outcome")


def test_controls_that_are_results_of_sales_are_named() -> None:
    spend = spending()
    outcome = sales(spend, 30.0)
    orders = outcome / 25 + np.random.default_rng(1).normal(0, 0.1, 120)
    controls = np.column_stack([orders, np.ones(120)])
    report = data_report(table(outcome, spend, controls=controls))
    assert [f["column"] for f in found(report, "control_like_outcome")] == ["control_0"]
    assert [f["column"] for f in found(report, "control_never_varied")] == ["control_1"]


def test_features_of_spend_are_warned_about_and_others_are_not() -> None:
    spend = spending()
    history = table(sales(spend), spend, controls=spending(9)[:, :1])
    spec = {
        "channels": [{"channel": "b", "spend": "cost b"}],
        "features": [
            {"name": "one", "kind": "lag", "column": "control_0"},
            {"name": "two", "kind": "moving_average", "column": "cost b", "window": 4},
            {"name": "three", "kind": "share_of_voice", "of": ["control_0"]},
        ],
    }
    told = found(data_report(history, spec), "feature_of_spend")
    assert [(f["feature"], f["channels"]) for f in told] == [
        ("two", ["b"]),
        ("three", ["a", "b", "c"]),
    ]


def test_outliers_are_dated_unless_an_event_explains_them() -> None:
    spend = spending()
    spend[33, 1] = 9000.0
    outcome = sales(spend, 5.0)
    outcome[33] -= 9000.0
    outcome[50] += 3000.0
    outcome[70] += 3000.0
    events = ["gala" if t == 70 else "" for t in range(120)]
    history = table(outcome, spend, events=events)
    report = data_report(history)
    assert report["outliers"]["outcome"] == [history.dates[50].isoformat()]
    assert report["outliers"]["spend"] == {"b": [history.dates[33].isoformat()]}
    assert found(report, "outcome_outliers")
    assert found(report, "spend_outliers")[0]["channel"] == "b"


def test_money_without_a_currency() -> None:
    spend = spending()
    report = data_report(replace(table(sales(spend), spend), currency=None))
    assert report["currency"] is None
    assert found(report, "currency_unknown")


@pytest.mark.parametrize("scale", [1e-100, 1e-12, 1.0, 1e12, 1e100], ids=lambda scale: f"{scale:g}")
@pytest.mark.parametrize("rows", [1, 2, 7, 9, 60])
def test_every_report_is_json_whatever_the_size(rows: int, scale: float) -> None:
    spend = spending(rows=rows) / 100
    outcome = sales(spend) * scale / 1000
    outcome[rows // 2 :: 5] = np.nan
    history = table(outcome, spend * scale, controls=spending(4, rows)[:, :1] * scale)
    json.dumps(data_report(history), allow_nan=False)


def test_unknown_outcomes_and_hundreds_of_channels() -> None:
    spend = spending(rows=60)
    json.dumps(data_report(table(np.full(60, np.nan), spend)), allow_nan=False)
    many = np.random.default_rng(0).uniform(1, 2, (60, 300))
    history = History(
        dates=table(many[:, 0], spend).dates,
        frequency="week",
        outcome_name="revenue",
        outcome=many.sum(axis=1),
        channels=tuple(f"c{k}" for k in range(300)),
        spend=many,
        control_names=(),
        controls=np.zeros((60, 0)),
        events=("",) * 60,
    )
    report = data_report(history)
    assert len(report["channels"]) == 300
    assert report["verdict"] == "not enough"


def read(path: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    parsed = parse(spec, (DATA / path).read_bytes())
    return data_report(parsed.history, parsed.spec)


@public
def test_the_fifteen_months_joined_on_the_month_number() -> None:
    names = "TV,Digital,Sponsorship,Content Marketing,Online marketing,Affiliates,SEM,Radio,Other"
    spec = {
        "date": "Month_Year",
        "outcome": "gmv",
        "channels": [{"channel": name, "spend": name} for name in names.split(",")],
    }
    report = read("seed_market_lens/Monthly_Master.csv", spec)
    assert report["verdict"] == "not enough"
    assert "joined on the month without the year" in report["why"][1]
    groups = [set(group["channels"]) for group in report["collinear"]]
    assert {"Online marketing", "Affiliates"} in groups
    assert {"Digital", "Content Marketing", "SEM"} in groups
    assert [f["column"] for f in found(report, "control_like_outcome")] == ["List Price"]


@public
@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("robyn_weekly/dt_simulated_weekly.csv", "enough"),
        ("pysimmmulator_weekly/data.csv", "enough"),
        ("pysimmmulator_daily/data.csv", "thin"),  # spend stays put for a week at a time
        ("eleckart_weekly/weekly.csv", "thin"),
        ("seed_market_lens/monthly_clean.csv", "not enough"),
        ("campaign_romi/campaign_daily.csv", "not enough"),
        ("visible_synth/dev_weekly_8ch_promo_confounded/history.csv", "enough"),
    ],
)
def test_public_histories(path: str, verdict: str) -> None:
    report = read(path)
    assert report["verdict"] == verdict
    json.dumps(report, allow_nan=False)


@public
def test_the_confounded_set_names_its_promotions() -> None:
    report = read("visible_synth/dev_weekly_8ch_promo_confounded/history.csv")
    told = found(report, "spend_follows_drivers")
    assert told
    assert max(told[0]["by"], key=told[0]["by"].get) == "promo"


def test_an_upload_carries_its_report() -> None:
    lines = ["week,revenue,spend_tv,spend_radio"]
    history = simulated(rows=45, channels=2)[0]
    lines += [
        f"{day},{outcome:.3f},{tv:.2f},{radio:.2f}"
        for day, outcome, (tv, radio) in zip(
            history.dates, history.outcome, history.spend, strict=True
        )
    ]
    answer = check_upload(None, "\n".join(lines).encode()).to_dict()
    assert answer["data_report"]["verdict"] == "thin"
    assert [c["channel"] for c in answer["data_report"]["channels"]] == ["tv", "radio"]
    spend_only = "date,channel,spend\n2024-01-01,tv,5\n2024-01-08,tv,6\n2024-01-15,tv,9\n"
    assert check_upload(None, spend_only.encode()).to_dict()["data_report"] is None
