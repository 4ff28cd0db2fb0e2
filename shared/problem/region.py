"""Which plans a node of a proof speaks about: boxes that are derived, never believed.

From the program's own box every split narrows one decision, one adstocked spend or the question
whether an arm is active. What follows from that is worked out here: carryover links both boxes,
spend of zero or at least a minimum and lots round the ends, a count of active arms that is used up
switches the others off, and so do flights and counts of a period decision by decision. All ends
are rounded outward, so nothing feasible is ever lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import Group
from shared.problem.program import Program
from shared.problem.proof import Count, Cut, Split, SplitActive, SplitDecision, SplitSpend
from shared.problem.switches import NONE

__all__ = [
    "HAIR",
    "Counted",
    "Region",
    "alike",
    "alone",
    "halves",
    "holds",
    "in_order",
    "inner",
    "narrowed",
    "root_region",
    "sorted_within",
]

Array = NDArray[np.float64]
Groups = tuple[NDArray[np.intp], ...]
MOST_ARMS = 5_000  # beyond, sorting parameters would cost more than it could save
EPS = 2.220446049250313e-16
_ROUNDS = 4  # of narrowing u and z by each other
HAIR = 1e-9  # a lot or a minimum that is missed by so little, relatively, counts as met


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """From ``least`` to ``most`` arms decide for more than ``at`` (A,), one decision each."""

    at: Array
    least: int
    most: int

    def narrowed(self, split: Count, *, above: bool) -> Counted:
        """With what one side of a count adds; a count of other thresholds forgets this one."""
        same = np.array_equal(self.at, split.at)
        least, most = (self.least, self.most) if same else (0, split.at.size)
        if above:
            return Counted(split.at, max(least, split.most + 1), most)
        return Counted(split.at, least, min(most, split.most))

    def inside(self, lower: Array, upper: Array) -> tuple[Array, Array] | None:
        """The smallest box (A,) around the plans of a box with such a count; None without any.

        Where the count is used up nobody else may exceed, and where it needs everybody, all must.
        """
        must, can = lower > self.at, upper > self.at
        fewest, largest = int(must.sum()), int(can.sum())
        if self.least > self.most or fewest > self.most or largest < self.least:
            return None
        if fewest == self.most:
            upper = np.where(must, upper, np.minimum(upper, self.at))
        if largest == self.least:
            lower = np.where(can, np.maximum(lower, self.at), lower)
        return lower, upper


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Boxes of u (A, K) and z (A, H), and by arm 1: spends something, -1: nothing, 0: either.

    ``counted`` also limits how many arms decide for more than a threshold, and ``spent`` (2, A)
    what each arm spends in all, from and to; None: nothing does.
    """

    u_lower: Array
    u_upper: Array
    z_lower: Array
    z_upper: Array
    active: NDArray[np.int8]
    counted: Counted | None = None
    spent: Array | None = None

    def alone(self, a: int) -> Region:
        """What the region says of one arm."""
        own = slice(a, a + 1)
        return Region(
            self.u_lower[own],
            self.u_upper[own],
            self.z_lower[own],
            self.z_upper[own],
            self.active[own],
            spent=None if self.spent is None else self.spent[:, own],
        )


def alone(program: Program, a: int) -> Program:
    """What a region of one arm depends on; nothing else of the arms may be read from it."""
    own = slice(a, a + 1)
    return replace(
        program,
        names=program.names[own],
        lower=program.lower[own],
        upper=program.upper[own],
        least_active=program.least_active[own],
        lot=program.lot[own],
        spread=program.spread[own],
        carry=program.carry[own],
        carry_in=program.carry_in[own],
        power=None if program.power is None else program.power[own],
        weight=program.weight[own],
        switches=NONE,
    )


def holds(region: Region, u: Array) -> bool:
    """Whether decisions (A, K) lie in the region's box, to a hair."""
    hair = HAIR * np.maximum(np.abs(u), np.abs(region.u_upper))
    return bool(np.all(u >= region.u_lower - hair) and np.all(u <= region.u_upper + hair))


