"""The planning half of the contract in code: optimize, scenarios, evaluate and sensitivity.

The OpenAPI document, the assistant's tool definitions and the server's validation all come from
these models. They hold shapes and single-field ranges; rules that span fields are in
``shared.api.semantics``, and what is well formed but not built yet is told apart in
``shared.api.translate``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from shared.api.curve_messages import (
    NOT_TINY,
    OR_NOTHING,
    WHOLE,
    Adstock,
    Message,
    Money,
    Name,
    Positive,
    Response,
    Saturation,
)
from shared.frequency import Named

__all__ = [
    "MAX_CHANNELS",
    "MAX_COMPARED",
    "MAX_PERIODS",
    "AskedOutcome",
    "BudgetWindow",
    "Campaign",
    "CampaignSpend",
    "Channel",
    "ChannelSpend",
    "Coefficient",
    "Constraint",
    "CurrentOver",
    "EvaluateRequest",
    "Horizon",
    "Interaction",
    "Objective",
    "OptimizeRequest",
    "OutcomeResponse",
    "Pacing",
    "PeriodLimits",
    "Risk",
    "Scenario",
    "ScenariosRequest",
    "SensitivityRequest",
    "Solver",
    "Span",
    "Sweep",
    "Weights",
    "When",
]

MAX_CHANNELS = 10_000
"""More channels than any planner has; a request beyond it is refused at once."""

MAX_PERIODS = 520
"""Ten years of weeks."""

MAX_SCENARIOS = 100
MAX_COMPARED = 1_000_000  # scenarios times curves (a draw is one) times periods
MAX_SWEEP = 200

Share = Annotated[float, Field(ge=0, le=1), OR_NOTHING]
Weight = Annotated[float, Field(ge=0, le=1e9), OR_NOTHING]
Amount = Annotated[float, Field(ge=-1e15, le=1e15), OR_NOTHING]
Spends = Annotated[list[Money], Field(max_length=MAX_PERIODS)]

Run = Annotated[int, Field(ge=1, le=MAX_PERIODS), WHOLE]

Prior = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "array", "items": {"type": "number", "minimum": 0}},
            ]
        }
    ),
]
"""One amount or several; checked in ``shared.api.horizon_faults``, in words about spend."""


When = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_PERIODS},
                {"type": "string", "format": "date"},
            ]
        }
    ),
]
"""A period of the horizon: its number from 1, or a date in it; checked in ``period_faults``."""


class Span(Message):
    """Some periods of the horizon, both ends included."""

    first: When = Field(
        alias="from", description="First period: its number from 1, or a date in it."
    )
    last: When | None = Field(
        None, alias="to", description="Last period; the first alone if not given."
    )


class PeriodLimits(Span):
    """What holds in some periods, in place of what the channel says of all; later entries win."""

    min_spend: Money | None = Field(None, description="Spend at least this in each of them.")
    max_spend: Money | None = Field(
        None, description="Spend at most this in each of them; 0: the channel cannot run."
    )
    spend: Money | None = Field(
        None, description="Spend exactly this in each of them: booked, or committed."
    )
    price: Annotated[float, Field(gt=0, le=1000), NOT_TINY] | None = Field(
        None, description="Multiplier of the media price in these periods, on top of price."
    )
    note: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Why; told where the entry cannot be kept."
    )


class BudgetWindow(Span):
    """Money for some periods together, spent in them as is best."""

    budget: Money = Field(description="Money for all of these periods together.")
    min: Money | None = Field(
        None, description="Spend at least this of it; the budget is then a cap."
    )


class Campaign(Message):
    """One campaign of a channel, or the fields that a channel shares with it."""

    channel: Name = Field(description="Name; unique within the request.")
    current_spend: Money | None = Field(None, description="What is spent now, money per period.")
    min_spend: Money = Field(0.0, description="Spend at least this, money per period.")
    max_spend: Money | None = Field(
        None,
        description="Spend at most this, money per period. For a stored dataset it defaults to 1.5 "
        "times the highest observed spend.",
    )
    min_total: Money | None = Field(None, description="Spend at least this over the horizon.")
    max_total: Money | None = Field(None, description="Spend at most this over the horizon.")
    max_change: Annotated[float, Field(ge=0, le=1e6)] | None = Field(
        None, description="Largest change from current_spend, both ways, as a fraction of it."
    )
    locked: bool = Field(False, description="Keep current_spend exactly: a commitment.")
    minimum_if_active: Money | None = Field(None, description="Spend nothing, or at least this.")
    increment: Money | None = Field(None, description="Lot size: spend is a multiple of it.")
    period_weights: Spends | None = Field(
        None, description="Multiplier of the response in each period (seasonality)."
    )
    response: Response | None = Field(
        None, description="Response curve; not needed where a stored dataset has it."
    )
    saturation: Saturation | None = Field(
        None,
        description="Saturation of the channel's curve: a short form of response, without draws.",
    )
    adstock: Adstock | None = Field(
        None, description="Carryover of the channel's spend, beside saturation."
    )
    effectiveness: Annotated[float, Field(ge=0, le=1000), OR_NOTHING] | None = Field(
        None, description="Multiplier of the channel's outcome: 0.7 means 30 % less effective."
    )
    price: Annotated[float, Field(gt=0, le=1000), NOT_TINY] | None = Field(
        None, description="Multiplier of the media price: 1.2 means that all costs 20 % more."
    )
    price_elasticity: Annotated[float, Field(ge=0, le=0.9), OR_NOTHING] | None = Field(
        None,
        description="By how many percent media get dearer with each percent of spend: auctions.",
    )
    reference_spend: Positive | None = Field(
        None,
        description="Beside price_elasticity: the spend per period at which media cost what the "
        "curve assumes; current_spend if not given.",
    )
    value_per_outcome: Positive | None = Field(
        None,
        description="Money that one outcome of this channel is worth, in place of the objective's; "
        "for maximize_profit.",
    )
    penalty_per_unit: Annotated[float, Field(ge=0, le=1e9), OR_NOTHING] | None = Field(
        None,
        description="What each unit of money here costs in the objective beside itself, in the "
        "objective's unit: a price on CO2, an agency fee.",
    )
    periods: list[PeriodLimits] | None = Field(
        None,
        max_length=MAX_PERIODS,
        description="Limits, booked spend and prices in some periods only.",
    )
    exclude: bool = Field(
        False,
        description="Leave this channel out: nothing is spent on it, and what was spent on it "
        "before (horizon.prior_spend) still works.",
    )


class Flight(Message):
    """How a channel's spend goes on and off over the periods."""

    min_on: Run | None = Field(None, description="At least so many periods on in a row.")
    min_off: Run | None = Field(None, description="At least so many periods off between flights.")
    max_flights: Run | None = Field(
        None, description="At most so many flights begin within the horizon."
    )


