"""The spec of a history: which column plays which role, and what the fit should know besides.

The models here are the spec: its form, its defaults, its documentation and what OpenAPI says of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints

from shared.errors import InvalidInput
from shared.frequency import Named
from shared.history.faults import FaultLog
from shared.shapes import Strict, validated

__all__ = ["COMBINED", "ChannelRole", "Day", "LiftTest", "Spec", "check_columns", "read_spec"]

COMBINED = "combined value"
"""Name of several outcomes added up at their values: money, whatever their own units."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Finite = Annotated[float, Field(ge=-1e15, le=1e15)]
Spread = Annotated[float, Field(gt=0, le=1e15)]
Season = Literal["year", "day_of_week", "month", "quarter"]

_UNITS = {"micros": 1e-6, "cents": 0.01, "thousands": 1e3, "millions": 1e6}


class SpecPart(Strict):
    """A part of the spec."""

    def but(self, **changes: Any) -> Self:
        """The same with some fields other than they are, taken as given."""
        return self.model_copy(update=changes)


class ChannelRole(SpecPart):
    """A channel and its columns; of a long table's channels none need be named."""

    channel: Name
    spend: Name | None = Field(None, description="Column of the spend; wide histories need it.")
    impressions: Name | None = None
    exposure: Literal["spend", "impressions"] | None = Field(
        None, description="What works on people: the money, or the impressions that it bought."
    )
    saturation: Name | None = Field(None, description="Family to fit; chosen where left out.")
    adstock: Name | None = Field(None, description="Family to fit; chosen where left out.")
    role: Literal["demand_creation", "demand_capture"] | None = Field(
        None,
        description="What it is bought for: whether it creates demand or captures demand that is "
        "there (search, affiliates, retargeting); proposed by its name where left out.",
    )
    scale: Spread | Literal["micros", "cents", "thousands", "millions"] | None = Field(
        None,
        description="What one unit of the spend as written is worth: 0.000001 (or 'micros') where "
        "it is in millionths, an exchange rate where it is in another currency than the rest.",
    )
    currency: Name | None = Field(
        None,
        description="What its spend is in, if not in 'currency': 'rates' say its worth.",
    )
    aliases: list[Name] | None = Field(
        None, max_length=1000, description="Other names of the channel in a long table's rows."
    )

    @property
    def priced(self) -> bool:
        """Whether the spec says what its spend is worth."""
        return self.scale is not None or self.currency is not None

    @property
    def worth(self) -> float | None:
        """What one unit of the spend as written is worth; None where nothing is said of it."""
        return _UNITS[self.scale] if isinstance(self.scale, str) else self.scale

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; what is not said is left out."""
        return self.model_dump(exclude_none=True)


class SpecOutcome(SpecPart):
    """One of several outcomes that are added up at what one unit of each is worth."""

    column: Name
    value: Finite
    times: Name | None = Field(
        None, description="Column that each row is multiplied by: the revenue of one conversion."
    )


class Product(SpecPart):
    """An outcome that is one column times another: conversions times the revenue of each."""

    product: list[Name] = Field(min_length=2, max_length=2)


class Rate(SpecPart):
    """What one unit of a currency is worth in the currency of the spec."""

    currency: Name
    rate: Spread
    start: Day | None = Field(
        None,
        description="First day that it holds for, until the next start of the same currency; the "
        "earliest holds before its start as well.",
    )


class Control(SpecPart):
    """A control, and what its cells say."""

    column: Name
    kind: Literal["number", "yes_no", "category", "percent"] | None = Field(
        None,
        description="Numbers; words for yes and no (1 and 0); labels, each but the commonest a "
        "control of its own; percents. Told by the cells where left out.",
    )


class GeoRole(SpecPart):
    """A geo and the other names that rows have for it."""

    geo: Name
    aliases: list[Name] = Field(max_length=1000)


class Prior(SpecPart):
    """What is believed of a channel's return before the data: a log-normal."""

    channel: Name
    roi_median: Spread
    roi_sd_log: Spread


class Burst(SpecPart):
    """One stretch of changed spend."""

    start: Day
    end: Day


