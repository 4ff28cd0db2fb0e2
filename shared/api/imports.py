"""Curves of other tools over HTTP: converted, or stored as a version of a dataset."""

from __future__ import annotations

from typing import Any

from shared.api.faults import validated
from shared.api.http import Call, Reply
from shared.api.import_messages import ImportRequest, StoreCurvesRequest
from shared.api.reading import accepted
from shared.store.keys import check_dataset_name

__all__ = ["import_curves", "store_curves"]


def import_curves(call: Call) -> Reply:
    """``POST /curves/import``"""
    message = accepted(*validated(ImportRequest, call.json))
    return Reply(call.service.import_curves(_asked(message)).to_dict())


def store_curves(call: Call) -> Reply:
    """``POST /datasets/{dataset}/curves``"""
    dataset = check_dataset_name(call.route["dataset"])
    message = accepted(*validated(StoreCurvesRequest, call.json))
    stored = call.service.store_curves(dataset, _asked(message), promote=message.promote)
    location = f"{call.base_url}{call.path.removesuffix('/')}/{stored['version']}"
    return Reply(stored, status=201, headers={"Location": location})


def _asked(message: ImportRequest) -> dict[str, Any]:
    return message.model_dump(exclude_none=True, exclude={"promote"})
