"""From a validated message to the domain: names become channels, stored curves fill the gaps.

Every field of the contract has its place in the problem; what no method can solve yet was refused
before (``shared.api.unbuilt``), never silently left out of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from shared.api.analogy import alike_channels
from shared.api.channels import Reading, inline_channels, stored_channels, stored_names
from shared.api.interplay import interactions_of
from shared.api.messages import Channel, Constraint, OptimizeRequest
from shared.api.messages import Horizon as HorizonMessage
from shared.api.messages import Weights as WeightsMessage
from shared.api.periods import Calendar, budget_windows, calendar_of, rule_periods
from shared.api.pointers import pointer_to
from shared.api.question_faults import no_draws
from shared.api.reading import first, refuse
from shared.api.rule_faults import unknown_names
from shared.curves.curveset import CurveSet
from shared.errors import Fault
from shared.problem.arms import current_of
from shared.problem.model import Channel as ProblemChannel
from shared.problem.model import Constraint as Rule
from shared.problem.model import (
    Goal,
    Horizon,
    Problem,
    Risk,
    SolverOptions,
    Weights,
)

__all__ = ["problem_of"]

DOUBTFUL = {
    "prior": "the data said next to nothing; the curve is what was believed before.",
    "unspent": "there is no spend in the history; nothing was learned of the curve.",
}
"""Verdicts of a fit that a planner must hear of, in words."""


def problem_of(message: OptimizeRequest, curves: CurveSet | None = None) -> Problem:
    """The problem that ``message`` poses, over ``curves`` where it names a dataset.

    Parameters
    ----------
    message
        As ``read_optimize`` gives it.
    curves
        The stored curve set of ``message.dataset``. Its observed spends are the current spends and
        the ceilings (1.5 times the highest) of channels that do not say their own.

    Raises
    ------
    InvalidInput
        Channels that the stored curve set does not have, curves that no family allows, or a
        question that the curves found cannot answer.
    """
    faults: list[Fault] = []
    asked = list(enumerate(message.channels or ()))
    given = [(i, channel) for i, channel in asked if channel.like is None]
    alike = [(i, channel) for i, channel in asked if channel.like is not None]
    warnings: list[tuple[str, str]] = []
    horizon = message.horizon or HorizonMessage()
    calendar = _calendar(message, curves, faults)
    reading = Reading(horizon.prior_spend or {}, calendar, faults, message.keep_current)
    names: list[str] = []
    if curves is None:
        made = inline_channels(given, reading)
    else:
        made = stored_channels(curves, given, reading)
        named = message.model_dump(
            exclude_none=True, include={"constraints", "interactions", "horizon"}
        )
        names = [*stored_names(curves), *(channel.channel for _, channel in alike)]
        faults += first(unknown_names(named, names))
        faults += _draw_faults(made, given)
    options = _options(message)
    channels = (*made, *alike_channels(alike, made, reading, options.seed, warnings))
    faults += _unread(reading, names)
    if all(channel.excluded for channel in channels) and not faults:
        text = "Every channel is excluded: there is nothing to spend on."
        faults.append(Fault("/channels", "required", text))
    have = {channel.name: channel for channel in channels}
    risk = _risk(message)
    if risk.measure != "expected" and not any(_draws(channel) for channel in channels):
        faults.append(no_draws(risk.measure))
    warnings += [] if curves is None else list(_doubts(curves, channels))
    capped = _cap(message, warnings)
    problem = Problem(
        channels=channels,
        budget=_budget(message, channels, horizon.periods, faults),
        spend_all=message.spend_all and not capped,
        options=options,
        curves_version=None if curves is None else curves.version,
        outcome_unit=None if curves is None else curves.outcome,
        currency=None if curves is None else curves.currency,
        frequency=None if curves is None else curves.frequency,
        goal=_goal(message),
        constraints=tuple(_rules(message, have, calendar)),
        interactions=interactions_of(message, curves, have, faults, warnings),
        horizon=_horizon(message, calendar),
        risk=risk,
        period_budgets=tuple(message.period_budgets or ()),
        windows=budget_windows(message, calendar),
        budget_min=message.budget_min,
        test_reserve=message.test_reserve or 0.0,
        warnings=tuple(warnings),
    )
    if problem.options.method == "lagrangian" and not problem.separable:
        faults.append(_not_lagrangian())
    refuse(faults)
    return problem


def _unread(reading: Reading, names: Sequence[str]) -> Iterator[Fault]:
    """Earlier spend of a channel in campaigns, or of none of them: no arm of the set has it."""
    for name in reading.prior:
        channel, _, campaign = name.partition("/")
        if channel in names and name not in reading.asked:
            text = f"{channel} has no campaign {campaign!r}."
            if not campaign:
                text = f"{name} has campaigns: tell their earlier spend one by one."
            code = "unknown_channel" if campaign else "conflict"
            yield Fault(pointer_to("horizon", "prior_spend", name), code, text)


def _options(message: OptimizeRequest) -> SolverOptions:
    solver = message.solver
    if solver is None:
        return SolverOptions()
    return SolverOptions(solver.method, solver.gap, solver.time_limit_s, solver.seed)


def _not_lagrangian() -> Fault:
    text = (
        "The method lagrangian is for one budget over one period, with limits of each channel "
        "alone: ask for auto, which says what it chose."
    )
    return Fault("/solver/method", "unfit_method", text)


def _goal(message: OptimizeRequest) -> Goal:
    objective = message.objective
    if objective is None:
        return Goal()
    return Goal(
        goal=objective.goal,
        value_per_outcome=objective.value_per_outcome,
        target_outcome=objective.target_outcome,
        max_frequency=objective.max_frequency,
        target_roas=objective.target_roas,
        target_cpa=objective.target_cpa,
        target_marginal_return=objective.target_marginal_return,
        long_term_weight=objective.long_term_weight or 0.0,
        weights=_weights(objective.weights),
    )


def _weights(message: WeightsMessage | None) -> Weights:
    if message is None:
        return Weights()
    return Weights(
        outcome=message.outcome or 0.0,
        profit=message.profit or 0.0,
        spend=message.spend or 0.0,
        reach=message.reach or 0.0,
        long_term=message.long_term or 0.0,
    )


def _budget(
    message: OptimizeRequest,
    channels: Sequence[ProblemChannel],
    periods: int,
    faults: list[Fault],
) -> float | None:
    """The budget, or so much more than is spent today."""
    if message.budget_change is None:
        return message.budget
    today = [current_of(channel) for channel in channels]
    for channel, spend in zip(channels, today, strict=True):
        if spend is None:
            text = f"budget_change is a share of today's spend: what {channel.name} has is unknown."
            places = [i for i, c in enumerate(message.channels or ()) if c.channel == channel.name]
            where = pointer_to("channels", *places[:1], "current_spend")
            faults.append(Fault(where, "required", text))
    known = sum(spend for spend in today if spend is not None)
    return known * periods * (1.0 + message.budget_change)


def _calendar(message: OptimizeRequest, curves: CurveSet | None, faults: list[Fault]) -> Calendar:
    """What the horizon's periods are; of a stored dataset they follow on its history."""
    if curves is None:
        return calendar_of(message, faults)
    told = curves.diagnostics.get("over_time")
    dates = told.get("dates") if isinstance(told, Mapping) else None
    after = None
    if dates:
        from shared.history.periods import period_after

        after = period_after(date.fromisoformat(dates[-1]), curves.frequency)
    return calendar_of(message, faults, after=after, frequency=curves.frequency)


