"""The one door to the methods that callers ask for by name: searches that prove nothing themselves.

Each looks for a good point in the program's space; what it comes back with is repaired to rounding,
held against every plan that was known before, and only then answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import InputTooLarge
from shared.problem.feasibility import feasible_point
from shared.problem.incumbent import incumbent, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.repair import repair, rounded
from shared.problem.risk import weights_at
from shared.problem.risk_program import outcomes, relaxed
from shared.solve.engines.piecewise import solve_piecewise
from shared.solve.heuristics.space import Searched, SearchSpace
from shared.solve.search import MISS, nearest_that_meets

__all__ = ["BY_NAME", "SEARCHES", "Heuristic", "heuristic"]

Array = NDArray[np.float64]
_ROUNDS = 400
_HALVINGS = 25
_CELLS = 20_000  # points times coordinates started together
_ARMIJO = 1e-4
_FLAT = 1.0
_BEST = 8  # of the ends, to go on from
_BENDS = (1e-2, 1e-3, 3e-5)  # a corner at a target would stop the ascent anywhere
_STILL = 1e-13  # of a range: a move this small is none
_STARTS = 24
_SLSQP_ROUNDS = 200
_STEP_S, _STEP_CELL_S = 1e-4, 9e-8  # of a step of SLSQP, and for each unknown squared
_WORK = 2e8  # starts times unknowns cubed: a step solves a dense least-squares problem
_POPULATION_CELLS = 3e7  # rounds times points times coordinates
_PEOPLE, _GENERATIONS = 80, 500
_ELITE, _TOURNAMENT = 2, 3
_ALPHA = 0.3  # how far children may lie outside of their parents' interval
_MUTATION = (0.2, 1e-5)  # first and last size, as a share of the range
_MUTATED = 0.5  # of the children
_PARTICLES, _SWARM_ROUNDS = 60, 600
_INERTIA = 0.72984
_PULL = 1.49618  # of the own best, and of the neighbours'
_SOCIAL = 0.6  # of the rounds, after which the ring opens
_FIRST = 12
_EVALUATIONS = 100
_REFIT = 4  # evaluations after which the kernel is chosen anew
_CANDIDATES = 256
_CANDIDATE_CELLS = 6e4  # candidates times the work of one
_SCALES = (0.3, 0.1, 0.03, 0.01, 0.003)
_DEARER = 3.0  # times the multipliers: what missing a target costs a search
_RAISED = 10.0  # how much more it costs where a search missed it
_RAISES = 3
_NEARLY = 1e-3  # of a target: a miss that mixing with a plan that meets it mends


# Projected gradient ascent with a line search, from many starts at once: steps scaled by the
# curves' own curvature and by the spectral length along the last move (Bertsekas, SIAM J. Control
# Optim. 20, 1982; Birgin, Martínez and Raydan, SIAM J. Optim. 10, 2000). Here values only ever
# rise.


def _starting_points(space: SearchSpace, seed: int, most: int) -> Array:
    """Known points and random ones, fewer where points are long."""
    known = space.known()
    count = int(np.clip(_CELLS // max(space.toil, 1.0), len(known) + 2, most))
    rng = np.random.default_rng(seed)
    return np.concatenate((known, space.sample(rng, max(count - len(known), 0))))


def _ascend(space: SearchSpace, seed: int) -> Searched:
    """Climb from many seeded starts; the best end counts."""
    starts = _starting_points(space, seed, 64)
    point, finished = _ascended(space, starts)
    note = f"Projected gradient ascent from {len(starts)} starts; the best end is answered."
    return Searched(point, note, finished)


def _ascended(space: SearchSpace, points: Array) -> tuple[Array, bool]:
    """The best end (n,) of ascents from points, and whether the clock let them end."""
    finished = True
    for bend in _BENDS if space.penalties.size else _BENDS[-1:]:
        space.bend = bend
        points, values, in_time = _climb(space, points)
        points, finished = points[np.argsort(-values, kind="stable")[:_BEST]], finished and in_time
    return points[0], finished


def _climb(space: SearchSpace, starts: Array) -> tuple[Array, Array, bool]:
    """Ends (k, n) of the ascents, their values (k,), and whether the clock let them end."""
    points, values = starts.copy(), space.value(starts)
    slopes = space.gradient(points)
    moving = np.arange(len(points))
    stretch = np.ones((len(points), 1))
    width = np.maximum(space.range, 1e-300)
    for _ in range(_ROUNDS):
        if not moving.size or space.late():
            break
        x, g = points[moving], slopes[moving]
        metric = _metric(space.curvature(x), g, width, x)
        give = stretch[moving] / metric
        # A constant added to all slopes moves no projection; without it steps stay in range.
        step = np.clip(give * g, -1e6 * width, 1e6 * width)
        move = space.project(x + step, give, like=x) - x
        rise = (g * move).sum(axis=1)
        live = (rise > 0.0) & (np.abs(move).max(axis=1) > _STILL * float(width.max()))
        moved, value = _search(space, x[live], move[live], values[moving[live]], rise[live])
        gained = value > values[moving[live]]
        index = moving[live][gained]
        before, old = points[index], slopes[index]
        points[index], values[index] = moved[gained], value[gained]
        slopes[index] = space.gradient(points[index])
        change = points[index] - before
        used = metric[live][gained]
        bend = -((slopes[index] - old) * change).sum(axis=1)
        length = (used * change * change).sum(axis=1)
        spectral = np.where(bend > 0.0, length / np.where(bend > 0.0, bend, 1.0), 1.0)
        # Where a stretched step has led nowhere, the plain one is tried before giving up.
        again = np.setdiff1d(moving[stretch[moving, 0] != 1.0], index)
        stretch[again, 0] = 1.0
        stretch[index, 0] = np.clip(spectral, 1e-3, 1e3)
        moving = np.union1d(index, again)
    return points, values, not (moving.size and space.late())


def _metric(curvature: Array, slope: Array, width: Array, x: Array) -> Array:
    """How stiff each coordinate is: its curvature's size, never so small that a step at the average
    slope of what is spent would cross the range."""
    size = np.abs(x) + 1e-6 * width
    average = (np.abs(slope) * size).sum(axis=1, keepdims=True) / size.sum(axis=1, keepdims=True)
    metric = np.maximum(np.abs(curvature), _FLAT * average / width)
    return np.asarray(np.maximum(metric, 1e-300))


def _search(
    space: SearchSpace, x: Array, move: Array, value: Array, rise: Array
) -> tuple[Array, Array]:
    """Halve every move until its gain is a fair part of what its slope promises (Armijo)."""
    best, best_value = x.copy(), value.copy()
    open_, length = np.arange(len(x)), 1.0
    for _ in range(_HALVINGS):
        if not open_.size:
            break
        trial = x[open_] + length * move[open_]
        found = space.value(trial)
        fine = found >= value[open_] + _ARMIJO * length * rise[open_]
        fine &= found > value[open_]
        done = open_[fine]
        best[done], best_value[done] = trial[fine], found[fine]
        open_ = open_[~fine]
        length *= 0.5
    return best, best_value


# Sequential quadratic programming (scipy's SLSQP) from many seeded starts; every end is put back
# inside the constraints and scored again.


class _Late(Exception):
    """The clock has run out inside scipy's loop."""


