"""What it would be worth to know a channel's curve exactly, so that tests go where they pay.

Knowing channel i's curve lets the plan follow it. The expected gain (expected value of partial
perfect information; Raiffa and Schlaifer, Applied Statistical Decision Theory, 1961)::

    E_s [ max_x ( f_is(x_i) + rest(x) ) ]  -  max_x ( E_s f_is(x_i) + rest(x) )

where ``rest`` is the mean over draws of the other channels: what one learns about i is taken to say
nothing about them. The total is that of knowing every curve, draw by draw.

On a grid of the budget both maxima are exact for curves of any shape: the best split among the
others is a max-plus convolution of their tables (Bellman and Dreyfus, Applied Dynamic Programming,
1962, chapter 1), S-shaped or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.solve.one_budget.form import OneBudget

__all__ = ["MOST_CHANNELS", "Information", "value_of_information"]

Floats = NDArray[np.float64]

STEPS = 400
"""Steps that the free money is cut into."""

MOST_CHANNELS = 200
"""Beyond it the tables would take longer than the answer is worth."""

TOTAL_DRAWS = 64
"""Draws solved whole for the value of knowing everything."""


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Expected gains in outcome: by channel (n,), and of knowing all curves at once."""

    channels: Floats
    total: float


def value_of_information(task: OneBudget) -> Information | None:
    """None without draws, without free money, or with too many channels."""
    draws = task.draws
    n = len(task.names)
    money = task.budget - float(task.lower.sum())
    if draws is None or money <= 0.0 or not 0 < n <= MOST_CHANNELS:
        return None
    step = money / STEPS
    spend = task.lower + step * np.arange(STEPS + 1)[:, None]  # (G + 1, n)
    allowed = spend <= task.upper + 1e-9 * task.budget
    each = np.stack([draws.value(row) for row in np.minimum(spend, task.upper)], axis=1)
    each = np.where(allowed, each, -np.inf)  # (S, G + 1, n)
    mean = each.mean(axis=0)
    before, after = [_nothing()], [_nothing()]
    for i in range(n - 1):
        before.append(_best_split(before[-1], mean[:, i]))
        after.append(_best_split(after[-1], mean[:, n - 1 - i]))
    gains = np.zeros(n)
    for i in range(n):
        rest = _best_split(before[i], after[n - 1 - i])[::-1]  # with what i leaves of the money
        known = (each[:, :, i] + rest).max(axis=1).mean()
        gains[i] = max(float(known - (mean[:, i] + rest).max()), 0.0)
    picked = np.unique(
        np.linspace(0, each.shape[0] - 1, min(each.shape[0], TOTAL_DRAWS)).astype(int)
    )
    best = np.array([_whole(each[s]) for s in picked])
    chosen = _plan(mean)
    as_planned = each[picked][:, chosen, np.arange(n)].sum(axis=1)
    return Information(gains, max(float((best - as_planned).mean()), 0.0))


def _nothing() -> Floats:
    """The best of no channel at all: zero, however much money there is."""
    return np.zeros(STEPS + 1)


def _best_split(one: Floats, other: Floats) -> Floats:
    """(G + 1,) the most that both bring together with each amount of money or less."""
    size = one.size
    padded = np.concatenate([np.full(size - 1, -np.inf), other])
    window = np.lib.stride_tricks.sliding_window_view(padded, size)[:, ::-1]  # other[b - k]
    return np.asarray(np.maximum.accumulate((window + one).max(axis=1)))


def _whole(table: Floats) -> float:
    """The best of one draw's tables (G + 1, n)."""
    best = _nothing()
    for i in range(table.shape[1]):
        best = _best_split(best, table[:, i])
    return float(best[-1])


def _plan(table: Floats) -> NDArray[np.intp]:
    """(n,) grid steps of the best plan of tables (G + 1, n)."""
    n = table.shape[1]
    stages = [_nothing()]
    for i in range(n):
        stages.append(_best_split(stages[-1], table[:, i]))
    left, steps = table.shape[0] - 1, np.zeros(n, dtype=np.intp)
    for i in range(n - 1, -1, -1):
        options = stages[i][left::-1] + table[: left + 1, i]
        steps[i] = int(np.argmax(options))
        left -= int(steps[i])
    return steps
