"""What happens to each public set: refused with its reason, or fitted and judged.

========================  =========================================================================
lightweight_mmm_dummy     refused: no dates (its time is a count); with weeks for it, fitted
islr_advertising          refused: a cross-section of markets, no dates
eleckart by subcategory   refused: weeks told by number only
pymc_mmm_example          refused until its spend columns (x1, x2) are named; then fitted
meridian, robyn           fitted as they come
pysimmmulator             fitted as they come, weekly and daily
eleckart weekly           fitted; spend is months spread over weeks, and that is said
seed_market_lens          fitted: twelve months are not enough, and that is said
campaign_romi             fitted by campaign: four weeks are not enough, and that is said
dev_campaign_daily        fitted by campaign within its time, its plan scored by its truth
========================  =========================================================================
"""

from __future__ import annotations

import importlib.util
import json
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import InvalidInput
from shared.fit.pipeline import FitResult, fit_history
from shared.history.parse import Parsed, parse
from shared.plan.optimize import answer, make_plan

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the shared data sets are not at {DATA}: nothing to fit"
)
NAMED = {"channels": [{"channel": name, "spend": name} for name in ("x1", "x2")]}
MEDIA = {
    "outcome": "target",
    "channels": [{"channel": f"media_{i}", "spend": f"media_{i}"} for i in range(3)],
    "controls": ["extra_0"],
}


@pytest.mark.parametrize(
    ("path", "pointer", "code", "words"),
    [
        ("lightweight_mmm_dummy/data.csv", "/rows/1", "no_date_column", "Looked at 't'"),
        ("islr_advertising/Advertising.csv", "/rows/1", "no_date_column", "'TV', 'Radio'"),
        ("eleckart_weekly/weekly_by_subcategory.csv", "/rows/1", "no_date_column", "'week'"),
        ("pymc_mmm_example/mmm_example.csv", "/channels", "no_channels", "'x1', 'x2'"),
    ],
)
def test_sets_that_are_refused_as_they_come(path: str, pointer: str, code: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(None, (DATA / path).read_bytes())
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == (pointer, code)
    assert words in fault.message


def dated(path: Path) -> bytes:
    """The dummy set with weeks in place of its count of periods."""
    header, *rows = path.read_text().split()
    lines = [header.replace("t,", "week,", 1)]
    for row in rows:
        number, rest = row.split(",", 1)
        lines.append(f"{date(2020, 1, 6) + timedelta(weeks=int(number))},{rest}")
    return "\n".join(lines).encode()


def fitted(path: str, spec: dict[str, Any] | None) -> tuple[Parsed, FitResult]:
    source = DATA / path
    table = dated(source) if path.startswith("lightweight") else source.read_bytes()
    parsed = parse(spec, table)
    result = fit_history(parsed.history, parsed.spec)
    json.dumps(result.curve_set.to_dict(), allow_nan=False)
    return parsed, result


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "spec", "arms", "data", "finding"),
    [
        ("lightweight_mmm_dummy/data.csv", MEDIA, 3, "enough", None),
        ("pymc_mmm_example/mmm_example.csv", NAMED, 2, "enough", "zero_spend"),
        ("meridian_national_all_channels/data.csv", None, 5, "enough", None),
        ("robyn_weekly/dt_simulated_weekly.csv", None, 5, "enough", "zero_spend"),
        ("pysimmmulator_weekly/data.csv", None, 4, "enough", None),
        ("pysimmmulator_daily/data.csv", None, 4, "enough", None),
        ("eleckart_weekly/weekly.csv", None, 9, "enough", "spread_out_spend"),
    ],
)
def test_sets_that_are_fitted(
    path: str, spec: dict[str, Any] | None, arms: int, data: str, finding: str | None
) -> None:
    parsed, result = fitted(path, spec)
    assert len(result.curve_set.channels) == arms
    assert result.curve_set.diagnostics["data"] == data
    assert result.reasons
    assert finding is None or finding in {found.code for found in parsed.findings}


@pytest.mark.parametrize(
    ("path", "arms", "words"),
    [
        pytest.param("seed_market_lens/monthly_clean.csv", 9, "12 months", marks=pytest.mark.slow),
        ("campaign_romi/campaign_daily.csv", 11, "28 days"),
    ],
)
def test_sets_that_are_too_short_are_fitted_and_not_promoted(
    path: str, arms: int, words: str
) -> None:
    _, result = fitted(path, None)
    assert len(result.curve_set.channels) == arms
    assert not result.promote
    assert result.curve_set.diagnostics["data"] == "not enough"
    assert words in " ".join(result.reasons)


def truth_of(folder: Path) -> ModuleType:
    """The sets' own evaluator."""
    found = importlib.util.spec_from_file_location("visible_truth", folder / "truth.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_fourteen_campaigns_by_day_are_fitted_and_their_plan_beats_the_history() -> None:
    folder = DATA / "visible_synth"
    path = folder / "dev_campaign_daily_4ch_14c"
    parsed = parse(None, (path / "history.csv").read_bytes(), (path / "outcome.csv").read_bytes())
    curves = fit_history(parsed.history, parsed.spec).curve_set
    assert len(curves.channels) == 14
    judge = truth_of(folder)
    # As the evaluator's own reader does it, which leaves its file open.
    truth = json.loads((path / "truth.json").read_text())
    truth["_idx"] = {arm["id"]: place for place, arm in enumerate(truth["arms"])}
    mean = {curve.channel: curve.observed_spend.mean for curve in curves.channels}
    half, most = ({name: k * x for name, x in mean.items()} for k in (0.5, 1.5))
    limits: dict[str, list[dict[str, Any]]] = {}
    for name in mean:
        channel, campaign = name.split("/")
        bounds = {"channel": campaign, "min_spend": half[name], "max_spend": most[name]}
        limits.setdefault(channel, []).append(bounds)
    asked = {
        "dataset": "campaigns",
        "budget": sum(mean.values()),
        "channels": [{"channel": c, "campaigns": below} for c, below in limits.items()],
    }
    plan = answer(make_plan(problem_of(read_optimize(asked), curves)))
    spend = {
        f"{row['channel']}/{below['channel']}": below["spend"]
        for row in plan["allocation"]
        for below in row["campaigns"]
    }
    kept = judge.response(truth, mean)
    gained = judge.response(truth, spend) - kept
    _, best = judge.solve(truth, sum(mean.values()), half, most)
    assert gained > 0.25 * (best - kept)
