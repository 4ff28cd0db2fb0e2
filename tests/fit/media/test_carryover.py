"""Adstock weights against the families of ``shared.curves`` and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from shared.fit.media.kernels import ADSTOCK_FAMILIES, adstock_of, natural, normalised_weights

LAGS = 13
FIRST, SECOND = np.array([-0.7, 0.4, 1.1]), np.array([-0.9, 0.6, 0.2])


@pytest.mark.parametrize("family", ADSTOCK_FAMILIES)
def test_weights_are_those_of_the_stored_adstock(family: str) -> None:
    weights, _, _ = normalised_weights(family, FIRST, SECOND, LAGS)
    first, second = natural(family, FIRST, SECOND, LAGS)
    for row, a, b in zip(weights, first, second, strict=True):
        stored = adstock_of(family, float(a), float(b), LAGS).weights(LAGS)
        # A geometric adstock goes on after the last lag of the fit; there it is cut and rescaled.
        np.testing.assert_allclose(row, stored / stored.sum(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", ADSTOCK_FAMILIES)
def test_derivatives_match_central_differences(family: str) -> None:
    h = 1e-6
    _, by_first, by_second = normalised_weights(family, FIRST, SECOND, LAGS)
    for found, up, down in (
        (by_first, (FIRST + h, SECOND), (FIRST - h, SECOND)),
        (by_second, (FIRST, SECOND + h), (FIRST, SECOND - h)),
    ):
        above, below = (normalised_weights(family, *at, LAGS)[0] for at in (up, down))
        np.testing.assert_allclose(found, (above - below) / (2 * h), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("family", ADSTOCK_FAMILIES)
@pytest.mark.parametrize("far", [-12.0, 12.0])
def test_far_out_all_is_finite(family: str, far: float) -> None:
    for part in normalised_weights(family, np.array([far]), np.array([-far]), LAGS):
        assert np.isfinite(part).all()
