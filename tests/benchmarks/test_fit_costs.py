"""What is timed is what it is called, and what the peer is told is the whole history."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fit_peer
from benchmarks.fit_costs import GEOS, history_of
from benchmarks.fit_forecasts import DATA, PUBLIC, history_of_public, verdict
from benchmarks.fit_sets import generated
from benchmarks.harness import EFFORT


def test_histories_have_the_size_they_are_asked_for():
    national = history_of(104, 9, 0).history
    assert national.spend.shape == (104, 9)
    assert national.detail is None
    panel = history_of(60, 3, 5).history.panel()
    assert panel.geos == tuple(sorted(GEOS))
    assert panel.spend.shape == (5, 60, 3)
    assert len({float(row.mean()) for row in panel.outcome}) == 5


def test_the_peer_is_told_spend_controls_events_and_weekdays():
    daily = generated("a year of days").parsed.history
    told = fit_peer.task_of(daily, seed=3)
    assert told["spend"]["channel_1"] == daily.spend[:, 0].tolist()
    assert {"promo", "price_index", "weekday 1", "event christmas"} <= set(told["controls"])
    assert sum(told["controls"]["weekday 1"]) == 52
    assert (told["lags"], told["seed"]) == (28, 3)
    weekly = fit_peer.task_of(generated("clean").parsed.history, seed=1)
    assert weekly["lags"] == 8
    assert not any(name.startswith("weekday") for name in weekly["controls"])


def test_a_kept_fit_is_read_and_only_for_the_same_history(tmp_path, monkeypatch):
    """The peer's program is replaced by one that answers at once and counts how often."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys, pathlib\n"
        "task = json.load(sys.stdin)\n"
        f"log = pathlib.Path({str(tmp_path / 'log')!r})\n"
        "log.write_text((log.read_text() if log.exists() else '') + 'x')\n"
        "curves = {c: {'max_response': [2.0, 4.0], 'rate': [0.1, 0.1]} for c in task['spend']}\n"
        "print('chatter')\n"
        "print(json.dumps({'curves': curves, 'r_hat': 1.0, 'ess': 500.0, 'divergences': 0,\n"
        "                  'version': '0'}))\n"
    )
    monkeypatch.setattr(fit_peer, "PROGRAM", program)
    monkeypatch.setattr(EFFORT, "keep", tmp_path / "kept")
    history = generated("clean").parsed.history
    first, again = fit_peer.ask_peer(history), fit_peer.ask_peer(history)
    assert (tmp_path / "log").read_text() == "x"
    assert first.curves.to_dict() == again.curves.to_dict()
    assert first.cpu_s == again.cpu_s > 0.0
    response = first.curves.channels[0].response
    assert float(response.saturation.value(10.0)) == pytest.approx(3.0 * np.tanh(0.5))
    fit_peer.ask_peer(generated("clean", 1).parsed.history)
    assert (tmp_path / "log").read_text() == "xx"
    program.write_text("raise SystemExit('no compiler here')")
    with pytest.raises(RuntimeError, match="no compiler here"):
        fit_peer.ask_peer(history)


def test_an_interpreter_without_the_peer_is_said_to_lack_it(monkeypatch):
    monkeypatch.setattr(EFFORT, "peer_python", "/bin/false")
    assert "not installed" in str(fit_peer.missing())


def test_a_worse_forecast_is_forgiven_only_where_the_gate_refused():
    assert verdict(1.0, 2.0, True) == "held"
    assert verdict(3.0, 2.0, False).startswith("held")
    assert verdict(3.0, 2.0, True).startswith("MISSED")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data sets are not at {DATA}")
def test_every_public_set_is_where_it_is_said_to_be_and_can_be_read():
    for key, item in PUBLIC.items():
        assert (DATA / item.file).exists(), key
        assert history_of_public(item).history.outcome.size >= 12, key


def test_the_peer_program_needs_nothing_of_this_project():
    text = Path(fit_peer.PROGRAM).read_text("utf-8")
    assert "from shared" not in text
    assert "from benchmarks" not in text
    json.dumps(fit_peer.task_of(generated("clean").parsed.history, 1), allow_nan=False)
