"""The files of the planning page, as they were vendored beside this package."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from shared.errors import NotFound

__all__ = ["bundled"]

_ROOM = Path(__file__).resolve().parent.parent / "dashboard"

_NAME = re.compile(r"[a-z0-9][A-Za-z0-9._-]{0,99}")


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in _ROOM.iterdir() if path.is_file())


def bundled(name: str) -> bytes:
    """The bytes of one file of the bundle.

    Raises
    ------
    NotFound
        Where there is none of that name: names are looked up in a list, never put into a path.
    """
    if not _NAME.fullmatch(name) or name not in _names():
        raise NotFound("There is no such file of the page.")
    return (_ROOM / name).read_bytes()
