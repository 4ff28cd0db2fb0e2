"""Which belief about returns is used, and that impossible ones are refused by pointer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.fit.media.priors import BETWEEN, return_prior

CHANNELS = ("tv", "search")


def prior(spec: dict[str, Any] | None = None, name: str = "revenue", outcome: float = 5e6) -> Any:
    return return_prior(spec or {}, name, CHANNELS, 1e6, outcome)


def test_money_gets_the_money_prior() -> None:
    found = prior()
    assert found.basis == "money"
    np.testing.assert_allclose(found.log_median, 0.2)
    np.testing.assert_allclose(found.log_sd, 0.9)


@pytest.mark.parametrize("name", ["conversions", "orders", "y", "sales_units", "number of sales"])
def test_other_outcomes_are_centred_on_a_share(name: str) -> None:
    found = prior(name=name, outcome=2e4)
    assert found.basis == "share"
    # All channels at the median return explain a quarter of the outcome.
    np.testing.assert_allclose(np.exp(found.log_median) * 1e6, 0.25 * 2e4)
    assert name in found.why


@pytest.mark.parametrize(
    ("name", "unit", "basis"), [("signups", "money", "money"), ("gmv", "count", "share")]
)
def test_the_spec_decides_the_unit_and_not_the_name(name: str, unit: str, basis: str) -> None:
    found = prior({"outcome_unit": unit}, name)
    assert found.basis == basis
    assert prior(name=name).basis != basis


@pytest.mark.parametrize("outcome", [5e5, 1e9])
def test_money_in_another_unit_than_spend_is_noticed(outcome: float) -> None:
    assert prior(outcome=outcome).basis == "share"


def test_given_priors_come_first_and_only_where_given() -> None:
    found = prior({"priors": [{"channel": "search", "roi_median": 3.0, "roi_sd_log": 0.25}]})
    np.testing.assert_allclose(found.log_median, [0.2, np.log(3.0)])
    np.testing.assert_allclose(found.log_sd, [0.9, 0.25])
    assert found.given == (False, True)


def test_channels_share_a_level_and_given_priors_stand_alone() -> None:
    spec = {"priors": [{"channel": "b", "roi_median": 3.0, "roi_sd_log": 0.25}]}
    found = return_prior(spec, "revenue", ("a", "b", "c"), 1e6, 5e6)
    covariance = found.covariance()
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), [1.2, 0.25, 1.2])
    np.testing.assert_allclose(covariance[0, 2], 1.2**2 - BETWEEN**2)
    np.testing.assert_allclose(covariance[1, [0, 2]], 0.0)


def test_what_the_others_say_is_the_conditional_of_the_joint_prior() -> None:
    """By simulation: a regression of one channel's return on the others' finds the same."""
    found = return_prior({}, "revenue", ("a", "b", "c"), 1e6, 5e6)
    rng = np.random.default_rng(2)
    level = rng.normal(0.2, np.sqrt(1.2**2 - BETWEEN**2), (200_000, 1))
    drawn = level + BETWEEN * rng.standard_normal((200_000, 3))
    mean, sd = found.by_the_others(drawn)
    left = drawn[:, 0] - mean[:, 0]
    assert left.mean() == pytest.approx(0.0, abs=0.01)
    assert left.std() == pytest.approx(sd[0], rel=0.01)
    np.testing.assert_allclose(np.cov(left, drawn[:, 1])[0, 1], 0.0, atol=0.01)
    # A fourth channel, which nobody saw, is expected where the three are.
    another, wide = found.of_another(drawn)
    fourth = level[:, 0] + BETWEEN * rng.standard_normal(200_000)
    assert np.mean(fourth - another) == pytest.approx(0.0, abs=0.01)
    assert np.std(fourth - another) == pytest.approx(wide, rel=0.01)
    assert BETWEEN < wide < sd[0]


def test_errors_are_drawn_given_what_is_seen_and_what_a_test_told() -> None:
    """By simulation of the joint prior: drawn errors are alike the true ones, and as related."""
    found = return_prior({}, "revenue", ("search", "tv", "radio", "affiliates"), 1e6, 5e6)
    rng = np.random.default_rng(4)
    truly = rng.multivariate_normal(found.log_median, found.covariance(), 100_000)
    error = rng.multivariate_normal(found.error.mean, found.error.covariance, 100_000)
    known = np.where([True, False, False, False], error, np.nan)
    drawn = found.errors(truly + error, known, rng)
    np.testing.assert_array_equal(drawn[:, 0], error[:, 0])
    for whole in (np.hstack([error, truly + error]), np.hstack([drawn, truly + error])):
        np.testing.assert_allclose(whole.mean(axis=0)[:4], found.error.mean, atol=0.01)
    either = [np.cov(np.hstack([e, truly + error]).T) for e in (error, drawn)]
    np.testing.assert_allclose(either[0], either[1], atol=0.03)
    # Of one role, what a test tells of one channel it tells of the other.
    assert either[0][0, 3] > 0.2
    assert abs(either[0][0, 1]) < 0.03


def test_the_role_in_the_spec_comes_before_the_name() -> None:
    spec = {"channels": [{"channel": "search", "role": "demand_creation"}]}
    found = return_prior(spec, "revenue", ("search", "tv"), 1e6, 5e6)
    assert found.error.mean[0] == found.error.mean[1]
    assert prior().error.mean[1] > prior().error.mean[0]


def test_a_name_alone_counts_as_far_as_spend_follows_demand() -> None:
    def error(share: float, **role: str) -> tuple[float, float]:
        spec = {"channels": [{"channel": "search", **role}]}
        follows = np.array([0.0, share])
        found = return_prior(spec, "revenue", ("tv", "search"), 1e6, 5e6, None, follows)
        return float(found.error.mean[1]), float(found.error.sd[1])

    whole, none = error(np.nan), error(0.05)
    assert whole == error(0.5) == pytest.approx((1.2, 1.0))
    assert none == pytest.approx((0.0, 0.7), abs=0.01)
    assert none[0] < error(0.2)[0] < whole[0]
    # Said in the spec it stands, whatever spend does.
    assert error(0.0, role="demand_capture") == whole
    assert error(0.5, role="demand_creation") == none


def test_a_negative_total_does_not_break_the_scale() -> None:
    found = prior(name="profit", outcome=-2e6)
    assert np.isfinite(found.log_median).all()


@pytest.mark.parametrize(
    ("entry", "pointer"),
    [
        ({"channel": "radio", "roi_median": 1.0}, "/priors/0/channel"),
        ({"channel": "tv", "roi_median": -1.0}, "/priors/0/roi_median"),
        ({"channel": "tv", "roi_median": 1.0, "roi_sd_log": 0.0}, "/priors/0/roi_sd_log"),
    ],
)
def test_impossible_priors_are_refused(entry: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prior({"priors": [entry]})
    assert caught.value.faults[0].pointer == pointer


def test_priors_of_declared_channels_without_spend_are_accepted() -> None:
    spec = {"channels": [{"channel": "radio"}], "priors": [{"channel": "radio", "roi_median": 1}]}
    assert prior(spec).given == (False, False)
