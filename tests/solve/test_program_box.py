"""Boxes: links narrow both sides and never lose a plan."""

from __future__ import annotations

import numpy as np
import pytest
from plans import adstock_plan, program, rows
from problems import CONCAVE

from shared.curves.saturation import Exponential
from shared.solve.engines.envelopes import program_box


def test_a_cut_of_adstocked_spend_narrows_spend() -> None:
    """z2 = u2 + 0.5 u1 <= 3 leaves u1 at most 6 and u2 at most 3; z2 >= 11 asks for the rest."""
    carry = [[[1.0, 0.0], [0.5, 1.0]]]
    p = program([Exponential(1, 1)], [[0, 0]], [[10, 8]], rows(width=2), carry=carry)
    box = program_box(p)
    assert box.z_upper.tolist() == [[10.0, 13.0]]
    below = box.with_argument(0, 1, upper=3.0).tightened(p)
    assert below.u_upper.tolist() == [[6.0, 3.0]]
    assert below.z_upper.tolist() == [[6.0, 3.0]]
    above = box.with_argument(0, 1, lower=11.0).tightened(p)
    assert above.u_lower.tolist() == [[6.0, 6.0]]
    assert above.z_lower.tolist() == [[6.0, 11.0]]
    assert not above.empty
    assert box.with_argument(0, 1, lower=13.1).tightened(p).empty


@pytest.mark.parametrize("seed", range(10))
def test_no_plan_is_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = adstock_plan(rng, 3, 4, CONCAVE)
    inside = p.lower + rng.uniform(0, 1, p.lower.shape) * (p.upper - p.lower)
    z = p.adstocked(inside)
    box = program_box(p)
    for _ in range(8):
        arm, at = int(rng.integers(3)), int(rng.integers(4))
        if rng.random() < 0.5:
            box = box.with_argument(arm, at, upper=z[arm, at] * rng.uniform(1.0, 1.3))
        else:
            box = box.with_argument(arm, at, lower=z[arm, at] * rng.uniform(0.7, 1.0))
        box = box.tightened(p)
        hair = 1e-12
        assert np.all(inside >= box.u_lower - hair)
        assert np.all(inside <= box.u_upper + hair)
        assert np.all(z >= box.z_lower - hair)
        assert np.all(z <= box.z_upper + hair)
        assert not box.empty


def test_cuts_of_decisions_only_narrow() -> None:
    p = program([Exponential(1, 1)], [[1.0]], [[4.0]], rows(width=1))
    box = program_box(p)
    assert box.with_decision(0, 0, lower=0.5, upper=9.0).u_upper.tolist() == [[4.0]]
    assert box.with_decision(0, 0, lower=2.0).tightened(p).z_lower.tolist() == [[2.0]]
