"""Measures of risk on general programs: a plan's outcome by draw, and programs of weighed draws.

Draw s of a plan brings ``F_s(u) = sum of the responses in draw s + interactions`` (interactions
work at the levels of the mean curves in every draw, as everywhere). A measure rho of the outcome
takes the place of the mean in the objective,

    maximise   value * rho(F(u)) - cost * spend(u),

and a floor holds either in expectation (efficiency targets) or in the measure itself (the target of
the least spend, whose objective has no outcome that the measure could read).

Every measure but the quantile is the least weighted mean over a set of weights q
(:mod:`shared.problem.risk`), so for any q of the set and any theta >= 0 (one a floor), every plan
that meets the floors has

    value rho(F) - cost S <= value F_q - cost S
                             + sum of theta (F_q or E F - constant - per_money S),

and the right side is a program again, whose draws weigh ``(value q + sum of theta (q or even)) /
(value + sum of theta)``. A quantile at a level is at most the mean over the share of draws that lie
at or above it, as responses are not negative (Markov): a program of draws that are all scaled up.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import DrawStack
from shared.errors import InvalidInput
from shared.problem.aim import Aim
from shared.problem.program import Program
from shared.problem.risk import Risk, check_figures, markov, measure

__all__ = [
    "brings_by",
    "caution",
    "check_program_risk",
    "in_measure",
    "missed",
    "objective",
    "outcomes",
    "relaxed",
    "shifted",
    "weighed",
]

Array = NDArray[np.float64]


def check_program_risk(program: Program, risk: Risk) -> DrawStack:
    """The draws that a measure needs.

    Raises
    ------
    InvalidInput
        An unknown measure, a level outside (0, 1), a negative aversion, or no draws to weigh.
    """
    check_figures(risk)
    if program.draws is None:
        raise InvalidInput.at(
            "/risk/measure",
            "no_draws",
            f"{risk.measure} weighs the draws of the responses; these responses have none.",
        )
    return program.draws


def objective(program: Program, u: Array) -> float:
    """What is maximised, read as the program reads its outcome."""
    if program.risk is None:
        return program.objective(u)
    return program.value * measure(program.risk, outcomes(program, u)) - program.paid(u)


def brings_by(program: Program, u: Array) -> tuple[float, ...]:
    """The outcome as each target of the program reads it."""
    if program.risk is None or not program.floors:
        return program.brought(u)
    each = outcomes(program, u)
    read = measure(program.risk, each)
    pairs = zip(in_measure(program), program.brought(u), strict=True)
    return tuple(read if kind else plain for kind, plain in pairs)


def missed(program: Program, u: Array) -> float:
    """The largest relative miss of a target, read as the program reads it; 0 where all are met."""
    each = zip(program.floors, brings_by(program, u), program.asked_of(u), strict=True)
    return max((floor.missed(brings, costs) for floor, brings, costs in each), default=0.0)


def in_measure(aim: Aim | Program) -> tuple[bool, ...]:
    """Whether each floor holds in the measure itself rather than in expectation."""
    least = "target_outcome"
    return tuple(aim.value == 0.0 and floor.name == least for floor in aim.floors)


def caution(aim: Aim, theta: tuple[float, ...]) -> float:
    """The share of the outcome's value that is read by the measure; the rest is a plain mean."""
    kinds = in_measure(aim)
    own = aim.value + sum(t for t, kind in zip(theta, kinds, strict=True) if kind)
    whole = aim.value + sum(theta)
    return own / whole if whole > 0.0 else 1.0


def outcomes(program: Program, u: Array) -> Array:
    """(S,) outcome over the horizon in each draw, interactions and the shift included."""
    z = program.adstocked(np.maximum(u, 0.0))
    draws = program.response_draws(z)
    if draws is None:
        raise ValueError("A risk measure needs draws.")
    return shifted(program, draws.sum(axis=(1, 2)) + program.between(z))


def shifted(program: Program, each: Array) -> Array:
    """Outcomes (..., S) as the measure reads them."""
    return np.asarray(each if program.shift is None else each + program.shift)


def relaxed(
    program: Program,
    aim: Aim,
    theta: tuple[float, ...],
    risk: Risk | None = None,
    weights: Array | None = None,
) -> tuple[Program, float]:
    """The program whose plans bound the measure's, and the constant to take off its objective.

    :meth:`Program.lifted`, with the draws weighed as the measure and the targets read them.
    """
    task, less = program.aimed(aim).lifted(np.asarray(theta, dtype=np.float64))
    task = replace(task, risk=None)
    if risk is None or weights is None:
        return task, less
    count = weights.size
    even = np.full(count, 1.0 / count)
    own = markov(risk, count) * even if risk.measure == "quantile" else weights
    if any(floor.share is not None for floor in aim.floors):
        return weighed(task, _by_arm(program, aim, theta, own, even)), less - (
            0.0 if program.shift is None else aim.value * float(own @ program.shift)
        )
    share = caution(aim, theta)
    own = share * own + (1.0 - share) * even if task.value > 0.0 else even
    if program.shift is not None:
        less -= task.value * float(own @ program.shift)
    return weighed(task, own), less


def _by_arm(program: Program, aim: Aim, theta: tuple[float, ...], own: Array, even: Array) -> Array:
    """(S, A) weights of the draws where targets count arms unlike: of each arm's outcome the part
    that is read by the measure goes by ``own``, what targets count in expectation by ``even``."""
    read, plain = np.full(program.arms, aim.value), np.zeros(program.arms)
    for t, floor, kind in zip(theta, aim.floors, in_measure(aim), strict=True):
        part = read if kind else plain
        part += t * floor.shares(program.arms)
    whole = np.where(read + plain > 0.0, read + plain, 1.0)
    mixed = own[:, None] * (read / whole) + even[:, None] * (plain / whole)
    return np.where(read + plain > 0.0, mixed, even[:, None])


def weighed(program: Program, weights: Array) -> Program:
    """The program whose outcome is the sum of ``weights * draws`` (S,), of either sign, or of
    ``weights`` (S, A) by arm, none negative.

    Raises
    ------
    ValueError
        Uneven weights with interactions, which work at the levels of the plain mean.
    """
    draws = program.draws
    if draws is None:
        raise ValueError("A risk measure needs draws.")
    if weights.ndim == 2 and np.any(weights < 0.0):
        raise ValueError("Weights of draws by arm are not negative.")
    if program.pairs and float(np.ptp(weights)) > 1e-12 * float(np.abs(weights).max()):
        raise ValueError("Interactions work at the levels of the plain mean.")
    if np.all(weights >= 0.0):
        # Draws without weight are left out, and the others scaled: less to average.
        return replace(program, draws=draws.weighed(weights), draw_weights=None)
    return replace(program, draw_weights=np.asarray(weights, dtype=np.float64))