def _quadratic_programming(space: SearchSpace, seed: int) -> Searched:
    """The best of many SLSQP ends, each repaired and rescored; of many unknowns fewer starts."""
    most = int(np.clip(_WORK / (20.0 * float(space.n) ** 3), 2, _STARTS))
    starts = _starting_points(space, seed, most)[:most]
    values = space.value(starts)
    best = int(np.argmax(values))
    point, value = starts[best], float(values[best])
    runs, converged, late = 0, 0, False
    for start in starts:
        ended, fine, late = _run(space, start)
        repaired = space.project(ended[None, :])
        found = float(space.value(repaired)[0])
        runs, converged = runs + 1, converged + fine
        if found > value:
            point, value = repaired[0], found
        if late:
            break
    note = (
        f"SLSQP from {runs} starts ({converged} converged); every end was repaired and rescored, "
        "the best one is answered."
    )
    return Searched(point, note, not late)


def _run(space: SearchSpace, start: Array) -> tuple[Array, bool, bool]:
    """One run in units of the range and of the start's slopes: its last point, whether it says that
    it converged, and whether the clock cut it short."""
    # Here, for a process that solves otherwise never needs scipy.
    from scipy import optimize

    minimize: Any = optimize.minimize
    width = np.maximum(space.range, 1e-300)
    free = np.zeros((1, len(space.asked)))
    slopes = np.abs(space.gradient(start[None, :], free)[0] * width)
    unit = float(np.median(slopes[slopes > 0.0])) if np.any(slopes > 0.0) else 1.0
    # A choice is no matter of slopes: each run keeps those of its start.
    last, box = start, space.box(start[None, :])

    def point(y: Array) -> Array:
        return np.clip(space.lower + y * width, space.lower, space.upper)[None, :]

    def value(y: Array) -> float:
        nonlocal last
        if space.late():
            raise _Late
        last = point(y)[0]
        space.evaluations += 1
        return -float(space.figures(last[None, :])[0][0]) / unit

    def gradient(y: Array) -> Array:
        work.charge(_STEP_S + _STEP_CELL_S * space.n * space.n)  # the step's least squares
        return np.asarray(-space.gradient(point(y), free)[0] * width / unit)

    def surplus(y: Array) -> Array:
        return np.asarray(space.figures(point(y))[1][0] / space.asked)

    def surplus_slopes(y: Array) -> Array:
        # What a gradient gains by a target's multiplier is the target's own.
        theta = np.eye(len(space.asked) + 1, len(space.asked), -1)
        found = space.gradient(np.repeat(point(y), len(theta), axis=0), theta)
        return np.asarray((found[1:] - found[0]) * width / space.asked[:, None])

    constraints: list[Any] = _scipy_rows(space, width)
    if space.asked.size:
        constraints.append(optimize.NonlinearConstraint(surplus, 0.0, np.inf, jac=surplus_slopes))
    try:
        with np.errstate(all="ignore"):
            result = minimize(
                value,
                (start - space.lower) / width,
                jac=gradient,
                method="SLSQP",
                bounds=np.stack([(end.ravel() - space.lower) / width for end in box], axis=1),
                constraints=constraints,
                options={"maxiter": _SLSQP_ROUNDS, "ftol": 1e-12},
            )
    except _Late:
        return last, False, True
    ended = point(np.asarray(result.x, dtype=np.float64))[0]
    return (ended if np.all(np.isfinite(ended)) else last), bool(result.success), False


