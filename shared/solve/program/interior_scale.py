"""A program on a box in units of its own: decisions in [0, 1], adstocked spends and rows about 1.

Spends, responses and budgets of one program can differ by nine orders of magnitude. An interior
point does not mind in exact arithmetic; its start, its stopping rule and its factorisations do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.solve.engines.envelopes import ProgramBox, ProgramEnvelope

__all__ = ["Scaled", "scale_program"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
_NOTHING = 1e-100  # an objective that rises by less does not rise


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Everything an iteration needs; ``linked`` (A, H) where adstocked spend can move and counts.

    An outcome is ``worth`` so much here, and the objective counts ``gain`` of that (1; 0 where only
    money counts). Of every target (f,): what a unit decision takes from its surplus, ``per_money``
    (f, A, K), and ``short``, its surplus at the box's least, where the outcome is ``brings``.

    ``carry`` (A, H, K) and ``rows`` (m, A K), sparse where that pays, act on unit decisions; a
    decision that cannot move (``free`` is false) has columns of zeros. ``equal`` (m,) marks the
    rows that are equations.
    """

    program: Program
    envelope: ProgramEnvelope
    free: Flags
    width: Array
    z_unit: Array
    row_unit: Array
    money: float
    carry: Array
    offset: Array
    rows: Any
    row_lower: Array
    row_upper: Array
    equal: Flags
    kept: NDArray[np.intp]
    cost: Array
    length: Array
    linked: Flags
    worth: float
    gain: float
    per_money: Array
    short: Array
    brings: float

    @property
    def u_shape(self) -> tuple[int, int]:
        """(A, K)."""
        return self.free.shape[0], self.free.shape[1]

    def argument(self, u: Array) -> Array:
        """(A, H) adstocked spend above its least, in units."""
        return np.asarray(self.spread_argument(u) + self.offset)

    def spread_argument(self, u: Array) -> Array:
        """(A, H) carryover of unit decisions."""
        return np.asarray(np.matmul(self.carry, u[:, :, None])[:, :, 0])

    def pull(self, nu: Array) -> Array:
        """(A, K) carryover transposed."""
        return np.asarray(np.matmul(nu[:, None, :], self.carry)[:, 0, :])

    def row_values(self, u: Array) -> Array:
        """(m,) of unit decisions."""
        return np.asarray(self.rows @ u.ravel())

    def row_pull(self, mu: Array) -> Array:
        """(A, K) rows transposed."""
        return np.asarray(mu @ self.rows).reshape(self.u_shape)

    def evaluate(self, pieces: Array) -> tuple[Array, Array, Array]:
        """Rise (A, H), slopes and sizes of curvature (G, A, H) of the outcome, all scaled."""
        rise, slope, bend = self.envelope.evaluate(pieces * self.z_unit)
        worth = self.worth
        unit = worth * self.z_unit
        with np.errstate(over="ignore"):  # capped: where spend is next to nothing, slopes are huge
            slope = np.minimum(slope * unit, 1e150)
            bend = np.minimum(bend * (unit * self.z_unit), 1e150)
        return worth * rise, slope, bend

    def signed(self, mu: Array) -> Array:
        """Row prices (m,) without the sign that an open side forbids."""
        mu = np.where(np.isfinite(self.row_upper), mu, np.minimum(mu, 0.0))
        return np.where(np.isfinite(self.row_lower), mu, np.maximum(mu, 0.0))

    def surplus(self, u: Array, rise: Array) -> Array:
        """(f,) scaled, by how much the targets are exceeded."""
        moved = float(rise[self.linked].sum())
        return np.asarray(self.short + moved - np.tensordot(self.per_money, u, axes=2))

    def gap(
        self, u: Array, pieces: Array, rise: Array, slope: Array, nu: Array, mu: Array, theta: Array
    ) -> float:
        """Bound of the multipliers less the objective at the iterate, scaled; never negative
        where links and rows hold.

        The envelopes' maxima are bounded by their tangents at the pieces: exact at the optimum,
        and above it everywhere, since the envelopes are concave.
        """
        excess = self.pull(nu) - self.cost - self.row_pull(mu)
        if theta.size:
            excess = excess - np.tensordot(theta, self.per_money, axes=1)
            slope = slope * (self.gain + float(theta.sum()))
        elif self.gain != 1.0:
            slope = slope * self.gain
        total = float(np.where(excess > 0.0, excess * (1.0 - u), -excess * u)[self.free].sum())
        over = slope - nu
        room = np.where(over > 0.0, over * (self.length - pieces), -over * pieces)
        total += float(room[:, self.linked].sum())
        side = np.where(mu > 0.0, self.row_upper, self.row_lower)
        slack = np.where(mu == 0.0, 0.0, side) - self.row_values(u)
        total += float((mu * slack).sum())
        if theta.size:
            total += float(theta @ self.surplus(u, rise))
        return total + float((nu * (self.argument(u) - pieces.sum(axis=0)))[self.linked].sum())

    def fill(self, z: Array) -> Array:
        """Pieces (G, A, H) strictly inside that add up to about ``z``."""
        # A cut of adstocked spend may leave these decisions below it.
        if len(self.length) == 1:
            z = np.where(z > 0.0, z, 1e-3 * self.length[0])
            return np.clip(z[None], 1e-12 * self.length, (1.0 - 1e-6) * self.length)
        z = np.maximum(z, 1e-3 * self.length.sum(axis=0))
        out = np.empty_like(self.length)
        before = np.zeros(z.shape)
        for g, length in enumerate(self.length):
            out[g] = np.clip(z - before, 0.1 * np.minimum(length, z), 0.9 * length)
            before = before + length
        return out

    def first_guess(self) -> Array:
        """(A, K): all decisions at one share of their ranges, as large as the rows nearly allow.

        Not the best itself: equations that hold at 0 would have it next to the corner.
        """
        shares = np.geomspace(1e-9, 0.5, 60)
        total = self.rows @ np.ones(self.free.size)
        at = shares[:, None] * total[None, :]
        amiss = np.maximum(self.row_lower - at, 0.0) + np.maximum(at - self.row_upper, 0.0)
        worst = amiss.max(axis=1, initial=0.0)
        good = np.flatnonzero(worst <= worst.min() + 0.1)
        return np.full(self.u_shape, float(shares[good[-1]]))

    def best_reply(self, pieces: Array, nu: Array, slope: Array, bend: Array) -> Array:
        """Pieces where the curves' slopes are about ``nu``: where a bound by tangents is tight.

        Secants in the logarithms of size and slope, which is exact for a power.
        """
        at, low, high = pieces[-1].copy(), 0.0, self.length[-1]
        slope, bend = slope[-1], bend[-1]
        for _ in range(4):
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                fall = bend * at / slope
                step = np.clip((np.log(slope) - np.log(nu)) / fall, -30.0, 30.0)
                trial = np.where((nu > 0.0) & np.isfinite(step), at * np.exp(step), at)
            at = np.clip(trial, low, high)
            _, every, curvature = self.evaluate(np.concatenate((pieces[:-1], at[None])))
            slope, bend = every[-1], curvature[-1]
        return np.concatenate((pieces[:-1], at[None]))

    def objective(self, u: Array, rise: Array) -> float:
        """In the program's unit, from scaled decisions and the scaled rise of the envelopes."""
        program = self.program
        base = program.value * float(self.envelope.base.sum())
        paid = program.cost * float(program.spend(self.envelope.box.u_lower).sum())
        moved = self.gain * float(rise[self.linked].sum()) - float((self.cost * u).sum())
        return base - paid + self.money * moved

    def from_unit(self, u: Array) -> Array:
        """Decisions in money (or shares), inside the box."""
        box = self.envelope.box
        return np.clip(box.u_lower + self.width * u, box.u_lower, box.u_upper)

    def to_unit(self, u: Array) -> Array:
        """Decisions in units."""
        low = self.envelope.box.u_lower
        return np.asarray((u - low) / np.where(self.width > 0.0, self.width, 1.0))

    def nu_in(self, nu: Array) -> Array:
        """Prices of adstocked spend, scaled."""
        return np.asarray(nu * self.worth * self.z_unit)

    def mu_in(self, mu: Array) -> Array:
        """Prices of the rows kept, scaled."""
        return np.asarray(mu[self.kept] * self.row_unit / self.money)

    def nu_out(self, nu: Array, theta: Array) -> Array:
        """Prices of adstocked spend in outcomes, which objective and targets together pay for."""
        lift = self.gain + float(theta.sum())
        if lift * self.worth <= 0.0:
            return np.zeros(nu.shape)
        out = nu / (lift * self.worth) / self.z_unit
        return np.asarray(np.where(self.linked, out, 0.0))

    def mu_out(self, mu: Array) -> Array:
        """Prices of all rows in the objective's unit."""
        out = np.zeros(len(self.program.rows.lower))
        out[self.kept] = self.signed(mu) * self.money / self.row_unit
        return out


