"""One attempt at a run that is held: read, fit, store the set, and make it current if it may be.

Every step finds what an attempt before it left and goes on from there.

``Watch`` stands beside a fit that is running: it keeps its run's lease alive, and ends it when its
time is up. A fit tells its stages, but one stage may take longer than a lease. A thread of its own
renews the lease meanwhile, so that nobody else takes the run over while its worker lives; a worker
that was killed has no such thread, and its lease runs out.

When the time is up the fit's thread is interrupted by an exception that is raised in it (CPython's
``PyThreadState_SetAsyncExc``): between two steps of Python, never within a call of numpy. It may
come anywhere, so it is never a way to go on: the attempt ends, and reads its run anew to say so.

A ``Lease`` is a worker's hold on one run: who may write it, until when, and how that ends. The hold
is the run document's ETag. A worker writes the run only as long as nobody else did since; the first
write that loses says that the hold is gone, and the worker stops.

What a fit follows from is one word: the same word, the same curves. The inputs go by their
content's hash, the code by that of its sources, so that a new version of the model fits anew what
an old one fitted.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import math
import pkgutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib.machinery import SourceFileLoader
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared import curves, fit, history
from shared.curves.curveset import CurveSet
from shared.errors import (
    InputTooLarge,
    InvalidInput,
    MarginalError,
    UnsupportedContent,
    WriteConflict,
)
from shared.store.datasets import Datasets
from shared.store.manifests import Clock
from shared.store.records import Inputs, Run, StoredCurves, from_stamp, stamp
from shared.store.versions import version_name

if TYPE_CHECKING:
    from shared.fit.pipeline import FitResult
    from shared.history.parse import Parsed
    from shared.history.table import History


__all__ = [
    "Attempt",
    "Fit",
    "Lease",
    "LeaseLost",
    "Parse",
    "TimeUp",
    "Watch",
    "claimed",
    "code_version",
    "ended",
    "version_of",
]

log = logging.getLogger("marginal.refit")

_REASONS_SHOWN = 20

_UNCHANGED = (
    "Unchanged: history, outcomes, spec and code are those of the last fit, so nothing was fitted "
    "and what is current stays so. Queue the refit with force to fit all the same."
)

# Progress comes as often as a fit likes; storage hears of it no more often than this.
_BETWEEN_RENEWALS = timedelta(seconds=5)


class Parse(Protocol):
    """``shared.history.parse.parse``."""

    def __call__(
        self,
        spec: Mapping[str, Any] | None,
        history: bytes | list[dict[str, Any]],
        outcomes: bytes | list[dict[str, Any]] | None = None,
    ) -> Parsed: ...


class Fit(Protocol):
    """``shared.fit.pipeline.fit_history``."""

    def __call__(
        self,
        history: History,
        spec: Mapping[str, Any],
        *,
        seed: int = 0,
        previous: CurveSet | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> FitResult: ...


class _Unusable(Exception):
    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


def version_of(run: Run) -> str:
    """The version of a run's curve set: fixed from its first attempt on."""
    return version_name(from_stamp(run.started_at or run.created_at), run.run)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How runs are executed: where from, by what, and with which seed."""

    datasets: Datasets
    parse: Parse | None
    fit: Fit | None
    seed: int
    code: Callable[[], str]
    cap: timedelta | None
    renew_every: timedelta

    def execute(self, lease: Lease) -> None:
        """Bring a held run to its end.

        Raises
        ------
        LeaseLost
            Where somebody else holds the run by now; nothing more was written.
        Exception
            Whatever is not the data's fault.
        """
        run = lease.run
        version = version_of(run)
        stored = self.datasets.stored_curves(run, version)
        word = _fingerprint(run.inputs, self.seed, self.code())
        if stored is None:
            if not run.force and self._same_as_last(run, word):
                lease.finish("kept_previous", (_UNCHANGED,), unchanged=True)
                return
            try:
                stored = self._fitted(lease, version, word)
            except TimeUp:
                lease.refresh()
                lease.finish("kept_previous", (self._time_up(lease.run.stage),))
                log.error("run %s of %s reached its time cap", run.run, run.dataset)
                return
            except _Unusable as unusable:
                lease.finish("failed", unusable.reasons)
                log.error("run %s of %s failed: %s", run.run, run.dataset, unusable)
                return
            lease.renew("store", 0.95)
            stored = self._saved(run, stored)
        if not stored.promote:
            lease.finish("kept_previous", stored.reasons, version)
            return
        # Only who still holds the run flips the manifest.
        lease.renew("promote", 0.98)
        if self.datasets.promote_over(run, version, stored.based_on):
            lease.finish("promoted", stored.reasons, version)
            return
        reason = (
            "Other curves were made the current ones while this refit ran; they are kept. "
            "Queue another refit, or promote this version."
        )
        lease.finish("kept_previous", (reason, *stored.reasons), version)

    def _saved(self, run: Run, stored: StoredCurves) -> StoredCurves:
        try:
            self.datasets.save_curves(run, stored)
        except WriteConflict:
            # An earlier attempt got as far as this: what it wrote is what counts.
            written = self.datasets.stored_curves(run, stored.curve_set.version)
            if written is None:
                raise
            return written
        return stored

    def _same_as_last(self, run: Run, word: str) -> bool:
        """Whether the last fit was of the same, and what came of it stands."""
        last = self.datasets.last_fit(run)
        if last is None or last.fitted_from != word:
            return False
        # Good enough but never current: others were made current meanwhile. It may try again.
        manifest = self.datasets.manifest(run.dataset)
        return not last.promote or manifest.was_promoted(last.curve_set.version)

    def _time_up(self, stage: str) -> str:
        minutes = 0.0 if self.cap is None else self.cap.total_seconds() / 60
        return (
            f"The refit was stopped at its time cap of {minutes:g} minutes, at the stage "
            f"{stage!r}. Nothing was stored: what was current stays so."
        )

    def _fitted(self, lease: Lease, version: str, word: str) -> StoredCurves:
        run = lease.run
        manifest = self.datasets.manifest(run.dataset)
        before = (
            None
            if manifest.curves is None
            else self.datasets.stored_curves(manifest, manifest.curves)
        )
        result = self._fit(lease, None if before is None else before.curve_set)
        promote, reasons = result.promote, tuple(result.reasons)
        if before is not None and before.queued_at > run.created_at:
            # Its history may be the older one: messages are not delivered in order.
            promote = False
            reasons = ("A refit that was queued later is current already; it is kept.", *reasons)
        return StoredCurves(
            curve_set=replace(
                result.curve_set,
                dataset=run.dataset,
                version=version,
                created_at=run.started_at or run.created_at,
            ),
            run=run.run,
            queued_at=run.created_at,
            promote=promote,
            reasons=reasons,
            based_on=manifest.curves,
            fitted_from=word,
        )

    def _fit(self, lease: Lease, previous: CurveSet | None) -> FitResult:
        spec, history, outcomes = (
            self.datasets.read_input(lease.run, part) for part in ("spec", "history", "outcomes")
        )
        if history is None:
            raise _Unusable(("The dataset had no history when the refit was queued.",))
        parse, fit = self.parse or _default_parse(), self.fit or _default_fit()
        try:
            parsed = parse(
                None if spec is None else json.loads(spec.data),
                history.table(),
                None if outcomes is None else outcomes.table(),
            )
            with Watch(lease, self.cap, self.renew_every):
                result = fit(
                    parsed.history,
                    parsed.spec,
                    seed=self.seed,
                    previous=previous,
                    progress=lease.progress,
                )
        except InvalidInput as error:
            raise _Unusable(_reasons(error)) from error
        except (InputTooLarge, UnsupportedContent) as error:
            raise _Unusable((str(error),)) from error
        return replace(result, reasons=(*result.reasons, *_odd_tests(result.curve_set)))


def _odd_tests(curve_set: CurveSet) -> list[str]:
    """What a run says of lift tests though it was fitted: somebody put them there to be used."""
    from shared.history.lift_tests import FINDINGS

    warnings = curve_set.diagnostics.get("warnings") or ()
    return [item["message"] for item in warnings if item["code"] in FINDINGS]


def _reasons(error: InvalidInput) -> tuple[str, ...]:
    shown = [
        f"{fault.message} (at {fault.pointer})" if fault.pointer else fault.message
        for fault in error.faults[:_REASONS_SHOWN]
    ]
    more = len(error.faults) - len(shown)
    return (*(shown or [str(error)]), *([f"And {more} more."] if more > 0 else []))


def _default_parse() -> Parse:
    from shared.history.parse import parse

    return parse


def _default_fit() -> Fit:
    from shared.fit.pipeline import fit_history

    return fit_history


class TimeUp(BaseException):
    """The refit's time is up; no ``Exception``, so that no step of a fit takes it for its own."""


