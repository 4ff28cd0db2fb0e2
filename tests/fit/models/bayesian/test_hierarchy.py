"""Geos, campaigns, interactions and lift tests in the log posterior: gradients and meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shared.curves.saturation import fittable
from shared.errors import InvalidInput
from shared.fit.design.design import build_design
from shared.fit.media.kernels import ADSTOCK_FAMILIES
from shared.fit.media.lift import read_lifts
from shared.fit.media.priors import return_prior
from shared.fit.models.bayesian.layout import Choice
from shared.fit.models.bayesian.model import MediaModel, build_model
from shared.history.spec import read_spec
from shared.history.table import History, Panel
from tests.fit.histories import simulated

Floats = NDArray[np.float64]


def with_panel(history: History, geos: int = 2) -> History:
    """Split among geos with sizes 1, 2, ...; the first channel into two campaigns."""
    rng = np.random.default_rng(0)
    size = np.arange(1, geos + 1) / np.sum(np.arange(1, geos + 1))
    first, *others = history.channels
    arms = ((first, "brand"), (first, "sale"), *((name, "") for name in others))
    share = rng.uniform(0.2, 0.8, (geos, len(history.dates)))
    whole = size[:, None, None] * history.spend * rng.uniform(0.5, 1.5, (geos, 1, 1))
    spend = np.concatenate(
        [whole[:, :, :1] * share[:, :, None], whole[:, :, :1] * (1 - share[:, :, None])], axis=2
    )
    spend = np.concatenate([spend, whole[:, :, 1:]], axis=2)
    noise = 0.02 * history.outcome.mean() * rng.standard_normal((geos, len(history.dates)))
    outcome = size[:, None] * history.outcome + noise
    controls = np.repeat(history.controls[None], geos, axis=0)
    geo_names = tuple(f"g{g}" for g in range(geos))
    return replace(history, detail=Panel(geo_names, arms, spend, spend.copy(), outcome, controls))


def model_of(
    history: History,
    choice: Choice | None = None,
    *,
    pairs: tuple[tuple[int, int], ...] = (),
    spec: dict[str, Any] | None = None,
) -> MediaModel:
    design = build_design(history, None)
    total = float(np.nansum(history.outcome))
    names = history.channels
    prior = return_prior({}, "revenue", names, float(history.spend.sum()), total)
    return build_model(
        design,
        prior,
        choice or Choice.same(len(names), "hill"),
        np.random.default_rng(3).uniform(0.3, 1.4, int(design.observed.sum())),
        0.3,
        pairs=pairs,
        lifts=read_lifts(spec or {}, history, design),
    )


def check_gradient(model: MediaModel, seed: int = 0) -> None:
    centre, sd = model.prior_moments()
    theta = centre + 0.6 * sd * np.random.default_rng(seed).standard_normal((3, model.size))
    _, gradient = model.log_posterior(theta)
    for j in range(model.size):
        move = np.zeros(model.size)
        move[j] = 1e-5
        up, down = model.log_posterior(theta + move)[0], model.log_posterior(theta - move)[0]
        np.testing.assert_allclose(gradient[:, j], (up - down) / 2e-5, rtol=5e-5, atol=5e-4)


@pytest.mark.parametrize("saturation", fittable())
@pytest.mark.parametrize("adstock", ADSTOCK_FAMILIES)
def test_gradient_of_every_pair_of_families(saturation: str, adstock: str) -> None:
    history, _ = simulated(rows=60, channels=2)
    check_gradient(model_of(history, Choice((saturation, "hill"), (adstock, "geometric"))))


def lift(history: History, row: int, weeks: int = 4, **changes: Any) -> dict[str, Any]:
    start = history.dates[row]
    return {
        "channel": history.channels[0],
        "start": start.isoformat(),
        "end": (start + timedelta(7 * weeks - 1)).isoformat(),
        "spend_change": float(history.spend[:, 0].mean()) * weeks * 0.5,
        "outcome_change": 2e4,
        "standard_error": 4e3,
        "in_history": False,
        **changes,
    }


@pytest.mark.parametrize("kind", ["geos", "national"])
def test_gradient_with_hierarchy_interactions_and_lift_tests(kind: str) -> None:
    history, _ = simulated(rows=60, channels=3)
    if kind == "geos":
        history = with_panel(history)
    cut = {"spend_change": -1e3, "outcome_change": -5e3, "in_history": True}
    spec = {"lift_tests": [lift(history, 20), lift(history, 30, **cut)]}
    pairs = ((0, 2),) if kind == "geos" else ((0, 1), (1, 2))
    model = model_of(history, pairs=pairs, spec=spec)
    assert len(model.lifts) == 2
    check_gradient(model)


def test_as_many_arms_as_channels_need_not_be_one_of_each() -> None:
    model = model_of(with_panel(simulated(rows=60, channels=3)[0]))
    centre, sd = model.prior_moments()
    theta = centre + 0.3 * sd * np.random.default_rng(0).standard_normal((2, model.size))
    whole = model.arms.forward(theta, model.lags).saturated
    places = np.resize(np.flatnonzero(model.arms.channel == 1), model.channels)
    few = model.arms.some(places).forward(theta, model.lags[places]).saturated
    np.testing.assert_allclose(few, whole[places])


def test_a_lift_test_of_almost_no_error_pins_the_response() -> None:
    history, truth = simulated(rows=104, channels=2)
    model = model_of(history)
    theta = model.prior_moments()[0][None]
    spend = float(history.spend[20, 0])
    test = lift(history, 20, weeks=1, spend_change=spend, outcome_change=0.0, standard_error=1.0)
    found = model_of(history, spec={"lift_tests": [test]})
    # Without a systematic error, at the middle of the prior: how likely that is to begin with.
    known = np.insert(theta, -1, 0.0, axis=1)
    mean, seen = found.returns.seen
    error = found.returns.error
    pull = np.linalg.solve(seen, error.covariance[0])
    sd = float(np.sqrt(error.covariance[0, 0] - error.covariance[0] @ pull))
    chance = stats.norm.logpdf(0.0, error.mean[0], sd)
    np.testing.assert_allclose(theta[0, :2], mean)
    gap = model.log_posterior(theta)[0] - found.log_posterior(known)[0] + chance
    # The test's own term: the model's answer, computed from media with one week's spend doubled.
    doubled = history.spend.copy()
    doubled[20, 0] += spend
    other = replace(model.design, lags=model.design.lags.copy())
    padded = doubled[:, 0] / model.design.spend_scale[0]
    for back in range(1):
        other.lags[0, 20, back] = padded[20]
    saturated = model.arms.forward(theta, other.lags).saturated[0, 0, 20]
    before = model.arms.forward(theta, model.design.lags).saturated[0, 0, 20]
    expected = model.coefficients(theta)[0, 0] * (saturated - before)
    assert float(gap[0]) == pytest.approx(0.5 * expected**2 + 0.5 * np.log(2 * np.pi), rel=1e-9)
    assert truth.top[0] > 0


def test_tests_that_end_after_the_training_rows_are_not_known_yet() -> None:
    history, _ = simulated(rows=60, channels=2)
    spec = {"lift_tests": [lift(history, 50)]}
    assert len(read_lifts(spec, history, build_design(history, None))) == 1
    assert read_lifts(spec, history, build_design(history, None, 52)) == ()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"channel": "zz"}, "/lift_tests/0/channel"),
        ({"end": "2020-01-01"}, "/lift_tests/0/end"),
        ({"start": "soon"}, "/lift_tests/0/start"),
        ({"geo": "nowhere"}, "/lift_tests/0/geo"),
    ],
)
def test_impossible_tests_are_named(change: dict[str, Any], pointer: str) -> None:
    history, _ = simulated(rows=60, channels=2)
    spec = {"lift_tests": [lift(history, 20, **change)]}
    with pytest.raises(InvalidInput) as caught:
        read_lifts(spec, history, build_design(history, None))
    assert caught.value.faults[0].pointer == pointer


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("standard_error", 0.0),
        ("spend_change", None),
        ("outcome_change", "much"),
        ("in_history", "no"),
    ],
)
def test_a_spec_refuses_tests_that_say_nothing(field: str, value: object) -> None:
    history, _ = simulated(rows=60, channels=2)
    with pytest.raises(InvalidInput) as caught:
        read_spec({"lift_tests": [lift(history, 20, **{field: value})]})
    assert caught.value.faults[0].pointer == f"/lift_tests/0/{field}"


def test_a_campaigns_test_changes_its_arms_alone() -> None:
    history = with_panel(simulated(rows=60, channels=2)[0])
    design = build_design(history, None)

    def arms(**said: Any) -> list[list[str]]:
        spec = {"lift_tests": [lift(history, 20, **said)]}
        found = read_lifts(spec, history, design)
        return [[design.arms[a].name for a in one.tested] for one in found]

    assert arms(campaign="brand") == [["g0|a/brand", "g1|a/brand"]]
    assert arms(campaign="brand", geo="g1") == [["g1|a/brand"]]
    # A fold may end before the campaign begins: then there is nothing that the test could speak of.
    assert arms(campaign="not yet") == []


def test_a_panel_of_one_geo_is_the_national_model() -> None:
    history, _ = simulated(rows=60, channels=2)
    choice = Choice.same(2, "hill")
    national = model_of(history, choice)
    one = replace(history, detail=history.panel())
    theta = national.prior_moments()[0][None]
    assert model_of(one, choice).log_posterior(theta)[0] == pytest.approx(
        national.log_posterior(theta)[0]
    )


def test_arms_are_named_by_geo_channel_and_campaign() -> None:
    design = build_design(with_panel(simulated(rows=60, channels=2)[0]), None)
    assert [arm.name for arm in design.arms] == [
        "g0|a/brand",
        "g0|a/sale",
        "g0|b",
        "g1|a/brand",
        "g1|a/sale",
        "g1|b",
    ]