def _cap(message: OptimizeRequest, warnings: list[tuple[str, str]]) -> bool:
    """Whether a budget is a cap whatever ``spend_all`` says; of the least spend that is told."""
    objective = message.objective
    if message.budget_min is not None:
        return True
    if objective is not None and objective.target_marginal_return is not None:
        return True
    if objective is None or objective.goal != "minimize_spend":
        return False
    if message.spend_all and (message.budget is not None or message.period_budgets):
        text = "The goal is the least spend, so the budget is taken as a cap."
        warnings.append(("budget_is_a_cap", text))
    return True


def _horizon(message: OptimizeRequest, calendar: Calendar) -> Horizon:
    horizon = message.horizon
    if horizon is None or horizon.periods == 1:
        # With one period all modes are the same plan, and there is nothing to pace.
        return Horizon()
    pacing = None if horizon.pacing is None else horizon.pacing.max_change
    days = tuple(calendar.first_day(t + 1) for t in range(horizon.periods))
    known = tuple(day for day in days if day is not None)
    return Horizon(horizon.periods, horizon.mode, pacing, horizon.discount_rate or 0.0, known)


def _risk(message: OptimizeRequest) -> Risk:
    risk, usual = message.risk, Risk()
    if risk is None or risk.measure == "expected":
        return usual
    return Risk(
        measure=risk.measure,
        aversion=usual.aversion if risk.aversion is None else risk.aversion,
        level=usual.level if risk.level is None else risk.level,
    )


