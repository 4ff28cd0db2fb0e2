"""A class of problems: our row, a row for each peer, and what counts as held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import compare
from benchmarks.classes import ruled
from benchmarks.compare import Answer, Case, evolution, lost, many_starts, one_start, rows_of
from benchmarks.harness import Effort
from benchmarks.problems import s_shaped
from benchmarks.programs import ask_program, solve_as_program
from benchmarks.questions import question_of_budget
from benchmarks.table import OURS
from shared.problem.model import Problem
from shared.solve.certify.certificate import Certificate
from shared.solve.one_budget.form import OneBudget

MAKE = ruled("group", 5, "concave", gap=1e-6, limit_s=2.0)
CASE: Case[Problem] = Case(
    name="group, 5",
    make=MAKE,
    warm=MAKE,
    instances=3,
    gap=1e-6,
    limit_s=1e9,  # a limit that no machine misses: a test does not measure
    answer=solve_as_program,
    ask=ask_program,
    peers=(one_start(5.0), many_starts(0.1)),
)


def test_a_case_is_a_row_and_one_for_each_peer() -> None:
    ours, once, often = rows_of(CASE, lambda _: True)
    assert ours.verdict == "held, 3 of 3 in time"
    assert (ours.who, ours.instances, ours.reached) == (OURS, "3", "1e-06 in 3")
    assert "seed 20240607" in ours.note
    assert once.who == "SLSQP, equal split, 5 s"
    assert (often.instances, often.limit, often.held) == ("3", "ours", None)
    assert once.worst.endswith(" %")
    assert once.noise


def test_only_what_is_asked_runs() -> None:
    (peer,) = rows_of(CASE, lambda who: who.startswith("SLSQP, 50"))
    assert peer.who == "SLSQP, 50 starts, 0.1 s"
    assert peer.ratio != ""
    assert list(rows_of(CASE, lambda _: False)) == []


def test_a_peer_starts_nothing_more_once_its_time_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare, "EFFORT", Effort(peer_seconds=0.0))
    ours, once, _ = rows_of(CASE, lambda _: True)
    assert (ours.instances, once.instances) == ("3", "2 of 3")


def test_a_peer_that_is_not_there_has_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    absent = replace(CASE.peers[0], missing="not installed")
    rows = list(rows_of(replace(CASE, peers=(absent,)), lambda _: True))
    assert [row.who for row in rows] == [OURS]
    assert "not installed" in capsys.readouterr().err


def _answers(*cases: tuple[float, float]) -> Case[OneBudget]:
    """Instances that take given seconds and leave given gaps."""
    left = [*cases[:1], *cases]  # the first call is the warm-up

    def answer(_: OneBudget) -> Answer:
        seconds, gap = left.pop(0)
        return Answer(seconds, 0.4, Certificate(1.0, 1.0 + gap, gap, gap, True, 0.0, 0.0), 1)

    return Case(
        name="stated",
        make=lambda rng: s_shaped(rng, 3),
        warm=lambda rng: s_shaped(rng, 3),
        instances=len(cases),
        gap=1e-6,
        limit_s=1.0,
        answer=answer,
        ask=question_of_budget,
    )


def test_an_instance_short_of_its_gap_counts_as_slower_than_any_limit() -> None:
    (held,) = rows_of(_answers((0.1, 0.0), (0.1, 1e-3), (0.1, 0.0)), lambda _: True)
    assert held.verdict == "held, 2 of 3 in time"
    assert (held.reached, held.worst) == ("1e-06 in 2", "1.0e-03")
    (missed,) = rows_of(_answers((0.1, 1e-3), (0.1, 1e-3), (0.1, 0.0)), lambda _: True)
    assert missed.verdict == "MISSED, 1 of 3 in time"
    assert missed.ratio == "0.5"


def test_the_recheck_counts_and_so_does_a_limit_for_the_tail() -> None:
    (over,) = rows_of(_answers((0.9, 0.0), (0.9, 0.0)), lambda _: True)
    assert over.verdict == "MISSED with the recheck, held without, 0 of 2 in time"
    assert over.ratio == "1.3"
    tail = replace(_answers((0.1, 0.0), (0.1, 0.0), (2.0, 0.0)), p95_s=1.5)
    (row,) = rows_of(tail, lambda _: True)
    assert row.verdict == "MISSED, 2 of 3 in time"
    assert (row.limit, row.ratio) == ("1 s and p95 1.5 s", "1.6")
    (free,) = rows_of(replace(_answers((0.1, 1.0)), limit_s=None), lambda _: True)
    assert (free.verdict, free.held, free.ratio) == ("", None, "")


def test_instances_are_the_same_in_every_run_and_whatever_their_number() -> None:
    case = _answers((0.1, 0.0))
    one, two = case.instance(1), case.instance(2)
    assert one.budget == case.instance(1).budget
    assert one.budget != two.budget


def test_losses_are_shares_of_what_we_reach() -> None:
    assert lost(4.0, 3.0) == 0.25
    assert lost(-4.0, -5.0) == 0.25  # the least spend: a dearer plan
    assert lost(4.0, 5.0) == -0.25


def test_a_time_at_which_the_gap_was_not_reached_holds_no_limit() -> None:
    make = ruled("group", 5, "S-shaped", gap=0.0, limit_s=0.2)
    case = replace(CASE, make=make, warm=make, instances=1, gap=0.0, peers=(evolution(0.1),))
    ours, peer = rows_of(case, lambda _: True)
    assert ours.verdict == "MISSED, 0 of 1 in time"
    assert ours.reached == "0e+00 in 0"
    assert np.isfinite(float(ours.ratio))
    assert "stopped by its time in 1" in peer.note