class OutcomeResponse(Response):
    """What a channel brings of one of several outcomes."""

    outcome: Name = Field(description="One of objective.outcomes.")


class Channel(Campaign):
    """One channel to spend on."""

    flight: Flight | None = Field(
        None,
        description="Flights, in a plan over time: on for so long, off for so long, so many. On is "
        "at least minimum_if_active, off is nothing.",
    )

    responses: list[OutcomeResponse] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="In place of response: the curves of several outcomes (new and returning "
        "customers) of one spend.",
    )
    campaigns: list[Campaign] | None = Field(
        None,
        max_length=1000,
        description="Campaigns whose sum is the channel's spend, each with a response of its own.",
    )
    max_outcome: Positive | None = Field(
        None,
        description="Outcome of this channel over the horizon beyond which more is worth nothing.",
    )
    like: Name | None = Field(
        None,
        description="For a channel without a history: the channel whose curve it is taken to have.",
    )
    scale: Annotated[float, Field(gt=0, le=1000), NOT_TINY] | None = Field(
        None, description="Beside like: its size, as a share of that channel's (default 1)."
    )
    uncertainty: Annotated[float, Field(ge=1, le=100)] | None = Field(
        None,
        description="Beside like: the factor, either way, within which its return and its size are "
        "believed to lie (90 %; default 2).",
    )


class CampaignSpend(Message):
    """What a plan spends on one campaign, or the fields that a channel's row shares with it."""

    channel: Name
    spend: Money | None = Field(None, description="Money per period.")
    periods: Spends | None = Field(None, description="Money in each period, in a plan over time.")


class ChannelSpend(CampaignSpend):
    """What a plan spends on one channel."""

    campaigns: list[CampaignSpend] | None = Field(
        None, max_length=1000, description="Spend by campaign, where the channel has campaigns."
    )


