"""A seeded generator of spend histories whose truth is known.

Outcome_t = base_t (trend, season, promotions, price, events) + sum_c response_c(adstock(spend_c))_t
+ interactions + noise. Promotions, price and season move both the sales and the spend, and all of
them but the noise are in the table; so a fit that leaves them out is biased and one that uses them
need not be. Amounts are rounded to cents first and the outcome is computed from the rounded spend,
so that the table and the truth agree.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samples import drivers
from samples.options import Channel, Options
from samples.truth import METHOD, best_allocation, saturation_level, steady_state, upper_bound

__all__ = ["Simulated", "simulate", "spec_of", "table"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A history and what is true of it.

    ``csv`` is the wide table, ``spec`` the roles of its columns, ``truth`` JSON-ready.
    ``spend`` and ``contributions`` have shape (T, C); ``outcome`` and ``base`` (T,).
    """

    csv: str
    spec: dict[str, Any]
    truth: dict[str, Any]
    spend: Floats
    contributions: Floats
    base: Floats
    outcome: Floats


def simulate(options: Options | None = None, *, optimum: bool = True, **changes: Any) -> Simulated:
    """Generate one history.

    Parameters
    ----------
    options, changes
        Settings, and fields of ``Options`` to replace in them: ``simulate(seed=3, weeks=104)``.
    optimum
        Whether the truth says what the best plan is, which takes most of the time.

    Examples
    --------
    >>> simulate(seed=1, weeks=8, channels=2).csv.splitlines()[0]
    'date,revenue,spend_channel_1,spend_channel_2,promo,price_index,holiday'
    """
    options = replace(options or Options(), **changes)
    rng = np.random.default_rng(options.seed)
    wanted = options.channels
    if isinstance(wanted, int):
        wanted = tuple(_random_channel(i, options, rng) for i in range(wanted))
    channels: tuple[Channel, ...] = wanted
    daily = options.frequency == "day"
    rows = options.weeks * (7 if daily else 1)
    total = rows + options.warm_up
    step = timedelta(days=1 if daily else 7)
    dates = [options.start + step * (i - options.warm_up) for i in range(total)]

    season = drivers.season(dates, daily)
    promo = drivers.promotions(dates, daily, rng)
    price = drivers.price(total, daily, rng)
    labels = [drivers.event(day, 1 if daily else 7) for day in dates]
    shared = drivers.autoregressive(total, 0.5, rng)
    spend = np.round(_spend(channels, options, season, promo, price, shared, rng), 2)

    level = np.empty_like(spend)
    described: list[dict[str, Any]] = []
    for c, channel in enumerate(channels):
        curve, adstock, weights = _response(channel, total)
        level[:, c] = saturation_level(curve, np.convolve(spend[:, c], weights)[:total])
        own = float(np.sum(level[options.warm_up :, c]))
        curve["max_response"] = (
            channel.roi * float(np.sum(spend[options.warm_up :, c])) / own if own else 0.0
        )
        described.append({"channel": channel.name, "saturation": curve, "adstock": adstock})
    peak = np.array([d["saturation"]["max_response"] for d in described])
    contributions = (peak * level)[options.warm_up :]
    level, spend = level[options.warm_up :], spend[options.warm_up :]
    names = [channel.name for channel in channels]
    synergy = np.zeros(rows)
    removal = contributions.copy()
    for pair in options.interactions:
        i, j = names.index(pair.first), names.index(pair.second)
        joint = pair.strength * level[:, i] * level[:, j]
        synergy += joint
        removal[:, i] += joint
        removal[:, j] += joint

    shown = slice(options.warm_up, None)
    base = _base(options, season[shown], promo[shown], price[shown], labels[options.warm_up :])
    base *= 1.0 + options.unobserved_demand * shared[shown]
    if daily:
        base *= 1.0 + 0.12 * np.cos(2 * np.pi * (np.arange(rows) % 7 - 5) / 7)
    signal = base + contributions.sum(axis=1) + synergy
    noise = _noise(rows, options, rng) * float(np.mean(signal))
    outcome = np.round(np.maximum(signal + noise, 0.0), 2)

    spec = spec_of(names, options.outcome, options.frequency, options.currency)
    rows_of = (outcome, spend, promo[shown], price[shown])
    text = table(spec, dates[shown], *rows_of, labels[shown])
    truth = _truth(options, described, spend, removal, base, signal, noise)
    if optimum:
        truth["optimum"] = _optima(truth, spend)
    return Simulated(text, spec, truth, spend, removal, base, outcome)


