"""Whether an outcome is money or a count: what a unit of spend can be expected to bring.

A return in money per money has a natural size, one in conversions per money has none. The spec
says which it is (``outcome_unit``); where it does not, the outcome's name is all there is to go by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["UNITS", "OutcomeUnit", "outcome_unit"]

UNITS = ("money", "count")

_MONEY = re.compile(
    r"revenue|sales|gmv|turnover|income|profit|margin|value|earning|receipts|umsatz|ca_ht|net_?sale",
    re.IGNORECASE,
)
_NOT_MONEY = re.compile(r"units?\b|count|number|orders|leads|conversions|quantity|_qty", re.I)


@dataclass(frozen=True, slots=True)
class OutcomeUnit:
    """``unit`` is one of ``UNITS``; ``said`` is False where only the name speaks for it."""

    unit: str
    said: bool

    @property
    def money(self) -> bool:
        return self.unit == "money"


def outcome_unit(spec: Mapping[str, Any], name: str) -> OutcomeUnit:
    """What the spec says of an outcome's unit, else what the outcome's name suggests.

    >>> outcome_unit({}, "net_sales"), outcome_unit({"outcome_unit": "count"}, "net_sales").unit
    (OutcomeUnit(unit='money', said=False), 'count')
    >>> outcome_unit({}, "sales_units").unit
    'count'
    """
    said = spec.get("outcome_unit")
    if said in UNITS:
        return OutcomeUnit(str(said), True)
    if spec.get("outcomes"):
        return OutcomeUnit("money", True)  # added up at what one unit of each is worth
    money = bool(_MONEY.search(name)) and not _NOT_MONEY.search(name)
    return OutcomeUnit("money" if money else "count", False)
