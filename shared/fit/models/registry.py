"""The kinds of model that a spec can ask for: one line each, one interface, one door."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from shared.errors import NotSupportedYet
from shared.fit.design.design import Design
from shared.fit.fitted import Fitted
from shared.fit.media.asked import Asked, window_of
from shared.history.table import History

__all__ = ["MODELS", "Model", "fit_window", "model_of"]

#: The class of each ``spec["model"]["kind"]``, by name: what a night does not fit it does not load.
MODELS: Mapping[str, str] = {
    "bayesian": "shared.fit.models.bayesian.fit:Bayesian",
    "ridge": "shared.fit.models.ridge:Ridge",
    "time_series": "shared.fit.models.time_series:TimeSeries",
}


class Model(Protocol):
    """A kind of model."""

    def fit(self, design: Design, asked: Asked) -> Fitted:
        """Fitted to the design's training rows; the same ``asked`` gives the same draws."""


def model_of(kind: str) -> Model:
    """The model of that kind.

    Raises
    ------
    NotSupportedYet
        A kind that is not in ``MODELS``.
    """
    if kind not in MODELS:
        raise NotSupportedYet.at(
            "/model/kind", "not_supported_yet", f"The model {kind!r} cannot be used in a fit yet."
        )
    module, name = MODELS[kind].split(":")
    found: Model = getattr(import_module(module), name)()
    return found


def fit_window(history: History, spec: Mapping[str, Any], **how: Any) -> Fitted:
    """Fit ``window_of`` a history with the model of ``spec["model"]["kind"]``.

    Raises
    ------
    InvalidInput, NotSupportedYet
        What the spec wishes for and cannot be had.
    """
    model = model_of((spec.get("model") or {}).get("kind") or "bayesian")
    return model.fit(*window_of(history, spec, **how))
