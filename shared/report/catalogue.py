"""All pictures of a report by name, in the order in which a reader wants them."""

from __future__ import annotations

from collections.abc import Callable

from shared.report.material import Material
from shared.report.plot import Missing, Plot
from shared.report.plots import (
    allocation,
    budget,
    decomposition,
    fit,
    responses,
    returns,
    shares,
)

__all__ = ["PLOTS", "plot_of"]

PLOTS: dict[str, Callable[[Material], Plot | Missing]] = {
    allocation.NAME: allocation.plot,
    responses.NAME: responses.plot,
    budget.NAME: budget.plot,
    shares.NAME: shares.plot,
    decomposition.NAME: decomposition.plot,
    fit.NAME: fit.plot,
    returns.NAME: returns.plot,
}


def plot_of(material: Material, name: str) -> Plot | Missing:
    """The picture of that name; ``KeyError`` for a name that is not in ``PLOTS``."""
    return PLOTS[name](material)
