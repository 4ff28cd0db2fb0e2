"""Robyn's exports: its own formulas, written out here, against the imported curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.imports import import_curves
from tests.curves.imports.exports import by_name, codes, over_time, sustained, to_csv

Floats = NDArray[np.float64]
ROWS, FIRST, LAST = 60, 9, 56
RNG = np.random.default_rng(11)
DATA = {
    "tv_S": RNG.gamma(3.0, 4000.0, ROWS),
    "search_S": RNG.gamma(5.0, 900.0, ROWS),
    "print_S": np.where(RNG.random(ROWS) < 0.4, 0.0, 2500.0),
}
HYPER = {
    "tv_S": {"alphas": 2.3, "gammas": 0.61, "thetas": 0.42, "shapes": 2.4, "scales": 0.07},
    "search_S": {"alphas": 0.8, "gammas": 0.35, "thetas": 0.0, "shapes": 0.6, "scales": 0.03},
    "print_S": {"alphas": 1.1, "gammas": 0.9, "thetas": 0.77, "shapes": 1.0, "scales": 0.1},
}
COEFS = {"tv_S": 81000.0, "search_S": 40500.5, "print_S": 0.0}


def model(adstock: str, *, version: str = "Robyn (Stable) v3.12.1 [R-4.4.1]") -> dict[str, Any]:
    """A RobynModel JSON as jsonlite writes it: every single value in a list of one."""
    wanted = ("alphas", "gammas") + (
        ("thetas",) if adstock == "geometric" else ("shapes", "scales")
    )
    hyper = {f"{ch}_{name}": [HYPER[ch][name]] for ch in DATA for name in wanted}
    # An organic variable has a curve as well, but no money to plan.
    hyper |= {f"newsletter_{name}": [0.5] for name in wanted}
    return {
        "InputCollect": {
            "adstock": [adstock],
            "version": [version],
            "dep_var": ["revenue"],
            "paid_media_spends": list(DATA),
            "paid_media_vars": list(DATA),
            "organic_vars": ["newsletter"],
            "rollingWindowStartWhich": [FIRST],
            "rollingWindowEndWhich": [LAST],
        },
        "ExportedModel": {
            "select_model": ["1_29_12"],
            "hyper_values": {**hyper, "lambda": [0.1], "train_size": [0.8]},
            "summary": [
                {"variable": "(Intercept)", "coef": 12.0},
                {"variable": "newsletter", "coef": 3.0},
                *({"variable": ch, "coef": c, "mean_spend": 1.0} for ch, c in COEFS.items()),
            ],
        },
        "Extras": {
            "raw_data": [
                {"DATE": "2024-01-01", **{ch: float(DATA[ch][t]) for ch in DATA}}
                for t in range(ROWS)
            ]
        },
    }


def decayed(spend: Floats, adstock: str, hyper: dict[str, float]) -> Floats:
    """Robyn's adstock, period by period."""
    n = len(spend)
    if adstock == "geometric":
        out = [spend[0]]
        for t in range(1, n):
            out.append(spend[t] + hyper["thetas"] * out[-1])
        return np.array(out)
    k = hyper["shapes"]
    position = 1 + (ROWS - 1) * hyper["scales"]
    lam = float(round(position))
    if adstock == "weibull_cdf":
        theta = [1.0] + [math.exp(-((t / lam) ** k)) for t in range(1, ROWS)]
        weights = [math.prod(theta[: t + 1]) for t in range(ROWS)]
    else:
        pdf = [
            k / lam * (t / lam) ** (k - 1) * math.exp(-((t / lam) ** k)) for t in range(1, ROWS + 1)
        ]
        weights = [(v - min(pdf)) / (max(pdf) - min(pdf)) for v in pdf]
    return np.array([sum(weights[t - s] * spend[s] for s in range(t + 1)) for t in range(n)])


def response(channel: str, spend: Floats, adstock: str, low_counts: bool) -> Floats:
    hyper = HYPER[channel]
    window = decayed(DATA[channel], adstock, hyper)[FIRST - 1 : LAST]
    low = window.min() if low_counts else 0.0
    inflexion = low * (1 - hyper["gammas"]) + window.max() * hyper["gammas"]
    x = decayed(spend, adstock, hyper)
    a = hyper["alphas"]
    return COEFS[channel] * x**a / (x**a + inflexion**a)


@pytest.mark.parametrize("adstock", ["geometric", "weibull_cdf", "weibull_pdf"])
@pytest.mark.parametrize(("version", "low_counts"), [("v3.12.1", False), ("v3.10.7", True)])
def test_a_model_answers_as_robyn_does(adstock: str, version: str, low_counts: bool) -> None:
    curves = by_name(import_curves({"format": "robyn", "model": model(adstock, version=version)}))
    assert set(curves) == set(DATA)
    for channel, curve in curves.items():
        for spend in (DATA[channel], np.linspace(0.0, 30000.0, 40), np.full(ROWS, 5000.0)):
            want = response(channel, spend, adstock, low_counts)
            np.testing.assert_allclose(over_time(curve, spend), want, rtol=1e-9, atol=1e-9)


def test_sustained_spend_is_the_limit_of_the_recursion() -> None:
    curve = by_name(import_curves({"format": "robyn", "model": model("geometric")}))["tv_S"]
    for spend in (0.0, 10.0, 4000.0, 1e6):
        want = response("tv_S", np.full(200, spend), "geometric", False)[-1]
        assert sustained(curve, np.array([spend]))[0] == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_the_spend_in_the_export_is_the_observed_one() -> None:
    tv = by_name(import_curves({"format": "robyn", "model": model("geometric")}))["tv_S"]
    assert tv.observed_spend.max == DATA["tv_S"].max()
    assert tv.observed_spend.last == pytest.approx(DATA["tv_S"][-13:].mean())
    assert tv.verdict == "imported"
    assert tv.roi is not None
    assert tv.roi.interval is None


