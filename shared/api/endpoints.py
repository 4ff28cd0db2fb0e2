"""Every HTTP endpoint, said once: its route, what it reads and answers, and who answers it.

The wrapper, the OpenAPI document and the tests read this table; ``function_app`` registers it. It
names its models and handlers as ``module.name`` below ``shared.api`` and imports none of them, so
that a new instance pays only for the endpoint that it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = [
    "BY_NAME",
    "ENDPOINTS",
    "IDEMPOTENCY_KEY",
    "JSON",
    "PATH_PARAMETERS",
    "QUERY_PARAMETERS",
    "TABLES",
    "Endpoint",
    "methods_at",
    "resolved",
]

JSON = "application/json"
TABLES = (
    *("text/csv", JSON, "text/plain", "text/tab-separated-values", "application/csv"),
    *("application/vnd.ms-excel", "application/x-ndjson", "application/gzip"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    *("application/vnd.apache.parquet", "application/octet-stream"),
)
"""What browsers, spreadsheets and programs send tables as: what one is, its content decides."""

PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dataset": (
        "Name of a dataset: lower-case letters, digits, - and _, at most 63 characters.",
        {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"},
    ),
    "run": (
        "Id of a run, as the refit answered it.",
        {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,47}$"},
    ),
    "experiment": (
        "Id of an experiment, as its design answered it.",
        {"type": "string", "pattern": "^[a-z0-9]{1,32}$"},
    ),
    "version": ("Version of a curve set; latest is the current one.", {"type": "string"}),
    "allocator": ("Name of an allocator.", {"type": "string"}),
    "plan": ("The plan_id of a plan, as the assistant answered it.", {"type": "string"}),
    "file": ("One file of the planning page.", {"type": "string", "maxLength": 100}),
    "job": ("Id of a job, as 202 answered it.", {"type": "string", "maxLength": 120}),
    "plot": (
        "Which picture.",
        {
            "type": "string",
            "enum": [
                *("allocation", "responses", "budget", "shares"),
                *("decomposition", "fit", "returns"),
            ],
        },
    ),
}
"""Of routes: what each is and its schema."""

QUERY_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "force": (
        "Fit though nothing changed since the last fit.",
        {"type": "boolean", "default": False},
    ),
    "version": (
        "Version of the curves; latest is the current one.",
        {"type": "string", "default": "latest"},
    ),
    "budget": (
        "Money per period; what is spent now (or an allocator's own) unless given.",
        {"type": "number", "minimum": 0},
    ),
    "current": (
        "What stands for today: the last so many periods (13), or days (2026-06-01/2026-08-31).",
        {"type": "string"},
    ),
    "source": (
        "Name of one of several tables that make the history, each replaceable alone.",
        {"type": "string", "maxLength": 200},
    ),
    "format": ("The kind of picture.", {"type": "string", "enum": ["svg", "png"]}),
    "draws": ("false leaves out the draws of the curves.", {"type": "boolean", "default": True}),
    "fields": ("Only these fields of the curve set, by comma.", {"type": "string"}),
    "limit": (
        "At most so many entries; all if not given.",
        {"type": "integer", "minimum": 1, "maximum": 1000},
    ),
    "cursor": ("Where the last page ended: its next_cursor.", {"type": "string"}),
    "period": (
        "The period to split; the one after the last that was seen unless given.",
        {"type": "integer", "minimum": 0},
    ),
    "context": ("A context to be answered too: a JSON object of features.", {"type": "string"}),
    "inline": ("true: the form without any $ref.", {"type": "boolean", "default": False}),
    "style": (
        "For whom the definitions are.",
        {"type": "string", "enum": ["openai", "anthropic", "foundry"], "default": "openai"},
    ),
}
"""Of addresses: what each is and its schema; any other is refused."""

IDEMPOTENCY_KEY = "Idempotency-Key"
"""Header by which a request that is sent again does nothing again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint; ``name`` is that of its function, and its operationId.

    Parameters
    ----------
    handler, request, answer
        Who answers, the models of its JSON; ``module.name`` below ``shared.api``.
    reads
        Content types of the body; none means that a body is ignored.
    gives
        Content types of the answer; none where it has no body.
    errors
        Statuses beside those that follow from the rest (see ``refusals``).
    public
        Whether no key is asked for.
    idempotent
        Whether it takes an ``Idempotency-Key``.
    """

    name: str
    method: str
    route: str
    summary: str
    handler: str | Callable[..., Any]
    request: str | None = None
    answer: str | None = None
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = (JSON,)
    status: int = 200
    errors: tuple[int, ...] = ()
    query: tuple[str, ...] = ()
    public: bool = False
    idempotent: bool = False
    long: bool = False  # whether it may be asked as a job
    tagged: bool = False  # whether its answer has an ETag, by which it need not be sent again

    @property
    def conditional(self) -> bool:
        """Whether a write can rest on what is stored (If-Match)."""
        return self.method in ("PUT", "PATCH")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in its route."""
        return tuple(re.findall(r"\{(\w+)\}", self.route))

    @property
    def refusals(self) -> tuple[int, ...]:
        """The statuses of problems that a client treats apart; all others are one default."""
        found = {*self.errors} if self.public else {*self.errors, 401, 429}
        found |= {404} if self.parameters and not self.conditional else set()
        found |= {409, 412} if self.conditional else set()
        return tuple(sorted(found))


