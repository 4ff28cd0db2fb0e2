"""Many curves as arrays: the vectorised workhorse of everything that solves, scores or certifies.

Curves are grouped by family, each group one saturation object with array parameters, so that a
thousand channels cost a handful of numpy calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared import work
from shared.curves.family import Array, Saturation, Single
from shared.curves.tabulated import Tabulated, mean_table

__all__ = ["CurveStack", "DrawStack", "Group", "stack", "stack_draws"]

_TABLE = 200  # evaluations that looking up one draw of a table is as much work as
_CHUNK = 1 << 21  # numbers formed at once when draws are averaged over many points


@dataclass(frozen=True, slots=True)
class Group:
    """Channels of one family: ``columns`` (g,) and one curve with parameters (g,) or (S, g)."""

    columns: Any
    curve: Saturation

    def place(self, column: int, n: int) -> int | None:
        """Where one of ``n`` columns stands among the group's; None where it is not one of them."""
        found = np.flatnonzero(np.arange(n)[self.columns] == column)
        return int(found[0]) if found.size else None


@dataclass(frozen=True, slots=True)
class CurveStack:
    """``n`` curves side by side.

    ``groups`` hold the closed-form families, ``tables`` the tabulated curves by column. ``x`` is
    (n,) or (k, n); answers have the shape of ``x``.
    """

    n: int
    groups: tuple[Group, ...]
    tables: tuple[tuple[int, Tabulated], ...] = ()

    def value(self, x: ArrayLike) -> Array:
        """Outcome of each channel at spend ``x``."""
        return self.gather(lambda curve, part: curve.value(part), x)

    def slope(self, x: ArrayLike) -> Array:
        """Outcome gained by each channel's next unit of money at ``x``."""
        return self.gather(lambda curve, part: curve.slope(part), x)

    def relative_curvature(self, x: ArrayLike) -> Array:
        """``f'' / f'`` of each channel at ``x``."""
        return self.gather(lambda curve, part: curve.relative_curvature(part), x)

    def at_slope(self, slope: ArrayLike) -> Array:
        """Spend at or above the inflection with the given slope; ``slope`` (n,) or (k, n)."""
        return self.gather(lambda curve, part: curve.at_slope(part), slope)

    def inflection(self) -> Array:
        """(n,) inflections; 0 for a concave curve."""
        return self._parameters(lambda curve: curve.inflection())

    def concave_from(self) -> Array:
        """(n,) the same, but ``inf`` for a straight line, which no effect is too."""
        return self._parameters(lambda curve: curve.concave_from())

    def supremum(self) -> Array:
        """(n,) largest outcomes; ``inf`` where a curve grows without limit."""
        return self._parameters(lambda curve: curve.supremum())

    def inflections(self) -> Array:
        """(1, n) the same as of one draw."""
        return self.inflection()[None]

    mean_value, mean_slope, mean_supremum = value, slope, supremum
    """What is known is its own mean, so that curves answer as their draws do."""

    def value_error(self, x: ArrayLike) -> Array:
        """A bound on the relative error of each channel's value at ``x``."""
        return self.gather(lambda curve, part: curve.value_error(part), x)

    def slope_error(self, x: ArrayLike) -> Array:
        """A bound on the relative error of each channel's slope at ``x``."""
        return self.gather(lambda curve, part: curve.slope_error(part), x)

    def alone(self, channel: int) -> Single | None:
        """One channel's curve in plain floats; None where its family has no such twin."""
        for group in self.groups:
            place = group.place(channel, self.n)
            if place is not None:
                return group.curve.alone(place)
        return None

    def gather(self, of: Callable[[Saturation, Array], ArrayLike], x: ArrayLike) -> Array:
        """``of(curve, x[..., columns])`` put back in place, group by group."""
        x = np.asarray(x, float)
        work.charge(work.cost(x.size))
        if len(self.groups) == 1 and not self.tables and isinstance(self.groups[0].columns, slice):
            return np.asarray(of(self.groups[0].curve, x))
        out = np.empty(x.shape)
        for group in self.groups:
            out[..., group.columns] = of(group.curve, x[..., group.columns])
        for column, table in self.tables:
            out[..., column] = of(table, x[..., column])
        return out

    def take(self, columns: ArrayLike) -> CurveStack:
        """The stack of some of the channels, in the order asked for."""
        wanted = np.asarray(columns, dtype=np.intp)
        groups: list[Group] = []
        for group in self.groups:
            where = np.full(self.n, -1)
            own = np.arange(self.n)[group.columns]
            where[own] = np.arange(own.size)
            inside = np.flatnonzero(where[wanted] >= 0)
            if inside.size:
                picked = where[wanted[inside]]
                part = group.curve.each(lambda p: np.broadcast_to(p, own.shape)[picked])  # noqa: B023
                groups.append(_group(inside, wanted.size, part))
        by_column = dict(self.tables)
        tables = tuple((i, by_column[c]) for i, c in enumerate(wanted.tolist()) if c in by_column)
        return CurveStack(wanted.size, tuple(groups), tables)

    def scaled(self, by: Array) -> CurveStack:
        """The curves ``x -> self(by * x)``, ``by`` (n,) above 0."""
        groups = tuple(Group(g.columns, g.curve.scaled(by[g.columns])) for g in self.groups)
        tables = tuple((column, table.scaled(float(by[column]))) for column, table in self.tables)
        return CurveStack(self.n, groups, tables)

    def _parameters(self, of: Callable[[Saturation], Any]) -> Array:
        out = np.empty(self.n)
        for group in self.groups:
            out[group.columns] = of(group.curve)
        for column, table in self.tables:
            out[column] = of(table)
        return out


