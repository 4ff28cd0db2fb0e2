"""Which saturation is chosen, and what makes a fit count as converged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.fit.bayes.posterior import CLEAR, fit_posterior
from tests.fit.histories import HILL, simulated, table


def test_the_saturation_asked_for_is_the_only_one_tried() -> None:
    history, _ = simulated(rows=50, channels=2)
    found = fit_posterior(history, {"model": {"saturation": "exponential"}}, seed=0, draws=20)
    assert found.family == "exponential"
    assert set(found.evidence) == {"asked", "chosen", "no_media"}
    assert set(found.choice.saturations) == {"exponential"}


def test_exponential_is_chosen_only_where_the_evidence_is_clear() -> None:
    # Steep saturation far beyond the mean spend: the prior of Hill shapes has little of that.
    rng = np.random.default_rng(0)
    spend = 1e4 * np.exp(0.9 * rng.normal(size=(200, 1)))
    outcome = 5e4 - 3e4 * np.exp(-spend[:, 0] / 4e3) + 150 * rng.normal(size=200)
    found = fit_posterior(table(outcome, spend), {}, seed=0, draws=20)
    difference = found.evidence["exponential"] - found.evidence["hill"]
    assert difference > CLEAR
    assert found.family == "exponential"
    history, _ = simulated(rows=60, channels=2, noise=0.1)
    close = fit_posterior(history, {}, seed=0, draws=20)
    assert abs(close.evidence["exponential"] - close.evidence["hill"]) < CLEAR
    assert close.family == "hill"


def test_training_on_the_first_rows_alone() -> None:
    history, _ = simulated(rows=80, channels=2)
    found = fit_posterior(history, HILL, seed=0, train=60, draws=20)
    assert found.design.observed.sum() == 60
    assert found.draws.shape == (20, 9)
    assert found.converged


@pytest.mark.parametrize("part", ["sample", "mode"])
def test_chains_that_do_not_agree_are_not_converged(part: str) -> None:
    history, _ = simulated(rows=50, channels=1)
    found = fit_posterior(history, HILL, seed=0, draws=20)
    assert found.converged
    if part == "sample":
        bad = replace(found, sample=replace(found.sample, reached=False))
    else:
        bad = replace(found, mode=replace(found.mode, decrement=1.0))
    assert not bad.converged
