"""Whatever the dialect or the order of rows, the same history; whatever the bytes, no crash."""

from __future__ import annotations

import contextlib
import csv
import io
import random
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MarginalError
from shared.history.parse import check_upload, parse

money = st.integers(0, 10**8).map(lambda cents: cents / 100)


@st.composite
def histories(draw):
    """Dates, outcome (T,) and spend (T, C) of a history that is nothing special."""
    step = draw(st.sampled_from([1, 7]))
    first = date(2015, 1, 1) + timedelta(days=draw(st.integers(0, 4000)))
    count = draw(st.integers(2, 12))
    channels = draw(st.integers(1, 4))
    spend = draw(
        st.lists(
            st.lists(money, min_size=channels, max_size=channels), min_size=count, max_size=count
        )
    )
    outcome = draw(st.lists(money, min_size=count, max_size=count))
    return [first + timedelta(days=step * t) for t in range(count)], outcome, spend


def to_csv(rows, separator=",", newline="\r\n", quoting=csv.QUOTE_MINIMAL, decimal="."):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=newline, quoting=quoting)
    for row in rows:
        writer.writerow(
            [
                f"{cell:.2f}".replace(".", decimal) if isinstance(cell, float) else cell
                for cell in row
            ]
        )
    return text.getvalue()


def wide_rows(history):
    dates, outcome, spend = history
    names = [f"spend_c{c}" for c in range(len(spend[0]))]
    body = [[str(day), y, *x] for day, y, x in zip(dates, outcome, spend, strict=True)]
    return [["date", "revenue", *names], *body]


def spec_of(history):
    """Roles in the spec, so that a sum or a multiple that happens to be there is no guess."""
    columns = [f"spend_c{c}" for c in range(min(len(history[2][0]), 2))]
    roles = [{"channel": name[6:], "spend": name} for name in columns]
    return {"outcome": "revenue", "channels": roles}


def check(parsed, history):
    dates, outcome, spend = history
    kept = np.array(spend)[:, : len(parsed.history.channels)]
    assert list(parsed.history.dates) == dates
    np.testing.assert_array_equal(parsed.history.outcome, outcome)
    np.testing.assert_array_equal(parsed.history.spend, kept)


@given(
    history=histories(),
    dialect=st.tuples(
        st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ".")]),
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_wide_in_any_dialect_and_order(history, dialect, shuffle: random.Random):
    (separator, decimal), newline, quoting, encoding = dialect
    header, *body = wide_rows(history)
    shuffle.shuffle(body)
    text = to_csv([header, *body], separator, newline, quoting, decimal)
    check(parse(spec_of(history), text.encode(encoding)), history)


@given(history=histories(), shuffle=st.randoms(use_true_random=False))
def test_json_records_are_the_same_table(history, shuffle: random.Random):
    header, *body = wide_rows(history)
    shuffle.shuffle(body)
    records = [dict(zip(header, row, strict=True)) for row in body]
    check(parse(spec_of(history), records), history)


@given(history=histories(), parts=st.integers(1, 3), shuffle=st.randoms(use_true_random=False))
def test_long_says_the_same_as_wide(history, parts, shuffle: random.Random):
    dates, outcome, spend = history
    body = []
    for day, row in zip(dates, spend, strict=True):
        for c, value in enumerate(row):
            cents = round(value * 100)
            shares = [cents // parts] * (parts - 1)
            shares.append(cents - sum(shares))
            body += [
                [str(day), f"c{c}", f"part {k}", share / 100] for k, share in enumerate(shares)
            ]
    shuffle.shuffle(body)
    history_csv = to_csv([["date", "channel", "campaign", "spend"], *body]).encode()
    rows = [["date", "revenue"], *([str(d), y] for d, y in zip(dates, outcome, strict=True))]
    parsed = parse(None, history_csv, to_csv(rows).encode())
    assert list(parsed.history.dates) == dates
    np.testing.assert_array_equal(parsed.history.outcome, outcome)
    np.testing.assert_allclose(parsed.history.spend, np.array(spend), rtol=1e-12, atol=1e-9)


@given(history=histories())
def test_what_parses_is_consistent(history):
    parsed = parse({"outcome": "revenue"}, to_csv(wide_rows(history)).encode())
    out = parsed.history
    assert out.spend.shape == (len(out.dates), len(out.channels))
    assert out.controls.shape == (len(out.dates), len(out.control_names))
    assert len(out.events) == out.outcome.shape[0] == len(out.dates)
    assert np.all(np.isfinite(out.spend))
    assert np.all(out.spend >= 0)
    assert [role["channel"] for role in parsed.spec["channels"]] == list(out.channels)


def survives(spec, history, outcomes=None):
    for call in (parse, check_upload):
        with contextlib.suppress(MarginalError):
            call(spec, history, outcomes)


@given(st.binary(max_size=400))
def test_any_bytes(source):
    survives(None, source)
    survives(None, b"date,channel,spend\n2024-01-01,tv,1\n2024-01-02,tv,2\n", source)


cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "2024-01-01",
            "2024-01-08",
            "2024-13-01",
            "01/02/2024",
            "31/01/2024",
            "9999-12-31",
            "0001-01-01",
            "2024-W60",
            "tv",
            "search",
            "1",
            "2.5",
            "1,5",
            "1.234",
            "-3",
            "1e999",
            "nan",
            "inf",
            "$5",
            "€6",
            ",",
            ";",
            '"',
            "'",
            "na",
        ]
    ),
)
headers = st.lists(
    st.sampled_from(
        [
            "date",
            "revenue",
            "spend",
            "spend_tv",
            "spend_search",
            "channel",
            "campaign",
            "geo",
            "promo",
            "holiday",
            "sales",
            "impressions",
            "clicks",
            "tv_S",
        ]
    )
    | st.text(max_size=6),
    min_size=1,
    max_size=6,
)


@given(st.data())
def test_any_cells_under_plausible_headers(data):
    header = data.draw(headers)
    row = st.lists(cells, min_size=len(header), max_size=len(header))
    rows = data.draw(st.lists(row, min_size=1, max_size=5))
    text = to_csv([header, *rows], data.draw(st.sampled_from(",;\t|"))).encode("utf-8", "replace")
    survives(None, text)
    survives(None, [dict(zip(header, row, strict=True)) for row in rows])
    survives({"date": header[0], "channels": [{"channel": "c", "spend": header[-1]}]}, text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(json_values, max_size=4), st.dictionaries(st.text(max_size=8), json_values, max_size=3)
)
def test_any_json(records, spec):
    survives(None, records)
    survives(spec, records)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("date", "outcome", "frequency", "channels", "controls", "events", "geo"), json_values
        ),
    )
)
def test_any_spec(spec):
    survives(spec, b"date,revenue,spend_tv\n2024-01-01,1,2\n2024-01-08,2,3\n")


@pytest.mark.parametrize(
    "source", [b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"sep=;\n", b"a,b\n\x00,1\n"]
)
def test_odd_beginnings(source):
    survives(None, source)