def root_region(program: Program) -> Region | None:
    """The region of all plans; None where it is empty.

    Raises
    ------
    ValueError
        Where the arrays are not what :class:`Program` promises: then nothing can be proved.
    """
    _check(program)
    draft = _Draft(
        program,
        program.lower.copy(),
        program.upper.copy(),
        np.zeros_like(program.carry_in),
        np.full_like(program.carry_in, np.inf),
        np.zeros(program.arms, dtype=np.int8),
    )
    _limit_by_rows(program, draft)
    return draft.settled(range(program.arms))


def halves(program: Program, region: Region, split: Split) -> tuple[Region | None, Region | None]:
    """Both sides of a split (below, above; or off, on), None where one is empty.

    Raises
    ------
    ValueError, IndexError
        For a split that is none.
    """
    if isinstance(split, Count):
        return _counted(program, region, split)
    if not 0 <= split.arm < program.arms:
        raise IndexError("There is no such arm.")
    first, second = _Draft.of(program, region), _Draft.of(program, region)
    if isinstance(split, SplitActive):
        first.active[split.arm] = min(first.active[split.arm], -1)
        if region.active[split.arm] == 1:
            return None, region
        if region.active[split.arm] == -1:
            return region, None
        second.active[split.arm] = 1
    else:
        if np.isnan(split.at):
            raise ValueError("A split at no number.")
        if isinstance(split, SplitSpend):
            known = region.spent
            if known is None:
                known = np.tile([[0.0], [np.inf]], program.arms)
            first.spent, second.spent = known.copy(), known.copy()
            first.spent[1, split.arm] = min(known[1, split.arm], split.at)
            second.spent[0, split.arm] = max(known[0, split.arm], split.at)
        elif isinstance(split, SplitDecision):
            at = (split.arm, split.column)
            if not 0 <= split.column < program.columns:
                raise IndexError("There is no such column.")
            first.u_upper[at] = min(first.u_upper[at], split.at)
            second.u_lower[at] = max(second.u_lower[at], split.at)
        else:
            at = (split.arm, split.period)
            if not 0 <= split.period < region.z_lower.shape[1]:
                raise IndexError("There is no such period.")
            first.z_upper[at] = min(first.z_upper[at], split.at)
            second.z_lower[at] = max(second.z_lower[at], split.at)
    return first.settled((split.arm,)), second.settled((split.arm,))


def _counted(program: Program, region: Region, split: Count) -> tuple[Region | None, Region | None]:
    if program.columns != 1 or split.at.shape != (program.arms,) or np.any(np.isnan(split.at)):
        raise ValueError("A count of another program.")
    known = region.counted or Counted(np.full(program.arms, np.inf), 0, program.arms)
    low, high = region.u_lower[:, 0], region.u_upper[:, 0]
    below, above = (known.narrowed(split, above=side) for side in (False, True))
    return _boxed(program, region, low, high, below), _boxed(program, region, low, high, above)


def inner(program: Program, region: Region, cut: Cut) -> Region | None:
    """The region that a cut leaves; None where it is empty.

    Raises
    ------
    ValueError, IndexError
        For what is no cut of it.
    """
    arms, shape = cut.arms, cut.arms.shape
    if program.columns != 1 or arms.dtype.kind not in "iu" or arms.ndim != 1:
        raise ValueError("A cut of another program.")
    if cut.lower.shape != shape or cut.upper.shape != shape:
        raise ValueError("A cut's ends are one an arm.")
    if not (np.all(np.isfinite(cut.lower)) and np.all(np.isfinite(cut.upper))):
        raise ValueError("A cut at no number.")
    if np.any(arms < 0) or np.any(arms >= program.arms):
        raise IndexError("There is no such arm.")
    lower, upper = region.u_lower[:, 0].copy(), region.u_upper[:, 0].copy()
    lower[arms] = np.clip(cut.lower, lower[arms], upper[arms])
    upper[arms] = np.clip(cut.upper, lower[arms], upper[arms])
    return _boxed(program, region, lower, upper, region.counted)


