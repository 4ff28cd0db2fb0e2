"""Plans over time with S-shaped curves: price the rows, plan each arm on its own, mix, branch.

At the rows' best prices the arms fall apart, and what their plans cannot say together is small: at
most one plan for each row is torn (Shapley and Folkman; Starr, Econometrica 37, 1969). So each arm
has a tree of its own (``price_trees``). The dual in the rows' prices is a sum over arms of convex
functions, and every plan that an arm may follow is a line below its own: lines seen so far make a
linear programme, the lowest point of which is where to price next, and the dual of that mixes plans
so that the rows hold (Dantzig and Wolfe, Operations Research 8, 1960; the step is kept short as in
a box step method, Marsten, Hogan and Blankenship, Operations Research 23, 1975). Only where that
leaves a gap is the program itself split, at what an arm spends in all: its mixed plans disagree
most about that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.problem.incumbent import allowed
from shared.problem.program import Program
from shared.problem.proof import PerArm, SplitArgument, SplitSpend
from shared.problem.region import Region, halves, root_region
from shared.problem.repair import repair
from shared.solve.engines.envelopes import program_box
from shared.solve.program.ascent import ascend
from shared.solve.program.interior import relax_program
from shared.solve.program.price_trees import ArmTrees, OpenLeaf
from shared.solve.program.relaxed import INFEASIBLE
from shared.solve.search import Incumbent, Solution, best_first

__all__ = ["falls_apart", "search_prices"]

Array = NDArray[np.float64]
_ARMS_PER_ROW = 4  # with several rows and fewer, what rows tear weighs more than what arms gain
_KEPT = 400  # plans of one arm
_LINES = 25  # of each arm that are asked, the highest at today's prices


@dataclass(frozen=True, slots=True, eq=False)
class _Advice:
    """Where to price next (m,), what the lines promise there, and the mix of plans behind it.

    ``mix`` has for each arm (share, plan (K,)), largest share first; ``leaves`` are those among
    whose plans only the relaxation believes in: split, they may give way to better prices.
    """

    mu: Array
    value: float
    mix: tuple[tuple[tuple[float, Array], ...], ...]
    leaves: tuple[OpenLeaf, ...]


@dataclass(slots=True, eq=False)
class _PlanPool:
    """Plans (K,) by arm, with what they are worth (costs taken off) and what they use of rows."""

    program: Program
    plans: list[list[Array]] = field(default_factory=list)
    worth: list[list[float]] = field(default_factory=list)
    seen: set[tuple[int, bytes]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.plans = [[] for _ in range(self.program.arms)]
        self.worth = [[] for _ in range(self.program.arms)]

    def add(self, u: Array) -> None:
        """One plan (K,) for each arm, those already here left out."""
        program = self.program
        bring = program.value * program.response(program.adstocked(u)).sum(axis=1)
        bring -= program.cost * program.spend(u).sum(axis=1)
        for a, worth in enumerate(bring.tolist()):
            key = (a, np.round(u[a] / max(program.scale, 1e-300), 7).tobytes())
            if key in self.seen or len(self.plans[a]) >= _KEPT:
                continue
            self.seen.add(key)
            self.plans[a].append(u[a].copy())
            self.worth[a].append(worth)

    def advise(
        self, trees: ArmTrees, region: Region, reach: float, around: Array
    ) -> _Advice | None:
        """The lowest point of all lines within ``reach`` (relative) of the prices ``around``."""
        program, rows = self.program, self.program.rows
        arm, plan, level, source = self._lines(trees, region)
        use = np.stack([self._use(a, u) for a, u in zip(arm.tolist(), plan, strict=True)])
        m, n = len(rows.names), program.arms
        # Prices in the unit of the largest: the steps are relative to it.
        unit = max(float(np.abs(around).max(initial=0.0)), 1e-300)
        size = np.maximum(np.abs(rows.matrix).max(axis=1, initial=0.0), 1e-300)
        unit_of = unit / size * size.max(initial=1.0)
        money = max(abs(trees.bound()), 1e-300)
        lines = np.zeros((arm.size, 2 * m + n))
        lines[:, :m] = -use * unit_of / money
        lines[:, m : 2 * m] = use * unit_of / money
        lines[np.arange(arm.size), 2 * m + arm] = -1.0
        up, down = np.isfinite(rows.upper), np.isfinite(rows.lower)
        cost = np.concatenate(
            (
                np.where(up, rows.upper, 0.0) * unit_of / money,
                -np.where(down, rows.lower, 0.0) * unit_of / money,
                np.ones(n),
            )
        )
        now = around / unit_of
        step = reach * np.maximum(np.abs(now), 0.1)
        least, most = now - step, now + step
        # mu is the difference of what an upper and a lower side charge; both are never negative.
        high = np.concatenate(
            (np.where(up, np.maximum(most, 0.0), 0.0), np.where(down, np.maximum(-least, 0.0), 0.0))
        )
        low = np.minimum(np.concatenate((np.maximum(least, 0.0), np.maximum(-most, 0.0))), high)
        bounds = [*zip(low.tolist(), high.tolist(), strict=True), *[(None, None)] * n]
        answer = highs.linprog(cost, A_ub=lines, b_ub=-level / money, bounds=bounds)
        if answer.x is None or answer.status != 0:
            return None
        mu = (answer.x[:m] - answer.x[m : 2 * m]) * unit_of
        share = np.maximum(-np.asarray(answer.ineqlin.marginals), 0.0)
        mix: list[tuple[tuple[float, Array], ...]] = []
        for a in range(n):
            own = np.flatnonzero((arm == a) & (share > 1e-9)).tolist()
            own.sort(key=lambda i: -share[i])
            mix.append(tuple((float(share[i]), plan[i]) for i in own))
        believed = [source[i] for i in np.flatnonzero(share > 1e-3).tolist()]
        leaves = tuple(leaf for leaf in believed if leaf is not None)
        return _Advice(mu, float(answer.fun) * money, tuple(mix), leaves)

    def _lines(
        self, trees: ArmTrees, region: Region
    ) -> tuple[NDArray[np.intp], list[Array], Array, list[OpenLeaf | None]]:
        """Arms, plans, levels at no price: of plans in the region, and of the open leaves."""
        program = self.program
        arm: list[int] = []
        plan: list[Array] = []
        level: list[float] = []
        source: list[OpenLeaf | None] = []
        for a in range(program.arms):
            for i in self._highest(a, trees.mu, region, _LINES):
                arm.append(a)
                plan.append(self.plans[a][i])
                level.append(self.worth[a][i])
                source.append(None)
            for leaf in sorted(trees.leaves[a], key=lambda x: -x.bound)[:_LINES]:
                for u, worth in leaf.lines:
                    arm.append(a)
                    plan.append(u)
                    source.append(leaf)
                    level.append(worth)
        return np.array(arm, dtype=np.intp), plan, np.array(level), source

    def best(self, mu: Array, region: Region, other: Array) -> Array:
        """(A, K) each arm's best plan of the region at prices ``mu``, else ``other``."""
        out = other.copy()
        for a in range(self.program.arms):
            for i in self._highest(a, mu, region, 1):
                out[a] = self.plans[a][i]
        return out

    def _highest(self, a: int, mu: Array, region: Region, most: int) -> list[int]:
        """Which of an arm's plans in the region are worth most at prices ``mu``."""
        program = self.program
        if not self.plans[a]:
            return []
        slack = 1e-9 * max(program.scale, 1e-300)
        u = np.stack(self.plans[a])
        z = u @ program.carry[a].T + program.carry_in[a]
        inside = np.all((z >= region.z_lower[a] - slack) & (z <= region.z_upper[a] + slack), axis=1)
        if region.spent is not None:
            money = u @ program.spread[a].sum(axis=0)
            inside &= (money >= region.spent[0, a] - slack) & (money <= region.spent[1, a] + slack)
        level = np.array(self.worth[a]) - u @ (mu @ program.rows.matrix).reshape(-1, u.shape[1])[a]
        order = np.argsort(np.where(inside, -level, np.inf), kind="stable")
        return [int(i) for i in order[: min(most, int(inside.sum()))]]

    def _use(self, a: int, u: Array) -> Array:
        """(m,) what an arm's plan uses of each row."""
        k = self.program.columns
        return np.asarray(self.program.rows.matrix[:, a * k : (a + 1) * k] @ u)


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    slot: int
    region: Region
    trees: ArmTrees
    advice: _Advice | None