def _scipy_rows(space: SearchSpace, width: Array) -> list[Any]:
    """The rows in scipy's words, each in units of its own largest coefficient."""
    from scipy.optimize import LinearConstraint

    rows = space.program.rows
    scaled, shift = rows.matrix * width, rows.matrix @ space.lower
    size = np.maximum(np.abs(scaled).max(axis=1, initial=0.0), 1e-300)
    low, high = (rows.lower - shift) / size, (rows.upper - shift) / size
    same = low == high
    return [
        LinearConstraint(scaled[used] / size[used, None], low[used], high[used])
        for used in (same, ~same)
        if np.any(used)
    ]


# Searches that move a whole population of points: a genetic algorithm and a particle swarm.


def _evolve(space: SearchSpace, seed: int) -> Searched:
    """The fittest of a genetic algorithm on real numbers: tournaments, elitism, and blend crossover
    (Eshelman and Schaffer, Foundations of Genetic Algorithms 2, 1993)."""
    rng = np.random.default_rng(seed)
    people, most = _first(space, rng, _PEOPLE), _rounds(space, _PEOPLE, _GENERATIONS)
    fitness = space.value(people)
    decay, size = (_MUTATION[1] / _MUTATION[0]) ** (1.0 / most), _MUTATION[0]
    count, generation = _PEOPLE - _ELITE, 0
    while generation < most and not space.late():
        order = np.argsort(-fitness, kind="stable")
        people, fitness = people[order], fitness[order]
        # Of people sorted by fitness, the winner of a tournament is the smallest number drawn.
        parents = rng.integers(0, _PEOPLE, size=(2, count, _TOURNAMENT)).min(axis=2)
        mothers, fathers = people[parents[0]], people[parents[1]]
        share = rng.uniform(-_ALPHA, 1.0 + _ALPHA, size=mothers.shape)
        children = mothers + share * (fathers - mothers)
        children = space.project(children + size * _mutation(rng, count, space.range))
        people = np.concatenate((people[:_ELITE], children))
        fitness = np.concatenate((fitness[:_ELITE], space.value(children)))
        size *= decay
        generation += 1
    note = (
        f"A genetic algorithm, {generation} generations of {_PEOPLE}; the fittest plan is answered."
    )
    return Searched(people[int(np.argmax(fitness))], note, generation == most)


