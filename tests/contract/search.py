"""Plans that are good by the contract's own meaning: local search from random allowed starts.

An opponent, not an oracle: what it finds is allowed and worth what it is worth, so no bound may lie
below it, and no request for which it finds a plan may be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp, minimize

from tests.contract.evaluator import (
    Raw,
    affine_rows,
    allowed,
    arms_of,
    budget_of,
    channels_of,
    columns_of,
    faintest,
    objective,
    outcomes,
    periods_of,
    spanned,
    switched,
    target_slacks,
    today,
    unit_plans,
)

__all__ = ["Found", "best_known", "possible"]

STRICT = 1e-8
"""Rules hold to this share of the money in any plan that counts."""

WIDTHS = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 2e-4)
"""Sizes of a move of money between two places, as shares of all money."""

Array = np.ndarray


@dataclass(frozen=True)
class Found:
    """The best plan (1, A, T) that was found, and its objective; ``-inf`` and None for none."""

    worth: float
    plan: Array | None

    def better(self, other: Found) -> Found:
        return other if other.worth > self.worth else self


class _Space:
    """A request's decisions u (n,), its rules over them as rows, and its choices."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        units = unit_plans(raw)
        self.shape = units[1:].reshape(len(units) - 1, -1)
        self.arms, self.periods = units.shape[1:]
        rows = list(affine_rows(raw, units))
        self.matrix = np.array([row for _, row, _ in rows]).reshape(len(rows), len(self.shape))
        self.right = np.array([most for _, _, most in rows])
        money = raw.get("period_budgets") or [budget_of(raw) or _enough(raw)]
        self.money = float(sum(money))
        self.semi = list(_of_items(raw, "minimum_if_active"))
        self.lots = list(_of_items(raw, "increment"))

    def plans(self, u: Array) -> Array:
        """(N, A, T) from decisions (N, n)."""
        return (np.maximum(u, 0.0) @ self.shape).reshape(len(u), self.arms, self.periods)

    def start(self, rng: np.random.Generator) -> tuple[Array, LinearConstraint] | None:
        """Decisions that keep every linear rule and choice, and the rows of their cell."""
        n = len(self.shape)
        counts = [c for c in self.raw.get("constraints") or [] if "max_active" in c]
        weekly = [c for c in counts if c.get("per_period") and self.periods > 1]
        counts = [c for c in counts if c not in weekly]
        flown = [(channel, sorted(kept)) for channel, kept in switched(self.raw)]
        active = sorted({name for c in counts for name in c["channels"]})
        active = [x for x in active if x in {c["channel"] for _, c in channels_of(self.raw)}]
        options = sum(len(kept) for _, kept in flown)
        chosen = len(self.semi) + len(self.lots) + len(active) + options
        extra = chosen + n  # the last n: how far each decision is from a random one
        rows: list[tuple[Array, float, float]] = [
            (np.concatenate((row, np.zeros(extra))), -np.inf, most)
            for row, most in zip(self.matrix, self.right, strict=True)
        ]
        spread = np.full(n, rng.choice([0.2, 0.7, 3.0]))  # on one decision, or on all of them
        anywhere = self.money * rng.uniform(0.1, 1.0) * rng.dirichlet(spread)
        anywhere /= np.maximum(self.shape.sum(axis=1), 1e-9)

        def add(coefficients: Array, place: int, factor: float, low: float, high: float) -> None:
            row = np.concatenate((coefficients, np.zeros(extra)))
            row[n + place] = factor
            rows.append((row, low, high))

        for k in range(n):
            add(np.eye(n)[k], chosen + k, 1.0, anywhere[k], np.inf)
            add(np.eye(n)[k], chosen + k, -1.0, -np.inf, anywhere[k])
        place = 0
        for item, least in self.semi:
            add(item, place, -least, 0.0, np.inf)
            add(item, place, -4 * self.money, -np.inf, 0.0)
            place += 1
        for item, lot in self.lots:
            add(item, place, -lot, 0.0, 0.0)
            place += 1
        first = place
        for name in active:
            add(self._of_channel(name), place, -4 * self.money, -np.inf, 0.0)
            place += 1
        on: dict[tuple[str, int], list[int]] = {}
        for channel, kept in flown:
            name, x = channel["channel"], self._by_period(channel["channel"])
            row = np.zeros(n + extra)
            row[n + place : n + place + len(kept)] = 1.0
            rows.append((row, 1.0, 1.0))
            for t in range(self.periods):
                on[name, t] = [place + i for i, pattern in enumerate(kept) if pattern[t]]
                for factor, low, high in (
                    (4 * self.money, -np.inf, 0.0),
                    (1.001 * faintest(self.raw, channel), 0.0, np.inf),
                ):
                    row = np.concatenate((x[:, t], np.zeros(extra)))
                    row[[n + each for each in on[name, t]]] = -factor
                    rows.append((row, low, high))
            place += len(kept)
        for count in weekly:
            own = {t for item in count.get("periods") or [] for t in spanned(self.raw, item)}
            for t in own or range(self.periods):
                row = np.zeros(n + extra)
                names = [x for x in count["channels"] if (x, t) in on]
                row[[n + each for name in names for each in on[name, t]]] = 1.0
                rows.append((row, -np.inf, count["max_active"]))
        for count in counts:
            row = np.zeros(n + extra)
            row[[n + first + active.index(x) for x in count["channels"] if x in active]] = 1.0
            rows.append((row, -np.inf, count["max_active"]))
        upper = np.full(n + extra, 2 * self.money)
        upper[n : n + len(self.semi)] = 1.0
        upper[n + len(self.semi) + len(self.lots) : n + chosen] = 1.0
        matrix = np.array([row for row, _, _ in rows])
        low, high = (np.array([row[i] for row in rows]) for i in (1, 2))
        found = milp(
            np.concatenate((np.zeros(n + chosen), np.ones(n))),
            constraints=LinearConstraint(matrix, low, high),
            integrality=np.concatenate((np.zeros(n), np.ones(chosen), np.zeros(n))),
            bounds=(0.0, upper),
        )
        if found.x is None:
            return None
        # Within the cell that these choices make, between the nearest plan and some corners.
        taken = matrix[:, n : n + chosen] @ np.round(found.x[n : n + chosen])
        kept = np.all(matrix[:, n + chosen :] == 0.0, axis=1) & np.any(matrix[:, :n], axis=1)
        cell = LinearConstraint(matrix[kept, :n], (low - taken)[kept], (high - taken)[kept])
        linear = self._linear(cell)
        corners = [found.x[:n]]
        for _ in range(3):
            corner = linprog(rng.normal(size=n), *linear, bounds=(0.0, 2 * self.money))
            corners += [corner.x] if corner.x is not None else []
        weights = rng.dirichlet([3.0, *np.ones(len(corners) - 1)])
        return weights @ np.array(corners), cell

    @staticmethod
    def _linear(cell: LinearConstraint) -> tuple[Array, Array, Array | None, Array | None]:
        """The cell's rows as linprog takes them."""
        same = cell.lb == cell.ub
        up, down = ~same & np.isfinite(cell.ub), ~same & np.isfinite(cell.lb)
        most = np.concatenate((cell.A[up], -cell.A[down]))
        return (
            most,
            np.concatenate((cell.ub[up], -cell.lb[down])),
            cell.A[same] if same.any() else None,
            cell.ub[same] if same.any() else None,
        )

    def _of_channel(self, name: str) -> Array:
        return np.asarray(self._by_period(name).sum(axis=1))

    def _by_period(self, name: str) -> Array:
        """(n, T) what each decision spends on a channel."""
        places = [
            a
            for a, (i, _) in enumerate(arms_of(self.raw))
            if self.raw["channels"][i]["channel"] == name
        ]
        each = self.shape.reshape(-1, self.arms, self.periods)[:, places]
        return np.asarray(each.sum(axis=1))


