"""The house stands: imports point down, nobody knows what is not theirs, and names are public.

The picture is in ``docs/architecture.md``. Everything is read from the source with ``ast``, imports
inside functions and under ``TYPE_CHECKING`` included: a floor is a matter of knowledge, not of when
a module is loaded.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS = {
    "errors": 0,
    "frequency": 0,
    "work": 0,
    "watch": 0,
    "figures": 0,
    "shapes": 1,
    "highs": 1,
    "curves": 1,
    "problem": 2,
    "history": 2,
    "store": 3,
    "uploads": 4,
    "solve": 5,
    "fit": 5,
    "plan": 6,
    "learn": 7,
    "report": 8,
    "service": 9,
    "api": 10,
}
HTTP = ("azure.functions", "http", "urllib.request", "urllib.error", "werkzeug", "requests")
IO = (
    "azure.storage",
    "azure.identity",
    "azure.core",
    "socket",
    "subprocess",
    "shutil",
    "tempfile",
    "pathlib",
    "glob",
    "sqlite3",
    "urllib.request",
    "http.client",
    "requests",
)
OPENS = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir"}
SLOW_TO_IMPORT = (
    "pandas",
    "openpyxl",
    "scipy",
    "sklearn",
    "azure.storage",
    "azure.identity",
    "azure.core",
    "holidays",
    "matplotlib",
    "PIL",
)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    files = [*(ROOT / "shared").rglob("*.py"), ROOT / "function_app.py"]
    return {name_of(path): path for path in sorted(files)}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(sources()[module].read_text("utf-8"))


@cache
def imports(module: str) -> tuple[tuple[str, str | None], ...]:
    """Each import anywhere in a module: what module, and which name of it (None for the module)."""
    return tuple(found_imports(module))


def found_imports(module: str) -> Iterator[tuple[str, str | None]]:
    package = module if sources()[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in sources():
                    yield inner, None
                else:
                    yield base, alias.name


def room(module: str) -> str:
    """``shared.store.blobs`` is in the room ``store``."""
    return module.split(".")[1] if module.startswith("shared.") else module


def below(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in prefixes)


OURS = sorted(sources())
SHARED = [module for module in OURS if module.startswith("shared.")]


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in SHARED} <= set(FLOORS)
    assert len(SHARED) > 10


@pytest.mark.parametrize("module", SHARED)
def test_imports_point_down(module: str) -> None:
    here = room(module)
    for target, _ in imports(module):
        assert not below(target, ("function_app", "local", "samples", "tests", "benchmarks"))
        there = room(target)
        if target.startswith("shared.") and there != here:
            assert FLOORS[there] < FLOORS[here], f"{module} imports {target}, which is not below it"


def test_solve_and_fit_do_not_know_each_other() -> None:
    known = {(room(m), room(target)) for m in SHARED for target, _ in imports(m)}
    assert ("solve", "fit") not in known
    assert ("fit", "solve") not in known
    assert ("plan", "solve") in known  # the test sees what there is to see


def reached(module: str) -> set[str]:
    """All modules of the project that ``module`` rests on, itself included."""
    seen: set[str] = set()
    left = [module]
    while left:
        here = left.pop()
        if here not in seen:
            seen.add(here)
            left += [target for target, _ in imports(here) if target in sources()]
    return seen


def test_the_certificate_rests_on_no_solver() -> None:
    """It may have modules of its own in the room, but none that a solver uses as well."""
    certificate = {m for m in reached("shared.solve.certify.certificate") if room(m) == "solve"}
    solver = {m for m in reached("shared.solve.one_budget.engine") if room(m) == "solve"}
    assert len(solver) > 3
    assert certificate & solver <= {"shared.solve"}  # the room itself, an empty package
    assert ast.unparse(tree("shared.solve")).count("import") == 0


CERTIFY = "shared.solve.certify"


@pytest.mark.parametrize("module", [m for m in SHARED if below(m, (CERTIFY,))])
def test_no_certificate_knows_a_solver(module: str) -> None:
    solve = {target for target, _ in imports(module) if below(target, ("shared.solve",))}
    assert {target for target in solve if not below(target, (CERTIFY,))} <= {"shared.solve"}


@pytest.mark.parametrize("module", [m for m in SHARED if room(m) != "api"])
def test_only_the_edge_knows_http_and_azure_functions(module: str) -> None:
    assert [t for t, _ in imports(module) if below(t, HTTP)] == []


# Opens the null device, and nothing else, to keep a library's remarks off the process's output.
SILENCER = "shared.highs"


@pytest.mark.parametrize("module", [m for m in SHARED if room(m) != "store" and m != SILENCER])
def test_only_the_store_does_io(module: str) -> None:
    assert [t for t, _ in imports(module) if below(t, IO)] == []
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            assert name not in OPENS, f"{module}:{node.lineno} calls {name}()"


def test_there_are_no_circles() -> None:
    graph = {m: {t for t, _ in imports(m) if t in sources() and t != m} for m in OURS}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        for target in sorted(graph[module]):
            visit(target, (*path, module))
        done.add(module)

    for module in OURS:
        visit(module, ())
    assert done == set(OURS)


@pytest.mark.parametrize("module", OURS)
def test_the_environment_is_not_read_at_import(module: str) -> None:
    """``os.environ`` may be used in functions only: settings differ between tests and hosts."""

    def at_import(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            yield child
            yield from at_import(child)

    for node in at_import(tree(module)):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"environ", "getenv"}, f"{module}:{node.lineno}"


@pytest.mark.parametrize("module", SHARED)
def test_public_names_exist_and_only_they_are_used_elsewhere(module: str) -> None:
    if sources()[module].name == "__init__.py":
        return
    loaded = importlib.import_module(module)
    public = getattr(loaded, "__all__", None)
    assert public, f"{module} has no __all__"
    assert len(set(public)) == len(public)
    for name in public:
        assert hasattr(loaded, name), f"{module} has no {name}"
        assert not name.startswith("_")
    for other in OURS:
        for target, name in imports(other):
            if target == module and other != module and name is not None:
                assert name in public, f"{other} imports {name}, which {module} does not export"


@pytest.mark.parametrize("module", OURS)
def test_a_module_is_named_for_what_it_does(module: str) -> None:
    lines = len(sources()[module].read_text("utf-8").splitlines())
    assert not {"utils", "helpers", "common", "misc"} & set(module.split("."))
    assert ast.get_docstring(tree(module)) or lines == 0, f"{module} does not say what it is for"


def test_a_cold_start_loads_nothing_slow() -> None:
    code = (
        "import sys, function_app; "
        f"print([m for m in sorted(sys.modules) for p in {SLOW_TO_IMPORT!r} "
        "if m == p or m.startswith(p + '.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
