"""What a fit follows from, as one word: the same word, the same curves.

The inputs go by their content's hash, the code by that of its sources, so that a new version of the
model fits anew what an old one fitted.
"""

from __future__ import annotations

import hashlib
import pkgutil
from functools import cache
from importlib.machinery import SourceFileLoader

from shared import curves, fit, history
from shared.store.records import Inputs

__all__ = ["code_version", "fingerprint"]


def fingerprint(inputs: Inputs, seed: int, code: str) -> str:
    """The word for a fit of these inputs by this code.

    >>> fingerprint(Inputs(history="a.csv"), 0, "1") == fingerprint(Inputs(history="a.csv"), 0, "2")
    False
    """
    parts = (inputs.spec, inputs.history, inputs.outcomes, seed, code)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


@cache
def code_version() -> str:
    """A hash of the sources of all that takes part in a fit; read once a process."""
    found = hashlib.sha256()
    for package in (curves, history, fit):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            spec = module.module_finder.find_spec(module.name, None)
            loader = None if spec is None else spec.loader
            if isinstance(loader, SourceFileLoader):
                found.update(module.name.encode() + b"\0" + loader.get_data(loader.path))
    return found.hexdigest()[:16]
