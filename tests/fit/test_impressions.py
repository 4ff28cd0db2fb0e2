"""Impressions as what works on people: curves in money come out right where prices vary."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.history.parse import parse
from tests.app.detailed import by_impressions, saturated
from tests.fit.histories import fit_bayesian

CHANNELS = [
    {"channel": "tv", "spend": "spend_tv", "impressions": "grp_tv"},
    {"channel": "search", "spend": "spend_search"},
]


def curve_of_tv(spec: dict[str, Any], rows: bytes, spends: np.ndarray) -> np.ndarray:
    """Draws (S, points) of what tv brings."""
    parsed = parse({**spec, "model": {"saturation": "hill"}}, rows)
    tv = fit_bayesian(parsed.history, parsed.spec, seed=0, draws=100).responses()[0]
    return np.array([draw.value(spends) for draw in tv.draws])


def test_money_buys_impressions_at_the_mean_price() -> None:
    rows, price = by_impressions()
    spends = price * np.array([50.0, 100.0, 200.0])
    truth = 9_000 * saturated(spends / price, 100)
    seen = [{**CHANNELS[0], "exposure": "impressions"}, CHANNELS[1]]
    by_seen = curve_of_tv({"channels": seen}, rows, spends)
    by_spend = curve_of_tv({"channels": CHANNELS}, rows, spends)
    low, high = np.quantile(by_seen, [0.02, 0.98], axis=0)
    assert np.all((low < truth) & (truth < high))

    def off(found: np.ndarray) -> float:
        return float(np.max(np.abs(found.mean(axis=0) / truth - 1)))

    assert off(by_seen) < 0.2
    # Spend says little of what people saw while prices halve and double.
    assert off(by_spend) > 1.5 * off(by_seen)
    assert np.mean(by_seen.std(axis=0)) < np.mean(by_spend.std(axis=0))
