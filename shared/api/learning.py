"""Learning from what happens over HTTP: allocators, off-policy evaluation, tracking of plans."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from shared.api.datasets import page_of
from shared.api.http import Call, Reply
from shared.api.reading import accepted
from shared.api.reports import budget_of
from shared.errors import InvalidInput
from shared.learn.allocators.spec import AllocatorSpec, Observations
from shared.shapes import validated
from shared.store.keys import check_dataset_name

__all__ = [
    "adopt_plan",
    "create_allocator",
    "delete_allocator",
    "get_allocator",
    "list_allocators",
    "next_split",
    "observe",
    "offpolicy",
    "track_plan",
]


def create_allocator(call: Call) -> Reply:
    """``POST /datasets/{dataset}/allocators``"""
    dataset = _dataset(call)
    spec = accepted(*validated(AllocatorSpec, call.json))
    made = call.service.allocators.create(dataset, spec)
    location = f"{call.base_url}{call.path.removesuffix('/')}/{made['allocator']}"
    return Reply(made, status=201, headers={"Location": location})


def list_allocators(call: Call) -> Reply:
    """``GET /datasets/{dataset}/allocators``"""
    found = call.service.allocators.every(_dataset(call))
    return page_of(call, "allocators", found, lambda entry: entry["allocator"])


def get_allocator(call: Call) -> Reply:
    """``GET /datasets/{dataset}/allocators/{allocator}``"""
    return Reply(call.service.allocators.get(_dataset(call), call.route["allocator"]))


def delete_allocator(call: Call) -> Reply:
    """``DELETE /datasets/{dataset}/allocators/{allocator}``"""
    call.service.allocators.delete(_dataset(call), call.route["allocator"])
    return Reply(None, status=204)


def observe(call: Call) -> Reply:
    """``POST /datasets/{dataset}/allocators/{allocator}/observe``"""
    told = accepted(*validated(Observations, call.json))
    return Reply(call.service.allocators.observe(_dataset(call), call.route["allocator"], told))


def next_split(call: Call) -> Reply:
    """``GET /datasets/{dataset}/allocators/{allocator}/next``"""
    dataset, name, budget = (
        _dataset(call),
        call.route["allocator"],
        budget_of(call.query.get("budget")),
    )
    if budget == 0.0:
        raise InvalidInput.at("/budget", "out_of_range", "A budget of 0 needs no split.")
    return Reply(call.service.allocators.next(dataset, name, _period(call), budget, _context(call)))


def adopt_plan(call: Call) -> Reply:
    """``POST /datasets/{dataset}/plans/{plan}/adopt``"""
    from shared.learn.tracking import Adoption

    asked = accepted(*validated(Adoption, call.json))
    return Reply(call.service.tracking.adopt(_dataset(call), _plan(call), asked))


def track_plan(call: Call) -> Reply:
    """``GET /datasets/{dataset}/plans/{plan}/tracking``"""
    return Reply(call.service.tracking.course(_dataset(call), _plan(call)))


def offpolicy(call: Call) -> Reply:
    """``POST /offpolicy``"""
    from shared.learn.offpolicy import OffPolicy, evaluate

    return Reply(evaluate(accepted(*validated(OffPolicy, call.json))))


def _dataset(call: Call) -> str:
    return check_dataset_name(call.route["dataset"])


def _plan(call: Call) -> str:
    """The plan's own part of a plan_id, which may begin with its dataset's name."""
    return call.route["plan"].removeprefix(f"{call.route['dataset']}.")


def _period(call: Call) -> int | None:
    given = call.query.get("period")
    if given is not None and not re.fullmatch("[0-9]{1,7}", given):
        text = "period is a whole number from 0 to 9999999."
        raise InvalidInput.at("/period", "out_of_range", text)
    return None if given is None else int(given)


def _context(call: Call) -> dict[str, str | float] | None:
    given = call.query.get("context")
    if given is None:
        return None
    try:
        found: Any = json.loads(given)
    except (ValueError, RecursionError):
        found = None
    plain = isinstance(found, dict) and all(
        isinstance(v, str) or (type(v) in (int, float) and math.isfinite(v)) for v in found.values()
    )
    if not plain:
        text = 'context is a JSON object of features, such as {"device": "mobile"}.'
        raise InvalidInput.at("/context", "wrong_type", text)
    return {k: v if isinstance(v, str) else float(v) for k, v in found.items()}
