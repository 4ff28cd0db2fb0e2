"""The fit in worlds that are not its own (``samples.worlds``): decisions, honesty, lift tests.

A hundred histories, 25 of each kind, are there to choose by, and a hundred others to report on.
One class is one kind, set and case; the summaries are made of single runs, so they need ``--keep``
where a run is to go on after it was stopped. An error is the standard deviation over bootstrap
samples of histories (Efron 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import EFFORT, Asked, register
from benchmarks.table import OURS, Row, duration
from benchmarks.world_runs import CASES, Run, kept
from samples.worlds.world import KINDS

__all__ = ["FIGURES", "SETS", "told"]

Floats = NDArray[np.float64]
Figure = Callable[[Sequence[Run]], float]

SECTION = "worlds"
EACH = 25
SETS: Mapping[str, int] = {"to choose by": 0, "to report on": EACH}
"""The first seed of each set; every kind has ``EACH`` histories from there on."""

_BOOTSTRAP = 400
_SURE = 0.97


def pooled(runs: Sequence[Run]) -> float:
    """Sum of true uplifts over the sum of possible ones."""
    return sum(run.true for run in runs) / sum(run.possible for run in runs)


def acting(runs: Sequence[Run]) -> float:
    """The same where a plan is followed only if its curves were promoted and nothing warned."""
    moved = sum(run.true for run in runs if run.promoted and not run.warned)
    return moved / sum(run.possible for run in runs)


def _regret(runs: Sequence[Run]) -> float:
    return float(np.median([1.0 - run.true / run.possible for run in runs]))


def _better(runs: Sequence[Run]) -> float:
    return float(np.mean([run.true > 0.0 for run in runs]))


def _stated(runs: Sequence[Run]) -> float:
    """Median; a plan that is truly worse than the history promised infinitely too much."""
    return float(np.median([r.stated / r.true if r.true > 0.0 else np.inf for r in runs]))


def _uplift_held(runs: Sequence[Run]) -> float:
    return float(np.mean([run.low <= run.true <= run.high for run in runs]))


def _returns_held(runs: Sequence[Run]) -> float:
    return float(np.mean([c.low <= c.true <= c.high for run in runs for c in run.channels]))


def _wrong(runs: Sequence[Run]) -> float:
    sure = [run.true <= 0.0 for run in runs if run.probability >= _SURE]
    return float(np.mean(sure)) if sure else float("nan")


FIGURES: Mapping[str, tuple[Figure, float, float]] = {
    "pooled share of the possible gain": (pooled, 0.62, 1.0),
    "regret over keeping the history's, median": (_regret, 0.0, 0.35),
    "better than the history": (_better, 0.86, 1.0),
    "acting only where promoted and not warned": (acting, 0.55, 1.0),
    "stated over true uplift, median": (_stated, 0.7, 1.4),
    "true uplift inside its 90 % interval": (_uplift_held, 0.85, 0.95),
    "true return of a channel inside its 90 % interval": (_returns_held, 0.82, 1.0),
    f"worse than the history at probability_better of {_SURE} and more": (_wrong, 0.0, 0.03),
}
"""What is read off runs, with the least and the most that are to be reached."""

_TESTED = {
    "untold": {"pooled share of the possible gain": (0.39, 1.0)},
    "told": {"pooled share of the possible gain": (0.75, 1.0)},
    "every": {
        "pooled share of the possible gain": (0.90, 1.0),
        "true uplift inside its 90 % interval": (0.90, 1.0),
    },
}
"""What is to be reached with lift tests; ``untold`` is what was measured before."""


def told(figure: Figure, runs: Sequence[Run]) -> tuple[float, float]:
    """The figure, and its standard error over bootstrap samples of the runs."""
    rng = np.random.default_rng(len(runs))
    again = []
    for _ in range(_BOOTSTRAP):
        value = figure([runs[i] for i in rng.integers(0, len(runs), len(runs))])
        if np.isfinite(value):
            again.append(value)
    return figure(runs), float(np.std(again)) if again else float("nan")


def _figures(runs: Sequence[Run]) -> str:
    parts = []
    for name, (figure, _, _) in FIGURES.items():
        value, error = told(figure, runs)
        parts.append(f"{name} {value:.2f} ({error:.2f})")
    return "; ".join(parts)


_KNOWN: dict[tuple[str, str, str], list[Run]] = {}


def _class(group: str, case: str, kind: str) -> str:
    return f"{kind} worlds, {group}, {case}"


def _runs(group: str, case: str, kind: str, asked: Asked) -> Iterator[Row]:
    if not asked(OURS) and EFFORT.keep is None:
        return
    count = EFFORT.instances(EFFORT.worlds or EACH)
    first = SETS[group]
    runs = [kept(EFFORT.keep, kind, seed, case) for seed in range(first, first + count)]
    _KNOWN[group, case, kind] = runs
    value, error = told(pooled, runs)
    yield Row(
        name=_class(group, case, kind),
        instances=f"{count} of {EACH}",
        median=duration(float(np.median([run.cpu_s for run in runs]))),
        middle=f"{_regret(runs):.2f}",
        reached=f"{value:.0%} ({error:.0%})",
        note=_figures(runs),
    )


def _summary(group: str, case: str, name: str, asked: Asked) -> Iterator[Row]:
    del asked
    figure, least, most = FIGURES[name]
    if case != "plain":
        least, most = _TESTED[case][name]
    runs = [run for kind in KINDS for run in _KNOWN.get((group, case, kind), [])]
    if not runs:
        return
    value, error = told(figure, runs)
    by_kind = []
    for kind in KINDS:
        if some := _KNOWN.get((group, case, kind)):
            part = told(figure, some)
            by_kind.append(f"{kind} {part[0]:.2f} ({part[1]:.2f})")
    yield Row(
        name=f"{name}, {group}, {case}",
        instances=str(len(runs)),
        middle=f"{value:.2f} ({error:.2f})",
        limit=f"{least:g} to {most:g}",
        verdict="held" if least <= value <= most else "MISSED",
        note=f"summary: {', '.join(by_kind)}",
    )


for _group in SETS:
    for _case in CASES:
        for _kind in KINDS:
            _name = _class(_group, _case, _kind)
            register(SECTION, _name, partial(_runs, _group, _case, _kind))
        for _figure in FIGURES if _case == "plain" else _TESTED[_case]:
            _name = f"{_figure}, {_group}, {_case}"
            register(SECTION, _name, partial(_summary, _group, _case, _figure))
