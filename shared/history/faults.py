"""Collecting faults: every one found, up to a number that a person would still read."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import Fault, InvalidInput, near_names, pointer_to

__all__ = ["MAX_FAULTS", "FaultLog", "cell_pointer", "near_misses"]

MAX_FAULTS = 50
"""Faults named one by one; beyond that a last one says how many more there are."""


def cell_pointer(root: str, line: int, column: str) -> str:
    """``/rows/<line>/<column>``, the line counted as a spreadsheet shows it (header = 1)."""
    return f"{root}{pointer_to('rows', line, column)}"


def near_misses(wanted: str, known: Iterable[str]) -> str:
    """A sentence naming the nearest known names, or all of them where there are few."""
    names = list(known)
    if not names:
        return "There are none."
    close = near_names(wanted, names)
    if close:
        return "Did you mean " + " or ".join(f"'{name}'" for name in close) + "?"
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return f"There are: {shown}{' and more' if len(names) > 12 else ''}."


class FaultLog:
    """Faults in the order found; the first ``MAX_FAULTS`` are kept, the others counted."""

    __slots__ = ("_faults", "_more")

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, pointer: str, code: str, message: str) -> None:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(Fault(pointer, code, message))
        else:
            self._more += 1

    def add_unknown(
        self, pointer: str, code: str, message: str, name: str, known: Iterable[str]
    ) -> None:
        """Add a fault about a name that is not ``known``, with what it may have meant if told."""
        told = len(self._faults) < MAX_FAULTS
        self.add(pointer, code, f"{message} {near_misses(name, known)}" if told else message)

    def stop_if_any(self) -> None:
        """Raise InvalidInput where anything was added."""
        if not self._faults:
            return
        faults = list(self._faults)
        if self._more:
            faults.append(Fault("", "more_faults", f"And {self._more} more faults of this table."))
        raise InvalidInput(faults)
