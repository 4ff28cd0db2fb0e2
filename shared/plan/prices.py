"""What holds a plan, by name, and its shadow prices: the budget's and every such limit's.

What limits are worth is told to first order, by multipliers of what holds the plan, on either side.
At a plan u the best value V moves with its limits b as fast as the linear programme

    V'(b; d) = max  gradient(du) @ du   subject to   rows @ du <= d (the tight ones), tight bounds

says: the directional derivative of a concave programme (Rockafellar, Convex Analysis, 1970, section
29), and of a smooth one around a regular local maximum (Bonnans and Shapiro, Perturbation Analysis
of Optimization Problems, 2000, section 5.2). A decision at a corner of its curve gains less by
rising than it loses by falling, so ``gradient`` has two sides. By duality V' is the least over the
multipliers of what the move would pay at their prices: where there are no others, one product, and
for a single row the least over an interval of prices.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.plan.score import finite
from shared.problem.aim import Floor, is_target
from shared.problem.lower import THEN, TIED
from shared.problem.program import Program
from shared.problem.region import alike

__all__ = ["BINDING_TOLERANCE", "bindings", "of_ceilings", "priced", "ties"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINDING_TOLERANCE = 1e-7
"""A limit binds where the plan is within this share of the money at stake of it."""

LOOSER = (1e-7, 1e-6, 1e-5, 1e-4)
"""Tolerances tried in turn: a plan to a loose gap keeps a little away from what holds it."""

STATIONARY = 1e-4
"""Slopes accounted for to this share of the largest one make prices good to three digits."""

DOUBTFUL = 2e-2  # beyond this the plan is not yet stationary, and its prices are called approximate

UNITS = {"minimize_spend": "money", "maximize_profit": "profit", "weighted_sum": "weighted sum"}

ROUNDING = 1e-9  # relative size of slopes below which one is taken for rounding
INDEPENDENT = 1e-9  # singular values below this share of the largest one count as zero

MOST_WORK = 5_000_000
"""Entries of all linear programmes together, before prices are no longer told apart by sides."""

FAR = 1e12
"""In place of an infinite price, times the steepest slope; a value beyond its root is no plan."""


Told = tuple[list[dict[str, Any]], tuple[tuple[str, str], ...]]
"""The answer's ``shadow_prices``, and what should be known of them: (code, message)."""


def priced(program: Program, u: Floats, *, goal: str, kept: float = 1.0) -> Told:
    """Gain in the objective per unit of relaxing the budget and each limit that binds, by name.

    A limit that holds several periods is relaxed in all of them by one unit of money; a share, by
    one unit of money beyond it in each; a target, by one of its own unit. Lots and what is switched
    off stay as they are. ``value_more`` and ``value_less`` are what the objective gains per unit of
    the limit's own number above and below where it is; None where no plan is left on that side.

    Parameters
    ----------
    u
        (A, K) decisions, stationary but for rounding.
    kept
        Share of the budget that is not held back for tests: a unit of budget is so much money.
    """
    tight = list(_moves(program, u, BINDING_TOLERANCE))
    names = [name for name, _ in tight]
    best: tuple[_Prices, float] | None = None
    for tolerance in LOOSER:
        prices = _Prices(_tight(program, u, tolerance))
        if best is None or prices.residual < 0.5 * best[0].residual:
            best = (prices, tolerance)
        if best[0].residual <= STATIONARY:
            break
    assert best is not None
    prices, tolerance = best
    unit = UNITS.get(goal, "outcome")
    moves = tight if tolerance == BINDING_TOLERANCE else _moves(program, u, tolerance)
    found = {name: (move, prices.sides(move)) for name, move in moves}
    budget = _relaxed(*found["budget"]) if "budget" in found else 0.0
    out = []
    for name in dict.fromkeys([*names, *found]):
        move, sides = found.get(name, (_NOTHING, (0.0, 0.0)))
        own = f"{unit} per unit of {'the target' if is_target(name) else 'money'}"
        if _of_budget(name):
            if name == "budget" and kept < 1.0:
                out.append(_price("test_reserve", _NOTHING, (-sides[1], -sides[0]), own, sides[0]))
            sides = (kept * sides[0], kept * sides[1])
        elif name not in names and not _relaxed(move, sides) > STATIONARY * abs(budget):
            continue
        out.append(_price(name, move, sides, own))
    if "budget" in program.rows.names and "budget" not in found:
        out.insert(0, _price("budget", _NOTHING, (0.0, 0.0), f"{unit} per unit of money"))
    out.sort(key=lambda price: price["name"] != "budget")
    return out, _notes(prices)


