"""Rules on when decisions are on: flights of one arm, and how many arms run in a period.

A decision is on from its ``least_active``, off at 0. A flight's pattern is a walk through few
states: off or on, for how many periods, and how many flights have begun. What a rule leaves open
follows from the walks that are left (dynamic programming); its rows for an integer programme are
those of Rajan and Takriti (IBM Research Report RC23628, 2005), whose relaxation is the hull of the
patterns with runs of so many periods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["NONE", "Flight", "PerPeriod", "Switch", "Switches"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
NewColumn = Callable[[float, float], int]
NewRow = Callable[[list[int], list[float], float, float], None]


@dataclass(frozen=True, slots=True)
class Flight:
    """An arm that is on for ``min_on`` periods in a row or more, then off for ``min_off`` or more.

    At most ``most`` flights begin (None: any number). ``before`` is whether the arm was on in the
    period before the first, and for how many in a row; None: it may begin at any time. A flight
    under way is not one that begins; one that begins ends its ``min_on`` within the horizon.
    """

    name: str
    arm: int
    columns: int
    min_on: int = 1
    min_off: int = 1
    most: int | None = None
    before: tuple[bool, int] | None = None

    @property
    def cells(self) -> tuple[list[int], list[int]]:
        """Arms and columns of the decisions that it is about."""
        return [self.arm] * self.columns, list(range(self.columns))

    @property
    def asks(self) -> str:
        """What it asks for, in words."""
        parts = [f"at least {self.min_on} periods on in a row"] if self.min_on > 1 else []
        parts += [f"at least {self.min_off} off between flights"] if self.min_off > 1 else []
        parts += [] if self.most is None else [f"at most {self.most} flights"]
        words = "asks for " + ", ".join(parts or ["nothing"])
        if self._held():
            words += " (what ran just before the plan counts)"
        return words

    def keeps(self, on: Flags) -> Flags:
        """(...) whether patterns (..., K) are allowed."""
        states = _states(self)
        at = np.full(on.shape[:-1], states.first)
        for t in range(self.columns):
            at = np.where(on[..., t], states.to_on[at], states.to_off[at])
        return np.asarray(states.final[at])

    def settled(self, on: Flags, off: Flags) -> tuple[Flags, Flags] | None:
        """Decisions (K,) that are on and that are off in every pattern left; None without any."""
        found = _settled(self, on.tobytes(), off.tobytes())
        return None if found is None else (found[0].copy(), found[1].copy())

    def best(self, gain: Array, on: Flags, off: Flags) -> Flags | None:
        """The pattern (K,) that gains most, each decision its part where it is on."""
        states, count = _states(self), self.columns
        value = np.full(states.size + 1, -np.inf)
        value[states.first] = 0.0
        came = np.zeros((count, states.size), dtype=np.intp)
        for t in range(count):
            each = value[states.come_from]
            came[t] = each.argmax(axis=1)
            step = each.max(axis=1) + np.where(states.on, gain[t], 0.0)
            step[states.on & off[t]] = -np.inf
            step[~states.on & on[t]] = -np.inf
            value[:-1] = step
        ends = np.where(states.final[:-1], value[:-1], -np.inf)
        at = int(np.argmax(ends))
        if ends[at] == -np.inf:
            return None
        out = np.zeros(count, dtype=bool)
        for t in range(count - 1, -1, -1):
            out[t] = states.on[at]
            at = int(states.come_from[at, came[t, at]])
        return out

    def write(self, on: Sequence[int], column: NewColumn, row: NewRow) -> None:
        """Add its rows over the switches ``on`` (K,) of an integer programme."""
        count = self.columns
        was_on = self.before is not None and self.before[0]
        start = [column(0.0, float(t + self.min_on <= count)) for t in range(count)]
        for t in range(count):
            before, sign = ([on[t - 1]], [-1.0]) if t else ([], [])
            row([on[t], start[t], *before], [1.0, -1.0, *sign], -np.inf, float(was_on and not t))
            begun = start[max(t - self.min_on + 1, 0) : t + 1]
            row([*begun, on[t]], [*[1.0] * len(begun), -1.0], -np.inf, 0.0)
            soon = start[t + 1 : t + 1 + self.min_off]
            row([*soon, on[t]], [1.0] * (len(soon) + 1), -np.inf, 1.0)
        for t in range(self._held()):
            row([on[t]], [1.0], float(was_on), float(was_on))
        if was_on:
            row(start[: self.min_off], [1.0] * len(start[: self.min_off]), -np.inf, 0.0)
        if self.most is not None:
            row(start, [1.0] * count, -np.inf, float(self.most))

    def _held(self) -> int:
        """First periods in which what was before leaves no choice."""
        if self.before is None:
            return 0
        on, run = self.before
        return min(max((self.min_on if on else self.min_off) - run, 0), self.columns)


@dataclass(frozen=True, slots=True)
class PerPeriod:
    """At most ``count`` of the ``arms`` are on in one ``column``."""

    name: str
    arms: tuple[int, ...]
    column: int
    count: int

    @property
    def cells(self) -> tuple[list[int], list[int]]:
        """Arms and columns of the decisions that it is about."""
        return list(self.arms), [self.column] * len(self.arms)

    @property
    def asks(self) -> str:
        """What it asks for, in words."""
        return f"allows at most {self.count} active in a period"

    def keeps(self, on: Flags) -> Flags:
        """(...) whether patterns (..., n) are allowed."""
        return np.asarray(on.sum(axis=-1) <= self.count)

    def write(self, on: Sequence[int], column: NewColumn, row: NewRow) -> None:
        """As :meth:`Flight.write`."""
        del column
        row(list(on), [1.0] * len(on), -np.inf, float(self.count))


Switch = Flight | PerPeriod


class Switches:
    """All rules of a program, over patterns (A, K)."""

    def __init__(self, rules: Sequence[Switch] = ()) -> None:
        self.rules = tuple(rules)
        self.flights = tuple(rule for rule in rules if isinstance(rule, Flight))
        self.counts = tuple(rule for rule in rules if isinstance(rule, PerPeriod))
        self._most = np.array([rule.count for rule in self.counts])
        self._known: Flags | None = None

    def __iter__(self) -> Iterator[Switch]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def about(self, shape: tuple[int, ...]) -> Flags:
        """(A, K) decisions that some rule is about."""
        out = np.zeros(shape, dtype=bool)
        for rule in self.rules:
            out[rule.cells] = True
        return out

    def keeps(self, on: Flags) -> bool:
        """Whether a pattern is allowed by every rule."""
        return not np.any(self._used(on) > self._most) and all(
            bool(flight.keeps(on[flight.arm])) for flight in self.flights
        )

    def settled(self, on: Flags, off: Flags) -> tuple[Flags, Flags] | None:
        """What follows rule by rule from decisions that are on or off; None: no pattern."""
        on, off = on.copy(), off.copy()
        while True:
            changed = False
            for flight in self.flights:
                a = flight.arm
                found = _settled(flight, on[a].tobytes(), off[a].tobytes())
                if found is None:
                    return None
                if not (np.array_equal(found[0], on[a]) and np.array_equal(found[1], off[a])):
                    on[a], off[a] = found
                    changed = True
            used = self._used(on)
            if np.any(used > self._most):
                return None
            for i in np.flatnonzero(used == self._most).tolist():
                idle = self._members(on.shape)[i] & ~(on | off).ravel()
                if np.any(idle):
                    off.ravel()[idle] = True
                    changed = True
            if not changed:
                return on, off

    def nearest(self, gain: Array, on: Flags, off: Flags) -> Flags | None:
        """An allowed pattern that gains much, each decision its part where it is on.

        The best where no decision is in two rules; else what is left to an arm once those that
        gain most have theirs. None where that leaves nothing (there may be a pattern all the same).
        """
        known = self.settled(on, off)
        if known is None:
            return None
        on, off = known
        plain = (on | (gain > 0.0)) & ~off
        if self.keeps(plain):
            return plain
        gain = gain.copy()
        for rule in self.counts:
            at = rule.cells
            each = np.where(on[at], np.inf, np.where(off[at], -np.inf, gain[at]))
            if rule.count < each.size:
                # Worth it only beyond what the first that has no place would gain.
                gain[at] -= max(float(np.sort(each)[::-1][rule.count]), 0.0)
        flights = {flight.arm: flight for flight in self.flights}
        hopes = np.where(on, np.inf, np.where(off, 0.0, np.maximum(gain, 0.0))).sum(axis=1)
        arms = np.flatnonzero(self.about(on.shape).any(axis=1))
        for arm in arms[np.argsort(-hopes[arms], kind="stable")].tolist():
            own: Flags | None = (on[arm] | (gain[arm] > 0.0)) & ~off[arm]
            if arm in flights:
                own = flights[arm].best(gain[arm], on[arm], off[arm])
            if own is None:
                return None
            on[arm], off[arm] = own, ~own
            known = self.settled(on, off)
            if known is None:
                return None
            on, off = known
        return np.asarray((on | (gain > 0.0)) & ~off)

    def misplaced(self, money: Array, least: Array) -> float:
        """The largest of the amounts (A, K) that would have to come or go for an allowed pattern.

        An amount is on beyond half of what it is ``least`` when on.
        """
        gain = money - 0.5 * least
        on = gain > 0.0
        if self.keeps(on):
            return 0.0
        none = np.zeros(on.shape, dtype=bool)
        nearby = self.nearest(gain, none, none)
        if nearby is None:  # none was found: all of it
            return float(money.max(initial=0.0))
        off = np.where(on, money, least - money)[(on != nearby) & self.about(on.shape)]
        return float(np.max(off, initial=0.0))

    def _used(self, on: Flags) -> NDArray[np.intp]:
        """By count, how many of its decisions are on."""
        if not self.counts:
            return np.zeros(0, dtype=np.intp)
        return np.asarray(self._members(on.shape) @ on.ravel().astype(np.intp))

    def _members(self, shape: tuple[int, ...]) -> Flags:
        """(m, A K) decisions of each count."""
        if self._known is None or self._known.shape[1] != np.prod(shape):
            each = [Switches([rule]).about(shape).ravel() for rule in self.counts]
            self._known = np.stack(each)
        return self._known


NONE = Switches()


# A flight's states.


@dataclass(frozen=True, slots=True, eq=False)
class _States:
    """States of a flight: ``on`` (S,), where each leads and comes from; S stands for none."""

    size: int
    first: int
    on: Flags
    final: Flags
    to_on: NDArray[np.intp]
    to_off: NDArray[np.intp]
    come_from: NDArray[np.intp]


@lru_cache(maxsize=1_000)
def _states(flight: Flight) -> _States:
    """Runs of 1 to ``min_off`` periods off and 1 to ``min_on`` on, longer ones as the longest; by
    how many flights have begun, where that is limited."""
    on_run, off_run, most = flight.min_on, flight.min_off, flight.most
    if most is not None and most >= (flight.columns + off_run) // (on_run + off_run):
        most = None  # more do not fit
    each = off_run + on_run
    size = each * (1 if most is None else most + 1)
    on = np.arange(size) % each >= off_run
    to_on, to_off = np.full(size + 1, size), np.full(size + 1, size)
    for s in range(size):
        begun, place = divmod(s, each)
        base = begun * each
        if place < off_run:
            to_off[s] = base + min(place + 1, off_run - 1)
            if place == off_run - 1 and (most is None or begun < most):
                to_on[s] = off_run + (base if most is None else base + each)
        else:
            run = place - off_run
            to_on[s] = base + off_run + min(run + 1, on_run - 1)
            if run == on_run - 1:
                to_off[s] = base
    first = off_run - 1
    if flight.before is not None:
        was, run = flight.before
        first = off_run + min(run, on_run) - 1 if was else min(run, off_run) - 1
    final = np.zeros(size + 1, dtype=bool)
    final[:size] = ~on | (np.arange(size) % each == each - 1)
    if flight.before is not None and flight.before[0]:
        left = flight.min_on - flight.before[1]
        if left > flight.columns:  # it goes on beyond the horizon
            final[first + flight.columns] = True
    sources: list[list[int]] = [[] for _ in range(size + 1)]
    for s in range(size):
        for to in (int(to_on[s]), int(to_off[s])):
            sources[to].append(s)
    width = max(1, max(len(own) for own in sources[:size]))
    come_from = np.full((size, width), size, dtype=np.intp)
    for s in range(size):
        come_from[s, : len(sources[s])] = sources[s]
    return _States(size, first, on, final, to_on, to_off, come_from)


@lru_cache(maxsize=50_000)
def _settled(flight: Flight, on: bytes, off: bytes) -> tuple[Flags, Flags] | None:
    states, count = _states(flight), flight.columns
    must, never = np.frombuffer(on, dtype=bool), np.frombuffer(off, dtype=bool)
    may = np.where(states.on, ~never[:, None], ~must[:, None])
    reached = np.zeros((count + 1, states.size + 1), dtype=bool)
    reached[0, states.first] = True
    for t in range(count):
        reached[t + 1, :-1] = reached[t][states.come_from].any(axis=1) & may[t]
    ends = states.final.copy()
    ends[-1] = False
    left = np.zeros((count, states.size), dtype=bool)
    for t in range(count - 1, -1, -1):
        left[t] = reached[t + 1, :-1] & ends[:-1]
        alive = np.append(left[t], False)
        ends[:-1] = alive[states.to_on[:-1]] | alive[states.to_off[:-1]]
    if not left[-1].any():
        return None
    can_on, can_off = left[:, states.on].any(axis=1), left[:, ~states.on].any(axis=1)
    return ~can_off, ~can_on