def sorted_within(program: Program, region: Region, twins: Groups) -> Region | None:
    """The part of a region in which decisions do not rise within any group of identical arms."""
    if not twins:
        return region
    lower, upper = in_order(twins, region.u_lower[:, 0], region.u_upper[:, 0])
    return _boxed(program, region, lower, upper, region.counted)


def _boxed(
    program: Program, region: Region, lower: Array, upper: Array, limit: Counted | None
) -> Region | None:
    """The region with other bounds (A,) of the arms' one decision."""
    changed = np.flatnonzero((lower != region.u_lower[:, 0]) | (upper != region.u_upper[:, 0]))
    if not changed.size and limit is region.counted:
        return region
    draft = _Draft.of(program, region)
    draft.u_lower[:, 0], draft.u_upper[:, 0], draft.limit = lower, upper, limit
    return draft.settled(changed)


def _check(program: Program) -> None:
    arrays = (
        program.lower,
        program.upper,
        program.least_active,
        program.lot,
        program.carry,
        program.carry_in,
        program.spread,
        program.weight,
    )
    if not all(np.all(np.isfinite(array)) for array in arrays):
        raise ValueError("A bound, a lot, a weight or a link is no number.")
    if any(np.any(array < 0.0) for array in arrays):
        raise ValueError("A bound, a lot, a weight or a link is negative.")
    if not np.all(np.isfinite(program.rows.matrix)):
        raise ValueError("A coefficient is no number.")


