"""Read a message whole: every fault of its shape and sense, told at once or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.api.messages import EvaluateRequest, OptimizeRequest
from shared.api.semantics import evaluate_faults, optimize_faults
from shared.api.unbuilt import CODE, unbuilt_in_plan, unbuilt_in_request
from shared.errors import MAX_FAULTS, Fault, InvalidInput, NotSupportedYet
from shared.shapes import validated

__all__ = ["accepted", "first", "read_evaluate", "read_optimize", "refuse", "under"]

M = TypeVar("M", bound=BaseModel)


def under(prefix: str, faults: Iterable[Fault]) -> list[Fault]:
    """The same faults of a part, told from the whole."""
    return [Fault(prefix + fault.pointer, fault.code, fault.message) for fault in faults]


def first(faults: Iterable[Fault]) -> list[Fault]:
    """As many faults as an answer tells, and one more where there are more."""
    return list(islice(faults, MAX_FAULTS + 1))


def refuse(faults: Sequence[Fault]) -> None:
    """Raise the error that tells ``faults``, if there are any."""
    if not faults:
        return
    unique = tuple(dict.fromkeys(faults))
    raise (NotSupportedYet if all(f.code == CODE for f in unique) else InvalidInput)(unique)


def accepted(message: M | None, faults: Sequence[Fault]) -> M:
    """``message`` where nothing speaks against it.

    Raises
    ------
    InvalidInput, NotSupportedYet
        With all of ``faults``.
    """
    refuse(faults)
    if message is None:
        raise AssertionError("a message without faults was not built")
    return message


def read_optimize(raw: Any) -> OptimizeRequest:
    """``raw`` JSON as an optimize request, every fault of shape and sense told at once."""
    message, faults = validated(OptimizeRequest, raw)
    unbuilt = [] if message is None else unbuilt_in_request(message)
    return accepted(message, [*faults, *first(optimize_faults(raw)), *unbuilt])


def read_evaluate(raw: Any) -> EvaluateRequest:
    """``raw`` JSON as an evaluate request, every fault of shape and sense told at once."""
    message, faults = validated(EvaluateRequest, raw)
    unbuilt: list[Fault] = []
    if message is not None:
        unbuilt += under("/problem", unbuilt_in_request(message.problem))
        unbuilt += under("/plan", unbuilt_in_plan(message.plan))
    return accepted(message, [*faults, *first(evaluate_faults(raw)), *unbuilt])
