"""From what a tool's export (and a table of spend) says of each channel to a curve set.

The carryover weights of other tools begin with the period of the spend. ``geometric``, ``delayed``
and ``binomial`` are cut off after their longest lag. Sources: Jin et al. (2017), "Bayesian Methods
for Media Mix Modeling with Carryover and Shape Effects"; the documentation of Meridian ("Media
saturation and lagging"), of PyMC-Marketing (``mmm.transformers``) and of Robyn
(``adstock_weibull``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock, LagWeights
from shared.curves.curveset import (
    ChannelCurve,
    CurveSet,
    ObservedSpend,
    Response,
    ReturnOnInvestment,
)
from shared.curves.imports.reading import Csv, Facts, Trouble, number_of, read_table
from shared.curves.saturation import Saturation, Tabulated
from shared.curves.tabulated import mean_table
from shared.frequency import frequency

__all__ = [
    "Imported",
    "Observed",
    "Spends",
    "binomial",
    "curve_set_of",
    "delayed",
    "geometric",
    "weibull_cdf",
    "weibull_pdf",
    "weighted",
]

Floats = NDArray[np.float64]


VERDICT = "imported"
"""Nobody here judged these curves; whoever fitted them did, or not."""

_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Observed:
    """Spend per period as far as an export tells it; None where it does not."""

    min: float | None = None
    mean: float | None = None
    max: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """One channel as read: either ``curve``, or ``draws`` (draw s of every channel is one)."""

    channel: str
    pointer: str
    curve: Saturation | None = None
    draws: tuple[Saturation, ...] = ()
    adstock: Adstock | None = None
    observed: Observed = Observed()


def curve_set_of(
    read: Sequence[Imported],
    asked: Mapping[str, Any],
    facts: Mapping[str, Facts],
    notes: Sequence[str],
    trouble: Trouble,
) -> CurveSet:
    """The set of all channels; its dataset and version are for whoever stores it.

    Raises
    ------
    InvalidInput
        With every fault noted before, and those found here: unequal draws, names that are both a
        channel and a group of campaigns, no word of how much is spent today.
    """
    known = {item.channel for item in read}
    for name, fact in facts.items():
        if name not in known and not trouble.faults:
            text = f"The export has no channel {name!r}; it has {', '.join(sorted(known))[:300]}."
            trouble.add(f"{fact.pointer}/channel", "unknown_channel", text)
    if not read and not trouble.faults:
        trouble.add("", "no_channels", "The export has no channel that could be imported.")
    counts = {len(item.draws) for item in read}
    if len(counts) > 1:
        text = "All channels must have equally many draws: draw s of each belongs together."
        trouble.add("", "unequal_draws", text)
    for item in read:
        above, slash, _ = item.channel.partition("/")
        if slash and above in known:
            text = f"{above!r} is a channel, so {item.channel!r} cannot be a campaign of it too."
            trouble.add(item.pointer, "ambiguous_name", text)
    channels = [_channel(item, facts.get(item.channel), trouble) for item in read]
    trouble.stop()
    return CurveSet(
        dataset="",
        version="",
        created_at="",
        spec={},
        frequency=asked.get("frequency") or "week",
        currency=asked.get("currency"),
        outcome=asked.get("outcome") or "outcome",
        channels=tuple(channel for channel in channels if channel is not None),
        diagnostics={
            "imported": {
                "format": asked["format"],
                "draws": max(counts, default=0),
                "notes": list(dict.fromkeys(notes)),
            }
        },
    )


def _channel(item: Imported, facts: Facts | None, trouble: Trouble) -> ChannelCurve | None:
    spend = _observed(item, facts, trouble)
    if spend is None or (item.curve is None and not item.draws):
        return None
    # The mean says more than the last spend of where the curve was learned.
    curve = item.curve if item.curve is not None else _middle(item.draws, spend.mean or spend.last)
    response = Response(curve, item.adstock, item.draws)
    return ChannelCurve(item.channel, response, spend, _returned(response, spend.last), VERDICT)


def _observed(item: Imported, facts: Facts | None, trouble: Trouble) -> ObservedSpend | None:
    seen = item.observed
    given = None if facts is None else facts.current_spend
    last = next((v for v in (given, seen.last, seen.mean) if v is not None), None)
    if last is None:
        pointer = "/channels" if facts is None else f"{facts.pointer}/current_spend"
        trouble.missing(
            pointer,
            f"The export does not say what is spent on {item.channel}: give its current_spend "
            "under channels, or spend_csv with a column of that name.",
        )
        return None
    mean = last if seen.mean is None else seen.mean
    most = facts.observed_max if facts is not None and facts.observed_max is not None else seen.max
    if most is None:
        pointer = "/channels" if facts is None else f"{facts.pointer}/observed_max"
        trouble.missing(
            pointer,
            f"The export does not say the highest spend on {item.channel} that its curve was "
            "learned from: give its observed_max under channels, or spend_csv.",
        )
        return None
    least = min(mean, last) if seen.min is None else seen.min
    return ObservedSpend(min=min(least, last), mean=mean, max=max(most, mean), last=last)


def _returned(response: Response, spend: float) -> ReturnOnInvestment | None:
    """Outcome per unit of money at today's spend, sustained; None where nothing is spent."""
    if spend <= 0.0:
        return None
    reach = spend * (1.0 if response.adstock is None else response.adstock.total_weight())
    curves = response.draws or (response.saturation,)
    returns = np.array([float(curve.value(reach)) for curve in curves]) / spend
    if not np.isfinite(returns).all():
        return None
    interval = None
    if response.draws:
        low, high = np.quantile(returns, [0.05, 0.95])
        interval = (float(low), float(high))
    return ReturnOnInvestment(mean=float(returns.mean()), interval=interval)


