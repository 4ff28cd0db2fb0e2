"""From names to arrays: one box, one budget, curves in spend; or the smallest conflict by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Saturation
from shared.curves.stack import CurveStack, DrawStack, stack, stack_draws
from shared.errors import Conflict, Fault, Infeasible, InvalidInput
from shared.problem.model import Channel, Problem

__all__ = [
    "HAIR",
    "Canonical",
    "canonicalise",
    "marginal",
    "outcome",
    "own_bounds",
]

Array = NDArray[np.float64]
HAIR = 1e-9  # relative to the budget: what rounding in a caller's own sums can miss by


@dataclass(frozen=True, slots=True)
class Canonical:
    """Maximise ``sum(outcome(spend))`` over ``lower <= spend <= upper`` and one budget.

    Attributes
    ----------
    names
        Channel names, in the order of all arrays.
    curves
        Point curves over spend per period; carryover of sustained spend is folded in.
    draws
        The same for S draws, or None. Where there are draws, their mean is the objective.
    current
        Current spend (n,), nan where unknown.
    lower, upper
        Bounds (n,), finite: no upper bound exceeds the budget.
    lower_by, upper_by
        What set each bound: "min_spend", "max_spend", "max_change", "locked", "budget" or "".
    budget, spend_all
        The total; an equality where ``spend_all``, otherwise a cap.
    """

    names: tuple[str, ...]
    curves: CurveStack
    draws: DrawStack | None
    current: Array
    lower: Array
    upper: Array
    lower_by: tuple[str, ...]
    upper_by: tuple[str, ...]
    budget: float
    spend_all: bool

    @property
    def n(self) -> int:
        """Number of channels."""
        return len(self.names)


def outcome(canonical: Canonical, spend: Array) -> Array:
    """Expected outcome per channel: the mean over draws where there are draws.

    ``spend`` is (n,) or (k, n); so is the answer.
    """
    source = canonical.draws
    return canonical.curves.value(spend) if source is None else source.mean_value(spend)


def marginal(canonical: Canonical, spend: Array) -> Array:
    """Expected outcome from each channel's next unit of money; ``inf`` at 0 on some curves."""
    source = canonical.draws
    return canonical.curves.slope(spend) if source is None else source.mean_slope(spend)


def canonicalise(problem: Problem) -> Canonical:
    """Check and translate a problem.

    Raises
    ------
    InvalidInput
        ``locked`` or ``max_change`` without a current spend, unequal numbers of draws.
    Infeasible
        With the smallest set of bounds that cannot hold together, by the caller's names, and by how
        much money they miss. Misses within 1e-9 of the budget are taken for rounding and evened
        out.
    """
    channels, budget = problem.channels, problem.one_budget
    _check(channels)
    n = len(channels)
    lower, upper = np.zeros(n), np.full(n, budget)
    lower_by, upper_by = [""] * n, ["budget"] * n
    hair = HAIR * budget
    for i, channel in enumerate(channels):
        low, high = own_bounds(channel)
        lower[i], lower_by[i] = low
        if high[0] < budget:
            upper[i], upper_by[i] = high
        if lower[i] > upper[i]:
            if lower[i] - upper[i] > max(hair, HAIR * lower[i]):
                _refuse_pair(channel, lower[i], lower_by[i], upper[i], upper_by[i])
            lower[i] = upper[i]
    lower, upper = _fit_budget(problem, lower, upper, lower_by, upper_by, hair)
    # No channel can have more than the others' floors leave over.
    ceiling = np.maximum(lower + max(budget - float(lower.sum()), 0.0), lower)
    upper_by = [
        "budget" if c < u else by for c, u, by in zip(ceiling, upper, upper_by, strict=True)
    ]
    upper = np.minimum(upper, ceiling)
    curves = stack([_sustained(channel, channel.response.saturation) for channel in channels])
    current = [np.nan if c.current_spend is None else c.current_spend for c in channels]
    return Canonical(
        names=tuple(channel.name for channel in channels),
        curves=curves,
        draws=_draws(channels),
        current=np.array(current, dtype=float),
        lower=lower,
        upper=upper,
        lower_by=tuple(lower_by),
        upper_by=tuple(upper_by),
        budget=budget,
        spend_all=problem.spend_all,
    )


def _check(channels: Sequence[Channel]) -> None:
    faults = [
        Fault(f"/channels/{i}/{name}", "missing", f"{c.name}: {name} needs a current_spend.")
        for i, c in enumerate(channels)
        for name, used in (("locked", c.locked), ("max_change", c.max_change is not None))
        if used and c.current_spend is None
    ]
    counts = {len(c.response.draws) for c in channels} - {0}
    if len(counts) > 1:
        faults += [
            Fault(
                f"/channels/{i}/response/draws",
                "unequal_draws",
                f"{c.name}: has {len(c.response.draws)} draws; draw s of every channel belongs "
                "together, so all carry equally many.",
            )
            for i, c in enumerate(channels)
            if c.response.draws and len(c.response.draws) != max(counts)
        ]
    if faults:
        raise InvalidInput(faults)


