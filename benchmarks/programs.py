"""Rules, lots, plans over time and interactions: the general program's rows, beside peers.

Limits are those to be reached, for solving and rechecking together. A solve may take a few times
its limit before it is stopped: what a row says is when the gap was reached, not when time was up.
"""

from __future__ import annotations

from benchmarks import conic
from benchmarks.classes import RULES, paired, planned, ruled
from benchmarks.compare import (
    Case,
    Peer,
    ask_program,
    evolution,
    many_starts,
    one_start,
    rows_of,
    solve_as_program,
)
from benchmarks.harness import Row, benchmark, row, timing
from shared.problem.lower import lower

__all__ = ["conic_peer"]

FEW = 10
"""Instances for peers that take seconds each."""


def conic_peer(instances: int) -> Peer:
    """Clarabel through cvxpy, given the same rows."""
    return Peer("cvxpy with Clarabel", instances, lambda p, _: conic.clarabel(p, lower(p)))


def _missing(case: str) -> list[Row]:
    """A row that says that the conic peer is not there."""
    if conic.installed():
        return []
    note = "not installed: pip install -r requirements-bench.txt"
    return [row(f"{case} / cvxpy with Clarabel", timing([0.0]), note=note)]


def _conic(shape: str, instances: int) -> tuple[Peer, ...]:
    return (conic_peer(instances),) if shape == "concave" and conic.installed() else ()


@benchmark("rules")
def rules() -> list[Row]:
    """Group floors and caps, shares, changes, minima if active, at most k, lots."""
    out: list[Row] = []
    for rule in RULES:
        for shape in ("concave", "S-shaped"):
            gap, limit = (1e-4, 5.0) if rule == "lots" else (1e-6, 0.5)
            continuous = rule in ("group", "share", "change")
            slow = not continuous
            out += rows_of(
                Case(
                    name=f"{rule}, 50 {shape}",
                    make=ruled(rule, 50, shape, gap=gap, limit_s=4.0 * limit),
                    instances=20 if rule == "lots" else 50,
                    limit_s=limit,
                    warm=ruled(rule, 6, shape, gap=gap, limit_s=1.0),
                    answer=solve_as_program,
                    ask=ask_program,
                    peers=(
                        one_start(FEW),
                        many_starts(2 if slow else 3, 20.0),
                        *(_conic(shape, FEW) if continuous else ()),
                        evolution(1),
                    ),
                )
            )
            if continuous and shape == "concave":
                out += _missing(f"{rule}, 50 {shape}")
    return out


@benchmark("rules-500")
def rules_of_many() -> list[Row]:
    """The same with 500 channels, a gap of 1e-3."""
    out: list[Row] = []
    for rule in RULES[:-1]:
        for shape in ("concave", "S-shaped"):
            continuous = rule in ("group", "share", "change")
            out += rows_of(
                Case(
                    name=f"{rule}, 500 {shape}",
                    make=ruled(rule, 500, shape, gap=1e-3, limit_s=25.0),
                    instances=3,
                    limit_s=20.0,
                    warm=ruled(rule, 6, shape, gap=1e-3, limit_s=1.0),
                    answer=solve_as_program,
                    ask=ask_program,
                    peers=(one_start(1, 20.0), *(_conic(shape, 3) if continuous else ())),
                )
            )
    return out


@benchmark("plans")
def plans_over_time() -> list[Row]:
    """Spend of every period decided, carryover between them; and one share for all periods."""
    out: list[Row] = []
    # arms, periods, shape, mode, gap, limit, time allowed, instances, of them for peers
    table = (
        (20, 52, "concave", "time_varying", 1e-8, 0.1, 10.0, 20, 1),
        (100, 104, "concave", "time_varying", 1e-8, 1.0, 30.0, 3, 0),
        (9, 12, "S-shaped", "time_varying", 1e-4, 30.0, 30.0, 3, 2),
        (20, 52, "S-shaped", "time_varying", 1e-3, 5.0, 10.0, 3, 1),
        (20, 52, "concave", "fixed_shares", 1e-6, 0.3, 10.0, 50, 5),
        (20, 52, "S-shaped", "fixed_shares", 1e-6, 0.3, 2.0, 10, 5),
    )
    for n, periods, shape, mode, gap, limit, allowed, count, few in table:
        what = "fixed shares" if mode == "fixed_shares" else "adstock plan"
        name = f"{what}, {shape}, {n} x {periods}"
        conics = () if not conic.installed() else _conic(shape, max(few, 1))
        out += rows_of(
            Case(
                name=name,
                make=planned(n, periods, shape, mode, gap=gap, limit_s=allowed),
                instances=count,
                limit_s=limit,
                warm=planned(3, 4, shape, mode, gap=gap, limit_s=1.0),
                answer=solve_as_program,
                ask=ask_program,
                peers=conics
                if not few
                else (one_start(few, 20.0), many_starts(1, 20.0), *conics, evolution(1)),
            )
        )
        if shape == "concave":
            out += _missing(name)
    return out


@benchmark("interactions")
def interactions() -> list[Row]:
    """Synergy and cannibalisation between about as many pairs as there are channels."""
    out: list[Row] = []
    for shape, gap, limit, count in (("concave", 1e-8, 0.05, 50), ("S-shaped", 1e-3, 10.0, 10)):
        out += rows_of(
            Case(
                name=f"interactions, 9 {shape}",
                make=paired(9, shape, gap=gap, limit_s=max(2.0, limit)),
                instances=count,
                limit_s=limit,
                warm=paired(3, shape, gap=gap, limit_s=1.0),
                answer=solve_as_program,
                ask=ask_program,
                peers=(one_start(FEW), many_starts(3), evolution(2)),
            )
        )
    return out
