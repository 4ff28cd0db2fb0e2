"""Carryover and curves of another kind are found, one by one or together; plain ones stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.models.bayesian.families import CLEAR, told, told_together
from shared.fit.models.bayesian.fit import BayesianFit
from shared.history.table import History
from tests.fit.histories import fit_bayesian, simulated, table

Floats = NDArray[np.float64]
_LEAD = 20
SLOW = pytest.mark.slow


def made(saturation: str, adstock: str, seed: int = 0, rows: int = 156) -> History:
    """Three channels, of which the first has these families and the others plain ones."""
    rng = np.random.default_rng(seed)
    wander = rng.normal(size=(rows + _LEAD, 3))
    for t in range(1, len(wander)):
        wander[t] = 0.4 * wander[t - 1] + 0.9 * wander[t]
    spend = 2e4 * np.exp(0.7 * wander)
    lag = np.arange(13)
    geometric = 0.4**lag
    weights = {
        "geometric": geometric,
        "delayed": 0.6 ** ((lag - 3.0) ** 2),
        "weibull_pdf": ((lag + 1) / 4) ** 1.5 * np.exp(-(((lag + 1) / 4) ** 2.5)),
    }[adstock]
    outcome = np.full(rows + _LEAD, 2e5)
    for c in range(3):
        by_lag = weights if c == 0 else geometric
        carried = np.convolve(spend[:, c], by_lag / by_lag.sum())[: len(spend)] / 2e4
        level = carried**1.2 / (1.2 + carried**1.2)
        if c == 0 and saturation == "logistic":
            level = np.tanh(1.2 * carried)
        if c == 0 and saturation == "logarithmic":
            level = np.log1p(4.0 * carried)
        outcome += 4e4 * level / level[_LEAD:].mean()
    outcome = outcome[_LEAD:]
    noisy = outcome + 0.09 * outcome.std() * rng.normal(size=rows)
    return table(noisy, spend[_LEAD:])


def fitted(history: History, **model: str) -> BayesianFit:
    return fit_bayesian(history, {"model": model}, seed=0, draws=20)


@pytest.mark.parametrize("adstock", ["delayed", pytest.param("weibull_pdf", marks=SLOW)])
def test_carryover_of_another_kind_is_found(adstock: str) -> None:
    found = fitted(made("hill", adstock))
    assert found.families.adstocks == (adstock, "geometric", "geometric")
    assert found.log_evidence["chosen"] > found.log_evidence["first"] + CLEAR
    entry = told(found.chosen, ["a", "b", "c"])[0]
    assert (entry["channel"], entry["adstock"]) == ("a", adstock)
    best = next(t for t in entry["alternatives"] if t["adstock"] == adstock)
    assert best["fitted"]
    assert best["evidence_gain"] > CLEAR
    assert best["loo_gain"] > 2 * best["loo_standard_error"] > 0


def test_a_ceiling_that_hill_does_not_reach_is_found() -> None:
    found = fitted(made("logistic", "geometric"))
    assert found.families.saturations == ("logistic", "hill", "hill")


def test_a_curve_without_ceiling_is_found_where_the_spend_tells() -> None:
    rng = np.random.default_rng(1)
    spend = 1e4 * np.exp(1.3 * rng.normal(size=(220, 1)))
    carried = np.convolve(spend[:, 0], 0.6 * 0.4 ** np.arange(13))[:220]
    outcome = 5e4 + 1e4 * np.log1p(carried / 1.2e4) + 200 * rng.normal(size=220)
    outcome, spend = outcome[20:], spend[20:]
    assert fitted(table(outcome, spend)).families.saturations == ("logarithmic",)


def late(
    seed: int, *, noise: float, peak: float, habit: float, channels: int, rows: int = 156
) -> History:
    """Every channel works ``peak`` weeks late; spend keeps near last week's by ``habit``."""
    rng = np.random.default_rng(seed)
    wander = rng.normal(size=(rows + _LEAD, channels))
    for t in range(1, len(wander)):
        wander[t] = habit * wander[t - 1] + np.sqrt(1.0 - habit**2) * wander[t]
    spend = 2e4 * np.exp(0.5 * wander)
    weights = 0.6 ** ((np.arange(13) - peak) ** 2)
    outcome = np.full(rows + _LEAD, 2e5)
    for c in range(channels):
        carried = np.convolve(spend[:, c], weights / weights.sum())[: len(spend)] / 2e4
        level = carried**1.2 / (1.2 + carried**1.2)
        outcome += 4e4 * level / level[_LEAD:].mean()
    outcome = outcome[_LEAD:]
    return table(outcome + noise * outcome.std() * rng.normal(size=rows), spend[_LEAD:])


def faint(seed: int) -> History:
    """Two weeks late, in so much noise that hardly a channel shows it alone."""
    return late(seed, noise=0.8, peak=2.0, habit=0.4, channels=6)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=SLOW)])
def test_one_carryover_of_all_channels_is_found_where_few_show_it_alone(seed: int) -> None:
    found = fitted(faint(seed), saturation="hill")
    assert found.families.adstocks == ("delayed",) * 6
    alone = {t.channel for t in found.chosen.tried if t.gained is not None and t.gained > CLEAR}
    assert len(alone) < 6
    (taken,) = [t for t in told_together(found.chosen) if t["taken"]]
    assert taken["adstock"] == "delayed"
    assert taken["evidence_gain"] > -CLEAR
    assert found.log_evidence["chosen"] > found.log_evidence["first"] + CLEAR


def test_a_carryover_that_was_asked_for_stays_when_all_others_change_together() -> None:
    spec = {"model": {"saturation": "hill"}, "channels": [{"channel": "b", "adstock": "geometric"}]}
    found = fit_bayesian(faint(2), spec, seed=0, draws=20)
    assert found.families.adstocks == ("delayed", "geometric", *("delayed",) * 4)


def test_errors_that_a_wrong_carryover_left_are_no_memory_and_no_drift() -> None:
    # Slow spend that works late: read as prompt, it leaves errors that follow each other.
    found = fitted(late(0, noise=0.2, peak=3.0, habit=0.8, channels=3), saturation="hill")
    assert found.families.adstocks == ("delayed",) * 3
    assert "drift" not in found.log_evidence
    assert abs(found.noise.correlation) < 0.05
    assert not any("slow wave" in name for name in found.design.baseline_names)


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=SLOW) for k in (1, 2))])
def test_plain_channels_stay_plain(seed: int) -> None:
    found = fitted(simulated(seed=seed, rows=104, channels=3)[0])
    assert set(found.families.saturations) == {"hill"}
    assert set(found.families.adstocks) == {"geometric"}
    assert not any(t.taken for t in found.chosen.together)


def test_what_is_asked_for_is_not_tried_further() -> None:
    found = fitted(made("hill", "delayed"), saturation="hill", adstock="geometric")
    assert found.families.adstocks == ("geometric",) * 3
    assert found.chosen.tried == ()
    only = fitted(made("hill", "delayed"), saturation="hill")
    assert {t.saturation for t in only.chosen.tried} == {"hill"}
    assert only.families.adstocks[0] == "delayed"
