"""Worlds of another kind: conservation, limits, monotony, and that tables and truth agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from samples.worlds.funnel import Funnel
from samples.worlds.latent import Latent
from samples.worlds.mechanism import Channel, Weather
from samples.worlds.reach import Reach
from samples.worlds.states import States
from samples.worlds.world import KINDS, Test, World
from shared.history.lift_tests import lift_tests
from shared.history.parse import parse

CHANNELS = (Channel("search", True, 1.0, 1.0), Channel("tv", False, 0.0, 1.0))


def still(weeks: int = 400) -> Weather:
    """Nothing but media moves the market."""
    nothing = np.zeros(weeks)
    return Weather(nothing, nothing, np.ones(weeks), nothing, nothing, nothing)


def settled(market, dose: tuple[float, float], weeks: int = 400) -> float:
    state = market.begin(1)
    for t in range(weeks):
        state, sales = market.step(state, t, np.array([dose]))
    return float(sales[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_a_history_that_the_service_takes_and_the_same_each_time(kind):
    tests = (Test("tv", first=20), Test("social", first=50, in_history=False))
    seed = next(s for s in range(40) if {"tv", "social"} <= set(World(kind, s).arms))
    one, again = World(kind, seed, tests), World(kind, seed, tests)
    assert one.csv == again.csv
    assert one.spec == again.spec
    assert one.csv != World(kind, seed + 1).csv
    parsed = parse(one.spec, one.csv.encode())
    assert 3 <= len(one.arms) <= 9
    np.testing.assert_allclose(parsed.history.outcome, one.outcome)
    np.testing.assert_allclose(parsed.history.spend, one.spend)
    assert [test.unused for test in lift_tests(parsed.spec, parsed.history)] == [None, None]


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_are_positive_and_rise_with_spend(kind):
    for seed in range(3):
        world = World(kind, seed)
        assert world.outcome.min() > 0.0
        usual = world.value(world.mean)
        more = world.values(world.mean * (1.0 + 0.5 * np.eye(len(world.arms))))
        assert (more > usual).all()
        none, vast = world.values(np.stack([0.0 * world.mean, 1e6 * world.mean]))
        assert 0.0 < none < usual < vast
        if kind != "latent":  # there powers have no ceiling
            assert vast < 20.0 * usual


@pytest.mark.parametrize("kind", KINDS)
def test_costs_make_the_returns_that_were_drawn(kind):
    world = World(kind, 1)
    drawn = [channel.price for channel in world.channels]
    np.testing.assert_allclose(world.returns, drawn, rtol=1e-3)


def test_plans_are_checked_and_a_horizon_is_the_beginning_of_a_longer_one():
    world = World("funnel", 0)
    plan = np.tile(world.mean, (1, 30, 1))
    np.testing.assert_array_equal(world.outcomes(plan)[:, :10], world.outcomes(plan[:, :10]))
    with pytest.raises(ValueError, match="not negative"):
        world.outcomes(-plan)
    with pytest.raises(ValueError, match="plans are"):
        world.outcomes(plan[:, :, 1:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_lift_test_measures_what_it_changed_and_changes_nothing_before(kind):
    plain = World(kind, 2)
    name = plain.arms[-1]
    exact = Test(name, first=60, error=0.0)
    held = World(kind, 2, (exact,))
    told = held.told[0]
    c = held.arms.index(name)
    np.testing.assert_array_equal(held.outcome[:60], plain.outcome[:60])
    during = slice(60, 68)
    rose = float((held.spend - plain.spend)[during, c].sum())
    follows = replace(plain.channels[c]).follows
    if not follows:
        assert told["spend_change"] == pytest.approx(rose, abs=1.0)
    assert told["spend_change"] == pytest.approx(held.spend[during, c].sum() / 3.0, abs=1.0)
    assert told["outcome_change"] > 0.0
    outside = World(kind, 2, (replace(exact, in_history=False),))
    assert outside.csv == plain.csv
    assert outside.told[0]["outcome_change"] > 0.0
    assert outside.told[0]["in_history"] is False


def test_people_are_conserved_and_never_negative():
    rng = np.random.default_rng(0)
    market = States(CHANNELS, still(), rng)
    state = market.begin(5)
    for t in range(200):
        state, sales = market.step(state, t, rng.exponential(5.0, (5, 2)))
        np.testing.assert_allclose(state["people"].sum(axis=1), 1.0, atol=1e-12)
        assert state["people"].min() >= 0.0
        # Whoever buys is a person.
        assert (sales <= 1.0).all()


def test_search_brings_less_than_it_seems_where_queries_come_by_themselves():
    market = States(CHANNELS, still(), np.random.default_rng(1))
    base, all_caught = settled(market, (0.0, 1.0)), settled(market, (1e9, 1.0))
    # Every query is clicked on, and most of them would have bought without.
    assert 0.0 < all_caught - base < 0.5 * base
    assert settled(market, (1e12, 1.0)) == pytest.approx(all_caught)


def test_hidden_demand_multiplies_and_so_do_channels():
    market = Latent(CHANNELS, still(), np.random.default_rng(2))
    both, neither = settled(market, (2.0, 3.0)), settled(market, (0.0, 0.0))
    first, second = settled(market, (2.0, 0.0)), settled(market, (0.0, 3.0))
    assert both * neither == pytest.approx(first * second)
    assert neither == pytest.approx(1.0)


def test_reach_is_that_of_poisson_exposures_counted_once():
    market = Reach(CHANNELS, still(), np.random.default_rng(3))
    drawn = np.random.default_rng(4)
    dose, people = np.array([0.7, 1.3]), 20_000
    bought = 0.0
    for seen in market.seen:
        exposed = drawn.poisson(dose * seen, (people, 2)) >= market.least
        lost = (1.0 - market.base) * np.prod(1.0 - market.wins * exposed, axis=1)
        bought += float(np.mean(1.0 - lost)) / len(market.seen)
    assert float(market.won(dose[None])[0]) == pytest.approx(bought, abs=3e-4)
    # Whoever one channel wins cannot be won by the other.
    alone = [float(market.won(np.array([d]))[0]) for d in ((9.9, 0.0), (0.0, 9.9), (9.9, 9.9))]
    assert alone[2] - market.base < alone[0] + alone[1] - 2.0 * market.base


def test_creation_makes_capture_worth_more():
    market = Funnel(CHANNELS, still(), np.random.default_rng(5))
    search = [settled(market, (2.0, tv)) - settled(market, (1.0, tv)) for tv in (0.0, 3.0)]
    assert search[1] > 1.02 * search[0]
    # What tv brings is partly sold by search: with no search to be met there is less of it.
    tv = [settled(market, (s, 2.0)) - settled(market, (s, 0.0)) for s in (0.0, 1.0)]
    assert tv[1] > 1.02 * tv[0]


def test_capture_follows_the_demand_that_creation_and_the_season_made():
    near = []
    for seed in range(6):
        world = World("states", seed)
        close = [np.corrcoef(s, world.outcome)[0, 1] for s in world.spend.T]
        captures = np.array([channel.captures for channel in world.channels])
        near.append(np.mean(np.array(close)[captures]) - np.mean(np.array(close)[~captures]))
    assert np.mean(near) > 0.1
