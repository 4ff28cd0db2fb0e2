"""Policies and experiments over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.api.datasets import if_match_of
from shared.api.experiment_messages import (
    ExperimentsRequest,
    PoliciesRequest,
    ResultsRequest,
    TestPortfolio,
    TrialRequest,
    TrialsRequest,
)
from shared.api.http import Call, Reply
from shared.api.planning import answered, in_fit_request, posed, relocated
from shared.api.reading import accepted, first, read, refuse, under
from shared.api.semantics import optimize_faults
from shared.errors import Fault, InvalidInput, did_you_mean, pointer_to
from shared.shapes import validated
from shared.store.keys import check_dataset_name

if TYPE_CHECKING:
    from shared.history.table import History

__all__ = ["experiments", "list_experiments", "policies", "results"]

KINDS = ("geo", "switchback", "off", "ab", "portfolio", "trials")


def policies(call: Call) -> Reply:
    """``POST /policies``"""
    from shared.learn.policies.spending import Asked, Market, alone

    request = read(PoliciesRequest, call.json, problem="base", more=_policy_faults)
    problem = alone(posed(call, "/base", request.base, one=True), request.channel)
    market = Market()
    if request.market is not None:
        given = request.market
        market = Market(tuple(given.factors), given.stays, given.now)
    learners = tuple(request.learners)
    asked = Asked(request.levels, market, learners, request.endless, request.seed)
    return answered("/base", request.base, problem, lambda: call.service.policies(problem, asked))


def _policy_faults(message: PoliciesRequest) -> Iterator[Fault]:
    market = message.market
    if market is not None and market.now is not None and market.now >= len(market.factors):
        text = f"now is an index of factors, from 0 to {len(market.factors) - 1}."
        yield Fault("/market/now", "out_of_range", text)
    for i, name in enumerate(message.learners):
        if name in message.learners[:i]:
            yield Fault(pointer_to("learners", i), "duplicate", f"{name} is asked for twice.")


def experiments(call: Call) -> Reply:
    """``POST /experiments``"""
    message, faults = validated(ExperimentsRequest, call.json)
    if message is not None and message.portfolio is not None:
        inner = call.json["portfolio"]["base"]
        faults += under("/portfolio/base", first(optimize_faults(inner)))
    faults += [] if message is None else _experiment_faults(message)
    asked = accepted(message, faults)
    if asked.portfolio is not None:
        return _designed(_portfolio(call, asked.portfolio))
    if asked.trials is not None:
        return _designed(_trials(asked.trials))
    if asked.ab is not None:
        from shared.learn.experiments.design import split

        ab, stop = asked.ab, asked.stopping or "fixed"
        shares = tuple(ab.look_shares or [(k + 1) / ab.looks for k in range(ab.looks)])
        told = split(ab.mean, ab.sd, ab.effect, stop, shares, ab.alpha, ab.power)
        return _designed(told)
    kind = next(kind for kind in KINDS if getattr(asked, kind) is not None)
    return _designed(_on_history(call, asked, kind, getattr(asked, kind)))


def _designed(told: dict[str, Any]) -> Reply:
    said = told.pop("explanation")
    return Reply(
        {
            "experiment": told.pop("experiment", None),
            "kind": told["kind"],
            "explanation": said,
            "warnings": told.pop("warnings", []),
            "design": told,
        },
        stamped=True,
    )


def _experiment_faults(message: ExperimentsRequest) -> list[Fault]:
    given = [kind for kind in KINDS if getattr(message, kind) is not None]
    faults = list[Fault]()
    if len(given) != 1:
        text = f"Give exactly one of {', '.join(KINDS)}."
        return [Fault("" if not given else pointer_to(given[1]), "conflict", text)]
    (kind,) = given
    remembers = kind in ("geo", "switchback", "off")
    if message.stopping not in (None, "fixed") and kind != "ab":
        text = (
            "Totals over time remember, so that looks at them have no error that is known: a test "
            "of them is read once, at its end. Only people split at random stop early."
        )
        faults.append(Fault("/stopping", "series_remember", text))
    ab = message.ab
    if ab is not None and ab.sd is None and ab.mean >= 1.0:
        text = "A mean of 1 or more is no rate: say its standard deviation."
        faults.append(Fault("/ab/sd", "required", text))
    if ab is not None and ab.looks > 1 and message.stopping not in ("pocock", "obrien_fleming"):
        text = "Several looks take a rule of stopping: pocock or obrien_fleming."
        faults.append(Fault("/ab/looks", "conflict", text))
    if ab is not None and (ab.look_shares is None) == (message.stopping == "spending"):
        text = "Stopping by spending takes look_shares, and only that does."
        faults.append(Fault("/ab/look_shares", "conflict", text))
    shares = (ab.look_shares if ab is not None else None) or [1.0]
    if shares[-1] != 1.0 or any(b <= a for a, b in pairwise(shares)):
        text = "Shares of the information rise from look to look, to 1."
        faults.append(Fault("/ab/look_shares", "out_of_order", text))
    held = {
        "dataset": message.dataset,
        "history_csv": message.history_csv,
        "outcomes_csv": message.outcomes_csv,
        "spec": message.spec,
    }
    if not remembers:
        faults += [
            Fault(pointer_to(name), "conflict", f"{kind} reads no history: leave {name} out.")
            for name, value in held.items()
            if value is not None
        ]
    elif message.dataset is None and message.history_csv is None:
        text = "A test on a channel is designed on its history: give dataset or history_csv."
        faults.append(Fault("/dataset", "required", text))
    trial = getattr(message, kind)
    if isinstance(trial, TrialRequest):
        if trial.change == 0.0:
            text = "A test of no change tells nothing."
            faults.append(Fault(f"/{kind}/change", "out_of_range", text))
        if trial.noise_correlation is not None and trial.noise is None:
            text = "Say the noise beside its correlation, or neither."
            faults.append(Fault(f"/{kind}/noise", "required", text))
        if kind == "geo" and trial.noise is not None:
            text = "A geo test reads its noise from placebos: leave noise out."
            faults.append(Fault("/geo/noise", "conflict", text))
    geo = message.geo
    if geo is not None and geo.method == "trimmed_match" and (geo.treated or geo.count):
        text = "Pairs are matched by size, and a coin says which of each is treated."
        faults.append(Fault("/geo/method", "conflict", text))
    if geo is not None and geo.treated is not None:
        if geo.count is not None:
            text = "Say which geos, or how many, not both."
            faults.append(Fault("/geo/count", "conflict", text))
        faults += [
            Fault(pointer_to("geo", "treated", i), "duplicate", f"{name!r} is named twice.")
            for i, name in enumerate(geo.treated)
            if name in geo.treated[:i]
        ]
    return faults + (_trial_faults(message.trials) if message.trials is not None else [])


def _trial_faults(message: TrialsRequest) -> list[Fault]:
    wide = len(message.tried[0].at)
    faults = [
        Fault(pointer_to("trials", "tried", i, "at"), "length_mismatch", f"{wide} numbers each.")
        for i, one in enumerate(message.tried)
        if len(one.at) != wide
    ]
    faults += [
        Fault(pointer_to("trials", "candidates", i), "length_mismatch", f"{wide} numbers each.")
        for i, one in enumerate(message.candidates)
        if len(one) != wide
    ]
    noisy = message.noise > 0.0 or any(one.standard_error > 0.0 for one in message.tried)
    if message.by == "expected_improvement" and noisy:
        text = "Expected improvement takes a trial to show the truth: with noise it explores for "
        text += "ever. Ask knowledge_gradient."
        faults.append(Fault("/trials/by", "conflict", text))
    return faults


def _on_history(
    call: Call, asked: ExperimentsRequest, kind: str, trial: TrialRequest
) -> dict[str, Any]:
    """A design on a history, kept where a dataset is named."""
    from datetime import date

    from shared.learn.experiments.design import EFFECTS, AskedTrial
    from shared.learn.experiments.placebo import Noise

    start = None
    if trial.start is not None:
        try:
            start = date.fromisoformat(trial.start)
        except ValueError:
            text = f"There is no day {trial.start}."
            raise InvalidInput.at(f"/{kind}/start", "not_a_date", text) from None
    geo = asked.geo
    test = AskedTrial(
        channel=trial.channel,
        change=trial.change,
        periods=trial.periods,
        lasting=trial.lasting,
        start=start,
        treated=() if geo is None else tuple(geo.treated or ()),
        count=0 if geo is None else geo.count or 0,
        method="" if geo is None else geo.method,
        alpha=trial.alpha,
        effects=EFFECTS if geo is None or geo.effects is None else tuple(geo.effects),
        seed=trial.seed,
    )
    noise = None
    if trial.noise is not None:
        noise = Noise(trial.noise, trial.noise_correlation or 0.0)
    dataset = None if asked.dataset is None else check_dataset_name(asked.dataset)
    history = _history(call, dataset, asked)
    try:
        return call.service.design(dataset, kind, history, test, noise)
    except InvalidInput as error:
        own = f"/{kind}"
        told = [
            f if f.pointer.startswith(own) else Fault(own + f.pointer, f.code, f.message)
            for f in error.faults
        ]
        raise type(error)(told) from None


def _history(
    call: Call, dataset: str | None, asked: ExperimentsRequest | ResultsRequest
) -> History:
    """The history that was sent, else the dataset's own."""
    try:
        # The spec goes on as it was sent: in it, null differs from left out.
        return call.service.data_of(
            dataset, call.json.get("spec"), asked.history_csv, asked.outcomes_csv
        )
    except InvalidInput as error:
        raise type(error)([in_fit_request(fault) for fault in error.faults]) from None