def _swarm(space: SearchSpace, seed: int) -> Searched:
    """The best place of a particle swarm: each is drawn to its own best and its neighbours'.

    Kennedy and Eberhart (1995), with the constriction of Clerc and Kennedy (IEEE Trans. Evol.
    Comput. 6, 2002). Neighbours sit on a ring first; in the last part everyone follows the best of
    all.
    """
    rng = np.random.default_rng(seed)
    points, most = _first(space, rng, _PARTICLES), _rounds(space, _PARTICLES, _SWARM_ROUNDS)
    velocity = 0.5 * (space.sample(rng, _PARTICLES) - points)
    own, own_value = points.copy(), space.value(points)
    every = np.arange(_PARTICLES)
    around = (every[:, None] + np.array([-1, 0, 1])) % _PARTICLES
    round_ = 0
    while round_ < most and not space.late():
        leader = np.full(_PARTICLES, int(np.argmax(own_value)))
        if round_ < _SOCIAL * most:
            leader = around[every, np.argmax(own_value[around], axis=1)]
        cognitive = _PULL * rng.random(points.shape) * (own - points)
        social = _PULL * rng.random(points.shape) * (own[leader] - points)
        velocity = np.clip(_INERTIA * velocity + cognitive + social, -space.range, space.range)
        moved = space.project(points + velocity)
        # What the constraints have stopped is no velocity any more.
        velocity, points = moved - points, moved
        value = space.value(points)
        better = value > own_value
        own[better], own_value[better] = points[better], value[better]
        round_ += 1
    note = f"A swarm of {_PARTICLES} particles, {round_} rounds; the best place is answered."
    return Searched(own[int(np.argmax(own_value))], note, round_ == most)


def _first(space: SearchSpace, rng: np.random.Generator, count: int) -> Array:
    known = space.known()
    return np.concatenate((known, space.sample(rng, count - len(known))))


def _rounds(space: SearchSpace, count: int, most: int) -> int:
    return int(np.clip(_POPULATION_CELLS / (count * space.toil), 20, most))


def _mutation(rng: np.random.Generator, count: int, width: Array) -> Array:
    """Steps that add up to nothing over a few coordinates, for some of the children: money is moved
    rather than made."""
    n = width.size
    touched = (rng.random((count, n)) < min(1.0, 3.0 / n)) & (rng.random((count, 1)) < _MUTATED)
    step = np.where(touched, rng.standard_normal((count, n)) * width, 0.0)
    number = touched.sum(axis=1, keepdims=True)
    mean = step.sum(axis=1, keepdims=True) / np.maximum(number, 1)
    return np.asarray(np.where(touched & (number > 1), step - mean, step))


# Bayesian optimisation: few evaluations, each where a Gaussian process expects to gain most, for
# responses that are expensive to ask.


