"""The contract page names every route of the app and every family of curves, and no other."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

from shared.api.endpoints import ENDPOINTS
from shared.curves.family import LARGEST, Range, Saturation
from shared.curves.saturation import FAMILIES

ROOT = Path(__file__).parent.parent


def test_the_contract_page_lists_the_apps_routes() -> None:
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    listed = {
        (method, path.strip("/"))
        for method, path in re.findall(r"^\| `([A-Z]+) (/[^`]*)`", page, re.MULTILINE)
    }
    assert listed == {(endpoint.method, endpoint.route) for endpoint in ENDPOINTS}


def _ends(allowed: Range) -> str:
    if allowed.above is not None and allowed.most < LARGEST:
        return f" in ({allowed.above:g}, {allowed.most:g}]"
    if allowed.above is not None:
        return f" > {allowed.above:g}"
    return "" if allowed.at_least is None else f" ≥ {allowed.at_least:g}"


def _row(family: type[Saturation]) -> str:
    parts = []
    for item in fields(family):  # type: ignore[arg-type]
        allowed = item.metadata["range"]
        part = f"`{item.name}`" + (" [...]" if allowed.count else "") + _ends(allowed)
        parts.append(part if item.default is MISSING else f"{part} ({item.default:g})")
    return f"| `{family.family}` | {', '.join(parts)} | {family.formula} |"


def test_the_contract_page_lists_the_families_of_curves() -> None:
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    table = page.split("| `family` | parameters | formula |\n| --- | --- | --- |\n")[1]
    assert table.split("\n\n")[0].splitlines() == [_row(family) for family in FAMILIES.values()]
