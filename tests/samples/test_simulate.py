"""The generator and its truth, checked by second methods."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from samples.options import BRAND, Interaction
from samples.simulate import simulate
from samples.truth import best_allocation, saturation_level, steady_state, upper_bound
from shared.curves.adstock import adstock_from_dict
from shared.curves.saturation import saturation_from_dict
from shared.history.parse import parse


def toy(*curves, interactions=()):
    channels = [
        {"channel": f"c{i}", "saturation": curve, "adstock": {"family": "geometric", "decay": 0.0}}
        for i, curve in enumerate(curves)
    ]
    return {"channels": channels, "interactions": list(interactions)}


def hill(top, half, shape):
    return {"family": "hill", "max_response": top, "half_saturation": half, "shape": shape}


def exponential(top, rate):
    return {"family": "exponential", "max_response": top, "rate": rate}


def test_the_same_seed_gives_the_same_history_and_another_another():
    first, again, other = (simulate(seed=s, weeks=30, channels=3) for s in (5, 5, 6))
    assert first.csv == again.csv
    assert first.truth == again.truth
    assert first.csv != other.csv


def test_the_outcome_is_base_plus_contributions_plus_noise():
    made = simulate(seed=2, weeks=120, channels=4, noise=0.0)
    np.testing.assert_allclose(
        made.outcome, made.base + made.contributions.sum(axis=1), atol=0.00501
    )


def test_contributions_follow_from_the_curves_of_the_product():
    """The truth in the product's own families gives the contributions the generator computed."""
    made = simulate(seed=3, weeks=150, channels=6, noise=0.0, warm_up=0)
    for c, channel in enumerate(made.truth["channels"]):
        adstocked = adstock_from_dict(channel["adstock"]).apply(made.spend[:, c])
        response = saturation_from_dict(channel["saturation"]).value(adstocked)
        np.testing.assert_allclose(response, made.contributions[:, c], rtol=1e-7, atol=1e-6)


def test_returns_are_what_was_asked_for():
    made = simulate()
    for channel, asked in zip(made.truth["channels"], BRAND, strict=True):
        assert channel["roi"] == pytest.approx(asked.roi, rel=1e-12)
        assert channel["total_contribution"] == pytest.approx(asked.roi * channel["total_spend"])


def test_adstock_weights_sum_to_one():
    for channel in simulate(weeks=20).truth["channels"]:
        assert sum(channel["adstock_weights"]) == pytest.approx(1.0, abs=1e-4)
        assert channel["adstock"]["normalised"] is True


def test_daily_histories_late_starts_pauses_outliers():
    made = simulate(seed=4, weeks=40, frequency="day", channels=3, outliers=0.05)
    parsed = parse(made.spec, made.csv.encode())
    assert parsed.history.frequency == "day"
    assert parsed.history.spend.shape == (280, 3)
    brand = simulate(weeks=130)
    video, radio = brand.spend[:, 3], brand.spend[:, 5]
    assert not video[:46].any()
    assert video[46] > 0
    assert not radio[96:118].any()
    quiet, loud = simulate(seed=9, channels=2), simulate(seed=9, channels=2, outliers=0.1)
    assert loud.truth["noise_sd"] > 1.2 * quiet.truth["noise_sd"]


def test_interactions_add_what_both_saturations_say():
    pair = Interaction("channel_1", "channel_2", 50_000.0)
    without = simulate(seed=5, weeks=60, channels=3, noise=0.0)
    made = simulate(seed=5, weeks=60, channels=3, noise=0.0, interactions=(pair,))
    added = made.outcome - without.outcome
    assert np.all(added > 0)
    assert np.all(added < 50_000)
    assert made.truth["optimum"]["history_mean"]["upper_bound"] is None


def test_unknown_families_are_refused():
    with pytest.raises(ValueError, match="unknown family"):
        saturation_level({"family": "cubic"}, np.zeros(1))
    with pytest.raises(KeyError, match="unknown channels"):
        steady_state(toy(hill(1, 1, 1)), {"c9": 1.0})


@pytest.mark.parametrize("interactions", [(), ({"channels": ["c0", "c2"], "strength": 40.0},)])
@pytest.mark.parametrize("budget", [30.0, 100.0, 180.0])
def test_the_optimum_beats_every_point_of_a_grid(budget, interactions):
    truth = toy(
        hill(100, 40, 2.5), exponential(60, 0.03), hill(90, 60, 3.0), interactions=interactions
    )
    caps = (90.0, 70.0, 120.0)
    allocation, value = best_allocation(truth, budget, caps)
    assert sum(allocation.values()) == pytest.approx(budget, rel=1e-12)
    assert all(0 <= x <= cap for x, cap in zip(allocation.values(), caps, strict=True))
    grid = np.linspace(0.0, budget, 121)
    rival = max(
        steady_state(truth, {"c0": a, "c1": b, "c2": budget - a - b})
        for a, b in itertools.product(grid[grid <= 90], grid[grid <= 70])
        if 0 <= budget - a - b <= 120
    )
    assert value >= rival
    assert value <= rival * 1.01
    bound = upper_bound(truth, budget, caps)
    if interactions:
        assert bound is None
    else:
        assert bound >= value


def test_a_concave_optimum_meets_its_bound_and_equal_margins():
    truth = toy(exponential(60, 0.03), exponential(90, 0.02), hill(80, 50, 1.0))
    caps = (200.0, 200.0, 200.0)
    allocation, value = best_allocation(truth, 120.0, caps)
    bound = upper_bound(truth, 120.0, caps)
    assert bound == pytest.approx(value, rel=1e-4)
    slopes = [
        float(saturation_from_dict(c["saturation"]).slope(np.array(allocation[c["channel"]])))
        for c in truth["channels"]
    ]
    assert slopes == pytest.approx([slopes[0]] * 3, rel=1e-3)


def test_a_budget_beyond_the_caps_is_refused():
    with pytest.raises(ValueError, match="exceeds"):
        best_allocation(toy(hill(1, 1, 1), hill(1, 1, 1)), 10.0, (2.0, 3.0))
