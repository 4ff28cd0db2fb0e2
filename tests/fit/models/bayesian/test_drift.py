"""A drifting level is found by evidence where there is one, and left alone where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.fit.models.bayesian.fit import BayesianFit
from shared.fit.models.registry import fit_window
from shared.history.table import History
from tests.fit.histories import simulated

SPLIT = 143
LAST = slice(SPLIT, 156)


def drifting(seed: int, size: float) -> History:
    """Sales whose level wanders smoothly by ``size`` of its mean, around any straight line."""
    history = simulated(seed, rows=156)[0]
    steps = np.random.default_rng([seed, 9]).normal(size=156 + 40)
    bell = np.exp(-0.5 * (np.arange(-20, 21) / 8.0) ** 2)
    level = np.convolve(np.cumsum(steps), bell / bell.sum(), "valid")
    level = (level - level.mean()) / level.std()
    return replace(history, outcome=history.outcome + size * history.outcome.mean() * level)


def fitted(history: History, wander: bool | None) -> BayesianFit:
    model: dict[str, Any] = {"saturation": "hill", "adstock": "geometric"}
    if wander is not None:
        model["time_varying_baseline"] = wander
    found = fit_window(history, {"model": model}, seed=0, train=SPLIT, draws=40)
    assert isinstance(found, BayesianFit)
    return found


def waves(fit: BayesianFit) -> int:
    return sum(name.startswith("slow wave") for name in fit.design.baseline_names)


def error(fit: BayesianFit, history: History) -> float:
    mean = fit.forecast(np.random.default_rng(0)).mean
    return float(np.sqrt(np.mean((mean[LAST] - history.outcome[LAST]) ** 2)))


def test_a_drift_is_found_and_forecasts_get_better() -> None:
    history = drifting(12, 0.12)
    straight, chosen = fitted(history, False), fitted(history, None)
    assert waves(straight) == 0
    assert waves(chosen) > 10
    assert chosen.log_evidence["drift"] > 2.0
    assert error(chosen, history) < 0.7 * error(straight, history)


def test_without_a_drift_none_is_looked_for() -> None:
    history = drifting(1, 0.0)
    chosen = fitted(history, None)
    assert waves(chosen) == 0
    assert "drift" not in chosen.log_evidence
    asked = fitted(history, True)
    assert waves(asked) > 10
    assert error(asked, history) < 2.0 * error(chosen, history)


@pytest.mark.slow
def test_the_choice_helps_where_there_is_drift_and_costs_nothing_elsewhere() -> None:
    for size, most in ((0.12, 0.7), (0.0, 1.05)):
        ratios = []
        for seed in range(10, 18):
            history = drifting(seed, size)
            straight, chosen = fitted(history, False), fitted(history, None)
            ratios.append(error(chosen, history) / error(straight, history))
        assert np.median(ratios) < most
