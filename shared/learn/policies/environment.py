"""The decisions of a policy as an environment of Gymnasium, so that agents of any kind can try.

Gymnasium (M. Towers et al., 2024) is an extra: nothing else here needs it. The year's end is
``terminated`` (nothing comes after it), and nothing is ever ``truncated``. An episode is played on
one draw of the curve, drawn when it begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.learn.policies.spending import Spending

__all__ = ["environment"]


def environment(spending: Spending) -> Any:
    """A ``gymnasium.Env``: observe goodwill, market, money left and time; choose a level of spend.

    The observation is a vector of four numbers from 0 to 1; the action is the index of a level. A
    level that there is no money left for counts as the highest that there is. The reward is what
    the period brings less what it costs; what is left after the last comes with its reward.

    Raises
    ------
    ImportError
        Gymnasium is not installed.
    """
    from gymnasium import Env, spaces

    decisions = spending.decisions
    features = spending.features()
    features = features / np.maximum(features.max(axis=0), 1e-12)
    cumulated = np.cumsum(decisions.chance, axis=2)

    class SpendingEnv(Env[Any, Any]):
        """One channel's spend over the periods."""

        def __init__(self) -> None:
            self.observation_space = spaces.Box(0.0, 1.0, (4,), np.float32)
            self.action_space = spaces.Discrete(decisions.actions)
            self._state = self._period = self._draw = 0

        def _seen(self) -> Any:
            elapsed = self._period / decisions.periods
            return np.array([*features[self._state], elapsed], dtype=np.float32)

        def reset(
            self, *, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[Any, dict[str, Any]]:
            """A new episode from the start; there are no options."""
            del options
            super().reset(seed=seed)
            self._state = int(self.np_random.choice(decisions.states, p=spending.start))
            self._draw = int(self.np_random.integers(len(decisions.brings)))
            self._period = 0
            return self._seen(), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            """One period."""
            s, t = self._state, self._period
            ways = np.flatnonzero(decisions.allowed[s])
            a = int(ways[max(int(np.searchsorted(ways, int(action), side="right")) - 1, 0)])
            ways_on = cumulated[s, a]
            k = min(int(np.searchsorted(ways_on, self.np_random.random())), len(ways_on) - 1)
            arrived = int(decisions.after[s, a, k])
            brought = decisions.factor[s] * decisions.brings[self._draw, decisions.place[arrived]]
            reward = decisions.gain[t] * brought - decisions.pays[t] * decisions.spend[a]
            self._state, self._period = arrived, t + 1
            over = self._period == decisions.periods
            if over:
                reward += decisions.end[arrived]
            return self._seen(), float(reward), over, False, {"spend": float(decisions.spend[a])}

    if decisions.endless:
        raise ValueError("an environment has a last period: leave out endless")
    return SpendingEnv()
