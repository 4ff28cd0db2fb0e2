"""No column may know the future: it is changed at random, and the past must not move.

Run as part of every fit (and of every fold of its validation), over the very columns that the model
sees. A column that moves is named and the fit refused. So is a control that is the outcome under
another name, now or later: it explains everything and knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.fit.design.calendar import horizon_of
from shared.fit.design.design import Design, build_design
from shared.fit.design.wishes import Wishes
from shared.history.association import alike
from shared.history.table import History, Panel

__all__ = ["checked_design", "looks_ahead", "refuse_leaks"]

Floats = NDArray[np.float64]
Build = Callable[[History, int], Design]

#: From this correlation on (up or down) a control is the outcome itself, not a cause of it.
SAME = 0.9999


def checked_design(history: History, wishes: Wishes, train: int | None = None) -> Design:
    """``build_design``, refused where a training column knows what comes after it.

    With all periods for training there is nothing after them, so the last quarter plays the future.

    Raises
    ------
    InvalidInput
        As ``build_design``; and for every column that leaks, by name.
    """
    rows = len(history.dates)
    cut = rows - horizon_of(rows, history.frequency) if train in (None, rows) else int(train or 0)
    refuse_leaks(history, wishes, cut)
    return build_design(history, wishes, train)


def refuse_leaks(history: History, wishes: Wishes, cut: int) -> None:
    """Raise for every column of the first ``cut`` periods that depends on those after them.

    Raises
    ------
    InvalidInput
        With one fault ("leak") a column.
    """
    known = frozenset(
        place for f in wishes.features if f.known for role, place in f.sources if role == "control"
    )
    fixed = any(f.known and ("events", 0) in f.sources for f in wishes.features)
    found: list[tuple[str, str]] = []
    # Where no design can be built of so short a past there is nothing to compare.
    with suppress(InvalidInput):
        found += looks_ahead(
            lambda h, t: build_design(h, wishes, t), history, cut, known=known, events=not fixed
        )
    found += _outcome_in_disguise(history)
    if found:
        raise InvalidInput(
            Fault("/controls" if name in history.control_names else "/features", "leak", text)
            for name, text in found
        )


def looks_ahead(
    build: Build,
    history: History,
    cut: int,
    *,
    known: frozenset[int] = frozenset(),
    events: bool = True,
    seed: int = 0,
) -> list[tuple[str, str]]:
    """(column, sentence) for all that ``build`` makes of the first ``cut`` periods and that moves.

    Parameters
    ----------
    build
        From a history and the number of training periods to a design.
    known
        Controls that were declared known ahead: they keep their future.
    events
        Whether the future's labels change too.
    """
    one, two = build(history, cut), build(_another_future(history, cut, known, events, seed), cut)
    moved: list[str] = []
    past, then = one.training, two.training
    if one.baseline_names != two.baseline_names:
        moved += sorted(set(one.baseline_names) ^ set(two.baseline_names))
    else:
        change = np.any(one.baseline[past] != two.baseline[then], axis=0)
        moved += [name for name, m in zip(one.baseline_names, change, strict=True) if m]
    if [arm.name for arm in one.arms] != [arm.name for arm in two.arms]:
        moved.append("the arms with spend")
    else:
        change = np.any(one.lags[:, :cut] != two.lags[:, :cut], axis=(1, 2))
        moved += [arm.name for arm, m in zip(one.arms, change, strict=True) if m]
    if not np.array_equal(one.outcome[past], two.outcome[then], equal_nan=True):
        moved.append(history.outcome_name)
    after = history.dates[cut].isoformat() if cut < len(history.dates) else "the end"
    return [
        (
            name,
            (
                f"Column {name!r} looks into the future: its values before {after} change with "
                "later rows, so no forecast could be made with it."
            ),
        )
        for name in moved
    ]


def _another_future(
    history: History, cut: int, known: frozenset[int], events: bool, seed: int
) -> History:
    """The same past, and random values from ``cut`` on."""
    rng = np.random.default_rng([seed, cut])
    panel = history.panel()

    def changed(values: Floats, keep: frozenset[int] = frozenset()) -> Floats:
        """(..., T, K) or (G, T) with the rows from ``cut`` on redrawn between 0 and thrice."""
        out = np.array(values, dtype=np.float64)
        top = 3.0 * float(np.nanmax(np.abs(out), initial=1.0))
        drawn = rng.uniform(0.0, top, out[..., cut:, :].shape)
        for place in keep:
            drawn[..., place] = out[..., cut:, place]
        out[..., cut:, :] = drawn
        return out

    detail = Panel(
        geos=panel.geos,
        arms=panel.arms,
        spend=changed(panel.spend),
        exposure=changed(panel.exposure),
        outcome=changed(panel.outcome[..., None])[..., 0],
        controls=changed(panel.controls, known),
    )
    labels = [*sorted(set(history.events)), "of another future"]
    drawn = tuple(labels[k] for k in rng.integers(0, len(labels), len(history.dates) - cut))
    return replace(
        history,
        outcome=detail.outcome.sum(axis=0),
        spend=changed(history.spend),
        controls=changed(history.controls, known),
        events=(*history.events[:cut], *drawn) if events else history.events,
        detail=detail,
    )


def _outcome_in_disguise(history: History) -> list[tuple[str, str]]:
    """Controls that are the outcome, or one of its later or too fresh values, times a constant."""
    rows = len(history.dates)
    reach = min(horizon_of(rows, history.frequency) - 1, rows - 8)
    found = []
    for place, name in enumerate(history.control_names):
        column = history.controls[:, place]
        for shift in sorted(range(-reach, reach + 1), key=abs):
            ahead = history.outcome[max(shift, 0) : rows + min(shift, 0)]
            here = column[max(-shift, 0) : rows + min(-shift, 0)]
            both = np.isfinite(ahead)
            if both.sum() >= 8 and abs(alike(here[both], ahead[both])) >= SAME:
                unit = history.frequency
                when = "of the same" if shift == 0 else f"{abs(shift)} {unit}s"
                when += f" {unit}" if shift == 0 else (" later" if shift > 0 else " earlier")
                text = (
                    f"Control {name!r} is {history.outcome_name!r} {when} in other units: it would "
                    "explain everything and cannot be known when a forecast is made. Leave it out."
                )
                found.append((name, text))
                break
    return found
