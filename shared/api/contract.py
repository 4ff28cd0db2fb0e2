"""The contract as an OpenAPI 3.0 document, generated from the message models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from shared.api import answers, sensitivity_answers, stored_answers
from shared.api.campaign_messages import CampaignsAnswer, CampaignsRequest
from shared.api.history_messages import FitRequest, Spec
from shared.api.import_messages import ImportRequest, StoreCurvesRequest
from shared.api.messages import (
    EvaluateRequest,
    OptimizeRequest,
    ScenariosRequest,
    SensitivityRequest,
)
from shared.api.schema import openapi_schema

__all__ = ["DATASET_NAME", "OPERATIONS", "PATH_PARAMETERS", "Operation", "openapi_document"]

VERSION = "1.0.0"
"""Version of the contract, not of the build."""

DATASET_NAME = "Name of a dataset: lower-case letters, digits, - and _, at most 63 characters."
PATH_PARAMETERS = {
    "dataset": DATASET_NAME,
    "run": "Id of a run, as the refit answered it.",
    "version": "Version of a curve set; latest is the current one.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint: the same name, method and route as its function in ``function_app``."""

    name: str
    method: str
    route: str
    summary: str
    answer: type[BaseModel] | None
    request: type[BaseModel] | None = None
    csv: bool = False
    status: int = 200
    public: bool = False
    errors: tuple[int, ...] = ()


_READS = (400, 413, 415, 422)

OPERATIONS = (
    Operation(
        "optimize",
        "post",
        "/optimize",
        "The best allocation of a budget, with proof of how good it is.",
        answers.OptimizeAnswer,
        OptimizeRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "scenarios",
        "post",
        "/scenarios",
        "Several what-ifs of one problem, side by side.",
        answers.ScenariosAnswer,
        ScenariosRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "evaluate",
        "post",
        "/evaluate",
        "A plan that the caller already has, scored beside the current and the best one.",
        answers.EvaluateAnswer,
        EvaluateRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "sensitivity",
        "post",
        "/sensitivity",
        "How the answer moves with its assumptions, which matter, and what a test is worth.",
        sensitivity_answers.SensitivityAnswer,
        SensitivityRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "campaigns",
        "post",
        "/campaigns",
        "Campaigns ranked, money moved within their channels, each one predicted.",
        CampaignsAnswer,
        CampaignsRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "fit",
        "post",
        "/fit",
        "Fit curves from a history in the request, synchronously; for small data.",
        stored_answers.CurveSetAnswer,
        FitRequest,
        errors=_READS,
    ),
    Operation(
        "list_datasets", "get", "/datasets", "All stored datasets.", stored_answers.DatasetsAnswer
    ),
    Operation(
        "delete_dataset",
        "delete",
        "/datasets/{dataset}",
        "Delete history and curves of one dataset.",
        None,
        status=204,
        errors=(404, 409),
    ),
    Operation(
        "put_spec",
        "put",
        "/datasets/{dataset}/spec",
        "Declare the roles of the history's columns.",
        stored_answers.StoredAnswer,
        Spec,
        errors=(*_READS, 409),
    ),
    Operation(
        "get_spec",
        "get",
        "/datasets/{dataset}/spec",
        "The declared roles of the columns.",
        Spec,
        errors=(404,),
    ),
    Operation(
        "put_history",
        "put",
        "/datasets/{dataset}/history",
        "Store the spend history, as CSV or as a list of records.",
        stored_answers.StoredAnswer,
        csv=True,
        errors=(*_READS, 409),
    ),
    Operation(
        "get_history",
        "get",
        "/datasets/{dataset}/history",
        "The spend history as it was stored.",
        None,
        csv=True,
        errors=(404,),
    ),
    Operation(
        "put_outcomes",
        "put",
        "/datasets/{dataset}/outcomes",
        "Store the outcomes of a long history, as CSV or as a list of records.",
        stored_answers.StoredAnswer,
        csv=True,
        errors=(*_READS, 409),
    ),
    Operation(
        "get_outcomes",
        "get",
        "/datasets/{dataset}/outcomes",
        "The outcomes as they were stored.",
        None,
        csv=True,
        errors=(404,),
    ),
    Operation(
        "refit",
        "post",
        "/datasets/{dataset}/refit",
        "Queue a refit now; Location names its run.",
        stored_answers.RunAnswer,
        status=202,
        errors=(404,),
    ),
    Operation(
        "get_run",
        "get",
        "/datasets/{dataset}/runs/{run}",
        "The state of a refit, with reasons.",
        stored_answers.RunAnswer,
        errors=(404,),
    ),
    Operation(
        "get_curves",
        "get",
        "/datasets/{dataset}/curves",
        "The current curve set.",
        stored_answers.CurveSetAnswer,
        errors=(404,),
    ),
    Operation(
        "list_curve_versions",
        "get",
        "/datasets/{dataset}/curves/versions",
        "All versions of the curves, newest first.",
        stored_answers.VersionsAnswer,
        errors=(404,),
    ),
    Operation(
        "get_curve_version",
        "get",
        "/datasets/{dataset}/curves/{version}",
        "One version of the curves.",
        stored_answers.CurveSetAnswer,
        errors=(404,),
    ),
    Operation(
        "promote_curves",
        "post",
        "/datasets/{dataset}/curves/{version}/promote",
        "Make a version the current one: roll back.",
        stored_answers.PromotedAnswer,
        errors=(404, 409),
    ),
    Operation(
        "import_curves",
        "post",
        "/curves/import",
        "Curves of another tool (Robyn, Meridian, PyMC-Marketing, a table) as a curve set; nothing "
        "is stored.",
        stored_answers.CurveSetAnswer,
        ImportRequest,
        errors=_READS,
    ),
    Operation(
        "store_curves",
        "post",
        "/datasets/{dataset}/curves",
        "Store curves of another tool as a new version; promote makes them the current ones.",
        stored_answers.ImportedAnswer,
        StoreCurvesRequest,
        status=201,
        errors=(*_READS, 409),
    ),
    Operation(
        "health",
        "get",
        "/health",
        "Liveness, build version, storage reachable.",
        stored_answers.HealthAnswer,
        public=True,
    ),
)

