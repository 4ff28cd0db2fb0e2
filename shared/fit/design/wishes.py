"""What a spec asks of the baseline: trend, seasons, holidays, drift, features derived from others.

A feature (lag, average, share, ratio) is computed from its own period and the past. What would need
the future is refused by name: a ``lead`` of a column that nobody knows ahead, and a
``lagged_outcome`` that is fresher than the forecasts by which the fit is checked.

A feature of the spend that is itself being judged competes with that spend's own effect, so its
coefficient is held close to zero (and the data report says so).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.fit.design.calendar import horizon_of
from shared.frequency import word
from shared.history.table import History, Panel

__all__ = ["Wishes", "derived_columns", "read_features", "read_wishes"]

Floats = NDArray[np.float64]

_NEEDS_WINDOW = ("moving_average",)
_OVER_OTHERS = ("share_of_voice", "spend_ratio")
_SD = 1.0
_SD_OF_SPEND = 0.3

EVENTS = "events"
"""Name by which a feature speaks of the events column: 1 in a period with a label, else 0."""


@dataclass(frozen=True, slots=True)
class _DerivedFeature:
    """One derived column.

    ``sources`` and ``others`` are ("channel" | "control" | "outcome" | "events", place). ``known``
    says that the sources are known ahead of their date; ``media`` that spend of a channel is in it.
    """

    name: str
    kind: str
    sources: tuple[tuple[str, int], ...]
    others: tuple[tuple[str, int], ...] = ()
    window: int | None = None
    periods: int = 0
    known: bool = False

    @property
    def media(self) -> bool:
        """Whether a channel's spend is among what it is made of."""
        return any(role == "channel" for role, _ in (*self.sources, *self.others))


def read_features(
    spec: Mapping[str, Any], history: History
) -> tuple[tuple[_DerivedFeature, ...], list[Fault]]:
    """The features of a spec over the columns of ``history``, and every fault by pointer.

    Columns are named as in the table: a channel or its spend column, a control, the outcome, the
    events column.
    """
    places = _places(spec, history)
    horizon = horizon_of(len(history.dates), history.frequency)
    taken = set(history.control_names)
    out: list[_DerivedFeature] = []
    faults: list[Fault] = []
    for i, given in enumerate(spec.get("features") or ()):
        at = f"/features/{i}"
        before = len(faults)
        name, kind = str(given.get("name")), given.get("kind")
        if name in taken:
            text = f"There is a column or feature {name!r} already."
            faults.append(Fault(f"{at}/name", "duplicate_name", text))
        taken.add(name)
        column = given.get("column")
        others = [
            _find(places, of, f"{at}/of/{k}", faults) for k, of in enumerate(given.get("of") or ())
        ]
        source = None
        if column is not None:
            source = _find(places, column, f"{at}/column", faults)
        elif kind == "lagged_outcome":
            source = ("outcome", 0)
        elif kind not in _OVER_OTHERS:
            text = f"A {kind} needs the column that it is of."
            faults.append(Fault(f"{at}/column", "missing", text))
        sources = [source]
        if column is None and kind in _OVER_OTHERS:
            sources = [("channel", c) for c in range(len(history.channels))]
        feature = _DerivedFeature(
            name=name,
            kind=kind,
            sources=tuple(s for s in sources if s is not None),
            others=tuple(o for o in others if o is not None),
            window=given.get("window"),
            periods=_periods(given),
            known=bool(given.get("known_ahead")) or source == ("events", 0),
        )
        if len(faults) == before:
            faults += _faults(feature, given, at, history, horizon)
        if len(faults) == before:
            out.append(feature)
    return tuple(out), faults


def _places(spec: Mapping[str, Any], history: History) -> dict[str, tuple[str, int]]:
    """Where each name leads; later roles win, a channel's own name over all."""
    out: dict[str, tuple[str, int]] = {history.outcome_name: ("outcome", 0)}
    if spec.get("events"):
        out[str(spec["events"])] = ("events", 0)
    out.setdefault(EVENTS, ("events", 0))
    out |= {name: ("control", k) for k, name in enumerate(history.control_names)}
    number = {name: c for c, name in enumerate(history.channels)}
    for channel in spec.get("channels") or ():
        if channel.get("channel") in number and channel.get("spend"):
            out.setdefault(str(channel["spend"]), ("channel", number[channel["channel"]]))
    return out | {name: ("channel", c) for name, c in number.items()}


