"""Goals that see a plan only by what it spends and what it brings.

Profit, the least spend, and every efficiency target are statements about two numbers: the spend S
and the outcome F of a plan.

    maximise   value * F - cost * S     subject to   F >= constant + per_money * S   (each floor)

``target_roas`` r is the floor (0, r / v), an outcome being worth v (or 1); ``target_cpa`` c is the
floor (0, 1 / c); ``target_outcome`` is the floor (target, 0). A weighted sum of outcome, profit and
(least) spend is one such worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, InvalidInput

__all__ = [
    "GOALS",
    "OF_GROUPS",
    "TARGETS",
    "Aim",
    "Floor",
    "Goal",
    "Outcome",
    "Weights",
    "aim_of",
    "beyond",
    "ceiling",
    "group_target",
    "is_target",
    "later_of",
    "of_volume",
    "value_ratios",
    "worth_of",
]

Array = NDArray[np.float64]
Amount = TypeVar("Amount", float, NDArray[np.float64])

GOALS = (
    "maximize_outcome",
    "maximize_profit",
    "minimize_spend",
    "maximize_reach",
    "weighted_sum",
)
TARGETS = ("target_outcome", "target_roas", "target_cpa")
OF_GROUPS = ("min_outcome", "min_roas", "max_cpa")
"""Targets of some channels, which answers call "brand.min_roas" after their constraint."""


def is_target(name: str) -> bool:
    """Whether a limit of this name is a target of outcome, not of money."""
    return name in TARGETS or name.rpartition(".")[2] in OF_GROUPS


@dataclass(frozen=True, slots=True)
class Weights:
    """What several objectives count in a weighted sum, each per unit of its own; none negative.

    ``spend`` counts against the sum; ``long_term`` is of an outcome after the horizon.
    """

    outcome: float = 0.0
    profit: float = 0.0
    spend: float = 0.0
    reach: float = 0.0
    long_term: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of several outcomes: what one of it counts, and the least of it that is asked for."""

    name: str
    weight: float
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be best, and targets that must be met (the contract's objective)."""

    goal: str = "maximize_outcome"
    value_per_outcome: float | None = None
    target_outcome: float | None = None
    max_outcome: float | None = None
    max_frequency: float | None = None
    population: float | None = None
    target_roas: float | None = None
    target_cpa: float | None = None
    target_marginal_return: float | None = None
    efficiency_of: str = "plan"
    long_term_weight: float = 0.0
    weights: Weights = Weights()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Floor:
    """``F >= constant + per_money * S``, asked for by ``name``; ``asked`` as the caller gave it.

    ``worth`` is of one outcome, where a return is of money. ``share`` and ``pays`` say by arm how
    much of its outcome and of its money counts (None: all), for targets of some channels.
    """

    name: str
    constant: float
    per_money: float
    asked: float
    worth: float = 1.0
    share: tuple[float, ...] | None = None
    pays: tuple[float, ...] | None = None

    def shares(self, arms: int) -> Array:
        """(A,) how much of each arm's outcome counts."""
        return np.ones(arms) if self.share is None else np.array(self.share)

    def pays_by(self, arms: int) -> Array:
        """(A,) how much of each arm's money counts."""
        return np.ones(arms) if self.pays is None else np.array(self.pays)

    def with_more(self, arms: int) -> Floor:
        """The target of a program with so many more arms, of which nothing counts."""
        if self.share is None or self.pays is None:
            return self
        none = (0.0,) * arms
        return replace(self, share=(*self.share, *none), pays=(*self.pays, *none))

    def stated(self, level: float) -> float:
        """An outcome (of a target outcome) or one per unit of money, as the target counts it."""
        if self.name.endswith("_cpa"):
            return 1.0 / level if level > 0.0 else math.inf
        return self.worth * level

    def unmet(self, best: float, read: str = "") -> Conflict:
        """The conflict of a floor of which ``best``, in its own unit, is the most there is."""
        text = f"{self.name} is {self.asked:,.6g}; "
        if not math.isfinite(best):
            text += "no plan within the limits brings any outcome."
            return Conflict(self.name, text, self.asked)
        text += f"the best reachable{read} is {best:,.6g}."
        return Conflict(self.name, text, abs(self.asked - best))

    def per_unit(self, spend: float) -> float:
        """By how much outcome the floor rises per unit of its own number."""
        if self.name.endswith("_cpa"):
            return -spend / self.asked**2
        return 1.0 / self.worth if self.per_money == 0.0 else spend / self.worth

    def surplus(self, outcome: Amount, spend: Amount) -> Amount:
        """By how much outcome a plan brings more than is asked; negative where it falls short."""
        return outcome - self.constant - self.per_money * spend

    def missed(self, outcome: float, spend: float) -> float:
        """By how much outcome a plan falls short, relative to what is asked; 0 where it is met."""
        short = self.constant + self.per_money * spend - outcome
        size = max(abs(self.constant) + self.per_money * spend, abs(outcome))
        return short / size if short > 0.0 and size > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Aim:
    """What is maximised, and the floors that hold; ``goal`` is the contract's name.

    ``value`` is of one outcome, ``cost`` of one unit of money: (1, 0) for the outcome or reach,
    (v, 1) for profit, (0, 1) for the least spend, anything for a weighted sum.
    """

    goal: str = "maximize_outcome"
    value: float = 1.0
    cost: float = 0.0
    floors: tuple[Floor, ...] = ()

    def worth(self, outcome: float, spend: float) -> float:
        """The objective of a plan."""
        return self.value * outcome - self.cost * spend

    def missed(self, outcome: float, spend: float) -> float:
        """The largest relative miss of a floor; 0 where all are met."""
        return max((floor.missed(outcome, spend) for floor in self.floors), default=0.0)


def aim_of(goal: Goal) -> Aim:
    """The aim of a problem's goal.

    Raises
    ------
    InvalidInput
        A goal without the number it needs, or one that there is not.
    """
    if goal.goal not in GOALS:
        raise InvalidInput.at(
            "/objective/goal", "unknown_goal", f"There is no goal {goal.goal!r} here."
        )
    value, cost = worth_of(goal)
    floors: list[Floor] = []
    if goal.target_outcome is not None or goal.goal == "minimize_spend":
        target = _positive(goal.target_outcome, "target_outcome", goal.goal)
        floors.append(Floor("target_outcome", target, 0.0, target))
    if goal.target_roas is not None:
        target = _positive(goal.target_roas, "target_roas", goal.goal)
        worth = 1.0
        if goal.value_per_outcome is not None:
            worth = _positive(goal.value_per_outcome, "value_per_outcome", goal.goal)
        floors.append(Floor("target_roas", 0.0, target / worth, target, worth))
    if goal.target_cpa is not None:
        target = _positive(goal.target_cpa, "target_cpa", goal.goal)
        floors.append(Floor("target_cpa", 0.0, 1.0 / target, target))
    return Aim(goal.goal, value, cost, tuple(floors))


def value_ratios(goal: Goal, own: Sequence[float | None]) -> Array | None:
    """(A,) what an outcome of each arm, some worth their ``own``, is of ``value_per_outcome``."""
    if all(value is None for value in own):
        return None
    usual = goal.value_per_outcome or 1.0
    return np.array([1.0 if value is None else value / usual for value in own])


def of_volume(floor: Floor, ratios: Array) -> Floor:
    """A target where outcomes are worth different amounts: one of outcomes counts each as one, a
    return by its worth."""
    if floor.name.endswith("_roas"):
        return floor
    arms = len(ratios)
    share = tuple((floor.shares(arms) / ratios).tolist())
    return replace(floor, share=share, pays=tuple(floor.pays_by(arms).tolist()))


def group_target(name: str, level: float, goal: Goal, arms: tuple[float, ...]) -> Floor:
    """What a constraint asks of the outcome of some ``arms`` (1 for those it is about)."""
    kind = name.rpartition(".")[2]
    if kind == "min_outcome":
        return Floor(name, level, 0.0, level, share=arms, pays=arms)
    if kind == "max_cpa":
        return Floor(name, 0.0, 1.0 / level, level, share=arms, pays=arms)
    worth = goal.value_per_outcome or 1.0
    return Floor(name, 0.0, level / worth, level, worth, arms, arms)


def ceiling(name: str, most: float, arms: tuple[float, ...]) -> Floor:
    """Outcome of some ``arms`` (1 for those it is about) beyond ``most``, as what a target misses.

    ``most - F`` is its surplus: below nothing, by so much outcome the plan brings too much.
    """
    return Floor(name, -most, 0.0, most, share=tuple(-arm for arm in arms), pays=arms)


def beyond(each: Array, ceilings: Sequence[Floor]) -> Array:
    """(...) of the outcome (..., A) by arm, what no ceiling counts; each unit is lost once."""
    left = each
    for one in sorted(ceilings, key=lambda c: -sum(c.share or ())):  # those within others first
        share = -one.shares(each.shape[-1])
        own = left @ share
        kept = np.divide(one.asked, own, out=np.ones_like(own), where=own > one.asked)
        left = np.where(share > 0.0, left * kept[..., None], left)
    return np.asarray(each.sum(axis=-1) - left.sum(axis=-1))


def worth_of(goal: Goal) -> tuple[float, float]:
    """What one outcome is worth, and what one unit of money costs, in the goal's own unit.

    Raises
    ------
    InvalidInput
        A goal without the number it needs, or weights that want nothing.
    """
    if goal.goal == "maximize_profit":
        return _positive(goal.value_per_outcome, "value_per_outcome", goal.goal), 1.0
    if goal.goal == "minimize_spend":
        return 0.0, 1.0
    if goal.goal != "weighted_sum":
        # As long as the next unit brings x: its cost is x, in outcomes.
        marginal = goal.target_marginal_return
        return 1.0, 0.0 if marginal is None else marginal / (goal.value_per_outcome or 1.0)
    weights = goal.weights
    value, cost = weights.outcome + weights.reach, weights.spend
    if weights.profit > 0.0:
        value += weights.profit * _positive(goal.value_per_outcome, "value_per_outcome", goal.goal)
        cost += weights.profit
    if not value > 0.0 or not math.isfinite(value + cost):
        raise InvalidInput.at(
            "/objective/weights",
            "nothing_wanted",
            "A weighted sum needs a weight above 0 for outcome, profit or reach.",
        )
    return value, cost


def later_of(goal: Goal) -> float:
    """What an outcome after the horizon counts, of one within it."""
    if goal.goal != "weighted_sum":
        return goal.long_term_weight
    return goal.weights.long_term / worth_of(goal)[0]


def _positive(given: float | None, name: str, goal: str) -> float:
    if given is None:
        raise InvalidInput.at(f"/objective/{name}", "missing", f"{goal} needs a {name}.")
    if not given > 0.0 or not math.isfinite(given) or not math.isfinite(1.0 / given):
        raise InvalidInput.at(
            f"/objective/{name}", "not_positive", f"{name} must be a number greater than 0."
        )
    return given
