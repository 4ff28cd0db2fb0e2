"""``python -m samples.three_approaches [TABLE.csv]``: three approaches on one table, one yardstick.

Without a path the table is the simulated ``monthly.csv``, of which the truth is known. Compared are
doing nothing; The Market Lens' time-series curves planned month by month and its bilevel shares,
both as published (``self_attribution``); and this service's modes of the same names, its ridge in
Robyn's manner, and its default. Every plan divides each month's money anew; none may spend more.

Each method says what its plan would bring (its *own* curves); the same plan is then valued by the
posterior of the default model over the whole history, with 90 % intervals, and by the truth where
it is known. All figures are shares of the outcome of the whole period. Forecasts are one month
ahead, each method refitted before every month, told that month's spend.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samples.monthly import SEVEN, Table, media, read_table, simulate_monthly
from samples.self_attribution import Curve, bilevel, divide, fit_curves
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.curveset import CurveSet
from shared.errors import MarginalError
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import FitResult, fit_history
from shared.history.parse import parse
from shared.plan.caution import THIN_EVIDENCE
from shared.plan.optimize import make_plan
from shared.plan.score import totals

__all__ = [
    "KINDS",
    "MOST",
    "Line",
    "compare",
    "forecasts",
    "month_by_month",
    "plan_request",
    "sample_files",
    "spec_of",
    "to_text",
]

Floats = NDArray[np.float64]

#: Shares of a month's money that a channel may have at most, in all of the published plans.
MOST = np.array([0.5, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0])
KINDS = ("time_series", "ridge", "bayesian")
_DRAWS = 60
_COLUMNS = (
    "method",
    "forecast RMSE",
    "uplift by its own curves",
    "by the common posterior (90 %)",
    "probability better",
    "true uplift",
    "the service says",
)
_CARRY_IN = 6
_NARROWEST, _WIDEST = 0.2, 1.8  # of a typical month, where a plan is made for one


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: typical error (RMSE) and uplifts over doing nothing, as shares.

    ``says``: what the service itself says of the plan; empty where it is not the service's.
    """

    method: str
    error: float | None
    own: float | None
    common: float
    low: float
    high: float
    better: float
    truth: float | None
    says: str


def spec_of(table: Table, kind: str) -> dict[str, Any]:
    """The roles of the columns of ``table.csv()``, and the kind of model."""
    return {
        "date": "date",
        "outcome": table.called,
        "frequency": "month",
        "channels": [{"channel": name, "spend": name} for name in SEVEN],
        "model": {"kind": kind},
        "challengers": False,
    }


def plan_request(table: Table, dataset: str, mode: str) -> dict[str, Any]:
    """The optimize request of one approach; ``robyn`` is one typical month within wide limits."""
    # Today is the mean of the whole table: then the plan and today spend the same money.
    today = dict(zip(SEVEN, table.spend.mean(axis=0).tolist(), strict=True))
    if mode == "robyn":
        return {
            "dataset": dataset,
            "budget": sum(today.values()),
            "channels": [
                {
                    "channel": name,
                    "current_spend": x,
                    "min_spend": _NARROWEST * x,
                    "max_spend": _WIDEST * x,
                }
                for name, x in today.items()
            ],
        }
    before = table.spend[:_CARRY_IN].mean(axis=0)
    rules = [
        {"name": f"{name} share", "channels": [name], "min_share": 0.001, "max_share": float(most)}
        for name, most in zip(SEVEN, MOST, strict=True)
    ]
    return {
        "dataset": dataset,
        "channels": [{"channel": name, "current_spend": x} for name, x in today.items()],
        "period_budgets": table.budgets.tolist(),
        "horizon": {
            "periods": len(table.months),
            "mode": mode,
            "prior_spend": dict(zip(SEVEN, before.tolist(), strict=True)),
        },
        "constraints": rules,
        "solver": {"gap": 0.001, "time_limit_s": 20},
    }


def month_by_month(curves: tuple[Curve, ...], budgets: Floats) -> Floats:
    """(T, C) each month's money where the published curves bring most, within its limits.

    The first-order condition alpha mu exp(-mu x) = price, cut at the bounds, by bisection.
    """
    alpha = np.array([curve.alpha for curve in curves])
    mu = np.array([curve.mu for curve in curves])
    low, high = 0.001 * budgets[:, None], MOST * budgets[:, None]

    def at(price: Floats) -> Floats:
        return np.asarray(np.clip(np.log(alpha * mu / price[:, None]) / mu, low, high))

    cheap, dear = np.full(budgets.size, 1e-12), np.full(budgets.size, 1e9)
    for _ in range(200):
        price = np.sqrt(cheap * dear)
        over = at(price).sum(axis=1) > budgets
        cheap, dear = np.where(over, price, cheap), np.where(over, dear, price)
    return at(dear)


