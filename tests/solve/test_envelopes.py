"""Envelopes against the upper hull of dense samples, for every family, draws and signs."""

from __future__ import annotations

import numpy as np
import pytest
from plans import program, rows
from problems import ALL, curve, shaken

from shared.curves.saturation import Exponential, Hill, Sigmoid, Tabulated
from shared.problem.program import Program
from shared.solve.engines.envelopes import Enveloper, Means, ProgramBox, hull_lines


def some(rng: np.random.Generator, kind: str, draws: int = 0) -> tuple[Program, ProgramBox]:
    """Four curves of a kind over three periods, on ranges of their own."""
    curves = [curve(rng, kind) for _ in range(4)]
    shape = (4, 3)
    low = np.where(rng.random(shape) < 0.4, 0.0, rng.uniform(0, 1.0, shape))
    high = low + rng.choice([0.3, 1.0, 5.0], shape)
    samples = [[shaken(rng, c) for _ in range(draws)] for c in curves] if draws else None
    p = program(
        curves,
        np.zeros(shape),
        np.full(shape, 7.0),
        rows(width=12),
        weight=rng.uniform(0.5, 2.0, shape),
        draws=samples,
    )
    return p, ProgramBox(low, high, low, high)


def sampled(p: Program, weight: np.ndarray, box: ProgramBox, count: int = 1001) -> np.ndarray:
    """(count, A, H) weighted responses at evenly spaced points of each range."""
    share = np.linspace(0, 1, count)
    z = box.z_lower + share[:, None, None] * (box.z_upper - box.z_lower)
    safe = np.where(p.weight == 0.0, 1.0, p.weight)
    return np.array([weight * p.response(at) / safe for at in z])


