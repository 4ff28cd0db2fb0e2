"""Which families each channel has, and which channels interact, where the spec leaves it open.

Hill and geometric are where it begins and where it stays unless something else is clearly better by
Laplace's evidence (MacKay 2003, chapter 28).

1. *One by one*. The most promising families by a rough screen (``screened``) are fitted in full
   from its best point, and taken where the evidence rises by more than ``CLEAR``, one channel at a
   time; what is taken changes what the others have to explain, so the screen is made once more.
2. *All together*. Channels of a brand often carry over in one way, while the rows show it clearly
   for one or two of them only. So an adstock that was taken for some, or that promises much for all
   in sum, is fitted for every channel that is open. It is taken where it is clearly better than
   what it began with, and a mixture of families is not clearly better: by more than log 2 for
   every channel that would join (the mixture had to choose for each), ``CLEAR`` at most. The same
   for saturations decides nothing (forty simulated histories of ten kinds).

``screened``: with all other channels held where they are, the best log posterior of one channel
under another family is a search over that channel's few parameters: over the same points for every
family, first as wide as the prior and then closer around the best, with the log return in closed
form (the likelihood is quadratic in it).

``leave_one_out`` is the expected log predictive density of rows left out one at a time by
Pareto-smoothed importance sampling (Vehtari, Gelman and Gabry, Practical Bayesian model evaluation
using leave-one-out cross-validation and WAIC, 2017); the generalised Pareto fit is that of Zhang
and Stephens (A new and efficient estimation method for the generalized Pareto distribution, 2009),
with the weak prior on its shape that the authors of the former add.

``interacting``: every pair is added to the fitted model by the quadratic approximation of its log
posterior at the mode. With g the derivative by the pair's strength (in prior standard deviations)
there, c the strength's own curvature and b its mixed second derivatives with all that is fitted,
whose covariance is V, the evidence rises by ::

    g^2 / (2 k) - log(k) / 2,        k = 1 + c - b' V b

and the strength goes to g / k. All that is fitted is thereby free to move with it: what a bend of
either channel's own curve explains as well gains nothing. The most promising are fitted in full;
the best is taken where the evidence rises by more than ``CLEAR`` and the logarithm of the number of
pairs (one of them would look good by chance), and the search goes on from there. Weekly spend that
wanders by a third hardly ever tells an interaction from its channels' own curves; channels that go
on and off apart do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import FAMILIES, fittable
from shared.fit.media.kernels import ADSTOCK_FAMILIES
from shared.fit.media.priors import STRENGTH, SystematicError
from shared.fit.models.bayesian.laplace import Mode, find_mode, laplace_draws
from shared.fit.models.bayesian.layout import Choice, Layout, lay_out, prior_of
from shared.fit.models.bayesian.model import Arms, MediaModel

__all__ = [
    "CLEAR",
    "Chosen",
    "Open",
    "Pair",
    "Suspect",
    "WithPairs",
    "carried",
    "choose",
    "interacting",
    "leave_one_out",
    "pareto_fit",
    "suspects",
    "told",
    "told_pairs",
    "told_together",
]

Floats = NDArray[np.float64]

#: Gain of log evidence beyond which another family is taken: strong, by Kass and Raftery (1995).
CLEAR = 3.0
_PROMISING = 1.5  # gain by the screen, which is rough, that earns a full fit
_POLISHED = 5  # full fits a round
_TOGETHER = CLEAR  # gain by the screen, summed over channels, that earns a fit of all together
_LOO_DRAWS = 200
_UNRELIABLE = 0.7
#: A channel's place, and the saturation and adstock it would have.
_Key = tuple[int, str, str]

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
#: Places of two channels among the active ones, the lower first.
Pair = tuple[int, int]
_PROMISING_PAIR = 2.0  # gain by the screen, which is rough, that earns a full fit
_FITTED_PAIRS = 2  # full fits a round
_MOST = 3  # pairs taken
_TOLD = 5
_STEP = 1e-4  # of a numerical derivative, in prior standard deviations
_AT_ONCE = 32  # at once


@dataclass(frozen=True, slots=True)
class _Together:
    """One adstock for every open channel: its gain over what was chosen channel by channel."""

    adstock: str
    gained: float
    taken: bool


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The model and mode with the families chosen, and all that was tried."""

    model: MediaModel
    mode: Mode
    tried: tuple[_Tried, ...] = ()
    together: tuple[_Together, ...] = ()

    def then(self, later: Chosen) -> Chosen:
        """What was chosen from there on; what was tried in both."""
        tried = {(t.channel, t.saturation, t.adstock): t for t in (*self.tried, *later.tried)}
        return replace(
            later, tried=tuple(tried.values()), together=(*self.together, *later.together)
        )


