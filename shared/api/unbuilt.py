"""What the contract knows and this version does not build yet, found field by field.

Only what differs from its default counts: ``"horizon": {"periods": 1}`` asks for nothing unbuilt.
A feature opens when its line in ``NOT_BUILT`` goes; everything else at the edge is ready for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.api.messages import Campaign, ChannelSpend, OptimizeRequest
from shared.errors import Fault, pointer_to

__all__ = ["CODE", "NOT_BUILT", "unbuilt_in_plan", "unbuilt_in_request"]

CODE = "not_supported_yet"

BUILT_METHODS = (
    "auto",
    "lagrangian",
    "branch_and_bound",
    "gradient",
    "slsqp",
    "genetic",
    "particle_swarm",
    "bayesian",
    "piecewise",
)

NOT_BUILT: dict[str, str] = {}
"""Feature (a field of the contract, or a value of one) and its name in words."""

Asked = tuple[str, tuple[str | int, ...]]
"""A feature that a request asks for, and where."""


def unbuilt_in_request(message: OptimizeRequest) -> Iterator[Fault]:
    """Each thing that an optimize request asks for and that is not built."""
    yield from _refused(_asked(message))
    if message.solver is not None and message.solver.method not in BUILT_METHODS:
        text = f"The method {message.solver.method!r} is not supported yet."
        yield Fault("/solver/method", CODE, text)


def unbuilt_in_plan(plan: Sequence[ChannelSpend]) -> Iterator[Fault]:
    """What a caller's plan says and no plan can yet (pointers from the plan's list)."""
    yield from _refused(
        (feature, (i, field))
        for i, row in enumerate(plan)
        for feature, field in (("time_varying", "periods"), ("campaigns", "campaigns"))
        if getattr(row, field) is not None
    )


def _refused(asked: Iterator[Asked]) -> Iterator[Fault]:
    for feature, path in asked:
        if feature in NOT_BUILT:
            text = f"{NOT_BUILT[feature]} is not supported yet."
            yield Fault(pointer_to(*path), CODE, text)


def _asked(message: OptimizeRequest) -> Iterator[Asked]:
    for i, channel in enumerate(message.channels or ()):
        yield from _of_channel(channel, ("channels", i))
        if channel.campaigns:
            yield "campaigns", ("channels", i, "campaigns")
        for j, campaign in enumerate(channel.campaigns or ()):
            yield from _of_channel(campaign, ("channels", i, "campaigns", j))
    for feature in ("period_budgets", "constraints", "test_reserve", "interactions"):
        if getattr(message, feature):
            yield feature, (feature,)
    for i, rule in enumerate(message.constraints or ()):
        if rule.max_active is not None:
            yield "max_active", ("constraints", i, "max_active")
    yield from _of_objective(message)
    yield from _of_horizon(message)
    if message.risk is not None:
        yield message.risk.measure, ("risk", "measure")


def _of_channel(channel: Campaign, path: tuple[str | int, ...]) -> Iterator[Asked]:
    for feature in ("minimum_if_active", "increment", "min_total"):
        if getattr(channel, feature):
            yield feature, (*path, feature)
    if any(weight != 1 for weight in channel.period_weights or ()):
        yield "period_weights", (*path, "period_weights")
    if channel.max_total is not None:
        yield "max_total", (*path, "max_total")


def _of_objective(message: OptimizeRequest) -> Iterator[Asked]:
    objective = message.objective
    if objective is None:
        return
    yield objective.goal, ("objective", "goal")
    for feature in ("target_roas", "target_cpa"):
        if getattr(objective, feature) is not None:
            yield feature, ("objective", feature)
    if objective.long_term_weight:
        yield "long_term_weight", ("objective", "long_term_weight")


def _of_horizon(message: OptimizeRequest) -> Iterator[Asked]:
    horizon = message.horizon
    if horizon is None:
        return
    if horizon.periods > 1:
        yield horizon.mode, ("horizon", "periods" if horizon.mode == "time_varying" else "mode")
    if horizon.prior_spend:
        yield "prior_spend", ("horizon", "prior_spend")
    if horizon.pacing is not None:
        yield "pacing", ("horizon", "pacing")
