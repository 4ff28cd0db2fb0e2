"""The gate itself: it must fail when a step fails, and still run the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.check import Step, run_steps


def step(name: str, code: str) -> Step:
    return Step(name, (sys.executable, "-c", code))


def test_all_passed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_steps([step("one", "print('hello')"), step("two", "")], tmp_path) == 0
    out = capfd.readouterr().out
    assert "hello" in out
    assert "all steps passed" in out


def test_a_failure_fails_the_check_and_the_rest_still_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [step("first", "raise SystemExit(3)"), step("second", "print('ran')")]
    assert run_steps(steps, tmp_path) == 1
    out = capfd.readouterr().out
    assert "ran" in out
    assert "failed  first" in out
    assert "1 of 2 steps failed" in out


def test_a_step_runs_in_the_project_with_one_thread_in_linear_algebra(tmp_path: Path) -> None:
    code = "import os; open('where', 'w').write(os.environ['OMP_NUM_THREADS'])"
    assert run_steps([step("one", code)], tmp_path) == 0
    assert (tmp_path / "where").read_text() == "1"
