"""The assistant's questions: each asks the same endpoints as a program does, and answers in short.

A plan that is answered is kept with its question for 30 days under a ``plan_id``, so that the next
question can say only what differs. Nothing here applies a plan.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.api import planning
from shared.api.assistant import arguments as args
from shared.api.assistant.asking import Known, known, merged, named, request_of, today_of
from shared.api.assistant.told import Told, rounded, rows_told, sentences
from shared.api.datasets import dataset_detail
from shared.api.http import Call, Reply
from shared.api.json_body import dump_json
from shared.api.reading import read_optimize
from shared.api.reports import drawn
from shared.api.translate import problem_of
from shared.errors import InvalidInput, NotFound
from shared.plan.words import money, number, outcome_of

__all__ = ["kept_plan"]

Answer = dict[str, Any]

REFUSED = "Nothing was changed: this needs the user's yes, then confirm true."


def _asked(call: Call, endpoint: Any, raw: Mapping[str, Any]) -> Answer:
    """What an endpoint answers to a request."""
    reply: Reply = endpoint(replace(call, json=raw))
    return dict(reply.body)


# -- plans that are kept --------------------------------------------------------------------------


def kept_plan(call: Call, plan_id: str, dataset: str | None = None) -> Answer:
    """A plan that was answered before: its arguments, request and answer.

    Raises
    ------
    NotFound
        No such plan, older than 30 days, or of another dataset.
    """
    owner = plan_id.strip().rpartition(".")[0]
    found = None
    if owner and dataset in (None, owner):
        found = call.service.plan(owner, plan_id.strip().rpartition(".")[2])
    if found is None:
        where = f" of {dataset}" if dataset else ""
        raise NotFound(
            f"There is no plan {plan_id[:60]!r}{where}: plans are kept for 30 days, with their "
            "dataset. Ask for it anew."
        )
    return found


def _keep(call: Call, have: Known, asked: Mapping[str, Any], raw: Any, answer: Answer) -> str:
    """Keep a question with its answer; the same question on the same day has the same id."""
    told = {"arguments": dict(asked), "request": raw, "answer": answer}
    name = hashlib.sha256(dump_json([asked, have.curves.version])).hexdigest()[:8]
    return f"{have.dataset}.{call.service.keep_plan(have.dataset, name, told)}"


def _base(call: Call, have: Known, plan_id: str | None) -> dict[str, Any]:
    """The arguments of the plan to start from; none for today's money."""
    return {} if plan_id is None else kept_plan(call, plan_id, have.dataset)["arguments"]


# -- orientation ----------------------------------------------------------------------------------


def list_datasets(call: Call, asked: args.NoArguments) -> Told:
    """All datasets, each with what a question needs to know."""
    del asked
    rows = []
    for entry in call.service.datasets():
        found = dataset_detail(call.service, entry["dataset"])
        run = found["last_run"]
        today = {c["channel"]: c["current_spend"] for c in found["channels"]}
        rows.append(
            {
                "dataset": entry["dataset"],
                "ready": entry["curves_version"] is not None,
                "currency": found["currency"],
                "outcome": found["outcome"],
                "period": found["frequency"],
                "history": [found["first"], found["last"]],
                "today": today,
                "last_run": None if run is None else run["state"],
                "to_settle": len(found["to_settle"]),
            }
        )
        if len(rows) == 20:
            break
    if not rows:
        return Told(
            "There is no dataset yet: put a spec and a history, then refit.", {"datasets": []}
        )
    text = [
        f"{row['dataset']}: {row['outcome'] or 'outcome'} per {row['period'] or 'period'}, "
        f"{len(row['today'])} channels" + ("." if row["ready"] else ", no curves yet.")
        for row in rows
    ]
    return Told(sentences(text), rounded({"datasets": rows}))


# -- plans ----------------------------------------------------------------------------------------


def plan_budget(call: Call, asked: args.PlanArguments | args.PeriodsArguments) -> Told:
    """The best split, kept under an id."""
    have = known(call, asked.dataset)
    return _planned(call, have, merged(_base(call, have, asked.base_plan), asked))


def plan_periods(call: Call, asked: args.PeriodsArguments) -> Told:
    """The best plan over periods, kept under an id."""
    if asked.periods is None and asked.base_plan is None:
        raise InvalidInput.at("/periods", "required", "Say how many periods are to be planned.")
    return plan_budget(call, asked)


