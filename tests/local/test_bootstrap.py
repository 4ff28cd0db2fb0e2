"""The shell part of ./run and ./check: which Python is taken, and when nothing is to be done."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent.parent
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not installed")


def shell(root: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Source the bootstrap with ``root`` as the project, then run ``script``."""
    return subprocess.run(
        [
            str(BASH),
            "-c",
            f'set -euo pipefail\nroot={root}\n. "{ROOT}/local/bootstrap.sh"\n{script}',
        ],
        env={"HOME": str(root), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def interpreter(path: Path, minor: int | None) -> Path:
    """A stand-in that says which Python it is; None is a pyenv shim of a version not selected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + ("exit 127\n" if minor is None else f"echo {minor}\n"))
    path.chmod(0o755)
    return path


def tools(folder: Path, *names: str) -> Path:
    """A PATH with nothing but the named system tools."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def test_a_shim_that_does_not_start_is_passed_over_for_pyenv(tmp_path: Path) -> None:
    shims = tools(tmp_path / "bin", "cat")
    interpreter(shims / "python3.13", None)
    interpreter(shims / "python3", 11)
    wanted = interpreter(tmp_path / "pyenv/versions/3.13.2/bin/python3", 13)
    found = shell(
        tmp_path, "find_python", PATH=str(shims), PYENV_ROOT=str(tmp_path / "pyenv")
    ).stdout
    assert found == str(wanted)


def test_the_pyenv_of_the_home_directory_is_found_without_a_setting(tmp_path: Path) -> None:
    wanted = interpreter(tmp_path / ".pyenv/versions/3.12.9/bin/python3", 12)
    empty = tools(tmp_path / "bin", "cat")
    assert shell(tmp_path, "find_python", PATH=str(empty)).stdout == str(wanted)


def test_uv_knows_of_a_python(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "cat")
    wanted = interpreter(tmp_path / "uv/python3.13", 13)
    uv = path / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$4" = 3.13 ] && echo {wanted}\n')
    uv.chmod(0o755)
    assert shell(tmp_path, "find_python", PATH=str(path)).stdout == str(wanted)


@pytest.mark.parametrize(("minors", "taken"), [((10, 14), None), ((10, 12), 12), ((11,), 11)])
def test_only_the_versions_that_the_product_runs_on(
    tmp_path: Path, minors: tuple[int, ...], taken: int | None
) -> None:
    path = tools(tmp_path / "bin", "cat")
    for minor, name in zip(minors, ("python3", "python"), strict=False):
        interpreter(path / name, minor)
    found = shell(tmp_path, "find_python", PATH=str(path)).stdout
    assert (interpreter_minor(found) if found else None) == taken


def interpreter_minor(path: str) -> int:
    return int(subprocess.run([path], capture_output=True, text=True, check=True).stdout)


def test_without_any_python_it_says_what_to_do(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy\n")
    path = tools(tmp_path / "bin", "cat", "cksum", "tr", "rm")
    done = shell(tmp_path, f'ensure_python run "{requirements}"', PATH=str(path))
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "uv python install 3.13" in done.stderr


def test_nothing_is_installed_twice_and_a_changed_list_is_installed_again(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy\n")
    # An environment whose pip notes that it was called.
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo 13 && exit\necho "$@" >> {tmp_path}/pip\n')
    python.chmod(0o755)
    for _ in range(2):
        assert shell(tmp_path, f'ensure_python run "{requirements}"').returncode == 0
    assert len((tmp_path / "pip").read_text().splitlines()) == 1
    requirements.write_text("numpy\nscipy\n")
    assert shell(tmp_path, f'ensure_python run "{requirements}"').returncode == 0
    assert len((tmp_path / "pip").read_text().splitlines()) == 2


def test_a_failed_installation_is_told_and_tried_again(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy\n")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && echo 13 && exit\necho "ERROR: no network"\nexit 1\n'
    )
    python.chmod(0o755)
    for _ in range(2):
        done = shell(tmp_path, f'ensure_python run "{requirements}"')
        assert done.returncode == 1
        assert "ERROR: no network" in done.stderr
        assert "HTTPS_PROXY" in done.stderr


def test_without_node_azurite_is_left_out_quietly(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "cat")
    done = shell(tmp_path, "ensure_azurite", PATH=str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_failing_npm_does_not_stop_the_start(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "cat", "mkdir")
    for name, code in (("node", 0), ("npm", 1)):
        (path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (path / name).chmod(0o755)
    done = shell(tmp_path, "ensure_azurite", PATH=str(path))
    assert done.returncode == 0
    assert "in-process store is used instead" in done.stderr


@pytest.mark.parametrize("script", ["run", "check", ".ci/run"])
def test_the_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert subprocess.run([str(BASH), "-n", str(path)], check=False).returncode == 0