def _rules(
    message: OptimizeRequest, have: dict[str, ProblemChannel], calendar: Calendar
) -> Iterator[Rule]:
    """The constraints over the channels that are left; an excluded one spends nothing."""
    faults = calendar.faults
    left = {name for name, channel in have.items() if not channel.excluded}
    for i, rule in enumerate(message.constraints or ()):
        channels = tuple(name for name in rule.channels or () if name in left)
        terms = tuple(
            (term.channel, term.coefficient)
            for term in rule.coefficients or ()
            if term.channel in left
        )
        if not channels and not terms:
            if _holds_at_nothing(rule):
                continue
            text = (
                f"The constraint {rule.name!r} asks for something, but all of its channels are "
                "excluded."
            )
            faults.append(Fault(pointer_to("constraints", i), "contradiction", text))
            continue
        yield Rule(
            name=rule.name,
            channels=channels,
            min_spend=rule.min_spend,
            max_spend=rule.max_spend,
            min_total=rule.min_total,
            max_total=rule.max_total,
            min_share=rule.min_share,
            max_share=rule.max_share,
            coefficients=terms,
            minimum=rule.min,
            maximum=rule.max,
            max_active=rule.max_active,
            min_outcome=rule.min_outcome,
            min_roas=rule.min_roas,
            max_cpa=rule.max_cpa,
            periods=rule_periods(rule, i, calendar),
        )


def _holds_at_nothing(rule: Constraint) -> bool:
    """Whether a rule is satisfied where its channels spend nothing."""
    least = (rule.min_spend, rule.min_total, rule.min_share, rule.min, rule.min_outcome)
    return all((x or 0.0) <= 0.0 for x in least) and (rule.max or 0.0) >= 0.0


def _draws(channel: ProblemChannel) -> int:
    """How many draws a channel's curves carry."""
    return len(channel.response.draws)


def _draw_faults(
    channels: Sequence[ProblemChannel], given: Sequence[tuple[int, Channel]]
) -> Iterator[Fault]:
    """A curve that replaces a stored one must bring as many draws as the others have."""
    counts = {channel.name: _draws(channel) for channel in channels}
    own = {c.channel: i for i, c in given if c.response is not None or c.saturation is not None}
    stored = {count for name, count in counts.items() if name not in own}
    if len(stored) != 1:
        return
    (wanted,) = stored
    for name, i in own.items():
        if counts.get(name, wanted) != wanted:
            text = (
                f"All channels must carry equally many draws: {name} has {counts[name]}, the "
                f"stored curves have {wanted}."
            )
            yield Fault(pointer_to("channels", i, "response", "draws"), "unequal_draws", text)


def _doubts(curves: CurveSet, channels: Sequence[ProblemChannel]) -> Iterator[tuple[str, str]]:
    """What the fit itself, and the history it rests on, said against resting a plan on it."""
    if curves.diagnostics.get("promote") is False:
        reasons = " ".join(curves.diagnostics.get("reasons") or ())
        yield "weak_fit", f"These curves did not pass the checks of a refit. {reasons}".rstrip()
    for item in curves.diagnostics.get("warnings") or ():
        if item.get("settled_by"):
            yield item["code"], item["message"]
    used = {channel.name for channel in channels}
    verdicts = {
        c.channel: c.verdict for c in curves.channels if c.channel.partition("/")[0] in used
    }
    for verdict, meaning in DOUBTFUL.items():
        names = [name for name, found in verdicts.items() if found == verdict]
        if names:
            yield "weak_fit", f"{', '.join(names)}: {meaning}"
