"""Reports for people over HTTP: one page, or one picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.api.http import Call, Reply
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import InvalidInput, NotFound, did_you_mean
from shared.store.keys import check_dataset_name, is_curves_version

if TYPE_CHECKING:
    from shared.curves.curveset import CurveSet
    from shared.problem.model import Problem
    from shared.service import Service

__all__ = ["budget_of", "drawn", "plot", "report", "responses", "to_plan"]

MOST_PERIODS = 10_000
FORMATS = {"svg": "image/svg+xml", "png": "image/png"}

NOTHING_ELSE = {"X-Content-Type-Options": "nosniff"}


def report(call: Call) -> Reply:
    """``GET /datasets/{dataset}/report``"""
    dataset, curves, problem = _question(call)
    page = drawn(call.service, dataset, curves, problem)
    return Reply(page, headers=NOTHING_ELSE, content_type="text/html")


def plot(call: Call) -> Reply:
    """``GET /datasets/{dataset}/plots/{plot}``"""
    from shared.report.page import PLOTS

    name, form = call.route["plot"], call.query.get("format", "svg").lower()
    if name not in PLOTS:
        known = ", ".join(PLOTS)
        raise NotFound(f"There is no such plot.{did_you_mean(name, PLOTS)} There are {known}.")
    if form not in FORMATS:
        text = f"A plot is to be had as {' or '.join(FORMATS)}."
        raise InvalidInput.at("/format", "unknown_value", text)
    dataset, curves, problem = _question(call)
    picture = drawn(call.service, dataset, curves, problem, name, form)
    return Reply(picture, headers=NOTHING_ELSE, content_type=FORMATS[form])


def responses(call: Call) -> Reply:
    """``GET /datasets/{dataset}/responses``"""
    from shared.plan.information import curve_band
    from shared.report.material import Material

    dataset, curves, problem = _question(call)
    material = Material(curves, problem, call.service.history(dataset))
    told = []
    for arm in material.arms:
        band = curve_band(arm.name, arm.channel, arm.channel.max_spend or 0.0)
        seen = material.observed(arm.name)
        told.append(
            {
                **{key: band[key] for key in ("channel", "current_spend", "observed_max")},
                "max_spend": arm.channel.max_spend,
                "points": band["points"],
                "observed": None if seen is None else np.column_stack(seen).tolist(),
            }
        )
    baseline = (curves.baseline or {}).get("mean")
    answer = {"dataset": dataset, "curves_version": curves.version, "baseline": baseline}
    return Reply({**answer, "curves": told})


def drawn(
    service: Service,
    dataset: str,
    curves: CurveSet,
    problem: Problem,
    plot: str | None = None,
    form: str = "svg",
) -> bytes:
    """The page about ``curves`` and the plan of ``problem`` over them, or one ``plot`` of it."""
    from shared.report.material import Material
    from shared.report.page import PLOTS, page
    from shared.report.plot import Missing, png, svg

    material = Material(curves, problem, service.history(dataset))
    if plot is None:
        adopted = service.tracking.summary(dataset) or {}
        return page(material, adopted.get("explanation", ())).encode()
    made = PLOTS[plot](material)
    if isinstance(made, Missing):
        raise NotFound(made.why)
    return png(made) if form == "png" else svg(made).encode()


def _question(call: Call) -> tuple[str, CurveSet, Problem]:
    """The curves that the address names, and the plan that is asked for over them."""
    dataset = check_dataset_name(call.route["dataset"])
    version = call.query.get("version", "latest")
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    budget, today = budget_of(call.query.get("budget")), _today(call.query.get("current"))
    curves = call.service.curves(dataset, version)
    return dataset, curves, to_plan(curves, dataset, budget, today)


def to_plan(
    curves: CurveSet,
    dataset: str,
    budget: float | None = None,
    today: Mapping[str, Any] | None = None,
) -> Problem:
    """The question that a report of a dataset's curves answers: a budget, today's if not given;
    ``today`` as the contract's ``current``."""
    asked: dict[str, Any] = {"dataset": dataset, "curves_version": curves.version}
    asked |= {"budget_change": 0.0} if budget is None else {"budget": budget}
    return problem_of(read_optimize(asked | ({"current": today} if today else {})), curves)


def _today(text: str | None) -> dict[str, Any] | None:
    """``13`` (the last so many periods) or ``2026-06-01/2026-08-31`` as the contract says it."""
    if text is None:
        return None
    first, slash, last = text.partition("/")
    if slash:
        return {"from": first[:10], "to": last[:10]}
    if not text.isdecimal() or not 1 <= int(text[:6]) <= MOST_PERIODS:
        said = (
            "current says what stands for today: so many last periods (13), or the days "
            "2026-06-01/2026-08-31."
        )
        raise InvalidInput.at("/current", "invalid", said)
    return {"last": int(text)}


def budget_of(text: str | None) -> float | None:
    """A budget in an address; None where it says none."""
    if text is None:
        return None
    try:
        budget = float(text)
    except ValueError:
        budget = -1.0
    if not (isfinite(budget) and budget >= 0.0):
        raise InvalidInput.at(
            "/budget", "out_of_range", "A budget is an amount of money from 0 up."
        )
    return budget