@dataclass(slots=True, eq=False, kw_only=True)
class _Search(Incumbent):
    pool: _PlanPool

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""
        return self.value + 0.7 * self.gap * abs(self.value) if np.isfinite(self.value) else -np.inf

    def offer(self, u: Array, mu: Array | None) -> None:
        """Take a plan (A, K) that is better than the best, if it is allowed."""
        inside = np.clip(u, self.program.lower, self.program.upper)
        value = self.program.objective(inside)
        if not allowed(self.program, inside):
            return
        self.pool.add(inside)
        if value > self.value:
            self.take(inside, value, mu)

    def climb(self, u: Array, mu: Array) -> None:
        """The local best from a plan that need not keep the rows; each start once."""
        key = np.round(u / max(self.program.scale, 1e-300), 4).tobytes()
        if key in self.tried or self.late():
            return
        self.tried.add(key)
        near = repair(self.program, np.clip(u, self.program.lower, self.program.upper))
        if near is not None:
            self.offer(near, mu)
        found = ascend(self.program, u, mu, deadline=self.deadline)
        if found is not None:
            self.offer(*found)


def falls_apart(program: Program) -> bool:
    """Whether nothing but a few rows ties arms together, and each has several periods to plan."""
    return (
        program.columns > 1
        and program.draws is None
        and not program.curves.tables
        and not program.discrete
        and not program.pairs
        and program.value > 0.0
        and bool(np.all(program.weight >= 0.0))
        and (
            len(program.rows.names) == 1
            or 0 < _ARMS_PER_ROW * len(program.rows.names) <= program.arms
        )
    )


