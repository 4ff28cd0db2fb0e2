"""Interactions where curves have draws: what the mean curves leave out is told in figures."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Hill
from shared.plan.optimize import levels_in_draws, make_plan
from shared.problem.lower import lower
from shared.problem.model import Channel, Interaction, Problem

HALVES = (10.0, 20.0, 60.0)


def problem(halves: tuple[float, ...]) -> Problem:
    """Two channels whose draws move together; the levels are what differs."""
    channels = tuple(
        Channel(
            name,
            Response(Hill(100.0, 20.0, 1.0), draws=tuple(Hill(100.0, h, 1.0) for h in halves)),
        )
        for name in ("tv", "search")
    )
    return Problem(channels, 60.0, interactions=(Interaction(("tv", "search"), 50.0),))


def test_the_difference_is_told_in_figures() -> None:
    asked = problem(HALVES)
    plan = make_plan(asked)
    told = dict(plan.notes)["interaction_of_means"]
    spend = plan.best.spend[:, 0]
    each = np.array([[x / (x + h) for h in HALVES] for x in spend])
    mean, drawn = 50.0 * each.mean(axis=1).prod(), 50.0 * each.prod(axis=0).mean()
    assert drawn > mean
    figures = [float(x) for x in re.findall(r"\d+\.?\d*", told)]
    assert figures == pytest.approx([mean, drawn], abs=0.01)


def test_draws_that_agree_and_curves_without_draws_need_no_word() -> None:
    same = lower(problem((20.0, 20.0)))
    spend = np.array([[30.0], [30.0]])
    assert levels_in_draws(same, spend) == ()
    assert levels_in_draws(replace(lower(problem(HALVES)), draws=None), spend) == ()
    assert levels_in_draws(replace(lower(problem(HALVES)), pairs=()), spend) == ()
