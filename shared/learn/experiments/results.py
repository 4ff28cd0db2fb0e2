"""What a test found, as a lift test of its dataset: read from its data by its design.

A geo test is read by the analysis that it was designed with, its error lengthened by the same
placebos, on the rows before it. A switchback's error is that of its own coins: drawn again, with
the lift taken off, they say how much the estimate scatters however the outcome remembers. A test
before and after has the noise of the rows before it and what they remember.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.figures import number, plural
from shared.frequency import frequency
from shared.history.table import History
from shared.learn.experiments import switchback
from shared.learn.experiments.geo import Effect
from shared.learn.experiments.placebo import LEAST_BEFORE, analyse, noise_of, placebos
from shared.plan.experiment import PrecisionOfTest
from shared.plan.words import say

__all__ = ["read"]

Floats = NDArray[np.float64]

_COINS = 2000
_LARGE = 1e6
_USUAL = 13  # periods before the test whose spend counts as usual
_MOVED = 0.1  # of the treated geos' change, by which the controls' spend may have moved


def read(design: Mapping[str, Any], history: History) -> dict[str, Any]:
    """The estimate, and the test as ``lift_tests`` of a spec takes it.

    Raises
    ------
    InvalidInput
        Rows of the test that are not there, or not all of them; places that are not there.
    """
    first, last = (date.fromisoformat(design[key]) for key in ("start", "end"))
    lasting = int(design["lasting"])
    rows = np.flatnonzero([first <= day <= last for day in history.dates])
    if len(rows) < int(design["periods"]):
        text = (
            f"The data have {len(rows)} of the test's {plural(int(design['periods']), 'period')} "
            f"({first} to {last}): send its results when they are there."
        )
        raise InvalidInput.at("/history_csv", "test_not_over", text)
    if design["channel"] not in history.channels:
        text = f"The data have no channel {design['channel']!r}."
        raise InvalidInput.at("/history_csv", "unknown_channel", text)
    if np.isnan(history.outcome[max(int(rows[0]) - len(rows), 0) : int(rows[-1]) + 1]).any():
        text = "Outcomes of the test, or of as many periods before it, are missing."
        raise InvalidInput.at("/history_csv", "missing_outcome", text)
    found = _KINDS[design["kind"]](design, history, rows, lasting)
    effect, spent = found.pop("effect"), found.pop("spend_change")
    if effect.error <= 0.0:
        text = "The outcome never varies: no error of the lift can be told from it."
        raise InvalidInput.at("/history_csv", "no_variation", text)
    if spent == 0.0:
        text = "The data show no change of spend in the test: was it run?"
        raise InvalidInput.at("/history_csv", "no_change_of_spend", text)
    test = {
        "channel": design["channel"],
        "start": design["start"],
        "end": design["end"],
        "spend_change": spent,
        "outcome_change": effect.value,
        "standard_error": effect.error,
        "geos": found.pop("geos", None),
        "measured_until": found.pop("measured_until", None),
        "bursts": found.pop("bursts", None),
    }
    return {
        "lift_test": {key: value for key, value in test.items() if value is not None},
        "interval": list(effect.interval(0.9)),
        "p_value": effect.p_value(),
        "correlation": effect.correlation,
        **found,
        "explanation": [_sentence(design, effect, spent)],
    }


def _sentence(design: Mapping[str, Any], effect: Effect, spent: float) -> dict[str, Any]:
    low, high = effect.interval(0.9)
    text = (
        f"{number(abs(spent))} {'more' if spent > 0 else 'less'} spent on {design['channel']} "
        f"brought {number(effect.value)} (90 % interval {number(low)} to {number(high)}): "
        f"{number(effect.value / spent)} per unit of spend."
    )
    return say("found", text, spend_change=spent, outcome_change=effect.value)


def _spend(history: History, channel: str) -> Floats:
    return np.asarray(history.spend[:, history.channels.index(channel)])


def _geo(
    design: Mapping[str, Any], history: History, rows: NDArray[np.intp], lasting: int
) -> dict[str, Any]:
    panel, names = history.panel(), history.panel().geos
    missing = [name for name in (*design["treated"], *design["controls"]) if name not in names]
    if missing:
        text = f"The data have no geo {missing[0]!r}, which the test is of."
        raise InvalidInput.at("/history_csv", "unknown_geo", text)
    n = int(rows[0])
    counted = np.arange(n, min(int(rows[-1]) + 1 + lasting, len(history.dates)))
    if n < max(LEAST_BEFORE, len(rows)):
        text = f"{plural(n, 'period')} before the test are too few to say what would have been."
        raise InvalidInput.at("/history_csv", "too_few_periods", text)
    outcome = panel.outcome[:, : counted[-1] + 1]
    if np.isnan(outcome).any():
        text = "Outcomes of some geos are missing: a test needs all of them."
        raise InvalidInput.at("/history_csv", "missing_outcome", text)
    treated = np.array([names.index(name) for name in design["treated"]])
    method, seed = str(design["method"]), int(design["seed"])
    null = placebos(outcome[:, :n], len(treated), len(counted), method, seed)
    partners = None
    if method == "trimmed_match":
        partners = np.array([names.index(name) for name in design["controls"]])
    effect = analyse(outcome, treated, n, method, null.spread, partners)
    effect = Effect(effect.value, effect.error * null.scale, effect.degrees, effect.correlation)
    arms = [m for m, (channel, _) in enumerate(panel.arms) if channel == design["channel"]]
    spend = panel.spend[:, :, arms].sum(axis=2)
    usual = spend[:, max(n - _USUAL, 0) : n].mean(axis=1)
    changes = spend[:, rows].sum(axis=1) - len(rows) * usual
    spent = float(changes[treated].sum())
    others = float(changes.sum()) - spent
    every = frequency(history.frequency)
    later = int(counted[-1]) > int(rows[-1])
    out: dict[str, Any] = {
        "effect": effect,
        "spend_change": spent,
        "geos": list(design["treated"]),
        "placebo_coverage": null.coverage,
        "error_scale": null.scale,
        "controls_changed": others,
        "warnings": [],
    }
    if later:
        out["measured_until"] = every.last_day(history.dates[int(counted[-1])]).isoformat()
    if abs(others) > _MOVED * abs(spent):
        text = (
            f"Spend on {design['channel']} in the other geos moved by {number(others)}: what they "
            "show is not what would have been, so the effect is read too large or too small."
        )
        out["warnings"].append(("controls_moved", text))
    return out


def _switchback(
    design: Mapping[str, Any], history: History, rows: NDArray[np.intp], lasting: int
) -> dict[str, Any]:
    on, at = np.array(design["on"]), list(design["flips"])
    outcome = history.outcome[rows]
    # A level that is known is taken off: it scatters with the coins and tells nothing.
    before = history.outcome[: int(rows[0])]
    level = float(np.nanmean(before[-_USUAL:] if len(before) else outcome))
    y = outcome - level
    lift = switchback.estimate(y, on, at, lasting)
    stretch = np.searchsorted(np.array(at), np.arange(1, len(rows) + 1), side="right") - 1
    plain, rng = y - lift * on, np.random.default_rng(int(design["seed"]) + 1)
    again = [
        switchback.estimate(plain, rng.random(len(at))[stretch] < 0.5, at, lasting)
        for _ in range(_COINS)
    ]
    error = sqrt(float(np.square(again).mean()))
    spend = _spend(history, design["channel"])[rows]
    count = float(on.sum())
    each = float(spend[on].mean() - spend[~on].mean())
    every = frequency(history.frequency)
    bursts, edges = [], np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
    for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        first, last = (history.dates[int(rows[k])] for k in (a, b - 1))
        bursts.append({"start": first.isoformat(), "end": every.last_day(last).isoformat()})
    return {
        "effect": Effect(lift * count, error * count, _LARGE),
        "spend_change": each * count,
        "bursts": bursts,
        "lift": lift,
        "warnings": [],
    }


def _off(
    design: Mapping[str, Any], history: History, rows: NDArray[np.intp], lasting: int
) -> dict[str, Any]:
    n, length = int(rows[0]), len(rows) - lasting
    if n < max(length, LEAST_BEFORE):
        text = f"{plural(n, 'period')} before the test are too few to compare with."
        raise InvalidInput.at("/history_csv", "too_few_periods", text)
    noise = noise_of(history.outcome[:n])
    times = len(rows) / length
    before = slice(n - length, n)
    value = float(history.outcome[rows].sum() - times * history.outcome[before].sum())
    precision = PrecisionOfTest(noise.sd, noise.correlation, 0.8, float(design["alpha"]), lasting)
    spend = _spend(history, design["channel"])
    return {
        "effect": Effect(value, precision.error_in_all(length), _LARGE, noise.correlation),
        "spend_change": float(spend[rows].sum() - times * spend[before].sum()),
        "noise": noise.sd,
        "warnings": [],
    }


_KINDS = {"geo": _geo, "switchback": _switchback, "off": _off}
