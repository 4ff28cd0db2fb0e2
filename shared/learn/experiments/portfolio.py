"""A year's tests by what they are worth in money, less what they cost.

The tests are those that ``/experiment`` designs, one a channel, at their full size. Plans that may
come of them are the best one, today's, and the best of single draws of the curves; what results are
worth is what the plan that they lead to earns beyond the best plan without them
(:mod:`shared.learn.experiments.value`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.figures import number, plural
from shared.learn.experiments.value import Candidate, choose, information_value
from shared.plan.experiment import AskedTest, experiment, lifts
from shared.plan.optimize import make_plan
from shared.plan.rows import warned
from shared.plan.words import say
from shared.plan.yardstick import today_of
from shared.problem.model import Problem

__all__ = ["AskedPortfolio", "portfolio"]

Floats = NDArray[np.float64]

_ALIKE = 1e-3  # of the money: plans that differ by less are one


@dataclass(frozen=True, slots=True)
class AskedPortfolio:
    """What a year's tests are asked to be.

    Attributes
    ----------
    test
        What each test may be; its ``periods`` are the most of one.
    periods
        Of all tests together, one after another.
    value
        Money that an outcome is worth.
    served
        Periods in which the plan follows what was learnt.
    fee
        What a test costs beside the profit that its spend loses.
    """

    test: AskedTest
    periods: int
    value: float
    served: int
    fee: float = 0.0
    seed: int = 0


def portfolio(problem: Problem, asked: AskedPortfolio) -> dict[str, Any]:
    """Tests one after another, each worth more than it costs beside those before it.

    Raises
    ------
    InvalidInput
        Curves without draws (nothing is known of what is not known), a plan over time.
    """
    today = today_of(
        problem,
        "A test is designed for spend that is sustained: give a base without a horizon.",
        "A test changes today's spend, which is not known of",
    )
    if problem.draws < 2:
        text = "The curves carry no draws: what it is worth to know them cannot be told."
        raise InvalidInput.at("/portfolio/base", "no_draws", text)
    plan = make_plan(problem)
    program = plan.program
    if problem.interactions or program.draws is None or program.arms != len(today):
        text = "Tests are valued for channels that do not interact, with one outcome."
        raise InvalidInput.at("/portfolio/base", "conflict", text)
    optima = plan.moves().optima
    plans = [plan.best.spend[:, 0], today]
    for other in [] if optima is None else optima:
        if all(np.abs(other - one).max() > _ALIKE * max(plan.best.money, 1e-12) for one in plans):
            plans.append(np.asarray(other))
    carry, weight = program.carry[:, 0, 0], program.weight[:, 0]
    profits = np.stack(
        [
            asked.value * (program.draws.value(carry * spend) @ weight) - spend.sum()
            for spend in plans
        ]
    )
    names = list(program.names)
    every = replace(asked.test, channels=asked.test.channels or tuple(names))
    rows, tests = list[dict[str, Any]](), list[Candidate]()
    for design in experiment(problem, every)["designs"]:
        a = names.index(design["channel"])
        change = design["spend_change_per_period"]
        lift = lifts(program, a, float(today[a]), np.array([change]))[:, 0]
        changed = design["periods"] + design["wash_in_periods"]
        lost = max(change - asked.value * float(lift.mean()), 0.0) * changed
        test = Candidate(
            design["channel"],
            lift,
            design["standard_error"],
            asked.fee + lost,
            design["total_periods"],
        )
        tests.append(test)
        alone = asked.served * information_value(profits, [test], asked.seed)
        rows.append(
            {
                "channel": test.name,
                "value": alone,
                "cost": test.cost,
                "net": alone - test.cost,
                "periods": test.periods,
                "test_spend": design["test_spend"],
                "standard_error": test.error,
                "lift_test": design["lift_test"],
            }
        )
    chosen = choose(profits, tests, asked.periods, asked.served, asked.seed)
    known = asked.served * float(profits.max(axis=0).mean() - profits.mean(axis=1).max())
    if chosen:
        order = ", then ".join(one.name for one in chosen)
        worth = sum(one.value - one.cost for one in chosen)
        text = (
            f"Test {order}: together worth {number(worth)} beyond their cost over "
            f"{plural(asked.served, 'period')}; to know every curve would be worth {number(known)}."
        )
    else:
        text = (
            "No test is worth its cost: to know every curve would be worth "
            f"{number(known)} over {plural(asked.served, 'period')}."
        )
    return {
        "kind": "portfolio",
        "chosen": [
            {"channel": one.name, "value": one.value, "cost": one.cost, "first_period": one.first}
            for one in chosen
        ],
        "tests": rows,
        "value_of_knowing_all": known,
        "plans": len(plans),
        "warnings": warned(problem.warnings),
        "explanation": [say("portfolio", text, known=known, chosen=[c.name for c in chosen])],
    }
