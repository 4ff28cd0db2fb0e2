"""One budget over several datasets: closed forms, and optimize on the same channels merged."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import pytest

from shared.api.question_messages import PortfolioAnswer
from tests.app.client import Answer, Client
from tests.app.test_jobs import ended, later, without_id
from tests.test_readme import compare

Raw = dict[str, Any]
Curve = tuple[str, float, float]
"""A channel, the ceiling M and the rate r of its curve M (1 - exp(-r x))."""

Store = Callable[..., str]

PAGE = Path(__file__).parents[2] / "docs/contract.md"

RATE = 0.01
NOW = 50.0


@pytest.fixture
def store(api: Client) -> Iterator[Store]:
    """Stores curves as a dataset that nobody else uses, and answers its name."""
    names = list[str]()

    def stored(curves: Sequence[Curve], factors: Sequence[float] = (), **more: Any) -> str:
        names.append(f"test-{uuid.uuid4().hex[:12]}")
        head = "channel,family,max_response,rate"
        lines = [f"{n},exponential,{m},{r}" for n, m, r in curves]
        if factors:
            head += ",draw"
            lines = [
                f"{n},exponential,{m * f},{r},{s}"
                for s, f in enumerate(factors)
                for n, m, r in curves
            ]
        raw = {
            "format": "table",
            "table_csv": "\n".join([head, *lines]) + "\n",
            "outcome": "sales",
            "currency": "EUR",
            "promote": True,
            "channels": [
                {"channel": n, "current_spend": NOW, "observed_max": 400.0} for n, *_ in curves
            ],
        }
        answer = api.post(f"datasets/{names[-1]}/curves", raw | more)
        assert answer.status == 201, answer.body
        return names[-1]

    yield stored
    for name in names:
        api.send("DELETE", f"datasets/{name}")


def asked(api: Client, budget: float, *datasets: Mapping[str, Any], **more: Any) -> Raw:
    answer = api.post("portfolio", {"datasets": list(datasets), "budget": budget, **more})
    assert answer.status == 200, answer.body
    PortfolioAnswer.model_validate_json(answer.body)
    return answer.json


def spends(answer: Raw) -> list[float]:
    return [each["totals"]["spend"] for each in answer["datasets"]]


def test_marginal_worths_are_equal_at_the_best_split(api: Client, store: Store) -> None:
    one, two = store([("tv", 400.0, RATE)]), store([("tv", 100.0, RATE)], outcome="visits")
    weights = (1.0, 2.0)
    found = asked(
        api,
        300.0,
        {"dataset": one, "weight": weights[0]},
        {"dataset": two, "weight": weights[1]},
    )
    # w1 M1 r exp(-r x1) = w2 M2 r exp(-r x2)
    apart = log(weights[0] * 400.0 / (weights[1] * 100.0)) / RATE
    first = (300.0 + apart) / 2.0
    price = 400.0 * RATE * exp(-RATE * first)
    assert spends(found) == pytest.approx([first, 300.0 - first], rel=1e-4)
    assert [d["marginal_return"] for d in found["datasets"]] == pytest.approx([price] * 2, rel=1e-4)
    own = [400.0 * (1 - exp(-RATE * first)), 100.0 * (1 - exp(-RATE * (300.0 - first)))]
    assert [d["unweighted_outcome"] for d in found["datasets"]] == pytest.approx(own, rel=1e-4)
    best = own[0] + 2.0 * own[1]
    assert found["totals"]["outcome"] == pytest.approx(best, rel=1e-6)
    assert best * (1 - 1e-9) <= found["certificate"]["upper_bound"] <= best * (1 + 1e-5)
    today = [w * m * (1 - exp(-RATE * NOW)) for w, m in zip(weights, (400.0, 100.0), strict=True)]
    gains = [d["totals"]["uplift"] for d in found["datasets"]]
    assert gains == pytest.approx([own[0] - today[0], 2.0 * own[1] - today[1]], rel=1e-3)
    assert [d["outcome_unit"] for d in found["datasets"]] == ["sales", "visits"]
    assert found["datasets"][0]["allocation"][0]["channel"] == "tv"
    told = [s for s in found["explanation"] if s["code"] == "dataset"]
    assert [s["data"]["dataset"] for s in told] == [one, two]


def test_it_is_optimize_on_all_channels_and_each_datasets_own_best_plan(
    api: Client, store: Store
) -> None:
    curves = [
        [("tv", 400.0, 0.01), ("search", 150.0, 0.03)],
        [("tv", 250.0, 0.02), ("radio", 90.0, 0.05)],
        [("web", 300.0, 0.004)],
    ]
    names = [store(each) for each in curves]
    found = asked(api, 500.0, *({"dataset": name} for name in names))
    channels = [
        {
            "channel": f"{name}/{n}",
            "current_spend": NOW,
            "max_spend": 600.0,
            "response": {
                "saturation": {"family": "exponential", "max_response": m, "rate": r},
            },
        }
        for name, own in zip(names, curves, strict=True)
        for n, m, r in own
    ]
    whole = api.post("optimize", {"channels": channels, "budget": 500.0}).json
    rows = [row for each in found["datasets"] for row in each["allocation"]]
    assert [r["spend"] for r in rows] == pytest.approx([r["spend"] for r in whole["allocation"]])
    assert found["totals"]["outcome"] == pytest.approx(whole["totals"]["outcome"])
    for each in found["datasets"]:
        budget = each["totals"]["spend"]
        alone = api.post("optimize", {"dataset": each["dataset"], "budget": budget}).json
        assert each["totals"]["outcome"] == pytest.approx(alone["totals"]["outcome"], rel=1e-6)
        assert each["curves_version"] == alone["curves_version"]


def test_the_contracts_example_is_true(api: Client, store: Store) -> None:
    page = PAGE.read_text("utf-8").split("## One budget over several datasets")[1]
    blocks = re.findall(r"^```json\n(.*?)^```", page.split("\n## ")[0], re.M | re.S)
    names = {"brand-de": store([("tv", 400.0, RATE)]), "brand-at": store([("tv", 100.0, RATE)])}
    request, shown = (json.loads(_renamed(text, names)) for text in blocks)
    compare(shown, asked(api, request["budget"], *request["datasets"]))


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for told, real in names.items():
        text = text.replace(told, real)
    return text


def test_limits_of_a_dataset_are_held_and_told(api: Client, store: Store) -> None:
    one, two = store([("tv", 400.0, RATE), ("web", 300.0, RATE)]), store([("tv", 100.0, RATE)])
    plain = asked(api, 300.0, {"dataset": one}, {"dataset": two})
    assert spends(plain)[1] < 80.0
    least = asked(api, 300.0, {"dataset": one}, {"dataset": two, "min_spend": 120.0})
    assert spends(least) == pytest.approx([180.0, 120.0])
    assert least["totals"]["outcome"] < plain["totals"]["outcome"]
    assert any(two in price["name"] for price in least["shadow_prices"])
    most = asked(api, 300.0, {"dataset": one, "max_spend": 100.0}, {"dataset": two})
    assert spends(most) == pytest.approx([100.0, 200.0])
    # Within the first dataset, as ever: ln(400 / 300) / r apart.
    tv, web = (row["spend"] for row in most["datasets"][0]["allocation"])
    assert tv - web == pytest.approx(log(4 / 3) / RATE, rel=1e-3)
    raw = [{"dataset": one, "max_spend": 10.0}, {"dataset": two, "max_spend": 10.0}]
    refused = api.post("portfolio", {"datasets": raw, "budget": 300.0})
    assert refused.status == 422
    assert {one, two} <= {c["name"].partition(".")[0] for c in refused.json["conflicts"]}
    capped = asked(api, 300.0, *raw, spend_all=False)
    assert spends(capped) == pytest.approx([10.0, 10.0])


def test_draws_of_different_fits_keep_their_means(api: Client, store: Store) -> None:
    factors = [0.5 + s / 39 for s in range(40)]  # of mean 1
    one = store([("tv", 400.0, RATE)], factors)
    two, three = store([("tv", 100.0, RATE)], factors[::2]), store([("tv", 100.0, RATE)])
    found = asked(api, 300.0, {"dataset": one}, {"dataset": three})
    apart = log(4.0) / RATE
    assert spends(found) == pytest.approx([(300 + apart) / 2, (300 - apart) / 2], rel=1e-3)
    low, high = found["datasets"][0]["totals"]["outcome_interval"]
    brings = found["datasets"][0]["totals"]["outcome"]
    assert (low / brings, high / brings) == pytest.approx((0.55, 1.45))  # 5 % and 95 % of factors
    assert "no_draws" in [w["code"] for w in found["warnings"]]
    mean = sum(factors[::2]) / 20
    found = asked(api, 300.0, {"dataset": one}, {"dataset": two})
    apart = log(4.0 / mean) / RATE
    assert spends(found) == pytest.approx([(300 + apart) / 2, (300 - apart) / 2], rel=1e-3)
    odd = store([("tv", 100.0, RATE)], factors[:30])
    raw = {"datasets": [{"dataset": one}, {"dataset": odd}], "budget": 300.0}
    assert refusals(api.post("portfolio", raw)) == {"/datasets/1/curves_version": "unequal_draws"}


def refusals(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.body
    return {error["pointer"]: error["code"] for error in answer.json["errors"]}


def test_what_does_not_go_together_is_refused_at_its_place(api: Client, store: Store) -> None:
    curve = [("tv", 100.0, RATE)]
    one, visits = store(curve), store(curve, outcome="visits")
    dollars, months = store(curve, currency="USD"), store(curve, frequency="month")

    def told(*datasets: Raw, **more: Any) -> dict[str, str]:
        raw = {"datasets": list(datasets), "budget": 100.0, **more}
        return refusals(api.post("portfolio", raw))

    first = {"dataset": one}
    assert told(first, {"dataset": visits}) == {"/datasets/1/weight": "required"}
    assert told(first, {"dataset": visits, "weight": 2.0}) == {"/datasets/0/weight": "required"}
    assert told(first, {"dataset": dollars}) == {"/datasets/1/dataset": "contradiction"}
    assert told(first, {"dataset": months}) == {"/datasets/1/dataset": "contradiction"}
    assert told(first, first) == {"/datasets/1/dataset": "duplicate"}
    assert told(first, {"dataset": "nobody-has-this"}) == {"/datasets/1/dataset": "unknown_dataset"}
    assert told({**first, "curves_version": "v9"}) == {
        "/datasets/0/curves_version": "unknown_version"
    }
    assert told({"dataset": "UPPER"}).keys() == {"/datasets/0/dataset"}
    assert told({**first, "min_spend": 9, "max_spend": 3}) == {
        "/datasets/0/max_spend": "contradiction"
    }
    assert "/datasets/0/weight" in told({**first, "weight": 0})
    assert "/datasets" in told()
    assert "/datasets" in told(*({"dataset": f"d{i}"} for i in range(201)))


def test_a_portfolio_as_a_job_is_the_same_answer(api: Client, store: Store) -> None:
    raw = {
        "datasets": [
            {"dataset": store([("tv", 400.0, RATE)])},
            {"dataset": store([("tv", 100.0, RATE)])},
        ],
        "budget": 300.0,
    }
    answer = later(api, "portfolio", raw)
    assert answer.status == 202, answer.body
    job, now = ended(api, answer), api.post("portfolio", raw)
    assert now.status == 200, now.body
    assert without_id(job["output"]) == without_id(now.json)