def search_prices(
    program: Program,
    *,
    gap: float,
    deadline: float,
    starts: tuple[Array, ...] = (),
    node_limit: int = 100_000,
) -> Solution | None:
    """Solve a program that :func:`falls_apart` to a relative ``gap``, or until ``deadline``.

    None where its relaxation has no plan: others say why.

    Parameters
    ----------
    deadline
        Of ``work.now``.
    starts
        Feasible plans (A, K): the answer is never worse than any of them.
    """
    search = _Search(program, gap, deadline, pool=_PlanPool(program))
    region = root_region(program)
    if region is None:
        return None
    relaxed = relax_program(
        program, program_box(program), gap=1e-6, patient=False, deadline=deadline
    )
    if relaxed.status == INFEASIBLE:
        return None
    search.iterations += relaxed.iterations
    search.tree.leaf(relaxed.mu, relaxed.nu)
    for start in starts:
        search.offer(start, None)
    search.climb(relaxed.u, relaxed.mu)
    trees = ArmTrees.planted(program, region, relaxed.mu, relaxed.nu, deadline)
    trees.relax([leaf for own in trees.leaves for leaf in own])
    first = _settled(search, 0, region, trees, root=True)
    left, nodes = best_first(
        search,
        first,
        lambda node: _split(search, node),
        lambda node: node.trees.bound(),
        node_limit,
    )
    return search.solution(left, nodes, relaxed.mu)


def _settled(
    search: _Search, slot: int, region: Region, trees: ArmTrees, *, root: bool = False
) -> _Open | None:
    """The best prices for a region, and plans from them; None where nothing better is in it."""
    before = trees.iterations
    least = trees
    reach, advice = 0.3, None
    for turn in range(12 if root else 5):
        _grow(search, trees, np.inf if turn == 0 else least.bound())
        search.pool.add(trees.plans)
        if turn == 0 or trees.bound() <= least.bound():
            least, reach = trees, min(2.0 * reach, 0.5)
        else:
            reach *= 0.4
        search.tree.set(slot, PerArm(least.mu, tuple(tuple(own) for own in least.nodes)))
        if least.bound() <= search.cutoff() or search.late():
            break
        found = search.pool.advise(trees, region, reach, least.mu)
        if found is None:
            break
        advice = found
        if root or turn == 0:
            _mixed(search, advice, most=4 if root else 1)
        left = least.bound() - search.cutoff()
        if left <= 0.0:
            break
        trees = _moved(search, trees, region, advice.mu)
        finite = np.isfinite(search.value)
        small = max(0.05 * search.gap * abs(search.value), 0.06 * left) if finite else 0.0
        if least.bound() - advice.value <= small:
            # Where only the relaxation believes in a plan that holds the prices, it has to go.
            own = {(x.arm, x.slot) for x in advice.leaves if x.bound - x.worth > 0.1 * left}
            again = [x for each in trees.leaves for x in each if (x.arm, x.slot) in own]
            slack = np.full(search.program.arms, _slack(search))
            if not (again and trees.grow(slack, len(again), again)):
                break
    search.iterations += trees.iterations - before
    if least.bound() <= search.cutoff():
        return None
    return _Open(slot, region, least, advice)


