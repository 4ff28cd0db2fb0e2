"""Channels that work together or take from each other, looked for where no spec names them.

1. *Screen*. Every pair is added to the fitted model by the quadratic approximation of its log
   posterior at the mode. With g the derivative by the pair's strength (in prior standard
   deviations) there, c the strength's own curvature and b its mixed second derivatives with all
   that is fitted, whose covariance is V, Laplace's evidence (MacKay 2003, chapter 28) rises by ::

       g^2 / (2 k) - log(k) / 2,        k = 1 + c - b' V b

   and the strength goes to g / k. Returns, half-saturations, carryovers and the baseline are
   thereby free to move with the strength: what a bend of either channel's own curve explains as
   well, or what no row tells from the two channels alone, gains nothing.
2. *Fit*. The most promising are fitted in full. The best is taken where the evidence rises by more
   than ``CLEAR`` and the logarithm of the number of pairs (one of them would look good by chance),
   and the search goes on from there.

Weekly spend that wanders by a third hardly ever tells an interaction from its channels' own curves,
and a plan near what was spent then loses next to nothing without it (each channel's return is what
it is beside the others as they are); channels that go on and off apart do tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import FAMILIES
from shared.fit.media.priors import STRENGTH
from shared.fit.models.bayesian.families import CLEAR, carried
from shared.fit.models.bayesian.laplace import Mode, find_mode
from shared.fit.models.bayesian.model import MediaModel

__all__ = ["Pair", "Suspect", "WithPairs", "interacting", "suspects", "told_pairs"]

Floats = NDArray[np.float64]

#: Places of two channels among the active ones, the lower first.
Pair = tuple[int, int]
_PROMISING = 2.0  # gain by the screen, which is rough, that earns a full fit
_FITTED = 2  # full fits a round
_MOST = 3  # pairs taken
_TOLD = 5
_STEP = 1e-4  # of a numerical derivative, in prior standard deviations
_POINTS = 32  # at once


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
        for suspect in [s for s in seen if s.screened > _PROMISING][:_FITTED]:
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
        [_pulls(model, around[k : k + _POINTS]) for k in range(0, len(around), _POINTS)]
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
