"""Interactions of a stored set: used unless the request tells its own, by channel and campaign."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.curveset import CurveSet, Response
from shared.curves.saturation import saturation_from_dict
from shared.errors import InvalidInput
from shared.problem.arms import arms_of
from shared.problem.lower import pairs_of
from shared.problem.model import Problem
from tests.api.samples import stored_curves, told

SYNERGY = {"channels": ["tv", "search"], "strength": 120.0, "interval": [20.0, 230.0]}


def stored(pairs: list[dict[str, Any]], names: tuple[str, ...] = ("tv", "search")) -> CurveSet:
    """The sample set under other names, with interactions."""
    curves = stored_curves()
    arms = tuple(
        replace(curves.channels[i % 2], channel=name, response=curves.channels[i % 2].response)
        for i, name in enumerate(names)
    )
    return replace(curves, channels=arms, interactions=tuple(pairs))


def asked(curves: CurveSet, **fields: Any) -> Problem:
    return problem_of(read_optimize({"dataset": "brand", "budget": 50, **fields}), curves)


def test_a_stored_interaction_counts_unless_the_request_tells_its_own() -> None:
    curves = stored([SYNERGY])
    found = asked(curves).interactions
    assert [(pair.channels, pair.strength) for pair in found] == [(("tv", "search"), 120.0)]
    own = [{"channels": ["search", "tv"], "strength": -5.0}]
    found = asked(curves, interactions=own).interactions
    assert [(pair.channels, pair.strength) for pair in found] == [(("search", "tv"), -5.0)]
    assert asked(curves, interactions=[]).interactions == ()
    assert asked(stored([])).interactions == ()


def test_an_excluded_end_leaves_its_interaction_out() -> None:
    channels = [{"channel": "tv", "exclude": True}]
    assert asked(stored([SYNERGY]), channels=channels).interactions == ()


def test_a_stored_curve_without_ceiling_has_no_level_and_that_is_said() -> None:
    curves = stored([SYNERGY])
    log = saturation_from_dict({"family": "logarithmic", "coefficient": 9.0, "scale": 2.0})
    endless = replace(curves.channels[1], response=Response(log, None, (log,) * 3))
    problem = asked(replace(curves, channels=(curves.channels[0], endless)))
    assert problem.interactions == ()
    ((code, text),) = problem.warnings
    assert code == "interaction_left_out"
    assert "search has no ceiling" in text
    own = [{"channels": ["tv", "search"], "strength": 1}]
    with pytest.raises(InvalidInput) as caught:
        asked(replace(curves, channels=(curves.channels[0], endless)), interactions=own)
    assert told(caught.value)["/interactions/0/channels/1"][0] == "no_ceiling"


def test_a_flat_curve_has_no_level_either() -> None:
    curves = stored([SYNERGY])
    flat = saturation_from_dict(
        {**curves.channels[0].response.saturation.to_dict(), "max_response": 0.0}
    )
    idle = replace(curves.channels[0], response=Response(flat, None, (flat,) * 3))
    problem = asked(replace(curves, channels=(idle, curves.channels[1])))
    assert problem.interactions == ()
    assert problem.warnings[0][0] == "idle_interaction"


def test_interactions_of_campaigns_go_by_their_own_levels() -> None:
    names = ("tv/brand", "tv/sale", "search")
    pair = {"channels": ["tv/sale", "search"], "strength": 40.0, "interval": [0.0, 80.0]}
    problem = asked(stored([pair], names))
    assert [channel.name for channel in problem.channels] == ["tv", "search"]
    arms = arms_of(problem)
    assert [arm.name for arm in arms] == list(names)
    (found,) = pairs_of(problem, arms)
    assert (arms[found.first].name, arms[found.second].name) == ("tv/sale", "search")
    np.testing.assert_allclose(found.strength, 40.0)
    excluded = [{"channel": "tv", "campaigns": [{"channel": "sale", "exclude": True}]}]
    assert asked(stored([pair], names), channels=excluded).interactions == ()


def test_interactions_of_a_channel_with_campaigns_are_shared_by_their_ceilings() -> None:
    problem = asked(stored([SYNERGY], ("tv/brand", "tv/sale", "search")))
    found = pairs_of(problem, arms_of(problem))
    assert len(found) == 2
    assert sum(pair.strength for pair in found) == pytest.approx(120.0)


def test_geos_interact_within_themselves() -> None:
    names = ("north|tv", "north|search", "south|tv", "south|search")
    pair = {"channels": ["north|tv", "north|search"], "strength": 9.0, "interval": [1.0, 20.0]}
    problem = asked(stored([pair], names))
    arms = arms_of(problem)
    (found,) = pairs_of(problem, arms)
    assert (arms[found.first].name, arms[found.second].name) == ("north|tv", "north|search")
