"""What PostgreSQL keeps of a relation that is copied, and which rows it copies by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fsspec_db import NotEmptyError, connect
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec_db import DatabaseFileSystem


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def fs(server: Postgres) -> Iterator[DatabaseFileSystem]:
    """All of a fresh database, in the schema `public`."""
    server.sql("CREATE DATABASE copies")
    fs = connect(server.url.removesuffix("postgres") + "copies", access="manage")
    yield fs
    fs.close()
    server.sql("DROP DATABASE copies WITH (FORCE)")


def run(server: Postgres, sql: str) -> str:
    return server.sql(f"\\connect copies\n{sql}").strip()


def test_a_copy_counts_on_by_itself(server: Postgres, fs: DatabaseFileSystem) -> None:
    run(
        server,
        """CREATE TABLE t (
               id serial PRIMARY KEY,
               a int GENERATED ALWAYS AS IDENTITY (INCREMENT BY -5 MAXVALUE 50 START WITH 50),
               g int GENERATED ALWAYS AS (a * 2) STORED, note text DEFAULT 'none' CHECK (note <> ''));
           INSERT INTO t (note) VALUES ('x'), ('y'); CREATE INDEX ON t (lower(note));""",
    )
    fs.copy_relation(("public", "t"), ("public", "c"))
    fs.drop_relation("public", "t")
    run(server, "INSERT INTO c DEFAULT VALUES")
    assert run(server, "SELECT id, a, g, note FROM c ORDER BY id") == "1|50|100|x\n2|45|90|y\n3|40|80|none"
    assert run(server, "SELECT count(*) FROM pg_indexes WHERE tablename = 'c'") == "2"
    for column in ("id", "note"):
        with pytest.raises(AssertionError):
            run(server, f"INSERT INTO c ({column}) VALUES ({'1' if column == 'id' else repr('')})")


def test_a_view_keeps_its_options(server: Postgres, fs: DatabaseFileSystem) -> None:
    run(
        server,
        """CREATE TABLE t (a int, "b c" text); INSERT INTO t VALUES (1, 'x'), (2, 'y');
           CREATE VIEW v WITH (security_barrier=true) AS
               SELECT a AS "d e" FROM t WHERE a > 1 WITH LOCAL CHECK OPTION;
           CREATE MATERIALIZED VIEW m AS SELECT "b c" FROM t;""",
    )
    for name in ("v", "m"):
        fs.copy_relation(("public", name), ("public", f"{name} 2"))
    options = run(server, "SELECT reloptions FROM pg_class WHERE relname = 'v 2'")
    assert options == "{security_barrier=true,check_option=local}"
    assert fs.cat_file("/public/v 2.csv") == b"d e\r\n2\r\n"
    assert fs.info("/public/m 2")["kind"] == "materialized view"
    for overwrite in (fs.copy_relation, fs.rename_relation):
        with pytest.raises(NotEmptyError):
            overwrite(("public", "m 2"), ("public", "t"), overwrite=True)
    assert run(server, "SELECT count(*) FROM t") == "2"


def test_rows_of_a_part_or_an_heir_outlive_those_of_its_parent(
    server: Postgres, fs: DatabaseFileSystem
) -> None:
    run(
        server,
        """CREATE TABLE whole (a int, b text) PARTITION BY RANGE (a);
           CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (10);
           CREATE TABLE rest PARTITION OF whole DEFAULT;
           INSERT INTO whole VALUES (1, 'x'), (2, 'y'), (99, 'z');
           CREATE TABLE log (a int); CREATE TABLE source (a int, b text); INSERT INTO source VALUES (5, 'w');
           CREATE TABLE watched (a int, b text); INSERT INTO watched VALUES (0, 'old');
           CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN DELETE FROM source; RETURN OLD; END';
           CREATE TRIGGER gone AFTER DELETE ON watched FOR EACH ROW EXECUTE FUNCTION gone();""",
    )
    assert fs.copy_rows("/public/part.csv", "/public/whole.csv") == (2, False)
    assert run(server, "SELECT a FROM whole ORDER BY a") == "1\n2"
    assert fs.copy_rows("/public/source.csv", "/public/watched.csv") == (1, False)
    assert run(server, "SELECT a, b FROM watched") == "5|w"


def test_a_relation_moves_where_its_name_was_taken_on_the_way(
    server: Postgres, fs: DatabaseFileSystem
) -> None:
    run(server, "CREATE TABLE a (x int); CREATE SCHEMA s; CREATE TABLE s.a (y int); CREATE TABLE b (z int)")
    fs.rename_relation(("public", "a"), ("s", "b"))
    assert run(
        server, "SELECT column_name FROM information_schema.columns WHERE table_schema = 's' ORDER BY 1"
    ) == ("x\ny")
