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

__all__ = ["Finding", "History"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something accepted but worth knowing: a gap, a late start, a guess about a column's role."""

    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A national, channel-level history of T periods and C channels.

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
