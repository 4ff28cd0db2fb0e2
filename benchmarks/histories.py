"""What reading an upload costs: CPU seconds and memory of long tables, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.harness import EFFORT, Asked, cost, register, timing
from benchmarks.table import OURS, Row

__all__ = ["long_table"]

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 3
SIZES = {10_000: 0.2, 100_000: 1.0, 1_000_000: 9.0}
"""CPU seconds that tables of so many rows may take; the largest is the largest that is taken."""

PROGRAM = """\
import json, resource, sys, time
from benchmarks.histories import long_table
from shared.history.parse import check_upload
table = long_table(int(sys.argv[1]))
began = time.process_time()
assert check_upload(None, table).rows == int(sys.argv[1])
spent = time.process_time() - began
print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def long_table(rows: int) -> bytes:
    """Days of ten channels with ten campaigns each, as many days as make so many rows."""
    lines = ["date,channel,campaign,spend,impressions"]
    for row in range(rows):
        day, arm = divmod(row, 100)
        year, rest = divmod(day, 336)
        month, date = divmod(rest, 28)
        stamp = f"{1990 + year}-{month + 1:02d}-{date + 1:02d}"
        spend = row * 7919 % 100_003 / 100
        lines.append(f"{stamp},channel {arm % 10},c{arm // 10},{spend:.2f},{row * 31 % 9973}")
    return "\n".join(lines).encode()


def _rows(count: int, limit_s: float, asked: Asked) -> Iterator[Row]:
    if not asked(OURS):
        return
    runs = []
    for _ in range(EFFORT.instances(REPEATS)):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(count)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(run.stdout.splitlines()[-1]))
    memory = max(mb for _, mb in runs)
    name = f"an upload of {count:,} rows"
    yield cost(name, timing(s for s, _ in runs), limit_s=limit_s, note=f"at most {memory:.0f} MB")


for _count, _limit in SIZES.items():
    register("app", f"an upload of {_count:,} rows", partial(_rows, _count, _limit))
