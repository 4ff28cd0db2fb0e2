"""The service that answers."""

from __future__ import annotations

from tests.app.conftest import api

__all__ = ["api"]
