"""How many tokens a text may cost: more than the tokenisers in use, so a budget held here holds.

Words are cut into pieces of seven letters, figures into three digits, every mark counts for itself.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["tokens"]


def tokens(value: Any) -> int:
    """Of a text, or of the compact JSON of anything else."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return len(re.findall(r"[A-Za-z]{1,7}|\d{1,3}|[^\w\s]|_", text))
