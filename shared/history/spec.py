"""The spec of a history: which column plays which role, and what the fit should know besides.

Whether an outcome is money or a count says what a unit of spend can be expected to bring: a return
in money per money has a natural size, one in conversions per money has none. The spec
says which it is (``outcome_unit``); where it does not, the outcome's name is all there is to go by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from shared.history.faults import FaultLog, escape
from shared.history.periods import FREQUENCIES
from shared.history.reading import TextTable

__all__ = ["ChannelRole", "Spec", "check_columns", "outcome_unit", "read_spec"]

_FIELDS = (
    "date",
    "outcome",
    "frequency",
    "currency",
    "channels",
    "controls",
    "events",
    "geo",
    "holidays_country",
    "priors",
    "lift_tests",
    "model",
    "outcomes",
    "features",
    "challengers",
    "outcome_unit",
    "decimal",
)
_FOR_THE_FIT = (
    "holidays_country",
    "priors",
    "lift_tests",
    "model",
    "features",
    "challengers",
    "outcome_unit",
)
_OF_A_CHANNEL = ("channel", "spend", "impressions", "exposure", "saturation", "adstock", "scale")
_DECIMALS = (".", ",")
_EXPOSURES = ("spend", "impressions")

_COMBINED = "combined value"
"""Name of several outcomes added up at their values: money, whatever their own units."""

_UNITS = ("money", "count")

_MONEY = re.compile(
    r"revenue|sales|gmv|turnover|income|profit|margin|value|earning|receipts|umsatz|ca_ht|net_?sale",
    re.IGNORECASE,
)
_NOT_MONEY = re.compile(r"units?\b|count|number|orders|leads|conversions|quantity|_qty", re.I)


@dataclass(frozen=True, slots=True)
class ChannelRole:
    """A channel and its columns; of a long table's channels both columns are None.

    ``exposure`` says what works on people: the spend, or the impressions it bought. ``saturation``
    and ``adstock`` are families that the fit is to use, as given. ``scale`` is what one unit of the
    spend as written is worth (a millionth, an exchange rate), None where nothing is said of it.
    """

    channel: str
    spend: str | None = None
    impressions: str | None = None
    exposure: str | None = None
    saturation: Any = None
    adstock: Any = None
    scale: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; what is not said is left out."""
        given = {key: getattr(self, key) for key in _OF_A_CHANNEL}
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Spec:
    """Roles of columns. None means "not said": it may be guessed; ``()`` or "" mean "none".

    ``fit`` holds what only the fit reads (priors, lift tests, model, holidays), as given.
    ``outcomes`` are columns that are added up, each at the value of one unit; ``outcome`` is None
    then. ``decimal`` is the decimal mark of numbers that can be read two ways.
    """

    date: str | None = None
    outcome: str | None = None
    frequency: str | None = None
    currency: str | None = None
    channels: tuple[ChannelRole, ...] | None = None
    controls: tuple[str, ...] | None = None
    events: str | None = None
    geo: str | None = None
    fit: Mapping[str, Any] = field(default_factory=dict)
    outcomes: tuple[tuple[str, float], ...] | None = None
    decimal: str | None = None

    @property
    def outcome_columns(self) -> tuple[tuple[str, float], ...]:
        """Columns that make the outcome, and what one unit of each counts; () where not known."""
        if self.outcomes is not None:
            return self.outcomes
        return ((self.outcome, 1.0),) if self.outcome else ()

    @property
    def outcome_name(self) -> str:
        """What the outcome is called in answers; "" where not known."""
        return _COMBINED if self.outcomes is not None else self.outcome or ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form of API.md. Null where a role is not played, absent where it is not known.

        So what one table leaves open (a long history its outcome) may still be guessed from
        another when the completed spec is read again.
        """
        out: dict[str, Any] = {
            "date": self.date,
            "outcome": self.outcome,
            "frequency": self.frequency,
            "channels": self.channels and [role.to_dict() for role in self.channels],
            "controls": None if self.controls is None else list(self.controls),
            "decimal": self.decimal,
        }
        out = {key: value for key, value in out.items() if value is not None}
        for key, value in (("events", self.events), ("geo", self.geo)):
            if value is not None:
                out[key] = value or None
        if self.outcomes is not None:
            out["outcomes"] = [{"column": name, "value": value} for name, value in self.outcomes]
        return {**out, "currency": self.currency, **self.fit}


def read_spec(data: Any) -> Spec:
    """Validate a spec's own form; columns are checked against a table by ``check_columns``.

    Raises
    ------
    InvalidInput
        Every fault, with a pointer into the spec.

    Examples
    --------
    >>> read_spec({"date": "week", "channels": [{"channel": "tv", "spend": "spend_tv"}]}).date
    'week'
    """
    faults = FaultLog()
    if data is None:
        return Spec()
    if not isinstance(data, Mapping):
        faults.add("", "wrong_type", "The spec must be an object.")
        faults.stop_if_any()
    for key in data:
        if key not in _FIELDS:
            text, where = f"The spec has no field '{key}'.", f"/{escape(str(key))}"
            faults.add_unknown(where, "unknown_field", text, str(key), _FIELDS)
    frequency = _text(data, "frequency", faults)
    if frequency is not None and frequency not in FREQUENCIES:
        faults.add(
            "/frequency",
            "unknown_value",
            f"'{frequency}' is no frequency: 'day', 'week' or 'month'.",
        )
    unit = _text(data, "outcome_unit", faults)
    if unit is not None and unit not in _UNITS:
        text = f"'{unit}' is no unit of an outcome: 'money' or 'count'."
        faults.add("/outcome_unit", "unknown_value", text)
    decimal = _text(data, "decimal", faults)
    if decimal is not None and decimal not in _DECIMALS:
        text = f"'{decimal}' is no decimal mark: '.' or ','."
        faults.add("/decimal", "unknown_value", text)
    country = _text(data, "holidays_country", faults)
    if country is not None and (text := _no_country(country)):
        faults.add("/holidays_country", "unknown_value", text)
    spec = Spec(
        date=_text(data, "date", faults),
        outcome=_text(data, "outcome", faults),
        frequency=frequency,
        currency=_text(data, "currency", faults),
        channels=_channels(data, faults),
        controls=_controls(data, faults),
        # null says "there is none", an absent field says "look for one"
        events=_text(data, "events", faults) or ("" if "events" in data else None),
        geo=_text(data, "geo", faults) or ("" if "geo" in data else None),
        fit={key: data[key] for key in _FOR_THE_FIT if key in data},
        outcomes=_outcomes(data, faults),
        decimal=decimal,
    )
    _no_column_twice(spec, faults)
    faults.stop_if_any()
    return spec


def _no_country(code: str) -> str:
    """What is wrong with a country's code; "" where its holidays are known."""
    if not (len(code) == 2 and code.isalpha() and code.isascii()):
        return f"'{code}' is no two-letter country code such as 'US'."
    import holidays  # only where a country is named: it takes a third of a second

    known = holidays.list_supported_countries(include_aliases=True)
    if code in known:
        return ""
    if code.upper() in known:
        return f"Country codes are in capitals: '{code.upper()}', not '{code}'."
    return f"No holidays are known of a country '{code}' (ISO 3166: 'US', 'GB', 'DE', ...)."


