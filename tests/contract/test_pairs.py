"""Every pair of the contract's features: a few mixtures that hold them all, each answer checked.

One pair at a time, with the same request in other words: ``python -m tests.contract.matrix``.
"""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.app.client import Client
from tests.contract.checks import faults_of
from tests.contract.features import FEATURES, ONE_OF, REFUSED, REFUSED_PAIRS, build, pairs
from tests.contract.mixtures import Names, covering

MIXTURES = covering(10)
QUICK = {"gap": 1e-2, "time_limit_s": 0.5}
STARTS = 1
SOFT = ("gap", "beaten", "unfound")
"""Told by the answer itself, or asked of longer searches: for the matrix, not for every change."""

UNBOUNDED = (
    {"interactions", "quantile", "minimize_spend"},
    {"flight", "worst_case", "minimize_spend"},
)
"""Together they have in so little work no bound but that of spending nothing, told as null."""


def name_of(names: Names) -> str:
    return "+".join(names)


def test_the_mixtures_hold_every_pair_that_goes_together() -> None:
    held = {frozenset(pair) for names in MIXTURES for pair in combinations(names, 2)}
    assert held >= {frozenset(pair) for pair in pairs()}
    apart = sum(len(list(combinations(group, 2))) for group in ONE_OF) + len(REFUSED_PAIRS)
    assert len(pairs()) == len(list(combinations(FEATURES, 2))) - apart


@pytest.mark.parametrize("names", MIXTURES, ids=name_of)
def test_a_mixture_is_answered_as_the_contract_means_it(api: Client, names: Names) -> None:
    raw = build(names) | {"solver": {**build(names)["solver"], **QUICK}}
    found = list(faults_of(raw, api.post("optimize", raw), starts=STARTS))
    open_ = any(set(names) >= together for together in UNBOUNDED)
    soft = (*SOFT, "unproven") if open_ else SOFT
    assert not [fault for fault in found if fault.kind not in soft], found


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_contract_refuses_is_refused_at_its_place(api: Client, name: str) -> None:
    case = REFUSED[name]
    raw = build(case.features)
    case.change(raw)
    answer = api.post("optimize", raw)
    assert answer.status == 422, answer.body
    assert case.pointer in answer.errors(), answer.body


@pytest.mark.parametrize("seed", range(5))
def test_a_least_spend_read_with_care_is_bounded_in_little_work(api: Client, seed: int) -> None:
    raw = build(("mean_minus_sd", "minimize_spend"), seed)
    raw["solver"] = {**raw["solver"], **QUICK}
    proof = api.post("optimize", raw).json["certificate"]
    assert proof["proven"]
    assert proof["relative_gap"] <= 0.03


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("more", [(), ("time_varying",)])
def test_a_least_spend_beside_interactions_is_bounded_in_little_work(
    api: Client, more: Names, seed: int
) -> None:
    raw = build(("interactions", "group_targets", "minimize_spend", *more), seed)
    raw["solver"] = {**raw["solver"], **QUICK}
    proof = api.post("optimize", raw).json["certificate"]
    assert proof["proven"]
    assert proof["relative_gap"] <= 0.5