def _enough(raw: Raw) -> float:
    """Money of which twice as much would add little, or eight times what is spent today."""
    shape, now = (1, len(arms_of(raw)), periods_of(raw)), today(raw)
    most = 8 * float(now.sum()) if now is not None and now.any() else 1e12

    def brought(money: float) -> float:
        each = money / (shape[1] * shape[2])
        return float(outcomes(raw, np.full(shape, each)).mean(axis=0).sum())

    money = 1e-3
    while brought(2 * money) > 1.1 * brought(money) and money < most:
        money *= 2
    return money


def _of_items(raw: Raw, field: str) -> Iterator[tuple[Array, float]]:
    """What has a minimum or a lot, in every period: what it spends of each decision."""
    units = unit_plans(raw)[1:]
    arms = arms_of(raw)
    items: list[tuple[Any, list[int]]] = [(arm, [a]) for a, (_, arm) in enumerate(arms)]
    items += [
        (channel, [a for a, (j, _) in enumerate(arms) if j == i])
        for i, channel in channels_of(raw)
        if channel.get("campaigns")
    ]
    for item, places in items:
        if item.get(field) and not item.get("locked"):
            for t in range(units.shape[2]):
                yield units[:, places, t].sum(axis=1), float(item[field])


def possible(raw: Raw) -> bool:
    """Whether the linear rules and choices alone (no targets) can be kept."""
    return _Space(raw).start(np.random.default_rng(0)) is not None


