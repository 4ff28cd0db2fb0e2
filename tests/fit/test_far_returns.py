"""Returns far from what is believed: the belief widens for that channel, and only for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.fit.media.priors import return_prior
from shared.fit.pipeline import fit_history
from shared.history.beliefs import FAR_RETURN, far_returns
from shared.history.spec import Spec
from shared.history.suspicions import suspicions
from tests.fit.histories import HILL, simulated


@pytest.mark.parametrize("factor", [30.0, 100.0])
def test_the_true_return_is_in_the_interval(factor: float) -> None:
    history, truth = simulated(seed=2, rows=104, channels=3, noise=0.02)
    spend = history.spend * np.array([1.0, 1.0, 1.0 / factor])
    history = replace(history, spend=spend)
    found = suspicions(history, Spec())
    (far,) = [item for item in found if item.code == FAR_RETURN]
    assert (far.data["channel"], far.settled_by) == ("c", "priors")
    history = replace(history, findings=tuple(found))
    result = fit_history(history, HILL, draws=100)
    assert result.promote, result.reasons
    for channel, roi in zip(result.curve_set.channels, truth.roi, strict=True):
        assert channel.roi is not None
        assert channel.roi.interval is not None
        low, high = channel.roi.interval
        true = roi * (factor if channel.channel == "c" else 1.0)
        assert low < true < high
        assert high < 20.0 * low


def test_the_widened_belief_holds_both_and_leaves_the_others_alone() -> None:
    plain = return_prior({}, "revenue", ("a", "b"), 100.0, 1000.0)
    wide = return_prior({}, "revenue", ("a", "b"), 100.0, 1000.0, {"b": 150.0})
    assert wide.log_median[0] == plain.log_median[0]
    assert wide.log_sd[0] == plain.log_sd[0]
    ends = wide.log_median[1] + wide.log_sd[1] * np.array([-1.0, 1.0])
    np.testing.assert_allclose(ends, [plain.log_median[1], np.log(150.0)])
    assert wide.covariance()[0, 1] == 0.0 < plain.covariance()[0, 1]
    assert wide.given == (False, False)
    # What is said in the spec stands, and so does what is not far.
    said = {"priors": [{"channel": "b", "roi_median": 2.0}]}
    kept = return_prior(said, "revenue", ("a", "b"), 100.0, 1000.0, {"b": 150.0})
    assert kept.log_median[1] == pytest.approx(np.log(2.0))
    near = return_prior({}, "revenue", ("a", "b"), 100.0, 1000.0, {"b": 5.0})
    np.testing.assert_array_equal(near.covariance(), plain.covariance())
    campaigns = return_prior({}, "revenue", ("a", "b/brand"), 100.0, 1000.0, {"b": 150.0})
    np.testing.assert_array_equal(campaigns.log_sd, wide.log_sd)


def test_a_count_has_a_belief_in_proportion_to_its_spend() -> None:
    history, truth = simulated(seed=2, rows=104, channels=3)
    spend = history.spend * np.array([1.0, 1.0, 1e-3])
    history = replace(history, outcome_name="orders", spend=spend)
    found = suspicions(history, Spec())
    (far,) = [item for item in found if item.code == FAR_RETURN]
    assert 0.2 < far.data["return"] / (1e3 * truth.roi[2]) < 2.0  # it knows no carryover
    assert far_returns(replace(history, findings=(far,))) == {"c": far.data["return"]}
    assert "thousands" in far.message
