"""Programs with one decision per arm: each arm's value is a function of one variable.

``g_a(u) = value * sum over h of weight[a, h] f_a(carry[a, h] u + carry_in[a, h]) - cost * spend``:
one period, a constant plan, or fixed shares of the periods' budgets. What a price of ``u`` makes of
an arm is then found exactly over its own domain (0 or at least a minimum, on its lots), which no
relaxation of the domain has to know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program

__all__ = ["ArmFunctions", "Domain", "Gains"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
_GRID = 65  # points per arm where there is no closed form
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Values each arm may take in a region, all (A,).

    ``low`` to ``high`` (on ``lot`` where that is above 0), where ``high >= low``; and 0 where
    ``zero``. ``counted`` arms count as active whatever they spend.
    """

    low: Array
    high: Array
    zero: Bools
    lot: Array
    counted: Bools

    @classmethod
    def of(cls, program: Program) -> Domain:
        """The whole domain."""
        lower, upper = program.lower[:, 0], program.upper[:, 0]
        low = np.maximum(lower, program.least_active[:, 0])
        domain = cls(low, upper, lower <= 0.0, program.lot, np.zeros(low.size, dtype=bool))
        return domain.snapped()

    def snapped(self) -> Domain:
        """Ends moved inwards to the lots."""
        on = self.lot > 0.0
        if not np.any(on):
            return self
        lot = np.where(on, self.lot, 1.0)
        low = np.where(on, np.ceil(self.low / lot - _TINY) * lot, self.low)
        high = np.where(on, np.floor(self.high / lot + _TINY) * lot, self.high)
        return replace(self, low=low, high=high)

    def below(self, arm: int, at: float) -> Domain:
        """The part with ``u[arm] <= at``."""
        high = self.high.copy()
        high[arm] = min(high[arm], at)
        zero = self.zero.copy()
        zero[arm] = zero[arm] and at >= 0.0
        return replace(self, high=high, zero=zero).snapped()

    def above(self, arm: int, at: float) -> Domain:
        """The part with ``u[arm] >= at``."""
        low, zero = self.low.copy(), self.zero.copy()
        low[arm] = max(low[arm], at)
        zero[arm] = zero[arm] and at <= 0.0
        return replace(self, low=low, zero=zero).snapped()

    def off(self, arm: int) -> Domain:
        """The part where the arm spends nothing."""
        return self.below(arm, 0.0)

    def on(self, arm: int) -> Domain:
        """The part where the arm counts as active."""
        counted = self.counted.copy()
        counted[arm] = True
        return replace(self, counted=counted)

    @property
    def active(self) -> Bools:
        """(A,) whether the interval is not empty."""
        return self.high >= self.low

    @property
    def empty(self) -> bool:
        """Whether some arm has no value left."""
        return bool(np.any(~self.active & ~self.zero))

    def contains(self, u: Array, slack: Array | float = 0.0) -> Bools:
        """(A,) whether each ``u`` is allowed, give or take ``slack``."""
        inside = (u >= self.low - slack) & (u <= self.high + slack)
        lot = np.where(self.lot > 0.0, self.lot, 1.0)
        off_lot = np.abs(u - np.round(u / lot) * lot)
        inside &= (self.lot <= 0.0) | (off_lot <= np.maximum(slack, 1e-9 * lot))
        return np.asarray(inside | (self.zero & (np.abs(u) <= slack)))

    def nearest(self, u: Array) -> Array:
        """The allowed values nearest to ``u``."""
        active = np.clip(u, self.low, np.maximum(self.low, self.high))
        lot = np.where(self.lot > 0.0, self.lot, 1.0)
        snapped = np.clip(np.round(active / lot) * lot, self.low, self.high)
        active = np.where(self.lot > 0.0, snapped, active)
        to_zero = self.zero & (~self.active | (np.abs(u) < np.abs(u - active)))
        return np.where(to_zero, 0.0, active)


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """Best ``g(u) - price u`` (A,) over the interval, where, and at 0; -inf where not allowed."""

    active: Array
    at: Array
    zero: Array

    @property
    def best(self) -> Array:
        """(A,) the better of both."""
        return np.maximum(self.active, self.zero)