class Weights(Message):
    """What several objectives count in one sum, each per unit of its own."""

    outcome: Weight | None = Field(None, description="Of one outcome.")
    profit: Weight | None = Field(
        None, description="Of one unit of profit: value_per_outcome times the outcome, less spend."
    )
    spend: Weight | None = Field(None, description="Taken off for each unit of money spent.")
    reach: Weight | None = Field(
        None, description="Of one person reached, under max_frequency; in place of outcome."
    )
    long_term: Weight | None = Field(
        None, description="Of one outcome that carryover brings after the horizon."
    )


class AskedOutcome(Message):
    """One of several outcomes."""

    outcome: Name = Field(description="Its name, by which channels' responses tell theirs.")
    weight: Weight = Field(1.0, description="What one of it counts.")
    min: Positive | None = Field(None, description="At least so many over the horizon.")
    dataset: Name | None = Field(
        None, description="Stored dataset fitted on it; the request's own if not given."
    )


class Objective(Message):
    """What is to be best."""

    outcomes: list[AskedOutcome] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Several outcomes of the same spend: the outcome is then their weighted sum.",
    )

    goal: Literal[
        "maximize_outcome", "maximize_profit", "minimize_spend", "maximize_reach", "weighted_sum"
    ] = "maximize_outcome"
    value_per_outcome: Positive | None = Field(
        None,
        description="Money that one outcome is worth; for maximize_profit, a weight of profit, and "
        "beside target_roas and target_cpa whatever the goal: a ROAS is then value over spend.",
    )
    target_outcome: Positive | None = Field(
        None,
        description="Outcome over the horizon to be reached: what minimize_spend is for, beside "
        "any other goal a further requirement.",
    )
    max_outcome: Positive | None = Field(
        None, description="Outcome over the horizon beyond which more is worth nothing."
    )
    max_frequency: Positive | None = Field(
        None, description="Most often that a person is to be reached; for maximize_reach."
    )
    population: Positive | None = Field(
        None,
        description="For maximize_reach: how many people there are. Each is counted once over "
        "channels and periods, as where chance decides who is reached.",
    )
    target_roas: Positive | None = Field(
        None,
        description="Outcome per unit of money must be at least this; with value_per_outcome, its "
        "value per unit of money.",
    )
    target_cpa: Positive | None = Field(None, description="Money per outcome must be at most this.")
    target_marginal_return: Positive | None = Field(
        None,
        description="For maximize_outcome: spend as long as the next unit of money brings at least "
        "this outcome (with value_per_outcome, its value); the budget is a cap, and may be left "
        "out.",
    )
    efficiency_of: Literal["plan", "all"] = Field(
        "plan",
        description="What target_roas, target_cpa and the like are of: the outcome of the money "
        "still to be spent, or all, with what earlier spend (prior_spend) still brings.",
    )
    long_term_weight: Share | None = Field(
        None, description="Weight of the outcome that carryover brings after the horizon."
    )
    weights: Weights | None = Field(
        None, description="For weighted_sum: what each objective counts; at least one above 0."
    )


class Coefficient(Message):
    """One term of a linear rule."""

    channel: Name
    coefficient: Amount


class Constraint(Message):
    """A rule over several channels."""

    name: Name = Field(description="Told in answers where the rule binds or cannot hold.")
    channels: list[Name] | None = Field(
        None, max_length=MAX_CHANNELS, description="The channels whose sum the limits are about."
    )
    min_spend: Money | None = Field(None, description="Together at least this, money per period.")
    max_spend: Money | None = Field(None, description="Together at most this, money per period.")
    min_total: Money | None = Field(None, description="Together at least this over the horizon.")
    max_total: Money | None = Field(None, description="Together at most this over the horizon.")
    min_share: Share | None = Field(None, description="At least this share of all spend.")
    max_share: Share | None = Field(None, description="At most this share of all spend.")
    coefficients: list[Coefficient] | None = Field(
        None, max_length=MAX_CHANNELS, description="A linear rule, held between min and max."
    )
    min: Amount | None = Field(None, description="Least value of the linear rule, per period.")
    max: Amount | None = Field(None, description="Largest value of the linear rule, per period.")
    max_active: Annotated[int, Field(ge=0, le=MAX_CHANNELS), WHOLE] | None = Field(
        None, description="At most so many of the channels spend anything at all."
    )
    per_period: bool = Field(
        False, description="Beside max_active: at most so many in each period."
    )
    min_outcome: Positive | None = Field(
        None, description="Outcome of these channels over the horizon, at least."
    )
    min_roas: Positive | None = Field(
        None,
        description="Outcome per unit of their money, at least; with value_per_outcome, its value. "
        "Channels that spend nothing keep it.",
    )
    max_cpa: Positive | None = Field(
        None, description="Money of these channels per outcome of theirs, at most."
    )
    max_outcome: Positive | None = Field(
        None,
        description="Outcome of these channels over the horizon beyond which more is worth "
        "nothing: stock, seats. No rule: a plan may bring more.",
    )
    split: list[Share] | None = Field(
        None,
        max_length=MAX_CHANNELS,
        description="Shares of the channels' sum, in their order: 0.6 and 0.4 keep two regions so.",
    )
    periods: list[When | Span] | None = Field(
        None,
        min_length=1,
        max_length=MAX_PERIODS,
        description="The periods that the rule is about; all of the horizon if not given.",
    )


