"""The fit in numbers: what lands in a curve set's ``baseline`` and ``diagnostics``, JSON-ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.fit.bayes.posterior import Posterior
from shared.fit.check.gate import Judgement
from shared.fit.check.validate import Fold, forecast, score
from shared.fit.check.verdicts import ChannelEvidence
from shared.history.table import History

__all__ = ["baseline_of", "diagnose"]

Floats = NDArray[np.float64]


def _decompose(posterior: Posterior, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Mean total over the training rows of each baseline group and each arm, by name."""
    design = posterior.design
    rng = np.random.default_rng([seed, 3])
    gamma = posterior.model.linear_draws(posterior.draws, rng)[0].mean(axis=0)
    inside = design.training
    columns = design.baseline[inside] * gamma * design.row_scale[inside, None]
    groups: dict[str, float] = {}
    for group, total in zip(design.baseline_groups, columns.sum(axis=0), strict=True):
        groups[group] = groups.get(group, 0.0) + float(total)
    groups["intercept"] += float(design.outcome_centre.sum()) * design.train
    if posterior.model.pairs:
        both = posterior.model.interplay(posterior.draws)[:, :, inside].mean(axis=1)
        groups["interactions"] = float((both * design.row_scale[inside]).sum())
    roi = posterior.model.unpack(posterior.draws).roi.mean(axis=0)
    media = roi * design.mean_spend * design.train
    return groups, {arm.name: float(m) for arm, m in zip(design.arms, media, strict=True)}


def baseline_of(posterior: Posterior, seed: int) -> dict[str, Any]:
    """Outcome per period without any media, and the share of the outcome that it is."""
    groups, media = _decompose(posterior, seed)
    rows = posterior.design.train
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
    posterior: Posterior,
    folds: Sequence[Fold],
    judgement: Judgement,
    evidence: Sequence[ChannelEvidence],
    groups: Sequence[tuple[tuple[str, ...], float]],
    previous: CurveSet | None,
    seed: int,
) -> dict[str, Any]:
    """Everything a reader needs to trust the curves or not."""
    design, mode = posterior.design, posterior.mode
    names = [arm.name for arm in design.arms]
    mean, low, high = forecast(posterior, np.random.default_rng([seed, 4]))
    seen = np.zeros(design.periods, dtype=bool)
    seen[: design.train] = np.isfinite(history.outcome[: design.train])
    actual = history.outcome[seen]
    inside = (low[seen] <= actual) & (actual <= high[seen])
    by_group, by_channel = _decompose(posterior, seed)
    light = np.flatnonzero(posterior.noise.weights < 0.3)
    rows = np.flatnonzero(design.observed)[light] % design.periods
    dates = [history.dates[t].isoformat() for t in np.unique(rows)]
    return {
        "data": judgement.data,
        "promote": judgement.promote,
        "reasons": list(judgement.reasons),
        "rows": {"periods": len(history.dates), "with_outcome": int(seen.sum())},
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
                **score(
                    fold.actual,
                    fold.mean,
                    ((fold.low <= fold.actual) & (fold.actual <= fold.high)).astype(np.float64),
                ).to_dict(),
            }
            for fold in folds
        ],
        "convergence": {
            "converged": posterior.converged,
            "newton_decrement": mode.decrement if np.isfinite(mode.decrement) else None,
            "starts": mode.starts,
            "starts_agreeing": mode.agreeing,
            "draws": len(posterior.draws),
            "acceptance": posterior.sample.acceptance,
            "drift": posterior.sample.drift,
        },
        "model": {
            "kind": "bayesian",
            "method": "laplace_hmc",
            "saturation": posterior.family,
            "adstock": posterior.carryover,
            "lags": int(design.lags.shape[2]),
            "log_evidence": dict(posterior.evidence),
            "baseline_columns": list(design.baseline_names),
        },
        "noise": {
            "distribution": "student_t",
            "degrees_of_freedom": posterior.noise.degrees,
            "correlation": posterior.noise.correlation,
            "scale": float(np.median(np.exp(posterior.draws[:, -1])))
            * float(design.outcome_scale.mean()),
            "outliers": dates,
        },
        "priors": {"basis": posterior.prior.basis, "why": posterior.prior.why},
        "channels": [
            {
                "channel": name,
                "verdict": item.verdict,
                "contraction": item.contraction,
                "prior_given": posterior.prior.given[arm.channel],
                "prior_roi": list(item.prior_roi),
                "posterior_roi": [item.roi_interval[0], item.roi_mean, item.roi_interval[1]],
                "saturation": item.saturation,
                "adstock": {"family": item.adstock}
                | {key: list(values) for key, values in item.carryover.items()},
                "half_saturation": list(item.half_saturation),
                "shape": None if item.shape is None else list(item.shape),
            }
            for name, arm, item in zip(names, design.arms, evidence, strict=True)
        ],
        "collinear": [
            {"channels": list(members), "correlation": strength} for members, strength in groups
        ],
        "decomposition": {
            "outcome": float(np.sum(actual)),
            "baseline": by_group,
            "media": by_channel,
        },
        "change_since_previous": _moves(names, evidence, previous),
        "findings": [
            {"code": finding.code, "message": finding.message} for finding in history.findings
        ],
        "warnings": _warnings(history, posterior, evidence, groups, names, dates),
    }


def _moves(
    names: Sequence[str], evidence: Sequence[ChannelEvidence], previous: CurveSet | None
) -> dict[str, float] | None:
    """Return now over return in the curves in use, by channel."""
    if previous is None:
        return None
    before = {c.channel: c.roi.mean for c in previous.channels if c.roi is not None}
    return {
        name: item.roi_mean / before[name]
        for name, item in zip(names, evidence, strict=True)
        if before.get(name, 0.0) > 0
    }


def _warnings(
    history: History,
    posterior: Posterior,
    evidence: Sequence[ChannelEvidence],
    groups: Sequence[tuple[tuple[str, ...], float]],
    names: Sequence[str],
    outliers: Sequence[str],
) -> list[dict[str, str]]:
    out: list[dict[str, str]] = []

    def warn(code: str, message: str) -> None:
        out.append({"code": code, "message": message})

    if posterior.prior.basis != "money":
        warn("prior_by_share", posterior.prior.why)
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
    unspent = [n for i, n in enumerate(history.channels) if i not in posterior.design.active]
    if unspent:
        warn("unspent_channel", f"No spend in the history: {', '.join(unspent)}.")
    spend = history.spend[:, posterior.design.active]
    spent = [history.channels[c] for c in posterior.design.active]
    level = [n for n, s in zip(spent, spend.T, strict=True) if np.ptp(s) <= 1e-6 * s.max()]
    if level:
        warn(
            "constant_spend",
            f"Spend never varied: {', '.join(level)}. No history of that kind can show an effect.",
        )
    if outliers:
        warn(
            "outliers",
            f"{len(outliers)} periods lie far outside and count for little: "
            f"{', '.join(outliers[:6])}{' ...' if len(outliers) > 6 else ''}.",
        )
    return out
