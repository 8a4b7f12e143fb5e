"""Imports run one way, as `docs/architecture.md` draws them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import fsspec_db

ROOT = Path(__file__).parents[2]


def floors() -> list[set[str]]:
    """The modules of the bridge on each floor, the lowest first."""
    table = (
        ROOT.joinpath("docs", "architecture.md")
        .read_text("utf-8")
        .partition("| floor |")[2]
        .partition("\n\n")[0]
    )
    rows = [line.split("|")[2] for line in table.splitlines()[2:]]
    return [set(re.findall(r"`(\w+)`", row)) for row in reversed(rows)]


def imports_of_bridge() -> set[tuple[str, str]]:
    """Pairs of modules of the bridge: who imports whom, tests aside."""
    source = ROOT / "bridge" / "src"
    found = set()
    for file in source.rglob("*.rs"):
        parts = file.relative_to(source).parts
        module = parts[0].removesuffix(".rs")
        if module != "lib" and "tests" not in parts and file.name != "tests.rs":
            code = file.read_text("utf-8").partition("#[cfg(test)]")[0]
            code = re.sub(r"//.*", "", code)
            found |= {(module, name) for name in re.findall(r"\bcrate::(\w+)", code) if name != module}
    return found


def test_every_module_of_the_bridge_is_on_a_floor() -> None:
    modules = set(
        re.findall(r"^(?:pub )?mod (\w+);", ROOT.joinpath("bridge/src/lib.rs").read_text(), re.MULTILINE)
    )
    assert modules == set().union(*floors())


def test_a_module_of_the_bridge_imports_from_the_floors_below() -> None:
    level = {module: height for height, modules in enumerate(floors()) for module in modules}
    edges = imports_of_bridge()
    assert len(edges) > 20
    assert [edge for edge in sorted(edges) if level[edge[1]] >= level[edge[0]]] == []


def imports_of(package: str) -> set[tuple[str, str, str]]:
    """File, module and name of each import of ours in a package."""
    found = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {(file.name, node.module, alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {(file.name, alias.name, "") for alias in node.names}
    return {
        (file, module, name)
        for file, module, name in found
        if module.split(".")[0] in {"fsspec_db", "gateway"}
    }


def test_the_gateway_imports_public_names_of_the_library() -> None:
    public = set(fsspec_db.__all__)
    foreign = {edge for edge in imports_of("gateway") if edge[1].startswith("fsspec_db")}
    allowed = {edge for edge in foreign if edge[1] == "fsspec_db" and edge[2] in public}
    assert foreign - allowed == {("demo.py", "fsspec_db.demo", "demo_database")}


def test_the_library_knows_no_gateway() -> None:
    assert [edge for edge in imports_of("fsspec_db") if edge[1].startswith("gateway")] == []


def test_the_gateway_speaks_no_sql() -> None:
    for file in (ROOT / "gateway").rglob("*.py"):
        assert not re.search(r'["\'](SELECT|INSERT|DELETE|UPDATE|CREATE|DROP) ', file.read_text("utf-8")), (
            file
        )
