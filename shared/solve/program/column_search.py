"""Branch and bound over the column relaxation: programs with one decision per arm.

Best first. A region's relaxation is solved by columns; where an arm mixes values that its curve
does not lie under (both sides of a minimum, two lots, the two ends of an S-curve's line) its range
is split between them. Before a split, all choices whose other side cannot reach the best plan any
more are taken out, which with many arms are nearly all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.proof import Leaf, SplitActive, SplitDecision
from shared.solve.engines.envelopes import ProgramBox, program_box
from shared.solve.program.arms import ArmFunctions, Domain
from shared.solve.program.column_branch import between, count_excess
from shared.solve.program.column_primal import fixed_sides, integer_mix, patterns, within_limits
from shared.solve.program.columns import Columns, Master, Mixed
from shared.solve.program.interior import relax_program
from shared.solve.program.recheck_time import seconds_per_node
from shared.solve.search import MISS, Incumbent, Solution, best_first

__all__ = ["search_columns"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    slot: int
    domain: Domain
    mixed: Mixed


@dataclass(slots=True, kw_only=True)
class _Search(Incumbent):
    functions: ArmFunctions
    master: Master
    root: Domain
    looks: int = 0
    per_node: float = 0.0

    def late(self) -> bool:
        """Whether all the time is needed to recheck the proof."""
        return work.now() + self.per_node * len(self.tree.nodes) >= self.deadline

    def offer(self, u: Array, mu: Array | None, theta: Array | None = None) -> None:
        """Take a plan (A,) that is better than the best, if it is allowed."""
        value = self.program.objective(u[:, None])
        if value <= self.value or not within_limits(self.program, u):
            return
        if self.program.missed(u[:, None]) > MISS:
            return
        slack = 1e-9 * max(self.program.scale, 1e-300)
        if np.all(self.root.contains(u, slack)) and self.program.violation(u[:, None]) <= 1e-8:
            self.take(u[:, None], value, mu, () if theta is None else tuple(theta.tolist()))

    def offer_pattern(self, pattern: Array) -> None:
        """The best plan on the sides that a pattern takes."""
        key = pattern.tobytes()
        if key in self.tried:
            return
        self.tried.add(key)
        domain = fixed_sides(self.functions, self.root, pattern)
        low = np.where(domain.active & ~domain.zero, domain.low, np.minimum(domain.low, pattern))
        whole = program_box(self.program)
        box = ProgramBox(low[:, None], domain.high[:, None], whole.z_lower, whole.z_upper)
        box = box.tightened(self.program)
        if box.empty:
            return
        found = relax_program(
            self.program.raised(0.5 * MISS),
            box,
            gap=min(1e-9, 0.01 * self.gap),
            cutoff=self.value,
            patient=self.best is None,
            deadline=self.deadline,
        )
        if found.status == "infeasible":
            return
        self.offer(np.clip(found.u, box.u_lower, box.u_upper)[:, 0], found.mu, found.theta)

    def nu(self, u: Array) -> Array:
        """(A, H) price of adstocked spend: the slope at a plan, where that is finite."""
        with np.errstate(invalid="ignore"):
            slopes = self.program.slopes(u[:, None])
        return np.where(np.isfinite(slopes), slopes, 0.0)


def search_columns(
    program: Program,
    *,
    gap: float,
    deadline: float,
    starts: tuple[Array, ...] = (),
    node_limit: int = 100_000,
) -> Solution:
    """Solve a program with ``columns == 1`` and without interactions to a relative ``gap``.

    Parameters
    ----------
    deadline
        Of ``work.now``.
    starts
        Feasible plans (A, 1): the answer is never worse than any of them.
    """
    functions = ArmFunctions(program)
    root = Domain.of(program)
    master = Master(program, functions, Columns(functions, root))
    search = _Search(program, gap, deadline, functions=functions, master=master, root=root)
    search.per_node = seconds_per_node(program)
    for start in starts:
        search.offer(start[:, 0], None)
        master.columns.add(np.arange(program.arms), start[:, 0])
    zero = np.zeros(len(program.rows.names))
    search.tree.leaf(zero, np.zeros(program.weight.shape))
    for start in starts:
        search.offer_pattern(root.nearest(start[:, 0]))
    first = _solve(search, 0, root, None, root=True)
    left, nodes = best_first(
        search,
        first,
        split=lambda node: _split(search, node),
        bound_of=lambda node: node.mixed.bound,
        node_limit=node_limit,
    )
    search.iterations = master.calls
    return search.solution(left, nodes, zero)


def _solve(
    search: _Search,
    slot: int,
    domain: Domain,
    known: tuple[Array, Array] | None,
    *,
    root: bool = False,
) -> _Open | None:
    """Relax, look for plans, reduce; the proof's ``slot`` is filled. None where nothing is left."""
    master = search.master
    if domain.empty:
        return None
    if known is not None:
        bound, _ = master.quick(*known, domain)
        if bound <= search.cutoff():
            return None
    mixed: Mixed | None = None
    for _ in range(6 if root else 2):
        mixed = master.solve(
            domain,
            known,
            cutoff=search.cutoff(),
            gap=0.05 * search.gap,
            deadline=search.deadline,
            patience=0.02 if root else 0.1,
        )
        if mixed is None:
            return None
        known = mixed.mu, mixed.theta
        search.tree.leaf(mixed.mu, search.nu(mixed.u), mixed.theta.tolist())
        search.tree.nodes[slot] = search.tree.nodes.pop()
        if mixed.bound <= search.cutoff():
            return None
        if search.late():
            break
        if mixed.slack <= 1e-8:
            _look(search, domain, mixed, root=root)
        if mixed.bound <= search.cutoff():
            return None
        smaller, slot = _reduce(search, slot, domain, mixed)
        if smaller is domain:
            break
        if smaller.empty:
            return None
        domain = smaller
    return None if mixed is None else _Open(slot, domain, mixed)


