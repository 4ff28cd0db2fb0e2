"""Meridian's exports: its own formulas, written out here, against the imported curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.imports import import_curves
from tests.curves.imports.exports import by_name, codes, over_time, sustained, to_csv

Floats = NDArray[np.float64]
CHANNELS = ("tv", "search")
GEOS = {"north": 3.0e6, "south": 1.2e6}
DRAWS = 30
SCALE = {"tv": 0.8, "search": 0.05}  # media units per head
PRICE = {"tv": 0.011, "search": 0.4}  # money per media unit
OUTCOME_SCALE = 0.37  # outcome per head
RNG = np.random.default_rng(5)
POSTERIOR = {
    ch: {
        "alpha_m": RNG.beta(2, 3, DRAWS),
        "ec_m": RNG.lognormal(0.0, 0.4, DRAWS),
        "slope_m": RNG.lognormal(0.2, 0.2, DRAWS),
        "beta_gm": {g: RNG.lognormal(-1.0, 0.5, DRAWS) for g in GEOS},
    }
    for ch in CHANNELS
}


def posterior_csv(geos: tuple[str, ...]) -> str:
    """``inference_data.posterior[[...]].to_dataframe().reset_index()``."""
    rows = [(s // 15, s % 15, g, ch, s) for s in range(DRAWS) for g in geos for ch in CHANNELS]
    one = {
        "chain": [r[0] for r in rows],
        "draw": [r[1] for r in rows],
        "geo": [r[2] for r in rows],
        "media_channel": [r[3] for r in rows],
    }
    for name in ("alpha_m", "ec_m", "slope_m"):
        one[name] = [float(POSTERIOR[r[3]][name][r[4]]) for r in rows]
    one["beta_gm"] = [float(POSTERIOR[r[3]]["beta_gm"][r[2]][r[4]]) for r in rows]
    return to_csv(one)


def asked(**more: Any) -> dict[str, Any]:
    facts = [
        {
            "channel": ch,
            "scale": SCALE[ch],
            "spend_per_unit": PRICE[ch],
            "current_spend": 1000.0,
            "observed_max": 5000.0,
        }
        for ch in CHANNELS
    ]
    return {
        "format": "meridian",
        "posterior_csv": posterior_csv(("north",)),
        "outcome_scale": OUTCOME_SCALE,
        "most_draws": DRAWS,
        "channels": facts,
        **more,
    }


def adstocked(x: Floats, alpha: float, max_lag: int) -> Floats:
    """A weighted mean over the last ``max_lag + 1`` periods, zeros before the first."""
    weights = np.array([alpha**lag for lag in range(max_lag + 1)])
    weights /= weights.sum()
    padded = np.concatenate([np.zeros(max_lag), x])
    return np.array([weights @ padded[t : t + max_lag + 1][::-1] for t in range(len(x))])


def hill(x: Floats, ec: float, slope: float) -> Floats:
    return x**slope / (x**slope + ec**slope)


def test_every_draw_answers_to_sustained_spend_as_meridian_does() -> None:
    curves = by_name(import_curves(asked()))
    spend = np.linspace(0.0, 20000.0, 60)
    for ch, curve in curves.items():
        assert len(curve.response.draws) == DRAWS
        for s, draw in enumerate(curve.response.draws):
            p = POSTERIOR[ch]
            units = spend / PRICE[ch] / SCALE[ch]
            want = (
                p["beta_gm"]["north"][s]
                * OUTCOME_SCALE
                * hill(units, p["ec_m"][s], p["slope_m"][s])
            )
            np.testing.assert_allclose(sustained(curve, spend, draw), want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("max_lag", [0, 3, 8])
def test_one_draw_answers_over_time_as_meridian_does(max_lag: int) -> None:
    """With a single draw its carryover is the stored one."""
    lines = posterior_csv(("north",)).splitlines()
    single = "\n".join([lines[0], *lines[1:3]])
    curves = by_name(import_curves(asked(posterior_csv=single, max_lag=max_lag)))
    spend = RNG.gamma(2.0, 3000.0, 40)
    for ch, curve in curves.items():
        assert curve.response.draws == ()
        p = POSTERIOR[ch]
        units = adstocked(spend / PRICE[ch] / SCALE[ch], p["alpha_m"][0], max_lag)
        want = p["beta_gm"]["north"][0] * OUTCOME_SCALE * hill(units, p["ec_m"][0], p["slope_m"][0])
        np.testing.assert_allclose(over_time(curve, spend), want, rtol=1e-9)


def test_hill_before_adstock_is_the_curve_alone_for_sustained_spend() -> None:
    curves = import_curves(asked(hill_before_adstock=True))
    assert any("Hill comes before adstock" in n for n in curves.diagnostics["imported"]["notes"])
    curve = by_name(curves)["tv"]
    p = POSTERIOR["tv"]
    long = np.full(60, 2500.0) / PRICE["tv"] / SCALE["tv"]
    for s in (0, 7):
        worked = adstocked(hill(long, p["ec_m"][s], p["slope_m"][s]), p["alpha_m"][s], 8)
        want = p["beta_gm"]["north"][s] * OUTCOME_SCALE * worked[-1]
        got = sustained(curve, np.array([2500.0]), curve.response.draws[s])[0]
        assert got == pytest.approx(want, rel=1e-9)


def test_several_geos_are_arms_of_their_own() -> None:
    """Media units are divided by the median per head times the geo's population."""
    geos = [{"geo": g, "population": n} for g, n in GEOS.items()]
    facts = [
        {
            "channel": f"{g}|{ch}",
            "scale": SCALE[ch],
            "spend_per_unit": PRICE[ch],
            "current_spend": 10.0,
            "observed_max": 50.0,
        }
        for g in GEOS
        for ch in CHANNELS
    ]
    whole = asked(posterior_csv=posterior_csv(tuple(GEOS)), geos=geos, channels=facts)
    curves = by_name(import_curves(whole))
    assert set(curves) == {f"{g}|{ch}" for g in GEOS for ch in CHANNELS}
    spend = np.linspace(0.0, 4e5, 30)
    for g, people in GEOS.items():
        for ch in CHANNELS:
            p, curve = POSTERIOR[ch], curves[f"{g}|{ch}"]
            units = spend / PRICE[ch] / (people * SCALE[ch])
            want = (
                p["beta_gm"][g][3]
                * OUTCOME_SCALE
                * people
                * hill(units, p["ec_m"][3], p["slope_m"][3])
            )
            got = sustained(curve, spend, curve.response.draws[3])
            np.testing.assert_allclose(got, want, rtol=1e-9)
    assert codes({**whole, "geos": None})["/geos"] == "required"


