"""Periods as a caller names them, by number or date: limits, rules and budgets of some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from shared.api.messages import (
    MAX_PERIODS,
    Campaign,
    Constraint,
    OptimizeRequest,
    PeriodLimits,
    Span,
    When,
)
from shared.curves.curveset import CurveSet
from shared.errors import Fault, pointer_to
from shared.figures import number as figure
from shared.frequency import asked_name, frequency, word
from shared.problem.model import PeriodLimits as Limits
from shared.problem.model import Window

__all__ = [
    "Calendar",
    "Past",
    "budget_windows",
    "calendar_of",
    "own_periods",
    "own_prices",
    "past_of",
    "rule_periods",
]

Path = tuple[str | int, ...]
LIMITS = ("min_spend", "max_spend", "spend", "price")


@dataclass(frozen=True, slots=True)
class Calendar:
    """The horizon's periods, and where the first of them begins, if that is known."""

    periods: int
    faults: list[Fault]
    start: date | None = None
    frequency: str | None = None

    def first_day(self, period: int) -> date | None:
        """The first day of a period (from 1)."""
        if self.start is None or self.frequency is None:
            return None
        return frequency(self.frequency).after(self.start, period - 1)

    def period(self, when: When, path: Path) -> int | None:
        """The number of a period (from 1); None where there is none, which is a fault."""
        found = when if isinstance(when, int) else self._of_date(when, path)
        if found is not None and not 1 <= found <= self.periods:
            many = f"{self.periods} period{'s' if self.periods > 1 else ''}"
            said = f"Period {found} is not one of the horizon's {many}."
            if not isinstance(when, int):
                ends = f"{self.start} to {self._last_day()}"
                said = f"{when} is not in the horizon, whose {many} are {ends}."
            self._fault(path, "out_of_range", said)
            return None
        return found

    def span(self, span: Span, path: Path) -> tuple[int, int] | None:
        """The first and last period (from 1) of a span; None after a fault."""
        first = self.period(span.first, (*path, "from"))
        last = first if span.last is None else self.period(span.last, (*path, "to"))
        if first is None or last is None:
            return None
        if last < first:
            said = f"The periods end ({span.last}) before they begin ({span.first})."
            self._fault((*path, "to"), "contradiction", said)
            return None
        return first, last

    def _of_date(self, text: str, path: Path) -> int | None:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            said = f"{text[:40]!r} is no period: give its number from 1, or a date like 2026-12-07."
            self._fault(path, "invalid_date", said)
            return None
        if self.start is None or self.frequency is None:
            said = (
                "A date needs horizon.start and horizon.frequency, which say what the first "
                "period is; or give the period's number."
            )
            self._fault(path, "needs_start", said)
            return None
        return frequency(self.frequency).between(self.start, day) + 1

    def _last_day(self) -> date:
        assert self.start is not None  # or no date would be a period
        assert self.frequency is not None
        return frequency(self.frequency).last_day(self.start, self.periods)

    def _fault(self, path: Path, code: str, message: str) -> None:
        self.faults.append(Fault(pointer_to(*path), code, message))


@dataclass(frozen=True, slots=True)
class Past:
    """What was spent before, as a stored curve set remembers it: ``spend`` by arm and period.

    ``first`` to ``last`` (places from 0) are the periods that stand for today; ``asked``: because
    the request says so (else they are those of the curves' own ``observed_spend.last``).
    """

    dates: tuple[date, ...]
    frequency: str
    spend: Mapping[str, Sequence[float]]
    first: int
    last: int
    asked: bool

    @property
    def after(self) -> date:
        """The first day of the period after the last one."""
        return frequency(self.frequency).after(self.dates[-1])

    @property
    def last_day(self) -> date:
        """The last day that the history tells of."""
        return frequency(self.frequency).last_day(self.dates[-1])

    @property
    def today(self) -> tuple[date, date, int]:
        """First and last day of what stands for today, and how many periods that are."""
        end = frequency(self.frequency).last_day(self.dates[self.last])
        return self.dates[self.first], end, self.last - self.first + 1

    def current(self, arm: str) -> float | None:
        """What an arm spends a period today."""
        spend = self.spend.get(arm)
        if not spend:
            return None
        own = spend[self.first : self.last + 1]
        return float(sum(own) / len(own))

    def before(self, arm: str, start: date | None) -> list[float] | None:
        """What was spent on an arm before ``start``, oldest first; as today where nothing is known.

        None where the set does not remember it.
        """
        spend = self.spend.get(arm)
        if spend is None:
            return None
        known = [x for day, x in zip(self.dates, spend, strict=True) if not start or day < start]
        day, today = self.after, self.current(arm) or 0.0
        while start is not None and day < start and len(known) < 2 * MAX_PERIODS:
            known.append(today)
            day = frequency(self.frequency).after(day)
        return known[-MAX_PERIODS:]


