"""Geos, campaigns and impressions as a panel, beside the national history that they add up to."""

from __future__ import annotations

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.cells import MOST_CELLS
from shared.history.parse import parse

GEOS = b"""week,geo,revenue,spend_tv,spend_search,promo
2024-01-01,north,100,10,1,0
2024-01-01,south,50,5,2,0
2024-01-08,north,110,11,1,1
2024-01-15,north,120,12,,
2024-01-15,south,60,6,2,1
"""


def test_geos_become_a_panel_and_a_national_sum() -> None:
    history = parse({"geo": "geo", "controls": ["promo"]}, GEOS).history
    panel = history.detail
    assert panel is not None
    assert panel.geos == ("north", "south")
    assert panel.arms == (("tv", ""), ("search", ""))
    np.testing.assert_array_equal(panel.spend[:, :, 0], [[10, 11, 12], [5, 0, 6]])
    np.testing.assert_array_equal(panel.outcome, [[100, 110, 120], [50, np.nan, 60]])
    np.testing.assert_array_equal(panel.controls[:, :, 0], [[0, 1, 1], [0, 0.5, 1]])
    np.testing.assert_array_equal(history.spend, [[15, 3], [11, 1], [18, 2]])
    np.testing.assert_array_equal(history.outcome, [150, np.nan, 180])
    np.testing.assert_array_equal(panel.exposure, panel.spend)


def test_impressions_stand_in_for_spend_at_their_mean_price() -> None:
    rows = b"week,sales,spend_tv,grp_tv\n2024-01-01,5,10,100\n2024-01-08,6,20,100\n"
    channel = {"channel": "tv", "spend": "spend_tv", "impressions": "grp_tv"}
    spec = {"channels": [{**channel, "exposure": "impressions"}]}
    panel = parse(spec, rows).history.detail
    assert panel is not None
    np.testing.assert_array_equal(panel.spend[0, :, 0], [10, 20])
    np.testing.assert_array_equal(panel.exposure[0, :, 0], [15, 15])
    assert parse({"channels": [channel]}, rows).history.detail is None


LONG = b"""date,channel,campaign,spend,geo
2024-01-01,tv,spring,10,north
2024-01-01,tv,,2,north
2024-01-01,search,all,3,north
2024-01-01,tv,spring,4,south
2024-01-08,tv,spring,6,south
"""


def test_long_rows_by_geo_and_campaign_with_outcomes_by_geo() -> None:
    outcomes = b"date,geo,revenue\n2024-01-01,north,9\n2024-01-01,south,8\n2024-01-08,south,7\n"
    history = parse(None, LONG, outcomes).history
    panel = history.detail
    assert panel is not None
    assert panel.arms == (("search", ""), ("tv", "other"), ("tv", "spring"))
    np.testing.assert_array_equal(panel.spend[:, :, 2], [[10, 0], [4, 6]])
    np.testing.assert_array_equal(panel.outcome, [[9, np.nan], [8, 7]])
    np.testing.assert_array_equal(history.spend, [[3, 16], [0, 6]])


def test_a_national_outcome_adds_up_the_spend_of_geos() -> None:
    outcomes = b"date,revenue\n2024-01-01,17\n2024-01-08,7\n"
    parsed = parse({"model": {"campaigns": False}}, LONG, outcomes)
    assert parsed.history.detail is None
    np.testing.assert_array_equal(parsed.history.spend, [[3, 16], [0, 6]])
    assert "geos_summed" in {finding.code for finding in parsed.findings}


def test_geos_that_differ_are_named() -> None:
    rows = ["2024-01-01,north,9", "2024-01-01,west,8", "2024-01-08,west,8"]
    outcomes = "\n".join(["date,geo,revenue", *rows]).encode()
    with pytest.raises(InvalidInput) as caught:
        parse(None, LONG, outcomes)
    assert caught.value.faults[0].code == "geos_differ"
    assert "'south', 'west'" in caught.value.faults[0].message


def test_more_campaigns_than_a_fit_can_bear_are_summed() -> None:
    rows = [
        f"2024-01-{1 + 7 * w:02d},tv,c{c},{c + w}" for w in range(4) for c in range(MOST_CELLS + 1)
    ]
    table = "\n".join(["date,channel,campaign,spend", *rows]).encode()
    outcomes = b"date,revenue\n2024-01-01,1\n2024-01-08,2\n2024-01-15,3\n2024-01-22,4\n"
    parsed = parse(None, table, outcomes)
    assert parsed.history.detail is None
    assert "campaigns_summed" in {finding.code for finding in parsed.findings}


SEEN = [{"channel": "tv", "spend": "spend_tv", "impressions": "grp", "exposure": "impressions"}]


def test_spend_without_a_count_of_impressions_bought_them_at_the_mean_price() -> None:
    rows = b"week,sales,spend_tv,grp\n2024-01-01,5,10,100\n2024-01-08,6,20,\n2024-01-15,6,30,100\n"
    rows += b"2024-01-22,6,,\n"
    parsed = parse({"channels": SEEN}, rows)
    panel = parsed.history.detail
    assert panel is not None
    # The price of one is (10 + 30) / 200.
    np.testing.assert_allclose(panel.exposure[0, :, 0], [20, 20, 20, 0])
    assert panel.exposure.sum() == panel.spend.sum()
    (finding,) = [f for f in parsed.findings if f.code == "empty_impressions"]
    assert finding.data == {"channel": "tv", "count": 1}


def test_a_channel_without_any_impressions_keeps_its_spend_and_says_so() -> None:
    rows = b"week,sales,spend_tv,grp\n2024-01-01,5,10,0\n2024-01-08,6,20,0\n2024-01-15,7,5,0\n"
    parsed = parse({"channels": SEEN}, rows)
    panel = parsed.history.detail
    assert panel is not None
    np.testing.assert_array_equal(panel.exposure, panel.spend)
    assert "no_impressions" in {finding.code for finding in parsed.findings}


def test_impressions_that_nobody_counted_cannot_be_the_exposure() -> None:
    rows = b"week,sales,spend_tv\n2024-01-01,5,10\n2024-01-08,6,20\n2024-01-15,7,5\n"
    channel = {"channel": "tv", "spend": "spend_tv", "exposure": "impressions"}
    with pytest.raises(InvalidInput) as caught:
        parse({"channels": [channel]}, rows)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == ("/channels/0/exposure", "no_impressions")