class _Draft:
    """Boxes being narrowed."""

    def __init__(
        self,
        program: Program,
        u_lower: Array,
        u_upper: Array,
        z_lower: Array,
        z_upper: Array,
        active: NDArray[np.int8],
        limit: Counted | None = None,
        spent: Array | None = None,
    ) -> None:
        self.program, self.limit, self.free = program, limit, not program.discrete
        self.u_lower, self.u_upper = u_lower, u_upper
        self.z_lower, self.z_upper = z_lower, z_upper
        self.active, self.spent = active, spent

    @classmethod
    def of(cls, program: Program, region: Region) -> _Draft:
        return cls(
            program,
            region.u_lower.copy(),
            region.u_upper.copy(),
            region.z_lower.copy(),
            region.z_upper.copy(),
            region.active.copy(),
            region.counted,
            region.spent,
        )

    def settled(self, arms: Iterable[int]) -> Region | None:
        """What follows for ``arms`` and, by counts, for others; None if nothing is left."""
        todo = [int(arm) for arm in arms]
        for _ in range(3 + len(self.program.at_most) + len(self.program.switches)):
            if todo:
                index = np.array(todo, dtype=np.intp)
                if not self._spends(index):
                    return None
                for _ in range(_ROUNDS):
                    if not self._domains(index):
                        return None
                    if not self._links(index):
                        break
                if not self._domains(index):
                    return None
                self._reach(index)
                if self._crossed(index):
                    return None
            counted, limited, switched = self._counts(), self._limited(), self._switched()
            if counted is None or limited is None or switched is None:
                return None
            todo = list(dict.fromkeys(counted + limited + switched))
            if not todo:
                break
        return Region(
            self.u_lower,
            self.u_upper,
            self.z_lower,
            self.z_upper,
            self.active,
            self.limit,
            self.spent,
        )

    def _spends(self, arms: NDArray[np.intp]) -> bool:
        """Narrow u and z by what arms may spend in all, rounded outward; False if that is none."""
        if self.spent is None:
            return True
        p, slack = self.program, (self.program.columns + 16.0) * EPS
        money = p.spread[arms].sum(axis=1)
        low, high = self.u_lower[arms], self.u_upper[arms]
        least, most = (money * low).sum(axis=1), (money * high).sum(axis=1)
        fewest, largest = self.spent[:, arms]
        hair = slack * most + 1e-300
        if np.any(least > largest + hair) or np.any(most < fewest * (1.0 - slack) - hair):
            return False
        room = (largest - least + hair)[:, None]
        need = (most - fewest + hair + slack * fewest)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            up = np.where(money > 0.0, low + room / money, np.inf) * (1.0 + 4.0 * EPS)
            down = np.where(money > 0.0, high - need / money, 0.0) - 4.0 * EPS * high
            # Money goes furthest where carryover is strongest; a decision that costs none is free.
            cap = _furthest(p, arms, money, largest + hair) + p.carry_in[arms]
        cap = np.where(np.isnan(cap), np.inf, cap) * (1.0 + slack)
        self.u_upper[arms] = np.minimum(high, np.maximum(up, low))
        self.u_lower[arms] = np.maximum(low, np.minimum(down, self.u_upper[arms]))
        self.z_upper[arms] = np.minimum(self.z_upper[arms], cap)
        return True

    def _crossed(self, arms: NDArray[np.intp]) -> bool:
        u = self.u_lower[arms] > self.u_upper[arms]
        return bool(np.any(u) or np.any(self.z_lower[arms] > self.z_upper[arms]))

    def _domains(self, arms: NDArray[np.intp]) -> bool:
        """Round the ends to spends that are allowed; False if there are none."""
        p = self.program
        low, high = self.u_lower[arms], self.u_upper[arms]
        if self.free:  # every spend between the ends is allowed, nothing included
            crossed = low > high
            if crossed.any():
                if (low > high * (1.0 + 8.0 * EPS) + 1e-300).any():
                    return False
                self.u_upper[arms] = np.maximum(low, high)
            return True
        least, lot, active = p.least_active[arms], p.lot[arms][:, None], self.active[arms]
        high = np.where(active[:, None] == -1, np.minimum(high, 0.0), high)
        if p.columns == 1:
            floor = np.maximum(least, lot)
            low = np.where((active[:, None] == 1) & (low < floor), floor, low)
        low = np.where((low > 0.0) & (low < least), least, low)
        high = np.where(high < least * (1.0 - HAIR), np.minimum(high, 0.0), high)
        if np.any(lot > 0.0):
            some = lot > 0.0
            size = np.where(some, lot, 1.0)
            up, down = low / size, high / size
            hair = HAIR * np.maximum(1.0, down)
            low = np.where(some, np.maximum(np.ceil(up - hair), 0.0) * size, low)
            high = np.where(some, np.floor(down + hair) * size, high)
        self.u_lower[arms], self.u_upper[arms] = low, high
        if np.any(low > high):
            # Ends that were rounded outward may cross by rounding only; a true gap is empty.
            if np.any(low > high * (1.0 + 8.0 * EPS) + 1e-300):
                return False
            self.u_upper[arms] = np.maximum(low, high)
        self.active[arms] = np.where(
            np.any(low > 0.0, axis=1), 1, np.where(np.all(high <= 0.0, axis=1), -1, active)
        )
        # Switched on, but no decision can be anything but zero.
        return not bool(np.any((active == 1) & np.all(high <= 0.0, axis=1)))

    def _reach(self, arms: NDArray[np.intp]) -> tuple[Array, Array]:
        """Narrow z by u, rounded outward; what z can be at least and at most."""
        p = self.program
        carry, slack = p.carry[arms], (p.columns + 8.0) * EPS
        base = p.carry_in[arms]
        low, high = p.media(self.u_lower[arms], arms), p.media(self.u_upper[arms], arms)
        least = (np.einsum("ahk,ak->ah", carry, low) + base) * (1.0 - slack)
        most = (np.einsum("ahk,ak->ah", carry, high) + base) * (1.0 + slack)
        self.z_lower[arms] = np.maximum(self.z_lower[arms], least)
        self.z_upper[arms] = np.minimum(self.z_upper[arms], most)
        return least, most

    def _links(self, arms: NDArray[np.intp]) -> bool:
        """Narrow z by u and u by z, both rounded outward; whether that narrowed u."""
        carry, low, high = self.program.carry[arms], self.u_lower[arms], self.u_upper[arms]
        least, most = self._reach(arms)
        z_low, z_high = self.z_lower[arms], self.z_upper[arms]
        above, below = z_high < most, z_low > least
        if not (np.any(above) or np.any(below)):
            return False
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # The others at their least leave this much room, at their most ask for this much.
            room = np.where(above, z_high - least, np.inf) + 4.0 * EPS * most
            need = np.where(below, most - z_low, np.inf) + 4.0 * EPS * most
            room_u = np.where(carry > 0.0, room[:, :, None] / carry, np.inf).min(axis=1)
            need_u = np.where(carry > 0.0, need[:, :, None] / carry, np.inf).min(axis=1)
        most_u, least_u = low + np.maximum(room_u, 0.0), high - need_u
        hair: Array | float = 4.0 * EPS
        if self.program.power is not None:
            power = self.program.power[arms, None]
            media = self.program.media(low, arms), self.program.media(high, arms)
            with np.errstate(over="ignore"):
                most_u = (media[0] + np.maximum(room_u, 0.0)) ** (1.0 / power)
            least_u = np.maximum(media[1] * (1.0 - 8.0 * EPS) - need_u, 0.0) ** (1.0 / power)
            hair = 32.0 * EPS / power
        new_high = np.minimum(high, most_u * (1.0 + hair))
        new_low = np.maximum(low, least_u * (1.0 - hair) - hair * high)
        self.u_upper[arms] = new_high
        self.u_lower[arms] = new_low
        # Where u stays as it is, another round would only repeat this one.
        tiny = 1e-12 * high
        return bool(np.any(high - new_high > tiny) or np.any(new_low - low > tiny))

    def _counts(self) -> list[int] | None:
        """Arms that a count which is used up switches off; None where it is exceeded."""
        changed: list[int] = []
        for rule in self.program.at_most:
            own = np.unique(np.array(rule.arms, dtype=np.intp))
            on = self.active[own] == 1
            if int(on.sum()) > rule.count:
                return None
            if int(on.sum()) == rule.count:
                off = own[self.active[own] == 0]
                self.active[off] = -1
                changed += off.tolist()
        return changed

    def _switched(self) -> list[int] | None:
        """Arms with decisions that must be on or off now; None where no pattern is left."""
        if not self.program.switches:
            return []
        found = narrowed(self.program, self.u_lower, self.u_upper)
        if found is None:
            return None
        changed = (found[0] > self.u_lower) | (found[1] < self.u_upper)
        self.u_lower, self.u_upper = found
        return np.flatnonzero(changed.any(axis=1)).tolist()

    def _limited(self) -> list[int] | None:
        """Arms that a count narrows; None where it cannot be met."""
        if self.limit is None:
            return []
        box = self.limit.inside(self.u_lower[:, 0], self.u_upper[:, 0])
        if box is None:
            return None
        changed = (box[0] > self.u_lower[:, 0]) | (box[1] < self.u_upper[:, 0])
        self.u_lower[:, 0], self.u_upper[:, 0] = box
        return np.flatnonzero(changed).tolist()


