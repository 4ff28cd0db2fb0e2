"""All pictures of a report by name, in the order in which a reader wants them.

A plot is drawn as SVG or PNG, the same bytes for the same figures. matplotlib is loaded when the
first picture is asked for, without a display. Its settings belong to the whole process, so pictures
are drawn one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from threading import Lock
from typing import Any

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
from shared.report.style import SETTINGS

__all__ = ["PLOTS", "plot_of", "png", "svg"]

PLOTS: dict[str, Callable[[Material], Plot | Missing]] = {
    allocation.NAME: allocation.plot,
    responses.NAME: responses.plot,
    budget.NAME: budget.plot,
    shares.NAME: shares.plot,
    decomposition.NAME: decomposition.plot,
    fit.NAME: fit.plot,
    returns.NAME: returns.plot,
}

_PIXELS = 200
"""Pixels of a PNG for each inch."""

_one_at_a_time = Lock()


def plot_of(material: Material, name: str) -> Plot | Missing:
    """The picture of that name; ``KeyError`` for a name that is not in ``PLOTS``."""
    return PLOTS[name](material)


def svg(plot: Plot) -> str:
    """The picture as an SVG document of its own."""
    return _drawn(plot, "svg", {"Date": None, "Creator": "Marginal", "Title": plot.title}).decode()


def png(plot: Plot) -> bytes:
    """The picture as a PNG, ``_PIXELS`` to the inch."""
    return _drawn(plot, "png", {"Software": None, "Title": plot.title})


def _drawn(plot: Plot, kind: str, metadata: dict[str, str | None]) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {**SETTINGS, "svg.hashsalt": plot.name}
    # The salt names what pictures refer to within themselves: several stand in one page.
    with _one_at_a_time, rc_context(settings):
        figure = Figure(figsize=plot.size, layout="constrained")
        FigureCanvasAgg(figure)
        plot.draw(figure)
        out = BytesIO()
        figure.savefig(out, format=kind, dpi=_PIXELS if kind == "png" else 72, metadata=metadata)
    return out.getvalue()
