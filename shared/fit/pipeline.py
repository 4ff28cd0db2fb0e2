"""history -> fit -> diagnostics -> curve set with draws: the whole of a fit, in one call.

``read_back`` sets lift tests beside what a fit says of them. ``backtest`` is what last quarter's
recommendation would have brought, by this quarter's curves. It is made with those of the last fold:
fitted to the rows before the last quarter (or the part of it that was held back), none of it seen.
The plan for the money that the quarter did spend keeps every arm within 50 to 150 % of its mean
before. Both that plan and what was done are then scored by the curves of today's fit, as spend
sustained over the quarter; interactions and the order of weeks are left aside on both sides.

Fitting knows no solver: whoever calls supplies ``Advise``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock
from shared.curves.curveset import ChannelCurve, CurveSet, Response
from shared.errors import InvalidInput, MarginalError
from shared.fit.design.design import arm_name, observed_spend
from shared.fit.fitted import ChannelEvidence, Fitted, Group, LogReturns
from shared.fit.judge.calibration import (
    Calibration,
    calibrate,
    calibrated,
    error_ratio,
    told,
)
from shared.fit.judge.doubts import doubts
from shared.fit.judge.gate import Judgement, judge, jumped, returns_of, stability
from shared.fit.judge.trust import trust_of
from shared.fit.judge.validate import Fold, blocked, cross_validation, rival_of, score, validate
from shared.fit.media.asked import settled
from shared.fit.models.registry import fit_window
from shared.frequency import word
from shared.history.enough import rows_needed
from shared.history.lift_tests import LiftTest, amount, lift_tests
from shared.history.report import data_report
from shared.history.table import Finding, History

__all__ = [
    "FEWEST_ROWS",
    "Advise",
    "FitResult",
    "backtest",
    "baseline_of",
    "diagnose",
    "fit_history",
    "read_back",
]

#: Observed periods below which not even a fit that leans on its priors is made.
FEWEST_ROWS = 8
Floats = NDArray[np.float64]


_MEDIA = "media:"
_FAR = 3.0  # errors of both by which what a fit says of a test is not what the test measured
_UNUSUAL = 2.0  # standard deviations of the systematic error of a regression
_OFF = 4.0  # errors of stretches as long, by which the outcome of a test's rows is not explained
_RANGE = (0.5, 1.5)
_FEWEST_DRAWS = 20


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
        The contract's roles and model; read here: ``priors``, ``holidays_country``, ``model``.
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
            f"{observed} {word(history.frequency)}s with an outcome are too few to fit anything; "
            f"at least {FEWEST_ROWS} are needed.",
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
    signs = doubts(history, fitted, {row["channel"] for row in read if row["used"]})
    diagnostics["warnings"] += [{"code": item.code, "message": item.message} for item in odd]
    diagnostics["warnings"] += [sign.warning() for sign in signs]
    diagnostics |= {
        "data_report": data_report(history, spec),
        "cross_validation": cross_validation(folds, blocks, rival),
        "backtest": backtest(history, folds, now, advise),
        "stability": stability(folds, returns, previous, len(history.dates)),
        "calibration": told(arms, moved, ratio, tests.values()),
        "lift_tests": read,
        "challengers": rivals,
    }
    diagnostics["trust"] = trust_of(
        frequency=history.frequency,
        rows=observed,
        names=arms,
        money=fitted.design.mean_spend.tolist(),
        channels=[names[arm.channel] for arm in fitted.design.arms],
        evidence=evidence,
        groups=groups,
        doubted={name for sign in signs for name in sign.channels},
        error_ratio=ratio if folds else None,
        stability=diagnostics["stability"],
        tests=read,
    )
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
        "warnings": [
            *_warnings(history, fitted, evidence, groups, names, dates),
            *({"code": "forecast_doubtful", "message": text} for text in judgement.remarks),
        ],
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
        "spend": spend_of(history),
    }


def spend_of(history: History) -> dict[str, list[float]]:
    """What was spent in every period, by arm: plans begin with what of it still works."""
    panel = history.panel()
    return {
        arm_name(panel, geo, place): panel.spend[geo, :, place].tolist()
        for geo in range(len(panel.geos))
        for place in range(len(panel.arms))
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


def read_back(
    history: History, spec: Mapping[str, Any], fitted: Fitted
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """``diagnostics.lift_tests``: all tests as read, with what the fit says; and what is odd."""
    found = {lift.test.place: (lift, draws) for lift, draws in fitted.lifted()}
    if found:
        error = history.outcome - np.sum(list(fitted.over_time().values()), axis=0)
        adstocks = [response.adstock for response in fitted.responses()]
        returns = fitted.log_returns()
    rows: list[dict[str, Any]] = []
    odd: list[Finding] = []
    for test in lift_tests(spec, history):
        told: dict[str, Any] = {"fitted": None, "fitted_interval": None, "arrives_later": None}
        if test.place in found:
            lift, draws = found[test.place]
            told = {
                "fitted": float(draws.mean()),
                "fitted_interval": np.quantile(draws, [0.05, 0.95]).tolist(),
                "arrives_later": _later(adstocks[int(lift.tested[0])], test),
            }
            off = (*_contradiction(test, draws), *_unusual(returns, int(lift.tested[0])))
            doubts = (*test.doubts, *off, *_unexplained(test, error))
            test = replace(test, doubts=doubts)
        rows.append(test.told() | told)
        odd += test.findings()
    return rows, odd


def _contradiction(test: LiftTest, draws: Floats) -> list[str]:
    off = abs(test.outcome_change - draws.mean()) / np.hypot(test.standard_error, draws.std())
    if off <= _FAR:
        return []
    return [
        (
            f"the fit says that it changed the outcome by {amount(float(draws.mean()))}, "
            f"{off:.1f} standard errors from the {amount(test.outcome_change)} measured: the "
            "rows, or what is believed of the return, contradict the test."
        )
    ]


def _unusual(returns: LogReturns | None, arm: int) -> list[str]:
    """Whether a test and the rows differ by more than a regression usually errs."""
    if returns is None or returns.truly is None or returns.usual is None:
        return []
    times = float((returns.draws - returns.truly)[:, arm].mean())
    mean, sd = (float(part[arm]) for part in returns.usual)
    if abs(times - mean) <= _UNUSUAL * sd:
        return []
    return [
        (
            f"the rows alone would say {np.exp(times):.2g} times the return that it measured, "
            f"where {np.exp(mean):.2g} times is usual and more than {_UNUSUAL:g} standard "
            "deviations from that are rare: are its numbers right, and in all?"
        )
    ]


def _unexplained(test: LiftTest, error: Floats) -> list[str]:
    """Whether rows that hold a test miss by what the test says more than what they show."""
    length = test.length
    sums = np.convolve(np.nan_to_num(error), np.ones(length), mode="valid")
    if not test.in_history or test.first < 0 or sums.size < 4 * length:
        return []
    others = np.ones(sums.size, dtype=bool)
    others[max(test.first - length + 1, 0) : test.measured + 1] = False
    size, missed = float(np.std(sums[others])), float(sums[test.first])
    if abs(missed) <= _OFF * size:
        return []
    return [
        (
            f"with it the outcome on its dates is {amount(abs(missed))} "
            f"{'more' if missed > 0 else 'less'} than the fit explains, "
            f"{abs(missed) / size:.0f} times what stretches as long usually are: the rows do "
            "not show what the test says; are its numbers right, and in all?"
        )
    ]


def _later(adstock: Adstock | None, test: LiftTest) -> float:
    """Share of what its change of spend works on that comes after the last period measured."""
    if adstock is None:
        return 0.0
    arrived = np.cumsum(adstock.weights(test.length)) / max(adstock.total_weight(), 1e-300)
    return float(1.0 - arrived[test.measured - np.array(test.changed)].mean())


class Advise(Protocol):
    """The best spend (A,) of ``budget`` per period over curves, within ``low`` to ``high`` (A,)."""

    def __call__(
        self, curves: Sequence[ChannelCurve], budget: float, low: Floats, high: Floats
    ) -> Floats: ...


def backtest(
    history: History,
    folds: Sequence[Fold],
    now: Mapping[str, Response],
    advise: Advise | None,
) -> dict[str, Any]:
    """``diagnostics.backtest``: {"last_quarter": {...}} or null with a ``reason``."""
    if advise is None:
        return _nothing("No optimiser was at hand.")
    fold = folds[-1] if folds else None
    if fold is None or fold.fitted is None:
        return _nothing("Too few rows to hold a quarter back and fit what came before it.")
    panel, start, stop = history.panel(), fold.start, fold.stop
    spends = {
        arm_name(panel, g, m): panel.spend[g, :, m]
        for g in range(len(panel.geos))
        for m in range(len(panel.arms))
    }
    arms = [arm.name for arm in fold.fitted.design.arms]
    curves = tuple(
        ChannelCurve(name, response, observed_spend(history, s), None, "")
        for name, response in zip(arms, fold.fitted.responses(), strict=True)
        for s in (spends[name][:start],)
    )
    done = {name: float(spend[start:stop].mean()) for name, spend in spends.items()}
    usual = np.array([float(spends[name][:start].mean()) for name in arms])
    budget = sum(done[name] for name in arms)
    if not (budget > 0 and usual.sum() > 0):
        return _nothing("Nothing was spent in the last quarter.")
    share = usual * (budget / usual.sum())
    low, high = _RANGE[0] * share, _RANGE[1] * share
    try:
        plan = np.asarray(advise(curves, budget, low, high), dtype=np.float64)
    except (MarginalError, ValueError, ArithmeticError) as error:  # a remark, not the fit's end
        return _nothing(f"No plan was found for the last quarter: {error}")
    recommended = done | dict(zip(arms, plan.tolist(), strict=True))
    periods = stop - start
    scored = [name for name in arms if name in now]
    mean_done, draws_done = _brings(scored, now, done)
    mean_plan, draws_plan = _brings(scored, now, recommended)
    gain = None if draws_done is None or draws_plan is None else draws_plan - draws_done
    better = None if gain is None else float(np.mean(gain > 0) + 0.5 * np.mean(gain == 0))
    return {
        "last_quarter": {
            "first": history.dates[start].isoformat(),
            "last": history.dates[stop - 1].isoformat(),
            "periods": periods,
            "budget": budget * periods,
            "done": {name: done[name] * periods for name in arms},
            "recommended": {name: recommended[name] * periods for name in arms},
            "outcome_done": mean_done * periods,
            "outcome_recommended": mean_plan * periods,
            "uplift": (mean_plan - mean_done) * periods,
            "uplift_share": (mean_plan - mean_done) / mean_done if mean_done > 0 else None,
            "probability_better": better,
        },
        "reason": None,
    }


def _nothing(reason: str) -> dict[str, Any]:
    return {"last_quarter": None, "reason": reason}


def _brings(
    names: Sequence[str], curves: Mapping[str, Response], spend: Mapping[str, float]
) -> tuple[float, Floats | None]:
    """Outcome per period of sustained spend: its mean, and in each draw where there are enough."""
    draws = min((len(curves[name].draws) for name in names), default=0)
    if draws < _FEWEST_DRAWS:
        return sum(float(curves[name].saturation.value(spend[name])) for name in names), None
    each = np.zeros(draws)
    for name in names:
        each += [float(draw.value(spend[name])) for draw in curves[name].draws[:draws]]
    return float(each.mean()), each