class LiftTest(SpecPart):
    """The result of an experiment: what was done on its dates less what would have been done.

    Spend, outcome and error are in all, over all its periods and all that it was run on.
    """

    channel: Name
    campaign: Name | None = Field(
        None, description="The one campaign whose spend was changed; the whole channel by default."
    )
    start: Day = Field(description="First day of the changed spend.")
    end: Day = Field(description="Last day of it.")
    spend_change: Finite = Field(
        description="Spent on its dates less what would have been spent, in all: negative for a "
        "cut or a switch-off."
    )
    outcome_change: Finite = Field(
        description="Outcome of its dates less what it would have been, in all."
    )
    standard_error: Spread = Field(description="Of outcome_change, in all.")
    geo: Name | None = Field(None, description="Where it was run; everywhere by default.")
    geos: list[Name] | None = Field(
        None, min_length=1, max_length=1000, description="The same, where it was run in several."
    )
    experiment: Name | None = Field(
        None, description="Id of the stored experiment that it is the result of."
    )
    measured_until: Day | None = Field(
        None,
        description="Last day whose outcome counts, where a cool-down follows the changed spend; "
        "end by default.",
    )
    bursts: list[Burst] | None = Field(
        None,
        max_length=100,
        description="The stretches of changed spend within start and end, where it was as usual "
        "between them; all of start to end by default.",
    )
    in_history: bool | None = Field(
        None,
        description="Whether the history's rows hold the changed spend, as they do by default; "
        "false where they hold what would have been.",
    )


class Feature(SpecPart):
    """A control derived from a column: known at its date, so that no forecast looks ahead."""

    name: Name
    kind: Literal[
        "lag",
        "lead",
        "moving_average",
        "cumulative",
        "difference",
        "share_of_voice",
        "spend_ratio",
        "lagged_outcome",
    ]
    column: Name | None = None
    window: Annotated[int, Field(ge=1, le=1000)] | None = None
    periods: Annotated[int, Field(ge=1, le=1000)] | None = None
    known_ahead: bool | None = Field(
        None, description="Whether the column is known before its date: a list of prices, say."
    )
    of: list[Name] | None = Field(None, max_length=1000)


class Model(SpecPart):
    """Which model is fitted."""

    kind: Literal["bayesian", "ridge", "time_series"] | None = Field(
        None,
        description="A full posterior (bayesian, the default); penalised regression in Robyn's "
        "manner (ridge); exponential curves whose strength moves month by month (time_series).",
    )
    saturation: Name | None = None
    adstock: Name | None = None
    interactions: Literal["auto", "all", "none"] | list[list[Name]] | None = Field(
        None,
        description="Pairs of channels to fit; every pair, shrunk towards none ('all'); or those "
        "that the data clearly show, looked for where left out ('auto').",
    )
    time_varying_baseline: bool | None = Field(
        None, description="Whether the level drifts; decided by evidence where left out."
    )
    trend: Literal["auto", "bends", "linear", "none"] | None = Field(
        None, description="A line that may bend once a year, a straight line, or a level."
    )
    seasonality: Literal["auto"] | list[Season] | None = Field(
        None, description="Fourier terms of the year, and dummies; both chosen where left out."
    )
    holidays_lead: Annotated[int, Field(ge=0, le=60)] | None = Field(
        None, description="Days before a public holiday that have an effect of their own."
    )
    holidays_lag: Annotated[int, Field(ge=0, le=60)] | None = Field(
        None, description="Days after a public holiday that have an effect of their own."
    )
    campaigns: bool | None = Field(None, description="Curves by campaign where there are any.")
    noise: Literal["auto", "gaussian", "student_t"] | None = None


