"""Every trigger of the app, a table of contents: HTTP, one timer, two queues.

The functions hold no logic: HTTP functions go through ``shared.api.http.respond``, the others call
the service. Each imports its endpoint when it is first called, so that a new instance is ready for
its first event before numpy and the message models are loaded.
"""

from __future__ import annotations

import azure.functions as func

from shared.api.http import TABLES, respond, service

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

JSON = ("application/json",)


# -- planning ---------------------------------------------------------------------------------


@app.route("optimize", methods=["POST"])
def optimize(req: func.HttpRequest) -> func.HttpResponse:
    """The best allocation of a budget, with proof of how good it is."""
    from shared.api.planning import optimize

    return respond(req, optimize, JSON)


@app.route("scenarios", methods=["POST"])
def scenarios(req: func.HttpRequest) -> func.HttpResponse:
    """Several what-ifs of one problem, side by side."""
    from shared.api.planning import scenarios

    return respond(req, scenarios, JSON)


@app.route("evaluate", methods=["POST"])
def evaluate(req: func.HttpRequest) -> func.HttpResponse:
    """A plan that the caller already has, scored."""
    from shared.api.planning import evaluate

    return respond(req, evaluate, JSON)


@app.route("sensitivity", methods=["POST"])
def sensitivity(req: func.HttpRequest) -> func.HttpResponse:
    """How the answer moves when inputs and parameters move."""
    from shared.api.planning import sensitivity

    return respond(req, sensitivity, JSON)


@app.route("campaigns", methods=["POST"])
def campaigns(req: func.HttpRequest) -> func.HttpResponse:
    """Campaigns ranked, split within their channels, and predicted."""
    from shared.api.planning import campaigns

    return respond(req, campaigns, JSON)


@app.route("transition", methods=["POST"])
def transition(req: func.HttpRequest) -> func.HttpResponse:
    """Steps from today's plan to the recommended one."""
    from shared.api.planning import transition

    return respond(req, transition, JSON)


@app.route("experiment", methods=["POST"])
def experiment(req: func.HttpRequest) -> func.HttpResponse:
    """A test that verifies the recommended shift."""
    from shared.api.planning import experiment

    return respond(req, experiment, JSON)


@app.route("fit", methods=["POST"])
def fit(req: func.HttpRequest) -> func.HttpResponse:
    """Curves from a history in the request."""
    from shared.api.planning import fit

    return respond(req, fit, JSON)


# -- datasets: what is stored -----------------------------------------------------------------


@app.route("datasets", methods=["GET"])
def list_datasets(req: func.HttpRequest) -> func.HttpResponse:
    """All stored datasets."""
    from shared.api.datasets import list_datasets

    return respond(req, list_datasets)


@app.route("datasets/{dataset}", methods=["DELETE"])
def delete_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """Delete history and curves of one dataset."""
    from shared.api.datasets import delete_dataset

    return respond(req, delete_dataset)


@app.route("datasets/{dataset}/spec", methods=["PUT"])
def put_spec(req: func.HttpRequest) -> func.HttpResponse:
    """Declare the roles of the history's columns."""
    from shared.api.datasets import put_spec

    return respond(req, put_spec, JSON)


@app.route("datasets/{dataset}/spec", methods=["GET"])
def get_spec(req: func.HttpRequest) -> func.HttpResponse:
    """The roles of the history's columns."""
    from shared.api.datasets import get_spec

    return respond(req, get_spec)


@app.route("datasets/{dataset}/history", methods=["PUT"])
def put_history(req: func.HttpRequest) -> func.HttpResponse:
    """Store the spend history."""
    from shared.api.datasets import put_history

    return respond(req, put_history, TABLES)


@app.route("datasets/{dataset}/history", methods=["PATCH"])
def patch_history(req: func.HttpRequest) -> func.HttpResponse:
    """Add rows to the spend history, or replace those of their dates."""
    from shared.api.datasets import patch_history

    return respond(req, patch_history, TABLES)


@app.route("datasets/{dataset}/history", methods=["GET"])
def get_history(req: func.HttpRequest) -> func.HttpResponse:
    """The spend history as it was stored."""
    from shared.api.datasets import get_history

    return respond(req, get_history)


