"""How rows are registered, measured and printed.

A row is a CPU time (one thread) beside a peer or a limit measured in the same run, as a ratio, so
that the table means the same on a slow machine as on a fast one. To add rows, put a module into
this package with functions marked ``@benchmark("section")`` that return rows::

    @benchmark("app")
    def import_cost() -> list[Row]:
        ours, base = measure(import_app), measure(import_numpy)
        return [row("import function_app", ours, peer=base, against="import numpy", at_most=1.3)]

``python -m benchmarks`` finds the module by itself; ``python -m benchmarks app`` runs one section;
``--quick`` takes fewer random instances, and says how many.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = [
    "EFFORT",
    "Effort",
    "Row",
    "Timing",
    "benchmark",
    "discover",
    "measure",
    "noise",
    "render",
    "row",
    "timing",
]

Benchmark = Callable[[], "list[Row]"]
_REGISTERED: list[tuple[str, Benchmark]] = []


@dataclass(slots=True)
class Effort:
    """How many random instances to take: all that a row asks for, or a few where ``quick``."""

    quick: bool = False

    def instances(self, full: int) -> int:
        """``full``, or a tenth of it, but not under two (one where one was asked for)."""
        return max(full // 10, min(full, 2)) if self.quick else full

    def seconds(self, full: float) -> float:
        """What a peer may take at most: ``full``, or a quarter of it."""
        return 0.25 * full if self.quick else full


EFFORT = Effort()


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of repeated runs: the median, the fastest and slowest, how many, and p95."""

    median: float
    low: float
    high: float
    repeats: int
    p95: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what, how long, against what; ``ratio`` below 1 is faster than the comparison.

    ``at_most`` is the ratio that must not be exceeded, where there is one; ``note`` carries what a
    time cannot say (gap proven, loss of a peer, number of instances). ``reached`` is False where
    the time measured is not one in which what was asked for was reached: a limit is then missed.
    """

    section: str
    name: str
    timing: Timing
    ratio: float | None = None
    against: str = ""
    at_most: float | None = None
    note: str = ""
    reached: bool = True

    @property
    def held(self) -> bool | None:
        """Whether the limit was held; None where there is none."""
        if self.at_most is None or self.ratio is None:
            return None
        return self.reached and self.ratio <= self.at_most


def benchmark(section: str) -> Callable[[Benchmark], Benchmark]:
    """Register a function that returns rows under ``section``."""

    def register(function: Benchmark) -> Benchmark:
        _REGISTERED.append((section, function))
        return function

    return register


def discover() -> list[tuple[str, Benchmark]]:
    """Import every module of this package and return what they registered, in name order."""
    package = importlib.import_module(__package__ or "benchmarks")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        if module.name not in {"__main__", "harness"}:
            importlib.import_module(f"{package.__name__}.{module.name}")
    return list(_REGISTERED)


def timing(seconds: Iterable[float]) -> Timing:
    """Sum up measured CPU seconds (one for each repeat, or each random instance)."""
    each = sorted(seconds)
    # The smallest figure that at least 95 % of the runs do not exceed.
    p95 = each[math.ceil(0.95 * len(each)) - 1]
    return Timing(statistics.median(each), each[0], each[-1], len(each), p95)


def measure(run: Callable[[], object], *, repeats: int = 7, warm_up: int = 1) -> Timing:
    """CPU time of ``run()``, which includes what it imports or starts in this process only."""
    for _ in range(warm_up):
        run()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return timing(seconds)


def row(
    name: str,
    ours: Timing,
    *,
    peer: Timing | None = None,
    limit_s: float | None = None,
    against: str = "",
    at_most: float | None = None,
    note: str = "",
) -> Row:
    """A row against a measured ``peer`` or a ``limit_s`` in seconds (whose ratio must be <= 1)."""
    if peer is not None:
        return Row("", name, ours, ours.median / peer.median, against, at_most, note)
    if limit_s is not None:
        label = against or f"limit {_duration(limit_s)}"
        return Row("", name, ours, ours.median / limit_s, label, at_most or 1.0, note)
    return Row("", name, ours, None, against, None, note)


def noise(repeats: int = 25) -> Timing:
    """The same fixed arithmetic again and again: its spread is the machine's, not ours."""

    def work() -> None:
        total = 0
        for i in range(60_000):
            total += i * i

    return measure(work, repeats=repeats)


def render(rows: list[Row], machine: Timing) -> str:
    """The table as text."""
    head = ("what", "median", "p95", "low..high", "ratio", "against", "", "note")
    lines = [head]
    for item in rows:
        held = item.held
        lines.append(
            (
                f"{item.section}: {item.name}",
                _duration(item.timing.median),
                _duration(item.timing.p95),
                f"{_duration(item.timing.low)}..{_duration(item.timing.high)}",
                "" if item.ratio is None else f"{item.ratio:.3g}",
                item.against,
                "" if held is None else "held" if held else "MISSED",
                item.note,
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    ]
    text.insert(1, "  ".join("-" * w for w in widths))
    spread = machine.high / machine.low
    text.append(
        f"CPU time, one thread. Machine noise: fixed work took {_duration(machine.low)} to "
        f"{_duration(machine.high)} ({spread:.2f}x) over {machine.repeats} repeats."
    )
    return "\n".join(text)


def _duration(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"
