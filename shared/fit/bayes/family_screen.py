"""Every other family of every open channel, roughly: what it would gain, and where it is best.

With all other channels held where they are, the best log posterior of one channel under another
family is a search over that channel's few parameters: over the same points for every family, first
as wide as the prior and then closer around the best, with the log return in closed form (the
likelihood is quadratic in the return). Milliseconds for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import fittable
from shared.fit.bayes.carryover import ADSTOCK_FAMILIES
from shared.fit.bayes.forward import Arms
from shared.fit.bayes.layout import Choice, lay_out, prior_of
from shared.fit.bayes.model import MediaModel

__all__ = ["Key", "Open", "Tried", "screened"]

Floats = NDArray[np.float64]
#: A channel's place, and the saturation and adstock it would have.
Key = tuple[int, str, str]

_POINTS = 48
_SPREADS = (
    1.0,
    0.4,
    0.16,
    0.06,
    0.025,
    0.01,
)  # of the screen's points, in prior standard deviations
_SETTLED = 0.3  # gain of a closer look that ends the search
_FAR = 3.0  # prior standard deviations of the log return


@dataclass(frozen=True, slots=True)
class Open:
    """Whether each channel's saturation and adstock are to be chosen, C of either."""

    saturations: tuple[bool, ...]
    adstocks: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """One alternative to the families that a channel had at the time.

    ``screened`` is the rough gain of log evidence; ``gained`` that of the full fit, None without
    one; ``loo`` the difference of expected log predictive density with its standard error, None
    where the evidence was not clearly better.
    """

    channel: int
    saturation: str
    adstock: str
    screened: float
    gained: float | None = None
    loo: tuple[float, float] | None = None


def screened(
    model: MediaModel, theta: Floats, free: Open, rng: np.random.Generator
) -> tuple[list[Tried], dict[Key, dict[str, float]]]:
    """Alternatives of every open channel, the most promising first, and their best points."""
    model = model.quick()
    choice = model.layout.choice
    noise = rng.standard_normal((_POINTS // 2, 4))
    noise = np.concatenate([noise, -noise])  # antithetic: families then differ by less chance
    found: list[Tried] = []
    starts: dict[Key, dict[str, float]] = {}
    media = model.media(theta[None])[:, 0]
    whole = model.signal(theta[None])
    for c in range(model.channels):
        now = (choice.saturations[c], choice.adstocks[c])
        others = [(s, now[1]) for s in fittable() if free.saturations[c] and s != now[0]]
        others += [(now[0], a) for a in ADSTOCK_FAMILIES if free.adstocks[c] and a != now[1]]
        if not others:
            continue
        mine = np.flatnonzero(model.arms.channel == c)
        rest = whole - _rows(model, media[mine][:, None], mine)
        base, _ = _profile(model, theta, c, mine, now, rest, noise)
        for saturation, adstock in others:
            value, best = _profile(model, theta, c, mine, (saturation, adstock), rest, noise)
            found.append(Tried(c, saturation, adstock, value - base))
            starts[c, saturation, adstock] = best
    return sorted(found, key=lambda t: -t.screened), starts


def _profile(
    model: MediaModel,
    theta: Floats,
    channel: int,
    mine: NDArray[np.int64],
    families: tuple[str, str],
    rest: Floats,
    noise: Floats,
) -> tuple[float, dict[str, float]]:
    """The best log posterior with one channel's families, up to a constant, and where that is.

    Parameters
    ----------
    rest
        (1, R) what all other channels do.
    noise
        (N, 4) standard normal: around the prior's centre first, then ever closer around the best.
    """
    design, marginal = model.design, model.marginal
    around, sd = model.returns.by_the_others(theta[None, model.layout.roi])
    alone = replace(
        model.returns,
        log_median=around[0, [channel]],
        log_sd=sd[[channel]],
        given=(True,),
    )
    layout = lay_out(Choice((families[0],), (families[1],)), ())
    prior = prior_of(layout, alone, design.frequency)
    arms = Arms(layout, np.zeros(mine.size, dtype=np.int64), (families[0],) * mine.size)
    deviation = np.log(model.unpack(theta[None]).roi[0, mine]) - theta[model.layout.roi[channel]]
    unit = (np.exp(deviation) * model.unit[mine])[:, None]
    target = marginal.residual(rest[:, design.observed])[0]
    places = [
        place
        for role in ("first", "half", "shape", "second")
        for place in getattr(layout, role).tolist()
        if place >= 0
    ]
    best, top, at = np.zeros(layout.size), -np.inf, float(alone.log_median[0])
    for spread in _SPREADS:
        z = np.zeros((len(noise), layout.size))
        z[:, places] = best[places] + spread * noise[:, : len(places)]
        saturated = arms.forward(prior.centre + prior.sd * z, model.lags[mine]).saturated
        scale = unit / np.maximum(saturated.mean(axis=2), 1e-30)
        signal = _rows(model, scale[:, :, None] * saturated, mine)[:, model.seen]
        white = marginal.whitener.apply(signal)
        solved, square, _ = marginal.solved(white, np.full(len(white), np.exp(theta[-1])))
        along = solved @ target
        # The likelihood is the exponential of a quadratic in the return.
        log_return = np.log(np.maximum(along / np.maximum(square, 1e-300), 1e-300))
        beyond = np.clip((log_return - alone.log_median) / alone.log_sd, -_FAR, _FAR)
        returned = np.exp(alone.log_median + alone.log_sd * beyond)
        value = along * returned - 0.5 * square * returned**2
        value -= 0.5 * (beyond**2 + (z**2).sum(axis=1))
        k = int(value.argmax())
        settled = value[k] < top + _SETTLED and spread < 0.2
        if value[k] > top:
            best, top, at = z[k], float(value[k]), float(np.log(returned[k]))
        if settled:
            break
    point = prior.centre + prior.sd * best
    found = {
        role: float(point[getattr(layout, role)[0]])
        for role in ("first", "second", "half", "shape")
        if getattr(layout, role)[0] >= 0
    }
    return top, {**found, "roi": at}


def _rows(model: MediaModel, values: Floats, arms: NDArray[np.int64]) -> Floats:
    """(K, rows of all geos) from some arms' (J, K, rows of one)."""
    out = np.zeros((values.shape[1], len(model.design.geos), values.shape[2]))
    for place, arm in enumerate(arms):
        out[:, model.geo[arm]] += values[place]
    return out.reshape(values.shape[1], -1)
