"""A dataset's night beside its refit: the next split of its allocators, the course of its plans.

It is one message in the queue of refits, and may be lost, doubled or late: what it writes follows
from what is stored.
"""

from __future__ import annotations

import json

from shared.store.keys import is_dataset_name

__all__ = ["dataset_in", "message_of"]

_TASK = "learn"


def message_of(dataset: str) -> str:
    """The message that asks for a dataset's night."""
    return json.dumps({"task": _TASK, "dataset": dataset})


def dataset_in(message: str) -> str | None:
    """The dataset of such a message; None of any other."""
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("task") != _TASK:
        return None
    dataset = body.get("dataset")
    return dataset if isinstance(dataset, str) and is_dataset_name(dataset) else None
