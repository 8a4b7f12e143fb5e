from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.clients.drive import Drive, driving
from tests.nginx import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """A drive of the test's own."""
    folder = tmp_path / "drive"
    folder.mkdir()
    with driving(folder) as one:
        yield one


@pytest.fixture(scope="module")
def shared_drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    """A drive for all tests of a module that touch nothing but scratch files."""
    with driving(tmp_path_factory.mktemp("drive")) as one:
        yield one


@pytest.fixture
def fuse() -> None:
    """Skips a test where nothing can be mounted; fails it where that must be possible."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        missing("/dev/fuse is not there for this user")
    if shutil.which("fusermount") is None:
        missing("fusermount is not installed")
