"""Requests that the tests of the edge share."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.reading import read_optimize
from shared.curves.adstock import Geometric
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response
from shared.curves.saturation import Hill
from shared.errors import InvalidInput, NotSupportedYet

HILL = {"family": "hill", "max_response": 120000, "half_saturation": 40000, "shape": 1.7}
EXPONENTIAL = {"family": "exponential", "max_response": 90000, "rate": 0.00005}


def optimize_request(**changes: Any) -> dict[str, Any]:
    """The example of the contract."""
    return {
        "channels": [
            {
                "channel": "tv",
                "current_spend": 30000,
                "min_spend": 0,
                "max_spend": 60000,
                "response": {
                    "saturation": dict(HILL),
                    "adstock": {"family": "geometric", "decay": 0.5},
                },
            },
            {
                "channel": "search",
                "current_spend": 20000,
                "max_change": 0.5,
                "response": {"saturation": dict(EXPONENTIAL)},
            },
        ],
        "budget": 60000,
        **changes,
    }


def stored_curves(draws: int = 3) -> CurveSet:
    """A curve set as a refit leaves it."""

    def channel(name: str, top: float, highest: float) -> ChannelCurve:
        return ChannelCurve(
            channel=name,
            response=Response(
                Hill(top, 50.0, 1.2),
                Geometric(0.3),
                tuple(Hill(top * (1 + s / 10), 50.0, 1.2) for s in range(draws)),
            ),
            observed_spend=ObservedSpend(0.0, highest / 2, highest, highest / 4),
            roi=None,
            verdict="plausible",
        )

    return CurveSet(
        dataset="brand",
        version="v20250303T021500Z-abc",
        created_at="2025-03-03T02:15:00Z",
        spec={},
        frequency="week",
        currency="USD",
        outcome="revenue",
        channels=(channel("tv", 900.0, 80.0), channel("search", 400.0, 40.0)),
    )


def told(error: InvalidInput) -> dict[str, tuple[str, str]]:
    """Faults by pointer: code and message. Two faults at one place would hide one another."""
    found = {fault.pointer: (fault.code, fault.message) for fault in error.faults}
    assert len(found) == len(error.faults), error.faults
    return found


def refused(raw: Any) -> dict[str, tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read_optimize(raw)
    assert not isinstance(caught.value, NotSupportedYet)
    return told(caught.value)


def with_channel(**fields: Any) -> dict[str, Any]:
    """A request whose one channel has ``fields`` beside its curve; None leaves a field out."""
    channel = {"channel": "tv", "response": {"saturation": dict(HILL)}, **fields}
    return {
        "channels": [{k: v for k, v in channel.items() if v is not None}],
        "budget": 100,
    }