def best_known(raw: Raw, starts: int, seed: int = 0) -> Found:
    """The best of some local searches, today's plan among the starts."""
    rng, space = np.random.default_rng(seed), _Space(raw)
    best = Found(-np.inf, None)
    now = today(raw)
    if now is not None:
        best = best.better(_counted(raw, now))
        if best.plan is not None:
            best = best.better(_exchanged(raw, now, rounds=12))
    for _ in range(starts):
        begun = space.start(rng)
        if begun is None:
            return best
        u, cell = begun
        u = _climbed(space, u, cell)
        found = _counted(raw, space.plans(u[None]))
        if found.plan is not None:
            found = _exchanged(raw, found.plan, rounds=12)
        best = best.better(found)
    return best


def _counted(raw: Raw, plan: Array) -> Found:
    if not allowed(raw, plan, STRICT)[0]:
        return Found(-np.inf, None)
    return Found(float(objective(raw, plan)[0]), plan)


def _climbed(space: _Space, u: Array, cell: LinearConstraint) -> Array:
    """SLSQP within one cell; slopes by central differences, all plans of a step at once."""
    raw, n = space.raw, len(u)
    unit = max(space.money / 10.0, 1e-9)
    size = max(abs(float(objective(raw, space.plans(u[None]))[0])), 1.0)
    step = 1e-6
    around = np.concatenate((np.eye(n), -np.eye(n))) * step

    def value(v: Array) -> float:
        return -float(objective(raw, space.plans(unit * v[None]))[0]) / size

    def slope(v: Array) -> Array:
        each = objective(raw, space.plans(around_of(v)))
        return -(each[:n] - each[n:]) / (2 * step * size)

    def around_of(v: Array) -> Array:
        return np.asarray(unit * (np.maximum(v, step) + around))

    def shortfalls(u: Array) -> list[Array]:
        found = target_slacks(raw, space.plans(u))
        return [more / np.maximum(scale, 1e-9) for _, scale, more in found]

    def targets(v: Array) -> Array:
        return np.array([row[0] for row in shortfalls(unit * v[None])])

    def target_slopes(v: Array) -> Array:
        return np.array([(row[:n] - row[n:]) / (2 * step) for row in shortfalls(around_of(v))])

    most, right, same, at = space._linear(cell)
    rules: list[dict[str, Any]] = [
        {"type": "ineq", "fun": lambda v: right / unit - most @ v, "jac": lambda _: -most}
    ]
    if same is not None and at is not None:
        same, at = _independent(same, at / unit)
        rules.append({"type": "eq", "fun": lambda v: same @ v - at, "jac": lambda _: same})
    if len(targets(u / unit)):
        rules.append({"type": "ineq", "fun": targets, "jac": target_slopes})
    found = minimize(
        value,
        u / unit,
        jac=slope,
        bounds=[(0.0, None)] * n,
        constraints=rules,
        method="SLSQP",
        options={"maxiter": 60, "ftol": 1e-10},
    )
    return np.asarray(unit * np.maximum(found.x, 0.0)) if np.all(np.isfinite(found.x)) else u


def _independent(rows: Array, right: Array) -> tuple[Array, Array]:
    """Equalities without those that follow from others: SLSQP cannot do with them."""
    kept: list[int] = []
    for i in range(len(rows)):
        if np.linalg.matrix_rank(rows[[*kept, i]], tol=1e-9) > len(kept):
            kept.append(i)
    return rows[kept], right[kept]


def _exchanged(raw: Raw, plan: Array, rounds: int) -> Found:
    """The plan after moves of money between two places, or in and out, while any of them helps."""
    columns, arms = columns_of(raw), plan.shape[1]
    units = np.einsum("ab,kt->akbt", np.eye(arms), columns).reshape(-1, *plan.shape[1:])
    units = units / units.sum(axis=(1, 2), keepdims=True)
    units = np.concatenate((units, np.zeros((1, *plan.shape[1:]))))
    moves = (units[:, None] - units[None]).reshape(-1, *plan.shape[1:])
    moves = moves[np.any(moves != 0.0, axis=(1, 2))]
    best = _counted(raw, plan)
    money = max(float(plan.sum()), 1e-9)
    lots = {
        item["increment"] for _, item in [*arms_of(raw), *channels_of(raw)] if "increment" in item
    }
    sizes = [*(money * width for width in WIDTHS), *(k * lot for lot in lots for k in (1, 2, 3))]
    steps = np.concatenate([size * moves for size in sizes])
    for _ in range(rounds):
        assert best.plan is not None
        tried = np.maximum(best.plan + steps, 0.0)
        tried = tried[allowed(raw, tried, STRICT)]
        if not len(tried):
            break
        worths = objective(raw, tried)
        top = int(np.argmax(worths))
        if not worths[top] > best.worth + 1e-9 * abs(best.worth):
            break
        best = Found(float(worths[top]), tried[top][None])
    return best
