"""Adstock weights and filters against hand-computed carryover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.curves.adstock import (
    ADSTOCKS,
    Adstock,
    Delayed,
    Geometric,
    LagWeights,
    WeibullCdf,
    WeibullPdf,
    adstock_from_dict,
)

EACH = [
    Geometric(0.6),
    Geometric(0.6, normalised=True),
    Geometric(0.0),
    Delayed(0.7, 2, 8),
    Delayed(0.7, 2, 8, normalised=True),
    WeibullPdf(2.0, 3.0, 10),
    WeibullCdf(0.7, 4.0, 10),
    WeibullCdf(0.7, 4.0, 10, normalised=True),
    LagWeights((0.2, 1.0, 0.0, 0.4)),
    LagWeights((0.2, 1.0, 0.0, 0.4), normalised=True),
]


def test_geometric_is_the_recursion() -> None:
    x = np.array([10.0, 0.0, 4.0, 1.0])
    level, want = 0.0, []
    for spend in x:
        level = spend + 0.6 * level
        want.append(level)
    np.testing.assert_allclose(Geometric(0.6).apply(x), want)
    np.testing.assert_allclose(Geometric(0.6, True).apply(x), 0.4 * np.array(want))


def test_delayed_peaks_where_it_should() -> None:
    w = Delayed(0.7, 2, 5).weights(7)
    np.testing.assert_allclose(w, [0.7**4, 0.7, 1, 0.7, 0.7**4, 0, 0])


def test_weibull_weights_by_formula() -> None:
    shape, scale = 2.0, 3.0
    density = [
        shape / scale * (t / scale) ** (shape - 1) * math.exp(-((t / scale) ** shape))
        for t in range(1, 6)
    ]
    np.testing.assert_allclose(
        WeibullPdf(shape, scale, 5).weights(5), np.array(density) / max(density)
    )
    survival = [1.0, *(math.exp(-((t / scale) ** shape)) for t in range(1, 5))]
    np.testing.assert_allclose(WeibullCdf(shape, scale, 5).weights(5), np.cumprod(survival))


@pytest.mark.parametrize("adstock", EACH, ids=lambda a: a.family)
def test_total_weight_is_the_sum_of_all_weights(adstock: Adstock) -> None:
    assert adstock.weights(400).sum() == pytest.approx(adstock.total_weight(), rel=1e-12)
    if adstock.normalised:
        assert adstock.total_weight() == pytest.approx(1.0)


@pytest.mark.parametrize("adstock", EACH, ids=lambda a: a.family)
def test_apply_is_the_convolution_and_prior_spend_its_steady_state(adstock: Adstock) -> None:
    x = np.random.default_rng(0).uniform(0, 9, (30, 3))
    w = adstock.weights(30)
    want = np.array([np.convolve(x[:, j], w)[:30] for j in range(3)]).T
    np.testing.assert_allclose(adstock.apply(x), want, rtol=1e-12)
    steady = adstock.apply(np.full(30, 5.0), prior=5.0)
    np.testing.assert_allclose(steady, 5.0 * adstock.total_weight(), rtol=1e-12)


@pytest.mark.parametrize("adstock", EACH, ids=lambda a: a.family)
def test_an_adstock_survives_json(adstock: Adstock) -> None:
    assert adstock_from_dict(adstock.to_dict()) == adstock


def test_an_extreme_weibull_does_not_overflow() -> None:
    assert np.all(np.isfinite(WeibullPdf(60.0, 0.01, 50).weights(50)))
    assert np.all(np.isfinite(WeibullCdf(60.0, 0.01, 50).weights(50)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"family": "geometric", "decay": 1.0}, "less than 1"),
        ({"family": "geometric", "decay": -0.1}, "at least 0"),
        ({"family": "geometric"}, "decay is missing"),
        ({"family": "geometric", "decay": 0.3, "normalised": 1}, "true or false"),
        ({"family": "geometric", "decay": 0.3, "peak": 1}, "unknown parameter 'peak'"),
        ({"family": "delayed", "decay": 0.3, "peak": 9, "length": 4}, "within length"),
        ({"family": "delayed", "decay": 0.3, "peak": 1, "length": 2.5}, "whole number"),
        ({"family": "weibull_pdf", "shape": 0, "scale": 1, "length": 4}, "greater than 0"),
        ({"family": "weibull_cdf", "shape": 1, "scale": 1, "length": 0}, "between 1 and 1000"),
        ({"family": "linear"}, "Unknown adstock family"),
    ],
)
def test_bad_parameters_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adstock_from_dict(data)


def test_the_family_names_are_the_contracts() -> None:
    assert set(ADSTOCKS) == {"geometric", "delayed", "weibull_pdf", "weibull_cdf", "lag_weights"}
