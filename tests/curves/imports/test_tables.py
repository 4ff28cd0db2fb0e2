"""Tables of points and of parameters, and curve sets of our own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import CurveSet
from shared.curves.imports import import_curves
from shared.curves.saturation import Tabulated
from tests.curves.imports.exports import by_name, codes, sustained

POINTS = "channel,spend,response\ntv,200,30\ntv,0,0\ntv,100,20\nsearch,50,9\nsearch,80,10\n"
TODAY = [{"channel": "tv", "current_spend": 90.0}, {"channel": "search", "current_spend": 60.0}]


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"format": "table", "table_csv": text, "channels": TODAY, **more}


def test_points_in_any_order_are_straight_lines() -> None:
    curves = by_name(import_curves(asked(POINTS, outcome="sales", currency="EUR")))
    tv = curves["tv"].response.saturation
    assert isinstance(tv, Tabulated)
    assert sustained(curves["tv"], np.array([0.0, 50.0, 150.0, 999.0])).tolist() == [0, 10, 25, 30]
    assert sustained(curves["search"], np.array([25.0])).tolist() == [4.5]
    assert (curves["tv"].observed_spend.last, curves["tv"].observed_spend.max) == (90.0, 200.0)


def test_points_with_draws_are_joint() -> None:
    text = "channel,draw,spend,response\n" + "".join(
        f"{ch},{s},{x},{x * (s + 1) / (ch == 'tv' or 2)}\n"
        for ch in ("tv", "search")
        for s in range(3)
        for x in (0, 10, 20)
    )
    curves = by_name(import_curves(asked(text)))
    assert [float(d.value(10.0)) for d in curves["tv"].response.draws] == [10, 20, 30]
    assert [float(d.value(10.0)) for d in curves["search"].response.draws] == [5, 10, 15]
    assert float(curves["tv"].response.saturation.value(15.0)) == pytest.approx(30.0)
    lacking = "\n".join(line for line in text.splitlines() if not line.startswith("search,2"))
    assert codes(asked(lacking)) == {"/table_csv": "unequal_draws"}


def test_parameters_by_family_with_carryover() -> None:
    text = (
        "channel,family,max_response,half_saturation,shape,rate,adstock,decay,normalised\n"
        "tv,hill,100,40,1.5,,geometric,0.5,false\n"
        "search,exponential,80,,,0.01,,,\n"
    )
    facts = [{**fact, "observed_max": 120.0} for fact in TODAY]
    curves = by_name(import_curves(asked(text, channels=facts)))
    x = np.linspace(0.0, 100.0, 11)
    np.testing.assert_allclose(
        sustained(curves["tv"], x), 100 * (2 * x) ** 1.5 / (40**1.5 + (2 * x) ** 1.5), rtol=1e-12
    )
    np.testing.assert_allclose(sustained(curves["search"], x), 80 * (1 - np.exp(-0.01 * x)))
    assert codes(asked(text)) == {f"/channels/{i}/observed_max": "required" for i in (0, 1)}
    for old, new, place, code in (
        ("tv,hill", "tv,cubic", "/table_csv/rows/2/family", "unknown_family"),
        (",geometric,", ",slow,", "/table_csv/rows/2", "invalid_curve"),
        ("0.01", "-1", "/table_csv/rows/3", "invalid_curve"),
        (",40,", ",,", "/table_csv/rows/2", "invalid_curve"),
    ):
        assert codes(asked(text.replace(old, new), channels=facts)) == {place: code}, new


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("", "/table_csv", "required"),
        ("channel,spend,response\n", "/table_csv", "no_rows"),
        ("channel,spend\ntv,1\n", "/table_csv/columns/response", "missing_column"),
        ("medium,spend,response\ntv,1,2\n", "/table_csv/columns/channel", "missing_column"),
        ("channel,spend,spend,response\ntv,1,1,2\n", "/table_csv", "duplicate_column"),
        (POINTS.replace("200,30", "200,x"), "/table_csv/rows/2/response", "not_a_number"),
        (POINTS.replace("200,30", "1e999,30"), "/table_csv/rows/2/spend", "not_a_number"),
        (POINTS.replace("200,30", "200,3"), "/table_csv/rows/3", "invalid_curve"),
        (POINTS.replace("200,30", "-2,30"), "/table_csv/rows/2", "invalid_curve"),
        (POINTS.replace("tv,0,0\n", "tv,0\n"), "/table_csv/rows/3", "ragged_row"),
        (POINTS + ",1,1\n", "/table_csv/rows/7/channel", "required"),
        (POINTS + 'x,"1,1\n', "/table_csv", "malformed_csv"),
        (POINTS + "tv/a,1,1\ntv/a,2,2\n", "/table_csv", "ambiguous_name"),
    ],
)
def test_a_fault_is_told_with_its_row_and_column(text: str, place: str, code: str) -> None:
    assert codes(asked(text)).get(place) == code


def test_our_own_set_goes_round() -> None:
    first = import_curves(asked(POINTS, currency="EUR", outcome="sales", frequency="month"))
    text = json.dumps(first.to_dict(), allow_nan=False)
    again = import_curves({"format": "curve_set", "curve_set": json.loads(text)})
    assert again.channels == first.channels
    assert (again.currency, again.outcome, again.frequency) == ("EUR", "sales", "month")
    assert CurveSet.from_dict(json.loads(text)) == first


def test_a_faulty_set_of_ours_is_refused_by_place() -> None:
    curve = {"saturation": {"family": "power", "coefficient": 1, "exponent": 0.5}}
    channels = [
        {"channel": "tv", "response": curve, "observed_spend": {"last": 1, "max": 2}},
        {"channel": "tv", "response": curve},
        {"response": curve},
        {"channel": "radio", "response": {"saturation": {"family": "cubic"}}},
        {"channel": "print", "response": "none"},
        "nothing",
    ]
    found = codes({"format": "curve_set", "curve_set": {"channels": channels}})
    assert found == {
        "/curve_set/channels/1/channel": "duplicate",
        "/curve_set/channels/2/channel": "required",
        "/curve_set/channels/3/response": "invalid_curve",
        "/curve_set/channels/4/response": "invalid_curve",
        "/curve_set/channels/5/channel": "required",
    }
    assert codes({"format": "curve_set"}) == {"/curve_set/channels": "required"}
