"""The best plan of a program for a cautious reader, with a bound on what any other could be."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.errors import Conflict, Infeasible
from shared.problem.aim import Aim
from shared.problem.incumbent import allowed, incumbent, known_plan
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Proof
from shared.problem.risk import admissible, measure, most_weight, weights_at
from shared.problem.risk_program import (
    brings_by,
    caution,
    check_program_risk,
    in_measure,
    missed,
    outcomes,
    relaxed,
)
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.one_budget.dual import relax
from shared.solve.one_budget.form import one_budget
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.risk_ascent import climb
from shared.solve.search import MISS, Solution, Solver, nearest_that_meets

__all__ = ["solve_measure", "tidy"]

Array = NDArray[np.float64]
_TURNS = 300
_ROUNDS = 12
_FLOOR_ROUNDS = 24
_LOCAL = 0.15  # of the limit of work


# Weights over draws that belong to a measure's set, and those at which known plans reach least.


def tidy(risk: Risk, weights: Array) -> Array:
    """Weights made to fit the measure's set exactly, draws that hardly count left out."""
    if risk.measure == "mean_minus_sd":
        return _in_ball(risk, weights)
    top = most_weight(risk, weights.size)
    out = np.clip(weights, 0.0, top)
    out[out < 1e-10 * top] = 0.0
    for _ in range(50):
        missing = 1.0 - float(out.sum())
        if abs(missing) <= 4e-16:
            break
        room = np.where(out > 0.0, top - out if missing > 0.0 else out, 0.0)
        if not float(room.sum()) > 0.0:
            room = top - out
        out = np.clip(out + missing * room / float(room.sum()), 0.0, top)
    return out


def _nonnegative(risk: Risk, weights: Array) -> Array:
    """Nearby weights of the same set without negative ones."""
    out = np.maximum(weights, 0.0)
    out = out / float(out.sum())
    even = np.full(out.size, 1.0 / out.size)
    for _ in range(60):
        if admissible(risk, out, out.size):
            break
        out = 0.9 * out + 0.1 * even
        out /= float(out.sum())
    return out


