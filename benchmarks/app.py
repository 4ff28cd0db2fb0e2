"""The app's rows: what a handler costs beyond the solve, and what a cold start costs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import azure.functions as func
import numpy as np

from benchmarks.harness import Asked, Timing, benchmark, cost, register, timing
from benchmarks.table import OURS, Row, duration
from shared.api.http import respond
from shared.plan import optimize as planning
from shared.solve.search import Solution
from shared.solve.solver import solve

__all__: list[str] = []

ROOT = Path(__file__).resolve().parents[1]

LIBRARIES = "import numpy, pydantic, azure.functions"
FIRST_ANSWER = """\
import function_app, azure.functions as func
from shared.api.http import respond
request = func.HttpRequest("POST", "http://localhost/api/v1/optimize",
                           headers={{"content-type": "application/json"}}, body={body!r})
assert respond(request, "optimize").status_code == 200
"""


def request_of(channels: int, draws: int, pairs: int = 0, seed: int = 1) -> func.HttpRequest:
    """A request of S-shaped channels with carryover and, if any, draws around their curves.

    ``pairs`` interactions join neighbours.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for i in range(channels):
        top, half = float(rng.uniform(5e4, 5e5)), float(rng.uniform(1e4, 8e4))
        shape = float(rng.uniform(1.2, 3.0))
        response: dict[str, Any] = {
            "saturation": {
                "family": "hill",
                "max_response": top,
                "half_saturation": half,
                "shape": shape,
            },
            "adstock": {"family": "geometric", "decay": float(rng.uniform(0.1, 0.7))},
        }
        if draws:
            response["draws"] = [
                {"max_response": top * float(s), "half_saturation": half, "shape": shape}
                for s in rng.lognormal(0.0, 0.1, draws)
            ]
        spend = float(rng.uniform(1e4, 6e4))
        rows.append({"channel": f"channel {i}", "current_spend": spend, "response": response})
    body: dict[str, Any] = {"channels": rows, "budget": sum(r["current_spend"] for r in rows)}
    if pairs:
        body["interactions"] = [
            {"channels": [f"channel {i}", f"channel {i + 1}"], "strength": 2e4}
            for i in range(pairs)
        ]
    return func.HttpRequest(
        "POST",
        "http://localhost/api/v1/optimize",
        headers={"content-type": "application/json"},
        body=json.dumps(body).encode(),
    )


@contextmanager
def _solves_timed() -> Iterator[list[float]]:
    """CPU seconds of every solve while the block runs."""
    seconds: list[float] = []

    def timed(*args: Any, **named: Any) -> Solution:
        began = time.process_time()
        try:
            return solve(*args, **named)
        finally:
            seconds.append(time.process_time() - began)

    with patch.object(planning, "solve", timed):
        yield seconds


def _beyond_the_solve(request: func.HttpRequest, repeats: int) -> tuple[Timing, float]:
    """CPU of the handler without its solves, and the median CPU of those."""
    beyond: list[float] = []
    solving: list[float] = []
    for i in range(repeats + 2):
        with _solves_timed() as solves:
            began = time.process_time()
            response = respond(request, "optimize")
            whole = time.process_time() - began
        if response.status_code != 200:
            raise RuntimeError(f"the request was refused: {response.get_body()[:200]!r}")
        if i >= 2:  # the first ones build the models and fill the caches
            beyond.append(whole - sum(solves))
            solving.append(sum(solves))
    return timing(beyond), float(np.median(solving))


def _handler(channels: int, draws: int, limit: float | None, pairs: int = 0) -> None:
    name = f"optimize, {channels} S-shaped channels, {draws} draws, beyond the solve"
    if pairs:
        name = name.replace(", beyond", f", {pairs} interactions, beyond")

    def rows(asked: Asked) -> Iterator[Row]:
        if asked(OURS):
            ours, solving = _beyond_the_solve(request_of(channels, draws, pairs), repeats=15)
            note = f"solving took {duration(solving)} besides"
            yield cost(name, ours, limit_s=limit, note=note)

    register("app", name, rows)


_handler(20, 0, 0.010)
_handler(20, 200, None)
_handler(8, 200, 0.015)
_handler(8, 200, 0.100, pairs=3)


def _fresh(code: str, repeats: int = 7) -> Timing:
    """CPU seconds of ``code`` in new interpreters, without the interpreter's own start."""
    program = (
        f"import time\nbegan = time.process_time()\n{code}\nprint(time.process_time() - began)"
    )
    seconds = []
    for _ in range(repeats + 1):
        run = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds.append(float(run.stdout.split()[-1]))
    return timing(seconds[1:])  # the first one may have to read the disk


@benchmark("app", "import function_app")
def cold_start(asked: Asked) -> Iterator[Row]:
    """``import function_app`` beside its libraries."""
    if asked(OURS):
        ours = _fresh(f"{LIBRARIES}; import function_app")
        yield cost(
            "import function_app", ours, peer=_fresh(LIBRARIES), against=LIBRARIES, at_most=1.3
        )


@benchmark("app", "from nothing to a first answer")
def first_answer(asked: Asked) -> Iterator[Row]:
    """All that a first answer needs, beside the libraries."""
    if asked(OURS):
        ours = _fresh(FIRST_ANSWER.format(body=request_of(20, 0).get_body()))
        base = _fresh(LIBRARIES)
        yield cost(
            "from nothing to a first answer", ours, peer=base, against=LIBRARIES, at_most=math.inf
        )