def _planned(call: Call, have: Known, asked: Mapping[str, Any]) -> Told:
    raw = request_of(have, asked)
    answer = _asked(call, planning.optimize, raw)
    plan_id = _keep(call, have, asked, raw, answer)
    problem = problem_of(read_optimize(raw), have.curves)
    said: list[Any] = list(_short(answer))
    plain = request_of(have, asked, plain=True)
    if plain != raw:
        without = _asked(call, planning.optimize, plain)["totals"]["outcome"]
        change = answer["totals"]["outcome"] - without
        said.insert(
            1,
            f"Without this what-if the best plan would bring {outcome_of(problem, without)}: it "
            f"makes {outcome_of(problem, abs(change))} {'more' if change >= 0.0 else 'less'}.",
        )
    said += _widened(call, have, answer)
    return Told(sentences(said), _plan_figures(plan_id, answer))


def _widened(call: Call, have: Known, answer: Answer) -> Iterator[str]:
    """How far the outcome's interval goes where forecasts of adopted plans erred more than told."""
    tracked = call.service.tracking.summary(have.dataset)
    totals = answer["totals"]
    if tracked is None or tracked["scale"] < WORTH_TELLING or not totals["outcome_interval"]:
        return
    scale, middle = tracked["scale"], totals["outcome"]
    low, high = (middle + scale * (end - middle) for end in totals["outcome_interval"])
    yield (
        f"Forecasts of adopted plans erred {number(scale)} times as much as told, so read the "
        f"outcome's interval as {number(low)} to {number(high)}."
    )


WORTH_TELLING = 1.05
"""A scale of past errors below it changes no interval that is read."""


def _short(answer: Answer) -> Iterator[Any]:
    """The sentences of a plan that answer a person: what it brings, what moves, what to know."""
    by_code: dict[str, list[Answer]] = {}
    for sentence in answer["explanation"]:
        by_code.setdefault(sentence["code"], []).append(sentence)
    yield from by_code.get("low_trust", ())
    yield from by_code.get("headline", ())
    yield from by_code.get("today_scaled", ())
    gone = [
        row["channel"]
        for row in answer["allocation"]
        if row["spend"] <= 0.0 < (row["current_spend"] or 0.0)
    ]
    if gone:
        yield f"Dropped: {', '.join(gone)}."
    moves = [s for code in ("increase", "decrease") for s in by_code.get(code, ())]
    moves = [s for s in moves if s["data"]["channel"] not in gone]
    moves.sort(key=lambda s: -abs(s["data"]["change"]))
    for move in moves[:2]:
        yield {"code": "move", "text": move["text"].partition("; it reaches")[0].rstrip(".") + "."}
    yield from by_code.get("keep", ())
    yield from by_code.get("budget", ())[:1]
    unsure = [s["data"].get("channel") for s in by_code.get("unsure_curve", ())]
    if unsure:
        yield f"The history says little of {', '.join(str(name) for name in unsure)}."
    gap = answer["certificate"]["relative_gap"]
    if by_code.get("proof"):
        share = number(100.0 * max(gap, 1e-5))
        yield {"code": "proof", "text": f"Proven to be the best within the limits, to {share} %."}
    yield from by_code.get("not_proven", ())
    for warning in answer["warnings"]:
        if warning["code"] in IMPORTANT:
            yield {"code": warning["code"], "text": warning["message"]}


IMPORTANT = (
    *("budget_far_from_today", "price_unusual", "max_change_unusual", "curve_by_analogy"),
    *("extrapolation", "weak_fit", "default_max_spend_binds"),
)
"""Warnings that an assistant has to pass on."""


def _plan_figures(plan_id: str, answer: Answer) -> Answer:
    totals = answer["totals"]
    figures = {
        "plan_id": plan_id,
        "spend": totals["spend"],
        "outcome": totals["outcome"],
        "interval": totals["outcome_interval"],
        "uplift": totals["uplift"],
        "probability_better": totals["probability_better"],
        "within": answer["certificate"]["relative_gap"],
        "channels": [
            {"channel": row["channel"], "spend": row["spend"], "change": row["change"]}
            for row in answer["allocation"]
        ],
    }
    periods = [row["periods"] for row in answer["allocation"] if row.get("periods")]
    if periods:
        each = [sum(row[t]["spend"] for row in periods) for t in range(len(periods[0]))]
        figures["by_period"] = each if len(each) <= 26 else each[:26]
    return rows_told(figures, "channels")