def _find(
    places: Mapping[str, tuple[str, int]], column: Any, at: str, faults: list[Fault]
) -> tuple[str, int] | None:
    if column in places:
        return places[column]
    text = (
        f"{column!r} is no channel, control, outcome or events column of this history. A column "
        "that only features use must be listed in 'controls' too."
    )
    faults.append(Fault(at, "unknown_column", text))
    return None


def _periods(given: Mapping[str, Any]) -> int:
    """How far to shift: one period where that is the feature's point and nothing was said."""
    if given.get("periods") is not None:
        return int(given["periods"])
    return 1 if given["kind"] in ("lag", "lead", "difference") else 0


def _faults(
    feature: _DerivedFeature, given: Mapping[str, Any], at: str, history: History, horizon: int
) -> list[Fault]:
    out: list[Fault] = []
    kind, rows = feature.kind, len(history.dates)
    each = word(history.frequency)
    roles = {role for role, _ in (*feature.sources, *feature.others)}
    if kind in _NEEDS_WINDOW and feature.window is None:
        text = "A moving average needs its window, in periods."
        out.append(Fault(f"{at}/window", "missing", text))
    if kind in _OVER_OTHERS and not feature.others:
        text = f"A {kind} needs 'of': the columns that it is to be compared with."
        out.append(Fault(f"{at}/of", "missing", text))
    for key, value in (("window", feature.window or 0), ("periods", feature.periods)):
        if value >= rows:
            text = f"{value} {each}s are not less than the {rows} of the history."
            out.append(Fault(f"{at}/{key}", "too_long", text))
    if kind == "lagged_outcome":
        if feature.sources != (("outcome", 0),):
            text = f"A lagged outcome is of {history.outcome_name!r}, the outcome."
            out.append(Fault(f"{at}/column", "not_the_outcome", text))
        if given.get("periods") is None or feature.periods < horizon:
            text = (
                f"{feature.name!r} would leak: the fit is checked by forecasts of {horizon} "
                f"{each}s, and an outcome of {feature.periods} before is not known "
                f"then. Use periods of at least {horizon}."
            )
            out.append(Fault(f"{at}/periods", "leak", text))
    elif "outcome" in roles:
        text = (
            f"{feature.name!r} would leak: the outcome is what is to be explained. Its own past "
            f"is the kind 'lagged_outcome' with periods of at least {horizon}."
        )
        out.append(Fault(f"{at}/column", "leak", text))
    if kind == "lead" and not feature.known and "outcome" not in roles:
        text = (
            f"{feature.name!r} would leak: it takes {given.get('column')!r} of "
            f"{feature.periods} {each}s later. Only what is known ahead may lead "
            "(events, or a list of prices or promotions with 'known_ahead': true)."
        )
        out.append(Fault(f"{at}/known_ahead", "leak", text))
    if kind == "lead" and "channel" in roles:
        text = "Spend of later periods cannot explain the outcome of earlier ones."
        out.append(Fault(f"{at}/column", "leak", text))
    return out


def derived_columns(
    history: History, panel: Panel, features: Sequence[_DerivedFeature], train: int
) -> list[tuple[str, Floats, float]]:
    """Name, values (G, T) and the prior sd of the coefficient of each feature's standardised form.

    Outcomes of periods that are not for training count as unknown; what is unknown (an outcome
    before the first row, a share of nothing) is the mean of what is known in training.
    """
    return [
        (
            f.name,
            _filled(_values(history, panel, f, train), train),
            _SD_OF_SPEND if f.media else _SD,
        )
        for f in features
    ]


