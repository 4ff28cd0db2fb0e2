"""Every trigger of the app, a table of contents: HTTP, one timer, queues.

The functions hold no logic: HTTP functions go through ``shared.api.http.respond`` to their line in
``shared.api.endpoints``, the others call the service. What answers is imported when it is first
asked, so that a new instance is ready for its first event before numpy and the message models are
loaded.
"""

from __future__ import annotations

import azure.functions as func

from shared.api.http import nothing_there, respond, service

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

READ = ["GET", "HEAD"]


# -- planning ---------------------------------------------------------------------------------


@app.route("optimize", methods=["POST"])
def optimize(req: func.HttpRequest) -> func.HttpResponse:
    """The best allocation of a budget, with proof of how good it is."""
    return respond(req, "optimize")


@app.route("scenarios", methods=["POST"])
def scenarios(req: func.HttpRequest) -> func.HttpResponse:
    """Several what-ifs of one problem, side by side."""
    return respond(req, "scenarios")


@app.route("evaluate", methods=["POST"])
def evaluate(req: func.HttpRequest) -> func.HttpResponse:
    """A plan that the caller already has, scored."""
    return respond(req, "evaluate")


@app.route("sensitivity", methods=["POST"])
def sensitivity(req: func.HttpRequest) -> func.HttpResponse:
    """How the answer moves when inputs and parameters move."""
    return respond(req, "sensitivity")


@app.route("campaigns", methods=["POST"])
def campaigns(req: func.HttpRequest) -> func.HttpResponse:
    """Campaigns ranked, split within their channels, and predicted."""
    return respond(req, "campaigns")


@app.route("portfolio", methods=["POST"])
def portfolio(req: func.HttpRequest) -> func.HttpResponse:
    """One budget over several datasets."""
    return respond(req, "portfolio")


@app.route("transition", methods=["POST"])
def transition(req: func.HttpRequest) -> func.HttpResponse:
    """Steps from today's plan to the recommended one."""
    return respond(req, "transition")


@app.route("experiment", methods=["POST"])
def experiment(req: func.HttpRequest) -> func.HttpResponse:
    """A test that verifies the recommended shift."""
    return respond(req, "experiment")


@app.route("policies", methods=["POST"])
def policies(req: func.HttpRequest) -> func.HttpResponse:
    """One channel's spend over time as a rule."""
    return respond(req, "policies")


@app.route("experiments", methods=["POST"])
def experiments(req: func.HttpRequest) -> func.HttpResponse:
    """A test designed, or which to run."""
    return respond(req, "experiments")


@app.route("fit", methods=["POST"])
def fit(req: func.HttpRequest) -> func.HttpResponse:
    """Curves from a history in the request."""
    return respond(req, "fit")


@app.route("jobs/{job}", methods=READ)
def get_job(req: func.HttpRequest) -> func.HttpResponse:
    """The state of a job, and its answer."""
    return respond(req, "get_job")


@app.route("jobs/{job}", methods=["DELETE"])
def cancel_job(req: func.HttpRequest) -> func.HttpResponse:
    """End a job that is not done."""
    return respond(req, "cancel_job")


@app.queue_trigger(arg_name="message", queue_name="jobs", connection="AzureWebJobsStorage")
def do_job(message: func.QueueMessage) -> None:
    """Answer one question that takes long."""
    service().work_job(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="jobs-poison", connection="AzureWebJobsStorage")
def fail_poisoned_job(message: func.QueueMessage) -> None:
    """Mark the job of a message that was given up as failed."""
    service().poisoned_job(message.get_body().decode())


# -- datasets: what is stored -----------------------------------------------------------------


@app.route("datasets", methods=READ)
def list_datasets(req: func.HttpRequest) -> func.HttpResponse:
    """All stored datasets."""
    return respond(req, "list_datasets")


@app.route("datasets/{dataset}", methods=READ)
def get_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """What one dataset has."""
    return respond(req, "get_dataset")


