"""A worker's hold on one run: who may write it, until when, and how that ends.

The hold is the run document's ETag. A worker writes the run only as long as nobody else did since;
the first write that loses says that the hold is gone, and the worker stops.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import WriteConflict
from shared.store.datasets import Datasets
from shared.store.manifests import Clock
from shared.store.records import Run, stamp

__all__ = ["Lease", "LeaseLost", "claimed", "ended"]

# Progress comes as often as a fit likes; storage hears of it no more often than this.
_BETWEEN_RENEWALS = timedelta(seconds=5)


class LeaseLost(Exception):
    """Somebody else took the run over (or its dataset was deleted): write nothing more."""


def claimed(run: Run, holder: str, now: datetime, length: timedelta) -> Run:
    """The run as it reads once ``holder`` has it; a new attempt begins."""
    return replace(
        run,
        state="running",
        started_at=run.started_at or stamp(now),
        attempt=run.attempt + 1,
        stage="start",
        fraction=0.0,
        holder=holder,
        lease_until=stamp(now + length),
    )


class Lease:
    """A claimed run, for the worker that claimed it."""

    def __init__(self, datasets: Datasets, run: Run, clock: Clock, length: timedelta) -> None:
        # Reentrant: a watch beside the fit renews as well, and each renewal is a write.
        self._lock = threading.RLock()
        self._datasets = datasets
        self._clock = clock
        self._length = length
        self._renewed = clock()
        self.run = run

    def progress(self, stage: str, fraction: float) -> None:
        """Report each new stage, and renew at most every few seconds within one.

        Raises
        ------
        LeaseLost
            Where the run is not ours any more.
        """
        if stage != self.run.stage or self._clock() - self._renewed >= _BETWEEN_RENEWALS:
            self.renew(stage, fraction)

    def renew(self, stage: str, fraction: float) -> None:
        """Report and renew now; ``LeaseLost`` where it is not ours."""
        with self._lock:
            now = self._clock()
            self._write(
                replace(
                    self.run,
                    stage=stage,
                    fraction=min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0,
                    lease_until=stamp(now + self._length),
                )
            )
            self._renewed = now

    def keep(self) -> None:
        """Renew as it stands, from beside the fit; ``LeaseLost`` where it is not ours."""
        with self._lock:
            if self._clock() - self._renewed >= _BETWEEN_RENEWALS:
                self.renew(self.run.stage, self.run.fraction)

    def finish(
        self,
        state: str,
        reasons: Sequence[str],
        version: str | None = None,
        *,
        unchanged: bool = False,
    ) -> None:
        """End the run for good."""
        run = replace(self.run, unchanged=unchanged)
        self._write(ended(run, state, reasons, self._clock(), version))

    def refresh(self) -> None:
        """Read the run anew, where a write may have been cut short; ``LeaseLost`` if not ours."""
        mine = self.run
        found = self._datasets.find_run(mine.dataset, mine.incarnation, mine.run)
        if found is None or found.holder != mine.holder:
            raise LeaseLost(f"the run {mine.run} is no longer held")
        self.run = found

    def release(self, last_error: str) -> None:
        """Give the run back, to be tried again at once."""
        self._write(
            replace(self.run, state="queued", holder="", lease_until="", last_error=last_error)
        )

    def _write(self, run: Run) -> None:
        try:
            self.run = self._datasets.update_run(run)
        except WriteConflict as error:
            raise LeaseLost(f"the run {run.run} is no longer held") from error


def ended(
    run: Run, state: str, reasons: Sequence[str], now: datetime, version: str | None = None
) -> Run:
    """The run in a terminal state, held by nobody."""
    return replace(
        run,
        state=state,
        reasons=tuple(reasons),
        finished_at=stamp(now),
        curves_version=version or run.curves_version,
        stage="done",
        fraction=1.0,
        holder="",
        lease_until="",
    )
