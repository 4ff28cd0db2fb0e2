"""Puts the random problems on the path (import mode importlib does not); fixed examples."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("marginal", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("marginal")
