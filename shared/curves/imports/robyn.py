"""Robyn (Meta): an exported model, or a row of its Pareto tables.

A channel's response is ``coef * x^alpha / (x^alpha + inflexion^alpha)`` with x the adstocked spend
and ``inflexion`` at the share ``gamma`` of the largest adstocked value within the modelling window
(before version 3.12: of its range). Geometric adstock has no end and is not normalised; Weibull
adstock has the length of the data, and its scale parameter is a quantile of that length.

Sources: the documentation of ``robyn_write``, ``robyn_response``, ``saturation_hill`` and
``adstock_weibull`` in facebookexperimental/Robyn, version 3.12.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock, Geometric
from shared.curves.imports.imported import (
    Imported,
    Observed,
    Spends,
    weibull_cdf,
    weibull_pdf,
    weighted,
)
from shared.curves.imports.reading import Facts, Trouble, number_of, read_table
from shared.curves.saturation import Hill

__all__ = ["read_robyn"]

Floats = NDArray[np.float64]

_ADSTOCKS = ("geometric", "weibull_cdf", "weibull_pdf")
_WINDOW = ("rollingWindowStartWhich", "rollingWindowEndWhich")


@dataclass(frozen=True, slots=True)
class _Exported:
    """What Robyn's exports say, however they were written."""

    adstock: str
    hyperparameters: Mapping[str, float]
    coefficients: Mapping[str, float]
    window: tuple[int, int] | None
    spends_of: Mapping[str, str]
    left_out: frozenset[str]
    gamma_of: str
    mean_spend: Mapping[str, float]


def read_robyn(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], spends: Spends, trouble: Trouble
) -> tuple[list[Imported], list[str]]:
    """Every paid channel of the model, with notes on what was taken for granted."""
    model = _exported(asked, trouble) if asked.get("model") else _pareto(asked, trouble)
    if model is None:
        return [], []
    notes = [f"The inflexion lies at the share gamma of the {model.gamma_of} of adstocked spend."]
    names = [name[: -len("_alphas")] for name in model.hyperparameters if name.endswith("_alphas")]
    read = []
    for name in names:
        if name not in model.left_out:
            found = _channel(name, model, asked, facts.get(name), spends, trouble)
            if found is not None:
                read.append(found)
    return read, notes


def _channel(
    name: str,
    model: _Exported,
    asked: Mapping[str, Any],
    facts: Facts | None,
    spends: Spends,
    trouble: Trouble,
) -> Imported | None:
    place = "/channels" if facts is None else facts.pointer
    values = {key: model.hyperparameters.get(f"{name}_{key}") for key in _needed(model.adstock)}
    coefficient = model.coefficients.get(name)
    for key, value in values.items():
        if value is None:
            trouble.missing("/model", f"The export has no {name}_{key}.")
    if coefficient is None:
        trouble.missing("/model", f"The export has no coefficient of {name}.")
    elif coefficient < 0.0:
        text = f"The coefficient of {name} is negative: more spend would bring less."
        trouble.add("/model", "negative_response", text)
        return None
    unit = 1.0 if facts is None or facts.spend_per_unit is None else facts.spend_per_unit
    if name in model.spends_of and (facts is None or facts.spend_per_unit is None):
        text = (
            f"The curve of {name} takes exposures, not money: give its spend_per_unit "
            f"(what one costs) under channels."
        )
        trouble.missing(place if facts is None else f"{place}/spend_per_unit", text)
        return None
    if coefficient is None or any(value is None for value in values.values()):
        return None
    known = {key: float(value) for key, value in values.items() if value is not None}
    series = spends.column(name, trouble)
    rows = asked.get("periods") if series is None else len(series)
    try:
        adstock = _adstock(model.adstock, known, rows)
        if adstock is _UNKNOWN:
            text = f"Weibull adstock of {name} needs the data's length: give spend_csv or periods."
            trouble.missing("/periods", text)
            return None
        assert not isinstance(adstock, str)
        inflexion = _inflexion(name, model, known["gammas"], adstock, facts, series, trouble)
        if inflexion is None:
            return None
        curve = Hill(coefficient, inflexion, known["alphas"]).scaled(1.0 / unit)
    except ValueError as error:
        trouble.add("/model", "invalid_curve", f"The curve of {name} cannot be used: {error}")
        return None
    money = model.spends_of.get(name)
    observed = spends.observed(name if money is None else money, trouble)
    if observed is None and series is not None:
        observed = spends.observed(name, trouble, unit)
    if observed is None:
        observed = Observed(mean=model.mean_spend.get(name))
    return Imported(name, place, curve=curve, adstock=adstock, observed=observed)


_UNKNOWN = "unknown"


def _adstock(family: str, values: Mapping[str, float], rows: int | None) -> Adstock | str | None:
    """Robyn's adstock; ``_UNKNOWN`` where the data's length would have to be known."""
    if family == "geometric":
        return Geometric(values["thetas"])
    shape, share = values["shapes"], values["scales"]
    if shape == 0.0 or share == 0.0:
        return None
    if rows is None:
        return _UNKNOWN
    # R's type 7 quantile of 1..rows; R and Python both round halves to even.
    scale = float(round(1.0 + (rows - 1) * share))
    weights = weibull_cdf if family == "weibull_cdf" else weibull_pdf
    return weighted(weights(shape, scale, rows), normalised=False)