def resolved(name: str | Callable[..., Any]) -> Any:
    """What ``module.name`` below ``shared.api`` (or below ``shared``) is."""
    if callable(name):
        return name
    module, _, attribute = name.rpartition(".")
    below = "" if module.startswith("shared.") else "shared.api."
    return getattr(import_module(below + module), attribute)


def _question(
    name: str, summary: str, handler: str, request: str, answer: str, *, long: bool = True
) -> Endpoint:
    """A planning question: JSON in, JSON out, over a stored dataset or inline curves, or a job."""
    return Endpoint(
        name=name,
        method="POST",
        route=name,
        summary=summary,
        handler=handler,
        request=request,
        answer=answer,
        reads=(JSON,),
        errors=(404,),
        long=long,
    )


def _get(name: str, route: str, summary: str, handler: str, answer: str, **more: Any) -> Endpoint:
    """Something to read."""
    return Endpoint(
        name=name,
        method="GET",
        route=route,
        summary=summary,
        handler=handler,
        answer=answer or None,
        **more,
    )


def _put(name: str, route: str, summary: str, **more: Any) -> Endpoint:
    """Something to store, in any form that tables come in unless said otherwise."""
    kept = {"method": "PUT", "reads": TABLES, "answer": "dataset_messages.StoredAnswer", **more}
    return Endpoint(
        name=name, route=route, summary=summary, handler=f"datasets.{name}", tagged=True, **kept
    )


_D = "datasets/{dataset}"