def _look(search: _Search, domain: Domain, mixed: Mixed, *, root: bool) -> None:
    search.offer(mixed.u, mixed.mu, mixed.theta)
    if mixed.bound <= search.cutoff():
        return
    plans = patterns(search.program, mixed, domain)
    for pattern in plans if root else plans[:2]:
        if search.late() or mixed.bound <= search.cutoff():
            return
        search.offer_pattern(pattern)
    if not search.program.discrete or mixed.bound <= search.cutoff():
        return
    # The integer programme is dear: at the root, and then ever more seldom.
    search.looks += 1
    if search.best is None or search.looks in (1, 8, 64, 512):
        left = search.deadline - work.now()
        u = integer_mix(
            search.master,
            mixed,
            domain,
            near=2,
            node_limit=500,
            deadline=search.deadline - 0.8 * left,
        )
        if u is not None:
            search.offer(u, mixed.mu, mixed.theta)
            search.offer_pattern(u)


def _reduce(search: _Search, slot: int, domain: Domain, mixed: Mixed) -> tuple[Domain, int]:
    """Take out what cannot reach the best plan: a chain of splits, one side of each a leaf."""
    if not np.isfinite(search.value):
        return domain, slot
    program, gains = search.program, mixed.gains
    room = mixed.bound - search.cutoff()  # what an arm may lose and still matter
    limited = np.zeros(program.arms, dtype=bool)
    for limit in program.at_most:
        limited[list(limit.arms)] = True
    both = domain.zero & domain.active & (domain.low > 0.0) & ~limited
    drop_zero = np.flatnonzero(both & (gains.best - gains.zero > room))
    drop_active = np.flatnonzero(both & (gains.best - gains.active > room))
    leaf = search.tree.nodes[slot]
    out = domain
    for arm in drop_zero.tolist():
        at = 0.5 * float(domain.low[arm])
        slot = _chain(search, slot, arm, at, keep_above=True, leaf=leaf)
        out = out.above(arm, at)
    for arm in drop_active.tolist():
        at = 0.5 * float(domain.low[arm])
        slot = _chain(search, slot, arm, at, keep_above=False, leaf=leaf)
        out = out.below(arm, at)
    out, slot = _count(search, slot, out, mixed, room)
    return _narrow(search, slot, out, mixed, room, ~limited & ~both)


def _count(
    search: _Search, slot: int, domain: Domain, mixed: Mixed, room: float
) -> tuple[Domain, int]:
    """Decide arms under a limit on their number: what putting one on or off costs at least."""
    limits, gains = search.program.at_most, mixed.gains
    if len(limits) != 1:
        return domain, slot
    leaf = search.tree.nodes[slot]
    arms = np.array(limits[0].arms, dtype=np.intp)
    must = domain.counted[arms] | ~domain.zero[arms]
    count = limits[0].count - int(must.sum())
    may = arms[~must & domain.active[arms]]
    extra = gains.active[may] - gains.zero[may]
    order = np.argsort(-extra, kind="stable")
    ranked = np.maximum(np.concatenate((extra[order], np.zeros(count + 2))), 0.0)
    out = domain
    for rank, k in enumerate(order.tolist()):
        arm = int(may[k])
        first = len(search.tree.nodes)
        if rank < count and extra[k] - ranked[count] > room:
            search.tree.nodes += [leaf, leaf]
            search.tree.set(slot, SplitActive(arm, first, first + 1))
            slot, out = first + 1, out.on(arm)
        elif rank >= count > 0 and ranked[count - 1] - extra[k] > room:
            search.tree.nodes += [leaf, leaf]
            search.tree.set(slot, SplitActive(arm, first, first + 1))
            slot, out = first, out.off(arm)
    if out is not domain:
        out = _full(search.program, out)
    return out, slot


