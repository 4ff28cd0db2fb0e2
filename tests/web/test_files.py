"""The page's own files over HTTP, and that the vendored bundle is what the sources make."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.app.client import Client

ROOT = Path(__file__).parent.parent.parent
WEB, BUNDLE = ROOT / "web", ROOT / "shared/dashboard"
MOST_BYTES = 300_000  # packed, all that a first visit loads


def named(shell: str) -> list[str]:
    return re.findall(r'(?:src|href)="(dashboard/[^"]+)"', shell)


def test_the_shell_holds_no_data_and_lets_nothing_else_in(api: Client) -> None:
    shell = api.get("dashboard")
    assert (shell.status, shell.media) == (200, "text/html")
    policy = dict(
        part.split(" ", 1) for part in shell.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert shell.headers["x-content-type-options"] == "nosniff"
    assert shell.headers["cache-control"] == "no-cache"
    assert not re.search(r"<style|style=|<script>|https?:", shell.body.decode())
    again = api.send("GET", "dashboard", headers={"If-None-Match": shell.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_files_are_named_by_their_content_and_kept_for_good(api: Client) -> None:
    shell = api.get("dashboard").body.decode()
    files = named(shell)
    assert {name.rpartition(".")[2] for name in files} == {"css", "js"}
    packed = len(gzip.compress(shell.encode()))
    for name in files:
        answer = api.get(name)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        packed += len(gzip.compress(answer.body, 5))
    assert packed < MOST_BYTES
    assert "echarts 6" in api.get("dashboard/licences.txt").body.decode()


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2Fservice.py", "%2e%2e%2fservice.py", ".hidden"]
)
def test_no_other_file_is_to_be_had(api: Client, name: str) -> None:
    assert api.get(f"dashboard/{name}").status == 404


def test_an_address_with_a_slash_leads_to_the_one_without(api: Client) -> None:
    assert api.get("dashboard/").headers["content-type"].startswith("text/html")


def test_the_bundle_is_what_the_sources_make(tmp_path: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not here: the bundle cannot be made anew")
    if not (WEB / "node_modules").exists():
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=WEB, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"npm ci could not install: {done.stderr.strip()[-200:]}")
    made = tmp_path / "made"
    subprocess.run(["node", "build.mjs", str(made)], cwd=WEB, check=True, env=dict(os.environ))
    assert {p.name: p.read_bytes() for p in made.iterdir()} == {
        p.name: p.read_bytes() for p in BUNDLE.iterdir()
    }


@pytest.mark.parametrize("step", ["types", "lint", "test"])
def test_the_sources_pass_their_own_checks(step: str) -> None:
    if not (WEB / "node_modules/.bin/tsc").exists():
        pytest.skip("npm ci did not run in web/")
    done = subprocess.run(
        ["npm", "run", "--silent", step], cwd=WEB, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
