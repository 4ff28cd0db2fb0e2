"""The allocators of datasets: made, told what happened, and asked for the next split.

An allocator is one ledger: what it was told at the start, its arms, and the events by id. Beside it
each split is written down, with the shares really used, before it is told.
Adding events is a union of sets, so that batches may come twice, in parts, in any order, from
several senders at once: the ledger's bytes are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from shared.curves.curveset import CurveSet
from shared.errors import (
    Fault,
    Infeasible,
    InputTooLarge,
    InvalidInput,
    NotFound,
    did_you_mean,
    pointer_to,
)
from shared.learn.allocators.decision import decide, digest, latest
from shared.learn.allocators.spec import (
    MAX_ARMS,
    MAX_EVENTS,
    AllocatorSpec,
    Arm,
    Curve,
    Event,
    Observations,
    arm_faults,
    spec_faults,
)
from shared.learn.allocators.split import check_room
from shared.store.ledgers import Ledgers

__all__ = ["Allocators"]

_MONTH, _CAP = 4, 0.3
"""A prior from a dataset's curve counts at most this share of so many periods' own evidence."""

_SHOWN = 100
"""Splits that are answered with an allocator, the last of its periods."""

_WIDEST = 1e3
"""Of a number over its feature's scale: beyond it a rate is no longer known to a digit."""

Ledger = dict[str, Any]


