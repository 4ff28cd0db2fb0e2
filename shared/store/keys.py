"""Names and keys: the only place where a caller's word becomes part of a path.

A dataset's blobs live below its own name *and* its incarnation, a random id drawn whenever a
dataset of that name is created, so that a re-created dataset never meets the blobs of an old one::

    datasets/<dataset>/manifest.json                        the one mutable document of a dataset
    inputs/<dataset>/<incarnation>/<part>/<hash>.<suffix>   spec, history, outcomes: by content
    curves/<dataset>/<incarnation>/<version>.json           immutable curve sets
    runs/<dataset>/<incarnation>/<run>.json                 one document a refit run
    plans/<dataset>/<incarnation>/<plan>.json               questions and answers, for a while
    allocators/<dataset>/<incarnation>/<allocator>.json     one ledger an allocator
    allocators/.../<allocator>/<period>-<decision>.json     its splits, as really used
    adopted/<dataset>/<incarnation>/<plan>.json             adopted plans, and their course
    jobs/<dataset>/<incarnation>/<job>.json                 one document a job, like a run's
    jobs/<dataset>/<incarnation>/<job>.question, .answer    its request until it ends; its answer
    experiments/<dataset>/<incarnation>/<id>.json           tests that were designed
    deleted/<dataset>/<incarnation>.json                    whose blobs are still to be swept

``curves/``, ``runs/``, ``plans/`` and ``jobs/`` come first in their paths so that a lifecycle rule
can match by prefix. A job whose question brings its own curves is of the dataset ``INLINE``.
"""

from __future__ import annotations

import re

from shared.errors import InvalidInput

__all__ = [
    "ADOPTED",
    "ALLOCATORS",
    "CURVES",
    "DATASETS",
    "DELETED",
    "EXPERIMENTS",
    "INLINE",
    "INPUTS",
    "JOBS",
    "PLANS",
    "RUNS",
    "blob_key",
    "check_dataset_name",
    "check_key",
    "check_prefix",
    "is_curves_version",
    "is_dataset_name",
    "is_incarnation",
    "is_job_id",
    "is_plan_id",
    "is_run_id",
]

DATASETS, INPUTS, CURVES, RUNS, DELETED = "datasets", "inputs", "curves", "runs", "deleted"
PLANS, ALLOCATORS, ADOPTED, JOBS = "plans", "allocators", "adopted", "jobs"
EXPERIMENTS = "experiments"

INLINE = "INLINE"
"""In place of a dataset's name, which has no capital letters: jobs that are of none."""

# \Z, not $: "$" also matches before a final line feed.
_DATASET = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_INCARNATION = re.compile(r"[0-9a-f]{12}\Z")
_RUN = re.compile(r"[a-z0-9][a-z0-9-]{0,47}\Z")
_JOB = re.compile(r"j[0-9a-f]{16}\Z")
_PLAN = re.compile(r"[a-z0-9]{1,32}\Z")
_VERSION = re.compile(r"v[0-9]{8}T[0-9]{6}Z-[a-z0-9][a-z0-9-]{0,47}\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_LONGEST_KEY = 512


def is_dataset_name(name: str) -> bool:
    """Whether ``name`` may name a dataset.

    >>> [is_dataset_name(n) for n in ("brand-a", "A", "../x", "a/b", "", "a" * 64)]
    [True, False, False, False, False, False]
    """
    return _DATASET.match(name) is not None


def check_dataset_name(name: str) -> str:
    """Answer ``name`` unchanged, or raise ``InvalidInput`` at ``/dataset``."""
    if not is_dataset_name(name):
        raise InvalidInput.at(
            "/dataset",
            "invalid_dataset_name",
            "A dataset's name has 1 to 63 characters: lower-case letters, digits, '-' and '_', "
            "starting with a letter or digit.",
        )
    return name


def is_incarnation(text: str) -> bool:
    return _INCARNATION.match(text) is not None


def is_run_id(text: str) -> bool:
    return _RUN.match(text) is not None


def is_job_id(text: str) -> bool:
    """Whether a run is a job: no other run's id looks so."""
    return _JOB.match(text) is not None


def is_plan_id(text: str) -> bool:
    return _PLAN.match(text) is not None


def is_curves_version(text: str) -> bool:
    return _VERSION.match(text) is not None


def check_key(key: str) -> str:
    """Refuse a key that could mean anything but itself; a fault here is a bug, not bad input."""
    if len(key) > _LONGEST_KEY or not all(_SEGMENT.match(part) for part in key.split("/")):
        raise ValueError(f"not a storage key: {key[:80]!r}")
    return key


def check_prefix(prefix: str) -> str:
    """Like ``check_key`` for the beginning of a key, which may be empty or end in ``/``."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def blob_key(room: str, dataset: str, *below: str) -> str:
    """Join a checked key; the dataset's name is checked again, whoever called."""
    if not is_dataset_name(dataset) and (room, dataset) != (JOBS, INLINE):
        raise ValueError(f"not a dataset name: {dataset[:80]!r}")
    return check_key("/".join((room, dataset, *below)))
