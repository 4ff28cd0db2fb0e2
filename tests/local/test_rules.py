"""Each thing that the .NET host rejects, as an app that is wrong in just that way."""

from __future__ import annotations

from collections.abc import Callable

import azure.functions as func
import pytest

from local.config import HostConfig
from local.host import Host, HostRefusalError
from local.rules import faults
from shared.store.memory import MemoryQueue

SETTINGS = {"AzureWebJobsStorage": "memory", "SCHEDULE": "0 0 2 * * *", "BAD": "every day"}


def good() -> func.FunctionApp:
    app = func.FunctionApp()

    @app.route(route="things/{thing}", methods=["GET"])
    def read_thing(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.route_params["thing"])

    @app.route(route="things/{other}", methods=["PUT", "POST"])
    def write_thing(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.route_params["other"])

    @app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%", run_on_startup=False)
    def nightly(timer: func.TimerRequest) -> None:
        del timer

    @app.queue_trigger(arg_name="message", queue_name="jobs", connection="AzureWebJobsStorage")
    def work(message: func.QueueMessage) -> None:
        del message

    return app


def underscore(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="my_timer", schedule="0 0 2 * * *")
    def bad(my_timer: func.TimerRequest) -> None:
        del my_timer


def same_route(app: func.FunctionApp) -> None:
    @app.route(route="Things/{name}/", methods=["POST"])
    def bad(req: func.HttpRequest) -> str:
        return req.method


def same_route_all_methods(app: func.FunctionApp) -> None:
    @app.route(route="things/{thing}")
    def bad(req: func.HttpRequest) -> str:
        return req.method


def admin_route(app: func.FunctionApp) -> None:
    @app.route(route="Admin/users", methods=["GET"])
    def bad(req: func.HttpRequest) -> str:
        return req.method


def runtime_route(app: func.FunctionApp) -> None:
    @app.route(route="/runtimes", methods=["GET"])
    def bad(req: func.HttpRequest) -> str:
        return req.method


def bad_template(app: func.FunctionApp) -> None:
    @app.route(route="things/{thing", methods=["GET"])
    def bad(req: func.HttpRequest) -> str:
        return req.method


def bad_schedule(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="0 0 25 * * *")
    def bad(timer: func.TimerRequest) -> None:
        del timer


def bad_schedule_setting(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="%BAD%")
    def bad(timer: func.TimerRequest) -> None:
        del timer


def unresolved(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="%NOWHERE%")
    def bad(timer: func.TimerRequest) -> None:
        del timer


def unresolved_queue(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="%NOWHERE%", connection="AzureWebJobsStorage")
    def bad(message: func.QueueMessage) -> None:
        del message


def queue_upper_case(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="Jobs", connection="AzureWebJobsStorage")
    def bad(message: func.QueueMessage) -> None:
        del message


def queue_two_dashes(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="my--jobs", connection="AzureWebJobsStorage")
    def bad(message: func.QueueMessage) -> None:
        del message


def queue_too_short(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="ab", connection="AzureWebJobsStorage")
    def bad(message: func.QueueMessage) -> None:
        del message


def no_connection(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="others", connection="OtherStorage")
    def bad(message: func.QueueMessage) -> None:
        del message


def name_of_the_host(app: func.FunctionApp) -> None:
    @app.function_name("host")
    @app.route(route="h", methods=["GET"])
    def bad(req: func.HttpRequest) -> str:
        return req.method


def same_name_in_another_case(app: func.FunctionApp) -> None:
    @app.function_name("NIGHTLY")
    @app.route(route="h", methods=["GET"])
    def bad(req: func.HttpRequest) -> str:
        return req.method


def other_trigger(app: func.FunctionApp) -> None:
    @app.blob_trigger(arg_name="blob", path="files/{name}", connection="AzureWebJobsStorage")
    def bad(blob: func.InputStream) -> None:
        del blob


def other_binding(app: func.FunctionApp) -> None:
    @app.route(route="h", methods=["GET"])
    @app.queue_output(arg_name="out", queue_name="jobs", connection="AzureWebJobsStorage")
    def bad(req: func.HttpRequest, out: func.Out[str]) -> str:
        out.set("x")
        return req.method


def test_a_good_app_has_no_faults() -> None:
    assert faults(good().get_functions(), SETTINGS) == []


@pytest.mark.parametrize(
    ("make_bad", "says"),
    [
        (underscore, "bad: the binding name 'my_timer' is not accepted"),
        (same_route, "bad: POST 'Things/{name}/' is served by write_thing already"),
        (same_route_all_methods, "bad: GET 'things/{thing}' is served by read_thing already"),
        (admin_route, "bad: the route 'Admin/users' begins with 'admin' or 'runtime'"),
        (runtime_route, "bad: the route '/runtimes' begins with 'admin' or 'runtime'"),
        (bad_template, "bad: route 'things/{thing': '{thing' is no literal"),
        (bad_schedule, "the hour 25 is not between 0 and 23"),
        (bad_schedule_setting, "'every day' is no NCRONTAB schedule"),
        (unresolved, "'%NOWHERE%' does not resolve: there is no app setting 'NOWHERE'"),
        (unresolved_queue, "'%NOWHERE%' does not resolve"),
        (queue_upper_case, "'Jobs' is no queue name"),
        (queue_two_dashes, "'my--jobs' is no queue name"),
        (queue_too_short, "'ab' is no queue name"),
        (no_connection, "the connection 'OtherStorage' has no app setting"),
        (name_of_the_host, "host: a function's name is"),
        (same_name_in_another_case, "NIGHTLY: two functions have this name"),
        (other_trigger, "not 'blobTrigger'"),
        (other_binding, "does not serve the bindings queue"),
    ],
)
def test_a_bad_app_is_named(make_bad: Callable[[func.FunctionApp], None], says: str) -> None:
    app = good()
    make_bad(app)
    found = faults(app.get_functions(), SETTINGS)
    assert any(says in fault for fault in found), found


def test_every_fault_is_named_at_once_and_the_host_does_not_start() -> None:
    app = good()
    underscore(app)
    functions = app.get_functions()
    with pytest.raises(HostRefusalError) as caught:
        Host(functions, config=HostConfig(), settings={}, open_queue=lambda name: MemoryQueue(name))
    # The binding's name, the missing schedule setting and the missing connection.
    assert len(caught.value.faults) == 3


def test_a_queue_that_the_storage_does_not_have() -> None:
    queues = {"refits": MemoryQueue("refits")}
    with pytest.raises(HostRefusalError, match="work: no queue 'jobs'"):
        Host(
            good().get_functions(),
            config=HostConfig(),
            settings=SETTINGS,
            open_queue=queues.__getitem__,
        )
