"""history -> fit -> diagnostics -> curve set with draws: the whole of a fit, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.curves.curveset import ChannelCurve, CurveSet, ReturnOnInvestment
from shared.errors import InvalidInput
from shared.fit.bayes.curves import observed_spend, responses, unspent_response
from shared.fit.bayes.posterior import Posterior, fit_posterior
from shared.fit.check.gate import judge, rows_needed
from shared.fit.check.report import baseline_of, diagnose
from shared.fit.check.validate import validate
from shared.fit.check.verdicts import ChannelEvidence, channel_evidence, collinear_groups
from shared.fit.design.design import arm_name
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
    posterior = fit_posterior(history, spec, seed=seed, draws=draws)
    tell("validate", 0.5)
    # A fold's training window may be a fifth shorter than what the gate asks of the whole.
    least = int(0.6 * rows_needed(history.frequency, spent))
    choice = dict(
        zip(
            (history.channels[c] for c in posterior.design.active),
            zip(posterior.choice.saturations, posterior.choice.adstocks, strict=True),
            strict=True,
        )
    )
    folds = validate(history, spec, seed=seed, choice=choice, least=least)
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
    channels = _curves(history, posterior, evidence, np.random.default_rng([seed, 2]))
    curve_set = CurveSet(
        dataset="",
        version="",
        created_at="",
        spec=dict(spec),
        frequency=history.frequency,
        currency=history.currency,
        outcome=history.outcome_name,
        channels=channels,
        interactions=_interactions(posterior),
        baseline=baseline_of(posterior, seed),
        diagnostics=diagnose(
            history, posterior, folds, judgement, evidence, groups, previous, seed
        ),
    )
    tell("judge", 1.0)
    return FitResult(curve_set=curve_set, promote=judgement.promote, reasons=judgement.reasons)


def _curves(
    history: History,
    posterior: Posterior,
    evidence: Sequence[ChannelEvidence],
    rng: np.random.Generator,
) -> tuple[ChannelCurve, ...]:
    """One curve per arm with spend, and one from the prior per arm without, in their order."""
    design, panel = posterior.design, history.panel()
    fitted = dict(zip(design.arms, zip(responses(posterior), evidence, strict=True), strict=True))
    out: list[ChannelCurve] = []
    for geo in range(len(panel.geos)):
        for place in range(len(panel.arms)):
            name = arm_name(panel, geo, place)
            found = next((pair for arm, pair in fitted.items() if arm.name == name), None)
            spend = observed_spend(history, panel.spend[geo, :, place])
            if found is None:
                prior = unspent_response(posterior, rng)
                out.append(ChannelCurve(name, prior, spend, roi=None, verdict="unspent"))
                continue
            response, seen = found
            returned = ReturnOnInvestment(mean=seen.roi_mean, interval=seen.roi_interval)
            out.append(ChannelCurve(name, response, spend, roi=returned, verdict=seen.verdict))
    return tuple(out)


def _interactions(posterior: Posterior) -> tuple[Mapping[str, Any], ...]:
    """Each pair in each geo: mean strength with its 90 % interval, in outcome units."""
    design, model = posterior.design, posterior.model
    strength = model.unpack(posterior.draws).strength
    return tuple(
        {
            "channels": [design.arms[i].name, design.arms[j].name],
            "strength": float(strength[:, place].mean() * design.outcome_scale[design.arms[i].geo]),
            "interval": [
                float(x * design.outcome_scale[design.arms[i].geo])
                for x in np.quantile(strength[:, place], [0.05, 0.95])
            ],
        }
        for place, pair in enumerate(model.pairs)
        for i, j in pair
    )


def _silent(stage: str, share: float) -> None:
    del stage, share