def _portfolio(call: Call, asked: TestPortfolio) -> dict[str, Any]:
    from shared.learn.experiments.portfolio import AskedPortfolio
    from shared.plan.experiment import AskedTest

    problem = posed(call, "/portfolio/base", asked.base, one=True)
    names = [channel.name for channel in problem.channels]
    refuse(
        [
            Fault(
                pointer_to("portfolio", "channels", i),
                "unknown_channel",
                f"There is no channel {name!r}.{did_you_mean(name, names)}",
            )
            for i, name in enumerate(asked.channels or ())
            if name not in names
        ]
    )
    test = AskedTest(
        noise=asked.noise,
        correlation=asked.noise_correlation,
        periods=asked.max_periods,
        channels=tuple(asked.channels or ()),
    )
    wanted = AskedPortfolio(
        test, asked.periods, asked.value_per_outcome, asked.served, asked.fee, asked.seed
    )
    try:
        return call.service.trial_portfolio(problem, wanted)
    except InvalidInput as error:
        told = [relocated(fault, asked.base, problem) for fault in error.faults]
        raise type(error)(under("/portfolio/base", told)) from None


def _trials(asked: TrialsRequest) -> dict[str, Any]:
    from shared.learn.experiments.trials import next_trial

    tried = asked.tried
    return next_trial(
        [one.at for one in tried],
        [one.outcome for one in tried],
        [one.standard_error for one in tried],
        asked.candidates,
        asked.noise,
        asked.by,
        asked.seed,
    )


def results(call: Call) -> Reply:
    """``POST /datasets/{dataset}/experiments/{experiment}/results``"""
    dataset, experiment = check_dataset_name(call.route["dataset"]), call.route["experiment"]
    asked = accepted(*validated(ResultsRequest, call.json))
    seen, design = call.service.experiment_of(dataset, experiment)
    history = _history(call, dataset, asked)
    told = call.service.record(seen, experiment, design, history, if_match=if_match_of(call))
    return Reply(told, headers={"ETag": told["etag"]}, stamped=True)


def list_experiments(call: Call) -> Reply:
    """``GET /datasets/{dataset}/experiments``"""
    found = call.service.experiments(check_dataset_name(call.route["dataset"]))
    return Reply({"experiments": found})
