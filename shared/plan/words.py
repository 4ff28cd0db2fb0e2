"""How figures and names read in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.figures import number
from shared.frequency import word
from shared.problem.aim import is_target
from shared.problem.model import Problem

__all__ = [
    "bound_name",
    "gained",
    "largest",
    "limits_data",
    "limits_of",
    "money",
    "net",
    "number",
    "outcome_of",
    "percent",
    "possessive",
    "say",
    "span",
    "unit_of",
]


def percent(share: float) -> str:
    """A share as a signed percentage; a small one keeps two digits rather than reading as none.

    >>> percent(0.1234), percent(-0.5), percent(0.000448), percent(0.0), percent(41.7)
    ('+12.3 %', '-50.0 %', '+0.045 %', '0.0 %', '42-fold more')
    """
    if abs(share) >= 10.0:
        return f"{abs(share):,.0f}-fold {'more' if share > 0 else 'less'}"
    if abs(share) >= 1e-3:
        return f"{100 * share:+.1f} %"
    return "0.0 %" if abs(share) < 1e-9 else f"{100 * share:+.2g} %"


def possessive(name: str) -> str:
    """The genitive of a channel's name.

    >>> possessive("tv"), possessive("affiliates")
    ("tv's", "affiliates'")
    """
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def money(problem: Problem, value: float) -> str:
    """An amount of money, in the caller's currency where it is known."""
    return f"{number(value)} {problem.currency}" if problem.currency else number(value)


def unit_of(problem: Problem) -> str:
    """What outcomes are counted in."""
    usual = "people reached" if problem.goal.goal == "maximize_reach" else "units of outcome"
    return problem.outcome_unit or usual


def outcome_of(problem: Problem, value: float) -> str:
    """An outcome with its unit."""
    text = number(value)
    if text == "1" and problem.outcome_unit is None:
        one = "person reached" if problem.goal.goal == "maximize_reach" else "unit of outcome"
        return f"{text} {one}"
    return f"{text} {unit_of(problem)}"


def span(problem: Problem) -> str:
    """What amounts are summed over: one period, or the whole horizon."""
    each = word(problem.frequency)
    count = problem.horizon.periods
    return f"per {each}" if count == 1 else f"over {count} {each}s"


def bound_name(name: str) -> str:
    """What holds a channel, as a noun."""
    return {"locked": "lock", "exclude": "exclusion"}.get(name, name)


def net(problem: Problem) -> str:
    """What the objective counts beside its own unit, so that its figures are read right."""
    words = []
    if problem.goal.target_marginal_return is not None:
        x = number(problem.goal.target_marginal_return / (problem.goal.value_per_outcome or 1.0))
        words.append(f"less {x} for each unit of money")
    if any(c.penalty > 0.0 for channel in problem.channels for c in (channel, *channel.campaigns)):
        words.append("penalties counted")
    if problem.horizon.discount_rate > 0.0:
        words.append("in present value")
    return f" ({', '.join(words)})" if words else ""


def gained(problem: Problem, value: float) -> str:
    """What a gain of ``value`` in the objective does, after "would"."""
    goal, also = problem.goal.goal, net(problem)
    if goal == "minimize_spend":
        return f"save {money(problem, value)}{also}"
    if goal == "maximize_profit":
        return f"earn {money(problem, value)} more{also}"
    if goal == "weighted_sum":
        return f"add {number(value)} to the weighted sum{also}"
    if goal == "maximize_reach" and problem.outcome_unit is None:
        return f"reach {number(value)} more {'person' if number(value) == '1' else 'people'}{also}"
    return f"add {outcome_of(problem, value)}{also}"


def limits_of(problem: Problem, broken: Mapping[str, float]) -> str:
    """Limits that a plan breaks, each with by how much; a target, by how much outcome."""
    return ", ".join(
        f"{name} by {outcome_of(problem, amount) if is_target(name) else number(amount)}"
        for name, amount in broken.items()
    )


def limits_data(broken: Mapping[str, float]) -> list[dict[str, Any]]:
    """The same for a sentence's ``data``."""
    return [{"limit": name, "amount": amount} for name, amount in broken.items()]


def largest(ranked: Iterable[tuple[float, dict[str, Any]]], most: int) -> list[dict[str, Any]]:
    """Sentences by their size, the largest first, and no more than ``most`` of them."""
    return [said for _, said in sorted(ranked, key=lambda item: -item[0])[:most]]


def say(code: str, text: str, **data: Any) -> dict[str, Any]:
    """A sentence of an answer, with the figures that it tells."""
    return {"code": code, "text": text, "data": data}
