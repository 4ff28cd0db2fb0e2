"""Questions packed and unpacked: every answer is its own question's."""

from __future__ import annotations

import numpy as np
import pytest

from shared.solve.certify.maxima import packed


@pytest.mark.parametrize("seed", range(20))
def test_every_question_gets_its_own_answer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arms, period, leaves = 4, int(rng.integers(1, 4)), 12
    values = rng.integers(0, 3, (2, arms, leaves, period)).astype(float)
    same = rng.random((arms, leaves, period)) < 0.8
    same[:, 0] = False
    for leaf in range(1, leaves):
        values[:, :, leaf] = np.where(same[:, leaf], values[:, :, leaf - 1], values[:, :, leaf])
    one, other = values.reshape(2, arms, -1)
    found = packed((one, other), period)
    assert found is not None
    assert found.at.shape[1] < one.shape[1]
    few = found.asked(one) + 10.0 * found.asked(other)
    assert np.array_equal(found.answered(few), one + 10.0 * other)


def test_what_is_all_new_is_asked_as_it_is() -> None:
    assert packed((np.arange(12.0).reshape(2, 6),), 1) is None
    assert packed((np.ones((2, 6)),), 6) is None