def past_of(message: OptimizeRequest, curves: CurveSet, faults: list[Fault]) -> Past | None:
    """The past of a stored curve set, and what of it stands for today; None where it has none."""
    told = curves.diagnostics.get("over_time")
    days = told.get("dates") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not days:
        return None
    dates = tuple(date.fromisoformat(day) for day in days)
    usual = frequency(curves.frequency).quarter
    first, last = max(len(dates) - usual, 0), len(dates) - 1
    asked = message.current
    if asked is not None and asked.last is not None:
        if asked.last > len(dates):
            said = f"The history has {len(dates)} periods: today cannot be the last {asked.last}."
            faults.append(Fault("/current/last", "out_of_range", said))
        first = max(len(dates) - asked.last, 0)
    elif asked is not None:
        ends = (("from", asked.first, dates[0]), ("to", asked.until, dates[-1]))
        found = []
        for field, text, default in ends:
            try:
                found.append(default if text is None else date.fromisoformat(text))
            except ValueError:
                said = f"{field} must be a date like 2026-09-01; it is {str(text)[:40]!r}."
                faults.append(Fault(f"/current/{field}", "invalid_date", said))
                return None
        inside = [i for i, day in enumerate(dates) if found[0] <= day <= found[1]]
        if not inside:
            said = f"No period of the history, {dates[0]} to {dates[-1]}, begins in these dates."
            faults.append(Fault("/current", "out_of_range", said))
            return None
        first, last = inside[0], inside[-1]
    spend = told.get("spend")
    known = spend if isinstance(spend, Mapping) else {}
    return Past(dates, curves.frequency, known, first, last, asked is not None)


def calendar_of(
    message: OptimizeRequest,
    faults: list[Fault],
    *,
    after: date | None = None,
    every: str | None = None,
) -> Calendar:
    """The calendar of a request; ``after`` and ``every`` (its frequency) are a stored dataset's.

    ``after`` is the first day of the period after the last one of its history.
    """
    horizon = message.horizon
    periods = 1 if horizon is None else horizon.periods
    start = after
    if horizon is not None and horizon.start is not None:
        try:
            start = date.fromisoformat(horizon.start)
        except ValueError:
            said = f"start must be a date like 2026-12-07; it is {horizon.start!r}."
            faults.append(Fault("/horizon/start", "invalid_date", said))
    own = None if horizon is None else horizon.frequency
    if own is not None and every is not None and own != asked_name(every):
        said = f"The dataset's periods are one {word(every)} each, so frequency cannot be {own}."
        faults.append(Fault("/horizon/frequency", "contradiction", said))
    if own is not None and start is None and (horizon is None or horizon.start is None):
        said = "frequency says what a period is beside start: give the first day of the first."
        faults.append(Fault("/horizon/start", "required", said))
    every = every or own
    if horizon is not None and horizon.start is not None and every is None:
        said = "start needs frequency beside it: what a period is, such as 'week'."
        faults.append(Fault("/horizon/frequency", "required", said))
    if every is not None and frequency(every).months and start is not None and start.day != 1:
        said = f"A {word(every)} begins on the first day of a month; start is {start}."
        faults.append(Fault("/horizon/start", "contradiction", said))
    try:
        if every is not None and start is not None:
            every = frequency(every).at(start).name
        found = Calendar(periods, faults, start, every)
        found.first_day(periods + 1)
    except (OverflowError, ValueError):
        said = f"{periods} periods from {start} end after the year 9999: give an earlier start."
        faults.append(Fault("/horizon/start", "out_of_range", said))
        return Calendar(periods, faults)
    return found


