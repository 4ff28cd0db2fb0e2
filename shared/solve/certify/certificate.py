"""What a plan is worth and how far from the best it can be, rechecked from the program alone.

No solver is imported and nothing it says is believed: of a :class:`~shared.problem.proof.Proof`
only multipliers and splits are read, regions are derived from the program's own box, and weak
duality bounds each from one-dimensional maxima. Everything is rounded outward.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.curves.stack import CurveStack, Group
from shared.problem.incumbent import ALLOWED
from shared.problem.lattice_rows import lattice_rows
from shared.problem.program import Program
from shared.problem.proof import (
    ArmLeaf,
    ArmNode,
    Cut,
    Leaf,
    PerArm,
    Proof,
    SplitActive,
    SplitArgument,
    SplitDecision,
)
from shared.problem.region import (
    HAIR,
    Region,
    alike,
    alone,
    halves,
    holds,
    inner,
    root_region,
    sorted_within,
)
from shared.problem.risk import admissible, measure
from shared.problem.risk_program import missed, outcomes, relaxed
from shared.solve.certify.bounder import Bounder, LeafTask, Sides
from shared.solve.certify.maxima import ArmMaxima

__all__ = ["Certificate", "bound", "certify", "certify_all", "stated", "violation"]

Array = NDArray[np.float64]
Groups = tuple[NDArray[np.intp], ...]
_FREE = np.array([[0.0], [np.inf]])
_CELLS = 2_000_000  # leaves times arms and periods that are kept until they are bounded together
_NO_PROOF = (ValueError, IndexError, TypeError, AttributeError)


# What the certificate of a measure of risk rests on: weights that belong, draws taken alone.


def _weighed_as(program: Program, proof: Proof) -> tuple[Program, float]:
    """The program of expected outcome that a proof is of, and what to take off its bound;
    ``ValueError`` for weights that are not of the measure's set, or multipliers that are none."""
    risk, draws = program.risk, program.draws
    if risk is None or draws is None:
        raise ValueError("A risk measure needs draws.")
    weights = np.full(draws.draws, 1.0 / draws.draws)
    if risk.measure != "quantile":
        if proof.weights is None or not admissible(risk, np.asarray(proof.weights), draws.draws):
            raise ValueError("These weights are not of the measure's set.")
        weights = np.asarray(proof.weights, dtype=np.float64)
    theta = proof.theta or (0.0,) * len(program.floors)
    return relaxed(program, program.aim, theta, risk, weights)


def _most_of(program: Program, proof: Proof) -> float:
    """More than the sizes of all weighed draws can add up to, whatever the plan."""
    draws = program.draws
    assert draws is not None
    reach = program.adstocked(np.maximum(program.upper, 0.0))
    whole = replace(program, weight=np.abs(program.weight))
    each = whole.response_draws(reach)
    assert each is not None
    weights = np.full(draws.draws, 1.0 / draws.draws) if proof.weights is None else proof.weights
    share = np.abs(weights) * draws.draws + 1.0
    pairs = sum(
        abs(p.strength) * float(np.abs(program.pair_weight(p)).sum()) for p in program.pairs
    )
    brings = each.sum(axis=(1, 2))
    brings = brings if program.shift is None else brings + np.abs(program.shift)
    return float((brings * share).mean()) + pairs + draws.draws * 1e-300


