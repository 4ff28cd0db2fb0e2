"""Outer approximation by mixed-integer linear programmes (HiGHS through scipy).

Every response is bounded by pieces that are linear in its adstocked spend ``z``: below its
inflection by chords between breakpoints (a convex curve lies under its chords; which chord holds is
a whole choice, in the incremental form of Markowitz and Manne, Econometrica 25, 1957), beyond it by
tangents. Minimum spends, lots and counts are whole by themselves. Each solution adds tangents and
breakpoints where it was, so that values of programme and curves close in on each other (Duran and
Grossmann, Mathematical Programming 36, 1986).

What comes out is a plan, with its decisions moved exactly onto the domain. The integer programme's
own bound is good to its tolerances only, so it is reported and never certified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.problem.incumbent import allowed
from shared.problem.program import Program
from shared.solve.engines.envelopes import snapped

__all__ = ["PiecewiseFound", "solve_piecewise"]

Array = NDArray[np.float64]
_TANGENTS = 7  # to begin with
_ROUNDS = 30


@dataclass(frozen=True, slots=True, eq=False)
class PiecewiseFound:
    """The best plan met (None: none), its objective, the programme's own bound, and rounds."""

    u: Array | None
    value: float
    bound: float
    rounds: int


def solve_piecewise(
    program: Program,
    *,
    gap: float,
    deadline: float,
    start: Array | None = None,
) -> PiecewiseFound:
    """Refine until plan and programme agree to a relative ``gap``, or time is out.

    Parameters
    ----------
    deadline
        Of ``work.now``.
    start
        A plan (A, K) around which pieces are fine from the first round on.
    """
    pieces = _Pieces(program)
    best, value, bound = None, -np.inf, np.inf
    if start is not None:
        pieces.refine(program.adstocked(start))
        if allowed(program, start):
            best, value = start, program.objective(start)
    done = 0
    while done < _ROUNDS:
        done += 1
        if work.now() >= deadline:
            break
        answer = _mixed_integer(program, pieces, max(0.1 * gap, 1e-7), deadline)
        if answer is None:
            break
        u, top = answer
        bound = min(bound, top)
        for plan in (u, snapped(program, u)):
            if allowed(program, plan) and program.objective(plan) > value:
                best, value = plan, program.objective(plan)
        if bound - value <= gap * max(abs(value), 1e-300):
            break
        if not pieces.refine(program.adstocked(u)):
            break
    return PiecewiseFound(best, value, bound, done)