def _master(risk: Risk, known: list[Array], count: int) -> Array | None:
    """Weights at which the plans known so far reach least; None where none were found."""
    if risk.measure == "mean_minus_sd":
        return _least_in_ball(risk, np.stack(known[-40:]))
    rows = np.stack(known[-60:])
    size = max(float(np.abs(rows).max()), 1e-300)
    cost = np.append(np.zeros(count), 1.0)
    found = highs.linprog(
        cost,
        A_ub=np.column_stack((rows / size, -np.ones(len(rows)))),
        b_ub=np.zeros(len(rows)),
        A_eq=np.append(np.ones(count), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[(0.0, most_weight(risk, count))] * count + [(None, None)],
    )
    if found.status != 0 or found.x is None:
        return None
    return tidy(risk, np.asarray(found.x[:count]))


def _in_ball(risk: Risk, weights: Array) -> Array:
    """The nearest weights that sum to one and spread at most as far as the aversion allows."""
    count = weights.size
    away = count * weights - float((count * weights).mean())
    spread = float(np.sqrt((away**2).mean()))
    if spread > risk.aversion:
        away = away * (risk.aversion / max(spread, 1e-300))
    return np.asarray((1.0 + away * (1.0 - 1e-14)) / count)


def _least_in_ball(risk: Risk, rows: Array) -> Array | None:
    """Least over the ball of the most that any plan (P, S) reaches: ``max over mixes of plans of
    mean - aversion * sd``, by Frank-Wolfe steps with exact line searches on a grid."""
    mix = np.full(len(rows), 1.0 / len(rows))

    def worth(outcomes: Array) -> Array:
        return np.asarray(outcomes.mean(axis=-1) - risk.aversion * outcomes.std(axis=-1))

    shares = np.concatenate(([0.0], np.geomspace(1e-4, 1.0, 24)))
    for _ in range(_TURNS):
        now = mix @ rows
        spread = float(now.std())
        if spread <= 0.0:
            break
        weights = (1.0 - risk.aversion * (now - now.mean()) / spread) / now.size
        best = int(np.argmax(rows @ weights))
        line = now + shares[:, None] * (rows[best] - now)
        share = float(shares[int(np.argmax(worth(line)))])
        if share == 0.0:
            break
        mix *= 1.0 - share
        mix[best] += share
    now = mix @ rows
    spread = float(now.std())
    if spread <= 1e-14 * max(float(np.abs(now).max()), 1e-300):
        return None
    return _in_ball(risk, (1.0 - risk.aversion * (now - now.mean()) / spread) / now.size)


# What is known of a program under a measure: plans from local ascents and from programs of weighed
# draws, each of which bounds the measure. Weights are those of the best plan, then the least over
# the measure's set of what known plans reach (a cutting-plane model), halfway to the former.


class RiskSearch:
    """Plans and proofs for one program that says its measure; keeps the best of both. ``read`` is
    that program, ``program`` the same without its measure and its targets."""

    def __init__(self, read: Program, options: SolverOptions, solver: Solver) -> None:
        assert read.risk is not None
        self.solver = solver
        self.read, self.aim, self.risk, self.options = read, read.aim, read.risk, options
        self.program = replace(read, floors=(), risk=None)
        draws = check_program_risk(read, read.risk)
        self.count = draws.draws
        self.deadline = work.now() + 0.7 * options.time_limit_s
        self.u: Array | None = None
        self.value = -np.inf
        self.even = np.full(self.count, 1.0 / self.count)
        self.proof: Proof | None = None
        self.certificate: Certificate | None = None
        self.prices = np.zeros(len(read.rows.names))
        self.known: list[Array] = []
        self.nodes = self.iterations = 0
        self.short: Array | None = None
        self.weights: Array | None = None
        self.named = options.method in BY_NAME
        self.bent = bool(np.any(draws.inflections() > 0.0)) or read.discrete
        # Targets that count arms unlike: then no one weighing of the draws serves all.
        self.unlike = any(floor.share is not None for floor in read.floors)

    def late(self) -> bool:
        return work.now() >= self.deadline

    def left(self) -> float:
        return max(self.deadline - work.now(), 0.05)

    def offer(self, u: Array) -> bool:
        """Take note of an allowed plan; whether it is the best so far."""
        if self.aim.floors and missed(self.read, u) > MISS:
            self.short = u
            return False
        each, paid = outcomes(self.program, u), self.program.paid(u)
        value = self.aim.value * measure(self.risk, each) - paid
        self.known.append(self.aim.value * each - paid)
        if value > self.value:
            self.u, self.value, self.weights = u, value, None
            return True
        return False

    def own_weights(self, u: Array) -> Array:
        return weights_at(self.risk, outcomes(self.program, u))

    def rise(self, start: Array, theta: tuple[float, ...] = ()) -> tuple[Array, Array]:
        """Where the measure leads from a plan, choices kept; with the weights there."""
        best, weights = start, self.own_weights(start)
        goal, share = self.lifted(theta), caution(self.aim, theta)
        if not self.late():
            until = min(self.deadline, work.now() + 0.3 * self.options.time_limit_s)
            found = climb(self.program, self.risk, start, goal=goal, share=share, deadline=until)
            self.iterations += 1
            if found is not None and self.reads(found.u, theta) > self.reads(best, theta):
                best, weights = found.u, (found.weights - (1.0 - share) * self.even) / share
        return best, weights

    def lifted(self, theta: tuple[float, ...]) -> Program:
        """The program in which outcome and money count as they do once multipliers do."""
        return self.read.lifted(theta or (0.0,) * len(self.aim.floors))[0]

    def reads(self, u: Array, theta: tuple[float, ...]) -> float:
        """A plan's objective with multipliers."""
        each = outcomes(self.program, u)
        task, share = self.lifted(theta), caution(self.aim, theta) if theta else 1.0
        read = share * measure(self.risk, each) + (1.0 - share) * float(each.mean())
        return task.value * read - task.paid(u)

    def prove(self, weights: Array, theta: tuple[float, ...], limit: float) -> Array:
        """Bound every plan through weights and multipliers; the best plan of that is offered."""
        if self.program.pairs:
            weights = self.even
        elif self.unlike and np.any(weights < 0.0):
            weights = _nonnegative(self.risk, weights)
        task, _ = relaxed(self.program, self.aim, theta, self.risk, weights)
        options = replace(
            self.options,
            method="auto",
            time_limit_s=max(min(limit, self.left()), 0.05),
            gap=0.25 * self.options.gap,
        )
        found = self.solver(task, options, self.u)
        self.nodes += found.nodes
        self.iterations += found.iterations
        if not self.named:  # a plan that a method by name did not find is not its answer
            self.offer(found.plan)
        read = None if self.risk.measure == "quantile" else weights
        proof = replace(found.proof, weights=read, theta=theta)
        self.keep(proof, found.plan if self.u is None else self.u, found.prices)
        return found.plan

    def keep(self, proof: Proof, plan: Array, prices: Array) -> None:
        """Take a proof that bounds lower than the one there is."""
        checked = certify(self.read, plan, proof)
        if self.certificate is None or checked.upper_bound < self.certificate.upper_bound:
            self.proof, self.certificate, self.prices = proof, checked, prices

    def prove_here(self, weights: Array) -> None:
        """Bound every plan by the best one's own slopes under weights, where one row ties arms: at
        a saddle point of plans and weights that is all there is to prove."""
        rows, plan = self.program.rows, self.u
        if plan is None or len(rows.names) > 1 or self.program.pairs or self.program.discrete:
            return
        task, _ = relaxed(self.program, self.aim, (), self.risk, weights)
        tiny = 1e-9 * max(float(plan.max(initial=0.0)), 1e-300)
        slopes = task.slopes(np.maximum(plan, tiny))
        gain = task.gradient(np.maximum(plan, tiny))
        mu = np.zeros(len(rows.names))
        if mu.size:
            per = rows.matrix[0].reshape(gain.shape)
            inside = (plan > task.lower + tiny) & (plan < task.upper - tiny) & (per != 0.0)
            if inside.any():
                mu[0] = float(np.median((gain / np.where(per != 0.0, per, 1.0))[inside]))
        nu = np.where(np.isfinite(slopes), slopes, 0.0)
        self.keep(Proof((Leaf(mu, nu),), weights), plan, mu)

    def done(self) -> bool:
        found = self.certificate
        if found is None or self.late():
            return self.late()
        return found.upper_bound - self.value <= self.options.gap * abs(found.upper_bound)


def _search_plain(search: RiskSearch) -> None:
    """Find and bound the best plan where there are no floors."""
    limit = 0.25 * search.options.time_limit_s
    # The plain mean bounds every measure, and its best plan is where the others begin.
    plan = search.prove(search.even, (), 1.6 * limit)
    if search.risk.measure == "quantile":
        mean = replace(search.options, method="auto", time_limit_s=limit)
        search.offer(search.solver(search.program, mean, None).plan)
        # First: what bounds each draw alone is closer than the mean, and quickly found.
        _alone(search)
        _quantile(search, plan)
        return
    weights = search.own_weights(plan)
    for first in [plan] if search.u is None or search.u is plan else [plan, search.u]:
        found, there = search.rise(first)
        # Where draws tie, only the way that led there tells their weights.
        if search.offer(found) or search.reads(found, ()) >= search.value - 1e-9 * abs(
            search.value
        ):
            weights = there
            search.weights = tidy(search.risk, there)
    if search.program.pairs or search.done():
        return
    weights = tidy(search.risk, weights)
    search.prove_here(weights)
    if search.done():
        return
    search.prove(weights, (), limit)
    if not search.done() and np.any(weights < 0.0):
        search.prove(_nonnegative(search.risk, weights), (), limit)
    _weigh(search, limit)


def _weigh(search: RiskSearch, limit: float) -> None:
    """Weights at which the plans known so far reach least, each bounded, until the gap closes."""
    for _ in range(_ROUNDS):
        if search.done():
            return
        asked = _master(search.risk, search.known, search.count)
        if asked is None:
            return
        assert search.u is not None
        own = search.own_weights(search.u)
        plan = search.prove(tidy(search.risk, 0.5 * (asked + own)), (), limit)
        if not search.done():
            found, there = search.rise(plan)
            if search.offer(found):
                search.prove(tidy(search.risk, there), (), limit)


def _alone(search: RiskSearch) -> None:
    """A price of money for every draw by itself, where one budget is all that ties arms together: a
    quantile is at most that of what each draw could reach alone."""
    plain = replace(search.program, draws=None, risk=None, floors=(), value=1.0, cost=0.0)
    draws = search.program.draws
    if one_budget(plain) is None or search.proof is None or draws is None:
        return
    if search.program.charges or search.aim.floors:
        return
    price, out = 0.0, np.zeros((draws.draws, 1))
    for s in range(draws.draws):
        if not search.late():
            task = one_budget(replace(plain, curves=draws.one(s)))
            assert task is not None
            model = Relaxation(task)
            found = relax(model, model.box(task.lower, task.upper), task.budget, guess=price)
            price = price if found is None else found.price
        out[s] = price * search.aim.value
    assert search.u is not None
    search.keep(replace(search.proof, alone=out), search.u, search.prices)


def _bound_named(search: RiskSearch) -> None:
    """Bound what a method by name has found, in the time that is left to it."""
    assert search.u is not None
    search.prove(search.even, (), 0.5 * search.left())
    if not search.program.pairs and search.risk.measure != "quantile":
        weights = tidy(search.risk, search.own_weights(search.u))
        search.prove(weights, (), search.left())


def _quantile(search: RiskSearch, plan: Array) -> None:
    """Ascents on tail means of several levels; the quantile decides between their plans."""
    for stretch in (1.0, 1.6, 2.5, 4.0):
        if search.late():
            return
        assert search.u is not None
        tail = Risk("cvar", level=min(stretch * search.risk.level, 0.95))
        for first in (search.u, plan):
            found = climb(search.program, tail, first, deadline=search.deadline)
            search.iterations += 1
            if found is not None:
                search.offer(found.u)
                for share in (0.75, 0.5, 0.25):
                    mixed = (1.0 - share) * search.u + share * found.u
                    if not search.program.discrete:
                        search.offer(mixed)


# Floors under a measure of risk: for each the least multiplier at which the best plan meets it. The
# target of the least spend holds in the measure itself, efficiency targets in expectation.


def _meet_floors(search: RiskSearch) -> None:
    """Find plans that meet the floors, and multipliers that bound all of them; raises
    ``Infeasible``, naming a floor that no plan meets."""
    theta = _begin(search)
    for _ in range(1 if len(theta) == 1 else 2):
        for floor in range(len(theta)):
            theta = _root(search, theta, floor)
            if search.done():
                return


def _begin(search: RiskSearch) -> tuple[float, ...]:
    """Offer a plan that meets all floors; multipliers to begin with."""
    program, aim, options = search.program, search.aim, search.options
    kinds = in_measure(aim)
    short = replace(options, time_limit_s=0.2 * options.time_limit_s)
    if any(kinds):
        own = aim.floors[kinds.index(True)]
        rich = RiskSearch(
            replace(program, value=1.0, cost=0.0, fee=None, risk=search.risk), short, search.solver
        )
        _search_plain(rich)
        search.nodes, search.iterations = rich.nodes, rich.iterations
        assert rich.certificate is not None
        assert rich.u is not None
        if rich.certificate.upper_bound < own.constant * (1.0 - 1e-12):
            best = rich.value
            unmet = own.unmet(best, f", read by {search.risk.measure} over the draws,")
            raise Infeasible(f"{own.name} cannot be met by any plan. {unmet.message}", [unmet])
        search.offer(rich.u)
        if len(aim.floors) == 1:
            return (0.0,)
    found = search.solver(program.aimed(aim), replace(short, method="auto", gap=1e-2), search.u)
    search.nodes += found.nodes
    search.offer(found.plan)
    if any(kinds) and search.u is None:
        # The most that the measure reads among plans that meet the other floors.
        others = tuple(f for f, kind in zip(aim.floors, kinds, strict=True) if not kind)
        most = replace(search.read, value=1.0, cost=0.0, fee=None, floors=others)
        with suppress(Infeasible):
            search.offer(solve_measure(most, short, None, search.solver).plan)
    return (0.0,) * len(aim.floors)


def _at(search: RiskSearch, theta: tuple[float, ...], floor: int) -> float:
    """Solve at these multipliers; the surplus of the best plan there over one floor."""
    limit = 0.15 * search.options.time_limit_s
    value = search.lifted(theta).value
    least = search.program.lower
    if value == 0.0 and not search.program.pairs and allowed(search.program, least):
        # Nothing counts but money: the least of it is best, and its bound says nothing.
        surplus = _surplus(search, least, floor)
        if surplus < 0.0:
            search.short = least
            _between(search)
            return surplus
    best = search.u if search.u is not None else search.short
    if best is None or (value == 0.0 and not search.program.pairs):
        best = search.prove(search.even, theta, limit)
    weights = search.own_weights(best)
    if search.unlike:
        best = search.prove(tidy(search.risk, weights), theta, limit)
        weights = search.own_weights(best)
    elif value > 0.0 and search.risk.measure != "quantile":
        starts = [best] if search.short is None else [best, search.short]
        if not search.bent:
            starts = [max(starts, key=lambda u: search.reads(u, theta))]
        for start in starts:
            plan, there = search.rise(start, theta)
            if search.reads(plan, theta) >= search.reads(best, theta):
                best, weights = plan, there
        weights = tidy(search.risk, weights)
    relaxed = search.prove(weights, theta, limit)
    if np.any(weights < 0.0) and not search.done():
        search.prove(_nonnegative(search.risk, weights), theta, limit)
    if search.unlike or search.reads(relaxed, theta) > search.reads(best, theta):
        best = relaxed
    search.offer(best)
    found = _surplus(search, best, floor)
    if found < 0.0:
        search.short = best
    _between(search)
    return found


def _surplus(search: RiskSearch, plan: Array, floor: int) -> float:
    """By how much a plan brings more than one floor asks."""
    brings, costs = brings_by(search.read, plan)[floor], search.read.asked_of(plan)[floor]
    return search.aim.floors[floor].surplus(brings, costs)


def _between(search: RiskSearch) -> None:
    """Offer the mix of a plan that misses and the best that meets, where the floors just hold."""
    if search.short is None or search.u is None or search.program.discrete:
        return
    mixed = nearest_that_meets(lambda u: missed(search.read, u) <= 0.0, search.u, search.short)
    if mixed is not None:
        search.offer(mixed)


def _root(search: RiskSearch, theta: tuple[float, ...], floor: int) -> tuple[float, ...]:
    """The least multiplier of one floor with a surplus: doubling, then halving by false
    position."""

    def at(t: float) -> float:
        return _at(search, (*theta[:floor], t, *theta[floor + 1 :]), floor)

    low, short = 0.0, at(0.0)
    if short >= 0.0 or search.done():
        return (*theta[:floor], 0.0, *theta[floor + 1 :])
    program = search.program
    size = max(abs(program.outcome(program.upper)), 1e-300)
    money = max(float((program.counted() * program.upper).sum()), 1e-300)
    unit = 1.0 if search.aim.value > 0.0 else money / size
    high = max(theta[floor], unit)
    held = at(high)
    while held < 0.0 and high < 1e9 * max(1.0, unit) and not search.done():
        low, short, high = high, held, 4.0 * high
        held = at(high)
    side = 0
    for turn in range(_FLOOR_ROUNDS):
        if search.done() or held < 0.0 or high - low <= 1e-12 * high:
            break
        share = -short / (held - short) if held > short and turn % 4 != 3 else 0.5
        t = low + min(max(share, 0.01), 0.99) * (high - low)
        over = at(t)
        if over < 0.0:
            low, short, held = t, over, 0.5 * held if side == -1 else held
            side = -1
        else:
            high, held, short = t, over, 0.5 * short if side == 1 else short
            side = 1
    return (*theta[:floor], high, *theta[floor + 1 :])


def solve_measure(
    program: Program, options: SolverOptions, start: Array | None, solver: Solver
) -> Solution:
    """Solve a program with a measure over draws, to ``options.gap`` where curves are concave.

    ``start`` is a plan (A, K) known already; ``solver`` is of programs of expected outcome.

    Raises
    ------
    Infeasible
        With the smallest conflict, or the floor that no plan meets.
    InvalidInput
        No draws to weigh, or a level or aversion out of range.
    """
    assert program.risk is not None
    search = RiskSearch(program, options, solver)
    for plan in (known_plan(program), incumbent(program, start)):
        if plan is not None:
            search.offer(plan)
    named = options.method in BY_NAME
    note = _by_name(search) if named else _exactly(search)
    if search.u is None or search.proof is None:
        raise _not_found(program.aim)
    certificate = certify(search.read, search.u, search.proof)
    finished = certificate.relative_gap <= options.gap
    branched = "branch_and_bound" if search.nodes > 2 + search.iterations else "lagrangian"
    return Solution(
        u=search.u,
        prices=search.prices,
        proof=search.proof,
        nodes=search.nodes,
        iterations=search.iterations,
        finished=finished,
        thetas=search.proof.theta,
        weights=search.own_weights(search.u) if search.weights is None else search.weights,
        method=options.method if named else branched,
        why=note or _why(program.risk, finished),
    )


def _exactly(search: RiskSearch) -> str:
    if search.aim.floors:
        _meet_floors(search)
    else:
        _search_plain(search)
    _look_around(search)
    return ""


def _look_around(search: RiskSearch) -> None:
    """Local searches of the measure itself from many starts, where the bound leaves a gap."""
    if not (search.bent or search.unlike or search.risk.measure == "quantile"):
        return  # a concave measure of concave curves has one
    if search.proof is not None and search.u is not None:
        found = certify(search.read, search.u, search.proof)
        if found.relative_gap <= search.options.gap:
            return
    options = replace(search.options, method="slsqp")
    search.deadline += _LOCAL * options.time_limit_s
    with suppress(Infeasible):
        found_plan = heuristic(search.read, options, search.u, deadline=search.deadline)
        search.iterations += found_plan.evaluations
        if search.offer(found_plan.u) and search.u is not None:
            theta = search.proof.theta if search.proof is not None else ()
            theta = theta or (0.0,) * len(search.aim.floors)
            search.prove(search.own_weights(search.u), theta, search.left())


def _by_name(search: RiskSearch) -> str:
    """Search by the method asked for; a sentence on it."""
    whole = search.deadline
    theta: tuple[float, ...] = ()
    search.deadline = whole - 0.4 * search.left()
    if search.aim.floors:
        search.named = False
        _meet_floors(search)
        theta = () if search.proof is None else search.proof.theta
        search.deadline = whole
    found = heuristic(
        search.read, search.options, search.u, deadline=search.deadline, multipliers=theta
    )
    search.offer(found.u)
    search.iterations += found.evaluations
    if search.aim.floors:
        return (
            f"{found.why} The targets' multipliers are the exact solver's, and so is the plan "
            "where that of the search is worse."
        )
    search.deadline = whole
    _bound_named(search)
    return f"{found.why} The bound is that of weighed draws."


def _why(risk: Risk, closed: bool) -> str:
    if risk.measure == "quantile":
        return (
            "A quantile over draws is not concave, so the plan is the best of local searches; "
            "a bound is wide, or there is none."
        )
    what = "The measure is the least over weightings of the draws, so one weighting bounds it."
    if closed:
        return what + " The weighting at the best plan proves it."
    return (
        what + " Curves, choices or interactions that are not concave, or the time limit, leave a "
        "gap, which is stated."
    )


def _not_found(aim: Aim) -> Infeasible:
    names = [floor.name for floor in aim.floors]
    said = (
        f"No plan that meets {' and '.join(names)} was found within the time limit; it was not "
        "proven that there is none."
    )
    return Infeasible(said, [Conflict(name, said, 0.0) for name in names])
