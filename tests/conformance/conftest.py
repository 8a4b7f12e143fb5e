"""Every test runs for each engine that has a harness: `-k sqlite` chooses one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.conformance.harness import TABLES, Database, Harness, fresh, harnesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        cases = [
            pytest.param(name, kind, id=f"{name}-{kind.title}")
            for name, harness in harnesses().items()
            for kind in harness.kinds
        ]
        metafunc.parametrize(("engine", "kind"), cases, indirect=["engine"])
    elif "hostile" in metafunc.fixturenames:
        cases = [
            pytest.param(name, statement, id=f"{name}-{statement[:60]}")
            for name, harness in harnesses().items()
            for statement in harness.hostile
        ]
        metafunc.parametrize(("engine", "hostile"), cases, indirect=["engine"])
    elif "mortal" in metafunc.fixturenames:
        served = [name for name, harness in harnesses().items() if harness.rests]
        metafunc.parametrize("mortal", served, indirect=True, scope="module")
    elif "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", harnesses(), indirect=True)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Harness]]:
    """Starts an engine when it is first asked for; all end with the session."""
    running: dict[str, Harness] = {}
    with ExitStack() as stack:

        def start(name: str) -> Harness:
            if name not in running:
                running[name] = stack.enter_context(harnesses()[name](tmp_path_factory.mktemp(name)))
            return running[name]

        yield start


@pytest.fixture
def engine(request: pytest.FixtureRequest, started: Callable[[str], Harness]) -> Harness:
    return started(request.param)


@pytest.fixture
def bare(engine: Harness) -> Iterator[Database]:
    """A new database without relations."""
    with fresh(engine) as database:
        yield database


@pytest.fixture
def db(bare: Database) -> Database:
    """A new database with `TABLES`."""
    bare.execute(TABLES)
    return bare
