"""One class of random problems: our time, gap and limit, and its peers' time and loss beside it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.classes import SEED, Make, draw
from benchmarks.harness import EFFORT, Row, row, timing
from benchmarks.peers import Question, differential_evolution, question_of_program, slsqp
from shared.errors import NotSupportedYet
from shared.problem.lower import lower
from shared.problem.model import Problem
from shared.solve.certify.certificate import Certificate
from shared.solve.certify.program_certificate import certify_program
from shared.solve.program.program_search import solve_program

__all__ = [
    "Answer",
    "Case",
    "Peer",
    "ask_program",
    "evolution",
    "lost",
    "many_starts",
    "one_start",
    "rows_of",
    "solve_as_program",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answer:
    """Ours for one instance: CPU seconds of solving and of rechecking, and the certificate."""

    seconds: float
    recheck: float
    certificate: Certificate
    nodes: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Asked for the first ``instances`` only; None where it finds no plan that keeps all rules."""

    label: str
    instances: int
    run: Callable[[Problem, Question], Array | None]


@dataclass(frozen=True, slots=True)
class Case:
    """A class of problems; ``limit_s`` is for solving and rechecking, None where none is set."""

    name: str
    make: Make
    instances: int
    limit_s: float | None
    warm: Make
    answer: Callable[[Problem], Answer]
    ask: Callable[[Problem], Question]
    peers: tuple[Peer, ...] = ()


def solve_as_program(problem: Problem) -> Answer:
    """What the service does with a problem that has no solver of its own."""
    began = time.process_time()
    program = lower(problem)
    found = solve_program(program, problem.options)
    middle = time.process_time()
    certificate = certify_program(program, found.u, found.proof)
    return Answer(middle - began, time.process_time() - middle, certificate, found.nodes)


def ask_program(problem: Problem) -> Question:
    """The same for peers."""
    return question_of_program(lower(problem))


def one_start(instances: int, seconds: float = 30.0) -> Peer:
    """As planning tools call it: once, from the equal split."""
    limit = EFFORT.seconds(seconds)
    return Peer("SLSQP, equal split", instances, lambda _, q: slsqp(q, seconds=limit))


def many_starts(instances: int, seconds: float = 60.0) -> Peer:
    """The best of 50 random splits, or of as many as the time allows."""
    limit = EFFORT.seconds(seconds)
    return Peer("SLSQP, 50 starts", instances, lambda _, q: slsqp(q, starts=50, seconds=limit))


def evolution(instances: int, seconds: float = 10.0) -> Peer:
    """Differential evolution for as long as it runs, or the time allows."""
    limit = EFFORT.seconds(seconds)
    label = f"differential evolution, {limit:g} s"
    return Peer(label, instances, lambda _, q: differential_evolution(q, seconds=limit))


def rows_of(case: Case) -> list[Row]:
    """Measure a case: our row, and one for each peer on the same instances."""
    print(f"  {case.name} ...", file=sys.stderr, flush=True)
    count = EFFORT.instances(case.instances)
    problems = draw(case.make, count)
    try:
        case.answer(draw(case.warm, 1)[0])
        answers = [case.answer(problem) for problem in problems]
    except NotSupportedYet as refusal:
        return [row(case.name, timing([0.0]), note=f"not built yet: {refusal}")]
    ours = timing(a.seconds + a.recheck for a in answers)
    gap = problems[0].options.gap
    # An instance stopped short of its gap counts as slower than any limit: more than half must
    # reach theirs for the median to be a time at all.
    closed = [a.certificate.proven and a.certificate.relative_gap <= gap for a in answers]
    held = 2 * sum(closed) > len(closed)
    note = _note(answers, gap, sum(closed))
    out = [replace(row(case.name, ours, limit_s=case.limit_s, note=note), reached=held)]
    print(f"    {1e3 * ours.median:.4g} ms: {note}", file=sys.stderr, flush=True)
    for peer in case.peers:
        out.append(_peer_row(case, peer, problems, answers))
        print(f"    {peer.label}: {out[-1].note}", file=sys.stderr, flush=True)
    return out


def _note(answers: Sequence[Answer], gap: float, closed: int) -> str:
    gaps = [a.certificate.relative_gap for a in answers]
    return (
        f"{len(answers)} instances, seed {SEED}; gap {gap:.0e} proven in {closed}, median "
        f"{np.median(gaps):.1e}, at most {max(gaps):.1e}; recheck "
        f"{1e3 * np.median([a.recheck for a in answers]):.1f} ms, nodes "
        f"{np.median([a.nodes for a in answers]):.0f} (most {max(a.nodes for a in answers)})"
    )


def _peer_row(
    case: Case, peer: Peer, problems: Sequence[Problem], answers: Sequence[Answer]
) -> Row:
    count = min(EFFORT.instances(peer.instances), len(problems))
    seconds: list[float] = []
    losses: list[float | None] = []
    for problem, answer in zip(problems[:count], answers, strict=False):
        question = case.ask(problem)
        began = time.process_time()
        plan = peer.run(problem, question)
        seconds.append(time.process_time() - began)
        if plan is not None:
            plan = question.tidy(np.ravel(plan))
        best = answer.certificate.objective
        losses.append(None if plan is None else lost(best, question.value(plan)))
    # The ratio is theirs: how long the peer takes against us, below 1 where it is faster.
    ours = timing(a.seconds + a.recheck for a in answers[:count])
    against = "ours on the same instances"
    name = f"{case.name} / {peer.label}"
    return row(name, timing(seconds), peer=ours, against=against, note=_losses(losses))


def lost(best: float, reached: float) -> float:
    """Share of our objective that a peer's plan loses; negative where it is better than ours."""
    return (best - reached) / max(abs(best), 1e-300)


def _losses(losses: Sequence[float | None]) -> str:
    some = [loss for loss in losses if loss is not None]
    note = f"{len(losses)} instance" + ("s" if len(losses) > 1 else "")
    if len(some) == 1:
        note += f": loses {_percent(some[0])}"
    elif some:
        note += f": loses {_percent(float(np.median(some)))} in the median, "
        note += f"{_percent(max(some))} at worst, {_percent(min(some))} at best"
    none = len(losses) - len(some)
    return note + (f"; no allowed plan in {none}" if none else "")


def _percent(share: float) -> str:
    if abs(share) < 1e-8:
        return "0 %"
    return f"{100 * share:.2g} %" if abs(share) < 0.995 else f"{100 * share:.0f} %"
