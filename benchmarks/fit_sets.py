"""Histories with known truth: the shared ones, and two dozen kinds of hard ones made here.

Each kind varies one thing that breaks fits (confounding, collinearity, zero stretches, late starts,
outliers, low signal, spend before the first row, S-curves, delayed carryover, interactions, a year
of weeks only, daily rows, channels without effect), a few vary all at once, and a few are drawn
at random. A kind has as many histories as there are seeds; none of them is used to tune the fit.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit_truth import Truth
from samples.options import Channel, Interaction, Options
from samples.simulate import simulate
from samples.truth import saturation_level
from shared.history.parse import Parsed, parse

__all__ = ["DATA", "KINDS", "SHARED", "Known", "generated", "options_of", "shared_set"]

Floats = NDArray[np.float64]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the shared data sets are read from; they are not part of this repository."""

SHARED = (
    "dev_weekly_3ch_clean",
    "dev_weekly_8ch_promo_confounded",
    "dev_daily_4ch_1y",
    "dev_campaign_daily_4ch_14c",
)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A history as it would be uploaded and parsed, what is true of it, and its arms' carryover.

    ``weights`` are each arm's adstock weights by lag; they sum to one (up to a geometric tail).
    """

    name: str
    parsed: Parsed
    truth: Truth
    weights: tuple[Floats, ...]


def _channels(count: int, rng: np.random.Generator, **fixed: Any) -> tuple[Channel, ...]:
    """Channels of very different size, return and saturation; ``fixed`` holds for all of them."""
    out = []
    for i in range(count):
        u = rng.random(6)
        drawn = Channel(
            name=f"channel_{i + 1}",
            mean_spend=float(1.0e4 * 10 ** (0.9 * u[0])),
            family="hill" if u[1] < 0.5 else "exponential",
            saturation_at_mean=float(0.25 + 0.55 * u[2]),
            roi=float(np.exp(rng.normal(0.7, 0.5))),
            shape=float(0.8 + 0.7 * u[3]),
            decay=float(0.05 + 0.6 * u[4]),
            volatility=float(0.3 + 0.25 * u[5]),
        )
        out.append(replace(drawn, **fixed))
    return tuple(out)


Make = Callable[[np.random.Generator], Options]


def _plain(count: int, weeks: int = 156, **changes: Any) -> Make:
    """Options with ``count`` channels; ``changes`` are fields of ``Options`` or of a channel."""
    own = {k: v for k, v in changes.items() if k in Options.__dataclass_fields__}
    rest = {k: v for k, v in changes.items() if k not in own}

    def make(rng: np.random.Generator) -> Options:
        channels = _channels(count, rng, **rest)
        # Media make about a third of the outcome, as in most published studies.
        money = sum(c.mean_spend * c.on_share * c.roi for c in channels)
        base = {"base_outcome": 2.0 * money}
        return Options(weeks=weeks, channels=channels, **(base | own))

    return make


def _edited(make: Make, edit: Callable[[int, Channel, np.random.Generator], Channel]) -> Make:
    """The same, each channel changed by ``edit(number, channel, rng)``."""

    def made(rng: np.random.Generator) -> Options:
        options = make(rng)
        assert not isinstance(options.channels, int)
        return replace(
            options, channels=tuple(edit(i, c, rng) for i, c in enumerate(options.channels))
        )

    return made


def _late(i: int, channel: Channel, rng: np.random.Generator) -> Channel:
    """Every second channel starts between the 20th and the 100th week."""
    if i % 2 == 0:
        return channel
    return replace(channel, starts_at=int(rng.integers(20, 100)))


def _stops(i: int, channel: Channel, rng: np.random.Generator) -> Channel:
    """Long stretches of zero spend, each channel's its own."""
    del i
    low = int(rng.integers(10, 110))
    return replace(channel, pauses=((low, low + int(rng.integers(15, 40))),))


def _before(i: int, channel: Channel, rng: np.random.Generator) -> Channel:
    """Heavy spend before the first row, none in the first weeks of half of the channels."""
    pauses = ((0, 6),) if i % 2 else ()
    return replace(channel, decay=float(rng.uniform(0.6, 0.85)), pauses=pauses)


def _placebo(i: int, channel: Channel, rng: np.random.Generator) -> Channel:
    """Every third channel does nothing at all."""
    del rng
    return replace(channel, roi=0.0) if i % 3 == 0 else channel


def _pairs(make: Make) -> Make:
    """A strong synergy and a cannibalisation, each of the size of half a channel's response."""

    def made(rng: np.random.Generator) -> Options:
        options = make(rng)
        assert not isinstance(options.channels, int)
        c = options.channels

        def size(channel: Channel) -> float:
            return channel.roi * channel.mean_spend / channel.saturation_at_mean

        return replace(
            options,
            interactions=(
                Interaction(c[0].name, c[1].name, 0.8 * min(size(c[0]), size(c[1]))),
                Interaction(c[2].name, c[3].name, -0.5 * min(size(c[2]), size(c[3]))),
            ),
        )

    return made


