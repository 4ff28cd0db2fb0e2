"""Programs with interactions: synergy and cannibalisation between pairs of arms.

In levels of saturation the objective is linear plus products of two levels. Linearised around a
plan the products only change the weights of the responses; the concave relaxation with a line
search then climbs to a locally best plan. Around it each product is at most a sum of squares
(:mod:`shared.solve.certify.bounder`): where the curves bend down more than the squares bend up, one
leaf proves the plan the best of all, else regions are split at the adstocked spend whose term errs
most.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Proof, Split, SplitActive, SplitArgument, SplitDecision
from shared.problem.region import Region, halves, root_region
from shared.problem.repair import repair
from shared.solve.certify.bounder import Bounder
from shared.solve.engines.boxes import out_of_place
from shared.solve.engines.envelopes import Enveloper, ProgramBox, sides_of, snapped
from shared.solve.engines.interaction_levels import Levels, Regions, borne, fits, shared_out
from shared.solve.engines.interior import relax_program
from shared.solve.engines.relaxation import RelaxedProgram
from shared.solve.search import Incumbent, Solution, best_first

__all__ = ["search_interactions"]

Array = NDArray[np.float64]

_CLIMBS = 40  # linearisations of one local ascent
_ASK_S = 1e-3  # work of one bound by the certificate, by pair
_GRID = 48  # points at which a term is looked at
_SHARES = np.linspace(0.0, 1.0, _GRID) ** 1.5
_NEAR = np.array([-0.1, -0.03, -0.01, -1e-3, 1e-3, 0.01, 0.03, 0.1])  # of the range, around a point


@dataclass(frozen=True, slots=True, eq=False)
class _OpenRegion:
    slot: int
    region: Region
    leaf: Leaf
    u: Array
    z: Array
    bound: float


def search_interactions(
    program: Program,
    options: SolverOptions,
    deadline: float,
    starts: tuple[Array, ...] = (),
) -> Solution:
    """Solve a program with interactions to ``options.gap``, or until ``deadline`` (of
    ``work.now``), no worse than any of ``starts``, feasible plans (A, K)."""
    root = root_region(program)
    if root is None:
        return Solution(None, np.zeros(len(program.rows.names)), Proof(()), 0, 0, False)
    plain = replace(program, pairs=())
    enveloper = Enveloper(plain)
    search = InteractionSearch(
        program,
        options.gap,
        deadline,
        plain=plain,
        base=enveloper,
        bounder=Bounder(program, root, 1.0),
    )
    for start in starts:
        search.offer(start)
    box = _box_of(root)
    if fits(program):
        return _over_levels(search, root, starts)
    _first_plans(search, box, starts)
    size = abs(search.value) / program.value if np.isfinite(search.value) else 1.0
    size = max(size, 1e-300)
    # A search may leave a hundredth of the gap to rounding; the certificate does not.
    search.bounder = Bounder(program, root, size * max(1e8 * options.gap, 1.0))
    first = _solve(search, 0, root, None)
    left, nodes = best_first(
        search, first, lambda node: _split(search, node), lambda node: node.bound
    )
    return search.solution(left, nodes)


def _over_levels(search: InteractionSearch, root: Region, starts: tuple[Array, ...]) -> Solution:
    """The search for one budget; leaves are judged as the certificate will judge them."""
    program = search.program
    levels = Levels.of(program, search.base)
    regions = Regions(levels, search, search.ask)
    low, high = root.u_lower[:, 0], root.u_upper[:, 0]
    even = levels.even(low, high)
    for plan in (*([] if even is None else [even]), *(start[:, 0] for start in starts)):
        regions.climb(plan, low, high)
    left, nodes = regions.run(low, high)
    search.iterations = regions.climbs
    return search.solution(left, nodes)


def _first_plans(search: InteractionSearch, box: ProgramBox, starts: tuple[Array, ...]) -> None:
    """Local ascents from the relaxation at low, middling and high levels, and from known plans."""
    program = search.program
    for share in (0.5, 0.0, 1.0):
        if work.now() >= search.deadline:
            return
        z = box.z_lower + share * (box.z_upper - box.z_lower)
        for _ in range(2):
            found = search.relax(box, z, 1e-6)
            if found.status == "infeasible":
                return
            z = found.z
        _ascend(search, box, found.u)
        simple = share == 0.5 and not _bent(search, box) and not program.discrete
        if simple and _first_is_best(search, box):
            return
    for start in starts:
        if work.now() < search.deadline:
            _ascend(search, box, start)


def _first_is_best(search: InteractionSearch, box: ProgramBox) -> bool:
    """Whether squares around the best plan already prove it: no more starts are needed then."""
    root = search.bounder.root
    if search.best is None or search.prices is None:
        return False
    z = search.program.adstocked(search.best)
    nu = search.relax(box, z, 1e-9)
    size = max(abs(search.value) / search.program.value, 1e-300)
    search.bounder = Bounder(search.program, root, size)
    _, bound = search.leaf(root, z, nu.mu, nu.nu)
    return bound <= search.cutoff()


def _solve(
    search: InteractionSearch, slot: int, region: Region, parent: _OpenRegion | None
) -> _OpenRegion | None:
    """Bound a region and look for plans in it; None where nothing better can be there."""
    began = work.now()
    program, box = search.program, _box_of(region)
    if search.best is not None and parent is None:
        z = program.adstocked(search.best)
    elif parent is not None:
        z = np.clip(parent.z, box.z_lower, box.z_upper)
    else:
        z = 0.5 * (box.z_lower + box.z_upper)
    known = search.around_best(region)
    if known is not None and known[1] <= search.cutoff():
        search.tree.set(slot, known[0])
        return None
    node: _OpenRegion | None = None
    for _ in range(3):
        found = search.relax(box, z, max(1e-9, 0.01 * search.gap))
        if found.status == "infeasible":
            return _hopeless(search, slot, region, found, z, parent)
        moved = float(np.abs(found.z - z).max())
        centre = np.clip(found.z, box.z_lower, box.z_upper)
        leaf, bound = search.leaf(region, z, found.mu, found.nu)
        if known is not None and known[1] < bound:
            leaf, bound = known
        if node is None or bound < node.bound:
            node = _OpenRegion(slot, region, leaf, found.u, centre, bound)
        search.offer(found.u, found.mu)
        if bound <= search.cutoff() or moved <= 1e-3 * float(np.abs(z).max()):
            break
        z = centre
    assert node is not None
    search.tree.set(slot, node.leaf)
    if parent is None or program.discrete:
        _ascend(search, box, node.u)
    search.slowest = max(0.8 * search.slowest, work.now() - began)
    if parent is not None and parent.bound < node.bound:
        node = replace(node, bound=parent.bound)
        search.tree.set(slot, parent.leaf)
        node = replace(node, leaf=parent.leaf)
    return None if node.bound <= search.cutoff() else node


def _hopeless(
    search: InteractionSearch,
    slot: int,
    region: Region,
    found: RelaxedProgram,
    z: Array,
    parent: _OpenRegion | None,
) -> _OpenRegion | None:
    """A region that seems to hold no plan: multipliers so large that its bound says so."""
    for scale in (1.0, 10.0, 1e3, 1e6):
        leaf = Leaf(scale * found.mu, scale * found.nu)
        bound = search.bounder.bound(leaf, region)
        if bound <= search.cutoff():
            search.tree.set(slot, leaf)
            return None
    if parent is None:
        return None
    search.tree.set(slot, parent.leaf)
    return _OpenRegion(slot, region, parent.leaf, found.u, z, parent.bound)


def _split(search: InteractionSearch, node: _OpenRegion) -> list[_OpenRegion] | None:
    """Both halves of a region; None where there is nothing left to split."""
    split = whole_split(search.program, node.region, node.u)
    if split is None:
        split = _term(search, node)
    if split is None:
        return None
    out = []
    parts = halves(search.program, node.region, split)
    for slot, part in zip(search.tree.split(node.slot, split), parts, strict=True):
        if part is None:
            continue
        found = _solve(search, slot, part, node)
        if found is not None:
            out.append(found)
    return out


def _term(search: InteractionSearch, node: _OpenRegion) -> Split | None:
    """A split at the adstocked spend whose term errs most."""
    region = node.region
    found = widest_cell(
        search.program, node.leaf, search.enveloper(node.z), region.z_lower, region.z_upper,
        node.z,
    )  # fmt: skip
    if found is None:
        return None
    a, h, at = found
    if search.program.columns == 1 and search.program.weight.shape[1] == 1:
        carry = float(search.program.carry[a, h, 0])
        u = (at - float(search.program.carry_in[a, h])) / carry
        return SplitDecision(a, 0, u, 0, 0)
    return SplitArgument(a, h, at, 0, 0)


@dataclass(slots=True, kw_only=True)
class InteractionSearch(Incumbent):
    plain: Program
    base: Enveloper
    bounder: Bounder
    links: Array | None = None
    sized: bool = False
    # What rounding leaves of a bound: a plan that is worth nothing is not told from one of these.
    least: float = 0.0

    def __post_init__(self) -> None:
        top = self.program.supremum()
        reach = np.where(np.isfinite(top), top, 0.0)[:, None] * self.program.weight
        Incumbent.__post_init__(self)
        self.least = 1e-13 * self.program.value * float(reach.sum())

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""
        if not np.isfinite(self.value):
            return -np.inf
        return self.value + max(0.5 * self.gap * abs(self.value), self.least)

    def enveloper(self, z: Array) -> Enveloper:
        """Envelopes with the interactions linearised at adstocked spend ``z``."""
        other = copy.copy(self.base)
        other.weight = self.program.linear_weights(z)
        other._memory, other._hulls = [], {}
        return other

    def relax(self, box: ProgramBox, z: Array, gap: float) -> RelaxedProgram:
        found = relax_program(self.plain, box, enveloper=self.enveloper(z), gap=gap)
        self.iterations += found.iterations
        return found

    def offer(
        self,
        u: Array,
        prices: Array | None = None,
        thetas: Sequence[float] | Array = (),
        nu: Array | None = None,
    ) -> bool:
        """Take a plan (A, K) that is better than the best, if it is allowed or nearly so; ``nu``
        are prices of adstocked spend around it, where known."""
        if not Incumbent.offer(self, u, prices, thetas):
            inside = np.clip(u, self.program.lower, self.program.upper)
            if self.program.objective(inside) <= self.value:
                return False
            mended = repair(self.program, inside)
            if mended is None or not Incumbent.offer(self, mended, prices, thetas):
                return False
        self.links = nu
        return True

    def climb(self, box: ProgramBox, u: Array) -> tuple[Array, Array, Array]:
        """A locally best plan on the sides that ``u`` is on; prices (mu, nu) there."""
        program = self.program
        sides = sides_of(program, self.base, box, u).tightened(program)
        mu, nu = np.zeros(len(program.rows.names)), np.zeros(program.weight.shape)
        if sides.empty:
            return u, mu, nu
        for turn in range(_CLIMBS):
            found = self.relax(sides, program.adstocked(u), 1e-9)
            if found.status == "infeasible":
                break
            mu, nu = found.mu, found.nu
            aim = np.clip(found.u, sides.u_lower, sides.u_upper)
            old = program.objective(u) if turn else -np.inf
            taken, value = aim, program.objective(aim)
            if turn:
                taken, value = best_along(program, u, aim, old, value)
            if value < old:
                break
            moved = float(np.abs(taken - u).max())
            u = taken
            if value - old <= 1e-13 * abs(value) or moved <= 1e-9 * float(np.abs(u).max()):
                break
            if work.now() >= self.deadline:
                break
        self.offer(u, mu, nu=nu)
        return u, mu, nu

    def ask(self, leaf: Leaf, region: Region) -> float:
        """The certificate's bound of a leaf, no closer than the gap asks for."""
        if np.isfinite(self.value) and not self.sized:
            size = max(abs(self.value) / self.program.value, 1e-300)
            self.bounder = Bounder(self.program, self.bounder.root, size)
            self.sized = True
        work.charge(_ASK_S * len(self.program.pairs))
        return self.bounder.bound(leaf, region, self.cutoff())

    def leaf(self, region: Region, z: Array, mu: Array, nu: Array) -> tuple[Leaf, float]:
        """The better of squares around ``z`` and of planes, with its bound."""
        work.charge(_ASK_S * len(self.program.pairs))
        best = self.squares(region, z, mu, nu)
        bound = self.bounder.bound(best, region, self.cutoff())
        if bound > self.cutoff():
            other = Leaf(mu, nu, planes=planes_at(self.program, region, z))
            flat = self.bounder.bound(other, region, self.cutoff())
            if flat < bound:
                return other, flat
        return best, bound

    def squares(self, region: Region, z: Array, mu: Array, nu: Array) -> Leaf:
        """Squares around ``z``, shared out as the terms can bear them over the region."""
        price = arm_prices(self.program, mu, nu)
        shares = shares_at(self.program, self.enveloper(z), region, z, price)
        planes = planes_at(self.program, region, z)
        return Leaf(mu, nu, planes=planes, centres=z, shares=shares)

    def around_best(self, region: Region) -> tuple[Leaf, float] | None:
        """Squares around the best plan at its own prices; None where those are not known."""
        if self.best is None or self.prices is None or self.links is None:
            return None
        z = self.program.adstocked(self.best)
        leaf = self.squares(region, z, self.prices, self.links)
        return leaf, self.bounder.bound(leaf, region, self.cutoff())


