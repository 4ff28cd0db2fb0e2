"""What a message on the refit queue says: the run to work on, or that leftovers be swept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from shared.errors import MalformedInput
from shared.store.keys import is_dataset_name, is_incarnation, is_run_id
from shared.store.records import Run

__all__ = ["SWEEP", "Task", "message_of", "read_task"]

SWEEP = json.dumps({"task": "sweep_deleted"})


@dataclass(frozen=True, slots=True)
class Task:
    """A run, by name: all that is known of it is in storage."""

    dataset: str
    incarnation: str
    run: str


def message_of(run: Run) -> str:
    """The message that asks for a run."""
    return json.dumps(asdict(Task(run.dataset, run.incarnation, run.run)))


def read_task(message: str) -> Task | None:
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
            return Task(dataset, incarnation, run)
    raise MalformedInput.at("", "malformed_message", "The message names no refit.")
