"""The jobs' part of the contract in code."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.api.answers import Answer
from shared.api.dataset_messages import Time

__all__ = ["JobAnswer"]


class JobAnswer(Answer):
    """A question that is answered later: how it stands, in the states of Durable Functions."""

    job: str
    question: str = Field(description="The endpoint that was asked.")
    runtime_status: Literal["Pending", "Running", "Completed", "Failed", "Terminated"]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    attempt: int
    output: dict[str, Any] | None = Field(
        description="Completed: what the endpoint answers. Failed: its problem."
    )
