"""A data version of PostgreSQL moves whenever rows may have changed; where it could not, there is none."""

from __future__ import annotations

import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fsspec_db import connect
from tests.postgres import Postgres, binaries

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def test_what_the_server_does_not_keep_has_no_version(server: Postgres) -> None:
    server.sql("""
        CREATE TABLE t (n int); CREATE TABLE secured (n int); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
        CREATE MATERIALIZED VIEW kept AS SELECT n FROM t; CREATE VIEW clock AS SELECT now();
        CREATE TABLE cut (n int) PARTITION BY LIST (n); CREATE TABLE cut_1 PARTITION OF cut FOR VALUES IN (1);
        CREATE TABLE far (line text) PARTITION BY LIST (line);
        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE file (line text) SERVER files OPTIONS (filename '/etc/hostname');
        CREATE FOREIGN TABLE far_1 PARTITION OF far DEFAULT SERVER files
            OPTIONS (filename '/etc/hostname')""")
    with closing(connect(server.url)) as fs:

        def version(relation: str) -> str | None:
            return fs.bridge.data_version(f"/{relation}.csv")

        for relation in ("public/t", "public/kept", "public/cut", "public/cut_1"):
            assert version(relation), relation
        for relation in ("file", "far", "far_1", "clock", "secured"):
            assert version(f"public/{relation}") is None, relation
        for relation in ("pg_catalog/pg_sequences", "pg_catalog/pg_class", "information_schema/sql_features"):
            assert version(relation) is None, relation


def test_on_a_standby_it_moves_with_what_is_replayed(server: Postgres) -> None:
    server.sql("CREATE TABLE replayed (n int)")
    psql = [str((binaries() or server.folder) / "psql"), server.url, "-X", "-q"]
    with (
        server.standby() as url,
        closing(connect(url)) as fs,
        subprocess.Popen(psql, stdin=subprocess.PIPE, text=True) as older,
        subprocess.Popen(psql, stdin=subprocess.PIPE, text=True) as other,
    ):

        def seen() -> bytes:
            return fs.cat_file("/public/replayed.csv?order=n")

        def until(rows: bytes) -> None:
            deadline = time.monotonic() + 20
            while seen() != rows:
                assert time.monotonic() < deadline, "it was not replayed"
                time.sleep(0.05)

        # Two transactions are open when a later one ends; then one of them ends.
        for session, number in ((older, 100), (other, 200)):
            assert session.stdin
            session.stdin.write(f"BEGIN; INSERT INTO replayed VALUES ({number});\n")
            session.stdin.flush()
            open_now = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
            while int(server.sql(open_now)) < number // 100:
                time.sleep(0.05)
        server.sql("INSERT INTO replayed VALUES (3)")
        until(b"n\r\n3\r\n")
        before = fs.bridge.data_version("/public/replayed.csv")
        assert before
        assert other.stdin
        other.stdin.write("COMMIT;\n")
        other.stdin.flush()
        until(b"n\r\n3\r\n200\r\n")
        assert fs.bridge.data_version("/public/replayed.csv") not in {before, None}
        for session in (older, other):
            assert session.stdin
            session.stdin.close()