def _moved(search: _Search, trees: ArmTrees, region: Region, mu: Array) -> ArmTrees:
    return trees.moved(mu, _slack(search), search.pool.best(mu, region, trees.plans))


def _slack(search: _Search) -> float:
    size = abs(search.value) if np.isfinite(search.value) else 0.0
    return 0.1 * search.gap * size / search.program.arms


def _grow(search: _Search, trees: ArmTrees, known: float) -> None:
    """Split leaves until the arms are settled, or the region is out of the running.

    Far from the best prices a rough bound will do: the larger the gap, the sooner it stops; and
    prices that cannot do better than a bound that is ``known`` are given up.
    """
    for _ in range(8 if known == np.inf else 60):
        excess = float(np.maximum(trees.bounds() - trees.worth, 0.0).sum())
        left = trees.bound() - search.cutoff()
        if left <= 0.0 or search.late():
            return
        enough = max(0.2 * search.gap * abs(search.value), 0.15 * min(left, abs(search.value)))
        if excess <= enough or trees.bound() - excess >= known - 0.05 * left:
            return
        slack = max(_slack(search), 0.2 * enough / search.program.arms)
        trees.fine = 0.5 * slack
        if not trees.grow(np.full(search.program.arms, slack), 24):
            return


def _mixed(search: _Search, advice: _Advice, most: int) -> None:
    """Climb from plans that take one of the mixed plans for each arm, the likeliest first."""
    torn = [a for a, each in enumerate(advice.mix) if len(each) > 1 and each[1][0] > 0.02]
    torn.sort(key=lambda a: advice.mix[a][0][0])
    plan = search.program.lower.copy()
    for a, each in enumerate(advice.mix):
        if each:
            plan[a] = each[0][1]
    mean = plan.copy()
    for a in torn:
        mean[a] = sum(share * u for share, u in advice.mix[a])
    choices = sorted(
        product(*(range(min(len(advice.mix[a]), 3)) for a in torn[:4])),
        key=lambda pick: (
            -float(np.prod([advice.mix[a][i][0] for a, i in zip(torn[:4], pick, strict=True)]))
        ),
    )
    for pick in choices[:most]:
        start = plan.copy()
        for a, i in zip(torn[:4], pick, strict=True):
            start[a] = advice.mix[a][i][1]
        search.climb(start, advice.mu)
    search.climb(mean, advice.mu)


def _split(search: _Search, node: _Open) -> list[_Open] | None:
    """Two children, apart where an arm's mixed plans disagree most; None where none do."""
    program = search.program
    if node.advice is None:
        return None
    split = _disagreement(program, node)
    if split is None:
        return None
    proof = search.tree.nodes[node.slot]
    first = len(search.tree.nodes)
    search.tree.nodes += [proof, proof]
    split = replace(split, below=first, above=first + 1)
    search.tree.set(node.slot, split)
    out = []
    for slot, part in zip((first, first + 1), halves(program, node.region, split), strict=True):
        if part is None:
            continue
        child = _settled(search, slot, part, node.trees.within(split.arm, part, _slack(search)))
        if child is not None:
            out.append(child)
    return out


def _disagreement(program: Program, node: _Open) -> SplitSpend | SplitArgument | None:
    """Where an arm's mixed plans are furthest apart: in what they spend, else in some period.

    Two plans that a price cannot choose between differ in how much they spend. Kept to either side
    of the mean, an arm is worth less than the mix, whatever it does in which period.
    """
    assert node.advice is not None
    worst, out = 0.0, None
    for a, each in enumerate(node.advice.mix):
        if len(each) < 2:
            continue
        share = np.array([s for s, _ in each])
        plans = np.stack([u for _, u in each])
        money = plans @ program.spread[a].sum(axis=0)
        mean = float(share @ money / share.sum())
        score = float(share @ np.abs(money - mean)) * float(node.trees.push[a].max())
        if score > worst and np.ptp(money) > 1e-6 * program.scale:
            margin = 0.1 * float(np.ptp(money))
            at = float(np.clip(mean, money.min() + margin, money.max() - margin))
            worst, out = score, SplitSpend(a, at, 0, 0)
    if out is not None:
        return out
    # No two plans: what holds the bound up is a plan that only the relaxation believes in.
    torn = [x for own in node.trees.leaves for x in own if x.split and x.bound > x.worth]
    if not torn:
        return None
    leaf = max(torn, key=lambda x: x.bound - node.trees.worth[x.arm])
    assert leaf.split is not None
    return SplitArgument(leaf.arm, *leaf.split, 0, 0)
