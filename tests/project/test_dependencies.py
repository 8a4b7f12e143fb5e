"""What the code imports, what is declared and what is explained are one list."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"benchmarks", "docs", "examples", "fsspec_db", "gateway", "tests"}
PROGRAMS = {
    "adbc-driver-flightsql",
    "adbc-driver-postgresql",
    "adbc-driver-sqlite",
    "aiohttp",
    "httptools",
    "maturin",
    "mypy",
    "psycopg",
    "pymysql",
    "pytest-timeout",
    "ruff",
    "tpchgen-cli",
    "uvloop",
}
"""Used without an import of ours: run as programs, or found by those who need them."""


def imported(*folders: str) -> set[str]:
    """The top-level packages that are imported at run time, but for the standard library and ours."""
    found: set[str] = set()
    for folder in folders:
        place = ROOT / folder
        files = [place] if place.is_file() else place.rglob("*.py")
        for file in files:
            if ".data" in file.parts:
                continue
            for node in _at_run_time(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    found.add(node.module.partition(".")[0])
    return {name.replace("_", "-") for name in found - sys.stdlib_module_names - OURS}


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _at_run_time(child)


def names(requirements: Iterable[Any]) -> set[str]:
    """The packages of a list of requirements, without its references to other lists."""
    return {re.split(r"[^A-Za-z0-9-]", line)[0] for line in requirements if isinstance(line, str)}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def declared(project: dict[str, Any]) -> set[str]:
    everything = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    return names(line for group in (*everything, *project["dependency-groups"].values()) for line in group)


def test_a_user_gets_what_the_packages_import_and_nothing_else(project: dict[str, Any]) -> None:
    needed = names(project["project"]["dependencies"])
    used = imported("fsspec_db", "gateway")
    extras = project["project"]["optional-dependencies"]
    for name, requirements in extras.items():
        for file in sorted(
            place
            for folder in ("fsspec_db/engines", "gateway/dav")
            for place in (ROOT / folder).glob(f"{name}*")
        ):
            found = imported(str(file.relative_to(ROOT)))
            assert found <= needed | names(requirements) | PROGRAMS, file
            used -= names(requirements) | PROGRAMS
    assert used <= needed
    assert needed - used <= PROGRAMS


def test_what_tests_and_benchmarks_import_is_declared(declared: set[str]) -> None:
    assert imported("tests", "benchmarks", "docs", "examples") <= declared


def test_nothing_is_declared_that_nobody_uses(declared: set[str]) -> None:
    used = imported("fsspec_db", "gateway", "tests", "benchmarks", "docs", "examples") | PROGRAMS
    assert declared <= used


def test_each_has_its_reason_in_the_documentation(declared: set[str]) -> None:
    reasons = ROOT.joinpath("docs", "dependencies.md").read_text("utf-8")
    assert [name for name in sorted(declared) if name not in reasons] == []


def test_each_crate_has_its_reason_in_the_documentation() -> None:
    manifest = tomllib.loads(ROOT.joinpath("bridge", "Cargo.toml").read_text("utf-8"))
    reasons = ROOT.joinpath("docs", "dependencies.md").read_text("utf-8")
    crates = {**manifest["dependencies"], **manifest["dev-dependencies"]}
    assert [name for name in sorted(crates) if name.removeprefix("arrow") not in reasons] == []


@pytest.mark.parametrize("lock", ["run", "dev", "bench"])
def test_a_lock_holds_hashes_and_no_address(lock: str) -> None:
    text = ROOT.joinpath("locks", f"{lock}.txt").read_text("utf-8")
    pins = re.findall(r"^[a-z0-9-]+==\S+(.*(?:\n    .*)*)", text, re.MULTILINE)
    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text


def test_each_lock_contains_the_one_before() -> None:
    run, dev, bench = (
        set(
            re.findall(
                r"^[a-z0-9-]+==\S+", ROOT.joinpath("locks", f"{lock}.txt").read_text("utf-8"), re.MULTILINE
            )
        )
        for lock in ("run", "dev", "bench")
    )
    assert run < dev < bench


def test_the_lock_holds_every_dependency(project: dict[str, Any]) -> None:
    pinned = ROOT.joinpath("locks", "run.txt").read_text("utf-8")
    missing = [name for name in names(project["project"]["dependencies"]) if f"{name}==" not in pinned]
    assert missing == []