class ArmFunctions:
    """Values, slopes and best answers to prices of all arms at once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.n = program.arms
        self.carry = program.carry[:, :, 0]
        self.weight = program.value * program.weight
        self.unit_cost = program.cost * program.spread[:, :, 0].sum(axis=1)
        curves = program.curves
        self.closed = program.draws is None and self.carry.shape[1] == 1 and not curves.tables
        self.bend_z = curves.inflection() if program.draws is None else None

    def value(self, u: Array) -> Array:
        """``g`` at ``u``: (A,) or (k, A)."""
        return self.program.value * self.outcome(u) - self.unit_cost * u

    def outcome(self, u: Array) -> Array:
        """What each arm brings at ``u``: (A,) or (k, A)."""
        points = np.atleast_2d(u)
        z = points[:, :, None] * self.carry + self.program.carry_in
        f = self.program.mean(z)
        out = np.einsum("kah,ah->ka", f, self.program.weight)
        return np.asarray(out.reshape(u.shape))

    def lifted(self, theta: Array) -> ArmFunctions:
        """The same where targets count at multipliers."""
        return ArmFunctions(self.program.lifted(theta)[0]) if np.any(theta > 0.0) else self

    def money(self) -> Array:
        """(A,) what a unit of each decision spends."""
        return np.asarray(self.program.spread[:, :, 0].sum(axis=1))

    def brings(self, arms: NDArray[np.intp], at: Array) -> Array:
        """Outcomes of the columns, evaluated as rows with one value for every arm they name."""
        place = np.zeros(arms.size, dtype=np.intp)
        count: dict[int, int] = {}
        for k, a in enumerate(arms.tolist()):
            place[k] = count.get(a, 0)
            count[a] = place[k] + 1
        points = np.zeros((int(place.max()) + 1, self.n))
        points[place, arms] = at
        return np.asarray(self.outcome(points)[place, arms])

    def bend(self) -> Array:
        """(A,) u from which ``g`` is surely concave; inf where unknown."""
        if self.bend_z is None:
            return np.full(self.n, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = (self.bend_z[:, None] - self.program.carry_in) / self.carry
        at = np.where((self.carry > 0.0) & (self.weight > 0.0), at, 0.0)
        return np.asarray(np.maximum(at.max(axis=1), 0.0))

    def respond(self, price: Array, domain: Domain) -> Gains:
        """Best answers over the domain where a unit of ``u`` costs ``price`` (A,) on top."""
        at = self._closed(price, domain) if self.closed else self._searched(price, domain)
        points = np.concatenate((at, np.zeros((1, self.n))))
        gains = self.value(points) - price * points
        zero = np.where(domain.zero, gains[-1], -np.inf)
        pick = np.argmax(gains[:-1], axis=0)
        columns = np.arange(self.n)
        best = np.where(domain.active, gains[pick, columns], -np.inf)
        return Gains(best, at[pick, columns], zero)

    def _closed(self, price: Array, domain: Domain) -> Array:
        """(p, A) candidates: both ends and where the slope is the price, on lots beside it."""
        curves, carry, weight = self.program.curves, self.carry[:, 0], self.weight[:, 0]
        low, high = domain.low, np.maximum(domain.low, domain.high)
        per_unit = weight * carry
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (price + self.unit_cost) / per_unit
        lively = (per_unit > 0.0) & (slope > 0.0)
        z = curves.at_slope(np.where(lively, slope, 1.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = (z - self.program.carry_in[:, 0]) / carry
        at = np.where(lively & np.isfinite(inner), np.clip(inner, low, high), low)
        candidates = [low, high, at]
        if np.any(domain.lot > 0.0):
            lot = np.where(domain.lot > 0.0, domain.lot, 1.0)
            floor, ceil = np.floor(at / lot) * lot, np.ceil(at / lot) * lot
            candidates[2] = np.where(domain.lot > 0.0, np.clip(floor, low, high), at)
            candidates.append(np.where(domain.lot > 0.0, np.clip(ceil, low, high), at))
        return np.stack(candidates)

    def _searched(self, price: Array, domain: Domain) -> Array:
        """(p, A) candidates from a grid, refined around the best three times."""
        low, high = domain.low, np.maximum(domain.low, domain.high)
        share = np.linspace(0.0, 1.0, _GRID)[:, None] ** 2  # finer where curves bend
        grid = low + (high - low) * share
        for _ in range(6):
            points = self.on_lots(grid, domain)
            gain = self.value(points) - price * points
            pick = np.argmax(gain, axis=0)
            columns = np.arange(self.n)
            left = points[np.maximum(pick - 1, 0), columns]
            right = points[np.minimum(pick + 1, len(points) - 1), columns]
            best = points[pick, columns]
            grid = left + (right - left) * np.linspace(0.0, 1.0, 9)[:, None]
            grid = np.sort(np.concatenate((grid, best[None])), axis=0)
        return np.stack((low, high, best))

    def on_lots(self, points: Array, domain: Domain) -> Array:
        on = domain.lot > 0.0
        if not np.any(on):
            return points
        lot = np.where(on, domain.lot, 1.0)
        high = np.maximum(domain.low, domain.high)
        return np.where(on, np.clip(np.round(points / lot) * lot, domain.low, high), points)
