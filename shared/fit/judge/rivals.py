"""Free-form forecasters beside the model: what do they see that it does not?

Gradient boosting (Friedman, "Greedy function approximation", 2001) and a small neural network
forecast the same rows from the same past as the rolling folds. They know no saturation, carryover
or sign, so they are never used for a curve or beyond what was observed; where one of them forecasts
clearly better, the model misses something, and is said to. Which channels matter to them is told by
permuting each channel's columns in the rows that were held back (Breiman, "Random forests", 2001);
which pairs interact by Friedman and Popescu's H ("Predictive learning via rule ensembles", 2008),
against its size under the best additive model with its residuals shuffled, as they suggest.

scikit-learn is imported where it is used: no cold start pays for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Geometric
from shared.fit.judge.validate import Fold
from shared.history.table import History

__all__ = ["Predictors", "challenge", "columns_of", "pair_strengths"]

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]
Learn = Callable[[Floats, Floats, int], Predict]

#: A challenger is clearly better where its typical error is under this share of the model's, and
#: it is better in more than half of the folds.
_CLEARLY = 0.9
_REPEATS = 5
_MOST_CHANNELS = 8  # whose pairs are looked at: those that matter most
_POINTS = 30  # rows at which partial dependence is taken
_NULLS = 2
_H = 0.05  # share of a pair's joint effect that has to be interaction
_BEYOND = 1.5  # times the largest under no interaction at all


@dataclass(frozen=True, slots=True, eq=False)
class Predictors:
    """Inputs (T, F) of the challengers; ``of`` names the group of each column."""

    values: Floats
    of: tuple[str, ...]

    def places(self, group: str) -> list[int]:
        return [place for place, name in enumerate(self.of) if name == group]


def columns_of(history: History) -> Predictors:
    """Spend now and carried over, controls, season, events and time; of rows before or at each."""
    columns: list[Floats] = []
    of: list[str] = []
    for name, spend in zip(history.channels, history.spend.T, strict=True):
        if not spend.any():
            continue
        scale = float(spend[spend > 0].mean())
        carried = Geometric(0.6, normalised=True).apply(spend, prior=float(spend[:6].mean()))
        columns += [np.log1p(spend / scale), np.log1p(carried / scale)]
        of += [name, name]
    for name, control in zip(history.control_names, history.controls.T, strict=True):
        columns.append(np.asarray(control, dtype=np.float64))
        of.append(name)
    phase = 2.0 * np.pi * np.array([day.toordinal() for day in history.dates]) / 365.25
    for k in (1, 2):
        columns += [np.sin(k * phase), np.cos(k * phase)]
        of += ["season", "season"]
    if history.frequency == "day":
        weekday = np.array([day.weekday() for day in history.dates])
        columns += [(weekday == day).astype(np.float64) for day in range(7)]
        of += ["season"] * 7
    if any(history.events):
        columns.append(np.array([bool(label) for label in history.events], dtype=np.float64))
        of.append("events")
    columns.append(np.linspace(0.0, 1.0, len(history.dates)))
    of.append("time")
    return Predictors(np.column_stack(columns), tuple(of))


def challenge(history: History, folds: Sequence[Fold], seed: int) -> dict[str, Any]:
    """``diagnostics.challengers``; ``models`` is empty, with a ``reason``, without folds."""
    if not folds:
        return {"models": [], "reason": "Too few rows to hold any back."}
    columns = columns_of(history)
    actual = np.concatenate([fold.actual for fold in folds])
    mine = _rmse(actual - np.concatenate([fold.mean for fold in folds]))
    told, findings, missed = [], [], False
    for name, learn in (("gradient_boosting", _boosting), ("neural_network", _network)):
        entry, better = _compete(history, columns, folds, name, learn, seed, mine)
        told.append(entry)
        missed = missed or better
        if better:
            findings.append(
                f"{name.replace('_', ' ').capitalize()} forecasts the held-back rows with "
                f"{100 * (1 - entry['rmse'] / mine):.0f} % less error: the model misses a shape, "
                "an interaction or a driver."
            )
    pairs = _interactions(history, columns, told[0]["importance"], seed)
    for pair in pairs:
        first, second = pair["channels"]
        findings.append(
            f"{first} and {second} seem to work on each other: {100 * pair['h_squared']:.0f} % of "
            "their joint effect is not the sum of two. Name them in model.interactions to fit it."
        )
    return {
        "models": told,
        "model_rmse": mine,
        "missed_nonlinearity": missed,
        "interactions": pairs,
        "findings": findings,
        "reason": None,
    }


def _rmse(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _compete(
    history: History,
    columns: Predictors,
    folds: Sequence[Fold],
    name: str,
    learn: Learn,
    seed: int,
    mine: float,
) -> tuple[dict[str, Any], bool]:
    """Forecasts of one challenger over all folds: its entry, and whether it is clearly better."""
    rng = np.random.default_rng([seed, 7])
    groups = tuple(dict.fromkeys(columns.of))
    seen = np.isfinite(history.outcome)
    errors: list[Floats] = []
    rises: dict[str, list[float]] = {group: [] for group in groups}
    wins = 0
    for fold in folds:
        past = np.flatnonzero(seen[: fold.start])
        rows = fold.rows(history.outcome)
        predict = _over_trend(columns.values, history.outcome, past, learn, seed)
        error = predict(columns.values[rows], rows) - fold.actual
        errors.append(error)
        wins += _rmse(error) < _rmse(fold.mean - fold.actual)
        size = max(float(np.var(fold.actual)), 1e-12 * float(np.mean(fold.actual) ** 2) + 1e-300)
        for group in groups:
            places = columns.places(group)
            for _ in range(_REPEATS):
                shuffled = columns.values[rows].copy()
                shuffled[:, places] = shuffled[np.ix_(rng.permutation(rows.size), places)]
                worse = predict(shuffled, rows) - fold.actual
                rises[group].append(float(np.mean(worse**2) - np.mean(error**2)) / size)
    rmse = _rmse(np.concatenate(errors))
    entry = {
        "name": name,
        "rmse": rmse,
        "against_model": rmse / mine if mine > 0 else None,
        "folds_won": int(wins),
        "importance": {group: float(np.mean(rises[group])) for group in groups},
    }
    return entry, rmse < _CLEARLY * mine and 2 * wins > len(folds)


def _over_trend(
    values: Floats, outcome: Floats, past: NDArray[np.int64], learn: Learn, seed: int
) -> Callable[[Floats, NDArray[np.int64]], Floats]:
    """A challenger of what is left over a straight line, since trees cannot go on rising."""
    line = np.polyfit(past.astype(np.float64), outcome[past], 1)
    left = outcome[past] - np.polyval(line, past)
    scale = max(float(np.std(left)), 1e-300)
    predict = learn(values[past], left / scale, seed)
    return lambda x, rows: predict(x) * scale + np.polyval(line, rows)


def _boosting(x: Floats, y: Floats, seed: int, depth: int = 3) -> Predict:
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=75 if depth > 1 else 150,
        learning_rate=0.12,
        max_depth=depth,
        subsample=0.7,
        min_samples_leaf=5,
        random_state=seed,
    ).fit(x, y)
    return lambda z: np.asarray(model.predict(z), dtype=np.float64)


def _network(x: Floats, y: Floats, seed: int) -> Predict:
    """The mean of three networks of twelve units: one alone depends on where it began."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    models = [
        MLPRegressor(
            hidden_layer_sizes=(12,), alpha=3.0, solver="lbfgs", max_iter=300, random_state=seed + k
        )
        for k in range(3)
    ]
    with warnings.catch_warnings():
        # It is stopped early on purpose: that is part of its regularisation.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in models:
            model.fit((x - centre) / spread, y)

    def predict(z: Floats) -> Floats:
        # Predictors are held to what was seen: a network has no business beyond.
        inside = np.clip((z - centre) / spread, -4.0, 4.0)
        return np.asarray(np.mean([m.predict(inside) for m in models], axis=0), dtype=np.float64)

    return predict


