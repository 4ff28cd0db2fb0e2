"""Messages to problems: stored curves, overrides, effects, and what they leave out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.messages import ChannelSpend
from shared.api.planning import plan_of
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.saturation import Hill
from shared.errors import InvalidInput
from shared.problem.model import Channel, Problem
from tests.api.samples import EXPONENTIAL, HILL, optimize_request, stored_curves, told


def stored(channels: list[dict[str, Any]] | None = None, **fields: Any) -> Problem:
    raw = {"dataset": "brand", "budget": 30, "channels": channels, **fields}
    return problem_of(read_optimize(raw), stored_curves())


def by_name(problem: Problem) -> dict[str, Channel]:
    return {channel.name: channel for channel in problem.channels}


def test_inline_channels_keep_their_order_and_bounds() -> None:
    problem = problem_of(read_optimize(optimize_request()))
    tv, search = problem.channels
    assert (tv.name, tv.current_spend, tv.max_spend, tv.max_change) == ("tv", 30000, 60000, None)
    assert (search.name, search.max_spend, search.max_change) == ("search", None, 0.5)
    assert tv.response.saturation == Hill(120000.0, 40000.0, 1.7)
    assert tv.response.adstock is not None
    assert problem.budget == 60000
    assert problem.curves_version is None


def test_the_short_form_of_a_response_is_the_same_response() -> None:
    raw = optimize_request()
    raw["channels"][0]["saturation"] = raw["channels"][0]["response"]["saturation"]
    raw["channels"][0]["adstock"] = raw["channels"][0].pop("response")["adstock"]
    assert problem_of(read_optimize(raw)) == problem_of(read_optimize(optimize_request()))


def test_solver_options_arrive() -> None:
    raw = optimize_request(solver={"method": "lagrangian", "gap": 0.01, "seed": 7}, spend_all=False)
    problem = problem_of(read_optimize(raw))
    assert (problem.options.method, problem.options.gap, problem.options.seed) == (
        "lagrangian",
        0.01,
        7,
    )
    assert problem.spend_all is False


def test_stored_curves_bring_channels_current_spend_and_a_default_ceiling() -> None:
    problem = stored()
    tv = by_name(problem)["tv"]
    assert [c.name for c in problem.channels] == ["tv", "search"]
    assert tv.current_spend == 20.0  # the observed last
    assert tv.max_spend == 120.0  # 1.5 times the highest observed
    assert tv.max_spend_is_default
    assert tv.observed_max == 80.0
    assert len(tv.response.draws) == 3
    assert problem.curves_version == "v20250303T021500Z-abc"
    assert (problem.outcome_unit, problem.currency) == ("revenue", "USD")


def test_overrides_by_name() -> None:
    channels = [{"channel": "search", "max_spend": 15, "current_spend": 12, "locked": True}]
    found = by_name(stored(channels))
    assert found["search"].max_spend == 15
    assert found["search"].current_spend == 12
    assert found["search"].locked
    assert not found["search"].max_spend_is_default
    assert found["tv"] == by_name(stored())["tv"]


def test_the_default_ceiling_never_contradicts_the_caller() -> None:
    found = by_name(stored([{"channel": "tv", "min_spend": 500}]))
    assert found["tv"].max_spend == 500
    found = by_name(stored([{"channel": "tv", "current_spend": 700, "locked": True}]))
    assert found["tv"].max_spend == 700


def test_an_unknown_channel_is_told_with_its_nearest() -> None:
    with pytest.raises(InvalidInput) as caught:
        stored([{"channel": "serch"}, {"channel": "radio"}])
    found = told(caught.value)
    assert found["/channels/0/channel"] == (
        "unknown_channel",
        "The stored curves have no channel 'serch'. Did you mean 'search'?",
    )
    assert found["/channels/1/channel"][1] == "The stored curves have no channel 'radio'."


def test_a_channel_can_be_left_out() -> None:
    assert list(by_name(stored([{"channel": "tv", "exclude": True}]))) == ["search"]
    with pytest.raises(InvalidInput, match="nothing to spend on"):
        stored([{"channel": c, "exclude": True} for c in ("tv", "search")])


def test_a_curve_that_replaces_a_stored_one_brings_as_many_draws() -> None:
    with pytest.raises(InvalidInput) as caught:
        stored([{"channel": "tv", "saturation": HILL}])
    assert told(caught.value) == {
        "/channels/0/response/draws": (
            "unequal_draws",
            "All channels must carry equally many draws: tv has 0, the stored curves have 3.",
        )
    }
    draw = {"max_response": 5, "half_saturation": 2, "shape": 1}
    response = {"saturation": HILL, "draws": [draw] * 3}
    replaced = by_name(stored([{"channel": "tv", "response": response}]))["tv"]
    assert replaced.response.saturation == Hill(120000.0, 40000.0, 1.7)


X = np.array([0.0, 5.0, 20.0, 90.0])


@pytest.mark.parametrize(
    "curve",
    [
        HILL,
        EXPONENTIAL,
        {"family": "logistic", "max_response": 10, "rate": 0.1},
        {"family": "michaelis_menten", "max_response": 10, "half_saturation": 7},
        {"family": "sigmoid", "max_response": 10, "midpoint": 9, "steepness": 0.3},
        {"family": "logarithmic", "coefficient": 3, "scale": 4},
        {"family": "power", "coefficient": 3, "exponent": 0.4},
        {"family": "tabulated", "spend": [0, 10, 50, 100], "response": [0, 3, 8, 9]},
    ],
)
def test_effectiveness_and_price_move_the_curve_as_they_say(curve: dict[str, Any]) -> None:
    def made(**effects: float) -> Channel:
        channel = {"channel": "a", "saturation": curve, **effects}
        return problem_of(read_optimize({"channels": [channel], "budget": 1})).channels[0]

    plain = made().response.saturation
    np.testing.assert_allclose(
        made(effectiveness=0.7).response.saturation.value(X), 0.7 * plain.value(X), rtol=1e-9
    )
    # At a price of 1.25 the same money buys a fifth less media.
    np.testing.assert_allclose(
        made(price=1.25).response.saturation.value(X), plain.value(X / 1.25), rtol=1e-9
    )


def test_effects_reach_the_draws_and_leave_the_carryover() -> None:
    plain = by_name(stored())["tv"].response
    moved = by_name(stored([{"channel": "tv", "effectiveness": 0.5, "price": 2}]))["tv"].response
    assert moved.adstock == plain.adstock
    for before, after in zip(plain.draws, moved.draws, strict=True):
        np.testing.assert_allclose(after.value(X), 0.5 * before.value(X / 2), rtol=1e-9)


def test_a_curve_that_its_class_refuses_is_a_fault_of_the_request() -> None:
    adstock = {"family": "delayed", "decay": 0.5, "peak": 30, "length": 4}
    channel = {"channel": "a", "saturation": HILL, "adstock": adstock}
    with pytest.raises(InvalidInput) as caught:
        problem_of(read_optimize({"channels": [channel], "budget": 1}))
    code, message = told(caught.value)["/channels/0/saturation"]
    assert code == "invalid_curve"
    assert "peak" in message


def rows(**spend: float) -> list[ChannelSpend]:
    return [ChannelSpend(channel=name, spend=amount) for name, amount in spend.items()]


def test_a_plan_names_every_channel_and_no_other() -> None:
    problem = problem_of(read_optimize(optimize_request()))
    assert plan_of(rows(search=2.0, tv=1.0), problem) == {"tv": 1.0, "search": 2.0}
    with pytest.raises(InvalidInput) as caught:
        plan_of(rows(tv=1.0, serch=2.0), problem)
    assert told(caught.value) == {
        "/plan/1/channel": (
            "unknown_channel",
            "There is no channel 'serch'. Did you mean 'search'?",
        ),
        "/plan": (
            "missing_channel",
            "The plan leaves out search: say 0 where nothing is to be spent.",
        ),
    }


def test_a_stored_set_with_other_units_says_so() -> None:
    curves = replace(stored_curves(), currency=None, outcome="leads")
    problem = problem_of(read_optimize({"dataset": "brand", "budget": 30}), curves)
    assert (problem.currency, problem.outcome_unit) == (None, "leads")


def test_doubts_of_the_fit_become_warnings() -> None:
    curves = stored_curves()
    assert problem_of(read_optimize({"dataset": "brand", "budget": 30}), curves).warnings == ()
    tv, search = curves.channels
    doubtful = replace(
        curves,
        channels=(replace(tv, verdict="prior"), search),
        diagnostics={"promote": False, "reasons": ["It has not converged."]},
    )
    warnings = problem_of(read_optimize({"dataset": "brand", "budget": 30}), doubtful).warnings
    assert warnings == (
        ("weak_fit", "These curves did not pass the checks of a refit. It has not converged."),
        (
            "weak_fit",
            "tv: the data said next to nothing; the curve is what was believed before.",
        ),
    )
    without = {"dataset": "brand", "budget": 1, "channels": [{"channel": "tv", "exclude": True}]}
    assert len(problem_of(read_optimize(without), doubtful).warnings) == 1
