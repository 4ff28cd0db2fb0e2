"""Programs with their rows priced: one search tree for each arm, all arms in one relaxation.

With prices ``mu`` for the rows, what is left of a program falls apart into its arms, each of which
buys its plan on its own. An S-curve with carryover is torn only where it changes from quiet to
loud, so a few leaves settle one arm; one tree for all arms at once would need the product of them.
Leaves of every arm stand side by side as the arms of one larger program without rows, so that one
run of the interior point relaxes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program, Rows
from shared.problem.proof import ArmLeaf, ArmNode, SplitArgument, SplitDecision
from shared.problem.region import Region, halves
from shared.solve.certify.per_arm import alone
from shared.solve.engines.envelopes import Enveloper, ProgramBox
from shared.solve.program.interior import relax_program

__all__ = ["ArmTrees", "OpenLeaf"]

Array = NDArray[np.float64]
_LINES = 8  # of a leaf that are remembered
_ROUNDING = 4e-14  # relative, of one bound
_TOGETHER = 80_000  # links of carryover that are relaxed in one run


@dataclass(slots=True, eq=False)
class OpenLeaf:
    """A leaf of one arm's tree: its region, its prices (H,), what they prove, and where it is torn.

    ``money`` prices what the arm spends in all, where the region limits it. ``bound`` is of value
    less the rows' prices; ``u`` (K,) is the relaxation's plan, ``worth`` what that is really worth,
    ``torn`` by how much the relaxation overstates its worst response. ``lines`` are plans of the
    relaxation with what it makes them worth at no price of the rows.
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
    """All arms' trees at one ``mu`` (m,); ``plans`` (A, K) are the best met, worth ``worth``.

    After ``deadline`` (``work.now``) no leaf is relaxed any more: all keep valid prices. What is
    less than ``fine`` does not matter.
    """

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
        """The same trees at other prices; ``plans`` (A, K) are known to be good there. Leaves that
        come within ``slack`` of the top are relaxed anew, the rest keep their own prices."""
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
        """The same trees where one arm keeps to a part of its region.

        Regions are derived again from the top, in the order of whoever checks the proof: narrowed
        in another order they can come out smaller than what the proof shows.
        """
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
                leaf.lines = [*leaf.lines[1 - _LINES :], (u[i], worth[i] + leaf.torn + charged[i])]
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
        """Give leaves these prices of adstocked spend and money where they prove more.

        A decision may be as large as the budget: where it gains by ever so little, so does the
        bound by much. Prices a hair lower gain nothing anywhere, so those are tried too.
        """
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
    return np.asarray(program.cost * program.spread.sum(axis=1) + rows)


def _worth(program: Program, u: Array, push: Array) -> Array:
    """(A,) what plans bring, less what they cost."""
    response = program.response(program.adstocked(u)).sum(axis=1)
    return np.asarray(program.value * response - (push * u).sum(axis=1))
