"""One word a channel, and who cannot be told from whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.models.bayesian.fit import BayesianFit
from tests.fit.histories import HILL, fit_bayesian, simulated

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def posterior() -> BayesianFit:
    return fit_bayesian(simulated(rows=80, channels=3)[0], HILL, seed=0, draws=200)


def with_log_roi(posterior: BayesianFit, log_roi: Floats) -> BayesianFit:
    draws = posterior.draws.copy()
    draws[:, :3] = log_roi
    sample = replace(posterior.sample, draws=draws)
    return replace(posterior, sample=sample, errors=np.zeros((len(draws), 3)))


def test_words_follow_the_contraction_and_the_shift(posterior: BayesianFit) -> None:
    centre, sd = posterior.prior.log_median, posterior.prior.sd
    z = np.random.default_rng(0).standard_normal((200, 3))
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    settled = with_log_roi(posterior, centre + sd * z * [0.3, 0.6, 0.9]).evidence()
    assert [e.verdict for e in settled] == ["good", "weak", "prior"]
    # Against what the other two channels make of it, which is less wide than the prior.
    expected, unsure = posterior.prior.by_the_others(centre + sd * z * [0.3, 0.6, 0.9])
    beforehand = unsure[0] ** 2 + np.var(expected[:, 0])
    assert beforehand < sd[0] ** 2
    assert settled[0].contraction == pytest.approx(1 - (0.3 * sd[0]) ** 2 / beforehand)
    alone = with_log_roi(posterior, centre + sd * (0.95 * z + [1.2, 0, 0])).evidence()
    assert alone[0].verdict == "weak"
    # A level that all share says less of any one of them, though not by much: of 0.52 standard
    # deviations a twelfth is what the other two lead to expect.
    one = with_log_roi(posterior, centre + sd * (0.95 * z + [0.52, 0, 0])).evidence()
    assert one[0].verdict == "weak"
    together = with_log_roi(posterior, centre + sd * (0.95 * z + 0.52)).evidence()
    assert [e.verdict for e in together] == ["prior"] * 3
    wider = with_log_roi(posterior, centre + sd * 1.4 * z).evidence()
    assert {(e.verdict, e.contraction) for e in wider} == {("prior", 0.0)}


def test_intervals_are_quantiles_in_natural_units(posterior: BayesianFit) -> None:
    evidence = posterior.evidence()
    roi = posterior.returns[:, 0]
    assert evidence[0].roi_interval == pytest.approx(tuple(np.quantile(roi, [0.05, 0.95])))
    half = np.exp(posterior.draws[:, 6]) * posterior.design.spend_scale[0]
    assert evidence[0].half_saturation[1] == pytest.approx(float(np.median(half)))


def test_returns_traded_against_each_other_are_one_group(posterior: BayesianFit) -> None:
    z = np.random.default_rng(1).standard_normal((200, 3))
    assert with_log_roi(posterior, z).groups() == ()
    z[:, 2] = -z[:, 0] + 0.3 * z[:, 2]
    groups = with_log_roi(posterior, z).groups()
    assert [members for members, _ in groups] == [("a", "c")]
    assert 0.6 < groups[0][1] <= 1.0


def test_spend_that_moves_together_is_one_group() -> None:
    history, _ = simulated(rows=80, channels=3)
    spend = history.spend.copy()
    spend[:, 1] = 3 * spend[:, 2] * np.exp(0.01 * np.random.default_rng(0).normal(size=80))
    posterior = fit_bayesian(replace(history, spend=spend), HILL, seed=0, draws=60)
    groups = posterior.groups()
    assert any({"b", "c"} <= set(members) for members, _ in groups)


def test_one_channel_is_never_collinear() -> None:
    posterior = fit_bayesian(simulated(channels=1, rows=50)[0], {}, seed=0, draws=20)
    assert posterior.groups() == ()