def _ascend(search: InteractionSearch, box: ProgramBox, u: Array) -> None:
    program = search.program
    plan = u
    if program.discrete:
        near = repair(program, snapped(program, u))
        plan = u if near is None else near
    for _ in range(4):
        before = search.value
        plan, _, _ = search.climb(box, plan)
        if search.value <= before * (1.0 + 1e-9) or not _bent(search, box):
            return


def _box_of(region: Region) -> ProgramBox:
    return ProgramBox(region.u_lower, region.u_upper, region.z_lower, region.z_upper)


def _bent(search: InteractionSearch, box: ProgramBox) -> bool:
    bend = np.where(np.isfinite(search.base.bend), search.base.bend, 0.0)[:, None]
    return bool(np.any((bend > box.z_lower) & (box.z_upper > box.z_lower)))


def arm_prices(program: Program, mu: Array, nu: Array) -> Array:
    """(A, H) what a unit of adstocked spend costs, in outcome: ``nu``, but where one decision is
    one adstocked spend the money and the rows' prices."""
    if program.columns > 1 or program.weight.shape[1] > 1:
        return nu
    money = program.costs()
    money = money + (mu @ program.rows.matrix).reshape(money.shape)
    moves = program.carry[:, :, 0] > 0.0
    carry = np.where(moves, program.carry[:, :, 0], 1.0)
    return np.asarray(money / carry / max(program.value, 1e-300))


