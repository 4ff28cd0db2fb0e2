"""Refits, large tables and jobs: whatever nobody waits for, queued and worked off.

A run is one document in storage; a message only names it. So a message may be lost and sent again,
delivered twice, or outlive its worker: whoever receives it reads the run and does what is left to
do. Every step finds what an attempt before it left: the curve set's version follows from the run,
it is written once, and the manifest remembers what was promoted.

::

    queued ──claim──> running ──> promoted | kept_previous | stored | completed | failed
       ^                 │
       └──unexpected ────┘   (the error is raised, so that the queue delivers the message again)

A ``Lease`` is a worker's hold on one run: the run document's ETag. The first write that loses says
that the hold is gone, and the worker stops. One stage of a fit may take longer than a lease, so a
``Watch`` beside it renews the lease from a thread of its own: a worker that was killed has no such
thread, and its lease runs out. When the time is up, or the run is somebody else's, the watch
interrupts the fit; the attempt ends, and reads its run anew to say so.

What a fit follows from is one word: the same word, the same curves. The inputs go by their
content's hash, the code by that of its sources.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import pkgutil
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any, Protocol

from shared import curves, fit, history
from shared.curves.curveset import CurveSet
from shared.errors import (
    InputTooLarge,
    InvalidInput,
    MalformedInput,
    MarginalError,
    NotFound,
    StorageUnavailable,
    UnsupportedContent,
    WriteConflict,
)
from shared.store.base import Queue, batches, each
from shared.store.datasets import NO_INCARNATION, Datasets, etag_of, version_of_input
from shared.store.keys import INLINE, is_dataset_name, is_incarnation, is_job_id, is_run_id
from shared.store.manifests import Clock, utc_now
from shared.store.records import Asked, Inputs, Manifest, Run, StoredCurves, from_stamp, stamp
from shared.store.versions import version_name
from shared.uploads import judged
from shared.watch import TimeUp, Watch

if TYPE_CHECKING:
    from shared.fit.pipeline import FitResult
    from shared.history.parse import Parsed
    from shared.history.table import History

__all__ = [
    "SWEEP",
    "Attempt",
    "Fit",
    "Lease",
    "LeaseLost",
    "Parse",
    "Perform",
    "Refits",
    "claimed",
    "code_version",
    "ended",
    "is_stored",
    "message_of",
    "version_of",
]

log = logging.getLogger("marginal.refit")

_LEASE = timedelta(minutes=5)

# A queued run that no worker has touched for this long may have lost its message: the sender cannot
# be at it any more (host.json's functionTimeout). A message too many does no harm.
_SENDER_GONE = timedelta(minutes=30)

# The queue gives up after three failures; this ends runs that kill their worker before it can fail.
_MOST_ATTEMPTS = 6
_CLAIM_TRIES = 5

_LONGEST = timedelta(minutes=20)

SWEEP = json.dumps({"task": "sweep_deleted"})

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


class Perform(Protocol):
    """Answers a job: its endpoint's name, its request, and the seconds that searches may take."""

    def __call__(self, question: str, body: bytes, seconds: float) -> tuple[int, Any]: ...