def _interactions(
    history: History, columns: Predictors, importance: dict[str, float], seed: int
) -> list[dict[str, Any]]:
    """Pairs of channels that interact, strongest first."""
    channels = [name for name in history.channels if name in columns.of]
    channels.sort(key=lambda name: -importance[name])
    channels = channels[:_MOST_CHANNELS]
    if len(channels) < 2:
        return []
    seen = np.flatnonzero(np.isfinite(history.outcome))
    x = columns.values[seen]
    y = history.outcome[seen] - np.polyval(np.polyfit(seen, history.outcome[seen], 1), seen)
    y = y / max(float(np.std(y)), 1e-300)
    rng = np.random.default_rng([seed, 8])
    points = x[rng.choice(len(x), min(_POINTS, len(x)), replace=False)]
    found = pair_strengths(_boosting(x, y, seed), points, columns, channels)
    additive = _boosting(x, y, seed, depth=1)(x)
    largest = 0.0
    for k in range(_NULLS):
        again = additive + rng.permutation(y - additive)
        null = pair_strengths(_boosting(x, again, seed + k), points, columns, channels)
        largest = max(largest, *(share for share, _ in null.values()))
    out = [
        {"channels": list(pair), "h_squared": h, "share_of_variance": share}
        for pair, (share, h) in found.items()
        if share > _BEYOND * largest and h > _H
    ]
    return sorted(out, key=lambda entry: -float(str(entry["share_of_variance"])))


def pair_strengths(
    predict: Predict, points: Floats, columns: Predictors, channels: Sequence[str]
) -> dict[tuple[str, str], tuple[float, float]]:
    """(variance of the interaction in units of the outcome's, H squared) of each pair."""

    def dependence(groups: tuple[str, ...]) -> Floats:
        """Mean prediction with the groups' columns as in each point; centred."""
        places = [place for group in groups for place in columns.places(group)]
        every = np.tile(points, (len(points), 1))
        every[:, places] = np.repeat(points[:, places], len(points), axis=0)
        means = predict(every).reshape(len(points), len(points)).mean(axis=1)
        return means - means.mean()

    alone = {name: dependence((name,)) for name in channels}
    out = {}
    for pair in combinations(channels, 2):
        joint = dependence(pair)
        left = joint - alone[pair[0]] - alone[pair[1]]
        whole = float(np.mean(joint**2))
        out[pair] = (float(np.mean(left**2)), float(np.mean(left**2)) / whole if whole > 0 else 0.0)
    return out
