"""Moves of returns in joint spreads, and which of them came without evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.concave import Exponential
from shared.curves.curveset import (
    ChannelCurve,
    CurveSet,
    ObservedSpend,
    Response,
    ReturnOnInvestment,
)
from shared.fit.judge.gate import jumped, moves_between, stability, stated
from tests.fit.histories import simulated

Z = 1.6448536
HISTORY, _ = simulated(rows=90, channels=2)
SPEC: dict[str, Any] = {"outcome": "revenue"}


def around(mean: float, sd: float) -> tuple[float, tuple[float, float]]:
    low, high = mean * np.exp([-Z * sd, Z * sd])
    return mean, (float(low), float(high))


def before(roi: float = 2.0, sd: float = 0.3, last: int = 88) -> CurveSet:
    mean, interval = around(roi, sd)
    curve = ChannelCurve(
        "a",
        Response(Exponential(1.0, 1.0)),
        ObservedSpend(0.0, 1.0, 2.0, 1.0),
        ReturnOnInvestment(mean, interval),
        "good",
    )
    return CurveSet(
        dataset="d",
        version="v",
        created_at="",
        spec=dict(SPEC),
        frequency="week",
        currency=None,
        outcome="revenue",
        channels=(curve,),
        diagnostics={"rows": {"last": HISTORY.dates[last].isoformat()}},
    )


def test_a_move_by_hand() -> None:
    (move,) = moves_between({"a": around(2.0, 0.3)}, {"a": around(4.0, 0.4), "b": around(1, 1)})
    assert move.spreads == pytest.approx(np.log(2.0) / 0.5)
    assert move.to_dict()["ratio"] == 2.0
    (unknown,) = moves_between({"a": (2.0, None)}, {"a": around(4.0, 0.4)})
    assert unknown.spreads is None


def test_a_jump_on_few_rows_is_named() -> None:
    (sentence,) = jumped(HISTORY, SPEC, {"a": around(5.0, 0.3)}, before())
    assert sentence == (
        "The return of a jumped from 2 to 5, 2.2 times the joint spread of both fits, while 1 new "
        "week came: that is no evidence for such a move."
    )


def test_what_is_no_jump() -> None:
    now = {"a": around(5.0, 0.3)}
    assert jumped(HISTORY, SPEC, now, None) == ()
    assert jumped(HISTORY, SPEC, {"a": around(2.5, 0.3)}, before()) == ()  # within the spread
    assert jumped(HISTORY, SPEC, now, before(last=70)) == ()  # many rows came
    assert jumped(HISTORY, SPEC | {"priors": [1]}, now, before()) == ()  # another spec
    unknown = replace(before(), diagnostics={})
    assert jumped(HISTORY, SPEC, now, unknown) == ()  # nobody knows what it had seen


def test_returns_as_the_model_had_them_are_preferred_to_calibrated_ones() -> None:
    recorded = {"channels": [{"channel": "a", "posterior_roi": [1.0, 1.5, 2.0]}]}
    assert stated(replace(before(), diagnostics=recorded)) == {"a": (1.5, (1.0, 2.0))}
    blank = {"channels": [{"channel": "a", "posterior_roi": [None, 1.5, None]}]}
    assert stated(replace(before(), diagnostics=blank))["a"][0] == 2.0


def test_the_largest_move_is_told() -> None:
    found = stability([], {"a": around(1.0, 0.3)}, before(), 90)
    assert found["without_the_last_periods"] is None
    assert found["previous"]["largest"] == pytest.approx(np.log(2.0) / np.hypot(0.3, 0.3))
