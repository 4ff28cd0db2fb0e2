"""The harness: ratios, limits, the table, and that rows are found."""

from __future__ import annotations

import time

import pytest

from benchmarks import __main__ as entry
from benchmarks.harness import Row, discover, measure, noise, render, row, timing


def test_a_timing_is_the_median_with_its_spread() -> None:
    t = timing([3.0, 1.0, 2.0])
    assert (t.median, t.low, t.high, t.repeats, t.p95) == (2.0, 1.0, 3.0, 3, 3.0)
    assert timing(float(i) for i in range(1, 101)).p95 == 95.0


def test_sleeping_costs_no_cpu_time() -> None:
    assert measure(lambda: time.sleep(0.02), repeats=2, warm_up=0).median < 0.01
    calls: list[int] = []
    measure(lambda: calls.append(1), repeats=3, warm_up=2)
    assert len(calls) == 5


def test_rows_are_ratios_against_a_peer_or_a_limit() -> None:
    ours, theirs = timing([0.2]), timing([0.1])
    faster = row("a", ours, peer=theirs, against="peer", at_most=3.0)
    assert (faster.ratio, faster.held) == (pytest.approx(2.0), True)
    assert row("b", ours, peer=theirs, against="peer").held is None
    assert row("c", ours, limit_s=0.1).held is False
    assert row("d", ours).ratio is None


def test_the_table_says_what_was_missed_and_how_noisy_it_was() -> None:
    text = render([row("slow one", timing([0.2]), limit_s=0.1)], noise(repeats=3))
    assert "slow one" in text
    assert "MISSED" in text
    assert "limit 100 ms" in text
    assert "Machine noise" in text


def test_every_section_is_found() -> None:
    found = {section for section, _ in discover()}
    assert {
        "app",
        "goals",
        "interactions",
        "plans",
        "rules",
        "rules-500",
        "solver",
        "uncertain",
    } <= found


def test_a_section_that_breaks_does_not_take_the_table_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks() -> list[Row]:
        raise RuntimeError("no luck")

    def works() -> list[Row]:
        return [row("fine", timing([0.1]), limit_s=1.0)]

    monkeypatch.setattr(entry, "discover", lambda: [("one", breaks), ("two", works)])
    assert entry.main([]) == 1
    text = capsys.readouterr().out
    assert "BROKE" in text
    assert "no luck" in text
    assert "two: fine" in text
    assert entry.main(["two"]) == 0
    assert entry.main(["three"]) == 2
