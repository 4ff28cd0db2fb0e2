"""A test that shows whether the recommended shift is right: which channel, how much, how long.

The channel to test first is the one whose curve is worth most to know
(:mod:`shared.plan.information`). Its test changes the channel's spend towards the recommended one
for a block of periods and compares the outcome with as many periods before it; how many it takes,
and what it can tell, is ``contrast`` and ``PrecisionOfTest``. Two questions are answered apart:
whether the effect itself would be found (``detects``), and whether it can be told from what the
same money brings elsewhere (``settles``), which is what the shift hangs on.

How long a test must run is told by power analysis. A test is two blocks of equally many periods,
one as today and one with the changed spend, with ``wash`` periods between them in which carryover
settles and nothing is counted. The effect is the difference of the blocks' means, with variance::

    sd^2 * c' R c,   c = (-1/n ... -1/n, 0 ... 0, 1/n ... 1/n),   R_ij = correlation^|i - j|

which is 2 sd^2 / n where periods are independent. A two-sided test at level ``alpha`` finds an
effect d with probability ``Phi(|d|/se - z) + Phi(-|d|/se - z)``, z the ``1 - alpha/2`` quantile;
the least detectable effect is ``(z + z_power) se`` (J. Cohen, Statistical Power Analysis for the
Behavioral Sciences, 1988, chapter 2; H. Bloom, Minimum Detectable Effects, Evaluation Review 19,
1995). The probability over what is believed of the effect is the test's assurance (A. O'Hagan,
J. Stevens, M. Campbell, Assurance in clinical trial design, Pharmaceutical Statistics 4, 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import erf, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.figures import plural
from shared.frequency import frequency
from shared.plan.conditions import price_of_money
from shared.plan.information import value_of_information
from shared.plan.optimize import make_plan
from shared.plan.plan import Plan
from shared.plan.rows import warned
from shared.plan.score import interval
from shared.plan.words import money, number, say, unit_of
from shared.plan.yardstick import today_of
from shared.problem.arms import Arm, arms_of, own_bounds
from shared.problem.carryover import periods_until
from shared.problem.model import Problem
from shared.problem.program import Program
from shared.solve.one_budget.form import one_budget

__all__ = ["AskedTest", "PrecisionOfTest", "contrast", "experiment", "lifts"]

Floats = NDArray[np.float64]

SIZES = 40  # changes of spend that are looked at, up to the channel's limit
USUAL = 0.2  # change of spend to test with where the plan recommends none worth testing
MULTIPLE = 2.0  # of today's or the recommended spend, whichever is more: the most that is tested
SETTLED = 0.9  # share of the carryover that must have arrived before a period counts

LONGEST_WASH = 52

MOST = 200  # channels whose tests are designed
TOLD = 5  # designs in an answer where the caller names no channels
_LEAST_PERIODS = 4  # a block shorter than this rests on luck, however large the effect

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class AskedTest:
    """What a test is asked to be.

    ``periods`` is the most that it may take in all, ``start`` the first day of the changed spend.
    """

    noise: float
    correlation: float = 0.0
    power: float = 0.8
    alpha: float = 0.1
    periods: int = 26
    channels: tuple[str, ...] = ()
    start: date | None = None


def experiment(problem: Problem, asked: AskedTest) -> dict[str, Any]:
    """The answer to ``POST /experiment``.

    Raises
    ------
    InvalidInput
        A plan over time, an unknown current spend, a channel that there is not.
    Infeasible
        The problem has no plan.
    """
    today = today_of(
        problem,
        "A test is designed for spend that is sustained: give a base without a horizon.",
        "A test changes today's spend, which is not known of",
    )
    arms, plan = arms_of(problem), make_plan(problem)
    gains, why_not = _information(problem, plan.program)
    named = [a for a, arm in enumerate(arms) if not asked.channels or arm.name in asked.channels]
    change = np.abs(plan.best.spend[:, 0] - today)
    worth = change if gains is None else gains
    order = sorted(named, key=lambda a: (-worth[a], -change[a]))[:MOST]
    bench = _Bench(problem, plan, asked)
    designs = [bench.design(arms[a], a, None if gains is None else float(gains[a])) for a in order]
    # First what can settle something, however much it would pay to know what no test can tell.
    designs.sort(key=_of_no_use)
    designs = designs if asked.channels else designs[:TOLD]
    warnings = list(problem.warnings)
    if why_not:
        warnings.append(("no_value_of_information", why_not))
    first = designs[0] if designs and _of_no_use(designs[0]) < 2 else None
    if designs and _of_no_use(designs[0]):
        message = (
            f"None of these tests can settle within {plural(asked.periods, 'period')} whether the "
            "money is better spent elsewhere; more max_periods, or outcomes with less noise, could."
        )
        if first is not None:
            message += f" That of {first['channel']} can at least tell whether it works at all."
        warnings.append(("no_test_settles", message))
    return {
        "first": None if first is None else first["channel"],
        "ranked_by": "recommended_change" if gains is None else "value_of_information",
        "designs": designs,
        "noise": asked.noise,
        "noise_correlation": asked.correlation,
        "power": asked.power,
        "alpha": asked.alpha,
        "max_periods": asked.periods,
        "warnings": warned(warnings),
        "curves_version": problem.curves_version,
    }


def _of_no_use(design: dict[str, Any]) -> int:
    """0 for a test that can settle something, 1 for one that only finds the effect, 2 for none."""
    settles = design["detects"] if design["settles"] is None else design["settles"]
    return 0 if settles else 2 - design["detects"]


def _information(problem: Problem, program: Program) -> tuple[Floats | None, str]:
    """(A,) expected outcome gained by knowing each curve, or None and why."""
    if not problem.draws:
        return None, (
            "The curves carry no draws, so what it is worth to know them cannot be told: channels "
            "are ranked by their recommended change."
        )
    task = one_budget(program)
    if task is None:
        return None, (
            "The value of knowing a curve is computed for one budget over one period with limits "
            "of each channel alone: channels are ranked by their recommended change."
        )
    found = value_of_information(task)
    if found is None:
        return None, "There is no money to move: channels are ranked by their recommended change."
    return found.channels, ""


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Designs tests of one plan."""

    problem: Problem
    plan: Plan
    asked: AskedTest

    def design(self, arm: Arm, a: int, worth: float | None) -> dict[str, Any]:
        today, asked = float(arm.channel.current_spend or 0.0), self.asked
        recommended = float(self.plan.best.spend[a, 0])
        wash = periods_until(arm.channel.response.adstock, SETTLED, LONGEST_WASH)
        precision = PrecisionOfTest(asked.noise, asked.correlation, asked.power, asked.alpha, wash)
        most = (asked.periods - wash) // 2
        sizes = self._sizes(arm, today, recommended)
        gained = lifts(self.plan.program, a, today, sizes)
        pick, periods = _pick(precision, sizes, gained.mean(axis=0), most)
        change, lift, draws = float(sizes[pick]), float(gained[:, pick].mean()), gained[:, pick]
        length = max(most, 1) if periods is None else periods
        price, even, settle, lost = price_of_money(self.plan), None, None, None
        changed, drawn = length + precision.wash, draws.size > 1
        if price is not None:
            even = price * change
            settle = precision.periods_for(lift - even, max(most, 0))
            lost = max(even - lift, 0.0) * changed
        row = {
            "channel": arm.name,
            "value_of_information": worth,
            "current_spend": today,
            "recommended_spend": recommended,
            "test_spend": today + change,
            "spend_change_per_period": change,
            "spend_change_share": change / today if today > 0.0 else None,
            "periods": length,
            "wash_in_periods": precision.wash,
            "total_periods": 2 * length + precision.wash,
            "expected_lift": lift,
            "expected_lift_interval": interval(draws) if drawn else None,
            "minimum_detectable_lift": precision.detectable(length),
            "standard_error": precision.error(length),
            "power": float(precision.finds(lift, length)),
            "assurance": float(precision.finds(draws, length).mean()) if drawn else None,
            "break_even_lift": even,
            "periods_to_settle": settle,
            "detects": periods is not None,
            "settles": None if even is None else settle is not None,
            "extra_spend": change * changed,
            "outcome_lost": lost,
            "lift_test": self._as_lift_test(arm, change, length, precision),
        }
        return {**row, "explanation": self._told(row)}

    def _as_lift_test(
        self, arm: Arm, change: float, periods: int, precision: PrecisionOfTest
    ) -> dict[str, Any]:
        """The test as ``lift_tests`` of a spec takes it: all periods of the changed spend, in all.

        Periods of wash-in belong to it: their spend is changed, and what it brings arrives in them.
        """
        geo, _, name = arm.name.rpartition("|")
        channel, _, campaign = name.partition("/")
        changed = periods + precision.wash
        start, every = self.asked.start, self.problem.frequency
        end = None
        if start is not None and every is not None:
            end = frequency(every).at(start).last_day(start, changed).isoformat()
        return {
            "channel": channel,
            "campaign": campaign or None,
            "geo": geo or None,
            "geos": None,
            "experiment": None,
            "start": start.isoformat() if start else None,
            "end": end,
            "spend_change": change * changed,
            "outcome_change": None,
            "standard_error": precision.error_in_all(periods),
            "measured_until": None,
            "bursts": None,
            "in_history": True,
        }

    def _sizes(self, arm: Arm, today: float, recommended: float) -> Floats:
        """(G,) changes of spend to choose from, the recommended one first."""
        (low, _), (high, _) = own_bounds(arm.channel)
        # Nobody tests with more than a multiple of what was ever meant to be spent.
        usual = max(today, recommended)
        high = min(high, MULTIPLE * usual if usual > 0.0 else float(self.plan.best.money))
        change = recommended - today
        if abs(change) <= 1e-3 * max(today, 1e-12):
            change = USUAL * (today if today > 0.0 else float(self.plan.best.money))
            change = change if today + change <= high else -USUAL * today
        end = high - today if change > 0.0 else low - today
        if end * change <= 0.0 or abs(end) < abs(change):
            return np.array([change])
        return np.concatenate([[change], np.linspace(change, end, SIZES)[1:]])

    def _told(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        problem, name = self.problem, row["channel"]
        unit = unit_of(problem)
        verb = "Raise" if row["spend_change_per_period"] > 0 else "Lower"
        text = (
            f"{verb} {name} from {money(problem, row['current_spend'])} to "
            f"{money(problem, row['test_spend'])} for {plural(row['periods'], 'period')}"
        )
        if row["wash_in_periods"]:
            text += f" after {plural(row['wash_in_periods'], 'period')} for carryover to settle"
        text += (
            f", and compare with {plural(row['periods'], 'period')} before: the expected change is "
            f"{number(row['expected_lift'])} {unit} a period"
        )
        span = row["expected_lift_interval"]
        if span is not None:
            text += f" (90 % interval {number(span[0])} to {number(span[1])})"
        said = [_say("test", f"{text}.", row, _TEST)]
        if row["detects"]:
            text = (
                f"A change of {number(row['minimum_detectable_lift'])} {unit} a period or more is "
                f"found with a probability of {100 * self.asked.power:.4g} %."
            )
            said.append(_say("detects", text, row, _FOUND, asked_power=self.asked.power))
        else:
            text = (
                f"In {plural(self.asked.periods, 'period')} this test cannot find it: the least "
                f"change that {plural(row['periods'], 'period')} a block would find is "
                f"{number(row['minimum_detectable_lift'])} {unit} a period."
            )
            said.append(_say("too_small", text, row, _FOUND, max_periods=self.asked.periods))
        if row["settles"] is not None:
            said.append(self._settled(row))
        changed = row["periods"] + row["wash_in_periods"]
        times = changed / row["periods"]
        text = (
            f"To count in the next fit, lift_test goes into spec.lift_tests: its dates are the "
            f"{plural(changed, 'period')} of the changed spend, its outcome_change what came in in "
            f"them less {number(times)} times what came in in the "
            f"{plural(row['periods'], 'period')} before."
        )
        said.append(_say("lift_test", text, row, _COUNTED, changed_periods=changed, times=times))
        return said

    def _settled(self, row: dict[str, Any]) -> dict[str, Any]:
        unit = unit_of(self.problem)
        even = f"{number(row['break_even_lift'])} {unit} a period"
        if row["settles"]:
            text = (
                f"The same money elsewhere is worth {even}: to tell the two apart takes "
                f"{plural(row['periods_to_settle'], 'period')} a block."
            )
            return _say("settles", text, row, (*_EVEN, "periods_to_settle"))
        text = (
            f"The same money elsewhere is worth {even}: "
            f"{plural(self.asked.periods, 'period')} are too few to tell the two apart."
        )
        return _say("cannot_settle", text, row, _EVEN, max_periods=self.asked.periods)


_SPENDS = ("current_spend", "test_spend", "spend_change_per_period")
_LIFT = ("wash_in_periods", "expected_lift", "expected_lift_interval")
_TEST = ("channel", *_SPENDS, "periods", *_LIFT)
_FOUND = ("channel", "minimum_detectable_lift", "periods", "power")
_COUNTED = ("channel", "periods", "wash_in_periods")
_EVEN = ("channel", "break_even_lift")


def _say(
    code: str, text: str, row: dict[str, Any], fields: Sequence[str], **more: Any
) -> dict[str, Any]:
    return say(code, text, **{k: row[k] for k in fields}, **more)


def _pick(
    precision: PrecisionOfTest, sizes: Floats, lifts: Floats, most: int
) -> tuple[int, int | None]:
    """The smallest change that is found in time, with its periods; else the most visible one."""
    for g in np.argsort(np.abs(sizes), kind="stable").tolist():
        periods = precision.periods_for(float(lifts[g]), most)
        if periods is not None:
            return int(g), periods
    return int(np.argmax(np.abs(lifts))), None


def lifts(program: Program, a: int, today: float, sizes: Floats) -> Floats:
    """(S, G) outcome gained per period by each change of arm ``a`` in each draw, of spend that is
    sustained; S is 1 without draws."""
    carry, weight = float(program.carry[a, 0, 0]), float(program.weight[a, 0])
    points = (carry * np.concatenate([[today], today + sizes]))[:, None]
    draws = program.draws
    own = program.curves.take([a]) if draws is None else draws.column(a)
    values = np.asarray(own.value(points))
    return np.asarray(weight * (values[1:] - values[0]).T)


def contrast(periods: int, wash: int) -> Floats:
    """(2 periods + wash,) weights of the periods' outcomes in the effect."""
    even = np.full(periods, 1.0 / periods)
    return np.concatenate([-even, np.zeros(wash), even])


@dataclass(frozen=True, slots=True)
class PrecisionOfTest:
    """What tests can tell.

    Attributes
    ----------
    noise, correlation
        Standard deviation of one period's outcome, and its correlation with the next period's.
    power, alpha
        Probability of finding the effect, and of finding one that is not there (two-sided).
    wash
        Periods between the blocks.
    """

    noise: float
    correlation: float
    power: float
    alpha: float
    wash: int

    @property
    def critical(self) -> float:
        """Standard errors from zero at which an effect counts as found."""
        return _NORMAL.inv_cdf(1.0 - self.alpha / 2.0)

    def error(self, periods: int) -> float:
        """Standard error of the effect from two blocks of ``periods``."""
        return self._sd(contrast(periods, self.wash))

    def error_in_all(self, periods: int) -> float:
        """Standard error of what the changed spend brought in all, ``wash`` periods included."""
        changed = periods + self.wash
        before = np.full(periods, -changed / periods)
        return self._sd(np.concatenate([before, np.ones(changed)]))

    def _sd(self, weights: Floats) -> float:
        """Standard deviation of a weighted sum of the noise of successive periods."""
        if self.correlation == 0.0:
            return self.noise * sqrt(float(weights @ weights))
        # sum_ij c_i c_j r^|i-j| by lags: no matrix, however long the test.
        lags = np.correlate(weights, weights, mode="full")[weights.size - 1 :]
        decay = self.correlation ** np.arange(weights.size)
        variance = float(lags[0] + 2.0 * (lags[1:] @ decay[1:]))
        return self.noise * sqrt(max(variance, 0.0))

    def detectable(self, periods: int) -> float:
        """The least effect that is found with the power asked for."""
        return (self.critical + _NORMAL.inv_cdf(self.power)) * self.error(periods)

    def finds(self, effect: ArrayLike, periods: int) -> Floats:
        """Probability of finding ``effect``; its shape."""
        size = np.abs(np.asarray(effect, dtype=float)) / self.error(periods)
        return _above(size - self.critical) + _above(-size - self.critical)

    def periods_for(self, effect: float, most: int) -> int | None:
        """The fewest periods a block that find ``effect``; None where ``most`` are too few."""
        least = min(_LEAST_PERIODS, most)
        if most < 1 or effect == 0.0 or self.detectable(most) > abs(effect):
            return None
        if self.detectable(least) <= abs(effect):
            return least
        while most - least > 1:
            middle = (least + most) // 2
            if self.detectable(middle) <= abs(effect):
                most = middle
            else:
                least = middle
        return most


def _above(x: Floats) -> Floats:
    """The standard normal distribution function."""
    return np.asarray([0.5 * (1.0 + erf(v / sqrt(2.0))) for v in np.ravel(x)]).reshape(np.shape(x))
