"""The one form of every problem of the contract, in arrays.

Decisions are ``u`` of shape (A, K): A arms (channels, or campaigns below them) and K columns. Spend
of arm a in period t is ``sum over k of spread[a, t, k] * u[a, k]``: K = T columns and the identity
for a plan that varies over time, one column of ones for a constant one, one column that holds the
periods' budgets for fixed shares (u is then a share). Everything else is linear in u, but for the
response:

    maximise   value * outcome(u) - cost * spend(u)
    outcome(u) = sum over a, h of weight[a, h] * f_a(z[a, h]) + interactions
    z[a, h]    = sum over k of carry[a, h, k] * u[a, k] + carry_in[a, h]        (adstocked spend)
    subject to row_lower <= rows @ u <= row_upper, and u in its box, at 0 or above ``least_active``,
               on its lots, at most so many arms active, on and off as ``switches`` allow;
               outcome >= constant + per_money * spend for each target.

What some arms bring beyond a ceiling M counts for nothing: min(F, M) is at most m F + (1 - m) M at
any m from 0 to 1, and exactly that at the best of them (duality on x <= F, x <= M).

H >= T: periods after the plan's last count where the long term has a weight. With draws, f_a is
their mean, weighed by ``draw_weights`` where a risk measure asks for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack, DrawStack
from shared.problem.aim import Aim, Floor, beyond
from shared.problem.risk import Risk
from shared.problem.switches import NONE, Switches

__all__ = ["AtMost", "Lift", "Names", "Pair", "Program", "Rows"]

Array = NDArray[np.float64]
Names = str | tuple[str, ...]
"""One name for all decisions of an arm, or one each."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """``lower <= matrix @ u.ravel() <= upper``; infinite where one side is open.

    ``names`` are the caller's: "budget", "budget[3]" (period 3), a constraint's name,
    "tv.campaigns", "pacing.tv[4]"; several rows may share one (a share of each period's spend).
    """

    matrix: Array
    lower: Array
    upper: Array
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtMost:
    """At most ``count`` of the ``arms`` spend anything at all."""

    name: str
    arms: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Outcome per period when both arms are fully saturated, times the product of their levels.

    ``weight`` (H,) is what it counts for in each period; None: its arms' weights' geometric mean.
    """

    first: int
    second: int
    strength: float
    weight: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lift:
    """(A,) what an outcome and a unit of money of each arm count, and what to take off in all.

    ``pairs`` (P,): what an outcome of each interaction counts.
    """

    value: Array
    cost: Array
    less: float
    pairs: Array


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """See the module; all arrays are finite but for open sides of rows.

    Attributes
    ----------
    names
        Of the arms: "tv", or "tv/brand" for a campaign.
    lower, upper, least_active
        (A, K) box of u; ``least_active`` is 0 where u may take any value of the box, otherwise u is
        0 or at least that.
    lower_by, upper_by
        What set each bound, by arm: "min_spend", "max_spend", "max_change", "locked", "budget", "";
        by decision ("max_spend[2-3]") where an arm's are of several kinds.
    lot
        (A,) u is a multiple of it; 0 for none.
    spread
        (A, T, K) spend per period from u.
    carry, carry_in
        (A, H, K) and (A, H): adstocked spend from u, and from spend before the plan.
    power
        (A,) from 0 to 1: where media get dearer with spend, adstocked spend comes of this power of
        u, in place of u; None: of u.
    weight
        (A, H) of each response in the outcome: period weights, and after the horizon the weight of
        the long term.
    population
        Where people are counted once: the outcome is then the log of one over who is missed.
    curves, draws
        Saturation curves of the A arms over adstocked spend; draws of them, or None.
    draw_weights
        (S,) sum to one; None for the plain mean.
    switches, silent
        Rules on when decisions are on; arms whose ``least_active`` nobody asked for: only from
        there on do they count as on.
    value, cost
        Of one outcome and of one unit of money in the objective: (1, 0) for the outcome, (v, 1) for
        profit, (0, 1) for the least spend.
    discount, fee
        (T,) what money of each period counts, in the objective and in targets; (A,) what a unit of
        an arm's money costs in the objective beside ``cost``. None: all of it, nothing.
    after
        How many periods after the plan its last one's money goes on in, in the objective.
    ratios
        (A,) what an outcome of each arm is worth of the usual one, which ``weight`` counts; None:
        all the same.
    counts
        (A,) what an outcome of each arm counts of ``value`` where slopes are read (beside ceilings,
        at their multipliers); None: all of it.
    floors
        Targets that every plan has to meet, of its outcome and its money.
    ceilings
        Outcome beyond them is worth nothing (``problem.aim.ceiling``); one holds the arms of
        another, or none of them.
    risk
        How the outcome is read over the draws; None: their mean.
    shift
        (S,) added to each draw's outcome before it is read so, of mean 0: what today's plan brings
        in the mean less what it brings in the draw makes an uplift of an outcome. None: nothing.
    sums
        The last arms spend nothing: each stands for the sum of these arms (``problem.lower``).
    current
        (A, T) today's spend; None where it is not fully known.
    scale
        The money at stake: what violations are relative to.
    """

    names: tuple[str, ...]
    lower: Array
    upper: Array
    least_active: Array
    lower_by: tuple[Names, ...]
    upper_by: tuple[Names, ...]
    lot: Array
    rows: Rows
    spread: Array
    carry: Array
    carry_in: Array
    weight: Array
    curves: CurveStack
    power: Array | None = None
    draws: DrawStack | None = None
    draw_weights: Array | None = None
    at_most: tuple[AtMost, ...] = ()
    switches: Switches = NONE
    silent: tuple[int, ...] = ()
    pairs: tuple[Pair, ...] = ()
    sums: tuple[tuple[int, ...], ...] = ()
    value: float = 1.0
    cost: float = 0.0
    discount: Array | None = None
    fee: Array | None = None
    after: float = 0.0
    ratios: Array | None = None
    counts: Array | None = None
    floors: tuple[Floor, ...] = ()
    ceilings: tuple[Floor, ...] = ()
    risk: Risk | None = None
    shift: Array | None = None
    population: float | None = None
    current: Array | None = None
    scale: float = 1.0

    def people(self, sums: Any) -> Array:
        """What was added up, as it is told: of people counted once, how many."""
        if self.population is None:
            return _array(sums)
        return _array(-self.population * np.expm1(-_array(sums)))

    def aimed(self, aim: Aim) -> Program:
        """The program with another worth of outcome and money, and other targets."""
        return replace(self, value=aim.value, cost=aim.cost, floors=aim.floors)

    def lift(self, theta: Array | Sequence[float]) -> Lift:
        """What outcome and money of each arm count where targets do at multipliers (f,).

        One a floor, then one a ceiling; none at all for zeros. For any theta >= 0 (those of an
        arm's ceilings at most ``value`` together) and every plan that meets the floors,

            value F - cost S <= sum over a of (value_a F_a - cost_a S_a) - sum of theta constant

        with ``value_a = value + sum of theta share_a`` and ``cost_a = cost + fee_a + sum of theta
        per_money pays_a``.

        Raises
        ------
        ValueError
            Multipliers that are negative, not finite, or not one a floor.
        """
        every = (*self.floors, *self.ceilings)
        theta = np.asarray(theta, dtype=np.float64) if len(theta) else np.zeros(len(every))
        if len(theta) != len(every) or not np.all((theta >= 0.0) & np.isfinite(theta)):
            raise ValueError("One multiplier a floor and a ceiling, none negative.")
        value, cost = np.full(self.arms, self.value), np.full(self.arms, self.cost)
        cost = cost if self.fee is None else cost + self.fee
        for t, ceiling in zip(theta[len(self.floors) :].tolist(), self.ceilings, strict=True):
            value = value + t * ceiling.shares(self.arms)
        if float(value.min()) < -1e-12 * self.value:
            raise ValueError("Ceilings take off more than an outcome is worth.")
        value = np.maximum(value, 0.0)
        for t, floor in zip(theta.tolist(), self.floors, strict=False):
            value = value + t * floor.shares(self.arms)
            cost = cost + t * floor.per_money * floor.pays_by(self.arms)
        less = sum(t * f.constant for t, f in zip(theta.tolist(), every, strict=True))
        pairs = [sum(s * value[a] for a, s in self.sides(pair)) for pair in self.pairs]
        return Lift(value, cost, float(less), np.array(pairs))

    def sides(self, pair: Pair) -> tuple[tuple[int, float], tuple[int, float]]:
        """Both arms of an interaction, each with its part of the outcome: half, or by its worth."""
        first = 0.5
        if self.ratios is not None:
            both = self.ratios[[pair.first, pair.second]]
            first = float(both[0] / both.sum())
        return (pair.first, first), (pair.second, 1.0 - first)

    def lifted(self, theta: Array | Sequence[float]) -> tuple[Program, float]:
        """The program whose objective holds the targets at multipliers, and what to take off it."""
        lift = self.lift(theta)
        value, cost = float(lift.value.max()), float(lift.cost.min())
        fee = None if np.all(lift.cost == cost) else lift.cost - cost
        weight, pairs = self.weight, self.pairs
        if value > 0.0 and np.any(lift.value != value):
            weight = weight * (lift.value / value)[:, None]
            each = zip(pairs, (lift.pairs / value).tolist(), strict=True)
            pairs = tuple(replace(p, weight=share * self.pair_weight(p)) for p, share in each)
        task = replace(self, weight=weight, value=value, cost=cost, fee=fee, floors=(), ceilings=())
        return replace(task, pairs=pairs), lift.less

    def alone(self, floor: int) -> Program:
        """The program whose objective is a target's surplus, its constant left aside."""
        nothing = replace(self, value=0.0, cost=0.0, fee=None, ceilings=())
        return replace(nothing, floors=self.floors[floor : floor + 1]).lifted((1.0,))[0]

    def raised(self, by: float) -> Program:
        """The program with targets that are so much harder to meet, relative to themselves."""
        up = 1.0 + by
        floors = [
            replace(f, constant=up * f.constant, per_money=up * f.per_money) for f in self.floors
        ]
        return replace(self, floors=tuple(floors))

    def brought(self, u: Array) -> tuple[float, ...]:
        """The expected outcome that each target counts."""
        if all(floor.share is None for floor in self.floors):
            return (self.outcome(u),) * len(self.floors)
        each = self.brings(u)
        return tuple(float(each @ floor.shares(self.arms)) for floor in self.floors)

    def brings(self, u: Array) -> Array:
        """(A,) expected outcome of each arm, its part of interactions included."""
        z = self.adstocked(u)
        return _array((self.response(z) + self.shared(z)).sum(axis=1))

    def lost(self, u: Array) -> float:
        """Expected outcome beyond the ceilings, which is worth nothing; each is lost once."""
        return float(beyond(self.brings(u), self.ceilings)) if self.ceilings else 0.0

    def asked_of(self, u: Array) -> tuple[float, ...]:
        """The money that each target counts."""
        each = (self.counted() * u).sum(axis=1)
        return tuple(float(each @ floor.pays_by(self.arms)) for floor in self.floors)

    def past(self) -> Array:
        """(A, H) outcome that spend before the plan still brings."""
        out = np.zeros(self.weight.shape)
        if not np.any(self.carry_in):
            return out
        return self.response(self.carry_in) - self.response(out) + self.shared(self.carry_in)

    def shared(self, z: Array) -> Array:
        """(A, H) what interactions add at adstocked spend ``z``, half to either arm of a pair."""
        out = np.zeros(self.weight.shape)
        level = self.saturation(z) if self.pairs else out
        for pair in self.pairs:
            both = level[pair.first] * level[pair.second] * self.pair_weight(pair)
            for arm, part in self.sides(pair):
                out[arm] += part * pair.strength * both
        return out

    def counted(self) -> Array:
        """(A, K) money, discounted, that goal and targets count per unit of a decision."""
        money = self.due()
        return money if self.after == 0.0 else _array(money + self.after * self.spread[:, -1])

    def due(self) -> Array:
        """(A, K) the same of the plan's periods alone."""
        if self.discount is None:
            return _array(self.spread.sum(axis=1))
        return _array(np.einsum("atk,t->ak", self.spread, self.discount))

    def costs(self) -> Array:
        """(A, K) what a unit of each decision costs in the objective."""
        if self.fee is None:
            return _array(self.cost * self.counted())
        return _array((self.cost + self.fee)[:, None] * self.counted())

    @property
    def charges(self) -> bool:
        """Whether money costs anything in the objective."""
        return self.cost != 0.0 or (self.fee is not None and bool(np.any(self.fee != 0.0)))

    def paid(self, u: Array) -> float:
        """What the money of a plan (A, K) costs in the objective."""
        return float((self.costs() * u).sum()) if self.charges else 0.0

    @property
    def known(self) -> CurveStack | DrawStack:
        """What is known of the arms' curves: their draws, or else the curves."""
        return self.draws or self.curves

    @property
    def aim(self) -> Aim:
        """What outcome and money are worth, and the targets."""
        return Aim(value=self.value, cost=self.cost, floors=self.floors)

    def floors_by(self, arm: int) -> tuple[str, ...]:
        """(K,) what set the lower end of each decision of an arm."""
        by = self.lower_by[arm]
        return (by,) * self.columns if isinstance(by, str) else by

    def roofs_by(self, arm: int) -> tuple[str, ...]:
        """(K,) what set the upper end of each decision of an arm."""
        by = self.upper_by[arm]
        return (by,) * self.columns if isinstance(by, str) else by

    @property
    def arms(self) -> int:
        """A: how many channels or campaigns."""
        return len(self.names)

    @property
    def columns(self) -> int:
        """K: decisions per arm."""
        return int(self.lower.shape[1])

    @property
    def periods(self) -> int:
        """T: periods that money is spent in."""
        return int(self.spread.shape[1])

    @property
    def discrete(self) -> bool:
        """Whether anything but boxes and rows holds u: minima, lots, at most so many, switches."""
        some = np.any(self.least_active > 0) or np.any(self.lot > 0)
        return bool(some or self.at_most or self.switches)

    @property
    def switched(self) -> NDArray[np.bool_]:
        """(A, K) decisions that some rule on when they are on is about."""
        return self.switches.about(self.lower.shape)

    def pattern(
        self,
        u: Array,
        lower: Array | None = None,
        upper: Array | None = None,
        gain: Array | None = None,
    ) -> NDArray[np.bool_] | None:
        """(A, K) which decisions are on in the nearest allowed pattern; None where none is found.

        ``lower`` and ``upper`` (the program's own if not given) say what must and what cannot be,
        ``gain`` what each decision is worth where it is on; its money if not given.
        """
        must = (self.lower if lower is None else lower) > 0.0
        never = (self.upper if upper is None else upper) <= 0.0
        if gain is None:
            gain = (u - 0.5 * self.least_active) * self.money_per_unit()
        return self.switches.nearest(gain, must, never)

    @property
    def limited(self) -> NDArray[np.bool_]:
        """(A,) whether some limit on how many arms spend names the arm."""
        out = np.zeros(self.arms, dtype=bool)
        for limit in self.at_most:
            out[list(limit.arms)] = True
        return out

    def widened(self, u: Array) -> Array:
        """(A, K) decisions from those of the arms that spend: sums added up."""
        own = u[: self.arms - len(self.sums)]
        if not self.sums:
            return own
        return np.concatenate((own, [own[list(parts)].sum(axis=0) for parts in self.sums]))

    def money_per_unit(self) -> Array:
        """(A, K) money of all periods per unit of a decision; of a sum of arms, what they spend."""
        money = self.spread.sum(axis=1)
        return _array(np.where(money > 0.0, money, money.max(initial=1e-300)))

    def spend(self, u: Array) -> Array:
        """(A, T) money per period."""
        return _array(np.einsum("atk,ak->at", self.spread, u))

    def adstocked(self, u: Array) -> Array:
        """(..., A, H) adstocked spend from (..., A, K)."""
        return _array(np.einsum("ahk,...ak->...ah", self.carry, self.media(u)) + self.carry_in)

    def media(self, u: Array, arms: Any = slice(None)) -> Array:
        """(..., A, K) what adstocked spend is linear in, of some arms."""
        if self.power is None:
            return u
        return _array(np.maximum(u, 0.0) ** self.power[arms, None])

    def through(self, u: Array, slopes: Array) -> Array:
        """(A, K) from slopes in adstocked spend (A, H) to slopes in decisions; inf where one is."""
        steep = ~np.isfinite(slopes)
        inner = np.einsum("ahk,ah->ak", self.carry, np.where(steep, 0.0, slopes))
        touched = np.einsum("ahk,ah->ak", self.carry, steep.astype(np.float64)) > 0.0
        if self.power is not None:
            with np.errstate(divide="ignore"):
                p = self.power[:, None]
                buys = p * np.maximum(u, 0.0) ** (p - 1.0)
            inner = np.multiply(inner, buys, out=np.zeros_like(inner), where=inner != 0.0)
        return _array(np.where(touched, np.inf, inner))

    def straight(self, at: Array) -> Program:
        """A program without ``power``: media bought go by lines instead, above the media.

        Where ``at`` (A, K) is positive by the tangent there, where it is negative by the line
        through nothing and ``-at``, which is above only from there on.
        """
        if self.power is None:
            return self
        p, size, rising = self.power[:, None], np.abs(at), self.power[:, None] < 1.0
        slope = np.where(rising, np.where(at < 0.0, 1.0, p) * size ** (p - 1.0), 1.0)
        base = np.where(rising & (at > 0.0), (1.0 - p) * size**p, 0.0)
        more = np.einsum("ahk,ak->ah", self.carry, base)
        carry, carry_in = self.carry * slope[:, None, :], self.carry_in + more
        return replace(self, power=None, carry=carry, carry_in=carry_in)

    def response(self, z: Array) -> Array:
        """(..., A, H) weighted expected outcome at adstocked spend, interactions left aside."""
        return self.weight * self.mean(z)

    def kept(self, u: Array, price: Array, value: Array) -> Array:
        """(A, K) what the plan gains by each decision beyond its price, all others as they are.

        A decision below its ``least_active`` is taken there; ``value`` (A, 1) of an outcome.
        """
        v = np.maximum(u, self.least_active)
        moves, now, then = self.carry.transpose(2, 0, 1), self.media(u), self.media(v)
        z = np.maximum(self.adstocked(u) - moves * now.T[:, :, None], 0.0)
        brings = self.response(z + moves * then.T[:, :, None]) - self.response(z)
        return _array(value * brings.sum(axis=2).T - price * v)

    def response_draws(self, z: Array) -> Array | None:
        """(S, A, H) weighted outcome in each draw, interactions left aside; None without draws."""
        if self.draws is None:
            return None
        return _array(self.draws.value(z.T).transpose(1, 2, 0) * self.weight)

    def pair_weight(self, pair: Pair) -> Array:
        """(H,) what an interaction counts for in each period: its arms' weights' geometric mean.

        So the order in which a pair names its channels does not matter.
        """
        if pair.weight is not None:
            return pair.weight
        first, second = self.weight[pair.first], self.weight[pair.second]
        return _array(np.where(first == second, first, np.sqrt(first * second)))

    def linear_weights(self, z: Array) -> Array:
        """(A, H) weights of the responses, every product linearised at adstocked spend ``z``."""
        weight = self.weight.copy()
        if self.pairs:
            level, top = self.saturation(z), self.full()
        for pair in self.pairs:
            a, b = pair.first, pair.second
            strength = pair.strength * self.pair_weight(pair)
            weight[a] += strength * level[b] / top[a]
            weight[b] += strength * level[a] / top[b]
        return weight

    def steeper(self, z: Array) -> Array:
        """(A, H) by how much interactions multiply the slope of a response."""
        mixed = self.linear_weights(z)
        return np.divide(mixed, self.weight, out=np.ones_like(mixed), where=self.weight > 0.0)

    def supremum(self) -> Array:
        """(A,) the most that each arm can bring in a period; inf where its curve has no ceiling."""
        return self.known.mean_supremum()

    def full(self) -> Array:
        """(A,) the outcome that counts as a level of saturation of 1.

        1 where a curve brings nothing or has no ceiling: such a curve is in no interaction.
        """
        top = self.supremum()
        return _array(np.where(np.isfinite(top) & (top > 0.0), top, 1.0))

    def outcome(self, u: Array) -> float:
        """Expected outcome over the horizon, interactions included."""
        z = self.adstocked(u)
        level = self.response(z)
        return float(level.sum()) + float(self.between(z))

    def between(self, z: Array) -> Array:
        """(...) what interactions bring at adstocked spend (..., A, H); the same in every draw."""
        total = np.zeros(z.shape[:-2])
        if self.pairs:
            level = self.saturation(z)
            for pair in self.pairs:
                both = level[..., pair.first, :] * level[..., pair.second, :]
                total += pair.strength * (both * self.pair_weight(pair)).sum(axis=-1)
        return total

    def between_slopes(self, z: Array) -> Array:
        """(..., A, H) derivative of :meth:`between`."""
        out = np.zeros(z.shape)
        if self.pairs:
            level, rate = self.saturation(z), self.mean_slope(z) / self.full()[:, None]
            for pair in self.pairs:
                size = pair.strength * self.pair_weight(pair)
                for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
                    out[..., one, :] += size * rate[..., one, :] * level[..., other, :]
        return out

    def objective(self, u: Array) -> float:
        """What is maximised."""
        return self.value * (self.outcome(u) - self.lost(u)) - self.paid(u)

    def slopes(self, u: Array) -> Array:
        """(A, H) derivative of the weighted response in z; inf at 0 on some curves."""
        return self.slopes_at(self.adstocked(u))

    def slopes_at(self, z: Array) -> Array:
        """(..., A, H) the same at adstocked spend ``z``."""
        with np.errstate(invalid="ignore"):
            out = self.weight * self.mean_slope(z)
        return _array(np.where(self.weight == 0.0, 0.0, out))

    def gradient(self, u: Array) -> Array:
        """(A, K) derivative of the objective, interactions left aside."""
        if self.power is None:
            inner = np.einsum("ahk,ah->ak", self.carry, self.slopes(u))
        else:
            inner = self.through(u, self.slopes(u))
        return _array(self.value * inner - self.costs())

    def saturation(self, z: Array) -> Array:
        """(..., A, H) level of saturation, 0 to 1; 0 where a curve brings nothing or is endless."""
        value, top = self.mean(z), self.supremum()[:, None]
        return _array(np.divide(value, top, out=np.zeros_like(value), where=top > 0.0))

    def violation(self, u: Array) -> float:
        """Largest violation of a bound, a row or a discrete rule, relative to ``scale``.

        Money per period is what counts, so a share of a budget is turned into money first; a count
        of active arms is violated by the smallest spends that would have to go.
        """
        if u.shape != self.lower.shape or not np.all(np.isfinite(u)):
            return np.inf
        per_u = self.spread.max(axis=1)
        per_u = np.where(per_u > 0.0, per_u, per_u.max())  # sums of arms are in the arms' own units
        product = self.rows.matrix @ u.ravel()
        worst = max(
            float(np.max((self.lower - u) * per_u, initial=0.0)),
            float(np.max((u - self.upper) * per_u, initial=0.0)),
            float(np.max(self.rows.lower - product, initial=0.0)),
            float(np.max(product - self.rows.upper, initial=0.0)),
            float(np.max(np.minimum(u, self.least_active - u) * per_u, initial=0.0)),
        )
        some = self.lot > 0.0
        if np.any(some):
            lot = self.lot[some, None]
            off = np.abs(u[some] - np.round(u[some] / lot) * lot)
            worst = max(worst, float(np.max(off * per_u[some])))
        for rule in self.at_most:
            money = np.sort((u * per_u).max(axis=1)[list(dict.fromkeys(rule.arms))])[::-1]
            worst = max(worst, float(np.max(money[rule.count :], initial=0.0)))
        if self.switches:
            worst = max(worst, self.switches.misplaced(u * per_u, self.least_active * per_u))
        return worst / max(self.scale, 1e-300)

    def mean(self, z: Array) -> Array:
        """(..., A, H) responses' mean over draws at adstocked spend, unweighted."""
        points = _by_curve(z)
        if self.draws is None or self.draw_weights is None:
            found = self.known.mean_value(points)
        else:
            found = np.einsum("hsa,s->ha", self.draws.value(points), self.draw_weights)
        return _by_period(found, z)

    def mean_slope(self, z: Array) -> Array:
        """(..., A, H) derivative of :meth:`mean`; inf where slopes without limit are weighed."""
        points = _by_curve(z)
        if self.draws is None or self.draw_weights is None:
            found = self.known.mean_slope(points)
        else:
            used = self.draw_weights != 0.0  # no weight of an infinite slope is no number
            with np.errstate(invalid="ignore"):  # nor are weights of either sign
                each = self.draws.slope(points)[:, used]
                found = np.einsum("hsa,s->ha", each, self.draw_weights[used])
            found = np.where(np.isnan(found), np.inf, found)
        return _by_period(found, z)


def _by_curve(z: Array) -> Array:
    """Adstocked spend (..., A, H) as rows (r, A) for a stack of curves."""
    return np.ascontiguousarray(np.swapaxes(z, -1, -2)).reshape(-1, z.shape[-2])


def _by_period(rows: Array, z: Array) -> Array:
    """Rows of a stack's answer in the shape of ``z``."""
    return _array(np.swapaxes(rows.reshape(*z.shape[:-2], z.shape[-1], z.shape[-2]), -1, -2))


def _array(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)
