"""What a spec wishes for is read, and what cannot be is named, all of it at once."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.fit.media.asked import asked_of


@pytest.mark.parametrize(
    ("spec", "pointers"),
    [
        ({"model": {"adstock": "weibull"}}, ["/model/adstock"]),
        ({"model": {"saturation": {"family": "cubic"}}}, ["/model/saturation"]),
        (
            {"channels": [{"channel": "tv"}, {"channel": "x", "adstock": {"family": "late"}}]},
            ["/channels/1/adstock"],
        ),
        (
            {"model": {"interactions": [["tv", "tv"], ["tv", "post"], ["tv", "search"]]}},
            ["/model/interactions/0", "/model/interactions/1"],
        ),
    ],
)
def test_faults_by_pointer(spec: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked_of(spec, ("tv", "search"))
    assert [fault.pointer for fault in caught.value.faults] == pointers


def test_a_channel_may_differ_from_the_model() -> None:
    asked = asked_of(
        {
            "model": {"saturation": "auto", "adstock": "delayed", "interactions": [["a", "b"]]},
            "channels": [{"channel": "a", "saturation": "hill"}, {"channel": "b"}],
        },
        ("a", "b"),
    )
    assert (asked.saturation_of("a"), asked.saturation_of("b")) == ("hill", None)
    assert asked.adstock_of("a") == "delayed"
    assert asked.interactions == (("a", "b"),)
