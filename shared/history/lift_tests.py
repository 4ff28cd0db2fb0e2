"""Lift tests of a spec, read and held against the history: what they measured, and what is odd.

A test changed what was spent on some dates. ``spend_change`` and ``outcome_change`` are what was
spent and what came in on those dates less what would have been, in all. The history holds the test
(``in_history``) where its rows are what was done, else it holds what would have been. A test that
can tell nothing, or that what was spent contradicts, is not used, and why is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.frequency import frequency, row_of, word
from shared.history.beliefs import check_lift_tests, objects
from shared.history.enough import yardstick_return
from shared.history.faults import FaultLog
from shared.history.table import Finding, History

__all__ = ["FINDINGS", "LiftTest", "amount", "lift_tests"]

Floats = NDArray[np.float64]

#: Codes of what is said of a test: it is not used; it is, and looks as if it were mistyped.
FINDINGS = ("lift_test_unused", "lift_test_doubtful")

_WRONG_SIDE = 2.0  # standard errors from which an outcome has moved, and not by chance
_OVER = 1.1  # times what was spent, by which less may have been spent: dates and bills differ a bit
_PLAUSIBLE = 10.0  # times the yardstick, a return that nobody expects
_NORMAL_99 = 2.326
_CLEAR = 4.0  # usual ups and downs of a stretch as long as the test, beyond which spend has moved
_LEVEL = 0.05  # of the usual spend: ups and downs are never taken to be less
_MILD = 0.05  # of the usual spend: a change that hardly any test is run with ...
_SHARP = 1e-3  # ... and of the outcome: an error that none has


@dataclass(frozen=True, slots=True)
class LiftTest:
    """One test of a channel, or of one campaign of it, everywhere or in one geo.

    Attributes
    ----------
    place
        In ``lift_tests``, from 0.
    spend_change, outcome_change, standard_error
        In all, over the test's periods.
    in_history
        False as well where the test ended before the history begins.
    first, last
        Rows of the history that are the test's first and last period; negative ones come before it.
    measured
        Row of the last period whose outcome counts.
    changed
        Rows of changed spend: all from first to last, or those of its bursts.
    usual
        Spend per period when there was no test; None where there was none.
    unused
        Why the test is not used; None where it is.
    doubts
        Sentences on what looks odd about a test that is used.
    """

    place: int
    channel: str
    campaign: str | None
    geo: str | None
    start: date
    end: date
    spend_change: float
    outcome_change: float
    standard_error: float
    in_history: bool
    first: int
    last: int
    measured: int
    changed: tuple[int, ...]
    unit: str
    usual: float | None = None
    unused: str | None = None
    geos: tuple[str, ...] | None = None
    doubts: tuple[str, ...] = ()

    @property
    def periods(self) -> int:
        """Those of changed spend."""
        return len(self.changed)

    @property
    def length(self) -> int:
        """Periods whose outcome counts."""
        return self.measured - self.first + 1

    @property
    def local(self) -> bool:
        """Whether it was not run everywhere."""
        return bool(self.geo or self.geos)

    def covers(self, geo: str) -> bool:
        """Whether it was run in a geo."""
        return geo in self.geos if self.geos is not None else self.geo in (None, geo)

    @property
    def name(self) -> str:
        """As sentences call it."""
        campaign = f"/{self.campaign}" if self.campaign else ""
        where = f" in {self.geo or f'{len(self.geos or ())} geos'}" if self.local else ""
        return f"Lift test {self.place + 1}, of '{self.channel}{campaign}'{where}"

    def findings(self) -> list[Finding]:
        """What is odd about it."""
        data = {"test": self.place, "channel": self.channel}
        if self.unused:
            text = f"{self.name}, is not used: {self.unused}."
            return [Finding(FINDINGS[0], text, data)]
        return [Finding(FINDINGS[1], f"{self.name}: {text}", data) for text in self.doubts]

    def told(self) -> dict[str, Any]:
        """The test read back, JSON-ready: in all, a period, as a share, and the return it means."""
        change, periods = self.spend_change, self.periods
        share = change / periods / self.usual if self.usual else None
        ends = sorted(
            (self.outcome_change + k * self.standard_error) / change
            for k in (-1.645, 1.645)
            if change
        )
        return {
            "test": self.place,
            "channel": self.channel,
            "campaign": self.campaign,
            "geo": self.geo,
            "geos": None if self.geos is None else list(self.geos),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "periods": periods,
            "measured_periods": self.length,
            "in_history": self.in_history,
            "spend_change": change,
            "spend_change_per_period": change / periods,
            "share_of_usual_spend": share,
            "outcome_change": self.outcome_change,
            "outcome_change_per_period": self.outcome_change / self.length,
            "standard_error": self.standard_error,
            "return": self.outcome_change / change if change else None,
            "return_interval": ends or None,
            "used": self.unused is None,
            "why_not": self.unused,
            "doubts": list(self.doubts),
            "text": self._sentence(share),
        }

    def _sentence(self, share: float | None) -> str:
        change, unit = self.spend_change, self.unit
        of_usual = "" if share is None else f", {abs(share):.0%} of the usual"
        money = f"{amount(abs(change))} {'more' if change > 0 else 'less'} was spent"
        came = f"{amount(abs(self.outcome_change))} {'more' if self.outcome_change > 0 else 'less'}"
        returned = f": {amount(self.outcome_change / change)} per unit of spend" if change else ""
        return (
            f"{self.name}, {self.start} to {self.end}: in {self.periods} "
            f"{unit}{'s' if self.periods > 1 else ''} {money} in all than would have been "
            f"({amount(abs(change) / self.periods)} a {unit}{of_usual}) "
            f"and {came} came in{self._over()}, give or take "
            f"{amount(self.standard_error)}{returned}."
        )

    def _over(self) -> str:
        """Over which periods, where they are others than those of the changed spend."""
        if self.length == self.periods:
            return ""
        return f" over {self.length} {self.unit}s"


def lift_tests(spec: Mapping[str, Any], history: History) -> tuple[LiftTest, ...]:
    """The tests of ``spec["lift_tests"]``, each with why it is not used, or with what is odd.

    Raises
    ------
    InvalidInput
        Unknown channels or geos, impossible dates or numbers, at their places.
    """
    given = objects(spec.get("lift_tests"))
    if not given:
        return ()
    panel, faults = history.panel(), FaultLog()
    declared = {str(item.get("channel")) for _, item in objects(spec.get("channels"))}
    geos = set(panel.geos) - {""}
    check_lift_tests(spec["lift_tests"], declared | set(history.channels), None, geos, (), faults)
    faults.stop_if_any()
    tests = [_placed(index, test, history) for index, test in given]
    busy: dict[str, NDArray[np.bool_]] = {}
    for test in tests:
        rows = busy.setdefault(test.channel, np.zeros(len(history.dates), dtype=bool))
        if test.in_history:
            rows[[row for row in test.changed if 0 <= row < rows.size]] = True
    usual = _PLAUSIBLE * (yardstick_return(history) or np.inf)
    highest = dict.fromkeys(busy, usual)
    for _, prior in objects(spec.get("priors")):
        name, median = str(prior.get("channel")), prior.get("roi_median")
        if name in highest and median:
            spread = _NORMAL_99 * (prior.get("roi_sd_log") or 0.5)
            highest[name] = max(usual, float(median * np.exp(spread)))
    return tuple(_judged(t, busy[t.channel], highest[t.channel], history) for t in tests)


def _placed(index: int, test: Mapping[str, Any], history: History) -> LiftTest:
    start, end = _dates(test)
    whole = _rows(start, end, history)
    first, last = whole[0], whole[-1]
    until = test.get("measured_until")
    measured = last if until is None else _row(date.fromisoformat(str(until)), history)[0]
    bursts = [_rows(*_dates(burst), history) for _, burst in objects(test.get("bursts"))]
    changed = sorted({row for rows in bursts for row in rows}) or range(first, last + 1)
    return LiftTest(
        place=index,
        channel=str(test["channel"]),
        campaign=test.get("campaign"),
        geo=test.get("geo"),
        geos=None if test.get("geos") is None else tuple(test["geos"]),
        start=start,
        end=end,
        spend_change=float(test["spend_change"]),
        outcome_change=float(test["outcome_change"]),
        standard_error=float(test["standard_error"]),
        in_history=test.get("in_history") is not False and last >= 0,
        first=first,
        last=last,
        measured=max(measured, last),
        changed=tuple(changed),
        unit=word(history.frequency),
    )


def _dates(given: Mapping[str, Any]) -> tuple[date, date]:
    return date.fromisoformat(str(given["start"])), date.fromisoformat(str(given["end"]))


def _rows(start: date, end: date, history: History) -> range:
    """Periods that begin within the dates; of dates shorter than one, that which holds them."""
    first, begun = _row(start, history)
    last, _ = _row(end, history)
    return range(min(first if begun else first + 1, last), last + 1)


def _row(day: date, history: History) -> tuple[int, bool]:
    """The row whose period holds a day, before and after the history too; whether it begins it."""
    dates, every = history.dates, frequency(history.frequency)
    row = row_of(dates, day, history.frequency)
    begins = dates[row] if 0 <= row < len(dates) else every.after(dates[0], row)
    return row, begins == day


def _judged(test: LiftTest, busy: NDArray[np.bool_], highest: float, history: History) -> LiftTest:
    panel = history.panel()
    arms = [m for m, (channel, arm) in enumerate(panel.arms) if channel == test.channel]
    if test.campaign is not None and {panel.arms[m][1] for m in arms} == {""}:
        return replace(test, unused="campaigns are added up in this fit")
    arms = [m for m in arms if test.campaign in (None, panel.arms[m][1])]
    geos = [g for g, name in enumerate(panel.geos) if test.covers(name)]
    spend = panel.spend[np.ix_(geos, range(len(history.dates)), arms)].sum(axis=(0, 2))
    if not spend.any():
        return replace(test, unused="there is no spend in the history that it could speak of")
    usual = float(spend[~busy].mean()) if not busy.all() else 0.0
    test = replace(test, usual=usual or None)
    after = f"after the history does ({max(history.dates)})"
    if test.last >= spend.size:
        return replace(test, unused=f"it ends on {test.end}, {after}")
    if test.measured >= spend.size:
        return replace(test, unused=f"its outcome is measured until {after}")
    unused = _tells_nothing(test, highest) or _against_history(test, spend, busy)
    if unused:
        return replace(test, unused=unused)
    outcome = panel.outcome[geos].sum(axis=0)
    return replace(test, doubts=tuple(_doubts(test, spend, busy, outcome)))


def _tells_nothing(test: LiftTest, highest: float) -> str | None:
    """Why no return up to ``highest`` could be read off the three numbers."""
    change, came, error = test.spend_change, test.outcome_change, test.standard_error
    if change == 0.0:
        return "spend did not change, so it cannot tell what spend brings"
    if change * came < 0.0 and abs(came) > _WRONG_SIDE * error:
        spent, moved = ("more", "less") if change > 0.0 else ("less", "more")
        return (
            f"{spent} was spent and {moved} came in, by {abs(came) / error:.1f} standard errors, "
            "which no return explains; spend_change and outcome_change are what was done less what "
            "would have been, both negative where a cut lost outcome"
        )
    if error > highest * abs(change):
        return (
            f"its standard error ({amount(error)}) is more than its change of spend would bring at "
            f"a return of {amount(highest)}, so it tells nothing of any return that could be"
        )
    return None


def _against_history(test: LiftTest, spend: Floats, busy: NDArray[np.bool_]) -> str | None:
    """Why what was spent on its dates cannot be what the test says, and what may have happened."""
    change, periods, unit = test.spend_change, test.periods, test.unit
    rows = spend[[row for row in test.changed if row >= 0]]
    recorded = float(rows.sum()) + (periods - rows.size) * (test.usual or 0.0)
    less = change if test.in_history else -change
    if less > _OVER * recorded:
        held = "the history has" if test.in_history else "without the test there was"
        return (
            f"it says that {amount(abs(change))} {'more' if change > 0 else 'less'} was spent in "
            f"all than would have been, but {held} {amount(recorded)} on its dates; spend_change "
            "is negative for a cut"
        )
    seen = _seen(test, spend, busy)
    if seen is None:
        return None
    by, wave = seen
    each = change / periods
    if abs(each) > max(4.0 * np.abs(by).max(), _CLEAR * wave):
        return (
            f"spend on its dates is as usual ({amount(float(rows.mean()))} a {unit}), though it "
            f"says {_signed(each)} a {unit}: check its dates, or say in_history: false where the "
            "history does not hold it"
        )
    if np.abs(by).min() <= _CLEAR * wave:
        return None
    went = f"spend on its dates differs from the usual by {_signed(float(by[0]))} a {unit}"
    if ((by / each >= -2.0) & (by / each <= -0.5)).all():
        return (
            f"{went}, and it says {_signed(each)}: the signs are turned round; spend_change is "
            "what was spent less what would have been"
        )
    if periods > 2 and ((by / change >= 1.0 / 1.6) & (by / change <= 1.6)).all():
        return (
            f"{went}, and it says {_signed(each)} a {unit}, {_signed(change)} in all: its numbers "
            f"seem to be for a {unit}; give spend_change, outcome_change and standard_error in all"
        )
    return None


def _seen(test: LiftTest, spend: Floats, busy: NDArray[np.bool_]) -> tuple[Floats, float] | None:
    """By how much spend a period was off the usual, and by how much such stretches are otherwise.

    The usual is that of all other rows, of those just before and of those just after: a new level
    that was kept is usual afterwards. None where the history does not hold the test, or is too
    short to know what is usual.
    """
    length = test.periods
    if not test.in_history or test.first < 0 or test.usual is None:
        return None
    sums = np.cumsum(np.concatenate([[0.0], spend]))
    taken = np.cumsum(np.concatenate([[0], busy]))
    means = (sums[length:] - sums[:-length]) / length
    means = means[taken[length:] == taken[:-length]]
    if means.size <= length:
        return None
    wave = max(float(np.std(means)), _LEVEL * test.usual)
    near = (
        slice(max(test.first - length, 0), test.first),
        slice(test.last + 1, test.last + 1 + length),
    )
    beside = [spend[rows][~busy[rows]] for rows in near]
    usual = [test.usual, *(float(rows.mean()) for rows in beside if rows.size)]
    return float(spend[list(test.changed)].mean()) - np.array(usual), wave


def _doubts(test: LiftTest, spend: Floats, busy: NDArray[np.bool_], outcome: Floats) -> list[str]:
    out = []
    unit, each = test.unit, test.spend_change / test.periods
    seen = _seen(test, spend, busy)
    if seen is not None:
        by, wave = seen
        other = (by * each < 0.0) & (np.abs(by) > max(0.5 * _CLEAR * wave, 0.5 * abs(each)))
        if other.all():
            went = "below" if each > 0.0 else "above"
            out.append(
                f"it says {_signed(each)} a {unit}, but spend on its dates was "
                f"{amount(abs(float(by[0])))} a {unit} {went} the usual."
            )
    came_in = float(np.nanmean(outcome)) * test.length if np.isfinite(outcome).any() else 0.0
    if (
        test.usual is not None
        and abs(each) < _MILD * test.usual
        and test.standard_error < _SHARP * came_in
    ):
        out.append(
            f"a change of {abs(each) / test.usual:.1%} of the usual spend with a standard error of "
            f"{test.standard_error / came_in:.2%} of the outcome is hardly ever seen: are its "
            f"numbers for a {unit}? They are to be in all."
        )
    return out


def amount(value: float) -> str:
    """An amount for reading: whole from a thousand on, else three digits.

    >>> amount(70321.4), amount(0.51234)
    ('70,321', '0.512')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '-'}{amount(abs(value))}"
