"""What is not built is refused by pointer, all of it at once; what is built passes."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import NotSupportedYet
from shared.fit.support import check_supported, family_of


@pytest.mark.parametrize(
    ("spec", "pointers"),
    [
        ({"lift_tests": [{"channel": "tv"}]}, ["/lift_tests"]),
        ({"geo": "region"}, ["/geo"]),
        ({"model": {"kind": "ridge"}}, ["/model/kind"]),
        ({"model": {"interactions": [["tv", "search"]]}}, ["/model/interactions"]),
        ({"model": {"adstock": "weibull_pdf"}}, ["/model/adstock"]),
        ({"model": {"saturation": {"family": "logistic"}}}, ["/model/saturation"]),
        (
            {"channels": [{"channel": "tv"}, {"channel": "x", "adstock": {"family": "delayed"}}]},
            ["/channels/1/adstock"],
        ),
        (
            {"channels": [{"channel": "tv", "saturation": "hill"}], "geo": "g"},
            ["/geo", "/channels/0/saturation"],
        ),
    ],
)
def test_refused_by_pointer(spec: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(NotSupportedYet) as caught:
        check_supported(spec)
    assert [fault.pointer for fault in caught.value.faults] == pointers
    assert {fault.code for fault in caught.value.faults} == {"not_supported_yet"}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"geo": None, "lift_tests": [], "model": None},
        {"model": {"kind": "bayesian", "interactions": [], "adstock": "geometric"}},
        {"model": {"saturation": "exponential"}, "channels": [{"channel": "tv", "spend": "tv"}]},
    ],
)
def test_what_is_built_passes(spec: dict[str, Any]) -> None:
    check_supported(spec)


def test_the_saturation_asked_for() -> None:
    assert family_of({}) == "auto"
    assert family_of({"model": {"saturation": {"family": "exponential"}}}) == "exponential"