def choose(
    under: Callable[[Choice], MediaModel],
    model: MediaModel,
    mode: Mode,
    free: Open,
    rng: np.random.Generator,
) -> Chosen:
    """Try other families from a fitted model on; ``under`` makes the model of a choice."""
    tried: dict[_Key, _Tried] = {}
    loo: _LeaveOneOut | None = None
    if not (any(free.saturations) or any(free.adstocks)):
        return Chosen(model, mode)
    begun = mode.log_evidence
    for _ in range(2):
        taken = False
        promising, starts = screened(model, mode.theta, free, rng)
        for found in promising:
            tried.setdefault((found.channel, found.saturation, found.adstock), found)
        best = [found for found in promising if found.screened > _PROMISING][:_POLISHED]
        for channel in dict.fromkeys(found.channel for found in best):
            base, rival = (model, mode), None
            for found in [f for f in best if f.channel == channel]:
                key = (channel, found.saturation, found.adstock)
                other = under(_with(base[0].layout.choice, found))
                centre = other.prior_moments()[0]
                start = carried(base[1].theta, base[0].layout, other.layout, centre)
                _place(other.layout, start, channel, starts[key])
                better = find_mode(other, start[None])
                gained = better.log_evidence - base[1].log_evidence
                tried[key] = replace(found, gained=gained)
                if gained <= CLEAR or not better.converged:
                    continue
                loo, of_other = loo or _loo(*base, rng), _loo(other, better, rng)
                tried[key] = replace(tried[key], loo=_difference(of_other, loo))
                if rival is None or better.log_evidence > rival[1].log_evidence:
                    rival = (other, better, of_other)
            if rival is not None:
                model, mode, loo = rival
                taken = True
        if not taken:
            break
    together: list[_Together] = []
    single, best_for_all = (model, mode), begun + CLEAR
    for adstock in _common(model.layout.choice, free, promising):
        other, better = _all_of(adstock, under, *single, free, starts)
        gained = better.log_evidence - single[1].log_evidence
        joined = _joined(single[0].layout.choice, other.layout.choice)
        yes = better.converged and better.log_evidence > best_for_all
        yes = yes and gained > -min(CLEAR, joined * float(np.log(2.0)))
        if yes:
            model, mode, best_for_all = other, better, better.log_evidence
            together = [replace(t, taken=False) for t in together]
        together.append(_Together(adstock, gained, yes))
    return Chosen(model, mode, tuple(tried.values()), tuple(together))


def _common(choice: Choice, free: Open, promising: Sequence[_Tried]) -> tuple[str, ...]:
    """Adstocks that might be every open channel's, and are not yet."""
    now = {a for a, yes in zip(choice.adstocks, free.adstocks, strict=True) if yes}
    if len(now) == 0 or sum(free.adstocks) < 2:
        return ()
    summed = dict.fromkeys(ADSTOCK_FAMILIES, 0.0)
    for found in promising:
        if found.saturation == choice.saturations[found.channel]:
            summed[found.adstock] += found.screened
    some = now - {"geometric"} if len(now) > 1 else set()
    return tuple(
        a for a in ADSTOCK_FAMILIES if a in some or (a not in now and summed[a] > _TOGETHER)
    )


def _joined(old: Choice, new: Choice) -> int:
    """How many channels change their adstock."""
    return sum(a != b for a, b in zip(old.adstocks, new.adstocks, strict=True))


