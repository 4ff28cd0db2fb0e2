"""What a unit of money brings where the plan could take it from or put it to."""

from __future__ import annotations

import numpy as np

from shared.plan.plan import Plan

__all__ = ["price_of_money"]

ALIKE = 1e-3
"""Slopes of channels that nothing holds agree to this share where money has one price."""


def price_of_money(plan: Plan) -> float | None:
    """Outcome that the plan's last unit of money brings; None where money has no one price.

    In a best plan every arm that nothing holds has the same marginal return (the optimality
    conditions of Kuhn and Tucker, 1951), whatever the goal; where all are held, it is the budget's
    shadow price, as long as that is of outcome.
    """
    spend, slopes = plan.best.spend, plan.best.marginal
    if spend.shape[1] > 1:
        return None
    free = np.array([not names for names in plan.held]) & (spend[:, 0] > 0.0)
    free &= np.isfinite(slopes[:, 0])
    found = slopes[free, 0]
    if found.size:
        middle = float(np.median(found))
        return middle if np.ptp(found) <= ALIKE * abs(middle) and middle > 0.0 else None
    if plan.problem.goal.goal != "maximize_outcome":
        return None
    price = plan.budget_price
    return price if price is not None and price > 0.0 else None