_REFUSED = (InvalidInput, InputTooLarge, UnsupportedContent, NotFound, WriteConflict)
"""What ends the reading of a table for good."""


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
    perform: Perform | None = None

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
        if run.upload is not None:
            self._read(lease, run.upload)
            return
        if run.question is not None:
            self._answer(lease, run.question)
            return
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

    def _read(self, lease: Lease, asked: Asked) -> None:
        """Read a table that waited, and make it current.

        What it becomes is written into the run before it is made current: an attempt that finds it
        current knows that only the end is missing.
        """
        run = lease.run
        manifest = self.datasets.manifest(run.dataset)
        if not is_stored(run, manifest):
            try:
                now, then = (getattr(of.inputs, asked.part) for of in (manifest, run))
                if asked.how == "put" and now != then:
                    raise WriteConflict(
                        f"The {asked.part} was changed by somebody else after this table was sent; "
                        "what is current stays so. Send it again to replace it."
                    )
                self.datasets.check_match(manifest, asked.part, asked.if_match)
                document = self.datasets.read_version(run, asked.part, asked.version)
                with Watch(lease.held, self.cap, self.renew_every):
                    data, media, report = judged(
                        self.datasets, manifest, asked, document.table(), document.content_type
                    )
            except TimeUp:
                lease.refresh()
                lease.finish("failed", ("Reading was stopped at its time cap.",))
                return
            except _REFUSED as error:
                lease.refuse(error)
                return
            result = version_of_input(data, media)
            lease.told(replace(asked, result=result), {"etag": etag_of(result), **report})
            self.datasets.put_input(run.dataset, asked.part, data, media, seen=manifest)
        lease.finish("stored", ())

    def _answer(self, lease: Lease, question: str) -> None:
        """Ask a job's question and keep the answer, unless an attempt before did."""
        run = lease.run
        told = self.datasets.answer(run)
        status = 0 if told is None else told[0]
        if told is None:
            if self.perform is None:
                raise ValueError("nobody to ask")
            body, cap = self.datasets.question(run), self.cap or _LONGEST
            try:
                with Watch(lease.held, cap, self.renew_every):
                    # Searches wind up before the cap, with the best that they have found.
                    answer = self.perform(question, body, 0.9 * cap.total_seconds())
            except TimeUp:
                lease.refresh()
                minutes = cap.total_seconds() / 60
                lease.finish("failed", (f"It was stopped at its time cap of {minutes:g} minutes.",))
            else:
                lease.renew("store", 0.95)
                status = self.datasets.keep_answer(run, *answer)
        if status:
            lease.finish(_state_of(status), ())
        self.datasets.forget_question(run)

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
            with Watch(lease.held, self.cap, self.renew_every):
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

    def held(self) -> bool:
        """Renew from beside the fit; whether it is still ours."""
        try:
            self.keep()
        except LeaseLost:
            return False
        except MarginalError:
            log.warning("the lease of run %s could not be renewed", self.run.run)
        return True

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

    def told(self, upload: Asked, report: Mapping[str, Any]) -> None:
        """Note what a table becomes, and what is said of it; ``LeaseLost`` where it is not ours."""
        with self._lock:
            self._write(replace(self.run, upload=upload, report=report))

    def refuse(self, error: MarginalError) -> None:
        """End the reading of a table that cannot be used, every fault at its place."""
        faults = error.faults[:_REASONS_SHOWN] if isinstance(error, InvalidInput) else ()
        told = tuple({"pointer": f.pointer, "code": f.code, "message": f.message} for f in faults)
        reasons = _reasons(error) if isinstance(error, InvalidInput) else (str(error),)
        run = replace(self.run, errors=told)
        self._write(ended(run, "failed", reasons, self._clock()))

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


