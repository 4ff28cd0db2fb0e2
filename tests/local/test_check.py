"""The gate itself: it must fail when a step fails, and still run the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.check import Step, explore, run_steps


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


@pytest.mark.parametrize("code", [0, 3])
def test_a_step_beside_the_others_is_under_way_before_them_and_told_after(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    ends = f"print('told'); open('begun', 'w'); raise SystemExit({code})"
    waits = "import os\nwhile not os.path.exists('begun'): pass\nprint('waited')"
    steps = [Step("types", step("", ends).command, beside=True), step("tests", waits)]
    assert run_steps(steps, tmp_path) == bool(code)
    out = capfd.readouterr().out
    assert out.index("waited") < out.index("told")
    assert ("1 of 2 steps failed" in out) == bool(code)


def test_a_step_runs_in_the_project_with_one_thread_in_linear_algebra(tmp_path: Path) -> None:
    code = "import os; open('where', 'w').write(os.environ['OMP_NUM_THREADS'])"
    assert run_steps([step("one", code)], tmp_path) == 0
    assert (tmp_path / "where").read_text() == "1"


PROPERTY = """
from hypothesis import given
from hypothesis import strategies as st

@given(st.integers())
def test_all_are_small(number):
    assert number < {most}

def test_of_one_case():
    raise AssertionError("no property")
"""


@pytest.mark.parametrize(("most", "code"), [(1000, 1), (10**40, 0)])
def test_exploring_prints_what_it_found_and_how_to_keep_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], most: int, code: int
) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n", "utf-8")
    (tmp_path / "test_small.py").write_text(PROPERTY.format(most=most), "utf-8")
    assert explore(["--minutes", "0", "--seed", "5", str(tmp_path)]) == code
    out = capfd.readouterr().out
    assert "explore --seed 5" in out
    assert ("number=1000" in out) == (code == 1)
    assert ("./check explore --minutes 0 --seed 5" in out) == (code == 1)
