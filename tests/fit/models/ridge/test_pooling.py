"""Arms of one channel lean on its return, as far as the data do not tell them apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.design.design import build_design
from shared.fit.models.registry import fit_window
from shared.fit.models.ridge import departures, splits
from shared.history.table import History, Panel
from tests.fit.histories import table

Floats = NDArray[np.float64]
RIDGE: dict[str, Any] = {"model": {"kind": "ridge"}}


def campaigns(seed: int, returns: Floats, rows: int = 104, noise: float = 0.05) -> History:
    """Channel "a" of as many campaigns as there are returns, channel "b" of two; saturated."""
    rng = np.random.default_rng(seed)
    each = [len(returns), 2]
    channel = np.repeat([0, 1], each)
    roi = np.concatenate([returns, [2.0, 2.0]])
    size = 1e4 * np.exp(0.5 * rng.normal(size=channel.size))
    common = rng.normal(size=(rows, 2))[:, channel]
    spend = size * np.exp(0.35 * common + 0.35 * rng.normal(size=(rows, channel.size)))
    levels = spend / (spend + 1.2 * size)
    media = levels @ (roi * spend.sum(axis=0) / levels.sum(axis=0))
    outcome = 2.0 * media.mean() + media
    outcome = outcome + noise * outcome.mean() * rng.normal(size=rows)
    whole = np.stack([spend[:, channel == c].sum(axis=1) for c in range(2)], axis=1)
    arms = tuple(("ab"[c], f"campaign {k}") for k, c in enumerate(channel.tolist()))
    panel = Panel(("",), arms, spend[None], spend[None], outcome[None], np.zeros((1, rows, 0)))
    return replace(table(outcome, whole), detail=panel)


def test_equal_returns_depart_from_nothing_and_others_by_their_share() -> None:
    design = build_design(campaigns(0, np.ones(3)), None)
    assert splits(design).tolist() == [0, 1, 2, 3, 4]
    levels = np.random.default_rng(0).random((2, 5, design.periods))
    rows = departures(design, levels, np.array([4.0, 5.0]))
    # Coefficients that make every arm of a channel return the same per unit of money.
    equal = np.array([3.0, 3.0, 3.0, 0.5, 0.5]) * design.mean_spend / levels.mean(axis=2)
    assert (rows @ equal[:, :, None])[:, :, 0] == pytest.approx(0.0, abs=1e-6)
    # Arm 3 brings 1 more than its share of a channel that brings 5: (1 / 5)^2 (1 - s) / s.
    one = equal.copy()
    one[:, 3] += 1.0 / levels[:, 3].mean(axis=1) / design.outcome_scale[0]
    share = design.mean_spend[3] / design.mean_spend[3:].sum()
    squares = np.sum((rows @ one[:, :, None])[:, :, 0] ** 2, axis=1)
    assert squares == pytest.approx((1.0 - share) / share / 25.0)


def test_a_channel_of_one_arm_is_not_split() -> None:
    history = campaigns(0, np.ones(3))
    assert splits(build_design(replace(history, detail=None), None)).size == 0
    fitted = fit_window(replace(history, detail=None), RIDGE, seed=0, draws=20)
    assert sorted(fitted.diagnostics()["model"]["hyperparameters"]) == ["baseline", "media"]


def test_campaigns_that_return_the_same_are_said_to_and_others_are_told_apart() -> None:
    apart = []
    for returns in (np.full(4, 3.0), np.array([1.0, 1.0, 6.0, 6.0])):
        fitted = fit_window(campaigns(1, returns, noise=0.02), RIDGE, seed=0, draws=60)
        found = fitted.evidence()[:4]
        logs = np.log([item.roi_mean for item in found])
        assert np.abs(logs - np.log(returns)).max() < np.log(2.5)
        apart.append(float(logs[2:].mean() - logs[:2].mean()))
    assert abs(apart[0]) < 0.3
    assert apart[1] > 0.8


def test_pooling_takes_errors_off_where_noise_hides_the_split() -> None:
    """Against the same histories with every campaign declared a channel of its own."""
    errors: dict[str, list[float]] = {"pooled": [], "alone": []}
    for seed in range(3):
        returns = 2.0 * np.exp(0.3 * np.random.default_rng(seed).normal(size=4))
        history = campaigns(seed, returns)
        panel = history.panel()
        names = tuple(f"{channel} {campaign}" for channel, campaign in panel.arms)
        lone = replace(history, channels=names, spend=panel.spend[0], detail=None)
        for kind, one in (("pooled", history), ("alone", lone)):
            found = fit_window(one, RIDGE, seed=0, draws=60).evidence()[:4]
            pairs = zip(found, returns, strict=True)
            errors[kind] += [abs(np.log(max(i.roi_mean, 0.02) / r)) for i, r in pairs]
    assert np.mean(errors["pooled"]) < 0.85 * np.mean(errors["alone"])
