"""A whole refit with the project's own parser and fit, over both stores; and a night of many."""

from __future__ import annotations

import json
import threading

import pytest

from samples.simulate import simulate
from shared.errors import NotFound, WriteConflict
from shared.fit.night.refit import Refits
from shared.store.base import Queue
from shared.store.datasets import Datasets
from tests.store.conftest import Stores
from tests.waiting import PATIENCE_S

SAMPLE = simulate(seed=5, weeks=104, channels=2)


@pytest.fixture
def datasets(stores: Stores) -> Datasets:
    return Datasets(stores.blobs)


def work_off(refits: Refits, queue: Queue) -> int:
    done = 0
    while messages := queue.receive(visibility_s=300):
        refits.work(messages[0].body)
        queue.delete(messages[0])
        done += 1
    return done


def test_a_stored_history_becomes_curves_with_draws(datasets: Datasets, queue: Queue) -> None:
    datasets.put_spec("brand", SAMPLE.spec)
    datasets.put_history("brand", SAMPLE.csv.encode(), "text/csv")
    refits = Refits(datasets, queue)
    run = refits.queue_refit("brand")
    assert work_off(refits, queue) == 1
    ended = datasets.read_run("brand", run.run)
    assert ended.state in {"promoted", "kept_previous"}
    assert ended.reasons
    assert ended.curves_version is not None
    curves = datasets.curves("brand", ended.curves_version)
    assert (curves.dataset, curves.version) == ("brand", ended.curves_version)
    assert len(curves.channels) == 2
    assert all(len(c.response.draws) == 200 for c in curves.channels)
    # What another process reads is the same, to the last digit.
    again = Datasets(datasets._blobs).curves("brand", ended.curves_version)
    assert json.dumps(again.to_dict()) == json.dumps(curves.to_dict())
    if ended.state == "promoted":
        assert datasets.curves("brand") == curves
    else:
        with pytest.raises(NotFound):
            datasets.curves("brand")


def test_two_workers_with_real_leases_promote_once(datasets: Datasets, queue: Queue) -> None:
    from tests.fit.refit_world import CheapFit, parse_nothing
    from tests.store.samples import Clock

    datasets.put_history("brand", b"date,tv\n", "text/csv")
    meet = threading.Barrier(2)
    fit = CheapFit(Clock(), during=lambda: meet.wait(PATIENCE_S) and None)
    refits = Refits(datasets, queue, fit=fit, parse=parse_nothing)  # type: ignore[arg-type]
    runs = [refits.queue_refit("brand").run for _ in range(2)]
    bodies = [m.body for m in queue.receive(visibility_s=300, limit=2)]
    threads = [threading.Thread(target=refits.work, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = sorted(datasets.read_run("brand", run).state for run in runs)
    assert states == ["kept_previous", "promoted"]
    assert len(datasets.manifest("brand").promotions) == 1


def test_a_night_over_many_datasets(datasets: Datasets, queue: Queue) -> None:
    from datetime import date

    for i in range(40):
        datasets.put_history(f"brand-{i}", b"date,tv\n", "text/csv")
    refits = Refits(datasets, queue)
    assert refits.queue_all(date(2025, 3, 9)) == 40
    assert refits.queue_all(date(2025, 3, 9)) == 0
    assert queue.length() == 40


def test_a_refit_queued_twice_by_name_conflicts(datasets: Datasets, queue: Queue) -> None:
    datasets.put_history("brand", b"date,tv\n", "text/csv")
    run = Refits(datasets, queue).queue_refit("brand")
    with pytest.raises(WriteConflict):
        datasets.create_run(run)