def _quantile_alone(program: Program, u: Array, prices: Array) -> float:
    """The quantile of what each draw could be worth with a plan of its own, at most, each by
    ``prices`` (S, m) of its own; ``ValueError`` for programs with more than one decision and one
    response an arm, or other prices."""
    draws, rows, risk = program.draws, program.rows, program.risk
    assert draws is not None
    assert risk is not None
    simple = program.columns == 1 and program.weight.shape[1] == 1 and not program.pairs
    prices = np.asarray(prices, dtype=np.float64)
    simple = simple and program.power is None
    if not simple or program.floors or prices.shape != (draws.draws, len(rows.names)):
        raise ValueError("The draws cannot be taken alone.")
    if not np.all(np.isfinite(prices)) or not program.value > 0.0:
        raise ValueError("A price is no number.")
    prices = np.where(np.isfinite(rows.upper), prices, np.minimum(prices, 0.0))
    prices = np.where(np.isfinite(rows.lower), prices, np.maximum(prices, 0.0))
    ends = np.where(prices > 0.0, rows.upper, np.where(prices < 0.0, rows.lower, 0.0))
    money = program.costs()[:, 0]
    cost = (prices @ rows.matrix + money) / program.value  # (S, A) of a decision, in outcome
    carry, base = program.carry[:, 0, 0], program.carry_in[:, 0]
    moves = carry > 0.0
    safe = np.where(moves, carry, 1.0)
    low, high = program.lower[:, 0], program.upper[:, 0]
    z_low = (carry * low + base) * (1.0 - 8.0 * EPS)
    z_high = (carry * high + base) * (1.0 + 8.0 * EPS)
    per = np.where(moves, cost / safe, 0.0)
    size = max(float(np.abs(program.outcome(u))), 1e-300)
    tops = _each_draw(program, per, z_low, np.maximum(z_high, z_low), program.adstocked(u), size)
    still = np.maximum(-cost * low, -cost * high)
    tops = tops + np.where(moves, per * base, still)
    tops = tops + 32.0 * EPS * np.abs(cost) * (high + base / safe)
    sides = prices * ends
    alone = program.value * tops.sum(axis=1) + sides.sum(axis=1)
    wide = np.abs(program.value * tops).sum(axis=1) + np.abs(sides).sum(axis=1)
    alone = alone + (math.log2(tops.shape[1] + 1) + 16.0) * EPS * wide
    return float(np.quantile(alone, risk.level)) * (1.0 + 1e-12)


