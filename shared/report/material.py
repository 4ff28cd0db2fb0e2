"""What a report is made of: a curve set, its plan and the history behind it, each worked out once.

Everything is computed when a picture asks for it, so that a picture of the past needs no solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.figures import plural
from shared.fit.design.design import arm_name
from shared.frequency import word
from shared.history.table import History
from shared.plan.information import curve_band
from shared.plan.optimize import answer, make_plan
from shared.plan.plan import Plan
from shared.plan.sweep import sweep
from shared.problem.arms import Arm, arms_of
from shared.problem.model import Problem
from shared.report.plot import colours_of, short
from shared.solve.one_budget.form import one_budget

__all__ = ["Course", "Material"]

Floats = NDArray[np.float64]

MEDIA = "media:"
LEAST, MOST = 0.25, 2.0
"""Range of the sweep's budgets, as shares of the plan's."""

MANY = 13
FEW = 7
"""Budgets of a sweep: of a problem with a solver of its own, and of any other."""

KNOWN = 0.9
"""Share of its carryover that must lie within the history for a period to be a point."""

PART_S = 2.0
"""Seconds for each budget of the latter."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened period by period beside what the fit says (``diagnostics.over_time``).

    ``actual`` is NaN where the outcome is not known. ``base`` and ``media`` hold the parts that add
    up to ``fitted``, by group and by arm. All (T,), outcome per period.
    """

    dates: tuple[date, ...]
    actual: Floats
    fitted: Floats
    low: Floats
    high: Floats
    base: Mapping[str, Floats]
    media: Mapping[str, Floats]


class Material:
    """One version of a dataset's curves with the question to plan by and the stored history.

    Parameters
    ----------
    problem
        Posed over ``curves``: one period, one budget.
    history
        As it is stored now; None where there is none, as beside imported curves.
    """

    def __init__(self, curves: CurveSet, problem: Problem, history: History | None) -> None:
        self.curves = curves
        self.problem = problem
        self.history = history

    # -- units --------------------------------------------------------------------------------

    @property
    def period(self) -> str:
        """What amounts are per: "week"."""
        return word(self.curves.frequency)

    @property
    def now(self) -> str:
        """Which periods stand for today: "13 weeks, 2026-06-01 to 2026-08-30"; "" if unknown."""
        if self.problem.current_over is None:
            return ""
        first, last, count = self.problem.current_over
        return f"{plural(count, self.period)}, {first} to {last}"

    @property
    def money(self) -> str:
        """The currency, or "money" where it was not told."""
        return self.curves.currency or "money"

    @property
    def unit(self) -> str:
        """One unit of money."""
        return self.curves.currency or "unit of money"

    @property
    def outcome(self) -> str:
        """What outcomes are counted in."""
        return self.curves.outcome or "outcome"

    @property
    def outcome_short(self) -> str:
        """The same where there is little room."""
        return short(self.outcome)

    # -- the plan -----------------------------------------------------------------------------

    @cached_property
    def plan(self) -> Plan:
        """The best plan of the budget."""
        return make_plan(self.problem)

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The answer of ``POST /optimize`` to the same question."""
        return answer(self.plan)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Channels, or campaigns below them, in the order of the plan."""
        return arms_of(self.problem)

    @cached_property
    def bands(self) -> list[dict[str, Any]]:
        """Each arm's curve with its 90 % band."""
        spends = self.plan.best.spend.sum(axis=1)
        return [
            curve_band(arm.name, arm.channel, float(spend))
            for arm, spend in zip(self.arms, spends, strict=True)
        ]

    @cached_property
    def sweep(self) -> list[dict[str, Any]]:
        """The best outcome over a range of budgets, those that can be spent."""
        budget = self.problem.one_budget
        ceilings = [channel.max_spend for channel in self.problem.channels]
        most = MOST
        if budget > 0.0 and None not in ceilings:
            most = min(MOST, sum(x for x in ceilings if x is not None) / budget)
        quick = one_budget(self.plan.program) is not None
        shares = np.linspace(LEAST, max(most, 1.0), MANY if quick else FEW)
        # The plan's own budget is one of them.
        shares[np.argmin(np.abs(shares - 1.0))] = 1.0
        plan = self.plan
        if not quick:
            limit = min(PART_S, self.problem.options.time_limit_s)
            options = replace(self.problem.options, time_limit_s=limit)
            plan = replace(plan, problem=replace(self.problem, options=options))
        return sweep(plan, [float(budget * share) for share in shares])

    # -- the past -----------------------------------------------------------------------------

    @cached_property
    def course(self) -> Course | None:
        """What the fit says of every period; None for curves that were not fitted here."""
        told = self.curves.diagnostics.get("over_time")
        if not isinstance(told, Mapping) or not told.get("dates"):
            return None
        parts = {name: np.asarray(values, float) for name, values in told["parts"].items()}
        return Course(
            dates=tuple(date.fromisoformat(day) for day in told["dates"]),
            actual=np.array([np.nan if v is None else v for v in told["actual"]], float),
            fitted=np.asarray(told["fitted"], float),
            low=np.asarray(told["low"], float),
            high=np.asarray(told["high"], float),
            base={k: v for k, v in parts.items() if not k.startswith(MEDIA)},
            media={k.removeprefix(MEDIA): v for k, v in parts.items() if k.startswith(MEDIA)},
        )

    @cached_property
    def spend(self) -> dict[str, Floats]:
        """Spend of each arm in each period of the stored history, (T,); empty without one."""
        if self.history is None:
            return {}
        panel = self.history.panel()
        return {
            arm_name(panel, geo, place): panel.spend[geo, :, place]
            for geo in range(len(panel.geos))
            for place in range(len(panel.arms))
        }

    @cached_property
    def _sustained(self) -> dict[str, Floats]:
        adstocks = {c.channel: c.response.adstock for c in self.curves.channels}
        found = {}
        for arm, spend in self.spend.items():
            adstock = adstocks.get(arm)
            if adstock is None:
                found[arm] = spend
                continue
            whole = adstock.total_weight()
            sustained = adstock.apply(spend) / whole
            # What carried over into the first periods is not known: they stand for themselves.
            unknown = np.cumsum(adstock.weights(spend.size)) < KNOWN * whole
            found[arm] = np.where(unknown, np.nan, sustained)
        return found

    def observed(self, arm: str) -> tuple[Floats, Floats] | None:
        """Spend of an arm and the outcome attributed to it, by period that both are known of.

        Spend counts with what carried over from the periods before it, as the spend that would
        amount to it if it were kept up in every period: that is what its curve is of. The outcome
        is moved by the factor by which the fit's calibration moved the arm's return,
        so that points and curve speak of the same thing.
        """
        course, spend = self.course, self._sustained.get(arm)
        if course is None or self.history is None or spend is None or arm not in course.media:
            return None
        place = {day: t for t, day in enumerate(course.dates)}
        both = [(t, place[day]) for t, day in enumerate(self.history.dates) if day in place]
        if not both:
            return None
        here, there = (list(side) for side in zip(*both, strict=True))
        known = np.isfinite(spend[here])
        brought = course.media[arm][there] * self.return_factor(arm)
        return (spend[here][known], brought[known]) if known.any() else None

    def return_factor(self, arm: str) -> float:
        """The mean return that plans use over the one that was fitted; 1 where both are one."""
        calibration = self.curves.diagnostics.get("calibration") or {}
        for row in calibration.get("channels") or ():
            if row["channel"] == arm and row["return_factor"]:
                return float(row["return_factor"])
        return 1.0

    # -- names --------------------------------------------------------------------------------

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Channels by their mean spend in the history, the largest first."""
        spends: dict[str, float] = {}
        for curve in self.curves.channels:
            name = channel_of(curve.channel)
            spends[name] = spends.get(name, 0.0) + curve.observed_spend.mean
        return tuple(sorted(spends, key=lambda name: -spends[name]))

    @cached_property
    def colours(self) -> dict[str, str]:
        """A channel's colour, the same in every picture."""
        return colours_of(self.channels)

    def by_channel(self, arms: Mapping[str, Floats]) -> dict[str, Floats]:
        """Arms added up to channels, in the order of ``channels``."""
        sums: dict[str, Floats] = {}
        for name in self.channels:
            parts = [values for arm, values in arms.items() if channel_of(arm) == name]
            if parts:
                sums[name] = np.sum(parts, axis=0)
        return sums


def channel_of(arm: str) -> str:
    """
    >>> channel_of("tv/brand"), channel_of("north|tv")
    ('tv', 'north|tv')
    """
    return arm.partition("/")[0]
