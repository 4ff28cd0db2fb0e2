"""Spend history as a validated, tidy table with roles: what every fit starts from.

``History`` is numpy only, so that nothing above it needs pandas. Rows are periods in order, without
gaps (missing periods are filled and reported); columns have roles, not positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Finding", "History", "Panel"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something accepted but worth knowing: a gap, a late start, a guess about a column's role.

    ``settled_by`` is the field of the spec that settles what only a person can judge, or ``"rows"``
    where only the table can. Until then the finding is a warning of every curve set fitted to the
    history and of every plan that rests on it.
    """

    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    settled_by: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A history by geo and by campaign: G geos, T periods, M arms (channels, or campaigns).

    Attributes
    ----------
    geos
        Names; one empty name where the history is national.
    arms
        (channel, campaign) of each arm; the campaign is "" where a channel is not split.
    spend
        Shape (G, T, M), money per period, >= 0.
    exposure
        Shape (G, T, M): what people were exposed to, in money: spend itself, or impressions times
        the arm's mean price of one, so that its sum over the periods is that of the spend.
    outcome
        Shape (G, T), NaN where unknown.
    controls
        Shape (G, T, K), finite.
    """

    geos: tuple[str, ...]
    arms: tuple[tuple[str, str], ...]
    spend: Floats
    exposure: Floats
    outcome: Floats
    controls: Floats


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A history of T periods and C channels, summed over geos and campaigns.

    Attributes
    ----------
    dates
        Start of each period, T of them, evenly spaced at ``frequency``.
    frequency
        ``"day"``, ``"week"`` or ``"month"``.
    outcome
        Shape (T,). NaN where the source had no value (such periods carry spend but are not fitted).
    spend
        Shape (T, C), money per period, >= 0; empty cells are zero and reported.
    controls
        Shape (T, K), finite.
    events
        Per period: the label of its event, or "".
    detail
        The same by geo and campaign, or with exposures other than spend; None where there is no
        more to know.
    """

    dates: tuple[date, ...]
    frequency: str
    outcome_name: str
    outcome: Floats
    channels: tuple[str, ...]
    spend: Floats
    control_names: tuple[str, ...]
    controls: Floats
    events: tuple[str, ...]
    currency: str | None = None
    findings: tuple[Finding, ...] = ()
    detail: Panel | None = None

    def panel(self) -> Panel:
        """The history by geo and campaign: of one nameless geo and whole channels by default."""
        if self.detail is not None:
            return self.detail
        return Panel(
            geos=("",),
            arms=tuple((channel, "") for channel in self.channels),
            spend=self.spend[None],
            exposure=self.spend[None],
            outcome=self.outcome[None],
            controls=self.controls[None],
        )
