"""Datasets: what was put, what was fitted from it, and the runs that did so.

Everything but the manifest and the runs is written once and never changed. Whatever a write does
first, its last step is one flip of the manifest: killed before it, the old state is whole; after
it, the new one is.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.curves.curveset import CurveSet
from shared.errors import NotFound, PreconditionFailed, UnsupportedContent, WriteConflict
from shared.store.base import BlobStore, each
from shared.store.keys import (
    ADOPTED,
    ALLOCATORS,
    CURVES,
    DELETED,
    EXPERIMENTS,
    INLINE,
    INPUTS,
    JOBS,
    PLANS,
    RUNS,
    blob_key,
    is_dataset_name,
    is_incarnation,
    is_job_id,
    is_plan_id,
    is_run_id,
)
from shared.store.ledgers import Ledgers
from shared.store.manifests import Clock, Manifests, utc_now
from shared.store.records import (
    Asked,
    Document,
    Manifest,
    Run,
    StoredCurves,
    VersionEntry,
    from_stamp,
    stamp,
    to_json,
)
from shared.store.versions import Versions, version_name

__all__ = ["NO_INCARNATION", "Datasets", "etag_of", "job_name", "version_of_input"]

NO_INCARNATION = "0" * 12
"""Of jobs that are of no dataset."""

_SUFFIX = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.apache.parquet": "parquet",
}
_CONTENT_TYPE = {suffix: content_type for content_type, suffix in _SUFFIX.items()}


_PLANS_KEPT = timedelta(days=30)
_JOBS_KEPT = timedelta(days=7)

# How long a writer may go on that began before its dataset was deleted: the app's functionTimeout,
# doubled. Only then is an incarnation swept for the last time.
_LAST_WRITER = timedelta(hours=1)


class Datasets:
    """All datasets of one store; safe to share between threads.

    Parameters
    ----------
    clock
        Answers the present time, with its zone.
    """

    def __init__(self, blobs: BlobStore, clock: Clock = utc_now) -> None:
        self._blobs = blobs
        self._clock = clock
        self._manifests = Manifests(blobs, clock)
        self._versions = Versions(blobs)

    # -- datasets -----------------------------------------------------------------------------

    def find(self, dataset: str) -> Manifest | None:
        """The dataset's manifest, or None; ``InvalidInput`` for what is no name."""
        return self._manifests.find(dataset)

    def manifest(self, dataset: str) -> Manifest:
        """The dataset's manifest; ``NotFound`` where there is none."""
        return self._manifests.get(dataset)

    def names(self) -> Iterator[str]:
        """Names of all datasets, page by page."""
        return self._manifests.names()

    def manifests(self, after: str = "") -> Iterator[Manifest]:
        """The manifests of all datasets by name (behind ``after``), several read at once.

        Those deleted meanwhile are left out.
        """
        names = (name for name in self.names() if name > after)
        return (found for found in each(self.find, names) if found is not None)

    def list(self) -> tuple[Manifest, ...]:
        return tuple(self.manifests())

    def delete(self, dataset: str) -> None:
        """Delete a dataset: it is gone at once, its blobs right after.

        A note of what is to be swept is left first, so that a crash leaves nothing visible and
        nothing for good.
        """
        manifest = self.manifest(dataset)
        incarnation = manifest.incarnation
        with suppress(WriteConflict):  # left by an attempt before this one
            self._blobs.create(
                blob_key(DELETED, dataset, f"{incarnation}.json"),
                to_json({"deleted_at": stamp(self._clock())}),
            )
        self._manifests.remove(manifest)
        self._sweep(dataset, incarnation)

    def has_deleted(self) -> bool:
        """Whether anything is left for ``sweep_deleted``."""
        return next(self._blobs.keys(f"{DELETED}/"), None) is not None

    def sweep_deleted(self) -> int:
        """Remove what crashed deletions and late writers left behind; how many were looked at."""
        count = 0
        for key in self._blobs.keys(f"{DELETED}/"):
            _, dataset, file = key.split("/")
            incarnation = file.removesuffix(".json")
            manifest = self.find(dataset)
            if manifest is not None and manifest.incarnation == incarnation:
                continue  # the deletion stopped before it deleted: the dataset lives
            self._sweep(dataset, incarnation)
            try:
                deleted_at = json.loads(self._blobs.read(key).data)["deleted_at"]
            except NotFound:
                continue  # another sweeper was here
            if self._clock() - from_stamp(deleted_at) > _LAST_WRITER:
                self._blobs.delete(key)
            count += 1
        return count

    # -- inputs -------------------------------------------------------------------------------

    def put_spec(
        self,
        dataset: str,
        spec: Mapping[str, Any],
        *,
        if_match: str | None = None,
        seen: Manifest | None = None,
    ) -> str:
        """Store the roles of the columns; answers the ETag. See ``put_history``."""
        return self.put_input(dataset, "spec", to_json(spec), "application/json", if_match, seen)

    def put_history(
        self,
        dataset: str,
        data: bytes,
        content_type: str,
        *,
        if_match: str | None = None,
        seen: Manifest | None = None,
    ) -> str:
        """Store a spend history; the dataset is made where there is none.

        Parameters
        ----------
        content_type
            One of those that tables are kept as, parameters allowed.
        if_match
            The ETag that the history must have (``*``: any, but there must be one).
        seen
            The manifest that ``data`` was checked against, where it was.

        Returns
        -------
        The history's new ETag: of its content, so the same bytes have the same one.

        Raises
        ------
        PreconditionFailed
            Where the history no longer has ``if_match``.
        WriteConflict
            Where any input of the dataset changed since ``seen`` (or since this call began).
            Nothing is lost: the stored state is the winner's.
        """
        return self.put_input(dataset, "history", data, content_type, if_match, seen)

    def put_outcomes(
        self,
        dataset: str,
        data: bytes,
        content_type: str,
        *,
        if_match: str | None = None,
        seen: Manifest | None = None,
    ) -> str:
        """Store the outcomes that belong to a long history. See ``put_history``."""
        return self.put_input(dataset, "outcomes", data, content_type, if_match, seen)

    def keep(
        self, dataset: str, asked: Asked, data: bytes, content_type: str
    ) -> tuple[Manifest, Asked]:
        """Store a table that is to be read later; it is not current by that.

        The dataset is made where there is none. Answers what the dataset is now, and what was asked
        with the version of the table.

        Raises
        ------
        WriteConflict
            Where the part is not the one that ``asked.if_match`` names.
        """
        manifest = self.find(dataset) or self._manifests.blank(dataset)
        self.check_match(manifest, asked.part, asked.if_match)
        version = version_of_input(data, content_type)
        self._create_input(manifest, asked.part, version, data)
        if not manifest.etag:
            manifest = self._manifests.flip(manifest, lambda m: m, still_holds=lambda _: False)
        return manifest, replace(asked, version=version)

    def get_spec(self, dataset: str) -> Document:
        return self._get(dataset, "spec")

    def get_history(self, dataset: str) -> Document:
        return self._get(dataset, "history")

    def get_outcomes(self, dataset: str) -> Document:
        return self._get(dataset, "outcomes")

    def read_input(self, place: Manifest | Run, part: str) -> Document | None:
        """A part (``spec``, ``history``, ``outcomes``) in the version that ``place`` names."""
        version: str | None = getattr(place.inputs, part)
        return None if version is None else self.read_version(place, part, version)

    def read_version(self, place: Manifest | Run, part: str, version: str) -> Document:
        """A part as it was sent once, current or not."""
        blob = self._blobs.read(blob_key(INPUTS, place.dataset, place.incarnation, part, version))
        return Document(blob.data, _CONTENT_TYPE[version.rpartition(".")[2]], etag_of(version))

    # -- curves -------------------------------------------------------------------------------

    def current(self, dataset: str) -> str | None:
        """The version of the current curve set; None before the first was promoted."""
        return self.manifest(dataset).curves

    def curves(self, dataset: str, version: str = "latest") -> CurveSet:
        """A curve set; ``latest`` is the current one, which a roll-back makes an older one."""
        manifest = self.manifest(dataset)
        if version == "latest":
            if manifest.curves is None:
                raise NotFound(f"The dataset {dataset!r} has no fitted curves yet.")
            version = manifest.curves
        return self._versions.curve_set(manifest, version)

    def stored_curves(self, place: Manifest | Run, version: str) -> StoredCurves | None:
        """A set with its gate's verdict; None where there is no such version."""
        return self._versions.find(place, version)

    def last_fit(self, run: Run) -> StoredCurves | None:
        """The newest set that was fitted here of the run's dataset, promoted or not."""
        for entry in self._versions.entries(self._place(run)):
            stored = self._versions.find(run, entry.version)
            if stored is not None and stored.fitted_from is not None:
                return stored
        return None

    def save_curves(self, run: Run, stored: StoredCurves) -> None:
        """Write a run's set, once; it is not current by that. ``WriteConflict`` if it is there."""
        self._versions.create(run, stored)

    def add_curves(self, dataset: str, curves: CurveSet, *, promote: bool) -> str:
        """Store curves that no run made; answers the version that they got.

        The dataset is made where there is none. The set is written before the manifest says so.

        Raises
        ------
        WriteConflict
            Where other curves became current meanwhile, or the dataset was deleted; then the set
            is not left behind.
        """
        manifest = self.find(dataset) or self._manifests.blank(dataset)
        now = self._clock()
        source = f"import-{secrets.token_hex(6)}"
        version = version_name(now, source)
        stored = StoredCurves(
            curve_set=replace(curves, dataset=dataset, version=version, created_at=stamp(now)),
            run=source,
            queued_at=stamp(now),
            promote=promote,
            reasons=("Imported, not fitted here.",),
            based_on=manifest.curves,
        )
        self._versions.create(manifest, stored)
        if not promote and manifest.etag:
            return version
        try:
            self._manifests.flip(
                manifest,
                lambda m: m.with_curves(version, stamp(now)) if promote else m,
                still_holds=lambda m: m.curves == manifest.curves,
            )
        except WriteConflict:
            self._versions.remove(manifest, version)
            raise
        return version

    def versions(self, dataset: str) -> tuple[VersionEntry, ...]:
        """All stored versions, newest first."""
        return self._versions.entries(self.manifest(dataset))

    def promote(self, dataset: str, version: str, key: str | None = None) -> Manifest:
        """Make a stored version the current one, because a person said so.

        With a ``key`` that is in the log already nothing is done: it was asked for once.
        """
        manifest = self.manifest(dataset)
        if key is not None and any(entry.key == key for entry in manifest.promotions):
            return manifest
        if self.stored_curves(manifest, version) is None:
            raise NotFound(f"The dataset {dataset!r} has no curves of that version.")
        if manifest.curves == version:
            return manifest
        now = stamp(self._clock())
        return self._manifests.flip(
            manifest, lambda m: m.with_curves(version, now, key), still_holds=lambda _: True
        )

    def promote_over(self, run: Run, version: str, based_on: str | None) -> bool:
        """Make a run's set current only while ``based_on`` still is; whether it ever was.

        Raises
        ------
        NotFound
            Where the dataset is gone, or was made anew.
        """
        manifest = self._place(run)
        if manifest.was_promoted(version):
            return True
        if manifest.curves != based_on:
            return False
        now = stamp(self._clock())
        try:
            self._manifests.flip(
                manifest,
                lambda m: m.with_curves(version, now),
                still_holds=lambda m: m.curves == based_on and not m.was_promoted(version),
            )
        except WriteConflict:
            return self._place(run).was_promoted(version)
        return True

    # -- runs ---------------------------------------------------------------------------------

    def create_run(self, run: Run) -> Run:
        """Write a new run; ``WriteConflict`` where there is one of that id."""
        new = replace(run, write=secrets.token_hex(8))
        try:
            return replace(new, etag=self._blobs.create(_run_key(new), new.to_bytes()))
        except WriteConflict:
            return self._own_write(new)

    def read_run(self, dataset: str, run: str) -> Run:
        """A run of a dataset that is there; ``NotFound`` otherwise."""
        found = self.find_run(dataset, self.manifest(dataset).incarnation, run)
        if found is None or found.question is not None:
            raise NotFound(f"The dataset {dataset!r} has no such run.")
        return found

    def runs(self, dataset: str) -> tuple[Run, ...]:
        """All runs of a dataset that are still kept, newest first."""
        manifest = self.manifest(dataset)
        prefix = f"{RUNS}/{dataset}/{manifest.incarnation}/"
        names = (key[len(prefix) :].removesuffix(".json") for key in self._blobs.keys(prefix))
        found = each(lambda name: self.find_run(dataset, manifest.incarnation, name), names)
        runs = [run for run in found if run is not None]
        return tuple(sorted(runs, key=lambda run: (run.created_at, run.run), reverse=True))

    def find_run(self, dataset: str, incarnation: str, run: str) -> Run | None:
        """The run as it stands; None where there is none, or where these can be no ids."""
        if not (is_incarnation(incarnation) and is_run_id(run)):
            return None
        try:
            blob = self._blobs.read(blob_key(_room(run), dataset, incarnation, f"{run}.json"))
        except NotFound:
            return None
        return Run.from_bytes(blob.data, blob.etag)

    def update_run(self, run: Run) -> Run:
        """Write a run that was read before; ``WriteConflict`` where it changed (or went) since."""
        new = replace(run, write=secrets.token_hex(8))
        try:
            return replace(new, etag=self._blobs.replace(_run_key(new), new.to_bytes(), run.etag))
        except WriteConflict:
            return self._own_write(new)

    def delete_run(self, run: Run) -> None:
        """Take back a run that was never queued; ``WriteConflict`` where it changed since."""
        self._blobs.delete(_run_key(run), run.etag)

    # -- jobs ---------------------------------------------------------------------------------

    def job(self, job: str) -> Run:
        """The job of an id that a caller was given; ``NotFound`` where it ended a week ago."""
        *place, name = job.split("~")
        found = None
        if is_job_id(name) and not place:
            found = self.find_run(INLINE, NO_INCARNATION, name)
        elif is_job_id(name) and len(place) == 2 and is_dataset_name(place[0]):
            found = self.find_run(place[0], place[1], name)
        ended = None if found is None else found.finished_at
        late = ended is not None and self._clock() - from_stamp(ended) > _JOBS_KEPT
        if found is None or late or (place and self._is_gone(found)):
            raise NotFound("There is no such job: it is kept for 7 days after its end.")
        return found

    def keep_question(self, job: Run, body: bytes) -> None:
        """Store what a job asks, before anybody hears of the job."""
        self._blobs.create(_job_key(job, "question"), body)

    def question(self, job: Run) -> bytes:
        """What a job asks."""
        return self._blobs.read(_job_key(job, "question")).data

    def forget_question(self, job: Run) -> None:
        """Remove the request of a job that ended."""
        self._blobs.delete(_job_key(job, "question"))

    def keep_answer(self, job: Run, status: int, body: Any) -> int:
        """Store a job's answer, once: the first that is stored counts; answers its status."""
        with suppress(WriteConflict):
            self._blobs.create(_job_key(job, "answer"), to_json({"status": status, "body": body}))
            return status
        found = self.answer(job)
        return status if found is None else found[0]

    def answer(self, job: Run) -> tuple[int, Any] | None:
        """A job's answer, as (HTTP status, body); None where there is none."""
        try:
            found = json.loads(self._blobs.read(_job_key(job, "answer")).data)
        except NotFound:
            return None
        return found["status"], found["body"]

    def _is_gone(self, run: Run) -> bool:
        manifest = self.find(run.dataset)
        return manifest is None or manifest.incarnation != run.incarnation

    # -- plans --------------------------------------------------------------------------------

    def keep_plan(self, dataset: str, name: str, told: Mapping[str, Any]) -> str:
        """Keep a question with its answer for 30 days; answers its id, the same all day."""
        manifest, now = self.manifest(dataset), self._clock()
        plan = f"{name}{now:%m%d}"
        key = blob_key(PLANS, dataset, manifest.incarnation, f"{plan}.json")
        with suppress(WriteConflict):  # the same question was asked today
            self._blobs.create(key, to_json({"created_at": stamp(now), **told}))
        return plan

    def plan(self, dataset: str, plan: str) -> dict[str, Any] | None:
        """A plan that is kept; None where there is none of that id, or it is too old."""
        if not is_plan_id(plan):
            return None
        manifest = self.manifest(dataset)
        try:
            blob = self._blobs.read(blob_key(PLANS, dataset, manifest.incarnation, f"{plan}.json"))
        except NotFound:
            return None
        found: dict[str, Any] = json.loads(blob.data)
        old = self._clock() - from_stamp(found["created_at"]) > _PLANS_KEPT
        return None if old else found

    def with_ledgers(self) -> set[str]:
        """Names of the datasets that have allocators or adopted plans."""
        rooms = (ALLOCATORS, ADOPTED)
        return {name for room in rooms for name in self._blobs.folders(f"{room}/")}

    def ledgers(self, room: str, what: str) -> Ledgers:
        """The documents of one room of storage that are changed by ETag."""
        return Ledgers(self._blobs, self.manifest, room, what)

    # -- experiments --------------------------------------------------------------------------

    def keep_experiment(self, dataset: str, experiment: str, told: Mapping[str, Any]) -> None:
        """Keep a designed test under the id of its content: written once, never changed."""
        key = blob_key(
            EXPERIMENTS, dataset, self.manifest(dataset).incarnation, f"{experiment}.json"
        )
        with suppress(WriteConflict):  # the same test was asked for before
            self._blobs.create(key, to_json({"created_at": stamp(self._clock()), **told}))

    def experiment(self, dataset: str, experiment: str) -> dict[str, Any]:
        """A designed test; ``NotFound`` where there is none of that id."""
        manifest = self.manifest(dataset)
        if is_plan_id(experiment):
            with suppress(NotFound):
                key = blob_key(EXPERIMENTS, dataset, manifest.incarnation, f"{experiment}.json")
                found: dict[str, Any] = json.loads(self._blobs.read(key).data)
                return found
        raise NotFound(f"The dataset {dataset!r} has no such experiment.")

    def experiments(self, dataset: str) -> tuple[dict[str, Any], ...]:
        """All designed tests of a dataset, the oldest first."""
        prefix = f"{EXPERIMENTS}/{dataset}/{self.manifest(dataset).incarnation}/"
        found = [json.loads(blob.data) for blob in each(self._blobs.read, self._blobs.keys(prefix))]
        return tuple(sorted(found, key=lambda told: (told["created_at"], told["experiment"])))

    # -- inside -------------------------------------------------------------------------------

    def _own_write(self, new: Run) -> Run:
        # Written, but the answer was lost and the write sent again? Then it lost against itself.
        found = self.find_run(new.dataset, new.incarnation, new.run)
        if found is None or found.write != new.write:
            raise WriteConflict(f"The run {new.run!r} was changed by somebody else meanwhile.")
        return found

    def put_input(
        self,
        dataset: str,
        part: str,
        data: bytes,
        content_type: str,
        if_match: str | None = None,
        seen: Manifest | None = None,
    ) -> str:
        """Make a part of the inputs current. See ``put_history``."""
        manifest = seen or self.find(dataset) or self._manifests.blank(dataset)
        if manifest.dataset != dataset:
            raise ValueError("the manifest of another dataset")
        version = version_of_input(data, content_type)
        self.check_match(manifest, part, if_match)
        if version == getattr(manifest.inputs, part) and seen is None:
            return etag_of(version)
        self._create_input(manifest, part, version, data)
        self._manifests.flip(
            manifest,
            lambda m: replace(m, inputs=replace(m.inputs, **{part: version})),
            still_holds=lambda m: m.inputs == manifest.inputs,
        )
        return etag_of(version)

    def check_match(self, manifest: Manifest, part: str, if_match: str | None) -> None:
        """``PreconditionFailed`` where a part has not the ETag (``*``: any) that a write names."""
        held: str | None = getattr(manifest.inputs, part)
        wanted = None if held is None else (etag_of(held), "*")
        if if_match is not None and (wanted is None or if_match not in wanted):
            text = f"The {part} of {manifest.dataset!r} is not the one that If-Match names."
            raise PreconditionFailed(text)

    def _create_input(self, manifest: Manifest, part: str, version: str, data: bytes) -> None:
        key = blob_key(INPUTS, manifest.dataset, manifest.incarnation, part, version)
        with suppress(WriteConflict):  # the same bytes are there already
            self._blobs.create(key, data)

    def _get(self, dataset: str, part: str) -> Document:
        document = self.read_input(self.manifest(dataset), part)
        if document is None:
            raise NotFound(f"The dataset {dataset!r} has no {part} yet.")
        return document

    def _place(self, run: Run) -> Manifest:
        manifest = self.find(run.dataset)
        if manifest is None or manifest.incarnation != run.incarnation:
            raise NotFound(f"The dataset {run.dataset!r} was deleted.")
        return manifest

    def _sweep(self, dataset: str, incarnation: str) -> None:
        for room in (CURVES, RUNS, INPUTS, PLANS, JOBS, ALLOCATORS, ADOPTED, EXPERIMENTS):
            keys = self._blobs.keys(f"{room}/{dataset}/{incarnation}/")
            for _ in each(self._blobs.delete, keys):
                pass


def version_of_input(data: bytes, content_type: str) -> str:
    """The name of a table's content: the same bytes, the same version."""
    suffix = _SUFFIX.get(content_type.partition(";")[0].strip().lower())
    if suffix is None:
        raise UnsupportedContent(f"Only {', '.join(_SUFFIX)} are kept here.")
    return f"{hashlib.sha256(data).hexdigest()[:32]}.{suffix}"


def etag_of(version: str) -> str:
    """The ETag of an input's version."""
    return f'"{version}"'


def _run_key(run: Run) -> str:
    return blob_key(_room(run.run), run.dataset, run.incarnation, f"{run.run}.json")


def _room(run: str) -> str:
    return JOBS if is_job_id(run) else RUNS


def _job_key(job: Run, kind: str) -> str:
    return blob_key(JOBS, job.dataset, job.incarnation, f"{job.run}.{kind}")


def job_name(job: Run) -> str:
    """The id that a caller is given: it says where the job is stored."""
    place = "" if job.dataset == INLINE else f"{job.dataset}~{job.incarnation}~"
    return place + job.run
