"""ODBC drivers that must be installed."""

from __future__ import annotations

import os

import pytest


def needs(driver: str) -> None:
    """Skips the test where unixODBC knows no such driver."""
    pyodbc = pytest.importorskip("pyodbc")
    if any(driver.lower() == name.lower() for name in pyodbc.drivers()):
        return
    missing = f"there is no ODBC driver {driver!r}"
    if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
        pytest.fail(missing)
    pytest.skip(missing)