def is_stored(run: Run, manifest: Manifest) -> bool:
    """Whether the table that a run reads is current already."""
    asked = run.upload
    result = None if asked is None else asked.result
    return (
        asked is not None and result is not None and getattr(manifest.inputs, asked.part) == result
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


class Refits:
    """Queues refits and works them off.

    Parameters
    ----------
    clock
        Answers the present time, with its zone.
    fit, parse
        The project's own where not given.
    lease
        For how long a worker holds a run without word from it.
    seed
        Of every fit: the same history gives the same curves.
    cap
        How long one fit may take; None: as long as it takes.
    code
        Answers the version of the code that fits.
    perform
        Answers a job.
    """

    def __init__(
        self,
        datasets: Datasets,
        queue: Queue,
        *,
        clock: Clock = utc_now,
        fit: Fit | None = None,
        parse: Parse | None = None,
        lease: timedelta = _LEASE,
        seed: int = 0,
        cap: timedelta | None = None,
        code: Callable[[], str] = code_version,
        perform: Perform | None = None,
    ) -> None:
        self._datasets = datasets
        self._queue = queue
        self._clock = clock
        self._lease = lease
        self._attempt = Attempt(datasets, parse, fit, seed, code, cap, lease / 5, perform)

    # -- queueing -----------------------------------------------------------------------------

    def queue_refit(self, dataset: str, *, force: bool = False, key: str | None = None) -> Run:
        """Queue a refit of what the dataset holds now; ``force``: though nothing changed.

        A run's id follows from the ``key``, if there is one: asked for again, the run that there is
        is answered.

        Raises
        ------
        NotFound
            Where there is no such dataset.
        InvalidInput
            Where it has no history yet.
        """
        manifest = self._datasets.manifest(dataset)
        if manifest.inputs.history is None:
            raise InvalidInput.at(
                "/dataset", "no_history", f"The dataset {dataset!r} has no history to fit yet."
            )
        name = secrets.token_hex(6)
        if key is not None:
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
            found = self._datasets.find_run(dataset, manifest.incarnation, f"r{name}")
            if found is not None:
                return found
        new = replace(self._new_run(manifest, f"r{name}"), force=force)
        try:
            return self._queued(new)
        except WriteConflict:
            found = self._datasets.find_run(dataset, manifest.incarnation, new.run)
            if key is None or found is None:
                raise
            return found  # the same request at the same time

    def queue_upload(self, dataset: str, asked: Asked, data: bytes, content_type: str) -> Run:
        """Store a table as it came and queue its reading; what is current stays so until then.

        Raises
        ------
        WriteConflict
            Where the part is not the one that ``asked.if_match`` names.
        """
        manifest, asked = self._datasets.keep(dataset, asked, data, content_type)
        return self._queued(replace(self._new_run(manifest, _a_run()), upload=asked))

    def queue_job(self, dataset: str | None, question: str, body: bytes) -> Run:
        """Store a request and queue it; ``dataset``: the one that its answer tells of, if any.

        Raises
        ------
        NotFound
            Where there is no such dataset.
        """
        found = None if dataset is None else self._datasets.manifest(dataset)
        new = Run(
            dataset=INLINE if found is None else found.dataset,
            incarnation=NO_INCARNATION if found is None else found.incarnation,
            run=f"j{secrets.token_hex(8)}",
            state="queued",
            created_at=stamp(self._clock()),
            inputs=Inputs(),
            question=question,
        )
        self._datasets.keep_question(new, body)
        try:
            return self._queued(new)
        except Exception:
            with suppress(MarginalError):
                self._datasets.forget_question(new)
            raise

    def cancel(self, job: str) -> Run:
        """End a job that is not done; whoever works on it stops when its hold is renewed next.

        Raises
        ------
        NotFound
            Where there is no such job.
        """
        for _ in range(_CLAIM_TRIES):
            run = self._datasets.job(job)
            if run.terminal:
                return run
            with suppress(WriteConflict):
                now = self._clock()
                run = self._datasets.update_run(ended(run, "terminated", (), now))
                self._datasets.forget_question(run)
                return run
        raise _contended(job)

    def _queued(self, new: Run) -> Run:
        run = self._datasets.create_run(new)
        try:
            self._queue.send(message_of(run))
        except Exception:
            # Nobody has heard of the run yet: better none than one that waits for ever.
            with suppress(MarginalError):
                self._datasets.delete_run(run)
            raise
        return run

    def queue_all(self, scheduled_for: date | datetime) -> int:
        """Queue a refit of every dataset that has a history; how many were queued.

        A run's id follows from the day, so that a night that begins twice queues once; a night
        that was cut short queues the rest when it begins again.

        Parameters
        ----------
        scheduled_for
            The night; of a time (which needs a zone), the day in UTC counts.
        """
        if isinstance(scheduled_for, datetime):
            if scheduled_for.tzinfo is None:
                raise ValueError("a time without a zone")
            scheduled_for = scheduled_for.astimezone(UTC).date()
        run_id = f"nightly-{scheduled_for:%Y%m%d}"
        queued = 0
        with_history = (m for m in self._datasets.manifests() if m.inputs.history is not None)
        for batch in batches(with_history):
            runs: list[Run] = []
            try:
                runs.extend(run for run in each(lambda m: self._nightly(m, run_id), batch) if run)
                queued += self._queue.send_many(message_of(run) for run in runs)
            except Exception:
                # As if this batch had not been come to: those whose message went find no run.
                for run in runs:
                    with suppress(MarginalError):
                        self._datasets.delete_run(run)
                raise
        if self._datasets.has_deleted():
            self._queue.send(SWEEP)
        return queued

    def _nightly(self, manifest: Manifest, run_id: str) -> Run | None:
        try:
            return self._datasets.create_run(self._new_run(manifest, run_id))
        except WriteConflict:
            run = self._datasets.find_run(manifest.dataset, manifest.incarnation, run_id)
        if run is None or run.state != "queued" or run.attempt:
            return None
        waited = self._clock() - from_stamp(run.created_at)
        return run if waited > _SENDER_GONE else None

    def _new_run(self, manifest: Manifest, run_id: str) -> Run:
        return Run(
            dataset=manifest.dataset,
            incarnation=manifest.incarnation,
            run=run_id,
            state="queued",
            created_at=stamp(self._clock()),
            inputs=manifest.inputs,
        )

    # -- working ------------------------------------------------------------------------------

    def work(self, message: str) -> None:
        """Do what is left of the run that a message names; done twice, it does nothing more.

        Raises
        ------
        MalformedInput
            For a message that is none of ours.
        Exception
            Whatever stopped the attempt unexpectedly: the queue delivers the message again.
        """
        task = _read_task(message)
        if task is None:
            self._datasets.sweep_deleted()
            return
        lease = self._claim(task, message)
        if lease is None:
            return
        try:
            self._attempt.execute(lease)
        except LeaseLost:
            log.info("run %s of %s was taken over; stopping", task.run, task.dataset)
        except Exception as error:
            if self._gone(lease.run):
                log.info("dataset %s was deleted during run %s", task.dataset, task.run)
                return
            # Should this fail as well, the lease runs out by itself.
            with suppress(Exception):
                lease.release(_sentence(error, lease.run))
            raise

    def poisoned(self, message: str) -> None:
        """End the run of a message that the queue gave up, and say why.

        A run that somebody holds at the moment is left to them; the message is queued once more
        for when they are done, or gone.
        """
        try:
            task = _read_task(message)
        except MalformedInput:
            log.error("a message that is none of ours was given up: %.200r", message)
            return
        if task is None:
            return
        for _ in range(_CLAIM_TRIES):
            run = self._find(task)
            if run is None or run.terminal or self._put_back(run, message):
                return
            with suppress(WriteConflict):
                self._give_up(run, f"{_task(run)} failed too often and was given up.")
                return
        raise _contended(task.run)

    def _find(self, task: _Named) -> Run | None:
        return self._datasets.find_run(task.dataset, task.incarnation, task.run)

    def _claim(self, task: _Named, message: str) -> Lease | None:
        """The run, held; None where there is nothing to do now."""
        for _ in range(_CLAIM_TRIES):
            run = self._find(task)
            if run is None or run.terminal or self._put_back(run, message):
                return None
            with suppress(WriteConflict):
                if run.attempt >= _MOST_ATTEMPTS:
                    self._give_up(
                        run, f"{_task(run)} was begun {run.attempt} times and never ended."
                    )
                    return None
                now = self._clock()
                mine = claimed(run, secrets.token_hex(8), now, self._lease)
                return Lease(
                    self._datasets, self._datasets.update_run(mine), self._clock, self._lease
                )
        raise _contended(task.run)

    def _put_back(self, run: Run, message: str) -> bool:
        """Whether somebody holds the run; then the message comes again when their lease is over.

        As a new message: waiting must not count as failing.
        """
        now = self._clock()
        if not run.leased_at(now):
            return False
        left = (from_stamp(run.lease_until) - now).total_seconds()
        self._queue.send(message, delay_s=math.ceil(left) + 1)
        return True

    def _give_up(self, run: Run, why: str) -> None:
        """End a run as failed, unless its curves were promoted before its worker went."""
        now = self._clock()
        if run.question is not None:
            told = self._datasets.answer(run)
            if told is not None:
                self._datasets.update_run(ended(run, _state_of(told[0]), (), now))
                return
        elif run.upload is not None:
            manifest = self._datasets.find(run.dataset)
            if manifest and is_stored(run, manifest):
                self._datasets.update_run(ended(run, "stored", (), now))
                return
        elif run.started_at is not None:
            version, manifest = version_of(run), self._datasets.find(run.dataset)
            stored = self._datasets.stored_curves(run, version)
            if stored and manifest and manifest.was_promoted(version):
                self._datasets.update_run(ended(run, "promoted", stored.reasons, now, version))
                return
        reasons = (why, *((run.last_error,) if run.last_error else ()))
        self._datasets.update_run(ended(run, "failed", reasons, now))
        if run.question is not None:
            self._datasets.forget_question(run)
        log.error("run %s of %s failed: %s", run.run, run.dataset, " ".join(reasons))

    def _gone(self, run: Run) -> bool:
        if run.dataset == INLINE:
            return False
        with suppress(MarginalError):
            manifest = self._datasets.find(run.dataset)
            return manifest is None or manifest.incarnation != run.incarnation
        return False


def _a_run() -> str:
    return f"r{secrets.token_hex(6)}"


def _state_of(status: int) -> str:
    """The end of a job whose answer has that status."""
    return "completed" if status < 400 else "failed"


def _contended(run: str) -> StorageUnavailable:
    return StorageUnavailable(f"The run {run!r} is being written by many at once.")


def _task(run: Run) -> str:
    if run.question is not None:
        return "The job"
    return "The refit" if run.upload is None else "Reading the table"


def _sentence(error: Exception, run: Run) -> str:
    """For a caller to read: never a path, a secret or a stack."""
    if isinstance(error, MarginalError):
        return str(error)
    what = "The fit" if _task(run) == "The refit" else _task(run)
    return f"{what} stopped at an unexpected error ({type(error).__name__})."


@dataclass(frozen=True, slots=True)
class _Named:
    """A run, by name: all that is known of it is in storage."""

    dataset: str
    incarnation: str
    run: str


def message_of(run: Run) -> str:
    """The message that asks for a run."""
    return json.dumps(asdict(_Named(run.dataset, run.incarnation, run.run)))


def _read_task(message: str) -> _Named | None:
    """What a message asks for; None for ``SWEEP``.

    Raises
    ------
    MalformedInput
        For anything that this app did not send.
    """
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        if body == json.loads(SWEEP):
            return None
        dataset, incarnation, run = (body.get(k) for k in ("dataset", "incarnation", "run"))
        if (
            isinstance(dataset, str)
            and isinstance(incarnation, str)
            and isinstance(run, str)
            and (is_dataset_name(dataset) or (dataset == INLINE and is_job_id(run)))
            and is_incarnation(incarnation)
            and is_run_id(run)
        ):
            return _Named(dataset, incarnation, run)
    raise MalformedInput.at("", "malformed_message", "The message names no refit.")
