"""Small curve sets and settable clocks for the storage tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.curves.adstock import Geometric
from shared.curves.curveset import (
    ChannelCurve,
    CurveSet,
    ObservedSpend,
    Response,
    ReturnOnInvestment,
)
from shared.curves.saturation import Hill
from shared.store.records import Inputs, Run, StoredCurves

START = datetime(2025, 3, 9, 2, 15, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until it is told to go on."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def curve_set(max_response: float = 120.0, version: str = "", dataset: str = "") -> CurveSet:
    hill = Hill(max_response=max_response, half_saturation=40.0, shape=1.5)
    return CurveSet(
        dataset=dataset,
        version=version,
        created_at="2025-03-09T02:15:00.000Z" if version else "",
        spec={"date": "date", "outcome": "revenue"},
        frequency="week",
        currency="EUR",
        outcome="revenue",
        channels=(
            ChannelCurve(
                channel="tv",
                response=Response(
                    hill, Geometric(decay=0.5), (hill, replace(hill, max_response=99.0))
                ),
                observed_spend=ObservedSpend(min=0.0, mean=20.0, max=60.0, last=25.0),
                roi=ReturnOnInvestment(mean=1.5, interval=(0.5, 2.5)),
                verdict="clear",
            ),
        ),
    )


def run_of(incarnation: str, dataset: str = "brand", run: str = "r0123456789ab") -> Run:
    return Run(
        dataset=dataset,
        incarnation=incarnation,
        run=run,
        state="queued",
        created_at="2025-03-09T02:15:00.000Z",
        inputs=Inputs(history="0" * 32 + ".csv"),
    )


def stored(version: str, run: str = "r0123456789ab", based_on: str | None = None) -> StoredCurves:
    return StoredCurves(
        curve_set=curve_set(version=version),
        run=run,
        queued_at="2025-03-09T02:15:00.000Z",
        promote=True,
        reasons=("Better than a seasonal naive forecast.",),
        based_on=based_on,
    )
