"""Largest values of one arm's terms over intervals, never too small; for the certificate only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.curves.saturation import Saturation, Tabulated
from shared.problem.program import Program
from shared.problem.region import HAIR
from shared.solve.certify.maxima import closed_form_maxima
from shared.solve.certify.mixture import Mixture
from shared.solve.certify.repeats import packed

__all__ = ["ArmMaxima"]

Array = NDArray[np.float64]
_LOTS = 4_096  # multiples of a lot that are tried one by one
_CHUNK = 1 << 20  # of them times questions, at once
_LOOSE = 1e3


class ArmMaxima:
    """One-dimensional maxima of a program's responses; keeps what it learns from leaf to leaf.

    ``z_lower`` and ``z_upper`` (A, H) are the widest ranges that will ever be asked about, ``size``
    is that of the outcome: bounds may be loose by a tiny part of it, those on means over draws by
    ``accuracy`` of it in all.
    """

    def __init__(
        self,
        program: Program,
        z_lower: Array,
        z_upper: Array,
        size: float,
        accuracy: float = 1e-9,
        near: Array | None = None,
    ) -> None:
        self.program, self.accuracy, self.near = program, accuracy, near
        self.tolerance = size / max(program.weight.size, 1)
        self.z_lower, self.z_upper = z_lower, z_upper
        draws = program.draws
        self.weights: Array | None = None
        self.tables: dict[int, tuple[Tabulated, ...]] = {}
        if draws is not None:
            self.weights = (
                np.full(draws.draws, 1.0 / draws.draws)
                if program.draw_weights is None
                else program.draw_weights
            )
            self.tables = {c: each for c, each, _ in draws.tables}
        else:
            self.tables = {c: (table,) for c, table in program.curves.tables}
        self.closed = np.ones(program.arms, dtype=bool)
        self.closed[list(self.tables)] = False
        if draws is not None:
            self.closed[:] = False
        self.rising = self.weights is None or bool(np.all(self.weights >= 0.0))
        self._mixtures: dict[tuple[int, bool], Mixture] = {}
        self._along: dict[int, tuple[Array, Mixture]] = {}
        self._lots: dict[int, tuple[int, Array, Array]] = {}
        self._rest: tuple[Array, Array] | None = None

    def value_over(self, z: Array) -> Array:
        """(A, H) each arm's (mean) response at ``z``, rounded up."""
        return self._rounded(z, 1.0)

    def value_under(self, z: Array) -> Array:
        """(A, H) each arm's (mean) response at ``z``, rounded down."""
        return self._rounded(z, -1.0)

    def at_rest(self) -> tuple[Array, Array]:
        """(A, H) responses to what comes in from before, rounded up and down."""
        if self._rest is None:
            still = self.program.carry_in
            self._rest = self.value_over(still), self.value_under(still)
        return self._rest

    def tops(
        self, weight: Array, price: Array, z_lower: Array, z_upper: Array, *, loose: bool = False
    ) -> Array:
        """(A, n) upper bounds on the maxima of ``weight f(z) - price z``, any signs, over boxes.

        ``n`` is whatever number of questions about each arm; ``loose`` bounds are rougher by a
        small part of the objective in all, and take less time.
        """
        rough = _LOOSE if loose else 1.0
        period, near = self.program.weight.shape[1], None
        if self.near is not None and weight.shape[1] % period == 0:
            near = np.tile(self.near, weight.shape[1] // period)
        repeats = packed((weight, price, z_lower, z_upper), period)
        if repeats is None:
            return self._tops(weight, price, z_lower, z_upper, near, rough)
        few = repeats.asked
        near = None if near is None else few(near)
        top = self._tops(few(weight), few(price), few(z_lower), few(z_upper), near, rough)
        return repeats.answered(top)

    def _tops(
        self,
        weight: Array,
        price: Array,
        z_lower: Array,
        z_upper: Array,
        near: Array | None,
        rough: float,
    ) -> Array:
        out = np.maximum(-price * z_lower, -price * z_upper)
        negative = weight < 0.0
        easy_up = (weight > 0.0) & (price <= 0.0)
        easy_down = negative & (price >= 0.0)
        hard = (weight != 0.0) & ~(easy_up | easy_down)
        if not self.rising:
            easy_up, easy_down, hard = easy_up & False, easy_down & False, weight != 0.0
        table = np.zeros(weight.shape, dtype=bool)
        table[list(self.tables)] = True
        table &= weight != 0.0
        easy_up, easy_down, hard = easy_up & ~table, easy_down & ~table, hard & ~table
        if np.any(easy_up):
            top = weight * self.value_over(z_upper) - price * z_upper
            out = np.where(easy_up, top, out)
        if np.any(easy_down):
            top = weight * self.value_under(z_lower) - price * z_lower
            out = np.where(easy_down, top, out)
        smooth = hard & self.closed[:, None] & ~negative
        if np.any(smooth):
            out[smooth] = self._closed(smooth, weight, price, z_lower, z_upper, near, rough)
        for arm in np.flatnonzero(np.any(hard & ~smooth, axis=1)):
            for sign in (True, False):
                own = hard[arm] & ~smooth[arm] & (negative[arm] != sign)
                if np.any(own):
                    size = np.abs(weight[arm, own])
                    with np.errstate(over="ignore"):
                        slope = price[arm, own] / size
                    low, high = z_lower[arm, own], z_upper[arm, own]
                    slack = self.tolerance * self.accuracy * rough / float(size.max())
                    top = size * self._mixture(int(arm), sign).maxima(low, high, slope, slack)
                    crude = size * self._largest(int(arm), sign, high) - np.minimum(
                        price[arm, own] * low, price[arm, own] * high
                    )
                    out[arm, own] = np.where(np.isfinite(slope), np.minimum(top, crude), crude)
        for arm in np.flatnonzero(np.any(table, axis=1)):
            own = table[arm]
            out[arm, own] = self._table(
                int(arm), weight[arm, own], price[arm, own], z_lower[arm, own], z_upper[arm, own]
            )
        # Dividing by a weight and multiplying by it again rounds, and so do all the products.
        far = np.where(smooth, 0.0, np.abs(price) * z_upper)
        return np.asarray(out + 8.0 * EPS * (far + np.abs(out)))

    def along(
        self, arm: int, weight: Array, price: Array, low: Array, high: Array, *, loose: bool = False
    ) -> Array:
        """Bounds on ``sum over h of weight_h f(carry_h u + carry_in_h) - price u`` on intervals.

        ``weight`` is (H,), all others (k,).
        """
        if arm in self.tables:
            each = zip(price.tolist(), low.tolist(), high.tolist(), strict=True)
            return np.array([self._along_table(arm, weight, *one) for one in each])
        known = self._along.get(arm)
        if known is None or not np.array_equal(known[0], weight):
            known = weight, self._joined(arm, weight, float(low.min()), float(high.max()))
            self._along[arm] = known
        slack = self.tolerance * self.accuracy * (_LOOSE if loose else 1.0)
        return known[1].maxima(low, np.maximum(high, low), price, slack)

    def _joined(self, arm: int, weight: Array, low: float, high: float) -> Mixture:
        """All periods of an arm as a sum along its one decision."""
        curve, draws = self._curve(arm)
        return Mixture(
            curve.each(lambda p: np.tile(np.atleast_1d(np.asarray(p, float)), weight.size)),
            np.repeat(weight, draws.size) * np.tile(draws, weight.size),
            np.repeat(self.program.carry[arm, :, 0], draws.size),
            np.repeat(self.program.carry_in[arm], draws.size),
            low,
            max(high, low),
        )

    def over_lots(self, arm: int, weight: Array, price: Array, low: Array, high: Array) -> Array:
        """The same (k,) over the multiples of the arm's lot; inf where none or too many."""
        lot = float(self.program.lot[arm])
        # A lot missed by a hair counts as met; a minimum between two lots is met by the next.
        first, last = np.ceil(low / lot - HAIR), np.floor(high / lot + HAIR)
        asked = np.stack((price, first, last))  # most leaves ask what the one before them did
        new = np.ones(price.size, dtype=bool)
        new[1:] = np.any(asked[:, 1:] != asked[:, :-1], axis=0)
        top = self._over_lots(arm, lot, weight, price[new], first[new], last[new])
        return np.asarray(top[np.cumsum(new) - 1])

    def _over_lots(
        self, arm: int, lot: float, weight: Array, price: Array, first: Array, last: Array
    ) -> Array:
        out = np.full(price.shape, np.inf)
        asked = np.flatnonzero((last >= first) & (last - first < _LOTS))
        at = 0
        while at < asked.size:
            own = asked[at : at + max(_CHUNK // _LOTS, 1)]
            lowest, count = first[own].min(), last[own].max() - first[own].min() + 1.0
            if count > _LOTS:  # far apart: one by one
                own = own[:1]
                lowest, count = first[own[0]], last[own[0]] - first[own[0]] + 1.0
            at += own.size
            begin, over, under = self._multiples(arm, int(lowest), int(count))
            number = np.arange(begin, begin + len(over))
            u = lot * number
            rows = np.where(weight >= 0.0, weight * over, weight * under)
            value, size = rows.sum(axis=1), np.abs(rows).sum(axis=1)
            p = price[own, None]
            wobble = (weight.size + 16.0) * EPS * (size + np.abs(p) * u)
            inside = (number >= first[own, None]) & (number <= last[own, None])
            out[own] = np.where(inside, value - p * u + wobble, -np.inf).max(axis=1)
        return out

    def _multiples(self, arm: int, first: int, count: int) -> tuple[int, Array, Array]:
        """Responses (n, H) to multiples of a lot, rounded up and down, from some first on."""
        known = self._lots.get(arm)
        if known is None or first < known[0] or first + count > known[0] + len(known[1]):
            u = float(self.program.lot[arm]) * np.arange(first, first + count)
            z = u[:, None] * self.program.carry[arm, :, 0] + self.program.carry_in[arm]
            over, under = self._at(arm, z.ravel())
            known = first, over.reshape(z.shape), under.reshape(z.shape)
            self._lots[arm] = known
        return known

    def _closed(
        self,
        which: NDArray[np.bool_],
        weight: Array,
        price: Array,
        z_lower: Array,
        z_upper: Array,
        near: Array | None,
        rough: float,
    ) -> Array:
        if np.all(which):
            # Arms side by side, questions below one another: no curve has to be taken twice.
            part = self.program.curves
            w, p, low, high = (x.T for x in (weight, price, z_lower, z_upper))
        else:
            part = self.program.curves.take(np.nonzero(which)[0])
            w, p, low, high = (x[which][None, :] for x in (weight, price, z_lower, z_upper))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slope = p / w
            usable = np.isfinite(slope) & (slope > 0.0)
            safe = np.where(usable, slope, 1.0)
            # A single region is bounded to rounding; trees are stopped at gaps far above theirs.
            many = which.shape[1] > self.program.weight.shape[1]
            slack = (1e-11 if many else 1e-13) * rough * rough * self.tolerance / w
            if near is None:
                near = np.nan_to_num(np.asarray(part.at_slope(safe)), nan=0.0)
            else:
                near = near.T if np.all(which) else near[which][None, :]
        near = np.clip(near, low, high)
        top = w * closed_form_maxima(part, low, high, safe, near, slack)
        if np.any(w != 1.0):  # the slope is rounded
            top = top + 8.0 * EPS * np.abs(p) * high
        if not np.all(usable):
            crude = w * self._over(part, high) - p * low
            top = np.where(usable, np.minimum(top, crude), crude)
        return np.asarray(top.T.reshape(-1) if np.all(which) else top[0])

    def _over(self, part: Any, z: Array) -> Array:
        value, error = part.value(z), part.value_error(z)
        return np.asarray(value * (1.0 + error + 8.0 * EPS))

    def _rounded(self, z: Array, sign: float) -> Array:
        out = np.empty(z.shape)
        if np.all(self.closed):
            points = np.ascontiguousarray(z.T)
            value = self.program.curves.value(points)
            error = self.program.curves.value_error(points) + 8.0 * EPS
            return np.asarray((value * (1.0 + sign * error)).T)
        for arm in range(z.shape[0]):
            over, under = self._at(arm, z[arm])
            out[arm] = over if sign > 0.0 else under
        return out

    def _at(self, arm: int, z: Array) -> tuple[Array, Array]:
        """An arm's (mean) response at ``z`` (k,), rounded up and down."""
        if arm in self.tables:
            value = self._mean_table(arm, z)
            size = 32.0 * EPS * np.abs(value)
            return value + size, value - size
        curve, draws = self._curve(arm)
        value = curve.value(z[:, None]) * draws
        error = (curve.value_error(z[:, None]) + (16.0 + draws.size) * EPS) * np.abs(value)
        error = np.broadcast_to(error, value.shape)
        return value.sum(axis=1) + error.sum(axis=1), value.sum(axis=1) - error.sum(axis=1)

    def _curve(self, arm: int) -> tuple[Saturation, Array]:
        """One arm's draws as one curve with parameters (S,), and their weights (S,)."""
        draws = self.program.draws
        if draws is not None:
            assert self.weights is not None
            return draws.column(arm), self.weights
        part = self.program.curves.take([arm])
        return part.groups[0].curve, np.ones(1)

    def _mixture(self, arm: int, positive: bool) -> Mixture:
        key = (arm, positive)
        if key not in self._mixtures:
            curve, draws = self._curve(arm)
            self._mixtures[key] = Mixture(
                curve,
                draws if positive else -draws,
                np.ones(draws.size),
                np.zeros(draws.size),
                float(self.z_lower[arm].min()),
                float(self.z_upper[arm].max()),
            )
        return self._mixtures[key]

    def _largest(self, arm: int, positive: bool, z: Array) -> Array:
        """A crude bound on plus or minus the response up to ``z``."""
        if not self.rising:
            return np.full(z.shape, np.inf)
        return self._at(arm, z)[0] if positive else np.zeros(z.shape)

    def _mean_table(self, arm: int, z: Array) -> Array:
        each = self.tables[arm]
        weights = np.ones(1) if self.weights is None or len(each) == 1 else self.weights
        return np.asarray(sum(w * t.value(z) for w, t in zip(weights, each, strict=True)))

    def _corners(self, arm: int) -> Array:
        return np.unique(np.concatenate([table.knots()[0] for table in self.tables[arm]]))

    def _table(self, arm: int, weight: Array, price: Array, low: Array, high: Array) -> Array:
        """Piecewise linear whatever the weights: the corners and the ends decide."""
        at = self._corners(arm)
        height = self._mean_table(arm, at)
        inside = (at > low[:, None]) & (at < high[:, None])
        gain = weight[:, None] * height - price[:, None] * at
        best = np.where(inside, gain, -np.inf).max(axis=1)
        for end in (low, high):
            best = np.maximum(best, weight * self._mean_table(arm, end) - price * end)
        size = np.abs(weight) * np.abs(height).max() + np.abs(price) * high
        return np.asarray(best + 64.0 * EPS * size)

    def _along_table(self, arm: int, weight: Array, price: float, low: float, high: float) -> float:
        carry, offset = self.program.carry[arm, :, 0], self.program.carry_in[arm]
        moves = carry > 0.0
        corners = (self._corners(arm)[:, None] - offset[moves]) / carry[moves]
        u = np.unique(np.clip(np.append(corners.ravel(), (low, high)), low, high))
        z = u[:, None] * carry + offset
        value = self._mean_table(arm, z.ravel()).reshape(z.shape)
        total = value @ weight - price * u
        # Rounding moves a corner by a few units in the last place: that much of the steepest slope.
        size = np.abs(value) @ np.abs(weight) + np.abs(price) * u
        steep = max(float(np.max(t.slope(t.knots()[0]))) for t in self.tables[arm])
        move = 64.0 * EPS * steep * float((np.abs(weight) * (carry * high + offset)).sum())
        return float((total + (weight.size + 64.0) * EPS * size).max()) + move
