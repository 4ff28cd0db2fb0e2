"""PyMC-Marketing on the same histories: asked in a process of its own, answered as a curve set.

It may live in another environment (``--peer-python``), because it brings a compiler and half a
gigabyte with it. A fit takes half a minute to minutes of CPU, so with ``--keep`` what it answered
is kept under a name made of all that it was told, and read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import EFFORT
from shared.curves.concave import Logistic
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response
from shared.history.table import History

__all__ = ["PEER", "PeerFit", "ask_peer", "missing", "task_of"]

PEER = "PyMC-Marketing"
PROGRAM = Path(__file__).with_name("fit_pymc.py")
LONGEST_S = 1800.0


@dataclass(frozen=True, slots=True, eq=False)
class PeerFit:
    """Its curves, the CPU seconds of its whole process, and what it says of its own sampling."""

    curves: CurveSet
    cpu_s: float
    r_hat: float
    ess: float
    divergences: int
    version: str


def missing() -> str | None:
    """Why there is no peer here, or None where there is one."""
    found = subprocess.run(
        [
            EFFORT.peer_python or sys.executable,
            "-c",
            "from importlib.util import find_spec as f; assert f('pymc_marketing')",
        ],
        capture_output=True,
        check=False,
    )
    if found.returncode == 0:
        return None
    return "PyMC-Marketing is not installed (requirements-bench.txt, --peer-python)"


def task_of(history: History, seed: int) -> dict[str, Any]:
    """All that the peer is told; rows without an outcome are left out."""
    seen = np.isfinite(history.outcome)
    controls: dict[str, list[float]] = {
        name: history.controls[seen, k].tolist() for k, name in enumerate(history.control_names)
    }
    events = np.array(history.events)[seen]
    for label in sorted(set(events) - {""}):
        controls[f"event {label}"] = (events == label).astype(float).tolist()
    daily = history.frequency == "day"
    dates = [day for day, here in zip(history.dates, seen, strict=True) if here]
    if daily:
        for k in range(1, 7):
            controls[f"weekday {k}"] = [float(day.weekday() == k) for day in dates]
    return {
        "dates": [day.isoformat() for day in dates],
        "outcome": history.outcome[seen].tolist(),
        "spend": {name: history.spend[seen, c].tolist() for c, name in enumerate(history.channels)},
        "controls": {k: v for k, v in controls.items() if np.ptp(v) > 0},
        "seed": seed,
        "lags": 28 if daily else 8,
    }


def ask_peer(history: History, seed: int = 1) -> PeerFit:
    """Its fit of ``history``.

    Raises
    ------
    RuntimeError
        Its process failed; with the end of what it said.
    """
    told = json.dumps(task_of(history, seed), sort_keys=True)
    kept = None
    if EFFORT.keep is not None:
        EFFORT.keep.mkdir(parents=True, exist_ok=True)
        whole = hashlib.sha256(told.encode() + PROGRAM.read_bytes()).hexdigest()
        kept = EFFORT.keep / f"pymc-{whole[:20]}.json"
        if kept.exists():
            return _read(history, json.loads(kept.read_text("utf-8")))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [EFFORT.peer_python or sys.executable, str(PROGRAM)],
        input=told,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        env=os.environ | {"NUMBA_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"},
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"the peer failed: {run.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = json.loads(run.stdout.splitlines()[-1])
    answer["cpu_s"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if kept is not None:
        kept.write_text(json.dumps(answer), "utf-8")
    return _read(history, answer)


def _read(history: History, answer: dict[str, Any]) -> PeerFit:
    channels = []
    for c, name in enumerate(history.channels):
        own = answer["curves"][name]
        draws = tuple(
            Logistic(max_response=top, rate=rate)
            for top, rate in zip(own["max_response"], own["rate"], strict=True)
        )
        middle = Logistic(
            max_response=float(np.median(own["max_response"])), rate=float(np.median(own["rate"]))
        )
        money = history.spend[:, c]
        spend = ObservedSpend(
            min=float(money.min()),
            mean=float(money.mean()),
            max=float(money.max()),
            last=float(money[-13:].mean()),
        )
        channels.append(ChannelCurve(name, Response(middle, None, draws), spend, None, "good"))
    curves = CurveSet(
        dataset="",
        version="",
        created_at="",
        spec={},
        frequency=history.frequency,
        currency=history.currency,
        outcome=history.outcome_name,
        channels=tuple(channels),
    )
    return PeerFit(
        curves,
        float(answer["cpu_s"]),
        float(answer["r_hat"]),
        float(answer["ess"]),
        int(answer["divergences"]),
        str(answer["version"]),
    )