def scale_program(program: Program, envelope: ProgramEnvelope) -> Scaled:
    """Units from the box's ranges and the envelope's rise on it."""
    box = envelope.box
    width = np.maximum(box.u_upper - box.u_lower, 0.0)
    free = width > 1e-14 * np.maximum(np.abs(box.u_upper), np.abs(box.u_lower))
    width = np.where(free, width, 0.0)
    reach = np.matmul(program.carry, width[:, :, None])[:, :, 0]
    length = envelope.length.copy()
    total = length.sum(axis=0)
    # A cut to a single point is widened by a hair: a barrier needs room.
    thin = (program.weight != 0.0) & (reach > 0.0) & (total < 1e-9 * reach)
    length[-1] = np.where(thin, 1e-9 * reach, length[-1])
    total = length.sum(axis=0)
    linked = (reach > 0.0) & (total > 0.0)
    length = np.where(linked, length, 0.0)
    z_unit = np.where(linked, total, 1.0)
    least = np.matmul(program.carry, box.u_lower[:, :, None])[:, :, 0] + program.carry_in
    rows = program.rows
    matrix = rows.matrix * width.ravel()
    size = np.abs(matrix).max(axis=1, initial=0.0)
    kept = np.flatnonzero((size > 0.0) & (np.isfinite(rows.lower) | np.isfinite(rows.upper)))
    unit = size[kept]
    base = (
        rows.matrix[kept] @ np.where(free, box.u_lower, 0.5 * (box.u_lower + box.u_upper)).ravel()
    )
    lower, upper = (rows.lower[kept] - base) / unit, (rows.upper[kept] - base) / unit
    near = 1e-12 * np.maximum(
        1.0, np.maximum(np.abs(np.where(np.isfinite(upper), upper, 0.0)), 0.0)
    )
    equal = upper - lower <= near
    middle = np.where(equal, 0.5 * (lower + np.where(equal, upper, lower)), lower)
    cost = program.cost * program.spread.sum(axis=1) * width
    money, worth = _money(program, envelope, cost)
    per_money = np.array([floor.per_money for floor in program.floors])
    spend = program.spread.sum(axis=1)
    brings, costs = float(envelope.base.sum()), float((spend * box.u_lower).sum())
    short = [brings - floor.constant - floor.per_money * costs for floor in program.floors]
    carry = np.where(linked, 1.0 / z_unit, 0.0)[:, :, None] * program.carry * width[:, None, :]
    return Scaled(
        program=program,
        envelope=envelope,
        free=free,
        width=width,
        z_unit=z_unit,
        row_unit=unit,
        money=money,
        carry=np.ascontiguousarray(carry),
        offset=np.where(linked, (least - box.z_lower) / z_unit, 0.0),
        rows=_compact(matrix[kept] / unit[:, None]),
        row_lower=np.where(equal, middle, lower),
        row_upper=np.where(equal, middle, upper),
        equal=equal,
        kept=kept,
        cost=cost / money,
        length=length / z_unit,
        linked=linked,
        worth=worth,
        gain=1.0 if program.value > 0.0 else 0.0,
        per_money=worth * per_money[:, None, None] * (spend * width),
        short=worth * np.array(short),
        brings=worth * brings,
    )


def _compact(matrix: Array) -> Any:
    """Sparse where most of a large matrix is empty: limits on changes from period to period."""
    if matrix.size < 50_000 or np.count_nonzero(matrix) > 0.1 * matrix.size:
        return np.ascontiguousarray(matrix)
    from scipy.sparse import csr_array

    return csr_array(matrix)


def _money(program: Program, envelope: ProgramEnvelope, cost: Array) -> tuple[float, float]:
    """What the objective can move by on the box, roughly, and what an outcome is of it."""
    box: ProgramBox = envelope.box
    rise = float(np.abs(envelope.at(box.z_upper) - envelope.base).sum())
    money = program.value * rise
    if money < _NOTHING:  # nothing can be gained: the unit is that of the costs, or any
        money = float(np.abs(cost).sum())
    money = money if money >= _NOTHING else 1.0
    if program.value > 0.0:
        return money, program.value / money
    size = max([rise, *(1e-9 * abs(floor.constant) for floor in program.floors)])
    return money, 1.0 / size if size >= _NOTHING else 0.0
