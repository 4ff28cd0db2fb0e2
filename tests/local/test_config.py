"""host.json and the app settings, as the host reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.config import HostConfig, load_host_config, load_settings, resolve


def written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_what_the_file_does_not_say_is_the_hosts_default(tmp_path: Path) -> None:
    assert load_host_config(written(tmp_path / "host.json", {"version": "2.0"})) == HostConfig(
        route_prefix="api",
        batch_size=16,
        max_dequeue_count=5,
        visibility_s=0,
        max_polling_s=60.0,
    )


def test_what_it_says_is_read(tmp_path: Path) -> None:
    document = {
        "version": "2.0",
        "extensions": {
            "http": {"routePrefix": "api/v1"},
            "queues": {
                "batchSize": 1,
                "maxDequeueCount": 3,
                "visibilityTimeout": "00:01:30",
                "maxPollingInterval": "1.00:00:02",
            },
        },
    }
    config = load_host_config(written(tmp_path / "host.json", document))
    assert config == HostConfig("api/v1", 1, 3, 90, 86402.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ('{"version": "1.0"}', '"2.0"'),
        (
            '{"version": "2.0", "extensions": {"queues": {"visibilityTimeout": "soon"}}}',
            "no time span",
        ),
    ],
)
def test_a_file_that_a_host_would_refuse(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "host.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=says):
        load_host_config(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no host\.json"):
        load_host_config(tmp_path / "host.json")


def test_the_environment_wins_over_the_settings_file_and_that_over_the_sample(
    tmp_path: Path,
) -> None:
    assert load_settings(tmp_path, {"A": "env"}) == {"A": "env"}
    written(tmp_path / "local.settings.sample.json", {"Values": {"A": "sample", "B": "sample"}})
    assert load_settings(tmp_path, {"A": "env"}) == {"A": "env", "B": "sample"}
    written(tmp_path / "local.settings.json", {"Values": {"A": "own", "C": "own"}})
    assert load_settings(tmp_path, {"A": "env"}) == {"A": "env", "C": "own"}


def test_a_settings_file_that_cannot_be_read(tmp_path: Path) -> None:
    written(tmp_path / "local.settings.json", {"values": {}})
    with pytest.raises(ValueError, match="Values"):
        load_settings(tmp_path, {})


def test_settings_are_resolved_inside_text() -> None:
    assert resolve("a-%B%-%C%", {"B": "b", "C": "c"}) == "a-b-c"
    assert resolve("plain", {}) == "plain"
    with pytest.raises(ValueError, match="no app setting 'B'"):
        resolve("%B%", {"B": ""})
