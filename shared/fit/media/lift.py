"""Lift tests as part of the likelihood, whatever the kind of model: what each says of the media.

What a test measured is normal around the model's own answer: the media of its periods as they were
done less as they would have been, each at the carryover that the history then had; periods after
the changed spend count where the outcome was measured in them. Where the
history holds the test its rows are what was done, and what would have been is those less the
change; else the other way round. The change is spread over the arms tested by their mean spend, and
evenly over the periods that it was made in, as far as there is spend to take away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design, lagged
from shared.fit.media.interactions import Pairs
from shared.history.lift_tests import LiftTest, lift_tests
from shared.history.table import History

__all__ = ["LiftTerm", "Lifted", "read_lifts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LiftTerm:
    """One test on the arms of one channel, or of one campaign of it.

    Attributes
    ----------
    tested
        (J,) arms whose spend was changed.
    arms
        (M,) arms that ``lags`` are of: all, or those that the test needs (``near``).
    lags
        (M, 2 W, L): scaled exposure in W periods as it was done, then as it would have been.
    """

    test: LiftTest
    tested: Ints
    arms: Ints
    lags: Floats

    @property
    def change(self) -> float:
        """Outcome that the test found in all, in outcome units."""
        return self.test.outcome_change

    @property
    def error(self) -> float:
        """Standard error of the change, in outcome units."""
        return self.test.standard_error

    @property
    def last(self) -> int:
        """Row of the last period measured, or the first row where it ended before."""
        return max(self.test.measured, 0)

    @property
    def sign(self) -> Floats:
        """(2 W,) 1 for rows as they were done, -1 for those that would have been."""
        return np.repeat([1.0, -1.0], self.lags.shape[1] // 2)

    def near(self, pairs: Sequence[Pairs]) -> LiftTerm:
        """The same of the arms tested and of those that interact with them alone."""
        own = set(self.tested.tolist())
        near = own.union(*(both for pair in pairs for both in pair if own & {*both}))
        at = np.array(sorted(near), dtype=np.int64)
        return replace(self, arms=self.arms[at], lags=self.lags[at])

    def row(self, levels: Floats, design: Design, pairs: Sequence[Pairs]) -> Floats:
        """(P, B): what the outcome found is of the coefficients of all arms and interactions.

        Parameters
        ----------
        levels
            (P, A, 2 W) of all arms at ``lags``.
        """
        scale = design.outcome_scale[design.geo_of_arm]
        joint = np.zeros((len(levels), len(pairs)))
        for q, pair in enumerate(pairs):
            for i, j in pair:
                joint[:, q] += scale[i] * ((levels[:, i] * levels[:, j]) @ self.sign)
        return np.concatenate([(levels @ self.sign) * scale, joint], axis=1)


#: A test with draws (S,) of what a fit says that it changed in all, in outcome units.
Lifted = tuple[LiftTerm, Floats]


def read_lifts(spec: Mapping[str, Any], history: History, design: Design) -> tuple[LiftTerm, ...]:
    """The tests of ``spec["lift_tests"]`` that can be used, and ended before the training rows did.

    Raises
    ------
    InvalidInput
        As ``lift_tests``.
    """
    names = [history.channels[c] for c in design.active]
    out: list[LiftTerm] = []
    for test in lift_tests(spec, history):
        # What is to be forecast must not be known.
        if test.unused or test.channel not in names or test.measured >= design.train:
            continue
        place = names.index(test.channel)
        tested = [
            a
            for a, arm in enumerate(design.arms)
            if arm.channel == place
            and test.covers(design.geos[arm.geo])
            and test.campaign in (None, arm.campaign)
        ]
        if tested:
            out.append(_lift(design, np.array(tested, dtype=np.int64), test))
    return tuple(out)


def _lift(design: Design, tested: Ints, test: LiftTest) -> LiftTerm:
    # Before the first row spend is taken to have been that of the first rows, as everywhere.
    padding = design.lags[:, 0, -1]
    before = max(min(test.measured + 1, 0) - test.first, 0)
    rows = design.lags[:, : max(test.measured + 1, 0), 0]
    held = np.concatenate([np.repeat(padding[:, None], before, axis=1), rows], axis=1)
    window = slice(held.shape[1] - test.length, None)
    places = np.ix_(tested, held.shape[1] - 1 - test.measured + np.array(test.changed))
    other = held.copy()
    scale = design.spend_scale[tested, None]
    by = -test.spend_change if test.in_history else test.spend_change
    other[places] = _moved(held[places] * scale, by, design.mean_spend[tested]) / scale
    done, otherwise = (held, other) if test.in_history else (other, held)
    lags = [lagged(s.T, design.lags.shape[2], padding)[:, window] for s in (done, otherwise)]
    return LiftTerm(test, tested, np.arange(len(design.arms)), np.concatenate(lags, axis=1))


def _moved(spend: Floats, by: float, share: Floats) -> Floats:
    """Spend (J, P) with ``by`` more in all: evenly by ``share`` (J,), and nowhere below zero."""
    part = np.broadcast_to((share / share.sum() / spend.shape[1])[:, None], spend.shape)
    if by >= 0.0:
        return np.asarray(spend + by * part)
    # Take t times its part of each, or all that there is: t grows from one cell's end to the next.
    ends = (spend / part).ravel()
    order = np.argsort(ends, kind="stable")
    gone = np.cumsum(np.append(0.0, spend.ravel()[order][:-1]))
    left = 1.0 - np.cumsum(np.append(0.0, part.ravel()[order][:-1]))
    taken = np.flatnonzero(gone + ends[order] * left >= -by)
    if not taken.size:
        return np.zeros_like(spend)
    k = int(taken[0])
    return np.asarray(np.maximum(spend - (-by - gone[k]) / left[k] * part, 0.0))
