"""The same log gives the same bytes on every machine: figures as they were written down once."""

from __future__ import annotations

from shared.learn.allocators.decision import decide
from shared.learn.uniforms import uniforms
from tests.learn.worlds import curved, event, spec

UNIFORMS = [0.5645438250329381, 0.13368863212190318, 0.5545420468404044]
SPLIT = [
    (590.820312, 0.613447836, 0.0643564356),
    (186.523438, 0.187888432, 0.0469894071),
    (222.65625, 0.198663732, 0.0495049505),
]
SHARES = [0.29935, 0.30214, 0.25744, 0.14106]


def test_uniforms_are_philox_integers() -> None:
    assert uniforms("test", 7, 3).tolist() == UNIFORMS


def test_a_split_is_the_one_that_it_always_was() -> None:
    asked = spec(arms=[{"arm": "a"}, {"arm": "b", "delay": {"mean": 3.0}}, {"arm": "c"}])
    events = [event(0, "a", 0, 200, 12), event(1, "b", 0, 200, 5), event(2, "c", 1, 200, 9)]
    told = decide(asked, asked.arms, events, 3, 1000.0)
    assert [(r["spend"], r["probability_best"], r["return"]) for r in told["arms"]] == SPLIT


def test_a_split_over_curves_is_the_one_that_it_always_was() -> None:
    asked = curved(0.4)
    events = [event(i, f"arm-{i}", 0, 0, 0, spend=25.0, value=30.0 + i) for i in range(4)]
    told = decide(asked, asked.arms, events, 1, 100.0)
    # The optimiser's own digits are promised to 1e-6.
    assert [round(r["share"], 5) for r in told["arms"]] == SHARES