class Allocators:
    """All allocators of one store.

    Parameters
    ----------
    curves
        Gives a dataset's current curves; ``NotFound`` where it has none.
    """

    def __init__(self, ledgers: Ledgers, curves: Callable[[str], CurveSet]) -> None:
        self._ledgers, self._curves = ledgers, curves

    def create(self, dataset: str, spec: AllocatorSpec) -> Ledger:
        """Make an allocator; made again with the same spec, it is the one that is there.

        Raises
        ------
        InvalidInput
            With every fault of the spec.
        Infeasible
            The floors need more than the budget.
        WriteConflict
            There is another allocator of that name.
        """
        faults = list(spec_faults(spec))
        if faults:
            raise InvalidInput(faults)
        check_room(spec, spec.arms)
        said = spec.model_dump(exclude_none=True)
        try:  # whatever became of the curves since, it is what it was
            found = self._ledgers.read(dataset, spec.allocator)
        except NotFound:
            found = {"spec": None}
        arms = {} if found["spec"] == said else self._resolved(dataset, spec, spec.arms, ())
        ledger = {"spec": said, "arms": arms, "events": {}}
        self._ledgers.create(dataset, spec.allocator, ledger)
        return self.get(dataset, spec.allocator)

    def every(self, dataset: str) -> Iterator[Ledger]:
        """A dataset's allocators by name, in short."""
        for name in self._ledgers.names(dataset):
            told = _told(dataset, self._ledgers.read(dataset, name), ())
            yield {key: told[key] for key in ("allocator", "kind", "outcome", "arms", "events")}

    def get(self, dataset: str, name: str) -> Ledger:
        """An allocator: its spec, its arms, and its splits so far."""
        ledger = self._ledgers.read(dataset, name)
        return _told(dataset, ledger, self._ledgers.notes(dataset, name, _SHOWN))

    def delete(self, dataset: str, name: str) -> None:
        """Delete an allocator with its log."""
        self._ledgers.delete(dataset, name)

    def observe(self, dataset: str, name: str, told: Observations) -> dict[str, Any]:
        """Add events, and arms; what of them was new.

        Raises
        ------
        InvalidInput
            With every fault of the batch; nothing of it was added.
        Infeasible
            The floors of all arms need more than the budget.
        InputTooLarge
            More events than one allocator keeps.
        """
        counts: dict[str, int] = {}

        def add(ledger: Ledger) -> Ledger | None:
            counts.update(dict.fromkeys(("added", "corrected", "repeated"), 0))
            spec = _spec(ledger)
            arms, faults = self._with_arms(dataset, spec, ledger["arms"], told.arms)
            events = dict(ledger["events"])
            for i, event in enumerate(told.events):
                faults += _event_faults(spec, arms, event, i)
                new = event.model_dump(exclude_defaults=True)
                old = events.get(event.id)
                if old is None:
                    counts["added"] += 1
                elif old == new or old.get("version", 1) > event.version:
                    counts["repeated"] += 1
                    continue
                elif old.get("version", 1) == event.version:
                    text = (
                        f"Event {event.id!r} is known with other figures; a correction has a "
                        f"higher version than {event.version}."
                    )
                    faults.append(Fault(pointer_to("events", i, "version"), "other_figures", text))
                else:
                    counts["corrected"] += 1
                events[event.id] = new
            if faults:
                raise InvalidInput(faults)
            if len(events) > MAX_EVENTS:
                raise InputTooLarge(
                    f"An allocator keeps {MAX_EVENTS:,} events; send sums by arm and period, or "
                    "begin a new one with priors."
                )
            if events == ledger["events"] and arms == ledger["arms"]:
                return None
            new = {**ledger, "arms": arms, "events": events}
            check_room(spec, _arms(new))
            return new

        now = self._ledgers.change(dataset, name, add)
        return {"dataset": dataset, "allocator": name, "events": len(now["events"]), **counts}

    def next(
        self,
        dataset: str,
        name: str,
        period: int | None = None,
        budget: float | None = None,
        context: Mapping[str, str | float] | None = None,
    ) -> dict[str, Any]:
        """The split of a period, the one after the last that was seen unless said otherwise.

        It is stored under its ``decision`` before it is answered; asked again with the same events
        it is the same.
        """
        ledger = self._ledgers.read(dataset, name)
        spec, arms, events = _spec(ledger), _arms(ledger), _events(ledger)
        at = latest(events) if period is None else period
        money = spec.budget if budget is None else budget
        _check_context(spec, context)
        before = [event for event in events if event.period + event.lag < at]
        answer = decide(spec, arms, before, at, money, context)
        # The word is of what was decided too, so that other code notes its own split.
        kept = _kept(answer)
        known = [event.model_dump(exclude_defaults=True) for event in before]
        word = digest([ledger["spec"], ledger["arms"], known, at, money, context, kept])
        self._ledgers.note(dataset, name, f"{at:08d}-{word}", {"decision": word, **kept})
        return {"dataset": dataset, "allocator": name, **answer, "decision": word}

    def night(self, dataset: str) -> int:
        """Write down the next split of each allocator that has seen anything; how many have."""
        count = 0
        for name in self._ledgers.names(dataset):
            try:
                if self._ledgers.read(dataset, name)["events"]:
                    self.next(dataset, name)
                    count += 1
            except (InvalidInput, Infeasible, NotFound):
                continue  # its arms have ended, or ask too much, or it was deleted meanwhile
        return count

    # -- arms ---------------------------------------------------------------------------------

    def _with_arms(
        self,
        dataset: str,
        spec: AllocatorSpec,
        known: Mapping[str, Any],
        arms: Sequence[Arm],
    ) -> tuple[dict[str, Any], list[Fault]]:
        """The arms with those that are new or changed, and what is wrong with them."""
        faults = list(arm_faults(spec, arms))
        wanted = []
        for i, arm in enumerate(arms):
            old = known.get(arm.arm)
            if old is None or arm.version > old.get("version", 1):
                wanted.append(arm)
            elif arm.version == old.get("version", 1) and _said(arm) != old["said"]:
                text = f"{arm.arm} is known otherwise; a change has a higher version."
                faults.append(Fault(pointer_to("arms", i, "version"), "other_figures", text))
        out = {**known}
        if not faults:
            out |= self._resolved(dataset, spec, wanted, known.values())
        if len(out) > MAX_ARMS:
            text = f"An allocator has at most {MAX_ARMS} arms."
            faults.append(Fault("/arms", "too_long", text))
        return out, faults

    def _resolved(
        self,
        dataset: str,
        spec: AllocatorSpec,
        arms: Sequence[Arm],
        known: Sequence[Any] | Any,
    ) -> dict[str, Any]:
        """Arms as they are kept: with the curve of their channel as it is now."""
        curves = self._curves(dataset) if any(arm.channel for arm in arms) else None
        out = {}
        names = {arm.arm for arm in arms}
        channels = [arm.channel for arm in arms]
        channels += [a.get("channel") for a in known if a["arm"] not in names]
        for i, arm in enumerate(arms):
            curve = arm.curve
            if arm.channel is not None and curves is not None:
                curve = _curve_of(curves, arm.channel, channels.count(arm.channel), i)
                curve = _capped(spec, curve, len(channels))
            kept = arm.model_copy(update={"curve": curve})
            out[arm.arm] = {**kept.model_dump(exclude_none=True), "said": _said(arm)}
        return out


def _curve_of(curves: CurveSet, channel: str, count: int, place: int) -> Curve:
    """A channel's curve, ``count`` arms sharing it: ``f(count x) / count`` each."""
    found = next((c for c in curves.channels if c.channel == channel), None)
    if found is None:
        names = [c.channel for c in curves.channels]
        text = f"The curves have no channel {channel!r}.{did_you_mean(channel, names)}"
        raise InvalidInput.at(pointer_to("arms", place, "channel"), "unknown_channel", text)
    response = found.response
    total, carried = 1.0, 0.0
    if response.adstock is not None:
        total = float(response.adstock.total_weight())
        carried = 1.0 - float(response.adstock.weights(1)[0]) / total if total > 0.0 else 0.0
    at = max(found.observed_spend.last, found.observed_spend.mean, 1e-9) * total
    values = np.array([float(draw.value(at)) for draw in response.draws])
    spread = 0.5
    if values.size > 1 and float(values.mean()) > 0.0:
        spread = float(values.std() / values.mean())
    sized = response.saturation.scaled(total * count).times(1.0 / count)
    uncertainty = min(max(spread, 1e-3), 10.0)
    return Curve(saturation=sized.to_dict(), uncertainty=uncertainty, carryover=max(carried, 0.0))