def forecasts(table: Table, first: int, seed: int = 0) -> dict[str, float | None]:
    """RMSE of one-month-ahead forecasts of the months from ``first`` on, by method."""
    errors: dict[str, list[float]] = {}

    def note(method: str, guess: float) -> None:
        errors.setdefault(method, []).append(guess - float(table.outcome[t]))

    y, x = table.outcome, table.spend
    for t in range(first, y.size):
        note("last month", float(y[t - 1]))
        note("mean so far", float(y[:t].mean()))
        curves = fit_curves(y[:t], x[:t], table.total[:t])
        credited = [float(c.value(x[t, i : i + 1])[0]) for i, c in enumerate(curves)]
        note("published curves", sum(credited))
        found = bilevel(x[:t], table.budgets[:t], y[:t], MOST)
        revenue = np.log1p(divide(found.weights, table.budgets[: t + 1], MOST)) @ found.weights
        note("published bilevel", float(revenue[t] * y[:t].mean() / revenue[:t].mean()))
        for kind in KINDS:
            parsed = parse(spec_of(table, kind), table.csv())
            try:
                fit = fit_window(parsed.history, parsed.spec, seed=seed, train=t, draws=_DRAWS)
            except (MarginalError, np.linalg.LinAlgError):
                errors[kind] = [float("nan")]  # no forecast of a month: none of the method
                continue
            note(kind, float(fit.forecast(np.random.default_rng([seed, t])).mean[t]))
    rmse = {name: float(np.sqrt(np.mean(np.square(e)))) for name, e in errors.items()}
    return {name: value if np.isfinite(value) else None for name, value in rmse.items()}


def compare(
    table: Table, first: int, truth: bool, seed: int = 0, shares: Floats | None = None
) -> tuple[tuple[Line, ...], dict[str, float | None]]:
    """All lines, and the errors of the forecasts.

    Parameters
    ----------
    first
        Months before the first forecast.
    truth
        Whether the table is a simulated one.
    shares
        (C,) of somebody's plan, to be valued as well; it has no curves of its own here.
    """
    errors = forecasts(table, first, seed)
    fits = {kind: _fitted(table, kind, seed) for kind in KINDS}
    curves = {kind: fit.curve_set for kind, fit in fits.items()}
    doubted = {kind for kind, fit in fits.items() if not fit.promote}
    published = fit_curves(table.outcome, table.spend, table.total)
    weights = bilevel(table.spend, table.budgets, table.outcome, MOST).weights

    def credited(plan: Floats) -> float:
        return sum(float(c.value(plan[:, i]).sum()) for i, c in enumerate(published))

    def in_logs(plan: Floats) -> float:
        # In units of its own; as it does, brought to the mean of the outcome.
        scale = float(table.outcome.sum() / (np.log1p(table.spend) @ weights).sum())
        return scale * float((np.log1p(plan) @ weights).sum())

    def posterior(kind: str) -> Callable[[Floats], float]:
        return lambda plan: float(_brings(curves[kind], table, plan).mean())

    default = posterior("bayesian")
    plans: list[tuple[str, str, Floats, Callable[[Floats], float] | None, str]] = [
        ("do nothing", "", table.spend, default, ""),
        (
            "published: curves, month by month",
            "published curves",
            month_by_month(published, table.budgets),
            credited,
            "",
        ),
        (
            "published: bilevel shares",
            "published bilevel",
            divide(weights, table.budgets, MOST),
            in_logs,
            "",
        ),
    ]
    if shares is not None:
        given = shares / shares.sum() * table.budgets[:, None]
        plans.append(("given: fixed shares", "", given, None, ""))
    for label, kind, mode in (
        ("time_series, sequential", "time_series", "sequential"),
        ("bayesian, fixed_shares (bilevel)", "bayesian", "fixed_shares"),
        ("ridge (Robyn's manner), one typical month", "ridge", "robyn"),
        ("bayesian, time_varying (default)", "bayesian", "time_varying"),
    ):
        plan, thin = _planned(table, curves[kind], mode)
        doubts = ["fit not believed"] * (kind in doubted) + ["too thin to move"] * thin
        plans.append((label, kind, plan, posterior(kind), "; ".join(doubts) or "move"))
    whole = float(table.outcome.sum())
    now = _brings(curves["bayesian"], table, table.spend)
    lines = []
    for method, forecast, plan, own, told in plans:
        gain = (_brings(curves["bayesian"], table, plan) - now) / whole
        low, high = np.quantile(gain, [0.05, 0.95])
        true = None
        if truth:
            true = float((_truly(plan) - _truly(table.spend)).sum()) / whole
        lines.append(
            Line(
                method=method,
                error=errors.get(forecast),
                own=None if own is None else (own(plan) - own(table.spend)) / whole,
                common=float(gain.mean()),
                low=float(low),
                high=float(high),
                better=float(np.mean(gain > 0) + 0.5 * np.mean(gain == 0)),
                truth=true,
                says=told,
            )
        )
    return tuple(lines), errors


