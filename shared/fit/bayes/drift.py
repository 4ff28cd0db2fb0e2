"""Does the level drift? Slow waves in the baseline against noise that remembers, by evidence.

A level that wanders off makes the errors of a fit with a straight trend follow each other; only
where they do is a baseline with slow waves tried. It is taken where its evidence (Laplace's
approximation to the marginal likelihood, MacKay 2003, chapter 28) is clearly larger, each with the
noise that suits it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.laplace import Noise, find_mode, fit_noise
from shared.fit.bayes.model import MediaModel

__all__ = ["CORRELATED", "Drift", "with_waves"]

Floats = NDArray[np.float64]

#: Correlation of neighbouring errors from which a drift is looked for.
CORRELATED = 0.1
_CLEAR = 2.0  # difference of log evidence


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """The noise and a point near the mode of a baseline with waves, and what it gains in evidence.

    ``found`` says whether that is clearly more than the straight trend's.
    """

    gain: float
    noise: Noise
    start: Floats

    @property
    def found(self) -> bool:
        """Whether the level drifts."""
        return self.gain > _CLEAR


def with_waves(
    straight: MediaModel,
    waves: Callable[[Noise], MediaModel],
    start: Floats,
    rows: int,
    kind: str,
) -> Drift:
    """Fit a baseline with waves and compare it with ``straight``, a model at its own noise.

    Parameters
    ----------
    waves
        The same model over a baseline with waves, at a given noise.
    start
        Near the straight model's mode, (size,).
    rows, kind
        As for ``fit_noise``.
    """
    noise, point = fit_noise(waves, start, rows, kind)
    gain = find_mode(waves(noise), point[None]).log_evidence
    gain -= find_mode(straight, start[None]).log_evidence
    return Drift(gain, noise, point)
