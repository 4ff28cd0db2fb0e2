"""What a full posterior costs: CPU seconds and memory of a fresh process, and how well it mixed.

Measured in a process of its own each time: imports first, then one fit of all rows. The limit is
for imports and fit together; memory is the peak over what is resident when the fit begins.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fit_peer import PEER, ask_peer, missing
from benchmarks.harness import EFFORT, Asked, register, timing
from benchmarks.table import OURS, Row, duration
from samples.simulate import simulate
from shared.history.parse import Parsed, parse

__all__ = ["GEOS", "history_of"]

ROOT = Path(__file__).resolve().parents[1]
SECTION = "fit"
REPEATS = 5
MEMORY_MB = 80.0
GEOS = ("north", "east", "south", "west", "islands")

PROGRAM = """\
import json, os, resource, sys, time
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import fit_history
from shared.history.parse import parse
libraries = time.process_time()
from benchmarks.fit_costs import history_of
parsed = history_of(*json.loads(sys.argv[1]))
with open("/proc/self/statm") as told:
    before = int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
began = time.process_time()
fitted = fit_window(parsed.history, parsed.spec, seed=int(sys.argv[2]))
posterior = time.process_time() - began
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
fit_history(parsed.history, parsed.spec, seed=int(sys.argv[2]))
whole = time.process_time() - began
print(json.dumps({"imports": libraries, "posterior": posterior, "whole": whole,
                  "memory": (after - before) / 1024, "converged": fitted.converged,
                  "convergence": dict(fitted.diagnostics()["convergence"])}))
"""
"""What a fit loads only when it needs it counts as the fit's. ``ru_maxrss`` is in KiB on Linux. The
peak of making the history may hide some of the fit's own."""


@dataclass(frozen=True, slots=True)
class _Size:
    weeks: int
    channels: int
    geos: int
    limit_s: float

    @property
    def name(self) -> str:
        whole = f"{self.weeks} x {self.channels}"
        return (
            f"full posterior, {self.geos} geos x {whole}"
            if self.geos
            else (f"full posterior, {whole}")
        )


SIZES = (_Size(104, 9, 0, 1.0), _Size(156, 20, 0, 2.4), _Size(104, 6, 5, 3.0))


def history_of(weeks: int, channels: int, geos: int) -> Parsed:
    """A random brand of that size; with ``geos``, as many markets below one another."""
    if not geos:
        made = simulate(seed=11, weeks=weeks, channels=channels, optimum=False)
        return parse(made.spec, made.csv.encode())
    lines: list[str] = []
    spec = {}
    for g, geo in enumerate(GEOS[:geos]):
        made = simulate(
            seed=11 + g,
            weeks=weeks,
            channels=channels,
            optimum=False,
            base_outcome=1.0e6 / (1 + g),
        )
        head, *rows = made.csv.splitlines()
        lines += [f"{head},geo"] * (not lines) + [f"{row},{geo}" for row in rows]
        spec = made.spec | {"geo": "geo"}
    return parse(spec, "\n".join(lines).encode())


def _ours(size: _Size) -> Row:
    told = json.dumps([size.weeks, size.channels, size.geos])
    runs = []
    for seed in range(EFFORT.instances(REPEATS)):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, told, str(seed)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(run.stdout.splitlines()[-1]))
    posterior = timing(run["posterior"] for run in runs)
    imports = timing(run["imports"] for run in runs).median
    whole = timing(run["whole"] for run in runs).median
    memory = max(run["memory"] for run in runs)
    mixed = [run["convergence"] for run in runs]
    r_hat = [float(m["r_hat"]) for m in mixed if m.get("r_hat") is not None]
    ess = [float(m["ess"]) for m in mixed if m.get("ess") is not None]
    stated = (
        f"R-hat at most {max(r_hat):.3f}, ESS at least {min(ess):.0f}"
        if r_hat and ess
        else "R-hat and ESS are not stated"
    )
    settled = sum(run["converged"] for run in runs)
    total = imports + posterior.median
    held = total <= size.limit_s and memory <= MEMORY_MB
    return Row(
        name=size.name,
        instances=str(posterior.repeats),
        median=duration(total),
        p95=duration(imports + posterior.p95),
        solve=duration(posterior.median),
        limit=f"{duration(size.limit_s)}, {MEMORY_MB:g} MB",
        ratio=f"{total / size.limit_s:.3g}",
        verdict="held" if held else "MISSED",
        note=f"imports {duration(imports)}; memory over them {memory:.0f} MB; {stated}; "
        f"{settled} of {len(runs)} converged; with all of its validation {duration(whole)}",
    )


def _peer(size: _Size) -> Row:
    fit = ask_peer(history_of(size.weeks, size.channels, size.geos).history)
    return Row(
        name=size.name,
        who=PEER,
        instances="1",
        median=duration(fit.cpu_s),
        note=f"version {fit.version}, its whole process with compiling; R-hat {fit.r_hat:.3f}, "
        f"ESS {fit.ess:.0f}, {fit.divergences} divergences",
    )


def _cost(size: _Size) -> None:
    def rows(asked: Asked) -> Iterator[Row]:
        if asked(OURS):
            yield _ours(size)
        # Its curves of several markets at once are another model: beside the national sizes only.
        if asked(PEER) and not size.geos:
            reason = missing()
            if reason is None:
                yield _peer(size)
            else:
                yield Row(name=size.name, who=PEER, note=f"skipped: {reason}")

    register(SECTION, size.name, rows)


for _size in SIZES:
    _cost(_size)
