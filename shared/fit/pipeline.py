"""history -> fit -> diagnostics -> curve set with draws: the whole of a fit, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.curves.curveset import ChannelCurve, CurveSet, Response
from shared.errors import InvalidInput
from shared.fit.design.design import arm_name, observed_spend
from shared.fit.fitted import ChannelEvidence, Fitted
from shared.fit.judge.calibration import (
    Calibration,
    calibrate,
    calibrated,
    error_ratio,
    told,
)
from shared.fit.judge.gate import judge, jumped, returns_of, stability
from shared.fit.judge.report import Advise, backtest, baseline_of, diagnose, read_back
from shared.fit.judge.validate import blocked, cross_validation, rival_of, validate
from shared.fit.media.asked import settled
from shared.fit.models.registry import fit_window
from shared.history.enough import rows_needed
from shared.history.report import data_report
from shared.history.table import History

__all__ = ["FEWEST_ROWS", "FitResult", "fit_history"]

#: Observed periods below which not even a fit that leans on its priors is made.
FEWEST_ROWS = 8


@dataclass(frozen=True, slots=True)
class FitResult:
    """A curve set without version, and whether it may become the current one.

    ``reasons`` are plain sentences: why it is not promoted, or what was checked.
    """

    curve_set: CurveSet
    promote: bool
    reasons: tuple[str, ...]


def fit_history(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int = 0,
    previous: CurveSet | None = None,
    draws: int = 200,
    progress: Callable[[str, float], None] | None = None,
    advise: Advise | None = None,
    challengers: bool = False,
) -> FitResult:
    """Fit response curves to a history and judge them.

    Parameters
    ----------
    history
        Channel-level, one row a period.
    spec
        API.md's roles and model; read here: ``priors``, ``holidays_country``, ``model``.
    seed
        The same history, spec and seed give the same curve set.
    previous
        The curves in use; how far each return moved from them is reported.
    draws
        Joint posterior draws to keep, at least 20.
    progress
        Called with a stage ("fit", "validate", "challenge", "judge") and the share done.
    advise
        Finds the best plan over curves, for the backtest of last quarter's recommendation; None
        leaves that out.
    challengers
        Whether free-form forecasters run beside the model where ``spec["challengers"]`` does not
        say.

    Raises
    ------
    InvalidInput
        Too few rows to fit at all, no spend, a constant outcome, impossible priors.
    NotSupportedYet
        For parts of the spec that are not built, by pointer.
    """
    if draws < 20:
        raise InvalidInput.at("/draws", "too_few_draws", "At least 20 draws are needed.")
    observed = int(np.isfinite(history.outcome).sum())
    if observed < FEWEST_ROWS:
        raise InvalidInput.at(
            "/rows",
            "too_few_rows",
            f"{observed} {history.frequency}s with an outcome are too few to fit anything; at "
            f"least {FEWEST_ROWS} are needed.",
        )
    tell = progress or _silent
    spent = int((history.spend.sum(axis=0) > 0).sum())
    tell("fit", 0.0)
    fitted = fit_window(history, spec, seed=seed, draws=draws, previous=previous)
    tell("validate", 0.4)
    # A fold's training window may be a fifth shorter than what the gate asks of the whole.
    least = int(0.6 * rows_needed(history.frequency, spent))
    known = settled(spec, fitted.pairs)
    folds = validate(history, known, seed=seed, choice=fitted.choice, least=least)
    tell("validate", 0.65)
    blocks = blocked(history, known, seed=seed, choice=fitted.choice, least=least) if folds else ()
    tell("challenge", 0.8)
    asked = spec.get("challengers")
    rivals = None
    if challengers if asked is None else asked:
        # Imported where used: few fits pay for it.
        from shared.fit.judge.rivals import challenge

        rivals = challenge(history, folds, seed)
    tell("judge", 0.9)
    names = tuple(history.channels[c] for c in fitted.design.active)
    groups, evidence = fitted.groups(), fitted.evidence()
    arms = [arm.name for arm in fitted.design.arms]
    as_fitted = dict(zip(arms, fitted.responses(), strict=True))
    rival = rival_of(history, folds, previous, as_fitted)
    returns = returns_of(arms, evidence)
    judgement = judge(
        fitted,
        folds,
        names,
        [group for group, _ in groups],
        rival=rival,
        jumps=jumped(history, spec, returns, previous),
    )
    if judgement.data != "enough":
        # Nothing could be checked, so no channel's curve is called good, however sure it looks.
        evidence = tuple(
            replace(item, verdict="weak") if item.verdict == "good" else item for item in evidence
        )
    ratio = error_ratio((*folds, *blocks))
    tests = _tested(fitted, names)
    drawn = fitted.log_returns()
    moved = None
    if drawn is not None:
        experiment = [(arm.channel, arm.campaign) in tests for arm in fitted.design.arms]
        moved = calibrate(drawn, ratio, experiment)
    channels = _curves(
        history, fitted, as_fitted, evidence, moved, np.random.default_rng([seed, 2])
    )
    now = {channel.channel: channel.response for channel in channels}
    diagnostics = diagnose(
        history, fitted, folds, judgement, evidence, groups, channels, previous, seed
    )
    read, odd = read_back(history, spec, fitted)
    diagnostics["warnings"] += [{"code": item.code, "message": item.message} for item in odd]
    diagnostics |= {
        "data_report": data_report(history, spec),
        "cross_validation": cross_validation(folds, blocks, rival),
        "backtest": backtest(history, folds, now, advise),
        "stability": stability(folds, returns, previous, len(history.dates)),
        "calibration": told(arms, moved, ratio, tests.values()),
        "lift_tests": read,
        "challengers": rivals,
    }
    curve_set = CurveSet(
        dataset="",
        version="",
        created_at="",
        spec=dict(spec),
        frequency=history.frequency,
        currency=history.currency,
        outcome=history.outcome_name,
        channels=channels,
        interactions=fitted.interactions(),
        baseline=baseline_of(fitted),
        diagnostics=diagnostics,
    )
    tell("judge", 1.0)
    return FitResult(curve_set=curve_set, promote=judgement.promote, reasons=judgement.reasons)


def _tested(fitted: Fitted, names: Sequence[str]) -> dict[tuple[int, str], str]:
    """(channel, campaign) that a lift test was run on, in whatever geo, and what each is called."""
    arms = [fitted.design.arms[a] for lift, _ in fitted.lifted() for a in lift.tested.tolist()]
    return {
        (arm.channel, arm.campaign): f"{names[arm.channel]}/{arm.campaign}"
        if arm.campaign
        else names[arm.channel]
        for arm in arms
    }


def _curves(
    history: History,
    fitted: Fitted,
    responses: Mapping[str, Response],
    evidence: Sequence[ChannelEvidence],
    moved: Calibration | None,
    rng: np.random.Generator,
) -> tuple[ChannelCurve, ...]:
    """One curve per arm with spend, and one from the prior per arm without, in their order."""
    panel = history.panel()
    names = [arm.name for arm in fitted.design.arms]
    places = {name: arm for arm, name in enumerate(names)}
    out: list[ChannelCurve] = []
    for geo in range(len(panel.geos)):
        for place in range(len(panel.arms)):
            name = arm_name(panel, geo, place)
            arm = places.get(name)
            spend = observed_spend(history, panel.spend[geo, :, place])
            if arm is None:
                prior = fitted.unspent(rng)
                out.append(ChannelCurve(name, prior, spend, roi=None, verdict="unspent"))
                continue
            seen = evidence[arm]
            response, returned = calibrated(responses[name], seen, spend.mean, moved, arm)
            out.append(ChannelCurve(name, response, spend, roi=returned, verdict=seen.verdict))
    return tuple(out)


def _silent(stage: str, share: float) -> None:
    del stage, share
