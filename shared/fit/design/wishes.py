"""What a spec asks of the baseline: trend, seasons, holidays, drift, derived features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import Fault, InvalidInput
from shared.fit.design.calendar import SEASONS
from shared.fit.design.derived import DerivedFeature, read_features
from shared.history.table import History

__all__ = ["TRENDS", "Wishes", "read_wishes"]

#: ``model.trend``: a line that may bend once a year, a straight line, or a level.
TRENDS = ("bends", "linear", "none")
_FARTHEST = 60  # days around a holiday


@dataclass(frozen=True, slots=True)
class Wishes:
    """Wishes about the baseline; what is None is chosen by the length of the history.

    Attributes
    ----------
    country
        ISO code whose public holidays count, or None.
    before, after
        Days before and after each public holiday that have an effect of their own.
    wander
        Whether the level may drift besides its trend (``model.time_varying_baseline``); where a
        model cannot choose, None is no.
    trend
        One of ``TRENDS``.
    seasons
        Any of ``SEASONS``.
    features
        Columns derived from others, in the spec's order.
    """

    country: str | None = None
    before: int = 0
    after: int = 0
    wander: bool | None = None
    trend: str | None = None
    seasons: tuple[str, ...] | None = None
    features: tuple[DerivedFeature, ...] = ()


def read_wishes(spec: Mapping[str, Any], history: History) -> Wishes:
    """Read the baseline's part of a spec; ``history`` says which columns there are.

    Raises
    ------
    InvalidInput
        Unknown trends and seasons, features that cannot be had or would leak, by pointer.
    """
    model = spec.get("model") or {}
    country = spec.get("holidays_country") or None
    faults: list[Fault] = []
    trend = model.get("trend")
    if trend not in (None, "auto", *TRENDS):
        text = f"A fit knows no trend {trend!r}: 'auto', {', '.join(map(repr, TRENDS))}."
        faults.append(Fault("/model/trend", "unknown_value", text))
    seasons = model.get("seasonality")
    if isinstance(seasons, Sequence) and not isinstance(seasons, str):
        for i, season in enumerate(seasons):
            if season not in SEASONS:
                text = f"A fit knows no season {season!r}: {', '.join(map(repr, SEASONS))}."
                faults.append(Fault(f"/model/seasonality/{i}", "unknown_value", text))
    elif seasons not in (None, "auto"):
        text = f"'seasonality' is a list of {', '.join(map(repr, SEASONS))}."
        faults.append(Fault("/model/seasonality", "wrong_type", text))
    days: list[int] = []
    for key in ("holidays_lead", "holidays_lag"):
        value = model.get(key)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and 0 <= value <= _FARTHEST):
            text = f"'{key}' is a number of days from 0 to {_FARTHEST}."
            faults.append(Fault(f"/model/{key}", "wrong_type", text))
            value = 0
        elif value and country is None:
            text = f"'{key}' needs spec.holidays_country: whose holidays?"
            faults.append(Fault(f"/model/{key}", "missing", text))
        days.append(value or 0)
    drift = model.get("time_varying_baseline")
    features, wrong = read_features(spec, history)
    faults += wrong
    if faults:
        raise InvalidInput(faults)
    return Wishes(
        country=country,
        before=days[0],
        after=days[1],
        wander=None if drift is None else bool(drift),
        trend=None if trend == "auto" else trend,
        seasons=None if seasons in (None, "auto") else tuple(seasons),
        features=features,
    )