def test_the_pareto_tables_say_the_same_as_the_model() -> None:
    """Written by ``write.csv``: a first column without a name, a row a solution."""
    wanted = ("alphas", "gammas", "thetas")
    names = [f"{ch}_{h}" for ch in DATA for h in wanted]
    row = [HYPER[ch][h] for ch in DATA for h in wanted]
    hyper = {"": [1, 2], "solID": ["1_1_1", "1_29_12"]}
    hyper |= {n: [0.123, v] for n, v in zip(names, row, strict=True)}
    aggregated = {
        "": [1, 2, 3, 4],
        "rn": ["tv_S", "tv_S", "search_S", "print_S"],
        "coef": [1.0, COEFS["tv_S"], COEFS["search_S"], COEFS["print_S"]],
        "solID": ["1_1_1", "1_29_12", "1_29_12", "1_29_12"],
    }
    asked = {
        "format": "robyn",
        "hyperparameters_csv": to_csv(hyper),
        "aggregated_csv": to_csv(aggregated),
        "solution": "1_29_12",
        "adstock": "geometric",
        "spend_csv": to_csv({ch: [float(v) for v in DATA[ch][FIRST - 1 : LAST]] for ch in DATA}),
    }
    curves = by_name(import_curves(asked))
    x = np.linspace(0.0, 20000.0, 50)
    hyper_tv = HYPER["tv_S"]
    peak = decayed(DATA["tv_S"][FIRST - 1 : LAST], "geometric", hyper_tv).max()
    a, at = hyper_tv["alphas"], peak * hyper_tv["gammas"]
    reached = x / (1 - hyper_tv["thetas"])
    want = COEFS["tv_S"] * reached**a / (reached**a + at**a)
    np.testing.assert_allclose(sustained(curves["tv_S"], x), want, rtol=1e-9)
    assert codes({**asked, "solution": "9_9_9"}) == {"/solution": "unknown_solution"}
    assert codes({**asked, "adstock": "lognormal"}) == {"/adstock": "unknown_family"}


def test_an_exposure_costs_what_the_caller_says() -> None:
    """A curve over impressions: spend s buys s / price of them."""
    asked = model("geometric")
    asked["InputCollect"]["paid_media_vars"] = ["tv_I", "search_S", "print_S"]
    for name in ("alphas", "gammas", "thetas"):
        values = asked["ExportedModel"]["hyper_values"]
        values[f"tv_I_{name}"] = values.pop(f"tv_S_{name}")
    asked["ExportedModel"]["summary"][2]["variable"] = "tv_I"
    for row in asked["Extras"]["raw_data"]:
        row["tv_I"] = row["tv_S"] / 0.02
    assert codes({"format": "robyn", "model": asked}) == {"/channels": "required"}
    facts = [{"channel": "tv_I", "spend_per_unit": 0.02}]
    curves = by_name(import_curves({"format": "robyn", "model": asked, "channels": facts}))
    # Impressions are fifty times the spend, and so is the inflexion: the same curve in money.
    plain = by_name(import_curves({"format": "robyn", "model": model("geometric")}))["tv_S"]
    x = np.linspace(0.0, 40000.0, 60)
    np.testing.assert_allclose(sustained(curves["tv_I"], x), sustained(plain, x), rtol=1e-9)
    assert curves["tv_I"].observed_spend == plain.observed_spend


def test_what_the_export_lacks_is_asked_for() -> None:
    bare = model("geometric")
    del bare["Extras"]
    facts = [{"channel": ch, "inflexion": 9000.0} for ch in ("tv_S", "search_S")]
    found = codes({"format": "robyn", "model": bare, "channels": facts})
    observed = {f"/channels/{i}/observed_max": "required" for i in range(2)}
    assert found == {"/channels": "required", **observed}
    facts.append({"channel": "print_S", "current_spend": 5.0, "inflexion": 7.0})
    found = codes({"format": "robyn", "model": bare, "channels": facts})
    assert found == {f"/channels/{i}/observed_max": "required" for i in range(3)}
    for fact in facts:
        fact["observed_max"] = 20000.0
    curves = by_name(import_curves({"format": "robyn", "model": bare, "channels": facts}))
    assert curves["tv_S"].observed_spend.last == 1.0  # the summary's mean_spend
    assert curves["print_S"].observed_spend.last == 5.0


def test_faults_are_told_with_their_place() -> None:
    assert codes({"format": "robyn", "model": {"InputCollect": {}}}) == {"/model": "wrong_format"}
    weibull = model("weibull_cdf")
    del weibull["Extras"]
    assert "/periods" in codes({"format": "robyn", "model": weibull})
    negative = model("geometric")
    negative["ExportedModel"]["summary"][2]["coef"] = -4.0
    assert codes({"format": "robyn", "model": negative}) == {"/model": "negative_response"}
    unknown = model("geometric")
    facts = [{"channel": "radio_S"}, {"channel": "radio_S"}]
    found = codes({"format": "robyn", "model": unknown, "channels": facts})
    assert found == {"/channels/1/channel": "duplicate"}
    found = codes({"format": "robyn", "model": unknown, "channels": facts[:1]})
    assert found == {"/channels/0/channel": "unknown_channel"}
    assert set(codes({"format": "robyn"})) == {
        "/hyperparameters_csv",
        "/aggregated_csv",
        "/solution",
        "/adstock",
    }
