"""The README's pictures of the page with the real sample: ``MARGINAL_PICTURES=1`` makes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PICTURES = Path(__file__).parent.parent.parent / "docs/pictures"


@pytest.mark.skipif(
    not os.environ.get("MARGINAL_PICTURES"), reason="a fit of the whole sample: MARGINAL_PICTURES=1"
)
def test_the_readmes_pictures(api: Client, opened: Callable[..., BrowserContext]) -> None:
    day = opened(viewport={"width": 1440, "height": 1000}, device_scale_factor=1)
    page = day.new_page()
    page.goto(f"{api.base}/dashboard")
    page.get_by_role("button", name="Load the sample").click()
    page.get_by_role("img", name="Spend by channel over 13 periods").first.wait_for(timeout=300_000)
    page.get_by_role("img", name="Best revenue by budget").wait_for()
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / "plan.png")
    night = opened(viewport={"width": 1440, "height": 1000}, color_scheme="dark").new_page()
    kept = (
        "&kept=name%3DAs%2Btoday%26budget%3D421292&kept=name%3DA%2Btenth%2Bmore%26budget%3D463421"
    )
    night.goto(f"{api.base}/dashboard#view=compare&dataset=brand{kept}%26keep%3D1")
    night.locator("caption", has_text="Totals").wait_for()
    night.screenshot(path=PICTURES / "compare.png")
    if shots := os.environ.get("MARGINAL_SHOTS"):  # to be looked at
        for view in ("plan", "compare", "data", "test"):
            for width in (390, 768, 1440, 1920):
                night.set_viewport_size({"width": width, "height": 900})
                night.goto(f"{api.base}/dashboard#view={view}&dataset=brand{kept}")
                night.wait_for_timeout(9000 if view == "plan" else 2500)
                night.emulate_media(color_scheme="dark" if width in (768, 1920) else "light")
                night.wait_for_timeout(500)
                night.screenshot(path=Path(shots) / f"{view}{width}.png", full_page=True)
