"""PyMC-Marketing: draws of its posterior, or a summary of it.

A channel's contribution per period is ``target_scale * saturation(adstock(spend / scale))`` with
weights over ``l_max`` periods, normalised by default. Where they are not, each draw of the adstock
has a sum of its own: the stored curve then holds that draw's, so that sustained spend answers as
the tool does, draw by draw.

Source: the documentation of ``mmm.transformers``, ``mmm.components`` and ``mmm.MMM`` of
pymc-marketing 1.3 (its parameters' names), where the formulas stand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shared.curves.adstock import Adstock, Delayed
from shared.curves.imports.imported import (
    Imported,
    Observed,
    Spends,
    binomial,
    delayed,
    geometric,
    weibull_cdf,
    weibull_pdf,
    weighted,
)
from shared.curves.imports.reading import (
    USUAL_DRAWS,
    Csv,
    Draws,
    Facts,
    Trouble,
    read_draws,
    read_table,
)
from shared.curves.saturation import (
    Hill,
    Logarithmic,
    Logistic,
    MichaelisMenten,
    Power,
    Saturation,
    Sigmoid,
)

__all__ = ["ADSTOCKS", "SATURATIONS", "read_pymc"]


def _hill_sigmoid(sigma: float, beta: float, lam: float) -> Sigmoid:
    """``sigma * (L(x) - L(0))``: ours is divided by ``1 - L(0)``."""
    above = 1.0 / (1.0 + math.exp(-beta * lam)) if beta * lam > -700.0 else 0.0
    return Sigmoid(sigma * above, lam, beta)


SATURATIONS: dict[str, tuple[tuple[str, ...], Callable[..., Saturation]]] = {
    "logistic": (("lam", "beta"), lambda lam, beta: Logistic(beta, lam)),
    "inverse_scaled_logistic": (
        ("lam", "beta"),
        lambda lam, beta: Logistic(beta, math.log(3.0) / lam),
    ),
    # tanh(z) = (1 - e^(-2z)) / (1 + e^(-2z))
    "tanh": (("b", "c"), lambda b, c: Logistic(b, 2.0 / (b * c))),
    "michaelis_menten": (("alpha", "lam"), lambda alpha, lam: MichaelisMenten(alpha, lam)),
    "hill": (("slope", "kappa", "beta"), lambda slope, kappa, beta: Hill(beta, kappa, slope)),
    "hill_sigmoid": (("sigma", "beta", "lam"), _hill_sigmoid),
    "root": (("alpha", "beta"), lambda alpha, beta: Power(beta, alpha)),
    "log": (("beta",), lambda beta: Logarithmic(beta, 1.0)),
    "none": (("beta",), lambda beta: Power(beta, 1.0)),
}
"""By the name that PyMC-Marketing gives it: its parameters, and the curve of ours."""

ADSTOCKS: dict[str, tuple[tuple[str, ...], Callable[..., list[float]]]] = {
    "geometric": (("alpha",), lambda length, alpha: geometric(alpha, length)),
    "delayed": (("alpha", "theta"), lambda length, alpha, theta: delayed(alpha, theta, length)),
    "binomial": (("alpha",), lambda length, alpha: binomial(alpha, length, length + 1)),
    "weibull_pdf": (("lam", "k"), lambda length, lam, k: weibull_pdf(k, lam, length)),
    "weibull_cdf": (("lam", "k"), lambda length, lam, k: weibull_cdf(k, lam, length)),
    "none": ((), lambda length: [1.0] + [0.0] * (length - 1)),
}
"""By name: its parameters, and its weights."""

_ORDER_NOTE = (
    "Saturation comes before adstock in this model. For sustained spend that is the curve times "
    "the sum of the weights, exactly; carryover between periods is left out."
)


def read_pymc(
    asked: Mapping[str, Any], facts: Mapping[str, Facts], spends: Spends, trouble: Trouble
) -> tuple[list[Imported], list[str]]:
    """Every channel of the posterior, with notes on what was taken for granted."""
    saturation = _known(asked, "saturation", "logistic", SATURATIONS, trouble)
    adstock = _known(asked, "adstock", "geometric", ADSTOCKS, trouble)
    if asked.get("target_scale") is None:
        text = "target_scale is missing: what the model divided the outcome by (1: by nothing)."
        trouble.missing("/target_scale", text)
    if adstock not in (None, "none") and asked.get("l_max") is None:
        text = "l_max is missing: over how many periods the adstock reaches."
        trouble.missing("/l_max", text)
    if saturation is None or adstock is None or trouble.faults:
        return [], []
    wanted = [f"saturation_{name}" for name in SATURATIONS[saturation][0]]
    wanted += [f"adstock_{name}" for name in ADSTOCKS[adstock][0]]
    draws = _draws(asked, wanted, trouble)
    if draws is None:
        return [], []
    read = []
    for name, values in draws.values.items():
        fact = facts.get(name)
        scale = 1.0 if saturation == "log" else None if fact is None else fact.scale
        if scale is None:
            place = "/channels" if fact is None else f"{fact.pointer}/scale"
            text = f"The scale of {name} is missing: what the model divided its spend by."
            trouble.missing(place, text)
            continue
        try:
            made = _arm(values, draws, saturation, adstock, asked, scale, fact)
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            text = f"The curve of {name} cannot be used: {error}"
            trouble.add("/posterior_csv", "invalid_curve", text)
            continue
        # By default the scale is the highest spend.
        seen = spends.observed(name, trouble) or Observed(max=scale)
        if saturation == "log" and seen.last is None:
            seen = replace(seen, max=None)
        pointer = "/channels" if fact is None else fact.pointer
        read.append(Imported(name, pointer, observed=seen, **made))
    return read, [_ORDER_NOTE] if asked.get("saturation_first") else []


def _arm(
    values: Mapping[str, Sequence[float]],
    draws: Draws,
    saturation: str,
    adstock: str,
    asked: Mapping[str, Any],
    scale: float,
    fact: Facts | None,
) -> dict[str, Any]:
    names, curve_of = SATURATIONS[saturation]
    unit = scale * (1.0 if fact is None or fact.spend_per_unit is None else fact.spend_per_unit)
    target = float(asked["target_scale"])
    length = int(asked.get("l_max") or 1)
    normalised = asked.get("normalize") is not False
    first = bool(asked.get("saturation_first"))
    parts = {name: values[f"adstock_{name}"] for name in ADSTOCKS[adstock][0]}
    curves: list[Saturation] = []
    for s in range(draws.count):
        bare = curve_of(*(values[f"saturation_{name}"][s] for name in names))
        weights = ADSTOCKS[adstock][1](length, *(column[s] for column in parts.values()))
        total = 1.0 if normalised else math.fsum(weights)
        if first:
            curves.append(bare.scaled(1.0 / unit).times(target * total))
        else:
            folded = total if draws.drawn else 1.0
            curves.append(bare.scaled(folded / unit).times(target))
    middle = {name: float(np.mean(column)) for name, column in parts.items()}
    lags = None if first else _adstock(adstock, middle, length, normalised or draws.drawn)
    if draws.drawn:
        return {"draws": tuple(curves), "adstock": lags}
    return {"curve": curves[0], "adstock": lags}


def _adstock(
    name: str, parameters: Mapping[str, float], length: int, normalised: bool
) -> Adstock | None:
    """Our own family where it is the same, else the weights themselves."""
    if name == "delayed" and 0.0 < parameters["alpha"] < 1.0:
        return Delayed(parameters["alpha"], parameters["theta"], length, normalised)
    return weighted(ADSTOCKS[name][1](length, *parameters.values()), normalised=normalised)


def _known(
    asked: Mapping[str, Any], key: str, usual: str, known: Mapping[str, Any], trouble: Trouble
) -> str | None:
    name = asked.get(key) or usual
    if name in known:
        return str(name)
    text = f"Unknown {key} {name!r}; known are {', '.join(known)}."
    trouble.add(f"/{key}", "unknown_family", text)
    return None


def _draws(asked: Mapping[str, Any], wanted: Sequence[str], trouble: Trouble) -> Draws | None:
    """The parameters by channel, from draws where they are given, else from a summary."""
    if asked.get("posterior_csv"):
        table = read_table(asked, "posterior_csv", ("channel", *wanted), trouble)
        if table is None:
            return None
        most = asked.get("most_draws") or USUAL_DRAWS
        return read_draws(table, ("channel",), {name: name for name in wanted}, most, trouble)
    if asked.get("summary_csv"):
        table = read_table(asked, "summary_csv", ("mean",), trouble)
        return None if table is None else _summary(table, wanted, trouble)
    trouble.missing("/posterior_csv", "Give posterior_csv (draws), or summary_csv.")
    return None


def _summary(table: Csv, wanted: Sequence[str], trouble: Trouble) -> Draws | None:
    """Rows ``saturation_lam[tv]`` with a mean, as ArviZ writes them."""
    values: dict[str, dict[str, list[float]]] = {}
    shared: dict[str, float] = {}
    for row, mean in zip(table.rows, table.numbers("mean", trouble), strict=True):
        found = re.fullmatch(r"(\w+)\[(.+)\]", row[0])
        if found and found[1] in wanted:
            values.setdefault(found[2], {})[found[1]] = [mean]
        elif row[0] in wanted:
            shared[row[0]] = mean
    for channel, known in values.items():
        known.update({name: [value] for name, value in shared.items() if name not in known})
        for name in wanted:
            if name not in known:
                trouble.missing("/summary_csv", f"summary_csv has no row {name}[{channel}].")
    return None if trouble.faults else Draws(values, drawn=False)