def _each_draw(
    program: Program, price: Array, low: Array, high: Array, near: Array, size: float
) -> Array:
    """(S, A) most of ``weight f(z) - price z`` in each draw: draws stand side by side as arms."""
    draws = program.draws
    assert draws is not None
    count, arms = price.shape
    groups, tables = [], []
    for group in draws.groups:
        columns = np.arange(arms)[group.columns]
        at = (np.arange(count)[:, None] * arms + columns).ravel()
        curve = group.curve
        own = {f.name: getattr(curve, f.name).reshape(-1) for f in fields(curve)}  # type: ignore[arg-type]
        groups.append(Group(at, type(curve)(**own)))
    for column, each, _ in draws.tables:
        tables += [(s * arms + column, table) for s, table in enumerate(each)]
    flat = CurveStack(count * arms, tuple(groups), tuple(tables))

    def spread(values: Array) -> Array:
        return np.tile(values, count)[:, None]

    weight = spread(program.weight[:, 0])
    # Only what maxima are asked of is there: curves and weights.
    task = replace(
        program,
        names=("",) * weight.size,
        curves=flat,
        draws=None,
        weight=weight,
        carry_in=spread(program.carry_in[:, 0]),
    )
    z_low, z_high = spread(low), spread(high)
    maxima = ArmMaxima(task, z_low, z_high, size * count, near=spread(near[:, 0]))
    return maxima.tops(weight, price.reshape(-1, 1), z_low, z_high).reshape(count, arms)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A plan's value beside a bound on every plan, in the sense of maximising.

    Attributes
    ----------
    objective
        In the program's own unit (of the least spend minus the money).
    upper_bound
        No feasible plan has more; ``inf`` (like both gaps) where the proof proves nothing.
    gap, relative_gap
        ``upper_bound - objective``, and that over the larger one's size; never negative.
    proven
        Whether ``upper_bound`` is a bound on every feasible plan, and this plan is feasible.
    max_constraint_violation
        Largest violation of a bound, a rule or a target, relative to the money at stake.
    kkt_residual
        How far the plan is from stationary, relative to its steepest slope; 0 where it is.
    """

    objective: float
    upper_bound: float
    gap: float
    relative_gap: float
    proven: bool
    max_constraint_violation: float
    kkt_residual: float

    def told(self) -> Certificate:
        """As it is answered: a bound as far away as nothing says nothing, and proves nothing."""
        if self.relative_gap < 1.0 or self.gap <= 1e-9 or not self.proven:
            return self
        return replace(
            self, upper_bound=math.inf, gap=math.inf, relative_gap=math.inf, proven=False
        )


def certify(program: Program, u: Array, proof: Proof) -> Certificate:
    """Recheck decisions (A, K) and bound what any others that meet the targets could reach."""
    missed = violation(program, u)
    if not math.isfinite(missed):
        return stated(math.nan, None, missed, math.inf)
    u = np.maximum(u, 0.0)  # below zero there are no curves; the violation above has said so
    if program.risk is not None:
        return _certify_measure(program, u, proof, missed)
    objective = program.objective(u)
    # Limits on what comes in lots are as tight as the lots make them.
    held = replace(program, rows=lattice_rows(program))
    best, around = _bound(held, u, proof, objective)
    best = None if best is None else min(best, _ceiling(program))
    residual = _residual(program, u, around)
    if best == -math.inf and missed <= HAIR:
        best = objective  # no plan keeps every rule exactly, and this one does to rounding
    return stated(objective, best, missed, residual, _stake(program, u))


def _certify_measure(program: Program, u: Array, proof: Proof, missed: float) -> Certificate:
    """Of a measure of risk: weights of its set and multipliers of the targets make a program of
    expected outcome whose bound is one for the measure (:mod:`shared.problem.risk_program`)."""
    risk = program.risk
    assert risk is not None
    objective = program.value * measure(risk, outcomes(program, u))
    objective -= program.paid(u)
    try:
        task, less = _weighed_as(program, proof)
        found = certify(task, u, replace(proof, weights=None, theta=(), alone=None))
        # Weights may miss their set by a hair, which changes the outcome by no more than this.
        hair = 1e-12 * task.value * _most_of(program, proof)
        wide = 4.0 * hair + 16.0 * EPS * (abs(found.upper_bound) + abs(less))
        best, residual = found.upper_bound - less + wide, found.kkt_residual
        if proof.alone is not None and risk.measure == "quantile":
            best = min(best, _quantile_alone(program, u, proof.alone))
    except _NO_PROOF:
        best, residual = math.inf, math.inf
    return stated(objective, best, missed, residual)


def _ceiling(program: Program) -> float:
    """What no plan exceeds whatever is proven: all that may be spent works everywhere, and only
    what must be is paid for."""
    if program.draw_weights is not None:
        return math.inf
    most, least = program.adstocked(program.upper), program.adstocked(program.lower)
    brings = program.response(np.where(program.weight > 0.0, most, least))
    shared = [max(p.strength, 0.0) * float(program.pair_weight(p).sum()) for p in program.pairs]
    costs = program.paid(program.lower)
    worth = program.value * (float(brings.sum()) + sum(shared))
    wide = 1e-9 * (program.value * (float(np.abs(brings).sum()) + sum(shared)) + costs)
    return worth - costs + wide


def certify_all(
    programs: Sequence[Program], plans: Sequence[Array], proofs: Sequence[Proof], accuracy: float
) -> list[Certificate]:
    """Certificates of one program's plans at many budgets, rechecked together: what an arm is worth
    at a price does not depend on the budget.

    ``programs`` are one program with other sides of its rows and other upper ends of its box;
    bounds on means over draws are refined until they are within ``accuracy`` (relative).
    """
    largest = max(programs, key=lambda program: float(program.upper.sum()))
    objectives = [p.objective(np.maximum(u, 0.0)) for p, u in zip(programs, plans, strict=True)]
    root = root_region(largest)
    if root is None:
        return [certify(*each) for each in zip(programs, plans, proofs, strict=True)]
    size = min(p.outcome(np.maximum(u, 0.0)) for p, u in zip(programs, plans, strict=True))
    bounder = Bounder(largest, root, max(abs(size), 1e-300), accuracy)
    bounds = np.full(len(programs), -np.inf)
    # What is alike at the largest budget is alike at all: a budget caps both the same.
    twins = alike(largest) if any(len(proof.nodes) > 1 for proof in proofs) else ()
    tasks: list[LeafTask] = []
    owners: list[int] = []

    def settle() -> None:
        step = bounder.together
        for i in range(0, len(tasks), step):
            some = bounder.bounds(tasks[i : i + step], loose=False)
            np.maximum.at(bounds, np.array(owners[i : i + step], dtype=np.intp), some)
        tasks.clear()
        owners.clear()

    broken = np.zeros(len(programs), dtype=bool)
    for k, (program, proof) in enumerate(zip(programs, proofs, strict=True)):
        try:
            sides, root = Sides(program.rows.lower, program.rows.upper), root_region(program)
            if root is None:
                continue
            for node, region, rest in _leaves(program, root, proof, twins):
                if isinstance(node, PerArm):
                    raise TypeError("Trees for single arms are not bounded together.")
                leaf = node.leaf if isinstance(node, Cut) else node
                tasks.append(bounder.task(leaf, region, rest, sides))
                owners.append(k)
                if len(tasks) * program.weight.size >= _CELLS:
                    settle()
        except _NO_PROOF:
            broken[k] = True
    settle()
    bounds[broken] = np.inf
    return [
        stated(objective, float(best), violation(program, u), math.nan, 0.0)
        for program, u, objective, best in zip(programs, plans, objectives, bounds, strict=True)
    ]


def bound(program: Program, u: Array, proof: Proof, enough: float) -> float:
    """A bound alone, in the objective's own unit: ``-inf`` where no plan is left, ``inf`` where
    nothing is proved. ``u`` (A, K) tells what sizes matter; no care is taken with what is at most
    ``enough``."""
    held = replace(program, rows=lattice_rows(program))
    best, _ = _bound(held, np.maximum(u, 0.0), proof, enough)
    return math.inf if best is None else best


def stated(
    objective: float, bound: float | None, violation: float, residual: float, stake: float = 0.0
) -> Certificate:
    """A plan's value beside its bound; infinite, and proving nothing, where either is no number.

    The bound stated is one that the plan does not exceed: one that is feasible to the tolerance
    only may gain by what it misses. ``stake`` is what a gap of rounding is relative to where to do
    nothing is best.
    """
    if bound is None or not math.isfinite(bound) or not math.isfinite(objective):
        return Certificate(objective, math.inf, math.inf, math.inf, False, violation, residual)
    bound = max(bound, objective) if violation <= ALLOWED else bound
    gap = max(bound - objective, 0.0)
    scale = max(abs(bound), abs(objective), stake if gap <= 1e-12 * stake else 0.0)
    return Certificate(
        objective=objective,
        upper_bound=bound,
        gap=gap,
        relative_gap=gap / scale if scale > 0.0 else 0.0,
        proven=violation <= ALLOWED,
        max_constraint_violation=violation,
        kkt_residual=residual,
    )


def violation(program: Program, u: Array) -> float:
    """Largest violation of a bound, a rule or a target, relative to what it is of."""
    worst = program.violation(u)
    if not program.floors or not math.isfinite(worst):
        return worst
    return max(worst, missed(program, np.maximum(u, 0.0)))


def _leaves(
    program: Program, root: Region, proof: Proof, twins: Groups | None = None
) -> Iterator[tuple[Leaf | PerArm | Cut, Region, Region | None]]:
    """What a tree ends in, with its region; of a cut also the region that it leaves. ``twins`` are
    groups of identical arms, where known. ``ValueError``, ``IndexError``, ``TypeError`` or
    ``AttributeError`` where the tree is none."""
    nodes = proof.nodes
    # Only plans sorted within groups of identical arms are looked at; see ``region.alike``.
    if twins is None:
        twins = alike(program) if len(nodes) > 1 else ()
    seen: set[int] = set()
    walk: list[tuple[int, Region]] = [(0, root)]
    while walk:
        at, region = walk.pop()
        if not 0 <= at < len(nodes) or at in seen:
            raise IndexError("A node that is not there, or has two parents.")
        seen.add(at)
        part = sorted_within(program, region, twins)
        if part is None:
            continue
        node = nodes[at]
        if isinstance(node, Leaf | PerArm):
            yield node, part, None
            continue
        if isinstance(node, Cut):
            rest = inner(program, part, node)
            if rest is not None:
                walk.append((node.child, rest))
                yield node, part, rest
                continue
            yield node.leaf, part, None  # nothing is left inside: all of it is cut away
            continue
        children = (
            (node.off, node.on) if isinstance(node, SplitActive) else (node.below, node.above)
        )
        walk += [
            (child, half)
            for child, half in zip(children, halves(program, part, node), strict=True)
            if half is not None
        ]


def _bound(
    program: Program, u: Array, proof: Proof, enough: float
) -> tuple[float | None, list[Leaf | PerArm]]:
    """The largest leaf bound (None: nothing is proved), and the leaves around the plan."""
    around: list[Leaf | PerArm] = []
    try:
        root = root_region(program)
        if root is None:
            return -math.inf, around
        size = abs(program.outcome(u))
        size = size if size > 0.0 else 1e-3 * _reachable(program)
        bounder = Bounder(program, root, size, near=program.adstocked(u))
        best, tasks = -math.inf, list[LeafTask]()
        if program.pairs and any(f.share is not None for f in (*program.floors, *program.ceilings)):
            return _lifted(program, u, proof, root, size)
        for node, region, rest in _leaves(program, root, proof):
            if isinstance(node, PerArm):
                best = max(best, _bound_arms(bounder, node, region))
            else:
                leaf = node.leaf if isinstance(node, Cut) else node
                tasks.append(bounder.task(leaf, region, rest))
            if not isinstance(node, Cut) and holds(region, u):
                around.append(node)
            if len(tasks) * program.weight.size >= _CELLS:
                best, tasks = max(best, bounder.largest(tasks, max(best, enough))), []
        best = max(best, bounder.largest(tasks, max(best, enough)))
    except _NO_PROOF:
        return None, around
    return (None if math.isnan(best) else best), around


# The bound of a region whose rows are priced: a tree for each arm, the worst leaves added up.
# Regions are derived on the way down each tree, by the arm's own carryover alone.


def _bound_arms(bounder: Bounder, node: PerArm, region: Region) -> float:
    """No plan of the region has more, ``inf`` where the prices prove nothing; ``ValueError``,
    ``IndexError`` or ``TypeError`` where the trees are another program's, or pairs or counts tie
    the arms together."""
    program = bounder.program
    if len(node.trees) != program.arms:
        raise ValueError("Trees of another program.")
    ends = [_ends(alone(program, a), node.trees[a], region.alone(a)) for a in range(program.arms)]
    if any(not leaves for leaves in ends):
        return -math.inf  # one arm has nothing that it may do: no plan is here
    return bounder.apart(_side_by_side(bounder, node, ends))


def _ends(own: Program, tree: tuple[ArmNode, ...], root: Region) -> list[tuple[ArmLeaf, Region]]:
    """The leaves and regions of one arm that its tree ends in."""
    out: list[tuple[ArmLeaf, Region]] = []
    seen: set[int] = set()
    walk: list[tuple[int, Region]] = [(0, root)]

    while walk:
        at, region = walk.pop()
        if not 0 <= at < len(tree) or at in seen:
            raise IndexError("A node that is not there, or has two parents.")
        seen.add(at)
        node = tree[at]
        if isinstance(node, ArmLeaf):
            if np.shape(node.nu) != own.carry_in.shape[1:]:
                raise ValueError("Prices of another program.")
            out.append((node, region))
            continue
        if not isinstance(node, SplitDecision | SplitArgument) or node.arm != 0:
            raise TypeError("A split that an arm's tree may not have.")
        for child, part in zip((node.below, node.above), halves(own, region, node), strict=True):
            if part is not None:
                walk.append((child, part))
    return out


def _side_by_side(
    bounder: Bounder, node: PerArm, ends: list[list[tuple[ArmLeaf, Region]]]
) -> list[LeafTask]:
    """As many whole regions as the longest tree has leaves: all arms are bounded at once."""
    out = []
    for j in range(max(map(len, ends))):
        each = [leaves[min(j, len(leaves) - 1)] for leaves in ends]
        parts = [part for _, part in each]
        whole = Region(
            np.concatenate([part.u_lower for part in parts]),
            np.concatenate([part.u_upper for part in parts]),
            np.concatenate([part.z_lower for part in parts]),
            np.concatenate([part.z_upper for part in parts]),
            np.concatenate([part.active for part in parts]),
            spent=np.concatenate([_FREE if p.spent is None else p.spent for p in parts], axis=1),
        )
        leaf = Leaf(node.mu, np.stack([own.nu for own, _ in each]), node.theta)
        money = np.array([own.money for own, _ in each], dtype=float)
        out.append(replace(bounder.task(leaf, whole), money=money))
    return out


def _lifted(
    program: Program, u: Array, proof: Proof, root: Region, size: float
) -> tuple[float | None, list[Leaf | PerArm]]:
    """The same where interactions stand beside targets that count arms unlike: a tree whose leaves
    are those of the program that their own multipliers make."""
    around: list[Leaf | PerArm] = []
    bounders: dict[tuple[float, ...], tuple[Bounder, float]] = {}
    best = -math.inf
    for node, region, _ in _leaves(program, root, proof, ()):
        if not isinstance(node, Leaf):
            raise TypeError("Arms with interactions are not told apart.")
        if node.theta not in bounders:
            task, less = program.lifted(node.theta)
            own = Bounder(task, root, size, near=task.adstocked(u))
            bounders[node.theta] = own, less
        bounder, less = bounders[node.theta]
        found = bounder.bound(replace(node, theta=()), region, best + less) - less
        best = max(best, found + 4.0 * EPS * (abs(found) + abs(less)))
        if holds(region, u):
            around.append(node)
    return (None if math.isnan(best) else best), around


def _reachable(program: Program) -> float:
    """What the largest decisions would bring together, rules left aside."""
    return max(abs(program.outcome(program.upper)), 1e-300)


def _stake(program: Program, u: Array) -> float:
    """The size of the objective's terms: what a gap of rounding is small against."""
    if abs(program.objective(u)) > 0.0:
        return 0.0
    return program.value * _reachable(program) + float(program.costs().max()) * program.scale