def narrowed(program: Program, lower: Array, upper: Array) -> tuple[Array, Array] | None:
    """The box (A, K) twice over, with what its patterns of on and off leave; None without any.

    A decision that is not 0 is at least its ``least_active``.
    """
    on = lower > 0.0
    known = program.switches.settled(on, upper <= 0.0)
    if known is None:
        return None
    more = known[0] & ~on
    lower = np.where(more, np.maximum(lower, program.least_active), lower)
    return lower, np.where(known[1], np.minimum(upper, 0.0), upper)


def _limit_by_rows(program: Program, draft: _Draft) -> None:
    """What a cap on all money says about one arm's carryover: at most the cap, at its strongest."""
    rows, shape = program.rows, program.lower.shape
    for i in np.flatnonzero(np.isfinite(rows.upper)):
        row = rows.matrix[i].reshape(shape)
        if np.any(row < 0.0):
            continue
        floors = row * program.lower
        left = float(rows.upper[i]) - (float(floors.sum()) - floors.sum(axis=1))
        left = np.maximum(left, 0.0) * (1.0 + (shape[0] * shape[1] + 16.0) * EPS)
        left += 64.0 * EPS * float(np.abs(rows.upper[i]))
        covered = np.all((row > 0.0)[:, None, :] | (program.carry <= 0.0), axis=2)
        if not np.any(covered):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            cap = _furthest(program, slice(None), row, left) + program.carry_in
            cap = cap * (1.0 + 16.0 * EPS)
        draft.z_upper = np.where(covered, np.minimum(draft.z_upper, cap), draft.z_upper)