@app.route("datasets/{dataset}", methods=["DELETE"])
def delete_dataset(req: func.HttpRequest) -> func.HttpResponse:
    """Delete history and curves of one dataset."""
    return respond(req, "delete_dataset")


@app.route("datasets/{dataset}/spec", methods=["PUT"])
def put_spec(req: func.HttpRequest) -> func.HttpResponse:
    """Declare the roles of the history's columns."""
    return respond(req, "put_spec")


@app.route("datasets/{dataset}/spec", methods=READ)
def get_spec(req: func.HttpRequest) -> func.HttpResponse:
    """The roles of the history's columns."""
    return respond(req, "get_spec")


@app.route("datasets/{dataset}/history", methods=["PUT"])
def put_history(req: func.HttpRequest) -> func.HttpResponse:
    """Store the spend history."""
    return respond(req, "put_history")


@app.route("datasets/{dataset}/history", methods=["PATCH"])
def patch_history(req: func.HttpRequest) -> func.HttpResponse:
    """Add rows to the spend history, or replace those of their dates."""
    return respond(req, "patch_history")


@app.route("datasets/{dataset}/history", methods=READ)
def get_history(req: func.HttpRequest) -> func.HttpResponse:
    """The spend history as it was stored."""
    return respond(req, "get_history")


@app.route("datasets/{dataset}/outcomes", methods=["PUT"])
def put_outcomes(req: func.HttpRequest) -> func.HttpResponse:
    """Store the outcomes of a long history."""
    return respond(req, "put_outcomes")


@app.route("datasets/{dataset}/outcomes", methods=READ)
def get_outcomes(req: func.HttpRequest) -> func.HttpResponse:
    """The outcomes as they were stored."""
    return respond(req, "get_outcomes")


# -- refits and the curves they leave ---------------------------------------------------------


@app.route("datasets/{dataset}/refit", methods=["POST"])
def refit(req: func.HttpRequest) -> func.HttpResponse:
    """Queue a refit now."""
    return respond(req, "refit")


@app.route("datasets/{dataset}/runs", methods=READ)
def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """All refits, newest first."""
    return respond(req, "list_runs")


@app.route("datasets/{dataset}/runs/{run}", methods=READ)
def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """The state of a refit, with reasons."""
    return respond(req, "get_run")


@app.route("datasets/{dataset}/curves", methods=READ)
def get_curves(req: func.HttpRequest) -> func.HttpResponse:
    """The current curve set."""
    return respond(req, "get_curves")


@app.route("datasets/{dataset}/curves/versions", methods=READ)
def list_curve_versions(req: func.HttpRequest) -> func.HttpResponse:
    """All versions of the curves, newest first."""
    return respond(req, "list_curve_versions")


@app.route("datasets/{dataset}/curves/{version}", methods=READ)
def get_curve_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version of the curves."""
    return respond(req, "get_curve_version")


@app.route("datasets/{dataset}/curves/{version}/promote", methods=["POST"])
def promote_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Make a version the current one."""
    return respond(req, "promote_curves")


@app.route("datasets/{dataset}/experiments", methods=READ)
def list_experiments(req: func.HttpRequest) -> func.HttpResponse:
    """All tests that were designed for a dataset."""
    return respond(req, "list_experiments")


@app.route("datasets/{dataset}/experiments/{experiment}/results", methods=["POST"])
def results(req: func.HttpRequest) -> func.HttpResponse:
    """What a test found, written as a lift test."""
    return respond(req, "results")


@app.route("datasets/{dataset}/report", methods=READ)
def report(req: func.HttpRequest) -> func.HttpResponse:
    """The plan, its pictures and its checks as one page."""
    return respond(req, "report")


@app.route("datasets/{dataset}/plots/{plot}", methods=READ)
def plot(req: func.HttpRequest) -> func.HttpResponse:
    """One picture of the report."""
    return respond(req, "plot")