def _capped(spec: AllocatorSpec, curve: Curve, arms: int) -> Curve:
    """The curve as a prior that counts no more than its share of the first month's evidence."""
    promised = float(curve.response.value(spec.budget / arms))
    counted = spec.outcome != "money"
    told = promised if counted else (promised / (spec.noise_sd or 1.0)) ** 2
    if told <= 0.0:
        return curve
    least = (_CAP * _MONTH * told) ** -0.5
    return curve.model_copy(update={"uncertainty": min(max(curve.uncertainty, least), 10.0)})


def _said(arm: Arm) -> str:
    return digest(arm.model_dump(exclude_none=True))


# -- ledgers as objects ---------------------------------------------------------------------------


def _spec(ledger: Ledger) -> AllocatorSpec:
    return AllocatorSpec.model_validate(ledger["spec"])


def _arms(ledger: Ledger) -> list[Arm]:
    rows = (ledger["arms"][name] for name in sorted(ledger["arms"]))
    return [Arm.model_validate({k: v for k, v in row.items() if k != "said"}) for row in rows]


def _events(ledger: Ledger) -> list[Event]:
    return [Event.model_validate(ledger["events"][name]) for name in sorted(ledger["events"])]


def _kept(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Of a split what is needed to judge it later: the shares really used."""
    kept: dict[str, Any] = {
        "period": decision["period"],
        "budget": decision["budget"],
        "shares": {row["arm"]: row["share"] for row in decision["arms"]},
    }
    if decision["contexts"]:
        kept["contexts"] = [
            [row["context"], {arm["arm"]: arm["share"] for arm in row["arms"]}]
            for row in decision["contexts"]
        ]
    return kept


def _told(dataset: str, ledger: Ledger, decisions: Sequence[Ledger]) -> dict[str, Any]:
    spec = ledger["spec"]
    arms = [
        {k: v for k, v in ledger["arms"][name].items() if k != "said"}
        for name in sorted(ledger["arms"])
    ]
    return {
        "dataset": dataset,
        "allocator": spec["allocator"],
        "kind": spec["kind"],
        "outcome": spec["outcome"],
        "spec": {k: v for k, v in spec.items() if k != "arms"},
        "arms": arms,
        "events": len(ledger["events"]),
        "state": digest([spec, ledger["arms"], ledger["events"]]),
        "decisions": list(decisions),
    }


def _event_faults(
    spec: AllocatorSpec, arms: Mapping[str, Any], event: Event, place: int
) -> list[Fault]:
    def at(field: str, code: str, text: str) -> Fault:
        return Fault(pointer_to("events", place, field), code, text)

    if event.arm not in arms:
        return [
            at(
                "arm",
                "unknown_arm",
                f"There is no arm {event.arm!r}.{did_you_mean(event.arm, arms)}",
            )
        ]
    faults = []
    if arms[event.arm].get("curve") is not None and event.spend is None:
        faults.append(at("spend", "required", f"On its curve {event.arm} needs its spend."))
    if event.value > 0.0 and spec.outcome != "money":
        faults.append(at("value", "contradiction", f"The outcome is {spec.outcome}, not money."))
    try:
        _check_context(spec, event.context)
    except InvalidInput as error:
        faults += [at("context", f.code, f.message) for f in error.faults]
    return faults


def _check_context(spec: AllocatorSpec, context: Mapping[str, str | float] | None) -> None:
    known = {feature.feature: feature for feature in spec.features or ()}
    for name, value in (context or {}).items():
        if name not in known:
            text = f"{name[:60]!r} is no feature of the allocator.{did_you_mean(name, known)}"
            raise InvalidInput.at("/context", "unknown_feature", text)
        if (known[name].values is None) == isinstance(value, str):
            wanted = "a number" if known[name].values is None else "one of its values, as text"
            raise InvalidInput.at("/context", "wrong_type", f"{name} is {wanted}.")
        if not isinstance(value, str) and abs(value) > _WIDEST * known[name].scale:
            text = f"{name} is more than {_WIDEST:g} times its scale: give the feature a wider one."
            raise InvalidInput.at("/context", "out_of_range", text)
