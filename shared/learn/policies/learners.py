"""Rules learnt from a simulator: tabular Q-learning and fitted Q, as checks of the exact optimum.

Q-learning (C. Watkins, P. Dayan, Machine Learning 8, 1992) with steps 1 / n(s, a)^0.7, which
satisfy its conditions and forget their beginnings faster than 1 / n (E. Even-Dar, Y. Mansour,
Journal of Machine Learning Research 5, 2003). Fitted Q (D. Ernst, P. Geurts, L. Wehenkel, Journal
of Machine Learning Research 6, 2005): regression of reward plus best value ahead on state and
action, backward over the periods, or round upon round where there is no last one. The value ahead
is the mean over several simulated successors: the maximum of a noisy value is too high otherwise.

Rewards are expected ones over the draws of the curve, for what they are is linear in the draws and
the next state does not depend on them: to play one draw an episode would only scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.learn.policies.decisions import Decisions, Rule

__all__ = ["Learnt", "fitted_q", "q_learning"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EXPLORE = 0.2
_POWER = 0.7
_OPENINGS = 1000  # beginnings that are drawn by the start
_EPISODE = 50  # steps of an endless problem after which it starts anew somewhere


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A learnt rule, and the values that it takes states to have in a period."""

    rule: Rule
    value: Callable[[int, Ints], Floats]


def q_learning(decisions: Decisions, start: Floats, steps: int, seed: int) -> Learnt:
    """The greedy rule of a table learnt in so many simulated ``steps``.

    Every other episode begins by ``start`` (N,), in the first period; the others anywhere.
    """
    rng = np.random.default_rng(seed)
    n, m, periods = decisions.states, decisions.actions, decisions.periods
    endless, discount = decisions.endless, decisions.discount
    outcome, after = decisions.outcome().tolist(), decisions.after.tolist()
    chance = np.cumsum(decisions.chance, axis=2).tolist()
    gain, pays = decisions.gain.tolist(), decisions.pays.tolist()
    spend, end = decisions.spend.tolist(), decisions.end.tolist()
    open_to = [np.flatnonzero(row).tolist() for row in decisions.allowed]
    q = [[[0.0] * m for _ in range(n)] for _ in range(periods)]
    met = [[[0] * m for _ in range(n)] for _ in range(periods)]
    uniform = rng.random((steps, 3)).tolist()
    opening = rng.choice(n, size=min(steps, _OPENINGS), p=start).tolist()
    t = s = played = 0
    over, here = True, False
    for explores, picks, moves in uniform:
        if over:
            here = not here
            s = opening[int(rng.integers(len(opening)))] if here else int(rng.integers(n))
            t, played = 0 if here else int(rng.integers(periods)), 0
        row, ways = q[t][s], open_to[s]
        curious = explores < _EXPLORE
        a = ways[int(picks * len(ways))] if curious else max(ways, key=row.__getitem__)
        odds, targets = chance[s][a], after[s][a]
        k = 0
        while k < len(odds) - 1 and moves > odds[k]:
            k += 1
        arrived = targets[k]
        reward = gain[t] * outcome[s][a] - pays[t] * spend[a]
        last = not endless and t == periods - 1
        after_t = t if endless else t + 1
        if last:
            ahead = end[arrived]
        else:
            there = q[after_t][arrived]
            ahead = max(there[b] for b in open_to[arrived])
        met[t][s][a] += 1
        row[a] += (reward + discount * ahead - row[a]) / met[t][s][a] ** _POWER
        played += 1
        over = last or (endless and played == _EPISODE)
        s, t = arrived, 0 if last else after_t
    table = np.where(decisions.allowed, np.array(q), -np.inf)
    return Learnt(
        lambda t, states: np.asarray(table[min(t, periods - 1), states].argmax(axis=1)),
        lambda t, states: np.asarray(table[min(t, periods - 1), states].max(axis=1)),
    )


def fitted_q(
    decisions: Decisions,
    features: Floats,
    seed: int,
    *,
    transitions: int = 2000,
    successors: int = 10,
    rounds: int = 50,
    trees: int = 50,
) -> Learnt:
    """The greedy rule of a regression of values on states and actions.

    Parameters
    ----------
    features
        (N, F) of the states: what the regression sees of them, beside the action's spend.
    transitions, successors
        Pairs of state and action in a round, and simulated next states of each.
    rounds
        Of an endless problem; else there is one a period.
    """
    # Imported here: a service that is asked for no learner does not pay for it.
    from sklearn.ensemble import ExtraTreesRegressor

    rng = np.random.default_rng(seed)
    fits, brings = list[Any](), decisions.brings.mean(axis=0)
    endless, periods = decisions.endless, decisions.periods

    def values(model: Any, states: Ints) -> Floats:
        """(R, M) of every action at some states; minus infinity for those not allowed."""
        own, place = np.unique(states, return_inverse=True)
        several = np.repeat(own, decisions.actions)
        x = np.column_stack([features[several], np.tile(decisions.spend, len(own))])
        told = model.predict(x).reshape(len(own), -1)
        return np.asarray(np.where(decisions.allowed[own], told, -np.inf)[place])

    def sample() -> tuple[Ints, Ints, Ints, Floats]:
        states = rng.integers(decisions.states, size=transitions)
        ranks = np.where(
            decisions.allowed[states], rng.random((transitions, decisions.actions)), -1
        )
        actions = ranks.argmax(axis=1)
        odds = np.cumsum(decisions.chance[states, actions], axis=1)
        # One draw in each of as many equal parts: their mean scatters less than that of free draws.
        drawn = (rng.random((transitions, 1, 1)) + np.arange(successors)[:, None]) / successors
        k = np.minimum((drawn > odds[:, None]).sum(axis=2), odds.shape[1] - 1)
        arrived = decisions.after[states, actions][np.arange(transitions)[:, None], k]
        outcome = brings[decisions.place[arrived]].mean(axis=1)
        return states, actions, arrived, decisions.factor[states] * outcome

    kept = sample() if endless else None
    for done in range(rounds if endless else periods):
        t = 0 if endless else periods - 1 - done
        states, actions, arrived, outcome = kept or sample()
        if fits:
            ahead = values(fits[-1], arrived.ravel()).max(axis=1)
        else:
            ahead = decisions.end[arrived.ravel()]
        ahead = ahead.reshape(arrived.shape).mean(axis=1)
        spent = decisions.spend[actions]
        target = decisions.gain[t] * outcome - decisions.pays[t] * spent
        model = ExtraTreesRegressor(n_estimators=trees, random_state=seed + done, n_jobs=1)
        x = np.column_stack([features[states], spent])
        fits.append(model.fit(x, target + decisions.discount * ahead))

    def of(t: int) -> Any:
        return fits[-1] if endless else fits[periods - 1 - t]

    return Learnt(
        lambda t, states: np.asarray(values(of(t), states).argmax(axis=1)),
        lambda t, states: np.asarray(values(of(t), states).max(axis=1)),
    )
