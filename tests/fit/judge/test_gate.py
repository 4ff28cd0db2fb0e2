"""The gate, reason by reason, on fits whose numbers are set by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.fit.judge.gate import calibrated_range, judge
from shared.fit.judge.validate import Fold, Rival
from shared.fit.models.bayesian.fit import BayesianFit
from shared.history.enough import rows_needed
from tests.fit.histories import fit_bayesian, simulated

NAMES = ("a", "b")


def changed(fit: BayesianFit, **parts: Any) -> BayesianFit:
    return replace(fit, **parts)


@pytest.fixture(scope="module")
def posterior() -> BayesianFit:
    found = fit_bayesian(
        simulated(rows=60, channels=2)[0],
        {"model": {"saturation": "exponential"}},
        seed=0,
        draws=100,
    )
    return changed(found, log_evidence={"chosen": -10.0, "no_media": -40.0})


def fold(error: float = 1.0, naive: float = 2.0, constant: float = 3.0, width: float = 2.0) -> Fold:
    actual = np.tile([90.0, 110.0], 6)
    sign = np.tile([1.0, -1.0, -1.0, 1.0], 3)
    mean = actual + error * sign
    return Fold(
        start=48,
        stop=60,
        actual=actual,
        mean=mean,
        low=mean - width,
        high=mean + width,
        naive=actual + naive * sign,
        constant=actual + constant * sign,
        converged=True,
        inner={
            "50": (mean - 0.41 * width, mean + 0.41 * width),
            "80": (mean - 0.78 * width, mean + 0.78 * width),
        },
    )


def test_all_well(posterior: BayesianFit) -> None:
    found = judge(posterior, [fold()], NAMES, [])
    assert found.promote
    assert found.data == "enough"
    (checked,) = found.reasons
    assert "over the last 12 weeks is 1, against 2 of a seasonal naive forecast" in checked
    assert "log evidence +30.0 for an effect of media" in checked
    assert found.rolling is not None
    assert found.rolling.coverage == 1.0


def test_forecasts_refuse_nothing_and_each_doubt_has_its_sentence(posterior: BayesianFit) -> None:
    cases = [
        (fold(naive=0.5), "worse than a seasonal naive forecast: typical error 1 against 0.5"),
        (fold(constant=0.5), "worse than always forecasting the mean"),
        (fold(width=0.5), "held the outcome in only 0% of the last 12 weeks"),
        (replace(fold(), converged=False), "A fit of earlier rows alone"),
    ]
    for faulty, sentence in cases:
        found = judge(posterior, [faulty], NAMES, [])
        assert found.promote
        (remark,) = found.remarks
        assert sentence in remark
        assert found.reasons[1:] == found.remarks


def test_large_errors_are_written_out(posterior: BayesianFit) -> None:
    found = judge(posterior, [fold(naive=182345.6)], NAMES, [])
    assert "against 182,346 of a seasonal naive forecast" in found.reasons[0]


def test_media_without_evidence(posterior: BayesianFit) -> None:
    thin = changed(posterior, log_evidence={"chosen": -38.0, "no_media": -40.0})
    found = judge(thin, [fold()], NAMES, [])
    assert not found.promote
    assert "+2.0 for media, 3 asked" in found.reasons[0]


def test_chains_that_wander_are_not_converged(posterior: BayesianFit) -> None:
    wandering = changed(posterior, sample=replace(posterior.sample, reached=False))
    saddle = changed(posterior, mode=replace(posterior.mode, decrement=float("inf")))
    for bad in (wandering, saddle):
        assert "did not converge" in judge(bad, [fold()], NAMES, []).reasons[0]


def test_what_did_not_settle_is_named_with_what_would_help(posterior: BayesianFit) -> None:
    layout, names = posterior.model.layout, posterior.names

    def reason(worst: int, *groups: tuple[str, ...]) -> str:
        sample = replace(posterior.sample, reached=False, worst=worst)
        return judge(changed(posterior, sample=sample), [fold()], NAMES, groups).reasons[0]

    for places in (layout.roi, layout.half):
        told = reason(int(places[1]), (names[0], names[1]))
        assert f"Least settled is {names[1]}, which cannot be told apart from {names[0]}: " in told
        assert "spec.priors" in told
    assert f"Least settled is {names[0]}: a lift test" in reason(int(layout.first[0]))
    assert reason(layout.sigma).endswith("did not settle.")


def test_too_few_rows_name_what_would_help(posterior: BayesianFit) -> None:
    names = tuple("abcdefghijklm")  # 13 channels need 64 weeks, there are 60
    found = judge(posterior, [fold()], names, [("a", "c", "d")])
    assert (found.data, found.promote) == ("not enough", False)
    assert "60 weeks with an outcome for 13 channels" in found.reasons[0]
    assert found.reasons[1] == "About 4 more weeks would make a first check possible."
    assert found.reasons[2].startswith("a, c and d rose and fell together")
    assert found.holdout is None


def test_no_fold_is_no_promotion(posterior: BayesianFit) -> None:
    found = judge(posterior, [], NAMES, [])
    assert not found.promote
    assert found.reasons[1] == "About 1 more week would make a first check possible."


def test_rows_needed() -> None:
    assert rows_needed("week", 3) == 39
    assert rows_needed("week", 20) == 92
    assert rows_needed("month", 9) == 48
    assert rows_needed("day", 4) == 90


def test_the_curves_in_use_are_a_rival(posterior: BayesianFit) -> None:
    close = Rival(unseen=False, folds=((12, 1.0, 1.05),))
    assert judge(posterior, [fold()], NAMES, [], rival=close).remarks == ()
    worse = judge(posterior, [fold()], NAMES, [], rival=Rival(False, ((12, 1.0, 4.0),)))
    assert worse.promote
    (why,) = worse.remarks
    assert "weeks are worse than those of the curves in use: typical error 2 against 1." in why
    after = judge(posterior, [fold()], NAMES, [], rival=Rival(True, ((12, 1.0, 4.0),)))
    assert "the 12 weeks that came after them" in after.remarks[0]


def test_a_jump_is_remarked_on(posterior: BayesianFit) -> None:
    found = judge(posterior, [fold()], NAMES, [], jumps=("The return of a jumped.",))
    assert (found.promote, found.remarks) == (True, ("The return of a jumped.",))


def test_the_range_of_a_coverage_narrows_with_the_rows() -> None:
    few, many = calibrated_range(0.9, 12, "week"), calibrated_range(0.9, 730, "week")
    assert few[0] < 0.5 < 0.8 < many[0] < 0.9
    assert few[1] == 1.0
    low, high = calibrated_range(0.5, 730, "week")
    assert 0.5 - low == pytest.approx(high - 0.5)
    assert high < 0.65
    # A drifting level is off for weeks: a day more says less than a week more.
    assert calibrated_range(0.9, 91, "day")[0] < calibrated_range(0.9, 91, "week")[0]


def test_intervals_that_are_far_too_wide_are_no_calibration(posterior: BayesianFit) -> None:
    wide = fold(width=200.0)
    long = replace(
        wide,
        **{
            name: np.tile(getattr(wide, name), 20)
            for name in ("actual", "mean", "low", "high", "naive", "constant")
        },
        inner={key: (np.tile(a, 20), np.tile(b, 20)) for key, (a, b) in wide.inner.items()},
    )
    found = judge(posterior, [long], NAMES, [])
    assert (
        "far too wide: those of 50 % held the outcome in 100% of the last 240" in found.remarks[0]
    )
    # Twelve rows cannot tell.
    assert judge(posterior, [wide], NAMES, []).remarks == ()