def own_bounds(channel: Channel) -> tuple[tuple[float, str], tuple[float, str]]:
    """The tightest (bound, name) from below and above, the budget left aside."""
    low = (channel.min_spend, "min_spend" if channel.min_spend > 0 else "")
    high = (np.inf if channel.max_spend is None else channel.max_spend, "max_spend")
    if channel.excluded:
        return (0.0, ""), (0.0, "exclude")
    current = channel.current_spend
    if current is not None and channel.locked:
        # A commitment meets any change limit, but not any floor or ceiling: where it breaks one,
        # both stay, and the pair is refused by name.
        slack = HAIR * current
        if low[0] <= current + slack:
            low = (current, "locked")
        if high[0] >= current - slack or channel.max_spend_is_default:
            high = (current, "locked")
        return low, high
    if current is not None and channel.max_change is not None:
        least = max(current * (1 - channel.max_change), 0.0)
        low = max(low, (least, "max_change" if least > 0 else ""), key=_first)
        high = min(high, (current * (1 + channel.max_change), "max_change"), key=_first)
    if channel.max_spend_is_default and high[1] == "max_spend" and high[0] < low[0]:
        high = (low[0], "max_spend")  # a ceiling nobody asked for gives way to a stated floor
    return low, high


def _first(bound: tuple[float, str]) -> float:
    return bound[0]


def _refuse_pair(channel: Channel, low: float, low_by: str, high: float, high_by: str) -> None:
    missed = float(low - high)
    ceiling = "budget" if high_by == "budget" else f"{channel.name}.{high_by}"
    floor = f"{channel.name}.{low_by}"
    conflicts = [
        Conflict(floor, f"{floor} asks for at least {low:,.2f}.", missed),
        Conflict(ceiling, f"{ceiling} allows at most {high:,.2f}.", missed),
    ]
    raise Infeasible(
        f"{floor} and {ceiling} cannot hold together: they miss by {missed:,.2f}.", conflicts
    )


def _fit_budget(
    problem: Problem,
    lower: Array,
    upper: Array,
    lower_by: Sequence[str],
    upper_by: Sequence[str],
    hair: float,
) -> tuple[Array, Array]:
    """Refuse a budget that the bounds cannot meet; even out a miss by a hair."""
    names, budget = [c.name for c in problem.channels], problem.one_budget
    least, most = float(lower.sum()), float(upper.sum())
    if least > budget + hair:
        # The fewest floors that already exceed the budget are the largest ones.
        order = np.argsort(-lower, kind="stable")
        count = int(np.searchsorted(np.cumsum(lower[order]), budget + hair, side="right")) + 1
        chosen = sorted(order[:count].tolist())
        asked = float(lower[chosen].sum())
        missed = asked - budget
        conflicts = [
            Conflict(
                f"{names[i]}.{lower_by[i]}",
                f"{names[i]}.{lower_by[i]} asks for at least {lower[i]:,.2f}.",
                missed,
            )
            for i in chosen
        ]
        few = " and ".join(conflict.name for conflict in conflicts[:3])
        few = few if count <= 3 else f"{few} and {count - 3} more"
        conflicts.append(Conflict("budget", f"The budget is {budget:,.2f}.", missed))
        raise Infeasible(
            f"{few} ask{'s' * (count == 1)} for at least {asked:,.2f}, and the budget is "
            f"{budget:,.2f}: they miss by {missed:,.2f}."
            + (f" All channels ask for {least:,.2f}." if least > asked else ""),
            conflicts,
        )
    if problem.spend_all and most < budget - hair:
        missed = budget - most
        conflicts = [Conflict("budget", f"The budget of {budget:,.2f} is to be spent.", missed)]
        conflicts += [
            Conflict(
                f"{names[i]}.{upper_by[i]}",
                f"{names[i]}.{upper_by[i]} allows at most {upper[i]:,.2f}.",
                missed,
            )
            for i in range(len(names))
        ]
        raise Infeasible(
            f"The most that the channels allow, {most:,.2f}, falls short of the budget of "
            f"{budget:,.2f} by {missed:,.2f}; spend_all false would leave the rest unspent.",
            conflicts,
        )
    if least > budget:
        lower = lower * (budget / least)
    elif problem.spend_all and most < budget:
        upper = upper * (budget / most)
    return lower, upper


def _sustained(channel: Channel, saturation: Saturation) -> Saturation:
    """The response to spend sustained every period: the carryover's total weight folded in."""
    adstock = channel.response.adstock
    weight = 1.0 if adstock is None else adstock.total_weight()
    return saturation if weight == 1.0 else saturation.scaled(weight)


def _draws(channels: Sequence[Channel]) -> DrawStack | None:
    """All draws, or None; a channel without draws among others that have some counts as known."""
    count = max((len(c.response.draws) for c in channels), default=0)
    if count == 0:
        return None
    return stack_draws(
        [
            [_sustained(c, draw) for draw in c.response.draws]
            or [_sustained(c, c.response.saturation)] * count
            for c in channels
        ]
    )