class Interaction(Message):
    """Outcome that two channels bring (or cost) together."""

    channels: list[Name] = Field(min_length=2, max_length=2)
    strength: Amount = Field(
        description="Outcome per period added when both are fully saturated; negative is "
        "cannibalisation."
    )


class Pacing(Message):
    """How fast spend may move from one period to the next."""

    max_change: Annotated[float, Field(ge=0, le=1e6)] = Field(
        description="Largest change from one period to the next, as a fraction, both ways."
    )


class Horizon(Message):
    """How many periods are planned, and how."""

    periods: Annotated[int, Field(ge=1, le=MAX_PERIODS), WHOLE] = Field(
        1, description="With 1, an allocation is spend sustained every period."
    )
    mode: Literal["time_varying", "constant", "fixed_shares", "sequential"] = Field(
        "time_varying",
        description="Each period its own spend; the same in every period; the same shares of each "
        "period's budget; or decided period by period.",
    )
    start: Annotated[str, Field(max_length=10)] | None = Field(
        None,
        description="First day of the first period (2026-12-07), so that periods may be named by "
        "dates; of a stored dataset the period after its last one if not given.",
    )
    frequency: Named | None = Field(
        None, description="What a period is, beside start; a stored dataset says it itself."
    )
    discount_rate: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="Per period: outcome and money of period t count 1/(1 + rate)^(t - 1).",
    )
    then: Literal["continue", "stop"] | None = Field(
        None,
        description="After the last period spend stops (if not given), or goes on as in that one.",
    )
    prior_spend: dict[str, Prior] | None = Field(
        None,
        description="Spend before the horizon by channel, whose carryover comes in: an amount that "
        "was spent every period, or a list of the last periods' amounts, oldest first.",
    )
    pacing: Pacing | None = None


class Risk(Message):
    """How the draws of the curves are weighed."""

    measure: Literal["expected", "mean_minus_sd", "quantile", "cvar", "worst_case"] = "expected"
    aversion: Annotated[float, Field(ge=0, le=1e6)] | None = Field(
        None, description="Times the standard deviation over draws, for mean_minus_sd; default 1."
    )
    level: Annotated[float, Field(gt=0, lt=1), NOT_TINY] | None = Field(
        None, description="For quantile and cvar (the mean of this share of worst draws): 0.1."
    )
    of: Literal["outcome", "uplift"] = Field(
        "outcome",
        description="What is weighed: the outcome, or what the plan brings beyond today's under "
        "the same draws (not for quantile).",
    )


class Solver(Message):
    """How the best plan is searched for."""

    method: Literal[
        "auto",
        "lagrangian",
        "branch_and_bound",
        "piecewise",
        "gradient",
        "slsqp",
        "genetic",
        "particle_swarm",
        "bayesian",
    ] = Field("auto", description="auto chooses by the problem's structure.")
    gap: Annotated[float, Field(ge=0, le=1)] = Field(
        1e-6, description="Relative gap to the proven bound at which the answer is good enough."
    )
    time_limit_s: Annotated[float, Field(gt=0, le=200)] = Field(
        10.0,
        description="Seconds of work, counted alike on any machine, after which the best plan so "
        "far is answered with its gap; the clock stops it then at the latest.",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE] = Field(
        0, description="Makes an answer reproducible."
    )