@app.route("datasets/{dataset}/responses", methods=READ)
def responses(req: func.HttpRequest) -> func.HttpResponse:
    """Each curve as points."""
    return respond(req, "responses")


@app.route("datasets/{dataset}/curves", methods=["POST"])
def store_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Curves of another tool, stored as a version."""
    return respond(req, "store_curves")


# -- learning from what happens ---------------------------------------------------------------


@app.route("datasets/{dataset}/allocators", methods=["POST"])
def create_allocator(req: func.HttpRequest) -> func.HttpResponse:
    """Make an allocator."""
    return respond(req, "create_allocator")


@app.route("datasets/{dataset}/allocators", methods=READ)
def list_allocators(req: func.HttpRequest) -> func.HttpResponse:
    """All allocators of a dataset."""
    return respond(req, "list_allocators")


@app.route("datasets/{dataset}/allocators/{allocator}", methods=READ)
def get_allocator(req: func.HttpRequest) -> func.HttpResponse:
    """One allocator and its splits."""
    return respond(req, "get_allocator")


@app.route("datasets/{dataset}/allocators/{allocator}", methods=["DELETE"])
def delete_allocator(req: func.HttpRequest) -> func.HttpResponse:
    """Delete an allocator."""
    return respond(req, "delete_allocator")


@app.route("datasets/{dataset}/allocators/{allocator}/observe", methods=["POST"])
def observe(req: func.HttpRequest) -> func.HttpResponse:
    """What happened in an allocator's arms."""
    return respond(req, "observe")


@app.route("datasets/{dataset}/allocators/{allocator}/next", methods=READ)
def next_split(req: func.HttpRequest) -> func.HttpResponse:
    """The next split of an allocator's budget."""
    return respond(req, "next_split")


@app.route("datasets/{dataset}/plans/{plan}/adopt", methods=["POST"])
def adopt_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Follow a plan from a day on."""
    return respond(req, "adopt_plan")


@app.route("datasets/{dataset}/plans/{plan}/tracking", methods=READ)
def track_plan(req: func.HttpRequest) -> func.HttpResponse:
    """How an adopted plan goes."""
    return respond(req, "track_plan")


@app.route("offpolicy", methods=["POST"])
def offpolicy(req: func.HttpRequest) -> func.HttpResponse:
    """What another rule would have brought on a log."""
    return respond(req, "offpolicy")


@app.route("curves/import", methods=["POST"])
def import_curves(req: func.HttpRequest) -> func.HttpResponse:
    """Curves of another tool as a curve set; nothing is stored."""
    return respond(req, "import_curves")


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


@app.route("openapi.json", methods=READ)
def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """The OpenAPI document."""
    return respond(req, "openapi")


@app.route("mcp", methods=["POST"])
def mcp(req: func.HttpRequest) -> func.HttpResponse:
    """The assistant's tools by the Model Context Protocol."""
    return respond(req, "mcp")


@app.route("tools.json", methods=READ)
def tools(req: func.HttpRequest) -> func.HttpResponse:
    """Strict function-calling tool definitions."""
    return respond(req, "tools")


@app.route("dashboard", methods=READ, auth_level=func.AuthLevel.ANONYMOUS)
def dashboard(req: func.HttpRequest) -> func.HttpResponse:
    """The page to plan on."""
    return respond(req, "dashboard")


@app.route("dashboard/{file}", methods=READ, auth_level=func.AuthLevel.ANONYMOUS)
def dashboard_file(req: func.HttpRequest) -> func.HttpResponse:
    """A file of the page to plan on."""
    return respond(req, "dashboard_file")


@app.route("health", methods=READ, auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Liveness, build version, storage reachable."""
    return respond(req, "health")


@app.route(
    "{*path}",
    methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    """Every other path and method: 404, 405, or what a browser asks beforehand."""
    return nothing_there(req)