def _fitted(table: Table, kind: str, seed: int) -> FitResult:
    parsed = parse(spec_of(table, kind), table.csv())
    return fit_history(parsed.history, parsed.spec, seed=seed, draws=_DRAWS)


def _planned(table: Table, curves: CurveSet, mode: str) -> tuple[Floats, bool]:
    """(T, C) by the very request that the page documents; whether it is warned against moving."""
    message = read_optimize(plan_request(table, "monthly", mode))
    plan = make_plan(problem_of(message, curves))
    spend = plan.best.spend
    better = totals(plan.problem, plan.best, plan.current)["probability_better"]
    if mode == "robyn":
        spend = spend / spend.sum() * table.budgets
    return np.asarray(spend.T), better is not None and better < THIN_EVIDENCE


def _brings(curves: CurveSet, table: Table, plan: Floats) -> Floats:
    """(S,) media outcome of a plan over all months, in each draw."""
    total: Floats = np.zeros(_DRAWS)
    for curve in curves.channels:
        c = SEVEN.index(curve.channel)
        felt = plan[:, c]
        if curve.response.adstock is not None:
            before = float(table.spend[:_CARRY_IN, c].mean())
            felt = curve.response.adstock.apply(felt, prior=before)
        total += [float(np.sum(draw.value(felt))) for draw in curve.response.draws]
    return total


def _truly(plan: Floats) -> Floats:
    return media({name: plan[:, c] for c, name in enumerate(SEVEN)})


def to_text(lines: tuple[Line, ...], errors: Mapping[str, float | None]) -> str:
    """A Markdown table, and the errors of the two forecasts that need no model."""
    out = [
        f"| {' | '.join(_COLUMNS)} |",
        f"| --- |{' ---: |' * (len(_COLUMNS) - 1)}",
    ]
    for line in lines:
        error = "" if line.error is None else f"{line.error:.0f}"
        own = "" if line.own is None else f"{line.own:+.1%}"
        common = f"{line.common:+.1%} ({line.low:+.1%} to {line.high:+.1%})"
        true = "unknown" if line.truth is None else f"{line.truth:+.1%}"
        cells = (line.method, error, own, common, f"{line.better:.0%}", true, line.says)
        out.append(f"| {' | '.join(cells)} |")
    out += [
        f"| forecast: {name} | {errors[name]:.0f} | | | | | |"
        for name in ("last month", "mean so far")
    ]
    return "\n".join(out)


def main() -> None:
    """Print the table; see the module."""
    asked = argparse.ArgumentParser(description="Three approaches on one monthly table.")
    asked.add_argument("table", nargs="?", type=Path, help="CSV; the simulated one if left out")
    asked.add_argument("--first", default="", help="first month to take, as 2023-07")
    asked.add_argument("--last", default="", help="last month to take")
    asked.add_argument("--from", type=int, default=9, dest="start", help="months before forecasts")
    asked.add_argument("--months", type=int, default=15, help="length of the simulated table")
    asked.add_argument("--seed", type=int, default=11, help="of the simulated table")
    asked.add_argument("--outcome", default="outcome", help="what the outcome is called")
    asked.add_argument("--shares", default="", help="seven shares of a plan to value too: 14,8,...")
    asked.add_argument("--write", action="store_true", help="write the sample files again")
    given = asked.parse_args()
    shares = np.array([float(share) for share in given.shares.split(",")]) if given.shares else None
    if shares is not None and shares.size != len(SEVEN):
        asked.error(f"--shares takes {len(SEVEN)} numbers, for {', '.join(SEVEN)}")
    here = Path(__file__).parent
    simulated = simulate_monthly(given.months, given.seed)
    if given.write:
        for name, content in sample_files().items():
            (here / name).write_text(content, encoding="utf-8")
    text = simulated if given.table is None else given.table.read_text(encoding="utf-8")
    table = replace(read_table(text, given.first, given.last), called=given.outcome)
    kind = "simulated" if given.table is None else given.table.name
    print(f"{kind}: {len(table.months)} months, {table.months[0]} to {table.months[-1]}\n")
    print(to_text(*compare(table, given.start, given.table is None, shares=shares)))


def sample_files() -> dict[str, str]:
    """The simulated table and the requests of ``docs/three-approaches.md``, by path from here."""
    text = simulate_monthly()
    table = read_table(text)
    requests = {f"monthly_{kind}_spec": spec_of(table, kind) for kind in KINDS}
    for mode, dataset in (
        ("sequential", "monthly-time-series"),
        ("fixed_shares", "monthly"),
        ("robyn", "monthly-ridge"),
        ("time_varying", "monthly"),
    ):
        requests[f"monthly_{mode}_plan"] = plan_request(table, dataset, mode)
    return {
        "monthly.csv": text,
        "monthly_history.csv": table.csv().decode(),
        **{
            f"requests/{name}.json": json.dumps(content, indent=1, allow_nan=False) + "\n"
            for name, content in requests.items()
        },
    }


if __name__ == "__main__":
    main()