def _drawn(rng: np.random.Generator, channels: int, weeks: int) -> Options:
    """A brand drawn at random by ``samples``: bursts, S-curves, delays, promotions, season."""
    del rng
    return Options(weeks=weeks, channels=channels)


KINDS: Mapping[str, Make] = {
    "clean": _plain(4, 104, noise=0.015, spend_correlation=0.05),
    "promotions drive spend": _plain(8, promo_lift=1.5, season_lift=0.4, spend_correlation=0.4),
    "season drives spend": _plain(6, season_lift=1.4, seasonality=0.25),
    "unobserved demand": _plain(5, unobserved_demand=0.05, spend_correlation=0.5),
    "collinear": _plain(6, spend_correlation=0.9),
    "steady spend": _plain(5, volatility=0.12),
    "bursts": _plain(6, on_share=0.45, burst=5),
    "zero stretches": _edited(_plain(6), _stops),
    "late starts under a trend": _edited(_plain(6, trend=0.4), _late),
    "outliers": _plain(5, outliers=0.05),
    "low signal": _plain(5, 104, noise=0.10),
    "spend before the first row": _edited(_plain(5, 104), _before),
    "S-curves": _plain(5, family="hill", shape=2.4, saturation_at_mean=0.35, volatility=0.5),
    "delayed carryover": _plain(6, adstock="delayed", decay=0.6, peak=3),
    "interactions": _pairs(_plain(6)),
    "a year of weeks": _plain(4, 52),
    "a year of collinear weeks": _plain(6, 52, spend_correlation=0.7),
    "a year of days": _plain(4, 52, frequency="day", noise=0.05),
    "channels without effect": _edited(_plain(6), _placebo),
    "fifteen channels": _plain(15),
    "all at once": _pairs(
        _edited(
            _plain(
                7,
                promo_lift=1.0,
                unobserved_demand=0.03,
                spend_correlation=0.6,
                outliers=0.02,
                noise=0.04,
                adstock="delayed",
                peak=2,
            ),
            _late,
        )
    ),
    "drawn at random, 104 x 9": partial(_drawn, channels=9, weeks=104),
    "drawn at random, 156 x 6": partial(_drawn, channels=6, weeks=156),
    "drawn at random, 208 x 10": partial(_drawn, channels=10, weeks=208),
}


def options_of(kind: str, seed: int = 0) -> Options:
    """What history number ``seed`` of a kind is made of, whatever other kinds there are."""
    rng = np.random.default_rng([20261122, crc32(kind.encode()), seed])
    options = KINDS[kind](rng)
    return replace(options, seed=int(rng.integers(2**31)))


def generated(kind: str, seed: int = 0) -> Known:
    """History number ``seed`` of a kind, as ``options_of`` says."""
    made = simulate(options_of(kind, seed), optimum=False)
    channels = made.truth["channels"]
    names = [channel["channel"] for channel in channels]
    truth = Truth(
        arms=tuple(names),
        heights=np.array([channel["saturation"]["max_response"] for channel in channels]),
        levels=tuple(partial(saturation_level, channel["saturation"]) for channel in channels),
        pairs=tuple(
            (names.index(pair["channels"][0]), names.index(pair["channels"][1]), pair["strength"])
            for pair in made.truth["interactions"]
        ),
        mean=made.spend.mean(axis=0),
    )
    weights = tuple(np.array(channel["adstock_weights"]) for channel in channels)
    return Known(f"{kind}, {seed}", parse(made.spec, made.csv.encode()), truth, weights)


def shared_set(name: str) -> Known:
    """One of the shared sets, read as a user would upload it; its truth by its own ``truth.py``.

    Raises
    ------
    FileNotFoundError
        It is not there.
    """
    home = DATA / "visible_synth"
    # Loaded by path: it belongs to the data, not to this project.
    found = importlib.util.spec_from_file_location("shared_truth", home / "truth.py")
    if found is None or found.loader is None or not (home / name).is_dir():
        raise FileNotFoundError(home / name)
    own = importlib.util.module_from_spec(found)
    found.loader.exec_module(own)
    told = json.loads((home / name / "truth.json").read_text("utf-8"))
    outcome = home / name / "outcome.csv"
    parsed = parse(
        None,
        (home / name / "history.csv").read_bytes(),
        outcome.read_bytes() if outcome.exists() else None,
    )
    arms = [arm["id"] for arm in told["arms"]]
    panel = parsed.history.panel()
    spent = dict(
        zip(
            ["/".join(filter(None, arm)) for arm in panel.arms],
            panel.spend.sum(axis=0).mean(axis=0),
            strict=True,
        )
    )
    truth = Truth(
        arms=tuple(arms),
        heights=np.array([arm["curve"]["beta"] for arm in told["arms"]]),
        levels=tuple(partial(own.S, arm["curve"]) for arm in told["arms"]),
        pairs=tuple(
            (arms.index(pair["a"]), arms.index(pair["b"]), pair["gamma"])
            for pair in told["interactions"]
        ),
        mean=np.array([spent[arm] for arm in arms]),
    )
    weights = tuple(np.array(arm["adstock"]["weights"]) for arm in told["arms"])
    return Known(name, parsed, truth, weights)
