"""Weights over draws that belong to a measure's set, and those at which known plans reach least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.problem.model import Risk
from shared.problem.risk import admissible, most_weight

__all__ = ["master", "nonnegative", "tidy"]

Array = NDArray[np.float64]
_STEPS = 300


def tidy(risk: Risk, weights: Array) -> Array:
    """Weights made to fit the measure's set exactly, draws that hardly count left out."""
    if risk.measure == "mean_minus_sd":
        return _in_ball(risk, weights)
    top = most_weight(risk, weights.size)
    out = np.clip(weights, 0.0, top)
    out[out < 1e-10 * top] = 0.0
    for _ in range(50):
        missing = 1.0 - float(out.sum())
        if abs(missing) <= 4e-16:
            break
        room = np.where(out > 0.0, top - out if missing > 0.0 else out, 0.0)
        if not float(room.sum()) > 0.0:
            room = top - out
        out = np.clip(out + missing * room / float(room.sum()), 0.0, top)
    return out


def nonnegative(risk: Risk, weights: Array) -> Array:
    """Nearby weights of the same set without negative ones."""
    out = np.maximum(weights, 0.0)
    out = out / float(out.sum())
    even = np.full(out.size, 1.0 / out.size)
    for _ in range(60):
        if admissible(risk, out, out.size):
            break
        out = 0.9 * out + 0.1 * even
        out /= float(out.sum())
    return out


def master(risk: Risk, known: list[Array], count: int) -> Array | None:
    """Weights at which the plans known so far reach least; None where none were found."""
    if risk.measure == "mean_minus_sd":
        return _least_in_ball(risk, np.stack(known[-40:]))
    rows = np.stack(known[-60:])
    size = max(float(np.abs(rows).max()), 1e-300)
    cost = np.append(np.zeros(count), 1.0)
    found = highs.linprog(
        cost,
        A_ub=np.column_stack((rows / size, -np.ones(len(rows)))),
        b_ub=np.zeros(len(rows)),
        A_eq=np.append(np.ones(count), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[(0.0, most_weight(risk, count))] * count + [(None, None)],
    )
    if found.status != 0 or found.x is None:
        return None
    return tidy(risk, np.asarray(found.x[:count]))


def _in_ball(risk: Risk, weights: Array) -> Array:
    """The nearest weights that sum to one and spread at most as far as the aversion allows."""
    count = weights.size
    away = count * weights - float((count * weights).mean())
    spread = float(np.sqrt((away**2).mean()))
    if spread > risk.aversion:
        away = away * (risk.aversion / max(spread, 1e-300))
    return np.asarray((1.0 + away * (1.0 - 1e-14)) / count)


def _least_in_ball(risk: Risk, rows: Array) -> Array | None:
    """Least over the ball of the most that any plan (P, S) reaches.

    By the ball's symmetry it is ``max over mixes of plans of mean - aversion * sd``: a concave
    problem over the simplex, by Frank-Wolfe steps with exact line searches on a grid.
    """
    mix = np.full(len(rows), 1.0 / len(rows))

    def worth(outcomes: Array) -> Array:
        return np.asarray(outcomes.mean(axis=-1) - risk.aversion * outcomes.std(axis=-1))

    shares = np.concatenate(([0.0], np.geomspace(1e-4, 1.0, 24)))
    for _ in range(_STEPS):
        now = mix @ rows
        spread = float(now.std())
        if spread <= 0.0:
            break
        weights = (1.0 - risk.aversion * (now - now.mean()) / spread) / now.size
        best = int(np.argmax(rows @ weights))
        line = now + shares[:, None] * (rows[best] - now)
        share = float(shares[int(np.argmax(worth(line)))])
        if share == 0.0:
            break
        mix *= 1.0 - share
        mix[best] += share
    now = mix @ rows
    spread = float(now.std())
    if spread <= 1e-14 * max(float(np.abs(now).max()), 1e-300):
        return None
    return _in_ball(risk, (1.0 - risk.aversion * (now - now.mean()) / spread) / now.size)
