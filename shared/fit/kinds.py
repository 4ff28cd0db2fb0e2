"""Which kind of model a spec asks for, fitted: one door for the pipeline and for validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
) -> Fitted:
    """Fit the first ``train`` periods (default all) with the model of ``spec["model"]["kind"]``.

    Parameters
    ----------
    draws
        Joint draws to keep.
    choice
        (saturation, adstock) by channel name, settled already (by the fit of all rows).

    Raises
    ------
    InvalidInput, NotSupportedYet
        What the spec wishes for and cannot be had.
    """
    asked_of(spec, history.channels)
    return fit_bayesian(history, spec, seed=seed, train=train, draws=draws, choice=choice)
