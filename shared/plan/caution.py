"""What to know before acting on an answer: warnings, and where its curves are guesses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.figures import plural
from shared.plan.rows import by_part
from shared.plan.score import MIN_DRAWS
from shared.plan.words import largest, money, number, outcome_of, possessive, say
from shared.problem.arms import current_of
from shared.problem.model import Channel, Problem

__all__ = ["THIN_EVIDENCE", "VERDICTS", "doubts", "low_trust", "trust", "warn"]

Row = Mapping[str, Any]
Said = tuple[str, str]

THIN_EVIDENCE = 0.8
"""Under this ``probability_better`` the evidence is called too thin to move (docs/contract.md)."""

SAME_BUDGET = 0.01
"""Plans whose totals differ by less than this share are two ways to spend the same money."""

LARGE_SHIFT = 0.3  # moving more than this share of today's spend at once is called a large shift
FAINT = 1e-3  # of a channel's highest spend: what is next to nothing
WIDE_INTERVAL = 1.0  # an interval wider than this share of its own expectation is called wide
WIDE = 0.75  # a 90 % interval wider than this share of what it is about is told
SURE = 0.95  # under this probability_better, or trust that is not good, half is proposed
GOOD = 0.8
# The most that max_change is proposed to be: plans were measured within half of what was spent, and
# half of a move brought 60 % of its gain.
FAR, NEAR = 0.5, 0.25

TOLD = 4

VERDICTS = {
    "prior": "the history says next to nothing of it, and its curve is what was believed before",
    "unspent": "nothing was ever spent on it, and its curve is what was believed before",
    "weak": "the history says little of it",
}


def warn(problem: Problem, rows: Sequence[Row], totals: Row, certificate: Row) -> list[Said]:
    """The warnings of an optimize answer, from its own figures."""
    found = [*problem.warnings, *_evidence(problem, totals), *_shift(rows, totals)]
    found += [*_extrapolation(problem, rows), *_ceilings(problem, rows), *_steep(rows)]
    found += [*_weightless(problem, rows), *_never_starts(problem, rows), *_faint(problem, rows)]
    found += [*_beyond_step(rows, trust(problem, totals)), *_intervals(rows, totals)]
    if not certificate["proven"]:
        text = "The bound was not proven: treat the gap as unknown."
        found.append(("bound_not_proven", text))
    return found


def _evidence(problem: Problem, totals: Row) -> Iterator[Said]:
    draws = problem.draws
    if 0 < draws < MIN_DRAWS:
        text = (
            f"The curves carry {draws} draws; intervals and probabilities need at least "
            f"{MIN_DRAWS} and are left out."
        )
        yield "few_draws", text
    better = totals["probability_better"]
    if _too_thin(totals):
        text = (
            f"The recommended plan beats today's in only {100 * better:.0f} % of draws: "
            "the evidence does not support a move yet. Hold, or test (POST /experiment)."
        )
        yield "evidence_too_thin_to_move", text


def _too_thin(totals: Row) -> bool:
    better, now = totals["probability_better"], totals["current_spend"]
    if better is None or better >= THIN_EVIDENCE:
        return False
    return bool(abs(totals["spend"] - now) <= SAME_BUDGET * max(now, totals["spend"]))


def trust(problem: Problem, totals: Row) -> dict[str, Any] | None:
    """How far the curves are to be trusted, and by how much to move on them at once.

    None for curves that were not fitted here; ``step`` is None where today's spend is not known.
    """
    if problem.trust is None:
        return None
    found = {key: problem.trust[key] for key in ("score", "text", "parts")}
    better = totals["probability_better"]
    if totals["current_spend"] is None:
        return {**found, "step": None}
    if _too_thin(totals):
        step: tuple[str, float] = "hold_or_test", 0.0
        text = (
            f"Hold, or test: the plan beats today's in {100 * better:.0f} % of draws, and under "
            f"{THIN_EVIDENCE:.0%} the evidence does not support a move."
        )
    elif problem.trust["score"] >= GOOD and (better is None or better >= SURE):
        step = "move", FAR
        text = f"Move, each channel by no more than {FAR:.0%} of today's spend before the next fit."
    else:
        step = "half", NEAR
        text = (
            f"Go half of the way: each channel by no more than {NEAR:.0%} of today's spend, then "
            "fit again and go on."
        )
    return {**found, "step": {"advice": step[0], "max_change": step[1], "text": text}}


def low_trust(problem: Problem) -> list[dict[str, Any]]:
    """The sentence that comes first where the curves are hardly to be trusted."""
    if problem.trust is None or not problem.trust["low"]:
        return []
    return [say("low_trust", problem.trust["text"], **problem.trust["data"])]


def _beyond_step(rows: Sequence[Row], found: Row | None) -> Iterator[Said]:
    step = None if found is None else found["step"]
    if not step or step["max_change"] == 0.0:
        return
    most = step["max_change"]
    far = [row for row in rows if abs(row["change_share"] or 0.0) > most + 1e-9]
    if far:
        named = ", ".join(f"{row['channel']} ({row['change_share']:+.0%})" for row in far[:TOLD])
        rest = f" and {len(far) - TOLD} more" if len(far) > TOLD else ""
        text = (
            f"{named}{rest} would move by more than {most:.0%} of today's spend, which trust.step "
            f"proposes at most: max_change {most:g} keeps to it."
        )
        yield "beyond_trusted_step", text


def _shift(rows: Sequence[Row], totals: Row) -> Iterator[Said]:
    changes = [row["change"] for row in rows if row["change"] is not None]
    now = totals["current_spend"]
    if not now:
        return
    # What leaves one channel for another; a budget that grows or shrinks is no shift.
    moved = min(sum(c for c in changes if c > 0), -sum(c for c in changes if c < 0))
    if moved > LARGE_SHIFT * now:
        text = (
            f"This moves {100 * moved / now:.0f} % of today's spend at once. Curves are best known "
            "near the spend that was observed: max_change moves in steps."
        )
        yield "large_shift", text


def _extrapolation(problem: Problem, rows: Sequence[Row]) -> Iterator[Said]:
    beyond = [row for row in rows if row["extrapolated"]]
    if beyond:
        named = ", ".join(f"{row['channel']} ({money(problem, _most(row))})" for row in beyond)
        text = (
            f"More than was ever observed in a period would go to {named}: there the "
            f"{'curve is a guess' if len(beyond) == 1 else 'curves are guesses'}."
        )
        yield "extrapolation", text


def _most(row: Row) -> float:
    """The most that a row spends in any one period."""
    return float(max((part["spend"] for part in row.get("periods") or ()), default=row["spend"]))


def _ceilings(problem: Problem, rows: Sequence[Row]) -> Iterator[Said]:
    held = [
        f"{channel.name} ({money(problem, channel.max_spend or 0.0)})"
        for channel, row in zip(problem.channels, rows, strict=True)
        if channel.max_spend_is_default and "max_spend" in row["binding"]
    ]
    if held:
        text = (
            f"The default ceiling, 1.5 times the highest observed spend, holds {', '.join(held)}; "
            "give a max_spend to allow more."
        )
        yield "default_max_spend_binds", text


def _weightless(problem: Problem, rows: Sequence[Row]) -> Iterator[Said]:
    above = {id(part): channel for channel in problem.channels for part in channel.campaigns}
    for part, own in by_part(problem, rows):
        weighed = part.campaigns[0] if part.several else part
        both = (weighed.period_weights, above.get(id(part), part).period_weights)
        pairs = itertools.zip_longest(*both, fillvalue=1.0)
        periods = own.get("periods") or ({"period": 1, "spend": own["spend"]},)
        idle = [
            (period["period"], period["spend"])
            for period, weights in zip(periods, pairs, strict=False)
            if 0.0 in weights and period["spend"] > 0.0
        ]
        if idle:
            named = ", ".join(str(at) for at, _ in idle[:TOLD])
            more = f" and {len(idle) - TOLD} more" if len(idle) > TOLD else ""
            text = (
                f"{own['channel']} would spend {money(problem, sum(x for _, x in idle))} in "
                f"period{'s' if len(idle) > 1 else ''} {named}{more}, where its weight is 0: "
                "it brings nothing then, but for what carries over to periods with a weight."
            )
            yield "spend_without_weight", text


def _never_starts(problem: Problem, rows: Sequence[Row]) -> Iterator[Said]:
    periods = problem.horizon.periods
    paced = problem.horizon.max_change is not None and periods > 1
    for channel in problem.channels:
        flight = channel.flight
        if flight is not None and flight.min_on > periods and not (flight.before or (False,))[0]:
            text = (
                f"{channel.name} is to run for {flight.min_on} periods in a row at least, and the "
                f"horizon has {periods}: it can never start."
            )
            yield "never_starts", text
    text = "{} spends nothing today, and {} is a share of that: it can never start. Give it {}."
    for channel, row in zip(problem.channels, rows, strict=True):
        if channel.locked or row["spend"] > 0.0 or channel.max_spend == 0.0:
            continue
        parts = zip(channel.campaigns, row.get("campaigns") or (), strict=False)
        for part, own in ((channel, row), *parts):
            if current_of(part) != 0.0:
                continue
            if part.max_change is not None:
                told = "max_change", "a max_spend in place of max_change"
                yield "never_starts", text.format(own["channel"], *told)
            elif paced and part is channel:
                told = "pacing", "the current_spend from which it is to be paced"
                yield "never_starts", text.format(own["channel"], *told)


def _faint(problem: Problem, rows: Sequence[Row]) -> Iterator[Said]:
    """Channels that flights or counts are about, and that spend next to nothing in a period."""
    counted = {name for rule in problem.constraints if rule.per_period for name in rule.channels}
    for channel, row in zip(problem.channels, rows, strict=True):
        spends = [period["spend"] for period in row.get("periods") or ()]
        some = [x for x in spends if 0.0 < x <= FAINT * max(spends)]
        if some and (channel.flight is not None or channel.name in counted):
            where = plural(len(some), "period")
            text = (
                f"{channel.name} spends as little as {number(min(some))} in {where} of the plan, "
                "which still counts as on: a minimum_if_active says what a period on must have."
            )
            yield "faint_period", text


def _steep(rows: Sequence[Row]) -> Iterator[Said]:
    for row in rows:
        if row["marginal_return"] is None:
            text = (
                f"{possessive(row['channel'])} curve has no finite slope at a spend of "
                f"{number(row['spend'])}: its marginal return is not stated."
            )
            yield "marginal_return_unbounded", text


def _intervals(rows: Sequence[Row], totals: Row) -> Iterator[Said]:
    whole = totals["outcome_interval"]
    if whole is not None and whole[1] - whole[0] > WIDE_INTERVAL * abs(totals["outcome"]):
        text = (
            f"The 90 % interval of the outcome, {number(whole[0])} to {number(whole[1])}, "
            "is wider than the outcome itself."
        )
        yield "wide_uncertainty", text
    skewed = [
        row["channel"]
        for row in rows
        if (own := row["outcome_interval"]) and not own[0] <= row["outcome"] <= own[1]
    ]
    if skewed:
        text = (
            f"A few draws bring most of the expected outcome of {', '.join(skewed)}: it lies "
            "outside its own 90 % interval."
        )
        yield "skewed_draws", text


def doubts(problem: Problem, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Sentences about channels that the plan moves or rests on."""
    found = list[tuple[float, dict[str, Any]]]()
    for arm, row in by_part(problem, rows):
        found += [] if arm.several else _unsure(problem, arm, row)
    return largest(found, TOLD) + _least_sure(problem, rows)


