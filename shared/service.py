"""What the app does, in domain terms: every function in ``function_app.py`` ends in one call here.

Storage is connected on first use, so that a planning question with inline curves never waits for
it, and fitting is imported on first use, so that a cold start does not pay for scipy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.curves.curveset import CurveSet
from shared.errors import InvalidInput, MarginalError
from shared.plan.evaluate import evaluate
from shared.plan.optimize import answer, make_plan
from shared.plan.scenarios import Variant, compare
from shared.problem.model import Problem

if TYPE_CHECKING:
    from shared.fit.refit import Refits
    from shared.store.connect import Connections
    from shared.store.datasets import Datasets

__all__ = ["Service"]

Table = bytes | list[dict[str, Any]]


class Service:
    """The app over one set of storage connections.

    Parameters
    ----------
    connect
        Gives the connections; called once, at the first question that needs storage.
    """

    def __init__(self, connect: Callable[[], Connections]) -> None:
        self._connect = connect

    # -- planning -----------------------------------------------------------------------------

    def optimize(self, problem: Problem) -> dict[str, Any]:
        """The best allocation, certified (``POST /optimize``)."""
        return answer(make_plan(problem))

    def scenarios(
        self, base: Problem, variants: Sequence[Variant], budgets: Sequence[float] = ()
    ) -> dict[str, Any]:
        """What-ifs beside their base (``POST /scenarios``)."""
        return compare(base, variants, budgets)

    def evaluate(self, problem: Problem, plan: Mapping[str, float]) -> dict[str, Any]:
        """A caller's plan, scored (``POST /evaluate``)."""
        return evaluate(problem, plan)
