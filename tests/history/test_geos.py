"""Geos that are too short, of different lengths, apart, or without a channel; tests in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.parse import Parsed, parse


def table(periods: Mapping[str, range], **spend: Mapping[str, float]) -> bytes:
    """Rows of each geo in some weeks; ``spend`` by channel and geo (default 1) moves a little."""
    channels = spend or {"tv": {}}
    lines = ["date,geo,revenue," + ",".join(f"spend_{name}" for name in channels)]
    for geo, weeks in periods.items():
        for week in weeks:
            day = date(2024, 1, 1) + timedelta(weeks=week)
            cells = [f"{(1 + week % 3) * each.get(geo, 1.0)}" for each in channels.values()]
            lines.append(f"{day},{geo},{100 + week % 7 + ord(geo[0]) % 4},{','.join(cells)}")
    return "\n".join(lines).encode()


def found(parsed: Parsed, code: str) -> list[Mapping[str, Any]]:
    return [finding.data for finding in parsed.findings if finding.code == code]


def test_a_geo_of_few_rows_is_left_out_with_its_spend() -> None:
    parsed = parse(None, table({"north": range(20), "south": range(20), "west": range(5)}))
    panel = parsed.history.detail
    assert panel is not None
    assert panel.geos == ("north", "south")
    assert found(parsed, "geo_left_out") == [{"geo": "west", "periods": 5}]
    assert np.all(np.isfinite(parsed.history.outcome))
    np.testing.assert_array_equal(parsed.history.spend[0], [2.0])


def test_a_geo_whose_outcome_never_moves_is_left_out() -> None:
    rows = table({"north": range(20), "south": range(20)}).decode().splitlines()
    still = [
        line if ",north," in line or i == 0 else ",".join([*line.split(",")[:2], "7", "1"])
        for i, line in enumerate(rows)
    ]
    parsed = parse(None, "\n".join(still).encode())
    assert found(parsed, "geo_left_out") == [{"geo": "south", "periods": 20}]
    # One geo is left: the history is national, and its curves have no geo in their names.
    assert parsed.history.detail is None


def test_all_geos_of_a_short_history_are_kept() -> None:
    parsed = parse(None, table({"north": range(4), "south": range(4)}))
    assert found(parsed, "geo_left_out") == []
    assert parsed.history.detail is not None


def test_geos_of_different_lengths_are_kept_and_told() -> None:
    parsed = parse(None, table({"north": range(40), "south": range(25, 40)}))
    assert found(parsed, "geos_of_different_lengths") == [{"geos": ["south"], "common": 15}]
    panel = parsed.history.detail
    assert panel is not None
    assert np.isfinite(panel.outcome).sum(axis=1).tolist() == [40, 15]
    # The national sum is known only where every geo is.
    assert int(np.isfinite(parsed.history.outcome).sum()) == 15


def test_geos_that_never_meet_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(None, table({"north": range(20), "south": range(15, 35)}))
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == ("/geo", "geos_apart")
    assert "'north' (20 from 2024-01-01 to 2024-05-13)" in fault.message


def test_a_geo_without_a_channel() -> None:
    rows = table({"north": range(20), "south": range(20)}, tv={"south": 0.0}, search={})
    assert found(parse(None, rows), "no_spend_in_geo") == [{"channel": "tv", "geos": ["south"]}]


TEST = {
    "channel": "tv",
    "start": "2024-02-05",
    "end": "2024-02-25",
    "spend_change": 5,
    "outcome_change": 9,
    "standard_error": 3,
    "in_history": False,
}
GEOS = table({"north": range(20), "south": range(20), "west": range(5)}, tv={"south": 0}, sem={})


@pytest.mark.parametrize(
    ("beliefs", "pointer", "code", "words"),
    [
        ({"lift_tests": [{**TEST, "geo": "nort"}]}, "/lift_tests/0/geo", "unknown_geo", "'north'?"),
        ({"lift_tests": [{**TEST, "geo": "west"}]}, "/lift_tests/0/geo", "unknown_geo", "left out"),
        (
            {"lift_tests": [TEST, {**TEST, "channel": "tvv"}]},
            "/lift_tests/1/channel",
            "unknown_channel",
            "Did you mean 'tv'?",
        ),
        (
            {"priors": [{"channel": "sme", "roi_median": 1, "roi_sd_log": 1}]},
            "/priors/0/channel",
            "unknown_channel",
            "Did you mean 'sem'?",
        ),
    ],
)
def test_beliefs_about_what_is_not_there(
    beliefs: dict[str, Any], pointer: str, code: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(beliefs, GEOS)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == (pointer, code)
    assert words in fault.message


def test_a_geo_in_a_national_history() -> None:
    rows = b"date,sales,spend_tv\n2024-01-01,1,1\n2024-01-08,2,2\n2024-01-15,3,3\n"
    with pytest.raises(InvalidInput, match="the history is national"):
        parse({"lift_tests": [{**TEST, "geo": "north"}]}, rows)


CAMPAIGNS = "\n".join(
    ["date,channel,campaign,spend,revenue"]
    + [
        f"{date(2024, 1, 1) + timedelta(weeks=week)},{channel},{campaign},{1 + week % 3},{week % 7}"
        for week in range(20)
        for channel, campaign in (("tv", "brand"), ("tv", "sale"), ("sem", ""))
    ]
).encode()


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({**TEST, "campaign": "sales"}, "Did you mean 'sale'?"),
        ({**TEST, "channel": "sem", "campaign": "sale"}, "does not split 'sem'"),
    ],
)
def test_a_lift_test_of_a_campaign_that_is_not_there(test: dict[str, Any], words: str) -> None:
    spec = {"outcome": "revenue", "lift_tests": [{**TEST, "campaign": "brand"}, test]}
    with pytest.raises(InvalidInput) as caught:
        parse(spec, CAMPAIGNS)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == ("/lift_tests/1/campaign", "unknown_campaign")
    assert words in fault.message


def test_a_lift_test_of_a_campaign_waits_where_campaigns_are_added_up() -> None:
    tests = [TEST, {**TEST, "campaign": "brand"}]
    spec = {"outcome": "revenue", "lift_tests": tests}
    assert found(parse(spec, CAMPAIGNS), "lift_test_unused") == []
    summed = parse({**spec, "model": {"campaigns": False}}, CAMPAIGNS)
    assert [item["test"] for item in found(summed, "lift_test_unused")] == [1]
    (text,) = (f.message for f in summed.findings if f.code == "lift_test_unused")
    assert "of 'tv/brand', is not used: campaigns are added up" in text


def test_lift_tests_that_cannot_be_used_are_told() -> None:
    late = {**TEST, "end": "2024-05-20"}
    nowhere = {**TEST, "geo": "south"}
    parsed = parse({"lift_tests": [TEST, late, nowhere]}, GEOS)
    assert [item["test"] for item in found(parsed, "lift_test_unused")] == [1, 2]
    texts = [f.message for f in parsed.findings if f.code == "lift_test_unused"]
    assert "after the history does (2024-05-13)" in texts[0]
    assert "in south" in texts[1]
    assert "no spend" in texts[1]
    assert found(parse({"lift_tests": [{**TEST, "end": "2024-05-19"}]}, GEOS), "x") == []
    just = parse({"lift_tests": [{**TEST, "end": "2024-05-19"}]}, GEOS)
    assert found(just, "lift_test_unused") == []
