import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fsspec_db.demo import TABLES, demo_database

pytestmark = pytest.mark.timeout(60)


def test_has_the_eight_tables_of_tpch_with_rows(demo: Path) -> None:
    with closing(sqlite3.connect(demo)) as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES
        }
    assert counts == {
        "region": 5,
        "nation": 25,
        "supplier": 100,
        "customer": 1500,
        "part": 2000,
        "partsupp": 8000,
        "orders": 15000,
        "lineitem": 60175,
    }


def test_every_row_refers_to_rows_that_exist(demo: Path) -> None:
    with closing(sqlite3.connect(demo)) as connection:
        references = connection.execute("SELECT * FROM pragma_foreign_key_list('lineitem')").fetchall()
        assert len({reference[0] for reference in references}) == 4
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_declares_types_keys_a_view_and_an_index(demo: Path) -> None:
    with closing(sqlite3.connect(demo)) as connection:
        declared = dict(connection.execute("SELECT name, type FROM pragma_table_info('lineitem')"))
        kinds = set(connection.execute("SELECT type, name FROM sqlite_schema"))
        keys = connection.execute("SELECT name FROM pragma_table_info('lineitem') WHERE pk > 0").fetchall()
    assert declared["l_extendedprice"] == "DECIMAL(15, 2)"
    assert declared["l_shipdate"] == "DATE"
    assert declared["l_comment"] == "VARCHAR(44)"
    assert keys == [("l_orderkey",), ("l_linenumber",)]
    assert {("view", "customer_orders"), ("index", "lineitem_by_shipdate")} <= kinds


def test_is_in_wal_mode_so_that_readers_do_not_wait_for_a_writer(demo: Path) -> None:
    with closing(sqlite3.connect(demo)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_written_to_it_stays(demo: Path) -> None:
    with closing(sqlite3.connect(demo)) as connection, connection:
        connection.execute("CREATE TABLE mine (id INTEGER)")
    try:
        assert demo_database(demo.parent) == demo
        with closing(sqlite3.connect(demo)) as connection:
            assert connection.execute("SELECT count(*) FROM mine").fetchone() == (0,)
    finally:
        with closing(sqlite3.connect(demo)) as connection, connection:
            connection.execute("DROP TABLE mine")


def test_makers_at_the_same_time_agree_on_one_file(tmp_path: Path) -> None:
    start = threading.Barrier(3)
    files: list[tuple[Path, int]] = []

    def make() -> None:
        start.wait()
        path = demo_database(tmp_path)
        files.append((path, path.stat().st_ino))

    makers = [threading.Thread(target=make) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(set(files)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [files[0][0].name]


def test_without_the_generator_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"fsspec-db-gateway\[demo\]"):
        demo_database(tmp_path)
    assert list(tmp_path.iterdir()) == []
