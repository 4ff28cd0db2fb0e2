"""What is known of the curves that a plan rests on, and what it would be worth to know one exactly.

Knowing channel i's curve lets the plan follow it. The expected gain (expected value of partial
perfect information; Raiffa and Schlaifer, Applied Statistical Decision Theory, 1961)::

    E_s [ max_x ( f_is(x_i) + rest(x) ) ]  -  max_x ( E_s f_is(x_i) + rest(x) )

where ``rest`` is the mean over draws of the other channels: what one learns about i is taken to say
nothing about them. The total is that of knowing every curve, draw by draw.

On a grid of the budget both maxima are exact for curves of any shape: the best split among the
others is a max-plus convolution of their tables (Bellman and Dreyfus, Applied Dynamic Programming,
1962, chapter 1), S-shaped or not.

``parameters_of`` names what a plan's answer rests on, the parameters of its curves, each of which
can be moved; ``curve_band`` is a curve with its band.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import adstock_from_dict
from shared.curves.curveset import Response
from shared.curves.saturation import Saturation
from shared.plan.score import INTERVAL, MIN_DRAWS, finite
from shared.problem.arms import arms_of, on_arms, sustained
from shared.problem.model import Channel, Problem
from shared.solve.one_budget.form import OneBudget

__all__ = [
    "MOST_CHANNELS",
    "Parameter",
    "curve_band",
    "moved",
    "of_whole",
    "parameters_of",
    "spread_of",
    "value_of_information",
]

Floats = NDArray[np.float64]

STEPS = 400  # steps that the free money is cut into
MOST_CHANNELS = 200  # beyond it the tables would take longer than the answer is worth
TOTAL_DRAWS = 64  # draws solved whole for the value of knowing everything

WITHOUT_DRAWS = 0.1
"""Relative uncertainty that is looked at where nothing is known of a parameter's."""

_PRICE = ("reference", "elasticity")  # of a price that rises with spend
_FIXED = ("family", "length", "normalised")  # of an adstock: not numbers that can move a little

_POINTS = 41  # spends at which a curve is told
BEYOND = 1.5  # how far past the highest spend of interest a band goes


@dataclass(frozen=True, slots=True, eq=False)
class _Information:
    """Expected gains in outcome: by channel (n,), and of knowing all curves at once."""

    channels: Floats
    total: float


def value_of_information(task: OneBudget) -> _Information | None:
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
    before, after = _stages(mean), _stages(mean[:, ::-1])
    gains = np.zeros(n)
    for i in range(n):
        rest = _best_split(before[i], after[n - 1 - i])[::-1]  # with what i leaves of the money
        known = (each[:, :, i] + rest).max(axis=1).mean()
        gains[i] = max(float(known - (mean[:, i] + rest).max()), 0.0)
    picked = np.unique(
        np.linspace(0, each.shape[0] - 1, min(each.shape[0], TOTAL_DRAWS)).astype(int)
    )
    best = np.array([_stages(each[s])[-1][-1] for s in picked])
    chosen = _plan(mean)
    as_planned = each[picked][:, chosen, np.arange(n)].sum(axis=1)
    return _Information(gains, max(float((best - as_planned).mean()), 0.0))


def _stages(table: Floats) -> list[Floats]:
    """The best of no channel of a table (G + 1, n), of the first, of the first two and so on."""
    out = [np.zeros(STEPS + 1)]
    for column in table.T:
        out.append(_best_split(out[-1], column))
    return out


def _best_split(one: Floats, other: Floats) -> Floats:
    """(G + 1,) the most that both bring together with each amount of money or less."""
    size = one.size
    padded = np.concatenate([np.full(size - 1, -np.inf), other])
    window = np.lib.stride_tricks.sliding_window_view(padded, size)[:, ::-1]  # other[b - k]
    return np.asarray(np.maximum.accumulate((window + one).max(axis=1)))


