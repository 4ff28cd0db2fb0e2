"""Arms of several families through the kernels together."""

from __future__ import annotations

import numpy as np

from shared.curves.saturation import fittable
from shared.fit.media.kernels import saturate


def test_arms_of_several_families_go_each_their_own_way() -> None:
    rng = np.random.default_rng(0)
    families = (*fittable(), "hill", "logarithmic")
    count = len(families)
    adstock = rng.uniform(0.0, 3.0, (count, 2, 7))
    half, shape = rng.uniform(0.5, 2.0, (2, count, 2, 1))
    together = saturate(families, adstock, half, shape)
    for arm, family in enumerate(families):
        one = slice(arm, arm + 1)
        alone = fittable()[family].level(adstock[one], half[one], shape[one])
        for part, own in zip(together, alone, strict=True):
            np.testing.assert_array_equal(part[one], own)
    whole = saturate(("hill",) * count, adstock, half, shape)
    np.testing.assert_array_equal(whole[0], fittable()["hill"].level(adstock, half, shape)[0])
