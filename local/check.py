"""``./check``: every gate in order, each with its time, and a summary; non-zero where one failed.

A later step still runs after an earlier one failed: one look shows all that is wrong. The types
are checked beside the tests, which alone leave a core idle at their end.

``./check explore`` runs the property tests instead, on examples drawn at random, for as long as it
is told; ``./check`` itself draws the same ones every time.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "explore", "main", "run_steps"]

_ROOT = Path(__file__).resolve().parent.parent
_FLOORS = "tests/test_floors.py"


@dataclass(frozen=True, slots=True)
class Step:
    """One gate: what it is called and the command, run in the project's directory."""

    name: str
    command: tuple[str, ...]
    beside: bool = False
    """Runs from the start on beside the others, which come first; what it says is shown after."""


def run_steps(steps: Sequence[Step], cwd: Path) -> int:
    """Run all, print a summary; 0 where all passed, else 1."""
    # One thread in numpy's linear algebra: the matrices are small, and times stay comparable.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # A module is compiled once, not by each of the many processes that the tests start.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(step: Step) -> tuple[int, float, bytes]:
        """Exit code, seconds and, of a step beside the others, what it said."""
        started = time.perf_counter()
        done = subprocess.run(
            step.command,
            cwd=cwd,
            env=environment,
            check=False,
            stdout=subprocess.PIPE if step.beside else None,
            stderr=subprocess.STDOUT if step.beside else None,
        )
        return done.returncode, time.perf_counter() - started, done.stdout or b""

    lines: list[str] = []
    failed = 0
    began = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        beside = {step.name: pool.submit(run, step) for step in steps if step.beside}
        for step in sorted(steps, key=lambda step: step.beside):
            print(f"\n── {step.name} ──", flush=True)
            code, took, said = beside[step.name].result() if step.beside else run(step)
            print(said.decode(errors="replace"), end="", flush=True)
            failed += code != 0
            lines.append(f"  {'failed' if code else 'ok':<7} {step.name:<22} {took:7.1f} s")
    print("\n── summary ──")
    print("\n".join(lines))
    total = time.perf_counter() - began
    verdict = f"{failed} of {len(steps)} steps failed" if failed else "all steps passed"
    print(f"  {verdict} in {total:.0f} s", flush=True)
    return 1 if failed else 0


def explore(arguments: Sequence[str]) -> int:
    """Run the property tests seed after seed until time is up or one fails; 0 where none did."""
    parser = argparse.ArgumentParser("./check explore", description=explore.__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="begin no more seeds after this (%(default)g)"
    )
    parser.add_argument("--seed", type=int, help="begin with this one; drawn if not given")
    asked, rest = parser.parse_known_args(arguments)
    seed = secrets.randbelow(10**6) if asked.seed is None else asked.seed
    property_tests = ("-m", "hypothesis and not slow", "--hypothesis-profile=explore", *rest)
    end = time.monotonic() + 60.0 * asked.minutes
    while True:
        command = (sys.executable, "-m", "pytest", f"--hypothesis-seed={seed}", *property_tests)
        if run_steps([Step(f"explore --seed {seed}", command)], _ROOT):
            print(
                "What was found stays found: write the arguments of each failing case above its "
                "test as\n@example(...), and mend what it shows. The same once more:  "
                f"./check explore --minutes 0 --seed {seed}",
                flush=True,
            )
            return 1
        if time.monotonic() >= end:
            return 0
        seed += 1


def main(arguments: Sequence[str]) -> int:
    """Run the project's gates; ``arguments`` go to pytest."""
    if arguments[:1] == ["explore"]:
        return explore(arguments[1:])
    python = sys.executable
    steps = [
        Step("lint", (python, "-m", "ruff", "check", ".")),
        Step("format", (python, "-m", "ruff", "format", "--check", ".")),
        Step("types", (python, "-m", "mypy"), beside=True),
    ]
    if not arguments:
        steps.append(Step("import floors", (python, "-m", "pytest", _FLOORS)))
        arguments = (f"--ignore={_FLOORS}",)
        # Both cores; a file stays on one of them, so that its storage emulator starts once.
        arguments = (*arguments, "-n", "2", "--dist", "loadfile")
    steps.append(Step("tests and doc examples", (python, "-m", "pytest", *arguments)))
    return run_steps(steps, _ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
