"""Say in sentences what several plans, budgets, goals or assumptions are beside one another.

As in ``explain``, every sentence carries the very figures that it states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.plan.words import money, number, outcome_of, percent, say, span
from shared.problem.model import Problem

__all__ = [
    "of_evaluation",
    "of_frontier",
    "of_scenarios",
    "of_sensitivity",
    "of_sweep",
    "of_transition",
]

Row = Mapping[str, Any]
Sentence = dict[str, Any]

TOLD = 3
"""Limits, assumptions and channels that are told one by one."""

STILL = 1e-6
"""A difference below this share of the base is none."""


def of_scenarios(problem: Problem, base: Row, scenarios: Sequence[Row]) -> list[Sentence]:
    """Each scenario against the base: what it brings, what decides it, what it drops."""
    totals = base["totals"]
    spends = money(problem, totals["spend"])
    text = f"The base spends {spends} {span(problem)} and brings {_outcome(problem, totals)}."
    said = [say("base", text, spend=totals["spend"], outcome=totals["outcome"])]
    for scenario in scenarios:
        said += _scenario(problem, base, scenario)
    return said


def _outcome(problem: Problem, totals: Row) -> str:
    text, both = outcome_of(problem, totals["outcome"]), totals["outcome_interval"]
    return f"{text} (90 % interval {number(both[0])} to {number(both[1])})" if both else text


def _scenario(problem: Problem, base: Row, scenario: Row) -> Iterator[Sentence]:
    name = scenario["name"]
    if scenario["status"] == "infeasible":
        conflicts = [conflict["name"] for conflict in scenario["conflicts"]]
        why = f": {', '.join(conflicts)} cannot hold together" if conflicts else ""
        yield say("infeasible", f"No plan satisfies {name}{why}.", scenario=name, names=conflicts)
        return
    difference, size = scenario["difference"], abs(base["totals"]["outcome"])
    gained = difference["outcome"]
    text = f"{name} brings as much as the base"
    if abs(gained) > STILL * size:
        more = "more" if gained > 0.0 else "less"
        text = f"{name} brings {outcome_of(problem, abs(gained))} {more} than the base"
        if difference["outcome_share"] is not None:
            text += f" ({percent(difference['outcome_share'])})"
        if both := difference["outcome_interval"]:
            text += f", 90 % interval {number(both[0])} to {number(both[1])}"
        if (better := difference["probability_better"]) is not None:
            text += f"; it brings more in {100 * better:.0f} % of draws"
    spent = difference["spend"]
    if abs(spent) > STILL * max(base["totals"]["spend"], 1e-12):
        text += f", for {money(problem, abs(spent))} {'more' if spent > 0.0 else 'less'}"
    data = {k: difference[k] for k in ("spend", "outcome", "outcome_share", "outcome_interval")}
    better = difference["probability_better"]
    yield say("difference", f"{text}.", scenario=name, **data, probability_better=better)
    moved = max(difference["channels"], key=lambda c: abs(c["outcome"]), default=None)
    if moved is not None and abs(gained) > STILL * size and moved["outcome"] * gained > 0.0:
        way = "gains" if moved["outcome"] > 0.0 else "loses"
        text = f"Most decides {moved['channel']}, which {way} {number(abs(moved['outcome']))}."
        yield say("decides", text, scenario=name, **moved)
    had = {row["channel"]: row["spend"] for row in base["allocation"]}
    gone = [
        row["channel"]
        for row in scenario["allocation"]
        if row["spend"] <= 0.0 < had.get(row["channel"], 0.0)
    ]
    if gone:
        text = f"{name} spends nothing on {', '.join(gone)}."
        yield say("dropped", text, scenario=name, channels=gone)
    if broken := scenario.get("violations"):
        names = [violation["name"] for violation in broken[:TOLD]]
        yield say("breaks", f"{name} breaks {', '.join(names)}.", scenario=name, names=names)
    if (regret := scenario.get("regret") or 0.0) > STILL * size and problem.goal.goal in OUTCOMES:
        text = f"A better plan in its place would bring {outcome_of(problem, regret)} more."
        yield say("regret", text, scenario=name, regret=regret)


OUTCOMES = ("maximize_outcome", "maximize_reach")
"""Goals whose objective is the outcome itself."""


def of_sweep(problem: Problem, rows: Sequence[Row]) -> list[Sentence]:
    """From the least to the largest budget: what comes in, and what the next unit brings."""
    known = sorted(
        (row for row in rows if row["outcome"] is not None), key=lambda row: float(row["budget"])
    )
    said = []
    if len(known) > 1:
        low, high = known[0], known[-1]
        text = (
            f"From {money(problem, low['budget'])} to {money(problem, high['budget'])} the best "
            f"plan goes from {outcome_of(problem, low['outcome'])} to {number(high['outcome'])}"
        )
        slopes = (low["marginal_return"], high["marginal_return"])
        if None not in slopes:
            text += (
                f"; the next unit of money brings {number(slopes[0])} at the one end and "
                f"{number(slopes[1])} at the other"
            )
        ends = [{k: r[k] for k in ("budget", "outcome", "marginal_return")} for r in (low, high)]
        said.append(say("sweep", f"{text}.", ends=ends))
    if missed := [row["budget"] for row in rows if row["outcome"] is None]:
        text = f"{len(missed)} of {len(rows)} budgets have no plan within the limits."
        said.append(say("sweep_infeasible", text, budgets=missed))
    return said


def of_frontier(found: Row) -> list[Sentence]:
    """What the two goals cost each other, from end to end and half way."""
    points = [point for point in found["points"] if not point["dominated"]]
    first, second = (found[end].replace("_", " ") for end in ("first", "second"))
    if len(points) < 2:
        return []
    begin, end = points[0], points[-1]
    given, got = begin["first"] - end["first"], end["second"] - begin["second"]
    text = (
        f"From the plan with the most {first} to the one with the most {second}, {first} falls by "
        f"{number(given)} and {second} rises by {number(got)}."
    )
    said = [say("frontier", text, given=given, got=got)]
    middle = points[len(points) // 2]
    if len(points) > 2 and given > 0.0 and got > 0.0:
        share, price = (
            (middle["second"] - begin["second"]) / got,
            (begin["first"] - middle["first"]) / given,
        )
        text = (
            f"A plan between them has {100 * share:.0f} % of that gain in {second} for "
            f"{100 * price:.0f} % of the loss in {first}."
        )
        said.append(say("frontier_middle", text, gain_share=share, loss_share=price))
    return said


def of_evaluation(problem: Problem, answer: Row) -> list[Sentence]:
    """A caller's plan: what it brings against today's and the best one, what it breaks."""
    totals, best = answer["totals"], answer["best"]["totals"]
    text = f"This plan spends {money(problem, totals['spend'])} {span(problem)} and should bring "
    text += _outcome(problem, totals)
    if totals["uplift_share"] is not None:
        text += (
            f", {percent(totals['uplift_share'])} on today's {number(totals['current_outcome'])}"
        )
        if totals["probability_better"] is not None:
            text += f"; it brings more in {100 * totals['probability_better']:.0f} % of draws"
    keys = ("spend", "outcome", "outcome_interval", "uplift_share", "probability_better")
    said = [say("plan", f"{text}.", **{key: totals[key] for key in keys})]
    broken = [violation["message"].rstrip(".") for violation in answer["violations"][:TOLD]]
    if broken:
        text = f"It breaks limits: {'; '.join(broken)}."
        said.append(say("breaks", text, names=[v["name"] for v in answer["violations"]]))
    lost, share = answer["regret"], answer["regret_share"]
    if share is not None and share <= STILL:
        text = "The best plan found within the limits is worth no more."
        if answer["best"]["status"] == "optimal":
            text = "No plan within the limits is worth more."
        if answer["beats_best_by"] > 0.0 and broken:
            text = "It is worth more than the best plan, by breaking limits that that plan keeps."
        said.append(say("as_good", text, beats_best_by=answer["beats_best_by"]))
    else:
        text = f"The best plan within the limits would bring {outcome_of(problem, best['outcome'])}"
        text += f" for {money(problem, best['spend'])}."
        said.append(say("best", text, outcome=best["outcome"], spend=best["spend"], regret=lost))
    if answer["best_move"] is not None:
        move = answer["best_move"]
        said.append(say("best_move", str(move["text"]), amount=move["amount"], gain=move["gain"]))
    return said


def of_sensitivity(problem: Problem, answer: Row) -> list[Sentence]:
    """What the plan hangs on most, and what knowing more would be worth."""
    said = []
    for row in answer["assumptions"][:TOLD]:
        text = row["text"][:1].upper() + row["text"][1:]
        keys = ("channel", "parameter", "outcome_swing", "relative_sd")
        said.append(say("assumption", text, **{key: row[key] for key in keys}))
    worth = answer["information"]
    if worth is not None and worth["channels"] and worth["channels"][0]["gain"] > 0.0:
        first = worth["channels"][0]
        text = (
            f"Knowing {first['channel']}'s curve before deciding would be worth "
            f"{number(first['gain'])} {worth['unit']}, knowing every curve {number(worth['all'])}."
        )
        data = {"channel": first["channel"], "gain": first["gain"], "all": worth["all"]}
        said.append(say("information", text, **data))
    careful = answer["cautious"]
    if careful is not None:
        calm, usual = careful["careful"], careful["average"]
        text = (
            f"The plan that is best in the worst tenth of draws would bring "
            f"{outcome_of(problem, calm['worst_tenth'])} there instead of "
            f"{number(usual['worst_tenth'])}, and {number(calm['outcome'])} instead of "
            f"{number(usual['outcome'])} on average."
        )
        said.append(say("careful", text, careful=dict(calm), average=dict(usual)))
    return said


def of_transition(problem: Problem, answer: Row) -> list[Sentence]:
    """What the first step moves, and what the way itself brings beyond staying where one is."""
    said, first = [], answer["steps"][0]
    changes = sorted(first["channels"], key=lambda row: -abs(row["change"]))
    still = STILL * max(first["spend"], 1e-12)
    told = [row for row in changes if abs(row["change"]) > still][:TOLD]
    if told:
        each = (
            f"{row['channel']} {'gets' if row['change'] > 0.0 else 'gives up'} "
            f"{money(problem, abs(row['change']))}"
            for row in told
        )
        data = [{key: row[key] for key in ("channel", "change")} for row in told]
        said.append(say("first_step", f"In the first step {', '.join(each)}.", channels=data))
    gained, steps = answer["outcome_gained"], len(answer["steps"])
    if told and abs(gained) > STILL * steps * abs(answer["current"]["outcome"]):
        more = "more" if gained > 0.0 else "less"
        text = (
            f"Over the {steps} periods the steps bring {outcome_of(problem, abs(gained))} {more} "
            "than today's plan would"
        )
        extra = sum(step["spend"] for step in answer["steps"]) - steps * answer["current"]["spend"]
        if abs(extra) > STILL * steps * max(answer["current"]["spend"], 1e-12):
            text += f" and spend {money(problem, abs(extra))} {'more' if extra > 0.0 else 'less'}"
        late = answer["outcome_arrives_in"]
        if late is not None and late > (answer["arrives_in"] or late):
            text += f". As spend works on, the gain is whole in period {late}"
        said.append(
            say("gained_on_the_way", f"{text}.", outcome_gained=gained, spend=extra, periods=steps)
        )
    return said
