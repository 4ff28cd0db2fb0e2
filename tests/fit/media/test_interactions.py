"""Interactions asked of any kind of model: found where they are, and what is not fitted is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.fit.design.design import build_design
from shared.fit.media.interactions import arm_pairs, products, told_strengths
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import fit_history
from shared.history.table import History
from tests.fit.histories import simulated, table, weekly_dates
from tests.fit.models.bayesian.test_hierarchy import with_panel

KINDS = ["ridge", "time_series"]


def together(strength: float, seed: int = 5, rows: int = 208, channels: int = 2) -> History:
    """Half-saturated channels of height 1e4; the first two add 4 * strength times their product."""
    rng = np.random.default_rng(seed)
    spend = 1e3 * np.exp(0.6 * rng.normal(size=(rows, channels)))
    levels = spend / (1e3 + spend)
    media = 1e4 * (levels.sum(axis=1) + 4.0 * strength * levels[:, 0] * levels[:, 1])
    return table(5e4 + media + 500.0 * rng.standard_normal(rows), spend, dates=weekly_dates(rows))


def asked(kind: str, wish: Any) -> dict[str, Any]:
    return {"model": {"kind": kind, "interactions": wish, "saturation": "hill"}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("strength", "low", "high"), [(0.0, -3e3, 3e3), (0.9, 9e3, 5e4)])
def test_synergy_is_found_where_it_is(kind: str, strength: float, low: float, high: float) -> None:
    history = together(strength)
    fitted = fit_window(history, asked(kind, [["a", "b"]]), seed=0, draws=80)
    (pair,) = fitted.interactions()
    assert pair["channels"] == ["a", "b"]
    assert low < pair["strength"] < high
    assert (pair["interval"][0] > 0) == (strength > 0)
    # The parts still add up to the mean forecast.
    total = np.sum(list(fitted.over_time().values()), axis=0)
    assert total == pytest.approx(fitted.forecast(np.random.default_rng(0)).mean, rel=1e-6)
    assert "interactions" in fitted.over_time()
    assert fitted.pairs == (("a", "b"),)


@pytest.mark.parametrize("kind", KINDS)
def test_cannibalisation_has_a_negative_sign(kind: str) -> None:
    fitted = fit_window(together(-0.3), asked(kind, [["b", "a"]]), seed=0, draws=80)
    (pair,) = fitted.interactions()
    assert pair["strength"] < 0
    assert pair["interval"][1] < 0.2 * abs(pair["interval"][0])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_and_not_fitted_is_told(kind: str) -> None:
    history = together(0.0, rows=60, channels=7)
    everything = fit_window(history, asked(kind, "all"), seed=0, draws=20)
    assert len(everything.interactions()) == 15
    (told,) = everything.diagnostics()["model"]["not_used"]
    assert told.startswith("/model/interactions: pairs beyond the 6 channels")
    (told,) = fit_window(history, asked(kind, "auto"), seed=0, draws=20).diagnostics()["model"][
        "not_used"
    ]
    assert told.startswith("/model/interactions: this kind looks for no pairs")
    plain = fit_window(history, {"model": {"kind": kind}}, seed=0, draws=20)
    assert plain.interactions() == ()
    assert plain.diagnostics()["model"]["not_used"] == []


def test_what_is_not_fitted_is_a_warning_of_the_curve_set() -> None:
    history = together(0.0, rows=40)
    found = fit_history(history, asked("ridge", "auto"), draws=20).curve_set.diagnostics["warnings"]
    (message,) = (item["message"] for item in found if item["code"] == "not_used")
    assert "/model/interactions: this kind looks for no pairs by itself" in message


def test_arms_meet_in_their_geo_and_are_told_in_its_units() -> None:
    design = build_design(with_panel(simulated(rows=60, channels=3)[0]), None)
    (pairs,) = arm_pairs(design, [(0, 2)])
    named = [[design.arms[a].name for a in pair] for pair in pairs]
    assert named == [
        ["g0|a/brand", "g0|c"],
        ["g0|a/sale", "g0|c"],
        ["g1|a/brand", "g1|c"],
        ["g1|a/sale", "g1|c"],
    ]
    levels = np.zeros((1, len(design.arms), 2 * design.periods))
    for a, arm in enumerate(design.arms):
        levels[0, a, arm.geo * design.periods] = 2.0
    joint = products(levels, (pairs,))[0, 0]
    assert np.flatnonzero(joint).tolist() == [0, design.periods]
    assert joint[0] == 8.0  # two campaigns meet the other channel
    told = told_strengths(design, (pairs,), np.full((5, 1), 0.5))
    assert [item["strength"] for item in told] == pytest.approx(
        0.5 * np.repeat(design.outcome_scale, 2)
    )
