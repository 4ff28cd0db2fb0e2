"""What a question is estimated to take: it grows with its shape, and knows every question."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from shared.api.endpoints import ENDPOINTS
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.plan.effort import QUESTIONS, seconds_of
from shared.problem.model import Horizon
from shared.service import Service
from tests.api.samples import optimize_request

PROBLEM = problem_of(read_optimize(optimize_request()), None)
MORE = {
    "scenarios": ([None] * 4, [1.0, 2.0], ("outcome", 3)),
    "transition": (0.2, 4),
    "evaluate": ({},),
    "campaigns": (None,),
    "policies": (None,),
}


def test_it_knows_the_questions_of_the_endpoints_and_the_service() -> None:
    assert {endpoint.name for endpoint in ENDPOINTS if endpoint.long} == QUESTIONS
    assert all(callable(getattr(Service, name)) for name in QUESTIONS)


@pytest.mark.parametrize("question", sorted(QUESTIONS - {"fit"}))
def test_more_periods_take_longer_up_to_the_limit_of_the_search(question: str) -> None:
    def of(periods: int, limit: float = 10.0) -> float:
        options = replace(PROBLEM.options, time_limit_s=limit)
        problem = replace(PROBLEM, horizon=Horizon(periods=periods), options=options)
        return seconds_of(question, problem, *MORE.get(question, ()))

    assert 0.0 < of(1) < of(13) < of(52)
    assert of(52, limit=0.1) < of(52)
    assert of(1, limit=0.1) == of(1)


def test_more_scenarios_and_steps_take_longer() -> None:
    assert seconds_of("scenarios", PROBLEM, [None]) < seconds_of("scenarios", PROBLEM, [None] * 9)
    assert seconds_of("transition", PROBLEM, 0.2, 1) < seconds_of("transition", PROBLEM, 0.2, 9)


def test_a_fit_goes_by_its_cells() -> None:
    def of(dates: int, channels: int) -> float:
        history = SimpleNamespace(dates=[0] * dates, channels=["c"] * channels)
        return seconds_of("fit", SimpleNamespace(history=history), 0)

    assert of(104, 3) < of(208, 3) < of(208, 12) < 60.0 < of(5000, 20)


def test_other_methods_are_no_questions() -> None:
    with pytest.raises(KeyError):
        seconds_of("delete_dataset", PROBLEM)
