"""Plans that were adopted: what was planned, what was done, and what came, period by period.

The forecast is judged given the spend that was executed, one period ahead: the curves' response to
it over a baseline whose level, trend and season were pinned when the plan was adopted. What a plan
adds is never seen in such a series; only lift tests and staggered adoption show that.

A dataset's past errors, over all its adopted plans, widen the intervals of what is stated next:
their squared scale is ``(8 + sum of z^2) / (8 + n)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.curves.curveset import NORMAL_95, CurveSet
from shared.errors import InvalidInput, NotFound
from shared.figures import number, plural
from shared.frequency import frequency
from shared.history.spec import Day
from shared.history.table import History
from shared.learn.baseline import LEAST, Baseline, media_of
from shared.learn.charts import cusum, limit, whitened
from shared.shapes import WHOLE, Strict
from shared.store.ledgers import Ledgers

__all__ = ["Adoption", "Tracking", "scale_of"]

Array = NDArray[np.float64]
Ledger = dict[str, Any]

_USUAL = 13
_ALARMS_A_YEAR = 2.0
_PRIOR = 8.0
_OFF = 0.1  # of the money planned for a channel
_TELLS = 6  # periods from which on level and response are told apart


class Adoption(Strict):
    """A plan is now followed: from what day, and for how many periods."""

    start: Day
    periods: Annotated[int, Field(ge=1, le=520), WHOLE] | None = Field(
        None, description="Of a plan of one period; 13 unless given. One over time has its own."
    )


class Tracking:
    """All adopted plans of one store.

    Parameters
    ----------
    plan
        A kept plan of a dataset, or None.
    history
        A dataset's history, or None.
    curves
        A dataset's curves of a version.
    """

    def __init__(
        self,
        ledgers: Ledgers,
        plan: Callable[[str, str], Mapping[str, Any] | None],
        history: Callable[[str], History | None],
        curves: Callable[[str, str], CurveSet],
    ) -> None:
        self._ledgers, self._plan = ledgers, plan
        self._history, self._curves = history, curves

    def adopt(self, dataset: str, name: str, asked: Adoption) -> dict[str, Any]:
        """Follow a plan from a day on; adopted again in the same way, it is what it was.

        Raises
        ------
        NotFound
            No such plan, or no longer kept.
        InvalidInput
            Too little history before that day to judge by.
        WriteConflict
            It was adopted otherwise already.
        """
        spec = {"plan": name, **asked.model_dump(exclude_none=True)}
        try:
            found = self._ledgers.read(dataset, name)
        except NotFound:
            found = None
        if found is None or found["spec"] != spec:
            self._ledgers.create(dataset, name, self._begun(dataset, name, spec, asked))
        return self.course(dataset, name)

    def _begun(
        self, dataset: str, name: str, spec: dict[str, Any], asked: Adoption
    ) -> dict[str, Any]:
        kept = self._plan(dataset, name)
        if kept is None:
            raise NotFound(
                f"The dataset {dataset!r} has no plan {name[:60]!r}: plans are kept for 30 days. "
                "Ask for it anew."
            )
        answer, request = kept["answer"], kept["request"]
        version = request["curves_version"]
        curves, history = self._curves(dataset, version), self._history(dataset)
        start = _day(asked.start)
        planned = _planned(answer, asked.periods)
        base = None if history is None else Baseline.of(history, curves, start)
        if base is None:
            text = (
                f"To judge a plan takes {LEAST} periods of history before it begins; there are "
                "fewer. Upload more, or adopt it later."
            )
            raise InvalidInput.at("/start", "too_little_history", text)
        n, square = _errors_so_far(self._others(dataset, name))
        totals = answer["totals"]
        return {
            "spec": spec,
            "curves_version": version,
            "planned": planned,
            "base": base.to_dict(),
            "earlier": {"periods": n, "square": square},
            "stated": {
                key: totals.get(key)
                for key in ("spend", "outcome", "outcome_interval", "uplift", "uplift_interval")
            },
            "summary": {"periods": 0, "square": 0.0, "alarms": []},
        }

    def course(self, dataset: str, name: str) -> dict[str, Any]:
        """How an adopted plan goes: each period planned, done and come, alarms, calibration."""
        ledger = self._ledgers.read(dataset, name)
        return {"dataset": dataset, **self._course(dataset, ledger)}

    def summary(self, dataset: str) -> dict[str, Any] | None:
        """What a dataset's answer tells of its adopted plans; None where there are none."""
        ledgers = [self._ledgers.read(dataset, name) for name in self._ledgers.names(dataset)]
        if not ledgers:
            return None
        n, square = _errors_so_far(ledgers)
        plans = [
            {
                "plan": ledger["spec"]["plan"],
                "start": ledger["spec"]["start"],
                "periods": len(next(iter(ledger["planned"].values()))),
                "compared": ledger["summary"]["periods"],
                "alarms": ledger["summary"]["alarms"],
            }
            for ledger in ledgers
        ]
        scale = scale_of(n, square)
        return {"plans": plans, "compared": n, "scale": scale, "explanation": _summed(plans, scale)}

    def night(self, dataset: str) -> int:
        """Compare all adopted plans with what is known by now; how many there are."""
        count = 0
        for name in list(self._ledgers.names(dataset)):
            try:
                told = self._course(dataset, self._ledgers.read(dataset, name))
            except (NotFound, InvalidInput):
                continue  # without its history or curves there is nothing to compare
            summary = {
                "periods": told["calibration"]["periods"],
                "square": told["calibration"]["square"],
                "alarms": told["alarms"],
            }

            def noted(ledger: Ledger, new: dict[str, Any] = summary) -> Ledger | None:
                return None if ledger["summary"] == new else {**ledger, "summary": new}

            self._ledgers.change(dataset, name, noted)
            count += 1
        return count

    def _others(self, dataset: str, name: str) -> list[Ledger]:
        names = [other for other in self._ledgers.names(dataset) if other != name]
        return [self._ledgers.read(dataset, other) for other in names]

    def _course(self, dataset: str, ledger: Ledger) -> dict[str, Any]:
        curves = self._curves(dataset, ledger["curves_version"])
        history = self._history(dataset)
        if history is None:
            raise NotFound(f"The dataset {dataset!r} has no history.")
        plans = 1 + len(self._others(dataset, ledger["spec"]["plan"]))
        return _compared(ledger, curves, history, plans)


