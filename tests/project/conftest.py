from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fsspec_db.demo import demo_database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo database, made anew."""
    return demo_database(tmp_path_factory.mktemp("demo"))
