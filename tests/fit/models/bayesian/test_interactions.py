"""Pairs that work together or against each other are found by default; others are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.judge.validate import validate
from shared.fit.media.asked import settled
from shared.fit.media.priors import STRENGTH
from shared.fit.models.bayesian.families import suspects
from shared.fit.models.bayesian.fit import BayesianFit
from shared.fit.models.bayesian.laplace import find_mode
from shared.history.table import History
from tests.fit.histories import fit_bayesian, simulated, table
from tests.fit.models.bayesian.test_hierarchy import model_of, with_panel

Floats = NDArray[np.float64]
SLOW = pytest.mark.slow
PLAIN = {"model": {"saturation": "hill", "adstock": "geometric"}}


def made(strength: float, seed: int = 0, *, on_off: bool = True, together: float = 0.0) -> History:
    """Three channels of which the second and third interact; every level has a half of 1e4."""
    rng = np.random.default_rng(seed)
    own, common = rng.normal(size=(200, 3)), rng.normal(size=(200, 1))
    mixed = np.sqrt(1.0 - together) * own + np.sqrt(together) * common
    spend = 1e4 * (np.where(mixed < 0.0, 0.2, 2.5) if on_off else np.exp(mixed))
    weights = 0.7 * 0.3 ** np.arange(13)
    carried = np.column_stack([np.convolve(x, weights)[:200] for x in spend.T])[20:]
    level = carried / (carried + 1e4)
    alone = 1e5 + level @ np.array([3e4, 3e4, 3e4])
    noise = 1e3 * rng.normal(size=180)
    return table(alone + strength * level[:, 1] * level[:, 2] + noise, spend[20:])


def fitted(history: History) -> BayesianFit:
    return fit_bayesian(history, PLAIN, seed=0, draws=20)


@pytest.mark.parametrize("strength", [2e4, -2e4])
def test_a_pair_is_found_with_its_sign(strength: float) -> None:
    found = fit_bayesian(made(strength, 3, on_off=False), PLAIN, seed=0, draws=40)
    assert found.pairs == (("b", "c"),)
    told = found.interactions()[0]
    assert told["channels"] == ["b", "c"]
    assert min(np.multiply(told["interval"], np.sign(strength))) > 0
    assert told["strength"] == pytest.approx(strength, rel=0.5)
    told_of = found.diagnostics()["interactions"]
    taken = [entry for entry in told_of if entry["taken"]]
    assert [entry["channels"] for entry in taken] == [["b", "c"]]
    assert taken[0]["evidence_gain"] > 10
    assert taken[0]["fitted"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=SLOW) for k in (1, 2, 3))])
@pytest.mark.parametrize("together", [0.0, 0.8])
def test_channels_that_only_add_up_are_left_alone(seed: int, together: float) -> None:
    found = fitted(made(0.0, seed, on_off=False, together=together))
    assert found.pairs == ()
    assert found.looked is not None
    assert found.looked.tried


def test_the_screen_agrees_with_the_full_fit_of_a_faint_pair() -> None:
    # Faint, so that the log posterior is nearly quadratic from the mode without it to that with it.
    history = made(4e3, on_off=False)
    plain = fitted(history)
    assert plain.pairs == ()
    spec = {"model": {**PLAIN["model"], "interactions": [["b", "c"]]}}
    asked = fit_bayesian(history, spec, seed=0, draws=20)
    # Both under the one noise, so that nothing but the pair is between them.
    model = replace(asked.model, marginal=plain.model.marginal)
    mode = find_mode(model, np.insert(plain.mode.theta, -1, 0.0)[None])
    by_pair = {s.pair: s for s in suspects(plain.model, plain.mode)}
    gain = mode.log_evidence - plain.mode.log_evidence
    assert by_pair[1, 2].screened == pytest.approx(gain, abs=0.3)
    strength = STRENGTH * mode.theta[model.layout.pairs[0]]
    assert by_pair[1, 2].strength == pytest.approx(strength, rel=0.2)


def test_the_screen_is_the_quadratic_of_the_model_with_the_pair_in_geos_and_campaigns() -> None:
    history = with_panel(simulated(rows=80, channels=3)[0])
    plain = model_of(history)
    mode = find_mode(plain, plain.prior_moments()[0][None])
    by_pair = {s.pair: s for s in suspects(plain, mode)}
    for pair in ((0, 1), (1, 2)):
        model = model_of(history, pairs=(pair,))
        place = int(model.layout.pairs[0])
        theta = np.insert(mode.theta, place, 0.0)
        pull = float(model.log_posterior(theta[None])[1][0, place])
        moves = 1e-4 * np.eye(model.size)
        up, down = model.log_posterior(theta + moves)[1], model.log_posterior(theta - moves)[1]
        hessian = -(up - down) / 2e-4
        rest = np.delete(np.arange(model.size), place)
        mixed = hessian[rest, place]
        among = hessian[np.ix_(rest, rest)]
        left = float(hessian[place, place] - mixed @ np.linalg.solve(among, mixed))
        left -= 4.0 / 3.0 - 1.0  # of the tails of the strength's prior, which the screen leaves out
        left = max(left, 1.0)  # a little less than the prior's own is taken for nothing said
        suspect = by_pair[pair]
        assert suspect.strength == pytest.approx(STRENGTH * pull / left, rel=0.02, abs=1e-4)
        expected = 0.5 * pull**2 / left - 0.5 * np.log(left)
        assert suspect.screened == pytest.approx(expected, rel=0.02, abs=2e-3)


def test_a_curve_without_ceiling_is_no_suspect() -> None:
    history = made(2e4)
    spec = {"model": {**PLAIN["model"], "saturation": "logarithmic"}}
    found = fit_bayesian(history, spec, seed=0, draws=20)
    assert found.pairs == ()
    assert found.looked is not None
    assert found.looked.tried == ()


@pytest.mark.parametrize("wish", ["none", []])
def test_the_search_can_be_switched_off(wish: object) -> None:
    spec = {"model": {**PLAIN["model"], "interactions": wish}}
    found = fit_bayesian(made(2e4), spec, seed=0, draws=20)
    assert found.pairs == ()
    assert found.interactions() == ()
    assert found.diagnostics()["interactions"] is None
    assert settled(spec, ()) is spec


def test_folds_take_the_pairs_of_the_whole_fit() -> None:
    history = made(2e4)
    known = settled(PLAIN, (("b", "c"),))
    assert known["model"] == {**PLAIN["model"], "interactions": [["b", "c"]]}
    assert settled({}, ())["model"] == {"interactions": []}  # nothing found: no fold looks again
    (last,) = validate(history, known, seed=0, choice={}, least=160)
    assert last.fitted is not None
    assert last.fitted.pairs == (("b", "c"),)
