"""Meridian (Google): its response curves as points, or its posterior as curves with draws.

``Analyzer.response_curves`` gives, per channel, the incremental outcome of multiples of the
historical spend, both summed over all periods: divided by their number, they are a table.

A posterior row gives, per geo, ``beta * population * outcome_scale * Hill(u; ec, slope)`` per
period, with u the adstocked media units over ``population * scale``. Its adstock is a weighted mean
over ``max_lag + 1`` periods: weights of sum one, so sustained spend keeps its size.

Sources: "Media saturation and lagging" and the model specification on
developers.google.com/meridian; the documentation of ``Analyzer.response_curves``,
``MediaTransformer`` and ``AdstockTransformer`` in google/meridian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shared.curves.imports.imported import Imported, Observed, Spends, binomial, geometric, weighted
from shared.curves.imports.reading import (
    USUAL_DRAWS,
    Csv,
    Draws,
    Facts,
    Trouble,
    read_draws,
    read_table,
)
from shared.curves.saturation import Hill, Tabulated

__all__ = ["read_meridian"]

_MAX_LAG = 8
"""Meridian's own default."""

_ORDER_NOTE = (
    "Hill comes before adstock in this model. For sustained spend that is the curve without "
    "carryover, exactly; carryover between periods is left out."
)


def read_meridian(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], spends: Spends, trouble: Trouble
) -> tuple[list[Imported], list[str]]:
    """Every channel of the export, with notes on what was taken for granted."""
    if asked.get("response_curves_csv"):
        return _points(asked, facts, trouble)
    if asked.get("posterior_csv"):
        return _posterior(asked, facts, spends, trouble)
    trouble.missing("/response_curves_csv", "Give response_curves_csv, or posterior_csv.")
    return [], []


def _points(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], trouble: Trouble
) -> tuple[list[Imported], list[str]]:
    wanted = ("channel", "spend", "incremental_outcome")
    table = read_table(asked, "response_curves_csv", wanted, trouble)
    periods = asked.get("periods")
    if periods is None:
        text = (
            "Meridian's response curves are sums over all periods: say over how many (periods), "
            "so that they can be put per period."
        )
        trouble.missing("/periods", text)
    if table is None or periods is None:
        return [], []
    spend = table.numbers("spend", trouble)
    outcome = table.numbers("incremental_outcome", trouble)
    many = "spend_multiplier" in table.columns
    multiples = table.numbers("spend_multiplier", trouble) if many else [float("nan")] * len(spend)
    metrics = table.column("metric") if "metric" in table.columns else ["mean"] * len(spend)
    places: dict[str, list[int]] = {}
    for i, name in enumerate(table.column("channel")):
        if metrics[i] == "mean":
            places.setdefault(name, []).append(i)
    if trouble.faults:
        return [], []
    read = []
    for name, rows in places.items():
        rows.sort(key=lambda i: spend[i])
        money = [spend[i] / periods for i in rows]
        today = next((spend[i] / periods for i in rows if abs(multiples[i] - 1.0) < 1e-9), None)
        try:
            curve = Tabulated(tuple(money), tuple(outcome[i] / periods for i in rows))
        except ValueError as error:
            trouble.add(
                f"/response_curves_csv/rows/{rows[0] + 2}",
                "invalid_curve",
                f"The curve of {name} cannot be used: {error}",
            )
            continue
        pointer = facts[name].pointer if name in facts else "/response_curves_csv"
        seen = Observed(min=0.0, mean=today, max=money[-1], last=today)
        read.append(Imported(name, pointer, curve=curve, observed=seen))
    note = "These points hold for spend spread over the periods as it was in the history."
    return read, [note]