def _all_of(
    adstock: str,
    under: Callable[[Choice], MediaModel],
    model: MediaModel,
    mode: Mode,
    free: Open,
    starts: Mapping[_Key, Mapping[str, float]],
) -> tuple[MediaModel, Mode]:
    """The model with one adstock for every open channel, fitted from where the screen puts it."""
    choice = model.layout.choice
    adstocks = tuple(
        adstock if yes else a for a, yes in zip(choice.adstocks, free.adstocks, strict=True)
    )
    other = under(Choice(choice.saturations, adstocks))
    start = carried(mode.theta, model.layout, other.layout, other.prior_moments()[0])
    for c, saturation in enumerate(choice.saturations):
        if adstocks[c] != choice.adstocks[c]:
            _place(other.layout, start, c, starts.get((c, saturation, adstock), {}))
    return other, find_mode(other, start[None])


def _loo(model: MediaModel, mode: Mode, rng: np.random.Generator) -> _LeaveOneOut:
    """From draws around the mode: near enough to compare families by."""
    draws = laplace_draws(mode, _LOO_DRAWS, rng)
    with np.errstate(all="ignore"):
        rows = model.log_likelihood_rows(draws, rng)
    return leave_one_out(rows[np.isfinite(rows).all(axis=1)])


def _difference(one: _LeaveOneOut, other: _LeaveOneOut) -> tuple[float, float]:
    by_row = one.rows - other.rows
    return float(by_row.sum()), float(by_row.std() * np.sqrt(by_row.size))


def _with(choice: Choice, found: _Tried) -> Choice:
    saturations, adstocks = list(choice.saturations), list(choice.adstocks)
    saturations[found.channel], adstocks[found.channel] = found.saturation, found.adstock
    return Choice(tuple(saturations), tuple(adstocks))


def _place(layout: Layout, theta: Floats, channel: int, values: Mapping[str, float]) -> None:
    for role, value in values.items():
        place = int(getattr(layout, role)[channel])
        if place >= 0:
            theta[place] = value


def carried(theta: Floats, old: Layout, new: Layout, start: Floats) -> Floats:
    """A point of one layout in another: what both have is kept, the rest is ``start``'s."""
    out: Floats = start.copy()
    for role in ("roi", "first", "second", "half", "shape", "error"):
        before, now = getattr(old, role), getattr(new, role)
        both = (before >= 0) & (now >= 0)
        if role in ("first", "second"):  # their meaning is the family's
            pairs = zip(old.choice.adstocks, new.choice.adstocks, strict=True)
            both &= np.array([a == b for a, b in pairs])
        out[now[both]] = theta[before[both]]
    for was, level in zip(old.levels, new.levels, strict=True):
        out[level.spread] = theta[was.spread]
        has = level.member >= 0
        out[level.member[has]] = theta[was.member[has]]
    both_have = min(old.pairs.size, new.pairs.size)  # interactions are added at the end
    out[new.pairs[:both_have]] = theta[old.pairs[:both_have]]
    out[new.sigma] = theta[old.sigma]
    return out


def told(chosen: Chosen, names: Sequence[str]) -> list[dict[str, Any]]:
    """What was tried, channel by channel, for the diagnostics."""
    choice = chosen.model.layout.choice
    return [
        {
            "channel": name,
            "saturation": choice.saturations[c],
            "adstock": choice.adstocks[c],
            "alternatives": [
                {
                    "saturation": t.saturation,
                    "adstock": t.adstock,
                    "evidence_gain": t.screened if t.gained is None else t.gained,
                    "fitted": t.gained is not None,
                    "loo_gain": None if t.loo is None else t.loo[0],
                    "loo_standard_error": None if t.loo is None else t.loo[1],
                }
                for t in chosen.tried
                if t.channel == c
            ],
        }
        for c, name in enumerate(names)
    ]