def _explore(space: SearchSpace, seed: int) -> Searched:
    """The best of a first design and of what the process asked for after it."""
    # Here, for a process that solves otherwise never needs scikit-learn.
    from shared.solve.heuristics.process import Process

    rng = np.random.default_rng(seed)
    points = np.concatenate((space.known(), space.sample(rng, _FIRST)))
    values = space.value(points)
    process, kernel = None, None
    while len(points) < _EVALUATIONS and not space.late():
        best = int(np.argmax(values))
        # What is not allowed counts as the worst that is.
        told = np.maximum(values, values[np.isfinite(values)].min(initial=0.0))
        if np.ptp(told) == 0.0:
            new = space.sample(rng, 1)
        else:
            kernel = kernel if len(points) % _REFIT else None
            process = Process(_warped(space, points), told, kernel)
            kernel = process.kernel
            new = _promising(space, rng, process, points[best])
        points = np.concatenate((points, new))
        values = np.concatenate((values, space.value(new)))
    note = (
        f"Bayesian optimisation: {len(points)} evaluations, chosen by a Gaussian process with "
        "expected improvement; meant for responses that are expensive to ask."
    )
    return Searched(points[int(np.argmax(values))], note, len(points) >= _EVALUATIONS)


def _warped(space: SearchSpace, points: Array) -> Array:
    """Coordinates from 0 to 1 by the root: responses change fastest where spend is small."""
    share = (points - space.lower) / np.maximum(space.range, 1e-300)
    return np.asarray(np.sqrt(np.clip(share, 0.0, 1.0)))


