"""One budget with interactions in levels of saturation: values, slopes, and local ascent.

With levels x the objective is ``own x + x' G x / 2 - cost u(x)``. A step of Newton's method on the
free arms, within the budget's plane, climbs to a locally best plan in a handful of steps; where the
Hessian is not negative, its eigenvalues are turned round, so that every step still goes up
(Nocedal, Wright, "Numerical Optimization", 2006, section 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.solve.program.program_envelope import Enveloper

__all__ = ["Levels"]

Array = NDArray[np.float64]

_STEPS = 80
_HALVES = 30  # of a step that does not go up


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A program of one decision an arm, one period and at most one row, by levels of saturation.

    ``own`` (A,) is what a full level brings, ``coupling`` (A, A) symmetric what two full levels
    bring together, ``money`` and ``row`` (A,) what a unit of a decision costs in the objective and
    in the row (which keeps ``floor`` to ``cap``; all zero without a row), ``carry`` and ``base``
    (A,) make adstocked spend of a decision.
    """

    program: Program
    enveloper: Enveloper
    top: Array
    own: Array
    coupling: Array
    sizes: Array
    row: Array
    floor: float
    cap: float
    money: Array
    carry: Array
    base: Array

    @classmethod
    def of(cls, program: Program, enveloper: Enveloper) -> Levels:
        """The view of a program with one column, one period and at most one row."""
        arms, weight, rows = program.arms, program.weight[:, 0], program.rows
        top = program.full()
        coupling, sizes = np.zeros((arms, arms)), np.zeros((arms, arms))
        for pair in program.pairs:
            size = program.value * pair.strength * program.pair_weight(pair)[0]
            for a, b in ((pair.first, pair.second), (pair.second, pair.first)):
                coupling[a, b] += size
                sizes[a, b] += abs(size)
        return cls(
            program=program,
            enveloper=enveloper,
            top=top,
            own=program.value * weight * top,
            coupling=coupling,
            sizes=sizes,
            row=rows.matrix[0] if rows.names else np.zeros(arms),
            floor=float(rows.lower[0]) if rows.names else -np.inf,
            cap=float(rows.upper[0]) if rows.names else np.inf,
            money=program.cost * program.spread.sum(axis=1)[:, 0],
            carry=program.carry[:, 0, 0],
            base=program.carry_in[:, 0],
        )

    def prices(self, price: float) -> Array:
        """(m,) the row's price as multipliers of a proof."""
        return np.array([price] * len(self.program.rows.names))

    def at(self, u: Array) -> Array:
        """(A, n) levels at decisions (A, n)."""
        z = self.carry[:, None] * u + self.base[:, None]
        if self.enveloper.means is not None:
            return self.enveloper.means.at(z)[0] / self.top[:, None]
        value = self.program.curves.value(np.ascontiguousarray(z.T)).T
        return np.asarray(value / self.top[:, None])

    def worth(self, u: Array) -> float:
        """The objective at decisions (A,)."""
        x = self.at(u[:, None])[:, 0]
        return float(self.own @ x + 0.5 * x @ self.coupling @ x - self.money @ u)

    def slopes(self, u: Array) -> tuple[Array, Array]:
        """Gradient (A,) and Hessian (A, A) at decisions; what is convex in a curve counts as flat.

        Infinite slopes at zero are taken a little above it.
        """
        z = self.carry * u + self.base
        z = np.maximum(z, 1e-12 * (self.carry * self.program.upper[:, 0] + self.base))
        value, slope, bend = self.enveloper.curve(z[:, None], np.ones((z.size, 1)))
        x = value[:, 0] / self.top
        first = slope[:, 0] * self.carry / self.top
        second = -bend[:, 0] * self.carry**2 / self.top
        push = self.own + self.coupling @ x
        hessian = first[:, None] * self.coupling * first + np.diag(push * second)
        return push * first - self.money, hessian

    def even(self, low: Array, high: Array) -> Array | None:
        """The plan between the ends of a box (A,) that spends all of the row; None without one."""
        least, most = float(self.row @ low), float(self.row @ high)
        wanted = min(most, self.cap)
        if wanted < least or wanted < self.floor * (1.0 - 1e-12):
            return None
        share = (wanted - least) / (most - least) if most > least else 0.0
        return np.asarray(low + share * (high - low))

    def climb(self, u: Array, low: Array, high: Array) -> tuple[Array, float]:
        """A locally best plan of the box, from one that keeps the row; and the row's price."""
        cap, floor = self.cap, self.floor
        u = np.clip(u, low, high)
        now, price, slack = self.worth(u), 0.0, 1e-13
        for _ in range(_STEPS):
            gradient, hessian = self.slopes(u)
            spent = float(self.row @ u)
            size = slack * max(abs(spent), 1e-300)
            hair = slack * np.maximum(high, 1e-300)
            inside = (u > low + hair) & (u < high - hair)
            # The row holds where more (or less) of it would pay and there is none.
            tight = cap - spent <= size or spent - floor <= size
            price = _price(gradient, self.row, inside, u <= low + hair) if tight else 0.0
            if floor < cap:
                if spent - floor <= size < cap - spent:
                    price = min(price, 0.0)
                elif cap - spent <= size:
                    price = max(price, 0.0)
            held = tight and (price != 0.0 or floor >= cap)
            push = gradient - price * self.row
            free = inside | ((u <= low + hair) & (push > 0.0)) | ((u >= high - hair) & (push < 0.0))
            free &= high > low
            step = _newton(push, hessian, self.row, free, held=held)
            # What is at an end and would leave the box stays where it is.
            for _ in range(u.size):
                out = free & (((u <= low + hair) & (step < 0)) | ((u >= high - hair) & (step > 0)))
                if not np.any(out):
                    break
                free &= ~out
                step = _newton(push, hessian, self.row, free, held=held)
            if not np.any(step):
                break
            plan, there = self._along(u, step, low, high, now)
            moved = float(np.max(np.abs(plan - u) / np.maximum(high, 1e-300)))
            gained, u, now = there - now, plan, there
            if gained <= 1e-15 * abs(now) or moved <= 1e-13:
                break
        return u, price

    def _along(
        self, u: Array, step: Array, low: Array, high: Array, now: float
    ) -> tuple[Array, float]:
        """As far along ``step`` as the box, the row and the objective allow."""
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0.0, (high - u) / step, (low - u) / step)
        room = np.where(step == 0.0, 1.0, room)
        reach = min(1.0, float(room.min()))
        rate = float(self.row @ step)
        spent = float(self.row @ u)
        if abs(rate) > 1e-12 * float(self.row @ np.abs(step)):
            side = self.cap if rate > 0.0 else self.floor
            reach = min(reach, max((side - spent) / rate, 0.0))
        for _ in range(_HALVES):
            plan = np.clip(u + reach * step, low, high)
            there = self.worth(plan)
            if there > now:
                return plan, there
            reach *= 0.5
        return u, now


