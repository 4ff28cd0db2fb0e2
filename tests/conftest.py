"""How every test runs: time is counted, and property tests draw the same examples each time.

Searches stop by ``time.perf_counter``. Here that clock is counted: each look at it is a tick later
than the one before, in every thread for itself, so that an answer follows from the work done and
not from how busy the machine is. HiGHS has a clock of its own: it gets nodes in place of seconds.

``./check explore`` draws at random instead (profile ``explore``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import scipy.optimize
from hypothesis import HealthCheck, settings

TICK_S = 2.0**-8
"""What a look at the clock takes: a power of two, so that times and their differences are exact."""

NODE_S = 2.0**-5
"""What a node of HiGHS takes."""


class CountedClock(threading.local):
    """Seconds that pass by being looked at."""

    looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks * TICK_S


def by_nodes(solve: Callable[..., Any]) -> Callable[..., Any]:
    """scipy's ``milp`` with a number of nodes in place of its time limit."""

    def counted(*problem: Any, options: dict[str, Any] | None = None, **rest: Any) -> Any:
        if options is None or "time_limit" not in options:
            return solve(*problem, options=options, **rest)
        nodes = max(round(options["time_limit"] / NODE_S), 1)
        own = options.get("node_limit", nodes)
        options = {k: v for k, v in options.items() if k != "time_limit"}
        found = solve(*problem, options={**options, "node_limit": min(nodes, own)}, **rest)
        if nodes < own and found.status == 4:  # stopped by its nodes: for the caller, its time
            found.status = 1
        return found

    return counted


def untimed(solve: Callable[..., Any]) -> Callable[..., Any]:
    """scipy's ``linprog`` without its time limit: small programs, which end."""

    def counted(*problem: Any, options: dict[str, Any] | None = None, **rest: Any) -> Any:
        options = {k: v for k, v in (options or {}).items() if k != "time_limit"}
        return solve(*problem, options=options, **rest)

    return counted


time.perf_counter = time.process_time = CountedClock()
scipy.optimize.milp = by_nodes(scipy.optimize.milp)
scipy.optimize.linprog = untimed(scipy.optimize.linprog)

# Health checks and deadlines are by the clock too.
ALIKE = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("check", ALIKE, derandomize=True)
settings.register_profile("explore", ALIKE, max_examples=200, print_blob=True)
settings.load_profile("check")
