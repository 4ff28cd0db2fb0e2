"""Faults of the domain, told where they stand in the request."""

from __future__ import annotations

import pytest

from shared.api.messages import OptimizeRequest
from shared.api.planning import relocated
from shared.api.translate import problem_of
from shared.errors import Fault
from tests.api.features import CAMPAIGNS, campaign, three
from tests.api.samples import stored_curves


def request() -> OptimizeRequest:
    """tv is excluded; search has campaigns, the first of them excluded; radio is as it was."""
    raw = three(search={**CAMPAIGNS, "current_spend": 30000})
    raw["channels"][0]["exclude"] = True
    raw["channels"][1]["campaigns"][0]["exclude"] = True
    raw["channels"][1]["campaigns"].append(campaign("plain"))
    raw["constraints"] = [
        {"name": "gone", "channels": ["tv"], "max_share": 0.5},
        {"name": "kept", "channels": ["radio"], "max_share": 0.5},
    ]
    raw["channels"].append(
        {
            "channel": "print",
            "saturation": {"family": "hill", "max_response": 1, "half_saturation": 1, "shape": 1},
        }
    )
    raw["interactions"] = [
        {"channels": ["tv", "radio"], "strength": 1},
        {"channels": ["print", "radio"], "strength": 1},
    ]
    for channel in raw["channels"]:
        for key in [key for key, value in channel.items() if value is None]:
            del channel[key]
    return OptimizeRequest.model_validate(raw)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("/solver/method", "/solver/method"),
        ("", ""),
        ("/channels", "/channels"),
        ("/channels/0/increment", "/channels/1/increment"),
        ("/channels/0/campaigns/0/increment", "/channels/1/campaigns/1/increment"),
        ("/channels/0/campaigns/0/response/draws", "/channels/1/campaigns/1/draws"),
        ("/channels/0/campaigns/1/increment", "/channels/1/campaigns/2/increment"),
        ("/channels/0/campaigns/9", "/channels/1"),
        ("/channels/1/response/saturation", "/channels/2/response/saturation"),
        ("/channels/2/response/saturation", "/channels/3/saturation"),
        ("/channels/9", "/channels"),
        ("/constraints/0/max_active", "/constraints/1/max_active"),
        ("/constraints/9", "/constraints"),
        ("/interactions/0/channels", "/interactions/1/channels"),
        ("/interactions/9", "/interactions"),
    ],
)
def test_by_name_and_not_by_place(found: str, told: str) -> None:
    message = request()
    problem = problem_of(message)
    fault = relocated(Fault(found, "code", "Words."), message, problem)
    assert fault == Fault(told, "code", "Words.")


def test_a_channel_of_a_stored_set() -> None:
    raw = {"dataset": "brand", "budget": 1, "channels": [{"channel": "search"}]}
    message = OptimizeRequest.model_validate(raw)
    problem = problem_of(message, stored_curves())
    for found, told in (("/channels/0/x", "/channels"), ("/channels/1/x", "/channels/0/x")):
        assert relocated(Fault(found, "c", "m"), message, problem).pointer == told
    curve = Fault("/channels/1/response/draws", "c", "m")
    assert relocated(curve, message, problem).pointer == "/channels/0"