def told_together(chosen: Chosen) -> list[dict[str, Any]]:
    """The adstocks tried for every open channel at once, for the diagnostics."""
    return [
        {"adstock": t.adstock, "evidence_gain": t.gained, "taken": t.taken} for t in chosen.together
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _LeaveOneOut:
    """``rows`` (n,) log predictive densities, their sum, and the share of rows it rests on firmly.

    ``reliable`` is the share of rows whose importance weights have a Pareto shape of at most 0.7.
    """

    rows: Floats
    total: float
    reliable: float


def leave_one_out(log_likelihood: Floats) -> _LeaveOneOut:
    """From the log density of every row under every draw, shape (S, n), at least 25 draws."""
    draws = len(log_likelihood)
    tail = int(min(0.2 * draws, 3.0 * np.sqrt(draws)))
    log_weight = (-log_likelihood).astype(np.float64)
    log_weight -= log_weight.max(axis=0)
    order = np.argsort(log_weight, axis=0)[-tail - 1 :]
    largest = np.take_along_axis(log_weight, order, axis=0)
    cut = np.exp(largest[0])
    beyond = np.exp(largest[1:]) - cut
    shapes, scale = pareto_fit(np.maximum(beyond, 1e-300))
    varies = beyond[-1] > 1e-12  # else there is no tail to smooth
    k = np.where(np.abs(shapes) > 1e-8, shapes, 1e-8)
    at = ((np.arange(tail) + 0.5) / tail)[:, None]
    smooth = np.log(np.minimum(scale * np.expm1(-k * np.log1p(-at)) / k + cut, 1.0))
    np.put_along_axis(log_weight, order[1:], np.where(varies, smooth, largest[1:]), axis=0)
    rows = _log_sum(log_weight + log_likelihood) - _log_sum(log_weight)
    reliable = float(np.mean(~varies | (shapes <= _UNRELIABLE)))
    return _LeaveOneOut(rows, float(rows.sum()), reliable)


def pareto_fit(exceeding: Floats) -> tuple[Floats, Floats]:
    """Shapes and scales (...) of generalised Pareto distributions.

    Parameters
    ----------
    exceeding
        Positive values (n, ...), ascending along the first axis.
    """
    n = len(exceeding)
    grid = 30 + int(np.sqrt(n))
    quarter = exceeding[int(n / 4 + 0.5) - 1]
    b = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = np.multiply.outer(b, 1.0 / (3.0 * quarter)) + 1.0 / exceeding[-1]
    k = np.log1p(-b[:, None] * exceeding).mean(axis=1)
    profile = n * (np.log(-b / k) - k - 1.0)
    weight = np.exp(profile - profile.max(axis=0))
    mean = (b * weight).sum(axis=0) / weight.sum(axis=0)
    shape = np.log1p(-mean * exceeding).mean(axis=0)
    return (shape * n + 5.0) / (n + 10.0), -shape / mean


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=0)
    out: Floats = top + np.log(np.exp(values - top).sum(axis=0))
    return out


