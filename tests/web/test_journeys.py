"""A planner's journeys through the page, in a real browser over the real service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from samples.simulate import Simulated, simulate
from tests.app.client import Client
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

Open = Callable[..., "BrowserContext"]

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
KNOWN = "#media-outcome:not(:text-is('–'))"


def planned(page: Page) -> None:
    """Waits until the exact answer to what is asked now is painted."""
    page.wait_for_selector(KNOWN)
    page.wait_for_selector("dl.cards[aria-busy=false]")


def shown(page: Page) -> float:
    return float(page.locator("#media-outcome").inner_text().replace(",", ""))


def answered(api: Client, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.post("optimize", {"dataset": "brand", **asked}).json
    return answer


@pytest.fixture(scope="module")
def sampled(api: Client, chromium: Any, small: Simulated) -> None:
    """The sample, loaded by the page's own button; small here, for it is fitted on the spot."""
    context = chromium.new_context()
    page = context.new_page()

    def sample(route: Route) -> None:
        kind = route.request.url.rpartition(".")[2]
        route.fulfill(body=small.csv if kind == "csv" else json.dumps(small.spec))

    page.route("**/dashboard/sample-*", sample)
    page.goto(f"{api.base}/dashboard")
    page.get_by_text("Nothing is stored yet").wait_for()
    page.get_by_role("button", name="Load the sample").click()
    page.wait_for_selector(KNOWN, timeout=120_000)
    context.close()


pytestmark = pytest.mark.usefixtures("sampled")


