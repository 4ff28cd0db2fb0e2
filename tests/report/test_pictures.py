"""Pictures of curve sets made by hand: many channels, campaigns, gaps, names that are not names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import (
    ChannelCurve,
    CurveSet,
    ObservedSpend,
    Response,
    ReturnOnInvestment,
)
from shared.curves.saturation import saturation_from_dict
from shared.history.table import History
from shared.problem.model import Channel, Problem
from shared.report.material import Material
from shared.report.page import PLOTS, page
from shared.report.plot import Missing, Plot, Share, png, svg

WEEKS = 30
DATES = tuple(date(2024, 1, 1) + timedelta(weeks=t) for t in range(WEEKS))


def response(size: float) -> Response:
    def hill(top: float) -> Any:
        told = {"family": "hill", "max_response": top, "half_saturation": 100.0, "shape": 1.0}
        return saturation_from_dict(told)

    draws = tuple(hill(size * (1 + 0.01 * s)) for s in range(-12, 13))
    return Response(hill(size), Geometric(0.5), draws)


def material(names: list[str], *, campaigns: bool = False, **told: Any) -> Material:
    rng = np.random.default_rng(1)
    spend = rng.uniform(20.0, 150.0, (WEEKS, len(names)))
    parts = {"intercept": [5000.0] * WEEKS, "controls": [-300.0 + 20.0 * t for t in range(WEEKS)]}
    for c, name in enumerate(names):
        parts[f"media:{name}"] = (3.0 * spend[:, c]).tolist()
    fitted = np.sum(list(parts.values()), axis=0)
    actual = [None if t == 4 else float(y) + 50.0 for t, y in enumerate(fitted)]
    curves = [
        ChannelCurve(
            name,
            response(1000.0 + 10 * k),
            ObservedSpend(20.0, 80.0 - k, 150.0, 90.0),
            ReturnOnInvestment(2.0, (1.0, 4.0)),
            "good",
        )
        for k, name in enumerate(names)
    ]
    diagnostics = {
        "over_time": {
            "dates": [day.isoformat() for day in DATES],
            "actual": actual,
            "fitted": fitted.tolist(),
            "low": (fitted - 100).tolist(),
            "high": (fitted + 100).tolist(),
            "parts": parts,
        },
        "folds": [{"first": DATES[-4].isoformat(), "last": DATES[-1].isoformat()}],
        "channels": [
            {"channel": name, "posterior_roi": [1.5, 4.0, 6.0], "prior_roi": [0.1, 1.0, 9.0]}
            for name in names
        ],
        "calibration": {"channels": [{"channel": name, "return_factor": 0.5} for name in names]},
        **told,
    }
    curve_set = CurveSet(
        "brand", "v1", "", {}, "week", "EUR", "sales", tuple(curves), diagnostics=diagnostics
    )
    channels = [
        Channel(c.channel, c.response, 90.0, max_spend=225.0, observed_max=150.0) for c in curves
    ]
    if campaigns:
        arms = tuple(channels[:2])
        above = Channel("tv", arms[0].response, 180.0, campaigns=arms)
        channels = [above, *channels[2:]]
    problem = Problem(tuple(channels), 90.0 * len(names))
    history = History(
        DATES, "week", "sales", np.array([y or np.nan for y in actual], float), tuple(names),
        spend, (), np.zeros((WEEKS, 0)), ("",) * WEEKS,
    )  # fmt: skip
    return Material(curve_set, problem, history)


def drawn(plot: Plot | Missing) -> tuple[Plot, list[str]]:
    assert isinstance(plot, Plot)
    tree = ElementTree.fromstring(svg(plot))
    return plot, [(n.text or "").strip() for n in tree.iter() if n.tag.endswith("}text")]


@pytest.mark.parametrize("name", list(PLOTS))
def test_the_same_figures_give_the_same_bytes(name: str) -> None:
    first, second = (PLOTS[name](material(["tv", "search"])) for _ in range(2))
    assert isinstance(first, Plot)
    assert isinstance(second, Plot)
    assert svg(first) == svg(second)
    assert png(first) == png(second)
    assert first.alt == second.alt


def test_of_many_channels_seven_have_colours_and_the_rest_are_one() -> None:
    names = [f"c{k:02d}" for k in range(20)]
    many = material(names)
    assert len(set(many.colours.values())) == 8
    plot, words = drawn(PLOTS["decomposition"](many))
    assert "other media (13)" in words
    assert [word for word in words if word in names] == names[:7]
    assert {row[1] for row in plot.tables[0].rows} >= set(names)  # the table has them all
    curves, words = drawn(PLOTS["responses"](many))
    assert len([word for word in words if word in names]) == 15
    assert "The 5 curves with the least money" in curves.note


def test_parts_of_the_table_add_up_to_what_was_fitted() -> None:
    plot, _ = drawn(PLOTS["decomposition"](material(["tv", "search"])))
    for row in plot.tables[1].rows:
        _, _, fitted, *parts = row
        assert sum(part for part in parts if isinstance(part, float)) == pytest.approx(fitted)
    assert plot.tables[1].rows[4][1] is None  # the week whose outcome nobody knows


def test_shares_of_every_week_and_plan_add_up_to_one() -> None:
    plot, words = drawn(PLOTS["shares"](material(["tv", "search", "radio"])))
    for row in plot.tables[0].rows:
        shares = [cell.value for cell in row if isinstance(cell, Share)]
        assert sum(x for x in shares if x is not None) == pytest.approx(1.0)
    assert {"now", "plan"} <= set(words)


def test_a_point_is_sustained_spend_against_the_return_that_plans_use() -> None:
    """Spend that never changes is its own sustained spend; the return of plans is half as large."""
    steady = material(["tv"])
    steady.spend["tv"] = np.full(WEEKS, 100.0)
    found = steady.observed("tv")
    assert found is not None
    spend, brought = found
    assert spend == pytest.approx(100.0, rel=0.1)  # all but a tenth of the carryover is known
    assert spend.size == WEEKS - 3
    learned = steady.course
    assert learned is not None
    assert brought == pytest.approx(learned.media["tv"][3:] * 0.5)


def test_campaigns_have_bars_and_their_channel_a_row() -> None:
    plot, words = drawn(
        PLOTS["allocation"](material(["tv/brand", "tv/sale", "search"], campaigns=True))
    )
    assert {"tv/brand", "tv/sale", "search"} <= set(words)
    assert "tv" not in words
    rows = {row[0]: row[2] for row in plot.tables[0].rows}
    spends = {name: value for name, value in rows.items() if isinstance(value, float)}
    assert spends["tv/brand"] + spends["tv/sale"] == pytest.approx(spends["tv"])
    assert spends["tv"] + spends["search"] == pytest.approx(spends["total"])


def test_a_history_that_nothing_was_learned_from_is_said_to_be_missing() -> None:
    bare = material(["tv"], over_time=None)
    assert isinstance(PLOTS["fit"](bare), Missing)
    assert isinstance(PLOTS["decomposition"](bare), Missing)
    assert bare.observed("tv") is None
    text = page(bare)
    assert "there is no fit to look at" in text
    assert "nothing says what the outcome was made of" in text


def test_figures_without_spend_say_so() -> None:
    nothing = material(["tv"])
    nothing.spend["tv"] = np.zeros(WEEKS)
    assert isinstance(PLOTS["shares"](nothing), Missing)
    free = Material(nothing.curves, Problem(nothing.problem.channels, 0.0), None)
    assert isinstance(PLOTS["budget"](free), Missing)
    assert isinstance(PLOTS["allocation"](free), Plot)
