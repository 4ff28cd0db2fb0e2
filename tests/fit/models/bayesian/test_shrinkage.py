"""Pairs of channels left to the fit: none is believed in beforehand, the true one is found."""

from __future__ import annotations

import numpy as np
import pytest

from shared.fit.design.design import build_design
from shared.fit.media.priors import return_prior
from shared.fit.models.bayesian.layout import Choice
from shared.fit.models.bayesian.model import build_model
from shared.history.table import History
from tests.fit.histories import fit_bayesian, simulated, table

SPEC = {"model": {"saturation": "hill", "adstock": "geometric", "interactions": "all"}}


def test_the_shrinking_prior_is_normalised_and_its_gradient_right() -> None:
    history, _ = simulated(rows=60, channels=3)
    design = build_design(history, None)
    returns = return_prior({}, "revenue", history.channels, 1e6, 1e7)
    pairs = ((0, 1), (0, 2), (1, 2))
    model = build_model(design, returns, Choice.same(3, "hill"), pairs=pairs, shrunk=True)
    place = int(model.layout.pairs[1])
    centre, _ = model.prior_moments()
    grid = np.linspace(-200.0, 200.0, 400_001)
    theta = np.tile(centre, (3, 1))
    theta[:, place] = [-0.4, 0.1, 2.0]
    gradient = model.prior.log_density(theta)[1]
    step = 1e-6 * np.eye(model.size)[place]
    up, down = model.prior.log_density(theta + step)[0], model.prior.log_density(theta - step)[0]
    np.testing.assert_allclose(gradient[:, place], (up - down) / 2e-6, rtol=1e-5)
    along = np.tile(centre, (1, 1))
    scale = model.prior.sd[place] / np.sqrt(3)
    assert scale == pytest.approx(0.25)
    far = grid / scale
    density = (1 + far**2 / 3) ** -2 * 2 / (np.pi * np.sqrt(3)) / scale
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-3)
    along[0, place] = grid[200_000 + 400]
    difference = model.prior.log_density(along)[0][0] - model.prior.log_density(centre[None])[0][0]
    expected = np.log(density[200_400] / density[200_000])
    assert difference == pytest.approx(expected, rel=1e-6)


def made(strength: float) -> History:
    """Three channels, of which the first two do more together."""
    rng = np.random.default_rng(3)
    # On and off by chance: what two channels do together is then told from what each does.
    spend = 1e4 * np.where(rng.uniform(size=(180, 3)) < 0.5, 0.2, 2.5)
    carried = 0.7 * spend[1:] + 0.3 * spend[:-1]
    level = carried / (carried + 1e4)
    alone = 1e5 + level @ np.array([3e4, 3e4, 3e4])
    noise = 1e3 * rng.normal(size=179)
    together = strength * level[:, 0] * level[:, 1]
    return table(alone + together + noise, spend[1:])


def test_only_the_pair_that_works_together_is_reported_away_from_zero() -> None:
    found = fit_bayesian(made(4e4), SPEC, seed=0, draws=100)
    by_pair = {tuple(pair["channels"]): pair for pair in found.interactions()}
    assert set(by_pair) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert by_pair["a", "b"]["interval"][0] > 0
    for other in (("a", "c"), ("b", "c")):
        assert abs(by_pair[other]["strength"]) < 0.3 * by_pair["a", "b"]["strength"]


@pytest.mark.slow
def test_no_pair_is_reported_away_from_zero_where_none_works_together() -> None:
    plain = fit_bayesian(made(0.0), SPEC, seed=0, draws=100)
    for pair in plain.interactions():
        low, high = pair["interval"]
        assert low < 0 < high
        assert abs(pair["strength"]) < 0.2 * float(plain.design.outcome_scale[0])
