"""Whether a fit may replace the curves in use, and why not, in plain sentences.

Refused is what is broken: too few rows to judge anything by, a search that did not settle, or no
effect of media to be seen at all. How well it forecasts periods that it had not seen (against a
seasonal naive forecast, none at all, and the curves in use), whether its intervals hold, and
returns that jumped without evidence are ``remarks``: on 104 histories of simulators by others fits
that were refused for their forecasts planned as well as those that were not (pooled gain 60 and
50 %), so that forecasts do not tell good plans from bad. Whether to move is asked of the plan's own
``probability_better`` and of ``trust``.

Whether curves stay where they were is seen against a fit without the last periods, and against
yesterday's. A return's move is measured in joint spreads: the difference of the log returns over
the root of the sum of their variances, both read off their 90 % intervals. Two fits of nearly the
same rows should differ by far less than one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.fit.fitted import ChannelEvidence, Fitted
from shared.fit.judge.validate import Fold, Rival, Scores, coverage, rows_since, score
from shared.frequency import frequency, word
from shared.history.enough import rows_needed, weekly_instead
from shared.history.table import History

__all__ = [
    "Judgement",
    "calibrated_range",
    "judge",
    "jumped",
    "moves_between",
    "returns_of",
    "stability",
    "stated",
]

Floats = NDArray[np.float64]
# Neighbouring errors are alike: a level that drifts is off for about six weeks (two months) at a
# time, so that so many rows count as one independent one.
_ALIKE = {"day": 42.0, "week": 6.0, "month": 2.0}
_SURE = 3.0  # standard deviations of a coverage beyond which it is not chance
# Share by which a typical error may exceed that of the curves in use: the noise of a refit.
_SLACK = 0.05
# Log Bayes factor of media against none; beyond 3 the evidence is "strong" (Kass and Raftery 1995).
_MEDIA = 3.0

_Z90 = 1.6448536
#: Joint spreads beyond which a return has jumped, where few rows came.
_FAR = 1.0
#: New rows, as a share of all, below which there is no evidence for a jump.
_FEW = 0.1

Return = tuple[float, tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict ("enough" or "not enough" data), the scores, and what the gate says.

    ``remarks`` are on forecasts and jumps, and refuse nothing.
    """

    data: str
    promote: bool
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    holdout: Scores | None
    rolling: Scores | None
    naive: Scores | None
    constant: Scores | None


def judge(
    fitted: Fitted,
    folds: Sequence[Fold],
    names: Sequence[str],
    groups: Sequence[Sequence[str]],
    *,
    rival: Rival | None = None,
    jumps: Sequence[str] = (),
) -> Judgement:
    """Apply the gate to a fit of all rows and to its folds.

    Parameters
    ----------
    rival
        How the curves in use did on the same rows; None where there are none (a first fit).
    jumps
        A sentence for each return that moved without evidence.
    """
    every = fitted.design.frequency
    unit = word(every)
    observed = int(fitted.design.observed.sum()) // len(fitted.design.geos)
    needed = rows_needed(every, len(names))
    if observed < needed or not folds:
        return Judgement(
            data="not enough",
            promote=False,
            reasons=_too_few(observed, max(needed, observed + 1), every, names, groups),
            remarks=(),
            holdout=None,
            rolling=None,
            naive=None,
            constant=None,
        )
    holdout = _scores(folds[-1:], "mean")
    rolling = _scores(folds, "mean")
    naive = _scores(folds, "naive")
    constant = _scores(folds, "constant")
    why: list[str] = []
    remarks: list[str] = []
    if not fitted.converged:
        why.append(_unsettled(fitted.diagnostics()["convergence"].get("least_settled"), groups))
    elif not all(fold.converged for fold in folds):
        remarks.append("A fit of earlier rows alone, by which it was checked, did not converge.")
    if rolling.rmse > naive.rmse:
        remarks.append(
            f"Its forecasts of the last {rolling.rows} {unit}s are worse than a seasonal "
            f"naive forecast: typical error {_amount(rolling.rmse)} against "
            f"{_amount(naive.rmse)}."
        )
    if rolling.rmse > constant.rmse:
        remarks.append(
            f"Its forecasts of the last {rolling.rows} {unit}s are worse than always "
            f"forecasting the mean: typical error {_amount(rolling.rmse)} against "
            f"{_amount(constant.rmse)}."
        )
    remarks.extend(_against_previous(rival, unit))
    remarks.extend(_uncalibrated(folds, rolling.rows, every))
    remarks.extend(jumps)
    gain = fitted.media_evidence
    if gain is not None and gain < _MEDIA:
        why.append(
            "The history does not show that any channel has an effect: leaving all of them out "
            f"explains the outcome about as well (log evidence {gain:+.1f} for media, "
            f"{_MEDIA:.0f} asked)."
        )
    checked = (
        f"It converged; the typical error of its forecasts over the last {rolling.rows} "
        f"{unit}s is {_amount(rolling.rmse)}, against {_amount(naive.rmse)} of a seasonal "
        f"naive forecast{_for_media(gain)}."
    )
    return Judgement(
        data="enough",
        promote=not why,
        reasons=tuple(why) or (checked, *remarks),
        remarks=tuple(remarks),
        holdout=holdout,
        rolling=rolling,
        naive=naive,
        constant=constant,
    )


