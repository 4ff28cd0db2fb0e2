"""What is to be solved: channels with bounds, one budget, in the caller's own names and units.

Names live here and at the edges; ``shared.problem.feasibility`` turns a ``Problem`` into arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.curves.curveset import Response

__all__ = ["Channel", "Problem", "SolverOptions"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. Money is per period, in the caller's currency; ``None`` means "not given".

    Attributes
    ----------
    max_change
        Fraction of ``current_spend``, both ways; needs ``current_spend``.
    locked
        Keep ``current_spend`` (a commitment); needs ``current_spend``.
    observed_max
        Highest spend per period in the history behind the curve; beyond it a plan extrapolates.
    max_spend_is_default
        ``max_spend`` was not asked for by the caller but derived from the history.
    """

    name: str
    response: Response
    current_spend: float | None = None
    min_spend: float = 0.0
    max_spend: float | None = None
    max_change: float | None = None
    locked: bool = False
    observed_max: float | None = None
    max_spend_is_default: bool = False


@dataclass(frozen=True, slots=True)
class SolverOptions:
    """How to solve; the defaults are the contract's."""

    method: str = "auto"
    gap: float = 1e-6
    time_limit_s: float = 10.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Spread ``budget`` over ``channels`` so that the expected outcome per period is largest.

    ``spend_all`` makes the budget an equality, otherwise it is a cap.
    """

    channels: tuple[Channel, ...]
    budget: float
    spend_all: bool = True
    options: SolverOptions = SolverOptions()
    curves_version: str | None = None
    outcome_unit: str | None = None
    currency: str | None = None
    warnings: tuple[tuple[str, str], ...] = ()
