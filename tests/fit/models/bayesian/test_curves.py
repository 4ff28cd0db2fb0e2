"""Stored curves say, in money, what the model says in its own units."""

from __future__ import annotations

import numpy as np
import pytest

from shared.fit.design.design import observed_spend
from shared.fit.media.priors import BETWEEN
from tests.fit.histories import fit_bayesian, simulated, table


@pytest.mark.parametrize("family", ["hill", "exponential"])
def test_curves_reproduce_the_media_of_their_draws(family: str) -> None:
    history, _ = simulated(rows=60, channels=2)
    posterior = fit_bayesian(history, {"model": {"saturation": family}}, seed=0, draws=20)
    media = posterior.model.media(posterior.draws) * posterior.design.outcome_scale
    decay = posterior.model.unpack(posterior.draws).first
    fitted = posterior.responses()
    lags = posterior.design.lags.shape[2]
    for c in range(2):
        money = posterior.design.lags[c] * posterior.design.spend_scale[c]
        for s in (0, 7, 19):
            kept = decay[s, c] ** np.arange(lags)
            carried = money @ (kept / kept.sum())
            np.testing.assert_allclose(fitted[c].draws[s].value(carried), media[c, s], rtol=1e-8)


def test_a_channel_without_spend_is_expected_to_return_about_what_the_others_do() -> None:
    posterior = fit_bayesian(simulated(rows=60, channels=2)[0], {}, seed=0, draws=400)
    response = posterior.unspent(np.random.default_rng(0))
    scale = float(np.median(posterior.design.spend_scale))
    returns = np.log([float(draw.value(scale)) / scale for draw in response.draws])
    others = np.log(posterior.returns)
    expected, unsure = posterior.prior.of_another(others)
    assert np.mean(returns) == pytest.approx(float(expected.mean()), abs=0.15)
    assert np.std(returns) == pytest.approx(float(np.hypot(unsure, expected.std())), abs=0.1)
    assert BETWEEN < np.std(returns) < 1.3


def test_last_is_the_mean_of_the_last_quarter() -> None:
    spend = np.arange(40.0)[:, None] + 1
    seen = observed_spend(table(np.arange(40.0), spend), spend[:, 0])
    assert (seen.min, seen.max, seen.mean) == (1, 40, 20.5)
    assert seen.last == pytest.approx(np.mean(np.arange(28, 41)))