def _text(data: Mapping[str, Any], key: str, faults: FaultLog, at: str = "") -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        faults.add(f"{at}/{key}", "wrong_type", f"'{key}' must be text of 1 to 200 characters.")
        return None
    return value.strip()


def _channels(data: Mapping[str, Any], faults: FaultLog) -> tuple[ChannelRole, ...] | None:
    given = data.get("channels")
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        faults.add("/channels", "wrong_type", "'channels' must be a list of at least one channel.")
        return None
    out: list[ChannelRole] = []
    names: set[str] = set()
    for index, item in enumerate(given):
        at = f"/channels/{index}"
        if not isinstance(item, Mapping):
            faults.add(at, "wrong_type", "A channel must be an object.")
            continue
        for key in item:
            if key not in _OF_A_CHANNEL:
                text = f"A channel of the spec has no field '{key}'."
                where = f"{at}/{escape(str(key))}"
                faults.add_unknown(where, "unknown_field", text, str(key), _OF_A_CHANNEL)
        name = _text(item, "channel", faults, at)
        if name is None:
            if item.get("channel") is None:
                faults.add(f"{at}/channel", "missing", "Every channel needs a name.")
            continue
        if "/" in name or "|" in name:
            faults.add(
                f"{at}/channel",
                "bad_name",
                f"'{name}': '/' and '|' separate campaigns and geos and cannot be in a name.",
            )
        if name in names:
            faults.add(f"{at}/channel", "duplicate_channel", f"Channel '{name}' is there twice.")
        names.add(name)
        exposure = _text(item, "exposure", faults, at)
        if exposure is not None and exposure not in _EXPOSURES:
            text = f"'{exposure}' is no exposure: 'spend' or 'impressions'."
            faults.add(f"{at}/exposure", "unknown_value", text)
        out.append(
            ChannelRole(
                name,
                _text(item, "spend", faults, at),
                _text(item, "impressions", faults, at),
                exposure,
                item.get("saturation"),
                item.get("adstock"),
                _scale(item, at, faults),
            )
        )
    return tuple(out)


def _scale(item: Mapping[str, Any], at: str, faults: FaultLog) -> float | None:
    value = item.get("scale")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e15:
        text = (
            "'scale' must be a number above 0, at most 1e15: what one unit of the spend as written "
            "is worth."
        )
        faults.add(f"{at}/scale", "wrong_type", text)
        return None
    return float(value)


