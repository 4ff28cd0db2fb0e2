"""The sentences agree with the numbers beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.plan.optimize import answer, make_plan
from shared.plan.words import number, percent
from tests.plan.problems import closed_form, s_shaped_with_draws, two_michaelis_menten


def sentences(problem, code: str) -> list[dict]:  # type: ignore[no-untyped-def]
    return [s for s in answer(make_plan(problem))["explanation"] if s["code"] == code]


@pytest.mark.parametrize("problem", [two_michaelis_menten(), s_shaped_with_draws()])
def test_every_stated_figure_is_in_the_sentence_and_in_the_table(problem) -> None:  # type: ignore[no-untyped-def]
    result = answer(make_plan(problem))
    rows = {row["channel"]: row for row in result["allocation"]}
    headline, proof = result["explanation"][:2]
    assert headline["code"] == "headline"
    assert proof["code"] == "proof"
    for key in ("spend", "outcome", "current_outcome"):
        assert headline["data"][key] == result["totals"][key]
        assert number(headline["data"][key]) in headline["text"]
    assert percent(result["totals"]["uplift_share"]) in headline["text"]
    assert number(result["certificate"]["upper_bound"]) in proof["text"]
    moves = [s for s in result["explanation"] if s["code"] in ("increase", "decrease")]
    assert moves
    for move in moves:
        row = rows[move["data"]["channel"]]
        assert move["data"]["change"] == row["change"]
        assert (row["change"] > 0) == (move["code"] == "increase")
        assert number(abs(row["change"])) in move["text"]
        assert number(row["marginal_return"]) in move["text"]
        assert number(move["data"]["marginal_return_now"]) in move["text"]


def test_moves_come_largest_first() -> None:
    moves = [
        abs(s["data"]["change"])
        for s in answer(make_plan(s_shaped_with_draws()))["explanation"]
        if s["code"] in ("increase", "decrease")
    ]
    assert moves == sorted(moves, reverse=True)


def test_a_plan_that_is_already_best_says_keep() -> None:
    best = closed_form()
    channels = tuple(
        replace(c, current_spend=float(x))
        for c, x in zip(two_michaelis_menten().channels, best, strict=True)
    )
    problem = replace(two_michaelis_menten(), channels=channels)
    assert len(sentences(problem, "keep")) == 1
    assert not sentences(problem, "increase")


def test_a_binding_bound_is_named_with_its_gain() -> None:
    channels = (replace(two_michaelis_menten().channels[0], max_spend=40.0),)
    problem = replace(
        two_michaelis_menten(), channels=channels + two_michaelis_menten().channels[1:]
    )
    (held,) = sentences(problem, "held")
    assert held["data"]["bound"] == "max_spend"
    assert "max_spend" in held["text"]
    assert number(held["data"]["gain"]) in held["text"]


def test_the_gap_in_words_is_never_smaller_than_the_proven_one() -> None:
    loose = replace(s_shaped_with_draws(), options=replace(s_shaped_with_draws().options, gap=1e-2))
    result = answer(make_plan(loose))
    text = result["explanation"][1]["text"]
    if "this one is within" in text:
        stated = float(text.split("this one is within ")[1].split(" %")[0]) / 100
        assert stated >= result["certificate"]["relative_gap"]
    else:
        assert result["certificate"]["relative_gap"] <= 1e-9


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.0, "1,234,567"), (0.5, "0.5"), (-12.34567, "-12.35"), (1e-15, "1.000e-15")],
)
def test_numbers_are_readable(value: float, text: str) -> None:
    assert number(value) == text
