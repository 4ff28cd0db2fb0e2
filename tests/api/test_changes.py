"""Changes of a scenario: a merge patch that addresses channels and constraints by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.changes import apply_changes, located, merge_patch
from tests.api.features import CAMPAIGNS, over, three
from tests.api.samples import EXPONENTIAL, optimize_request


def changed(changes: Any, base: dict[str, Any] | None = None) -> dict[str, Any]:
    result, faults = apply_changes(optimize_request() if base is None else base, changes)
    assert faults == []
    return result


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_the_standard_one(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


FORMS: list[Any] = [
    {"channels": {"tv": {"max_spend": 20000, "min_spend": None}}, "budget": 5},
    {"channels": [{"channel": "tv", "max_spend": 20000, "min_spend": None}], "budget": 5},
    [
        {"path": "/channels/tv/max_spend", "value": 20000},
        {"path": "/channels/tv/min_spend", "value": None},
        {"path": "/budget", "value": 5},
    ],
]


@pytest.mark.parametrize("changes", FORMS)
def test_three_ways_to_say_the_same(changes: Any) -> None:
    base = optimize_request()
    result = changed(changes, base)
    assert result["budget"] == 5
    assert result["channels"][0]["max_spend"] == 20000
    assert "min_spend" not in result["channels"][0]
    assert result["channels"][1] == base["channels"][1]
    assert base == optimize_request()  # the base is left as it was


def test_a_channel_is_dropped_and_one_is_added() -> None:
    new = {"saturation": EXPONENTIAL}
    result = changed({"channels": {"tv": None, "radio": new}})
    assert [c["channel"] for c in result["channels"]] == ["tv", "search", "radio"]
    # What is dropped stays, excluded: rules over several channels may speak of it.
    assert result["channels"][0] == {**optimize_request()["channels"][0], "exclude": True}
    assert result["channels"][2] == {"channel": "radio", **new}


def test_dropping_a_stored_channel_excludes_it() -> None:
    base = {"dataset": "brand", "budget": 5, "channels": [{"channel": "tv", "max_spend": 3}]}
    result = changed({"channels": {"tv": None, "search": None}}, base)
    assert result["channels"] == [
        {"channel": "tv", "max_spend": 3, "exclude": True},
        {"channel": "search", "exclude": True},
    ]


def test_dropping_what_is_not_there() -> None:
    _, faults = apply_changes(optimize_request(), {"channels": {"serch": None}})
    (fault,) = faults
    assert fault.pointer == "/channels/serch"
    assert fault.code == "unknown_channel"
    assert fault.message == "There is no channel 'serch' to drop. Did you mean 'search'?"


def test_constraints_are_added_changed_and_dropped_by_name() -> None:
    base = optimize_request(
        constraints=[
            {"name": "a", "channels": ["tv"], "max_share": 0.5},
            {"name": "b", "channels": ["tv"], "max_share": 0.5},
        ]
    )
    changes = {"constraints": {"a": {"max_share": 0.4}, "b": None, "c": {"channels": ["tv"]}}}
    assert changed(changes, base)["constraints"] == [
        {"name": "a", "channels": ["tv"], "max_share": 0.4},
        {"name": "c", "channels": ["tv"]},
    ]
    assert "constraints" not in changed({"constraints": None}, base)


CAMPAIGN_FORMS: list[Any] = [
    {"channels": {"tv": {"campaigns": {"brand": {"max_spend": 5}, "launch": None}}}},
    {
        "channels": [
            {
                "channel": "tv",
                "campaigns": [
                    {"channel": "brand", "max_spend": 5},
                    {"channel": "launch", "exclude": True},
                ],
            }
        ]
    },
    [
        {"path": "/channels/tv/campaigns/brand/max_spend", "value": 5},
        {"path": "/channels/tv/campaigns/launch", "value": None},
    ],
]


@pytest.mark.parametrize("changes", CAMPAIGN_FORMS)
def test_campaigns_are_addressed_by_name(changes: Any) -> None:
    base = three(tv=CAMPAIGNS)
    result = changed(changes, base)
    brand, launch = result["channels"][0]["campaigns"]
    assert brand == {**base["channels"][0]["campaigns"][0], "max_spend": 5}
    assert launch == {**base["channels"][0]["campaigns"][1], "exclude": True}
    assert result["channels"][0]["channel"] == "tv"


def test_a_campaign_is_added_or_not_there_to_drop() -> None:
    base = three(tv=CAMPAIGNS)
    new = {"saturation": EXPONENTIAL}
    result = changed({"channels": {"tv": {"campaigns": {"more": new}}}}, base)
    assert result["channels"][0]["campaigns"][2] == {"channel": "more", **new}
    _, faults = apply_changes(base, {"channels": {"tv": {"campaigns": {"brnad": None}}}})
    (fault,) = faults
    assert fault.pointer == "/channels/tv/campaigns/brnad"
    assert fault.message == "There is no campaign 'brnad' to drop. Did you mean 'brand'?"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        (CAMPAIGN_FORMS[0], "/channels/tv/campaigns/brand/max_spend"),
        (CAMPAIGN_FORMS[1], "/channels/0/campaigns/0/max_spend"),
        (CAMPAIGN_FORMS[2], "/0"),
    ],
)
def test_a_fault_of_a_campaign_is_told_where_the_change_stands(changes: Any, pointer: str) -> None:
    patched = changed(changes, three(tv=CAMPAIGNS))
    assert located("/channels/0/campaigns/0/max_spend", patched, changes) == pointer


def test_what_is_not_a_list_of_names_is_replaced_whole() -> None:
    base = over(2, horizon={"prior_spend": {"tv": 5}})
    changes = {
        "horizon": {"periods": 3, "prior_spend": {"tv": None, "radio": [1, 2]}},
        "interactions": [{"channels": ["tv", "radio"], "strength": 5}],
        "period_budgets": [1, 2, 3],
        "budget": None,
    }
    result = changed(changes, base)
    assert result["horizon"] == {
        "periods": 3,
        "mode": "time_varying",
        "prior_spend": {"radio": [1, 2]},
    }
    assert result["interactions"] == changes["interactions"]
    assert result["period_budgets"] == [1, 2, 3]
    assert "budget" not in result


def test_a_curve_of_another_family_replaces_the_old_one() -> None:
    result = changed({"channels": {"tv": {"response": {"saturation": EXPONENTIAL}}}})
    response = result["channels"][0]["response"]
    assert response["saturation"] == EXPONENTIAL
    assert response["adstock"] == {"family": "geometric", "decay": 0.5}
    result = changed({"channels": {"tv": {"saturation": EXPONENTIAL}}})
    assert "response" not in result["channels"][0]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        (5, "", "wrong_type"),
        ({"channels": 5}, "/channels", "wrong_type"),
        ({"channels": [{"max_spend": 5}]}, "/channels/0", "required"),
        ({"channels": [{"channel": "tv"}, {"channel": "tv"}]}, "/channels/1/channel", "duplicate"),
        ([5], "/0", "wrong_type"),
        ([{"path": "budget", "value": 1}], "/0/path", "invalid"),
        ([{"path": "/a" * 40, "value": 1}], "/0/path", "invalid"),
        ([{"path": "/budget", "valu": 1}], "/0/valu", "unknown_field"),
        (
            [{"path": "/budget", "value": 1}, {"path": "/budget", "value": 2}],
            "/1/path",
            "conflict",
        ),
        (
            [{"path": "/budget", "value": 1}, {"path": "/budget/x", "value": 2}],
            "/1/path",
            "conflict",
        ),
    ],
)
def test_changes_of_no_sense(changes: Any, pointer: str, code: str) -> None:
    _, faults = apply_changes(optimize_request(), changes)
    assert [(f.pointer, f.code) for f in faults] == [(pointer, code)]


@pytest.mark.parametrize(
    ("changes", "patched_pointer", "pointer"),
    [
        ({"budget": -1}, "/budget", "/budget"),
        (
            {"channels": {"search": {"max_spend": -1}}},
            "/channels/1/max_spend",
            "/channels/search/max_spend",
        ),
        (
            {"channels": [{"channel": "search", "max_spend": -1}]},
            "/channels/1/max_spend",
            "/channels/0/max_spend",
        ),
        ([{"path": "/channels/search/max_spend", "value": -1}], "/channels/1/max_spend", "/0"),
        ([{"path": "/budget", "value": 1}], "/channels/1/max_spend", ""),
        ({"budget": None}, "/budget", "/budget"),
        ({"channels": {"tv": {"min_spend": 70000}}}, "/channels/0/max_spend", "/channels/tv"),
        ({"budget": 5}, "/channels/0/max_spend", ""),
    ],
)
def test_a_fault_is_told_where_the_change_stands(
    changes: Any, patched_pointer: str, pointer: str
) -> None:
    patched, _ = apply_changes(optimize_request(), changes)
    assert located(patched_pointer, patched, changes) == pointer


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["tv", "channel", "/budget"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["channels", "channel", "tv", "constraints", "name", "path", "value", ""]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING)
def test_no_changes_break_anything(base: Any, changes: Any) -> None:
    start = base if isinstance(base, dict) else optimize_request()
    result, faults = apply_changes(start, changes)
    assert isinstance(result, dict)
    for pointer in ("/budget", "/channels/0/max_spend", "/channels/7", ""):
        assert isinstance(located(pointer, result, changes), str)
    assert all(fault.message for fault in faults)
