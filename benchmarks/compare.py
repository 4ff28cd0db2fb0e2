"""One class of random problems: our time, gap and limit, and its peers' time and loss beside it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.classes import SEED, Draw
from benchmarks.harness import EFFORT, Asked, Machine, register, timing
from benchmarks.peers import differential_evolution, slsqp
from benchmarks.questions import Question
from benchmarks.table import OURS, Row, duration
from shared.errors import NotSupportedYet
from shared.solve.certify.certificate import Certificate

__all__ = [
    "Answer",
    "Case",
    "Peer",
    "enter",
    "evolution",
    "lost",
    "many_starts",
    "one_start",
    "rows_of",
    "scipy_peers",
]

Array = NDArray[np.float64]
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Answer:
    """Ours for one instance: CPU seconds of solving and of rechecking, and the certificate."""

    seconds: float
    recheck: float
    certificate: Certificate
    nodes: int

    @property
    def total(self) -> float:
        """All CPU seconds."""
        return self.seconds + self.recheck

    def closed(self, gap: float) -> bool:
        """Whether the gap asked for was proven."""
        return self.certificate.proven and self.certificate.relative_gap <= gap


@dataclass(frozen=True, slots=True)
class Peer(Generic[P]):
    """``run`` gives None where it finds no plan that keeps all rules.

    Attributes
    ----------
    seconds
        CPU seconds allowed for one instance, told to the peer.
    missing
        Why it cannot run here; empty where it can.
    """

    label: str
    seconds: float
    run: Callable[[P, Question, float], Array | None]
    missing: str = ""

    @property
    def who(self) -> str:
        """The label with the time allowed for one instance."""
        return f"{self.label}, {EFFORT.seconds(self.seconds):g} s"


@dataclass(frozen=True, slots=True)
class Case(Generic[P]):
    """A class of problems.

    Attributes
    ----------
    gap, limit_s, p95_s
        What is to be reached: the relative gap, in how many CPU seconds of solving and rechecking
        in the median and at the 95th percentile; None where nothing is set.
    warm
        Makes the small problem that is solved first, so that no instance pays for imports.
    """

    name: str
    make: Draw[P]
    warm: Draw[P]
    instances: int
    gap: float
    limit_s: float | None
    answer: Callable[[P], Answer]
    ask: Callable[[P], Question]
    peers: tuple[Peer[P], ...] = ()
    p95_s: float | None = None

    def instance(self, i: int) -> P:
        """The ``i``-th random problem, the same in every run."""
        return self.make(np.random.default_rng((SEED, i)))


def enter(section: str, case: Case[P]) -> None:
    """Register a case."""
    register(section, case.name, lambda asked: rows_of(case, asked))


def one_start(seconds: float = 10.0) -> Peer[P]:
    """As planning tools call it: once, from the equal split."""
    return Peer("SLSQP, equal split", seconds, lambda _, q, s: slsqp(q, seconds=s))


def many_starts(seconds: float = 10.0) -> Peer[P]:
    """The best of 50 random splits, or of as many as the time allows."""
    return Peer("SLSQP, 50 starts", seconds, lambda _, q, s: slsqp(q, starts=50, seconds=s))


def evolution(seconds: float = 3.0) -> Peer[P]:
    """Differential evolution for as long as it runs, or the time allows."""
    run: Callable[[P, Question, float], Array | None]
    run = lambda _, q, s: differential_evolution(q, seconds=s)  # noqa: E731
    return Peer("differential evolution", seconds, run)


def scipy_peers() -> tuple[Peer[P], ...]:
    """The three that run on any problem of moderate size."""
    return (one_start(), many_starts(), evolution())


def rows_of(case: Case[P], asked: Asked) -> Iterator[Row]:
    """Measure a case: our row, and one for each peer on the same instances, each once known."""
    peers = [peer for peer in case.peers if asked(peer.who)]
    if not (peers or asked(OURS)):
        return
    answers: list[Answer] = []
    try:
        case.answer(case.warm(np.random.default_rng((SEED, 0))))
        if asked(OURS):
            machine = Machine()
            count = EFFORT.instances(case.instances)
            # One at a time: a million channels fill some memory.
            answers = [case.answer(case.instance(i)) for i in range(count)]
            yield _our_row(case, answers, machine.said())
    except NotSupportedYet as refusal:
        yield Row(case.name, verdict="MISSED", note=f"not built yet: {refusal}")
        return
    for peer in peers:
        if peer.missing:
            print(f"    {peer.who}: {peer.missing}", file=sys.stderr, flush=True)
        else:
            yield _peer_row(case, peer, answers)


def _our_row(case: Case[P], answers: Sequence[Answer], machine: str) -> Row:
    gaps = [a.certificate.relative_gap for a in answers]
    total = timing(a.total for a in answers)
    closed = sum(a.closed(case.gap) for a in answers)
    nodes = [a.nodes for a in answers]
    limits = [limit for limit in (case.limit_s, case.p95_s) if limit is not None]
    took = [total.median, total.p95][: len(limits)]
    ratio = max((t / limit for t, limit in zip(took, limits, strict=True)), default=None)
    return Row(
        name=case.name,
        instances=_count(len(answers), case.instances),
        median=duration(total.median),
        p95=duration(total.p95),
        solve=duration(timing(a.seconds for a in answers).median),
        recheck=duration(timing(a.recheck for a in answers).median),
        reached=f"{case.gap:.0e} in {closed}",
        middle=f"{np.median(gaps):.1e}",
        worst=f"{max(gaps):.1e}",
        limit=" and p95 ".join(map(duration, limits)),
        ratio="" if ratio is None else f"{ratio:.3g}",
        verdict=_verdict(case, answers),
        noise=machine,
        note=f"nodes {np.median(nodes):.0f}, at most {max(nodes)}; seed {SEED}",
    )


def _verdict(case: Case[P], answers: Sequence[Answer]) -> str:
    """Whether the limit was held, an instance short of its gap counting as slower than any."""
    if case.limit_s is None:
        return ""

    def holds(seconds: Callable[[Answer], float]) -> bool:
        t = timing(seconds(a) if a.closed(case.gap) else math.inf for a in answers)
        median, p95 = case.limit_s, case.p95_s
        return (median is None or t.median <= median) and (p95 is None or t.p95 <= p95)

    in_time = sum(a.closed(case.gap) and a.total <= case.limit_s for a in answers)
    count = f", {in_time} of {len(answers)} in time"
    if holds(lambda a: a.total):
        return "held" + count
    if holds(lambda a: a.seconds):
        return "MISSED with the recheck, held without" + count
    return "MISSED" + count


def _peer_row(case: Case[P], peer: Peer[P], answers: list[Answer]) -> Row:
    allowed = EFFORT.seconds(peer.seconds)
    seconds: list[float] = []
    losses: list[float | None] = []
    machine = Machine()
    for i in range(EFFORT.instances(case.instances)):
        if i >= 2 and sum(seconds) >= EFFORT.seconds(EFFORT.peer_seconds):
            break
        problem = case.instance(i)
        if i == len(answers):
            answers.append(case.answer(problem))
        question = case.ask(problem)
        began = time.process_time()
        plan = peer.run(problem, question, allowed)
        seconds.append(time.process_time() - began)
        if plan is not None:
            plan = question.tidy(np.ravel(plan))
        best = answers[i].certificate.objective
        losses.append(None if plan is None else lost(best, question.value(plan)))
    theirs, ours = timing(seconds), timing(a.total for a in answers[: len(seconds)])
    some = [loss for loss in losses if loss is not None]
    none = len(losses) - len(some)
    late = sum(s >= allowed for s in seconds)
    notes = [
        f"best {_percent(min(some))}" if len(some) > 1 else "",
        f"no allowed plan in {none}" if none else "",
        f"stopped by its time in {late}" if late else "",
    ]
    return Row(
        name=case.name,
        who=peer.who,
        instances=_count(len(seconds), case.instances),
        median=duration(theirs.median),
        p95=duration(theirs.p95),
        middle=_percent(float(np.median(some))) if some else "",
        worst=_percent(max(some)) if some else "",
        limit="ours",
        ratio=f"{theirs.median / ours.median:.3g}",
        noise=machine.said(),
        note="; ".join(filter(None, notes)),
    )


def _count(some: int, all_of: int) -> str:
    return str(some) if some == all_of else f"{some} of {all_of}"


def lost(best: float, reached: float) -> float:
    """Share of our objective that a peer's plan loses; negative where it is better than ours."""
    return (best - reached) / max(abs(best), 1e-300)


def _percent(share: float) -> str:
    if abs(share) < 1e-8:
        return "0 %"
    return f"{100 * share:.2g} %" if abs(share) < 0.995 else f"{100 * share:.0f} %"
