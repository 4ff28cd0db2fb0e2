"""Small allocators and event logs for the tests."""

from __future__ import annotations

from typing import Any

from shared.learn.allocators.spec import AllocatorSpec, Event

SIZES, SCALES = (120.0, 100.0, 80.0, 40.0), (40.0, 60.0, 30.0, 20.0)


def spec(**changes: Any) -> AllocatorSpec:
    given = {
        "allocator": "test",
        "kind": "thompson",
        "outcome": "binary",
        "budget": 1000.0,
        "arms": [{"arm": "a"}, {"arm": "b"}],
        **changes,
    }
    return AllocatorSpec.model_validate(given)


def curved(uncertainty: float, sizes: tuple[float, ...] = SIZES, **changes: Any) -> AllocatorSpec:
    arms = [
        {
            "arm": f"arm-{i}",
            "curve": {
                "saturation": {"family": "exponential", "max_response": top, "rate": 1.0 / k},
                "uncertainty": uncertainty,
            },
        }
        for i, (top, k) in enumerate(zip(sizes, SCALES, strict=True))
    ]
    given = {"outcome": "money", "noise_sd": 15.0, "budget": 100.0, "arms": arms, **changes}
    return spec(**given)


def event(place: int, arm: str, period: int, trials: int, outcomes: int, **more: Any) -> Event:
    return Event(id=f"e{place}", arm=arm, period=period, trials=trials, outcomes=outcomes, **more)