def _controls(data: Mapping[str, Any], faults: FaultLog) -> tuple[str, ...] | None:
    given = data.get("controls")
    if given is None:
        return None if "controls" not in data else ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.add("/controls", "wrong_type", "'controls' must be a list of column names.")
        return None
    out = []
    for index, name in enumerate(given):
        if not isinstance(name, str) or not name.strip():
            faults.add(f"/controls/{index}", "wrong_type", "A control must be a column's name.")
        else:
            out.append(name.strip())
    return tuple(out)


def _outcomes(data: Mapping[str, Any], faults: FaultLog) -> tuple[tuple[str, float], ...] | None:
    """Columns of a combined outcome with the value of one unit of each."""
    given = data.get("outcomes")
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        faults.add("/outcomes", "wrong_type", "'outcomes' must be a list of at least one outcome.")
        return None
    if data.get("outcome") is not None:
        text = "The spec names one outcome and several to be added up: leave one of the two out."
        faults.add("/outcome", "conflict", text)
    out: list[tuple[str, float]] = []
    for index, item in enumerate(given):
        at = f"/outcomes/{index}"
        if not isinstance(item, Mapping):
            faults.add(at, "wrong_type", "An outcome must be an object of column and value.")
            continue
        for key in item:
            if key not in ("column", "value"):
                text = f"An outcome has no field '{key}': it has column and value."
                faults.add(f"{at}/{escape(str(key))}", "unknown_field", text)
        column, value = _text(item, "column", faults, at), item.get("value")
        if column is None and item.get("column") is None:
            faults.add(f"{at}/column", "missing", "Every outcome needs its column.")
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            text = "'value' must be a number: what one unit of the outcome is worth."
            faults.add(f"{at}/value", "wrong_type", text)
        elif value == 0:
            text = "An outcome of value 0 counts for nothing: leave it out."
            faults.add(f"{at}/value", "no_value", text)
        elif column is not None:
            out.append((column, float(value)))
    return tuple(out)


def _places(spec: Spec) -> list[tuple[str, str]]:
    """Every column the spec names, with the pointer to where."""
    places = [
        (f"/{key}", name)
        for key, name in (("date", spec.date), ("outcome", spec.outcome), ("events", spec.events))
        if name
    ]
    places += [(f"/outcomes/{i}/column", name) for i, (name, _) in enumerate(spec.outcomes or ())]
    if spec.geo:
        places.append(("/geo", spec.geo))
    for index, role in enumerate(spec.channels or ()):
        if role.spend:
            places.append((f"/channels/{index}/spend", role.spend))
        if role.impressions:
            places.append((f"/channels/{index}/impressions", role.impressions))
    places += [(f"/controls/{i}", name) for i, name in enumerate(spec.controls or ())]
    return places


def _no_column_twice(spec: Spec, faults: FaultLog) -> None:
    first: dict[str, str] = {}
    for where, name in _places(spec):
        # in a long table all channels share the column of the spend
        shared = where.startswith("/channels/") and first.get(name, "").startswith("/channels/")
        if name in first and not (shared and where.split("/")[-1] == first[name].split("/")[-1]):
            faults.add(
                where, "column_used_twice", f"Column '{name}' already has a role at {first[name]}."
            )
        first.setdefault(name, where)


def check_columns(spec: Spec, tables: Sequence[TextTable], faults: FaultLog) -> None:
    """Add a fault for every column that the spec names and no table has."""
    known = dict.fromkeys(name for table in tables for name in table.header)
    for where, name in _places(spec):
        if name not in known:
            text = f"There is no column '{name}'."
            faults.add_unknown(where, "unknown_column", text, name, known)


@dataclass(frozen=True, slots=True)
class _OutcomeUnit:
    """``unit`` is one of ``_UNITS``; ``said`` is False where only the name speaks for it."""

    unit: str
    said: bool

    @property
    def money(self) -> bool:
        return self.unit == "money"


def outcome_unit(spec: Mapping[str, Any], name: str) -> _OutcomeUnit:
    """What the spec says of an outcome's unit, else what the outcome's name suggests.

    >>> outcome_unit({}, "net_sales"), outcome_unit({"outcome_unit": "count"}, "net_sales").unit
    (OutcomeUnit(unit='money', said=False), 'count')
    >>> outcome_unit({}, "sales_units").unit
    'count'
    """
    said = spec.get("outcome_unit")
    if said in _UNITS:
        return _OutcomeUnit(str(said), True)
    if spec.get("outcomes"):
        return _OutcomeUnit("money", True)  # added up at what one unit of each is worth
    money = bool(_MONEY.search(name)) and not _NOT_MONEY.search(name)
    return _OutcomeUnit("money" if money else "count", False)
