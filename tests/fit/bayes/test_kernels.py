"""The kernels against the curves of ``shared.curves`` and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from shared.curves.saturation import Hill
from shared.fit.bayes import kernels

SPEND = np.array([[0.0, 1e-12, 0.03, 0.4, 1.0, 2.5, 40.0, 1e6]])


@pytest.mark.parametrize("shape", [0.4, 1.0, 2.7, 9.0])
def test_hill_is_the_hill_of_the_curves(shape: float) -> None:
    value = kernels.hill(SPEND, np.array([[0.7]]), np.array([[shape]]))[0]
    curve = Hill(max_response=1.0, half_saturation=0.7, shape=shape)
    np.testing.assert_allclose(value[0], curve.value(SPEND[0]), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("family", kernels.SATURATION_FAMILIES[1:])
def test_kernels_are_the_curves_of_the_same_name(family: str) -> None:
    value = kernels.saturate((family,), SPEND, np.array([[0.7]]), np.array([[1.0]]))[0]
    curve = kernels.saturation_of(family, 1.0, 0.7, 1.0)
    np.testing.assert_allclose(value[0], curve.value(SPEND[0]), rtol=1e-11)


@pytest.mark.parametrize("name", kernels.SATURATION_FAMILIES)
def test_derivatives_match_central_differences(name: str) -> None:
    a, half, shape = np.array([[0.02, 0.6, 1.7, 5.0]]), np.array([[0.9]]), np.array([[1.4]])

    def kernel(a: np.ndarray, half: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, ...]:
        return kernels.saturate((name,), a, half, shape)

    _, by_a, by_half, by_shape = kernel(a, half, shape)
    h = 1e-6
    up, down = np.exp(h), np.exp(-h)
    numeric_a = (kernel(a + h, half, shape)[0] - kernel(a - h, half, shape)[0]) / (2 * h)
    numeric_half = (kernel(a, half * up, shape)[0] - kernel(a, half * down, shape)[0]) / (2 * h)
    numeric_shape = (kernel(a, half, shape * up)[0] - kernel(a, half, shape * down)[0]) / (2 * h)
    np.testing.assert_allclose(by_a, numeric_a, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(by_half, numeric_half, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(by_shape, numeric_shape, rtol=1e-6, atol=1e-9)


def test_zero_spend_has_finite_values_and_derivatives() -> None:
    for part in kernels.hill(np.zeros((1, 3)), np.array([[1.0]]), np.array([[0.3]])):
        assert np.isfinite(part).all()
