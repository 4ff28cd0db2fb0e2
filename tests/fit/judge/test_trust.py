"""Trust in a curve set: each part by hand, and what makes the whole go up or down."""

from __future__ import annotations

from typing import Any

import pytest

from shared.fit.fitted import ChannelEvidence
from shared.fit.judge.trust import LOW, UNTESTED, trust_of
from shared.fit.pipeline import fit_history
from tests.fit.histories import simulated


def known(verdict: str) -> ChannelEvidence:
    nothing: dict[str, Any] = {"prior_roi": None, "half_saturation": None, "shape": None}
    return ChannelEvidence(
        verdict, 0.9, 1.0, (0.8, 1.2), prior_given=False, saturation="hill", adstock="geometric",
        carryover={}, **nothing,
    )  # fmt: skip


def moved(by: float | None) -> dict[str, Any]:
    channel = {"channel": "a", "spreads": by}
    return {"without_the_last_periods": {"largest": by, "channels": [channel]}, "previous": None}


def trust(verdicts: str = "good good", **changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "frequency": "week",
        "rows": 1000,
        "names": ("a", "b"),
        "money": (3.0, 1.0),
        "channels": ("a", "b"),
        "evidence": [known(v) for v in verdicts.split()],
        "groups": (),
        "doubted": (),
        "error_ratio": 1.0,
        "stability": moved(0.0),
        "tests": (),
    }
    return trust_of(**{**told, **changes})


def parts(found: dict[str, Any]) -> dict[str, Any]:
    return {part["part"]: part["score"] for part in found["parts"]}


def lifted(channel: str, *doubts: str, used: bool = True) -> dict[str, Any]:
    return {"channel": channel, "used": used, "doubts": list(doubts)}


def test_without_a_test_trust_stops_short_of_whole() -> None:
    assert trust()["score"] == pytest.approx(UNTESTED)
    assert trust(tests=[lifted("a"), lifted("b")])["score"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("part", "score", "changes"),
    [
        ("data", 0.5, {"rows": 20, "frequency": "week"}),
        ("identification", 0.75, {"verdicts": "good prior"}),
        ("identification", 0.875, {"verdicts": "good weak"}),
        ("identification", 0.5, {"groups": [(("a", "b"), 0.99)]}),
        ("identification", 0.625, {"doubted": {"a"}}),
        ("calibration", 0.5, {"error_ratio": 2.0}),
        ("calibration", 0.0, {"error_ratio": None}),
        ("stability", 0.2, {"stability": moved(-2.0)}),
        ("experiments", 0.75, {"tests": [lifted("a")]}),
        ("experiments", 0.375, {"tests": [lifted("a", "The rows contradict it.")]}),
        ("experiments", 0.0, {"tests": [lifted("a", used=False)]}),
    ],
)
def test_a_part_by_hand(part: str, score: float, changes: dict[str, Any]) -> None:
    if part == "data":
        from shared.history.enough import rows_needed

        changes = {"rows": rows_needed("week", 2)}
    assert parts(trust(**changes))[part] == pytest.approx(score)


def test_the_least_part_holds_the_whole_and_is_named_first() -> None:
    found = trust(error_ratio=4.0)
    assert found["score"] == pytest.approx(0.25 * UNTESTED)
    assert found["low"] is (found["score"] < LOW) is True
    assert found["text"].endswith("4.00 times what their intervals allow.")


def test_where_all_else_is_well_the_missing_test_is_named() -> None:
    assert trust()["text"].endswith("rests on the history alone.")
    assert "a moved most" in trust(stability=moved(1.0))["text"]


def test_a_test_stands_in_for_what_the_history_cannot_tell() -> None:
    assert trust("prior prior")["score"] == 0.0
    assert trust("prior prior", tests=[lifted("a")])["score"] == pytest.approx(0.75 * 0.95)


def test_without_another_fit_stability_does_not_count() -> None:
    found = trust(stability={"without_the_last_periods": None, "previous": None})
    assert parts(found)["stability"] is None
    assert found["score"] == pytest.approx(UNTESTED)


def test_every_fit_carries_it() -> None:
    history, _ = simulated(rows=104)
    found = fit_history(history, {"model": {"saturation": "hill"}}, draws=40).curve_set.diagnostics
    assert list(parts(found["trust"])) == [
        "data",
        "identification",
        "calibration",
        "stability",
        "experiments",
    ]
    assert parts(found["trust"])["calibration"] == 1.0 / found["calibration"]["error_ratio"]
    few, _ = simulated(rows=20)
    short = fit_history(few, {"model": {"saturation": "hill"}}, draws=40).curve_set.diagnostics
    assert short["trust"]["score"] == 0.0  # nothing could be held back
    assert short["trust"]["low"]
