"""Which saturation is chosen, and what makes a fit count as converged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.fit.bayes.posterior import fit_posterior
from tests.fit.histories import HILL, simulated


def test_the_saturation_asked_for_is_kept() -> None:
    history, _ = simulated(rows=50, channels=2)
    found = fit_posterior(history, {"model": {"saturation": "exponential"}}, seed=0, draws=20)
    assert found.family == "exponential"
    assert set(found.evidence) == {"first", "chosen", "no_media"}
    assert set(found.choice.saturations) == {"exponential"}


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
