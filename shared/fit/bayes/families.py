"""Which saturation and which adstock each channel has, where the spec leaves them open.

Hill and geometric are where it begins and where it stays unless something else is clearly better.

1. *One by one*. The most promising by a rough screen (``family_screen``) are fitted in full from
   its best point, and taken where Laplace's evidence (MacKay 2003, chapter 28) rises by more than
   ``CLEAR``, one channel at a time; what is taken changes what the others have to explain, so the
   screen is made once more.
2. *All together*. Channels of a brand often carry over in one way, while the rows show it clearly
   for one or two of them only. So an adstock that was taken for some, or that promises much for all
   in sum, is fitted for every channel that is open. It is taken where it is clearly better than
   what it began with, and a mixture of families is not clearly better: by more than log 2 for
   every channel that would join (the mixture had to choose for each), ``CLEAR`` at most.

The same for saturations decides nothing: on forty simulated histories of ten kinds exponential or
logarithmic curves for all moved the evidence by more than 3 on a few, either way, and the median
plan was as good with each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.carryover import ADSTOCK_FAMILIES
from shared.fit.bayes.family_screen import Key, Open, Tried, screened
from shared.fit.bayes.laplace import Mode, find_mode, laplace_draws
from shared.fit.bayes.layout import Choice, Layout
from shared.fit.bayes.loo import LeaveOneOut, leave_one_out
from shared.fit.bayes.model import MediaModel

__all__ = ["CLEAR", "Chosen", "Together", "carried", "choose", "told", "told_together"]

Floats = NDArray[np.float64]

#: Gain of log evidence beyond which another family is taken: strong, by Kass and Raftery (1995).
CLEAR = 3.0
_PROMISING = 1.5  # gain by the screen, which is rough, that earns a full fit
_POLISHED = 5  # full fits a round
_TOGETHER = CLEAR  # gain by the screen, summed over channels, that earns a fit of all together
_LOO_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Together:
    """One adstock for every open channel: its gain over what was chosen channel by channel."""

    adstock: str
    gained: float
    taken: bool


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The model and mode with the families chosen, and all that was tried."""

    model: MediaModel
    mode: Mode
    tried: tuple[Tried, ...] = ()
    together: tuple[Together, ...] = ()

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
    tried: dict[Key, Tried] = {}
    loo: LeaveOneOut | None = None
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
    together: list[Together] = []
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
        together.append(Together(adstock, gained, yes))
    return Chosen(model, mode, tuple(tried.values()), tuple(together))


def _common(choice: Choice, free: Open, promising: Sequence[Tried]) -> tuple[str, ...]:
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
    starts: Mapping[Key, Mapping[str, float]],
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


def _loo(model: MediaModel, mode: Mode, rng: np.random.Generator) -> LeaveOneOut:
    """From draws around the mode: near enough to compare families by."""
    draws = laplace_draws(mode, _LOO_DRAWS, rng)
    with np.errstate(all="ignore"):
        rows = model.log_likelihood_rows(draws, rng)
    return leave_one_out(rows[np.isfinite(rows).all(axis=1)])


def _difference(one: LeaveOneOut, other: LeaveOneOut) -> tuple[float, float]:
    by_row = one.rows - other.rows
    return float(by_row.sum()), float(by_row.std() * np.sqrt(by_row.size))


def _with(choice: Choice, found: Tried) -> Choice:
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
    for role in ("roi", "first", "second", "half", "shape"):
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
