"""What the local host reads of ``host.json`` and of the app settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["HostConfig", "load_host_config", "load_settings", "resolve"]

_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The part of ``host.json`` that changes what a caller or a queue message sees.

    The defaults are the .NET host's own. ``visibility_s`` is how long a failed message stays
    hidden before its next try.
    """

    route_prefix: str = "api"
    batch_size: int = 16
    max_dequeue_count: int = 5
    visibility_s: int = 0
    max_polling_s: float = 60.0


def load_host_config(path: Path) -> HostConfig:
    """Read ``host.json``; ValueError with a sentence where the .NET host would refuse it."""
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no {path.name} beside the app") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from None
    if document.get("version") != "2.0":
        raise ValueError(f'{path.name}: "version" has to be "2.0"')
    extensions = document.get("extensions", {})
    queues = extensions.get("queues", {})
    default = HostConfig()
    return HostConfig(
        route_prefix=str(extensions.get("http", {}).get("routePrefix", default.route_prefix)),
        batch_size=int(queues.get("batchSize", default.batch_size)),
        max_dequeue_count=int(queues.get("maxDequeueCount", default.max_dequeue_count)),
        visibility_s=round(_seconds(queues.get("visibilityTimeout", "00:00:00"))),
        max_polling_s=_seconds(queues.get("maxPollingInterval", "00:01:00")),
    )


def load_settings(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """App settings: ``local.settings.json`` (else the sample), overridden by the environment."""
    for name in ("local.settings.json", "local.settings.sample.json"):
        path = root / name
        if path.exists():
            try:
                values: dict[str, str] = json.loads(path.read_text("utf-8"))["Values"]
            except (json.JSONDecodeError, KeyError) as error:
                raise ValueError(f'{name} needs JSON with "Values": {error}') from None
            return {**values, **environment}
    return dict(environment)


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace each ``%NAME%`` by the app setting of that name.

    >>> resolve("%WHEN%", {"WHEN": "0 0 2 * * *"})
    '0 0 2 * * *'
    >>> resolve("%WHEN%", {})
    Traceback (most recent call last):
        ...
    ValueError: '%WHEN%' does not resolve: there is no app setting 'WHEN'
    """

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if not settings.get(name):
            raise ValueError(f"'{text}' does not resolve: there is no app setting '{name}'")
        return settings[name]

    return re.sub("%([^%]+)%", value, text)


def _seconds(span: str) -> float:
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f"host.json: '{span}' is no time span (hh:mm:ss)")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
