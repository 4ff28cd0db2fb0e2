"""The mode of the posterior, its curvature, draws from it, and the evidence of a model.

The mode is found from several starts with the analytic gradient (``climb``), then sharpened by
Newton steps on a Hessian of central differences of that gradient (all points in one batch).
Laplace draws are normal around the mode with the inverse Hessian as covariance (MacKay,
Information Theory, Inference and Learning Algorithms, 2003, chapter 27); ``sampler`` starts there.

The noise's weights and correlation follow by expectation and maximisation around the mode (Lange,
Little and Taylor, Robust statistical modeling using the t distribution, 1989).

``climb`` is Broyden, Fletcher, Goldfarb and Shanno's method as Nocedal and Wright (Numerical
Optimization, 2006, chapter 6) describe it: the inverse Hessian is learnt from the gradients met on
the way (their equation 6.17, begun from 6.20), each step is shortened until it gains enough
(Armijo), and a pair of points without curvature teaches nothing.
Coordinates at the wall of a box whose gradient points outwards are held there.

All starts take their steps together, so that a batch of points costs little more than one. A few
dozen lines of our own, because importing an optimiser takes longer than all the searches of a fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.models.bayesian.model import MediaModel
from shared.fit.models.bayesian.noise import DEGREES, Noise, update_noise

__all__ = [
    "Mode",
    "climb",
    "find_mode",
    "fit_noise",
    "laplace_draws",
    "null_evidence",
    "starting_points",
]

Floats = NDArray[np.float64]
_FAR = 5.0  # prior standard deviations: no mode beyond is believed
_CLIMBED = 3e-5  # of the log posterior: where Newton's method takes over
_NEAR = 1e-4  # the same: Newton's next step is the last
_FLATTEST = 0.05  # curvature in prior units that a step believes
_CLOSE = 0.02  # of the log posterior: Newton's decrement at a mode that counts as found
_ENOUGH = 1e-4  # share of the gain that the slope promises
_LONGEST = 1.0  # largest move of a coordinate in one step
_SHORTENED = 12
_STEPS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A mode: ``theta`` (size,), its inverse Hessian's square root, and how sure we are of it."""

    theta: Floats
    value: float
    root: Floats  # (size, size): root @ standard normal ~ the Laplace approximation
    log_evidence: float
    decrement: float
    starts: int
    agreeing: int

    @property
    def converged(self) -> bool:
        """The gradient vanishes (in the metric of the curvature), which is that of a maximum."""
        return bool(np.isfinite(self.value) and self.decrement < _CLOSE)


def find_mode(model: MediaModel, starts: Floats) -> Mode:
    """The best of the modes reached from ``starts``, shape (S, size)."""
    centre, sd = model.prior_moments()
    points, values, _ = _climbed(model, (starts - centre) / sd)
    best = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    agreeing = int((values > values[best] - 0.1).sum())
    theta, hessian, decrement = _newton(model, centre + sd * points[best], centre, sd)
    value = float(model.log_posterior(theta[None])[0][0])
    # Eigenvalues in prior units; below the prior's own curvature nothing was learnt, at or below
    # zero the point is a saddle: flag it through the decrement and keep the draws bounded.
    eigenvalues, vectors = np.linalg.eigh(hessian)
    safe = np.maximum(eigenvalues, 0.05)
    root = sd[:, None] * (vectors / np.sqrt(safe))
    log_determinant = float(np.log(safe).sum() - 2.0 * np.log(sd).sum())
    return Mode(
        theta=theta,
        value=value,
        root=root,
        log_evidence=value + 0.5 * model.size * float(np.log(2 * np.pi)) - 0.5 * log_determinant,
        decrement=decrement if eigenvalues[0] > 0 else float("inf"),
        starts=len(starts),
        agreeing=agreeing,
    )


