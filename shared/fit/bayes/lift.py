"""Lift tests as part of the likelihood: what an experiment said of a channel or one campaign.

A test raised (or cut) a channel's spend by ``spend_change`` in all, evenly over its periods, and
the outcome over the same periods moved by ``outcome_change``, known to ``standard_error``. The
model's own answer is the channel's media with the changed spend less those without, over the test's
periods; the difference is normal. A test of a whole channel changes its campaigns in proportion to
their mean spend; a test of one campaign speaks of that one, and of its siblings through the
channel that they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.fit.design.calendar import period_after
from shared.fit.design.design import Design

__all__ = ["Lift", "read_lifts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lift:
    """One test on the arms of one channel, or of one campaign of it.

    Attributes
    ----------
    arms
        (J,) arms whose spend was changed.
    lags
        (J, 2 W, L): scaled spend of W periods with the change, then without it.
    change, error
        Outcome that the test found in all, and its standard error, in outcome units.
    """

    arms: Ints
    lags: Floats
    change: float
    error: float

    @property
    def sign(self) -> Floats:
        """(2 W,) 1 for rows with the change, -1 for those without."""
        half = self.lags.shape[1] // 2
        return np.repeat([1.0, -1.0], half)


def read_lifts(
    spec: Mapping[str, Any],
    design: Design,
    names: Sequence[str],
    dates: Sequence[date],
) -> tuple[Lift, ...]:
    """The tests of ``spec["lift_tests"]`` that ended before the training rows did.

    Parameters
    ----------
    names
        Of the design's active channels.
    dates
        Of all T periods.

    Raises
    ------
    InvalidInput
        Unknown channels or geos, impossible dates or numbers, at their places.
    """
    faults: list[Fault] = []
    out: list[Lift] = []
    declared = {str(c.get("channel")) for c in spec.get("channels") or ()} | set(names)
    for index, test in enumerate(spec.get("lift_tests") or ()):
        at = f"/lift_tests/{index}"
        start, end = _day(test, "start", at, faults), _day(test, "end", at, faults)
        error, change = test.get("standard_error"), test.get("outcome_change")
        spent = test.get("spend_change")
        name, geo, campaign = test.get("channel"), test.get("geo"), test.get("campaign")
        if name not in declared:
            faults.append(
                Fault(f"{at}/channel", "unknown_channel", f"No channel is called {name!r}.")
            )
        if geo is not None and geo not in design.geos:
            faults.append(Fault(f"{at}/geo", "unknown_geo", f"No geo is called {geo!r}."))
        for key, number in (("outcome_change", change), ("spend_change", spent)):
            if number is None or not np.isfinite(number) or (key == "spend_change" and not number):
                faults.append(
                    Fault(f"{at}/{key}", "not_a_number", f"{key} must be a number other than 0.")
                    if key == "spend_change"
                    else Fault(f"{at}/{key}", "not_a_number", f"{key} must be a number.")
                )
        if error is None or not (np.isfinite(error) and error > 0):
            faults.append(
                Fault(f"{at}/standard_error", "not_positive", "standard_error must be above 0.")
            )
        if start is not None and end is not None and end < start:
            faults.append(
                Fault(f"{at}/end", "ends_before_start", "The test ends before it starts.")
            )
        if faults or start is None or end is None or name not in names:
            continue
        if end >= period_after(dates[design.train - 1], design.frequency):
            continue  # what is to be forecast must not be known
        place = list(names).index(name)
        arms = np.array(
            [
                a
                for a, arm in enumerate(design.arms)
                if arm.channel == place
                and geo in (None, design.geos[arm.geo])
                and campaign in (None, arm.campaign)
            ],
            dtype=np.int64,
        )
        lift = _lift(design, arms, dates, start, end, test)
        if lift is not None:
            out.append(lift)
    if faults:
        raise InvalidInput(faults)
    return tuple(out)


def _lift(
    design: Design,
    arms: Ints,
    dates: Sequence[date],
    start: date,
    end: date,
    test: Mapping[str, Any],
) -> Lift | None:
    if arms.size == 0:
        return None
    rows = [t for t, day in enumerate(dates[: design.train]) if start <= day <= end]
    if rows:
        base = design.lags[arms][:, rows]
    else:
        # Before the history began: at the mean spend, for as many periods as the test lasted.
        days = {"day": 1.0, "week": 7.0, "month": 30.4}[design.frequency]
        length = max(1, round(((end - start).days + 1) / days))
        level = design.mean_spend[arms] / design.spend_scale[arms]
        shape = (arms.size, length, design.lags.shape[2])
        base = np.broadcast_to(level[:, None, None], shape)
    periods = base.shape[1]
    share = design.mean_spend[arms] / design.mean_spend[arms].sum()
    added = float(test["spend_change"]) * share / design.spend_scale[arms] / periods
    # Only periods since the test began have the change among their lags.
    touched = np.arange(base.shape[2])[None, :] <= np.arange(periods)[:, None]
    changed = np.maximum(base + added[:, None, None] * touched, 0.0)
    return Lift(
        arms=arms,
        lags=np.concatenate([changed, base], axis=1),
        change=float(test["outcome_change"]),
        error=float(test["standard_error"]),
    )


def _day(test: Mapping[str, Any], key: str, at: str, faults: list[Fault]) -> date | None:
    try:
        return date.fromisoformat(str(test.get(key)))
    except ValueError:
        faults.append(Fault(f"{at}/{key}", "not_a_date", f"{key} must be a date, YYYY-MM-DD."))
        return None
