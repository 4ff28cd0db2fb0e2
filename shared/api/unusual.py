"""Figures of a request that are allowed, and look as if they were meant in another unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.api.messages import OptimizeRequest
from shared.figures import number
from shared.problem.arms import current_of
from shared.problem.model import Channel

__all__ = ["unusual"]

FAR = 10.0
"""A budget that is so many times today's spend, or that part of it, is asked about."""

UNUSUAL_PRICE = 3.0
UNUSUAL_CHANGE = 2.0


def unusual(
    message: OptimizeRequest,
    channels: Sequence[Channel],
    budget: float | None,
    periods: int,
) -> Iterator[tuple[str, str]]:
    """Warnings: their codes and what they say."""
    spends = [current_of(channel) for channel in channels]
    today = sum(spend for spend in spends if spend is not None) * periods
    least_spend = message.objective is not None and message.objective.goal == "minimize_spend"
    if budget and today > 0.0 and None not in spends and not least_spend:
        share = budget / today
        if not 1.0 / FAR <= share <= FAR:
            far = f"1/{number(1.0 / share)} of" if share < 1.0 else f"{number(share)} times"
            text = f"The budget of {number(budget)} is {far} today's spend, {number(today)}"
            text += "" if periods == 1 else f" over {periods} periods"
            text += ": see whether it is in the unit of the spend"
            text += "." if periods == 1 else ", and for all periods together."
            yield "budget_far_from_today", text
    for channel in message.channels or ():
        name, price, change = channel.channel, channel.price, channel.max_change
        if price is not None and not 1.0 / UNUSUAL_PRICE <= price <= UNUSUAL_PRICE:
            text = f"The price of {name} multiplies what media cost: {number(price)} is "
            text += f"{number(price)} times as much. 20 % dearer is 1.2."
            yield "price_unusual", text
        if change is not None and change > UNUSUAL_CHANGE:
            text = f"max_change of {name} is a fraction: {number(change)} is "
            text += f"{number(100.0 * change)} % of today's spend. 20 % is 0.2."
            yield "max_change_unusual", text
