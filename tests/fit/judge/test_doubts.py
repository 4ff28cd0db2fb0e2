"""Signs against a fit: seen where they were put, and not where spend was bought for itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.judge.doubts import doubts
from shared.fit.models.registry import fit_window
from shared.history.table import History
from tests.fit.histories import HILL, simulated

Floats = NDArray[np.float64]


def codes(history: History, *tested: str) -> dict[str, tuple[str, ...]]:
    fitted = fit_window(history, HILL, seed=0, draws=60)
    return {sign.code: sign.channels for sign in doubts(history, fitted, tested)}


def test_spend_that_was_bought_for_itself_has_no_sign() -> None:
    history, _ = simulated(seed=3, rows=130, channels=3)
    assert codes(history) == {}


def test_spend_that_knows_what_comes_or_follows_what_came_is_named() -> None:
    history, _ = simulated(seed=3, rows=130, channels=3)
    rng = np.random.default_rng(8)
    hidden = rng.standard_normal(130)
    outcome = history.outcome + 0.06 * history.outcome.mean() * hidden
    spend = history.spend.copy()
    # What nobody recorded moves sales now, and b's spend in the week after.
    spend[1:, 1] *= np.exp(0.5 * hidden[:-1])
    found = codes(replace(history, spend=spend, outcome=outcome))
    assert found["lead_predicts_outcome"] == ("b",)
    assert found["spend_follows_outcome"] == ("b",)
    # A test of it settles what the history cannot.
    assert codes(replace(history, spend=spend, outcome=outcome), "b") == {}


def test_media_that_explain_nearly_all_are_not_believed() -> None:
    history, _ = simulated(seed=3, rows=130, channels=3)
    explained = history.outcome - 0.9 * history.outcome.min()
    found = codes(replace(history, outcome=explained))
    assert set(found["media_share_implausible"]) == {"a", "b", "c"}


@pytest.mark.parametrize("wrong", [None, "a", "c"])
def test_beliefs_stand_unless_the_rows_speak_clearly_against_them(wrong: str | None) -> None:
    history, truth = simulated(seed=5, rows=130, channels=4, noise=0.03)
    priors = [
        {
            "channel": name,
            "roi_median": float(roi) * (0.04 if name == wrong else 1.0),
            "roi_sd_log": 0.2,
        }
        for name, roi in zip(history.channels, truth.roi, strict=True)
    ]
    fitted = fit_window(history, {**HILL, "priors": priors}, seed=0, draws=60)
    signs = [sign for sign in doubts(history, fitted, ()) if sign.code == "belief_contradicted"]
    assert [sign.channels[0] for sign in signs] == ([] if wrong is None else [wrong])
    if wrong is not None:
        # It is fitted as if nothing had been said of it.
        kept = [prior for prior in priors if prior["channel"] != wrong]
        plain = fit_window(history, {**HILL, "priors": kept}, seed=0, draws=60)
        place = history.channels.index(wrong)
        got, alone = (f.evidence()[place].roi_mean for f in (fitted, plain))
        assert got == pytest.approx(alone, rel=0.2)
