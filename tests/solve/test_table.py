"""Tables: knots that follow the curve, hulls that are concave and above it."""

from __future__ import annotations

import numpy as np
import pytest
from problems import curve, shaken

from shared.curves.saturation import Hill, Tabulated
from shared.curves.stack import stack_draws
from shared.solve.one_budget.table import CurveTable, table_of_function, table_of_points


def mean_of_hills(seed: int, draws: int = 40) -> CurveTable:
    rng = np.random.default_rng(seed)
    base = curve(rng, "s_hill")
    each = stack_draws([[shaken(rng, base) for _ in range(draws)]]).column(0)

    def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = x[:, None]
        return each.value(at).mean(axis=1), each.slope(at).mean(axis=1)

    return table_of_function(both, 0.0, 6.0, np.asarray(each.inflection()))


@pytest.mark.parametrize("seed", range(6))
def test_between_knots_the_table_follows_the_curve(seed: int) -> None:
    table = mean_of_hills(seed)
    x = np.linspace(0, 6, 997)
    truth = table.evaluate(x)[0]
    assert len(table.spend) < 1500
    np.testing.assert_allclose([table.at(v) for v in x], truth, atol=2e-7 * truth.max())


@pytest.mark.parametrize("seed", range(6))
def test_a_hull_is_concave_and_nowhere_below(seed: int) -> None:
    table = mean_of_hills(seed)
    hull = table.hull(float(table.spend[3]), float(table.spend[-5]))
    assert np.all(np.diff(hull.spend) >= 0)
    assert np.all(np.diff(hull.slope) <= 0)
    for price in np.quantile(hull.slope, [0.1, 0.4, 0.6, 0.9]):
        least, most, _ = hull.respond(float(price))
        x = np.linspace(hull.spend[0], hull.spend[-1], 4001)
        gain = table.evaluate(x)[0] - price * x
        reached = max(table.at(v) - price * v for v in (least, most))
        assert reached >= gain.max() - 1e-7 * table.value[-1]


def test_points_make_the_hull_of_their_corners() -> None:
    table = table_of_points(Tabulated((0, 1, 2, 4), (0, 1, 4, 5)), 0.0, 6.0)
    hull = table.hull(0.0, 6.0)
    assert hull.ties().tolist() == [0.0, 0.5, 2.0]
    assert hull.respond(2.0) == (0.0, 2.0, 0.0)
    assert hull.respond(1.0) == (2.0, 2.0, 0.0)
    assert hull.respond(3.0)[:2] == (0.0, 0.0)
    assert hull.straight_at(1.5) == (0.0, 2.0)
    assert hull.straight_at(2.0) is None
    assert table.hull(1.0, 4.0).ties().tolist() == [0.5, 3.0]


def test_what_cannot_reach_the_level_is_not_kept() -> None:
    table = table_of_points(Tabulated((0, 1, 2, 4), (0, 1, 4, 5)), 0.0, 4.0)
    # value - x at the knots is 0, 0, 2, 1: only the two pieces around 2 reach 1.5.
    assert table.keep(0.0, 4.0, 1.0, 1.5) == (1.0, 4.0)
    assert table.keep(0.0, 4.0, 1.0, -1.0) == (0.0, 4.0)


def test_an_infinite_slope_at_zero_is_confined_to_the_first_interval() -> None:
    each = Hill(np.array([1.0, 1.2]), np.array([1.0, 2.0]), np.array([0.5, 0.7]))

    def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = x[:, None]
        return each.value(at).mean(axis=1), each.slope(at).mean(axis=1)

    table = table_of_function(both, 0.0, 10.0, np.zeros(0))
    assert table.slope is not None
    assert np.all(np.isfinite(table.slope))
    assert table.spend[1] <= 1e-7


def test_a_table_of_one_knot_has_nothing_to_refine() -> None:
    def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.sqrt(x), 0.5 / np.sqrt(x)

    table = table_of_function(both, 5.0, 5.0, np.zeros(0))
    table.refine(5.0)
    assert table.spend.tolist() == [5.0]
