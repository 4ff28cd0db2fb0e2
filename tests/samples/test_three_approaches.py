"""The comparison of three approaches: its parts exactly, and the whole on the simulated table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from samples.monthly import SEVEN, SIMULATED, Table, media, read_table, simulate_monthly
from samples.self_attribution import Curve, bilevel, fit_curves
from samples.three_approaches import (
    KINDS,
    MOST,
    Line,
    compare,
    forecasts,
    month_by_month,
    sample_files,
    to_text,
)
from shared.api.reading import read_optimize
from tests.app.client import Client
from tests.app.conftest import SETTINGS

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "seed_market_lens"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the published data are not at {DATA}")


@pytest.fixture(scope="module")
def table() -> Table:
    return read_table((ROOT / "samples" / "monthly.csv").read_text())


def test_the_committed_files_are_what_is_written() -> None:
    for name, content in sample_files().items():
        assert (ROOT / "samples" / name).read_text(encoding="utf-8") == content, name


def test_the_requests_are_read_without_a_fault(table: Table) -> None:
    modes = []
    for name, content in sample_files().items():
        if not name.endswith("_plan.json"):
            continue
        message = read_optimize(json.loads(content))
        modes.append(message.horizon.mode if message.horizon else "one month")
        money = message.budget or sum(message.period_budgets or ())
        assert money in (
            pytest.approx(table.budgets.mean()),
            pytest.approx(table.budgets.sum()),
        )
    assert sorted(modes) == ["fixed_shares", "one month", "sequential", "time_varying"]


def test_a_table_is_read_by_its_column_names() -> None:
    text = simulate_monthly(4, seed=2)
    whole = read_table(text)
    assert whole.months == ("2023-05", "2023-06", "2023-07", "2023-08")
    spaced = text.replace("Affiliates", " Affiliates")
    assert np.array_equal(read_table(spaced).spend, whole.spend)
    assert read_table(text, "2023-06", "2023-07").months == ("2023-06", "2023-07")
    with pytest.raises(ValueError, match="no column SEM"):
        read_table(text.replace("SEM", "Search"))
    with pytest.raises(ValueError, match="no month"):
        read_table(text, "2031-01")


def test_the_page_names_every_request_and_no_other() -> None:
    page = (ROOT / "docs" / "three-approaches.md").read_text(encoding="utf-8")
    named = set(re.findall(r"monthly_\w+\.json", page))
    assert named == {Path(name).name for name in sample_files() if name.endswith(".json")}
    assert "do nothing" in documented()


def test_the_truth_of_usual_spend_is_its_closed_form() -> None:
    usual = {name: np.full(5, SIMULATED[name][0]) for name in SEVEN}
    expected = sum(SIMULATED[name][1] * (1 - np.exp(-1 / SIMULATED[name][2])) for name in SEVEN)
    assert media(usual) == pytest.approx(np.full(5, expected), rel=1e-12)


def test_the_two_that_are_bought_together_are(table: Table) -> None:
    online, affiliates = SEVEN.index("Online marketing"), SEVEN.index("Affiliates")
    assert np.corrcoef(table.spend[:, online], table.spend[:, affiliates])[0, 1] > 0.97


def test_month_by_month_no_move_between_two_channels_gains(table: Table) -> None:
    curves = tuple(
        Curve(alpha, mu, alpha * mu, 0.0)
        for alpha, mu in zip(
            (90, 60, 300, 40, 200, 80, 70), (0.1, 0.2, 0.02, 0.5, 0.05, 0.1, 0.1), strict=True
        )
    )
    plan = month_by_month(curves, table.budgets)
    assert plan.sum(axis=1) == pytest.approx(table.budgets, rel=1e-9)
    assert (plan <= MOST * table.budgets[:, None] * (1 + 1e-9)).all()
    rng = np.random.default_rng(0)

    def worth(month: np.ndarray) -> float:
        return sum(float(c.value(month[i : i + 1])[0]) for i, c in enumerate(curves))

    for _ in range(300):
        t = int(rng.integers(len(plan)))
        i, j = rng.choice(7, size=2, replace=False)
        budget = table.budgets[t]
        room = min(plan[t, i] - 0.001 * budget, MOST[j] * budget - plan[t, j])
        moved = plan[t].copy()
        moved[i] -= rng.uniform(0, 1) * room
        moved[j] += plan[t, i] - moved[i]
        assert worth(moved) <= worth(plan[t]) + 1e-9


def test_the_last_month_is_forecast_by_every_method(table: Table) -> None:
    errors = forecasts(table, first=14)
    assert set(errors) == {
        "last month",
        "mean so far",
        "published curves",
        "published bilevel",
        *KINDS,
    }
    assert errors["last month"] == pytest.approx(abs(table.outcome[14] - table.outcome[13]))
    assert errors["mean so far"] == pytest.approx(
        abs(table.outcome[14] - table.outcome[:14].mean())
    )
    for kind in KINDS:  # within what the outcome has ever moved
        assert 0.0 < (errors[kind] or 0.0) < np.ptp(table.outcome)


@needs_data
def test_the_published_table_is_read_and_gives_the_published_curves() -> None:
    table = read_table((DATA / "Monthly_Master.csv").read_text())
    figures = json.loads((DATA / "published_figures.json").read_text())["time_series"]["fits"]
    curves = fit_curves(table.outcome, table.spend, table.total)
    for name, curve in zip(SEVEN, curves, strict=True):
        assert curve.alpha == pytest.approx(figures[name]["alpha"], rel=2e-7)
        assert curve.rmse == pytest.approx(figures[name]["rmse"], abs=5.1e-5)
        assert curve.mu == figures[name]["mu"]
    found = bilevel(table.spend, table.total, table.outcome, MOST)
    assert found.error == pytest.approx(4152831.162, rel=5e-5)
    # Twelve months are no copies; two of their channels can hardly be told apart.
    own = read_table((DATA / "Monthly_Master.csv").read_text(), "2023-07", "2024-06")
    assert len(own.months) == 12
    assert np.corrcoef(own.spend[:, 4], own.spend[:, 5])[0, 1] == pytest.approx(0.989, abs=5e-4)


def documented() -> dict[str, list[str]]:
    """Cells of the page's table of the simulated months, by method."""
    page = (ROOT / "docs" / "three-approaches.md").read_text(encoding="utf-8")
    part = page[page.index("### Simulated, 15 months") :]
    rows = [line.strip("|").split("|") for line in part.splitlines()[2:13]]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def percent(text: str) -> float:
    return float(text.rstrip("%")) / 100


