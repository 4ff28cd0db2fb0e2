"""A night over sound and broken datasets: each fails alone, with its reason; nothing is lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from samples.simulate import Simulated, simulate
from shared.fit.night.refit import Refits
from shared.store.datasets import Datasets
from shared.store.memory import MemoryBlobs, MemoryQueue
from tests.fit.refit_world import MOST_DELIVERIES
from tests.store.samples import Clock

NIGHT = date(2025, 3, 9)
RUN = "nightly-20250309"
SOUND: Simulated = simulate(seed=3, weeks=40, channels=2, optimum=False)

Rows = list[list[str]]


def table(change: Callable[[Rows], Rows]) -> bytes:
    """The sound history, changed; row 0 is its header."""
    rows = change(list(csv.reader(io.StringIO(SOUND.csv))))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def with_cells(name: str, value: Callable[[int, str], str]) -> bytes:
    def change(rows: Rows) -> Rows:
        place = rows[0].index(name)
        for i, row in enumerate(rows[1:]):
            row[place] = value(i, row[place])
        return rows

    return table(change)


def without_spend() -> bytes:
    def change(rows: Rows) -> Rows:
        for row in rows[1:]:
            row[2] = row[3] = "0"
        return rows

    return table(change)


@dataclass(frozen=True)
class Case:
    """A dataset as it lies in storage, and words of the reason it must fail for."""

    history: bytes
    says: str
    spec: Mapping[str, Any] | None = None
    outcomes: bytes | None = None


LIFT = {
    "channel": "channel_1",
    "start": "2031-01-06",
    "end": "2031-02-02",
    "spend_change": 1000.0,
    "outcome_change": 2000.0,
    "standard_error": 500.0,
}
BROKEN = {
    "not-text": Case(b"\xff\xfe\x00date,revenue", "UTF-8"),
    "torn-csv": Case(SOUND.csv.encode()[:900] + b'\n2023-01-02,"1', "Row"),
    "one-row": Case(table(lambda rows: rows[:2]), "too few"),
    "no-spend": Case(without_spend(), "spend"),
    "flat-outcome": Case(with_cells("revenue", lambda *_: "1000"), "never varies"),
    "no-outcome": Case(with_cells("revenue", lambda *_: ""), "revenue"),
    "negative": Case(with_cells("spend_channel_1", lambda i, v: "-5" if i == 3 else v), "negative"),
    "too-large": Case(with_cells("revenue", lambda _, v: f"{v}e300"), "revenue"),
    "twice": Case(table(lambda rows: [*rows, rows[-1]]), "date"),
    "no-column": Case(table(lambda rows: [r[:3] + r[4:] for r in rows]), "spend_channel_2"),
    "no-json": Case(b"not json", "JSON"),
    "nowhere": Case(SOUND.csv.encode(), "ZZ", {**SOUND.spec, "holidays_country": "ZZ"}),
    "kind": Case(SOUND.csv.encode(), "kind", {**SOUND.spec, "model": {"kind": "oracle"}}),
}
TAKEN = {
    # A cell without a number in the outcome is a gap, as an empty one is.
    "no-number": Case(with_cells("revenue", lambda i, v: "NaN" if i == 7 else v), ""),
    "future-lift": Case(SOUND.csv.encode(), "Lift test 1", {**SOUND.spec, "lift_tests": [LIFT]}),
}


class Night:
    """A store, its datasets, and one night's work on them, as the host does it."""

    def __init__(self, cases: Mapping[str, Case]) -> None:
        self.clock = Clock()
        self.datasets = Datasets(MemoryBlobs(), self.clock)
        self.queue = MemoryQueue("refits", self.clock.seconds)
        self.refits = Refits(self.datasets, self.queue, clock=self.clock)
        self.errors: dict[str, Exception] = {}
        for name, case in cases.items():
            media = "application/json" if name == "no-json" else "text/csv"
            # Straight into storage: a table may be older than the check that would refuse it.
            self.datasets.put_history(name, case.history, media)
            self.datasets.put_spec(name, case.spec or SOUND.spec)

    def pass_by(self) -> None:
        self.refits.queue_all(NIGHT)
        while self.queue.length():
            for message in self.queue.receive(visibility_s=600):
                try:
                    if message.dequeue_count > MOST_DELIVERIES:
                        self.refits.poisoned(message.body)
                    else:
                        self.refits.work(message.body)
                except Exception as error:
                    self.errors[message.body] = error
                    self.queue.extend(message, visibility_s=0)
                else:
                    self.queue.delete(message)


@pytest.fixture(scope="module")
def night() -> Night:
    sound = Case(SOUND.csv.encode(), "")
    made = Night({"a-sound": sound, **BROKEN, **TAKEN, "z-sound": sound})
    made.pass_by()
    return made


@pytest.mark.parametrize("name", BROKEN)
def test_a_faulty_dataset_fails_alone_and_says_why(night: Night, name: str) -> None:
    run = night.datasets.read_run(name, RUN)
    assert run.state == "failed", run
    assert BROKEN[name].says.lower() in " ".join(run.reasons).lower()
    # Told at once: no attempt was wasted on what cannot succeed.
    assert run.attempt == 1
    assert night.datasets.versions(name) == ()
    assert night.datasets.get_history(name).data == BROKEN[name].history


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_be_left_out_is_left_out_and_said(night: Night, name: str) -> None:
    run = night.datasets.read_run(name, RUN)
    assert run.state in ("promoted", "kept_previous"), run
    assert TAKEN[name].says in " ".join(run.reasons)
    assert run.curves_version is not None


@pytest.mark.parametrize("name", ["a-sound", "z-sound"])
def test_the_sound_ones_are_fitted_before_and_after(night: Night, name: str) -> None:
    run = night.datasets.read_run(name, RUN)
    assert run.state in ("promoted", "kept_previous"), run
    assert run.curves_version is not None
    assert len(night.datasets.curves(name, run.curves_version).channels) == 2


def test_nothing_came_unexpectedly_and_nothing_is_left(night: Night) -> None:
    assert night.errors == {}
    assert night.queue.length() == 0


def test_mended_it_is_fitted_the_next_night(night: Night) -> None:
    night.datasets.put_history("one-row", SOUND.csv.encode(), "text/csv")
    run = night.refits.queue_refit("one-row")
    night.refits.work(night.queue.receive(visibility_s=600)[0].body)
    assert night.datasets.read_run("one-row", run.run).state in ("promoted", "kept_previous")
