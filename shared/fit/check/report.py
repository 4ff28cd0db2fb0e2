"""The fit in numbers: what lands in a curve set's ``baseline`` and ``diagnostics``, JSON-ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import ChannelCurve, CurveSet
from shared.fit.check.gate import Judgement
from shared.fit.check.validate import Fold, score
from shared.fit.fitted import ChannelEvidence, Fitted, Group
from shared.history.table import History

__all__ = ["baseline_of", "diagnose"]

Floats = NDArray[np.float64]


_MEDIA = "media:"


def _decompose(fitted: Fitted) -> tuple[dict[str, float], dict[str, float]]:
    """Mean total over the training periods of each part of the baseline and of each arm."""
    totals = {
        name: float(values[: fitted.design.train].sum())
        for name, values in fitted.over_time().items()
    }
    media = {k.removeprefix(_MEDIA): v for k, v in totals.items() if k.startswith(_MEDIA)}
    return {k: v for k, v in totals.items() if not k.startswith(_MEDIA)}, media


def baseline_of(fitted: Fitted) -> dict[str, Any]:
    """Outcome per period without any media, and the share of the outcome that it is."""
    groups, media = _decompose(fitted)
    rows = fitted.design.train
    total = sum(groups.values())
    whole = total + sum(media.values())
    return {
        "mean": total / rows,
        "intercept": groups["intercept"] / rows,
        "share": total / whole if whole > 0 else None,
        "totals": groups,
    }


def diagnose(
    history: History,
    fitted: Fitted,
    folds: Sequence[Fold],
    judgement: Judgement,
    evidence: Sequence[ChannelEvidence],
    groups: Sequence[Group],
    curves: Sequence[ChannelCurve],
    previous: CurveSet | None,
    seed: int,
) -> dict[str, Any]:
    """Everything a reader needs to trust the curves or not, but for what other modules tell."""
    design, own = fitted.design, fitted.diagnostics()
    names = [arm.name for arm in design.arms]
    forecast = fitted.forecast(np.random.default_rng([seed, 4]))
    mean, (low, high) = forecast.mean, forecast.interval(0.9)
    seen = np.zeros(design.periods, dtype=bool)
    seen[: design.train] = np.isfinite(history.outcome[: design.train])
    actual = history.outcome[seen]
    inside = (low[seen] <= actual) & (actual <= high[seen])
    by_group, by_channel = _decompose(fitted)
    dates = [history.dates[t].isoformat() for t in own["noise"]["outliers"]]
    return {
        "data": judgement.data,
        "promote": judgement.promote,
        "reasons": list(judgement.reasons),
        "rows": {
            "periods": len(history.dates),
            "with_outcome": int(seen.sum()),
            "first": history.dates[0].isoformat(),
            "last": history.dates[int(np.flatnonzero(seen)[-1])].isoformat(),
        },
        "fit": score(actual, mean[seen], inside.astype(np.float64)).to_dict(),
        "holdout": None if judgement.holdout is None else judgement.holdout.to_dict(),
        "rolling_origin": None if judgement.rolling is None else judgement.rolling.to_dict(),
        "naive": None if judgement.naive is None else judgement.naive.to_dict(),
        "constant": None if judgement.constant is None else judgement.constant.to_dict(),
        "folds": [
            {
                "first": history.dates[fold.start].isoformat(),
                "last": history.dates[fold.stop - 1].isoformat(),
                "converged": fold.converged,
                "unforeseen": [history.dates[t].isoformat() for t in fold.unforeseen],
                **score(
                    fold.actual,
                    fold.mean,
                    ((fold.low <= fold.actual) & (fold.actual <= fold.high)).astype(np.float64),
                ).to_dict(),
            }
            for fold in folds
        ],
        **own,
        "noise": {**own["noise"], "outliers": dates},
        "channels": [
            {
                "channel": name,
                "verdict": item.verdict,
                "contraction": item.contraction,
                "prior_given": item.prior_given,
                "prior_roi": _listed(item.prior_roi),
                "posterior_roi": _around(item.roi_mean, item.roi_interval),
                "saturation": item.saturation,
                "adstock": {"family": item.adstock}
                | {key: list(values) for key, values in item.carryover.items()},
                "half_saturation": _listed(item.half_saturation),
                "shape": _listed(item.shape),
            }
            for name, item in zip(names, evidence, strict=True)
        ],
        "collinear": [
            {"channels": list(members), "correlation": strength} for members, strength in groups
        ],
        "decomposition": {
            "outcome": float(np.sum(actual)),
            "baseline": by_group,
            "media": by_channel,
        },
        "change_since_previous": _moves(curves, previous),
        "over_time": over_time(history, fitted, mean, low, high),
        "findings": [
            {"code": finding.code, "message": finding.message} for finding in history.findings
        ],
        "warnings": _warnings(history, fitted, evidence, groups, names, dates),
    }


def _listed(values: tuple[float, ...] | None) -> list[float] | None:
    return None if values is None else list(values)


def _around(mean: float, interval: tuple[float, float] | None) -> list[float | None]:
    low, high = (None, None) if interval is None else interval
    return [low, mean, high]


def over_time(
    history: History, fitted: Fitted, mean: Floats, low: Floats, high: Floats
) -> dict[str, Any]:
    """What happened beside what the fit says, period by period, and what that is made of."""
    actual = [value if np.isfinite(value) else None for value in history.outcome.tolist()]
    return {
        "dates": [day.isoformat() for day in history.dates],
        "actual": actual,
        "fitted": _short(mean),
        "low": _short(low),
        "high": _short(high),
        "parts": {name: _short(values) for name, values in fitted.over_time().items()},
    }


def _short(values: Floats) -> list[float]:
    """Six digits: what a chart can show, at a third of the size."""
    return [float(f"{value:.6g}") for value in np.asarray(values).tolist()]


def _moves(curves: Sequence[ChannelCurve], previous: CurveSet | None) -> dict[str, float] | None:
    """Return now over return in the curves in use, by channel."""
    if previous is None:
        return None
    before = {c.channel: c.roi.mean for c in previous.channels if c.roi is not None}
    return {
        curve.channel: curve.roi.mean / before[curve.channel]
        for curve in curves
        if curve.roi is not None and before.get(curve.channel, 0.0) > 0
    }


def _warnings(
    history: History,
    fitted: Fitted,
    evidence: Sequence[ChannelEvidence],
    groups: Sequence[Group],
    names: Sequence[str],
    outliers: Sequence[str],
) -> list[dict[str, str]]:
    out = [
        {"code": f.code, "message": f.message, "settled_by": f.settled_by}
        for f in history.findings
        if f.settled_by is not None
    ]

    def warn(code: str, message: str) -> None:
        out.append({"code": code, "message": message})

    priors = fitted.diagnostics()["priors"]
    if priors.get("basis") == "share":
        warn("prior_by_share", priors["why"])
    for members, strength in groups:
        warn(
            "collinear_channels",
            f"{', '.join(members)} cannot be told apart (correlation {strength:.2f}).",
        )
    told = [n for n, item in zip(names, evidence, strict=True) if item.verdict == "prior"]
    if told:
        warn(
            "prior_only",
            f"The history says next to nothing about {', '.join(told)}: their curves are what was "
            "believed before.",
        )
    unspent = [n for i, n in enumerate(history.channels) if i not in fitted.design.active]
    if unspent:
        warn("unspent_channel", f"No spend in the history: {', '.join(unspent)}.")
    spend = history.spend[:, fitted.design.active]
    spent = [history.channels[c] for c in fitted.design.active]
    level = [n for n, s in zip(spent, spend.T, strict=True) if np.ptp(s) <= 1e-6 * s.max()]
    if level:
        warn(
            "constant_spend",
            f"Spend never varied: {', '.join(level)}. No history of that kind can show an effect.",
        )
    left = fitted.diagnostics()["model"].get("not_used")
    if left:
        warn("not_used", f"Asked for and not in this kind of model: {'; '.join(left)}.")
    if outliers:
        warn(
            "outliers",
            f"{len(outliers)} periods lie far outside and count for little: "
            f"{', '.join(outliers[:6])}{' ...' if len(outliers) > 6 else ''}.",
        )
    return out
