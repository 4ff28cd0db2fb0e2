"""What the production worker says of right and wrong apps: the ground the app's own tests rest on.

If one of these changes with a new version of the library, the app's tests would no longer mean what
they are taken to mean.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from tests.azure.worker import Worker, WorkerError

Index = Callable[[str], Worker]

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"

RIGHT = HEAD + dedent(
    """
    @app.route(route="echo/{name}", methods=["POST"])
    def echo(req: func.HttpRequest) -> func.HttpResponse:
        text = f"{req.route_params['name']} {req.params.get('q')} {req.get_body().decode()}"
        return func.HttpResponse(text, status_code=201, headers={"X-Kind": req.headers["x-kind"]})

    @app.timer_trigger(arg_name="timer", schedule="0 0 2 * * *")
    def nightly(timer: func.TimerRequest) -> None:
        if timer.past_due:
            raise RuntimeError("late")

    @app.queue_trigger(arg_name="message", queue_name="jobs", connection="Storage")
    def work(message: func.QueueMessage) -> None:
        if message.dequeue_count > 1 or message.get_body() != b"one":
            raise RuntimeError(message.get_body().decode())

    @app.route(route="number", methods=["GET"])
    def number(req: func.HttpRequest) -> func.HttpResponse:
        return 7
    """
)


def test_functions_are_indexed_and_invoked(index: Index) -> None:
    worker = index(RIGHT)
    assert set(worker.functions) == {"echo", "nightly", "work", "number"}
    assert worker.bindings("echo")[0]["route"] == "echo/{name}"
    answer = worker.http(
        "echo",
        "POST",
        "echo/a",
        body=b"body",
        headers={"X-Kind": "k"},
        route={"name": "a"},
        query={"q": "1"},
    )
    assert (answer.status, answer.body) == (201, b"a 1 body")
    assert answer.headers["X-Kind"] == "k"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    worker.timer("nightly")
    worker.queue("work", "one")
    assert worker.invoked == {"echo", "nightly", "work"}


def test_what_a_function_raises_is_reported(index: Index) -> None:
    worker = index(RIGHT)
    with pytest.raises(WorkerError, match="RuntimeError: late"):
        worker.timer("nightly", past_due=True)
    with pytest.raises(WorkerError, match="RuntimeError: one"):
        worker.queue("work", "one", dequeue_count=2)


def test_a_result_that_is_no_response_is_reported(index: Index) -> None:
    with pytest.raises(WorkerError, match='unsupported type "http" for Python type "int"'):
        index(RIGHT).http("number", "GET", "number")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            """
            @app.route(route="a", methods=["GET"])
            def a(request: func.HttpRequest) -> str:
                return ""
            """,
            "declared in Python but not in the function definition",
        ),
        ("import no_such_module_anywhere", "Cannot find module"),
        (
            """
            @app.route(route="a", methods=["GET"])
            def a(req: func.HttpRequest) -> str:
                return ""

            @app.function_name("a")
            @app.route(route="b", methods=["GET"])
            def b(req: func.HttpRequest) -> str:
                return ""
            """,
            "does not have a unique function name",
        ),
        (
            """
            @app.route(route="a", methods=["GET"])
            def a(req: func.QueueMessage) -> str:
                return ""
            """,
            "does not match its Python annotation",
        ),
        (
            """
            @app.queue_trigger(arg_name="message", queue_name="jobs", connection="Storage")
            @app.queue_output(arg_name="out", queue_name="more", connection="Storage")
            def a(message: func.QueueMessage, out: str) -> None:
                pass
            """,
            "not a subclass of azure.functions.Out",
        ),
        ("other = func.FunctionApp()", "More than one"),
    ],
)
def test_a_wrong_app_is_refused(index: Index, body: str, says: str) -> None:
    with pytest.raises(WorkerError) as caught:
        index(HEAD + dedent(body))
    assert says in str(caught.value)


def test_an_underscore_in_a_binding_passes_the_worker(index: Index) -> None:
    # The .NET host refuses it, the worker does not: why local/rules.py exists.
    body = """
    @app.timer_trigger(arg_name="my_timer", schedule="every day")
    def a(my_timer: func.TimerRequest) -> None:
        pass
    """
    assert set(index(HEAD + dedent(body)).functions) == {"a"}
