"""What a benchmark is, how it is found, and how CPU time is taken.

A benchmark is one class of problems, or one cost of the app: a name under a section and a function
that yields rows as soon as each is known. To add one, put a module into this package with::

    @benchmark("app", "import function_app")
    def import_cost(asked: Asked) -> Iterator[Row]:
        yield cost("import function_app", measure(import_app), limit_s=0.5)

``python -m benchmarks`` finds the module by itself. ``README.md`` says how to read the rows.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row, duration

__all__ = [
    "EFFORT",
    "Asked",
    "Benchmark",
    "Effort",
    "Machine",
    "Timing",
    "benchmark",
    "cost",
    "discover",
    "measure",
    "noise",
    "register",
    "timing",
]


@dataclass(slots=True)
class Effort:
    """How much to run: ``quick`` for a tenth, and what a peer may take of a class in all.

    Attributes
    ----------
    peer_seconds
        CPU seconds of one peer over the instances of one class: it starts no further instance
        once they are spent (but takes two at least).
    peer_python
        Interpreter of an environment that has the peers of ``fit``; None for this one.
    keep
        Folder where slow fits of a peer are kept and found again; None for nowhere.
    worlds
        Histories of each kind of world; 0 for all there are.
    rows
        The rows known so far, those read from the output among them: a summary is made of them.
    """

    quick: bool = False
    peer_seconds: float = 12.0
    peer_python: str | None = None
    keep: Path | None = None
    worlds: int = 0
    rows: Callable[[], Sequence[Row]] = tuple

    def instances(self, full: int) -> int:
        """``full``, or a tenth of it, but not under two (one where one was asked for)."""
        return max(full // 10, min(full, 2)) if self.quick else full

    def seconds(self, full: float) -> float:
        """``full`` seconds of a peer, or a quarter of them."""
        return 0.25 * full if self.quick else full


EFFORT = Effort()

Asked = Callable[[str], bool]
"""Whether the row of ``who`` ("ours", or a peer's label) is wanted in this run."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A class of problems, or a cost of the app; ``run`` yields its rows, ours first."""

    section: str
    name: str
    run: Callable[[Asked], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of repeated runs: the median, the fastest and slowest, how many, and p95."""

    median: float
    low: float
    high: float
    repeats: int
    p95: float


_REGISTERED: dict[str, Benchmark] = {}


def register(section: str, name: str, run: Callable[[Asked], Iterator[Row]]) -> None:
    """Add a benchmark; ``ValueError`` where the name is taken."""
    if name in _REGISTERED:
        raise ValueError(f"two benchmarks are called {name!r}")
    _REGISTERED[name] = Benchmark(section, name, run)


def benchmark(
    section: str, name: str
) -> Callable[[Callable[[Asked], Iterator[Row]]], Callable[[Asked], Iterator[Row]]]:
    """Register the function below as a benchmark."""

    def enter(function: Callable[[Asked], Iterator[Row]]) -> Callable[[Asked], Iterator[Row]]:
        register(section, name, function)
        return function

    return enter


def discover() -> list[Benchmark]:
    """Import every module of this package and return what they registered, by module name."""
    package = importlib.import_module(__package__ or "benchmarks")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        if module.name != "__main__":
            importlib.import_module(f"{package.__name__}.{module.name}")
    return list(_REGISTERED.values())


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


def noise(repeats: int = 10) -> Timing:
    """The same fixed arithmetic again and again: its spread is the machine's, not ours."""

    def work() -> None:
        total = 0
        for i in range(60_000):
            total += i * i

    return measure(work, repeats=repeats)


class Machine:
    """What the machine was like from here on until it is ``said``.

    How long fixed work took and how far from the same each time, before and after; and the share of
    a core that this process got. Time limits are by the clock: what runs beside others on too few
    cores is stopped after less CPU time than its limit.
    """

    def __init__(self) -> None:
        self._before = noise()
        self._began = time.perf_counter(), time.process_time()

    def said(self) -> str:
        """The cell of a row."""
        passed = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        both = (self._before, noise())
        low, high = min(m.low for m in both), max(m.high for m in both)
        return f"{duration(low)}, x {high / low:.2f}, {passed[1] / passed[0]:.0%} of a core"


def cost(
    name: str,
    ours: Timing,
    *,
    peer: Timing | None = None,
    limit_s: float | None = None,
    against: str = "",
    at_most: float = 1.0,
    note: str = "",
) -> Row:
    """What something costs against a measured ``peer`` or a ``limit_s`` in seconds.

    Held where the ratio is at most ``at_most``; a ``peer`` with an infinite one is for comparison.
    """
    base = peer.median if peer is not None else limit_s
    ratio = None if base is None else ours.median / base
    limit = against if limit_s is None else duration(limit_s)
    verdict = ""
    if ratio is not None and math.isfinite(at_most):
        limit = limit if at_most == 1.0 else f"{at_most:g} x {limit}"
        verdict = "held" if ratio <= at_most else "MISSED"
    return Row(
        name=name,
        instances=str(ours.repeats),
        median=duration(ours.median),
        p95=duration(ours.p95),
        limit=limit,
        ratio="" if ratio is None else f"{ratio:.3g}",
        verdict=verdict,
        note=note,
    )
