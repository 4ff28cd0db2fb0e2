"""How far a curve set is to be trusted, in five parts from 0 to 1, a sentence each.

==================  ================================================================================
``data``            observed rows over twice those that a check needs
``identification``  share of the money whose returns the history settles: a verdict ``good`` counts
                    whole, ``weak`` half, ``prior`` nothing; half of that where channels cannot be
                    told apart, or where a sign speaks against what the history says (``doubts``)
``calibration``     what intervals promise over what forecasts missed: one over ``error_ratio``
``stability``       1 / (1 + m^2), m the largest move of a return in joint spreads, against the fit
                    without the last periods and against the curves in use
``experiments``     share of the money whose channel has a lift test that counts; one that the rows
                    contradict counts half
==================  ================================================================================

Tests stand in for what a history cannot tell, so the score is the least of data, calibration,
stability (where there is another fit) and the better of identification and experiments. It is then
held to ``UNTESTED`` where nothing was tested: of 45 plans for histories of simulators by others
that were said to be better in 97 % of draws or more, 37 were, however good the fit looked. The
score is a rule by which curve sets can be told apart, and no probability.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shared.fit.fitted import ChannelEvidence, Group
from shared.frequency import word
from shared.history.enough import rows_needed

__all__ = ["LOW", "UNTESTED", "trust_of"]

LOW = 0.5
UNTESTED = 0.8
_WORTH = {"good": 1.0, "weak": 0.5}
_CONFUSED = 0.5
_NAMED = 3


def trust_of(
    *,
    frequency: str,
    rows: int,
    names: Sequence[str],
    money: Sequence[float],
    channels: Sequence[str],
    evidence: Sequence[ChannelEvidence],
    groups: Sequence[Group],
    doubted: Collection[str],
    error_ratio: float | None,
    stability: Mapping[str, Any],
    tests: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """``diagnostics.trust``: ``score``, ``low``, ``text`` and ``parts``.

    Parameters
    ----------
    rows
        Observed periods.
    names, money, channels, evidence
        Of each arm: its curve, its mean spend, the channel that it is of, what is known of it.
    doubted
        Channels with a sign against them.
    error_ratio
        See ``calibration``; None where nothing was held back.
    stability
        ``diagnostics.stability``.
    tests
        ``diagnostics.lift_tests``.
    """
    parts = [
        _data(rows, rows_needed(frequency, len(set(channels))), frequency),
        _identification(names, money, channels, evidence, groups, doubted),
        _calibration(error_ratio),
        _stability(stability),
        _experiments(money, channels, tests),
    ]
    score = {part["part"]: part["score"] for part in parts}
    known = max(score["identification"], score["experiments"])
    held = [score["data"], known, score["calibration"]]
    held += [] if score["stability"] is None else [score["stability"]]
    tested = UNTESTED + (1.0 - UNTESTED) * score["experiments"]
    overall = min(held) * tested
    weakest = min(
        (part for part in parts if part["part"] != "experiments"),
        key=lambda part: 1.0 if part["score"] is None else part["score"],
    )
    if tested < min(held) or (weakest["part"] == "identification" and known > weakest["score"]):
        weakest = parts[-1]
    word = "low" if overall < LOW else "limited" if overall < UNTESTED else "good"
    text = f"Trust in these curves is {word} ({overall:.2f} of 1). {weakest['text']}"
    data = {"score": overall, **weakest["data"]}
    return {"score": overall, "low": overall < LOW, "text": text, "data": data, "parts": parts}


def _part(name: str, score: float | None, text: str, **data: Any) -> dict[str, Any]:
    return {"part": name, "score": score, "text": text, "data": data}


def _data(rows: int, needed: int, frequency: str) -> dict[str, Any]:
    text = f"The history has {rows} {word(frequency)}s with an outcome; a check needs {needed}"
    text += f", and {2 * needed} count whole." if rows < 2 * needed else "."
    return _part("data", min(rows / (2.0 * needed), 1.0), text, rows=rows, needed=needed)


def _identification(
    names: Sequence[str],
    money: Sequence[float],
    channels: Sequence[str],
    evidence: Sequence[ChannelEvidence],
    groups: Sequence[Group],
    doubted: Collection[str],
) -> dict[str, Any]:
    confused = {name for members, _ in groups for name in members} | set(doubted)
    worth = [
        _WORTH.get(item.verdict, 0.0) * (_CONFUSED if channel in confused else 1.0)
        for item, channel in zip(evidence, channels, strict=True)
    ]
    score = _weighed(worth, money)
    poor = [name for name, w in zip(names, worth, strict=True) if w < 1.0]
    text = f"The history settles the returns of {score:.0%} of the money"
    if poor:
        rest = f" and {len(poor) - _NAMED} more" if len(poor) > _NAMED else ""
        text += f"; not those of {', '.join(poor[:_NAMED])}{rest}: lift tests would tell more"
    return _part(
        "identification", score, text + ".", settled=score, more=max(len(poor) - _NAMED, 0)
    )


def _calibration(ratio: float | None) -> dict[str, Any]:
    if ratio is None:
        text = "Nothing could be held back, so it is not known whether the intervals hold."
        return _part("calibration", 0.0, text)
    score = 1.0 / max(ratio, 1.0)
    if ratio <= 1.0:
        text = "Forecasts of rows held back kept their intervals."
        return _part("calibration", score, text, error_ratio=ratio)
    text = f"Forecasts of rows held back missed by {ratio:.2f} times what their intervals allow."
    return _part("calibration", score, text, error_ratio=ratio)


def _stability(found: Mapping[str, Any]) -> dict[str, Any]:
    largest: float | None = None
    channel, against = "", ""
    for key, words in (
        ("without_the_last_periods", "a fit without the last periods"),
        ("previous", "the curves in use"),
    ):
        for move in (found.get(key) or {}).get("channels") or ():
            spreads = move["spreads"]
            if spreads is not None and (largest is None or abs(spreads) > largest):
                largest, channel, against = abs(float(spreads)), move["channel"], words
    if largest is None:
        return _part("stability", None, "There is no other fit to compare the returns with.")
    text = (
        f"Against {against} the return of {channel} moved most, by {largest:.1f} of the joint "
        "spread of both."
    )
    data = {"channel": channel, "spreads": largest}
    return _part("stability", 1.0 / (1.0 + largest**2), text, **data)


def _experiments(
    money: Sequence[float], channels: Sequence[str], tests: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    used = [test for test in tests if test["used"]]
    odd = {test["channel"] for test in used if test["doubts"]}
    fine = {test["channel"] for test in used if not test["doubts"]}
    worth = [1.0 if c in fine else _CONFUSED if c in odd else 0.0 for c in channels]
    score = _weighed(worth, money)
    if not used:
        text = "No lift test counts: what spend causes rests on the history alone."
    else:
        text = f"Lift tests speak of {', '.join(sorted(odd | fine))}, {score:.0%} of the money"
        doubtful = sorted(odd - fine)
        text += f"; what they say of {', '.join(doubtful)} is in doubt" if doubtful else ""
        text += "."
    return _part("experiments", score, text, tested=score)


def _weighed(worth: Sequence[float], money: Sequence[float]) -> float:
    whole = sum(money)
    total = sum(w * m for w, m in zip(worth, money, strict=True))
    return float(total / whole) if whole > 0 else 0.0
