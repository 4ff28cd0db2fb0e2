"""What every answer to ``POST /optimize`` must hold, checked by the contract's own meaning."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tests.app.client import Answer
from tests.contract.evaluator import (
    Raw,
    allowed,
    arms_of,
    broken,
    mode_of,
    name_of,
    objective,
    outcomes,
    periods_of,
    plan_of,
    today,
)
from tests.contract.relations import (
    Ends,
    ends_of,
    in_other_money,
    in_other_outcomes,
    meet,
    reordered,
)
from tests.contract.search import Found, best_known

__all__ = ["Api", "Fault", "faults_of", "related_faults", "without_times_and_ids"]

CLOSE = 1e-6
"""Relative: to which limits hold, and to which figures agree."""

CRUMB = 1e-8
"""Of a plan's money: no curve of the features tells so little from none."""

Faults = Iterator["Fault"]


class Api(Protocol):
    def post(self, path: str, document: Any) -> Answer: ...


@dataclass(frozen=True)
class Fault:
    """``kind`` is one word; ``size`` relative, where there is one."""

    kind: str
    text: str
    size: float | None = None


def faults_of(raw: Raw, answer: Answer, *, starts: int) -> Faults:
    """Everything that is wrong with one answer; ``starts`` of a local search oppose it."""
    if answer.status not in (200, 422):
        yield Fault("status", f"{answer.status}: {answer.body[:300]!r}")
        return
    best = best_known(raw, starts)
    if answer.status == 422:
        yield from _refusal(answer.json, best)
        return
    found = answer.json
    yield from _kept(raw, found)
    yield from _figures(raw, found)
    yield from _proof(raw, found, best)


def _refusal(problem: Raw, best: Found) -> Faults:
    if problem.get("errors"):
        told = [(e["pointer"], e["code"], e["message"]) for e in problem["errors"]]
        unbuilt = any(code == "not_supported_yet" for _, code, _ in told)
        yield Fault("unbuilt" if unbuilt else "refused", f"{problem['detail']} {told}")
        return
    names = [conflict["name"] for conflict in problem.get("conflicts") or []]
    if not names:
        yield Fault("unnamed", problem["detail"])
    # A plan that looks ahead shows nothing of one that is decided period by period.
    if best.plan is not None and "horizon.sequential" not in names:
        # An answer may say that its time was too short to find a plan: that is no conflict.
        kind = "unfound" if "it was not proven" in problem["detail"] else "conflict"
        yield Fault(kind, f"{names} are said to conflict; {best.plan[0].tolist()} keeps all")


def _kept(raw: Raw, found: Raw) -> Faults:
    plan = plan_of(found)
    names = [
        row["channel"] if arm is row else f"{row['channel']}/{arm['channel']}"
        for row in found["allocation"]
        for arm in row.get("campaigns") or [row]
    ]
    if names != [name_of(raw, place, arm) for place, arm in arms_of(raw)]:
        yield Fault("limits", f"rows of {names}")
    if np.any(plan < 0.0) or not np.all(np.isfinite(plan)):
        yield Fault("limits", f"spends that are none: {plan.tolist()}")
    if np.any((plan > 0.0) & (plan < CRUMB * plan.sum())):
        yield Fault("crumb", f"spends that nothing tells from none: {plan[0].tolist()}")
    if wrong := broken(raw, plan, CLOSE):
        yield Fault("limits", f"breaks {', '.join(wrong)}: {plan[0].tolist()}")