def of_ceilings(
    program: Program, multipliers: Sequence[float], *, goal: str
) -> list[dict[str, Any]]:
    """The prices of ceilings that hold the plan: gain in the objective per unit of each."""
    unit = f"{UNITS.get(goal, 'outcome')} per unit of the ceiling"
    each = zip(program.ceilings, multipliers, strict=bool(multipliers))
    return [
        _price(ceiling.name, _NOTHING, (price, price), unit)
        for ceiling, price in each
        if price > STATIONARY * program.value
    ]


def _relaxed(move: _Moved, sides: tuple[float, float]) -> float:
    """Gain per unit of relaxing; 0 where there is no plan on that side."""
    more, less = sides
    if np.isnan(more):
        return more
    if move.relaxes:
        gain = more if move.relaxes > 0 else -less
        return 0.0 if gain == -np.inf else gain
    return max(more, -less, 0.0)


def _price(
    name: str, move: _Moved, sides: tuple[float, float], unit: str, value: float | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "value": finite(_relaxed(move, sides) if value is None else value),
        "value_more": finite(sides[0]),
        "value_less": finite(sides[1]),
        "unit": unit,
    }


def _notes(prices: _Prices) -> tuple[tuple[str, str], ...]:
    notes = []
    if prices.residual > DOUBTFUL:
        message = (
            "The plan is not quite a best one nearby, so shadow prices are approximate: slopes "
            f"differ by up to {100 * min(prices.residual, 1.0):.0f} % of the largest."
        )
        notes.append(("shadow_prices_approximate", message))
    if not prices.sided:
        message = (
            "Several sets of shadow prices explain the plan, too many to tell all sides apart: "
            "some may be what tightening a limit costs rather than what relaxing it brings."
        )
        notes.append(("shadow_prices_either_side", message))
    return tuple(notes)


def bindings(program: Program, u: Floats) -> list[list[str]]:
    """Names of the bounds and rows that hold each arm where it is; budgets are left to prices."""
    slack = BINDING_TOLERANCE * max(program.scale, 1e-12)
    money, per_unit = u * program.money_per_unit(), program.money_per_unit()
    low, high = _tight_rows(program, u, BINDING_TOLERANCE)
    tight = np.flatnonzero((low | high) & ~_tied_rows(program))
    cells = program.rows.matrix[tight].reshape(-1, program.arms, program.columns)
    rows = [[program.rows.names[m] for m in tight[used].tolist()] for used in np.any(cells, 2).T]
    patterns = _patterns(program, u, slack)
    at_least = program.least_active * per_unit
    at_floor = (money - program.lower * per_unit <= slack).tolist()
    at_roof = (program.upper * per_unit - money <= slack).tolist()
    at_minimum = (at_least > 0) & (money > slack) & (money - at_least <= slack)
    held = [
        [
            *itertools.compress(program.floors_by(a), at_floor[a]),
            *itertools.compress(program.roofs_by(a), at_roof[a]),
            "minimum_if_active" if np.any(at_minimum[a]) and a not in program.silent else "",
            "increment" if program.lot[a] > 0.0 else "",
            *rows[a],
            *patterns[a],
        ]
        for a in range(program.arms)
    ]
    held = [list(dict.fromkeys(n for n in own if n and not _of_budget(n))) for own in held]
    for arm, parts in enumerate(program.sums, program.arms - len(program.sums)):
        for part in parts:
            held[part] += [f"{program.names[arm]}.{name}" for name in held[arm]]
    return held[: program.arms - len(program.sums)]


