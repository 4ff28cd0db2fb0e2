"""A finite problem of decisions in turn, its exact optimum, and the exact value of any rule.

State s and action a lead to one of K next states, with the chances given. A period t pays

    gain[t] * factor[s] * brings[place[s']] - pays[t] * spend[a]

where ``place[s']`` is the goodwill arrived at: spend works in the period that it is made in, on top
of what is left of the past. ``brings`` has a row a draw of the curve; expected rewards are of its
mean. The optimum is that of dynamic programming (R. Bellman, Dynamic Programming, 1957): backward
from the last period, or of the equation that repeats itself where there is no last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decisions", "Followed", "Rule", "Solved", "constant", "follow", "myopic", "solve"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Rule = Callable[[int, Ints], Ints]
"""The action at each of some states, in a period from 0."""

_TOLERANCE = 1e-12  # of the values, at which the equation that repeats itself counts as solved
_LARGEST_SOLVED = 3000  # states up to which a rule's endless value is solved for, not iterated


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """See the module: N states, M actions, G goodwills, D draws, T periods.

    Attributes
    ----------
    after, chance
        (N, M, K) next states, and their probabilities.
    allowed
        (N, M) whether the state has the means for the action; one of each row is.
    spend
        (M,) money of each action, rising.
    brings
        (D, G) outcome at each goodwill.
    place, factor
        (N,) the goodwill of a state (an index), and what multiplies the outcome in it.
    gain, pays
        (T,) what an outcome and a unit of money of each period count; one entry if endless.
    end
        (N,) what a state is worth after the last period.
    discount
        What the next period counts, beside ``gain`` and ``pays``; below 1 where it is endless.
    endless
        Whether there is no last period: every period is like the first.
    """

    after: Ints
    chance: Floats
    allowed: NDArray[np.bool_]
    spend: Floats
    brings: Floats
    place: Ints
    factor: Floats
    gain: Floats
    pays: Floats
    end: Floats
    discount: float = 1.0
    endless: bool = False

    @property
    def states(self) -> int:
        return len(self.place)

    @property
    def actions(self) -> int:
        return len(self.spend)

    @property
    def periods(self) -> int:
        """Those that differ: one where it is endless."""
        return len(self.gain)

    def of(self, draws: slice) -> Decisions:
        """The same by these draws of the curve."""
        return replace(self, brings=self.brings[draws])

    def outcome(self) -> Floats:
        """(N, M) expected outcome of a period."""
        arrived = self.brings.mean(axis=0)[self.place]
        brought = np.einsum("nmk,nmk->nm", self.chance, arrived[self.after])
        return np.asarray(self.factor[:, None] * brought)

    def ahead(self, value: Floats) -> Floats:
        """(N, M) expected ``value`` (N,) of the next state, discounted."""
        return np.asarray(self.discount * np.einsum("nmk,nmk->nm", self.chance, value[self.after]))


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """The optimum: ``value`` (T + 1, N) of each state before each period, ``policy`` (T, N)."""

    value: Floats
    policy: Ints

    def rule(self, period: int, states: Ints) -> Ints:
        """The best actions."""
        return np.asarray(self.policy[min(period, len(self.policy) - 1), states])


def solve(decisions: Decisions) -> Solved:
    """The best rule and its value, exactly (to 1e-12 of the values where it is endless)."""
    outcome = decisions.outcome()
    shut = np.where(decisions.allowed, 0.0, -np.inf)

    def stage(t: int, later: Floats) -> Floats:
        pays = decisions.pays[t] * decisions.spend
        return np.asarray(decisions.gain[t] * outcome - pays + decisions.ahead(later) + shut)

    if decisions.endless:
        value, change = np.zeros(decisions.states), np.inf
        while change > _TOLERANCE * (1.0 - decisions.discount) * max(np.abs(value).max(), 1.0):
            new = stage(0, value).max(axis=1)
            change, value = float(np.abs(new - value).max()), new
        policy = stage(0, value).argmax(axis=1)[None]
        return Solved(np.stack([value, value]), policy)
    values, actions = [decisions.end], list[Ints]()
    for t in reversed(range(decisions.periods)):
        q = stage(t, values[-1])
        actions.append(q.argmax(axis=1))
        values.append(q.max(axis=1))
    return Solved(np.stack(values[::-1]), np.stack(actions[::-1]))


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What a rule brings from a start, in expectation.

    Attributes
    ----------
    value
        Of all periods, and of what is left after the last.
    spend, outcome
        (T,) of each period; of the first alone where it is endless.
    """

    value: float
    spend: Floats
    outcome: Floats