def shares_at(
    program: Program, enveloper: Enveloper, region: Region, z: Array, price: Array
) -> Array:
    """(P, H) how the squares of each interaction are best shared out around ``z``; 0 where that is
    more than terms can bear, which leaves it to planes.

    ``enveloper`` has the weights linearised at ``z``, ``price`` (A, H) is of adstocked spend, in
    outcome.
    """
    weight = enveloper.weight
    top = program.full()[:, None]
    low, high = region.z_lower, region.z_upper
    width = (high - low)[..., None]
    wide = low[..., None] + _SHARES * width
    near = np.clip(z[..., None] + _NEAR * width, low[..., None], high[..., None])
    grid = np.concatenate((wide, near), axis=2)
    ones = np.ones((weight.shape[0], 1))
    flat = enveloper.curve(grid.reshape(weight.shape[0], -1), ones)[0]
    level = flat.reshape(grid.shape) / top[..., None]
    here = (enveloper.curve(z, ones)[0] / top)[..., None]
    gain = (weight * top)[..., None] * (level - here)
    loss = price[..., None] * (grid - z[..., None]) - gain
    bear = borne(loss, level - here, np.abs(weight) * top)
    first = np.array([pair.first for pair in program.pairs])
    second = np.array([pair.second for pair in program.pairs])
    size = np.array([np.abs(p.strength * program.pair_weight(p)) for p in program.pairs])
    return shared_out(first, second, size, bear)[1]


