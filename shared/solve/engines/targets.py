"""Targets on programs: multipliers for every floor, and branch and bound where plans jump.

Where the best plan moves smoothly with the multipliers, the root leaves no gap; where it jumps from
one that misses a target to one that meets it, the decision in which the two differ most is split
halfway between them.

A ceiling, beyond which outcome is worth nothing, joins at a price in the same way. It may be
missed: what a plan brings beyond it is taken off its worth, and no price is above what an outcome
is worth.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.errors import Conflict, Infeasible
from shared.problem.aim import Aim, Floor
from shared.problem.incumbent import allowed, incumbent, known_plan
from shared.problem.linear_model import floor_names
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Node, Proof, SplitDecision, grafted, with_targets
from shared.problem.risk_program import missed, relaxed
from shared.solve.certify.certificate import bound, certify
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.search import MISS, Solution, Solver, Unmet, best_first, nearest_that_meets

__all__ = ["solve_targets"]

Array = NDArray[np.float64]
_ROUNDS = 90
_LARGEST = 1e12
_FLAT = 0.2  # of the gap asked for: lines that promise no more than this below the bound
_REACH_ROUNDS = 12
_MOST = 5_000  # nodes: what a proof may weigh


# What is known of a goal with floors while it is being solved: plans, cuts, time.
#
# With one multiplier theta a floor, ``d(theta) = max over u of worth(u) + theta . surplus(u)``
# bounds the goal from above, and every plan u ever found gives a line that d is nowhere below.


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A plan (A, K), what it is worth and (m,) its surplus of every floor that may bind."""

    u: Array
    worth: float
    surplus: Array

    def at(self, theta: Array) -> float:
        """``worth + theta . surplus``."""
        return self.worth + float(theta @ self.surplus)

    @property
    def meets(self) -> bool:
        """Whether no floor is missed at all."""
        return bool(np.all(self.surplus >= 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part (A, K) of the program's box."""

    lower: Array
    upper: Array

    def holds(self, u: Array) -> bool:
        """Whether decisions lie in it."""
        return bool(np.all(u >= self.lower) and np.all(u <= self.upper))


@dataclass(slots=True)
class TargetSearch:
    """The best plan so far and how to look for better ones; ``counts`` are the floors that may bind
    (the others hold wherever these do), then the ceilings, ``solver`` is of the programs that
    multipliers make."""

    program: Program
    aim: Aim
    options: SolverOptions
    deadline: float
    solver: Solver
    ceilings: tuple[Floor, ...] = ()
    counts: tuple[int, ...] = ()
    best: Line | None = None
    nodes: int = 0
    iterations: int = 0

    def __post_init__(self) -> None:
        """Leave out floors that another floor implies."""
        floors = self.aim.floors
        self.counts = tuple(
            i
            for i, floor in enumerate(floors)
            if not any(_implies(other, floor) for other in floors[:i])
            and not any(
                _implies(other, floor) and not _implies(floor, other) for other in floors[i + 1 :]
            )
        )
        self.counts += tuple(range(len(floors), len(self.every)))

    @property
    def every(self) -> tuple[Floor, ...]:
        """Floors, then ceilings."""
        return (*self.aim.floors, *self.ceilings)

    @property
    def must(self) -> int:
        """How many of ``counts`` have to be met."""
        return len(self.counts) - len(self.ceilings)

    @property
    def whole(self) -> Program:
        """The program with its floors and its ceilings."""
        return replace(self.program.aimed(self.aim), ceilings=self.ceilings)

    @property
    def most(self) -> Array:
        """(m,) no multiplier is larger: a ceiling takes off no more than an outcome is worth."""
        return np.array([_LARGEST] * self.must + [self.aim.value] * len(self.ceilings))

    def cutoff(self) -> float:
        """What a part must promise to be worth a look."""
        if self.best is None:
            return -np.inf
        return self.best.worth + 0.5 * self.options.gap * abs(self.best.worth)

    def late(self) -> bool:
        """Whether the clock has run out."""
        return work.now() >= self.deadline

    def measured(self, u: Array) -> Line:
        """A plan's line."""
        floors = tuple(self.every[i] for i in self.counts)
        asked = replace(self.program, floors=floors)
        each = zip(floors, asked.brought(u), asked.asked_of(u), strict=True)
        surplus = np.array([floor.surplus(has, costs) for floor, has, costs in each])
        return Line(u, self.program.objective(u), surplus)

    def offer(self, line: Line) -> Line:
        """Keep an allowed plan where it meets the floors and is the best."""
        worth = self.whole.objective(line.u) if self.ceilings else line.worth
        if self.best is not None and worth <= self.best.worth:
            return line
        if missed(self.program.aimed(self.aim), line.u) <= MISS:
            self.best = replace(line, worth=worth)
        return line

    def theta(self, of_counted: Array) -> tuple[float, ...]:
        """One multiplier for every floor and ceiling, from those of floors that may bind."""
        out = np.zeros(len(self.every))
        out[list(self.counts)] = of_counted
        return tuple(out.tolist())

    def scale(self, theta: tuple[float, ...]) -> Array:
        """(A,) by how much an outcome counts for less at multipliers than the most does.

        Of programs with interactions it is ones: their bound is that of the lifted program.
        """
        value = self.whole.lift(theta).value
        some = (value > 0.0) & (not self.program.pairs)
        return np.divide(value.max(), value, out=np.ones_like(value), where=some)

    def solve(self, part: Part, theta: Array) -> tuple[Line, Solution, float]:
        """The best plan of a part at multipliers, and a bound on what any plan there is worth."""
        whole = replace(self.whole, lower=part.lower, upper=part.upper)
        task, less = relaxed(whole, self.aim, self.theta(theta))
        found = self.run(task, self.best.u if self.best and part.holds(self.best.u) else None)
        line = self.offer(self.measured(found.plan))
        most = bound(task, found.plan, found.proof, self.cutoff() + less) - less
        return line, found, most

    def run(self, task: Program, start: Array | None = None) -> Solution:
        """Solve a program with part of the time that is left."""
        left = max(self.deadline - work.now(), 0.05)
        options = replace(
            self.options,
            method="auto",
            gap=0.05 * self.options.gap,
            time_limit_s=min(left, 0.4 * left + 0.05),
        )
        found = self.solver(task, options, start)
        self.nodes += found.nodes
        self.iterations += found.iterations
        return found

    def blend(self, lines: list[Line], shares: Array) -> None:
        """Offer the mean of plans by shares: those that hold the bound make the best plan where
        curves are concave (Dantzig and Wolfe, Operations Research 8, 1960)."""
        if not self.program.discrete:
            each = zip(lines, shares.tolist(), strict=True)
            mean = sum((share * line.u for line, share in each), np.zeros(lines[0].u.shape))
            self.offer(self.measured(np.clip(mean, self.program.lower, self.program.upper)))

    def mix(self, short: Line, good: Line) -> None:
        """Offer the mix of two plans nearest to ``short`` that meets the floors."""
        mixed = nearest_that_meets(lambda u: self.measured(u).meets, good.u, short.u)
        if mixed is not None and (not self.program.discrete or allowed(self.program, mixed)):
            self.offer(self.measured(mixed))


def _implies(one: Floor, other: Floor) -> bool:
    """Whether whatever meets one floor meets the other."""
    alike = one.share == other.share and one.pays == other.pays
    return alike and one.constant >= other.constant and one.per_money >= other.per_money


# The multipliers of targets at which the bound of a part of the plans is lowest: ``d(theta)`` is
# convex, and every plan gives a line below it. The lowest point of all lines is a small linear
# programme (Kelley, J. SIAM 8, 1960).


@dataclass(frozen=True, slots=True, eq=False)
class Descended:
    """The lowest bound met, its multipliers, and the lines that say why it is no lower: ``theta``
    of the floors that may bind, ``thetas`` of all; ``proof`` is of the part."""

    bound: float
    theta: Array
    thetas: tuple[float, ...]
    proof: Proof
    lines: tuple[Line, ...]
    solved: Solution


@dataclass(slots=True)
class _Descent:
    search: TargetSearch
    part: Part
    lines: list[Line]
    lowest: Descended | None = None

    def at(self, theta: Array) -> None:
        search = self.search
        line, solved, bound = search.solve(self.part, theta)
        best = search.best
        if best is not None and not line.meets and best.meets:
            search.mix(line, best)
        self.lines.append(line)
        if self.lowest is None or bound < self.lowest.bound:
            each = search.theta(theta)
            proof = with_targets(solved.proof, each, search.scale(each))
            self.lowest = Descended(bound, theta, each, proof, (), solved)

    def done(self) -> bool:
        """Whether nothing is left to look for here, or no time to."""
        low = self.lowest
        return self.search.late() or (low is not None and low.bound <= self.search.cutoff())

    def flat(self, promised: float) -> bool:
        """Whether the lines leave no lower bound than the one that is known."""
        low = self.lowest
        enough = max(_FLAT * self.search.options.gap, 1e-10)
        return low is not None and low.bound - promised <= enough * abs(low.bound)


def _descend(search: TargetSearch, part: Part, theta: Array, known: tuple[Line, ...]) -> Descended:
    """Lower the bound of a part, from ``theta`` and with lines of ``known`` plans: Kelley's method
    in a box that grows while the lowest point is on its wall."""
    descent = _Descent(search, part, [line for line in known if part.holds(line.u)])
    most, nested = search.most, _nested(search)
    size = np.minimum(np.maximum(2.0 * theta, 2.0 * _first(search)), most)
    if search.ceilings and not len(nested):
        theta = _smoothly(descent, theta)
    for _ in range(_ROUNDS):
        descent.at(theta)
        found = None if descent.done() else _lowest(descent.lines, size, nested, search.aim.value)
        if found is None:
            break
        theta, promised, shares = found
        if search.ceilings:
            search.blend(descent.lines, shares)
        on_wall = (theta >= size * (1.0 - 1e-9)) & (size < most)
        if np.any(on_wall) and np.all(size[: search.must] < _LARGEST):
            size = np.where(on_wall, np.minimum(4.0 * size, most), size)
        elif descent.flat(promised):
            break
    assert descent.lowest is not None
    return replace(descent.lowest, lines=tuple(descent.lines))


def _first(search: TargetSearch) -> float:
    """What one outcome is worth roughly: where doubling starts."""
    program, aim = search.program, search.aim
    if aim.value > 0.0:
        return 0.5 * aim.value
    money = float(program.spend(program.upper).sum())
    return 0.5 * aim.cost * money / max(abs(program.outcome(program.upper)), 1e-300)


def _first_guess(search: TargetSearch) -> Array:
    """Multipliers to start from: none, but where the outcome has no worth of its own."""
    first = 0.0 if search.aim.value > 0.0 else 2.0 * _first(search)
    return np.full(len(search.counts), first)


def _smoothly(descent: _Descent, guess: Array) -> Array:
    """The multipliers at which a quasi-Newton method (L-BFGS-B: Byrd, Lu, Nocedal and Zhu, SIAM J.
    Sci. Comput. 16, 1995) stops: at once at the least where the best plan moves smoothly."""
    from scipy.optimize import minimize

    class Done(Exception):
        """Nothing is left to look for."""

    at = [guess]

    def d(theta: Array) -> tuple[float, Array]:
        descent.at(theta)
        line, at[0] = descent.lines[-1], theta
        if descent.done():
            raise Done
        return line.at(theta), line.surplus

    bounds = [(0.0, most) for most in descent.search.most.tolist()]
    with contextlib.suppress(Done):
        minimize(d, guess, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxfun": _ROUNDS})
    return at[0]


def _nested(search: TargetSearch) -> Array:
    """(r, m) which ceilings an arm has together: their multipliers add up to ``aim.value``."""
    own = np.array([-ceiling.shares(search.program.arms) for ceiling in search.ceilings])
    if len(own) < 2:
        return np.zeros((0, len(search.counts)))
    each = np.unique(own.T, axis=0)
    each = each[each.sum(axis=1) > 1.0]
    return np.hstack((np.zeros((len(each), search.must)), each))


def _lowest(
    lines: list[Line], size: Array, nested: Array, value: float
) -> tuple[Array, float, Array] | None:
    """The point of the box 0 to ``size`` (m,) at which the largest line is lowest, how low, and
    the shares of the lines that hold it there; multipliers that are ``nested`` (r, m) add up to
    ``value`` at most."""
    m = size.size
    reach = [max(abs(line.worth), float(np.abs(line.surplus * size).max())) for line in lines]
    unit = max(*reach, 1e-300)
    slopes = np.array([line.surplus * size / unit for line in lines])
    scale = np.maximum(np.abs(slopes).max(axis=1), 1.0)[:, None]
    matrix = np.hstack((slopes, -np.ones((len(lines), 1)))) / scale
    right = -np.array([line.worth / unit for line in lines]) / scale[:, 0]
    if len(nested):
        matrix = np.vstack((matrix, np.hstack((nested * size / value, np.zeros((len(nested), 1))))))
        right = np.append(right, np.ones(len(nested)))
    bounds = [(0.0, 1.0)] * m + [(None, None)]
    out = highs.linprog([0.0] * m + [1.0], A_ub=matrix, b_ub=right, bounds=bounds)
    if out.x is None or not math.isfinite(float(out.x[-1])):
        return None
    theta = np.asarray(np.clip(out.x[:m], 0.0, 1.0) * size)
    if len(nested):  # to rounding, and within it
        over = max(float((nested @ theta).max()) / value, 1.0)
        theta = np.where(np.any(nested > 0.0, axis=0), theta / over, theta)
    shares = np.maximum(-out.ineqlin.marginals[: len(lines)] / scale[:, 0], 0.0)
    return theta, max(line.at(theta) for line in lines), shares / max(float(shares.sum()), 1e-300)


# Whether targets can be met at all, by which plan, and what is the best that can be reached.


def _first_plan(search: TargetSearch) -> tuple[Line, ...]:
    """Lines of the plans with the largest surplus of each floor, and of mixes of floors; raises
    ``Infeasible`` where it is shown that no plan meets the floors."""
    program, count = search.program, search.must
    lines: list[Line] = []
    missed: list[int] = []
    for place, i in enumerate(search.counts[:count]):
        floor = search.aim.floors[i]
        line, bound = _most(search, np.eye(count)[place])
        lines.append(line)
        (costs,) = replace(program, floors=(floor,)).asked_of(line.u)
        asked = abs(floor.constant) + floor.per_money * costs
        idle = floor.pays is None and costs <= 1e-9 * program.scale
        idle = idle and floor.per_money > 0.0 and bound <= 1e-9 * program.scale
        if bound < -1e-12 * asked or idle:
            missed.append(i)
    if missed:
        raise _unmet(search, missed)
    for one in lines:
        for other in lines:
            if search.best is None and one is not other:
                _mixed(search, one, other)
    if count > 1 and search.best is None:
        lines += _together(search, lines)
    return tuple(lines)


def _most(search: TargetSearch, share: Array) -> tuple[Line, float]:
    """The plan with the largest ``share . surplus``, and a bound on that."""
    nothing = replace(search.aim, value=0.0, cost=0.0)
    theta = search.theta(np.append(share, np.zeros(len(search.ceilings))))
    kept = theta[: len(search.aim.floors)]
    task, less = relaxed(replace(search.program, fee=None), nothing, kept)
    found = search.run(task)
    line = search.offer(search.measured(found.plan))
    return line, bound(task, found.plan, found.proof, -np.inf) - less


def _mixed(search: TargetSearch, one: Line, other: Line) -> None:
    """The mix of two plans whose smallest surplus, relative to its size, is largest."""
    m = search.must
    size = np.maximum(np.maximum(np.abs(one.surplus), np.abs(other.surplus)), 1e-300)
    shares = np.linspace(0.0, 1.0, 33)[1:-1]
    mixes = [search.measured(one.u + s * (other.u - one.u)) for s in shares.tolist()]
    best = max(mixes, key=lambda line: float((line.surplus / size)[:m].min()))
    if not search.program.discrete:
        search.offer(best)


def _together(search: TargetSearch, known: list[Line]) -> list[Line]:
    """Plans that come ever nearer to all floors, by cutting planes on the least over shares of the
    most of ``share . surplus``; raises where that is below 0."""
    lines = list(known)
    m = search.must
    size = np.maximum(np.abs(np.stack([line.surplus[:m] for line in lines])).max(axis=0), 1e-300)
    for _ in range(_REACH_ROUNDS):
        if search.best is not None or search.late():
            break
        slopes = np.stack([line.surplus[:m] / size for line in lines])
        count = size.size
        out = highs.linprog(
            [0.0] * count + [1.0],
            A_ub=np.hstack((slopes, -np.ones((len(lines), 1)))),
            b_ub=np.zeros(len(lines)),
            A_eq=[[1.0] * count + [0.0]],
            b_eq=[1.0],
            bounds=[(0.0, 1.0)] * count + [(None, None)],
        )
        if out.x is None:
            break
        share = np.clip(out.x[:count], 0.0, 1.0)
        line, bound = _most(search, share / size)
        if bound < -1e-9:
            raise _unmet(search, list(search.counts[:m]), together=True)
        lines.append(line)
        for other in lines[:-1]:
            _mixed(search, line, other)
        if bound - float(out.x[-1]) <= 1e-9:
            break
    return lines[len(known) :]


def _unmet(
    search: TargetSearch,
    missed: list[int] | None = None,
    *,
    together: bool = False,
    timed_out: bool = False,
) -> Infeasible:
    """The targets that no plan meets, with the best that can be reached of each."""
    floors = [search.aim.floors[i] for i in (missed or range(len(search.aim.floors)))]
    names = " and ".join(floor.name for floor in floors)
    if timed_out:
        said = (
            f"No plan that meets {names} was found within the time limit; it was not proven that "
            "there is none. A longer solver.time_limit_s may find one."
        )
        asks = [f"{floor.name} is {floor.asked:,.6g}." for floor in floors]
        return Infeasible(
            said, [Conflict(f.name, ask, 0.0) for f, ask in zip(floors, asks, strict=True)]
        )
    conflicts: list[Conflict] = []
    for floor in floors:
        if together:
            text = f"{floor.name} is {floor.asked:,.6g}; alone it could be met."
            conflicts.append(Conflict(floor.name, text, 0.0))
            continue
        conflicts.append(floor.unmet(floor.stated(_best(search, floor))))
    said = " ".join(conflict.message for conflict in conflicts)
    conflicts += [] if together else _forcing(search.program, floors)
    how = "cannot be met together" if together else "cannot be met"
    return Infeasible(f"{names} {how} by any plan. {said}", conflicts)


def _of_group(program: Program, floors: list[Floor]) -> list[Conflict]:
    """What makes channels spend that must be worth it together."""
    held: dict[str, None] = {}
    for floor in floors:
        if floor.share is not None and floor.per_money > 0.0:
            for arm in np.flatnonzero(floor.pays_by(program.arms)):
                below = program.lower[arm] > 0.0
                held |= dict.fromkeys(itertools.compress(floor_names(program, int(arm)), below))
    return [Conflict(name, f"{name} makes it spend.", 0.0) for name in held if name]


def _forcing(program: Program, floors: list[Floor]) -> list[Conflict]:
    """What makes a plan spend that misses: floors of a group's own channels, or the budget."""
    rows = program.rows
    own = _of_group(program, floors)
    if "budget" not in rows.names:
        return own
    at = rows.names.index("budget")
    least, most = float(rows.lower[at]), float(rows.upper[at])
    if own:
        apart = np.all([f.pays_by(program.arms) == 0.0 for f in floors], axis=0)
        room = np.where(apart[:, None], program.upper, program.lower)
        if float((program.spread.sum(axis=1) * room).sum()) >= least * (1.0 - MISS):
            return own  # the others could take the rest of what is to be spent
    names = [program.roofs_by(a) for a in range(program.arms)]
    held = np.array([all(by.startswith("budget") for by in each) for each in names])[:, None]
    z = program.adstocked(program.upper)
    top = np.broadcast_to(program.supremum()[:, None], z.shape)
    with np.errstate(invalid="ignore"):
        free = np.where(program.weight > 0.0, program.weight * top, 0.0)
    without = float(np.where(held, free, program.response(z)).sum())
    wanted = any(0.0 < floor.constant <= without for floor in floors)
    if not (wanted or least == most or most == 0.0):
        return []
    return [Conflict("budget", f"The budget is {most:,.2f}.", 0.0)]


def _best(search: TargetSearch, floor: Floor) -> float:
    """The largest outcome, or outcome per money; ratios by Dinkelbach's method."""
    ratio = 0.0
    for _ in range(_REACH_ROUNDS if floor.per_money > 0.0 else 1):
        asked = replace(search.program, floors=(replace(floor, per_money=ratio),))
        plan = search.run(asked.alone(0)).plan
        (outcome,), (spend,) = asked.brought(plan), asked.asked_of(plan)
        if floor.per_money == 0.0:
            return outcome
        better = outcome / spend if spend > 0.0 else 0.0
        if better <= ratio * (1.0 + 1e-6):
            break
        ratio = better
    return ratio


@dataclass(slots=True)
class _OpenPart:
    slot: int
    part: Part
    found: Descended


def solve_targets(
    program: Program, options: SolverOptions, start: Array | None, solver: Solver
) -> Solution:
    """Solve a program with targets, to ``options.gap`` within the limit of work; ``solver`` is of
    programs whose targets, if any, are limits like others.

    Raises
    ------
    Infeasible
        Naming the targets and the best that can be reached, or a conflict of the constraints.
    """
    exhausted = False
    if not (program.pairs or program.ceilings):
        try:
            found = solver(program, options, start)
            if not _idle(program, found.plan):
                return found
        except Unmet as error:
            exhausted = error.exhausted
    deadline = work.now() + 0.8 * options.time_limit_s
    plain = replace(program, floors=(), ceilings=())
    search = TargetSearch(plain, program.aim, options, deadline, solver, program.ceilings)
    for plan in (known_plan(program), incumbent(program, start)):
        if plan is not None:
            search.offer(search.measured(plan))
    lines = _first_plan(search)
    if exhausted and search.best is None:
        raise _unmet(search, list(search.counts), together=True)
    if options.method in BY_NAME and (search.best is not None or not program.floors):
        return _by_name(search, lines)
    proof, top = _branch(search, lines)
    if search.best is None:
        raise _unmet(search, timed_out=True)
    why = "Each target joins the objective at the least price at which the best plan meets it."
    if search.ceilings:
        why = "Outcome beyond a ceiling is worth nothing: what its arms bring counts at the price, "
        why += "between nothing and its worth, at which the bound on all plans is lowest."
    if len(proof.nodes) > 1:
        why += " The best plan jumps there, so the plans are split and each part has prices."
    method = "branch_and_bound" if len(proof.nodes) > 1 else top.solved.method
    return _answer(search, proof, top, method, why)


def _idle(program: Program, u: Array) -> bool:
    """Whether a plan meets an efficiency only by spending nothing at all (some channels may)."""
    nothing = float(program.spend(u).sum()) <= 1e-9 * program.scale
    return nothing and any(f.per_money > 0.0 and f.pays is None for f in program.floors)


def _by_name(search: TargetSearch, lines: tuple[Line, ...]) -> Solution:
    """The plan that a search found, and beside it the proof of the exact solver's root."""
    program, now = search.program, work.now()
    exact = replace(search, deadline=now + 0.35 * (search.deadline - now))
    root = _descend(exact, Part(program.lower, program.upper), _first_guess(search), lines)
    assert exact.best is not None
    search.offer(search.measured(exact.best.u))
    assert search.best is not None
    task = search.whole.lifted(root.thetas)[0] if search.ceilings else program.aimed(search.aim)
    found = heuristic(
        task,
        search.options,
        search.best.u,
        deadline=search.deadline,
        multipliers=() if search.ceilings else root.thetas,
    )
    search.offer(search.measured(found.u))
    search.iterations += found.evaluations + exact.iterations
    search.nodes += 1
    why = f"{found.why} The bound is that of the exact solver's root."
    return _answer(search, root.proof, root, search.options.method, why)


def _answer(search: TargetSearch, proof: Proof, top: Descended, method: str, why: str) -> Solution:
    assert search.best is not None
    _spend_no_more(search)
    certificate = certify(search.whole, search.best.u, proof)
    other = _by_planes(search) if certificate.relative_gap >= 1.0 else None
    if other is not None:
        found = certify(search.whole, search.best.u, other)
        if found.upper_bound < certificate.upper_bound:
            certificate, proof = found, other
    finished = certificate.relative_gap <= search.options.gap
    if not finished and method not in BY_NAME:
        why += " The limit of work came first, so a gap is stated."
    return Solution(
        u=search.best.u,
        prices=top.solved.prices,
        proof=proof,
        nodes=search.nodes,
        iterations=search.iterations,
        finished=finished,
        thetas=top.thetas,
        method=method,
        why=why,
    )


def _by_planes(search: TargetSearch) -> Proof | None:
    """A bound in one step beside interactions: each brings at most the mean of its two levels."""
    from shared.solve.engines.envelopes import program_box
    from shared.solve.engines.interior import relax_program

    whole, weight = search.whole, search.program.weight.copy()
    if not whole.pairs or not whole.floors or whole.ceilings:
        return None
    top = whole.full()
    for pair in whole.pairs:
        each = 0.5 * max(pair.strength, 0.0) * whole.pair_weight(pair)
        for arm in (pair.first, pair.second):
            weight[arm] += each / top[arm]
    task = replace(whole, weight=weight, pairs=())
    found = relax_program(task, program_box(task), gap=1e-6, patient=False)
    theta = tuple(found.theta.tolist())
    lift = whole.lift(theta).value
    scale = lift / max(float(lift.max()), 1e-300)
    return Proof((Leaf(found.mu, found.nu * scale[:, None], theta),))


def _spend_no_more(search: TargetSearch) -> None:
    """The least spend that reaches a ceiling of all outcome, where money has no price itself."""
    program, best = search.program, search.best
    assert best is not None
    own = program.arms - len(program.sums)
    if len(search.ceilings) != 1 or np.any(search.ceilings[0].shares(program.arms)[:own] > -1.0):
        return
    most = search.ceilings[0].asked
    if program.charges or program.outcome(best.u) <= most:
        return
    floors = (*search.aim.floors, Floor("max_outcome", most, 0.0, most))
    task = replace(program, value=0.0, cost=1.0, floors=floors)
    options = replace(search.options, time_limit_s=0.2 * search.options.time_limit_s, method="auto")
    with contextlib.suppress(Infeasible):
        least = solve_targets(task, options, best.u, search.solver).plan
        if float(program.spend(least).sum()) < float(program.spend(best.u).sum()):
            search.best = search.measured(least)


def _branch(search: TargetSearch, lines: tuple[Line, ...]) -> tuple[Proof, Descended]:
    """Best-first search for the best plan that meets the floors: a tree that bounds them all, and
    what is known of the part that holds the best plan."""
    whole = Part(search.program.lower, search.program.upper)
    root = _descend(search, whole, _first_guess(search), lines)
    nodes: list[Node] = [root.proof.nodes[0]]
    trees = {0: root.proof}
    parts = [(whole, root)]

    def split(node: _OpenPart) -> list[_OpenPart]:
        jump = _jump(search, node)
        if jump is None:
            return []
        arm, column, at = jump
        slots = (len(nodes), len(nodes) + 1)
        nodes[node.slot] = SplitDecision(arm, column, at, *slots)
        del trees[node.slot]
        kids = []
        for slot, part in zip(slots, _halves(node.part, arm, column, at), strict=True):
            found = _descend(search, part, node.found.theta, node.found.lines)
            nodes.append(found.proof.nodes[0])
            trees[slot] = found.proof
            parts.append((part, found))
            kids.append(_OpenPart(slot, part, found))
        return kids

    best_first(search, _OpenPart(0, whole, root), split, lambda node: node.found.bound, _MOST)
    held = [found for part, found in parts if search.best is not None and part.holds(search.best.u)]
    return grafted(nodes, trees), held[-1] if held else root


def _halves(part: Part, arm: int, column: int, at: float) -> tuple[Part, Part]:
    below, above = part.upper.copy(), part.lower.copy()
    below[arm, column] = above[arm, column] = at
    return Part(part.lower, below), Part(above, part.upper)


def _jump(search: TargetSearch, node: _OpenPart) -> tuple[int, int, float] | None:
    """The decision in which two plans that are as good as each other differ most, and halfway."""
    theta, lines = node.found.theta, node.found.lines
    order = sorted(lines, key=lambda line: -line.at(theta))
    first = next(iter(order), None)
    if first is None:
        return None
    other = next((line for line in order if line.meets != first.meets), None)
    money = np.abs(search.program.spread).sum(axis=1)
    for one in (other, *order[1:]):
        if one is None:
            continue
        apart = np.abs(one.u - first.u) * money
        arm, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
        low, high = sorted((float(one.u[arm, column]), float(first.u[arm, column])))
        at = 0.5 * (low + high)
        if low < at < high and apart.max() > 1e-7 * search.program.scale:
            return int(arm), int(column), at
    return None
