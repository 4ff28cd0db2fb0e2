"""Plans that are kept: by dataset, the same all day, for thirty days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.store.datasets import Datasets
from shared.store.memory import MemoryBlobs


class Clock:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_plan_is_kept_for_thirty_days_with_its_dataset() -> None:
    clock = Clock()
    datasets = Datasets(MemoryBlobs(), clock)
    datasets.put_spec("brand", {})
    plan = datasets.keep_plan("brand", "ab12", {"answer": 1})
    assert datasets.keep_plan("brand", "ab12", {"answer": 2}) == plan
    found = datasets.plan("brand", plan)
    assert found is not None
    assert found["answer"] == 1  # never changed
    clock.now += timedelta(days=30)
    assert datasets.plan("brand", plan) is not None
    clock.now += timedelta(seconds=1)
    assert datasets.plan("brand", plan) is None
    assert datasets.keep_plan("brand", "ab12", {"answer": 2}) != plan
    assert datasets.plan("brand", "../x") is None
    datasets.delete("brand")
    datasets.put_spec("brand", {})
    assert datasets.plan("brand", plan) is None
