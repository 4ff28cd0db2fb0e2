"""Which saturation is chosen, and what makes a fit count as converged."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fit.histories import HILL, fit_bayesian, simulated


def test_the_saturation_asked_for_is_kept() -> None:
    history, _ = simulated(rows=50, channels=2)
    found = fit_bayesian(history, {"model": {"saturation": "exponential"}}, seed=0, draws=20)
    assert found.diagnostics()["model"]["saturation"] == "exponential"
    assert set(found.log_evidence) == {"first", "chosen", "no_media"}
    assert set(found.families.saturations) == {"exponential"}


def test_training_on_the_first_rows_alone() -> None:
    history, _ = simulated(rows=80, channels=2)
    found = fit_bayesian(history, HILL, seed=0, train=60, draws=20)
    assert found.design.observed.sum() == 60
    assert found.draws.shape == (20, 9)
    assert found.converged


def test_a_fit_loads_nothing_that_takes_long_to_load() -> None:
    # A quarter of a second of a fresh process, each: as long as a small fit itself.
    program = (
        "import sys\n"
        "from shared.fit.pipeline import fit_history\n"
        "from tests.fit.histories import fit_bayesian, simulated\n"
        "fit_history(simulated(rows=60, channels=1)[0], {}, draws=20)\n"
        "print(sorted({'scipy', 'openpyxl', 'sklearn', 'holidays'} & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("part", ["sample", "mode"])
def test_chains_that_do_not_agree_are_not_converged(part: str) -> None:
    history, _ = simulated(rows=50, channels=1)
    found = fit_bayesian(history, HILL, seed=0, draws=20)
    assert found.converged
    if part == "sample":
        bad = replace(found, sample=replace(found.sample, reached=False))
    else:
        bad = replace(found, mode=replace(found.mode, decrement=1.0))
    assert not bad.converged
