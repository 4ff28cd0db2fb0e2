"""What a channel is bought for: to create demand, or to capture demand that is there.

Search, shopping ads, affiliates and retargeting are bought where people already look for the thing,
so their spend rises with sales that would have come anyway, and a regression credits them with
these (Chen et al., "Bias correction for paid search in media mix modeling", 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.history.names import tokens

__all__ = ["ROLES", "role_by_name", "role_said"]

ROLES = ("demand_creation", "demand_capture")

_CAPTURE = frozenset(
    {"search", "sem", "sea", "ppc", "adwords", "brand", "branded", "shopping", "pla", "affiliate"}
    | {"affiliates", "retargeting", "remarketing", "voucher", "vouchers", "coupon", "coupons"}
    | {"cashback", "comparison", "suche", "marke"}
)


def role_by_name(channel: str) -> str:
    """The role that a channel's name suggests.

    >>> role_by_name("Paid Search brand"), role_by_name("tv"), role_by_name("AffiliateX")
    ('demand_capture', 'demand_creation', 'demand_capture')
    """
    return ROLES[bool(_CAPTURE & set(tokens(channel)))]


def role_said(channel: str, spec: Mapping[str, Any]) -> str | None:
    """The role that the spec gives a channel."""
    for item in spec.get("channels") or ():
        if item.get("channel") == channel and item.get("role"):
            return str(item["role"])
    return None
