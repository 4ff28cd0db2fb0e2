"""Plans over time with S-shaped curves: price the rows, plan each arm on its own, mix, branch.

At the rows' best prices the arms fall apart, and at most one plan for each row is torn (Shapley and
Folkman; Starr, Econometrica 37, 1969). So each arm has a tree of its own. The dual in the rows'
prices is a sum over arms, and every plan that an arm may follow is a line below its own: the lowest
point of the lines is where to price next, and the dual of that mixes plans so that the rows hold
(Dantzig and Wolfe, Operations Research 8, 1960; short steps as in Marsten, Hogan and Blankenship,
ibid. 23, 1975). Only where that leaves a gap is the program split, at what an arm spends in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.problem.incumbent import allowed
from shared.problem.program import Program, Rows
from shared.problem.proof import (
    ArmLeaf,
    ArmNode,
    Leaf,
    PerArm,
    SplitArgument,
    SplitDecision,
    SplitSpend,
)
from shared.problem.region import Region, alone, halves, root_region
from shared.problem.repair import repair
from shared.solve.engines.envelopes import Enveloper, ProgramBox, program_box
from shared.solve.engines.interior import relax_program
from shared.solve.engines.relaxation import INFEASIBLE
from shared.solve.search import Incumbent, Solution, best_first

__all__ = ["ArmTrees", "ascend", "falls_apart", "search_prices"]

Array = NDArray[np.float64]
_ROUNDS = 6
_EVALUATION_S = 1e-4
_STEEP = 1e6  # slopes in units of the money at stake: at nothing some curves are infinitely steep
_MOST = 1e300
_LEAF_LINES = 8  # of a leaf that are remembered
_ROUNDING = 4e-14  # relative, of one bound
_TOGETHER = 80_000  # links of carryover that are relaxed in one run
_ARMS_PER_ROW = 4  # with several rows and fewer, what rows tear weighs more than what arms gain
_KEPT = 400  # plans of one arm
_LINES = 25  # of each arm that are asked, the highest at today's prices


# The nearest local best of a program without whole choices: augmented Lagrangian over L-BFGS-B
# (Conn, Gould and Toint, SIAM J. Numerical Analysis 28, 1991; Byrd, Lu, Nocedal and Zhu, SIAM J.
# Scientific Computing 16, 1995).


def ascend(
    program: Program, u: Array, mu: Array, *, deadline: float = np.inf
) -> tuple[Array, Array] | None:
    """A plan (A, K) that keeps all rules, uphill from ``u`` (which need not keep the rows), and the
    rows' prices (m,) there, from ``mu``; None where no plan is near."""
    from scipy.optimize import Bounds, minimize

    rows, unit = program.rows, max(program.scale, 1e-300)
    begin = np.clip(u, program.lower, program.upper)
    # From nearly nothing, the most there is tells what sizes matter.
    most = abs(program.objective(program.upper))
    money = max(abs(program.objective(begin)), 1e-3 * most) or 1.0
    # All in units of the money at stake and of the outcome that it brings.
    size = np.maximum(np.abs(rows.matrix).max(axis=1, initial=0.0), 1e-300)
    low, high = rows.lower / size / unit, rows.upper / size / unit
    price = mu * size * unit / money
    stiff = np.full(price.shape, 10.0)
    bounds = Bounds(program.lower.ravel() / unit, program.upper.ravel() / unit)
    x = begin.ravel() / unit

    def lack(product: Array) -> Array:
        """How far shifted row values are outside of their ends."""
        shifted = product + price / stiff
        return np.asarray(np.where(shifted > high, shifted - high, np.minimum(shifted - low, 0.0)))

    cost = program.costs()

    def loss(x: Array) -> tuple[float, Array]:
        work.charge(_EVALUATION_S)
        plan = np.clip(x.reshape(u.shape) * unit, program.lower, program.upper)
        off = lack((rows.matrix @ x) / size)
        z = np.matmul(program.carry, plan[:, :, None])[:, :, 0] + program.carry_in
        gain = program.value * float(program.response(z).sum()) - float((cost * plan).sum())
        steep = np.minimum(program.slopes_at(z), _MOST)  # carried nowhere, inf would be no number
        with np.errstate(over="ignore"):
            rise = np.matmul(steep[:, None, :], program.carry)[:, 0, :]
            slope = (cost - program.value * rise).ravel() * (unit / money)
        slope = np.clip(slope, -_STEEP, _STEEP)
        penalty = 0.5 * float((stiff * off * off).sum())
        return penalty - gain / money, slope + ((stiff * off) / size) @ rows.matrix

    climb: Any = minimize
    before = np.inf
    for turn in range(_ROUNDS):
        options = {"maxiter": 150 if turn else 60, "maxcor": 15, "ftol": 1e-10, "gtol": 1e-8}
        found = climb(loss, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        x = np.asarray(found.x)
        product = (rows.matrix @ x) / size
        price = stiff * lack(product)
        miss = float(np.maximum(product - high, low - product).max(initial=0.0))
        if miss < 1e-6 or work.now() > deadline:
            break
        if miss > 0.25 * before:
            stiff = stiff * 5.0
        before = miss
    plan = repair(program, x.reshape(u.shape) * unit)
    return None if plan is None else (plan, price / size / unit * money)


# Programs with their rows priced: one search tree for each arm, all arms in one relaxation. An
# S-curve with carryover is torn only where it changes from quiet to loud, so a few leaves settle
# one arm. Leaves of every arm stand side by side as the arms of one larger program without rows.


@dataclass(slots=True, eq=False)
class OpenLeaf:
    """A leaf of one arm's tree: its region, its prices (H,), what they prove, and where it is torn.

    ``money`` prices what the arm spends in all. ``bound`` is of value less the rows' prices; ``u``
    (K,) is the relaxation's plan, ``worth`` what that is really worth, ``torn`` by how much the
    relaxation overstates its worst response. ``lines`` are plans with what the relaxation makes
    them worth at no price of the rows.
    """

    arm: int
    slot: int
    region: Region
    nu: Array
    bound: float
    u: Array
    worth: float = -np.inf
    torn: float = np.inf
    split: tuple[int, float] | None = None
    money: float = 0.0
    lines: list[tuple[Array, float]] = field(default_factory=list)

    @property
    def missed(self) -> float:
        """By how much the relaxation's plan misses what the prices prove: 0 where both are best."""
        return self.bound - self.worth - self.torn

    def node(self) -> ArmLeaf:
        """As the proof says it."""
        return ArmLeaf(self.nu, self.money)


@dataclass(slots=True, eq=False)
class ArmTrees:
    """All arms' trees at one ``mu`` (m,); ``plans`` (A, K) are the best met, worth ``worth``. After
    ``deadline`` no leaf is relaxed any more; what is less than ``fine`` does not matter."""

    program: Program
    mu: Array
    leaves: list[list[OpenLeaf]]
    nodes: list[list[ArmNode]]
    plans: Array
    worth: Array
    calls: int = 0
    iterations: int = 0
    deadline: float = np.inf
    fine: float = 0.0
    push: Array = field(init=False)

    def __post_init__(self) -> None:
        self.push = _push(self.program, self.mu)

    @classmethod
    def planted(
        cls, program: Program, region: Region, mu: Array, nu: Array, deadline: float = np.inf
    ) -> ArmTrees:
        """One leaf for each arm."""
        worth = np.full(program.arms, -np.inf)
        trees = cls(program, mu, [], [], program.lower.copy(), worth, deadline=deadline)
        for a in range(program.arms):
            leaf = OpenLeaf(a, 0, region.alone(a), nu[a], np.inf, region.u_lower[a])
            trees.leaves.append([leaf])
            trees.nodes.append([ArmLeaf(nu[a])])
        trees.offer(region.u_lower)
        return trees

    def bounds(self) -> Array:
        """(A,) the most that each arm can be worth."""
        return np.array([max((x.bound for x in own), default=-np.inf) for own in self.leaves])

    def rows_value(self) -> float:
        """What the rows' prices add to the arms."""
        rows, mu = self.program.rows, self.mu
        side = np.where(mu > 0.0, rows.upper, np.where(mu < 0.0, rows.lower, 0.0))
        return float((mu * side).sum())

    def bound(self) -> float:
        """No plan has a higher objective."""
        return self.rows_value() + float(self.bounds().sum())

    def offer(self, u: Array) -> None:
        """Plans (A, K) of which each arm keeps its own where that is worth more."""
        worth = _worth(self.program, u, self.push)
        better = worth > self.worth
        self.plans = np.where(better[:, None], u, self.plans)
        self.worth = np.where(better, worth, self.worth)

    def moved(self, mu: Array, slack: float, plans: Array | None = None) -> ArmTrees:
        """The same trees at other prices; ``plans`` (A, K) are known to be good there. Leaves
        within ``slack`` of the top are relaxed anew, the rest keep their own prices."""
        other = ArmTrees(
            self.program,
            mu,
            [[replace(leaf, lines=list(leaf.lines)) for leaf in own] for own in self.leaves],
            [list(own) for own in self.nodes],
            self.plans if plans is None else plans,
            np.full(self.program.arms, -np.inf),
            self.calls,
            self.iterations,
            self.deadline,
            slack,
        )
        other.offer(other.plans)
        every = [leaf for own in other.leaves for leaf in own]
        for leaf in every:
            leaf.bound = np.inf
        other._keep(every, [leaf.nu for leaf in every], [leaf.money for leaf in every])
        other.relax([leaf for leaf in every if leaf.bound > other.worth[leaf.arm] + slack])
        return other

    def within(self, arm: int, region: Region, slack: float) -> ArmTrees:
        """The same trees where one arm keeps to a part of its region; regions are derived again
        from the top, in the order of whoever checks the proof."""
        plans, row = self.plans.copy(), region.alone(arm)
        leaves = [[replace(leaf, lines=list(leaf.lines)) for leaf in own] for own in self.leaves]
        nodes = [list(own) for own in self.nodes]
        before = {leaf.slot: leaf for leaf in leaves[arm]}
        own = alone(self.program, arm)
        kept: list[OpenLeaf] = []
        walk = [(0, row)]
        while walk:
            slot, part = walk.pop()
            node = nodes[arm][slot]
            if isinstance(node, SplitArgument | SplitDecision):
                sides = zip((node.below, node.above), halves(own, part, node), strict=True)
                walk += [(child, side) for child, side in sides if side is not None]
                continue
            old = before.get(slot)
            u = np.clip(plans[arm] if old is None else old.u, part.u_lower[0], part.u_upper[0])
            top = np.inf if old is None else old.bound
            leaf = OpenLeaf(arm, slot, part, node.nu, top, u, money=node.money)
            leaf.lines = (
                [] if old is None else [x for x in old.lines if self._spends(part, arm, x[0])]
            )
            kept.append(leaf)
        leaves[arm] = kept
        z = self.program.adstocked(plans)[arm]
        hair = 1e-9 * max(self.program.scale, 1e-300)
        worth = self.worth.copy()
        outside = np.any((z < row.z_lower - hair) | (z > row.z_upper + hair))
        if outside or not self._spends(row, arm, plans[arm]):
            worth[arm] = -np.inf
        other = replace(self, leaves=leaves, nodes=nodes, plans=plans, worth=worth, fine=slack)
        if kept:
            other._keep(kept, [leaf.nu for leaf in kept], [leaf.money for leaf in kept])
            # A leaf whose plan the region has lost is relaxed anew even where it is no better than
            # the best plan: at other prices it would be.
            other.relax(
                [
                    leaf
                    for leaf in kept
                    if leaf.bound > worth[arm] + slack or not self.spends_within(leaf)
                ]
            )
        return other

    def spends_within(self, leaf: OpenLeaf) -> bool:
        """Whether a leaf's plan spends what its region allows."""
        return self._spends(leaf.region, leaf.arm, leaf.u)

    def _spends(self, region: Region, arm: int, u: Array) -> bool:
        if region.spent is None:
            return True
        hair = 1e-6 * max(self.program.scale, 1e-300)
        money = float((self.program.spread[arm].sum(axis=0) * u).sum())
        return bool(region.spent[0, 0] - hair <= money <= region.spent[1, 0] + hair)

    def relax(self, leaves: Sequence[OpenLeaf]) -> None:
        """Better prices for some leaves, plans from them, and where to split them."""
        each = max(_TOGETHER // self.program.carry[0].size, 4)
        for i in range(0, len(leaves), each):
            todo = [list(leaves[i : i + each])]
            while todo:
                if work.now() >= self.deadline:
                    return
                some = todo.pop()
                self._relax(some)
                # One that is hardly there leads the interior point astray, and all others with it.
                astray = [x for x in some if x.missed > max(2.0 * self.fine, 1e-8 * abs(x.bound))]
                astray = [x for x in astray if x.bound > self.worth[x.arm] + self.fine]
                if len(astray) < len(some):
                    todo += [astray] if astray else []
                elif len(some) > 1:
                    half = len(some) // 2
                    todo += [some[:half], some[half:]]

    def _relax(self, leaves: Sequence[OpenLeaf]) -> None:
        sides, limited = self._beside(leaves)
        box = ProgramBox(
            np.stack([x.region.u_lower[0] for x in leaves]),
            np.stack([x.region.u_upper[0] for x in leaves]),
            np.stack([x.region.z_lower[0] for x in leaves]),
            np.stack([x.region.z_upper[0] for x in leaves]),
        ).tightened(sides)
        low, high = np.minimum(box.u_lower, box.u_upper), box.u_upper
        box = ProgramBox(low, high, np.minimum(box.z_lower, box.z_upper), box.z_upper)
        enveloper = Enveloper(sides)
        found = relax_program(
            sides, box, enveloper=enveloper, gap=1e-8, patient=False, deadline=self.deadline
        )
        self.calls, self.iterations = self.calls + 1, self.iterations + found.iterations
        envelope = enveloper.envelope(box)
        # A leaf that is hardly there may lead the interior point astray; its old prices stay valid.
        u = np.where(np.isfinite(found.u), found.u, box.u_lower)
        u = np.maximum(np.clip(u, box.u_lower, box.u_upper), 0.0)
        z = np.maximum(np.clip(sides.adstocked(u), box.z_lower, box.z_upper), 0.0)
        excess = sides.value * (envelope.at(z) - sides.response(z))
        excess = np.where(box.z_upper - box.z_lower > 1e-9 * np.maximum(z, 1e-300), excess, 0.0)
        worth = _worth(sides, u, sides.spread[:, 0])
        line = envelope.length[:-1].sum(axis=0)
        money = np.zeros(len(leaves))
        money[limited] = np.nan_to_num(found.mu, posinf=0.0, neginf=0.0)
        nu = np.nan_to_num(found.nu, posinf=0.0, neginf=0.0)
        self._keep(leaves, list(nu), money.tolist())
        rows = (self.mu @ self.program.rows.matrix).reshape(self.program.lower.shape)
        charged = [float((rows[x.arm] * u[i]).sum()) for i, x in enumerate(leaves)]
        for i, leaf in enumerate(leaves):
            leaf.u, leaf.worth = u[i], float(worth[i])
            h = int(np.argmax(excess[i]))
            start = float(box.z_lower[i, h])
            stop = float(min(start + line[i, h], box.z_upper[i, h]))
            margin = 0.1 * (stop - start)
            leaf.torn = float(excess[i].sum())
            leaf.split = None
            if leaf.missed <= leaf.torn + self.fine and self.spends_within(leaf):
                leaf.lines = [
                    *leaf.lines[1 - _LEAF_LINES :],
                    (u[i], worth[i] + leaf.torn + charged[i]),
                ]
            if excess[i, h] > 0.0 and start < stop:
                leaf.split = h, float(np.clip(z[i, h], start + margin, stop - margin))
            if leaf.worth > self.worth[leaf.arm] and self.spends_within(leaf):
                self.worth[leaf.arm] = leaf.worth
                self.plans[leaf.arm] = leaf.u

    def grow(self, slack: Array, most: int, also: Sequence[OpenLeaf] = ()) -> int:
        """Split the leaves that stand out furthest above their arm's best plan, and ``also``
        others; how many are new."""
        chosen = [x for x in also if x.split and x.bound > x.worth + slack[x.arm]]
        if chosen:
            return self._divide(chosen, slack, keen=True)
        above = [
            [x for x in own if x.split and x.bound > self.worth[a] + slack[a]]
            for a, own in enumerate(self.leaves)
        ]
        # Many at once: a run of the interior point costs little more for more leaves.
        each = max(most // max(sum(map(bool, above)), 2), 1)
        for own in above:
            chosen += sorted(own, key=lambda x: -x.bound)[:each]
        chosen.sort(key=lambda x: self.worth[x.arm] + slack[x.arm] - x.bound)
        return self._divide(chosen[:most], slack)

    def _divide(self, chosen: list[OpenLeaf], slack: Array, *, keen: bool = False) -> int:
        """Put two leaves in the place of each; ``keen``: relax them however low they are."""
        kids: list[OpenLeaf] = []
        for leaf in chosen:
            assert leaf.split is not None
            h, at = leaf.split
            nodes = self.nodes[leaf.arm]
            first = len(nodes)
            nodes += [leaf.node(), leaf.node()]
            split = SplitArgument(0, h, at, first, first + 1)
            nodes[leaf.slot] = split
            self.leaves[leaf.arm].remove(leaf)
            parts = halves(alone(self.program, leaf.arm), leaf.region, split)
            for slot, part in zip((first, first + 1), parts, strict=True):
                if part is not None:
                    u = np.clip(leaf.u, part.u_lower[0], part.u_upper[0])
                    kid = OpenLeaf(leaf.arm, slot, part, leaf.nu, leaf.bound, u, money=leaf.money)
                    kids.append(kid)
        for kid in kids:
            self.leaves[kid.arm].append(kid)
        if kids:
            self._keep(kids, [kid.nu for kid in kids], [kid.money for kid in kids])
            self.relax([x for x in kids if keen or x.bound > self.worth[x.arm] + slack[x.arm]])
        return len(kids)

    def _beside(self, leaves: Sequence[OpenLeaf]) -> tuple[Program, list[int]]:
        """The leaves as arms of one program; what the rows charge is its cost. And which of them
        are limited in what they spend: those have a row each."""
        program = self.program
        at = np.array([leaf.arm for leaf in leaves], dtype=np.intp)
        count, columns = at.size, program.columns
        limits = [
            (i, x.region.spent[:, 0])
            for i, x in enumerate(leaves)
            if x.region.spent is not None and _limited(x.region)
        ]
        limited = [i for i, _ in limits]
        matrix = np.zeros((len(limited), count, columns))
        matrix[np.arange(len(limited)), limited] = program.spread[at[limited]].sum(axis=1)
        ends = np.array([each for _, each in limits]).reshape(-1, 2)
        rows = Rows(
            matrix.reshape(len(limited), count * columns),
            np.where(ends[:, 0] > 0.0, ends[:, 0], -np.inf),
            ends[:, 1],
            tuple(map(str, limited)),
        )
        none = np.zeros((count, columns))
        sides = replace(
            program,
            names=tuple(map(str, range(count))),
            lower=program.lower[at],
            upper=program.upper[at],
            least_active=none,
            lower_by=("",) * count,
            upper_by=("",) * count,
            lot=np.zeros(count),
            rows=rows,
            spread=self.push[at][:, None, :],
            cost=1.0,
            fee=None,
            discount=None,
            carry=program.carry[at],
            carry_in=program.carry_in[at],
            weight=program.weight[at],
            curves=program.curves.take(at),
            current=None,
        )
        return sides, limited

    def _keep(
        self, leaves: Sequence[OpenLeaf], nu: Sequence[Array], money: Sequence[float]
    ) -> None:
        """Give leaves these prices of adstocked spend and money where they prove more. Prices a
        hair lower gain nothing anywhere, so those are tried too."""
        program = self.program
        at = np.array([leaf.arm for leaf in leaves], dtype=np.intp)
        spent = np.array(
            [(0.0, np.inf) if x.region.spent is None else x.region.spent[:, 0] for x in leaves]
        )
        extra = np.array(money)
        extra = np.where(np.isfinite(spent[:, 1]), extra, np.minimum(extra, 0.0))
        push = self.push[at] + extra[:, None] * program.spread[at].sum(axis=1)
        side = np.where(extra > 0.0, spent[:, 1], spent[:, 0])
        side = np.multiply(extra, side, out=np.zeros(extra.size), where=extra != 0.0)
        price, carry = np.stack(nu), program.carry[at]
        inner = program.value * np.einsum("lh,lhk->lk", price, carry)
        tight = (inner > push) & (push > 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(tight, push / inner, 1.0).min(axis=1)
        lowered = price * share[:, None]
        first, second = (self._prove(leaves, at, each, push) + side for each in (price, lowered))
        best, prices = (
            np.minimum(first, second),
            np.where((second < first)[:, None], lowered, price),
        )
        for leaf, top, own, paid in zip(leaves, best.tolist(), prices, extra.tolist(), strict=True):
            if top < leaf.bound:
                leaf.bound, leaf.nu, leaf.money = top, own, paid
            self.nodes[leaf.arm][leaf.slot] = leaf.node()

    def _prove(
        self, leaves: Sequence[OpenLeaf], at: NDArray[np.intp], nu: Array, push: Array
    ) -> Array:
        program, value = self.program, self.program.value
        low, high = (
            np.stack([getattr(x.region, n)[0] for x in leaves]) for n in ("u_lower", "u_upper")
        )
        gain = value * np.einsum("lh,lhk->lk", nu, program.carry[at]) - push
        total = np.maximum(gain * low, gain * high).sum(axis=1)
        total = total + value * (nu * program.carry_in[at]).sum(axis=1)
        # What the certificate adds for rounding: wild prices are worth nothing, whatever they say.
        inner = value * np.einsum("lh,lhk->lk", np.abs(nu), program.carry[at])
        size = ((inner + np.abs(push)) * high).sum(axis=1)
        start, stop = (
            np.stack([getattr(x.region, n)[0] for x in leaves]) for n in ("z_lower", "z_upper")
        )
        weight, curves = program.weight[at], program.curves.take(at)

        def worth(z: Array) -> Array:
            return np.asarray(weight * curves.value(np.ascontiguousarray(z.T)).T - nu * z)

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = nu / weight
            lively = (weight > 0.0) & (slope > 0.0)
            inner = curves.at_slope(np.ascontiguousarray(np.where(lively, slope, 1.0).T)).T
        inner = np.where(lively & np.isfinite(inner), np.clip(inner, start, stop), start)
        best = np.maximum(np.maximum(worth(start), worth(stop)), worth(inner))
        size += value * (np.abs(nu) * stop + np.abs(best)).sum(axis=1)
        return np.asarray(total + value * best.sum(axis=1) + _ROUNDING * size)


def _limited(region: Region) -> bool:
    return region.spent is not None and bool(
        region.spent[0, 0] > 0.0 or np.isfinite(region.spent[1, 0])
    )


def _push(program: Program, mu: Array) -> Array:
    """(A, K) what a unit of each decision costs: its money and the rows' prices."""
    rows = (mu @ program.rows.matrix).reshape(program.lower.shape)
    return np.asarray(program.costs() + rows)


def _worth(program: Program, u: Array, push: Array) -> Array:
    """(A,) what plans bring, less what they cost."""
    response = program.response(program.adstocked(u)).sum(axis=1)
    return np.asarray(program.value * response - (push * u).sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class _Advice:
    """Where to price next (m,), what the lines promise there, and the mix of plans behind it: for
    each arm (share, plan (K,)), largest first; ``leaves`` are those whose plans only the relaxation
    believes in."""

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
        bring -= (program.costs() * u).sum(axis=1)
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
class _OpenPrices:
    slot: int
    region: Region
    trees: ArmTrees
    advice: _Advice | None


@dataclass(slots=True, eq=False, kw_only=True)
class PriceSearch(Incumbent):
    pool: _PlanPool

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""
        return self.value + 0.7 * self.gap * abs(self.value) if np.isfinite(self.value) else -np.inf

    def offer(
        self, u: Array, prices: Array | None = None, thetas: Sequence[float] | Array = ()
    ) -> bool:
        """Take a plan (A, K) that is better than the best; what is allowed goes into the pool."""
        inside = np.clip(u, self.program.lower, self.program.upper)
        if allowed(self.program, inside):
            self.pool.add(inside)
        return Incumbent.offer(self, inside, prices, thetas)

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
) -> Solution | None:
    """Solve a program that :func:`falls_apart` to a relative ``gap``, or until ``deadline`` (of
    ``work.now``), no worse than any of ``starts`` (A, K). None where its relaxation has no plan."""
    search = PriceSearch(program, gap, deadline, pool=_PlanPool(program))
    region = root_region(program)
    if region is None:
        return None
    relaxed = relax_program(
        program, program_box(program), gap=1e-6, patient=False, deadline=deadline
    )
    if relaxed.status == INFEASIBLE:
        return None
    search.iterations += relaxed.iterations
    search.prices = relaxed.mu
    search.tree.set(0, Leaf(relaxed.mu, relaxed.nu))
    for start in starts:
        search.offer(start)
    search.climb(relaxed.u, relaxed.mu)
    trees = ArmTrees.planted(program, region, relaxed.mu, relaxed.nu, deadline)
    trees.relax([leaf for own in trees.leaves for leaf in own])
    first = _settled(search, 0, region, trees, root=True)
    left, nodes = best_first(
        search,
        first,
        lambda node: _split(search, node),
        lambda node: node.trees.bound(),
    )
    return search.solution(left, nodes)


def _settled(
    search: PriceSearch, slot: int, region: Region, trees: ArmTrees, *, root: bool = False
) -> _OpenPrices | None:
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
        best = search.pool.best(advice.mu, region, trees.plans)
        trees = trees.moved(advice.mu, _slack(search), best)
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
    return _OpenPrices(slot, region, least, advice)


def _slack(search: PriceSearch) -> float:
    size = abs(search.value) if np.isfinite(search.value) else 0.0
    return 0.1 * search.gap * size / search.program.arms


def _grow(search: PriceSearch, trees: ArmTrees, known: float) -> None:
    """Split leaves until the arms are settled, or the region is out of the running; prices that
    cannot do better than a bound that is ``known`` are given up."""
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


def _mixed(search: PriceSearch, advice: _Advice, most: int) -> None:
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


def _split(search: PriceSearch, node: _OpenPrices) -> list[_OpenPrices] | None:
    """Two children, apart where an arm's mixed plans disagree most; None where none do."""
    program = search.program
    if node.advice is None:
        return None
    split = _disagreement(program, node)
    if split is None:
        return None
    out = []
    parts = halves(program, node.region, split)
    for slot, part in zip(search.tree.split(node.slot, split), parts, strict=True):
        if part is None:
            continue
        child = _settled(search, slot, part, node.trees.within(split.arm, part, _slack(search)))
        if child is not None:
            out.append(child)
    return out


def _disagreement(program: Program, node: _OpenPrices) -> SplitSpend | SplitArgument | None:
    """Where an arm's mixed plans are furthest apart: in what they spend, else in some period."""
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
