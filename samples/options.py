"""What a simulated brand is made of: frozen settings, nothing drawn yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

__all__ = ["BRAND", "Channel", "Interaction", "Options"]


@dataclass(frozen=True, slots=True)
class Channel:
    """How one channel is bought and what it truly does.

    Attributes
    ----------
    mean_spend
        Money per period while the channel is live, before promotions and bursts move it.
    family
        ``"hill"`` (S-shaped where ``shape`` > 1) or ``"exponential"``.
    saturation_at_mean
        The share of its maximal response the channel reaches with ``mean_spend`` sustained, in
        (0, 1): sets the half-saturation (hill) or the rate (exponential).
    roi
        True outcome per unit of money over the simulated history: sets the maximal response.
    adstock
        ``"geometric"``, or ``"delayed"`` (weights decay^((lag - peak)^2), lags 0..length-1).
        Weights are normalised to sum to one.
    on_share
        Share of periods on air. Below 1 spend comes in bursts of about ``burst`` periods.
    promo_lift, season_lift
        Spend is multiplied by 1 + promo_lift at full promotion depth, and by 1 + season_lift times
        the season's level: what confounds a fit that leaves promotions and season out.
    volatility
        Standard deviation of log spend around its plan.
    starts_at, pauses
        First live period; and (from, to) ranges of periods without any spend.
    """

    name: str
    mean_spend: float
    family: str
    saturation_at_mean: float
    roi: float
    shape: float = 1.0
    adstock: str = "geometric"
    decay: float = 0.3
    peak: int = 0
    length: int = 13
    on_share: float = 1.0
    burst: int = 5
    promo_lift: float = 0.0
    season_lift: float = 0.0
    volatility: float = 0.3
    starts_at: int = 0
    pauses: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Interaction:
    """Outcome added per period at full saturation of both, times both saturation levels."""

    first: str
    second: str
    strength: float


# Four years of habits that a planner would recognise: search bought far into saturation, TV in
# bursts that sit around the steep part of an S, social and online video under-used, display kept
# going out of habit, affiliates paid for sales that promotions would have brought anyway.
BRAND: tuple[Channel, ...] = (
    Channel(
        "tv",
        mean_spend=118_000,
        family="hill",
        shape=2.3,
        saturation_at_mean=0.52,
        roi=1.25,
        adstock="delayed",
        decay=0.65,
        peak=2,
        on_share=0.62,
        burst=6,
        season_lift=0.9,
        volatility=0.28,
    ),
    Channel(
        "search",
        mean_spend=56_000,
        family="exponential",
        saturation_at_mean=0.88,
        roi=1.9,
        decay=0.1,
        promo_lift=0.6,
        season_lift=0.5,
        volatility=0.22,
    ),
    Channel(
        "social",
        mean_spend=21_000,
        family="hill",
        shape=1.1,
        saturation_at_mean=0.3,
        roi=2.6,
        decay=0.35,
        promo_lift=0.4,
        volatility=0.42,
    ),
    Channel(
        "online_video",
        mean_spend=16_000,
        family="hill",
        shape=1.6,
        saturation_at_mean=0.28,
        roi=1.9,
        decay=0.5,
        volatility=0.45,
        starts_at=46,
    ),
    Channel(
        "display",
        mean_spend=27_000,
        family="exponential",
        saturation_at_mean=0.6,
        roi=1.15,
        decay=0.25,
        promo_lift=0.6,
        volatility=0.35,
    ),
    Channel(
        "radio",
        mean_spend=19_000,
        family="hill",
        shape=1.4,
        saturation_at_mean=0.45,
        roi=1.5,
        adstock="delayed",
        decay=0.45,
        peak=1,
        length=8,
        on_share=0.8,
        burst=9,
        volatility=0.35,
        pauses=((96, 118),),
    ),
    Channel(
        "out_of_home",
        mean_spend=33_000,
        family="hill",
        shape=1.15,
        saturation_at_mean=0.45,
        roi=1.15,
        decay=0.68,
        on_share=0.55,
        burst=4,
        season_lift=0.5,
        volatility=0.3,
    ),
    Channel(
        "affiliates",
        mean_spend=24_000,
        family="hill",
        shape=0.85,
        saturation_at_mean=0.55,
        roi=1.7,
        decay=0.05,
        promo_lift=1.2,
        season_lift=0.4,
        volatility=0.25,
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """One simulated history.

    Attributes
    ----------
    seed
        Of the only generator used (NumPy's PCG64): the same options give the same history.
    weeks
        Length; with ``frequency="day"`` there are 7 rows a week.
    frequency
        ``"week"`` or ``"day"``. Adstock and spend are per period whatever the period is.
    channels
        The channels themselves, or how many to draw at random.
    base_outcome
        Outcome per period without media, before trend, season and the rest.
    trend, seasonality
        Growth of the base over the whole history, and the season's amplitude, as shares of it.
    promo_effect, price_elasticity, event_effect
        Outcome at full promotion depth, per unit of price index, and in a week with an event, as
        shares of the base.
    noise, noise_autocorrelation
        Standard deviation as a share of the mean outcome; correlation of one period with the next.
    outliers
        Share of periods whose noise is five times as large.
    spend_correlation
        Share of the (log) spend's variance that all channels have in common.
    unobserved_demand
        What one standard deviation of that common part adds to the base, as a share of it: demand
        that moves spend and sales alike and is in no column.
    warm_up
        Periods simulated before the first row, so that the first row carries earlier spend.
    """

    seed: int = 7
    weeks: int = 208
    frequency: str = "week"
    start: date = date(2022, 1, 3)
    currency: str = "EUR"
    outcome: str = "revenue"
    channels: tuple[Channel, ...] | int = BRAND
    interactions: tuple[Interaction, ...] = ()
    base_outcome: float = 1_050_000.0
    trend: float = 0.12
    seasonality: float = 0.14
    promo_effect: float = 0.30
    price_elasticity: float = -1.1
    event_effect: float = 0.16
    noise: float = 0.03
    noise_autocorrelation: float = 0.3
    outliers: float = 0.0
    spend_correlation: float = 0.3
    unobserved_demand: float = 0.0
    warm_up: int = 52
