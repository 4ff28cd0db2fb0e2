"""From a tool's arguments to an optimize request: forgiving names, per cent, limits in words.

A question is kept as its arguments, so that a plan can be asked again with one of them changed:
what is new goes before what the base plan said, limits channel by channel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from shared.api.assistant.arguments import Limit, PeriodsArguments, PlanArguments
from shared.api.http import Call
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import InvalidInput, NotFound, near_names
from shared.frequency import word
from shared.plan.words import number
from shared.problem.arms import current_of
from shared.store.keys import check_dataset_name

if TYPE_CHECKING:
    from shared.curves.curveset import CurveSet
    from shared.problem.model import Problem

__all__ = ["Known", "known", "merged", "named", "request_of", "today_of"]

MONEY = ("budget", "total", "change_percent", "target_outcome")
"""Ways to say how much money a plan is about: the last one said counts alone."""


@dataclass(frozen=True, slots=True)
class Known:
    """A dataset as a question needs it: its curves, and its channels with today's spend."""

    dataset: str
    curves: CurveSet
    problem: Problem
    today: Mapping[str, float]

    @property
    def each(self) -> str:
        """What a period is called."""
        return word(self.curves.frequency)


def known(call: Call, said: str) -> Known:
    """The dataset that is meant, with curves.

    Raises
    ------
    NotFound
        There is none of that name, or it has no curves yet (and why).
    """
    dataset = said.strip().lower().replace(" ", "-")
    try:
        curves = call.service.curves(check_dataset_name(dataset))
    except (InvalidInput, NotFound):  # all names are looked through only where this is none
        dataset = _dataset(call, said, dataset)
        try:
            curves = call.service.curves(dataset)
        except NotFound as error:
            raise NotFound(f"{error} {_why_none(call, dataset)}") from None
    problem = problem_of(read_optimize({"dataset": dataset, "budget": 0.0}), curves)
    today = {channel.name: current_of(channel) or 0.0 for channel in problem.channels}
    return Known(dataset, curves, problem, today)


def _dataset(call: Call, said: str, name: str) -> str:
    there = [entry["dataset"] for entry in call.service.datasets()]
    if name in there:
        return name
    meant = near_names(name, there)
    if len(meant) == 1:
        return meant[0]
    raise NotFound(f"There is no dataset {said[:60]!r}. There are: {', '.join(there) or 'none'}.")


def _why_none(call: Call, dataset: str) -> str:
    found = call.service.dataset(dataset)
    run = found["last_run"]
    if run is not None:
        return f"Its last refit is {run['state']}: {' '.join(run['reasons']) or 'no reasons yet'}"
    if not found["has_history"]:
        return "It has no history either: upload one."
    return "It has a history: refit it."


def named(said: str, names: Iterable[str], what: str = "channel") -> str:
    """The name that is meant: whatever its case, spaces and dashes, or part of it.

    >>> named("Online Video", ["tv", "online_video"]), named("paid search", ["tv", "search"])
    ('online_video', 'search')
    """
    there = list(names)
    short = {name: _letters(name) for name in there}
    asked = _letters(said)
    for meant in (
        [name for name in there if name == said],
        [name for name, letters in short.items() if letters == asked],
        [name for name, letters in short.items() if asked and (asked in letters)],
        [name for name, letters in short.items() if letters and letters in asked],
        near_names(said, there),
    ):
        if len(meant) == 1:
            return meant[0]
        if meant:
            break
    text = f"There is no {what} {said[:60]!r}. There are: {', '.join(there[:40])}."
    raise InvalidInput.at(f"/{what}", f"unknown_{what}", text)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def merged(base: Mapping[str, Any], asked: PlanArguments | PeriodsArguments) -> dict[str, Any]:
    """The base plan's arguments with what is asked now; ``total`` is a budget of all periods."""
    new = asked.model_dump(exclude_none=True, exclude={"dataset", "base_plan"})
    if isinstance(asked, PeriodsArguments) and "budget" in new:
        new["total"] = new.pop("budget")
    out = {k: v for k, v in base.items() if k not in MONEY or not new.keys() & set(MONEY)}
    limits = [*base.get("limits", ()), *new.pop("limits", ())]
    return {**out, **new, **({"limits": limits} if limits else {})}


def request_of(have: Known, asked: Mapping[str, Any], *, plain: bool = False) -> dict[str, Any]:
    """The optimize request that merged arguments stand for.

    Parameters
    ----------
    plain
        Without the what-ifs (prices, effects), to tell what they change.
    """
    out: dict[str, Any] = {"dataset": have.dataset, "curves_version": have.curves.version}
    out["include"] = []
    periods = int(asked.get("periods") or 1)
    channels = _channels(have, asked.get("limits", ()), plain)
    if channels:
        out["channels"] = channels
    objective: dict[str, Any] = {}
    if (value := asked.get("value_per_outcome")) is not None:
        objective = {"goal": "maximize_profit", "value_per_outcome": value}
        out["spend_all"] = False
    if (target := asked.get("target_outcome")) is not None:
        objective = {"goal": "minimize_spend", "target_outcome": target}
    if objective:
        out["objective"] = objective
    if periods > 1:
        out["horizon"] = {"periods": periods}
        if "start" in asked:
            out["horizon"]["start"] = asked["start"]
        out["solver"] = {"gap": 1e-3}
    money = _money(have, asked, periods)
    if money is not None:
        windows = _windows(have, asked, periods, money)
        out |= {"budget_windows": windows} if windows else {"budget": money}
    return out


