"""The endpoints of the contract by name, each with what it takes, answers and may say no with."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from shared.api import answers, dataset_messages, question_messages
from shared.api.dataset_messages import FitRequest, ImportRequest, StoreCurvesRequest
from shared.api.messages import (
    EvaluateRequest,
    OptimizeRequest,
    ScenariosRequest,
    SensitivityRequest,
)
from shared.api.question_messages import CampaignsAnswer, CampaignsRequest
from shared.history.spec import Spec

__all__ = ["DATASET_NAME", "OPERATIONS", "PATH_PARAMETERS", "Operation"]

DATASET_NAME = "Name of a dataset: lower-case letters, digits, - and _, at most 63 characters."
PATH_PARAMETERS = {
    "dataset": DATASET_NAME,
    "run": "Id of a run, as the refit answered it.",
    "version": "Version of a curve set; latest is the current one.",
    "plot": "allocation, responses, budget, shares, decomposition, fit or returns.",
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
    query: tuple[str, ...] = ()
    media: tuple[str, ...] = ()


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
        answers.SensitivityAnswer,
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
        "transition",
        "post",
        "/transition",
        "Steps from today's plan to the recommended one, within a largest change a period.",
        question_messages.TransitionAnswer,
        question_messages.TransitionRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "experiment",
        "post",
        "/experiment",
        "Which channel to test first, how much, how long, and what the test can tell.",
        question_messages.ExperimentAnswer,
        question_messages.ExperimentRequest,
        errors=(*_READS, 404),
    ),
    Operation(
        "fit",
        "post",
        "/fit",
        "Fit curves from a history in the request, synchronously; for small data.",
        dataset_messages.CurveSetAnswer,
        FitRequest,
        errors=_READS,
    ),
    Operation(
        "list_datasets", "get", "/datasets", "All stored datasets.", dataset_messages.DatasetsAnswer
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
        dataset_messages.StoredAnswer,
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
        "Store the spend history: CSV, a list of records, a workbook, or as a platform exports it.",
        dataset_messages.StoredAnswer,
        csv=True,
        errors=(*_READS, 409),
        query=("source",),
    ),
    Operation(
        "patch_history",
        "patch",
        "/datasets/{dataset}/history",
        "Add rows to the spend history, replacing those of the dates that they bring.",
        dataset_messages.StoredAnswer,
        csv=True,
        errors=(*_READS, 404, 409),
        query=("source",),
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
        "Store the outcomes of a long history, in any form that a history may have.",
        dataset_messages.StoredAnswer,
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
        dataset_messages.RunAnswer,
        status=202,
        errors=(404,),
        query=("force",),
    ),
    Operation(
        "get_run",
        "get",
        "/datasets/{dataset}/runs/{run}",
        "The state of a refit, with reasons.",
        dataset_messages.RunAnswer,
        errors=(404,),
    ),
    Operation(
        "get_curves",
        "get",
        "/datasets/{dataset}/curves",
        "The current curve set.",
        dataset_messages.CurveSetAnswer,
        errors=(404,),
    ),
    Operation(
        "list_curve_versions",
        "get",
        "/datasets/{dataset}/curves/versions",
        "All versions of the curves, newest first.",
        dataset_messages.VersionsAnswer,
        errors=(404,),
    ),
    Operation(
        "get_curve_version",
        "get",
        "/datasets/{dataset}/curves/{version}",
        "One version of the curves.",
        dataset_messages.CurveSetAnswer,
        errors=(404,),
    ),
    Operation(
        "promote_curves",
        "post",
        "/datasets/{dataset}/curves/{version}/promote",
        "Make a version the current one: roll back.",
        dataset_messages.PromotedAnswer,
        errors=(404, 409),
    ),
    Operation(
        "report",
        "get",
        "/datasets/{dataset}/report",
        "One page for people: the plan, pictures, tables and checks, in a single HTML file.",
        None,
        errors=(404,),
        query=("version", "budget"),
        media=("text/html",),
    ),
    Operation(
        "plot",
        "get",
        "/datasets/{dataset}/plots/{plot}",
        "One picture of the report.",
        None,
        errors=(404,),
        query=("format", "version", "budget"),
        media=("image/svg+xml", "image/png"),
    ),
    Operation(
        "import_curves",
        "post",
        "/curves/import",
        "Curves of another tool (Robyn, Meridian, PyMC-Marketing, a table) as a curve set; nothing "
        "is stored.",
        dataset_messages.CurveSetAnswer,
        ImportRequest,
        errors=_READS,
    ),
    Operation(
        "store_curves",
        "post",
        "/datasets/{dataset}/curves",
        "Store curves of another tool as a new version; promote makes them the current ones.",
        dataset_messages.ImportedAnswer,
        StoreCurvesRequest,
        status=201,
        errors=(*_READS, 409),
    ),
    Operation(
        "health",
        "get",
        "/health",
        "Liveness, build version, storage reachable.",
        dataset_messages.HealthAnswer,
        public=True,
    ),
)
