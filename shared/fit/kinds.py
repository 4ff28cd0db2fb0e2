"""Which kind of model a spec asks for, fitted: one door for the pipeline and for validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.curves.curveset import CurveSet
from shared.fit.bayes.fit import fit_bayesian
from shared.fit.fitted import Fitted
from shared.fit.support import asked_of
from shared.history.table import History

__all__ = ["fit_window"]


def fit_window(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    choice: Mapping[str, tuple[str, str]] | None = None,
    previous: CurveSet | None = None,
) -> Fitted:
    """Fit the first ``train`` periods (default all) with the model of ``spec["model"]["kind"]``.

    Parameters
    ----------
    draws
        Joint draws to keep.
    choice
        (saturation, adstock) by channel name, settled already (by the fit of all rows).
    previous
        The curves in use, where a kind can start from them. Not for validation: they have seen
        the periods that a fold is tested on.

    Raises
    ------
    InvalidInput, NotSupportedYet
        What the spec wishes for and cannot be had.
    """
    kind = asked_of(spec, history.channels).kind
    # Each is imported where it is asked for: what a night does not fit it does not load.
    if kind == "ridge":
        from shared.fit.ridge.fit import fit_ridge

        return fit_ridge(
            history, spec, seed=seed, train=train, draws=draws, choice=choice, previous=previous
        )
    if kind == "time_series":
        from shared.fit.series import fit_series

        return fit_series(
            history, spec, seed=seed, train=train, draws=draws, choice=choice, previous=previous
        )
    return fit_bayesian(history, spec, seed=seed, train=train, draws=draws, choice=choice)
