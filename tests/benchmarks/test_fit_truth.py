"""The scoring of decisions: against a closed form, brute force and the sets' own evaluator."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from benchmarks.fit_decisions import summarised
from benchmarks.fit_oracle import told_shapes
from benchmarks.fit_plans import decide, known, true_best, without_a_fit
from benchmarks.fit_sets import DATA, KINDS, SHARED, generated, options_of, shared_set
from benchmarks.fit_truth import Truth, best_plan, regret_ratio, shares
from benchmarks.table import OURS, Row, Sheet
from samples.simulate import simulate
from samples.truth import steady_state
from shared.curves.concave import Logarithmic
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response


def logarithms(heights, scales, mean, pairs=()):
    return Truth(
        arms=tuple("abcdef"[: len(heights)]),
        heights=np.array(heights, float),
        levels=tuple(lambda x, k=k: np.log1p(np.asarray(x) / k) for k in scales),
        pairs=tuple(pairs),
        mean=np.array(mean, float),
    )


def test_the_best_plan_of_logarithms_is_the_one_of_the_closed_form():
    """h / (k + x) is the same everywhere: x = h (B + sum k) / sum h - k while no bound holds."""
    heights, scales, mean = [3.0, 2.0, 4.0], [20.0, 10.0, 30.0], [30.0, 30.0, 40.0]
    truth = logarithms(heights, scales, mean)
    exact = np.array(heights) * (100.0 + 60.0) / 9.0 - np.array(scales)
    assert np.all((exact > 0.5 * truth.mean) & (exact < 1.5 * truth.mean))
    found = best_plan(truth, 0.5 * truth.mean, 1.5 * truth.mean)
    assert found == pytest.approx(exact, rel=1e-3)
    assert found.sum() == pytest.approx(100.0, rel=1e-12)
    assert truth.value(found) == pytest.approx(truth.value(exact), rel=1e-9)


def test_regret_is_nought_for_the_best_plan_and_one_for_the_history():
    truth = logarithms([3.0, 2.0], [20.0, 10.0], [50.0, 50.0])
    best = best_plan(truth, 0.5 * truth.mean, 1.5 * truth.mean)
    assert regret_ratio(truth, best, best) == 0.0
    assert regret_ratio(truth, truth.mean, best) == 1.0
    assert regret_ratio(truth, best[::-1], best) > 0.0
    with pytest.raises(ValueError, match="no regret"):
        regret_ratio(truth, best, truth.mean)


@pytest.mark.parametrize("strength", [6.0, -6.0])
def test_pairs_and_s_curves_lose_nothing_against_every_plan_of_a_grid(strength):
    half, shape = np.array([40.0, 60.0, 30.0]), np.array([3.0, 2.5, 0.9])
    truth = Truth(
        arms=("a", "b", "c"),
        heights=np.array([10.0, 12.0, 6.0]),
        levels=tuple(
            lambda x, h=h, s=s: (np.asarray(x) / h) ** s / (1 + (np.asarray(x) / h) ** s)
            for h, s in zip(half, shape, strict=True)
        ),
        pairs=((0, 2, strength),),
        mean=np.array([40.0, 40.0, 20.0]),
    )
    low, high = 0.5 * truth.mean, 1.5 * truth.mean
    best = best_plan(truth, low, high)
    assert np.all((best >= low - 1e-9) & (best <= high + 1e-9))
    grid = itertools.product(np.linspace(20, 60, 81), np.linspace(20, 60, 81))
    brute = max(
        truth.value(np.array([a, b, 100.0 - a - b]))
        for a, b in grid
        if low[2] <= 100.0 - a - b <= high[2]
    )
    assert truth.value(best) >= brute


def test_bounds_that_leave_no_plan_and_overlapping_pairs_are_named():
    truth = logarithms([1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="no plan"):
        best_plan(truth, 2.0 * truth.mean, 3.0 * truth.mean)
    twice = logarithms([1.0] * 3, [1.0] * 3, [1.0] * 3, [(0, 1, 1.0), (1, 2, 1.0)])
    with pytest.raises(ValueError, match="one interacting pair"):
        best_plan(twice, 0.5 * twice.mean, 1.5 * twice.mean)


def test_a_channel_is_spread_over_its_campaigns_as_the_history_was():
    truth = Truth(
        arms=("tv", "search/brand", "search/generic"),
        heights=np.ones(3),
        levels=(np.sqrt,) * 3,
        pairs=(),
        mean=np.array([10.0, 30.0, 10.0]),
    )
    spread = shares(["tv", "search"], truth)
    assert spread @ np.array([10.0, 40.0]) == pytest.approx(truth.mean)
    assert spread[:, 1] == pytest.approx([0.0, 0.75, 0.25])


@pytest.mark.parametrize("kind", ["clean", "interactions", "channels without effect"])
def test_the_truth_of_a_generated_set_is_that_of_the_generator(kind):
    """Another evaluator, on the table as it was uploaded."""
    item = known(kind)
    assert item.parsed.history.spend.mean(axis=0) == pytest.approx(item.truth.mean)
    best = true_best(kind)
    assert item.truth.value(best) > item.truth.value(item.truth.mean)
    assert best.sum() == pytest.approx(item.truth.mean.sum(), rel=1e-9)
    if kind == "interactions":
        assert {pair[2] > 0 for pair in item.truth.pairs} == {True, False}
    if kind == "channels without effect":
        assert np.sum(item.truth.heights == 0.0) == 2


def test_every_kind_is_different_and_the_same_again():
    assert len(KINDS) >= 20
    made = [options_of(kind, seed) for kind in KINDS for seed in (0, 1)]
    assert len({repr(options) for options in made}) == 2 * len(KINDS)
    assert made == [options_of(kind, seed) for kind in KINDS for seed in (0, 1)]
    first, again = generated("collinear"), generated("collinear")
    assert np.array_equal(first.parsed.history.outcome, again.parsed.history.outcome)


def test_what_a_kind_is_called_is_what_it_is():
    def spend(kind):
        return generated(kind).parsed.history.spend

    def mean_correlation(x):
        matrix = np.corrcoef(np.log(x + 1.0).T)
        return float(np.mean(matrix[np.triu_indices(len(matrix), 1)]))

    assert mean_correlation(spend("collinear")) > 0.8 > 0.3 > mean_correlation(spend("clean"))
    assert np.mean(spend("bursts") == 0) > 0.4
    assert np.any(spend("late starts under a trend")[:20] == 0)
    assert generated("a year of weeks").parsed.history.outcome.size == 52
    assert generated("a year of days").parsed.history.frequency == "day"
    steady, lively = (np.log(spend(kind)).std(axis=0) for kind in ("steady spend", "S-curves"))
    assert steady.max() < 0.5 * lively.min()


def test_unobserved_demand_moves_spend_and_sales_alike():
    """It moves the base as the spend's common part goes, and nothing else of the history."""
    options = options_of("unobserved demand")

    def base_and_spend(demand):
        made = simulate(options, optimum=False, unobserved_demand=demand)
        wander = np.log(made.spend).mean(axis=1)
        return made.base, wander - wander.mean()

    (without, wander), (moved, same) = base_and_spend(0.0), base_and_spend(0.1)
    assert np.array_equal(wander, same)
    assert np.corrcoef(moved / without, wander)[0, 1] > 0.6