def _source(history: History, panel: Panel, source: tuple[str, int], train: int) -> Floats:
    """(G, T) of one column."""
    role, place = source
    if role == "channel":
        of = [m for m, (channel, _) in enumerate(panel.arms) if channel == history.channels[place]]
        return np.asarray(panel.spend[:, :, of].sum(axis=2))
    if role == "control":
        return panel.controls[:, :, place]
    if role == "outcome":
        seen = panel.outcome.copy()
        seen[:, train:] = np.nan
        return seen
    labelled = np.array([bool(label) for label in history.events], dtype=np.float64)
    return np.tile(labelled, (len(panel.geos), 1))


def _values(history: History, panel: Panel, feature: _DerivedFeature, train: int) -> Floats:
    def total(sources: Sequence[tuple[str, int]]) -> Floats:
        out: Floats = np.sum([_source(history, panel, s, train) for s in sources], axis=0)
        return out

    column = total(feature.sources)
    kind, periods = feature.kind, feature.periods
    if kind == "lag":
        return _shifted(column, periods, column[:, :1])
    if kind == "lead":
        ahead = np.roll(column, -periods, axis=1)
        # No label is known beyond the last row; a price list is taken to stay as it is.
        last = 0.0 if feature.sources[0][0] == "events" else column[:, -1:]
        ahead[:, -periods:] = last
        return ahead
    if kind == "difference":
        return column - _shifted(column, periods, column[:, :1])
    if kind == "moving_average":
        return _shifted(_average(column, feature.window or 1), periods, column[:, :1])
    if kind == "cumulative":
        summed = np.cumsum(column, axis=1)
        if feature.window is not None:
            summed = summed - _shifted(summed, feature.window, np.zeros((len(column), 1)))
        return _shifted(summed, periods, np.zeros((len(column), 1)))
    if kind == "lagged_outcome":
        return _shifted(column, periods, np.full((len(column), 1), np.nan))
    own = feature.sources if kind == "share_of_voice" else ()
    # Own spend that is named in ``of`` too counts once.
    whole = total(tuple(dict.fromkeys((*own, *feature.others))))
    share = np.divide(column, whole, out=np.full_like(column, np.nan), where=whole > 0)
    return _shifted(share, periods, share[:, :1])


def _shifted(column: Floats, periods: int, before: Floats) -> Floats:
    """Each value ``periods`` later; the first rows hold ``before`` (G, 1)."""
    if periods == 0:
        return column
    filled = np.tile(before, (1, periods))
    return np.concatenate([filled, column[:, :-periods]], axis=1)


def _average(column: Floats, window: int) -> Floats:
    """Mean of a period and the ``window - 1`` before it, or of as many as there are."""
    summed = np.cumsum(column, axis=1)
    earlier = _shifted(summed, window, np.zeros((len(column), 1)))
    count = np.minimum(np.arange(1, column.shape[1] + 1), window)
    return (summed - earlier) / count


def _filled(values: Floats, train: int) -> Floats:
    """What is unknown as the mean of what a geo's training rows know (0 where they know none)."""
    out = values.copy()
    for row in out:
        known = row[:train][np.isfinite(row[:train])]
        row[~np.isfinite(row)] = known.mean() if known.size else 0.0
    return out


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
        "bends" once a year, "linear", or "none".
    seasons
        What may differ: ``history.spec.Season``.
    features
        Columns derived from others, in the spec's order.
    """

    country: str | None = None
    before: int = 0
    after: int = 0
    wander: bool | None = None
    trend: str | None = None
    seasons: tuple[str, ...] | None = None
    features: tuple[_DerivedFeature, ...] = ()


def read_wishes(spec: Mapping[str, Any], history: History) -> Wishes:
    """Read the baseline's part of a spec (as ``read_spec`` lets it pass) for a ``history``.

    Raises
    ------
    InvalidInput
        Features that cannot be had or would leak, by pointer.
    """
    model = spec.get("model") or {}
    country = spec.get("holidays_country") or None
    faults: list[Fault] = []
    trend, seasons = model.get("trend"), model.get("seasonality")
    days: list[int] = []
    for key in ("holidays_lead", "holidays_lag"):
        value = model.get(key)
        if value and country is None:
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