# -- comparing ------------------------------------------------------------------------------------


def _compared(ledger: Ledger, curves: CurveSet, history: History, plans: int) -> dict[str, Any]:
    """Planned, done and come, period by period, with limits, alarms and calibration."""
    base, planned = Baseline.from_dict(ledger["base"]), ledger["planned"]
    start, count = _day(ledger["spec"]["start"]), len(next(iter(planned.values())))
    rows = [t for t, day in enumerate(history.dates) if day >= start][:count]
    days = [history.dates[t] for t in rows]
    media = media_of(history, curves)[rows]
    x = base.rows(days) if days else np.zeros((0, base.coefficients.size))
    every = frequency(history.frequency)
    ahead = base.rows([every.after(start, k) for k in range(count)])
    forecast = x @ base.coefficients + media
    outcome = history.outcome[rows]
    e = outcome - forecast
    # The error before the first is that of the past only where no period lies between.
    joined = bool(days) and days[0] == every.after(base.past[-1], 1)
    z = whitened(e, base.before if joined else math.nan, base.memory, base.size)
    most = _ALARMS_A_YEAR / plans * count / every.per_year
    h = limit(base.rows(base.past), ahead, base.memory, most)
    ups, downs, alarms = cusum(z, h)
    last = np.concatenate(([base.before if joined else math.nan], e[:-1])) if days else e
    expected = forecast + base.memory * np.nan_to_num(last)
    n, square = ledger["earlier"]["periods"], ledger["earlier"]["square"]
    told, periods = [], 0
    own = 0.0
    for i, (t, day) in enumerate(zip(rows, days, strict=True)):
        half = NORMAL_95 * base.size * scale_of(n + periods, square + own)
        if not math.isfinite(float(last[i])):
            half /= math.sqrt(1.0 - base.memory**2)
        seen = math.isfinite(float(z[i]))
        told.append(
            {
                "period": day.isoformat(),
                "planned": math.fsum(spends[i] for spends in planned.values()),
                "done": float(history.spend[t].sum()),
                "forecast": float(expected[i]),
                "forecast_interval": [float(expected[i]) - half, float(expected[i]) + half],
                "outcome": float(outcome[i]) if seen else None,
                "z": float(z[i]) if seen else None,
                "above": float(ups[i]),
                "below": float(downs[i]),
                "alarm": int(alarms[i]),
            }
        )
        if seen:
            periods, own = periods + 1, own + float(z[i]) ** 2
    raised = _unexecuted(ledger, history, rows)
    if np.any(alarms != 0):
        raised.append(_reason(z, alarms, days, media, base))
    return {
        "plan": ledger["spec"]["plan"],
        "start": ledger["spec"]["start"],
        "curves_version": ledger["curves_version"],
        "stated": ledger["stated"],
        "periods": told,
        "limit": h,
        "alarms": raised,
        "calibration": {
            "periods": periods,
            "square": own,
            "scale": scale_of(n + periods, square + own),
        },
        "explanation": _explained(told, periods, scale_of(n + periods, square + own), raised),
    }