def test_knowing_the_shapes_is_worth_more_than_an_equal_split():
    item = known("clean")
    guess = told_shapes(item)
    large = item.truth.heights > 0.5 * item.truth.heights.max()
    assert guess.heights[large] == pytest.approx(item.truth.heights[large], rel=0.3)
    mean = item.truth.mean
    ratio = regret_ratio(item.truth, best_plan(guess, 0.5 * mean, 1.5 * mean), true_best("clean"))
    assert ratio < 0.2 < without_a_fit("clean")


def test_the_product_finds_the_best_plan_of_true_curves():
    """What is left is the fit's doing: true curves in, the true optimum out."""
    heights, scales, mean = [3.0, 2.0, 4.0], [20.0, 10.0, 30.0], [30.0, 30.0, 40.0]
    truth = logarithms(heights, scales, mean)
    curves = CurveSet(
        dataset="",
        version="",
        created_at="",
        spec={},
        frequency="week",
        currency=None,
        outcome="revenue",
        channels=tuple(
            ChannelCurve(
                name,
                Response(Logarithmic(coefficient=h, scale=k)),
                ObservedSpend(0.0, m, 2 * m, m),
                None,
                "good",
            )
            for name, h, k, m in zip(truth.arms, heights, scales, mean, strict=True)
        ),
    )
    best = best_plan(truth, 0.5 * truth.mean, 1.5 * truth.mean)
    found = decide(truth, best, curves, cpu_s=0.0)
    assert abs(found.ratio) < 1e-4
    assert found.probability is None
    assert found.stated == pytest.approx(found.true, rel=1e-6)


def test_the_summary_compares_on_the_sets_that_both_did():
    rows = [
        Row("decision: x", middle="0.100"),
        Row("decision: y", middle="0.300"),
        Row("decision: z", middle="2.000"),
        Row("decision: x", who="PyMC-Marketing", middle="0.400"),
        Row("something else", middle="9"),
    ]
    ours, peer = summarised(rows)
    assert (ours.who, ours.middle, ours.worst, ours.verdict) == (OURS, "0.300", "2.000", "held")
    assert "1 plans truly worse" in ours.note
    assert (peer.limit, peer.ratio) == ("ours on these: 0.100", "4")


def test_what_was_skipped_or_summed_up_is_made_anew(tmp_path):
    path = tmp_path / "table.md"
    sheet = Sheet(path)
    sheet.add(Row("a", note="skipped: no data"))
    sheet.add(Row("b", note="summary: of two"))
    sheet.add(Row("c", note="measured"))
    assert [row.name for row in Sheet(path).rows] == ["c"]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data sets are not at {DATA}")
@pytest.mark.parametrize("name", SHARED)
def test_a_shared_set_is_scored_as_its_own_evaluator_does(name):
    item = shared_set(name)
    told = json.loads((DATA / "visible_synth" / name / "truth.json").read_text())
    kept = item.truth.value(item.truth.mean)
    assert kept == pytest.approx(told["steady_state_at_mean_allocation"], rel=1e-6)
    optimum = told["optimum"]["mean"]
    theirs = np.array([optimum["allocation"][arm] for arm in item.truth.arms])
    assert item.truth.value(theirs) == pytest.approx(optimum["value"], rel=1e-9)
    # Without bounds, the same optimum is found.
    free = best_plan(item.truth, 0.0 * theirs, np.full(theirs.size, optimum["budget"]))
    assert item.truth.value(free) == pytest.approx(optimum["value"], rel=2e-4)


def test_the_steady_state_is_that_of_the_samples():
    made = simulate(options_of("interactions"), optimum=False)
    truth = known("interactions").truth
    mean = dict(zip(truth.arms, made.spend.mean(axis=0), strict=True))
    assert truth.value(truth.mean) == pytest.approx(steady_state(made.truth, mean), rel=1e-9)
