"""90 % intervals hold the truth about as often as they say: of returns, and of curves."""

from __future__ import annotations

import numpy as np
import pytest

from shared.fit.design.design import build_design
from shared.fit.media.search import space_of
from shared.fit.models.registry import fit_window
from shared.fit.models.ridge import Known, objective_of
from tests.fit.histories import simulated, table


def test_intervals_of_returns_and_of_responses_hold_the_truth() -> None:
    held = []
    for seed in range(20, 26):
        history, truth = simulated(seed=seed, rows=104, channels=4, noise=0.03)
        fitted = fit_window(history, {"model": {"kind": "ridge"}}, seed=0, draws=150)
        for c, (item, found) in enumerate(zip(fitted.evidence(), fitted.responses(), strict=True)):
            low, high = item.roi_interval or (0.0, 0.0)
            inside = [low <= truth.roi[c] <= high]
            for share in (0.5, 1.0, 1.5):
                at = share * float(history.spend[:, c].mean())
                draws = [float(draw.value(at)) for draw in found.draws]
                low, high = np.quantile(draws, [0.05, 0.95])
                inside.append(low <= float(truth.response(c, at)) <= high)
            held.append(inside)
    coverage = np.mean(held, axis=0)
    # 24 intervals each: 0.9 within three standard errors of such a share, and not all of them.
    assert (coverage >= 0.72).all(), coverage
    assert 0.86 <= np.mean(held) <= 0.97, coverage


@pytest.mark.parametrize(("memory", "low", "high"), [(0.0, 0.0, 0.3), (0.9, 0.5, 0.95)])
def test_errors_that_persist_are_seen_to(memory: float, low: float, high: float) -> None:
    rng = np.random.default_rng(3)
    error = rng.normal(size=156)
    for t in range(1, 156):
        error[t] = memory * error[t - 1] + np.sqrt(1 - memory**2) * error[t]
    history = table(100.0 + 5.0 * error, 10.0 * np.exp(0.5 * rng.normal(size=(156, 2))))
    design = build_design(history, None)
    space = space_of(design, ["hill"] * 2, ["geometric"] * 2, [(-1.0, 2.0), (-2.0, 0.5)])
    objective = objective_of(design, space, ("media", "baseline"), (), Known((), ()))
    assert low <= objective.persistence(np.full((1, space.size), 0.5)) <= high
