"""PyMC-Marketing's exports: its own formulas, written out here, against the imported curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.imports import import_curves
from shared.curves.imports.pymc_marketing import ADSTOCKS, SATURATIONS
from tests.curves.imports.exports import by_name, codes, over_time, sustained, to_csv

Floats = NDArray[np.float64]
CHANNELS = ("tv", "search")
SCALE = {"tv": 31000.0, "search": 8200.0}
TARGET = 560000.0
L_MAX = 6
DRAWS = 24


def sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-z))


# The formulas as the tool documents them, of x = spend / scale.
CURVES: dict[str, tuple[tuple[str, ...], Callable[..., Floats]]] = {
    "logistic": (
        ("lam", "beta"),
        lambda x, lam, beta: beta * (1 - np.exp(-lam * x)) / (1 + np.exp(-lam * x)),
    ),
    "inverse_scaled_logistic": (
        ("lam", "beta"),
        lambda x, lam, beta: beta * np.tanh(math.log(3) * x / lam / 2),
    ),
    "tanh": (("b", "c"), lambda x, b, c: b * np.tanh(x / (b * c))),
    "michaelis_menten": (("alpha", "lam"), lambda x, alpha, lam: alpha * x / (lam + x)),
    "hill": (
        ("slope", "kappa", "beta"),
        lambda x, slope, kappa, beta: beta * (1 - kappa**slope / (kappa**slope + x**slope)),
    ),
    "hill_sigmoid": (
        ("sigma", "beta", "lam"),
        lambda x, sigma, beta, lam: (
            sigma * sigmoid(beta * (x - lam)) - sigma * sigmoid(-beta * lam)
        ),
    ),
    "root": (("alpha", "beta"), lambda x, alpha, beta: beta * x**alpha),
    "log": (("beta",), lambda x, beta: beta * np.log(1 + x)),
    "none": (("beta",), lambda x, beta: beta * x),
}
# Weights over lags 0 .. L_MAX - 1, before they are normalised.
LAGS: dict[str, tuple[tuple[str, ...], Callable[..., list[float]]]] = {
    "geometric": (("alpha",), lambda alpha: [alpha**k for k in range(L_MAX)]),
    "delayed": (
        ("alpha", "theta"),
        lambda alpha, theta: [alpha ** ((k - theta) ** 2) for k in range(L_MAX)],
    ),
    "binomial": (
        ("alpha",),
        lambda alpha: [(1 - k / (L_MAX + 1)) ** (1 / alpha - 1) for k in range(L_MAX)],
    ),
    "weibull_cdf": (
        ("lam", "k"),
        lambda lam, k: [
            math.prod(math.exp(-((t / lam) ** k)) for t in range(1, lag + 1))
            for lag in range(L_MAX)
        ],
    ),
    "weibull_pdf": (("lam", "k"), lambda lam, k: stretched(lam, k)),
    "none": ((), lambda: [1.0]),
}


def stretched(lam: float, k: float) -> list[float]:
    pdf = [
        k / lam * (t / lam) ** (k - 1) * math.exp(-((t / lam) ** k)) for t in range(1, L_MAX + 1)
    ]
    return [(v - min(pdf)) / (max(pdf) - min(pdf)) for v in pdf]


def posterior(saturation: str, adstock: str, draws: int = DRAWS) -> dict[str, dict[str, Floats]]:
    rng = np.random.default_rng(8)
    out: dict[str, dict[str, Floats]] = {}
    for ch in CHANNELS:
        out[ch] = {f"saturation_{n}": rng.uniform(0.2, 0.9, draws) for n in CURVES[saturation][0]}
        out[ch] |= {f"adstock_{n}": rng.uniform(0.2, 0.9, draws) for n in LAGS[adstock][0]}
    return out


def table(values: dict[str, dict[str, Floats]]) -> str:
    """``idata.posterior[[...]].to_dataframe().reset_index()``."""
    count = len(next(iter(next(iter(values.values())).values())))
    rows = [(s, ch) for s in range(count) for ch in values]
    columns: dict[str, list[Any]] = {
        "chain": [s // 12 for s, _ in rows],
        "draw": [s % 12 for s, _ in rows],
        "channel": [ch for _, ch in rows],
    }
    for name in values[CHANNELS[0]]:
        columns[name] = [float(values[ch][name][s]) for s, ch in rows]
    return to_csv(columns)


def asked(saturation: str, adstock: str, draws: int = DRAWS, **more: Any) -> dict[str, Any]:
    return {
        "format": "pymc_marketing",
        "saturation": saturation,
        "adstock": adstock,
        "l_max": L_MAX,
        "target_scale": TARGET,
        "posterior_csv": table(posterior(saturation, adstock, draws)),
        "channels": [
            {"channel": ch, "scale": SCALE[ch], "current_spend": 3000.0, "observed_max": 30000.0}
            for ch in CHANNELS
        ],
        **more,
    }


def scale_of(channel: str, saturation: str) -> float:
    """The tool leaves spend as it is where the saturation is a logarithm."""
    return 1.0 if saturation == "log" else SCALE[channel]


def test_every_family_of_the_tool_is_tested_here() -> None:
    assert set(CURVES) == set(SATURATIONS)
    assert set(LAGS) == set(ADSTOCKS)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("adstock", LAGS)
@pytest.mark.parametrize("saturation", CURVES)
def test_one_draw_answers_over_time(saturation: str, adstock: str, normalize: bool) -> None:
    values = posterior(saturation, adstock, 1)
    curves = by_name(import_curves(asked(saturation, adstock, 1, normalize=normalize)))
    spend = np.random.default_rng(2).gamma(2.0, 6000.0, 30)
    for ch, curve in curves.items():
        known = {name: float(column[0]) for name, column in values[ch].items()}
        weights = LAGS[adstock][1](*(known[f"adstock_{n}"] for n in LAGS[adstock][0]))
        if normalize:
            weights = [w / math.fsum(weights) for w in weights]
        x = spend / scale_of(ch, saturation)
        worked = np.array(
            [sum(w * x[t - k] for k, w in enumerate(weights) if k <= t) for t in range(len(x))]
        )
        names, formula = CURVES[saturation]
        want = TARGET * formula(worked, *(known[f"saturation_{n}"] for n in names))
        np.testing.assert_allclose(over_time(curve, spend), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("adstock", LAGS)
@pytest.mark.parametrize("saturation", CURVES)
def test_every_draw_answers_to_sustained_spend(
    saturation: str, adstock: str, normalize: bool, first: bool
) -> None:
    values = posterior(saturation, adstock)
    made = import_curves(asked(saturation, adstock, normalize=normalize, saturation_first=first))
    assert made.diagnostics["imported"]["draws"] == DRAWS
    assert bool(made.diagnostics["imported"]["notes"]) == first
    spend = np.linspace(0.0, 90000.0, 25)
    names, formula = CURVES[saturation]
    for ch, curve in by_name(made).items():
        for s, draw in enumerate(curve.response.draws):
            weights = LAGS[adstock][1](
                *(float(values[ch][f"adstock_{n}"][s]) for n in LAGS[adstock][0])
            )
            total = 1.0 if normalize else math.fsum(weights)
            parts = [float(values[ch][f"saturation_{n}"][s]) for n in names]
            x = spend / scale_of(ch, saturation)
            bare = total * formula(x, *parts) if first else formula(total * x, *parts)
            got = sustained(curve, spend, draw)
            np.testing.assert_allclose(got, TARGET * bare, rtol=1e-9, atol=1e-9)


def test_draws_stay_joint_when_they_are_thinned() -> None:
    values = posterior("logistic", "geometric")
    made = by_name(import_curves(asked("logistic", "geometric", most_draws=5)))
    kept = [(k * DRAWS) // 5 for k in range(5)]
    for ch, curve in made.items():
        tops = [draw.parameters()["max_response"] for draw in curve.response.draws]
        want = [TARGET * values[ch]["saturation_beta"][s] for s in kept]
        np.testing.assert_allclose(tops, want, rtol=1e-12)


def test_the_point_curve_is_the_draws_mean_where_the_money_is() -> None:
    curve = by_name(import_curves(asked("hill", "geometric")))["tv"]
    at = curve.observed_spend.mean
    mean = np.mean([float(draw.value(at)) for draw in curve.response.draws])
    assert float(curve.response.saturation.value(at)) == pytest.approx(mean, rel=1e-9)
    assert curve.roi is not None
    assert curve.roi.interval is not None
    low, high = curve.roi.interval
    assert low < curve.roi.mean < high


def test_a_summary_is_its_means() -> None:
    """``az.summary(idata).to_csv()``: a row a parameter and channel."""
    rows = {"saturation_lam": (2.0, 3.0), "saturation_beta": (0.4, 0.3)}
    names = [f"{p}[{ch}]" for p in rows for ch in CHANNELS]
    means = [v for pair in rows.values() for v in pair]
    summary = to_csv(
        {"": [*names, "adstock_alpha", "sigma"], "mean": [*means, 0.5, 1.0], "sd": [0.1] * 6}
    )
    more = {"posterior_csv": None, "summary_csv": summary}
    curve = by_name(import_curves(asked("logistic", "geometric", **more)))["search"]
    x = np.linspace(0, 20000, 9)
    z = 3.0 * x / SCALE["search"]
    want = TARGET * 0.3 * (1 - np.exp(-z)) / (1 + np.exp(-z))
    np.testing.assert_allclose(sustained(curve, x), want, rtol=1e-9)
    assert curve.response.draws == ()
    lacking = summary.replace("saturation_lam[tv]", "other[tv]")
    more["summary_csv"] = lacking
    assert codes(asked("logistic", "geometric", **more)) == {"/summary_csv": "required"}


def test_what_is_missing_or_wrong_is_told_with_its_place() -> None:
    assert codes(asked("logistic", "geometric", target_scale=None)) == {"/target_scale": "required"}
    assert codes(asked("logistic", "geometric", l_max=None)) == {"/l_max": "required"}
    found = codes({**asked("log", "none"), "saturation": "cubic", "adstock": "slow"})
    assert found == {"/saturation": "unknown_family", "/adstock": "unknown_family"}
    assert codes(asked("logistic", "geometric", channels=None)) == {"/channels": "required"}
    facts = [{"channel": "tv", "scale": 1.0}, {"channel": "search", "current_spend": 1.0}]
    assert codes(asked("logistic", "geometric", channels=facts)) == {
        "/channels/1/scale": "required",
        "/channels/0/current_spend": "required",
    }
    whole = asked("logistic", "geometric")
    lines = whole["posterior_csv"].splitlines()
    twice = "\n".join([*lines, lines[-1]])
    (place,) = codes({**whole, "posterior_csv": twice})
    assert place == f"/posterior_csv/rows/{len(lines) + 1}"
    assert codes({**whole, "posterior_csv": "\n".join(lines[:-1])}) == {
        "/posterior_csv": "unequal_draws"
    }
    broken = whole["posterior_csv"].replace(lines[3].split(",")[4], "nan", 1)
    assert set(codes({**whole, "posterior_csv": broken}).values()) == {"not_a_number"}
    assert codes({**whole, "posterior_csv": "a,b\n1,2,3"})["/posterior_csv/rows/2"] == "ragged_row"
