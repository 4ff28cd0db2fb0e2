"""What others would run on the same instance: SLSQP and differential evolution.

Each is told an objective scaled to one and stops at its ``seconds`` of CPU time, with the best plan
that it has by then.
"""

from __future__ import annotations

import time
import warnings
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from benchmarks.classes import SEED
from benchmarks.questions import Question

__all__ = ["differential_evolution", "slsqp"]

Array = NDArray[np.float64]


class _Late(Exception):
    """The CPU time allowed is over."""


def slsqp(question: Question, *, starts: int = 1, seconds: float = 30.0) -> Array | None:
    """The best plan of SLSQP from the equal split, or from ``starts`` random splits if several."""
    deadline = time.process_time() + seconds
    rng = np.random.default_rng(SEED)
    plans: list[Array] = []
    for _ in range(starts):
        if time.process_time() >= deadline:
            break
        start = question.even if starts == 1 else question.start(rng)
        tidied = (question.tidy(x) for x in _slsqp(question, start, deadline))
        plans += [plan for plan in tidied if plan is not None]
    return max(plans, key=question.value, default=None)


def _slsqp(question: Question, start: Array, deadline: float) -> list[Array]:
    """What it found; where it was stopped, its start and the last step that it had taken."""
    from scipy.optimize import minimize

    start = np.clip(start, question.lower, question.upper)
    size = abs(question.value(start)) or 1.0
    had = [start]

    def objective(x: Array) -> float:
        if time.process_time() > deadline:
            raise _Late
        return -question.value(x) / size

    def keep(x: Array) -> None:
        had[1:] = [np.array(x)]

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = minimize(  # type: ignore[call-overload]
                objective,
                start,
                jac=lambda x: np.nan_to_num(-question.gradient(x) / size, posinf=1e9, neginf=-1e9),
                bounds=list(zip(question.lower, question.upper, strict=True)),
                constraints=_constraints(question),
                method="SLSQP",
                callback=keep,
                options={"maxiter": 1000, "ftol": 1e-9},
            )
        except _Late:
            return had
    return [np.asarray(found.x) if np.all(np.isfinite(found.x)) else start]


def _constraints(question: Question) -> list[dict[str, object]]:
    matrix, low, high = question.matrix, question.low, question.high
    same = low == high
    out: list[dict[str, object]] = []
    rows = [matrix[np.isfinite(low) & ~same], -matrix[np.isfinite(high) & ~same]]
    ends = [low[np.isfinite(low) & ~same], -high[np.isfinite(high) & ~same]]
    sides = (("eq", matrix[same], low[same]), ("ineq", np.vstack(rows), np.concatenate(ends)))
    for kind, own, at in sides:
        if at.size:
            # Each row scaled to one, so that its tolerance is relative.
            scale = np.maximum(np.abs(at), np.abs(own).max(axis=1))
            a, b = own / scale[:, None], at / scale
            out.append(
                {
                    "type": kind,
                    "fun": lambda x, a=a, b=b: a @ x - b,
                    "jac": lambda _x, a=a: a,
                }
            )
    if question.floor is not None and question.floor_gradient is not None:
        floor, slope = question.floor, question.floor_gradient
        size = abs(floor(question.even)) or 1.0
        out.append(
            {
                "type": "ineq",
                "fun": lambda x: floor(x) / size,
                "jac": lambda x: np.nan_to_num(slope(x) / size, posinf=1e9, neginf=-1e9),
            }
        )
    return out


def differential_evolution(question: Question, *, seconds: float = 20.0) -> Array | None:
    """scipy's, with its own defaults; rows by penalty, the budget by rescaling onto it."""
    from scipy.optimize import differential_evolution as evolve

    deadline = time.process_time() + seconds
    spending = np.isfinite(question.high) & np.all(question.matrix > 0, axis=1)
    exact = np.flatnonzero(spending & (question.low == question.high))
    # Under a target, spending less is what is sought: all of a cap would be one and the same plan.
    capped = np.flatnonzero(spending & (question.floor is None))
    size = abs(question.value(question.even)) or 1.0
    scale = max(float(question.money @ question.even), 1e-300)
    floor = question.floor
    best, least = question.even, (True, np.inf)

    def onto(x: Array) -> Array:
        for i in (*exact[:1], *capped[:1])[:1]:
            total, spent = question.high[i], float(question.matrix[i] @ x)
            if spent > total or (exact.size and spent > 0.0):
                x = np.clip(x * (total / spent), question.lower, question.upper)
        return x

    def loss(x: Array) -> float:
        nonlocal best, least
        if time.process_time() > deadline:
            raise _Late
        plan = onto(x)
        product = question.matrix @ plan
        over = np.maximum(product - question.high, 0.0) + np.maximum(question.low - product, 0.0)
        short = 0.0 if floor is None else max(-floor(plan), 0.0) / size
        broken = float(over.sum()) / scale + short
        out = -question.value(plan) / size + 10.0 * broken
        if (broken > 1e-9, out) < least:  # kept: the best that breaks nothing, if there is one
            best, least = np.array(plan), (broken > 1e-9, out)
        return out

    with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(_Late):
        warnings.simplefilter("ignore")
        box = list(zip(question.lower, question.upper, strict=True))
        evolve(loss, box, rng=np.random.default_rng(SEED), polish=False)
    return question.tidy(best)
