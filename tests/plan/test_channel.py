"""One channel in words: its returns and its carryover are worked out again from closed forms."""

from __future__ import annotations

import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response
from shared.curves.hill import Hill
from shared.errors import NotFound
from shared.plan.channel import channel_in_words
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Channel, Problem

TOP, HALF = 100.0, 50.0
TV = Response(Hill(TOP, HALF, 1.0), Geometric(0.5, normalised=False))
SEARCH = Response(Hill(80.0, 30.0, 1.0))


def told() -> tuple[list[str], dict[str, object]]:
    problem = Problem(
        channels=(
            Channel(name="tv", response=TV, current_spend=40.0, locked=True),
            Channel(name="search", response=SEARCH, current_spend=20.0),
        ),
        budget=60.0,
    )
    curve = ChannelCurve("tv", TV, ObservedSpend(0.0, 30.0, 70.0, 40.0), None, "weak")
    curves = CurveSet("d", "v", "", {}, "week", None, "sales", (curve,))
    return channel_in_words(problem, curves, answer(make_plan(problem)), "tv")


def test_returns_saturation_and_carryover() -> None:
    said, figures = told()
    x = 40.0 * 2.0  # a sustained unit works as 1 / (1 - 0.5)
    level = x / (HALF + x)
    assert figures["average"] == pytest.approx(TOP * level / 40.0)
    assert figures["next"] == pytest.approx(2.0 * TOP * HALF / (HALF + x) ** 2)
    assert figures["saturation"] == pytest.approx(level)
    assert figures["arrives_at_once"] == pytest.approx(0.5)
    assert figures["arrived_within"] == 4  # 1 - 0.5^4 is the first above nine tenths
    assert figures["average_interval"] is None  # there are no draws, and none are made up
    text = " ".join(said)
    assert "the history says little of it" in text
    assert "at most 70 was ever spent" in text
    assert "50 % of its effect comes in the same period, 90 % within 4" in text


def test_a_channel_that_is_not_there() -> None:
    problem = Problem(channels=(Channel(name="tv", response=TV),), budget=1.0)
    curves = CurveSet("d", "v", "", {}, "week", None, "sales", ())
    with pytest.raises(NotFound):
        channel_in_words(problem, curves, answer(make_plan(problem)), "radio")