def test_binomial_decay_is_linear_in_the_lag_at_one_half() -> None:
    lines = posterior_csv(("north",)).splitlines()
    single = "\n".join([lines[0], *lines[1:3]])
    curve = by_name(import_curves(asked(posterior_csv=single, adstock="binomial", max_lag=4)))["tv"]
    assert curve.response.adstock is not None
    power = 1 / POSTERIOR["tv"]["alpha_m"][0] - 1
    raw = np.array([(1 - lag / 5) ** power for lag in range(5)])
    np.testing.assert_allclose(curve.response.adstock.weights(5), raw / raw.sum(), rtol=1e-12)


RESPONSE_CURVES = to_csv(
    {
        "spend_multiplier": [m for m in (0.0, 1.0, 0.5, 2.0) for _ in range(6)],
        "channel": [ch for _ in range(4) for ch in CHANNELS for _ in range(3)],
        "metric": ["mean", "ci_lo", "ci_hi"] * 8,
        "spend": [
            m * {"tv": 52000.0, "search": 10400.0}[ch]
            for m in (0.0, 1.0, 0.5, 2.0)
            for ch in CHANNELS
            for _ in range(3)
        ],
        "incremental_outcome": [
            factor * 90000.0 * m / (1.0 + m)
            for m in (0.0, 1.0, 0.5, 2.0)
            for _ in CHANNELS
            for factor in (1.0, 0.6, 1.5)
        ],
    }
)


def test_response_curves_become_points_per_period() -> None:
    """``Analyzer.response_curves().to_dataframe().reset_index()``; sums over 52 weeks."""
    made = import_curves(
        {"format": "meridian", "response_curves_csv": RESPONSE_CURVES, "periods": 52}
    )
    curve = by_name(made)["tv"]
    for m in (0.0, 0.5, 1.0, 2.0):
        want = 90000.0 * m / (1.0 + m) / 52
        got = sustained(curve, np.array([1000.0 * m]))[0]
        assert got == pytest.approx(want, rel=1e-9, abs=1e-12)
    assert (curve.observed_spend.last, curve.observed_spend.max) == (1000.0, 2000.0)


def test_what_is_missing_or_wrong_is_told_with_its_place() -> None:
    found = codes({"format": "meridian", "response_curves_csv": RESPONSE_CURVES})
    assert found == {"/periods": "required"}
    assert codes({"format": "meridian"}) == {"/response_curves_csv": "required"}
    falling = RESPONSE_CURVES.replace(repr(90000.0 * 2.0 / 3.0), "1.0")
    found = codes({"format": "meridian", "response_curves_csv": falling, "periods": 52})
    assert set(found.values()) == {"invalid_curve"}
    assert codes(asked(outcome_scale=None)) == {"/outcome_scale": "required"}
    facts = [{"channel": ch, "current_spend": 1.0, "observed_max": 2.0} for ch in CHANNELS]
    assert codes(asked(channels=facts)) == {
        "/channels/0/scale": "required",
        "/channels/1/scale": "required",
    }
    assert codes(asked(adstock="weibull")) == {"/adstock": "unknown_family"}
    no_slope = posterior_csv(("north",)).replace("slope_m", "steepness")
    assert codes(asked(posterior_csv=no_slope)) == {
        "/posterior_csv/columns/slope_m": "missing_column"
    }
