"""Branch and bound over boxes: programs with several decisions per arm, or several responses.

Best first over the interior point's relaxation (each response under its concave envelope). A region
is split at the adstocked spend of the response whose envelope errs most, or at a decision that is
on no lot, below its minimum, or on (or off) where no pattern of flights has it so. What a region's
multipliers show cannot reach the best plan any more is cut off first, piece by piece: the
multipliers take the problem apart into single responses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.proof import Leaf, Split, SplitActive, SplitArgument, SplitDecision
from shared.solve.engines.envelopes import (
    Enveloper,
    ProgramBox,
    ProgramEnvelope,
    program_box,
    sides_of,
    snapped,
)
from shared.solve.engines.interior import relax_program
from shared.solve.engines.relaxation import RelaxedProgram
from shared.solve.search import MISS, Incumbent, Solution, Tree, best_first, seconds_per_node

__all__ = ["out_of_place", "search_boxes"]

Array = NDArray[np.float64]
_PULSES = 24  # sizes of a spend that are tried
_CLIMB = 12
_LARGEST_GAINS = 2_000_000  # responses evaluated for what decisions are worth
_LARGE = 20_000  # links up to which a relaxation may fall back on linear programmes


# Where to split a region: decisions that are on no value they may take, and envelopes that err.


def _middle_error(program: Program, envelope: ProgramEnvelope, value: Array) -> Array:
    """(A, H) what each envelope errs by in the middle of its line."""
    z = envelope.box.z_lower + 0.5 * envelope.length[:-1].sum(axis=0)
    return np.asarray(value * (envelope.at(z) - program.response(z)))


def _decision_split(
    program: Program, box: ProgramBox, a: int, k: int, at: float
) -> tuple[SplitDecision, tuple[ProgramBox, ProgramBox]]:
    """A split of a decision; where it falls into a hole of the domain both ends move to its rim."""
    least, lot = float(program.least_active[a, k]), float(program.lot[a])
    below, above = at, at
    if lot > 0.0:
        below, above = np.floor(at / lot) * lot, np.ceil(at / lot) * lot
    if least > 0.0 and at < least:
        below, above = 0.0, max(least, above)
    return SplitDecision(a, k, at, 0, 0), (
        box.with_decision(a, k, upper=float(below)),
        box.with_decision(a, k, lower=float(above)),
    )


def _torn_decisions(
    program: Program, box: ProgramBox, relaxed: RelaxedProgram, value: Array
) -> tuple[Array, Array]:
    """(A, K) what each decision that is on no value it may take is about, and where to split it."""
    u = relaxed.u
    score, at = np.zeros(u.shape), u.copy()
    if not program.discrete:
        return score, at
    worth = value * np.abs(np.einsum("ahk,ah->ak", program.carry, relaxed.nu))
    worth = np.maximum(worth, 1e-12)
    slack = 1e-7 * max(program.scale, 1e-300)
    lot = np.broadcast_to(np.where(program.lot > 0.0, program.lot, 1.0)[:, None], u.shape)
    off = np.abs(u - np.round(u / lot) * lot)
    on_lots = np.broadcast_to(program.lot[:, None] > 0.0, u.shape)
    wrong = on_lots & (off > slack) & (box.u_upper > box.u_lower)
    score = np.where(wrong, worth * off, score)
    at = np.where(wrong, (np.floor(u / lot) + 0.5) * lot, at)
    least = program.least_active
    lack = np.minimum(u, least - u)
    wrong = (least > 0.0) & (lack > slack) & (box.u_lower < least)
    score = np.where(wrong, worth * lack, score)
    at = np.where(wrong, 0.5 * least, at)
    return score, at


def out_of_place(
    program: Program, box: ProgramBox, u: Array, gain: Array | None = None
) -> tuple[int, int] | None:
    """The decision that is on or off against the nearest allowed pattern and counts for most."""
    if not program.switches:
        return None
    least = program.least_active
    open_ = program.switched & (box.u_lower <= 0.0) & (box.u_upper > 0.0)
    nearby = program.pattern(u, box.u_lower, box.u_upper, gain)
    if nearby is None:  # none was found: any decision that is open leads on
        nearby = u <= 0.5 * least
    wrong = open_ & (nearby != (u > 0.5 * least))
    if not np.any(wrong):
        return None
    size = np.abs((u - 0.5 * least) * program.money_per_unit() if gain is None else gain)
    a, k = np.unravel_index(int(np.argmax(np.where(wrong, size, -1.0))), size.shape)
    return int(a), int(k)


def _gains(program: Program, relaxed: RelaxedProgram) -> Array | None:
    """(A, K) what decisions are worth at a relaxation's prices; None where nobody asks."""
    if not program.switches or program.columns * program.weight.size > _LARGEST_GAINS:
        return None
    lift = program.lift(relaxed.theta)
    price = lift.cost[:, None] * program.counted()
    price = price + (relaxed.mu @ program.rows.matrix).reshape(price.shape)
    work.charge(2.0 * work.cost(program.columns * program.weight.size))
    return program.kept(relaxed.u, price, lift.value[:, None])