def _random_channel(index: int, options: Options, rng: np.random.Generator) -> Channel:
    """A channel that could be anything a planner may meet."""
    uniform = rng.random(10)
    bursts = uniform[0] < 0.35
    return Channel(
        name=f"channel_{index + 1}",
        mean_spend=float(0.012 * options.base_outcome * 10 ** (1.0 * uniform[1])),
        family="hill" if uniform[2] < 0.65 else "exponential",
        saturation_at_mean=float(0.2 + 0.65 * uniform[3]),
        roi=float(np.exp(0.3 + 0.6 * rng.standard_normal())),
        shape=float(0.8 + 1.6 * uniform[4]),
        adstock="delayed" if uniform[5] < 0.3 else "geometric",
        decay=float(0.05 + 0.65 * uniform[6]),
        peak=int(1 + 2 * uniform[7]),
        on_share=0.6 if bursts else 1.0,
        promo_lift=float(max(0.0, 1.6 * uniform[8] - 0.6)),
        season_lift=float(max(0.0, 1.4 * uniform[9] - 0.6)),
        volatility=0.35,
    )


def _spend(
    channels: tuple[Channel, ...],
    options: Options,
    season: Floats,
    promo: Floats,
    price: Floats,
    shared: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Spend, shape (warm-up + T, C): plan x season x promotion x a shared and an own wander."""
    count = season.size
    pushed = promo / drivers.FULL_PROMOTION + 5.0 * (1.0 - price)
    columns = []
    for channel in channels:
        own = drivers.autoregressive(count, 0.5, rng)
        mix = np.sqrt(options.spend_correlation) * shared
        mix += np.sqrt(1.0 - options.spend_correlation) * own
        money = channel.mean_spend * np.exp(channel.volatility * (mix - channel.volatility / 2))
        money *= np.maximum(1.0 + channel.season_lift * season * 0.5, 0.1)
        money *= np.maximum(1.0 + channel.promo_lift * pushed, 0.1)
        money *= drivers.on_air(channel.on_share, channel.burst, count, rng)
        start = options.warm_up + channel.starts_at
        if channel.starts_at:
            money[:start] = 0.0
        for low, high in channel.pauses:
            money[options.warm_up + low : options.warm_up + high] = 0.0
        columns.append(money)
    return np.column_stack(columns)


def _response(channel: Channel, count: int) -> tuple[dict[str, Any], dict[str, Any], Floats]:
    """Saturation (its height still open), adstock in the contract's names, and its weights."""
    level, mean = channel.saturation_at_mean, channel.mean_spend
    curve: dict[str, Any] = {"family": channel.family, "max_response": 1.0}
    if channel.family == "hill":
        curve["half_saturation"] = mean * ((1.0 - level) / level) ** (1.0 / channel.shape)
        curve["shape"] = channel.shape
    elif channel.family == "exponential":
        curve["rate"] = -float(np.log1p(-level)) / mean
    else:
        raise ValueError(f"unknown family {channel.family!r}")
    if channel.adstock == "geometric":
        adstock: dict[str, Any] = {
            "family": "geometric",
            "decay": channel.decay,
            "normalised": True,
        }
        # all lags, so the weights sum to one only without end: the contract's normalisation
        weights: NDArray[Any] = (1.0 - channel.decay) * np.power(channel.decay, np.arange(count))
    elif channel.adstock == "delayed":
        adstock = {
            "family": "delayed",
            "decay": channel.decay,
            "peak": channel.peak,
            "length": channel.length,
            "normalised": True,
        }
        weights = channel.decay ** ((np.arange(channel.length) - channel.peak) ** 2.0)
        weights /= weights.sum()
    else:
        raise ValueError(f"unknown adstock {channel.adstock!r}")
    return curve, adstock, np.asarray(weights, dtype=np.float64)


def _base(
    options: Options, season: Floats, promo: Floats, price: Floats, labels: list[str]
) -> Floats:
    """Outcome without media, per period."""
    along = np.linspace(0.0, 1.0, season.size)
    share = 1.0 + options.trend * along + options.seasonality * season
    share += options.promo_effect * promo / drivers.FULL_PROMOTION
    share += options.price_elasticity * (price - 1.0)
    share += options.event_effect * np.array([drivers.EVENTS.get(label, 0.0) for label in labels])
    return np.asarray(options.base_outcome * share)


def _noise(count: int, options: Options, rng: np.random.Generator) -> Floats:
    """Noise as a share of the mean outcome."""
    noise = options.noise * drivers.autoregressive(count, options.noise_autocorrelation, rng)
    noise[rng.random(count) < options.outliers] *= 5.0
    return noise


def spec_of(
    names: Sequence[str], outcome: str = "revenue", frequency: str = "week", currency: str = "EUR"
) -> dict[str, Any]:
    """The roles of the columns of ``table``."""
    return {
        "date": "date",
        "outcome": outcome,
        "frequency": frequency,
        "currency": currency,
        "channels": [{"channel": name, "spend": f"spend_{name}"} for name in names],
        "controls": ["promo", "price_index"],
        "events": "holiday",
    }


def table(
    spec: Mapping[str, Any],
    dates: Sequence[date],
    outcome: Floats,
    spend: Floats,
    promo: Floats,
    price: Floats,
    labels: Sequence[str],
) -> str:
    """The wide table as CSV, one row for each of the dates."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    money = [channel["spend"] for channel in spec["channels"]]
    writer.writerow([spec["date"], spec["outcome"], *money, *spec["controls"], spec["events"]])
    for t, day in enumerate(dates):
        cells = [f"{value:.2f}" for value in (outcome[t], *spend[t])]
        writer.writerow([day.isoformat(), *cells, f"{promo[t]:.2f}", f"{price[t]:.4f}", labels[t]])
    return text.getvalue()


def _truth(
    options: Options,
    described: list[dict[str, Any]],
    spend: Floats,
    removal: Floats,
    base: Floats,
    signal: Floats,
    noise: Floats,
) -> dict[str, Any]:
    """What is true of the history, JSON-ready; see ``samples/README.md`` for the fields."""
    for c, entry in enumerate(described):
        money = float(np.sum(spend[:, c]))
        entry |= {
            "adstock_weights": _shown_weights(entry["adstock"]),
            "mean_spend": float(np.mean(spend[:, c])),
            "max_spend": float(np.max(spend[:, c])),
            "total_spend": money,
            "total_contribution": float(np.sum(removal[:, c])),
            "roi": float(np.sum(removal[:, c])) / money if money else None,
        }
    settings = asdict(options)
    settings["start"] = options.start.isoformat()
    del settings["channels"], settings["interactions"]  # described in full just below
    return {
        "simulated": True,
        "generator": "samples/simulate.py",
        "options": settings,
        "periods": int(spend.shape[0]),
        "channels": described,
        "interactions": [
            {"channels": [pair.first, pair.second], "strength": pair.strength}
            for pair in options.interactions
        ],
        "mean_base": float(np.mean(base)),
        "media_share": 1.0 - float(np.sum(base)) / float(np.sum(signal)),
        "noise_sd": float(np.std(noise)),
        "r_squared_of_signal": 1.0 - float(np.var(noise) / np.var(signal + noise)),
    }


def _optima(truth: Mapping[str, Any], spend: Floats) -> dict[str, Any]:
    """The best plans of the mean money of all periods, and of the last year's."""
    upper = 1.5 * spend.max(axis=0)
    year = 52 * (7 if truth["options"]["frequency"] == "day" else 1)
    names = [channel["channel"] for channel in truth["channels"]]
    return {
        "method": METHOD,
        "upper": dict(zip(names, map(float, upper), strict=True)),
        "history_mean": _optimum(truth, spend, upper),
        "last_year_mean": _optimum(truth, spend[-year:], upper),
    }


def _shown_weights(adstock: Mapping[str, Any]) -> list[float]:
    """The adstock's weights by lag: all of a finite one, the first 26 of a geometric one."""
    if adstock["family"] == "geometric":
        return [(1.0 - adstock["decay"]) * adstock["decay"] ** lag for lag in range(26)]
    weights = adstock["decay"] ** ((np.arange(adstock["length"]) - adstock["peak"]) ** 2.0)
    return [float(w) for w in weights / weights.sum()]


def _optimum(truth: Mapping[str, Any], spend: Floats, upper: Floats) -> dict[str, Any]:
    """The mean plan of these periods, and the best one for the same money."""
    names = [channel["channel"] for channel in truth["channels"]]
    mean = spend.mean(axis=0)
    budget = float(mean.sum())
    current = dict(zip(names, map(float, mean), strict=True))
    allocation, value = best_allocation(truth, budget, list(upper))
    current_value = steady_state(truth, current)
    return {
        "budget": budget,
        "allocation": allocation,
        "value": value,
        "upper_bound": upper_bound(truth, budget, list(upper)),
        "current_allocation": current,
        "current_value": current_value,
        "lift": value / current_value - 1.0 if current_value else None,
    }