def _price(
    gradient: Array, row: Array, inside: NDArray[np.bool_], bottom: NDArray[np.bool_]
) -> float:
    """What a unit of the row is worth: by the arms inside their ends, else between both ends."""
    own = inside & (row > 0.0)
    if np.any(own):
        return float(gradient[own] @ row[own]) / float(row[own] @ row[own])
    rate = np.divide(gradient, row, out=np.zeros_like(row), where=row > 0.0)
    low, high = rate[bottom & (row > 0.0)], rate[~bottom & (row > 0.0)]
    if low.size and high.size:
        return 0.5 * (float(low.max()) + float(high.min()))
    return float(low.max()) if low.size else float(high.min(initial=0.0))


def _newton(
    push: Array, hessian: Array, row: Array, free: NDArray[np.bool_], *, held: bool
) -> Array:
    """A step (A,) that goes up on the free arms, within the row's plane where that is held."""
    out = np.zeros(push.size)
    index = np.flatnonzero(free)
    if index.size < (2 if held else 1):
        return out
    inner = hessian[np.ix_(index, index)]
    # Where the objective is nearly straight a step goes as far as there can be money, not further.
    bend = np.maximum(np.abs(np.diag(inner)), 1e-30 * float(np.abs(push[index]).max()))
    scale = 1.0 / np.sqrt(np.maximum(bend, 1e-300))
    scale = np.minimum(scale, 1e6 * float(scale.min()))
    inner, slope = scale[:, None] * inner * scale, scale * push[index]
    basis = np.eye(index.size)
    if held:
        normal = (scale * row[index])[:, None]
        basis = np.linalg.qr(normal, mode="complete")[0][:, 1:]
    values, vectors = np.linalg.eigh(basis.T @ inner @ basis)
    size = np.maximum(np.abs(values), 1e-8)
    out[index] = scale * (basis @ (vectors @ ((vectors.T @ (basis.T @ slope)) / size)))
    return out