class CurrentOver(Message):
    """Which periods of a stored history stand for today."""

    last: Annotated[int, Field(ge=1, le=10_000), WHOLE] | None = Field(
        None, description="The last so many periods."
    )
    first: Annotated[str, Field(max_length=10)] | None = Field(
        None, alias="from", description="Periods that begin on this day or later (2026-06-01)."
    )
    until: Annotated[str, Field(max_length=10)] | None = Field(
        None, alias="to", description="Periods that begin on this day or earlier."
    )


class OptimizeRequest(Message):
    """The best allocation of a budget: stored curves (dataset) or curves in the request."""

    dataset: Name | None = Field(None, description="Stored dataset whose fitted curves are used.")
    curves_version: Name | None = Field(
        None, description="Version of the stored curves; the current ones (latest) if not given."
    )
    channels: list[Channel] | None = Field(
        None,
        max_length=MAX_CHANNELS,
        description="Channels with their curves and limits; with a dataset, overrides by name.",
    )
    budget: Money | None = Field(None, description="Money to allocate, over the whole horizon.")
    period_budgets: Spends | None = Field(None, description="Money to allocate in each period.")
    budget_windows: list[BudgetWindow] | None = Field(
        None,
        max_length=MAX_PERIODS,
        description="Money for months, quarters or any other stretch of periods; beside budget "
        "they are caps.",
    )
    budget_change: Annotated[float, Field(ge=-1, le=1000)] | None = Field(
        None,
        description="In place of budget: so much more than is spent today, as a fraction (0.1 is "
        "10 % more).",
    )
    budget_min: Money | None = Field(
        None, description="Spend at least this of the budget, which is then a cap."
    )
    current: CurrentOver | None = Field(
        None,
        description='What stands for today, with a dataset: {"last": 13} or dates; the last '
        "quarter if not given. current_spend of a channel goes before it.",
    )
    keep_current: bool = Field(
        False, description="Only the extra money is placed: no channel gets less than today."
    )
    spend_all: bool = Field(
        True, description="True: the budget is spent to the cent. False: it is a cap."
    )
    objective: Objective | None = None
    constraints: list[Constraint] | None = Field(None, max_length=1000)
    test_reserve: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Share of the budget held back for tests."
    )
    interactions: list[Interaction] | None = Field(None, max_length=1000)
    horizon: Horizon | None = None
    risk: Risk | None = None
    solver: Solver | None = None
    include: list[Literal["spend_interval"]] | None = Field(
        None,
        description="Parts of the answer that cost time of their own; all if not given. Without "
        "spend_interval no draw is solved again.",
    )


class EvaluateRequest(Message):
    """A plan that the caller already has, to be scored."""

    problem: OptimizeRequest
    plan: list[ChannelSpend] = Field(
        min_length=1, max_length=MAX_CHANNELS, description="Spend of every channel."
    )


class Scenario(Message):
    """One what-if: changes to the base, or a mix of the caller's own."""

    name: Name
    changes: Any = Field(
        None,
        description="Changes to the base: a JSON merge patch in which channels and constraints are "
        "addressed by name (a map from name to patch, or a list of objects with the name), null "
        'drops a field; or a list of {"path": "/channels/tv/max_spend", "value": 20000}.',
    )
    plan: list[ChannelSpend] | None = Field(
        None,
        max_length=MAX_CHANNELS,
        description="The caller's own mix: scored, not optimised.",
    )


class Sweep(Message):
    """One input over a range of values."""

    budget: list[Money] = Field(min_length=1, max_length=MAX_SWEEP)


class Frontier(Message):
    """Plans between two goals, none of which is better in both."""

    between: Literal[
        "outcome_profit", "outcome_spend", "short_long_term", "expected_worst_case"
    ] = Field(description="The two goals; profit needs objective.value_per_outcome in the base.")
    points: Annotated[int, Field(ge=2, le=50), WHOLE] = Field(9, description="The ends included.")


class ScenariosRequest(Message):
    """Several what-ifs of one problem, side by side."""

    base: OptimizeRequest
    scenarios: list[Scenario] | None = Field(None, max_length=MAX_SCENARIOS)
    sweep: Sweep | None = None
    frontier: Frontier | None = None


class SensitivityRequest(Message):
    """How the answer moves when inputs and parameters move."""

    base: OptimizeRequest
