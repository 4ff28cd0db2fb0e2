"""``POST /portfolio``: stored datasets as one problem over all of their channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shared.api.http import Call, Reply
from shared.api.messages import MAX_CHANNELS, OptimizeRequest
from shared.api.question_messages import PortfolioPart, PortfolioRequest
from shared.api.reading import accepted, refuse, under
from shared.api.translate import problem_of
from shared.api.unusual import unusual
from shared.errors import Fault, InputTooLarge, InvalidInput, NotFound, pointer_to
from shared.plan.portfolio import Part, draws_together, merged
from shared.shapes import validated
from shared.store.keys import check_dataset_name, is_curves_version

__all__ = ["portfolio"]


def portfolio(call: Call) -> Reply:
    """``POST /portfolio``"""
    message, faults = validated(PortfolioRequest, call.json)
    faults += () if message is None else _faults(message)
    asked = accepted(message, faults)
    parts = _parts(call, asked.datasets)
    refuse(list(_apart(asked.datasets, parts)))
    weighed = asked.datasets[0].weight is not None
    unit = "units of value" if weighed else parts[0].problem.outcome_unit
    problem = merged(parts, asked.budget, spend_all=asked.spend_all, unit=unit)
    # There is no message that says all of it: of these rules, only that of the budget is asked.
    found = unusual(OptimizeRequest(budget=asked.budget), problem.channels, asked.budget, 1)
    problem = replace(problem, warnings=(*problem.warnings, *found))
    try:
        return Reply(call.service.portfolio(problem, parts), stamped=True)
    except InvalidInput as error:
        raise type(error)([_told(fault, parts) for fault in error.faults]) from None


def _faults(message: PortfolioRequest) -> Iterator[Fault]:
    """What speaks against a message that is well formed."""
    names = [part.dataset for part in message.datasets]
    weighed = any(part.weight is not None for part in message.datasets)
    for i, part in enumerate(message.datasets):
        if part.dataset in names[:i]:
            text = f"{part.dataset} is there twice."
            yield Fault(pointer_to("datasets", i, "dataset"), "duplicate", text)
        if part.max_spend is not None and (part.min_spend or 0.0) > part.max_spend:
            text = f"max_spend of {part.dataset} is below its min_spend."
            yield Fault(pointer_to("datasets", i, "max_spend"), "contradiction", text)
        if weighed and part.weight is None:
            text = f"Other datasets have a weight: say what one outcome of {part.dataset} counts."
            yield Fault(pointer_to("datasets", i, "weight"), "required", text)


def _parts(call: Call, asked: Sequence[PortfolioPart]) -> list[Part]:
    """The datasets with their curves; what cannot be read of them is told all at once."""
    parts, faults, channels = list[Part](), list[Fault](), 0
    for i, each in enumerate(asked):
        where = pointer_to("datasets", i)
        version = each.curves_version or "latest"
        try:
            name = check_dataset_name(each.dataset)
            if version != "latest" and not is_curves_version(version):
                raise NotFound("There are no curves of that version.")
            curves = call.service.curves(name, version)
            # Today's spend is each dataset's own money here; the whole has the one budget.
            message = OptimizeRequest(dataset=name, budget_change=0.0)
            problem = problem_of(message, curves)
        except NotFound as error:
            unknown = ("dataset", "unknown_dataset")
            field, code = unknown if version == "latest" else ("curves_version", "unknown_version")
            faults.append(Fault(f"{where}/{field}", code, str(error)))
            continue
        except InvalidInput as error:
            faults += [replace(fault, pointer=f"{where}/dataset") for fault in error.faults]
            continue
        channels += len(problem.arms)
        if channels > MAX_CHANNELS:
            raise InputTooLarge(
                f"The first {i + 1} datasets have {channels} channels and campaigns; at most "
                f"{MAX_CHANNELS} are taken in all."
            )
        limits = (each.min_spend, each.max_spend)
        parts.append(Part(name, problem, *limits, 1.0 if each.weight is None else each.weight))
    refuse(faults)
    return parts


def _apart(asked: Sequence[PortfolioPart], parts: Sequence[Part]) -> Iterator[Fault]:
    """What keeps datasets from being planned together with the first one."""
    most, one = draws_together(parts), parts[0]
    for i, (each, part) in enumerate(zip(asked, parts, strict=True)):
        this, other = part.problem, one.problem
        found = list[Fault]()
        if this.currency != other.currency:
            text = f"{part.dataset} is in {this.currency}, {one.dataset} in {other.currency}."
            found.append(Fault("/dataset", "contradiction", text))
        if this.frequency != other.frequency:
            text = f"{part.dataset} goes by {this.frequency}, {one.dataset} by {other.frequency}."
            found.append(Fault("/dataset", "contradiction", text))
        if each.weight is None and this.outcome_unit != other.outcome_unit:
            text = (
                f"{part.dataset} counts {this.outcome_unit}, {one.dataset} {other.outcome_unit}: "
                "say with weight what one of each is worth."
            )
            found.append(Fault("/weight", "required", text))
        if most % max(this.draws, 1):
            text = (
                f"The draws of {part.dataset} ({this.draws}) do not go into {most}, the most of "
                "any dataset: choose versions with equally many."
            )
            found.append(Fault("/curves_version", "unequal_draws", text))
        yield from under(pointer_to("datasets", i), found)


def _told(fault: Fault, parts: Sequence[Part]) -> Fault:
    """What the domain finds wrong with a channel of the whole, at the dataset that it is of."""
    tokens = fault.pointer.split("/")[1:]
    if len(tokens) < 2 or tokens[0] != "channels" or not tokens[1].isdigit():
        return fault
    left = int(tokens[1])
    for i, part in enumerate(parts):
        if left < len(part.problem.channels):
            return replace(fault, pointer=pointer_to("datasets", i))
        left -= len(part.problem.channels)
    return fault
