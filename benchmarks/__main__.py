"""``python -m benchmarks [--quick] [section ...]``: measure what is registered, print a table."""

from __future__ import annotations

import math
import os
import sys
import traceback
from dataclasses import replace

# One thread, set before numpy is imported by any benchmark: BLAS reads it at load time.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from benchmarks.harness import EFFORT, Row, discover, noise, render, timing  # noqa: E402


def main(words: list[str]) -> int:
    """Run the sections asked for (all by default); exit status 1 where a limit was missed."""
    EFFORT.quick = "--quick" in words
    sections = [word for word in words if word != "--quick"]
    found = discover()
    unknown = set(sections) - {section for section, _ in found}
    if unknown:
        known = ", ".join(sorted({section for section, _ in found}))
        print(f"no section {', '.join(sorted(unknown))}; there are {known}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for section, run in found:
        if not sections or section in sections:
            print(f"measuring {section}: {run.__name__} ...", file=sys.stderr, flush=True)
            try:
                rows += [replace(item, section=section) for item in run()]
            except Exception as failure:
                # What was measured before is not thrown away; the table and the exit say it broke.
                traceback.print_exc()
                broke = Row(section, run.__name__, timing([0.0]), note=f"BROKE: {failure!r}")
                rows.append(replace(broke, ratio=math.inf, at_most=1.0))
    print(render(rows, noise()))
    return 1 if any(item.held is False for item in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