def _patterns(program: Program, u: Floats, slack: float) -> list[list[str]]:
    """By arm, rules that break where one more period is on, or one at its least is off."""
    out: list[list[str]] = [[] for _ in range(program.arms)]
    if not program.switches:
        return out
    on = u > 0.0
    rises = ~on & (program.upper > 0.0)
    falls = on & ((u - program.least_active) * program.money_per_unit() <= slack)
    moves = (rises | falls) & (program.lower <= 0.0)
    for flight in program.switches.flights:
        own = on[flight.arm] ^ np.eye(program.columns, dtype=bool)
        if np.any(~flight.keeps(own) & moves[flight.arm]):
            out[flight.arm].append("flight")
    for count in program.switches.counts:
        if int(on[count.cells].sum()) == count.count:
            for a in dict.fromkeys(count.arms):
                out[a] += [count.name] if rises[a, count.column] else []
    return out


def ties(program: Program, u: Floats) -> tuple[tuple[str, str, str], ...]:
    """Arms between which money could move without loss, two by two: what nothing tells apart, and
    straight stretches of tables that are equally steep."""
    found = [
        (program.names[one], program.names[other], "alike")
        for group in alike(program)
        for one, other in itertools.pairwise(group.tolist())
        if abs(u[one, 0] - u[other, 0]) > 1e-6 * program.scale
    ]
    plain = program.columns == 1 and not (program.pairs or program.discrete or program.risk)
    if not plain or not _tables(program):
        return tuple(found)
    tight, per = _tight(program, u, 1e-4), program.rows.matrix
    found += [
        (program.names[one], program.names[other], "straight")
        for one, other in itertools.combinations(_tables(program), 2)
        if np.all(per[:, one] == per[:, other])
        and any(
            not (tight.floor[gives] or tight.roof[takes])
            and abs(tight.fall[gives] - tight.rise[takes]) <= 1e-9 * tight.size
            for gives, takes in ((one, other), (other, one))
        )
    ]
    return tuple(found)


def _tight_rows(program: Program, u: Floats, tolerance: float) -> tuple[Flags, Flags]:
    """(m,) rows that hold at their lower and at their upper side."""
    slack = tolerance * max(program.scale, 1e-12)
    product = program.rows.matrix @ u.ravel()
    ends = (program.rows.lower, program.rows.upper)
    low, high = (np.abs(end - product) <= slack for end in ends)
    return low, high


def _of_budget(name: str) -> bool:
    return name.partition("[")[0] == "budget"


def _tied_rows(program: Program) -> Flags:
    """(m,) rows that only say that an arm is the sum of others, or spends what another does."""
    cells = program.rows.matrix.reshape(-1, program.arms, program.columns)
    sums = np.any(cells[:, program.arms - len(program.sums) :] != 0.0, axis=(1, 2))
    return np.asarray(sums | np.array([name.endswith(TIED) for name in program.rows.names], bool))


def _sides(program: Program, u: Floats, tolerance: float) -> tuple[Flags, Flags, Flags]:
    """(A, K) at the floor, at the roof, and free to move at all."""
    slack = tolerance * max(program.scale, 1e-12)
    per_unit = program.money_per_unit()
    used = u * per_unit > slack
    least = np.where(used, program.least_active, 0.0)
    floor = (u - np.maximum(program.lower, least)) * per_unit <= slack
    roof = (program.upper - u) * per_unit <= slack
    roof &= ~_only_by_budget(program)
    free = np.repeat((program.lot <= 0.0)[:, None], program.columns, axis=1)
    free &= used | (program.least_active <= 0.0)
    for limit in program.at_most:
        arms = list(dict.fromkeys(limit.arms))
        active = used[arms].any(axis=1)
        if int(active.sum()) >= limit.count:
            free[[a for a, on in zip(arms, active, strict=True) if not on]] = False
    return floor, roof, free


def _only_by_budget(program: Program) -> Flags:
    """(A, K) ceilings that are no limit of their own: what a budget leaves, and no more.

    A channel's own ceiling is the same in every period, so one below it is the budget's.
    """
    names = [program.roofs_by(a) for a in range(program.arms)]
    own = np.array([[by not in ("", "budget") for by in each] for each in names])
    own = own.reshape(program.upper.shape)
    alike = np.array([isinstance(by, str) for by in program.upper_by])[:, None]
    most = program.upper.max(axis=1, keepdims=True)
    return np.asarray(~own | (alike & (program.upper < most * (1.0 - 1e-12))))


