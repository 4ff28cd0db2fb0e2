"""The concave relaxation as linear programs: for regions without an interior, and to tell
whether there is a plan at all.

The curves' pieces are bounded from above by tangents, added where the linear program went past the
curve (Kelley, The cutting-plane method, 1960). Each curve has one argument, so its tangents home in
fast.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.solve.program.interior_scale import Scaled
from shared.solve.program.relaxed import INFEASIBLE, OPTIMAL, RelaxedProgram, answer, least_possible

__all__ = ["impossible", "impossible_row", "relax_by_lines"]

Array = NDArray[np.float64]

# scipy.optimize.linprog's status, in our words.
_STATUS = {0: OPTIMAL, 1: "stopped", 2: INFEASIBLE, 3: "stopped", 4: "stopped"}
_FIRST = np.array([1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])
_ROUNDS = 60
_MISS = 1e-9  # of the rows' scaled sizes: less is rounding


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
    """Proof that no plan in the box meets the rows, or None where one does.

    The least sum of violations, by a linear program; its multipliers, scaled up until their bound
    is below every objective there could be, are the proof.
    """
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


def relax_by_lines(scaled: Scaled, gap: float = 1e-6, deadline: float = np.inf) -> RelaxedProgram:
    """The relaxation by linear programs with tangents, to a relative ``gap`` or as near as it gets.

    Multipliers are the last program's: their bound is the program's optimum, tangents and all.
    """
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
    surplus = np.hstack((-sold, np.tile(lp.straight, (targets, 1)), np.ones((targets, count))))
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
        if scaled.money * float(np.maximum(over, 0.0).sum()) <= gap * size:
            proof = {name: getattr(best, name) for name in ("mu", "nu", "theta", "bound")}
            return replace(shown, **proof, status=OPTIMAL)
        cut(held, over > 0.05 * gap * size / (scaled.money * max(1, count)))
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