def _figures(raw: Raw, found: Raw) -> Faults:
    plan, now = plan_of(found), today(raw)
    periods = periods_of(raw)
    by_draw = outcomes(raw, plan)[:, 0, :periods].sum(axis=1)
    totals, sign = found["totals"], -1.0 if "lower_bound" in found["certificate"] else 1.0
    claims: list[tuple[str, Any, float]] = [
        ("objective", found["certificate"]["objective"], sign * float(objective(raw, plan)[0])),
        ("outcome", totals["outcome"], float(by_draw.mean())),
        ("spend", totals["spend"], float(plan.sum())),
    ]
    if now is not None:
        before = outcomes(raw, now)[:, 0, :periods].sum(axis=1)
        claims.append(("current_outcome", totals["current_outcome"], float(before.mean())))
        claims.append(("current_spend", totals["current_spend"], float(now.sum())))
    if len(by_draw) > 1 and totals["outcome_interval"] is not None:
        interval = zip(totals["outcome_interval"], np.quantile(by_draw, [0.05, 0.95]), strict=True)
        claims += [("outcome_interval", stated, float(true)) for stated, true in interval]
    for name, stated, true in claims:
        if stated is None or abs(stated - true) > CLOSE * max(abs(true), abs(stated), 1e-6):
            yield Fault("figures", f"{name} is stated as {stated}; it is {true}")


def _proof(raw: Raw, found: Raw, best: Found) -> Faults:
    proof, ends = found["certificate"], ends_of(found)
    reached = float(objective(raw, plan_of(found))[0])
    size = max(abs(reached), abs(best.worth) if math.isfinite(best.worth) else 0.0, 1e-9)
    if ends is None or not proof["proven"]:
        yield Fault("unproven", "no bound on every plan")
    elif ends[1] < max(best.worth, ends[0]) - CLOSE * size:
        plan = None if best.plan is None else best.plan[0].tolist()
        over = (max(best.worth, ends[0]) - ends[1]) / size
        text = f"a bound of {ends[1]}, but {plan} is worth {best.worth}"
        yield Fault("bound", text, over)
    asked = raw.get("solver", {}).get("gap", CLOSE)
    if ends is not None and ends[1] - ends[0] > max(asked, CLOSE) * size * (1 + CLOSE):
        yield Fault("gap", f"status {found['status']}", (ends[1] - ends[0]) / size)
    if best.worth > reached + max(asked, CLOSE) * size and mode_of(raw) != "sequential":
        plan = None if best.plan is None else best.plan[0].tolist()
        text = f"{reached} is beaten by {best.worth}: {plan}"
        yield Fault("beaten", text, (best.worth - reached) / size)
    now = today(raw)
    if now is not None and allowed(raw, now)[0]:
        worth = float(objective(raw, now)[0])
        if worth > reached + CLOSE * size:
            yield Fault("today", f"{reached} where today's is {worth}", (worth - reached) / size)


def without_times_and_ids(answer: Answer) -> Any:
    """An answer but for what may differ between two answers to one request."""
    body = answer.json
    body.pop("request_id", None)
    body.get("certificate", {}).pop("solve_ms", None)
    return body


def related_faults(api: Api, raw: Raw, answer: Answer) -> Faults:
    """The same request once more, in another order and in other units."""
    if answer.status not in (200, 422):
        return
    first, again = (without_times_and_ids(a) for a in (answer, api.post("optimize", raw)))
    if json.dumps(first) != json.dumps(again):
        yield Fault("bytes", _first_difference(first, again))
    for kind, (other, unit) in {
        "order": (reordered(raw), 1.0),
        "money": in_other_money(raw, 1000.0),
        "outcomes": in_other_outcomes(raw, 7.0),
    }.items():
        found = api.post("optimize", other)
        if found.status != answer.status:
            yield Fault(kind, f"{found.status} in place of {answer.status}: {found.body[:300]!r}")
        elif answer.status == 200:
            one, two = ends_of(answer.json), _over(ends_of(found.json), unit)
            if (one is None) != (two is None) or (one and two and not meet(one, two)):
                yield Fault(kind, f"{two} in place of {one}")


def _over(ends: Ends | None, unit: float) -> Ends | None:
    return None if ends is None else (ends[0] / unit, ends[1] / unit)


def _first_difference(one: Any, other: Any, path: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        keys: Any = one.keys()
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        keys = range(len(one))
    else:
        return f"{path}: {one!r} and {other!r}"[:300]
    differ = [key for key in keys if one[key] != other[key]]
    if not differ:
        return f"{path}: the order of {list(keys)}"
    return _first_difference(one[differ[0]], other[differ[0]], f"{path}/{differ[0]}")
