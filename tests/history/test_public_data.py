"""Public and simulated data sets of the field, as they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.parse import check_upload, parse

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not here")

X1_X2 = {"channels": [{"channel": "x1", "spend": "x1"}, {"channel": "x2", "spend": "x2"}]}
MASTER = (
    "TV",
    "Digital",
    "Sponsorship",
    "Content Marketing",
    "Online marketing",
    "Affiliates",
    "SEM",
    "Radio",
    "Other",
)


def read(path, spec=None):
    outcomes = (DATA / path).parent / "outcome.csv"
    return parse(
        spec,
        (DATA / path).read_bytes(),
        outcomes.read_bytes() if outcomes.exists() else None,
    )


@pytest.mark.parametrize(
    ("path", "spec", "shape", "frequency", "outcome", "controls"),
    [
        (
            "robyn_weekly/dt_simulated_weekly.csv",
            None,
            (208, 5),
            "week",
            "revenue",
            ("competitor_sales_B",),
        ),
        ("pymc_mmm_example/mmm_example.csv", X1_X2, (179, 2), "week", "y", ("event_1", "event_2")),
        (
            "meridian_national_all_channels/data.csv",
            None,
            (156, 5),
            "week",
            "conversions",
            ("competitor_sales_control", "sentiment_score_control", "Promo"),
        ),
        ("pysimmmulator_weekly/data.csv", None, (158, 4), "week", "total_revenue", ()),
        ("pysimmmulator_daily/data.csv", None, (731, 4), "day", "total_revenue", ()),
        ("seed_market_lens/monthly_clean.csv", None, (12, 9), "month", "revenue_inr", ()),
        (
            "eleckart_weekly/weekly.csv",
            None,
            (53, 9),
            "week",
            "gmv",
            ("sale_or_holiday_days", "discount_pct"),
        ),
        ("campaign_romi/campaign_daily.csv", None, (28, 4), "day", "revenue", ()),
        ("visible_synth/dev_daily_4ch_1y/history.csv", None, (365, 4), "day", "revenue", ()),
        (
            "visible_synth/dev_campaign_daily_4ch_14c/history.csv",
            None,
            (365, 4),
            "day",
            "revenue",
            (),
        ),
        ("visible_synth/dev_weekly_3ch_clean/history.csv", None, (104, 3), "week", "revenue", ()),
        (
            "visible_synth/dev_weekly_8ch_promo_confounded/history.csv",
            None,
            (156, 8),
            "week",
            "revenue",
            ("promo", "price_index"),
        ),
    ],
)
def test_shapes_and_roles(path, spec, shape, frequency, outcome, controls):
    parsed = read(path, spec)
    history = parsed.history
    assert history.spend.shape == shape
    assert (history.frequency, history.outcome_name) == (frequency, outcome)
    assert history.control_names == controls
    assert np.all(np.isfinite(history.outcome))
    again = read(path, parsed.spec)
    np.testing.assert_array_equal(again.history.spend, history.spend)


def codes(parsed):
    return {finding.code for finding in parsed.findings}


def test_spend_adds_up_to_the_files():
    parsed = read("visible_synth/dev_campaign_daily_4ch_14c/history.csv")
    lines = (DATA / "visible_synth/dev_campaign_daily_4ch_14c/history.csv").read_text().split("\n")
    total = sum(float(line.split(",")[5]) for line in lines[1:] if line)
    assert parsed.history.spend.sum() == pytest.approx(total, rel=1e-12)
    assert "campaigns_kept" in codes(parsed)


def test_events_labelled_na_are_none():
    events = read("robyn_weekly/dt_simulated_weekly.csv").history.events
    assert sorted(filter(None, events)) == ["event1", "event2"]


def test_the_twelve_months_and_what_is_wrong_with_them():
    parsed = read("seed_market_lens/monthly_clean.csv")
    assert {"total_column", "empty_spend", "channels_move_together", "outage"} <= codes(parsed)
    outage = next(f for f in parsed.findings if f.code == "outage")
    assert outage.data["periods"] == ["2023-08-01"]


def test_the_fifteen_months_with_three_copied_ones():
    spec = {
        "date": "Month_Year",
        "outcome": "gmv",
        "channels": [{"channel": name, "spend": name} for name in MASTER],
    }
    copied = next(
        f
        for f in read("seed_market_lens/Monthly_Master.csv", spec).findings
        if f.code == "repeated_block"
    )
    assert copied.data == {"lag": 12, "count": 3, "first": "2024-05-01", "last": "2024-07-01"}
    spec["channels"].append({"channel": "total", "spend": "Total Investment"})
    with pytest.raises(InvalidInput) as caught:
        read("seed_market_lens/Monthly_Master.csv", spec)
    assert caught.value.faults[0].pointer == "/channels/9/spend"


def test_months_spread_over_weeks():
    found = {f.code: f for f in read("eleckart_weekly/weekly.csv").findings}
    assert "spread_out_spend" in found
    assert "2015-08-03" in found["outage"].data["periods"]


@pytest.mark.parametrize(
    ("path", "pointer", "code"),
    [
        ("lightweight_mmm_dummy/data.csv", "/rows/1", "no_date_column"),
        ("islr_advertising/Advertising.csv", "/rows/1", "no_date_column"),
        ("eleckart_weekly/weekly_by_subcategory.csv", "/rows/1", "no_date_column"),
        ("pymc_mmm_example/mmm_example.csv", "/channels", "no_channels"),
        ("seed_market_lens/Monthly_Master.csv", "/channels", "no_channels"),
    ],
)
def test_what_cannot_be_read_says_why(path, pointer, code):
    for call in (lambda: read(path), lambda: check_upload(None, (DATA / path).read_bytes())):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert [(f.pointer, f.code) for f in caught.value.faults] == [(pointer, code)]