def _promising(space: SearchSpace, rng: np.random.Generator, process: Any, best: Array) -> Array:
    """(1, n) the point of the largest expected improvement: found at random, then refined."""
    count = int(np.clip(_CANDIDATE_CELLS / space.toil, 24, _CANDIDATES))
    pool = np.concatenate(
        (space.sample(rng, count), _around(space, rng, best[None, :], count // 2))
    )
    gain = process.improvement(_warped(space, pool))
    for _ in range(3):
        top = np.argsort(-gain, kind="stable")[:4]
        near = _around(space, rng, pool[top], count // 2)
        pool = np.concatenate((pool[top], near))
        gain = np.concatenate((gain[top], process.improvement(_warped(space, near))))
    at = int(np.argmax(gain))
    return pool[at : at + 1]


def _around(space: SearchSpace, rng: np.random.Generator, centres: Array, count: int) -> Array:
    """Neighbours: a few coordinates of a centre moved, near and far."""
    rows = centres[rng.integers(0, len(centres), count)]
    scale = rng.choice(_SCALES, size=(count, 1))
    moved = rng.random(rows.shape) < rng.choice([2.0 / space.n, 1.0], size=(count, 1))
    step = np.where(moved, rng.standard_normal(rows.shape) * scale * space.range, 0.0)
    mean = step.sum(axis=1, keepdims=True) / np.maximum(moved.sum(axis=1, keepdims=True), 1)
    return space.project(rows + np.where(moved, step - mean, 0.0))


SEARCHES: dict[str, Callable[[SearchSpace, int], Searched]] = {
    "gradient": _ascend,
    "slsqp": _quadratic_programming,
    "genetic": _evolve,
    "particle_swarm": _swarm,
    "bayesian": _explore,
}
BY_NAME = (*SEARCHES, "piecewise")
"""All methods that a caller has to ask for; the last one needs more than a space."""


@dataclass(frozen=True, slots=True, eq=False)
class Heuristic:
    """The best plan (A, K) known after a search; ``why`` is a sentence or two, ``finished`` whether
    the clock let the search end."""

    u: Array
    why: str
    evaluations: int
    finished: bool


def heuristic(
    program: Program,
    options: SolverOptions,
    start: Array | None = None,
    *,
    deadline: float,
    multipliers: Sequence[float] = (),
) -> Heuristic:
    """Search by ``options.method`` until it ends, or until ``deadline`` (of ``work.now``).

    Parameters
    ----------
    start
        A plan (A, K) known already, moved to the nearest that is allowed; like today's, where it is
        allowed the answer is never worse.
    multipliers
        What one outcome more of each target is worth, where a bound has told.

    Raises
    ------
    Infeasible
        With the smallest conflict, where no plan exists.
    """
    known = [known_plan(program), incumbent(program, start)]
    if start is not None and known[1] is None:
        known.append(rounded(program, start))
    plans = [plan for plan in known if plan is not None] or [feasible_point(program, deadline)]
    space = SearchSpace(program, deadline, plans)
    rank = partial(_rank, space)
    prices = _prices(program, max(plans, key=rank), multipliers)
    rounds = 0
    for _ in range(_RAISES if program.floors else 1):
        space.penalties, best = _DEARER * prices, max(plans, key=rank)
        done, count = _searched(space, options, best, prices)
        rounds, found = rounds + count, None
        with suppress(InputTooLarge):  # not mended in time: what is known already is answered
            found = repair(program, done.point.reshape(best.shape))
        if found is not None:
            plans += [found, *_mixed(space, found, best)]
            if rank(found)[0] >= -_NEARLY and max(map(rank, plans))[0] == 0.0:
                break
        prices = _RAISED * prices
    why = f"Asked for by name. {done.note}"
    why += " Missing a target costs it a penalty." if program.floors else ""
    why += "" if done.finished else " The time limit cut the search short."
    return Heuristic(max(plans, key=rank), why, space.evaluations + rounds, done.finished)


def _searched(
    space: SearchSpace, options: SolverOptions, best: Array, prices: Array
) -> tuple[Searched, int]:
    """What the method finds, and rounds of its own beside the space's evaluations.

    The integer programme over pieces knows sums only: targets join its objective, draws are weighed
    as the measure weighs them at the best plan, and an ascent makes up for what that leaves out.
    """
    if not np.any(space.range > 0.0):
        return Searched(space.lower, "Only one plan is allowed.", True), 0
    if options.method in SEARCHES:
        return SEARCHES[options.method](space, options.seed), 0
    program, risk, weights = space.program, space.program.risk, None
    if risk is not None:
        each = outcomes(program, best)
        weights = np.full(each.size, 1.0 / each.size) if program.pairs else weights_at(risk, each)
    task, _ = relaxed(program, program.aim, tuple(prices.tolist()), risk, weights)
    found = solve_piecewise(task, gap=options.gap, deadline=space.deadline, start=best)
    if found.u is None:
        return Searched(best.ravel(), "It found no plan of its own.", True), found.rounds
    point, finished = _ascended(space, found.u.reshape(1, -1))
    note = (
        "A mixed-integer programme over straight pieces of the curves, refined around its plans in "
        f"{found.rounds} rounds, and an ascent from the best of them."
    )
    return Searched(point, note, finished), found.rounds


def _prices(program: Program, plan: Array, told: Sequence[float]) -> Array:
    """(m,) what one outcome more of each target is worth: as told, never nothing; else a guess."""
    costs = program.paid(plan)
    unit = max(told, default=0.0) or costs / max(abs(program.outcome(plan)), 1e-300)
    least = 0.1 * max(program.value, unit)
    return np.array([max(theta, least) for theta in told or [unit] * len(program.floors)])


def _rank(space: SearchSpace, plan: Array) -> tuple[float, float]:
    """What makes a plan better than another: missing targets by less, and then what it is worth."""
    worth, surplus = space.figures(plan.reshape(1, -1))
    asked = np.abs(space.constant) + space.sold @ plan.ravel()
    short = float(np.max(-surplus[0] / np.maximum(asked, 1e-300), initial=0.0))
    return (-short if short > MISS else 0.0), float(worth[0])


def _mixed(space: SearchSpace, short: Array, good: Array) -> list[Array]:
    """The mix of two plans nearest to the one that misses a target which meets all of them."""
    if _rank(space, short)[0] == 0.0 or _rank(space, good)[0] < 0.0:
        return []

    def meets(u: Array) -> bool:
        return bool(np.all(space.figures(u.reshape(1, -1))[1] >= 0.0))

    plan = incumbent(space.program, nearest_that_meets(meets, good, short))
    return [] if plan is None else [plan]
