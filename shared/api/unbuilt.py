"""What the contract knows and this version does not build yet, found field by field.

Only what differs from its default counts: ``"horizon": {"periods": 1}`` asks for nothing unbuilt.
Every entry goes when its feature arrives.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.api.messages import Campaign, ChannelSpend, OptimizeRequest
from shared.api.pointers import pointer_to
from shared.errors import Fault

__all__ = ["CODE", "unbuilt_in_plan", "unbuilt_in_request"]

CODE = "not_supported_yet"

BUILT_METHODS = ("auto", "lagrangian", "branch_and_bound", "gradient", "slsqp")


def _not_yet(what: str, *path: str | int) -> Fault:
    return Fault(pointer_to(*path), CODE, f"{what} is not supported yet.")


def unbuilt_in_request(message: OptimizeRequest) -> Iterator[Fault]:
    """Each thing that an optimize request asks for and that is not built."""
    for i, channel in enumerate(message.channels or ()):
        yield from _unbuilt_in_channel(channel, ("channels", i))
        if channel.campaigns:
            yield _not_yet("Campaigns below a channel", "channels", i, "campaigns")
    if message.period_budgets:
        yield _not_yet("A budget for each period", "period_budgets")
    if message.constraints:
        yield _not_yet("A constraint over several channels", "constraints")
    if message.test_reserve:
        yield _not_yet("Holding back a share for tests", "test_reserve")
    if message.interactions:
        yield _not_yet("An interaction of two channels", "interactions")
    yield from _unbuilt_in_objective(message)
    yield from _unbuilt_in_horizon(message)
    if message.risk is not None and message.risk.measure != "expected":
        yield _not_yet(f"The risk measure {message.risk.measure!r}", "risk", "measure")
    if message.solver is not None and message.solver.method not in BUILT_METHODS:
        yield _not_yet(f"The method {message.solver.method!r}", "solver", "method")


def _unbuilt_in_channel(channel: Campaign, path: tuple[str | int, ...]) -> Iterator[Fault]:
    name = channel.channel
    if channel.minimum_if_active:
        yield _not_yet(f"Spending nothing or a minimum ({name})", *path, "minimum_if_active")
    if channel.increment:
        yield _not_yet(f"A lot size ({name})", *path, "increment")
    if any(weight != 1 for weight in channel.period_weights or ()):
        yield _not_yet(f"Weights of the periods ({name})", *path, "period_weights")
    if channel.min_total:
        yield _not_yet(f"A minimum over the horizon ({name})", *path, "min_total")
    if channel.max_total is not None:
        yield _not_yet(f"A maximum over the horizon ({name})", *path, "max_total")


def _unbuilt_in_objective(message: OptimizeRequest) -> Iterator[Fault]:
    objective = message.objective
    if objective is None:
        return
    if objective.goal != "maximize_outcome":
        yield _not_yet(f"The goal {objective.goal!r}", "objective", "goal")
        return
    if objective.target_roas is not None:
        yield _not_yet("A target for the return on ad spend", "objective", "target_roas")
    if objective.target_cpa is not None:
        yield _not_yet("A target for the cost per acquisition", "objective", "target_cpa")
    if objective.long_term_weight is not None:
        yield _not_yet("A weight of the long term", "objective", "long_term_weight")
    for field in ("value_per_outcome", "target_outcome", "max_frequency"):
        if getattr(objective, field) is not None:
            yield _not_yet(
                f"{field}, which another goal than maximize_outcome uses,", "objective", field
            )


def _unbuilt_in_horizon(message: OptimizeRequest) -> Iterator[Fault]:
    horizon = message.horizon
    if horizon is None:
        return
    if horizon.periods > 1:
        yield _not_yet("A plan over several periods", "horizon", "periods")
    if horizon.prior_spend:
        yield _not_yet("Carrying earlier spend in", "horizon", "prior_spend")
    if horizon.pacing is not None:
        yield _not_yet("A limit on change between periods", "horizon", "pacing")


def unbuilt_in_plan(plan: list[ChannelSpend]) -> Iterator[Fault]:
    """Spend period by period, in a caller's plan (pointers from the plan's list)."""
    for i, row in enumerate(plan):
        if row.periods is not None:
            yield _not_yet("A plan over several periods", i, "periods")
