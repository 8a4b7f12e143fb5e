"""A data version of PostgreSQL moves whenever rows may have changed; where it could not, there is none."""

from __future__ import annotations

import subprocess
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from fsspec_db import connect
from tests.postgres import Postgres, binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec_db import DatabaseFileSystem


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def read(fs: DatabaseFileSystem, relation: str, shape: str = "") -> tuple[str | None, bytes]:
    with fs.bridge.read(f"/{relation}.arrow", shape) as stream:
        body = stream.read_all()
        return stream.version, body


@contextmanager
def transaction(server: Postgres, *statements: str) -> Iterator[None]:
    """One that stays open for the time of a block."""
    psql = [str((binaries() or server.folder) / "psql"), server.url, "-X", "-q", "-A", "-t"]
    with subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write(";".join(("BEGIN", *statements, "SELECT 'there'")) + ";\n")
        session.stdin.flush()
        while session.stdout.readline() != "there\n":
            assert session.poll() is None
        yield
        session.stdin.close()


def test_what_the_server_does_not_keep_has_no_version(server: Postgres) -> None:
    server.sql("""
        CREATE TABLE t (n int); CREATE TABLE secured (n int); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
        CREATE MATERIALIZED VIEW kept AS SELECT n FROM t; CREATE VIEW clock AS SELECT now();
        CREATE TABLE cut (n int) PARTITION BY LIST (n); CREATE TABLE cut_1 PARTITION OF cut FOR VALUES IN (1);
        CREATE UNLOGGED TABLE crashes (n int); CREATE TABLE half (n int PRIMARY KEY);
        CREATE TABLE heir (m int) INHERITS (t);
        CREATE TABLE far (line text) PARTITION BY LIST (line);
        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE file (line text) SERVER files OPTIONS (filename '/etc/hostname');
        CREATE FOREIGN TABLE far_1 PARTITION OF far DEFAULT SERVER files
            OPTIONS (filename '/etc/hostname')""")
    with closing(connect(server.url)) as fs:

        def version(relation: str) -> str | None:
            return fs.bridge.data_version(f"/{relation}.csv")

        for relation in ("public/t", "public/heir", "public/cut", "public/cut_1"):
            assert any(version(relation) == read(fs, relation)[0] != None for _ in range(10)), relation  # noqa: E711
        for relation in ("file", "far", "far_1", "clock", "secured", "crashes", "kept"):
            assert version(f"public/{relation}") is None, relation
            assert read(fs, f"public/{relation}")[0] is None, relation
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

        def version() -> str:
            # None while something is received that is not replayed yet.
            deadline = time.monotonic() + 20
            while (told := fs.data_version("/public/replayed.csv")) is None:
                assert time.monotonic() < deadline, "it is never at rest"
                time.sleep(0.05)
            return told

        before = version()
        assert any(read(fs, "public/replayed")[0] == version() for _ in range(20))
        assert other.stdin
        other.stdin.write("COMMIT;\n")
        other.stdin.flush()
        until(b"n\r\n3\r\n200\r\n")
        assert version() != before
        for session in (older, other):
            assert session.stdin
            session.stdin.close()


def test_who_may_not_hold_a_table_gets_no_version(server: Postgres) -> None:
    server.sql("""
        CREATE TABLE held (n int, m int); INSERT INTO held VALUES (1, 2);
        CREATE ROLE partial LOGIN; GRANT SELECT (n) ON held TO partial""")
    with closing(connect(server.url.replace("postgres@", "partial@"))) as fs:
        assert fs.cat_file("/public/held.csv?columns=n") == b"n\r\n1\r\n"
        assert read(fs, "public/held", "columns=n")[0] is None
        assert fs.data_version("/public/held.csv") is None


@pytest.mark.parametrize("pages", [250, 600])
def test_rows_that_are_not_committed_change_no_byte(server: Postgres, pages: int) -> None:
    """Also where the file grows by them, so that it is read in more ranges."""
    rows = pages * 226  # of 36 bytes to a page
    server.sql(f"""
        DROP TABLE IF EXISTS grows; CREATE TABLE grows (n int, m int);
        ALTER TABLE grows SET (autovacuum_enabled = off);
        INSERT INTO grows SELECT i, 0 FROM generate_series(1, {rows}) i""")
    size = "SELECT pg_relation_size('grows') / 8192"
    assert int(server.sql(size)) == pages
    more = f"INSERT INTO grows SELECT i, 1 FROM generate_series(1, {rows}) i"
    bodies: dict[tuple[str, str], set[bytes]] = {}
    with (
        transaction(server, more, "DELETE FROM grows WHERE n % 3 = 0 AND m = 1"),
        closing(connect(server.url, threads=1)) as one,
        closing(connect(server.url, threads=4)) as four,
    ):
        assert int(server.sql(size)) > pages + 200
        for fs in (one, four, one, four):
            for shape in ("", "where=m=0", "order=m&limit=1000", "offset=7"):
                version, body = read(fs, "public/grows", shape)
                assert version
                bodies.setdefault((version, shape), set()).add(body)
    assert {len(found) for found in bodies.values()} == {1}
    assert len(bodies) < 16, "one version at least was read more than once"


def test_whichever_way_the_server_goes_the_rows_come_in_one_order(server: Postgres) -> None:
    server.sql("""
        CREATE TABLE ways (n int, m int, filler text);
        INSERT INTO ways SELECT (i * 7919) % 60000, i % 10, repeat('x', 700) FROM generate_series(1, 60000) i;
        CREATE INDEX ON ways (n); CREATE INDEX ON ways (m); ANALYZE ways;
        CREATE TABLE parts (n int, m int) PARTITION BY LIST (m);
        CREATE TABLE part_a PARTITION OF parts FOR VALUES IN (0, 1, 2, 3, 4);
        CREATE TABLE part_b PARTITION OF parts DEFAULT;
        INSERT INTO parts SELECT n, m FROM ways; CREATE INDEX ON parts (n); ANALYZE parts;
        CREATE ROLE looks LOGIN; CREATE ROLE scans LOGIN; CREATE ROLE helped LOGIN;
        GRANT SELECT ON ways, parts TO looks, scans, helped;
        ALTER ROLE looks SET enable_seqscan = off; ALTER ROLE looks SET enable_bitmapscan = off;
        ALTER ROLE scans SET enable_indexscan = off; ALTER ROLE scans SET enable_bitmapscan = off;
        ALTER ROLE helped SET parallel_setup_cost = 0; ALTER ROLE helped SET parallel_tuple_cost = 0;
        ALTER ROLE helped SET min_parallel_table_scan_size = 0""")
    shapes = (
        "columns=n",
        "columns=n&where=n<30000",
        "columns=n,m&order=m&limit=5000",
        "columns=n&where=m>2&offset=9",
    )
    bodies: dict[tuple[str, str, str], set[bytes]] = {}
    # A table of more than a quarter of the server's memory, in the middle of which somebody else reads.
    half = ("DECLARE c CURSOR FOR SELECT * FROM ways", "MOVE 20000 FROM c")
    with transaction(server, *half):
        for _ in range(2):
            for role in ("looks", "scans", "helped"):
                with closing(connect(server.url.replace("postgres@", f"{role}@"), threads=2)) as fs:
                    for relation in ("public/ways", "public/parts"):
                        for shape in shapes:
                            version, body = read(fs, relation, shape)
                            assert version
                            bodies.setdefault((version, relation, shape), set()).add(body)
    assert [key[1:] for key, found in bodies.items() if len(found) > 1] == []
    assert len(bodies) < 48, "one version at least was read more than once"