def _tight(program: Program, u: Floats, tolerance: float) -> _Tight:
    floor, roof, free = _sides(program, u, tolerance)
    rise, brings = _gradients(program, u, tolerance)
    fall = _gradients(program, u, -tolerance)[0] if _tables(program) else rise
    order, equal = _order(program, u, tolerance)
    n, money, matrix = program.arms, program.counted(), program.rows.matrix
    targets = []
    for target, _ in _holding(program, u):
        share, pays = target.shares(n)[:, None], target.pays_by(n)[:, None]
        counts = np.multiply(share, brings, out=np.zeros_like(brings), where=share > 0.0)
        targets.append((target.per_money * pays * money - counts).reshape(1, -1))
    stacked = np.concatenate((*(sign * matrix[[row]] for row, sign in order), *targets, matrix[:0]))
    room = np.minimum(u - program.lower, program.upper - u) * program.money_per_unit()
    trust = np.clip(room / (1e-4 * max(program.scale, 1e-12)), 0.0, 1.0)
    trust = np.where(floor | roof, 1.0, np.maximum(trust, 1e-3))
    # Net of cost, all slopes of a best plan may be nothing but rounding.
    known = np.abs(brings[np.isfinite(brings)])
    gross = max(
        program.value * float(known.max(initial=0.0)), float(program.costs().max(initial=0.0))
    )
    return _Tight(
        rise=rise.ravel(),
        fall=fall.ravel(),
        size=gross or 1.0,
        rows=np.where(np.isfinite(stacked), stacked, 0.0),
        equal=np.concatenate((equal, np.zeros(len(targets), bool))),
        floor=floor.ravel(),
        roof=roof.ravel(),
        free=free.ravel(),
        trust=trust.ravel(),
    )


def _tables(program: Program) -> list[int]:
    """Arms whose curves have corners."""
    return [table[0] for table in program.known.tables]


def _order(program: Program, u: Floats, tolerance: float) -> tuple[list[tuple[int, float]], Flags]:
    """Tight rows as "at most", those at their lower side turned round; which of them are equal."""
    low, high = _tight_rows(program, u, tolerance)
    order = [(row, 1.0) for row in np.flatnonzero(high).tolist()]
    order += [(row, -1.0) for row in np.flatnonzero(low & ~high).tolist()]
    return order, np.concatenate((low[high], np.zeros(len(order) - int(high.sum()), bool)))


def _gradients(program: Program, u: Floats, step: float) -> tuple[Floats, Floats]:
    """(A, K) slopes of the objective and of the outcome, interactions included; inf where steep.

    Of tables, whose slopes jump, those a ``step`` (of the money at stake) beside the plan.
    """
    z = program.adstocked(u)
    slopes = program.slopes_at(z)
    if at := _tables(program):
        beside = step * max(program.scale, 1e-12) / program.money_per_unit()
        moved = np.maximum(program.adstocked(np.maximum(u + beside, 0.0)), 0.0)
        slopes[at] = program.slopes_at(moved)[at]
    if program.pairs:
        slopes = slopes * program.steeper(z)
    brings = program.through(u, slopes)
    worth = np.full((program.arms, 1), program.value)
    worth = worth if program.counts is None else worth * program.counts[:, None]
    value = np.multiply(worth, brings, out=np.zeros_like(brings), where=worth > 0.0)
    return value - program.costs(), brings


def _holding(program: Program, u: Floats) -> list[tuple[Floor, float]]:
    """Targets that the plan only just meets, with the money that each counts."""
    each = zip(program.floors, program.brought(u), program.asked_of(u), strict=True)
    return [
        (f, costs)
        for f, brings, costs in each
        if abs(f.surplus(brings, costs))
        <= 1e-6 * max(abs(f.constant) + f.per_money * costs, abs(brings))
    ]


def _moves(program: Program, u: Floats, tolerance: float) -> Iterator[tuple[str, _Moved]]:
    """Every limit that is tight, by name, with what moves when its number rises by one."""
    order, equal = _order(program, u, tolerance)
    tied = _tied_rows(program)
    by_name: dict[str, dict[int, float]] = {}
    for i, (row, _) in enumerate(order):
        if not tied[row]:
            name, part = _part_of(program, program.rows.names[row])
            by_name.setdefault(name, {})[i] = part
    for name, places in by_name.items():
        up = any(order[i][1] > 0.0 for i in places) or _widens(name)
        relaxes = 1 if up else -1
        if not _of_budget(name) and all(equal[i] for i in places):
            relaxes = 0
        sides = {i: part if up else -part for i, part in places.items()}
        yield name, _Moved(relaxes, sides, {}, {})
    yield from _bound_moves(program, u, tolerance)
    for i, (target, costs) in enumerate(_holding(program, u), len(order)):
        rises = target.per_unit(costs)
        yield target.name, _Moved(-1 if rises > 0.0 else 1, {i: -rises}, {}, {})


