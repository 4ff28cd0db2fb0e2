"""Lift tests read back with what a fit says of them: do the test and the rows go together?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock
from shared.fit.fitted import Fitted
from shared.history.lift_tests import LiftTest, amount, lift_tests
from shared.history.table import Finding, History

__all__ = ["read_back"]

Floats = NDArray[np.float64]
_FAR = 3.0  # errors of both by which what a fit says of a test is not what the test measured
_OFF = 4.0  # errors of stretches as long, by which the outcome of a test's rows is not explained


def read_back(
    history: History, spec: Mapping[str, Any], fitted: Fitted
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """``diagnostics.lift_tests``: all tests as read, with what the fit says; and what is odd."""
    found = {lift.test.place: (lift, draws) for lift, draws in fitted.lifted()}
    if found:
        error = history.outcome - np.sum(list(fitted.over_time().values()), axis=0)
        adstocks = [response.adstock for response in fitted.responses()]
    rows: list[dict[str, Any]] = []
    odd: list[Finding] = []
    for test in lift_tests(spec, history):
        told: dict[str, Any] = {"fitted": None, "fitted_interval": None, "arrives_later": None}
        if test.place in found:
            lift, draws = found[test.place]
            told = {
                "fitted": float(draws.mean()),
                "fitted_interval": np.quantile(draws, [0.05, 0.95]).tolist(),
                "arrives_later": _later(adstocks[int(lift.tested[0])], test.periods),
            }
            doubts = (*test.doubts, *_contradiction(test, draws), *_unexplained(test, error))
            test = replace(test, doubts=doubts)
        rows.append(test.told() | told)
        odd += test.findings()
    return rows, odd


def _contradiction(test: LiftTest, draws: Floats) -> list[str]:
    off = abs(test.outcome_change - draws.mean()) / np.hypot(test.standard_error, draws.std())
    if off <= _FAR:
        return []
    return [
        (
            f"the fit says that it changed the outcome by {amount(float(draws.mean()))}, "
            f"{off:.1f} standard errors from the {amount(test.outcome_change)} measured: the "
            "rows, or what is believed of the return, contradict the test."
        )
    ]


def _unexplained(test: LiftTest, error: Floats) -> list[str]:
    """Whether rows that hold a test miss by what the test says more than what they show."""
    length = test.periods
    sums = np.convolve(np.nan_to_num(error), np.ones(length), mode="valid")
    if not test.in_history or test.first < 0 or sums.size < 4 * length:
        return []
    others = np.ones(sums.size, dtype=bool)
    others[max(test.first - length + 1, 0) : test.last + 1] = False
    size, missed = float(np.std(sums[others])), float(sums[test.first])
    if abs(missed) <= _OFF * size:
        return []
    return [
        (
            f"with it the outcome on its dates is {amount(abs(missed))} "
            f"{'more' if missed > 0 else 'less'} than the fit explains, "
            f"{abs(missed) / size:.0f} times what stretches as long usually are: the rows do "
            "not show what the test says; are its numbers right, and in all?"
        )
    ]


def _later(adstock: Adstock | None, periods: int) -> float:
    """Share of what a steady change of spend works on that comes after its last period."""
    if adstock is None:
        return 0.0
    arrived = np.cumsum(adstock.weights(periods)) / max(adstock.total_weight(), 1e-300)
    return float(1.0 - arrived.mean())
