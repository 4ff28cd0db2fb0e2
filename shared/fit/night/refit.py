"""Refits: queued by a person or by the night, worked off by the queue's workers.

A run is one document in storage; a message only names it. So a message may be lost and sent again,
delivered twice, or outlive its worker: whoever receives it reads the run and does what is left to
do. Every step can be repeated: the curve set's version follows from the run, it is written once,
and the manifest remembers what was promoted.

::

    queued ──claim──> running ──> promoted | kept_previous | failed
       ^                 │
       └──unexpected ────┘   (the error is raised, so that the queue delivers the message again)

"""

from __future__ import annotations

import json
import logging
import math
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta

from shared.errors import (
    InvalidInput,
    MalformedInput,
    MarginalError,
    StorageUnavailable,
    WriteConflict,
)
from shared.fit.night.attempt import (
    Attempt,
    Fit,
    Lease,
    LeaseLost,
    Parse,
    claimed,
    code_version,
    ended,
    version_of,
)
from shared.store.base import Queue, batches, each
from shared.store.datasets import Datasets
from shared.store.keys import is_dataset_name, is_incarnation, is_run_id
from shared.store.manifests import Clock, utc_now
from shared.store.records import Manifest, Run, from_stamp, stamp

__all__ = ["SWEEP", "Refits", "message_of"]

log = logging.getLogger("marginal.refit")

_LEASE = timedelta(minutes=5)

# A queued run that no worker has touched for this long may have lost its message: the sender cannot
# be at it any more (host.json's functionTimeout). A message too many does no harm.
_SENDER_GONE = timedelta(minutes=30)

# The queue gives up after three failures; this ends runs that kill their worker before it can fail.
_MOST_ATTEMPTS = 6
_CLAIM_TRIES = 5

SWEEP = json.dumps({"task": "sweep_deleted"})


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
    ) -> None:
        self._datasets = datasets
        self._queue = queue
        self._clock = clock
        self._lease = lease
        self._attempt = Attempt(datasets, parse, fit, seed, code, cap, lease / 5)

    # -- queueing -----------------------------------------------------------------------------

    def queue_refit(self, dataset: str, *, force: bool = False) -> Run:
        """Queue a refit of what the dataset holds now; ``force``: though nothing changed.

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
        new = replace(self._new_run(manifest, f"r{secrets.token_hex(6)}"), force=force)
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
                lease.release(_sentence(error))
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
                self._give_up(run, "The refit failed too often and was given up.")
                return
        raise StorageUnavailable(f"The run {task.run!r} is being written by many at once.")

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
                    self._give_up(run, f"The refit was begun {run.attempt} times and never ended.")
                    return None
                now = self._clock()
                mine = claimed(run, secrets.token_hex(8), now, self._lease)
                return Lease(
                    self._datasets, self._datasets.update_run(mine), self._clock, self._lease
                )
        raise StorageUnavailable(f"The run {task.run!r} is being written by many at once.")

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
        if run.started_at is not None:
            version = version_of(run)
            manifest = self._datasets.find(run.dataset)
            stored = self._datasets.stored_curves(run, version)
            if stored and manifest and manifest.was_promoted(version):
                self._datasets.update_run(ended(run, "promoted", stored.reasons, now, version))
                return
        reasons = (why, *((run.last_error,) if run.last_error else ()))
        self._datasets.update_run(ended(run, "failed", reasons, now))
        log.error("run %s of %s failed: %s", run.run, run.dataset, " ".join(reasons))

    def _gone(self, run: Run) -> bool:
        with suppress(MarginalError):
            manifest = self._datasets.find(run.dataset)
            return manifest is None or manifest.incarnation != run.incarnation
        return False


def _sentence(error: Exception) -> str:
    """For a caller to read: never a path, a secret or a stack."""
    if isinstance(error, MarginalError):
        return str(error)
    return f"The fit stopped at an unexpected error ({type(error).__name__})."


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
            and is_dataset_name(dataset)
            and is_incarnation(incarnation)
            and is_run_id(run)
        ):
            return _Named(dataset, incarnation, run)
    raise MalformedInput.at("", "malformed_message", "The message names no refit.")