def _middle(draws: Sequence[Saturation], at: float) -> Saturation:
    """One curve for all draws: their median parameters, through their mean at spend ``at``.

    Of tables it is the mean, which is a table again.
    """
    tables = [draw for draw in draws if isinstance(draw, Tabulated)]
    if tables:
        return mean_table(tables)
    each = [draw.parameters() for draw in draws]
    curve = type(draws[0])(**{n: float(np.median([own[n] for own in each])) for n in each[0]})
    level = float(curve.value(at))
    mean = float(np.mean([float(draw.value(at)) for draw in draws]))
    return curve if level <= 0.0 else curve.times(mean / level)


def geometric(decay: float, length: int) -> list[float]:
    """``decay^k``."""
    return [decay**k for k in range(length)]


def delayed(decay: float, peak: float, length: int) -> list[float]:
    """``decay^((k - peak)^2)``."""
    return [decay ** ((k - peak) ** 2) for k in range(length)]


def binomial(decay: float, length: int, window: int) -> list[float]:
    """``(1 - k / window)^(1 / decay - 1)``: Meridian's window is the length, PyMC's one more."""
    if decay <= 0.0:
        return [1.0] + [0.0] * (length - 1)
    return [(1.0 - k / window) ** (1.0 / decay - 1.0) for k in range(length)]


def weibull_cdf(shape: float, scale: float, length: int) -> list[float]:
    """The running product of the survival at 1, 2, ..., starting at 1."""
    out, log_weight = [1.0], 0.0
    for age in range(1, length):
        log_weight -= _hazard(age, shape, scale)
        out.append(math.exp(log_weight))
    return out


def weibull_pdf(shape: float, scale: float, length: int) -> list[float]:
    """The density at 1, 2, ..., stretched so that its least value is 0 and its largest is 1.

    All of the spend works at once where the density is the same everywhere.
    """
    logs = [
        (shape - 1.0) * math.log(age / scale) - _hazard(age, shape, scale)
        for age in range(1, length + 1)
    ]
    top = max(logs)
    if not math.isfinite(top):
        return [1.0] + [0.0] * (length - 1)
    density = [math.exp(value - top) for value in logs]
    low, high = min(density), max(density)
    if high == low:
        return [1.0] + [0.0] * (length - 1)
    return [(value - low) / (high - low) for value in density]


def weighted(weights: Sequence[float], *, normalised: bool) -> Adstock | None:
    """The weights as an adstock; None where only the period of the spend counts, by 1.

    Trailing weights too small to change any sum are left out.
    """
    kept = list(weights)
    floor = 1e-18 * sum(kept)
    while len(kept) > 1 and kept[-1] <= floor:
        kept.pop()
    if len(kept) > _LONGEST:
        raise ValueError(f"the carryover lasts {len(kept)} periods; at most {_LONGEST} are taken")
    if len(kept) == 1 and (normalised or kept[0] == 1.0):
        return None
    return LagWeights(tuple(kept), normalised)


def _hazard(age: int, shape: float, scale: float) -> float:
    power = shape * math.log(age / scale)
    return math.exp(power) if power < 700.0 else math.inf


class Spends:
    """``spend_csv``, or the rows that Robyn's export holds itself; possibly neither."""

    def __init__(self, asked: Mapping[str, Any], trouble: Trouble) -> None:
        self._quarter = frequency(asked.get("frequency") or "week").quarter
        self._table: Csv | None = None
        self._rows: list[Mapping[str, Any]] = []
        self._pointer = "/spend_csv"
        extras = (asked.get("model") or {}).get("Extras")
        if asked.get("spend_csv"):
            self._table = read_table(asked, "spend_csv", (), trouble)
        elif isinstance(extras, Mapping) and isinstance(extras.get("raw_data"), list):
            self._pointer = "/model/Extras/raw_data"
            self._rows = [row for row in extras["raw_data"] if isinstance(row, Mapping)]

    def column(self, name: str, trouble: Trouble) -> Floats | None:
        """All periods of a column, oldest first; None where there is no such column."""
        if self._table is not None and name in self._table.columns:
            values = self._table.numbers(name, trouble)
        elif self._rows and name in self._rows[0]:
            cells = [number_of(row.get(name)) for row in self._rows]
            values = [np.nan if cell is None else cell for cell in cells]
        else:
            return None
        series = np.array(values)
        if not (np.isfinite(series).all() and (series >= 0.0).all()):
            text = f"{name} has cells that are no amounts: empty, negative or no numbers."
            trouble.add(f"{self._pointer}/{name}", "not_an_amount", text)
            return None
        return series

    def observed(self, name: str, trouble: Trouble, unit: float = 1.0) -> Observed | None:
        """The column's spend per period at ``unit`` of money each; None where there is none."""
        series = self.column(name, trouble)
        if series is None:
            return None
        money = unit * series
        return Observed(
            min=float(money.min()),
            mean=float(money.mean()),
            max=float(money.max()),
            last=float(money[-self._quarter :].mean()),
        )
