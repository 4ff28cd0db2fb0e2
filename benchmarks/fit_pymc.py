"""The peer's own program: PyMC-Marketing fits one history (``python fit_pymc.py < task.json``).

Runs under whatever interpreter has PyMC-Marketing, so it imports nothing of this project. Settings
are those of its MMM example notebook: geometric adstock of 8 lags, logistic saturation, priors of
the channels' betas by share of spend, a linear trend as a control, two yearly Fourier modes, four
chains of 1,000 draws after 1,000 of tuning, ``target_accept`` 0.85. Controls are standardised,
events and weekdays become dummies, and daily data get 28 lags: all to its favour.

Reads ``{"dates", "outcome", "spend": {channel: [..]}, "controls": {name: [..]}, "seed", "lags"}``
and writes ``{"curves": {channel: {"max_response": [..], "rate": [..]}}, "r_hat", "ess",
"divergences", "version"}``: draws in money and outcome units per period.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["fit"]

KEPT = 200
"""Joint draws handed over, evenly spaced through the chains: as many as ours keeps."""


def fit(task: Mapping[str, Any]) -> dict[str, Any]:
    """Fit, and hand over draws of every channel's steady-state curve."""
    pandas = importlib.import_module("pandas")
    arviz = importlib.import_module("arviz")
    marketing = importlib.import_module("pymc_marketing")
    mmm = importlib.import_module("pymc_marketing.mmm")
    prior = importlib.import_module("pymc_extras.prior").Prior

    channels = list(task["spend"])
    frame = pandas.DataFrame({"date": pandas.to_datetime(task["dates"])})
    for name in channels:
        frame[name] = task["spend"][name]
    frame["trend"] = np.linspace(0.0, 1.0, len(frame))
    for name, values in task["controls"].items():
        column = np.asarray(values, dtype=float)
        frame[name] = (column - column.mean()) / (column.std() or 1.0)
    target = pandas.Series(task["outcome"], name="y", dtype=float)
    money = frame[channels].sum().to_numpy(dtype=float)
    share = money / money.sum()
    config = {
        "saturation_beta": prior("HalfNormal", sigma=len(channels) * share, dims="channel"),
    }
    model = mmm.MMM(
        date_column="date",
        target_column="y",
        channel_columns=channels,
        control_columns=["trend", *task["controls"]],
        adstock=mmm.GeometricAdstock(l_max=task["lags"]),
        saturation=mmm.LogisticSaturation(),
        yearly_seasonality=2,
        model_config=config,
    )
    found = model.fit(
        frame,
        target,
        random_seed=task["seed"],
        progressbar=False,
        chains=4,
        draws=1000,
        tune=1000,
        cores=1,
        target_accept=0.85,
        # The same sampler in compiled code, as its documentation advises for speed.
        nuts_sampler="nutpie" if importlib.util.find_spec("nutpie") else "pymc",
    )
    posterior = found["posterior"].dataset if hasattr(found["posterior"], "dataset") else None
    posterior = found.posterior if posterior is None else posterior
    names = ["saturation_beta", "saturation_lam", "adstock_alpha"]
    own = posterior[names]
    scales = model.get_scales_as_xarray()
    spend_scale = scales["channel_scale"].sel(channel=channels).to_numpy()
    outcome_scale = float(scales["target_scale"])

    def draws(name: str) -> Any:
        whole = own[name].stack(sample=("chain", "draw")).sel(channel=channels).to_numpy()
        return whole[:, np.linspace(0, whole.shape[1] - 1, KEPT).astype(int)]

    # Adstock weights sum to one by default, so that sustained spend is adstocked spend.
    top, rate = draws("saturation_beta") * outcome_scale, draws("saturation_lam")
    divergences = int(found["sample_stats"]["diverging"].sum())
    return {
        "curves": {
            name: {
                "max_response": top[c].tolist(),
                "rate": (rate[c] / spend_scale[c]).tolist(),
            }
            for c, name in enumerate(channels)
        },
        "r_hat": _extreme(arviz.rhat(own), max),
        "ess": _extreme(arviz.ess(own), min),
        "divergences": divergences,
        "version": marketing.__version__,
    }


def _extreme(measured: Any, pick: Any) -> float:
    """The worst of a diagnostic over all parameters; whatever container it comes in."""
    flat = measured.dataset if hasattr(measured, "dataset") else measured
    return float(pick(float(pick(flat[name].to_numpy().ravel())) for name in flat.data_vars))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    told = fit(json.load(sys.stdin))
    json.dump(told, sys.stdout)
