"""Every pair of the contract's features, one request each, and random mixtures of three to six.

    python -m tests.contract.matrix [--only NAME ...] [--mixtures N] [--starts N] [--plain]
                                    [--seed N] [--out DIR]

Prints what fails by feature and feature; with ``--out``, each failing request as JSON, mixtures
taken apart to the fewest features that still fail in the same way. Takes a good hour on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from local.host import serve
from tests.app.client import Answer, Client
from tests.app.conftest import SETTINGS
from tests.contract.checks import Api, Fault, faults_of, related_faults
from tests.contract.features import FEATURES, build, pairs
from tests.contract.mixtures import Names, at_random

__all__ = ["Row", "main", "run", "shrunk"]

TOLD = ("gap",)
"""Kinds that are counted, and are no fault where the answer tells them."""


class Row:
    """One request: its features, its figures' seed, what was found."""

    def __init__(self, names: Names, seed: int) -> None:
        self.names, self.seed = names, seed
        self.faults: list[Fault] = []
        self.seconds = 0.0

    @property
    def kinds(self) -> set[str]:
        return {fault.kind for fault in self.faults}


def judged(api: Api, names: Names, seed: int, *, starts: int, related: bool) -> Row:
    row = Row(names, seed)
    raw = build(names, seed)
    began = time.perf_counter()
    try:
        answer: Answer = api.post("optimize", raw)
        row.seconds = time.perf_counter() - began
        row.faults = list(faults_of(raw, answer, starts=starts))
        if related:
            row.faults += related_faults(api, raw, answer)
    except OSError as error:  # the service was silent for longer than a caller waits
        row.faults.append(Fault("silence", repr(error)))
    limit = raw["solver"]["time_limit_s"]
    if row.seconds > limit * 1.1 + 1.0:
        row.faults.append(
            Fault("late", f"{row.seconds:.1f} s of CPU where {limit} s were asked for")
        )
    return row


def shrunk(api: Api, row: Row, kind: str, *, starts: int) -> Row:
    """A failing mixture without every feature that its ``kind`` of failure does not need."""
    best = row
    related = kind in ("bytes", "order", "money", "outcomes")
    for name in row.names:
        fewer = tuple(n for n in best.names if n != name)
        tried = judged(api, fewer, row.seed, starts=starts, related=related)
        if kind in tried.kinds:
            best = tried
    return best


def run(
    api: Api, asked: Iterable[Names], *, seed: int, starts: int, related: bool
) -> Iterator[Row]:
    """Each mixture judged; what fails of three features or more, by the fewest that fail alike."""
    for names in asked:
        row = judged(api, names, seed, starts=starts, related=related)
        hard = sorted(row.kinds - set(TOLD))
        if len(names) > 2 and hard:
            yield from (shrunk(api, row, kind, starts=starts) for kind in hard)
        else:
            yield row


def table(rows: Sequence[Row]) -> str:
    """Pairs by feature and feature: ``.`` passed, ``-`` none asked, else a letter a kind."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if len(row.names) == 2:
            found[row.names[0], row.names[1]] = found[row.names[1], row.names[0]] = row.kinds
    names = list(FEATURES)
    wide = max(map(len, names))
    lines = [" " * wide + "  " + "".join(f"{i % 100:3d}" for i in range(len(names)))]
    for i, one in enumerate(names):
        cells = []
        for other in names:
            kinds = found.get((one, other))
            hard = set() if kinds is None else kinds - set(TOLD)
            cells.append("  -" if kinds is None else f"{len(hard) or ('g' if kinds else '.'):>3}")
        lines.append(f"{one:<{wide}} {i:2d}" + "".join(cells))
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    lines = []
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for kind in row.kinds:
            by_kind[kind].append(row)
    hard = sum(bool(row.kinds - set(TOLD)) for row in rows)
    lines.append(f"{len(rows)} requests, {len(rows) - hard} pass, {hard} fail")
    for kind, failed in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        often = Counter(name for row in failed for name in row.names).most_common(6)
        told = ", ".join(f"{name} {count}" for name, count in often)
        sizes = [f.size for row in failed for f in row.faults if f.kind == kind and f.size]
        most = f", up to {max(sizes):.1e}" if sizes else ""
        lines.append(f"  {kind:<10} {len(failed):4d}{most}  ({told})")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.contract.matrix")
    parser.add_argument("--only", nargs="*", default=[], help="pairs with one of these features")
    parser.add_argument("--mixtures", type=int, default=150)
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0, help="of the figures")
    parser.add_argument("--plain", action="store_true", help="no second answer to any request")
    parser.add_argument("--out", type=Path, help="folder for failing requests")
    options = parser.parse_args(arguments)
    wanted = [p for p in pairs() if not options.only or set(p) & set(options.only)]
    asked: list[Names] = [(name,) for name in FEATURES] if not options.only else []
    asked += [*wanted, *at_random(options.mixtures)]
    rows: list[Row] = []
    with serve(settings=SETTINGS, drain_s=30) as host:
        related = not options.plain
        for row in run(
            Client(host.url), asked, seed=options.seed, starts=options.starts, related=related
        ):
            rows.append(row)
            for fault in row.faults:
                _say(f"{'+'.join(row.names)}  {fault.kind}: {fault.text[:200]}")
            if options.out is not None and row.kinds - set(TOLD):
                _write(options.out, row)
    _say(table(rows))
    _say(summary(rows))
    return int(any(row.kinds - set(TOLD) for row in rows))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _write(folder: Path, row: Row) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kinds = "-".join(sorted(row.kinds - set(TOLD)))
    name = f"{kinds}__{'+'.join(row.names)}__{row.seed}"
    (folder / f"{name}.json").write_text(json.dumps(build(row.names, row.seed), indent=1))
    told = "\n".join(f"{f.kind}: {f.text}" for f in row.faults)
    (folder / f"{name}.txt").write_text(told + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
