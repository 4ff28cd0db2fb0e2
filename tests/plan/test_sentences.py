"""Every number in every sentence is one of the figures beside it, over all that can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import MarginalError
from shared.plan.evaluate import best_move
from shared.plan.experiment import AskedTest, experiment
from shared.plan.optimize import answer, make_plan
from shared.plan.transition import transition
from shared.plan.yardstick import yardstick
from shared.problem.model import Problem
from tests.api.features import CAMPAIGNS, over, three
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten
from tests.plan.requests import mixed

Raw = dict[str, Any]
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
ALWAYS = ("90 % interval", "in the 90 %")
"""What every interval is of."""

QUICK = {"gap": 1e-3, "time_limit_s": 1}
GOALS: dict[str, Raw] = {
    "least spend": {"goal": "minimize_spend", "target_outcome": 6e4},
    "roas": {"target_roas": 3.2},
    "cpa": {"target_cpa": 0.5},
    "profit": {"goal": "maximize_profit", "value_per_outcome": 0.9},
    "sum": {
        "goal": "weighted_sum",
        "weights": {"outcome": 1.0, "profit": 0.5, "spend": 0.3},
        "value_per_outcome": 0.8,
    },
}


def leaves(data: Any) -> Iterator[float]:
    if isinstance(data, bool) or data is None or isinstance(data, str):
        return
    if isinstance(data, int | float):
        yield float(data)
    elif isinstance(data, dict):
        for value in data.values():
            yield from leaves(value)
    else:
        for value in data:
            yield from leaves(value)


def names_in(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from names_in(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from names_in(value)


def unsupported(sentence: Raw) -> list[str]:
    """The numbers of a sentence that none of its figures rounds to."""
    text = sentence["text"]
    for name in sorted(set(names_in(sentence["data"])), key=len, reverse=True):
        text = text.replace(name, "_")
    for phrase in ALWAYS:
        text = text.replace(phrase, "_")
    figures = np.array([*leaves(sentence["data"])])
    wrong = []
    for match in NUMBER.finditer(text):
        told = match.group().replace(",", "")
        value = abs(float(told))
        mantissa, _, exponent = told.partition("e")
        digits = len(mantissa.partition(".")[2])
        step = 10.0 ** (int(exponent or 0) - digits)
        # A gap is rounded up, and a figure of more than four digits to four.
        slack = 1.0001 * step if "within" in text[: match.start()][-30:] else 0.5001 * step
        slack = max(slack, 5e-4 * value)
        near = [abs(f) for f in figures] + [100 * abs(f) for f in figures]
        if not any(abs(value - f) <= slack for f in near):
            wrong.append(match.group())
    return wrong


def requests() -> dict[str, Raw]:
    found: dict[str, Raw] = {f"mixed {seed}": mixed(seed) for seed in range(24)}
    found |= {f"careful {seed}": mixed(seed, careful=True) for seed in range(6)}
    for name, objective in GOALS.items():
        found[name] = three(objective=objective, spend_all=False)
        found[f"{name} over time"] = over(3, objective=dict(objective), spend_all=False)
        if "target_outcome" in objective:
            found[f"{name} over time"]["objective"]["target_outcome"] *= 3
    found["plain"] = three()
    found["small"] = three(budget=500.0)
    found["much"] = three(budget=5e5, spend_all=False)
    found["campaigns"] = three(tv=CAMPAIGNS)
    found["share"] = three(constraints=[{"name": "r", "channels": ["tv"], "min_share": 0.6}])
    found["cap"] = three(constraints=[{"name": "r", "channels": ["tv"], "max_spend": 900.0}])
    found["locked"] = three(tv={"locked": True})
    found["ceiling"] = three(search={"max_spend": 2000.0})
    found["pair"] = three(interactions=[{"channels": ["tv", "search"], "strength": 20000}])
    for mode in ("constant", "fixed_shares", "sequential"):
        found[mode] = over(2, mode)
    return found


def problems() -> dict[str, Problem]:
    out: dict[str, Problem] = {}
    for name, raw in requests().items():
        out[name] = problem_of(read_optimize(raw | {"solver": QUICK}))
    draws = s_shaped_with_draws()
    out["draws"] = draws
    out["euro"] = replace(
        draws, currency="EUR", outcome_unit="orders", frequency="week", warnings=()
    )
    out["concave"] = two_michaelis_menten()
    wide = s_shaped_with_draws(spread=0.6)
    out["wide"] = wide
    out["one"] = two_michaelis_menten(budget=1.0)
    weak = tuple(
        replace(c, verdict=v)
        for c, v in zip(draws.channels, ("weak", "prior", "unspent"), strict=True)
    )
    out["weak"] = replace(draws, channels=weak)
    return out


PROBLEMS = problems()


@pytest.fixture(scope="module")
def explained() -> dict[str, list[Raw]]:
    out = {}
    for name, problem in PROBLEMS.items():
        try:
            out[name] = answer(make_plan(problem))["explanation"]
        except MarginalError:
            continue
    return out


def test_every_number_is_a_figure_beside_it(explained: dict[str, list[Raw]]) -> None:
    assert len(explained) >= 50
    wrong = {
        (name, sentence["code"], sentence["text"]): missing
        for name, sentences in explained.items()
        for sentence in sentences
        if (missing := unsupported(sentence))
    }
    assert not wrong


def test_many_kinds_of_sentences_were_read(explained: dict[str, list[Raw]]) -> None:
    codes = {sentence["code"] for sentences in explained.values() for sentence in sentences}
    assert codes >= {
        *("headline", "proof", "increase", "decrease", "held", "constraint", "budget", "target"),
        *("entry", "slack", "loss", "unsure_curve", "extrapolates", "least_sure"),
    }


def test_a_wrong_number_would_be_found(explained: dict[str, list[Raw]]) -> None:
    sentence = explained["plain"][0]
    assert not unsupported(sentence)
    assert unsupported({**sentence, "text": sentence["text"] + " 77.77 more."}) == ["77.77"]


def test_sentences_are_whole(explained: dict[str, list[Raw]]) -> None:
    for sentences in explained.values():
        for sentence in sentences:
            text = sentence["text"]
            assert text.endswith(".")
            assert text[0] == text[0].upper() or text.startswith(tuple(names_in(sentence["data"])))
            assert "  " not in text
            assert "None" not in text
            assert "nan" not in text.split()
            assert not re.search(r"(?<![\d.,])1 (units|people|periods|steps|orders)\b", text)


def test_each_goal_is_told_in_its_own_words(explained: dict[str, list[Raw]]) -> None:
    def said(name: str) -> str:
        return " ".join(sentence["text"] for sentence in explained[name])

    assert "reach the target for less than" in said("least spend")
    assert "save" in said("least spend")
    assert "earn more than" in said("profit")
    assert "weighted sum above" in said("sum")
    assert "target_roas" in said("roas")
    assert "EUR per week" in said("euro")
    assert "orders" in said("euro")


@pytest.mark.parametrize("name", ["plain", "draws", "euro", "profit", "ceiling"])
def test_steps_and_tests_are_told_by_their_figures(name: str) -> None:
    problem = PROBLEMS[name]
    noise = 0.02 * make_plan(problem).best.total
    told = transition(problem, 0.15, 4)["explanation"]
    for design in experiment(problem, AskedTest(noise, 0.2))["designs"]:
        told += design["explanation"]
    assert {tuple(unsupported(sentence)) for sentence in told} == {()}


@pytest.mark.parametrize("name", ["plain", "euro", "profit", "campaigns", "constant"])
def test_a_move_is_told_by_its_figures(name: str) -> None:
    problem = PROBLEMS[name]
    measure = yardstick(problem)
    plan = make_plan(problem)
    spend = plan.best.spend * np.linspace(0.7, 1.0, len(plan.best.spend))[:, None]
    found = best_move(measure, spend)
    if found is not None:
        assert not unsupported({"text": found["text"], "data": found})