def _inflexion(
    name: str,
    model: _Exported,
    gamma: float,
    adstock: Adstock | None,
    facts: Facts | None,
    series: Floats | None,
    trouble: Trouble,
) -> float | None:
    """In the units that the curve takes; a fault where nothing tells it."""
    if facts is not None and facts.inflexion is not None:
        return facts.inflexion
    if series is None:
        trouble.missing(
            "/channels" if facts is None else f"{facts.pointer}/inflexion",
            f"gamma of {name} is a share of adstocked spend, which the export does not hold: give "
            "its inflexion under channels, or Robyn's raw_data.csv as spend_csv.",
        )
        return None
    adstocked = series if adstock is None else adstock.apply(series)
    if model.window is not None:
        first, last = model.window
        adstocked = adstocked[first - 1 : last]
    low = float(adstocked.min()) if model.gamma_of == "range" else 0.0
    return low + gamma * (float(adstocked.max()) - low)


def _needed(adstock: str) -> tuple[str, ...]:
    return ("alphas", "gammas", *(("thetas",) if adstock == "geometric" else ("shapes", "scales")))


def _exported(asked: Mapping[str, Any], trouble: Trouble) -> _Exported | None:
    """``RobynModel-*.json``, as ``robyn_write`` writes it (single values in lists of one)."""
    model = asked["model"]
    inputs, export = model.get("InputCollect"), model.get("ExportedModel")
    if not isinstance(inputs, Mapping) or not isinstance(export, Mapping):
        text = "model is no RobynModel JSON: it needs InputCollect and ExportedModel."
        trouble.add("/model", "wrong_format", text)
        return None
    values, rows = export.get("hyper_values"), export.get("summary")
    if not isinstance(values, Mapping) or not isinstance(rows, Sequence):
        text = "The model needs ExportedModel.hyper_values and ExportedModel.summary."
        trouble.add("/model/ExportedModel", "wrong_format", text)
        return None
    adstock = _family(asked.get("adstock") or _one(inputs.get("adstock")), trouble)
    if adstock is None:
        return None
    summary = [row for row in rows if isinstance(row, Mapping)]
    vars_, spends = (_names(inputs.get(f"paid_media_{k}")) for k in ("vars", "spends"))
    window = [number_of(_one(inputs.get(key))) for key in _WINDOW]
    version = re.search(r"(\d+)\.(\d+)", str(_one(inputs.get("version")) or ""))
    return _Exported(
        adstock=adstock,
        hyperparameters=_numbers({k: _one(v) for k, v in values.items()}),
        coefficients=_numbers({str(r.get("variable")): r.get("coef") for r in summary}),
        window=None if None in window else (int(window[0] or 1), int(window[1] or 1)),
        spends_of={v: s for v, s in zip(vars_, spends, strict=False) if v != s},
        left_out=frozenset(_names(inputs.get("organic_vars"))),
        gamma_of=asked.get("gamma_of")
        or ("range" if version and tuple(map(int, version.groups())) < (3, 12) else "maximum"),
        mean_spend=_numbers({str(r.get("variable")): r.get("mean_spend") for r in summary}),
    )


def _pareto(asked: Mapping[str, Any], trouble: Trouble) -> _Exported | None:
    """One solution of ``pareto_hyperparameters.csv`` and ``pareto_aggregated.csv``."""
    for key in ("hyperparameters_csv", "aggregated_csv", "solution", "adstock"):
        if not asked.get(key):
            text = f"Give model (a RobynModel JSON), or the Pareto tables: {key} is missing."
            trouble.missing(f"/{key}", text)
    if trouble.faults:
        return None
    adstock = _family(asked["adstock"], trouble)
    values = read_table(asked, "hyperparameters_csv", ("solID",), trouble)
    summary = read_table(asked, "aggregated_csv", ("solID", "rn", "coef"), trouble)
    if values is None or summary is None or adstock is None:
        return None
    wanted = asked["solution"]
    row = next(
        (r for r, s in zip(values.rows, values.column("solID"), strict=True) if s == wanted), None
    )
    if row is None:
        text = f"hyperparameters_csv has no solution {wanted!r}."
        trouble.add("/solution", "unknown_solution", text)
        return None
    mine = [i for i, s in enumerate(summary.column("solID")) if s == wanted]
    names, coefs = summary.column("rn"), summary.column("coef")
    money = summary.column("mean_spend") if "mean_spend" in summary.columns else [""] * len(names)
    return _Exported(
        adstock=adstock,
        hyperparameters=_numbers(dict(zip(values.columns, row, strict=True))),
        coefficients=_numbers({names[i]: coefs[i] for i in mine}),
        window=None,
        spends_of={},
        left_out=frozenset(),
        gamma_of=asked.get("gamma_of") or "maximum",
        mean_spend=_numbers({names[i]: money[i] for i in mine}),
    )


def _family(name: Any, trouble: Trouble) -> str | None:
    if name in _ADSTOCKS:
        return str(name)
    text = f"Unknown adstock {name!r}; Robyn has {', '.join(_ADSTOCKS)}."
    trouble.add("/adstock", "unknown_family", text)
    return None


def _one(value: Any) -> Any:
    """R has no scalars: a single value is a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _names(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [name for name in found if isinstance(name, str)]


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    read = {name: number_of(value) for name, value in values.items()}
    return {name: value for name, value in read.items() if value is not None}
