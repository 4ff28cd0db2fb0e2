"""The synchronous fit's half of the contract; the spec itself is ``shared.history.spec``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.api.curve_messages import WHOLE, Message
from shared.history.spec import Spec

__all__ = ["FitRequest"]


class FitRequest(Message):
    """Curves from a history in the request: small data, answered at once."""

    spec: Spec | None = Field(None, description="Roles of the columns; guessed where left out.")
    history_csv: Annotated[str, Field(min_length=1)]
    outcomes_csv: Annotated[str, Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE] = 0