def _money(have: Known, asked: Mapping[str, Any], periods: int) -> float | None:
    """Money over all periods; None where the plan itself says how much."""
    if "total" in asked:
        return float(asked["total"])
    if "budget" in asked:
        return float(asked["budget"]) * periods
    if "change_percent" in asked:
        more = float(asked["change_percent"]) / 100.0
        return sum(have.today.values()) * periods * (1.0 + more)
    if "target_outcome" in asked or "value_per_outcome" in asked:
        return None
    return sum(have.today.values()) * periods


def _windows(
    have: Known, asked: Mapping[str, Any], periods: int, money: float
) -> list[dict[str, Any]]:
    """Stretches of periods with money of their own, where some get more than others."""
    if not asked.get("emphasis"):
        return []
    weights = [1.0] * periods
    for i, stretch in enumerate(asked["emphasis"]):
        first, last = (_place(have, asked, stretch[end], periods, i) for end in ("first", "last"))
        for t in range(first, last + 1):
            weights[t - 1] = max(1.0 + stretch["percent"] / 100.0, 0.0)
    if not any(weights):
        raise InvalidInput.at("/emphasis", "contradiction", "No period would get any money.")
    share = money / sum(weights)
    windows: list[dict[str, Any]] = []
    for t, weight in enumerate(weights, start=1):
        if windows and weights[t - 2] == weight:
            windows[-1] |= {"to": t, "budget": windows[-1]["budget"] + weight * share}
        else:
            windows.append({"from": t, "to": t, "budget": weight * share})
    return windows


def _place(have: Known, asked: Mapping[str, Any], said: int | str, periods: int, i: int) -> int:
    """A period's number from its number or a date; dates beyond either end are its end."""
    if isinstance(said, str) and not said.isdigit():
        horizon = {"periods": max(periods, 2)} | (
            {"start": asked["start"]} if "start" in asked else {}
        )
        raw = {"dataset": have.dataset, "budget": 0.0, "horizon": horizon}
        days = problem_of(read_optimize(raw), have.curves).horizon.days[:periods]
        try:
            day = date.fromisoformat(said)
        except ValueError:
            text = f"{said[:40]!r} is no period number and no date like 2026-12-01."
            raise InvalidInput.at(f"/emphasis/{i}", "invalid_date", text) from None
        return max(sum(first <= day for first in days), 1)
    return min(max(int(said), 1), periods)


def _channels(have: Known, limits: Sequence[Any], plain: bool) -> list[dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for raw in limits:
        limit = Limit.model_validate(raw)
        if limit.rule == "like":
            out[limit.channel.strip()] = _like(have, limit)
            continue
        names = [*have.today, *(name for name in out if name not in have.today)]
        wanted = names if limit.channel.strip() == "*" else [named(limit.channel, names)]
        for name in wanted:
            row = out.setdefault(name, {"channel": name})
            _apply(row, limit, have.today.get(name, 0.0), plain)
    return [row for row in out.values() if len(row) > 1]


def _like(have: Known, limit: Limit) -> dict[str, Any]:
    """A new channel that resembles one: "radio", or "radio at 50 %"."""
    said = re.fullmatch(r"(.*?)(?:\s+(?:at\s+)?([0-9.]+)\s*%)?", str(limit.value or "").strip())
    if said is None or not said[1]:
        text = f"Say which channel {limit.channel} is like: {', '.join(have.today)}."
        raise InvalidInput.at("/limits", "required", text)
    row: dict[str, Any] = {"channel": limit.channel.strip(), "like": named(said[1], have.today)}
    return {**row, "scale": float(said[2]) / 100.0} if said[2] else row


def _apply(row: dict[str, Any], limit: Limit, today: float, plain: bool) -> None:
    rule = limit.rule
    if rule == "free":
        for field in ("locked", "exclude", "min_spend", "max_spend", "price", "effectiveness"):
            row.pop(field, None)
        return
    if rule in ("keep", "leave_out"):
        row["locked" if rule == "keep" else "exclude"] = True
        return
    value = _amount(limit)
    share = value / 100.0
    if rule == "at_least":
        row["min_spend"] = value
    elif rule == "at_most":
        row["max_spend"] = value
    elif rule == "cut_at_most_percent":
        row["min_spend"] = today * max(1.0 - share, 0.0)
    elif rule == "raise_at_most_percent":
        row["max_spend"] = today * (1.0 + share)
    elif not plain:
        field = "price" if rule == "price_percent" else "effectiveness"
        row[field] = row.get(field, 1.0) * (1.0 + share)


def _amount(limit: Limit) -> float:
    text = re.sub(r"[\s%,']", "", str(limit.value if limit.value is not None else ""))
    try:
        value = float(text)
    except ValueError:
        said = f"{limit.rule} of {limit.channel} needs a number."
        raise InvalidInput.at("/limits", "required", said) from None
    if limit.rule.endswith("percent") and 0.0 < abs(value) < 1.0:
        said = (
            f"{limit.rule} of {limit.channel} is in per cent: {number(100.0 * value)} for "
            f"{number(100.0 * value)} %, not {number(value)}."
        )
        raise InvalidInput.at("/limits", "out_of_range", said)
    if value < 0.0 and limit.rule not in ("price_percent", "works_percent"):
        said = f"{limit.rule} of {limit.channel} must be at least 0."
        raise InvalidInput.at("/limits", "out_of_range", said)
    return value


def today_of(have: Known) -> list[dict[str, Any]]:
    """Today's spend as a plan."""
    return [{"channel": name, "spend": spend} for name, spend in have.today.items()]