def _part_of(program: Program, name: str) -> tuple[str, float]:
    """The limit whose number a row moves with, and by how much of a unit."""
    if not name.endswith(THEN):
        return name, 1.0
    ends = f"-{program.periods}]"
    windows = [own for own in program.rows.names if own.startswith("budget[") and ends in own]
    if not windows:
        return "budget", 1.0 / program.periods
    first = int(windows[0].removeprefix("budget[").partition("-")[0])
    return windows[0], 1.0 / (program.periods - first + 1)


def _widens(name: str) -> bool:
    """Whether a larger number of a limit allows more on both of its sides."""
    return name.startswith("pacing.") or name.endswith("max_change")


def _bound_moves(program: Program, u: Floats, tolerance: float) -> Iterator[tuple[str, _Moved]]:
    """Bounds of the arms, with the decisions whose floors and roofs rise."""
    floor, roof, _ = _sides(program, u, tolerance)
    used = u * program.money_per_unit() > tolerance * max(program.scale, 1e-12)
    spends = program.spread > 0.0
    spends[program.arms - len(program.sums) :] = spends[0]
    spread = np.where(spends, np.maximum(program.spread, program.spread[0]), program.spread)
    # One unit of money in each period is so much of a share: by the smallest budget for floors.
    least = np.min(spread, axis=1, where=spends, initial=np.inf)
    most = np.max(spread, axis=1, where=spends, initial=0.0)
    down, up = 1.0 / least, np.divide(1.0, most, out=np.zeros_like(most), where=most > 0.0)
    minimum = program.least_active > 0.0
    for a in np.flatnonzero(np.any(floor | roof, axis=1)).tolist():
        none = np.zeros(program.columns, dtype=bool)
        asked = floor[a] & minimum[a] & used[a]
        cells = {"minimum_if_active": (none if a in program.silent else asked, none)}
        for names, tight, side in (
            (program.floors_by(a), floor[a] & ~minimum[a], 0),
            (program.roofs_by(a), roof[a], 1),
        ):
            for name in dict.fromkeys(names):
                both = list(cells.get(name, (none, none)))
                both[side] = both[side] | (tight & (np.array(names) == name))
                cells[name] = (both[0], both[1])
        for name, (floors, roofs) in cells.items():
            if not name or not np.any(floors | roofs):
                continue
            at, sign = a * program.columns, -1.0 if _widens(name) else 1.0
            low = {at + k: sign * float(down[a, k]) for k in np.flatnonzero(floors).tolist()}
            high = {at + k: float(up[a, k]) for k in np.flatnonzero(roofs).tolist()}
            fixed = name == "locked" or name.startswith("spend[")
            relaxes = 0 if fixed else 1 if high or _widens(name) else -1
            yield f"{program.names[a]}.{name}", _Moved(relaxes, {}, low, high)


@dataclass(frozen=True, slots=True, eq=False)
class _Tight:
    """What holds a plan of n decisions."""

    rise: Floats  # (n,) slopes of the objective: of what a rise gains
    fall: Floats  # (n,) and of what a fall loses
    size: float  # the steepest slope of outcome or cost alone: what slopes are small against
    rows: Floats  # (m, n): ``rows @ du <= 0`` keeps to the tight rows
    equal: Flags  # (m,) where that is ``== 0``
    floor: Flags  # (n,) whether a decision is at its lower bound
    roof: Flags  # (n,) and at its upper one
    free: Flags  # (n,) not those that stay where they are: lots, what is switched off
    trust: Floats  # (n,) in [0, 1]: how much a slope counts; little with a bound near, not touched


@dataclass(frozen=True, slots=True)
class _Moved:
    """What a limit's number moves when it rises by one: tight rows' sides, floors, roofs.

    Each by its place. ``relaxes``: 1 where a larger number allows more, -1 where a smaller one
    does, 0 where either may be the better (a commitment).
    """

    relaxes: int
    rows: dict[int, float]
    floors: dict[int, float]
    roofs: dict[int, float]


