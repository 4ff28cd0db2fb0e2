"""What cannot change an answer does not, and what can only help never hurts, beyond the gap."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from shared.errors import Infeasible
from tests.contract import relations
from tests.contract.evaluator import Raw, allowed, arms_of, objective
from tests.contract.relations import (
    Ends,
    ends_of,
    in_other_money,
    in_other_outcomes,
    reordered,
)
from tests.plan.requests import lots, mixed, plan_of, solved

GAP = 1e-4
TOTALS = ("min_total", "max_total")


def request(seed: int) -> Raw:
    """Any features together, without lots."""
    raw = mixed(50_000 + seed)
    for _, arm in arms_of(raw):
        arm.pop("increment", None)
    raw["solver"] = {"gap": GAP, "time_limit_s": 1}
    return raw


def ends(raw: Raw, unit: float = 1.0) -> Ends | None:
    """Best known and proven bound, as something to maximise; None where nothing is allowed."""
    try:
        answer = solved(raw)
    except Infeasible:
        return None
    assert answer["certificate"]["proven"]
    found = ends_of(answer)
    assert found is not None
    assert found[0] <= found[1]
    return found[0] / unit, found[1] / unit


def meet(one: Ends | None, other: Ends | None) -> None:
    """Both intervals may hold the same value."""
    assert (one is None) == (other is None)
    assert one is None or other is None or relations.meet(one, other), (one, other)


def no_worse(loose: Ends | None, tight: Ends | None) -> None:
    if tight is not None:
        assert loose is not None
        assert loose[1] >= tight[0] - 1e-7 * max(abs(tight[0]), 1.0), (loose, tight)


@pytest.mark.parametrize("seed", range(4))
def test_another_currency_changes_nothing(seed: int) -> None:
    raw = request(seed)
    meet(ends(raw), ends(*in_other_money(raw, (1e-3, 7.3, 1e6)[seed % 3])))


@pytest.mark.parametrize("seed", range(4))
def test_outcomes_in_another_unit_change_nothing(seed: int) -> None:
    raw = request(100 + seed)
    meet(ends(raw), ends(*in_other_outcomes(raw, (1e-4, 3.0, 1e7)[seed % 3])))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_channels_rules_and_names_changes_nothing(seed: int) -> None:
    raw = request(200 + seed)
    meet(ends(raw), ends(reordered(raw)))


Change = Callable[[Raw], None]


def _cap(raw: Raw) -> None:
    raw["spend_all"] = False


def _more_money(raw: Raw) -> None:
    raw["spend_all"] = False
    for field in ("budget", "period_budgets"):
        if field in raw:
            raw[field] = (1.3 * np.array(raw[field])).tolist()


def _no_rules(raw: Raw) -> None:
    raw.pop("constraints", None)


def _wider_channels(raw: Raw) -> None:
    for channel in raw["channels"]:
        for item in [channel, *channel.get("campaigns", [])]:
            for field in ("min_spend", "max_spend", "max_change", "minimum_if_active", *TOTALS):
                item.pop(field, None)


def _free_pace(raw: Raw) -> None:
    raw.get("horizon", {}).pop("pacing", None)


def _time_varying(raw: Raw) -> None:
    raw.get("horizon", {}).pop("mode", None)


def _unlocked(raw: Raw) -> None:
    for channel in raw["channels"]:
        channel.pop("locked", None)


RELAXED: dict[str, Change] = {
    "cap": _cap,
    "more money": _more_money,
    "no rules": _no_rules,
    "wider channels": _wider_channels,
    "free pace": _free_pace,
    "time varying": _time_varying,
    "unlocked": _unlocked,
}


@pytest.mark.parametrize("name", RELAXED)
def test_relaxing_a_rule_never_hurts(name: str) -> None:
    changed = 0
    for seed in range(300, 330):
        raw = request(seed)
        if name == "more money":
            raw["spend_all"] = False
        loose = deepcopy(raw)
        RELAXED[name](loose)
        if loose != raw and changed < 2:
            changed += 1
            no_worse(ends(loose), ends(raw))
    assert changed


@pytest.mark.parametrize("seed", range(6))
def test_a_useless_channel_changes_nothing(seed: int) -> None:
    raw = request(400 + seed)
    raw["spend_all"] = False  # else it could take what the others must not
    raw["constraints"] = [r for r in raw.get("constraints", []) if "min_share" not in r]
    other = deepcopy(raw)
    curve = {"family": "exponential", "max_response": 0.0, "rate": 1e-3}
    other["channels"].insert(1, {"channel": "idle", "response": {"saturation": curve}})
    if any("max_share" in rule for rule in raw["constraints"]):
        other["channels"][1]["max_spend"] = 0.0
    for _, arm in arms_of(other):
        if arm["response"].get("draws") and arm["channel"] != "idle":
            count = len(arm["response"]["draws"])
            draw = {"max_response": 0.0, "rate": 1e-3}
            other["channels"][1]["response"]["draws"] = [draw] * count
    meet(ends(raw), ends(other))


def plain(seed: int, **more: Any) -> Raw:
    """Concave channels without limits of their own."""
    rng = np.random.default_rng([seed, 9])
    raw = lots(rng, 3, 6, **more)
    for channel in raw["channels"]:
        del channel["increment"]
        top, size = float(rng.uniform(2e3, 1e4)), float(rng.uniform(800, 3500))
        curve = {"family": "michaelis_menten", "max_response": top, "half_saturation": size}
        channel["response"]["saturation"] = curve
    raw["solver"] = {"gap": GAP}
    return raw


@pytest.mark.parametrize("into", ["channels", "campaigns"])
@pytest.mark.parametrize("periods", [1, 3])
@pytest.mark.parametrize("ruled", [False, True])
def test_two_concave_halves_are_worth_the_whole(into: str, periods: int, ruled: bool) -> None:
    """f(x) = 2 g(x / 2) with g half as high that saturates twice as soon; rules name both."""
    raw = plain(periods)
    if periods > 1:
        raw["horizon"] = {"periods": periods, "prior_spend": {"c1": [1000.0, 500.0]}}
    if ruled:
        raw["constraints"] = [{"name": "r", "channels": ["c0", "c1"], "max_share": 0.4}]
    other = deepcopy(raw)
    first = other["channels"][0]
    half = deepcopy(first["response"])
    half["saturation"]["max_response"] /= 2
    half["saturation"]["half_saturation"] /= 2
    if into == "campaigns":
        del first["response"]
        first["campaigns"] = [{"channel": n, "response": deepcopy(half)} for n in ("x", "y")]
    else:
        first["response"] = half
        other["channels"].append({"channel": "twin", "response": deepcopy(half)})
        for rule in other.get("constraints", []):
            rule["channels"].append("twin")
    meet(ends(raw), ends(other))


@pytest.mark.parametrize("seed", range(5))
def test_the_best_spends_locked_are_worth_the_same(seed: int) -> None:
    raw = request(500 + seed)
    raw.pop("horizon", None)
    raw.pop("period_budgets", None)
    raw.setdefault("budget", 6000.0)
    raw.get("objective", {}).pop("long_term_weight", None)
    for channel in raw["channels"]:
        for field in ("period_weights", "max_change", "current_spend", "locked", *TOTALS):
            channel.pop(field, None)
    for rule in raw.get("constraints", []):
        for field in TOTALS:
            rule.pop(field, None)
    best = ends(raw)
    if best is None:
        return
    other = deepcopy(raw)
    rows = solved(raw)["allocation"]
    for channel, row in zip(other["channels"], rows, strict=True):
        arms = channel.get("campaigns") or [channel]
        for arm, part in zip(arms, row.get("campaigns") or [row], strict=True):
            arm.update(current_spend=part["spend"], locked=True)
    again = ends(other)
    assert again is not None
    assert again[0] == pytest.approx(best[0], rel=1e-6)
    meet(best, again)


@pytest.mark.parametrize("seed", range(6))
def test_answers_keep_the_rules_and_are_worth_what_they_say(seed: int) -> None:
    raw = request(600 + seed)
    try:
        found = solved(raw)
    except Infeasible:
        return
    plan = plan_of(found)
    assert allowed(raw, plan, 1e-6)[0]
    assert found["certificate"]["objective"] == pytest.approx(
        float(objective(raw, plan)[0]), rel=1e-6
    )