def _residual(program: Program, u: Array, around: Sequence[Leaf | PerArm]) -> float:
    """How far the plan is from stationary, relative to its steepest slope; 0 where it is.

    Of what a move gains at the rows' prices (relative to the steepest slope) and how far it could
    go (relative to the largest decision) the smaller counts; decisions that may only take some
    values, or are zero by choice, are left aside. The best prices count: those of the leaves around
    the plan, and of a single row the one between what would gain most by rising and what would lose
    least by falling.
    """
    tiny = 1e-9 * max(float(np.max(u, initial=0.0)), 1e-300)
    up, down = _gradient(program, u), _gradient(program, np.maximum(u - tiny, program.lower))
    if not np.all(np.isfinite(up)):  # an infinite slope at 0 is taken over a first small step
        up = np.where(np.isfinite(up), up, _first_step(program, u, tiny))
    fixed = (program.lot[:, None] > 0.0) | ((program.least_active > 0.0) & (u <= tiny))
    for rule in program.at_most:
        fixed[list(rule.arms)] |= u[list(rule.arms)] <= tiny
    # At a minimum a decision could still go to zero: only its rise counts.
    least = program.least_active
    at_floor = (u <= program.lower + tiny) | ((least > 0.0) & (np.abs(u - least) <= tiny))
    span = max(float(np.max(u, initial=0.0)), 1e-300)
    rises = np.where(fixed, 0.0, np.maximum(program.upper - u, 0.0) / span)
    falls = np.where(fixed | at_floor, 0.0, np.maximum(u - program.lower, 0.0) / span)
    best = math.inf
    for leaf in around:
        lift = program.lift(leaf.theta)
        value, cost = lift.value[:, None], lift.cost[:, None] * program.counted()
        if program.pairs:
            task, _ = program.lifted(leaf.theta)
            up, value = _gradient(task, u), np.full((program.arms, 1), task.value)
            down = _gradient(task, np.maximum(u - tiny, program.lower))
        # Where an outcome is worth nothing, neither is an infinite slope.
        worth = [value * np.where(value > 0.0, slope, 0.0) for slope in (up, down)]
        # Net of cost, all slopes of a best plan may be nothing but rounding.
        gross = max(_largest(*worth), _largest(cost))
        gain = _Moves(worth[0] - cost, worth[1] - cost, rises, falls, gross)
        for mu in (np.asarray(leaf.mu, dtype=float), *gain.prices(program, u)):
            best = min(best, gain.residual((mu @ program.rows.matrix).reshape(u.shape)))
    return best if math.isfinite(best) else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """(A, K) what a rise of each decision gains and a fall loses, and how far either can go;
    ``gross`` is the steepest slope of outcome or cost alone."""

    rise: Array
    fall: Array
    rises: Array
    falls: Array
    gross: float

    def residual(self, push: Array) -> float:
        """The largest gain of a move where decisions cost ``push`` (A, K)."""
        rise, fall, rises, falls = self.rise, self.fall, self.rises, self.falls
        with np.errstate(invalid="ignore", over="ignore"):
            slopes = (push, rise[rises > 0.0], fall[falls > 0.0])
            steep = max(self.gross, *(_largest(slope) for slope in slopes)) or 1.0
            gain = np.where(rises > 0.0, np.maximum(rise - push, 0.0) / steep, 0.0)
            loss = np.where(falls > 0.0, np.maximum(push - fall, 0.0) / steep, 0.0)
        worst = np.maximum(np.minimum(gain, rises), np.minimum(loss, falls)).max(initial=0.0)
        return float(worst) if math.isfinite(worst) else math.inf

    def prices(self, program: Program, u: Array) -> tuple[Array, ...]:
        """The price (1,) of a single row that fits the plan best; none for other programs."""
        rows = program.rows
        if len(rows.names) != 1 or not np.all(rows.matrix > 0.0):
            return ()
        per = rows.matrix.reshape(u.shape)
        up = float((self.rise / per)[self.rises > 0.0].max(initial=-math.inf))
        down = float((self.fall / per)[self.falls > 0.0].min(initial=math.inf))
        used = float((rows.matrix @ u.ravel())[0])
        slack = 1e-9 * max(abs(used), 1e-300)
        if used < float(rows.upper[0]) - slack and used > float(rows.lower[0]) + slack:
            return (np.zeros(1),)
        known = [end for end in (up, down) if math.isfinite(end)]
        price = sum(known) / len(known) if known else 0.0
        return (np.array([price if used <= float(rows.lower[0]) + slack else max(price, 0.0)]),)


def _largest(*slopes: Array) -> float:
    return max(float(np.abs(each[np.isfinite(each)]).max(initial=0.0)) for each in slopes)


def _first_step(program: Program, u: Array, tiny: float) -> Array:
    """(A, K) outcome per unit of a first small step; the slope after it where steps overlap."""
    if program.columns > 1 or program.pairs:
        return _gradient(program, u + tiny)
    gained = program.response(program.adstocked(u + tiny)) - program.response(program.adstocked(u))
    with np.errstate(over="ignore"):
        return np.asarray(gained.sum(axis=1, keepdims=True) / tiny)


def _gradient(program: Program, u: Array) -> Array:
    """(A, K) derivative of the outcome, interactions included; inf at 0 on some curves."""
    with np.errstate(invalid="ignore", over="ignore"):
        out = replace(program, value=1.0, cost=0.0).gradient(u)
        if program.pairs:
            between = program.between_slopes(program.adstocked(u))
            between = np.where(program.weight > 0.0, between, 0.0)
            out = out + program.through(u, between)
    return out
