"""Signs in a history that a regression of it does not tell what spend causes, channel by channel.

A driver that nobody recorded leaves traces: money that is spent tomorrow explains what was sold
today, or last period's sales explain what is spent now; and media that explain most of the outcome
stand for something that came along with them. None is a proof, and where all are absent nothing is
proven either. Each lowers trust (``trust``) and says what would settle it.

The first two are partial correlations, given the baseline and the spends around (Granger,
"Investigating causal relations by econometric models", Econometrica 1969), told where chance gives
one among all channels in a hundred histories. On eight histories of each kind of ``samples.worlds``
the first told of 3 channels of 199, whose returns were overstated twofold in the median, the second
of 11; on nine sets of the model's own kind neither told of any of 40.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from shared.fit.fitted import Fitted
from shared.history.table import History

__all__ = ["Doubt", "doubts"]

Floats = NDArray[np.float64]

_CHANCE = 0.01  # of a sign of either kind by chance, in one history
_SHARE = 0.65  # of the outcome; media truly brought less in all worlds but one in a hundred
_LEAST = 0.05  # of a channel's mean spend: less is taken as this, for a logarithm
_ROWS = 30  # beyond the columns, from which a correlation tells anything
_RANK = 1e-6
_QUERIES = "An index of queries or of demand as a control, or a lift test of {}, would tell."


@dataclass(frozen=True, slots=True)
class Doubt:
    """A sign against what the fit says of ``channels``."""

    code: str
    channels: tuple[str, ...]
    message: str

    def warning(self) -> dict[str, str]:
        """As ``diagnostics.warnings`` has it."""
        return {"code": self.code, "message": self.message}


def doubts(history: History, fitted: Fitted, tested: Collection[str]) -> tuple[Doubt, ...]:
    """The signs of a history against its fit; ``tested`` channels are known from elsewhere."""
    open_ = [c for c in fitted.design.active if history.channels[c] not in tested]
    parts = {name: np.asarray(part) for name, part in fitted.over_time().items()}
    return (
        *_timing(history, fitted, np.sum(list(parts.values()), axis=0), open_),
        *_share(history, fitted, parts, open_),
        *_beliefs(fitted),
    )


def _timing(
    history: History, fitted: Fitted, explained: Floats, open_: Sequence[int]
) -> list[Doubt]:
    """Whether spend comes before what it cannot have made, or after what made it."""
    rows, design = fitted.design.train, fitted.design
    outcome = history.outcome[:rows]
    left = outcome - explained[:rows]
    if not np.isfinite(left).all() or not open_:
        return []
    by_geo = design.baseline.reshape(len(design.geos), design.periods, -1)[:, :rows]
    baseline = _spanned(by_geo.mean(axis=0))
    least = NormalDist().inv_cdf(1.0 - _CHANCE / len(design.active))
    leading, following = [], []
    for c in open_:
        spend = history.spend[:rows, c]
        moved = np.log(np.maximum(spend, _LEAST * spend.mean()))
        around = np.column_stack([baseline[1:-1], moved[1:-1], moved[:-2]])
        if _partial(left[1:-1], moved[2:], around) > least:
            leading.append(history.channels[c])
        before = np.column_stack([baseline[1:], moved[:-1]])
        if _partial(moved[1:], outcome[:-1], before) > least:
            following.append(history.channels[c])
    out = []
    if leading:
        named = ", ".join(leading)
        text = (
            f"What is spent on {named} in the next period goes with what the fit does not explain "
            "in this one: something drives both. " + _QUERIES.format(named)
        )
        out.append(Doubt("lead_predicts_outcome", tuple(leading), text))
    if following:
        named = ", ".join(following)
        text = (
            f"What is spent on {named} follows the outcome of the period before: a part of what it "
            "seems to bring would have come anyway. " + _QUERIES.format(named)
        )
        out.append(Doubt("spend_follows_outcome", tuple(following), text))
    return out


def _spanned(columns: Floats) -> Floats:
    """An orthogonal basis (T, k) of columns and a constant."""
    rows = len(columns)
    left, size, _ = np.linalg.svd(columns - columns.mean(axis=0), full_matrices=False)
    kept = left[:, size > _RANK * max(float(size.max(initial=0.0)), _RANK)]
    return np.column_stack([np.ones(rows), kept])


def _partial(one: Floats, other: Floats, given: Floats) -> float:
    """The partial correlation of two rows (T,) given columns (T, k), in standard errors."""
    free = len(one) - given.shape[1] - 1
    if free < _ROWS:
        return 0.0
    basis, _ = np.linalg.qr(given)
    a, b = (values - basis @ (basis.T @ values) for values in (one, other))
    size = float((a @ a) * (b @ b))
    if not size > 0.0:
        return 0.0
    r = min(float(a @ b) / math.sqrt(size), 1.0 - 1e-9)
    return r * math.sqrt(free / (1.0 - r * r))


def _share(
    history: History, fitted: Fitted, parts: dict[str, Floats], open_: Sequence[int]
) -> list[Doubt]:
    """Whether media explain more of the outcome than they ever bring."""
    rows = fitted.design.train
    whole = float(sum(part[:rows].sum() for part in parts.values()))
    names = [history.channels[c] for c in fitted.design.active]
    brought = dict.fromkeys(names, 0.0)
    for arm in fitted.design.arms:
        brought[names[arm.channel]] += float(parts[f"media:{arm.name}"][:rows].sum())
    share = sum(brought.values()) / whole if whole > 0.0 else 0.0
    doubtful = tuple(history.channels[c] for c in open_)
    if share <= _SHARE or not doubtful:
        return []
    most = max(doubtful, key=lambda name: brought[name])
    text = (
        f"Media explain {share:.0%} of the outcome, which is more than they are known to bring: "
        f"spend stands for something that rose and fell with it. {most} has the largest part "
        f"({brought[most] / whole:.0%}). " + _QUERIES.format(most)
    )
    return [Doubt("media_share_implausible", doubtful, text)]


def _beliefs(fitted: Fitted) -> list[Doubt]:
    """Whether the rows speak against what the spec says of returns."""
    out = []
    for row in fitted.diagnostics()["priors"].get("contradicted") or ():
        text = (
            f"The rows are more probable without the return that spec.priors gives "
            f"{row['channel']} ({row['believed']:.3g}; the rows alone would say about "
            f"{row['shown']:.3g}), so it was set aside. Is it right, and in these units? A lift "
            f"test of {row['channel']} would tell."
        )
        out.append(Doubt("belief_contradicted", (row["channel"],), text))
    return out