def _full(program: Program, domain: Domain) -> Domain:
    """Arms beyond a limit that is used up are off."""
    out = domain
    for limit in program.at_most:
        must = domain.counted | ~domain.zero
        if sum(bool(must[a]) for a in limit.arms) >= limit.count:
            for arm in limit.arms:
                if not must[arm]:
                    out = out.off(arm)
    return out


def _narrow(
    search: _Search, slot: int, domain: Domain, mixed: Mixed, room: float, may: NDArray[np.bool_]
) -> tuple[Domain, int]:
    """Shorten the intervals of arms whose hull gets lower by it (S-shaped, on lots)."""
    functions = search.functions.lifted(mixed.theta)
    width = domain.high - domain.low
    matters = may & domain.active & (width > 0.0)
    matters &= (functions.bend() > domain.low) | (domain.lot > 0.0)
    if not np.any(matters):
        return domain, slot
    price = search.master.price(mixed.mu)
    best = functions.respond(price, domain).best
    leaf = search.tree.nodes[slot]
    out = domain
    for keep_above in (True, False):
        # The longest end piece on which no value comes near enough, by bisection.
        least, most = np.zeros(width.size), np.ones(width.size)
        for _ in range(7):
            share = 0.5 * (least + most)
            if keep_above:
                part = replace(domain, high=domain.low + share * width)
            else:
                part = replace(domain, low=domain.high - share * width)
            lost = best - functions.respond(price, part.snapped()).best > room
            least, most = np.where(lost, share, least), np.where(lost, most, share)
        for arm in np.flatnonzero(matters & (least > 0.15)).tolist():
            cut = float(least[arm] * width[arm])
            at = float(domain.low[arm] + cut if keep_above else domain.high[arm] - cut)
            slot = _chain(search, slot, arm, at, keep_above=keep_above, leaf=leaf)
            out = out.above(arm, at) if keep_above else out.below(arm, at)
    return out, slot


def _chain(
    search: _Search, slot: int, arm: int, at: float, *, keep_above: bool, leaf: object
) -> int:
    nodes = search.tree.nodes
    first = len(nodes)
    nodes += [leaf, leaf]  # type: ignore[list-item]
    search.tree.set(slot, SplitDecision(arm, 0, at, first, first + 1))
    return first + 1 if keep_above else first


def _open_still(search: _Search, node: _Open) -> bool:
    """Whether a region in which no arm mixes promises more than the best plan, looked at closely:
    near enough before that plan was known may not be now."""
    mixed = node.mixed
    mixed = (
        search.master.solve(
            node.domain,
            (mixed.mu, mixed.theta),
            cutoff=search.cutoff(),
            gap=0.05 * search.gap,
            deadline=search.deadline,
        )
        or mixed
    )
    search.tree.set(node.slot, Leaf(mixed.mu, search.nu(mixed.u), tuple(mixed.theta.tolist())))
    search.offer(mixed.u, mixed.mu, mixed.theta)
    return mixed.bound > search.cutoff()


def _split(search: _Search, node: _Open) -> list[_Open] | None:
    """Two children between the values that one arm mixes; None where no arm does."""
    mixed, domain = node.mixed, node.domain
    n = search.program.arms
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(low, mixed.arm, mixed.at)
    np.maximum.at(high, mixed.arm, mixed.at)
    functions = search.functions.lifted(mixed.theta)
    money = functions.unit_cost[mixed.arm] * mixed.at
    worth = functions.program.value * functions.brings(mixed.arm, mixed.at) - money
    hull = np.bincount(mixed.arm, weights=mixed.share * worth, minlength=n)
    torn = high > low
    allowed = domain.contains(mixed.u, 0.0)
    near = functions.value(domain.nearest(mixed.u))
    excess = np.maximum(hull - near, 0.0)
    small = 1e-4 * search.gap * abs(search.value) / n if np.isfinite(search.value) else 0.0
    # A mix that is no value of the arm's is a choice to be made, however little it promises.
    excess = np.where(torn & (~allowed | (excess > small)), excess, -np.inf)
    limited = count_excess(search.program, mixed, domain)
    arm = int(np.argmax(np.maximum(excess, limited)))
    if max(excess[arm], limited[arm]) == -np.inf:
        return None if _open_still(search, node) else []
    nodes = search.tree.nodes
    leaf = nodes[node.slot]
    first = len(nodes)
    nodes += [leaf, leaf]
    if limited[arm] > excess[arm]:
        search.tree.set(node.slot, SplitActive(arm, first, first + 1))
        parts = (domain.off(arm), domain.on(arm))
    else:
        at = between(domain, arm, float(mixed.u[arm]), float(low[arm]), float(high[arm]))
        search.tree.set(node.slot, SplitDecision(arm, 0, at, first, first + 1))
        parts = (domain.below(arm, at), domain.above(arm, at))
    out = []
    for slot, part in zip((first, first + 1), parts, strict=True):
        child = _solve(search, slot, part, (mixed.mu, mixed.theta))
        if child is not None:
            out.append(child)
    return out
