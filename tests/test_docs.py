"""The contract page names every route of the app, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from local.host import app_functions

ROOT = Path(__file__).parent.parent


def test_the_contract_page_lists_the_apps_routes() -> None:
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    listed = {
        (method, path.strip("/"))
        for method, path in re.findall(r"^\| `([A-Z]+) (/[^`]*)`", page, re.MULTILINE)
    }
    real = set()
    for function in app_functions():
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            real |= {(str(getattr(m, "value", m)), trigger["route"]) for m in trigger["methods"]}
    assert listed == real