class _Pieces:
    """Breakpoints below and tangent points beyond the inflection of every response."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.low = program.adstocked(program.lower)
        self.high = np.maximum(program.adstocked(program.upper), self.low)
        bend = program.known.inflections().max(axis=0)
        straight = np.broadcast_to(bend[:, None], self.low.shape)
        self.bend = np.clip(np.where(np.isfinite(straight), straight, np.inf), self.low, self.high)
        self.breaks: dict[tuple[int, int], list[float]] = {}
        self.tangents: dict[tuple[int, int], list[float]] = {}
        for a, h in np.argwhere(program.weight > 0.0).tolist():
            low, bend_at, high = self.low[a, h], self.bend[a, h], self.high[a, h]
            self.breaks[a, h] = [float(low), float(bend_at)] if bend_at > low else [float(low)]
            share = np.linspace(0.0, 1.0, _TANGENTS) ** 2
            points = bend_at + (high - bend_at) * np.maximum(share, 1e-6)
            self.tangents[a, h] = points.tolist() if high > bend_at else []

    def refine(self, z: Array) -> int:
        """Put a point where each response was; how many are new."""
        new = 0
        for (a, h), tangents in self.tangents.items():
            at = float(np.clip(z[a, h], self.low[a, h], self.high[a, h]))
            room = 1e-7 * max(float(self.high[a, h] - self.low[a, h]), 1e-300)
            points = tangents if at >= self.bend[a, h] else self.breaks[a, h]
            if min((abs(at - p) for p in points), default=np.inf) > room:
                points.append(at)
                points.sort()
                new += 1
        return new

    def at(self, a: int, h: int, points: list[float]) -> tuple[Array, Array]:
        """Weighted values and slopes (k,) of one response at some points."""
        program = self.program
        z = np.tile(self.low[:, h, None], len(points))
        z[a] = points
        return program.weight[a, h] * program.mean(z)[a], program.weight[a, h] * program.mean_slope(
            z
        )[a]


class _MixedInteger:
    """A mixed-integer linear programme being put together."""

    def __init__(self) -> None:
        self.gain: list[float] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[int] = []
        self.rows: list[tuple[list[int], list[float], float, float]] = []

    def variable(self, low: float, high: float, *, gain: float = 0.0, whole: bool = False) -> int:
        self.gain.append(gain)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))
        return len(self.gain) - 1

    def row(self, at: list[int], factors: list[float], low: float, high: float) -> None:
        self.rows.append((at, factors, low, high))

    def solve(self, gap: float, deadline: float) -> Any:
        import scipy.sparse as sparse
        from scipy.optimize import Bounds, LinearConstraint

        row = np.repeat(np.arange(len(self.rows)), [len(at) for at, *_ in self.rows])
        column = np.concatenate([np.asarray(at) for at, *_ in self.rows])
        factor = np.concatenate([np.asarray(f, dtype=float) for _, f, *_ in self.rows])
        matrix = sparse.csr_array((factor, (row, column)), shape=(len(self.rows), len(self.gain)))
        limits = LinearConstraint(
            matrix, np.array([r[2] for r in self.rows]), np.array([r[3] for r in self.rows])
        )
        return highs.milp(
            -np.array(self.gain),
            deadline=deadline,
            gap=gap,
            integrality=np.array(self.whole),
            bounds=Bounds(np.array(self.low), np.array(self.high)),
            constraints=limits,
        )


def _mixed_integer(
    program: Program, pieces: _Pieces, gap: float, deadline: float
) -> tuple[Array, float] | None:
    """The best decisions (A, K) by the pieces, moved into their bounds, and the bound by them."""
    model = _MixedInteger()
    size = program.lower.shape
    unit = max(program.scale, 1e-300)  # decisions in units of the money at stake
    cost = program.costs()
    money = max(
        abs(program.objective(program.upper)), abs(program.objective(program.lower)), 1e-300
    )
    u = np.empty(size, dtype=np.intp)
    for at in np.ndindex(size):
        low, high = float(program.lower[at]) / unit, float(program.upper[at]) / unit
        u[at] = model.variable(low, high, gain=-float(cost[at]) * unit / money)
    _add_rows(program, model, u, unit)
    _add_choices(program, model, u, unit)
    base = 0.0
    for a, h in pieces.breaks:
        base += program.value * _add_response(program, pieces, model, u, unit, money, a, h)
    answer = model.solve(gap, deadline)
    if answer.x is None:
        return None
    plan = np.clip(answer.x[u] * unit, program.lower, program.upper)
    top = getattr(answer, "mip_dual_bound", None)
    bound = -float(answer.fun if top is None else top) * money + base
    return plan, bound


def _add_rows(program: Program, model: _MixedInteger, u: NDArray[np.intp], unit: float) -> None:
    rows = program.rows
    for row, low, high in zip(rows.matrix, rows.lower, rows.upper, strict=True):
        at = np.flatnonzero(row)
        if at.size:
            size = float(np.abs(row[at]).max())
            model.row(
                u.ravel()[at].tolist(),
                (row[at] / size).tolist(),
                float(low) / size / unit,
                float(high) / size / unit,
            )


def _add_choices(program: Program, model: _MixedInteger, u: NDArray[np.intp], unit: float) -> None:
    """Zero or at least the minimum, whole lots, at most so many, on and off as switches allow."""
    on = np.zeros(u.shape, dtype=np.intp)
    for a, k in np.argwhere((program.least_active > 0.0) | program.switched).tolist():
        least, high = program.least_active[a, k] / unit, program.upper[a, k] / unit
        must, may = float(program.lower[a, k] > 0.0), float(high > 0.0)
        on[a, k] = model.variable(must, may, whole=True)
        model.row([int(u[a, k]), int(on[a, k])], [1.0, -float(least)], 0.0, np.inf)
        model.row([int(u[a, k]), int(on[a, k])], [1.0, -float(high)], -np.inf, 0.0)
    for rule in program.switches:
        rule.write(on[rule.cells].tolist(), model.variable, model.row)
    for a in np.flatnonzero(program.lot > 0.0).tolist():
        lot = float(program.lot[a])
        for k in range(program.columns):
            most = float(np.floor(program.upper[a, k] / lot + 1e-9))
            count = model.variable(0.0, most, whole=True)
            model.row([int(u[a, k]), count], [1.0, -lot / unit], 0.0, 0.0)
    for limit in program.at_most:
        actives = [model.variable(0.0, 1.0, whole=True) for _ in limit.arms]
        model.row(actives, [1.0] * len(actives), -np.inf, float(limit.count))
        for a, active in zip(limit.arms, actives, strict=True):
            for k in range(program.columns):
                high = float(program.upper[a, k]) / unit
                model.row([int(u[a, k]), active], [1.0, -high], -np.inf, 0.0)


def _add_response(
    program: Program,
    pieces: _Pieces,
    model: _MixedInteger,
    u: NDArray[np.intp],
    unit: float,
    money: float,
    a: int,
    h: int,
) -> float:
    """One response as pieces; its weighted value at the least adstocked spend."""
    breaks, tangents = pieces.breaks[a, h], pieces.tangents[a, h]
    low, high = float(pieces.low[a, h]), float(pieces.high[a, h])
    values, _ = pieces.at(a, h, breaks)
    parts: list[int] = []
    before: int | None = None
    for j in range(len(breaks) - 1):
        length = breaks[j + 1] - breaks[j]
        rise = program.value * float(values[j + 1] - values[j])
        part = model.variable(0.0, length / unit, gain=rise / length * unit / money)
        if before is not None:
            model.row([part, before], [1.0, -length / unit], -np.inf, 0.0)
        parts.append(part)
        last = j + 2 == len(breaks)
        if not last or high > breaks[-1]:
            full = model.variable(0.0, 1.0, whole=True)
            model.row([part, full], [1.0, -length / unit], 0.0, np.inf)
            before = full
    length = high - breaks[-1]
    if length > 0.0:
        part = model.variable(0.0, length / unit)
        parts.append(part)
        if before is not None:
            model.row([part, before], [1.0, -length / unit], -np.inf, 0.0)
        value, slope = pieces.at(a, h, tangents)
        top = model.variable(-np.inf, np.inf, gain=1.0)
        model.row([top], [1.0], -np.inf, program.value * _rise(pieces, a, h) / money)
        for point, height, steep in zip(tangents, value, slope, strict=True):
            if np.isfinite(steep):
                level = program.value * float(height - values[-1]) / money
                factor = program.value * float(steep) * unit / money
                model.row(
                    [top, part],
                    [1.0, -factor],
                    -np.inf,
                    level - factor * (point - breaks[-1]) / unit,
                )
    linked = [k for k in range(program.columns) if program.carry[a, h, k] != 0.0]
    model.row(
        [int(u[a, k]) for k in linked] + parts,
        [float(program.carry[a, h, k]) for k in linked] + [-1.0] * len(parts),
        (low - float(program.carry_in[a, h])) / unit,
        (low - float(program.carry_in[a, h])) / unit,
    )
    return float(values[0])


def _rise(pieces: _Pieces, a: int, h: int) -> float:
    """What a response gains beyond its inflection at most."""
    ends = [float(pieces.bend[a, h]), float(pieces.high[a, h])]
    value, _ = pieces.at(a, h, ends)
    return float(value[1] - value[0])
