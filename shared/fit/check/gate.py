"""Whether a fit may replace the curves in use, and why not, in plain sentences.

A fit is promoted only if there were enough rows to judge it, it converged, its forecasts of periods
it had not seen are no worse than a seasonal naive forecast (and than no forecast at all), its
intervals are not hopeless, and the data prefer media with an effect to media without any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.check.validate import Fold, Scores, score
from shared.fit.fitted import Fitted

__all__ = ["Judgement", "judge", "rows_needed"]

Floats = NDArray[np.float64]
_LEAST = {"day": 90, "week": 39, "month": 24}
_COVERAGE = 0.5
# Log Bayes factor of media against none; beyond 3 the evidence is "strong" (Kass and Raftery 1995).
_MEDIA = 3.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict ("enough" or "not enough" data), the scores, and what the gate says."""

    data: str
    promote: bool
    reasons: tuple[str, ...]
    holdout: Scores | None
    rolling: Scores | None
    naive: Scores | None
    constant: Scores | None


def rows_needed(frequency: str, active_channels: int) -> int:
    """Observed rows under which a fit cannot be validated honestly: four a channel and a dozen."""
    return max(_LEAST[frequency], 4 * active_channels + 12)


def judge(
    fitted: Fitted,
    folds: Sequence[Fold],
    names: Sequence[str],
    groups: Sequence[Sequence[str]],
) -> Judgement:
    """Apply the gate to a fit of all rows and to its folds."""
    frequency = fitted.design.frequency
    observed = int(fitted.design.observed.sum()) // len(fitted.design.geos)
    needed = rows_needed(frequency, len(names))
    if observed < needed or not folds:
        return Judgement(
            data="not enough",
            promote=False,
            reasons=_too_few(observed, max(needed, observed + 1), frequency, names, groups),
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
    if not fitted.converged or not all(fold.converged for fold in folds):
        why.append(
            "The fit did not converge: the search for its most probable curves, or the draws "
            "around them, did not settle."
        )
    if rolling.rmse > naive.rmse:
        why.append(
            f"Its forecasts of the last {rolling.rows} {frequency}s are worse than a seasonal "
            f"naive forecast: typical error {_amount(rolling.rmse)} against "
            f"{_amount(naive.rmse)}."
        )
    if rolling.rmse > constant.rmse:
        why.append(
            f"Its forecasts of the last {rolling.rows} {frequency}s are worse than always "
            f"forecasting the mean: typical error {_amount(rolling.rmse)} against "
            f"{_amount(constant.rmse)}."
        )
    if rolling.coverage is not None and rolling.coverage < _COVERAGE:
        why.append(
            f"Its 90 % intervals held the outcome in only {rolling.coverage:.0%} of the last "
            f"{rolling.rows} {frequency}s."
        )
    gain = fitted.media_evidence
    if gain is not None and gain < _MEDIA:
        why.append(
            "The history does not show that any channel has an effect: leaving all of them out "
            f"explains the outcome about as well (log evidence {gain:+.1f} for media, "
            f"{_MEDIA:.0f} asked)."
        )
    checked = (
        f"It converged; the typical error of its forecasts over the last {rolling.rows} "
        f"{frequency}s is {_amount(rolling.rmse)}, against {_amount(naive.rmse)} of a seasonal "
        f"naive forecast{_for_media(gain)}."
    )
    return Judgement(
        data="enough",
        promote=not why,
        reasons=tuple(why) or (checked,),
        holdout=holdout,
        rolling=rolling,
        naive=naive,
        constant=constant,
    )


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
    frequency: str,
    names: Sequence[str],
    groups: Sequence[Sequence[str]],
) -> tuple[str, ...]:
    few = (
        f"There are {observed} {frequency}s with an outcome for {len(names)} channels: not enough "
        "to hold any back and check the fit, so the curves are mostly what was believed before."
    )
    missing = needed - observed
    plural = "s" if missing > 1 else ""
    more = f"About {missing} more {frequency}{plural} would make a first check possible"
    if frequency == "month":
        more += f", and so would the same period week by week ({round(observed * 4.35)} rows)"
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
    return ", ".join(names[:-1]) + f" and {names[-1]}"
