from __future__ import annotations

import os
import shutil
import signal

import pytest


def pytest_configure() -> None:
    """Lets Ctrl-C end what it meets, also where a shell that runs tests in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose client is not installed; where clients are required, it fails."""
    for mark in item.iter_markers("client"):
        for program in mark.args:
            if shutil.which(program) is None:
                missing = f"{program} is not installed"
                if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS") == "1":
                    pytest.fail(missing)
                pytest.skip(missing)
