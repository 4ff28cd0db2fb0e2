"""How long a question will take, in seconds of a reference core, from its shape alone.

The figures are fitted to measured CPU times of S-shaped curves with carryover; the benchmarks
(``jobs``) show estimate and measurement beside each other. An estimate decides only how an answer
is given (now, or as a job), never what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.history.table import History
from shared.problem.model import Problem

__all__ = ["QUESTIONS", "seconds_of"]

_CURVE = 1.2e-4  # a curve, or a draw of one: solved, certified, scored, priced
_DECISION = 6e-3  # what an arm gets in one of several periods, tied to the others by carryover
_AGAIN = 0.2  # a plan that begins with another one's, against that one
_FIT = 1.5
_CELL = 2.5e-3  # of a history: a channel's spend on one date, through fit and validation

QUESTIONS = frozenset(
    (
        *("optimize", "scenarios", "evaluate", "sensitivity"),
        *("campaigns", "transition", "experiment", "portfolio", "policies", "fit"),
    )
)
"""The service's methods that answer planning questions."""


def seconds_of(question: str, *asked: Any) -> float:
    """About how long the service's method of that name takes for these arguments.

    Raises
    ------
    KeyError
        For a method that is none of ``QUESTIONS``.
    """
    if question == "fit":
        history: History = asked[0].history
        return _FIT + _CELL * len(history.dates) * len(history.channels)
    plans: float = _PLANS[question](*asked)
    return _plan(asked[0]) * plans


def _plan(problem: Problem) -> float:
    """One plan: its search ends at the problem's limit, what is around it does not."""
    arms, periods = len(problem.arms), problem.horizon.periods
    around = _CURVE * arms * max(problem.draws, 1) * periods
    together = _DECISION * arms * periods if periods > 1 else 0.0
    return around + min(together, problem.options.time_limit_s)


def _scenarios(
    _: Problem,
    variants: Sequence[Any],
    budgets: Sequence[float] = (),
    between: tuple[str, int] | None = None,
) -> float:
    others = len(variants) + len(budgets) + (0 if between is None else between[1])
    return 1.0 + _AGAIN * others


def _transition(_: Problem, __: float, periods: int) -> float:
    return 1.0 + 0.25 * periods


_PLANS: Mapping[str, Callable[..., float]] = {
    "optimize": lambda _: 1.0,
    "evaluate": lambda *_: 1.0,
    "campaigns": lambda *_: 1.0,
    "portfolio": lambda *_: 1.0,
    "experiment": lambda *_: 2.0,
    "policies": lambda *_: 4.0,
    "sensitivity": lambda _: 8.5,
    "scenarios": _scenarios,
    "transition": _transition,
}
"""How many plans a question is, by its arguments."""
