"""What decisions the fit leads to, set by set and in sum, beside the peer's and no fit at all.

One class a set, so that a run of hours can be stopped and goes on; the summary is made of the rows.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks.fit_oracle import told_shapes
from benchmarks.fit_peer import PEER, ask_peer, missing
from benchmarks.fit_plans import LOW_HIGH, decide, known, ours, true_best, without_a_fit
from benchmarks.fit_sets import KINDS, SHARED
from benchmarks.fit_truth import best_plan, regret_ratio
from benchmarks.harness import EFFORT, Asked, benchmark, register
from benchmarks.table import OURS, Row, duration

__all__: list[str] = []

SECTION = "fit"
MOST = 0.35
"""To be reached: the median ratio of the plan's regret to that of keeping the history."""

EQUAL, ORACLE = "equal split", "oracle (shapes told)"
WHO = (OURS, PEER, EQUAL, ORACLE)
SUMMARY = "decisions, all sets"
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)
SEEDS = 4


def _class(kind: str) -> str:
    return f"decision: {kind}"


def _of_us(kind: str) -> Row:
    found = ours(kind)
    gate = "promoted" if found.promoted else f"kept back: {found.why}"
    stated = "-" if found.probability is None else f"{found.probability:.2f}"
    return Row(
        name=_class(kind),
        instances="1",
        median=duration(found.cpu_s),
        middle=f"{found.ratio:.3f}",
        note=f"probability_better {stated}; uplift stated {_times(found.stated, found.true)} the "
        f"true one; {gate}",
    )


def _of_peer(kind: str) -> Row:
    item = known(kind)
    fit = ask_peer(item.parsed.history)
    found = decide(item.truth, true_best(kind), fit.curves, cpu_s=fit.cpu_s)
    return Row(
        name=_class(kind),
        who=PEER,
        instances="1",
        median=duration(fit.cpu_s),
        middle=f"{found.ratio:.3f}",
        note=f"version {fit.version}; its curves in our optimiser; probability_better "
        f"{found.probability or 0.0:.2f}; uplift stated {_times(found.stated, found.true)} the "
        f"true one; R-hat {fit.r_hat:.3f}, ESS {fit.ess:.0f}, {fit.divergences} divergences",
    )


def _times(stated: float, true: float) -> str:
    return f"{stated / true:.2f} x" if true > 0 else "and not"


def _of_oracle(kind: str) -> Row:
    item = known(kind)
    guess = told_shapes(item)
    low, high = (share * item.truth.mean for share in LOW_HIGH)
    ratio = regret_ratio(item.truth, best_plan(guess, low, high), true_best(kind))
    return Row(name=_class(kind), who=ORACLE, instances="1", middle=f"{ratio:.3f}")


def _set(kind: str) -> None:
    def rows(asked: Asked) -> Iterator[Row]:
        try:
            known(kind)
        except FileNotFoundError as absent:
            yield Row(name=_class(kind), note=f"skipped: not there: {absent}")
            return
        if asked(OURS):
            yield _of_us(kind)
        if asked(EQUAL):
            yield Row(
                name=_class(kind), who=EQUAL, instances="1", middle=f"{without_a_fit(kind):.3f}"
            )
        if asked(ORACLE):
            yield _of_oracle(kind)
        if asked(PEER):
            reason = missing()
            if reason is not None:
                yield Row(name=_class(kind), who=PEER, note=f"skipped: {reason}")
            else:
                yield _of_peer(kind)

    register(SECTION, _class(kind), rows)


for _kind in (*SHARED, *KINDS):
    _set(_kind)


def summarised(rows: Sequence[Row]) -> Iterator[Row]:
    """Median, mean and worst ratio of each, and ours on the very sets that the other did."""
    ratios: dict[str, dict[str, float]] = {who: {} for who in WHO}
    for row in rows:
        if row.name.startswith(_class("")) and row.who in ratios and row.middle:
            ratios[row.who][row.name] = float(row.middle)
    for who in WHO:
        own = ratios[who]
        if not own:
            continue
        middle = statistics.median(own.values())
        worse = sum(value > 1.0 for value in own.values())
        note = (
            f"summary: ratio of regrets over {len(own)} sets: mean "
            f"{statistics.fmean(own.values()):.2f}; {worse} plans truly worse than the history"
        )
        limit = ratio = verdict = ""
        if who == OURS:
            limit, ratio = f"{MOST:g}", f"{middle / MOST:.3g}"
            verdict = "held" if middle < MOST else "MISSED"
        elif both := [name for name in own if name in ratios[OURS]]:
            us = statistics.median(ratios[OURS][name] for name in both)
            limit = f"ours on these: {us:.3f}"
            ratio = f"{middle / us:.3g}" if us > 0 else ""
        yield Row(
            name=SUMMARY,
            who=who,
            instances=str(len(own)),
            middle=f"{middle:.3f}",
            worst=f"{max(own.values()):.3f}",
            limit=limit,
            ratio=ratio,
            verdict=verdict,
            note=note,
        )


@benchmark(SECTION, SUMMARY)
def summary(asked: Asked) -> Iterator[Row]:
    """What the sets' rows come to; with ``--output`` those of earlier runs too."""
    del asked
    yield from summarised(EFFORT.rows())


def _bin(low: float, high: float) -> str:
    return f"probability_better stated {low:.2f} to {high:.2f}"


def _calibration(low: float, high: float) -> None:
    def rows(asked: Asked) -> Iterator[Row]:
        if not asked(OURS):
            return
        found = [
            decision
            for kind in KINDS
            for seed in range(EFFORT.instances(SEEDS))
            if (decision := ours(kind, seed)).probability is not None
        ]
        inside = [
            d
            for d in found
            if d.probability is not None
            and (low <= d.probability < high or d.probability == high == 1.0)
        ]
        if not inside:
            yield Row(name=_bin(low, high), instances=f"0 of {len(found)}")
            return
        stated = statistics.fmean(d.probability or 0.0 for d in inside)
        true = statistics.fmean(d.true > 0 for d in inside)
        yield Row(
            name=_bin(low, high),
            instances=f"{len(inside)} of {len(found)}",
            middle=f"{true:.2f}",
            note=f"stated {stated:.2f} in the mean, truly better {true:.2f}; "
            f"{sum(d.promoted is False for d in inside)} of them kept back by the gate",
        )

    register(SECTION, _bin(low, high), rows)


for _low, _high in pairwise(BINS):
    _calibration(_low, _high)


@benchmark(SECTION, "uplift stated over true")
def uplift(asked: Asked) -> Iterator[Row]:
    """Whoever optimises a noisy estimate picks its errors: is what is stated still what comes?"""
    if asked(OURS):
        every = [ours(kind, seed) for kind in KINDS for seed in range(EFFORT.instances(SEEDS))]
        for_sure = [d for d in every if d.promoted]
        # A plan that is truly worse promised infinitely too much.
        times = [d.stated / d.true if d.true > 0 else float("inf") for d in for_sure]
        middle = statistics.median(times)
        whole = sum(d.stated for d in for_sure) / sum(d.true for d in for_sure)
        yield Row(
            name="uplift stated over true",
            instances=f"{len(for_sure)} of {len(every)} (promoted)",
            middle=f"{middle:.2f}",
            limit="0.8 to 1.25",
            verdict="held" if 0.8 <= middle <= 1.25 else "MISSED",
            note=f"all stated money over all true money {whole:.2f}; "
            f"{sum(t == float('inf') for t in times)} plans truly worse than the history",
        )