_TITLES = {
    400: "The body cannot be read: not JSON, not UTF-8.",
    404: "No such dataset, version or run.",
    409: "Somebody else wrote first; nothing was changed.",
    413: "More bytes, channels or depth than the service takes.",
    415: "A content type that is not read here.",
    422: "Well formed and impossible, wrong, or not supported yet.",
    500: "An error of the service.",
    503: "Storage does not answer; Retry-After says when to try again.",
}


def openapi_document(base_url: str) -> dict[str, Any]:
    """The OpenAPI 3.0.3 document, served from ``base_url``."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.route, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Marginal",
            "version": VERSION,
            "description": "Where should the next unit of marketing money go? Spend is money per "
            "period, outcomes are in the caller's unit per period.",
        },
        "servers": [{"url": base_url or "/api/v1"}],
        "security": [{"function_key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "function_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}
            }
        },
    }


@cache
def _operation(operation: Operation) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", operation.route)
    out: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in names
    ]
    if operation.name == "refit":
        parameters.append(
            {
                "name": "force",
                "in": "query",
                "required": False,
                "description": "Fit though nothing changed since the last fit.",
                "schema": {"type": "boolean", "default": False},
            }
        )
    if operation.method == "put":
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "ETag that what is stored must still have; otherwise 409.",
                "schema": {"type": "string"},
            }
        )
    if parameters:
        out["parameters"] = parameters
    content: dict[str, Any] = {}
    if operation.request is not None:
        schema = openapi_schema(operation.request, null_is_absent=True)
        content = {"application/json": {"schema": schema}}
    elif operation.csv and operation.method == "put":
        content = _table()
    if content:
        out["requestBody"] = {"required": True, "content": content}
    out["responses"] = _responses(operation)
    if operation.public:
        out["security"] = []
    return out


def _table() -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    return {"text/csv": {"schema": {"type": "string"}}, "application/json": {"schema": rows}}


def _responses(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None:
        schema = openapi_schema(operation.answer, null_is_absent=False)
        good["content"] = {"application/json": {"schema": schema}}
    elif operation.csv:
        good["content"] = _table()
    if operation.status == 202:
        good["headers"] = {
            "Location": {"description": "Where the run is.", "schema": {"type": "string"}}
        }
    problem = openapi_schema(answers.ProblemAnswer, null_is_absent=False)
    named = (422,) if "{" in operation.route else ()
    statuses = sorted({*operation.errors, *named, *(() if operation.public else (500, 503))})
    bad = {
        str(status): {
            "description": _TITLES[status],
            "content": {"application/problem+json": {"schema": problem}},
        }
        for status in statuses
    }
    return {str(operation.status): good, **bad}
