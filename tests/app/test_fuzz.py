"""Whatever is sent, the service answers, and never with an error of its own."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from shared.api.curve_messages import ADSTOCKS, FAMILIES
from shared.api.messages import (
    Channel,
    ChannelSpend,
    Coefficient,
    Constraint,
    Horizon,
    Interaction,
    Objective,
    OptimizeRequest,
    Risk,
    Scenario,
    ScenariosRequest,
)
from tests.api.damage import damaged
from tests.api.features import EXAMPLES
from tests.api.samples import optimize_request
from tests.app.client import Client

ANY_NUMBER = st.sampled_from([0, -1, 1, 0.5, 1e-300, 1e15, 1e16, 1e308, 3, 12.0]) | st.floats(
    allow_nan=False, allow_infinity=False
)
LEAF = (
    st.none()
    | st.booleans()
    | ANY_NUMBER
    | st.sampled_from(["", "tv", "auto", "cvar", "\x00", "é"])
)
WORDS = sorted(
    {
        *OptimizeRequest.model_fields,
        *(
            field
            for model in (
                Channel,
                ChannelSpend,
                Coefficient,
                Constraint,
                Horizon,
                Interaction,
                Objective,
                Risk,
                Scenario,
                ScenariosRequest,
            )
            for field in model.model_fields
        ),
        *(
            field
            for family in (*FAMILIES.values(), *ADSTOCKS.values())
            for field in family.model_fields
        ),
        "problem",
        "path",
        "value",
        "tv",
    }
)
ANYTHING = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=15,
)
PARAMETER = st.sampled_from([0, -1, 1e-12, 0.5, 1, 2, 50, 1e5, 1e15, None, "x"])
CURVE = st.sampled_from(sorted(FAMILIES)).flatmap(
    lambda family: st.fixed_dictionaries(
        {
            "family": st.just(family),
            **{
                field: st.lists(PARAMETER, min_size=2, max_size=3)
                if family == "tabulated"
                else PARAMETER
                for field in FAMILIES[family].model_fields
                if field != "family"
            },
        }
    )
)
CARRYOVER = st.sampled_from(sorted(ADSTOCKS)).flatmap(
    lambda family: st.fixed_dictionaries(
        {
            "family": st.just(family),
            **{
                f: PARAMETER
                for f in ADSTOCKS[family].model_fields
                if f not in ("family", "normalised")
            },
        }
    )
)
CHANNEL = st.fixed_dictionaries(
    {"channel": st.sampled_from(["tv", "search", "radio"]), "saturation": CURVE},
    optional={
        "adstock": CARRYOVER,
        "current_spend": PARAMETER,
        "min_spend": PARAMETER,
        "max_spend": PARAMETER,
        "max_change": PARAMETER,
        "locked": st.booleans(),
        "price": PARAMETER,
        "effectiveness": PARAMETER,
    },
)
REQUEST = st.fixed_dictionaries(
    {"channels": st.lists(CHANNEL, min_size=1, max_size=3), "budget": PARAMETER},
    optional={"spend_all": st.booleans(), "solver": st.just({"time_limit_s": 1})},
)


def assert_answered(api: Client, path: str, document: Any) -> None:
    answer = api.post(path, json.dumps(document).encode())
    assert answer.status in (200, 400, 404, 413, 422), (path, document, answer.body)
    if answer.status == 422:
        problem = answer.json
        assert problem.get("errors") or problem.get("conflicts")
        for error in problem.get("errors", []):
            assert error["message"]
            assert error["pointer"] == "" or error["pointer"].startswith("/")


@given(document=ANYTHING)
def test_any_json(api: Client, document: Any) -> None:
    for path in ("optimize", "evaluate", "scenarios", "fit"):
        assert_answered(api, path, document)


@given(document=REQUEST)
@example(
    {
        "channels": [
            {
                "channel": "tv",
                "saturation": {
                    "family": "hill",
                    "max_response": 0.5,
                    "half_saturation": 1e-12,
                    "shape": 1e-12,
                },
            }
        ],
        "budget": 0,
    }
)
def test_requests_of_the_right_shape(api: Client, document: Any) -> None:
    assert_answered(api, "optimize", document)


AMOUNT = st.sampled_from(
    [0, 5e-324, 1e-300, 1e-30, 1e-20, 1e-12, 1e-6, 1e-3, 0.5, 1, 100, 1e6, 1e9, 1e12, 1e15, -1e15]
)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def odd(name: str, channel: str, **amounts: float) -> dict[str, Any]:
    """A feature's example with other amounts in a channel or its curve."""
    raw = deepcopy(EXAMPLES[name])
    (found,) = [item for item in raw["channels"] if item["channel"] == channel]
    curve = found["response"]
    for part in (found, curve["saturation"], curve.get("adstock", {})):
        part.update({field: amounts[field] for field in part if field in amounts})
    return raw


@given(document=damaged(EXAMPLES, AMOUNT, of=is_number))
@example(odd("fixed_shares", "radio", decay=5e-324))
@example(odd("interactions over time", "radio", decay=5e-324))
@example(odd("interactions over time", "search", max_response=1e-300))
@example(odd("interactions for profit", "tv", max_response=1e15))
@example(odd("two targets", "search", max_response=0))
def test_no_amount_breaks_a_feature(api: Client, document: Any) -> None:
    hurried = {**document.get("solver", {}), "gap": 1e-2, "time_limit_s": 0.1}
    assert_answered(api, "optimize", document | {"solver": hurried})


@given(changes=ANYTHING, plan=ANYTHING)
def test_any_scenario(api: Client, changes: Any, plan: Any) -> None:
    scenario = {"name": "a", "changes": changes, "plan": plan}
    assert_answered(api, "scenarios", {"base": optimize_request(), "scenarios": [scenario]})
    assert_answered(api, "evaluate", {"problem": optimize_request(), "plan": plan})


@given(body=st.binary(max_size=60))
def test_any_bytes(api: Client, body: bytes) -> None:
    assert api.post("optimize", body).status in (400, 413, 422)
    assert api.put("datasets/fuzz/history", body).status in (400, 422)
