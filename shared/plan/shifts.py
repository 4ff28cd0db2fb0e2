"""All shifts of money between two places of a plan, and how far each may go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.model import Problem
from shared.problem.program import Program

__all__ = ["Shifts", "all_shifts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

MOST_SHIFTS = 4_000
"""Beyond it, single periods are left out: a move over the whole horizon is still found."""

MOST_ARMS = 150
"""With more arms, money moves from so many whose last unit brings least to so many whose next one
brings most."""

FREE = 10.0
"""Where nothing limits a shift out of an open budget, so many times the plan's money at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """M shifts between ``arms`` arms and what is not spent (which is number ``arms``).

    ``source``, ``target`` (M,); ``period`` (M,) from 0, or -1 for the whole horizon; ``shape``
    (M, T) which part of the amount moves in each period; ``most`` (M,) the largest amount that
    bounds and rows allow; ``lot`` (M,) its steps, 0 for none; ``special`` (M, 3) amounts at which
    a minimum if active is met, kept, or given up.
    """

    arms: int
    source: Ints
    target: Ints
    period: Ints
    shape: Floats
    most: Floats
    lot: Floats
    special: Floats

    @property
    def count(self) -> int:
        """M."""
        return int(self.source.size)

    def applied(self, spend: Floats, shift: int, amount: float) -> Floats:
        """(A, T) the plan after a shift."""
        moved = spend.copy()
        source, target = int(self.source[shift]), int(self.target[shift])
        if source < self.arms:
            moved[source] -= amount * self.shape[shift]
        if target < self.arms:
            moved[target] += amount * self.shape[shift]
        return moved


def all_shifts(problem: Problem, program: Program, spend: Floats) -> Shifts:
    """Every shift that may go some way; ``program`` decides money by arm and period."""
    arms, periods = spend.shape
    source, target = _pairs(program, spend)
    ends = np.stack([source, target], axis=1)
    shape, period = _profiles(spend, source, target), np.full(len(ends), -1)
    free = problem.horizon.mode in ("time_varying", "sequential")
    if periods > 1 and free and len(ends) * periods <= MOST_SHIFTS:
        each = np.repeat(np.eye(periods)[None], len(ends), axis=0).reshape(-1, periods)
        shape = np.concatenate([shape, each])
        period = np.concatenate([period, np.tile(np.arange(periods), len(ends))])
        source = np.concatenate([source, np.repeat(source, periods)])
        target = np.concatenate([target, np.repeat(target, periods)])
    most = _room(program, spend, source, target, shape)
    keep = most > 1e-9 * max(program.scale, 1e-12)
    source, target, period = source[keep], target[keep], period[keep]
    shape, most = shape[keep], most[keep]
    lots = np.concatenate([program.lot[:arms], [0.0]])
    lot = np.maximum(lots[source], lots[target])
    special = _special(program, spend, source, target, shape)
    return Shifts(arms, source, target, period, shape, most, lot, special)


def _pairs(program: Program, spend: Floats) -> tuple[Ints, Ints]:
    """All ordered pairs of places; of many arms, those that give least up and take most up."""
    arms = spend.shape[0]
    places = np.arange(arms + 1)
    gives = takes = places
    if arms > MOST_ARMS:
        slopes = program.gradient(program.widened(spend))[:arms].max(axis=1)
        order = np.argsort(slopes, kind="stable")
        some = order[spend[order].sum(axis=1) > 0.0]
        gives = np.concatenate([some[:MOST_ARMS], [arms]])
        takes = np.concatenate([order[-MOST_ARMS:], [arms]])
    source, target = np.repeat(gives, takes.size), np.tile(takes, gives.size)
    return source[source != target], target[source != target]


def _profiles(spend: Floats, source: Ints, target: Ints) -> Floats:
    """(M, T) the part of the amount that moves in each period, over the whole horizon."""
    arms, periods = spend.shape
    whole = spend.sum(axis=0)
    usual = whole / whole.sum() if whole.sum() > 0.0 else np.full(periods, 1.0 / periods)
    sums = spend.sum(axis=1, keepdims=True)
    own = np.where(sums > 0.0, spend / np.where(sums > 0.0, sums, 1.0), usual)
    own = np.concatenate([own, usual[None]])
    return np.asarray(own[np.where(source < arms, source, target)])


def _room(program: Program, spend: Floats, source: Ints, target: Ints, shape: Floats) -> Floats:
    """(M,) the largest amount; a limit that is broken already lets nothing pass that worsens it."""
    arms, periods = spend.shape
    u = program.widened(spend)
    hair = 1e-9 * max(program.scale, 1e-12)
    most = np.full(source.size, FREE * max(float(spend.sum()), program.scale))
    cells = program.rows.matrix.reshape(-1, program.arms, periods)
    own = np.concatenate([cells[:, :arms], np.zeros((len(cells), 1, periods))], axis=1)
    boxes = []
    for s, parts in enumerate(program.sums):
        whole = cells[:, arms + s]
        for part in parts:
            own[:, part] += whole
        inside = np.zeros(arms + 1)
        inside[list(parts)] = 1.0
        boxes.append((inside, arms + s))
    # Rows and the boxes of sums: how much one unit moves them, and how far they are from either end
    level = program.rows.matrix @ u.ravel()
    for r in range(len(cells)):
        moved = (shape * (own[r][target] - own[r][source])).sum(axis=1)
        room = (program.rows.upper[r] - level[r], level[r] - program.rows.lower[r])
        most = _within(most, moved, *room, hair)
    for inside, arm in boxes:
        way = inside[target] - inside[source]
        for t in range(periods):
            room = (program.upper[arm, t] - u[arm, t], u[arm, t] - program.lower[arm, t])
            most = _within(most, way * shape[:, t], *room, hair)
    ends = np.unique(np.concatenate([source, target]))
    for arm in ends[ends < arms].tolist():
        way = (target == arm).astype(float) - (source == arm)
        for t in range(periods):
            room = (program.upper[arm, t] - u[arm, t], u[arm, t] - program.lower[arm, t])
            most = _within(most, way * shape[:, t], *room, hair)
    return most


def _within(most: Floats, moved: Floats, above: float, below: float, hair: float) -> Floats:
    """``most`` where a quantity moves by ``moved`` (M,) a unit and has so much room either way."""
    above = 0.0 if above <= hair else above
    below = 0.0 if below <= hair else below
    size = np.abs(moved)
    room = np.where(moved > 0.0, above, below)
    return np.where(size > 1e-12, np.minimum(most, room / np.where(size > 1e-12, size, 1.0)), most)


def _special(program: Program, spend: Floats, source: Ints, target: Ints, shape: Floats) -> Floats:
    """(M, 3) amounts: all of the source, down to its minimum if active, up to the target's."""
    arms = spend.shape[0]
    least = np.concatenate([program.least_active[:arms], np.zeros((1, spend.shape[1]))])
    here = np.concatenate([spend, np.zeros((1, spend.shape[1]))])
    active = shape > 0.0
    per = np.where(active, shape, 1.0)

    def until(amounts: Floats) -> Floats:
        """The amount that gives the first period reached so much."""
        each = np.where(active, amounts / per, np.inf)
        return np.asarray(np.maximum(each.min(axis=1), 0.0))

    all_of = until(here[source])
    down = until(here[source] - least[source])
    missing = np.where(active, np.maximum(least[target] - here[target], 0.0) / per, 0.0)
    found = np.stack([all_of, down, missing.max(axis=1)], axis=1)
    return np.asarray(np.where(np.isfinite(found), found, 0.0))
