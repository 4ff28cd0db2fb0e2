"""How closely spend follows demand: against spends that are made of demand and noise."""

from __future__ import annotations

import numpy as np
import pytest

from shared.fit.design.design import build_design
from shared.fit.media.demand import following
from tests.fit.histories import table, weekly_dates


def test_the_share_is_that_of_the_variation_which_demand_makes() -> None:
    rng = np.random.default_rng(5)
    weeks = 156
    season = np.sin(2.0 * np.pi * 7.0 * np.arange(weeks) / 365.25)
    promo = (rng.random(weeks) < 0.15).astype(np.float64)
    demand = 0.2 * season + 0.5 * promo
    demand -= demand.mean()
    noise = rng.standard_normal((weeks, 4)) * demand.std()
    # One part noise beside demand; three parts; none of demand; bought when little is sold.
    moved = np.column_stack([demand, demand, 0.0 * demand, -demand])
    spend = 1000.0 * np.exp(moved + noise * np.array([1.0, np.sqrt(3.0), 1.0, 1.0]))
    outcome = 1e5 * (1.0 + demand + 0.02 * rng.standard_normal(weeks))
    history = table(outcome, spend, dates=weekly_dates(weeks), controls=promo[:, None])
    found = following(build_design(history, None))
    assert found[:3] == pytest.approx([0.5, 0.25, 0.0], abs=0.1)
    assert found[3] == 0.0


def test_a_channel_that_was_hardly_on_has_no_share() -> None:
    rng = np.random.default_rng(6)
    spend = rng.lognormal(6.0, 0.3, (104, 2))
    spend[20:, 1] = 0.0
    history = table(1e5 * rng.lognormal(0.0, 0.1, 104), spend)
    found = following(build_design(history, None))
    assert np.isfinite(found[0])
    assert np.isnan(found[1])