_NOTHING = _Moved(1, {}, {}, {})


class _Prices:
    """Multipliers of what is tight, and what moving it is worth."""

    def __init__(self, tight: _Tight) -> None:
        self.tight = tight
        known = np.isfinite(tight.rise) & np.isfinite(tight.fall) & tight.free
        self._cells = np.flatnonzero(known)
        self._place = {cell: i for i, cell in enumerate(self._cells.tolist())}
        self._rise, self._fall = tight.rise[known], tight.fall[known]
        self._floor, self._roof = tight.floor[known], tight.roof[known]
        self._rows, self._trust = tight.rows[:, known], tight.trust[known]
        self._corner = self._fall - self._rise > ROUNDING * tight.size
        self._left = MOST_WORK
        # Whether every price is told on both of its sides.
        self.sided = True
        self._mus = self._multipliers()
        mu = self._mus[0] if self._mus else self._by_linear_programme()
        self._fallback = mu
        self._slopes = self._rise - mu @ self._rows, self._fall - mu @ self._rows
        up = np.where(self._roof, 0.0, np.maximum(self._slopes[0], 0.0))
        down = np.where(self._floor, 0.0, np.maximum(-self._slopes[1], 0.0))
        self._missed = up + down

    @property
    def residual(self) -> float:
        """How far the plan is from stationary: the largest slope unaccounted for, relative."""
        return float((self._missed * self._trust).max(initial=0.0)) / self.tight.size

    def sides(self, move: _Moved) -> tuple[float, float]:
        """Objective per unit that the limit's number rises, above and below where it is.

        Infinite where there is no plan on that side, nan where slopes say nothing of it.
        """
        cells = {*move.floors, *move.roofs}
        if any(self.tight.free[c] and c not in self._place for c in cells):
            return float("nan"), float("nan")
        return self._gain(move, 1.0), -self._gain(move, -1.0)

    def _gain(self, move: _Moved, sign: float) -> float:
        if self._mus:
            return min(self._paid(move, sign, mu) for mu in self._mus)
        work = self._cells.size * (len(self.tight.equal) + 1)
        if work <= self._left:
            self._left -= work
            found = self._directional(move, sign)
            if found is not None:
                return found
        self.sided = False
        return self._paid(move, sign, self._fallback)

    def _paid(self, move: _Moved, sign: float, mu: Floats) -> float:
        """What a move brings at the rows' prices; every decision that its bounds move follows."""
        total = sum(sign * by * float(mu[row]) for row, by in move.rows.items())
        size = 1.0 + sum(map(abs, (*move.rows.values(), *move.floors.values())))
        for cell in {*move.floors, *move.roofs}:
            i = self._place.get(cell)
            if i is None:
                continue
            price = float(mu @ self._rows[:, i])
            rise, fall = float(self._rise[i]) - price, float(self._fall[i]) - price
            low = sign * move.floors.get(cell, 0.0) if self._floor[i] else -np.inf
            high = sign * move.roofs.get(cell, 0.0) if self._roof[i] else np.inf
            if low > high:
                return -np.inf
            ends = [end for end in (low, high) if np.isfinite(end)]
            if low <= 0.0 <= high:
                ends.append(0.0)
            total += max((rise if end > 0.0 else fall) * end for end in ends)
        far = abs(total) > np.sqrt(FAR) * self.tight.size * size
        return float(np.copysign(np.inf, total)) if far else total

    def _multipliers(self) -> list[Floats]:
        """All there are: one, or the ends of an interval; none where they are many."""
        count = self.tight.rows.shape[0]
        if count == 0:
            return [np.zeros(0)]
        mu, unique = self._by_least_squares()
        if unique:
            return [mu]
        if count == 1 and np.all(self.tight.rows >= 0.0) and np.any(self.tight.rows):
            low, high = self._interval()
            return [np.array([low])] if low == high else [np.array([low]), np.array([high])]
        return []

    def _interval(self) -> tuple[float, float]:
        """The prices of a single row at which nobody gains by rising, or loses too little by
        falling; in the middle where a plan that is not stationary leaves none."""
        per, far = self._rows[0], FAR * self.tight.size
        some = per > 0.0
        rises, falls = some & ~self._roof, some & ~self._floor
        low = float((self._rise[rises] / per[rises]).max(initial=-far))
        high = float((self._fall[falls] / per[falls]).min(initial=far))
        steep = self.tight.free & ~np.isfinite(self.tight.rise) & (self.tight.rows[0] > 0.0)
        if np.any(steep & ~self.tight.roof):
            low = far
        if not self.tight.equal[0]:
            low, high = max(low, 0.0), max(high, 0.0)
        if low < high:
            return low, high
        middle = low if high == far else high if low == -far else 0.5 * (low + high)
        return middle, middle

    def _by_least_squares(self) -> tuple[Floats, bool]:
        """Multipliers from smooth decisions between their bounds, and whether they are the only
        ones."""
        equal = self.tight.equal
        inner = ~(self._floor | self._roof | self._corner)
        weight = self._trust[inner]
        matrix = self._rows[:, inner].T * weight[:, None]
        # Each row in its own size, so that none counts as dependent for its unit.
        size = np.linalg.norm(self._rows, axis=1)
        size = np.where(size > 0.0, size, 1.0)
        slopes = 0.5 * (self._rise + self._fall)[inner]
        mu, _, rank, _ = np.linalg.lstsq(matrix / size, weight * slopes, rcond=INDEPENDENT)
        mu = mu / size
        signs = bool(np.all(equal | (mu * size >= -1e-6 * self.tight.size)))
        return np.where(equal, mu, np.maximum(mu, 0.0)), int(rank) == equal.size and signs

    def _by_linear_programme(self) -> Floats:
        """Multipliers (m,) with the least sum of slopes that nothing accounts for."""
        from scipy.sparse import csr_matrix, eye, hstack, vstack

        equal, cells, size = self.tight.equal, self._cells.size, self.tight.size
        if not cells:
            return np.zeros(equal.size)
        matrix, slack = csr_matrix(self._rows.T), eye(cells, format="csr")
        up, down = ~self._roof, ~self._floor
        # rise - rows' mu <= slack where there is no roof, fall - rows' mu >= -slack without floor.
        stacked: Any = vstack(
            [hstack([-matrix[up], -slack[up]]), hstack([matrix[down], -slack[down]])]
        )
        found = highs.linprog(
            np.concatenate((np.zeros(equal.size), np.maximum(self._trust, 1e-6))),
            A_ub=stacked.tocsr(),
            b_ub=np.concatenate((-self._rise[up], self._fall[down])) / size,
            bounds=[(None, None) if e else (0.0, None) for e in equal] + [(0.0, None)] * cells,
        )
        if found.x is None:
            return self._by_least_squares()[0]
        return np.asarray(found.x[: equal.size] * size)

    def _directional(self, move: _Moved, sign: float) -> float | None:
        """The linear programme of the module; slopes that nothing accounts for are charged."""
        from scipy.sparse import csr_matrix, hstack

        count, equal, size = self._cells.size, self.tight.equal, self.tight.size
        low, high = np.where(self._floor, 0.0, -np.inf), np.where(self._roof, 0.0, np.inf)
        for moves, ends, held in ((move.floors, low, self._floor), (move.roofs, high, self._roof)):
            for cell, by in moves.items():
                i = self._place.get(cell)
                if i is not None and held[i]:
                    ends[i] = sign * by
        if np.any(low > high):
            return -np.inf
        limits = np.zeros(equal.size)
        for row, by in move.rows.items():
            limits[row] = sign * by
        if not count:
            fits = np.all(np.where(equal, limits == 0.0, limits >= 0.0))
            return 0.0 if fits else -np.inf
        charge = 1.0001 * self._missed + ROUNDING * size
        matrix = csr_matrix(self._rows)
        both = hstack([matrix, -matrix]).tocsr()
        low, high = np.concatenate((low, -high)), np.concatenate((high, -low))
        found = highs.linprog(
            np.concatenate((charge - self._rise, self._fall + charge)) / size,
            A_ub=both[~equal],
            b_ub=limits[~equal],
            A_eq=both[equal],
            b_eq=limits[equal],
            bounds=np.maximum(np.column_stack((low, high)), 0.0),
        )
        if found.status == 2:
            return -np.inf
        return None if found.x is None else -float(found.fun) * size