@dataclass(frozen=True, slots=True)
class DrawStack:
    """``draws`` posterior samples of ``n`` curves; parameters of a group are (S, g).

    Tabulated channels keep their draws as they are, and their mean, which is a table again.
    """

    draws: int
    n: int
    groups: tuple[Group, ...]
    tables: tuple[tuple[int, tuple[Tabulated, ...], Tabulated], ...] = ()

    def value(self, x: ArrayLike) -> Array:
        """Outcome per draw and channel: ``x`` (..., n) gives (..., S, n)."""
        return self._each(lambda curve, part: curve.value(part), x)

    def slope(self, x: ArrayLike) -> Array:
        """Slope per draw and channel: ``x`` (..., n) gives (..., S, n)."""
        return self._each(lambda curve, part: curve.slope(part), x)

    def mean_value(self, x: ArrayLike) -> Array:
        """Mean outcome over the draws; shape of ``x``, (n,) or (k, n)."""
        return self._mean(lambda curve, part: curve.value(part), x)

    def mean_slope(self, x: ArrayLike) -> Array:
        """Mean slope over the draws; shape of ``x``, (n,) or (k, n)."""
        return self._mean(lambda curve, part: curve.slope(part), x)

    def mean_curvature(self, x: ArrayLike) -> Array:
        """Mean second derivative over the draws, for ``x > 0``."""

        def of(curve: Saturation, part: Array) -> Array:
            with np.errstate(over="ignore", invalid="ignore"):  # at 0 it may be no number
                return curve.slope(part) * curve.relative_curvature(part)

        return self._mean(of, x)

    def mean_supremum(self) -> Array:
        """Mean over the draws of the largest outcome (n,); inf where a draw has no ceiling."""
        return self._each(lambda curve, _: curve.supremum(), np.zeros(self.n)).mean(axis=0)

    def inflections(self) -> Array:
        """(S, n) inflections."""
        out = np.zeros((self.draws, self.n))
        for group in self.groups:
            out[:, group.columns] = group.curve.inflection()
        for column, tables, _ in self.tables:
            out[:, column] = [table.inflection() for table in tables]
        return out

    def scaled(self, by: Array) -> DrawStack:
        """The draws of ``x -> f(by * x)``, ``by`` (n,) above 0."""
        groups = tuple(Group(g.columns, g.curve.scaled(by[g.columns])) for g in self.groups)
        tables = []
        for column, each, _ in self.tables:
            moved = tuple(table.scaled(float(by[column])) for table in each)
            tables.append((column, moved, mean_table(moved)))
        return DrawStack(self.draws, self.n, groups, tuple(tables))

    def weighed(self, weights: Array) -> DrawStack:
        """Draws whose plain mean is ``sum of weights * draw``; weights (S,) or (S, n) >= 0, those
        of 0 are left out."""
        weights = np.broadcast_to(weights.reshape(self.draws, -1), (self.draws, self.n))
        kept = np.flatnonzero(weights.max(axis=1) > 0.0)
        scale = weights[kept] * kept.size
        groups = tuple(
            Group(g.columns, g.curve.each(lambda p: p[kept]).times(scale[:, g.columns]))
            for g in self.groups
        )
        tables = []
        for column, curves, _ in self.tables:
            each = zip(kept.tolist(), scale[:, column].tolist(), strict=True)
            picked = tuple(curves[s].times(by) for s, by in each)
            tables.append((column, picked, mean_table(picked)))
        return DrawStack(kept.size, self.n, groups, tuple(tables))

    def one(self, draw: int) -> CurveStack:
        """Draw number ``draw`` of every channel, as curves that are known."""
        groups = tuple(
            Group(group.columns, group.curve.each(lambda p: np.ascontiguousarray(p[draw])))
            for group in self.groups
        )
        tables = tuple((column, tables[draw]) for column, tables, _ in self.tables)
        return CurveStack(self.n, groups, tables)

    def column(self, channel: int) -> Saturation:
        """One channel's draws as a single curve with parameters (S,); a table's mean."""
        for group in self.groups:
            place = group.place(channel, self.n)
            if place is not None:
                return group.curve.each(lambda p: np.ascontiguousarray(p[:, place]))  # noqa: B023
        for column, _, mean in self.tables:
            if column == channel:
                return mean
        raise IndexError(f"There is no channel {channel}.")

    def _each(self, of: Callable[[Saturation, Array], ArrayLike], x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        points = x.size // self.n if self.n else 0
        work.charge(work.cost(points * self.draws * (self.n + _TABLE * len(self.tables))))
        out = np.empty((*x.shape[:-1], self.draws, self.n))
        for group in self.groups:
            out[..., group.columns] = of(group.curve, x[..., None, group.columns])
        for column, tables, _ in self.tables:
            for draw, table in enumerate(tables):
                out[..., draw, column] = of(table, x[..., column])
        return out

    def _mean(self, of: Callable[[Saturation, Array], ArrayLike], x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        points = x.reshape(-1, self.n)
        work.charge(work.cost(self.draws * points.size))
        out = np.empty(points.shape)
        step = max(1, _CHUNK // max(1, self.draws * self.n))
        for start in range(0, points.shape[0], step):
            rows = slice(start, start + step)
            part = points[rows, None, :]
            for group in self.groups:
                each = np.asarray(of(group.curve, part[..., group.columns]))
                out[rows, group.columns] = each.mean(axis=1)
        for column, _, mean in self.tables:
            out[:, column] = of(mean, points[:, column])
        return out.reshape(x.shape)


def stack(curves: Sequence[Saturation]) -> CurveStack:
    """Group curves (with scalar parameters) by family.

    >>> from shared.curves.saturation import Exponential, Power
    >>> stack([Power(2.0, 0.5), Exponential(10.0, 1.0)]).value([4.0, 0.0]).tolist()
    [4.0, 0.0]
    """
    groups: list[Group] = []
    for cls, columns in _families(curves).items():
        parameters = {
            name: np.array([getattr(curves[c], name) for c in columns], dtype=float)
            for name in cls.ranges()
        }
        groups.append(_group(np.array(columns, dtype=np.intp), len(curves), cls(**parameters)))
    tables = tuple((c, curve) for c, curve in enumerate(curves) if isinstance(curve, Tabulated))
    return CurveStack(len(curves), tuple(groups), tables)


def stack_draws(draws: Sequence[Sequence[Saturation]]) -> DrawStack:
    """Stack ``draws[channel][s]``: equally many draws for every channel, one family a channel.

    Raises
    ------
    ValueError
        If the channels do not carry equally many draws, or a channel's draws mix families.
    """
    counts = {len(channel) for channel in draws}
    if len(counts) != 1 or 0 in counts:
        raise ValueError("Every channel needs equally many draws: draw s belongs to draw s.")
    if any(type(draw) is not type(channel[0]) for channel in draws for draw in channel):
        raise ValueError("All draws of one channel are of one family.")
    groups: list[Group] = []
    for cls, columns in _families([channel[0] for channel in draws]).items():
        parameters = {
            name: np.array(
                [[getattr(draw, name) for draw in draws[c]] for c in columns], dtype=float
            ).T.copy()
            for name in cls.ranges()
        }
        groups.append(_group(np.array(columns, dtype=np.intp), len(draws), cls(**parameters)))
    tables = tuple(
        (c, tables, mean_table(tables))
        for c, channel in enumerate(draws)
        if (tables := tuple(d for d in channel if isinstance(d, Tabulated)))
    )
    return DrawStack(counts.pop(), len(draws), tuple(groups), tables)


def _families(curves: Sequence[Saturation]) -> dict[type[Saturation], list[int]]:
    by_family: dict[type[Saturation], list[int]] = {}
    for column, curve in enumerate(curves):
        if curve.closed_form():
            by_family.setdefault(type(curve), []).append(column)
    return by_family


def _group(columns: Any, n: int, curve: Saturation) -> Group:
    # One family for all channels: a slice spares the copies that fancy indexing makes.
    return Group(slice(None) if columns.size == n else columns, curve)