@dataclass(frozen=True, slots=True)
class Open:
    """Whether each channel's saturation and adstock are to be chosen, C of either."""

    saturations: tuple[bool, ...]
    adstocks: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
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
) -> tuple[list[_Tried], dict[_Key, dict[str, float]]]:
    """Alternatives of every open channel, the most promising first, and their best points."""
    model = model.quick()
    choice = model.layout.choice
    noise = rng.standard_normal((_POINTS // 2, 4))
    noise = np.concatenate([noise, -noise])  # antithetic: families then differ by less chance
    found: list[_Tried] = []
    starts: dict[_Key, dict[str, float]] = {}
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
            found.append(_Tried(c, saturation, adstock, value - base))
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
    around, sd = model.returns.seen_by_the_others(theta[None, model.layout.roi])
    alone = replace(
        model.returns,
        log_median=around[0, [channel]],
        log_sd=sd[[channel]],
        given=(True,),
        error=SystematicError.none(1),
        widened=(),
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


@dataclass(frozen=True, slots=True)
class Suspect:
    """A pair, its gain of log evidence and strength (in outcome sd) by the screen; by the fit."""

    pair: Pair
    screened: float
    strength: float
    gained: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WithPairs:
    """The model and mode with the pairs taken, in the order of its strengths; all told of."""

    model: MediaModel
    mode: Mode
    pairs: tuple[Pair, ...]
    tried: tuple[Suspect, ...]


def interacting(
    under: Callable[[tuple[Pair, ...]], MediaModel], model: MediaModel, mode: Mode
) -> WithPairs:
    """Look for interactions from a fitted model without any; ``under`` makes that of some pairs."""
    pairs: tuple[Pair, ...] = ()
    told: dict[Pair, Suspect] = {}
    while len(pairs) < _MOST:
        seen = [s for s in suspects(model, mode) if s.pair not in pairs]
        enough = CLEAR + float(np.log(max(len(seen), 1)))
        for suspect in seen[:_TOLD]:
            told.setdefault(suspect.pair, suspect)
        rival: tuple[MediaModel, Mode, Pair] | None = None
        for suspect in [s for s in seen if s.screened > _PROMISING_PAIR][:_FITTED_PAIRS]:
            other = under((*pairs, suspect.pair))
            start = carried(mode.theta, model.layout, other.layout, other.prior_moments()[0])
            start[other.layout.pairs[-1]] = suspect.strength / STRENGTH
            better = find_mode(other, start[None])
            gained = better.log_evidence - mode.log_evidence
            told[suspect.pair] = replace(suspect, gained=gained)
            best = mode.log_evidence + enough if rival is None else rival[1].log_evidence
            if better.converged and better.log_evidence > best:
                rival = (other, better, suspect.pair)
        if rival is None:
            break
        model, mode, pairs = rival[0], rival[1], (*pairs, rival[2])
    return WithPairs(model, mode, pairs, tuple(told.values()))


def suspects(model: MediaModel, mode: Mode) -> list[Suspect]:
    """Every pair of channels whose levels have a ceiling, the most promising first."""
    limited = [c for c, f in enumerate(model.layout.choice.saturations) if FAMILIES[f].bounded]
    pairs = list(combinations(limited, 2))
    if not pairs:
        return []
    first, second = np.array(pairs).T
    theta, sd = mode.theta, model.prior_moments()[1]
    steps = _STEP * np.diag(sd)
    around = np.concatenate([theta[None], theta + steps, theta - steps])
    pulls = np.concatenate(
        [_pulls(model, around[k : k + _AT_ONCE]) for k in range(0, len(around), _AT_ONCE)]
    )[:, first, second]
    pull, up, down = pulls[0], pulls[1 : 1 + theta.size], pulls[1 + theta.size :]
    mixed = -(up - down) / (2.0 * _STEP * sd[:, None])  # (size, pairs)
    level = _levels(model, theta[None])[:, 0]
    white = model.marginal.whitener.apply(level[first] * level[second])
    square = model.marginal.solved(white, np.full(len(pairs), np.exp(theta[-1])))[1]
    curvature = 1.0 + STRENGTH**2 * square
    # Never less than the prior's own: the quadratic approximation may be poor far from straight.
    left = np.maximum(curvature - ((mode.root.T @ mixed) ** 2).sum(axis=0), 1.0)
    gain = 0.5 * pull**2 / left - 0.5 * np.log(left)
    return [
        Suspect(pairs[k], float(gain[k]), float(STRENGTH * pull[k] / left[k]))
        for k in np.argsort(-gain, kind="stable")
    ]


def _levels(model: MediaModel, theta: Floats) -> Floats:
    """Saturation of each channel in the observed rows (C, K, n); campaigns are added up."""
    saturated = model.arms.forward(theta, model.lags).saturated
    rows = saturated.shape[2]
    out = np.zeros((model.channels, len(theta), model.seen.size))
    for place, (channel, geo) in enumerate(zip(model.arms.channel, model.geo, strict=True)):
        out[channel, :, geo * rows : (geo + 1) * rows] += saturated[place]
    return np.ascontiguousarray(out[:, :, model.seen])


def _pulls(model: MediaModel, theta: Floats) -> Floats:
    """Derivative (K, C, C) of the log likelihood by the strength of each two channels, at none."""
    marginal = model.marginal
    residual = marginal.residual(model.signal(theta)[:, model.design.observed])
    solved = marginal.solved(residual, np.exp(theta[:, -1]))[0]
    level = _levels(model, theta).transpose(1, 0, 2)  # (K, C, n)
    weighed = level * marginal.whitener.transposed(solved)[:, None, :]
    out: Floats = STRENGTH * np.matmul(weighed, level.transpose(0, 2, 1))
    return out


def told_pairs(found: WithPairs | None, names: Sequence[str]) -> list[dict[str, Any]] | None:
    """What was tried, for the diagnostics; None where nothing was looked for."""
    if found is None:
        return None
    return [
        {
            "channels": [names[c] for c in suspect.pair],
            "evidence_gain": suspect.screened if suspect.gained is None else suspect.gained,
            "fitted": suspect.gained is not None,
            "taken": suspect.pair in found.pairs,
        }
        for suspect in found.tried
    ]