class Watch:
    """Around a fit, in the thread that fits; ``TimeUp`` is raised in it after ``cap``.

    Parameters
    ----------
    cap
        How long the fit may take; None: as long as it takes.
    every
        How often the lease is renewed.
    """

    def __init__(self, lease: Lease, cap: timedelta | None, every: timedelta) -> None:
        self._lease = lease
        self._cap = None if cap is None else cap.total_seconds()
        self._every = every.total_seconds()
        # A bare lock, held while the fit runs: an event has a lock of its own inside, which an
        # exception at the wrong moment would leave behind held.
        self._running = threading.Lock()
        self._told = False
        self._fitting = ctypes.c_ulong(threading.get_ident())
        self._thread = threading.Thread(target=self._watch, name="refit-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._running.acquire()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        for _ in range(2):
            # Sent at the last moment it is raised here, once: the fit is over all the same.
            with suppress(TimeUp):
                if not self._told:
                    self._told = True
                    self._running.release()
                self._thread.join()
        # Sent and not raised yet, it would be raised in somebody else's code.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._fitting, None)
        return False

    def _watch(self) -> None:
        waited = 0.0
        while True:
            left = self._every if self._cap is None else min(self._every, self._cap - waited)
            if self._running.acquire(timeout=max(left, 0.0)):
                return
            waited += left
            if self._cap is not None and waited >= self._cap:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._fitting, ctypes.py_object(TimeUp))
                return
            try:
                self._lease.keep()
            except LeaseLost:
                # The fit hears of it at its next stage; the cap still holds.
                if self._cap is None:
                    return
                self._every = self._cap
            except MarginalError:
                log.warning("the lease of run %s could not be renewed", self._lease.run.run)


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


def _fingerprint(inputs: Inputs, seed: int, code: str) -> str:
    """The word for a fit of these inputs by this code.

    >>> asked = Inputs(history="a.csv")
    >>> _fingerprint(asked, 0, "1") == _fingerprint(asked, 0, "2")
    False
    """
    parts = (inputs.spec, inputs.history, inputs.outcomes, seed, code)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


@cache
def code_version() -> str:
    """A hash of the sources of all that takes part in a fit; read once a process."""
    found = hashlib.sha256()
    for package in (curves, history, fit):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            spec = module.module_finder.find_spec(module.name, None)
            loader = None if spec is None else spec.loader
            if isinstance(loader, SourceFileLoader):
                found.update(module.name.encode() + b"\0" + loader.get_data(loader.path))
    return found.hexdigest()[:16]
