"""What every ``Queue`` promises, asked of the one in memory and of Azurite."""

from __future__ import annotations

import time

import pytest

from shared.errors import WriteConflict
from shared.store.base import Queue
from tests.waiting import until


def test_a_message_comes_back_as_it_was_sent(queue: Queue) -> None:
    body = '{"dataset": "brand", "note": "ünï <&> \\u0000"}'
    queue.send(body)
    (message,) = queue.receive(visibility_s=6000)
    assert message.body == body
    assert message.dequeue_count == 1
    queue.delete(message)
    assert queue.length() == 0


def test_an_empty_queue_answers_nothing(queue: Queue) -> None:
    assert list(queue.receive(visibility_s=6000)) == []
    assert queue.length() == 0


def test_a_received_message_is_hidden_but_counted(queue: Queue) -> None:
    queue.send("one")
    assert len(queue.receive(visibility_s=6000)) == 1
    assert list(queue.receive(visibility_s=6000)) == []
    assert queue.length() == 1


def test_a_message_is_seen_again_after_its_time_and_counts_it(queue: Queue) -> None:
    queue.send("one")
    (first,) = queue.receive(visibility_s=1)
    time.sleep(1.3)
    (second,) = queue.receive(visibility_s=6000)
    assert second.id == first.id
    assert second.dequeue_count == 2
    with pytest.raises(WriteConflict):
        queue.delete(first)  # its receipt went with the time-out
    queue.delete(second)
    with pytest.raises(WriteConflict):
        queue.delete(second)


def test_a_message_is_hidden_for_its_delay(queue: Queue) -> None:
    queue.send("much later", delay_s=6000)
    queue.send("later", delay_s=1)
    assert queue.length() == 2
    found: list[str] = []

    def came() -> bool:
        found.extend(message.body for message in queue.receive(visibility_s=6000))
        return bool(found)

    until(came)
    assert found == ["later"]
    assert list(queue.receive(visibility_s=6000)) == []


def test_extending_gives_a_new_receipt_and_spends_the_old(queue: Queue) -> None:
    queue.send("one")
    (message,) = queue.receive(visibility_s=1)
    held = queue.extend(message, visibility_s=6000)
    time.sleep(1.3)
    assert list(queue.receive(visibility_s=6000)) == []
    with pytest.raises(WriteConflict):
        queue.delete(message)
    with pytest.raises(WriteConflict):
        queue.extend(message, visibility_s=6000)
    queue.delete(held)
    assert queue.length() == 0


def test_extending_to_nothing_gives_the_message_back(queue: Queue) -> None:
    queue.send("one")
    (message,) = queue.receive(visibility_s=6000)
    queue.extend(message, visibility_s=0)
    (again,) = queue.receive(visibility_s=6000)
    assert again.dequeue_count == 2


def test_many_are_sent_at_once_and_each_arrives_once(queue: Queue) -> None:
    bodies = [f"message {i}" for i in range(300)]
    assert queue.send_many(iter(bodies)) == 300
    assert queue.length() == 300
    seen: list[str] = []
    while messages := queue.receive(visibility_s=60, limit=32):
        assert len(messages) <= 32
        seen.extend(message.body for message in messages)
    assert sorted(seen) == sorted(bodies)


def test_sending_none_at_once_sends_none(queue: Queue) -> None:
    assert queue.send_many([]) == 0
    assert queue.length() == 0