# -- comparing and explaining ---------------------------------------------------------------------


def compare_plans(call: Call, asked: args.CompareArguments) -> Told:
    """Plans, today or the user's own split beside the first of them (or the best for its money)."""
    have = known(call, asked.dataset)
    wanted = [said.strip() for said in asked.plans or ()]
    ids = [said for said in wanted if said.lower() != "today"]
    plans = {said: kept_plan(call, said, have.dataset) for said in ids}
    mix = _mix(have, asked.mix) if asked.mix else None
    if not plans and mix is None:
        raise InvalidInput.at("/plans", "required", "Say which plans, or give a mix.")
    if plans:
        first = ids[0]
        base = plans[first]["request"]
    else:
        first = "the best plan"
        assert mix is not None
        base = request_of(have, {"total": sum(row["spend"] for row in mix)})
    scenarios: list[Answer] = []
    for said in ids[1:]:
        other = plans[said]
        if other["request"].get("horizon") != base.get("horizon"):
            text = f"{first} and {said} are over different periods: they cannot be compared."
            raise InvalidInput.at("/plans", "conflict", text)
        scenarios.append({"name": said, "plan": _spent(other["answer"])})
    periods = (base.get("horizon") or {}).get("periods", 1)
    if "today" in [said.lower() for said in wanted]:
        scenarios.append({"name": "today", "plan": _over(today_of(have), periods)})
    if mix is not None:
        scenarios.append({"name": "your mix", "plan": _over(mix, periods)})
    if not scenarios:
        scenarios.append({"name": "today", "plan": _over(today_of(have), periods)})
    answer = _asked(call, planning.scenarios, {"base": base, "scenarios": scenarios})
    figures = [
        {
            "plan": row["name"] if row["name"] != "base" else first,
            "spend": row["totals"]["spend"],
            "outcome": row["totals"]["outcome"],
            "interval": row["totals"]["outcome_interval"],
            "difference": (row.get("difference") or {}).get("outcome"),
            "difference_interval": (row.get("difference") or {}).get("outcome_interval"),
            "probability_better": (row.get("difference") or {}).get("probability_better"),
            "spends": {a["channel"]: a["spend"] for a in row["allocation"]},
        }
        for row in (answer["base"], *answer["scenarios"])
    ]
    lines = [
        s["text"].replace("The base", first[:1].upper() + first[1:]).replace("the base", first)
        for s in answer["explanation"]
    ]
    return Told(sentences(lines), rows_told({"plans": figures}, "plans", by="outcome"))


def _mix(have: Known, rows: Sequence[args.MixRow]) -> list[Answer]:
    """The user's own split; what is not named stays as today."""
    said = {named(row.channel, have.today): row.spend for row in rows}
    return [{"channel": name, "spend": said.get(name, now)} for name, now in have.today.items()]


def _over(rows: list[Answer], periods: int) -> list[Answer]:
    if periods == 1:
        return rows
    return [{"channel": r["channel"], "periods": [r["spend"]] * periods} for r in rows]


def _spent(answer: Answer) -> list[Answer]:
    """The spends of an answer as a plan to be scored."""
    return [
        {"channel": row["channel"], "periods": [p["spend"] for p in row["periods"]]}
        if row.get("periods")
        else {"channel": row["channel"], "spend": row["spend"]}
        for row in answer["allocation"]
    ]


def explain_channel(call: Call, asked: args.ChannelArguments) -> Told:
    """Why a channel gets what it gets, and what would change it."""
    from shared.plan.channel import channel_in_words

    have = known(call, asked.dataset)
    channel = named(asked.channel, have.today)
    raw = request_of(have, {})
    if asked.base_plan is not None:
        raw = kept_plan(call, asked.base_plan, have.dataset)["request"]
    answer = _asked(call, planning.optimize, raw)
    problem = problem_of(read_optimize(raw), have.curves)
    said, figures = channel_in_words(problem, have.curves, answer, channel)
    return Told(sentences(said), rounded({"channel": channel, **figures}))