def scale_of(periods: int, square: float) -> float:
    """By what intervals are to be multiplied after errors with that sum of squares."""
    return math.sqrt((_PRIOR + square) / (_PRIOR + periods))


def _errors_so_far(ledgers: Sequence[Ledger]) -> tuple[int, float]:
    each = [ledger["summary"] for ledger in ledgers]
    return sum(s["periods"] for s in each), math.fsum(s["square"] for s in each)


def _unexecuted(ledger: Ledger, history: History, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Channels whose money was not spent as planned, over the periods so far."""
    off = []
    for channel, spends in sorted(ledger["planned"].items()):
        planned = math.fsum(spends[: len(rows)])
        done = 0.0
        if channel in history.channels:
            done = float(history.spend[rows, history.channels.index(channel)].sum())
        if rows and abs(done - planned) > _OFF * max(planned, 1e-9):
            off.append(f"{channel} ({number(done)} of {number(planned)})")
    if not off:
        return []
    text = f"Spent otherwise than planned by more than {_OFF:.0%}: {', '.join(off)}."
    return [{"code": "spend_not_executed", "message": text, "period": None}]


def _reason(
    z: Array, alarms: NDArray[np.int8], days: Sequence[date], media: Array, base: Baseline
) -> dict[str, Any]:
    """Whether errors come with the level, or with what media were to bring."""
    at = int(np.flatnonzero(alarms)[-1])
    side = "above" if alarms[at] > 0 else "below"
    own = np.isfinite(z)
    code, why = "outcome_off", "there are too few periods to tell level and response apart"
    if int(own.sum()) >= _TELLS:
        moved = media.copy()
        moved[1:] -= base.memory * media[:-1]
        moved = (moved / base.size)[own]
        if float(moved.std()) <= 0.02 * max(float(np.abs(moved).mean()), 1e-9):
            why = "spend hardly varied, so that level and response cannot be told apart"
        else:
            x = np.stack((np.ones(moved.size), moved - moved.mean()), axis=1)
            level, slope = np.linalg.lstsq(x, z[own], rcond=None)[0].tolist()
            each = (
                abs(level) * math.sqrt(moved.size),
                abs(slope) * float(moved.std()) * math.sqrt(moved.size),
            )
            if each[1] > each[0]:
                code, why = "response_off", "the errors go with what the spend was to bring"
            else:
                code, why = "level_off", "the errors do not go with the spend: look for what else "
                why += "changed"
    text = f"The outcome runs {side} the forecast (alarm at {days[at].isoformat()}): {why}."
    return {"code": code, "message": text, "period": days[at].isoformat()}


def _summed(plans: Sequence[Mapping[str, Any]], scale: float) -> list[str]:
    """The adopted plans of a dataset in sentences."""
    out = []
    for plan in plans:
        text = (
            f"The plan {plan['plan']}, adopted from {plan['start']}: {plan['compared']} of "
            f"{plural(plan['periods'], 'period')} compared"
        )
        told = [alarm["message"] for alarm in plan["alarms"]]
        out.append(f"{text}. {' '.join(told)}" if told else f"{text}, no alarm.")
    if any(plan["compared"] for plan in plans):
        out.append(f"Errors so far multiply the intervals of forecasts by {number(scale)}.")
    return out


def _explained(
    told: Sequence[Mapping[str, Any]], periods: int, scale: float, raised: Sequence[Any]
) -> list[str]:
    if periods == 0:
        return ["Nothing has come yet of the periods of this plan."]
    inside = sum(
        row["forecast_interval"][0] <= row["outcome"] <= row["forecast_interval"][1]
        for row in told
        if row["outcome"] is not None
    )
    out = [
        (
            f"Of {plural(periods, 'period')}, {inside} came inside the 90 % interval of the "
            "forecast given the spend that was executed."
        ),
        f"Errors so far multiply the next intervals by {number(scale)}.",
    ]
    if not raised:
        out.append("No alarm: nothing speaks against the forecast.")
    out.append(
        "What the plan adds beyond the spend before it is not seen here; a lift test or a "
        "staggered adoption shows it."
    )
    return out


def _planned(answer: Mapping[str, Any], periods: int | None) -> dict[str, list[float]]:
    """Money by channel and period."""
    out = {}
    for row in answer["allocation"]:
        each = row.get("periods")
        if each and len(each) > 1:
            out[row["channel"]] = [float(period["spend"]) for period in each]
        else:
            out[row["channel"]] = [float(row["spend"])] * (periods or _USUAL)
    return out


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput.at("/start", "invalid_date", f"{text!r} is no day.") from None