def _unsure(problem: Problem, channel: Channel, row: Row) -> list[tuple[float, dict[str, Any]]]:
    spend, change, name = row["spend"], row["change"], row["channel"]
    said = []
    meaning = VERDICTS.get(channel.verdict or "")
    if meaning and (spend > 0.0 or change):
        text = f"{possessive(name)} part rests on little: {meaning}."
        said.append((spend, say("unsure_curve", text, channel=name, verdict=channel.verdict)))
    if row["extrapolated"] and channel.observed_max is not None:
        most = _most(row)
        text = (
            f"{name} would spend {money(problem, most)} in a period, and no more than "
            f"{money(problem, channel.observed_max)} was ever observed: beyond that its curve is "
            "a guess."
        )
        data = {"channel": name, "spend": most, "observed_max": channel.observed_max}
        said.append((spend, say("extrapolates", text, **data)))
    return said


def _least_sure(problem: Problem, rows: Sequence[Row]) -> list[dict[str, Any]]:
    known = [row for row in rows if row["outcome_interval"] is not None and row["outcome"] > 0.0]
    if not known:
        return []
    row = max(known, key=lambda r: r["outcome_interval"][1] - r["outcome_interval"][0])
    low, high = row["outcome_interval"]
    if high - low <= WIDE * row["outcome"]:
        return []
    text = (
        f"What {row['channel']} brings is the least sure: {outcome_of(problem, row['outcome'])} "
        f"are expected, with a 90 % interval of {number(low)} to {number(high)}."
    )
    data = {k: row[k] for k in ("channel", "outcome", "outcome_interval")}
    return [say("least_sure", text, **data)]
