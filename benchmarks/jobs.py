"""The rows of estimates: what a question is said to take, from its shape, against what it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from unittest.mock import patch

import azure.functions as func
import numpy as np

from benchmarks.harness import Asked, cost, register, timing
from benchmarks.table import OURS, Row, duration
from shared.api import jobs
from shared.api.http import respond
from shared.plan import effort

__all__: list[str] = []

_WITHIN = 3.0
"""A question may take so many times its estimate: one of a minute then still ends in 200 s."""


def _base(channels: int, draws: int, periods: int) -> dict[str, Any]:
    """S-shaped channels with carryover, draws around their curves, over so many periods."""
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for i in range(channels):
        half, shape = float(rng.uniform(50, 200)), float(rng.uniform(0.8, 2.2))
        top = float(rng.uniform(100, 400))
        curve = {"max_response": top, "half_saturation": half, "shape": shape}
        response = {
            "saturation": {"family": "hill", **curve},
            "adstock": {"family": "geometric", "decay": 0.4},
            "draws": [
                {**curve, "max_response": top * s} for s in map(float, rng.lognormal(0, 0.1, draws))
            ],
        }
        rows.append({"channel": f"c{i}", "current_spend": half, "response": response})
    budget = 80.0 * channels * periods
    horizon = {"horizon": {"periods": periods}} if periods > 1 else {}
    return {"channels": rows, "budget": budget, **horizon}


def _asked(name: str, base: Mapping[str, Any]) -> dict[str, Any]:
    budget = base["budget"]
    more: dict[str, dict[str, Any]] = {
        "scenarios": {"sweep": {"budget": [budget * (0.6 + 0.04 * k) for k in range(20)]}},
        "transition": {"max_change": 0.2, "periods": 4},
        "experiment": {"noise": 50.0},
    }
    return dict(base) if name == "optimize" else {"base": base, **more.get(name, {})}


def _rows(title: str, name: str, shape: tuple[int, int, int], asked: Asked) -> Iterator[Row]:
    if not asked(OURS):
        return
    body = json.dumps(_asked(name, _base(*shape))).encode()
    said: list[float] = []

    def told(question: str, *arguments: Any) -> float:
        said.append(effort.seconds_of(question, *arguments))
        return 0.0

    seconds = []
    with patch.object(jobs, "seconds_of", told):
        for _ in range(4):
            request = func.HttpRequest(
                "POST",
                f"http://localhost/api/v1/{name}",
                headers={"content-type": "application/json"},
                body=body,
            )
            began = time.process_time()
            response = respond(request, name)
            seconds.append(time.process_time() - began)
            if response.status_code != 200:
                raise RuntimeError(f"the request was refused: {response.get_body()[:200]!r}")
    note = f"estimate {duration(said[-1])}"
    yield cost(title, timing(seconds[1:]), limit_s=_WITHIN * said[-1], note=note)


for _name in ("optimize", "scenarios", "sensitivity", "campaigns", "transition", "experiment"):
    for _shape in ((20, 100, 1), (20, 0, 13)):
        if _shape[2] > 1 and _name in ("transition", "experiment"):
            continue  # they are asked of one period
        _title = f"{_name}, {_shape[0]} channels, {_shape[1]} draws, {_shape[2]} periods"
        register("jobs", _title, partial(_rows, _title, _name, _shape))