class Spec(SpecPart):
    """Roles of the columns of a history.

    What is left out is guessed and reported; ``null`` says that there is no such column.
    """

    date: Name | None = Field(None, description="Column of the date: the start of each period.")
    outcome: Name | Product | None = Field(
        None, description="Column of the outcome, or the product of two."
    )
    outcome_unit: Literal["money", "count"] | None = Field(
        None,
        description="Whether the outcome is money in the currency of the spend, or a count "
        "(conversions, visits); decided by its name where left out.",
    )
    frequency: Named | None = None
    currency: Name | None = None
    channels: list[ChannelRole] | None = Field(None, min_length=1, max_length=10_000)
    controls: list[Name | Control] | None = Field(None, max_length=1000)
    ignore: list[Name] | None = Field(
        None, max_length=2000, description="Columns that are rightly not used."
    )
    events: Name | None = Field(None, description="Column of event labels, empty where none.")
    geo: Name | None = Field(None, description="Column of the geography.")
    geos: list[GeoRole] | None = Field(
        None, max_length=10_000, description="Geos that rows spell in several ways."
    )
    holidays_country: Annotated[str, Field(min_length=2, max_length=2)] | None = None
    priors: list[Prior] | None = Field(None, max_length=10_000)
    lift_tests: list[LiftTest] | None = Field(None, max_length=10_000)
    model: Model | None = None
    outcomes: list[SpecOutcome] | None = Field(None, min_length=1, max_length=100)
    features: list[Feature] | None = Field(None, max_length=100)
    challengers: bool | None = None
    decimal: Literal[".", ","] | None = Field(
        None, description="The decimal mark of numbers that can be read two ways, such as 1.234."
    )
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        None, description="The mark between thousands of such numbers, in place of 'decimal'."
    )
    day_first: bool | None = Field(
        None, description="Whether the day stands first in dates that can be read two ways."
    )
    header_row: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="The row that names the columns; the first that can where left out."
    )
    sheet: Name | None = Field(
        None, description="The sheet of a workbook; the only one with a table where left out."
    )
    channel_column: Name | None = Field(
        None, description="Column that names the channel of each row."
    )
    campaign_column: Name | None = Field(
        None, description="Column that names the campaign of each row, within its channel."
    )
    outcome_column: Name | None = Field(None, description="Column of the outcome, as 'outcome'.")
    currency_column: Name | None = Field(
        None, description="Column that names the currency of each row; 'rates' says their worth."
    )
    rates: list[Rate] | None = Field(
        None,
        max_length=200,
        description="What one unit of each other currency is worth in 'currency', by date or "
        "throughout.",
    )
    duplicates: Literal["refuse", "sum"] | None = Field(
        None,
        description="Several rows of one period, geo, channel and campaign: refused, or added up.",
    )
    drop_totals: bool | None = Field(
        None,
        description="Whether rows of totals and notes are left out: true takes all rows at the end "
        "without a date for totals, false keeps all; those that are plainly such by default.",
    )

    @property
    def control_kinds(self) -> dict[str, str | None]:
        """The columns of controls, and of each what its cells say; None where they tell."""
        return {
            item if isinstance(item, str) else item.column: None
            if isinstance(item, str)
            else item.kind
            for item in self.controls or ()
        }

    @property
    def mark(self) -> str | None:
        """The decimal mark of numbers that can be read two ways; None where nothing is said."""
        return self.decimal or {".": ",", ",": "."}.get(self.thousands or "")

    @property
    def fit(self) -> dict[str, Any]:
        """What only the fit reads (priors, lift tests, model, holidays), as given."""
        given = {key for key in _FOR_THE_FIT if key in self.model_fields_set}
        return self.model_dump(include=given, exclude_unset=True)

    @property
    def outcome_columns(self) -> tuple[tuple[str, float], ...]:
        """Columns that make the outcome, and what one unit of each counts; () where not known."""
        if self.outcomes is not None:
            return tuple((item.column, item.value) for item in self.outcomes)
        return ((str(self.outcome), 1.0),) if self.outcome else ()

    @property
    def factors(self) -> dict[str, str]:
        """Columns that outcomes are multiplied by row by row, by the outcome's column."""
        return {item.column: item.times for item in self.outcomes or () if item.times}

    @property
    def outcome_name(self) -> str:
        """What the outcome is called in answers; "" where not known."""
        return COMBINED if self.outcomes is not None else str(self.outcome or "")

    def to_dict(self) -> dict[str, Any]:
        """The JSON form. Null where a role is not played, absent where it is not known.

        So what one table leaves open (a long history its outcome) may still be guessed from
        another when the completed spec is read again.
        """
        own = set(type(self).model_fields) - set(_FOR_THE_FIT) - {"channels"}
        out = self.model_dump(include=own, exclude_none=True)
        out |= {key: out[key] or None for key in ("events", "geo") if key in out}
        if self.channels:
            out["channels"] = [role.to_dict() for role in self.channels]
        return {**out, "currency": self.currency, **self.fit}


