"""Control charts of forecast errors: AR(1) errors prewhitened, CUSUM with limits by simulation.

The textbook's limits hold for independent errors of known size. Here the errors remember, and
their size, memory and level were estimated from a short past; so the limit is the one under which
the very same steps, on simulated errors of a model that is right, alarm as often as they may.
Source: Montgomery, Introduction to statistical quality control, chapters 9 and 10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.learn.uniforms import uniforms

__all__ = ["alarms_at", "cusum", "fitted", "limit", "whitened"]

Array = NDArray[np.float64]

SLACK = 0.5
"""Of a CUSUM: half the shift, in standard deviations, that is to be found fast."""

_WORLDS = 400


def fitted(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Least squares of series ``y`` (..., n) on ``x`` (n, p): coefficients (..., p), memory and
    size (...,) of the errors; memory is raised by (1 + 4 memory) / n for its bias."""
    n, p = x.shape
    coefficients = y @ np.linalg.pinv(x).T
    e = y - coefficients @ x.T
    lagged = (e[..., 1:] * e[..., :-1]).sum(axis=-1)
    memory = lagged / np.maximum((e**2).sum(axis=-1), 1e-300)
    memory = np.clip(memory + (1.0 + 4.0 * memory) / n, -0.5, 0.9)
    new = e[..., 1:] - memory[..., None] * e[..., :-1]
    size = np.sqrt((new**2).sum(axis=-1) / max(n - 1 - p, 1))
    return coefficients, memory, size


def whitened(e: Array, before: Array | float, memory: Array | float, size: Array | float) -> Array:
    """Errors (..., m) as innovations in standard deviations; ``before`` is the error before the
    first. After a missing error (nan) nothing is remembered; a missing one stays missing."""
    last = np.concatenate((np.asarray(before)[..., None], e[..., :-1]), axis=-1)
    known = np.isfinite(last)
    memory, size = np.asarray(memory)[..., None], np.asarray(size)[..., None]
    new = e - memory * np.where(known, last, 0.0)
    return np.asarray(new / (size / np.where(known, 1.0, np.sqrt(1.0 - memory**2))))


def cusum(z: Array, h: float) -> tuple[Array, Array, NDArray[np.int8]]:
    """Both sums (..., m) and their alarms: 1 above, -1 below, 0 none; both begin anew after one."""
    up, down = np.zeros(z.shape[:-1]), np.zeros(z.shape[:-1])
    ups, downs = np.zeros(z.shape), np.zeros(z.shape)
    alarms = np.zeros(z.shape, dtype=np.int8)
    for t in range(z.shape[-1]):
        own = np.nan_to_num(z[..., t])
        seen = np.isfinite(z[..., t])
        up = np.where(seen, np.maximum(0.0, up + own - SLACK), up)
        down = np.where(seen, np.maximum(0.0, down - own - SLACK), down)
        ups[..., t], downs[..., t] = up, down
        over, under = up > h, down > h
        alarms[..., t] = np.where(over, 1, np.where(under, -1, 0))
        up, down = np.where(over | under, 0.0, up), np.where(over | under, 0.0, down)
    return ups, downs, alarms


def alarms_at(z: Array, h: float) -> float:
    """Alarms a series of ``z`` (R, m), on average."""
    return float((cusum(z, h)[2] != 0).sum(axis=-1).mean())


def limit(x: Array, ahead: Array, memory: float, most: float) -> float:
    """The limit at which a right model alarms ``most`` times over the periods of ``ahead``.

    Parameters
    ----------
    x, ahead
        The regression's rows (n, p) of the past and (m, p) of the periods to be judged.
    memory
        Of the errors, which are simulated with it and estimated anew in each world.
    """
    from scipy.special import ndtri  # here: a dataset's answer does not wait for it

    n, m = x.shape[0], ahead.shape[0]
    noise = ndtri(uniforms("control limit", n * 10_000 + m, _WORLDS, n + m))
    e = np.empty(noise.shape)
    e[:, 0] = noise[:, 0] / np.sqrt(1.0 - memory**2)
    for t in range(1, n + m):
        e[:, t] = memory * e[:, t - 1] + noise[:, t]
    coefficients, own, size = fitted(x, e[:, :n])
    errors = e - coefficients @ np.concatenate((x, ahead)).T
    z = whitened(errors[:, n:], errors[:, n - 1], own, size)
    low, high = 0.0, 4.0
    while alarms_at(z, high) > most and high < 1e3:
        low, high = high, 2.0 * high
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if alarms_at(z, middle) <= most else (middle, high)
    return high