def own_periods(channel: Campaign, name: str, path: Path, calendar: Calendar) -> tuple[Limits, ...]:
    """The limits that a channel or a campaign has in some periods; later ones win."""
    out = []
    for i, entry in enumerate(channel.periods or ()):
        where = (*path, "periods", i)
        span = calendar.span(entry, where)
        for field, code, said in _entry_faults(entry, name, channel, calendar):
            calendar.faults.append(Fault(pointer_to(*where, *field), code, said))
        if span is not None and (entry.price is None or _limits(entry)):
            out.append(Limits(*span, entry.min_spend, entry.max_spend, entry.spend))
    return tuple(out)


def own_prices(channel: Campaign, calendar: Calendar) -> tuple[float, ...]:
    """Multipliers of the media price by period; none at all where it stays the same."""
    found = [1.0] * calendar.periods
    quiet = replace(calendar, faults=[])  # told with the limits, by ``own_periods``
    for entry in channel.periods or ():
        span = quiet.span(entry, ())
        if span is not None and entry.price is not None:
            found[span[0] - 1 : span[1]] = [entry.price] * (span[1] - span[0] + 1)
    return tuple(found) if any(price != 1.0 for price in found) else ()


def _limits(entry: PeriodLimits) -> list[str]:
    return [field for field in LIMITS[:3] if getattr(entry, field) is not None]


def _entry_faults(
    entry: PeriodLimits, name: str, channel: Campaign, calendar: Calendar
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What is wrong with one entry, its place in the calendar aside."""
    if calendar.periods == 1:
        said = (
            f"periods of {name} needs a horizon of 2 periods or more: with one period an "
            "allocation is spend sustained every period."
        )
        yield (), "needs_periods", said
    given = _limits(entry)
    if not given and entry.price is None:
        yield (), "required", f"This entry of {name} says nothing: it needs one of {_or(LIMITS)}."
    if entry.spend is not None and len(given) > 1:
        said = f"spend of {name} fixes what is spent: drop {_or(given[:-1])}."
        yield ("spend",), "conflict", said
    least, most = entry.min_spend, entry.max_spend
    if least is not None and most is not None and least > most:
        said = f"max_spend of {name} ({figure(most)}) is below its min_spend ({figure(least)})."
        yield ("max_spend",), "contradiction", said
    lot = channel.increment
    if lot and entry.spend is not None:
        off = abs(entry.spend / lot - round(entry.spend / lot)) * lot
        if off > 1e-6 * max(lot, entry.spend):
            said = (
                f"spend of {name} ({figure(entry.spend)}) is no multiple of its "
                f"increment ({figure(lot)})."
            )
            yield ("spend",), "contradiction", said


def rule_periods(rule: Constraint, i: int, calendar: Calendar) -> tuple[int, ...] | None:
    """The periods (from 1) that a constraint is about; None: all of them."""
    if rule.periods is None:
        return None
    found: set[int] = set()
    for j, item in enumerate(rule.periods):
        path = ("constraints", i, "periods", j)
        if isinstance(item, Span):
            span = calendar.span(item, path)
            found |= set() if span is None else set(range(span[0], span[1] + 1))
        else:
            at = calendar.period(item, path)
            found |= set() if at is None else {at}
    return tuple(sorted(found))


def budget_windows(message: OptimizeRequest, calendar: Calendar) -> tuple[Window, ...]:
    """The budgets of stretches of periods."""
    out = []
    for i, window in enumerate(message.budget_windows or ()):
        path = ("budget_windows", i)
        span = calendar.span(window, path)
        if window.min is not None and window.min > window.budget:
            said = (
                f"min ({figure(window.min)}) is above the window's budget "
                f"({figure(window.budget)})."
            )
            calendar.faults.append(Fault(pointer_to(*path, "min"), "contradiction", said))
        if span is not None:
            out.append(Window(*span, window.budget, window.min))
    if out and message.budget is None and message.budget_change is None:
        have = {t for w in out for t in range(w.first, w.last + 1)}
        rest = [t for t in range(1, calendar.periods + 1) if t not in have]
        if rest and not calendar.faults:
            said = (
                f"Period {rest[0]} is in no window, so nothing says what may be spent there: give "
                "budget beside budget_windows, or windows for all periods."
            )
            calendar.faults.append(Fault("/budget", "required", said))
    return tuple(out)


def _or(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