ENDPOINTS = (
    _question(
        "optimize",
        "The best allocation of a budget, with proof of how good it is.",
        "planning.optimize",
        "messages.OptimizeRequest",
        "answers.OptimizeAnswer",
    ),
    _question(
        "scenarios",
        "Several what-ifs of one problem, side by side.",
        "planning.scenarios",
        "messages.ScenariosRequest",
        "answers.ScenariosAnswer",
    ),
    _question(
        "evaluate",
        "A plan that the caller already has, scored beside the current and the best one.",
        "planning.evaluate",
        "messages.EvaluateRequest",
        "answers.EvaluateAnswer",
    ),
    _question(
        "sensitivity",
        "How the answer moves with its assumptions, which matter, and what a test is worth.",
        "planning.sensitivity",
        "messages.SensitivityRequest",
        "answers.SensitivityAnswer",
    ),
    _question(
        "campaigns",
        "Campaigns ranked, money moved within their channels, each one predicted.",
        "planning.campaigns",
        "question_messages.CampaignsRequest",
        "question_messages.CampaignsAnswer",
    ),
    _question(
        "portfolio",
        "One budget over several datasets, each channel of each, with one proof.",
        "portfolio.portfolio",
        "question_messages.PortfolioRequest",
        "question_messages.PortfolioAnswer",
    ),
    _question(
        "transition",
        "Steps from today's plan to the recommended one, within a largest change a period.",
        "planning.transition",
        "question_messages.TransitionRequest",
        "question_messages.TransitionAnswer",
    ),
    _question(
        "experiment",
        "Which channel to test first, how much, how long, and what the test can tell.",
        "planning.experiment",
        "question_messages.ExperimentRequest",
        "question_messages.ExperimentAnswer",
    ),
    _question(
        "policies",
        "One channel's spend over time as a rule: exact, learnt, and beside the plan over time.",
        "experiments.policies",
        "experiment_messages.PoliciesRequest",
        "experiment_messages.PoliciesAnswer",
    ),
    _question(
        "experiments",
        "A test designed: in geos, by switching, before and after, of people; or which to run.",
        "experiments.experiments",
        "experiment_messages.ExperimentsRequest",
        "experiment_messages.ExperimentsAnswer",
        long=False,
    ),
    _question(
        "fit",
        "Fit curves from a history in the request, synchronously; for small data.",
        "planning.fit",
        "dataset_messages.FitRequest",
        "dataset_messages.CurveSetAnswer",
    ),
    _get(
        "get_job",
        "jobs/{job}",
        "The state of a job, and its answer; 202 while it is not done.",
        "jobs.get_job",
        "job_messages.JobAnswer",
    ),
    Endpoint(
        name="cancel_job",
        method="DELETE",
        route="jobs/{job}",
        summary="End a job that is not done.",
        handler="jobs.cancel_job",
        answer="job_messages.JobAnswer",
    ),
    _get(
        "list_datasets",
        "datasets",
        "All stored datasets.",
        "datasets.list_datasets",
        "dataset_messages.DatasetsAnswer",
        query=("limit", "cursor"),
    ),
    _get(
        "get_dataset",
        _D,
        "What a dataset has: channels with today's spend, dates, last run, findings to settle.",
        "datasets.get_dataset",
        "dataset_messages.DatasetDetail",
    ),
    Endpoint(
        name="delete_dataset",
        method="DELETE",
        route=_D,
        summary="Delete history and curves of one dataset.",
        handler="datasets.delete_dataset",
        status=204,
        gives=(),
        errors=(409,),
    ),
    _put(
        "put_spec",
        f"{_D}/spec",
        "Declare the roles of the history's columns.",
        reads=(JSON,),
        request="shared.history.spec.Spec",
    ),
    _get(
        "get_spec",
        f"{_D}/spec",
        "The declared roles of the columns.",
        "datasets.get_spec",
        "shared.history.spec.Spec",
        tagged=True,
    ),
    _put(
        "put_history",
        f"{_D}/history",
        "Store the spend history: CSV, a list of records, a workbook, or as a platform exports it.",
        query=("source",),
    ),
    _put(
        "patch_history",
        f"{_D}/history",
        "Add rows to the spend history, replacing those of the dates that they bring.",
        method="PATCH",
        errors=(404,),
        query=("source",),
    ),
    _get(
        "get_history",
        f"{_D}/history",
        "The spend history as it was stored.",
        "datasets.get_history",
        "",
        gives=TABLES,
        tagged=True,
    ),
    _put(
        "put_outcomes",
        f"{_D}/outcomes",
        "Store the outcomes of a long history, in any form that a history may have.",
    ),
    _get(
        "get_outcomes",
        f"{_D}/outcomes",
        "The outcomes as they were stored.",
        "datasets.get_outcomes",
        "",
        gives=TABLES,
        tagged=True,
    ),
    Endpoint(
        name="refit",
        method="POST",
        route=f"{_D}/refit",
        summary="Queue a refit now; Location names its run.",
        handler="datasets.refit",
        answer="dataset_messages.RunAnswer",
        status=202,
        query=("force",),
        idempotent=True,
    ),
    _get(
        "list_runs",
        f"{_D}/runs",
        "All refits that are still known, newest first.",
        "datasets.list_runs",
        "dataset_messages.RunsAnswer",
        query=("limit", "cursor"),
    ),
    _get(
        "get_run",
        f"{_D}/runs/{{run}}",
        "The state of a refit, with reasons.",
        "datasets.get_run",
        "dataset_messages.RunAnswer",
    ),
    _get(
        "get_curves",
        f"{_D}/curves",
        "The current curve set.",
        "datasets.get_curves",
        "dataset_messages.CurveSetAnswer",
        query=("draws", "fields"),
        tagged=True,
    ),
    _get(
        "list_curve_versions",
        f"{_D}/curves/versions",
        "All versions of the curves, newest first.",
        "datasets.list_curve_versions",
        "dataset_messages.VersionsAnswer",
        query=("limit", "cursor"),
    ),
    _get(
        "get_curve_version",
        f"{_D}/curves/{{version}}",
        "One version of the curves.",
        "datasets.get_curve_version",
        "dataset_messages.CurveSetAnswer",
        query=("draws", "fields"),
        tagged=True,
    ),
    Endpoint(
        name="promote_curves",
        method="POST",
        route=f"{_D}/curves/{{version}}/promote",
        summary="Make a version the current one: roll back.",
        handler="datasets.promote_curves",
        answer="dataset_messages.PromotedAnswer",
        errors=(409,),
        idempotent=True,
    ),
    _get(
        "list_experiments",
        f"{_D}/experiments",
        "All tests that were designed for a dataset, with the lift tests that came of them.",
        "experiments.list_experiments",
        "experiment_messages.StoredExperiments",
    ),
    Endpoint(
        name="results",
        method="POST",
        route=f"{_D}/experiments/{{experiment}}/results",
        summary="What a test found, written as a lift test that the next fit uses.",
        handler="experiments.results",
        request="experiment_messages.ResultsRequest",
        answer="experiment_messages.ResultsAnswer",
        reads=(JSON,),
        errors=(409, 412),
        tagged=True,
    ),
    _get(
        "report",
        f"{_D}/report",
        "One page for people: the plan, pictures, tables and checks, in a single HTML file.",
        "reports.report",
        "",
        gives=("text/html",),
        query=("version", "budget", "current"),
    ),
    _get(
        "plot",
        f"{_D}/plots/{{plot}}",
        "One picture of the report.",
        "reports.plot",
        "",
        gives=("image/svg+xml", "image/png"),
        query=("format", "version", "budget", "current"),
    ),
    _get(
        "responses",
        f"{_D}/responses",
        "Each curve as points with its band, what was observed, and where it is known.",
        "reports.responses",
        "dataset_messages.ResponsesAnswer",
        query=("version",),
    ),
    _get(
        "dashboard",
        "dashboard",
        "The page to plan on: a shell without data, which asks this interface with a key.",
        "dashboard.shell",
        "",
        gives=("text/html",),
        public=True,
        tagged=True,
    ),
    _get(
        "dashboard_file",
        "dashboard/{file}",
        "A file of that page.",
        "dashboard.asset",
        "",
        gives=("text/javascript", "text/css", "text/csv", JSON, "text/plain", "text/html"),
        public=True,
        tagged=True,
    ),
    Endpoint(
        name="store_curves",
        method="POST",
        route=f"{_D}/curves",
        summary="Store curves of another tool as a new version; promote makes them the current "
        "ones.",
        handler="datasets.store_curves",
        request="dataset_messages.StoreCurvesRequest",
        answer="dataset_messages.ImportedAnswer",
        reads=(JSON,),
        status=201,
        errors=(409,),
    ),
    Endpoint(
        name="create_allocator",
        method="POST",
        route=f"{_D}/allocators",
        summary="Make an allocator: a bandit that splits a budget over arms.",
        handler="learning.create_allocator",
        request="shared.learn.allocators.spec.AllocatorSpec",
        answer="learning_messages.AllocatorAnswer",
        reads=(JSON,),
        status=201,
        errors=(409,),
    ),
    _get(
        "list_allocators",
        f"{_D}/allocators",
        "All allocators of a dataset, by name.",
        "learning.list_allocators",
        "learning_messages.AllocatorsAnswer",
        query=("limit", "cursor"),
    ),
    _get(
        "get_allocator",
        f"{_D}/allocators/{{allocator}}",
        "An allocator: spec, arms, and the splits that it answered.",
        "learning.get_allocator",
        "learning_messages.AllocatorAnswer",
    ),
    Endpoint(
        name="delete_allocator",
        method="DELETE",
        route=f"{_D}/allocators/{{allocator}}",
        summary="Delete an allocator with its log.",
        handler="learning.delete_allocator",
        status=204,
        gives=(),
    ),
    Endpoint(
        name="observe",
        method="POST",
        route=f"{_D}/allocators/{{allocator}}/observe",
        summary="What happened: events and arms, in any order; what is sent twice counts once.",
        handler="learning.observe",
        request="shared.learn.allocators.spec.Observations",
        answer="learning_messages.ObservedAnswer",
        reads=(JSON,),
    ),
    _get(
        "next_split",
        f"{_D}/allocators/{{allocator}}/next",
        "The split of a period's budget, written down before it is answered.",
        "learning.next_split",
        "learning_messages.SplitAnswer",
        query=("period", "budget", "context"),
    ),
    Endpoint(
        name="adopt_plan",
        method="POST",
        route=f"{_D}/plans/{{plan}}/adopt",
        summary="Follow a plan from a day on: forecast and outcome are compared every night.",
        handler="learning.adopt_plan",
        request="shared.learn.tracking.Adoption",
        answer="learning_messages.TrackingAnswer",
        reads=(JSON,),
        errors=(409,),
    ),
    _get(
        "track_plan",
        f"{_D}/plans/{{plan}}/tracking",
        "What was planned, done and came of an adopted plan, with control limits.",
        "learning.track_plan",
        "learning_messages.TrackingAnswer",
    ),
    Endpoint(
        name="offpolicy",
        method="POST",
        route="offpolicy",
        summary="What another rule would have brought on a log of past decisions.",
        handler="learning.offpolicy",
        request="shared.learn.offpolicy.OffPolicy",
        answer="learning_messages.OffPolicyAnswer",
        reads=(JSON,),
    ),
    Endpoint(
        name="import_curves",
        method="POST",
        route="curves/import",
        summary="Curves of another tool (Robyn, Meridian, PyMC-Marketing, a table) as a curve set; "
        "nothing is stored.",
        handler="datasets.import_curves",
        request="dataset_messages.ImportRequest",
        answer="dataset_messages.CurveSetAnswer",
        reads=(JSON,),
    ),
    _get(
        "openapi",
        "openapi.json",
        "This document: OpenAPI 3.1.",
        "openapi.openapi",
        "dataset_messages.Anything",
        query=("inline",),
        tagged=True,
    ),
    _get(
        "tools",
        "tools.json",
        "The assistant's tools as function-calling definitions.",
        "assistant.mcp.tools",
        "dataset_messages.Anything",
        query=("style",),
        tagged=True,
    ),
    Endpoint(
        name="mcp",
        method="POST",
        route="mcp",
        summary="The assistant's tools, resources and prompts by the Model Context Protocol.",
        handler="assistant.mcp.mcp",
        request="dataset_messages.Anything",
        answer="dataset_messages.Anything",
        reads=(JSON,),
    ),
    _get(
        "health",
        "health",
        "Liveness, build version, storage reachable.",
        "datasets.health",
        "dataset_messages.HealthAnswer",
        public=True,
    ),
)

BY_NAME: Mapping[str, Endpoint] = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def methods_at(path: str) -> tuple[str, ...]:
    """The methods that a path below the prefix answers; none where there is no such path.

    >>> methods_at("datasets/brand/spec"), methods_at("nowhere")
    (('GET', 'HEAD', 'PUT'), ())
    """
    parts = path.strip("/").lower().split("/")
    found: set[str] = set()
    for endpoint in ENDPOINTS:
        wanted = endpoint.route.lower().split("/")
        if len(wanted) == len(parts) and all(
            want == part or want.startswith("{") for want, part in zip(wanted, parts, strict=True)
        ):
            found |= {endpoint.method, *(("HEAD",) if endpoint.method == "GET" else ())}
    return tuple(sorted(found))
