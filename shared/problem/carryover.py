"""How decisions become spend per period, and spend becomes adstocked spend.

One period means spend sustained every period: its carryover's total weight is folded into a single
number, and what was spent before does not matter, for it would have been the same. In a plan over
periods carryover runs from period to period, ``prior_spend`` comes in, and where the long term has
a weight the periods after the last one count, for as long as a finite carryover lasts or until
what is left of a geometric one brings no more than :data:`TAIL` of what spend brings at once.

Where spend goes on after the plan, the periods after it are copies of its last one, as many as the
longest carryover lasts (until :data:`FAINT` of it is left), and count like those of the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock, Geometric
from shared.errors import InvalidInput, NotSupportedYet
from shared.problem.aim import later_of
from shared.problem.arms import Arm
from shared.problem.model import Channel, Problem

__all__ = ["Flow", "flow", "media_of", "periods_until"]

Array = NDArray[np.float64]
TAIL = 1e-9  # less than a gap that anybody asks for
LONGEST_TAIL = 520
FAINT = 1e-3
_FADED = 1e-30  # of the largest weight
_SHARES = 200  # of the money, looked at between all of it and what has faded
_LOOKED_AT = 20  # draws of a curve, of which the longest tail counts
_UNKNOWN = 1e9  # money, where nothing tells of how much it is about


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """``spread`` (A, T, K), ``carry`` (A, H, K), ``carry_in`` (A, H), ``weight`` (A, H).

    ``power`` (A,): media bought go with that power of a decision; None: with the decision.
    """

    spread: Array
    carry: Array
    carry_in: Array
    weight: Array
    power: Array | None = None

    def media(self, u: Array) -> Array:
        """(A, K) what adstocked spend is linear in."""
        return u if self.power is None else np.asarray(u ** self.power[:, None])


def _planned_budgets(problem: Problem) -> Array | None:
    """(T,) budgets of the periods for fixed shares, the test reserve taken off; None if free."""
    periods = problem.horizon.periods
    if problem.period_budgets:
        whole = np.array(problem.period_budgets, dtype=float)
    elif problem.budget is not None:
        whole = np.full(periods, problem.budget / periods)
    else:
        return None
    return np.asarray(whole * (1.0 - problem.test_reserve))


def flow(problem: Problem, arms: Sequence[Arm]) -> Flow:
    """Everything linear between decisions and adstocked spend.

    Raises
    ------
    InvalidInput
        Fixed shares of no budget; as many weights or budgets as there are not periods.
    """
    periods, mode = problem.horizon.periods, problem.horizon.mode
    count = len(arms)
    _check(problem, arms)
    if periods == 1:
        total = [1.0 if a is None else a.total_weight() for a in map(_adstock, arms)]
        seasons = [arm.channel.period_weights or _parent_weights(problem, arm) for arm in arms]
        return Flow(
            spread=np.ones((count, 1, 1)),
            carry=np.array(total).reshape(count, 1, 1),
            carry_in=np.zeros((count, 1)),
            weight=np.array([s[0] if s else 1.0 for s in seasons]).reshape(count, 1),
        )
    if mode == "constant":
        shape = np.ones((periods, 1))
    elif mode == "fixed_shares":
        budgets = _planned_budgets(problem)
        if budgets is None:
            raise InvalidInput.at(
                "/horizon/mode", "missing", "fixed_shares divides a budget: give one."
            )
        shape = budgets.reshape(periods, 1)
    else:
        shape = np.eye(periods)
    goes_on = problem.horizon.then == "continue"
    later = 1.0 if goes_on else later_of(problem.goal)
    _refuse_late_offsets(arms if later > 0.0 else ())
    tails = [0] * count
    if goes_on:
        tails = [max(map(_lasting, map(_adstock, arms)), default=0)] * count
    elif later > 0.0:
        money = _at_stake(problem)
        tails = [_tail(arm, money) for arm in arms]
    length = periods + max(tails, default=0)
    carry = np.zeros((count, length, shape.shape[1]))
    carry_in, weight = np.zeros((count, length)), np.zeros((count, length))
    for a, arm in enumerate(arms):
        end = periods + tails[a]
        before = media_of(arm.channel, _prior(problem, arms, arm))
        w = _weights(_adstock(arm), length + before.size)
        prices, media = arm.channel.period_prices, media_of(arm.channel, shape)
        bought = media / np.array(prices)[:, None] if prices else media
        if goes_on:
            bought = np.concatenate((bought, np.repeat(media[-1:], length - periods, axis=0)))
        carry[a, :end] = (_lagged(w, length, len(bought)) @ bought)[:end]
        if before.size:
            # Spend j periods before the first still has weight w[h + j] in period h.
            ages = np.arange(length)[:, None] + np.arange(1, before.size + 1)
            carry_in[a, :end] = (w[np.minimum(ages, w.size - 1)] @ before[::-1])[:end]
        own = arm.channel.period_weights or _parent_weights(problem, arm)
        weight[a, :periods] = own or 1.0
        # The seasons after the plan are not known: their mean stands in.
        weight[a, periods:end] = later * weight[a, :periods].mean()
    if problem.horizon.discount_rate > 0.0:
        weight *= (1.0 + problem.horizon.discount_rate) ** -np.arange(length, dtype=np.float64)
    power = np.array([1.0 - arm.channel.rising[1] if arm.channel.rising else 1.0 for arm in arms])
    spread = np.broadcast_to(shape, (count, *shape.shape))
    return Flow(spread, carry, carry_in, weight, power if np.any(power != 1.0) else None)


def media_of(channel: Channel, spend: Array) -> Array:
    """Media bought for money, in units of money at the usual price.

    Where a unit costs ``(x / r)^e`` of that at a spend of x, ``r (x / r)^(1 - e)`` of them.
    """
    if channel.rising is None:
        return spend
    reference, elasticity = channel.rising
    return np.asarray(reference * (spend / reference) ** (1.0 - elasticity))


def _refuse_late_offsets(arms: Sequence[Arm]) -> None:
    """Of what comes whatever is spent, nothing that comes after the plan is brought by it."""
    for arm in arms:
        response = arm.channel.response
        if any("offset" in curve.ranges() for curve in (response.saturation, *response.draws)):
            raise NotSupportedYet.at(
                f"{arm.pointer}/response/saturation/offset",
                "not_supported_yet",
                f"{arm.name}: an offset is not supported yet beside a weight of the long term.",
            )


def _parent_weights(problem: Problem, arm: Arm) -> tuple[float, ...]:
    """Weights of the periods that a campaign has from its channel."""
    return problem.channels[arm.parent].period_weights


def _adstock(arm: Arm) -> Adstock | None:
    return arm.channel.response.adstock


def _weights(adstock: Adstock | None, n: int) -> Array:
    if adstock is not None:
        w = adstock.weights(n)
        # What fades this far has no effect, and no reciprocal.
        return np.where(w >= _FADED * w.max(), w, 0.0)
    out = np.zeros(n)
    out[0] = 1.0
    return out


def periods_until(adstock: Adstock | None, share: float, most: int) -> int:
    """Periods before the one in which so much of the carryover has arrived; ``most`` if later."""
    if adstock is None:
        return 0
    arrived = np.cumsum(adstock.weights(most)) / max(adstock.total_weight(), 1e-300)
    enough = np.flatnonzero(arrived >= share)
    return int(enough[0]) if enough.size else most


def _lagged(w: Array, length: int, periods: int) -> Array:
    """(length, periods): the weight in period h of spend in period t."""
    lag = np.arange(length)[:, None] - np.arange(periods)
    return np.where(lag >= 0, w[np.maximum(lag, 0)], 0.0)


def _lasting(adstock: Adstock | None) -> int:
    """Periods after which less than :data:`FAINT` of the largest weight is left."""
    if adstock is None:
        return 0
    w = adstock.weights(LONGEST_TAIL + 1)
    return int(np.flatnonzero(w > FAINT * w.max())[-1])


def _at_stake(problem: Problem) -> float:
    """The money that a plan of a given budget spends in all at most; else a guess of it."""
    today = sum(channel.current_spend or 0.0 for channel in problem.channels)
    return problem.money or 10.0 * today * problem.horizon.periods or _UNKNOWN


def _tail(arm: Arm, money: float) -> int:
    """Periods after the plan in which spend of its last period, all the money, still works."""
    adstock, response = _adstock(arm), arm.channel.response
    if adstock is None or (isinstance(adstock, Geometric) and adstock.decay <= 0.0):
        return 0
    w = adstock.weights(LONGEST_TAIL + 1)
    if not isinstance(adstock, Geometric):
        alive = np.flatnonzero(w > 0.0)
        return int(alive[-1]) if alive.size else 0
    # A curve that is endlessly steep at nothing makes much of the little that is left.
    shares = np.geomspace(1.0, _FADED, _SHARES)
    draws = response.draws[:: max(len(response.draws) // _LOOKED_AT, 1)]
    values = [curve.value(money * shares) for curve in (response.saturation, *draws)]
    works = np.any([value > TAIL * value[0] for value in values], axis=0)
    least = shares[int(np.flatnonzero(works)[-1])] if works.any() else 1.0
    return int(np.flatnonzero(w >= least * w.max())[-1])


def _prior(problem: Problem, arms: Sequence[Arm], arm: Arm) -> Array:
    """Spend before the plan, oldest first; a channel's is split as its campaigns spend today."""
    if arm.channel.prior_spend:
        return np.array(arm.channel.prior_spend, dtype=float)
    parent = problem.channels[arm.parent]
    if parent is arm.channel or not parent.prior_spend:
        return np.zeros(0)
    today = [o.channel.current_spend or 0.0 for o in arms if o.parent == arm.parent]
    share = 1.0 / len(today)
    if sum(today) > 0.0:
        share = (arm.channel.current_spend or 0.0) / sum(today)
    return np.array(parent.prior_spend, dtype=float) * share


def _check(problem: Problem, arms: Sequence[Arm]) -> None:
    periods = problem.horizon.periods
    if problem.period_budgets and len(problem.period_budgets) != periods:
        raise InvalidInput.at(
            "/period_budgets", "wrong_length", f"One budget for each of {periods} periods."
        )
    places = [(arm.channel, arm.pointer) for arm in arms]
    places += [(c, f"/channels/{i}") for i, c in enumerate(problem.channels) if c.campaigns]
    for channel, pointer in places:
        if channel.period_weights and len(channel.period_weights) != periods:
            raise InvalidInput.at(
                f"{pointer}/period_weights",
                "wrong_length",
                f"{channel.name}: one weight for each of {periods} periods.",
            )
