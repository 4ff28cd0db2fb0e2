"""``python -m benchmarks [section ...]``: measure everything registered, print one table."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

# One thread, set before numpy is imported by any benchmark: BLAS reads it at load time.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from benchmarks.harness import Row, discover, noise, render  # noqa: E402


def main(sections: list[str]) -> int:
    """Run the sections asked for (all by default); exit status 1 where a limit was missed."""
    rows: list[Row] = []
    for section, run in discover():
        if not sections or section in sections:
            print(f"measuring {section}: {run.__name__} ...", file=sys.stderr, flush=True)
            rows += [replace(item, section=section) for item in run()]
    print(render(rows, noise()))
    return 1 if any(item.held is False for item in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