def follow(decisions: Decisions, rule: Rule, start: Floats) -> Followed:
    """The exact expectation under ``rule`` from a distribution ``start`` (N,) over the states.

    Only states that are reached are asked about.

    Raises
    ------
    ValueError
        The rule does what a state has no means for.
    """
    outcome = decisions.outcome()
    if decisions.endless:
        every = np.arange(decisions.states)
        a = _taken(decisions, rule, 0, every)
        reward = decisions.gain[0] * outcome[every, a] - decisions.pays[0] * decisions.spend[a]
        value = _endless_value(decisions, a, reward)
        spends = np.array([start @ decisions.spend[a]])
        return Followed(float(start @ value), spends, np.array([start @ outcome[every, a]]))
    chance, total, fade = start, 0.0, 1.0
    spends, outcomes = np.zeros(decisions.periods), np.zeros(decisions.periods)
    for t in range(decisions.periods):
        here = np.flatnonzero(chance > 0.0)
        a, odds = _taken(decisions, rule, t, here), chance[here]
        spends[t] = odds @ decisions.spend[a]
        outcomes[t] = odds @ outcome[here, a]
        total += fade * (decisions.gain[t] * outcomes[t] - decisions.pays[t] * spends[t])
        fade *= decisions.discount
        moved = odds[:, None] * decisions.chance[here, a]
        chance = np.bincount(decisions.after[here, a].ravel(), moved.ravel(), decisions.states)
    return Followed(float(total + fade * (chance @ decisions.end)), spends, outcomes)


def _taken(decisions: Decisions, rule: Rule, period: int, states: Ints) -> Ints:
    actions = np.asarray(rule(period, states))
    if not decisions.allowed[states, actions].all():
        raise ValueError("an action that a state has no means for")
    return actions


def _endless_value(decisions: Decisions, a: Ints, reward: Floats) -> Floats:
    """(N,) what the rule that takes ``a`` (N,) is worth for ever."""
    n = decisions.states
    rows = np.arange(n)
    if n <= _LARGEST_SOLVED:
        moves = np.zeros((n, n))
        np.add.at(moves, (rows[:, None], decisions.after[rows, a]), decisions.chance[rows, a])
        return np.asarray(np.linalg.solve(np.eye(n) - decisions.discount * moves, reward))
    value, change = np.zeros(n), np.inf
    while change > _TOLERANCE * (1.0 - decisions.discount) * max(np.abs(value).max(), 1.0):
        ahead = (decisions.chance[rows, a] * value[decisions.after[rows, a]]).sum(axis=1)
        new = reward + decisions.discount * ahead
        change, value = float(np.abs(new - value).max()), new
    return value


def constant(decisions: Decisions, action: int) -> Rule:
    """The same spend in every period; the most that is left of the budget where that is less."""
    most = np.where(decisions.allowed, np.arange(decisions.actions), -1)
    most = np.where(most <= action, most, -1).max(axis=1)
    least = decisions.allowed.argmax(axis=1)
    taken = np.where(most >= 0, most, least)
    return lambda _, states: np.asarray(taken[states])


def myopic(decisions: Decisions) -> Rule:
    """The spend that is best for the period alone."""
    outcome = decisions.outcome()
    shut = np.where(decisions.allowed, 0.0, -np.inf)

    def rule(period: int, states: Ints) -> Ints:
        t = min(period, decisions.periods - 1)
        now = decisions.gain[t] * outcome[states] - decisions.pays[t] * decisions.spend
        return np.asarray((now + shut[states]).argmax(axis=1))

    return rule
