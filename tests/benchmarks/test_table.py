"""The table in a file: whole at any moment, read back, and what is in it does not run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks.harness import EFFORT, Asked, Benchmark, Effort
from benchmarks.table import OURS, Row, Sheet, duration, render


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    first = Row("a", median="1 ms", verdict="held, 3 of 3 in time", note="x, y; z")
    sheet = Sheet(path)
    sheet.add(first)
    sheet.add(Row("b", verdict="MISSED"))
    sheet.add(Row("a", "a peer", median="2 s"))
    again = Sheet(path)
    assert again.rows == [first, Row("a", "a peer", median="2 s"), Row("b", verdict="MISSED")]
    assert path.read_text("utf-8") == render(again.rows)
    assert again.has("a", "a peer")
    assert not again.has("b", "a peer")
    assert [row.held for row in again.rows] == [True, None, False]


def test_what_broke_is_said_but_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    sheet = Sheet(path)
    sheet.add(Row("a"))
    sheet.broke("a", RuntimeError("no | luck\nat all"))
    assert "no / luck" in path.read_text("utf-8")
    assert [row.name for row in Sheet(path).rows] == ["a"]
    assert "no / luck" not in path.read_text("utf-8")


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Notes\n", "utf-8")
    with pytest.raises(ValueError, match="no table"):
        Sheet(path)
    assert path.read_text("utf-8") == "# Notes\n"


def test_text_above_the_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    path.write_text("# Results\n\n" + render([Row("a")]), "utf-8")
    Sheet(path).add(Row("b"))
    assert path.read_text("utf-8") == "# Results\n\n" + render([Row("a"), Row("b")])
    path.write_text(render([Row("a")]) + "afterwords\n", "utf-8")
    with pytest.raises(ValueError, match="not a row"):
        Sheet(path)


def test_durations_have_three_figures() -> None:
    assert [duration(s) for s in (2.5e-5, 0.0123456, 12.345)] == ["25 us", "12.3 ms", "12.3 s"]


def _of(*names: str) -> tuple[list[Benchmark], list[str]]:
    ran: list[str] = []

    def one(name: str) -> Benchmark:
        def run(asked: Asked) -> Iterator[Row]:
            for who in (OURS, "a peer"):
                if asked(who):
                    ran.append(f"{name} {who}")
                    yield Row(name, who, verdict="held" if who == OURS else "")

        return Benchmark(f"section {name}", name, run)

    return [one(name) for name in names], ran


def test_rows_in_the_file_are_skipped_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, ran = _of("a", "b")
    monkeypatch.setattr(entry, "discover", lambda: found)
    monkeypatch.setattr(entry, "EFFORT", Effort())
    output = ["--output", str(tmp_path / "table.md")]
    assert entry.main(["--class", "a", "--ours", *output]) == 0
    assert ran == ["a ours"]
    assert "| b |" not in capsys.readouterr().out
    assert entry.main(output) == 0
    assert ran == ["a ours", "a a peer", "b ours", "b a peer"]
    assert entry.main(["section a", *output]) == 0
    assert len(ran) == 4
    assert "| a | a peer |" in capsys.readouterr().out


def test_effort_and_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, ran = _of("a", "b")
    effort = Effort()
    monkeypatch.setattr(entry, "discover", lambda: found)
    monkeypatch.setattr(entry, "EFFORT", effort)
    assert entry.main(["--list"]) == 0
    assert capsys.readouterr().out == "section a: a\nsection b: b\n"
    assert ran == []
    assert entry.main(["--quick", "--peer-seconds", "3", "section b"]) == 0
    assert (effort.quick, effort.peer_seconds) == (True, 3.0)
    assert entry.main(["--class", "c"]) == 2
    assert entry.main(["section c"]) == 2
    assert "no section section c" in capsys.readouterr().err
    assert EFFORT.quick is False


def test_a_class_that_breaks_does_not_take_the_table_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(asked: Asked) -> Iterator[Row]:
        yield Row("half", verdict="held" if asked(OURS) else "")
        raise RuntimeError("no luck")

    found, _ = _of("fine")
    monkeypatch.setattr(entry, "EFFORT", Effort())
    monkeypatch.setattr(entry, "discover", lambda: [Benchmark("one", "half", breaks), *found])
    assert entry.main([]) == 1
    text = capsys.readouterr().out
    assert "BROKE" in text
    assert "no luck" in text
    assert "| half | ours |" in text
    assert "| fine | ours |" in text