def test_plan_lock_own_split_compare_and_share(api: Client, opened: Open) -> None:
    page = opened(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{api.base}/dashboard#dataset=brand")
    planned(page)
    detail = api.get("datasets/brand").json
    today = sum(row["current_spend"] for row in detail["channels"])
    first = detail["channels"][0]["channel"]
    spoken = first.replace("_", " ")
    best = answered(api, budget=round(today))
    assert shown(page) == round(best["totals"]["outcome"])
    # The verdict comes before any number.
    text = page.locator("main").inner_text()
    assert 0 <= text.index("Trust") < text.index("by media")
    for item in (*best["explanation"], *best["warnings"]):
        assert item.get("text", item.get("message")) in text

    budget = page.get_by_role("textbox", name="Budget, ")
    budget.fill("60,000")
    budget.press("Enter")
    page.get_by_role("checkbox", name=f"lock {spoken}").check()
    planned(page)
    locked = answered(api, budget=60_000, channels=[{"channel": first, "locked": True}])
    page.wait_for_function(
        "text => document.getElementById('media-outcome').textContent === text",
        arg=f"{round(locked['totals']['outcome']):,}",
    )
    page.get_by_role("button", name="Keep this plan").click()

    page.get_by_role("checkbox", name=f"lock {spoken}").uncheck()
    own = page.get_by_role("textbox", name="own spend").first
    own.fill("10000")
    own.press("Enter")
    page.get_by_text("Your own split").wait_for()
    planned(page)
    plan = [
        {"channel": row["channel"], "spend": row["current_spend"]} for row in detail["channels"]
    ]
    plan[0]["spend"] = 10_000
    scored = api.post("evaluate", {"problem": {"dataset": "brand", "budget": 60_000}, "plan": plan})
    told = f"{round(scored.json['totals']['outcome']):,}"
    page.get_by_text(f"bring {told}").wait_for()
    page.get_by_role("button", name="Keep this plan").click()

    page.get_by_role("button", name="Compare").click()
    totals = page.get_by_role("region", name="Totals").last
    totals.get_by_role("row", name="by media").wait_for()
    assert f"{round(locked['totals']['outcome']):,}" in totals.inner_text()
    assert told in totals.inner_text()
    with page.expect_download() as got:
        page.get_by_role("button", name="CSV").click()
    assert Path(got.value.path()).read_text("utf-8").startswith("channel,Plan A")
    with page.expect_download() as got:
        page.get_by_role("button", name="Excel").click()
    assert Path(got.value.path()).read_bytes().startswith(b"PK")

    # The address says it all to another browser, and no key.
    other = opened().new_page()
    other.goto(page.url)
    other.get_by_role("region", name="Totals").last.get_by_role("row", name="by media").wait_for()
    assert other.get_by_role("region", name="Totals").last.inner_text() == totals.inner_text()


def test_a_moved_slider_paints_a_preview_and_then_the_exact_answer(
    api: Client, opened: Open
) -> None:
    page = opened(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{api.base}/dashboard#dataset=brand")
    planned(page)
    page.get_by_role("img", name="Best revenue by budget").wait_for()
    # The answer is held back, so that the preview stays to be looked at.
    held: list[Route] = []
    holding = True
    page.route("**/optimize", lambda route: held.append(route) if holding else route.continue_())
    slider = page.get_by_role("slider", name="Budget")
    before = shown(page)
    slider.focus()
    for _ in range(12):
        slider.press("ArrowLeft")
    page.get_by_text("preview", exact=True).first.wait_for()
    assert shown(page) < before
    page.wait_for_timeout(400)  # the pause after which it asks
    holding = False
    for route in held:
        route.continue_()
    page.get_by_text("preview", exact=True).first.wait_for(state="detached")
    planned(page)
    assert shown(page) == round(
        answered(api, budget=float(slider.input_value()))["totals"]["outcome"]
    )


def test_what_cannot_hold_is_told_beside_its_fields(api: Client, opened: Open) -> None:
    page = opened().new_page()
    first = api.get("datasets/brand").json["channels"][0]["channel"]
    page.goto(f"{api.base}/dashboard#dataset=brand&budget=1000&c.{first}=900000~950000~~")
    fault = page.get_by_text(f"{first}.min_spend asks for at least 900,000")
    fault.first.wait_for()
    floor = page.get_by_role("textbox", name="floor").first
    assert floor.get_attribute("aria-invalid") == "true"
    assert "900,000" in page.locator(f"#{floor.get_attribute('aria-describedby')}").inner_text()
    floor.fill("12..5")
    floor.press("Enter")
    page.get_by_text("Write an amount").wait_for()


def test_a_wrong_file_is_mended_its_fit_refused_and_curves_rolled_back(
    api: Client, opened: Open
) -> None:
    # Too little to be fitted: the gate refuses it, and the page says why.
    thin = simulate(seed=3, weeks=60, channels=2)
    page = opened(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{api.base}/dashboard#view=data&dataset=brand")
    head, _, rows = thin.csv.partition("\n")
    page.get_by_label("Dataset to store it in").fill("mended")
    page.get_by_label("History file").set_input_files(
        {
            "name": "Export 2025.csv",
            "mimeType": "text/csv",
            "buffer": f"{head.replace('spend_', 'paid ')}\n{rows}".encode(),
        }
    )
    page.get_by_text("The file cannot be read yet").wait_for()
    for column in head.split(","):
        if column.startswith("spend_"):
            page.get_by_role("checkbox", name=column.replace("spend_", "paid ")).check()
    page.get_by_role("button", name="Settle and read again").click()
    page.get_by_text("Stored: 60 rows").wait_for()
    page.get_by_role("button", name="Refit").click()
    page.get_by_role("cell", name="not taken").wait_for(timeout=120_000)
    (run,) = api.get("datasets/mended/runs").json["runs"]
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_text("There are no curves to plan with").wait_for()
    assert run["reasons"][0] in page.locator("main").inner_text()

    curves = api.get("datasets/brand/curves").json
    brought = {"format": "curve_set", "curve_set": curves, "promote": True}
    first, second = (api.post("datasets/mended/curves", brought).json["version"] for _ in "ab")
    page.goto(f"{api.base}/dashboard#view=data&dataset=mended")
    page.reload()
    # The newest but the current one; below it is what the gate refused.
    page.get_by_role("button", name="Roll back to this").first.click()
    until(lambda: api.get("datasets/mended").json["curves_version"] == first)
    assert first != second


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "asks for a key"), (503, "Storage does not answer"), (None, "does not answer")],
)
def test_states_that_a_service_may_be_in(
    api: Client, opened: Open, status: int | None, says: str
) -> None:
    page = opened().new_page()
    problem = {"title": "Storage does not answer", "status": status, "detail": "Try again."}

    def refuse(route: Route) -> None:
        if "x-functions-key" in route.request.headers:
            route.continue_()
        elif status is None:
            route.abort()
        else:
            route.fulfill(status=status, body=json.dumps(problem))

    page.route("**/datasets", refuse)
    page.goto(f"{api.base}/dashboard")
    page.get_by_text(says).first.wait_for()
    if status == 401:
        page.get_by_label("Function key").fill("a-secret")
        page.get_by_role("button", name="Open").click()
        planned(page)
        assert "a-secret" not in page.url
    else:
        page.unroute("**/datasets")
        page.get_by_role("button", name="Try again").click()
        planned(page)


def test_a_dataset_that_is_not_there_offers_the_way_on(api: Client, opened: Open) -> None:
    page = opened().new_page()
    page.goto(f"{api.base}/dashboard#dataset=nobody")
    page.get_by_text("There is no dataset nobody").wait_for()
    page.get_by_role("button", name="Show what there is").click()
    planned(page)


@pytest.mark.parametrize(
    ("view", "scheme"),
    [
        ("plan", "light"),
        ("plan", "dark"),
        ("compare", "light"),
        ("data", "dark"),
        ("test", "light"),
    ],
)
def test_nothing_serious_is_in_the_way_of_anybody(
    api: Client, opened: Open, view: str, scheme: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in web/")
    page = opened(
        viewport={"width": 390, "height": 844}, color_scheme=scheme, bypass_csp=True
    ).new_page()
    kept = "&kept=name%3DA%26budget%3D50000&kept=name%3DB%26budget%3D60000"
    page.goto(f"{api.base}/dashboard#view={view}&dataset=brand{kept}")
    ready = {
        "plan": KNOWN,
        "compare": "caption >> text=Totals",
        "data": "text=Trust, in its parts",
    }
    page.wait_for_selector(ready.get(view, "text=Designs"), state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.add_script_tag(path=AXE)
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [
        (rule["id"], [node["target"] for node in rule["nodes"]][:5])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ] == []
