"""history -> fit -> diagnostics -> curve set with draws: the whole of a fit, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.curves.curveset import ChannelCurve, CurveSet, ReturnOnInvestment
from shared.errors import InvalidInput
from shared.fit.bayes.curves import observed_spend, responses, unspent_response
from shared.fit.bayes.posterior import fit_posterior
from shared.fit.check.gate import judge, rows_needed
from shared.fit.check.report import baseline_of, diagnose
from shared.fit.check.validate import validate
from shared.fit.check.verdicts import channel_evidence, collinear_groups
from shared.fit.support import check_supported, family_of
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
        Called with a stage ("validate", "fit", "judge") and the share done.

    Raises
    ------
    InvalidInput
        Too few rows to fit at all, no spend, a constant outcome, impossible priors.
    NotSupportedYet
        For parts of the spec that are not built, by pointer.
    """
    check_supported(spec)
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
    family = family_of(spec)
    spent = int((history.spend.sum(axis=0) > 0).sum())
    tell("fit", 0.0)
    posterior = fit_posterior(history, spec, seed=seed, draws=draws, family=family)
    tell("validate", 0.5)
    # A fold's training window may be a fifth shorter than what the gate asks of the whole.
    least = int(0.6 * rows_needed(history.frequency, spent))
    folds = validate(history, spec, seed=seed, family=family, least=least)
    tell("judge", 0.9)
    names = tuple(history.channels[c] for c in posterior.design.active)
    groups = collinear_groups(posterior, names)
    evidence = channel_evidence(posterior)
    judgement = judge(posterior, folds, names, [group for group, _ in groups])
    if judgement.data != "enough":
        # Nothing could be checked, so no channel's curve is called good, however sure it looks.
        evidence = tuple(
            replace(item, verdict="weak") if item.verdict == "good" else item for item in evidence
        )
    channels: list[ChannelCurve] = []
    by_channel = dict(zip(posterior.design.active, range(len(names)), strict=True))
    fitted = responses(posterior)
    rng = np.random.default_rng([seed, 2])
    for index, name in enumerate(history.channels):
        place = by_channel.get(index)
        seen = None if place is None else evidence[place]
        channels.append(
            ChannelCurve(
                channel=name,
                response=unspent_response(posterior, rng) if place is None else fitted[place],
                observed_spend=observed_spend(history, index),
                roi=None
                if seen is None
                else ReturnOnInvestment(mean=seen.roi_mean, interval=seen.roi_interval),
                verdict="unspent" if seen is None else seen.verdict,
            )
        )
    curve_set = CurveSet(
        dataset="",
        version="",
        created_at="",
        spec=dict(spec),
        frequency=history.frequency,
        currency=history.currency,
        outcome=history.outcome_name,
        channels=tuple(channels),
        baseline=baseline_of(posterior, seed),
        diagnostics=diagnose(
            history, posterior, folds, judgement, evidence, groups, previous, seed
        ),
    )
    tell("judge", 1.0)
    return FitResult(curve_set=curve_set, promote=judgement.promote, reasons=judgement.reasons)


def _silent(stage: str, share: float) -> None:
    del stage, share