def _posterior(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], spends: Spends, trouble: Trouble
) -> tuple[list[Imported], list[str]]:
    table = read_table(asked, "posterior_csv", (), trouble)
    if table is None:
        return [], []
    places = _places(table, trouble)
    columns = {name: _column(table, name, trouble) for name in ("alpha", "ec", "slope", "beta")}
    outcome_scale, scale_of = asked.get("outcome_scale"), {}
    if outcome_scale is None:
        text = "outcome_scale is missing: the deviation that Meridian divided the outcome by."
        trouble.missing("/outcome_scale", text)
    if trouble.faults:
        return [], []
    found = {ours: column for ours, column in columns.items() if column is not None}
    most = asked.get("most_draws") or USUAL_DRAWS
    draws = read_draws(table, places, found, most, trouble)
    if draws is None or outcome_scale is None:
        return [], []
    people = {g["geo"]: float(g["population"]) for g in asked.get("geos") or ()}
    for name in draws.values:
        geo, _, channel = name.rpartition("|")
        fact = facts.get(name) or facts.get(channel)
        if fact is None or fact.scale is None:
            text = (
                f"The scale of {channel} is missing: the median of its media units per head that "
                "Meridian divided by. Give it under channels."
            )
            place = "/channels" if fact is None else f"{fact.pointer}/scale"
            trouble.missing(place, text)
        else:
            scale_of[name] = (fact, fact.scale * people.get(geo, 1.0))
        if geo and geo not in people:
            trouble.missing("/geos", f"The population of {geo!r} is missing: give it under geos.")
    if trouble.faults:
        return [], []
    read = []
    for name, values in draws.values.items():
        geo = name.rpartition("|")[0]
        fact, scale = scale_of[name]
        unit = scale * (1.0 if fact.spend_per_unit is None else fact.spend_per_unit)
        made = _arm(name, values, draws, asked, unit, outcome_scale * people.get(geo, 1.0), trouble)
        if made is not None:
            observed = spends.observed(name, trouble) or Observed()
            read.append(Imported(name, fact.pointer, observed=observed, **made))
    return read, [_ORDER_NOTE] if asked.get("hill_before_adstock") else []


def _arm(
    name: str,
    values: Mapping[str, Sequence[float]],
    draws: Draws,
    asked: Mapping[str, Any],
    unit: float,
    outcome: float,
    trouble: Trouble,
) -> dict[str, Any] | None:
    length = (_MAX_LAG if asked.get("max_lag") is None else int(asked["max_lag"])) + 1
    decay = float(np.mean(values["alpha"]))
    family = asked.get("adstock") or "geometric"
    if family not in ("geometric", "binomial"):
        text = f"Unknown adstock {family!r}; Meridian has geometric and binomial."
        trouble.add("/adstock", "unknown_family", text)
        return None
    weights = geometric(decay, length) if family == "geometric" else binomial(decay, length, length)
    try:
        adstock = None if asked.get("hill_before_adstock") else weighted(weights, normalised=True)
        curves = tuple(
            Hill(beta, ec, slope).scaled(1.0 / unit).times(outcome)
            for beta, ec, slope in zip(values["beta"], values["ec"], values["slope"], strict=True)
        )
    except ValueError as error:
        text = f"The curve of {name} cannot be used: {error}"
        trouble.add("/posterior_csv", "invalid_curve", text)
        return None
    if draws.drawn:
        return {"draws": curves, "adstock": adstock}
    return {"curve": curves[0], "adstock": adstock}


def _places(table: Csv, trouble: Trouble) -> list[str]:
    """The columns that name a channel: one geo alone is the nation."""
    channel = table.first_of(("media_channel", "channel"))
    if channel is None:
        text = "posterior_csv has no column media_channel (or channel)."
        trouble.add("/posterior_csv/columns/media_channel", "missing_column", text)
        return []
    if "geo" in table.columns and len(set(table.column("geo"))) > 1:
        return ["geo", channel]
    return [channel]


def _column(table: Csv, name: str, trouble: Trouble) -> str | None:
    found = table.first_of((f"{name}_m", f"{name}_gm", name))
    if found is None:
        text = f"posterior_csv has no column {name}_{'gm' if name == 'beta' else 'm'}."
        trouble.add(f"/posterior_csv/columns/{name}_m", "missing_column", text)
    return found
