"""Interactions of channels with campaigns: the pairs of their arms say what the levels say."""

from __future__ import annotations

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Power, Saturation
from shared.errors import InvalidInput
from shared.problem.lower import lower
from shared.problem.model import Channel, Horizon, Interaction, Problem


def channel(name: str, *curves: Saturation, draws: tuple[float, ...] = ()) -> Channel:
    """Without campaigns where there is one curve; draws are its ceilings."""
    parts = [
        Channel(f"{name}/{i}", Response(c), period_weights=(1.0, 0.5)) for i, c in enumerate(curves)
    ]
    if len(parts) > 1:
        return Channel(name, Response(curves[0]), campaigns=tuple(parts))
    own = tuple(Hill(top, 30.0, 1.5) for top in draws)
    return Channel(name, Response(curves[0], draws=own), period_weights=(1.0, 0.5))


TV = channel("tv", Hill(80.0, 30.0, 1.5), Exponential(20.0, 0.05))
SEARCH = channel("search", Hill(50.0, 20.0, 1.0), Hill(10.0, 9.0, 2.0), Exponential(5.0, 0.1))
RADIO = channel("radio", Exponential(40.0, 0.02))
ALL = (TV, SEARCH, RADIO)
TWO = Horizon(2)


def level(of: Channel, z: np.ndarray) -> float:
    """By its definition: what the campaigns bring over the most they could."""
    curves = [part.response.saturation for part in of.campaigns or (of,)]
    brings = sum(float(c.value(x)) for c, x in zip(curves, z, strict=True))
    return brings / sum(float(c.supremum()) for c in curves)


def test_a_channel_s_level_is_that_of_its_campaigns_together() -> None:
    links = (
        Interaction(("tv", "search"), 30.0),
        Interaction(("radio", "tv"), -12.0),
    )
    problem = Problem(ALL, 300.0, horizon=TWO, interactions=links)
    program = lower(problem)
    rng = np.random.default_rng(3)
    for _ in range(20):
        u = rng.uniform(0.0, 60.0, program.lower.shape)
        plain = float(program.response(program.adstocked(u)).sum())
        wanted = 0.0
        for h, weight in enumerate((1.0, 0.5)):
            tv, search, radio = (
                level(of, z) for of, z in zip(ALL, np.split(u[:, h], (2, 5)), strict=True)
            )
            wanted += weight * (30.0 * tv * search - 12.0 * radio * tv)
        assert program.outcome(u) - plain == pytest.approx(wanted, rel=1e-12)


def test_the_strengths_of_all_pairs_add_up() -> None:
    program = lower(
        Problem(ALL, 300.0, horizon=TWO, interactions=(Interaction(("tv", "search"), 30.0),))
    )
    assert len(program.pairs) == 6
    assert sum(pair.strength for pair in program.pairs) == pytest.approx(30.0, rel=1e-12)


def test_two_interactions_of_the_same_arms_are_one_pair() -> None:
    links = (Interaction(("tv", "search"), 3.0), Interaction(("tv", "search"), -1.0))
    tv, search = channel("tv", Hill(8.0, 3.0, 1.5)), channel("search", Hill(5.0, 2.0, 1.0))
    (pair,) = lower(Problem((tv, search), 30.0, horizon=TWO, interactions=links)).pairs
    assert pair.strength == pytest.approx(2.0, rel=1e-12)


def test_a_campaign_without_a_ceiling_is_named() -> None:
    open_ended = channel("tv", Hill(80.0, 30.0, 1.5), Power(3.0, 0.5))
    problem = Problem(
        (RADIO, open_ended),
        300.0,
        horizon=TWO,
        interactions=(Interaction(("radio", "tv"), 1.0),),
    )
    with pytest.raises(InvalidInput, match="tv/1") as caught:
        lower(problem)
    assert [fault.code for fault in caught.value.faults] == ["no_ceiling"]
