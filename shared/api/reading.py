"""Read a message whole: every fault of its shape and sense, told at once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.api.messages import MAX_CHANNELS, EvaluateRequest, OptimizeRequest
from shared.api.semantics import optimize_faults, plan_faults
from shared.errors import (
    MAX_FAULTS,
    Fault,
    InputTooLarge,
    InvalidInput,
    NotSupportedYet,
    pointer_to,
)
from shared.shapes import validated

__all__ = ["CODE", "accepted", "first", "read", "read_evaluate", "read_optimize", "refuse", "under"]

CODE = "not_supported_yet"
"""Of a fault that is none of the caller's: the contract knows it, this version does not do it."""

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


def _nothing(_: BaseModel) -> Iterable[Fault]:
    return ()


def read(
    model: type[M],
    raw: Any,
    problem: str = "",
    plan: str = "",
    more: Callable[[M], Iterable[Fault]] = _nothing,
) -> M:
    """``raw`` JSON as a planning request, every fault of shape and sense told at once.

    Parameters
    ----------
    problem, plan
        The fields that hold the problem ("": the request is one) and a plan of the caller's.
    more
        Further faults of a message that is well formed.

    Raises
    ------
    InvalidInput, NotSupportedYet, InputTooLarge
    """
    inner = _part(raw, problem) if problem else raw
    channels = _part(inner, "channels")
    if isinstance(channels, list | dict) and len(channels) > MAX_CHANNELS:
        # Refused before anything looks at each of them.
        raise InputTooLarge(
            f"The request has {len(channels)} channels; at most {MAX_CHANNELS} are taken."
        )
    message, faults = validated(model, raw)
    faults += under(pointer_to(problem) if problem else "", first(optimize_faults(inner)))
    faults += plan_faults(_part(raw, plan), plan) if plan else ()
    faults += () if message is None else more(message)
    return accepted(message, faults)


def _part(raw: Any, key: str) -> Any:
    return raw.get(key) if isinstance(raw, dict) else None


def read_optimize(raw: Any) -> OptimizeRequest:
    """``raw`` JSON as an optimize request."""
    return read(OptimizeRequest, raw)


def read_evaluate(raw: Any) -> EvaluateRequest:
    """``raw`` JSON as an evaluate request."""
    return read(EvaluateRequest, raw, problem="problem", plan="plan")