def _plan(table: Floats) -> NDArray[np.intp]:
    """(n,) grid steps of the best plan of tables (G + 1, n)."""
    stages, n = _stages(table), table.shape[1]
    left, steps = table.shape[0] - 1, np.zeros(n, dtype=np.intp)
    for i in reversed(range(n)):
        options = stages[i][left::-1] + table[: left + 1, i]
        steps[i] = int(np.argmax(options))
        left -= int(steps[i])
    return steps


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of one arm's curve.

    Attributes
    ----------
    arm
        "tv", or "tv/brand" for a campaign.
    part, name
        "saturation", "adstock" or "price", and the parameter; of a tabulated curve "response" and
        "spend" stand for all its points at once, "values[2]" for one of ``lag_weights``.
    value
        Of the point curve; None for a list of points.
    at
        Place of a lag weight in ``values``, from 0.
    """

    arm: str
    part: str
    name: str
    value: float | None
    at: int | None = None


def parameters_of(problem: Problem) -> Iterator[Parameter]:
    """Every parameter that is not zero, arm by arm."""
    for name, arm in _named(problem):
        parts: list[tuple[str, dict[str, Any]]] = [
            ("saturation", arm.response.saturation.parameters())
        ]
        if arm.response.adstock is not None:
            own = arm.response.adstock.to_dict()
            parts.append(("adstock", {k: v for k, v in own.items() if k not in _FIXED}))
        if arm.rising is not None:
            parts.append(("price", dict(zip(_PRICE, arm.rising, strict=True))))
        for part, values in parts:
            for key, value in values.items():
                if part == "adstock" and isinstance(value, list):
                    for at, weight in enumerate(value):
                        if weight != 0.0:
                            yield Parameter(name, part, f"{key}[{at}]", weight, at)
                    continue
                number = None if isinstance(value, list | tuple) else float(value)
                if number != 0.0:
                    yield Parameter(name, part, key, number)


def moved(problem: Problem, parameter: Parameter, factor: float) -> Problem:
    """The problem with one parameter times ``factor``, in the point curve and in every draw.

    Raises
    ------
    ValueError
        The curve does not allow that value (a decay of one, an exponent above one).
    """
    names = [arm.name for arm in arms_of(problem)]

    def change(a: int, arm: Channel) -> Channel:
        if names[a] != parameter.arm:
            return arm
        if parameter.part == "price":
            assert arm.rising is not None
            pairs = zip(_PRICE, arm.rising, strict=True)
            each = [factor * x if own == parameter.name else x for own, x in pairs]
            return replace(arm, rising=(each[0], each[1]))
        return replace(arm, response=_scaled(arm.response, parameter, factor))

    return replace(problem, channels=on_arms(problem, change))


def spread_of(problem: Problem, parameter: Parameter) -> tuple[float, str]:
    """Relative standard deviation of a parameter, and what it is read from.

    ``"draws"`` where the curve has draws in which it moves; ``"assumed"`` (a tenth) otherwise.
    """
    arm = dict(_named(problem))[parameter.arm]
    if parameter.part == "saturation" and parameter.value is not None and arm.response.draws:
        values = np.array([d.parameters()[parameter.name] for d in arm.response.draws], float)
        mean = float(values.mean())
        if mean != 0.0 and np.ptp(values) > 0.0:
            return float(values.std() / abs(mean)), "draws"
    return WITHOUT_DRAWS, "assumed"


def _named(problem: Problem) -> list[tuple[str, Channel]]:
    return [(arm.name, arm.channel) for arm in arms_of(problem)]


def _scaled(response: Response, parameter: Parameter, factor: float) -> Response:
    if parameter.part == "adstock":
        assert response.adstock is not None
        own = response.adstock.to_dict()
        if parameter.at is None:
            own[parameter.name] *= factor
        else:
            own["values"][parameter.at] *= factor
        return replace(response, adstock=adstock_from_dict(own))
    return replace(
        response,
        saturation=_times(response.saturation, parameter.name, factor),
        draws=tuple(_times(draw, parameter.name, factor) for draw in response.draws),
    )


def _times(curve: Saturation, name: str, factor: float) -> Saturation:
    own = {key: getattr(curve, key) for key in curve.ranges()}
    value = own[name]
    listed = isinstance(value, list | tuple)
    own[name] = [v * factor for v in value] if listed else value * factor
    return type(curve)(**own)


def _sustained(response: Response) -> tuple[Saturation, tuple[Saturation, ...]]:
    """Point curve and draws over spend per period, carryover folded in."""
    if response.adstock is None:
        return response.saturation, response.draws
    total = response.adstock.total_weight()
    return response.saturation.scaled(total), tuple(d.scaled(total) for d in response.draws)


def of_whole(arm: Channel, parts: int, spend: float) -> tuple[Channel, float]:
    """An arm with what it spends; of one outcome of several, over the spend that all share."""
    if arm.outcome is None:
        return arm, spend

    def own(curve: Saturation) -> Saturation:
        return curve.scaled(1.0 / parts).times(1.0 / arm.weight)

    now = None if arm.current_spend is None else parts * arm.current_spend
    response = arm.response
    response = replace(
        response, saturation=own(response.saturation), draws=tuple(map(own, response.draws))
    )
    return replace(arm, response=response, current_spend=now), parts * spend


def curve_band(name: str, arm: Channel, recommended: float) -> dict[str, Any]:
    """One arm's curve on an even grid of spends, with a 90 % band where it has enough draws.

    The curve is the mean over the draws where there are draws: the one that is optimised.
    """
    marks = (recommended, arm.current_spend or 0.0, arm.observed_max or 0.0)
    top = BEYOND * max(marks)
    if top <= 0.0:
        top = arm.max_spend or 1.0
    spend = np.linspace(0.0, top, _POINTS)
    point, draws = _sustained(sustained(arm).response)
    each = np.stack([np.asarray(curve.value(spend), float) for curve in draws or (point,)])
    slope = np.mean([np.asarray(curve.slope(spend), float) for curve in draws or (point,)], axis=0)
    low = high = [None] * _POINTS
    if len(draws) >= MIN_DRAWS:
        low, high = (np.quantile(each, q, axis=0).tolist() for q in INTERVAL)
    return {
        "channel": name,
        "current_spend": arm.current_spend,
        "recommended_spend": recommended,
        "observed_max": arm.observed_max,
        "points": [
            {
                "spend": float(x),
                "outcome": float(y),
                "marginal_return": finite(float(m)),
                "low": a,
                "high": b,
            }
            for x, y, m, a, b in zip(spend, each.mean(axis=0), slope, low, high, strict=True)
        ],
    }