def spread_change(call: Call, asked: args.SpreadArguments) -> Told:
    """Steps from today to a plan: over so many periods, or no faster than so many per cent."""
    have = known(call, asked.dataset)
    base = request_of(have, {})
    if asked.base_plan is not None:
        base = kept_plan(call, asked.base_plan, have.dataset)["request"]
    periods = asked.periods or 6
    change = asked.max_change_percent
    if change is None:
        change = 100.0 * _pace(call, have, base, periods)
    raw = {"base": base, "max_change": change / 100.0, "periods": periods}
    answer = _asked(call, planning.transition, raw)
    each = have.each
    said: list[Any] = [
        f"{periods} {each}s, no channel moving by more than {number(change)} % a {each}."
    ]
    said += answer["explanation"]
    if answer["steps"] and not answer["explanation"]:
        said.append(_arrival(answer, each))
    said += [{"code": w["code"], "text": w["message"]} for w in answer["warnings"]]
    steps = answer["steps"][:STEPS_TOLD]
    names = [row["channel"] for row in steps[0]["channels"]]
    figures = {
        "max_change_percent": change,
        "arrives_in": answer["arrives_in"],
        "gained": answer["outcome_gained"],
        "outcome": [step["outcome"] for step in steps],
        "steps": [
            {"channel": name, "spends": [step["channels"][i]["spend"] for step in steps]}
            for i, name in enumerate(names)
        ],
    }
    return Told(sentences(said), rows_told(figures, "steps", by="change"))


STEPS_TOLD = 8
"""Steps whose spends are told one by one."""


def _arrival(answer: Answer, each: str) -> str:
    if answer["arrives_in"] is None:
        return "The plan is not reached within these steps."
    return f"The gain is there after {answer['arrives_in']} {each}s."


NEARLY_NOTHING = 0.02
"""A channel that is to stop counts as there at this share of what it spent."""


def _pace(call: Call, have: Known, base: Mapping[str, Any], periods: int) -> float:
    """The least change a period, as a fraction, by which every channel arrives in time.

    By a fraction c up or down a period, n periods take spend from a to b where (b/a)^(1/n) is 1 + c
    or 1 - c.
    """
    answer = _asked(call, planning.optimize, base)
    paces = [0.01]
    for row in answer["allocation"]:
        now = have.today.get(row["channel"], 0.0)
        if now > 0.0:
            ratio = max(row["spend"] / now, NEARLY_NOTHING)
            paces.append(abs(ratio ** (1.0 / periods) - 1.0))
    # A hair more, so that the last step is not missed by rounding.
    return min(max(paces) * 1.001, 10.0)


def design_test(call: Call, asked: args.TestArguments) -> Told:
    """Which channel to test, how, and what the test can tell."""
    have = known(call, asked.dataset)
    base = request_of(have, {})
    if asked.base_plan is not None:
        base = kept_plan(call, asked.base_plan, have.dataset)["request"]
    raw: Answer = {"base": base}
    if asked.channel is not None:
        raw["channels"] = [named(asked.channel, have.today)]
    answer = _asked(call, planning.experiment, raw)
    designs = answer["designs"]
    first = next((d for d in designs if d["channel"] == answer["first"]), None)
    chosen = first or (designs[0] if designs else None)
    if chosen is None:
        return Told(sentences([w["message"] for w in answer["warnings"]]), {"first": None})
    said: list[Any] = [f"Test {chosen['channel']} first." if first else "No test can settle it."]
    said += chosen["explanation"][:3]
    said += [w["message"] for w in answer["warnings"]]
    others = [d["channel"] for d in designs if d is not chosen]
    if others:
        said.append(f"Then, by what a test is worth: {', '.join(others[:3])}.")
    keys = ("channel", "current_spend", "test_spend", "periods", "wash_in_periods")
    more = ("expected_lift", "minimum_detectable_lift", "power", "extra_spend", "outcome_lost")
    figures = {"first": answer["first"], **{key: chosen[key] for key in (*keys, *more)}}
    return Told(sentences(said), rounded(figures))


def show_picture(call: Call, asked: args.PictureArguments) -> Told:
    """One picture, as an image."""
    have = known(call, asked.dataset)
    asks: Answer = {} if asked.budget is None else {"budget": asked.budget}
    raw = request_of(have, asks)
    problem = problem_of(read_optimize(raw), have.curves)
    made = drawn(call.service, have.dataset, have.curves, problem, asked.picture, "png")
    text = PICTURED[asked.picture].format(budget=money(problem, problem.budget or 0.0))
    return Told(text, {"picture": asked.picture}, base64.b64encode(made).decode())


