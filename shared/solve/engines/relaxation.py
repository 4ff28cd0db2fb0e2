"""A program's concave relaxation in units of its own, what answers it, and linear programs for it.

Decisions are in [0, 1], adstocked spends and rows about 1: sizes of one program can differ by nine
orders of magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.problem.program import Program
from shared.solve.engines.envelopes import ProgramBox, ProgramEnvelope

__all__ = [
    "INFEASIBLE",
    "OPTIMAL",
    "RelaxedProgram",
    "Scaled",
    "answer",
    "impossible",
    "impossible_row",
    "least_possible",
    "relax_by_lines",
    "scale_program",
]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
_NOTHING = 1e-100  # an objective that rises by less does not rise
OPTIMAL = "optimal"
INFEASIBLE = "infeasible"
# scipy.optimize.linprog's status, in our words.
_STATUS = {0: OPTIMAL, 1: "stopped", 2: INFEASIBLE, 3: "stopped", 4: "stopped"}
_FIRST = np.array([1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])
_ROUNDS = 60
_GAP = 1e-6  # relative, of the linear programs
_MISS = 1e-9  # of the rows' scaled sizes: less is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Everything an iteration needs; ``linked`` (A, H) where adstocked spend can move and counts.

    An outcome is ``worth`` so much here, and the objective counts ``gain`` of that (1; 0 where only
    money counts). Of every target (f,): ``shares`` (f, A) of the arms' outcomes count, a unit
    decision takes ``per_money`` (f, A, K) from its surplus, and ``short`` is its surplus at the
    box's least, where the outcome is ``brings``.

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
    shares: Array
    per_money: Array
    short: Array
    brings: Array

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
        moved = self.rises(rise)
        return np.asarray(self.short + moved - np.tensordot(self.per_money, u, axes=2))

    def lift(self, theta: Array) -> Array:
        """(A, 1) what an outcome of each arm counts for objective and targets together."""
        return np.asarray(self.gain + theta @ self.shares)[:, None]

    def rises(self, rise: Array) -> Array:
        """(f,) the rise (A, H) of the envelopes as each target counts it."""
        return np.asarray(self.shares @ np.where(self.linked, rise, 0.0).sum(axis=1))

    def gap(
        self, u: Array, pieces: Array, rise: Array, slope: Array, nu: Array, mu: Array, theta: Array
    ) -> float:
        """Bound of the multipliers less the objective, scaled; the envelopes' maxima are bounded by
        their tangents at the pieces."""
        excess = self.pull(nu) - self.cost - self.row_pull(mu)
        if theta.size:
            excess = excess - np.tensordot(theta, self.per_money, axes=1)
            slope = slope * self.lift(theta)
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
        """(A, K): all decisions at one share of their ranges, as large as the rows nearly allow."""
        shares = np.geomspace(1e-9, 0.5, 60)
        total = self.rows @ np.ones(self.free.size)
        at = shares[:, None] * total[None, :]
        amiss = np.maximum(self.row_lower - at, 0.0) + np.maximum(at - self.row_upper, 0.0)
        worst = amiss.max(axis=1, initial=0.0)
        good = np.flatnonzero(worst <= worst.min() + 0.1)
        return np.full(self.u_shape, float(shares[good[-1]]))

    def best_reply(self, pieces: Array, nu: Array, slope: Array, bend: Array) -> Array:
        """Pieces where the curves' slopes are about ``nu``, by secants in the logarithms of size
        and slope."""
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
        paid = program.paid(self.envelope.box.u_lower)
        moved = self.gain * float(rise[self.linked].sum()) - float((self.cost * u).sum())
        return base - paid + self.money * moved

    def from_unit(self, u: Array) -> Array:
        """Decisions in money (or shares), inside the box."""
        box = self.envelope.box
        return np.clip(box.u_lower + self.width * u, box.u_lower, box.u_upper)

    def nu_out(self, nu: Array, theta: Array) -> Array:
        """Prices of adstocked spend in outcomes, which objective and targets together pay for."""
        lift = self.lift(theta) * self.worth
        out = nu / np.where(lift > 0.0, lift, 1.0) / self.z_unit
        return np.asarray(np.where(self.linked & (lift > 0.0), out, 0.0))

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
    cost = program.costs() * width
    money, worth = _money(program, envelope, cost)
    floors, arms = program.floors, program.arms
    shares = np.array([floor.shares(arms) for floor in floors]).reshape(len(floors), arms)
    sold = [f.per_money * f.pays_by(arms)[:, None] * program.counted() for f in floors]
    per_money = np.array(sold).reshape(len(floors), *width.shape)
    brings = shares @ envelope.base.sum(axis=1)
    costs = np.tensordot(per_money, box.u_lower, axes=2)
    short = brings - np.array([floor.constant for floor in floors]) - costs
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
        shares=shares,
        per_money=worth * per_money * width,
        short=worth * short,
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


# What every relaxer of programs returns, from an iterate in scaled units.


@dataclass(frozen=True, slots=True, eq=False)
class RelaxedProgram:
    """The relaxation's answer on a box.

    Attributes
    ----------
    u, z
        (A, K) and (A, H): decisions, and the adstocked spend that follows from them.
    mu
        (m,) prices of the rows in the objective's unit: positive at an upper side, negative at a
        lower one.
    nu
        (A, H) prices of adstocked spend, in outcomes (``value`` not counted): envelopes' slopes.
    theta
        (f,) multipliers of the targets: the objective gained where one is relaxed by an outcome.
    value
        Objective of the envelopes at ``u``.
    bound
        No feasible plan in the box has a higher objective, by these multipliers and the envelopes
        (in floating point, not rounded outward: the certificate does that).
    status
        "optimal", "infeasible" (``bound``, by ``mu`` and ``nu``, is below every objective that the
        box allows), "cut off" (``bound`` is at most the cutoff asked for) or "stopped" (short of
        the gap asked for: ``bound`` still holds).
    """

    u: Array
    z: Array
    mu: Array
    nu: Array
    value: float
    bound: float
    status: str
    iterations: int
    theta: Array


def answer(
    scaled: Scaled,
    unit: Array,
    pieces: Array,
    rise: Array,
    slope: Array,
    nu: Array,
    mu: Array,
    theta: Array,
    *,
    status: str = "stopped",
    iterations: int = 0,
) -> RelaxedProgram:
    """The answer in the program's units; ``rise`` and ``slope`` are the envelopes' at pieces."""
    mu = scaled.signed(mu)
    u = scaled.from_unit(unit)
    value = scaled.objective(unit, rise)
    lack = scaled.money * scaled.gap(unit, pieces, rise, slope, nu, mu, theta)
    return RelaxedProgram(
        u=u,
        z=scaled.program.adstocked(u),
        mu=scaled.mu_out(mu),
        nu=scaled.nu_out(nu, theta),
        value=value,
        bound=value + lack,
        status=status,
        iterations=iterations,
        theta=theta * (scaled.worth * scaled.money),
    )


def least_possible(scaled: Scaled) -> float:
    """An objective that no plan in the box falls short of: a bound below it proves there is
    none."""
    whole = np.where(scaled.linked, scaled.envelope.evaluate(scaled.envelope.length)[0], 0.0)
    fall = float(np.minimum(whole, 0.0).sum())
    none = scaled.objective(np.zeros(scaled.u_shape), np.zeros(scaled.linked.shape))
    paid = scaled.money * float(np.maximum(scaled.cost, 0.0).sum())
    return none + scaled.program.value * fall - paid


# The concave relaxation as linear programs: for regions without an interior, and to tell whether
# there is a plan at all. The curves' pieces are bounded by tangents, added where the linear program
# went past the curve (Kelley, The cutting-plane method, 1960).


def impossible_row(scaled: Scaled) -> RelaxedProgram | None:
    """Proof that the box alone breaks some row, or None."""
    program, box = scaled.program, scaled.envelope.box
    rows = program.rows
    if not len(rows.lower):
        return None
    low, high = box.u_lower.ravel(), np.maximum(box.u_upper, box.u_lower).ravel()
    up, down = np.maximum(rows.matrix, 0.0), np.minimum(rows.matrix, 0.0)
    most, least = up @ high + down @ low, up @ low + down @ high
    hair = 1e-11 * ((up - down) @ np.maximum(np.abs(low), np.abs(high)))
    missed = np.maximum(rows.lower - most, least - rows.upper) - hair
    worst = int(np.argmax(missed))
    if missed[worst] <= 0.0:
        return None
    sign = -1.0 if rows.lower[worst] - most[worst] > least[worst] - rows.upper[worst] else 1.0
    zero, nothing = np.zeros(scaled.u_shape), np.zeros(scaled.linked.shape)
    rise, slope, _ = scaled.evaluate(scaled.length)
    unpriced = np.zeros(len(scaled.kept)), np.zeros(len(scaled.short))
    shown = answer(scaled, zero, scaled.length, rise, slope, nothing, *unpriced)
    floor = least_possible(scaled)
    amount = missed[worst] + hair[worst]
    price = (2.0 * abs(shown.bound - floor) + max(scaled.money, 1.0)) / amount
    mu = np.zeros(len(rows.lower))
    mu[worst] = sign * price
    return replace(shown, mu=mu, bound=shown.bound - price * amount, status=INFEASIBLE)


def impossible(scaled: Scaled) -> RelaxedProgram | None:
    """Proof that no plan in the box meets the rows, or None: the multipliers of the least sum of
    violations, scaled up until their bound is below every objective there could be."""
    from scipy.sparse import csr_array, hstack

    lp = _Linear(scaled)
    m = len(scaled.row_lower)
    if not m:
        return None
    # Each side of each row may be missed by an amount of its own.
    upper_rows, lower_rows = np.flatnonzero(lp.has_upper), np.flatnonzero(lp.has_lower)
    sides = len(upper_rows) + len(lower_rows)
    body = csr_array(np.vstack((lp.row_part[upper_rows], -lp.row_part[lower_rows])))
    ub = hstack((body, -csr_array(np.eye(sides))), format="csr")
    eq = hstack((lp.links, csr_array((lp.links.shape[0], sides))), format="csr")
    found = highs.linprog(
        np.concatenate((np.zeros(lp.links.shape[1]), np.ones(sides))),
        exact=True,
        A_ub=ub,
        b_ub=np.concatenate((scaled.row_upper[upper_rows], -scaled.row_lower[lower_rows])),
        A_eq=eq if eq.shape[0] else None,
        b_eq=lp.link_right if eq.shape[0] else None,
        bounds=[*lp.bounds, *[(0.0, None)] * sides],
    )
    if _STATUS.get(int(found.status)) != OPTIMAL or float(found.fun) <= _MISS:
        return None
    ray = np.zeros(m)
    ray[upper_rows] -= found.ineqlin.marginals[: len(upper_rows)]
    ray[lower_rows] += found.ineqlin.marginals[len(upper_rows) :]
    nu_ray = lp.on_links(found.eqlin.marginals if eq.shape[0] else np.zeros(0))
    unit, pieces = lp.read(found.x)
    rise, slope, _ = scaled.evaluate(pieces)
    floor = least_possible(scaled)
    size = 10.0 / float(found.fun)
    for _ in range(12):
        prices = size * nu_ray, size * ray, np.zeros(len(scaled.short))
        shown = answer(scaled, unit, pieces, rise, slope, *prices, status=INFEASIBLE)
        if shown.bound < floor:
            return shown
        size *= 10.0
    return None


def relax_by_lines(scaled: Scaled, deadline: float = np.inf) -> RelaxedProgram:
    """The relaxation by linear programs with tangents, to a relative gap, or as near as it gets."""
    from scipy.sparse import csr_array, hstack, vstack

    lp = _Linear(scaled)
    curved = np.argwhere(lp.on[-1])
    count = len(curved)
    where = lp.place_last(curved)
    columns = lp.links.shape[1]
    cuts: list[Any] = []
    rights: list[Array] = []

    def cut(pieces: Array, chosen: NDArray[np.bool_]) -> None:
        rise, slope, _ = scaled.evaluate(pieces)
        straight = (slope[:-1] * pieces[:-1]).sum(axis=0)
        at = tuple(curved[chosen].T)
        steep, s = slope[-1][at], pieces[-1][at]
        use = np.isfinite(steep) & (steep < 1e100)
        own = np.flatnonzero(chosen)[use]
        lines = np.arange(own.size)
        matrix = csr_array(
            (
                np.concatenate((np.ones(own.size), -steep[use])),
                (np.tile(lines, 2), np.concatenate((columns + own, where[own]))),
            ),
            shape=(own.size, columns + count),
        )
        cuts.append(matrix)
        rights.append(((rise - straight)[at] - steep * s)[use])

    for share in _FIRST:
        cut(share * scaled.length, np.ones(count, dtype=bool))
    row_matrix = hstack((csr_array(lp.row_part), csr_array((len(lp.row_part), count))), "csr")
    eq_rows = np.flatnonzero(scaled.equal)
    upper_rows = np.flatnonzero(lp.has_upper & ~scaled.equal)
    lower_rows = np.flatnonzero(lp.has_lower & ~scaled.equal)
    fixed = vstack((row_matrix[upper_rows], -row_matrix[lower_rows]), format="csr")
    fixed_right = np.concatenate((scaled.row_upper[upper_rows], -scaled.row_lower[lower_rows]))
    links = hstack((lp.links, csr_array((lp.links.shape[0], count))), "csr")
    eq = vstack((links, row_matrix[eq_rows]), format="csr")
    eq_right = np.concatenate((lp.link_right, scaled.row_lower[eq_rows]))
    targets = len(scaled.short)
    sold = scaled.per_money[:, scaled.free]
    last = scaled.shares[:, curved[:, 0]]
    surplus = np.hstack((-sold, lp.straight * scaled.shares[:, lp.pieces[:, 1]], last))
    fixed = vstack((fixed, csr_array(-surplus)), format="csr")
    fixed_right = np.concatenate((fixed_right, scaled.short))
    bought = scaled.gain * np.concatenate((lp.straight, np.ones(count)))
    gains = np.concatenate((scaled.cost[scaled.free], -bought))
    best: RelaxedProgram | None = None
    for iteration in range(1, _ROUNDS + 1):
        if best is not None and work.now() > deadline:
            break
        found = highs.linprog(
            gains,
            exact=True,
            A_ub=vstack((fixed, *cuts), format="csr"),
            b_ub=np.concatenate((fixed_right, *rights)),
            A_eq=eq if eq.shape[0] else None,
            b_eq=eq_right if eq.shape[0] else None,
            bounds=[*lp.bounds, *[(None, None)] * count],
        )
        if _STATUS.get(int(found.status)) != OPTIMAL:
            break
        unit, pieces = lp.read(found.x)
        mu = np.zeros(len(scaled.row_lower))
        mu[upper_rows] -= found.ineqlin.marginals[: len(upper_rows)]
        n = len(upper_rows) + len(lower_rows)
        mu[lower_rows] += found.ineqlin.marginals[len(upper_rows) : n]
        theta = np.maximum(-found.ineqlin.marginals[n : n + targets], 0.0)
        at_links = found.eqlin.marginals if eq.shape[0] else np.zeros(0)
        mu[eq_rows] = -at_links[lp.links.shape[0] :]
        nu = lp.on_links(at_links[: lp.links.shape[0]])
        held = np.maximum(pieces, np.where(lp.on, 1e-12 * scaled.length, 0.0))
        rise, slope, _ = scaled.evaluate(held)
        shown = answer(scaled, unit, held, rise, slope, nu, mu, theta, iterations=iteration)
        # The program's own optimum: tighter than tangents at the pieces, where prices of
        # adstocked spend are slopes of tangents elsewhere.
        none = scaled.objective(np.zeros(scaled.u_shape), np.zeros(scaled.linked.shape))
        shown = replace(shown, bound=min(shown.bound, none - scaled.money * float(found.fun)))
        if best is None or shown.bound < best.bound:
            best = shown
        straight = (slope[:-1] * held[:-1]).sum(axis=0)
        over = found.x[columns:] - (rise - straight)[tuple(curved.T)]
        size = max(abs(shown.value), abs(shown.bound))
        if scaled.money * float(np.maximum(over, 0.0).sum()) <= _GAP * size:
            proof = {name: getattr(best, name) for name in ("mu", "nu", "theta", "bound")}
            return replace(shown, **proof, status=OPTIMAL)
        cut(held, over > 0.05 * _GAP * size / (scaled.money * max(1, count)))
    if best is not None:
        return best
    zero = np.zeros(scaled.u_shape)
    pieces = np.zeros_like(scaled.length)
    rise, slope, _ = scaled.evaluate(np.where(lp.on, 0.5 * scaled.length, 0.0))
    unpriced = np.zeros(len(scaled.row_lower)), np.zeros(targets)
    return answer(scaled, zero, pieces, rise, slope, slope[-1], *unpriced)


class _Linear:
    """The linear part: columns are the free decisions, then the pieces that can move."""

    def __init__(self, scaled: Scaled) -> None:
        from scipy.sparse import csr_array

        self.scaled = scaled
        arms, columns = scaled.u_shape
        self.free = np.argwhere(scaled.free)
        self.on = scaled.length > 0.0
        self.pieces = np.argwhere(self.on)
        n_u, n_s = len(self.free), len(self.pieces)
        self.n_u = n_u
        self.linked = np.argwhere(scaled.linked)
        number = np.full(scaled.linked.shape, -1)
        number[scaled.linked] = np.arange(len(self.linked))
        place = np.full((arms, columns), -1)
        place[scaled.free] = np.arange(n_u)
        a, h, k = np.nonzero(scaled.carry)
        lines = np.concatenate((number[a, h], number[self.pieces[:, 1], self.pieces[:, 2]]))
        at = np.concatenate((place[a, k], n_u + np.arange(n_s)))
        entries = np.concatenate((scaled.carry[a, h, k], -np.ones(n_s)))
        self.links = csr_array((entries, (lines, at)), shape=(len(self.linked), n_u + n_s))
        self.link_right = -scaled.offset[scaled.linked]
        dense = scaled.rows if isinstance(scaled.rows, np.ndarray) else scaled.rows.toarray()
        rows = dense[:, scaled.free.ravel()]
        self.row_part = np.hstack((rows, np.zeros((rows.shape[0], n_s))))
        self.has_upper = np.isfinite(scaled.row_upper)
        self.has_lower = np.isfinite(scaled.row_lower)
        self.bounds: list[tuple[float | None, float | None]] = [(0.0, 1.0)] * n_u
        self.bounds += [(0.0, float(v)) for v in scaled.length[self.on]]
        straight = np.zeros(self.on.shape)
        straight[:-1] = scaled.evaluate(np.where(self.on, 0.5 * scaled.length, 0.0))[1][:-1]
        self.straight = straight[self.on]

    def place_last(self, curved: NDArray[np.intp]) -> NDArray[np.intp]:
        """Columns of the curves' pieces."""
        number = np.full(self.on.shape, -1)
        number[self.on] = self.n_u + np.arange(len(self.pieces))
        return np.asarray(number[-1][tuple(curved.T)])

    def read(self, x: Array) -> tuple[Array, Array]:
        """Unit decisions and pieces of a solution."""
        unit, pieces = np.zeros(self.scaled.u_shape), np.zeros(self.on.shape)
        unit[self.scaled.free] = x[: self.n_u]
        pieces[self.on] = x[self.n_u : self.n_u + len(self.pieces)]
        return unit, pieces

    def on_links(self, values: Array) -> Array:
        """(A, H) from one value a link."""
        out = np.zeros(self.scaled.linked.shape)
        out[self.scaled.linked] = values
        return out
