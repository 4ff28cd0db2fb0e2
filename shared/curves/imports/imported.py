"""From what a tool's export says of each channel to a curve set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.curves.adstock import Adstock
from shared.curves.curveset import (
    ChannelCurve,
    CurveSet,
    ObservedSpend,
    Response,
    ReturnOnInvestment,
)
from shared.curves.imports.reading import Facts, Trouble
from shared.curves.saturation import Saturation, Tabulated
from shared.curves.tabulated import mean_table

__all__ = ["Imported", "Observed", "curve_set_of"]

VERDICT = "imported"
"""Nobody here judged these curves; whoever fitted them did, or not."""


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
