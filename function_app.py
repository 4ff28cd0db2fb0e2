"""Every trigger of the app, a table of contents: HTTP, one timer, two queues.

The functions hold no logic: HTTP functions go through ``shared.api.http.respond``, the others call
the service.
"""

from __future__ import annotations

import azure.functions as func

from shared.api import datasets, planning
from shared.api.http import respond, service

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

JSON = ("application/json",)
TABLE = ("text/csv", "application/json")


# -- planning ---------------------------------------------------------------------------------


@app.function_name("optimize")
@app.route("optimize", methods=["POST"])
def optimize(req: func.HttpRequest) -> func.HttpResponse:
    """The best allocation of a budget, with proof of how good it is."""
    return respond(req, planning.optimize, JSON)


@app.function_name("scenarios")
@app.route("scenarios", methods=["POST"])
def scenarios(req: func.HttpRequest) -> func.HttpResponse:
    """Several what-ifs of one problem, side by side."""
    return respond(req, planning.scenarios, JSON)


@app.function_name("evaluate")
@app.route("evaluate", methods=["POST"])
def evaluate(req: func.HttpRequest) -> func.HttpResponse:
    """A plan that the caller already has, scored."""
    return respond(req, planning.evaluate, JSON)


@app.function_name("fit")
@app.route("fit", methods=["POST"])
def fit(req: func.HttpRequest) -> func.HttpResponse:
    """Curves from a history in the request."""
    return respond(req, planning.fit, JSON)


# -- datasets: what is stored -----------------------------------------------------------------


@app.function_name("list_datasets")
@app.route("datasets", methods=["GET"])
def list_datasets(req: func.HttpRequest) -> func.HttpResponse:
    """All stored datasets."""
    return respond(req, datasets.list_datasets)


@app.function_name("delete_dataset")
@app.route("datasets/{dataset}", methods=["DELETE"])
def delete_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """Delete history and curves of one dataset."""
    return respond(req, datasets.delete_dataset)


@app.function_name("put_spec")
@app.route("datasets/{dataset}/spec", methods=["PUT"])
def put_spec(req: func.HttpRequest) -> func.HttpResponse:
    """Declare the roles of the history's columns."""
    return respond(req, datasets.put_spec, JSON)


@app.function_name("get_spec")
@app.route("datasets/{dataset}/spec", methods=["GET"])
def get_spec(req: func.HttpRequest) -> func.HttpResponse:
    """The roles of the history's columns."""
    return respond(req, datasets.get_spec)


@app.function_name("put_history")
@app.route("datasets/{dataset}/history", methods=["PUT"])
def put_history(req: func.HttpRequest) -> func.HttpResponse:
    """Store the spend history."""
    return respond(req, datasets.put_history, TABLE)


@app.function_name("get_history")
@app.route("datasets/{dataset}/history", methods=["GET"])
def get_history(req: func.HttpRequest) -> func.HttpResponse:
    """The spend history as it was stored."""
    return respond(req, datasets.get_history)


@app.function_name("put_outcomes")
@app.route("datasets/{dataset}/outcomes", methods=["PUT"])
def put_outcomes(req: func.HttpRequest) -> func.HttpResponse:
    """Store the outcomes of a long history."""
    return respond(req, datasets.put_outcomes, TABLE)


@app.function_name("get_outcomes")
@app.route("datasets/{dataset}/outcomes", methods=["GET"])
def get_outcomes(req: func.HttpRequest) -> func.HttpResponse:
    """The outcomes as they were stored."""
    return respond(req, datasets.get_outcomes)


# -- refits and the curves they leave ---------------------------------------------------------


@app.function_name("refit")
@app.route("datasets/{dataset}/refit", methods=["POST"])
def refit(req: func.HttpRequest) -> func.HttpResponse:
    """Queue a refit now."""
    return respond(req, datasets.refit)


@app.function_name("get_run")
@app.route("datasets/{dataset}/runs/{run}", methods=["GET"])
def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """The state of a refit, with reasons."""
    return respond(req, datasets.get_run)


@app.function_name("get_curves")
@app.route("datasets/{dataset}/curves", methods=["GET"])
def get_curves(req: func.HttpRequest) -> func.HttpResponse:
    """The current curve set."""
    return respond(req, datasets.get_curves)


@app.function_name("list_curve_versions")
@app.route("datasets/{dataset}/curves/versions", methods=["GET"])
def list_curve_versions(req: func.HttpRequest) -> func.HttpResponse:
    """All versions of the curves, newest first."""
    return respond(req, datasets.list_curve_versions)


@app.function_name("get_curve_version")
@app.route("datasets/{dataset}/curves/{version}", methods=["GET"])
def get_curve_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version of the curves."""
    return respond(req, datasets.get_curve_version)


@app.function_name("promote_curves")
@app.route("datasets/{dataset}/curves/{version}/promote", methods=["POST"])
def promote_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Make a version the current one."""
    return respond(req, datasets.promote_curves)


@app.function_name("nightly_refit")
@app.timer_trigger(
    arg_name="timer", schedule="%REFIT_SCHEDULE%", run_on_startup=False, use_monitor=True
)
def nightly_refit(timer: func.TimerRequest) -> None:
    """Queue one refit a dataset; the timer may fire late or twice."""
    service().nightly(past_due=timer.past_due)


@app.function_name("refit_dataset")
@app.queue_trigger(arg_name="message", queue_name="refits", connection="AzureWebJobsStorage")
def refit_dataset(message: func.QueueMessage) -> None:
    """Refit one dataset."""
    service().work(message.get_body().decode())


@app.function_name("fail_poisoned_refit")
@app.queue_trigger(arg_name="message", queue_name="refits-poison", connection="AzureWebJobsStorage")
def fail_poisoned_refit(message: func.QueueMessage) -> None:
    """Mark the run of a message that was given up as failed."""
    service().poisoned(message.get_body().decode())


# -- the service itself -----------------------------------------------------------------------


@app.function_name("openapi")
@app.route("openapi.json", methods=["GET"])
def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """The OpenAPI document."""
    return respond(req, datasets.openapi)


@app.function_name("tools")
@app.route("tools.json", methods=["GET"])
def tools(req: func.HttpRequest) -> func.HttpResponse:
    """Strict function-calling tool definitions."""
    return respond(req, datasets.tools)


@app.function_name("health")
@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Liveness, build version, storage reachable."""
    return respond(req, datasets.health)
