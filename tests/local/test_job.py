"""The main job as a user starts it: processes, HTTP, the queue, and what is printed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from client.marginal_client import Client, UnreachableError
from local.host import ROOT
from local.job import _plan, dataset_name, own_job, sample_job
from samples.simulate import simulate
from tests.waiting import PATIENCE_S, until

DATA = ROOT.parent / "shared" / "data"
HERE = ("--storage", "memory", "--local-host", "--port", "0")


def start(*arguments: str, cwd: Path | str = "/") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "local", *HERE, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, cwd: Path | str = "/") -> tuple[int, str, str]:
    process = start("--once", *arguments, cwd=cwd)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def test_the_sample_against_its_truth_and_it_stays_up_until_ctrl_c() -> None:
    """From history to plan; without ``--once`` the app then answers until it is told to stop."""
    process = start("--current", "52")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("The app stays up at "):
            break
    out = "".join(lines)
    truth = sample_job().truth
    assert truth is not None
    for channel in truth["channels"]:
        assert re.search(rf"^{channel['channel']} +[\d,]+ +[\d,.]+", out, re.MULTILINE)
    budget = truth["optimum"]["last_year_mean"]["budget"]
    week = r"\d{4}-\d\d-\d\d"
    told = rf"Plan for {budget:,.0f} EUR a week \(the mean of 52 weeks, {week} to {week}\)"
    assert re.search(told, out)
    told = "All of it as a page: "
    pages = [line.split()[-1] for line in lines if line.startswith(told)]
    assert [page.endswith("/datasets/sample-brand/report") for page in pages] == [True]
    with urllib.request.urlopen(pages[0]) as answer:
        assert answer.read().startswith(b"<!doctype html>")
    client = Client(lines[-1].split()[5])
    assert [d["dataset"] for d in client.get("datasets")["datasets"]] == ["sample-brand"]
    # The plan for another budget is compared with that budget's own optimum.
    job = sample_job(200_000.0)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        _plan(client, job, client.get("datasets/sample-brand/curves"))
    assert "Plan for 200,000 EUR a week (as asked)" in said.getvalue()
    assert "Today is the mean of 13 weeks, " in said.getvalue()
    regret = re.search(r"recommended plan [\d,]+ \(regret (-?[\d,]+)", said.getvalue())
    assert regret is not None
    assert int(regret.group(1).replace(",", "")) >= 0
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")

    def gone() -> bool:
        try:
            client.get("health")
        except UnreachableError:
            return True
        return False

    until(gone)
    assert re.search(r"^promoted: done", out, re.MULTILINE)
    assert "optimal, proven: no plan brings more than" in out
    assert "\nWhy\n" in out
    found = re.search(
        r"recommended plan [\d,]+ \(regret ([\d,]+), .*mix [\d,]+ \(regret ([\d,]+)", out
    )
    assert found is not None
    plan, before = (int(number.replace(",", "")) for number in found.groups())
    # What the whole is for: in truth the plan loses less than today's mix.
    assert plan < 0.95 * before


def test_too_short_a_history_gets_reasons_and_no_plan() -> None:
    path = DATA / "seed_market_lens" / "monthly_clean.csv"
    if not path.exists():
        pytest.skip(f"the public data set is not beside the project: {path.name}")
    code, out, _ = run("--history", str(path))
    assert code == 0
    assert "kept_previous" in out
    assert "12 months" in out
    assert "No plan is given." in out
    assert "Plan for" not in out


def test_a_file_of_ones_own_by_a_relative_path_with_a_spec(tmp_path: Path) -> None:
    brand = simulate(seed=11, weeks=80, channels=2)
    (tmp_path / "My Brand.csv").write_text(brand.csv, "utf-8")
    (tmp_path / "roles.json").write_text(json.dumps(brand.spec), "utf-8")
    given = ("--history", "My Brand.csv", "--spec", "roles.json", "--budget", "20000")
    code, out, err = run(*given, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "80 rows stored" in out
    assert "Against the truth" not in out
    assert ("Plan for 20,000 EUR a week (as asked)" in out) != ("No plan is given." in out)


def test_a_long_history_with_its_outcomes(tmp_path: Path) -> None:
    brand = simulate(seed=12, weeks=80, channels=2)
    head, *rows = [line.split(",") for line in brand.csv.splitlines()]
    spend = [i for i, name in enumerate(head) if name.startswith("spend_")]
    rest = [i for i in range(len(head)) if i not in spend]
    long = ["date,channel,spend"]
    long += [f"{row[0]},{head[i].removeprefix('spend_')},{row[i]}" for row in rows for i in spend]
    outcomes = [",".join(line[i] for i in rest) for line in [head, *rows]]
    (tmp_path / "spend.csv").write_text("\n".join(long), "utf-8")
    (tmp_path / "outcomes.csv").write_text("\n".join(outcomes), "utf-8")
    code, out, err = run("--history", "spend.csv", "--outcomes", "outcomes.csv", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert ("Plan for" in out) != ("No plan is given." in out)


def test_a_long_history_alone_asks_for_its_outcomes(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02d},{name},5" for day in range(1, 30) for name in ("tv", "search")]
    (tmp_path / "spend.csv").write_text("\n".join(["date,channel,spend", *rows]), "utf-8")
    code, out, err = run("--history", "spend.csv", cwd=tmp_path)
    assert code == 1
    assert "outcome: not there yet" in out
    assert "This history holds spend only." in err
    assert "--outcomes OUTCOMES.csv" in err
    assert "Refit" not in out


def test_a_broken_file_is_refused_with_row_and_column(tmp_path: Path) -> None:
    lines = simulate(seed=1, weeks=20, channels=2).csv.splitlines()
    cells = lines[7].split(",")
    cells[2] = "-5"
    lines[7] = ",".join(cells)
    (tmp_path / "bad.csv").write_text("\n".join(lines), "utf-8")
    code, _, err = run("--history", "bad.csv", cwd=tmp_path)
    assert code == 1
    assert "The service refused (422)" in err
    assert "/rows/8/spend_channel_1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.csv", "a"), ("Ä ö.csv", "history"), ("__x-1__.CSV", "x-1"), ("é" + "b" * 90, "b" * 63)],
)
def test_a_dataset_is_named_after_its_file(file: str, name: str) -> None:
    assert dataset_name(Path(file)) == name


def test_a_spec_that_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("date\n", "utf-8")
    (tmp_path / "a.json").write_text("{", "utf-8")
    with pytest.raises(ValueError, match="is not JSON"):
        own_job(tmp_path / "a.csv", tmp_path / "a.json", None, None)