_FOR_THE_FIT = (
    "holidays_country",
    "priors",
    "lift_tests",
    "model",
    "features",
    "challengers",
    "outcome_unit",
)


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
    spec, wrong = validated(Spec, dict(data))
    if spec is None:
        raise InvalidInput(wrong)
    if isinstance(spec.outcome, Product) and spec.outcomes is None:
        column, times = spec.outcome.product
        whole = SpecOutcome(column=column, value=1.0, times=times)
        spec = spec.but(outcome=None, outcomes=[whole])
    if spec.holidays_country is not None and (text := _no_country(spec.holidays_country)):
        faults.add("/holidays_country", "unknown_value", text)
    if spec.outcome_column is not None:
        if spec.outcome not in (None, spec.outcome_column) or spec.outcomes is not None:
            text = "The spec names the outcome twice: leave 'outcome_column' or the other out."
            faults.add("/outcome_column", "conflict", text)
        spec = spec.but(outcome=spec.outcome_column, outcome_column=None)
    _check_channels(spec, faults)
    _check_geos(spec, faults)
    _check_rates(spec, faults)
    if spec.outcomes is not None and spec.outcome is not None:
        text = "The spec names one outcome and several to be added up: leave one of the two out."
        faults.add("/outcome", "conflict", text)
    if spec.decimal is not None and spec.decimal == spec.thousands:
        text = f"'{spec.decimal}' cannot be both the decimal mark and that of thousands."
        faults.add("/thousands", "conflict", text)
    for index, item in enumerate(spec.outcomes or ()):
        if item.value == 0:
            text = "An outcome of value 0 counts for nothing: leave it out."
            faults.add(f"/outcomes/{index}/value", "no_value", text)
    _no_column_twice(spec, faults)
    faults.stop_if_any()
    # null says "there is none", an absent field says "look for one"
    empty: dict[str, Any] = {"events": "", "geo": "", "controls": []}
    return spec.but(**{key: none for key, none in empty.items() if data.get(key, ...) is None})


def _check_channels(spec: Spec, faults: FaultLog) -> None:
    names: set[str] = set()
    for index, role in enumerate(spec.channels or ()):
        at = f"/channels/{index}/channel"
        if "/" in role.channel or "|" in role.channel:
            faults.add(
                at,
                "bad_name",
                f"'{role.channel}': '/' and '|' separate campaigns and geos and cannot be in a "
                "name.",
            )
        for name in (role.channel, *(role.aliases or ())):
            if name in names:
                faults.add(at, "duplicate_channel", f"Channel '{name}' is there twice.")
            names.add(name)


def _check_geos(spec: Spec, faults: FaultLog) -> None:
    names: set[str] = set()
    for index, item in enumerate(spec.geos or ()):
        for name in (item.geo, *item.aliases):
            if name in names:
                faults.add(f"/geos/{index}", "duplicate_geo", f"Geo '{name}' is there twice.")
            names.add(name)


def _check_rates(spec: Spec, faults: FaultLog) -> None:
    """One rate of a currency for every day, and one for every channel that is in another."""
    known = {item.currency.upper() for item in spec.rates or ()}
    seen: set[tuple[str, str | None]] = set()
    for index, item in enumerate(spec.rates or ()):
        key = (item.currency.upper(), item.start)
        if key in seen:
            text = f"There are two rates of {item.currency} from the same day on."
            faults.add(f"/rates/{index}", "conflict", text)
        seen.add(key)
    for index, role in enumerate(spec.channels or ()):
        other = (role.currency or "").upper() not in {"", (spec.currency or "").upper(), *known}
        if other and role.scale is None:
            text = (
                f"Nothing says what one unit of {role.currency} is worth: give it under 'rates', "
                f"or as 'scale' of channel '{role.channel}'."
            )
            faults.add(f"/channels/{index}/currency", "no_rate", text)


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


def _places(spec: Spec) -> list[tuple[str, str]]:
    """Every column the spec names, with the pointer to where."""
    places = [
        (f"/{key}", name)
        for key, name in (("date", spec.date), ("outcome", spec.outcome), ("events", spec.events))
        if isinstance(name, str) and name
    ]
    places += [(f"/outcomes/{i}/column", own.column) for i, own in enumerate(spec.outcomes or ())]
    times = [(f"/outcomes/{i}/times", own.times) for i, own in enumerate(spec.outcomes or ())]
    places += [(where, name) for where, name in times if name]
    named = ("geo", "channel_column", "campaign_column", "currency_column")
    places += [(f"/{key}", name) for key in named if (name := getattr(spec, key))]
    for index, role in enumerate(spec.channels or ()):
        if role.spend:
            places.append((f"/channels/{index}/spend", role.spend))
        if role.impressions:
            places.append((f"/channels/{index}/impressions", role.impressions))
    places += [(f"/controls/{i}", name) for i, name in enumerate(spec.control_kinds)]
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


def check_columns(spec: Spec, header: Iterable[str], faults: FaultLog) -> None:
    """Add a fault for every column that the spec names and no table has."""
    known = dict.fromkeys(header)
    for where, name in _places(spec):
        if name not in known:
            text = f"There is no column '{name}'."
            faults.add_unknown(where, "unknown_column", text, name, known)