@app.route("datasets/{dataset}/outcomes", methods=["PUT"])
def put_outcomes(req: func.HttpRequest) -> func.HttpResponse:
    """Store the outcomes of a long history."""
    from shared.api.datasets import put_outcomes

    return respond(req, put_outcomes, TABLES)


@app.route("datasets/{dataset}/outcomes", methods=["GET"])
def get_outcomes(req: func.HttpRequest) -> func.HttpResponse:
    """The outcomes as they were stored."""
    from shared.api.datasets import get_outcomes

    return respond(req, get_outcomes)


# -- refits and the curves they leave ---------------------------------------------------------


@app.route("datasets/{dataset}/refit", methods=["POST"])
def refit(req: func.HttpRequest) -> func.HttpResponse:
    """Queue a refit now."""
    from shared.api.datasets import refit

    return respond(req, refit)


@app.route("datasets/{dataset}/runs/{run}", methods=["GET"])
def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """The state of a refit, with reasons."""
    from shared.api.datasets import get_run

    return respond(req, get_run)


@app.route("datasets/{dataset}/curves", methods=["GET"])
def get_curves(req: func.HttpRequest) -> func.HttpResponse:
    """The current curve set."""
    from shared.api.datasets import get_curves

    return respond(req, get_curves)


@app.route("datasets/{dataset}/curves/versions", methods=["GET"])
def list_curve_versions(req: func.HttpRequest) -> func.HttpResponse:
    """All versions of the curves, newest first."""
    from shared.api.datasets import list_curve_versions

    return respond(req, list_curve_versions)


@app.route("datasets/{dataset}/curves/{version}", methods=["GET"])
def get_curve_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version of the curves."""
    from shared.api.datasets import get_curve_version

    return respond(req, get_curve_version)


@app.route("datasets/{dataset}/curves/{version}/promote", methods=["POST"])
def promote_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Make a version the current one."""
    from shared.api.datasets import promote_curves

    return respond(req, promote_curves)


@app.route("datasets/{dataset}/report", methods=["GET"])
def report(req: func.HttpRequest) -> func.HttpResponse:
    """The plan, its pictures and its checks as one page."""
    from shared.api.reports import report

    return respond(req, report)


@app.route("datasets/{dataset}/plots/{plot}", methods=["GET"])
def plot(req: func.HttpRequest) -> func.HttpResponse:
    """One picture of the report."""
    from shared.api.reports import plot

    return respond(req, plot)


@app.route("datasets/{dataset}/curves", methods=["POST"])
def store_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Curves of another tool, stored as a version."""
    from shared.api.datasets import store_curves

    return respond(req, store_curves, JSON)


@app.route("curves/import", methods=["POST"])
def import_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Curves of another tool as a curve set; nothing is stored."""
    from shared.api.datasets import import_curves

    return respond(req, import_curves, JSON)


@app.timer_trigger(
    arg_name="timer", schedule="%REFIT_SCHEDULE%", run_on_startup=False, use_monitor=True
)
def nightly_refit(timer: func.TimerRequest) -> None:
    """Queue one refit a dataset; the timer may fire late or twice."""
    service().nightly(past_due=timer.past_due)


@app.queue_trigger(arg_name="message", queue_name="refits", connection="AzureWebJobsStorage")
def refit_dataset(message: func.QueueMessage) -> None:
    """Refit one dataset."""
    service().work(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="refits-poison", connection="AzureWebJobsStorage")
def fail_poisoned_refit(message: func.QueueMessage) -> None:
    """Mark the run of a message that was given up as failed."""
    service().poisoned(message.get_body().decode())


# -- the service itself -----------------------------------------------------------------------


@app.route("openapi.json", methods=["GET"])
def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """The OpenAPI document."""
    from shared.api.datasets import openapi

    return respond(req, openapi)


@app.route("tools.json", methods=["GET"])
def tools(req: func.HttpRequest) -> func.HttpResponse:
    """Strict function-calling tool definitions."""
    from shared.api.datasets import tools

    return respond(req, tools)


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Liveness, build version, storage reachable."""
    from shared.api.datasets import health

    return respond(req, health)
