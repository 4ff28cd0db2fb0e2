"""Every field of the contract arrives in the problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.messages import ChannelSpend, OptimizeRequest
from shared.api.planning import plan_of
from shared.api.translate import problem_of
from shared.curves.curveset import CurveSet
from shared.errors import InvalidInput
from shared.problem.model import Constraint, Goal, Horizon, Interaction, Problem, Risk
from tests.api.features import CAMPAIGNS, EXAMPLES, drawn, goal, over, rule, three
from tests.api.samples import HILL, stored_curves, told


def posed(raw: dict[str, Any], curves: CurveSet | None = None) -> Problem:
    """The problem behind a request, whether or not anything solves it yet."""
    return problem_of(OptimizeRequest.model_validate(raw), curves)


def stored(**fields: Any) -> Problem:
    return posed({"dataset": "brand", "budget": 30, **fields}, stored_curves())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_problem(name: str) -> None:
    problem = posed(EXAMPLES[name])
    # Only what asks for nothing of the general form has the fast path.
    assert problem.separable == (name == "plain")


def test_limits_of_a_channel() -> None:
    raw = over(
        2,
        tv={
            "minimum_if_active": 5,
            "increment": 3,
            "min_total": 2,
            "max_total": 90,
            "period_weights": [1, 2],
        },
    )
    tv = posed(raw).channels[0]
    assert (tv.minimum_if_active, tv.increment) == (5, 3)
    assert (tv.min_total, tv.max_total) == (2, 90)
    assert tv.period_weights == (1, 2)


def test_goals() -> None:
    assert posed(goal("maximize_profit", value_per_outcome=2)).goal == Goal(
        "maximize_profit", value_per_outcome=2
    )
    assert posed(goal("maximize_reach", 10, max_frequency=3)).goal.max_frequency == 3
    found = posed(goal("maximize_outcome", 10, target_roas=2, target_cpa=0.4)).goal
    assert (found.target_roas, found.target_cpa) == (2, 0.4)
    assert posed(over(2, objective={"long_term_weight": 0.3})).goal.long_term_weight == 0.3
    assert posed(goal("maximize_profit", value_per_outcome=2)).budget is None


def test_a_budget_beside_the_least_spend_is_a_cap_and_said_to_be() -> None:
    problem = posed(goal("minimize_spend", 60000, target_outcome=9))
    assert problem.spend_all is False
    assert problem.warnings == (
        ("budget_is_a_cap", "The goal is the least spend, so the budget is taken as a cap."),
    )
    for asked in (
        goal("minimize_spend", 60000, target_outcome=9) | {"spend_all": False},
        goal("minimize_spend", target_outcome=9),
    ):
        assert posed(asked).warnings == ()


def test_constraints() -> None:
    fields = {
        "min_spend": 1,
        "max_spend": 2,
        "min_total": 3,
        "max_total": 4,
        "min_share": 0.1,
        "max_share": 0.2,
        "max_active": 1,
    }
    (found,) = posed(rule(**fields)).constraints
    assert found == Constraint("rule", ("tv", "radio"), **fields)  # type: ignore[arg-type]
    (linear,) = posed(EXAMPLES["coefficients"]).constraints
    assert linear == Constraint("rule", coefficients=(("tv", 1), ("search", -2)), maximum=0)


def test_an_excluded_channel_leaves_the_rules_over_it() -> None:
    raw = rule(max_share=0.5)
    raw["channels"][2]["exclude"] = True
    raw["interactions"] = [
        {"channels": ["tv", "radio"], "strength": 5},
        {"channels": ["tv", "search"], "strength": 7},
        {"channels": ["search", "tv"], "strength": 0},
    ]
    problem = posed(raw)
    assert problem.constraints == (Constraint("rule", ("tv",), max_share=0.5),)
    assert problem.interactions == (Interaction(("tv", "search"), 7),)
    raw["channels"][0]["exclude"] = True
    assert posed(raw).constraints == ()
    raw["constraints"][0] = {"name": "rule", "channels": ["tv", "radio"], "min_spend": 5}
    with pytest.raises(InvalidInput) as caught:
        posed(raw)
    assert told(caught.value)["/constraints/0"][0] == "contradiction"


def test_horizon() -> None:
    problem = posed(over(4, "constant", horizon={"pacing": {"max_change": 0.2}}))
    assert problem.horizon == Horizon(4, "constant", 0.2)
    assert problem.budget == 240000
    # One period is the same plan in every mode, with nothing to pace.
    assert posed(over(1, "sequential", horizon={"pacing": {"max_change": 0.2}})).separable
    budgets = posed(over(2, budget=None, period_budgets=[1, 2]))
    assert (budgets.budget, budgets.period_budgets) == (None, (1, 2))
    assert posed(three(test_reserve=0.1)).test_reserve == 0.1


@pytest.mark.parametrize(
    "adstock",
    [
        {"family": "geometric", "decay": 0.8},
        {"family": "geometric", "decay": 0.8, "normalised": True},
        {"family": "delayed", "decay": 0.7, "peak": 2, "length": 6},
        {"family": "weibull_cdf", "shape": 2, "scale": 3, "length": 5, "normalised": True},
    ],
)
def test_a_single_prior_amount_was_spent_in_every_period_before(adstock: dict[str, Any]) -> None:
    curve = {"saturation": HILL, "adstock": adstock}
    raw = over(3, tv={"response": curve}, horizon={"prior_spend": {"tv": 700}})
    tv = posed(raw).channels[0]
    kernel = tv.response.adstock
    assert kernel is not None
    before = np.array(tv.prior_spend)
    periods = len(before)
    weights = kernel.weights(periods + 12)
    carried = [float(before @ weights[t + 1 : t + 1 + periods][::-1]) for t in range(12)]
    np.testing.assert_allclose(carried, kernel.apply(np.zeros(12), prior=700.0), rtol=1e-9)


def test_prior_spend_as_a_list_is_taken_as_it_is() -> None:
    raw = over(3, horizon={"prior_spend": {"tv": [1, 2], "search": 5}})
    tv, search, radio = posed(raw).channels
    assert tv.prior_spend == (1, 2)
    assert search.prior_spend == ()  # nothing carries over
    assert radio.prior_spend == ()


def test_campaigns() -> None:
    raw = over(
        2,
        tv={**CAMPAIGNS, "price": 2, "effectiveness": 0.5, "period_weights": [1, 3]},
        horizon={"prior_spend": {"tv/launch": [8]}},
    )
    raw["channels"][0].pop("current_spend")
    raw["channels"][0]["campaigns"][1] |= {"effectiveness": 0.5, "period_weights": [2, 1]}
    tv = posed(raw).channels[0]
    assert [c.name for c in tv.campaigns] == ["brand", "launch"]
    assert tv.current_spend == 30000
    assert tv.max_spend == 60000
    brand, launch = tv.campaigns
    assert (brand.max_spend, launch.min_spend) == (30000, 5000)
    assert (brand.period_weights, launch.period_weights) == ((1, 3), (2, 3))
    assert (brand.prior_spend, launch.prior_spend) == ((), (8,))
    plain = posed(three(tv=CAMPAIGNS)).channels[0].campaigns[0].response.saturation
    x = np.array([0.0, 9000.0, 40000.0])
    np.testing.assert_allclose(brand.response.saturation.value(x), 0.5 * plain.value(x / 2))
    np.testing.assert_allclose(launch.response.saturation.value(x), 0.25 * plain.value(x / 2))


def test_an_excluded_campaign_gets_nothing() -> None:
    raw = three(tv={**CAMPAIGNS, "current_spend": 30000})
    raw["channels"][0]["campaigns"][1]["exclude"] = True
    tv = posed(raw).channels[0]
    assert [c.name for c in tv.campaigns] == ["brand"]
    assert tv.current_spend == 20000
    raw["channels"][0]["campaigns"][0]["exclude"] = True
    with pytest.raises(InvalidInput) as caught:
        posed(raw)
    assert told(caught.value)["/channels/0/campaigns"][0] == "required"


def test_risk() -> None:
    assert posed(drawn(risk={"measure": "cvar"})).risk == Risk("cvar", 1.0, 0.1)
    assert posed(drawn(risk={"measure": "mean_minus_sd", "aversion": 0})).risk.aversion == 0
    assert posed(drawn(risk={"measure": "quantile", "level": 0.3})).risk.level == 0.3


def test_a_stored_set_without_draws_has_no_risk_to_weigh() -> None:
    raw = {"dataset": "brand", "budget": 30, "risk": {"measure": "cvar"}}
    assert posed(raw, stored_curves()).risk.measure == "cvar"
    with pytest.raises(InvalidInput) as caught:
        posed(raw, stored_curves(draws=0))
    assert told(caught.value)["/risk/measure"][0] == "needs_draws"


def test_lagrangian_is_for_one_budget() -> None:
    solver = {"method": "lagrangian"}
    assert posed(three(solver=solver)).options.method == "lagrangian"
    with pytest.raises(InvalidInput) as caught:
        posed(over(2, solver=solver))
    assert told(caught.value)["/solver/method"][0] == "unfit_method"


# -- stored curves ----------------------------------------------------------------------------


def test_names_in_rules_are_those_of_the_stored_set() -> None:
    with pytest.raises(InvalidInput) as caught:
        stored(
            constraints=[{"name": "a", "channels": ["tv", "serch"], "max_share": 0.5}],
            interactions=[{"channels": ["tv", "radio"], "strength": 1}],
            horizon={"periods": 2, "prior_spend": {"tvv": 1}},
        )
    assert {p: code for p, (code, _) in told(caught.value).items()} == {
        "/constraints/0/channels/1": "unknown_channel",
        "/interactions/0/channels/1": "unknown_channel",
        "/horizon/prior_spend/tvv": "unknown_channel",
    }


def test_an_interaction_of_stored_curves_needs_ceilings() -> None:
    pair = {"channels": ["tv", "search"], "strength": 1}
    assert stored(interactions=[pair]).interactions == (Interaction(("tv", "search"), 1),)
    draws = [{"coefficient": 2.0}] * 3
    curve = {"saturation": {"family": "logarithmic", "coefficient": 2}, "draws": draws}
    with pytest.raises(InvalidInput) as caught:
        stored(interactions=[pair], channels=[{"channel": "search", "response": curve}])
    assert told(caught.value)["/interactions/0/channels/1"][0] == "no_ceiling"


def test_the_default_ceiling_leaves_room_for_a_minimum() -> None:
    channels = [{"channel": "tv", "min_total": 900}]
    tv = stored(channels=channels, horizon={"periods": 3}).channels[0]
    assert (tv.max_spend, tv.max_spend_is_default) == (300, True)
    tv = stored(channels=[{"channel": "tv", "minimum_if_active": 500}]).channels[0]
    assert tv.max_spend == 500


def test_a_channel_that_brings_nothing_interacts_with_none() -> None:
    raw = three(
        tv={"effectiveness": 0}, interactions=[{"channels": ["tv", "search"], "strength": 1}]
    )
    problem = posed(raw)
    assert problem.interactions == ()
    assert [code for code, _ in problem.warnings] == ["idle_interaction"]


def with_campaigns() -> CurveSet:
    curves = stored_curves()
    tv, search = curves.channels
    arms = (replace(tv, channel="tv/brand"), search, replace(tv, channel="tv/launch"))
    return replace(curves, channels=arms)


def test_arms_of_a_stored_set_are_campaigns_of_their_channel() -> None:
    channels = [
        {"channel": "tv", "max_spend": 70, "campaigns": [{"channel": "launch", "max_spend": 9}]}
    ]
    problem = posed({"dataset": "brand", "budget": 30, "channels": channels}, with_campaigns())
    tv, search = problem.channels
    assert (tv.name, search.name, search.campaigns) == ("tv", "search", ())
    brand, launch = tv.campaigns
    assert (brand.name, brand.max_spend, brand.max_spend_is_default) == ("brand", 120.0, True)
    assert (launch.name, launch.max_spend, launch.max_spend_is_default) == ("launch", 9, False)
    assert (tv.current_spend, tv.max_spend) == (40.0, 70)
    assert len(brand.response.draws) == 3


def test_what_is_left_of_a_stored_set_keeps_its_earlier_spend() -> None:
    def asked(channels: list[dict[str, Any]], prior: dict[str, Any]) -> Problem:
        horizon = {"periods": 2, "prior_spend": prior}
        raw = {"dataset": "brand", "budget": 30, "channels": channels, "horizon": horizon}
        return posed(raw, with_campaigns())

    tv, search = asked([{"channel": "tv", "exclude": True}], {"tv/brand": [8]}).channels
    assert (tv.name, tv.excluded, tv.current_spend, search.excluded) == ("tv", True, 0, False)
    (brand,) = tv.campaigns
    assert (brand.name, brand.prior_spend, brand.current_spend) == ("brand", (8,), 0)
    without = [{"channel": "launch", "exclude": True}]
    tv, _ = asked([{"channel": "tv", "campaigns": without}], {"tv/launch": [8]}).channels
    assert [(c.name, c.excluded) for c in tv.campaigns] == [("brand", False), ("launch", True)]
    assert tv.current_spend == tv.campaigns[0].current_spend != 0
    for channels in ([], [{"channel": "tv", "exclude": True}]):
        with pytest.raises(InvalidInput) as caught:
            asked(channels, {"tv": 40, "tv/sale": 5, "radio": 3})
        found = told(caught.value)
        assert found["/horizon/prior_spend/tv"][0] == "conflict"
        assert found["/horizon/prior_spend/tv~1sale"][0] == "unknown_channel"
        assert found["/horizon/prior_spend/radio"][0] == "unknown_channel"


def test_a_campaign_that_the_stored_set_does_not_have_needs_a_curve() -> None:
    channels = [{"channel": "tv", "campaigns": [{"channel": "brand"}]}]
    with pytest.raises(InvalidInput) as caught:
        stored(channels=channels)
    assert told(caught.value)["/channels/0/campaigns/0/response"][0] == "required"


# -- plans ------------------------------------------------------------------------------------


def rows(*given: dict[str, Any]) -> list[ChannelSpend]:
    return [ChannelSpend.model_validate(row) for row in given]


def test_a_plan_over_time() -> None:
    problem = posed(over(2))
    given = rows(
        {"channel": "tv", "periods": [1.0, 2.0]},
        {"channel": "search", "spend": 3.0},
        {"channel": "radio", "periods": [0.0, 0.0]},
    )
    assert plan_of(given, problem) == {"tv": (1, 2), "search": (3, 3), "radio": (0, 0)}
    with pytest.raises(InvalidInput) as caught:
        plan_of(given, posed(over(3)))
    code, message = told(caught.value)["/plan/0/periods"]
    assert code == "length_mismatch"
    assert message == (
        "The plan for tv must have one amount for each period of the horizon: it has 2, the "
        "horizon 3."
    )
    single = rows(
        {"channel": "tv", "periods": [1.0]},
        *({"channel": c, "spend": 2.0} for c in ("search", "radio")),
    )
    assert plan_of(single, posed(three())) == {"tv": 1, "search": 2, "radio": 2}


def test_a_plan_by_campaign() -> None:
    problem = posed(three(tv=CAMPAIGNS))
    others = ({"channel": "search", "spend": 3.0}, {"channel": "radio", "spend": 4.0})
    inner = [{"channel": "brand", "spend": 1.0}, {"channel": "launch", "spend": 2.0}]
    plan = plan_of(rows({"channel": "tv", "campaigns": inner}, *others), problem)
    assert plan == {"tv/brand": 1, "tv/launch": 2, "search": 3, "radio": 4}
    wrong = [{"channel": "brnad", "spend": 1.0}, {"channel": "launch", "spend": 2.0}]
    with pytest.raises(InvalidInput) as caught:
        plan_of(rows({"channel": "tv", "campaigns": wrong}, *others), problem)
    assert {p: code for p, (code, _) in told(caught.value).items()} == {
        "/plan/0/campaigns/0/channel": "unknown_channel",
        "/plan/0/campaigns": "missing_channel",
    }
    with pytest.raises(InvalidInput) as caught:
        plan_of(rows({"channel": "tv", "spend": 3.0}, *others), problem)
    assert told(caught.value)["/plan/0/campaigns"] == (
        "required",
        "tv has campaigns: say what each of them gets, in campaigns.",
    )
