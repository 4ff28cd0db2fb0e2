"""The iterate of the interior point, and Newton's step from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.solve.program.interior_scale import Scaled
from shared.solve.program.interior_system import Blocks
from shared.solve.program.relaxed import RelaxedProgram

__all__ = ["TO_BOUNDARY", "Move", "State", "Step"]

Array = NDArray[np.float64]

TO_BOUNDARY = 0.995  # of the way to the nearest end, at most


class State:
    """The iterate: ``x`` = (u, pieces, row values) flat, with multipliers of both ends."""

    def __init__(self, scaled: Scaled) -> None:
        self.scaled = scaled
        a, k = scaled.u_shape
        g = scaled.length.shape
        self.nu_shape = g[1:]
        self.n_u, self.n_s, self.m = a * k, int(np.prod(g)), len(scaled.row_lower)
        self.low = np.concatenate(
            (np.zeros(self.n_u + self.n_s), np.where(scaled.equal, 0.0, scaled.row_lower))
        )
        self.high = np.concatenate(
            (
                np.ones(self.n_u),
                scaled.length.ravel(),
                np.where(scaled.equal, 0.0, scaled.row_upper),
            )
        )
        moves = np.concatenate((scaled.free.ravel(), scaled.length.ravel() > 0.0, ~scaled.equal))
        self.moves = moves
        self.has_low = moves & np.isfinite(self.low)
        self.has_high = moves & np.isfinite(self.high)
        self.count = int(self.has_low.sum() + self.has_high.sum())
        self.x = np.zeros(len(moves))
        self.to_low = np.ones(len(moves))
        self.to_high = np.ones(len(moves))
        self.below = np.zeros(len(moves))
        self.above = np.zeros(len(moves))
        self.nu = np.zeros(self.nu_shape)
        self.mu = np.zeros(self.m)
        targets = len(scaled.short)
        self.count += targets
        self.theta, self.room = np.ones(targets), np.ones(targets)
        self.low_on = self.has_low.astype(float)
        self.high_on = self.has_high.astype(float)
        self.on = (scaled.length > 0.0).astype(float)
        self.linked = scaled.linked.astype(float)
        self.free = scaled.free.astype(float)
        self.straight = np.where(scaled.equal, 0.0, 1.0)
        self.middle = np.where(scaled.equal, scaled.row_lower, 0.0)

    def begin(self, start: RelaxedProgram | None) -> None:
        """A strictly interior point; the links and rows need not hold yet."""
        scaled = self.scaled
        u = scaled.first_guess() if start is None else scaled.to_unit(start.u)
        margin = 0.0 if start is None else 1e-2
        u = np.where(scaled.free, np.clip(u, margin, 1.0 - margin), 0.0)
        z = scaled.argument(u)
        pieces = scaled.fill(z)
        rows = scaled.row_values(u)
        both = np.isfinite(scaled.row_lower) & np.isfinite(scaled.row_upper)
        with np.errstate(invalid="ignore"):
            width = np.where(both, scaled.row_upper - scaled.row_lower, 1.0)
        inside = 0.1 * width
        v = np.clip(rows, scaled.row_lower + inside, scaled.row_upper - inside)
        v = np.where(scaled.equal, 0.0, v)
        self.x = np.concatenate((u.ravel(), pieces.ravel(), v))
        level = 1.0 / max(1, self.count)
        if self.room.size:
            rise = scaled.evaluate(pieces)[0]
            self.room = np.maximum(scaled.surplus(u, rise), 0.1)
            self.theta = np.maximum(level / self.room, 1.0 - scaled.gain)
        if start is not None:
            level *= 1e-2
        slope = scaled.evaluate(pieces)[1]
        share = np.where(scaled.length > 0.0, 1.0, 0.0)
        usual = (np.minimum(slope, 1e6) * share).sum(axis=0) / np.maximum(share.sum(axis=0), 1.0)
        self.nu = usual if start is None else scaled.nu_in(start.nu)
        self.mu = np.zeros(self.m) if start is None else scaled.mu_in(start.mu)
        self.measure()
        below_gap, above_gap = self.to_low, self.to_high
        self.below = np.where(self.has_low, level / below_gap, 0.0)
        self.above = np.where(self.has_high, level / above_gap, 0.0)
        if start is not None:
            self.look()
            lack = self.dual - self.below + self.above
            self.above += np.where(self.has_high, np.maximum(lack, 0.0), 0.0)
            self.below += np.where(self.has_low, np.maximum(-lack, 0.0), 0.0)
        self.look()

    def measure(self) -> None:
        """Distances to both ends; 1 where there is none.

        From here on they are iterates of their own: near an end their difference to ``x`` would be
        rounding.
        """
        with np.errstate(invalid="ignore"):
            self.to_low = np.where(self.has_low, self.x - self.low, 1.0)
            self.to_high = np.where(self.has_high, self.high - self.x, 1.0)

    def parts(self, flat: Array) -> tuple[Array, Array, Array]:
        """u (A, K), pieces (G, A, H) and row values (m,) of a flat vector."""
        u = flat[: self.n_u].reshape(self.scaled.u_shape)
        s = flat[self.n_u : self.n_u + self.n_s].reshape(self.scaled.length.shape)
        return u, s, flat[self.n_u + self.n_s :]

    def look(self) -> None:
        """Evaluate the curves, residuals and complementarity at the iterate.

        ``dual`` is the gradient of the Lagrangian in ``x`` (0 for what does not move), ``link``
        (A, H) and ``row`` (m,) are what is missing for the equations to hold.
        """
        scaled = self.scaled
        u, pieces, v = self.parts(self.x)
        self.rise, self.slope, self.bend = scaled.evaluate(pieces)
        du = scaled.pull(self.nu) - scaled.cost - scaled.row_pull(self.mu)
        self.lift = scaled.gain + float(self.theta.sum())
        if self.theta.size:
            du -= np.tensordot(self.theta, scaled.per_money, axes=1)
        ds = self.lift * self.slope - self.nu
        dual = np.concatenate((du.ravel(), ds.ravel(), self.mu)) + self.below - self.above
        self.dual = np.where(self.moves, dual, 0.0)
        self.link = (pieces.sum(axis=0) - scaled.argument(u)) * self.linked
        self.row = self.middle + self.straight * v - scaled.row_values(u)
        total = float(self.below @ self.to_low + self.above @ self.to_high)
        total += float(self.theta @ self.room)
        self.target = scaled.surplus(u, self.rise) - self.room if self.room.size else self.room
        self.centre = total / max(1, self.count)
        self.missed = max(_largest(self.link), _largest(self.row), _largest(self.target))
        # What a target asks for may be small beside what the box can bring.
        asked = np.abs(float(self.rise.sum()) + scaled.brings - self.room)
        self.short = _largest(self.target / np.maximum(asked, 1e-6)) if self.room.size else 0.0
        # A slope that is off by much where next to nothing is left to move does no harm.
        near = np.minimum(self.to_low, self.to_high)
        self.merit = float(np.abs(self.dual) @ near) + total + self.missed


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """A direction for all variables and multipliers."""

    x: Array
    below: Array
    above: Array
    nu: Array
    mu: Array
    theta: Array
    room: Array


class Step:
    """Newton's equations at one iterate, for any complementarity targets."""

    def __init__(self, state: State, blocks: Blocks) -> None:
        scaled = state.scaled
        self.state, self.blocks = state, blocks
        self.dual, self.link, self.row = state.dual, state.link, state.row
        self.to_low, self.to_high = state.to_low, state.to_high
        theta_u, theta_s, theta_v = state.parts(
            state.below / state.to_low + state.above / state.to_high
        )
        stiff = theta_s + state.lift * state.bend
        self.yields = state.on / np.where(scaled.length > 0.0, stiff, 1.0)
        total = self.yields.sum(axis=0)
        self.d = state.linked / np.maximum(total, 1e-300)
        self.slack = state.straight / np.where(scaled.equal, 1.0, theta_v)
        blocks.factor(np.where(scaled.free, theta_u, 1.0), self.d, self.slack)
        self.theta, self.room, self.target = state.theta, state.room, state.target
        # What a multiplier of a target moves, and what moves the target's surplus.
        none, rows = np.zeros(state.nu_shape), np.zeros(state.m)
        slope = state.slope * state.on * state.linked
        self.pulls = [
            np.concatenate(((-per * state.free).ravel(), slope.ravel(), rows))
            for per in scaled.per_money
        ]
        self.answers = [self._newton(pull, none, rows) for pull in self.pulls]
        self.turns = np.array([[p @ a[0] for a in self.answers] for p in self.pulls])

    def solve(
        self,
        target_below: Array | float,
        target_above: Array | float,
        target_room: Array | float,
    ) -> Move:
        """The step towards slack times multiplier equal to the targets."""
        state = self.state
        low = (target_below * state.low_on - state.below * self.to_low) / self.to_low
        high = (target_above * state.high_on - state.above * self.to_high) / self.to_high
        x, dnu, dmu = self._newton(self.dual + low - high, self.link, self.row)
        theta = room = self.theta
        if self.pulls:
            # Bordered: each target is one more row, dense and bent.
            stiff = self.theta / self.room
            lack = self.target + np.array([pull @ x for pull in self.pulls])
            right = target_room / self.room - self.theta - stiff * lack
            theta = np.linalg.solve(np.eye(stiff.size) + stiff[:, None] * self.turns, right)
            for share, (other, nu, mu) in zip(theta.tolist(), self.answers, strict=True):
                x, dnu, dmu = x + share * other, dnu + share * nu, dmu + share * mu
            room = lack + self.turns @ theta
        below = low - state.below / self.to_low * x
        above = high + state.above / self.to_high * x
        return Move(x, below, above, dnu, dmu, theta, room)

    def _newton(self, dual: Array, link: Array, row: Array) -> tuple[Array, Array, Array]:
        """Moves of ``x``, ``nu`` and ``mu`` that make up for what is missing."""
        state, scaled = self.state, self.state.scaled
        g_u, g_s, g_v = state.parts(dual)
        aim = link + (g_s * self.yields).sum(axis=0)
        right = (g_u + scaled.pull(self.d * aim)) * state.free
        du, dmu = self.blocks.solve(right, row + self.slack * g_v)
        dnu = self.d * (aim - scaled.spread_argument(du))
        ds = (g_s - dnu) * self.yields
        dv = self.slack * (dmu + g_v)
        return np.concatenate((du.ravel(), ds.ravel(), dv)), dnu, dmu

    def longest_dual(self, move: Move) -> float:
        """The step to the nearest end, at most 1 / 0.995."""
        state = self.state
        worst = max(
            float(np.max(-move.below[state.has_low] / state.below[state.has_low], initial=0.0)),
            float(np.max(-move.above[state.has_high] / state.above[state.has_high], initial=0.0)),
            float(np.max(-move.theta / self.theta, initial=0.0)),
        )
        return 1.0 / max(worst, TO_BOUNDARY)

    def longest(self, move: Move) -> float:
        """The step to the nearest end, at most 1 / 0.995."""
        state = self.state
        down = -move.x
        worst = max(
            float(np.max(down * state.low_on / self.to_low, initial=0.0)),
            float(np.max(move.x * state.high_on / self.to_high, initial=0.0)),
            float(np.max(-move.room / self.room, initial=0.0)),
        )
        return 1.0 / max(worst, TO_BOUNDARY)

    def complementarity(self, move: Move, length: float, other: float) -> float:
        """Mean of slack times multiplier after a step."""
        state = self.state
        length = min(1.0, length)
        other = min(1.0, other)
        below = (state.below + other * move.below) * (self.to_low + length * move.x)
        above = (state.above + other * move.above) * (self.to_high - length * move.x)
        total = float(below @ state.low_on + above @ state.high_on)
        total += float((self.theta + other * move.theta) @ (self.room + length * move.room))
        return total / max(1, state.count)

    def towards_centre(
        self, move: Move, length: float, other: float, target: float
    ) -> tuple[Array, Array]:
        """What to add to the targets for products that stray by more than ten times."""
        state = self.state
        length, other = min(1.0, 1.08 * length + 0.2), min(1.0, 1.08 * other + 0.2)
        below = (state.below + other * move.below) * (self.to_low + length * move.x)
        above = (state.above + other * move.above) * (self.to_high - length * move.x)
        low = np.maximum(np.clip(below, 0.1 * target, 10.0 * target) - below, -10.0 * target)
        high = np.maximum(np.clip(above, 0.1 * target, 10.0 * target) - above, -10.0 * target)
        return low * state.low_on, high * state.high_on

    def take(self, move: Move, length: float, other: float) -> None:
        """Take the step, shorter while the residuals grow."""
        state = self.state
        merit = state.merit
        x, below, above, nu, mu = state.x, state.below, state.above, state.nu, state.mu
        for _ in range(12):
            state.x = x + length * move.x
            state.to_low = self.to_low + length * move.x * state.low_on
            state.to_high = self.to_high - length * move.x * state.high_on
            state.below, state.above = below + other * move.below, above + other * move.above
            state.nu, state.mu = nu + length * move.nu, mu + length * move.mu
            state.theta = self.theta + other * move.theta
            state.room = self.room + length * move.room
            state.look()
            if state.merit <= 2.0 * merit + 1e-12:
                break
            length *= 0.5
            other *= 0.5
        # A surplus bends: where it is more than its room, the room is made as large.
        if np.any(state.target > 0.0):
            state.room = state.room + np.maximum(state.target, 0.0)
            state.look()


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