def planes_at(program: Program, region: Region, z: Array) -> Array:
    """(P, H) for each interaction the plane that is lower at adstocked spend ``z``: 1 the first."""
    low, high, at = (program.saturation(x) for x in (region.z_lower, region.z_upper, z))
    out = []
    for pair in program.pairs:
        a, b = pair.first, pair.second
        near, far = (high[b], low[b]) if pair.strength >= 0.0 else (low[b], high[b])
        one, two = (
            pair.strength * (y * at[a] + x * at[b] - x * y)
            for x, y in ((low[a], near), (high[a], far))
        )
        out.append(np.where(one < two, 1.0, 0.0))
    return np.array(out)


def widest_cell(
    program: Program,
    leaf: Leaf,
    enveloper: Enveloper,
    low: Array,
    high: Array,
    z: Array,
) -> tuple[int, int, float] | None:
    """(arm, period, adstocked spend) to split at: where a term's bound is furthest from the plan at
    ``z``, at which ``enveloper`` has its weights; None where every range has closed."""
    weight = enveloper.weight
    arms, periods = weight.shape
    share = np.linspace(0.0, 1.0, _GRID) ** 2
    grid = low[..., None] + share * (high - low)[..., None]
    top = program.full()[:, None]
    ones = np.ones((arms, 1))
    level = enveloper.curve(grid.reshape(arms, -1), ones)[0].reshape(grid.shape) / top[..., None]
    now = enveloper.curve(z, ones)[0] / top
    curve = np.zeros(weight.shape)
    squares = leaf.shares if leaf.shares is not None else np.ones((len(program.pairs), periods))
    for pair, t in zip(program.pairs, squares, strict=True):
        size = np.abs(pair.strength * program.pair_weight(pair))
        safe = np.where(t > 0.0, t, 1.0)
        curve[pair.first] += size * safe
        curve[pair.second] += size / safe
    assert leaf.nu is not None
    price = arm_prices(program, leaf.mu, leaf.nu)
    rise = (weight * top)[..., None] * (level - now[..., None])
    rise = rise + 0.5 * curve[..., None] * (level - now[..., None]) ** 2
    rise = rise - price[..., None] * (grid - z[..., None])
    width = high - low
    lively = width > 1e-9 * np.maximum(high, 1e-300)
    best = np.where(lively, np.maximum(rise.max(axis=2), 0.0), -1.0)
    if not np.any(lively):
        return None
    if float(best.max()) <= 0.0:
        best = np.where(lively, curve * (level[..., -1] - level[..., 0]) ** 2, -1.0)
    a, h = (int(i) for i in np.unravel_index(int(best.argmax()), best.shape))
    far = float(grid[a, h, int(rise[a, h].argmax())])
    at = 0.5 * (float(z[a, h]) + far)
    edge = 0.1 * float(width[a, h])
    if abs(far - float(z[a, h])) < edge:
        at = 0.5 * float(low[a, h] + high[a, h])
    return a, h, float(np.clip(at, low[a, h] + edge, high[a, h] - edge))


