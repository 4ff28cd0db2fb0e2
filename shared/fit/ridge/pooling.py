"""Geos and campaigns of one channel lean on each other: a penalty on how far their returns differ.

With e_a the outcome per period that arm a brings and s_a its share of the money of its channel, the
arm departs from its channel's common return by e_a - s_a sum e. With E what the channel brings by a
first look, what is added to the sum of squares over the variance of the noise is the sum of
((e_a - s_a sum e) / (E spread))^2 / s_a: nothing where all arms of a channel bring the same per
unit of money, and on the whole about one where their returns differ by the ``spread``, relatively.
A large spread lets every arm stand alone, a small one gives all the channel's return; which it is
is searched for like every other hyperparameter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design

__all__ = ["departures", "effects", "splits"]

Floats = NDArray[np.float64]
_LEAST = 0.1  # of what a channel would bring by its share of the money


def splits(design: Design) -> NDArray[np.int64]:
    """Arms of channels that have more than one."""
    channel = design.channel_of_arm
    count = np.bincount(channel, minlength=len(design.active))
    return np.flatnonzero(count[channel] > 1)


def effects(design: Design, total: float, found: Floats | None = None) -> Floats:
    """(C,) what each channel brings: ``found`` (C,), but hardly less than its part of the money.

    In the same unit as ``total``, which is shared by money where nothing was found yet.
    """
    money = np.bincount(
        design.channel_of_arm, weights=design.mean_spend, minlength=len(design.active)
    )
    whole = total if found is None else float(found.sum())
    by_money = max(whole, 1e-12) * money / money.sum()
    return by_money if found is None else np.maximum(found, _LEAST * by_money)


def departures(design: Design, levels: Floats, brings: Floats) -> Floats:
    """(P, N, A) rows that take coefficients to relative departures times the root of the share.

    Parameters
    ----------
    levels
        (P, A, T) of every arm in its own geo.
    brings
        (C,) of each channel, outcome per period.
    """
    arms, channel = splits(design), design.channel_of_arm
    money = design.mean_spend
    of_channel = np.bincount(channel, weights=money, minlength=len(design.active))
    share = (money / of_channel[channel])[arms]
    scale = design.outcome_scale[design.geo_of_arm]
    unit = levels[:, :, : design.train].mean(axis=2) * scale  # that a coefficient of one brings
    same = channel[arms][:, None] == channel[None, :]
    own = np.arange(len(design.arms))[None, :] == arms[:, None]
    rows = (own - share[:, None] * same) / (np.sqrt(share) * brings[channel[arms]])[:, None]
    return np.asarray(rows[None] * unit[:, None, :])
