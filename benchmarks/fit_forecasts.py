"""Forecasts of the public data sets by rolling origin, against seasonal naive; and the gate.

A forecast that is worse is no failure of the product where the gate keeps the curves back and says
why; so a row is held if either the forecast is better or the gate refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from benchmarks.fit_sets import DATA
from benchmarks.harness import Asked, register
from benchmarks.table import OURS, Row, duration
from shared.errors import MarginalError
from shared.fit.pipeline import FitResult, fit_history
from shared.history.parse import Parsed, parse

__all__ = ["PUBLIC", "Public", "history_of_public", "verdict"]

SECTION = "fit"


@dataclass(frozen=True, slots=True)
class Public:
    """A file of the shared data and the roles of its columns; None lets them be guessed.

    ``numbered`` is a column of period numbers that stand for weeks: the file has no dates.
    """

    file: str
    spec: Mapping[str, Any] | None = None
    outcomes: str | None = None
    numbered: str | None = None


def _channels(*names: str, spend: str = "{}", impressions: str = "") -> list[dict[str, str]]:
    return [
        {"channel": name, "spend": spend.format(name)}
        | ({"impressions": impressions.format(name)} if impressions else {})
        for name in names
    ]


_SYNTHETIC = "visible_synth/{}/history.csv"

PUBLIC: Mapping[str, Public] = {
    "robyn_weekly": Public("robyn_weekly/dt_simulated_weekly.csv"),
    "meridian_national": Public(
        "meridian_national_all_channels/data.csv",
        {
            "date": "time",
            "outcome": "conversions",
            "channels": _channels(
                *(f"Channel{i}" for i in range(5)),
                spend="{}_spend",
                impressions="{}_impression",
            ),
            "controls": [
                "competitor_sales_control",
                "sentiment_score_control",
                "Promo",
                "Organic_channel0_impression",
            ],
        },
    ),
    "pymc_mmm_example": Public(
        "pymc_mmm_example/mmm_example.csv",
        {
            "date": "date_week",
            "outcome": "y",
            "channels": _channels("x1", "x2"),
            "controls": ["event_1", "event_2"],
        },
    ),
    "pysimmmulator_weekly": Public(
        "pysimmmulator_weekly/data.csv",
        {
            "date": "week_start",
            "outcome": "total_revenue",
            "channels": _channels("google", "facebook", "tv", "display", spend="{}_spend"),
            "controls": [],
        },
    ),
    "pysimmmulator_daily": Public(
        "pysimmmulator_daily/data.csv",
        {
            "date": "date",
            "outcome": "total_revenue",
            "channels": _channels("google", "facebook", "tv", "display", spend="{}_spend"),
            "controls": [],
        },
    ),
    "lightweight_mmm_dummy": Public(
        "lightweight_mmm_dummy/data.csv",
        {
            "date": "t",
            "outcome": "target",
            "channels": _channels("media_0", "media_1", "media_2"),
            "controls": ["extra_0"],
        },
        numbered="t",
    ),
    "eleckart_weekly": Public(
        "eleckart_weekly/weekly.csv",
        {
            "date": "week_start",
            "outcome": "gmv",
            "channels": _channels(
                "tv", "digital", "sponsorship", "sem", "radio", spend="spend_cr_{}"
            ),
            "controls": ["nps", "discount_pct"],
        },
    ),
    "seed_market_lens": Public("seed_market_lens/monthly_clean.csv"),
    "campaign_romi": Public("campaign_romi/campaign_daily.csv"),
    "dev_weekly_3ch_clean": Public(_SYNTHETIC.format("dev_weekly_3ch_clean")),
    "dev_weekly_8ch_promo_confounded": Public(_SYNTHETIC.format("dev_weekly_8ch_promo_confounded")),
    "dev_daily_4ch_1y": Public(_SYNTHETIC.format("dev_daily_4ch_1y")),
    "dev_campaign_daily_4ch_14c": Public(
        _SYNTHETIC.format("dev_campaign_daily_4ch_14c"),
        outcomes="visible_synth/dev_campaign_daily_4ch_14c/outcome.csv",
    ),
}


def _dated(table: bytes) -> bytes:
    """The first column's numbers 0, 1, 2, ... as weeks from the first Monday of 2021."""

    def week(found: re.Match[bytes]) -> bytes:
        return (date(2021, 1, 4) + timedelta(7 * int(found[1]))).isoformat().encode() + b","

    return re.sub(rb"^(\d+),", week, table, flags=re.MULTILINE)


def history_of_public(item: Public) -> Parsed:
    """A public set as a user would upload it."""
    table = (DATA / item.file).read_bytes()
    if item.numbered is not None:
        table = _dated(table)
    outcomes = None if item.outcomes is None else (DATA / item.outcomes).read_bytes()
    return parse(item.spec, table, outcomes)


def verdict(ours: float, naive: float, promoted: bool) -> str:
    """Held where the forecast is better than naive, or the gate kept the curves back."""
    if ours < naive:
        return "held"
    return "MISSED: promoted all the same" if promoted else "held: the gate refused"


def _row(name: str, result: FitResult, cpu_s: float) -> Row:
    found = result.curve_set.diagnostics
    rolling, naive = found["rolling_origin"], found["naive"]
    gate = "promoted" if result.promote else f"kept back: {' '.join(result.reasons)}"
    if rolling is None or naive is None:
        return Row(
            name=name,
            instances="0 rows tested",
            median=duration(cpu_s),
            verdict="MISSED: promoted untested" if result.promote else "held: too few rows",
            note=gate,
        )
    return Row(
        name=name,
        instances=f"{rolling['rows']} rows",
        median=duration(cpu_s),
        middle=f"rmse {rolling['rmse']:.4g}",
        limit=f"seasonal naive {naive['rmse']:.4g}",
        ratio=f"{rolling['rmse'] / naive['rmse']:.3f}",
        verdict=verdict(rolling["rmse"], naive["rmse"], result.promote),
        note=f"90 % intervals held {rolling['coverage_90'] or 0.0:.0%}; {gate}",
    )


def _register(key: str, item: Public) -> None:
    name = f"forecast: {key}"

    def rows(asked: Asked) -> Iterator[Row]:
        if not asked(OURS):
            return
        if not (DATA / item.file).exists():
            yield Row(name=name, note=f"skipped: not there: {DATA / item.file}")
            return
        began = time.process_time()
        try:
            parsed = history_of_public(item)
            result = fit_history(parsed.history, parsed.spec)
        except MarginalError as refused:
            text = f"refused: {refused}".replace("\n", " ")
            yield Row(name=name, verdict="held: not fitted", note=text)
            return
        yield _row(name, result, time.process_time() - began)

    register(SECTION, name, rows)


for _key, _item in PUBLIC.items():
    _register(_key, _item)