def _furthest(program: Program, arms: Any, money: Array, most: Array) -> Array:
    """(a, H) adstocked spend of decisions that cost ``money`` (a, K) each and at most ``most`` (a,)
    in all: of some ``arms``, and where the strongest carryover is.

    Where media get dearer, by Hoelder's inequality what an even spread buys at most.
    """
    carry = program.carry[arms]
    if program.power is None:
        rate = np.where(carry > 0.0, carry / money[:, None, :], 0.0).max(axis=2)
        return np.asarray(rate * most[:, None])
    p = program.power[arms][:, None, None]
    each = np.where(carry > 0.0, carry / money[:, None, :] ** p, 0.0)
    rate = each.max(axis=2, keepdims=True)
    shares = np.divide(each, rate, out=np.zeros_like(each), where=rate > 0.0)
    # A power of 1 leaves the largest alone.
    parts = np.where(p < 1.0, shares ** (1.0 / np.maximum(1.0 - p, 1e-3)), shares >= 1.0)
    spread = parts.sum(axis=2, keepdims=True) ** (1.0 - p)
    out = (rate * spread * most[:, None, None] ** p)[:, :, 0]
    return np.asarray(out * (1.0 + 1e-12))


# Arms that nothing tells apart: the same curve, the same bounds, the same part in every row.
#
# Exchanging the decisions of two such arms changes neither the objective nor what is allowed, so
# nothing is lost by looking only at plans in which the decisions of each group do not rise from one
# member to the next. Without this, a search would visit every permutation of the same plan.


def alike(program: Program) -> Groups:
    """Groups of at least two arms with equal curves (all draws included), bounds, rows and targets.

    Only of programs in which each arm has one decision and one response, and nothing but rows ties
    arms together; of others none.
    """
    simple = program.columns == 1 and program.weight.shape[1] == 1 and not program.discrete
    if program.arms > MOST_ARMS or not simple or program.pairs or program.sums:
        return ()
    own = (program.lower, program.upper, program.carry[:, 0], program.carry_in, program.weight)
    targets = (*program.floors, *program.ceilings)
    counts = [each for f in targets for each in (f.shares(program.arms), f.pays_by(program.arms))]
    money = (program.spread[:, :, 0], program.costs(), *(each[:, None] for each in counts))
    power = () if program.power is None else (program.power[:, None],)
    sides = np.hstack((*own, *power, *money, program.rows.matrix.T))
    found: list[NDArray[np.intp]] = []
    for group in program.known.groups:
        arms = np.arange(program.arms)[group.columns]
        keys: dict[bytes, list[int]] = {}
        for arm, key in zip(arms.tolist(), _keys(sides[arms], group), strict=True):
            keys.setdefault(key, []).append(arm)
        found += [np.array(same, dtype=np.intp) for same in keys.values() if len(same) > 1]
    return tuple(found)


def in_order(groups: Groups, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The smallest box around the plans of a box whose decisions do not rise within any group."""
    if not groups:
        return lower, upper
    lower, upper = lower.copy(), upper.copy()
    for group in groups:
        upper[group] = np.minimum.accumulate(upper[group])
        lower[group] = np.maximum.accumulate(lower[group][::-1])[::-1]
    return lower, upper


def _keys(sides: Array, group: Group) -> list[bytes]:
    """One key an arm: the bytes of its sides and parameters, so equal means identical."""
    rows = [*sides.T]
    for name in group.curve.ranges():
        raw = np.asarray(getattr(group.curve, name), dtype=float)
        rows += list(np.atleast_2d(np.broadcast_to(raw, raw.shape or (len(sides),))))
    table = np.ascontiguousarray(np.stack(rows, axis=1))
    return [line.tobytes() for line in table]