def _climbed(
    model: MediaModel, starts: Floats, inverse: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """``climb`` from points (S, size) in the prior's units; metric of the starts unless given."""
    centre, sd = model.prior_moments()

    def density(z: Floats) -> tuple[Floats, Floats]:
        value, gradient = model.log_posterior(centre + sd * z)
        return value, gradient * sd

    starts = np.clip(starts, -_FAR, _FAR)
    if inverse is None:
        inverse = np.stack([_inverse(_roughly(density, z)) for z in starts])
    return climb(density, starts, far=_FAR, close=_CLIMBED, inverse=inverse)


def _roughly(density: Callable[[Floats], tuple[Floats, Floats]], z: Floats) -> Floats:
    """The Hessian of -density at z (size,) from forward differences: half the points."""
    step = 1e-5
    _, slopes = density(np.concatenate([z[None], z + step * np.eye(z.size)]))
    hessian = (slopes[0] - slopes[1:]) / step
    out: Floats = 0.5 * (hessian + hessian.T)
    return out


def _inverse(hessian: Floats) -> Floats:
    """Of the Hessian with its eigenvalues made positive: a saddle is left, not sought."""
    if not np.isfinite(hessian).all():  # a start far out: no curvature to go by
        return np.eye(len(hessian))
    eigenvalues, vectors = np.linalg.eigh(hessian)
    out: Floats = (vectors / np.maximum(np.abs(eigenvalues), _FLATTEST)) @ vectors.T
    return out


def _newton(
    model: MediaModel, theta: Floats, centre: Floats, sd: Floats
) -> tuple[Floats, Floats, float]:
    """A few damped Newton steps; the point, the Hessian of -log p in prior units, the decrement."""
    value, gradient = model.log_posterior(theta[None])
    for _ in range(6):
        hessian = _hessian(model, theta, sd)
        eigenvalues, vectors = np.linalg.eigh(hessian)
        slope = vectors.T @ (gradient[0] * sd)
        step = vectors @ (slope / np.maximum(np.abs(eigenvalues), _FLATTEST))
        decrement = 0.5 * float(slope @ (slope / np.maximum(np.abs(eigenvalues), _FLATTEST)))
        if decrement < 1e-8:
            break
        moved = False
        for shrink in (1.0, 0.3, 0.1, 0.01):
            trial = np.clip(theta + shrink * sd * step, centre - _FAR * sd, centre + _FAR * sd)
            trial_value, trial_gradient = model.log_posterior(trial[None])
            if trial_value[0] > value[0]:
                theta, value, gradient, moved = trial, trial_value, trial_gradient, True
                break
        # A hundredth of a standard deviation off: the Hessian is that of the mode.
        if not moved or decrement < _NEAR:
            break
    return theta, hessian, decrement


def _hessian(model: MediaModel, theta: Floats, sd: Floats) -> Floats:
    step = 1e-4
    moves = np.diag(step * sd)
    _, up = model.log_posterior(theta + moves)
    _, down = model.log_posterior(theta - moves)
    hessian = -(up - down) * sd / (2.0 * step)
    out: Floats = 0.5 * (hessian + hessian.T)
    return out


def laplace_draws(mode: Mode, count: int, rng: np.random.Generator) -> Floats:
    """Points (count, size) from the normal approximation at the mode."""
    return mode.theta + rng.standard_normal((count, mode.theta.size)) @ mode.root.T


def starting_points(model: MediaModel, count: int, rng: np.random.Generator) -> Floats:
    """The prior's centre, then points spread around it, shape (count, size)."""
    centre, sd = model.prior_moments()
    spread = 0.7 * rng.standard_normal((count, model.size))
    spread[0] = 0.0
    return centre + sd * spread


def fit_noise(
    under: Callable[[Noise], MediaModel],
    start: Floats,
    observed: int,
    kind: str = "student_t",
    rounds: int = 5,
) -> tuple[Noise, Floats]:
    """Noise by expectation and maximisation around the mode, from ``start``; the last mode.

    Parameters
    ----------
    under
        Makes the model of a noise.
    observed
        How many rows it has.
    kind
        "student_t"; "gaussian", of infinite degrees of freedom; or "auto", Student-t unless its
        most likely tails are the lightest.
    """
    noise = Noise(np.ones(observed), 0.0, DEGREES[-1] if kind == "student_t" else float("inf"))
    theta, metric = start, None
    for _ in range(rounds):
        model = under(noise)
        centre, sd = model.prior_moments()
        # Each round begins with the metric of the one before: the noise changes it a little only.
        points, _, metric = _climbed(model, ((theta - centre) / sd)[None], metric)
        theta = centre + sd * points[0]
        found = _expected(model, theta)
        if kind == "gaussian" or (kind == "auto" and found.degrees == DEGREES[-1]):
            found = Noise(np.ones(observed), found.correlation, float("inf"))
        moved = np.max(np.abs(found.weights - noise.weights))
        settled = moved < 0.03 and abs(found.correlation - noise.correlation) < 0.03
        if settled:
            break
        noise = found
    return noise, theta


def _expected(model: MediaModel, theta: Floats) -> Noise:
    """The noise that the residuals at a mode speak for."""
    gamma, media = model.linear_moments(theta[None])
    seen = model.design.observed
    rows = model.design.baseline[seen]
    residual = model.design.outcome[seen] - media[0, seen] - rows @ gamma[0]
    sigma = float(np.exp(theta[-1]))
    marginal = model.marginal
    along = (marginal.whitener.apply(rows.T).T / marginal.whitener.root[:, None]) @ marginal.right.T
    leverage = (along**2 / (marginal.square + sigma**2)).sum(axis=1) * sigma**2
    return update_noise(residual, leverage, sigma, marginal.whitener)


def null_evidence(model: MediaModel) -> float:
    """Log evidence of the same baseline and noise without any media (Laplace in log sigma)."""
    grid = np.linspace(-9.0, 3.0, 241)
    value = model.log_null(grid)[0]
    top = float(value.max())
    return top + float(np.log(np.exp(value - top).sum() * (grid[1] - grid[0])))


def climb(
    density: Callable[[Floats], tuple[Floats, Floats]],
    starts: Floats,
    *,
    far: float,
    close: float,
    inverse: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Local maxima from ``starts`` (S, size) within [-far, far] for every coordinate.

    Parameters
    ----------
    density
        Value (K,) and gradient (K, size) at points (K, size), in coordinates of about unit scale.
    close
        Newton's decrement (about how far the value is from its maximum) that ends a search.
    inverse
        (S, size, size) inverse Hessians of -density to begin with, as returned by a search nearby.

    Returns
    -------
    tuple
        Points (S, size), their values (S,) and the inverse Hessians learnt.
    """
    count, size = starts.shape
    x = np.clip(starts, -far, far)
    value, gradient = density(x)
    fresh = np.full(count, inverse is None)
    metric = np.tile(np.eye(size), (count, 1, 1)) if inverse is None else inverse.copy()
    live = np.isfinite(value)
    for _ in range(_STEPS):
        at = np.flatnonzero(live)
        if not at.size:
            break
        here, up = x[at], gradient[at]
        held = ((here >= far) & (up > 0.0)) | ((here <= -far) & (up < 0.0))
        slope = np.where(held, 0.0, up)
        step = np.where(held, 0.0, np.matmul(metric[at], slope[:, :, None])[:, :, 0])
        promised = (step * slope).sum(axis=1)
        done = ~(promised > 2.0 * close)
        live[at[done]] = False
        at, here, slope, step = at[~done], here[~done], slope[~done], step[~done]
        if not at.size:
            break
        longest = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, _LONGEST / longest)[:, None]
        found, there, high, steep = _along(density, here, value[at], slope, step, far)
        # Nowhere up along a metric that was learnt: forget it once; then this is the top.
        lost = at[~found]
        live[lost[fresh[lost]]] = False
        metric[lost], fresh[lost] = np.eye(size), True
        at, moved = at[found], there[found] - here[found]
        bend = gradient[at] - steep[found]
        _learn(metric, fresh, at, moved, bend)
        x[at], value[at], gradient[at] = there[found], high[found], steep[found]
    return x, value, metric


def _along(
    density: Callable[[Floats], tuple[Floats, Floats]],
    here: Floats,
    value: Floats,
    slope: Floats,
    step: Floats,
    far: float,
) -> tuple[NDArray[np.bool_], Floats, Floats, Floats]:
    """The first point of each step, ever shorter, that gains enough: whether, where, how high."""
    there, high, steep = here.copy(), value.copy(), np.zeros_like(here)
    share = np.ones(len(here))
    found = np.zeros(len(here), dtype=bool)
    for _ in range(_SHORTENED):
        left = np.flatnonzero(~found)
        trial = np.clip(here[left] + share[left, None] * step[left], -far, far)
        reached, gradient = density(trial)
        hoped = (slope[left] * (trial - here[left])).sum(axis=1)
        with np.errstate(invalid="ignore"):
            gained = reached - value[left]
            # The parabola through both values and the slope has its top here.
            shorter = 0.5 * share[left] * hoped / np.maximum(hoped - gained, 1e-300)
        good = np.isfinite(reached) & (gained >= _ENOUGH * hoped)
        taken = left[good]
        found[taken] = True
        there[taken], high[taken], steep[taken] = trial[good], reached[good], gradient[good]
        if good.all():
            break
        between = np.where(np.isfinite(shorter), shorter, 0.0)
        share[left] = np.clip(between, 0.1 * share[left], 0.5 * share[left])
    return found, there, high, steep


def _learn(
    metric: Floats, fresh: NDArray[np.bool_], at: NDArray[np.int64], moved: Floats, bend: Floats
) -> None:
    """Correct the inverse Hessians ``metric[at]`` by a move and the change of slope along it."""
    curvature = (moved * bend).sum(axis=1)
    scale = np.linalg.norm(moved, axis=1) * np.linalg.norm(bend, axis=1)
    able = curvature > 1e-8 * scale
    at, moved, bend, curvature = at[able], moved[able], bend[able], curvature[able]
    if not at.size:
        return
    size = moved.shape[1]
    new = fresh[at]
    first = curvature / (bend**2).sum(axis=1)
    metric[at[new]] = first[new, None, None] * np.eye(size)
    fresh[at] = False
    turned = np.matmul(metric[at], bend[:, :, None])[:, :, 0]
    across = turned[:, :, None] * moved[:, None, :]
    length = 1.0 + (bend * turned).sum(axis=1) / curvature
    outer = moved[:, :, None] * moved[:, None, :] * length[:, None, None]
    metric[at] += (outer - across - across.transpose(0, 2, 1)) / curvature[:, None, None]