def check(lines: tuple[Line, ...], known: bool) -> None:
    by_name = {line.method.partition(":")[0].split(",")[0]: line for line in lines}
    nothing = by_name["do nothing"]
    assert (nothing.own, nothing.common, nothing.better) == (0.0, 0.0, 0.5)
    assert len(lines) == 7
    for line in lines:
        assert line.low <= line.common <= line.high
        assert (line.truth is not None) == known
    # What the published methods promise of their own plans, the posterior does not confirm.
    for line in lines[1:3]:
        assert line.own is not None
        assert line.own > max(line.common, 0.0)
    # The default plan is the best by the curves that it is made on, to its gap.
    default = lines[-1]
    assert default.common >= max(line.common for line in lines) - 2e-3


@pytest.mark.slow
def test_the_whole_comparison_on_the_simulated_table(table: Table) -> None:
    lines, errors = compare(table, first=9, truth=True)
    check(lines, known=True)
    told = documented()
    for line in lines:
        error, own, common, _, true = told[line.method][:5]
        # Another machine's sampler differs in its last digits, and a plan by what follows of that.
        assert line.own == pytest.approx(percent(own), abs=0.015)
        assert line.common == pytest.approx(percent(common.split()[0]), abs=0.015)
        assert line.truth == pytest.approx(percent(true), abs=0.015)
        if line.error is not None:
            assert line.error == pytest.approx(float(error), rel=0.15)
    assert set(errors) == {
        "last month",
        "mean so far",
        "published curves",
        "published bilevel",
        *KINDS,
    }
    assert (errors["published curves"] or 0.0) > 3 * (errors["mean so far"] or 0.0)
    text = to_text(lines, errors).splitlines()
    assert len({line.count("|") for line in text}) == 1


@pytest.mark.slow
@needs_data
def test_the_whole_comparison_on_the_published_table() -> None:
    text = (DATA / "Monthly_Master.csv").read_text()
    lines, errors = compare(read_table(text, "2023-07", "2024-06"), first=10, truth=False)
    check(lines, known=False)
    assert (errors["published curves"] or 0.0) > 2 * (errors["last month"] or 0.0)


@pytest.mark.slow
def test_the_documented_requests_over_http() -> None:
    from local.host import serve

    files = sample_files()
    plans = {
        "time_series": ("monthly-time-series", ["sequential"]),
        "ridge": ("monthly-ridge", ["robyn"]),
        "bayesian": ("monthly", ["fixed_shares", "time_varying"]),
    }
    with serve(settings=SETTINGS, drain_s=30) as host:
        api = Client(host.url)
        for kind, (dataset, modes) in plans.items():
            spec = files[f"requests/monthly_{kind}_spec.json"].encode()
            assert api.put(f"datasets/{dataset}/spec", spec, "application/json").status == 200
            table = files["monthly_history.csv"].encode()
            assert api.put(f"datasets/{dataset}/history", table).status == 200
            queued = api.send("POST", f"datasets/{dataset}/refit", b"")
            run = api.wait_for_run(queued.headers["location"])
            # Fifteen months are too few to be believed: the gate says so, a person may overrule it.
            assert run["state"] == "kept_previous", run
            assert run["reasons"], run
            version = api.get(f"datasets/{dataset}/curves/versions").json["versions"][0]
            where = f"datasets/{dataset}/curves/{version['version']}/promote"
            assert api.send("POST", where, b"").status == 200
            for mode in modes:
                body = files[f"requests/monthly_{mode}_plan.json"].encode()
                answer = api.post("optimize", body)
                assert answer.status == 200, answer.body
                assert answer.json["certificate"]["proven"] is True
                codes = [warning["code"] for warning in answer.json["warnings"]]
                assert "weak_fit" in codes
