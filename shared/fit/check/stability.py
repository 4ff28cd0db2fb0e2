"""Do curves stay where they were? Against a fit without the last periods, and against yesterday's.

A return's move is measured in joint spreads: the difference of the log returns over the root of the
sum of their variances, both read off their 90 % intervals. Two fits of nearly the same rows should
differ by far less than one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.curves.curveset import CurveSet
from shared.fit.check.rivals import rows_since
from shared.fit.check.validate import Fold
from shared.fit.fitted import ChannelEvidence
from shared.history.table import History

__all__ = ["Move", "jumped", "moves_between", "returns_of", "stability", "stated"]

_Z90 = 1.6448536
#: Joint spreads beyond which a return has jumped, where few rows came.
_FAR = 1.0
#: New rows, as a share of all, below which there is no evidence for a jump.
_FEW = 0.1

Return = tuple[float, tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class Move:
    """One arm's return before and now; ``spreads`` is None where either has no interval."""

    channel: str
    before: float
    now: float
    spreads: float | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "roi_before": self.before,
            "roi_now": self.now,
            "ratio": self.now / self.before if self.before > 0 else None,
            "spreads": self.spreads,
        }


def returns_of(names: Sequence[str], evidence: Sequence[ChannelEvidence]) -> dict[str, Return]:
    """Mean and 90 % interval of the return of each arm, as the model has it."""
    return {
        name: (item.roi_mean, item.roi_interval) for name, item in zip(names, evidence, strict=True)
    }


def moves_between(before: Mapping[str, Return], now: Mapping[str, Return]) -> tuple[Move, ...]:
    """How far the arms that both know moved."""
    out = []
    for name, (mean, interval) in now.items():
        if name not in before:
            continue
        was, around = before[name]
        out.append(Move(name, was, mean, _spreads(around, interval)))
    return tuple(out)


def _spreads(one: tuple[float, float] | None, two: tuple[float, float] | None) -> float | None:
    if one is None or two is None or min(one[0], two[0]) <= 0:
        return None
    (a, b), (c, d) = np.log(one), np.log(two)
    joint = float(np.hypot((b - a), (d - c))) / (2.0 * _Z90)
    return float(((c + d) - (a + b)) / 2.0 / joint) if joint > 0 else None


def stability(
    folds: Sequence[Fold], now: Mapping[str, Return], previous: CurveSet | None, rows: int
) -> dict[str, Any]:
    """``diagnostics.stability``: against the last fold's fit, and against the curves in use."""
    last = folds[-1].fitted if folds else None
    back = None
    if last is not None:
        names = [arm.name for arm in last.design.arms]
        back = _told(moves_between(returns_of(names, last.evidence()), now))
        back["periods_held_back"] = rows - folds[-1].start
    before = None if previous is None else _told(moves_between(stated(previous), now))
    return {"without_the_last_periods": back, "previous": before}


def _told(moves: Sequence[Move]) -> dict[str, Any]:
    known = [abs(move.spreads) for move in moves if move.spreads is not None]
    return {
        "largest": max(known, default=None),
        "channels": [move.to_dict() for move in moves],
    }


def stated(previous: CurveSet) -> dict[str, Return]:
    """The returns of stored curves, as their model had them where that is recorded."""
    out: dict[str, Return] = {
        channel.channel: (channel.roi.mean, channel.roi.interval)
        for channel in previous.channels
        if channel.roi is not None
    }
    for entry in previous.diagnostics.get("channels") or ():
        around = entry.get("posterior_roi") if isinstance(entry, Mapping) else None
        if around and len(around) == 3 and entry.get("channel") in out:
            low, mean, high = around
            if low is not None and mean is not None and high is not None:
                out[entry["channel"]] = (float(mean), (float(low), float(high)))
    return out


def jumped(
    history: History,
    spec: Mapping[str, Any],
    now: Mapping[str, Return],
    previous: CurveSet | None,
) -> tuple[str, ...]:
    """A sentence for each channel whose return moved without evidence.

    Evidence for a move is new rows (a tenth of all, at least four) or another spec: new priors,
    lift tests, roles or families are reasons of their own.
    """
    if previous is None or dict(previous.spec) != dict(spec):
        return ()
    new = rows_since(history, previous)
    rows = int(np.isfinite(history.outcome).sum())
    if new is None or new >= max(4, _FEW * rows):
        return ()
    came = f"{new or 'no'} new {history.frequency}{'' if new == 1 else 's'} came"
    return tuple(
        f"The return of {move.channel} jumped from {move.before:.3g} to {move.now:.3g}, "
        f"{abs(move.spreads):.1f} times the joint spread of both fits, while {came}: that is no "
        "evidence for such a move."
        for move in moves_between(stated(previous), now)
        if move.spreads is not None and abs(move.spreads) > _FAR
    )