def calibrated_range(level: float, rows: int, every: str) -> tuple[float, float]:
    """Coverages of a ``level`` interval that ``rows`` rows cannot tell from ``level``.

    >>> low, high = calibrated_range(0.9, 39, "week")
    >>> round(low, 2), high
    (0.55, 1.0)
    """
    alike = max(1.0, frequency(every).of(_ALIKE))
    chance = _SURE * float(np.sqrt(level * (1.0 - level) * alike / max(rows, 1)))
    return max(level - chance, 0.0), min(level + chance, 1.0)


def _against_previous(rival: Rival | None, unit: str) -> list[str]:
    if rival is None or rival.rmse(2) <= (1.0 + _SLACK) * rival.rmse(1):
        return []
    how = (
        f"the {rival.rows} {unit}s that came after them"
        if rival.unseen
        else f"the last {rival.rows} {unit}s"
    )
    return [
        (
            f"Its forecasts of {how} are worse than those of the curves in use: typical error "
            f"{_amount(rival.rmse(2))} against {_amount(rival.rmse(1))}."
        )
    ]


def _unsettled(channel: str | None, groups: Sequence[Sequence[str]]) -> str:
    """What did not converge, what is likely behind it, and what would help."""
    text = (
        "The fit did not converge: the search for its most probable curves, or the draws around "
        "them, did not settle."
    )
    if channel is None:
        return text
    others = sorted({name for group in groups if channel in group for name in group} - {channel})
    with_ = f", which cannot be told apart from {_and(others)}" if others else ""
    return (
        f"{text} Least settled is {channel}{with_}: a lift test of it, a return in spec.priors, or "
        "a family for its curve (channels[].saturation and adstock) leaves less open."
    )


def _uncalibrated(folds: Sequence[Fold], rows: int, every: str) -> list[str]:
    """A sentence where intervals hold too little, or half of the width holds far too much."""
    unit = word(every)
    held = coverage(folds)
    low, _ = calibrated_range(0.9, rows, every)
    if held["90"] < low:
        return [
            (
                f"Its 90 % intervals held the outcome in only {held['90']:.0%} of the last {rows} "
                f"{unit}s."
            )
        ]
    _, high = calibrated_range(0.5, rows, every)
    if held["50"] > high:
        return [
            (
                "Its intervals are far too wide: those of 50 % held the outcome in "
                f"{held['50']:.0%} of the last {rows} {unit}s."
            )
        ]
    return []


def _for_media(gain: float | None) -> str:
    return "" if gain is None else f"; log evidence {gain:+.1f} for an effect of media"


def _scores(folds: Sequence[Fold], which: str) -> Scores:
    actual = np.concatenate([fold.actual for fold in folds])
    predicted = np.concatenate([np.asarray(getattr(fold, which)) for fold in folds])
    covered: Floats | None = None
    if which == "mean":
        inside = [(fold.low <= fold.actual) & (fold.actual <= fold.high) for fold in folds]
        covered = np.concatenate(inside).astype(np.float64)
    return score(actual, predicted, covered)


def _too_few(
    observed: int,
    needed: int,
    every: str,
    names: Sequence[str],
    groups: Sequence[Sequence[str]],
) -> tuple[str, ...]:
    unit = word(every)
    few = (
        f"There are {observed} {unit}s with an outcome for {len(names)} channels: not enough "
        "to hold any back and check the fit, so the curves are mostly what was believed before."
    )
    missing = needed - observed
    plural = "s" if missing > 1 else ""
    more = f"About {missing} more {unit}{plural} would make a first check possible"
    if weeks := weekly_instead(every, observed):
        more += f", and so would {weeks}"
    out = [few, more + "."]
    out.extend(
        f"{_and(group)} rose and fell together and cannot be told apart: vary them separately, or "
        "count them as one channel."
        for group in groups
    )
    out.append(
        "A lift test or a known return of a channel (spec.priors) says more than a few more rows."
    )
    return tuple(out)


def _amount(value: float) -> str:
    """An amount as people write it: no powers of ten until there is no other way.

    >>> _amount(70321.4), _amount(0.51234)
    ('70,321', '0.5123')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@dataclass(frozen=True, slots=True)
class _Move:
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


def moves_between(before: Mapping[str, Return], now: Mapping[str, Return]) -> tuple[_Move, ...]:
    """How far the arms that both know moved."""
    out = []
    for name, (mean, interval) in now.items():
        if name not in before:
            continue
        was, around = before[name]
        out.append(_Move(name, was, mean, _spreads(around, interval)))
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


def _told(moves: Sequence[_Move]) -> dict[str, Any]:
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
    came = f"{new or 'no'} new {word(history.frequency)}{'' if new == 1 else 's'} came"
    return tuple(
        f"The return of {move.channel} jumped from {move.before:.3g} to {move.now:.3g}, "
        f"{abs(move.spreads):.1f} times the joint spread of both fits, while {came}: that is no "
        "evidence for such a move."
        for move in moves_between(stated(previous), now)
        if move.spreads is not None and abs(move.spreads) > _FAR
    )
