"""Curves and draws of a request: every parameter held to its family, in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.curve_messages import ADSTOCKS, FAMILIES
from shared.api.reading import read_optimize
from tests.api.samples import HILL, optimize_request, refused, with_channel

# -- curves -----------------------------------------------------------------------------------

GOOD: dict[str, dict[str, Any]] = {
    "hill": {"max_response": 1, "half_saturation": 2, "shape": 1.1},
    "exponential": {"max_response": 1, "rate": 0.1},
    "logistic": {"max_response": 1, "rate": 0.1},
    "michaelis_menten": {"max_response": 1, "half_saturation": 2},
    "sigmoid": {"max_response": 1, "midpoint": 3, "steepness": 1},
    "logarithmic": {"coefficient": 1},
    "power": {"coefficient": 1, "exponent": 0.5},
    "tabulated": {"spend": [0, 1, 2], "response": [0, 2, 3]},
}
GOOD_CARRYOVER: dict[str, dict[str, Any]] = {
    "geometric": {"decay": 0.5},
    "delayed": {"decay": 0.5, "peak": 2, "length": 8},
    "weibull_pdf": {"shape": 2, "scale": 3, "length": 8.0},
    "weibull_cdf": {"shape": 2, "scale": 3, "length": 8},
    "lag_weights": {"values": [1.0, 0.5, 0.1]},
}


def test_the_tables_of_families_are_complete() -> None:
    assert set(GOOD) == set(FAMILIES)
    assert set(GOOD_CARRYOVER) == set(ADSTOCKS)


@pytest.mark.parametrize("family", GOOD)
def test_a_family_needs_each_of_its_parameters_and_no_other(family: str) -> None:
    at = "/channels/0/response/saturation"
    complete = {"family": family, **GOOD[family]}
    read_optimize(with_channel(response={"saturation": complete}))
    for parameter in GOOD[family]:
        lacking = {k: v for k, v in complete.items() if k != parameter}
        found = refused(with_channel(response={"saturation": lacking}))
        code, message = found[f"{at}/{parameter}"]
        assert code == "required"
        article = "an" if family == "exponential" else "a"
        assert message == f"{parameter} of {article} {family} curve of tv is required."
    found = refused(with_channel(response={"saturation": {**complete, "midpint": 1}}))
    assert found[f"{at}/midpint"][0] == "unknown_field"
    assert family in found[f"{at}/midpint"][1]


@pytest.mark.parametrize("family", GOOD_CARRYOVER)
def test_a_carryover_needs_each_of_its_parameters(family: str) -> None:
    complete = {"family": family, **GOOD_CARRYOVER[family]}
    read_optimize(with_channel(response={"saturation": HILL, "adstock": complete}))
    for parameter in GOOD_CARRYOVER[family]:
        lacking = {k: v for k, v in complete.items() if k != parameter}
        found = refused(with_channel(response={"saturation": HILL, "adstock": lacking}))
        message = found[f"/channels/0/response/adstock/{parameter}"][1]
        assert message == f"{parameter} of a {family} carryover of tv is required."


@pytest.mark.parametrize(
    ("family", "parameter", "value", "words"),
    [
        ("hill", "shape", 0, "greater than 0"),
        ("hill", "half_saturation", -2, "greater than 0"),
        ("hill", "max_response", -1, "at least 0"),
        ("exponential", "rate", 0, "greater than 0"),
        ("power", "exponent", 5.01, "at most 5"),
        ("power", "exponent", 0, "greater than 0"),
        ("logarithmic", "scale", 0, "greater than 0"),
        ("sigmoid", "steepness", 0, "greater than 0"),
        ("tabulated", "spend", [0], "at least 2 entries"),
    ],
)
def test_a_parameter_out_of_range_names_its_family(
    family: str, parameter: str, value: Any, words: str
) -> None:
    curve = {"family": family, **GOOD[family], parameter: value}
    found = refused(with_channel(response={"saturation": curve}))
    message = found[f"/channels/0/response/saturation/{parameter}"][1]
    assert words in message
    assert f"{family} curve" in message


@pytest.mark.parametrize("decay", [1, 1.5, -0.1])
def test_decay_lies_in_the_half_open_interval(decay: float) -> None:
    adstock = {"family": "geometric", "decay": decay}
    found = refused(with_channel(response={"saturation": HILL, "adstock": adstock}))
    assert "decay of a geometric carryover" in found["/channels/0/response/adstock/decay"][1]


def test_an_unknown_family_is_told_with_its_nearest() -> None:
    found = refused(with_channel(response={"saturation": {**HILL, "family": "hil"}}))
    code, message = found["/channels/0/response/saturation/family"]
    assert code == "unknown_value"
    assert message.endswith("Did you mean 'hill'?")


def test_a_curve_without_a_family() -> None:
    found = refused(with_channel(response={"saturation": {"max_response": 1}}))
    assert found["/channels/0/response/saturation/family"][0] == "required"


@pytest.mark.parametrize(
    ("table", "pointer", "code"),
    [
        ({"spend": [0, 1, 2], "response": [0, 1]}, "response", "length_mismatch"),
        ({"spend": [0, 1, 1], "response": [0, 1, 2]}, "spend", "not_increasing"),
        ({"spend": [0, 1, 2], "response": [0, 2, 1]}, "response", "not_increasing"),
    ],
)
def test_points_that_make_no_curve(table: dict[str, Any], pointer: str, code: str) -> None:
    curve = {"family": "tabulated", **table}
    found = refused(with_channel(response={"saturation": curve}))
    assert found[f"/channels/0/response/saturation/{pointer}"][0] == code


# -- draws ------------------------------------------------------------------------------------


def with_draws(*draws: Any) -> dict[str, Any]:
    return with_channel(response={"saturation": HILL, "draws": list(draws)})


def test_draws_are_checked_against_their_family() -> None:
    good = {"max_response": 1, "half_saturation": 2, "shape": 1.1}
    found = refused(with_draws(good, {**good, "shape": 0}, {"max_response": 1}, 5))
    at = "/channels/0/response/draws"
    assert set(found) == {
        f"{at}/1/shape",
        f"{at}/2/half_saturation",
        f"{at}/2/shape",
        f"{at}/3",
    }
    assert found[f"{at}/1/shape"][1] == (
        "shape of a hill curve must be greater than 0; it is 0 (draws of tv)."
    )


def test_all_channels_carry_equally_many_draws() -> None:
    raw = optimize_request()
    raw["channels"][0]["response"]["draws"] = [HILL | {}] * 0 or [
        {k: v for k, v in HILL.items() if k != "family"}
    ]
    assert refused(raw) == {
        "/channels/1/response/draws": (
            "unequal_draws",
            "All channels must carry equally many draws: search has 0, tv has 1.",
        )
    }