def _count_choice(program: Program, relaxed: RelaxedProgram, on: frozenset[int]) -> int | None:
    """An arm to put on or off where more spend than may; the one in the middle of the order."""
    slack = 1e-7 * max(program.scale, 1e-300)
    total = relaxed.u.sum(axis=1)
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        spends = arms[total[arms] > slack]
        if spends.size <= limit.count:
            continue
        open_ = [
            a for a in spends[np.argsort(-total[spends], kind="stable")].tolist() if a not in on
        ]
        if open_:
            left = limit.count - sum(a in on for a in arms.tolist())
            return int(open_[min(max(left, 0), len(open_) - 1)])
    return None


# Cutting off ends of ranges by a relaxation's multipliers (Lagrangian domain reduction).
#
# The multipliers take the problem apart into single responses. Where the best that a response can
# do on an end of its range is so much below its best anywhere that the bound falls to the cutoff,
# no better plan is there: the proof gets a split, and the same multipliers prove the end's side.


def _cut(
    tree: Tree,
    enveloper: Enveloper,
    slot: int,
    box: ProgramBox,
    relaxed: RelaxedProgram,
    cutoff: float,
    value: Array,
    *,
    allowed: int,
    root: bool = False,
) -> tuple[ProgramBox, int]:
    """Shorten the ranges of responses that are not concave, by what the multipliers rule out.

    The box that is left, and the slot of the proof that stands for it; ``value`` (A, 1) is what an
    outcome is worth there. Every cut is one more leaf for whoever checks the proof, so at most
    ``allowed`` are made, the longest, and on a part of the whole region only long ones.
    """
    most_cuts, least_share = (100, 0.15) if root else (6, 0.6)
    most_cuts = min(most_cuts, allowed // 2)
    program = enveloper.program
    if not np.isfinite(cutoff) or np.all(value <= 0.0):
        return box, slot
    room = np.where(value > 0.0, (relaxed.bound - cutoff) / np.maximum(value, 1e-300), np.inf)
    low, high = box.z_lower, box.z_upper
    width = high - low
    bend = np.broadcast_to(enveloper.bend[:, None], low.shape)
    matters = (width > 0.0) & (program.weight > 0.0) & np.isfinite(bend) & (bend > low)
    if not np.any(matters):
        return box, slot

    jump = enveloper.jump(box)
    tops = _Tops(enveloper, relaxed.nu)
    at_low = tops.gain(low)

    def top(a: Array, b: Array) -> Array:
        """Largest ``w f(z) - nu z`` of the curves themselves on [a, b], by their shape.

        Where the domain has a hole after ``low``, only what is beside it counts: the bound that
        ``room`` is taken from knows of the hole too.
        """
        on = np.maximum(a, np.minimum(jump, high))
        beyond = np.where(b >= on, tops.largest(on, np.maximum(b, on)), -np.inf)
        return np.where(a <= low, np.maximum(beyond, at_low), beyond)

    best = top(low, high)
    one = program.columns == 1
    out = box
    for keep_above in (True, False):
        least, most = np.zeros(low.shape), np.ones(low.shape)
        for _ in range(6):
            share = 0.5 * (least + most)
            ends = (low, low + share * width) if keep_above else (high - share * width, high)
            loss = best - top(*ends)
            if one:  # one decision: all its responses move together
                loss = np.broadcast_to(loss.sum(axis=1, keepdims=True), loss.shape)
            lost = loss > room
            least, most = np.where(lost, share, least), np.where(lost, most, share)
        if one:
            arms = np.flatnonzero(matters.any(axis=1) & (least[:, 0] > least_share))
            order = np.argsort(-least[arms, 0], kind="stable")[: allowed // 2]
            for a in np.sort(arms[order]).tolist():
                length = float(least[a, 0]) * float(box.u_upper[a, 0] - box.u_lower[a, 0])
                at = box.u_lower[a, 0] + length if keep_above else box.u_upper[a, 0] - length
                out, slot = _cut_decision(program, tree, slot, out, a, float(at), keep_above)
            continue
        pairs = np.argwhere(matters & (least > 0.2))
        order = np.argsort(-least[tuple(pairs.T)], kind="stable")[:most_cuts]
        for a, h in pairs[np.sort(order)].tolist():
            cut = float(least[a, h] * width[a, h])
            at = float(low[a, h] + cut if keep_above else high[a, h] - cut)
            slot = tree.split(slot, SplitArgument(a, h, at, 0, 0))[keep_above]
            out = (
                out.with_argument(a, h, lower=at)
                if keep_above
                else out.with_argument(a, h, upper=at)
            )
    return out, slot


def _cut_decision(
    program: Program,
    tree: Tree,
    slot: int,
    box: ProgramBox,
    arm: int,
    at: float,
    keep_above: bool,
) -> tuple[ProgramBox, int]:
    """Cut off an end of an arm's only decision."""
    if not box.u_lower[arm, 0] < at < box.u_upper[arm, 0]:
        return box, slot
    split, parts = _decision_split(program, box, arm, 0, at)
    return parts[keep_above], tree.split(slot, split)[keep_above]


class _Tops:
    """Maxima of ``w f(z) - nu z`` on any ranges; the multipliers stay."""

    def __init__(self, enveloper: Enveloper, nu: Array) -> None:
        self.program, self.nu = enveloper.program, nu
        self.lively, self.steepest = np.zeros(nu.shape, dtype=bool), np.zeros(nu.shape)
        if self.program.draws is None:
            weight = enveloper.weight
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = nu / weight
            lively = (weight > 0.0) & (slope > 0.0)
            z = self.program.curves.at_slope(np.ascontiguousarray(np.where(lively, slope, 1.0).T)).T
            self.lively, self.steepest = lively & np.isfinite(z), z

    def gain(self, z: Array) -> Array:
        """(A, H) at ``z``."""
        return np.asarray(self.program.response(z) - self.nu * z)

    def largest(self, low: Array, high: Array) -> Array:
        """(A, H) at an end, or on the concave part at the slope ``nu``."""
        best = np.maximum(self.gain(low), self.gain(high))
        if self.program.draws is None:
            inner = np.where(self.lively, np.clip(self.steepest, low, high), low)
            return np.maximum(best, self.gain(inner))
        for share in np.linspace(0.0, 1.0, 17)[1:-1]:
            best = np.maximum(best, self.gain(low + share * (high - low)))
        return best


def _pulses(program: Program) -> list[Array]:
    """Plans (A, K) of single spends, each as large as returns most per unit of money: the best one
    alone, the best two together, and so on, twice as many from plan to plan."""
    money = program.spread.sum(axis=1)
    best: list[tuple[float, int, int, float]] = []
    least = program.response(program.adstocked(program.lower)).sum(axis=1)
    shares = np.geomspace(1e-3, 1.0, _PULSES)
    for k in range(program.columns):
        reach = program.upper[:, k] - program.lower[:, k]
        tried: list[Array] = []
        for share in shares:
            u = program.lower.copy()
            u[:, k] += share * reach
            gain = program.response(program.adstocked(u)).sum(axis=1) - least
            tried.append(gain / np.maximum(share * reach * money[:, k], 1e-300))
        returns = np.where(reach > 0.0, np.stack(tried), 0.0)
        top = np.argmax(returns, axis=0)
        best += [
            (float(returns[top[a], a]), a, k, float(shares[top[a]] * reach[a]))
            for a in range(program.arms)
        ]
    plans, plan, size = [], program.lower.copy(), 1
    for count, (_, a, k, rise) in enumerate(sorted(best, reverse=True), 1):
        plan[a, k] += rise
        if count == size or count == len(best):
            plans.append(plan.copy())
            size *= 2
    return plans


@dataclass(frozen=True, slots=True, eq=False)
class _OpenBox:
    slot: int
    box: ProgramBox
    relaxed: RelaxedProgram
    on: frozenset[int]


@dataclass(slots=True, kw_only=True)
class BoxSearch(Incumbent):
    enveloper: Enveloper
    whole: ProgramBox
    patient: bool = True

    def most_cuts(self) -> int:
        """How many cuts (two nodes of the proof each) half of the time left can recheck."""
        if self.per_node <= 0.0 or not np.isfinite(self.deadline):
            return len(self.program.names) * self.program.weight.size
        left = self.deadline - work.now() - self.per_node * len(self.tree.nodes)
        return int(max(0.25 * left / self.per_node, 0.0))

    @property
    def whole_only(self) -> bool:
        """Whether a plan may be off its choices on any way uphill: flights alone can be kept to."""
        program = self.program
        fixed = bool(program.switches) and not (program.at_most or np.any(program.lot > 0.0))
        return program.discrete and not fixed

    def worth(self, theta: Array) -> Array:
        """(A, 1) what an outcome counts for, targets included."""
        return self.program.lift(theta).value[:, None]

    def relax(
        self,
        box: ProgramBox,
        gap: float,
        cutoff: float = -np.inf,
        *,
        raised: bool = False,
        touching: Array | None = None,
    ) -> RelaxedProgram:
        began = work.now()
        found = relax_program(
            self.program.raised(0.5 * MISS) if raised else self.program,
            box,
            enveloper=self.enveloper,
            touching=touching,
            gap=gap,
            cutoff=cutoff,
            patient=self.patient and touching is None,
            deadline=self.deadline,
        )
        self.slowest = max(0.8 * self.slowest, work.now() - began)
        self.iterations += found.iterations
        return found

    def offer_sides(self, box: ProgramBox) -> None:
        """The best plan on a box that takes sides on every choice: its relaxation is the truth."""
        key = b"|".join(part.tobytes() for part in (box.z_lower, box.z_upper, box.u_upper))
        if key in self.tried or self.late():
            return
        self.tried.add(key)
        box = box.tightened(self.program)
        if box.empty:
            return
        found = self.relax(box, min(1e-9, 0.01 * self.gap), self.value, raised=True)
        if found.status != "infeasible":
            self.offer(np.clip(found.u, box.u_lower, box.u_upper), found.mu, found.theta)

    def climb(self, u: Array, steps: int = _CLIMB) -> None:
        """Uphill from a plan, each response on its side of the bend: convex parts are replaced by
        their tangents, again and again (the convex-concave procedure: Yuille and Rangarajan,
        Neural Computation 15, 2003), so that targets are kept on the way."""
        program = self.program
        worth, rise = -np.inf, np.inf
        for _ in range(steps):
            key = np.round(u / max(program.scale, 1e-300), 4).tobytes()
            if key in self.tried or self.whole_only or self.late():
                return
            self.tried.add(key)
            box = sides_of(program, self.enveloper, self.whole, u).tightened(program)
            if box.empty:
                return
            at = program.adstocked(u)
            found = self.relax(box, 1e-7, raised=True, touching=at)
            if found.status not in ("optimal", "cut off"):
                return
            u = np.clip(found.u, box.u_lower, box.u_upper)
            self.offer(u, found.mu, found.theta)
            rise, worth = found.value - worth, found.value
            if rise <= 1e-7 * abs(worth) or worth + 4.0 * rise < self.value:
                return


def search_boxes(
    program: Program,
    *,
    gap: float,
    deadline: float,
    starts: tuple[Array, ...] = (),
    proposals: tuple[Array, ...] = (),
) -> Solution:
    """Solve a program without interactions to a relative ``gap``, or until ``deadline``.

    Parameters
    ----------
    deadline
        Of ``work.now``.
    starts
        Feasible plans (A, K): the answer is never worse than any of them.
    proposals
        Plans that need not be feasible: the best on the same sides is looked for.
    """
    search = BoxSearch(
        program, gap, deadline, enveloper=Enveloper(program), whole=program_box(program)
    )
    search.per_node = seconds_per_node(program)
    search.patient = program.carry.size <= _LARGE and len(program.rows.names) <= 100
    for start in starts:
        search.offer(start)
    first = _solve(search, 0, search.whole, None, frozenset(), root=True)
    if first is not None:
        for plan in (*starts, *proposals):
            search.offer_sides(sides_of(program, search.enveloper, search.whole, plan))
            search.climb(plan)
        if program.floors:
            _reach(search, first.relaxed)
    left, nodes = best_first(
        search,
        first,
        lambda node: _split(search, node),
        lambda node: node.relaxed.bound,
    )
    return search.solution(left, nodes)


def _reach(search: BoxSearch, root: RelaxedProgram) -> None:
    """Start from the best plans where targets have a price: what misses them is dear, or all."""
    program = search.program
    tasks = []
    for i in range(len(program.floors)):
        theta = np.zeros(len(program.floors))
        tasks.append(program.alone(i))
        for price in (root.theta[i], 4.0 * root.theta[i], 4.0 * program.value, program.value):
            theta[i] = price
            tasks.append(program.lifted(theta)[0])

    def near() -> bool:
        return search.best is not None and root.bound - search.value <= 0.05 * abs(search.value)

    for plan in () if near() else _pulses(program):
        search.climb(plan)
    for task in tasks:
        if near():
            return
        now = work.now()
        share = now + 0.1 * (search.deadline - now)
        found = search_boxes(task, gap=1e-2, deadline=share)
        search.iterations += found.iterations
        if found.u is not None:
            search.offer(found.u)
            search.climb(found.u)


def _solve(
    search: BoxSearch,
    slot: int,
    box: ProgramBox,
    start: RelaxedProgram | None,
    on: frozenset[int],
    *,
    root: bool = False,
) -> _OpenBox | None:
    """Relax, look for plans, cut; the proof's ``slot`` is filled. None where nothing is left."""
    relaxed = start
    for _ in range(4 if root else 2):
        box = box.tightened(search.program)
        if box.empty or (search.late() and relaxed is not None):
            break
        exact = 1e-9 if root else max(1e-9, 0.1 * search.gap)
        found = search.relax(box, exact, search.cutoff())
        if found.status == "infeasible":
            _hopeless(search, slot, found, relaxed)
            return None
        if relaxed is None or found.bound <= relaxed.bound:
            search.tree.set(slot, Leaf(found.mu, found.nu, tuple(found.theta.tolist())))
            relaxed = found
        else:  # stopped early: the plan is this box's, the bound is the one before
            kept = {name: getattr(relaxed, name) for name in ("mu", "nu", "theta", "bound")}
            relaxed = replace(found, **kept)
        if relaxed.bound <= search.cutoff():
            return None
        envelope = search.enveloper.envelope(box)
        _look(search, envelope, relaxed, root=root)
        if relaxed.bound <= search.cutoff():
            return None
        smaller, slot = _cut(
            search.tree,
            search.enveloper,
            slot,
            box,
            relaxed,
            search.cutoff(),
            search.worth(relaxed.theta),
            allowed=search.most_cuts(),
            root=root,
        )
        if smaller is box:
            break
        box = smaller
        if not _narrower(search, envelope, relaxed, box):
            break
    if box.empty or relaxed is None:
        return None
    return _OpenBox(slot, box, relaxed, on)


def _narrower(
    search: BoxSearch, envelope: ProgramEnvelope, relaxed: RelaxedProgram, box: ProgramBox
) -> bool:
    """Whether a box that was cut down is worth another relaxation.

    Where its envelopes reach as high at the plan as those before, that plan is its best as well.
    """
    program = search.program
    part = box.tightened(program)
    hair = 1e-9 * max(program.scale, 1e-300)
    z = np.clip(relaxed.z, envelope.box.z_lower, envelope.box.z_upper)
    inside = np.all((z >= part.z_lower - hair) & (z <= part.z_upper + hair))
    if part.empty or not inside:
        return True
    now = search.enveloper.envelope(part).at(np.clip(z, part.z_lower, part.z_upper))
    fall = float((search.worth(relaxed.theta) * (envelope.at(z) - now)).sum())
    return fall > 0.05 * max(relaxed.bound - search.cutoff(), 0.0)


def _hopeless(
    search: BoxSearch, slot: int, found: RelaxedProgram, before: RelaxedProgram | None
) -> None:
    """A region without plans: its multipliers, so large that the bound is below the best plan."""
    size = max(abs(search.value) if np.isfinite(search.value) else 0.0, 1.0)
    fall = abs(found.bound) if np.isfinite(found.bound) and found.bound < 0.0 else 1.0
    scale = max(1.0, 10.0 * size / max(fall, 1e-300)) if fall < size else 1.0
    mu, theta = scale * found.mu, scale * found.theta
    nu = scale * search.worth(found.theta) * found.nu
    if before is not None:
        mu, theta = mu + before.mu, theta + before.theta
        nu = nu + search.worth(before.theta) * before.nu
    whole = search.worth(theta)
    nu = nu / np.where(whole > 0.0, whole, 1.0)
    search.tree.set(slot, Leaf(mu, nu, tuple(theta.tolist())))


def _look(
    search: BoxSearch,
    envelope: ProgramEnvelope,
    relaxed: RelaxedProgram,
    *,
    root: bool,
) -> None:
    program, whole = search.program, search.whole
    search.offer(relaxed.u, relaxed.mu, relaxed.theta)
    if program.discrete:
        near = snapped(program, relaxed.u, _gains(program, relaxed))
        search.offer(near, relaxed.mu, relaxed.theta)
        search.offer_sides(sides_of(program, search.enveloper, whole, near))
        if root:
            search.climb(near)
        return
    for share in (0.5, 0.2, 0.8) if root else (0.5,):
        if relaxed.bound <= search.cutoff():
            return
        search.offer_sides(
            sides_of(program, search.enveloper, whole, relaxed.u, envelope=envelope, share=share)
        )
    search.climb(relaxed.u)
    if search.best is not None and root:
        for _ in range(5):
            before = search.value
            search.offer_sides(sides_of(program, search.enveloper, whole, search.best))
            if search.value <= before * (1.0 + 1e-9):
                break


def _split(search: BoxSearch, node: _OpenBox) -> list[_OpenBox] | None:
    """Two children; None where there is nothing to split."""
    program, box, relaxed = search.program, node.box, node.relaxed
    envelope = search.enveloper.envelope(box)
    z = np.clip(relaxed.z, box.z_lower, box.z_upper)
    value = search.worth(relaxed.theta)
    excess = value * (envelope.at(z) - program.response(z))
    excess = np.where(box.z_upper - box.z_lower > 1e-9 * np.maximum(z, 1e-300), excess, 0.0)
    torn, at_u = _torn_decisions(program, box, relaxed, value)
    small = 1e-3 * search.gap * max(abs(search.value), 1e-300) / excess.size
    small = small if np.isfinite(small) else 0.0
    kids: list[tuple[ProgramBox, frozenset[int]]]
    count = _count_choice(program, relaxed, node.on)
    if count is not None:
        off = box
        for k in range(program.columns):
            off = off.with_decision(count, k, upper=0.0)
        kids = [(off, node.on), (box, node.on | {count})]
        split: Split = SplitActive(count, 0, 0)
    elif (place := out_of_place(program, box, relaxed.u, _gains(program, relaxed))) is not None:
        split, parts = _decision_split(program, box, *place, 0.5 * program.least_active[place])
        kids = [(part, node.on) for part in parts]
    elif torn.max(initial=0.0) > max(0.0, float(excess.max(initial=0.0))):
        a, k = (int(i) for i in np.unravel_index(int(np.argmax(torn)), torn.shape))
        at = float(at_u[a, k])
        split, parts = _decision_split(program, box, a, k, at)
        kids = [(part, node.on) for part in parts]
    elif (
        excess.max(initial=0.0) <= small
        and (excess := _middle_error(program, envelope, value)).max() <= small
    ):
        return None
    elif program.columns == 1:
        a = int(np.argmax(excess.sum(axis=1)))
        low, high = float(box.u_lower[a, 0]), float(box.u_upper[a, 0])
        margin = 0.1 * (high - low)
        at = float(np.clip(relaxed.u[a, 0], low + margin, high - margin))
        split, parts = _decision_split(program, box, a, 0, at)
        kids = [(part, node.on) for part in parts]
    else:
        a, h = (int(i) for i in np.unravel_index(int(np.argmax(excess)), excess.shape))
        start = float(box.z_lower[a, h])
        stop = float(min(start + envelope.length[:-1, a, h].sum(), box.z_upper[a, h]))
        margin = 0.1 * (stop - start)
        if not start < stop:
            return None
        at = float(np.clip(z[a, h], start + margin, stop - margin))
        split = SplitArgument(a, h, at, 0, 0)
        kids = [
            (box.with_argument(a, h, upper=at), node.on),
            (box.with_argument(a, h, lower=at), node.on),
        ]
    out = []
    for slot, (part, on) in zip(search.tree.split(node.slot, split), kids, strict=True):
        child = _solve(search, slot, part, relaxed, on)
        if child is not None:
            out.append(child)
    return out
