"""Derived features: the right numbers, from the past only, and refused by name where they leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.fit.design.design import build_design
from shared.fit.design.wishes import Wishes, derived_columns, read_features, read_wishes
from shared.fit.models.registry import fit_window
from shared.history.table import History, Panel
from tests.fit.histories import HILL, simulated, table

PRICES = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0])


def small() -> History:
    """Ten weeks of two channels and two controls; each control is called by what it is."""
    spend = np.column_stack([np.arange(10.0), np.full(10, 2.0)])
    rival = np.array([1.0, 1, 1, 1, 6, 1, 1, 1, 1, 1])
    history = table(
        np.arange(100.0, 110.0),
        spend,
        controls=np.column_stack([PRICES, rival]),
        events=["", "sale", *[""] * 6, "sale", ""],
    )
    return replace(history, control_names=("price", "rival"))


def column(history: History, train: int = 10, **feature: object) -> list[float]:
    features, faults = read_features({"features": [{"name": "f", **feature}]}, history)
    assert not faults
    ((name, values, _),) = derived_columns(history, history.panel(), features, train)
    assert name == "f"
    return values[0].tolist()


def faults(history: History, *features: dict[str, object], **spec: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read_wishes({"features": list(features), **spec}, history)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_each_kind_is_what_it_says() -> None:
    history = small()
    assert column(history, kind="lag", column="price")[:4] == [3, 3, 1, 4]
    assert column(history, kind="lag", column="price", periods=2)[:4] == [3, 3, 3, 1]
    assert column(history, kind="difference", column="price")[:4] == [0, -2, 3, -3]
    average = column(history, kind="moving_average", column="price", window=3)
    assert average[:4] == pytest.approx([3, 2, 8 / 3, 2])
    later = column(history, kind="moving_average", column="price", window=3, periods=1)
    assert later[1:4] == pytest.approx(average[:3])
    assert column(history, kind="cumulative", column="a")[:5] == [0, 1, 3, 6, 10]
    assert column(history, kind="cumulative", column="a", window=2)[:5] == [0, 1, 3, 5, 7]
    share = column(history, kind="share_of_voice", column="b", of=["rival"])
    assert share[3:6] == pytest.approx([2 / 3, 2 / 8, 2 / 3])
    ours = column(history, kind="share_of_voice", of=["rival"])
    assert ours[4] == pytest.approx(6 / 12)
    ratio = column(history, kind="spend_ratio", column="a", of=["b"])
    assert ratio[4] == pytest.approx(2.0)
    ahead = column(history, kind="lead", column="price", known_ahead=True)
    assert ahead[:3] == [1, 4, 1]
    assert ahead[-2:] == [3, 3]  # a list of prices is taken to stay as it is
    assert column(history, kind="lead", column="events")[:2] == [1, 0]
    outcome = column(history, kind="lagged_outcome", periods=2)
    assert outcome[2:5] == [100, 101, 102]
    assert outcome[0] == pytest.approx(np.mean(np.arange(100, 108)))


def test_an_outcome_after_training_is_not_known() -> None:
    history = small()
    seen = column(history, train=6, kind="lagged_outcome", periods=2)
    assert seen[2:8] == [100, 101, 102, 103, 104, 105]
    assert seen[8:] == [pytest.approx(np.mean([100, 101, 102, 103]))] * 2


def test_a_share_of_nothing_is_the_usual_share() -> None:
    history = small()
    ratio = column(history, kind="spend_ratio", column="b", of=["a"])
    assert ratio[1] == 2.0
    assert ratio[0] == pytest.approx(np.mean([2.0 / k for k in range(1, 10)]))


def test_spend_is_added_up_over_campaigns_within_a_geo() -> None:
    history = small()
    spend = np.stack([history.spend, 3 * history.spend])
    arms = (("a", "brand"), ("a", "other"), ("b", ""))
    by_arm = np.concatenate([spend[:, :, :1] * 0.25, spend[:, :, :1] * 0.75, spend[:, :, 1:]], 2)
    panel = Panel(
        geos=("north", "south"),
        arms=arms,
        spend=by_arm,
        exposure=by_arm,
        outcome=np.stack([history.outcome, history.outcome]),
        controls=np.stack([history.controls, history.controls]),
    )
    history = replace(history, spend=spend.sum(axis=0), detail=panel)
    features, _ = read_features(
        {"features": [{"name": "f", "kind": "cumulative", "column": "a"}]}, history
    )
    ((_, values, _),) = derived_columns(history, panel, features, 10)
    np.testing.assert_allclose(values[0], np.cumsum(np.arange(10.0)))
    np.testing.assert_allclose(values[1], 3 * values[0])


def test_what_would_leak_is_refused_by_name() -> None:
    history = simulated(rows=104)[0]
    history = replace(history, controls=np.ones((104, 1)), control_names=("price",))
    at = "/features/0/"
    lead = {"name": "f", "kind": "lead", "column": "price"}
    assert faults(history, lead) == [(at + "known_ahead", "leak")]
    spent = {"name": "f", "kind": "lead", "column": "a", "known_ahead": True}
    assert faults(history, spent) == [(at + "column", "leak")]
    fresh = {"name": "f", "kind": "lagged_outcome", "periods": 12}
    assert faults(history, fresh) == [(at + "periods", "leak")]
    assert faults(history, {"name": "f", "kind": "lagged_outcome"}) == [(at + "periods", "leak")]
    for kind in ("lag", "moving_average", "difference"):
        given = {"name": "f", "kind": kind, "column": "revenue", "window": 3}
        assert faults(history, given) == [(at + "column", "leak")]
    kept = {"name": "f", "kind": "lagged_outcome", "periods": 13}
    assert read_wishes({"features": [kept]}, history).features[0].periods == 13


def test_what_cannot_be_had_is_named() -> None:
    history = small()
    wrong = [
        {"name": "one", "kind": "lag", "column": "weather"},
        {"name": "two", "kind": "moving_average", "column": "price"},
        {"name": "three", "kind": "share_of_voice", "column": "a"},
        {"name": "price", "kind": "lag", "column": "rival"},
        {"name": "five", "kind": "lag"},
        {"name": "six", "kind": "lag", "column": "rival", "periods": 10},
    ]
    assert faults(history, *wrong) == [
        ("/features/0/column", "unknown_column"),
        ("/features/1/window", "missing"),
        ("/features/2/of", "missing"),
        ("/features/3/name", "duplicate_name"),
        ("/features/4/column", "missing"),
        ("/features/5/periods", "too_long"),
    ]


def test_spend_columns_may_be_called_by_their_header() -> None:
    history = small()
    spec = {
        "channels": [{"channel": "a", "spend": "spend_a"}],
        "features": [{"name": "f", "kind": "lag", "column": "spend_a"}],
    }
    assert read_wishes(spec, history).features[0].sources == (("channel", 0),)


def test_features_are_columns_of_the_baseline_and_those_of_spend_are_held_down() -> None:
    history = small()
    spec = {
        "features": [
            {"name": "dear", "kind": "lag", "column": "price"},
            {"name": "spent", "kind": "moving_average", "column": "a", "window": 2},
            {"name": "still", "kind": "moving_average", "column": "b", "window": 2},
        ]
    }
    design = build_design(history, read_wishes(spec, history))
    groups = dict(zip(design.baseline_names, design.baseline_groups, strict=True))
    assert groups["dear"] == groups["spent"] == "features"
    assert "still" not in groups  # it never varies
    spread = dict(zip(design.baseline_names, design.baseline.std(axis=0), strict=True))
    assert spread["dear"] == pytest.approx(1.0)
    assert spread["spent"] < 0.5


def test_trend_and_seasons_follow_the_spec() -> None:
    history = simulated(rows=160)[0]

    def groups(model: dict[str, object]) -> list[str]:
        design = build_design(history, read_wishes({"model": model}, history))
        return [
            name
            for name, group in zip(design.baseline_names, design.baseline_groups, strict=True)
            if group in ("trend", "seasonality")
        ]

    assert groups({"trend": "none", "seasonality": []}) == []
    assert groups({"trend": "linear", "seasonality": ["quarter"]}) == [
        "trend",
        "first quarter",
        "second quarter",
        "third quarter",
        "fourth quarter",
    ]
    assert "trend bend 1" in groups({"trend": "auto"})
    assert len(groups({"trend": "none", "seasonality": ["month"]})) == 12
    assert groups({}) == groups({"seasonality": "auto", "trend": "bends"})


def test_days_around_holidays_have_columns_of_their_own() -> None:
    daily = simulated(rows=800)[0]
    from tests.fit.histories import weekly_dates

    daily = replace(daily, frequency="day", dates=weekly_dates(800, days=1))
    wishes = read_wishes(
        {"holidays_country": "US", "model": {"holidays_lead": 2, "holidays_lag": 1}}, daily
    )
    design = build_design(daily, wishes)
    by_name = dict(zip(design.baseline_names, design.baseline.T, strict=True))
    christmas = np.flatnonzero(by_name["Christmas Day"])
    before = np.flatnonzero(by_name["days before Christmas Day"])
    first = next(t for t in christmas if daily.dates[t].year == 2022)
    assert {first - 1, first - 2} <= set(before)
    assert first not in before
    assert by_name["days before holidays"][first - 1] > by_name["days before Christmas Day"].max()
    assert "days after holidays" in by_name
    plain = build_design(daily, Wishes(country="US"))
    assert not [name for name in plain.baseline_names if name.startswith("days ")]
    assert faults(daily, model={"holidays_lead": 2}) == [("/model/holidays_lead", "missing")]


def test_a_lagged_driver_is_found_by_the_fit() -> None:
    """Sales follow the news of four weeks ago; with the feature the fit explains them."""
    history = simulated(rows=120, channels=2)[0]
    news = np.random.default_rng(5).normal(size=120)
    moved = history.outcome.copy()
    moved[4:] += 0.15 * moved.mean() * news[:-4]
    history = replace(history, outcome=moved, controls=news[:, None], control_names=("news",))
    feature = {"name": "old news", "kind": "lag", "column": "news", "periods": 4}
    last = slice(107, 120)

    def error(spec: dict[str, object]) -> float:
        fitted = fit_window(history, spec, seed=1, train=107, draws=40)
        mean = fitted.forecast(np.random.default_rng(0)).mean
        return float(np.sqrt(np.mean((mean[last] - history.outcome[last]) ** 2)))

    assert error({**HILL, "features": [feature]}) < 0.5 * error(HILL)