def hull_at(heights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The upper hull of samples over [0, 1], at shares ``at``."""
    run, rise = hull_lines(np.linspace(0, 1, len(heights)), heights)
    x = np.concatenate(([0.0], np.cumsum(run)))
    y = heights[0] + np.concatenate(([0.0], np.cumsum(run * rise)))
    return np.interp(at, x, y)


@pytest.mark.parametrize("draws", [0, 7])
@pytest.mark.parametrize("kind", ALL)
def test_the_envelope_is_the_hull_of_samples(kind: str, draws: int) -> None:
    rng = np.random.default_rng(len(kind) + draws)
    p, box = some(rng, kind, draws)
    envelope = Enveloper(p).envelope(box)
    heights = sampled(p, p.weight, box)
    shares = np.linspace(0, 1, 41)
    got = np.array([envelope.at(box.z_lower + t * (box.z_upper - box.z_lower)) for t in shares])
    for a in range(4):
        for h in range(3):
            hull = hull_at(heights[:, a, h], shares)
            size = float(np.ptp(heights[:, a, h])) + 1e-12
            # The hull of samples lies below the envelope: by more where the slope is infinite.
            assert np.all(got[:, a, h] >= hull - 5e-6 * size)
            assert np.all(got[1:, a, h] <= hull[1:] + 2e-3 * size)
            assert np.all(np.diff(got[:, a, h], 2) <= 1e-9 * size)


@pytest.mark.parametrize("kind", ALL)
def test_a_negative_weight_turns_the_curve_over(kind: str) -> None:
    rng = np.random.default_rng(5)
    p, box = some(rng, kind)
    weight = np.where(rng.random(p.weight.shape) < 0.7, -p.weight, p.weight)
    envelope = Enveloper(p, weight).envelope(box)
    heights = sampled(p, weight, box)
    shares = np.linspace(0, 1, 41)
    got = np.array([envelope.at(box.z_lower + t * (box.z_upper - box.z_lower)) for t in shares])
    for a, h in np.argwhere(weight < 0.0).tolist():
        hull = hull_at(heights[:, a, h], shares)
        size = float(np.ptp(heights[:, a, h])) + 1e-12
        assert got[:, a, h] == pytest.approx(hull, abs=4e-3 * size)
        assert np.all(np.diff(got[:, a, h], 2) <= 1e-9 * size)


@pytest.mark.parametrize("draws", [0, 7])
@pytest.mark.parametrize("kind", ALL)
def test_slopes_and_curvatures_are_derivatives(kind: str, draws: int) -> None:
    rng = np.random.default_rng(3)
    p, box = some(rng, kind, draws)
    envelope = Enveloper(p).envelope(box)
    pieces = rng.uniform(0.2, 0.8, envelope.length.shape) * envelope.length
    step = 1e-6
    rise, slope, bend = envelope.evaluate(pieces)
    for g in range(len(pieces)):
        more, less = pieces.copy(), pieces.copy()
        more[g] += step * envelope.length[g]
        less[g] -= step * envelope.length[g]
        up, down = envelope.evaluate(more), envelope.evaluate(less)
        there = envelope.length[g] > 0.0
        run = 2 * step * np.where(there, envelope.length[g], 1.0)
        size = float(np.abs(rise).max())
        secant = (up[0] - down[0]) / run
        assert secant[there] == pytest.approx(slope[g][there], rel=2e-3, abs=1e-6 * size)
        if not draws:  # a table's curvature is a step function
            fall = (down[1][g] - up[1][g]) / run
            assert fall[there] == pytest.approx(bend[g][there], rel=1e-4, abs=1e-6 * size)


def test_zero_or_at_least_so_much_extends_the_line() -> None:
    """Between 0 and the minimum there is nothing: the line leads to whichever is later."""
    curves = [Hill(1.0, 1.0, 3.0), Hill(1.0, 1.0, 3.0), Hill(1.0, 1.0, 0.7)]
    p = program(
        curves,
        np.zeros((3, 1)),
        np.full((3, 1), 5.0),
        rows(width=3),
        least_active=[[0.1], [3], [1]],
    )
    box = ProgramBox(p.lower, p.upper, p.lower, p.upper)
    envelope = Enveloper(p).envelope(box)
    tangent = 2.0 ** (1 / 3)  # of x^3 / (1 + x^3) from 0: 3 / (1 + x^3) = 1
    ends = envelope.length[0, :, 0]
    assert ends == pytest.approx([tangent, 3.0, 1.0], rel=1e-6)
    assert envelope.at(np.array([[3.0], [3.0], [1.0]]))[:, 0] == pytest.approx(
        [27 / 28, 27 / 28, 0.5], rel=1e-12
    )
    assert envelope.at(np.array([[0.0], [1.5], [0.5]]))[1:, 0] == pytest.approx(
        [27 / 56, 0.25], rel=1e-12
    )
    active = ProgramBox(p.least_active, p.upper, p.least_active, p.upper)
    assert Enveloper(p).envelope(active).length[0, 2, 0] == 0.0


def test_what_is_remembered_is_what_is_worked_out_afresh() -> None:
    rng = np.random.default_rng(9)
    p, box = some(rng, "s_hill")
    source = Enveloper(p)
    source.envelope(box)
    for _ in range(20):
        a, h = int(rng.integers(4)), int(rng.integers(3))
        middle = float(rng.uniform(box.z_lower[a, h], box.z_upper[a, h]))
        part = (
            box.with_argument(a, h, upper=middle)
            if rng.random() < 0.5
            else box.with_argument(a, h, lower=middle)
        )
        kept, fresh = source.envelope(part), Enveloper(p).envelope(part)
        assert kept.length == pytest.approx(fresh.length, rel=1e-9)
        assert kept.steep == pytest.approx(fresh.steep, rel=1e-9)
        assert kept.at(part.z_upper) == pytest.approx(fresh.at(part.z_upper), rel=1e-12)


def test_a_mean_that_rises_twice_is_bridged() -> None:
    """Half the draws work at once, half only after a long way: two bumps, one line between."""
    early, late = Exponential(1.0, 5.0), Exponential(1.0, 5.0)
    draws = [[Sigmoid(1.0, 0.2, 30.0), Sigmoid(1.0, 4.0, 6.0)], [early, late]]
    p = program(
        [draws[0][0], early], np.zeros((2, 1)), np.full((2, 1), 6.0), rows(width=2), draws=draws
    )
    box = ProgramBox(p.lower, p.upper, p.lower, p.upper)
    envelope = Enveloper(p).envelope(box)
    heights = sampled(p, p.weight, box)
    shares = np.linspace(0, 1, 61)
    hull = hull_at(heights[:, 0, 0], shares)
    got = np.array([envelope.at(np.full((2, 1), 6.0 * t))[0, 0] for t in shares])
    assert got == pytest.approx(hull, abs=2e-3)
    assert np.all(got >= heights[:: len(heights) // 60, 0, 0][:61] - 2e-3)
    assert np.all(np.diff(got, 2) <= 1e-9)


def test_a_table_is_zero_or_at_least_so_much_too() -> None:
    table = Tabulated((0.0, 1.0, 4.0), (0.0, 3.0, 5.0))
    p = program([table], [[0.0]], [[4.0]], rows(width=1), least_active=[[2.0]])
    envelope = Enveloper(p).envelope(ProgramBox(p.lower, p.upper, p.lower, p.upper))
    got = [float(envelope.at(np.array([[z]]))[0, 0]) for z in (0.0, 1.0, 2.0, 3.0, 4.0)]
    assert got == pytest.approx([0.0, 11 / 6, 11 / 3, 13 / 3, 5.0])


def test_a_mean_of_steep_curves_that_may_take_nothing_is_nothing() -> None:
    """Its only knot is infinitely steep; what is looked up there is zero and no warning."""
    curves = [Hill(3.0, 1.0, 0.7), Hill(2.0, 1.0, 1.0)]
    p = program(
        curves,
        np.zeros((2, 2)),
        np.array([[0.0, 0.0], [4.0, 4.0]]),
        rows(width=4),
        draws=[[c, c] for c in curves],
    )
    value, _, bend = Means(p).at(np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert value[0].tolist() == [0.0, 0.0]
    assert bend[0].tolist() == [0.0, 0.0]
    assert value[1] == pytest.approx([0.0, 1.0], rel=1e-6)


def test_a_draw_without_weight_has_no_say_in_a_slope() -> None:
    """At no money its slope may be infinite, and nothing times that is no number."""
    p = program(
        [Exponential(2.0, 1.0)],
        np.zeros((1, 1)),
        np.ones((1, 1)),
        rows(width=1),
        draws=[[Hill(3.0, 1.0, 0.7), Hill(2.0, 1.0, 1.0)]],
        draw_weights=np.array([0.0, 1.0]),
    )
    assert p.slopes(np.zeros((1, 1))) == pytest.approx(2.0)