PICTURED = {
    "responses": "What each channel brings by what is spent on it, with 90 % bands, today's spend "
    "and the plan's at {budget}.",
    "allocation": "Today's spend beside the best split of {budget}.",
    "budget": "What the best plan brings by its budget; {budget} is marked.",
    "shares": "Shares of spend beside shares of what it brings, at {budget}.",
    "decomposition": "What the outcome was made of over the history.",
    "fit": "The outcome as it was and as the model has it.",
    "returns": "Return of each channel with its 90 % interval.",
}


# -- data, refits, roll-back ----------------------------------------------------------------------


def check_data(call: Call, asked: args.OfDataset) -> Told:
    """How far a dataset's fit is to be trusted, and what only a person can settle."""
    have = known(call, asked.dataset)
    found = dataset_detail(call.service, have.dataset)
    told = have.curves.diagnostics
    report = told.get("data_report") or {}
    said: list[Any] = []
    if report:
        said.append(f"The history is {report.get('verdict')}: {' '.join(report.get('why') or ())}")
    said += list(told.get("reasons") or ())[:1]
    weak = [c.channel for c in have.curves.channels if c.verdict != "good"]
    if weak:
        said.append(f"Little is known of {', '.join(weak[:8])}.")
    run = found["last_run"]
    if run is not None and run["state"] in ("failed", "kept_previous"):
        said.append(f"The last refit is {run['state']}: {' '.join(run['reasons'])[:300]}")
    said += (found["tracking"] or {}).get("explanation", [])[:4]
    said += [f"To settle: {finding['message']}" for finding in found["to_settle"][:3]]
    said += [str(help_) for help_ in (report.get("would_help") or ())[:1]]
    figures = {
        "verdict": report.get("verdict"),
        "trust": (found["trust"] or {}).get("score"),
        "history": [found["first"], found["last"]],
        "verdicts": {c.channel: c.verdict for c in have.curves.channels},
        "to_settle": [f["code"] for f in found["to_settle"]],
        "curves_version": have.curves.version,
    }
    return Told(sentences(said or ["Nothing speaks against these curves."]), rounded(figures))


def refit(call: Call, asked: args.ChangeArguments) -> Told:
    """Queue a refit, where the user agreed."""
    if not asked.confirm:
        return Told(f"A refit fits {asked.dataset}'s curves anew. {REFUSED}", {"changed": False})
    run = call.service.refit(asked.dataset)
    text = f"The refit of {asked.dataset} is queued as {run['run']}; ask get_run for it."
    return Told(text, {"changed": True, "run": run["run"], "state": run["state"]})


def get_run(call: Call, asked: args.RunArguments) -> Told:
    """How a refit went; the last one if none is named."""
    runs = call.service.runs(asked.dataset)
    if asked.run is not None:
        runs = [run for run in runs if run["run"] == asked.run.strip()]
    if not runs:
        raise NotFound(f"There is no such refit of {asked.dataset}.")
    run = runs[0]
    text = [f"The refit {run['run']} of {asked.dataset} is {run['state']}.", *run["reasons"]]
    keys = ("run", "state", "created_at", "finished_at", "curves_version", "unchanged")
    return Told(sentences(text), {key: run[key] for key in keys})


def undo(call: Call, asked: args.ChangeArguments) -> Told:
    """Back to the curves that were current before, where the user agreed."""
    versions = call.service.versions(asked.dataset)
    current = next((v["version"] for v in versions if v["current"]), None)
    back = next((v["version"] for v in versions if _before(v, current)), None)
    if back is None:
        raise NotFound(f"{asked.dataset} has no older curves that were ever in use.")
    if not asked.confirm:
        text = f"This would plan {asked.dataset} with {back} in place of {current}. {REFUSED}"
        return Told(text, {"changed": False, "from": current, "to": back})
    call.service.promote(asked.dataset, back)
    text = f"{asked.dataset} is planned with {back} again, in place of {current}."
    return Told(text, {"changed": True, "from": current, "to": back})


def _before(version: Mapping[str, Any], current: str | None) -> bool:
    return version["promoted"] and (current is None or version["version"] < current)