def best_along(
    program: Program, u: Array, aim: Array, start: float, end: float
) -> tuple[Array, float]:
    """The best plan met on the way from ``u`` to ``aim``, by parabolas through three values."""
    best, value = aim, end
    reach = 1.0
    for _ in range(12):
        middle = program.objective(u + 0.5 * reach * (aim - u))
        bend = end - 2.0 * middle + start
        rise = 4.0 * middle - end - 3.0 * start
        share = -0.5 * rise / bend if bend < 0.0 else 0.5
        for step in (0.5 * reach, reach * min(max(share, 0.05), 1.0)):
            plan = u + step * (aim - u)
            met = program.objective(plan)
            if met > value:
                best, value = plan, met
        if value >= start:
            break
        reach, end = 0.5 * reach, middle
    return best, value


def whole_split(program: Program, region: Region, relaxed: Array) -> Split | None:
    """A split at a decision that the relaxation puts where it may not be."""
    if not program.discrete:
        return None
    slack = 1e-7 * program.scale
    u = np.clip(relaxed, region.u_lower, region.u_upper)
    short = (u > slack) & (u < program.least_active - slack)
    for a in np.flatnonzero(short.any(axis=1) & (region.active == 0)).tolist():
        return SplitActive(a, 0, 0)
    for limit in program.at_most:
        arms = [a for a in limit.arms if u[a].max() > slack]
        if len(arms) > limit.count:
            free = [a for a in arms if region.active[a] == 0]
            if free:
                return SplitActive(max(free, key=lambda a: float(u[a].max())), 0, 0)
    place = out_of_place(program, _box_of(region), u)
    if place is not None:
        return SplitDecision(*place, 0.5 * float(program.least_active[place]), 0, 0)
    lot = np.where(program.lot > 0.0, program.lot, 1.0)[:, None]
    off = np.where((program.lot > 0.0)[:, None], np.abs(u - np.round(u / lot) * lot), 0.0)
    arm, k = (int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
    if off[arm, k] > slack:
        at = float((np.floor(u[arm, k] / lot[arm, 0]) + 0.5) * lot[arm, 0])
        return SplitDecision(arm, k, at, 0, 0)
    return None
