"""``python -m benchmarks``: measure what is registered and print one table (``README.md``)."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

# One thread, set before numpy is imported by any benchmark: BLAS reads it at load time.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from benchmarks.harness import EFFORT, Benchmark, discover  # noqa: E402
from benchmarks.table import OURS, Sheet, render  # noqa: E402


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("section", nargs="*", help="sections to run (default: all)")
    parser.add_argument(
        "--class", dest="names", action="append", default=[], metavar="NAME", help="one class only"
    )
    parser.add_argument("--list", action="store_true", help="print sections and classes, run none")
    parser.add_argument("--ours", action="store_true", help="leave the peers away")
    parser.add_argument("--quick", action="store_true", help="a tenth of the instances")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write each row at once; skip rows in it"
    )
    parser.add_argument(
        "--peer-seconds",
        type=float,
        default=EFFORT.peer_seconds,
        metavar="S",
        help="CPU seconds of a peer over the instances of one class (default: %(default)g)",
    )
    parser.add_argument(
        "--peer-python", metavar="EXE", help="interpreter that has PyMC-Marketing (default: this)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep slow fits there and reuse them"
    )
    parser.add_argument(
        "--worlds", type=int, default=0, metavar="N", help="histories of each kind of world"
    )
    return parser


def _chosen(sections: list[str], names: list[str]) -> list[Benchmark] | str:
    """The benchmarks asked for, or what is wrong with the question."""
    found = discover()
    known = {item.section for item in found}
    if unknown := set(sections) - known:
        listed = ", ".join(sorted(known))
        return f"no section {', '.join(sorted(unknown))}; there are {listed}"
    if unknown := set(names) - {item.name for item in found}:
        return f"no class {', '.join(sorted(unknown))}; --list names them"
    return [
        item
        for item in found
        if (not sections and not names) or item.section in sections or item.name in names
    ]


def main(words: list[str]) -> int:
    """Run what is asked for; exit status 1 where a limit was missed or something broke, else 0."""
    asked = _parser().parse_args(words)
    chosen = _chosen(asked.section, asked.names)
    if isinstance(chosen, str):
        print(chosen, file=sys.stderr)
        return 2
    if asked.list:
        print("\n".join(f"{item.section}: {item.name}" for item in chosen))
        return 0
    EFFORT.quick, EFFORT.peer_seconds = asked.quick, asked.peer_seconds
    EFFORT.peer_python, EFFORT.keep = asked.peer_python, asked.keep
    EFFORT.worlds = asked.worlds
    sheet = Sheet(asked.output)
    EFFORT.rows = lambda: sheet.rows
    for item in chosen:

        def wanted(who: str, name: str = item.name) -> bool:
            return not sheet.has(name, who) and (who == OURS or not asked.ours)

        print(f"{item.section}: {item.name} ...", file=sys.stderr, flush=True)
        try:
            for row in item.run(wanted):
                if wanted(row.who):
                    sheet.add(row)
                    told = (row.who, row.median, row.reached, row.middle, row.verdict, row.note)
                    print("   ", *filter(None, told), sep="  ", file=sys.stderr, flush=True)
        except Exception as failure:
            traceback.print_exc()
            sheet.broke(item.name, failure)
    names = {item.name for item in chosen}
    print(render(row for row in sheet.rows if row.name in names))
    return 1 if any(row.held is False for row in sheet.rows if row.name in names) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
