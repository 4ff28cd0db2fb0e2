"""One budget over boxes as its engine sees it: one spend an arm, curves in spend, no other rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack, DrawStack
from shared.problem.program import Names, Program, Rows
from shared.problem.proof import Leaf

__all__ = ["OneBudget", "at_price", "one_budget"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneBudget:
    """Maximise ``sum(outcome(spend))`` over ``lower <= spend <= upper`` (n,) and one ``budget``, an
    equality where ``spend_all``. ``draws``, where there are some, count by their mean; ``current``
    (n,) is nan where unknown; ``lower_by`` and ``upper_by`` are those of the program."""

    names: tuple[str, ...]
    curves: CurveStack
    draws: DrawStack | None
    current: Array
    lower: Array
    upper: Array
    lower_by: tuple[Names, ...]
    upper_by: tuple[Names, ...]
    budget: float
    spend_all: bool

    @property
    def n(self) -> int:
        """Number of arms."""
        return len(self.names)

    def outcome(self, spend: Array) -> Array:
        """Expected outcome per arm, (n,) or (k, n) like ``spend``."""
        source = self.draws
        return self.curves.value(spend) if source is None else source.mean_value(spend)

    def marginal(self, spend: Array) -> Array:
        """Expected outcome from each arm's next unit of money; ``inf`` at 0 on some curves."""
        source = self.draws
        return self.curves.slope(spend) if source is None else source.mean_slope(spend)

    def program(self) -> Program:
        """The same in the general form."""
        n, budget = self.n, self.budget
        ones, column = np.ones((n, 1, 1)), (n, 1)
        return Program(
            names=self.names,
            lower=self.lower.reshape(column),
            upper=self.upper.reshape(column),
            least_active=np.zeros(column),
            lower_by=self.lower_by,
            upper_by=self.upper_by,
            lot=np.zeros(n),
            rows=Rows(
                matrix=np.ones((1, n)),
                lower=np.array([budget if self.spend_all else -np.inf]),
                upper=np.array([budget]),
                names=("budget",),
            ),
            spread=ones,
            carry=ones,
            carry_in=np.zeros(column),
            weight=np.ones(column),
            curves=self.curves,
            draws=self.draws,
            current=self.current.reshape(column) if np.isfinite(self.current).all() else None,
            scale=max(budget, 1e-300),
        )


def one_budget(program: Program) -> OneBudget | None:
    """The arrays of a program of one budget over boxes whose outcome is all that counts.

    None where it says more than that, or where its bounds and its budget cannot hold together.
    """
    rows = program.rows
    one = program.columns == 1 and program.weight.shape[1] == 1 and len(rows.names) == 1
    if not one or program.discrete or program.pairs or program.sums:
        return None
    more = program.floors or program.ceilings or program.risk is not None
    if program.value != 1.0 or program.charges or more or program.power is not None:
        return None
    budget, least = float(rows.upper[0]), float(rows.lower[0])
    lower, upper = program.lower[:, 0], program.upper[:, 0]
    plain = (
        program.draw_weights is None
        and 0.0 <= budget < np.inf
        and least in (budget, -np.inf)
        and np.all(rows.matrix == 1.0)
        and np.all(program.spread == 1.0)
        and np.all(program.carry == 1.0)
        and np.all(program.weight == 1.0)
        and np.all(program.carry_in == 0.0)
    )
    if not plain:
        return None
    room = budget - float(lower.sum())
    hair = 1e-12 * budget
    short = least == budget and float(upper.sum()) < budget - hair
    if room < -hair or short or np.any(lower > upper):
        return None
    current = program.current
    return OneBudget(
        names=program.names,
        curves=program.curves,
        draws=program.draws,
        current=np.full(program.arms, np.nan) if current is None else current[:, 0],
        lower=lower,
        upper=upper,
        lower_by=program.lower_by,
        upper_by=program.upper_by,
        budget=budget,
        spend_all=least == budget,
    )


def at_price(price: float, count_price: float = 0.0) -> Leaf:
    """A region bounded by the price of money alone, and of being counted."""
    return Leaf(np.array([price]), count_price=count_price)
