"""Figures that are allowed and look as if they were meant in another unit."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import InvalidInput
from tests.api.samples import optimize_request, told


def warned(**changes: Any) -> dict[str, str]:
    raw = optimize_request(**changes)
    return dict(problem_of(read_optimize(raw)).warnings)


TODAY = sum(channel["current_spend"] for channel in optimize_request()["channels"])


@pytest.mark.parametrize(
    ("share", "far"),
    [(0.09, True), (0.11, False), (1.0, False), (9.9, False), (10.1, True)],
)
def test_a_budget_far_from_todays(share: float, far: bool) -> None:
    found = warned(budget=share * TODAY)
    assert ("budget_far_from_today" in found) is far


def test_what_is_said_of_such_a_budget() -> None:
    said = warned(budget=TODAY / 1000.0)["budget_far_from_today"]
    assert f"The budget of {TODAY / 1000.0:,.0f} is 1/1,000 of today's spend, {TODAY:,.0f}" in said
    said = warned(budget=TODAY, horizon={"periods": 13})["budget_far_from_today"]
    assert "1/13 of today's spend" in said
    assert "for all periods together" in said
    goal = {"goal": "minimize_spend", "target_outcome": 10.0}
    assert "budget_far_from_today" not in warned(budget=TODAY / 1000.0, objective=goal)


def with_first(**fields: Any) -> dict[str, str]:
    channels = optimize_request()["channels"]
    return warned(channels=[{**channels[0], **fields}, *channels[1:]])


@pytest.mark.parametrize(("price", "odd"), [(20, True), (3.5, True), (1.2, False), (0.2, True)])
def test_a_price_that_may_be_per_cent(price: float, odd: bool) -> None:
    found = with_first(price=price)
    assert ("price_unusual" in found) is odd
    if odd:
        assert f"{price:g} is {price:g} times as much" in found["price_unusual"]


@pytest.mark.parametrize(("change", "odd"), [(20, True), (2, False), (0.2, False)])
def test_a_change_that_may_be_per_cent(change: float, odd: bool) -> None:
    found = with_first(max_change=change)
    assert ("max_change_unusual" in found) is odd
    if odd:
        assert "20 is 2,000 % of today's spend" in found["max_change_unusual"]


def test_a_share_in_per_cent_is_told_how_to_write_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_optimize(optimize_request(test_reserve=30))
    assert told(caught.value)["/test_reserve"][1] == (
        "test_reserve must be less than 1; it is 30 (a fraction: 0.3 for 30 %)."
    )


def test_money_in_messages_is_written_as_people_write_it() -> None:
    channels = optimize_request()["channels"]
    channels[0] |= {"min_spend": 2500001, "max_spend": 1234567}
    with pytest.raises(InvalidInput) as caught:
        read_optimize(optimize_request(channels=channels, budget=3000000))
    (message,) = (message for _, message in told(caught.value).values())
    assert "(1,234,567) is below its min_spend (2,500,001)" in message
