"""What the two regressions (ridge, time series) have in common: what they are asked, what they say.

Both have curves drawn by a search over carryover and saturation, a linear baseline, a coefficient
for each arm and for each interaction; all that is told of those is told alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.fit.design.design import Design
from shared.fit.design.leak import checked_design
from shared.fit.design.wishes import read_wishes
from shared.fit.drawn import Drawn, alike
from shared.fit.fitted import ChannelEvidence, Group, LogReturns
from shared.fit.interplay import Interplay, asked_pairs, told_strengths
from shared.fit.support import asked_of
from shared.history.table import History

__all__ = ["Regressed", "Task", "task_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A design, its active channels with their families, and the interactions to be fitted.

    ``total`` is the outcome of the training periods.
    """

    design: Design
    names: tuple[str, ...]
    saturations: tuple[str, ...]
    adstocks: tuple[str, ...]
    both: Interplay
    total: float


def task_of(
    history: History,
    spec: Mapping[str, Any],
    train: int | None,
    choice: Mapping[str, tuple[str, str]] | None,
    usual: tuple[str, str],
) -> Task:
    """Read a spec for the first ``train`` periods.

    Parameters
    ----------
    choice
        (saturation, adstock) by channel name, settled already.
    usual
        Those of channels for which none were asked.

    Raises
    ------
    InvalidInput
        Columns that leak, features and families that are not there, too little to fit.
    """
    asked = asked_of(spec, history.channels)
    design = checked_design(history, read_wishes(spec, history), train)
    names = tuple(history.channels[c] for c in design.active)
    families = [
        (choice or {}).get(n)
        or (asked.saturation_of(n) or usual[0], asked.adstock_of(n) or usual[1])
        for n in names
    ]
    return Task(
        design=design,
        names=names,
        saturations=tuple(saturation for saturation, _ in families),
        adstocks=tuple(adstock for _, adstock in families),
        both=asked_pairs(spec, asked, design, names),
        total=float(np.nanmean(history.outcome[: design.train])) * design.train,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Regressed:
    """S draws of a regression with A arms and Q interactions, B columns in all.

    Attributes
    ----------
    base
        (p,) mean coefficients of the baseline, in model units.
    media
        (B, R) mean of each column's part, in model units.
    strength
        (S, Q) of the interactions, in model units.
    """

    drawn: Drawn
    both: Interplay
    base: Floats
    media: Floats
    strength: Floats

    @property
    def design(self) -> Design:
        return self.drawn.design

    @property
    def choice(self) -> Mapping[str, tuple[str, str]]:
        pairs = zip(self.drawn.saturations, self.drawn.adstocks, strict=True)
        return dict(zip(self.drawn.names, pairs, strict=True))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return self.both.names

    def over_time(self) -> Mapping[str, Floats]:
        design = self.design
        out = design.baseline_by_group(self.base)
        for arm, values in zip(design.arms, self.media, strict=False):
            out[f"media:{arm.name}"] = design.total(values, centred=True)
        if self.both.arms:
            joint = self.media[len(design.arms) :].sum(axis=0)
            out["interactions"] = design.total(joint, centred=True)
        return out

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        return self.drawn.evidence()

    def groups(self) -> tuple[Group, ...]:
        return alike(self.design, self.media[: len(self.design.arms)], self.drawn.names)

    def responses(self) -> tuple[Response, ...]:
        return self.drawn.responses()

    def log_returns(self) -> LogReturns:
        return self.drawn.log_returns()

    def unspent(self, rng: np.random.Generator) -> Response:
        return self.drawn.unspent(rng)

    def interactions(self) -> tuple[Mapping[str, Any], ...]:
        return told_strengths(self.design, self.both.arms, self.strength)
